// SPDX-License-Identifier: Apache-2.0
/*
 * What one project sends: packets of its networks -> flows -> edges between services, per phase.
 *
 * Units    layer-2 bytes; nanoseconds.
 * Method   every packet is counted once, at its project network's bridge. An edge is (client
 * service, server service, protocol, server port); the class of an edge is that of its first
 * classified flow. Bytes are booked to the phase in which the packet was seen, not to that of the
 *          flow's start.
 * Threads  one owner.
 */
#pragma once
#include "capture/capture.h"
#include "catalog/catalog.h"
#include "instance/instance.h"

struct sl_watch;
struct sl_watch *sl_watch_new(const struct sl_who_book *book); // borrowed
SL_MUST_USE bool sl_watch_add(struct sl_watch *w, int ns, const char *bridge, struct sl_error *err);
void sl_watch_phase(struct sl_watch *w,
                    const char *name); // begins a phase (and ends the one before)
// Takes in packets until the deadline (monotonic) or extra_fd is readable; false when interrupted.
bool sl_watch_pump(struct sl_watch *w, int64_t until_ns, int extra_fd);
// Bytes in both directions between two services on a server port since the start. For ramps.
uint64_t sl_watch_bytes(const struct sl_watch *w, const char *src, const char *dst, uint16_t dport);
// Ends the last phase and fills the edges of the record's phases, which must have been begun in the
// same order; strings come from the record's arena.
void sl_watch_finish(struct sl_watch *w, struct sl_record *r);
// Flows of all phases, for the catalogue; valid until sl_watch_free.
const struct sl_catalog_flow *sl_watch_flows(struct sl_watch *w, size_t *n);
struct sl_watch_counts {
    uint64_t packets, drops, strangers, flows; // strangers: packets of addresses nobody owns
};
void sl_watch_counts(const struct sl_watch *w, struct sl_watch_counts *out);
void sl_watch_free(struct sl_watch *w);
