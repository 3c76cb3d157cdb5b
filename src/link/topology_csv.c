// SPDX-License-Identifier: Apache-2.0
#include "base/csv.h"
#include "link/topology.h"
#include "net/packet.h"
#include <string.h>

enum { COLUMNS = 96 };
enum what { IGNORED, NAME, KIND, ADDRESS, GROUP, CONDITION };
struct column {
    enum what what;
    int end;        // of NAME to GROUP: 0 = a, 1 = b
    int directions; // of CONDITION: bit 0 up, bit 1 down
    enum sl_condition condition;
};
struct node { // what the lines say of a node
    const char *kind, *address, *group;
    int line;
    uint32_t links;
};
struct link {
    uint32_t ends[2]; // into nodes
    int line;
    struct sl_conditions c[2];
};
struct reading {
    struct sl_topology *t;
    const char *file;
    struct column columns[COLUMNS];
    size_t n_columns;
    SL_VEC(struct node) nodes;
    SL_VEC(struct link) links;
    struct sl_error *err;
};

static bool at(struct reading *r, int line)
{
    sl_at(r->err, r->file, line, 0);
    if (r->err)
        r->err->code = SL_EINPUT;
    return false;
}

static bool one_column(struct reading *r, const char *name, struct column *c)
{
    static const char *const ends[] = {"a", "b"}, *const more[] = {"", ".kind", ".address",
                                                                   ".group"};
    for (int e = 0; e < 2; e++)
        for (int i = 0; i < 4; i++) {
            char full[16];
            snprintf(full, sizeof full, "%s%s", ends[e], more[i]);
            if (!strcmp(name, full)) {
                *c = (struct column){.what = (enum what)(NAME + i), .end = e};
                return true;
            }
        }
    int directions = sl_starts_with(name, "up.") ? 1 : sl_starts_with(name, "down.") ? 2 : 3;
    const char *word = name + (directions == 1 ? 3 : directions == 2 ? 5 : 0);
    int what = sl_condition_named(word);
    if (what < 0) {
        sl_fail(r->err, SL_EINPUT, "there is no column '%.60s' in a topology", name);
        sl_hint(r->err, "a, b, a.kind, a.address, a.group, and the names of conditions such as "
                        "delay, rate, up.loss");
        return at(r, 1);
    }
    *c = (struct column){
        .what = CONDITION, .directions = directions, .condition = (enum sl_condition)what};
    return true;
}

static bool read_header(struct reading *r, char **fields, size_t n)
{
    bool ends[2] = {false, false};
    for (size_t i = 0; i < n; i++) {
        if (!one_column(r, fields[i], &r->columns[i]))
            return false;
        if (r->columns[i].what == NAME)
            ends[r->columns[i].end] = true;
    }
    r->n_columns = n;
    if (ends[0] && ends[1])
        return true;
    sl_fail(r->err, SL_EINPUT, "a topology needs the columns a and b: the ends of each link");
    return at(r, 1);
}

// What it is will be known at the end.
static int node_named(struct reading *r, const char *name, int line)
{
    int i = sl_topology_find(r->t, name);
    if (i >= 0)
        return i;
    i = sl_topology_host(r->t, name, "", 0, r->err);
    if (i < 0)
        return at(r, line), -1;
    *SL_PUSH(&r->nodes) = (struct node){.line = line};
    return i;
}

// A fact may be told again, but not otherwise.
static bool tell(struct reading *r, const char **fact, const char *value, int line)
{
    if (*fact && strcmp(*fact, value)) {
        sl_fail(r->err, SL_EINPUT, "this node was said to be '%s' before, not '%.60s'", *fact,
                value);
        return at(r, line);
    }
    *fact = *fact ? *fact : sl_arena_strdup(&r->t->arena, value);
    return true;
}

static bool read_link(struct reading *r, char **fields, size_t n, int line)
{
    struct link l = {.line = line};
    if (n != r->n_columns) {
        sl_fail(r->err, SL_EINPUT, "%zu cells where the header has %zu", n, r->n_columns);
        return at(r, line);
    }
    for (size_t i = 0; i < n; i++) {
        if (r->columns[i].what != NAME)
            continue;
        if (!fields[i][0]) {
            sl_fail(r->err, SL_EINPUT, "an end of this link has no name");
            return at(r, line);
        }
        int node = node_named(r, fields[i], line);
        if (node < 0)
            return false;
        l.ends[r->columns[i].end] = (uint32_t)node;
    }
    for (size_t i = 0; i < n; i++) {
        const struct column *c = &r->columns[i];
        struct node *node = &r->nodes.at[l.ends[c->end]];
        if (!fields[i][0] || c->what == NAME)
            continue;
        const char **facts[] = {NULL, NULL, &node->kind, &node->address, &node->group};
        if (c->what < CONDITION && !tell(r, facts[c->what], fields[i], line))
            return false;
        for (int d = 0; c->what == CONDITION && d < 2; d++)
            if ((c->directions >> d & 1) &&
                !sl_conditions_set(&l.c[d], c->condition, fields[i], &r->t->arena, r->err))
                return at(r, line);
    }
    r->nodes.at[l.ends[0]].links++;
    r->nodes.at[l.ends[1]].links++;
    *SL_PUSH(&r->links) = l;
    return true;
}

static bool make_node(struct reading *r, const struct node *n, struct sl_node_entry *out)
{
    out->router = n->kind ? !strcmp(n->kind, "router") : n->links > 1;
    if (n->kind && strcmp(n->kind, "router") && strcmp(n->kind, "host")) {
        sl_fail(r->err, SL_EINPUT, "a node is a host or a router, not '%.60s'", n->kind);
        return at(r, n->line);
    }
    if (n->address && out->router) {
        sl_fail(r->err, SL_EINPUT, "the router '%s' has an address: it needs none", out->name);
        return at(r, n->line);
    }
    if (n->address && !sl_ipv4_parse(n->address, &out->address)) {
        sl_fail(r->err, SL_EINPUT, "'%.60s' is not an IPv4 address", n->address);
        return at(r, n->line);
    }
    out->group = n->group ? n->group : "";
    return true;
}

static bool read_all(struct reading *r, struct sl_csv *csv)
{
    char *fields[COLUMNS];
    size_t n;
    if (!sl_csv_next(csv, fields, COLUMNS, &n, r->err)) {
        if (csv->failed)
            return false;
        sl_fail(r->err, SL_EINPUT, "this topology is empty");
        return at(r, 0);
    }
    if (!read_header(r, fields, n))
        return false;
    while (sl_csv_next(csv, fields, COLUMNS, &n, r->err))
        if (r->links.len >= SL_TOPOLOGY_LINKS
                ? (sl_fail(r->err, SL_EINPUT, "there are more than %d links", SL_TOPOLOGY_LINKS),
                   !at(r, csv->record_line))
                : !read_link(r, fields, n, csv->record_line))
            return false;
    if (csv->failed)
        return false;
    for (size_t i = 0; i < r->nodes.len; i++)
        if (!make_node(r, &r->nodes.at[i], &r->t->nodes.at[i]))
            return false;
    for (size_t i = 0; i < r->links.len; i++) {
        struct link *l = &r->links.at[i];
        if (!sl_topology_link(r->t, l->ends[0], l->ends[1], &l->c[0], &l->c[1], r->err))
            return at(r, l->line);
    }
    return true;
}

struct sl_topology *sl_topology_csv(char *text, size_t len, const char *name, struct sl_error *err)
{
    struct sl_csv csv = {.p = text, .end = text + len, .name = name};
    struct reading r = {.t = sl_topology_new(), .file = name, .err = err};
    bool ok = read_all(&r, &csv);
    SL_VEC_DONE(&r.nodes);
    SL_VEC_DONE(&r.links);
    if (ok)
        return r.t;
    sl_topology_free(r.t);
    return NULL;
}
