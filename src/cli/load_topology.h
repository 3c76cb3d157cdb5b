// SPDX-License-Identifier: Apache-2.0
// A topology as the command line names it: a generator ("dumbbell:2x2"), a spec (.dtsl), a CSV or
// GraphML file, or a single link ("h1-h2").
#pragma once
#include "link/topology.h"

// access, core: for generators; a single link has `access`. Finished: addresses given, ranges
// drawn.
SL_MUST_USE struct sl_topology *sl_load_topology(const char *what,
                                                 const struct sl_conditions access[2],
                                                 const struct sl_conditions *core, uint64_t seed,
                                                 struct sl_error *err);
