// SPDX-License-Identifier: Apache-2.0
// The way through the loader, and what all its parts use.
#include "compose/load.h"
#include "base/auto.h"
#include "base/fs.h"
#include <stdarg.h>
#include <string.h>

bool sl_load_fail(struct sl_load *l, const char *reason, struct sl_pos pos, const char *fmt, ...)
{
    char msg[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    *l->reason = reason;
    sl_fail(l->err, SL_EINPUT, "%s", msg);
    if (pos.file)
        sl_at(l->err, pos.file, pos.line, pos.col);
    return false;
}

bool sl_load_step(const struct sl_load *l, const char *step)
{
    for (const char *const *s = l->opt->skip_steps; s && *s; s++)
        if (!strcmp(*s, step))
            return false;
    return true;
}

void sl_load_note(struct sl_load *l, enum sl_note_kind kind, const char *step, const char *place,
                  const char *before, const char *after, struct sl_pos pos)
{
    if (l->notes.len < SL_LOAD_MAX_NOTES)
        *SL_PUSH(&l->notes) = (struct sl_note){kind, step, place, before, after, pos};
    else if (l->notes.len == SL_LOAD_MAX_NOTES)
        *SL_PUSH(&l->notes) =
            (struct sl_note){SL_NOTE_WARNING, "notes", "", NULL, "further notes are left out", pos};
}

bool sl_load_drop(struct sl_load *l, const char *step, const char *place, const char *before,
                  const char *after, struct sl_pos pos)
{
    static const char *const harmless[] = {
        "host-port", "container-name", "external-name", "labels", "logging", "deploy", NULL};
    bool refuse = l->opt->strict_policy;
    for (const char *const *h = harmless; *h;
         h++) // rewritten rather than refused: every second file has them
        refuse &= strcmp(*h, step) != 0;
    if (refuse) {
        sl_load_fail(l, "policy_denied", pos, "%s: %s%s%.200s is not allowed", place, step,
                     before ? " " : "", before ? before : "");
        sl_hint(l->err, "without strict policy it is dropped and recorded");
        return false;
    }
    sl_load_note(l, SL_NOTE_POLICY, step, place, before, after, pos);
    return true;
}

const char *sl_load_place(struct sl_load *l, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return sl_arena_strdup(l->a, text);
}

const char *sl_load_show(struct sl_load *l, const struct sl_ynode *n)
{
    if (!n || sl_yaml_is_null(n))
        return NULL;
    if (n->kind == SL_Y_SCALAR)
        return n->raw ? n->raw : n->text;
    struct sl_str s = {.max = 200};
    sl_str_add(&s, n->kind == SL_Y_MAP ? "{" : "[");
    for (size_t i = 0; i < n->n && s.len < 160; i++) {
        const struct sl_ynode *v = n->items[i].value;
        sl_str_addf(&s, "%s%.60s%s", i ? ", " : "", n->items[i].key ? n->items[i].key : "",
                    n->items[i].key ? ": " : "");
        sl_str_addf(&s, "%.60s",
                    v->kind == SL_Y_SCALAR ? v->text
                    : v->kind == SL_Y_MAP  ? "{...}"
                                           : "[...]");
    }
    sl_str_add(&s, n->kind == SL_Y_MAP ? "}" : "]");
    const char *text = sl_arena_strdup(l->a, sl_str_text(&s));
    sl_str_done(&s);
    return text;
}

bool sl_load_pairs(struct sl_load *l, const char *at, const struct sl_ynode *n, char separator,
                   struct sl_pair **out, size_t *n_out)
{
    *n_out = 0;
    *out = NULL;
    if (sl_yaml_is_null(n))
        return true;
    if (n->kind == SL_Y_SCALAR)
        return sl_load_fail(l, "schema_error", n->pos, "%s wants a mapping or a list", at);
    *out = sl_arena_alloc(l->a, n->n * sizeof **out);
    for (size_t i = 0; i < n->n; i++) {
        const struct sl_ynode *v = n->items[i].value;
        struct sl_pair *p = &(*out)[(*n_out)++];
        p->pos = n->items[i].pos;
        if (n->kind == SL_Y_MAP && v->kind != SL_Y_SCALAR && v->n)
            return sl_load_fail(l, "schema_error", v->pos, "%s.%.60s wants one value", at,
                                n->items[i].key);
        if (n->kind == SL_Y_MAP) {
            p->key = n->items[i].key;
            p->value = sl_yaml_is_null(v) ? NULL : v->kind == SL_Y_SCALAR ? v->text : "";
            continue;
        }
        if (v->kind == SL_Y_MAP && v->n == 1 &&
            v->items[0].value->kind == SL_Y_SCALAR) { // "- KEY: value"
            p->key = v->items[0].key;
            p->value = v->items[0].value->text;
            continue;
        }
        if (v->kind != SL_Y_SCALAR)
            return sl_load_fail(l, "schema_error", v->pos, "%s wants text like KEY%cvalue", at,
                                separator ? separator : ':');
        const char *cut = separator ? strchr(v->text, separator) : strpbrk(v->text, ":=");
        p->key = cut ? sl_arena_strndup(l->a, v->text, (size_t)(cut - v->text)) : v->text;
        p->value = cut ? cut + 1 : NULL;
    }
    return true;
}

static const char *project_name(struct sl_load *l, const char *dir, const char *file)
{
    SL_AUTO(sl_free_str) char *full = sl_path_join(dir, file);
    char *slash = strrchr(full, '/');
    if (slash)
        *slash = '\0';
    SL_AUTO(sl_free_str) char *real = sl_real_path(full);
    const char *text = real ? real : full, *base = strrchr(text, '/');
    char name[41];
    size_t len = 0;
    for (base = base ? base + 1 : text; *base && len < 40; base++) {
        char c = *base >= 'A' && *base <= 'Z' ? (char)(*base + 32) : *base;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (len && (c == '-' || c == '_')))
            name[len++] = c;
    }
    return len ? sl_arena_strndup(l->a, name, len) : "project";
}

static const char *default_file(struct sl_load *l)
{
    static const char *const names[] = {"compose.yaml", "compose.yml", "docker-compose.yml",
                                        "docker-compose.yaml", NULL};
    char resolved[SL_FILE_PATH_MAX];
    for (const char *const *n = names; *n; n++)
        if (l->files->look(l->files->ctx, *n, resolved) == SL_FILE_REGULAR)
            return *n;
    sl_load_fail(l, "no_file", (struct sl_pos){0}, "there is no Compose file in '%s'", l->p->dir);
    sl_hint(l->err, "looked for compose.yaml, compose.yml, docker-compose.yml and "
                    "docker-compose.yaml; name another file itself");
    return NULL;
}

static void service_load_done(struct sl_service_load *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        SL_VEC_DONE(&c[i].env);
        SL_VEC_DONE(&c[i].ports);
        SL_VEC_DONE(&c[i].mounts);
        SL_VEC_DONE(&c[i].networks);
        SL_VEC_DONE(&c[i].depends);
        SL_VEC_DONE(&c[i].hosts);
        SL_VEC_DONE(&c[i].sysctls);
    }
    free(c);
}

static bool load_services(struct sl_load *l)
{
    const struct sl_ynode *n = sl_yaml_get(l->root, "services");
    struct sl_pos top = {l->p->file, 1, 1};
    if (!n || n->kind != SL_Y_MAP || !n->n)
        return sl_load_fail(l, "schema_error", n ? n->pos : top,
                            "there are no services in the file");
    if (n->n > SL_LOAD_MAX_SERVICES)
        return sl_load_fail(l, "schema_error", n->pos, "more than %d services",
                            SL_LOAD_MAX_SERVICES);
    struct sl_service_load *c = sl_alloc(n->n * sizeof *c);
    struct sl_service *s = sl_arena_alloc(l->a, n->n * sizeof *s);
    size_t count = 0;
    bool ok = true;
    for (size_t i = 0; i < n->n && ok; i++) {
        if (!strncmp(n->items[i].key, "x-", 2) && n->items[i].value->kind != SL_Y_MAP)
            continue;
        c[count] = (struct sl_service_load){.l = l, .s = &s[count]};
        ok = sl_load_service(&c[count++], &n->items[i]);
    }
    l->p->services = s;
    if (ok && !count)
        ok = sl_load_fail(l, "schema_error", n->pos, "there are no services in the file");
    if (ok)
        sl_load_first_profile(l, c, count);
    ok = ok && sl_load_finish(l, c, count);
    service_load_done(c, count);
    return ok;
}

static bool load_all(struct sl_load *l, const char *file)
{
    if (file) {
        char plain[SL_FILE_PATH_MAX];
        if (!sl_files_join(".", file, plain))
            return sl_load_fail(l, "policy_denied", (struct sl_pos){0},
                                "'%s' is outside its folder", file);
        file = sl_arena_strdup(l->a, plain);
    } else {
        file = default_file(l);
    }
    if (!file)
        return false;
    l->p->file = file;
    l->p->name = project_name(l, l->p->dir, file);
    if (!sl_load_tree(l, file) || !sl_load_networks(l) || !sl_load_volume_table(l) ||
        !load_services(l))
        return false;
    sl_load_classify(l);
    sl_load_digest(l);
    return true;
}

// Inside, places are relative to the tree; outside, the user wants to open them.
static void place_error(const struct sl_load *l)
{
    if (!l->err->file[0] || l->err->file[0] == '/')
        return;
    SL_AUTO(sl_free_str)
    char *full =
        strcmp(l->p->dir, ".") ? sl_path_join(l->p->dir, l->err->file) : sl_strdup(l->err->file);
    sl_at(l->err, full, l->err->line, l->err->col);
}

struct sl_project *sl_project_load_from(const struct sl_files *files, const char *dir,
                                        const char *file, const struct sl_compose_options *opt,
                                        const char **reason, struct sl_error *err)
{
    static const struct sl_compose_options none;
    const char *ignored;
    struct sl_error own = {0};
    struct sl_project *p = sl_alloc(sizeof *p);
    p->dir = sl_arena_strdup(&p->arena, dir);
    struct sl_load l = {.p = p, .a = &p->arena, .opt = opt ? opt : &none, .files = files};
    l.reason = reason ? reason : &ignored;
    l.err = err ? err : &own;
    l.digest = sl_sha256_new();
    l.merge_budget = SL_LOAD_MERGE_BUDGET;
    l.interp = (struct sl_interp){.arena = l.a, .budget = SL_INTERP_BUDGET};
    *l.reason = "schema_error";
    bool ok = load_all(&l, file);
    if (!ok)
        place_error(&l);
    p->n_notes = l.notes.len;
    p->notes = sl_arena_alloc(l.a, l.notes.len * sizeof *p->notes);
    if (l.notes.len)
        memcpy(p->notes, l.notes.at, l.notes.len * sizeof *p->notes);
    char hex[65];
    if (l.digest)
        sl_sha256_end(l.digest, hex);
    SL_VEC_DONE(&l.notes);
    SL_VEC_DONE(&l.loaded);
    SL_VEC_DONE(&l.vars);
    SL_VEC_DONE(&l.numeric);
    SL_VEC_DONE(&l.contents);
    if (ok) {
        *l.reason = NULL;
        return p;
    }
    sl_project_free(p);
    return NULL;
}

struct sl_project *sl_project_load(const char *dir, const char *file,
                                   const struct sl_compose_options *opt, const char **reason,
                                   struct sl_error *err)
{
    struct sl_disk_files disk;
    struct sl_files files;
    if (!sl_disk_files_init(&disk, dir, &files, err)) {
        if (reason)
            *reason = "no_file";
        return NULL;
    }
    struct sl_project *p = sl_project_load_from(&files, dir, file, opt, reason, err);
    sl_disk_files_done(&disk);
    return p;
}

void sl_project_free(struct sl_project *p)
{
    if (!p)
        return;
    struct sl_arena arena = p->arena;
    sl_arena_done(&arena);
    free(p);
}

const struct sl_service *sl_project_service(const struct sl_project *p, const char *name)
{
    for (size_t i = 0; i < p->n_services; i++)
        if (!strcmp(p->services[i].name, name))
            return &p->services[i];
    return NULL;
}

const char *sl_service_env(const struct sl_service *s, const char *key)
{
    for (size_t i = 0; i < s->n_env; i++)
        if (!strcmp(s->env[i].key, key))
            return s->env[i].value;
    return NULL;
}
