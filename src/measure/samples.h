// SPDX-License-Identifier: Apache-2.0
/*
 * A trace or a flow table as the sample set that a comparison looks at.
 *
 * Input    a capture; or a flow table in CSV (also compressed): our own, or one with columns that
 *          are known by other names (NetFlow exports as in UGR'16 and CIDDS, CICFlowMeter also as in
 *          CIC-IDS2017 and CSE-CIC-IDS2018, Argus as in UNSW-NB15 and CTU-13, Zeek's conn.log), or
 *          by names that the caller gives. Times may be text; without a zone they count as UTC, the
 *          day comes before the month.
 * Class    as for rates: the truth's, else the port's. A table's own label column becomes the label.
 * Limit    max_packets; what is beyond is counted in left_out.
 * Errors   SL_EINPUT with file, line and column.
 */
#pragma once
#include "measure/labels.h"
#include "stats/samples.h"

struct sl_samples_options {
    const struct sl_labels *labels;
    bool outer;
    uint64_t max_packets; // 0 = 50 M
    uint64_t max_rows;    // 0 = 20 M
    const char *const
        *columns; // "src_ip=sa", "start=ts@s", ...; NULL-terminated; NULL = known names only
};
// What sl_samples_load takes for a flow table, by the end of its name: .csv, .tsv, .log (Zeek),
// .binetflow (Argus), also with .gz or .zst behind it; all else is a capture.
bool sl_samples_is_table(const char *path);
SL_MUST_USE bool sl_samples_load(const char *path, const struct sl_samples_options *opt,
                                 struct sl_sample_set *out, struct sl_error *err);
// For tests and fuzzing: a table in memory. text is changed and followed by a NUL.
SL_MUST_USE bool sl_samples_table(const char *name, char *text, size_t len,
                                  const struct sl_samples_options *opt, struct sl_sample_set *out,
                                  struct sl_error *err);
