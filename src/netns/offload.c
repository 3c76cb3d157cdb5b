// SPDX-License-Identifier: Apache-2.0
/*
 * A veth passes segmentation super-packets of up to 64 KiB, and an interface counter or a capture
 * then counts one header where a wire would carry forty: 4 % too few bytes (measured). With
 * segmentation and receive offloads off at the sender, what is counted is what a wire would carry.
 * Checksum offload goes too, so that captured packets hold true checksums.
 */
#include "netns/netns.h"
#include "netns/rt.h"
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

static const struct {
    uint32_t set, get;
    const char *name;
} offloads[] = {
    {ETHTOOL_STSO, ETHTOOL_GTSO, "TCP segmentation"},
    {ETHTOOL_SGSO, ETHTOOL_GGSO, "generic segmentation"},
    {ETHTOOL_SGRO, ETHTOOL_GGRO, "generic receive"},
    {ETHTOOL_STXCSUM, ETHTOOL_GTXCSUM, "transmit checksum"},
    {ETHTOOL_SRXCSUM, ETHTOOL_GRXCSUM, "receive checksum"},
};

static int ask(struct sl_rt *rt, const char *name, uint32_t cmd, uint32_t *value)
{
    struct ifreq req = {0};
    struct ethtool_value v = {.cmd = cmd, .data = *value};
    memcpy(req.ifr_name, name, strlen(name));
    req.ifr_data = (void *)&v;
    if (ioctl(rt->ioctl_fd, SIOCETHTOOL, &req))
        return errno;
    *value = v.data;
    return 0;
}

// What cannot be switched but is off (checksums of a bridge without ports) is as good.
bool sl_rt_offloads_off(struct sl_rt *rt, const char *name, struct sl_error *err)
{
    for (size_t i = 0; i < sizeof offloads / sizeof *offloads; i++) {
        uint32_t off = 0, now = 0;
        int set = ask(rt, name, offloads[i].set, &off);
        int get = ask(rt, name, offloads[i].get, &now);
        if (get == EOPNOTSUPP)
            continue; // this kind of interface has no such thing
        if (get)
            return sl_netns_fail(get, err, "cannot read the offloads of '%s'", name);
        if (now)
            return sl_netns_fail(set ? set : EBUSY, err, "cannot switch %s offload off on '%s'",
                                 offloads[i].name, name);
    }
    return true;
}
