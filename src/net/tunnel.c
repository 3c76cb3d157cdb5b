// SPDX-License-Identifier: Apache-2.0
/*
 * Tunnels above IP. Those in UDP are known by their port alone, so a guess may be wrong: what does
 * not decode as a packet leaves the outer one as it is.
 *
 * Sources: RFC 2784 and 2890 (GRE), 2637 (PPTP), 7348 (VXLAN; 8472 is the port Linux took before),
 * 3GPP TS 29.281 (GTP-U), 2661 (L2TP), 2003, 2473 and 4213 (IP in IP), 4023 (MPLS in IP),
 * draft-foschiano-erspan.
 */
#include "net/decode.h"

enum {
    MAX_ENTERED = 8,
    PORT_L2TP = 1701,
    PORT_GTPU = 2152,
    PORT_VXLAN = 4789,
    PORT_VXLAN_LINUX = 8472,
    PROTO_IPIP = 4,
    PROTO_GRE = 47,
    PROTO_MPLS = 137,
};

enum sl_packet_kind sl_decode_inside(struct sl_decoding *d, struct sl_cursor c, uint8_t tunnels,
                                     sl_decode_fn *decode, struct sl_packet *out)
{
    if (d->entered >= MAX_ENTERED)
        return SL_PACKET_NOT_IP;
    d->entered++;
    struct sl_packet inner = {.ts_ns = out->ts_ns,
                              .wire_bytes = out->wire_bytes,
                              .ethertype = out->ethertype,
                              .tunnels = out->tunnels | tunnels,
                              .layers = out->layers,
                              .vlan = out->vlan,
                              .vlan_inner = out->vlan_inner};
    enum sl_packet_kind kind = decode(d, c, &inner);
    if (sl_found(kind))
        *out = inner;
    return kind;
}

// --- GRE

static enum sl_packet_kind decode_erspan2(struct sl_decoding *d, struct sl_cursor c,
                                          struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 8);
    if (kind != SL_PACKET_OK)
        return kind;
    sl_step(&c, 8);
    return sl_decode_ethernet(d, c, out);
}

static enum sl_packet_kind decode_erspan3(struct sl_decoding *d, struct sl_cursor c,
                                          struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 12);
    if (kind != SL_PACKET_OK)
        return kind;
    uint32_t bytes = c.p[11] & 1 ? 20 : 12; // a platform-specific part
    if ((kind = sl_need(&c, bytes)) != SL_PACKET_OK)
        return kind;
    sl_step(&c, bytes);
    return sl_decode_ethernet(d, c, out);
}

// Version 1: PPP of PPTP. Without a sequence number it is an acknowledgement and nothing else.
static enum sl_packet_kind decode_pptp(struct sl_decoding *d, struct sl_cursor c,
                                       struct sl_packet *out)
{
    enum { KEY = 0x2000, SEQUENCE = 0x1000, ACK = 0x0080, TYPE_PPP = 0x880b };
    enum sl_packet_kind kind = sl_need(&c, 8);
    if (kind != SL_PACKET_OK)
        return kind;
    uint16_t flags = sl_be16(c.p);
    if (!(flags & KEY) || !(flags & SEQUENCE) || sl_be16(c.p + 2) != TYPE_PPP)
        return SL_PACKET_NOT_IP;
    uint32_t length = sl_be16(c.p + 4), bytes = flags & ACK ? 16 : 12;
    if ((kind = sl_need(&c, bytes)) != SL_PACKET_OK)
        return kind;
    sl_step(&c, bytes);
    sl_shorten(&c, length);
    out->tunnels |= SL_TUNNEL_PPP;
    return sl_decode_ppp(d, c, out);
}

static enum sl_packet_kind decode_gre(struct sl_decoding *d, struct sl_cursor c,
                                      struct sl_packet *out)
{
    enum { CHECKSUM = 0x8000, ROUTING = 0x4000, KEY = 0x2000, SEQUENCE = 0x1000, VERSION = 7 };
    enum { TYPE_ERSPAN2 = 0x88be, TYPE_ERSPAN3 = 0x22eb };
    enum sl_packet_kind kind = sl_need(&c, 4);
    if (kind != SL_PACKET_OK)
        return kind;
    uint16_t flags = sl_be16(c.p), type = sl_be16(c.p + 2);
    if ((flags & VERSION) == 1)
        return decode_pptp(d, c, out);
    if (flags & (VERSION | ROUTING))
        return SL_PACKET_NOT_IP;
    uint32_t bytes =
        4 + (flags & CHECKSUM ? 4u : 0) + (flags & KEY ? 4u : 0) + (flags & SEQUENCE ? 4u : 0);
    if ((kind = sl_need(&c, bytes)) != SL_PACKET_OK)
        return kind;
    sl_step(&c, bytes);
    if (type == TYPE_ERSPAN2) // type I has neither a sequence number nor a header of its own
        return flags & SEQUENCE ? decode_erspan2(d, c, out) : sl_decode_ethernet(d, c, out);
    if (type == TYPE_ERSPAN3)
        return decode_erspan3(d, c, out);
    return type < 0x0600 ? SL_PACKET_NOT_IP : sl_decode_ethertype(d, type, c, out);
}

// --- in UDP

static enum sl_packet_kind decode_vxlan(struct sl_decoding *d, struct sl_cursor c,
                                        struct sl_packet *out)
{
    enum { HAS_NETWORK = 0x08 };
    enum sl_packet_kind kind = sl_need(&c, 8);
    if (kind != SL_PACKET_OK)
        return kind;
    if (!(c.p[0] & HAS_NETWORK))
        return SL_PACKET_NOT_IP;
    sl_step(&c, 8);
    return sl_decode_ethernet(d, c, out);
}

// Each extension header: length in words of four bytes, contents, type of the next one.
static enum sl_packet_kind skip_gtpu_extensions(struct sl_cursor *c, uint8_t next)
{
    while (next) {
        enum sl_packet_kind kind = sl_need(c, 4);
        if (kind != SL_PACKET_OK)
            return kind;
        uint32_t bytes = 4 * (uint32_t)c->p[0];
        if (!bytes)
            return SL_PACKET_BAD_HEADER;
        if ((kind = sl_need(c, bytes)) != SL_PACKET_OK)
            return kind;
        next = c->p[bytes - 1];
        sl_step(c, bytes);
    }
    return SL_PACKET_OK;
}

static enum sl_packet_kind decode_gtpu(struct sl_decoding *d, struct sl_cursor c,
                                       struct sl_packet *out)
{
    enum { VERSION_AND_TYPE = 0xf0, EXTENSION = 4, ANY_OPTION = 7, T_PDU = 0xff };
    enum sl_packet_kind kind = sl_need(&c, 8);
    if (kind != SL_PACKET_OK)
        return kind;
    uint8_t flags = c.p[0];
    if ((flags & VERSION_AND_TYPE) != 0x30 || c.p[1] != T_PDU)
        return SL_PACKET_NOT_IP;
    uint32_t length = sl_be16(c.p + 2); // counts from here
    sl_step(&c, 8);
    sl_shorten(&c, length);
    if (flags & ANY_OPTION) { // sequence number, N-PDU number and type are all there
        if ((kind = sl_need(&c, 4)) != SL_PACKET_OK)
            return kind;
        uint8_t next = flags & EXTENSION ? c.p[3] : 0;
        sl_step(&c, 4);
        if ((kind = skip_gtpu_extensions(&c, next)) != SL_PACKET_OK)
            return kind;
    }
    return sl_decode_ip(d, c, out);
}

// Where PPP starts in a data message of version 2; 0 if it is another message.
static enum sl_packet_kind l2tp_header(const struct sl_cursor *c, uint32_t *bytes, uint32_t *length)
{
    enum { CONTROL = 0x8000, LENGTH = 0x4000, SEQUENCE = 0x0800, OFFSET = 0x0200, VERSION = 15 };
    enum sl_packet_kind kind = sl_need(c, 6);
    if (kind != SL_PACKET_OK)
        return kind;
    uint16_t flags = sl_be16(c->p);
    if (flags & CONTROL || (flags & VERSION) != 2)
        return SL_PACKET_NOT_IP;
    *length = flags & LENGTH ? sl_be16(c->p + 2) : c->length;
    *bytes = 6 + (flags & LENGTH ? 2u : 0) + (flags & SEQUENCE ? 4u : 0);
    if (flags & OFFSET) {
        if ((kind = sl_need(c, *bytes + 2)) != SL_PACKET_OK)
            return kind;
        *bytes += 2 + (uint32_t)sl_be16(c->p + *bytes);
    }
    return sl_need(c, *bytes);
}

static enum sl_packet_kind decode_l2tp(struct sl_decoding *d, struct sl_cursor c,
                                       struct sl_packet *out)
{
    uint32_t bytes, length;
    enum sl_packet_kind kind = l2tp_header(&c, &bytes, &length);
    if (kind != SL_PACKET_OK)
        return kind;
    if (length < bytes)
        return SL_PACKET_BAD_HEADER;
    sl_shorten(&c, length);
    sl_step(&c, bytes);
    return sl_decode_ppp(d, c, out);
}

bool sl_tunnel_of_udp(const struct sl_decoding *d, uint16_t sport, uint16_t dport)
{
    if (sport == PORT_L2TP || dport == PORT_L2TP)
        return true;
    return !d->cic_tunnels && (dport == PORT_VXLAN || dport == PORT_VXLAN_LINUX ||
                               dport == PORT_GTPU || sport == PORT_GTPU);
}

enum sl_packet_kind sl_decode_udp_tunnel(struct sl_decoding *d, struct sl_cursor c,
                                         struct sl_packet *out)
{
    uint16_t sport = out->tuple.sport, dport = out->tuple.dport;
    if (!d->cic_tunnels && (dport == PORT_VXLAN || dport == PORT_VXLAN_LINUX))
        return sl_decode_inside(d, c, SL_TUNNEL_VXLAN, decode_vxlan, out);
    if (!d->cic_tunnels && (dport == PORT_GTPU || sport == PORT_GTPU))
        return sl_decode_inside(d, c, SL_TUNNEL_GTPU, decode_gtpu, out);
    return sl_decode_inside(d, c, SL_TUNNEL_L2TP | SL_TUNNEL_PPP, decode_l2tp, out);
}

enum sl_packet_kind sl_decode_ip_tunnel(struct sl_decoding *d, uint8_t proto, struct sl_cursor c,
                                        struct sl_packet *out)
{
    if (proto == PROTO_GRE)
        return sl_decode_inside(d, c, SL_TUNNEL_GRE, decode_gre, out);
    if (proto == PROTO_MPLS)
        return sl_decode_inside(d, c, SL_TUNNEL_MPLS, sl_decode_mpls, out);
    return sl_decode_inside(d, c, SL_TUNNEL_IPIP,
                            proto == PROTO_IPIP ? sl_decode_ipv4 : sl_decode_ipv6, out);
}
