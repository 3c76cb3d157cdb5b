// SPDX-License-Identifier: Apache-2.0
/*
 * What is kept of a live flow for the feature table, semantics `fixed`.
 *
 * Units     nanoseconds, bytes. Arrays of two are [SL_FORWARD], [SL_BACKWARD].
 * Method    integer accumulators only (n, sum, sum of squares in 64 to 128 bits, minimum, maximum):
 * the result depends neither on the order of additions nor on the number of threads, and every
 * statistic is rounded once, when it is printed. Sums that are differences (gaps add up to last -
 * first) are not kept. Memory    the struct, and pieces that only some flows need, from pools: bulk
 * (from a direction's second packet with payload on), activity (from the first gap longer than the
 * activity threshold on), full (profile `full`).
 */
#pragma once
#include "flow/flow.h"
#include "flow/index.h"

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

// Gaps between packets. Their number is packets - 1, their sum is last - that of the first packet,
// which is not the smallest when the clock ran backwards.
struct sl_gaps {
    int64_t min_ns, max_ns;
    uint64_t sq_lo, sq_hi; // sum of squares, 128 bits
};

// Bulk transfer of one direction, flows.md 4.1. A candidate is a run of packets with payload, no
// second apart and not interrupted by payload of the other side; from the fourth packet on it is a
// bulk.
struct sl_bulk {
    int64_t start_ns, last_ns;
    uint64_t size_bytes, duration_ns; // of all bulks
    uint32_t bulks, packets;          // of all bulks
    uint32_t candidate_bytes;
    uint8_t candidate_packets; // 0 = no candidate; stays at the bulk length
};

struct sl_activity {
    int64_t start_ns; // of the active period that goes on
    uint32_t n_active, n_idle;
    int64_t active_min_ns, active_max_ns, active_sum_ns;
    int64_t idle_min_ns, idle_max_ns, idle_sum_ns;
    uint64_t active_sq_lo, active_sq_hi, idle_sq_lo, idle_sq_hi;
};

struct sl_earlier { // of a connection that was cut: its first segment
    uint64_t conn_id;
    int64_t first_ns;
};

struct sl_flow_full; // flow/full.h

struct sl_flow_state {
    struct sl_node node;
    // second line: every packet
    int64_t touched_ns; // the trace's clock at the last packet; once ended: when it ended
    int64_t first_ns[2], last_ns[2];
    uint32_t packets[2], data_packets[2];
    uint8_t end;            // enum sl_end_reason; set early when the connection is over
    uint8_t state;          // SL_STATE_ bits
    uint8_t fins, fin_acks; // bit per direction
    uint16_t label;         // from the label call-back
    uint16_t interface;
    // third
    uint64_t bytes[2], payload_bytes[2], payload_sq[2];
    uint32_t payload_min[2], payload_max[2];
    // fourth
    struct sl_gaps gaps, dir_gaps[2];
    uint64_t l4_header_bytes[2], ip_header_bytes[2]; // the latter without L4
    uint32_t acks, psh[2];
    uint32_t next_seq[2]; // end of the highest segment
    uint16_t window[2];   // of the direction's first packet
    uint8_t l4_header_min[2];
    uint8_t tcp_flags[2];   // union
    int8_t window_scale[2]; // of the SYN; -1 = none
    // rarely touched
    uint32_t isn[2], fin_end[2], retransmissions[2], overlaps[2];
    uint32_t fin, syn, cwr, ece, urg[2], rst[2];
    uint32_t subflow_gaps, backward_stamps;
    int64_t first_data_ns[2];
    uint64_t id;                // number of the segment's first packet
    uint32_t segment;           // 0, 1, ... within the connection
    uint32_t earlier;           // number of the struct sl_earlier of a later segment; SL_INDEX_NONE
    uint32_t activity, bulk[2]; // numbers in their pools; SL_INDEX_NONE
    uint8_t icmp_type, icmp_code, guess, tunnels;
    uint16_t ethertype;
    struct sl_flow_full *full;
    void *user; // the call-backs' own; NULL at first
};
enum {
    SL_STATE_SEQ_FORWARD = 1, // next_seq is known (bit 0 forward, bit 1 backward)
    SL_STATE_SEQ_BACKWARD = 2,
    SL_STATE_SAME_ENDS = 4,
    SL_STATE_FRAGMENTS = 8,       // some packets were fragments
    SL_STATE_BEGAN_BACKWARD = 16, // its first packet was one
};

// A pool of equal pieces, numbered. Pieces that are in use may be read while another thread takes
// new ones: when the list of slabs grows, the one before is kept until the end.
struct sl_pool {
    size_t bytes;
    uint8_t **slabs;
    size_t slabs_cap;
    uint32_t n, free;
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

static inline void sl_sq_add(uint64_t *lo, uint64_t *hi, int64_t v)
{
    __extension__ unsigned __int128 sq = (unsigned __int128)(uint64_t)v * (uint64_t)v;
    uint64_t low = *lo + (uint64_t)sq;
    *hi += (uint64_t)(sq >> 64) + (low < *lo);
    *lo = low;
}

static inline struct sl_tuple sl_flow_tuple(const struct sl_flow_state *f)
{
    return sl_key_tuple(&f->node.key, f->node.low_initiates);
}
static inline int64_t sl_flow_first_ns(const struct sl_flow_state *f)
{
    bool one_sided = !f->packets[SL_BACKWARD] || !f->packets[SL_FORWARD];
    int only = f->packets[SL_FORWARD] ? SL_FORWARD : SL_BACKWARD;
    return one_sided || f->first_ns[0] < f->first_ns[1] ? f->first_ns[one_sided ? only : 0]
                                                        : f->first_ns[1];
}
static inline int64_t sl_flow_last_ns(const struct sl_flow_state *f)
{
    bool one_sided = !f->packets[SL_BACKWARD] || !f->packets[SL_FORWARD];
    int only = f->packets[SL_FORWARD] ? SL_FORWARD : SL_BACKWARD;
    return one_sided || f->last_ns[0] > f->last_ns[1] ? f->last_ns[one_sided ? only : 0]
                                                      : f->last_ns[1];
}
