// SPDX-License-Identifier: Apache-2.0
// The flow-table half of measure/samples.h. Inside src/measure only.
#pragma once
#include "measure/samples.h"
SL_MUST_USE bool sl_samples_read_table(const char *path, const struct sl_samples_options *opt,
                                       struct sl_sample_set *out, struct sl_error *err);
