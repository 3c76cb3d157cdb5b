// SPDX-License-Identifier: Apache-2.0
/*
 * A pipe has two lists: what waits for the rate (link/queue.h), and the line: what has passed it
 * and is delayed, in order of when it is due. Only the line's head is in the wheel, so timers are
 * bounded by pipes. The queue is served lazily: whenever the pipe is touched, all that had its turn
 * until then is moved, each at its own time. That is exact as long as the pipe is touched before
 * anything behind its queue is due, and nothing behind it is due before the line's head is.
 *
 * Where packets may overtake (reorder, jitter-reorders) each packet of the line is in the wheel by
 * itself, and the pipe's own timer is that of its queue.
 */
#include "link/emulator.h"
#include "link/capacity.h"
#include "link/queue.h"
#include "link/sampler.h"
#include <math.h>
#include <string.h>

#define GIVEN(c, what) ((c)->given >> (what)&1u)

const char *const sl_drop_names[SL_DROPS] = {"loss", "queue",  "aqm",      "down",
                                             "mtu",  "memory", "malformed"};

struct sl_prepared {
    struct sl_conditions conditions;
    struct sl_arena arena; // of their texts
    struct sl_loss loss;
    struct sl_delay delay;
    struct sl_share duplicate, reorder, corrupt;
    struct sl_capacity capacity; // n = 0: none
};

struct pipe {
    struct sl_timer timer;
    struct sl_pbuf *line_head, *line_tail;
    struct sl_queue queue;
    struct sl_emulator *e;
    uint32_t number;
    // what it does
    bool down, singles, decides, behind, unordered, perfect;
    int32_t overhead;
    uint32_t mtu;      // 0 = any
    uint64_t rate_bps; // 0 = none
    int64_t burst_ns;
    struct sl_prepared *now; // NULL: a perfect link
    // rate clock
    int64_t clock_ns, busy_ns; // virtual finish time; the next may start
    uint64_t remainder;        // of clock_ns: in 1 / rate ns
    int64_t last_due_ns, before_last_ns;
    struct sl_pipe_counts n;
};

struct sl_emulator {
    struct sl_emulator_options opt;
    struct sl_pbuf_pool *pool;
    struct sl_wheel *wheel;
    struct pipe *pipes;
    uint64_t under_way;
    uint32_t sent, most; // of sl_emulator_run_some
};

int64_t sl_late_ns(int bucket)
{
    int octave = bucket / 2;
    return bucket % 2 ? (int64_t)2 << octave : (int64_t)3 << octave >> 1;
}

static int late_bucket(int64_t ns)
{
    if (ns < 1)
        return 0;
    int octave = 63 - __builtin_clzll((uint64_t)ns);
    int half = octave ? (int)(ns >> (octave - 1) & 1) : 0;
    int bucket = octave * 2 + half;
    return bucket < SL_LATE_BUCKETS ? bucket : SL_LATE_BUCKETS - 1;
}

int64_t sl_late_quantile(const uint32_t late[SL_LATE_BUCKETS], double q)
{
    uint64_t all = 0, seen = 0;
    for (int i = 0; i < SL_LATE_BUCKETS; i++)
        all += late[i];
    if (!all)
        return -1;
    for (int i = 0; i < SL_LATE_BUCKETS; i++) {
        seen += late[i];
        if ((double)seen >= q * (double)all)
            return sl_late_ns(i);
    }
    return sl_late_ns(SL_LATE_BUCKETS - 1);
}

struct sl_prepared *sl_prepared_new(const struct sl_conditions *drawn, uint64_t seed, uint32_t pipe,
                                    struct sl_error *err)
{
    struct sl_prepared *p = sl_alloc(sizeof *p);
    struct sl_conditions *c = &p->conditions;
    *c = *drawn;
    c->capacity = sl_arena_strdup(&p->arena, drawn->capacity ? drawn->capacity : "");
    c->distribution_file =
        sl_arena_strdup(&p->arena, drawn->distribution_file ? drawn->distribution_file : "");
    c->loss_pattern = sl_arena_strdup(&p->arena, drawn->loss_pattern ? drawn->loss_pattern : "");
    sl_share_init(&p->duplicate, c->duplicate.lo, sl_rng_stream(seed, "link.duplicate", pipe));
    sl_share_init(&p->reorder, c->reorder.lo, sl_rng_stream(seed, "link.reorder", pipe));
    sl_share_init(&p->corrupt, c->corrupt.lo, sl_rng_stream(seed, "link.corrupt", pipe));
    bool ok = sl_loss_init(&p->loss, c, seed, pipe, err) &&
              sl_delay_init(&p->delay, c, seed, pipe, err) &&
              (!GIVEN(c, SL_COND_CAPACITY) || sl_capacity_load(&p->capacity, c->capacity, err));
    if (!ok) {
        sl_prepared_free(p);
        return NULL;
    }
    return p;
}

void sl_prepared_free(struct sl_prepared *p)
{
    if (!p)
        return;
    sl_loss_done(&p->loss);
    sl_delay_done(&p->delay);
    sl_capacity_done(&p->capacity);
    sl_arena_done(&p->arena);
    free(p);
}

size_t sl_emulator_pipe_bytes(void)
{
    return sizeof(struct pipe) + sizeof(struct sl_prepared);
}

struct sl_pbuf_pool *sl_emulator_pool(struct sl_emulator *e)
{
    return e->pool;
}

uint64_t sl_emulator_under_way(const struct sl_emulator *e)
{
    return e->under_way;
}

static void drop(struct pipe *p, struct sl_pbuf *b, enum sl_drop why)
{
    p->n.dropped[why] += b->segments;
    sl_pbuf_free(p->e->pool, b);
}

static void drop_waiting(void *ctx, struct sl_pbuf *b, enum sl_queue_verdict why)
{
    struct pipe *p = ctx;
    p->n.under_way -= b->segments;
    p->e->under_way -= b->segments;
    drop(p, b, why == SL_QUEUE_TAIL ? SL_DROP_QUEUE : SL_DROP_AQM);
}

struct sl_emulator *sl_emulator_new(const struct sl_emulator_options *opt, int64_t now_ns,
                                    struct sl_error *err)
{
    struct sl_pbuf_pool *pool =
        sl_pbuf_pool_new(opt->memory_bytes ? opt->memory_bytes : 1ull << 30, err);
    if (!pool)
        return NULL;
    struct sl_emulator *e = sl_alloc(sizeof *e);
    e->opt = *opt;
    e->pool = pool;
    e->wheel = sl_wheel_new(now_ns);
    e->pipes = sl_alloc(opt->pipes * sizeof *e->pipes);
    for (uint32_t i = 0; i < opt->pipes; i++) {
        struct pipe *p = &e->pipes[i];
        p->e = e;
        p->number = i;
        p->perfect = true;
        p->overhead = SL_OVERHEAD_WIRE;
        p->last_due_ns = p->before_last_ns = INT64_MIN;
        sl_queue_init(&p->queue, sl_rng_stream(0, "link.queue", i), drop_waiting, p);
    }
    return e;
}

void sl_emulator_free(struct sl_emulator *e)
{
    if (!e)
        return;
    for (uint32_t i = 0; i < e->opt.pipes; i++) {
        sl_prepared_free(e->pipes[i].now);
        sl_queue_done(&e->pipes[i].queue); // what waits goes with the pool
    }
    sl_wheel_free(e->wheel);
    sl_pbuf_pool_free(e->pool);
    free(e->pipes);
    free(e);
}

static uint32_t cost_of(const struct pipe *p, uint32_t ip_bytes)
{
    if (p->overhead == SL_OVERHEAD_WIRE)
        return (ip_bytes + 18 < 64 ? 64 : ip_bytes + 18) + 20;
    return ip_bytes + (p->overhead == SL_OVERHEAD_FRAME ? 14 : (uint32_t)p->overhead);
}

static uint64_t bytes_of(const struct pipe *p, struct sl_pbuf *b)
{
    if (!b->gso_size)
        return cost_of(p, b->bytes);
    struct sl_pbuf_headers h = sl_pbuf_headers(b);
    return (uint64_t)cost_of(p, h.payload + b->gso_size) * (b->segments - 1u) +
           cost_of(p, sl_pbuf_segment_bytes(b, &h, b->segments - 1u));
}

static void arm(struct pipe *p)
{
    struct sl_wheel *w = p->e->wheel;
    int64_t at = INT64_MAX;
    if (!p->unordered && p->line_head)
        at = p->line_head->due_ns;
    else if (p->queue.packets)
        at = p->busy_ns;
    if (p->timer.prev) {
        if (p->timer.at_ns == at)
            return;
        sl_wheel_remove(w, &p->timer);
    }
    if (at != INT64_MAX)
        sl_wheel_add(w, &p->timer, at);
}

static void leave(struct pipe *p, struct sl_pbuf *b);

static void into_line(struct pipe *p, struct sl_pbuf *b, int64_t due)
{
    struct sl_emulator *e = p->e;
    b->pipe = p->number;
    if (p->unordered) {
        b->due_ns = due;
        if (due < p->last_due_ns)
            p->n.reordered += b->segments;
        else
            p->last_due_ns = due;
        sl_wheel_add(e->wheel, &b->timer, due);
        return;
    }
    if (due < p->last_due_ns)
        due = p->last_due_ns;
    p->before_last_ns = p->last_due_ns;
    p->last_due_ns = b->due_ns = due;
    b->next = NULL;
    if (p->line_head)
        p->line_tail->next = b;
    else
        p->line_head = b;
    p->line_tail = b;
}

// The packet's turn at the rate is at start_ns.
static void transmit(struct pipe *p, struct sl_pbuf *b, int64_t start_ns)
{
    struct sl_prepared *c = p->now;
    int64_t sent = start_ns;
    if (c && c->capacity.n) {
        sent = p->busy_ns = sl_capacity_serve(&c->capacity, start_ns, (uint32_t)bytes_of(p, b));
    } else if (p->rate_bps) {
        uint64_t work = bytes_of(p, b) * 8 * 1000000000u;
        if (p->clock_ns < start_ns - p->burst_ns) {
            p->clock_ns = start_ns - p->burst_ns;
            p->remainder = 0;
        }
        work += p->remainder;
        p->clock_ns += (int64_t)(work / p->rate_bps);
        p->remainder = work % p->rate_bps;
        if (p->clock_ns > sent)
            sent = p->clock_ns;
        p->busy_ns = sent;
    }
    if (p->behind && sl_loss_next(&c->loss)) {
        p->n.under_way -= b->segments;
        p->e->under_way -= b->segments;
        drop(p, b, SL_DROP_LOSS);
        return;
    }
    int64_t due = sent;
    if (c && !(c->reorder.on && sl_share_next(&c->reorder)))
        due += sl_delay_next(&c->delay);
    into_line(p, b, due);
}

// Whatever had its turn by now_ns gets it, at its own time.
static void advance(struct pipe *p, int64_t now_ns)
{
    while (p->queue.packets && p->busy_ns <= now_ns) {
        struct sl_pbuf *b = sl_queue_take(&p->queue, p->busy_ns);
        if (!b)
            break;
        transmit(p, b, p->busy_ns);
    }
}

static bool limited(const struct pipe *p)
{
    return p->rate_bps || (p->now && p->now->capacity.n);
}

static void into_queue(struct pipe *p, struct sl_pbuf *b, int64_t now_ns)
{
    p->n.under_way += b->segments;
    p->e->under_way += b->segments;
    if (!limited(p) || (!p->queue.packets && p->busy_ns <= now_ns)) {
        transmit(p, b, now_ns);
        return;
    }
    sl_queue_put(&p->queue, b, now_ns);
}

// Duplicates and corruptions of a single packet.
static void decide(struct pipe *p, struct sl_pbuf *b, int64_t now_ns)
{
    struct sl_prepared *c = p->now;
    struct sl_pbuf *twin = NULL;
    if (sl_share_next(&c->duplicate)) {
        twin = sl_pbuf_copy(p->e->pool, b);
        p->n.duplicates++;
        if (!twin)
            p->n.dropped[SL_DROP_MEMORY]++;
    }
    if (sl_share_next(&c->corrupt)) {
        sl_pbuf_flip(b, sl_rng_u64(&c->corrupt.rng));
        p->n.corrupted++;
    }
    into_queue(p, b, now_ns);
    if (twin)
        into_queue(p, twin, now_ns);
}

// Cuts `count` packets from `first` off a super-packet, or counts them as lost memory.
static struct sl_pbuf *cut(struct pipe *p, struct sl_pbuf *b, const struct sl_pbuf_headers *h,
                           uint32_t first, uint32_t count)
{
    struct sl_pbuf *part = sl_pbuf_cut(p->e->pool, b, h, first, count);
    if (!part)
        p->n.dropped[SL_DROP_MEMORY] += count;
    return part;
}

static void arrive_in_singles(struct pipe *p, struct sl_pbuf *b, const struct sl_pbuf_headers *h,
                              int64_t now_ns)
{
    for (uint32_t i = 0; i < b->segments; i++) {
        if (p->decides && !p->behind && sl_loss_next(&p->now->loss)) {
            p->n.dropped[SL_DROP_LOSS]++;
            continue;
        }
        struct sl_pbuf *part = cut(p, b, h, i, 1);
        if (!part)
            continue;
        if (p->decides)
            decide(p, part, now_ns);
        else
            into_queue(p, part, now_ns);
    }
    sl_pbuf_free(p->e->pool, b);
}

// What is not hit stays together: a run of packets is a super-packet again.
static void arrive_in_runs(struct pipe *p, struct sl_pbuf *b, const struct sl_pbuf_headers *h,
                           int64_t now_ns)
{
    struct sl_prepared *c = p->now;
    uint32_t start = 0, n = b->segments;
    for (uint32_t i = 0; i < n; i++) {
        bool lost = sl_loss_next(&c->loss);
        bool twin = !lost && sl_share_next(&c->duplicate);
        bool flip = !lost && sl_share_next(&c->corrupt);
        if (!lost && !twin && !flip)
            continue;
        if (i > start) {
            struct sl_pbuf *run = cut(p, b, h, start, i - start);
            if (run)
                into_queue(p, run, now_ns);
        }
        start = i + 1;
        if (lost) {
            p->n.dropped[SL_DROP_LOSS]++;
            continue;
        }
        struct sl_pbuf *one = cut(p, b, h, i, 1);
        struct sl_pbuf *two = twin && one ? sl_pbuf_copy(p->e->pool, one) : NULL;
        if (twin) {
            p->n.duplicates++;
            p->n.dropped[SL_DROP_MEMORY] += !two;
        }
        if (flip && one) {
            sl_pbuf_flip(one, sl_rng_u64(&c->corrupt.rng));
            p->n.corrupted++;
        }
        if (one)
            into_queue(p, one, now_ns);
        if (two)
            into_queue(p, two, now_ns);
    }
    if (start == 0) { // nothing was hit
        into_queue(p, b, now_ns);
        return;
    }
    if (start < n) {
        struct sl_pbuf *run = cut(p, b, h, start, n - start);
        if (run)
            into_queue(p, run, now_ns);
    }
    sl_pbuf_free(p->e->pool, b);
}

static void arrive(struct pipe *p, struct sl_pbuf *b, int64_t now_ns)
{
    p->n.in_packets += b->segments;
    p->n.in_bytes += bytes_of(p, b);
    if (p->perfect && !p->line_head && !p->queue.packets) {
        b->due_ns = now_ns;
        p->n.under_way += b->segments;
        p->e->under_way += b->segments;
        leave(p, b);
        return;
    }
    advance(p, now_ns);
    if (p->down) {
        drop(p, b, SL_DROP_DOWN);
        return;
    }
    struct sl_pbuf_headers h = {0};
    if (b->gso_size) {
        h = sl_pbuf_headers(b);
        if (!h.l4) {
            drop(p, b, SL_DROP_MALFORMED);
            return;
        }
    }
    if (p->mtu && sl_pbuf_segment_bytes(b, &h, 0) > p->mtu) {
        drop(p, b, SL_DROP_MTU);
        return;
    }
    if (p->singles)
        sl_pbuf_complete(b);
    if (b->gso_size && p->singles) {
        arrive_in_singles(p, b, &h, now_ns);
    } else if (b->gso_size && p->decides && !p->behind) {
        arrive_in_runs(p, b, &h, now_ns);
    } else if (p->decides) {
        if (!p->behind && sl_loss_next(&p->now->loss))
            drop(p, b, SL_DROP_LOSS);
        else
            decide(p, b, now_ns);
    } else {
        into_queue(p, b, now_ns);
    }
    arm(p);
}

void sl_emulator_arrive(struct sl_emulator *e, uint32_t pipe, struct sl_pbuf *b, int64_t now_ns)
{
    arrive(&e->pipes[pipe], b, now_ns);
}

static void leave(struct pipe *p, struct sl_pbuf *b)
{
    struct sl_emulator *e = p->e;
    int64_t due = b->due_ns;
    p->n.out_packets += b->segments;
    p->n.out_bytes += bytes_of(p, b);
    p->n.under_way -= b->segments;
    e->under_way -= b->segments;
    int32_t next = e->opt.next ? e->opt.next(e->opt.ctx, p->number, b) : -1;
    if (next >= 0) {
        arrive(&e->pipes[next], b, due);
        return;
    }
    e->sent++;
    e->opt.out(e->opt.ctx, p->number, b);
}

void sl_emulator_sent(struct sl_emulator *e, uint32_t pipe, int64_t due_ns, int64_t sent_ns)
{
    struct pipe *p = &e->pipes[pipe];
    int64_t late = sent_ns - due_ns;
    p->n.late[late_bucket(late)]++;
    if (late > p->n.late_max_ns)
        p->n.late_max_ns = late;
}

// at_ns is its timer's time: later arrivals may still come before now_ns.
static void fire(struct pipe *p, int64_t at_ns, int64_t now_ns)
{
    struct sl_emulator *e = p->e;
    advance(p, at_ns);
    struct sl_pbuf *b = p->unordered ? NULL : p->line_head;
    if (b && b->due_ns <= at_ns) {
        p->line_head = b->next;
        leave(p, b);
        // As long as nothing else comes first, the next one needs no turn of the wheel.
        while (p->line_head && p->line_head->due_ns <= now_ns && e->sent < e->most &&
               p->line_head->due_ns < sl_wheel_next(e->wheel)) {
            b = p->line_head;
            p->line_head = b->next;
            leave(p, b);
        }
        if (!p->line_head)
            p->line_tail = NULL;
    }
    arm(p);
}

static bool is_pipe(const struct sl_emulator *e, const struct sl_timer *t)
{
    uintptr_t at = (uintptr_t)t, from = (uintptr_t)e->pipes;
    return at >= from && at < from + e->opt.pipes * sizeof *e->pipes;
}

int64_t sl_emulator_next(struct sl_emulator *e)
{
    return sl_wheel_next(e->wheel);
}

bool sl_emulator_run_some(struct sl_emulator *e, int64_t now_ns, uint32_t most)
{
    e->sent = 0;
    e->most = most;
    for (struct sl_timer *t; e->sent < most && (t = sl_wheel_pop(e->wheel, now_ns));) {
        if (is_pipe(e, t)) {
            fire((struct pipe *)t, t->at_ns, now_ns); // the timer is its first member
        } else {
            struct sl_pbuf *b = (struct sl_pbuf *)t;
            leave(&e->pipes[b->pipe], b);
        }
    }
    return e->sent < most;
}

void sl_emulator_run(struct sl_emulator *e, int64_t now_ns)
{
    while (!sl_emulator_run_some(e, now_ns, UINT32_MAX))
        ;
}

static bool same(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

static void keep_share(struct sl_share *now, const struct sl_share *before)
{
    if (now->share == before->share)
        *now = *before;
    else
        sl_share_init(now, now->share, before->rng);
}

#define SWAP(T, a, b)                                                                              \
    do {                                                                                           \
        T tmp_ = (a);                                                                              \
        (a) = (b);                                                                                 \
        (b) = tmp_;                                                                                \
    } while (0)

// Random streams and files that are the same go on where they were.
static void go_on(struct sl_prepared *now, struct sl_prepared *before)
{
    const struct sl_conditions *c = &now->conditions, *was = &before->conditions;
    struct sl_loss *l = &now->loss, *old = &before->loss;
    if (l->kind == old->kind && l->share == old->share && l->every == old->every &&
        l->to_bad == old->to_bad && l->to_good == old->to_good && l->in_bad == old->in_bad &&
        l->in_good == old->in_good &&
        (l->kind != SL_LOSS_PATTERN || same(c->loss_pattern, was->loss_pattern))) {
        SWAP(struct sl_loss, *l, *old);
    } else if (l->kind == SL_LOSS_RANDOM) {
        struct sl_share s;
        sl_share_init(&s, l->share, old->rng);
        l->rng = s.rng;
        l->gap = s.gap;
    } else {
        l->rng = old->rng;
    }
    now->delay.rng = before->delay.rng;
    keep_share(&now->duplicate, &before->duplicate);
    keep_share(&now->reorder, &before->reorder);
    keep_share(&now->corrupt, &before->corrupt);
    if (now->capacity.n && before->capacity.n && same(c->capacity, was->capacity))
        SWAP(struct sl_capacity, now->capacity, before->capacity);
}

// What is being sent at now_ns is sent on at the new rate.
static void retime(struct pipe *p, uint64_t old_bps, int64_t now_ns)
{
    if (!old_bps || p->busy_ns <= now_ns) {
        p->remainder = 0;
        return;
    }
    int64_t rest = p->busy_ns - now_ns, then = rest;
    if (p->rate_bps)
        then = (int64_t)((double)rest * (double)old_bps / (double)p->rate_bps);
    else
        then = 0;
    p->busy_ns += then - rest;
    p->clock_ns = p->busy_ns;
    p->remainder = 0;
    struct sl_pbuf *b = p->unordered ? NULL : p->line_tail;
    if (!b || b->due_ns != p->last_due_ns)
        return;
    int64_t due = b->due_ns + then - rest;
    if (due < p->before_last_ns)
        due = p->before_last_ns;
    b->due_ns = p->last_due_ns = due > now_ns ? due : now_ns;
}

// Between ordered and not: what is in the line changes its place of waiting.
static void relist(struct pipe *p, bool unordered)
{
    if (unordered && !p->unordered) {
        struct sl_pbuf *b = p->line_head;
        p->line_head = p->line_tail = NULL;
        while (b) {
            struct sl_pbuf *next = b->next;
            sl_wheel_add(p->e->wheel, &b->timer, b->due_ns);
            b = next;
        }
    }
    p->unordered = unordered; // the other way: those in the wheel leave from there
}

void sl_emulator_apply(struct sl_emulator *e, uint32_t pipe, struct sl_prepared *fresh,
                       int64_t now_ns)
{
    struct pipe *p = &e->pipes[pipe];
    struct sl_prepared *before = p->now;
    const struct sl_conditions *c = &fresh->conditions;
    uint64_t old_bps = p->rate_bps;
    advance(p, now_ns);
    if (before) {
        go_on(fresh, before);
        // The caller frees `fresh`: it becomes the holder of what was.
        SWAP(struct sl_prepared, *fresh, *before);
    } else {
        before = sl_alloc(sizeof *before);
        SWAP(struct sl_prepared, *fresh, *before);
        p->now = before;
    }
    c = &p->now->conditions;
    struct sl_prepared *s = p->now;
    p->down = GIVEN(c, SL_COND_STATE) && c->down;
    p->overhead = sl_conditions_overhead(c);
    p->mtu = GIVEN(c, SL_COND_MTU) ? c->mtu : 0;
    p->rate_bps = GIVEN(c, SL_COND_RATE) ? (uint64_t)llround(c->rate_bps.lo) : 0;
    p->burst_ns = p->rate_bps && GIVEN(c, SL_COND_BURST)
                      ? (int64_t)((double)c->burst_bytes * 8e9 / (double)p->rate_bps)
                      : 0;
    bool jitter = s->delay.n_file || s->delay.jitter_ns > 0;
    relist(p, s->reorder.on || (jitter && GIVEN(c, SL_COND_JITTER_REORDERS)));
    p->behind = GIVEN(c, SL_COND_LOSS_BEHIND) && s->loss.kind != SL_LOSS_NONE;
    p->decides = s->loss.kind != SL_LOSS_NONE || s->duplicate.on || s->corrupt.on;
    bool rated = p->rate_bps || s->capacity.n;
    p->singles = (rated && !GIVEN(c, SL_COND_WHOLE)) || c->aqm != SL_AQM_NONE || jitter ||
                 s->reorder.on || p->behind;
    p->perfect = !p->down && !p->mtu && !rated && !p->decides && !jitter && !s->reorder.on &&
                 !s->delay.fixed_ns;
    sl_queue_change(&p->queue, c->aqm, GIVEN(c, SL_COND_ECN), c->queue_packets,
                    sl_conditions_queue_bytes(c));
    if (s->capacity.n && (s->capacity.now_ns == 0 && s->capacity.base_ns == 0))
        sl_capacity_start(&s->capacity, now_ns);
    if (p->rate_bps != old_bps)
        retime(p, old_bps, now_ns);
    if (!rated)
        p->busy_ns = now_ns;
    advance(p, now_ns);
    if (p->timer.prev)
        sl_wheel_remove(e->wheel, &p->timer);
    arm(p);
}

void sl_emulator_counts(struct sl_emulator *e, uint32_t pipe, int64_t now_ns, bool reset_peaks,
                        struct sl_pipe_counts *out)
{
    struct pipe *p = &e->pipes[pipe];
    advance(p, now_ns);
    arm(p);
    *out = p->n;
    out->marked = p->queue.marks;
    out->queue_packets = p->queue.packets;
    out->queue_bytes = p->queue.bytes;
    out->queue_peak_packets = p->queue.peak_packets;
    out->queue_peak_bytes = p->queue.peak_bytes;
    if (reset_peaks) {
        p->queue.peak_packets = p->queue.packets;
        p->queue.peak_bytes = p->queue.bytes;
    }
}
