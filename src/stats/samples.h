// SPDX-License-Identifier: Apache-2.0
/*
 * What a comparison looks at: the packets and flows of one trace, or the rows of one flow table, as
 * plain arrays. Whoever reads traces fills it; everything else (inter-arrival times, count series,
 * concurrent flows, popularity, graph) is derived from these arrays by the comparison.
 *
 * Units    nanoseconds since 1970, bytes of layer 2 (of whatever layer the table counts; say so in
 *          `bytes_are`).
 * Order    packets in order of time; one that is out of order by clock trouble is allowed (its gap
 *          counts as 0). Flows in any order, but the same for the same input.
 * Missing  what a source does not know stays out of `known`, and the report says so. Single values:
 *          SL_SAMPLE_NO_TIME, NAN, index UINT16_MAX, UINT32_MAX.
 * Memory   24 bytes a packet, 80 a flow. A reader that stops at a limit says how many packets it
 *          left out.
 * Names    classes and labels are indices into name tables of the set; two sets are matched by
 *          name. Names may come from strangers.
 * Threads  a set belongs to one thread while it is filled; afterwards it is only read.
 */
#pragma once
#include "base/mem.h"
#include <stdint.h>

#define SL_SAMPLE_NO_TIME INT64_MIN
enum { SL_SAMPLE_NONE16 = UINT16_MAX };
#define SL_SAMPLE_NONE32 UINT32_MAX
// Classes and labels beyond this many share the last index, called "(more)".
enum { SL_SAMPLE_MAX_NAMES = 4096 };

struct sl_sample_packet {
    int64_t ts_ns;
    uint32_t flow;  // index in flows; every packet has one
    uint32_t bytes; // on the wire
    uint8_t tcp_flags, ttl;
    uint8_t direction; // 0 forward = initiator to responder, 1 backward
    uint8_t reserved[5];
};
struct sl_sample_flow {
    int64_t start_ns, duration_ns;
    uint64_t packets[2], bytes[2]; // forward, backward; all in [0] without SL_KNOW_DIRECTIONS
    double mean_gap_s;             // mean time between packets; NAN with fewer than two
    uint32_t src, dst;             // address ids, from 0, any numbering; src = initiator
    uint16_t sport, dport;
    uint16_t cls, label; // indices in classes, labels
    uint8_t proto;       // IP protocol number
};

// What the source knows. A flow table lacks PACKETS and TTL, a NetFlow export often DIRECTIONS.
enum {
    SL_KNOW_PACKETS = 1 << 0, // the packets array is filled
    SL_KNOW_TCP_FLAGS = 1 << 1,
    SL_KNOW_TTL = 1 << 2,
    SL_KNOW_ADDRESSES = 1 << 3,
    SL_KNOW_PORTS = 1 << 4,
    SL_KNOW_PROTOCOL = 1 << 5,
    SL_KNOW_TIMES = 1 << 6,      // start and duration of flows
    SL_KNOW_MEAN_GAP = 1 << 7,   // given, or else derived from duration and packets
    SL_KNOW_DIRECTIONS = 1 << 8, // who is initiator
    SL_KNOW_CLASSES = 1 << 9,
    SL_KNOW_LABELS = 1 << 10,
    SL_KNOW_FLOW_SIZES = 1 << 11, // packets and bytes of flows
    SL_KNOW_ALL = (1 << 12) - 1
};

struct sl_sample_set {
    char *name;           // a path or a title
    char *kind;           // "pcap", "pcapng", "flow table", ...
    char *bytes_are;      // "layer-2 bytes"; NULL = that
    char *note;           // "damaged after packet 17: ..."; NULL = none
    uint64_t input_bytes; // of the file; 0 = unknown
    uint64_t skipped;     // packets without a flow: not IP, broken
    uint64_t left_out;    // packets beyond the reader's limit
    unsigned known;       // bits SL_KNOW_
    SL_VEC(struct sl_sample_packet) packets;
    SL_VEC(struct sl_sample_flow) flows;
    SL_VEC(char *) classes;
    SL_VEC(char *) labels;
};
// A zeroed set is empty. Index of a name, made when it is new; NULL and "" give SL_SAMPLE_NONE16.
uint16_t sl_sample_class(struct sl_sample_set *s, const char *name);
uint16_t sl_sample_label(struct sl_sample_set *s, const char *name);
void sl_sample_set_done(struct sl_sample_set *s);
