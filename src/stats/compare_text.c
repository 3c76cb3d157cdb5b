// SPDX-License-Identifier: Apache-2.0
// The comparison for a terminal and for programs.
#include "base/table.h"
#include "base/units.h"
#include "stats/compare.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- terminal -----------------------------------------------------------------------------------

static void figure_cell(struct sl_table *t, double v)
{
    if (isnan(v))
        sl_table_cell(t, "");
    else
        sl_table_cellf(t, "%.4f", v);
}

static void count_cell(struct sl_table *t, double v)
{
    if (isnan(v))
        sl_table_cell(t, "");
    else
        sl_table_cellf(t, "%.0f", v);
}

static void ratio_cell(struct sl_table *t, const struct sl_field_result *f)
{
    if (!f->judged)
        sl_table_cell(t, "");
    else if (f->ratio > 999)
        sl_table_cell(t, "> 999");
    else
        sl_table_cellf(t, f->ratio < 10 ? "%.1f" : "%.0f", f->ratio);
    if (f->differs)
        sl_table_paint(t, SL_PAINT_BAD);
}

static void field_row(struct sl_table *t, const struct sl_field_result *f)
{
    bool missing = f->missing_a || f->missing_b;
    sl_table_cell(t, f->field->title);
    count_cell(t, missing ? NAN : f->n_a);
    count_cell(t, missing ? NAN : f->n_b);
    figure_cell(t, f->d.jsd);
    figure_cell(t, f->d.nw1);
    figure_cell(t, f->d.ks);
    figure_cell(t, f->scaling ? f->scaling->diff.rms : f->memory ? f->memory->rms : NAN);
    sl_table_cell(t, sl_metric_name(f->by));
    figure_cell(t, f->judged ? f->by_floor : NAN);
    ratio_cell(t, f);
    if (f->differs) {
        sl_table_cell(t, "differs");
        sl_table_paint(t, SL_PAINT_BAD);
    } else if (f->judged) {
        sl_table_cell(t, f->below ? "below the floor" : f->negligible ? "same (tiny)" : "same");
        sl_table_paint(t, f->below ? SL_PAINT_WARN : SL_PAINT_GOOD);
    } else {
        sl_table_cell(t, f->why_not ? f->why_not : "");
        sl_table_paint(t, SL_PAINT_DIM);
    }
}

static void add_fields(const struct sl_selection *s, bool colour, struct sl_str *out)
{
    struct sl_table t = {.colour = colour};
    static const char *const titles[] = {"field", "n A",       "n B",   "JSD",     "nW1", "KS",
                                         "RMS",   "judged by", "floor", "x floor", ""};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        sl_table_column(&t, titles[i], i == 0 || i == 7 || i == 10 ? SL_LEFT : SL_RIGHT);
    for (size_t i = 0; i < s->n_fields; i++)
        field_row(&t, &s->fields[i]);
    sl_table_write(&t, out);
    sl_table_done(&t);
}

static void part_row(struct sl_table *t, const struct sl_selection *s)
{
    sl_table_cell(t, s->title);
    sl_table_cellf(t, "%" PRIu64, s->a.flows);
    sl_table_cellf(t, "%" PRIu64, s->b.flows);
    sl_table_cellf(t, "%zu of %zu", s->differing, s->judged);
    sl_table_paint(t, s->differing ? SL_PAINT_BAD : SL_PAINT_NONE);
    figure_cell(t, s->mean_jsd);
    figure_cell(t, s->mean_nw1);
    if (s->worst)
        sl_table_cellf(t, "%s (%s %.2g, floor %.2g)", s->worst->field->title,
                       sl_metric_name(s->worst->by), s->worst->value, s->worst->by_floor);
    else
        sl_table_cell(t, s->judged ? "" : "too little to judge");
}

static void add_parts(const struct sl_comparison *c, bool colour, struct sl_str *out)
{
    struct sl_table t = {.colour = colour};
    static const char *const titles[] = {"part",     "flows A",  "flows B", "differ",
                                         "mean JSD", "mean nW1", "worst"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        sl_table_column(&t, titles[i], i == 0 || i == 6 ? SL_LEFT : SL_RIGHT);
    for (size_t i = 0; i < c->n_selections; i++)
        part_row(&t, &c->selections[i]);
    sl_table_write(&t, out);
    if (c->classes_left_out)
        sl_str_addf(out, "%" PRIu32 " more classes, with fewer flows\n", c->classes_left_out);
    sl_table_done(&t);
}

static void add_input(struct sl_table *t, const char *which, const struct sl_compare_input *in)
{
    char buf[32];
    sl_table_cell(t, which);
    sl_table_cell(t, in->name);
    sl_table_cellf(t, "%" PRIu64, in->total.flows);
    sl_table_cellf(t, "%" PRIu64, in->total.packets);
    sl_table_cell(t, sl_format_bytes((double)in->total.bytes, buf, sizeof buf));
    sl_table_cell(t, isfinite(in->duration_s) ? sl_format_duration(in->duration_s, buf, sizeof buf)
                                              : "");
    sl_table_cell(t, isfinite(in->total.bps) ? sl_format_rate(in->total.bps, buf, sizeof buf) : "");
    sl_table_cell(t, in->note);
}

static void add_inputs(const struct sl_comparison *c, bool colour, struct sl_str *out)
{
    struct sl_table t = {.colour = colour};
    static const char *const titles[] = {"",      "input",    "flows", "packets",
                                         "bytes", "duration", "bit/s", ""};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        sl_table_column(&t, titles[i], i < 2 || i == 7 ? SL_LEFT : SL_RIGHT);
    add_input(&t, "A", &c->a);
    add_input(&t, "B", &c->b);
    sl_table_write(&t, out);
    sl_table_done(&t);
}

static void add_slopes(const struct sl_selection *s, struct sl_str *out)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        const struct sl_scaling *k = s->fields[i].scaling;
        if (!k || isnan(k->slope_a.alpha) || isnan(k->slope_b.alpha))
            continue;
        sl_str_addf(out,
                    "%s: slope A %.3f ± %.3f, B %.3f ± %.3f over octaves %zu to %zu; H %.2f, "
                    "%.2f; bars overlap in %zu of %zu octaves\n",
                    s->fields[i].field->title, k->slope_a.alpha, 1.96 * k->slope_a.sd,
                    k->slope_b.alpha, 1.96 * k->slope_b.sd, k->slope_a.j1, k->slope_a.j2,
                    k->slope_a.h_stationary, k->slope_b.h_stationary, k->diff.overlapping,
                    k->diff.octaves);
    }
}

void sl_comparison_text(const struct sl_comparison *c, bool colour, struct sl_str *out)
{
    const struct sl_selection *all = &c->selections[0];
    add_inputs(c, colour, out);
    sl_str_add(out, "\n");
    add_fields(all, colour, out);
    sl_str_add(out, "\n");
    add_parts(c, colour, out);
    sl_str_add(out, "\n");
    add_slopes(all, out);
    sl_str_addf(
        out,
        "JSD in base 2 (its square root is a distance); nW1 = W1 / (p99 - p1 of A); KS = D; "
        "RMS in octaves of energy, of memory in coefficients of autocorrelation.\nFloor: mean over "
        "%d splits of A's flows in two parts, "
        "seed %" PRIu64 ".\n",
        c->options.splits, c->options.seed);
    bool good = c->verdict == SL_VERDICT_SAME || c->verdict == SL_VERDICT_IDENTICAL;
    enum sl_paint paint = good ? SL_PAINT_GOOD : SL_PAINT_BAD;
    sl_str_addf(out, "%s%s%s\n", sl_paint_start(colour, paint), c->verdict_text,
                sl_paint_end(colour, paint));
    if (!c->pass)
        sl_str_addf(out, "failed: %s\n", c->failures);
}

// ---- JSON ---------------------------------------------------------------------------------------

static void set(json_t *o, const char *key, json_t *v)
{
    json_object_set_new(o, key, v ? v : json_null()); // NULL: text that is not UTF-8
}

static void set_real(json_t *o, const char *key, double v)
{
    set(o, key, sl_json_real(v));
}

static void set_count(json_t *o, const char *key, uint64_t v)
{
    set(o, key, json_integer((json_int_t)v));
}

// Names come from strangers: what is not UTF-8 becomes U+FFFD.
static void set_text(json_t *o, const char *key, const char *v)
{
    struct sl_str clean = {0};
    if (v)
        sl_text_add_clean(&clean, v);
    set(o, key, v ? json_string(sl_str_text(&clean)) : json_null());
    sl_str_done(&clean);
}

static json_t *reals(const double *v, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, sl_json_real(v[i]));
    return a;
}

static json_t *distance_json(const struct sl_distance *d)
{
    json_t *o = json_object();
    set_real(o, "jsd", d->jsd);
    set_real(o, "total_variation", d->tv);
    set_real(o, "w1", d->w1);
    set_real(o, "nw1", d->nw1);
    set_real(o, "ks", d->ks);
    return o;
}

static json_t *summary_json(const struct sl_summary *s)
{
    json_t *o = json_object();
    set_real(o, "n", s->n);
    set_real(o, "mean", s->mean);
    set_real(o, "sd", s->sd);
    set(o, "quantiles", reals(s->q, SL_SUMMARY_QUANTILES));
    return o;
}

static json_t *ecdf_json(const struct sl_ecdf_point *p, size_t n)
{
    json_t *o = json_object(), *x = json_array(), *f = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(x, sl_json_real(p[i].x));
        json_array_append_new(f, sl_json_real(p[i].f));
    }
    set(o, "x", x);
    set(o, "f", f);
    return o;
}

static json_t *diagram_json(const struct sl_logscale *d, const struct sl_slope *s)
{
    json_t *o = json_object(), *list = json_array(), *slope = json_object();
    for (size_t j = 0; j < d->octaves; j++) {
        json_t *e = json_object();
        set_count(e, "octave", j + 1);
        set_count(e, "n", d->at[j].n);
        set_real(e, "energy", d->at[j].energy);
        set_real(e, "y", d->at[j].y);
        set_real(e, "bar", 1.96 * sqrt(d->at[j].var));
        json_array_append_new(list, e);
    }
    set(o, "octaves", list);
    set_count(slope, "from_octave", s->j1);
    set_count(slope, "to_octave", s->j2);
    set_real(slope, "alpha", s->alpha);
    set_real(slope, "sd", s->sd);
    set_real(slope, "chi2", s->chi2);
    set_count(slope, "degrees_of_freedom", s->dof > 0 ? (uint64_t)s->dof : 0);
    set_real(slope, "h_stationary", s->h_stationary);
    set_real(slope, "h_cumulative", s->h_cumulative);
    set(o, "slope", slope);
    return o;
}

static json_t *scaling_json(const struct sl_scaling *s)
{
    json_t *o = json_object();
    set_real(o, "bin_s", s->a.bin_s);
    set(o, "wavelet", json_string(sl_wavelet_name(s->a.wavelet)));
    set(o, "a", diagram_json(&s->a, &s->slope_a));
    set(o, "b", diagram_json(&s->b, &s->slope_b));
    set_count(o, "octaves_compared", s->diff.octaves);
    set_count(o, "bars_overlapping", s->diff.overlapping);
    set_real(o, "max", s->diff.max);
    set_count(o, "max_octave", s->diff.max_octave);
    set_real(o, "rms", s->diff.rms);
    set_real(o, "floor_rms", s->floor_rms);
    set_real(o, "floor_rms_sd", s->floor_rms_sd);
    set_real(o, "energy_share_jsd", s->diff.share_jsd);
    return o;
}

static const char *bins_rule(const struct sl_field *f)
{
    switch (f->kind) {
    case SL_FIELD_NUMBER:
        return f->log ? "logarithmic, edges from A, two overflow cells"
                      : "linear, edges from A, two overflow cells";
    case SL_FIELD_RANK:
        return "ranks";
    case SL_FIELD_SCALING:
        return "octaves";
    case SL_FIELD_MEMORY:
        return "lags";
    default:
        return "exact";
    }
}

static void add_plots(json_t *o, const struct sl_field_result *f)
{
    enum sl_field_kind kind = f->field->kind;
    if (kind == SL_FIELD_NUMBER || kind == SL_FIELD_ORDINAL) {
        set(o, "a", summary_json(&f->a));
        set(o, "b", summary_json(&f->b));
    }
    if (f->ecdf_a) {
        set(o, "ecdf_a", ecdf_json(f->ecdf_a, f->n_ecdf_a));
        set(o, "ecdf_b", ecdf_json(f->ecdf_b, f->n_ecdf_b));
    }
    if (f->top) {
        json_t *top = json_array();
        for (size_t i = 0; i < f->n_top; i++) {
            json_t *e = json_object();
            set_text(e, "name", f->top[i].name);
            set_real(e, "share_a", f->top[i].a);
            set_real(e, "share_b", f->top[i].b);
            json_array_append_new(top, e);
        }
        set(o, "most_frequent", top);
    }
    if (f->scaling)
        set(o, "scaling", scaling_json(f->scaling));
}

static json_t *field_json(const struct sl_field_result *f)
{
    static const char *const groups[] = {"packet", "flow", "graph", "time"};
    json_t *o = json_object();
    set(o, "field", json_string(f->field->key));
    set(o, "title", json_string(f->field->title));
    set(o, "group", json_string(groups[f->field->group]));
    set(o, "unit", json_string(f->field->unit));
    set(o, "missing_in_a", json_boolean(f->missing_a));
    set(o, "missing_in_b", json_boolean(f->missing_b));
    set_real(o, "n_a", f->missing_a || f->missing_b ? NAN : f->n_a);
    set_real(o, "n_b", f->missing_a || f->missing_b ? NAN : f->n_b);
    set(o, "binning", json_string(bins_rule(f->field)));
    set_count(o, "bins", f->bins);
    set(o, "distance", distance_json(&f->d));
    set(o, "floor", distance_json(&f->floor));
    set(o, "floor_sd", distance_json(&f->floor_sd));
    set_count(o, "floor_splits", (uint64_t)f->splits);
    json_t *j = json_object();
    set(j, "judged", json_boolean(f->judged));
    set(j, "by", f->by ? json_string(sl_metric_name(f->by)) : json_null());
    set_real(j, "value", f->value);
    set_real(j, "floor", f->by_floor);
    set_real(j, "ratio", f->ratio);
    set_real(j, "limit", f->limit);
    set(j, "differs", json_boolean(f->differs));
    set(j, "negligible", json_boolean(f->negligible));
    set(j, "below_floor", json_boolean(f->below));
    set(j, "why_not", f->why_not ? json_string(f->why_not) : json_null());
    set(o, "judgement", j);
    add_plots(o, f);
    return o;
}

static json_t *totals_json(const struct sl_totals *t)
{
    json_t *o = json_object();
    set_count(o, "flows", t->flows);
    set_count(o, "packets", t->packets);
    set_count(o, "bytes", t->bytes);
    set_real(o, "packets_per_s", t->pps);
    set_real(o, "bits_per_s", t->bps);
    return o;
}

static json_t *rate_json(const struct sl_rate_curve *r)
{
    if (!r)
        return json_null();
    json_t *o = json_object();
    set_real(o, "step_s", r->step_s);
    set(o, "packets_per_s", reals(r->pps, r->n));
    set(o, "bits_per_s", reals(r->bps, r->n));
    return o;
}

static json_t *acf_json(const struct sl_acf_pair *p)
{
    json_t *o = json_object();
    set(o, "series", json_string(p->key));
    set(o, "title", json_string(p->title));
    set(o, "lag_is", json_string(p->step));
    set_count(o, "n_a", p->n_a);
    set_count(o, "n_b", p->n_b);
    set_count(o, "first_lag", 1);
    set_count(o, "lags_compared", p->compared);
    set_real(o, "rms", p->rms);
    set_real(o, "floor_rms", p->floor_rms);
    set_real(o, "floor_rms_sd", p->floor_rms_sd);
    set(o, "a", reals(p->a, p->lags));
    set(o, "b", reals(p->b, p->lags));
    return o;
}

static json_t *selection_json(const struct sl_selection *s)
{
    json_t *o = json_object(), *list = json_array();
    set_text(o, "title", s->title);
    set_text(o, "class", s->cls);
    set(o, "direction",
        json_string(s->direction < 0    ? "both"
                    : s->direction == 0 ? "forward"
                                        : "backward"));
    set(o, "a", totals_json(&s->a));
    set(o, "b", totals_json(&s->b));
    set_count(o, "floor_flows", s->floor_flows);
    set_count(o, "fields_judged", s->judged);
    set_count(o, "fields_differing", s->differing);
    set(o, "worst", s->worst ? json_string(s->worst->field->key) : json_null());
    set_real(o, "mean_jsd", s->mean_jsd);
    set_real(o, "mean_nw1", s->mean_nw1);
    set_real(o, "mean_ks", s->mean_ks);
    for (size_t i = 0; i < s->n_fields; i++)
        json_array_append_new(list, field_json(&s->fields[i]));
    set(o, "fields", list);
    json_t *acf = json_array();
    for (size_t i = 0; i < s->n_acf; i++)
        json_array_append_new(acf, acf_json(&s->acf[i]));
    set(o, "autocorrelation", acf);
    if (s->dispersed) {
        json_t *d = json_object();
        set(d, "window_s", reals(sl_dispersion_s, SL_DISPERSIONS));
        set(d, "a", reals(s->dispersion_a, SL_DISPERSIONS));
        set(d, "b", reals(s->dispersion_b, SL_DISPERSIONS));
        set(o, "index_of_dispersion", d);
    }
    set(o, "rate_a", rate_json(s->rate_a));
    set(o, "rate_b", rate_json(s->rate_b));
    return o;
}

static json_t *input_json(const struct sl_compare_input *in)
{
    json_t *o = totals_json(&in->total);
    set_text(o, "name", in->name);
    set_text(o, "kind", in->kind);
    set_text(o, "bytes_are", in->bytes_are);
    set_text(o, "note", in->note);
    set_count(o, "input_bytes", in->input_bytes);
    set_count(o, "packets_without_flow", in->skipped);
    set_count(o, "packets_left_out", in->left_out);
    set_count(o, "addresses", in->addresses);
    set(o, "start_ns",
        in->start_ns == SL_SAMPLE_NO_TIME ? json_null() : json_integer(in->start_ns));
    set_real(o, "duration_s", in->duration_s);
    return o;
}

json_t *sl_comparison_json(const struct sl_comparison *c)
{
    json_t *o = json_object(), *opt = json_object(), *list = json_array();
    set(o, "schema", json_string("sluice.compare/1"));
    set(o, "verdict", json_string(sl_verdict_name(c->verdict)));
    set_text(o, "verdict_text", c->verdict_text);
    set(o, "pass", json_boolean(c->pass));
    set_text(o, "failures", c->failures);
    set(o, "a", input_json(&c->a));
    set(o, "b", input_json(&c->b));
    set(opt, "seed", json_integer((json_int_t)c->options.seed));
    set_count(opt, "splits", (uint64_t)c->options.splits);
    set_real(opt, "factor", c->options.factor);
    set_real(opt, "min_effect", c->options.min_effect);
    set(opt, "wavelet", json_string(sl_wavelet_name(c->options.haar ? SL_HAAR : SL_DB3)));
    set(opt, "quantiles", reals(sl_summary_q, SL_SUMMARY_QUANTILES));
    set(o, "method", opt);
    for (size_t i = 0; i < c->n_selections; i++)
        json_array_append_new(list, selection_json(&c->selections[i]));
    set(o, "parts", list);
    set_count(o, "classes_left_out", c->classes_left_out);
    return o;
}
