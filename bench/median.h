// SPDX-License-Identifier: Apache-2.0
// What alternating rounds are summed up by.
#pragma once
#include <stdlib.h>
#include <string.h>

enum { MAX_ROUNDS = 99 };

static inline int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double median(const double *v, int n) // n at most MAX_ROUNDS
{
    double s[MAX_ROUNDS];
    memcpy(s, v, (size_t)n * sizeof *s);
    qsort(s, (size_t)n, sizeof *s, by_size);
    return n % 2 ? s[n / 2] : (s[n / 2 - 1] + s[n / 2]) / 2;
}
