// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"
#include "base/str.h"
#include "classes/classes.h"
#include "measure/rates.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

#define SECOND INT64_C(1000000000)
enum { T0 = 1700000000 }; // seconds

static const char *letter(void *ctx, uint32_t cls)
{
    static const char *const names[] = {"a", "b", "c", "e"};
    (void)ctx;
    return names[cls];
}

static struct sl_rates *rates(struct sl_rates_options opt)
{
    struct sl_error err = {0};
    opt.classes = opt.classes ? opt.classes : 4;
    opt.name = letter;
    struct sl_rates *r = sl_rates_new(&opt, &err);
    assert_non_null(r);
    return r;
}

static bool add_line(void *ctx, const struct sl_rate_row *row)
{
    struct sl_str *text = ctx;
    sl_str_addf(text, "%" PRId64 ",%s", row->start_ns, letter(NULL, row->cls));
    for (int dir = 0; dir < 2; dir++)
        sl_str_addf(text, ",%" PRIu64, row->cell.packets[dir]);
    for (int dir = 0; dir < 2; dir++)
        sl_str_addf(text, ",%" PRIu64, row->cell.bytes[dir]);
    sl_str_addf(text, ",%" PRIu64 ",%u\n", row->cell.flows, row->interface);
    return true;
}

// start_ns,class,packets_up,packets_down,bytes_up,bytes_down,flows,interface
static char *text_of(const struct sl_rates *r)
{
    struct sl_str text = {0};
    assert_true(sl_rates_each(r, add_line, &text));
    return text.text ? text.text : strdup("");
}

static void packets_are_summed_by_second_class_and_direction(void **state)
{
    (void)state;
    struct sl_rates *r = rates((struct sl_rates_options){0});
    int64_t t = T0 * SECOND;
    assert_int_equal(sl_rates_add(r, t, 1, 0, 0, 100, 1), T0);
    sl_rates_active(r, T0, 1, 0);
    sl_rates_add(r, t + SECOND - 1, 1, 0, 0, 50, 1); // the last nanosecond of that second
    sl_rates_add(r, t + SECOND - 1, 1, 0, 1, 7, 1);
    sl_rates_add(r, t + SECOND, 1, 0, 0, 1, 1);
    sl_rates_add(r, t + 3 * SECOND, 2, 0, 1, 9, 2);
    sl_rates_add(r, t, 0, 0, 0, 3, 1); // time goes back: that second goes on
    char *text = text_of(r);
    assert_string_equal(text, "1700000000000000000,a,1,0,3,0,0,0\n"
                              "1700000000000000000,b,2,1,150,7,1,0\n"
                              "1700000001000000000,b,1,0,1,0,0,0\n"
                              "1700000003000000000,c,0,2,0,9,0,0\n");
    free(text);
    sl_rates_free(r);
}

static void a_row_has_the_columns_values_and_the_interface_last(void **state)
{
    (void)state;
    struct sl_rates *r = rates((struct sl_rates_options){.interfaces = 2, .bin_ns = SECOND / 10});
    sl_rates_add(r, T0 * SECOND + SECOND / 4, 3, 1, 0, 60, 1); // 0.25 s is in the bin at 0.2 s
    char *text = text_of(r);
    assert_string_equal(text, "1700000000200000000,e,1,0,60,0,0,1\n");
    free(text);
    size_t n;
    assert_string_equal(sl_rates_columns(r, &n)[7].name, "interface");
    assert_int_equal(n, 8);
    struct sl_rate_row row = {.start_ns = 5, .cls = 2, .interface = 1, .cell = {.flows = 4}};
    union sl_value v[8];
    sl_rates_values(r, &row, v);
    assert_int_equal(v[0].i, 5);
    assert_string_equal(v[1].s.p, "c");
    assert_int_equal(v[6].i, 4);
    assert_int_equal(v[7].i, 1);
    sl_rates_free(r);
}

// By hand: 2^20 bins, a quarter of them before the page of the origin.
static void a_clock_that_jumps_is_counted_outside(void **state)
{
    (void)state;
    struct sl_rates *r = rates((struct sl_rates_options){0});
    int64_t t = T0 * SECOND;
    const int64_t origin_page = T0 / 256, first = (origin_page - 1024) * 256, bins = 1 << 20;
    assert_int_equal(sl_rates_add(r, t, 0, 0, 0, 1, 1), T0);
    assert_int_equal(sl_rates_add(r, first * SECOND, 0, 0, 0, 1, 1), first);
    assert_int_equal(sl_rates_add(r, (first + bins - 1) * SECOND, 0, 0, 0, 1, 1), first + bins - 1);
    assert_int_equal(r->outside.packets, 0);
    assert_true(sl_rates_add(r, (first - 1) * SECOND, 0, 0, 0, 10, 1) == SL_RATE_OUTSIDE_BIN);
    assert_true(sl_rates_add(r, (first + bins) * SECOND, 0, 0, 0, 10, 1) == SL_RATE_OUTSIDE_BIN);
    assert_true(sl_rates_add(r, INT64_MIN, 0, 0, 0, 10, 1) == SL_RATE_OUTSIDE_BIN);
    assert_true(sl_rates_add(r, INT64_MAX, 0, 0, 0, 10, 1) == SL_RATE_OUTSIDE_BIN);
    assert_true(sl_rates_add(r, t, 4, 0, 0, 10, 1) == SL_RATE_OUTSIDE_BIN); // no such class
    assert_true(sl_rates_add(r, t, 0, 1, 0, 10, 1) == SL_RATE_OUTSIDE_BIN); // no such interface
    assert_int_equal(r->outside.packets, 6);
    assert_int_equal(r->outside.bytes, 60);
    sl_rates_free(r);
}

// A broken clock: the last nanosecond before 1970 is in the second that starts at -1 s.
static void times_before_1970_have_bins_too(void **state)
{
    (void)state;
    struct sl_rates *r = rates((struct sl_rates_options){0});
    assert_int_equal(sl_rates_add(r, -1, 0, 0, 0, 1, 1), -1);
    assert_int_equal(sl_rates_add(r, -SECOND, 0, 0, 0, 1, 1), -1);
    assert_int_equal(sl_rates_add(r, -SECOND - 1, 0, 0, 0, 1, 1), -2);
    assert_int_equal(sl_rates_add(r, 0, 0, 0, 0, 1, 1), 0);
    char *text = text_of(r);
    assert_non_null(strstr(text, "\n-1000000000,a,2,0,2,0,0,0\n0,a,1,0,1,0,0,0\n"));
    free(text);
    sl_rates_free(r);
}

// By hand: pages of 256 bins at 0, 1, 2, ... after the origin and -1 before it; two may be kept,
// and the nearest are, whichever came first.
static void memory_is_bounded_by_pages_and_the_nearest_are_kept(void **state)
{
    (void)state;
    static const int orders[][5] = {{4, 3, 2, -1, 0}, {0, -1, 2, 3, 4}, {3, 0, 4, -1, 2}};
    for (int o = 0; o < 3; o++) {
        struct sl_rates *r =
            rates((struct sl_rates_options){.max_pages = 2, .origin_ns = T0 * SECOND});
        for (int k = 0; k < 5; k++)
            for (int twice = 0; twice < 2; twice++)
                sl_rates_add(r, (T0 + orders[o][k] * 256) * SECOND, 0, 0, 0, 10, 1);
        char *text = text_of(r);
        assert_string_equal(text, "1699999744000000000,a,2,0,20,0,0,0\n"
                                  "1700000000000000000,a,2,0,20,0,0,0\n");
        free(text);
        assert_int_equal(r->pages, 2);
        assert_int_equal(r->outside.packets, 6);
        assert_int_equal(r->outside.bytes, 60);
        sl_rates_free(r);
    }
}

// The same packets counted by one object, or by three and merged, in any order.
static void merge_parts(uint32_t max_pages)
{
    struct sl_rng rng = sl_rng_stream(7, "test.rates", 0);
    struct sl_rates_options opt = {
        .interfaces = 2, .origin_ns = T0 * SECOND, .max_pages = max_pages};
    struct sl_rates *whole = rates(opt), *merged = rates(opt), *part[3];
    for (int k = 0; k < 3; k++)
        part[k] = rates(opt);
    for (int i = 0; i < 20000; i++) {
        int64_t t = (int64_t)((uint64_t)T0 * 1000000000u + sl_rng_below(&rng, 3000000000000u)) -
                    1000 * SECOND;
        uint32_t cls = (uint32_t)sl_rng_below(&rng, 5), ifc = (uint32_t)sl_rng_below(&rng, 2);
        int dir = (int)sl_rng_below(&rng, 2);
        uint64_t bytes = sl_rng_below(&rng, 1500);
        struct sl_rates *p = part[sl_rng_below(&rng, 3)];
        sl_rates_active(whole, sl_rates_add(whole, t, cls, ifc, dir, bytes, 1), cls, ifc);
        sl_rates_active(p, sl_rates_add(p, t, cls, ifc, dir, bytes, 1), cls, ifc);
    }
    for (int k = 2; k >= 0; k--) {
        sl_rates_merge(merged, part[k]);
        sl_rates_free(part[k]);
    }
    char *a = text_of(whole), *b = text_of(merged);
    assert_string_equal(a, b);
    assert_true(whole->outside.packets > 0); // class 4 is none
    assert_int_equal(whole->outside.packets, merged->outside.packets);
    assert_int_equal(whole->outside.bytes, merged->outside.bytes);
    free(a);
    free(b);
    sl_rates_free(whole);
    sl_rates_free(merged);
}

// A clock that starts in 1970 and jumps: each part alone would take the time of its own first
// packet.
static void an_origin_of_0_is_the_same_for_all_threads(void **state)
{
    (void)state;
    struct sl_rates_options opt = {.origin_given = true};
    struct sl_rates *whole = rates(opt), *early = rates(opt), *late = rates(opt);
    struct sl_rates *both[2][2] = {{whole, early}, {whole, late}};
    for (int k = 0; k < 2; k++) {
        sl_rates_add(both[k][0], k * 2000000 * SECOND, 0, 0, 0, 10, 1); // 2,000,000 bins apart
        sl_rates_add(both[k][1], k * 2000000 * SECOND, 0, 0, 0, 10, 1);
    }
    assert_int_equal(whole->outside.packets, 1);
    sl_rates_merge(late, early);
    char *a = text_of(whole), *b = text_of(late);
    assert_string_equal(a, b);
    assert_int_equal(late->outside.packets, 1);
    free(a);
    free(b);
    sl_rates_free(whole);
    sl_rates_free(early);
    sl_rates_free(late);
}

static void parts_of_threads_merge_to_the_same_bytes(void **state)
{
    (void)state;
    merge_parts(0);
}

// About 12 pages in each of eight series are touched.
static void the_limit_leaves_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    merge_parts(20);
    merge_parts(3);
}

static void what_cannot_be_kept_is_refused_with_a_remedy(void **state)
{
    (void)state;
    struct sl_error err = {0};
    assert_null(sl_rates_new(&(struct sl_rates_options){.classes = 1, .bin_ns = 999}, &err));
    assert_int_equal(err.code, SL_EUSAGE);
    assert_true(err.hint[0]);
    assert_null(sl_rates_new(
        &(struct sl_rates_options){.classes = UINT32_MAX, .interfaces = UINT32_MAX}, &err));
    assert_int_equal(err.code, SL_EINPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_summed_by_second_class_and_direction),
        cmocka_unit_test(a_row_has_the_columns_values_and_the_interface_last),
        cmocka_unit_test(a_clock_that_jumps_is_counted_outside),
        cmocka_unit_test(times_before_1970_have_bins_too),
        cmocka_unit_test(memory_is_bounded_by_pages_and_the_nearest_are_kept),
        cmocka_unit_test(parts_of_threads_merge_to_the_same_bytes),
        cmocka_unit_test(an_origin_of_0_is_the_same_for_all_threads),
        cmocka_unit_test(the_limit_leaves_the_same_for_any_number_of_threads),
        cmocka_unit_test(what_cannot_be_kept_is_refused_with_a_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
