// SPDX-License-Identifier: Apache-2.0
/*
 * NumPy's file format (NEP 1): one structured array, a field a column.
 *
 * The number of rows stands in the header, which is padded so that it can be put in at the end.
 * Version 1.0 of the format; 2.0 when the header is longer than 64 KiB; 3.0 when a name is not
 * ASCII.
 */
#include "base/mem.h"
#include "base/str.h"
#include "export/number.h"
#include "export/writer.h"
#include <assert.h>
#include <endian.h>
#include <string.h>

enum { ALIGN = 64, BOOL_MISSING = 255 };

struct npy {
    size_t row_bytes, header_bytes;
    char *scratch; // a list as text
    size_t scratch_bytes;
};

static size_t text_width(const struct sl_column *c)
{
    return c->width ? c->width : SL_NPY_TEXT;
}

static void add_name(struct sl_str *s, const char *name)
{
    sl_str_add(s, "('");
    for (; *name; name++) {
        if (*name == '\'' || *name == '\\')
            sl_str_add(s, "\\");
        sl_str_addn(s, name, 1);
    }
    sl_str_add(s, "', '");
}

static bool is_ascii(const struct sl_export *x)
{
    for (size_t i = 0; i < x->n; i++)
        for (const char *p = x->columns[i].name; *p; p++)
            if (*p & 0x80)
                return false;
    return true;
}

// Padded to at least `bytes`, which must do when it was made before with more rows.
static void make_header(const struct sl_export *x, uint64_t rows, size_t bytes, struct sl_str *out)
{
    struct sl_str s = {0};
    sl_str_add(&s, "{'descr': [");
    for (size_t i = 0; i < x->n; i++) {
        const struct sl_column *c = &x->columns[i];
        add_name(&s, c->name);
        switch (c->type) {
        case SL_COL_INT:
            sl_str_add(&s, "<i8'), ");
            break;
        case SL_COL_REAL:
            sl_str_add(&s, "<f8'), ");
            break;
        case SL_COL_TIME:
            sl_str_add(&s, "<M8[ns]'), ");
            break;
        case SL_COL_BOOL:
            sl_str_add(&s, "|u1'), ");
            break;
        case SL_COL_TEXT:
        case SL_COL_LIST:
            sl_str_addf(&s, "|S%zu'), ", text_width(c));
            break;
        }
    }
    sl_str_addf(&s, "], 'fortran_order': False, 'shape': (%llu,), }", (unsigned long long)rows);
    char version = is_ascii(x) ? (char)(s.len + 200 > 65535 ? 2 : 1) : 3;
    size_t fixed = version == 1 ? 10 : 12;
    size_t all = (fixed + s.len + 1 + ALIGN - 1) / ALIGN * ALIGN;
    all = all < bytes ? bytes : all;
    while (fixed + s.len + 1 < all)
        sl_str_add(&s, " ");
    sl_str_add(&s, "\n");
    uint32_t le = htole32((uint32_t)s.len);
    sl_str_addn(out, "\x93NUMPY", 6);
    sl_str_addn(out, &version, 1);
    sl_str_addn(out, "\0", 1);
    sl_str_addn(out, (const char *)&le, fixed - 8);
    sl_str_addn(out, s.text, s.len);
    sl_str_done(&s);
}

static bool npy_open(struct sl_export *x, struct sl_error *err)
{
    (void)err;
    struct npy *n = x->own = sl_alloc(sizeof *n);
    for (size_t i = 0; i < x->n; i++) {
        const struct sl_column *c = &x->columns[i];
        bool text = c->type == SL_COL_TEXT || c->type == SL_COL_LIST;
        n->row_bytes += text ? text_width(c) : c->type == SL_COL_BOOL ? 1 : 8;
    }
    struct sl_str s = {0};
    make_header(x, UINT64_MAX, 0, &s);
    n->header_bytes = s.len;
    sl_out_add(&x->out, s.text, s.len);
    sl_str_done(&s);
    return true;
}

// Not within a character.
static size_t cut(const char *p, size_t len, size_t width)
{
    if (len <= width)
        return len;
    size_t n = width;
    while (n > 0 && width - n < 4 && ((unsigned char)p[n] & 0xc0) == 0x80)
        n--;
    return ((unsigned char)p[n] & 0xc0) == 0x80 ? width : n;
}

static char *put_padded(char *p, const char *s, size_t len, size_t width)
{
    len = s ? cut(s, len, width) : 0;
    if (len)
        memcpy(p, s, len);
    memset(p + len, 0, width - len);
    return p + width;
}

static char *put_list(struct npy *n, char *p, const struct sl_list *l, size_t width)
{
    if (!l->at)
        return put_padded(p, NULL, 0, width);
    if (21 * l->len > n->scratch_bytes) {
        n->scratch_bytes = 42 * l->len;
        n->scratch = sl_realloc(n->scratch, n->scratch_bytes);
    }
    size_t len = l->len ? (size_t)(sl_list_put(n->scratch, l, ' ') - n->scratch) : 0;
    if (len > width) { // not within a number
        len = width + (n->scratch[width] == ' ');
        while (len > 0 && n->scratch[len - 1] != ' ')
            len--;
        len -= len > 0;
    }
    return put_padded(p, n->scratch, len, width);
}

static char *put_eight(char *p, const void *value)
{
    uint64_t bits;
    memcpy(&bits, value, 8);
    bits = htole64(bits);
    memcpy(p, &bits, 8);
    return p + 8;
}

static bool npy_row(struct sl_export *x, const union sl_value *row, struct sl_error *err)
{
    struct npy *n = x->own;
    if (!sl_out_begin(&x->out, err))
        return false;
    char *p = sl_out_need(&x->out, n->row_bytes);
    static const double MISSING = __builtin_nan("");
    for (size_t i = 0; i < x->n; i++) {
        const struct sl_column *c = &x->columns[i];
        switch (c->type) {
        case SL_COL_INT:
        case SL_COL_TIME: // NaT has the bits of INT64_MIN
            p = put_eight(p, &row[i].i);
            break;
        case SL_COL_REAL:
            p = put_eight(p, sl_value_missing(c, &row[i]) ? &MISSING : &row[i].f);
            break;
        case SL_COL_BOOL:
            *p++ = (char)(row[i].i == INT64_MIN ? BOOL_MISSING : row[i].i != 0);
            break;
        case SL_COL_TEXT:
            p = put_padded(p, row[i].s.p, row[i].s.len, text_width(c));
            break;
        case SL_COL_LIST:
            p = put_list(n, p, &row[i].l, text_width(c));
            break;
        }
    }
    x->out.len = (size_t)(p - x->out.buf);
    return true;
}

static bool npy_close(struct sl_export *x, struct sl_error *err)
{
    struct npy *n = x->own;
    struct sl_str s = {0};
    make_header(x, x->rows, n->header_bytes, &s);
    assert(s.len == n->header_bytes);
    bool ok = sl_out_flush(&x->out, err) && sl_out_patch(&x->out, 0, s.text, s.len, err);
    sl_str_done(&s);
    return ok;
}

static void npy_free(struct sl_export *x)
{
    struct npy *n = x->own;
    if (n)
        free(n->scratch);
    free(n);
}

const struct sl_writer sl_writer_npy = {
    .name = "npy",
    .suffix = ".npy",
    .missing = "int: -9223372036854775808; real: NaN; time: NaT; bool: 255; text, list: empty",
    .seekable = true,
    .parts = true,
    .open = npy_open,
    .row = npy_row,
    .close = npy_close,
    .free = npy_free};
