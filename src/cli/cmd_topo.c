// SPDX-License-Identifier: Apache-2.0
// sluice topo check|show|svg: topologies before they are emulated.
#include "base/auto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/link_options.h"
#include "cli/load_topology.h"
#include "net/packet.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 50 };
struct work {
    struct sl_cli *cli;
    struct sl_topology *t;
    struct sl_routes *routes;
    const char *output;
    bool all;
};

static char *words_of(const struct sl_conditions *c)
{
    struct sl_str s = {0};
    sl_conditions_text(c, &s);
    return s.len ? sl_str_take(&s) : sl_strdup("-");
}

static size_t hosts_of(const struct sl_topology *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->nodes.len; i++)
        n += !t->nodes.at[i].router;
    return n;
}

static void print_table(struct sl_table *table)
{
    struct sl_str s = {0};
    sl_table_write(table, &s);
    fputs(sl_str_text(&s), stdout);
    sl_str_done(&s);
}

// ---- check -------------------------------------------------------------------------------------

static int check(struct work *w)
{
    const struct sl_topology *t = w->t;
    size_t hosts = hosts_of(t);
    double full = sl_topology_memory_bytes(t);
    char buf[24];
    if (w->cli->json) {
        json_t *j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:f}", "schema", "sluice.topo.check/1",
                              "hosts", (json_int_t)hosts, "routers",
                              (json_int_t)(t->nodes.len - hosts), "links", (json_int_t)t->links.len,
                              "pipes", (json_int_t)(2 * t->links.len), "full_bytes", full);
        sl_cli_json(j);
        json_decref(j);
        return SL_OK;
    }
    printf("fine: %zu hosts, %zu routers, %zu links (%zu pipes); every host reaches every other\n",
           hosts, t->nodes.len - hosts, t->links.len, 2 * t->links.len);
    printf("packets under way when every link is full: %s\n",
           sl_format_bytes(full, buf, sizeof buf));
    return SL_OK;
}

// ---- show --------------------------------------------------------------------------------------

static int show_links(struct work *w)
{
    const struct sl_topology *t = w->t;
    size_t n = w->all || w->cli->json || t->links.len <= ROWS ? t->links.len : ROWS;
    struct sl_table table = {.colour = w->cli->colour};
    sl_table_column(&table, "link", SL_LEFT);
    sl_table_column(&table, "up", SL_LEFT);
    sl_table_column(&table, "down", SL_LEFT);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct sl_topology_link *l = &t->links.at[i];
        SL_AUTO(sl_free_str) char *up = words_of(&l->conditions[0]);
        SL_AUTO(sl_free_str) char *down = words_of(&l->conditions[1]);
        sl_table_cell(&table, l->name);
        sl_table_cell(&table, up);
        sl_table_cell(&table, down);
        if (w->cli->json)
            json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "link", l->name, "up",
                                                  sl_conditions_json(&l->conditions[0]), "down",
                                                  sl_conditions_json(&l->conditions[1])));
    }
    if (!w->cli->json) {
        print_table(&table);
        if (n < t->links.len)
            printf("... and %zu more (--all)\n", t->links.len - n);
    }
    sl_table_done(&table);
    json_t *nodes = json_array();
    char buf[16];
    for (size_t i = 0; w->cli->json && i < t->nodes.len; i++) {
        const struct sl_node_entry *e = &t->nodes.at[i];
        json_array_append_new(nodes, json_pack("{s:s, s:s, s:s, s:s}", "name", e->name, "kind",
                                               e->router ? "router" : "host", "address",
                                               e->router ? "" : sl_ipv4_text(e->address, buf),
                                               "group", e->group ? e->group : ""));
    }
    json_t *j =
        json_pack("{s:s, s:o, s:o}", "schema", "sluice.topo/1", "nodes", nodes, "links", list);
    if (w->cli->json)
        sl_cli_json(j);
    json_decref(j);
    return SL_OK;
}

// The way of a packet, hop by hop; what it meets adds up.
static int show_way(struct work *w, const char *from, const char *to)
{
    const struct sl_topology *t = w->t;
    int a = sl_topology_find(t, from), b = sl_topology_find(t, to);
    if (a < 0 || b < 0 || t->nodes.at[a].router || t->nodes.at[b].router)
        return sl_cli_usage(w->cli, "'%s' is no host of this topology",
                            a < 0 || t->nodes.at[a].router ? from : to);
    struct sl_table table = {.colour = w->cli->colour};
    sl_table_column(&table, "from", SL_LEFT);
    sl_table_column(&table, "to", SL_LEFT);
    sl_table_column(&table, "conditions", SL_LEFT);
    json_t *hops = json_array();
    double delay_ns = 0, passes = 1, rate = INFINITY;
    for (uint32_t at = (uint32_t)a; at != (uint32_t)b;) {
        int32_t pipe = sl_routes_next(w->routes, at, (uint32_t)b);
        if (pipe < 0)
            break;
        uint32_t next = sl_routes_end(w->routes, (uint32_t)pipe);
        const struct sl_conditions *c = &t->links.at[pipe / 2].conditions[pipe % 2];
        SL_AUTO(sl_free_str) char *words = words_of(c);
        sl_table_cell(&table, t->nodes.at[at].name);
        sl_table_cell(&table, t->nodes.at[next].name);
        sl_table_cell(&table, words);
        json_array_append_new(hops, json_pack("{s:s, s:s, s:o}", "from", t->nodes.at[at].name, "to",
                                              t->nodes.at[next].name, "conditions",
                                              sl_conditions_json(c)));
        delay_ns += c->delay_ns.lo;
        passes *= 1 - c->loss.lo;
        if (c->given >> SL_COND_RATE & 1)
            rate = fmin(rate, c->rate_bps.lo);
        at = next;
    }
    if (w->cli->json) {
        json_t *j = json_pack("{s:s, s:o, s:f, s:f, s:o}", "schema", "sluice.topo.way/1", "hops",
                              hops, "delay_ns", delay_ns, "loss", 1 - passes, "rate_bps",
                              isfinite(rate) ? json_real(rate) : json_null());
        sl_cli_json(j);
        json_decref(j);
    } else {
        char buf[24];
        print_table(&table);
        printf("one way: delay %.6g ms, random loss %.4g %%, rate %s\n", delay_ns / 1e6,
               (1 - passes) * 100,
               isfinite(rate) ? sl_format_rate(rate, buf, sizeof buf) : "not limited");
        json_decref(hops);
    }
    sl_table_done(&table);
    return SL_OK;
}

static int picture(struct work *w)
{
    struct sl_error err = {0};
    SL_AUTO(sl_free_str) char *svg = sl_topology_svg(w->t, &err);
    if (!svg || (w->output && !sl_write_file(w->output, svg, strlen(svg), &err)))
        return sl_cli_fail(w->cli, &err);
    if (!w->output)
        fputs(svg, stdout);
    return SL_OK;
}

int sl_cmd_topo(struct sl_cli *cli, int argc, char **argv)
{
    static struct sl_link_options o;
    struct work w = {.cli = cli};
    const char *core_words = NULL;
    const struct sl_opt own[] = {
        {"core", 0, SL_OPT_TEXT, "CONDITIONS",
         "of made links between routers, like 'rate 1Gbps delay 5ms'", &core_words},
        {"all", 'a', SL_OPT_FLAG, NULL, "show: every link, not the first 50", &w.all},
        {"output", 'o', SL_OPT_TEXT, "FILE",
         "svg: where the picture goes (default: standard output)", &w.output},
    };
    enum { OWN = sizeof own / sizeof *own };
    struct sl_opt opts[OWN + SL_LINK_OPTIONS];
    memcpy(opts, own, sizeof own);
    sl_link_options(&o, opts + OWN);
    int n;
    int status = sl_cli_parse(cli, opts, sizeof opts / sizeof *opts, argc, argv, 2, 4, &n);
    if (status >= 0)
        return status;
    const char *verb = argv[0];
    bool shows = !strcmp(verb, "show"), draws = !strcmp(verb, "svg");
    if (!shows && !draws && strcmp(verb, "check") != 0)
        return sl_cli_usage(cli, "sluice topo is check, show or svg, not '%s'", verb);
    if ((!shows && n > 2) || n == 3)
        return sl_cli_usage(cli, "sluice topo %s does not take '%s'%s", verb, argv[2],
                            shows ? ": a way needs two hosts" : "");
    if ((w.all && !shows) || (w.output && !draws))
        return sl_cli_usage(cli, "%s is for 'topo %s'", w.all ? "--all" : "--output",
                            w.all ? "show" : "svg");
    struct sl_error err = {0};
    struct sl_arena arena = {0};
    struct sl_conditions access[2] = {{0}}, core = {0};
    bool ok = sl_link_options_read(&o, &arena, &access[0], &access[1], &err) &&
              (!core_words || sl_conditions_parse(&core, core_words, &arena, &err));
    w.t = ok ? sl_load_topology(argv[1], access, &core, cli->seed, &err) : NULL;
    w.routes = w.t ? sl_routes_new(w.t, &err) : NULL;
    if (w.t && !w.routes)
        sl_within(&err, "%s", argv[1]);
    if (!w.routes)
        status = sl_cli_fail(cli, &err);
    else if (shows)
        status = n == 4 ? show_way(&w, argv[2], argv[3]) : show_links(&w);
    else
        status = draws ? picture(&w) : check(&w);
    sl_routes_free(w.routes);
    sl_topology_free(w.t);
    sl_arena_done(&arena);
    return status;
}
