// SPDX-License-Identifier: Apache-2.0
/*
 * labels.csv of a run folder: the truth about every address that the run placed, for those who
 * label flows of its captures (measure/truth.h reads it and says what the columns mean).
 *
 * Times    from the run's start, before any of its addresses existed, until they are about to go;
 *          to_ns is empty while the run is still on, so the file also serves a run that was cut off.
 * Order    instances, their endpoints, their addresses: as placed.
 */
#pragma once
#include "live/run.h"
// to_ns 0 = still running.
void sl_run_labels(const struct sl_run *r, int64_t to_ns, struct sl_str *out);
