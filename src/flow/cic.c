// SPDX-License-Identifier: Apache-2.0
/*
 * Two generators over one state. What differs is what a packet does to a flow (original, fork) and
 * a handful of updates, which ask `fork`.
 *
 * The tools' table is keyed by text, source first, and looked up in both orientations; since only
 * one of the two is ever in it, a key with the smaller end first does the same, and the node
 * remembers the orientation (low_initiates): the Flow ID is this key, even where the flow behind it
 * has been replaced by one with other ends.
 *
 * Time stamps may go backwards: gaps are then negative, as in the tools.
 */
#include "flow/cic.h"
#include "base/hash.h"
#include <math.h>
#include <stdlib.h>

#define TIMEOUT_US INT64_C(120000000)
#define ACTIVITY_US INT64_C(5000000)
enum { MAX_FLOWS = 2097152, MAX_SEGMENTS = 33554432, BULK_PACKETS = 4, FIRST_SEGMENTS = 8 };
enum { NO_SUBFLOW = -1 };
// The fork's states of a TCP connection. (The original only knows whether a forward FIN came.)
enum { OPEN, ONE_FIN, BOTH_FINS, OVER };
enum { FORWARD, BACKWARD };

struct sl_cic {
    struct sl_cic_options opt;
    struct sl_index index;
    struct sl_cic_counts counts;
    uint64_t n_segments; // kept in all flows
};

// ---- statistics ---------------------------------------------------------------------------------

void sl_cic_stat_add(struct sl_cic_stat *s, double x)
{
    s->n++;
    double n = (double)s->n, deviation = x - s->mean, part = deviation / n;
    s->mean += part;
    s->squares += (n - 1) * deviation * part;
    s->sum += x;
    if (s->n == 1 || x < s->min)
        s->min = x;
    if (s->n == 1 || x > s->max)
        s->max = x;
}

double sl_cic_stat_variance(const struct sl_cic_stat *s)
{
    return s->n > 1 ? s->squares / ((double)s->n - 1) : s->n ? 0 : (double)NAN;
}

double sl_cic_stat_std(const struct sl_cic_stat *s)
{
    return s->n > 1 ? sqrt(sl_cic_stat_variance(s)) : s->n ? 0 : (double)NAN;
}

// ---- segments seen (the fork) -------------------------------------------------------------------

static bool same_segment(const struct sl_cic_segment *a, const struct sl_cic_segment *b)
{
    return a->seq == b->seq && a->ack == b->ack && a->payload_bytes == b->payload_bytes &&
           a->window == b->window && a->from_low == b->from_low;
}

// Where it is, or would go.
static struct sl_cic_segment *segment_slot(const struct sl_cic *c, const struct sl_cic_flow *f,
                                           const struct sl_cic_segment *s)
{
    uint64_t h =
        sl_fold(((uint64_t)s->seq << 32 | s->ack) ^ c->index.seed,
                ((uint64_t)s->payload_bytes << 17 | (uint64_t)s->from_low << 16 | s->window) ^
                    UINT64_C(0xa0761d6478bd642f));
    uint32_t mask = f->segments_cap - 1, i = (uint32_t)h & mask;
    while (f->segments[i].used && !same_segment(&f->segments[i], s))
        i = (i + 1) & mask;
    return &f->segments[i];
}

static void grow_segments(const struct sl_cic *c, struct sl_cic_flow *f)
{
    struct sl_cic_segment *old = f->segments;
    uint32_t n = f->segments_cap;
    f->segments_cap = n ? n * 2 : FIRST_SEGMENTS;
    f->segments = sl_alloc(f->segments_cap * sizeof *f->segments);
    for (uint32_t i = 0; i < n; i++)
        if (old[i].used)
            *segment_slot(c, f, &old[i]) = old[i];
    free(old);
}

static bool seen_before(struct sl_cic *c, struct sl_cic_flow *f, const struct sl_cic_segment *s)
{
    if (f->n_segments * 4 >= f->segments_cap * 3)
        grow_segments(c, f);
    struct sl_cic_segment *slot = segment_slot(c, f, s);
    if (slot->used)
        return true;
    if (c->n_segments >= c->opt.max_segments) {
        c->counts.segments_not_kept++;
        return false;
    }
    *slot = *s;
    slot->used = 1;
    f->n_segments++;
    c->n_segments++;
    return false;
}

static void forget_segments(struct sl_cic *c, struct sl_cic_flow *f)
{
    c->n_segments -= f->n_segments;
    free(f->segments);
    f->segments = NULL;
    f->segments_cap = f->n_segments = 0;
}

static void count_segment(struct sl_cic *c, struct sl_cic_flow *f, const struct sl_cic_packet *p,
                          int dir)
{
    if (!c->opt.fork || f->protocol != SL_PROTO_TCP)
        return;
    struct sl_tuple ends = sl_key_tuple(&f->node.key, true);
    struct sl_cic_segment s = {.seq = p->tcp_seq,
                               .ack = p->tcp_ack,
                               .payload_bytes = p->payload_bytes,
                               .window = p->tcp_window,
                               .from_low = p->src == sl_addr_v4(&ends.src)};
    f->side[dir].segments_again += seen_before(c, f, &s);
}

// ---- updates of one flow by one packet ----------------------------------------------------------

static void active_idle(struct sl_cic_flow *f, int64_t t)
{
    if (t - f->active_end_us > ACTIVITY_US) {
        if (f->active_end_us - f->active_start_us > 0)
            sl_cic_stat_add(&f->active, (double)(f->active_end_us - f->active_start_us));
        sl_cic_stat_add(&f->idle, (double)(t - f->active_end_us));
        f->active_start_us = t;
    }
    f->active_end_us = t;
}

static void subflow(struct sl_cic_flow *f, int64_t t)
{
    if (f->subflow_last_us == NO_SUBFLOW)
        f->subflow_last_us = t;
    if ((double)(t - f->subflow_last_us) / 1e6 > 1.0) {
        f->subflows++;
        active_idle(f, t);
    }
    f->subflow_last_us = t;
}

static void bulk_add(struct sl_cic_bulk *b, int64_t other_last_us, int64_t payload, int64_t t)
{
    if (other_last_us > b->start_us)
        b->start_us = 0;
    if (payload <= 0)
        return;
    if (!b->start_us || (double)(t - b->last_us) / 1e6 > 1.0) {
        b->start_us = b->last_us = t;
        b->n = 1;
        b->size_bytes = payload;
        return;
    }
    b->n++;
    b->size_bytes += payload;
    if (b->n == BULK_PACKETS) {
        b->bulks++;
        b->packets += b->n;
        b->total_bytes += b->size_bytes;
        b->duration_us += t - b->start_us;
    } else if (b->n > BULK_PACKETS) {
        b->packets++;
        b->total_bytes += payload;
        b->duration_us += t - b->last_us;
    }
    b->last_us = t;
}

// The original takes every packet for a backward one here, and never sees one of the other side.
static void bulk(bool fork, struct sl_cic_flow *f, const struct sl_cic_packet *p, int dir)
{
    int side = fork ? dir : BACKWARD;
    int64_t other_us = fork ? f->side[!dir].bulk.last_us : 0;
    bulk_add(&f->side[side].bulk, other_us, p->payload_bytes, p->t_us);
}

static void count_flags(struct sl_cic_flow *f, uint8_t flags)
{
    for (int i = 0; flags; i++, flags >>= 1)
        f->flags[i] += flags & 1;
}

static void count_side_flags(struct sl_cic_side *s, uint8_t flags)
{
    s->psh += (flags & SL_TCP_PSH) != 0;
    s->urg += (flags & SL_TCP_URG) != 0;
    s->rst += (flags & SL_TCP_RST) != 0;
    s->fin += (flags & SL_TCP_FIN) != 0;
}

static int direction(const struct sl_cic_flow *f, const struct sl_cic_packet *p)
{
    return p->src == f->src ? FORWARD : BACKWARD;
}

static void add(struct sl_cic *c, struct sl_cic_flow *f, const struct sl_cic_packet *p)
{
    bool fork = c->opt.fork;
    int dir = direction(f, p);
    struct sl_cic_side *s = &f->side[dir];
    int64_t t = p->t_us;
    bulk(fork, f, p, dir);
    subflow(f, t);
    count_flags(f, p->tcp_flags);
    count_segment(c, f, p, dir);
    sl_cic_stat_add(&f->length, p->payload_bytes);
    sl_cic_stat_add(&s->length, p->payload_bytes);
    s->data_packets += p->payload_bytes >= 1;
    s->header_bytes += p->header_bytes;
    s->payload_bytes += p->payload_bytes;
    if (++s->packets > 1)
        sl_cic_stat_add(&s->gap, (double)(t - s->last_us));
    s->last_us = t;
    if (p->header_bytes < s->header_min)
        s->header_min = p->header_bytes;
    if (dir == BACKWARD && (!fork || !s->window))
        s->window = p->tcp_window;
    if (fork)
        count_side_flags(s, p->tcp_flags);
    sl_cic_stat_add(&f->gap, (double)(t - f->last_us));
    f->last_us = t;
}

struct ends {
    uint32_t src, dst;
    uint16_t sport, dport;
};

static struct ends ends_of(const struct sl_cic_packet *p)
{
    return (struct ends){p->src, p->dst, p->sport, p->dport};
}

static struct ends ends_swapped(const struct sl_cic_packet *p)
{
    return (struct ends){p->dst, p->src, p->dport, p->sport};
}

static struct ends ends_kept(const struct sl_cic_flow *f)
{
    return (struct ends){f->src, f->dst, f->sport, f->dport};
}

// The original counts the first packet's length twice, always forward, and its data not at all.
static void first_packet(struct sl_cic *c, struct sl_cic_flow *f, const struct sl_cic_packet *p)
{
    bool fork = c->opt.fork;
    int dir = fork ? direction(f, p) : FORWARD;
    struct sl_cic_side *s = &f->side[dir];
    bulk(fork, f, p, dir);
    count_flags(f, p->tcp_flags);
    sl_cic_stat_add(&f->length, p->payload_bytes);
    if (!fork)
        sl_cic_stat_add(&f->length, p->payload_bytes);
    sl_cic_stat_add(&s->length, p->payload_bytes);
    s->packets = 1;
    s->payload_bytes = p->payload_bytes;
    s->header_bytes = p->header_bytes;
    s->header_min = p->header_bytes;
    s->window = p->tcp_window;
    s->last_us = p->t_us;
    s->data_packets = fork && p->payload_bytes >= 1;
    count_side_flags(s, p->tcp_flags);
    if (!fork)
        s->fin = s->rst = 0; // there, FINs are counted by the generator
    count_segment(c, f, p, dir);
}

// A flow in the place of another, under its key. The segments seen stay.
static void begin(struct sl_cic *c, struct sl_cic_flow *f, const struct sl_cic_packet *p,
                  struct ends ends)
{
    struct sl_cic_flow fresh = {.node = f->node,
                                .first_number = p->number,
                                .src = ends.src,
                                .dst = ends.dst,
                                .sport = ends.sport,
                                .dport = ends.dport,
                                .protocol = p->protocol,
                                .icmp_type = p->icmp_type,
                                .icmp_code = p->icmp_code,
                                .start_us = p->t_us,
                                .last_us = p->t_us,
                                .active_start_us = p->t_us,
                                .active_end_us = p->t_us,
                                .subflow_last_us = p->t_us,
                                .segments = f->segments,
                                .segments_cap = f->segments_cap,
                                .n_segments = f->n_segments};
    *f = fresh;
    first_packet(c, f, p);
}

static void begin_fresh(struct sl_cic *c, struct sl_cic_flow *f, const struct sl_cic_packet *p,
                        struct ends ends)
{
    forget_segments(c, f);
    begin(c, f, p, ends);
}

// ---- the table ----------------------------------------------------------------------------------

static void emit(struct sl_cic *c, const struct sl_cic_flow *f)
{
    if (!c->opt.fork && f->side[0].packets + f->side[1].packets < 2) {
        c->counts.too_short++;
        return;
    }
    c->counts.flows++;
    if (c->opt.on_flow)
        c->opt.on_flow(c->opt.ctx, c, f);
}

// The fork adds up how long a connection lasted.
static void count_duration(struct sl_cic_flow *f)
{
    if (f->protocol == SL_PROTO_TCP || f->protocol == SL_PROTO_UDP)
        f->before_us += f->last_us - f->start_us;
}

static void remove_flow(struct sl_cic *c, struct sl_cic_flow *f)
{
    forget_segments(c, f);
    sl_index_remove(&c->index, &f->node);
    sl_index_give_back(&c->index, &f->node);
}

static void emit_last(struct sl_cic *c, struct sl_cic_flow *f)
{
    if (c->opt.fork)
        count_duration(f);
    emit(c, f);
}

static void make_room(struct sl_cic *c)
{
    if (c->index.live < c->opt.max_flows)
        return;
    struct sl_cic_flow *f = sl_index_at(&c->index, c->index.oldest[0]);
    emit_last(c, f);
    remove_flow(c, f);
    c->counts.evicted++;
}

static bool both(uint8_t flags, uint8_t what)
{
    return (flags & what) == what;
}

static void new_flow(struct sl_cic *c, const struct sl_key *key, uint32_t hash, bool src_low,
                     const struct sl_cic_packet *p)
{
    bool answer = c->opt.fork && both(p->tcp_flags, SL_TCP_SYN | SL_TCP_ACK);
    make_room(c);
    struct sl_cic_flow *f = sl_index_add(&c->index, key, hash, 0);
    f->node.low_initiates = src_low != answer;
    begin(c, f, p, answer ? ends_swapped(p) : ends_of(p));
    if (c->index.live > c->counts.peak_live)
        c->counts.peak_live = c->index.live;
}

// ---- ahlashkari's generator ---------------------------------------------------------------------

static void original_forward_fin(struct sl_cic *c, struct sl_cic_flow *f,
                                 const struct sl_cic_packet *p)
{
    if (f->side[FORWARD].fin++) {
        c->counts.dropped++;
        return;
    }
    active_idle(f, p->t_us);
    add(c, f, p);
}

static void original(struct sl_cic *c, struct sl_cic_flow *f, const struct sl_cic_packet *p)
{
    bool forward = direction(f, p) == FORWARD;
    if (p->t_us - f->start_us > TIMEOUT_US) {
        emit(c, f);
        begin(c, f, p, ends_kept(f));
    } else if ((p->tcp_flags & SL_TCP_FIN) && forward) {
        original_forward_fin(c, f, p);
    } else if (p->tcp_flags & (SL_TCP_FIN | SL_TCP_RST)) {
        add(c, f, p);
        emit(c, f);
        remove_flow(c, f);
    } else {
        active_idle(f, p->t_us);
        add(c, f, p);
    }
}

// ---- GintsEngelen's generator -------------------------------------------------------------------

static void fork_replace(struct sl_cic *c, struct sl_cic_flow *f, const struct sl_cic_packet *p)
{
    bool again = f->state == OVER && (p->tcp_flags & SL_TCP_SYN);
    bool udp_pause = f->protocol == SL_PROTO_UDP && p->t_us - f->last_us > TIMEOUT_US;
    bool connected = p->protocol == SL_PROTO_TCP || p->protocol == SL_PROTO_UDP;
    count_duration(f);
    emit(c, f);
    if (again || udp_pause || !connected) {
        bool answer = both(p->tcp_flags, SL_TCP_SYN | SL_TCP_ACK);
        begin_fresh(c, f, p, answer ? ends_swapped(p) : ends_of(p));
        return;
    }
    int64_t before_us = f->before_us + (p->t_us - f->last_us);
    begin(c, f, p, ends_kept(f));
    f->before_us = before_us;
}

static void fork_fin_state(struct sl_cic_flow *f)
{
    if (f->state == OPEN)
        f->state = ONE_FIN;
    else if (f->state == ONE_FIN && f->side[0].fin > 0 && f->side[1].fin > 0)
        f->state = BOTH_FINS;
}

static void corrected(struct sl_cic *c, struct sl_cic_flow *f, const struct sl_cic_packet *p)
{
    bool again = f->state == OVER && (p->tcp_flags & SL_TCP_SYN);
    if (p->t_us - f->start_us > TIMEOUT_US || again) {
        fork_replace(c, f, p);
        return;
    }
    if (f->protocol == SL_PROTO_ICMP && f->icmp_code != p->icmp_code &&
        f->icmp_type != p->icmp_type) {
        emit(c, f);
        begin_fresh(c, f, p, ends_of(p));
        return;
    }
    active_idle(f, p->t_us);
    add(c, f, p);
    if (p->tcp_flags & SL_TCP_FIN)
        fork_fin_state(f);
    else if (p->tcp_flags & SL_TCP_RST)
        f->state = OVER;
    else if ((p->tcp_flags & SL_TCP_ACK) && f->state == BOTH_FINS)
        f->state = OVER;
}

// ---- the module ---------------------------------------------------------------------------------

struct sl_cic *sl_cic_new(const struct sl_cic_options *opt)
{
    struct sl_cic *c = sl_alloc(sizeof *c);
    c->opt = *opt;
    c->opt.max_flows = opt->max_flows ? opt->max_flows : MAX_FLOWS;
    c->opt.max_segments = opt->max_segments ? opt->max_segments : MAX_SEGMENTS;
    // Nodes are whole cache lines.
    size_t bytes = (sizeof(struct sl_cic_flow) + 63) & ~(size_t)63;
    sl_index_init(&c->index, bytes, opt->seed ? opt->seed : sl_hash_seed());
    return c;
}

void sl_cic_add(struct sl_cic *c, const struct sl_cic_packet *p)
{
    struct sl_tuple u = {.src = sl_addr_from_v4(p->src),
                         .dst = sl_addr_from_v4(p->dst),
                         .sport = p->sport,
                         .dport = p->dport,
                         .proto = p->protocol};
    bool src_low = sl_tuple_src_is_low(&u);
    struct sl_key key = sl_key_of(&u, src_low, 0);
    uint32_t hash = sl_key_hash(&key, c->index.seed);
    struct sl_cic_flow *f = sl_index_find(&c->index, &key, hash);
    if (!f) {
        new_flow(c, &key, hash, src_low, p);
        return;
    }
    sl_index_touch(&c->index, &f->node, 0);
    if (c->opt.fork)
        corrected(c, f, p);
    else
        original(c, f, p);
}

static int by_first_packet(const void *a, const void *b)
{
    const struct sl_cic_flow *x = *(struct sl_cic_flow *const *)a;
    const struct sl_cic_flow *y = *(struct sl_cic_flow *const *)b;
    return (x->first_number > y->first_number) - (x->first_number < y->first_number);
}

void sl_cic_finish(struct sl_cic *c)
{
    size_t n = 0;
    struct sl_cic_flow **left = sl_realloc(NULL, ((size_t)c->index.live + 1) * sizeof *left);
    for (uint32_t i = c->index.oldest[0]; i != SL_INDEX_NONE; i = left[n++]->node.newer)
        left[n] = sl_index_at(&c->index, i);
    qsort(left, n, sizeof *left, by_first_packet);
    for (size_t i = 0; i < n; i++) {
        emit_last(c, left[i]);
        remove_flow(c, left[i]);
    }
    free(left);
}

void sl_cic_free(struct sl_cic *c)
{
    if (!c)
        return;
    for (uint32_t i = c->index.oldest[0]; i != SL_INDEX_NONE;) {
        struct sl_cic_flow *f = sl_index_at(&c->index, i);
        i = f->node.newer;
        forget_segments(c, f);
    }
    sl_index_done(&c->index);
    free(c);
}

const struct sl_cic_counts *sl_cic_counts(const struct sl_cic *c)
{
    return &c->counts;
}
