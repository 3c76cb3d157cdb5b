// SPDX-License-Identifier: Apache-2.0
/*
 * Messages and progress on stderr; results go to stdout and never through here.
 *
 * Levels   error, warn (and what we did instead), info, debug. --quiet shows errors only.
 * Progress one redrawn line when stderr is a terminal; otherwise a plain line whenever the step
 *          changes and every ten seconds; JSON Lines with SL_PROGRESS_JSON; silent with --quiet.
 * Threads  safe from any thread.
 */
#pragma once
#include "base/error.h"

enum sl_level { SL_LOG_ERROR, SL_LOG_WARN, SL_LOG_INFO, SL_LOG_DEBUG };
enum sl_progress_mode { SL_PROGRESS_AUTO, SL_PROGRESS_PLAIN, SL_PROGRESS_JSON, SL_PROGRESS_NONE };

void sl_log_setup(enum sl_level level, enum sl_progress_mode mode, bool colour);
enum sl_level sl_log_level(void);
bool sl_log_colour(void); // may the caller colour its stdout tables too?
void sl_log(enum sl_level level, const char *fmt, ...) SL_PRINTF(2, 3);
#define sl_warn(...) sl_log(SL_LOG_WARN, __VA_ARGS__)
#define sl_info(...) sl_log(SL_LOG_INFO, __VA_ARGS__)
#define sl_debug(...) sl_log(SL_LOG_DEBUG, __VA_ARGS__)

// step of steps (1-based, 0 = not counted), a short stable name, and what is going on now.
void sl_progress(int step, int steps, const char *name, const char *fmt, ...) SL_PRINTF(4, 5);
void sl_progress_end(void); // finishes a redrawn line
