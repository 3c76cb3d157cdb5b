// SPDX-License-Identifier: Apache-2.0
#include "compose/envfile.h"
#include "base/str.h"
#include "compose/interpolate.h"
#include <ctype.h>
#include <string.h>

enum { MAX_VARIABLES = 2000 };

struct env_reader {
    struct sl_arena *arena;
    const char *file, *p, *end;
    int line;
    SL_VEC(struct sl_pair) pairs;
    size_t bad_lines;
    struct sl_interp interp;
    const char *(*lookup)(void *ctx, const char *name);
    void *ctx;
};

static const char *from_above(void *ctx, const char *name)
{
    struct env_reader *r = ctx;
    for (size_t i = r->pairs.len; i-- > 0;)
        if (!strcmp(r->pairs.at[i].key, name))
            return r->pairs.at[i].value;
    return r->lookup ? r->lookup(r->ctx, name) : NULL;
}

static bool keep_dollar(void *ctx)
{
    (void)ctx;
    return true;
}

static void skip_blanks(struct env_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\r'))
        r->p++;
}

static void skip_line(struct env_reader *r)
{
    while (r->p < r->end && *r->p != '\n')
        r->p++;
    if (r->p < r->end) {
        r->p++;
        r->line++;
    }
}

static bool key_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-';
}

// NULL: no key here.
static char *read_key(struct env_reader *r)
{
    if (r->end - r->p > 7 && !memcmp(r->p, "export", 6) && (r->p[6] == ' ' || r->p[6] == '\t')) {
        r->p += 7;
        skip_blanks(r);
    }
    const char *key = r->p;
    while (r->p < r->end && key_char(*r->p))
        r->p++;
    size_t len = (size_t)(r->p - key);
    skip_blanks(r);
    return len ? sl_arena_strndup(r->arena, key, len) : NULL;
}

// p stands behind the opening quote; false when the quote never closes.
static bool read_quoted(struct env_reader *r, char quote, struct sl_str *out)
{
    const char *close = r->p;
    while (close < r->end && *close != quote)
        close += quote == '"' && *close == '\\' && close + 1 < r->end ? 2 : 1;
    if (close >= r->end)
        return false;
    for (; r->p < close; r->p++) {
        char c = *r->p;
        if (c == '\n')
            r->line++;
        if (quote == '"' && c == '\\') {
            c = *++r->p;
            if (c == '$')
                sl_str_add(out, "$"); // doubled for the expansion that follows
            else if (c == 'n' || c == 'r' || c == 't')
                c = c == 'n' ? '\n' : c == 'r' ? '\r' : '\t';
            else if (c != '"' && c != '\\')
                sl_str_add(out, "\\");
        }
        sl_str_addn(out, &c, 1);
    }
    r->p = close + 1;
    return true;
}

static void read_plain(struct env_reader *r, struct sl_str *out)
{
    const char *start = r->p, *stop = r->p;
    while (stop < r->end && *stop != '\n') {
        if (*stop == '#' && (stop == start || isspace((unsigned char)stop[-1])))
            break;
        stop++;
    }
    r->p = stop;
    while (stop > start && isspace((unsigned char)stop[-1]))
        stop--;
    sl_str_addn(out, start, (size_t)(stop - start));
}

static bool read_value(struct env_reader *r, const char **value, struct sl_error *err)
{
    struct sl_str s = {.max = SL_INTERP_MAX_BYTES};
    char quote = r->p < r->end && (*r->p == '"' || *r->p == '\'') ? *r->p : 0;
    const char *start = r->p;
    if (quote) {
        r->p++;
        if (!read_quoted(r, quote, &s)) { // an apostrophe, not a quote
            r->p = start;
            sl_str_clear(&s);
            quote = 0;
        }
    }
    if (!quote)
        read_plain(r, &s);
    bool ok = true;
    if (s.truncated) {
        ok = sl_fail(err, SL_EINPUT, "a value is longer than %d bytes", SL_INTERP_MAX_BYTES);
        sl_at(err, r->file, r->line, 1);
    } else if (quote == '\'' || !memchr(sl_str_text(&s), '$', s.len)) {
        *value = sl_arena_strndup(r->arena, sl_str_text(&s), s.len);
    } else {
        ok = sl_interpolate(&r->interp, sl_str_text(&s), value, err);
        if (!ok)
            sl_at(err, r->file, r->line, 1);
    }
    sl_str_done(&s);
    return ok;
}

static bool read_pair(struct env_reader *r, struct sl_error *err)
{
    struct sl_pair pair = {.pos = {r->file, r->line, 1}};
    pair.key = read_key(r);
    bool assigned = pair.key && r->p < r->end && (*r->p == '=' || *r->p == ':');
    bool named = pair.key && (r->p >= r->end || *r->p == '\n' || *r->p == '#');
    if (assigned) {
        r->p++;
        skip_blanks(r);
        if (!read_value(r, &pair.value, err))
            return false;
    } else if (!named) {
        r->bad_lines++;
        skip_line(r);
        return true;
    }
    if (r->pairs.len == MAX_VARIABLES) {
        sl_fail(err, SL_EINPUT, "more than %d variables in one file", MAX_VARIABLES);
        sl_at(err, r->file, r->line, 1);
        return false;
    }
    *SL_PUSH(&r->pairs) = pair;
    skip_line(r);
    return true;
}

bool sl_env_parse(struct sl_arena *arena, const char *file, const char *text, size_t len,
                  const char *(*lookup)(void *ctx, const char *name), void *ctx, size_t *budget,
                  struct sl_env_list *out, struct sl_error *err)
{
    struct env_reader r = {.arena = arena, .file = file, .p = text, .end = text + len, .line = 1};
    r.lookup = lookup;
    r.ctx = ctx;
    r.interp = (struct sl_interp){.arena = arena, .ctx = &r, .lookup = from_above};
    r.interp.stray_dollar = keep_dollar;
    r.interp.budget = budget ? *budget : SL_INTERP_BUDGET;
    if (len >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3))
        r.p += 3;
    const char *nul = memchr(r.p, '\0', (size_t)(r.end - r.p));
    if (nul)
        r.end = nul;
    bool ok = true;
    while (ok && r.p < r.end) {
        skip_blanks(&r);
        if (r.p < r.end && (*r.p == '\n' || *r.p == '#'))
            skip_line(&r);
        else if (r.p < r.end)
            ok = read_pair(&r, err);
    }
    if (ok) {
        out->len = r.pairs.len;
        out->bad_lines = r.bad_lines;
        out->at = sl_arena_alloc(arena, r.pairs.len * sizeof *out->at);
        if (out->len)
            memcpy(out->at, r.pairs.at, out->len * sizeof *out->at);
        if (budget)
            *budget = r.interp.budget;
    }
    SL_VEC_DONE(&r.pairs);
    return ok;
}
