// SPDX-License-Identifier: Apache-2.0
/*
 * Distances between two distributions of one quantity: Jensen-Shannon divergence, Wasserstein-1,
 * Kolmogorov-Smirnov, total variation.
 *
 * Samples  ascending values, each with a weight or all with weight 1. sl_sort_samples makes them.
 * Bins     uniform in value or in its logarithm, plus one cell below and one above: no mass is ever
 *          lost. Edges come from the reference sample alone, so comparing many with one reference
 *          uses the same bins.
 * Errors   none: with an empty side, or a total weight of 0, every distance is NAN.
 * Memory   sorting wants as much again as its input while it runs.
 * Threads  stateless.
 * Sources  J. Lin, IEEE Trans. Inf. Theory 37(1), 1991 (JSD); D. Freedman and P. Diaconis, Z.
 *          Wahrscheinlichkeitstheorie 57, 1981, and H. Sturges, JASA 21, 1926 (bins: the finer of
 *          both, as numpy's "auto"); A. Kolmogorov 1933 and N. Smirnov 1948 (the limit law).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Ascending; NAN must not be among the values. tag, if not NULL, is moved along with its value and
// equal values keep their order. Radix sort: linear in n, and values that are small integers need
// a pass or two only.
void sl_sort_samples(double *x, uint32_t *tag, size_t n);
void sl_sort_keys(uint64_t *keys, uint32_t *tag, size_t n); // the same for integers

struct sl_dist {
    const double *x; // ascending
    const double *w; // not negative; NULL = 1 each
    size_t n;
};
double sl_dist_weight(const struct sl_dist *d);
// Quantile q in 0..1. Without weights linear between order statistics (numpy's default, type 7 of
// Hyndman and Fan); with weights the smallest value at which the distribution reaches q.
double sl_dist_quantile(const struct sl_dist *d, double q);

// ---- bins ---------------------------------------------------------------------------------------
enum { SL_BINS_MAX = 4096 }; // beyond it bins are made wider
struct sl_bins {
    double lo, hi; // of the reference; with log the smallest positive value and the largest
    size_t n;      // inner bins; there are n + 2 cells: below, n inner ones, above
    bool log;
};
// With log, zeros fall in the cell below. A reference without spread gets one bin.
void sl_bins_auto(struct sl_bins *b, const struct sl_dist *reference, bool log);
size_t sl_bins_cell(const struct sl_bins *b, double x); // 0..n+1
double sl_bins_edge(const struct sl_bins *b, size_t i); // lower edge of inner bin i in 0..n
void sl_bins_count(const struct sl_bins *b, const struct sl_dist *d, double *cells); // [n + 2]

// ---- from tables of counts: counts need not be normalised ---------------------------------------
double sl_jsd(const double *p, const double *q, size_t n); // natural logarithm: 0..ln 2
double sl_jsd2(const double *p, const double *q,
               size_t n); // base 2: 0..1. The distance is its sqrt
double sl_total_variation(const double *p, const double *q, size_t n); // 0..1

// ---- from samples -------------------------------------------------------------------------------
double sl_w1(const struct sl_dist *p, const struct sl_dist *q); // in the unit of the values
double sl_ks(const struct sl_dist *p, const struct sl_dist *q); // D, 0..1
// p99 - p1 of the reference, by which nW1 divides; its range where that is 0.
double sl_w1_scale(const struct sl_dist *reference);
// P(D >= d) for samples of n and m values. Limit law; and exact by counting interleavings, which
// takes n m steps and treats ties as broken at random.
double sl_ks_p_asymptotic(double d, double n, double m);
double sl_ks_p_exact(double d, uint32_t n, uint32_t m);
enum { SL_KS_EXACT_MAX = 250000 }; // n m up to which sl_ks_p is exact
double sl_ks_p(double d, uint64_t n, uint64_t m);

struct sl_distance {
    double jsd;     // base 2, over the bins or the table
    double tv;      // over the same
    double w1, nw1; // NAN where values have no order
    double ks;
};
// All at once: bins and scale from the reference p.
void sl_distance_samples(const struct sl_dist *p, const struct sl_dist *q,
                         const struct sl_bins *bins, double scale, struct sl_distance *out);
/*
 * The same between two parts of one sample, for several ways to part it at once: in split k, value
 * i is in the first part when bit k of side[tag[i]] is set. One walk, no sorting: this is how the
 * sampling floor is measured. splits <= 8.
 */
void sl_distance_splits(const double *x, const uint32_t *tag, size_t n, const uint8_t *side,
                        unsigned splits, const struct sl_bins *bins, double scale,
                        struct sl_distance *out);
// From tables: ordered = the index is a value (W1, KS have a meaning).
void sl_distance_tables(const double *p, const double *q, size_t n, bool ordered,
                        struct sl_distance *out);
