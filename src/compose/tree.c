// SPDX-License-Identifier: Apache-2.0
// From several files to one tree: version 1 lifted, include, override files, extends.
#include "compose/load.h"
#include <string.h>
#include <strings.h>

static const char *const top_keys[] = {"version", "name",    "services", "networks", "volumes",
                                       "secrets", "configs", "include",  "models",   NULL};

static bool listed(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (!strcmp(*names, name))
            return true;
    return false;
}

static bool looks_like_service(const struct sl_ynode *n)
{
    return n->kind == SL_Y_MAP && (sl_yaml_get(n, "image") || sl_yaml_get(n, "build"));
}

// ---- one file -----------------------------------------------------------------------------------

static bool check_version(struct sl_load *l, const struct sl_ynode *root)
{
    const struct sl_ynode *v = sl_yaml_get(root, "version");
    if (!v || v->kind != SL_Y_SCALAR)
        return true;
    const char *t = v->text;
    bool good = t[0] >= '1' && t[0] <= '3' && (!t[1] || (t[1] == '.' && t[2] && strlen(t) <= 5));
    if (good)
        return true;
    if (!sl_load_step(l, "version"))
        return sl_load_fail(l, "schema_error", v->pos,
                            "'%.40s' is no version of the Compose format", t);
    sl_load_note(l, SL_NOTE_REPAIR, "version", "version", t, NULL, v->pos);
    return true;
}

// Version 1 has services at the top. Lifts them, or says where a service stands too far left.
static bool lift_version_1(struct sl_load *l, struct sl_ynode **root)
{
    struct sl_ynode *r = *root;
    bool has_services = sl_yaml_get(r, "services") != NULL || sl_yaml_get(r, "include") != NULL;
    size_t lifted = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct sl_yitem *it = &r->items[i];
        if (!strncmp(it->key, "x-", 2) || listed(top_keys, it->key))
            continue;
        if (has_services || !looks_like_service(it->value)) {
            sl_load_fail(l, "schema_error", it->pos, "'%.60s' is no key of a Compose file",
                         it->key);
            if (looks_like_service(it->value))
                sl_hint(l->err, "it looks like a service: indent it below 'services:'");
            return false;
        }
        lifted++;
    }
    if (!lifted)
        return true;
    if (!sl_load_step(l, "v1"))
        return sl_load_fail(l, "schema_error", r->pos, "there is no 'services' key");
    struct sl_ynode *top = sl_yaml_map(l->a, r, r->n - lifted + 1);
    struct sl_ynode *services = sl_yaml_map(l->a, r, lifted);
    top->n = services->n = 0;
    for (size_t i = 0; i < r->n; i++) {
        bool stays = !strncmp(r->items[i].key, "x-", 2) || listed(top_keys, r->items[i].key);
        struct sl_ynode *to = stays ? top : services;
        to->items[to->n++] = r->items[i];
    }
    top->items[top->n++] = (struct sl_yitem){"services", r->pos, services};
    sl_load_note(l, SL_NOTE_REPAIR, "v1", "services", NULL, "services of version 1 lifted", r->pos);
    *root = top;
    return true;
}

static struct sl_ynode *join_documents(struct sl_load *l, const struct sl_ysource *src,
                                       const struct sl_ydoc *doc)
{
    struct sl_ynode *root = NULL;
    for (size_t i = 0; i < doc->n; i++) {
        if (doc->roots[i]->kind != SL_Y_MAP) {
            sl_load_fail(l, "schema_error", doc->roots[i]->pos,
                         "a Compose file is a mapping of keys");
            return NULL;
        }
        root = root ? sl_load_merge(l, "", root, doc->roots[i]) : doc->roots[i];
        if (!root)
            return NULL;
    }
    if (!root)
        sl_load_fail(l, "schema_error", (struct sl_pos){src->name, 1, 1}, "the file is empty");
    return root;
}

// Reads and parses one Compose file; NULL after an error. Each path is read once.
static struct sl_ynode *load_file(struct sl_load *l, const char *path, const char *base,
                                  struct sl_pos from)
{
    for (size_t i = 0; i < l->loaded.len; i++)
        if (!strcmp(l->loaded.at[i].path, path))
            return l->loaded.at[i].root;
    char *text;
    size_t len;
    if (l->loaded.len == SL_LOAD_MAX_FILES) {
        sl_load_fail(l, "schema_error", from, "more than %d Compose files", SL_LOAD_MAX_FILES);
        return NULL;
    }
    if (!l->files->read(l->files->ctx, path, SL_YAML_MAX_BYTES, &text, &len)) {
        sl_load_fail(l, l->loaded.len ? "path_missing" : "no_file", from,
                     "cannot read '%.200s' (not there, not a file, or larger than 1 MiB)", path);
        return NULL;
    }
    struct sl_ysource *src = sl_arena_alloc(l->a, sizeof *src);
    const char *slash = strrchr(path, '/');
    src->name = sl_arena_strdup(l->a, path);
    src->base = base ? base : slash ? sl_arena_strndup(l->a, path, (size_t)(slash - path)) : ".";
    struct sl_ydoc doc;
    bool ok = sl_yaml_parse(l->a, src, text, len, &doc, l->err);
    if (!ok)
        *l->reason = "yaml_error";
    sl_sha256_add(l->digest, path, strlen(path) + 1);
    sl_sha256_add(l->digest, text, len);
    free(text);
    struct sl_ynode *root = ok ? join_documents(l, src, &doc) : NULL;
    for (size_t i = 0; root && i < doc.n_warnings; i++)
        sl_load_note(l, SL_NOTE_WARNING, "duplicate-key", doc.warnings[i].key, NULL,
                     "the last one counts", doc.warnings[i].pos);
    if (!root || !check_version(l, root) || !lift_version_1(l, &root))
        return NULL;
    *SL_PUSH(&l->loaded) = (struct sl_loaded_file){src->name, root};
    return root;
}

static struct sl_ynode *load_expanded(struct sl_load *l, const char *path, const char *base,
                                      struct sl_pos from)
{
    struct sl_ynode *root = load_file(l, path, base, from);
    if (!root || root->interpolated)
        return root;
    sl_load_scan(l, root);
    root->interpolated = true;
    return sl_load_interpolate(l, root) ? root : NULL;
}

// ---- merging ------------------------------------------------------------------------------------

static bool replaced_whole(const char *key)
{
    static const char *const keys[] = {"command", "entrypoint", "test", NULL};
    return listed(keys, key);
}

static bool keyed(const char *key, char *separator)
{
    static const char *const pairs[] = {"environment", "args",        "labels",
                                        "sysctls",     "extra_hosts", NULL};
    static const char *const names[] = {"depends_on", "networks", NULL};
    *separator = listed(pairs, key) ? '=' : 0;
    return *separator || listed(names, key);
}

// A list of "k=v" or of names as the mapping it stands for.
static struct sl_ynode *as_map(struct sl_load *l, struct sl_ynode *n, char separator)
{
    if (n->kind != SL_Y_SEQ)
        return n;
    struct sl_ynode *m = sl_yaml_map(l->a, n, n->n);
    for (size_t i = 0; i < n->n; i++) {
        struct sl_ynode *v = n->items[i].value;
        if (v->kind != SL_Y_SCALAR)
            return n;
        const char *cut = separator ? strchr(v->text, separator) : NULL;
        struct sl_ynode *value = sl_yaml_scalar(l->a, v, cut ? cut + 1 : "");
        value->plain = !cut; // names only: null
        m->items[i] = (struct sl_yitem){
            cut ? sl_arena_strndup(l->a, v->text, (size_t)(cut - v->text)) : v->text, v->pos,
            value};
    }
    return m;
}

static bool spend(struct sl_load *l, size_t items, struct sl_pos pos)
{
    if (items > l->merge_budget)
        return sl_load_fail(l, "schema_error", pos, "merging expands to more than %d entries",
                            SL_LOAD_MERGE_BUDGET);
    l->merge_budget -= items;
    return true;
}

static struct sl_ynode *append(struct sl_load *l, struct sl_ynode *a, struct sl_ynode *b)
{
    if (!spend(l, a->n + b->n, b->pos))
        return NULL;
    struct sl_ynode *m = sl_yaml_map(l->a, b, a->n + b->n);
    m->kind = SL_Y_SEQ;
    m->interpolated = a->interpolated;
    if (a->n)
        memcpy(m->items, a->items, a->n * sizeof *a->items);
    if (b->n)
        memcpy(m->items + a->n, b->items, b->n * sizeof *b->items);
    m->height = (uint16_t)(a->height > b->height ? a->height : b->height);
    return m;
}

static struct sl_ynode *merge_maps(struct sl_load *l, struct sl_ynode *a, struct sl_ynode *b)
{
    if (!spend(l, a->n + b->n, b->pos))
        return NULL;
    struct sl_ynode *m = sl_yaml_map(l->a, a, a->n + b->n);
    m->interpolated = a->interpolated;
    m->n = a->n;
    if (a->n)
        memcpy(m->items, a->items, a->n * sizeof *a->items);
    for (size_t i = 0; i < b->n; i++) {
        struct sl_yitem *old = NULL;
        if (!spend(l, m->n / 16, b->pos)) // the search below, kept from growing with the square
            return NULL;
        for (size_t k = 0; k < m->n && !old; k++)
            old = strcmp(m->items[k].key, b->items[i].key) ? NULL : &m->items[k];
        if (!old) {
            m->items[m->n++] = b->items[i];
            continue;
        }
        struct sl_ynode *v = sl_load_merge(l, b->items[i].key, old->value, b->items[i].value);
        if (!v)
            return NULL;
        *old = (struct sl_yitem){old->key, b->items[i].pos, v};
    }
    size_t kept = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->items[i].value->tag != SL_YTAG_RESET)
            m->items[kept++] = m->items[i];
    m->n = kept;
    return m;
}

static struct sl_ynode *as_list(struct sl_load *l, struct sl_ynode *n)
{
    if (n->kind != SL_Y_SCALAR)
        return n;
    struct sl_ynode *m = sl_yaml_map(l->a, n, 1);
    m->kind = SL_Y_SEQ;
    m->interpolated = n->interpolated;
    m->items[0] = (struct sl_yitem){NULL, n->pos, n};
    return m;
}

struct sl_ynode *sl_load_merge(struct sl_load *l, const char *key, struct sl_ynode *a,
                               struct sl_ynode *b)
{
    char separator;
    if (b->tag == SL_YTAG_RESET || b->tag == SL_YTAG_OVERRIDE || replaced_whole(key))
        return b;
    if (sl_yaml_is_null(b))
        return a;
    if (keyed(key, &separator)) {
        a = as_map(l, a, separator);
        b = as_map(l, b, separator);
    }
    if (!strcmp(key, "env_file") || !strcmp(key, "tmpfs")) {
        a = as_list(l, a);
        b = as_list(l, b);
    }
    if (a->kind == SL_Y_MAP && b->kind == SL_Y_MAP)
        return merge_maps(l, a, b);
    if (a->kind == SL_Y_SEQ && b->kind == SL_Y_SEQ)
        return append(l, a, b);
    return b;
}

// ---- include ------------------------------------------------------------------------------------

static bool include_one(struct sl_load *l, const struct sl_ynode *n, const struct sl_ynode *folder,
                        int depth);

static bool include_all(struct sl_load *l, const struct sl_ynode *list, int depth)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct sl_ynode *n = list->items[i].value;
        const struct sl_ynode *path = n->kind == SL_Y_MAP ? sl_yaml_get(n, "path") : n;
        const struct sl_ynode *folder = sl_yaml_get(n, "project_directory");
        if (!path || path->kind == SL_Y_MAP)
            return sl_load_fail(l, "schema_error", n->pos, "include wants a path");
        if (path->kind == SL_Y_SCALAR && !include_one(l, path, folder, depth))
            return false;
        for (size_t k = 0; path->kind == SL_Y_SEQ && k < path->n; k++)
            if (!include_one(l, path->items[k].value, folder, depth))
                return false;
    }
    return true;
}

static bool include_one(struct sl_load *l, const struct sl_ynode *n, const struct sl_ynode *folder,
                        int depth)
{
    enum sl_file_kind kind;
    const char *base = NULL;
    if (n->kind != SL_Y_SCALAR || depth > 8)
        return sl_load_fail(l, "schema_error", n->pos,
                            depth > 8 ? "includes are nested more than 8 deep"
                                      : "include wants a path");
    const char *path = sl_load_path(l, n, n->text, &kind);
    if (!path || kind == SL_FILE_OUTSIDE)
        return sl_load_fail(l, "policy_denied", n->pos, "'%.200s' is outside the project", n->text);
    if (folder && folder->kind == SL_Y_SCALAR) {
        base = sl_load_path(l, folder, folder->text, &kind);
        if (!base || kind == SL_FILE_OUTSIDE)
            return sl_load_fail(l, "policy_denied", folder->pos, "'%.200s' is outside the project",
                                folder->text);
    }
    struct sl_ynode *root = load_expanded(l, path, base, n->pos);
    if (!root)
        return false;
    const struct sl_ynode *more = sl_yaml_get(root, "include");
    l->root = sl_load_merge(l, "", root, l->root); // what the including file says wins
    return l->root && (!more || include_all(l, more, depth + 1));
}

// ---- extends ------------------------------------------------------------------------------------

static struct sl_ynode *extended(struct sl_load *l, struct sl_ynode *root, const char *name,
                                 struct sl_pos pos, int depth);

static struct sl_ynode *extend_service(struct sl_load *l, struct sl_ynode *root,
                                       struct sl_ynode *service, int depth)
{
    struct sl_ynode *ext = sl_yaml_get(service, "extends");
    if (!ext || service->kind != SL_Y_MAP)
        return service;
    const struct sl_ynode *name = ext->kind == SL_Y_MAP ? sl_yaml_get(ext, "service") : ext;
    const struct sl_ynode *file = sl_yaml_get(ext, "file");
    if (!name || name->kind != SL_Y_SCALAR || (file && file->kind != SL_Y_SCALAR)) {
        sl_load_fail(l, "schema_error", ext->pos, "extends wants the name of a service");
        return NULL;
    }
    if (file) {
        enum sl_file_kind kind;
        const char *path = sl_load_path(l, file, file->text, &kind);
        if (!path || kind == SL_FILE_OUTSIDE) {
            sl_load_fail(l, "policy_denied", file->pos, "'%.200s' is outside the project",
                         file->text);
            return NULL;
        }
        root = load_expanded(l, path, NULL, file->pos);
    }
    struct sl_ynode *below = root ? extended(l, root, name->text, ext->pos, depth + 1) : NULL;
    if (!below)
        return NULL;
    struct sl_ynode *own = sl_yaml_map(l->a, service, service->n);
    own->interpolated = service->interpolated;
    own->n = 0;
    for (size_t i = 0; i < service->n; i++)
        if (service->items[i].value != ext)
            own->items[own->n++] = service->items[i];
    return sl_load_merge(l, "", below, own);
}

static struct sl_ynode *extended(struct sl_load *l, struct sl_ynode *root, const char *name,
                                 struct sl_pos pos, int depth)
{
    struct sl_ynode *service = sl_yaml_get(sl_yaml_get(root, "services"), name);
    if (depth > 16)
        sl_load_fail(l, "schema_error", pos, "extends goes round, or more than 16 deep");
    else if (!service)
        sl_load_fail(l, "schema_error", pos, "there is no service '%.60s' to extend", name);
    return depth > 16 || !service ? NULL : extend_service(l, root, service, depth);
}

static bool extend_all(struct sl_load *l)
{
    struct sl_ynode *services = sl_yaml_get(l->root, "services");
    if (!services || services->kind != SL_Y_MAP)
        return true;
    struct sl_ynode *out = NULL;
    for (size_t i = 0; i < services->n; i++) {
        struct sl_ynode *was = services->items[i].value;
        struct sl_ynode *now = extend_service(l, l->root, was, 0);
        if (!now)
            return false;
        if (now == was)
            continue;
        if (!out) { // the first that changes: a copy of the table, the old one stays for look-ups
            out = sl_yaml_map(l->a, services, services->n);
            memcpy(out->items, services->items, services->n * sizeof *out->items);
        }
        out->items[i].value = now;
    }
    for (size_t i = 0; out && i < l->root->n; i++)
        if (l->root->items[i].value == services)
            l->root->items[i].value = out;
    return true;
}

// ---- all of it ----------------------------------------------------------------------------------

static const char *override_of(struct sl_load *l, const char *file)
{
    static const char *const stems[] = {"docker-compose.", "compose.", NULL};
    static const char *const ends[] = {"yml", "yaml", NULL};
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    char resolved[SL_FILE_PATH_MAX];
    for (const char *const *s = stems; *s; s++) {
        const char *rest = name + strlen(*s);
        if (!sl_starts_with(name, *s) || !listed(ends, rest))
            continue;
        for (const char *const *e = ends; *e; e++) {
            const char *path =
                sl_arena_format(l->a, "%.*s%soverride.%s", (int)(name - file), file, *s, *e);
            if (l->files->look(l->files->ctx, path, resolved) == SL_FILE_REGULAR)
                return path;
        }
    }
    return NULL;
}

static void take_name(struct sl_load *l)
{
    const struct sl_ynode *n = sl_yaml_get(l->loaded.at[0].root, "name");
    char name[41];
    size_t len = 0;
    for (const char *p = n && n->kind == SL_Y_SCALAR && !strchr(n->text, '$') ? n->text : "";
         *p && len < 40; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (len && (c == '-' || c == '_')))
            name[len++] = c;
    }
    if (len)
        l->p->name = sl_arena_strndup(l->a, name, len);
}

bool sl_load_tree(struct sl_load *l, const char *file)
{
    struct sl_pos here = {file, 0, 0};
    struct sl_ynode *root = load_file(l, file, NULL, here);
    if (!root)
        return false;
    take_name(l);
    if (!sl_load_variables(l) || !load_expanded(l, file, NULL, here))
        return false;
    l->root = root;
    const char *over = override_of(l, file);
    if (over) {
        struct sl_ynode *more = load_expanded(l, over, root->src->base, here);
        l->root = more ? sl_load_merge(l, "", root, more) : NULL;
        if (!l->root)
            return false;
    }
    const struct sl_ynode *include = sl_yaml_get(l->root, "include");
    if (include && include->kind != SL_Y_SEQ)
        return sl_load_fail(l, "schema_error", include->pos, "include is a list");
    if (include && !include_all(l, include, 0))
        return false;
    return extend_all(l);
}
