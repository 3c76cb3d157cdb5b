// SPDX-License-Identifier: Apache-2.0
#include "export/export.h"
#include "base/auto.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "export/ipfix.h"
#include "export/number.h"
#include "export/writer.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static const struct sl_writer sl_writer_ipfix = {.name = "ipfix", .suffix = ".ipfix"};
static const struct sl_writer *const WRITERS[SL_EXPORT_FORMATS] = {
    [SL_EXPORT_CSV] = &sl_writer_csv,         [SL_EXPORT_JSONL] = &sl_writer_jsonl,
    [SL_EXPORT_PARQUET] = &sl_writer_parquet, [SL_EXPORT_NPY] = &sl_writer_npy,
    [SL_EXPORT_ZEEK] = &sl_writer_zeek,       [SL_EXPORT_IPFIX] = &sl_writer_ipfix,
};
static const char *const TYPES[] = {"int", "real", "text", "time", "bool", "list"};

bool sl_export_format_of(const char *name_or_path, enum sl_export_format *out)
{
    for (int f = 0; f < SL_EXPORT_FORMATS; f++)
        if (!strcmp(name_or_path, WRITERS[f]->name) ||
            sl_ends_with(name_or_path, WRITERS[f]->suffix)) {
            *out = (enum sl_export_format)f;
            return true;
        }
    return false;
}

const char *sl_export_format_name(enum sl_export_format f)
{
    return WRITERS[f]->name;
}

bool sl_value_missing(const struct sl_column *c, const union sl_value *v)
{
    switch (c->type) {
    case SL_COL_REAL:
        return !isfinite(v->f);
    case SL_COL_TEXT:
        return !v->s.p;
    case SL_COL_LIST:
        return !v->l.at;
    default:
        return v->i == INT64_MIN;
    }
}

char *sl_column_put_real(char *p, const struct sl_column *c, double v, bool java)
{
    if (java)
        return sl_number_java(p, v);
    return c->decimals ? sl_number_fixed(p, v, c->decimals) : sl_number_real(p, v);
}

char *sl_list_put(char *p, const struct sl_list *l, char between)
{
    for (size_t i = 0; i < l->len; i++) {
        if (i)
            *p++ = between;
        p = sl_number_i64(p, l->at[i]);
    }
    return p;
}

static json_t *schema_column(const struct sl_export *x, const struct sl_column *c)
{
    json_t *j = json_object();
    json_object_set_new(j, "name", json_string(c->name));
    json_object_set_new(j, "type", json_string(TYPES[c->type]));
    json_object_set_new(j, "unit",
                        json_string(c->type == SL_COL_TIME ? "ns"
                                    : c->unit              ? c->unit
                                                           : ""));
    json_object_set_new(j, "formula", c->formula ? json_string(c->formula) : json_null());
    json_object_set_new(j, "source", c->source ? json_string(c->source) : json_null());
    if (c->type == SL_COL_REAL && c->decimals)
        json_object_set_new(j, "decimals", json_integer(c->decimals));
    if (x->opt.format == SL_EXPORT_NPY && (c->type == SL_COL_TEXT || c->type == SL_COL_LIST))
        json_object_set_new(j, "bytes_kept", json_integer(c->width ? c->width : SL_NPY_TEXT));
    return j;
}

char *sl_export_schema(const struct sl_export *x)
{
    json_t *j = json_object(), *columns = json_array(), *from = NULL;
    struct sl_error ignored;
    if (x->provenance) // was parsed when opened
        from = sl_json_parse(x->provenance, strlen(x->provenance), "provenance", &ignored);
    json_object_set_new(j, "schema", json_string("sluice.table/1"));
    json_object_set_new(j, "table", json_string(x->table));
    json_object_set_new(j, "format", json_string(x->writer->name));
    json_object_set_new(j, "provenance", from ? from : json_object());
    json_object_set_new(j, "missing", json_string(x->writer->missing));
    for (size_t i = 0; i < x->n; i++)
        json_array_append_new(columns, schema_column(x, &x->columns[i]));
    json_object_set_new(j, "columns", columns);
    char *text = json_dumps(j, JSON_INDENT(1));
    json_decref(j);
    return text;
}

static void export_free(struct sl_export *x)
{
    if (x->writer->free)
        x->writer->free(x);
    sl_out_abort(&x->out);
    free(x->path);
    free(x->table);
    free(x->provenance);
    free(x);
}

static size_t row_room(const struct sl_export *x)
{
    size_t room = 2; // line end
    for (size_t i = 0; i < x->n; i++) {
        const struct sl_column *c = &x->columns[i];
        room += c->type == SL_COL_REAL && c->decimals ? SL_FIXED_ROOM + 2 : SL_REAL_ROOM + 2;
    }
    return room;
}

static void not_a_table(const char *path, struct sl_error *err)
{
    struct sl_ipfix *x = NULL;
    if (!sl_ipfix_available())
        x = sl_ipfix_open(path, 0, NULL, err); // says why not
    else
        sl_fail(err, SL_EUSAGE, "IPFIX has records of flows, no tables");
    assert(!x);
}

struct sl_export *sl_export_open(const struct sl_export_options *opt,
                                 const struct sl_column *columns, size_t n, struct sl_error *err)
{
    assert(n > 0 && opt->path && opt->format < SL_EXPORT_FORMATS);
    if (!WRITERS[opt->format]->open) {
        not_a_table(opt->path, err);
        return NULL;
    }
    if (opt->provenance) {
        SL_AUTO(sl_json_decref)
        json_t *j = sl_json_parse(opt->provenance, strlen(opt->provenance), "provenance", err);
        if (!j)
            return NULL;
    }
    struct sl_export *x = sl_alloc(sizeof *x);
    x->writer = WRITERS[opt->format];
    x->opt = *opt;
    x->path = sl_strdup(opt->path);
    x->table = sl_strdup(opt->table ? opt->table : "table");
    x->provenance = sl_strdup(opt->provenance);
    x->opt.path = x->path, x->opt.table = x->table, x->opt.provenance = x->provenance;
    x->columns = columns;
    x->n = n;
    x->row_room = row_room(x);
    if (sl_out_open(&x->out, x->path, x->writer->seekable, err) && x->writer->open(x, err))
        return x;
    export_free(x);
    return NULL;
}

struct sl_export *sl_export_part(const struct sl_export *x)
{
    if (!x->writer->parts)
        return NULL;
    struct sl_export *part = sl_alloc(sizeof *part);
    part->writer = x->writer;
    part->opt = x->opt;
    part->columns = x->columns;
    part->n = x->n;
    part->row_room = row_room(x);
    sl_out_memory(&part->out);
    struct sl_error ignored;
    bool ok = part->writer->open(part, &ignored); // has no file that could fail
    assert(ok), (void)ok;
    part->out.len = 0; // the header
    return part;
}

bool sl_export_append(struct sl_export *x, struct sl_export *part, struct sl_error *err)
{
    if (!sl_out_append(&x->out, &part->out, err)) {
        x->failed = true;
        return false;
    }
    x->rows += part->rows;
    part->rows = 0;
    return true;
}

bool sl_export_row(struct sl_export *x, const union sl_value *row, struct sl_error *err)
{
    if (!x->writer->row(x, row, err)) {
        x->failed = true;
        return false;
    }
    x->rows++;
    return true;
}

bool sl_export_flush(struct sl_export *x, struct sl_error *err)
{
    bool ok = x->writer->flush ? x->writer->flush(x, err) : sl_out_flush(&x->out, err);
    x->failed |= !ok;
    return ok;
}

uint64_t sl_export_rows(const struct sl_export *x)
{
    return x->rows;
}

// The schema stands there before the table has its name, so a whole table is never without one.
static bool write_schema(const struct sl_export *x, const char *path, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *text = sl_export_schema(x);
    struct sl_str s = {0};
    sl_str_add(&s, text);
    sl_str_add(&s, "\n");
    bool ok = sl_write_file(path, s.text, s.len, err);
    sl_str_done(&s);
    return ok;
}

bool sl_export_close(struct sl_export *x, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *schema = NULL;
    bool ok = x->failed ? sl_fail(err, SL_ERUN, "'%s' is not complete: a write to it failed before",
                                  x->path)
                        : !x->writer->close || x->writer->close(x, err);
    if (ok && x->out.file.part && !x->opt.no_schema_file) {
        schema = sl_format("%s.schema.json", x->path);
        ok = write_schema(x, schema, err);
    }
    if (ok && !sl_out_close(&x->out, err)) {
        ok = false;
        if (schema)
            unlink(schema);
    }
    export_free(x);
    return ok;
}

void sl_export_abort(struct sl_export *x)
{
    if (x)
        export_free(x);
}
