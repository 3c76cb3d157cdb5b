// SPDX-License-Identifier: Apache-2.0
#include "observe/watch.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PHASES = 16, MAX_BINS = 600, MAX_KEPT_FLOWS = 200000 };

struct series { // an edge in one phase
    uint64_t packets[2], bytes[2], flows;
    uint64_t active_flow_seconds;
    uint64_t bin_bytes[MAX_BINS]; // per second of the phase
};
struct edge {
    const char *src, *dst;
    uint8_t proto;
    uint16_t dport;
    const struct sl_who *server;
    struct sl_class_guess guess;
    bool classified;
    uint64_t bytes; // all phases
    struct series *phases[MAX_PHASES];
};
struct flow_state { // hangs on a live flow
    int edge;       // index, -1 = not between known peers
    int phase;      // last phase it was counted in as a flow
    int64_t second; // last second it was counted as active
    int first_phase;
};
struct phase {
    const char *name;
    int64_t begin_ns, end_ns; // wall, as packets have it
};
struct sl_watch {
    const struct sl_who_book *book;
    struct sl_capture *captures[16];
    size_t n_captures;
    struct sl_flow_table *table;
    SL_VEC(struct edge) edges;
    SL_VEC(struct sl_catalog_flow) kept;
    struct phase phases[MAX_PHASES];
    int n_phases;
    uint64_t strangers, flows;
    struct sl_arena arena;
};

static const char *peer_name(const struct sl_who *w)
{
    if (!w)
        return SL_PEER_EXTERNAL;
    return w->is_driver ? SL_PEER_DRIVER : w->service;
}

static void classify(struct edge *e, const struct sl_flow *flow)
{
    if (e->classified)
        return;
    sl_who_classify(e->server, e->proto, e->dport, flow, &e->guess);
    e->classified = flow && (flow->head_len[0] || flow->head_len[1]);
}

static void flow_ended(void *ctx, struct sl_flow *flow)
{
    struct sl_watch *w = ctx;
    struct flow_state *s = flow->user;
    if (!s)
        return;
    if (s->edge >= 0) {
        struct edge *e = &w->edges.at[s->edge];
        classify(e, flow);
        if (w->kept.len < MAX_KEPT_FLOWS) {
            struct sl_catalog_flow *k = SL_PUSH(&w->kept);
            k->flow = *flow;
            k->flow.user = NULL;
            k->phase = w->phases[s->first_phase].name;
            k->src = e->src;
            k->dst = e->dst;
            k->cls = sl_class_name(e->guess.cls); // refined when the watch ends
        }
    }
    free(s);
    flow->user = NULL;
}

struct sl_watch *sl_watch_new(const struct sl_who_book *book)
{
    struct sl_watch *w = sl_alloc(sizeof *w);
    w->book = book;
    struct sl_flow_options opt = {.max_flows = 200000, .on_end = flow_ended, .ctx = w};
    w->table = sl_flow_table_new(&opt);
    return w;
}

bool sl_watch_add(struct sl_watch *w, int ns, const char *bridge, struct sl_error *err)
{
    if (w->n_captures == sizeof w->captures / sizeof *w->captures)
        return sl_fail(err, SL_EINPUT, "a project with more than 16 networks is not observed");
    struct sl_capture_options opt = {.promisc = true, .incoming_only = true};
    struct sl_capture *c = sl_capture_open(ns, bridge, &opt, err);
    if (!c)
        return false;
    w->captures[w->n_captures++] = c;
    return true;
}

void sl_watch_phase(struct sl_watch *w, const char *name)
{
    int64_t now = sl_wall_ns();
    if (w->n_phases)
        w->phases[w->n_phases - 1].end_ns = now;
    if (w->n_phases == MAX_PHASES)
        return; // the last one goes on; doors are limited well below
    w->phases[w->n_phases++] = (struct phase){name, now, 0};
}

static int edge_of(struct sl_watch *w, const struct sl_flow *flow)
{
    const struct sl_who *a = sl_who_find(w->book, sl_addr_v4(&flow->tuple.src));
    const struct sl_who *b = sl_who_find(w->book, sl_addr_v4(&flow->tuple.dst));
    if (!a && !b)
        return -1;
    const char *src = peer_name(a), *dst = peer_name(b);
    for (size_t k = 0; k < w->edges.len; k++) {
        const struct edge *e = &w->edges.at[k];
        if (e->proto == flow->tuple.proto && e->dport == flow->tuple.dport &&
            !strcmp(e->src, src) && !strcmp(e->dst, dst))
            return (int)k;
    }
    if (w->edges.len >= 4096)
        return -1; // a port scan is not worth more; counted with the strangers
    struct edge *e = SL_PUSH(&w->edges);
    memset(e, 0, sizeof *e);
    e->src = src;
    e->dst = dst;
    e->proto = flow->tuple.proto;
    e->dport = flow->tuple.dport;
    e->server = b;
    return (int)w->edges.len - 1;
}

static void on_frame(void *ctx, const struct sl_frame *frame)
{
    struct sl_watch *w = ctx;
    struct sl_packet p;
    if (!w->n_phases || sl_packet_decode(NULL, frame->data, frame->captured, frame->wire_bytes,
                                         frame->ts_ns, &p) != SL_PACKET_OK)
        return;
    if (p.tuple.proto != 6 && p.tuple.proto != 17)
        return;
    int dir;
    struct sl_flow *flow = sl_flow_table_add(w->table, &p, &dir);
    struct flow_state *s = flow->user;
    int ph = w->n_phases - 1;
    while (ph > 0 && p.ts_ns < w->phases[ph].begin_ns)
        ph--; // it waited in the ring while the phase changed
    if (!s) {
        s = flow->user = sl_alloc(sizeof *s);
        *s = (struct flow_state){edge_of(w, flow), -1, -1, ph};
        w->flows++;
    }
    if (s->edge < 0) {
        w->strangers++;
        return;
    }
    struct edge *e = &w->edges.at[s->edge];
    struct series *x = e->phases[ph];
    if (!x)
        x = e->phases[ph] = sl_alloc(sizeof *x);
    x->packets[dir]++;
    x->bytes[dir] += p.wire_bytes;
    e->bytes += p.wire_bytes;
    if (s->phase != ph) {
        s->phase = ph;
        x->flows++;
    }
    int64_t bin = (p.ts_ns - w->phases[ph].begin_ns) / 1000000000;
    if (bin < 0)
        bin = 0;
    if (bin < MAX_BINS)
        x->bin_bytes[bin] += p.wire_bytes;
    int64_t second = p.ts_ns / 1000000000;
    if (s->second != second) {
        s->second = second;
        x->active_flow_seconds++;
    }
    if (!e->classified && flow->head_len[SL_FORWARD] && flow->head_len[SL_BACKWARD])
        classify(e, flow);
}

bool sl_watch_pump(struct sl_watch *w, int64_t until_ns, int extra_fd)
{
    struct pollfd fds[17];
    for (size_t k = 0; k < w->n_captures; k++)
        fds[k] = (struct pollfd){.fd = sl_capture_fd(w->captures[k]), .events = POLLIN};
    for (;;) {
        int64_t left = until_ns - sl_mono_ns();
        if (left <= 0)
            return true;
        if (sl_interrupted())
            return false;
        fds[w->n_captures] = (struct pollfd){.fd = extra_fd, .events = POLLIN};
        int64_t wait_ms = left / 1000000 + 1;
        poll(fds, w->n_captures + 1, wait_ms > 100 ? 100 : (int)wait_ms);
        for (size_t k = 0; k < w->n_captures; k++)
            sl_capture_read(w->captures[k], on_frame, w);
        sl_flow_table_expire(w->table, sl_wall_ns());
        if (extra_fd >= 0 && fds[w->n_captures].revents)
            return true;
    }
}

uint64_t sl_watch_bytes(const struct sl_watch *w, const char *src, const char *dst, uint16_t dport)
{
    uint64_t sum = 0;
    for (size_t k = 0; k < w->edges.len; k++) {
        const struct edge *e = &w->edges.at[k];
        if (e->dport == dport && !strcmp(e->src, src) && !strcmp(e->dst, dst))
            sum += e->bytes;
    }
    return sum;
}

// Best mean over three seconds in a row, or over the whole phase if it is shorter.
static double peak_bps(const struct series *x, double duration_s)
{
    int bins = (int)(duration_s + 0.999);
    if (bins > MAX_BINS)
        bins = MAX_BINS;
    double best = 0;
    for (int i = 0; i + 3 <= bins; i++) {
        double sum = (double)(x->bin_bytes[i] + x->bin_bytes[i + 1] + x->bin_bytes[i + 2]);
        if (sum > best)
            best = sum;
    }
    double mean = duration_s > 0 ? (double)(x->bytes[0] + x->bytes[1]) * 8 / duration_s : 0;
    return best * 8 / 3 > mean ? best * 8 / 3 : mean;
}

static void fill_phase(struct sl_watch *w, struct sl_record *r, int ph)
{
    struct sl_phase *out = &r->phases[ph];
    out->duration_s = (double)(w->phases[ph].end_ns - w->phases[ph].begin_ns) / 1e9;
    size_t n = 0;
    for (size_t k = 0; k < w->edges.len; k++)
        n += w->edges.at[k].phases[ph] != NULL;
    out->edges = sl_arena_alloc(&r->arena, (n + 1) * sizeof *out->edges);
    for (size_t k = 0; k < w->edges.len; k++) {
        const struct edge *e = &w->edges.at[k];
        const struct series *x = e->phases[ph];
        if (!x)
            continue;
        out->edges[out->n_edges++] = (struct sl_edge){
            .src = sl_arena_strdup(&r->arena, e->src),
            .dst = sl_arena_strdup(&r->arena, e->dst),
            .proto = e->proto,
            .dport = e->dport,
            .cls = sl_class_name(e->guess.cls),
            .app = e->guess.app ? e->guess.app : "",
            .confidence = e->guess.confidence,
            .flows = x->flows,
            .packets_up = x->packets[SL_FORWARD],
            .packets_down = x->packets[SL_BACKWARD],
            .bytes_up = x->bytes[SL_FORWARD],
            .bytes_down = x->bytes[SL_BACKWARD],
            .bps_mean =
                out->duration_s > 0 ? (double)(x->bytes[0] + x->bytes[1]) * 8 / out->duration_s : 0,
            .bps_peak = peak_bps(x, out->duration_s),
            .flows_active =
                out->duration_s > 0 ? (double)x->active_flow_seconds / out->duration_s : 0,
        };
    }
}

void sl_watch_finish(struct sl_watch *w, struct sl_record *r)
{
    if (!w->n_phases)
        return;
    w->phases[w->n_phases - 1].end_ns = sl_wall_ns();
    sl_flow_table_drain(w->table);
    for (size_t k = 0; k < w->edges.len; k++)
        classify(&w->edges.at[k], NULL);
    for (int ph = 0; ph < w->n_phases && (size_t)ph < r->n_phases; ph++)
        fill_phase(w, r, ph);
    // Flows that ended before their edge was classified get its class now.
    for (size_t f = 0; f < w->kept.len; f++) {
        for (size_t k = 0; k < w->edges.len; k++) {
            const struct edge *e = &w->edges.at[k];
            if (w->kept.at[f].src == e->src && w->kept.at[f].dst == e->dst &&
                w->kept.at[f].flow.tuple.dport == e->dport)
                w->kept.at[f].cls = sl_class_name(e->guess.cls);
        }
    }
}

const struct sl_catalog_flow *sl_watch_flows(struct sl_watch *w, size_t *n)
{
    *n = w->kept.len;
    return w->kept.at;
}

void sl_watch_counts(const struct sl_watch *w, struct sl_watch_counts *out)
{
    *out = (struct sl_watch_counts){.strangers = w->strangers, .flows = w->flows};
    for (size_t k = 0; k < w->n_captures; k++) {
        struct sl_capture_stats s;
        sl_capture_stats(w->captures[k], &s);
        out->packets += s.packets;
        out->drops += s.drops;
    }
}

void sl_watch_free(struct sl_watch *w)
{
    if (!w)
        return;
    for (size_t k = 0; k < w->n_captures; k++)
        sl_capture_close(w->captures[k]);
    sl_flow_table_drain(w->table); // frees the state that hangs on flows
    sl_flow_table_free(w->table);
    for (size_t k = 0; k < w->edges.len; k++)
        for (int p = 0; p < MAX_PHASES; p++)
            free(w->edges.at[k].phases[p]);
    SL_VEC_DONE(&w->edges);
    SL_VEC_DONE(&w->kept);
    sl_arena_done(&w->arena);
    free(w);
}
