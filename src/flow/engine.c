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
#include "flow/full.h"
#include <pthread.h>
#include <stdlib.h>

#define SECOND_NS INT64_C(1000000000)
enum { LIST_OPEN, LIST_CLOSING, LISTS };
enum { EPHEMERAL = 32768 }; // first port that Linux takes for clients
enum { DEFAULT_MAX_FLOWS = 2 << 20, MAX_ZONES = 65535 };
enum { ENDED = 1 << 13 }; // flows that ended and wait to be handed out, as a rule

struct ended { // in the order of handing out: by end, then by turn
    int64_t end_ns;
    uint64_t turn; // the packet that ended it; without one: TURN_ALONE and its id
    struct sl_flow_state *flow;
};
#define TURN_ALONE (UINT64_C(1) << 63)

struct partition {
    struct sl_index index;
    struct sl_pool bulks, activities, earliers;
    struct sl_full_pool *full;
    SL_VEC(struct ended) ended; // since the last collection
    uint64_t packets, flows, evicted, bytes, peak;
    uint32_t max_flows;
} __attribute__((aligned(64)));

struct zone_table { // (interface, VLANs) <-> number; grows under the lock
    pthread_mutex_t lock;
    SL_VEC(struct sl_zone) zones; // [0] is "nothing special"
};

struct sl_engine {
    struct partition parts[SL_PARTITIONS];
    struct sl_engine_options opt;
    int64_t idle_ns[LISTS];
    uint64_t partition_seed;
    struct zone_table zones;
    SL_VEC(struct ended) sorted;
    SL_VEC(struct sl_flow_state *) ready; // handed out
};

// ---- options
// -------------------------------------------------------------------------------------

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
    uint64_t seed = sl_index_random_seed();
    uint32_t each = o.max_flows / SL_PARTITIONS + (o.max_flows % SL_PARTITIONS != 0);
    for (int i = 0; i < SL_PARTITIONS; i++) {
        struct partition *t = &e->parts[i];
        sl_index_init(&t->index, sizeof(struct sl_flow_state), seed);
        // Flows that ended hold their pieces until they are handed out.
        sl_pool_init(&t->bulks, sizeof(struct sl_bulk), 2 * ((size_t)each + ENDED));
        sl_pool_init(&t->activities, sizeof(struct sl_activity), (size_t)each + ENDED);
        sl_pool_init(&t->earliers, sizeof(struct sl_earlier), (size_t)each + ENDED);
        t->max_flows = each;
        if (o.full)
            t->full = sl_full_pool_new(o.sequence_packets, (size_t)each + ENDED);
    }
    return e;
}

// Flows that nobody will ask for hold texts of their own.
static void close_full(struct partition *t)
{
    for (uint32_t n = 0; n < t->index.nodes; n++) {
        struct sl_flow_state *f = sl_index_at(&t->index, n);
        if (f->node.list < LISTS && f->full)
            sl_full_close(t->full, f->full);
    }
    for (size_t i = 0; i < t->ended.len; i++)
        sl_full_close(t->full, t->ended.at[i].flow->full);
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
        sl_full_pool_free(t->full);
        SL_VEC_DONE(&t->ended);
    }
    SL_VEC_DONE(&e->ready);
    SL_VEC_DONE(&e->sorted);
    SL_VEC_DONE(&e->zones.zones);
    pthread_mutex_destroy(&e->zones.lock);
    free(e);
}

const struct sl_engine_options *sl_engine_settings(const struct sl_engine *e)
{
    return &e->opt;
}

// ---- preparing
// -----------------------------------------------------------------------------------

static bool same_zone(const struct sl_zone *a, const struct sl_zone *b)
{
    return a->interface == b->interface && a->vlan == b->vlan && a->vlan_inner == b->vlan_inner;
}

// Numbers of zones depend on which thread came first; nothing that leaves the engine depends on
// them.
static uint16_t zone_number(struct zone_table *t, const struct sl_zone *z)
{
    pthread_mutex_lock(&t->lock);
    size_t i = 1;
    while (i < t->zones.len && !same_zone(&t->zones.at[i], z))
        i++;
    if (i == t->zones.len && i < MAX_ZONES)
        *SL_PUSH(&t->zones) = *z;
    pthread_mutex_unlock(&t->lock);
    return (uint16_t)(i < MAX_ZONES ? i : 0); // 65,534 VLANs and interfaces are told apart, no more
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
    struct sl_zone z = t->zones.at[sl_key_zone(&f->node.key)];
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

// ---- flows that end
// ------------------------------------------------------------------------------

static void end_flow(struct partition *t, struct sl_flow_state *f, enum sl_end_reason why,
                     int64_t ended_ns, uint64_t turn)
{
    sl_index_remove(&t->index, &f->node);
    // A connection that was over says how it ended, whatever took it out of the table.
    if (f->end == SL_REASON_NONE)
        f->end = (uint8_t)(f->fins == 3 && why != SL_REASON_ACTIVE ? SL_REASON_FIN : why);
    f->touched_ns = ended_ns;
    *SL_PUSH(&t->ended) = (struct ended){ended_ns, turn, f};
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

// ---- flows that begin
// ----------------------------------------------------------------------------

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
    f->interface = s->packet.interface;
    f->ethertype = s->packet.ethertype;
    f->activity = f->earlier = f->bulk[0] = f->bulk[1] = SL_INDEX_NONE;
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

// The next segment of a connection that was cut: what belongs to the connection is carried over.
static struct sl_flow_state *continue_flow(struct sl_engine *e, struct partition *t,
                                           struct sl_flow_state *was, const struct sl_slot *s)
{
    end_flow(t, was, SL_REASON_ACTIVE, s->clock_ns, s->packet.number);
    struct sl_flow_state *f = new_state(e, t, s);
    f->node.low_initiates = was->node.low_initiates;
    f->earlier = sl_pool_take(&t->earliers);
    struct sl_earlier *first = sl_pool_at(&t->earliers, f->earlier);
    if (was->earlier == SL_INDEX_NONE)
        *first = (struct sl_earlier){was->id, sl_flow_first_ns(was)};
    else
        *first = *(const struct sl_earlier *)sl_pool_at(&t->earliers, was->earlier);
    f->segment = was->segment + 1;
    f->guess = was->guess;
    f->state = was->state & (SL_STATE_SEQ_FORWARD | SL_STATE_SEQ_BACKWARD | SL_STATE_SAME_ENDS);
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

// ---- one packet
// ----------------------------------------------------------------------------------

static void note_gap(struct sl_gaps *g, int64_t gap_ns, bool first)
{
    if (first)
        g->min_ns = g->max_ns = gap_ns;
    else if (gap_ns < g->min_ns)
        g->min_ns = gap_ns;
    else if (gap_ns > g->max_ns)
        g->max_ns = gap_ns;
    sl_sq_add(&g->sq_lo, &g->sq_hi, gap_ns);
}

static void close_active(struct sl_activity *a, int64_t last_ns)
{
    int64_t len = last_ns - a->start_ns;
    if (len <= 0)
        return;
    if (!a->n_active || len < a->active_min_ns)
        a->active_min_ns = len;
    if (len > a->active_max_ns)
        a->active_max_ns = len;
    a->n_active++;
    a->active_sum_ns += len;
    sl_sq_add(&a->active_sq_lo, &a->active_sq_hi, len);
}

static __attribute__((noinline)) void note_idle(struct partition *t, struct sl_flow_state *f,
                                                int64_t first_ns, int64_t last_ns, int64_t gap_ns)
{
    struct sl_activity *a;
    if (f->activity == SL_INDEX_NONE) {
        f->activity = sl_pool_take(&t->activities);
        a = sl_pool_at(&t->activities, f->activity);
        a->start_ns = first_ns;
    } else {
        a = sl_pool_at(&t->activities, f->activity);
    }
    close_active(a, last_ns);
    if (!a->n_idle || gap_ns < a->idle_min_ns)
        a->idle_min_ns = gap_ns;
    if (gap_ns > a->idle_max_ns)
        a->idle_max_ns = gap_ns;
    a->n_idle++;
    a->idle_sum_ns += gap_ns;
    sl_sq_add(&a->idle_sq_lo, &a->idle_sq_hi, gap_ns);
    a->start_ns = last_ns + gap_ns;
}

static void note_times(struct sl_engine *e, struct partition *t, struct sl_flow_state *f, int d,
                       int64_t ts_ns)
{
    uint32_t before = f->packets[0] + f->packets[1];
    if (before) {
        int64_t last = sl_flow_last_ns(f), gap = ts_ns - last;
        if (gap < 0) {
            f->backward_stamps++;
            gap = 0;
        }
        note_gap(&f->gaps, gap, before == 1);
        if (gap > e->opt.subflow_ns) {
            f->subflow_gaps++;
            if (gap > e->opt.activity_ns)
                note_idle(t, f, sl_flow_first_ns(f), last, gap);
        } else if (gap > e->opt.activity_ns) {
            note_idle(t, f, sl_flow_first_ns(f), last, gap);
        }
    } else if (d == SL_BACKWARD) {
        f->state |= SL_STATE_BEGAN_BACKWARD;
    }
    if (!f->packets[d]) {
        f->first_ns[d] = f->last_ns[d] = ts_ns;
        return;
    }
    int64_t gap = ts_ns - f->last_ns[d];
    note_gap(&f->dir_gaps[d], gap > 0 ? gap : 0, f->packets[d] == 1);
    if (gap > 0)
        f->last_ns[d] = ts_ns;
}

static void bulk_restart(struct sl_bulk *b, int64_t ts_ns, uint32_t bytes)
{
    b->start_ns = b->last_ns = ts_ns;
    b->candidate_packets = 1;
    b->candidate_bytes = bytes;
}

// flows.md 4.1, with a count of 0 for "no candidate".
static void bulk_add(const struct sl_engine *e, struct sl_bulk *b, bool interrupted, int64_t ts_ns,
                     uint32_t bytes)
{
    if (interrupted || !b->candidate_packets || ts_ns - b->last_ns > e->opt.bulk_gap_ns) {
        bulk_restart(b, ts_ns, bytes);
        return;
    }
    int64_t since = ts_ns - b->last_ns;
    if (b->candidate_packets < e->opt.bulk_packets) {
        b->candidate_bytes += bytes;
        if (++b->candidate_packets == e->opt.bulk_packets) {
            b->bulks++;
            b->packets += e->opt.bulk_packets;
            b->size_bytes += b->candidate_bytes;
            b->duration_ns += (uint64_t)(ts_ns > b->start_ns ? ts_ns - b->start_ns : 0);
        }
    } else {
        b->packets++;
        b->size_bytes += bytes;
        b->duration_ns += (uint64_t)(since > 0 ? since : 0);
    }
    if (since > 0)
        b->last_ns = ts_ns;
}

static void note_data(const struct sl_engine *e, struct partition *t, struct sl_flow_state *f,
                      int d, const struct sl_packet *p)
{
    if (!f->data_packets[d]) {
        f->first_data_ns[d] = p->ts_ns;
    } else {
        struct sl_bulk *b;
        if (f->bulk[d] == SL_INDEX_NONE) { // the first packet with payload was a candidate of one
            f->bulk[d] = sl_pool_take(&t->bulks);
            b = sl_pool_at(&t->bulks, f->bulk[d]);
            bulk_restart(b, f->first_data_ns[d], (uint32_t)f->payload_bytes[d]);
        } else {
            b = sl_pool_at(&t->bulks, f->bulk[d]);
        }
        int o = !d;
        bool interrupted = false;
        if (f->data_packets[o]) {
            const struct sl_bulk *other =
                f->bulk[o] == SL_INDEX_NONE ? NULL : sl_pool_at(&t->bulks, f->bulk[o]);
            interrupted = (other ? other->last_ns : f->first_data_ns[o]) > b->start_ns;
        }
        bulk_add(e, b, interrupted, p->ts_ns, p->payload_bytes);
    }
    f->data_packets[d]++;
}

static void note_sequence(struct sl_flow_state *f, int d, const struct sl_packet *p)
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
            f->retransmissions[d]++;
        } else {
            f->overlaps[d] += (int32_t)(p->tcp_seq - f->next_seq[d]) < 0;
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

static void note_tcp(struct sl_flow_state *f, int d, const struct sl_packet *p)
{
    uint8_t flags = p->tcp_flags;
    if (!f->packets[d])
        f->window[d] = p->tcp_window;
    f->tcp_flags[d] |= flags;
    note_sequence(f, d, p);
    if (flags & SL_TCP_ACK) {
        f->acks++;
        if ((f->fins & (1 << !d)) && (int32_t)(p->tcp_ack - f->fin_end[!d]) >= 0)
            f->fin_acks |= (uint8_t)(1 << !d);
    }
    f->psh[d] += (flags & SL_TCP_PSH) != 0;
    if (flags & ~(SL_TCP_ACK | SL_TCP_PSH)) {
        f->fin += (flags & SL_TCP_FIN) != 0;
        f->syn += (flags & SL_TCP_SYN) != 0;
        f->cwr += (flags & SL_TCP_CWR) != 0;
        f->ece += (flags & SL_TCP_ECE) != 0;
        f->urg[d] += (flags & SL_TCP_URG) != 0;
        f->rst[d] += (flags & SL_TCP_RST) != 0;
        if ((flags & SL_TCP_SYN) && p->tcp_options)
            note_window_scale(f, d, p);
        if ((flags & SL_TCP_RST) && f->end == SL_REASON_NONE)
            f->end = SL_REASON_RST;
    }
    if (f->fin_acks == 3 && f->fins == 3 && f->end == SL_REASON_NONE)
        f->end = SL_REASON_FIN;
}

static void count(struct sl_engine *e, struct partition *t, struct sl_flow_state *f, int d,
                  const struct sl_slot *s)
{
    const struct sl_packet *p = &s->packet;
    note_times(e, t, f, d, p->ts_ns);
    uint32_t len = p->payload_bytes;
    if (!f->packets[d]) {
        f->payload_min[d] = f->payload_max[d] = len;
        f->l4_header_min[d] = p->l4_header_bytes;
    } else {
        f->payload_min[d] = len < f->payload_min[d] ? len : f->payload_min[d];
        f->payload_max[d] = len > f->payload_max[d] ? len : f->payload_max[d];
        if (p->l4_header_bytes < f->l4_header_min[d])
            f->l4_header_min[d] = p->l4_header_bytes;
    }
    if (p->tuple.proto == SL_PROTO_TCP && !p->fragment_offset)
        note_tcp(f, d, p);
    if (len)
        note_data(e, t, f, d, p);
    f->packets[d]++;
    f->bytes[d] += p->wire_bytes;
    f->payload_bytes[d] += len;
    f->payload_sq[d] += (uint64_t)len * len;
    f->l4_header_bytes[d] += p->l4_header_bytes;
    f->ip_header_bytes[d] += p->ip_header_bytes;
    f->tunnels |= p->tunnels;
    if (p->fragmented)
        f->state |= SL_STATE_FRAGMENTS;
    f->touched_ns = s->clock_ns;
    sl_index_touch(&t->index, &f->node, f->end == SL_REASON_NONE ? LIST_OPEN : LIST_CLOSING);
}

// Is this packet the first of another connection between the same ends?
static bool reuses(const struct sl_flow_state *f, int d, const struct sl_packet *p)
{
    if (p->tuple.proto != SL_PROTO_TCP || p->fragment_offset || !asks(p->tcp_flags))
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
    if (f->full)
        sl_full_add(t->full, f, p, d);
    if (e->opt.on_packet)
        e->opt.on_packet(e->opt.ctx, thread, f, p, d);
    count(e, t, f, d, s);
    t->packets++;
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
                MOST) { // cannot be with the batches of this program, but must not be wrong either
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
}

// ---- handing out
// ---------------------------------------------------------------------------------

static int by_end(const void *a, const void *b)
{
    const struct ended *x = a, *y = b;
    if (x->end_ns != y->end_ns)
        return x->end_ns < y->end_ns ? -1 : 1;
    return (x->turn > y->turn) - (x->turn < y->turn);
}

/*
 * Nothing has to wait for flows that may yet end before it. Behind the packets up to some clock,
 * every flow that was silent too long before that clock is out of its table (expire); what a
 * later packet ends, ends at that clock or later and has a higher turn; and those that end at
 * the very clock because they were silent have turns above all packets.
 */
struct sl_flow_state *const *sl_engine_collect(struct sl_engine *e, size_t *n)
{
    e->sorted.len = 0;
    for (int p = 0; p < SL_PARTITIONS; p++) {
        struct partition *t = &e->parts[p];
        for (size_t i = 0; i < t->ended.len; i++)
            *SL_PUSH(&e->sorted) = t->ended.at[i];
        t->ended.len = 0;
    }
    if (e->sorted.len > 1)
        qsort(e->sorted.at, e->sorted.len, sizeof *e->sorted.at, by_end);
    for (size_t i = 0; i < e->sorted.len; i++)
        *SL_PUSH(&e->ready) = e->sorted.at[i].flow;
    *n = e->ready.len;
    return e->ready.at;
}

void sl_engine_release(struct sl_engine *e)
{
    for (size_t i = 0; i < e->ready.len; i++) {
        struct sl_flow_state *f = e->ready.at[i];
        struct partition *t = &e->parts[f->node.user[0]];
        for (int d = 0; d < 2; d++)
            if (f->bulk[d] != SL_INDEX_NONE)
                sl_pool_give(&t->bulks, f->bulk[d]);
        if (f->activity != SL_INDEX_NONE)
            sl_pool_give(&t->activities, f->activity);
        if (f->earlier != SL_INDEX_NONE)
            sl_pool_give(&t->earliers, f->earlier);
        if (f->full)
            sl_full_close(t->full, f->full);
        sl_index_give_back(&t->index, &f->node);
    }
    e->ready.len = 0;
}

struct sl_flow_state *const *sl_engine_drain(struct sl_engine *e, int64_t clock_ns, size_t *n)
{
    for (int p = 0; p < SL_PARTITIONS; p++) {
        struct partition *t = &e->parts[p];
        expire(e, t, clock_ns);
        for (int i = 0; i < LISTS; i++) {
            struct sl_flow_state *f;
            while ((f = oldest(t, i)))
                end_alone(t, f, SL_REASON_EOF, clock_ns);
        }
    }
    return sl_engine_collect(e, n);
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
        out->memory_bytes += sl_index_bytes(&t->index) + sl_pool_bytes(&t->bulks) +
                             sl_pool_bytes(&t->activities) + sl_pool_bytes(&t->earliers);
    }
}

const struct sl_bulk *sl_flow_bulk(const struct sl_engine *e, const struct sl_flow_state *f,
                                   int dir)
{
    return f->bulk[dir] == SL_INDEX_NONE
               ? NULL
               : sl_pool_at(&e->parts[f->node.user[0]].bulks, f->bulk[dir]);
}

const struct sl_activity *sl_flow_activity(const struct sl_engine *e, const struct sl_flow_state *f)
{
    return f->activity == SL_INDEX_NONE
               ? NULL
               : sl_pool_at(&e->parts[f->node.user[0]].activities, f->activity);
}

struct sl_earlier sl_flow_earlier(const struct sl_engine *e, const struct sl_flow_state *f)
{
    if (f->earlier == SL_INDEX_NONE)
        return (struct sl_earlier){f->id, sl_flow_first_ns(f)};
    return *(const struct sl_earlier *)sl_pool_at(&e->parts[f->node.user[0]].earliers, f->earlier);
}
