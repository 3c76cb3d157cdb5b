// SPDX-License-Identifier: Apache-2.0
/*
 * CSV tables read row by row: our own, and those of other flow meters.
 *
 *     struct sl_csv *c = sl_csv_open("flows.csv.zst", err);
 *     if (!c || !sl_csv_need(c, "duration_us", &duration, err))
 *         ...
 *     while (sl_csv_next(c, &more, err) && more)
 *         if (!sl_csv_real(c, duration, &us, err))
 *             ...
 *
 * Format   RFC 4180 with a header row; LF or CR LF; a byte order mark is skipped, and so are blank
 *          lines. gzip and zstd are known by their first bytes. Names lose blanks around them.
 * Missing  an empty cell: text NULL, INT64_MIN, NAN. "" is text that is there and empty.
 * Memory   one row, of at most 1 MiB; at most 4,096 columns.
 * Errors   SL_EINPUT with file, line, and column (bytes from the row's beginning), and a remedy.
 * Threads  a reader belongs to one thread.
 */
#pragma once
#include "export/export.h"

enum { SL_CSV_MAX_ROW = 1 << 20, SL_CSV_MAX_COLUMNS = 4096 };
struct sl_csv;
SL_MUST_USE struct sl_csv *sl_csv_open(const char *path, struct sl_error *err); // "-": stdin
// The bytes are borrowed until sl_csv_free; name is for messages.
SL_MUST_USE struct sl_csv *sl_csv_open_bytes(const char *name, const void *bytes, size_t len,
                                             struct sl_error *err);
void sl_csv_free(struct sl_csv *c);

size_t sl_csv_columns(const struct sl_csv *c);
const char *sl_csv_name(const struct sl_csv *c, size_t column);
const char *const *sl_csv_header(const struct sl_csv *c);  // sl_csv_columns names
int sl_csv_find(const struct sl_csv *c, const char *name); // the first of that name, -1 = none
SL_MUST_USE bool sl_csv_need(const struct sl_csv *c, const char *name, size_t *column,
                             struct sl_error *err); // none is an error, with the nearest name

// more: is there a row? The last row's values are then gone.
SL_MUST_USE bool sl_csv_next(struct sl_csv *c, bool *more, struct sl_error *err);
uint64_t sl_csv_line(const struct sl_csv *c); // where the row begins
// Of the row: valid until the next; terminated.
struct sl_text sl_csv_text(const struct sl_csv *c, size_t column);
SL_MUST_USE bool sl_csv_int(const struct sl_csv *c, size_t column, int64_t *out,
                            struct sl_error *err);
// Also "NaN", "Infinity" and "-Infinity".
SL_MUST_USE bool sl_csv_real(const struct sl_csv *c, size_t column, double *out,
                             struct sl_error *err);
