// SPDX-License-Identifier: Apache-2.0
#include "drive/meter.h"
#include <math.h>
#include <string.h>

void sl_meter_request(struct sl_meter *m, bool ok, int64_t latency_ns)
{
    m->requests++;
    if (!ok)
        m->errors++;
    m->latency_sum_ns += (double)latency_ns;
    double at = latency_ns > 1000 ? 8.0 * log2((double)latency_ns / 1000.0) : 0.0;
    m->buckets[at < SL_METER_BUCKETS - 1 ? (int)at : SL_METER_BUCKETS - 1]++;
}

static double p95_ms(const struct sl_meter *m, uint64_t n)
{
    uint64_t want = n - n / 20, seen = 0;
    for (int i = 0; i < SL_METER_BUCKETS; i++) {
        seen += m->buckets[i];
        if (n && seen >= want)
            return 0.001 * exp2((i + 0.5) / 8.0); // the middle of the bucket
    }
    return 0;
}

void sl_meter_interval(struct sl_meter *m, int64_t now_ns, struct sl_drive_stats *out)
{
    uint64_t n = m->requests - m->since_requests;
    double s = (double)(now_ns - m->since_ns) * 1e-9;
    out->requests = m->requests;
    out->errors = m->errors;
    out->bytes_in = m->bytes_in;
    out->bytes_out = m->bytes_out;
    out->requests_per_s = s > 0 ? (double)n / s : 0;
    out->latency_ms_mean = n ? m->latency_sum_ns / (double)n * 1e-6 : 0;
    out->latency_ms_p95 = p95_ms(m, n);
    m->since_ns = now_ns;
    m->since_requests = m->requests;
    m->latency_sum_ns = 0;
    memset(m->buckets, 0, sizeof m->buckets);
}
