// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "base/rng.h"
#include "link/wheel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { TIMERS = 400 };
struct model {
    struct sl_timer t;
    int64_t at;
    uint64_t order;
    bool in;
};

// The one that a sorted list would give.
static int first(const struct model *m)
{
    int best = -1;
    for (int i = 0; i < TIMERS; i++)
        if (m[i].in && (best < 0 || m[i].at < m[best].at ||
                        (m[i].at == m[best].at && m[i].order < m[best].order)))
            best = i;
    return best;
}

static void add(struct sl_wheel *w, struct model *m, int64_t at, uint64_t *order)
{
    m->at = at;
    m->order = (*order)++;
    m->in = true;
    sl_wheel_add(w, &m->t, at);
}

static void it_gives_what_a_sorted_list_gives(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        print_message("seed %d\n", (int)seed);
        struct sl_rng rng = sl_rng_stream(seed, "test.wheel", 0);
        int64_t now = seed % 2 ? 5 : (int64_t)1 << 52;
        struct sl_wheel *w = sl_wheel_new(now);
        struct model m[TIMERS] = {0};
        uint64_t order = 0;
        for (int step = 0; step < 20000; step++) {
            int i = (int)sl_rng_below(&rng, TIMERS);
            static const int64_t spans[] = {3000, 1000000, 200000000, 60000000000, 40000000000000};
            if (sl_rng_below(&rng, 3)) {
                if (m[i].in && sl_rng_below(&rng, 4) == 0) {
                    sl_wheel_remove(w, &m[i].t);
                    m[i].in = false;
                } else if (!m[i].in) {
                    int64_t span = spans[sl_rng_below(&rng, 5)];
                    add(w, &m[i], now + (int64_t)sl_rng_below(&rng, (uint64_t)span) - 50, &order);
                }
                continue;
            }
            now += (int64_t)sl_rng_below(&rng,
                                         (uint64_t)spans[sl_rng_below(&rng, step % 100 ? 3 : 5)]);
            int64_t next = sl_wheel_next(w);
            int want = first(m);
            assert_true(want < 0 ? next == INT64_MAX : next <= m[want].at);
            for (struct sl_timer *t; (t = sl_wheel_pop(w, now));) {
                want = first(m);
                assert_true(want >= 0 && m[want].at <= now);
                struct model *got = (struct model *)t;
                assert_true(got->in && got->at == m[want].at); // nothing early, nothing left behind
                if (got->at >=
                    now - 1000000) // those that were late when they came stand as they came
                    assert_true(got->at == m[want].at);
                got->in = false;
            }
            want = first(m);
            assert_true(want < 0 || m[want].at > now);
        }
        sl_wheel_free(w);
    }
}

static void equal_times_leave_as_they_came(void **state)
{
    (void)state;
    struct sl_wheel *w = sl_wheel_new(0);
    struct sl_timer t[10] = {{0}};
    for (int i = 0; i < 10; i++)
        sl_wheel_add(w, &t[i], 1000000000);
    assert_null(sl_wheel_pop(w, 999999999));
    for (int i = 0; i < 10; i++)
        assert_ptr_equal(sl_wheel_pop(w, 1000000000), &t[i]);
    assert_null(sl_wheel_pop(w, 2000000000));
    sl_wheel_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_what_a_sorted_list_gives),
        cmocka_unit_test(equal_times_leave_as_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
