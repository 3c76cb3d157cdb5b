// SPDX-License-Identifier: Apache-2.0
/*
 * The diagnostics of one text, collected. Strings live in the arena.
 *
 * Past SL_DIAG_MAX errors further ones are only counted: a binary file read by mistake stays
 * readable.
 */
#pragma once
#include "lang/spec.h"

enum { SL_DIAG_MAX = 100 };
struct sl_diags {
    struct sl_arena *arena;
    SL_VEC(struct sl_diagnostic) list;
    size_t n_errors; // all of them, also those left out
};
struct sl_place {
    int line, col, width;
};
// hint "" for none; an arena string or a literal.
void sl_diag_add(struct sl_diags *d, enum sl_severity severity, struct sl_place at,
                 const char *hint, const char *fmt, ...) SL_PRINTF(5, 6);
void sl_diag_sort(struct sl_diags *d); // by place; equal places keep their order
