// SPDX-License-Identifier: Apache-2.0
/*
 * Variables in Compose text.
 *
 * Grammar  $V  ${V}  ${V:-d} ${V-d}  ${V:?e} ${V?e}  ${V:+a} ${V+a}, expressions nested in d, e and
 * a, and $$ for one dollar. The colon forms treat empty as unset. Values are not expanded again.
 * Limits   64 KiB per text, 8 MiB per `budget`, 32 nested expressions.
 * Errors   SL_EINPUT; the caller adds the place.
 * Source   Compose specification, "Interpolation".
 */
#pragma once
#include "base/error.h"
#include "base/mem.h"

enum { SL_INTERP_MAX_BYTES = 64 << 10, SL_INTERP_BUDGET = 8 << 20, SL_INTERP_MAX_DEPTH = 32 };
struct sl_interp_ref { // one place where a variable's value is wanted and not there
    const char *name;
    bool required;       // ${V?e} and ${V:?e}
    const char *message; // of the ? forms; else NULL
};
struct sl_interp {
    struct sl_arena *arena;
    size_t budget; // bytes that may still be produced
    void *ctx;
    const char *(*lookup)(void *ctx, const char *name); // NULL: not set
    // A value for what is not set and has no default; NULL fails when required, else stands for "".
    const char *(*missing)(void *ctx, const struct sl_interp_ref *ref);
    // May a dollar that starts nothing stand for itself? NULL or false: an error.
    bool (*stray_dollar)(void *ctx);
    bool unmet; // set when a required variable was missing
};
SL_MUST_USE bool sl_interpolate(struct sl_interp *in, const char *text, const char **out,
                                struct sl_error *err);
