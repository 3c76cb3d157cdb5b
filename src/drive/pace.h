// SPDX-License-Identifier: Apache-2.0
/*
 * When the next request is due, and which of several kinds it is: both smooth, so that a rate
 * measured over a fraction of a second means something.
 *
 * Pace     tokens at a rate; token k falls at phase k + u, u uniform in [0, 1): spread like
 *          arrivals, but never more than one token away from the straight line. A change of rate
 *          takes effect at once. Tokens nobody could take are kept for half a second, then lost:
 *          an overloaded server sees a closed loop, not a growing burst.
 * Mix      weighted choice through a Kronecker sequence (the golden ratio): after n draws each kind
 * has been chosen weight * n times up to O(log n), where independent draws would give O(sqrt n).
 * Units    time in nanoseconds of any clock that does not run backwards.
 * Threads  not synchronised.
 * Source   H. Niederreiter, Random Number Generation and Quasi-Monte Carlo Methods, 1992, ch. 3.
 */
#pragma once
#include "base/rng.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_pace {
    struct sl_rng rng;
    double rate;    // tokens per second; 0 = always one there
    int64_t at_ns;  // phase is true at this time
    double phase;   // integral of the rate, since the last whole turn
    double due;     // phase of the next token
    uint64_t taken; // tokens handed out
    uint64_t lost;  // tokens nobody took in time
};
void sl_pace_init(struct sl_pace *p, double rate, struct sl_rng rng, int64_t now_ns);
void sl_pace_set(struct sl_pace *p, double rate, int64_t now_ns);
bool sl_pace_take(struct sl_pace *p, int64_t now_ns);    // is a token due? then it is taken
int64_t sl_pace_next_ns(const struct sl_pace *p);        // when the next token falls due
double sl_pace_think_s(struct sl_rng *rng, double mean); // log-normal, sigma 1, at most 5 means

struct sl_mix {
    double at, step; // [0, 1)
};
// Mixes drawn from in step (kind, key, size of one request) need different dims, 0 to 3, or the
// choice of one would fix the others.
void sl_mix_init(struct sl_mix *m, int dim, struct sl_rng *rng);
double sl_mix_next(struct sl_mix *m); // [0, 1), evenly spread
// Chooses among n kinds by weights; all weights zero gives 0. n >= 1.
size_t sl_mix_choose(struct sl_mix *m, const double *weights, size_t n);
