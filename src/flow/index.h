// SPDX-License-Identifier: Apache-2.0
/*
 * The index under every flow table: a seeded, chained hash over a pool of nodes of one size, and
 * lists that keep the nodes in the order of their last packet, so that expiry looks at list heads
 * only.
 *
 * Key      a five-tuple with the smaller (address, port) end first, so both directions meet in one
 *          place; beside it the zone, a number for where the packet was seen (interface, VLAN). Pool
 *          nodes are numbered; chains and lists hold 32-bit numbers, not pointers, so the bucket
 *          array is small and the pool grows by whole slabs without moving a node: a pointer holds
 *          until the node is given back.
 * Hash     seeded, because the packets are strangers' and a known hash can be flooded; nothing that
 *          leaves a table depends on it.
 * Threads  an index belongs to one thread at a time.
 *
 * Inside src/flow only; inline, because it is the fast path.
 */
#pragma once
#include "base/mem.h"
#include "net/packet.h"
#include <assert.h>
#include <endian.h>
#include <string.h>

enum {
    SL_INDEX_LISTS = 4,
    SL_INDEX_SLAB_BITS = 11, // nodes per slab, as a power of two
    SL_INDEX_SLAB = 1 << SL_INDEX_SLAB_BITS,
};
#define SL_INDEX_NONE UINT32_MAX

struct sl_key {
    uint64_t w[5]; // two addresses, then ports, zone, protocol and family
};
struct sl_node { // the beginning of every flow's state: one cache line
    struct sl_key key;
    uint32_t number;
    uint32_t chain;        // next in the bucket, or in the free list
    uint32_t older, newer; // in its list
    uint8_t list;          // SL_INDEX_LISTS = not live
    bool low_initiates;    // the initiator is the smaller end of the key
    uint8_t user[2];       // the owner's
    uint32_t more;         // the owner's
};
static_assert(sizeof(struct sl_node) == 64, "a node is a cache line");
struct sl_index {
    size_t node_bytes;
    uint64_t seed;
    uint8_t **slabs;
    size_t slabs_cap;
    uint32_t nodes; // in all slabs
    uint32_t used;  // of them, the first: those behind were never touched, and cost no memory yet
    uint32_t live;  // in the hash
    uint32_t free;  // head of the free list
    uint32_t *buckets, mask;
    uint32_t oldest[SL_INDEX_LISTS], newest[SL_INDEX_LISTS];
};

void sl_index_init(struct sl_index *x, size_t node_bytes, uint64_t seed);
void sl_index_done(struct sl_index *x);
void sl_index_grow_buckets(struct sl_index *x);
void sl_index_add_slab(struct sl_index *x);
void sl_index_forget(struct sl_index *x);        // no node can be found, added or removed any more
size_t sl_index_bytes(const struct sl_index *x); // memory held

static inline void *sl_index_at(const struct sl_index *x, uint32_t n)
{
    return x->slabs[n >> SL_INDEX_SLAB_BITS] + (n & (SL_INDEX_SLAB - 1)) * x->node_bytes;
}

static inline bool sl_tuple_src_is_low(const struct sl_tuple *u)
{
    uint64_t s[2], d[2];
    memcpy(s, u->src.b, sizeof s);
    memcpy(d, u->dst.b, sizeof d);
    int i = s[0] == d[0];
    return s[i] != d[i] ? be64toh(s[i]) < be64toh(d[i]) : u->sport <= u->dport;
}

static inline struct sl_key sl_key_of(const struct sl_tuple *u, bool low_first, uint16_t zone)
{
    struct sl_key k;
    memcpy(&k.w[0], low_first ? u->src.b : u->dst.b, 16);
    memcpy(&k.w[2], low_first ? u->dst.b : u->src.b, 16);
    uint16_t low = low_first ? u->sport : u->dport, high = low_first ? u->dport : u->sport;
    k.w[4] = (uint64_t)low << 48 | (uint64_t)high << 32 | (uint64_t)zone << 16 |
             (uint64_t)u->proto << 8 | u->src.family;
    return k;
}

// The tuple again, initiator first.
static inline struct sl_tuple sl_key_tuple(const struct sl_key *k, bool low_initiates)
{
    struct sl_tuple u;
    uint16_t low = (uint16_t)(k->w[4] >> 48), high = (uint16_t)(k->w[4] >> 32);
    u.proto = (uint8_t)(k->w[4] >> 8);
    u.src.family = u.dst.family = (uint8_t)k->w[4];
    memcpy(u.src.b, &k->w[low_initiates ? 0 : 2], 16);
    memcpy(u.dst.b, &k->w[low_initiates ? 2 : 0], 16);
    u.sport = low_initiates ? low : high;
    u.dport = low_initiates ? high : low;
    return u;
}

static inline uint16_t sl_key_zone(const struct sl_key *k)
{
    return (uint16_t)(k->w[4] >> 16);
}

static inline bool sl_key_equal(const struct sl_key *a, const struct sl_key *b)
{
    return ((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) | (a->w[2] ^ b->w[2]) | (a->w[3] ^ b->w[3]) |
            (a->w[4] ^ b->w[4])) == 0;
}

static inline uint64_t sl_fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)(m >> 64) ^ (uint64_t)m;
}

// Multiply and fold (the step of wyhash), three independent products and one that joins them. The
// second words of the addresses are zero for IPv4, which costs nothing but one product.
static inline uint32_t sl_key_hash(const struct sl_key *k, uint64_t seed)
{
    uint64_t a = sl_fold(k->w[0] ^ seed, k->w[2] ^ UINT64_C(0xe7037ed1a0b428db));
    uint64_t b = sl_fold(k->w[1] ^ UINT64_C(0xa0761d6478bd642f), k->w[3] ^ seed);
    uint64_t h = sl_fold(k->w[4] ^ a ^ UINT64_C(0x8ebc6af09c88c6e3),
                         seed ^ b ^ UINT64_C(0x589965cc75374cc3));
    return (uint32_t)(h ^ h >> 32);
}

static inline void *sl_index_find(const struct sl_index *x, const struct sl_key *k, uint32_t hash)
{
    for (uint32_t n = x->buckets[hash & x->mask]; n != SL_INDEX_NONE;) {
        struct sl_node *node = sl_index_at(x, n);
        if (sl_key_equal(&node->key, k))
            return node;
        n = node->chain;
    }
    return NULL;
}

static inline void sl_index_list_out(struct sl_index *x, struct sl_node *node)
{
    if (node->older != SL_INDEX_NONE)
        ((struct sl_node *)sl_index_at(x, node->older))->newer = node->newer;
    else
        x->oldest[node->list] = node->newer;
    if (node->newer != SL_INDEX_NONE)
        ((struct sl_node *)sl_index_at(x, node->newer))->older = node->older;
    else
        x->newest[node->list] = node->older;
}

static inline void sl_index_list_in(struct sl_index *x, struct sl_node *node, uint8_t list)
{
    node->list = list;
    node->newer = SL_INDEX_NONE;
    node->older = x->newest[list];
    if (node->older != SL_INDEX_NONE)
        ((struct sl_node *)sl_index_at(x, node->older))->newer = node->number;
    else
        x->oldest[list] = node->number;
    x->newest[list] = node->number;
}

// To the end of a list: it was heard of just now.
static inline void sl_index_touch(struct sl_index *x, struct sl_node *node, uint8_t list)
{
    if (node->newer == SL_INDEX_NONE && list == node->list)
        return;
    sl_index_list_out(x, node);
    sl_index_list_in(x, node, list);
}

// A new node under a key that is not there, zeroed behind its beginning, at the end of a list.
static inline void *sl_index_add(struct sl_index *x, const struct sl_key *k, uint32_t hash,
                                 uint8_t list)
{
    if (x->live > x->mask)
        sl_index_grow_buckets(x);
    if (x->free == SL_INDEX_NONE && x->used == x->nodes)
        sl_index_add_slab(x);
    uint32_t number = x->free == SL_INDEX_NONE ? x->used++ : x->free;
    struct sl_node *node = sl_index_at(x, number);
    if (x->free != SL_INDEX_NONE)
        x->free = node->chain;
    memset(node, 0, x->node_bytes);
    node->number = number;
    node->key = *k;
    uint32_t *head = &x->buckets[hash & x->mask];
    node->chain = *head;
    *head = number;
    x->live++;
    sl_index_list_in(x, node, list);
    return node;
}

// Out of the hash and its list, so that its key is free again; the node itself holds until it is
// given back.
static inline void sl_index_remove(struct sl_index *x, struct sl_node *node)
{
    uint32_t *link = &x->buckets[sl_key_hash(&node->key, x->seed) & x->mask];
    while (*link != node->number)
        link = &((struct sl_node *)sl_index_at(x, *link))->chain;
    *link = node->chain;
    sl_index_list_out(x, node);
    node->list = SL_INDEX_LISTS;
    x->live--;
}

static inline void sl_index_give_back(struct sl_index *x, struct sl_node *node)
{
    node->chain = x->free;
    x->free = node->number;
}
