// SPDX-License-Identifier: Apache-2.0
/*
 * Packets -> flows with the state of the whole feature table, semantics `fixed`: millions of
 * packets a second, the same flows in the same order for any number of threads.
 *
 * Partitions  flows are spread over SL_PARTITIONS independent tables by a hash of their key that
 *             does not depend on this process. A partition belongs to one thread at a time; how
 *             many threads share the partitions out makes no difference to what comes out.
 * Batches     1. sl_engine_prepare: keys and partitions of a chunk of decoded packets (any thread,
 *             any chunk);
 *             2. sl_engine_update: one partition's packets of the whole batch, in order (any
 *             thread, any partition);
 *             3. sl_engine_collect: flows that ended, in order (one thread, while nobody updates).
 *             They hold until sl_engine_release, during which the next batch may be prepared and
 *             updated.
 * Clock       the largest time stamp so far, carried by each slot: expiry follows it, never the
 *             computer's.
 * Ends        TCP: RST, or FIN both ways and both acknowledged; such a flow waits closing_ns for
 *             stragglers. A SYN with another initial sequence number opens a new flow at once.
 *             Idle and active time-outs. When the table is full, the flow of the partition that
 *             was silent longest is evicted and counted.
 * Order       by time of the end. Of equal ones first those that a packet ended (evicted, active,
 *             port_reuse), in the order of these packets; then those that were silent or there at
 *             the end of the trace, by flow id. A flow's id is the number of its first packet in
 *             the trace.
 * Memory      at most max_flows, spread evenly over the partitions, and those that ended in the
 *             last two batches.
 */
#pragma once
#include "base/error.h"
#include "flow/state.h"

enum { SL_PARTITIONS = 16, SL_CHUNK = 256 };

struct sl_engine_options {              // 0 = the default in brackets
    int64_t idle_ns;                    // [120 s]
    int64_t active_ns;                  // [1800 s]
    int64_t closing_ns;                 // [5 s]
    int64_t activity_ns;                // [5 s] a longer gap separates active periods
    int64_t subflow_ns;                 // [1 s]
    int64_t bulk_gap_ns;                // [1 s]
    uint32_t bulk_packets;              // [4] 2..255
    uint32_t max_flows;                 // [2^21]
    uint64_t seed;                      // of the partition hash
    bool merge_interfaces, merge_vlans; // leave them out of the key
    bool full;                          // TCP facts, payload, sequences
    uint32_t sequence_packets;          // [30] at most 255; profile full
    // Called once for each new segment; the number is the caller's (class, service). May be called
    // by several threads.
    uint16_t (*label)(void *ctx, const struct sl_tuple *initiator_first, int64_t ts_ns);
    // Called for every packet before it is counted, by the thread that updates. Only with it, or
    // with full, a flow's state has room for full and user.
    void (*on_packet)(void *ctx, int thread, struct sl_flow_state *f, const struct sl_packet *p,
                      int dir);
    void *ctx;
};
struct sl_slot { // a decoded packet on its way into the table
    struct sl_packet packet;
    struct sl_key key;
    int64_t clock_ns;
    uint32_t hash;
    uint8_t partition;
    bool low;                   // its source is the key's low end
    bool skip;                  // not IP, or cut short: nobody's
} __attribute__((aligned(64))); // three lines: another processor's cache may hold them
struct sl_chunk {               // order of a chunk's slots by partition
    uint16_t order[SL_CHUNK];
    uint16_t start[SL_PARTITIONS + 1];
};
struct sl_engine;
SL_MUST_USE struct sl_engine *sl_engine_new(const struct sl_engine_options *opt,
                                            struct sl_error *err);
void sl_engine_prepare(struct sl_engine *e, struct sl_slot *slots, size_t n,
                       struct sl_chunk *chunk); // n <= SL_CHUNK
void sl_engine_update(struct sl_engine *e, int partition, const struct sl_slot *slots,
                      const struct sl_chunk *chunks, size_t n_chunks, int64_t clock_ns, int thread);
// The next flows of those that ended, in order. *n flows at the address that is returned, not too
// many; they hold until the release, behind which more may be collected. All are collected when
// *n = 0.
struct sl_flow_state *const *sl_engine_collect(struct sl_engine *e, size_t *n);
void sl_engine_release(struct sl_engine *e);
// The trace is over: every flow that is left ends, and is to be collected.
void sl_engine_drain(struct sl_engine *e, int64_t clock_ns);
struct sl_engine_counts {
    uint64_t packets, flows, live, peak_live, evicted, bytes;
    uint64_t zone_beyond;  // packets of more than 65,534 pairs of interface and VLANs
    uint64_t let_go;       // profile full: see sl_full_let_go
    uint64_t memory_bytes; // of the tables with all that is kept of flows, but for profile full
};
void sl_engine_counts(const struct sl_engine *e, struct sl_engine_counts *out);
void sl_engine_free(struct sl_engine *e);
// With defaults filled in, as the engine will take them.
struct sl_engine_options sl_engine_filled(const struct sl_engine_options *opt);
const struct sl_engine_options *
sl_engine_settings(const struct sl_engine *e); // with defaults filled in

// What a flow's pieces are.
const struct sl_bulk *sl_flow_bulk(const struct sl_engine *e, const struct sl_flow_state *f,
                                   int dir); // NULL = none
const struct sl_activity *sl_flow_activity(const struct sl_engine *e,
                                           const struct sl_flow_state *f); // NULL = no gap
// The connection's first segment; the flow itself if it was never cut.
struct sl_earlier sl_flow_earlier(const struct sl_engine *e, const struct sl_flow_state *f);
struct sl_flow_totals { // sums and counts with what was carried
    uint64_t bytes[2], payload_bytes[2], l4_header_bytes[2], ip_header_bytes[2];
    uint64_t fin, syn, cwr, ece, urg[2], rst[2], retransmissions[2], overlaps[2];
    uint64_t subflow_gaps, backward_stamps;
    uint32_t payload_min[2], payload_max[2]; // of a packet
};
struct sl_flow_totals sl_flow_totals(const struct sl_engine *e, const struct sl_flow_state *f);
uint64_t sl_flow_sum(const struct sl_engine *e, const struct sl_flow_state *f, enum sl_sum what,
                     int dir);
struct sl_zone {
    uint16_t interface, vlan, vlan_inner;
};
// 65,534 interfaces and VLANs are told apart from each other and from none. Those beyond are one,
// counted, and shown as interface 0 without VLAN.
enum { SL_ZONE_BEYOND = 65535 };
struct sl_zone sl_flow_zone(const struct sl_engine *e, const struct sl_flow_state *f);
