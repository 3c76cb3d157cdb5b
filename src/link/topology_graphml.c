// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"
#include "link/topology_read.h"
#include <expat.h>
#include <math.h>
#include <string.h>

enum { KEYS = 256, TEXT = 4096, LINK_SPEED = -2, X = -3, Y = -4 };
struct key { // <key id="d3" for="edge" attr.name="delay"/>
    const char *id;
    bool of_edge;
    int fact;                  // of nodes: enum sl_node_fact, X or Y; -1 = not ours
    int directions, condition; // of edges; condition LINK_SPEED = bits per second; -1 = not ours
};
struct document {
    struct sl_topology_reader r;
    XML_Parser parser;
    struct key keys[KEYS];
    size_t n_keys;
    int node, link; // that is being read; -1 = none
    const struct key *key;
    struct sl_str text;
    bool directed, failed, graph;
};

static int line_of(const struct document *d)
{
    return (int)XML_GetCurrentLineNumber(d->parser);
}

static void stop(struct document *d)
{
    d->failed = true;
    XML_StopParser(d->parser, XML_FALSE);
}

static const char *attribute(const char **attributes, const char *name)
{
    for (; *attributes; attributes += 2)
        if (!strcmp(attributes[0], name))
            return attributes[1];
    return NULL;
}

// Attributes that are not ours are passed over: published graphs have many of their own.
static void add_key(struct document *d, const char **attributes)
{
    static const char *const facts[SL_NODE_FACTS] = {"kind", "address", "group"};
    const char *id = attribute(attributes, "id"), *name = attribute(attributes, "attr.name"),
               *of = attribute(attributes, "for");
    if (!id || !name || d->n_keys == KEYS)
        return;
    struct key k = {.id = sl_arena_strdup(&d->r.t->arena, id),
                    .of_edge = of && !strcmp(of, "edge"),
                    .fact = -1,
                    .condition = -1};
    for (int i = 0; i < SL_NODE_FACTS; i++)
        k.fact = strcmp(name, facts[i]) ? k.fact : i;
    if (!strcmp(name, "x") || !strcmp(name, "Longitude"))
        k.fact = X;
    else if (!strcmp(name, "y") || !strcmp(name, "Latitude"))
        k.fact = Y;
    if (k.of_edge) {
        k.condition = sl_reader_condition_named(name, &k.directions);
        if (!strcmp(name, "LinkSpeedRaw"))
            k.condition = LINK_SPEED;
    }
    d->keys[d->n_keys++] = k;
}

static void begin_edge(struct document *d, const char **attributes)
{
    const char *a = attribute(attributes, "source"), *b = attribute(attributes, "target");
    int x = a ? sl_reader_node(&d->r, a, line_of(d)) : -1;
    int y = b && x >= 0 ? sl_reader_node(&d->r, b, line_of(d)) : -1;
    if (!a || !b) {
        sl_fail(d->r.err, SL_EINPUT, "an edge needs a source and a target");
        sl_reader_at(&d->r, line_of(d));
    }
    d->link = y >= 0 ? sl_reader_link(&d->r, (uint32_t)x, (uint32_t)y, line_of(d)) : -1;
    if (d->link < 0)
        stop(d);
}

static void begin(void *ctx, const char *name, const char **attributes)
{
    struct document *d = ctx;
    const char *word = strrchr(name, ':') ? strrchr(name, ':') + 1 : name;
    if (!strcmp(word, "key")) {
        add_key(d, attributes);
    } else if (!strcmp(word, "graph")) {
        const char *edges = attribute(attributes, "edgedefault");
        d->directed = edges && !strcmp(edges, "directed");
        d->graph = true;
    } else if (!strcmp(word, "node")) {
        const char *id = attribute(attributes, "id");
        d->node = sl_reader_node(&d->r, id ? id : "", line_of(d));
        if (d->node < 0)
            stop(d);
    } else if (!strcmp(word, "edge")) {
        begin_edge(d, attributes);
    } else if (!strcmp(word, "data")) {
        const char *id = attribute(attributes, "key");
        d->key = NULL;
        for (size_t i = 0; id && i < d->n_keys; i++)
            if (!strcmp(d->keys[i].id, id) && d->keys[i].of_edge == (d->link >= 0))
                d->key = &d->keys[i];
        sl_str_clear(&d->text);
    }
}

static void characters(void *ctx, const char *text, int len)
{
    struct document *d = ctx;
    if (d->key)
        sl_str_addn(&d->text, text, (size_t)len);
}

static bool place(double *to, const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (end != text && isfinite(v))
        *to = v;
    return true;
}

static bool link_speed(struct document *d, const char *text)
{
    char *end, words[64];
    double bps = strtod(text, &end);
    struct sl_conditions *c = d->r.links.at[d->link].c;
    if (end == text || !(bps >= 1000) || (c[0].given >> SL_COND_RATE & 1))
        return true; // told better, or nothing that could be a rate
    snprintf(words, sizeof words, "%.0fbps", bps);
    return sl_reader_condition(&d->r, (uint32_t)d->link, 3, SL_COND_RATE, words, line_of(d));
}

static bool take(struct document *d)
{
    struct sl_str *s = &d->text;
    const char *text = sl_str_text(s);
    while (*text == ' ' || *text == '\n' || *text == '\t' || *text == '\r')
        text++;
    while (s->len && strchr(" \n\t\r", s->text[s->len - 1]))
        s->text[--s->len] = '\0';
    const struct key *k = d->key;
    if (!*text)
        return true;
    if (k->of_edge && k->condition == LINK_SPEED)
        return link_speed(d, text);
    if (k->of_edge)
        return k->condition < 0 ||
               sl_reader_condition(&d->r, (uint32_t)d->link,
                                   d->directed ? k->directions & 1 : k->directions,
                                   (enum sl_link_condition)k->condition, text, line_of(d));
    if (d->node < 0 || k->fact == -1)
        return true;
    struct sl_read_node *n = &d->r.nodes.at[d->node];
    if (k->fact == X || k->fact == Y)
        return place(k->fact == X ? &n->x : &n->y, text);
    return sl_reader_tell(&d->r, (uint32_t)d->node, (enum sl_node_fact)k->fact, text, line_of(d));
}

static void end(void *ctx, const char *name)
{
    struct document *d = ctx;
    const char *word = strrchr(name, ':') ? strrchr(name, ':') + 1 : name;
    if (!strcmp(word, "data") && d->key) {
        if (!take(d))
            stop(d);
        d->key = NULL;
    } else if (!strcmp(word, "node")) {
        d->node = -1;
    } else if (!strcmp(word, "edge")) {
        d->link = -1;
    }
}

// Of a directed graph, an edge back is the other direction of the link; one that is missing is like
// the one that is there.
static void pair_directions(struct document *d)
{
    size_t kept = 0, size = 16;
    while (size < d->r.links.len * 2)
        size *= 2;
    uint32_t *slots = sl_alloc(size * sizeof *slots); // number + 1 of a kept link, by its ends
    for (size_t i = 0; i < d->r.links.len; i++) {
        struct sl_read_link l = d->r.links.at[i];
        uint64_t pair[] = {l.ends[0] < l.ends[1] ? l.ends[0] : l.ends[1],
                           l.ends[0] < l.ends[1] ? l.ends[1] : l.ends[0]};
        size_t k = sl_hash_words(pair, 2, 0) & (size - 1);
        struct sl_read_link *other = NULL;
        for (; slots[k] && !other; k = (k + 1) & (size - 1)) {
            struct sl_read_link *x = &d->r.links.at[slots[k] - 1];
            if (x->ends[0] == l.ends[1] && x->ends[1] == l.ends[0])
                other = x;
        }
        if (other) {
            other->c[1] = l.c[0];
            d->r.nodes.at[l.ends[0]].links--;
            d->r.nodes.at[l.ends[1]].links--;
            continue;
        }
        l.c[1] = l.c[0];
        d->r.links.at[kept++] = l;
        slots[k] = (uint32_t)kept;
    }
    free(slots);
    d->r.links.len = kept;
}

struct sl_topology *sl_topology_graphml(const char *text, size_t len, const char *name,
                                        struct sl_error *err)
{
    struct document *d = sl_alloc(sizeof *d);
    d->node = d->link = -1;
    d->text.max = TEXT;
    sl_reader_begin(&d->r, name, err);
    d->parser = XML_ParserCreate(NULL);
    XML_SetUserData(d->parser, d);
    XML_SetElementHandler(d->parser, begin, end);
    XML_SetCharacterDataHandler(d->parser, characters);
    bool ok = len <= INT32_MAX && XML_Parse(d->parser, text, (int)len, 1) == XML_STATUS_OK;
    if (!ok && !d->failed) {
        sl_fail(err, SL_EINPUT, "this GraphML cannot be read: %s",
                XML_ErrorString(XML_GetErrorCode(d->parser)));
        sl_reader_at(&d->r, line_of(d));
    } else if (ok && !d->graph) {
        sl_fail(err, SL_EINPUT, "there is no graph in '%s', which is XML", name);
        sl_hint(err, "a GraphML file has <graph>, <node> and <edge>");
        ok = sl_reader_at(&d->r, 0);
    }
    if (ok && d->directed)
        pair_directions(d);
    struct sl_topology *t = sl_reader_end(&d->r, ok && !d->failed);
    XML_ParserFree(d->parser);
    sl_str_done(&d->text);
    free(d);
    return t;
}
