// SPDX-License-Identifier: Apache-2.0
/*
 * One frame, decoded as far as flows need it.
 *
 * Units    nanoseconds since 1970, bytes; addresses and ports in host byte order for IPv4, network
 *          order bytes for IPv6.
 * Errors   a frame that is cut short or not IP gives a kind other than SL_PACKET_OK; never fatal.
 * Threads  stateless.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_addr {
    uint8_t family; // 4 or 6
    uint8_t b[16];  // IPv4 in the first four, network order; the rest zero
};
struct sl_tuple { // five-tuple, initiator first once a flow knows it
    struct sl_addr src, dst;
    uint16_t sport, dport;
    uint8_t proto;
};
enum sl_packet_kind {
    SL_PACKET_OK,
    SL_PACKET_NOT_IP,     // ARP, LLDP, ...
    SL_PACKET_CUT_SHORT,  // the capture ends inside a header that flows need
    SL_PACKET_BAD_HEADER, // a length or version that cannot be
    SL_PACKET_FRAGMENT,   // not the first fragment: no ports (net/fragments.h finds them)
    SL_PACKET_BAD_LINK,   // a link type that is not known here
    SL_PACKET_KINDS
};
// Encapsulations that were found on the way to the packet (bits of sl_packet.tunnels).
enum {
    SL_TUNNEL_MPLS = 1 << 0,
    SL_TUNNEL_GRE = 1 << 1,
    SL_TUNNEL_VXLAN = 1 << 2,
    SL_TUNNEL_GTPU = 1 << 3,
    SL_TUNNEL_IPIP = 1 << 4, // 4in4, 6in4, 4in6, 6in6
    SL_TUNNEL_PPP = 1 << 5,  // PPPoE, and PPP in L2TP
    SL_TUNNEL_L2TP = 1 << 6,
};
enum {
    SL_PROTO_ICMP = 1,
    SL_PROTO_TCP = 6,
    SL_PROTO_UDP = 17,
    SL_PROTO_ICMPV6 = 58,
    SL_PROTO_SCTP = 132
};
enum { // TCP flags, RFC 9293 section 3.1
    SL_TCP_FIN = 0x01,
    SL_TCP_SYN = 0x02,
    SL_TCP_RST = 0x04,
    SL_TCP_PSH = 0x08,
    SL_TCP_ACK = 0x10,
    SL_TCP_URG = 0x20,
    SL_TCP_ECE = 0x40,
    SL_TCP_CWR = 0x80,
};
struct sl_packet {
    int64_t ts_ns;
    uint64_t number;        // position in its trace, from 0; set by whoever reads
    const uint8_t *payload; // captured part, into the frame; NULL if none
    uint32_t wire_bytes;    // layer-2 length on the wire, without FCS
    uint32_t ip_bytes;      // IP total length (of the packet that gave the tuple)
    uint32_t payload_bytes; // above the l4_header_bytes; of a later fragment: all it carries
    uint32_t payload_captured;
    struct sl_tuple tuple; // ICMP echo: both ports are the identifier; else ICMP has ports 0
    uint32_t tcp_seq, tcp_ack;
    uint16_t tcp_window;
    uint16_t ethertype; // behind the outermost VLAN tags (0x8847 for MPLS); raw IP: by its version;
                        // 0 = there is none
    uint8_t tcp_flags;  // 0 unless TCP
    uint8_t l4_header_bytes;    // TCP 20..60, UDP and UDP-Lite 8, SCTP 12, DCCP 12 or 16, ICMP 8;
                                // else 0
    uint16_t ip_header_bytes;   // IPv4 with options; IPv6 with its extension headers; both with AH
    const uint8_t *tcp_options; // captured part; NULL if none
    uint8_t tcp_options_captured;
    uint8_t icmp_type, icmp_code; // ICMP and ICMPv6 only
    uint8_t ttl, tos;             // hop limit, traffic class
    uint8_t tunnels;              // bits SL_TUNNEL_
    bool fragmented;              // any fragment, the first too; not one that is alone (RFC 6946)
    uint8_t layers;               // IP headers passed: 1 = no tunnel
    uint16_t vlan, vlan_inner;    // identifiers 1..4094 of the two outermost tags, also inside a
                                  // tunnel when there are none before it; 0 = none
    uint32_t ip_id;               // IPv4 identification, or that of the IPv6 fragment header
    uint32_t fragment_offset;     // bytes
    uint16_t interface;           // index in its trace; set by whoever reads
    bool
        length_cut; // the outermost IP header claims more than the frame had: what was there counts
};
/*
 * How to decode. Inner (the default, as nfstream, Suricata and Zeek do) follows tunnels down to the
 * innermost IP packet and the tuple is that one's; outer stops at the first IP header. A tunnel
 * whose inside cannot be decoded is an outer packet, and so is one that is fragmented, or nested
 * more than 8 deep. VLAN, MPLS and PPPoE before the first IP header are stepped over in any case.
 * NULL = Ethernet, inner.
 */
struct sl_decode_options {
    uint16_t linktype; // LINKTYPE_ number of the capture file
    bool outer;
    bool cic_tunnels; // as CICFlowMeter: above IP only L2TP is looked into
};
bool sl_linktype_known(uint16_t linktype);
// "Ethernet"; NULL when unknown ("link type 147" is the caller's text).
const char *sl_linktype_name(uint16_t linktype);
const char *sl_packet_kind_name(enum sl_packet_kind kind); // "not-ip", "cut-short", ...
enum sl_packet_kind sl_packet_decode(const struct sl_decode_options *how, const uint8_t *frame,
                                     size_t captured, uint32_t wire_bytes, int64_t ts_ns,
                                     struct sl_packet *out);
// TCP options of any packet; what is not there, or was not captured, is 0 or -1.
struct sl_tcp_options {
    uint16_t mss;         // 0 = not there
    int16_t window_scale; // -1 = not there; at most 14 (RFC 7323 section 2.3)
    bool sack_permitted, timestamps;
    uint32_t ts_value, ts_echo;
    uint8_t n_sack; // blocks, at most 4
    struct {
        uint32_t left, right;
    } sack[4];
};
void sl_tcp_options(const struct sl_packet *p, struct sl_tcp_options *out);
uint32_t sl_addr_v4(const struct sl_addr *a); // host order; 0 for IPv6
struct sl_addr sl_addr_from_v4(uint32_t host_order);
bool sl_addr_equal(const struct sl_addr *a, const struct sl_addr *b);
char *sl_addr_text(const struct sl_addr *a, char buf[46]);
char *sl_ipv4_text(uint32_t host_order, char buf[16]);
bool sl_ipv4_parse(const char *text, uint32_t *host_order);                  // "10.1.2.3"
bool sl_ipv4_parse_prefix(const char *text, uint32_t *host_order, int *len); // "10.1.2.0/24"
