// SPDX-License-Identifier: Apache-2.0
// The pictures of the comparison page, as SVG. A is drawn broad and pale, B thin and strong on top.
#pragma once
#include "stats/compare.h"

// A value with its unit as a person writes it: "12 ms", "1.5 kB", "3.2 M".
void plot_value(struct sl_str *out, double v, const char *unit);
void plot_figure(struct sl_str *out, double v); // a distance: "0.031"; "–" when there is none
void plot_ecdf(struct sl_str *out, const struct sl_field_result *f);
void plot_mix(struct sl_str *out, const struct sl_field_result *f);
void plot_scaling(struct sl_str *out, const struct sl_field_result *f);
void plot_acf(struct sl_str *out, const struct sl_acf_pair *p);
void plot_dispersion(struct sl_str *out, const struct sl_selection *s);
void plot_rates(struct sl_str *out, const struct sl_rate_curve *a, const struct sl_rate_curve *b,
                bool bits);
// How often the floor a distance is, on a logarithmic strip with marks at 1 and at `factor`.
void plot_strip(struct sl_str *out, const struct sl_field_result *f, double factor);
void plot_strip_axis(struct sl_str *out, double factor);
