// SPDX-License-Identifier: Apache-2.0
/*
 * A trace, or a live interface, into a flow table: what `sluice flows` does.
 *
 * Output   rows in the order in which flows end, to a file or standard output; beside them, when
 *          asked for, the connectivity graph, per-second rates of each class, and the confusion of
 *          port names with the truth: all in the same pass.
 * Errors   SL_EINPUT for the trace and label files, SL_ERUN for what cannot be written. Damage
 *          inside a trace is not an error: flows up to there are written, and the summary says what
 *          was wrong.
 *
 * Semantics fixed: the flow engine's (flow/engine.h). cic, cic-fixed: flows, columns and, in CSV,
 * the very cells of CICFlowMeter and of its corrected fork (flow/cic.h), with time stamps in UTC.
 * They run on one thread whatever `threads` says; rows come when a flow ends, those that are left
 * at the end of the trace by their first packets. Options that CICFlowMeter has no counterpart of
 * are refused (SL_EUSAGE). Other formats get the same columns typed: where the tool prints NaN or
 * Infinity the value is missing.
 */
#pragma once
#include "base/json.h"
#include "base/str.h"
#include "flow/feature.h"
#include "measure/pass.h"

enum sl_semantics { SL_SEMANTICS_FIXED, SL_SEMANTICS_CIC, SL_SEMANTICS_CIC_FIXED };

struct sl_flows_options {
    const char *input;     // trace; "-" = standard input; NULL with an interface
    const char *interface; // live
    int64_t duration_ns;   // live: 0 = until interrupted
    uint64_t ring_bytes;   // live: 0 = 64 MiB
    uint32_t snaplen;      // live: 0 = 256, with profile full 1600
    enum sl_semantics semantics;
    struct sl_feature_set features; // labels, truth and dpi are set from what is given below
    struct sl_engine_options engine;
    bool outer;
    unsigned threads;
    uint64_t max_packets;
    enum sl_export_format format;
    const char *output;   // "-" = standard output; NULL = no table
    bool ipfix;           // output is IPFIX instead of format
    const char *services; // registry instead of the built-in one
    const char *truth;    // label book, or a run's folder
    bool dpi, confusion;
    struct sl_str *confusion_text; // gets the confusion as text for people; NULL = not wanted
    bool colour;                   // in that text
    const char *graph, *rates;     // files, by their endings; NULL = none
    int64_t rates_bin_ns;          // 0 = 1 s
    const char *command_line;      // for the provenance
    uint64_t seed;
    bool whole_hash; // SHA-256 of the whole input, not of its first and last MiB
};
// The summary: "sluice.flows/1". NULL on failure.
SL_MUST_USE json_t *sl_flows_run(const struct sl_flows_options *opt, struct sl_error *err);
