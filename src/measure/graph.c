// SPDX-License-Identifier: Apache-2.0
/*
 * Two hash tables of indices (open addressing) over two arrays, nodes and edges, that only grow: a
 * flow costs three look-ups. Everything written goes through a view: nodes sorted and named, edges
 * sorted by the ranks of their ends, what is left out folded into "other".
 */
#include "measure/graph.h"
#include "base/auto.h"
#include "base/csv.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/units.h"
#include "classes/classes.h"
#include "export/number.h"
#include "export/out.h"
#include "export/text.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { MAX_NODES = 65536, MAX_EDGES = 262144, FULL = -1 };
static const char OTHER[] = "(other)";

struct node {
    struct sl_addr addr; // the first that was seen
    const struct sl_truth_row *who;
};
struct edge {
    uint32_t src, dst; // nodes
    uint16_t port;
    uint8_t proto;
    int cls, statement;
    const char *app;
    uint64_t flows, packets[2], bytes[2];
    int64_t first_ns, last_ns;
};
struct index {
    struct slot {
        uint32_t hash, number; // number + 1; 0 = free
    } *at;
    size_t size; // power of two
};
struct sl_flow_graph {
    struct sl_flow_graph_options max;
    SL_VEC(struct node) nodes;
    SL_VEC(struct edge) edges;
    struct index by_node, by_edge;
    uint64_t seed; // what is written does not depend on it
    struct edge other;
};

struct sl_flow_graph *sl_flow_graph_new(const struct sl_flow_graph_options *opt)
{
    struct sl_flow_graph *g = sl_alloc(sizeof *g);
    if (opt)
        g->max = *opt;
    g->seed = sl_hash_seed();
    g->max.max_nodes = g->max.max_nodes ? g->max.max_nodes : MAX_NODES;
    g->max.max_edges = g->max.max_edges ? g->max.max_edges : MAX_EDGES;
    struct index *both[] = {&g->by_node, &g->by_edge};
    for (int i = 0; i < 2; i++) {
        both[i]->size = 4096;
        both[i]->at = sl_alloc(both[i]->size * sizeof *both[i]->at);
    }
    return g;
}

void sl_flow_graph_free(struct sl_flow_graph *g)
{
    if (!g)
        return;
    SL_VEC_DONE(&g->nodes);
    SL_VEC_DONE(&g->edges);
    free(g->by_node.at);
    free(g->by_edge.at);
    free(g);
}

// ---- adding -------------------------------------------------------------------------------------

static uint32_t hash_node(const struct sl_flow_graph *g, const struct node *n)
{
    uint64_t w[3] = {n->who ? n->who->node : 0, 0, n->who ? 0 : n->addr.family};
    if (!n->who)
        memcpy(w, n->addr.b, sizeof n->addr.b);
    return (uint32_t)sl_hash_words(w, 3, g->seed);
}

static bool same_node(const struct node *a, const struct node *b)
{
    return a->who && b->who ? a->who->node == b->who->node
                            : !a->who && !b->who && sl_addr_equal(&a->addr, &b->addr);
}

static uint32_t hash_edge(const struct sl_flow_graph *g, const struct edge *e)
{
    const uint64_t w[] = {(uint64_t)e->src << 32 | e->dst,
                          (uint64_t)e->proto << 48 | (uint64_t)e->port << 32 | (uint32_t)e->cls};
    return (uint32_t)sl_hash_words(w, 2, g->seed);
}

static bool same_edge(const struct edge *a, const struct edge *b)
{
    return a->src == b->src && a->dst == b->dst && a->proto == b->proto && a->port == b->port &&
           a->cls == b->cls;
}

static void grow(struct index *x)
{
    struct index to = {sl_alloc(2 * x->size * sizeof *x->at), 2 * x->size};
    for (size_t k = 0; k < x->size; k++) {
        if (!x->at[k].number)
            continue;
        size_t i = x->at[k].hash & (to.size - 1);
        while (to.at[i].number)
            i = (i + 1) & (to.size - 1);
        to.at[i] = x->at[k];
    }
    free(x->at);
    *x = to;
}

// Its place comes into the cache while something else is looked up.
static uint32_t hash_ahead(const struct sl_flow_graph *g, const struct node *n)
{
    uint32_t hash = hash_node(g, n);
    __builtin_prefetch(&g->by_node.at[hash & (g->by_node.size - 1)]);
    return hash;
}

static int64_t node_of(struct sl_flow_graph *g, const struct node *want, uint32_t hash)
{
    struct index *x = &g->by_node;
    size_t i = hash & (x->size - 1);
    for (; x->at[i].number; i = (i + 1) & (x->size - 1))
        if (x->at[i].hash == hash && same_node(&g->nodes.at[x->at[i].number - 1], want))
            return x->at[i].number - 1;
    if (g->nodes.len >= g->max.max_nodes)
        return FULL;
    *SL_PUSH(&g->nodes) = *want;
    x->at[i] = (struct slot){hash, (uint32_t)g->nodes.len};
    if (g->nodes.len * 2 > x->size)
        grow(x);
    return (int64_t)g->nodes.len - 1;
}

static struct edge *edge_of(struct sl_flow_graph *g, const struct edge *want)
{
    struct index *x = &g->by_edge;
    uint32_t hash = hash_edge(g, want);
    size_t i = hash & (x->size - 1);
    for (; x->at[i].number; i = (i + 1) & (x->size - 1))
        if (x->at[i].hash == hash && same_edge(&g->edges.at[x->at[i].number - 1], want))
            return &g->edges.at[x->at[i].number - 1];
    if (g->edges.len >= g->max.max_edges)
        return &g->other;
    *SL_PUSH(&g->edges) = *want;
    x->at[i] = (struct slot){hash, (uint32_t)g->edges.len};
    if (g->edges.len * 2 > x->size)
        grow(x);
    return &g->edges.at[g->edges.len - 1];
}

static bool is_fresh(const struct edge *e)
{
    return !e->packets[0] && !e->packets[1] && !e->flows;
}

static void put(struct edge *to, const struct edge *from)
{
    bool fresh = is_fresh(to);
    if (fresh || from->first_ns < to->first_ns)
        to->first_ns = from->first_ns;
    if (fresh || from->last_ns > to->last_ns)
        to->last_ns = from->last_ns;
    to->flows += from->flows;
    for (int d = 0; d < 2; d++) {
        to->packets[d] += from->packets[d];
        to->bytes[d] += from->bytes[d];
    }
}

void sl_flow_graph_add(struct sl_flow_graph *g, const struct sl_graph_edge_in *in)
{
    struct edge sum = {.flows = in->flows,
                       .packets = {in->packets[0], in->packets[1]},
                       .bytes = {in->bytes[0], in->bytes[1]},
                       .first_ns = in->first_ns,
                       .last_ns = in->last_ns};
    struct node ends[2] = {{in->src, in->src_who}, {in->dst, in->dst_who}};
    uint32_t hashes[2] = {hash_ahead(g, &ends[0]), hash_ahead(g, &ends[1])};
    int64_t src = node_of(g, &ends[0], hashes[0]), dst = node_of(g, &ends[1], hashes[1]);
    if (src == FULL || dst == FULL) {
        put(&g->other, &sum);
        return;
    }
    struct edge want = {.src = (uint32_t)src,
                        .dst = (uint32_t)dst,
                        .port = in->port,
                        .proto = in->proto,
                        .cls = in->cls,
                        .statement = in->statement,
                        .app = in->app ? in->app : ""};
    put(edge_of(g, &want), &sum);
}

void sl_flow_graph_size(const struct sl_flow_graph *g, struct sl_flow_graph_size *out)
{
    *out = (struct sl_flow_graph_size){g->nodes.len, g->edges.len, g->other.flows,
                                       g->other.bytes[0] + g->other.bytes[1]};
}

// ---- the view -----------------------------------------------------------------------------------

enum { ASKS = 1, SERVES = 2 };
struct view_node {
    const struct node *node; // NULL = "other"
    const char *id;
    char *own_id; // NULL: the id is the address, or "other"
    char addr[46];
    int does;
    int cls; // of the edge with most bytes that it serves
    uint64_t cls_bytes;
    uint32_t number; // in the graph
};
struct view_edge {
    uint32_t src, dst; // ranks: indices into the view's nodes
    const struct edge *is;
};
struct view {
    const struct sl_flow_graph *g;
    struct view_node *nodes; // sorted; those with edges only
    struct view_edge *edges; // sorted
    size_t n_nodes, n_edges;
    struct edge *other; // what is left out
};

static char *service_id(const struct sl_truth_row *w)
{
    const char *scope = *w->instance ? w->instance : w->project;
    char replica[16] = "";
    if (w->replica > 1)
        snprintf(replica, sizeof replica, "#%d", w->replica);
    return sl_format("%s%s%s%s", scope, *scope ? "/" : "", w->service, replica);
}

// Services by id, then addresses by number, "other" last.
static int compare_nodes(const void *a, const void *b)
{
    const struct view_node *x = a, *y = b;
    if (!x->node || !y->node)
        return !x->node - !y->node;
    if (x->node->who || y->node->who) {
        int d = !x->node->who - !y->node->who;
        d = d ? d : strcmp(x->id, y->id);
        return d ? d
                 : (x->node->who->node > y->node->who->node) -
                       (x->node->who->node < y->node->who->node);
    }
    int d = (int)x->node->addr.family - (int)y->node->addr.family;
    return d ? d : memcmp(x->node->addr.b, y->node->addr.b, sizeof x->node->addr.b);
}

static int compare_edges(const void *a, const void *b)
{
    const struct view_edge *x = a, *y = b;
    if (x->src != y->src)
        return x->src < y->src ? -1 : 1;
    if (x->dst != y->dst)
        return x->dst < y->dst ? -1 : 1;
    const int64_t p[] = {x->is->proto, x->is->port, x->is->cls},
                  q[] = {y->is->proto, y->is->port, y->is->cls};
    for (size_t i = 0; i < sizeof p / sizeof *p; i++)
        if (p[i] != q[i])
            return p[i] < q[i] ? -1 : 1;
    return 0;
}

static int compare_bytes(const void *a, const void *b)
{
    const struct edge *x = ((const struct view_edge *)a)->is,
                      *y = ((const struct view_edge *)b)->is;
    uint64_t p = x->bytes[0] + x->bytes[1], q = y->bytes[0] + y->bytes[1];
    return p != q ? (p > q ? -1 : 1) : compare_edges(a, b);
}

// Copies, names and sorts the nodes; edges then name their ends by rank. rank_of: number -> rank.
static void view_nodes(struct view *v, uint32_t *rank_of)
{
    const struct sl_flow_graph *g = v->g;
    v->nodes = sl_alloc((g->nodes.len + 1) * sizeof *v->nodes);
    for (size_t i = 0; i < g->nodes.len; i++) {
        struct view_node *n = &v->nodes[v->n_nodes++];
        n->node = &g->nodes.at[i];
        n->number = (uint32_t)i;
        sl_addr_text(&n->node->addr, n->addr);
        const struct sl_truth_row *w = n->node->who;
        n->own_id = w && *w->service ? service_id(w) : w ? sl_strdup(n->addr) : NULL;
        n->id = n->own_id;
    }
    qsort(v->nodes, v->n_nodes, sizeof *v->nodes, compare_nodes);
    for (size_t i = 0; i < v->n_nodes; i++)
        rank_of[v->nodes[i].number] = (uint32_t)i;
}

static void drop_lonely_nodes(struct view *v, uint32_t *rank_of)
{
    size_t kept = 0;
    for (size_t i = 0; i < v->n_nodes; i++) {
        if (!v->nodes[i].does) {
            free(v->nodes[i].own_id);
            continue;
        }
        rank_of[i] = (uint32_t)kept;
        v->nodes[kept++] = v->nodes[i];
    }
    v->n_nodes = kept;
    for (size_t i = 0; i < kept; i++) // they have their places now
        if (!v->nodes[i].own_id)
            v->nodes[i].id = v->nodes[i].addr;
    for (size_t i = 0; i < v->n_edges; i++) {
        v->edges[i].src = rank_of[v->edges[i].src];
        v->edges[i].dst = rank_of[v->edges[i].dst];
    }
}

static void mark_nodes(struct view *v)
{
    for (size_t i = 0; i < v->n_edges; i++) {
        const struct view_edge *e = &v->edges[i];
        struct view_node *server = &v->nodes[e->dst];
        v->nodes[e->src].does |= ASKS;
        server->does |= SERVES;
        uint64_t bytes = e->is->bytes[0] + e->is->bytes[1];
        if (bytes > server->cls_bytes) {
            server->cls = e->is->cls;
            server->cls_bytes = bytes;
        }
    }
}

// Services stand before addresses, by their ids. Two services of one id (instances that bear one
// name) are told apart by their numbers; an address that some service is named like, by a mark.
static void part_equal_ids(struct view *v)
{
    size_t services = 0;
    while (services < v->n_nodes && v->nodes[services].node->who)
        services++;
    for (size_t i = 0; i < services; i++) {
        uint8_t b[16];
        const char *id = v->nodes[i].id;
        if (inet_pton(AF_INET, id, b) != 1 && inet_pton(AF_INET6, id, b) != 1)
            continue;
        for (size_t k = services; k < v->n_nodes; k++) {
            if (strcmp(v->nodes[k].id, id) != 0)
                continue;
            v->nodes[k].id = v->nodes[k].own_id = sl_format("%s~address", id);
            break;
        }
    }
    for (size_t i = services; i-- > 1;) {
        if (strcmp(v->nodes[i].id, v->nodes[i - 1].id) != 0)
            continue;
        char *id = sl_format("%s~%u", v->nodes[i].id, v->nodes[i].node->who->node);
        free(v->nodes[i].own_id);
        v->nodes[i].id = v->nodes[i].own_id = id;
    }
}

static struct view look(const struct sl_flow_graph *g, size_t most)
{
    struct view v = {.g = g};
    uint32_t *rank_of = sl_alloc((g->nodes.len + 1) * sizeof *rank_of);
    v.other = sl_alloc(sizeof *v.other);
    *v.other = g->other;
    view_nodes(&v, rank_of);
    v.edges = sl_alloc((g->edges.len + 1) * sizeof *v.edges);
    v.n_edges = g->edges.len;
    for (size_t i = 0; i < v.n_edges; i++) {
        const struct edge *e = &g->edges.at[i];
        v.edges[i] = (struct view_edge){rank_of[e->src], rank_of[e->dst], e};
    }
    bool cut = most && most < v.n_edges;
    if (v.n_edges)
        qsort(v.edges, v.n_edges, sizeof *v.edges, cut ? compare_bytes : compare_edges);
    for (; cut && v.n_edges > most; v.n_edges--)
        put(v.other, v.edges[v.n_edges - 1].is);
    if (cut)
        qsort(v.edges, v.n_edges, sizeof *v.edges, compare_edges);
    mark_nodes(&v);
    drop_lonely_nodes(&v, rank_of);
    part_equal_ids(&v);
    if (!is_fresh(v.other)) {
        uint32_t rank = (uint32_t)v.n_nodes;
        v.other->app = "";
        v.nodes[v.n_nodes++] = (struct view_node){.id = OTHER, .does = ASKS | SERVES};
        v.edges[v.n_edges++] = (struct view_edge){rank, rank, v.other};
    }
    free(rank_of);
    return v;
}

static void look_away(struct view *v)
{
    for (size_t i = 0; i < v->n_nodes; i++)
        free(v->nodes[i].own_id);
    free(v->nodes);
    free(v->edges);
    free(v->other);
}

// ---- facts of a node ----------------------------------------------------------------------------

static const struct sl_truth_row *who(const struct view_node *n)
{
    return n->node ? n->node->who : NULL;
}

static const char *label_of(const struct view_node *n)
{
    const struct sl_truth_row *w = who(n);
    return !w || !*w->service ? n->id : !strcmp(w->role, "driver") ? "driver" : w->service;
}

static const char *host_of(const struct view_node *n)
{
    static const char *const columns[] = {"", "clients", "servers", "relays"};
    const struct sl_truth_row *w = who(n);
    return w && *w->host ? w->host : n->node ? columns[n->does] : "the rest"; // stands last
}

static const char *class_of(const struct view_node *n)
{
    const struct sl_truth_row *w = who(n);
    return w && *w->cls ? w->cls : n->cls > SL_CLASS_UNKNOWN ? sl_class_name(n->cls) : "";
}

static const char *role_of(const struct view_node *n)
{
    static const char *const roles[] = {"", "client", "server", "both"};
    return roles[n->does];
}

enum { NODE_COLUMNS = 8 };
static const char *const node_columns[NODE_COLUMNS] = {"id",    "label", "project", "host",
                                                       "image", "class", "role",    "address"};

static void node_values(const struct view_node *n, const char *values[NODE_COLUMNS])
{
    const struct sl_truth_row *w = who(n);
    const char *const all[NODE_COLUMNS] = {
        n->id,      label_of(n), w ? w->project : "", host_of(n), w ? w->image : "", class_of(n),
        role_of(n), n->addr};
    memcpy(values, all, sizeof all);
}

// ---- JSON ---------------------------------------------------------------------------------------

// What is not UTF-8 (a folder's name may be anything) is replaced.
static json_t *clean(const char *text)
{
    json_t *j = json_string(text);
    if (j)
        return j;
    struct sl_str s = {0};
    sl_text_add_clean(&s, text);
    j = json_string(sl_str_text(&s));
    sl_str_done(&s);
    return j;
}

enum { NUMBERS = 9 };
static const char *const number_names[NUMBERS] = {"proto",      "port",         "flows",
                                                  "packets_up", "packets_down", "bytes_up",
                                                  "bytes_down", "first_ns",     "last_ns"};
struct numbers {
    int64_t at[NUMBERS];
};

static struct numbers numbers_of(const struct edge *e)
{
    return (struct numbers){{e->proto, e->port, (int64_t)e->flows, (int64_t)e->packets[0],
                             (int64_t)e->packets[1], (int64_t)e->bytes[0], (int64_t)e->bytes[1],
                             e->first_ns, e->last_ns}};
}

static json_t *edge_json(const struct view *v, const struct view_edge *ends)
{
    const struct edge *e = ends->is;
    json_t *j = json_object();
    json_object_set_new(j, "src", clean(v->nodes[ends->src].id));
    json_object_set_new(j, "dst", clean(v->nodes[ends->dst].id));
    json_object_set_new(j, "class", json_string(e->cls ? sl_class_name(e->cls) : ""));
    json_object_set_new(j, "app", clean(e->app));
    struct numbers all = numbers_of(e);
    for (int k = 0; k < NUMBERS; k++)
        json_object_set_new(j, number_names[k], json_integer(all.at[k]));
    json_object_set_new(j, "statement",
                        e->statement > 0 ? json_integer(e->statement - 1) : json_null());
    return j;
}

json_t *sl_flow_graph_json(const struct sl_flow_graph *g, size_t most)
{
    struct view v = look(g, most);
    json_t *nodes = json_array(), *edges = json_array();
    for (size_t i = 0; i < v.n_nodes; i++) {
        const char *values[NODE_COLUMNS];
        json_t *j = json_object();
        node_values(&v.nodes[i], values);
        for (int c = 0; c < NODE_COLUMNS; c++)
            json_object_set_new(j, node_columns[c], clean(values[c]));
        json_array_append_new(nodes, j);
    }
    for (size_t i = 0; i < v.n_edges; i++)
        json_array_append_new(edges, edge_json(&v, &v.edges[i]));
    look_away(&v);
    return json_pack("{s:o, s:o}", "nodes", nodes, "edges", edges);
}

// The same in a file, without a value in memory for each word: a trace has many edges.
static void put_key(struct sl_out *o, bool first, const char *key)
{
    size_t len = strlen(key);
    char *p = sl_out_need(o, len + 16);
    p += sprintf(p, "%s\n      \"", first ? "" : ",");
    memcpy(p, key, len);
    p += len;
    memcpy(p, "\": ", 3);
    o->len = (size_t)(p + 3 - o->buf);
}

static void put_text(struct sl_out *o, bool first, const char *key, const char *text)
{
    put_key(o, first, key);
    size_t len = strlen(text);
    char *p = sl_out_need(o, SL_JSON_TEXT_ROOM(len));
    o->len = (size_t)(sl_json_put_text(p, text, len) - o->buf);
}

static void put_number(struct sl_out *o, const char *key, int64_t v)
{
    put_key(o, false, key);
    char *p = sl_out_need(o, SL_INT_ROOM);
    o->len = (size_t)(sl_number_i64(p, v) - o->buf);
}

static void put_words(struct sl_out *o, const char *words)
{
    sl_out_add(o, words, strlen(words));
}

static bool put_nodes(struct sl_out *o, const struct view *v, struct sl_error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < v->n_nodes; i++) {
        const char *values[NODE_COLUMNS];
        node_values(&v->nodes[i], values);
        put_words(o, i ? ",\n    {" : "\n    {");
        for (int c = 0; c < NODE_COLUMNS; c++)
            put_text(o, !c, node_columns[c], values[c]);
        put_words(o, "\n    }");
        ok = sl_out_begin(o, err);
    }
    return ok;
}

static bool put_edges(struct sl_out *o, const struct view *v, struct sl_error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < v->n_edges; i++) {
        const struct view_edge *ends = &v->edges[i];
        const struct edge *e = ends->is;
        put_words(o, i ? ",\n    {" : "\n    {");
        put_text(o, true, "src", v->nodes[ends->src].id);
        put_text(o, false, "dst", v->nodes[ends->dst].id);
        put_text(o, false, "class", e->cls ? sl_class_name(e->cls) : "");
        put_text(o, false, "app", e->app);
        struct numbers all = numbers_of(e);
        for (int k = 0; k < NUMBERS; k++)
            put_number(o, number_names[k], all.at[k]);
        if (e->statement > 0)
            put_number(o, "statement", e->statement - 1);
        else {
            put_key(o, false, "statement");
            put_words(o, "null");
        }
        put_words(o, "\n    }");
        ok = sl_out_begin(o, err);
    }
    return ok;
}

bool sl_flow_graph_save_json(const struct sl_flow_graph *g, size_t most, const char *path,
                             struct sl_error *err)
{
    struct sl_out o;
    if (!sl_out_open(&o, path, false, err))
        return false;
    struct view v = look(g, most);
    put_words(&o, "{\n  \"nodes\": [");
    bool ok = put_nodes(&o, &v, err);
    put_words(&o, v.n_nodes ? "\n  ],\n  \"edges\": [" : "],\n  \"edges\": [");
    ok = ok && put_edges(&o, &v, err);
    put_words(&o, v.n_edges ? "\n  ]\n}\n" : "]\n}\n");
    look_away(&v);
    if (ok)
        return sl_out_close(&o, err);
    sl_out_abort(&o);
    return false;
}

// ---- CSV ----------------------------------------------------------------------------------------

// A line in memory, then in the file.
static bool put_line(FILE *out, struct sl_str *line)
{
    bool ok = !line->truncated && fwrite(sl_str_text(line), 1, line->len, out) == line->len;
    sl_str_clear(line);
    return ok;
}

static bool finish(FILE *out, bool ok, struct sl_str *line, struct view *v, struct sl_error *err)
{
    sl_str_done(line);
    look_away(v);
    ok = ok && !fflush(out);
    return ok || sl_fail(err, SL_ERUN, "cannot write the graph: %s", strerror(errno ? errno : EIO));
}

static void put_cell(struct sl_str *line, char *end, char digits[SL_INT_ROOM + 1])
{
    *end++ = ',';
    sl_str_addn(line, digits, (size_t)(end - digits));
}

bool sl_flow_graph_csv(const struct sl_flow_graph *g, size_t most, FILE *out, struct sl_error *err)
{
    struct view v = look(g, most);
    struct sl_str line = {0};
    char digits[SL_INT_ROOM + 1];
    errno = 0;
    sl_str_add(&line, "src,dst,class,app,proto,port,flows,packets_up,packets_down,bytes_up,"
                      "bytes_down,first_ns,last_ns,statement\n");
    bool ok = put_line(out, &line);
    for (size_t i = 0; ok && i < v.n_edges; i++) {
        const struct view_edge *ends = &v.edges[i];
        const struct edge *e = ends->is;
        const char *const texts[] = {v.nodes[ends->src].id, v.nodes[ends->dst].id,
                                     e->cls ? sl_class_name(e->cls) : "", e->app};
        for (int c = 0; c < 4; c++) {
            sl_csv_add(&line, texts[c]);
            sl_str_add(&line, ",");
        }
        const uint64_t numbers[] = {e->proto,      e->port,     e->flows,   e->packets[0],
                                    e->packets[1], e->bytes[0], e->bytes[1]};
        for (size_t c = 0; c < sizeof numbers / sizeof *numbers; c++)
            put_cell(&line, sl_number_u64(digits, numbers[c]), digits);
        put_cell(&line, sl_number_i64(digits, e->first_ns), digits);
        put_cell(&line, sl_number_i64(digits, e->last_ns), digits);
        if (e->statement > 0)
            sl_str_addf(&line, "%d", e->statement);
        sl_str_add(&line, "\n");
        ok = put_line(out, &line);
    }
    return finish(out, ok, &line, &v, err);
}

bool sl_flow_graph_nodes_csv(const struct sl_flow_graph *g, size_t most, FILE *out,
                             struct sl_error *err)
{
    struct view v = look(g, most);
    struct sl_str line = {0};
    bool ok = true;
    errno = 0;
    for (size_t i = 0; ok && i <= v.n_nodes; i++) { // 0 is the header
        const char *values[NODE_COLUMNS];
        if (i)
            node_values(&v.nodes[i - 1], values);
        for (int c = 0; c < NODE_COLUMNS; c++) {
            sl_str_add(&line, c ? "," : "");
            sl_csv_add(&line, i ? values[c] : node_columns[c]);
        }
        sl_str_add(&line, "\n");
        ok = put_line(out, &line);
    }
    return finish(out, ok, &line, &v, err);
}

// ---- Mermaid ------------------------------------------------------------------------------------

// Quoted text: signs that end it or mean something to a browser are written as numbers.
static void mermaid_text(struct sl_str *out, const char *text)
{
    struct sl_str safe = {0};
    sl_text_add_clean(&safe, text);
    for (const char *c = sl_str_text(&safe); *c; c++) {
        if (strchr("\"<>#&;`\\", *c))
            sl_str_addf(out, "#%d;", *c);
        else
            sl_str_addn(out, c, 1);
    }
    sl_str_done(&safe);
}

static bool mermaid_host(const struct view *v, const char *host, size_t number, FILE *out,
                         struct sl_str *line)
{
    sl_str_addf(line, "  subgraph g%zu [\"", number);
    mermaid_text(line, host);
    sl_str_add(line, "\"]\n");
    for (size_t i = 0; i < v->n_nodes; i++) {
        if (strcmp(host_of(&v->nodes[i]), host) != 0)
            continue;
        sl_str_addf(line, "    n%zu[\"", i);
        mermaid_text(line, label_of(&v->nodes[i]));
        sl_str_add(line, "\"]\n");
    }
    sl_str_add(line, "  end\n");
    return put_line(out, line);
}

static const char *proto_name(uint8_t proto, char buf[8])
{
    static const struct {
        uint8_t number;
        const char *name;
    } known[] = {{SL_PROTO_TCP, "tcp"},       {SL_PROTO_UDP, "udp"},   {SL_PROTO_SCTP, "sctp"},
                 {SL_PROTO_ICMPV6, "icmpv6"}, {SL_PROTO_ICMP, "icmp"}, {0, "ip"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].number == proto)
            return known[i].name;
    snprintf(buf, 8, "ip/%u", proto);
    return buf;
}

static bool mermaid_edge(const struct view_edge *ends, FILE *out, struct sl_str *line)
{
    const struct edge *e = ends->is;
    char buf[24], proto[8];
    sl_str_addf(line, "  n%u -->|\"%s", ends->src, proto_name(e->proto, proto));
    if (e->port)
        sl_str_addf(line, "/%u", e->port);
    const char *what = *e->app ? e->app : e->cls ? sl_class_name(e->cls) : "";
    sl_str_add(line, *what ? " " : "");
    mermaid_text(line, what);
    double bytes = (double)(e->bytes[0] + e->bytes[1]);
    sl_str_addf(line, ", %s\"| n%u\n", sl_format_bytes(bytes, buf, sizeof buf), ends->dst);
    return put_line(out, line);
}

bool sl_flow_graph_mermaid(const struct sl_flow_graph *g, size_t most, FILE *out,
                           struct sl_error *err)
{
    struct view v = look(g, most);
    struct sl_str line = {0};
    SL_VEC(const char *) hosts = {0};
    errno = 0;
    for (size_t i = 0; i < v.n_nodes; i++) {
        const char *host = host_of(&v.nodes[i]);
        bool seen = false;
        for (size_t k = 0; !seen && k < hosts.len; k++)
            seen = !strcmp(hosts.at[k], host);
        if (!seen)
            *SL_PUSH(&hosts) = host;
    }
    sl_str_add(&line, "flowchart LR\n");
    bool ok = put_line(out, &line);
    for (size_t k = 0; ok && k < hosts.len; k++)
        ok = mermaid_host(&v, hosts.at[k], k, out, &line);
    for (size_t i = 0; ok && i < v.n_edges; i++)
        ok = mermaid_edge(&v.edges[i], out, &line);
    SL_VEC_DONE(&hosts);
    return finish(out, ok, &line, &v, err);
}
