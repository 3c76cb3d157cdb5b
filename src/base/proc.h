// SPDX-License-Identifier: Apache-2.0
/*
 * Subprocesses: run one to its end with a deadline and its output collected.
 *
 * A child runs in its own process group, with stdin from /dev/null or from given bytes, and is
 * ended (TERM, then KILL of the whole group) when its deadline passes or sl_interrupted() turns
 * true. Errors   SL_EENV when the program is not there, SL_ERUN when it exits non-zero or is killed
 *          (message holds the last lines of its stderr), SL_EINTR when we were interrupted.
 * Threads  safe.
 */
#pragma once
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>
#include <sys/types.h>

struct sl_proc_options {
    const char *cwd;        // NULL = ours
    const char *const *env; // NULL = ours; else "K=V", NULL-terminated, replaces it
    const char *input;      // NULL = /dev/null
    size_t input_len;
    int64_t deadline_ns;         // duration; 0 = none
    struct sl_str *out, *errout; // NULL = thrown away (stderr still goes into messages)
    void (*on_line)(void *ctx, const char *line); // every line of stdout and stderr, may be NULL
    void *ctx;
    int *exit_code;        // when set, a non-zero exit is not an error
    bool ignore_interrupt; // for clean-up
};
SL_MUST_USE bool sl_proc_run(const char *const *argv, const struct sl_proc_options *opt,
                             struct sl_error *err);
// Is the program on PATH (or the path executable)?
bool sl_proc_have(const char *program);

// Set by the process's signal handling (cli); long waits look at it. Async-signal-safe.
void sl_interrupt(void);
bool sl_interrupted(void);
// While shielded, sl_interrupted() is false: clean-up is not cut short by a second Ctrl-C.
void sl_interrupt_shield(bool on);
bool sl_was_interrupted(void); // whatever the shield
// Sleeps, but wakes and returns false when interrupted.
bool sl_sleep_ns(int64_t ns);
