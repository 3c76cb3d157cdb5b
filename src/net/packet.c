// SPDX-License-Identifier: Apache-2.0
/*
 * The IP and transport layers, and the straight way from an Ethernet frame to TCP and UDP: whatever
 * is rarer is in link.c and tunnel.c, or behind a call. Lengths come from the IP header: Ethernet
 * padding does not count, and a short capture does not shorten a packet.
 *
 * Tunnels are followed by decoding the inside into a packet of its own, which takes the place of
 * the outer one if it is a packet. A fragment is not looked into: its inside is not all there, and
 * the later fragments could not follow.
 *
 * Sources: RFC 791, 8200 (extension headers, section 4), 6946 (atomic fragments), 4302 (AH), 9293,
 * 768, 3828, 9260, 4340, 792, 4443.
 */
#include "net/packet.h"
#include "net/decode.h"
#include <assert.h>
#include <string.h>

enum {
    PROTO_IPIP = 4,
    PROTO_DCCP = 33,
    PROTO_IPV6 = 41,
    PROTO_GRE = 47,
    PROTO_AH = 51,
    PROTO_NO_NEXT = 59,
    PROTO_UDPLITE = 136,
    PROTO_MPLS = 137,
    ICMP_ECHO_REPLY = 0,
    ICMP_ECHO = 8,
    ICMPV6_ECHO = 128,
    ICMPV6_ECHO_REPLY = 129,
};

static inline enum sl_packet_kind take_payload(const struct sl_cursor *c, uint32_t header,
                                               struct sl_packet *out)
{
    uint32_t bytes = c->length - header;
    size_t there = c->left > header ? c->left - header : 0;
    out->l4_header_bytes = (uint8_t)header;
    out->payload_bytes = bytes;
    out->payload_captured = (uint32_t)(there < bytes ? there : bytes);
    out->payload = out->payload_captured ? c->p + header : NULL;
    return SL_PACKET_OK;
}

static inline enum sl_packet_kind decode_tcp(const struct sl_cursor *c, struct sl_packet *out)
{
    if (SL_UNLIKELY(c->length < 20 || c->left < 20))
        return sl_need(c, 20);
    uint32_t header = (uint32_t)(c->p[12] >> 4) * 4;
    if (header < 20 || header > c->length)
        return SL_PACKET_BAD_HEADER;
    out->tuple.sport = sl_be16(c->p);
    out->tuple.dport = sl_be16(c->p + 2);
    out->tcp_seq = sl_be32(c->p + 4);
    out->tcp_ack = sl_be32(c->p + 8);
    out->tcp_flags = c->p[13];
    out->tcp_window = sl_be16(c->p + 14);
    size_t there = c->left < header ? c->left : header; // options may be cut off
    if (there > 20) {
        out->tcp_options = c->p + 20;
        out->tcp_options_captured = (uint8_t)(there - 20);
    }
    return take_payload(c, header, out);
}

static inline enum sl_packet_kind ports_and_payload(const struct sl_cursor *c, uint32_t header,
                                                    struct sl_packet *out)
{
    if (SL_UNLIKELY(c->length < header || c->left < header))
        return sl_need(c, header);
    out->tuple.sport = sl_be16(c->p);
    out->tuple.dport = sl_be16(c->p + 2);
    return take_payload(c, header, out);
}

static SL_COLD enum sl_packet_kind inside_udp(struct sl_decoding *d, struct sl_cursor c,
                                              struct sl_packet *out)
{
    sl_step(&c, 8);
    enum sl_packet_kind kind = sl_decode_udp_tunnel(d, c, out);
    return sl_found(kind) ? kind : SL_PACKET_OK;
}

static inline enum sl_packet_kind decode_udp(struct sl_decoding *d, const struct sl_cursor *c,
                                             struct sl_packet *out)
{
    enum sl_packet_kind kind = ports_and_payload(c, 8, out);
    if (SL_LIKELY(kind != SL_PACKET_OK || d->outer || out->fragmented ||
                  !sl_tunnel_of_udp(d, out->tuple.sport, out->tuple.dport)))
        return kind;
    return inside_udp(d, *c, out);
}

// The identifier of an echo keeps the pings of two processes apart, as ports do.
static enum sl_packet_kind decode_icmp(const struct sl_cursor *c, uint8_t echo, uint8_t reply,
                                       struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(c, 8);
    if (kind != SL_PACKET_OK)
        return kind;
    out->icmp_type = c->p[0];
    out->icmp_code = c->p[1];
    if (c->p[0] == echo || c->p[0] == reply)
        out->tuple.sport = out->tuple.dport = sl_be16(c->p + 4);
    return take_payload(c, 8, out);
}

static enum sl_packet_kind decode_transport(struct sl_decoding *d, const struct sl_cursor *c,
                                            uint8_t proto, struct sl_packet *out);

// Authentication header in IPv4: what it protects follows. In IPv6 it is one of the extensions.
static enum sl_packet_kind decode_ah(struct sl_decoding *d, struct sl_cursor c,
                                     struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 12);
    if (kind != SL_PACKET_OK)
        return kind;
    uint32_t bytes = 8 + 4 * (uint32_t)c.p[1];
    uint8_t next = c.p[0];
    kind = sl_need(&c, bytes);
    if (kind != SL_PACKET_OK || bytes < 12)
        return kind != SL_PACKET_OK ? kind : SL_PACKET_BAD_HEADER;
    out->ip_header_bytes = (uint16_t)(out->ip_header_bytes + bytes);
    sl_step(&c, bytes);
    return decode_transport(d, &c, next, out);
}

static SL_COLD enum sl_packet_kind decode_rare(struct sl_decoding *d, const struct sl_cursor *c,
                                               uint8_t proto, struct sl_packet *out)
{
    switch (proto) {
    case SL_PROTO_ICMP:
        return decode_icmp(c, ICMP_ECHO, ICMP_ECHO_REPLY, out);
    case SL_PROTO_ICMPV6:
        return decode_icmp(c, ICMPV6_ECHO, ICMPV6_ECHO_REPLY, out);
    case SL_PROTO_SCTP:
        return ports_and_payload(c, 12, out);
    case PROTO_UDPLITE:
        return ports_and_payload(c, 8, out);
    case PROTO_DCCP: // bit X: long sequence numbers
        return ports_and_payload(c, c->left > 8 && c->p[8] & 1 ? 16 : 12, out);
    case PROTO_AH:
        return decode_ah(d, *c, out);
    case PROTO_IPIP:
    case PROTO_IPV6:
    case PROTO_GRE:
    case PROTO_MPLS:
        take_payload(c, 0, out);
        if (d->outer || d->cic_tunnels || out->fragmented)
            return SL_PACKET_OK;
        enum sl_packet_kind kind = sl_decode_ip_tunnel(d, proto, *c, out);
        return sl_found(kind) ? kind : SL_PACKET_OK;
    default:
        return take_payload(c, 0, out);
    }
}

static inline enum sl_packet_kind decode_transport(struct sl_decoding *d, const struct sl_cursor *c,
                                                   uint8_t proto, struct sl_packet *out)
{
    out->tuple.proto = proto;
    if (SL_LIKELY(proto == SL_PROTO_TCP))
        return decode_tcp(c, out);
    if (SL_LIKELY(proto == SL_PROTO_UDP))
        return decode_udp(d, c, out);
    return decode_rare(d, c, proto, out);
}

static SL_COLD enum sl_packet_kind later_fragment(const struct sl_cursor *c, uint32_t header,
                                                  uint8_t proto, struct sl_packet *out)
{
    take_payload(c, header, out);
    out->l4_header_bytes = 0;
    out->tuple.proto = proto;
    return SL_PACKET_FRAGMENT;
}

// A length field of 0 is a super-packet that does not fit into 16 bits: then the frame's length
// counts. So it does when the outermost header claims more than the frame had; inside a tunnel such
// a header is none.
static inline bool set_length(struct sl_cursor *c, uint32_t claimed, struct sl_packet *out)
{
    uint32_t on_wire = c->length;
    bool too_much = claimed > on_wire;
    out->ip_bytes = claimed && !too_much ? claimed : on_wire;
    c->length = out->ip_bytes;
    if (SL_UNLIKELY(too_much)) {
        out->length_cut = true;
        return out->layers == 0;
    }
    return true;
}

static inline enum sl_packet_kind decode_ipv4(struct sl_decoding *d, struct sl_cursor *c,
                                              struct sl_packet *out)
{
    if (SL_UNLIKELY(c->left < 20))
        return c->length < 20 ? SL_PACKET_BAD_HEADER : SL_PACKET_CUT_SHORT;
    const uint8_t *p = c->p;
    uint32_t header = (uint32_t)(p[0] & 15) * 4;
    if (SL_UNLIKELY(p[0] >> 4 != 4 || header < 20 || !set_length(c, sl_be16(p + 2), out) ||
                    header > c->length))
        return SL_PACKET_BAD_HEADER;
    out->layers++;
    out->tuple.src.family = out->tuple.dst.family = 4;
    memcpy(out->tuple.src.b, p + 12, 4);
    memcpy(out->tuple.dst.b, p + 16, 4);
    uint8_t proto = p[9];
    uint32_t fragment = sl_be16(p + 6) & 0x3fff; // more fragments, and where it belongs
    out->tos = p[1];
    out->ttl = p[8];
    out->ip_id = sl_be16(p + 4);
    out->ip_header_bytes = (uint16_t)header;
    if (SL_UNLIKELY(fragment)) {
        out->fragmented = true;
        out->fragment_offset = (fragment & 0x1fff) * 8;
        if (out->fragment_offset)
            return later_fragment(c, header, proto, out);
    }
    if (SL_UNLIKELY(header > c->left)) {
        out->tuple.proto = proto;
        return SL_PACKET_CUT_SHORT;
    }
    sl_step(c, header);
    return decode_transport(d, c, proto, out);
}

enum extension { EXT_NONE, EXT_PLAIN, EXT_FRAGMENT, EXT_AH };

static enum extension extension_of(uint8_t next)
{
    switch (next) {
    case 0:   // hop by hop
    case 43:  // routing
    case 60:  // destination options
    case 135: // mobility
    case 139: // HIP
    case 140: // shim6
        return EXT_PLAIN;
    case 44:
        return EXT_FRAGMENT;
    case PROTO_AH:
        return EXT_AH;
    default:
        return EXT_NONE;
    }
}

// A fragment header that is alone (offset 0, nothing to come) is no fragment of anything.
static void fragment_header(const uint8_t *p, struct sl_packet *out)
{
    uint32_t field = sl_be16(p + 2);
    out->ip_id = sl_be32(p + 4);
    out->fragment_offset = field & 0xfff8;
    out->fragmented = (field & 0xfff9) != 0;
}

// Each header is at least 8 bytes, so the walk ends with the packet, or with a later fragment.
static enum sl_packet_kind skip_extensions(struct sl_cursor *c, uint8_t *next,
                                           struct sl_packet *out)
{
    enum extension ext;
    while (!out->fragment_offset && (ext = extension_of(*next)) != EXT_NONE) {
        enum sl_packet_kind kind = sl_need(c, 8);
        if (kind != SL_PACKET_OK)
            return kind;
        uint32_t bytes = 8;
        if (ext == EXT_PLAIN)
            bytes = 8 + 8 * (uint32_t)c->p[1];
        else if (ext == EXT_AH)
            bytes = 8 + 4 * (uint32_t)c->p[1];
        else
            fragment_header(c->p, out);
        *next = c->p[0];
        kind = sl_need(c, bytes);
        if (kind != SL_PACKET_OK)
            return kind;
        out->ip_header_bytes = (uint16_t)(out->ip_header_bytes + bytes);
        sl_step(c, bytes);
    }
    return SL_PACKET_OK;
}

static inline enum sl_packet_kind decode_ipv6(struct sl_decoding *d, struct sl_cursor *c,
                                              struct sl_packet *out)
{
    if (SL_UNLIKELY(c->left < 40))
        return c->length < 40 ? SL_PACKET_BAD_HEADER : SL_PACKET_CUT_SHORT;
    const uint8_t *p = c->p;
    uint32_t payload = sl_be16(p + 4);
    uint8_t next = p[6];
    uint32_t claimed = payload || next == PROTO_NO_NEXT ? payload + 40 : 0;
    if (SL_UNLIKELY(p[0] >> 4 != 6 || !set_length(c, claimed, out)))
        return SL_PACKET_BAD_HEADER;
    out->layers++;
    out->tuple.src.family = out->tuple.dst.family = 6;
    memcpy(out->tuple.src.b, p + 8, 16);
    memcpy(out->tuple.dst.b, p + 24, 16);
    out->tos = (uint8_t)(p[0] << 4 | p[1] >> 4);
    out->ttl = p[7];
    out->ip_header_bytes = 40;
    sl_step(c, 40);
    if (SL_UNLIKELY(extension_of(next) != EXT_NONE)) {
        enum sl_packet_kind kind = skip_extensions(c, &next, out);
        out->tuple.proto = next;
        if (kind != SL_PACKET_OK)
            return kind;
        if (out->fragment_offset)
            return later_fragment(c, 0, next, out);
    }
    return decode_transport(d, c, next, out);
}

enum sl_packet_kind sl_decode_ipv4(struct sl_decoding *d, struct sl_cursor c, struct sl_packet *out)
{
    return decode_ipv4(d, &c, out);
}

enum sl_packet_kind sl_decode_ipv6(struct sl_decoding *d, struct sl_cursor c, struct sl_packet *out)
{
    return decode_ipv6(d, &c, out);
}

enum sl_packet_kind sl_decode_ip(struct sl_decoding *d, struct sl_cursor c, struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 1);
    if (kind != SL_PACKET_OK)
        return kind;
    bool v6 = c.p[0] >> 4 == 6;
    if (!out->layers && !out->tunnels)
        out->ethertype = v6 ? SL_TYPE_IPV6 : SL_TYPE_IPV4;
    return v6 ? sl_decode_ipv6(d, c, out) : sl_decode_ipv4(d, c, out);
}

enum { ETHERNET_BYTES = 14 };

static SL_COLD enum sl_packet_kind by_link(const struct sl_decode_options *how,
                                           struct sl_decoding *d, struct sl_cursor c,
                                           struct sl_packet *out)
{
    const struct sl_link *link = sl_link_find(how ? how->linktype : 1);
    return link ? sl_link_decode(link, d, c, out) : SL_PACKET_BAD_LINK;
}

// In pieces of 64 bytes, which compilers turn into stores of vector registers; all at once becomes
// a string instruction that costs as much as the rest of the decoder.
static inline void clear(struct sl_packet *p)
{
    enum { PIECE = 64, REST = sizeof *p - PIECE };
    static_assert(sizeof *p > PIECE && REST <= PIECE, "two pieces are enough");
    memset(p, 0, PIECE);
    memset((uint8_t *)p + PIECE, 0, REST);
}

enum sl_packet_kind sl_packet_decode(const struct sl_decode_options *how, const uint8_t *frame,
                                     size_t captured, uint32_t wire_bytes, int64_t ts_ns,
                                     struct sl_packet *out)
{
    clear(out);
    out->ts_ns = ts_ns;
    out->wire_bytes = wire_bytes;
    if (captured > wire_bytes)
        captured = wire_bytes;
    struct sl_cursor c = {.p = frame, .left = captured, .length = wire_bytes};
    struct sl_decoding d = {0};
    if (how)
        d = (struct sl_decoding){.outer = how->outer, .cic_tunnels = how->cic_tunnels};
    if (SL_UNLIKELY((how && how->linktype != 1) || captured < ETHERNET_BYTES))
        return by_link(how, &d, c, out);
    uint16_t type = out->ethertype = sl_be16(frame + 12);
    if (SL_UNLIKELY(type != SL_TYPE_IPV4 && type != SL_TYPE_IPV6))
        return by_link(how, &d, c, out);
    sl_step(&c, ETHERNET_BYTES);
    return type == SL_TYPE_IPV4 ? decode_ipv4(&d, &c, out) : decode_ipv6(&d, &c, out);
}

const char *sl_packet_kind_name(enum sl_packet_kind kind)
{
    static const char *const names[SL_PACKET_KINDS] = {
        [SL_PACKET_OK] = "ok",
        [SL_PACKET_NOT_IP] = "not-ip",
        [SL_PACKET_CUT_SHORT] = "cut-short",
        [SL_PACKET_BAD_HEADER] = "bad-header",
        [SL_PACKET_FRAGMENT] = "fragment",
        [SL_PACKET_BAD_LINK] = "bad-link",
    };
    return (unsigned)kind < SL_PACKET_KINDS ? names[kind] : "unknown";
}
