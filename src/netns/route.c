// SPDX-License-Identifier: Apache-2.0
#include "netns/route.h"
#include "base/auto.h"
#include "netns/netns.h"
#include "netns/rt.h"
#include <arpa/inet.h>
#include <string.h>

static struct nl_msg *route_msg(int type, uint8_t table, uint8_t kind, uint8_t scope, uint32_t dst,
                                int len, int ifindex)
{
    struct rtmsg r = {.rtm_family = AF_INET,
                      .rtm_dst_len = (uint8_t)len,
                      .rtm_table = table,
                      .rtm_protocol = RTPROT_STATIC,
                      .rtm_scope = scope,
                      .rtm_type = kind};
    struct nl_msg *msg = sl_rt_msg(type, NLM_F_CREATE | NLM_F_REPLACE, &r, sizeof r);
    if (len)
        nla_put_u32(msg, RTA_DST, htonl(dst));
    nla_put_u32(msg, RTA_OIF, (uint32_t)ifindex);
    return msg;
}

static bool add(int ns, const char *dev, uint8_t table, uint8_t kind, uint8_t scope, uint32_t dst,
                int len, uint32_t src, struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt = {0};
    struct sl_rt_link link;
    if (!sl_rt_open(ns, &rt, err) || !sl_rt_link_need(&rt, dev, &link, err))
        return false;
    struct nl_msg *msg = route_msg(RTM_NEWROUTE, table, kind, scope, dst, len, link.ifindex);
    if (src)
        nla_put_u32(msg, RTA_PREFSRC, htonl(src));
    int e = sl_rt_talk(&rt, msg, NULL, NULL);
    struct in_addr a = {htonl(dst)};
    char text[INET_ADDRSTRLEN];
    return e ? sl_rt_fail(&rt, e, err, "cannot route %s/%d to '%s'",
                          inet_ntop(AF_INET, &a, text, sizeof text), len, dev)
             : true;
}

bool sl_route_add(int ns, const char *dev, uint32_t dst, int len, uint32_t src,
                  struct sl_error *err)
{
    return add(ns, dev, RT_TABLE_MAIN, RTN_UNICAST, RT_SCOPE_LINK, dst, len, src, err);
}

bool sl_route_add_local(int ns, uint32_t dst, int len, struct sl_error *err)
{
    return add(ns, "lo", RT_TABLE_LOCAL, RTN_LOCAL, RT_SCOPE_HOST, dst, len, 0, err);
}

static void look_for_default(void *ctx, struct nlmsghdr *h)
{
    const struct rtmsg *r = nlmsg_data(h);
    if (h->nlmsg_type == RTM_NEWROUTE && !r->rtm_dst_len && r->rtm_table == RT_TABLE_MAIN)
        *(bool *)ctx = true;
}

bool sl_route_default(int ns, bool *there, struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt = {0};
    struct rtmsg r = {.rtm_family = AF_INET};
    bool found = false;
    if (!sl_rt_open(ns, &rt, err))
        return false;
    int e = sl_rt_talk(&rt, sl_rt_msg(RTM_GETROUTE, NLM_F_DUMP, &r, sizeof r), look_for_default,
                       &found);
    if (e)
        return sl_rt_fail(&rt, e, err, "cannot read the routes");
    *there = found;
    return true;
}

struct search {
    uint32_t dst, mask;
    bool found;
};

static void look_for_address(void *ctx, struct nlmsghdr *h)
{
    struct search *s = ctx;
    struct nlattr *a[IFA_MAX + 1] = {0};
    if (h->nlmsg_type != RTM_NEWADDR ||
        nlmsg_parse(h, sizeof(struct ifaddrmsg), a, IFA_MAX, NULL) < 0 || !a[IFA_LOCAL])
        return;
    s->found |= (ntohl(nla_get_u32(a[IFA_LOCAL])) & s->mask) == s->dst;
}

bool sl_route_in_use(int ns, uint32_t dst, int len, bool *used, struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt = {0};
    struct ifaddrmsg ifa = {.ifa_family = AF_INET};
    struct search s = {.mask = len ? 0xffffffffu << (32 - len) : 0};
    s.dst = dst & s.mask;
    if (!sl_rt_open(ns, &rt, err))
        return false;
    int e =
        sl_rt_talk(&rt, sl_rt_msg(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof ifa), look_for_address, &s);
    if (e)
        return sl_rt_fail(&rt, e, err, "cannot read the addresses");
    *used = s.found;
    return true;
}

static bool set_u32(int ns, const char *dev, int attribute, const char *what, uint32_t value,
                    struct sl_error *err)
{
    SL_AUTO(sl_rt_close) struct sl_rt rt = {0};
    struct sl_rt_link link;
    if (!sl_rt_open(ns, &rt, err) || !sl_rt_link_need(&rt, dev, &link, err))
        return false;
    struct nl_msg *msg = sl_rt_link_msg(RTM_NEWLINK, 0, link.ifindex);
    nla_put_u32(msg, attribute, value);
    int e = sl_rt_talk(&rt, msg, NULL, NULL);
    return e ? sl_rt_fail(&rt, e, err, "cannot set the %s of '%s' to %u", what, dev, value) : true;
}

bool sl_link_mtu(int ns, const char *dev, uint32_t mtu, struct sl_error *err)
{
    return set_u32(ns, dev, IFLA_MTU, "MTU", mtu, err);
}

bool sl_link_queue(int ns, const char *dev, uint32_t packets, struct sl_error *err)
{
    return set_u32(ns, dev, IFLA_TXQLEN, "transmit queue", packets, err);
}
