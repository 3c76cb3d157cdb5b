// SPDX-License-Identifier: Apache-2.0
/*
 * A laboratory for network tests: namespaces of user, mounts and network for this process alone,
 * with an empty /run/netns. Whatever a test makes is gone when its process ends, however it ends.
 */
#pragma once
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Enters; exits with 77 and the reason when this machine does not allow it.
void lab_enter(void);
void lab_need(bool ok,
              const struct sl_error *err); // a failed step fails the test, with its message
int lab_ns(const char *name);              // makes and opens a namespace

// Two namespaces joined by a veth pair a0 - b0 with 10.9.0.1/24 and 10.9.0.2/24.
struct lab_pair {
    int a, b;
};
struct lab_pair lab_pair(const char *name_a, const char *name_b);

// Sockets of a namespace. UDP: bound to addr:port, connected to nothing.
int lab_udp(int ns, uint32_t addr, uint16_t port);
int lab_udp_send(int fd, uint32_t addr, uint16_t port, size_t bytes); // 0 or errno
bool lab_udp_arrives(int fd, int wait_ms);
int lab_listen(int ns, uint32_t addr, uint16_t port);
int lab_connect(int ns, uint32_t addr, uint16_t port);
// A raw packet socket on an interface, for frames no stack would send.
int lab_raw(int ns, const char *ifname);
uint64_t lab_ifindex(int ns, const char *ifname);
