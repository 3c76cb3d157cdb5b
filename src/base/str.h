// SPDX-License-Identifier: Apache-2.0
/*
 * A growable byte string with a stated maximum, and a few text helpers.
 *
 * Errors   past the maximum the string stops growing and `truncated` sticks; the owner checks it
 *          once at the end. `text` is always NUL-terminated (and "" when nothing was added).
 * Threads  not synchronised.
 */
#pragma once
#include "base/error.h"
#include <stddef.h>

struct sl_str {
    char *text;
    size_t len, cap, max; // bytes; max 0 = 64 MiB
    bool truncated;
};
void sl_str_add(struct sl_str *s, const char *text);
void sl_str_addn(struct sl_str *s, const char *bytes, size_t len);
void sl_str_addf(struct sl_str *s, const char *fmt, ...) SL_PRINTF(2, 3);
void sl_str_clear(struct sl_str *s); // keeps the memory
char *sl_str_take(struct sl_str *s); // hands the text over ("" if empty); s is empty afterwards
const char *sl_str_text(const struct sl_str *s); // never NULL
void sl_str_done(struct sl_str *s);

bool sl_starts_with(const char *s, const char *prefix);
bool sl_ends_with(const char *s, const char *suffix);
// Copies into a fixed buffer; false when it did not fit (dst then holds a cut, terminated text).
bool sl_copy(char *dst, size_t size, const char *src);
// Edit distance, for "did you mean"; gives up above 63 characters (returns 64).
int sl_edit_distance(const char *a, const char *b);
// The candidate nearest to word, or NULL when none is near enough to be meant.
const char *sl_nearest(const char *word, const char *const *candidates, size_t n);
