// SPDX-License-Identifier: Apache-2.0
/*
 * One project, isolated: run it, watch it idle, drive it, watch it again, explain what happened.
 *
 * Every step that fails has a reason code in the record; only our own troubles (no engine, a full
 * disk, an interruption) are errors. Nothing is left behind in either case.
 *
 * Threads  one observation per process at a time.
 */
#pragma once
#include "catalog/catalog.h"
#include "discover/discover.h"

struct sl_observe_options {
    bool quick;                            // 5 s idle and 15 s driven instead of 60 s and 90 s
    int64_t idle_ns, driven_ns, settle_ns; // 0 = by profile
    uint64_t seed;
    const char *log_dir; // containers' logs go there; NULL = nowhere
    int step, steps;     // for progress
};
// The record is the caller's (sl_record_free). Stored in the catalogue, flows included, when one is
// given.
SL_MUST_USE bool sl_observe_project(const struct sl_found *found,
                                    const struct sl_observe_options *opt,
                                    struct sl_catalog *catalog, struct sl_record **out,
                                    struct sl_error *err);
// The Compose file's path below its repository: with the repository, the project's identity. Caller
// frees.
char *sl_observe_compose_path(const struct sl_found *found);
// Digest of a project as it lies there, to look it up; "" with a reason when it cannot be loaded.
SL_MUST_USE bool sl_observe_digest(const struct sl_found *found, uint64_t seed, char digest[65],
                                   struct sl_error *err);
