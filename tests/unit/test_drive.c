// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "drive/drive.h"
#include "drive/html.h"
#include "drive/meter.h"
#include "drive/pace.h"
#include "drive/site.h"
#include "drive/wire.h"
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static const int64_t ms = 1000000;

// Tokens taken while a fake clock runs from one time to another, a look every `grain`.
static int taken(struct sl_pace *p, int64_t from, int64_t to, int64_t grain)
{
    int n = 0;
    for (int64_t t = from; t < to; t += grain)
        while (sl_pace_take(p, t))
            n++;
    return n;
}

static void a_pace_never_strays_more_than_one_token_from_its_rate(void **state)
{
    (void)state;
    struct sl_pace p;
    sl_pace_init(&p, 50, sl_rng_stream(1, "test", 0), 0);
    int total = 0;
    for (int i = 1; i <= 100; i++) { // every 0.2 s: 50 * 0.2 = 10 tokens
        total += taken(&p, (i - 1) * 200 * ms, i * 200 * ms, ms);
        assert_in_range(total, 10 * i - 1, 10 * i + 1);
    }
    assert_int_equal(p.lost, 0);
}

static void a_new_rate_counts_from_the_moment_it_is_set(void **state)
{
    (void)state;
    struct sl_pace p;
    sl_pace_init(&p, 1, sl_rng_stream(1, "test", 0), 0);
    taken(&p, 0, 100 * ms, ms);
    sl_pace_set(&p, 1000, 100 * ms);
    int n = taken(&p, 100 * ms, 1100 * ms, ms / 2); // one second at 1000/s
    assert_in_range(n, 998, 1002);
}

static void tokens_nobody_takes_are_lost_after_half_a_second(void **state)
{
    (void)state;
    struct sl_pace p;
    sl_pace_init(&p, 100, sl_rng_stream(1, "test", 0), 0);
    int n = 0;
    while (sl_pace_take(&p, 10000 * ms)) // 1000 fell due; 100/s * 0.5 s = 50 are kept
        n++;
    assert_in_range(n, 49, 52);
    assert_in_range((int)p.lost, 947, 952);
}

static void rate_zero_always_has_a_token(void **state)
{
    (void)state;
    struct sl_pace p;
    sl_pace_init(&p, 0, sl_rng_stream(1, "test", 0), 5);
    for (int i = 0; i < 1000; i++)
        assert_true(sl_pace_take(&p, 5));
    assert_int_equal(sl_pace_next_ns(&p), 5);
}

static void the_next_token_is_announced_exactly(void **state)
{
    (void)state;
    struct sl_pace p;
    sl_pace_init(&p, 3, sl_rng_stream(9, "test", 0), 0);
    for (int i = 0; i < 50; i++) {
        int64_t at = sl_pace_next_ns(&p);
        assert_false(sl_pace_take(&p, at - 10));
        assert_true(sl_pace_take(&p, at));
    }
}

static void think_times_have_the_mean_asked_for(void **state)
{
    (void)state;
    struct sl_rng rng = sl_rng_stream(3, "test", 0);
    double sum = 0;
    for (int i = 0; i < 200000; i++) {
        double s = sl_pace_think_s(&rng, 2.0);
        assert_true(s >= 0 && s <= 10.0);
        sum += s;
    }
    // Truncation at 5 means: E[min(X, 5m)] / m = Phi(d - 1) + 5 (1 - Phi(d)) with
    // d = ln 5 + 1/2 = 2.109: 0.8663 + 5 * 0.01746 = 0.9536.
    assert_true(fabs(sum / 200000 / 2.0 - 0.9536) < 0.01);
}

static void a_mix_keeps_its_shares_over_short_stretches(void **state)
{
    (void)state;
    struct sl_rng rng = sl_rng_stream(4, "test", 0);
    struct sl_mix m;
    sl_mix_init(&m, &rng);
    const double w[3] = {5, 3, 2};
    int n[3] = {0};
    for (int i = 0; i < 100; i++)
        n[sl_mix_choose(&m, w, 3)]++;
    assert_in_range(n[0], 47, 53);
    assert_in_range(n[1], 27, 33);
    assert_in_range(n[2], 17, 23);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pace_never_strays_more_than_one_token_from_its_rate),
        cmocka_unit_test(a_new_rate_counts_from_the_moment_it_is_set),
        cmocka_unit_test(tokens_nobody_takes_are_lost_after_half_a_second),
        cmocka_unit_test(rate_zero_always_has_a_token),
        cmocka_unit_test(the_next_token_is_announced_exactly),
        cmocka_unit_test(think_times_have_the_mean_asked_for),
        cmocka_unit_test(a_mix_keeps_its_shares_over_short_stretches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
