// SPDX-License-Identifier: Apache-2.0
// CSV as in RFC 4180, with LF alone at the end of lines. A missing value is an empty cell; text
// that is there and empty is "".
#include "export/number.h"
#include "export/writer.h"
#include <math.h>
#include <string.h>

static bool plain(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c >= 0x80 || c == '"' || c == ',' || c == '\n' || c == '\r')
            return false;
    }
    return len > 0;
}

static char *put_quoted(char *p, const char *s, size_t len)
{
    *p++ = '"';
    while (len) {
        bool valid;
        size_t n = sl_utf8_step(s, len, &valid);
        if (!valid) {
            memcpy(p, "\xef\xbf\xbd", 3);
            p += 3;
        } else {
            if (*s == '"')
                *p++ = '"';
            memcpy(p, s, n);
            p += n;
        }
        s += n;
        len -= n;
    }
    *p++ = '"';
    return p;
}

static char *put_text(struct sl_export *x, char *p, const char *s, size_t len)
{
    x->out.len = (size_t)(p - x->out.buf);
    p = sl_out_need(&x->out, 3 * len + 2 + x->row_room);
    if (!plain(s, len))
        return put_quoted(p, s, len);
    memcpy(p, s, len);
    return p + len;
}

static char *put_list(struct sl_export *x, char *p, const struct sl_list *l)
{
    x->out.len = (size_t)(p - x->out.buf);
    p = sl_out_need(&x->out, 21 * l->len + 2 + x->row_room);
    if (l->len)
        return sl_list_put(p, l, ' ');
    memcpy(p, "\"\"", 2);
    return p + 2;
}

static bool csv_row(struct sl_export *x, const union sl_value *row, struct sl_error *err)
{
    if (!sl_out_begin(&x->out, err))
        return false;
    char *p = sl_out_need(&x->out, x->row_room);
    bool java = x->opt.java_reals;
    for (size_t i = 0; i < x->n; i++, *p++ = ',') {
        const struct sl_column *c = &x->columns[i];
        switch (c->type) {
        case SL_COL_INT:
        case SL_COL_TIME:
        case SL_COL_BOOL:
            if (row[i].i != INT64_MIN)
                p = sl_number_i64(p, row[i].i);
            break;
        case SL_COL_REAL:
            if (java || isfinite(row[i].f))
                p = sl_column_put_real(p, c, row[i].f, java);
            break;
        case SL_COL_TEXT:
            if (row[i].s.p)
                p = put_text(x, p, row[i].s.p, row[i].s.len);
            break;
        case SL_COL_LIST:
            if (row[i].l.at)
                p = put_list(x, p, &row[i].l);
            break;
        }
    }
    p[-1] = '\n'; // instead of the last comma
    x->out.len = (size_t)(p - x->out.buf);
    return true;
}

static bool csv_open(struct sl_export *x, struct sl_error *err)
{
    (void)err;
    if (x->opt.no_header)
        return true;
    char *p = sl_out_need(&x->out, x->row_room);
    for (size_t i = 0; i < x->n; i++, *p++ = ',')
        p = put_text(x, p, x->columns[i].name, strlen(x->columns[i].name));
    p[-1] = '\n';
    x->out.len = (size_t)(p - x->out.buf);
    return true;
}

const struct sl_writer sl_writer_csv = {.name = "csv",
                                        .suffix = ".csv",
                                        .missing = "empty cell",
                                        .parts = true,
                                        .open = csv_open,
                                        .row = csv_row};
