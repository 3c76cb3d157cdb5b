// SPDX-License-Identifier: Apache-2.0
/*
 * Packets off one interface of a namespace: AF_PACKET with TPACKET_V3, read without blocking.
 *
 * Units    nanoseconds since 1970; bytes.
 * Threads  one reader per capture. The packet path neither allocates nor locks nor logs.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

struct sl_capture;
struct sl_frame {
    int64_t ts_ns;
    const uint8_t *data; // valid during the call-back only
    uint32_t captured, wire_bytes;
    bool outgoing; // sent by this interface (towards its peer), else received
};
typedef void sl_frame_fn(void *ctx, const struct sl_frame *frame);
struct sl_capture_options {
    uint32_t snaplen;   // 0 = 192
    size_t ring_bytes;  // 0 = 8 MiB
    bool promisc;       // for a bridge: see every frame once
    bool incoming_only; // for a bridge in promiscuous mode
};
// ns -1 = the namespace we are in.
SL_MUST_USE struct sl_capture *sl_capture_open(int ns, const char *ifname,
                                               const struct sl_capture_options *opt,
                                               struct sl_error *err);
int sl_capture_fd(const struct sl_capture *c); // for poll
// Drains what is there; number of frames. A frame is there at most 20 ms after it was seen. When
// the interface is gone nothing more arrives; poll then reports an error once, which reading takes
// away.
size_t sl_capture_read(struct sl_capture *c, sl_frame_fn *fn, void *ctx);
// For the fast path, instead of sl_capture_read: up to max frames, where they lie in the ring. They
// hold until the second next call. *gone: nothing came, and the interface is down or away.
size_t sl_capture_batch(struct sl_capture *c, struct sl_frame *out, size_t max, bool *gone);
uint16_t sl_capture_linktype(
    const struct sl_capture *c); // LINKTYPE_ number of its frames; UINT16_MAX = none that is known
struct sl_capture_stats {
    uint64_t packets, drops; // since open; kept in the ring, and lost because it was full
};
void sl_capture_stats(struct sl_capture *c, struct sl_capture_stats *out);
void sl_capture_close(struct sl_capture *c);
