// SPDX-License-Identifier: Apache-2.0
/*
 * TSV in the manner of Zeek's logs, for the columns that have a name there.
 *
 * Times    epoch seconds with six decimals, cut, not rounded; an interval column is in seconds
 *          whatever its unit (ns, us, ms, s) was.
 * Text     tabs, line ends, backslashes and what is not printable ASCII or UTF-8 are \xHH; empty is
 *          "(empty)"; text that would read as missing or empty is escaped.
 * Header   #open is the time of the first row and #close the latest of all, not of the writing: the
 *          same trace gives the same bytes.
 */
#include "base/mem.h"
#include "base/str.h"
#include "export/number.h"
#include "export/writer.h"
#include <math.h>
#include <string.h>
#include <time.h>

struct zeek {
    int64_t open_ns, close_ns; // INT64_MIN: no time seen
    bool began;
};

static const char HEX[] = "0123456789abcdef";

static char *put_hex(char *p, unsigned char c)
{
    p[0] = '\\', p[1] = 'x', p[2] = HEX[c >> 4], p[3] = HEX[c & 15];
    return p + 4;
}

static char *put_text(char *p, const char *s, size_t len) // room: 4 * len + 8
{
    if (!len) {
        memcpy(p, "(empty)", 7);
        return p + 7;
    }
    bool reserved = (len == 1 && *s == '-') || (len == 7 && !memcmp(s, "(empty)", 7));
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)s[i];
        bool valid;
        size_t n = sl_utf8_step(s + i, len - i, &valid);
        if (!valid || c < 0x20 || c == 0x7f || c == '\\' || (reserved && i == 0)) {
            for (size_t k = 0; k < n; k++)
                p = put_hex(p, (unsigned char)s[i + k]);
        } else {
            memcpy(p, s + i, n);
            p += n;
        }
        i += n;
    }
    return p;
}

static char *put_seconds(char *p, int64_t v, int64_t per_s)
{
    uint64_t abs = v < 0 ? 0 - (uint64_t)v : (uint64_t)v, unit = (uint64_t)per_s;
    if (v < 0)
        *p++ = '-';
    p = sl_number_u64(p, abs / unit);
    uint64_t micros = abs % unit * 1000000 / unit;
    *p++ = '.';
    for (uint64_t d = 100000; d; d /= 10)
        *p++ = (char)('0' + micros / d % 10);
    return p;
}

static int64_t per_second(const char *unit)
{
    return !unit                 ? 1
           : !strcmp(unit, "ns") ? 1000000000
           : !strcmp(unit, "us") ? 1000000
           : !strcmp(unit, "ms") ? 1000
                                 : 1;
}

static char *put_value(struct sl_export *x, char *p, const struct sl_column *c,
                       const union sl_value *v)
{
    bool interval = c->zeek_type && !strcmp(c->zeek_type, "interval");
    if (sl_value_missing(c, v)) {
        *p = '-';
        return p + 1;
    }
    switch (c->type) {
    case SL_COL_TIME:
        return put_seconds(p, v->i, 1000000000);
    case SL_COL_INT:
        return interval ? put_seconds(p, v->i, per_second(c->unit)) : sl_number_i64(p, v->i);
    case SL_COL_BOOL:
        *p = v->i ? 'T' : 'F';
        return p + 1;
    case SL_COL_REAL:
        if (interval)
            return sl_number_fixed(p, v->f / (double)per_second(c->unit), 6);
        return sl_column_put_real(p, c, v->f, false);
    case SL_COL_TEXT:
        x->out.len = (size_t)(p - x->out.buf);
        return put_text(sl_out_need(&x->out, 4 * v->s.len + 8 + x->row_room), v->s.p, v->s.len);
    case SL_COL_LIST:
        x->out.len = (size_t)(p - x->out.buf);
        p = sl_out_need(&x->out, 21 * v->l.len + 8 + x->row_room);
        return v->l.len ? sl_list_put(p, &v->l, ',') : put_text(p, "", 0);
    }
    return p;
}

static void add_stamp(struct sl_str *s, const char *what, int64_t ns)
{
    if (ns == INT64_MIN) // the rows have no times
        return;
    time_t t = (time_t)(ns / 1000000000);
    struct tm tm;
    char text[64];
    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%d-%H-%M-%S", &tm);
    sl_str_addf(s, "#%s\t%s\n", what, text);
}

static void add_header(struct sl_export *x)
{
    const struct zeek *z = x->own;
    struct sl_str s = {0};
    sl_str_add(&s, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n");
    sl_str_addf(&s, "#path\t%s\n", x->table);
    add_stamp(&s, "open", z->open_ns);
    sl_str_add(&s, "#fields");
    for (size_t i = 0; i < x->n; i++)
        if (x->columns[i].zeek_name)
            sl_str_addf(&s, "\t%s", x->columns[i].zeek_name);
    sl_str_add(&s, "\n#types");
    for (size_t i = 0; i < x->n; i++)
        if (x->columns[i].zeek_name)
            sl_str_addf(&s, "\t%s", x->columns[i].zeek_type ? x->columns[i].zeek_type : "string");
    sl_str_add(&s, "\n");
    if (!x->opt.no_header)
        sl_out_add(&x->out, s.text, s.len);
    sl_str_done(&s);
}

static void begin(struct sl_export *x)
{
    struct zeek *z = x->own;
    if (!z->began)
        add_header(x);
    z->began = true;
}

static bool zeek_open(struct sl_export *x, struct sl_error *err)
{
    struct zeek *z = x->own = sl_alloc(sizeof *z);
    z->open_ns = z->close_ns = INT64_MIN;
    for (size_t i = 0; i < x->n; i++)
        if (x->columns[i].zeek_name)
            return true;
    return sl_fail(err, SL_EUSAGE, "no column of table '%s' has a place in a Zeek log", x->table);
}

static void note_time(struct sl_export *x, const union sl_value *row)
{
    struct zeek *z = x->own;
    for (size_t i = 0; i < x->n; i++)
        if (x->columns[i].type == SL_COL_TIME && row[i].i != INT64_MIN) {
            z->close_ns = row[i].i > z->close_ns ? row[i].i : z->close_ns;
            if (!z->began && z->open_ns == INT64_MIN)
                z->open_ns = row[i].i;
        }
}

static bool zeek_row(struct sl_export *x, const union sl_value *row, struct sl_error *err)
{
    if (!sl_out_begin(&x->out, err))
        return false;
    note_time(x, row);
    begin(x);
    char *p = sl_out_need(&x->out, x->row_room);
    for (size_t i = 0; i < x->n; i++)
        if (x->columns[i].zeek_name) {
            p = put_value(x, p, &x->columns[i], &row[i]);
            *p++ = '\t';
        }
    p[-1] = '\n';
    x->out.len = (size_t)(p - x->out.buf);
    return true;
}

static bool zeek_close(struct sl_export *x, struct sl_error *err)
{
    (void)err;
    begin(x);
    struct sl_str s = {0};
    add_stamp(&s, "close", ((struct zeek *)x->own)->close_ns);
    if (!x->opt.no_header)
        sl_out_add(&x->out, s.text, s.len);
    sl_str_done(&s);
    return true;
}

static void zeek_free(struct sl_export *x)
{
    free(x->own);
}

const struct sl_writer sl_writer_zeek = {.name = "zeek",
                                         .suffix = ".log",
                                         .missing = "-",
                                         .open = zeek_open,
                                         .row = zeek_row,
                                         .close = zeek_close,
                                         .free = zeek_free};
