// SPDX-License-Identifier: Apache-2.0
#include "stats/wavelet.h"
#include <math.h>

const char *sl_wavelet_name(enum sl_wavelet w)
{
    static const char *const names[SL_WAVELETS] = {"haar", "db2", "db3"};
    return names[w];
}

// Reconstruction low-pass; the others follow: lo is its mirror, hi its alternating mirror.
static size_t scaling(enum sl_wavelet w, double r[6])
{
    double s = sqrt(w == SL_DB2 ? 3 : 10), z = sqrt(5 + 2 * sqrt(10));
    if (w == SL_HAAR) {
        r[0] = r[1] = 1 / sqrt(2);
        return 2;
    }
    double c = 1 / ((w == SL_DB2 ? 4 : 16) * sqrt(2));
    if (w == SL_DB2) {
        r[0] = c * (1 + s), r[1] = c * (3 + s), r[2] = c * (3 - s), r[3] = c * (1 - s);
        return 4;
    }
    r[0] = c * (1 + s + z), r[1] = c * (5 + s + 3 * z), r[2] = c * (10 - 2 * s + 2 * z);
    r[3] = c * (10 - 2 * s - 2 * z), r[4] = c * (5 + s - 3 * z), r[5] = c * (1 + s - z);
    return 6;
}

void sl_wavelet_filter(enum sl_wavelet w, struct sl_filter *out)
{
    double r[6] = {0};
    *out = (struct sl_filter){.len = scaling(w, r)};
    for (size_t k = 0; k < out->len; k++) {
        out->lo[k] = r[out->len - 1 - k];
        out->hi[k] = k % 2 ? r[k] : -r[k];
    }
}

void sl_wavelet_periodic(const struct sl_filter *f, const double *x, size_t n, double *d, double *a)
{
    for (size_t k = 0; k < n / 2; k++) {
        d[k] = a[k] = 0;
        for (size_t m = 0; m < f->len; m++) {
            double v = x[(2 * k + f->len / 2 + n - m) % n];
            d[k] += f->hi[m] * v;
            a[k] += f->lo[m] * v;
        }
    }
}

size_t sl_wavelet_count(const struct sl_filter *f, size_t n)
{
    return n < f->len ? 0 : (n - f->len) / 2 + 1;
}

size_t sl_wavelet_inner(const struct sl_filter *f, double *x, size_t n, double *energy)
{
    size_t count = sl_wavelet_count(f, n), last = f->len - 1;
    double sum = 0;
    for (size_t k = 0; k < count; k++) { // x[k] is written after x[2k] was last read
        double d = 0, a = 0;
        for (size_t m = 0; m <= last; m++) {
            double v = x[2 * k + last - m];
            d += f->hi[m] * v;
            a += f->lo[m] * v;
        }
        sum += d * d;
        x[k] = a;
    }
    *energy += sum;
    return count;
}
