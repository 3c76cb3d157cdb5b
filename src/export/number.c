// SPDX-License-Identifier: Apache-2.0
#include "export/number.h"
#include "export/digits.h"
#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128;

static const char PAIRS[201] =
    "00010203040506070809101112131415161718192021222324252627282930313233"
    "34353637383940414243444546474849505152535455565758596061626364656667"
    "6869707172737475767778798081828384858687888990919293949596979899";
static const uint64_t POW10[20] = {1,
                                   10,
                                   100,
                                   1000,
                                   10000,
                                   100000,
                                   1000000,
                                   10000000,
                                   100000000,
                                   1000000000,
                                   10000000000,
                                   100000000000,
                                   1000000000000,
                                   10000000000000,
                                   100000000000000,
                                   1000000000000000,
                                   10000000000000000,
                                   100000000000000000,
                                   1000000000000000000,
                                   10000000000000000000u};

static inline unsigned count_digits(uint64_t v)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(v | 1);
    unsigned guess = bits * 1233 >> 12; // 1233/4096: log10(2)
    return guess + (v >= POW10[guess] || v == 0);
}

unsigned sl_count_digits(uint64_t v)
{
    return count_digits(v);
}

static inline void put_four(char *p, uint32_t v)
{
    memcpy(p, PAIRS + v / 100 * 2, 2);
    memcpy(p + 2, PAIRS + v % 100 * 2, 2);
}

// Exactly n digits before end. Eight at a time, whose divisions do not wait for each other.
static inline void put_digits(char *end, uint64_t v, unsigned n)
{
    for (; n >= 8; n -= 8, v /= 100000000) {
        uint32_t low = (uint32_t)(v % 100000000);
        end -= 8;
        put_four(end, low / 10000);
        put_four(end + 4, low % 10000);
    }
    uint32_t rest = (uint32_t)v;
    if (n >= 4) {
        end -= 4;
        n -= 4;
        put_four(end, rest % 10000);
        rest /= 10000;
    }
    if (n >= 2) {
        end -= 2;
        n -= 2;
        memcpy(end, PAIRS + rest % 100 * 2, 2);
        rest /= 100;
    }
    if (n)
        end[-1] = (char)('0' + rest);
}

char *sl_number_u64(char *p, uint64_t v)
{
    if (v < 10) {
        *p = (char)('0' + v);
        return p + 1;
    }
    unsigned n = count_digits(v);
    put_digits(p + n, v, n);
    return p + n;
}

char *sl_number_i64(char *p, int64_t v)
{
    if (v >= 0)
        return sl_number_u64(p, (uint64_t)v);
    *p = '-';
    return sl_number_u64(p + 1, 0 - (uint64_t)v);
}

// v = m * 2^-k exactly, so v * 10^decimals = m * 10^decimals / 2^k: one multiplication of 128 bits
// and a shift, with the remainder at hand to round by.
char *sl_number_fixed(char *p, double v, unsigned decimals)
{
    assert(decimals <= 9);
    uint64_t bits;
    memcpy(&bits, &v, 8);
    int k = 1075 - (int)(bits >> 52 & 0x7ff);
    uint64_t m = (bits & 0xfffffffffffff) | UINT64_C(1) << 52;
    if (k == 1075)
        m = 0; // less than any half digit
    if (k < 0) // from 2^53
        return p + snprintf(p, SL_FIXED_ROOM, "%.*f", (int)decimals, v);
    uint64_t scaled = 0;
    if (k < 85) { // below, m * 10^9 < 2^83 is less than half of 2^k
        u128 product = (u128)m * POW10[decimals], unit = (u128)1 << k, rest = product & (unit - 1);
        u128 whole = product >> k;
        if (whole > UINT64_MAX / 2)
            return p + snprintf(p, SL_FIXED_ROOM, "%.*f", (int)decimals, v);
        scaled = (uint64_t)whole;
        u128 twice = rest << 1;
        scaled += twice > unit || (twice == unit && (scaled & 1));
    }
    if (bits >> 63 && scaled)
        *p++ = '-';
    if (!decimals)
        return sl_number_u64(p, scaled);
    p = sl_number_u64(p, scaled / POW10[decimals]);
    *p++ = '.';
    put_digits(p + decimals, scaled % POW10[decimals], decimals);
    return p + decimals;
}

/*
 * Shortest digits. A double c * 2^q owns the decimals between the middles to its neighbours (the
 * ends too when c is even). Take k so that 10^k is about the width of that interval: then of four
 * neighbouring candidates, two multiples of 10^(k+1) and two of 10^k, the shortest and nearest is
 * found by comparing integers. The three points are scaled by 10^-k with a power of 128 bits,
 * rounded up, and "rounded to odd", which keeps every comparison right (Giulietti's theorem).
 *
 * The powers are made at first use with plain long arithmetic: 617 of them, under a millisecond.
 */
enum { POW_MIN = -292, POW_MAX = 324, POW_COUNT = POW_MAX - POW_MIN + 1, POW_WORDS = 19 };
static u128 powers[POW_COUNT];
static pthread_once_t powers_once = PTHREAD_ONCE_INIT;
static atomic_bool powers_ready;

// The top 128 bits of a number of words, least word first, rounded up.
static u128 top_bits(const uint64_t *w)
{
    int i = POW_WORDS - 1;
    while (i > 0 && !w[i])
        i--;
    u128 top = 0;
    bool rest = false;
    int shift = __builtin_clzll(w[i]);
    for (int j = 0; j < 3; j++) {
        uint64_t word = i - j >= 0 ? w[i - j] : 0;
        if (j < 2)
            top = top << 64 | word;
        else if (shift)
            top = top << shift | word >> (64 - shift);
        if (j == 2)
            rest = (word << shift) != 0;
    }
    for (int j = i - 3; j >= 0 && !rest; j--)
        rest = w[j] != 0;
    return top + rest;
}

static void make_powers(void)
{
    uint64_t up[POW_WORDS] = {1}, down[POW_WORDS] = {[POW_WORDS - 1] = 1}; // 1, and 1 * 2^1152
    for (int e = 0; e <= POW_MAX; e++) {
        powers[e - POW_MIN] = top_bits(up);
        u128 carry = 0;
        for (int i = 0; i < POW_WORDS; i++) {
            carry += (u128)up[i] * 10;
            up[i] = (uint64_t)carry;
            carry >>= 64;
        }
    }
    for (int e = -1; e >= POW_MIN; e--) {
        u128 rest = 0;
        for (int i = POW_WORDS - 1; i >= 0; i--) {
            rest = rest << 64 | down[i];
            down[i] = (uint64_t)(rest / 10);
            rest %= 10;
        }
        // What the divisions dropped is below the words, so there always is a rest to round up for.
        uint64_t more[POW_WORDS];
        memcpy(more, down, sizeof more);
        more[0] |= 1;
        powers[e - POW_MIN] = top_bits(more);
    }
    atomic_store_explicit(&powers_ready, true, memory_order_release);
}

static int floor_log10_pow2(int q)
{
    return (q * 1262611) >> 22; // for |q| <= 1500
}
static int floor_log10_three_quarters_pow2(int q)
{
    return (q * 1262611 - 524031) >> 22;
}
static int floor_log2_pow10(int e)
{
    return (e * 1741647) >> 19; // for |e| <= 1233
}

// g * c / 2^128, rounded to odd: the lowest bit is set when anything was cut off.
static uint64_t scaled_to_odd(u128 g, uint64_t c)
{
    u128 low = (u128)(uint64_t)g * c, high = (u128)(uint64_t)(g >> 64) * c + (low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static struct sl_decimal without_zeros(uint64_t digits, int exponent, bool edge)
{
    static const struct {
        uint32_t unit;
        int zeros;
    } STEPS[] = {{100000000, 8}, {100000000, 8}, {10000, 4}, {100, 2}, {10, 1}};
    if (digits % 10 == 0) // seldom
        for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++)
            if (digits % STEPS[i].unit == 0) {
                digits /= STEPS[i].unit;
                exponent += STEPS[i].zeros;
            }
    return (struct sl_decimal){digits, exponent, edge};
}

struct sl_decimal sl_shortest_digits(uint64_t fraction, int biased)
{
    if (!atomic_load_explicit(&powers_ready, memory_order_acquire))
        pthread_once(&powers_once, make_powers);
    uint64_t c = biased ? fraction | UINT64_C(1) << 52 : fraction;
    int q = (biased ? biased : 1) - 1075;
    bool closer = !fraction && biased > 1; // the neighbour below is at half the distance
    int k = closer ? floor_log10_three_quarters_pow2(q) : floor_log10_pow2(q);
    int shift = q + floor_log2_pow10(-k) + 1;
    u128 g = powers[-k - POW_MIN];
    uint64_t low = scaled_to_odd(g, (4 * c - (closer ? 1 : 2)) << shift);
    uint64_t mid = scaled_to_odd(g, 4 * c << shift);
    uint64_t high = scaled_to_odd(g, (4 * c + 2) << shift);
    uint64_t odd = c & 1, s = mid / 4;
    bool edge = false;
    if (s >= 10) {
        uint64_t below = s / 10 * 10, above = below + 10;
        bool below_in = low + odd <= 4 * below, above_in = 4 * above + odd <= high;
        edge = low == 4 * below || high == 4 * above;
        if (below_in != above_in)
            return without_zeros(below_in ? below : above, k, edge);
    }
    bool s_in = low + odd <= 4 * s, t_in = 4 * (s + 1) + odd <= high;
    edge |= low == 4 * s || high == 4 * (s + 1);
    bool down = s_in;
    if (s_in == t_in)
        down = mid < 4 * s + 2 || (mid == 4 * s + 2 && s % 2 == 0);
    return without_zeros(down ? s : s + 1, k, edge);
}

static inline void put_eight(char *p, uint32_t v)
{
    put_four(p, v / 10000);
    put_four(p + 4, v % 10000);
}

static inline void put_sixteen(char *p, uint64_t v)
{
    put_eight(p, (uint32_t)(v / 100000000));
    put_eight(p + 8, (uint32_t)(v % 100000000));
}

// The n digits after at, which are at most 17; more bytes are touched, so that there is nothing to
// branch on.
static inline void put_first(char *at, uint64_t digits, unsigned n)
{
    uint64_t all = digits * POW10[17 - n];
    *at = (char)('0' + all / POW10[16]);
    put_sixteen(at + 1, all % POW10[16]);
}

char *sl_number_scientific(char *p, uint64_t digits, unsigned n, bool at_least_one)
{
    if (n > 17) // Java's large whole numbers
        put_digits(p + 1 + n, digits, n);
    else
        put_first(p + 1, digits, n);
    p[0] = p[1];
    if (n == 1 && !at_least_one)
        return p + 1;
    p[1] = '.';
    return p + 1 + (n > 1 ? n : 2); // 1.0: the digits are followed by zeros
}

char *sl_number_plain(char *p, uint64_t digits, unsigned n, int point, uint64_t whole,
                      bool at_least_one)
{
    if (point <= 0) {
        memcpy(p, "0.000", 5);
        put_first(p + 2 - point, digits, n);
        return p + 2 - point + n;
    }
    if ((unsigned)point < n) {
        unsigned after = n - (unsigned)point;
        p = sl_number_u64(p, whole);
        *p = '.';
        put_sixteen(p + 1, (digits - whole * POW10[after]) * POW10[16 - after]);
        return p + 1 + after;
    }
    put_first(p, digits, n);
    memset(p + n, '0', (unsigned)point - n);
    p += point;
    if (at_least_one) {
        *p++ = '.';
        *p++ = '0';
    }
    return p;
}

// v is a decimal with few digits, and then that is its shortest text: two decimals of up to 15
// digits are never the same double.
char *sl_number_six_decimals(char *p, double v)
{
    if (!(v >= 1e-3 && v < 1e9))
        return NULL;
    double scaled = v * 1e6;
    uint64_t n = (uint64_t)(scaled + 0.5);
    if (fabs(scaled - (double)n) > 1e-3 || (double)n / 1e6 < v || (double)n / 1e6 > v)
        return NULL;
    uint32_t after = (uint32_t)(n % 1000000);
    if (!after)
        return NULL;
    p = sl_number_u64(p, n / 1000000);
    *p++ = '.';
    put_four(p, after / 100);
    memcpy(p + 4, PAIRS + after % 100 * 2, 2);
    p += after % 1000 ? 6 : 3;
    while (p[-1] == '0')
        p--;
    return p;
}

char *sl_number_real(char *p, double v)
{
    assert(isfinite(v));
    if (fabs(v) < 9007199254740992.0) { // 2^53
        int64_t whole = (int64_t)v;
        if ((double)whole >= v && (double)whole <= v && (whole || !signbit(v)))
            return sl_number_i64(p, whole);
    }
    uint64_t bits;
    memcpy(&bits, &v, 8);
    if (bits >> 63)
        *p++ = '-';
    if (bits << 1 == 0) {
        *p = '0';
        return p + 1;
    }
    char *end = sl_number_six_decimals(p, fabs(v));
    if (end)
        return end;
    struct sl_decimal d = sl_shortest_digits(bits & 0xfffffffffffff, (int)(bits >> 52 & 0x7ff));
    unsigned n = count_digits(d.digits);
    int point = (int)n + d.exponent;
    if (point > -4 && point <= 16)
        return sl_number_plain(p, d.digits, n, point, (uint64_t)fabs(v), false);
    p = sl_number_scientific(p, d.digits, n, false);
    *p++ = 'e';
    return sl_number_i64(p, point - 1);
}
