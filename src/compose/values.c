// SPDX-License-Identifier: Apache-2.0
// Variables: where their values come from, and what stands in when nothing gives one.
//
// A generated value depends on (seed, project, name) alone, so an application and its database
// agree on the password. Names that stand where a number is wanted anywhere in the file get numbers
// everywhere; so the file is scanned before it is expanded.
#include "base/rng.h"
#include "compose/load.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum context { IN_TEXT, IN_PORT, IN_NUMBER, IN_IMAGE, IN_PATH };

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct sl_pair *)a)->key, ((const struct sl_pair *)b)->key);
}

const char *sl_load_var(void *load, const char *name)
{
    struct sl_load *l = load;
    struct sl_pair want = {.key = name};
    const struct sl_pair *v =
        l->vars.len ? bsearch(&want, l->vars.at, l->vars.len, sizeof want, by_key) : NULL;
    return v ? v->value : NULL;
}

static void add_vars(struct sl_load *l, const struct sl_pair *at, size_t n)
{
    size_t before = l->vars.len;
    for (size_t i = n; i-- > 0;) { // the last of a name counts; what is there already wins
        struct sl_pair want = {.key = at[i].key};
        bool there = before && bsearch(&want, l->vars.at, before, sizeof want, by_key);
        for (size_t k = before; !there && k < l->vars.len; k++)
            there = !strcmp(l->vars.at[k].key, at[i].key);
        if (!there && at[i].value)
            *SL_PUSH(&l->vars) = at[i];
    }
    if (l->vars.len)
        qsort(l->vars.at, l->vars.len, sizeof *l->vars.at, by_key);
}

static bool has_word(const char *name, const char *word)
{
    const char *p = strcasestr(name, word);
    size_t n = strlen(word);
    for (; p; p = strcasestr(p + 1, word))
        if ((p == name || p[-1] == '_') && (!p[n] || p[n] == '_' || (p[n] == 'S' && !p[n + 1])))
            return true;
    return false;
}

static bool any_word(const char *name, const char *const *words)
{
    for (; *words; words++)
        if (has_word(name, *words))
            return true;
    return false;
}

static const char *const number_words[] = {
    "UID",         "GID",    "PUID",    "PGID",    "TIMEOUT",  "COUNT", "NUM",
    "SIZE",        "WORKER", "REPLICA", "RETRIES", "INTERVAL", "TTL",   "SECONDS",
    "MINUTES",     "HOURS",  "DAYS",    "LIMIT",   "MAX",      "MIN",   "THREAD",
    "CONCURRENCY", "ROUNDS", "EXPIRE",  "EXPIRES", "EXPIRY",   NULL};
static const char *const truth_words[] = {"DEBUG",    "ENABLE", "ENABLED", "DISABLE",
                                          "DISABLED", "SSL",    "TLS",     NULL};
static const char *const version_words[] = {"TAG", "VERSION", NULL};

static bool is_numeric(const struct sl_load *l, const char *name)
{
    for (size_t i = 0; i < l->numeric.len; i++)
        if (!strcmp(l->numeric.at[i], name))
            return true;
    return false;
}

const char *sl_load_generated(struct sl_load *l, const char *name)
{
    char *stream = sl_format("compose.value:%s:%s", l->p->name, name);
    struct sl_rng rng = sl_rng_stream(l->opt->seed, stream, 0);
    free(stream);
    if (has_word(name, "PORT") || sl_ends_with(name, "PORT") || sl_ends_with(name, "port") ||
        is_numeric(l, name))
        return sl_arena_format(l->a, "%u", (unsigned)(20000 + sl_rng_below(&rng, 20000)));
    if (any_word(name, version_words))
        return "latest";
    if (any_word(name, number_words))
        return sl_arena_format(l->a, "%u", (unsigned)(10 + sl_rng_below(&rng, 90)));
    if (any_word(name, truth_words))
        return "false";
    return sl_arena_format(l->a, "sl%012llx",
                           (unsigned long long)(sl_rng_u64(&rng) & 0xffffffffffff));
}

bool sl_load_env_text(struct sl_load *l, const char *path, char **text, size_t *len,
                      const char **used)
{
    static const char *const suffixes[] = {".example", ".sample",  ".template", ".dist",
                                           ".default", "-example", "-sample",   NULL};
    static const char *const names[] = {".env.example",       ".env.sample",  ".env.template",
                                        ".env.dist",          "example.env",  "sample.env",
                                        "env.example",        "env.sample",   ".env.default",
                                        ".env.local.example", ".example.env", NULL};
    char at[SL_FILE_PATH_MAX];
    for (const char *const *s = suffixes; *s; s++) {
        snprintf(at, sizeof at, "%.4000s%s", path, *s);
        *used = sl_arena_strdup(l->a, at);
        if (l->files->read(l->files->ctx, *used, SL_YAML_MAX_BYTES, text, len))
            return true;
    }
    const char *slash = strrchr(path, '/');
    char beside[SL_FILE_PATH_MAX];
    snprintf(beside, sizeof beside, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    for (int root = 0; root < (slash ? 2 : 1); root++)
        for (const char *const *s = names; *s; s++) {
            if (!sl_files_join(root ? "." : beside, *s, at))
                continue;
            *used = sl_arena_strdup(l->a, at);
            if (l->files->read(l->files->ctx, at, SL_YAML_MAX_BYTES, text, len))
                return true;
        }
    return false;
}

static bool read_env(struct sl_load *l, const char *path, const char *text, size_t len)
{
    struct sl_env_list list;
    if (!sl_env_parse(l->a, path, text, len, sl_load_var, l, &l->interp.budget, &list, l->err)) {
        *l->reason = "env_missing";
        return false;
    }
    sl_sha256_add(l->digest, path, strlen(path) + 1);
    sl_sha256_add(l->digest, text, len);
    add_vars(l, list.at, list.len);
    return true;
}

// .env beside the Compose file; its example file when something would stay without a value.
bool sl_load_variables(struct sl_load *l)
{
    const struct sl_ysource *src = l->loaded.at[0].root->src;
    char *text, path[SL_FILE_PATH_MAX];
    size_t len;
    const char *used = path;
    add_vars(l, l->opt->vars, l->opt->n_vars);
    if (!sl_files_join(src->base, ".env", path))
        return true;
    used = sl_arena_strdup(l->a, path);
    bool have = l->files->read(l->files->ctx, path, SL_YAML_MAX_BYTES, &text, &len);
    if (!have) {
        sl_load_scan(l, l->loaded.at[0].root);
        if (!l->unmet_variables || !sl_load_step(l, "env-file") ||
            !sl_load_env_text(l, path, &text, &len, &used))
            return true;
        sl_load_note(l, SL_NOTE_REPAIR, "env-file", ".env", path, used,
                     (struct sl_pos){src->name, 1, 1});
    }
    bool ok = read_env(l, used, text, len);
    free(text);
    return ok;
}

static enum context context_of(const char *key)
{
    static const struct {
        const char *key;
        enum context context;
    } table[] = {{"ports", IN_PORT},     {"expose", IN_PORT},      {"image", IN_IMAGE},
                 {"volumes", IN_PATH},   {"build", IN_PATH},       {"env_file", IN_PATH},
                 {"extends", IN_PATH},   {"scale", IN_NUMBER},     {"replicas", IN_NUMBER},
                 {"retries", IN_NUMBER}, {"mem_limit", IN_NUMBER}, {"cpus", IN_NUMBER},
                 {"args", IN_TEXT},      {"target", IN_TEXT}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].key, key))
            return table[i].context;
    return (enum context) - 1;
}

// ---- the scan: which names want numbers, and is anything without a value? -----------------------

struct scan {
    struct sl_load *l;
    enum context context;
};

static const char *scan_missing(void *ctx, const struct sl_interp_ref *ref)
{
    struct scan *s = ctx;
    s->l->unmet_variables = true;
    if ((s->context == IN_PORT || s->context == IN_NUMBER) && !is_numeric(s->l, ref->name) &&
        s->l->numeric.len < SL_LOAD_MAX_LIST)
        *SL_PUSH(&s->l->numeric) = ref->name;
    return "";
}

static const char *scan_lookup(void *ctx, const char *name)
{
    return sl_load_var(((struct scan *)ctx)->l, name);
}

static bool scan_dollar(void *ctx)
{
    (void)ctx;
    return true;
}

static void scan_node(struct scan *s, struct sl_interp *in, const struct sl_ynode *n)
{
    const char *ignored;
    if (n->kind == SL_Y_SCALAR && strchr(n->text, '$') &&
        !sl_interpolate(in, n->text, &ignored, NULL))
        return; // reported when it is really expanded
    for (size_t i = 0; i < n->n; i++) {
        enum context before = s->context;
        enum context now = n->items[i].key ? context_of(n->items[i].key) : (enum context) - 1;
        if (now != (enum context) - 1)
            s->context = now;
        scan_node(s, in, n->items[i].value);
        s->context = before;
    }
}

void sl_load_scan(struct sl_load *l, const struct sl_ynode *root)
{
    struct scan s = {.l = l};
    struct sl_interp in = {.arena = l->a, .budget = SL_INTERP_BUDGET, .ctx = &s};
    in.lookup = scan_lookup;
    in.missing = scan_missing;
    in.stray_dollar = scan_dollar;
    for (size_t i = 0; root->kind == SL_Y_MAP && i < root->n; i++)
        if (strncmp(root->items[i].key, "x-", 2))
            scan_node(&s, &in, root->items[i].value);
}

// ---- the expansion ------------------------------------------------------------------------------

struct frame { // where we are, for notes
    const struct frame *up;
    const char *key;
    size_t index;
};
struct walk {
    struct sl_load *l;
    const struct frame *at;
    const struct sl_ynode *node;
    enum context context;
    const char *step; // of the note this text deserves; NULL = none
    bool image_gap;
};

static void add_place(struct sl_str *s, const struct frame *f)
{
    if (f->up)
        add_place(s, f->up);
    if (f->key)
        sl_str_addf(s, "%s%s", s->len ? "." : "", f->key);
    else
        sl_str_addf(s, "[%zu]", f->index);
}

static const char *place_of(struct walk *w)
{
    struct sl_str s = {.max = 1000};
    if (w->at)
        add_place(&s, w->at);
    const char *place = sl_arena_strdup(w->l->a, sl_str_text(&s));
    sl_str_done(&s);
    return place;
}

static const char *walk_lookup(void *ctx, const char *name)
{
    return sl_load_var(((struct walk *)ctx)->l, name);
}

static const char *path_value(struct walk *w, const char *name)
{
    char *low = sl_arena_format(w->l->a, "./%s", name);
    for (char *p = low; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    const char *raw = w->node->text;
    size_t n = strlen(name), skip = raw[0] == '$' ? 1 + (raw[1] == '{') : 0;
    return skip && !strncmp(raw + skip, name, n) ? low : low + 2;
}

static const char *walk_missing(void *ctx, const struct sl_interp_ref *ref)
{
    struct walk *w = ctx;
    const char *step = w->context == IN_PORT ? "port-variable" : "variable";
    if (!sl_load_step(w->l, step))
        return NULL;
    w->step = step;
    if (w->context == IN_IMAGE && !any_word(ref->name, version_words)) {
        w->image_gap = true;
        return "";
    }
    if (w->context == IN_PATH)
        return path_value(w, ref->name);
    return sl_load_generated(w->l, ref->name);
}

static bool walk_dollar(void *ctx)
{
    struct walk *w = ctx;
    if (!sl_load_step(w->l, "dollar"))
        return false;
    w->step = w->step ? w->step : "dollar";
    return true;
}

// "${REGISTRY}/app:1" without a registry is "app:1"; "app:${X}" without X is "app".
static const char *close_image_gap(struct sl_load *l, const char *text)
{
    while (*text == '/')
        text++;
    size_t n = strlen(text);
    while (n && (text[n - 1] == ':' || text[n - 1] == '/' || text[n - 1] == '@'))
        n--;
    return sl_arena_strndup(l->a, text, n);
}

static bool expand_scalar(struct walk *w, struct sl_ynode *n)
{
    struct sl_load *l = w->l;
    const char *text;
    w->node = n;
    w->step = NULL;
    w->image_gap = false;
    l->interp.ctx = w;
    if (!sl_interpolate(&l->interp, n->text, &text, l->err)) {
        struct sl_error why = *l->err;
        sl_load_fail(l, l->interp.unmet ? "var_missing" : "schema_error", n->pos, "%s", why.msg);
        sl_hint(l->err, "%s", why.hint);
        return false;
    }
    if (w->image_gap)
        text = close_image_gap(l, text);
    if (w->step) {
        const char *after = text;
        if (w->context == IN_PORT && strrchr(text, ':'))
            after = strrchr(text, ':') + 1; // the host's part goes
        sl_load_note(l, SL_NOTE_REPAIR, w->step, place_of(w), n->text, after, n->pos);
    }
    n->raw = n->text;
    n->text = text;
    return true;
}

static bool expand_node(struct walk *w, struct sl_ynode *n)
{
    if (n->interpolated)
        return true;
    n->interpolated = true;
    if (n->kind == SL_Y_SCALAR)
        return !strchr(n->text, '$') || expand_scalar(w, n);
    const struct frame *up = w->at;
    enum context before = w->context;
    for (size_t i = 0; i < n->n; i++) {
        struct frame f = {up, n->items[i].key, i};
        enum context now = f.key ? context_of(f.key) : (enum context) - 1;
        if (now != (enum context) - 1)
            w->context = now;
        w->at = &f;
        bool ok = expand_node(w, n->items[i].value);
        w->at = up;
        w->context = before;
        if (!ok)
            return false;
    }
    return true;
}

bool sl_load_interpolate(struct sl_load *l, struct sl_ynode *root)
{
    struct walk w = {.l = l};
    l->interp.lookup = walk_lookup;
    l->interp.missing = walk_missing;
    l->interp.stray_dollar = walk_dollar;
    for (size_t i = 0; i < root->n; i++) {
        struct frame f = {NULL, root->items[i].key, 0};
        w.at = &f;
        if (strncmp(f.key, "x-", 2) && !expand_node(&w, root->items[i].value))
            return false;
    }
    return true;
}
