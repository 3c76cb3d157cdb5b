// SPDX-License-Identifier: Apache-2.0
/*
 * Tables of typed columns, written row by row: CSV, JSON Lines, Parquet, NumPy, and TSV in the
 * manner of Zeek's logs.
 *
 * Columns  described by one table, from which headers and the schema file are made as well.
 *
 * Missing  INT64_MIN, NAN, or text NULL: an empty cell in CSV, null in JSON and Parquet, "-" in a
 * Zeek log; in NumPy integers keep INT64_MIN, and the schema file says so. Infinity is written as
 * missing.
 *
 * Output   a path, or "-" for standard output. Beside flows.csv stands flows.csv.schema.json. A
 * file is written under its name + ".part" and renamed when complete: half a table never looks
 * whole. A path that is there and no regular file (a pipe) is written as it is, without a schema
 * file.
 *
 * Errors   SL_ERUN, naming the file; a full disk is named as such.
 *
 * Threads  one for each table, and one for each part of it.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>
#include <stdio.h>

enum sl_column_type {
    SL_COL_INT,  // signed 64 bits
    SL_COL_REAL, // double
    SL_COL_TEXT, // UTF-8; other bytes are replaced by U+FFFD where the format wants UTF-8
    SL_COL_TIME, // nanoseconds since 1970 UTC: integer in CSV, Parquet timestamp (nanoseconds,
                 // UTC), datetime64[ns] in NumPy
    SL_COL_BOOL, // 0 or 1
    SL_COL_LIST, // of integers: "1 2 3" in CSV, an array in JSON, text as in CSV elsewhere
};
enum { SL_NPY_TEXT = 64 };
struct sl_column {
    const char *name; // header
    enum sl_column_type type;
    const char *unit;             // "B", "us", "1", ""
    const char *formula, *source; // for the schema file; may be NULL
    uint8_t decimals;             // REAL: 0 = shortest text that reads back the same; 1..9 = fixed
    uint16_t width;               // TEXT and LIST in NumPy: bytes kept; 0 = SL_NPY_TEXT
    const char *zeek_name, *zeek_type; // for Zeek logs; NULL = not written there
};
struct sl_text {
    const char *p; // not terminated; NULL = missing
    size_t len;
};
struct sl_list {
    const int64_t *at; // NULL = missing
    size_t len;
};
union sl_value {
    int64_t i; // INT, TIME, BOOL
    double f;
    struct sl_text s;
    struct sl_list l;
};
enum sl_export_format {
    SL_EXPORT_CSV,
    SL_EXPORT_JSONL,
    SL_EXPORT_PARQUET,
    SL_EXPORT_NPY,
    SL_EXPORT_ZEEK,
    SL_EXPORT_IPFIX, // a name only: these are records of flows, see ipfix.h; opening fails
    SL_EXPORT_FORMATS
};
struct sl_export_options {
    enum sl_export_format format;
    const char *path;       // "-" = standard output
    const char *provenance; // JSON object as text: version, command line, seed, inputs; goes into
                            // the schema file, Parquet's metadata
    const char *table;      // "flows": name in the schema; "conn" = _path of a Zeek log
    int compression_level;  // Parquet: zstd; 0 = 3
    uint32_t group_rows;    // Parquet: rows of a row group at most; 0 = 1,048,576
    uint64_t group_bytes;   // and bytes before compression, the last row's beyond; 0 = 128 MiB
    bool no_schema_file, no_header;
    bool java_reals; // REAL as Java's Double.toString prints it (for CICFlowMeter's tables), NaN
                     // and Infinity included
};
struct sl_export;
SL_MUST_USE struct sl_export *
sl_export_open(const struct sl_export_options *opt, const struct sl_column *columns, size_t n,
               struct sl_error *err); // columns are borrowed until close
SL_MUST_USE bool sl_export_row(struct sl_export *x, const union sl_value *row,
                               struct sl_error *err);
SL_MUST_USE bool sl_export_flush(struct sl_export *x,
                                 struct sl_error *err); // streams: what is complete goes out
SL_MUST_USE bool
sl_export_close(struct sl_export *x,
                struct sl_error *err); // completes the file; frees x also on failure
// Rows made beside the table, so that several threads can make them: sl_export_row and
// sl_export_abort are all that a part takes. NULL: this format's rows depend on those before. The
// table outlives its parts.
struct sl_export *sl_export_part(const struct sl_export *x);
// A part's rows behind those of the table; the part is empty afterwards.
SL_MUST_USE bool sl_export_append(struct sl_export *x, struct sl_export *part,
                                  struct sl_error *err);
void sl_export_abort(struct sl_export *x); // throws the half-written file away
uint64_t sl_export_rows(const struct sl_export *x);
// "flows.parquet" -> PARQUET; "csv", "jsonl", "parquet", "npy", "zeek", "ipfix" by name. False when
// unknown.
bool sl_export_format_of(const char *name_or_path, enum sl_export_format *out);
const char *sl_export_format_name(enum sl_export_format f);
