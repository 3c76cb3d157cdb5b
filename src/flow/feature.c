// SPDX-License-Identifier: Apache-2.0
/*
 * feature.def gives every column's value as an expression; here stand the locals it is written in.
 * Statistics come from integer sums: variance = (n * S2 - S1^2) / (n (n - 1)), the numerator exact
 * in 128 bits.
 */
#include "flow/feature.h"
#include "base/mem.h"
#include "base/str.h"
#include "flow/full.h"
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum column_profile { P_ID, P_BASIC, P_CIC, P_FULL, P_LABEL, P_DPI, P_TRUTH };
__extension__ typedef unsigned __int128 u128;

struct feature {
    enum column_profile profile;
    struct sl_column column;
    const char *cic_name;
};

#define TYPE_INT SL_COL_INT
#define TYPE_REAL SL_COL_REAL
#define TYPE_TEXT SL_COL_TEXT
#define TYPE_TIME SL_COL_TIME
#define TYPE_BOOL SL_COL_BOOL
#define TYPE_LIST SL_COL_LIST

enum { SEQUENCE_DEFAULT = 30 }; // what the widths of lists are for
static const struct feature table[] = {
#define F(profile_, type_, number, name_, cic, unit_, formula_, value)                             \
    {.profile = P_##profile_,                                                                      \
     .column = {.name = name_,                                                                     \
                .type = TYPE_##type_,                                                              \
                .unit = unit_,                                                                     \
                .formula = formula_,                                                               \
                .decimals = (uint8_t)(TYPE_##type_ == SL_COL_REAL ? (number) : 0),                 \
                .width = (uint16_t)(TYPE_##type_ == SL_COL_TEXT || TYPE_##type_ == SL_COL_LIST     \
                                        ? (number)                                                 \
                                        : 0)},                                                     \
     .cic_name = cic},
#include "flow/feature.def"
#include "flow/feature_full.def"
#include "flow/feature_label.def"
#undef F
};
enum {
    FEATURES = sizeof table / sizeof *table,
#define F(profile, type, number, name, cic, unit, formula, value) +1
    FULL_FEATURES = 0
#include "flow/feature_full.def"
#undef F
};

struct sl_features {
    struct sl_feature_set set;
    struct sl_column columns[FEATURES];
    uint16_t from[FEATURES]; // index in the table
    size_t n;
};

// ---- choosing -----------------------------------------------------------------------------------

static bool in_profile(const struct sl_feature_set *s, enum column_profile p)
{
    switch (p) {
    case P_ID:
    case P_BASIC:
        return true;
    case P_CIC:
        return s->profile >= SL_PROFILE_CIC;
    case P_FULL:
        return s->profile >= SL_PROFILE_FULL;
    case P_LABEL:
        return s->labels;
    case P_DPI:
        return s->dpi;
    case P_TRUTH:
        return s->truth;
    }
    return false;
}

static int feature_named(const char *name, size_t len)
{
    for (int i = 0; i < FEATURES; i++)
        if ((strlen(table[i].column.name) == len && !strncmp(table[i].column.name, name, len)) ||
            (table[i].cic_name[0] && strlen(table[i].cic_name) == len &&
             !strncmp(table[i].cic_name, name, len)))
            return i;
    return -1;
}

static bool unknown_feature(const char *name, size_t len, struct sl_error *err)
{
    const char *names[FEATURES];
    for (int i = 0; i < FEATURES; i++)
        names[i] = table[i].column.name;
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)(len < 60 ? len : 60), name);
    const char *near = sl_nearest(text, names, FEATURES);
    sl_fail(err, SL_EUSAGE, "there is no feature '%s'", text);
    sl_hint(err, near ? "did you mean '%s'?" : "'sluice flows --list-features' lists them%s",
            near ? near : "");
    return false;
}

static void take(struct sl_features *x, int i)
{
    struct sl_column *c = &x->columns[x->n];
    *c = table[i].column;
    c->source = table[i].cic_name[0] ? "CICFlowMeter" : "Sluice";
    if (x->set.cic_names && table[i].cic_name[0])
        c->name = table[i].cic_name;
    if (c->type == SL_COL_LIST && x->set.sequence_packets)
        c->width = (uint16_t)(c->width * x->set.sequence_packets / SEQUENCE_DEFAULT);
    x->from[x->n++] = (uint16_t)i;
}

static bool choose_named(struct sl_features *x, const char *list, struct sl_error *err)
{
    while (*list) {
        size_t len = strcspn(list, ",");
        int i = feature_named(list, len);
        if (i < 0)
            return unknown_feature(list, len, err);
        if (!in_profile(&x->set, table[i].profile)) {
            const char *how = table[i].profile == P_FULL    ? "--profile full"
                              : table[i].profile == P_DPI   ? "--dpi"
                              : table[i].profile == P_TRUTH ? "--truth FILE"
                                                            : "--profile cic";
            sl_fail(err, SL_EUSAGE, "the feature '%s' is not computed in this run",
                    table[i].column.name);
            sl_hint(err, "add %s", how);
            return false;
        }
        for (size_t k = 0; k < x->n; k++)
            if (x->from[k] == i)
                return sl_fail(err, SL_EUSAGE, "the feature '%s' is named twice",
                               table[i].column.name);
        take(x, i);
        list += len + (list[len] == ',');
    }
    return x->n ? true : sl_fail(err, SL_EUSAGE, "no features are named");
}

struct sl_features *sl_features_new(const struct sl_feature_set *set, struct sl_error *err)
{
    struct sl_features *x = sl_alloc(sizeof *x);
    x->set = *set;
    if (set->only) {
        if (!choose_named(x, set->only, err)) {
            free(x);
            return NULL;
        }
    } else {
        for (int i = 0; i < FEATURES; i++)
            if (in_profile(set, table[i].profile))
                take(x, i);
    }
    return x;
}

void sl_features_free(struct sl_features *x)
{
    free(x);
}

const struct sl_column *sl_features_columns(const struct sl_features *x, size_t *n)
{
    *n = x->n;
    return x->columns;
}

// ---- values -------------------------------------------------------------------------------------

struct sl_feature_scratch {
    char key[128], src[48], dst[48];
    int64_t sizes[255], dirs[255], gaps[255];
    union sl_value all[FEATURES];
};

struct sl_feature_scratch *sl_feature_scratch_new(void)
{
    return sl_alloc(sizeof(struct sl_feature_scratch));
}

void sl_feature_scratch_free(struct sl_feature_scratch *s)
{
    free(s);
}

static char *put_number(char *p, uint32_t v)
{
    char digits[10];
    int n = 0;
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (n)
        *p++ = digits[--n];
    return p;
}

static char *put_address(char *p, const struct sl_addr *a)
{
    if (a->family == 6)
        return inet_ntop(AF_INET6, a->b, p, 46) ? p + strlen(p) : p;
    for (int i = 0; i < 4; i++) {
        p = put_number(p, a->b[i]);
        *p++ = '.';
    }
    return p - 1;
}

static struct sl_text put_key(char *buf, struct sl_text src, struct sl_text dst,
                              const struct sl_tuple *u)
{
    char *p = buf;
    memcpy(p, src.p, src.len);
    p += src.len;
    *p++ = '-';
    memcpy(p, dst.p, dst.len);
    p += dst.len;
    *p++ = '-';
    p = put_number(p, u->sport);
    *p++ = '-';
    p = put_number(p, u->dport);
    *p++ = '-';
    p = put_number(p, u->proto);
    return (struct sl_text){buf, (size_t)(p - buf)};
}

static struct sl_text text_of(const char *s)
{
    return (struct sl_text){s, s ? strlen(s) : 0};
}

static double us(int64_t ns)
{
    return (double)ns / 1e3;
}

static double mean_of(uint64_t n, uint64_t sum)
{
    return n ? (double)sum / (double)n : 0;
}

static double var_128(uint64_t n, u128 sum, u128 sq)
{
    if (n < 2)
        return 0;
    u128 a = sq * n, b = sum * sum;
    return a > b ? (double)(a - b) / ((double)n * (double)(n - 1)) : 0;
}

static double std_of(uint64_t n, uint64_t sum, uint64_t sq)
{
    return sqrt(var_128(n, sum, sq));
}

// Of the gaps between n packets, which add up to sum_ns.
static double gap_mean(uint64_t n, int64_t sum_ns)
{
    return n > 1 ? (double)sum_ns / ((double)(n - 1) * 1e3) : 0;
}

static double gap_std(const struct sl_gaps *g, uint64_t n, int64_t sum_ns)
{
    return n > 2 ? sqrt(var_128(n - 1, (u128)(uint64_t)sum_ns, sl_u96(g->squares))) / 1e3 : 0;
}

static double bulk_ratio(const struct sl_bulk *b, uint64_t what)
{
    return b && b->bulks ? (double)what / b->bulks : 0;
}

static double bulk_rate(const struct sl_bulk *b)
{
    uint64_t duration_ns = b ? sl_u48(b->duration_ns) : 0;
    return duration_ns ? (double)sl_u48(b->size_bytes) * 1e9 / (double)duration_ns : 0;
}

struct periods { // active or idle ones
    uint64_t n, sum_ns, min_ns, max_ns;
    u128 squares;
};

static struct periods periods_of(uint64_t n, const struct sl_periods *p, struct sl_u96 squares)
{
    return (struct periods){n, sl_u48(p->sum_ns), sl_u48(p->min_ns), sl_u48(p->max_ns),
                            sl_u96(squares)};
}

// The last active period is closed here: it goes on until the flow ends.
static struct periods active_of(const struct sl_activity *a, const struct sl_flow_state *f,
                                int64_t first_ns, int64_t last_ns)
{
    struct periods p = {0};
    if (a)
        p = periods_of(a->n_active, &a->active, a->active_squares);
    int64_t len = last_ns - (a ? sl_flow_time_ns(f, a->start) : first_ns);
    if (len <= 0)
        return p;
    uint64_t l = (uint64_t)len;
    p.min_ns = p.n && p.min_ns < l ? p.min_ns : l;
    p.max_ns = p.max_ns > l ? p.max_ns : l;
    p.n++;
    p.sum_ns += l;
    p.squares += (u128)l * l;
    return p;
}

static double period_mean(const struct periods *p)
{
    return p->n ? us((int64_t)p->sum_ns) / (double)p->n : 0;
}

static double period_std(const struct periods *p)
{
    return sqrt(var_128(p->n, p->sum_ns, p->squares)) / 1e3;
}

#define SET_INT(v) .i = (int64_t)(v)
#define SET_BOOL(v) .i = (v)
#define SET_TIME(v) .i = (v)
#define SET_REAL(v) .f = (v)
#define SET_TEXT(v) .s = (v)
#define SET_LIST(v) .l = (v)
#define TEXT(s) text_of(s)
#define per_s(v) (duration_ns > 0 ? (v)*1e9 / (double)duration_ns : 0)

static double ns_or_missing(int64_t ns)
{
    return ns < 0 ? (double)NAN : us(ns);
}

static int64_t or_missing(uint32_t v)
{
    return v ? (int64_t)v : INT64_MIN;
}

static void full_values(const struct sl_flow_full *x, uint32_t max, struct sl_feature_scratch *s,
                        union sl_value *v)
{
    const struct sl_tcp_side *side;
    for (int i = 0; i < x->n_sequence; i++) {
        s->sizes[i] = x->sequence[i] & 0x7fffffff;
        s->dirs[i] = x->sequence[i] >> 31 ? -1 : 1;
        s->gaps[i] = x->sequence[max + (uint32_t)i];
    }
    struct sl_list sequence_sizes = {s->sizes, x->n_sequence},
                   sequence_dirs = {s->dirs, x->n_sequence};
    struct sl_list sequence_gaps = {s->gaps, x->n_sequence};
#define F(profile, type, number, name, cic, unit, formula, value)                                  \
    *v++ = (union sl_value){SET_##type(value)};
#include "flow/feature_full.def"
#undef F
}

void sl_features_row(const struct sl_features *set, const struct sl_engine *e,
                     const struct sl_flow_state *f, const struct sl_flow_labels *labels,
                     struct sl_feature_scratch *scratch, union sl_value *row)
{
    static const struct sl_flow_labels no_labels;
    if (!labels)
        labels = &no_labels;
    struct sl_tuple tuple = sl_flow_tuple(f);
    struct sl_zone zone = sl_key_zone(&f->node.key) ? sl_flow_zone(e, f) : (struct sl_zone){0};
    struct sl_text src_text = {scratch->src,
                               (size_t)(put_address(scratch->src, &tuple.src) - scratch->src)};
    struct sl_text dst_text = {scratch->dst,
                               (size_t)(put_address(scratch->dst, &tuple.dst) - scratch->dst)};
    struct sl_text key_text = put_key(scratch->key, src_text, dst_text, &tuple);
    uint64_t nf = f->packets[0], nb = f->packets[1], n = nf + nb;
    struct sl_flow_totals t = sl_flow_totals(e, f);
    uint64_t bytes = t.payload_bytes[0] + t.payload_bytes[1];
    int64_t first_ns = sl_flow_first_ns(f), last_ns = sl_flow_last_ns(f),
            duration_ns = last_ns - first_ns;
    int64_t gaps_ns = last_ns - f->base_ns;
    int64_t other_first_ns = sl_flow_time_ns(f, f->other_first);
    bool backward = f->state & SL_STATE_BEGAN_BACKWARD;
    int64_t fwd_ns = sl_flow_time_ns(f, f->last[0]) - (backward ? other_first_ns : f->base_ns);
    int64_t bwd_ns = sl_flow_time_ns(f, f->last[1]) - (backward ? f->base_ns : other_first_ns);
    double fwd_mean = mean_of(nf, t.payload_bytes[0]), bwd_mean = mean_of(nb, t.payload_bytes[1]);
    double payload_mean = mean_of(n, bytes);
    double payload_var = var_128(n, bytes, (u128)f->payload_sq[0] + f->payload_sq[1]);
    bool only_f = !nb, only_b = !nf;
    uint32_t payload_min = only_f || (!only_b && t.payload_min[0] < t.payload_min[1])
                               ? t.payload_min[0]
                               : t.payload_min[1];
    uint32_t payload_max = only_f || (!only_b && t.payload_max[0] > t.payload_max[1])
                               ? t.payload_max[0]
                               : t.payload_max[1];
    const struct sl_bulk *bf = sl_flow_bulk(e, f, 0), *bb = sl_flow_bulk(e, f, 1);
    double subflows = (double)t.subflow_gaps + 1;
    struct sl_earlier earlier = sl_flow_earlier(e, f);
    const struct sl_activity *kept = sl_flow_activity(e, f);
    struct periods active = active_of(kept, f, first_ns, last_ns), idle = {0};
    if (kept)
        idle = periods_of(kept->n_idle, &kept->idle, kept->idle_squares);
    bool icmp = tuple.proto == SL_PROTO_ICMP || tuple.proto == SL_PROTO_ICMPV6;
    union sl_value *v = scratch->all;
#define F(profile, type, number, name, cic, unit, formula, value)                                  \
    *v++ = (union sl_value){SET_##type(value)};
#include "flow/feature.def"
#undef F
    if (sl_engine_settings(e)->full)
        full_values(f->full, sl_engine_settings(e)->sequence_packets, scratch, v);
    v += FULL_FEATURES;
#define F(profile, type, number, name, cic, unit, formula, value)                                  \
    *v++ = (union sl_value){SET_##type(value)};
#include "flow/feature_label.def"
#undef F
    for (size_t i = 0; i < set->n; i++)
        row[i] = scratch->all[set->from[i]];
}

// ---- what there is ------------------------------------------------------------------------------

size_t sl_features_count(void)
{
    return FEATURES;
}

struct sl_feature_info sl_features_info(size_t i)
{
    static const char *const profiles[] = {"all", "basic", "cic", "full", "labels", "dpi", "truth"};
    static const char *const types[] = {"int", "real", "text", "time", "bool", "list"};
    const struct feature *f = &table[i];
    return (struct sl_feature_info){
        .profile = profiles[f->profile],
        .name = f->column.name,
        .cic_name = f->cic_name,
        .type = types[f->column.type],
        .unit = f->column.unit,
        .formula = f->column.formula,
        .source = f->cic_name[0] ? "CICFlowMeter" : "Sluice",
    };
}
