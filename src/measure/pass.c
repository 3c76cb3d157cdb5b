// SPDX-License-Identifier: Apache-2.0
#include "measure/pass.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "net/fragments.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/*
 * Two stages. The front reads the next batch and decodes it, one thread at a time: what it has just
 * read is in its cache. Meanwhile the partitions of the flow table take the batch before, and the
 * flows that ended in it are turned into what the caller makes of them, piece by piece. So a batch
 * costs one meeting of all threads.
 */
enum { BATCH_ONE = 1024, BATCH_MANY = 8192, SPINS = 4000 };
enum { CHUNKS = BATCH_MANY / SL_CHUNK, ROUND = SL_PASS_PIECES * SL_PASS_PIECE_FLOWS };

struct batch {
    struct sl_trace_packet raw[BATCH_MANY];
    int64_t clock_ns[BATCH_MANY]; // the largest time stamp up to each packet
    uint64_t number[BATCH_MANY];  // in the trace, whatever is passed over
    size_t n, n_chunks;
    int64_t end_clock_ns; // behind the last packet
    struct sl_slot *slots;
    struct sl_chunk chunks[CHUNKS];
};

struct round { // flows being handed out
    struct sl_flow_state *const *flows;
    size_t n;
    unsigned set,
        made; // pieces of this round: their set, and how many of the other are to be taken
};

struct pass {
    const struct sl_pass_source *source;
    const struct sl_pass_options *opt;
    struct sl_pass_counts *counts;
    struct sl_engine *engine;
    struct sl_fragments *fragments;
    struct batch *now, *next;
    size_t batch_max;
    struct sl_slot *chunk; // one that is being decoded, with several threads
    int64_t clock_ns;
    uint64_t n_read;
    bool last; // the source is at its end
    bool failed;
    struct sl_error *err;
    struct sl_flow_state *const *ready;
    size_t n_ready;
    struct round round;
    // work of the phase under way
    bool counting; // the partitions take `now`, the front reads `next`
    _Atomic uint64_t ticket;
    atomic_uint jobs_left;
    // the crew
    unsigned threads, hired;
    pthread_t crew[SL_PASS_MAX_THREADS];
    atomic_bool quit;
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
};

// ---- reading ------------------------------------------------------------------------------------

static void note_stamps(struct pass *p, struct batch *b)
{
    struct sl_pass_counts *c = p->counts;
    size_t kept = 0;
    for (size_t i = 0; i < b->n; i++) {
        int64_t ts = b->raw[i].ts_ns;
        uint64_t number = p->n_read++;
        if ((p->opt->from_ns && ts < p->opt->from_ns) || (p->opt->to_ns && ts >= p->opt->to_ns)) {
            c->outside++;
            continue;
        }
        if (!c->packets) {
            c->first_ns = ts;
            p->clock_ns = ts;
        }
        if (ts < p->clock_ns)
            c->backward_stamps++;
        else
            p->clock_ns = ts;
        if (ts < c->first_ns)
            c->first_ns = ts;
        c->packets++;
        b->clock_ns[kept] = p->clock_ns;
        b->number[kept] = number;
        if (kept != i)
            b->raw[kept] = b->raw[i];
        kept++;
    }
    b->n = kept;
    c->last_ns = p->clock_ns;
}

// The next batch. After the last one, n = 0 and `last` is set. One call of the source for each
// batch: the bytes of the batch before, which the partitions still take, hold that long.
static void read_batch(struct pass *p, struct batch *b)
{
    size_t max = p->batch_max;
    b->n = 0;
    if (p->opt->max_packets && p->opt->max_packets - p->counts->packets < max)
        max = (size_t)(p->opt->max_packets - p->counts->packets);
    if (!max || p->failed || p->last || (sl_interrupted() && !p->source->more)) {
        p->last = true;
        return;
    }
    if (!p->source->read(p->source->ctx, b->raw, max, &b->n, p->err)) {
        p->failed = p->last = true;
        b->n = 0;
        return;
    }
    if (b->n) {
        note_stamps(p, b);
        return;
    }
    p->last = !(p->source->more && p->source->more(p->source->ctx));
    if (p->source->now_ns && p->counts->packets) {
        int64_t now = p->source->now_ns(p->source->ctx);
        if (now > p->clock_ns)
            p->clock_ns = now;
    }
}

// ---- decoding -----------------------------------------------------------------------------------

static void resolve_fragment(struct pass *p, struct sl_packet *packet)
{
    bool known = sl_fragments_resolve(p->fragments, packet);
    if (packet->fragment_offset)
        p->counts->fragments += known, p->counts->fragments_unknown += !known;
}

/*
 * Slots are read by another core than they are written by. Ordinary stores would first fetch each
 * line back from the cache of the core that read it last, which is slower than decoding the packet:
 * so a chunk is made in a place that stays in this core's cache, and streamed past the caches.
 */
static void stream(struct sl_slot *to, const struct sl_slot *from, size_t n)
{
#if defined(__SSE2__)
    const __m128i *s = (const __m128i *)from;
    __m128i *d = (__m128i *)to;
    for (size_t i = 0; i < n * sizeof *to / sizeof *d; i++)
        _mm_stream_si128(d + i, _mm_load_si128(s + i));
    _mm_sfence();
#else
    memcpy(to, from, n * sizeof *to);
#endif
}

static void decode_chunk(struct pass *p, struct batch *b, size_t c)
{
    struct sl_decode_options how = {.outer = p->opt->outer};
    struct sl_pass_counts *k = p->counts;
    size_t begin = c * SL_CHUNK, end = begin + SL_CHUNK < b->n ? begin + SL_CHUNK : b->n;
    struct sl_slot *slots = p->threads > 1 ? p->chunk : b->slots + begin;
    for (size_t i = begin; i < end; i++) {
        const struct sl_trace_packet *r = &b->raw[i];
        struct sl_slot *s = &slots[i - begin];
        if (i + 4 < end) {
            __builtin_prefetch(b->raw[i + 4].data);
            __builtin_prefetch(b->raw[i + 4].data + 63);
        }
        how.linktype = r->linktype;
        enum sl_packet_kind kind =
            sl_packet_decode(&how, r->data, r->captured, r->wire_bytes, r->ts_ns, &s->packet);
        k->kinds[kind]++;
        k->bytes += r->wire_bytes;
        k->cut_by_snaplen += r->captured < r->wire_bytes;
        s->packet.number = b->number[i];
        s->packet.interface = r->interface;
        s->clock_ns = b->clock_ns[i];
        s->skip = kind != SL_PACKET_OK && kind != SL_PACKET_FRAGMENT;
        if (!s->skip && s->packet.fragmented)
            resolve_fragment(p, &s->packet);
    }
    sl_engine_prepare(p->engine, slots, end - begin, &b->chunks[c]);
    if (slots == p->chunk)
        stream(b->slots + begin, slots, end - begin);
}

static void read_and_decode(struct pass *p, struct batch *b)
{
    read_batch(p, b);
    b->n_chunks = (b->n + SL_CHUNK - 1) / SL_CHUNK;
    b->end_clock_ns = p->clock_ns;
    for (size_t c = 0; c < b->n_chunks; c++)
        decode_chunk(p, b, c);
}

// ---- work and crew ------------------------------------------------------------------------------

static void hand_out(struct pass *p)
{
    for (size_t i = 0; i < p->round.n; i++)
        p->opt->on_flow(p->opt->ctx, p->engine, p->round.flows[i]);
}

static unsigned pieces_of(const struct round *r)
{
    return (unsigned)((r->n + SL_PASS_PIECE_FLOWS - 1) / SL_PASS_PIECE_FLOWS);
}

static void make_piece(struct pass *p, unsigned i, int thread)
{
    const struct round *r = &p->round;
    size_t begin = (size_t)i * SL_PASS_PIECE_FLOWS, n = r->n - begin;
    p->opt->make(p->opt->ctx, thread, (int)(r->set * SL_PASS_PIECES + i), p->engine,
                 r->flows + begin, n < SL_PASS_PIECE_FLOWS ? n : SL_PASS_PIECE_FLOWS);
}

static void take_pieces(struct pass *p, int what)
{
    for (unsigned i = 0; i < p->round.made; i++)
        p->opt->take(p->opt->ctx, what, (int)((p->round.set ? 0 : SL_PASS_PIECES) + i));
}

// Jobs of a phase; the long ones that only one thread can do come first.
static unsigned hand_out_jobs(const struct pass *p)
{
    const struct sl_pass_options *o = p->opt;
    unsigned n = p->round.made ? (unsigned)o->takers : 0;
    if (o->hand_out_alone)
        return n;
    n += o->on_flow && p->round.n ? 1 : 0;
    n += o->make ? pieces_of(&p->round) : 0;
    return n;
}

static void do_hand_out_job(struct pass *p, unsigned job, int thread)
{
    unsigned takes = p->round.made ? (unsigned)p->opt->takers : 0;
    if (job < takes)
        take_pieces(p, (int)job);
    else if (p->opt->on_flow && job == takes)
        hand_out(p);
    else
        make_piece(p, job - takes - (p->opt->on_flow != NULL), thread);
}

static void do_job(struct pass *p, unsigned job, int thread)
{
    unsigned front = p->counting, handing = hand_out_jobs(p);
    if (job < front)
        read_and_decode(p, p->next);
    else if (job < front + handing)
        do_hand_out_job(p, job - front, thread);
    else
        sl_engine_update(p->engine, (int)(job - front - handing), p->now->slots, p->now->chunks,
                         p->now->n_chunks, p->now->end_clock_ns, thread);
}

// The ticket holds the phase's number, how many jobs it has, and the next one, in one word: a
// thread that is late cannot take a job of a phase that it does not know.
static uint64_t ticket_of(unsigned generation, unsigned jobs)
{
    return (uint64_t)generation << 32 | (uint64_t)jobs << 16;
}

static void do_jobs(struct pass *p, unsigned generation, int thread)
{
    unsigned mine = 0;
    uint64_t t = atomic_load(&p->ticket);
    while (t >> 32 == generation && (t & 0xffff) < (t >> 16 & 0xffff)) {
        if (!atomic_compare_exchange_weak(&p->ticket, &t, t + 1))
            continue;
        do_job(p, (unsigned)(t & 0xffff), thread);
        mine++;
        t = atomic_load(&p->ticket);
    }
    if (mine && atomic_fetch_sub(&p->jobs_left, mine) == mine) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_signal(&p->done);
        pthread_mutex_unlock(&p->lock);
    }
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static unsigned generation(struct pass *p)
{
    return (unsigned)(atomic_load(&p->ticket) >> 32);
}

struct member {
    struct pass *pass;
    int thread;
};

static void *work(void *arg)
{
    struct member me = *(struct member *)arg;
    struct pass *p = me.pass;
    free(arg);
    for (unsigned seen = 0;;) {
        for (int spin = 0; generation(p) == seen && spin < SPINS; spin++)
            relax();
        if (generation(p) == seen) {
            pthread_mutex_lock(&p->lock);
            while (generation(p) == seen)
                pthread_cond_wait(&p->wake, &p->lock);
            pthread_mutex_unlock(&p->lock);
        }
        seen = generation(p);
        if (atomic_load(&p->quit))
            return NULL;
        do_jobs(p, seen, me.thread);
    }
}

// Everybody's: the jobs of one phase; returns when all are done. Flows of the round are handed out;
// with counting, the batch goes into the flow table and the next one is read.
static void run_phase(struct pass *p, bool counting)
{
    if (p->opt->hand_out_alone) {
        if (p->opt->on_flow)
            hand_out(p);
        for (unsigned i = 0; p->opt->make && i < pieces_of(&p->round); i++)
            make_piece(p, i, 0);
    }
    p->counting = counting;
    unsigned jobs = hand_out_jobs(p) + (counting ? 1 + SL_PARTITIONS : 0);
    unsigned g = generation(p) + 1;
    if (p->threads == 1 || jobs < 2) {
        for (unsigned i = 0; i < jobs; i++)
            do_job(p, i, 0);
        return;
    }
    atomic_store(&p->jobs_left, jobs);
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->ticket, ticket_of(g, jobs));
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    do_jobs(p, g, 0);
    for (int spin = 0; atomic_load(&p->jobs_left) && spin < SPINS; spin++)
        relax();
    if (atomic_load(&p->jobs_left)) {
        pthread_mutex_lock(&p->lock);
        while (atomic_load(&p->jobs_left))
            pthread_cond_wait(&p->done, &p->lock);
        pthread_mutex_unlock(&p->lock);
    }
}

static unsigned processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static bool hire(struct pass *p, struct sl_error *err)
{
    unsigned want = p->opt->threads ? p->opt->threads : processors();
    want = want > SL_PASS_MAX_THREADS ? SL_PASS_MAX_THREADS : want;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    p->threads = want;
    p->hired = 0;
    for (unsigned i = 1; i < want; i++) {
        struct member *m = sl_alloc(sizeof *m);
        *m = (struct member){p, (int)i};
        int why = pthread_create(&p->crew[p->hired], NULL, work, m);
        if (why) {
            free(m);
            return sl_fail(err, SL_EENV, "cannot start thread %u of %u: %s", i + 1, want,
                           strerror(why));
        }
        p->hired++;
    }
    return true;
}

static void dismiss(struct pass *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->quit, true);
    atomic_store(&p->ticket, ticket_of(generation(p) + 1, 0));
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->hired; i++)
        pthread_join(p->crew[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
}

// ---- the pass -----------------------------------------------------------------------------------

// The next flows that are ready become the round; what was made of the round before is to be taken.
static void next_round(struct pass *p, size_t max)
{
    struct round *r = &p->round;
    r->made = p->opt->make ? pieces_of(r) : 0;
    r->set = !r->set;
    r->flows = p->ready;
    r->n = p->n_ready < max ? p->n_ready : max;
    p->ready += r->n;
    p->n_ready -= r->n;
}

static void collect(struct pass *p)
{
    sl_engine_release(p->engine);
    p->ready = sl_engine_collect(p->engine, &p->n_ready);
}

// Flows that ended are handed out up to the last round that is ready, which waits for a phase.
static void hand_out_many(struct pass *p)
{
    next_round(p, ROUND);
    while (p->round.n == ROUND) { // many ended at once
        run_phase(p, false);
        if (!p->n_ready)
            collect(p);
        next_round(p, ROUND);
    }
}

static bool one_batch(struct pass *p)
{
    hand_out_many(p);
    run_phase(p, true);
    collect(p);
    struct batch *was = p->now;
    p->now = p->next;
    p->next = was;
    return !p->opt->after_batch || p->opt->after_batch(p->opt->ctx, p->err);
}

static bool hand_out_rest(struct pass *p)
{
    do {
        hand_out_many(p);
        run_phase(p, false);
        collect(p);
    } while (p->n_ready || p->round.n || p->round.made);
    return !p->opt->after_batch || p->opt->after_batch(p->opt->ctx, p->err);
}

static bool drain(struct pass *p)
{
    if (!hand_out_rest(p))
        return false;
    sl_engine_drain(p->engine, p->clock_ns);
    collect(p);
    return hand_out_rest(p);
}

static bool all_batches(struct pass *p)
{
    p->batch_max = p->threads == 1 ? BATCH_ONE : BATCH_MANY;
    read_and_decode(p, p->now);
    bool begun = !p->opt->begin;
    while (!p->failed && (p->now->n || !p->last)) {
        if (!begun && p->now->n) {
            begun = true;
            if (!p->opt->begin(p->opt->ctx, p->threads, p->counts->first_ns, p->err))
                return false;
        }
        if (!one_batch(p))
            return false;
    }
    if (p->failed)
        return false;
    if (sl_interrupted() &&
        !p->source->more) // a live pass is meant to be interrupted: its flows are kept
        return sl_fail(p->err, SL_EINTR, "interrupted");
    return drain(p);
}

static struct sl_slot *new_slots(size_t n)
{
    struct sl_slot *slots = aligned_alloc(64, n * sizeof *slots);
    if (!slots)
        abort();
    return slots;
}

static struct batch *new_batch(void)
{
    struct batch *b = sl_alloc(sizeof *b);
    b->slots = new_slots(BATCH_MANY);
    return b;
}

static void free_batch(struct batch *b)
{
    if (b)
        free(b->slots);
    free(b);
}

bool sl_pass_run(const struct sl_pass_source *source, const struct sl_pass_options *opt,
                 struct sl_pass_counts *counts, struct sl_error *err)
{
    struct pass *p = aligned_alloc(64, (sizeof *p + 63) & ~(size_t)63);
    if (!p)
        abort();
    memset(p, 0, sizeof *p);
    *counts = (struct sl_pass_counts){0};
    p->source = source;
    p->opt = opt;
    p->counts = counts;
    p->err = err;
    p->clock_ns = INT64_MIN;
    p->engine = sl_engine_new(&opt->engine, err);
    bool ok = p->engine != NULL;
    if (ok) {
        p->now = new_batch();
        p->next = new_batch();
        p->chunk = new_slots(SL_CHUNK);
        p->fragments = sl_fragments_new(NULL);
        ok = hire(p, err) && all_batches(p);
        dismiss(p);
        sl_engine_counts(p->engine, &counts->flows);
        counts->threads = p->threads;
    }
    sl_engine_free(p->engine);
    sl_fragments_free(p->fragments);
    free_batch(p->now);
    free_batch(p->next);
    free(p->chunk);
    free(p);
    return ok;
}

static bool read_trace(void *ctx, struct sl_trace_packet *out, size_t max, size_t *n,
                       struct sl_error *err)
{
    return sl_trace_read(ctx, out, max, n, err);
}

struct sl_pass_source sl_pass_trace(struct sl_trace *t)
{
    return (struct sl_pass_source){.read = read_trace, .ctx = t};
}
