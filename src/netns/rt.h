// SPDX-License-Identifier: Apache-2.0
/*
 * Talking to rtnetlink of one namespace. Messages are built and taken apart with libnl; the
 * exchange itself is ours, because libnl drops the kernel's own words (extended acknowledgements),
 * and those words are what a user needs to see.
 *
 * Sockets   both belong to the namespace they were opened in, so they can be used from any thread.
 * Errors    sl_rt_fail makes SL_EENV of missing rights and SL_ERUN of everything else.
 * Threads   one sl_rt belongs to one thread.
 */
#pragma once
#include "base/error.h"
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdint.h>

struct sl_rt {
    struct nl_sock *nl;
    int ioctl_fd;     // an AF_INET datagram socket, for ethtool
    char reason[160]; // the kernel's words about the last failure; "" if it had none
};
SL_MUST_USE bool sl_rt_open(int ns, struct sl_rt *rt, struct sl_error *err);
void sl_rt_close(struct sl_rt *rt); // fit for SL_AUTO

typedef void sl_rt_fn(void *ctx, struct nlmsghdr *h);
// Sends, waits for the acknowledgement (or the end of a dump), hands every answer to fn (may be
// NULL). Takes msg over. Returns 0 or an errno value.
int sl_rt_talk(struct sl_rt *rt, struct nl_msg *msg, sl_rt_fn *fn, void *ctx);
struct nl_msg *sl_rt_msg(int type, int flags, const void *head, size_t bytes);
struct nl_msg *sl_rt_link_msg(int type, int flags, int ifindex); // with an ifinfomsg
// "<what>: <the kernel's words or strerror>". Always false.
bool sl_rt_fail(const struct sl_rt *rt, int why, struct sl_error *err, const char *fmt, ...)
    SL_PRINTF(4, 5);
bool sl_netns_fail(int why, struct sl_error *err, const char *fmt, ...) SL_PRINTF(3, 4);

struct sl_rt_link {
    int ifindex, master; // 0 = none
    int peer;            // IFLA_LINK, 0 = none
    int peer_nsid;       // IFLA_LINK_NETNSID, -1 = none
    unsigned flags;
    char name[IFNAMSIZ], kind[16];
    uint8_t mac[6];
    bool has_stats;
    struct rtnl_link_stats64 stats;
};
// By name, or by index when name is NULL. Returns 0 or an errno value (ENODEV).
int sl_rt_link_get(struct sl_rt *rt, const char *name, int ifindex, struct sl_rt_link *out);
// The same with an error made.
SL_MUST_USE bool sl_rt_link_need(struct sl_rt *rt, const char *name, struct sl_rt_link *out,
                                 struct sl_error *err);
void sl_rt_link_parse(struct nlmsghdr *h, struct sl_rt_link *out);
int sl_rt_link_flags(struct sl_rt *rt, int ifindex, unsigned flags, unsigned mask);
int sl_rt_link_master(struct sl_rt *rt, int ifindex, int master);
// The number by which the namespace of rt knows the namespace fd; -1 when it has none.
int sl_rt_nsid(struct sl_rt *rt, int fd);
// Writes a file below /proc/sys/net as seen from inside ns. A file that is not there is fine (a
// kernel without that part). Returns 0 or an errno value.
int sl_netns_sysctl(int ns, const char *path, const char *value);
bool sl_link_name_ok(const char *name, struct sl_error *err);
// TSO, GSO, GRO, checksums. The interface is called `name` in the namespace of rt.
SL_MUST_USE bool sl_rt_offloads_off(struct sl_rt *rt, const char *name, struct sl_error *err);
// Our own interfaces: IPv6 off (before they come up, or they would send), offloads off, up.
SL_MUST_USE bool sl_rt_dress(int ns, struct sl_rt *rt, const char *name, struct sl_error *err);
