// SPDX-License-Identifier: Apache-2.0
// sluice catalog stats | list | show PROJECT | forget PROJECT
#include "base/auto.h"
#include "base/str.h"
#include "base/table.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "cli/cli.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void table_out(struct sl_table *t)
{
    struct sl_str out = {0};
    sl_table_write(t, &out);
    fputs(sl_str_text(&out), stdout);
    sl_str_done(&out);
    sl_table_done(t);
}

static void heading(const struct sl_cli *cli, const char *text)
{
    printf("\n%s%s%s\n", sl_paint_start(cli->colour, SL_PAINT_BOLD), text,
           sl_paint_end(cli->colour, SL_PAINT_BOLD));
}

// "label  value", the value cleaned for the terminal.
static void fact(const char *label, const char *value)
{
    struct sl_str out = {0};
    sl_text_add_clean(&out, value);
    if (out.len)
        printf("%-13s %s\n", label, sl_str_text(&out));
    sl_str_done(&out);
}

static const char *text_of(const json_t *o, const char *key)
{
    return sl_json_str(o, key, "");
}

// Cells of figures: empty when there is none.
static void rate_cell(struct sl_table *t, const json_t *o, const char *key)
{
    char buf[32];
    double v = sl_json_num(o, key, NAN);
    sl_table_cell(t, isnan(v) ? "" : sl_format_rate(v, buf, sizeof buf));
}

static void bytes_cell(struct sl_table *t, const json_t *o, const char *key)
{
    char buf[32];
    double v = sl_json_num(o, key, NAN);
    sl_table_cell(t, isnan(v) ? "" : sl_format_bytes(v, buf, sizeof buf));
}

static void number_cell(struct sl_table *t, const json_t *o, const char *key, int decimals)
{
    double v = sl_json_num(o, key, NAN);
    if (isnan(v))
        sl_table_cell(t, "");
    else
        sl_table_cellf(t, "%.*f", decimals, v);
}

static void print_totals(const json_t *stats)
{
    char bytes[32];
    fact("catalogue", text_of(stats, "catalog"));
    printf("%-13s %.0f, %.0f usable\n", "projects", sl_json_num(stats, "projects", 0),
           sl_json_num(stats, "usable", 0));
    printf("%-13s %.0f\n", "services", sl_json_num(stats, "services", 0));
    printf("%-13s %.0f flows, %.0f packets, %s\n", "traffic", sl_json_num(stats, "flows", 0),
           sl_json_num(stats, "packets", 0),
           sl_format_bytes(sl_json_num(stats, "bytes", 0), bytes, sizeof bytes));
    printf("%-13s %.0f, last %s\n", "observations", sl_json_num(stats, "observations", 0),
           sl_json_str(stats, "last_observation", "never"));
}

static void print_stats(const struct sl_cli *cli, const json_t *stats)
{
    print_totals(stats);
    size_t i;
    json_t *v;
    if (json_array_size(json_object_get(stats, "classes"))) {
        heading(cli, "by class (rates in bit/s, all projects added)");
        struct sl_table t = {.colour = cli->colour};
        sl_table_column(&t, "class", SL_LEFT);
        sl_table_column(&t, "projects", SL_RIGHT);
        sl_table_column(&t, "idle", SL_RIGHT);
        sl_table_column(&t, "driven", SL_RIGHT);
        sl_table_column(&t, "peak", SL_RIGHT);
        sl_table_column(&t, "flows", SL_RIGHT);
        json_array_foreach(json_object_get(stats, "classes"), i, v)
        {
            sl_table_cell(&t, text_of(v, "class"));
            number_cell(&t, v, "projects", 0);
            rate_cell(&t, v, "idle_bps");
            rate_cell(&t, v, "driven_bps");
            rate_cell(&t, v, "driven_peak_bps");
            number_cell(&t, v, "flows", 0);
        }
        table_out(&t);
    }
    if (json_array_size(json_object_get(stats, "reasons"))) {
        heading(cli, "by result");
        struct sl_table t = {.colour = cli->colour};
        sl_table_column(&t, "result", SL_LEFT);
        sl_table_column(&t, "projects", SL_RIGHT);
        sl_table_column(&t, "observations", SL_RIGHT);
        json_array_foreach(json_object_get(stats, "reasons"), i, v)
        {
            sl_table_cell(&t, text_of(v, "reason"));
            sl_table_paint(&t, strcmp(text_of(v, "reason"), "ok") ? SL_PAINT_NONE : SL_PAINT_GOOD);
            number_cell(&t, v, "projects", 0);
            number_cell(&t, v, "observations", 0);
        }
        table_out(&t);
    }
    if (json_array_size(json_object_get(stats, "grades"))) {
        heading(cli, "by grade (A traffic while idle, B when driven, C silent, - failed)");
        struct sl_table t = {.colour = cli->colour};
        sl_table_column(&t, "grade", SL_LEFT);
        sl_table_column(&t, "projects", SL_RIGHT);
        json_array_foreach(json_object_get(stats, "grades"), i, v)
        {
            sl_table_cell(&t, text_of(v, "grade"));
            number_cell(&t, v, "projects", 0);
        }
        table_out(&t);
    }
}

// "ok", "build_failed (pkg)"
static void status_cell(struct sl_table *t, const json_t *p)
{
    const char *reason = text_of(p, "reason"), *sub = text_of(p, "sub_reason");
    sl_table_cellf(t, "%s%s%s%s", reason, sub[0] ? " (" : "", sub, sub[0] ? ")" : "");
    sl_table_paint(t, !strcmp(reason, "ok")       ? SL_PAINT_GOOD
                      : !strcmp(reason, "silent") ? SL_PAINT_WARN
                                                  : SL_PAINT_BAD);
}

static void flows_cell(struct sl_table *t, const json_t *p)
{
    double idle = sl_json_num(p, "flows_idle", NAN), driven = sl_json_num(p, "flows_driven", NAN);
    char a[24] = "-", b[24] = "-";
    if (!isnan(idle))
        snprintf(a, sizeof a, "%.1f", idle);
    if (!isnan(driven))
        snprintf(b, sizeof b, "%.1f", driven);
    sl_table_cellf(t, "%s / %s", a, b);
}

static void classes_cell(struct sl_table *t, const json_t *classes)
{
    struct sl_str text = {0};
    size_t i;
    json_t *v;
    json_array_foreach(classes, i, v)
        sl_str_addf(&text, "%s%s", i ? " " : "", json_string_value(v));
    sl_table_cell(t, sl_str_text(&text));
    sl_str_done(&text);
}

static void print_list(const struct sl_cli *cli, const json_t *list)
{
    struct sl_table t = {.colour = cli->colour};
    sl_table_column(&t, "project", SL_LEFT);
    sl_table_limit(&t, 32);
    sl_table_column(&t, "class", SL_LEFT);
    sl_table_limit(&t, 32);
    sl_table_column(&t, "grade", SL_LEFT);
    sl_table_column(&t, "idle bit/s", SL_RIGHT);
    sl_table_column(&t, "driven bit/s", SL_RIGHT);
    sl_table_column(&t, "flows idle / driven", SL_RIGHT);
    sl_table_column(&t, "services", SL_RIGHT);
    sl_table_column(&t, "status", SL_LEFT);
    size_t i;
    json_t *p;
    json_array_foreach(list, i, p)
    {
        sl_table_cell(&t, text_of(p, "name"));
        classes_cell(&t, json_object_get(p, "classes"));
        sl_table_cellf(&t, "%s%s", text_of(p, "grade"),
                       sl_json_bool(p, "quick", false) ? " quick" : "");
        rate_cell(&t, p, "idle_bps");
        rate_cell(&t, p, "driven_bps");
        flows_cell(&t, p);
        number_cell(&t, p, "services", 0);
        status_cell(&t, p);
    }
    table_out(&t);
}

static void print_head(const json_t *r)
{
    char text[512];
    snprintf(text, sizeof text, "%s (number %.0f)", text_of(r, "name"), sl_json_num(r, "id", 0));
    fact("project", text);
    fact("repository", text_of(r, "repo"));
    fact("commit", text_of(r, "commit"));
    fact("Compose file", text_of(r, "compose_path"));
    fact("folder", text_of(r, "dir"));
    const char *sub = text_of(r, "sub_reason");
    snprintf(text, sizeof text, "%s%s%s%s, grade %s%s", text_of(r, "reason"), sub[0] ? " (" : "",
             sub, sub[0] ? ")" : "", text_of(r, "grade"),
             sl_json_bool(r, "quick", false) ? ", quick" : "");
    fact("status", text);
    fact("message", text_of(r, "message"));
    char took[32];
    snprintf(text, sizeof text, "%s, took %s, %zu observation(s)", text_of(r, "started"),
             sl_format_duration(sl_json_num(r, "duration_s", 0), took, sizeof took),
             json_array_size(json_object_get(r, "history")));
    fact("observed", text);
    fact("by", text_of(r, "tool_version"));
}

static void print_services(const struct sl_cli *cli, const json_t *services)
{
    if (!json_array_size(services))
        return;
    heading(cli, "services");
    struct sl_table t = {.colour = cli->colour};
    sl_table_column(&t, "service", SL_LEFT);
    sl_table_column(&t, "image", SL_LEFT);
    sl_table_limit(&t, 40);
    sl_table_column(&t, "class", SL_LEFT);
    sl_table_column(&t, "role", SL_LEFT);
    sl_table_column(&t, "cpu idle", SL_RIGHT);
    sl_table_column(&t, "cpu driven", SL_RIGHT);
    sl_table_column(&t, "memory", SL_RIGHT);
    sl_table_column(&t, "listens", SL_LEFT);
    size_t i, k;
    json_t *v, *port;
    json_array_foreach(services, i, v)
    {
        sl_table_cell(&t, text_of(v, "name"));
        sl_table_cell(&t, text_of(v, "image"));
        sl_table_cell(&t, text_of(v, "class"));
        sl_table_cell(&t, sl_json_bool(v, "one_shot", false) ? "one-shot" : text_of(v, "role"));
        number_cell(&t, v, "cpu_idle", 2);
        number_cell(&t, v, "cpu_driven", 2);
        bytes_cell(&t, v, "mem_bytes");
        struct sl_str ports = {0};
        json_array_foreach(json_object_get(v, "listen"), k, port)
            sl_str_addf(&ports, "%s%lld", k ? " " : "", (long long)json_integer_value(port));
        sl_table_cell(&t, sl_str_text(&ports));
        sl_str_done(&ports);
    }
    table_out(&t);
}

static void edge_cells(struct sl_table *t, const json_t *e, double duration_s)
{
    double proto = sl_json_num(e, "proto", 0);
    char buf[32];
    sl_table_cell(t, text_of(e, "src"));
    sl_table_cell(t, text_of(e, "dst"));
    sl_table_cellf(t, "%s/%.0f",
                   proto == 6    ? "tcp"
                   : proto == 17 ? "udp"
                                 : "ip",
                   sl_json_num(e, "dport", 0));
    sl_table_cell(t, text_of(e, "class"));
    sl_table_cell(t, text_of(e, "app"));
    const char *const ways[] = {"bytes_up", "bytes_down"};
    for (size_t i = 0; i < 2; i++)
        sl_table_cell(
            t, duration_s > 0
                   ? sl_format_rate(sl_json_num(e, ways[i], 0) * 8 / duration_s, buf, sizeof buf)
                   : "");
    rate_cell(t, e, "peak_bps");
    number_cell(t, e, "flows", 0);
    number_cell(t, e, "flows_active", 1);
}

static void print_phase(const struct sl_cli *cli, const json_t *p)
{
    char title[512], took[32];
    double duration_s = sl_json_num(p, "duration_s", NAN);
    int n = snprintf(title, sizeof title, "%s phase, %s", text_of(p, "name"),
                     isnan(duration_s) ? "duration unknown"
                                       : sl_format_duration(duration_s, took, sizeof took));
    if (text_of(p, "protocol")[0] && n > 0 && (size_t)n < sizeof title)
        snprintf(title + n, sizeof title - (size_t)n,
                 ": %s to %s port %.0f, %.0f users, %.1f requests/s, %.1f %% errors",
                 text_of(p, "protocol"), text_of(p, "target"), sl_json_num(p, "port", 0),
                 sl_json_num(p, "users", 0), sl_json_num(p, "requests_per_s", 0),
                 sl_json_num(p, "errors", 0) * 100);
    struct sl_str clean = {0};
    sl_text_add_clean(&clean, title);
    heading(cli, sl_str_text(&clean));
    sl_str_done(&clean);
    if (!json_array_size(json_object_get(p, "edges"))) {
        puts("no application flow");
        return;
    }
    static const struct {
        const char *title;
        enum sl_align align;
    } columns[] = {{"client", SL_LEFT},      {"server", SL_LEFT},      {"port", SL_LEFT},
                   {"class", SL_LEFT},       {"application", SL_LEFT}, {"up bit/s", SL_RIGHT},
                   {"down bit/s", SL_RIGHT}, {"peak", SL_RIGHT},       {"flows", SL_RIGHT},
                   {"active", SL_RIGHT}};
    struct sl_table t = {.colour = cli->colour};
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        sl_table_column(&t, columns[i].title, columns[i].align);
    size_t i;
    json_t *e;
    json_array_foreach(json_object_get(p, "edges"), i, e) edge_cells(&t, e, duration_s);
    table_out(&t);
}

static void print_notes(const struct sl_cli *cli, const json_t *notes)
{
    if (!json_array_size(notes))
        return;
    heading(cli, "what was changed before it ran");
    struct sl_table t = {.colour = cli->colour};
    sl_table_column(&t, "kind", SL_LEFT);
    sl_table_column(&t, "step", SL_LEFT);
    sl_table_column(&t, "place", SL_LEFT);
    sl_table_column(&t, "before", SL_LEFT);
    sl_table_limit(&t, 40);
    sl_table_column(&t, "after", SL_LEFT);
    sl_table_limit(&t, 40);
    size_t i;
    json_t *v;
    json_array_foreach(notes, i, v)
    {
        static const char *const keys[] = {"kind", "step", "place", "before", "after"};
        for (size_t k = 0; k < 5; k++)
            sl_table_cell(&t, text_of(v, keys[k]));
    }
    table_out(&t);
}

static void print_show(const struct sl_cli *cli, const json_t *r)
{
    size_t i;
    json_t *v;
    print_head(r);
    print_services(cli, json_object_get(r, "services"));
    json_array_foreach(json_object_get(r, "phases"), i, v) print_phase(cli, v);
    print_notes(cli, json_object_get(r, "notes"));
    const json_t *names = json_object_get(r, "external_names");
    if (json_array_size(names)) {
        heading(cli, "names outside the project it asked for");
        json_array_foreach(names, i, v) fact("", json_string_value(v));
    }
}

static int stats(const struct sl_cli *cli, struct sl_catalog *c, struct sl_error *err)
{
    SL_AUTO(sl_json_decref) json_t *j = sl_catalog_stats(c, err);
    if (!j)
        return sl_cli_fail(cli, err);
    if (!cli->json) {
        print_stats(cli, j);
        return SL_OK;
    }
    json_object_set_new(j, "schema", json_string("sluice.catalog.stats/1"));
    sl_cli_json(j);
    return SL_OK;
}

static int list(const struct sl_cli *cli, struct sl_catalog *c, const char *cls,
                struct sl_error *err)
{
    SL_AUTO(sl_json_decref) json_t *j = sl_catalog_list(c, cls, err);
    if (!j)
        return sl_cli_fail(cli, err);
    if (!cli->json) {
        print_list(cli, j);
        return SL_OK;
    }
    SL_AUTO(sl_json_decref)
    json_t *o = json_pack("{s:s, s:O}", "schema", "sluice.catalog.list/1", "projects", j);
    sl_cli_json(o);
    return SL_OK;
}

static int show(const struct sl_cli *cli, struct sl_catalog *c, const char *name,
                struct sl_error *err)
{
    SL_AUTO(sl_json_decref) json_t *j = sl_catalog_show(c, name, err);
    if (!j)
        return sl_cli_fail(cli, err);
    if (cli->json)
        sl_cli_json(j);
    else
        print_show(cli, j);
    return SL_OK;
}

static int forget(const struct sl_cli *cli, struct sl_catalog *c, const char *name,
                  struct sl_error *err)
{
    if (!sl_catalog_forget(c, name, err))
        return sl_cli_fail(cli, err);
    if (cli->json) {
        SL_AUTO(sl_json_decref)
        json_t *o = json_pack("{s:s, s:s}", "schema", "sluice.catalog.forget/1", "forgot", name);
        sl_cli_json(o);
    } else if (!cli->quiet) {
        printf("forgot %s\n", name);
    }
    return SL_OK;
}

int sl_cmd_catalog(struct sl_cli *cli, int argc, char **argv)
{
    const char *file = NULL, *cls = NULL;
    const struct sl_opt opts[] = {
        {"catalog", 0, SL_OPT_TEXT, "FILE",
         "the catalogue (default: catalog.db in the state folder)", &file},
        {"class", 0, SL_OPT_TEXT, "CLASS", "list: only projects with traffic of this class", &cls},
    };
    int n;
    int status = sl_cli_parse(cli, opts, sizeof opts / sizeof opts[0], argc, argv, 1, 2, &n);
    if (status >= 0)
        return status;
    static const char *const verbs[] = {"stats", "list", "show", "forget"};
    size_t verb = 0;
    while (verb < 4 && strcmp(argv[0], verbs[verb]))
        verb++;
    if (verb == 4) {
        const char *near = sl_nearest(argv[0], verbs, 4);
        return sl_cli_usage(cli, "sluice catalog has no '%s'%s%s%s", argv[0],
                            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    if ((verb >= 2) != (n == 2))
        return sl_cli_usage(
            cli,
            verb >= 2 ? "sluice catalog %s needs a project: its name, repository or number"
                      : "sluice catalog %s takes no project",
            argv[0]);
    if (cls && verb != 1)
        return sl_cli_usage(cli, "--class goes with 'sluice catalog list'");
    struct sl_error err = {0};
    struct sl_catalog *c = sl_catalog_open(file, false, &err);
    if (c && verb == 3) { // it is there: forgetting makes no new one
        sl_catalog_close(c);
        c = sl_catalog_open(file, true, &err);
    }
    if (!c)
        return sl_cli_fail(cli, &err);
    status = verb == 0   ? stats(cli, c, &err)
             : verb == 1 ? list(cli, c, cls, &err)
             : verb == 2 ? show(cli, c, argv[1], &err)
                         : forget(cli, c, argv[1], &err);
    sl_catalog_close(c);
    return status;
}
