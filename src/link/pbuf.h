// SPDX-License-Identifier: Apache-2.0
/*
 * A packet on its way through emulated links, its memory, and cutting large packets into those that
 * a wire would carry.
 *
 * Buffer   a virtio-net header's facts, a link header of 0 or 14 bytes, and the packet behind it.
 *          gso_size > 0: a super-packet of `segments` packets of that payload each (the last may be
 *          shorter), TCP or UDP, as kernels hand them over where segmentation is offloaded.
 * Memory   a pool of four sizes out of one mapping whose limit is stated; nothing is allocated for
 *          a packet. A buffer that cannot be had is the caller's drop.
 * Cutting  per segment: IP length, IPv4 identification counted up, TCP sequence number, FIN and PSH
 *          on the last only, CWR on the first only, UDP length; ECN bits stay. Checksums of single
 *          packets are complete; super-packets keep the pseudo-header's sum, as the kernel wants.
 * Errors   malformed headers give no segments; the caller drops and counts.
 * Threads  a pool and its buffers belong to one thread.
 * Source   struct virtio_net_hdr of linux/virtio_net.h; RFC 1071, RFC 1624.
 */
#pragma once
#include "base/error.h"
#include "link/wheel.h"
#include <stdint.h>

enum { SL_PBUF_MAX = 65550, SL_PBUF_ROOM = 16, SL_VNET_BYTES = 10, SL_PBUF_CLASSES = 4 };
struct sl_pbuf {
    struct sl_timer timer;            // while it waits by itself
    struct sl_pbuf *next;             // while it waits in a list
    int64_t arrived_ns;               // at the pipe it is in
    int64_t due_ns;                   // when it leaves it
    uint32_t bytes;                   // of the packet, without link header
    uint32_t to;                      // the caller's: where it goes
    uint32_t pipe;                    // it is in
    uint16_t gso_size;                // 0 = a single packet
    uint16_t segments;                // 1, or of a super-packet
    uint16_t csum_start, csum_offset; // from the packet's start; with needs_csum
    uint8_t gso_type;                 // VIRTIO_NET_HDR_GSO_
    uint8_t needs_csum;
    uint8_t link_bytes;         // 0 or 14
    uint8_t class;              // of memory
    uint8_t corrupt;            // its checksum is wrong on purpose
    uint8_t room[SL_PBUF_ROOM]; // so that the virtio-net header stands right before
    uint8_t data[];             // link header, packet
};
static inline uint8_t *sl_pbuf_packet(struct sl_pbuf *f)
{
    return f->data + f->link_bytes;
}

struct sl_pbuf_pool;
// Rounded up to 1 MiB; memory is touched only when it is used.
SL_MUST_USE struct sl_pbuf_pool *sl_pbuf_pool_new(uint64_t max_bytes, struct sl_error *err);
void sl_pbuf_pool_free(struct sl_pbuf_pool *p);
// data_bytes: link header and packet. NULL when the pool is used up.
struct sl_pbuf *sl_pbuf_new(struct sl_pbuf_pool *p, uint32_t data_bytes);
void sl_pbuf_free(struct sl_pbuf_pool *p, struct sl_pbuf *f);
uint32_t sl_pbuf_capacity(const struct sl_pbuf *f);       // of data
uint64_t sl_pbuf_pool_used(const struct sl_pbuf_pool *p); // bytes of frames that live

// Frame of what was read: a virtio-net header and its packet, in f->data - 10. False: cannot be.
bool sl_pbuf_take(struct sl_pbuf *f, uint32_t read_bytes, uint8_t link_bytes);
// Writes the virtio-net header before f->data; the address and length to write.
const uint8_t *sl_pbuf_give(struct sl_pbuf *f, uint32_t *write_bytes);

// Headers of a packet. l4 is 0 when they cannot be followed.
struct sl_pbuf_headers {
    uint8_t version; // 4, 6; 0 = not IP
    uint8_t proto;
    uint16_t l4, payload; // offsets from the packet's start
};
struct sl_pbuf_headers sl_pbuf_headers(struct sl_pbuf *f);
// `count` packets of a super-packet from number `first` as a frame of their own; NULL: no memory.
struct sl_pbuf *sl_pbuf_cut(struct sl_pbuf_pool *p, struct sl_pbuf *f,
                            const struct sl_pbuf_headers *h, uint32_t first, uint32_t count);
struct sl_pbuf *sl_pbuf_copy(struct sl_pbuf_pool *p, struct sl_pbuf *f);
// IP bytes of the packet with that number of a super-packet; of a single packet, its bytes.
uint32_t sl_pbuf_segment_bytes(const struct sl_pbuf *f, const struct sl_pbuf_headers *h,
                               uint32_t number);
void sl_pbuf_complete(struct sl_pbuf *f); // the checksum that is still open
// A super-packet's: the field holds the pseudo header's sum.
void sl_pbuf_open_checksum(struct sl_pbuf *b, const struct sl_pbuf_headers *h);
// Sets ECN's CE; false when the packet is not ECN-capable.
bool sl_pbuf_mark(struct sl_pbuf *f);
void sl_pbuf_flip(struct sl_pbuf *f, uint64_t random); // one bit behind the IP header
uint32_t sl_pbuf_flow_hash(struct sl_pbuf *f, uint32_t seed);
uint16_t sl_checksum(const uint8_t *p, size_t n, uint64_t sum); // folded, not complemented
