// SPDX-License-Identifier: Apache-2.0
/*
 * A rate curve as SVG. A long run has more seconds than the picture has columns: samples are
 * averaged in at most MAX_BINS bins, each with a title that tells its span and mean, so that
 * hovering reads a figure.
 */
#include "stats/html.h"
#include <math.h>
#include <stdio.h>

enum {
    MAX_BINS = 300,
    LEFT = 64,
    RIGHT = 12,
    TOP = 12,
    WIDTH = 560,
    RATE_H = 150,
    FLOWS_H = 52,
    GAP = 16
};

struct panel {             // where values go
    double x0, x1, y0, y1; // pixels; y0 at the bottom
    double t_max, v_max;
};

static double at_x(const struct panel *p, double t)
{
    double share = p->t_max > 0 ? t / p->t_max : 0;
    return p->x0 + (p->x1 - p->x0) * fmin(fmax(share, 0), 1);
}

static double at_y(const struct panel *p, double v)
{
    double share = p->v_max > 0 ? v / p->v_max : 0;
    return p->y0 - (p->y0 - p->y1) * fmin(fmax(share, 0), 1);
}

// The round step (1, 2 or 5 times a power of ten) that makes about `ticks` of them.
static double round_step(double max, int ticks)
{
    double raw = max / ticks, power = pow(10, floor(log10(raw)));
    double m = raw / power;
    return power * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
}

struct bins {
    size_t n, per; // samples per bin
    double mean[MAX_BINS];
};

static void fill_bins(struct bins *b, const json_t *series)
{
    size_t n = json_array_size(series);
    b->per = n ? (n + MAX_BINS - 1) / MAX_BINS : 1;
    b->n = 0;
    for (size_t i = 0; i < n; i += b->per) {
        double sum = 0;
        size_t k = 0;
        for (; k < b->per && i + k < n; k++) {
            double v = json_number_value(json_array_get(series, i + k));
            sum += isfinite(v) ? v : 0;
        }
        b->mean[b->n++] = sum / (double)k;
    }
}

static double largest(const struct bins *b)
{
    double max = 0;
    for (size_t i = 0; i < b->n; i++)
        max = fmax(max, b->mean[i]);
    return max;
}

static void value_axis(struct sl_str *out, const struct panel *p, int ticks, bool rate)
{
    double step = round_step(p->v_max, ticks);
    for (int i = 0; i * step <= p->v_max * 1.0001; i++) {
        double y = at_y(p, i * step);
        sl_str_addf(out, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
                    i ? "grid" : "axis", p->x0, p->x1, y, y);
        sl_str_addf(out, "<text class=\"tick\" text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">",
                    p->x0 - 6, y + 3.5);
        if (rate)
            sl_html_rate(out, i * step);
        else
            sl_str_addf(out, "%g", i * step);
        sl_str_add(out, "</text>");
    }
}

static void time_axis(struct sl_str *out, const struct panel *p)
{
    double step = round_step(p->t_max, 6);
    if (step < 1)
        step = 1;
    for (int i = 0; i * step <= p->t_max * 1.0001; i++)
        sl_str_addf(out,
                    "<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%g%s</text>",
                    at_x(p, i * step), p->y0 + 15, i * step, i ? "" : " s");
}

static void line_through(struct sl_str *out, const struct panel *p, const struct bins *b)
{
    for (size_t i = 0; i < b->n;
         i++) // a sample is the mean of its second: the point sits in its middle
        sl_str_addf(out, "%s%.1f %.1f", i ? "L" : "M", at_x(p, ((double)i + 0.5) * (double)b->per),
                    at_y(p, b->mean[i]));
}

static void curve(struct sl_str *out, const struct panel *p, const struct bins *b)
{
    if (!b->n)
        return;
    sl_str_add(out, "<path class=\"area\" d=\"");
    line_through(out, p, b);
    sl_str_addf(out, "L%.1f %.1fL%.1f %.1fZ\"/><path class=\"line\" d=\"",
                at_x(p, ((double)b->n - 0.5) * (double)b->per), p->y0,
                at_x(p, 0.5 * (double)b->per), p->y0);
    line_through(out, p, b);
    sl_str_add(out, "\"/>");
}

// Invisible columns that carry the titles.
static void hover(struct sl_str *out, const struct panel *p, const struct bins *b, bool rate)
{
    for (size_t i = 0; i < b->n; i++) {
        double t = (double)(i * b->per), x = at_x(p, t), w = at_x(p, t + (double)b->per) - x;
        sl_str_addf(
            out,
            "<rect class=\"hover\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\"><title>", x,
            p->y1, w, p->y0 - p->y1);
        if (b->per > 1)
            sl_str_addf(out, "%.0f to %.0f s, mean: ", t, t + (double)b->per);
        else
            sl_str_addf(out, "second %.0f: ", t + 1);
        if (rate)
            sl_html_rate(out, b->mean[i]);
        else
            sl_str_addf(out, "%.1f flows", b->mean[i]);
        sl_str_add(out, "</title></rect>");
    }
}

static void level(struct sl_str *out, const struct panel *p, const char *style, double v)
{
    if (isfinite(v) && v <= p->v_max)
        sl_str_addf(out, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
                    style, p->x0, p->x1, at_y(p, v), at_y(p, v));
}

static void window(struct sl_str *out, const struct panel *p, const struct sl_curve *c)
{
    if (!isfinite(c->from_s) || !isfinite(c->to_s) || c->to_s <= c->from_s)
        return;
    double x = at_x(p, c->from_s);
    sl_str_addf(out,
                "<rect class=\"window\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                "<title>measured from %.0f to %.0f s</title></rect>",
                x, p->y1, at_x(p, c->to_s) - x, p->y0 - p->y1, c->from_s, c->to_s);
}

static void band(struct sl_str *out, const struct panel *p, const struct sl_curve *c)
{
    if (!(c->asked_bps > 0))
        return;
    // 2 % of any 10 s, or 20 kB in them, whichever is larger: never thinner than the line.
    double half = fmax(c->tolerance * c->asked_bps, 20e3 * 8 / 10);
    double top = at_y(p, c->asked_bps + half), bottom = at_y(p, c->asked_bps - half);
    sl_str_addf(out, "<rect class=\"band\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                p->x0, top, p->x1 - p->x0, fmax(bottom - top, 1));
    level(out, p, "asked", c->asked_bps);
}

static void rate_panel(struct sl_str *out, struct panel *p, const struct sl_curve *c)
{
    struct bins b;
    fill_bins(&b, c->series_bps);
    p->v_max = fmax(fmax(largest(&b), c->asked_bps) * 1.12, 1);
    window(out, p, c);
    value_axis(out, p, 4, true);
    band(out, p, c);
    curve(out, p, &b);
    hover(out, p, &b, true);
}

static void flows_panel(struct sl_str *out, struct panel *p, const struct sl_curve *c)
{
    struct bins b;
    fill_bins(&b, c->flows_series);
    double most = largest(&b);
    if (isfinite(c->flows_min))
        most = fmax(most, c->flows_min);
    if (isfinite(c->flows_max) && c->flows_max < most * 3)
        most = fmax(most, c->flows_max);
    p->v_max = fmax(most * 1.15, 1);
    window(out, p, c);
    value_axis(out, p, 2, false);
    curve(out, p, &b);
    level(out, p, "bound", c->flows_min);
    level(out, p, "bound", c->flows_max);
    hover(out, p, &b, false);
    sl_str_addf(out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\">active flows</text>", p->x0 + 4,
                p->y1 + 9);
}

void sl_curve_svg(struct sl_str *out, const struct sl_curve *c)
{
    size_t n = json_array_size(c->series_bps), n_flows = json_array_size(c->flows_series);
    double t_max = (double)(n > n_flows ? n : n_flows);
    double bottom = TOP + RATE_H + (n_flows ? GAP + FLOWS_H : 0);
    struct panel p = {.x0 = LEFT + 20,
                      .x1 = WIDTH - RIGHT,
                      .y0 = TOP + RATE_H,
                      .y1 = TOP,
                      .t_max = fmax(t_max, 1)};
    sl_str_addf(out, "<svg class=\"curve k%d\" viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"",
                sl_html_colour(c->type), WIDTH, bottom + 22);
    sl_html_text(out, c->title);
    sl_str_add(out, "\">");
    rate_panel(out, &p, c);
    if (n_flows) {
        p.y1 = TOP + RATE_H + GAP;
        p.y0 = bottom;
        flows_panel(out, &p, c);
    }
    time_axis(out, &p);
    sl_str_add(out, "</svg>\n");
}
