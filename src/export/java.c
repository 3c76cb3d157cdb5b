// SPDX-License-Identifier: Apache-2.0
/*
 * Double.toString as Java prints it before release 19: tables that are to equal CICFlowMeter's need
 * its very digits.
 *
 * Most doubles get their shortest digits, as ours do. Three kinds do not, and go the long way here:
 *   - whole numbers from 2^53 to 2^63 are printed as integers, less the digits that their lowest
 *     bits cannot decide (half up);
 *   - powers of two: the distance to the neighbours is taken to be half of what it is, on both
 *     sides, so digits may be more than needed;
 *   - subnormal numbers, and those where a shorter decimal lies exactly in the middle between two
 *     doubles: the middle above counts as ours, the middle below does not.
 * The digits of the long way are those of Steele and White's free-format algorithm ("How to print
 * floating-point numbers accurately", 1990) with long integers; there are at least two of them when
 * an exponent is printed.
 */
#include "export/digits.h"
#include "export/number.h"
#include <assert.h>
#include <math.h>
#include <string.h>

enum { BIG_WORDS = 44 }; // 1,408 bits; the largest here has 1,210
struct big {
    uint32_t w[BIG_WORDS]; // least first
};

static void big_times(struct big *b, uint32_t by)
{
    uint64_t carry = 0;
    for (int i = 0; i < BIG_WORDS; i++) {
        carry += (uint64_t)b->w[i] * by;
        b->w[i] = (uint32_t)carry;
        carry >>= 32;
    }
    assert(!carry);
}

static struct big big_shifted(uint64_t m, int bits)
{
    struct big b = {{0}};
    int word = bits / 32, rest = bits % 32;
    b.w[word] = (uint32_t)(m << rest);
    b.w[word + 1] = (uint32_t)((m << rest) >> 32);
    b.w[word + 2] = rest ? (uint32_t)(m >> (64 - rest)) : 0;
    return b;
}

static int big_compare(const struct big *a, const struct big *b)
{
    for (int i = BIG_WORDS - 1; i >= 0; i--)
        if (a->w[i] != b->w[i])
            return a->w[i] < b->w[i] ? -1 : 1;
    return 0;
}

static void big_add(struct big *a, const struct big *b)
{
    uint64_t carry = 0;
    for (int i = 0; i < BIG_WORDS; i++) {
        carry += (uint64_t)a->w[i] + b->w[i];
        a->w[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

static void big_subtract(struct big *a, const struct big *b)
{
    int64_t borrow = 0;
    for (int i = 0; i < BIG_WORDS; i++) {
        borrow += (int64_t)a->w[i] - b->w[i];
        a->w[i] = (uint32_t)borrow;
        borrow = borrow < 0 ? -1 : 0;
    }
}

// What the digits are taken from: v = 10^exponent * rest / unit, and the margin in the same scale,
// each as odd-ish whole * 2^twos * 5^fives.
struct scale {
    int top, bits;                // v's highest bit is 2^top; it has that many bits that count
    uint64_t whole;               // these bits
    int exponent;                 // of the first digit; may be one too high
    int rest_2, unit_2, margin_2; // powers of two
    int rest_5, unit_5;           // powers of five; the margin has those of the rest
};

static struct scale scale_of(uint64_t m, int q, bool normal)
{
    struct scale s = {.top = 63 - __builtin_clzll(m) + q};
    int zeros = __builtin_ctzll(m), precision = normal ? 53 : 64 - __builtin_clzll(m);
    s.whole = m >> zeros;
    s.bits = 64 - __builtin_clzll(s.whole);
    // The tangent to log10 at 1.5: never too low.
    double significand = ldexp((double)m, q - s.top);
    s.exponent =
        (int)floor((significand - 1.5) * 0.289529654 + 0.176091259 + s.top * 0.301029995663981);
    int tiny = s.bits - s.top - 1; // bits after the binary point
    tiny = tiny > 0 ? tiny : 0;
    s.rest_5 = s.exponent < 0 ? -s.exponent : 0;
    s.unit_5 = s.exponent > 0 ? s.exponent : 0;
    s.rest_2 = s.rest_5 + tiny + s.top - (s.bits - 1);
    s.unit_2 = s.unit_5 + tiny;
    s.margin_2 = s.rest_5 + tiny + s.top - precision - (s.bits == 1);
    int least = s.rest_2 < s.unit_2 ? s.rest_2 : s.unit_2;
    least = s.margin_2 < least ? s.margin_2 : least;
    s.rest_2 -= least, s.unit_2 -= least, s.margin_2 -= least;
    return s;
}

static int bits_of_pow5(int n) // exact up to 26, more than enough above
{
    return n == 0 ? 0 : n < 27 ? n * 1217359 / 524288 + 1 : 3 * n;
}

static uint64_t pow5(int n)
{
    uint64_t v = 1;
    for (; n > 0; n--)
        v *= 5;
    return v;
}

struct digits {
    uint64_t digits;
    int n; // taken, not counting a dropped zero in front
    bool dropped;
};

static bool add_digit(struct digits *d, unsigned digit, bool *low, bool *high, int exponent)
{
    if (!d->n && !d->dropped && digit == 0 && !*high)
        d->dropped = true;
    else {
        d->digits = d->digits * 10 + digit;
        d->n++;
    }
    if (d->n + d->dropped == 1 && (exponent - d->dropped < -3 || exponent - d->dropped >= 8))
        *low = *high = false; // with an exponent there are at least two digits
    return !*low && !*high;
}

// When everything fits into 63 bits. The middle above is not ours here; and a sum that overflows
// counts as small.
static struct digits digits_short(const struct scale *s)
{
    uint64_t rest = (s->whole * pow5(s->rest_5)) << s->rest_2, unit = pow5(s->unit_5) << s->unit_2;
    uint64_t margin = pow5(s->rest_5) << s->margin_2, ten = unit * 10;
    struct digits d = {0};
    bool low, high;
    unsigned digit;
    do {
        digit = (unsigned)(rest / unit);
        rest = rest % unit * 10;
        margin *= 10;
        bool overflow = margin >> 63 || !margin;
        low = overflow || rest < margin;
        high = overflow || (!((rest + margin) >> 63) && rest + margin > ten);
    } while (add_digit(&d, digit, &low, &high, s->exponent));
    bool above = 2 * rest > ten, tie = 2 * rest == ten;
    d.digits += high && (!low || above || (tie && d.digits % 2));
    return d;
}

static struct digits digits_long(const struct scale *s)
{
    struct big rest = big_shifted(s->whole, s->rest_2), unit = big_shifted(1, s->unit_2);
    struct big margin = big_shifted(1, s->margin_2);
    for (int i = 0; i < s->rest_5; i++) {
        big_times(&rest, 5);
        big_times(&margin, 5);
    }
    for (int i = 0; i < s->unit_5; i++)
        big_times(&unit, 5);
    struct digits d = {0};
    bool low, high, more;
    do {
        unsigned digit = 0;
        for (; big_compare(&rest, &unit) >= 0; digit++)
            big_subtract(&rest, &unit);
        struct big sum = rest;
        big_add(&sum, &margin);
        low = big_compare(&rest, &margin) < 0;
        high = big_compare(&sum, &unit) >= 0;
        more = add_digit(&d, digit, &low, &high, s->exponent);
        if (more) {
            big_times(&rest, 10);
            big_times(&margin, 10);
        }
    } while (more);
    big_add(&rest, &rest);
    int half = big_compare(&rest, &unit);
    d.digits += high && (!low || half > 0 || (half == 0 && d.digits % 2));
    return d;
}

// v = m * 2^q. Digits until what is left, or what is missing to the next digit, is within the
// margin.
static struct sl_decimal long_way(uint64_t m, int q, bool normal)
{
    struct scale s = scale_of(m, q, normal);
    bool fits = s.bits + s.rest_2 + bits_of_pow5(s.rest_5) < 64 &&
                s.unit_2 + 1 + bits_of_pow5(s.unit_5 + 1) < 64;
    struct digits d = fits ? digits_short(&s) : digits_long(&s);
    int exponent = s.exponent - d.dropped - (d.n - 1);
    for (; d.digits % 10 == 0; exponent++)
        d.digits /= 10;
    return (struct sl_decimal){d.digits, exponent, false};
}

// 2^53 <= v < 2^63
static struct sl_decimal large_integer(uint64_t v)
{
    int spare = 63 - __builtin_clzll(v) - 53 - 1; // bits below the last one that counts
    int exponent = spare > 1 ? spare * 1233 >> 12 : 0;
    uint64_t unit = 1;
    for (int i = 0; i < exponent; i++)
        unit *= 10;
    uint64_t digits = v / unit + (unit > 1 && v % unit >= unit / 2);
    for (; digits % 10 == 0; exponent++)
        digits /= 10;
    return (struct sl_decimal){digits, exponent, false};
}

static struct sl_decimal java_digits(double v, uint64_t bits)
{
    uint64_t fraction = bits & 0xfffffffffffff;
    int biased = (int)(bits >> 52 & 0x7ff);
    if (v >= 9007199254740992.0 && v < 9223372036854775808.0)
        return large_integer((uint64_t)v);
    // 2^-9 to 2^-7 and above 2^63: where sums may overflow.
    bool risky =
        (biased >= 1023 - 9 && biased < 1023 - 7) || (biased >= 1023 + 63 && biased < 1023 + 90);
    if (biased && fraction && !risky) {
        struct sl_decimal d = sl_shortest_digits(fraction, biased);
        if (!d.edge)
            return d;
    }
    if (biased)
        fraction |= UINT64_C(1) << 52;
    return long_way(fraction, (biased ? biased : 1) - 1075, biased > 0);
}

static char *put_word(char *p, const char *word)
{
    size_t n = strlen(word);
    memcpy(p, word, n);
    return p + n;
}

char *sl_number_java(char *p, double v)
{
    if (isnan(v))
        return put_word(p, "NaN");
    if (signbit(v))
        *p++ = '-';
    v = fabs(v);
    if (isinf(v))
        return put_word(p, "Infinity");
    if (v < 1e7) { // zero and other whole numbers
        uint64_t whole = (uint64_t)v;
        if ((double)whole >= v)
            return put_word(sl_number_u64(p, whole), ".0");
    }
    char *end = v >= 0x1p-7 && v < 1e7 ? sl_number_six_decimals(p, v) : NULL;
    if (end)
        return end;
    uint64_t bits;
    memcpy(&bits, &v, 8);
    struct sl_decimal d = java_digits(v, bits);
    unsigned n = sl_count_digits(d.digits);
    int point = (int)n + d.exponent;
    if (point > -3 && point < 8)
        return sl_number_plain(p, d.digits, n, point, (uint64_t)v, true);
    p = sl_number_scientific(p, d.digits, n, true);
    *p++ = 'E';
    return sl_number_i64(p, point - 1);
}
