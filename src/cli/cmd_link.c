// SPDX-License-Identifier: Apache-2.0
// sluice link serve|set|show|reset|watch|stop: conditions of links while they carry traffic.
#include "base/auto.h"
#include "base/fs.h"
#include "base/paths.h"
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

static int watch(struct sl_cli *cli, const char *socket, const char *link, struct asking *a)
{
    struct sl_error err = {0};
    json_t *request = request_of("watch", link);
    json_object_set_new(request, "interval_s",
                        json_real(a->interval_ns ? (double)a->interval_ns / 1e9 : 1));
    bool ok = sl_link_watch(socket, request, print_line, a, &err);
    json_decref(request);
    return ok ? SL_OK : sl_cli_fail(cli, &err);
}

// An option that does nothing here is a mistake.
static bool has_effect(const struct sl_cli *cli, const char *verb, const struct sl_opt *opts,
                       const bool *of_serve, size_t n, int *status)
{
    bool serves = !strcmp(verb, "serve");
    for (size_t i = 0; i < n; i++) {
        const struct sl_opt *o = &opts[i];
        bool given = o->type == SL_OPT_FLAG ? *(const bool *)o->dest
                     : o->type == SL_OPT_TEXT || o->type == SL_OPT_LIST
                         ? *(const char *const *)o->dest != NULL
                         : *(const uint64_t *)o->dest != 0;
        if (given && of_serve[i] && !serves) {
            *status = sl_cli_usage(cli, "--%s is for 'link serve' only", o->name);
            return false;
        }
    }
    return true;
}

static char *default_socket(void)
{
    SL_AUTO(sl_free_str) char *run = sl_path_run();
    return sl_path_join(run, "link.sock");
}

static int serve(struct sl_cli *cli, struct sl_link_serve_options *s)
{
    if (!s->link == !s->topology)
        return sl_cli_usage(cli, "give either --link A-B or --topology WHAT");
    if (s->link && !strchr(s->link, '-'))
        return sl_cli_usage(cli, "--link is two hosts, like h1-h2, not '%s'", s->link);
    if (s->device_mtu && (s->device_mtu < 68 || s->device_mtu > 65535))
        return sl_cli_usage(cli, "--device-mtu is 68 to 65535");
    s->memory_bytes = s->memory_bytes ? s->memory_bytes : 1ull << 30;
    return sl_link_serve(cli, s);
}

int sl_cmd_link(struct sl_cli *cli, int argc, char **argv)
{
    static struct sl_link_options o;
    static const char *const verbs[] = {"serve", "set", "show", "reset", "watch", "stop"};
    struct asking a = {0};
    struct sl_link_serve_options s = {.conditions = &o};
    const struct sl_opt own[] = {
        {"control", 0, SL_OPT_TEXT, "PATH",
         "the emulator's socket (default: /run/sluice/link.sock)", &a.control},
        {"over", 0, SL_OPT_DURATION_NS, "TIME", "set: go there steadily, not at once", &a.over_ns},
        {"interval", 0, SL_OPT_DURATION_NS, "TIME", "watch, serve --stats: how often (default 1s)",
         &a.interval_ns},
        {"count", 'n', SL_OPT_U64, "N", "watch: end after so many lines", &a.count},
        {"link", 0, SL_OPT_TEXT, "A-B", "serve: one link between two hosts", &s.link},
        {"topology", 0, SL_OPT_TEXT, "WHAT",
         "serve: a CSV, GraphML or .dtsl file, or dumbbell:LxR, star:N, tree:FxD, as:RxH",
         &s.topology},
        {"core", 0, SL_OPT_TEXT, "CONDITIONS",
         "serve: of made links between routers, like 'rate 1Gbps delay 5ms'", &s.core},
        {"make-hosts", 0, SL_OPT_FLAG, NULL,
         "serve: a network namespace for each host, removed at the end", &s.make_hosts},
        {"port", 0, SL_OPT_LIST, "NS=HOST",
         "serve: a host, @GROUP or pattern in a namespace that is there; repeatable", s.ports},
        {"record", 0, SL_OPT_TEXT, "FILE", "serve: applied conditions over time, JSON lines",
         &s.record},
        {"stats", 0, SL_OPT_TEXT, "FILE", "serve: counts of every link over time, JSON lines",
         &s.stats},
        {"memory", 0, SL_OPT_BYTES, "BYTES", "serve: for packets under way (default 1G)",
         &s.memory_bytes},
        {"device-mtu", 0, SL_OPT_U64, "BYTES", "serve: MTU of the devices (default 1500)",
         &s.device_mtu},
        {"realtime", 0, SL_OPT_FLAG, NULL, "serve: real-time priority for the emulator",
         &s.realtime},
        {"no-offload", 0, SL_OPT_FLAG, NULL,
         "serve: every packet by itself, also where nothing acts on it", &s.no_offload},
        {"duration", 'd', SL_OPT_DURATION_NS, "TIME",
         "serve: end after so long (default: at Ctrl-C or 'link stop')", &s.duration_ns},
    };
    enum { OWN = sizeof own / sizeof *own, SHARED = 4 };
    struct sl_opt opts[OWN + SL_LINK_OPTIONS];
    bool of_serve[OWN];
    memcpy(opts, own, sizeof own);
    sl_link_options(&o, opts + OWN);
    for (int i = 0; i < OWN; i++)
        of_serve[i] = i >= SHARED;
    SL_AUTO(sl_free_str) char *line = sl_cli_line(argc, argv);
    int n;
    int status = sl_cli_parse(cli, opts, sizeof opts / sizeof *opts, argc, argv, 1, 2, &n);
    if (status >= 0)
        return status;
    const char *verb = argv[0], *link = n > 1 ? argv[1] : "*";
    SL_AUTO(sl_free_str) char *socket = a.control ? sl_strdup(a.control) : default_socket();
    if (!has_effect(cli, verb, opts, of_serve, OWN, &status))
        return status;
    if (!strcmp(verb, "serve") && n > 1)
        return sl_cli_usage(cli, "sluice link serve does not take '%s': give --link A-B", link);
    if (!strcmp(verb, "serve")) {
        s.control = socket;
        s.interval_ns = a.interval_ns;
        s.command_line = line;
        return serve(cli, &s);
    }
    if (!strcmp(verb, "set") && n < 2)
        return sl_cli_usage(cli, "sluice link set needs a link, like h1-h2, or '*' for all");
    if (!strcmp(verb, "set"))
        return set(cli, socket, link, &a, &o);
    if (!strcmp(verb, "show"))
        return ask(cli, socket, request_of("show", link), true);
    if (!strcmp(verb, "reset") || !strcmp(verb, "stop"))
        return ask(cli, socket, request_of(verb, link), false);
    if (!strcmp(verb, "watch"))
        return watch(cli, socket, link, &a);
    const char *near = sl_nearest(verb, verbs, sizeof verbs / sizeof *verbs);
    return sl_cli_usage(cli, "sluice link is serve, set, show, reset, watch or stop, not '%s'%s%s",
                        verb, near ? ": did you mean " : "", near ? near : "");
}
