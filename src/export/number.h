// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers to text, fast and exact.
 *
 * Room     the caller gives room; each function returns the end of what it wrote. Nothing is
 *          terminated. No locale: the point is ".".
 * Real     sl_number_real: the shortest decimal that reads back as the same double, of those the
 *          nearest: 5, 0.1, 1.5e-7, 6.02e23, -0. sl_number_fixed: as printf's %.*f, rounded half to
 *          even on the exact binary value, but zero never has a sign. sl_number_java: what
 *          Double.toString of JDK 17 prints, which is not always shortest.
 * Missing  not known here: NAN and infinity are "NaN", "Infinity", "-Infinity" in sl_number_java and
 *          must not come to the others.
 * Threads  safe.
 * Source   R. Giulietti, The Schubfach way to render doubles, 2021, for the shortest digits.
 */
#pragma once
#include <stdint.h>

enum {
    SL_INT_ROOM = 20,    // -9223372036854775808
    SL_REAL_ROOM = 40,   // of sl_number_real and sl_number_java
    SL_FIXED_ROOM = 336, // 309 digits before the point, 9 after
};
char *sl_number_u64(char *p, uint64_t v);
char *sl_number_i64(char *p, int64_t v);
char *sl_number_fixed(char *p, double v, unsigned decimals); // 0 to 9
char *sl_number_real(char *p, double v);
char *sl_number_java(char *p, double v);
