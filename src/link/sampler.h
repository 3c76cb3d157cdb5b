// SPDX-License-Identifier: Apache-2.0
/*
 * Random decisions of a pipe: is this packet lost, and how long is it delayed.
 *
 * Loss     at random: the gap to the next loss is drawn from the geometric law, so that packets that
 *          pass cost a decrement. Gilbert-Elliott, every n-th, and a recorded pattern that begins
 *          anew at its end.
 * Delay    uniform: delay +- jitter. normal: standard deviation jitter. pareto: shape 3, moved and
 *          scaled to mean delay and standard deviation jitter, so at least delay - 0.577 jitter.
 *          file: one of its lines, added to delay. Never below 0.
 * Streams  "link.loss", "link.delay", ... of the run's seed and the pipe's number: the same seed and
 *          packets give the same decisions.
 * Files    at most 64 MiB; errors name file and line.
 * Source   E. N. Gilbert, Bell System Technical Journal 39, 1960; E. O. Elliott, same, 42, 1963.
 */
#pragma once
#include "base/rng.h"
#include "link/conditions.h"

enum sl_loss_kind { SL_LOSS_NONE, SL_LOSS_RANDOM, SL_LOSS_MARKOV, SL_LOSS_EVERY, SL_LOSS_PATTERN };
struct sl_loss {
    enum sl_loss_kind kind;
    struct sl_rng rng;
    double share, inverse_log; // random: 1 / log(1 - share)
    uint64_t gap;              // packets that pass before the next loss
    double to_bad, to_good, in_bad, in_good;
    bool bad;
    uint64_t every, n;
    uint8_t *pattern; // a byte for each packet
    size_t pattern_len;
};
bool sl_loss_next(struct sl_loss *l); // true: this packet is lost

struct sl_share { // independent decisions: duplicates, corruptions, reorderings
    struct sl_rng rng;
    double share, inverse_log;
    uint64_t gap;
    bool on;
};
void sl_share_init(struct sl_share *s, double share, struct sl_rng rng);
bool sl_share_next(struct sl_share *s);

struct sl_delay {
    struct sl_rng rng;
    int64_t fixed_ns;
    double jitter_ns; // 0 and no file: fixed
    enum sl_distribution distribution;
    int64_t *file_ns; // sorted
    size_t n_file;
};
int64_t sl_delay_next(struct sl_delay *d);

// From conditions whose ranges are drawn; files are read here, so not on the packet path.
SL_MUST_USE bool sl_loss_init(struct sl_loss *l, const struct sl_conditions *c, uint64_t seed,
                              uint32_t pipe, struct sl_error *err);
SL_MUST_USE bool sl_delay_init(struct sl_delay *d, const struct sl_conditions *c, uint64_t seed,
                               uint32_t pipe, struct sl_error *err);
void sl_loss_done(struct sl_loss *l);
void sl_delay_done(struct sl_delay *d);
// The files' texts. name is for errors; the array is the caller's to free.
SL_MUST_USE bool sl_loss_pattern_parse(const char *text, size_t len, const char *name,
                                       uint8_t **pattern, size_t *n, struct sl_error *err);
SL_MUST_USE bool sl_delays_parse(const char *text, size_t len, const char *name, int64_t **ns,
                                 size_t *n, struct sl_error *err);
