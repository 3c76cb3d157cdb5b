// SPDX-License-Identifier: Apache-2.0
/*
 * Puts packets of one TCP direction that leave right after each other together again, as receive
 * offload of a network card does: the far kernel takes one super-packet in one go.
 *
 * Joined   same headers but for lengths, checksums, identification counted up, sequence number
 *          following on, and PSH of the last; equal payloads but a shorter last one. What was
 *          corrupted is not joined: its wrong checksum would be lost.
 * Threads  as the pool.
 */
#pragma once
#include "link/pbuf.h"

struct sl_join { // zeroed: empty
    struct sl_pbuf *b;
    struct sl_pbuf_headers h;
    uint32_t next_seq, payload; // of the first packet
    uint16_t next_id;
    bool closed; // nothing may follow
};
// Takes b over, alone or behind what is held; false: neither, and b stays the caller's. To try
// again, what is held must be taken first.
bool sl_join_add(struct sl_join *j, struct sl_pbuf_pool *pool, struct sl_pbuf *b);
struct sl_pbuf *sl_join_take(struct sl_join *j); // NULL = empty
