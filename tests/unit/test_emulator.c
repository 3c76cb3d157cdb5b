// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "base/rng.h"
#include "link/emulator.h"
#include "link/topology.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS 1000000ll
enum { PIPES = 4, MAX_OUT = 400000 };

struct gone {
    uint32_t pipe, number, bytes, segments;
    int64_t at_ns;
};
struct world { // what comes out, and a check of everything that must always hold
    struct sl_emulator *e;
    struct sl_pbuf_pool *pool;
    struct sl_arena arena;
    int64_t now;
    uint32_t sent, n;
    int32_t to[PIPES]; // pipe behind a pipe; -1 = out
    struct gone *out;
};

static int32_t next(void *ctx, uint32_t pipe, const struct sl_pbuf *b)
{
    (void)b;
    return ((struct world *)ctx)->to[pipe];
}

static void out(void *ctx, uint32_t pipe, struct sl_pbuf *b)
{
    struct world *w = ctx;
    uint32_t number;
    memcpy(&number, sl_pbuf_packet(b) + 24, 4);
    assert_true(w->n < MAX_OUT);
    w->out[w->n++] = (struct gone){pipe, number, b->bytes, b->segments, b->due_ns};
    assert_true(b->due_ns <= w->now); // nothing early
    sl_emulator_sent(w->e, pipe, b->due_ns, w->now);
    sl_pbuf_free(w->pool, b);
}

static struct world begin(uint64_t memory)
{
    return (struct world){.to = {-1, -1, -1, -1}, .now = 1000 * MS, .n = (uint32_t)memory};
}

static void start(struct world *w)
{
    struct sl_error err = {0};
    struct sl_emulator_options o = {.pipes = PIPES,
                                    .memory_bytes = w->n ? w->n : 256 << 20,
                                    .next = next,
                                    .out = out,
                                    .ctx = w};
    w->n = 0;
    w->e = sl_emulator_new(&o, w->now, &err);
    w->pool = sl_emulator_pool(w->e);
    w->out = sl_alloc(MAX_OUT * sizeof *w->out);
}

static void set(struct world *w, uint32_t pipe, const char *words)
{
    struct sl_conditions c = {0};
    struct sl_error err = {0};
    if (!sl_conditions_parse(&c, words, &w->arena, &err) || !sl_conditions_check(&c, &err))
        fail_msg("%s", err.msg);
    struct sl_prepared *p = sl_prepared_new(&c, 7, pipe, &err);
    assert_non_null(p);
    sl_emulator_apply(w->e, pipe, p, w->now);
    sl_prepared_free(p);
}

static struct sl_pipe_counts counts(struct world *w, uint32_t pipe)
{
    struct sl_pipe_counts n;
    sl_emulator_counts(w->e, pipe, w->now, false, &n);
    uint64_t went = n.out_packets + n.under_way;
    for (int i = 0; i < SL_DROPS; i++)
        went += n.dropped[i];
    assert_int_equal(n.in_packets + n.duplicates, went);
    return n;
}

// A UDP packet of that many IP bytes, numbered, of one of 8 flows.
static void send(struct world *w, uint32_t pipe, uint32_t bytes)
{
    struct sl_pbuf *b = sl_pbuf_new(w->pool, bytes);
    assert_non_null(b);
    memset(b->data, 0, bytes);
    b->bytes = bytes;
    b->data[0] = 0x45;
    b->data[9] = 17;
    b->data[21] = (uint8_t)(w->sent % 8);
    memcpy(b->data + 24, &w->sent, 4);
    w->sent++;
    sl_emulator_arrive(w->e, pipe, b, w->now);
}

static void go(struct world *w, int64_t to)
{
    w->now = to;
    sl_emulator_run(w->e, to);
}

static void end(struct world *w)
{
    go(w, w->now + 4000000 * MS);
    for (uint32_t i = 0; i < PIPES; i++)
        assert_int_equal(counts(w, i).under_way, 0);
    assert_int_equal(sl_emulator_under_way(w->e), 0);
    assert_int_equal(sl_pbuf_pool_used(w->pool), 0);
    assert_int_equal(sl_emulator_next(w->e), INT64_MAX);
    sl_emulator_free(w->e);
    sl_arena_done(&w->arena);
    free(w->out);
}
#define BEGIN(w)                                                                                   \
    struct world w = begin(0);                                                                     \
    start(&w)

static void a_perfect_link_lets_all_out_at_once(void **state)
{
    (void)state;
    BEGIN(w);
    for (int i = 0; i < 10; i++)
        send(&w, 0, 100);
    assert_int_equal(w.n, 10);
    assert_true(w.out[9].at_ns == w.now && w.out[9].number == 9);
    end(&w);
}

static void a_delay_is_exact(void **state)
{
    (void)state;
    BEGIN(w);
    set(&w, 0, "delay 20ms");
    int64_t t = w.now;
    send(&w, 0, 100);
    assert_int_equal(sl_emulator_next(w.e), t + 20 * MS);
    go(&w, t + 20 * MS - 1);
    assert_int_equal(w.n, 0);
    go(&w, t + 20 * MS);
    assert_int_equal(w.n, 1);
    end(&w);
}

// 1,500 IP bytes are 1,538 on the wire: 12,304 ns at 1 Gbit/s; 28 bytes are 84: 672 ns.
static void a_rate_counts_wire_bytes(void **state)
{
    (void)state;
    BEGIN(w);
    set(&w, 0, "rate 1Gbps");
    int64_t t = w.now;
    send(&w, 0, 1500);
    send(&w, 0, 28);
    send(&w, 0, 1500);
    go(&w, t + MS);
    assert_int_equal(w.out[0].at_ns - t, 12304);
    assert_int_equal(w.out[1].at_ns - t, 12304 + 672);
    assert_int_equal(w.out[2].at_ns - t, 12304 + 672 + 12304);
    end(&w);
}

static void other_overheads_count_other_bytes(void **state)
{
    (void)state;
    BEGIN(w);
    static const struct {
        const char *words;
        int64_t ns; // of 1,000 IP bytes at 8 Mbit/s: a microsecond a byte
    } all[] = {{"rate 8Mbps overhead ip", 1000000},
               {"rate 8Mbps overhead frame", 1014000},
               {"rate 8Mbps overhead 40", 1040000},
               {"rate 8Mbps overhead wire", 1038000}};
    for (size_t i = 0; i < 4; i++) {
        set(&w, 0, all[i].words);
        int64_t t = w.now;
        send(&w, 0, 1000);
        go(&w, t + 2 * MS);
        assert_int_equal(w.out[i].at_ns - t, all[i].ns);
    }
    end(&w);
}

// 84 bytes at 7 Mbit/s take 96,000 ns: 672 bits * 1e9 / 7e6; at 900 Mbit/s 746.67 ns, of which
// nothing may be lost: 30,000 of them take 22.4 ms.
static void no_fraction_of_a_nanosecond_is_lost(void **state)
{
    (void)state;
    BEGIN(w);
    set(&w, 0, "rate 900Mbps queue 30000p");
    int64_t t = w.now;
    for (int i = 0; i < 30000; i++)
        send(&w, 0, 28);
    go(&w, t + 100 * MS);
    assert_int_equal(w.out[29999].at_ns - t, 22400000);
    end(&w);
}

static void no_window_carries_more_than_the_rate(void **state)
{
    (void)state;
    BEGIN(w);
    struct sl_rng rng = sl_rng_stream(3, "test.rate", 0);
    set(&w, 0, "rate 50Mbps burst 6000 queue 1MB");
    for (int i = 0; i < 20000; i++) {
        send(&w, 0, (uint32_t)(40 + sl_rng_below(&rng, 1461)));
        go(&w, w.now + (int64_t)sl_rng_below(&rng, 300000));
    }
    go(&w, w.now + 1000 * MS);
    for (uint32_t i = 0; i < w.n; i += 37) {
        double bits = 0;
        for (uint32_t k = i; k < w.n && k < i + 200; k++) {
            bits += (w.out[k].bytes + 38 < 84 ? 84 : w.out[k].bytes + 38) * 8.0;
            double window_s = (double)(w.out[k].at_ns - w.out[i].at_ns) / 1e9;
            assert_true(bits <= 50e6 * window_s + 6000 * 8 + 1538 * 8 + 1);
        }
        assert_true(!i || w.out[i].number > w.out[i - 37].number);
    }
    end(&w);
}

static void delays_of_pipes_add_up_however_late_they_are_handled(void **state)
{
    (void)state;
    BEGIN(w);
    w.to[0] = 1;
    w.to[1] = 2;
    set(&w, 0, "delay 10ms");
    set(&w, 1, "delay 5ms rate 1Gbps");
    set(&w, 2, "delay 1ms");
    int64_t t = w.now;
    send(&w, 0, 1500);
    go(&w, t + 500 * MS);
    assert_int_equal(w.out[0].at_ns - t, 16 * MS + 12304);
    end(&w);
}

// Two access pipes, 3 and 1 ms, into a bottleneck: what comes first by its own clock goes first.
static void a_shared_pipe_serves_by_arrival(void **state)
{
    (void)state;
    BEGIN(w);
    w.to[0] = w.to[1] = 2;
    set(&w, 0, "delay 3ms");
    set(&w, 1, "delay 1ms");
    set(&w, 2, "rate 12304kbps"); // 1 ms a packet
    int64_t t = w.now;
    for (int i = 0; i < 3; i++) {
        w.now = t + i * MS;
        send(&w, 0, 1500); // at the bottleneck at 3, 4, 5 ms
        send(&w, 1, 1500); // at 1, 2, 3 ms
    }
    go(&w, t + 100 * MS);
    static const uint32_t want[] = {1, 3, 0,
                                    5, 2, 4}; // at 3 ms the one that left first (by pipe 0)
    for (int i = 0; i < 6; i++) {
        assert_int_equal(w.out[i].number, want[i]);
        assert_int_equal(w.out[i].at_ns - t, (i + 2) * MS);
    }
    end(&w);
}

static void jitter_keeps_the_order_unless_it_is_told_not_to(void **state)
{
    (void)state;
    for (int free_order = 0; free_order < 2; free_order++) {
        BEGIN(w);
        set(&w, 0, free_order ? "delay 10ms jitter 5ms jitter-reorders" : "delay 10ms jitter 5ms");
        for (int i = 0; i < 5000; i++) {
            send(&w, 0, 200);
            go(&w, w.now + 100000);
        }
        go(&w, w.now + 100 * MS);
        int overtakes = 0;
        for (uint32_t i = 1; i < w.n; i++)
            overtakes += w.out[i].number < w.out[i - 1].number;
        assert_int_equal(w.n, 5000);
        assert_true(free_order ? overtakes > 1000 : overtakes == 0);
        assert_true(free_order ? counts(&w, 0).reordered > 1000 : counts(&w, 0).reordered == 0);
        end(&w);
    }
}

static void shares_of_packets_are_duplicated_corrupted_and_reordered(void **state)
{
    (void)state;
    BEGIN(w);
    set(&w, 0, "duplicate 10% corrupt 5% delay 10ms reorder 2%");
    for (int i = 0; i < 20000; i++) {
        send(&w, 0, 200);
        go(&w, w.now + 100000);
    }
    go(&w, w.now + 100 * MS);
    struct sl_pipe_counts n = counts(&w, 0);
    // 2.576 standard errors: sqrt(20000 * p * (1 - p))
    assert_true(fabs((double)n.duplicates - 2000) < 110);
    assert_true(fabs((double)n.corrupted - 1000) < 80);
    // Every copy is drawn for; those that overtake come early and are not counted: the overtaken
    // are those that follow. Due times that lie before the latest:
    assert_true(n.reordered > 300);
    assert_int_equal(w.n, 20000 + n.duplicates);
    end(&w);
}

static void a_change_loses_nothing_and_keeps_the_order(void **state)
{
    (void)state;
    static const char *const changes[] = {"rate 1Mbps queue 20000p",
                                          "rate 100Mbps queue 20000p aqm fq-codel",
                                          "delay 30ms",
                                          "delay 1ms rate 5Mbps queue 20000p",
                                          "delay 2ms jitter 1ms",
                                          "rate 3Mbps queue 20000p whole",
                                          ""};
    BEGIN(w);
    struct sl_rng rng = sl_rng_stream(8, "test.change", 0);
    bool aqm = false;
    for (int i = 0; i < 6000; i++) {
        if (i % 50 == 0) {
            size_t k = sl_rng_below(&rng, 7);
            aqm |= k == 1;
            set(&w, 0, changes[k == 1 ? 0 : k]); // fq-codel drops by itself: without it here
        }
        send(&w, 0, (uint32_t)(100 + sl_rng_below(&rng, 1000)));
        go(&w, w.now + (int64_t)sl_rng_below(&rng, 400000));
        counts(&w, 0);
    }
    go(&w, w.now + 1000000 * MS);
    assert_int_equal(w.n, 6000);
    for (uint32_t i = 1; i < w.n; i++)
        assert_true(w.out[i].number == i && w.out[i].at_ns >= w.out[i - 1].at_ns);
    end(&w);
}

// 1,538 bytes at 1 Mbit/s: 12.304 ms. After 4 ms the rate is ten times as high: the remaining
// 8.304 ms become 0.8304 ms, and the one that waits takes 1.2304 ms.
static void a_new_rate_retimes_what_is_being_sent(void **state)
{
    (void)state;
    BEGIN(w);
    set(&w, 0, "rate 1Mbps");
    int64_t t = w.now;
    send(&w, 0, 1500);
    send(&w, 0, 1500);
    go(&w, t + 4 * MS);
    set(&w, 0, "rate 10Mbps");
    go(&w, t + 100 * MS);
    assert_int_equal(w.out[0].at_ns - t, 4830400);
    assert_int_equal(w.out[1].at_ns - t, 4830400 + 1230400);
    end(&w);
}

static void no_rate_any_more_lets_all_out(void **state)
{
    (void)state;
    BEGIN(w);
    set(&w, 0, "rate 10kbps");
    for (int i = 0; i < 20; i++)
        send(&w, 0, 1500);
    go(&w, w.now + MS);
    set(&w, 0, "");
    go(&w, w.now + MS);
    assert_int_equal(w.n, 20);
    end(&w);
}

static void down_lets_nothing_in(void **state)
{
    (void)state;
    BEGIN(w);
    set(&w, 0, "delay 5ms");
    send(&w, 0, 100);
    set(&w, 0, "delay 5ms carrier down");
    send(&w, 0, 100);
    go(&w, w.now + 10 * MS);
    assert_int_equal(w.n, 1);
    assert_int_equal(counts(&w, 0).dropped[SL_DROP_DOWN], 1);
    end(&w);
}

static void packets_above_the_mtu_are_dropped(void **state)
{
    (void)state;
    BEGIN(w);
    set(&w, 0, "mtu 1400");
    send(&w, 0, 1400);
    send(&w, 0, 1401);
    go(&w, w.now + MS);
    assert_int_equal(w.n, 1);
    assert_int_equal(counts(&w, 0).dropped[SL_DROP_MTU], 1);
    end(&w);
}

// Lost before the rate, packets use no capacity; behind it they do: half of 100 packets of 1 ms.
static void loss_behind_the_queue_uses_capacity(void **state)
{
    (void)state;
    for (int behind = 0; behind < 2; behind++) {
        BEGIN(w);
        set(&w, 0,
            behind ? "rate 12304kbps loss-every 2 loss-behind" : "rate 12304kbps loss-every 2");
        int64_t t = w.now;
        for (int i = 0; i < 100; i++)
            send(&w, 0, 1500);
        go(&w, t + 1000 * MS);
        assert_int_equal(w.n, 50);
        assert_int_equal(w.out[49].at_ns - t, behind ? 99 * MS : 50 * MS);
        end(&w);
    }
}

static void a_full_queue_drops_and_counts(void **state)
{
    (void)state;
    BEGIN(w);
    set(&w, 0, "rate 1Mbps queue 10p");
    for (int i = 0; i < 20; i++)
        send(&w, 0, 1500);
    struct sl_pipe_counts n = counts(&w, 0);
    assert_int_equal(n.dropped[SL_DROP_QUEUE], 9); // one is being sent, ten wait
    assert_int_equal(n.queue_packets, 10);
    assert_int_equal(n.queue_peak_packets, 10);
    end(&w);
}

static void the_same_seed_does_the_same(void **state)
{
    (void)state;
    uint64_t sums[2];
    for (int run = 0; run < 2; run++) {
        BEGIN(w);
        set(&w, 0,
            "rate 20Mbps loss 3% duplicate 1% delay 10ms jitter 3ms jitter-reorders corrupt 1%");
        for (int i = 0; i < 3000; i++) {
            send(&w, 0, 500);
            go(&w, w.now + 150000 + (run ? 0 : 0));
        }
        go(&w, w.now + 1000 * MS);
        sums[run] = w.n;
        for (uint32_t i = 0; i < w.n; i++)
            sums[run] = sums[run] * 31 + (uint64_t)w.out[i].at_ns + w.out[i].number;
        end(&w);
    }
    assert_true(sums[0] == sums[1]);
}

// A super-packet of TCP as kernels hand them over: 40 payloads of 1,000 bytes.
static void send_super(struct world *w, uint32_t pipe)
{
    enum { N = 40 + 40000 };
    struct sl_pbuf *b = sl_pbuf_new(w->pool, N);
    uint8_t *v = b->data - SL_VNET_BYTES;
    memset(v, 0, N + SL_VNET_BYTES);
    memcpy(v, (uint8_t[]){1, 1, 0, 0, 1000 & 255, 1000 >> 8, 20, 0, 16, 0}, 10);
    b->data[0] = 0x45;
    b->data[2] = N >> 8;
    b->data[3] = N & 255;
    b->data[9] = 6;
    b->data[32] = 0x50;
    b->data[33] = 0x10;
    assert_true(sl_pbuf_take(b, N + SL_VNET_BYTES, 0));
    assert_int_equal(b->segments, 40);
    sl_emulator_arrive(w->e, pipe, b, w->now);
}

static void super_packets_pass_whole_where_nothing_acts_on_packets(void **state)
{
    (void)state;
    BEGIN(w);
    set(&w, 0, "delay 5ms");
    send_super(&w, 0);
    go(&w, w.now + 10 * MS);
    assert_true(w.n == 1 && w.out[0].segments == 40);
    assert_int_equal(counts(&w, 0).out_packets, 40);
    assert_int_equal(counts(&w, 0).out_bytes, 40 * 1078);
    end(&w);
}

static void around_a_loss_super_packets_are_cut_in_runs(void **state)
{
    (void)state;
    BEGIN(w);
    set(&w, 0, "loss-every 15");
    send_super(&w, 0);
    go(&w, w.now + MS);
    assert_int_equal(w.n, 3); // 14, 14 and 10 packets
    assert_true(w.out[0].segments == 14 && w.out[1].segments == 14 && w.out[2].segments == 10);
    assert_int_equal(counts(&w, 0).dropped[SL_DROP_LOSS], 2);
    end(&w);
}

// 1,078 wire bytes at 8 Mbit/s: 1.078 ms each.
static void a_rate_cuts_super_packets_into_single_ones(void **state)
{
    (void)state;
    BEGIN(w);
    set(&w, 0, "rate 8Mbps queue 100p");
    int64_t t = w.now;
    send_super(&w, 0);
    go(&w, t + 100 * MS);
    assert_int_equal(w.n, 40);
    for (int i = 0; i < 40; i++)
        assert_true(w.out[i].segments == 1 && w.out[i].at_ns == t + (i + 1) * 1078000ll);
    set(&w, 0, "rate 8Mbps whole");
    t = w.now;
    send_super(&w, 0);
    go(&w, t + 100 * MS);
    assert_true(w.n == 41 && w.out[40].segments == 40 && w.out[40].at_ns == t + 40 * 1078000ll);
    end(&w);
}

static void memory_that_is_used_up_is_a_counted_drop(void **state)
{
    (void)state;
    struct world w = begin(4 << 20);
    start(&w);
    set(&w, 0, "rate 1Mbps queue 1GB");
    for (int i = 0; i < 60; i++)
        send_super(&w, 0);
    struct sl_pipe_counts n = counts(&w, 0);
    assert_true(n.dropped[SL_DROP_MEMORY] > 0);
    end(&w);
}

static void lateness_is_in_its_bucket(void **state)
{
    (void)state;
    uint32_t late[SL_LATE_BUCKETS] = {0};
    assert_int_equal(sl_late_quantile(late, 0.5), -1);
    BEGIN(w);
    set(&w, 0, "delay 1ms");
    send(&w, 0, 100);
    go(&w, w.now + MS + 100000); // 100 us late: between 98,304 and 131,072 ns
    struct sl_pipe_counts n = counts(&w, 0);
    assert_int_equal(sl_late_quantile(n.late, 0.99), 131072);
    assert_int_equal(n.late_max_ns, 100000);
    end(&w);
}

// ---- topologies ---------------------------------------------------------------------------------

static struct sl_topology *generated(const char *what, const char *core_words)
{
    static struct sl_arena arena;
    struct sl_conditions access = {0}, core = {0};
    struct sl_error err = {0};
    assert_true(sl_conditions_parse(&access, "delay 1ms", &arena, &err));
    assert_true(sl_conditions_parse(&core, core_words, &arena, &err));
    struct sl_topology *t = sl_topology_generate(what, &access, &core, 5, &err);
    if (!t || !sl_topology_finish(t, 5, &err))
        fail_msg("%s", err.msg);
    return t;
}

static void a_dumbbell_has_three_links_from_side_to_side(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_topology *t = generated("dumbbell:3x5", "delay 10ms");
    struct sl_routes *r = sl_routes_new(t, &err);
    assert_non_null(r);
    assert_int_equal(t->nodes.len, 10);
    assert_int_equal(t->links.len, 9);
    uint32_t from = (uint32_t)sl_topology_find(t, "l2"), to = (uint32_t)sl_topology_find(t, "r5");
    static const char *const want[] = {"l2-a", "a-b", "b-r5"};
    uint32_t node = from;
    for (int i = 0; i < 3; i++) {
        int32_t pipe = sl_routes_next(r, node, to);
        assert_string_equal(t->links.at[pipe / 2].name, want[i]);
        assert_int_equal(pipe % 2, 0);
        node = sl_routes_end(r, (uint32_t)pipe);
    }
    assert_int_equal(node, to);
    assert_int_equal(sl_routes_next(r, to, to), -1);
    assert_int_equal(sl_routes_host(r, t->nodes.at[to].address), to);
    assert_int_equal(sl_routes_host(r, 1), -1);
    sl_routes_free(r);
    sl_topology_free(t);
}

// Against Floyd and Warshall's algorithm over all pairs of hosts.
static void routes_are_the_shortest(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        print_message("seed %d\n", (int)seed);
        struct sl_rng rng = sl_rng_stream(seed, "test.routes", 0);
        struct sl_topology *t = generated("as:12x15", "delay 0-20ms");
        for (size_t i = 0; i < t->links.len; i++)
            for (int d = 0; d < 2; d++)
                t->links.at[i].conditions[d].delay_ns.lo =
                    (double)(1 + sl_rng_below(&rng, 1000)) * 1e4;
        struct sl_error err = {0};
        struct sl_routes *r = sl_routes_new(t, &err);
        size_t n = t->nodes.len;
        double *d = sl_alloc(n * n * sizeof *d);
        for (size_t i = 0; i < n * n; i++)
            d[i] = i / n == i % n ? 0 : INFINITY;
        for (size_t i = 0; i < t->links.len; i++) {
            const struct sl_topology_link *l = &t->links.at[i];
            d[l->a * n + l->b] = l->conditions[0].delay_ns.lo;
            d[l->b * n + l->a] = l->conditions[1].delay_ns.lo;
        }
        for (size_t k = 0; k < n; k++)
            for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < n; j++)
                    if (d[i * n + k] + d[k * n + j] < d[i * n + j])
                        d[i * n + j] = d[i * n + k] + d[k * n + j];
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j < n; j++) {
                if (t->nodes.at[i].router || t->nodes.at[j].router)
                    continue;
                double sum = 0;
                uint32_t node = i, steps = 0;
                for (int32_t pipe; (pipe = sl_routes_next(r, node, j)) >= 0; steps++) {
                    sum += t->links.at[pipe / 2].conditions[pipe % 2].delay_ns.lo;
                    node = sl_routes_end(r, (uint32_t)pipe);
                    assert_true(steps < n);
                }
                assert_int_equal(node, j);
                assert_true(fabs(sum - d[i * n + j]) < 0.5);
            }
        free(d);
        sl_routes_free(r);
        sl_topology_free(t);
    }
}

static struct sl_topology *csv(const char *text, struct sl_error *err)
{
    char *copy = sl_strdup(text);
    *err = (struct sl_error){0};
    struct sl_topology *t = sl_topology_csv(copy, strlen(copy), "net.csv", err);
    free(copy);
    return t;
}

static void a_csv_names_links_and_what_they_do(void **state)
{
    (void)state;
    struct sl_error err;
    struct sl_topology *t = csv("a,b,delay,up.rate,down.rate,a.address\n"
                                "h1,r1,5ms,10Mbps,100Mbps,192.0.2.7\n"
                                "r1,h2,1ms,,,\n",
                                &err);
    assert_non_null(t);
    assert_true(sl_topology_finish(t, 1, &err));
    assert_true(t->nodes.at[1].router && !t->nodes.at[0].router); // r1 has two links
    assert_int_equal(t->nodes.at[0].address, 0xc0000207);
    assert_int_equal(t->nodes.at[2].address, 0x0a400001);
    assert_true(t->links.at[0].conditions[0].rate_bps.lo == 1e7 &&
                t->links.at[0].conditions[1].rate_bps.lo == 1e8);
    assert_true(t->links.at[1].conditions[1].delay_ns.lo == 1e6);
    sl_topology_free(t);
}

static void mistakes_in_a_csv_are_told_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
        int line;
    } all[] = {
        {"a,c\nh1,h2\n", "there is no column 'c' in a topology", 1},
        {"a,delay\nh1,1ms\n", "a topology needs the columns a and b: the ends of each link", 1},
        {"a,b,delay\nh1,h2,5\n", "'5' is not a value of delay: write it like 20ms", 2},
        {"a,b\nh1,h2\nh1\n", "1 cells where the header has 2", 3},
        {"a,b\nh1,h1\n", "a link from 'h1' to itself", 2},
        {"a,b\nh1,h 2\n", "'h 2' cannot be a node's name: 1 to 63 letters, digits, '_', '.' or ':'",
         2},
        {"a,b,a.kind\nh1,h2,switch\n", "a node is a host or a router, not 'switch'", 2},
        {"a,b,a.address\nh1,h2,10.0.0\n", "'10.0.0' is not an IPv4 address", 2},
        {"", "this topology is empty", 0}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct sl_error err;
        assert_null(csv(all[i].text, &err));
        assert_string_equal(err.msg, all[i].why);
        assert_int_equal(err.line, all[i].line);
        assert_int_equal(err.code, SL_EINPUT);
    }
}

static void what_cannot_be_a_topology_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } all[] = {{"a,b\nh1,h2\nh2,h1\n", "there are two links between 'h1' and 'h2'"},
               {"a,b,a.address,b.address\nh1,h2,10.0.0.1,10.0.0.1\n",
                "two hosts have the address 10.0.0.1"},
               {"a,b,loss-burst\nh1,h2,3\n",
                "link h1-h2.up: loss-burst needs a loss: how often, and how long"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct sl_error err;
        struct sl_topology *t = csv(all[i].text, &err);
        assert_non_null(t);
        assert_false(sl_topology_finish(t, 1, &err));
        assert_string_equal(err.msg, all[i].why);
        sl_topology_free(t);
    }
    struct sl_error err;
    struct sl_topology *t = csv("a,b\nh1,r1\nr1,h2\nh3,h4\n", &err);
    assert_true(sl_topology_finish(t, 1, &err));
    assert_null(sl_routes_new(t, &err));
    assert_string_equal(err.msg, "there is no way between the hosts 'h1' and 'h3'");
    sl_topology_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perfect_link_lets_all_out_at_once),
        cmocka_unit_test(a_delay_is_exact),
        cmocka_unit_test(a_rate_counts_wire_bytes),
        cmocka_unit_test(other_overheads_count_other_bytes),
        cmocka_unit_test(no_fraction_of_a_nanosecond_is_lost),
        cmocka_unit_test(no_window_carries_more_than_the_rate),
        cmocka_unit_test(delays_of_pipes_add_up_however_late_they_are_handled),
        cmocka_unit_test(a_shared_pipe_serves_by_arrival),
        cmocka_unit_test(jitter_keeps_the_order_unless_it_is_told_not_to),
        cmocka_unit_test(shares_of_packets_are_duplicated_corrupted_and_reordered),
        cmocka_unit_test(a_change_loses_nothing_and_keeps_the_order),
        cmocka_unit_test(a_new_rate_retimes_what_is_being_sent),
        cmocka_unit_test(no_rate_any_more_lets_all_out),
        cmocka_unit_test(down_lets_nothing_in),
        cmocka_unit_test(packets_above_the_mtu_are_dropped),
        cmocka_unit_test(loss_behind_the_queue_uses_capacity),
        cmocka_unit_test(a_full_queue_drops_and_counts),
        cmocka_unit_test(the_same_seed_does_the_same),
        cmocka_unit_test(super_packets_pass_whole_where_nothing_acts_on_packets),
        cmocka_unit_test(around_a_loss_super_packets_are_cut_in_runs),
        cmocka_unit_test(a_rate_cuts_super_packets_into_single_ones),
        cmocka_unit_test(memory_that_is_used_up_is_a_counted_drop),
        cmocka_unit_test(lateness_is_in_its_bucket),
        cmocka_unit_test(a_dumbbell_has_three_links_from_side_to_side),
        cmocka_unit_test(routes_are_the_shortest),
        cmocka_unit_test(a_csv_names_links_and_what_they_do),
        cmocka_unit_test(mistakes_in_a_csv_are_told_with_their_line),
        cmocka_unit_test(what_cannot_be_a_topology_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
