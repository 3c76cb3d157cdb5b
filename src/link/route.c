// SPDX-License-Identifier: Apache-2.0
/*
 * Only places where ways part are in the table: routers, and hosts that have more than one link. A
 * host with one link (nearly all of them) is reached through whoever is at its other end, so there
 * is one Dijkstra for each place that is such an end, or that is a host itself, and a row of next
 * pipes for it.
 */
#include "base/hash.h"
#include "link/topology.h"
#include <string.h>

enum { TABLE_MAX = 1 << 28 }; // entries

struct edge { // into a place
    uint32_t from, pipe;
    int64_t delay_ns;
};
struct sl_routes {
    uint32_t n_nodes, n_places, n_pipes;
    uint32_t *ends;    // [n_pipes] node behind it
    uint32_t *address; // hash: [size] addresses, 0 = free
    uint32_t *node;    // [size] whose
    size_t size;
    uint64_t seed;
    uint32_t *place;  // [n_nodes] its row and column; UINT32_MAX: a host of one link
    uint32_t *via;    // [n_nodes] where its only link leads
    uint32_t *uplink; // [n_nodes] pipe of that link, away from it
    int32_t *next;    // [n_places towards, n_places at]
};

struct heap_item {
    int64_t delay_ns;
    uint32_t hops, place;
};
struct search { // Dijkstra backwards from a target, over places
    uint32_t n;
    bool *passes;    // a router: packets go on
    uint32_t *first; // [n + 1] of in
    struct edge *in;
    struct heap_item *heap;
    size_t n_heap;
    int64_t *delay;
    uint32_t *hops;
};

static bool before(const struct heap_item *a, const struct heap_item *b)
{
    if (a->delay_ns != b->delay_ns)
        return a->delay_ns < b->delay_ns;
    return a->hops != b->hops ? a->hops < b->hops : a->place < b->place;
}

static void push(struct search *s, struct heap_item x)
{
    size_t i = s->n_heap++;
    for (; i && before(&x, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = x;
}

static struct heap_item pop(struct search *s)
{
    struct heap_item top = s->heap[0], x = s->heap[--s->n_heap];
    size_t i = 0;
    for (;;) {
        size_t k = 2 * i + 1;
        if (k >= s->n_heap)
            break;
        if (k + 1 < s->n_heap && before(&s->heap[k + 1], &s->heap[k]))
            k++;
        if (!before(&s->heap[k], &x))
            break;
        s->heap[i] = s->heap[k];
        i = k;
    }
    s->heap[i] = x;
    return top;
}

// by[place] = the pipe that leads from it towards the target. Hosts do not pass packets on.
static void search_from(struct search *s, uint32_t target, int32_t *by)
{
    for (uint32_t i = 0; i < s->n; i++) {
        s->delay[i] = INT64_MAX;
        by[i] = -1;
    }
    s->delay[target] = 0;
    s->hops[target] = 0;
    s->n_heap = 0;
    push(s, (struct heap_item){0, 0, target});
    while (s->n_heap) {
        struct heap_item x = pop(s);
        if (x.delay_ns != s->delay[x.place] || x.hops != s->hops[x.place])
            continue;
        if (x.place != target && !s->passes[x.place])
            continue;
        for (uint32_t k = s->first[x.place]; k < s->first[x.place + 1]; k++) {
            const struct edge *e = &s->in[k];
            int64_t delay = x.delay_ns + e->delay_ns;
            uint32_t hops = x.hops + 1;
            bool better = delay < s->delay[e->from] ||
                          (delay == s->delay[e->from] &&
                           (hops < s->hops[e->from] ||
                            (hops == s->hops[e->from] && (int32_t)e->pipe < by[e->from])));
            if (!better)
                continue;
            bool again = delay != s->delay[e->from] || hops != s->hops[e->from];
            s->delay[e->from] = delay;
            s->hops[e->from] = hops;
            by[e->from] = (int32_t)e->pipe;
            if (again)
                push(s, (struct heap_item){delay, hops, e->from});
        }
    }
}

static void index_addresses(struct sl_routes *r, const struct sl_topology *t)
{
    r->size = 16;
    while (r->size < t->nodes.len * 2)
        r->size *= 2;
    r->address = sl_alloc(r->size * sizeof *r->address);
    r->node = sl_alloc(r->size * sizeof *r->node);
    for (uint32_t i = 0; i < t->nodes.len; i++) {
        uint32_t a = t->nodes.at[i].address;
        if (!a)
            continue;
        size_t k = a * 0x9e3779b1u & (r->size - 1);
        while (r->address[k])
            k = (k + 1) & (r->size - 1);
        r->address[k] = a;
        r->node[k] = i;
    }
}

int sl_routes_host(const struct sl_routes *r, uint32_t address)
{
    size_t k = address * 0x9e3779b1u & (r->size - 1);
    for (; r->address[k]; k = (k + 1) & (r->size - 1))
        if (r->address[k] == address)
            return (int)r->node[k];
    return -1;
}

static void find_places(struct sl_routes *r, const struct sl_topology *t, const uint32_t *degree)
{
    for (uint32_t i = 0; i < t->nodes.len; i++) {
        bool leaf = !t->nodes.at[i].router && degree[i] == 1;
        r->place[i] = leaf ? UINT32_MAX : r->n_places++;
    }
    for (uint32_t l = 0; l < t->links.len; l++) {
        const struct sl_topology_link *k = &t->links.at[l];
        r->via[k->a] = k->b;
        r->uplink[k->a] = 2 * l;
        r->via[k->b] = k->a;
        r->uplink[k->b] = 2 * l + 1;
    }
}

// The links between places. Those of hosts that have only one are the most, and not in here.
static void make_search(struct search *s, const struct sl_routes *r, const struct sl_topology *t)
{
    size_t m = t->links.len;
    s->n = r->n_places;
    s->passes = sl_alloc(s->n + 1);
    s->first = sl_alloc((s->n + 2) * sizeof *s->first);
    for (uint32_t i = 0; i < t->nodes.len; i++)
        if (r->place[i] != UINT32_MAX)
            s->passes[r->place[i]] = t->nodes.at[i].router;
    uint32_t n = 0;
    for (uint32_t pipe = 0; pipe < 2 * m; pipe++) {
        uint32_t to = r->place[r->ends[pipe]], from = r->place[r->ends[pipe ^ 1]];
        if (to != UINT32_MAX && from != UINT32_MAX) {
            s->first[to + 2]++; // moved down by one while they are filled in
            n++;
        }
    }
    for (uint32_t i = 0; i < s->n; i++)
        s->first[i + 2] += s->first[i + 1];
    s->in = sl_alloc((n + 1) * sizeof *s->in);
    for (uint32_t pipe = 0; pipe < 2 * m; pipe++) {
        uint32_t to = r->place[r->ends[pipe]], from = r->place[r->ends[pipe ^ 1]];
        if (to != UINT32_MAX && from != UINT32_MAX)
            s->in[s->first[to + 1]++] = (struct edge){
                from, pipe, (int64_t)t->links.at[pipe / 2].conditions[pipe % 2].delay_ns.lo};
    }
    s->heap = sl_alloc((2 * (size_t)n + 16) * sizeof *s->heap);
    s->delay = sl_alloc((s->n + 1) * sizeof *s->delay);
    s->hops = sl_alloc((s->n + 1) * sizeof *s->hops);
}

static bool fill_table(struct sl_routes *r, const struct sl_topology *t, struct sl_error *err)
{
    size_t cells = (size_t)r->n_places * r->n_places;
    if (cells > TABLE_MAX)
        return sl_fail(err, SL_EINPUT, "%u routers are too many: at most 16384", r->n_places);
    r->next = sl_alloc((cells + 1) * sizeof *r->next);
    struct search s = {0};
    make_search(&s, r, t);
    for (uint32_t target = 0; target < r->n_places; target++)
        search_from(&s, target, r->next + (size_t)target * r->n_places);
    free(s.passes);
    free(s.first);
    free(s.in);
    free(s.heap);
    free(s.delay);
    free(s.hops);
    return true;
}

static bool all_reached(const struct sl_routes *r, const struct sl_topology *t,
                        struct sl_error *err)
{
    int one = -1;
    for (uint32_t i = 0; i < t->nodes.len; i++) {
        if (t->nodes.at[i].router)
            continue;
        if (one < 0)
            one = (int)i;
        else if (sl_routes_next(r, i, (uint32_t)one) < 0 || sl_routes_next(r, (uint32_t)one, i) < 0)
            return sl_fail(err, SL_EINPUT, "there is no way between the hosts '%s' and '%s'",
                           t->nodes.at[one].name, t->nodes.at[i].name);
    }
    return one >= 0 || sl_fail(err, SL_EINPUT, "there is no host in this topology");
}

struct sl_routes *sl_routes_new(const struct sl_topology *t, struct sl_error *err)
{
    struct sl_routes *r = sl_alloc(sizeof *r);
    size_t n = t->nodes.len, m = t->links.len;
    uint32_t *degree = sl_alloc((n + 1) * sizeof *degree);
    r->n_nodes = (uint32_t)n;
    r->n_pipes = (uint32_t)(2 * m);
    r->ends = sl_alloc((2 * m + 1) * sizeof *r->ends);
    r->place = sl_alloc((n + 1) * sizeof *r->place);
    r->via = sl_alloc((n + 1) * sizeof *r->via);
    r->uplink = sl_alloc((n + 1) * sizeof *r->uplink);
    for (uint32_t l = 0; l < m; l++) {
        degree[t->links.at[l].a]++;
        degree[t->links.at[l].b]++;
        r->ends[2 * l] = t->links.at[l].b;
        r->ends[2 * l + 1] = t->links.at[l].a;
    }
    index_addresses(r, t);
    find_places(r, t, degree);
    free(degree);
    bool ok = fill_table(r, t, err) && all_reached(r, t, err);
    if (ok)
        return r;
    sl_routes_free(r);
    return NULL;
}

void sl_routes_free(struct sl_routes *r)
{
    if (!r)
        return;
    free(r->ends);
    free(r->address);
    free(r->node);
    free(r->place);
    free(r->via);
    free(r->uplink);
    free(r->next);
    free(r);
}

uint32_t sl_routes_end(const struct sl_routes *r, uint32_t pipe)
{
    return r->ends[pipe];
}

int32_t sl_routes_next(const struct sl_routes *r, uint32_t node, uint32_t to)
{
    if (node == to)
        return -1;
    if (r->place[node] == UINT32_MAX) { // nowhere else to go; is there a way from there?
        uint32_t via = r->via[node];
        bool way = via == to || (r->place[via] != UINT32_MAX && sl_routes_next(r, via, to) >= 0);
        return way ? (int32_t)r->uplink[node] : -1;
    }
    uint32_t target = to;
    if (r->place[to] == UINT32_MAX) {
        if (r->via[to] == node)
            return (int32_t)(r->uplink[to] ^ 1);
        target = r->via[to];
    }
    if (r->place[target] == UINT32_MAX) // two hosts that have only each other
        return -1;
    return r->next[(size_t)r->place[target] * r->n_places + r->place[node]];
}
