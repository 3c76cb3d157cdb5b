// SPDX-License-Identifier: Apache-2.0
/*
 * A frame as CICFlowMeter sees it, for tables that are to equal its own.
 *
 * That tool reads packets through jNetPcap 1.4, whose ways differ from those of net/packet.h in
 * much: every frame is taken for Ethernet, payload is what was captured behind the L4 header
 * (behind a VLAN tag with the padding), quoted packets inside ICMP errors count as packets, and a
 * frame without IPv4 is read once more as if an IPv4 header stood at its first byte: ARP becomes a
 * flow between 8.6.0.1 and 8.0.6.4.
 *
 * Units    microseconds since 1970, bytes; addresses in host byte order.
 * Errors   none: false = the tool passes the frame over.
 * Threads  stateless.
 * Source   ahlashkari/CICFlowMeter at 98a5eba and GintsEngelen/CICFlowMeter at 4dd5319 with
 * jNetPcap 1.4.r1425; their behaviour, measured.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SL_CIC_NO_ICMP = -1 };
struct sl_cic_packet {
    int64_t t_us;
    uint64_t number; // position in its trace; set by whoever reads
    uint32_t src, dst;
    uint32_t header_bytes, payload_bytes; // L4, as captured
    uint32_t tcp_seq, tcp_ack;
    uint16_t sport, dport, tcp_window;
    uint8_t protocol; // 6, 17, 0 = neither; the corrected fork knows 1, 2 and 132 besides
    uint8_t tcp_flags;
    int16_t icmp_type, icmp_code; // SL_CIC_NO_ICMP; the fork only
};
/*
 * fork: as GintsEngelen's. captured: at most the snapshot length of the frame's interface, as
 * libpcap cuts it. t_us: from sl_cic_time_us.
 */
bool sl_cic_packet(bool fork, const uint8_t *frame, size_t captured, uint32_t wire_bytes,
                   int64_t t_us, struct sl_cic_packet *out);
// The tools' time of a packet. pcap: of a file of that format, whose seconds libpcap takes for 32
// signed bits, so that 2038 is 1901; in pcapng files they are not.
int64_t sl_cic_time_us(int64_t ts_ns, bool pcap);
