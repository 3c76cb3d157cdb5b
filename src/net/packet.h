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
    SL_PACKET_NOT_IP,
    SL_PACKET_CUT_SHORT,
    SL_PACKET_BAD_HEADER,
    SL_PACKET_FRAGMENT, // not the first: no ports
    SL_PACKET_KINDS
};
struct sl_packet {
    int64_t ts_ns;
    uint32_t wire_bytes;    // layer-2 length on the wire, without FCS
    uint32_t ip_bytes;      // IP total length
    uint32_t payload_bytes; // above TCP or UDP, by the IP header (not by what was captured)
    const uint8_t *payload; // captured part, into the frame; NULL if none
    uint32_t payload_captured;
    struct sl_tuple tuple;
    uint8_t tcp_flags;      // 0 unless TCP
    uint32_t tcp_seq, tcp_ack;
    uint16_t tcp_window, ethertype;
};
enum sl_packet_kind sl_packet_decode(const uint8_t *frame, size_t captured, uint32_t wire_bytes,
                                     int64_t ts_ns, struct sl_packet *out); // Ethernet
uint32_t sl_addr_v4(const struct sl_addr *a); // host order; 0 for IPv6
struct sl_addr sl_addr_from_v4(uint32_t host_order);
bool sl_addr_equal(const struct sl_addr *a, const struct sl_addr *b);
char *sl_addr_text(const struct sl_addr *a, char buf[46]);
char *sl_ipv4_text(uint32_t host_order, char buf[16]);
bool sl_ipv4_parse(const char *text, uint32_t *host_order);               // "10.1.2.3"
bool sl_ipv4_parse_prefix(const char *text, uint32_t *host_order, int *len); // "10.1.2.0/24"
