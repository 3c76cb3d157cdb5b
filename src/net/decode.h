// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the packet decoder share; not for other parts.
 *
 * A cursor is a position in the frame: every step first asks whether its header is there (`left`)
 * and whether it can be (`length`). A decoding function reads from its own copy of the cursor and
 * returns the kind of packet it found; it has filled in `out` when that is SL_PACKET_OK or
 * SL_PACKET_FRAGMENT, and perhaps partly otherwise.
 */
#pragma once
#include "net/packet.h"

enum {
    SL_TYPE_IPV4 = 0x0800,
    SL_TYPE_IPV6 = 0x86dd,
    SL_TYPE_BRIDGED = 0x6558, // transparent Ethernet bridging
    SL_TYPE_MPLS = 0x8847,
    SL_TYPE_MPLS_MULTICAST = 0x8848,
};

struct sl_cursor {
    const uint8_t *p;
    size_t left;     // captured bytes from p on
    uint32_t length; // bytes from p on that belong to the layer, captured or not
};

struct sl_decoding {
    bool outer, cic_tunnels;
    uint8_t entered; // insides of tunnels looked at, also those that led nowhere: bounds the work
};

typedef enum sl_packet_kind sl_decode_fn(struct sl_decoding *d, struct sl_cursor c,
                                         struct sl_packet *out);

#define SL_COLD __attribute__((cold, noinline))
#define SL_LIKELY(x) __builtin_expect(!!(x), 1)
#define SL_UNLIKELY(x) __builtin_expect(!!(x), 0)

static inline uint16_t sl_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t sl_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void sl_step(struct sl_cursor *c, uint32_t bytes)
{
    c->p += bytes;
    c->left -= bytes;
    c->length -= bytes;
}

// OK when `bytes` more are there; otherwise why not.
static inline enum sl_packet_kind sl_need(const struct sl_cursor *c, uint32_t bytes)
{
    if (c->length < bytes)
        return SL_PACKET_BAD_HEADER;
    return c->left < bytes ? SL_PACKET_CUT_SHORT : SL_PACKET_OK;
}

// A layer that says how long it is: what follows is padding.
static inline void sl_shorten(struct sl_cursor *c, uint32_t length)
{
    if (length < c->length)
        c->length = length;
    if (length < c->left)
        c->left = length;
}

static inline bool sl_found(enum sl_packet_kind kind)
{
    return kind == SL_PACKET_OK || kind == SL_PACKET_FRAGMENT;
}

// packet.c
sl_decode_fn sl_decode_ipv4, sl_decode_ipv6;
sl_decode_fn sl_decode_ip; // told apart by the version field
// link.c
const struct sl_link *sl_link_find(uint16_t linktype); // NULL when not known
enum sl_packet_kind sl_link_decode(const struct sl_link *link, struct sl_decoding *d,
                                   struct sl_cursor c, struct sl_packet *out);
sl_decode_fn sl_decode_ethernet, sl_decode_ppp, sl_decode_mpls;
enum sl_packet_kind sl_decode_ethertype(struct sl_decoding *d, uint16_t type, struct sl_cursor c,
                                        struct sl_packet *out);
// tunnel.c: c stands behind the outer IP (or UDP) header; out is the outer packet, and becomes the
// inner one when there is one.
bool sl_tunnel_of_udp(const struct sl_decoding *d, uint16_t sport, uint16_t dport);
sl_decode_fn sl_decode_udp_tunnel;
enum sl_packet_kind sl_decode_ip_tunnel(struct sl_decoding *d, uint8_t proto, struct sl_cursor c,
                                        struct sl_packet *out);
// Tries the inside of a tunnel on a fresh packet, which replaces `out` when it was found.
enum sl_packet_kind sl_decode_inside(struct sl_decoding *d, struct sl_cursor c, uint8_t tunnels,
                                     sl_decode_fn *decode, struct sl_packet *out);
