// SPDX-License-Identifier: Apache-2.0
// Within this part: what a format gives, and what it works on.
#pragma once
#include "export/export.h"
#include "export/out.h"
#include "export/text.h"

struct sl_export;
struct sl_writer {
    const char *name, *suffix;
    const char *missing; // for the schema file
    bool seekable;       // patches its beginning at the end
    bool parts;          // a row's bytes depend on nothing but the row
    bool (*open)(struct sl_export *x, struct sl_error *err);
    bool (*row)(struct sl_export *x, const union sl_value *row, struct sl_error *err);
    bool (*flush)(struct sl_export *x, struct sl_error *err); // NULL: the buffer goes out
    bool (*close)(struct sl_export *x, struct sl_error *err); // NULL: nothing more to write
    void (*free)(struct sl_export *x);                        // NULL: nothing of its own
};
extern const struct sl_writer sl_writer_csv, sl_writer_jsonl, sl_writer_parquet, sl_writer_npy,
    sl_writer_zeek;

struct sl_export {
    const struct sl_writer *writer;
    struct sl_export_options opt;
    char *path, *table, *provenance;
    const struct sl_column *columns;
    size_t n;
    size_t row_room; // for what is not text or list in a row of text
    struct sl_out out;
    uint64_t rows;
    void *own; // the format's
    bool failed;
};
char *sl_export_schema(const struct sl_export *x); // JSON; the caller frees
bool sl_value_missing(const struct sl_column *c, const union sl_value *v);
// A real that is to be printed: neither NAN nor infinite, or wanted as Java prints them.
char *sl_column_put_real(char *p, const struct sl_column *c, double v, bool java);
// "1 2 3"; room for 21 bytes an element.
char *sl_list_put(char *p, const struct sl_list *l, char between);
