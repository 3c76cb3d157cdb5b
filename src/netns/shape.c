// SPDX-License-Identifier: Apache-2.0
/*
 * HTB 1: at the root of the device. Class 1:<id> has rate = ceil, so that nothing is borrowed; its
 * leaf is a byte FIFO; 1:ffff takes what no filter names, at a rate no veth reaches. u32 filters
 * look at the IPv4 header where it is without options, and leave packets with options, and
 * fragments without ports, unshaped.
 *
 * Burst   a bucket holds 10 ms of the rate: tokens that a late timer left unused are not lost, and
 *         over a second the rate is exact. It never holds less than two full frames.
 * Queue   100 ms of the rate, at least 50 full frames: enough for TCP to fill the rate, short
 * enough to answer. Quantum is set for each class; derived from r2q, the kernel would warn about
 * it.
 *
 * A class is changed in place: its queue, its debt and its counters stay.
 * Source: net/sched/sch_htb.c and cls_u32.c of the kernel; tc-htb(8).
 */
#include "netns/shape.h"
#include "base/auto.h"
#include "netns/rt.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ID = 999, REST = 0xffff, FRAME_BYTES = 1514, FILTER_PRIORITY = 10, MAX_KEYS = 6 };
#define HANDLE TC_H_MAKE(1U << 16, 0)
#define TICKS_PER_SECOND 15625000.0 // the packet scheduler's unit: 64 ns (PSCHED_SHIFT 6)
#define REST_BPS 400e9

struct shaped {
    struct sl_rt rt;
    struct sl_rt_link link;
};

static void shaped_close(struct shaped *s)
{
    sl_rt_close(&s->rt);
}

static bool shaped_open(int ns, const char *dev, struct shaped *s, struct sl_error *err)
{
    return sl_rt_open(ns, &s->rt, err) && sl_rt_link_need(&s->rt, dev, &s->link, err);
}

static struct nl_msg *tc_msg(const struct shaped *s, int type, int flags, uint32_t parent,
                             uint32_t handle, uint32_t info)
{
    struct tcmsg tcm = {.tcm_family = AF_UNSPEC,
                        .tcm_ifindex = s->link.ifindex,
                        .tcm_handle = handle,
                        .tcm_parent = parent,
                        .tcm_info = info};
    return sl_rt_msg(type, flags, &tcm, sizeof tcm);
}

static uint32_t ticks(double seconds)
{
    double t = seconds * TICKS_PER_SECOND;
    return t < 1 ? 1 : t > 4e9 ? 4000000000U : (uint32_t)t;
}

static double atleast(double v, double min)
{
    return v > min ? v : min;
}

static int set_class(struct shaped *s, uint32_t id, double rate_bps)
{
    double bytes_per_s = rate_bps / 8;
    uint64_t rate = (uint64_t)llround(atleast(bytes_per_s, 1));
    double burst = atleast(bytes_per_s * 0.010, 2 * FRAME_BYTES);
    double quantum = atleast(bytes_per_s * 0.001, FRAME_BYTES);
    struct tc_htb_opt opt = {
        .rate = {.linklayer = TC_LINKLAYER_ETHERNET}, // exact lengths: no table of sizes needed
        .quantum = quantum > 200000 ? 200000 : (uint32_t)quantum,
        .buffer = ticks(burst / bytes_per_s),
    };
    opt.rate.rate = rate > UINT32_MAX ? UINT32_MAX : (uint32_t)rate;
    opt.ceil = opt.rate;
    opt.cbuffer = opt.buffer;
    struct nl_msg *msg = tc_msg(s, RTM_NEWTCLASS, NLM_F_CREATE, HANDLE, HANDLE | id, 0);
    nla_put_string(msg, TCA_KIND, "htb");
    struct nlattr *o = nla_nest_start(msg, TCA_OPTIONS);
    nla_put(msg, TCA_HTB_PARMS, sizeof opt, &opt);
    if (rate > UINT32_MAX) {
        nla_put_u64(msg, TCA_HTB_RATE64, rate);
        nla_put_u64(msg, TCA_HTB_CEIL64, rate);
    }
    nla_nest_end(msg, o);
    return sl_rt_talk(&s->rt, msg, NULL, NULL);
}

// Makes the class's queue, or changes the limit of the one that is there without losing a packet.
static int set_queue(struct shaped *s, uint32_t id, double rate_bps)
{
    double bytes = atleast(rate_bps / 8 * 0.100, 50 * FRAME_BYTES);
    struct tc_fifo_qopt opt = {.limit = bytes > 1e9 ? 1000000000U : (uint32_t)bytes};
    uint32_t handle = (0x1000U + id) << 16;
    struct nl_msg *msg = tc_msg(s, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, HANDLE | id,
                                id == REST ? 0x2000U << 16 : handle, 0);
    nla_put_string(msg, TCA_KIND, "bfifo");
    nla_put(msg, TCA_OPTIONS, sizeof opt, &opt);
    return sl_rt_talk(&s->rt, msg, NULL, NULL);
}

static int delete_root(struct shaped *s)
{
    int e = sl_rt_talk(&s->rt, tc_msg(s, RTM_DELQDISC, 0, TC_H_ROOT, 0, 0), NULL, NULL);
    return e == ENOENT || e == EINVAL ? 0 : e; // nothing but the kernel's own there
}

static int add_root(struct shaped *s)
{
    struct tc_htb_glob glob = {.version = 3, .rate2quantum = 10, .defcls = REST};
    struct nl_msg *msg = tc_msg(s, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, TC_H_ROOT, HANDLE, 0);
    nla_put_string(msg, TCA_KIND, "htb");
    struct nlattr *o = nla_nest_start(msg, TCA_OPTIONS);
    nla_put(msg, TCA_HTB_INIT, sizeof glob, &glob);
    nla_nest_end(msg, o);
    return sl_rt_talk(&s->rt, msg, NULL, NULL);
}

bool sl_shape_init(int ns, const char *dev, struct sl_error *err)
{
    SL_AUTO(shaped_close) struct shaped s = {0};
    if (!shaped_open(ns, dev, &s, err))
        return false;
    int e = delete_root(&s);
    if (!e)
        e = add_root(&s);
    if (!e)
        e = set_class(&s, REST, REST_BPS);
    if (!e)
        e = set_queue(&s, REST, 1e9); // 12.5 MB
    return e ? sl_rt_fail(&s.rt, e, err, "cannot shape '%s'", dev) : true;
}

static bool check_id(uint16_t id, struct sl_error *err)
{
    return id >= 1 && id <= MAX_ID
               ? true
               : sl_fail(err, SL_ERUN, "a shaping class is numbered 1 to %d, not %u", MAX_ID, id);
}

bool sl_shape_class(int ns, const char *dev, uint16_t id, double rate_bps, struct sl_error *err)
{
    SL_AUTO(shaped_close) struct shaped s = {0};
    if (!check_id(id, err))
        return false;
    if (!(rate_bps >= 1000 && rate_bps <= REST_BPS))
        return sl_fail(err, SL_ERUN, "a rate is 1 kbit/s to 400 Gbit/s, not %g bit/s", rate_bps);
    if (!shaped_open(ns, dev, &s, err))
        return false;
    int e = set_class(&s, id, rate_bps);
    if (!e)
        e = set_queue(&s, id, rate_bps);
    return e ? sl_rt_fail(&s.rt, e, err, "cannot shape class %u of '%s'", id, dev) : true;
}

struct selector {
    unsigned char n;
    struct tc_u32_key keys[MAX_KEYS];
};

static void key(struct selector *sel, int offset, uint32_t mask, uint32_t value)
{
    sel->keys[sel->n++] =
        (struct tc_u32_key){.off = offset, .mask = htonl(mask), .val = htonl(value & mask)};
}

// Words of the IPv4 header: 0 version and length, 4 fragment offset, 8 protocol, 12 source, 16
// destination; then the ports.
static void build_selector(const struct sl_shape_match *m, struct selector *sel)
{
    bool ports = m->sport || m->dport;
    if (ports) {
        key(sel, 0, 0x0f000000, 0x05000000);
        key(sel, 4, 0x00001fff, 0);
        key(sel, 20, (m->sport ? 0xffff0000 : 0) | (m->dport ? 0xffff : 0),
            (uint32_t)m->sport << 16 | m->dport);
    }
    if (m->proto)
        key(sel, 8, 0x00ff0000, (uint32_t)m->proto << 16);
    if (m->src)
        key(sel, 12, ~0U, m->src);
    if (m->dst)
        key(sel, 16, ~0U, m->dst);
    if (!sel->n)
        key(sel, 0, 0, 0);
}

static void put_selector(struct nl_msg *msg, const struct selector *sel)
{
    struct tc_u32_sel head = {.flags = TC_U32_TERMINAL, .nkeys = sel->n};
    size_t keys = sel->n * sizeof *sel->keys;
    struct nlattr *a = nla_reserve(msg, TCA_U32_SEL, (int)(sizeof head + keys));
    if (!a)
        return; // the message has a page; six keys are 112 bytes
    memcpy(nla_data(a), &head, sizeof head);
    memcpy((char *)nla_data(a) + sizeof head, sel->keys, keys);
}

bool sl_shape_match(int ns, const char *dev, uint16_t id, const struct sl_shape_match *m,
                    struct sl_error *err)
{
    SL_AUTO(shaped_close) struct shaped s = {0};
    if (!check_id(id, err) || !shaped_open(ns, dev, &s, err))
        return false;
    struct selector sel = {0};
    build_selector(m, &sel);
    struct nl_msg *msg = tc_msg(&s, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, HANDLE, 0,
                                TC_H_MAKE((uint32_t)FILTER_PRIORITY << 16, htons(ETH_P_IP)));
    nla_put_string(msg, TCA_KIND, "u32");
    struct nlattr *o = nla_nest_start(msg, TCA_OPTIONS);
    nla_put_u32(msg, TCA_U32_CLASSID, HANDLE | id);
    put_selector(msg, &sel);
    nla_nest_end(msg, o);
    int e = sl_rt_talk(&s.rt, msg, NULL, NULL);
    return e ? sl_rt_fail(&s.rt, e, err, "cannot send traffic of '%s' to class %u", dev, id) : true;
}

struct found {
    uint32_t classid;
    bool there;
    struct sl_shape_counters c;
};

static void take_stats(struct nlattr *stats, struct sl_shape_counters *out)
{
    struct nlattr *tb[TCA_STATS_MAX + 1];
    if (nla_parse_nested(tb, TCA_STATS_MAX, stats, NULL))
        return;
    struct gnet_stats_basic basic = {0};
    struct gnet_stats_queue queue = {0};
    if (tb[TCA_STATS_BASIC])
        nla_memcpy(&basic, tb[TCA_STATS_BASIC], sizeof basic);
    if (tb[TCA_STATS_QUEUE])
        nla_memcpy(&queue, tb[TCA_STATS_QUEUE], sizeof queue);
    *out = (struct sl_shape_counters){.bytes = basic.bytes,
                                      .packets = basic.packets,
                                      .drops = queue.drops,
                                      .backlog_bytes = queue.backlog};
    if (tb[TCA_STATS_PKT64])
        out->packets = nla_get_u64(tb[TCA_STATS_PKT64]);
}

static void match_class(void *ctx, struct nlmsghdr *h)
{
    struct found *f = ctx;
    struct tcmsg *tcm = nlmsg_data(h);
    struct nlattr *tb[TCA_MAX + 1];
    if (h->nlmsg_type != RTM_NEWTCLASS || tcm->tcm_handle != f->classid ||
        nlmsg_parse(h, sizeof *tcm, tb, TCA_MAX, NULL) < 0)
        return;
    f->there = true;
    if (tb[TCA_STATS2])
        take_stats(tb[TCA_STATS2], &f->c);
}

bool sl_shape_counters(int ns, const char *dev, uint16_t id, struct sl_shape_counters *out,
                       struct sl_error *err)
{
    SL_AUTO(shaped_close) struct shaped s = {0};
    if ((id && !check_id(id, err)) || !shaped_open(ns, dev, &s, err))
        return false;
    struct found f = {.classid = HANDLE | (id ? id : REST)};
    struct nl_msg *msg = tc_msg(&s, RTM_GETTCLASS, NLM_F_DUMP, 0, 0, 0);
    int e = sl_rt_talk(&s.rt, msg, match_class, &f);
    if (!e && !f.there)
        e = ENOENT;
    if (e)
        return sl_rt_fail(&s.rt, e, err, "cannot read class %u of '%s'", id, dev);
    *out = f.c;
    return true;
}
