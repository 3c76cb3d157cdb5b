// SPDX-License-Identifier: Apache-2.0
/*
 * Changes and counts of links while packets flow: a Unix socket, a schedule, two records.
 *
 * Requests one JSON object a line, one answer a line:
 *          {"cmd":"set","link":"h1-h2","direction":"both","conditions":{"delay":"50ms"},
 *           "over_s":5}                      -> {"ok":true,"links":1}
 *          {"cmd":"show","link":"*"}         -> {"schema":"sluice.link/1","links":[...],"relay":{}}
 *          {"cmd":"reset","link":"*"}        -> back to what the links began with
 *          {"cmd":"watch","interval_s":1}    -> a line of counts for each link, every interval
 *          {"cmd":"stop"}                    -> {"ok":true}, and the emulator ends
 *          What cannot be done is {"error":{...}} and changes nothing.
 * Names    of links may be patterns (fnmatch). direction: up is from the first host of the name to
 *          the second, down the other way.
 * Ramps    over_s: rate, delay, jitter and shares go linearly, in steps of 20 ms.
 * Schedule what was to come for a link and direction goes on after a set by hand.
 * Records  applied conditions and counts over time, as JSON lines, each beginning with what made
 *          it.
 * Limits   32 clients, 64 KiB a request; a client that does not read is dropped. None of this is
 *          done by the packets' thread: it only takes prepared conditions over.
 * Threads  its own; start and stop from one.
 */
#pragma once
#include "link/relay.h"

enum { SL_LINK_BOTH, SL_LINK_UP, SL_LINK_DOWN };
struct sl_link_entry {
    const char *name;              // "h1-h2"
    struct sl_conditions began[2]; // drawn; up, down. The relay has them already.
    uint32_t pipe[2];
};
struct sl_link_event {
    int64_t at_ns, over_ns; // since the start; length of a ramp, 0 = at once
    const char *link;       // pattern
    int direction;
    struct sl_conditions changes;
};
struct sl_link_control_options {
    struct sl_relay *relay;
    const struct sl_link_entry *links; // borrowed, as all texts
    uint32_t n_links;
    const struct sl_link_event *events;
    uint32_t n_events;
    uint64_t seed, memory_bytes;
    const char *socket, *record, *stats; // paths; NULL = none
    int64_t stats_interval_ns;           // 0 = 1 s
    const char *command_line;            // for the records
};
struct sl_link_control;
SL_MUST_USE struct sl_link_control *sl_link_control_start(const struct sl_link_control_options *opt,
                                                          struct sl_error *err);
// Last counts are written. False: something could not be written on the way.
bool sl_link_control_stop(struct sl_link_control *c, struct sl_error *err);
json_t *sl_pipe_counts_json(const struct sl_pipe_counts *n);

// The other side.
// One request, one answer (an error answer is an error). SL_EENV when nobody listens.
SL_MUST_USE json_t *sl_link_ask(const char *socket, const json_t *request, struct sl_error *err);
// Answers until `more` says no, the emulator ends (true), or we were interrupted (true).
SL_MUST_USE bool sl_link_watch(const char *socket, const json_t *request,
                               bool (*more)(void *ctx, const json_t *line), void *ctx,
                               struct sl_error *err);
