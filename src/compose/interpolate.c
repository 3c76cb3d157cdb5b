// SPDX-License-Identifier: Apache-2.0
#include "compose/interpolate.h"
#include "base/str.h"
#include <ctype.h>
#include <string.h>

static bool expand(struct sl_interp *in, const char *p, const char *end, struct sl_str *out,
                   int depth, struct sl_error *err);

static bool name_start(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static const char *name_end(const char *p, const char *end)
{
    while (p < end && (isalnum((unsigned char)*p) || *p == '_'))
        p++;
    return p;
}

// p stands on "${": the matching brace, or NULL. Only "${" opens: "{" alone is text.
static const char *closing_brace(const char *p, const char *end)
{
    int open = 0;
    for (; p < end; p++) {
        if (*p == '}' && --open == 0)
            return p;
        if (*p == '$' && p + 1 < end && p[1] == '{') {
            open++;
            p++;
        }
    }
    return NULL;
}

static bool bad_form(struct sl_error *err, const char *p, const char *end)
{
    int len = end - p > 60 ? 60 : (int)(end - p);
    sl_fail(err, SL_EINPUT, "'%.*s' is not a variable expression", len, p);
    sl_hint(err, "write $$ for a dollar sign");
    return false;
}

static bool put(struct sl_interp *in, struct sl_str *out, const char *text, size_t len,
                struct sl_error *err)
{
    if (len > in->budget || out->len + len > SL_INTERP_MAX_BYTES)
        return sl_fail(err, SL_EINPUT, "variables expand to more than %d bytes here, or %d in all",
                       SL_INTERP_MAX_BYTES, SL_INTERP_BUDGET);
    in->budget -= len;
    sl_str_addn(out, text, len);
    return true;
}

// The value of a name without default: set, generated, or nothing.
static bool put_value(struct sl_interp *in, const struct sl_interp_ref *ref, struct sl_str *out,
                      struct sl_error *err)
{
    const char *v = in->missing ? in->missing(in->ctx, ref) : NULL;
    if (v)
        return put(in, out, v, strlen(v), err);
    if (!ref->required)
        return true;
    in->unmet = true;
    sl_fail(err, SL_EINPUT, "the variable %s is required and not set%s%.200s", ref->name,
            ref->message && ref->message[0] ? ": " : "", ref->message ? ref->message : "");
    sl_hint(err, "set %s in a .env file beside the Compose file", ref->name);
    return false;
}

struct expr { // ${NAME op word}
    const char *name, *value;
    bool colon;
    char op; // '-', '?', '+' or 0
    const char *word, *word_end;
};

static bool put_expr(struct sl_interp *in, const struct expr *x, struct sl_str *out, int depth,
                     struct sl_error *err)
{
    bool have = x->value && (!x->colon || x->value[0]);
    if (x->op == '+')
        return have ? expand(in, x->word, x->word_end, out, depth + 1, err) : true;
    if (have)
        return put(in, out, x->value, strlen(x->value), err);
    if (x->op == '-')
        return expand(in, x->word, x->word_end, out, depth + 1, err);
    struct sl_interp_ref ref = {.name = x->name, .required = x->op == '?'};
    struct sl_str message = {.max = SL_INTERP_MAX_BYTES};
    bool ok = !x->op || expand(in, x->word, x->word_end, &message, depth + 1, err);
    if (ok && x->op) {
        ref.message = sl_str_text(&message);
        ok = put_value(in, &ref, out, err);
    } else if (ok) {
        ok = put_value(in, &ref, out, err);
    }
    sl_str_done(&message);
    return ok;
}

// p stands on "${", close on its brace.
static bool expand_braced(struct sl_interp *in, const char *p, const char *close,
                          struct sl_str *out, int depth, struct sl_error *err)
{
    const char *name = p + 2, *after = name_end(name, close);
    if (after == name || !name_start(*name))
        return bad_form(err, p, close + 1);
    struct expr x = {.name = sl_arena_strndup(in->arena, name, (size_t)(after - name))};
    x.colon = *after == ':';
    const char *op = after + x.colon;
    if (op < close) {
        if (*op != '-' && *op != '?' && *op != '+')
            return bad_form(err, p, close + 1);
        x.op = *op;
        x.word = op + 1;
        x.word_end = close;
    } else if (x.colon) {
        return bad_form(err, p, close + 1);
    }
    x.value = in->lookup ? in->lookup(in->ctx, x.name) : NULL;
    return put_expr(in, &x, out, depth, err);
}

static bool expand_named(struct sl_interp *in, const char *name, const char *after,
                         struct sl_str *out, struct sl_error *err)
{
    struct sl_interp_ref ref = {.name = sl_arena_strndup(in->arena, name, (size_t)(after - name))};
    const char *v = in->lookup ? in->lookup(in->ctx, ref.name) : NULL;
    return v ? put(in, out, v, strlen(v), err) : put_value(in, &ref, out, err);
}

static bool expand(struct sl_interp *in, const char *p, const char *end, struct sl_str *out,
                   int depth, struct sl_error *err)
{
    if (depth > SL_INTERP_MAX_DEPTH)
        return sl_fail(err, SL_EINPUT, "variable expressions are nested more than %d deep",
                       SL_INTERP_MAX_DEPTH);
    while (p < end) {
        const char *dollar = memchr(p, '$', (size_t)(end - p));
        const char *stop = dollar ? dollar : end;
        if (!put(in, out, p, (size_t)(stop - p), err))
            return false;
        if (!dollar)
            return true;
        p = dollar + 1;
        const char *close = p < end && *p == '{' ? closing_brace(dollar, end) : NULL;
        bool ok = true;
        if (p < end && *p == '$') {
            ok = put(in, out, "$", 1, err);
            p++;
        } else if (close) {
            ok = expand_braced(in, dollar, close, out, depth, err);
            p = close + 1;
        } else if (p < end && name_start(*p)) {
            const char *after = name_end(p, end);
            ok = expand_named(in, p, after, out, err);
            p = after;
        } else if (in->stray_dollar && in->stray_dollar(in->ctx)) {
            ok = put(in, out, "$", 1, err);
        } else {
            ok = bad_form(err, dollar, end);
        }
        if (!ok)
            return false;
    }
    return true;
}

bool sl_interpolate(struct sl_interp *in, const char *text, const char **out, struct sl_error *err)
{
    struct sl_str s = {.max = SL_INTERP_MAX_BYTES + 1};
    bool ok = expand(in, text, text + strlen(text), &s, 0, err);
    if (ok)
        *out = sl_arena_strndup(in->arena, sl_str_text(&s), s.len);
    sl_str_done(&s);
    return ok;
}
