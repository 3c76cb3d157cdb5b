// SPDX-License-Identifier: Apache-2.0
/*
 * One failure: what happened, to what, where, and what to do next.
 *
 * The caller owns the struct (usually on its stack), so making an error never allocates.
 * Functions that can fail return bool or a pointer, are marked SL_MUST_USE, and take the
 * struct last; they write their outputs only on success. A NULL err is allowed: the text is lost.
 *
 * Errors   codes are the exit statuses of the command line, DESIGN section 5.
 * Threads  a struct belongs to one thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define SL_MUST_USE __attribute__((warn_unused_result))
#define SL_PRINTF(f, a) __attribute__((format(printf, f, a)))

enum sl_code {
    SL_OK = 0,
    SL_ERUN = 1,    // run-time failure
    SL_EUSAGE = 2,  // wrong command line
    SL_EINPUT = 3,  // bad input: spec, Compose file, trace
    SL_EPLAN = 4,   // plan outside tolerance
    SL_EENV = 5,    // environment lacking
    SL_EMISS = 6,   // ran, but missed a target
    SL_EINTR = 130, // interrupted and cleaned up
};

struct sl_error {
    enum sl_code code;
    char msg[768];
    char hint[384]; // what to do next; "" if nothing is known
    char file[256]; // input that is wrong; "" if none
    int line, col;  // 1-based; 0 = unknown
};

// Always returns false, so that `return sl_fail(...)` reads well.
bool sl_fail(struct sl_error *err, enum sl_code code, const char *fmt, ...) SL_PRINTF(3, 4);
// Adds a remedy to an error made before. Replaces an earlier hint.
void sl_hint(struct sl_error *err, const char *fmt, ...) SL_PRINTF(2, 3);
// Adds the place in an input. col 0 = unknown.
void sl_at(struct sl_error *err, const char *file, int line, int col);
// Puts context in front: "starting 'shop': cannot reach ...". Always returns false.
bool sl_within(struct sl_error *err, const char *fmt, ...) SL_PRINTF(2, 3);
// "usage", "bad-input", ... for JSON output.
const char *sl_code_name(enum sl_code code);
