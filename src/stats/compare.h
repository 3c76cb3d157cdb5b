// SPDX-License-Identifier: Apache-2.0
/*
 * How far two traces (or flow tables) are apart, field by field, and whether that is more than
 * chance.
 *
 * A is the reference: bins, the scale of nW1 and the sampling floor come from it.
 *
 * Floor    the same distance between two random halves of A, split by flow, so that packets of one
 *          flow stay together; mean and standard deviation over k splits. A distance at the floor
 *          cannot be improved. When B has fewer flows than half of A, so few scatter more: one part
 *          then has as many flows as B, the other the rest. Fields that measure how much there is
 *          (counts per window, scaling, concurrent flows, degrees) keep to halves, since parts of
 *          unequal size would differ in that alone.
 * Rule     a field differs when its distance is larger than both `factor` x floor and `min_effect`.
 *          JSD and KS end at 1: for them the limit is at most half way from the floor to 1. The
 *          distance is JSD for categories and popularity; the worse of nW1 and KS for quantities;
 *          the RMS difference of y_j, in octaves of energy, for logscale diagrams. min_effect
 *          counts a tenth for JSD, which is quadratic, and ten times for octaves. Fewer than
 *          SL_COMPARE_MIN values on a side, or SL_COMPARE_MIN_FLOWS flows, are not judged.
 * Verdict  that of all traffic together; directions and classes are reported beside it.
 * Copies   `below` marks a distance under a fifth of the floor: independent samples of one process
 *          are rarely that close.
 * Output   a terminal table, one JSON object "sluice.compare/1" (no NaN: null), one HTML page.
 * Errors   none but for an output that would be too large. What a source does not know is a missing
 *          field, and the report says which source.
 * Threads  none inside: the same inputs, options and seed give the same bytes.
 */
#pragma once
#include "base/json.h"
#include "base/str.h"
#include "stats/acf.h"
#include "stats/logscale.h"
#include "stats/samples.h"

enum { SL_COMPARE_MIN = 20, SL_COMPARE_MIN_FLOWS = 8, SL_COMPARE_MAX_SPLITS = 8 };

enum sl_field_group { SL_GROUP_PACKET, SL_GROUP_FLOW, SL_GROUP_GRAPH, SL_GROUP_TIME };
enum sl_field_kind {
    SL_FIELD_NUMBER,   // JSD over bins, W1, nW1, KS
    SL_FIELD_ORDINAL,  // small integers: an exact table, and W1, nW1, KS
    SL_FIELD_CATEGORY, // an exact table: JSD, total variation
    SL_FIELD_RANK,     // counts per address, sorted: popularity. JSD
    SL_FIELD_SCALING,  // a logscale diagram
    SL_FIELD_MEMORY,   // an autocorrelation: RMS of the differences of its coefficients
};
struct sl_field {
    int id;
    const char *key, *title, *unit; // "packet_size", "packet size", "B"
    enum sl_field_group group;
    enum sl_field_kind kind;
    bool log;      // bins and plots are logarithmic
    unsigned need; // bits SL_KNOW_
    const char *about;
};
const struct sl_field *sl_compare_field(size_t i); // NULL after the last; the order of reports

enum sl_metric { SL_BY_NONE, SL_BY_JSD, SL_BY_NW1, SL_BY_KS, SL_BY_RMS, SL_BY_ACF };
const char *sl_metric_name(enum sl_metric m); // "JSD", "nW1", "KS", "RMS", "ACF"

enum { SL_ACF_MAX = 100 };
struct sl_acf_pair {
    const char *key, *title, *step; // what a lag is: "100 ms", "packets"
    size_t lags, n_a, n_b;
    double a[SL_ACF_MAX], b[SL_ACF_MAX]; // [0] is lag 1
    size_t compared;                     // lags: at most a quarter of the shorter series
    double rms, floor_rms, floor_rms_sd; // of the differences; NAN when there are none
};
struct sl_category { // of the most frequent ones; the last may be "other"
    char name[48];
    double a, b; // shares
};
struct sl_scaling {
    struct sl_logscale a, b;
    struct sl_slope slope_a, slope_b;
    struct sl_logscale_diff diff;
    double floor_rms, floor_rms_sd;
};
struct sl_field_result {
    const struct sl_field *field;
    bool missing_a, missing_b;
    double n_a, n_b;
    size_t bins; // inner bins; entries that occur, for tables
    struct sl_distance d, floor, floor_sd;
    int splits; // that gave a floor
    // The judgement: by which distance, its value, its floor, value over floor (INFINITY when the
    // floor is 0).
    enum sl_metric by;
    double value, by_floor, ratio, limit; // limit: beyond it the field differs
    bool judged, differs, below;
    bool negligible;     // above factor x floor, but not above min_effect
    const char *why_not; // when not judged
    // For plots; NULL where they do not apply.
    struct sl_summary a, b;
    struct sl_ecdf_point *ecdf_a, *ecdf_b;
    size_t n_ecdf_a, n_ecdf_b;
    struct sl_category *top;
    size_t n_top;
    struct sl_scaling *scaling;
    struct sl_acf_pair *memory;
};

// The size of a difference on one scale for all distances: the root of JSD, which is quadratic; ten
// octaves are as far as can be. 0 when not judged.
double sl_field_effect(const struct sl_field_result *f);

enum { SL_DISPERSIONS = 5, SL_RATE_BINS = 240 };
struct sl_rate_curve {
    double step_s;
    size_t n;
    double pps[SL_RATE_BINS], bps[SL_RATE_BINS];
};
struct sl_totals {
    uint64_t flows, packets, bytes;
    double pps, bps; // means over the input's duration; NAN when that is unknown
};
struct sl_selection {
    char *title;     // "all traffic", "forward", "web", "web backward"
    const char *cls; // NULL = every class
    int direction;   // -1 = both
    struct sl_totals a, b;
    struct sl_field_result *fields;
    uint64_t floor_flows; // in the smaller part of A that the floor is measured with
    size_t n_fields, judged, differing;
    const struct sl_field_result *worst; // the largest difference; NULL when none differs
    double mean_jsd, mean_nw1, mean_ks;  // over fields that have them and are judged
    // Packets known on both sides only; classes have rate curves alone.
    struct sl_acf_pair *acf;
    size_t n_acf;
    bool dispersed;
    double dispersion_a[SL_DISPERSIONS], dispersion_b[SL_DISPERSIONS]; // of packet counts
    struct sl_rate_curve *rate_a, *rate_b; // NULL when times are unknown
};
extern const double sl_dispersion_s[SL_DISPERSIONS]; // window lengths: 1 ms .. 10 s

struct sl_compare_input {
    char *name, *kind, *bytes_are, *note;
    struct sl_totals total;
    uint64_t input_bytes, skipped, left_out, addresses;
    int64_t start_ns; // SL_SAMPLE_NO_TIME when unknown
    double duration_s;
    unsigned known;
};
struct sl_compare_options { // zeroed = the defaults
    uint64_t seed;
    int splits;                // 0 = 5
    double factor, min_effect; // 0 = 3, 0.01
    bool haar;                 // wavelet of the logscale diagrams; else db3
    int j1;                    // first octave of the slope; 0 = 3
    size_t max_classes;        // 0 = 12, those with most flows
    // Bounds that the caller sets; 0 = none, DBL_MIN = exactly 0. Means are those of all traffic,
    // over judged fields.
    double max_mean_jsd, max_mean_nw1, max_mean_ks, max_jsd, max_nw1, max_ks;
    bool fail_if_different;
};
enum sl_verdict { SL_VERDICT_NOTHING, SL_VERDICT_IDENTICAL, SL_VERDICT_SAME, SL_VERDICT_DIFFERENT };
const char *sl_verdict_name(enum sl_verdict v); // "nothing-compared", "identical", "same", ...
struct sl_comparison {
    struct sl_compare_options options; // with the defaults filled in
    struct sl_compare_input a, b;
    struct sl_selection *selections; // the first is all traffic
    size_t n_selections;
    uint32_t classes_left_out; // beyond max_classes, or with too few flows
    enum sl_verdict verdict;
    char *verdict_text; // one line
    bool pass;          // every bound held
    char *failures;     // which did not: "mean JSD 0.31 > 0.1; ..."; "" if none
    // Storage of names; borrowed by selections.
    SL_VEC(char *) classes;
};
// The sets are only read, and need not outlive the call.
SL_MUST_USE struct sl_comparison *sl_compare(const struct sl_sample_set *a,
                                             const struct sl_sample_set *b,
                                             const struct sl_compare_options *opt);
void sl_comparison_free(struct sl_comparison *c);

void sl_comparison_text(const struct sl_comparison *c, bool colour, struct sl_str *out);
json_t *sl_comparison_json(const struct sl_comparison *c);
// `made_by` may be NULL: provenance for the footer.
SL_MUST_USE char *sl_comparison_html(const struct sl_comparison *c, const char *made_by,
                                     struct sl_error *err); // caller frees
