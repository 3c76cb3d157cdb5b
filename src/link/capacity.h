// SPDX-License-Identifier: Apache-2.0
/*
 * Capacity over time: a trace of delivery opportunities, in mahimahi's format.
 *
 * File     a whole number of milliseconds on each line: at that time 1504 bytes may leave. Lines
 *          may repeat and must not go down; the last one is above 0, and after it the trace begins
 *          anew. Empty lines are errors.
 * Use      by byte: several small packets share an opportunity, a large one takes several; what is
 *          not used by packets that waited at that time is lost.
 * Units    nanoseconds since the trace was started, bytes.
 * Errors   SL_EINPUT with file and line.
 * Source   ravinet/mahimahi, man/mm-link.1 and src/frontend/link_queue.cc (behaviour). The manual
 *          says 1500 bytes, the program counts 1504.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

enum { SL_OPPORTUNITY_BYTES = 1504 };
struct sl_capacity {
    uint32_t *ms;
    size_t n;
    // where it is
    int64_t base_ns; // start of this turn
    size_t at;       // next opportunity
    int64_t now_ns;  // time of the one that is being used
    uint32_t left;   // bytes of it
};
SL_MUST_USE bool sl_capacity_parse(struct sl_capacity *c, const char *text, size_t len,
                                   const char *name, struct sl_error *err);
SL_MUST_USE bool sl_capacity_load(struct sl_capacity *c, const char *path, struct sl_error *err);
void sl_capacity_done(struct sl_capacity *c);
void sl_capacity_start(struct sl_capacity *c, int64_t now_ns);
// When the last byte has left of what waits since ready_ns. Calls go forward in time.
int64_t sl_capacity_serve(struct sl_capacity *c, int64_t ready_ns, uint32_t bytes);
double sl_capacity_mean_bps(const struct sl_capacity *c);
