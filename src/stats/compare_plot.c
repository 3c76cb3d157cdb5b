// SPDX-License-Identifier: Apache-2.0
#include "stats/compare_plot.h"
#include "stats/html.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    W = 380,
    H = 214,
    LEFT = 44,
    WIDE_LEFT = 54,
    RIGHT = 12,
    TOP = 10,
    BOTTOM = 26,
    WIDE = 590,
    STRIP_W = 210
};

// ---- axes ---------------------------------------------------------------------------------------

struct axis {
    double lo, hi; // values
    double p0, p1; // pixels of lo and hi
    bool log;
};
struct plot {
    struct axis x, y;
};

static double at(const struct axis *a, double v)
{
    double share;
    if (a->log)
        share = v > 0 ? (log(v) - log(a->lo)) / (log(a->hi) - log(a->lo)) : 0;
    else
        share = (v - a->lo) / (a->hi - a->lo);
    return a->p0 + (a->p1 - a->p0) * fmin(fmax(share, 0), 1);
}

static double round_step(double range, int ticks)
{
    double raw = range / ticks, power = pow(10, floor(log10(raw))), m = raw / power;
    return power * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
}

// "%.3g" without exponents.
static void short_number(char *buf, size_t size, double v)
{
    double a = fabs(v);
    if (a > 0 && a < 0.001)
        snprintf(buf, size, "%.1e", v);
    else
        snprintf(buf, size, a >= 100 ? "%.0f" : "%.3g", v);
}

static double si(double v, const char **prefix)
{
    static const char *const up[] = {"", "k", "M", "G", "T", "P"};
    size_t i = 0;
    while (fabs(v) >= 999.5 && i < 5)
        v /= 1000, i++;
    *prefix = up[i];
    return v;
}

void plot_value(struct sl_str *out, double v, const char *unit)
{
    char buf[40];
    const char *prefix = "";
    if (!isfinite(v)) {
        sl_str_add(out, "–");
        return;
    }
    if (!strcmp(unit, "s")) {
        double a = fabs(v);
        bool none = !(a > 0);
        prefix = none || (a >= 1 && a < 120) ? "s"
                 : a >= 7200                 ? "h"
                 : a >= 120                  ? "min"
                 : a >= 0.9995e-3            ? "ms"
                 : a >= 0.9995e-6            ? "µs"
                                             : "ns";
        double factor = none || (a >= 1 && a < 120) ? 1
                        : a >= 7200                 ? 1.0 / 3600
                        : a >= 120                  ? 1.0 / 60
                        : a >= 0.9995e-3            ? 1e3
                        : a >= 0.9995e-6            ? 1e6
                                                    : 1e9;
        short_number(buf, sizeof buf, v * factor);
        sl_str_addf(out, "%s %s", buf, prefix);
        return;
    }
    v = si(v, &prefix);
    short_number(buf, sizeof buf, v);
    bool shown = !strcmp(unit, "B") || !strcmp(unit, "bit/s");
    bool space = shown || *prefix;
    sl_str_addf(out, "%s%s%s%s", buf, space ? " " : "", prefix, shown ? unit : "");
}

void plot_figure(struct sl_str *out, double v)
{
    if (!isfinite(v))
        sl_str_add(out, "–");
    else if (!(fabs(v) > 0))
        sl_str_add(out, "0");
    else if (v > 0 && v < 0.00005)
        sl_str_add(out, "&lt; 0.0001");
    else
        sl_str_addf(out, v >= 10 ? "%.1f" : v >= 2 ? "%.2f" : "%.4f", v);
}

static void start(struct sl_str *out, const char *style, int width, double height,
                  const char *title)
{
    sl_str_addf(out, "<svg class=\"plot %s\" viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"",
                style, width, height);
    sl_html_text(out, title);
    sl_str_add(out, "\">");
}

static void text_at(struct sl_str *out, double x, double y, const char *anchor)
{
    sl_str_addf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y,
                anchor);
}

static void tick_x(struct sl_str *out, const struct plot *p, double v, bool grid)
{
    double x = at(&p->x, v);
    if (grid)
        sl_str_addf(out, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>", x, p->y.p0, p->y.p1);
    text_at(out, x, p->y.p0 + 16, "middle");
}

static void frame(struct sl_str *out, const struct plot *p)
{
    sl_str_addf(out, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>", p->x.p0, p->y.p0, p->x.p1);
}

static void x_values(struct sl_str *out, const struct plot *p, const char *unit)
{
    if (!p->x.log) {
        double step = round_step(p->x.hi - p->x.lo, 5);
        for (double v = ceil(p->x.lo / step - 1e-9) * step; v <= p->x.hi + step * 1e-6; v += step) {
            tick_x(out, p, v, true);
            plot_value(out, fabs(v) < step / 1e6 ? 0 : v, unit);
            sl_str_add(out, "</text>");
        }
        return;
    }
    int first = (int)ceil(log10(p->x.lo) - 1e-9), last = (int)floor(log10(p->x.hi) + 1e-9);
    int every = (last - first) / 5 + 1;
    for (int e = first; e <= last; e++) {
        double v = pow(10, e);
        if ((last - e) % every) {
            sl_str_addf(out, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>", at(&p->x, v), p->y.p0,
                        p->y.p1);
            continue;
        }
        tick_x(out, p, v, true);
        plot_value(out, v, unit);
        sl_str_add(out, "</text>");
    }
}

static void y_grid(struct sl_str *out, const struct plot *p, double v)
{
    double y = at(&p->y, v);
    sl_str_addf(out, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>", p->x.p0, y, p->x.p1);
    text_at(out, p->x.p0 - 7, y + 3.5, "end");
}

static void y_values(struct sl_str *out, const struct plot *p, int ticks, const char *unit)
{
    double step = round_step(p->y.hi - p->y.lo, ticks);
    for (double v = ceil(p->y.lo / step - 1e-9) * step; v <= p->y.hi + step * 1e-6; v += step) {
        y_grid(out, p, v);
        plot_value(out, fabs(v) < step / 1e6 ? 0 : v, unit);
        sl_str_add(out, "</text>");
    }
}

static struct plot plot_area(int width, double height)
{
    return (struct plot){
        .x = {.lo = 0, .hi = 1, .p0 = width == WIDE ? WIDE_LEFT : LEFT, .p1 = width - RIGHT},
        .y = {.lo = 0, .hi = 1, .p0 = height - BOTTOM, .p1 = TOP}};
}

// ---- distribution functions ---------------------------------------------------------------------

static void widen(struct axis *a, const struct sl_ecdf_point *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a->log && i + 1 < n && e[i].f < 0.003)
            continue; // a few values far to the left would squeeze all others
        if (a->log && !(e[i].x > 0))
            continue;
        a->lo = fmin(a->lo, e[i].x);
        a->hi = fmax(a->hi, e[i].x);
    }
}

// A few values far to the right would squeeze all others: a linear axis ends where 99.6 % of both
// are shown.
static void trim(struct axis *a, const struct sl_field_result *f)
{
    double most = -INFINITY;
    for (size_t i = 0; i < f->n_ecdf_a; i++)
        most = f->ecdf_a[i].f < 0.996 ? fmax(most, f->ecdf_a[i].x) : most;
    for (size_t i = 0; i < f->n_ecdf_b; i++)
        most = f->ecdf_b[i].f < 0.996 ? fmax(most, f->ecdf_b[i].x) : most;
    if (!a->log && isfinite(most) && a->hi - a->lo > 2 * (most - a->lo) && most > a->lo)
        a->hi = a->lo + 1.15 * (most - a->lo);
}

static void settle(struct axis *a)
{
    if (!(a->lo <= a->hi))
        a->lo = a->log ? 1 : 0, a->hi = 10;
    if (a->log && !(a->hi / a->lo > 1.5))
        a->lo /= 3, a->hi *= 3;
    if (!a->log && !(a->hi > a->lo))
        a->lo -= 0.5, a->hi += 0.5;
}

static void ecdf_line(struct sl_str *out, const struct plot *p, const char *style,
                      const struct sl_ecdf_point *e, size_t n)
{
    if (!n)
        return;
    // From the left edge, where whatever is not positive has its place on a logarithmic axis.
    sl_str_addf(out, "<path class=\"%s\" d=\"M%.1f %.1f", style, at(&p->x, e[0].x), p->y.p0);
    bool steps = n < 60; // few values: each is a step; many: the chosen points of a curve
    for (size_t i = 0; i < n; i++) {
        if (steps)
            sl_str_addf(out, "H%.1f", at(&p->x, e[i].x));
        sl_str_addf(out, "L%.1f %.1f", at(&p->x, e[i].x), at(&p->y, e[i].f));
    }
    sl_str_addf(out, "H%.1f\"/>", p->x.p1);
}

static void ecdf_marks(struct sl_str *out, const struct plot *p, const char *style, const char *who,
                       const struct sl_summary *s, const char *unit)
{
    static const int shown[] = {3, 4, 5, 6}; // p25, median, p75, p95
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        double v = s->q[shown[i]];
        if (!isfinite(v))
            continue;
        sl_str_addf(
            out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>%s: %.0f %% up to ",
            style, at(&p->x, v), at(&p->y, sl_summary_q[shown[i]]), who,
            100 * sl_summary_q[shown[i]]);
        plot_value(out, v, unit);
        sl_str_add(out, "</title></circle>");
    }
}

void plot_ecdf(struct sl_str *out, const struct sl_field_result *f)
{
    struct plot p = plot_area(W, H);
    bool rank = f->field->kind == SL_FIELD_RANK;
    p.x.log = f->field->log || rank;
    p.x.lo = INFINITY, p.x.hi = -INFINITY;
    widen(&p.x, f->ecdf_a, f->n_ecdf_a);
    widen(&p.x, f->ecdf_b, f->n_ecdf_b);
    trim(&p.x, f);
    settle(&p.x);
    const char *unit = rank ? "" : f->field->unit;
    start(out, "", W, H, f->field->title);
    for (int i = 0; i <= 4; i++) {
        y_grid(out, &p, i / 4.0);
        sl_str_addf(out, "%d %%</text>", i * 25);
    }
    x_values(out, &p, unit);
    frame(out, &p);
    ecdf_line(out, &p, "la", f->ecdf_a, f->n_ecdf_a);
    ecdf_line(out, &p, "lb", f->ecdf_b, f->n_ecdf_b);
    if (!rank) {
        ecdf_marks(out, &p, "da", "A", &f->a, unit);
        ecdf_marks(out, &p, "db", "B", &f->b, unit);
    }
    sl_str_add(out, "</svg>\n");
}

// ---- mixes --------------------------------------------------------------------------------------

static void mix_bar(struct sl_str *out, const char *style, double y, double share, double most)
{
    double x0 = 112, x1 = 306, w = isfinite(share) ? share / most * (x1 - x0) : 0;
    sl_str_addf(out,
                "<rect class=\"%s\" x=\"%.0f\" y=\"%.1f\" width=\"%.1f\" height=\"9\" rx=\"2\"/>",
                style, x0, y, fmax(w, share > 0 ? 1 : 0));
    sl_str_addf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\">", x0 + w + 6, y + 8.2);
    if (isfinite(share) && !(share > 0))
        sl_str_add(out, "0");
    else if (isfinite(share))
        sl_str_addf(out, share < 0.001 ? "&lt; 0.1 %%" : "%.1f %%", share * 100);
    sl_str_add(out, "</text>");
}

void plot_mix(struct sl_str *out, const struct sl_field_result *f)
{
    double most = 0;
    for (size_t i = 0; i < f->n_top; i++)
        most = fmax(most, fmax(isfinite(f->top[i].a) ? f->top[i].a : 0,
                               isfinite(f->top[i].b) ? f->top[i].b : 0));
    start(out, "mix", W, 10 + 31.0 * (double)f->n_top, f->field->title);
    for (size_t i = 0; i < f->n_top; i++) {
        double y = 6 + 31.0 * (double)i;
        sl_str_addf(out, "<text class=\"name\" text-anchor=\"end\" x=\"104\" y=\"%.1f\">",
                    y + 14.5);
        sl_html_short(out, f->top[i].name, 16);
        sl_str_add(out, "<title>");
        sl_html_text(out, f->top[i].name);
        sl_str_add(out, "</title></text>");
        mix_bar(out, "ba", y, f->top[i].a, most > 0 ? most : 1);
        mix_bar(out, "bb", y + 12, f->top[i].b, most > 0 ? most : 1);
    }
    sl_str_add(out, "</svg>\n");
}

// ---- logscale diagrams --------------------------------------------------------------------------

static void y_range(struct axis *y, const struct sl_logscale *d, size_t n)
{
    for (size_t j = 0; j < n; j++)
        if (isfinite(d->at[j].y)) {
            double bar = 1.96 * sqrt(d->at[j].var);
            y->lo = fmin(y->lo, d->at[j].y - bar);
            y->hi = fmax(y->hi, d->at[j].y + bar);
        }
}

// There along the tops, back along the bottoms; octaves without energy part the band.
static void band(struct sl_str *out, const struct plot *p, const char *style,
                 const struct sl_logscale *d, size_t n)
{
    for (size_t j = 0; j < n;) {
        size_t end = j;
        while (end < n && isfinite(d->at[end].y))
            end++;
        if (end == j) {
            j++;
            continue;
        }
        sl_str_addf(out, "<path class=\"%s\" d=\"", style);
        for (size_t i = 0; i < 2 * (end - j); i++) {
            bool back = i >= end - j;
            size_t k = back ? end - 1 - (i - (end - j)) : j + i;
            double bar = 1.96 * sqrt(d->at[k].var) * (back ? -1 : 1);
            sl_str_addf(out, "%s%.1f %.1f", i ? "L" : "M", at(&p->x, (double)k + 1),
                        at(&p->y, d->at[k].y + bar));
        }
        sl_str_add(out, "Z\"/>");
        j = end;
    }
}

static void octaves(struct sl_str *out, const struct plot *p, const char *who,
                    const struct sl_logscale *d, size_t n)
{
    bool open = false;
    sl_str_addf(out, "<path class=\"l%s\" d=\"M0 0", who);
    for (size_t j = 0; j < n; j++) {
        if (isfinite(d->at[j].y))
            sl_str_addf(out, "%s%.1f %.1f", open ? "L" : "M", at(&p->x, (double)j + 1),
                        at(&p->y, d->at[j].y));
        open = isfinite(d->at[j].y);
    }
    sl_str_add(out, "\"/>");
    for (size_t j = 0; j < n; j++)
        if (isfinite(d->at[j].y)) {
            sl_str_addf(out, "<circle class=\"d%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"><title>%s, ",
                        who, at(&p->x, (double)j + 1), at(&p->y, d->at[j].y),
                        *who == 'a' ? "A" : "B");
            plot_value(out, d->bin_s * exp2((double)j + 1), "s");
            sl_str_addf(out, ": %.2f ± %.2f from %zu coefficients</title></circle>", d->at[j].y,
                        1.96 * sqrt(d->at[j].var), d->at[j].n);
        }
}

static void fit_line(struct sl_str *out, const struct plot *p, const char *style,
                     const struct sl_slope *s)
{
    if (!isfinite(s->alpha))
        return;
    double j1 = (double)s->j1, j2 = (double)s->j2;
    sl_str_addf(out, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>", style, at(&p->x, j1),
                at(&p->y, s->intercept + s->alpha * j1), at(&p->x, j2),
                at(&p->y, s->intercept + s->alpha * j2));
}

void plot_scaling(struct sl_str *out, const struct sl_field_result *f)
{
    const struct sl_scaling *s = f->scaling;
    size_t na = sl_logscale_usable(&s->a), nb = sl_logscale_usable(&s->b), n = na > nb ? na : nb;
    struct plot p = plot_area(WIDE, 240);
    p.x.lo = 0.6, p.x.hi = fmax((double)n, 1) + 0.4;
    p.y.lo = INFINITY, p.y.hi = -INFINITY;
    y_range(&p.y, &s->a, na);
    y_range(&p.y, &s->b, nb);
    settle(&p.y);
    p.y.lo -= 0.04 * (p.y.hi - p.y.lo);
    start(out, "wide", WIDE, 240, f->field->title);
    y_values(out, &p, 5, "");
    size_t every = n > 10 ? 2 : 1;
    for (size_t j = 1; j <= n; j++)
        if (j % every == 0 || every == 1) {
            tick_x(out, &p, (double)j, false);
            plot_value(out, s->a.bin_s * exp2((double)j), "s");
            sl_str_add(out, "</text>");
        }
    frame(out, &p);
    band(out, &p, "band-a", &s->a, na);
    band(out, &p, "band-b", &s->b, nb);
    fit_line(out, &p, "fit-a", &s->slope_a);
    fit_line(out, &p, "fit-b", &s->slope_b);
    octaves(out, &p, "a", &s->a, na);
    octaves(out, &p, "b", &s->b, nb);
    sl_str_add(out, "</svg>\n");
}

// ---- series -------------------------------------------------------------------------------------

static void line(struct sl_str *out, const struct plot *p, const char *style, const double *y,
                 size_t n, double x0, double step)
{
    bool open = false;
    sl_str_addf(out, "<path class=\"%s\" d=\"M0 0", style);
    for (size_t i = 0; i < n; i++) {
        if (isfinite(y[i]))
            sl_str_addf(out, "%s%.1f %.1f", open ? "L" : "M", at(&p->x, x0 + step * (double)i),
                        at(&p->y, y[i]));
        open = isfinite(y[i]);
    }
    sl_str_add(out, "\"/>");
}

void plot_acf(struct sl_str *out, const struct sl_acf_pair *q)
{
    struct plot p = plot_area(W, H);
    double most = 0.1, least = 0;
    for (size_t k = 0; k < q->lags; k++) {
        most = fmax(most, fmax(isfinite(q->a[k]) ? q->a[k] : 0, isfinite(q->b[k]) ? q->b[k] : 0));
        least = fmin(least, fmin(isfinite(q->a[k]) ? q->a[k] : 0, isfinite(q->b[k]) ? q->b[k] : 0));
    }
    p.x.lo = 0, p.x.hi = (double)q->lags;
    p.y.hi = most * 1.08, p.y.lo = fmin(least * 1.1, -0.05 * most);
    start(out, "", W, H, q->title);
    y_values(out, &p, 4, "");
    x_values(out, &p, "");
    double bar = 1.96 / sqrt(fmax((double)(q->n_a < q->n_b ? q->n_a : q->n_b), 4));
    sl_str_addf(out, "<rect class=\"noise\" x=\"%.1f\" width=\"%.1f\" y=\"%.1f\" height=\"%.1f\"/>",
                p.x.p0, p.x.p1 - p.x.p0, at(&p.y, bar), at(&p.y, -bar) - at(&p.y, bar));
    sl_str_addf(out, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>", p.x.p0, at(&p.y, 0), p.x.p1);
    line(out, &p, "la", q->a, q->lags, 1, 1);
    line(out, &p, "lb", q->b, q->lags, 1, 1);
    sl_str_add(out, "</svg>\n");
}

void plot_dispersion(struct sl_str *out, const struct sl_selection *s)
{
    struct plot p = plot_area(W, H);
    double v[2][SL_DISPERSIONS];
    p.y.lo = 0, p.y.hi = -INFINITY;
    for (int i = 0; i < SL_DISPERSIONS; i++) {
        v[0][i] = s->dispersion_a[i] > 0 ? log10(s->dispersion_a[i]) : NAN;
        v[1][i] = s->dispersion_b[i] > 0 ? log10(s->dispersion_b[i]) : NAN;
        for (int k = 0; k < 2; k++)
            if (isfinite(v[k][i]))
                p.y.lo = fmin(p.y.lo, v[k][i]), p.y.hi = fmax(p.y.hi, v[k][i]);
    }
    p.y.lo = floor(p.y.lo), p.y.hi = fmax(ceil(p.y.hi), p.y.lo + 1);
    p.x.lo = -0.15, p.x.hi = SL_DISPERSIONS - 0.85;
    start(out, "", W, H, "index of dispersion by window length");
    for (double e = p.y.lo; e <= p.y.hi; e++) {
        y_grid(out, &p, e);
        plot_value(out, pow(10, e), "");
        sl_str_add(out, "</text>");
    }
    for (int i = 0; i < SL_DISPERSIONS; i++) {
        tick_x(out, &p, i, true);
        plot_value(out, sl_dispersion_s[i], "s");
        sl_str_add(out, "</text>");
    }
    sl_str_addf(out, "<path class=\"mark\" d=\"M%.1f %.1fH%.1f\"/>", p.x.p0, at(&p.y, 0), p.x.p1);
    frame(out, &p);
    line(out, &p, "la", v[0], SL_DISPERSIONS, 0, 1);
    line(out, &p, "lb", v[1], SL_DISPERSIONS, 0, 1);
    sl_str_add(out, "</svg>\n");
}

void plot_rates(struct sl_str *out, const struct sl_rate_curve *a, const struct sl_rate_curve *b,
                bool bits)
{
    struct plot p = plot_area(WIDE, H);
    const struct sl_rate_curve *both[2] = {a, b};
    p.x.hi = p.y.hi = 0;
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; both[i] && k < both[i]->n; k++) {
            p.y.hi = fmax(p.y.hi, bits ? both[i]->bps[k] : both[i]->pps[k]);
            p.x.hi = fmax(p.x.hi, both[i]->step_s * ((double)k + 1));
        }
    p.y.hi = p.y.hi > 0 ? p.y.hi * 1.05 : 1;
    p.x.hi = p.x.hi > 0 ? p.x.hi : 1;
    start(out, "wide", WIDE, H,
          bits ? "bits per second over time" : "packets per second over time");
    y_values(out, &p, 4, "");
    double unit_s = p.x.hi >= 7200 ? 3600 : p.x.hi >= 180 ? 60 : 1;
    double step = round_step(p.x.hi / unit_s, 6);
    for (double t = 0; t * unit_s <= p.x.hi; t += step) {
        tick_x(out, &p, t * unit_s, false);
        sl_str_addf(out, "%g%s</text>", t,
                    t > 0           ? ""
                    : unit_s > 3599 ? " h"
                    : unit_s > 59   ? " min"
                                    : " s");
    }
    frame(out, &p);
    for (int i = 0; i < 2; i++)
        if (both[i])
            line(out, &p, i ? "lb" : "la", bits ? both[i]->bps : both[i]->pps, both[i]->n,
                 both[i]->step_s / 2, both[i]->step_s);
    sl_str_add(out, "</svg>\n");
}

// ---- the strip ----------------------------------------------------------------------------------

static double strip_x(double ratio) // 0.1 .. 100 and beyond
{
    double share = ratio > 0 ? (log10(ratio) + 1) / 3 : 0;
    return 6 + (STRIP_W - 12) * fmin(fmax(share, 0), 1);
}

void plot_strip(struct sl_str *out, const struct sl_field_result *f, double factor)
{
    sl_str_addf(out, "<svg class=\"strip %s\" viewBox=\"0 0 %d 18\" aria-hidden=\"true\">",
                f->differs      ? "far"
                : f->below      ? "odd"
                : f->negligible ? "tiny"
                                : "near",
                STRIP_W);
    double one = strip_x(1), limit = strip_x(factor), here = strip_x(f->ratio);
    sl_str_addf(out,
                "<rect class=\"ok\" x=\"6\" y=\"5\" width=\"%.1f\" height=\"8\" rx=\"4\"/>"
                "<rect class=\"over\" x=\"%.1f\" y=\"5\" width=\"%.1f\" height=\"8\" rx=\"4\"/>",
                limit - 6, limit, STRIP_W - 6 - limit);
    sl_str_addf(out, "<path class=\"one\" d=\"M%.1f 2V16\"/>", one);
    if (f->judged) {
        sl_str_addf(out, "<path class=\"stem\" d=\"M%.1f 9H%.1f\"/>", one, here);
        if (f->ratio > 100) // beyond the strip
            sl_str_addf(out, "<path class=\"dot\" d=\"M%.1f 3L%.1f 9L%.1f 15Z\"/>", here - 5,
                        here + 5, here - 5);
        else
            sl_str_addf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"9\" r=\"4.5\"/>", here);
    }
    sl_str_add(out, "</svg>");
}

void plot_strip_axis(struct sl_str *out, double factor)
{
    char limit[24];
    snprintf(limit, sizeof limit, "%g×", factor);
    const struct {
        double v;
        const char *text;
    } marks[] = {{0.1, "0.1"}, {1, "floor"}, {factor, limit}, {10, "10×"}, {100, "100×"}};
    sl_str_addf(out,
                "<svg class=\"strip\" viewBox=\"0 0 %d 16\" aria-label=\"distance over floor\">",
                STRIP_W);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *anchor = i == 0 ? "start" : i == 4 ? "end" : "middle";
        double x = strip_x(marks[i].v) + (i == 0 ? -4 : i == 4 ? 4 : 0);
        sl_str_addf(out, "<text class=\"tick%s\" y=\"12\" x=\"%.1f\" text-anchor=\"%s\">%s</text>",
                    i == 0 || i == 3 ? " few" : "", x, anchor, marks[i].text);
    }
    sl_str_add(out, "</svg>");
}
