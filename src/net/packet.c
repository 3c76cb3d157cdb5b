// SPDX-License-Identifier: Apache-2.0
/*
 * Ethernet II, any number of VLAN tags, IPv4, IPv6, TCP, UDP. The reader's position is a pointer
 * and what is left of the captured bytes; every step first asks whether its header is there.
 * Lengths come from the IP header: Ethernet padding does not count, and a short capture does not
 * shorten a packet.
 *
 * Sources: RFC 791, 8200 (extension headers, section 4), 4302 (AH), 9293, 768; IEEE 802.1Q.
 */
#include "net/packet.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum {
    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86dd,
    TYPE_VLAN = 0x8100,
    TYPE_QINQ = 0x88a8,
    TYPE_QINQ_OLD = 0x9100,
    PROTO_TCP = 6,
    PROTO_UDP = 17,
};

struct cursor {
    const uint8_t *p;
    size_t left;     // captured bytes from p on
    uint32_t length; // bytes from p on that belong to the IP packet, captured or not
};

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void step(struct cursor *c, uint32_t bytes)
{
    c->p += bytes;
    c->left -= bytes;
    c->length -= bytes;
}

static enum sl_packet_kind take_payload(struct cursor *c, struct sl_packet *out)
{
    out->payload_bytes = c->length;
    out->payload_captured = (uint32_t)(c->left < c->length ? c->left : c->length);
    out->payload = out->payload_captured ? c->p : NULL;
    return SL_PACKET_OK;
}

static enum sl_packet_kind decode_tcp(struct cursor *c, struct sl_packet *out)
{
    if (c->length < 20)
        return SL_PACKET_BAD_HEADER;
    if (c->left < 20)
        return SL_PACKET_CUT_SHORT;
    uint32_t header = (uint32_t)(c->p[12] >> 4) * 4;
    if (header < 20 || header > c->length)
        return SL_PACKET_BAD_HEADER;
    out->tuple.sport = be16(c->p);
    out->tuple.dport = be16(c->p + 2);
    out->tcp_seq = be32(c->p + 4);
    out->tcp_ack = be32(c->p + 8);
    out->tcp_flags = c->p[13];
    out->tcp_window = be16(c->p + 14);
    if (header > c->left) { // options cut off: all that flows need is known
        out->payload_bytes = c->length - header;
        return SL_PACKET_OK;
    }
    step(c, header);
    return take_payload(c, out);
}

static enum sl_packet_kind decode_udp(struct cursor *c, struct sl_packet *out)
{
    if (c->length < 8)
        return SL_PACKET_BAD_HEADER;
    if (c->left < 8)
        return SL_PACKET_CUT_SHORT;
    out->tuple.sport = be16(c->p);
    out->tuple.dport = be16(c->p + 2);
    step(c, 8);
    return take_payload(c, out);
}

static enum sl_packet_kind decode_transport(struct cursor *c, uint8_t proto, bool first_fragment,
                                            struct sl_packet *out)
{
    out->tuple.proto = proto;
    if (!first_fragment)
        return SL_PACKET_FRAGMENT;
    if (proto == PROTO_TCP)
        return decode_tcp(c, out);
    if (proto == PROTO_UDP)
        return decode_udp(c, out);
    return SL_PACKET_OK;
}

// A length field of 0 is a super-packet that does not fit into 16 bits: then the frame's length
// counts.
static bool set_length(struct cursor *c, uint32_t claimed, struct sl_packet *out)
{
    uint32_t on_wire = c->length;
    out->ip_bytes = claimed ? claimed : on_wire;
    c->length = out->ip_bytes;
    return out->ip_bytes <= on_wire;
}

static enum sl_packet_kind decode_ipv4(struct cursor *c, struct sl_packet *out)
{
    if (c->left < 20)
        return c->length < 20 ? SL_PACKET_BAD_HEADER : SL_PACKET_CUT_SHORT;
    uint32_t header = (uint32_t)(c->p[0] & 15) * 4;
    if (c->p[0] >> 4 != 4 || header < 20 || !set_length(c, be16(c->p + 2), out) ||
        header > c->length)
        return SL_PACKET_BAD_HEADER;
    out->tuple.src.family = out->tuple.dst.family = 4;
    memcpy(out->tuple.src.b, c->p + 12, 4);
    memcpy(out->tuple.dst.b, c->p + 16, 4);
    uint8_t proto = c->p[9];
    bool first = (be16(c->p + 6) & 0x1fff) == 0;
    if (header > c->left) {
        out->tuple.proto = proto;
        return first ? SL_PACKET_CUT_SHORT : SL_PACKET_FRAGMENT;
    }
    step(c, header);
    return decode_transport(c, proto, first, out);
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
    case 51:
        return EXT_AH;
    default:
        return EXT_NONE;
    }
}

// Each header is at least 8 bytes, so the walk ends with the packet.
static enum sl_packet_kind skip_extensions(struct cursor *c, uint8_t *next, bool *first)
{
    enum extension kind;
    while (*first && (kind = extension_of(*next)) != EXT_NONE) {
        if (c->length < 8)
            return SL_PACKET_BAD_HEADER;
        if (c->left < 8)
            return SL_PACKET_CUT_SHORT;
        uint32_t bytes = 8;
        if (kind == EXT_PLAIN)
            bytes = 8 + 8 * (uint32_t)c->p[1];
        else if (kind == EXT_AH)
            bytes = 8 + 4 * (uint32_t)c->p[1];
        else
            *first = (be16(c->p + 2) & 0xfff8) == 0;
        *next = c->p[0];
        if (bytes > c->length)
            return SL_PACKET_BAD_HEADER;
        if (bytes > c->left)
            return SL_PACKET_CUT_SHORT;
        step(c, bytes);
    }
    return SL_PACKET_OK;
}

static enum sl_packet_kind decode_ipv6(struct cursor *c, struct sl_packet *out)
{
    if (c->left < 40)
        return c->length < 40 ? SL_PACKET_BAD_HEADER : SL_PACKET_CUT_SHORT;
    uint32_t payload = be16(c->p + 4);
    if (c->p[0] >> 4 != 6 || !set_length(c, payload ? payload + 40 : 0, out))
        return SL_PACKET_BAD_HEADER;
    out->tuple.src.family = out->tuple.dst.family = 6;
    memcpy(out->tuple.src.b, c->p + 8, 16);
    memcpy(out->tuple.dst.b, c->p + 24, 16);
    uint8_t next = c->p[6];
    bool first = true;
    step(c, 40);
    enum sl_packet_kind kind = skip_extensions(c, &next, &first);
    out->tuple.proto = next;
    return kind == SL_PACKET_OK ? decode_transport(c, next, first, out) : kind;
}

enum sl_packet_kind sl_packet_decode(const struct sl_decode_options *how, const uint8_t *frame,
                                     size_t captured, uint32_t wire_bytes, int64_t ts_ns,
                                     struct sl_packet *out)
{
    (void)how;
    memset(out, 0, sizeof *out);
    out->ts_ns = ts_ns;
    out->wire_bytes = wire_bytes;
    if (captured > wire_bytes)
        captured = wire_bytes;
    if (captured < 14)
        return SL_PACKET_CUT_SHORT;
    size_t at = 12;
    uint16_t type = be16(frame + at);
    while (type == TYPE_VLAN || type == TYPE_QINQ || type == TYPE_QINQ_OLD) {
        at += 4;
        if (captured < at + 2)
            return SL_PACKET_CUT_SHORT;
        type = be16(frame + at);
    }
    at += 2;
    out->ethertype = type;
    struct cursor c = {.p = frame + at, .left = captured - at, .length = wire_bytes - (uint32_t)at};
    if (type == TYPE_IPV4)
        return decode_ipv4(&c, out);
    if (type == TYPE_IPV6)
        return decode_ipv6(&c, out);
    return SL_PACKET_NOT_IP;
}

uint32_t sl_addr_v4(const struct sl_addr *a)
{
    return a->family == 4 ? be32(a->b) : 0;
}

struct sl_addr sl_addr_from_v4(uint32_t v)
{
    struct sl_addr a = {.family = 4};
    uint32_t net = htonl(v);
    memcpy(a.b, &net, 4);
    return a;
}

bool sl_addr_equal(const struct sl_addr *a, const struct sl_addr *b)
{
    return a->family == b->family && memcmp(a->b, b->b, sizeof a->b) == 0;
}

char *sl_addr_text(const struct sl_addr *a, char buf[46])
{
    if (!inet_ntop(a->family == 6 ? AF_INET6 : AF_INET, a->b, buf, 46))
        buf[0] = '\0';
    return buf;
}

char *sl_ipv4_text(uint32_t v, char buf[16])
{
    snprintf(buf, 16, "%u.%u.%u.%u", v >> 24, v >> 16 & 255, v >> 8 & 255, v & 255);
    return buf;
}

bool sl_ipv4_parse(const char *text, uint32_t *host_order)
{
    struct in_addr a; // inet_pton takes four decimal numbers and nothing else
    if (!text || inet_pton(AF_INET, text, &a) != 1)
        return false;
    *host_order = ntohl(a.s_addr);
    return true;
}

bool sl_ipv4_parse_prefix(const char *text, uint32_t *host_order, int *len)
{
    char addr[16];
    const char *slash = text ? strchr(text, '/') : NULL;
    if (!slash || (size_t)(slash - text) >= sizeof addr)
        return false;
    memcpy(addr, text, (size_t)(slash - text));
    addr[slash - text] = '\0';
    const char *d = slash + 1;
    int bits = 0, digits = 0;
    for (; *d >= '0' && *d <= '9' && digits < 3; d++, digits++)
        bits = bits * 10 + (*d - '0');
    uint32_t v;
    if (!digits || *d || bits > 32 || (digits > 1 && slash[1] == '0') || !sl_ipv4_parse(addr, &v))
        return false;
    *host_order = v;
    *len = bits;
    return true;
}
