// SPDX-License-Identifier: Apache-2.0
// sluice link serve|set|show|reset|watch|stop: conditions of links while they carry traffic.
#include "base/auto.h"
#include "base/proc.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/link_options.h"
#include "cli/link_serve.h"
#include "link/control.h"
#include <stdio.h>
#include <string.h>

struct asking {
    const char *control, *direction;
    int64_t over_ns, interval_ns;
    uint64_t count, seen;
    bool json;
};

static json_t *request_of(const char *cmd, const char *link)
{
    return json_pack("{s:s, s:s}", "cmd", cmd, "link", link);
}

static double number(const json_t *j, const char *key)
{
    return sl_json_num(j, key, 0);
}

static double drops(const json_t *counts)
{
    double sum = 0;
    const char *name;
    json_t *v;
    json_object_foreach(json_object_get(counts, "dropped"), name, v) sum += json_number_value(v);
    return sum;
}

static void add_row(struct sl_table *t, const char *link, const char *direction, const json_t *d)
{
    const json_t *n = json_object_get(d, "counts");
    char bytes[24];
    sl_table_cell(t, link);
    sl_table_cell(t, direction);
    sl_table_cellf(t, "%.0f", number(n, "in_packets"));
    sl_table_cellf(t, "%.0f", number(n, "out_packets"));
    sl_table_cell(t, sl_format_bytes(number(n, "out_bytes"), bytes, sizeof bytes));
    sl_table_cellf(t, "%.0f", drops(n));
    sl_table_cell(t, sl_format_bytes(number(n, "queue_bytes"), bytes, sizeof bytes));
    json_t *late = json_object_get(n, "late_p99_ns");
    if (json_is_number(late))
        sl_table_cellf(t, "%.0f us", json_number_value(late) / 1e3);
    else
        sl_table_cell(t, "-");
    sl_table_cell(t, sl_json_str(d, "text", ""));
}

static void print_links(const struct sl_cli *cli, const json_t *reply)
{
    struct sl_table t = {.colour = cli->colour};
    static const struct {
        const char *title;
        enum sl_align align;
    } columns[] = {{"link", SL_LEFT},     {"dir", SL_LEFT},       {"in", SL_RIGHT},
                   {"out", SL_RIGHT},     {"bytes", SL_RIGHT},    {"dropped", SL_RIGHT},
                   {"waiting", SL_RIGHT}, {"late p99", SL_RIGHT}, {"conditions", SL_LEFT}};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        sl_table_column(&t, columns[i].title, columns[i].align);
    size_t i;
    json_t *link;
    json_array_foreach(json_object_get(reply, "links"), i, link)
    {
        const char *name = sl_json_str(link, "name", "");
        add_row(&t, name, "up", json_object_get(link, "up"));
        add_row(&t, "", "down", json_object_get(link, "down"));
    }
    struct sl_str text = {0};
    sl_table_write(&t, &text);
    fputs(sl_str_text(&text), stdout);
    sl_str_done(&text);
    sl_table_done(&t);
}

static bool print_line(void *ctx, const json_t *line)
{
    struct asking *a = ctx;
    char *text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER);
    bool ok = printf("%s\n", text) >= 0 && !fflush(stdout);
    free(text);
    a->seen++;
    return ok && (!a->count || a->seen < a->count) && !sl_interrupted();
}

static int ask(struct sl_cli *cli, const char *socket, json_t *request, bool table)
{
    struct sl_error err = {0};
    json_t *reply = sl_link_ask(socket, request, &err);
    json_decref(request);
    if (!reply)
        return sl_cli_fail(cli, &err);
    if (cli->json)
        sl_cli_json(reply);
    else if (table)
        print_links(cli, reply);
    json_decref(reply);
    return SL_OK;
}

// Options of one direction and of both become one request each.
static int set(struct sl_cli *cli, const char *socket, const char *link, const struct asking *a,
               const struct sl_link_options *o)
{
    struct sl_arena arena = {0};
    struct sl_conditions c[2] = {{0}};
    struct sl_error err = {0};
    int status = SL_OK;
    if (!sl_link_options_read(o, &arena, &c[0], &c[1], &err))
        status = sl_cli_fail(cli, &err);
    else if (!c[0].given && !c[1].given)
        status = sl_cli_usage(cli, "no condition was given: --delay 20ms, --loss 1%%, ...");
    for (int d = 0; d < 2 && status == SL_OK; d++) {
        if (!c[d].given)
            continue;
        json_t *request = request_of("set", link);
        json_object_set_new(request, "direction", json_string(d ? "down" : "up"));
        json_object_set_new(request, "conditions", sl_conditions_json(&c[d]));
        json_object_set_new(request, "over_s", json_real((double)a->over_ns / 1e9));
        status = ask(cli, socket, request, false);
    }
    sl_arena_done(&arena);
    return status;
}

int sl_cmd_link(struct sl_cli *cli, int argc, char **argv)
{
    static struct sl_link_options o;
    static const char *const verbs[] = {"serve", "set", "show", "reset", "watch", "stop"};
    struct sl_opt opts[SL_LINK_OPTIONS + 4];
    struct asking a = {.interval_ns = 1000000000};
    if (argc > 1 && !strcmp(argv[1], "serve")) {
        argv[1] = argv[0]; // its options are its own
        return sl_link_serve(cli, argc - 1, argv + 1);
    }
    sl_link_options(&o, opts);
    const struct sl_opt own[] = {
        {"control", 0, SL_OPT_TEXT, "PATH",
         "the emulator's socket (default: /run/sluice/link.sock)", &a.control},
        {"over", 0, SL_OPT_DURATION_NS, "TIME", "set: go there steadily, not at once", &a.over_ns},
        {"interval", 0, SL_OPT_DURATION_NS, "TIME", "watch: how often (default 1s)",
         &a.interval_ns},
        {"count", 'n', SL_OPT_U64, "N", "watch: end after so many lines", &a.count},
    };
    memcpy(opts + SL_LINK_OPTIONS, own, sizeof own);
    int n;
    int status = sl_cli_parse(cli, opts, sizeof opts / sizeof *opts, argc, argv, 1, 2, &n);
    if (status >= 0)
        return status;
    const char *verb = argv[0], *link = n > 1 ? argv[1] : "*";
    SL_AUTO(sl_free_str) char *socket = a.control ? sl_strdup(a.control) : sl_link_default_socket();
    if (!strcmp(verb, "set") && n < 2)
        return sl_cli_usage(cli, "sluice link set needs a link, like h1-h2, or '*' for all");
    if (!strcmp(verb, "set"))
        return set(cli, socket, link, &a, &o);
    if (!strcmp(verb, "show"))
        return ask(cli, socket, request_of("show", link), true);
    if (!strcmp(verb, "reset") || !strcmp(verb, "stop"))
        return ask(cli, socket, request_of(verb, link), false);
    if (!strcmp(verb, "watch")) {
        struct sl_error err = {0};
        json_t *request = request_of("watch", link);
        json_object_set_new(request, "interval_s", json_real((double)a.interval_ns / 1e9));
        bool ok = sl_link_watch(socket, request, print_line, &a, &err);
        json_decref(request);
        return ok ? SL_OK : sl_cli_fail(cli, &err);
    }
    const char *near = sl_nearest(verb, verbs, sizeof verbs / sizeof *verbs);
    return sl_cli_usage(cli, "sluice link is serve, set, show, reset, watch or stop, not '%s'%s%s",
                        verb, near ? ": did you mean " : "", near ? near : "");
}
