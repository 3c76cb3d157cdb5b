// SPDX-License-Identifier: Apache-2.0
#include "live/meter.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/str.h"
#include "capture/capture.h"
#include "catalog/record.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_EDGES = 4096 };

struct meter_flow { // hangs on a live flow
    int edge;       // index into edges, -1 = not ours to count
    int64_t second; // last second it was counted as active
};
struct port { // one host's interface
    struct sl_meter *meter;
    const struct sl_host *host;
    struct sl_capture *capture;
    struct sl_flow_table *table;
    struct sl_pcap_writer *pcap;
};
struct sl_meter {
    struct sl_meter_options opt;
    struct port *ports;
    size_t n_ports;
    struct sl_meter_statement *statements;
    SL_VEC(struct sl_meter_edge) edges;
    FILE *flows;
    int64_t start_ns;
    bool started, write_failed;
    struct sl_error write_error;
};

// ---- which statement ----------------------------------------------------------------------------

static const char *peer(const struct sl_who *w)
{
    return w->is_driver ? SL_PEER_DRIVER : w->service;
}

static bool matches_type(const struct sl_statement *s, const struct sl_flow *f,
                         const struct sl_class_guess *guess)
{
    switch (s->match) {
    case SL_MATCH_PORT:
        return f->tuple.dport == s->port;
    case SL_MATCH_TCP:
        return f->tuple.proto == 6;
    case SL_MATCH_UDP:
        return f->tuple.proto == 17;
    case SL_MATCH_CLASS:
        return guess->cls == s->cls;
    }
    return false;
}

static int edge_of(struct sl_meter *m, const struct port *p, const struct sl_flow *f)
{
    const struct sl_who *a = sl_who_find(m->opt.book, sl_addr_v4(&f->tuple.src));
    const struct sl_who *b = sl_who_find(m->opt.book, sl_addr_v4(&f->tuple.dst));
    if (!a || !b || a->instance != b->instance)
        return -1;
    const struct sl_meter_instance *in = &m->opt.instances[a->instance];
    if (in->from != p->host->index)
        return -1; // counted where its statement starts
    for (size_t k = 0; k < m->edges.len; k++) {
        const struct sl_meter_edge *e = &m->edges.at[k];
        if (e->instance == a->instance && e->src == a->endpoint && e->dst == b->endpoint &&
            e->proto == f->tuple.proto && e->dport == f->tuple.dport)
            return (int)k;
    }
    if (m->edges.len >= MAX_EDGES)
        return -1; // a port scan is not worth more
    struct sl_meter_edge *e = SL_PUSH(&m->edges);
    *e = (struct sl_meter_edge){.instance = a->instance,
                                .src = a->endpoint,
                                .dst = b->endpoint,
                                .proto = f->tuple.proto,
                                .dport = f->tuple.dport};
    sl_who_classify(b, e->proto, e->dport, f, &e->guess);
    bool planned = e->proto == in->proto && e->dport == in->dport && !strcmp(peer(a), in->src) &&
                   !strcmp(peer(b), in->dst);
    e->in_class = planned || matches_type(&m->opt.spec->statements[in->statement], f, &e->guess);
    return (int)m->edges.len - 1;
}

// ---- counting -----------------------------------------------------------------------------------

static struct sl_meter_second *second_at(struct sl_meter_statement *s, int64_t second)
{
    while ((int64_t)s->seconds.len <= second)
        *SL_PUSH(&s->seconds) = (struct sl_meter_second){0};
    return &s->seconds.at[second];
}

static void count(struct sl_meter *m, struct meter_flow *x, const struct sl_packet *p, int dir)
{
    struct sl_meter_edge *e = &m->edges.at[x->edge];
    struct sl_meter_instance *in = &m->opt.instances[e->instance];
    struct sl_meter_statement *s = &m->statements[in->statement];
    int64_t second = (p->ts_ns - m->start_ns) / 1000000000;
    if (p->ts_ns < m->start_ns || second > 86400 * 7)
        return;
    struct sl_meter_second *now = second_at(s, second);
    *(dir == SL_FORWARD ? &e->bytes_up : &e->bytes_down) += p->wire_bytes;
    if (!e->in_class) {
        now->off_bytes += p->wire_bytes;
        return;
    }
    int sender = dir == SL_FORWARD ? e->src : e->dst;
    if (in->endpoint_host[sender] == in->from) {
        now->up_bytes += p->wire_bytes;
        s->up_packets++;
    } else {
        now->down_bytes += p->wire_bytes;
        s->down_packets++;
    }
    in->bytes += p->wire_bytes;
    if (x->second != second) {
        x->second = second;
        now->flows++;
    }
}

static void on_frame(void *ctx, const struct sl_frame *f)
{
    struct port *port = ctx;
    struct sl_meter *m = port->meter;
    struct sl_error *err = &m->write_error;
    if (port->pcap && !m->write_failed &&
        !sl_pcap_write(port->pcap, f->ts_ns, f->data, f->captured, f->wire_bytes, err))
        m->write_failed = true;
    struct sl_packet p;
    if (!m->started ||
        sl_packet_decode(NULL, f->data, f->captured, f->wire_bytes, f->ts_ns, &p) != SL_PACKET_OK)
        return;
    if (p.tuple.proto != 6 && p.tuple.proto != 17)
        return;
    int dir;
    struct sl_flow *flow = sl_flow_table_add(port->table, &p, &dir);
    struct meter_flow *x = flow->user;
    if (!x) {
        x = flow->user = sl_alloc(sizeof *x);
        x->edge = edge_of(m, port, flow);
        x->second = -1;
        if (x->edge >= 0) {
            struct sl_meter_edge *e = &m->edges.at[x->edge];
            e->flows++;
            if (e->in_class)
                m->statements[m->opt.instances[e->instance].statement].total_flows++;
        }
    }
    if (x->edge >= 0)
        count(m, x, &p, dir);
}

// ---- flows.csv ----------------------------------------------------------------------------------

static const char FLOW_HEADER[] =
    "start_ns,duration_ns,src,sport,dst,dport,protocol,packets_fwd,packets_bwd,bytes_fwd,bytes_bwd,"
    "payload_fwd,payload_bwd,flags_fwd,flags_bwd,end,statement,in_class,class,app,project,instance,"
    "client,server,server_image\n";

// A project's name is its folder's, which may hold anything.
static void put_csv(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (const char *c = text; *c; c++) {
        if (*c == '"')
            fputc('"', out);
        fputc(*c, out);
    }
    fputc('"', out);
}

static void on_end(void *ctx, struct sl_flow *f)
{
    struct port *port = ctx;
    struct sl_meter *m = port->meter;
    struct meter_flow *x = f->user;
    if (x && x->edge >= 0 && m->flows) {
        const struct sl_meter_edge *e = &m->edges.at[x->edge];
        const struct sl_meter_instance *in = &m->opt.instances[e->instance];
        const struct sl_who *a = sl_who_find(m->opt.book, sl_addr_v4(&f->tuple.src));
        const struct sl_who *b = sl_who_find(m->opt.book, sl_addr_v4(&f->tuple.dst));
        char src[46], dst[46];
        fprintf(m->flows,
                "%" PRId64 ",%" PRId64 ",%s,%u,%s,%u,%u,%" PRIu64 ",%" PRIu64 ",%" PRIu64
                ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%u,%u,%s,%d,%d,%s,%s,",
                f->first_ns, f->last_ns - f->first_ns, sl_addr_text(&f->tuple.src, src),
                f->tuple.sport, sl_addr_text(&f->tuple.dst, dst), f->tuple.dport, f->tuple.proto,
                f->packets[0], f->packets[1], f->bytes[0], f->bytes[1], f->payload_bytes[0],
                f->payload_bytes[1], f->tcp_flags[0], f->tcp_flags[1], sl_flow_end_name(f->end),
                in->statement + 1, e->in_class, sl_class_name(e->guess.cls),
                e->guess.app ? e->guess.app : "");
        put_csv(m->flows, in->project);
        fprintf(m->flows, ",%s,%s,%s,%s\n", in->name, peer(a), peer(b), b->image);
    }
    free(x);
    f->user = NULL;
}

// ---- life ---------------------------------------------------------------------------------------

static bool open_port(struct sl_meter *m, struct port *p, struct sl_hosts *hosts,
                      const struct sl_host *host, struct sl_error *err)
{
    p->meter = m;
    p->host = host;
    // Whole frames only where they are kept.
    struct sl_capture_options opt = {.ring_bytes = 16 << 20,
                                     .snaplen = m->opt.pcap_dir ? 2048 : 128};
    p->capture = sl_capture_open(hosts->ns, host->name, &opt, err);
    struct sl_flow_options table = {.on_end = on_end, .ctx = p};
    p->table = sl_flow_table_new(&table);
    if (p->capture && m->opt.pcap_dir) {
        SL_AUTO(sl_free_str) char *path = sl_format("%s/%s.pcap", m->opt.pcap_dir, host->name);
        p->pcap = sl_pcap_create(path, opt.snaplen, err);
        return p->pcap != NULL;
    }
    return p->capture != NULL;
}

struct sl_meter *sl_meter_new(struct sl_hosts *hosts, const struct sl_meter_options *opt,
                              struct sl_error *err)
{
    struct sl_meter *m = sl_alloc(sizeof *m);
    m->opt = *opt;
    m->statements = sl_alloc((opt->spec->n_statements + 1) * sizeof *m->statements);
    m->ports = sl_alloc((size_t)hosts->n * sizeof *m->ports);
    bool ok = true;
    for (int k = 0; ok && k < hosts->n; k++)
        ok = open_port(m, &m->ports[m->n_ports++], hosts, &hosts->at[k], err);
    if (ok && opt->flows_path) {
        m->flows = fopen(opt->flows_path, "we");
        if (!m->flows) {
            int why = errno;
            ok = sl_fail(err, SL_ERUN, "cannot write '%s': %s", opt->flows_path, strerror(why));
        } else {
            fputs(FLOW_HEADER, m->flows);
        }
    }
    if (!ok) {
        sl_meter_free(m);
        return NULL;
    }
    return m;
}

size_t sl_meter_fds(const struct sl_meter *m, int *fds, size_t max)
{
    size_t n = 0;
    for (size_t k = 0; k < m->n_ports && n < max; k++)
        fds[n++] = sl_capture_fd(m->ports[k].capture);
    return n;
}

void sl_meter_start(struct sl_meter *m, int64_t wall_ns)
{
    m->start_ns = wall_ns;
    m->started = true;
}

bool sl_meter_read(struct sl_meter *m, struct sl_error *err)
{
    int64_t now = sl_wall_ns();
    for (size_t k = 0; k < m->n_ports; k++) {
        sl_capture_read(m->ports[k].capture, on_frame, &m->ports[k]);
        sl_flow_table_expire(m->ports[k].table, now);
    }
    if (m->write_failed || (m->flows && ferror(m->flows))) {
        if (m->write_failed)
            *err = m->write_error;
        else
            sl_fail(err, SL_ERUN, "cannot write '%s': the disk is full or gone", m->opt.flows_path);
        sl_hint(err, "free some space, or run with --capture none");
        return false;
    }
    return true;
}

const struct sl_meter_statement *sl_meter_statement(const struct sl_meter *m, size_t statement)
{
    return &m->statements[statement];
}

const struct sl_meter_edge *sl_meter_edges(const struct sl_meter *m, size_t *n)
{
    *n = m->edges.len;
    return m->edges.at;
}

void sl_meter_drops(const struct sl_meter *m, uint64_t *packets, uint64_t *drops)
{
    *packets = *drops = 0;
    for (size_t k = 0; k < m->n_ports; k++) {
        struct sl_capture_stats s;
        sl_capture_stats(m->ports[k].capture, &s);
        *packets += s.packets;
        *drops += s.drops;
    }
}

bool sl_meter_finish(struct sl_meter *m, struct sl_error *err)
{
    bool ok = true;
    for (size_t k = 0; k < m->n_ports; k++) {
        sl_flow_table_drain(m->ports[k].table);
        if (m->ports[k].pcap) {
            struct sl_error *e = ok ? err : &m->write_error;
            ok = sl_pcap_close(m->ports[k].pcap, e) && ok;
            m->ports[k].pcap = NULL;
        }
    }
    if (m->flows) {
        bool bad = ferror(m->flows) != 0;
        bad |= fclose(m->flows) != 0;
        m->flows = NULL;
        if (bad && ok)
            ok = sl_fail(err, SL_ERUN, "cannot write '%s': the disk is full or gone",
                         m->opt.flows_path);
    }
    return ok;
}

void sl_meter_free(struct sl_meter *m)
{
    if (!m)
        return;
    struct sl_error ignored;
    if (!sl_meter_finish(m, &ignored))
        m->write_failed = true;
    for (size_t k = 0; k < m->n_ports; k++) {
        sl_flow_table_free(m->ports[k].table);
        sl_capture_close(m->ports[k].capture);
    }
    for (size_t k = 0; k < m->opt.spec->n_statements; k++)
        SL_VEC_DONE(&m->statements[k].seconds);
    free(m->statements);
    free(m->ports);
    SL_VEC_DONE(&m->edges);
    free(m);
}
