// SPDX-License-Identifier: Apache-2.0
#include "cli/probe.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/proc.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define LIMIT_NS INT64_C(15000000000)

struct message {
    struct nlmsghdr head;
    union {
        struct ifinfomsg link;
        struct tcmsg tc;
    } body;
    char rest[256];
};

static struct rtattr *put(struct message *m, unsigned short type, const void *data, size_t len)
{
    struct rtattr *a = (struct rtattr *)(void *)((char *)m + NLMSG_ALIGN(m->head.nlmsg_len));
    a->rta_type = type;
    a->rta_len = (unsigned short)RTA_LENGTH(len);
    if (len)
        memcpy(RTA_DATA(a), data, len);
    m->head.nlmsg_len = (unsigned)(NLMSG_ALIGN(m->head.nlmsg_len) + RTA_ALIGN(a->rta_len));
    return a;
}

static void end_nest(struct message *m, struct rtattr *a)
{
    a->rta_len = (unsigned short)((char *)m + NLMSG_ALIGN(m->head.nlmsg_len) - (char *)a);
}

// Sends a request; returns 0 or the errno of the kernel's answer.
static int request(struct message *m)
{
    SL_AUTO(sl_close_fd) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || send(fd, m, m->head.nlmsg_len, 0) < 0)
        return errno;
    char buf[4096] __attribute__((aligned(8)));
    ssize_t n = recv(fd, buf, sizeof buf, 0);
    const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;
    if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || h->nlmsg_type != NLMSG_ERROR)
        return n < 0 ? errno : EPROTO;
    return -((const struct nlmsgerr *)NLMSG_DATA(h))->error;
}

static int add_link(const char *kind, const char *name)
{
    struct message m = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                 .nlmsg_type = RTM_NEWLINK,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL}};
    put(&m, IFLA_IFNAME, name, strlen(name) + 1);
    struct rtattr *info = put(&m, IFLA_LINKINFO, NULL, 0);
    put(&m, IFLA_INFO_KIND, kind, strlen(kind));
    end_nest(&m, info);
    return request(&m);
}

static int add_qdisc(const char *dev, const char *kind, const void *options, size_t len,
                     bool nested)
{
    struct message m = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct tcmsg)),
                 .nlmsg_type = RTM_NEWQDISC,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE}};
    m.body.tc = (struct tcmsg){.tcm_ifindex = (int)if_nametoindex(dev), .tcm_parent = TC_H_ROOT};
    put(&m, TCA_KIND, kind, strlen(kind) + 1);
    struct rtattr *o = put(&m, TCA_OPTIONS, nested ? NULL : options, nested ? 0 : len);
    if (nested) {
        put(&m, TCA_HTB_INIT, options, len);
        end_nest(&m, o);
    }
    return request(&m);
}

static int nft_bridge(void)
{
    static const char rules[] = "table bridge sluice-probe {\n"
                                "chain f {\n"
                                "type filter hook forward priority 0\n"
                                "ether type arp accept\n"
                                "ip saddr 10.0.0.0/8 counter accept\n"
                                "}\n}\n";
    const char *argv[] = {"nft", "-f", "-", NULL};
    struct sl_proc_options opt = {
        .input = rules, .input_len = sizeof rules - 1, .deadline_ns = 5000000000};
    struct sl_error err = {0};
    if (sl_proc_run(argv, &opt, &err))
        return 0;
    return err.code == SL_EENV ? ENOENT : EOPNOTSUPP;
}

static void probe_all(struct sl_probe_result *out)
{
    for (int i = SL_PROBE_VETH; i < SL_PROBE_COUNT; i++)
        out[i].done = true;
    out[SL_PROBE_VETH].why = add_link("veth", "v0");
    out[SL_PROBE_BRIDGE].why = add_link("bridge", "b0");
    out[SL_PROBE_IFB].why = add_link("ifb", "i0");
    bool dev = out[SL_PROBE_VETH].why == 0;
    out[SL_PROBE_HTB].done = out[SL_PROBE_NETEM].done = dev;
    if (dev) {
        struct tc_htb_glob htb = {.version = 3, .rate2quantum = 10};
        out[SL_PROBE_HTB].why = add_qdisc("v0", "htb", &htb, sizeof htb, true);
        struct tc_netem_qopt netem = {.latency = 1000, .limit = 1000};
        out[SL_PROBE_NETEM].why = add_qdisc("v0", "netem", &netem, sizeof netem, false);
    }
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    out[SL_PROBE_PACKET].why = fd < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    out[SL_PROBE_NFT_BRIDGE].why = nft_bridge();
}

static void child(int to)
{
    struct sl_probe_result r[SL_PROBE_COUNT] = {0};
    r[SL_PROBE_NETNS].done = true;
    int flags = CLONE_NEWNET | (geteuid() ? CLONE_NEWUSER : 0);
    if (unshare(flags))
        r[SL_PROBE_NETNS].why = errno;
    else
        probe_all(r);
    ssize_t n = write(to, r, sizeof r);
    _exit(n == (ssize_t)sizeof r ? 0 : 1);
}

void sl_probe_kernel(struct sl_probe_result out[SL_PROBE_COUNT])
{
    memset(out, 0, SL_PROBE_COUNT * sizeof *out);
    int p[2];
    if (pipe(p))
        return;
    pid_t pid = fork();
    if (pid == 0)
        child(p[1]);
    close(p[1]);
    struct pollfd wait = {.fd = p[0], .events = POLLIN};
    struct sl_probe_result r[SL_PROBE_COUNT];
    int64_t end = sl_mono_ns() + LIMIT_NS;
    while (pid > 0 && sl_mono_ns() < end && !sl_interrupted()) {
        if (poll(&wait, 1, 200) <= 0)
            continue;
        if (read(p[0], r, sizeof r) == (ssize_t)sizeof r)
            memcpy(out, r, sizeof r);
        break;
    }
    close(p[0]);
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}
