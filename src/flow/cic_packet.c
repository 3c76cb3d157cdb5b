// SPDX-License-Identifier: Apache-2.0
/*
 * The scan walks the chain of headers and remembers where the first header of each kind stands;
 * what the packet is, is asked afterwards: "is there a TCP header anywhere? a UDP header?". So
 * with IP in IP the addresses are the outer ones and the ports the inner ones, and a quoted UDP
 * packet makes a UDP packet of an ICMP error.
 *
 * jNetPcap throws when a header is used that was not wholly captured, or that has an unknown
 * number; the tool then tries the frame again as L2TP without anything below it (jNetPcap finds an
 * IPv4 header at byte 0). Here such a header makes the reading return false.
 */
#include "flow/cic_packet.h"
#include "net/packet.h"
#include <string.h>

enum {
    ETHERNET_BYTES = 14,
    VLAN_BYTES = 4,
    IPV4_BYTES = 20,
    TCP_BYTES = 20,
    UDP_BYTES = 8,
    SCTP_BYTES = 12,
    PORTS_BYTES = 4,
    ICMP_BYTES = 8,
    ICMP_BYTES_MIN = 4,
    IPV6_BYTES = 40,
    PPP_BYTES = 4,
    L2TP_PORT = 1701,
    MAX_HEADERS = 64, // of one frame, so that the walk is bounded
};
enum { PROTO_IPIP = 4, PROTO_IGMP = 2, PROTO_L2TP = 115 };
enum header { NOTHING, IPV4, IPV6, TCP, UDP, ICMP, SCTP, L2TP, PPP, HEADERS };

struct scan {
    const uint8_t *p;
    size_t len;         // of what counts of the frame: captured, less the Ethernet trailer
    size_t at[HEADERS]; // where the first of each kind stands
    size_t bytes[HEADERS];
    size_t room[HEADERS]; // from its beginning to the end of what counts
    bool has[HEADERS];
};

static unsigned be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static void note(struct scan *s, enum header kind, size_t at, size_t bytes)
{
    if (s->has[kind])
        return;
    s->has[kind] = true;
    s->at[kind] = at;
    s->room[kind] = s->len - at;
    s->bytes[kind] = bytes < s->room[kind] ? bytes : s->room[kind];
}

// ---- the walk: each step notes its header, moves behind it and names the next kind --------------

static enum header header_of(unsigned protocol)
{
    switch (protocol) {
    case SL_PROTO_ICMP:
        return ICMP;
    case PROTO_IPIP:
        return IPV4;
    case SL_PROTO_TCP:
        return TCP;
    case SL_PROTO_UDP:
        return UDP;
    case PROTO_L2TP:
        return L2TP;
    case SL_PROTO_SCTP:
        return SCTP;
    default:
        return NOTHING;
    }
}

// The total length cuts the trailer off only where Ethernet itself stands before.
static enum header step_ipv4(struct scan *s, size_t *at, bool trailer)
{
    size_t left = s->len - *at, start = *at;
    if (left < IPV4_BYTES)
        return NOTHING;
    size_t bytes = (s->p[start] & 15u) * 4, total = be16(s->p + start + 2);
    if (!bytes)
        return NOTHING;
    note(s, IPV4, start, bytes);
    bool later_fragment = be16(s->p + start + 6) & 0x1fff;
    enum header next = later_fragment ? NOTHING : header_of(s->p[start + 9]);
    if (trailer && total < left)
        s->len = start + total;
    *at = start + bytes;
    return next;
}

static bool extends_ipv6(unsigned next)
{
    return next == 0 || next == 43 || next == 44 || next == 50 || next == 51 || next == 60 ||
           next == 135;
}

// Not usable itself, but IPv4 inside it is. Every extension header is measured alike.
static enum header step_ipv6(struct scan *s, size_t *at)
{
    if (s->len - *at < IPV6_BYTES)
        return NOTHING;
    unsigned next = s->p[*at + 6];
    *at += IPV6_BYTES;
    while (extends_ipv6(next) && *at < s->len && s->len - *at >= 2) {
        next = s->p[*at];
        *at += (s->p[*at + 1] + 1u) * 8;
    }
    return header_of(next);
}

static enum header step_tcp(struct scan *s, size_t *at)
{
    size_t bytes = s->len - *at < TCP_BYTES ? 0 : (s->p[*at + 12] >> 4) * 4u;
    if (bytes)
        note(s, TCP, *at, bytes);
    return NOTHING;
}

static enum header step_udp(struct scan *s, size_t *at)
{
    if (s->len - *at < UDP_BYTES)
        return NOTHING;
    const uint8_t *p = s->p + *at;
    note(s, UDP, *at, UDP_BYTES);
    *at += UDP_BYTES;
    return be16(p) == L2TP_PORT || be16(p + 2) == L2TP_PORT ? L2TP : NOTHING;
}

static enum header step_icmp(struct scan *s, size_t *at)
{
    if (s->len - *at < ICMP_BYTES_MIN)
        return NOTHING;
    unsigned type = s->p[*at];
    note(s, ICMP, *at, ICMP_BYTES);
    *at += ICMP_BYTES;
    return type == 3 || type == 12 ? IPV4 : NOTHING;
}

static enum header step_sctp(struct scan *s, size_t *at)
{
    note(s, SCTP, *at, SCTP_BYTES); // however little of it is there
    return NOTHING;
}

static enum header step_l2tp(struct scan *s, size_t *at)
{
    if (s->len - *at < 6)
        return NOTHING;
    unsigned flags = be16(s->p + *at);
    size_t bytes =
        6 + (flags & 0x4000 ? 2u : 0u) + (flags & 0x0800 ? 4u : 0u) + (flags & 0x0200 ? 4u : 0u);
    *at += bytes;
    return flags & 0x8000 ? NOTHING : PPP; // control messages end here
}

static enum header step_ppp(struct scan *s, size_t *at)
{
    if (*at > s->len || s->len - *at < PPP_BYTES)
        return NOTHING;
    const uint8_t *p = s->p + *at;
    *at += PPP_BYTES;
    if (p[0] != 0xff || p[1] != 3)
        return NOTHING;
    return be16(p + 2) == 0x0021 ? IPV4 : be16(p + 2) == 0x0057 ? IPV6 : NOTHING;
}

static void walk(struct scan *s, enum header kind, size_t at, bool trailer)
{
    for (int i = 0; kind != NOTHING && at < s->len && i < MAX_HEADERS; i++, trailer = false) {
        switch (kind) {
        case IPV4:
            kind = step_ipv4(s, &at, trailer);
            break;
        case IPV6:
            kind = step_ipv6(s, &at);
            break;
        case TCP:
            kind = step_tcp(s, &at);
            break;
        case UDP:
            kind = step_udp(s, &at);
            break;
        case ICMP:
            kind = step_icmp(s, &at);
            break;
        case SCTP:
            kind = step_sctp(s, &at);
            break;
        case L2TP:
            kind = step_l2tp(s, &at);
            break;
        case PPP:
            kind = step_ppp(s, &at);
            break;
        default:
            return;
        }
    }
}

// LLC and perhaps SNAP, which has an Ethernet type again.
static unsigned step_llc(struct scan *s, size_t *at)
{
    if (s->len < *at || s->len - *at < 4)
        return 0;
    const uint8_t *p = s->p + *at;
    *at += p[2] & 1 ? 3 : 4;
    if (p[0] != 0xaa || s->len - *at < 5)
        return 0;
    *at += 5;
    return be16(s->p + *at - 2);
}

static void scan_ethernet(struct scan *s)
{
    if (s->len < ETHERNET_BYTES)
        return;
    unsigned type = be16(s->p + 12);
    size_t at = ETHERNET_BYTES;
    bool trailer = true;
    if (type < 0x600 && type < s->len)
        s->len = type; // 802.3: the length, as if it counted from the frame's beginning
    while (at <= s->len) {
        if (type == 0x8100 || type == 0x88a8 || type == 0x9100) {
            if (s->len - at < ETHERNET_BYTES)
                return;
            type = be16(s->p + at + 2);
            at += VLAN_BYTES;
        } else if (type < 0x600) {
            type = step_llc(s, &at);
            if (type < 0x600)
                return;
        } else {
            break;
        }
        trailer = false;
    }
    walk(s, type == 0x0800 ? IPV4 : type == 0x86dd ? IPV6 : NOTHING, at, trailer);
}

// ---- what was found -----------------------------------------------------------------------------

// The walk over IP options that is made when the header is first used.
static bool options_readable(const uint8_t *p, size_t header_bytes, size_t there)
{
    for (size_t i = IPV4_BYTES; i < header_bytes; i++) {
        if (i >= there)
            return false;
        unsigned id = p[i] & 31;
        if (id == 1)
            continue;
        if (id == 0 || id == 22 || id > 25)
            return true;
        if (i + 1 >= there)
            return false;
        i += p[i + 1];
    }
    return true;
}

static bool ipv4_usable(const struct scan *s)
{
    if (!s->has[IPV4])
        return false;
    const uint8_t *p = s->p + s->at[IPV4];
    size_t bytes = (p[0] & 15u) * 4;
    // A header that is cut will do when the packet says that it goes on, and not in fragments.
    size_t room = s->room[IPV4];
    bool cut_fairly = be16(p + 2) > room && !(p[6] & 0x20);
    return bytes >= IPV4_BYTES && (bytes <= room || cut_fairly) &&
           options_readable(p, bytes, s->bytes[IPV4]);
}

static void put_ports(const struct scan *s, enum header kind, struct sl_cic_packet *out)
{
    const uint8_t *p = s->p + s->at[kind];
    out->sport = (uint16_t)be16(p);
    out->dport = (uint16_t)be16(p + 2);
    out->header_bytes = (uint32_t)s->bytes[kind];
    out->payload_bytes = (uint32_t)(s->room[kind] - s->bytes[kind]);
}

static bool put_tcp(const struct scan *s, struct sl_cic_packet *out)
{
    const uint8_t *p = s->p + s->at[TCP];
    unsigned words = p[12] >> 4;
    if (words < 4) // the window would lie behind it
        return false;
    // Of the options only the first is looked at: kinds 0 and 1 have no length.
    if (words > 5 && (s->room[TCP] < TCP_BYTES + 1 || (p[20] > 1 && s->room[TCP] < TCP_BYTES + 2)))
        return false;
    put_ports(s, TCP, out);
    out->protocol = SL_PROTO_TCP;
    out->tcp_seq = be32(p + 4);
    out->tcp_ack = be32(p + 8);
    out->tcp_flags = p[13];
    out->tcp_window = (uint16_t)be16(p + 14);
    return true;
}

// Protocol numbers that jNetPcap has a name for.
static bool named(unsigned protocol)
{
    return protocol <= 61 || protocol == 94 || protocol == 103 || protocol == 111 ||
           protocol == 118 || protocol == 132 || protocol == 133 || protocol == 137;
}

static bool put_icmp(const struct scan *s, struct sl_cic_packet *out)
{
    const uint8_t *p = s->p + s->at[ICMP];
    if (p[0] >= 64)
        return false;
    out->protocol = SL_PROTO_ICMP;
    out->icmp_type = p[0];
    out->icmp_code = p[1];
    return true;
}

static bool put_other(const struct scan *s, struct sl_cic_packet *out)
{
    unsigned protocol = s->p[s->at[IPV4] + 9];
    if (s->has[SCTP]) {
        if (s->room[SCTP] < PORTS_BYTES)
            return false;
        put_ports(s, SCTP, out);
        out->protocol = SL_PROTO_SCTP;
    } else if (protocol == PROTO_IGMP) {
        out->protocol = PROTO_IGMP;
    }
    return named(protocol);
}

static bool tell(const struct scan *s, bool fork, struct sl_cic_packet *out)
{
    if (!ipv4_usable(s))
        return false;
    const uint8_t *ip = s->p + s->at[IPV4];
    *out = (struct sl_cic_packet){.t_us = out->t_us,
                                  .src = be32(ip + 12),
                                  .dst = be32(ip + 16),
                                  .icmp_type = SL_CIC_NO_ICMP,
                                  .icmp_code = SL_CIC_NO_ICMP};
    if (fork && s->has[ICMP])
        return put_icmp(s, out);
    if (s->has[TCP])
        return put_tcp(s, out);
    if (s->has[UDP]) {
        put_ports(s, UDP, out);
        out->protocol = SL_PROTO_UDP;
        return true;
    }
    return fork ? put_other(s, out) : true;
}

int64_t sl_cic_time_us(int64_t ts_ns, bool pcap)
{
    int64_t s = ts_ns / 1000000000 - (ts_ns % 1000000000 < 0), rest_ns = ts_ns - s * 1000000000;
    if (pcap && s >= INT64_C(0x80000000) && s <= UINT32_MAX)
        s -= INT64_C(1) << 32;
    return s * 1000000 + rest_ns / 1000;
}

bool sl_cic_packet(bool fork, const uint8_t *frame, size_t captured, uint32_t wire_bytes,
                   int64_t t_us, struct sl_cic_packet *out)
{
    size_t len = captured < wire_bytes ? captured : wire_bytes;
    struct scan s = {.p = frame, .len = len};
    out->t_us = t_us;
    scan_ethernet(&s);
    if (tell(&s, fork, out))
        return true;
    s = (struct scan){.p = frame, .len = len};
    walk(&s, IPV4, 0, false);
    return tell(&s, fork, out);
}
