// SPDX-License-Identifier: Apache-2.0
/*
 * What the report's pictures share: escaped text, figures with units, the colour of a class.
 * Inside src/stats only. Text may come from strangers: everything goes through sl_html_text.
 */
#pragma once
#include "base/json.h"
#include "base/str.h"

// From the document type to the style that all pages share; the style element is still open.
void sl_html_head(struct sl_str *out);
// Escaped for element content and for quoted attributes; control characters become U+FFFD.
void sl_html_text(struct sl_str *out, const char *text);
// The same, cut after `columns` terminal columns with "…".
void sl_html_short(struct sl_str *out, const char *text, int columns);
void sl_html_rate(struct sl_str *out, double bps);    // "20.0 Mbit/s"; "–" when not finite
void sl_html_bytes(struct sl_str *out, double bytes); // "1.2 MiB"
void sl_html_number(struct sl_str *out, double v);    // "12,345"
// 0..SL_HTML_COLOURS-1: fixed for the known classes, else by the name's hash. The page's style has
// .k0, .k1, ...
enum { SL_HTML_COLOURS = 12 };
int sl_html_colour(const char *cls);
// The variables and rules of those colours, for light and dark: in every picture, so that it can
// stand alone.
void sl_html_palette(struct sl_str *out, const char *scope);

// One statement's curve: rate over time, asked, tolerance, the measured window; flows below if
// there are any.
struct sl_curve {
    const json_t *series_bps, *flows_series;   // arrays, one value a second; flows may be NULL
    double asked_bps, achieved_bps, tolerance; // relative
    double from_s, to_s;                       // measured window; NAN = unknown
    double flows_min, flows_max;               // NAN = not bounded
    const char *type;                          // for the colour
    const char *title;                         // for readers that do not see
};
void sl_curve_svg(struct sl_str *out, const struct sl_curve *c);
