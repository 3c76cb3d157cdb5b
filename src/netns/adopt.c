// SPDX-License-Identifier: Apache-2.0
/*
 * Interface numbers mean nothing outside their namespace, and /sys shows the wrong namespace: code
 * that trusted either has moved a machine's uplink. So the outer end is found by the kernel's own
 * word, from both sides:
 *
 *   container_ns   inner is a veth; its peer is number P in the namespace known here as N; and N is
 *                  what this namespace calls engine_ns (RTM_GETNSID)
 *   engine_ns      number P is a veth; its peer is inner's number, in container_ns; its master is a
 *                  bridge with the name we were given
 *
 * Anything else is refused. The move and the new name go in one message, so the interface is never
 * in to_ns under its old name. Everything that can be refused is refused before the move; a failure
 * afterwards leaves the container without a connection, which is the safe side.
 */
#include "base/auto.h"
#include "netns/netns.h"
#include "netns/rt.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct parties {
    struct sl_rt container, engine, to;
};

static void parties_close(struct parties *p)
{
    sl_rt_close(&p->container);
    sl_rt_close(&p->engine);
    sl_rt_close(&p->to);
}

static bool check_inner(const struct sl_adopt *a, struct parties *p, struct sl_rt_link *inner,
                        struct sl_error *err)
{
    if (!sl_rt_link_need(&p->container, a->inner, inner, err))
        return false;
    if (strcmp(inner->kind, "veth") != 0)
        return sl_fail(err, SL_ERUN, "refused to move '%s': it is not a veth but '%s'", a->inner,
                       inner->kind[0] ? inner->kind : "a device");
    if (!inner->peer || inner->peer_nsid < 0)
        return sl_fail(err, SL_ERUN,
                       "refused to move the peer of '%s': it is not in another namespace",
                       a->inner);
    if (sl_rt_nsid(&p->container, a->engine_ns) != inner->peer_nsid)
        return sl_fail(err, SL_ERUN,
                       "refused to move the peer of '%s': it is not in the engine's namespace "
                       "(moved already?)",
                       a->inner);
    return true;
}

static bool check_outer(const struct sl_adopt *a, struct parties *p, const struct sl_rt_link *inner,
                        struct sl_rt_link *outer, struct sl_error *err)
{
    int e = sl_rt_link_get(&p->engine, NULL, inner->peer, outer);
    if (e)
        return sl_rt_fail(&p->engine, e, err, "cannot find the outer end of '%s' (number %d)",
                          a->inner, inner->peer);
    if (strcmp(outer->kind, "veth") != 0)
        return sl_fail(err, SL_ERUN, "refused to move '%s': it is not a veth", outer->name);
    if (outer->peer != inner->ifindex || outer->peer_nsid < 0 ||
        outer->peer_nsid != sl_rt_nsid(&p->engine, a->container_ns))
        return sl_fail(err, SL_ERUN,
                       "refused to move '%s': its other end is not '%s' of the container",
                       outer->name, a->inner);
    struct sl_rt_link master = {0};
    if (outer->master && (e = sl_rt_link_get(&p->engine, NULL, outer->master, &master)))
        return sl_rt_fail(&p->engine, e, err, "cannot find the bridge of '%s'", outer->name);
    if (!outer->master || strcmp(master.kind, "bridge") || strcmp(master.name, a->engine_bridge))
        return sl_fail(err, SL_ERUN,
                       "refused to move '%s': it is a port of '%s', not of the bridge '%s'",
                       outer->name, outer->master ? master.name : "nothing", a->engine_bridge);
    return true;
}

static bool check_target(const struct sl_adopt *a, struct parties *p, struct sl_rt_link *bridge,
                         struct sl_error *err)
{
    struct sl_rt_link other;
    if (!sl_rt_link_need(&p->to, a->to_bridge, bridge, err))
        return false;
    if (strcmp(bridge->kind, "bridge") != 0)
        return sl_fail(err, SL_ERUN, "'%s' is not a bridge", a->to_bridge);
    if (sl_rt_link_get(&p->to, a->name, 0, &other) == 0)
        return sl_fail(err, SL_ERUN, "there is an interface '%s' already", a->name);
    return true;
}

static bool move(const struct sl_adopt *a, struct parties *p, const struct sl_rt_link *outer,
                 const struct sl_rt_link *bridge, struct sl_error *err)
{
    struct nl_msg *msg = sl_rt_link_msg(RTM_NEWLINK, 0, outer->ifindex);
    nla_put_string(msg, IFLA_IFNAME, a->name);
    nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)a->to_ns);
    int e = sl_rt_talk(&p->engine, msg, NULL, NULL);
    if (e)
        return sl_rt_fail(&p->engine, e, err, "cannot move '%s'", outer->name);
    struct sl_rt_link moved;
    if (!sl_rt_link_need(&p->to, a->name, &moved, err))
        return false;
    e = sl_rt_link_master(&p->to, moved.ifindex, bridge->ifindex);
    if (e)
        return sl_rt_fail(&p->to, e, err, "cannot make '%s' a port of '%s'", a->name, a->to_bridge);
    return sl_rt_dress(a->to_ns, &p->to, a->name, err) &&
           sl_rt_dress(a->container_ns, &p->container, a->inner, err);
}

bool sl_netns_adopt(const struct sl_adopt *a, struct sl_error *err)
{
    SL_AUTO(parties_close) struct parties p = {0};
    struct sl_rt_link inner, outer, bridge;
    bool ok = sl_link_name_ok(a->name, err) && sl_rt_open(a->container_ns, &p.container, err) &&
              sl_rt_open(a->engine_ns, &p.engine, err) && sl_rt_open(a->to_ns, &p.to, err) &&
              check_inner(a, &p, &inner, err) && check_outer(a, &p, &inner, &outer, err) &&
              check_target(a, &p, &bridge, err) && move(a, &p, &outer, &bridge, err);
    return ok ? true : sl_within(err, "adopting '%s' as '%s'", a->inner, a->name);
}
