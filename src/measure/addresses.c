// SPDX-License-Identifier: Apache-2.0
// Open addressing with linear probing, at most half full. The hash is seeded: addresses are
// strangers'.
#include "measure/addresses.h"
#include "base/mem.h"
#include <string.h>
#include <sys/random.h>

struct sl_addresses {
    SL_VEC(struct sl_addr) list;
    uint32_t *slots; // id + 1; 0 = free
    uint32_t mask;
    uint64_t seed;
};

struct sl_addresses *sl_addresses_new(void)
{
    struct sl_addresses *a = sl_alloc(sizeof *a);
    a->mask = 1023;
    a->slots = sl_alloc(((size_t)a->mask + 1) * sizeof *a->slots);
    if (getrandom(&a->seed, sizeof a->seed, GRND_NONBLOCK) != sizeof a->seed)
        a->seed = UINT64_C(0x9e3779b97f4a7c15);
    return a;
}

static uint32_t slot_of(const struct sl_addresses *a, const struct sl_addr *addr)
{
    uint64_t w[2];
    memcpy(w, addr->b, 16);
    __extension__ unsigned __int128 m =
        (unsigned __int128)(w[0] ^ a->seed) * (w[1] ^ UINT64_C(0xe7037ed1a0b428db));
    uint64_t h = (uint64_t)(m >> 64) ^ (uint64_t)m ^ addr->family;
    h *= UINT64_C(0x9e3779b97f4a7c15);
    uint32_t i = (uint32_t)(h >> 32) & a->mask;
    while (a->slots[i] && !sl_addr_equal(&a->list.at[a->slots[i] - 1], addr))
        i = (i + 1) & a->mask;
    return i;
}

static void grow(struct sl_addresses *a)
{
    free(a->slots);
    a->mask = a->mask * 2 + 1;
    a->slots = sl_alloc(((size_t)a->mask + 1) * sizeof *a->slots);
    for (size_t i = 0; i < a->list.len; i++)
        a->slots[slot_of(a, &a->list.at[i])] = (uint32_t)i + 1;
}

uint32_t sl_addresses_id(struct sl_addresses *a, const struct sl_addr *addr)
{
    uint32_t i = slot_of(a, addr);
    if (a->slots[i])
        return a->slots[i] - 1;
    if ((a->list.len + 1) * 2 > a->mask) {
        grow(a);
        i = slot_of(a, addr);
    }
    *SL_PUSH(&a->list) = *addr;
    a->slots[i] = (uint32_t)a->list.len;
    return (uint32_t)a->list.len - 1;
}

void sl_addresses_free(struct sl_addresses *a)
{
    if (!a)
        return;
    SL_VEC_DONE(&a->list);
    free(a->slots);
    free(a);
}
