// SPDX-License-Identifier: Apache-2.0
#include "plan/option.h"
#include "base/hash.h"
#include "classes/classes.h"
#include <math.h>
#include <string.h>

enum { TCP = 6, UDP = 17 };

struct sl_key sl_key_of(const struct sl_statement *s)
{
    struct sl_key k = {.match = s->match};
    if (s->match == SL_MATCH_CLASS)
        k.cls = sl_class_name(s->cls);
    if (s->match == SL_MATCH_PORT)
        k.port = s->port;
    return k;
}

bool sl_key_equal(struct sl_key a, struct sl_key b)
{
    return a.match == b.match && a.port == b.port &&
           (a.cls == b.cls || (a.cls && b.cls && !strcmp(a.cls, b.cls)));
}

bool sl_key_matches(struct sl_key key, const struct sl_edge *e)
{
    switch (key.match) {
    case SL_MATCH_CLASS:
        return e->cls && !strcmp(key.cls, e->cls);
    case SL_MATCH_PORT:
        return e->dport == key.port;
    case SL_MATCH_TCP:
        return e->proto == TCP;
    case SL_MATCH_UDP:
        return e->proto == UDP;
    }
    return false;
}

// --- placement -----------------------------------------------------------------------------------

// Index of a service; n_services for the driver; -1 for the outside and for names nobody has.
static int peer(const struct sl_record *r, const char *name)
{
    if (name[0] == '(')
        return !strcmp(name, SL_PEER_DRIVER) ? (int)r->n_services : -1;
    for (size_t i = 0; i < r->n_services; i++)
        if (!strcmp(r->services[i].name, name))
            return (int)i;
    return -1;
}

// Places those that are called from (callers) or that call (callees) placed services; one round, so
// that the order of services does not matter. True when somebody was placed.
static bool spread(const struct sl_record *r, int8_t *side, bool by_callers)
{
    double weight[SL_OPTION_SERVICES][2] = {0};
    bool any = false;
    int driver = (int)r->n_services;
    for (size_t p = 0; p < r->n_phases; p++) {
        for (size_t i = 0; i < r->phases[p].n_edges; i++) {
            const struct sl_edge *e = &r->phases[p].edges[i];
            int src = peer(r, e->src), dst = peer(r, e->dst);
            if (src < 0 || dst < 0 || src == driver || dst == driver)
                continue;
            int placed = by_callers ? src : dst, open = by_callers ? dst : src;
            if (side[placed] == SL_SIDE_NONE || side[open] != SL_SIDE_NONE)
                continue;
            weight[open][side[placed]] += 1 + (double)e->bytes_up + (double)e->bytes_down;
            any = true;
        }
    }
    for (size_t i = 0; any && i < r->n_services; i++)
        if (weight[i][SL_SIDE_FROM] > 0 || weight[i][SL_SIDE_TO] > 0)
            side[i] = weight[i][SL_SIDE_FROM] > weight[i][SL_SIDE_TO] ? SL_SIDE_FROM : SL_SIDE_TO;
    return any;
}

bool sl_option_place(const struct sl_record *r, uint32_t phase, uint32_t edge, int8_t *side)
{
    const struct sl_phase *ph = &r->phases[phase];
    const struct sl_edge *e = &ph->edges[edge];
    if (r->n_services > SL_OPTION_SERVICES)
        return false;
    int driver = (int)r->n_services;
    int src = peer(r, e->src), dst = peer(r, e->dst);
    if (src < 0 || dst < 0 || src == dst || dst == driver)
        return false;
    if (src == driver) {
        memset(side, SL_SIDE_TO, r->n_services);
        side[driver] = SL_SIDE_FROM;
        return true;
    }
    memset(side, SL_SIDE_NONE, r->n_services + 1);
    side[src] = SL_SIDE_FROM;
    side[dst] = SL_SIDE_TO;
    while (spread(r, side, true) || spread(r, side, false))
        ;
    for (size_t i = 0; i < r->n_services; i++)
        if (side[i] == SL_SIDE_NONE)
            side[i] = SL_SIDE_TO;
    int target = ph->target && ph->target[0] ? peer(r, ph->target) : -1;
    if (target >= 0)
        side[driver] = side[target];
    return true;
}

// Bytes of what was not asked for that cross with each byte of what was.
static double off_ratio(const struct sl_record *r, const struct sl_phase *ph, const int8_t *side,
                        struct sl_key key)
{
    double in = 0, off = 0;
    for (size_t i = 0; i < ph->n_edges; i++) {
        const struct sl_edge *e = &ph->edges[i];
        int src = peer(r, e->src), dst = peer(r, e->dst);
        if (src < 0 || dst < 0 || side[src] == SL_SIDE_NONE || side[dst] == SL_SIDE_NONE ||
            side[src] == side[dst])
            continue;
        double bytes = (double)e->bytes_up + (double)e->bytes_down;
        if (sl_key_matches(key, e))
            in += bytes;
        else
            off += bytes;
    }
    return in > 0 ? off / in : 0;
}

// --- columns -------------------------------------------------------------------------------------

static bool is_driven(const struct sl_phase *ph)
{
    return (ph->protocol && ph->protocol[0]) || !strcmp(ph->name, "driven");
}

static bool same_edge(const struct sl_edge *a, const struct sl_edge *b)
{
    return a->proto == b->proto && a->dport == b->dport && !strcmp(a->src, b->src) &&
           !strcmp(a->dst, b->dst);
}

// What the edge carries when nobody drives the project.
static double idle_bps(const struct sl_record *r, const struct sl_edge *e)
{
    for (size_t p = 0; p < r->n_phases; p++)
        for (size_t i = 0; !strcmp(r->phases[p].name, "idle") && i < r->phases[p].n_edges; i++)
            if (same_edge(&r->phases[p].edges[i], e))
                return r->phases[p].edges[i].bps_mean;
    return 0;
}

static void add_cost(struct sl_column *c, const struct sl_record *r)
{
    for (size_t i = 0; i < r->n_services; i++) {
        c->cpu_idle += r->services[i].cpu_idle;
        c->cpu_at_max += fmax(r->services[i].cpu_driven, r->services[i].cpu_idle);
        c->mem_bytes += r->services[i].mem_bytes;
    }
    if (c->driven)
        c->cpu_at_max += SL_PLAN_DRIVER_CPU;
    else
        c->cpu_at_max = c->cpu_idle;
    c->containers = (int)r->n_services;
}

static double tie_break(uint64_t seed, const struct sl_record *r, uint32_t phase, uint32_t edge)
{
    uint64_t mix[5] = {
        seed, sl_fnv1a(r->digest ? r->digest : "", strlen(r->digest ? r->digest : "")),
        sl_fnv1a(r->name ? r->name : "", strlen(r->name ? r->name : "")), phase, edge};
    uint64_t h = sl_fnv1a(mix, sizeof mix);
    h ^= h >> 32;
    return (double)((h * 0x9E3779B97F4A7C15u) >> 11) * 0x1p-53;
}

void sl_columns_add(struct sl_columns *out, const struct sl_record *r, uint32_t record,
                    struct sl_key key, uint64_t seed)
{
    for (uint32_t p = 0; p < r->n_phases; p++) {
        const struct sl_phase *ph = &r->phases[p];
        bool driven = is_driven(ph);
        if (driven && ph->errors > SL_PLAN_ERRORS_MAX)
            continue;
        for (uint32_t i = 0; i < ph->n_edges; i++) {
            const struct sl_edge *e = &ph->edges[i];
            double max_bps = driven && e->bps_peak > 0 ? e->bps_peak : e->bps_mean;
            int8_t side[SL_OPTION_SERVICES + 1];
            if (!sl_key_matches(key, e) || !isfinite(max_bps) || max_bps < 1 ||
                !sl_option_place(r, p, i, side))
                continue;
            // An edge that hardly rises when the front door is driven is not steered from there: it is
            // the idle phase's option.
            if (driven && strcmp(e->src, SL_PEER_DRIVER) != 0 && e->bps_mean < 1.5 * idle_bps(r, e))
                continue;
            double bytes = (double)e->bytes_up + (double)e->bytes_down;
            struct sl_column *c = SL_PUSH(out);
            *c = (struct sl_column){.record = record,
                                    .phase = p,
                                    .edge = i,
                                    .driven = driven,
                                    .by_users = driven && !strcmp(e->src, SL_PEER_DRIVER),
                                    .users = driven && ph->users > 0 ? ph->users : 1,
                                    .max_bps = max_bps,
                                    .up_share = bytes > 0 ? (double)e->bytes_up / bytes : 0.5,
                                    .flows = e->flows_active,
                                    .off_ratio = off_ratio(r, ph, side, key),
                                    .tie = tie_break(seed, r, p, i)};
            add_cost(c, r);
        }
    }
}

struct sl_option sl_option_make(struct sl_arena *arena, const struct sl_record *r,
                                const struct sl_column *c)
{
    struct sl_option o = {
        .record = r,
        .phase = (int)c->phase,
        .edge = (int)c->edge,
        .driven = c->driven,
        .up_share = c->up_share,
        .min_bps = c->max_bps * (c->driven ? SL_PLAN_MIN_DRIVEN : SL_PLAN_MIN_SELF),
        .max_bps = c->max_bps,
        .flows_at_max = c->flows,
        .flows_by_users = c->by_users,
        .off_class_ratio = c->off_ratio,
        .cpu_idle = c->cpu_idle,
        .cpu_at_max = c->cpu_at_max,
        .mem_bytes = c->mem_bytes,
        .containers = c->containers,
    };
    int8_t side[SL_OPTION_SERVICES + 1];
    if (!sl_option_place(r, c->phase, c->edge, side))
        return o;
    o.at_from = sl_arena_alloc(arena, (r->n_services + 1) * sizeof *o.at_from);
    o.at_to = sl_arena_alloc(arena, (r->n_services + 1) * sizeof *o.at_to);
    for (size_t i = 0; i <= r->n_services; i++) {
        const char *name = i < r->n_services ? r->services[i].name : SL_PEER_DRIVER;
        if (side[i] == SL_SIDE_FROM)
            o.at_from[o.n_at_from++] = name;
        else if (side[i] == SL_SIDE_TO)
            o.at_to[o.n_at_to++] = name;
    }
    return o;
}
