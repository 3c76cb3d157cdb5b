// SPDX-License-Identifier: Apache-2.0
// One name look-up in a thread of its own; a descriptor becomes readable when it has ended.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
struct sl_lookup;
struct sl_lookup *sl_lookup_start(const char *host, uint16_t port); // NULL when there is no thread
int sl_lookup_fd(const struct sl_lookup *l);
// After fd was readable: the address (IPv4 before IPv6), or false and a reason. Frees.
bool sl_lookup_end(struct sl_lookup *l, struct sockaddr_storage *addr, socklen_t *len,
                   const char **why);
