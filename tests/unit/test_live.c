// SPDX-License-Identifier: Apache-2.0
#include "instance/who.h"
#include "live/control.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

// A server that answers each request with `bits` bits, and at most `capacity` requests per second
// and session.
struct server {
    double bits, capacity;
};

static double play(const struct server *v, struct sl_source *s, struct sl_sample *out)
{
    double can = v->capacity * s->users, does = s->rate < can ? s->rate : can;
    *out = (struct sl_sample){does * v->bits, does};
    return out->bits;
}

static void a_wrong_first_guess_is_mended_within_ten_seconds(void **state)
{
    (void)state;
    // The catalogue said 8 kbit a reply; the server gives 80.
    struct server v = {80e3, 1000};
    struct sl_source s = {.driven = true,
                          .share = 1,
                          .bits_per_request = 8e3,
                          .rate = 1250,
                          .users = 4,
                          .users_max = 4};
    struct sl_control c = {.asked_bps = 10e6, .sources = &s, .n_sources = 1};
    double late = 0;
    for (int t = 0; t < 30; t++) {
        struct sl_sample m;
        double got = play(&v, &s, &m);
        sl_control_tick(&c, 1, &m);
        if (t >= 10)
            late += got;
    }
    assert_true(fabs(late / 20 - 10e6) < 0.02 * 10e6); // within 2 % from the tenth second on
}

static void a_slow_server_gets_more_sessions(void **state)
{
    (void)state;
    // 100 requests/s are needed and a session does 5: at least 20 sessions.
    struct server v = {100e3, 5};
    struct sl_source s = {.driven = true,
                          .share = 1,
                          .bits_per_request = 100e3,
                          .rate = 100,
                          .users = 1,
                          .users_max = 64};
    struct sl_control c = {.asked_bps = 10e6, .sources = &s, .n_sources = 1};
    double got = 0;
    for (int t = 0; t < 40; t++) {
        struct sl_sample m;
        got = play(&v, &s, &m);
        sl_control_tick(&c, 1, &m);
    }
    assert_true(s.users >= 20 && s.users <= 64);
    assert_true(fabs(got - 10e6) < 0.05 * 10e6);
}

static void sessions_stay_within_the_flow_bound(void **state)
{
    (void)state;
    struct server v = {100e3, 5};
    struct sl_source s = {.driven = true,
                          .share = 1,
                          .bits_per_request = 100e3,
                          .rate = 100,
                          .users = 1,
                          .users_max = 3};
    struct sl_control c = {.asked_bps = 10e6, .sources = &s, .n_sources = 1};
    for (int t = 0; t < 40; t++) {
        struct sl_sample m;
        play(&v, &s, &m);
        sl_control_tick(&c, 1, &m);
    }
    assert_int_equal(s.users, 3);
    assert_true(s.saturated);
}

static void what_one_source_cannot_give_the_other_gives(void **state)
{
    (void)state;
    struct server slow = {100e3, 10},
                  fast = {100e3, 1000}; // slow: 1 session, 10 requests/s = 1 Mbit/s
    struct sl_source s[2] = {{.driven = true,
                              .share = 1,
                              .bits_per_request = 100e3,
                              .rate = 50,
                              .users = 1,
                              .users_max = 1},
                             {.driven = true,
                              .share = 1,
                              .bits_per_request = 100e3,
                              .rate = 50,
                              .users = 1,
                              .users_max = 1}};
    struct sl_control c = {.asked_bps = 10e6, .sources = s, .n_sources = 2};
    double total = 0;
    for (int t = 0; t < 40; t++) {
        struct sl_sample m[2];
        total = play(&slow, &s[0], &m[0]) + play(&fast, &s[1], &m[1]);
        sl_control_tick(&c, 1, m);
    }
    assert_true(fabs(total - 10e6) < 0.03 * 10e6);
}

static void a_dead_driver_is_left_out(void **state)
{
    (void)state;
    struct sl_source s[2] = {
        {.driven = true, .share = 1, .bits_per_request = 1e5, .dead = true},
        {.driven = true, .share = 1, .bits_per_request = 1e5, .users = 1, .users_max = 1}};
    struct sl_control c = {.asked_bps = 10e6, .sources = s, .n_sources = 2};
    struct sl_sample m[2] = {{0, 0}, {10e6, 100}};
    sl_control_tick(&c, 1, m);
    assert_true(s[0].rate == 0);
    assert_true(fabs(s[1].rate - 100) < 1); // 10 Mbit/s over 100 kbit a request
}

static void an_address_nobody_owns_is_a_stranger(void **state)
{
    (void)state;
    struct sl_who_book *b = sl_who_new();
    for (uint32_t k = 1; k <= 1000; k++)
        sl_who_add(b, &(struct sl_who){.ipv4 = 0x0ac90000 + k, .instance = (int)k, .service = "x"});
    for (uint32_t k = 1; k <= 1000; k++)
        assert_int_equal(sl_who_find(b, 0x0ac90000 + k)->instance, (int)k);
    assert_null(sl_who_find(b, 0x0ac90000 + 1001));
    assert_null(sl_who_find(b, 0));
    sl_who_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_first_guess_is_mended_within_ten_seconds),
        cmocka_unit_test(a_slow_server_gets_more_sessions),
        cmocka_unit_test(sessions_stay_within_the_flow_bound),
        cmocka_unit_test(what_one_source_cannot_give_the_other_gives),
        cmocka_unit_test(a_dead_driver_is_left_out),
        cmocka_unit_test(an_address_nobody_owns_is_a_stranger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
