// SPDX-License-Identifier: Apache-2.0
#include "netns/rt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "netns/netns.h"
#include <ctype.h>
#include <errno.h>
#include <linux/net_namespace.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

__attribute__((format(printf, 4, 0))) static bool
vfail(int why, const char *reason, struct sl_error *err, const char *fmt, va_list ap)
{
    char what[400];
    vsnprintf(what, sizeof what, fmt, ap);
    bool rights = why == EPERM || why == EACCES;
    bool extra = reason && *reason;
    sl_fail(err, rights ? SL_EENV : SL_ERUN, "%s: %s%s%s%s", what, strerror(why), extra ? " (" : "",
            extra ? reason : "", extra ? ")" : "");
    if (rights)
        sl_hint(err, "run as root, or with the capabilities CAP_NET_ADMIN and CAP_SYS_ADMIN");
    return false;
}

bool sl_netns_fail(int why, struct sl_error *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfail(why, NULL, err, fmt, ap);
    va_end(ap);
    return false;
}

bool sl_rt_fail(const struct sl_rt *rt, int why, struct sl_error *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfail(why, rt->reason, err, fmt, ap);
    va_end(ap);
    return false;
}

static bool open_inside(void *ctx, struct sl_error *err)
{
    struct sl_rt *rt = ctx;
    rt->nl = nl_socket_alloc();
    if (!rt->nl)
        return sl_fail(err, SL_ERUN, "cannot open a netlink socket: out of memory");
    int e = nl_connect(rt->nl, NETLINK_ROUTE);
    if (e < 0)
        return sl_fail(err, SL_ERUN, "cannot open a netlink socket: %s", nl_geterror(e));
    int one = 1;
    int fd = nl_socket_get_fd(rt->nl);
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
    rt->ioctl_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (rt->ioctl_fd < 0)
        return sl_netns_fail(errno, err, "cannot open a socket");
    return true;
}

bool sl_rt_open(int ns, struct sl_rt *rt, struct sl_error *err)
{
    *rt = (struct sl_rt){.ioctl_fd = -1};
    if (sl_netns_run(ns, open_inside, rt, err))
        return true;
    sl_rt_close(rt);
    return false;
}

void sl_rt_close(struct sl_rt *rt)
{
    if (!rt->nl)
        return; // never opened, or zeroed
    if (rt->ioctl_fd >= 0)
        close(rt->ioctl_fd);
    nl_socket_free(rt->nl);
    *rt = (struct sl_rt){.ioctl_fd = -1};
}

struct nl_msg *sl_rt_msg(int type, int flags, const void *head, size_t bytes)
{
    struct nl_msg *msg = nlmsg_alloc_simple(type, flags);
    if (!msg || nlmsg_append(msg, (void *)(uintptr_t)head, bytes, NLMSG_ALIGNTO)) {
        sl_log(SL_LOG_ERROR, "out of memory");
        abort(); // one page, a fixed size
    }
    return msg;
}

struct nl_msg *sl_rt_link_msg(int type, int flags, int ifindex)
{
    struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
    return sl_rt_msg(type, flags, &ifi, sizeof ifi);
}

// The message of an extended acknowledgement: attributes behind the error (NETLINK_CAP_ACK is set,
// so only the header of our request is quoted in between).
static void take_reason(struct sl_rt *rt, struct nlmsghdr *h)
{
    rt->reason[0] = '\0';
    if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
        return;
    struct nlmsgerr *e = nlmsg_data(h);
    int skip = (int)sizeof *e;
    if (!(h->nlmsg_flags & NLM_F_CAPPED))
        skip += (int)NLMSG_ALIGN(e->msg.nlmsg_len) - (int)sizeof e->msg;
    int left = nlmsg_datalen(h) - skip;
    if (left <= 0)
        return;
    struct nlattr *a = nla_find((struct nlattr *)((char *)e + skip), left, NLMSGERR_ATTR_MSG);
    if (a)
        nla_strlcpy(rt->reason, a, sizeof rt->reason);
}

// One datagram. Returns true when the exchange is over, with *result set.
static bool take_datagram(struct sl_rt *rt, char *buf, int len, uint32_t seq, sl_rt_fn *fn,
                          void *ctx, int *result)
{
    for (struct nlmsghdr *h = (struct nlmsghdr *)buf; nlmsg_ok(h, len); h = nlmsg_next(h, &len)) {
        if (h->nlmsg_seq != seq)
            continue;
        if (h->nlmsg_type == NLMSG_ERROR) {
            struct nlmsgerr *e = nlmsg_data(h);
            take_reason(rt, h);
            *result = -e->error;
            return true;
        }
        if (h->nlmsg_type == NLMSG_DONE) {
            *result = 0;
            return true;
        }
        if (fn)
            fn(ctx, h);
    }
    return false;
}

int sl_rt_talk(struct sl_rt *rt, struct nl_msg *msg, sl_rt_fn *fn, void *ctx)
{
    enum { BUF = 65536 };
    rt->reason[0] = '\0';
    nl_complete_msg(rt->nl, msg); // sets sequence number and NLM_F_ACK
    struct nlmsghdr *h = nlmsg_hdr(msg);
    uint32_t seq = h->nlmsg_seq;
    int fd = nl_socket_get_fd(rt->nl);
    ssize_t sent = send(fd, h, h->nlmsg_len, 0);
    nlmsg_free(msg);
    if (sent < 0)
        return errno;
    char *buf = sl_alloc(BUF);
    int result = 0;
    for (;;) {
        ssize_t n = recv(fd, buf, BUF, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            result = errno;
            break;
        }
        if (take_datagram(rt, buf, (int)n, seq, fn, ctx, &result))
            break;
    }
    free(buf);
    return result;
}

void sl_rt_link_parse(struct nlmsghdr *h, struct sl_rt_link *out)
{
    *out = (struct sl_rt_link){.peer_nsid = -1};
    struct ifinfomsg *ifi = nlmsg_data(h);
    struct nlattr *tb[IFLA_MAX + 1];
    if (nlmsg_parse(h, sizeof *ifi, tb, IFLA_MAX, NULL) < 0)
        return;
    out->ifindex = ifi->ifi_index;
    out->flags = ifi->ifi_flags;
    if (tb[IFLA_IFNAME])
        nla_strlcpy(out->name, tb[IFLA_IFNAME], sizeof out->name);
    if (tb[IFLA_MASTER])
        out->master = (int)nla_get_u32(tb[IFLA_MASTER]);
    if (tb[IFLA_LINK])
        out->peer = (int)nla_get_u32(tb[IFLA_LINK]);
    if (tb[IFLA_LINK_NETNSID])
        out->peer_nsid = nla_get_s32(tb[IFLA_LINK_NETNSID]);
    if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == 6)
        memcpy(out->mac, nla_data(tb[IFLA_ADDRESS]), 6);
    if (tb[IFLA_STATS64]) {
        out->has_stats = true;
        nla_memcpy(&out->stats, tb[IFLA_STATS64], sizeof out->stats);
    }
    struct nlattr *info[IFLA_INFO_MAX + 1];
    if (tb[IFLA_LINKINFO] && !nla_parse_nested(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL) &&
        info[IFLA_INFO_KIND])
        nla_strlcpy(out->kind, info[IFLA_INFO_KIND], sizeof out->kind);
}

static void keep_link(void *ctx, struct nlmsghdr *h)
{
    if (h->nlmsg_type == RTM_NEWLINK)
        sl_rt_link_parse(h, ctx);
}

int sl_rt_link_get(struct sl_rt *rt, const char *name, int ifindex, struct sl_rt_link *out)
{
    struct nl_msg *msg = sl_rt_link_msg(RTM_GETLINK, 0, name ? 0 : ifindex);
    if (name)
        nla_put_string(msg, IFLA_IFNAME, name);
    struct sl_rt_link got = {0};
    int e = sl_rt_talk(rt, msg, keep_link, &got);
    if (!e && !got.ifindex)
        e = ENODEV;
    if (!e)
        *out = got;
    return e;
}

bool sl_rt_link_need(struct sl_rt *rt, const char *name, struct sl_rt_link *out,
                     struct sl_error *err)
{
    if (!sl_link_name_ok(name, err))
        return false;
    int e = sl_rt_link_get(rt, name, 0, out);
    return e ? sl_rt_fail(rt, e, err, "cannot find the interface '%s'", name) : true;
}

int sl_rt_link_flags(struct sl_rt *rt, int ifindex, unsigned flags, unsigned mask)
{
    struct ifinfomsg ifi = {.ifi_index = ifindex, .ifi_flags = flags, .ifi_change = mask};
    return sl_rt_talk(rt, sl_rt_msg(RTM_NEWLINK, 0, &ifi, sizeof ifi), NULL, NULL);
}

int sl_rt_link_master(struct sl_rt *rt, int ifindex, int master)
{
    struct nl_msg *msg = sl_rt_link_msg(RTM_NEWLINK, 0, ifindex);
    nla_put_u32(msg, IFLA_MASTER, (uint32_t)master);
    return sl_rt_talk(rt, msg, NULL, NULL);
}

static void keep_nsid(void *ctx, struct nlmsghdr *h)
{
    struct nlattr *tb[NETNSA_MAX + 1];
    if (h->nlmsg_type == RTM_NEWNSID &&
        nlmsg_parse(h, sizeof(struct rtgenmsg), tb, NETNSA_MAX, NULL) >= 0 && tb[NETNSA_NSID])
        *(int *)ctx = nla_get_s32(tb[NETNSA_NSID]);
}

int sl_rt_nsid(struct sl_rt *rt, int fd)
{
    struct rtgenmsg g = {.rtgen_family = AF_UNSPEC};
    struct nl_msg *msg = sl_rt_msg(RTM_GETNSID, 0, &g, sizeof g);
    nla_put_u32(msg, NETNSA_FD, (uint32_t)fd);
    int nsid = -1;
    return sl_rt_talk(rt, msg, keep_nsid, &nsid) ? -1 : nsid;
}

bool sl_link_name_ok(const char *name, struct sl_error *err)
{
    size_t n = name ? strlen(name) : 0;
    bool ok = n >= 1 && n < IFNAMSIZ && strcmp(name, ".") && strcmp(name, "..");
    for (size_t i = 0; ok && i < n; i++)
        ok = isgraph((unsigned char)name[i]) && !strchr("/:%\"\\", name[i]);
    return ok ? true
              : sl_fail(err, SL_ERUN,
                        "'%.40s' cannot be the name of an interface: 1 to 15 characters, no "
                        "spaces, no / : %% \" \\",
                        name ? name : "");
}
