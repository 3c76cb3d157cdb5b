// SPDX-License-Identifier: Apache-2.0
#include "cli/budget.h"
#include "base/auto.h"
#include <string.h>

static double available_bytes(void)
{
    SL_AUTO(sl_close_file) FILE *f = fopen("/proc/meminfo", "re");
    char line[128];
    double kib;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %lf kB", &kib) == 1)
            return kib * 1024;
    return 0;
}

void sl_budget_fill(double *cpu_cores, double *mem_bytes)
{
    if (*cpu_cores <= 0)
        *cpu_cores = 0.9 * (double)sysconf(_SC_NPROCESSORS_ONLN);
    if (*mem_bytes <= 0)
        *mem_bytes = 0.75 * available_bytes();
}
