// SPDX-License-Identifier: Apache-2.0
// What a service gets of the file system: volumes, binds, secrets, and the build's context. Every
// path ends up below the project's tree with its links resolved, or it is dropped.
#include "compose/load.h"
#include <ctype.h>
#include <string.h>

static const char *place(struct sl_service_load *c, const char *key)
{
    return sl_load_place(c->l, "services.%s.%s", c->s->name, key);
}

static bool drive_path(const char *t)
{
    return isalpha((unsigned char)t[0]) && t[1] == ':' && (t[2] == '\\' || t[2] == '/');
}

// "C:/data:/x" starts with a drive; "v:/data" and "v:/data:ro" with a volume of one letter.
static bool drive_source(const char *t)
{
    const char *colon = drive_path(t) ? strchr(t + 2, ':') : NULL;
    return drive_path(t) && (t[2] == '\\' || (colon && (colon[1] == '/' || drive_path(colon + 1))));
}

const char *sl_load_slashes(struct sl_load *l, const char *at, const struct sl_ynode *n,
                            const char *text)
{
    if (!strchr(text, '\\') || !sl_load_step(l, "path"))
        return text;
    char *p = sl_arena_strdup(l->a, text);
    for (char *q = p; *q; q++)
        if (*q == '\\')
            *q = '/';
    sl_load_note(l, SL_NOTE_REPAIR, "path", at, text, p, n->pos);
    return p;
}

const char *sl_load_path(struct sl_load *l, const struct sl_ynode *n, const char *text,
                         enum sl_file_kind *kind)
{
    char joined[SL_FILE_PATH_MAX], resolved[SL_FILE_PATH_MAX];
    *kind = SL_FILE_OUTSIDE;
    if (text[0] == '/' || text[0] == '~' || drive_path(text) ||
        !sl_files_join(n->src->base, text, joined))
        return NULL;
    *kind = l->files->look(l->files->ctx, joined, resolved);
    return *kind == SL_FILE_OUTSIDE ? NULL : sl_arena_strdup(l->a, resolved);
}

static void remember(struct sl_load *l, const char *path)
{
    for (size_t i = 0; i < l->contents.len; i++)
        if (!strcmp(l->contents.at[i], path))
            return;
    *SL_PUSH(&l->contents) = path;
}

// ---- mounts -------------------------------------------------------------------------------------

static bool valid_target(const char *t)
{
    if (t[0] != '/' || !t[1] || strlen(t) > 1000 || strchr(t, ':') || strstr(t, "/../") ||
        sl_ends_with(t, "/.."))
        return false;
    for (; *t; t++)
        if ((unsigned char)*t < 0x20)
            return false;
    return true;
}

static bool put_mount(struct sl_service_load *c, struct sl_mount m, const char *at)
{
    if (!m.target || !valid_target(m.target))
        return sl_load_drop(c->l, "mount-target", at, m.target, NULL, m.pos);
    for (size_t i = 0; i < c->mounts.len; i++) {
        if (!strcmp(c->mounts.at[i].target, m.target)) { // override files: the later one counts
            c->mounts.at[i] = m;
            return true;
        }
    }
    if (c->mounts.len == SL_LOAD_MAX_LIST / 4)
        return sl_load_fail(c->l, "schema_error", m.pos, "service '%s' has more than %d mounts",
                            c->s->name, SL_LOAD_MAX_LIST / 4);
    *SL_PUSH(&c->mounts) = m;
    return true;
}

static bool engine_socket(const char *t)
{
    return strstr(t, "docker.sock") || strstr(t, "containerd.sock") || strstr(t, "podman.sock") ||
           strstr(t, "docker_engine") || strstr(t, "crio.sock");
}

static bool bind(struct sl_service_load *c, struct sl_mount m, const struct sl_ynode *n,
                 const char *source, const char *at)
{
    enum sl_file_kind kind;
    if (engine_socket(source))
        return sl_load_drop(c->l, "engine-socket", at, source, NULL, m.pos);
    if (drive_path(source))
        return sl_load_drop(c->l, "drive-path", at, source, NULL, m.pos);
    source = sl_load_slashes(c->l, at, n, source);
    if (source[0] == '/' || source[0] == '~')
        return sl_load_drop(c->l, "absolute-bind", at, source, NULL, m.pos);
    const char *path = sl_load_path(c->l, n, source, &kind);
    if (!path || kind == SL_FILE_OUTSIDE)
        return sl_load_drop(c->l, "bind-outside", at, source, NULL, m.pos);
    if (kind == SL_FILE_OTHER || strchr(path, ':') || strchr(path, '\n'))
        return sl_load_drop(c->l, "bind-source", at, source, NULL, m.pos);
    m.kind = SL_MOUNT_BIND;
    m.source = path;
    if (kind != SL_FILE_NONE)
        remember(c->l, path);
    return put_mount(c, m, at);
}

static bool named_volume(struct sl_service_load *c, struct sl_mount m, const char *name,
                         const char *at)
{
    if (!sl_valid_name(name))
        return sl_load_fail(c->l, "schema_error", m.pos,
                            "service '%s': '%.80s' is no volume and no path (./...)", c->s->name,
                            name);
    if (!sl_yaml_get(sl_yaml_get(c->l->root, "volumes"), name)) {
        const struct sl_ynode *v = sl_yaml_get(c->l->root, "volumes");
        bool declared = false;
        for (size_t i = 0; v && v->kind == SL_Y_MAP && i < v->n; i++)
            declared |= !strcmp(v->items[i].key, name);
        if (!declared && !sl_load_step(c->l, "volume"))
            return sl_load_fail(c->l, "schema_error", m.pos, "the volume '%s' is not declared",
                                name);
        if (!declared)
            sl_load_note(c->l, SL_NOTE_REPAIR, "volume", at, name, "declared", m.pos);
    }
    m.kind = SL_MOUNT_VOLUME;
    m.source = name;
    return put_mount(c, m, at);
}

// SOURCE:TARGET[:MODE], or TARGET alone. A drive's colon parts nothing.
static bool short_volume(struct sl_service_load *c, const struct sl_ynode *n, const char *at)
{
    struct sl_mount m = {.kind = SL_MOUNT_VOLUME, .pos = n->pos};
    char *text = sl_arena_strdup(c->l->a, n->text);
    char *colon = strchr(text + (drive_source(text) ? 2 : 0), ':');
    if (!colon) {
        m.target = text;
        return put_mount(c, m, at);
    }
    *colon = '\0';
    char *target = colon + 1;
    char *mode = strchr(target + (drive_path(target) ? 2 : 0), ':');
    if (mode)
        *mode++ = '\0';
    m.target = target;
    m.read_only = mode && (!strcmp(mode, "ro") || strstr(mode, "ro,") || strstr(mode, ",ro"));
    if (!text[0])
        return sl_load_fail(c->l, "schema_error", n->pos, "service '%s': '%.100s' names no source",
                            c->s->name, n->text);
    if (text[0] == '.' || text[0] == '~' || strchr(text, '/') || strchr(text, '\\'))
        return bind(c, m, n, text, at);
    return named_volume(c, m, text, at);
}

static const char *text_of(const struct sl_ynode *map, const char *key)
{
    const struct sl_ynode *n = sl_yaml_get(map, key);
    return n && n->kind == SL_Y_SCALAR ? n->text : NULL;
}

static bool long_volume(struct sl_service_load *c, const struct sl_ynode *n, const char *at)
{
    struct sl_mount m = {.pos = n->pos, .target = text_of(n, "target")};
    const char *type = text_of(n, "type"), *source = text_of(n, "source");
    source = source ? source : text_of(n, "src");
    m.target = m.target ? m.target : text_of(n, "dst");
    sl_truth(sl_yaml_get(n, "read_only"), &m.read_only);
    if (!m.target)
        return sl_load_fail(c->l, "schema_error", n->pos, "service '%s': a volume needs a target",
                            c->s->name);
    if (type && !strcmp(type, "tmpfs")) {
        m.kind = SL_MOUNT_TMPFS;
        return put_mount(c, m, at);
    }
    if (source && ((type && !strcmp(type, "bind")) || (!type && strpbrk(source, "/\\"))))
        return bind(c, m, sl_yaml_get(n, sl_yaml_get(n, "source") ? "source" : "src"), source, at);
    if (!type || !strcmp(type, "volume")) {
        m.kind = SL_MOUNT_VOLUME;
        return source ? named_volume(c, m, source, at) : put_mount(c, m, at);
    }
    return sl_load_drop(c->l, "mount-type", at, type, NULL, n->pos);
}

bool sl_load_volumes(struct sl_service_load *c, const struct sl_yitem *it)
{
    const struct sl_ynode *n = it->value;
    if (sl_yaml_is_null(n))
        return true;
    if (n->kind != SL_Y_SEQ)
        return sl_load_fail(c->l, "schema_error", n->pos, "service '%s': volumes wants a list",
                            c->s->name);
    for (size_t i = 0; i < n->n; i++) {
        const struct sl_ynode *v = n->items[i].value;
        const char *at = sl_load_place(c->l, "services.%s.volumes[%zu]", c->s->name, i);
        if (sl_yaml_is_null(v))
            continue;
        if (v->kind == SL_Y_SEQ)
            return sl_load_fail(c->l, "schema_error", v->pos,
                                "service '%s': a volume is text or a mapping", c->s->name);
        if (!(v->kind == SL_Y_SCALAR ? short_volume(c, v, at) : long_volume(c, v, at)))
            return false;
    }
    return true;
}

bool sl_load_tmpfs(struct sl_service_load *c, const struct sl_yitem *it)
{
    const struct sl_ynode *n = it->value;
    size_t count = n->kind == SL_Y_SEQ ? n->n : n->kind == SL_Y_SCALAR && !sl_yaml_is_null(n);
    for (size_t i = 0; i < count; i++) {
        const struct sl_ynode *v = n->kind == SL_Y_SEQ ? n->items[i].value : n;
        if (v->kind != SL_Y_SCALAR)
            return sl_load_fail(c->l, "schema_error", v->pos, "service '%s': tmpfs wants paths",
                                c->s->name);
        struct sl_mount m = {.kind = SL_MOUNT_TMPFS, .pos = v->pos};
        m.target = sl_arena_strndup(c->l->a, v->text, strcspn(v->text, ":"));
        if (!put_mount(c, m, place(c, "tmpfs")))
            return false;
    }
    return true;
}

// Secrets and configs that are files of the tree become read-only binds.
static bool take_secret(struct sl_service_load *c, const struct sl_yitem *it,
                        const struct sl_ynode *n)
{
    bool secret = !strcmp(it->key, "secrets");
    const char *name = n->kind == SL_Y_SCALAR ? n->text : text_of(n, "source");
    const char *target = n->kind == SL_Y_MAP ? text_of(n, "target") : NULL;
    const struct sl_ynode *def = name ? sl_yaml_get(sl_yaml_get(c->l->root, it->key), name) : NULL;
    const struct sl_ynode *file = sl_yaml_get(def, "file");
    const char *at = place(c, it->key);
    if (!name || !file || file->kind != SL_Y_SCALAR)
        return sl_load_drop(c->l, it->key, at, name, NULL, n->pos);
    struct sl_mount m = {.read_only = true, .pos = n->pos};
    m.target = target && target[0] == '/' ? target
               : secret ? sl_load_place(c->l, "/run/secrets/%s", target ? target : name)
                        : sl_load_place(c->l, "/%s", target ? target : name);
    return bind(c, m, file, file->text, at);
}

bool sl_load_secrets(struct sl_service_load *c, const struct sl_yitem *it)
{
    const struct sl_ynode *n = it->value;
    if (sl_yaml_is_null(n))
        return true;
    if (n->kind != SL_Y_SEQ)
        return sl_load_fail(c->l, "schema_error", n->pos, "service '%s': %s wants a list",
                            c->s->name, it->key);
    for (size_t i = 0; i < n->n; i++)
        if (!take_secret(c, it, n->items[i].value))
            return false;
    return true;
}

// ---- build --------------------------------------------------------------------------------------

static bool remote_context(const char *t)
{
    return strstr(t, "://") || sl_starts_with(t, "git@") || sl_starts_with(t, "github.com/") ||
           strchr(t, '#') || sl_ends_with(t, ".git");
}

static bool missing(struct sl_service_load *c, const struct sl_ynode *n, const char *what,
                    const char *path)
{
    sl_load_fail(c->l, "path_missing", n->pos, "service '%s': there is no %s '%.200s'", c->s->name,
                 what, path);
    sl_hint(c->l->err, "paths start from the Compose file's folder");
    return false;
}

static bool take_context(struct sl_service_load *c, struct sl_build *b, const struct sl_ynode *n)
{
    enum sl_file_kind kind;
    const char *at = place(c, "build.context");
    if (remote_context(n->text)) {
        c->dropped = !sl_yaml_get(c->node, "image");
        return sl_load_drop(c->l, "remote-context", at, n->text, NULL, n->pos);
    }
    const char *text = sl_load_slashes(c->l, at, n, n->text);
    b->context = sl_load_path(c->l, n, text, &kind);
    if (!b->context || kind == SL_FILE_OUTSIDE) {
        b->context = NULL;
        c->dropped = !sl_yaml_get(c->node, "image");
        return sl_load_drop(c->l, "context-outside", at, n->text, NULL, n->pos);
    }
    if (kind != SL_FILE_FOLDER)
        return missing(c, n, "build context", n->text);
    remember(c->l, b->context);
    return true;
}

// A path from folder `from` to `to`, both below the tree; for a Dockerfile beside its context.
static const char *relative(struct sl_load *l, const char *from, const char *to)
{
    size_t n = strcmp(from, ".") ? strlen(from) : 0;
    if (!n || (!strncmp(from, to, n) && to[n] == '/'))
        return sl_arena_strdup(l->a, n ? to + n + 1 : to);
    struct sl_str s = {0};
    sl_str_add(&s, "..");
    for (const char *p = from; *p; p++)
        if (*p == '/')
            sl_str_add(&s, "/..");
    sl_str_addf(&s, "/%s", to);
    const char *path = sl_arena_strdup(l->a, sl_str_text(&s));
    sl_str_done(&s);
    return path;
}

static bool take_dockerfile(struct sl_service_load *c, struct sl_build *b,
                            const struct sl_ynode *map, const struct sl_ynode *context)
{
    const struct sl_ynode *n = sl_yaml_get(map, "dockerfile");
    enum sl_file_kind kind = SL_FILE_NONE;
    const struct sl_ysource src = {context->src->name, b->context};
    struct sl_ynode from = {.src = &src};
    const char *text = n && n->kind == SL_Y_SCALAR && n->text[0] ? n->text : "Dockerfile";
    if (n)
        text = sl_load_slashes(c->l, place(c, "build.dockerfile"), n, text);
    const char *path = sl_load_path(c->l, &from, text, &kind);
    if (!path || kind == SL_FILE_OUTSIDE) {
        b->context = NULL;
        c->dropped = !sl_yaml_get(c->node, "image");
        return sl_load_drop(c->l, "context-outside", place(c, "build.dockerfile"), text, NULL,
                            context->pos);
    }
    if (kind != SL_FILE_REGULAR)
        return missing(c, n ? n : context, "Dockerfile", text);
    if (n)
        b->dockerfile = relative(c->l, b->context, path);
    return true;
}

static bool take_build_keys(struct sl_service_load *c, struct sl_build *b,
                            const struct sl_ynode *map)
{
    static const char *const kept[] = {"context", "dockerfile", "dockerfile_inline",
                                       "target",  "args",       NULL};
    b->target = text_of(map, "target");
    if (b->target && !sl_valid_name(b->target))
        b->target = NULL;
    const struct sl_ynode *args = sl_yaml_get(map, "args");
    if (args && !sl_load_pairs(c->l, place(c, "build.args"), args, '=', &b->args, &b->n_args))
        return false;
    for (size_t i = 0; i < b->n_args; i++)
        if (!b->args[i].value)
            b->args[i].value = sl_load_var(c->l, b->args[i].key);
    for (size_t i = 0; i < map->n; i++) {
        bool known = !strncmp(map->items[i].key, "x-", 2);
        for (const char *const *k = kept; *k && !known; k++)
            known = !strcmp(*k, map->items[i].key);
        if (!known &&
            !sl_load_drop(
                c->l, "build",
                sl_load_place(c->l, "services.%s.build.%s", c->s->name, map->items[i].key),
                sl_load_show(c->l, map->items[i].value), NULL, map->items[i].pos))
            return false;
    }
    return true;
}

bool sl_load_build(struct sl_service_load *c, const struct sl_yitem *it)
{
    const struct sl_ynode *n = it->value;
    if (sl_yaml_is_null(n))
        return true;
    if (n->kind == SL_Y_SEQ)
        return sl_load_fail(c->l, "schema_error", n->pos,
                            "service '%s': build wants a path or a mapping", c->s->name);
    struct sl_build *b = sl_arena_alloc(c->l->a, sizeof *b);
    b->pos = it->pos;
    const struct sl_ynode *map = n->kind == SL_Y_MAP ? n : NULL;
    const struct sl_ynode *context = map ? sl_yaml_get(map, "context") : n;
    struct sl_ynode here = {.kind = SL_Y_SCALAR, .text = ".", .pos = n->pos, .src = n->src};
    if (!context || sl_yaml_is_null(context))
        context = &here;
    if (context->kind != SL_Y_SCALAR)
        return sl_load_fail(c->l, "schema_error", context->pos,
                            "service '%s': a build context is a path", c->s->name);
    if (!take_context(c, b, context) || (map && !take_build_keys(c, b, map)))
        return false;
    if (!b->context)
        return true;
    b->dockerfile_inline = map ? text_of(map, "dockerfile_inline") : NULL;
    if (b->dockerfile_inline)
        sl_load_note(c->l, SL_NOTE_REPAIR, "schema", place(c, "build.dockerfile_inline"), NULL,
                     "written out as a Dockerfile", sl_yaml_get(map, "dockerfile_inline")->pos);
    else if (!take_dockerfile(c, b, map, context))
        return false;
    if (b->context)
        c->s->build = b;
    return true;
}

// ---- the project's volumes ----------------------------------------------------------------------

static bool volume_keys(struct sl_load *l, struct sl_volume *v, const struct sl_ynode *n)
{
    for (size_t i = 0; n->kind == SL_Y_MAP && i < n->n; i++) {
        const struct sl_yitem *it = &n->items[i];
        const char *at = sl_load_place(l, "volumes.%s.%s", v->key, it->key);
        bool external = !strcmp(it->key, "external");
        if (external)
            v->external =
                it->value->kind == SL_Y_MAP || (sl_truth(it->value, &v->external) && v->external);
        const char *step = !strcmp(it->key, "driver_opts") ? "driver_opts"
                           : !strcmp(it->key, "driver") || !strcmp(it->key, "labels") ? it->key
                           : (external && v->external) || !strcmp(it->key, "name") ? "external-name"
                           : external || !strncmp(it->key, "x-", 2)                ? NULL
                                                                                   : "volume-key";
        bool local = !strcmp(it->key, "driver") && it->value->kind == SL_Y_SCALAR &&
                     (!strcmp(it->value->text, "local") || sl_yaml_is_null(it->value));
        if (step && !local && !sl_load_drop(l, step, at, sl_load_show(l, it->value), NULL, it->pos))
            return false;
    }
    return true;
}

bool sl_load_volume_table(struct sl_load *l)
{
    const struct sl_ynode *n = sl_yaml_get(l->root, "volumes");
    if (!n || sl_yaml_is_null(n))
        return true;
    if (n->kind != SL_Y_MAP || n->n > SL_LOAD_MAX_LIST)
        return sl_load_fail(l, "schema_error", n->pos, "volumes wants a mapping");
    struct sl_volume *all = sl_arena_alloc(l->a, n->n * sizeof *all);
    size_t kept = 0;
    for (size_t i = 0; i < n->n; i++) {
        if (!strncmp(n->items[i].key, "x-", 2))
            continue;
        if (!sl_valid_name(n->items[i].key))
            return sl_load_fail(l, "schema_error", n->items[i].pos,
                                "'%.80s' cannot be the name of a volume", n->items[i].key);
        all[kept] = (struct sl_volume){.key = n->items[i].key, .pos = n->items[i].pos};
        if (!volume_keys(l, &all[kept++], n->items[i].value))
            return false;
    }
    l->p->volumes = all;
    l->p->n_volumes = kept;
    return true;
}
