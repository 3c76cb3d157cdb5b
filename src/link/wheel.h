// SPDX-License-Identifier: Apache-2.0
/*
 * A hashed timing wheel of 2 us slots: what is due next, in constant time for any number of timers.
 *
 * Method   65,536 slots (131 ms) with a bitmap in two levels; what lies beyond waits in an overflow
 *          wheel of 131 ms slots, and beyond that (9.5 h) in its last one. Nothing fires early: in
 *          a slot, what is not due stays.
 * Order    of one slot: by time, and of equal times by insertion.
 * Units    nanoseconds, any origin.
 * Threads  not synchronised.
 * Source   G. Varghese and T. Lauck, SOSP 1987, scheme 6, with scheme 7's second wheel.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct sl_timer {
    int64_t at_ns;
    struct sl_timer *next, *prev; // NULL prev = not in a wheel
};
struct sl_wheel;
struct sl_wheel *sl_wheel_new(int64_t now_ns);
void sl_wheel_free(struct sl_wheel *w);
void sl_wheel_add(struct sl_wheel *w, struct sl_timer *t, int64_t at_ns); // not in it yet
void sl_wheel_remove(struct sl_wheel *w, struct sl_timer *t);             // fine if not in it
// No earlier than which something is due; exact within the slot. INT64_MAX = nothing.
int64_t sl_wheel_next(struct sl_wheel *w);
// The next timer that is due by now_ns, taken out; NULL = none. now_ns never goes back.
struct sl_timer *sl_wheel_pop(struct sl_wheel *w, int64_t now_ns);
