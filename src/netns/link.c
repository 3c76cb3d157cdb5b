// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/mem.h"
#include "netns/netns.h"
#include "netns/rt.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

bool sl_rt_dress(int ns, struct sl_rt *rt, const char *name, struct sl_error *err)
{
    char path[64];
    snprintf(path, sizeof path, "ipv6/conf/%s/disable_ipv6", name);
    int e = sl_netns_sysctl(ns, path, "1");
    if (e)
        return sl_netns_fail(e, err, "cannot switch IPv6 off on '%s'", name);
    struct sl_rt_link link;
    if (!sl_rt_link_need(rt, name, &link, err) || !sl_rt_offloads_off(rt, name, err))
        return false;
    e = sl_rt_link_flags(rt, link.ifindex, IFF_UP, IFF_UP);
    return e ? sl_rt_fail(rt, e, err, "cannot bring up '%s'", name) : true;
}

static int add_veth(struct sl_rt *rt, const char *a, const char *b, int ns_b)
{
    struct nl_msg *msg = sl_rt_link_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    struct ifinfomsg peer = {.ifi_family = AF_UNSPEC};
    nla_put_string(msg, IFLA_IFNAME, a);
    struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
    nla_put_string(msg, IFLA_INFO_KIND, "veth");
    struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);
    struct nlattr *other = nla_nest_start(msg, VETH_INFO_PEER);
    nlmsg_append(msg, &peer, sizeof peer, NLMSG_ALIGNTO);
    nla_put_string(msg, IFLA_IFNAME, b);
    nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)ns_b);
    nla_nest_end(msg, other);
    nla_nest_end(msg, data);
    nla_nest_end(msg, info);
    return sl_rt_talk(rt, msg, NULL, NULL);
}

bool sl_link_veth(int ns_a, const char *a, int ns_b, const char *b, struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt_a = {0}, rt_b = {0};
    if (!sl_link_name_ok(a, err) || !sl_link_name_ok(b, err) || !sl_rt_open(ns_a, &rt_a, err) ||
        !sl_rt_open(ns_b, &rt_b, err))
        return false;
    int e = add_veth(&rt_a, a, b, ns_b);
    if (e)
        return sl_rt_fail(&rt_a, e, err, "cannot make the veth pair '%s' - '%s'", a, b);
    if (sl_rt_dress(ns_a, &rt_a, a, err) && sl_rt_dress(ns_b, &rt_b, b, err))
        return true;
    if (!sl_link_delete(ns_a, a, NULL))
        sl_hint(err, "'%s' was left behind: 'ip link del %s' in its namespace removes it", a, a);
    return false;
}

// Random, locally administered, unicast. Set by us, it stays; the kernel's own choice would follow
// the lowest address among the ports. Random and not derived from names, since two bridges of one
// name may meet on one wire.
static void bridge_mac(uint8_t mac[6])
{
    if (getrandom(mac, 6, 0) != 6)
        memset(mac, 0x5c, 6);
    mac[0] = (uint8_t)((mac[0] & 0xfc) | 0x02);
}

static int add_bridge(struct sl_rt *rt, const char *name)
{
    struct nl_msg *msg = sl_rt_link_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    uint8_t mac[6];
    bridge_mac(mac);
    nla_put_string(msg, IFLA_IFNAME, name);
    nla_put(msg, IFLA_ADDRESS, sizeof mac, mac);
    struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
    nla_put_string(msg, IFLA_INFO_KIND, "bridge");
    struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);
    nla_put_u32(msg, IFLA_BR_STP_STATE, 0);
    nla_put_u32(msg, IFLA_BR_FORWARD_DELAY, 0);
    nla_put_u8(msg, IFLA_BR_MCAST_SNOOPING, 0);
    nla_nest_end(msg, data);
    nla_nest_end(msg, info);
    return sl_rt_talk(rt, msg, NULL, NULL);
}

bool sl_link_bridge(int ns, const char *name, struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt = {0};
    if (!sl_link_name_ok(name, err) || !sl_rt_open(ns, &rt, err))
        return false;
    int e = add_bridge(&rt, name);
    if (e)
        return sl_rt_fail(&rt, e, err, "cannot make the bridge '%s'", name);
    if (sl_rt_dress(ns, &rt, name, err))
        return true;
    if (!sl_link_delete(ns, name, NULL))
        sl_hint(err, "'%s' was left behind: 'ip link del %s' in its namespace removes it", name,
                name);
    return false;
}

bool sl_link_enslave(int ns, const char *port, const char *bridge, struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt = {0};
    struct sl_rt_link p, b;
    if (!sl_rt_open(ns, &rt, err) || !sl_rt_link_need(&rt, port, &p, err) ||
        !sl_rt_link_need(&rt, bridge, &b, err))
        return false;
    if (p.master == b.ifindex)
        return true;
    int e = sl_rt_link_master(&rt, p.ifindex, b.ifindex);
    return e ? sl_rt_fail(&rt, e, err, "cannot make '%s' a port of '%s'", port, bridge) : true;
}

static bool set_flag(int ns, const char *name, unsigned flag, bool on, struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt = {0};
    struct sl_rt_link link;
    if (!sl_rt_open(ns, &rt, err) || !sl_rt_link_need(&rt, name, &link, err))
        return false;
    int e = sl_rt_link_flags(&rt, link.ifindex, on ? flag : 0, flag);
    return e ? sl_rt_fail(&rt, e, err, "cannot set up '%s'", name) : true;
}

bool sl_link_up(int ns, const char *name, struct sl_error *err)
{
    return set_flag(ns, name, IFF_UP, true, err);
}

bool sl_link_promisc(int ns, const char *name, bool on, struct sl_error *err)
{
    return set_flag(ns, name, IFF_PROMISC, on, err);
}

bool sl_link_address(int ns, const char *name, uint32_t ipv4, int prefix_len, struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt = {0};
    struct sl_rt_link link;
    if (prefix_len < 0 || prefix_len > 32)
        return sl_fail(err, SL_ERUN, "a prefix has 0 to 32 bits, not %d", prefix_len);
    if (!sl_rt_open(ns, &rt, err) || !sl_rt_link_need(&rt, name, &link, err))
        return false;
    struct ifaddrmsg ifa = {.ifa_family = AF_INET,
                            .ifa_prefixlen = (uint8_t)prefix_len,
                            .ifa_index = (uint32_t)link.ifindex};
    struct nl_msg *msg = sl_rt_msg(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &ifa, sizeof ifa);
    nla_put_u32(msg, IFA_LOCAL, htonl(ipv4));
    nla_put_u32(msg, IFA_ADDRESS, htonl(ipv4));
    if (prefix_len < 31)
        nla_put_u32(msg, IFA_BROADCAST, htonl(ipv4 | (uint32_t)(0xffffffffULL >> prefix_len)));
    int e = sl_rt_talk(&rt, msg, NULL, NULL);
    return e ? sl_rt_fail(&rt, e, err, "cannot give '%s' an address", name) : true;
}

bool sl_link_delete(int ns, const char *name, struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt = {0};
    struct sl_rt_link link;
    if (!sl_link_name_ok(name, err) || !sl_rt_open(ns, &rt, err))
        return false;
    int e = sl_rt_link_get(&rt, name, 0, &link);
    if (!e)
        e = sl_rt_talk(&rt, sl_rt_link_msg(RTM_DELLINK, 0, link.ifindex), NULL, NULL);
    return e && e != ENODEV ? sl_rt_fail(&rt, e, err, "cannot delete '%s'", name) : true;
}

bool sl_link_offloads_off(int ns, const char *name, struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt = {0};
    return sl_link_name_ok(name, err) && sl_rt_open(ns, &rt, err) &&
           sl_rt_offloads_off(&rt, name, err);
}

bool sl_link_counters(int ns, const char *name, struct sl_link_counters *out, struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt = {0};
    struct sl_rt_link link;
    if (!sl_rt_open(ns, &rt, err) || !sl_rt_link_need(&rt, name, &link, err))
        return false;
    if (!link.has_stats)
        return sl_fail(err, SL_ERUN, "the interface '%s' has no counters", name);
    *out = (struct sl_link_counters){
        .rx_bytes = link.stats.rx_bytes,
        .rx_packets = link.stats.rx_packets,
        .tx_bytes = link.stats.tx_bytes,
        .tx_packets = link.stats.tx_packets,
        .rx_dropped = link.stats.rx_dropped,
        .tx_dropped = link.stats.tx_dropped,
    };
    return true;
}

struct names {
    char **at;
    size_t len, cap;
};

static void keep_name(void *ctx, struct nlmsghdr *h)
{
    struct sl_rt_link link;
    struct names *v = ctx;
    if (h->nlmsg_type != RTM_NEWLINK)
        return;
    sl_rt_link_parse(h, &link);
    if (link.name[0] && !(link.flags & IFF_LOOPBACK))
        *SL_PUSH(v) = sl_strdup(link.name);
}

bool sl_link_list(int ns, char ***names, size_t *n, struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt = {0};
    if (!sl_rt_open(ns, &rt, err))
        return false;
    struct names v = {0};
    int e = sl_rt_talk(&rt, sl_rt_link_msg(RTM_GETLINK, NLM_F_DUMP, 0), keep_name, &v);
    if (e) {
        for (size_t i = 0; i < v.len; i++)
            free(v.at[i]);
        free(v.at);
        return sl_rt_fail(&rt, e, err, "cannot list the interfaces");
    }
    *names = v.at;
    *n = v.len;
    return true;
}

struct wanted {
    uint32_t address; // network order
    int ifindex;
};

static void match_address(void *ctx, struct nlmsghdr *h)
{
    struct wanted *w = ctx;
    struct nlattr *tb[IFA_MAX + 1];
    struct ifaddrmsg *ifa = nlmsg_data(h);
    if (h->nlmsg_type == RTM_NEWADDR && ifa->ifa_family == AF_INET &&
        nlmsg_parse(h, sizeof *ifa, tb, IFA_MAX, NULL) >= 0 && tb[IFA_LOCAL] &&
        nla_get_u32(tb[IFA_LOCAL]) == w->address && !w->ifindex)
        w->ifindex = (int)ifa->ifa_index;
}

bool sl_link_by_address(int ns, uint32_t ipv4, char ifname[16], struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt = {0};
    if (!sl_rt_open(ns, &rt, err))
        return false;
    struct wanted w = {.address = htonl(ipv4)};
    struct ifaddrmsg ifa = {.ifa_family = AF_INET};
    struct nl_msg *msg = sl_rt_msg(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof ifa);
    struct sl_rt_link link;
    int e = sl_rt_talk(&rt, msg, match_address, &w);
    if (!e && w.ifindex)
        e = sl_rt_link_get(&rt, NULL, w.ifindex, &link);
    if (e)
        return sl_rt_fail(&rt, e, err, "cannot list the addresses");
    if (!w.ifindex)
        return sl_fail(err, SL_ERUN, "no interface has the address %u.%u.%u.%u", ipv4 >> 24,
                       ipv4 >> 16 & 255, ipv4 >> 8 & 255, ipv4 & 255);
    memcpy(ifname, link.name, IFNAMSIZ);
    return true;
}
