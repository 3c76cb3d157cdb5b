// SPDX-License-Identifier: Apache-2.0
#include "link/topology.h"
#include "base/hash.h"
#include "base/rng.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FIRST_ADDRESS 0x0a400001u // 10.64.0.1
#define LAST_ADDRESS 0x0a7ffffeu

struct sl_topology *sl_topology_new(void)
{
    struct sl_topology *t = sl_alloc(sizeof *t);
    t->next_address = FIRST_ADDRESS;
    t->index_size = 1024;
    t->index = sl_alloc(t->index_size * sizeof *t->index);
    return t;
}

void sl_topology_free(struct sl_topology *t)
{
    if (!t)
        return;
    SL_VEC_DONE(&t->nodes);
    SL_VEC_DONE(&t->links);
    sl_arena_done(&t->arena);
    free(t->index);
    free(t);
}

static size_t slot_of(const struct sl_topology *t, const char *name)
{
    size_t i = sl_fnv1a(name, strlen(name)) & (t->index_size - 1);
    while (t->index[i] && strcmp(t->nodes.at[t->index[i] - 1].name, name))
        i = (i + 1) & (t->index_size - 1);
    return i;
}

int sl_topology_find(const struct sl_topology *t, const char *name)
{
    return (int)t->index[slot_of(t, name)] - 1;
}

static void index_nodes(struct sl_topology *t)
{
    free(t->index);
    t->index_size *= 2;
    t->index = sl_alloc(t->index_size * sizeof *t->index);
    for (size_t i = 0; i < t->nodes.len; i++)
        t->index[slot_of(t, t->nodes.at[i].name)] = (uint32_t)i + 1;
}

// Names go into link names, patterns and file names.
static bool name_ok(const char *name, struct sl_error *err)
{
    size_t n = strlen(name);
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:";
    return n >= 1 && n <= 63 && strspn(name, letters) == n
               ? true
               : sl_fail(
                     err, SL_EINPUT,
                     "'%.80s' cannot be a node's name: 1 to 63 letters, digits, '_', '.' or ':'",
                     name);
}

static int add_node(struct sl_topology *t, const char *name, const char *group, bool router,
                    uint32_t address, struct sl_error *err)
{
    if (!name_ok(name, err))
        return -1;
    if (t->nodes.len >= SL_TOPOLOGY_NODES) {
        sl_fail(err, SL_EINPUT, "there are more than %d nodes", SL_TOPOLOGY_NODES);
        return -1;
    }
    size_t slot = slot_of(t, name);
    if (t->index[slot]) {
        sl_fail(err, SL_EINPUT, "there are two nodes '%s'", name);
        return -1;
    }
    *SL_PUSH(&t->nodes) = (struct sl_node_entry){.name = sl_arena_strdup(&t->arena, name),
                                                 .group = sl_arena_strdup(&t->arena, group),
                                                 .router = router,
                                                 .address = address,
                                                 .x = NAN,
                                                 .y = NAN};
    t->index[slot] = (uint32_t)t->nodes.len;
    if (t->nodes.len * 2 > t->index_size)
        index_nodes(t);
    return (int)t->nodes.len - 1;
}

int sl_topology_host(struct sl_topology *t, const char *name, const char *group, uint32_t address,
                     struct sl_error *err)
{
    return add_node(t, name, group ? group : "", false, address, err);
}

int sl_topology_router(struct sl_topology *t, const char *name, struct sl_error *err)
{
    return add_node(t, name, "", true, 0, err);
}

bool sl_topology_link(struct sl_topology *t, uint32_t a, uint32_t b, const struct sl_conditions *up,
                      const struct sl_conditions *down, struct sl_error *err)
{
    const char *x = t->nodes.at[a].name, *y = t->nodes.at[b].name;
    if (a == b)
        return sl_fail(err, SL_EINPUT, "a link from '%s' to itself", x);
    if (t->links.len >= SL_TOPOLOGY_LINKS)
        return sl_fail(err, SL_EINPUT, "there are more than %d links", SL_TOPOLOGY_LINKS);
    *SL_PUSH(&t->links) =
        (struct sl_topology_link){.name = sl_arena_format(&t->arena, "%s-%s", x, y),
                                  .a = a,
                                  .b = b,
                                  .conditions = {*up, *down}};
    return true;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int by_ends(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// Given addresses first; the others take the next free ones in the order of the nodes.
static bool give_addresses(struct sl_topology *t, struct sl_error *err)
{
    SL_VEC(uint32_t) taken = {0};
    bool ok = true;
    for (size_t i = 0; i < t->nodes.len; i++)
        if (t->nodes.at[i].address)
            *SL_PUSH(&taken) = t->nodes.at[i].address;
    if (taken.len)
        qsort(taken.at, taken.len, sizeof *taken.at, by_value);
    for (size_t i = 1; ok && i < taken.len; i++)
        if (taken.at[i] == taken.at[i - 1])
            ok =
                sl_fail(err, SL_EINPUT, "two hosts have the address %u.%u.%u.%u", taken.at[i] >> 24,
                        taken.at[i] >> 16 & 255, taken.at[i] >> 8 & 255, taken.at[i] & 255);
    for (size_t i = 0; ok && i < t->nodes.len; i++) {
        struct sl_node_entry *n = &t->nodes.at[i];
        if (n->router || n->address)
            continue;
        while (taken.len &&
               bsearch(&t->next_address, taken.at, taken.len, sizeof *taken.at, by_value))
            t->next_address++;
        n->address = t->next_address++;
        ok = n->address <= LAST_ADDRESS ||
             sl_fail(err, SL_EINPUT, "10.64.0.0/10 has no more addresses");
    }
    SL_VEC_DONE(&taken);
    return ok;
}

static bool no_link_twice(const struct sl_topology *t, struct sl_error *err)
{
    uint64_t *ends = sl_alloc((t->links.len + 1) * sizeof *ends);
    bool ok = true;
    for (size_t i = 0; i < t->links.len; i++) {
        uint32_t a = t->links.at[i].a, b = t->links.at[i].b;
        ends[i] = a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a;
    }
    qsort(ends, t->links.len, sizeof *ends, by_ends);
    for (size_t i = 1; ok && i < t->links.len; i++)
        if (ends[i] == ends[i - 1])
            ok = sl_fail(err, SL_EINPUT, "there are two links between '%s' and '%s'",
                         t->nodes.at[ends[i] >> 32].name, t->nodes.at[ends[i] & 0xffffffff].name);
    free(ends);
    return ok;
}

bool sl_topology_finish(struct sl_topology *t, uint64_t seed, struct sl_error *err)
{
    if (!t->links.len)
        return sl_fail(err, SL_EINPUT, "there is no link in this topology");
    if (!no_link_twice(t, err) || !give_addresses(t, err))
        return false;
    for (size_t i = 0; i < t->links.len; i++)
        for (int d = 0; d < 2; d++) {
            struct sl_topology_link *l = &t->links.at[i];
            char name[160];
            snprintf(name, sizeof name, "%s.%s", l->name, d ? "down" : "up");
            sl_conditions_draw(&l->conditions[d], seed, name);
            if (!sl_conditions_check(&l->conditions[d], err))
                return sl_within(err, "link %s", name);
        }
    return true;
}

double sl_topology_memory_bytes(const struct sl_topology *t)
{
    double sum = 0;
    for (size_t i = 0; i < t->links.len; i++)
        for (int d = 0; d < 2; d++)
            if (t->links.at[i].conditions[d].given >> SL_COND_RATE & 1)
                sum += sl_conditions_memory_bytes(&t->links.at[i].conditions[d]);
    return sum;
}
