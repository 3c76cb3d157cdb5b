// SPDX-License-Identifier: Apache-2.0
/*
 * Where things are: helper programs, shipped data, state.
 *
 * Method   beside the running binary first (a build folder), then the installed places; each can be
 *          set by the environment: SLUICE_LIBEXEC, SLUICE_DATA, SLUICE_STATE, SLUICE_RUNDIR.
 * Errors   helper programs and data that are not there are SL_EENV.
 * Threads  safe. Returned strings are the caller's.
 */
#pragma once
#include "base/error.h"
SL_MUST_USE char *sl_path_libexec(const char *program, struct sl_error *err); // "sluice-drive"
SL_MUST_USE char *sl_path_data(const char *relative, struct sl_error *err);   // "kit/images.tsv"
char *sl_path_state(void); // catalogue, work copies: /var/lib/sluice, or ~/.local/state/sluice
char *sl_path_run(void);   // sockets and run files: /run/sluice, or $XDG_RUNTIME_DIR/sluice
