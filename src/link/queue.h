// SPDX-License-Identifier: Apache-2.0
/*
 * What waits for a pipe's rate: a limit in packets and bytes, and how the queue is kept short.
 *
 * Kinds    none: tail drop. red: random early detection, thresholds 1/6 and 1/2 of the limit in
 *          bytes, gentle above. codel: target 5 ms, interval 100 ms. fq-codel: 1,024 queues served
 *          by deficit round robin of 1,514 bytes, new ones first; at the limit the fullest loses.
 * ECN      with it, an early decision marks what is ECN-capable and drops the rest.
 * Units    nanoseconds, IP bytes. Time never goes back.
 * Threads  not synchronised.
 * Source   S. Floyd and V. Jacobson, IEEE/ACM ToN 1(4), 1993; RFC 8289; RFC 8290.
 */
#pragma once
#include "base/rng.h"
#include "link/conditions.h"
#include "link/pbuf.h"

enum sl_queue_verdict { SL_QUEUE_TAIL, SL_QUEUE_EARLY }; // why something was dropped
typedef void sl_queue_drop_fn(void *ctx, struct sl_pbuf *b, enum sl_queue_verdict why);

struct sl_codel {
    int64_t first_above_ns, drop_next_ns;
    uint32_t count, last_count;
    bool dropping;
};
struct sl_queue_list {
    struct sl_pbuf *head, *tail;
    uint64_t bytes;
};
struct sl_queue_fq; // 1,024 flows
struct sl_queue {
    enum sl_aqm aqm;
    bool ecn;
    uint64_t max_packets, max_bytes; // 0 = not limited by it
    uint64_t packets, bytes, peak_packets, peak_bytes, marks;
    struct sl_queue_list all;
    struct sl_codel codel;
    double red_average;
    int64_t red_idle_ns; // since when it is empty
    uint32_t red_count;
    struct sl_rng rng;
    struct sl_queue_fq *fq;
    sl_queue_drop_fn *drop; // who counts and frees
    void *ctx;
};
void sl_queue_init(struct sl_queue *q, struct sl_rng rng, sl_queue_drop_fn *drop, void *ctx);
// New limits and kind; what waits stays, in its order.
void sl_queue_change(struct sl_queue *q, enum sl_aqm aqm, bool ecn, uint64_t max_packets,
                     uint64_t max_bytes);
void sl_queue_put(struct sl_queue *q, struct sl_pbuf *b, int64_t now_ns);
struct sl_pbuf *sl_queue_take(struct sl_queue *q, int64_t now_ns); // NULL = empty
void sl_queue_done(struct sl_queue *q);                            // must be empty
