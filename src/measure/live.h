// SPDX-License-Identifier: Apache-2.0
/*
 * A live interface as the source of a pass. Ends when its time is over, the program is interrupted,
 * or the interface is gone; what the ring holds by then is still taken.
 *
 * Lag      a packet is there at most 20 ms after it was seen; the clock handed to the pass stays
 * behind by more than that, so that no flow is ended by a clock that has overtaken its packets.
 * Loopback sees every packet twice; what goes out is left out there.
 */
#pragma once
#include "measure/pass.h"
struct sl_live_options {
    const char *interface;
    int64_t duration_ns; // 0 = until interrupted
    uint64_t ring_bytes; // 0 = 64 MiB
    uint32_t snaplen;    // 0 = 256
};
struct sl_live;
SL_MUST_USE struct sl_live *sl_live_open(const struct sl_live_options *opt, struct sl_error *err);
struct sl_pass_source sl_live_source(struct sl_live *l);
void sl_live_stats(struct sl_live *l, uint64_t *packets, uint64_t *drops,
                   bool *gone); // of the kernel
void sl_live_close(struct sl_live *l);
