// SPDX-License-Identifier: Apache-2.0
/*
 * A minimal Parquet writer: flat tables of OPTIONAL columns.
 *
 * Each column gathers the values of a page, about 256 KiB. A full page is encoded, compressed and
 * put behind the column's earlier pages; at the end of a row group the columns' pages go out one
 * column after the other, as the format wants it. So memory is what a row group takes compressed,
 * and one raw page a column.
 *
 * Levels   one bit a row, "is there": a run when all are alike, else bit-packed.
 * Values   PLAIN; text first goes through a dictionary, until that has too many entries: the
 *          column's pages from there on are PLAIN.
 * Footer   schema, row groups, least and greatest of numbers and times, provenance.
 * Source   Apache Parquet format 2.10: README, Encodings.md, LogicalTypes.md, parquet.thrift.
 */
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/zip.h"
#include "export/number.h"
#include "export/thrift.h"
#include "export/writer.h"
#include <assert.h>
#include <endian.h>
#include <math.h>
#include <string.h>

enum {
    PAGE_BYTES = 256 << 10,
    PAGE_ROWS = 1 << 20,
    GROUP_ROWS = 1 << 20,
    GROUP_BYTES = 128 << 20, // before compression
    DICT_ENTRIES = 1 << 15,
    DICT_BYTES = 1 << 20,
    DICT_SLOTS = 1 << 16, // twice the entries
    LEVEL = 3,
};
// parquet.thrift
enum { T_BOOLEAN = 0, T_INT64 = 2, T_DOUBLE = 5, T_BYTE_ARRAY = 6 };
enum { OPTIONAL = 1, CONVERTED_UTF8 = 0, CODEC_ZSTD = 6 };
enum { PLAIN = 0, RLE = 3, RLE_DICTIONARY = 8 };
enum { DATA_PAGE = 0, DICTIONARY_PAGE = 2 };

struct bytes { // like sl_str, without its cost and limit
    char *at;
    size_t len, cap;
};

static char *bytes_need(struct bytes *b, size_t n)
{
    if (b->cap - b->len < n) {
        while (b->cap - b->len < n)
            b->cap = b->cap ? 2 * b->cap : 1024;
        b->at = sl_realloc(b->at, b->cap);
    }
    return b->at + b->len;
}

static void bytes_add(struct bytes *b, const void *p, size_t n)
{
    memcpy(bytes_need(b, n), p, n);
    b->len += n;
}

struct dict {
    uint32_t *slots; // index + 1
    struct {
        size_t at, len;
    } * entries;       // into `text`, without the length in front
    struct bytes text; // as the dictionary's page holds it
    uint32_t n;
};

struct column {
    int type;
    // The page that is filled.
    uint8_t *present; // a byte a row
    size_t rows, rows_cap, values;
    struct bytes raw; // values; booleans a byte each; with a dictionary u32 indices
    // The chunk.
    struct bytes pages;
    struct dict dict;
    bool use_dict, dict_pages, plain_pages;
    uint64_t chunk_rows, nulls, raw_bytes;
    bool any;
    int64_t min_i, max_i;
    double min_f, max_f;
};

struct chunk {                                               // for the footer
    int64_t rows, nulls, raw_bytes, bytes, data_at, dict_at; // dict_at -1: none
    bool any, plain;
    uint64_t min, max; // bits
};
struct group {
    struct chunk *chunks;
    uint64_t rows;
};
struct parquet {
    struct column *columns;
    SL_VEC(struct group) groups;
    uint64_t group_rows, group_bytes;
    struct bytes page, packed; // scratch
    int level;
};

static int type_of(const struct sl_column *c)
{
    switch (c->type) {
    case SL_COL_REAL:
        return T_DOUBLE;
    case SL_COL_BOOL:
        return T_BOOLEAN;
    case SL_COL_TEXT:
    case SL_COL_LIST:
        return T_BYTE_ARRAY;
    default:
        return T_INT64;
    }
}

// Bits, least first, in bytes: for levels and booleans.
static void add_bits(struct bytes *b, const uint8_t *each, size_t n)
{
    uint8_t *to = (uint8_t *)bytes_need(b, n / 8 + 1);
    memset(to, 0, n / 8 + 1);
    for (size_t i = 0; i < n; i++)
        to[i / 8] = (uint8_t)(to[i / 8] | (each[i] & 1) << i % 8);
    b->len += (n + 7) / 8;
}

static void add_varint(struct bytes *b, uint64_t v)
{
    char *p = bytes_need(b, 10);
    for (; v >= 0x80; v >>= 7, b->len++)
        *p++ = (char)(0x80 | (v & 0x7f));
    *p = (char)v;
    b->len++;
}

static void add_levels(struct bytes *b, const struct column *c)
{
    size_t start = b->len;
    bytes_add(b, "\0\0\0\0", 4); // length, below
    if (c->values == c->rows || !c->values) {
        add_varint(b, (uint64_t)c->rows << 1);
        bytes_add(b, c->values ? "\1" : "\0", 1);
    } else {
        add_varint(b, (c->rows + 7) / 8 << 1 | 1);
        add_bits(b, c->present, c->rows);
    }
    uint32_t len = htole32((uint32_t)(b->len - start - 4));
    memcpy(b->at + start, &len, 4);
}

// Indices bit-packed, least bit first, in one run; a byte with the width in front.
static void add_indices(struct bytes *b, const struct column *c)
{
    unsigned width = c->dict.n > 1 ? 32 - (unsigned)__builtin_clz(c->dict.n - 1) : 1;
    size_t groups = (c->values + 7) / 8;
    bytes_add(b, (char[]){(char)width}, 1);
    add_varint(b, groups << 1 | 1);
    uint8_t *to = (uint8_t *)bytes_need(b, groups * width);
    b->len += groups * width;
    uint64_t held = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < groups * 8; i++) {
        uint32_t index = 0;
        if (i < c->values)
            memcpy(&index, c->raw.at + 4 * i, 4);
        held |= (uint64_t)index << bits;
        for (bits += width; bits >= 8; bits -= 8, held >>= 8)
            *to++ = (uint8_t)held;
    }
}

// Compresses x->page and puts it with its header behind the others.
static bool add_page(struct parquet *q, struct bytes *to, int kind, int encoding, size_t n,
                     uint64_t *raw_bytes, struct sl_error *err)
{
    q->packed.len = 0;
    size_t bound = sl_zstd_bound(q->page.len);
    char *room = bytes_need(&q->packed, bound);
    size_t packed = sl_zstd_compress(room, bound, q->page.at, q->page.len, q->level);
    if (!packed)
        return sl_fail(err, SL_ERUN, "cannot compress a page: memory is gone");
    struct sl_thrift t = {0};
    sl_thrift_i32(&t, 1, kind);
    sl_thrift_i32(&t, 2, (int32_t)q->page.len);
    sl_thrift_i32(&t, 3, (int32_t)packed);
    sl_thrift_struct(&t, kind == DATA_PAGE ? 5 : 7);
    sl_thrift_i32(&t, 1, (int32_t)n);
    sl_thrift_i32(&t, 2, encoding);
    if (kind == DATA_PAGE) {
        sl_thrift_i32(&t, 3, RLE);
        sl_thrift_i32(&t, 4, RLE);
    }
    sl_thrift_end(&t);
    sl_thrift_end(&t);
    bytes_add(to, t.out.text, t.out.len);
    bytes_add(to, room, packed);
    *raw_bytes += t.out.len + q->page.len;
    sl_str_done(&t.out);
    return true;
}

static bool end_page(struct parquet *q, struct column *c, struct sl_error *err)
{
    if (!c->rows)
        return true;
    q->page.len = 0;
    add_levels(&q->page, c);
    int encoding = c->use_dict ? RLE_DICTIONARY : PLAIN;
    if (c->use_dict)
        add_indices(&q->page, c);
    else if (c->type == T_BOOLEAN)
        add_bits(&q->page, (const uint8_t *)c->raw.at, c->raw.len);
    else
        bytes_add(&q->page, c->raw.len ? c->raw.at : "", c->raw.len);
    c->dict_pages |= c->use_dict;
    c->plain_pages |= !c->use_dict;
    if (!add_page(q, &c->pages, DATA_PAGE, encoding, c->rows, &c->raw_bytes, err))
        return false;
    c->chunk_rows += c->rows;
    c->nulls += c->rows - c->values;
    c->rows = c->values = c->raw.len = 0;
    return true;
}

// Writes what a chunk has, and tells the footer. The column is then as new.
static bool end_chunk(struct sl_export *x, struct column *c, struct chunk *k, struct sl_error *err)
{
    struct parquet *q = x->own;
    if (!end_page(q, c, err))
        return false;
    uint64_t at = x->out.written + x->out.len;
    struct bytes dictionary = {0};
    k->dict_at = -1;
    if (c->dict_pages) {
        q->page.len = 0;
        bytes_add(&q->page, c->dict.text.len ? c->dict.text.at : "", c->dict.text.len);
        if (!add_page(q, &dictionary, DICTIONARY_PAGE, PLAIN, c->dict.n, &c->raw_bytes, err)) {
            free(dictionary.at);
            return false;
        }
        k->dict_at = (int64_t)at;
    }
    k->data_at = (int64_t)(at + dictionary.len);
    k->bytes = (int64_t)(dictionary.len + c->pages.len);
    k->rows = (int64_t)c->chunk_rows, k->nulls = (int64_t)c->nulls;
    k->raw_bytes = (int64_t)c->raw_bytes;
    k->any = c->any, k->plain = c->plain_pages;
    c->min_f = c->min_f < 0 || c->min_f > 0 ? c->min_f : -0.0; // so that both zeros are within
    c->max_f = c->max_f < 0 || c->max_f > 0 ? c->max_f : 0.0;
    memcpy(&k->min, c->type == T_DOUBLE ? (void *)&c->min_f : (void *)&c->min_i, 8);
    memcpy(&k->max, c->type == T_DOUBLE ? (void *)&c->max_f : (void *)&c->max_i, 8);
    if (dictionary.len)
        sl_out_add(&x->out, dictionary.at, dictionary.len);
    free(dictionary.at);
    sl_out_add(&x->out, c->pages.at, c->pages.len);
    c->pages.len = c->dict.text.len = 0;
    c->dict.n = 0;
    if (c->dict.slots)
        memset(c->dict.slots, 0, DICT_SLOTS * sizeof *c->dict.slots);
    c->use_dict = c->type == T_BYTE_ARRAY;
    c->dict_pages = c->plain_pages = c->any = false;
    c->chunk_rows = c->nulls = c->raw_bytes = 0;
    return sl_out_begin(&x->out, err);
}

static bool end_group(struct sl_export *x, struct sl_error *err)
{
    struct parquet *q = x->own;
    if (!q->group_rows)
        return true;
    struct group *g = SL_PUSH(&q->groups);
    g->chunks = sl_alloc(x->n * sizeof *g->chunks);
    g->rows = q->group_rows;
    q->group_rows = q->group_bytes = 0;
    for (size_t i = 0; i < x->n; i++)
        if (!end_chunk(x, &q->columns[i], &g->chunks[i], err))
            return false;
    return true;
}

// The index of this text; UINT32_MAX when the dictionary is full.
static uint32_t dict_index(struct dict *d, const char *p, size_t len)
{
    if (!d->slots) {
        d->slots = sl_alloc(DICT_SLOTS * sizeof *d->slots);
        d->entries = sl_alloc(DICT_ENTRIES * sizeof *d->entries);
    }
    uint64_t hash = sl_fnv1a(p, len);
    uint32_t slot = (uint32_t)(hash ^ hash >> 32) % DICT_SLOTS;
    for (; d->slots[slot]; slot = (slot + 1) % DICT_SLOTS) {
        uint32_t i = d->slots[slot] - 1;
        if (d->entries[i].len == len && !memcmp(d->text.at + d->entries[i].at, p, len))
            return i;
    }
    if (d->n == DICT_ENTRIES || d->text.len + len > DICT_BYTES)
        return UINT32_MAX;
    uint32_t le = htole32((uint32_t)len);
    bytes_add(&d->text, &le, 4);
    d->entries[d->n].at = d->text.len;
    d->entries[d->n].len = len;
    bytes_add(&d->text, p, len);
    d->slots[slot] = d->n + 1;
    return d->n++;
}

static bool add_clean_text(struct parquet *q, struct column *c, const char *p, size_t len,
                           struct sl_error *err)
{
    q->group_bytes += len + 4;
    if (c->use_dict) {
        uint32_t index = dict_index(&c->dict, p, len);
        if (index != UINT32_MAX) {
            bytes_add(&c->raw, &index, 4);
            return true;
        }
        // The row that is added now is not yet in the page that ends.
        if (!end_page(q, c, err))
            return false;
        c->use_dict = false;
    }
    uint32_t le = htole32((uint32_t)len);
    bytes_add(&c->raw, &le, 4);
    bytes_add(&c->raw, p, len);
    return true;
}

static bool add_text(struct parquet *q, struct column *c, const struct sl_text *s,
                     struct sl_error *err)
{
    if (s->len > INT32_MAX / 8)
        return sl_fail(err, SL_ERUN, "a text of %zu bytes is too long for Parquet", s->len);
    if (sl_utf8_valid(s->p, s->len))
        return add_clean_text(q, c, s->p, s->len, err);
    char *clean = sl_alloc(3 * s->len);
    bool ok = add_clean_text(q, c, clean, (size_t)(sl_utf8_put(clean, s->p, s->len) - clean), err);
    free(clean);
    return ok;
}

static bool add_list(struct parquet *q, struct column *c, const struct sl_list *l,
                     struct sl_error *err)
{
    char *text = sl_alloc(21 * l->len + 1);
    struct sl_text s = {text, 0};
    if (l->len)
        s.len = (size_t)(sl_list_put(text, l, ' ') - text);
    bool ok = add_text(q, c, &s, err);
    free(text);
    return ok;
}

static inline void add_int(struct column *c, int64_t v)
{
    c->min_i = !c->any || v < c->min_i ? v : c->min_i;
    c->max_i = !c->any || v > c->max_i ? v : c->max_i;
    c->any = true;
    uint64_t le = htole64((uint64_t)v);
    bytes_add(&c->raw, &le, 8);
}

static inline void add_real(struct column *c, double v)
{
    c->min_f = !c->any || v < c->min_f ? v : c->min_f;
    c->max_f = !c->any || v > c->max_f ? v : c->max_f;
    c->any = true;
    uint64_t bits;
    memcpy(&bits, &v, 8);
    bits = htole64(bits);
    bytes_add(&c->raw, &bits, 8);
}

static bool add_value(struct parquet *q, struct column *c, const struct sl_column *as,
                      const union sl_value *v, struct sl_error *err)
{
    switch (as->type) {
    case SL_COL_INT:
    case SL_COL_TIME:
        add_int(c, v->i);
        return true;
    case SL_COL_REAL:
        add_real(c, v->f);
        return true;
    case SL_COL_BOOL:
        bytes_add(&c->raw, v->i ? "\1" : "\0", 1);
        return true;
    case SL_COL_TEXT:
        return add_text(q, c, &v->s, err);
    case SL_COL_LIST:
        return add_list(q, c, &v->l, err);
    }
    return true;
}

static bool parquet_row(struct sl_export *x, const union sl_value *row, struct sl_error *err)
{
    struct parquet *q = x->own;
    for (size_t i = 0; i < x->n; i++) {
        struct column *c = &q->columns[i];
        if ((c->raw.len >= PAGE_BYTES || c->rows == PAGE_ROWS) && !end_page(q, c, err))
            return false;
        if (c->rows == c->rows_cap) {
            c->rows_cap = c->rows_cap ? 2 * c->rows_cap : 1024;
            c->present = sl_realloc(c->present, c->rows_cap);
        }
        bool there = !sl_value_missing(&x->columns[i], &row[i]);
        if (there && !add_value(q, c, &x->columns[i], &row[i], err))
            return false;
        c->present[c->rows++] = there;
        c->values += there;
        q->group_bytes += there && c->type != T_BYTE_ARRAY ? 8 : 0;
    }
    q->group_rows++;
    if (q->group_rows >= (x->opt.group_rows ? x->opt.group_rows : GROUP_ROWS) ||
        q->group_bytes >= (x->opt.group_bytes ? x->opt.group_bytes : GROUP_BYTES))
        return end_group(x, err);
    return true;
}

static bool parquet_open(struct sl_export *x, struct sl_error *err)
{
    (void)err;
    struct parquet *q = x->own = sl_alloc(sizeof *q);
    q->columns = sl_alloc(x->n * sizeof *q->columns);
    q->level = x->opt.compression_level ? x->opt.compression_level : LEVEL;
    for (size_t i = 0; i < x->n; i++) {
        q->columns[i].type = type_of(&x->columns[i]);
        q->columns[i].use_dict = q->columns[i].type == T_BYTE_ARRAY;
    }
    sl_out_add(&x->out, "PAR1", 4);
    return true;
}

static void add_schema(struct sl_thrift *t, const struct sl_export *x)
{
    sl_thrift_list(t, 2, SL_THRIFT_STRUCT, x->n + 1);
    sl_thrift_item_struct(t);
    sl_thrift_text(t, 4, x->table);
    sl_thrift_i32(t, 5, (int32_t)x->n);
    sl_thrift_end(t);
    for (size_t i = 0; i < x->n; i++) {
        int type = type_of(&x->columns[i]);
        sl_thrift_item_struct(t);
        sl_thrift_i32(t, 1, type);
        sl_thrift_i32(t, 3, OPTIONAL);
        sl_thrift_text(t, 4, x->columns[i].name);
        if (type == T_BYTE_ARRAY) {
            sl_thrift_i32(t, 6, CONVERTED_UTF8);
            sl_thrift_struct(t, 10); // LogicalType
            sl_thrift_struct(t, 1);  // STRING
            sl_thrift_end(t);
            sl_thrift_end(t);
        } else if (x->columns[i].type == SL_COL_TIME) {
            sl_thrift_struct(t, 10);
            sl_thrift_struct(t, 8);     // TIMESTAMP
            sl_thrift_bool(t, 1, true); // UTC
            sl_thrift_struct(t, 2);
            sl_thrift_struct(t, 3); // NANOS
            for (int open = 0; open < 4; open++)
                sl_thrift_end(t);
        }
        sl_thrift_end(t);
    }
}

static void add_statistics(struct sl_thrift *t, const struct chunk *k, int type)
{
    uint64_t min = htole64(k->min), max = htole64(k->max);
    sl_thrift_struct(t, 12);
    sl_thrift_i64(t, 3, k->nulls);
    if (k->any && (type == T_INT64 || type == T_DOUBLE)) {
        sl_thrift_binary(t, 5, &max, 8);
        sl_thrift_binary(t, 6, &min, 8);
    }
    sl_thrift_end(t);
}

static void add_chunk(struct sl_thrift *t, const struct sl_column *c, const struct chunk *k)
{
    int type = type_of(c);
    sl_thrift_item_struct(t);
    sl_thrift_i64(t, 2, k->dict_at >= 0 ? k->dict_at : k->data_at);
    sl_thrift_struct(t, 3);
    sl_thrift_i32(t, 1, type);
    bool dict = k->dict_at >= 0;
    sl_thrift_list(t, 2, SL_THRIFT_I32, dict ? 3 : 2);
    sl_thrift_item_i32(t, PLAIN); // also of the dictionary's page
    sl_thrift_item_i32(t, RLE);
    if (dict)
        sl_thrift_item_i32(t, RLE_DICTIONARY);
    sl_thrift_list(t, 3, SL_THRIFT_BINARY, 1);
    sl_thrift_item_text(t, c->name);
    sl_thrift_i32(t, 4, CODEC_ZSTD);
    sl_thrift_i64(t, 5, k->rows);
    sl_thrift_i64(t, 6, k->raw_bytes);
    sl_thrift_i64(t, 7, k->bytes);
    sl_thrift_i64(t, 9, k->data_at);
    if (dict)
        sl_thrift_i64(t, 11, k->dict_at);
    add_statistics(t, k, type);
    sl_thrift_end(t);
    sl_thrift_end(t);
}

static void add_groups(struct sl_thrift *t, const struct sl_export *x)
{
    const struct parquet *q = x->own;
    sl_thrift_list(t, 4, SL_THRIFT_STRUCT, q->groups.len);
    for (size_t g = 0; g < q->groups.len; g++) {
        const struct group *group = &q->groups.at[g];
        int64_t raw = 0, packed = 0;
        sl_thrift_item_struct(t);
        sl_thrift_list(t, 1, SL_THRIFT_STRUCT, x->n);
        for (size_t i = 0; i < x->n; i++) {
            add_chunk(t, &x->columns[i], &group->chunks[i]);
            raw += group->chunks[i].raw_bytes;
            packed += group->chunks[i].bytes;
        }
        const struct chunk *first = &group->chunks[0];
        sl_thrift_i64(t, 2, raw);
        sl_thrift_i64(t, 3, (int64_t)group->rows);
        sl_thrift_i64(t, 5, first->dict_at >= 0 ? first->dict_at : first->data_at);
        sl_thrift_i64(t, 6, packed);
        sl_thrift_i16(t, 7, (int16_t)g);
        sl_thrift_end(t);
    }
}

static void add_key(struct sl_thrift *t, const char *key, const char *value)
{
    sl_thrift_item_struct(t);
    sl_thrift_text(t, 1, key);
    sl_thrift_text(t, 2, value);
    sl_thrift_end(t);
}

static bool parquet_close(struct sl_export *x, struct sl_error *err)
{
    if (!end_group(x, err))
        return false;
    struct sl_thrift t = {0};
    char *schema = sl_export_schema(x);
    sl_thrift_i32(&t, 1, 2); // version of the format
    add_schema(&t, x);
    sl_thrift_i64(&t, 3, (int64_t)x->rows);
    add_groups(&t, x);
    sl_thrift_list(&t, 5, SL_THRIFT_STRUCT, x->provenance ? 2 : 1);
    add_key(&t, "sluice.schema", schema);
    if (x->provenance)
        add_key(&t, "sluice.provenance", x->provenance);
    sl_thrift_text(&t, 6, "sluice version " SLUICE_VERSION);
    sl_thrift_list(&t, 7, SL_THRIFT_STRUCT, x->n);
    for (size_t i = 0; i < x->n; i++) { // ColumnOrder: of the type
        sl_thrift_item_struct(&t);
        sl_thrift_struct(&t, 1);
        sl_thrift_end(&t);
        sl_thrift_end(&t);
    }
    sl_thrift_end(&t);
    uint32_t len = htole32((uint32_t)t.out.len);
    sl_out_add(&x->out, t.out.text, t.out.len);
    sl_out_add(&x->out, &len, 4);
    sl_out_add(&x->out, "PAR1", 4);
    bool ok =
        !t.out.truncated || sl_fail(err, SL_ERUN, "the footer of '%s' would be too large", x->path);
    sl_str_done(&t.out);
    free(schema);
    return ok;
}

static void parquet_free(struct sl_export *x)
{
    struct parquet *q = x->own;
    if (!q)
        return;
    for (size_t i = 0; i < x->n; i++) {
        struct column *c = &q->columns[i];
        free(c->present);
        free(c->raw.at);
        free(c->pages.at);
        free(c->dict.slots);
        free(c->dict.entries);
        free(c->dict.text.at);
    }
    for (size_t g = 0; g < q->groups.len; g++)
        free(q->groups.at[g].chunks);
    SL_VEC_DONE(&q->groups);
    free(q->columns);
    free(q->page.at);
    free(q->packed.at);
    free(q);
}

const struct sl_writer sl_writer_parquet = {.name = "parquet",
                                            .suffix = ".parquet",
                                            .missing = "null",
                                            .open = parquet_open,
                                            .row = parquet_row,
                                            .close = parquet_close,
                                            .free = parquet_free};
