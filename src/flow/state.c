// SPDX-License-Identifier: Apache-2.0
#include "flow/state.h"
#include <stdlib.h>

static const char *name_of(const char *const *names, size_t n, size_t i)
{
    return i < n ? names[i] : "unknown";
}

const char *sl_end_reason_name(enum sl_end_reason r)
{
    static const char *const names[] = {"none",   "fin",        "rst", "idle",
                                        "active", "port_reuse", "eof", "evicted"};
    return name_of(names, sizeof names / sizeof *names, (size_t)r);
}

const char *sl_dir_guess_name(enum sl_dir_guess g)
{
    static const char *const names[] = {"syn", "synack", "first", "port", "same"};
    return name_of(names, sizeof names / sizeof *names, (size_t)g);
}

void sl_pool_init(struct sl_pool *p, size_t bytes, size_t expected)
{
    *p = (struct sl_pool){.bytes = (bytes + 3) & ~(size_t)3, .free = SL_INDEX_NONE};
    p->slabs_cap = (expected >> SL_POOL_SLAB_BITS) + 1;
    p->slabs = sl_alloc(p->slabs_cap * sizeof *p->slabs);
}

void sl_pool_done(struct sl_pool *p)
{
    for (uint32_t i = 0; i < p->n >> SL_POOL_SLAB_BITS; i++)
        free(p->slabs[i]);
    free(p->slabs);
    for (size_t i = 0; i < p->outgrown.len; i++)
        free(p->outgrown.at[i]);
    SL_VEC_DONE(&p->outgrown);
    *p = (struct sl_pool){0};
}

size_t sl_pool_bytes(const struct sl_pool *p)
{
    return p->used * p->bytes + p->slabs_cap * sizeof *p->slabs;
}

// More pieces than flows at once: flows that ended hold theirs until they were handed out.
static void grow(struct sl_pool *p)
{
    uint8_t **more = sl_alloc(2 * p->slabs_cap * sizeof *more);
    memcpy(more, p->slabs, p->slabs_cap * sizeof *more);
    *SL_PUSH(&p->outgrown) = p->slabs;
    __atomic_store_n(&p->slabs, more, __ATOMIC_RELEASE);
    p->slabs_cap *= 2;
}

static void add_slab(struct sl_pool *p)
{
    size_t used = p->n >> SL_POOL_SLAB_BITS, slab = (size_t)1 << SL_POOL_SLAB_BITS;
    if (used == p->slabs_cap)
        grow(p);
    p->slabs[used] = sl_realloc(NULL, slab * p->bytes);
    p->n += (uint32_t)slab;
}

uint32_t sl_pool_take(struct sl_pool *p)
{
    if (p->free == SL_INDEX_NONE && p->used == p->n)
        add_slab(p);
    bool fresh = p->free == SL_INDEX_NONE;
    uint32_t n = fresh ? p->used++ : p->free;
    void *piece = sl_pool_at(p, n);
    if (!fresh)
        memcpy(&p->free, piece, sizeof p->free);
    memset(piece, 0, p->bytes);
    return n;
}

void sl_pool_give(struct sl_pool *p, uint32_t n)
{
    memcpy(sl_pool_at(p, n), &p->free, sizeof p->free);
    p->free = n;
}
