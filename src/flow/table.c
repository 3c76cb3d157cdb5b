// SPDX-License-Identifier: Apache-2.0
/*
 * A small flow's state hangs on the index (flow/index.h), on one of three lists: open TCP, other
 * protocols, closed TCP.
 *
 * Expiry does not depend on how often it is asked for: a packet that comes too late for its flow
 * ends it and opens a new one, whether or not sl_flow_table_expire got there first.
 */
#include "base/hash.h"
#include "base/mem.h"
#include "flow/flow.h"
#include "flow/index.h"
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_MAX_FLOWS = 1 << 20 };
#define SECOND_NS INT64_C(1000000000)

enum idle_list { LIST_TCP, LIST_OTHER, LIST_CLOSED, LISTS };

struct node {
    struct sl_node node;
    struct sl_flow flow;
    uint8_t fins; // bit per direction
};

struct sl_flow_table {
    struct sl_flow_options opt;
    int64_t idle_ns[LISTS];
    struct sl_index index;
    struct sl_flow_counts counts;
};

static int64_t or_default(int64_t v, int64_t otherwise)
{
    return v > 0 ? v : otherwise;
}

struct sl_flow_table *sl_flow_table_new(const struct sl_flow_options *opt)
{
    struct sl_flow_table *t = sl_alloc(sizeof *t);
    if (opt)
        t->opt = *opt;
    if (!t->opt.max_flows)
        t->opt.max_flows = DEFAULT_MAX_FLOWS;
    if (t->opt.max_flows == SL_INDEX_NONE)
        t->opt.max_flows--;
    t->idle_ns[LIST_TCP] = or_default(t->opt.tcp_idle_ns, 120 * SECOND_NS);
    t->idle_ns[LIST_OTHER] = or_default(t->opt.udp_idle_ns, 60 * SECOND_NS);
    t->idle_ns[LIST_CLOSED] = or_default(t->opt.tcp_closed_ns, 5 * SECOND_NS);
    sl_index_init(&t->index, sizeof(struct node), sl_hash_seed());
    return t;
}

static struct node *oldest(const struct sl_flow_table *t, int list)
{
    uint32_t n = t->index.oldest[list];
    return n == SL_INDEX_NONE ? NULL : sl_index_at(&t->index, n);
}

// A connection that was over says how it ended, whatever took it out of the table.
static void end_flow(struct sl_flow_table *t, struct node *node, enum sl_flow_end why)
{
    sl_index_remove(&t->index, &node->node);
    t->counts.live--;
    if (node->flow.end == SL_END_NONE)
        node->flow.end = why;
    if (t->opt.on_end)
        t->opt.on_end(t->opt.ctx, &node->flow);
    sl_index_give_back(&t->index, &node->node);
}

static void evict_oldest(struct sl_flow_table *t)
{
    struct node *worst = NULL;
    for (int i = 0; i < LISTS; i++) {
        struct node *n = oldest(t, i);
        if (n && (!worst || n->flow.last_ns < worst->flow.last_ns ||
                  (n->flow.last_ns == worst->flow.last_ns && n->flow.id < worst->flow.id)))
            worst = n;
    }
    t->counts.evicted++;
    end_flow(t, worst, SL_END_EVICTED);
}

// --- packets -------------------------------------------------------------------------------------

enum { EPHEMERAL = 32768 }; // first port that Linux takes for clients

static bool same_ends(const struct sl_tuple *u)
{
    return u->sport == u->dport && sl_addr_equal(&u->src, &u->dst);
}

static bool is_open(uint8_t tcp_flags) // a SYN that asks
{
    return (tcp_flags & (SL_TCP_SYN | SL_TCP_ACK | SL_TCP_RST)) == SL_TCP_SYN;
}

static struct node *open_flow(struct sl_flow_table *t, const struct sl_packet *p,
                              const struct sl_key *k, uint32_t hash, bool low)
{
    if (t->counts.live >= t->opt.max_flows)
        evict_oldest(t);
    uint8_t list = p->tuple.proto == SL_PROTO_TCP ? LIST_TCP : LIST_OTHER;
    struct node *node = sl_index_add(&t->index, k, hash, list);
    bool answer = (p->tcp_flags & (SL_TCP_SYN | SL_TCP_ACK)) == (SL_TCP_SYN | SL_TCP_ACK);
    // Joined in the middle: whoever speaks from a service's port to an ephemeral one answers.
    bool midway = p->tuple.proto == SL_PROTO_TCP && !is_open(p->tcp_flags) && !answer &&
                  p->tuple.sport < EPHEMERAL && p->tuple.dport >= EPHEMERAL;
    bool turned = (answer || midway) && !same_ends(&p->tuple);
    node->node.low_initiates = low != turned;
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
    if (flags & SL_TCP_FIN)
        node->fins |= (uint8_t)(1 << dir);
    if (f->end == SL_END_NONE && (flags & SL_TCP_RST))
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
    if (p->tuple.proto == SL_PROTO_TCP)
        note_tcp(node, dir, p->tcp_flags);
    sl_index_touch(&t->index, &node->node, f->end == SL_END_NONE ? node->node.list : LIST_CLOSED);
}

struct sl_flow *sl_flow_table_add(struct sl_flow_table *t, const struct sl_packet *p, int *dir)
{
    bool low = sl_tuple_src_is_low(&p->tuple);
    struct sl_key k = sl_key_of(&p->tuple, low, 0);
    uint32_t hash = sl_key_hash(&k, t->index.seed);
    struct node *node = sl_index_find(&t->index, &k, hash);
    if (node) {
        bool late = p->ts_ns - node->flow.last_ns > t->idle_ns[node->node.list];
        bool again = node->flow.end != SL_END_NONE && is_open(p->tcp_flags);
        if (late || again) {
            end_flow(t, node, SL_END_IDLE);
            node = NULL;
        }
    }
    if (!node)
        node = open_flow(t, p, &k, hash, low);
    int d = low == node->node.low_initiates ? SL_FORWARD : SL_BACKWARD;
    t->counts.packets++;
    update(t, node, d, p);
    if (dir)
        *dir = d;
    return &node->flow;
}

void sl_flow_table_expire(struct sl_flow_table *t, int64_t now_ns)
{
    for (int i = 0; i < LISTS; i++) {
        struct node *node;
        while ((node = oldest(t, i)) && now_ns - node->flow.last_ns > t->idle_ns[i])
            end_flow(t, node, SL_END_IDLE);
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
    for (uint32_t i = 0; i < t->index.used; i++) {
        struct node *node = sl_index_at(&t->index, i);
        if (node->node.list < LISTS)
            all[n++] = node;
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
    sl_index_done(&t->index);
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
