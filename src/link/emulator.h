// SPDX-License-Identifier: Apache-2.0
/*
 * Pipes: one direction of a link each, any number of them, crossed by packets one after another.
 *
 * Pure     packets are bytes, time is an argument, randomness comes from named streams: two runs
 *          with the same packets at the same times do the same.
 * Stages   up and MTU -> cut super-packets -> loss -> duplicate -> corrupt -> queue (limit, AQM,
 *          ECN) -> rate -> delay -> next pipe, or out. A pipe keeps the order of its packets unless
 *          reordering is asked for. A packet comes to its next pipe when it was due, not when it
 *          was handled: lateness of the process does not add up.
 * Super-packets pass whole where only a fixed delay acts; where loss, duplication or corruption
 *          decide, they are cut around what is hit; where a rate, a queue or jitter acts, into
 *          single packets.
 * Rate     a virtual clock in ns with its remainder carried, so that nothing is rounded away.
 * Change   a new rate re-times what waits and what is being sent; a new delay holds for what has
 *          not passed the rate; nothing that waits is lost, and order is kept.
 * Counts   packets are those of a wire: a super-packet counts as its segments. Always
 *          in + duplicates = out + dropped + under way.
 * Memory   packets in one pool with a stated limit; sl_emulator_pipe_bytes for each pipe, and
 *          73 KiB for one with fq-codel. Nothing is allocated for a packet.
 * Threads  not synchronised: one thread. sl_prepared_new may run in another.
 */
#pragma once
#include "link/conditions.h"
#include "link/pbuf.h"

enum sl_drop {
    SL_DROP_LOSS,
    SL_DROP_QUEUE,
    SL_DROP_AQM,
    SL_DROP_DOWN,
    SL_DROP_MTU,
    SL_DROP_MEMORY,
    SL_DROP_MALFORMED,
    SL_DROPS
};
extern const char *const sl_drop_names[SL_DROPS]; // "loss", "queue", ...
enum { SL_LATE_BUCKETS = 72 };
struct sl_pipe_counts {
    uint64_t in_packets, in_bytes, out_packets, out_bytes; // bytes as the rate counts them
    uint64_t duplicates, corrupted, reordered, marked;
    uint64_t dropped[SL_DROPS];
    uint64_t under_way;                            // waiting or being delayed
    uint64_t queue_packets, queue_bytes;           // waiting for the rate
    uint64_t queue_peak_packets, queue_peak_bytes; // since it was last asked
    uint32_t late[SL_LATE_BUCKETS]; // of packets that went out of here: see sl_late_ns
    int64_t late_max_ns;
};
// Upper end of a bucket: two to an octave.
int64_t sl_late_ns(int bucket);
int64_t sl_late_quantile(const uint32_t late[SL_LATE_BUCKETS], double q); // ns; -1 = no packet

struct sl_emulator_options {
    uint32_t pipes;
    uint64_t memory_bytes; // of packets; 0 = 1 GiB
    // Where a packet goes behind a pipe: the next pipe, or -1 = out.
    int32_t (*next)(void *ctx, uint32_t pipe, const struct sl_pbuf *b); // NULL = always out
    // Sends it, and frees it. Whoever sends says when: sl_emulator_sent.
    void (*out)(void *ctx, uint32_t pipe, struct sl_pbuf *b);
    void *ctx;
};
struct sl_emulator;
SL_MUST_USE struct sl_emulator *sl_emulator_new(const struct sl_emulator_options *opt,
                                                int64_t now_ns, struct sl_error *err);
void sl_emulator_free(struct sl_emulator *e);
struct sl_pbuf_pool *sl_emulator_pool(struct sl_emulator *e);
size_t sl_emulator_pipe_bytes(void);

// Conditions with their files read and samplers made.
struct sl_prepared;
SL_MUST_USE struct sl_prepared *sl_prepared_new(const struct sl_conditions *drawn, uint64_t seed,
                                                uint32_t pipe, struct sl_error *err);
void sl_prepared_free(struct sl_prepared *p);
// Takes it over; what the pipe had before is in it afterwards, to be freed by the caller.
void sl_emulator_apply(struct sl_emulator *e, uint32_t pipe, struct sl_prepared *p, int64_t now_ns);

// A packet arrives at a pipe. It is the emulator's from here on.
void sl_emulator_arrive(struct sl_emulator *e, uint32_t pipe, struct sl_pbuf *b, int64_t now_ns);
void sl_emulator_sent(struct sl_emulator *e, uint32_t pipe, int64_t due_ns, int64_t sent_ns);
int64_t sl_emulator_next(struct sl_emulator *e); // when something is due; INT64_MAX = nothing
void sl_emulator_run(struct sl_emulator *e, int64_t now_ns);
// True while `now` does not matter: everything due by now_ns was handled, or `most` packets went
// out. So that reading is not kept waiting.
bool sl_emulator_run_some(struct sl_emulator *e, int64_t now_ns, uint32_t most);
void sl_emulator_counts(struct sl_emulator *e, uint32_t pipe, int64_t now_ns, bool reset_peaks,
                        struct sl_pipe_counts *out);
uint64_t sl_emulator_under_way(const struct sl_emulator *e); // packets of all pipes
