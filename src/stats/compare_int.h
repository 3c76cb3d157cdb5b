// SPDX-License-Identifier: Apache-2.0
/*
 * Inside the comparison: where the values of a field come from (compare_values.c) and how a
 * selection of the traffic is described.
 */
#pragma once
#include "stats/compare.h"

enum field_id {
    P_SIZE,
    P_GAP,
    P_FLOW_GAP,
    P_PROTO,
    P_SPORT,
    P_DPORT,
    P_SRC,
    P_DST,
    P_FLAGS,
    P_TTL,
    F_PACKETS,
    F_BYTES,
    F_DURATION,
    F_MEAN_GAP,
    F_START_GAP,
    F_CONCURRENT,
    F_PROTO,
    F_PORT,
    F_SRC,
    F_DST,
    F_CLASS,
    F_LABEL,
    G_OUT,
    G_IN,
    G_FLOWS,
    G_BYTES,
    G_TRIADS,
    T_PACKETS,
    T_BYTES,
    T_ACF_COUNTS,
    T_ACF_GAPS,
    T_ACF_SIZES,
    T_SCALE_1,
    T_SCALE_100,
    T_SCALE_1_BYTES,
    T_SCALE_100_BYTES,
    FIELDS
};
#define COUNT_BIN_NS INT64_C(100000000)

// One input with what is worked out once.
struct view {
    const struct sl_sample_set *set;
    unsigned known;
    int64_t t0, t1;          // first and last instant; t1 < t0 = unknown
    uint16_t *cls, *label;   // [flows] numbers common to both inputs; the last number is "none"
    uint32_t *per_flow[2];   // [flows] packets of each direction in the packets array
    uint64_t *flow_bytes[2]; // [flows] and their bytes
    // [flows] bit k = in the first part of split k: halves, and parts of B's size (see compare.h).
    uint8_t *halves, *matched;
    int64_t count_bin_ns;     // of T_PACKETS, T_BYTES: COUNT_BIN_NS, or more for a very long input
    uint32_t addresses;       // largest id + 1
    uint32_t classes, labels; // common numbers, without "none"
    // Packets of the current class; the set's own when every class is meant.
    const struct sl_sample_packet *packets;
    size_t n_packets;
    struct sl_sample_packet *own;
    int own_class;
};
struct part {     // of the traffic
    int cls, dir; // -1 = all
    int split;    // -1 = not split; else part `half` of it
    int half;
    bool matched; // by `matched` instead of `halves`
};
void view_init(struct view *v, const struct sl_sample_set *set);
void view_done(struct view *v);
void view_class(struct view *v, int cls); // selects packets
// Parts the flows of a class (-1 = all): in halves, and with `first` flows in the first part.
void view_split(struct view *v, int cls, uint64_t first, uint64_t seed, int splits);
// Does the field measure how much there is? Then only parts of equal size can be compared.
bool field_extensive(int field);
void view_totals(const struct view *v, const struct part *p, struct sl_totals *out);

struct values {
    double *x, *w; // w NULL = 1 each
    uint32_t *tag; // flow of each value; NULL = the field has to be made anew for a half
    size_t n;
    size_t of; // flows that a weighted sample was made from; 0 = the values are what counts
};
static inline struct sl_dist dist_of(const struct values *v)
{
    return (struct sl_dist){v->x, v->w, v->n};
}
// Sorted values of a NUMBER field.
void field_values(const struct view *v, int field, const struct part *p, struct values *out);
void values_done(struct values *v);
// Values in their order: gaps, sizes, for autocorrelation. Not sorted.
void field_sequence(const struct view *v, int field, const struct part *p, struct values *out);

// Tables. Size of a CATEGORY or ORDINAL table; 0 for RANK fields, whose table is as long as there
// are addresses.
size_t field_table_size(const struct view *v, int field);
void field_table(const struct view *v, int field, const struct part *p, double *count);
// Both parts of all matched splits in one go: count[(split * 2 + half) * size + entry].
bool field_tables_split(const struct view *v, int field, const struct part *p, int splits,
                        double *count);
size_t field_ranks(const struct view *v, int field, const struct part *p, double **count);

// Counts of packets or bytes per bin; the last, partial bin is kept. Caller frees.
double *count_series(const struct view *v, const struct part *p, int64_t bin_ns, bool bytes,
                     size_t *n);
// Both halves of a split in one pass.
void count_halves(const struct view *v, const struct part *p, int split, int64_t bin_ns, bool bytes,
                  double *half[2], size_t *n);
enum { MAX_SERIES = 1 << 24 };
// The bin that keeps the series within MAX_SERIES.
int64_t series_bin(const struct view *a, const struct view *b, int64_t wanted_ns);
bool rate_curve(const struct view *v, const struct part *p, struct sl_rate_curve *out);
