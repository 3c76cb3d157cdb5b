// SPDX-License-Identifier: Apache-2.0
/*
 * The comparison: every field of every selection is measured between A and B, and k times between
 * two halves of A; then judged by the rule in compare.h.
 */
#include "stats/compare.h"
#include "base/table.h"
#include "stats/compare_int.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NEED_PACKETS SL_KNOW_PACKETS
#define NEED_EDGES (SL_KNOW_ADDRESSES | SL_KNOW_DIRECTIONS)
static const struct sl_field fields[] = {
    {P_SIZE, "packet_size", "packet size", "B", SL_GROUP_PACKET, SL_FIELD_NUMBER, false,
     NEED_PACKETS, "bytes on the wire"},
    {P_GAP, "packet_gap", "inter-arrival time", "s", SL_GROUP_PACKET, SL_FIELD_NUMBER, true,
     NEED_PACKETS, "time since the packet before it"},
    {P_FLOW_GAP, "packet_flow_gap", "inter-arrival time in a flow", "s", SL_GROUP_PACKET,
     SL_FIELD_NUMBER, true, NEED_PACKETS,
     "time since the packet before it in the same flow and direction"},
    {P_PROTO, "packet_protocol", "protocol of packets", "", SL_GROUP_PACKET, SL_FIELD_CATEGORY,
     false, NEED_PACKETS | SL_KNOW_PROTOCOL, "IP protocol"},
    {P_SPORT, "packet_source_port", "source port", "", SL_GROUP_PACKET, SL_FIELD_CATEGORY, false,
     NEED_PACKETS | SL_KNOW_PORTS | SL_KNOW_PROTOCOL, "of TCP, UDP and SCTP packets"},
    {P_DPORT, "packet_destination_port", "destination port", "", SL_GROUP_PACKET, SL_FIELD_CATEGORY,
     false, NEED_PACKETS | SL_KNOW_PORTS | SL_KNOW_PROTOCOL, "of TCP, UDP and SCTP packets"},
    {P_SRC, "packet_source_popularity", "source popularity", "", SL_GROUP_PACKET, SL_FIELD_RANK,
     false, NEED_PACKETS | SL_KNOW_ADDRESSES, "packets per source address, by rank"},
    {P_DST, "packet_destination_popularity", "destination popularity", "", SL_GROUP_PACKET,
     SL_FIELD_RANK, false, NEED_PACKETS | SL_KNOW_ADDRESSES,
     "packets per destination address, by rank"},
    {P_FLAGS, "packet_tcp_flags", "TCP flags", "", SL_GROUP_PACKET, SL_FIELD_CATEGORY, false,
     NEED_PACKETS | SL_KNOW_TCP_FLAGS | SL_KNOW_PROTOCOL, "of TCP packets"},
    {P_TTL, "packet_ttl", "TTL", "hops", SL_GROUP_PACKET, SL_FIELD_ORDINAL, false,
     NEED_PACKETS | SL_KNOW_TTL, "time to live, or hop limit"},
    {F_PACKETS, "flow_packets", "flow size in packets", "packets", SL_GROUP_FLOW, SL_FIELD_NUMBER,
     true, SL_KNOW_FLOW_SIZES, "packets of a flow"},
    {F_BYTES, "flow_bytes", "flow size in bytes", "B", SL_GROUP_FLOW, SL_FIELD_NUMBER, true,
     SL_KNOW_FLOW_SIZES, "bytes of a flow"},
    {F_DURATION, "flow_duration", "flow duration", "s", SL_GROUP_FLOW, SL_FIELD_NUMBER, true,
     SL_KNOW_TIMES, "first packet to last"},
    {F_MEAN_GAP, "flow_mean_gap", "mean inter-arrival time of a flow", "s", SL_GROUP_FLOW,
     SL_FIELD_NUMBER, true, SL_KNOW_MEAN_GAP, "over both directions; flows of two packets or more"},
    {F_START_GAP, "flow_start_gap", "time between flow starts", "s", SL_GROUP_FLOW, SL_FIELD_NUMBER,
     true, SL_KNOW_TIMES, "since the flow before it began"},
    {F_CONCURRENT, "flow_concurrent", "concurrent flows", "flows", SL_GROUP_FLOW, SL_FIELD_NUMBER,
     false, SL_KNOW_TIMES, "weighted by how long each level lasted"},
    {F_PROTO, "flow_protocol", "protocol of flows", "", SL_GROUP_FLOW, SL_FIELD_CATEGORY, false,
     SL_KNOW_PROTOCOL, "IP protocol"},
    {F_PORT, "flow_port", "service port", "", SL_GROUP_FLOW, SL_FIELD_CATEGORY, false,
     SL_KNOW_PORTS | SL_KNOW_PROTOCOL, "the responder's port"},
    {F_SRC, "flow_initiator_popularity", "initiator popularity", "", SL_GROUP_FLOW, SL_FIELD_RANK,
     false, NEED_EDGES, "flows per initiator, by rank"},
    {F_DST, "flow_responder_popularity", "responder popularity", "", SL_GROUP_FLOW, SL_FIELD_RANK,
     false, NEED_EDGES, "flows per responder, by rank"},
    {F_CLASS, "flow_class", "class mix", "", SL_GROUP_FLOW, SL_FIELD_CATEGORY, false,
     SL_KNOW_CLASSES, "flows per class"},
    {F_LABEL, "flow_label", "label mix", "", SL_GROUP_FLOW, SL_FIELD_CATEGORY, false,
     SL_KNOW_LABELS, "flows per label"},
    {G_OUT, "graph_out_degree", "responders per initiator", "nodes", SL_GROUP_GRAPH,
     SL_FIELD_NUMBER, true, NEED_EDGES, "out-degree of the connectivity graph"},
    {G_IN, "graph_in_degree", "initiators per responder", "nodes", SL_GROUP_GRAPH, SL_FIELD_NUMBER,
     true, NEED_EDGES, "in-degree of the connectivity graph"},
    {G_FLOWS, "graph_edge_flows", "flows of an edge", "flows", SL_GROUP_GRAPH, SL_FIELD_NUMBER,
     true, NEED_EDGES, "between one initiator and one responder"},
    {G_BYTES, "graph_edge_bytes", "bytes of an edge", "B", SL_GROUP_GRAPH, SL_FIELD_NUMBER, true,
     NEED_EDGES | SL_KNOW_FLOW_SIZES, "between one initiator and one responder"},
    {G_TRIADS, "graph_triads", "triads", "", SL_GROUP_GRAPH, SL_FIELD_CATEGORY, false, NEED_EDGES,
     "paths of two edges that a third one closes, or not"},
    {T_PACKETS, "rate_packets", "packets in 100 ms", "packets", SL_GROUP_TIME, SL_FIELD_NUMBER,
     false, NEED_PACKETS, "windows from the first packet to the last"},
    {T_BYTES, "rate_bytes", "bytes in 100 ms", "B", SL_GROUP_TIME, SL_FIELD_NUMBER, false,
     NEED_PACKETS, "windows from the first packet to the last"},
    {T_ACF_COUNTS, "memory_counts", "memory of packet counts, 100 ms", "", SL_GROUP_TIME,
     SL_FIELD_MEMORY, false, NEED_PACKETS, "autocorrelation, lags of 0.1 s to 10 s"},
    {T_ACF_GAPS, "memory_gaps", "memory of inter-arrival times", "", SL_GROUP_TIME, SL_FIELD_MEMORY,
     false, NEED_PACKETS, "autocorrelation, lags of 1 to 40 packets"},
    {T_ACF_SIZES, "memory_sizes", "memory of packet sizes", "", SL_GROUP_TIME, SL_FIELD_MEMORY,
     false, NEED_PACKETS, "autocorrelation, lags of 1 to 40 packets"},
    {T_SCALE_1, "scaling_packets_1ms", "scaling of packet counts, 1 ms", "octaves", SL_GROUP_TIME,
     SL_FIELD_SCALING, false, NEED_PACKETS, "logscale diagram"},
    {T_SCALE_1_BYTES, "scaling_bytes_1ms", "scaling of byte counts, 1 ms", "octaves", SL_GROUP_TIME,
     SL_FIELD_SCALING, false, NEED_PACKETS, "logscale diagram"},
    {T_SCALE_100, "scaling_packets_100ms", "scaling of packet counts, 100 ms", "octaves",
     SL_GROUP_TIME, SL_FIELD_SCALING, false, NEED_PACKETS, "logscale diagram"},
    {T_SCALE_100_BYTES, "scaling_bytes_100ms", "scaling of byte counts, 100 ms", "octaves",
     SL_GROUP_TIME, SL_FIELD_SCALING, false, NEED_PACKETS, "logscale diagram"},
};
enum { N_FIELDS = sizeof fields / sizeof *fields, ECDF_POINTS = 160, TOP = 8 };
_Static_assert((int)N_FIELDS == (int)FIELDS, "every field has a row");

const double sl_dispersion_s[SL_DISPERSIONS] = {1e-3, 1e-2, 0.1, 1, 10};

const struct sl_field *sl_compare_field(size_t i)
{
    return i < N_FIELDS ? &fields[i] : NULL;
}

const char *sl_metric_name(enum sl_metric m)
{
    static const char *const names[] = {"", "JSD", "nW1", "KS", "RMS", "ACF"};
    return names[m];
}

const char *sl_verdict_name(enum sl_verdict v)
{
    static const char *const names[] = {"nothing-compared", "identical", "same", "different"};
    return names[v];
}

struct job {
    struct sl_comparison *c;
    struct view a, b;
    char **labels; // common numbers -> names; borrowed from the sets
    size_t n_labels;
};

// ---- floors -------------------------------------------------------------------------------------

struct running { // mean and deviation of one distance over the splits
    double sum, square;
    int n;
};

static void run_add(struct running *r, double v)
{
    if (isfinite(v))
        r->sum += v, r->square += v * v, r->n++;
}

static double run_mean(const struct running *r)
{
    return r->n ? r->sum / r->n : NAN;
}

static double run_sd(const struct running *r)
{
    double m = run_mean(r);
    return r->n > 1 ? sqrt(fmax(r->square - r->n * m * m, 0) / (r->n - 1)) : NAN;
}

struct running_distance {
    struct running jsd, tv, w1, nw1, ks;
};

static void floor_add(struct running_distance *r, const struct sl_distance *d)
{
    run_add(&r->jsd, d->jsd);
    run_add(&r->tv, d->tv);
    run_add(&r->w1, d->w1);
    run_add(&r->nw1, d->nw1);
    run_add(&r->ks, d->ks);
}

static void floor_end(const struct running_distance *r, struct sl_field_result *f)
{
    f->floor = (struct sl_distance){run_mean(&r->jsd), run_mean(&r->tv), run_mean(&r->w1),
                                    run_mean(&r->nw1), run_mean(&r->ks)};
    f->floor_sd = (struct sl_distance){run_sd(&r->jsd), run_sd(&r->tv), run_sd(&r->w1),
                                       run_sd(&r->nw1), run_sd(&r->ks)};
    f->splits = r->jsd.n;
}

static struct part part_of(const struct part *p, int field, int split, int half)
{
    return (struct part){.cls = p->cls,
                         .dir = p->dir,
                         .split = split,
                         .half = half,
                         .matched = !field_extensive(field)};
}

// ---- one kind of field each ---------------------------------------------------------------------

// For a field that has to be made anew for each half.
static void number_halves(const struct job *j, const struct part *p, const struct sl_field *field,
                          int split, struct sl_distance *out)
{
    struct values h[2];
    for (int s = 0; s < 2; s++) {
        struct part half = part_of(p, field->id, split, s);
        field_values(&j->a, field->id, &half, &h[s]);
    }
    struct sl_dist d0 = dist_of(&h[0]), d1 = dist_of(&h[1]);
    struct sl_bins bins;
    sl_bins_auto(&bins, &d0, field->log);
    sl_distance_samples(&d0, &d1, &bins, sl_w1_scale(&d0), out);
    values_done(&h[0]);
    values_done(&h[1]);
}

static void compare_numbers(struct job *j, const struct part *p, struct sl_field_result *f)
{
    struct values a, b;
    int id = f->field->id;
    field_values(&j->a, id, p, &a);
    field_values(&j->b, id, p, &b);
    struct sl_dist da = dist_of(&a), db = dist_of(&b);
    struct sl_bins bins;
    sl_bins_auto(&bins, &da, f->field->log);
    double scale = sl_w1_scale(&da);
    f->n_a = (double)(a.of ? a.of : a.n);
    f->n_b = (double)(b.of ? b.of : b.n);
    f->bins = bins.n;
    sl_distance_samples(&da, &db, &bins, scale, &f->d);
    struct sl_distance halves[SL_COMPARE_MAX_SPLITS];
    if (a.tag)
        sl_distance_splits(a.x, a.tag, a.n, j->a.matched, (unsigned)j->c->options.splits, &bins,
                           scale, halves);
    struct running_distance floor = {0};
    for (int k = 0; k < j->c->options.splits; k++) {
        if (!a.tag)
            number_halves(j, p, f->field, k, &halves[k]);
        floor_add(&floor, &halves[k]);
    }
    floor_end(&floor, f);
    sl_summarise(&da, &f->a);
    sl_summarise(&db, &f->b);
    f->ecdf_a = sl_alloc(ECDF_POINTS * sizeof *f->ecdf_a);
    f->ecdf_b = sl_alloc(ECDF_POINTS * sizeof *f->ecdf_b);
    f->n_ecdf_a = sl_ecdf(&da, f->ecdf_a, ECDF_POINTS);
    f->n_ecdf_b = sl_ecdf(&db, f->ecdf_b, ECDF_POINTS);
    values_done(&a);
    values_done(&b);
}

static double total_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

static const char *protocol_name(size_t number)
{
    static const struct {
        size_t number;
        const char *name;
    } known[] = {{1, "ICMP"}, {6, "TCP"},  {17, "UDP"},    {41, "IPv6"},
                 {47, "GRE"}, {50, "ESP"}, {58, "ICMPv6"}, {132, "SCTP"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].number == number)
            return known[i].name;
    return NULL;
}

static void entry_name(const struct job *j, int field, size_t i, char *buf, size_t size)
{
    static const char *const flags[8] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
    buf[0] = 0;
    if (field == P_PROTO || field == F_PROTO) {
        const char *known = protocol_name(i);
        if (known)
            snprintf(buf, size, "%s", known);
        else
            snprintf(buf, size, "protocol %zu", i);
    } else if (field == P_FLAGS) {
        for (int b = 0; b < 8; b++)
            if (i >> b & 1)
                snprintf(buf + strlen(buf), size - strlen(buf), "%s%s", buf[0] ? " " : "",
                         flags[b]);
        if (!i)
            snprintf(buf, size, "none");
    } else if (field == F_CLASS || field == F_LABEL) {
        size_t n = field == F_CLASS ? j->c->classes.len : j->n_labels;
        const char *name = i >= n             ? "(none)"
                           : field == F_CLASS ? j->c->classes.at[i]
                                              : j->labels[i];
        if (!sl_copy(buf, size, name)) { // cut at a whole character
            size_t len = strlen(buf);
            while (len && ((unsigned char)buf[len - 1] & 0xc0) == 0x80)
                len--;
            buf[len ? len - 1 : 0] = 0;
        }
    } else if (field == G_TRIADS) {
        snprintf(buf, size, i ? "closed" : "open");
    } else {
        snprintf(buf, size, "%zu", i);
    }
}

// The entries with the largest share on either side, largest first; the rest is "other".
static void find_top(const struct job *j, struct sl_field_result *f, const double *a,
                     const double *b, size_t n)
{
    double ta = total_of(a, n), tb = total_of(b, n), sum_a = 0, sum_b = 0;
    uint8_t *used = sl_alloc(n);
    f->top = sl_alloc((TOP + 1) * sizeof *f->top);
    while (f->n_top < TOP) {
        size_t best = n;
        double most = 0;
        for (size_t i = 0; i < n; i++) {
            if (used[i] || !(a[i] > 0 || b[i] > 0))
                continue;
            double share = fmax(ta > 0 ? a[i] / ta : 0, tb > 0 ? b[i] / tb : 0);
            if (share > most)
                most = share, best = i;
        }
        if (best == n)
            break;
        used[best] = 1;
        struct sl_category *t = &f->top[f->n_top++];
        entry_name(j, f->field->id, best, t->name, sizeof t->name);
        t->a = ta > 0 ? a[best] / ta : NAN;
        t->b = tb > 0 ? b[best] / tb : NAN;
        sum_a += ta > 0 ? t->a : 0;
        sum_b += tb > 0 ? t->b : 0;
    }
    if (f->n_top == TOP && f->bins > TOP) {
        struct sl_category *t = &f->top[f->n_top++];
        snprintf(t->name, sizeof t->name, "%zu others", f->bins - TOP);
        t->a = ta > 0 ? fmax(1 - sum_a, 0) : NAN;
        t->b = tb > 0 ? fmax(1 - sum_b, 0) : NAN;
    }
    free(used);
}

static void table_plots(const struct job *j, struct sl_field_result *f, const double *a,
                        const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        f->bins += a[i] > 0 || b[i] > 0;
    find_top(j, f, a, b, n);
    if (f->field->kind != SL_FIELD_ORDINAL)
        return;
    double *x = sl_alloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (double)i;
    struct sl_dist da = {x, a, n}, db = {x, b, n};
    sl_summarise(&da, &f->a);
    sl_summarise(&db, &f->b);
    free(x);
}

static void compare_tables(struct job *j, const struct part *p, struct sl_field_result *f)
{
    int id = f->field->id, splits = j->c->options.splits;
    bool ordered = f->field->kind == SL_FIELD_ORDINAL;
    size_t n = field_table_size(&j->a, id);
    double *a = sl_alloc(2 * n * sizeof *a), *b = a + n;
    field_table(&j->a, id, p, a);
    field_table(&j->b, id, p, b);
    f->n_a = total_of(a, n), f->n_b = total_of(b, n);
    sl_distance_tables(a, b, n, ordered, &f->d);
    table_plots(j, f, a, b, n);
    double *half = sl_alloc(2 * (size_t)splits * n * sizeof *half);
    if (!field_tables_split(&j->a, id, p, splits, half))
        for (int k = 0; k < 2 * splits; k++) {
            struct part one = part_of(p, id, k / 2, k % 2);
            field_table(&j->a, id, &one, half + (size_t)k * n);
        }
    struct running_distance floor = {0};
    for (int k = 0; k < splits; k++) {
        struct sl_distance d;
        sl_distance_tables(half + (size_t)(2 * k) * n, half + (size_t)(2 * k + 1) * n, n, ordered,
                           &d);
        floor_add(&floor, &d);
    }
    floor_end(&floor, f);
    free(half);
    free(a);
}

static double rank_distance(const double *a, size_t na, const double *b, size_t nb,
                            struct sl_distance *out)
{
    size_t n = na > nb ? na : nb;
    double *both = sl_alloc((2 * n + 1) * sizeof *both);
    memcpy(both, a, na * sizeof *a);
    memcpy(both + n, b, nb * sizeof *b);
    sl_distance_tables(both, both + n, n, false, out);
    free(both);
    return out->jsd;
}

static void rank_curve(const double *c, size_t n, struct sl_ecdf_point **out, size_t *n_out)
{ // share of the traffic that the x most popular addresses carry
    double *rank = sl_alloc((n + 1) * sizeof *rank);
    for (size_t i = 0; i < n; i++)
        rank[i] = (double)i + 1;
    struct sl_dist d = {rank, c, n};
    *out = sl_alloc(ECDF_POINTS * sizeof **out);
    *n_out = sl_ecdf(&d, *out, ECDF_POINTS);
    free(rank);
}

static void compare_ranks(struct job *j, const struct part *p, struct sl_field_result *f)
{
    double *a, *b;
    size_t na = field_ranks(&j->a, f->field->id, p, &a),
           nb = field_ranks(&j->b, f->field->id, p, &b);
    f->n_a = total_of(a, na), f->n_b = total_of(b, nb);
    f->bins = na > nb ? na : nb;
    rank_distance(a, na, b, nb, &f->d);
    rank_curve(a, na, &f->ecdf_a, &f->n_ecdf_a);
    rank_curve(b, nb, &f->ecdf_b, &f->n_ecdf_b);
    free(a);
    free(b);
    struct running_distance floor = {0};
    for (int k = 0; k < j->c->options.splits; k++) {
        struct part h0 = part_of(p, f->field->id, k, 0), h1 = part_of(p, f->field->id, k, 1);
        struct sl_distance d;
        na = field_ranks(&j->a, f->field->id, &h0, &a);
        nb = field_ranks(&j->a, f->field->id, &h1, &b);
        rank_distance(a, na, b, nb, &d);
        floor_add(&floor, &d);
        free(a);
        free(b);
    }
    floor_end(&floor, f);
}

static void diagram(struct job *j, const struct view *v, const struct part *p, int64_t bin_ns,
                    bool bytes, struct sl_logscale *out)
{
    size_t n;
    double *x = count_series(v, p, bin_ns, bytes, &n);
    sl_logscale_of(x, n, (double)bin_ns * 1e-9, j->c->options.haar ? SL_HAAR : SL_DB3, out);
    free(x);
}

static void compare_scaling(struct job *j, const struct part *p, struct sl_field_result *f)
{
    int id = f->field->id;
    bool bytes = id == T_SCALE_1_BYTES || id == T_SCALE_100_BYTES;
    int64_t wanted = id == T_SCALE_1 || id == T_SCALE_1_BYTES ? 1000000 : 100000000,
            bin = series_bin(&j->a, &j->b, wanted);
    struct sl_scaling *s = f->scaling = sl_alloc(sizeof *s);
    diagram(j, &j->a, p, bin, bytes, &s->a);
    diagram(j, &j->b, p, bin, bytes, &s->b);
    size_t ja = sl_logscale_usable(&s->a), jb = sl_logscale_usable(&s->b), j2 = ja < jb ? ja : jb;
    size_t j1 = j2 > (size_t)j->c->options.j1 ? (size_t)j->c->options.j1 : 1;
    sl_logscale_slope(&s->a, j1, j2, &s->slope_a);
    sl_logscale_slope(&s->b, j1, j2, &s->slope_b);
    sl_logscale_compare(&s->a, &s->b, &s->diff);
    f->n_a = (double)s->a.bins, f->n_b = (double)s->b.bins;
    f->bins = s->diff.octaves;
    f->d = (struct sl_distance){s->diff.share_jsd, NAN, NAN, NAN, NAN};
    struct running rms = {0};
    struct running_distance floor = {0};
    for (int k = 0; k < j->c->options.splits; k++) {
        struct sl_logscale h[2];
        double *x[2];
        size_t n;
        count_halves(&j->a, p, k, bin, bytes, x, &n);
        for (int half = 0; half < 2; half++) {
            sl_logscale_of(x[half], n, (double)bin * 1e-9, s->a.wavelet, &h[half]);
            free(x[half]);
        }
        struct sl_logscale_diff diff;
        sl_logscale_compare(&h[0], &h[1], &diff);
        run_add(&rms, diff.rms);
        floor_add(&floor, &(struct sl_distance){diff.share_jsd, NAN, NAN, NAN, NAN});
    }
    floor_end(&floor, f);
    f->splits = rms.n;
    s->floor_rms = run_mean(&rms);
    s->floor_rms_sd = run_sd(&rms);
}

// The series whose autocorrelation is compared; for the counts of a half, see below.
static void acf_of(const struct view *v, const struct part *p, int field, double *out, size_t lags,
                   size_t *n)
{
    struct values s = {0};
    if (field == T_ACF_COUNTS)
        s.x = count_series(v, p, v->count_bin_ns, false, n);
    else
        field_sequence(v, field == T_ACF_GAPS ? P_GAP : P_SIZE, p, &s), *n = s.n;
    sl_acf(s.x, *n, out, lags);
    values_done(&s);
}

// Root of the mean square of the differences, over the lags that both have; NAN without one.
static double acf_rms(const double *a, const double *b, size_t lags)
{
    struct running r = {0};
    for (size_t i = 0; i < lags; i++)
        if (isfinite(a[i]) && isfinite(b[i]))
            run_add(&r, (a[i] - b[i]) * (a[i] - b[i]));
    return r.n ? sqrt(run_mean(&r)) : NAN;
}

static size_t lags_of(size_t n_a, size_t n_b, size_t lags)
{
    size_t most = (n_a < n_b ? n_a : n_b) / 4;
    return lags < most ? lags : most;
}

static double halves_rms(struct job *j, const struct part *p, int field, int split, size_t lags)
{
    double acf[2][SL_ACF_MAX];
    size_t n[2];
    if (field == T_ACF_COUNTS) {
        double *x[2];
        count_halves(&j->a, p, split, j->a.count_bin_ns, false, x, &n[0]);
        n[1] = n[0];
        for (int half = 0; half < 2; half++) {
            sl_acf(x[half], n[0], acf[half], lags);
            free(x[half]);
        }
    } else {
        for (int half = 0; half < 2; half++) {
            struct part h = part_of(p, field, split, half);
            acf_of(&j->a, &h, field, acf[half], lags, &n[half]);
        }
    }
    return acf_rms(acf[0], acf[1], lags_of(n[0], n[1], lags));
}

static void compare_memory(struct job *j, const struct part *p, struct sl_field_result *f)
{
    static const struct {
        const char *key, *title, *step;
        size_t lags;
    } what[] = {{"counts", "packets in 100 ms", "100 ms", 100},
                {"gaps", "inter-arrival times", "packets", 40},
                {"sizes", "packet sizes", "packets", 40}};
    int id = f->field->id, i = id - T_ACF_COUNTS;
    struct sl_acf_pair *m = f->memory = sl_alloc(sizeof *m);
    m->key = what[i].key, m->title = what[i].title, m->step = what[i].step;
    m->lags = what[i].lags;
    acf_of(&j->a, p, id, m->a, m->lags, &m->n_a);
    acf_of(&j->b, p, id, m->b, m->lags, &m->n_b);
    m->compared = lags_of(m->n_a, m->n_b, m->lags);
    m->rms = acf_rms(m->a, m->b, m->compared);
    f->n_a = (double)m->n_a, f->n_b = (double)m->n_b;
    f->bins = m->compared;
    struct running floor = {0};
    for (int k = 0; k < j->c->options.splits; k++) {
        double rms = halves_rms(j, p, id, k, m->compared);
        if (isfinite(rms))
            run_add(&floor, rms);
    }
    f->splits = floor.n;
    m->floor_rms = run_mean(&floor);
    m->floor_rms_sd = run_sd(&floor);
}

// ---- judgement ----------------------------------------------------------------------------------

struct rule {
    double factor, min_effect;
};

static void consider(struct sl_field_result *f, const struct rule *r, enum sl_metric by,
                     double value, double floor)
{
    double least = r->min_effect * (by == SL_BY_RMS   ? 10
                                    : by == SL_BY_ACF ? 5
                                    : by == SL_BY_JSD ? 0.1
                                                      : 1);
    if (!isfinite(value) || !isfinite(floor))
        return;
    double limit = r->factor * floor;
    if (by == SL_BY_JSD || by == SL_BY_KS) // they end at 1, which may be nearer than the limit
        limit = fmin(limit, (floor + 1) / 2);
    bool differs = value > limit && value > least;
    double ratio = floor > 0 ? value / floor : value > 0 ? INFINITY : 0;
    // Of two distances the one that differs counts, then the one farther above its floor.
    if (f->by != SL_BY_NONE &&
        (f->differs > differs || (f->differs == differs && ratio <= f->ratio)))
        return;
    f->judged = true;
    f->by = by, f->value = value, f->by_floor = floor, f->ratio = ratio, f->differs = differs;
    f->below = value > 0 ? value < floor / 5 : floor > 0;
    f->negligible = !differs && value > limit;
    f->limit = limit > least ? limit : least;
}

static void judge(struct sl_field_result *f, const struct sl_selection *s, const struct rule *r)
{
    f->ratio = f->value = f->by_floor = f->limit = NAN;
    if (s->a.flows < SL_COMPARE_MIN_FLOWS || s->b.flows < SL_COMPARE_MIN_FLOWS) {
        f->why_not = "too few flows";
        return;
    }
    bool scaling = f->field->kind == SL_FIELD_SCALING;
    if (scaling ? !f->scaling->diff.octaves : f->n_a < SL_COMPARE_MIN || f->n_b < SL_COMPARE_MIN) {
        f->why_not = scaling ? "too short for an octave" : "too few values";
        return;
    }
    if (f->memory) {
        consider(f, r, SL_BY_ACF, f->memory->rms, f->memory->floor_rms);
    } else if (scaling) {
        consider(f, r, SL_BY_RMS, f->scaling->diff.rms, f->scaling->floor_rms);
    } else if (f->field->kind == SL_FIELD_NUMBER || f->field->kind == SL_FIELD_ORDINAL) {
        consider(f, r, SL_BY_NW1, f->d.nw1, f->floor.nw1);
        consider(f, r, SL_BY_KS, f->d.ks, f->floor.ks);
    } else {
        consider(f, r, SL_BY_JSD, f->d.jsd, f->floor.jsd);
    }
    if (!f->judged)
        f->why_not = "no floor";
}

double sl_field_effect(const struct sl_field_result *f)
{
    if (!f->judged)
        return 0;
    return f->by == SL_BY_JSD   ? sqrt(f->value)
           : f->by == SL_BY_RMS ? f->value / 10
           : f->by == SL_BY_ACF ? f->value / 2 // coefficients are 2 apart at most
                                : f->value;
}

static bool worse(const struct sl_field_result *f, const struct sl_field_result *than)
{
    return !than || sl_field_effect(f) > sl_field_effect(than);
}

static void sum_up(struct sl_selection *s)
{
    struct running jsd = {0}, nw1 = {0}, ks = {0};
    for (size_t i = 0; i < s->n_fields; i++) {
        const struct sl_field_result *f = &s->fields[i];
        s->judged += f->judged;
        s->differing += f->differs;
        if (f->differs && worse(f, s->worst))
            s->worst = f;
        if (!f->judged || f->field->kind == SL_FIELD_SCALING)
            continue;
        run_add(&jsd, f->d.jsd);
        run_add(&nw1, f->d.nw1);
        run_add(&ks, f->d.ks);
    }
    s->mean_jsd = run_mean(&jsd);
    s->mean_nw1 = run_mean(&nw1);
    s->mean_ks = run_mean(&ks);
}

// ---- selections ---------------------------------------------------------------------------------

static bool field_applies(int id, int cls, int dir)
{
    bool packet = id <= P_TTL, size = id == F_PACKETS || id == F_BYTES,
         rate = id == T_PACKETS || id == T_BYTES, scale = id >= T_ACF_COUNTS;
    if (cls >= 0 && (id == F_CLASS || scale))
        return false; // of one class there is no mix; its diagrams would cost more than they tell
    if (dir >= 0)
        return packet || size || (cls < 0 && (rate || scale));
    return true;
}

static void compare_field(struct job *j, const struct part *p, struct sl_field_result *f)
{
    unsigned need = f->field->need | (p->dir >= 0 ? SL_KNOW_DIRECTIONS : 0);
    f->missing_a = (j->a.known & need) != need;
    f->missing_b = (j->b.known & need) != need;
    f->d = f->floor = f->floor_sd = (struct sl_distance){NAN, NAN, NAN, NAN, NAN};
    f->ratio = f->value = f->by_floor = f->limit = NAN;
    if (f->missing_a || f->missing_b) {
        f->why_not = f->missing_a && f->missing_b ? "unknown in both"
                     : f->missing_a               ? "unknown in A"
                                                  : "unknown in B";
        return;
    }
    switch (f->field->kind) {
    case SL_FIELD_NUMBER:
        compare_numbers(j, p, f);
        break;
    case SL_FIELD_RANK:
        compare_ranks(j, p, f);
        break;
    case SL_FIELD_SCALING:
        compare_scaling(j, p, f);
        break;
    case SL_FIELD_MEMORY:
        compare_memory(j, p, f);
        break;
    default:
        compare_tables(j, p, f);
    }
}

static bool both_know(const struct job *j, unsigned what)
{
    return (j->a.known & j->b.known & what) == what;
}

static void add_series(struct job *j, const struct part *p, struct sl_selection *s)
{
    s->acf = sl_alloc(3 * sizeof *s->acf);
    for (size_t i = 0; i < s->n_fields; i++)
        if (s->fields[i].memory)
            s->acf[s->n_acf++] = *s->fields[i].memory;
    int64_t bin = series_bin(&j->a, &j->b, 1000000);
    for (int side = 0; side < 2; side++) {
        size_t n;
        double *x = count_series(side ? &j->b : &j->a, p, bin, false, &n);
        for (int i = 0; i < SL_DISPERSIONS; i++) {
            int64_t window = (int64_t)(sl_dispersion_s[i] * 1e9 + 0.5);
            double v = window % bin ? NAN : sl_dispersion(x, n, (size_t)(window / bin));
            *(side ? &s->dispersion_b[i] : &s->dispersion_a[i]) = v;
        }
        free(x);
    }
    s->dispersed = true;
}

static void add_rates(struct job *j, const struct part *p, struct sl_selection *s)
{
    for (int side = 0; side < 2; side++) {
        struct sl_rate_curve *r = sl_alloc(sizeof *r);
        if (!rate_curve(side ? &j->b : &j->a, p, r))
            free(r), r = NULL;
        *(side ? &s->rate_b : &s->rate_a) = r;
    }
}

static char *selection_title(const char *cls, int dir)
{
    const char *d = dir == 0 ? "forward" : "backward";
    if (!cls)
        return sl_strdup(dir < 0 ? "all traffic" : d);
    return dir < 0 ? sl_strdup(cls) : sl_format("%s %s", cls, d);
}

static void compare_part(struct job *j, int cls, int dir, struct sl_selection *s)
{
    struct part p = {.cls = cls, .dir = dir, .split = -1};
    *s = (struct sl_selection){.cls = cls < 0 ? NULL : j->c->classes.at[cls], .direction = dir};
    s->title = selection_title(s->cls, dir);
    view_class(&j->a, cls);
    view_class(&j->b, cls);
    view_totals(&j->a, &p, &s->a);
    view_totals(&j->b, &p, &s->b);
    view_split(&j->a, cls, s->b.flows, j->c->options.seed, j->c->options.splits);
    s->floor_flows = s->b.flows < s->a.flows / 2 ? s->b.flows : s->a.flows / 2;
    struct rule rule = {.factor = j->c->options.factor, .min_effect = j->c->options.min_effect};
    s->fields = sl_alloc(N_FIELDS * sizeof *s->fields);
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (!field_applies(fields[i].id, cls, dir))
            continue;
        struct sl_field_result *f = &s->fields[s->n_fields++];
        f->field = &fields[i];
        compare_field(j, &p, f);
        if (!f->why_not)
            judge(f, s, &rule);
    }
    sum_up(s);
    if (cls < 0 && both_know(j, SL_KNOW_PACKETS))
        add_series(j, &p, s);
    add_rates(j, &p, s);
}

// ---- both inputs --------------------------------------------------------------------------------

// Numbers common to both sets, in order of first appearance, A first.
static uint16_t *map_names(char **names, size_t n, char ***all, size_t *n_all, size_t *cap)
{
    uint16_t *map = sl_alloc((n + 1) * sizeof *map);
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < *n_all && strcmp((*all)[k], names[i]))
            k++;
        if (k == *n_all) {
            if (*n_all == *cap)
                *all = sl_vec_grow(*all, cap, *n_all, sizeof **all);
            (*all)[(*n_all)++] = names[i];
        }
        map[i] = (uint16_t)k;
    }
    return map;
}

static void number_flows(struct job *j, struct view *v, const uint16_t *cls, const uint16_t *label)
{
    v->classes = (uint32_t)j->c->classes.len;
    v->labels = (uint32_t)j->n_labels;
    for (size_t i = 0; i < v->set->flows.len; i++) {
        const struct sl_sample_flow *f = &v->set->flows.at[i];
        v->cls[i] = f->cls < v->set->classes.len ? cls[f->cls] : (uint16_t)v->classes;
        v->label[i] = f->label < v->set->labels.len ? label[f->label] : (uint16_t)v->labels;
    }
}

static void match_names(struct job *j)
{
    const struct sl_sample_set *s[2] = {j->a.set, j->b.set};
    uint16_t *cls[2], *label[2];
    char **names = NULL;
    size_t n = 0, cap = 0, cap_labels = 0;
    for (int i = 0; i < 2; i++) {
        cls[i] = map_names(s[i]->classes.at, s[i]->classes.len, &names, &n, &cap);
        label[i] =
            map_names(s[i]->labels.at, s[i]->labels.len, &j->labels, &j->n_labels, &cap_labels);
    }
    for (size_t i = 0; i < n; i++)
        *SL_PUSH(&j->c->classes) = sl_strdup(names[i]);
    free(names);
    number_flows(j, &j->a, cls[0], label[0]);
    number_flows(j, &j->b, cls[1], label[1]);
    for (int i = 0; i < 2; i++) {
        free(cls[i]);
        free(label[i]);
    }
}

static uint64_t count_addresses(const struct view *v)
{
    uint64_t n = 0;
    uint8_t *seen = sl_alloc((size_t)v->addresses + 1);
    for (size_t i = 0; i < v->set->flows.len; i++) {
        const struct sl_sample_flow *f = &v->set->flows.at[i];
        for (int e = 0; e < 2; e++) {
            uint32_t id = e ? f->dst : f->src;
            if (id != SL_SAMPLE_NONE32 && !seen[id])
                seen[id] = 1, n++;
        }
    }
    free(seen);
    return n;
}

static void describe(const struct view *v, struct sl_compare_input *in)
{
    const struct sl_sample_set *s = v->set;
    *in = (struct sl_compare_input){.name = sl_strdup(s->name ? s->name : "unnamed"),
                                    .kind = sl_strdup(s->kind ? s->kind : ""),
                                    .bytes_are =
                                        sl_strdup(s->bytes_are ? s->bytes_are : "layer-2 bytes"),
                                    .note = sl_strdup(s->note),
                                    .input_bytes = s->input_bytes,
                                    .skipped = s->skipped,
                                    .left_out = s->left_out,
                                    .addresses = count_addresses(v),
                                    .known = v->known,
                                    .start_ns = SL_SAMPLE_NO_TIME,
                                    .duration_s = NAN};
    if (v->t1 >= v->t0) {
        in->start_ns = v->t0;
        in->duration_s = (double)(v->t1 - v->t0) * 1e-9;
    }
    view_totals(v, &(struct part){.cls = -1, .dir = -1, .split = -1}, &in->total);
}

struct ranked {
    size_t cls;
    uint64_t flows;
};

static int by_flows(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->flows != y->flows)
        return x->flows < y->flows ? 1 : -1;
    return x->cls < y->cls ? -1 : x->cls > y->cls;
}

// Classes worth a selection of their own, those with most flows first.
static size_t choose_classes(struct job *j, struct ranked **out)
{
    size_t n = j->c->classes.len, m = 0;
    struct ranked *r = sl_alloc((n + 1) * sizeof *r);
    for (size_t i = 0; i < n; i++)
        r[i].cls = i;
    for (int side = 0; side < 2; side++) {
        const struct view *v = side ? &j->b : &j->a;
        for (size_t i = 0; i < v->set->flows.len; i++)
            if (v->cls[i] < n)
                r[v->cls[i]].flows++;
    }
    qsort(r, n, sizeof *r, by_flows);
    while (m < n && m < j->c->options.max_classes && r[m].flows >= SL_COMPARE_MIN_FLOWS)
        m++;
    j->c->classes_left_out = (uint32_t)(n - m);
    *out = r;
    return m;
}

static void compare_all(struct job *j)
{
    struct ranked *cls = NULL;
    size_t n = both_know(j, SL_KNOW_CLASSES) ? choose_classes(j, &cls) : 0;
    int dirs = both_know(j, SL_KNOW_DIRECTIONS) ? 2 : 0;
    struct sl_comparison *c = j->c;
    c->selections = sl_alloc((n + 1) * 3 * sizeof *c->selections);
    for (size_t i = 0; i <= n; i++)
        for (int d = -1; d < dirs; d++)
            compare_part(j, i ? (int)cls[i - 1].cls : -1, d, &c->selections[c->n_selections++]);
    free(cls);
}

// ---- verdict ------------------------------------------------------------------------------------

// Fields that were measured, or 0 when there is a difference anywhere.
static size_t equal_fields(const struct sl_comparison *c)
{
    size_t measured = 0;
    for (size_t i = 0; i < c->n_selections; i++)
        for (size_t k = 0; k < c->selections[i].n_fields; k++) {
            const struct sl_field_result *f = &c->selections[i].fields[k];
            if (f->d.jsd > 0 || f->d.w1 > 0 || f->d.ks > 0 || fabs(f->n_a - f->n_b) > 0 ||
                (f->scaling && f->scaling->diff.rms > 0) || (f->memory && f->memory->rms > 0))
                return 0;
            measured += !i && f->n_a > 0 && !f->missing_a && !f->missing_b;
        }
    return measured;
}

static void add_worst(struct sl_str *s, const struct sl_field_result *f)
{
    sl_str_addf(s, "%s (%s %.2g, floor %.2g)", f->field->title, sl_metric_name(f->by), f->value,
                f->by_floor);
}

static void parts_text(const struct sl_comparison *c, struct sl_str *s)
{
    size_t parts = 0;
    const struct sl_selection *worst = NULL;
    for (size_t i = 1; i < c->n_selections; i++) {
        const struct sl_selection *p = &c->selections[i];
        parts += p->differing > 0;
        if (p->worst && (!worst || worse(p->worst, worst->worst)))
            worst = p;
    }
    if (!worst)
        return;
    sl_str_addf(s, "; yet %zu of %zu parts differ, worst: ", parts, c->n_selections - 1);
    sl_text_add_clean(s, worst->title);
    sl_str_add(s, ", ");
    add_worst(s, worst->worst);
}

static void conclude(struct sl_comparison *c)
{
    const struct sl_selection *all = &c->selections[0];
    struct sl_str s = {0};
    size_t equal = equal_fields(c);
    if (equal && all->a.flows == all->b.flows) {
        c->verdict = SL_VERDICT_IDENTICAL;
        sl_str_addf(&s, "identical: no difference in any of %zu fields", equal);
    } else if (!all->judged) {
        sl_str_add(&s, "nothing compared: no field has enough values on both sides");
    } else if (all->differing) {
        c->verdict = SL_VERDICT_DIFFERENT;
        sl_str_addf(&s,
                    "different: %zu of %zu fields are farther apart than %g x the sampling floor; "
                    "worst: ",
                    all->differing, all->judged, c->options.factor);
        add_worst(&s, all->worst);
    } else {
        c->verdict = SL_VERDICT_SAME;
        sl_str_addf(&s, "same: all %zu fields are within %g x the sampling floor", all->judged,
                    c->options.factor);
        parts_text(c, &s);
    }
    c->verdict_text = sl_str_take(&s);
}

static void check(struct sl_str *s, const char *what, const struct sl_field_result *f, double value,
                  double bound)
{
    if (!(bound > 0) || value <= bound)
        return;
    sl_str_addf(s, "%s%s", s->len ? "; " : "", what);
    if (f)
        sl_str_addf(s, " of %s", f->field->title);
    double shown = bound > DBL_MIN ? bound : 0;
    if (isnan(value)) // a bound on what was not measured is not met
        sl_str_addf(s, " is unknown, allowed %g", shown);
    else
        sl_str_addf(s, " %.3g > %g", value, shown);
}

static void hold_against_bounds(struct sl_comparison *c)
{
    const struct sl_compare_options *o = &c->options;
    const struct sl_selection *all = &c->selections[0];
    struct sl_str s = {0};
    if (o->fail_if_different && c->verdict != SL_VERDICT_SAME && c->verdict != SL_VERDICT_IDENTICAL)
        sl_str_add(&s, "the verdict is not 'same'");
    check(&s, "mean JSD", NULL, all->mean_jsd, o->max_mean_jsd);
    check(&s, "mean nW1", NULL, all->mean_nw1, o->max_mean_nw1);
    check(&s, "mean KS", NULL, all->mean_ks, o->max_mean_ks);
    for (size_t i = 0; i < all->n_fields; i++) {
        const struct sl_field_result *f = &all->fields[i];
        if (!f->judged)
            continue;
        if (isfinite(f->d.jsd) && f->field->kind != SL_FIELD_SCALING)
            check(&s, "JSD", f, f->d.jsd, o->max_jsd);
        if (isfinite(f->d.nw1))
            check(&s, "nW1", f, f->d.nw1, o->max_nw1);
        if (isfinite(f->d.ks))
            check(&s, "KS", f, f->d.ks, o->max_ks);
    }
    c->pass = s.len == 0;
    c->failures = sl_str_take(&s);
}

static void fill_defaults(struct sl_compare_options *o)
{
    if (o->splits < 1)
        o->splits = 5;
    if (o->splits > SL_COMPARE_MAX_SPLITS)
        o->splits = SL_COMPARE_MAX_SPLITS;
    if (!(o->factor > 0))
        o->factor = 3;
    if (!(o->min_effect > 0))
        o->min_effect = 0.01;
    if (o->j1 < 1)
        o->j1 = 3;
    if (!o->max_classes)
        o->max_classes = 12;
}

struct sl_comparison *sl_compare(const struct sl_sample_set *a, const struct sl_sample_set *b,
                                 const struct sl_compare_options *opt)
{
    struct job j = {.c = sl_alloc(sizeof *j.c)};
    if (opt)
        j.c->options = *opt;
    fill_defaults(&j.c->options);
    view_init(&j.a, a);
    view_init(&j.b, b);
    j.a.count_bin_ns = j.b.count_bin_ns = series_bin(&j.a, &j.b, COUNT_BIN_NS);
    match_names(&j);
    describe(&j.a, &j.c->a);
    describe(&j.b, &j.c->b);
    compare_all(&j);
    conclude(j.c);
    hold_against_bounds(j.c);
    view_done(&j.a);
    view_done(&j.b);
    free(j.labels);
    return j.c;
}

static void selection_done(struct sl_selection *s)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        struct sl_field_result *f = &s->fields[i];
        free(f->ecdf_a);
        free(f->ecdf_b);
        free(f->top);
        free(f->scaling);
        free(f->memory);
    }
    free(s->title);
    free(s->fields);
    free(s->acf);
    free(s->rate_a);
    free(s->rate_b);
}

static void input_done(struct sl_compare_input *in)
{
    free(in->name);
    free(in->kind);
    free(in->bytes_are);
    free(in->note);
}

void sl_comparison_free(struct sl_comparison *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_selections; i++)
        selection_done(&c->selections[i]);
    free(c->selections);
    for (size_t i = 0; i < c->classes.len; i++)
        free(c->classes.at[i]);
    SL_VEC_DONE(&c->classes);
    input_done(&c->a);
    input_done(&c->b);
    free(c->verdict_text);
    free(c->failures);
    free(c);
}
