// SPDX-License-Identifier: Apache-2.0
/*
 * One packet touches its bucket, its flow's first lines and little else; what would stall is asked
 * for ahead: the bucket of the packet sixteen places further on, the flow of the one eight places
 * further on.
 *
 * Why the result does not depend on threads or batches: a flow sees its packets in order, carried
 * by slots that know the trace's clock at their place. Whether a flow was already over when a
 * packet came is decided by that clock alone, and a table that is full first lets go of everything
 * that had been over by then, before it evicts.
 */
#include "flow/engine.h"
#include "base/hash.h"
#include "flow/full.h"
#include <pthread.h>
#include <stdlib.h>

#define SECOND_NS INT64_C(1000000000)
enum { LIST_OPEN, LIST_CLOSING, LISTS };
enum { EPHEMERAL = 32768 }; // first port that Linux takes for clients
enum { DEFAULT_MAX_FLOWS = 2 << 20, ZONES = 65535 };
enum { ENDED = 1 << 13 }; // flows handed out at once

struct ended { // in the order of handing out: by end, then by turn
    int64_t end_ns;
    uint64_t turn; // the packet that ended it; without one: TURN_ALONE and its id
    struct sl_flow_state *flow;
};
#define TURN_ALONE (UINT64_C(1) << 63)

struct left { // a flow that was there at the end of the trace: they all end then
    uint32_t id_high, id_low, number;
};

struct partition {
    struct sl_index index;
    struct sl_pool bulks, activities, earliers, carries;
    struct sl_full_pool *full;
    SL_VEC(struct ended) ended; // not collected yet: sorted from `collected` on
    size_t collected;
    struct left *left;
    size_t n_left, left_collected;
    uint64_t packets, flows, evicted, bytes, peak, zone_beyond;
    uint32_t max_flows;
} __attribute__((aligned(64)));

struct zone_table { // (interface, VLANs) <-> number; grows under the lock
    pthread_mutex_t lock;
    SL_VEC(struct sl_zone) zones; // [0] is "nothing special"
    uint16_t *slots;              // open addressing; 0 = free
    size_t size;                  // power of two, at least twice the zones
    uint64_t seed;
};

struct sl_engine {
    struct partition parts[SL_PARTITIONS];
    struct sl_engine_options opt;
    int64_t idle_ns[LISTS];
    uint64_t partition_seed;
    struct zone_table zones;
    SL_VEC(struct sl_flow_state *) ready; // handed out
};

// ---- options ------------------------------------------------------------------------------------

static int64_t or_default(int64_t v, int64_t otherwise)
{
    return v > 0 ? v : otherwise;
}

static bool check(const struct sl_engine_options *o, struct sl_error *err)
{
    const struct {
        const char *name;
        int64_t ns;
    } times[] = {{"idle", o->idle_ns},       {"active", o->active_ns},
                 {"closing", o->closing_ns}, {"activity", o->activity_ns},
                 {"subflow", o->subflow_ns}, {"bulk gap", o->bulk_gap_ns}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (times[i].ns > SL_ENGINE_MAX_TIMEOUT_NS)
            return sl_fail(err, SL_EUSAGE, "the %s time-out is longer than three days (259,200 s)",
                           times[i].name);
    if (o->bulk_packets < 2 || o->bulk_packets > 255)
        return sl_fail(err, SL_EUSAGE, "a bulk has 2 to 255 packets, not %u", o->bulk_packets);
    if (o->sequence_packets > 255)
        return sl_fail(err, SL_EUSAGE, "packet sequences hold at most 255 packets, not %u",
                       o->sequence_packets);
    return true;
}

struct sl_engine_options sl_engine_filled(const struct sl_engine_options *opt)
{
    struct sl_engine_options o = opt ? *opt : (struct sl_engine_options){0};
    o.idle_ns = or_default(o.idle_ns, 120 * SECOND_NS);
    o.active_ns = or_default(o.active_ns, 1800 * SECOND_NS);
    o.closing_ns = or_default(o.closing_ns, 5 * SECOND_NS);
    o.activity_ns = or_default(o.activity_ns, 5 * SECOND_NS);
    o.subflow_ns = or_default(o.subflow_ns, SECOND_NS);
    o.bulk_gap_ns = or_default(o.bulk_gap_ns, SECOND_NS);
    o.bulk_packets = o.bulk_packets ? o.bulk_packets : 4;
    o.max_flows = o.max_flows ? o.max_flows : DEFAULT_MAX_FLOWS;
    o.sequence_packets = o.sequence_packets ? o.sequence_packets : 30;
    return o;
}

struct sl_engine *sl_engine_new(const struct sl_engine_options *opt, struct sl_error *err)
{
    struct sl_engine_options o = sl_engine_filled(opt);
    if (!check(&o, err))
        return NULL;
    struct sl_engine *e = aligned_alloc(64, (sizeof *e + 63) & ~(size_t)63);
    if (!e)
        abort();
    memset(e, 0, sizeof *e);
    e->opt = o;
    e->idle_ns[LIST_OPEN] = o.idle_ns;
    e->idle_ns[LIST_CLOSING] = o.closing_ns;
    e->partition_seed = (o.seed * 2 + 1) * UINT64_C(0x9e3779b97f4a7c15);
    pthread_mutex_init(&e->zones.lock, NULL);
    SL_PUSH(&e->zones.zones);
    e->zones.seed = sl_hash_seed();
    uint64_t seed = sl_hash_seed();
    uint32_t each = o.max_flows / SL_PARTITIONS + (o.max_flows % SL_PARTITIONS != 0);
    for (int i = 0; i < SL_PARTITIONS; i++) {
        struct partition *t = &e->parts[i];
        sl_index_init(&t->index,
                      o.full || o.on_packet ? sizeof(struct sl_flow_state) : (size_t)SL_FLOW_SMALL,
                      seed);
        // Flows that ended hold their pieces until they are handed out.
        sl_pool_init(&t->bulks, sizeof(struct sl_bulks), (size_t)each + ENDED);
        sl_pool_init(&t->activities, sizeof(struct sl_activity), (size_t)each + ENDED);
        sl_pool_init(&t->earliers, sizeof(struct sl_earlier), (size_t)each + ENDED);
        sl_pool_init(&t->carries, sizeof(struct sl_carries), ENDED);
        t->max_flows = each;
        if (o.full)
            t->full = sl_full_pool_new(o.sequence_packets, (size_t)each + ENDED);
    }
    return e;
}

// Flows that nobody will ask for hold texts of their own.
static void close_full(struct partition *t)
{
    for (uint32_t n = 0; n < t->index.used; n++) {
        struct sl_flow_state *f = sl_index_at(&t->index, n);
        if (f->node.list < LISTS)
            sl_full_close(t->full, f->full);
    }
    for (size_t i = t->collected; i < t->ended.len; i++)
        sl_full_close(t->full, t->ended.at[i].flow->full);
    for (size_t i = t->left_collected; i < t->n_left; i++) {
        struct sl_flow_state *f = sl_index_at(&t->index, t->left[i].number);
        sl_full_close(t->full, f->full);
    }
}

void sl_engine_free(struct sl_engine *e)
{
    if (!e)
        return;
    sl_engine_release(e);
    for (int i = 0; i < SL_PARTITIONS; i++) {
        struct partition *t = &e->parts[i];
        if (t->full)
            close_full(t);
        sl_index_done(&t->index);
        sl_pool_done(&t->bulks);
        sl_pool_done(&t->activities);
        sl_pool_done(&t->earliers);
        sl_pool_done(&t->carries);
        sl_full_pool_free(t->full);
        SL_VEC_DONE(&t->ended);
        free(t->left);
    }
    SL_VEC_DONE(&e->ready);
    SL_VEC_DONE(&e->zones.zones);
    free(e->zones.slots);
    pthread_mutex_destroy(&e->zones.lock);
    free(e);
}

const struct sl_engine_options *sl_engine_settings(const struct sl_engine *e)
{
    return &e->opt;
}

// ---- preparing ----------------------------------------------------------------------------------

static bool same_zone(const struct sl_zone *a, const struct sl_zone *b)
{
    return a->interface == b->interface && a->vlan == b->vlan && a->vlan_inner == b->vlan_inner;
}

static uint16_t *zone_slot(struct zone_table *t, const struct sl_zone *z)
{
    uint64_t key = (uint64_t)z->interface << 32 | (uint64_t)z->vlan << 16 | z->vlan_inner;
    size_t i = sl_hash_words(&key, 1, t->seed) & (t->size - 1);
    while (t->slots[i] && !same_zone(&t->zones.at[t->slots[i]], z))
        i = (i + 1) & (t->size - 1);
    return &t->slots[i];
}

static void grow_zones(struct zone_table *t)
{
    free(t->slots);
    t->size = t->size ? 2 * t->size : 64;
    t->slots = sl_alloc(t->size * sizeof *t->slots);
    for (size_t i = 1; i < t->zones.len; i++)
        *zone_slot(t, &t->zones.at[i]) = (uint16_t)i;
}

// Numbers of zones depend on which thread came first; nothing that leaves the engine depends on
// them. SL_ZONE_BEYOND when there are too many.
static uint16_t zone_number(struct zone_table *t, const struct sl_zone *z)
{
    pthread_mutex_lock(&t->lock);
    if (2 * (t->zones.len + 1) > t->size)
        grow_zones(t);
    uint16_t *slot = zone_slot(t, z);
    if (!*slot && t->zones.len < ZONES) {
        *slot = (uint16_t)t->zones.len;
        *SL_PUSH(&t->zones) = *z;
    }
    uint16_t number = *slot ? *slot : SL_ZONE_BEYOND;
    pthread_mutex_unlock(&t->lock);
    return number;
}

static uint16_t zone_of(struct sl_engine *e, const struct sl_packet *p, struct sl_zone *last,
                        uint16_t *number)
{
    struct sl_zone z = {.interface = e->opt.merge_interfaces ? 0 : p->interface};
    if (!e->opt.merge_vlans)
        z.vlan = p->vlan, z.vlan_inner = p->vlan_inner;
    if (!(z.interface | z.vlan | z.vlan_inner))
        return 0;
    if (!*number || !same_zone(&z, last)) {
        *number = zone_number(&e->zones, &z);
        *last = z;
    }
    return *number;
}

struct sl_zone sl_flow_zone(const struct sl_engine *e, const struct sl_flow_state *f)
{
    struct zone_table *t = (struct zone_table *)&e->zones;
    pthread_mutex_lock(&t->lock);
    uint16_t n = sl_key_zone(&f->node.key);
    struct sl_zone z = n == SL_ZONE_BEYOND ? (struct sl_zone){0} : t->zones.at[n];
    pthread_mutex_unlock(&t->lock);
    return z;
}

static uint8_t partition_of(const struct sl_engine *e, const struct sl_key *k)
{
    uint64_t h = k->w[0] ^ (k->w[2] << 23 | k->w[2] >> 41) ^ k->w[1] ^
                 (k->w[3] << 23 | k->w[3] >> 41) ^ (k->w[4] & ~UINT64_C(0xffff0000));
    h = (h ^ h >> 32) * e->partition_seed;
    return (uint8_t)(h >> 60);
}

void sl_engine_prepare(struct sl_engine *e, struct sl_slot *slots, size_t n, struct sl_chunk *chunk)
{
    uint16_t count[SL_PARTITIONS] = {0};
    struct sl_zone last = {0};
    uint16_t number = 0;
    uint64_t seed = e->parts[0].index.seed;
    for (size_t i = 0; i < n; i++) {
        struct sl_slot *s = &slots[i];
        if (s->skip)
            continue;
        uint16_t zone = zone_of(e, &s->packet, &last, &number);
        s->low = sl_tuple_src_is_low(&s->packet.tuple);
        s->key = sl_key_of(&s->packet.tuple, s->low, zone);
        s->hash = sl_key_hash(&s->key, seed);
        s->partition = partition_of(e, &s->key);
        count[s->partition]++;
    }
    uint16_t at[SL_PARTITIONS], sum = 0;
    for (int p = 0; p < SL_PARTITIONS; p++) {
        chunk->start[p] = at[p] = sum;
        sum = (uint16_t)(sum + count[p]);
    }
    chunk->start[SL_PARTITIONS] = sum;
    for (size_t i = 0; i < n; i++)
        if (!slots[i].skip)
            chunk->order[at[slots[i].partition]++] = (uint16_t)i;
}

// ---- flows that end -----------------------------------------------------------------------------

static void mark_end(struct sl_flow_state *f, enum sl_end_reason why, int64_t ended_ns)
{
    // A connection that was over says how it ended, whatever took it out of the table.
    if (f->end == SL_REASON_NONE)
        f->end = (uint8_t)(f->fins == 3 && why != SL_REASON_ACTIVE ? SL_REASON_FIN : why);
    f->touched_ns = ended_ns;
}

static void end_flow(struct partition *t, struct sl_flow_state *f, enum sl_end_reason why,
                     int64_t ended_ns, uint64_t turn)
{
    sl_index_remove(&t->index, &f->node);
    mark_end(f, why, ended_ns);
    *SL_PUSH(&t->ended) = (struct ended){ended_ns, turn, f};
}

static bool is_before(const struct ended *x, const struct ended *y)
{
    return x->end_ns != y->end_ns ? x->end_ns < y->end_ns : x->turn < y->turn;
}

static int by_id(const void *a, const void *b)
{
    const struct left *x = a, *y = b;
    if (x->id_high != y->id_high)
        return x->id_high < y->id_high ? -1 : 1;
    return (x->id_low > y->id_low) - (x->id_low < y->id_low);
}

static int by_end(const void *a, const void *b)
{
    return is_before(b, a) - is_before(a, b);
}

// What ended in this batch comes behind all that ended before: see sl_engine_collect.
static void sort_ended(struct partition *t)
{
    if (t->collected == t->ended.len)
        t->collected = t->ended.len = 0;
    if (t->ended.len - t->collected > 1)
        qsort(t->ended.at + t->collected, t->ended.len - t->collected, sizeof *t->ended.at, by_end);
}

// By time alone.
static void end_alone(struct partition *t, struct sl_flow_state *f, enum sl_end_reason why,
                      int64_t ended_ns)
{
    end_flow(t, f, why, ended_ns, TURN_ALONE | f->id);
}

static struct sl_flow_state *oldest(const struct partition *t, int list)
{
    uint32_t n = t->index.oldest[list];
    return n == SL_INDEX_NONE ? NULL : sl_index_at(&t->index, n);
}

static void expire(const struct sl_engine *e, struct partition *t, int64_t clock_ns)
{
    for (int i = 0; i < LISTS; i++) {
        struct sl_flow_state *f;
        while ((f = oldest(t, i)) && clock_ns - f->touched_ns > e->idle_ns[i])
            end_alone(t, f, SL_REASON_IDLE, f->touched_ns + e->idle_ns[i]);
    }
}

static void evict(struct partition *t, const struct sl_slot *newcomer)
{
    struct sl_flow_state *worst = NULL;
    for (int i = 0; i < LISTS; i++) {
        struct sl_flow_state *f = oldest(t, i);
        if (f && (!worst || f->touched_ns < worst->touched_ns ||
                  (f->touched_ns == worst->touched_ns && f->id < worst->id)))
            worst = f;
    }
    t->evicted++;
    end_flow(t, worst, SL_REASON_EVICTED, newcomer->clock_ns, newcomer->packet.number);
}

// ---- flows that begin ---------------------------------------------------------------------------

static bool same_ends(const struct sl_tuple *u)
{
    return u->sport == u->dport && sl_addr_equal(&u->src, &u->dst);
}

static bool asks(uint8_t tcp_flags)
{
    return (tcp_flags & (SL_TCP_SYN | SL_TCP_ACK | SL_TCP_RST)) == SL_TCP_SYN;
}

static enum sl_dir_guess guess(const struct sl_packet *p)
{
    const struct sl_tuple *u = &p->tuple;
    if (same_ends(u))
        return SL_GUESS_SAME;
    if (u->proto != SL_PROTO_TCP || p->fragment_offset)
        return SL_GUESS_FIRST;
    if (asks(p->tcp_flags))
        return SL_GUESS_SYN;
    if ((p->tcp_flags & (SL_TCP_SYN | SL_TCP_ACK)) == (SL_TCP_SYN | SL_TCP_ACK))
        return SL_GUESS_SYNACK;
    return u->sport < EPHEMERAL && u->dport >= EPHEMERAL ? SL_GUESS_PORT : SL_GUESS_FIRST;
}

static struct sl_flow_state *new_state(struct sl_engine *e, struct partition *t,
                                       const struct sl_slot *s)
{
    if (t->index.live >= t->max_flows) {
        expire(e, t, s->clock_ns);
        if (t->index.live >= t->max_flows)
            evict(t, s);
    }
    struct sl_flow_state *f = sl_index_add(&t->index, &s->key, s->hash, LIST_OPEN);
    f->node.user[0] = s->partition;
    f->id = s->packet.number;
    f->node.more = f->earlier = f->bulk = SL_INDEX_NONE;
    f->window_scale[0] = f->window_scale[1] = -1;
    f->touched_ns = s->clock_ns;
    t->flows++;
    if (t->index.live > t->peak)
        t->peak = t->index.live;
    if (t->full)
        f->full = sl_full_open(t->full);
    return f;
}

static struct sl_flow_state *open_flow(struct sl_engine *e, struct partition *t,
                                       const struct sl_slot *s)
{
    struct sl_flow_state *f = new_state(e, t, s);
    enum sl_dir_guess g = guess(&s->packet);
    f->guess = (uint8_t)g;
    f->node.low_initiates = s->low != (g == SL_GUESS_SYNACK || g == SL_GUESS_PORT);
    if (g == SL_GUESS_SAME)
        f->state |= SL_STATE_SAME_ENDS;
    f->icmp_type = s->packet.icmp_type;
    f->icmp_code = s->packet.icmp_code;
    if (e->opt.label) {
        struct sl_tuple u = sl_key_tuple(&f->node.key, f->node.low_initiates);
        f->label = e->opt.label(e->opt.ctx, &u, s->packet.ts_ns);
    }
    return f;
}

static struct sl_earlier earlier_of(const struct partition *t, const struct sl_flow_state *f)
{
    struct sl_earlier itself = {f->id, sl_flow_first_ns(f), 0, SL_INDEX_NONE};
    return f->state & SL_STATE_CONTINUES
               ? *(const struct sl_earlier *)sl_pool_at(&t->earliers, f->earlier)
               : itself;
}

// The next segment of a connection that was cut: what belongs to the connection is carried over.
static struct sl_flow_state *continue_flow(struct sl_engine *e, struct partition *t,
                                           struct sl_flow_state *was, const struct sl_slot *s)
{
    end_flow(t, was, SL_REASON_ACTIVE, s->clock_ns, s->packet.number);
    struct sl_flow_state *f = new_state(e, t, s);
    f->node.low_initiates = was->node.low_initiates;
    f->earlier = sl_pool_take(&t->earliers);
    struct sl_earlier *first = sl_pool_at(&t->earliers, f->earlier);
    *first = earlier_of(t, was);
    first->segment++;
    first->carries = SL_INDEX_NONE;
    f->guess = was->guess;
    f->state = was->state & (SL_STATE_SEQ_FORWARD | SL_STATE_SEQ_BACKWARD | SL_STATE_SAME_ENDS);
    f->state |= SL_STATE_CONTINUES;
    f->label = was->label;
    f->icmp_type = was->icmp_type;
    f->icmp_code = was->icmp_code;
    f->fins = was->fins, f->fin_acks = was->fin_acks;
    for (int d = 0; d < 2; d++) {
        f->next_seq[d] = was->next_seq[d];
        f->isn[d] = was->isn[d];
        f->fin_end[d] = was->fin_end[d];
        f->window_scale[d] = was->window_scale[d];
    }
    return f;
}

// ---- one packet ---------------------------------------------------------------------------------

// Rare: a flow gets room for what outgrew its fields.
static __attribute__((noinline)) struct sl_carries *carries_of(struct partition *t,
                                                               struct sl_flow_state *f)
{
    if (f->earlier == SL_INDEX_NONE) {
        f->earlier = sl_pool_take(&t->earliers);
        struct sl_earlier *new = sl_pool_at(&t->earliers, f->earlier);
        new->carries = SL_INDEX_NONE;
    }
    struct sl_earlier *x = sl_pool_at(&t->earliers, f->earlier);
    if (x->carries == SL_INDEX_NONE)
        x->carries = sl_pool_take(&t->carries);
    return sl_pool_at(&t->carries, x->carries);
}

static void add_sum(struct partition *t, struct sl_flow_state *f, enum sl_sum what, int d,
                    uint32_t v)
{
    uint32_t *sum = &f->sums[what][d];
    *sum += v;
    if (__builtin_expect(*sum < v, 0))
        carries_of(t, f)->sums[what][d]++;
}

static void add_rare(struct partition *t, struct sl_flow_state *f, int what)
{
    if (__builtin_expect(++f->rare[what] == 0, 0))
        carries_of(t, f)->rare[what]++;
}

static void note_gap(struct sl_gaps *g, uint64_t gap_ns, bool first)
{
    if (first) {
        sl_u48_set(&g->min_ns, gap_ns);
        g->max_ns = g->min_ns;
    } else if (gap_ns < sl_u48(g->min_ns)) {
        sl_u48_set(&g->min_ns, gap_ns);
    } else if (gap_ns > sl_u48(g->max_ns)) {
        sl_u48_set(&g->max_ns, gap_ns);
    }
    sl_u96_add_square(&g->squares, gap_ns);
}

static void note_period(struct sl_periods *p, uint32_t *n, struct sl_u96 *squares, uint64_t len_ns)
{
    if (!*n || len_ns < sl_u48(p->min_ns))
        sl_u48_set(&p->min_ns, len_ns);
    if (len_ns > sl_u48(p->max_ns))
        sl_u48_set(&p->max_ns, len_ns);
    ++*n;
    sl_u48_add(&p->sum_ns, len_ns);
    sl_u96_add_square(squares, len_ns);
}

// Time within a flow; see SL_TIME_BACK_NS.
static uint64_t time_of(const struct sl_flow_state *f, int64_t ts_ns)
{
    return (uint64_t)(ts_ns - f->base_ns + SL_TIME_BACK_NS);
}

static __attribute__((noinline)) void note_idle(struct partition *t, struct sl_flow_state *f,
                                                uint64_t last, uint64_t gap_ns)
{
    struct sl_activity *a;
    if (f->node.more == SL_INDEX_NONE) {
        f->node.more = sl_pool_take(&t->activities);
        a = sl_pool_at(&t->activities, f->node.more);
        sl_u48_set(&a->start, time_of(f, sl_flow_first_ns(f)));
    } else {
        a = sl_pool_at(&t->activities, f->node.more);
    }
    uint64_t start = sl_u48(a->start);
    if (last > start)
        note_period(&a->active, &a->n_active, &a->active_squares, last - start);
    note_period(&a->idle, &a->n_idle, &a->idle_squares, gap_ns);
    sl_u48_set(&a->start, last + gap_ns);
}

static void note_first(struct sl_flow_state *f, int d, int64_t ts_ns)
{
    sl_flow_begin(f, ts_ns);
    if (d == SL_BACKWARD)
        f->state |= SL_STATE_BEGAN_BACKWARD;
}

static void note_times(struct sl_engine *e, struct partition *t, struct sl_flow_state *f, int d,
                       uint64_t now)
{
    uint64_t mine = sl_u48(f->last[d]), other = sl_u48(f->last[!d]);
    uint64_t last = mine > other ? mine : other, gap = now > last ? now - last : 0;
    if (now < last)
        add_rare(t, f, SL_RARE_BACKWARD_STAMP);
    note_gap(&f->gaps, gap, f->packets[0] + f->packets[1] == 1);
    if (gap > (uint64_t)e->opt.subflow_ns)
        add_rare(t, f, SL_RARE_SUBFLOW_GAP);
    if (gap > (uint64_t)e->opt.activity_ns)
        note_idle(t, f, last, gap);
    if (!f->packets[d]) {
        sl_u48_set(&f->other_first, now);
        f->last[d] = f->other_first;
        return;
    }
    note_gap(&f->dir_gaps[d], now > mine ? now - mine : 0, f->packets[d] == 1);
    if (now > mine)
        sl_u48_set(&f->last[d], now);
}

static void candidate_restart(struct sl_flow_state *f, int d, uint64_t now, uint32_t bytes)
{
    sl_u48_set(&f->candidate_start[d], now);
    f->candidate_last[d] = f->candidate_start[d];
    f->candidate_packets[d] = 1;
    f->candidate_bytes[d] = bytes;
}

static void bulk_add(struct partition *t, struct sl_flow_state *f, int d, uint32_t packets,
                     uint64_t bytes, uint64_t duration_ns, bool one_more)
{
    if (f->bulk == SL_INDEX_NONE)
        f->bulk = sl_pool_take(&t->bulks);
    struct sl_bulk *b = &((struct sl_bulks *)sl_pool_at(&t->bulks, f->bulk))->side[d];
    b->bulks += one_more;
    b->packets += packets;
    sl_u48_add(&b->size_bytes, bytes);
    sl_u48_add(&b->duration_ns, duration_ns);
}

// flows.md 4.1, with a count of 0 for "no candidate".
static void note_data(const struct sl_engine *e, struct partition *t, struct sl_flow_state *f,
                      int d, uint64_t now, uint32_t bytes)
{
    uint64_t start = sl_u48(f->candidate_start[d]), last = sl_u48(f->candidate_last[d]);
    uint64_t since = now > last ? now - last : 0;
    bool interrupted = f->data_packets[!d] && sl_u48(f->candidate_last[!d]) > start;
    f->data_packets[d]++;
    if (interrupted || !f->candidate_packets[d] || since > (uint64_t)e->opt.bulk_gap_ns) {
        candidate_restart(f, d, now, bytes);
        return;
    }
    if (f->candidate_packets[d] < e->opt.bulk_packets) {
        f->candidate_bytes[d] += bytes;
        if (++f->candidate_packets[d] == e->opt.bulk_packets)
            bulk_add(t, f, d, e->opt.bulk_packets, f->candidate_bytes[d],
                     now > start ? now - start : 0, true);
    } else {
        bulk_add(t, f, d, 1, bytes, since, false);
    }
    if (since)
        sl_u48_set(&f->candidate_last[d], now);
}

static void note_sequence(struct partition *t, struct sl_flow_state *f, int d,
                          const struct sl_packet *p)
{
    uint8_t flags = p->tcp_flags;
    uint32_t len = p->payload_bytes + ((flags & SL_TCP_SYN) != 0) + ((flags & SL_TCP_FIN) != 0);
    uint32_t end = p->tcp_seq + len;
    if (!(f->state & (SL_STATE_SEQ_FORWARD << d))) {
        f->state |= (uint8_t)(SL_STATE_SEQ_FORWARD << d);
        f->isn[d] = p->tcp_seq - (flags & SL_TCP_SYN ? 0 : 1);
        f->next_seq[d] = end;
    } else if (len) {
        if ((int32_t)(end - f->next_seq[d]) <= 0) {
            add_rare(t, f, SL_RARE_RETRANSMISSION + d);
        } else {
            if ((int32_t)(p->tcp_seq - f->next_seq[d]) < 0)
                add_rare(t, f, SL_RARE_OVERLAP + d);
            f->next_seq[d] = end;
        }
    }
    if (flags & SL_TCP_FIN) {
        f->fins |= (uint8_t)(1 << d);
        f->fin_end[d] = end;
    }
}

static void note_window_scale(struct sl_flow_state *f, int d, const struct sl_packet *p)
{
    struct sl_tcp_options o;
    sl_tcp_options(p, &o);
    if (o.window_scale >= 0)
        f->window_scale[d] = (int8_t)(o.window_scale > 14 ? 14 : o.window_scale); // RFC 7323 2.3
}

// Flags that most packets have not.
static void note_rare_flags(struct partition *t, struct sl_flow_state *f, int d, uint8_t flags)
{
    static const struct {
        uint8_t flag, rare, sides;
    } all[] = {{SL_TCP_FIN, SL_RARE_FIN, 0}, {SL_TCP_SYN, SL_RARE_SYN, 0},
               {SL_TCP_CWR, SL_RARE_CWR, 0}, {SL_TCP_ECE, SL_RARE_ECE, 0},
               {SL_TCP_URG, SL_RARE_URG, 1}, {SL_TCP_RST, SL_RARE_RST, 1}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (flags & all[i].flag)
            add_rare(t, f, all[i].rare + (all[i].sides ? d : 0));
}

static void note_tcp(struct partition *t, struct sl_flow_state *f, int d, const struct sl_packet *p)
{
    uint8_t flags = p->tcp_flags;
    if (!f->packets[d])
        f->window[d] = p->tcp_window;
    f->tcp_flags[d] |= flags;
    note_sequence(t, f, d, p);
    if (flags & SL_TCP_ACK) {
        f->acks++;
        if ((f->fins & (1 << !d)) && (int32_t)(p->tcp_ack - f->fin_end[!d]) >= 0)
            f->fin_acks |= (uint8_t)(1 << !d);
    }
    f->psh[d] += (flags & SL_TCP_PSH) != 0;
    if (flags & ~(SL_TCP_ACK | SL_TCP_PSH)) {
        note_rare_flags(t, f, d, flags);
        if ((flags & SL_TCP_SYN) && p->tcp_options)
            note_window_scale(f, d, p);
        if ((flags & SL_TCP_RST) && f->end == SL_REASON_NONE)
            f->end = SL_REASON_RST;
    }
    if (f->fin_acks == 3 && f->fins == 3 && f->end == SL_REASON_NONE)
        f->end = SL_REASON_FIN;
}

// What the state has no room for: payloads of 65,535 bytes and more.
static __attribute__((noinline)) void
note_wide_payload(struct partition *t, struct sl_flow_state *f, int d, uint32_t len)
{
    struct sl_carries *c = carries_of(t, f);
    if (!f->packets[d] || len < c->payload_min[d])
        c->payload_min[d] = len;
    if (len > c->payload_max[d])
        c->payload_max[d] = len;
}

static void note_payload(struct partition *t, struct sl_flow_state *f, int d, uint32_t len)
{
    if (__builtin_expect(len >= SL_PAYLOAD_WIDE, 0))
        note_wide_payload(t, f, d, len);
    uint16_t fits = (uint16_t)(len < SL_PAYLOAD_WIDE ? len : SL_PAYLOAD_WIDE);
    bool first = !f->packets[d];
    f->payload_min[d] = first || fits < f->payload_min[d] ? fits : f->payload_min[d];
    f->payload_max[d] = first || fits > f->payload_max[d] ? fits : f->payload_max[d];
}

static void count(struct sl_engine *e, struct partition *t, struct sl_flow_state *f, int d,
                  const struct sl_slot *s)
{
    const struct sl_packet *p = &s->packet;
    if (!(f->packets[0] | f->packets[1]))
        note_first(f, d, p->ts_ns);
    int64_t since = p->ts_ns - f->base_ns;
    uint64_t now =
        (uint64_t)(SL_TIME_BACK_NS + (since > -SL_TIME_BACK_NS ? since : -SL_TIME_BACK_NS));
    if (f->packets[0] | f->packets[1])
        note_times(e, t, f, d, now);
    uint32_t len = p->payload_bytes;
    note_payload(t, f, d, len);
    if (!f->packets[d] || p->l4_header_bytes < f->l4_header_min[d])
        f->l4_header_min[d] = p->l4_header_bytes;
    if (p->tuple.proto == SL_PROTO_TCP && !p->fragment_offset)
        note_tcp(t, f, d, p);
    if (len)
        note_data(e, t, f, d, now, len);
    f->packets[d]++;
    add_sum(t, f, SL_SUM_BYTES, d, p->wire_bytes);
    add_sum(t, f, SL_SUM_PAYLOAD, d, len);
    add_sum(t, f, SL_SUM_L4_HEADER, d, p->l4_header_bytes);
    add_sum(t, f, SL_SUM_IP_HEADER, d, p->ip_header_bytes);
    f->payload_sq[d] += (uint64_t)len * len;
    f->tunnels |= p->tunnels;
    if (p->fragmented)
        f->state |= SL_STATE_FRAGMENTS;
    f->touched_ns = s->clock_ns;
    sl_index_touch(&t->index, &f->node, f->end == SL_REASON_NONE ? LIST_OPEN : LIST_CLOSING);
}

// So far one side has asked, and nobody answered: the other's SYN crosses it (RFC 9293 figure 7).
static bool only_asked(const struct sl_flow_state *f, int d)
{
    return !f->packets[!d] && f->tcp_flags[d] & SL_TCP_SYN &&
           !(f->tcp_flags[d] & (SL_TCP_ACK | SL_TCP_FIN | SL_TCP_RST));
}

// Is this packet the first of another connection between the same ends?
static bool reuses(const struct sl_flow_state *f, int d, const struct sl_packet *p)
{
    if (p->tuple.proto != SL_PROTO_TCP || p->fragment_offset || !asks(p->tcp_flags) ||
        only_asked(f, !d))
        return false;
    return !(f->state & (SL_STATE_SEQ_FORWARD << d)) || p->tcp_seq != f->isn[d];
}

static int direction(const struct sl_flow_state *f, bool low)
{
    return low == f->node.low_initiates ? SL_FORWARD : SL_BACKWARD;
}

static bool too_long(const struct sl_engine *e, const struct sl_flow_state *f, int d,
                     const struct sl_packet *p)
{
    return p->ts_ns - sl_flow_first_ns(f) > e->opt.active_ns || f->packets[d] >= UINT32_MAX - 1;
}

static void one_packet(struct sl_engine *e, struct partition *t, const struct sl_slot *s,
                       int thread)
{
    const struct sl_packet *p = &s->packet;
    struct sl_flow_state *f = sl_index_find(&t->index, &s->key, s->hash);
    if (f) {
        int d = direction(f, s->low);
        int64_t idle = e->idle_ns[f->node.list];
        if (s->clock_ns - f->touched_ns > idle) {
            end_alone(t, f, SL_REASON_IDLE, f->touched_ns + idle);
            f = NULL;
        } else if (reuses(f, d, p)) {
            end_flow(t, f, SL_REASON_PORT_REUSE, s->clock_ns, p->number);
            f = NULL;
        } else if (too_long(e, f, d, p)) {
            f = continue_flow(e, t, f, s);
        }
    }
    if (!f)
        f = open_flow(e, t, s);
    int d = f->state & SL_STATE_SAME_ENDS ? SL_FORWARD : direction(f, s->low);
    if (t->full)
        sl_full_add(t->full, f, p, d);
    if (e->opt.on_packet)
        e->opt.on_packet(e->opt.ctx, thread, f, p, d);
    count(e, t, f, d, s);
    t->packets++;
    t->zone_beyond += sl_key_zone(&s->key) == SL_ZONE_BEYOND;
    t->bytes += p->wire_bytes;
}

static void prefetch_flow(const struct sl_index *x, uint32_t hash)
{
    uint32_t n = x->buckets[hash & x->mask];
    if (n == SL_INDEX_NONE)
        return;
    const char *f = sl_index_at(x, n);
    __builtin_prefetch(f, 1);
    __builtin_prefetch(f + 64, 1);
    __builtin_prefetch(f + 128, 1);
    __builtin_prefetch(f + 192, 1);
    __builtin_prefetch(f + 256, 1);
    __builtin_prefetch(f + 320, 1);
}

// Decoded by another thread, most likely.
static void prefetch_slot(const struct sl_slot *s)
{
    const char *at = (const char *)s;
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
    __builtin_prefetch(at + 128);
}

void sl_engine_update(struct sl_engine *e, int partition, const struct sl_slot *slots,
                      const struct sl_chunk *chunks, size_t n_chunks, int64_t clock_ns, int thread)
{
    struct partition *t = &e->parts[partition];
    enum { AHEAD = 4, FAR = 8, FARTHEST = 16, MOST = 4096 };
    const struct sl_slot *mine[MOST]; // this partition's packets of the batch, in order
    size_t n = 0;
    for (size_t c = 0; c < n_chunks; c++) {
        for (uint16_t i = chunks[c].start[partition]; i < chunks[c].start[partition + 1]; i++) {
            if (n ==
                MOST) { // of one flow, mostly
                for (size_t k = 0; k < n; k++)
                    one_packet(e, t, mine[k], thread);
                n = 0;
            }
            mine[n++] = &slots[c * SL_CHUNK + chunks[c].order[i]];
        }
    }
    for (size_t k = 0; k < n; k++) {
        if (k + FARTHEST < n)
            prefetch_slot(mine[k + FARTHEST]);
        if (k + FAR < n)
            __builtin_prefetch(&t->index.buckets[mine[k + FAR]->hash & t->index.mask]);
        if (k + AHEAD < n)
            prefetch_flow(&t->index, mine[k + AHEAD]->hash);
        one_packet(e, t, mine[k], thread);
    }
    expire(e, t, clock_ns);
    sort_ended(t);
}

// ---- handing out --------------------------------------------------------------------------------

/*
 * Nothing has to wait for flows that may yet end before it. Behind the packets up to some clock,
 * every flow that was silent too long before that clock is out of its table (expire); what a
 * later packet ends, ends at that clock or later and has a higher turn; and those that end at
 * the very clock because they were silent have turns above all packets.
 */
struct head { // of a partition: its next flow
    struct ended next;
    struct partition *of;
};

static bool ended_head(struct head *h)
{
    struct partition *t = h->of;
    if (t->collected < t->ended.len)
        h->next = t->ended.at[t->collected];
    return t->collected < t->ended.len;
}

// What is left ends at one time: only the turn counts.
static bool left_head(struct head *h)
{
    struct partition *t = h->of;
    if (t->left_collected == t->n_left)
        return false;
    const struct left *l = &t->left[t->left_collected];
    h->next = (struct ended){0, (uint64_t)l->id_high << 32 | l->id_low,
                             sl_index_at(&t->index, l->number)};
    return true;
}

static void merge(struct sl_engine *e, bool (*head)(struct head *), bool left)
{
    struct head heads[SL_PARTITIONS];
    size_t n = 0;
    for (int p = 0; p < SL_PARTITIONS; p++) {
        heads[n].of = &e->parts[p];
        n += head(&heads[n]);
    }
    while (n && e->ready.len < ENDED) {
        size_t first = 0;
        for (size_t i = 1; i < n; i++)
            if (is_before(&heads[i].next, &heads[first].next))
                first = i;
        struct partition *t = heads[first].of;
        *SL_PUSH(&e->ready) = heads[first].next.flow;
        left ? t->left_collected++ : t->collected++;
        if (!head(&heads[first]))
            heads[first] = heads[--n];
    }
}

struct sl_flow_state *const *sl_engine_collect(struct sl_engine *e, size_t *n)
{
    merge(e, ended_head, false);
    merge(e, left_head, true);
    *n = e->ready.len;
    return e->ready.at;
}

static void give_earlier(struct partition *t, uint32_t n)
{
    const struct sl_earlier *x = sl_pool_at(&t->earliers, n);
    if (x->carries != SL_INDEX_NONE)
        sl_pool_give(&t->carries, x->carries);
    sl_pool_give(&t->earliers, n);
}

void sl_engine_release(struct sl_engine *e)
{
    for (size_t i = 0; i < e->ready.len; i++) {
        struct sl_flow_state *f = e->ready.at[i];
        struct partition *t = &e->parts[f->node.user[0]];
        if (f->bulk != SL_INDEX_NONE)
            sl_pool_give(&t->bulks, f->bulk);
        if (f->node.more != SL_INDEX_NONE)
            sl_pool_give(&t->activities, f->node.more);
        if (f->earlier != SL_INDEX_NONE)
            give_earlier(t, f->earlier);
        if (t->full)
            sl_full_close(t->full, f->full);
        sl_index_give_back(&t->index, &f->node);
    }
    e->ready.len = 0;
}

// No look-up comes any more: the memory of the buckets serves to sort what is left.
static void end_all(struct partition *t, int64_t clock_ns)
{
    sl_index_forget(&t->index);
    t->left = sl_realloc(NULL, t->index.live * sizeof *t->left + 1);
    for (uint32_t n = 0; n < t->index.used; n++) {
        struct sl_flow_state *f = sl_index_at(&t->index, n);
        if (f->node.list >= LISTS)
            continue;
        f->node.list = SL_INDEX_LISTS;
        mark_end(f, SL_REASON_EOF, clock_ns);
        t->left[t->n_left++] = (struct left){(uint32_t)(f->id >> 32), (uint32_t)f->id, n};
    }
    if (t->n_left > 1)
        qsort(t->left, t->n_left, sizeof *t->left, by_id);
    t->index.live = 0;
}

void sl_engine_drain(struct sl_engine *e, int64_t clock_ns)
{
    for (int p = 0; p < SL_PARTITIONS; p++) {
        struct partition *t = &e->parts[p];
        expire(e, t, clock_ns);
        sort_ended(t);
        end_all(t, clock_ns);
    }
}

void sl_engine_counts(const struct sl_engine *e, struct sl_engine_counts *out)
{
    *out = (struct sl_engine_counts){0};
    for (int p = 0; p < SL_PARTITIONS; p++) {
        const struct partition *t = &e->parts[p];
        out->packets += t->packets;
        out->bytes += t->bytes;
        out->flows += t->flows;
        out->live += t->index.live;
        out->peak_live += t->peak;
        out->evicted += t->evicted;
        out->zone_beyond += t->zone_beyond;
        out->let_go += t->full ? sl_full_let_go(t->full) : 0;
        out->memory_bytes += sl_index_bytes(&t->index) + sl_pool_bytes(&t->bulks) +
                             sl_pool_bytes(&t->activities) + sl_pool_bytes(&t->earliers) +
                             sl_pool_bytes(&t->carries) + t->n_left * sizeof *t->left;
    }
}

static const struct partition *partition_of_flow(const struct sl_engine *e,
                                                 const struct sl_flow_state *f)
{
    return &e->parts[f->node.user[0]];
}

const struct sl_bulk *sl_flow_bulk(const struct sl_engine *e, const struct sl_flow_state *f,
                                   int dir)
{
    if (f->bulk == SL_INDEX_NONE)
        return NULL;
    const struct sl_bulks *both = sl_pool_at(&partition_of_flow(e, f)->bulks, f->bulk);
    return &both->side[dir];
}

const struct sl_activity *sl_flow_activity(const struct sl_engine *e, const struct sl_flow_state *f)
{
    return f->node.more == SL_INDEX_NONE
               ? NULL
               : sl_pool_at(&partition_of_flow(e, f)->activities, f->node.more);
}

struct sl_earlier sl_flow_earlier(const struct sl_engine *e, const struct sl_flow_state *f)
{
    return earlier_of(partition_of_flow(e, f), f);
}

static const struct sl_carries *carries(const struct sl_engine *e, const struct sl_flow_state *f)
{
    static const struct sl_carries none;
    if (f->earlier == SL_INDEX_NONE)
        return &none;
    const struct partition *t = partition_of_flow(e, f);
    const struct sl_earlier *x = sl_pool_at(&t->earliers, f->earlier);
    return x->carries == SL_INDEX_NONE ? &none : sl_pool_at(&t->carries, x->carries);
}

static uint64_t sum_of(const struct sl_carries *c, const struct sl_flow_state *f, enum sl_sum what,
                       int dir)
{
    return (uint64_t)c->sums[what][dir] << 32 | f->sums[what][dir];
}

static uint64_t rare_of(const struct sl_carries *c, const struct sl_flow_state *f, int what)
{
    return (uint64_t)c->rare[what] << 16 | f->rare[what];
}

uint64_t sl_flow_sum(const struct sl_engine *e, const struct sl_flow_state *f, enum sl_sum what,
                     int dir)
{
    return sum_of(carries(e, f), f, what, dir);
}

struct sl_flow_totals sl_flow_totals(const struct sl_engine *e, const struct sl_flow_state *f)
{
    const struct sl_carries *c = carries(e, f);
    struct sl_flow_totals t = {.fin = rare_of(c, f, SL_RARE_FIN),
                               .syn = rare_of(c, f, SL_RARE_SYN),
                               .cwr = rare_of(c, f, SL_RARE_CWR),
                               .ece = rare_of(c, f, SL_RARE_ECE),
                               .subflow_gaps = rare_of(c, f, SL_RARE_SUBFLOW_GAP),
                               .backward_stamps = rare_of(c, f, SL_RARE_BACKWARD_STAMP)};
    for (int d = 0; d < 2; d++) {
        uint32_t min = f->payload_min[d], max = f->payload_max[d];
        t.bytes[d] = sum_of(c, f, SL_SUM_BYTES, d);
        t.payload_bytes[d] = sum_of(c, f, SL_SUM_PAYLOAD, d);
        t.l4_header_bytes[d] = sum_of(c, f, SL_SUM_L4_HEADER, d);
        t.ip_header_bytes[d] = sum_of(c, f, SL_SUM_IP_HEADER, d);
        t.urg[d] = rare_of(c, f, SL_RARE_URG + d);
        t.rst[d] = rare_of(c, f, SL_RARE_RST + d);
        t.retransmissions[d] = rare_of(c, f, SL_RARE_RETRANSMISSION + d);
        t.overlaps[d] = rare_of(c, f, SL_RARE_OVERLAP + d);
        t.payload_min[d] = min == SL_PAYLOAD_WIDE ? c->payload_min[d] : min;
        t.payload_max[d] = max == SL_PAYLOAD_WIDE ? c->payload_max[d] : max;
    }
    return t;
}
