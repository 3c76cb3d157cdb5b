// SPDX-License-Identifier: Apache-2.0
/*
 * Shell-like splitting of `command` and `entrypoint`: blanks part words, '...' is literal, "..."
 * knows
 * \" \\ \$ and \`, a backslash outside quotes keeps the next character. Nothing is expanded.
 *
 * Errors   SL_EINPUT for a quote that never closes.
 * Source   POSIX.1-2017 XCU 2.2, as both Compose tools apply it (Python's shlex, Go's shellwords).
 */
#pragma once
#include "compose/project.h"
SL_MUST_USE bool sl_words_split(struct sl_arena *arena, const char *text, struct sl_words *out,
                                struct sl_error *err);
