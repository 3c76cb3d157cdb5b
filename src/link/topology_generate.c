// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"
#include "link/topology.h"
#include <stdio.h>
#include <string.h>

struct making {
    struct sl_topology *t;
    const struct sl_conditions *access, *core;
    struct sl_rng rng;
    struct sl_error *err;
};

static int host(struct making *m, const char *prefix, uint32_t number, const char *group)
{
    char name[32];
    snprintf(name, sizeof name, "%s%u", prefix, number);
    return sl_topology_host(m->t, name, group, 0, m->err);
}

static bool join(struct making *m, int a, int b, const struct sl_conditions *c)
{
    return a >= 0 && b >= 0 && sl_topology_link(m->t, (uint32_t)a, (uint32_t)b, c, c, m->err);
}

static bool make_dumbbell(struct making *m, uint32_t left, uint32_t right)
{
    int a = sl_topology_router(m->t, "a", m->err), b = sl_topology_router(m->t, "b", m->err);
    bool ok = join(m, a, b, m->core);
    for (uint32_t i = 1; ok && i <= left; i++)
        ok = join(m, host(m, "l", i, "left"), a, m->access);
    for (uint32_t i = 1; ok && i <= right; i++)
        ok = join(m, b, host(m, "r", i, "right"), m->access);
    return ok;
}

static bool make_star(struct making *m, uint32_t n)
{
    int c = sl_topology_router(m->t, "c", m->err);
    bool ok = c >= 0;
    for (uint32_t i = 1; ok && i <= n; i++)
        ok = join(m, host(m, "h", i, "hosts"), c, m->access);
    return ok;
}

static bool make_tree(struct making *m, uint32_t fanout, uint32_t depth)
{
    uint32_t n_routers = 1, n_hosts = 0;
    SL_VEC(int) level = {0}, next = {0};
    *SL_PUSH(&level) = sl_topology_router(m->t, "r0", m->err);
    bool ok = level.at[0] >= 0;
    for (uint32_t d = 1; ok && d <= depth; d++) {
        for (size_t p = 0; ok && p < level.len; p++)
            for (uint32_t k = 0; ok && k < fanout; k++) {
                char name[32];
                snprintf(name, sizeof name, "r%u", n_routers);
                bool last = d == depth;
                int node = last ? host(m, "h", ++n_hosts, "hosts")
                                : sl_topology_router(m->t, name, m->err);
                n_routers += !last;
                ok = join(m, node, level.at[p], last ? m->access : m->core);
                *SL_PUSH(&next) = node;
            }
        level.len = 0;
        for (size_t i = 0; i < next.len; i++)
            *SL_PUSH(&level) = next.at[i];
        next.len = 0;
    }
    SL_VEC_DONE(&level);
    SL_VEC_DONE(&next);
    return ok;
}

// A.-L. Barabasi and R. Albert, Science 286, 1999: each new router is joined to two, chosen by how
// many links they have.
static bool make_as(struct making *m, uint32_t routers, uint32_t hosts)
{
    SL_VEC(uint32_t) ends = {0}; // each router as often as it has links
    bool ok = true;
    for (uint32_t i = 0; ok && i < routers; i++) {
        char name[32];
        snprintf(name, sizeof name, "r%u", i);
        ok = sl_topology_router(m->t, name, m->err) == (int)i;
        uint32_t first = UINT32_MAX;
        size_t before = m->t->links.len;
        for (uint32_t k = 0; ok && k < 2 && k < i; k++) {
            uint32_t to;
            do
                to = i < 2 ? 0 : ends.at[sl_rng_below(&m->rng, ends.len)];
            while (to == first);
            first = to;
            ok = join(m, (int)i, (int)to, m->core);
        }
        for (size_t l = before; l < m->t->links.len; l++) {
            *SL_PUSH(&ends) = m->t->links.at[l].a;
            *SL_PUSH(&ends) = m->t->links.at[l].b;
        }
    }
    for (uint32_t i = 1; ok && i <= hosts; i++)
        ok = join(m, host(m, "h", i, "hosts"), (int)sl_rng_below(&m->rng, routers), m->access);
    SL_VEC_DONE(&ends);
    return ok;
}

static const char *const kinds[] = {"dumbbell:", "star:", "tree:", "as:"};

bool sl_topology_is_generator(const char *text)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (sl_starts_with(text, kinds[i]))
            return true;
    return false;
}

// "121x5193" or "12"; the numbers are at least 1.
static bool sizes(const char *text, uint32_t out[2], int want)
{
    unsigned a = 0, b = 0;
    char end = 0;
    if (text[0] < '0' || text[0] > '9' || strlen(text) > 16)
        return false;
    int n = want == 1 ? sscanf(text, "%u%c", &a, &end) : sscanf(text, "%ux%u%c", &a, &b, &end);
    out[0] = a;
    out[1] = b;
    return n == want && a >= 1 && a <= SL_TOPOLOGY_NODES &&
           (want == 1 || (b >= 1 && b <= SL_TOPOLOGY_NODES));
}

static bool make(struct making *m, const char *text)
{
    uint32_t n[2];
    const char *numbers = strchr(text, ':') + 1;
    if (sl_starts_with(text, "dumbbell:") && sizes(numbers, n, 2))
        return make_dumbbell(m, n[0], n[1]);
    if (sl_starts_with(text, "star:") && sizes(numbers, n, 1))
        return make_star(m, n[0]);
    if (sl_starts_with(text, "tree:") && sizes(numbers, n, 2))
        return make_tree(m, n[0], n[1]);
    if (sl_starts_with(text, "as:") && sizes(numbers, n, 2))
        return make_as(m, n[0], n[1]);
    sl_fail(m->err, SL_EUSAGE, "'%s' is not a topology that can be made", text);
    sl_hint(m->err, "dumbbell:LEFTxRIGHT, star:HOSTS, tree:FANOUTxDEPTH, as:ROUTERSxHOSTS");
    return false;
}

struct sl_topology *sl_topology_generate(const char *text, const struct sl_conditions *access,
                                         const struct sl_conditions *core, uint64_t seed,
                                         struct sl_error *err)
{
    struct making m = {.t = sl_topology_new(),
                       .access = access,
                       .core = core,
                       .rng = sl_rng_stream(seed, "link.topology", 0),
                       .err = err};
    if (sl_topology_is_generator(text)
            ? make(&m, text)
            : sl_fail(err, SL_EUSAGE, "'%s' is not a topology that can be made", text))
        return m.t;
    sl_topology_free(m.t);
    return NULL;
}
