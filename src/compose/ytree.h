// SPDX-License-Identifier: Apache-2.0
/*
 * YAML as text: a tree over libyaml's events in which every scalar stays text.
 *
 * Compose keys decide types, not YAML: `no`, `0644` and `22:22` arrive as written. Anchors, aliases
 * and merges (`<<`, its list form, repeats of it) are resolved here; aliases share nodes, so the
 * tree is a graph without cycles whose expanded size is bounded. Of repeated keys the last one
 * counts.
 *
 * Limits   1 MiB of text, depth 64, 100,000 nodes after expansion, 1,000 anchors, 16 documents.
 * Errors   SL_EINPUT with file, line and column.
 * Threads  stateless. Nodes live in the caller's arena.
 */
#pragma once
#include "base/error.h"
#include "base/mem.h"
#include "compose/project.h"

enum { SL_YAML_MAX_BYTES = 1 << 20, SL_YAML_MAX_DEPTH = 64, SL_YAML_MAX_NODES = 100000 };
enum { SL_YAML_MAX_ANCHORS = 1000, SL_YAML_MAX_DOCUMENTS = 16 };

enum sl_ykind { SL_Y_SCALAR, SL_Y_SEQ, SL_Y_MAP };
enum sl_ytag { SL_YTAG_NONE, SL_YTAG_RESET, SL_YTAG_OVERRIDE };
struct sl_ysource {
    const char *name; // as the user would name it
    const char
        *base; // folder that relative paths in it start from, relative to the tree; "." = the tree
};
struct sl_ynode;
struct sl_yitem {
    const char *key; // NULL in a sequence
    struct sl_pos pos;
    struct sl_ynode *value;
};
struct sl_ynode {
    enum sl_ykind kind;
    enum sl_ytag tag;
    bool plain;        // scalar without quotes
    bool interpolated; // set by the loader: aliases must not be interpolated twice
    uint16_t height;
    uint32_t size; // nodes below and including this one, aliases expanded
    const char *text;
    const char *raw; // text before interpolation, when that changed it
    struct sl_yitem *items;
    size_t n;
    struct sl_pos pos;
    const struct sl_ysource *src;
};
struct sl_ywarning { // a repeated key
    const char *key;
    struct sl_pos pos;
};
struct sl_ydoc {
    struct sl_ynode **roots; // one per document that is not empty
    size_t n;
    struct sl_ywarning *warnings;
    size_t n_warnings;
};

SL_MUST_USE bool sl_yaml_parse(struct sl_arena *arena, const struct sl_ysource *src,
                               const char *text, size_t len, struct sl_ydoc *out,
                               struct sl_error *err);
struct sl_ynode *sl_yaml_get(const struct sl_ynode *map, const char *key); // NULL = not there
bool sl_yaml_is_null(const struct sl_ynode *n); // NULL, plain "", "~" or "null"
struct sl_ynode *sl_yaml_scalar(struct sl_arena *arena, const struct sl_ynode *like,
                                const char *text);
struct sl_ynode *sl_yaml_map(struct sl_arena *arena, const struct sl_ynode *like, size_t n);
