// SPDX-License-Identifier: Apache-2.0
/*
 * Locals that clean up after themselves: SL_AUTO(sl_close_fd) int fd = open(...);
 * Clean-up functions take a pointer to the variable and accept "nothing there".
 */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SL_AUTO(fn) __attribute__((cleanup(fn)))

static inline void sl_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
static inline void sl_close_file(FILE **f)
{
    if (*f)
        fclose(*f);
}
static inline void sl_free_str(char **p)
{
    free(*p);
}
