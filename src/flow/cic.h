// SPDX-License-Identifier: Apache-2.0
/*
 * Flows and features as CICFlowMeter has them, mistakes included, so that data sets made with it
 * can be compared and models trained on it can be fed. cic: ahlashkari/CICFlowMeter at 98a5eba.
 * cic-fixed: the corrected fork, GintsEngelen/CICFlowMeter at 4dd5319. Equal to the last bit: the
 * statistics are the one-pass ones of commons-math, in the tools' order.
 *
 * Order    as the tools write: a flow when the packet comes that ends it. What is left at the end
 * comes in the order of first packets (the tools: in that of Java's HashMap).
 * Memory   the tools keep every flow until the end of the trace, and the fork every TCP segment.
 * Here at most max_flows are kept: beyond it the one that was quiet longest is handed out early,
 * and counted; and at most max_segments: later ones are not kept, so their repetitions are not
 * seen, and counted.
 * Units    microseconds, bytes.
 * Threads  not synchronised.
 */
#pragma once
#include "export/export.h"
#include "flow/cic_packet.h"
#include "flow/index.h"

struct sl_cic_stat { // SummaryStatistics; all 0 = empty
    uint64_t n;
    double mean, squares, sum, min, max;
};
struct sl_cic_bulk {
    int64_t start_us, last_us; // of the bulk that may be under way; 0 = none
    int64_t n, size_bytes;     // in it
    int64_t bulks, packets, total_bytes, duration_us;
};
struct sl_cic_side { // one direction; forward first
    int64_t packets, payload_bytes, header_bytes, last_us;
    int64_t psh, urg, rst, fin; // rst: the fork only
    int64_t data_packets, segments_again;
    uint32_t window, header_min;
    struct sl_cic_stat length, gap;
    struct sl_cic_bulk bulk;
};
struct sl_cic_segment { // what makes a TCP segment the same as another
    uint32_t seq, ack, payload_bytes;
    uint16_t window;
    uint8_t used, from_low; // from_low: sent by the smaller end of the flow's key
};
struct sl_cic_flow {
    struct sl_node node; // the key that the tool's table has it under
    uint64_t first_number;
    uint32_t src, dst;
    uint16_t sport, dport;
    uint8_t protocol, state;
    int16_t icmp_type, icmp_code;
    int64_t start_us, last_us, before_us; // before_us: what the connection lasted in earlier flows
    int64_t active_start_us, active_end_us, subflow_last_us, subflows;
    int64_t flags[8]; // packets with each TCP flag, by bit
    struct sl_cic_side side[2];
    struct sl_cic_stat length, gap, active, idle;
    struct sl_cic_segment *segments; // a hash; NULL = empty
    uint32_t segments_cap, n_segments;
};

struct sl_cic;
struct sl_cic_options {
    bool fork;
    uint32_t max_flows;    // 0 = 2,097,152
    uint64_t max_segments; // 0 = 33,554,432 (16 to 43 bytes each)
    uint64_t seed;         // of the hash; 0 = random. The result does not depend on it.
    void (*on_flow)(void *ctx, const struct sl_cic *c, const struct sl_cic_flow *f);
    void *ctx;
};
struct sl_cic_counts {
    uint64_t flows, evicted, peak_live;
    uint64_t too_short;         // flows of one packet, which the original does not write
    uint64_t dropped;           // packets that belong to a flow and are left out (a second FIN)
    uint64_t segments_not_kept; // beyond max_segments
};
struct sl_cic *sl_cic_new(const struct sl_cic_options *opt);
void sl_cic_add(struct sl_cic *c, const struct sl_cic_packet *p);
void sl_cic_finish(struct sl_cic *c); // hands out what is left
void sl_cic_free(struct sl_cic *c);
const struct sl_cic_counts *sl_cic_counts(const struct sl_cic *c);

void sl_cic_stat_add(struct sl_cic_stat *s, double x);
double sl_cic_stat_variance(const struct sl_cic_stat *s); // sample (1/(n-1)); 0 with one value
double sl_cic_stat_std(const struct sl_cic_stat *s);

/*
 * The tools' columns: 84, or the fork's 94. As text: the cells that the tools print, to the letter
 * (some columns have "0" where there is nothing to tell, and "0.0" where there is). Typed: for
 * formats that know types. The original prints local time; here that is UTC.
 */
enum { SL_CIC_COLUMNS_MAX = 96, SL_CIC_ROW_TEXT = 4096 };
size_t sl_cic_columns(bool fork, bool text, struct sl_column columns[SL_CIC_COLUMNS_MAX]);
struct sl_cic_row {
    union sl_value cells[SL_CIC_COLUMNS_MAX];
    char text[SL_CIC_ROW_TEXT]; // what the cells point into
};
// The row holds as long as the struct stays where it is.
void sl_cic_row(bool fork, bool text, const struct sl_cic_flow *f, struct sl_cic_row *row);
