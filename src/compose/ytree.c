// SPDX-License-Identifier: Apache-2.0
// Recursive descent over libyaml's events. Items of open collections wait on one shared stack and
// move to the arena when their collection closes, so a file costs few allocations.
#include "compose/ytree.h"
#include "base/hash.h"
#include "base/str.h"
#include <string.h>
#include <yaml.h>

struct anchor {
    const char *name;
    struct sl_ynode *node;
};
struct builder {
    struct sl_arena *arena;
    const struct sl_ysource *src;
    const char *text;
    size_t text_len;
    yaml_parser_t yaml;
    uint64_t nodes; // aliases and merges counted in full
    SL_VEC(struct sl_yitem) stack;
    SL_VEC(struct anchor) anchors;
    SL_VEC(struct sl_ywarning) warnings;
    struct sl_error *err;
};

static bool fail_at(struct builder *b, yaml_mark_t mark, const char *what)
{
    sl_fail(b->err, SL_EINPUT, "%s", what);
    sl_at(b->err, b->src->name, (int)mark.line + 1, (int)mark.column + 1);
    return false;
}

// Is there a tab among the blanks that open the line at this mark?
static bool tab_indents(const struct builder *b, yaml_mark_t mark)
{
    size_t line = 0, i = 0;
    while (i < b->text_len && line < mark.line)
        line += b->text[i++] == '\n';
    for (; i < b->text_len && (b->text[i] == ' ' || b->text[i] == '\t' || b->text[i] == '-'); i++)
        if (b->text[i] == '\t')
            return true;
    return false;
}

static bool fail_yaml(struct builder *b)
{
    yaml_mark_t mark = b->yaml.problem_mark;
    if (b->yaml.error == YAML_READER_ERROR) { // has an offset only
        mark.line = mark.column = 0;
        for (size_t i = 0; i < b->yaml.problem_offset && i < b->text_len; i++) {
            mark.column = b->text[i] == '\n' ? 0 : mark.column + 1;
            mark.line += b->text[i] == '\n';
        }
    }
    if (tab_indents(b, mark)) {
        fail_at(b, mark, "a tab stands in the indentation");
        sl_hint(b->err, "YAML wants spaces: replace the tab");
        return false;
    }
    sl_fail(b->err, SL_EINPUT, "not valid YAML: %s%s%s",
            b->yaml.problem ? b->yaml.problem : "memory is gone", b->yaml.context ? " " : "",
            b->yaml.context ? b->yaml.context : "");
    sl_at(b->err, b->src->name, (int)mark.line + 1, (int)mark.column + 1);
    return false;
}

static bool next_event(struct builder *b, yaml_event_t *e)
{
    return yaml_parser_parse(&b->yaml, e) ? true : fail_yaml(b);
}

static bool count_nodes(struct builder *b, uint64_t more, yaml_mark_t mark)
{
    b->nodes += more;
    if (b->nodes <= SL_YAML_MAX_NODES)
        return true;
    fail_at(b, mark, "the file expands to more than 100000 nodes");
    sl_hint(b->err, "look for anchors that repeat each other");
    return false;
}

static struct sl_ynode *new_node(struct builder *b, enum sl_ykind kind, yaml_mark_t mark,
                                 const yaml_char_t *tag)
{
    struct sl_ynode *n = sl_arena_alloc(b->arena, sizeof *n);
    n->kind = kind;
    n->src = b->src;
    n->pos = (struct sl_pos){b->src->name, (int)mark.line + 1, (int)mark.column + 1};
    n->size = 1;
    n->height = 1;
    if (tag && !strcmp((const char *)tag, "!reset"))
        n->tag = SL_YTAG_RESET;
    if (tag && !strcmp((const char *)tag, "!override"))
        n->tag = SL_YTAG_OVERRIDE;
    return n;
}

static bool keep_anchor(struct builder *b, const yaml_char_t *name, struct sl_ynode *node,
                        yaml_mark_t mark)
{
    if (!name)
        return true;
    if (b->anchors.len == SL_YAML_MAX_ANCHORS)
        return fail_at(b, mark, "more than 1000 anchors");
    struct anchor *a = SL_PUSH(&b->anchors);
    a->name = sl_arena_strdup(b->arena, (const char *)name);
    a->node = node;
    return true;
}

static struct sl_ynode *find_alias(struct builder *b, const char *name, yaml_mark_t mark,
                                   unsigned depth)
{
    for (size_t i = b->anchors.len; i-- > 0;) {
        struct sl_ynode *n = b->anchors.at[i].node;
        if (strcmp(b->anchors.at[i].name, name))
            continue;
        if (depth + n->height > SL_YAML_MAX_DEPTH) {
            fail_at(b, mark, "nested more than 64 deep");
            return NULL;
        }
        return count_nodes(b, n->size, mark) ? n : NULL;
    }
    sl_fail(b->err, SL_EINPUT, "there is no anchor '%.64s' before this alias", name);
    sl_at(b->err, b->src->name, (int)mark.line + 1, (int)mark.column + 1);
    return NULL;
}

// A small index over the keys of a map being closed: linear for few, hashed for many.
struct keys {
    struct sl_yitem *at;
    size_t n;
    uint32_t *slots; // index + 1
    size_t mask;
};

static struct sl_yitem *key_find(struct keys *k, const char *key)
{
    if (!k->slots) {
        for (size_t i = 0; i < k->n; i++)
            if (!strcmp(k->at[i].key, key))
                return &k->at[i];
        return NULL;
    }
    for (size_t h = sl_fnv1a(key, strlen(key)) & k->mask; k->slots[h]; h = (h + 1) & k->mask)
        if (!strcmp(k->at[k->slots[h] - 1].key, key))
            return &k->at[k->slots[h] - 1];
    return NULL;
}

static void key_add(struct keys *k, struct sl_yitem item)
{
    k->at[k->n++] = item;
    if (!k->slots)
        return;
    size_t h = sl_fnv1a(item.key, strlen(item.key)) & k->mask;
    while (k->slots[h])
        h = (h + 1) & k->mask;
    k->slots[h] = (uint32_t)k->n;
}

static bool is_merge(const struct sl_yitem *it)
{
    return it->key[0] == '<' && !strcmp(it->key, "<<");
}

// How many items a merge value brings at most; false when it is not a map or a list of maps.
static bool merge_room(const struct sl_ynode *v, size_t *room)
{
    if (v->kind == SL_Y_MAP)
        *room += v->n;
    for (size_t i = 0; v->kind == SL_Y_SEQ && i < v->n; i++)
        if (!merge_room(v->items[i].value, room))
            return false;
    return v->kind != SL_Y_SCALAR || sl_yaml_is_null(v);
}

static bool merge_into(struct builder *b, struct keys *k, const struct sl_ynode *v,
                       yaml_mark_t mark)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->kind == SL_Y_SEQ) {
            if (!merge_into(b, k, v->items[i].value, mark))
                return false;
        } else if (!key_find(k, v->items[i].key)) {
            if (!count_nodes(b, v->items[i].value->size, mark))
                return false;
            key_add(k, v->items[i]);
        }
    }
    return true;
}

// Written keys first (the last of equal ones counts), then what merges bring that is not there.
static bool fill_map(struct builder *b, struct keys *k, const struct sl_yitem *items, size_t n,
                     yaml_mark_t mark)
{
    for (size_t i = 0; i < n; i++) {
        if (is_merge(&items[i]))
            continue;
        struct sl_yitem *old = key_find(k, items[i].key);
        if (old) {
            *SL_PUSH(&b->warnings) = (struct sl_ywarning){items[i].key, items[i].pos};
            *old = items[i];
        } else {
            key_add(k, items[i]);
        }
    }
    for (size_t i = 0; i < n; i++)
        if (is_merge(&items[i]) && !merge_into(b, k, items[i].value, mark))
            return false;
    return true;
}

static bool close_map(struct builder *b, struct sl_ynode *map, size_t first, yaml_mark_t mark)
{
    const struct sl_yitem *items = b->stack.at ? b->stack.at + first : NULL;
    size_t n = b->stack.len - first, room = n;
    for (size_t i = 0; i < n; i++) {
        if (is_merge(&items[i]) && !merge_room(items[i].value, &room))
            return fail_at(b, mark, "'<<' merges a mapping or a list of mappings");
    }
    if (room > SL_YAML_MAX_NODES)
        return count_nodes(b, room, mark);
    struct keys k = {.at = sl_arena_alloc(b->arena, room * sizeof *items)};
    if (room > 24) {
        k.mask = 63;
        while (k.mask < room * 2)
            k.mask = k.mask * 2 + 1;
        k.slots = sl_alloc((k.mask + 1) * sizeof *k.slots);
    }
    bool ok = fill_map(b, &k, items, n, mark);
    free(k.slots);
    map->items = k.at;
    map->n = k.n;
    return ok;
}

static void measure(struct sl_ynode *n)
{
    for (size_t i = 0; i < n->n; i++) {
        n->size += n->items[i].value->size;
        if (n->items[i].value->height >= n->height)
            n->height = (uint16_t)(n->items[i].value->height + 1);
    }
}

static struct sl_ynode *build(struct builder *b, yaml_event_t *e, unsigned depth);

static bool build_items(struct builder *b, struct sl_ynode *node, unsigned depth)
{
    for (;;) {
        yaml_event_t e;
        struct sl_yitem item = {0};
        if (!next_event(b, &e))
            return false;
        if (e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&e);
            return true;
        }
        if (node->kind == SL_Y_MAP) {
            yaml_mark_t mark = e.start_mark;
            struct sl_ynode *key = build(b, &e, depth);
            if (!key)
                return false;
            if (key->kind != SL_Y_SCALAR)
                return fail_at(b, mark, "a key must be text, not a list or a mapping");
            item.key = key->text;
            item.pos = (struct sl_pos){b->src->name, (int)mark.line + 1, (int)mark.column + 1};
            if (!next_event(b, &e))
                return false;
        }
        item.value = build(b, &e, depth);
        if (!item.value)
            return false;
        if (node->kind == SL_Y_SEQ)
            item.pos = item.value->pos;
        *SL_PUSH(&b->stack) = item;
    }
}

static struct sl_ynode *build_collection(struct builder *b, enum sl_ykind kind, yaml_event_t *e,
                                         unsigned depth)
{
    bool map = kind == SL_Y_MAP;
    yaml_mark_t mark = e->start_mark;
    struct sl_ynode *n =
        new_node(b, kind, mark, map ? e->data.mapping_start.tag : e->data.sequence_start.tag);
    const yaml_char_t *name = map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
    const yaml_char_t *anchor =
        name ? (yaml_char_t *)sl_arena_strdup(b->arena, (const char *)name) : NULL;
    yaml_event_delete(e);
    if (depth >= SL_YAML_MAX_DEPTH) {
        fail_at(b, mark, "nested more than 64 deep");
        return NULL;
    }
    size_t first = b->stack.len;
    if (!build_items(b, n, depth + 1))
        return NULL;
    if (map) {
        if (!close_map(b, n, first, mark))
            return NULL;
    } else {
        n->n = b->stack.len - first;
        n->items = sl_arena_alloc(b->arena, n->n * sizeof *n->items);
        if (n->n)
            memcpy(n->items, b->stack.at + first, n->n * sizeof *n->items);
    }
    b->stack.len = first;
    measure(n);
    return keep_anchor(b, anchor, n, mark) ? n : NULL;
}

static struct sl_ynode *build_scalar(struct builder *b, yaml_event_t *e)
{
    struct sl_ynode *n = new_node(b, SL_Y_SCALAR, e->start_mark, e->data.scalar.tag);
    const char *text = (const char *)e->data.scalar.value;
    n->text = sl_arena_strndup(b->arena, text, e->data.scalar.length);
    n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    bool ok = true;
    if (strlen(n->text) != e->data.scalar.length)
        ok = fail_at(b, e->start_mark, "the text holds a NUL character");
    ok = ok && keep_anchor(b, e->data.scalar.anchor, n, e->start_mark);
    yaml_event_delete(e);
    return ok ? n : NULL;
}

// Takes the event over.
static struct sl_ynode *build(struct builder *b, yaml_event_t *e, unsigned depth)
{
    yaml_mark_t mark = e->start_mark;
    struct sl_ynode *n = NULL;
    if (e->type == YAML_ALIAS_EVENT) {
        n = find_alias(b, (const char *)e->data.alias.anchor, mark, depth);
        yaml_event_delete(e);
        return n;
    }
    if (!count_nodes(b, 1, mark)) {
        yaml_event_delete(e);
        return NULL;
    }
    if (e->type == YAML_SCALAR_EVENT)
        return build_scalar(b, e);
    if (e->type == YAML_SEQUENCE_START_EVENT)
        return build_collection(b, SL_Y_SEQ, e, depth);
    if (e->type == YAML_MAPPING_START_EVENT)
        return build_collection(b, SL_Y_MAP, e, depth);
    yaml_event_delete(e);
    fail_at(b, mark, "not valid YAML here");
    return NULL;
}

static bool build_documents(struct builder *b, struct sl_ydoc *out)
{
    struct sl_ynode *roots[SL_YAML_MAX_DOCUMENTS];
    size_t n = 0;
    for (;;) {
        yaml_event_t e;
        if (!next_event(b, &e))
            return false;
        yaml_event_type_t type = e.type;
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT ||
            type == YAML_DOCUMENT_END_EVENT || type == YAML_STREAM_END_EVENT) {
            if (type == YAML_DOCUMENT_START_EVENT)
                b->anchors.len = 0; // anchors do not reach across documents
            yaml_event_delete(&e);
            if (type == YAML_STREAM_END_EVENT)
                break;
            continue;
        }
        yaml_mark_t mark = e.start_mark;
        struct sl_ynode *root = build(b, &e, 0);
        if (!root)
            return false;
        if (sl_yaml_is_null(root))
            continue;
        if (n == SL_YAML_MAX_DOCUMENTS)
            return fail_at(b, mark, "more than 16 documents in one file");
        roots[n++] = root;
    }
    out->roots = sl_arena_alloc(b->arena, n * sizeof(struct sl_ynode *));
    for (size_t i = 0; i < n; i++)
        out->roots[i] = roots[i];
    out->n = n;
    out->n_warnings = b->warnings.len;
    out->warnings = sl_arena_alloc(b->arena, b->warnings.len * sizeof *b->warnings.at);
    if (b->warnings.len)
        memcpy(out->warnings, b->warnings.at, b->warnings.len * sizeof *b->warnings.at);
    return true;
}

bool sl_yaml_parse(struct sl_arena *arena, const struct sl_ysource *src, const char *text,
                   size_t len, struct sl_ydoc *out, struct sl_error *err)
{
    struct builder b = {.arena = arena, .src = src, .text = text, .text_len = len, .err = err};
    *out = (struct sl_ydoc){0};
    if (len > SL_YAML_MAX_BYTES) {
        sl_fail(err, SL_EINPUT, "the file is larger than 1 MiB, the most that is read");
        sl_at(err, src->name, 1, 1);
        return false;
    }
    if (!yaml_parser_initialize(&b.yaml))
        return sl_fail(err, SL_ERUN, "the YAML parser did not start");
    yaml_parser_set_input_string(&b.yaml, (const unsigned char *)text, len);
    bool ok = build_documents(&b, out);
    yaml_parser_delete(&b.yaml);
    SL_VEC_DONE(&b.stack);
    SL_VEC_DONE(&b.anchors);
    SL_VEC_DONE(&b.warnings);
    return ok;
}

struct sl_ynode *sl_yaml_get(const struct sl_ynode *map, const char *key)
{
    if (!map || map->kind != SL_Y_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (!strcmp(map->items[i].key, key))
            return map->items[i].value;
    return NULL;
}

bool sl_yaml_is_null(const struct sl_ynode *n)
{
    if (!n)
        return true;
    return n->kind == SL_Y_SCALAR && n->plain &&
           (!n->text[0] || !strcmp(n->text, "~") || !strcasecmp(n->text, "null"));
}

struct sl_ynode *sl_yaml_scalar(struct sl_arena *arena, const struct sl_ynode *like,
                                const char *text)
{
    struct sl_ynode *n = sl_arena_alloc(arena, sizeof *n);
    *n = (struct sl_ynode){.kind = SL_Y_SCALAR, .text = text, .pos = like->pos, .src = like->src};
    n->size = n->height = 1;
    n->interpolated = true;
    return n;
}

struct sl_ynode *sl_yaml_map(struct sl_arena *arena, const struct sl_ynode *like, size_t n_items)
{
    struct sl_ynode *n = sl_arena_alloc(arena, sizeof *n);
    *n = (struct sl_ynode){.kind = SL_Y_MAP, .pos = like->pos, .src = like->src};
    n->size = n->height = 1;
    n->n = n_items;
    n->items = sl_arena_alloc(arena, n_items * sizeof *n->items);
    return n;
}
