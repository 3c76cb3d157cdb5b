// SPDX-License-Identifier: Apache-2.0
/*
 * One pass over packets: read, decode, count into flows, hand the flows out in order. On one thread
 * or several, with the same result.
 *
 * Work     one thread reads and decodes the next batch; meanwhile the partitions of the flow table
 *          take the one before, and the flows that ended are handed out. Threads take the next
 *          piece of work that is left.
 * Flows    leave in two ways, and both may be used: on_flow for each in turn; or in pieces: make
 *          turns up to SL_PASS_PIECE_FLOWS flows into something of the caller's, take puts it away.
 * Threads  on_flow from one thread at a time, in order. make from any thread, pieces in any order.
 *          take in order, from one thread at a time for each `what`. label and on_packet from any.
 */
#pragma once
#include "base/error.h"
#include "flow/engine.h"
#include "net/trace.h"

enum { SL_PASS_MAX_THREADS = 64, SL_PASS_PIECES = 32, SL_PASS_PIECE_FLOWS = 64 };

struct sl_pass_source { // where packets come from; sl_pass_trace fills one for a file
    // As sl_trace_read: a batch's bytes hold until the second next call.
    bool (*read)(void *ctx, struct sl_trace_packet *out, size_t max, size_t *n,
                 struct sl_error *err);
    // For live sources: the clock now, so that flows end while nothing arrives; NULL for files.
    int64_t (*now_ns)(void *ctx);
    bool (*more)(void *ctx); // live: *n = 0 is not the end while this is true; NULL for files
    void *ctx;
};
struct sl_pass_options {
    struct sl_engine_options engine; // its ctx is handed to label and on_packet
    bool outer;                      // tunnels: stop at the outermost IP header
    unsigned threads;                // 0 = one per processor this process may use
    bool hand_out_alone;             // on_flow and make, by one thread, while no packet is counted
    uint64_t max_packets;            // 0 = all
    int64_t from_ns, to_ns;          // packets outside are passed over; 0 = no bound
    void (*on_flow)(void *ctx, const struct sl_engine *e, struct sl_flow_state *f);
    // 0 <= piece < 2 * SL_PASS_PIECES: made, taken once by each of the takers, and used again. The
    // flows hold until make returns.
    void (*make)(void *ctx, int thread, int piece, const struct sl_engine *e,
                 struct sl_flow_state *const *flows, size_t n);
    void (*take)(void *ctx, int what, int piece); // 0 <= what < takers
    int takers;
    // Once, when the first packet is there, before any other call-back: how many threads, and its
    // time.
    bool (*begin)(void *ctx, unsigned threads, int64_t first_ns, struct sl_error *err);
    bool (*after_batch)(void *ctx, struct sl_error *err); // one thread; false stops the pass
    void *ctx;
};
struct sl_pass_counts {
    uint64_t packets, bytes, outside;      // read; wire bytes; passed over by time
    uint64_t kinds[SL_PACKET_KINDS];       // of those read
    uint64_t fragments, fragments_unknown; // later fragments: whose first one was seen, and not
    uint64_t length_cut;                   // IP claims more bytes than the frame had
    uint64_t cut_by_snaplen;               // captured less than the wire had
    uint64_t backward_stamps;              // earlier than a packet before
    int64_t first_ns, last_ns;             // 0 = no packet
    uint64_t unknown_link_packets;
    uint16_t unknown_link; // the first link type that is not known
    struct sl_engine_counts flows;
    unsigned threads;
};
SL_MUST_USE bool sl_pass_run(const struct sl_pass_source *source, const struct sl_pass_options *opt,
                             struct sl_pass_counts *counts, struct sl_error *err);
struct sl_pass_source sl_pass_trace(struct sl_trace *t);
