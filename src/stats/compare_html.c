// SPDX-License-Identifier: Apache-2.0
/*
 * The comparison as one page. From top to bottom: the verdict and both inputs; all fields on one
 * strip, as multiples of their floor; then the pictures behind the figures; then directions and
 * classes; then how it was measured.
 */
#include "base/auto.h"
#include "base/units.h"
#include "stats/compare_plot.h"
#include "stats/html.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MAX_PAGE = 64 << 20, PART_PLOTS = 6 };

static const char style[] =
    ":root{--a:#2f6fdb;--b:#d9622b}\n"
    "@media (prefers-color-scheme: dark){:root{--a:#6ea1ff;--b:#ff9d5c}}\n"
    "h3{font-size:15px;margin:22px 0 8px}\n"
    ".vs{color:var(--dim);font-weight:400}\n"
    ".banner{border-radius:14px;padding:18px 22px;margin:16px 0 14px;border:1px solid var(--line);"
    "border-left-width:6px;background:var(--card)}\n"
    ".banner.good{border-left-color:var(--good)}.banner.warn{border-left-color:var(--warn)}"
    ".banner.bad{border-left-color:var(--bad)}\n"
    ".banner,.banner p{color:var(--ink)}.banner b.big{font-size:24px;letter-spacing:-.01em;"
    "display:block;margin-bottom:2px}.banner.good b.big{color:var(--good)}.banner.warn "
    "b.big{color:var(--warn)}.banner.bad b.big{color:var(--bad)}\n"
    ".banner p{margin:2px 0}.banner .miss{color:var(--bad);font-weight:600}\n"
    ".inputs{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));"
    "gap:14px;margin-bottom:14px}\n"
    ".input{border-top:4px solid var(--k);padding:14px 18px}.input.ka{--k:var(--a)}"
    ".input.kb{--k:var(--b)}\n"
    ".input h2{margin:0 0 2px;font-size:18px;overflow-wrap:anywhere}.input h2 "
    "i{font-style:normal;color:var(--k);margin-right:8px}\n"
    ".input dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(112px,1fr));gap:10px "
    "14px;"
    "margin:12px 0 2px}.input dt{color:var(--dim);font-size:12px}.input "
    "dd{margin:0;font-weight:600;"
    "font-variant-numeric:tabular-nums}\n"
    ".grid3{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));"
    "gap:14px}\n"
    ".grid2{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));"
    "gap:14px}\n"
    ".pic{padding:12px 14px 8px;display:flex;flex-direction:column}.pic .cap{flex-wrap:wrap;"
    "margin-bottom:4px;gap:2px 10px}.pic .cap b{font-size:14px}.pic .note{color:var(--dim);"
    "font-size:12.5px;margin:2px 0 4px;font-variant-numeric:tabular-nums}\n"
    ".pic .plot{margin-top:auto}.pic.top .plot{margin-top:0}\n"
    ".cap{display:flex;justify-content:space-between;align-items:baseline}\n";
static const char style_more[] =
    ".plot{width:100%;height:auto;display:block}\n"
    ".plot .grid{stroke:var(--line);fill:none}.plot .axis{stroke:var(--dim);stroke-opacity:.55;"
    "fill:none}.plot .mark{stroke:var(--dim);stroke-dasharray:2 3;fill:none}\n"
    ".tick,.name{font-size:10.5px;fill:var(--dim);font-variant-numeric:tabular-nums}"
    ".name{fill:var(--ink);font-size:11.5px}\n"
    ".la{fill:none;stroke:var(--a);stroke-width:4;stroke-opacity:.5;stroke-linejoin:round}"
    ".lb{fill:none;stroke:var(--b);stroke-width:1.7;stroke-linejoin:round}\n"
    ".da{fill:var(--a)}.db{fill:var(--b)}.da,.db{stroke:var(--card);stroke-width:1}\n"
    ".band-a{fill:var(--a);fill-opacity:.16}.band-b{fill:var(--b);fill-opacity:.16}\n"
    ".fit-a,.fit-b{fill:none;stroke-dasharray:6 5;stroke-width:1.2;stroke:var(--a)}"
    ".fit-b{stroke:var(--b)}\n"
    ".ba{fill:var(--a);fill-opacity:.75}.bb{fill:var(--b)}.noise{fill:var(--dim);fill-opacity:.14}"
    "\n"
    ".strip{width:210px;height:auto;display:block}.strip .ok{fill:var(--good);fill-opacity:.15}"
    ".strip .over{fill:var(--bad);fill-opacity:.11}.strip .one{stroke:var(--dim);"
    "stroke-dasharray:2 2}.strip .stem{stroke-width:2.5;stroke:var(--good)}.strip "
    ".dot{fill:var(--good)}.strip.far .stem{stroke:var(--bad)}.strip.far .dot{fill:var(--bad)}"
    ".strip.tiny .stem{stroke:var(--dim)}.strip.tiny "
    ".dot{fill:var(--dim)}.pill.tiny{background:var(--soft);color:var(--dim);border:1px solid "
    "var(--line)}"
    ".cap span{color:var(--dim);font-size:13px;font-variant-numeric:tabular-nums}.cap "
    ".pill{font-size:12px}.cap .good{color:var(--good)}.cap .bad{color:var(--bad)}.cap "
    ".warn{color:var(--warn)}"
    ".strip.odd .stem{stroke:var(--warn)}.strip.odd .dot{fill:var(--warn)}\n"
    ".fields td{padding:6px 10px;vertical-align:middle}.fields .group td{font-size:12px;"
    "font-weight:600;color:var(--dim);text-transform:uppercase;letter-spacing:.06em;"
    "padding-top:16px}.fields .unit{color:var(--dim);font-size:12.5px}"
    ".fields .by{font-weight:600}.dimmed td{color:var(--dim)}\n"
    ".fields td:first-child{min-width:226px}\n"
    ".legend{display:inline-flex;gap:16px;align-items:center;color:var(--dim);font-size:13px;"
    "font-weight:400;margin-left:12px}.legend i{display:inline-block;width:22px;height:0;"
    "border-top:4px solid var(--a);opacity:.6;margin-right:6px;vertical-align:middle}.legend "
    "i.b{border-top:2px solid var(--b);opacity:1}\n"
    "details.part{margin:0 0 10px;padding:4px 16px}details.part>summary{display:flex;gap:6px 14px;"
    "align-items:baseline;flex-wrap:wrap;color:var(--ink);padding:9px 0}details.part>summary "
    "b{font-size:15px}details.part>summary .why{flex:1 1 260px}\n"
    ".chip{display:inline-block;width:11px;height:11px;border-radius:3px;background:var(--k,"
    "var(--dim));align-self:center}\n"
    "details[open].part>summary{border-bottom:1px solid var(--line);margin-bottom:10px}\n"
    ".part .inner{padding-bottom:14px}.scroll{overflow-x:auto}.part .pic{background:var(--soft)}\n"
    ".method{max-width:820px}.method dt{font-weight:600;margin-top:12px}.method dd{margin:2px 0 0;"
    "color:var(--dim)}\n"
    ".toc{display:flex;gap:6px 18px;flex-wrap:wrap;font-size:13.5px;margin:0 0 4px}.toc "
    "a{color:var(--dim);text-decoration:none}.toc a:hover{color:var(--ink);"
    "text-decoration:underline}\n"
    "@media (max-width:760px){.fields "
    "td:first-child{min-width:110px}.wideonly{display:none}.strip{width:130px}main{padding:18px "
    "12px "
    "40px}.wide .tick{font-size:15px}.strip .tick{font-size:14px}.strip .few{display:none}.fields "
    "td,.fields th{padding:6px "
    "6px}.card{padding-left:12px;padding-right:12px}.legend{margin-left:0;display:flex}}\n"
    "@media (max-width:430px){.strip{width:104px}.fields{font-size:14px}.fields .pill{padding:2px "
    "7px}}\n"
    "@media print{details.part{break-inside:avoid}}\n";

// ---- small pieces -------------------------------------------------------------------------------

static void count(struct sl_str *out, double v)
{
    sl_html_number(out, v);
}

static void heading(struct sl_str *out, const char *id, const char *title)
{
    sl_str_addf(out,
                "<h2 id=\"%s\">%s<span class=\"legend\"><span><i></i>A</span><span><i "
                "class=\"b\"></i>B</span></span></h2>\n",
                id, title);
}

static void pill(struct sl_str *out, const struct sl_field_result *f)
{
    if (!f->judged) {
        sl_str_add(out, "<span class=\"why\">");
        sl_html_text(out, f->why_not ? f->why_not : "not judged");
        sl_str_add(out, "</span>");
        return;
    }
    sl_str_addf(out, "<span class=\"pill %s\">",
                f->differs      ? "bad"
                : f->below      ? "warn"
                : f->negligible ? "tiny\" title=\"above chance, but too small to count"
                                : "good");
    if (!(f->value > 0))
        sl_str_add(out, "equal");
    else if (f->ratio > 999)
        sl_str_add(out, "&gt; 999 × floor");
    else
        sl_str_addf(out, f->ratio < 10 ? "%.1f × floor" : "%.0f × floor", f->ratio);
    sl_str_add(out, "</span>");
}

static bool shown(const struct sl_field_result *f)
{
    return !f->missing_a && !f->missing_b && f->n_a > 0 && f->n_b > 0;
}

// ---- header -------------------------------------------------------------------------------------

static const char *tone(const struct sl_comparison *c)
{
    if (!c->pass)
        return "bad";
    return c->verdict == SL_VERDICT_DIFFERENT || c->verdict == SL_VERDICT_NOTHING ? "warn" : "good";
}

static void add_banner(struct sl_str *out, const struct sl_comparison *c)
{
    static const char *const titles[] = {"Nothing compared", "Identical", "Same within sampling",
                                         "Different"};
    const char *sentence = strchr(c->verdict_text, ':');
    sl_str_addf(out, "<div class=\"banner %s\"><b class=\"big\">%s</b><p>", tone(c),
                titles[c->verdict]);
    sl_html_text(out, sentence ? sentence + 2 : c->verdict_text);
    sl_str_add(out, ".</p>\n");
    const struct sl_selection *all = &c->selections[0];
    if (all->judged) {
        sl_str_add(out, "<p class=\"why\">Means over judged fields: JSD ");
        plot_figure(out, all->mean_jsd);
        sl_str_add(out, " · nW1 ");
        plot_figure(out, all->mean_nw1);
        sl_str_add(out, " · KS ");
        plot_figure(out, all->mean_ks);
        sl_str_add(out, "</p>\n");
    }
    if (!c->pass) {
        sl_str_add(out, "<p class=\"miss\">Bounds missed: ");
        sl_html_text(out, c->failures);
        sl_str_add(out, "</p>\n");
    }
    sl_str_add(out, "</div>\n");
}

static void start_fact(struct sl_str *out, const char *what)
{
    sl_str_addf(out, "<div><dt>%s</dt><dd>", what);
}

static void end_fact(struct sl_str *out)
{
    sl_str_add(out, "</dd></div>\n");
}

static void add_start(struct sl_str *out, int64_t start_ns)
{
    time_t t = (time_t)(start_ns / 1000000000);
    struct tm tm;
    char buf[40];
    if (start_ns == SL_SAMPLE_NO_TIME || !gmtime_r(&t, &tm) ||
        !strftime(buf, sizeof buf, "%Y-%m-%d %H:%M UTC", &tm))
        return;
    start_fact(out, "starts");
    sl_str_add(out, buf);
    end_fact(out);
}

static void add_facts(struct sl_str *out, const struct sl_compare_input *in)
{
    char buf[32];
    sl_str_add(out, "<dl>");
    start_fact(out, "flows");
    count(out, (double)in->total.flows);
    end_fact(out);
    start_fact(out, "packets");
    count(out, (double)in->total.packets);
    end_fact(out);
    start_fact(out, "bytes");
    sl_html_bytes(out, (double)in->total.bytes);
    end_fact(out);
    if (isfinite(in->duration_s)) {
        start_fact(out, "duration");
        sl_str_add(out, sl_format_duration(in->duration_s, buf, sizeof buf));
        end_fact(out);
        start_fact(out, "mean rate");
        sl_html_rate(out, in->total.bps);
        end_fact(out);
        start_fact(out, "packets per s");
        plot_value(out, in->total.pps, "");
        end_fact(out);
    }
    start_fact(out, "addresses");
    count(out, (double)in->addresses);
    end_fact(out);
    add_start(out, in->start_ns);
    sl_str_add(out, "</dl>\n");
}

static void add_input(struct sl_str *out, const char *letter, const char *cls,
                      const struct sl_compare_input *in)
{
    sl_str_addf(out, "<div class=\"card input %s\"><h2><i>%s</i>", cls, letter);
    sl_html_text(out, in->name);
    sl_str_add(out, "</h2><div class=\"why\">");
    sl_html_text(out, in->kind);
    if (in->input_bytes) {
        sl_str_add(out, " · ");
        sl_html_bytes(out, (double)in->input_bytes);
    }
    sl_str_add(out, in->kind[0] || in->input_bytes ? " · " : "");
    sl_html_text(out, in->bytes_are);
    sl_str_add(out, "</div>\n");
    add_facts(out, in);
    if (in->skipped)
        sl_str_addf(out, "<div class=\"why\">%" PRIu64 " packets belong to no flow</div>\n",
                    in->skipped);
    if (in->left_out)
        sl_str_addf(out,
                    "<div class=\"why warn\">%" PRIu64
                    " packets beyond the reader’s limit were left out</div>\n",
                    in->left_out);
    if (in->note) {
        sl_str_add(out, "<div class=\"why warn\">");
        sl_html_text(out, in->note);
        sl_str_add(out, "</div>\n");
    }
    sl_str_add(out, "</div>\n");
}

static void add_header(struct sl_str *out, const struct sl_comparison *c)
{
    sl_str_add(out, "<header><h1>");
    sl_html_text(out, c->a.name);
    sl_str_add(out, " <span class=\"vs\">against</span> ");
    sl_html_text(out, c->b.name);
    sl_str_add(out, "</h1></header>\n");
    add_banner(out, c);
    sl_str_add(out, "<div class=\"inputs\">\n");
    add_input(out, "A", "ka", &c->a);
    add_input(out, "B", "kb", &c->b);
    sl_str_add(out, "</div>\n");
}

// ---- all fields on one strip --------------------------------------------------------------------

static void figure_cell(struct sl_str *out, const char *cls, double v)
{
    sl_str_addf(out, "<td class=\"n %s\">", cls);
    plot_figure(out, v);
    sl_str_add(out, "</td>");
}

static void field_row(struct sl_str *out, const struct sl_field_result *f, double factor)
{
    sl_str_addf(out, "<tr%s><td title=\"%s\">%s</td>", f->judged ? "" : " class=\"dimmed\"",
                f->field->about, f->field->title);
    if (!f->judged) {
        sl_str_add(out, "<td>");
        sl_html_text(out, f->why_not ? f->why_not : "not judged");
        sl_str_add(out, "</td><td></td>");
    } else {
        sl_str_add(out, "<td>");
        plot_strip(out, f, factor);
        sl_str_add(out, "</td><td class=\"n\">");
        pill(out, f);
        sl_str_add(out, "</td>");
    }
    sl_str_addf(out, "<td class=\"wideonly\"><span class=\"unit\">%s</span></td>",
                sl_metric_name(f->by));
    figure_cell(out, "wideonly by", f->value);
    figure_cell(out, "wideonly", f->judged ? f->by_floor : NAN);
    figure_cell(out, "wideonly", f->d.jsd);
    figure_cell(out, "wideonly", f->d.nw1);
    figure_cell(out, "wideonly", f->d.ks);
    for (int side = 0; side < 2; side++) {
        sl_str_add(out, "<td class=\"n wideonly unit\">");
        if (f->missing_a || f->missing_b)
            sl_str_add(out, "–");
        else
            plot_value(out, side ? f->n_b : f->n_a, "");
        sl_str_add(out, "</td>");
    }
    sl_str_add(out, "</tr>\n");
}

static void add_table(struct sl_str *out, const struct sl_selection *s, double factor, bool card)
{
    static const char *const groups[] = {"Packets", "Flows", "Graph", "Time"};
    sl_str_addf(out, "<div class=\"%s\"><table class=\"fields\"><thead><tr><th>field</th><th>",
                card ? "card" : "scroll");
    plot_strip_axis(out, factor);
    sl_str_add(out, "</th><th class=\"n\"></th><th class=\"wideonly\">by</th>"
                    "<th class=\"n wideonly\">distance</th><th class=\"n wideonly\">floor</th>"
                    "<th class=\"n wideonly\">JSD</th><th class=\"n wideonly\">nW1</th>"
                    "<th class=\"n wideonly\">KS</th><th class=\"n wideonly\">n A</th>"
                    "<th class=\"n wideonly\">n B</th></tr></thead><tbody>\n");
    int group = -1;
    for (size_t i = 0; i < s->n_fields; i++) {
        if ((int)s->fields[i].field->group != group) {
            group = (int)s->fields[i].field->group;
            sl_str_addf(out, "<tr class=\"group\"><td colspan=\"11\">%s</td></tr>\n",
                        groups[group]);
        }
        field_row(out, &s->fields[i], factor);
    }
    sl_str_add(out, "</tbody></table></div>\n");
}

// ---- pictures -----------------------------------------------------------------------------------

static void start_picture(struct sl_str *out, const struct sl_field_result *f, bool top)
{
    sl_str_addf(out, "<div class=\"card pic%s\"><div class=\"cap\"><b>%s</b>", top ? " top" : "",
                f->field->title);
    pill(out, f);
    sl_str_add(out, "</div><div class=\"note\">");
}

static void side_quantiles(struct sl_str *out, const char *who, const struct sl_summary *s,
                           const char *unit)
{
    sl_str_addf(out, "%s: median ", who);
    plot_value(out, s->q[4], unit);
    sl_str_add(out, ", p99 ");
    plot_value(out, s->q[7], unit);
}

static void ecdf_picture(struct sl_str *out, const struct sl_field_result *f)
{
    start_picture(out, f, false);
    if (f->field->kind == SL_FIELD_RANK) {
        sl_str_add(out, "share of all that the x busiest addresses carry");
    } else {
        side_quantiles(out, "A", &f->a, f->field->unit);
        sl_str_add(out, " · ");
        side_quantiles(out, "B", &f->b, f->field->unit);
    }
    sl_str_add(out, "</div>\n");
    plot_ecdf(out, f);
    sl_str_add(out, "</div>\n");
}

static void mix_picture(struct sl_str *out, const struct sl_field_result *f)
{
    start_picture(out, f, true);
    sl_str_addf(out, "%s · JSD ", f->field->about);
    plot_figure(out, f->d.jsd);
    sl_str_add(out, ", floor ");
    plot_figure(out, f->floor.jsd);
    sl_str_add(out, "</div>\n");
    plot_mix(out, f);
    sl_str_add(out, "</div>\n");
}

static void slope_text(struct sl_str *out, const char *who, const struct sl_slope *s)
{
    if (!isfinite(s->alpha)) {
        sl_str_addf(out, "%s: no slope", who);
        return;
    }
    sl_str_addf(out, "%s: α %.3f ± %.3f, H %.2f (counts) or %.2f (cumulative), χ² %.0f on %d", who,
                s->alpha, 1.96 * s->sd, s->h_stationary, s->h_cumulative, s->chi2, s->dof);
}

static void scaling_picture(struct sl_str *out, const struct sl_field_result *f)
{
    const struct sl_scaling *s = f->scaling;
    start_picture(out, f, false);
    slope_text(out, "A", &s->slope_a);
    sl_str_add(out, " · ");
    slope_text(out, "B", &s->slope_b);
    sl_str_addf(out, ". Bars overlap in %zu of %zu octaves; largest gap %.2f at ",
                s->diff.overlapping, s->diff.octaves, s->diff.max);
    plot_value(out, s->a.bin_s * exp2((double)s->diff.max_octave), "s");
    sl_str_add(out, ".</div>\n");
    plot_scaling(out, f);
    sl_str_add(out, "</div>\n");
}

static bool has_kind(const struct sl_selection *s, enum sl_field_kind kind, enum sl_field_kind or)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        enum sl_field_kind k = s->fields[i].field->kind;
        if (shown(&s->fields[i]) && (k == kind || k == or))
            return true;
    }
    return false;
}

static void add_distributions(struct sl_str *out, const struct sl_selection *s)
{
    if (!has_kind(s, SL_FIELD_NUMBER, SL_FIELD_RANK))
        return;
    heading(out, "distributions", "Distributions");
    sl_str_add(out,
               "<p class=\"why\">How much of the sample lies at or below a value. Dots mark the "
               "quarter, the median, three quarters and 95 %.</p>\n<div class=\"grid3\">\n");
    for (int kind = 0; kind < 2; kind++)
        for (size_t i = 0; i < s->n_fields; i++) {
            const struct sl_field_result *f = &s->fields[i];
            if (shown(f) && f->field->kind == (kind ? SL_FIELD_RANK : SL_FIELD_NUMBER))
                ecdf_picture(out, f);
        }
    sl_str_add(out, "</div>\n");
}

static void add_mixes(struct sl_str *out, const struct sl_selection *s)
{
    if (!has_kind(s, SL_FIELD_CATEGORY, SL_FIELD_ORDINAL))
        return;
    heading(out, "mixes", "Mixes");
    sl_str_add(out, "<div class=\"grid3\">\n");
    for (size_t i = 0; i < s->n_fields; i++)
        if (shown(&s->fields[i]) && s->fields[i].top)
            mix_picture(out, &s->fields[i]);
    sl_str_add(out, "</div>\n");
}

static void rate_pictures(struct sl_str *out, const struct sl_selection *s)
{
    for (int bits = 1; bits >= 0; bits--) {
        const struct sl_rate_curve *any = s->rate_a ? s->rate_a : s->rate_b;
        sl_str_addf(out, "<div class=\"card pic\"><div class=\"cap\"><b>%s</b><span>means of ",
                    bits ? "bits per second" : "packets per second");
        plot_value(out, any->step_s, "s");
        sl_str_add(out, "</span></div>\n");
        plot_rates(out, s->rate_a, s->rate_b, bits);
        sl_str_add(out, "</div>\n");
    }
}

static void add_rates(struct sl_str *out, const struct sl_comparison *c)
{
    const struct sl_selection *s = &c->selections[0];
    if (!s->rate_a && !s->rate_b)
        return;
    heading(out, "rates", "Rates over time");
    if (!(c->a.known & c->b.known & SL_KNOW_PACKETS))
        sl_str_add(out,
                   "<p class=\"why\">Where packets are not known, a flow is spread evenly over "
                   "its life.</p>\n");
    sl_str_add(out, "<div class=\"grid2\">\n");
    rate_pictures(out, s);
    sl_str_add(out, "</div>\n");
}

static void add_scaling(struct sl_str *out, const struct sl_selection *s)
{
    if (!has_kind(s, SL_FIELD_SCALING, SL_FIELD_SCALING))
        return;
    heading(out, "scaling", "Burstiness by time scale");
    sl_str_add(out,
               "<p class=\"why\">Logscale diagrams: log2 of the wavelet energy of the counts at "
               "each time scale, bands of 95 % confidence, dashed the fitted slope α. Flat: no "
               "memory at those scales; rising: long-range dependence.</p>\n"
               "<div class=\"grid2\">\n");
    for (size_t i = 0; i < s->n_fields; i++)
        if (shown(&s->fields[i]) && s->fields[i].scaling)
            scaling_picture(out, &s->fields[i]);
    sl_str_add(out, "</div>\n");
}

static void add_memory(struct sl_str *out, const struct sl_comparison *c)
{
    bool any = false;
    for (size_t i = 0; i < c->n_selections; i++)
        any |= c->selections[i].n_acf > 0;
    if (!any)
        return;
    heading(out, "memory", "Memory");
    sl_str_add(out,
               "<p class=\"why\">Autocorrelation by lag: of counts for all traffic, of gaps and "
               "sizes within a direction. In the grey band it cannot be told from none. The index "
               "of dispersion is the variance of counts over their mean: 1 for Poisson "
               "arrivals.</p>\n<div class=\"grid3\">\n");
    for (size_t i = 0; i < c->n_selections; i++) {
        const struct sl_selection *s = &c->selections[i];
        for (size_t k = 0; k < s->n_acf; k++) {
            const struct sl_acf_pair *p = &s->acf[k];
            if ((i == 0) != (strcmp(p->key, "counts") == 0) && c->n_selections > 1)
                continue;
            sl_str_addf(out, "<div class=\"card pic\"><div class=\"cap\"><b>%s</b><span>",
                        p->title);
            sl_html_text(out, s->title);
            sl_str_addf(out, ", lag in %s</span></div>\n", p->step);
            plot_acf(out, p);
            sl_str_add(out, "</div>\n");
        }
        if (i == 0 && s->dispersed) {
            sl_str_add(out, "<div class=\"card pic\"><div class=\"cap\"><b>index of dispersion</b>"
                            "<span>by window length</span></div>\n");
            plot_dispersion(out, s);
            sl_str_add(out, "</div>\n");
        }
    }
    sl_str_add(out, "</div>\n");
}

// ---- parts --------------------------------------------------------------------------------------

static void part_summary(struct sl_str *out, const struct sl_selection *s)
{
    sl_str_add(out, "<summary>");
    if (s->cls)
        sl_str_addf(out, "<i class=\"chip k%d\"></i>", sl_html_colour(s->cls));
    sl_str_add(out, "<b>");
    sl_html_text(out, s->title);
    sl_str_add(out, "</b>");
    if (s->judged)
        sl_str_addf(out, "<span class=\"pill %s\">%zu of %zu differ</span>",
                    s->differing ? "bad" : "good", s->differing, s->judged);
    sl_str_add(out, "<span class=\"why\">A ");
    count(out, (double)s->a.flows);
    sl_str_add(out, " flows, ");
    sl_html_bytes(out, (double)s->a.bytes);
    sl_str_add(out, " · B ");
    count(out, (double)s->b.flows);
    sl_str_add(out, " flows, ");
    sl_html_bytes(out, (double)s->b.bytes);
    if (s->worst) {
        sl_str_addf(out, " · worst: %s (%s ", s->worst->field->title, sl_metric_name(s->worst->by));
        plot_figure(out, s->worst->value);
        sl_str_add(out, ")");
    }
    sl_str_add(out, "</span></summary>\n");
}

static bool drawable(const struct sl_field_result *f)
{
    return f->judged && f->field->kind != SL_FIELD_SCALING && (f->ecdf_a || f->top);
}

// The largest difference not yet shown.
static const struct sl_field_result *next_worst(const struct sl_selection *s,
                                                const struct sl_field_result *const *done, size_t n)
{
    const struct sl_field_result *best = NULL;
    for (size_t i = 0; i < s->n_fields; i++) {
        const struct sl_field_result *f = &s->fields[i];
        bool seen = !drawable(f);
        for (size_t k = 0; k < n && !seen; k++)
            seen = done[k] == f;
        if (seen || (best && best->differs > f->differs))
            continue;
        if (!best || f->differs > best->differs || sl_field_effect(f) > sl_field_effect(best))
            best = f;
    }
    return best;
}

static void part_pictures(struct sl_str *out, const struct sl_selection *s)
{
    const struct sl_field_result *done[PART_PLOTS] = {0}, *f;
    bool any = next_worst(s, done, 0) != NULL;
    if (any)
        sl_str_add(out, "<h3>Farthest apart</h3>\n<div class=\"grid3\">\n");
    for (size_t n = 0; n < PART_PLOTS && (f = next_worst(s, done, n)); n++) {
        done[n] = f;
        if (f->ecdf_a)
            ecdf_picture(out, f);
        else
            mix_picture(out, f);
    }
    if (any)
        sl_str_add(out, "</div>\n");
    if (s->rate_a || s->rate_b) {
        sl_str_add(out, "<h3>Rates over time</h3>\n<div class=\"grid2\">\n");
        rate_pictures(out, s);
        sl_str_add(out, "</div>\n");
    }
}

static void directions_of_class(struct sl_str *out, const struct sl_comparison *c, size_t i)
{
    const char *cls = c->selections[i].cls;
    for (size_t k = i + 1; cls && k < c->n_selections && c->selections[k].cls == cls; k++) {
        const struct sl_selection *s = &c->selections[k];
        sl_str_addf(out, "<p class=\"why\"><b>%s</b>: %zu of %zu fields differ",
                    s->direction ? "backward" : "forward", s->differing, s->judged);
        if (s->worst) {
            sl_str_addf(out, ", worst %s (%s ", s->worst->field->title,
                        sl_metric_name(s->worst->by));
            plot_figure(out, s->worst->value);
            sl_str_add(out, ", floor ");
            plot_figure(out, s->worst->by_floor);
            sl_str_add(out, ")");
        }
        sl_str_add(out, "</p>\n");
    }
}

static void add_part(struct sl_str *out, const struct sl_comparison *c, size_t i)
{
    const struct sl_selection *s = &c->selections[i];
    sl_str_add(out, "<details class=\"card part\">");
    part_summary(out, s);
    sl_str_add(out, "<div class=\"inner\">\n");
    directions_of_class(out, c, i);
    add_table(out, s, c->options.factor, false);
    part_pictures(out, s);
    sl_str_add(out, "</div></details>\n");
}

static void add_parts(struct sl_str *out, const struct sl_comparison *c)
{
    if (c->n_selections < 2)
        return;
    heading(out, "parts", "Directions and classes");
    for (int classes = 0; classes < 2; classes++)
        for (size_t i = 1; i < c->n_selections; i++) {
            const struct sl_selection *s = &c->selections[i];
            if (classes ? s->cls && s->direction < 0 : !s->cls)
                add_part(out, c, i);
        }
    if (c->classes_left_out)
        sl_str_addf(out,
                    "<p class=\"why\">%" PRIu32 " more classes have fewer flows and are not "
                    "shown apart.</p>\n",
                    c->classes_left_out);
}

// ---- method -------------------------------------------------------------------------------------

static void add_method(struct sl_str *out, const struct sl_comparison *c)
{
    const struct sl_compare_options *o = &c->options;
    sl_str_add(out, "<h2 id=\"method\">How this was measured</h2>\n<div class=\"card\"><dl "
                    "class=\"method\">\n");
    sl_str_addf(
        out,
        "<dt>Sampling floor</dt><dd>The same distance between two random halves of A, split "
        "by flow: the mean over %d splits, seed %" PRIu64
        ". Two recordings of one and the same network would be about that far apart, so a "
        "distance at the floor cannot be improved; one far below it is a sign of copying. "
        "When B has fewer flows than half of A, one part has as many as B and the other the "
        "rest; only counts, scaling, memory, concurrent flows and degrees keep to halves.</dd>\n",
        o->splits, o->seed);
    sl_str_addf(out,
                "<dt>When a field differs</dt><dd>Its distance is larger than %g times the floor "
                "(for JSD and KS, which end at 1, at most half way from the floor to 1) and larger "
                "than %g (%g for JSD, %g octaves for scaling, %g for memory). At least %d values "
                "on each side and "
                "%d flows are needed to judge.</dd>\n",
                o->factor, o->min_effect, o->min_effect / 10, o->min_effect * 10, o->min_effect * 5,
                SL_COMPARE_MIN, SL_COMPARE_MIN_FLOWS);
    sl_str_add(
        out, "<dt>JSD</dt><dd>Jensen-Shannon divergence in base 2: 0 for equal, 1 for nothing in "
             "common. Its square root is a distance. Ports, protocols, flags, TTL, classes and "
             "labels are compared entry by entry; addresses by popularity rank; quantities over "
             "bins whose edges come from A (the finer of Freedman-Diaconis and Sturges, "
             "logarithmic where the plot is), with one cell below and one above, so that nothing "
             "is lost.</dd>\n"
             "<dt>ACF</dt><dd>Autocorrelation of counts in 100 ms (lags to 10 s), of gaps and of "
             "sizes (lags to 40 packets, at most a quarter of the series): root of the mean "
             "squared difference of the coefficients.</dd>\n"
             "<dt>nW1</dt><dd>How far mass has to move from A to B (Wasserstein-1), over the span "
             "from the 1st to the 99th percentile of A.</dd>\n"
             "<dt>KS</dt><dd>The largest vertical gap between the two distribution functions "
             "(Kolmogorov-Smirnov D). No p value is shown: with this many values it is always "
             "0.</dd>\n");
    sl_str_addf(out,
                "<dt>Scaling</dt><dd>Wavelet %s on counts from the first packet to the last, "
                "boundary-free; RMS difference of the diagrams over octaves with at least %d "
                "coefficients on both sides. H = (1 + α)/2 holds for stationary counts, (α − 1)/2 "
                "for a cumulative process.</dd>\n",
                sl_wavelet_name(o->haar ? SL_HAAR : SL_DB3), SL_LOGSCALE_MIN_COUNT);
    sl_str_add(out, "<dt>Forward</dt><dd>From the side that opened the flow to the one that "
                    "answered.</dd>\n</dl></div>\n");
}

static void add_contents(struct sl_str *out, const struct sl_comparison *c)
{
    const struct sl_selection *s = &c->selections[0];
    sl_str_add(out, "<nav class=\"toc\"><a href=\"#fields\">Fields</a><a "
                    "href=\"#distributions\">Distributions</a><a href=\"#mixes\">Mixes</a>");
    if (s->rate_a || s->rate_b)
        sl_str_add(out, "<a href=\"#rates\">Rates</a>");
    if (s->n_acf)
        sl_str_add(out, "<a href=\"#scaling\">Burstiness</a><a href=\"#memory\">Memory</a>");
    if (c->n_selections > 1)
        sl_str_add(out, "<a href=\"#parts\">Directions and classes</a>");
    sl_str_add(out, "<a href=\"#method\">Method</a></nav>\n");
}

static void add_page(struct sl_str *out, const struct sl_comparison *c)
{
    const struct sl_selection *all = &c->selections[0];
    add_header(out, c);
    add_contents(out, c);
    sl_str_add(out,
               "<h2 id=\"fields\">How far apart, field by field</h2>\n<p class=\"why\">Each "
               "distance as a multiple of its sampling floor. Green reaches as far as chance may; "
               "red is more than chance; grey is more than chance, but too small to count.</p>\n");
    add_table(out, all, c->options.factor, true);
    add_rates(out, c);
    add_distributions(out, all);
    add_mixes(out, all);
    add_scaling(out, all);
    add_memory(out, c);
    add_parts(out, c);
    add_method(out, c);
}

char *sl_comparison_html(const struct sl_comparison *c, const char *made_by, struct sl_error *err)
{
    struct sl_str out = {.max = MAX_PAGE};
    sl_html_head(&out);
    sl_str_add(&out, style);
    sl_str_add(&out, style_more);
    sl_html_palette(&out, "main");
    sl_str_add(&out, "</style>\n<title>");
    sl_html_text(&out, c->a.name);
    sl_str_add(&out, " against ");
    sl_html_text(&out, c->b.name);
    sl_str_add(&out, " · Sluice comparison</title>\n</head>\n<body>\n<main>\n");
    add_page(&out, c);
    sl_str_add(&out, "<footer>Made by Sluice");
    if (made_by) {
        sl_str_add(&out, ": ");
        sl_html_text(&out, made_by);
    }
    sl_str_add(&out, ". Figures in full: the same command with --json.</footer>\n"
                     "</main>\n</body>\n</html>\n");
    if (out.truncated) {
        sl_str_done(&out);
        sl_fail(err, SL_EINPUT, "the report would be larger than %d MiB", MAX_PAGE >> 20);
        return NULL;
    }
    return sl_str_take(&out);
}
