// SPDX-License-Identifier: Apache-2.0
/*
 * The feature table of flows (feature.def): columns for writers, and the values of one flow.
 *
 * Profiles basic: who, when, how much. cic: the 93 features of CICFlowMeter's corrected fork and
 *          what mends them. full: TCP facts, payload facts and packet sequences besides.
 * Units    in the columns' names and descriptions.
 * Missing  never NaN or infinity: a statistic of nothing is 0, as CICFlowMeter has it; facts that
 *          were not seen are missing.
 * Threads  rows may be made by several threads, each with its own scratch.
 */
#pragma once
#include "export/export.h"
#include "flow/engine.h"

enum sl_profile { SL_PROFILE_BASIC, SL_PROFILE_CIC, SL_PROFILE_FULL };
struct sl_feature_set {
    enum sl_profile profile;
    bool labels, truth, dpi; // columns for them
    bool cic_names;          // CICFlowMeter's headers where it has the column
    uint32_t sequence_packets; // [30] that lists have at most: how wide NumPy's columns are
    const char *only;        // comma-separated names; NULL = all of the profile
};
struct sl_flow_labels { // texts are borrowed; p NULL = missing
    struct sl_text iana, iana_basis, port_class, dpi, dpi_confidence;
    struct sl_text service, client, project, image, class_name, statement;
};
struct sl_features; // a chosen set of columns
SL_MUST_USE struct sl_features *sl_features_new(const struct sl_feature_set *set,
                                                struct sl_error *err);
void sl_features_free(struct sl_features *x);
const struct sl_column *sl_features_columns(const struct sl_features *x, size_t *n);
struct sl_feature_scratch; // room for a row's texts
struct sl_feature_scratch *sl_feature_scratch_new(void);
void sl_feature_scratch_free(struct sl_feature_scratch *s);
// The row holds until the next one with the same scratch. row: as many values as there are columns.
void sl_features_row(const struct sl_features *x, const struct sl_engine *e,
                     const struct sl_flow_state *f, const struct sl_flow_labels *labels,
                     struct sl_feature_scratch *s, union sl_value *row);

struct sl_feature_info { // for --list-features and the documentation
    const char *profile, *name, *cic_name, *type, *unit, *formula, *source;
};
size_t sl_features_count(void);
struct sl_feature_info sl_features_info(size_t i);
