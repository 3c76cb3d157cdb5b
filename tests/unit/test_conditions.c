// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"
#include "link/conditions.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct sl_arena arena;

static struct sl_conditions given(const char *words)
{
    struct sl_conditions c = {0};
    struct sl_error err = {0};
    if (!sl_conditions_parse(&c, words, &arena, &err))
        fail_msg("%s: %s", words, err.msg);
    return c;
}

static void refused(const char *words, const char *part)
{
    struct sl_conditions c = {0};
    struct sl_error err = {0};
    bool ok = sl_conditions_parse(&c, words, &arena, &err) && sl_conditions_check(&c, &err);
    if (ok || !strstr(err.msg, part))
        fail_msg("'%s' gave '%s', not '%s'", words, ok ? "no error" : err.msg, part);
    assert_int_equal(err.code, SL_EUSAGE);
}

static void units_are_nanoseconds_bits_and_shares(void **state)
{
    (void)state;
    struct sl_conditions c =
        given("rate 1.5Gbps delay 150us jitter 0.5ms loss 0.1% burst 15KB mtu 576");
    assert_true(c.rate_bps.lo == 1.5e9 && c.rate_bps.hi == 1.5e9);
    assert_true(c.delay_ns.lo == 150e3 && c.jitter_ns.lo == 500e3);
    assert_true(fabs(c.loss.lo - 0.001) < 1e-15);
    assert_int_equal(c.burst_bytes, 15000);
    assert_int_equal(c.mtu, 576);
}

// netMosaic's settings B and C (ANRW 2024).
static void ranges_take_the_unit_of_their_end(void **state)
{
    (void)state;
    struct sl_conditions c = given("loss 0-30% delay 0-3ms rate 500-1000Mbps");
    assert_true(c.loss.lo == 0 && fabs(c.loss.hi - 0.3) < 1e-12);
    assert_true(c.delay_ns.lo == 0 && c.delay_ns.hi == 3e6);
    assert_true(c.rate_bps.lo == 5e8 && c.rate_bps.hi == 1e9);
    c = given("delay 500us-3ms");
    assert_true(c.delay_ns.lo == 5e5 && c.delay_ns.hi == 3e6);
}

static void what_cannot_be_is_refused_with_its_reason(void **state)
{
    (void)state;
    refused("delay -5ms", "delay cannot be negative");
    refused("loss -1%", "loss cannot be negative");
    refused("loss 101%", "loss is at most 100%");
    refused("loss 5", "is not a value of loss");
    refused("delay 20", "is not a value of delay");
    refused("delay 0x10ms", "is not a value of delay");
    refused("delay 3ms-1ms", "it ends below its start");
    refused("rate 0bps", "at least 1kbps");
    refused("rate 500Gbps", "rate is at most 400000Mbps");
    refused("queue 0", "queue is 1 to");
    refused("mtu 20", "mtu is 68 to 65535");
    refused("aqm pie", "is not a value of aqm");
    refused("ecn maybe", "no condition 'maybe'");
    refused("carrier sideways", "is not a value of carrier");
    refused("dealy 5ms", "there is no condition 'dealy'");
    refused("delay", "delay needs a value");
    refused("loss-model 0%,0%", "never leaves a state");
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    // r = 1/b, p = rL/(1-L): L = 90 % with b = 8 gives p = 1.125; b = 9 gives 1.
    refused("loss 90% loss-burst 8", "cannot come in bursts of 8");
    given("loss 90% loss-burst 9");
    refused("loss-burst 3", "loss-burst needs a loss");
    refused("delay 1ms jitter 2ms", "before they came");
    refused("distribution normal", "needs a jitter");
    refused("jitter-reorders", "needs a jitter");
    refused("reorder 1%", "reorder needs a delay");
    refused("queue 100p", "queue needs a rate");
    refused("aqm codel", "aqm needs a rate");
    refused("rate 1Mbps ecn", "ecn needs an aqm");
}

static void an_unknown_word_names_the_nearest(void **state)
{
    (void)state;
    struct sl_conditions c = {0};
    struct sl_error err = {0};
    assert_false(sl_conditions_parse(&c, "dealy 5ms", &arena, &err));
    assert_string_equal(err.hint, "did you mean 'delay'?");
}

static void one_way_of_losing_replaces_another(void **state)
{
    (void)state;
    struct sl_conditions c = given("loss 5% loss-every 10");
    assert_false(c.given >> SL_COND_LOSS & 1);
    struct sl_conditions change = given("loss 2%");
    sl_conditions_merge(&c, &change);
    assert_false(c.given >> SL_COND_LOSS_EVERY & 1);
    assert_true(fabs(c.loss.lo - 0.02) < 1e-15);
}

static void a_change_leaves_the_rest(void **state)
{
    (void)state;
    struct sl_conditions c = given("delay 20ms rate 10Mbps aqm codel ecn");
    struct sl_conditions change = given("delay 30ms");
    sl_conditions_merge(&c, &change);
    struct sl_str text = {0};
    sl_conditions_text(&c, &text);
    assert_string_equal(sl_str_text(&text), "rate 10Mbps delay 30ms aqm codel ecn");
    sl_str_done(&text);
}

static void every_text_is_read_back_as_the_same(void **state)
{
    (void)state;
    static const char *const all[] = {
        "rate 1Mbps-2Gbps burst 3000 overhead frame delay 20ms jitter 3us distribution normal "
        "jitter-reorders",
        "capacity trace.up loss-model 1%,25%,100%,0%",
        "rate 10Mbps overhead 42 queue 100p,64000B aqm fq-codel ecn",
        "loss 1% loss-burst 2.5 loss-behind duplicate 0.01% delay 1ms reorder 3% corrupt 0.5%",
        "loss-every 7 carrier down mtu 1400",
        "loss-pattern p.txt delay 1s distribution ./d.txt",
        "rate 8Mbps whole overhead wire"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct sl_conditions c = given(all[i]);
        struct sl_str one = {0}, two = {0};
        sl_conditions_text(&c, &one);
        struct sl_conditions again = given(sl_str_text(&one));
        sl_conditions_text(&again, &two);
        assert_string_equal(sl_str_text(&one), sl_str_text(&two));
        struct sl_error err = {0};
        struct sl_conditions from = {0};
        json_t *j = sl_conditions_json(&c);
        assert_true(sl_conditions_from_json(j, &from, &arena, &err));
        json_decref(j);
        sl_str_clear(&two);
        sl_conditions_text(&from, &two);
        assert_string_equal(sl_str_text(&one), sl_str_text(&two));
        sl_str_done(&one);
        sl_str_done(&two);
    }
}

static void ranges_are_drawn_by_link_and_seed(void **state)
{
    (void)state;
    struct sl_conditions a = given("loss 0-30% delay 0-3ms"), b = a, c = a, d = given("loss 0-30%");
    sl_conditions_draw(&a, 7, "h1-h2.up");
    sl_conditions_draw(&b, 7, "h1-h2.up");
    sl_conditions_draw(&c, 7, "h1-h2.down");
    sl_conditions_draw(&d, 7, "h1-h2.up");
    assert_true(a.loss.lo == b.loss.lo && a.loss.lo == a.loss.hi);
    assert_true(a.loss.lo != c.loss.lo);
    assert_true(a.loss.lo == d.loss.lo); // another range does not disturb it
    double sum = 0;
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "l%d", i);
        struct sl_conditions x = given("loss 10-30%");
        sl_conditions_draw(&x, 1, name);
        assert_true(x.loss.lo >= 0.1 && x.loss.lo <= 0.3);
        sum += x.loss.lo;
    }
    // Uniform: mean 0.2, standard error 0.2 / sqrt(12 * 1000) = 0.0018; four of them.
    assert_true(fabs(sum / 1000 - 0.2) < 0.0073);
}

// By hand: 100 ms of 100 Mbit/s are 1.25 MB; a round trip of 2 * 200 ms is 5 MB; 64 * 1538 bytes.
static void the_queue_holds_a_round_trip_or_100_ms(void **state)
{
    (void)state;
    struct sl_conditions c = given("rate 100Mbps delay 10ms");
    assert_int_equal(sl_conditions_queue_bytes(&c), 1250000);
    c = given("rate 100Mbps delay 200ms");
    assert_int_equal(sl_conditions_queue_bytes(&c), 5000000);
    c = given("rate 64kbps");
    assert_int_equal(sl_conditions_queue_bytes(&c), 64 * 1538);
    c = given("rate 1Gbps delay 50ms queue 1MB");
    assert_true(sl_conditions_memory_bytes(&c) == 1e9 / 8 * 0.05 + 1e6);
}

static void half_way_is_the_mean(void **state)
{
    (void)state;
    struct sl_conditions a = given("rate 10Mbps delay 20ms loss 1%"),
                         b = given("rate 30Mbps delay 40ms loss 3%"), m;
    sl_conditions_between(&a, &b, 0.5, &m);
    assert_true(m.rate_bps.lo == 20e6 && m.delay_ns.lo == 30e6 && fabs(m.loss.lo - 0.02) < 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_nanoseconds_bits_and_shares),
        cmocka_unit_test(ranges_take_the_unit_of_their_end),
        cmocka_unit_test(what_cannot_be_is_refused_with_its_reason),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(an_unknown_word_names_the_nearest),
        cmocka_unit_test(one_way_of_losing_replaces_another),
        cmocka_unit_test(a_change_leaves_the_rest),
        cmocka_unit_test(every_text_is_read_back_as_the_same),
        cmocka_unit_test(ranges_are_drawn_by_link_and_seed),
        cmocka_unit_test(the_queue_holds_a_round_trip_or_100_ms),
        cmocka_unit_test(half_way_is_the_mean),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sl_arena_done(&arena);
    return failed;
}
