// SPDX-License-Identifier: Apache-2.0
// One service: a table of the keys that are let through, and what each of them takes. A key that is
// not in the table, or whose value its reader does not know, stays out of the model and is
// recorded.
#include "compose/load.h"
#include "compose/words.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *place(struct sl_service_load *c, const char *key)
{
    return sl_load_place(c->l, "services.%s.%s", c->s->name, key);
}

static bool drop(struct sl_service_load *c, const char *step, const struct sl_yitem *it)
{
    return sl_load_drop(c->l, step, place(c, it->key), sl_load_show(c->l, it->value), NULL,
                        it->pos);
}

static bool want(struct sl_service_load *c, const struct sl_yitem *it, const char *what)
{
    return sl_load_fail(c->l, "schema_error", it->value->pos, "service '%s': %s wants %s",
                        c->s->name, it->key, what);
}

static bool is_text(const struct sl_yitem *it)
{
    return it->value->kind == SL_Y_SCALAR && !sl_yaml_is_null(it->value);
}

// ---- single values ------------------------------------------------------------------------------

static bool take_image(struct sl_service_load *c, const struct sl_yitem *it)
{
    if (sl_yaml_is_null(it->value))
        return true;
    if (!is_text(it))
        return want(c, it, "the name of an image");
    if (!sl_valid_image(it->value->text)) {
        if (sl_yaml_get(c->node, "build")) // only a name for what is built, and that gets ours
            return true;
        sl_load_fail(c->l, "schema_error", it->value->pos,
                     "service '%s': '%.100s' is no image name", c->s->name, it->value->text);
        sl_hint(c->l->err,
                "an image is written like postgres:16 or ghcr.io/owner/app:1.2, in lower case");
        return false;
    }
    c->s->image = it->value->text;
    return true;
}

static bool take_words(struct sl_service_load *c, const struct sl_yitem *it)
{
    struct sl_words *w = !strcmp(it->key, "command") ? &c->s->command : &c->s->entrypoint;
    const struct sl_ynode *n = it->value;
    if (sl_yaml_is_null(n))
        return true;
    if (n->kind == SL_Y_SCALAR) {
        if (sl_words_split(c->l->a, n->text, w, c->l->err))
            return true;
        struct sl_error why = *c->l->err;
        return sl_load_fail(c->l, "schema_error", n->pos, "service '%s': %s: %s", c->s->name,
                            it->key, why.msg);
    }
    if (n->kind != SL_Y_SEQ)
        return want(c, it, "text or a list");
    *w = (struct sl_words){sl_arena_alloc(c->l->a, n->n * sizeof *w->at), n->n, true};
    for (size_t i = 0; i < n->n; i++) {
        if (n->items[i].value->kind != SL_Y_SCALAR)
            return want(c, it, "a list of words");
        w->at[i] = n->items[i].value->text;
    }
    return true;
}

static bool take_restart(struct sl_service_load *c, const struct sl_yitem *it)
{
    bool b;
    const char *t = it->value->kind == SL_Y_SCALAR ? it->value->text : "";
    if (sl_yaml_is_null(it->value))
        return true;
    bool known = !strcmp(t, "no") || !strcmp(t, "always") || !strcmp(t, "unless-stopped") ||
                 !strcmp(t, "on-failure") ||
                 (sl_starts_with(t, "on-failure:") && strlen(t) < 16 &&
                  strspn(t + 11, "0123456789") == strlen(t + 11) && t[11]);
    if (known) {
        c->s->restart = t;
        return true;
    }
    const char *now = sl_truth(it->value, &b) ? (b ? "always" : "no") : NULL;
    if (!sl_load_step(c->l, "scalar"))
        return want(c, it, "no, always, on-failure or unless-stopped");
    sl_load_note(c->l, SL_NOTE_REPAIR, "scalar", place(c, it->key), t, now, it->value->pos);
    c->s->restart = now;
    return true;
}

static bool plain_value(const char *t)
{
    for (; *t; t++)
        if ((unsigned char)*t < 0x20)
            return false;
    return true;
}

static bool take_text(struct sl_service_load *c, const struct sl_yitem *it)
{
    struct sl_service *s = c->s;
    const struct {
        const char *key;
        const char **to;
        int check; // 0 host, 1 duration, 2 bytes, 3 user, 4 path, 5 signal
    } table[] = {{"hostname", &s->hostname, 0},
                 {"domainname", &c->domain, 0},
                 {"stop_grace_period", &s->stop_grace_period, 1},
                 {"shm_size", &s->shm_size, 2},
                 {"user", &s->user, 3},
                 {"working_dir", &s->working_dir, 4},
                 {"stop_signal", &s->stop_signal, 5},
                 {"container_name", &c->container_name, 0}};
    if (sl_yaml_is_null(it->value))
        return true;
    if (!is_text(it))
        return want(c, it, "text");
    const char *t = it->value->text;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].key, it->key))
            continue;
        int k = table[i].check;
        bool good =
            k == 0   ? sl_valid_host(t)
            : k == 1 ? sl_valid_duration(t)
            : k == 2 ? sl_valid_bytes(t)
            : k == 3
                ? strlen(t) < 64 &&
                      strspn(
                          t,
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-") ==
                          strlen(t) &&
                      t[0] != '-' && t[0]
            : k == 4 ? t[0] == '/' && strlen(t) < 1000 && plain_value(t)
                     : strlen(t) < 16 && t[0] &&
                           strspn(t, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+") == strlen(t);
        if (!good)
            return drop(c, "value", it);
        *table[i].to = t;
    }
    return true;
}

static bool take_flag(struct sl_service_load *c, const struct sl_yitem *it)
{
    bool b = false;
    if (sl_yaml_is_null(it->value))
        return true;
    if (!sl_truth(it->value, &b))
        return want(c, it, "true or false");
    if (!strcmp(it->key, "tty"))
        c->s->tty = b;
    else if (!strcmp(it->key, "stdin_open"))
        c->s->stdin_open = b;
    else if (!strcmp(it->key, "init"))
        c->s->init = b;
    else
        c->s->read_only = b;
    return true;
}

static bool take_privileged(struct sl_service_load *c, const struct sl_yitem *it)
{
    bool b = true;
    if (sl_yaml_is_null(it->value) || (sl_truth(it->value, &b) && !b))
        return true;
    c->s->privileged_dropped = true;
    return drop(c, "privileged", it);
}

static bool set_replicas(struct sl_service_load *c, const struct sl_yitem *it,
                         const struct sl_ynode *n)
{
    const char *t = n->kind == SL_Y_SCALAR ? n->text : "x";
    if (sl_yaml_is_null(n))
        return true;
    size_t digits = strspn(t, "0123456789");
    if (!digits || t[digits] || digits > 9)
        return want(c, it, "a number of replicas");
    int count = atoi(t);
    if (count > SL_LOAD_MAX_REPLICAS) {
        char most[16];
        snprintf(most, sizeof most, "%d", SL_LOAD_MAX_REPLICAS);
        if (!sl_load_drop(c->l, "replicas", place(c, "replicas"), t, most, n->pos))
            return false;
        count = SL_LOAD_MAX_REPLICAS;
    }
    c->s->replicas = count;
    return true;
}

static bool take_scale(struct sl_service_load *c, const struct sl_yitem *it)
{
    return set_replicas(c, it, it->value);
}

static bool take_deploy(struct sl_service_load *c, const struct sl_yitem *it)
{
    for (size_t i = 0; it->value->kind == SL_Y_MAP && i < it->value->n; i++) {
        const struct sl_yitem *sub = &it->value->items[i];
        if (!strcmp(sub->key, "replicas")) {
            if (!set_replicas(c, sub, sub->value))
                return false;
        } else if (!sl_load_drop(c->l, "deploy",
                                 sl_load_place(c->l, "services.%s.deploy.%s", c->s->name, sub->key),
                                 sl_load_show(c->l, sub->value), NULL, sub->pos)) {
            return false;
        }
    }
    return true;
}

// ---- environment --------------------------------------------------------------------------------

static bool put_env(struct sl_service_load *c, struct sl_pair pair)
{
    if (!pair.key[0] || strchr(pair.key, '=') || !plain_value(pair.key))
        return sl_load_drop(c->l, "value", place(c, "environment"), pair.key, NULL, pair.pos);
    for (size_t i = 0; i < c->env.len; i++) {
        if (!strcmp(c->env.at[i].key, pair.key)) {
            c->env.at[i] = pair;
            return true;
        }
    }
    if (c->env.len == SL_LOAD_MAX_LIST)
        return sl_load_fail(c->l, "schema_error", pair.pos,
                            "service '%s' has more than %d variables", c->s->name,
                            SL_LOAD_MAX_LIST);
    *SL_PUSH(&c->env) = pair;
    return true;
}

static bool looks_boolean(const struct sl_ynode *n)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", NULL};
    for (const char *const *w = words; n->plain && *w; w++)
        if (!strcasecmp(n->text, *w))
            return true;
    return false;
}

static bool note_booleans(struct sl_service_load *c, const struct sl_ynode *n)
{
    for (size_t i = 0; n->kind == SL_Y_MAP && i < n->n; i++) {
        const struct sl_ynode *v = n->items[i].value;
        if (v->kind != SL_Y_SCALAR || !looks_boolean(v) || v->raw)
            continue;
        const char *at =
            sl_load_place(c->l, "services.%s.environment.%s", c->s->name, n->items[i].key);
        if (!sl_load_step(c->l, "scalar"))
            return sl_load_fail(c->l, "schema_error", v->pos, "%s wants text: put '%s' in quotes",
                                at, v->text);
        sl_load_note(c->l, SL_NOTE_REPAIR, "scalar", at, v->text,
                     sl_arena_format(c->l->a, "\"%s\"", v->text), v->pos);
    }
    return true;
}

static bool take_environment(struct sl_service_load *c, const struct sl_yitem *it)
{
    struct sl_pair *pairs;
    size_t n;
    if (!note_booleans(c, it->value) ||
        !sl_load_pairs(c->l, place(c, it->key), it->value, '=', &pairs, &n))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!pairs[i].value)
            pairs[i].value =
                sl_load_var(c->l, pairs[i].key); // given by the user or .env, else unset
        if (!put_env(c, pairs[i]))
            return false;
    }
    return true;
}

static bool read_env_file(struct sl_service_load *c, const struct sl_ynode *n, bool required)
{
    struct sl_load *l = c->l;
    enum sl_file_kind kind;
    char *text;
    size_t len;
    const char *at = place(c, "env_file");
    const char *path = sl_load_path(l, n, sl_load_slashes(l, at, n, n->text), &kind);
    if (!path || kind == SL_FILE_OUTSIDE)
        return sl_load_drop(l, "env-file-outside", at, n->text, NULL, n->pos);
    bool have = kind == SL_FILE_REGULAR &&
                l->files->read(l->files->ctx, path, SL_YAML_MAX_BYTES, &text, &len);
    if (!have && !required)
        return true;
    if (!have) {
        const char *used;
        if (!sl_load_step(l, "env-file")) {
            sl_load_fail(l, "env_missing", n->pos, "service '%s': there is no env_file '%.200s'",
                         c->s->name, n->text);
            return false;
        }
        have = sl_load_env_text(l, path, &text, &len, &used);
        sl_load_note(l, SL_NOTE_REPAIR, "env-file", at, n->text, have ? used : "an empty file",
                     n->pos);
        path = used;
        if (!have)
            return true;
    }
    struct sl_env_list list;
    sl_sha256_add(l->digest, path, strlen(path) + 1);
    sl_sha256_add(l->digest, text, len);
    bool ok = sl_env_parse(l->a, path, text, len, sl_load_var, l, &l->interp.budget, &list, l->err);
    free(text);
    if (!ok)
        *l->reason = "env_missing";
    if (ok && list.bad_lines)
        sl_load_note(l, SL_NOTE_WARNING, "env-line", at, path,
                     "lines without a variable are left out", n->pos);
    for (size_t i = 0; ok && i < list.len; i++)
        ok = put_env(c, list.at[i]);
    return ok;
}

static bool take_env_file(struct sl_service_load *c, const struct sl_yitem *it)
{
    const struct sl_ynode *n = it->value;
    if (sl_yaml_is_null(n))
        return true;
    if (n->kind == SL_Y_SCALAR)
        return read_env_file(c, n, true);
    const struct sl_ynode one = {
        .kind = SL_Y_SEQ, .n = 1, .items = &(struct sl_yitem){NULL, n->pos, it->value}};
    if (n->kind == SL_Y_MAP)
        n = &one;
    if (n->n > 64)
        return want(c, it, "at most 64 files");
    for (size_t i = 0; i < n->n; i++) {
        const struct sl_ynode *v = n->items[i].value;
        const struct sl_ynode *path = v->kind == SL_Y_MAP ? sl_yaml_get(v, "path") : v;
        bool required = true;
        sl_truth(sl_yaml_get(v, "required"), &required);
        if (!path || path->kind != SL_Y_SCALAR)
            return want(c, it, "a path, or a list of them");
        if (!read_env_file(c, path, required))
            return false;
    }
    return true;
}

// ---- dependencies -------------------------------------------------------------------------------

static struct sl_depend *depend_on(struct sl_service_load *c, const char *name, struct sl_pos pos)
{
    for (size_t i = 0; i < c->depends.len; i++)
        if (!strcmp(c->depends.at[i].service, name))
            return &c->depends.at[i];
    struct sl_depend *d = SL_PUSH(&c->depends);
    *d = (struct sl_depend){.service = name, .pos = pos};
    return d;
}

static bool take_condition(struct sl_service_load *c, const struct sl_yitem *it)
{
    const struct sl_ynode *cond = sl_yaml_get(it->value, "condition");
    bool required = true;
    sl_truth(sl_yaml_get(it->value, "required"), &required);
    const struct sl_ynode *services = sl_yaml_get(c->l->root, "services");
    if (!required && !sl_yaml_get(services, it->key))
        return true;
    struct sl_depend *d = depend_on(c, it->key, it->pos);
    const char *t = cond && cond->kind == SL_Y_SCALAR ? cond->text : "service_started";
    if (!strcmp(t, "service_healthy"))
        d->condition = SL_DEPENDS_HEALTHY;
    else if (!strcmp(t, "service_completed_successfully"))
        d->condition = SL_DEPENDS_COMPLETED;
    else if (strcmp(t, "service_started"))
        return sl_load_fail(c->l, "schema_error", cond->pos,
                            "service '%s': '%.60s' is no condition", c->s->name, t);
    return true;
}

static bool take_depends(struct sl_service_load *c, const struct sl_yitem *it)
{
    const struct sl_ynode *n = it->value;
    if (sl_yaml_is_null(n))
        return true;
    if (n->kind == SL_Y_SCALAR) {
        depend_on(c, n->text, n->pos);
        return true;
    }
    if (n->n > SL_LOAD_MAX_SERVICES)
        return want(c, it, "fewer services");
    for (size_t i = 0; i < n->n; i++) {
        const struct sl_ynode *v = n->items[i].value;
        if (n->kind == SL_Y_MAP) {
            if (!take_condition(c, &n->items[i]))
                return false;
        } else if (v->kind == SL_Y_SCALAR) {
            depend_on(c, v->text, v->pos);
        } else {
            return want(c, it, "names of services");
        }
    }
    return true;
}

// "target" or "target:alias": the target's alias, and a dependency.
static bool take_links(struct sl_service_load *c, const struct sl_yitem *it)
{
    const struct sl_ynode *n = it->value;
    struct sl_words *w = !strcmp(it->key, "links") ? &c->links : &c->volumes_from;
    if (sl_yaml_is_null(n))
        return true;
    if (n->kind != SL_Y_SEQ || n->n > SL_LOAD_MAX_SERVICES)
        return want(c, it, "a list of services");
    *w = (struct sl_words){sl_arena_alloc(c->l->a, n->n * sizeof *w->at), n->n, true};
    c->links_pos = it->pos;
    for (size_t i = 0; i < n->n; i++) {
        const struct sl_ynode *v = n->items[i].value;
        if (v->kind != SL_Y_SCALAR)
            return want(c, it, "a list of services");
        w->at[i] = v->text;
        size_t len = strcspn(v->text, ":");
        depend_on(c, sl_arena_strndup(c->l->a, v->text, len), v->pos);
    }
    return true;
}

// ---- health -------------------------------------------------------------------------------------

static bool take_test(struct sl_service_load *c, const struct sl_yitem *it, struct sl_health *h)
{
    const struct sl_ynode *n = it->value;
    if (n->kind == SL_Y_SCALAR) {
        h->test = (struct sl_words){sl_arena_alloc(c->l->a, 2 * sizeof *h->test.at), 2, true};
        h->test.at[0] = "CMD-SHELL";
        h->test.at[1] = n->text;
        return true;
    }
    if (n->kind != SL_Y_SEQ || !n->n)
        return want(c, it, "text or a list that starts with CMD, CMD-SHELL or NONE");
    h->test =
        (struct sl_words){sl_arena_alloc(c->l->a, (n->n + 1) * sizeof *h->test.at), n->n, true};
    for (size_t i = 0; i < n->n; i++) {
        if (n->items[i].value->kind != SL_Y_SCALAR)
            return want(c, it, "a list of words");
        h->test.at[i] = n->items[i].value->text;
    }
    const char *first = h->test.at[0];
    if (!strcmp(first, "CMD") || !strcmp(first, "CMD-SHELL") || !strcmp(first, "NONE"))
        return true;
    if (!sl_load_step(c->l, "schema"))
        return want(c, it, "a list that starts with CMD, CMD-SHELL or NONE");
    sl_load_note(c->l, SL_NOTE_REPAIR, "schema", place(c, "healthcheck.test"), first, "CMD",
                 n->pos);
    memmove(h->test.at + 1, h->test.at, n->n * sizeof *h->test.at);
    h->test.at[0] = "CMD";
    h->test.len++;
    return true;
}

static bool take_health_key(struct sl_service_load *c, struct sl_health *h,
                            const struct sl_yitem *it, bool *disabled)
{
    const char **to = !strcmp(it->key, "interval")       ? &h->interval
                      : !strcmp(it->key, "timeout")      ? &h->timeout
                      : !strcmp(it->key, "start_period") ? &h->start_period
                                                         : NULL;
    if (sl_yaml_is_null(it->value))
        return true;
    if (!strcmp(it->key, "test"))
        return take_test(c, it, h);
    if (!strcmp(it->key, "disable"))
        return sl_truth(it->value, disabled) || want(c, it, "true or false");
    const char *t = it->value->kind == SL_Y_SCALAR ? it->value->text : "";
    bool digits = t[0] && strlen(t) < 6 && strspn(t, "0123456789") == strlen(t);
    if (!strcmp(it->key, "retries") && digits) {
        h->retries = atoi(t);
        return true;
    }
    if (to && digits && strcmp(t, "0")) { // "30" is meant as seconds
        if (!sl_load_step(c->l, "schema"))
            return want(c, it, "a duration like 30s");
        *to = sl_arena_format(c->l->a, "%ss", t);
        sl_load_note(c->l, SL_NOTE_REPAIR, "schema",
                     sl_load_place(c->l, "services.%s.healthcheck.%s", c->s->name, it->key), t, *to,
                     it->value->pos);
        return true;
    }
    if (to && sl_valid_duration(t)) {
        *to = t;
        return true;
    }
    return sl_load_drop(c->l, "healthcheck",
                        sl_load_place(c->l, "services.%s.healthcheck.%s", c->s->name, it->key),
                        sl_load_show(c->l, it->value), NULL, it->pos);
}

static bool take_health(struct sl_service_load *c, const struct sl_yitem *it)
{
    if (sl_yaml_is_null(it->value))
        return true;
    if (it->value->kind != SL_Y_MAP)
        return want(c, it, "a mapping");
    struct sl_health *h = sl_arena_alloc(c->l->a, sizeof *h);
    bool disabled = false;
    for (size_t i = 0; i < it->value->n; i++)
        if (!take_health_key(c, h, &it->value->items[i], &disabled))
            return false;
    if (disabled) {
        h->test = (struct sl_words){sl_arena_alloc(c->l->a, sizeof *h->test.at), 1, true};
        h->test.at[0] = "NONE";
    }
    c->s->health = h;
    return true;
}

static bool has_profile(const struct sl_ynode *n, const char *profile)
{
    if (n->kind == SL_Y_SCALAR)
        return !strcmp(n->text, profile);
    for (size_t i = 0; i < n->n; i++)
        if (n->items[i].value->kind == SL_Y_SCALAR && !strcmp(n->items[i].value->text, profile))
            return true;
    return false;
}

static bool take_profiles(struct sl_service_load *c, const struct sl_yitem *it)
{
    const struct sl_ynode *n = it->value;
    if (sl_yaml_is_null(n) || (n->kind != SL_Y_SCALAR && !n->n))
        return true;
    const char *const *on = c->l->opt->profiles;
    bool active = false;
    for (; on && *on && !active; on++)
        active = !strcmp(*on, "*") || has_profile(n, *on);
    c->profiles = n;
    c->s->enabled = active;
    return true;
}

// Nothing would run: whoever wrote the file starts one profile at a time, so the first one is
// taken.
void sl_load_first_profile(struct sl_load *l, struct sl_service_load *c, size_t n)
{
    bool asked = l->opt->profiles && l->opt->profiles[0];
    for (size_t i = 0; i < n; i++)
        asked |= c[i].s->enabled || !c[i].profiles;
    if (asked || !n || !sl_load_step(l, "profile"))
        return;
    const struct sl_ynode *p = c[0].profiles;
    p = p->kind == SL_Y_SCALAR ? p : p->items[0].value;
    if (p->kind != SL_Y_SCALAR)
        return;
    for (size_t i = 0; i < n; i++)
        c[i].s->enabled = has_profile(c[i].profiles, p->text);
    sl_load_note(l, SL_NOTE_REPAIR, "profile", "services", NULL,
                 sl_load_place(l, "profile %s is on", p->text), p->pos);
}

static bool skip_key(struct sl_service_load *c, const struct sl_yitem *it)
{
    (void)c, (void)it;
    return true;
}

// Keys that do no harm where they were meant but have no place in what we run: recorded.
static bool take_labels(struct sl_service_load *c, const struct sl_yitem *it)
{
    return sl_yaml_is_null(it->value) || drop(c, "labels", it);
}

static bool take_develop(struct sl_service_load *c, const struct sl_yitem *it)
{
    sl_load_note(c->l, SL_NOTE_REPAIR, "schema", place(c, it->key), sl_load_show(c->l, it->value),
                 NULL, it->pos);
    return true;
}

static const struct service_key {
    const char *key;
    bool (*take)(struct sl_service_load *c, const struct sl_yitem *it);
} service_keys[] = {
    {"image", take_image},
    {"build", sl_load_build},
    {"container_name", take_text},
    {"ports", sl_load_ports},
    {"environment", skip_key},
    {"volumes", sl_load_volumes},
    {"depends_on", take_depends},
    {"restart", take_restart},
    {"networks", sl_load_attach},
    {"healthcheck", take_health},
    {"env_file", skip_key},
    {"command", take_words},
    {"entrypoint", take_words},
    {"expose", sl_load_expose},
    {"working_dir", take_text},
    {"user", take_text},
    {"hostname", take_text},
    {"domainname", take_text},
    {"links", take_links},
    {"volumes_from", take_links},
    {"profiles", take_profiles},
    {"tty", take_flag},
    {"stdin_open", take_flag},
    {"init", take_flag},
    {"read_only", take_flag},
    {"stop_signal", take_text},
    {"stop_grace_period", take_text},
    {"shm_size", take_text},
    {"tmpfs", sl_load_tmpfs},
    {"extra_hosts", sl_load_extra_hosts},
    {"sysctls", sl_load_sysctls},
    {"network_mode", sl_load_network_mode},
    {"privileged", take_privileged},
    {"deploy", take_deploy},
    {"scale", take_scale},
    {"secrets", sl_load_secrets},
    {"configs", sl_load_secrets},
    {"labels", take_labels},
    {"develop", take_develop},
    {"extends", skip_key},
    {"platform", take_develop},
    {"pull_policy", take_develop},
};

// Keys we know and never let through; their own names are the policy steps.
static const char *const dropped_keys[] = {"cap_add",
                                           "cap_drop",
                                           "devices",
                                           "device_cgroup_rules",
                                           "pid",
                                           "ipc",
                                           "uts",
                                           "userns_mode",
                                           "cgroup",
                                           "cgroup_parent",
                                           "security_opt",
                                           "runtime",
                                           "logging",
                                           "ulimits",
                                           "oom_kill_disable",
                                           "oom_score_adj",
                                           "mem_limit",
                                           "mem_reservation",
                                           "memswap_limit",
                                           "mem_swappiness",
                                           "cpus",
                                           "cpu_count",
                                           "cpu_percent",
                                           "cpu_shares",
                                           "cpu_quota",
                                           "cpu_period",
                                           "cpu_rt_period",
                                           "cpu_rt_runtime",
                                           "cpuset",
                                           "blkio_config",
                                           "pids_limit",
                                           "dns",
                                           "dns_opt",
                                           "dns_search",
                                           "external_links",
                                           "mac_address",
                                           "isolation",
                                           "credential_spec",
                                           "group_add",
                                           "annotations",
                                           "label_file",
                                           "gpus",
                                           "storage_opt",
                                           "volume_driver",
                                           "use_api_socket",
                                           "provider",
                                           "post_start",
                                           "pre_stop",
                                           "attach",
                                           "models",
                                           "net",
                                           "log_driver",
                                           "log_opt",
                                           "dockerfile",
                                           "memory",
                                           NULL};

static bool take_unknown(struct sl_service_load *c, const struct sl_yitem *it)
{
    for (const char *const *k = dropped_keys; *k; k++)
        if (!strcmp(*k, it->key))
            return sl_yaml_is_null(it->value) || drop(c, *k, it);
    bool service = it->value->kind == SL_Y_MAP &&
                   (sl_yaml_get(it->value, "image") || sl_yaml_get(it->value, "build"));
    if (service || !sl_load_step(c->l, "schema")) {
        sl_load_fail(c->l, "schema_error", it->pos, "service '%s' has no key '%.60s'", c->s->name,
                     it->key);
        if (service)
            sl_hint(c->l->err, "it looks like a service of its own, indented too far");
        return false;
    }
    sl_load_note(c->l, SL_NOTE_REPAIR, "schema", place(c, it->key), sl_load_show(c->l, it->value),
                 NULL, it->pos);
    return true;
}

static bool take_item(struct sl_service_load *c, const struct sl_yitem *it)
{
    if (it->key[0] == 'x' && it->key[1] == '-')
        return true;
    for (size_t i = 0; i < sizeof service_keys / sizeof *service_keys; i++)
        if (!strcmp(service_keys[i].key, it->key))
            return service_keys[i].take(c, it);
    return take_unknown(c, it);
}

bool sl_load_service(struct sl_service_load *c, const struct sl_yitem *item)
{
    struct sl_load *l = c->l;
    c->node = item->value;
    c->s->name = item->key;
    c->s->pos = item->pos;
    c->s->replicas = 1;
    c->s->enabled = true;
    if (!sl_valid_name(item->key) || sl_starts_with(item->key, "sl-net-") ||
        sl_starts_with(item->key, "sl-drive-"))
        return sl_load_fail(l, "schema_error", item->pos, "'%.80s' cannot be the name of a service",
                            item->key);
    if (item->value->kind != SL_Y_MAP || !item->value->n)
        return sl_load_fail(l, "schema_error", item->pos, "service '%s' says nothing", item->key);
    static const char *const first[] = {"env_file",
                                        "environment"}; // in this order, wherever they stand
    for (int i = 0; i < 2; i++) {
        struct sl_yitem it = {first[i], item->pos, sl_yaml_get(item->value, first[i])};
        if (it.value && !(i ? take_environment : take_env_file)(c, &it))
            return false;
    }
    for (size_t i = 0; i < item->value->n; i++)
        if (!take_item(c, &item->value->items[i]))
            return false;
    return true;
}
