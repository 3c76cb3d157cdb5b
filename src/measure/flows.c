// SPDX-License-Identifier: Apache-2.0
#include "measure/flows.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "classes/classes.h"
#include "export/ipfix.h"
#include "export/out.h"
#include "export/text.h"
#include "measure/cic_pass.h"
#include "measure/confusion.h"
#include "measure/conn_log.h"
#include "measure/dpi.h"
#include "measure/graph.h"
#include "measure/labels.h"
#include "measure/live.h"
#include "measure/rates.h"
#include "stats/report.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// What graph and confusion want to know of a flow.
struct beside {
    struct sl_graph_edge_in edge;
    const struct sl_truth_row *server;
    const char *service;   // its name in the registry
    uint16_t service_port; // of the server, who may be the initiator
};

// A run of flows on their way out: made by any thread, put away in order.
struct piece {
    struct sl_export *rows; // NULL: no table, or one that takes rows in order only
    struct beside *beside;  // of each flow; NULL = not wanted
    size_t n;
    uint64_t ends[SL_REASONS];
};
enum { TAKE_ROWS, TAKE_BESIDE, TAKERS };

struct worker { // what a thread makes rows in
    struct sl_feature_scratch *scratch;
    union sl_value *row;
};

struct job {
    const struct sl_flows_options *opt;
    struct sl_trace *trace; // or
    struct sl_live *live;
    struct sl_features *features;
    struct sl_conn_log *conn_log; // Zeek's columns, before those that are asked for
    struct sl_column *conn_columns;
    struct sl_export *table; // or
    struct sl_ipfix *ipfix;
    uint64_t rows;
    struct worker workers[SL_PASS_MAX_THREADS + 1]; // the last one is on_flow's
    struct piece pieces[2 * SL_PASS_PIECES];
    bool in_order; // rows by on_flow, one after another
    char *provenance;
    struct sl_column cic_columns[SL_CIC_COLUMNS_MAX]; // semantics cic and cic-fixed
    struct sl_cic_row *cic_row;
    struct sl_cic_counts cic;
    struct sl_labels *labels;
    struct sl_flow_graph *graph;
    struct sl_confusion *confusion;
    struct sl_dpi *dpi[SL_PARTITIONS];
    struct sl_rates *rates[SL_PASS_MAX_THREADS]; // one for each thread
    uint64_t ends[SL_REASONS];
    bool failed; // writing; err holds why
    struct sl_error err;
    double cpu_start_s;
    int64_t wall_start_ns;
};

static double cpu_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

// ---- provenance ---------------------------------------------------------------------------------

enum { EDGE_BYTES = 1 << 20 };

static bool hash_range(int fd, off_t from, off_t to, struct sl_sha256 *h)
{
    static _Thread_local uint8_t buf[1 << 16];
    while (from < to) {
        size_t want = to - from < (off_t)sizeof buf ? (size_t)(to - from) : sizeof buf;
        ssize_t n = pread(fd, buf, want, from);
        if (n <= 0)
            return false;
        sl_sha256_add(h, buf, (size_t)n);
        from += n;
    }
    return true;
}

// Names of files may be no text at all; what is not UTF-8 in them becomes U+FFFD.
static json_t *text_json(const char *s)
{
    json_t *j = json_string(s);
    if (j)
        return j;
    size_t len = strlen(s);
    SL_AUTO(sl_free_str) char *clean = sl_alloc(3 * len + 1);
    return json_stringn(clean, (size_t)(sl_utf8_put(clean, s, len) - clean));
}

// Of the whole file, or of its first and last MiB: hashing all costs as much as metering it.
static json_t *input_facts(const char *path, bool whole)
{
    json_t *j = json_pack("{s:o}", "path", text_json(path));
    SL_AUTO(sl_close_fd)
    int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return j;
    json_object_set_new(j, "bytes", json_integer(st.st_size));
    struct sl_sha256 *h = sl_sha256_new();
    bool all = whole || st.st_size <= 2 * EDGE_BYTES;
    bool ok = all ? hash_range(fd, 0, st.st_size, h)
                  : hash_range(fd, 0, EDGE_BYTES, h) &&
                        hash_range(fd, st.st_size - EDGE_BYTES, st.st_size, h);
    char hex[65];
    sl_sha256_end(h, hex);
    if (ok)
        json_object_set_new(j, all ? "sha256" : "sha256_of_first_and_last_mib", json_string(hex));
    return j;
}

static const char *semantics_name(enum sl_semantics s)
{
    static const char *const names[] = {"fixed", "cic", "cic-fixed"};
    return names[s];
}

static json_t *settings(const struct job *j, const struct sl_engine_options *given)
{
    const struct sl_flows_options *o = j->opt;
    const struct sl_engine_options filled = sl_engine_filled(given), *e = &filled;
    if (o->semantics != SL_SEMANTICS_FIXED) // the tools have theirs built in
        return json_pack("{s:s}", "semantics", semantics_name(o->semantics));
    json_t *s = json_pack("{s:s, s:s}", "semantics", semantics_name(o->semantics), "tunnels",
                          o->outer ? "outer" : "inner");
    const struct {
        const char *name;
        int64_t ns;
    } times[] = {{"idle_s", e->idle_ns},       {"active_s", e->active_ns},
                 {"closing_s", e->closing_ns}, {"activity_s", e->activity_ns},
                 {"subflow_s", e->subflow_ns}, {"bulk_gap_s", e->bulk_gap_ns}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        json_object_set_new(s, times[i].name, json_real((double)times[i].ns / 1e9));
    json_object_set_new(s, "bulk_packets", json_integer(e->bulk_packets));
    json_object_set_new(s, "max_flows", json_integer(e->max_flows));
    if (e->full)
        json_object_set_new(s, "sequence_packets", json_integer(e->sequence_packets));
    json_object_set_new(s, "merge_interfaces", json_boolean(e->merge_interfaces));
    json_object_set_new(s, "merge_vlans", json_boolean(e->merge_vlans));
    return s;
}

static char *provenance(const struct job *j, const struct sl_engine_options *e)
{
    const struct sl_flows_options *o = j->opt;
    SL_AUTO(sl_json_decref)
    json_t *p =
        json_pack("{s:s, s:o, s:I}", "version", SLUICE_VERSION, "command",
                  text_json(o->command_line ? o->command_line : ""), "seed", (json_int_t)o->seed);
    json_object_set_new(p, "settings", settings(j, e));
    if (o->input)
        json_object_set_new(p, "input", input_facts(o->input, o->whole_hash));
    else
        json_object_set_new(p, "interface", text_json(o->interface));
    return json_dumps(p, JSON_COMPACT);
}

// ---- flows --------------------------------------------------------------------------------------

// Of an ICMP echo the "port" is the identifier, another one for each ping: it names no service.
static uint16_t service_port(const struct sl_tuple *u, bool swapped)
{
    if (u->proto == SL_PROTO_ICMP || u->proto == SL_PROTO_ICMPV6)
        return 0;
    return swapped ? u->sport : u->dport;
}

static void note_beside(const struct job *j, const struct sl_engine *e,
                        const struct sl_flow_state *f, const struct sl_label_facts *facts,
                        struct beside *out)
{
    struct sl_tuple u = sl_flow_tuple(f);
    const struct sl_truth_row *server = facts->truth.server, *client = facts->truth.client;
    bool swapped = facts->truth.swapped;
    out->server = server;
    out->service = sl_service_name(sl_labels_services(j->labels), facts->service);
    out->service_port = service_port(&u, swapped);
    out->edge = (struct sl_graph_edge_in){
        .src = u.src,
        .dst = u.dst,
        .src_who = swapped ? server : client,
        .dst_who = swapped ? client : server,
        .proto = u.proto,
        .port = service_port(&u, false),
        .cls = f->label,
        .app = server && server->app[0] ? server->app : out->service,
        .flows = !(f->state & SL_STATE_CONTINUES),
        .packets = {f->packets[0], f->packets[1]},
        .bytes = {sl_flow_sum(e, f, SL_SUM_BYTES, 0), sl_flow_sum(e, f, SL_SUM_BYTES, 1)},
        .first_ns = sl_flow_first_ns(f),
        .last_ns = sl_flow_last_ns(f),
        .statement = facts->truth.statement,
    };
}

static void add_to_confusion(struct job *j, const struct beside *b)
{
    const struct sl_graph_edge_in *e = &b->edge;
    struct sl_confusion_count one = {.flows = e->flows,
                                     .packets = e->packets[0] + e->packets[1],
                                     .bytes = e->bytes[0] + e->bytes[1]};
    sl_confusion_add(j->confusion, e->proto, b->service_port, b->service, b->server, &one);
}

// What octetTotalCount counts: IP headers and all they carry, no link header.
static uint64_t ip_octets(const struct sl_engine *e, const struct sl_flow_state *f, int dir)
{
    return sl_flow_sum(e, f, SL_SUM_IP_HEADER, dir) + sl_flow_sum(e, f, SL_SUM_L4_HEADER, dir) +
           sl_flow_sum(e, f, SL_SUM_PAYLOAD, dir);
}

static bool add_to_ipfix(struct job *j, const struct sl_engine *e, const struct sl_flow_state *f)
{
    static const uint8_t reasons[SL_REASONS] = {
        [SL_REASON_FIN] = SL_IPFIX_END_OF_FLOW,     [SL_REASON_RST] = SL_IPFIX_END_OF_FLOW,
        [SL_REASON_IDLE] = SL_IPFIX_IDLE,           [SL_REASON_ACTIVE] = SL_IPFIX_ACTIVE,
        [SL_REASON_EOF] = SL_IPFIX_FORCED,          [SL_REASON_PORT_REUSE] = SL_IPFIX_END_OF_FLOW,
        [SL_REASON_EVICTED] = SL_IPFIX_NO_RESOURCES};
    struct sl_tuple u = sl_flow_tuple(f);
    struct sl_ipfix_flow x = {.ip_version = u.src.family,
                              .protocol = u.proto,
                              .end_reason = reasons[f->end],
                              .source_port = u.sport,
                              .destination_port = u.dport,
                              .start_ns = sl_flow_first_ns(f),
                              .end_ns = sl_flow_last_ns(f),
                              .octets = {ip_octets(e, f, 0), ip_octets(e, f, 1)},
                              .packets = {f->packets[0], f->packets[1]},
                              .tcp_flags = {f->tcp_flags[0], f->tcp_flags[1]},
                              .id = f->id};
    memcpy(x.source, u.src.b, 16);
    memcpy(x.destination, u.dst.b, 16);
    return sl_ipfix_add(j->ipfix, &x, &j->err);
}

static struct sl_dpi_flow **dpi_of(struct job *j, struct sl_flow_state *f)
{
    return (struct sl_dpi_flow **)(j->conn_log ? sl_conn_log_user(j->conn_log, f) : &f->user);
}

static bool put_row(struct job *j, struct worker *w, struct sl_export *to,
                    const struct sl_engine *e, struct sl_flow_state *f,
                    struct sl_flow_labels *labels, struct sl_error *err)
{
    struct sl_dpi_label dpi = {0};
    if (j->opt->dpi)
        sl_dpi_end(j->dpi[f->node.user[0]], dpi_of(j, f), &dpi);
    if (!to)
        return true;
    if (dpi.name[0]) {
        labels->dpi = (struct sl_text){dpi.name, strlen(dpi.name)};
        labels->dpi_confidence = (struct sl_text){dpi.confidence, strlen(dpi.confidence)};
    }
    if (!j->conn_log) {
        sl_features_row(j->features, e, f, labels, w->scratch, w->row);
    } else {
        if (j->opt->features.only)
            sl_features_row(j->features, e, f, labels, w->scratch, w->row + SL_CONN_LOG_COLUMNS);
        sl_conn_log_row(j->conn_log, e, f, labels, w->row);
    }
    return sl_export_row(to, w->row, err);
}

// Tables that take rows in order only, and IPFIX.
static void on_flow(void *ctx, const struct sl_engine *e, struct sl_flow_state *f)
{
    struct job *j = ctx;
    struct sl_label_facts facts;
    struct sl_flow_labels labels;
    if (j->failed)
        return;
    j->rows++;
    sl_labels_fill(j->labels, f, &facts, &labels);
    struct worker *w = &j->workers[SL_PASS_MAX_THREADS];
    j->failed =
        !put_row(j, w, j->table, e, f, &labels, &j->err) || (j->ipfix && !add_to_ipfix(j, e, f));
}

static void make(void *ctx, int thread, int piece, const struct sl_engine *e,
                 struct sl_flow_state *const *flows, size_t n)
{
    struct job *j = ctx;
    struct piece *p = &j->pieces[piece];
    bool beside = j->graph || j->confusion, rows = j->table && !j->in_order;
    p->n = n;
    if (beside && !p->beside)
        p->beside = sl_alloc(SL_PASS_PIECE_FLOWS * sizeof *p->beside);
    if (rows && !p->rows)
        p->rows = sl_export_part(j->table);
    for (size_t i = 0; i < n; i++) {
        struct sl_label_facts facts;
        struct sl_flow_labels labels;
        p->ends[flows[i]->end]++;
        if (rows || beside)
            sl_labels_fill(j->labels, flows[i], &facts, &labels);
        if (beside)
            note_beside(j, e, flows[i], &facts, &p->beside[i]);
        struct sl_error never; // a part is memory
        bool ok =
            j->in_order || put_row(j, &j->workers[thread], p->rows, e, flows[i], &labels, &never);
        (void)ok;
    }
}

static void take_rows(struct job *j, struct piece *p)
{
    for (int i = 0; i < SL_REASONS; i++) {
        j->ends[i] += p->ends[i];
        p->ends[i] = 0;
    }
    if (!p->rows || j->failed)
        return;
    j->rows += p->n;
    j->failed = !sl_export_append(j->table, p->rows, &j->err);
}

static void take(void *ctx, int what, int piece)
{
    struct job *j = ctx;
    struct piece *p = &j->pieces[piece];
    if (what == TAKE_ROWS)
        take_rows(j, p);
    for (size_t i = 0; what == TAKE_BESIDE && p->beside && i < p->n; i++) {
        if (j->graph)
            sl_flow_graph_add(j->graph, &p->beside[i].edge);
        if (j->confusion)
            add_to_confusion(j, &p->beside[i]);
    }
}

static uint16_t class_of(void *ctx, const struct sl_tuple *tuple, int64_t ts_ns)
{
    const struct job *j = ctx;
    return sl_labels_class(j->labels, tuple, ts_ns);
}

// A flow is active in a bin once, however many packets it has there.
static void rate_packet(struct job *j, int thread, const struct sl_flow_state *f,
                        const struct sl_packet *p, int dir)
{
    struct sl_rates *r = j->rates[thread];
    int64_t bin = sl_rates_add(r, p->ts_ns, f->label, 0, dir, p->wire_bytes, 1);
    bool begins = !(f->packets[0] + f->packets[1]);
    if (bin != SL_RATE_OUTSIDE_BIN && (begins || sl_rates_bin(r, sl_flow_last_ns(f)) < bin))
        sl_rates_active(r, bin, f->label, 0);
}

static void on_packet(void *ctx, int thread, struct sl_flow_state *f, const struct sl_packet *p,
                      int dir)
{
    struct job *j = ctx;
    if (j->opt->rates)
        rate_packet(j, thread, f, p, dir);
    if (j->opt->dpi)
        sl_dpi_add(j->dpi[f->node.user[0]], dpi_of(j, f), p);
    if (j->conn_log)
        sl_conn_log_add(j->conn_log, f, p, dir);
}

static bool after_batch(void *ctx, struct sl_error *err)
{
    struct job *j = ctx;
    if (j->live && j->table && !j->failed && !sl_export_flush(j->table, &j->err)) // a reader waits
        j->failed = true;
    if (j->failed && err)
        *err = j->err;
    return !j->failed;
}

// ---- summary ------------------------------------------------------------------------------------

static json_t *count_kinds(const struct sl_pass_counts *c)
{
    json_t *k = json_object();
    for (int i = 0; i < SL_PACKET_KINDS; i++)
        json_object_set_new(k, sl_packet_kind_name((enum sl_packet_kind)i),
                            json_integer((json_int_t)c->kinds[i]));
    return k;
}

static json_t *trace_facts(struct sl_trace *t)
{
    struct sl_trace_info info;
    sl_trace_info(t, &info);
    json_t *j = json_pack("{s:s, s:s, s:I, s:I}", "format", info.format, "compression",
                          info.compression, "bytes", (json_int_t)info.file_bytes, "skipped_blocks",
                          (json_int_t)info.skipped_blocks);
    const struct {
        const char *name, *text;
    } texts[] = {{"application", info.application},
                 {"os", info.os},
                 {"hardware", info.hardware},
                 {"comment", info.comment}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].text && texts[i].text[0])
            json_object_set_new(j, texts[i].name, json_string(texts[i].text));
    json_t *list = json_array();
    for (size_t i = 0; i < info.n_interfaces && i < 1000; i++) {
        const struct sl_trace_interface *f = sl_trace_interface(t, (uint16_t)i);
        const char *link = sl_linktype_name(f->linktype);
        json_t *o =
            json_pack("{s:i, s:s, s:s, s:I, s:I, s:I}", "linktype", f->linktype, "link",
                      link ? link : "unknown", "name", f->name, "snaplen", (json_int_t)f->snaplen,
                      "ticks_per_s", (json_int_t)f->ticks_per_s, "packets", (json_int_t)f->packets);
        if (!o) // a name that is not UTF-8
            o = json_pack("{s:i, s:I}", "linktype", f->linktype, "packets", (json_int_t)f->packets);
        if (f->dropped != UINT64_MAX)
            json_object_set_new(o, "dropped", json_integer((json_int_t)f->dropped));
        json_array_append_new(list, o);
    }
    json_object_set_new(j, "interfaces", list);
    const char *damage = sl_trace_damage(t);
    json_object_set_new(j, "damage", damage ? json_string(damage) : json_null());
    return j;
}

static json_t *summary(struct job *j, const struct sl_pass_counts *c)
{
    json_t *s = json_pack("{s:s, s:s}", "schema", "sluice.flows/1", "semantics",
                          semantics_name(j->opt->semantics));
    json_object_set_new(s, "input", text_json(j->opt->input ? j->opt->input : j->opt->interface));
    if (j->trace)
        json_object_set_new(s, "trace", trace_facts(j->trace));
    if (j->live) {
        uint64_t kept, drops;
        bool gone;
        sl_live_stats(j->live, &kept, &drops, &gone);
        json_object_set_new(s, "live",
                            json_pack("{s:I, s:I, s:b}", "captured", (json_int_t)kept,
                                      "dropped_by_kernel", (json_int_t)drops, "interface_gone",
                                      (int)gone));
    }
    json_t *p = json_pack(
        "{s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I}", "read", (json_int_t)c->packets, "wire_bytes",
        (json_int_t)c->bytes, "kinds", count_kinds(c), "outside_time", (json_int_t)c->outside,
        "cut_by_snaplen", (json_int_t)c->cut_by_snaplen, "backward_stamps",
        (json_int_t)c->backward_stamps, "later_fragments", (json_int_t)c->fragments,
        "fragments_without_first", (json_int_t)c->fragments_unknown);
    json_object_set_new(p, "ip_length_beyond_frame", json_integer((json_int_t)c->length_cut));
    json_object_set_new(p, "first_ns", json_integer(c->first_ns));
    json_object_set_new(p, "last_ns", json_integer(c->packets ? c->last_ns : 0));
    json_object_set_new(s, "packets", p);
    if (j->opt->semantics != SL_SEMANTICS_FIXED)
        json_object_set_new(s, "cic",
                            json_pack("{s:I, s:I, s:I}", "one_packet_flows_not_written",
                                      (json_int_t)j->cic.too_short, "packets_left_out",
                                      (json_int_t)j->cic.dropped, "segments_not_kept",
                                      (json_int_t)j->cic.segments_not_kept));
    json_t *ends = json_object();
    for (int i = 1; i < SL_REASONS && j->opt->semantics == SL_SEMANTICS_FIXED; i++)
        json_object_set_new(ends, sl_end_reason_name((enum sl_end_reason)i),
                            json_integer((json_int_t)j->ends[i]));
    json_object_set_new(s, "flows",
                        json_pack("{s:I, s:I, s:I, s:o}", "total", (json_int_t)c->flows.flows,
                                  "peak_live", (json_int_t)c->flows.peak_live, "evicted",
                                  (json_int_t)c->flows.evicted, "ends", ends));
    if (c->flows.memory_bytes)
        json_object_set_new(s, "table_bytes", json_integer((json_int_t)c->flows.memory_bytes));
    if (c->flows.let_go)
        json_object_set_new(s, "payload_not_kept", json_integer((json_int_t)c->flows.let_go));
    if (c->flows.zone_beyond)
        json_object_set_new(s, "zones_beyond_packets",
                            json_integer((json_int_t)c->flows.zone_beyond));
    if (j->opt->output)
        json_object_set_new(s, "rows", json_integer((json_int_t)j->rows));
    if (j->rates[0]) {
        const struct sl_rates_outside *o = &j->rates[0]->outside;
        json_object_set_new(s, "rates",
                            json_pack("{s:I, s:I}", "packets_outside", (json_int_t)o->packets,
                                      "bytes_outside", (json_int_t)o->bytes));
    }
    if (j->confusion)
        json_object_set_new(s, "confusion", sl_confusion_json(j->confusion));
    if (j->confusion && j->opt->confusion_text)
        sl_confusion_text(j->confusion, 0, j->opt->colour, j->opt->confusion_text);
    json_object_set_new(s, "threads", json_integer(c->threads));
    json_object_set_new(s, "cpu_s", json_real(cpu_s() - j->cpu_start_s));
    json_object_set_new(s, "wall_s", json_real((double)(sl_mono_ns() - j->wall_start_ns) / 1e9));
    return s;
}

// ---- the job ------------------------------------------------------------------------------------

static bool write_to(struct job *j, const struct sl_column *columns, size_t n, struct sl_error *err)
{
    const struct sl_flows_options *o = j->opt;
    if (!o->output)
        return true;
    struct sl_export_options x = {.format = o->format,
                                  .path = o->output,
                                  .provenance = j->provenance,
                                  .table = o->format == SL_EXPORT_ZEEK ? "conn" : "flows"};
    j->table = sl_export_open(&x, columns, n, err);
    return j->table != NULL;
}

// Zeek's, and behind them those that are asked for, by our names.
static const struct sl_column *conn_columns(struct job *j, const struct sl_column *asked, size_t *n)
{
    static const char *const types[] = {
        [SL_COL_INT] = "count", [SL_COL_REAL] = "double", [SL_COL_TEXT] = "string",
        [SL_COL_TIME] = "time", [SL_COL_BOOL] = "bool",   [SL_COL_LIST] = "string"};
    size_t more = j->opt->features.only ? *n : 0;
    j->conn_log = sl_conn_log_new();
    j->conn_columns = sl_alloc((SL_CONN_LOG_COLUMNS + more) * sizeof *j->conn_columns);
    memcpy(j->conn_columns, sl_conn_log_columns(), SL_CONN_LOG_COLUMNS * sizeof *j->conn_columns);
    for (size_t i = 0; i < more; i++) {
        struct sl_column *c = &j->conn_columns[SL_CONN_LOG_COLUMNS + i];
        *c = asked[i];
        c->zeek_name = c->name;
        c->zeek_type = types[c->type];
    }
    *n = SL_CONN_LOG_COLUMNS + more;
    return j->conn_columns;
}

static bool open_table(struct job *j, const struct sl_engine_options *e, struct sl_error *err)
{
    const struct sl_flows_options *o = j->opt;
    struct sl_feature_set set = o->features;
    set.sequence_packets = o->engine.sequence_packets;
    set.truth = o->truth != NULL;
    set.dpi = o->dpi;
    j->features = sl_features_new(&set, err);
    if (!j->features)
        return false;
    size_t n;
    const struct sl_column *columns = sl_features_columns(j->features, &n);
    j->provenance = provenance(j, e);
    if (o->output && o->ipfix) {
        j->ipfix = sl_ipfix_open(o->output, 0, j->provenance, err);
        j->in_order = true;
        return j->ipfix != NULL;
    }
    if (o->output && o->format == SL_EXPORT_ZEEK)
        columns = conn_columns(j, columns, &n);
    if (!write_to(j, columns, n, err))
        return false;
    struct sl_export *part = j->table ? sl_export_part(j->table) : NULL;
    j->in_order = j->table && !part;
    sl_export_abort(part);
    return true;
}

static void equip(struct job *j, struct worker *w)
{
    size_t n;
    sl_features_columns(j->features, &n);
    w->scratch = sl_feature_scratch_new();
    w->row = sl_alloc((n + SL_CONN_LOG_COLUMNS) * sizeof *w->row);
}

static bool begin_rates(struct job *j, unsigned threads, int64_t first_ns, struct sl_error *err)
{
    struct sl_rates_options o = {.bin_ns = j->opt->rates_bin_ns,
                                 .classes = (uint32_t)sl_class_count(),
                                 .origin_ns = first_ns,
                                 .origin_given = true};
    for (unsigned i = 0; i < threads; i++) {
        j->rates[i] = sl_rates_new(&o, err);
        if (!j->rates[i])
            return false;
    }
    return true;
}

static bool begin(void *ctx, unsigned threads, int64_t first_ns, struct sl_error *err)
{
    struct job *j = ctx;
    for (unsigned i = 0; i < threads; i++)
        equip(j, &j->workers[i]);
    equip(j, &j->workers[SL_PASS_MAX_THREADS]);
    return !j->opt->rates || begin_rates(j, threads, first_ns, err);
}

static const char *graph_ending(const char *path, struct sl_error *err)
{
    static const char *const endings[] = {".json", ".csv", ".mmd", ".svg"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (sl_ends_with(path, endings[i]))
            return endings[i];
    sl_fail(err, SL_EUSAGE, "the name '%s' does not tell the format of the graph", path);
    sl_hint(err, "end it in .json, .csv, .mmd (Mermaid) or .svg");
    return NULL;
}

// Pictures hold the edges with most bytes.
enum { PICTURE_EDGES = 200 };

static bool write_graph(struct job *j, struct sl_error *err)
{
    if (!j->graph)
        return true;
    const char *path = j->opt->graph, *ending = graph_ending(path, err);
    if (!strcmp(ending, ".json"))
        return sl_flow_graph_save_json(j->graph, 0, path, err);
    if (!strcmp(ending, ".svg")) {
        SL_AUTO(sl_json_decref) json_t *g = sl_flow_graph_json(j->graph, PICTURE_EDGES);
        SL_AUTO(sl_free_str) char *svg = sl_graph_svg(g, err);
        return svg && sl_write_file(path, svg, strlen(svg), err);
    }
    struct sl_replacement file;
    int why = sl_replace_begin(&file, path);
    if (why)
        return sl_out_failed(path, why, err);
    FILE *out = fdopen(file.fd, "w"); // closes it, too
    if (!out)
        abort(); // no memory
    bool ok = ending[1] == 'c' ? sl_flow_graph_csv(j->graph, 0, out, err)
                               : sl_flow_graph_mermaid(j->graph, PICTURE_EDGES, out, err);
    why = fclose(out) ? errno : 0;
    file.fd = -1;
    if (ok && !why)
        why = sl_replace_end(&file);
    sl_replace_abort(&file);
    if (!ok)
        return sl_within(err, "%s", path);
    return !why || sl_out_failed(path, why, err);
}

struct rate_writer {
    const struct sl_rates *rates;
    struct sl_export *out;
    struct sl_error *err;
};

static bool write_rate(void *ctx, const struct sl_rate_row *row)
{
    struct rate_writer *w = ctx;
    union sl_value values[16];
    sl_rates_values(w->rates, row, values);
    return sl_export_row(w->out, values, w->err);
}

static bool rates_format(const char *path, enum sl_export_format *out, struct sl_error *err)
{
    if (sl_export_format_of(path, out) && *out < SL_EXPORT_ZEEK)
        return true;
    sl_fail(err, SL_EUSAGE, "the name '%s' does not tell the format of the rates", path);
    sl_hint(err, "end it in .csv, .jsonl, .parquet or .npy");
    return false;
}

static bool write_rates(struct job *j, struct sl_error *err)
{
    if (!j->opt->rates)
        return true;
    if (!j->rates[0] && !begin_rates(j, 1, 0, err)) // no packet: a table without rows
        return false;
    for (unsigned i = 1; i < SL_PASS_MAX_THREADS && j->rates[i]; i++) {
        sl_rates_merge(j->rates[0], j->rates[i]);
        sl_rates_free(j->rates[i]);
        j->rates[i] = NULL;
    }
    struct sl_export_options o = {
        .path = j->opt->rates, .provenance = j->provenance, .table = "rates"};
    if (!rates_format(j->opt->rates, &o.format, err))
        return false;
    size_t n;
    const struct sl_column *columns = sl_rates_columns(j->rates[0], &n);
    struct rate_writer w = {
        .rates = j->rates[0], .out = sl_export_open(&o, columns, n, err), .err = err};
    if (!w.out)
        return false;
    if (!sl_rates_each(j->rates[0], write_rate, &w)) {
        sl_export_abort(w.out);
        return false;
    }
    return sl_export_close(w.out, err);
}

// Said before the trace is read, not after.
static bool can_write(const char *path, struct sl_error *err)
{
    struct stat st;
    struct sl_replacement probe;
    if (!strcmp(path, "-") || (stat(path, &st) == 0 && !S_ISREG(st.st_mode)))
        return true; // a pipe is opened once
    int why = sl_replace_begin(&probe, path);
    sl_replace_abort(&probe);
    return !why || sl_out_failed(path, why, err);
}

// What stands beside the table.
static bool open_side(struct job *j, struct sl_error *err)
{
    const struct sl_flows_options *o = j->opt;
    enum sl_export_format format;
    if ((o->graph && !graph_ending(o->graph, err)) ||
        (o->rates && !rates_format(o->rates, &format, err)))
        return false;
    if ((o->graph && !can_write(o->graph, err)) || (o->rates && !can_write(o->rates, err)))
        return false;
    if (o->graph)
        j->graph = sl_flow_graph_new(NULL);
    if (o->confusion && !o->truth) {
        sl_fail(err, SL_EUSAGE, "there is no truth to hold the port names against");
        sl_hint(err, "add --truth with a run's folder or its labels.csv");
        return false;
    }
    if (o->confusion)
        j->confusion = sl_confusion_new();
    for (int i = 0; o->dpi && i < SL_PARTITIONS; i++) {
        j->dpi[i] = sl_dpi_new(0, err);
        if (!j->dpi[i])
            return false;
    }
    return true;
}

static bool meter(struct job *j, struct sl_pass_counts *counts, struct sl_error *err)
{
    const struct sl_flows_options *o = j->opt;
    struct sl_pass_options pass = {.engine = o->engine,
                                   .outer = o->outer,
                                   .threads = o->threads,
                                   .max_packets = o->max_packets,
                                   .begin = begin,
                                   .make = make,
                                   .take = take,
                                   .takers = TAKERS,
                                   .after_batch = after_batch,
                                   .ctx = j};
    pass.engine.full = o->features.profile == SL_PROFILE_FULL;
    pass.engine.label = class_of;
    bool zeek = o->output && o->format == SL_EXPORT_ZEEK && !o->ipfix;
    pass.engine.on_packet = o->rates || o->dpi || zeek ? on_packet : NULL;
    pass.hand_out_alone = o->dpi || zeek;
    pass.engine.ctx = j;
    struct sl_pass_source source = j->trace ? sl_pass_trace(j->trace) : sl_live_source(j->live);
    if (!open_side(j, err) || !open_table(j, &pass.engine, err))
        return false;
    if (j->in_order)
        pass.on_flow = on_flow;
    return sl_pass_run(&source, &pass, counts, err);
}

// ---- CICFlowMeter's semantics -------------------------------------------------------------------

// What their tables cannot have: the tools know neither our options nor our columns.
static bool cic_options_fit(const struct sl_flows_options *o, struct sl_error *err)
{
    const struct sl_engine_options *e = &o->engine;
    const struct {
        bool given;
        const char *option;
    } not_there[] = {
        {o->features.only, "--features"},
        {!o->features.cic_names, "--names sluice"},
        {o->features.profile != SL_PROFILE_CIC, "--profile"},
        {o->outer, "--tunnels"},
        {o->truth, "--truth"},
        {o->services, "--services"},
        {o->dpi, "--dpi"},
        {o->confusion, "--confusion"},
        {o->graph, "--graph"},
        {o->rates, "--rates"},
        {o->ipfix, "--format ipfix"},
        {o->output && o->format == SL_EXPORT_ZEEK, "--format zeek"},
        {e->idle_ns || e->active_ns || e->closing_ns, "a time-out"},
        {e->activity_ns || e->subflow_ns || e->bulk_gap_ns || e->bulk_packets, "a threshold"},
        {e->merge_interfaces || e->merge_vlans, "--merge-interfaces or --merge-vlans"},
    };
    for (size_t i = 0; i < sizeof not_there / sizeof *not_there; i++) {
        if (!not_there[i].given)
            continue;
        sl_fail(err, SL_EUSAGE, "%s does not go with --semantics %s", not_there[i].option,
                semantics_name(o->semantics));
        sl_hint(err, "its flows and columns are CICFlowMeter's own; the default semantics has it");
        return false;
    }
    return true;
}

static void on_cic_flow(void *ctx, const struct sl_cic *c, const struct sl_cic_flow *f)
{
    struct job *j = ctx;
    const struct sl_flows_options *o = j->opt;
    (void)c;
    if (!j->table || j->failed)
        return;
    sl_cic_row(o->semantics == SL_SEMANTICS_CIC_FIXED, o->format == SL_EXPORT_CSV, f, j->cic_row);
    if (!sl_export_row(j->table, j->cic_row->cells, &j->err))
        j->failed = true;
}

static bool meter_cic(struct job *j, struct sl_pass_counts *counts, struct sl_error *err)
{
    const struct sl_flows_options *o = j->opt;
    bool corrected = o->semantics == SL_SEMANTICS_CIC_FIXED;
    // In CSV the cells are the tools' own text.
    size_t n = sl_cic_columns(corrected, o->format == SL_EXPORT_CSV, j->cic_columns);
    j->cic_row = sl_alloc(sizeof *j->cic_row);
    j->provenance = provenance(j, &o->engine);
    if (!write_to(j, j->cic_columns, n, err))
        return false;
    struct sl_cic_pass_options pass = {.cic = {.fork = corrected,
                                               .max_flows = o->engine.max_flows,
                                               .on_flow = on_cic_flow,
                                               .ctx = j},
                                       .trace = j->trace,
                                       .max_packets = o->max_packets,
                                       .after_batch = after_batch,
                                       .ctx = j};
    struct sl_pass_source source = j->trace ? sl_pass_trace(j->trace) : sl_live_source(j->live);
    return sl_cic_pass_run(&source, &pass, counts, &j->cic, err);
}

static void done(struct job *j)
{
    for (int i = 0; i < 2 * SL_PASS_PIECES; i++) {
        sl_export_abort(j->pieces[i].rows);
        free(j->pieces[i].beside);
    }
    sl_export_abort(j->table); // NULL after a good end
    sl_ipfix_abort(j->ipfix);
    sl_features_free(j->features);
    sl_conn_log_free(j->conn_log);
    free(j->conn_columns);
    for (int i = 0; i <= SL_PASS_MAX_THREADS; i++) {
        sl_feature_scratch_free(j->workers[i].scratch);
        free(j->workers[i].row);
    }
    sl_trace_close(j->trace);
    sl_live_close(j->live);
    sl_flow_graph_free(j->graph);
    sl_confusion_free(j->confusion);
    for (int i = 0; i < SL_PARTITIONS; i++)
        sl_dpi_free(j->dpi[i]);
    sl_labels_free(j->labels);
    for (unsigned i = 0; i < SL_PASS_MAX_THREADS && j->rates[i]; i++)
        sl_rates_free(j->rates[i]);
    free(j->cic_row);
    free(j->provenance);
}

static bool open_live(struct job *j, struct sl_error *err)
{
    const struct sl_flows_options *o = j->opt;
    struct sl_live_options l = {.interface = o->interface,
                                .duration_ns = o->duration_ns,
                                .ring_bytes = o->ring_bytes,
                                .snaplen = o->snaplen                               ? o->snaplen
                                           : o->features.profile == SL_PROFILE_FULL ? 1600
                                                                                    : 0};
    j->live = sl_live_open(&l, err);
    return j->live != NULL;
}

// The same regular file, by whatever name, or the same name of one that is not there yet.
static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    bool there[2] = {stat(a, &x) == 0, stat(b, &y) == 0};
    if (!strcmp(a, "-") || !strcmp(b, "-") || there[0] != there[1])
        return false;
    if (there[0])
        return S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
    const char *slash[2] = {strrchr(a, '/'), strrchr(b, '/')};
    SL_AUTO(sl_free_str)
    char *folder_a = slash[0] ? sl_format("%.*s/", (int)(slash[0] - a), a) : sl_strdup("."),
         *folder_b = slash[1] ? sl_format("%.*s/", (int)(slash[1] - b), b) : sl_strdup(".");
    return !strcmp(slash[0] ? slash[0] + 1 : a, slash[1] ? slash[1] + 1 : b) &&
           stat(folder_a, &x) == 0 && stat(folder_b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

// What is written takes the place of what was there: not of what is read, nor of one another.
static bool files_differ(const struct sl_flows_options *o, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *schema = o->output ? sl_format("%s.schema.json", o->output) : NULL;
    SL_AUTO(sl_free_str) char *more = o->rates ? sl_format("%s.schema.json", o->rates) : NULL;
    SL_AUTO(sl_free_str) char *book = o->truth ? sl_path_join(o->truth, "labels.csv") : NULL;
    const char *const written[] = {o->output, o->graph, o->rates, schema, more};
    const struct {
        const char *path, *what;
    } read[] = {{o->input, "the trace"},
                {o->truth, "the truth"},
                {book, "the truth"},
                {o->services, "the list of services"}};
    enum { WRITTEN = sizeof written / sizeof *written };
    for (size_t i = 0; i < WRITTEN; i++) {
        if (!written[i])
            continue;
        for (size_t k = 0; k < sizeof read / sizeof *read; k++)
            if (read[k].path && same_file(written[i], read[k].path)) {
                sl_fail(err, SL_EUSAGE, "'%s' is %s that is read", written[i], read[k].what);
                sl_hint(err, "name another file for what is written");
                return false;
            }
        for (size_t k = i + 1; k < WRITTEN; k++)
            if (written[k] && same_file(written[i], written[k])) {
                sl_fail(err, SL_EUSAGE, "'%s' is asked for twice", written[k]);
                sl_hint(err, "the table, its schema, --graph and --rates need names of their own");
                return false;
            }
    }
    return true;
}

json_t *sl_flows_run(const struct sl_flows_options *opt, struct sl_error *err)
{
    struct job j = {.opt = opt, .cpu_start_s = cpu_s(), .wall_start_ns = sl_mono_ns()};
    struct sl_pass_counts counts;
    json_t *s = NULL;
    bool fixed = opt->semantics == SL_SEMANTICS_FIXED;
    if ((!fixed && !cic_options_fit(opt, err)) || !files_differ(opt, err))
        return NULL;
    bool opened =
        opt->input ? (j.trace = sl_trace_open(opt->input, err)) != NULL : open_live(&j, err);
    j.labels = opened ? sl_labels_new(opt->services, opt->truth, err) : NULL;
    bool ok = j.labels && (fixed ? meter(&j, &counts, err) : meter_cic(&j, &counts, err));
    if (ok)
        s = summary(&j, &counts);
    if (ok && j.table) {
        struct sl_export *table = j.table;
        j.table = NULL;
        ok = sl_export_close(table, err);
    }
    if (ok && j.ipfix) {
        struct sl_ipfix *ipfix = j.ipfix;
        j.ipfix = NULL;
        ok = sl_ipfix_close(ipfix, err);
    }
    // The table is safe: what cannot be written beside it does not take it away.
    ok = ok && write_rates(&j, err) && write_graph(&j, err);
    if (!ok) {
        json_decref(s);
        s = NULL;
    }
    done(&j);
    return s;
}
