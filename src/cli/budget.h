// SPDX-License-Identifier: Apache-2.0
// What a plan may use when the user does not say: 90 % of the cores that are online, 75 % of the
// memory that is free.
#pragma once
// Fills what is 0.
void sl_budget_fill(double *cpu_cores, double *mem_bytes);
