// SPDX-License-Identifier: Apache-2.0
/*
 * Discrete wavelet transform with Haar and Daubechies filters, one octave at a time.
 *
 * Periodised      for tests and for Parseval: the energies of all octaves and of the rest add up to
 *                 that of the input.
 * Boundary-free   for estimation: only coefficients whose support lies inside the data,
 *                 n_j = floor((n_{j-1} - L)/2) + 1.
 * Threads         stateless.
 * Source          I. Daubechies, Ten Lectures on Wavelets, 1992, section 6.4.
 */
#pragma once
#include <stddef.h>

enum sl_wavelet { SL_HAAR, SL_DB2, SL_DB3, SL_WAVELETS };
const char *sl_wavelet_name(enum sl_wavelet w); // "haar", "db2", "db3"
struct sl_filter {
    size_t len;
    double lo[6], hi[6]; // decomposition
};
void sl_wavelet_filter(enum sl_wavelet w, struct sl_filter *out);

// One periodised octave: n even and >= the filter's length gives n/2 of each. d and a may not be x.
void sl_wavelet_periodic(const struct sl_filter *f, const double *x, size_t n, double *d,
                         double *a);
size_t sl_wavelet_count(const struct sl_filter *f, size_t n); // coefficients of the next octave
/*
 * One boundary-free octave in place: x[0..n) becomes the approximation, whose length is returned;
 * the energy (sum of squares) of the details is added up and the details are not kept.
 */
size_t sl_wavelet_inner(const struct sl_filter *f, double *x, size_t n, double *energy);
