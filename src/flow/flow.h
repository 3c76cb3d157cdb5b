// SPDX-License-Identifier: Apache-2.0
/*
 * Packets -> bidirectional flows. First version: identity, times, counts, flags and first payload;
 * the feature table grows on top.
 *
 * Direction the side that sent the SYN is the initiator; without a SYN the first packet seen decides,
 *          except that a first packet that is SYN+ACK, or that goes from a port below 32768 to one
 *          above, is turned round. When both ends are the same address and port, every packet is
 *          forward.
 * Ends     TCP: FIN from both sides or RST, then a new SYN starts a new flow; otherwise idle
 *          time-out, which is short (tcp_closed_ns, for stragglers) once the connection is over.
 *          Memory bounded by max_flows; beyond it the oldest idle flow is evicted and counted.
 * Input    packets decoded as SL_PACKET_OK. A later fragment has no ports and makes a flow of its
 *          own. Output flows leave through the call-back; draining at the end is in order of first
 *          packet.
 * Threads  a table belongs to one thread.
 */
#pragma once
#include "net/packet.h"

enum { SL_FORWARD = 0, SL_BACKWARD = 1 }; // forward = initiator to responder
enum sl_flow_end {
    SL_END_NONE,
    SL_END_FIN,
    SL_END_RST,
    SL_END_IDLE,
    SL_END_EVICTED,
    SL_END_CLOSED
};
enum { SL_FLOW_HEAD_BYTES = 24 };
struct sl_flow {
    struct sl_tuple tuple; // src = initiator
    int64_t first_ns, last_ns;
    uint64_t packets[2], bytes[2], payload_bytes[2];  // bytes are layer 2
    uint8_t tcp_flags[2];                             // union of flags
    uint8_t head_len[2], head[2][SL_FLOW_HEAD_BYTES]; // first payload bytes of each side
    enum sl_flow_end end;
    bool syn_seen; // the first SYN was captured
    uint32_t id;   // counts from 0 in order of first packet
    void *user;    // the table's owner may hang something here
};
struct sl_flow_options {
    int64_t tcp_idle_ns, udp_idle_ns; // 0 = 120 s, 60 s; udp is for everything but TCP
    int64_t tcp_closed_ns;            // after FIN from both sides or RST; 0 = 5 s
    uint32_t max_flows;               // 0 = 1 M
    void (*on_end)(void *ctx, struct sl_flow *flow); // the flow is gone afterwards
    void *ctx;
};
struct sl_flow_table;
struct sl_flow_table *sl_flow_table_new(const struct sl_flow_options *opt);
// dir, if not NULL, gets SL_FORWARD or SL_BACKWARD. Never NULL; holds until the flow's on_end.
struct sl_flow *sl_flow_table_add(struct sl_flow_table *t, const struct sl_packet *p, int *dir);
void sl_flow_table_expire(struct sl_flow_table *t,
                          int64_t now_ns);         // cheap; call about once a second
void sl_flow_table_drain(struct sl_flow_table *t); // ends all (SL_END_CLOSED)
void sl_flow_table_free(struct sl_flow_table *t);  // without calling back
struct sl_flow_counts {
    uint64_t flows, live, evicted, packets;
};
void sl_flow_table_counts(const struct sl_flow_table *t, struct sl_flow_counts *out);
const char *sl_flow_end_name(enum sl_flow_end end);
