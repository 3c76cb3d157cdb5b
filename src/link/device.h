// SPDX-License-Identifier: Apache-2.0
/*
 * A TUN or TAP device of a namespace, whose packets this process reads and writes, super-packets
 * and open checksums included.
 *
 * Life     the device goes when its descriptor is closed, also by kill -9; and with it its routes.
 * Errors   SL_EENV when /dev/net/tun or rights are missing.
 * Threads  one thread reads and writes.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

enum { // what the kernel takes
    SL_OFFLOAD_CSUM = 1,
    SL_OFFLOAD_TSO4 = 2,
    SL_OFFLOAD_TSO6 = 4,
    SL_OFFLOAD_ECN = 8,
    SL_OFFLOAD_USO = 16 // UDP segmentation, Linux 6.2
};
struct sl_device {
    int fd, ns; // ns is the caller's, open as long as the device is used
    char name[16];
    bool tap;
    unsigned offloads;
};
// Up, IPv6 off. name "" = the kernel's choice (tun0, ...); mtu 0 = 1500. `whole` false: no
// segmentation offload, one packet at a time.
SL_MUST_USE bool sl_device_open(int ns, const char *name, bool tap, uint32_t mtu, bool whole,
                                struct sl_device *out, struct sl_error *err);
void sl_device_close(struct sl_device *d);
