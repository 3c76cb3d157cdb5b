// SPDX-License-Identifier: Apache-2.0
// JSON Lines: an object a row (RFC 8259), missing is null.
#include "base/mem.h"
#include "base/str.h"
#include "export/number.h"
#include "export/writer.h"
#include <math.h>
#include <string.h>

struct jsonl {
    struct sl_str *keys; // {"name": or ,"name":
};

static char *put_word(char *p, const char *word, size_t len)
{
    memcpy(p, word, len);
    return p + len;
}

static char *put_value(struct sl_export *x, char *p, const struct sl_column *c,
                       const union sl_value *v)
{
    if (sl_value_missing(c, v))
        return put_word(p, "null", 4);
    switch (c->type) {
    case SL_COL_INT:
    case SL_COL_TIME:
        return sl_number_i64(p, v->i);
    case SL_COL_BOOL:
        return v->i ? put_word(p, "true", 4) : put_word(p, "false", 5);
    case SL_COL_REAL:
        return sl_column_put_real(p, c, v->f, false);
    case SL_COL_TEXT:
        x->out.len = (size_t)(p - x->out.buf);
        p = sl_out_need(&x->out, SL_JSON_TEXT_ROOM(v->s.len) + x->row_room);
        return sl_json_put_text(p, v->s.p, v->s.len);
    case SL_COL_LIST:
        x->out.len = (size_t)(p - x->out.buf);
        p = sl_out_need(&x->out, 21 * v->l.len + 2 + x->row_room);
        *p++ = '[';
        p = sl_list_put(p, &v->l, ',');
        *p++ = ']';
        return p;
    }
    return p;
}

static bool jsonl_open(struct sl_export *x, struct sl_error *err)
{
    (void)err;
    struct jsonl *j = x->own = sl_alloc(sizeof *j);
    j->keys = sl_alloc(x->n * sizeof *j->keys);
    for (size_t i = 0; i < x->n; i++) {
        const char *name = x->columns[i].name;
        char *text = sl_alloc(SL_JSON_TEXT_ROOM(strlen(name)) + 2), *p = text;
        *p++ = i ? ',' : '{';
        p = sl_json_put_text(p, name, strlen(name));
        *p++ = ':';
        sl_str_addn(&j->keys[i], text, (size_t)(p - text));
        x->row_room += j->keys[i].len;
        free(text);
    }
    return true;
}

static bool jsonl_row(struct sl_export *x, const union sl_value *row, struct sl_error *err)
{
    const struct jsonl *j = x->own;
    if (!sl_out_begin(&x->out, err))
        return false;
    char *p = sl_out_need(&x->out, x->row_room);
    for (size_t i = 0; i < x->n; i++) {
        p = put_word(p, j->keys[i].text, j->keys[i].len);
        p = put_value(x, p, &x->columns[i], &row[i]);
    }
    p = put_word(p, "}\n", 2);
    x->out.len = (size_t)(p - x->out.buf);
    return true;
}

static void jsonl_free(struct sl_export *x)
{
    struct jsonl *j = x->own;
    if (!j)
        return;
    for (size_t i = 0; i < x->n; i++)
        sl_str_done(&j->keys[i]);
    free(j->keys);
    free(j);
}

const struct sl_writer sl_writer_jsonl = {.name = "jsonl",
                                          .suffix = ".jsonl",
                                          .missing = "null",
                                          .parts = true,
                                          .open = jsonl_open,
                                          .row = jsonl_row,
                                          .free = jsonl_free};
