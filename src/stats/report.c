// SPDX-License-Identifier: Apache-2.0
#include "stats/report.h"
#include "base/auto.h"
#include "base/units.h"
#include "stats/html.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_EVENTS = 500, MAX_METADATA = 400, MAX_PAGE = 32 << 20 };

static const char head_more[] =
    ".curves{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:"
    "14px}\n"
    ".curves .card{padding:14px 16px 8px}.cap{display:flex;justify-content:space-between;gap:12px;"
    "align-items:baseline;margin-bottom:6px}.cap b{font-weight:600}\n"
    ".cap "
    "span{color:var(--dim);font-size:13px;white-space:nowrap;font-variant-numeric:tabular-nums}\n"
    ".curve{width:100%;height:auto;display:block}\n"
    ".curve .grid{stroke:var(--line)}.curve .axis{stroke:var(--dim);stroke-opacity:.5}\n"
    ".curve .tick{font-size:11px;fill:var(--dim);font-variant-numeric:tabular-nums}\n"
    ".curve .line{fill:none;stroke:var(--k);stroke-width:1.8;stroke-linejoin:round}\n"
    ".curve .area{fill:var(--k);fill-opacity:.13}\n"
    ".curve .asked{stroke:var(--ink);stroke-dasharray:5 4;stroke-width:1.2}\n"
    ".curve .bound{stroke:var(--ink);stroke-dasharray:2 3}\n"
    ".curve .band{fill:var(--good);fill-opacity:.18}\n"
    ".curve .window{fill:var(--dim);fill-opacity:.1}\n"
    ".curve .hover{fill:transparent}.curve .hover:hover{fill:var(--k);fill-opacity:.25}\n"
    ".key{color:var(--dim);font-size:13px;margin:8px 2px 0}.key "
    "i{display:inline-block;width:18px;height:9px;"
    "margin:0 5px 0 14px;vertical-align:baseline;border-radius:2px}.key "
    "i:first-child{margin-left:0}\n"
    ".graph{padding:10px}.graph svg{display:block;margin:0 auto;max-width:100%;height:auto}\n"
    ".timeline{list-style:none;margin:6px 0;padding:0}\n"
    ".timeline li{display:grid;grid-template-columns:84px 110px 1fr;gap:12px;padding:5px "
    "0;position:relative}\n"
    ".timeline .t{color:var(--dim);text-align:right;font-variant-numeric:tabular-nums}\n"
    ".timeline .type{color:var(--dim);overflow-wrap:anywhere}\n.timeline .text{border-left:2px "
    "solid var(--line);"
    "padding-left:14px;overflow-wrap:anywhere}\n"
    "summary{cursor:pointer;color:var(--dim);padding:6px 0}\n"
    "td.v{overflow-wrap:anywhere}footer{color:var(--dim);font-size:13px;margin-top:34px}\n"
    "@media print{body{background:#fff}.card,.fact{break-inside:avoid}}\n";

// ---- small pieces -------------------------------------------------------------------------------

static const char *text_of(const json_t *o, const char *key)
{
    return sl_json_str(o, key, "");
}

static void add_text(struct sl_str *out, const json_t *o, const char *key)
{
    sl_html_text(out, text_of(o, key));
}

static void start_table(struct sl_str *out, const char *const *titles, const char *figures)
{
    sl_str_add(out, "<div class=\"card\"><table><thead><tr>");
    for (size_t i = 0; titles[i]; i++)
        sl_str_addf(out, "<th%s>%s</th>", figures[i] == 'n' ? " class=\"n\"" : "", titles[i]);
    sl_str_add(out, "</tr></thead><tbody>\n");
}

static void end_table(struct sl_str *out)
{
    sl_str_add(out, "</tbody></table></div>\n");
}

static void text_cell(struct sl_str *out, const json_t *o, const char *key)
{
    sl_str_add(out, "<td>");
    add_text(out, o, key);
    sl_str_add(out, "</td>");
}

static void rate_cell(struct sl_str *out, const json_t *o, const char *key)
{
    sl_str_add(out, "<td class=\"n\">");
    sl_html_rate(out, sl_json_num(o, key, NAN));
    sl_str_add(out, "</td>");
}

static void number_cell(struct sl_str *out, const json_t *o, const char *key)
{
    sl_str_add(out, "<td class=\"n\">");
    sl_html_number(out, sl_json_num(o, key, NAN));
    sl_str_add(out, "</td>");
}

static void bytes_cell(struct sl_str *out, const json_t *o, const char *key)
{
    sl_str_add(out, "<td class=\"n\">");
    sl_html_bytes(out, sl_json_num(o, key, NAN));
    sl_str_add(out, "</td>");
}

static const char *verdict_style(const char *status)
{
    return !strcmp(status, "ok") ? "good" : !strcmp(status, "missed") ? "warn" : "bad";
}

// ---- header -------------------------------------------------------------------------------------

static void fact(struct sl_str *out, const char *value, const char *label)
{
    sl_str_add(out, "<div class=\"fact\"><b>");
    sl_html_text(out, value);
    sl_str_addf(out, "</b><span>%s</span></div>\n", label);
}

static double sum(const json_t *array, const char *key)
{
    double total = 0;
    size_t i;
    json_t *v;
    json_array_foreach(array, i, v) total += sl_json_num(v, key, 0);
    return total;
}

static void add_facts(struct sl_str *out, const json_t *s)
{
    const json_t *statements = json_object_get(s, "statements"),
                 *projects = json_object_get(s, "projects");
    size_t ok = 0, i;
    json_t *v;
    json_array_foreach(statements, i, v) ok += sl_json_bool(v, "ok", false);
    char value[64];
    struct sl_str rate = {0};
    sl_str_add(out, "<div class=\"facts\">\n");
    snprintf(value, sizeof value, "%zu of %zu", ok, json_array_size(statements));
    fact(out, value, "statements met");
    sl_html_rate(&rate, sum(statements, "achieved_bps"));
    fact(out, sl_str_text(&rate), "achieved, all statements");
    sl_str_clear(&rate);
    sl_html_rate(&rate, sum(statements, "asked_bps"));
    fact(out, sl_str_text(&rate), "asked for");
    fact(out, sl_format_duration(sl_json_num(s, "duration_s", 0), value, sizeof value),
         "of traffic");
    snprintf(value, sizeof value, "%zu", json_array_size(json_object_get(s, "hosts")));
    fact(out, value, "hosts");
    snprintf(value, sizeof value, "%zu / %.0f", json_array_size(projects),
             sum(projects, "containers"));
    fact(out, value, "projects / containers");
    sl_str_add(out, "</div>\n");
    sl_str_done(&rate);
}

static void add_header(struct sl_str *out, const json_t *s)
{
    const char *status = text_of(s, "status");
    sl_str_add(out, "<header><h1>");
    add_text(out, s, "name");
    sl_str_addf(out, "</h1><span class=\"verdict %s\">", verdict_style(status));
    sl_html_text(out, status);
    sl_str_add(out, "</span></header>\n<p class=\"sub\">");
    if (text_of(s, "reason")[0]) {
        sl_str_addf(out, "<span class=\"%s\">", verdict_style(status));
        add_text(out, s, "reason");
        sl_str_add(out, "</span> · ");
    }
    sl_str_add(out, "started ");
    add_text(out, s, "started");
    double from = sl_json_num(s, "measured_from_s", NAN), to = sl_json_num(s, "measured_to_s", NAN);
    if (isfinite(from) && isfinite(to))
        sl_str_addf(out, " · judged from second %.0f to %.0f", from, to);
    sl_str_add(out, "</p>\n");
    add_facts(out, s);
}

// ---- statements ---------------------------------------------------------------------------------

static double bound_of(const json_t *st, const char *key)
{
    return sl_json_num(st, key, NAN);
}

static void flows_cell(struct sl_str *out, const json_t *st)
{
    double min = bound_of(st, "flows_min"), max = bound_of(st, "flows_max");
    sl_str_addf(out, "<td class=\"n\">%.1f", sl_json_num(st, "flows", 0));
    if (isfinite(min) && isfinite(max) && min == max)
        sl_str_addf(out, " = %.0f", min);
    else if (isfinite(min) && isfinite(max))
        sl_str_addf(out, " in %.0f…%.0f", min, max);
    else if (isfinite(min))
        sl_str_addf(out, " ≥ %.0f", min);
    else if (isfinite(max))
        sl_str_addf(out, " ≤ %.0f", max);
    if (isfinite(min) || isfinite(max)) {
        bool ok = sl_json_bool(st, "flows_ok", false);
        sl_str_addf(out, " <span class=\"%s\">%s</span>", ok ? "good" : "bad", ok ? "✓" : "✗");
    }
    sl_str_add(out, "</td>");
}

// Signed, from the rates themselves: which way a statement is off is worth knowing.
static void deviation_cell(struct sl_str *out, const json_t *st)
{
    double asked = sl_json_num(st, "asked_bps", 0), got = sl_json_num(st, "achieved_bps", NAN);
    double percent = asked > 0 ? (got - asked) / asked * 100 : NAN;
    if (!isfinite(percent))
        sl_str_add(out, "<td class=\"n\">–</td>");
    else
        sl_str_addf(out, "<td class=\"n\">%s%.1f %%</td>",
                    fabs(percent) < 0.05 ? ""
                    : percent < 0        ? "−"
                                         : "+",
                    fabs(percent));
}

static void statement_row(struct sl_str *out, size_t i, const json_t *st)
{
    bool ok = sl_json_bool(st, "ok", false);
    sl_str_addf(out, "<tr><td>%zu</td><td><code>", i + 1);
    add_text(out, st, "text");
    sl_str_add(out, "</code>");
    if (text_of(st, "reason")[0]) {
        sl_str_add(out, "<div class=\"why\">");
        add_text(out, st, "reason");
        sl_str_add(out, "</div>");
    }
    sl_str_add(out, "</td>");
    rate_cell(out, st, "asked_bps");
    rate_cell(out, st, "planned_bps");
    rate_cell(out, st, "achieved_bps");
    deviation_cell(out, st);
    rate_cell(out, st, "up_bps");
    rate_cell(out, st, "down_bps");
    flows_cell(out, st);
    sl_str_addf(out, "<td><span class=\"pill %s\">%s</span></td></tr>\n", ok ? "good" : "bad",
                ok ? "ok" : "missed");
}

static void add_statements(struct sl_str *out, const json_t *statements)
{
    sl_str_add(out, "<h2>Asked and achieved</h2>\n");
    start_table(out,
                (const char *const[]){"#", "statement", "asked", "planned", "achieved", "deviation",
                                      "up", "down", "flows", "result", NULL},
                "t-nnnnnnn-");
    size_t i;
    json_t *st;
    json_array_foreach(statements, i, st) statement_row(out, i, st);
    end_table(out);
}

static void add_curve(struct sl_str *out, const json_t *s, size_t i, const json_t *st)
{
    SL_AUTO(sl_free_str) char *title = NULL;
    if (asprintf(&title, "rate of statement %zu over time", i + 1) < 0)
        title = NULL;
    struct sl_curve c = {.series_bps = json_object_get(st, "series_bps"),
                         .flows_series = json_object_get(st, "flows_series"),
                         .asked_bps = sl_json_num(st, "asked_bps", 0),
                         .tolerance = sl_json_num(s, "tolerance", 0.02),
                         .from_s = sl_json_num(s, "measured_from_s", NAN),
                         .to_s = sl_json_num(s, "measured_to_s", NAN),
                         .flows_min = bound_of(st, "flows_min"),
                         .flows_max = bound_of(st, "flows_max"),
                         .type = text_of(st, "type"),
                         .title = title ? title : ""};
    bool ok = sl_json_bool(st, "ok", false);
    sl_str_addf(out, "<div class=\"card\"><div class=\"cap\"><b>%zu · ", i + 1);
    add_text(out, st, "type");
    sl_str_add(out, " ");
    add_text(out, st, "from");
    sl_str_add(out, " → ");
    add_text(out, st, "to");
    sl_str_addf(out, " <span class=\"%s\">%s</span></b><span>", ok ? "good" : "bad",
                ok ? "✓" : "✗");
    sl_html_rate(out, sl_json_num(st, "achieved_bps", NAN));
    sl_str_add(out, " of ");
    sl_html_rate(out, c.asked_bps);
    sl_str_add(out, "</span></div>\n");
    if (json_array_size(c.series_bps))
        sl_curve_svg(out, &c);
    else
        sl_str_add(out, "<p class=\"why\">no second was measured</p>");
    sl_str_add(out, "</div>\n");
}

static void add_curves(struct sl_str *out, const json_t *s)
{
    sl_str_add(out, "<h2>Rates over time</h2>\n<div class=\"curves\">\n");
    size_t i;
    json_t *st;
    json_array_foreach(json_object_get(s, "statements"), i, st) add_curve(out, s, i, st);
    sl_str_add(out,
               "</div>\n<p class=\"key\">"
               "<i style=\"border-top:2px dashed var(--ink);border-radius:0;height:3px\"></i>asked"
               "<i style=\"background:var(--good);opacity:.35\"></i>tolerance"
               "<i style=\"background:var(--dim);opacity:.25\"></i>judged"
               " &nbsp; Rates count layer-2 frames at the ‘from’ host’s interface.</p>\n");
}

// ---- the rest -----------------------------------------------------------------------------------

static void add_graph(struct sl_str *out, const json_t *graph)
{
    sl_str_add(out, "<h2>Who talked to whom</h2>\n<div class=\"card graph\">\n");
    struct sl_error why = {0};
    SL_AUTO(sl_free_str) char *svg = NULL;
    if (!graph)
        sl_str_add(out, "<p class=\"why\">no graph was recorded</p>");
    else if (!json_array_size(json_object_get(graph, "nodes")))
        sl_str_add(out, "<p class=\"why\">no service ran</p>");
    else if ((svg = sl_graph_svg(graph, &why)))
        sl_str_add(out, svg);
    else {
        sl_str_add(out, "<p class=\"why\">");
        sl_html_text(out, why.msg);
        sl_str_add(out, "</p>");
    }
    sl_str_add(out, "</div>\n");
}

static void add_hosts(struct sl_str *out, const json_t *hosts)
{
    if (!json_array_size(hosts))
        return;
    sl_str_add(out, "<h2>Hosts</h2>\n");
    start_table(
        out,
        (const char *const[]){"host", "received", "sent", "packets received", "packets sent", NULL},
        "-nnnn");
    size_t i;
    json_t *h;
    json_array_foreach(hosts, i, h)
    {
        sl_str_add(out, "<tr>");
        text_cell(out, h, "name");
        bytes_cell(out, h, "rx_bytes");
        bytes_cell(out, h, "tx_bytes");
        number_cell(out, h, "rx_packets");
        number_cell(out, h, "tx_packets");
        sl_str_add(out, "</tr>\n");
    }
    end_table(out);
}

static void add_projects(struct sl_str *out, const json_t *projects)
{
    if (!json_array_size(projects))
        return;
    sl_str_add(out, "<h2>Projects</h2>\n");
    start_table(out, (const char *const[]){"project", "instances", "containers", NULL}, "-nn");
    size_t i;
    json_t *p;
    json_array_foreach(projects, i, p)
    {
        sl_str_add(out, "<tr>");
        text_cell(out, p, "name");
        number_cell(out, p, "instances");
        number_cell(out, p, "containers");
        sl_str_add(out, "</tr>\n");
    }
    end_table(out);
}

static void add_events(struct sl_str *out, const json_t *events)
{
    size_t n = json_array_size(events), i;
    if (!n)
        return;
    sl_str_addf(out,
                "<h2>Events</h2>\n<div class=\"card\"><details%s><summary>%zu events</summary>"
                "<ol class=\"timeline\">\n",
                n <= 40 ? " open" : "", n);
    json_t *e;
    json_array_foreach(events, i, e)
    {
        if (i == MAX_EVENTS) {
            sl_str_addf(out,
                        "<li><span></span><span></span><span class=\"text\">%zu more in "
                        "events.ndjson</span></li>",
                        n - i);
            break;
        }
        sl_str_addf(out, "<li><span class=\"t\">%.1f s</span><span class=\"type\">",
                    sl_json_num(e, "t_s", 0));
        add_text(out, e, "type");
        sl_str_add(out, "</span><span class=\"text\">");
        add_text(out, e, "text");
        sl_str_add(out, "</span></li>\n");
    }
    sl_str_add(out, "</ol></details></div>\n");
}

static void metadata_row(struct sl_str *out, const char *key, const json_t *v)
{
    sl_str_add(out, "<tr><td class=\"mono\">");
    sl_html_text(out, key);
    sl_str_add(out, "</td><td class=\"v mono\">");
    if (json_is_string(v)) {
        sl_html_text(out, json_string_value(v));
    } else {
        SL_AUTO(sl_free_str) char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
        sl_html_text(out, text ? text : "");
    }
    sl_str_add(out, "</td></tr>\n");
}

// Objects become dotted keys; arrays stay JSON.
static void metadata_rows(struct sl_str *out, const char *prefix, const json_t *o, int depth,
                          int *left)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)o, key, v)
    {
        SL_AUTO(sl_free_str) char *path = NULL;
        if (asprintf(&path, "%s%s%s", prefix, prefix[0] ? "." : "", key) < 0)
            path = NULL;
        if (json_is_object(v) && depth < 4)
            metadata_rows(out, path ? path : key, v, depth + 1, left);
        else if ((*left)-- > 0)
            metadata_row(out, path ? path : key, v);
    }
}

static void add_metadata(struct sl_str *out, const json_t *metadata)
{
    if (!json_object_size(metadata))
        return;
    sl_str_add(out, "<h2>How this was made</h2>\n");
    start_table(out, (const char *const[]){"key", "value", NULL}, "--");
    int left = MAX_METADATA;
    metadata_rows(out, "", metadata, 0, &left);
    if (left < 0)
        sl_str_addf(out, "<tr><td></td><td>%d more in metadata.json</td></tr>", -left);
    end_table(out);
}

static void add_spec(struct sl_str *out, const json_t *s)
{
    if (!text_of(s, "spec_text")[0])
        return;
    sl_str_add(out, "<h2>Spec</h2>\n<div class=\"card\"><pre>");
    add_text(out, s, "spec_text");
    sl_str_add(out, "</pre></div>\n");
}

static bool check(const json_t *s, struct sl_error *err)
{
    if (!sl_starts_with(text_of(s, "schema"), "sluice.run/")) {
        sl_fail(err, SL_EINPUT,
                "this is no summary of a run: its schema is '%s', not 'sluice.run/1'",
                text_of(s, "schema"));
        return false;
    }
    if (strcmp(text_of(s, "schema"), "sluice.run/1")) {
        sl_fail(err, SL_EINPUT, "the summary has the schema '%s'; this Sluice knows 'sluice.run/1'",
                text_of(s, "schema"));
        sl_hint(err, "use the Sluice that made the run");
        return false;
    }
    const json_t *statements = json_object_get(s, "statements");
    if (!text_of(s, "name")[0] || !json_is_array(statements))
        return sl_fail(err, SL_EINPUT, "the summary has no '%s'",
                       text_of(s, "name")[0] ? "statements" : "name");
    size_t i;
    json_t *st;
    json_array_foreach(statements, i, st)
    {
        static const char *const needed[] = {"asked_bps", "achieved_bps"};
        for (size_t k = 0; k < 2; k++)
            if (!json_is_number(json_object_get(st, needed[k])))
                return sl_fail(err, SL_EINPUT, "statement %zu of the summary has no '%s'", i + 1,
                               needed[k]);
    }
    return true;
}

char *sl_report_html(const json_t *summary, struct sl_error *err)
{
    if (!check(summary, err))
        return NULL;
    struct sl_str out = {.max = MAX_PAGE};
    sl_html_head(&out);
    sl_str_add(&out, head_more);
    sl_html_palette(&out, "main");
    sl_str_add(&out, "</style>\n<title>");
    add_text(&out, summary, "name");
    sl_str_add(&out, " · Sluice run</title>\n</head>\n<body>\n<main>\n");
    add_header(&out, summary);
    add_statements(&out, json_object_get(summary, "statements"));
    add_curves(&out, summary);
    add_graph(&out, json_object_get(summary, "graph"));
    add_hosts(&out, json_object_get(summary, "hosts"));
    add_projects(&out, json_object_get(summary, "projects"));
    add_events(&out, json_object_get(summary, "events"));
    add_spec(&out, summary);
    add_metadata(&out, json_object_get(summary, "metadata"));
    sl_str_add(
        &out,
        "<footer>Made by Sluice from summary.json; ‘sluice report RUN’ makes it again.</footer>\n"
        "</main>\n</body>\n</html>\n");
    if (out.truncated) {
        sl_str_done(&out);
        sl_fail(err, SL_EINPUT, "the report would be larger than %d MiB", MAX_PAGE >> 20);
        return NULL;
    }
    return sl_str_take(&out);
}
