// SPDX-License-Identifier: Apache-2.0
/*
 * Counts what a driver did: totals since the start, rate and latency of the last interval.
 *
 * Method   latencies fall into 8 buckets per doubling from 1 us on, so the 95th percentile is
 *          exact to 9 %.
 * Errors   none. An interval without requests has latency 0.
 * Threads  not synchronised.
 */
#pragma once
#include "drive/drive.h"
#include <stdint.h>

enum { SL_METER_BUCKETS = 256 };
struct sl_meter {
    uint64_t requests, errors, bytes_in, bytes_out;
    int64_t since_ns; // the interval began
    uint64_t since_requests;
    double latency_sum_ns;
    uint32_t buckets[SL_METER_BUCKETS];
};
void sl_meter_request(struct sl_meter *m, bool ok, int64_t latency_ns);
// Fills all of out but users, at_ns and last_error, and begins the next interval.
void sl_meter_interval(struct sl_meter *m, int64_t now_ns, struct sl_drive_stats *out);
