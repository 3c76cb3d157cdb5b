// SPDX-License-Identifier: Apache-2.0
#include "export/number.h"
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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

static unsigned digits_of(uint64_t v) // 1 for 0
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(v | 1);
    unsigned guess = bits * 1233 >> 12; // 1233/4096: log10(2)
    return guess + (v >= POW10[guess] || v == 0);
}

static void put_digits(char *end, uint64_t v, unsigned n) // exactly n digits before end
{
    for (; n >= 2; n -= 2, v /= 100) {
        end -= 2;
        memcpy(end, PAIRS + v % 100 * 2, 2);
    }
    if (n)
        end[-1] = (char)('0' + v % 10);
}

char *sl_put_u64(char *p, uint64_t v)
{
    if (v < 10) {
        *p = (char)('0' + v);
        return p + 1;
    }
    unsigned n = digits_of(v);
    put_digits(p + n, v, n);
    return p + n;
}

char *sl_put_i64(char *p, int64_t v)
{
    if (v >= 0)
        return sl_put_u64(p, (uint64_t)v);
    *p = '-';
    return sl_put_u64(p + 1, 0 - (uint64_t)v);
}

// v = m * 2^-k exactly, so v * 10^decimals = m * 10^decimals / 2^k: one multiplication of 128 bits
// and a shift, with the remainder at hand to round by.
char *sl_put_fixed(char *p, double v, unsigned decimals)
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
        return sl_put_u64(p, scaled);
    p = sl_put_u64(p, scaled / POW10[decimals]);
    *p++ = '.';
    put_digits(p + decimals, scaled % POW10[decimals], decimals);
    return p + decimals;
}

char *sl_put_real(char *p, double v)
{
    if (fabs(v) < 1e15 && v == (double)(int64_t)v)
        return sl_put_i64(p, (int64_t)v);
    char text[SL_REAL_ROOM];
    int n = 0;
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) // bit for bit: v is no NAN here
            break;
    }
    memcpy(p, text, (size_t)n);
    return p + n;
}

char *sl_put_java(char *p, double v)
{
    return sl_put_real(p, v);
}
