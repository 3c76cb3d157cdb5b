// SPDX-License-Identifier: Apache-2.0
#include "link/device.h"
#include "base/str.h"
#include "link/pbuf.h"
#include "netns/netns.h"
#include "netns/route.h"
#include "netns/rt.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TUN_F_USO4 // headers before Linux 6.2
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum { QUEUE_PACKETS = 10000 }; // the default of 500 loses bursts of single packets

struct opening {
    struct sl_device *d;
    bool whole;
};

static const struct {
    unsigned ours, tun;
} offloads[] = {
    {SL_OFFLOAD_CSUM, TUN_F_CSUM},
    {SL_OFFLOAD_TSO4, TUN_F_TSO4},
    {SL_OFFLOAD_TSO6, TUN_F_TSO6},
    {SL_OFFLOAD_ECN, TUN_F_TSO_ECN},
    {SL_OFFLOAD_USO, TUN_F_USO4 | TUN_F_USO6},
};

// Each is tried on top of those that were taken.
static void take_offloads(struct sl_device *d, bool whole)
{
    unsigned taken = 0;
    size_t n = whole ? sizeof offloads / sizeof *offloads : 1;
    for (size_t i = 0; i < n; i++) {
        if (ioctl(d->fd, TUNSETOFFLOAD, taken | offloads[i].tun) == 0) {
            taken |= offloads[i].tun;
            d->offloads |= offloads[i].ours;
        }
    }
}

static bool open_inside(void *ctx, struct sl_error *err)
{
    struct opening *o = ctx;
    struct sl_device *d = o->d;
    d->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (d->fd < 0) {
        int why = errno;
        sl_fail(err, SL_EENV, "cannot open /dev/net/tun: %s", strerror(why));
        sl_hint(err, why == ENOENT   ? "load the module: modprobe tun"
                     : why == EACCES ? "run it as root, or let everybody use it, as most systems "
                                       "do: chmod 666 /dev/net/tun"
                                     : "in a container, pass the device: --device /dev/net/tun");
        return false;
    }
    struct ifreq r = {.ifr_flags =
                          (short)((d->tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI | IFF_VNET_HDR)};
    memcpy(r.ifr_name, d->name, sizeof r.ifr_name);
    if (ioctl(d->fd, TUNSETIFF, &r)) {
        int why = errno;
        return sl_netns_fail(why, err, "cannot make the device '%s'", d->name[0] ? d->name : "tun");
    }
    memcpy(d->name, r.ifr_name, sizeof d->name);
    int vnet = SL_VNET_BYTES;
    if (ioctl(d->fd, TUNSETVNETHDRSZ, &vnet))
        return sl_netns_fail(errno, err, "the device '%s' does not take virtio-net headers",
                             d->name);
    take_offloads(d, o->whole);
    return true;
}

bool sl_device_open(int ns, const char *name, bool tap, uint32_t mtu, bool whole,
                    struct sl_device *out, struct sl_error *err)
{
    struct sl_device d = {.fd = -1, .ns = ns, .tap = tap};
    struct opening o = {.d = &d, .whole = whole};
    char path[80];
    if (!sl_copy(d.name, sizeof d.name, name))
        return sl_fail(err, SL_EUSAGE, "a device's name has at most 15 characters, not '%s'", name);
    if (!sl_netns_run(ns, open_inside, &o, err)) {
        sl_device_close(&d);
        return false;
    }
    snprintf(path, sizeof path, "ipv6/conf/%s/disable_ipv6", d.name);
    sl_netns_sysctl(ns, path, "1");
    if ((mtu && !sl_link_mtu(ns, d.name, mtu, err)) ||
        !sl_link_queue(ns, d.name, QUEUE_PACKETS, err) || !sl_link_up(ns, d.name, err)) {
        sl_device_close(&d);
        return false;
    }
    *out = d;
    return true;
}

void sl_device_close(struct sl_device *d)
{
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}
