// SPDX-License-Identifier: Apache-2.0
/*
 * Shaping on the egress of an interface: HTB with one class per statement, unmatched traffic unshaped.
 * Rates count layer-2 bytes as the interface counter does. Netlink through libnl.
 *
 * Matching  the first match set wins. A match on ports leaves packets with IP options and later
 *           fragments unshaped.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

struct sl_shape_match { // zero fields match anything; addresses and ports in host byte order
    uint32_t src, dst;
    uint8_t proto;
    uint16_t sport, dport;
};
SL_MUST_USE bool sl_shape_init(int ns, const char *dev, struct sl_error *err); // replaces what is there
SL_MUST_USE bool sl_shape_class(int ns, const char *dev, uint16_t id, double rate_bps, struct sl_error *err); // adds or changes; id 1..999
SL_MUST_USE bool sl_shape_match(int ns, const char *dev, uint16_t id, const struct sl_shape_match *m, struct sl_error *err);
struct sl_shape_counters {
    uint64_t bytes, packets, drops, backlog_bytes;
};
// What left the class, what its queue lost, what waits. id 0: the unmatched traffic.
SL_MUST_USE bool sl_shape_counters(int ns, const char *dev, uint16_t id, struct sl_shape_counters *out, struct sl_error *err);
