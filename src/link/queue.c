// SPDX-License-Identifier: Apache-2.0
#include "link/queue.h"
#include "base/mem.h"
#include <math.h>
#include <string.h>

enum { FLOWS = 1024, QUANTUM = 1514, NONE = 0xffff };
#define TARGET_NS 5000000ll
#define INTERVAL_NS 100000000ll
#define RED_WEIGHT 0.002
#define RED_MAX_P 0.1
#define RED_PACKET_NS 12304 // a full packet at 1 Gbit/s, for ageing the average while idle

struct fq_flow {
    struct sl_queue_list list;
    struct sl_codel codel;
    int32_t deficit;
    uint16_t next; // in the list of new or old flows
    bool listed;
};
struct sl_queue_fq {
    struct fq_flow flows[FLOWS];
    uint16_t head[2], tail[2]; // new, old
    uint32_t seed;
};

static void append(struct sl_queue_list *l, struct sl_pbuf *b)
{
    b->next = NULL;
    if (l->head)
        l->tail->next = b;
    else
        l->head = b;
    l->tail = b;
    l->bytes += b->bytes;
}

static struct sl_pbuf *pop(struct sl_queue_list *l)
{
    struct sl_pbuf *b = l->head;
    if (!b)
        return NULL;
    l->head = b->next;
    if (!l->head)
        l->tail = NULL;
    l->bytes -= b->bytes;
    b->next = NULL;
    return b;
}

void sl_queue_init(struct sl_queue *q, struct sl_rng rng, sl_queue_drop_fn *drop, void *ctx)
{
    *q = (struct sl_queue){.rng = rng, .drop = drop, .ctx = ctx, .red_idle_ns = -1};
}

static struct sl_queue_fq *fq_new(struct sl_rng *rng)
{
    struct sl_queue_fq *fq = sl_alloc(sizeof *fq);
    memset(fq->head, 0xff, sizeof fq->head);
    memset(fq->tail, 0xff, sizeof fq->tail);
    fq->seed = (uint32_t)sl_rng_u64(rng);
    return fq;
}

static void list_flow(struct sl_queue_fq *fq, int old, uint16_t i)
{
    fq->flows[i].next = NONE;
    if (fq->head[old] == NONE)
        fq->head[old] = i;
    else
        fq->flows[fq->tail[old]].next = i;
    fq->tail[old] = i;
}

static void unlist_first(struct sl_queue_fq *fq, int old)
{
    fq->head[old] = fq->flows[fq->head[old]].next;
    if (fq->head[old] == NONE)
        fq->tail[old] = NONE;
}

static void fq_put(struct sl_queue_fq *fq, struct sl_pbuf *b)
{
    uint16_t i = (uint16_t)(sl_pbuf_flow_hash(b, fq->seed) % FLOWS);
    struct fq_flow *f = &fq->flows[i];
    append(&f->list, b);
    if (f->listed)
        return;
    f->listed = true;
    f->deficit = QUANTUM;
    list_flow(fq, 0, i);
}

void sl_queue_change(struct sl_queue *q, enum sl_aqm aqm, bool ecn, uint64_t max_packets,
                     uint64_t max_bytes)
{
    if (aqm != q->aqm) {
        struct sl_queue_list rest = q->all;
        if (q->fq) { // flow by flow: each keeps its order
            for (int i = 0; i < FLOWS; i++)
                for (struct sl_pbuf *b; (b = pop(&q->fq->flows[i].list));)
                    append(&rest, b);
            free(q->fq);
            q->fq = NULL;
        }
        q->all = rest;
        q->codel = (struct sl_codel){0};
        q->red_average = 0;
        q->red_count = 0;
        if (aqm == SL_AQM_FQ_CODEL) {
            q->fq = fq_new(&q->rng);
            for (struct sl_pbuf *b; (b = pop(&q->all));)
                fq_put(q->fq, b);
        }
    }
    q->aqm = aqm;
    q->ecn = ecn;
    q->max_packets = max_packets;
    q->max_bytes = max_bytes;
}

// Marks instead of dropping where that is asked for and can be.
static bool spared(struct sl_queue *q, struct sl_pbuf *b)
{
    if (!q->ecn || !sl_pbuf_mark(b))
        return false;
    q->marks++;
    return true;
}

// Floyd and Jacobson, section 4, with the gentle region between max_th and twice that.
static bool red_drops(struct sl_queue *q, int64_t now_ns)
{
    double limit = q->max_bytes ? (double)q->max_bytes : (double)q->max_packets * 1500;
    double min = limit / 6, max = limit / 2, avg = q->red_average;
    if (!q->packets && q->red_idle_ns >= 0) {
        double m = (double)(now_ns - q->red_idle_ns) / RED_PACKET_NS;
        avg *= pow(1 - RED_WEIGHT, m > 0 ? m : 0);
        q->red_idle_ns = -1;
    }
    avg += RED_WEIGHT * ((double)q->bytes - avg);
    q->red_average = avg;
    if (avg < min) {
        q->red_count = 0;
        return false;
    }
    double p = avg < max       ? RED_MAX_P * (avg - min) / (max - min)
               : avg < 2 * max ? RED_MAX_P + (1 - RED_MAX_P) * (avg - max) / max
                               : 1;
    q->red_count++;
    double spread = 1 - q->red_count * p; // p_a = p_b / (1 - count * p_b)
    if (p < 1 && spread > 0 && sl_rng_uniform(&q->rng) >= p / spread)
        return false;
    q->red_count = 0;
    return true;
}

static bool over(const struct sl_queue *q, uint32_t bytes)
{
    return (q->max_packets && q->packets + 1 > q->max_packets) ||
           (q->max_bytes && q->bytes + bytes > q->max_bytes);
}

static void account(struct sl_queue *q, const struct sl_pbuf *b, int sign)
{
    q->packets += (uint64_t)sign;
    q->bytes += (uint64_t)(sign * (int64_t)b->bytes);
}

// RFC 8290, section 4.1: the flow with the most bytes loses its head; and here until it fits.
static void fq_make_room(struct sl_queue *q, uint32_t bytes)
{
    while (q->packets && over(q, bytes)) {
        struct fq_flow *fattest = &q->fq->flows[0];
        for (int i = 1; i < FLOWS; i++)
            if (q->fq->flows[i].list.bytes > fattest->list.bytes)
                fattest = &q->fq->flows[i];
        struct sl_pbuf *b = pop(&fattest->list);
        if (!b)
            return;
        account(q, b, -1);
        q->drop(q->ctx, b, SL_QUEUE_TAIL);
    }
}

void sl_queue_put(struct sl_queue *q, struct sl_pbuf *b, int64_t now_ns)
{
    if (q->fq && over(q, b->bytes))
        fq_make_room(q, b->bytes);
    if (over(q, b->bytes)) {
        q->drop(q->ctx, b, SL_QUEUE_TAIL);
        return;
    }
    if (q->aqm == SL_AQM_RED && red_drops(q, now_ns) && !spared(q, b)) {
        q->drop(q->ctx, b, SL_QUEUE_EARLY);
        return;
    }
    b->arrived_ns = now_ns;
    account(q, b, 1);
    if (q->packets > q->peak_packets)
        q->peak_packets = q->packets;
    if (q->bytes > q->peak_bytes)
        q->peak_bytes = q->bytes;
    if (q->fq)
        fq_put(q->fq, b);
    else
        append(&q->all, b);
}

// RFC 8289, section 5.6: control_law, dodequeue, dequeue.
static int64_t control_law(int64_t t, uint32_t count)
{
    return t + (int64_t)((double)INTERVAL_NS / sqrt(count));
}

static struct sl_pbuf *codel_look(struct sl_queue *q, struct sl_codel *c, struct sl_queue_list *l,
                                  int64_t now, bool *may_drop)
{
    struct sl_pbuf *b = pop(l);
    *may_drop = false;
    if (!b) {
        c->first_above_ns = 0;
        return NULL;
    }
    account(q, b, -1);
    if (now - b->arrived_ns < TARGET_NS || q->bytes <= QUANTUM)
        c->first_above_ns = 0;
    else if (!c->first_above_ns)
        c->first_above_ns = now + INTERVAL_NS;
    else if (now >= c->first_above_ns)
        *may_drop = true;
    return b;
}

static struct sl_pbuf *codel_take(struct sl_queue *q, struct sl_codel *c, struct sl_queue_list *l,
                                  int64_t now)
{
    bool may_drop;
    struct sl_pbuf *b = codel_look(q, c, l, now, &may_drop);
    if (!b) {
        c->dropping = false;
        return NULL;
    }
    if (c->dropping) {
        if (!may_drop)
            c->dropping = false;
        while (c->dropping && now >= c->drop_next_ns) {
            c->count++;
            if (spared(q, b)) {
                c->drop_next_ns = control_law(c->drop_next_ns, c->count);
                return b;
            }
            q->drop(q->ctx, b, SL_QUEUE_EARLY);
            b = codel_look(q, c, l, now, &may_drop);
            if (!b || !may_drop)
                c->dropping = false;
            else
                c->drop_next_ns = control_law(c->drop_next_ns, c->count);
        }
    } else if (may_drop) {
        if (!spared(q, b)) {
            q->drop(q->ctx, b, SL_QUEUE_EARLY);
            b = codel_look(q, c, l, now, &may_drop);
        }
        c->dropping = true;
        uint32_t delta = c->count - c->last_count;
        c->count = delta > 1 && now - c->drop_next_ns < 16 * INTERVAL_NS ? delta : 1;
        c->drop_next_ns = control_law(now, c->count);
        c->last_count = c->count;
    }
    return b;
}

// RFC 8290, section 4.2.
static struct sl_pbuf *fq_take(struct sl_queue *q, int64_t now)
{
    struct sl_queue_fq *fq = q->fq;
    for (;;) {
        int old = fq->head[0] == NONE;
        uint16_t i = fq->head[old];
        if (i == NONE)
            return NULL;
        struct fq_flow *f = &fq->flows[i];
        if (f->deficit <= 0) {
            f->deficit += QUANTUM;
            unlist_first(fq, old);
            list_flow(fq, 1, i);
            continue;
        }
        struct sl_pbuf *b = codel_take(q, &f->codel, &f->list, now);
        if (b) {
            f->deficit -= (int32_t)b->bytes;
            return b;
        }
        unlist_first(fq, old);
        if (!old && fq->head[1] != NONE)
            list_flow(fq, 1, i); // so that it cannot stay new by pausing
        else
            f->listed = false;
    }
}

struct sl_pbuf *sl_queue_take(struct sl_queue *q, int64_t now_ns)
{
    struct sl_pbuf *b;
    if (q->fq) {
        b = fq_take(q, now_ns);
    } else if (q->aqm == SL_AQM_CODEL) {
        b = codel_take(q, &q->codel, &q->all, now_ns);
    } else {
        b = pop(&q->all);
        if (b)
            account(q, b, -1);
    }
    if (!q->packets)
        q->red_idle_ns = now_ns;
    return b;
}

void sl_queue_done(struct sl_queue *q)
{
    free(q->fq);
    q->fq = NULL;
}
