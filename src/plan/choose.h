// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers in, numbers out: how many instances of which columns for each demand.
 *
 * Objective of a demand (asked B, planned y, F the flow bound that is missed, K containers):
 *     100 |y - B| / B           rate
 *   + 100 missed flows / F      flows
 *   + 0.2 K                     cost
 *   + 3 (shaped away) / B       self-driven traffic that has to be held back
 *   + 20 (off-class rate) / B   unwanted traffic
 *   + 20 (above 85 %) / B       the part of a driven rate above 85 % of its peak: head-room
 *   + 0.5 (largest share)       of the rate that one project carries: diversity (1 when nothing is planned)
 * The first, second and fourth are the prototype's (specs/live.md 2.1), as is 0.2 K.
 *
 * Rates    driven instances of a demand run at one common share of their peaks, [0.0005, 1].
 * Self-driven ones run in full as long as that is not too much, else at one share in [0.5, 1].
 * Flows    an upper bound of flows is kept before the rate: with fewer users the rate is lower.
 * Budget   of all demands together, hard: what does not fit is not planned.
 * Method   choose.c. Deterministic; equal choices are decided by sl_column.tie.
 * Threads  stateless.
 */
#pragma once
#include "plan/option.h"

enum { SL_PICKS_MAX = 64, SL_USERS_MAX = 1000 };
struct sl_demand {
    double bps;
    enum sl_count count;
    int64_t flows_min, flows_max;
    const struct sl_columns *columns;
};
struct sl_pick {
    uint32_t column;
    int count;
};
struct sl_value {        // of the picks of one demand
    double objective;    // as above
    double cost;         // objective, prices of CPU and memory, pins: what the search compares
    double bps;          // planned
    double drive, shape; // common shares of driven and self-driven instances
    double flows;
    int64_t users; // of all by_users instances together
    double cpu, mem_bytes, off_bps;
    int containers, instances;
    bool feasible, flows_ok;
    bool limited; // the budget made it less
};
struct sl_chosen {
    struct sl_pick picks[SL_PICKS_MAX];
    size_t n;
    struct sl_value value;
};
struct sl_limits {
    double cpu, mem_bytes; // INFINITY for none
    int instances;         // per demand
    uint64_t seed;         // of the kicks
};
double sl_count_share(enum sl_count count, double up_share);  // of an edge's rate that is counted
int sl_users_needed(const struct sl_column *c, double drive); // for the rate
struct sl_value sl_choose_value(const struct sl_demand *d, const struct sl_pick *picks, size_t n,
                                const struct sl_limits *limits);
// out[n]; *greedy_objective is the objective greedy alone reaches.
void sl_choose(const struct sl_demand *demands, size_t n, const struct sl_limits *limits,
               struct sl_chosen *out, double *greedy_objective);
