// SPDX-License-Identifier: Apache-2.0
/*
 * Statistics of one series or one sample: autocorrelation, index of dispersion, summary, empirical
 * distribution for plots.
 *
 * Errors   none: what cannot be said is NAN (no values; a series that never changes has no
 *          autocorrelation).
 * Threads  stateless.
 */
#pragma once
#include "stats/distance.h"

/*
 * Sample autocorrelation at lags 1..n_lags (out[0] is lag 1):
 *   r_k = sum_t (x_t - m)(x_{t+k} - m) / sum_t (x_t - m)^2
 * Biased towards 0 for large k, as is usual. White noise lies within 1.96/sqrt(n) in 95 %.
 */
void sl_acf(const double *x, size_t n, double *out, size_t n_lags);
// Variance over mean of counts in windows of m bins (whole windows only): 1 for Poisson arrivals.
double sl_dispersion(const double *x, size_t n, size_t m);

enum { SL_SUMMARY_QUANTILES = 9 };
extern const double sl_summary_q[SL_SUMMARY_QUANTILES]; // 0 .01 .05 .25 .5 .75 .95 .99 1
struct sl_summary {
    double n;        // values, or weight
    double mean, sd; // sd: population (1/n)
    double q[SL_SUMMARY_QUANTILES];
};
void sl_summarise(const struct sl_dist *d, struct sl_summary *out);

// Points (x, F(x)) of the distribution function, at most max, chosen so that no step in F larger
// than 1/max is skipped; returns how many. F is right-continuous; the last is 1.
struct sl_ecdf_point {
    double x, f;
};
size_t sl_ecdf(const struct sl_dist *d, struct sl_ecdf_point *out, size_t max);
