// SPDX-License-Identifier: Apache-2.0
/*
 * Plan -> live traffic on h1..hn: hosts, placement, wires, services, drivers under feedback,
 * measurement, a run folder, and nothing left behind.
 *
 * Order    hosts; images; holders; wires and filters; services; health; drivers; control loop;
 *          collect; tear down. Every packet of a service crosses the hosts from its first SYN,
 *          because services start after their wires.
 * Result   a summary object (schema sluice.run/1, see stats/report.h), also written to the run
 *          folder with report.html. "status" is "ok", "missed" or "interrupted".
 * Errors   SL_EENV, SL_ERUN, SL_EINTR; a missed target is no error here but in the summary.
 * Threads  one run per process.
 */
#pragma once
#include "base/json.h"
#include "base/str.h"
#include "plan/plan.h"

struct sl_live_options {
    const char *name;    // run id; NULL = made up
    const char *out;     // run folder; NULL = runs/<stamp>-<spec>
    const char *command; // command line, for the metadata
    int64_t duration_ns; // of traffic
    int64_t measured_ns; // the last part that is judged; 0 = 20 s
    double tolerance;    // relative; 0 = 0.10
    bool pcap, flows;    // what is kept
    int ready_fd;        // a byte is written when traffic flows; -1 = none
};
SL_MUST_USE bool sl_live_run(const struct sl_spec *spec, const struct sl_plan *plan,
                             const struct sl_live_options *opt, json_t **summary, char **folder,
                             struct sl_error *err);
// The asked/achieved table of a summary, for people.
void sl_live_table(const json_t *summary, bool colour, struct sl_str *out);
