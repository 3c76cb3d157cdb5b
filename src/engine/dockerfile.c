// SPDX-License-Identifier: Apache-2.0
/*
 * A Dockerfile is read line by line as the classic builder does: continuation lines are joined,
 * comment lines fall away (also between continued ones), the first word is the instruction.
 */
#include "engine/dockerfile.h"
#include "base/auto.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/images.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { MAX_FROM = 64, MAX_TEXT = 1 << 20, MAX_VALUE = 65536 };

struct lines {
    const char *at; // what is not read yet
    char escape;
    int line;           // of the text
    int first;          // where the instruction began
    struct sl_str text; // the instruction, joined
};

// "# escape=`" among the directives on top.
static char escape_of(const char *text)
{
    while (*text == '#') {
        const char *p = text + 1;
        p += strspn(p, " \t");
        if (!strncasecmp(p, "escape", 6)) {
            p += 6;
            p += strspn(p, " \t");
            if (*p == '=') {
                p++;
                p += strspn(p, " \t");
                return *p == '`' ? '`' : '\\';
            }
        }
        text = strchr(text, '\n');
        if (!text)
            break;
        text++;
    }
    return '\\';
}

// The next instruction with its arguments; false at the end.
static bool next_line(struct lines *l)
{
    sl_str_clear(&l->text);
    bool more = false;
    while (*l->at) {
        const char *nl = strchr(l->at, '\n');
        size_t n = nl ? (size_t)(nl - l->at) : strlen(l->at);
        const char *p = l->at, *end = l->at + n;
        l->at = nl ? nl + 1 : end;
        l->line++;
        while (p < end && isspace((unsigned char)*p))
            p++;
        while (end > p && isspace((unsigned char)end[-1]))
            end--;
        if (p == end || *p == '#')
            continue; // an empty line does not end a continued one
        if (!more)
            l->first = l->line;
        more = end[-1] == l->escape;
        if (l->text.len)
            sl_str_add(&l->text, " ");
        sl_str_addn(&l->text, p, (size_t)(end - p) - (more ? 1 : 0));
        if (!more)
            return true;
    }
    return l->text.len > 0;
}

static bool is(const char *line, const char *word, const char **rest)
{
    size_t n = strlen(word);
    if (strncasecmp(line, word, n) || !isspace((unsigned char)line[n]))
        return false;
    *rest = line + n + strspn(line + n, " \t");
    return true;
}

static const json_t *var(const json_t *vars, const char *name, size_t len)
{
    char key[256];
    if (len >= sizeof key)
        return NULL;
    memcpy(key, name, len);
    key[len] = '\0';
    const json_t *v = json_object_get(vars, key);
    return json_is_string(v) ? v : NULL;
}

#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

static void expand(const char *p, const char *end, const json_t *vars, int depth,
                   struct sl_str *out, bool *all_known);

// The brace that closes what p is inside of; NULL when there is none before end.
static const char *closing(const char *p, const char *end)
{
    for (int open = 1; p < end; p++) {
        open += *p == '{';
        open -= *p == '}';
        if (!open)
            return p;
    }
    return NULL;
}

// ${NAME}, ${NAME:-x}, ${NAME-x}, ${NAME:+x}; p is behind "${". Returns where to go on.
static const char *braced(const char *p, const char *end, const json_t *vars, int depth,
                          struct sl_str *out, bool *all_known)
{
    const char *close = closing(p, end);
    size_t n = strspn(p, WORD);
    if (!close || p + n > close) {
        *all_known = false;
        return end;
    }
    const char *value = json_string_value(var(vars, p, n)), *op = p + n;
    bool colon = *op == ':';
    char kind = op[colon];
    bool set = value && (!colon || value[0]);
    if (op == close) {
        *all_known = *all_known && value;
        sl_str_add(out, value ? value : "");
    } else if (kind == '-' && set) {
        sl_str_add(out, value);
    } else if (kind == '-' || (kind == '+' && set)) {
        expand(op + colon + 1, close, vars, depth + 1, out, all_known);
    } else if (kind != '+') {
        *all_known = false; // ${X?...}, ${X#...}: not understood
    }
    return close + 1;
}

static void expand(const char *p, const char *end, const json_t *vars, int depth,
                   struct sl_str *out, bool *all_known)
{
    if (depth > 8) {
        *all_known = false;
        return;
    }
    while (p < end) {
        size_t n = p[0] == '$' ? strspn(p + 1, WORD) : 0;
        if (*p == '\\' && p + 1 < end) {
            sl_str_addn(out, p + 1, 1);
            p += 2;
        } else if (*p == '"' || *p == '\'') {
            p++; // quotes group words; here they only fall away
        } else if (*p == '$' && p + 1 < end && p[1] == '{') {
            p = braced(p + 2, end, vars, depth, out, all_known);
        } else if (n) {
            const char *value = json_string_value(var(vars, p + 1, n));
            *all_known = *all_known && value;
            sl_str_add(out, value ? value : "");
            p += n + 1;
        } else {
            sl_str_addn(out, p++, 1);
        }
    }
}

char *sl_dockerfile_expand(const char *text, const json_t *vars, bool *all_known)
{
    struct sl_str out = {.max = MAX_VALUE};
    *all_known = true;
    expand(text, text + strlen(text), vars, 0, &out, all_known);
    return sl_str_take(&out);
}

static const char *arg_value(const json_t *args, const char *name)
{
    if (json_is_object(args))
        return json_string_value(json_object_get(args, name));
    size_t i, n = strlen(name);
    json_t *v;
    json_array_foreach(args, i, v) // "K=V"
    {
        const char *s = json_string_value(v);
        if (s && !strncmp(s, name, n) && s[n] == '=')
            return s + n + 1;
    }
    return NULL;
}

// "ARG A=1 B" or "ENV A=1 B=2" or "ENV A 1": into vars. Given arguments win over an ARG's default.
static void define(json_t *vars, const char *rest, bool env, const json_t *args)
{
    SL_AUTO(sl_free_str) char *copy = sl_strdup(rest);
    for (char *p = copy; *p;) {
        size_t name_len = strcspn(p, "= \t");
        char after = p[name_len], *value = p + name_len + (after ? 1 : 0), *end = value;
        p[name_len] = '\0';
        if (after == '=') {
            char quote = '\0'; // the value ends at a blank outside quotes
            for (; *end && (quote || !isspace((unsigned char)*end)); end++) {
                if (*end == '\\' && end[1])
                    end++;
                else if (quote && *end == quote)
                    quote = '\0';
                else if (!quote && (*end == '"' || *end == '\''))
                    quote = *end;
            }
        } else if (env && after) {
            end = value + strlen(value); // the old form: all the rest is the value
        }
        char *next = *end ? end + 1 : end;
        *end = '\0';
        bool known;
        const char *given = env ? NULL : arg_value(args, p);
        SL_AUTO(sl_free_str) char *expanded = sl_dockerfile_expand(value, vars, &known);
        if (given)
            json_object_set_new(vars, p, json_string(given));
        else if (after == '=' || (env && after))
            json_object_set_new(vars, p, json_string(expanded));
        p = next + strspn(next, " \t");
    }
}

struct refs {
    char **at;
    size_t len, cap;
};

static void refs_done(struct refs *r)
{
    for (size_t i = 0; i < r->len; i++)
        free(r->at[i]);
    SL_VEC_DONE(r);
}

static bool has(const struct refs *r, const char *name, bool any_case)
{
    for (size_t i = 0; i < r->len; i++)
        if (any_case ? !strcasecmp(r->at[i], name) : !strcmp(r->at[i], name))
            return true;
    return false;
}

static void want(struct refs *images, const struct refs *stages, const char *name)
{
    if (strcasecmp(name, "scratch") && !has(stages, name, true) && !has(images, name, false))
        *SL_PUSH(images) = sl_strdup(name);
}

// FROM [--platform=P] IMAGE [AS STAGE]
static bool from_line(const char *rest, int line, const json_t *vars, struct refs *images,
                      struct refs *stages, struct sl_error *err)
{
    while (sl_starts_with(rest, "--")) {
        rest += strcspn(rest, " \t");
        rest += strspn(rest, " \t");
    }
    size_t n = strcspn(rest, " \t");
    SL_AUTO(sl_free_str) char *word = sl_strdup(rest);
    word[n] = '\0';
    bool known;
    SL_AUTO(sl_free_str) char *image = sl_dockerfile_expand(word, vars, &known);
    if (!image[0]) {
        sl_fail(err, SL_EINPUT, "FROM %.100s: no image is left when its variables are filled in",
                word);
        sl_at(err, "Dockerfile", line, 0);
        return false;
    }
    want(images, stages, image);
    const char *as;
    rest += n + strspn(rest + n, " \t");
    if (is(rest, "AS", &as) && *as) {
        SL_AUTO(sl_free_str) char *name = sl_strdup(as);
        name[strcspn(name, " \t")] = '\0';
        *SL_PUSH(stages) = sl_strdup(name);
    }
    return true;
}

// COPY --from=IMAGE takes files from an image that is neither a stage nor a stage's number.
static void copy_line(const char *rest, struct refs *images, const struct refs *stages)
{
    while (sl_starts_with(rest, "--")) {
        size_t n = strcspn(rest, " \t");
        if (sl_starts_with(rest, "--from=") && n > 7) {
            SL_AUTO(sl_free_str) char *name = sl_strdup(rest + 7);
            name[n - 7] = '\0';
            if (strspn(name, "0123456789") != strlen(name) && !strpbrk(name, "$\"'"))
                want(images, stages, name);
        }
        rest += n + strspn(rest + n, " \t");
    }
}

bool sl_images_from_lines(const char *text, const json_t *args, char ***out, size_t *n,
                          struct sl_error *err)
{
    SL_AUTO(refs_done) struct refs images = {0}, stages = {0};
    SL_AUTO(sl_json_decref) json_t *vars = json_object();
    struct lines l = {.at = text, .escape = escape_of(text), .text = {.max = MAX_TEXT}};
    bool ok = true, any = false;
    while (ok && next_line(&l)) {
        const char *rest, *line = sl_str_text(&l.text);
        if (is(line, "FROM", &rest)) {
            any = true;
            ok = from_line(rest, l.first, vars, &images, &stages, err);
        } else if (is(line, "COPY", &rest)) {
            copy_line(rest, &images, &stages);
        } else if (!any && is(line, "ARG", &rest)) {
            define(vars, rest, false, args); // only those before the first FROM count in FROM
        }
        if (ok && images.len + stages.len > 2 * MAX_FROM)
            ok = sl_fail(err, SL_EINPUT, "a Dockerfile with more than %d stages is not built",
                         MAX_FROM);
    }
    sl_str_done(&l.text);
    if (ok && !any)
        ok = sl_fail(err, SL_EINPUT, "the Dockerfile has no FROM line");
    if (!ok)
        return false;
    *out = images.at;
    *n = images.len;
    images = (struct refs){0};
    return true;
}

// Could this source be an address once the variables that are not known here are filled in?
static bool may_be_address(const char *word, const json_t *vars)
{
    bool known;
    SL_AUTO(sl_free_str) char *s = sl_dockerfile_expand(word, vars, &known);
    static const char *const schemes[] = {"http://", "https://", "ftp://",
                                          "git://",  "ssh://",   "git@"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t n = strlen(schemes[i]);
        if (!strncasecmp(s, schemes[i], n))
            return true;
        if (known)
            continue;
        size_t fixed = strcspn(word, "$\"'\\"); // what stands before the first unknown
        if (!strncasecmp(word, schemes[i], fixed < n ? fixed : n))
            return true;
    }
    return false;
}

int sl_dockerfile_remote_add(const char *text, const json_t *args)
{
    SL_AUTO(sl_json_decref) json_t *vars = json_object();
    struct lines l = {.at = text, .escape = escape_of(text), .text = {.max = MAX_TEXT}};
    int found = 0;
    while (!found && next_line(&l)) {
        const char *rest, *line = sl_str_text(&l.text);
        if (is(line, "ONBUILD", &rest))
            line = rest;
        if (is(line, "ARG", &rest)) {
            define(vars, rest, false, args);
        } else if (is(line, "ENV", &rest)) {
            define(vars, rest, true, args);
        } else if (is(line, "ADD", &rest)) {
            SL_AUTO(sl_free_str) char *copy = sl_strdup(rest);
            char *save = NULL;
            for (char *w = strtok_r(copy, " \t,[]", &save); w; w = strtok_r(NULL, " \t,[]", &save))
                if (!sl_starts_with(w, "--") && may_be_address(w, vars))
                    found = l.first;
        }
    }
    sl_str_done(&l.text);
    return found;
}
