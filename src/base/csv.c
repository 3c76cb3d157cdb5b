// SPDX-License-Identifier: Apache-2.0
#include "base/csv.h"
#include <string.h>
#include <strings.h>

static bool bad(struct sl_csv *csv, int line, const char *what, const char *hint,
                struct sl_error *err)
{
    csv->failed = true;
    sl_fail(err, SL_EINPUT, "%s", what);
    sl_hint(err, "%s", hint);
    sl_at(err, csv->name, line, 0);
    return false;
}

// A quoted field: p stands behind the opening quote. Doubled quotes become one, so text only
// shrinks.
static bool quoted(struct sl_csv *csv, char separator, char **field, struct sl_error *err)
{
    int opened = csv->line;
    char *out = *field = csv->p;
    for (;; csv->p++) {
        if (csv->p >= csv->end)
            return bad(csv, opened, "a quoted field is never closed",
                       "a quote inside a quoted field is written twice", err);
        if (*csv->p == '"') {
            if (csv->p + 1 >= csv->end || csv->p[1] != '"')
                break;
            csv->p++;
        }
        csv->line += *csv->p == '\n';
        *out++ = *csv->p;
    }
    csv->p++;
    if (csv->p < csv->end && *csv->p != separator && *csv->p != '\n' && *csv->p != '\r')
        return bad(csv, csv->line, "text follows a quoted field",
                   "put the whole field in quotes, and write a quote inside it twice", err);
    *out = '\0';
    return true;
}

// Moves p to the end of a plain field.
static void plain(struct sl_csv *csv, char separator, char **field)
{
    *field = csv->p;
    while (csv->p < csv->end && *csv->p != separator && *csv->p != '\n' &&
           !(*csv->p == '\r' && (csv->p + 1 == csv->end || csv->p[1] == '\n')))
        csv->p++;
}

// Once for each text: a byte order mark is no part of the first field, and a NUL would cut one
// short.
static bool begin(struct sl_csv *csv, struct sl_error *err)
{
    csv->line = 1;
    if (csv->end - csv->p >= 3 && !memcmp(csv->p, "\xef\xbb\xbf", 3))
        csv->p += 3;
    const char *nul = memchr(csv->p, '\0', (size_t)(csv->end - csv->p));
    int line = 1;
    for (const char *c = csv->p; nul && c < nul; c++)
        line += *c == '\n';
    return !nul || bad(csv, line, "a NUL byte", "this is not a text file", err);
}

bool sl_csv_next(struct sl_csv *csv, char **fields, size_t max, size_t *n, struct sl_error *err)
{
    const char separator = csv->separator ? csv->separator : ',';
    size_t count = 0;
    if (csv->failed || (!csv->line && !begin(csv, err)))
        return false;
    while (csv->p < csv->end && (*csv->p == '\n' || *csv->p == '\r'))
        csv->line += *csv->p++ == '\n';
    csv->record_line = csv->line;
    if (csv->p >= csv->end)
        return false;
    for (bool more = true; more;) {
        if (count == max)
            return bad(csv, csv->line, "the line has too many fields",
                       "a field that holds a comma is written in quotes", err);
        if (csv->p < csv->end && *csv->p == '"') {
            csv->p++;
            if (!quoted(csv, separator, &fields[count], err))
                return false;
        } else {
            plain(csv, separator, &fields[count]);
        }
        count++;
        more = csv->p < csv->end && *csv->p == separator;
        bool line_end = csv->p < csv->end && *csv->p == '\n';
        bool carriage = csv->p < csv->end && *csv->p == '\r';
        *csv->p = '\0';
        csv->p += more || line_end || carriage;
        csv->line += line_end;
    }
    *n = count;
    return true;
}

void sl_csv_add(struct sl_str *out, const char *field)
{
    if (!field || !strpbrk(field, ",\"\r\n")) {
        sl_str_add(out, field ? field : "");
        return;
    }
    sl_str_add(out, "\"");
    for (const char *q; (q = strchr(field, '"')); field = q + 1) {
        sl_str_addn(out, field, (size_t)(q - field) + 1);
        sl_str_add(out, "\"");
    }
    sl_str_add(out, field);
    sl_str_add(out, "\"");
}

int sl_csv_column(char *const *fields, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcasecmp(fields[i], name))
            return (int)i;
    return -1;
}
