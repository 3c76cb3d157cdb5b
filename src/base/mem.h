// SPDX-License-Identifier: Apache-2.0
/*
 * Memory: allocation that aborts with a message when small sizes cannot be had, an arena that is
 * dropped whole, and a growable array macro.
 *
 * Errors   sl_alloc and friends abort when memory is gone. Sizes that came from outside are
 *          checked against a stated maximum by the caller first.
 * Threads  an arena belongs to one thread.
 */
#pragma once
#include "base/error.h"
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

void *sl_alloc(size_t bytes) __attribute__((malloc));   // zeroed
void *sl_realloc(void *p, size_t bytes);                // new bytes are not zeroed
char *sl_strdup(const char *s) __attribute__((malloc)); // NULL stays NULL
char *sl_format(const char *fmt, ...) SL_PRINTF(1, 2) __attribute__((malloc));

struct sl_arena_block;
struct sl_arena {
    struct sl_arena_block *head;
};
// A zeroed struct is a valid empty arena.
void *sl_arena_alloc(struct sl_arena *arena, size_t bytes); // zeroed, aligned to 16
char *sl_arena_strdup(struct sl_arena *arena, const char *s);
char *sl_arena_strndup(struct sl_arena *arena, const char *s, size_t len);
char *sl_arena_format(struct sl_arena *arena, const char *fmt, ...) SL_PRINTF(2, 3);
void sl_arena_done(struct sl_arena *arena); // frees all; the arena is empty and usable again

// Growable array: struct { T *at; size_t len, cap; }. SL_PUSH(v) yields a pointer to a new zeroed
// slot.
#define SL_VEC(T)                                                                                  \
    struct {                                                                                       \
        T *at;                                                                                     \
        size_t len, cap;                                                                           \
    }
void *sl_vec_grow(void *at, size_t *cap, size_t len, size_t elem_bytes);
#define SL_PUSH(v)                                                                                 \
    ((v)->at = ((v)->len == (v)->cap ? sl_vec_grow((v)->at, &(v)->cap, (v)->len, sizeof *(v)->at)  \
                                     : (v)->at),                                                   \
     &(v)->at[(v)->len++])
#define SL_VEC_DONE(v) (free((v)->at), (v)->at = NULL, (v)->len = (v)->cap = 0)
