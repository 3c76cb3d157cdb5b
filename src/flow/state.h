// SPDX-License-Identifier: Apache-2.0
/*
 * What is kept of a live flow for the feature table, semantics `fixed`.
 *
 * Units     nanoseconds, bytes. Arrays of two are [SL_FORWARD], [SL_BACKWARD].
 * Method    integer accumulators only (n, sum, sum of squares, minimum, maximum): the result
 *           depends neither on the order of additions nor on the number of threads, and every
 *           statistic is rounded once, when it is printed. Sums that are differences (gaps add up
 *           to last - first) are not kept.
 * Memory    at most SL_FLOW_BYTES for a flow with bulks both ways and idle periods, its share of
 *           the hash included. The struct, and pieces from pools that only some flows need: bulk
 *           (from the first bulk on), activity (from the first gap longer than the activity
 *           threshold on), earlier (a connection that was cut; a sum that outgrew its field), full
 *           (profile `full`).
 * Ranges    Nothing that is kept overflows:
 *           - Times within a flow are 48 bits, counted from SL_TIME_BACK_NS before its first
 *             packet. A flow is cut when it is older than the active time-out, which is at most
 *             SL_ENGINE_MAX_TIMEOUT_NS; a stamp more than SL_TIME_BACK_NS before the first
 *             packet's counts as one of that time (and is in backward_stamps).
 *           - Gaps add up to less than 2^48 ns, so their squares to less than 2^96.
 *           - Sums of bytes are 32 bits, counts of what is rare 16 bits; what overflows is carried
 *             into a piece of its own.
 *           - Time in bulks stays at 2^48 ns, which only a clock that runs backwards again and
 * again can reach.
 *           - Payloads of 65,535 bytes and more (jumbograms, offloaded segments) stand there too.
 */
#pragma once
#include "flow/flow.h"
#include "flow/index.h"
#include <assert.h>
#include <stddef.h>

enum sl_end_reason {
    SL_REASON_NONE,
    SL_REASON_FIN,    // FIN both ways
    SL_REASON_RST,    // reset
    SL_REASON_IDLE,   // nothing for the idle time-out
    SL_REASON_ACTIVE, // cut after the active time-out; the connection goes on in the next segment
    SL_REASON_PORT_REUSE, // a SYN with another initial sequence number
    SL_REASON_EOF,        // the trace ended
    SL_REASON_EVICTED,    // the table was full
    SL_REASONS
};
const char *sl_end_reason_name(enum sl_end_reason r);

enum sl_dir_guess { // how it is known which side initiated
    SL_GUESS_SYN,
    SL_GUESS_SYNACK, // the answer came first: turned round
    SL_GUESS_FIRST,  // whoever spoke first
    SL_GUESS_PORT,   // TCP joined midway: from a service's port to an ephemeral one is an answer
    SL_GUESS_SAME,   // both ends are the same address and port: all is forward
};
const char *sl_dir_guess_name(enum sl_dir_guess g);

// Longer time-outs could overflow what is kept of a flow.
#define SL_ENGINE_MAX_TIMEOUT_NS (INT64_C(259200) * 1000000000)             // three days
#define SL_TIME_BACK_NS ((INT64_C(1) << 48) - 1 - SL_ENGINE_MAX_TIMEOUT_NS) // over six hours

// In halves that the processor loads and stores as they are: a copy of six bytes goes by way of the
// stack, and waits there.
struct sl_u48 {
    uint16_t low[2], high;
};
static inline uint64_t sl_u48(struct sl_u48 v)
{
    uint32_t low;
    memcpy(&low, v.low, sizeof low);
    return (uint64_t)v.high << 32 | low;
}
static inline void sl_u48_set(struct sl_u48 *v, uint64_t x)
{
    uint32_t low = (uint32_t)x;
    memcpy(v->low, &low, sizeof low);
    v->high = (uint16_t)(x >> 32);
}
static inline void sl_u48_add(struct sl_u48 *v, uint64_t x) // stays at the largest
{
    uint64_t sum = sl_u48(*v) + x, most = (UINT64_C(1) << 48) - 1;
    sl_u48_set(v, sum < most ? sum : most);
}

__extension__ typedef unsigned __int128 sl_u128;
struct sl_u96 { // a sum of squares
    uint32_t w[3];
};
static inline sl_u128 sl_u96(struct sl_u96 v)
{
    return (sl_u128)v.w[2] << 64 | (uint64_t)v.w[1] << 32 | v.w[0];
}
static inline void sl_u96_add_square(struct sl_u96 *v, uint64_t x)
{
    sl_u128 sum = sl_u96(*v) + (sl_u128)x * x;
    v->w[0] = (uint32_t)sum;
    v->w[1] = (uint32_t)(sum >> 32);
    v->w[2] = (uint32_t)(sum >> 64);
}

// Gaps between packets. Their number is packets - 1, their sum is last - that of the first packet,
// which is not the smallest when the clock ran backwards.
struct sl_gaps {
    struct sl_u48 min_ns, max_ns;
    struct sl_u96 squares;
};

// Bulk transfer of one direction, flows.md 4.1. A candidate is a run of packets with payload, no
// second apart and not interrupted by payload of the other side; from the fourth packet on it is a
// bulk.
struct sl_bulk { // of all bulks
    struct sl_u48 size_bytes, duration_ns;
    uint32_t bulks, packets;
};
struct sl_bulks { // the piece
    struct sl_bulk side[2];
};

struct sl_periods {
    struct sl_u48 min_ns, max_ns, sum_ns;
};
struct sl_activity {
    struct sl_u48 start; // of the active period that goes on: time within the flow
    struct sl_periods active, idle;
    uint16_t pad;
    uint32_t n_active, n_idle;
    struct sl_u96 active_squares, idle_squares;
};

enum sl_sum { // bytes on the wire; of payload; of L4 headers; of IP headers without L4
    SL_SUM_BYTES,
    SL_SUM_PAYLOAD,
    SL_SUM_L4_HEADER,
    SL_SUM_IP_HEADER,
    SL_SUMS
};
enum sl_rare { // packets with a flag, and others that few flows have many of
    SL_RARE_FIN,
    SL_RARE_SYN,
    SL_RARE_CWR,
    SL_RARE_ECE,
    SL_RARE_URG, // and one further for backward; so the next ones
    SL_RARE_RST = SL_RARE_URG + 2,
    SL_RARE_RETRANSMISSION = SL_RARE_RST + 2,
    SL_RARE_OVERLAP = SL_RARE_RETRANSMISSION + 2,
    SL_RARE_SUBFLOW_GAP = SL_RARE_OVERLAP + 2,
    SL_RARE_BACKWARD_STAMP,
    SL_RARES
};
enum { SL_PAYLOAD_WIDE = 65535 };            // payload_min, payload_max: see struct sl_carries
struct sl_carries {                          // what does not fit into a flow's state
    uint32_t sums[SL_SUMS][2];               // times 2^32
    uint32_t rare[SL_RARES];                 // times 2^16
    uint32_t payload_min[2], payload_max[2]; // where the state has SL_PAYLOAD_WIDE
};

struct sl_earlier {   // of a connection that was cut: its first segment
    uint64_t conn_id; // that segment's id
    int64_t first_ns;
    uint32_t segment; // this one: 0, 1, ... within the connection
    uint32_t carries; // number in its pool; SL_INDEX_NONE
};

struct sl_flow_full; // flow/full.h

struct sl_flow_state {
    struct sl_node node; // user[0]: partition. more: number of the activity piece; SL_INDEX_NONE
    // second line: every packet
    int64_t touched_ns; // the trace's clock at the last packet; once ended: when it ended
    int64_t base_ns;    // the first packet's stamp
    uint32_t packets[2], data_packets[2];
    struct sl_u48 last[2], other_first; // times within the flow; the other: not the first packet's
                                        // direction. All are that of the first packet at first.
    uint16_t label;                     // from the label call-back
    uint8_t end;                        // enum sl_end_reason; set early when the connection is over
    uint8_t state;                      // SL_STATE_ bits
    uint8_t fins, fin_acks;             // bit per direction
    uint8_t tcp_flags[2];               // union
    int8_t window_scale[2];             // of the SYN; -1 = none
    uint8_t icmp_type, icmp_code, guess, tunnels;
    // third
    uint32_t sums[SL_SUMS][2];
    uint64_t payload_sq[2];
    uint16_t payload_min[2], payload_max[2];
    uint8_t l4_header_min[2], candidate_packets[2]; // stays at the bulk length
    // fourth
    struct sl_gaps gaps, dir_gaps[2];
    uint32_t acks, psh[2];
    uint32_t next_seq[2]; // end of the highest segment
    uint32_t candidate_bytes[2];
    struct sl_u48 candidate_start[2], candidate_last[2]; // times within the flow
    uint32_t isn[2], fin_end[2];
    // rarely touched
    uint16_t window[2]; // of the direction's first packet
    uint16_t rare[SL_RARES];
    uint64_t id;            // number of the segment's first packet
    uint32_t earlier, bulk; // numbers in their pools; SL_INDEX_NONE
    // Only with profile `full` or a call-back on_packet: see struct sl_engine_options.
    struct sl_flow_full *full;
    void *user; // the call-backs' own; NULL at first
};
enum {
    SL_STATE_SEQ_FORWARD = 1, // next_seq is known (bit 0 forward, bit 1 backward)
    SL_STATE_SEQ_BACKWARD = 2,
    SL_STATE_SAME_ENDS = 4,
    SL_STATE_FRAGMENTS = 8,       // some packets were fragments
    SL_STATE_BEGAN_BACKWARD = 16, // its first packet was one
    SL_STATE_CONTINUES = 32,      // a later segment of a connection
};
enum {
    SL_FLOW_SMALL = offsetof(struct sl_flow_state, full),
    SL_FLOW_BUCKETS = 8, // of the hash: one to two for each flow
    SL_FLOW_BYTES = 512,
};
static_assert(SL_FLOW_SMALL + sizeof(struct sl_bulks) + sizeof(struct sl_activity) +
                      SL_FLOW_BUCKETS <=
                  SL_FLOW_BYTES - 4,
              "512 bytes for each live flow, slabs that are not full included");

// A pool of equal pieces, numbered. Pieces that are in use may be read while another thread takes
// new ones: when the list of slabs grows, the one before is kept until the end.
struct sl_pool {
    size_t bytes;
    uint8_t **slabs;
    size_t slabs_cap;
    uint32_t n, used, free; // in all slabs; of them, the first; those given back
    SL_VEC(uint8_t **) outgrown;
};
enum { SL_POOL_SLAB_BITS = 9 };
static inline void *sl_pool_at(const struct sl_pool *p, uint32_t n)
{
    uint8_t *const *slabs = __atomic_load_n(&p->slabs, __ATOMIC_ACQUIRE);
    return slabs[n >> SL_POOL_SLAB_BITS] + (n & ((1u << SL_POOL_SLAB_BITS) - 1)) * p->bytes;
}
void sl_pool_init(struct sl_pool *p, size_t bytes, size_t expected);
void sl_pool_done(struct sl_pool *p);
size_t sl_pool_bytes(const struct sl_pool *p); // memory held
uint32_t sl_pool_take(struct sl_pool *p);      // zeroed
void sl_pool_give(struct sl_pool *p, uint32_t n);

static inline struct sl_tuple sl_flow_tuple(const struct sl_flow_state *f)
{
    return sl_key_tuple(&f->node.key, f->node.low_initiates);
}
// The first packet's stamp: all times of the flow are that.
static inline void sl_flow_begin(struct sl_flow_state *f, int64_t ts_ns)
{
    f->base_ns = ts_ns;
    sl_u48_set(&f->other_first, SL_TIME_BACK_NS);
    f->last[0] = f->last[1] = f->other_first;
}
static inline int64_t sl_flow_time_ns(const struct sl_flow_state *f, struct sl_u48 t)
{
    return f->base_ns - SL_TIME_BACK_NS + (int64_t)sl_u48(t);
}
static inline int64_t sl_flow_first_ns(const struct sl_flow_state *f)
{
    int64_t other = sl_flow_time_ns(f, f->other_first);
    return other < f->base_ns ? other : f->base_ns;
}
static inline int64_t sl_flow_last_ns(const struct sl_flow_state *f)
{
    bool forward = sl_u48(f->last[0]) > sl_u48(f->last[1]);
    return sl_flow_time_ns(f, f->last[forward ? 0 : 1]);
}
