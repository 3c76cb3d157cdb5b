// SPDX-License-Identifier: Apache-2.0
/*
 * Addresses to small numbers, in the order in which they are first asked for.
 * Threads  one. Memory 40 bytes an address.
 */
#pragma once
#include "net/packet.h"
struct sl_addresses;
struct sl_addresses *sl_addresses_new(void);
uint32_t sl_addresses_id(struct sl_addresses *a, const struct sl_addr *addr);
void sl_addresses_free(struct sl_addresses *a);
