// SPDX-License-Identifier: Apache-2.0
// Time at the rim: monotonic for intervals, wall for records. Nanoseconds.
#pragma once
#include <stdint.h>
int64_t sl_mono_ns(void);
int64_t sl_wall_ns(void);                          // since 1970-01-01 UTC
void sl_wall_stamp(int64_t wall_ns, char buf[32]); // "2026-11-20T23:08:05.123Z"
