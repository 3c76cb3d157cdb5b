// SPDX-License-Identifier: Apache-2.0
/*
 * Frames built by hand, byte after byte in wire order. Lengths that cover what follows are given,
 * or come from a second frame that is put inside the first.
 */
#pragma once
#include "net/packet.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct frame {
    uint8_t b[1024];
    unsigned n;
};

static inline void u8(struct frame *f, unsigned v)
{
    f->b[f->n++] = (uint8_t)v;
}
static inline void u16(struct frame *f, unsigned v)
{
    u8(f, v >> 8), u8(f, v);
}
static inline void u32(struct frame *f, uint32_t v)
{
    u16(f, v >> 16), u16(f, v);
}
static inline void zeros(struct frame *f, unsigned n)
{
    memset(f->b + f->n, 0, n);
    f->n += n;
}
static inline void text(struct frame *f, const char *s)
{
    memcpy(f->b + f->n, s, strlen(s));
    f->n += (unsigned)strlen(s);
}
static inline void put(struct frame *f, const struct frame *inside)
{
    memcpy(f->b + f->n, inside->b, inside->n);
    f->n += inside->n;
}
static inline void ethernet(struct frame *f, unsigned type)
{
    u32(f, 0x02000000), u16(f, 1), u32(f, 0x02000000), u16(f, 2), u16(f, type);
}

// Addresses 10.0.N.1 -> 10.0.N.2 and 2001:db8::N:1 -> 2001:db8::N:2, so that nested packets differ.
static inline void ipv4(struct frame *f, unsigned net, unsigned proto, unsigned above)
{
    u8(f, 0x45), u8(f, 0xb8); // expedited forwarding
    u16(f, 20 + above), u16(f, 0x1234), u16(f, 0x4000);
    u8(f, 60 + net), u8(f, proto), u16(f, 0);
    u32(f, 0x0a000001 | net << 8), u32(f, 0x0a000002 | net << 8);
}
static inline void ipv6(struct frame *f, unsigned net, unsigned next, unsigned above)
{
    u32(f, 0x6b800000), u16(f, above), u8(f, next), u8(f, 60 + net);
    for (unsigned i = 1; i <= 2; i++)
        u32(f, 0x20010db8), zeros(f, 8), u16(f, net), u16(f, i);
}
static inline void udp(struct frame *f, unsigned sport, unsigned dport, unsigned above)
{
    u16(f, sport), u16(f, dport), u16(f, 8 + above), u16(f, 0);
}
static inline void tcp(struct frame *f, unsigned sport, unsigned dport, unsigned flags)
{
    u16(f, sport), u16(f, dport), u32(f, 1000), u32(f, 2000);
    u8(f, 0x50), u8(f, flags), u16(f, 512), u32(f, 0);
}

// Ready-made insides: a TCP segment with the five bytes "hello", ports 1234 -> 443.
static inline struct frame segment4(unsigned net)
{
    struct frame f = {0};
    ipv4(&f, net, 6, 25), tcp(&f, 1234, 443, 0x18), text(&f, "hello");
    return f;
}
static inline struct frame segment6(unsigned net)
{
    struct frame f = {0};
    ipv6(&f, net, 6, 25), tcp(&f, 1234, 443, 0x18), text(&f, "hello");
    return f;
}

// Decodes the first `captured` bytes of a frame from a copy of exactly that size, where a sanitizer
// sees a read behind the end. `out` has no pointers into the copy afterwards.
static inline enum sl_packet_kind decode_cut(const struct frame *f, unsigned captured,
                                             unsigned wire, const struct sl_decode_options *how,
                                             struct sl_packet *out)
{
    uint8_t *exact = malloc(captured ? captured : 1);
    memcpy(exact, f->b, captured);
    enum sl_packet_kind kind = sl_packet_decode(how, exact, captured, wire, 0, out);
    if (out->payload &&
        (out->payload < exact || out->payload + out->payload_captured > exact + captured))
        abort();
    if (out->tcp_options && (out->tcp_options < exact ||
                             out->tcp_options + out->tcp_options_captured > exact + captured))
        abort();
    struct sl_tcp_options options;
    sl_tcp_options(out, &options);
    free(exact);
    out->payload = out->tcp_options = NULL;
    return kind;
}
static inline enum sl_packet_kind decode_whole(const struct frame *f, uint16_t linktype,
                                               struct sl_packet *out)
{
    struct sl_decode_options how = {.linktype = linktype};
    return sl_packet_decode(&how, f->b, f->n, f->n, 0, out);
}
