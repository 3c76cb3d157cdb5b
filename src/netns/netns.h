// SPDX-License-Identifier: Apache-2.0
/*
 * Network namespaces and what is in them: veths, bridges, addresses, offloads, counters, and moving
 * a container's veth safely. Netlink through libnl; everything happens in the namespace of the given
 * descriptor, never in the caller's.
 *
 * Names    namespaces are bind mounts under /run/netns, as ip-netns(8) makes them; interface names
 *          have at most 15 characters.
 * Errors   SL_EENV when rights are missing, SL_ERUN otherwise; deleting what is not there is success.
 * Threads  safe: each call works in a short-lived thread of its own.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>
#include <sys/types.h>

SL_MUST_USE bool sl_netns_create(const char *name, struct sl_error *err); // lo up, IPv6 off by default
SL_MUST_USE bool sl_netns_delete(const char *name, struct sl_error *err);
SL_MUST_USE bool sl_netns_list(const char *prefix, char ***names, size_t *n, struct sl_error *err);
SL_MUST_USE bool sl_netns_open(const char *name, int *fd, struct sl_error *err);
SL_MUST_USE bool sl_netns_open_pid(pid_t pid, int *fd, struct sl_error *err);
SL_MUST_USE bool sl_netns_open_self(int *fd, struct sl_error *err);
typedef bool sl_netns_fn(void *ctx, struct sl_error *err);
// Runs fn in a thread that is inside the namespace; sockets it opens stay there.
SL_MUST_USE bool sl_netns_run(int ns, sl_netns_fn *fn, void *ctx, struct sl_error *err);

// A new namespace of ours does not forward IPv4 (the first namespace's setting is not inherited).
SL_MUST_USE bool sl_netns_forwarding(int ns, bool on, struct sl_error *err);

SL_MUST_USE bool sl_link_veth(int ns_a, const char *a, int ns_b, const char *b, struct sl_error *err); // both up, IPv6 off, offloads off
SL_MUST_USE bool sl_link_bridge(int ns, const char *name, struct sl_error *err); // no STP, no multicast snooping, IPv6 off, up
SL_MUST_USE bool sl_link_enslave(int ns, const char *port, const char *bridge, struct sl_error *err);
SL_MUST_USE bool sl_link_up(int ns, const char *name, struct sl_error *err);
SL_MUST_USE bool sl_link_promisc(int ns, const char *name, bool on, struct sl_error *err);
SL_MUST_USE bool sl_link_address(int ns, const char *name, uint32_t ipv4, int prefix_len, struct sl_error *err);
SL_MUST_USE bool sl_link_delete(int ns, const char *name, struct sl_error *err);
SL_MUST_USE bool sl_link_offloads_off(int ns, const char *name, struct sl_error *err); // TSO GSO GRO, rx and tx checksums
struct sl_link_counters {
    uint64_t rx_bytes, rx_packets, tx_bytes, tx_packets, rx_dropped, tx_dropped;
};
SL_MUST_USE bool sl_link_counters(int ns, const char *name, struct sl_link_counters *out, struct sl_error *err);
// Names of all links of a namespace (without lo).
SL_MUST_USE bool sl_link_list(int ns, char ***names, size_t *n, struct sl_error *err);
// The inner interface of a container that has this IPv4 address ("eth0"...).
SL_MUST_USE bool sl_link_by_address(int ns, uint32_t ipv4, char ifname[16], struct sl_error *err);

/*
 * Moves the outer end of a container's veth out of the engine's bridge into `to_ns`, renames it and
 * makes it a port of `to_bridge`. Refuses anything that is not a veth, found from inside the
 * container's namespace through IFLA_LINK and IFLA_LINK_NETNSID, whose master in `engine_ns` is a
 * bridge named engine_bridge. Offloads are switched off on both ends.
 */
struct sl_adopt {
    int container_ns;
    const char *inner;         // "eth0"
    int engine_ns;             // where the engine's bridges are
    const char *engine_bridge; // "br-" + first 12 of the network id
    int to_ns;
    const char *name;          // new name of the outer end
    const char *to_bridge;
};
SL_MUST_USE bool sl_netns_adopt(const struct sl_adopt *a, struct sl_error *err);
