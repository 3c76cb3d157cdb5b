// SPDX-License-Identifier: Apache-2.0
/*
 * W1 and KS walk the merged support of both samples once, holding both distribution functions: W1
 * adds |F - G| times the step to the next value, KS keeps the largest |F - G|. Nothing is
 * interpolated and ties need no special case, because F and G are compared only between values.
 */
#include "stats/distance.h"
#include "base/mem.h"
#include <math.h>
#include <string.h>

// ---- sorting ------------------------------------------------------------------------------------

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, PASSES = 6, SMALL = 96 };

// IEEE doubles order like integers once negative ones are turned over.
static uint64_t key_of(double x)
{
    uint64_t u;
    x += 0.0; // -0 and 0 are one value
    memcpy(&u, &x, sizeof u);
    return u ^ ((uint64_t) - (int64_t)(u >> 63) | UINT64_C(1) << 63);
}

static double value_of(uint64_t k)
{
    double x;
    k ^= ((k >> 63) - 1) | UINT64_C(1) << 63;
    memcpy(&x, &k, sizeof x);
    return x;
}

static void insertion(double *x, uint32_t *tag, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        double v = x[i];
        uint32_t t = tag ? tag[i] : 0;
        size_t k = i;
        for (; k && x[k - 1] > v; k--) {
            x[k] = x[k - 1];
            if (tag)
                tag[k] = tag[k - 1];
        }
        x[k] = v;
        if (tag)
            tag[k] = t;
    }
}

// One stable pass by one digit.
static void scatter(const uint64_t *from, uint64_t *to, const uint32_t *tag_from, uint32_t *tag_to,
                    size_t n, size_t *start, int shift)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = start[from[i] >> shift & (DIGITS - 1)]++;
        to[at] = from[i];
        if (tag_from)
            tag_to[at] = tag_from[i];
    }
}

// All digits are counted in one reading; a digit that all values share needs no pass.
void sl_sort_keys(uint64_t *keys, uint32_t *tag, size_t n)
{
    if (n < 2)
        return;
    size_t(*count)[DIGITS] = sl_alloc(PASSES * sizeof *count);
    uint64_t *other = sl_alloc(n * sizeof *other), *from = keys;
    uint32_t *tag_other = tag ? sl_alloc(n * sizeof *tag) : NULL, *tag_from = tag;
    uint64_t *to = other;
    uint32_t *tag_to = tag_other;
    for (size_t i = 0; i < n; i++)
        for (int p = 0; p < PASSES; p++)
            count[p][keys[i] >> (p * DIGIT_BITS) & (DIGITS - 1)]++;
    for (int p = 0; p < PASSES; p++) {
        if (count[p][keys[0] >> (p * DIGIT_BITS) & (DIGITS - 1)] == n)
            continue;
        size_t sum = 0;
        for (int d = 0; d < DIGITS; d++) {
            size_t c = count[p][d];
            count[p][d] = sum;
            sum += c;
        }
        scatter(from, to, tag_from, tag_to, n, count[p], p * DIGIT_BITS);
        uint64_t *t = from;
        from = to, to = t;
        uint32_t *g = tag_from;
        tag_from = tag_to, tag_to = g;
    }
    if (from != keys) {
        memcpy(keys, from, n * sizeof *keys);
        if (tag)
            memcpy(tag, tag_from, n * sizeof *tag);
    }
    free(other);
    free(tag_other);
    free(count);
}

void sl_sort_samples(double *x, uint32_t *tag, size_t n)
{
    if (n <= SMALL) {
        insertion(x, tag, n);
        return;
    }
    bool sorted = true;
    for (size_t i = 1; i < n && sorted; i++)
        sorted = x[i - 1] <= x[i];
    if (sorted)
        return;
    uint64_t *keys = sl_alloc(n * sizeof *keys);
    for (size_t i = 0; i < n; i++)
        keys[i] = key_of(x[i]);
    sl_sort_keys(keys, tag, n);
    for (size_t i = 0; i < n; i++)
        x[i] = value_of(keys[i]);
    free(keys);
}

// ---- distributions ------------------------------------------------------------------------------

static double weight_at(const struct sl_dist *d, size_t i)
{
    return d->w ? d->w[i] : 1;
}

double sl_dist_weight(const struct sl_dist *d)
{
    if (!d->w)
        return (double)d->n;
    double sum = 0;
    for (size_t i = 0; i < d->n; i++)
        sum += d->w[i];
    return sum;
}

double sl_dist_quantile(const struct sl_dist *d, double q)
{
    if (!d->n || !(q >= 0 && q <= 1))
        return NAN;
    if (!d->w) {
        double at = q * (double)(d->n - 1);
        size_t i = (size_t)at;
        if (i + 1 >= d->n)
            return d->x[d->n - 1];
        return d->x[i] + (at - (double)i) * (d->x[i + 1] - d->x[i]);
    }
    double want = q * sl_dist_weight(d), sum = 0;
    for (size_t i = 0; i < d->n; i++) {
        sum += d->w[i];
        if (sum >= want && d->w[i] > 0)
            return d->x[i];
    }
    return d->x[d->n - 1];
}

// ---- bins ---------------------------------------------------------------------------------------

static size_t auto_count(const struct sl_dist *d, double range, double iqr, double n)
{
    if (!(range > 0) || d->n < 2)
        return 1;
    double width = range / (log2(n) + 1), fd = 2 * iqr * pow(n, -1.0 / 3);
    if (fd > 0 && fd < width)
        width = fd;
    double bins = ceil(range / width);
    return bins < 1 ? 1 : bins > SL_BINS_MAX ? SL_BINS_MAX : (size_t)bins;
}

void sl_bins_auto(struct sl_bins *b, const struct sl_dist *r, bool log_bins)
{
    *b = (struct sl_bins){.lo = 0, .hi = 1, .n = 1, .log = log_bins};
    struct sl_dist d = *r;
    if (log_bins && d.n) { // zeros have a cell of their own
        size_t zeros = 0;
        while (zeros < d.n && !(d.x[zeros] > 0))
            zeros++;
        d.x += zeros;
        d.w = d.w ? d.w + zeros : NULL;
        d.n -= zeros;
    }
    if (!d.n) {
        b->lo = log_bins ? 1 : 0, b->hi = b->lo + 1;
        return;
    }
    b->lo = d.x[0], b->hi = d.x[d.n - 1];
    double q1 = sl_dist_quantile(&d, 0.25), q3 = sl_dist_quantile(&d, 0.75);
    // Weights are times or shares, not counts: n is how many values there are.
    if (log_bins)
        b->n = auto_count(&d, log(b->hi) - log(b->lo), log(q3) - log(q1), (double)d.n);
    else
        b->n = auto_count(&d, b->hi - b->lo, q3 - q1, (double)d.n);
}

size_t sl_bins_cell(const struct sl_bins *b, double x)
{
    if (x < b->lo || (b->log && !(x > 0)))
        return 0;
    if (x > b->hi)
        return b->n + 1;
    if (x >= b->hi) // the last bin is closed at both ends
        return b->n;
    double at =
        b->log ? (log(x) - log(b->lo)) / (log(b->hi) - log(b->lo)) : (x - b->lo) / (b->hi - b->lo);
    size_t i = (size_t)(at * (double)b->n);
    return i < b->n ? i + 1 : b->n;
}

double sl_bins_edge(const struct sl_bins *b, size_t i)
{
    double share = (double)i / (double)b->n;
    if (i >= b->n)
        return b->hi;
    return b->log ? exp(log(b->lo) + share * (log(b->hi) - log(b->lo)))
                  : b->lo + share * (b->hi - b->lo);
}

void sl_bins_count(const struct sl_bins *b, const struct sl_dist *d, double *cells)
{
    memset(cells, 0, (b->n + 2) * sizeof *cells);
    size_t cell = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (!i || d->x[i] > d->x[i - 1]) // equal values: one logarithm
            cell = sl_bins_cell(b, d->x[i]);
        cells[cell] += weight_at(d, i);
    }
}

// ---- tables -------------------------------------------------------------------------------------

static double sum_of(const double *p, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += p[i];
    return sum;
}

double sl_jsd(const double *p, const double *q, size_t n)
{
    double sp = sum_of(p, n), sq = sum_of(q, n), sum = 0;
    if (!(sp > 0) || !(sq > 0))
        return NAN;
    for (size_t i = 0; i < n; i++) {
        double a = p[i] / sp, b = q[i] / sq, m = (a + b) / 2;
        if (a > 0)
            sum += a * log(a / m);
        if (b > 0)
            sum += b * log(b / m);
    }
    return fmin(fmax(sum / 2, 0), log(2));
}

double sl_jsd2(const double *p, const double *q, size_t n)
{
    return sl_jsd(p, q, n) / log(2);
}

double sl_total_variation(const double *p, const double *q, size_t n)
{
    double sp = sum_of(p, n), sq = sum_of(q, n), sum = 0;
    if (!(sp > 0) || !(sq > 0))
        return NAN;
    for (size_t i = 0; i < n; i++)
        sum += fabs(p[i] / sp - q[i] / sq);
    return sum / 2;
}

// ---- W1 and KS ----------------------------------------------------------------------------------

struct walk {
    double w1, ks;
};

static struct walk merge(const struct sl_dist *p, const struct sl_dist *q)
{
    double tp = sl_dist_weight(p), tq = sl_dist_weight(q);
    if (!(tp > 0) || !(tq > 0))
        return (struct walk){NAN, NAN};
    struct walk out = {0, 0};
    size_t i = 0, k = 0;
    double fp = 0, fq = 0;
    while (i < p->n || k < q->n) {
        double x = i < p->n && (k >= q->n || p->x[i] <= q->x[k]) ? p->x[i] : q->x[k];
        for (; i < p->n && p->x[i] <= x; i++)
            fp += weight_at(p, i);
        for (; k < q->n && q->x[k] <= x; k++)
            fq += weight_at(q, k);
        double d = fabs(fp / tp - fq / tq);
        bool end = i >= p->n && k >= q->n;
        if (end)
            break; // both functions are 1: what is left is rounding
        double next = i < p->n && (k >= q->n || p->x[i] <= q->x[k]) ? p->x[i] : q->x[k];
        out.w1 += d * (next - x);
        out.ks = fmax(out.ks, d);
    }
    return out;
}

double sl_w1(const struct sl_dist *p, const struct sl_dist *q)
{
    return merge(p, q).w1;
}

double sl_ks(const struct sl_dist *p, const struct sl_dist *q)
{
    return merge(p, q).ks;
}

double sl_w1_scale(const struct sl_dist *r)
{
    if (!r->n)
        return NAN;
    double scale = sl_dist_quantile(r, 0.99) - sl_dist_quantile(r, 0.01);
    return scale > 0 ? scale : r->x[r->n - 1] - r->x[0];
}

static double normalised(double w1, double scale)
{
    return w1 > 0 ? (scale > 0 ? w1 / scale : NAN) : w1;
}

double sl_ks_p_asymptotic(double d, double n, double m)
{
    double lambda = d * sqrt(n * m / (n + m)), sum = 0;
    if (!isfinite(lambda))
        return NAN;
    if (lambda < 0.2) // there the alternating series needs very many terms and is 1 to 12 digits
        return 1;
    for (int k = 1; k <= 100; k++) {
        double term = exp(-2.0 * k * k * lambda * lambda);
        sum += k % 2 ? term : -term;
        if (term < 1e-18)
            break;
    }
    return fmin(fmax(2 * sum, 0), 1);
}

/*
 * A random interleaving is a walk from (0, 0) to (n, m) in which each order is as likely as any
 * other: from (i, j) the next value is of the first sample with probability (n-i)/(n+m-i-j). The p
 * value is the probability that the walk ever reaches |i/n - j/m| >= d; walks are taken out there.
 */
double sl_ks_p_exact(double d, uint32_t n, uint32_t m)
{
    if (!n || !m || !isfinite(d))
        return NAN;
    double *row = sl_alloc((m + 1) * sizeof *row), out = 0, bound = d * n * m - 1e-7;
    for (uint32_t i = 0; i <= n; i++)
        for (uint32_t j = 0; j <= m; j++) {
            double reach = !i && !j ? 1 : 0, left = (double)n + m - i - j + 1;
            if (i)
                reach += row[j] * ((double)n - i + 1) / left;
            if (j)
                reach += row[j - 1] * ((double)m - j + 1) / left;
            bool crossed = fabs((double)i * m - (double)j * n) >= bound;
            out += crossed ? reach : 0;
            row[j] = crossed ? 0 : reach;
        }
    free(row);
    return fmin(out, 1);
}

double sl_ks_p(double d, uint64_t n, uint64_t m)
{
    if (n && m && n <= SL_KS_EXACT_MAX / m)
        return sl_ks_p_exact(d, (uint32_t)n, (uint32_t)m);
    return sl_ks_p_asymptotic(d, (double)n, (double)m);
}

// ---- all at once --------------------------------------------------------------------------------

void sl_distance_samples(const struct sl_dist *p, const struct sl_dist *q,
                         const struct sl_bins *bins, double scale, struct sl_distance *out)
{
    struct walk w = merge(p, q);
    double *cells = sl_alloc(2 * (bins->n + 2) * sizeof *cells), *other = cells + bins->n + 2;
    sl_bins_count(bins, p, cells);
    sl_bins_count(bins, q, other);
    *out = (struct sl_distance){.jsd = sl_jsd2(cells, other, bins->n + 2),
                                .tv = sl_total_variation(cells, other, bins->n + 2),
                                .w1 = w.w1,
                                .nw1 = normalised(w.w1, scale),
                                .ks = w.ks};
    free(cells);
}

struct split { // one of several that are measured in the same walk
    double total[2], seen[2], w1, ks;
    double *cells[2];
};

// A run of equal values: how many of it fall in the first part, for each split.
static size_t count_run(const double *x, const uint32_t *tag, size_t n, const uint8_t *side,
                        unsigned splits, size_t first[8])
{
    size_t k = 0;
    memset(first, 0, 8 * sizeof *first);
    for (; k < n && x[k] <= x[0]; k++) {
        unsigned bits = side[tag[k]];
        for (unsigned s = 0; s < splits; s++)
            first[s] += bits >> s & 1;
    }
    return k;
}

static void walk_splits(const double *x, const uint32_t *tag, size_t n, const uint8_t *side,
                        unsigned splits, const struct sl_bins *bins, struct split *at)
{
    for (size_t i = 0, run; i < n; i += run) {
        size_t first[8], cell = sl_bins_cell(bins, x[i]);
        run = count_run(x + i, tag + i, n - i, side, splits, first);
        double step = i + run < n ? x[i + run] - x[i] : 0;
        for (unsigned s = 0; s < splits; s++) {
            double part[2] = {(double)(run - first[s]), (double)first[s]};
            for (int h = 0; h < 2; h++) {
                at[s].seen[h] += part[h];
                at[s].cells[h][cell] += part[h];
            }
            double d = fabs(at[s].seen[1] / at[s].total[1] - at[s].seen[0] / at[s].total[0]);
            at[s].w1 += d * step;
            at[s].ks = d > at[s].ks ? d : at[s].ks;
        }
    }
}

void sl_distance_splits(const double *x, const uint32_t *tag, size_t n, const uint8_t *side,
                        unsigned splits, const struct sl_bins *bins, double scale,
                        struct sl_distance *out)
{
    struct split at[8] = {0};
    size_t cells_n = bins->n + 2, first[8] = {0};
    double *cells = sl_alloc(2 * (size_t)splits * cells_n * sizeof *cells);
    for (size_t i = 0; i < n; i++)
        for (unsigned s = 0; s < splits; s++)
            first[s] += side[tag[i]] >> s & 1;
    for (unsigned s = 0; s < splits; s++) {
        at[s].total[1] = (double)first[s];
        at[s].total[0] = (double)(n - first[s]);
        for (unsigned h = 0; h < 2; h++)
            at[s].cells[h] = cells + (2 * s + h) * cells_n;
    }
    walk_splits(x, tag, n, side, splits, bins, at);
    for (unsigned s = 0; s < splits; s++) {
        out[s] = (struct sl_distance){NAN, NAN, NAN, NAN, NAN};
        if (!(at[s].total[0] > 0) || !(at[s].total[1] > 0))
            continue;
        out[s] =
            (struct sl_distance){.jsd = sl_jsd2(at[s].cells[0], at[s].cells[1], cells_n),
                                 .tv = sl_total_variation(at[s].cells[0], at[s].cells[1], cells_n),
                                 .w1 = at[s].w1,
                                 .nw1 = normalised(at[s].w1, scale),
                                 .ks = at[s].ks};
    }
    free(cells);
}

// Tables of ports are long and mostly empty: what occurs on neither side is left out first.
void sl_distance_tables(const double *p, const double *q, size_t n, bool ordered,
                        struct sl_distance *out)
{
    double *x = sl_alloc((3 * n + 1) * sizeof *x), *a = x + n, *b = a + n;
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (p[i] > 0 || q[i] > 0)
            x[m] = (double)i, a[m] = p[i], b[m++] = q[i];
    *out = (struct sl_distance){.jsd = sl_jsd2(a, b, m),
                                .tv = sl_total_variation(a, b, m),
                                .w1 = NAN,
                                .nw1 = NAN,
                                .ks = NAN};
    if (ordered && !isnan(out->jsd)) {
        struct sl_dist da = {x, a, m}, db = {x, b, m};
        struct walk w = merge(&da, &db);
        double scale = sl_dist_quantile(&da, 0.99) - sl_dist_quantile(&da, 0.01);
        if (!(scale > 0))
            scale = sl_dist_quantile(&da, 1) - sl_dist_quantile(&da, 0);
        out->w1 = w.w1;
        out->ks = w.ks;
        out->nw1 = normalised(w.w1, scale);
    }
    free(x);
}
