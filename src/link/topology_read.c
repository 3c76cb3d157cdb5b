// SPDX-License-Identifier: Apache-2.0
#include "link/topology_read.h"
#include "net/packet.h"
#include <math.h>
#include <string.h>

void sl_reader_begin(struct sl_topology_reader *r, const char *file, struct sl_error *err)
{
    *r = (struct sl_topology_reader){.t = sl_topology_new(), .file = file, .err = err};
}

bool sl_reader_at(struct sl_topology_reader *r, int line)
{
    sl_at(r->err, r->file, line, 0);
    if (r->err)
        r->err->code = SL_EINPUT;
    return false;
}

int sl_reader_node(struct sl_topology_reader *r, const char *name, int line)
{
    int i = sl_topology_find(r->t, name);
    if (i >= 0)
        return i;
    if (!name[0])
        sl_fail(r->err, SL_EINPUT, "an end of this link has no name");
    else
        i = sl_topology_host(r->t, name, "", 0, r->err); // what it is will be known at the end
    if (i < 0)
        return sl_reader_at(r, line), -1;
    *SL_PUSH(&r->nodes) = (struct sl_read_node){.line = line, .x = NAN, .y = NAN};
    return i;
}

// A fact may be told again, but not otherwise.
bool sl_reader_tell(struct sl_topology_reader *r, uint32_t node, enum sl_node_fact fact,
                    const char *value, int line)
{
    const char **now = &r->nodes.at[node].facts[fact];
    if (*now && strcmp(*now, value)) {
        sl_fail(r->err, SL_EINPUT, "this node was said to be '%s' before, not '%.60s'", *now,
                value);
        return sl_reader_at(r, line);
    }
    *now = *now ? *now : sl_arena_strdup(&r->t->arena, value);
    return true;
}

int sl_reader_link(struct sl_topology_reader *r, uint32_t a, uint32_t b, int line)
{
    if (r->links.len >= SL_TOPOLOGY_LINKS) {
        sl_fail(r->err, SL_EINPUT, "there are more than %d links", SL_TOPOLOGY_LINKS);
        return sl_reader_at(r, line), -1;
    }
    r->nodes.at[a].links++;
    r->nodes.at[b].links++;
    *SL_PUSH(&r->links) = (struct sl_read_link){.ends = {a, b}, .line = line};
    return (int)r->links.len - 1;
}

bool sl_reader_condition(struct sl_topology_reader *r, uint32_t link, int directions,
                         enum sl_link_condition what, const char *value, int line)
{
    for (int d = 0; d < 2; d++)
        if ((directions >> d & 1) &&
            !sl_conditions_set(&r->links.at[link].c[d], what, value, &r->t->arena, r->err))
            return sl_reader_at(r, line);
    return true;
}

int sl_reader_condition_named(const char *name, int *directions)
{
    *directions = sl_starts_with(name, "up.") ? 1 : sl_starts_with(name, "down.") ? 2 : 3;
    return sl_condition_named(name + (*directions == 1 ? 3 : *directions == 2 ? 5 : 0));
}

static bool make_node(struct sl_topology_reader *r, const struct sl_read_node *n,
                      struct sl_node_entry *out)
{
    const char *kind = n->facts[SL_NODE_KIND], *address = n->facts[SL_NODE_ADDRESS];
    out->router = kind ? !strcmp(kind, "router") : n->links > 1;
    out->x = n->x;
    out->y = n->y;
    out->group = n->facts[SL_NODE_GROUP] ? n->facts[SL_NODE_GROUP] : "";
    if (kind && strcmp(kind, "router") && strcmp(kind, "host"))
        sl_fail(r->err, SL_EINPUT, "a node is a host or a router, not '%.60s'", kind);
    else if (address && out->router)
        sl_fail(r->err, SL_EINPUT, "the router '%s' has an address: it needs none", out->name);
    else if (address && !sl_ipv4_parse(address, &out->address))
        sl_fail(r->err, SL_EINPUT, "'%.60s' is not an IPv4 address", address);
    else
        return true;
    return sl_reader_at(r, n->line);
}

struct sl_topology *sl_reader_end(struct sl_topology_reader *r, bool ok)
{
    for (size_t i = 0; ok && i < r->nodes.len; i++)
        ok = make_node(r, &r->nodes.at[i], &r->t->nodes.at[i]);
    for (size_t i = 0; ok && i < r->links.len; i++) {
        const struct sl_read_link *l = &r->links.at[i];
        ok = sl_topology_link(r->t, l->ends[0], l->ends[1], &l->c[0], &l->c[1], r->err) ||
             sl_reader_at(r, l->line);
    }
    SL_VEC_DONE(&r->nodes);
    SL_VEC_DONE(&r->links);
    if (ok)
        return r->t;
    sl_topology_free(r->t);
    return NULL;
}
