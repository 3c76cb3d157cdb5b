// SPDX-License-Identifier: Apache-2.0
/*
 * Reading comma-separated values: records of fields, quoted where they hold commas, quotes or line
 * breaks. Writing one field is here too, so that both sides agree.
 *
 *     struct sl_csv csv = {.p = text, .end = text + len, .name = path};
 *     char *field[4];
 *     size_t n;
 *     while (sl_csv_next(&csv, field, 4, &n, err)) ...
 *     if (csv.failed) return false;
 *
 * Text     is changed in place and must be followed by a writable NUL (sl_read_file gives that);
 *          fields point into it.
 * Errors   SL_EINPUT with file and line: a quote that never closes, text after a closing quote, a
 *          NUL byte, more fields than the caller has room for.
 * Threads  not synchronised.
 * Source   RFC 4180; lines may end in LF alone, empty lines are skipped, and so is a byte order
 *          mark.
 */
#pragma once
#include "base/error.h"
#include "base/str.h"

struct sl_csv {
    char *p, *end;
    const char *name; // for errors
    char separator;   // 0 = ','
    bool failed;
    int line;        // reached so far
    int record_line; // where the record just given starts, from 1
};
// False at the end and on failure; `failed` tells which.
bool sl_csv_next(struct sl_csv *csv, char **fields, size_t max, size_t *n, struct sl_error *err);
// Adds a field, in quotes where it needs them. NULL is an empty field.
void sl_csv_add(struct sl_str *out, const char *field);
// Index of the column with that name (whatever the case of its letters), -1 when there is none.
int sl_csv_column(char *const *fields, size_t n, const char *name);
