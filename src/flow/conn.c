// SPDX-License-Identifier: Apache-2.0
/*
 * Each side has a state of its own, and the other's state decides what a flag means: a RST of the
 * responder refuses a SYN, and resets what is established. Sequence numbers are followed in 64
 * bits by the signed distance to the highest one before.
 */
#include "flow/conn.h"
#include "flow/flow.h"
#include <string.h>

enum {
    SAW_SYN = 1,
    SAW_ACK = 2,
    SAW_DATA = 4,
    SAW_FIN = 8,
    SAW_RST = 16,
    SAW_ODD = 32,
    SAW_MIXED = 64
};
enum { FAR = 1048576 }; // a SYN or RST this far off says nothing about what was sent

static void write_letter(struct sl_conn *c, char letter, int dir)
{
    if (c->history_len < sizeof c->history - 1)
        c->history[c->history_len++] = (char)(dir == SL_FORWARD ? letter : letter | 0x20);
}

void sl_conn_turned(struct sl_conn *c)
{
    write_letter(c, '^', SL_FORWARD);
}

static bool first_time(struct sl_conn *c, int dir, uint8_t bit, char letter)
{
    struct sl_conn_side *me = &c->side[dir];
    if (me->seen & bit)
        return false;
    me->seen |= bit;
    write_letter(c, letter, dir);
    return true;
}

// Once for each place in the sequence: a repetition is no news.
static void once_each(struct sl_conn *c, int dir, uint8_t bit, char letter, uint32_t at,
                      uint32_t *last)
{
    if (!first_time(c, dir, bit, letter) && at != *last)
        write_letter(c, letter, dir);
    *last = at;
}

// At the 1st, 10th, 100th, ... time.
static void now_and_then(struct sl_conn *c, int dir, uint32_t *n, char letter)
{
    uint32_t k = ++*n;
    while (k % 10 == 0)
        k /= 10;
    if (k == 1)
        write_letter(c, letter, dir);
}

// ---- TCP ----------------------------------------------------------------------------------------

static void note_flags(struct sl_conn *c, int dir, const struct sl_packet *p)
{
    struct sl_conn_side *me = &c->side[dir];
    uint8_t f = p->tcp_flags & (SL_TCP_SYN | SL_TCP_FIN | SL_TCP_RST);
    switch (f) {
    case 0:
        if (p->payload_bytes)
            first_time(c, dir, SAW_DATA, 'D');
        else if (p->tcp_flags & SL_TCP_ACK)
            first_time(c, dir, SAW_ACK, 'A');
        break;
    case SL_TCP_SYN:
        once_each(c, dir, SAW_SYN, p->tcp_flags & SL_TCP_ACK ? 'H' : 'S', p->tcp_seq, &me->syn_at);
        break;
    case SL_TCP_FIN:
        once_each(c, dir, SAW_FIN, 'F', p->tcp_seq + p->payload_bytes, &me->fin_at);
        break;
    case SL_TCP_RST:
        once_each(c, dir, SAW_RST, 'R', p->tcp_seq, &me->rst_at);
        break;
    default:
        if (f & SL_TCP_FIN && f & SL_TCP_RST)
            first_time(c, dir, SAW_ODD, 'I');
        else
            first_time(c, dir, SAW_MIXED, 'Q');
    }
}

static void begin_at(struct sl_conn_side *s, uint32_t first_seq)
{
    s->first_seq = first_seq;
    s->sent = s->acked = s->hole_end = 0;
    s->hole_bytes = 0;
    s->has_seq = true;
}

// In 64 bits: as far from what was there before as the 32 bits say.
static int64_t extended(const struct sl_conn_side *s, uint32_t seq, int64_t near)
{
    uint32_t at = s->first_seq + (uint32_t)(uint64_t)near;
    return near + (int32_t)(seq - at);
}

static void note_sent(struct sl_conn *c, int dir, const struct sl_packet *p)
{
    struct sl_conn_side *me = &c->side[dir];
    bool syn = p->tcp_flags & SL_TCP_SYN, fin = p->tcp_flags & SL_TCP_FIN,
         rst = p->tcp_flags & SL_TCP_RST;
    if (syn && (!me->has_seq || (me->state != SL_CONN_CLOSED && me->first_seq != p->tcp_seq &&
                                 (me->state != SL_CONN_RESET || me->before == SL_CONN_SILENT))))
        begin_at(me, p->tcp_seq);
    bool fresh = !me->has_seq || me->state == SL_CONN_SILENT;
    if (!me->has_seq || (me->state == SL_CONN_SILENT && !syn))
        begin_at(me, p->tcp_seq - 1);
    if (fresh && !syn)
        me->sent = 1;
    int64_t from = extended(me, p->tcp_seq, me->sent);
    int64_t end = from + (rst ? 0 : p->payload_bytes) + syn + fin, beyond = end - me->sent;
    if (((syn || rst) && (beyond > FAR || beyond < -FAR)) || me->state == SL_CONN_RESET)
        return;
    if (beyond > 0) {
        if (from > me->sent && !rst) {
            me->hole_bytes += (uint64_t)(from - me->sent);
            me->hole_end = from;
        }
        me->sent = end;
    } else if (p->payload_bytes) {
        uint64_t fill = p->payload_bytes < me->hole_bytes ? p->payload_bytes : me->hole_bytes;
        me->hole_bytes -= from < me->hole_end ? fill : 0;
        now_and_then(c, dir, &me->again, 'T');
    }
}

// Acknowledged, and never seen.
static void note_gap(struct sl_conn *c, int dir, bool closing)
{
    struct sl_conn_side *me = &c->side[dir];
    if (!me->hole_bytes || me->acked < me->hole_end)
        return;
    c->missed_bytes += me->hole_bytes;
    me->hole_bytes = 0;
    if (!closing)
        now_and_then(c, dir, &me->gaps, 'G');
}

static void note_ack(struct sl_conn *c, int dir, const struct sl_packet *p)
{
    struct sl_conn_side *other = &c->side[!dir];
    if (!other->has_seq) { // as though it had begun with a SYN
        begin_at(other, p->tcp_ack - 1);
        return;
    }
    if (p->tcp_flags & SL_TCP_RST)
        return;
    int64_t acked = extended(other, p->tcp_ack, other->acked);
    if (acked > other->acked && (p->tcp_ack || acked - other->acked < FAR))
        other->acked = acked;
}

static void move(struct sl_conn_side *s, uint8_t to)
{
    if (s->state == to)
        return;
    s->before = s->state;
    s->state = to;
}

static void move_silent(struct sl_conn *c, int dir, const struct sl_packet *p)
{
    struct sl_conn_side *me = &c->side[dir], *other = &c->side[!dir];
    uint8_t f = p->tcp_flags;
    bool original = dir == SL_FORWARD;
    if (f & SL_TCP_SYN && original) {
        move(me, f & SL_TCP_ACK ? SL_CONN_ANSWERED : SL_CONN_ASKED);
    } else if (f & SL_TCP_SYN) {
        if (other->state == SL_CONN_ASKED)
            move(other, SL_CONN_ESTABLISHED);
        move(me, SL_CONN_ESTABLISHED);
    }
    if (f & SL_TCP_FIN)
        move(me, SL_CONN_CLOSED);
    if (f & SL_TCP_RST)
        move(me, SL_CONN_RESET);
    if (me->state != SL_CONN_SILENT)
        return;
    if (!original && !p->payload_bytes && other->state == SL_CONN_ASKED)
        return; // some acknowledge a SYN before they answer it
    move(me, f & SL_TCP_ACK && other->state == SL_CONN_ESTABLISHED ? SL_CONN_ESTABLISHED
                                                                   : SL_CONN_MIDWAY);
}

static void move_open(struct sl_conn *c, int dir, const struct sl_packet *p)
{
    struct sl_conn_side *me = &c->side[dir], *other = &c->side[!dir];
    uint8_t f = p->tcp_flags;
    if (f & SL_TCP_SYN && !(f & SL_TCP_ACK) && me->state == SL_CONN_MIDWAY &&
        other->state == SL_CONN_SILENT)
        move(me, SL_CONN_ASKED);
    if (f & SL_TCP_FIN && !(f & SL_TCP_RST)) {
        move(me, SL_CONN_CLOSED);
        if (other->state == SL_CONN_RESET && other->before == SL_CONN_CLOSED)
            move(other, SL_CONN_CLOSED); // FIN, then RST: it had ended well
    }
    if (f & SL_TCP_RST)
        move(me, SL_CONN_RESET);
}

static void move_on(struct sl_conn *c, int dir, const struct sl_packet *p)
{
    struct sl_conn_side *me = &c->side[dir], *other = &c->side[!dir];
    uint8_t f = p->tcp_flags;
    switch (me->state) {
    case SL_CONN_SILENT:
        move_silent(c, dir, p);
        break;
    case SL_CONN_ASKED:
    case SL_CONN_ANSWERED:
        if (f & SL_TCP_FIN)
            move(me, SL_CONN_CLOSED);
        if (f & SL_TCP_RST)
            move(me, SL_CONN_RESET);
        break;
    case SL_CONN_MIDWAY:
    case SL_CONN_ESTABLISHED:
        move_open(c, dir, p);
        break;
    case SL_CONN_CLOSED:
        if (f & SL_TCP_RST && other->state != SL_CONN_CLOSED)
            move(me, SL_CONN_RESET);
        break;
    default: // what follows a RST changes nothing
        break;
    }
}

static void add_tcp(struct sl_conn *c, const struct sl_packet *p, int dir)
{
    struct sl_conn_side *me = &c->side[dir], *other = &c->side[!dir];
    note_flags(c, dir, p);
    if (!p->tcp_window && !(p->tcp_flags & SL_TCP_RST) && other->state != SL_CONN_CLOSED &&
        me->state != SL_CONN_RESET)
        now_and_then(c, dir, &me->zero, 'W');
    note_sent(c, dir, p);
    me->fin |= (p->tcp_flags & SL_TCP_FIN) != 0;
    if (p->tcp_flags & SL_TCP_ACK)
        note_ack(c, dir, p);
    move_on(c, dir, p);
    if (p->tcp_flags & SL_TCP_ACK)
        note_gap(c, !dir, me->state == SL_CONN_RESET || other->state == SL_CONN_RESET);
}

void sl_conn_add(struct sl_conn *c, const struct sl_packet *p, int dir)
{
    bool first = !c->side[0].packets && !c->side[1].packets;
    bool over = c->side[0].state >= SL_CONN_CLOSED && c->side[1].state >= SL_CONN_CLOSED;
    if (first || (!over && p->ts_ns > c->last_ns))
        c->last_ns = p->ts_ns;
    c->side[dir].packets++;
    if (p->fragment_offset)
        return;
    if (p->tuple.proto == SL_PROTO_TCP)
        add_tcp(c, p, dir);
    else if (p->tuple.proto == SL_PROTO_UDP)
        first_time(c, dir, SAW_DATA, 'D');
}

uint64_t sl_conn_bytes(const struct sl_conn *c, int dir)
{
    const struct sl_conn_side *me = &c->side[dir];
    if (me->before == SL_CONN_ASKED && me->state == SL_CONN_RESET &&
        c->side[!dir].state == SL_CONN_SILENT && me->acked <= 1)
        return 0; // nothing could have been sent
    int64_t n = (me->sent > me->acked ? me->sent : me->acked) - 1;
    return n > 0 ? (uint64_t)n - me->fin : 0;
}

// ---- conn_state ---------------------------------------------------------------------------------

static bool unknown(uint8_t state)
{
    return state == SL_CONN_SILENT || state == SL_CONN_MIDWAY;
}

// A SYN, later a RST, and nothing between that tells of an open connection.
static bool asked_then_reset(const char *history)
{
    if (*history == '^')
        history++;
    const char *reset = strchr(history, 'R');
    return *history == 'S' && reset && strcspn(history, "HAFGIQ") > (size_t)(reset - history);
}

static const char *tcp_state(const struct sl_conn *c)
{
    uint8_t o = c->side[SL_FORWARD].state, r = c->side[SL_BACKWARD].state;
    if (r == SL_CONN_RESET) {
        bool empty = !sl_conn_bytes(c, SL_FORWARD) && !sl_conn_bytes(c, SL_BACKWARD);
        if (o == SL_CONN_ASKED || o == SL_CONN_ANSWERED || (o == SL_CONN_RESET && empty))
            return "REJ";
        return unknown(o) ? "RSTRH" : "RSTR";
    }
    if (o == SL_CONN_RESET)
        return !unknown(r) ? "RSTO" : asked_then_reset(c->history) ? "RSTOS0" : "OTH";
    if (o == SL_CONN_CLOSED && r == SL_CONN_CLOSED)
        return "SF";
    if (o == SL_CONN_CLOSED)
        return unknown(r) ? "SH" : "S2";
    if (r == SL_CONN_CLOSED)
        return unknown(o) ? "SHR" : "S3";
    if (o == SL_CONN_ASKED && r == SL_CONN_SILENT)
        return "S0";
    return o == SL_CONN_ESTABLISHED && r == SL_CONN_ESTABLISHED ? "S1" : "OTH";
}

const char *sl_conn_state(const struct sl_conn *c, uint8_t proto)
{
    uint32_t sent = c->side[SL_FORWARD].packets, answered = c->side[SL_BACKWARD].packets;
    if (proto == SL_PROTO_TCP)
        return tcp_state(c);
    if (proto != SL_PROTO_UDP)
        return "OTH";
    return sent ? answered ? "SF" : "S0" : answered ? "SHR" : "OTH";
}
