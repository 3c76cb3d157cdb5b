// SPDX-License-Identifier: Apache-2.0
/*
 * What one direction of a link does to packets: the words of the command line, of specs and of the
 * control socket, from one table.
 *
 * Words    `rate 100Mbps delay 20ms jitter 2ms loss 1%`: a name and a value each, see
 *          sl_condition_table. Values that may be drawn are ranges: `loss 0-30%`.
 * Units    nanoseconds, bits per second on the wire (see overhead), shares 0..1, bytes.
 * Errors   SL_EUSAGE: an unknown name with the nearest one, a value that cannot be, with the limit.
 * Threads  stateless; the struct is plain data. Text inside belongs to the arena that was given.
 */
#pragma once
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include <stdint.h>

enum sl_link_condition {
    SL_COND_RATE,
    SL_COND_BURST,
    SL_COND_OVERHEAD,
    SL_COND_CAPACITY,
    SL_COND_DELAY,
    SL_COND_JITTER,
    SL_COND_DISTRIBUTION,
    SL_COND_JITTER_REORDERS,
    SL_COND_LOSS,
    SL_COND_LOSS_BURST,
    SL_COND_LOSS_MODEL,
    SL_COND_LOSS_EVERY,
    SL_COND_LOSS_PATTERN,
    SL_COND_LOSS_BEHIND,
    SL_COND_DUPLICATE,
    SL_COND_REORDER,
    SL_COND_CORRUPT,
    SL_COND_QUEUE,
    SL_COND_AQM,
    SL_COND_ECN,
    SL_COND_STATE,
    SL_COND_MTU,
    SL_COND_WHOLE,
    SL_CONDITIONS
};
struct sl_condition_word {
    const char *name; // as in DTSL; the option is --name
    const char *arg;  // what stands behind it; NULL = nothing
    const char *help;
};
extern const struct sl_condition_word sl_condition_table[SL_CONDITIONS];
int sl_condition_named(const char *name); // enum sl_link_condition; -1 = none

struct sl_range {
    double lo, hi; // equal: one value
};
enum sl_distribution { SL_DIST_UNIFORM, SL_DIST_NORMAL, SL_DIST_PARETO, SL_DIST_FILE };
enum sl_aqm { SL_AQM_NONE, SL_AQM_RED, SL_AQM_CODEL, SL_AQM_FQ_CODEL };
enum {                      // what a packet of n IP bytes counts for against the rate
    SL_OVERHEAD_WIRE = -1,  // max(n + 18, 64) + 20: Ethernet with preamble, checksum and gap
    SL_OVERHEAD_FRAME = -2, // n + 14; 0 and above: n + that many bytes
};
struct sl_conditions { // zeroed: a perfect link
    uint32_t given;    // 1 << enum sl_link_condition
    struct sl_range rate_bps, delay_ns, jitter_ns, loss, duplicate, reorder, corrupt;
    uint64_t burst_bytes;
    int32_t overhead;
    const char *capacity, *distribution_file, *loss_pattern; // paths
    enum sl_distribution distribution;
    double loss_burst; // mean length of a burst, packets
    double gemodel[4]; // p = P(good to bad), r = P(bad to good), loss in bad, loss in good
    uint64_t loss_every;
    uint64_t queue_packets, queue_bytes; // 0 = not limited by it
    enum sl_aqm aqm;
    bool down;
    uint32_t mtu; // IP bytes
};

// One word. The same name twice: the last one holds. Of loss, loss-model, loss-every and
// loss-pattern, too.
SL_MUST_USE bool sl_conditions_set(struct sl_conditions *c, enum sl_link_condition what,
                                   const char *value, struct sl_arena *arena, struct sl_error *err);
// "delay 20ms loss 1%": words as DTSL has them.
SL_MUST_USE bool sl_conditions_parse(struct sl_conditions *c, const char *words,
                                     struct sl_arena *arena, struct sl_error *err);
// What `changes` gives is taken over, the rest stays.
void sl_conditions_merge(struct sl_conditions *c, const struct sl_conditions *changes);
// Every range becomes a value, drawn from the stream "link.range" of the link's name.
void sl_conditions_draw(struct sl_conditions *c, uint64_t seed, const char *link);
// Contradictions, with numbers. To be called when all words are set.
SL_MUST_USE bool sl_conditions_check(const struct sl_conditions *c, struct sl_error *err);
// Between a and b at share 0..1: rate, delay, jitter and the shares change linearly, everything
// else is b's. For ramps.
void sl_conditions_between(const struct sl_conditions *a, const struct sl_conditions *b,
                           double share, struct sl_conditions *out);
// Words that sl_conditions_set takes again: "delay 20ms loss 1%"; nothing for a perfect link.
void sl_conditions_text(const struct sl_conditions *c, struct sl_str *out);
json_t *sl_conditions_json(const struct sl_conditions *c); // {"delay": "20ms", ...}
SL_MUST_USE bool sl_conditions_from_json(const json_t *j, struct sl_conditions *c,
                                         struct sl_arena *arena, struct sl_error *err);

// As given; else IP bytes for a capacity trace, and wire bytes for a rate.
int32_t sl_conditions_overhead(const struct sl_conditions *c);
// What the queue holds when nothing was said: a round trip or 100 ms of the rate, at least 64 full
// frames. 0 without a rate.
uint64_t sl_conditions_queue_bytes(const struct sl_conditions *c);
// Bytes that may be under way: delay times rate (10 Gbit/s without one), and the queue.
double sl_conditions_memory_bytes(const struct sl_conditions *c);
