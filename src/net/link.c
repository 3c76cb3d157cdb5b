// SPDX-License-Identifier: Apache-2.0
/*
 * Everything that may stand before the first IP header: the link layers of capture files, VLAN
 * tags, LLC and SNAP, MPLS labels, PPPoE and PPP. Each layer names the next one by an EtherType, a
 * PPP protocol number or not at all (MPLS, raw IP: the version field decides).
 *
 * Sources: the LINKTYPE_ list of tcpdump.org; IEEE 802.1Q, 802.2, 802.11; RFC 1042 (SNAP), 1661,
 * 1662 and 1332 (PPP), 2516 (PPPoE), 3032 (MPLS), 4385 and 4448 (pseudowires); radiotap.org.
 */
#include "net/decode.h"

enum {
    TYPE_VLAN = 0x8100,
    TYPE_QINQ = 0x88a8,
    TYPE_QINQ_OLD = 0x9100,
    TYPE_PPPOE_SESSION = 0x8864,
    TYPE_MIN = 0x0600, // below: a length, and LLC follows
};

// --- what EtherTypes lead to

static bool is_vlan(uint16_t type)
{
    return type == TYPE_VLAN || type == TYPE_QINQ || type == TYPE_QINQ_OLD;
}

// The two outermost tags are kept. 0 is a priority without a network, 4095 is reserved.
static void note_vlan(uint16_t tag, struct sl_packet *out)
{
    uint16_t id = tag & 0xfff;
    if (id == 0 || id == 0xfff)
        return;
    if (!out->vlan)
        out->vlan = id;
    else if (!out->vlan_inner)
        out->vlan_inner = id;
}

static enum sl_packet_kind decode_llc(struct sl_decoding *d, struct sl_cursor c,
                                      struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 3);
    if (kind != SL_PACKET_OK)
        return kind;
    if (c.p[0] != 0xaa || c.p[1] != 0xaa || c.p[2] != 3)
        return SL_PACKET_NOT_IP; // spanning tree, IS-IS, ...
    if ((kind = sl_need(&c, 8)) != SL_PACKET_OK)
        return kind;
    uint32_t organisation = sl_be32(c.p + 2) & 0xffffff;
    uint16_t type = sl_be16(c.p + 6);
    sl_step(&c, 8);
    // RFC 1042, and the bridge-tunnel encapsulation of IEEE 802.1H; others have numbers of their
    // own
    if (type < TYPE_MIN || (organisation != 0 && organisation != 0x0000f8))
        return SL_PACKET_NOT_IP;
    return sl_decode_ethertype(d, type, c, out);
}

static enum sl_packet_kind decode_pppoe(struct sl_decoding *d, struct sl_cursor c,
                                        struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 6);
    if (kind != SL_PACKET_OK)
        return kind;
    if (c.p[0] != 0x11) // version and type
        return SL_PACKET_BAD_HEADER;
    if (c.p[1] != 0)
        return SL_PACKET_NOT_IP; // discovery
    uint32_t length = sl_be16(c.p + 4);
    sl_step(&c, 6);
    sl_shorten(&c, length);
    out->tunnels |= SL_TUNNEL_PPP;
    return sl_decode_ppp(d, c, out);
}

enum sl_packet_kind sl_decode_ethertype(struct sl_decoding *d, uint16_t type, struct sl_cursor c,
                                        struct sl_packet *out)
{
    while (is_vlan(type)) {
        enum sl_packet_kind kind = sl_need(&c, 4);
        if (kind != SL_PACKET_OK)
            return kind;
        note_vlan(sl_be16(c.p), out);
        type = sl_be16(c.p + 2);
        sl_step(&c, 4);
    }
    bool outermost = !out->layers && !out->tunnels;
    if (type < TYPE_MIN) {
        sl_shorten(&c, type);
        if (outermost)
            out->ethertype = 0;
        return decode_llc(d, c, out);
    }
    if (outermost)
        out->ethertype = type;
    switch (type) {
    case SL_TYPE_IPV4:
        return sl_decode_ipv4(d, c, out);
    case SL_TYPE_IPV6:
        return sl_decode_ipv6(d, c, out);
    case SL_TYPE_MPLS:
    case SL_TYPE_MPLS_MULTICAST:
        return sl_decode_mpls(d, c, out);
    case TYPE_PPPOE_SESSION:
        return decode_pppoe(d, c, out);
    case SL_TYPE_BRIDGED:
        return sl_decode_inside(d, c, 0, sl_decode_ethernet, out);
    default:
        return SL_PACKET_NOT_IP;
    }
}

enum sl_packet_kind sl_decode_ethernet(struct sl_decoding *d, struct sl_cursor c,
                                       struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 14);
    if (kind != SL_PACKET_OK)
        return kind;
    uint16_t type = sl_be16(c.p + 12);
    sl_step(&c, 14);
    return sl_decode_ethertype(d, type, c, out);
}

// Behind a control word: four bits 0, then flags and a sequence number.
static enum sl_packet_kind decode_pseudowire(struct sl_decoding *d, struct sl_cursor c,
                                             struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 4);
    if (kind != SL_PACKET_OK)
        return kind;
    sl_step(&c, 4);
    return sl_decode_ethernet(d, c, out);
}

// Nothing says what is under the labels. 4 and 6 are IP; anything else may be an Ethernet
// pseudowire, with a control word if the first four bits are 0, or without. Without comes first:
// four bytes too far on, a frame with one VLAN tag looks like a frame.
enum sl_packet_kind sl_decode_mpls(struct sl_decoding *d, struct sl_cursor c, struct sl_packet *out)
{
    bool bottom = false;
    while (!bottom) {
        enum sl_packet_kind kind = sl_need(&c, 4);
        if (kind != SL_PACKET_OK)
            return kind;
        bottom = c.p[2] & 1;
        sl_step(&c, 4);
    }
    enum sl_packet_kind kind = sl_need(&c, 1);
    if (kind != SL_PACKET_OK)
        return kind;
    out->tunnels |= SL_TUNNEL_MPLS;
    unsigned nibble = c.p[0] >> 4;
    if (nibble == 4 || nibble == 6)
        return sl_decode_ip(d, c, out);
    kind = sl_decode_inside(d, c, 0, sl_decode_ethernet, out);
    if (sl_found(kind) || nibble != 0)
        return kind;
    return sl_decode_inside(d, c, 0, decode_pseudowire, out);
}

// Address and control (ff 03) may be left out, and so may the first byte of the protocol number,
// which is even while the last one is odd (RFC 1661 section 2, 6.5, 6.6).
enum sl_packet_kind sl_decode_ppp(struct sl_decoding *d, struct sl_cursor c, struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 2);
    if (kind != SL_PACKET_OK)
        return kind;
    if (c.p[0] == 0xff && c.p[1] == 3) {
        sl_step(&c, 2);
        if ((kind = sl_need(&c, 2)) != SL_PACKET_OK)
            return kind;
    }
    uint32_t bytes = c.p[0] & 1 ? 1 : 2;
    uint16_t protocol = bytes == 1 ? c.p[0] : sl_be16(c.p);
    sl_step(&c, bytes);
    switch (protocol) {
    case 0x0021:
        return sl_decode_ethertype(d, SL_TYPE_IPV4, c, out);
    case 0x0057:
        return sl_decode_ethertype(d, SL_TYPE_IPV6, c, out);
    case 0x0281:
    case 0x0283:
        return sl_decode_ethertype(d, SL_TYPE_MPLS, c, out);
    default:
        return SL_PACKET_NOT_IP; // LCP, IPCP, compressed or encrypted datagrams
    }
}

// --- link layers of capture files

// Address, control, EtherType.
static enum sl_packet_kind decode_cisco_hdlc(struct sl_decoding *d, struct sl_cursor c,
                                             struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 4);
    if (kind != SL_PACKET_OK)
        return kind;
    uint16_t type = sl_be16(c.p + 2);
    sl_step(&c, 4);
    return type < TYPE_MIN ? SL_PACKET_NOT_IP : sl_decode_ethertype(d, type, c, out);
}

// Serial lines are captured as PPP or as Cisco's HDLC, whose first byte is 0f (unicast) or 8f.
static enum sl_packet_kind decode_serial(struct sl_decoding *d, struct sl_cursor c,
                                         struct sl_packet *out)
{
    bool cisco = c.left && (c.p[0] == 0x0f || c.p[0] == 0x8f);
    return cisco ? decode_cisco_hdlc(d, c, out) : sl_decode_ppp(d, c, out);
}

// BSD loopback: an address family in the byte order of the capturing machine (LOOP: of the
// network). IPv6 has another number on each system.
static enum sl_packet_kind decode_loopback(struct sl_decoding *d, struct sl_cursor c,
                                           struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 4);
    if (kind != SL_PACKET_OK)
        return kind;
    uint32_t family = sl_be32(c.p);
    if (family > 0xffff)
        family = __builtin_bswap32(family);
    sl_step(&c, 4);
    switch (family) {
    case 2:
        return sl_decode_ethertype(d, SL_TYPE_IPV4, c, out);
    case 10: // Linux
    case 24: // NetBSD, OpenBSD
    case 28: // FreeBSD
    case 30: // macOS
        return sl_decode_ethertype(d, SL_TYPE_IPV6, c, out);
    default:
        return SL_PACKET_NOT_IP;
    }
}

static enum sl_packet_kind by_cooked(struct sl_decoding *d, uint16_t hardware, uint16_t type,
                                     struct sl_cursor c, struct sl_packet *out)
{
    enum { NETLINK = 824, LLC = 4 };
    if (hardware == NETLINK)
        return SL_PACKET_NOT_IP;
    if (type == LLC)
        return decode_llc(d, c, out);
    return type < TYPE_MIN ? SL_PACKET_NOT_IP : sl_decode_ethertype(d, type, c, out);
}

static enum sl_packet_kind decode_cooked(struct sl_decoding *d, struct sl_cursor c,
                                         struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 16);
    if (kind != SL_PACKET_OK)
        return kind;
    uint16_t hardware = sl_be16(c.p + 2), type = sl_be16(c.p + 14);
    sl_step(&c, 16);
    return by_cooked(d, hardware, type, c, out);
}

static enum sl_packet_kind decode_cooked2(struct sl_decoding *d, struct sl_cursor c,
                                          struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 20);
    if (kind != SL_PACKET_OK)
        return kind;
    uint16_t type = sl_be16(c.p), hardware = sl_be16(c.p + 8);
    sl_step(&c, 20);
    return by_cooked(d, hardware, type, c, out);
}

// Length of the header of an 802.11 data frame that carries something in the clear; 0 otherwise.
static uint32_t wlan_header(const uint8_t *p)
{
    enum { DATA = 2, NO_DATA = 0x40, QOS = 0x80, BOTH_DS = 3, PROTECTED = 0x40, ORDER = 0x80 };
    if ((p[0] >> 2 & 3) != DATA || p[0] & NO_DATA || p[1] & PROTECTED || p[22] & 15)
        return 0; // the last one: a later fragment
    uint32_t bytes = (p[1] & BOTH_DS) == BOTH_DS ? 30 : 24;
    if (p[0] & QOS)
        bytes += p[1] & ORDER ? 6 : 2;
    return bytes;
}

static enum sl_packet_kind decode_wlan_padded(struct sl_decoding *d, struct sl_cursor c,
                                              bool padded, struct sl_packet *out)
{
    enum sl_packet_kind kind = sl_need(&c, 24);
    if (kind != SL_PACKET_OK) // control frames are shorter
        return c.left >= 2 && (c.p[0] >> 2 & 3) != 2 ? SL_PACKET_NOT_IP : kind;
    uint32_t bytes = wlan_header(c.p);
    if (!bytes)
        return SL_PACKET_NOT_IP;
    if (padded)
        bytes = (bytes + 3) & ~3u;
    if ((kind = sl_need(&c, bytes)) != SL_PACKET_OK)
        return kind;
    sl_step(&c, bytes);
    return decode_llc(d, c, out);
}

static enum sl_packet_kind decode_wlan(struct sl_decoding *d, struct sl_cursor c,
                                       struct sl_packet *out)
{
    return decode_wlan_padded(d, c, false, out);
}

// The flags of a radiotap header, the second field, behind a time of 8 bytes if bit 0 is set; 0 if
// they are not there.
static uint8_t radiotap_flags(const uint8_t *p, uint32_t bytes)
{
    uint32_t at = 4;
    uint8_t first = p[4];
    while (at + 4 <= bytes && p[at + 3] & 0x80) // more words of "what is present"
        at += 4;
    at += 4;
    if (!(first & 2))
        return 0;
    if (first & 1)
        at = ((at + 7) & ~7u) + 8;
    return at < bytes ? p[at] : 0;
}

static enum sl_packet_kind decode_radiotap(struct sl_decoding *d, struct sl_cursor c,
                                           struct sl_packet *out)
{
    enum { PADDED = 0x20 };
    enum sl_packet_kind kind = sl_need(&c, 8);
    if (kind != SL_PACKET_OK)
        return kind;
    uint32_t bytes = (uint32_t)c.p[2] | (uint32_t)c.p[3] << 8;
    if (c.p[0] != 0 || bytes < 8)
        return SL_PACKET_BAD_HEADER;
    if ((kind = sl_need(&c, bytes)) != SL_PACKET_OK)
        return kind;
    bool padded = radiotap_flags(c.p, bytes) & PADDED;
    sl_step(&c, bytes);
    return decode_wlan_padded(d, c, padded, out);
}

static enum sl_packet_kind decode_raw4(struct sl_decoding *d, struct sl_cursor c,
                                       struct sl_packet *out)
{
    return sl_decode_ethertype(d, SL_TYPE_IPV4, c, out);
}

static enum sl_packet_kind decode_raw6(struct sl_decoding *d, struct sl_cursor c,
                                       struct sl_packet *out)
{
    return sl_decode_ethertype(d, SL_TYPE_IPV6, c, out);
}

struct sl_link {
    const char *name;
    sl_decode_fn *decode;
};
static const struct sl_link links[] = {
    [0] = {"BSD loopback", decode_loopback},
    [1] = {"Ethernet", sl_decode_ethernet},
    [9] = {"PPP", decode_serial},
    [12] = {"raw IP", sl_decode_ip}, // DLT_RAW of most systems, in files that took it over
    [14] = {"raw IP", sl_decode_ip}, // of OpenBSD
    [50] = {"PPP in HDLC framing", decode_serial},
    [51] = {"PPPoE", decode_pppoe},
    [101] = {"raw IP", sl_decode_ip},
    [104] = {"Cisco HDLC", decode_cisco_hdlc},
    [105] = {"IEEE 802.11", decode_wlan},
    [108] = {"OpenBSD loopback", decode_loopback},
    [113] = {"Linux cooked capture v1", decode_cooked},
    [127] = {"IEEE 802.11 with radiotap", decode_radiotap},
    [228] = {"raw IPv4", decode_raw4},
    [229] = {"raw IPv6", decode_raw6},
    [276] = {"Linux cooked capture v2", decode_cooked2},
};

const struct sl_link *sl_link_find(uint16_t linktype)
{
    bool known = linktype < sizeof links / sizeof *links && links[linktype].decode;
    return known ? &links[linktype] : NULL;
}

enum sl_packet_kind sl_link_decode(const struct sl_link *link, struct sl_decoding *d,
                                   struct sl_cursor c, struct sl_packet *out)
{
    return link->decode(d, c, out);
}

bool sl_linktype_known(uint16_t linktype)
{
    return sl_link_find(linktype);
}

const char *sl_linktype_name(uint16_t linktype)
{
    const struct sl_link *link = sl_link_find(linktype);
    return link ? link->name : NULL;
}
