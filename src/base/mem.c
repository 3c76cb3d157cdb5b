// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void *checked(void *p, size_t bytes)
{
    if (!p && bytes) {
        fprintf(stderr, "sluice: out of memory asking for %zu bytes\n", bytes);
        abort();
    }
    return p;
}

void *sl_alloc(size_t bytes)
{
    return checked(calloc(1, bytes ? bytes : 1), bytes);
}

void *sl_realloc(void *p, size_t bytes)
{
    return checked(realloc(p, bytes ? bytes : 1), bytes);
}

char *sl_strdup(const char *s)
{
    return s ? checked(strdup(s), strlen(s) + 1) : NULL;
}

char *sl_format(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return checked(n < 0 ? NULL : s, 1);
}

struct sl_arena_block {
    struct sl_arena_block *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
};

void *sl_arena_alloc(struct sl_arena *arena, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    struct sl_arena_block *b = arena->head;
    if (!b || b->size - b->used < bytes) {
        // The first block is small: a catalogue loads tens of thousands of little arenas.
        size_t size = !b ? 1024 : b->size >= 8192 ? 16384 : b->size * 2;
        if (size < bytes)
            size = bytes;
        b = sl_alloc(sizeof *b + size);
        b->size = size;
        b->next = arena->head;
        arena->head = b;
    }
    void *p = b->bytes + b->used;
    b->used += bytes;
    return p;
}

char *sl_arena_strndup(struct sl_arena *arena, const char *s, size_t len)
{
    char *p = sl_arena_alloc(arena, len + 1);
    memcpy(p, s, len);
    return p;
}

char *sl_arena_strdup(struct sl_arena *arena, const char *s)
{
    return s ? sl_arena_strndup(arena, s, strlen(s)) : NULL;
}

char *sl_arena_format(struct sl_arena *arena, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = sl_arena_alloc(arena, (size_t)(n < 0 ? 0 : n) + 1);
    vsnprintf(p, (size_t)(n < 0 ? 0 : n) + 1, fmt, again);
    va_end(again);
    return p;
}

void sl_arena_done(struct sl_arena *arena)
{
    for (struct sl_arena_block *b = arena->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    arena->head = NULL;
}

void *sl_vec_grow(void *at, size_t *cap, size_t len, size_t elem_bytes)
{
    size_t want = *cap ? *cap * 2 : 8;
    if (want > SIZE_MAX / elem_bytes)
        abort();
    at = sl_realloc(at, want * elem_bytes);
    memset((char *)at + len * elem_bytes, 0, (want - len) * elem_bytes);
    *cap = want;
    return at;
}
