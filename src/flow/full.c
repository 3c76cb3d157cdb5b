// SPDX-License-Identifier: Apache-2.0
/*
 * TCP: a segment is held against what its sender had sent (next_seq) and what the other side had
 * acknowledged. Two directions' states are enough; nothing is kept per segment, so memory does not
 * grow with a flow.
 *
 * RTT of data: one segment per direction is timed at a time (as RFC 6298 allows); when something is
 * sent again the sample is thrown away (Karn's rule), because nobody can tell which copy was
 * answered.
 */
#include "flow/full.h"
#include "base/mem.h"
#include "dissect/quic.h"
#include <stdlib.h>
#include <string.h>

enum { FIRST_HEAD = 2048, MOST_TRIES = 24 };
#define FAST_NS                                                                                    \
    INT64_C(20000000) // a repeat this soon after a duplicate ACK is a fast retransmission
#define REORDER_NS                                                                                 \
    INT64_C(3000000) // while no RTT is known, what comes this late may still be reordered

struct sl_full_pool {
    struct sl_pool pieces;
    uint32_t n_sequence;
    uint32_t hellos; // kept now
    size_t head_bytes;
    uint64_t let_go;
};

struct sl_full_pool *sl_full_pool_new(uint32_t sequence_packets, size_t max)
{
    struct sl_full_pool *pool = sl_alloc(sizeof *pool);
    pool->n_sequence = sequence_packets;
    sl_pool_init(&pool->pieces,
                 sizeof(struct sl_flow_full) + sequence_packets * 2 * sizeof(uint32_t), max);
    return pool;
}

static void free_facts(struct sl_flow_facts *f)
{
    char *texts[] = {f->tls_sni,  f->tls_alpn,  f->ja3,         f->ja3_hash,
                     f->dns_name, f->http_host, f->http_method, f->http_user_agent};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
}

static void drop_hello(struct sl_full_pool *pool, struct sl_flow_full *full)
{
    pool->hellos -= full->hello != NULL;
    free(full->hello);
    full->hello = NULL;
}

static void drop_head(struct sl_full_pool *pool, struct sl_flow_full *full, int dir)
{
    pool->head_bytes -= full->head_cap[dir];
    free(full->head[dir]);
    full->head[dir] = NULL;
    full->head_len[dir] = full->head_cap[dir] = full->ahead_len[dir] = 0;
}

static void free_piece(struct sl_full_pool *pool, struct sl_flow_full *full)
{
    free_facts(&full->facts);
    drop_head(pool, full, 0);
    drop_head(pool, full, 1);
    drop_hello(pool, full);
}

void sl_full_pool_free(struct sl_full_pool *pool)
{
    if (!pool)
        return;
    sl_pool_done(&pool->pieces);
    free(pool);
}

uint64_t sl_full_let_go(const struct sl_full_pool *pool)
{
    return pool->let_go;
}

struct sl_flow_full *sl_full_open(struct sl_full_pool *pool)
{
    uint32_t n = sl_pool_take(&pool->pieces);
    struct sl_flow_full *full = sl_pool_at(&pool->pieces, n);
    full->number = n;
    full->handshake_ns = full->handshake_client_ns = full->initial_rtt_ns = -1;
    full->syn_ns = full->synack_ns = full->crossing_ns = full->last_syn_ns = SL_NO_TIME;
    full->side[0].timed_ns = full->side[1].timed_ns = SL_NO_TIME;
    full->facts.dns_qtype = full->facts.dns_rcode = -1;
    return full;
}

void sl_full_close(struct sl_full_pool *pool, struct sl_flow_full *full)
{
    free_piece(pool, full);
    sl_pool_give(&pool->pieces, full->number);
}

// ---- the first packets --------------------------------------------------------------------------

static void note_sequence(const struct sl_full_pool *pool, struct sl_flow_full *x,
                          const struct sl_packet *p, int dir)
{
    if (x->n_sequence >= pool->n_sequence)
        return;
    uint32_t size = p->payload_bytes & 0x7fffffff;
    int64_t gap = x->n_sequence ? (p->ts_ns - x->last_ns) / 1000 : 0;
    gap = gap < 0 ? 0 : gap > UINT32_MAX ? UINT32_MAX : gap;
    x->sequence[x->n_sequence] = size | (dir == SL_BACKWARD ? UINT32_C(0x80000000) : 0);
    x->sequence[pool->n_sequence + x->n_sequence] = (uint32_t)gap;
    x->n_sequence++;
    x->last_ns = p->ts_ns;
}

// ---- TCP ----------------------------------------------------------------------------------------

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static void rtt_add(struct sl_rtt *r, int64_t ns)
{
    if (ns < 0)
        return;
    if (!r->n || ns < r->min_ns)
        r->min_ns = ns;
    if (ns > r->max_ns)
        r->max_ns = ns;
    r->n++;
    r->sum_ns += ns;
}

struct segment {
    uint32_t seq, len, end; // len: payload; end: one more with SYN or FIN
    uint8_t flags;
    bool sync; // SYN, FIN or RST
};

/*
 * Asked and answered: SYN, SYN-ACK, ACK; or, when both ask at once (RFC 9293 figure 7), each SYN is
 * answered by the other's SYN-ACK.
 */
static void note_handshake(struct sl_flow_full *x, const struct sl_packet *p, int dir)
{
    uint8_t f = p->tcp_flags & (SL_TCP_SYN | SL_TCP_ACK | SL_TCP_RST);
    if (f == SL_TCP_SYN && dir == SL_FORWARD && x->synack_ns == SL_NO_TIME) {
        x->syn_ns = p->ts_ns; // of the last SYN: the answer is to it, most likely
    } else if (f == SL_TCP_SYN && dir == SL_BACKWARD && x->synack_ns == SL_NO_TIME) {
        x->crossing_ns = p->ts_ns;
    } else if (f == (SL_TCP_SYN | SL_TCP_ACK) && dir == SL_FORWARD &&
               x->crossing_ns != SL_NO_TIME) {
        if (x->handshake_client_ns < 0)
            x->handshake_client_ns = p->ts_ns - x->crossing_ns;
    } else if (f == (SL_TCP_SYN | SL_TCP_ACK) && dir == SL_BACKWARD) {
        if (x->handshake_client_ns < 0)
            x->synack_ns = p->ts_ns;
        if (x->syn_ns != SL_NO_TIME && x->handshake_ns < 0)
            x->handshake_ns = p->ts_ns - x->syn_ns;
    } else if (f == SL_TCP_ACK && dir == SL_FORWARD && x->synack_ns != SL_NO_TIME &&
               x->crossing_ns == SL_NO_TIME && x->handshake_client_ns < 0) {
        x->handshake_client_ns = p->ts_ns - x->synack_ns;
    }
}

// After the packet was classed: the last SYN to the first plain ACK, of whichever side.
static void note_initial_rtt(struct sl_flow_full *x, const struct sl_packet *p)
{
    uint8_t f = p->tcp_flags & (SL_TCP_SYN | SL_TCP_ACK);
    if (f == SL_TCP_SYN)
        x->last_syn_ns = p->ts_ns;
    else if (f == SL_TCP_ACK && x->last_syn_ns != SL_NO_TIME && x->initial_rtt_ns < 0)
        x->initial_rtt_ns = p->ts_ns - x->last_syn_ns;
}

// A clock that runs backwards makes nothing recent.
static bool within(int64_t now_ns, int64_t then_ns, int64_t limit_ns)
{
    return now_ns >= then_ns && now_ns - then_ns < limit_ns;
}

/*
 * Something with payload, SYN or FIN: new, or sent before? In Wireshark's order: what was
 * acknowledged already was sent for nothing; what follows duplicate ACKs at once is a fast
 * retransmission; what comes late by less than the round trip and does not end where the newest
 * segment ends was overtaken on its way; the rest was sent again.
 */
static void note_again(struct sl_flow_full *x, struct sl_tcp_side *me,
                       const struct sl_tcp_side *other, const struct segment *s, int64_t ts_ns)
{
    bool old =
        me->seen && before(s->seq, me->next_seq) && !(s->len > 1 && s->seq == me->next_seq - 1);
    int64_t reorder = x->initial_rtt_ns > 0 ? x->initial_rtt_ns : REORDER_NS;
    if (s->len && other->last_ack && !before(other->last_ack, s->seq + s->len)) {
        me->spurious_retransmissions++;
    } else if (!old) {
        return;
    } else if (other->dup_acks >= 2 && other->last_ack == s->seq &&
               within(ts_ns, other->last_ack_ns, FAST_NS)) {
        me->fast_retransmissions++;
    } else if (within(ts_ns, me->next_seq_ns, reorder) && me->next_seq != s->end) {
        me->out_of_order++;
        return;
    }
    me->retransmissions++;
    me->timed_ns = SL_NO_TIME; // Karn
}

enum segment_kind { PLAIN, PROBE, PROBE_ACK, KEEP_ALIVE, KEEP_ALIVE_ACK };

// A pure ACK that says nothing new.
static bool repeats(const struct sl_tcp_side *me, const struct sl_packet *p,
                    const struct segment *s)
{
    return me->seen && !s->len && !s->sync && s->seq == me->next_seq &&
           p->tcp_ack == me->last_ack && p->tcp_window == me->window;
}

static enum segment_kind kind_of(struct sl_tcp_side *me, const struct sl_tcp_side *other,
                                 const struct sl_packet *p, const struct segment *s)
{
    if (me->seen && other->seen && s->len == 1 && s->seq == me->next_seq && !other->window) {
        me->zero_window_probes++;
        return PROBE;
    }
    me->zero_windows += !p->tcp_window && !s->sync;
    me->gaps += me->seen && before(me->next_seq, s->seq) && !(s->flags & SL_TCP_RST);
    enum segment_kind kind = PLAIN;
    if (me->seen && s->len <= 1 && s->seq == me->next_seq - 1 && !s->sync) {
        me->keep_alives++;
        kind = KEEP_ALIVE;
    }
    if (!repeats(me, p, s))
        return kind;
    if (p->tcp_window && other->last_kind == KEEP_ALIVE)
        return KEEP_ALIVE_ACK;
    if (!p->tcp_window && other->last_kind == PROBE)
        return PROBE_ACK;
    if (p->tcp_window) {
        me->dup_acks++;
        me->duplicate_acks++;
    }
    return kind;
}

static void class_segment(struct sl_flow_full *x, struct sl_tcp_side *me, struct sl_tcp_side *other,
                          const struct sl_packet *p, const struct segment *s)
{
    enum segment_kind kind = kind_of(me, other, p, s);
    if (p->tcp_ack != me->last_ack)
        me->dup_acks = 0;
    if (s->end != s->seq && kind != KEEP_ALIVE)
        note_again(x, me, other, s, p->ts_ns);
    me->last_kind = (uint8_t)kind;
    if (kind == PROBE)
        return;
    if (!me->seen || before(me->next_seq, s->end)) {
        if (s->len && me->timed_ns == SL_NO_TIME && me->seen) {
            me->timed_end = s->end;
            me->timed_ns = p->ts_ns;
        }
        me->next_seq = s->end;
        me->next_seq_ns = p->ts_ns;
    }
    if (!me->in_order_end || s->seq == me->in_order_end)
        me->in_order_end = me->next_seq;
}

static void note_answers(struct sl_tcp_side *other, const struct sl_packet *p)
{
    if (!(p->tcp_flags & SL_TCP_ACK) || other->timed_ns == SL_NO_TIME ||
        before(p->tcp_ack, other->timed_end))
        return;
    rtt_add(&other->rtt, p->ts_ns - other->timed_ns);
    other->timed_ns = SL_NO_TIME;
}

static void note_options(struct sl_tcp_side *me, const struct sl_packet *p)
{
    struct sl_tcp_options o;
    sl_tcp_options(p, &o);
    if (p->tcp_flags & SL_TCP_SYN) {
        me->mss = o.mss ? o.mss : me->mss;
        me->sack_permitted |= o.sack_permitted;
    }
    me->timestamps |= o.timestamps;
    me->sack_blocks += o.n_sack;
}

static void note_tcp(struct sl_flow_full *x, const struct sl_packet *p, int dir)
{
    struct sl_tcp_side *me = &x->side[dir], *other = &x->side[!dir];
    struct segment s = {.seq = p->tcp_seq, .len = p->payload_bytes, .flags = p->tcp_flags};
    s.end = s.seq + s.len + ((s.flags & (SL_TCP_SYN | SL_TCP_FIN)) != 0);
    s.sync = (s.flags & (SL_TCP_SYN | SL_TCP_FIN | SL_TCP_RST)) != 0;
    if ((s.flags & (SL_TCP_SYN | SL_TCP_ACK)) == SL_TCP_SYN && me->seen)
        me->next_seq = me->in_order_end; // the handshake begins again
    note_handshake(x, p, dir);
    if (p->tcp_options)
        note_options(me, p);
    class_segment(x, me, other, p, &s);
    note_initial_rtt(x, p);
    note_answers(other, p);
    me->last_ack = p->tcp_ack;
    me->last_ack_ns = p->ts_ns;
    me->window = p->tcp_window;
    me->seen = me->next_seq != 0; // a refusal has sequence number 0, which tells nothing
}

// ---- the first payload bytes --------------------------------------------------------------------

static void keep_text(char **to, const char *text)
{
    if (!*to && text[0])
        *to = sl_strdup(text);
}

static void keep_facts(struct sl_flow_facts *f, const struct sl_l7 *l)
{
    keep_text(&f->tls_sni, l->sni);
    keep_text(&f->tls_alpn, l->alpn);
    keep_text(&f->ja3, l->ja3);
    keep_text(&f->ja3_hash, l->ja3_md5);
    keep_text(&f->dns_name, l->dns_name);
    keep_text(&f->http_host, l->http_host);
    keep_text(&f->http_method, l->http_method);
    keep_text(&f->http_user_agent, l->http_user_agent);
    if (l->tls_version)
        f->tls_version = l->tls_version; // the server's choice comes later and counts
    if (l->dns_qtype >= 0 && f->dns_qtype < 0)
        f->dns_qtype = l->dns_qtype;
    if (l->dns_rcode >= 0 && f->dns_rcode < 0)
        f->dns_rcode = l->dns_rcode;
    if (l->http_status)
        f->http_status = l->http_status;
    if (l->quic_version)
        f->quic_version = l->quic_version;
    if (l->app)
        f->app = l->app;
}

// Room for so many bytes of payload; false: the pool's are used up.
static bool head_room(struct sl_full_pool *pool, struct sl_flow_full *x, int dir, uint32_t bytes)
{
    if (bytes <= x->head_cap[dir])
        return true;
    uint32_t cap = bytes > FIRST_HEAD ? SL_L7_MAX_BYTES : FIRST_HEAD, more = cap - x->head_cap[dir];
    if (pool->head_bytes + more > SL_FULL_HEAD_BYTES)
        return false;
    pool->head_bytes += more;
    x->head[dir] = sl_realloc(x->head[dir], cap);
    x->head_cap[dir] = cap;
    return true;
}

static bool keep_head(struct sl_full_pool *pool, struct sl_flow_full *x, const struct sl_packet *p,
                      int dir)
{
    uint32_t room = SL_L7_MAX_BYTES - x->head_len[dir];
    uint32_t n = p->payload_captured < room ? p->payload_captured : room;
    if (!head_room(pool, x, dir, x->head_len[dir] + n))
        return false;
    memcpy(x->head[dir] + x->head_len[dir], p->payload, n);
    x->head_len[dir] += n;
    return true;
}

// A segment in front of which something is missing waits at its place: one stretch of them.
static void keep_ahead(struct sl_full_pool *pool, struct sl_flow_full *x, const struct sl_packet *p,
                       int dir, uint32_t hole)
{
    uint32_t room = SL_L7_MAX_BYTES - x->head_len[dir];
    if (p->payload_captured < p->payload_bytes || hole >= room || p->payload_captured > room - hole)
        return;
    uint32_t at = x->head_len[dir] + hole;
    if ((x->ahead_len[dir] && at != x->ahead_at[dir] + x->ahead_len[dir]) ||
        !head_room(pool, x, dir, at + p->payload_captured))
        return;
    if (!x->ahead_len[dir])
        x->ahead_at[dir] = at;
    memcpy(x->head[dir] + at, p->payload, p->payload_captured);
    x->ahead_len[dir] += p->payload_captured;
}

// The hole before what waited may be filled now.
static void join_ahead(struct sl_flow_full *x, int dir)
{
    uint32_t end = x->ahead_at[dir] + x->ahead_len[dir];
    if (!x->ahead_len[dir] || x->ahead_at[dir] > x->head_len[dir])
        return;
    if (end > x->head_len[dir]) {
        x->head_next[dir] += end - x->head_len[dir];
        x->head_len[dir] = end;
    }
    x->ahead_len[dir] = 0;
}

// Is this what comes next in its stream? Streams begin behind their SYN, or with what is seen
// first.
static bool in_order(struct sl_full_pool *pool, struct sl_flow_full *x, const struct sl_packet *p,
                     int dir)
{
    if (p->tuple.proto != SL_PROTO_TCP)
        return true;
    bool syn = p->tcp_flags & SL_TCP_SYN;
    uint32_t start = p->tcp_seq + syn; // data with a SYN: RFC 7413
    if (!x->head_known[dir] || (syn && !x->tries[dir] && !x->head_len[dir]))
        x->head_next[dir] = start;
    x->head_known[dir] = true;
    if (start != x->head_next[dir]) {
        if (!before(start, x->head_next[dir]) && p->payload_captured)
            keep_ahead(pool, x, p, dir, start - x->head_next[dir]);
        return false;
    }
    x->head_next[dir] += p->payload_bytes;
    return true;
}

/*
 * One datagram; what it begins is kept for the next of the same side. The datagram that shows that
 * a hello goes on is opened twice, so that those flows pay whose hello does.
 */
static enum sl_l7_result look_at_datagram(struct sl_full_pool *pool, struct sl_flow_full *x,
                                          const struct sl_tuple *u, const struct sl_packet *p,
                                          int dir, struct sl_l7 *facts)
{
    struct sl_quic_hello *hello = x->hello_dir == dir ? x->hello : NULL;
    enum sl_l7_result r =
        sl_dissect_datagram(u->sport, u->dport, p->payload, p->payload_captured, hello, facts);
    if (hello && r == SL_L7_NOTHING)
        return SL_L7_NEED_MORE; // came in between
    if (r != SL_L7_NEED_MORE || x->hello || pool->hellos == SL_FULL_HELLOS)
        return r;
    x->hello = sl_alloc(sizeof *x->hello);
    x->hello_dir = (uint8_t)dir;
    pool->hellos++;
    return sl_dissect_datagram(u->sport, u->dport, p->payload, p->payload_captured, x->hello,
                               facts);
}

static void note_payload(struct sl_full_pool *pool, struct sl_flow_full *x,
                         const struct sl_flow_state *f, const struct sl_packet *p, int dir)
{
    bool tcp = p->tuple.proto == SL_PROTO_TCP, syn = tcp && (p->tcp_flags & SL_TCP_SYN);
    if (x->done[dir] || p->fragment_offset || (!p->payload_captured && !syn) ||
        !in_order(pool, x, p, dir) || !p->payload_captured)
        return;
    const uint8_t *bytes = p->payload;
    uint32_t len = p->payload_captured;
    bool kept = true;
    if (tcp && (x->head_len[dir] || x->ahead_len[dir])) {
        kept = keep_head(pool, x, p, dir);
        join_ahead(x, dir);
        bytes = kept ? x->head[dir] : bytes;
        len = kept ? x->head_len[dir] : len;
    }
    struct sl_tuple u = sl_flow_tuple(f);
    struct sl_l7 facts;
    enum sl_l7_result r = u.proto == SL_PROTO_UDP ? look_at_datagram(pool, x, &u, p, dir, &facts)
                                                  : sl_dissect_payload(u.proto, u.sport, u.dport,
                                                                       dir, bytes, len, &facts);
    if (r != SL_L7_NOTHING)
        keep_facts(&x->facts, &facts);
    x->tries[dir]++;
    bool cut = p->payload_captured < p->payload_bytes; // nothing can follow in order
    bool full = len >= SL_L7_MAX_BYTES || x->tries[dir] >= MOST_TRIES || cut;
    if (tcp && r == SL_L7_NEED_MORE && !full && !x->head_len[dir])
        kept = keep_head(pool, x, p, dir);
    pool->let_go += !kept;
    if (r != SL_L7_NEED_MORE || full || !kept) {
        x->done[dir] = true;
        drop_head(pool, x, dir);
        if (x->hello_dir == dir)
            drop_hello(pool, x);
    }
}

void sl_full_add(struct sl_full_pool *pool, struct sl_flow_state *f, const struct sl_packet *p,
                 int dir)
{
    struct sl_flow_full *x = f->full;
    note_sequence(pool, x, p, dir);
    note_payload(pool, x, f, p, dir);
    if (p->tuple.proto == SL_PROTO_TCP && !p->fragment_offset)
        note_tcp(x, p, dir);
}
