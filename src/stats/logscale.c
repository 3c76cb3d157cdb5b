// SPDX-License-Identifier: Apache-2.0
#include "stats/logscale.h"
#include "stats/distance.h"
#include <math.h>

// Recurrence up to where the asymptotic series is good to 1e-15, then the series with Bernoulli
// numbers (Abramowitz and Stegun 6.3.18, 6.4.12).
double sl_digamma(double x)
{
    double sum = 0;
    for (; x < 12; x++)
        sum -= 1 / x;
    double i = 1 / (x * x);
    return sum + log(x) - 0.5 / x -
           i * (1.0 / 12 - i * (1.0 / 120 - i * (1.0 / 252 - i * (1.0 / 240 - i / 132))));
}

double sl_trigamma(double x)
{
    double sum = 0;
    for (; x < 12; x++)
        sum += 1 / (x * x);
    double i = 1 / (x * x);
    return sum + 1 / x + i / 2 +
           i / x *
               (1.0 / 6 -
                i * (1.0 / 30 - i * (1.0 / 42 - i * (1.0 / 30 - i * (5.0 / 66 - i * 691 / 2730)))));
}

double sl_logscale_g(double n)
{
    return sl_digamma(n / 2) / log(2) - log2(n / 2);
}

double sl_logscale_var(double n)
{
    return sl_trigamma(n / 2) / (log(2) * log(2));
}

void sl_logscale_of(double *x, size_t n, double bin_s, enum sl_wavelet w, struct sl_logscale *out)
{
    struct sl_filter f;
    sl_wavelet_filter(w, &f);
    *out = (struct sl_logscale){.bin_s = bin_s, .wavelet = w, .bins = n};
    while (out->octaves < SL_LOGSCALE_MAX && sl_wavelet_count(&f, n) > 0) {
        struct sl_octave *o = &out->at[out->octaves++];
        *o = (struct sl_octave){0};
        n = sl_wavelet_inner(&f, x, n, &o->energy);
        o->n = n;
        o->mu = o->energy / (double)n;
        o->y = o->mu > 0 ? log2(o->mu) - sl_logscale_g((double)n) : NAN;
        o->var = sl_logscale_var((double)n);
    }
}

size_t sl_logscale_usable(const struct sl_logscale *d)
{
    size_t j = 0;
    while (j < d->octaves && d->at[j].n >= SL_LOGSCALE_MIN_COUNT)
        j++;
    return j;
}

void sl_logscale_slope(const struct sl_logscale *d, size_t j1, size_t j2, struct sl_slope *out)
{
    *out = (struct sl_slope){.j1 = j1,
                             .j2 = j2,
                             .alpha = NAN,
                             .sd = NAN,
                             .intercept = NAN,
                             .chi2 = NAN,
                             .h_stationary = NAN,
                             .h_cumulative = NAN};
    double s0 = 0, s1 = 0, s2 = 0, sy = 0, sjy = 0;
    int used = 0;
    for (size_t j = j1; j >= 1 && j <= j2 && j <= d->octaves; j++) {
        const struct sl_octave *o = &d->at[j - 1];
        if (!isfinite(o->y))
            continue;
        double w = 1 / o->var, k = (double)j;
        s0 += w, s1 += w * k, s2 += w * k * k, sy += w * o->y, sjy += w * k * o->y;
        used++;
    }
    if (used < 2)
        return;
    double det = s0 * s2 - s1 * s1;
    out->alpha = (s0 * sjy - s1 * sy) / det;
    out->intercept = (s2 * sy - s1 * sjy) / det;
    out->sd = sqrt(s0 / det);
    out->h_stationary = (1 + out->alpha) / 2;
    out->h_cumulative = (out->alpha - 1) / 2;
    out->dof = used - 2;
    out->chi2 = 0;
    for (size_t j = j1; j <= j2 && j <= d->octaves; j++) {
        const struct sl_octave *o = &d->at[j - 1];
        double r = o->y - out->intercept - out->alpha * (double)j;
        if (isfinite(o->y))
            out->chi2 += r * r / o->var;
    }
}

void sl_logscale_compare(const struct sl_logscale *a, const struct sl_logscale *b,
                         struct sl_logscale_diff *out)
{
    size_t ja = sl_logscale_usable(a), jb = sl_logscale_usable(b), j_max = ja < jb ? ja : jb;
    double ea[SL_LOGSCALE_MAX], eb[SL_LOGSCALE_MAX], sum = 0;
    *out = (struct sl_logscale_diff){.max = NAN, .rms = NAN, .share_jsd = NAN};
    for (size_t j = 0; j < j_max; j++) {
        const struct sl_octave *p = &a->at[j], *q = &b->at[j];
        ea[j] = p->energy, eb[j] = q->energy;
        if (!isfinite(p->y) || !isfinite(q->y))
            continue;
        double d = fabs(p->y - q->y);
        out->octaves++;
        out->overlapping += d <= 1.96 * (sqrt(p->var) + sqrt(q->var));
        sum += d * d;
        if (!(d <= out->max)) // also from NAN
            out->max = d, out->max_octave = j + 1;
    }
    if (!out->octaves)
        return;
    out->rms = sqrt(sum / (double)out->octaves);
    out->share_jsd = sl_jsd2(ea, eb, j_max);
}
