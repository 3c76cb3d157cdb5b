// SPDX-License-Identifier: Apache-2.0
/*
 * Where the values of each field come from.
 *
 * A field whose value belongs to one flow (a packet's size, a flow's duration, the gap before a
 * packet) is gathered once with the flow's number as tag; the halves of A are then parts of the
 * same sorted values. Gaps stay those of the whole trace: the halves tell how much the distribution
 * scatters, not what thinning does to it. A field of the whole (concurrent flows, degrees, counts
 * per window, popularity, logscale diagram) is made anew for each half.
 *
 * Ports, protocols and addresses of packets follow from their flow, so they are counted per flow,
 * weighted by its packets: a pass over the flows instead of one over the packets.
 */
#include "base/rng.h"
#include "stats/compare_int.h"
#include <assert.h>
#include <math.h>
#include <string.h>

// ---- the view of an input -----------------------------------------------------------------------

static void count_flow_packets(struct view *v)
{
    size_t n = v->set->flows.len;
    for (int d = 0; d < 2; d++) {
        v->per_flow[d] = sl_alloc((n + 1) * sizeof *v->per_flow[d]);
        v->flow_bytes[d] = sl_alloc((n + 1) * sizeof *v->flow_bytes[d]);
    }
    for (size_t i = 0; i < v->n_packets; i++) {
        const struct sl_sample_packet *p = &v->packets[i];
        assert(p->flow < n);
        v->per_flow[p->direction & 1][p->flow]++;
        v->flow_bytes[p->direction & 1][p->flow] += p->bytes;
    }
}

static void find_extent(struct view *v)
{
    v->t0 = INT64_MAX, v->t1 = INT64_MIN;
    if (v->known & SL_KNOW_PACKETS) {
        for (size_t i = 0; i < v->n_packets; i++) {
            v->t0 = v->packets[i].ts_ns < v->t0 ? v->packets[i].ts_ns : v->t0;
            v->t1 = v->packets[i].ts_ns > v->t1 ? v->packets[i].ts_ns : v->t1;
        }
        return;
    }
    if (!(v->known & SL_KNOW_TIMES))
        return;
    for (size_t i = 0; i < v->set->flows.len; i++) {
        const struct sl_sample_flow *f = &v->set->flows.at[i];
        int64_t end;
        if (f->start_ns == SL_SAMPLE_NO_TIME || f->duration_ns < 0 ||
            __builtin_add_overflow(f->start_ns, f->duration_ns, &end))
            continue;
        v->t0 = f->start_ns < v->t0 ? f->start_ns : v->t0;
        v->t1 = end > v->t1 ? end : v->t1;
    }
}

void view_init(struct view *v, const struct sl_sample_set *set)
{
    size_t n = set->flows.len;
    *v = (struct view){.set = set,
                       .known = set->known,
                       .packets = set->packets.at,
                       .n_packets = set->packets.len,
                       .own_class = -1};
    if (!v->n_packets)
        v->known &= ~(unsigned)SL_KNOW_PACKETS;
    if (!(v->known & SL_KNOW_PACKETS)) {
        v->n_packets = 0;
        v->known &= ~(unsigned)(SL_KNOW_TCP_FLAGS | SL_KNOW_TTL);
    }
    if ((v->known & SL_KNOW_TIMES) && (v->known & SL_KNOW_FLOW_SIZES))
        v->known |= SL_KNOW_MEAN_GAP;
    v->cls = sl_alloc((n + 1) * sizeof *v->cls);
    v->label = sl_alloc((n + 1) * sizeof *v->label);
    for (size_t i = 0; i < n; i++) {
        const struct sl_sample_flow *f = &set->flows.at[i];
        if (f->src != SL_SAMPLE_NONE32 && f->src >= v->addresses)
            v->addresses = f->src + 1;
        if (f->dst != SL_SAMPLE_NONE32 && f->dst >= v->addresses)
            v->addresses = f->dst + 1;
    }
    count_flow_packets(v);
    find_extent(v);
}

void view_done(struct view *v)
{
    free(v->cls);
    free(v->label);
    free(v->halves);
    free(v->matched);
    free(v->own);
    for (int d = 0; d < 2; d++) {
        free(v->per_flow[d]);
        free(v->flow_bytes[d]);
    }
    memset(v, 0, sizeof *v);
}

void view_class(struct view *v, int cls)
{
    if (!(v->known & SL_KNOW_PACKETS) || v->own_class == cls)
        return;
    free(v->own);
    v->own = NULL;
    v->own_class = cls;
    v->packets = v->set->packets.at;
    v->n_packets = v->set->packets.len;
    if (cls < 0)
        return;
    size_t n = 0;
    for (size_t i = 0; i < v->set->flows.len; i++)
        n += v->cls[i] == cls ? (size_t)v->per_flow[0][i] + v->per_flow[1][i] : 0;
    v->own = sl_alloc((n + 1) * sizeof *v->own);
    n = 0;
    for (size_t i = 0; i < v->n_packets; i++)
        if (v->cls[v->packets[i].flow] == cls)
            v->own[n++] = v->packets[i];
    v->packets = v->own;
    v->n_packets = n;
}

// Exactly `first` flows each time: flow i is taken with probability (still wanted)/(still left).
static void draw(const struct view *v, int cls, uint64_t first, uint64_t of, uint8_t *side,
                 int split, struct sl_rng *rng)
{
    for (size_t i = 0; i < v->set->flows.len; i++) {
        if (cls >= 0 && v->cls[i] != cls)
            continue;
        if (sl_rng_below(rng, of--) < first) {
            side[i] |= (uint8_t)(1u << split);
            first--;
        }
    }
}

void view_split(struct view *v, int cls, uint64_t first, uint64_t seed, int splits)
{
    size_t n = v->set->flows.len;
    uint64_t of = 0;
    for (size_t i = 0; i < n; i++)
        of += cls < 0 || v->cls[i] == cls;
    if (!v->halves) {
        v->halves = sl_alloc(n + 1);
        v->matched = sl_alloc(n + 1);
    }
    memset(v->halves, 0, n + 1);
    memset(v->matched, 0, n + 1);
    for (int k = 0; k < splits; k++) {
        struct sl_rng rng = sl_rng_stream(seed, "stats.halves", (uint64_t)k);
        draw(v, cls, of / 2, of, v->halves, k, &rng);
        rng = sl_rng_stream(seed, "stats.halves", (uint64_t)k); // the same ones, when sizes are
        draw(v, cls, first < of / 2 ? first : of / 2, of, v->matched, k, &rng);
    }
}

static unsigned part_of(const struct view *v, const struct part *p, size_t flow)
{
    return (p->matched ? v->matched : v->halves)[flow] >> p->split & 1u;
}

static bool flow_in(const struct view *v, const struct part *p, size_t i)
{
    return (p->cls < 0 || v->cls[i] == p->cls) &&
           (p->split < 0 || (int)part_of(v, p, i) == p->half);
}

static bool packet_in(const struct view *v, const struct part *p, const struct sl_sample_packet *q)
{ // the class is that of v->packets
    return (p->dir < 0 || q->direction == p->dir) &&
           (p->split < 0 || (int)part_of(v, p, q->flow) == p->half);
}

static uint64_t of_dirs(const uint64_t v[2], int dir)
{
    return dir < 0 ? v[0] + v[1] : v[dir];
}

void view_totals(const struct view *v, const struct part *p, struct sl_totals *out)
{
    *out = (struct sl_totals){.pps = NAN, .bps = NAN};
    bool packets = v->known & SL_KNOW_PACKETS;
    for (size_t i = 0; i < v->set->flows.len; i++) {
        if (!flow_in(v, p, i))
            continue;
        const struct sl_sample_flow *f = &v->set->flows.at[i];
        uint64_t n[2] = {v->per_flow[0][i], v->per_flow[1][i]},
                 bytes[2] = {v->flow_bytes[0][i], v->flow_bytes[1][i]};
        out->flows++;
        out->packets += of_dirs(packets ? n : f->packets, p->dir);
        out->bytes += of_dirs(packets ? bytes : f->bytes, p->dir);
    }
    double s = v->t1 > v->t0 ? (double)(v->t1 - v->t0) * 1e-9 : NAN;
    out->pps = (double)out->packets / s;
    out->bps = (double)out->bytes * 8 / s;
}

// ---- values -------------------------------------------------------------------------------------

void values_done(struct values *v)
{
    free(v->x);
    free(v->w);
    free(v->tag);
    *v = (struct values){0};
}

static void values_start(struct values *v, size_t max, bool tags)
{
    *v = (struct values){.x = sl_alloc((max + 1) * sizeof *v->x)};
    if (tags)
        v->tag = sl_alloc((max + 1) * sizeof *v->tag);
}

static void values_add(struct values *v, double x, uint32_t tag)
{
    v->x[v->n] = x;
    if (v->tag)
        v->tag[v->n] = tag;
    v->n++;
}

static void packet_values(const struct view *v, int field, const struct part *p, struct values *out)
{
    values_start(out, v->n_packets, true);
    int64_t last = INT64_MIN, *last_of = NULL;
    if (field == P_FLOW_GAP)
        last_of = sl_alloc((2 * v->set->flows.len + 2) * sizeof *last_of);
    for (size_t i = 0; last_of && i < 2 * v->set->flows.len + 2; i++)
        last_of[i] = INT64_MIN;
    for (size_t i = 0; i < v->n_packets; i++) {
        const struct sl_sample_packet *q = &v->packets[i];
        if (!packet_in(v, p, q))
            continue;
        if (field == P_SIZE) {
            values_add(out, q->bytes, q->flow);
            continue;
        }
        int64_t *before = last_of ? &last_of[2 * (size_t)q->flow + (q->direction & 1)] : &last;
        if (*before != INT64_MIN)
            values_add(out, q->ts_ns > *before ? (double)(q->ts_ns - *before) * 1e-9 : 0, q->flow);
        *before = q->ts_ns > *before ? q->ts_ns : *before;
    }
    free(last_of);
}

static double flow_value(const struct sl_sample_flow *f, int field, int dir)
{
    double packets = (double)f->packets[0] + (double)f->packets[1];
    switch (field) {
    case F_PACKETS:
        return (double)of_dirs(f->packets, dir);
    case F_BYTES:
        return (double)of_dirs(f->bytes, dir);
    case F_DURATION:
        return f->duration_ns < 0 ? NAN : (double)f->duration_ns * 1e-9;
    default:
        if (!isnan(f->mean_gap_s))
            return f->mean_gap_s < 0 ? NAN : f->mean_gap_s;
        return packets > 1 && f->duration_ns >= 0 ? (double)f->duration_ns * 1e-9 / (packets - 1)
                                                  : NAN;
    }
}

static void flow_values(const struct view *v, int field, const struct part *p, struct values *out)
{
    values_start(out, v->set->flows.len, true);
    for (size_t i = 0; i < v->set->flows.len; i++) {
        double x = flow_in(v, p, i) ? flow_value(&v->set->flows.at[i], field, p->dir) : NAN;
        if (!isnan(x))
            values_add(out, x, (uint32_t)i);
    }
}

static uint64_t time_key(int64_t t)
{
    return (uint64_t)t ^ UINT64_C(1) << 63;
}

static void start_gaps(const struct view *v, const struct part *p, struct values *out)
{
    size_t n = v->set->flows.len, m = 0;
    uint64_t *key = sl_alloc((n + 1) * sizeof *key);
    uint32_t *tag = sl_alloc((n + 1) * sizeof *tag);
    for (size_t i = 0; i < n; i++)
        if (flow_in(v, p, i) && v->set->flows.at[i].start_ns != SL_SAMPLE_NO_TIME) {
            key[m] = time_key(v->set->flows.at[i].start_ns);
            tag[m++] = (uint32_t)i;
        }
    sl_sort_keys(key, tag, m);
    values_start(out, m, true);
    for (size_t i = 1; i < m; i++)
        values_add(out, (double)(key[i] - key[i - 1]) * 1e-9, tag[i]);
    free(key);
    free(tag);
}

// How many flows are alive, weighted by for how long: seconds at each level between the first start
// and the last end.
static void concurrent(const struct view *v, const struct part *p, struct values *out)
{
    size_t n = v->set->flows.len, m = 0;
    uint64_t *on = sl_alloc((n + 1) * sizeof *on), *off = sl_alloc((n + 1) * sizeof *off);
    for (size_t i = 0; i < n; i++) {
        const struct sl_sample_flow *f = &v->set->flows.at[i];
        int64_t end;
        if (!flow_in(v, p, i) || f->start_ns == SL_SAMPLE_NO_TIME || f->duration_ns < 0 ||
            __builtin_add_overflow(f->start_ns, f->duration_ns, &end))
            continue;
        on[m] = time_key(f->start_ns);
        off[m++] = time_key(end);
    }
    sl_sort_keys(on, NULL, m);
    sl_sort_keys(off, NULL, m);
    double *level = sl_alloc((m + 2) * sizeof *level);
    size_t alive = 0;
    uint64_t t = m ? on[0] : 0;
    for (size_t i = 0, k = 0; k < m;) {
        bool start = i < m && on[i] <= off[k];
        uint64_t next = start ? on[i] : off[k];
        level[alive] += (double)(next - t) * 1e-9;
        t = next;
        if (start)
            alive++, i++;
        else
            alive--, k++;
    }
    values_start(out, m + 1, false);
    out->of = m;
    out->w = sl_alloc((m + 2) * sizeof *out->w);
    for (size_t i = 0; i <= m; i++)
        if (level[i] > 0) {
            out->w[out->n] = level[i];
            values_add(out, (double)i, 0);
        }
    free(on), free(off), free(level);
}

// ---- graph --------------------------------------------------------------------------------------

struct edges { // ascending by source, then destination
    uint64_t *key;
    double *flows, *bytes;
    size_t n;
};

static void edges_done(struct edges *e)
{
    free(e->key), free(e->flows), free(e->bytes);
}

static void edges_of(const struct view *v, const struct part *p, struct edges *e)
{
    size_t n = v->set->flows.len, m = 0;
    uint32_t *tag = sl_alloc((n + 1) * sizeof *tag);
    *e = (struct edges){.key = sl_alloc((n + 1) * sizeof *e->key),
                        .flows = sl_alloc((n + 1) * sizeof *e->flows),
                        .bytes = sl_alloc((n + 1) * sizeof *e->bytes)};
    for (size_t i = 0; i < n; i++) {
        const struct sl_sample_flow *f = &v->set->flows.at[i];
        if (!flow_in(v, p, i) || f->src == SL_SAMPLE_NONE32 || f->dst == SL_SAMPLE_NONE32)
            continue;
        e->key[m] = (uint64_t)f->src << 32 | f->dst;
        tag[m++] = (uint32_t)i;
    }
    sl_sort_keys(e->key, tag, m);
    for (size_t i = 0; i < m; i++) {
        if (!e->n || e->key[i] != e->key[e->n - 1]) {
            e->flows[e->n] = e->bytes[e->n] = 0;
            e->key[e->n++] = e->key[i];
        }
        e->flows[e->n - 1]++;
        e->bytes[e->n - 1] += (double)of_dirs(v->set->flows.at[tag[i]].bytes, -1);
    }
    free(tag);
}

static void graph_values(const struct view *v, int field, const struct part *p, struct values *out)
{
    struct edges e;
    edges_of(v, p, &e);
    if (field == G_FLOWS || field == G_BYTES) {
        values_start(out, e.n, false);
        for (size_t i = 0; i < e.n; i++)
            values_add(out, field == G_FLOWS ? e.flows[i] : e.bytes[i], 0);
    } else {
        double *degree = sl_alloc(((size_t)v->addresses + 1) * sizeof *degree);
        for (size_t i = 0; i < e.n; i++)
            degree[field == G_OUT ? e.key[i] >> 32 : (e.key[i] & UINT32_MAX)]++;
        values_start(out, v->addresses, false);
        for (size_t i = 0; i < v->addresses; i++)
            if (degree[i] > 0)
                values_add(out, degree[i], 0);
        free(degree);
    }
    edges_done(&e);
}

// Neighbours of the undirected simple graph, each edge kept at its end of lower degree (then lower
// number): a triangle is then found exactly once, and no list is longer than sqrt(2 edges).
struct adjacency {
    uint32_t *at;
    size_t *start; // [nodes + 1]
    double wedges; // paths of two edges
};

static size_t undirected(struct edges *e)
{
    size_t m = 0;
    for (size_t i = 0; i < e->n; i++) {
        uint64_t a = e->key[i] >> 32, b = e->key[i] & UINT32_MAX;
        if (a != b)
            e->key[m++] = a < b ? a << 32 | b : b << 32 | a;
    }
    sl_sort_keys(e->key, NULL, m);
    size_t n = 0;
    for (size_t i = 0; i < m; i++)
        if (!n || e->key[i] != e->key[n - 1])
            e->key[n++] = e->key[i];
    return n;
}

static void adjacency_of(const uint64_t *key, size_t m, size_t nodes, struct adjacency *g)
{
    uint32_t *degree = sl_alloc((nodes + 1) * sizeof *degree);
    *g = (struct adjacency){.at = sl_alloc((m + 1) * sizeof *g->at),
                            .start = sl_alloc((nodes + 2) * sizeof *g->start)};
    for (size_t i = 0; i < m; i++)
        degree[key[i] >> 32]++, degree[key[i] & UINT32_MAX]++;
    for (size_t i = 0; i < nodes; i++)
        g->wedges += (double)degree[i] * ((double)degree[i] - 1) / 2;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < m; i++) {
            uint32_t a = (uint32_t)(key[i] >> 32), b = (uint32_t)key[i];
            bool turn = degree[b] < degree[a]; // a < b already
            uint32_t low = turn ? b : a, high = turn ? a : b;
            if (pass)
                g->at[g->start[low]++] = high;
            else
                g->start[low + 1]++;
        }
        for (size_t i = 1; !pass && i <= nodes; i++)
            g->start[i] += g->start[i - 1];
    }
    for (size_t i = nodes; i-- > 0;) // filling moved each start to the next one's
        g->start[i + 1] = g->start[i];
    g->start[0] = 0;
    free(degree);
}

static void triads(const struct view *v, const struct part *p, double count[2])
{
    struct edges e;
    struct adjacency g;
    edges_of(v, p, &e);
    size_t nodes = v->addresses, m = undirected(&e);
    adjacency_of(e.key, m, nodes, &g);
    uint32_t *mark = sl_alloc((nodes + 1) * sizeof *mark);
    double closed = 0;
    for (size_t a = 0; a < nodes; a++) {
        for (size_t i = g.start[a]; i < g.start[a + 1]; i++)
            mark[g.at[i]] = (uint32_t)a + 1;
        for (size_t i = g.start[a]; i < g.start[a + 1]; i++)
            for (size_t k = g.start[g.at[i]]; k < g.start[g.at[i] + 1]; k++)
                closed += mark[g.at[k]] == a + 1;
    }
    count[0] = g.wedges - 3 * closed;
    count[1] = closed;
    free(mark), free(g.at), free(g.start);
    edges_done(&e);
}

// ---- series -------------------------------------------------------------------------------------

int64_t series_bin(const struct view *a, const struct view *b, int64_t wanted_ns)
{
    int64_t bin = wanted_ns;
    for (int i = 0; i < 2; i++) {
        const struct view *v = i ? b : a;
        while (v->t1 >= v->t0 && (v->t1 - v->t0) / bin >= MAX_SERIES)
            bin *= 10;
    }
    return bin;
}

// Inlined with the usual bins as constants: a division by a constant is a multiplication.
static inline void add_counts(const struct view *v, const struct part *p, int split, int64_t bin_ns,
                              bool bytes, double *const x[2])
{
    for (size_t i = 0; i < v->n_packets; i++) {
        const struct sl_sample_packet *q = &v->packets[i];
        if (!packet_in(v, p, q))
            continue;
        int half = split < 0 ? 0 : v->halves[q->flow] >> split & 1;
        x[half][(uint64_t)(q->ts_ns - v->t0) / (uint64_t)bin_ns] += bytes ? q->bytes : 1;
    }
}

static void counts(const struct view *v, const struct part *p, int split, int64_t bin_ns,
                   bool bytes, double *x[2], size_t *n)
{
    *n = v->t1 < v->t0 ? 0 : (size_t)((v->t1 - v->t0) / bin_ns) + 1;
    for (int h = 0; h <= (split >= 0); h++)
        x[h] = sl_alloc((*n + 1) * sizeof *x[h]);
    if (bin_ns == 1000000)
        add_counts(v, p, split, 1000000, bytes, x);
    else if (bin_ns == COUNT_BIN_NS)
        add_counts(v, p, split, COUNT_BIN_NS, bytes, x);
    else
        add_counts(v, p, split, bin_ns, bytes, x);
}

double *count_series(const struct view *v, const struct part *p, int64_t bin_ns, bool bytes,
                     size_t *n)
{
    double *x[2];
    counts(v, p, -1, bin_ns, bytes, x, n);
    return x[0];
}

void count_halves(const struct view *v, const struct part *p, int split, int64_t bin_ns, bool bytes,
                  double *half[2], size_t *n)
{
    counts(v, p, split, bin_ns, bytes, half, n);
}

static void series_values(const struct view *v, bool bytes, const struct part *p,
                          struct values *out)
{
    *out = (struct values){0};
    out->x = count_series(v, p, v->count_bin_ns, bytes, &out->n);
    if (out->n > 1)
        out->n--; // the last window is not whole
}

// A flow without its packets is spread evenly over its life.
static void spread_flows(const struct view *v, const struct part *p, struct sl_rate_curve *out)
{
    double step = out->step_s;
    for (size_t i = 0; i < v->set->flows.len; i++) {
        const struct sl_sample_flow *f = &v->set->flows.at[i];
        if (!flow_in(v, p, i) || f->start_ns == SL_SAMPLE_NO_TIME || f->duration_ns < 0)
            continue;
        double from = (double)(f->start_ns - v->t0) * 1e-9 / step,
               to = from + (double)f->duration_ns * 1e-9 / step,
               n = (double)of_dirs(f->packets, p->dir), b = (double)of_dirs(f->bytes, p->dir);
        for (size_t k = from > 0 ? (size_t)from : 0; k < out->n; k++) {
            double lo = fmax(from, (double)k), hi = fmin(to, (double)k + 1);
            double share = to > from ? fmax(hi - lo, 0) / (to - from) : 1;
            out->pps[k] += n * share;
            out->bps[k] += b * share;
            if (to <= (double)k + 1)
                break;
        }
    }
}

bool rate_curve(const struct view *v, const struct part *p, struct sl_rate_curve *out)
{
    if (v->t1 <= v->t0)
        return false;
    double s = (double)(v->t1 - v->t0) * 1e-9;
    static const double steps[] = {1e-3, 2e-3, 5e-3, .01, .02, .05, .1,  .2,   .5,   1,    2,    5,
                                   10,   20,   30,   60,  120, 300, 600, 1800, 3600, 7200, 14400};
    *out = (struct sl_rate_curve){.step_s = s / SL_RATE_BINS};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (s / steps[i] < SL_RATE_BINS) {
            out->step_s = steps[i];
            break;
        }
    out->n = (size_t)(s / out->step_s) + 1;
    out->n = out->n > SL_RATE_BINS ? SL_RATE_BINS : out->n;
    if (v->known & SL_KNOW_PACKETS) {
        double step_ns = out->step_s * 1e9;
        for (size_t i = 0; i < v->n_packets; i++) {
            const struct sl_sample_packet *q = &v->packets[i];
            size_t k = (size_t)((double)(q->ts_ns - v->t0) / step_ns);
            if (!packet_in(v, p, q))
                continue;
            k = k < out->n ? k : out->n - 1;
            out->pps[k]++;
            out->bps[k] += q->bytes;
        }
    } else {
        spread_flows(v, p, out);
    }
    for (size_t k = 0; k < out->n; k++) { // the last step is as long as is left
        double left = s - (double)k * out->step_s, step = fmin(left, out->step_s);
        step = step > out->step_s / 20 ? step : out->step_s;
        out->pps[k] /= step;
        out->bps[k] *= 8 / step;
    }
    return true;
}

// ---- the doors ----------------------------------------------------------------------------------

bool field_extensive(int field)
{
    return field == F_CONCURRENT || (field >= G_OUT && field <= G_TRIADS) || field >= T_PACKETS;
}

void field_sequence(const struct view *v, int field, const struct part *p, struct values *out)
{
    packet_values(v, field, p, out);
}

void field_values(const struct view *v, int field, const struct part *p, struct values *out)
{
    switch (field) {
    case P_SIZE:
    case P_GAP:
    case P_FLOW_GAP:
        packet_values(v, field, p, out);
        break;
    case F_START_GAP:
        start_gaps(v, p, out);
        break;
    case F_CONCURRENT:
        concurrent(v, p, out);
        return; // in order already
    case G_OUT:
    case G_IN:
    case G_FLOWS:
    case G_BYTES:
        graph_values(v, field, p, out);
        break;
    case T_PACKETS:
    case T_BYTES:
        series_values(v, field == T_BYTES, p, out);
        break;
    default:
        flow_values(v, field, p, out);
    }
    sl_sort_samples(out->x, out->tag, out->n);
}

size_t field_table_size(const struct view *v, int field)
{
    switch (field) {
    case P_SPORT:
    case P_DPORT:
    case F_PORT:
        return 65536;
    case P_PROTO:
    case P_FLAGS:
    case P_TTL:
    case F_PROTO:
        return 256;
    case F_CLASS:
        return (size_t)v->classes + 1;
    case F_LABEL:
        return (size_t)v->labels + 1;
    case G_TRIADS:
        return 2;
    default:
        return 0;
    }
}

// What flow i adds in direction d: entry and how much; an entry of UINT32_MAX adds nothing.
static uint32_t flow_entry(const struct view *v, int field, size_t i, int d, double *weight)
{
    const struct sl_sample_flow *f = &v->set->flows.at[i];
    bool has_ports = f->proto == 6 || f->proto == 17 || f->proto == 132;
    *weight = field < F_PACKETS ? v->per_flow[d][i] : 1;
    switch (field) {
    case P_SPORT:
        return has_ports ? (d ? f->dport : f->sport) : UINT32_MAX;
    case P_DPORT:
        return has_ports ? (d ? f->sport : f->dport) : UINT32_MAX;
    case P_SRC:
        return d ? f->dst : f->src;
    case P_DST:
        return d ? f->src : f->dst;
    case P_PROTO:
    case F_PROTO:
        return f->proto;
    case F_PORT:
        return has_ports ? f->dport : UINT32_MAX;
    case F_SRC:
        return f->src;
    case F_DST:
        return f->dst;
    case F_CLASS:
        return v->cls[i];
    case F_LABEL:
        return v->label[i];
    default:
        return UINT32_MAX;
    }
}

static void count_flows(const struct view *v, int field, const struct part *p, int splits,
                        size_t size, double *count)
{
    int last = field < F_PACKETS ? 1 : 0;
    for (size_t i = 0; i < v->set->flows.len; i++) {
        if (!flow_in(v, p, i))
            continue;
        for (int d = 0; d <= last; d++) {
            double w;
            uint32_t e = flow_entry(v, field, i, d, &w);
            if (e == UINT32_MAX || e >= size || !(w > 0) || (last && p->dir >= 0 && p->dir != d))
                continue;
            if (!splits)
                count[e] += w;
            for (int k = 0; k < splits; k++)
                count[(size_t)(2 * k + (v->matched[i] >> k & 1)) * size + e] += w;
        }
    }
}

static void count_packets(const struct view *v, int field, const struct part *p, int splits,
                          double *count)
{
    for (size_t i = 0; i < v->n_packets; i++) {
        const struct sl_sample_packet *q = &v->packets[i];
        if (!packet_in(v, p, q) || (field == P_FLAGS && v->set->flows.at[q->flow].proto != 6))
            continue;
        size_t e = field == P_FLAGS ? q->tcp_flags : q->ttl;
        if (!splits)
            count[e]++;
        for (int k = 0; k < splits; k++)
            count[(size_t)(2 * k + (v->matched[q->flow] >> k & 1)) * 256 + e]++;
    }
}

void field_table(const struct view *v, int field, const struct part *p, double *count)
{
    if (field == G_TRIADS)
        triads(v, p, count);
    else if (field == P_FLAGS || field == P_TTL)
        count_packets(v, field, p, 0, count);
    else
        count_flows(v, field, p, 0, field_table_size(v, field), count);
}

bool field_tables_split(const struct view *v, int field, const struct part *p, int splits,
                        double *count)
{
    if (field == G_TRIADS)
        return false;
    if (field == P_FLAGS || field == P_TTL)
        count_packets(v, field, p, splits, count);
    else
        count_flows(v, field, p, splits, field_table_size(v, field), count);
    return true;
}

size_t field_ranks(const struct view *v, int field, const struct part *p, double **count)
{
    size_t n = v->addresses, m = 0;
    double *c = sl_alloc((n + 1) * sizeof *c);
    count_flows(v, field, p, 0, n, c);
    for (size_t i = 0; i < n; i++)
        if (c[i] > 0)
            c[m++] = c[i];
    sl_sort_samples(c, NULL, m);
    for (size_t i = 0; i < m / 2; i++) { // the most popular first
        double t = c[i];
        c[i] = c[m - 1 - i], c[m - 1 - i] = t;
    }
    *count = c;
    return m;
}
