// SPDX-License-Identifier: Apache-2.0
/*
 * UTF-8, as much of it as carets and tables need.
 *
 * Errors   a malformed sequence (overlong, surrogate, cut short, above U+10FFFF) decodes to length
 *          0.
 * Threads  stateless.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

// Bytes of the character at p (1..4), its code point in *cp; 0 when it is malformed. p < end.
size_t sl_utf8_decode(const char *p, const char *end, uint32_t *cp);
// Columns a terminal gives it: 0 for combining marks, 2 for wide characters, else 1.
int sl_utf8_columns(uint32_t cp);
// May it be shown as it is? Control characters and those that turn the writing direction may not.
int sl_utf8_printable(uint32_t cp);
