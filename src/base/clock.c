// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t sl_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t sl_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

void sl_wall_stamp(int64_t wall_ns, char buf[32])
{
    time_t s = (time_t)(wall_ns / 1000000000);
    struct tm tm;
    gmtime_r(&s, &tm);
    char day[24];
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buf, 32, "%s.%03dZ", day, (int)(wall_ns / 1000000 % 1000));
}
