// SPDX-License-Identifier: Apache-2.0
/*
 * A chained hash over a pool of flows. Chains hold 32-bit numbers of flows, not pointers, so the
 * bucket array is small and the pool grows by whole slabs without moving a flow: a pointer to a
 * flow holds until the flow ends. The hash is seeded, because the packets are strangers' and a
 * known hash can be flooded; nothing that leaves the table depends on it.
 *
 * A flow's key is its five-tuple with the smaller (address, port) end first, so both directions
 * meet in one place. Three lists keep flows in the order of their last packet (open TCP, other
 * protocols, closed TCP), so expiry looks at list heads only, and eviction at three of them.
 *
 * Expiry does not depend on how often it is asked for: a packet that comes too late for its flow
 * ends it and opens a new one, whether or not sl_flow_table_expire got there first.
 */
#include "base/mem.h"
#include "flow/flow.h"
#include <string.h>
#include <sys/random.h>

enum {
    SLAB_BITS = 10, // flows per slab, as a power of two
    SLAB = 1 << SLAB_BITS,
    FIRST_BUCKETS = 1 << 12,
    DEFAULT_MAX_FLOWS = 1 << 20,
    PROTO_TCP = 6,
    FIN = 0x01,
    SYN = 0x02,
    RST = 0x04,
    ACK = 0x10,
};
#define SECOND_NS INT64_C(1000000000)
#define NONE UINT32_MAX

struct key {
    uint64_t w[5]; // two addresses, then ports, protocol and family
};
enum idle_list { LIST_TCP, LIST_OTHER, LIST_CLOSED, LISTS };

struct node {
    struct sl_flow flow; // first: a flow's pointer is its node's
    struct key key;
    uint32_t hash, number;
    uint32_t chain;        // next in the bucket, or in the free list
    uint32_t older, newer; // in its idle list
    uint8_t list;
    bool low_initiates; // the initiator is the smaller end of the key
    uint8_t fins;       // bit per direction
};

struct sl_flow_table {
    struct sl_flow_options opt;
    int64_t idle_ns[LISTS];
    uint64_t seed;
    struct node **slabs;
    size_t slabs_cap;
    uint32_t nodes; // in all slabs
    uint32_t free;  // head of the free list
    uint32_t *buckets, mask;
    uint32_t oldest[LISTS], newest[LISTS];
    struct sl_flow_counts counts;
};

static struct node *at(const struct sl_flow_table *t, uint32_t n)
{
    return &t->slabs[n >> SLAB_BITS][n & (SLAB - 1)];
}

static int64_t or_default(int64_t v, int64_t otherwise)
{
    return v > 0 ? v : otherwise;
}

static uint32_t *new_buckets(uint32_t n)
{
    uint32_t *b = sl_realloc(NULL, n * sizeof *b);
    memset(b, 0xff, n * sizeof *b); // NONE
    return b;
}

struct sl_flow_table *sl_flow_table_new(const struct sl_flow_options *opt)
{
    struct sl_flow_table *t = sl_alloc(sizeof *t);
    if (opt)
        t->opt = *opt;
    if (!t->opt.max_flows)
        t->opt.max_flows = DEFAULT_MAX_FLOWS;
    if (t->opt.max_flows == NONE)
        t->opt.max_flows--;
    t->idle_ns[LIST_TCP] = or_default(t->opt.tcp_idle_ns, 120 * SECOND_NS);
    t->idle_ns[LIST_OTHER] = or_default(t->opt.udp_idle_ns, 60 * SECOND_NS);
    t->idle_ns[LIST_CLOSED] = or_default(t->opt.tcp_closed_ns, 5 * SECOND_NS);
    if (getrandom(&t->seed, sizeof t->seed, GRND_NONBLOCK) != sizeof t->seed)
        t->seed = (uint64_t)(uintptr_t)t; // early in a boot; better than a constant
    t->free = NONE;
    t->mask = FIRST_BUCKETS - 1;
    t->buckets = new_buckets(FIRST_BUCKETS);
    for (int i = 0; i < LISTS; i++)
        t->oldest[i] = t->newest[i] = NONE;
    return t;
}

// --- keys
// -----------------------------------------------------------------------------------------

static bool src_is_low(const struct sl_tuple *u)
{
    int c = memcmp(u->src.b, u->dst.b, sizeof u->src.b);
    return c ? c < 0 : u->sport <= u->dport;
}

static struct key key_of(const struct sl_tuple *u, bool low_first)
{
    struct key k;
    memcpy(&k.w[0], low_first ? u->src.b : u->dst.b, 16);
    memcpy(&k.w[2], low_first ? u->dst.b : u->src.b, 16);
    uint16_t low = low_first ? u->sport : u->dport, high = low_first ? u->dport : u->sport;
    k.w[4] = (uint64_t)low << 48 | (uint64_t)high << 32 | (uint64_t)u->proto << 8 | u->src.family;
    return k;
}

// Multiply and fold, word by word (the step of wyhash); the seed comes in before every word.
static uint32_t hash_of(const struct key *k, uint64_t seed)
{
    uint64_t h = seed;
    for (int i = 0; i < 5; i++) {
        __extension__ unsigned __int128 m =
            (unsigned __int128)(h ^ k->w[i] ^ UINT64_C(0xa0761d6478bd642f)) *
            (seed | UINT64_C(0xe7037ed1a0b428db));
        h = (uint64_t)(m >> 64) ^ (uint64_t)m;
    }
    return (uint32_t)(h ^ h >> 32);
}

static struct node *find(const struct sl_flow_table *t, const struct key *k, uint32_t hash)
{
    for (uint32_t n = t->buckets[hash & t->mask]; n != NONE;) {
        struct node *node = at(t, n);
        if (node->hash == hash && memcmp(&node->key, k, sizeof *k) == 0)
            return node;
        n = node->chain;
    }
    return NULL;
}

static void chain_in(struct sl_flow_table *t, struct node *node)
{
    uint32_t *head = &t->buckets[node->hash & t->mask];
    node->chain = *head;
    *head = node->number;
}

static void chain_out(struct sl_flow_table *t, const struct node *node)
{
    uint32_t *link = &t->buckets[node->hash & t->mask];
    while (*link != node->number)
        link = &at(t, *link)->chain;
    *link = node->chain;
}

static bool live(const struct node *node)
{
    return node->list < LISTS;
}

static void grow_buckets(struct sl_flow_table *t)
{
    t->mask = t->mask * 2 + 1;
    free(t->buckets);
    t->buckets = new_buckets(t->mask + 1);
    for (uint32_t n = 0; n < t->nodes; n++) {
        if (live(at(t, n)))
            chain_in(t, at(t, n));
    }
}

// --- idle lists
// -----------------------------------------------------------------------------------

static void list_out(struct sl_flow_table *t, struct node *node)
{
    if (node->older != NONE)
        at(t, node->older)->newer = node->newer;
    else
        t->oldest[node->list] = node->newer;
    if (node->newer != NONE)
        at(t, node->newer)->older = node->older;
    else
        t->newest[node->list] = node->older;
}

static void list_in(struct sl_flow_table *t, struct node *node, uint8_t list)
{
    node->list = list;
    node->newer = NONE;
    node->older = t->newest[list];
    if (node->older != NONE)
        at(t, node->older)->newer = node->number;
    else
        t->oldest[list] = node->number;
    t->newest[list] = node->number;
}

// --- the pool
// -------------------------------------------------------------------------------------

static void add_slab(struct sl_flow_table *t)
{
    size_t used = t->nodes >> SLAB_BITS;
    if (used == t->slabs_cap)
        t->slabs = sl_vec_grow(t->slabs, &t->slabs_cap, used, sizeof *t->slabs);
    t->slabs[used] = sl_realloc(NULL, SLAB * sizeof(struct node));
    for (uint32_t i = SLAB; i-- > 0;) {
        struct node *node = &t->slabs[used][i];
        node->number = t->nodes + i;
        node->list = LISTS; // not live
        node->chain = t->free;
        t->free = node->number;
    }
    t->nodes += SLAB;
}

static struct node *take_node(struct sl_flow_table *t)
{
    if (t->free == NONE)
        add_slab(t);
    struct node *node = at(t, t->free);
    t->free = node->chain;
    uint32_t number = node->number;
    memset(node, 0, sizeof *node);
    node->number = number;
    return node;
}

// A connection that was over says how it ended, whatever took it out of the table.
static void end_flow(struct sl_flow_table *t, struct node *node, enum sl_flow_end why)
{
    chain_out(t, node);
    list_out(t, node);
    t->counts.live--;
    if (node->flow.end == SL_END_NONE)
        node->flow.end = why;
    if (t->opt.on_end)
        t->opt.on_end(t->opt.ctx, &node->flow);
    node->list = LISTS;
    node->chain = t->free;
    t->free = node->number;
}

static void evict_oldest(struct sl_flow_table *t)
{
    struct node *worst = NULL;
    for (int i = 0; i < LISTS; i++) {
        struct node *n = t->oldest[i] == NONE ? NULL : at(t, t->oldest[i]);
        if (n && (!worst || n->flow.last_ns < worst->flow.last_ns ||
                  (n->flow.last_ns == worst->flow.last_ns && n->flow.id < worst->flow.id)))
            worst = n;
    }
    t->counts.evicted++;
    end_flow(t, worst, SL_END_EVICTED);
}

// --- packets
// --------------------------------------------------------------------------------------

enum { EPHEMERAL = 32768 }; // first port that Linux takes for clients

static bool same_ends(const struct sl_tuple *u)
{
    return u->sport == u->dport && sl_addr_equal(&u->src, &u->dst);
}

static bool is_open(uint8_t tcp_flags) // a SYN that asks
{
    return (tcp_flags & (SYN | ACK | RST)) == SYN;
}

static struct node *open_flow(struct sl_flow_table *t, const struct sl_packet *p,
                              const struct key *k, uint32_t hash, bool low)
{
    if (t->counts.live >= t->opt.max_flows)
        evict_oldest(t);
    if (t->counts.live > t->mask)
        grow_buckets(t);
    struct node *node = take_node(t);
    bool answer = (p->tcp_flags & (SYN | ACK)) == (SYN | ACK);
    // Joined in the middle: whoever speaks from a service's port to an ephemeral one answers.
    bool midway = p->tuple.proto == PROTO_TCP && !is_open(p->tcp_flags) && !answer &&
                  p->tuple.sport < EPHEMERAL && p->tuple.dport >= EPHEMERAL;
    bool turned = (answer || midway) && !same_ends(&p->tuple);
    node->key = *k;
    node->hash = hash;
    node->low_initiates = low != turned;
    node->flow.tuple = p->tuple;
    if (turned) {
        node->flow.tuple.src = p->tuple.dst;
        node->flow.tuple.dst = p->tuple.src;
        node->flow.tuple.sport = p->tuple.dport;
        node->flow.tuple.dport = p->tuple.sport;
    }
    node->flow.first_ns = node->flow.last_ns = p->ts_ns;
    node->flow.id = (uint32_t)t->counts.flows++;
    t->counts.live++;
    chain_in(t, node);
    list_in(t, node, p->tuple.proto == PROTO_TCP ? LIST_TCP : LIST_OTHER);
    return node;
}

static void keep_head(struct sl_flow *f, int dir, const struct sl_packet *p)
{
    uint32_t room = (uint32_t)SL_FLOW_HEAD_BYTES - f->head_len[dir];
    uint32_t n = p->payload_captured < room ? p->payload_captured : room;
    // The head is the beginning of the stream: once bytes were missed, nothing more fits behind.
    bool contiguous = f->head_len[dir] == f->payload_bytes[dir];
    if (n && contiguous) {
        memcpy(f->head[dir] + f->head_len[dir], p->payload, n);
        f->head_len[dir] = (uint8_t)(f->head_len[dir] + n);
    }
}

static void note_tcp(struct node *node, int dir, uint8_t flags)
{
    struct sl_flow *f = &node->flow;
    f->tcp_flags[dir] |= flags;
    if (is_open(flags) && dir == SL_FORWARD)
        f->syn_seen = true;
    if (flags & FIN)
        node->fins |= (uint8_t)(1 << dir);
    if (f->end == SL_END_NONE && (flags & RST))
        f->end = SL_END_RST;
    else if (f->end == SL_END_NONE && node->fins == 3)
        f->end = SL_END_FIN;
}

static void update(struct sl_flow_table *t, struct node *node, int dir, const struct sl_packet *p)
{
    struct sl_flow *f = &node->flow;
    f->packets[dir]++;
    f->bytes[dir] += p->wire_bytes;
    if (f->head_len[dir] < SL_FLOW_HEAD_BYTES)
        keep_head(f, dir, p);
    f->payload_bytes[dir] += p->payload_bytes;
    if (p->ts_ns > f->last_ns)
        f->last_ns = p->ts_ns;
    if (p->tuple.proto == PROTO_TCP)
        note_tcp(node, dir, p->tcp_flags);
    uint8_t list = f->end == SL_END_NONE ? node->list : LIST_CLOSED;
    if (node->newer != NONE || list != node->list) {
        list_out(t, node);
        list_in(t, node, list);
    }
}

struct sl_flow *sl_flow_table_add(struct sl_flow_table *t, const struct sl_packet *p, int *dir)
{
    bool low = src_is_low(&p->tuple);
    struct key k = key_of(&p->tuple, low);
    uint32_t hash = hash_of(&k, t->seed);
    struct node *node = find(t, &k, hash);
    if (node) {
        bool late = p->ts_ns - node->flow.last_ns > t->idle_ns[node->list];
        bool again = node->flow.end != SL_END_NONE && is_open(p->tcp_flags);
        if (late || again) {
            end_flow(t, node, SL_END_IDLE);
            node = NULL;
        }
    }
    if (!node)
        node = open_flow(t, p, &k, hash, low);
    int d = low == node->low_initiates ? SL_FORWARD : SL_BACKWARD;
    t->counts.packets++;
    update(t, node, d, p);
    if (dir)
        *dir = d;
    return &node->flow;
}

void sl_flow_table_expire(struct sl_flow_table *t, int64_t now_ns)
{
    for (int i = 0; i < LISTS; i++) {
        while (t->oldest[i] != NONE) {
            struct node *node = at(t, t->oldest[i]);
            if (now_ns - node->flow.last_ns <= t->idle_ns[i])
                break;
            end_flow(t, node, SL_END_IDLE);
        }
    }
}

static int by_id(const void *a, const void *b)
{
    const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
    return (x->flow.id > y->flow.id) - (x->flow.id < y->flow.id);
}

void sl_flow_table_drain(struct sl_flow_table *t)
{
    size_t n = 0;
    struct node **all = sl_alloc((t->counts.live + 1) * sizeof *all);
    for (uint32_t i = 0; i < t->nodes; i++) {
        if (live(at(t, i)))
            all[n++] = at(t, i);
    }
    qsort(all, n, sizeof *all, by_id);
    for (size_t i = 0; i < n; i++)
        end_flow(t, all[i], SL_END_CLOSED);
    free(all);
}

void sl_flow_table_free(struct sl_flow_table *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < t->nodes >> SLAB_BITS; i++)
        free(t->slabs[i]);
    free(t->slabs);
    free(t->buckets);
    free(t);
}

void sl_flow_table_counts(const struct sl_flow_table *t, struct sl_flow_counts *out)
{
    *out = t->counts;
}

const char *sl_flow_end_name(enum sl_flow_end end)
{
    static const char *const names[] = {
        [SL_END_NONE] = "none", [SL_END_FIN] = "fin",         [SL_END_RST] = "rst",
        [SL_END_IDLE] = "idle", [SL_END_EVICTED] = "evicted", [SL_END_CLOSED] = "closed",
    };
    return (size_t)end < sizeof names / sizeof *names ? names[end] : "unknown";
}
