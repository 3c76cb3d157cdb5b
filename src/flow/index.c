// SPDX-License-Identifier: Apache-2.0
#include "flow/index.h"
#include <stdlib.h>

enum { FIRST_BUCKETS = 1 << 10 };

static uint32_t *new_buckets(uint32_t n)
{
    uint32_t *b = sl_realloc(NULL, n * sizeof *b);
    memset(b, 0xff, n * sizeof *b); // SL_INDEX_NONE
    return b;
}

void sl_index_init(struct sl_index *x, size_t node_bytes, uint64_t seed)
{
    *x = (struct sl_index){
        .node_bytes = (node_bytes + 7) & ~(size_t)7, .seed = seed, .free = SL_INDEX_NONE};
    x->mask = FIRST_BUCKETS - 1;
    x->buckets = new_buckets(FIRST_BUCKETS);
    for (int i = 0; i < SL_INDEX_LISTS; i++)
        x->oldest[i] = x->newest[i] = SL_INDEX_NONE;
}

void sl_index_done(struct sl_index *x)
{
    for (uint32_t i = 0; i < x->nodes >> SL_INDEX_SLAB_BITS; i++)
        free(x->slabs[i]);
    free(x->slabs);
    free(x->buckets);
    *x = (struct sl_index){0};
}

void sl_index_grow_buckets(struct sl_index *x)
{
    x->mask = x->mask * 2 + 1;
    free(x->buckets);
    x->buckets = new_buckets(x->mask + 1);
    for (uint32_t n = 0; n < x->used; n++) {
        struct sl_node *node = sl_index_at(x, n);
        if (node->list == SL_INDEX_LISTS)
            continue;
        uint32_t *head = &x->buckets[sl_key_hash(&node->key, x->seed) & x->mask];
        node->chain = *head;
        *head = n;
    }
}

void sl_index_add_slab(struct sl_index *x)
{
    size_t used = x->nodes >> SL_INDEX_SLAB_BITS;
    if (used == x->slabs_cap)
        x->slabs = sl_vec_grow(x->slabs, &x->slabs_cap, used, sizeof *x->slabs);
    size_t bytes = SL_INDEX_SLAB * x->node_bytes; // a multiple of 64, as the alignment wants
    x->slabs[used] = aligned_alloc(64, bytes);
    if (!x->slabs[used])
        abort();
    x->nodes += SL_INDEX_SLAB;
}

void sl_index_forget(struct sl_index *x)
{
    free(x->buckets);
    x->buckets = NULL;
}

size_t sl_index_bytes(const struct sl_index *x)
{
    size_t buckets = x->buckets ? (size_t)x->mask + 1 : 0;
    return x->used * x->node_bytes + buckets * sizeof *x->buckets;
}
