// SPDX-License-Identifier: Apache-2.0
/*
 * Packet filters through `nft` (JSON or text on stdin): what may pass our bridges, and what may
 * reach the host from engine bridges. Tables are named "sluice-<run>" so that they can be found.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

// Bridge family, forward hook, in `ns`: IPv4 and ARP only, and only between addresses of one subnet of the
// list ("10.201.3.0/27"); everything else is dropped and counted. Replaces an earlier table.
SL_MUST_USE bool sl_filter_bridge(int ns, const char *run, const char *const *subnets, size_t n, struct sl_error *err);
// In the engine's namespace: input from these bridges is dropped (until veths are moved, and for strays),
// and forwarding from them too.
SL_MUST_USE bool sl_filter_host(int ns, const char *run, const char *const *bridges, size_t n, struct sl_error *err);
SL_MUST_USE bool sl_filter_remove(int ns, const char *run, struct sl_error *err); // all our tables of that run; absent is fine
SL_MUST_USE bool sl_filter_list(int ns, char ***runs, size_t *n, struct sl_error *err); // runs that have tables
struct sl_filter_drops {
    uint64_t packets, bytes;
};
// What the tables of a run have dropped in this namespace since they were set.
SL_MUST_USE bool sl_filter_dropped(int ns, const char *run, struct sl_filter_drops *out, struct sl_error *err);
