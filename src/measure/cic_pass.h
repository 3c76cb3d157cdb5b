// SPDX-License-Identifier: Apache-2.0
/*
 * One pass over packets for the semantics cic and cic-fixed: as measure/pass.h, on one thread, for
 * the result depends on the order in which packets come.
 *
 * Packets  as libpcap hands them out: cut to the snapshot length of their interface. kinds tells
 * ok for those that the tool counts and not-ip for those that it passes over.
 */
#pragma once
#include "flow/cic.h"
#include "measure/pass.h"

struct sl_cic_pass_options {
    struct sl_cic_options cic;
    const struct sl_trace *trace;                         // the source's; NULL = live
    uint64_t max_packets;                                 // 0 = all
    bool (*after_batch)(void *ctx, struct sl_error *err); // false stops the pass; may be NULL
    void *ctx;
};
SL_MUST_USE bool sl_cic_pass_run(const struct sl_pass_source *source,
                                 const struct sl_cic_pass_options *opt,
                                 struct sl_pass_counts *counts, struct sl_cic_counts *cic,
                                 struct sl_error *err);
