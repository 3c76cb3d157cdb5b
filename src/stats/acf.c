// SPDX-License-Identifier: Apache-2.0
#include "stats/acf.h"
#include <math.h>

void sl_acf(const double *x, size_t n, double *out, size_t n_lags)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++)
        mean += x[i];
    mean /= n ? (double)n : NAN;
    for (size_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean);
    for (size_t k = 1; k <= n_lags; k++) {
        double sum = 0;
        for (size_t i = 0; i + k < n; i++)
            sum += (x[i] - mean) * (x[i + k] - mean);
        out[k - 1] = k < n && square > 0 ? sum / square : NAN;
    }
}

double sl_dispersion(const double *x, size_t n, size_t m)
{
    size_t windows = m ? n / m : 0;
    if (windows < 2)
        return NAN;
    double mean = 0, m2 = 0;
    for (size_t i = 0; i < windows; i++) {
        double sum = 0;
        for (size_t k = 0; k < m; k++)
            sum += x[i * m + k];
        double d = sum - mean;
        mean += d / (double)(i + 1);
        m2 += d * (sum - mean);
    }
    return mean > 0 ? m2 / (double)(windows - 1) / mean : NAN;
}

const double sl_summary_q[SL_SUMMARY_QUANTILES] = {0, .01, .05, .25, .5, .75, .95, .99, 1};

void sl_summarise(const struct sl_dist *d, struct sl_summary *out)
{
    double sum = 0, square = 0, w = sl_dist_weight(d);
    for (size_t i = 0; i < d->n; i++)
        sum += d->x[i] * (d->w ? d->w[i] : 1);
    double mean = w > 0 ? sum / w : NAN;
    for (size_t i = 0; i < d->n; i++)
        square += (d->x[i] - mean) * (d->x[i] - mean) * (d->w ? d->w[i] : 1);
    *out = (struct sl_summary){.n = w, .mean = mean, .sd = w > 0 ? sqrt(square / w) : NAN};
    for (int i = 0; i < SL_SUMMARY_QUANTILES; i++)
        out->q[i] = w > 0 ? sl_dist_quantile(d, sl_summary_q[i]) : NAN;
}

size_t sl_ecdf(const struct sl_dist *d, struct sl_ecdf_point *out, size_t max)
{
    double total = sl_dist_weight(d), f = 0, shown = -1;
    size_t n = 0;
    if (!(total > 0) || max < 4)
        return 0;
    // Half the points go to steps in F, the other half to ends of flat stretches just before one.
    double step = 2.2 / (double)max;
    for (size_t i = 0; i < d->n;) {
        double x = d->x[i], before = f;
        for (; i < d->n && d->x[i] <= x; i++)
            f += (d->w ? d->w[i] : 1) / total;
        bool last = i >= d->n;
        if (n && !last && f - shown < step)
            continue;
        if (n && before > shown && n + 2 < max) // the height that holds until this value
            out[n++] = (struct sl_ecdf_point){x, before};
        if (n + 1 < max || last)
            out[n < max ? n++ : max - 1] = (struct sl_ecdf_point){x, last ? 1 : f};
        shown = f;
    }
    return n;
}
