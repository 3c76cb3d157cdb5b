// SPDX-License-Identifier: Apache-2.0
/*
 * A trace or a flow table as the sample set that a comparison looks at.
 *
 * Input    a capture; or a flow table in CSV (also compressed): our own, or one with columns that
 * are known by other names (NetFlow exports as in UGR'16 and CIDDS, CICFlowMeter, Zeek's conn.log
 * as CSV), or by names that the caller gives. Class    as for rates: the truth's, else the port's.
 * A table's own label column becomes the label. Limit    max_packets; what is beyond is counted in
 * left_out. Errors   SL_EINPUT with file, line and column.
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
SL_MUST_USE bool sl_samples_load(const char *path, const struct sl_samples_options *opt,
                                 struct sl_sample_set *out, struct sl_error *err);
// For tests and fuzzing: a table in memory. text is changed and followed by a NUL.
SL_MUST_USE bool sl_samples_table(const char *name, char *text, size_t len,
                                  const struct sl_samples_options *opt, struct sl_sample_set *out,
                                  struct sl_error *err);
