// SPDX-License-Identifier: Apache-2.0
/*
 * The canonical form: one statement a line, single spaces, number and unit joined, ASCII comparison
 * signs, at most one empty line between statements. Works on tokens, so comments stay where
 * they are: alone on a line, behind a statement, or inside one (which then goes on indented).
 */
#include "classes/classes.h"
#include "lang/lexer.h"
#include <string.h>

struct formatter {
    struct sl_str *out;
    bool started;   // something was written
    bool statement; // inside one
    bool open_line; // a finished statement waits for its comment or line end
    bool fresh;     // at the start of an (indented) line
    int rate;       // 1 after "with", 2 after its number
    bool type;      // after "generate"
};

static void close_line(struct formatter *f)
{
    if (f->open_line)
        sl_str_add(f->out, "\n");
    f->open_line = false;
}

static void empty_line(struct formatter *f, const struct sl_token *t)
{
    if (f->started && t->newlines_before > 1)
        sl_str_add(f->out, "\n");
}

static void put_comment(struct formatter *f, const struct sl_token *t)
{
    size_t len = t->len;
    while (len > 1 && strchr(" \t\f", t->at[len - 1]))
        len--;
    if (f->statement) {
        sl_str_add(f->out, f->fresh ? "" : " ");
        sl_str_addn(f->out, t->at, len);
        sl_str_add(f->out, "\n    ");
        f->fresh = true;
        return;
    }
    bool behind = f->open_line && t->newlines_before == 0;
    if (!behind) {
        close_line(f);
        empty_line(f, t);
    }
    sl_str_add(f->out, behind ? "  " : "");
    sl_str_addn(f->out, t->at, len);
    sl_str_add(f->out, "\n");
    f->open_line = false;
    f->started = true;
}

static void put_text(struct formatter *f, const struct sl_token *t)
{
    static const char *const signs[] = {"<", "<=", "=", ">=", ">"};
    if (t->kind == SL_TOKEN_COMPARE) {
        sl_str_add(f->out, signs[t->compare]);
        return;
    }
    char name[64];
    if (f->type && t->kind == SL_TOKEN_WORD && t->len < sizeof name) {
        memcpy(name, t->at, t->len);
        name[t->len] = '\0';
        int cls = sl_class_find(name); // an alias is written out
        if (cls > SL_CLASS_UNKNOWN) {
            sl_str_add(f->out, sl_class_name(cls));
            return;
        }
    }
    sl_str_addn(f->out, t->at, t->len);
}

static void put(struct formatter *f, const struct sl_token *t)
{
    if (t->kind == SL_TOKEN_COMMENT) {
        put_comment(f, t);
        return;
    }
    if (t->kind == SL_TOKEN_SEMICOLON) {
        sl_str_add(f->out, ";");
        f->statement = f->fresh = false;
        f->open_line = true;
        f->rate = 0;
        return;
    }
    bool unit = f->rate == 2 && t->kind == SL_TOKEN_WORD;
    if (!f->statement) {
        close_line(f);
        empty_line(f, t);
    } else if (!f->fresh && !unit) {
        sl_str_add(f->out, " ");
    }
    put_text(f, t);
    f->started = f->statement = true;
    f->fresh = false;
    f->type = sl_token_is(t, "generate");
    if (sl_token_is(t, "with"))
        f->rate = 1;
    else if (f->rate == 1 && t->kind == SL_TOKEN_NUMBER)
        f->rate = 2;
    else if (!(unit && t->len == 1)) // "M" "bps": the second half joins as well
        f->rate = 0;
}

void sl_spec_format(const struct sl_spec *s, struct sl_str *out)
{
    if (s->n_errors) { // what was not understood is not touched
        sl_str_addn(out, s->source, s->source_len);
        return;
    }
    struct sl_arena arena = {0};
    struct sl_diags diags = {.arena = &arena};
    struct sl_tokens tokens = {0};
    sl_lex(s->source, s->source_len, true, &diags, &tokens);
    struct formatter f = {.out = out};
    for (size_t i = 0; tokens.at[i].kind != SL_TOKEN_END; i++)
        put(&f, &tokens.at[i]);
    close_line(&f);
    SL_VEC_DONE(&tokens);
    SL_VEC_DONE(&diags.list);
    sl_arena_done(&arena);
}
