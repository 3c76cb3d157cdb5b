// SPDX-License-Identifier: Apache-2.0
/*
 * Demands + options -> plan. Pure: knows records and statements, no database, no clock.
 *
 * Option   a traffic source with its placement: (project, phase, edge) with the services at `from`, those at `to`, the
 *          range it can be driven in, its flows, the off-class traffic that crosses with it, its cost.
 * Choice   greedy by change of objective, then local search, within the machine's budget; slacks make
 *          every spec feasible: shortfalls are reported, not errors.
 * Units    bits per second of layer 2 in the direction(s) the statement counts; cores; bytes.
 * Threads  stateless. Same input and seed give the same plan.
 */
#pragma once
#include "base/json.h"
#include "catalog/record.h"
#include "lang/spec.h"

struct sl_option {
    const struct sl_record *record; // borrowed
    int phase;             // index into record->phases
    int edge;              // index into the phase's edges
    bool driven;           // a driver sets its rate; else it drives itself
    double up_share;       // share of bytes client -> server, 0..1
    double min_bps, max_bps; // both directions added; driven: min may be near 0; self-driven: min = ALPHA * max (can only be shaped down)
    double flows_at_max;   // mean active flows at max_bps with phase.users
    bool flows_by_users;   // edge's client is the driver: flows = users, any number from 1
    double off_class_ratio; // off-class bytes crossing with each in-class byte, when placed as below
    double cpu_idle, cpu_at_max; // cores for the whole instance with its driver
    double mem_bytes;
    int containers;        // services only
    const char **at_from;  // services placed at `from` (SL_PEER_DRIVER when the driver sits there)
    size_t n_at_from;
    const char **at_to;
    size_t n_at_to;
};
struct sl_plan_part { // `count` instances of an option for one statement
    int option;
    int count;
    double bps;            // planned, all instances of this part, in the statement's counting
    int users;             // driver sessions per instance to start with; 0 when self-driven
};
struct sl_plan_statement {
    struct sl_plan_part *parts;
    size_t n_parts;
    double asked_bps, planned_bps, deviation; // deviation = |planned - asked| / asked
    double flows;          // expected active flows
    bool flows_ok;
    double off_class_bps;
    const char *shortfall; // "" or why it is not met: "the catalogue has no cache traffic", "budget: ..."
};
struct sl_plan {
    struct sl_arena arena;
    const struct sl_spec *spec; // borrowed
    struct sl_option *options;
    size_t n_options;
    struct sl_plan_statement *statements; // one per statement of the spec
    size_t n_statements;   // = spec->n_statements
    int projects, instances, containers;
    double cpu, mem_bytes; // of the plan
    double objective;
    uint64_t seed;
    double budget_cpu, budget_mem;
    double greedy_objective; // what greedy alone reaches: objective is never larger
    double seconds;          // choosing took; set by the caller, 0 = not shown
    struct sl_spec *owned_spec; // of a plan read from JSON
};
struct sl_plan_options {
    uint64_t seed;
    double cpu, mem_bytes;      // budget; 0 = no bound
    int max_instances;          // per statement; 0 = 8
    double tolerance;           // relative deviation that is accepted; 0 = 0.02
    const char *const *pin, *const *ban; // project names, NULL-terminated or NULL
};
SL_MUST_USE struct sl_plan *sl_plan_make(const struct sl_spec *spec, struct sl_record *const *records, size_t n_records, const struct sl_plan_options *opt, struct sl_error *err);
void sl_plan_free(struct sl_plan *p);
bool sl_plan_within(const struct sl_plan *p, double tolerance); // every statement's rate within and flows ok
void sl_plan_table(const struct sl_plan *p, struct sl_str *out); // as ux.md 3 shows it
json_t *sl_plan_json(const struct sl_plan *p); // whole, with names, so that a run can be repeated from it
// The plan again, with its spec and with records that hold what the plan names: the project, its services' names,
// one phase and one edge per option.
SL_MUST_USE struct sl_plan *sl_plan_from_json(const json_t *j, struct sl_error *err);
