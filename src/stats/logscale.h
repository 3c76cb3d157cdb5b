// SPDX-License-Identifier: Apache-2.0
/*
 * The logscale diagram: wavelet energy of a count series per octave, with its confidence bars, and
 * the slope that tells how far the series remembers.
 *
 * Method   octave j spans 2^j bins; mu_j = mean squared detail coefficient, boundary-free. Its
 *          logarithm is biased; g_j mends that for Gaussian coefficients, var_j is its variance.
 *            y_j = log2 mu_j - g_j,  g_j = psi(n_j/2)/ln 2 - log2(n_j/2),
 *            var_j = zeta(2, n_j/2)/ln^2 2,  95 % bar: y_j +- 1.96 sqrt(var_j)
 *          The bars of octaves with few coefficients are slightly too small.
 * Reading  a flat diagram: no memory. A slope alpha over the coarse octaves: H = (1 + alpha)/2 when
 *          the counts are stationary, H = (alpha - 1)/2 when they are a cumulative process.
 * Empty    an octave without energy has y_j = NAN (a silent series has no logarithm).
 * Source   P. Abry and D. Veitch, IEEE Trans. Inf. Theory 44(1), 1998; D. Veitch and P. Abry, same,
 *          45(3), 1999.
 */
#pragma once
#include "stats/wavelet.h"
#include <stdbool.h>

double sl_digamma(double x);  // x > 0
double sl_trigamma(double x); // zeta(2, x); x > 0
double sl_logscale_g(double n);
double sl_logscale_var(double n);

enum { SL_LOGSCALE_MAX = 40, SL_LOGSCALE_MIN_COUNT = 8 };
struct sl_octave {
    size_t n; // coefficients
    double energy, mu, y, var;
};
struct sl_logscale {
    double bin_s;
    enum sl_wavelet wavelet;
    size_t bins, octaves;
    struct sl_octave at[SL_LOGSCALE_MAX]; // at[0] is octave 1
};
// Destroys x.
void sl_logscale_of(double *x, size_t n, double bin_s, enum sl_wavelet w, struct sl_logscale *out);
size_t sl_logscale_usable(const struct sl_logscale *d); // octaves from 1 on with n_j >= 8

struct sl_slope {
    size_t j1, j2; // octaves used
    double alpha, sd, intercept, chi2;
    int dof;
    double h_stationary, h_cumulative;
};
// All NAN with fewer than two octaves in the range that have a y.
void sl_logscale_slope(const struct sl_logscale *d, size_t j1, size_t j2, struct sl_slope *out);

struct sl_logscale_diff {        // over octaves that both have with n_j >= 8
    size_t octaves, overlapping; // bars that overlap
    double max, rms;             // of |y_j^A - y_j^B|
    size_t max_octave;
    double share_jsd; // base 2, of the energies' shares per octave
};
void sl_logscale_compare(const struct sl_logscale *a, const struct sl_logscale *b,
                         struct sl_logscale_diff *out);
