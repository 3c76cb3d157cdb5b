// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/units.h"
#include "live/labels.h"
#include "live/run.h"
#include "netns/netns.h"
#include "stats/report.h"
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "0.1.0"
#endif

void sl_run_event(struct sl_run *r, const char *type, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    int64_t zero = r->traffic_wall_ns ? r->traffic_wall_ns : r->wall_start_ns;
    struct sl_run_event *e = SL_PUSH(&r->events);
    e->t_s = (double)(sl_wall_ns() - zero) / 1e9;
    e->type = type;
    e->text = sl_strdup(text);
    if (!strcmp(type, "warning"))
        sl_warn("%s", text);
}

// ---- judging ------------------------------------------------------------------------------------

struct window { // whole seconds [from, to) that are judged
    size_t from, to;
};

static struct window judged(const struct sl_run *r)
{
    double seconds = r->traffic_wall_ns ? (double)(sl_wall_ns() - r->traffic_wall_ns) / 1e9 : 0;
    size_t to = (size_t)fmin(seconds, (double)r->opt->duration_ns / 1e9);
    size_t want = (size_t)((r->opt->measured_ns ? r->opt->measured_ns : 20000000000) / 1000000000);
    // A short run is judged over its second half.
    if (want > to / 2 + to % 2 && to < want + 5)
        want = to / 2 + to % 2;
    return (struct window){to > want ? to - want : 0, to};
}

static struct sl_meter_second at(const struct sl_meter_statement *m, size_t second)
{
    return m && second < m->seconds.len ? m->seconds.at[second] : (struct sl_meter_second){0};
}

static const char *trouble_of(const struct sl_run *r, size_t statement)
{
    for (size_t k = 0; k < r->instances.len; k++)
        if (r->instances.at[k].statement == (int)statement && r->instances.at[k].trouble[0])
            return r->instances.at[k].trouble;
    return NULL;
}

// Why a statement missed: a dead part first, then what the drivers report, then the plan.
static char *why_missed(struct sl_run *r, size_t s, double achieved, double asked, bool flows_ok)
{
    const char *trouble = trouble_of(r, s);
    if (trouble)
        return sl_strdup(trouble);
    if (r->plan->statements[s].shortfall && r->plan->statements[s].shortfall[0])
        return sl_strdup(r->plan->statements[s].shortfall);
    for (size_t k = 0; k < r->instances.len; k++) {
        const struct sl_run_instance *in = &r->instances.at[k];
        struct sl_drive_stats st;
        if (in->statement != (int)s || !in->drive)
            continue;
        sl_drive_read(in->drive, &st);
        if (!st.requests)
            return sl_format("no request to %s succeeded: %s", in->option->record->name,
                             st.last_error[0] ? st.last_error : "no reply");
        if (achieved < asked && st.users >= in->users_max)
            return sl_format("%s could not go faster: %d sessions, %.0f requests/s, %.1f ms each",
                             in->option->record->name, st.users, st.requests_per_s,
                             st.latency_ms_mean);
    }
    if (!flows_ok)
        return sl_strdup("the number of active flows is outside its bound");
    return sl_strdup(achieved < asked ? "the sources gave less than was asked for"
                                      : "the sources gave more than was asked for");
}

static json_t *bound(int64_t v, int64_t none)
{
    return v == none ? json_null() : json_integer(v);
}

static json_t *judge(struct sl_run *r, size_t s, struct window w)
{
    const struct sl_statement *st = &r->spec->statements[s];
    const struct sl_meter_statement *m = r->meter ? sl_meter_statement(r->meter, s) : NULL;
    double up = 0, down = 0, flows = 0;
    json_t *series = json_array(), *flow_series = json_array();
    for (size_t k = 0; k < w.to; k++) {
        struct sl_meter_second x = at(m, k);
        json_array_append_new(
            series, json_real(sl_run_counted(st, (double)x.up_bytes, (double)x.down_bytes) * 8));
        json_array_append_new(flow_series, json_integer(x.flows));
        if (k < w.from)
            continue;
        up += (double)x.up_bytes * 8;
        down += (double)x.down_bytes * 8;
        flows += x.flows;
    }
    double n = w.to > w.from ? (double)(w.to - w.from) : 1;
    double achieved = sl_run_counted(st, up, down) / n;
    flows = st->flows_total ? (m ? (double)m->total_flows : 0) : flows / n;
    double deviation = fabs(achieved - st->rate_bps) / st->rate_bps;
    double tolerance = r->opt->tolerance > 0 ? r->opt->tolerance : 0.10;
    // An average of active flows meets an integer bound when it rounds to a number inside.
    bool flows_ok = flows + 0.5 >= (double)st->flows_min &&
                    (st->flows_max == INT64_MAX || flows - 0.5 <= (double)st->flows_max);
    bool ok = deviation <= tolerance && flows_ok && w.to > w.from;
    SL_AUTO(sl_free_str)
    char *why = ok ? sl_strdup("") : why_missed(r, s, achieved, st->rate_bps, flows_ok);
    char from[16], to[16];
    json_t *j = json_object();
    json_object_set_new(j, "text", json_string(st->text));
    json_object_set_new(j, "type", json_string(st->type_text));
    json_object_set_new(j, "from", json_string(sl_host_name(st->from, from)));
    json_object_set_new(j, "to", json_string(sl_host_name(st->to, to)));
    json_object_set_new(j, "asked_bps", json_real(st->rate_bps));
    json_object_set_new(j, "planned_bps", json_real(r->plan->statements[s].planned_bps));
    json_object_set_new(j, "achieved_bps", json_real(achieved));
    json_object_set_new(j, "deviation", json_real(deviation));
    json_object_set_new(j, "up_bps", json_real(up / n));
    json_object_set_new(j, "down_bps", json_real(down / n));
    json_object_set_new(j, "flows", json_real(flows));
    json_object_set_new(j, "flows_min", bound(st->flows_min, 0));
    json_object_set_new(j, "flows_max", bound(st->flows_max, INT64_MAX));
    json_object_set_new(j, "flows_ok", json_boolean(flows_ok));
    json_object_set_new(j, "ok", json_boolean(ok));
    json_object_set_new(j, "reason", json_string(why));
    json_object_set_new(j, "series_bps", series);
    json_object_set_new(j, "flows_series", flow_series);
    return j;
}

// ---- the rest of the summary --------------------------------------------------------------------

static json_t *hosts_json(struct sl_run *r)
{
    json_t *a = json_array();
    for (int k = 0; k < r->hosts.n; k++) {
        struct sl_link_counters c;
        struct sl_error e;
        if (!sl_link_counters(r->hosts.ns, r->hosts.at[k].name, &c, &e))
            continue;
        json_array_append_new(
            a, json_pack("{s:s, s:I, s:I, s:I, s:I}", "name", r->hosts.at[k].name, "rx_bytes",
                         (json_int_t)c.rx_bytes, "tx_bytes", (json_int_t)c.tx_bytes, "rx_packets",
                         (json_int_t)c.rx_packets, "tx_packets", (json_int_t)c.tx_packets));
    }
    return a;
}

static char *node_id(const struct sl_run_instance *in, const struct sl_endpoint *ep)
{
    return sl_format("%s/%s", in->instance->name, ep->is_driver ? "driver" : ep->service);
}

static json_t *nodes_json(struct sl_run *r)
{
    static const char *const roles[] = {"", "server", "client", "both"};
    json_t *a = json_array();
    for (size_t k = 0; k < r->instances.len; k++) {
        struct sl_run_instance *in = &r->instances.at[k];
        for (size_t e = 0; in->endpoint_host && e < in->instance->endpoints.len; e++) {
            const struct sl_endpoint *ep = &in->instance->endpoints.at[e];
            const struct sl_service *s = sl_project_service(in->instance->project, ep->service);
            SL_AUTO(sl_free_str) char *id = node_id(in, ep);
            char host[16];
            const char *image =
                s ? r->projects.at[in->project].refs[s - in->instance->project->services] : "";
            json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", id,
                                               "label", ep->is_driver ? "driver" : ep->service,
                                               "project", in->option->record->name, "host",
                                               sl_host_name(in->endpoint_host[e], host), "image",
                                               image ? image : "", "class",
                                               s ? sl_class_name(s->guess.cls) : "driver", "role",
                                               s ? roles[s->guess.role] : "client"));
        }
    }
    return a;
}

static json_t *graph_json(struct sl_run *r)
{
    json_t *edges = json_array();
    size_t n = 0;
    const struct sl_meter_edge *at_edges = r->meter ? sl_meter_edges(r->meter, &n) : NULL;
    for (size_t k = 0; k < n; k++) {
        const struct sl_meter_edge *e = &at_edges[k];
        const struct sl_run_instance *in = &r->instances.at[e->instance];
        SL_AUTO(sl_free_str) char *src = node_id(in, &in->instance->endpoints.at[e->src]);
        SL_AUTO(sl_free_str) char *dst = node_id(in, &in->instance->endpoints.at[e->dst]);
        json_t *j =
            json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I}", "src", src, "dst", dst,
                      "class", sl_class_name(e->guess.cls), "app", e->guess.app ? e->guess.app : "",
                      "proto", e->proto, "port", e->dport, "bytes_up", (json_int_t)e->bytes_up,
                      "bytes_down", (json_int_t)e->bytes_down, "flows", (json_int_t)e->flows);
        json_object_set_new(j, "statement",
                            e->in_class ? json_integer(in->statement) : json_null());
        json_array_append_new(edges, j);
    }
    json_t *g = json_object();
    json_object_set_new(g, "nodes", nodes_json(r));
    json_object_set_new(g, "edges", edges);
    return g;
}

static json_t *projects_json(struct sl_run *r)
{
    json_t *a = json_array();
    for (size_t k = 0; k < r->projects.len; k++) {
        const struct sl_run_project *p = &r->projects.at[k];
        size_t n = 0;
        for (size_t s = 0; p->project && s < p->project->n_services; s++)
            n += p->project->services[s].enabled;
        json_array_append_new(a, json_pack("{s:s, s:i, s:I}", "name", p->record->name, "instances",
                                           p->instances, "containers",
                                           (json_int_t)(n * (size_t)p->instances)));
    }
    return a;
}

static json_t *events_json(struct sl_run *r)
{
    json_t *a = json_array();
    for (size_t k = 0; k < r->events.len; k++)
        json_array_append_new(a, json_pack("{s:f, s:s, s:s}", "t_s", r->events.at[k].t_s, "type",
                                           r->events.at[k].type, "text", r->events.at[k].text));
    return a;
}

static json_t *images_json(struct sl_run *r)
{
    json_t *o = json_object();
    for (size_t k = 0; k < r->projects.len; k++) {
        const struct sl_run_project *p = &r->projects.at[k];
        for (size_t s = 0; p->refs && s < p->project->n_services; s++) {
            char id[80] = "";
            bool present = false;
            struct sl_error e;
            if (p->refs[s] &&
                sl_engine_image_present(r->world.engine, p->refs[s], &present, id, &e) && present)
                json_object_set_new(o, p->refs[s], json_string(id));
        }
    }
    return o;
}

static json_t *metadata_json(struct sl_run *r)
{
    struct utsname u;
    uname(&u);
    struct sl_error e;
    json_t *engine = r->world.engine ? sl_engine_version(r->world.engine, &e) : NULL;
    uint64_t packets = 0, drops = 0;
    if (r->meter)
        sl_meter_drops(r->meter, &packets, &drops);
    json_t *m = json_object();
    json_object_set_new(m, "schema_version", json_integer(1));
    json_object_set_new(m, "tool", json_string("sluice " SLUICE_VERSION));
    json_object_set_new(m, "command", json_string(r->opt->command ? r->opt->command : ""));
    json_object_set_new(m, "run", json_string(r->id));
    json_object_set_new(m, "seed", json_integer((json_int_t)r->plan->seed));
    json_object_set_new(m, "kernel", json_string(u.release));
    json_object_set_new(m, "machine", json_string(u.machine));
    json_object_set_new(m, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    json_object_set_new(m, "engine", json_string(sl_json_str(engine, "Version", "")));
    json_object_set_new(m, "compose_tool", json_string(r->world.tool.version));
    json_object_set_new(m, "wire_mode", json_string("bridged"));
    json_object_set_new(m, "offloads", json_string("off on every captured or counted interface"));
    json_object_set_new(m, "rate_counts",
                        json_string("layer-2 bytes at the 'from' host's interface"));
    json_object_set_new(
        m, "shaping",
        json_sprintf("HTB per statement at both hosts' gateways; %.2f times the asked rate for "
                     "driven sources, the wanted rate for self-driven ones",
                     SL_RUN_HEADROOM));
    json_object_set_new(m, "captured_packets", json_integer((json_int_t)packets));
    json_object_set_new(m, "capture_drops", json_integer((json_int_t)drops));
    json_object_set_new(m, "images", images_json(r));
    json_decref(engine);
    return m;
}

json_t *sl_run_summary(struct sl_run *r, const char *interrupted_reason)
{
    struct window w = judged(r);
    json_t *statements = json_array();
    bool all = r->traffic_wall_ns != 0;
    for (size_t s = 0; s < r->spec->n_statements; s++) {
        json_t *j = judge(r, s, w);
        all &= sl_json_bool(j, "ok", false);
        json_array_append_new(statements, j);
    }
    char stamp[32];
    sl_wall_stamp(r->wall_start_ns, stamp);
    json_t *j = json_object();
    json_object_set_new(j, "schema", json_string("sluice.run/1"));
    json_object_set_new(j, "name", json_string(r->id));
    json_object_set_new(j, "spec_file", json_string(r->spec->file));
    json_t *text = json_stringn(r->spec->source, r->spec->source_len);
    json_object_set_new(j, "spec_text", text ? text : json_string(""));
    json_object_set_new(j, "started", json_string(stamp));
    json_object_set_new(j, "duration_s", json_integer((json_int_t)w.to));
    json_object_set_new(j, "status",
                        json_string(interrupted_reason ? "interrupted"
                                    : all              ? "ok"
                                                       : "missed"));
    json_object_set_new(j, "reason",
                        json_string(interrupted_reason ? interrupted_reason
                                    : all              ? ""
                                                       : "a statement is outside its tolerance"));
    json_object_set_new(j, "tolerance",
                        json_real(r->opt->tolerance > 0 ? r->opt->tolerance : 0.10));
    json_object_set_new(j, "measured_from_s", json_integer((json_int_t)w.from));
    json_object_set_new(j, "measured_to_s", json_integer((json_int_t)w.to));
    json_object_set_new(j, "statements", statements);
    json_object_set_new(j, "hosts", hosts_json(r));
    json_object_set_new(j, "graph", graph_json(r));
    json_object_set_new(j, "projects", projects_json(r));
    json_object_set_new(j, "events", events_json(r));
    json_object_set_new(j, "metadata", metadata_json(r));
    return j;
}

json_t *sl_run_state(struct sl_run *r)
{
    double t = r->traffic_wall_ns ? (double)(sl_wall_ns() - r->traffic_wall_ns) / 1e9 : 0;
    json_t *statements = json_array();
    for (size_t s = 0; s < r->spec->n_statements; s++) {
        const struct sl_statement *st = &r->spec->statements[s];
        const struct sl_meter_statement *m = r->meter ? sl_meter_statement(r->meter, s) : NULL;
        size_t to = (size_t)t, from = to > 5 ? to - 5 : 0;
        double bits = 0, flows = 0;
        for (size_t k = from; k < to; k++) {
            struct sl_meter_second x = at(m, k);
            bits += sl_run_counted(st, (double)x.up_bytes, (double)x.down_bytes) * 8;
            flows += x.flows;
        }
        double n = to > from ? (double)(to - from) : 1;
        json_array_append_new(statements, json_pack("{s:s, s:f, s:f, s:f}", "text", st->text,
                                                    "asked_bps", st->rate_bps, "achieved_bps",
                                                    bits / n, "flows", flows / n));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:f, s:f, s:o}", "schema", "sluice.status/1", "run",
                     r->id, "state", r->state, "folder", r->folder, "pid", (int)getpid(), "t_s", t,
                     "duration_s", (double)r->opt->duration_ns / 1e9, "statements", statements);
}

// ---- the run folder -----------------------------------------------------------------------------

static bool save(const char *folder, const char *name, const json_t *j, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *path = sl_format("%s/%s", folder, name);
    return sl_json_save(path, j, err);
}

static bool save_text(const char *folder, const char *name, const char *text, size_t len,
                      struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *path = sl_format("%s/%s", folder, name);
    return sl_write_file(path, text, len, err);
}

bool sl_run_write_inputs(struct sl_run *r, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *logs = sl_format("%s/logs", r->folder);
    SL_AUTO(sl_free_str) char *pcap = sl_format("%s/pcap", r->folder);
    if (!sl_mkdirs(logs, err) || (r->opt->pcap && !sl_mkdirs(pcap, err)))
        return false;
    json_t *plan = sl_plan_json(r->plan);
    bool ok = save_text(r->folder, "spec.dtsl", r->spec->source, r->spec->source_len, err) &&
              save(r->folder, "plan.json", plan, err);
    json_decref(plan);
    return ok;
}

bool sl_run_write_labels(struct sl_run *r, int64_t to_ns, struct sl_error *err)
{
    struct sl_str s = {0};
    sl_run_labels(r, to_ns, &s);
    bool ok = save_text(r->folder, "labels.csv", sl_str_text(&s), s.len, err);
    sl_str_done(&s);
    return ok;
}

static bool write_rates(struct sl_run *r, const json_t *summary, struct sl_error *err)
{
    struct sl_str s = {0};
    sl_str_add(&s,
               "second,statement,type,from,to,asked_bps,achieved_bps,up_bps,down_bps,active_flows,"
               "off_class_bps,capture_drops\n");
    uint64_t packets = 0, drops = 0;
    if (r->meter)
        sl_meter_drops(r->meter, &packets, &drops);
    size_t seconds = (size_t)sl_json_num(summary, "measured_to_s", 0);
    for (size_t t = 0; t < seconds; t++) {
        for (size_t k = 0; k < r->spec->n_statements; k++) {
            const struct sl_statement *st = &r->spec->statements[k];
            struct sl_meter_second x = at(r->meter ? sl_meter_statement(r->meter, k) : NULL, t);
            char from[16], to[16];
            sl_str_addf(&s, "%zu,%zu,%s,%s,%s,%.0f,%.0f,%.0f,%.0f,%u,%.0f,%llu\n", t, k + 1,
                        st->type_text, sl_host_name(st->from, from), sl_host_name(st->to, to),
                        st->rate_bps,
                        sl_run_counted(st, (double)x.up_bytes, (double)x.down_bytes) * 8,
                        (double)x.up_bytes * 8, (double)x.down_bytes * 8, x.flows,
                        (double)x.off_bytes * 8, (unsigned long long)drops);
        }
    }
    bool ok = save_text(r->folder, "rates.csv", sl_str_text(&s), s.len, err);
    sl_str_done(&s);
    return ok;
}

static bool write_events(struct sl_run *r, struct sl_error *err)
{
    struct sl_str s = {0};
    json_t *events = events_json(r), *e;
    size_t k;
    json_array_foreach(events, k, e)
    {
        SL_AUTO(sl_free_str) char *line = json_dumps(e, JSON_COMPACT);
        sl_str_addf(&s, "%s\n", line ? line : "{}");
    }
    bool ok = save_text(r->folder, "events.ndjson", sl_str_text(&s), s.len, err);
    sl_str_done(&s);
    json_decref(events);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sum_files(const char *folder, const char *below, struct sl_str *out)
{
    SL_AUTO(sl_free_str) char *path = sl_path_join(folder, below);
    SL_VEC(char *) names = {0};
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.' && strcmp(e->d_name, "SHA256SUMS") != 0)
            *SL_PUSH(&names) = sl_format("%s%s%s", below, below[0] ? "/" : "", e->d_name);
    if (d)
        closedir(d);
    if (names.len)
        qsort(names.at, names.len, sizeof *names.at, by_name);
    for (size_t k = 0; k < names.len; k++) {
        SL_AUTO(sl_free_str) char *file = sl_path_join(folder, names.at[k]);
        if (sl_is_dir(file)) {
            sum_files(folder, names.at[k], out);
        } else {
            SL_AUTO(sl_close_file) FILE *f = fopen(file, "re");
            struct sl_sha256 *h = sl_sha256_new();
            char buf[65536], hex[65];
            size_t n;
            while (f && (n = fread(buf, 1, sizeof buf, f)) > 0)
                sl_sha256_add(h, buf, n);
            sl_sha256_end(h, hex);
            sl_str_addf(out, "%s  %s\n", hex, names.at[k]);
        }
        free(names.at[k]);
    }
    SL_VEC_DONE(&names);
}

bool sl_run_write_outputs(struct sl_run *r, const json_t *summary, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *logs = sl_format("%s/logs", r->folder);
    for (size_t k = 0; k < r->instances.len; k++)
        if (r->instances.at[k].instance)
            sl_instance_logs(r->instances.at[k].instance, logs);
    const json_t *graph = json_object_get(summary, "graph");
    SL_AUTO(sl_free_str) char *html = sl_report_html(summary, err);
    SL_AUTO(sl_free_str) char *svg = html ? sl_graph_svg(graph, err) : NULL;
    if (!html || !svg || !save(r->folder, "summary.json", summary, err) ||
        !save(r->folder, "metadata.json", json_object_get(summary, "metadata"), err) ||
        !save(r->folder, "graph.json", graph, err) || !write_rates(r, summary, err) ||
        !sl_run_write_labels(r, sl_wall_ns(), err) || !write_events(r, err) ||
        !save_text(r->folder, "graph.svg", svg, strlen(svg), err) ||
        !save_text(r->folder, "report.html", html, strlen(html), err))
        return false;
    struct sl_str sums = {0};
    sum_files(r->folder, "", &sums);
    bool ok = save_text(r->folder, "SHA256SUMS", sl_str_text(&sums), sums.len, err);
    sl_str_done(&sums);
    return ok;
}
