// SPDX-License-Identifier: Apache-2.0
/*
 * Carries packets between devices through the pipes of an emulator: the loop of one thread.
 *
 * Loop     what is due goes out first, then a few packets of each device come in, and what became
 *          due meanwhile goes out between them. Nothing leaves early, and nothing sleeps while
 *          something is due.
 * Calls    another thread changes pipes and reads counts by sl_relay_call: the loop runs the
 *          function between two packets. It must be short: no files, no sockets.
 * Lost     every packet that does not get out is counted: sl_relay_counts, and the pipes' own.
 * Threads  sl_relay_run in one; sl_relay_call and sl_relay_stop from any.
 */
#pragma once
#include "link/device.h"
#include "link/emulator.h"

struct sl_relay_net { // where packets go
    // The first pipe of a packet that came in at a port; -1 = nowhere. May set b->to.
    int32_t (*enter)(void *ctx, int port, struct sl_pbuf *b);
    int32_t (*next)(void *ctx, uint32_t pipe, const struct sl_pbuf *b); // NULL = always out
    int (*leave)(void *ctx, uint32_t pipe, const struct sl_pbuf *b);    // a port; -1 = nowhere
    void *ctx;
};
struct sl_relay_options {
    struct sl_device *devices; // borrowed
    int n_devices;             // at most 256
    uint32_t pipes;
    uint64_t memory_bytes;
    const struct sl_relay_net *net; // NULL: two devices, pipe 0 from the first to the second, pipe
                                    // 1 back
    bool realtime;
};
struct sl_relay_counts {
    uint64_t read, written;               // packets as on a wire
    uint64_t no_route, malformed, memory; // came in, and went nowhere
    uint64_t device_full, device_error;   // could not be written
    uint64_t wakeups;
    int64_t cpu_ns; // of the loop's thread, as of the last call
};
struct sl_relay;
SL_MUST_USE struct sl_relay *sl_relay_new(const struct sl_relay_options *opt, struct sl_error *err);
void sl_relay_free(struct sl_relay *r);
struct sl_emulator *sl_relay_emulator(struct sl_relay *r); // before the loop runs, or in a call
// Until sl_relay_stop, or until `until` (may be -1) is readable. Signals that are blocked by the
// caller stay blocked.
SL_MUST_USE bool sl_relay_run(struct sl_relay *r, int until, struct sl_error *err);
void sl_relay_stop(struct sl_relay *r); // async-signal-safe
typedef void sl_relay_fn(void *ctx, struct sl_emulator *e, int64_t now_ns);
// False when the loop has ended: fn was not called.
bool sl_relay_call(struct sl_relay *r, sl_relay_fn *fn, void *ctx);
void sl_relay_counts(struct sl_relay *r, struct sl_relay_counts *out); // through a call
// "" or why real-time priority could not be had.
const char *sl_relay_realtime(const struct sl_relay *r);
