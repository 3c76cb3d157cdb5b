// SPDX-License-Identifier: Apache-2.0
// Samplers, capacity traces and queues of emulated links.
#include "base/mem.h"
#include "link/capacity.h"
#include "link/queue.h"
#include "link/sampler.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS 1000000ll
static struct sl_arena arena;

static struct sl_conditions given(const char *words)
{
    struct sl_conditions c = {0};
    struct sl_error err = {0};
    if (!sl_conditions_parse(&c, words, &arena, &err))
        fail_msg("%s", err.msg);
    return c;
}

static struct sl_loss loss_of(const char *words, uint64_t seed)
{
    struct sl_conditions c = given(words);
    struct sl_loss l;
    struct sl_error err = {0};
    assert_true(sl_loss_init(&l, &c, seed, 0, &err));
    return l;
}

// ---- samplers -----------------------------------------------------------------------------------

// 99 % interval of a binomial share at n = 1,000,000 (normal approximation): 2.576 standard errors.
static void random_loss_lies_in_its_interval(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        double share;
    } all[] = {{"loss 0.1%", 0.001},
               {"loss 1%", 0.01},
               {"loss 30%", 0.3},
               {"loss 90%", 0.9},
               {"loss 100%", 1}};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        struct sl_loss l = loss_of(all[k].words, 11);
        int n = 1000000, lost = 0;
        for (int i = 0; i < n; i++)
            lost += sl_loss_next(&l);
        double p = all[k].share, e = 2.576 * sqrt(p * (1 - p) / n);
        assert_true(fabs((double)lost / n - p) <= e + 1e-12);
    }
}

// Gaps between losses of a fair coin: geometric, chi-squared over 0, 1, 2, 3, 4, 5 and more.
// 5 degrees of freedom: 15.09 at 1 %.
static void gaps_between_random_losses_are_geometric(void **state)
{
    (void)state;
    struct sl_loss l = loss_of("loss 25%", 5);
    double seen[6] = {0}, n = 0, p = 0.25, chi2 = 0;
    for (int gap = 0; n < 100000;) {
        if (!sl_loss_next(&l)) {
            gap++;
            continue;
        }
        seen[gap < 5 ? gap : 5]++;
        gap = 0;
        n++;
    }
    for (int i = 0; i < 6; i++) {
        double want = n * (i < 5 ? pow(1 - p, i) * p : pow(1 - p, 5));
        chi2 += (seen[i] - want) * (seen[i] - want) / want;
    }
    assert_true(chi2 < 15.09);
}

// Mean loss L, mean burst b: r = 1/b, p = rL/(1-L). Variance of a mean over n packets:
// L(1-L)/n * (1+rho)/(1-rho), rho = 1-p-r. Burst lengths are geometric with mean b.
static void bursts_have_their_share_and_their_length(void **state)
{
    (void)state;
    struct sl_loss l = loss_of("loss 5% loss-burst 4", 9);
    double n = 2000000, lost = 0, bursts = 0, L = 0.05, r = 0.25, p = r * L / (1 - L),
           rho = 1 - p - r;
    bool before = false;
    for (int i = 0; i < 2000000; i++) {
        bool now = sl_loss_next(&l);
        lost += now;
        bursts += now && !before;
        before = now;
    }
    double error = 2.576 * sqrt(L * (1 - L) / n * (1 + rho) / (1 - rho));
    assert_true(fabs(lost / n - L) < error);
    // Standard error of the mean of a geometric length: sqrt(1-r)/r / sqrt(bursts).
    assert_true(fabs(lost / bursts - 4) < 2.576 * sqrt(1 - r) / r / sqrt(bursts));
}

static void every_nth_and_patterns_are_exact(void **state)
{
    (void)state;
    struct sl_loss l = loss_of("loss-every 3", 1);
    for (int i = 1; i <= 30; i++)
        assert_int_equal(sl_loss_next(&l), i % 3 == 0);
    struct sl_error err = {0};
    struct sl_loss q = {.kind = SL_LOSS_PATTERN};
    const char text[] = "# recorded\n0 1\n1,0\r\n";
    assert_true(
        sl_loss_pattern_parse(text, sizeof text - 1, "p", &q.pattern, &q.pattern_len, &err));
    static const bool want[] = {0, 1, 1, 0, 0, 1, 1, 0};
    for (int i = 0; i < 8; i++)
        assert_int_equal(sl_loss_next(&q), want[i]);
    sl_loss_done(&q);
}

static void a_bad_pattern_is_told_with_its_line(void **state)
{
    (void)state;
    uint8_t *p;
    size_t n;
    struct sl_error err = {0};
    assert_false(sl_loss_pattern_parse("01\n02\n", 6, "p.txt", &p, &n, &err));
    assert_string_equal(err.file, "p.txt");
    assert_int_equal(err.line, 2);
    assert_false(sl_loss_pattern_parse("# 1\n", 4, "p.txt", &p, &n, &err));
    assert_string_equal(err.msg, "there is no 0 or 1 in this loss pattern");
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Kolmogorov-Smirnov at 1 %: 1.628 / sqrt(n).
static void delays_follow_their_distributions(void **state)
{
    (void)state;
    enum { N = 20000 };
    static double v[N];
    for (int kind = 0; kind < 3; kind++) {
        struct sl_conditions c = given(kind == 0   ? "delay 100ms jitter 10ms"
                                       : kind == 1 ? "delay 100ms jitter 10ms distribution normal"
                                                   : "delay 100ms jitter 10ms distribution pareto");
        struct sl_delay d;
        struct sl_error err = {0};
        assert_true(sl_delay_init(&d, &c, 21, 0, &err));
        for (int i = 0; i < N; i++)
            v[i] = ((double)sl_delay_next(&d) - 100e6) / 10e6; // in units of the jitter
        qsort(v, N, sizeof *v, by_value);
        double worst = 0;
        for (int i = 0; i < N; i++) {
            double x = v[i] * 0.86602540378443865 + 1.5;
            double f = kind == 0   ? (v[i] + 1) / 2
                       : kind == 1 ? erfc(-v[i] / sqrt(2)) / 2
                                   : 1 - pow(x, -3);
            worst = fmax(worst, fmax(fabs(f - (double)i / N), fabs(f - (double)(i + 1) / N)));
        }
        assert_true(worst < 1.628 / sqrt(N));
        sl_delay_done(&d);
    }
}

static void a_file_of_delays_is_drawn_from(void **state)
{
    (void)state;
    struct sl_error err = {0};
    const char text[] = "# ms\n1.5\n\n20 # far\n1\n";
    struct sl_delay d = {.fixed_ns = MS, .rng = sl_rng_stream(2, "test.delay", 0)};
    assert_true(sl_delays_parse(text, sizeof text - 1, "d", &d.file_ns, &d.n_file, &err));
    assert_int_equal(d.n_file, 3);
    assert_true(d.file_ns[0] == MS && d.file_ns[1] == 1500000 && d.file_ns[2] == 20 * MS);
    int seen[3] = {0};
    for (int i = 0; i < 3000; i++) {
        int64_t x = sl_delay_next(&d) - MS;
        for (int k = 0; k < 3; k++)
            seen[k] += x == d.file_ns[k];
    }
    assert_int_equal(seen[0] + seen[1] + seen[2], 3000);
    for (int k = 0; k < 3; k++) // 2.576 * sqrt(3000 * 1/3 * 2/3) = 66.5
        assert_true(abs(seen[k] - 1000) < 67);
    sl_delay_done(&d);
    int64_t *ns;
    size_t n;
    static const char *const bad[] = {"-1\n", "1ms\n", "0x3\n", "nan\n", "9999999\n", "\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(sl_delays_parse(bad[i], strlen(bad[i]), "d", &ns, &n, &err));
}

static void the_same_seed_gives_the_same_decisions(void **state)
{
    (void)state;
    struct sl_loss a = loss_of("loss 10%", 4), b = loss_of("loss 10%", 4),
                   c = loss_of("loss 10%", 5);
    int same = 0;
    for (int i = 0; i < 10000; i++) {
        bool x = sl_loss_next(&a);
        assert_int_equal(x, sl_loss_next(&b));
        same += x == sl_loss_next(&c);
    }
    assert_true(same < 9000); // 82 % of independent decisions agree
}

// ---- capacity traces ----------------------------------------------------------------------------

static struct sl_capacity trace(const char *text)
{
    struct sl_capacity c;
    struct sl_error err = {0};
    assert_true(sl_capacity_parse(&c, text, strlen(text), "t", &err));
    sl_capacity_start(&c, 0);
    return c;
}

// By hand, 1,504 bytes each at 1, 1, 3 ms and again from 3 ms on: 4, 4, 6, ...
static void opportunities_are_used_by_byte(void **state)
{
    (void)state;
    struct sl_capacity c = trace("1\n1\n3\n");
    assert_int_equal(sl_capacity_serve(&c, 0, 1000), 1 * MS);
    assert_int_equal(sl_capacity_serve(&c, 0, 504), 1 * MS);  // the rest of the first
    assert_int_equal(sl_capacity_serve(&c, 0, 1505), 3 * MS); // the second, and a byte of the third
    assert_int_equal(sl_capacity_serve(&c, 0, 1503), 3 * MS);
    assert_int_equal(sl_capacity_serve(&c, 0, 3008), 4 * MS); // both at 4 ms
    assert_int_equal(sl_capacity_serve(&c, 0, 1), 6 * MS);
    sl_capacity_done(&c);
}

static void an_opportunity_without_packets_is_lost(void **state)
{
    (void)state;
    struct sl_capacity c = trace("1\n1\n3\n");
    assert_int_equal(sl_capacity_serve(&c, 0, 100), 1 * MS);
    // It comes at 1.5 ms: what was left of the first, and the second, are gone.
    assert_int_equal(sl_capacity_serve(&c, 1500000, 100), 3 * MS);
    // Turns start at 3, 6, 9, ... ms: after 100 ms the next is at 99 + 3 = 102 ms.
    assert_int_equal(sl_capacity_serve(&c, 101 * MS, 100), 102 * MS);
    assert_int_equal(sl_capacity_serve(&c, 102 * MS + 1, 100), 103 * MS);
    sl_capacity_done(&c);
}

static void a_bad_trace_is_told_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
        int line;
    } all[] = {{"1\n\n2\n", "an empty line in a capacity trace", 2},
               {"1\n3\n2\n", "times of a capacity trace do not go down", 3},
               {"1\n2x\n", "this is not a whole number of milliseconds", 2},
               {"-1\n", "this is not a whole number of milliseconds", 1},
               {"0\n0\n", "the last time of a capacity trace is above 0", 2},
               {"", "this capacity trace is empty", 0},
               {"99999999999\n", "this time is beyond 24 days", 1}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct sl_capacity c;
        struct sl_error err = {0};
        assert_false(sl_capacity_parse(&c, all[i].text, strlen(all[i].text), "t", &err));
        assert_string_equal(err.msg, all[i].why);
        assert_int_equal(err.line, all[i].line);
    }
}

// ---- queues -------------------------------------------------------------------------------------

struct world {
    struct sl_pbuf_pool *pool;
    struct sl_queue q;
    int tail, early;
};

static void dropped(void *ctx, struct sl_pbuf *b, enum sl_queue_verdict why)
{
    struct world *w = ctx;
    *(why == SL_QUEUE_TAIL ? &w->tail : &w->early) += 1;
    sl_pbuf_free(w->pool, b);
}

static void begin(struct world *w, enum sl_aqm aqm, bool ecn, uint64_t packets, uint64_t bytes)
{
    struct sl_error err = {0};
    *w = (struct world){.pool = sl_pbuf_pool_new(64 << 20, &err)};
    sl_queue_init(&w->q, sl_rng_stream(1, "test.queue", 0), dropped, w);
    sl_queue_change(&w->q, aqm, ecn, packets, bytes);
}

static void end(struct world *w)
{
    for (struct sl_pbuf *b; (b = sl_queue_take(&w->q, INT64_MAX / 2));)
        sl_pbuf_free(w->pool, b);
    sl_queue_done(&w->q);
    assert_int_equal(sl_pbuf_pool_used(w->pool), 0);
    sl_pbuf_pool_free(w->pool);
}

// A UDP packet of a flow.
static struct sl_pbuf *packet(struct world *w, uint16_t port, uint32_t bytes, bool ect)
{
    struct sl_pbuf *b = sl_pbuf_new(w->pool, bytes);
    memset(b->data, 0, bytes);
    b->bytes = bytes;
    b->data[0] = 0x45;
    b->data[1] = ect ? 2 : 0;
    b->data[9] = 17;
    b->data[20] = (uint8_t)(port >> 8);
    b->data[21] = (uint8_t)port;
    return b;
}

static void the_tail_is_dropped_by_packets_or_bytes(void **state)
{
    (void)state;
    struct world w;
    begin(&w, SL_AQM_NONE, false, 3, 0);
    for (int i = 0; i < 5; i++)
        sl_queue_put(&w.q, packet(&w, 1, 1000, false), 0);
    assert_true(w.tail == 2 && w.q.packets == 3 && w.q.bytes == 3000);
    end(&w);
    begin(&w, SL_AQM_NONE, false, 0, 2500);
    sl_queue_put(&w.q, packet(&w, 1, 1500, false), 0);
    sl_queue_put(&w.q, packet(&w, 1, 1500, false), 0);
    sl_queue_put(&w.q, packet(&w, 1, 1000, false), 0);
    assert_true(w.tail == 1 && w.q.bytes == 2500);
    end(&w);
}

// RFC 8289: sojourn above 5 ms for 100 ms, then a drop, the next 100 ms / sqrt(2) later, ...
static void codel_drops_at_its_law(void **state)
{
    (void)state;
    struct world w;
    begin(&w, SL_AQM_CODEL, false, 0, 0);
    int64_t drops[4];
    int n = 0;
    for (int i = 0; i < 3000; i++)
        sl_queue_put(&w.q, packet(&w, 1, 1000, false), 0);
    for (int64_t ms = 1; n < 4; ms++) { // one packet a millisecond leaves; all have waited
        int before = w.early;
        sl_pbuf_free(w.pool, sl_queue_take(&w.q, ms * MS));
        if (w.early > before)
            drops[n++] = ms;
    }
    // Above target from 5 ms on; first drop 100 ms later; then 100/sqrt(k) ms after the one before.
    assert_int_equal(drops[0], 105);
    assert_true(llabs(drops[1] - (105 + 100)) <= 1);
    assert_true(llabs(drops[2] - (205 + 71)) <= 1);
    assert_true(llabs(drops[3] - (276 + 58)) <= 2);
    end(&w);
}

static void codel_marks_where_it_can(void **state)
{
    (void)state;
    struct world w;
    begin(&w, SL_AQM_CODEL, true, 0, 0);
    for (int i = 0; i < 1000; i++)
        sl_queue_put(&w.q, packet(&w, 1, 1000, true), 0);
    for (int64_t ms = 1; ms < 400; ms++)
        sl_pbuf_free(w.pool, sl_queue_take(&w.q, ms * MS));
    assert_int_equal(w.early, 0);
    assert_true(w.q.marks >= 4);
    end(&w);
}

// A fat flow fills the queue; a thin one sends a packet a millisecond and does not wait for it.
static void fq_codel_keeps_a_thin_flow_apart(void **state)
{
    (void)state;
    struct world w;
    begin(&w, SL_AQM_FQ_CODEL, false, 1000, 0);
    for (int i = 0; i < 900; i++)
        sl_queue_put(&w.q, packet(&w, 7, 1500, false), 0);
    int64_t worst = 0;
    int thin = 0;
    for (int64_t ms = 1; ms < 300; ms++) {
        sl_queue_put(&w.q, packet(&w, 9, 100, false), ms * MS);
        for (int k = 0; k < 2; k++) {
            struct sl_pbuf *b = sl_queue_take(&w.q, ms * MS + k * MS / 2);
            if (b && b->bytes == 100) {
                int64_t waited = ms * MS + k * MS / 2 - b->arrived_ns;
                worst = waited > worst ? waited : worst;
                thin++;
            }
            if (b)
                sl_pbuf_free(w.pool, b);
        }
    }
    assert_true(thin >= 297 && worst <= 2 * MS);
    end(&w);
}

static void the_fullest_flow_loses_at_the_limit(void **state)
{
    (void)state;
    struct world w;
    begin(&w, SL_AQM_FQ_CODEL, false, 10, 0);
    for (int i = 0; i < 10; i++)
        sl_queue_put(&w.q, packet(&w, 7, 1500, false), 0);
    sl_queue_put(&w.q, packet(&w, 9, 100, false), 0);
    assert_int_equal(w.tail, 1);
    struct sl_pbuf *b;
    int thin = 0;
    while ((b = sl_queue_take(&w.q, 1))) {
        thin += b->bytes == 100;
        sl_pbuf_free(w.pool, b);
    }
    assert_int_equal(thin, 1);
    end(&w);
}

// Thresholds 1/6 and 1/2 of 60,000 bytes: an average below 10,000 drops nothing, beyond 60,000 all.
static void red_spares_a_short_queue_and_no_long_one(void **state)
{
    (void)state;
    struct world w;
    begin(&w, SL_AQM_RED, false, 0, 60000);
    for (int i = 0; i < 20000; i++) {
        sl_queue_put(&w.q, packet(&w, 1, 1000, false), i * MS);
        if (w.q.packets > 8)
            sl_pbuf_free(w.pool, sl_queue_take(&w.q, i * MS));
    }
    assert_int_equal(w.early, 0);
    w.q.red_average = 60001;
    for (int i = 0; i < 20; i++)
        sl_queue_put(&w.q, packet(&w, 1, 1000, false), 20000 * MS);
    assert_int_equal(w.early, 20); // 20 * 0.002 * (60001 - 8000) keeps it above 57,000: nearly sure
    end(&w);
}

static void a_change_of_kind_keeps_what_waits(void **state)
{
    (void)state;
    struct world w;
    begin(&w, SL_AQM_NONE, false, 0, 0);
    static const enum sl_aqm kinds[] = {SL_AQM_FQ_CODEL, SL_AQM_CODEL, SL_AQM_RED, SL_AQM_NONE};
    for (int i = 0; i < 40; i++)
        sl_queue_put(&w.q, packet(&w, (uint16_t)(i % 4), 1000, false), 0);
    for (int k = 0; k < 4; k++) {
        sl_queue_change(&w.q, kinds[k], false, 0, 100000);
        assert_true(w.q.packets == 40 && w.q.bytes == 40000);
    }
    int n = 0;
    for (struct sl_pbuf *b; (b = sl_queue_take(&w.q, 1)); n++)
        sl_pbuf_free(w.pool, b);
    assert_int_equal(n, 40);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_loss_lies_in_its_interval),
        cmocka_unit_test(gaps_between_random_losses_are_geometric),
        cmocka_unit_test(bursts_have_their_share_and_their_length),
        cmocka_unit_test(every_nth_and_patterns_are_exact),
        cmocka_unit_test(a_bad_pattern_is_told_with_its_line),
        cmocka_unit_test(delays_follow_their_distributions),
        cmocka_unit_test(a_file_of_delays_is_drawn_from),
        cmocka_unit_test(the_same_seed_gives_the_same_decisions),
        cmocka_unit_test(opportunities_are_used_by_byte),
        cmocka_unit_test(an_opportunity_without_packets_is_lost),
        cmocka_unit_test(a_bad_trace_is_told_with_its_line),
        cmocka_unit_test(the_tail_is_dropped_by_packets_or_bytes),
        cmocka_unit_test(codel_drops_at_its_law),
        cmocka_unit_test(codel_marks_where_it_can),
        cmocka_unit_test(fq_codel_keeps_a_thin_flow_apart),
        cmocka_unit_test(the_fullest_flow_loses_at_the_limit),
        cmocka_unit_test(red_spares_a_short_queue_and_no_long_one),
        cmocka_unit_test(a_change_of_kind_keeps_what_waits),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sl_arena_done(&arena);
    return failed;
}
