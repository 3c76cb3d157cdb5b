// SPDX-License-Identifier: Apache-2.0
/*
 * One function goes through the columns in order and puts each; what "put" means depends on the
 * form: it may fill a typed cell, make the text the tool prints, or only tell the column's type. So
 * types, texts and values cannot disagree. The names stand in the feature table (feature.def),
 * whose order is the fork's.
 */
#include "export/number.h"
#include "flow/cic.h"
#include "flow/feature.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum form { TYPES, TYPED, TEXT };
struct cells {
    enum form form;
    size_t n;
    struct sl_column *columns; // TYPES
    union sl_value *at;
    char *p, *start; // where the next text goes; where the current one began
};

// ---- putting ------------------------------------------------------------------------------------

static void put_cell(struct cells *c, enum sl_column_type type, union sl_value v)
{
    if (c->form == TYPES)
        c->columns[c->n++].type = type;
    else
        c->at[c->n++] = v;
}

// The text between start and p is the cell's.
static void put_made(struct cells *c, enum sl_column_type type)
{
    struct sl_text text = {c->start, (size_t)(c->p - c->start)};
    put_cell(c, type, (union sl_value){.s = text});
    c->start = c->p;
}

static void put_int(struct cells *c, int64_t v)
{
    if (c->form == TEXT) {
        c->p = sl_number_i64(c->p, v);
        put_made(c, SL_COL_INT);
        return;
    }
    put_cell(c, SL_COL_INT, (union sl_value){.i = v});
}

static void put_real(struct cells *c, double v)
{
    if (c->form == TEXT) {
        c->p = sl_number_java(c->p, v);
        put_made(c, SL_COL_REAL);
        return;
    }
    put_cell(c, SL_COL_REAL, (union sl_value){.f = v});
}

// A column of reals where the tool prints a whole number instead.
static void put_whole_real(struct cells *c, int64_t v)
{
    if (c->form == TEXT)
        put_int(c, v);
    else
        put_real(c, (double)v);
}

static void put_word(struct cells *c, const char *s)
{
    size_t n = strlen(s);
    memcpy(c->p, s, n);
    c->p += n;
}

// Original: whole numbers; fork: reals.
static void put_quotient(struct cells *c, bool fork, int64_t a, int64_t b)
{
    if (fork)
        put_real(c, b ? (double)a / (double)b : 0);
    else
        put_int(c, b ? a / b : 0);
}

// ---- identity -----------------------------------------------------------------------------------

static void add_address(struct cells *c, uint32_t a)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        c->p = sl_number_u64(c->p, a >> shift & 0xff);
        *c->p++ = '.';
    }
    c->p--;
}

static void add_dash_number(struct cells *c, unsigned v)
{
    *c->p++ = '-';
    c->p = sl_number_u64(c->p, v);
}

static void put_key(struct cells *c, const struct sl_cic_flow *f)
{
    struct sl_tuple u = sl_key_tuple(&f->node.key, f->node.low_initiates);
    add_address(c, sl_addr_v4(&u.src));
    *c->p++ = '-';
    add_address(c, sl_addr_v4(&u.dst));
    add_dash_number(c, u.sport);
    add_dash_number(c, u.dport);
    add_dash_number(c, u.proto);
    put_made(c, SL_COL_TEXT);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static void put_time(struct cells *c, bool fork, int64_t us)
{
    if (c->form != TEXT) {
        put_cell(c, SL_COL_TIME, (union sl_value){.i = us * 1000});
        return;
    }
    time_t s = fork ? floor_div(us, 1000000) : floor_div(us / 1000, 1000);
    int64_t rest_us = us - s * 1000000;
    struct tm tm;
    char text[80];
    gmtime_r(&s, &tm);
    long year = tm.tm_year + 1900L;
    int n;
    if (!fork)
        n = snprintf(text, sizeof text, "%02d/%02d/%04ld %02d:%02d:%02d %s", tm.tm_mday,
                     tm.tm_mon + 1, year, (tm.tm_hour + 11) % 12 + 1, tm.tm_min, tm.tm_sec,
                     tm.tm_hour < 12 ? "AM" : "PM");
    else
        n = snprintf(text, sizeof text, "%04ld-%02d-%02d %02d:%02d:%02d", year, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (fork && rest_us % 1000)
        snprintf(text + n, sizeof text - (size_t)n, ".%06d", (int)rest_us);
    else if (fork && rest_us)
        snprintf(text + n, sizeof text - (size_t)n, ".%03d", (int)(rest_us / 1000));
    put_word(c, text);
    put_made(c, SL_COL_TIME);
}

static void put_identity(struct cells *c, bool fork, const struct sl_cic_flow *f)
{
    put_key(c, f);
    add_address(c, f->src);
    put_made(c, SL_COL_TEXT);
    put_int(c, f->sport);
    add_address(c, f->dst);
    put_made(c, SL_COL_TEXT);
    put_int(c, f->dport);
    put_int(c, f->protocol);
    put_time(c, fork, f->start_us);
}

// ---- features, in groups of neighbours ----------------------------------------------------------

static void put_lengths(struct cells *c, const struct sl_cic_side *s)
{
    const struct sl_cic_stat *x = &s->length;
    const double values[] = {x->max, x->min, x->mean, sl_cic_stat_std(x)};
    for (int i = 0; i < 4; i++) {
        if (s->packets > 0)
            put_real(c, values[i]);
        else
            put_whole_real(c, 0);
    }
}

static void put_rate(struct cells *c, bool fork, int64_t amount, int64_t duration_us)
{
    if (fork && !duration_us)
        put_whole_real(c, -1);
    else
        put_real(c, (double)amount / ((double)duration_us / 1e6));
}

// Of a single packet there is no gap: the fork prints 0.0.
static void put_gaps(struct cells *c, const struct sl_cic_stat *x)
{
    put_real(c, x->n ? x->mean : 0);
    put_real(c, x->n ? sl_cic_stat_std(x) : 0);
    put_real(c, x->n ? x->max : 0);
    put_real(c, x->n ? x->min : 0);
}

static void put_side_gaps(struct cells *c, const struct sl_cic_side *s)
{
    const struct sl_cic_stat *x = &s->gap;
    const double values[] = {x->sum, x->mean, sl_cic_stat_std(x), x->max, x->min};
    for (int i = 0; i < 5; i++) {
        if (s->packets > 1)
            put_real(c, values[i]);
        else
            put_whole_real(c, 0);
    }
}

static void put_side_flags(struct cells *c, bool fork, const struct sl_cic_side *s)
{
    put_int(c, s[0].psh);
    put_int(c, s[1].psh);
    put_int(c, s[0].urg);
    put_int(c, s[1].urg);
    if (fork) {
        put_int(c, s[0].rst);
        put_int(c, s[1].rst);
    }
}

static void put_flags(struct cells *c, const struct sl_cic_flow *f)
{
    static const uint8_t bits[] = {0, 1, 2, 3, 4, 5, 7, 6}; // FIN ... URG, then CWR, ECE
    for (size_t i = 0; i < sizeof bits; i++)
        put_int(c, f->flags[bits[i]]);
}

static double per_packet(double sum, int64_t packets)
{
    return packets ? sum / (double)packets : 0;
}

static void put_averages(struct cells *c, bool fork, const struct sl_cic_flow *f)
{
    const struct sl_cic_side *s = f->side;
    int64_t fwd = s[0].packets, bwd = s[1].packets;
    if (fork)
        put_real(c, fwd ? (double)bwd / (double)fwd : 0);
    else
        put_real(c, fwd ? (double)(bwd / fwd) : 0); // whole numbers were divided
    put_real(c, per_packet(f->length.sum, fwd + bwd));
    put_real(c, per_packet(s[0].length.sum, fwd));
    put_real(c, per_packet(s[1].length.sum, bwd));
}

static void put_bulk(struct cells *c, bool fork, const struct sl_cic_bulk *b)
{
    double rate = b->duration_us ? (double)b->total_bytes / ((double)b->duration_us / 1e6) : 0;
    put_quotient(c, fork, b->total_bytes, b->bulks);
    put_quotient(c, fork, b->packets, b->bulks);
    if (fork)
        put_real(c, rate);
    else
        put_int(c, (int64_t)rate);
}

static void put_subflows(struct cells *c, bool fork, const struct sl_cic_flow *f)
{
    for (int dir = 0; dir < 2; dir++) {
        put_quotient(c, fork, f->side[dir].packets, f->subflows);
        put_quotient(c, fork, f->side[dir].payload_bytes, f->subflows);
    }
}

static void put_windows(struct cells *c, bool fork, const struct sl_cic_side *s)
{
    put_int(c, s[0].window);
    put_int(c, s[1].window);
    put_int(c, s[0].data_packets);
    if (fork)
        put_int(c, s[1].data_packets);
    put_int(c, s[0].header_min);
    if (fork)
        put_int(c, s[1].header_min);
}

static void put_periods(struct cells *c, const struct sl_cic_stat *x)
{
    const double values[] = {x->mean, sl_cic_stat_std(x), x->max, x->min};
    for (int i = 0; i < 4; i++) {
        if (x->n)
            put_real(c, values[i]);
        else
            put_whole_real(c, 0);
    }
}

static void put_fork_facts(struct cells *c, const struct sl_cic_flow *f)
{
    const struct sl_cic_side *s = f->side;
    put_int(c, f->icmp_code);
    put_int(c, f->icmp_type);
    put_int(c, s[0].segments_again);
    put_int(c, s[1].segments_again);
    put_int(c, s[0].segments_again + s[1].segments_again);
    put_int(c, f->before_us);
}

static void put_features(struct cells *c, bool fork, const struct sl_cic_flow *f)
{
    const struct sl_cic_side *s = f->side;
    int64_t duration_us = f->last_us - f->start_us;
    double seconds = (double)duration_us / 1e6;
    put_int(c, duration_us);
    put_int(c, s[0].packets);
    put_int(c, s[1].packets);
    put_real(c, s[0].length.sum);
    put_real(c, s[1].length.sum);
    put_lengths(c, &s[0]);
    put_lengths(c, &s[1]);
    put_rate(c, fork, s[0].payload_bytes + s[1].payload_bytes, duration_us);
    put_rate(c, fork, s[0].packets + s[1].packets, duration_us);
    put_gaps(c, &f->gap);
    put_side_gaps(c, &s[0]);
    put_side_gaps(c, &s[1]);
    put_side_flags(c, fork, s);
    put_int(c, s[0].header_bytes);
    put_int(c, s[1].header_bytes);
    put_real(c, duration_us > 0 ? (double)s[0].packets / seconds : 0);
    put_real(c, duration_us > 0 ? (double)s[1].packets / seconds : 0);
    put_real(c, f->length.min);
    put_real(c, f->length.max);
    put_real(c, f->length.mean);
    put_real(c, sl_cic_stat_std(&f->length));
    put_real(c, sl_cic_stat_variance(&f->length));
    put_flags(c, f);
    put_averages(c, fork, f);
    put_bulk(c, fork, &s[0].bulk);
    put_bulk(c, fork, &s[1].bulk);
    put_subflows(c, fork, f);
    put_windows(c, fork, s);
    put_periods(c, &f->active);
    put_periods(c, &f->idle);
    if (fork)
        put_fork_facts(c, f);
    put_word(c, "NeedManualLabel");
    put_made(c, SL_COL_TEXT);
}

// ---- rows and columns ---------------------------------------------------------------------------

void sl_cic_row(bool fork, bool text, const struct sl_cic_flow *f, struct sl_cic_row *row)
{
    struct cells c = {
        .form = text ? TEXT : TYPED, .at = row->cells, .p = row->text, .start = row->text};
    put_identity(&c, fork, f);
    put_features(&c, fork, f);
    assert(c.p <= row->text + sizeof row->text);
}

// Whether the corrected fork added the column.
static bool only_in_fork(const char *cic_name)
{
    static const char *const names[] = {"Fwd RST Flags",
                                        "Bwd RST Flags",
                                        "Bwd Act Data Pkts",
                                        "Bwd Seg Size Min",
                                        "ICMP Code",
                                        "ICMP Type",
                                        "Fwd TCP Retrans. Count",
                                        "Bwd TCP Retrans. Count",
                                        "Total TCP Retrans. Count",
                                        "Total Connection Flow Time"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(cic_name, names[i]))
            return true;
    return false;
}

static size_t name_columns(bool fork, struct sl_column *columns)
{
    size_t n = 0;
    for (size_t i = 0; i < sl_features_count(); i++) {
        struct sl_feature_info f = sl_features_info(i);
        if (!f.cic_name[0] || (!fork && only_in_fork(f.cic_name)))
            continue;
        assert(n < SL_CIC_COLUMNS_MAX - 1);
        columns[n++] = (struct sl_column){
            .name = f.cic_name, .unit = f.unit, .formula = f.formula, .source = "CICFlowMeter"};
    }
    columns[n++] = (struct sl_column){.name = "Label",
                                      .unit = "",
                                      .formula = "for the user to fill in",
                                      .source = "CICFlowMeter"};
    return n;
}

size_t sl_cic_columns(bool fork, bool text, struct sl_column columns[SL_CIC_COLUMNS_MAX])
{
    static const struct sl_cic_flow none;
    size_t n = name_columns(fork, columns);
    char room[256];
    struct cells c = {.form = TYPES, .columns = columns, .p = room, .start = room};
    put_identity(&c, fork, &none);
    put_features(&c, fork, &none);
    assert(c.n == n);
    for (size_t i = 0; i < n; i++)
        if (text)
            columns[i].type = SL_COL_TEXT;
    return n;
}
