// SPDX-License-Identifier: Apache-2.0
/*
 * What profile `full` knows of a flow besides the feature table: TCP facts, what the first payload
 * bytes say, and the first packets' sizes, directions and gaps.
 *
 * Units    nanoseconds, bytes; arrays of two are [SL_FORWARD], [SL_BACKWARD]. TCP segments are
 *          classed in the order and by the conditions of Wireshark's TCP analysis, so that counts
 *          can be held against it; RTT is measured where the capture stands: from a segment to the
 *          other side's answer.
 * Payload  the first bytes of each direction, in order; looked at when they arrive, kept only while
 *          more are needed. A QUIC client's hello is put together over its datagrams, for at most
 *          SL_FULL_HELLOS flows of a pool at once (4.6 KiB each, given back when the hello is
 *          whole); a flow beyond them has each datagram looked at alone. What TCP's flows keep is
 *          at most SL_FULL_HEAD_BYTES for a pool; a flow beyond that is judged by what it has, and
 *          counted.
 * Threads  one pool per partition.
 */
#pragma once
#include "dissect/dissect.h"
#include "flow/state.h"

enum { SL_FULL_HELLOS = 1024, SL_FULL_HEAD_BYTES = 4 << 20 };
#define SL_NO_TIME INT64_MIN

struct sl_rtt { // samples of one direction's segments, answered by the other
    uint32_t n;
    int64_t sum_ns, min_ns, max_ns;
};
struct sl_tcp_side {
    // how the sender's segments look
    uint32_t retransmissions; // all of the next three kinds
    uint32_t fast_retransmissions, spurious_retransmissions;
    uint32_t out_of_order, keep_alives, zero_windows, zero_window_probes, duplicate_acks, gaps,
        sack_blocks;
    uint16_t mss; // 0 = none seen
    bool sack_permitted, timestamps;
    struct sl_rtt rtt; // of this side's data
    // state
    uint32_t next_seq, last_ack; // end of the highest segment; last acknowledgement, raw
    uint32_t in_order_end;       // end of what came in order; 0 = nothing yet
    uint32_t dup_acks;           // in a row
    uint16_t window;
    uint8_t last_kind;
    bool seen;
    int64_t next_seq_ns, last_ack_ns;
    uint32_t timed_end; // a segment whose answer is waited for
    int64_t timed_ns;   // SL_NO_TIME = none
};
struct sl_flow_facts { // from the first payload bytes; missing texts are NULL
    char *tls_sni, *tls_alpn, *ja3, *ja3_hash, *dns_name, *http_host, *http_method,
        *http_user_agent;
    uint16_t tls_version;
    int32_t dns_qtype, dns_rcode; // -1 = not seen
    uint16_t http_status;
    uint32_t quic_version;
    const char *app; // "tls", "dns", ...; NULL = not recognised
};
struct sl_flow_full {
    uint32_t number; // in its pool
    struct sl_tcp_side side[2];
    int64_t syn_ns, synack_ns, last_syn_ns;    // SL_NO_TIME = not seen
    int64_t crossing_ns;                       // the other side's SYN
    int64_t handshake_ns, handshake_client_ns; // SYN to SYN-ACK, SYN-ACK to ACK; -1 = not seen
    int64_t initial_rtt_ns;                    // -1 = not seen
    struct sl_flow_facts facts;
    uint8_t tries[2], done[2];
    uint8_t *head[2]; // kept payload, while more is needed
    uint32_t head_len[2], head_cap[2];
    uint32_t head_next[2]; // TCP: sequence number that comes next, once it is known
    bool head_known[2];
    uint32_t ahead_at[2], ahead_len[2]; // in head: a segment that overtook what comes next
    struct sl_quic_hello *hello;        // of the client, while it is not whole; NULL = none
    uint8_t hello_dir;                  // who the client is
    uint8_t n_sequence;
    int64_t last_ns;
    uint32_t sequence[]; // [n] payload bytes, bit 31 = backward; then [n] gaps to the packet before
                         // in microseconds
};
struct sl_full_pool;
struct sl_full_pool *sl_full_pool_new(uint32_t sequence_packets, size_t max);
void sl_full_pool_free(struct sl_full_pool *pool);
// Directions of flows whose payload was needed and could not be kept.
uint64_t sl_full_let_go(const struct sl_full_pool *pool);
struct sl_flow_full *sl_full_open(struct sl_full_pool *pool);
void sl_full_close(struct sl_full_pool *pool, struct sl_flow_full *full);
// Before the packet is counted in f.
void sl_full_add(struct sl_full_pool *pool, struct sl_flow_state *f, const struct sl_packet *p,
                 int dir);
