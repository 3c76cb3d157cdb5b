// SPDX-License-Identifier: Apache-2.0
/*
 * IPv4 routes of a namespace, through netlink.
 *
 * Errors   SL_EENV when rights are missing, SL_ERUN otherwise.
 * Threads  safe.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

// Everything for dst/len leaves through dev, without a gateway. src = 0: the kernel's choice.
SL_MUST_USE bool sl_route_add(int ns, const char *dev, uint32_t dst, int len, uint32_t src,
                              struct sl_error *err);
// Every address of dst/len is the namespace's own, as if it were on lo.
SL_MUST_USE bool sl_route_add_local(int ns, uint32_t dst, int len, struct sl_error *err);
// Is there a default route?
SL_MUST_USE bool sl_route_default(int ns, bool *there, struct sl_error *err);
// Has some interface an address in dst/len?
SL_MUST_USE bool sl_route_in_use(int ns, uint32_t dst, int len, bool *used, struct sl_error *err);
SL_MUST_USE bool sl_link_mtu(int ns, const char *dev, uint32_t mtu, struct sl_error *err);
// The transmit queue's length in packets.
SL_MUST_USE bool sl_link_queue(int ns, const char *dev, uint32_t packets, struct sl_error *err);
