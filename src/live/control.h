// SPDX-License-Identifier: Apache-2.0
/*
 * Rate control by feedback. Pure: time and measurements are arguments.
 *
 * Method   per statement, an error integral with a leak turns the asked rate into a wanted one. Per
 *          source, its part of that becomes requests per second through the measured bits per
 *          request (sums over ten seconds or so: replies differ in size, and one may take seconds).
 *          A driver that gives less than its part and is two seconds behind what it was told gets
 *          more sessions (half as many again), up to the flow bound; one that still cannot is
 *          saturated, and what it lacks goes to the others.
 * Units    bits and seconds.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct sl_source { // one driver, or one self-driven instance
    bool driven;
    double share;                  // of the statement's planned rate, > 0
    double bits_per_request;       // estimate; > 0
    double sum_bits, sum_requests; // leaky sums behind the estimate; 0 at first
    double rate;                   // requests per second told to the driver
    double wanted_bps;             // its part of the rate behind that; 0 at first
    int users, users_max;
    double backlog; // requests told and not done: grows only when the driver cannot keep up
    bool saturated;
    double measured_bps; // last tick
    bool dead;
};
struct sl_control {
    double asked_bps;
    double error_bits; // leaky sum of what is missing
    struct sl_source *sources;
    size_t n_sources;
    double wanted_bps; // what the sources were asked for in the last tick, for shaping
};
struct sl_sample { // what one source did since the last tick
    double bits, requests;
};
void sl_control_tick(struct sl_control *c, double dt_s, const struct sl_sample *samples);
