// SPDX-License-Identifier: Apache-2.0
// Within number.c and java.c: decimal digits, before they are laid out.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct sl_decimal {
    uint64_t digits; // v = digits * 10^exponent; no zeros at the end
    int exponent;
    bool edge; // a candidate lay exactly on an end of the interval that rounds to v
};
// Of a double's lower 52 bits and biased exponent; not of zero, not of what is not finite.
struct sl_decimal sl_shortest_digits(uint64_t fraction, int biased);
unsigned sl_count_digits(uint64_t v); // 1 for 0
// The room is that of sl_number_real. Of 17 digits at most, 18 in sl_number_scientific.
// d.ddd of n digits; at_least_one: a digit after the point also when there is none.
char *sl_number_scientific(char *p, uint64_t digits, unsigned n, bool at_least_one);
// Without an exponent; point is where the decimal point is, counted from the first digit; at
// least -3. whole: the part before it, when there is a part after it.
char *sl_number_plain(char *p, uint64_t digits, unsigned n, int point, uint64_t whole,
                      bool at_least_one);
// v from 1e-3 to 1e9 that has one to six decimals: its shortest text, quickly. Else NULL.
char *sl_number_six_decimals(char *p, double v);
