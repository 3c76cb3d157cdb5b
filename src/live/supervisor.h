// SPDX-License-Identifier: Apache-2.0
/*
 * The supervisor's control socket: one Unix socket per run, one JSON object per line each way.
 *
 * Requests {"cmd":"status"} -> the state object of the run; {"cmd":"down"} -> {"ok":true}, and the
 * run ends. Anything else -> {"error":...}. It holds nothing that labels do not hold too. Limits 8
 * clients, 4 KiB a request; a client that does not read is dropped. Threads  served from the run's
 * loop.
 */
#pragma once
#include "base/json.h"
#include <poll.h>

struct sl_supervisor;
typedef json_t *sl_supervisor_fn(void *ctx, const char *cmd,
                                 const json_t *request); // new reference
SL_MUST_USE struct sl_supervisor *sl_supervisor_open(const char *run, sl_supervisor_fn *fn,
                                                     void *ctx, struct sl_error *err);
size_t sl_supervisor_fds(const struct sl_supervisor *s, int *fds, size_t max);
void sl_supervisor_serve(struct sl_supervisor *s); // whatever is ready; never blocks
void sl_supervisor_close(struct sl_supervisor *s);
// The other side: one request, one reply. SL_EENV when nobody listens.
SL_MUST_USE json_t *sl_supervisor_ask(const char *run, const char *cmd, struct sl_error *err);
