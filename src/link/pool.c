// SPDX-License-Identifier: Apache-2.0
/*
 * Frames of four sizes out of one mapping. A size that has no free frame takes 256 KiB more from
 * the mapping and cuts them up; what a size has, it keeps.
 */
#include "base/mem.h"
#include "link/pbuf.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { SLAB_BYTES = 1 << 18 };
static const uint32_t class_bytes[SL_PBUF_CLASSES] = {512, 2048, 16384, 65536 + 1024};

struct sl_pbuf_pool {
    uint8_t *base;
    uint64_t bytes, taken, used;
    struct sl_pbuf *free[SL_PBUF_CLASSES];
};

struct sl_pbuf_pool *sl_pbuf_pool_new(uint64_t max_bytes, struct sl_error *err)
{
    uint64_t bytes = (max_bytes + (1 << 20) - 1) & ~((1ull << 20) - 1);
    if (bytes < 4 << 20)
        bytes = 4 << 20;
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        sl_fail(err, SL_EENV, "cannot have %llu MiB of memory for packets: %s",
                (unsigned long long)bytes >> 20, strerror(errno));
        return NULL;
    }
    struct sl_pbuf_pool *p = sl_alloc(sizeof *p);
    p->base = base;
    p->bytes = bytes;
    return p;
}

void sl_pbuf_pool_free(struct sl_pbuf_pool *p)
{
    if (!p)
        return;
    munmap(p->base, p->bytes);
    free(p);
}

static bool refill(struct sl_pbuf_pool *p, int class)
{
    uint32_t each = class_bytes[class];
    uint64_t slab = class == SL_PBUF_CLASSES - 1 ? (uint64_t)each * 8 : SLAB_BYTES;
    if (p->taken + slab > p->bytes)
        return false;
    uint8_t *at = p->base + p->taken;
    p->taken += slab;
    for (uint64_t k = slab / each; k-- > 0;) {
        struct sl_pbuf *f = (struct sl_pbuf *)(at + k * each);
        f->class = (uint8_t) class;
        f->next = p->free[class];
        p->free[class] = f;
    }
    return true;
}

struct sl_pbuf *sl_pbuf_new(struct sl_pbuf_pool *p, uint32_t data_bytes)
{
    int class = 0;
    while (class < SL_PBUF_CLASSES && sizeof(struct sl_pbuf) + data_bytes > class_bytes[class])
        class ++;
    if (class == SL_PBUF_CLASSES || (!p->free[class] && !refill(p, class)))
        return NULL;
    struct sl_pbuf *f = p->free[class];
    p->free[class] = f->next;
    p->used += class_bytes[class];
    f->timer.prev = NULL;
    f->next = NULL;
    f->pipe = f->to = 0;
    f->gso_size = 0;
    f->segments = 1;
    f->needs_csum = f->gso_type = f->link_bytes = f->corrupt = 0;
    return f;
}

void sl_pbuf_free(struct sl_pbuf_pool *p, struct sl_pbuf *f)
{
    p->used -= class_bytes[f->class];
    f->next = p->free[f->class];
    p->free[f->class] = f;
}

uint32_t sl_pbuf_capacity(const struct sl_pbuf *f)
{
    return class_bytes[f->class] - (uint32_t)sizeof *f;
}

uint64_t sl_pbuf_pool_used(const struct sl_pbuf_pool *p)
{
    return p->used;
}
