// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"
#include "export/number.h"
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

enum { SEED = 20 };

static void whole_numbers_are_as_printf_prints_them(void **state)
{
    (void)state;
    char ours[SL_INT_ROOM + 1], theirs[32];
    struct sl_rng rng = sl_rng_stream(SEED, "number.int", 0);
    int64_t edges[] = {0, 9, 10, -1, 99, 100, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    for (int i = 0; i < 20000; i++) {
        int64_t v = i < 9 ? edges[i] : (int64_t)(sl_rng_u64(&rng) >> i % 64);
        v = i % 3 ? v : -(v >> 1);
        *sl_number_i64(ours, v) = '\0';
        snprintf(theirs, sizeof theirs, "%" PRId64, v);
        assert_string_equal(ours, theirs);
    }
    *sl_number_u64(ours, UINT64_MAX) = '\0';
    assert_string_equal(ours, "18446744073709551615");
    for (uint64_t p = 1, k = 1; k <= 19; k++) { // where the number of digits changes
        p *= 10;
        for (uint64_t v = p - 1; v <= p; v++) {
            *sl_number_u64(ours, v) = '\0';
            snprintf(theirs, sizeof theirs, "%" PRIu64, v);
            assert_string_equal(ours, theirs);
        }
    }
}

static double random_double(struct sl_rng *rng, int i)
{
    uint64_t bits = sl_rng_u64(rng);
    double v;
    memcpy(&v, &bits, 8);
    switch (i % 4) {
    case 0: // any bits
        return isfinite(v) ? v : 1.5;
    case 1: // ends in the middle between two decimals
        return (double)(bits % 20000001) / 2000 - 5000;
    case 2:
        return (double)(int64_t)bits / (double)(1 + bits % 1000);
    default:
        return sl_rng_exponential(rng, 1000);
    }
}

static void fixed_decimals_are_rounded_as_printf_rounds_them(void **state)
{
    (void)state;
    char ours[SL_FIXED_ROOM + 1], theirs[SL_FIXED_ROOM + 1];
    struct sl_rng rng = sl_rng_stream(SEED, "number.fixed", 0);
    for (int i = 0; i < 20000; i++) {
        double v = random_double(&rng, i);
        for (unsigned d = 0; d <= 9; d++) {
            *sl_number_fixed(ours, v, d) = '\0';
            snprintf(theirs, sizeof theirs, "%.*f", (int)d, v);
            bool zero = theirs[0] == '-' && strspn(theirs + 1, "0.") == strlen(theirs + 1);
            assert_string_equal(ours, theirs + zero); // zero has no sign
        }
    }
}

static void a_tie_is_rounded_to_the_even_digit(void **state)
{
    (void)state;
    char text[SL_FIXED_ROOM + 1];
    *sl_number_fixed(text, 0.125, 2) = '\0'; // 1/8, exactly between 0.12 and 0.13
    assert_string_equal(text, "0.12");
    *sl_number_fixed(text, 0.375, 2) = '\0';
    assert_string_equal(text, "0.38");
    *sl_number_fixed(text, -2.5, 0) = '\0';
    assert_string_equal(text, "-2");
}

static void the_shortest_text_reads_back_as_the_same_number(void **state)
{
    (void)state;
    char text[SL_REAL_ROOM + 1], more[SL_REAL_ROOM + 1];
    struct sl_rng rng = sl_rng_stream(SEED, "number.real", 0);
    enum { POWERS = 1074 + 1024 }; // of two: their neighbours are not equally far
    for (int i = 0; i < 40000; i++) {
        double v = i < POWERS ? ldexp(1, i - 1074) : random_double(&rng, i);
        char *end = sl_number_real(text, v);
        assert_true(end - text <= SL_REAL_ROOM);
        *end = '\0';
        double back = strtod(text, NULL);
        assert_memory_equal(&back, &v, sizeof v);
        // One digit less, in the C library's rounding, is another number.
        size_t digits = 0;
        for (char *p = text; *p && *p != 'e'; p++)
            digits += *p >= '0' && *p <= '9' && (digits || *p != '0');
        if (digits < 2 || !strpbrk(text, ".e"))
            continue;
        snprintf(more, sizeof more, "%.*e", (int)digits - 2, v);
        assert_false(strtod(more, NULL) == v);
    }
}

static void reals_have_no_more_than_they_need(void **state)
{
    (void)state;
    // By hand; 5e-324 is the least double, 1.7976931348623157e308 the greatest (IEEE 754).
    static const struct {
        double v;
        const char *text;
    } CASES[] = {{0, "0"},
                 {-0.0, "-0"},
                 {5, "5"},
                 {0.1, "0.1"},
                 {-1.5, "-1.5"},
                 {0.001, "0.001"},
                 {1e-7, "1e-7"},
                 {1.5e-7, "1.5e-7"},
                 {6.02e23, "6.02e23"},
                 {1e15, "1000000000000000"},
                 {1e22, "1e22"},
                 {123456.789, "123456.789"},
                 {5e-324, "5e-324"},
                 {1.7976931348623157e308, "1.7976931348623157e308"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char text[SL_REAL_ROOM + 1];
        *sl_number_real(text, CASES[i].v) = '\0';
        assert_string_equal(text, CASES[i].text);
    }
}

static void java_reals_are_those_of_java(void **state)
{
    (void)state;
    // The texts are what Double.toString of OpenJDK 17 printed for these doubles.
    static const struct {
        double v;
        const char *text;
    } CASES[] = {
        {0x0.0p+0, "0.0"},
        {-0x0.0p+0, "-0.0"},
        {0x1.0000000000000p+0, "1.0"},
        {-0x1.4000000000000p+2, "-5.0"},
        {0x1.999999999999ap-4, "0.1"},
        {0x1.0000000000000p-1, "0.5"},
        {0x1.9000000000000p+6, "100.0"},
        {0x1.34a0000000000p+10, "1234.5"},
        {0x1.0624dd2f1a9fcp-10, "0.001"},
        {0x1.061e273273f09p-10, "9.999E-4"},
        {0x1.312cfe0000000p+23, "9999999.0"},
        {0x1.312d000000000p+23, "1.0E7"},
        {0x1.78c29dccccccdp+23, "1.23456789E7"},
        {0x1.52d02c7e14af6p+76, "9.999999999999999E22"},
        {0x1.52d02c7e14af6p+77, "1.9999999999999998E23"},
        {0x1.0624dd2f1a9fcp-9, "0.002"},
        {0x1.921fb54442d18p+1, "3.141592653589793"},
        {0x1.5555555555555p-2, "0.3333333333333333"},
        {-0x1.bf647612f3696p-18, "-6.666666666666667E-6"},
        {0x1.0000000000000p-44, "5.6843418860808015E-14"},
        {0x1.0000000000000p+53, "9.007199254740992E15"},
        {0x1.0000000000000p+60, "1.15292150460684698E18"},
        {0x1.0000000000400p+62, "4.6116860184284365E18"},
        {0x1.0000000000000p+63, "9.223372036854776E18"},
        {0x1.0000000000000p+64, "1.8446744073709552E19"},
        {0x0.0000000000001p-1022, "4.9E-324"},
        {0x0.0000000000002p-1022, "1.0E-323"},
        {0x0.0000000000014p-1022, "1.0E-322"},
        {0x1.0000000000000p-1022, "2.2250738585072014E-308"},
        {0x1.fffffffffffffp+1023, "1.7976931348623157E308"},
        {-0x1.91f4821597be0p+65, "-5.7927836265556476E19"},
        {0x1.240986d8494b0p+84, "2.2065708004662116E25"},
        {0x1.6d4488c48bc60p+71, "3.3689999999999997E21"},
        {0x1.7c1bda5119ce0p-9, "0.0029"},
        {0x1.c5169878053f5p-9, "0.0034567891234567"},
        {0x1.0000000000000p-8, "0.00390625"},
        {0x1.73cf257bb4292p-9, "0.0028366788154488643"},
        {0x1.8f4d3e3b6b6bfp-9, "0.0030464304415634687"},
        {0x1.ec991098ffbd0p-9, "0.0037582237969213464"},
        {0x1.7734d7ce75690p-9, "0.0028625977931636196"},
        {0x1.8201e2bb5c88ap-9, "0.002945002486449748"},
        {0x1.965eda2613ad6p-9, "0.0031003609938474548"},
        {0x1.23c47c2c02959p+3, "9.117734991032806"},
        {0x1.e87e76524de57p+3, "15.26543727946334"},
        {0x1.d0f916ae1e7cdp-7, "0.014189849924367249"},
        {0x1.b929022ad6829p+23, "1.4455937083667831E7"},
        {0x1.becb037e29db9p-14, "1.065237574687715E-4"},
        {0x1.86dc2d1a9010ep+12, "6253.761011660345"},
        {0x1.31a95b09868ffp+14, "19562.33890352491"},
        {0x1.4623e7f7a9163p+14, "20872.976530687312"},
        {0x1.42d31a906dd37p+24, "2.115663456417581E7"},
        {0x1.6ee6640353561p+10, "1467.5998543084936"},
        {NAN, "NaN"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char text[SL_REAL_ROOM + 1];
        *sl_number_java(text, CASES[i].v) = '\0';
        assert_string_equal(text, CASES[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_as_printf_prints_them),
        cmocka_unit_test(fixed_decimals_are_rounded_as_printf_rounds_them),
        cmocka_unit_test(a_tie_is_rounded_to_the_even_digit),
        cmocka_unit_test(the_shortest_text_reads_back_as_the_same_number),
        cmocka_unit_test(reals_have_no_more_than_they_need),
        cmocka_unit_test(java_reals_are_those_of_java),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
