// SPDX-License-Identifier: Apache-2.0
/*
 * A window slides over the text. A row is first looked for as a whole (where does it end, quotes
 * taken into account?), with more text read until it is there; then it is split in place, its
 * separators overwritten by terminators.
 */
#include "export/read_csv.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/zip.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 64 << 10 };

struct field {
    size_t at, len;
    bool there;
};
struct sl_csv {
    char *name;
    int fd;                        // -1: bytes, or standard input with own_fd false
    bool own_fd, zip_known, ended; // ended: no more text will come
    const uint8_t *bytes;          // what is not yet taken; or the chunk that was read
    size_t bytes_len;
    uint8_t *chunk;
    struct sl_unzip *unzip;
    char *text; // the window: [at, len) is not yet split; one byte more for a terminator
    size_t at, len, cap;
    size_t row; // where the row is in the window
    uint64_t line, next_line;
    SL_VEC(struct field) fields;
    char **header;
    size_t columns;
};

static bool refuse(const struct sl_csv *c, size_t column_byte, const char *remedy,
                   struct sl_error *err)
{
    sl_hint(err, "%s", remedy);
    sl_at(err, c->name, (int)(c->line > INT32_MAX ? INT32_MAX : c->line), (int)column_byte);
    return false;
}

// Raw bytes: at least one, or the end.
static bool more_bytes(struct sl_csv *c, struct sl_error *err)
{
    if (c->bytes_len || c->fd < 0)
        return true;
    ssize_t n;
    do
        n = read(c->fd, c->chunk, CHUNK);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        sl_fail(err, SL_EINPUT, "cannot read '%s': %s", c->name, strerror(errno));
        return refuse(c, 0, "is it a file, and readable?", err);
    }
    c->bytes = c->chunk;
    c->bytes_len = (size_t)n;
    return true;
}

static bool more_unzipped(struct sl_csv *c, struct sl_error *err)
{
    size_t taken = 0, given = 0;
    bool ok = sl_unzip_step(c->unzip, c->bytes, c->bytes_len, &taken, (uint8_t *)c->text + c->len,
                            c->cap - c->len, &given, err);
    bool end = !c->bytes_len && !given;
    c->bytes += taken;
    c->bytes_len -= taken;
    c->len += given;
    if (!ok)
        return refuse(c, 0, "the compressed file is damaged: make it again", err);
    if (end) {
        c->ended = true;
        if (!sl_unzip_complete(c->unzip)) {
            sl_fail(err, SL_EINPUT, "'%s' is cut short", c->name);
            return refuse(c, 0, "the compressed file is damaged: make it again", err);
        }
    }
    return true;
}

// More text into the window, or `ended`.
static bool more_text(struct sl_csv *c, struct sl_error *err)
{
    if (!more_bytes(c, err))
        return false;
    if (!c->zip_known) {
        enum sl_zip_kind kind = sl_zip_detect(c->bytes, c->bytes_len);
        c->unzip = kind == SL_ZIP_NONE ? NULL : sl_unzip_new(kind);
        c->zip_known = true;
    }
    if (c->at > 0 && c->cap - c->len < CHUNK) {
        memmove(c->text, c->text + c->at, c->len - c->at);
        c->len -= c->at;
        c->at = 0;
    }
    if (c->cap - c->len < CHUNK) {
        c->cap = c->cap ? 2 * c->cap : (size_t)2 * CHUNK;
        c->text = sl_realloc(c->text, c->cap + 1);
    }
    if (c->unzip)
        return more_unzipped(c, err);
    size_t n = c->bytes_len < c->cap - c->len ? c->bytes_len : c->cap - c->len;
    if (n)
        memcpy(c->text + c->len, c->bytes, n);
    c->ended = !n;
    c->bytes += n;
    c->bytes_len -= n;
    c->len += n;
    return true;
}

enum found { ROW, NOT_YET, OPEN_QUOTE };

// The row at c->at: its length without the line end, and with it.
static enum found find_row(const struct sl_csv *c, size_t *len, size_t *all)
{
    const char *p = c->text + c->at, *end = c->text + c->len, *start = p;
    bool quoted = false, field_start = true;
    for (; p < end; p++) {
        if (quoted) {
            if (*p == '"' && p + 1 < end && p[1] == '"')
                p++;
            else if (*p == '"')
                quoted = false; // at the end of the window perhaps half of "": then there is more
            continue;
        }
        if (*p == '\n')
            break;
        quoted = field_start && *p == '"';
        field_start = *p == ',';
    }
    if (p == end && !c->ended)
        return NOT_YET;
    if (p == end && quoted)
        return OPEN_QUOTE;
    *len = (size_t)(p - start);
    *all = *len + (p < end);
    *len -= *len && start[*len - 1] == '\r';
    return ROW;
}

// The next row's place, or none at the end.
static bool take_row(struct sl_csv *c, size_t *len, bool *more, struct sl_error *err)
{
    size_t all;
    for (;;) {
        enum found found = c->text ? find_row(c, len, &all) : NOT_YET;
        if ((found == ROW ? all : c->len - c->at) > SL_CSV_MAX_ROW) {
            sl_fail(err, SL_EINPUT, "a row is longer than 1 MiB");
            return refuse(c, 0, "is it a CSV file? Perhaps a quote is not closed", err);
        }
        if (found == OPEN_QUOTE) {
            sl_fail(err, SL_EINPUT, "the file ends within a quoted value");
            return refuse(c, 0, "close the quote; the file may be cut short", err);
        }
        if (found == ROW)
            break;
        if (!more_text(c, err))
            return false;
    }
    *more = all > 0;
    c->row = c->at;
    c->at += all;
    for (const char *p = c->text + c->row; (p = memchr(p, '\n', (size_t)(c->text + c->at - p)));
         p++)
        c->next_line++;
    return true;
}

static bool quoted_field(struct sl_csv *c, char **at, char *end, struct field *f,
                         struct sl_error *err)
{
    char *from = *at + 1, *to = *at; // shifted to where the quote was
    for (; from < end; from++) {
        if (*from == '"') {
            if (from + 1 == end || from[1] != '"')
                break;
            from++;
        }
        *to++ = *from;
    }
    f->len = (size_t)(to - *at);
    f->there = true;
    if (from < end)
        from++; // the closing quote
    if (from < end && *from != ',') {
        sl_fail(err, SL_EINPUT, "text follows the closing quote of a value");
        return refuse(c, (size_t)(from - c->text) - c->row + 1,
                      "write a quote within a quoted value as two quotes", err);
    }
    *at = from;
    return true;
}

static bool split_row(struct sl_csv *c, size_t len, struct sl_error *err)
{
    char *p = c->text + c->row, *end = p + len;
    c->fields.len = 0;
    for (;; p++) {
        if (c->fields.len == SL_CSV_MAX_COLUMNS) {
            sl_fail(err, SL_EINPUT, "a row has more than %d columns", SL_CSV_MAX_COLUMNS);
            return refuse(c, 0, "is it a table of flows?", err);
        }
        struct field *f = SL_PUSH(&c->fields);
        f->at = (size_t)(p - c->text);
        if (p < end && *p == '"') {
            if (!quoted_field(c, &p, end, f, err))
                return false;
        } else {
            char *comma = memchr(p, ',', (size_t)(end - p));
            p = comma ? comma : end;
            f->len = (size_t)(p - c->text) - f->at;
            f->there = f->len > 0;
        }
        bool last = p == end;
        c->text[f->at + f->len] = '\0'; // over the separator, the line end, or the spare byte
        if (last)
            return true;
    }
}

bool sl_csv_next(struct sl_csv *c, bool *more, struct sl_error *err)
{
    size_t len;
    bool row;
    do { // blank lines are skipped, but are missing values when there is one column
        c->line = c->next_line;
        c->fields.len = 0;
        if (!take_row(c, &len, &row, err))
            return false;
    } while (row && !len && c->columns != 1);
    if (row && !split_row(c, len, err))
        return false;
    if (row && c->columns && c->fields.len != c->columns) {
        sl_fail(err, SL_EINPUT, "a row has %zu values, the header %zu", c->fields.len, c->columns);
        return refuse(c, 0, "put values that hold a comma in quotes", err);
    }
    *more = row;
    return true;
}

static bool read_header(struct sl_csv *c, struct sl_error *err)
{
    bool more;
    while (c->len < 3 && !c->ended)
        if (!more_text(c, err))
            return false;
    if (c->len >= 3 && !memcmp(c->text, "\xef\xbb\xbf", 3))
        c->at = 3;
    if (!sl_csv_next(c, &more, err))
        return false;
    if (!more) {
        sl_fail(err, SL_EINPUT, "'%s' is empty", c->name);
        return refuse(c, 0, "a table begins with a row of column names", err);
    }
    c->header = sl_alloc(c->fields.len * sizeof *c->header);
    for (c->columns = 0; c->columns < c->fields.len; c->columns++) {
        struct sl_text t = sl_csv_text(c, c->columns);
        const char *p = t.p ? t.p : "";
        p += strspn(p, " \t");
        char *name = c->header[c->columns] = sl_strdup(p);
        for (size_t n = strlen(name); n && (name[n - 1] == ' ' || name[n - 1] == '\t');)
            name[--n] = '\0';
    }
    return true;
}

static struct sl_csv *started(struct sl_csv *c, struct sl_error *err)
{
    if (read_header(c, err))
        return c;
    sl_csv_free(c);
    return NULL;
}

static struct sl_csv *csv_new(const char *name)
{
    struct sl_csv *c = sl_alloc(sizeof *c);
    c->name = sl_strdup(name);
    c->fd = -1;
    c->line = c->next_line = 1;
    return c;
}

struct sl_csv *sl_csv_open_bytes(const char *name, const void *bytes, size_t len,
                                 struct sl_error *err)
{
    struct sl_csv *c = csv_new(name);
    c->bytes = bytes;
    c->bytes_len = len;
    return started(c, err);
}

struct sl_csv *sl_csv_open(const char *path, struct sl_error *err)
{
    struct sl_csv *c = csv_new(path);
    c->own_fd = strcmp(path, "-") != 0;
    c->fd = c->own_fd ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    c->chunk = sl_alloc(CHUNK);
    if (c->fd >= 0)
        return started(c, err);
    int why = errno;
    sl_fail(err, SL_EINPUT, "cannot read '%s': %s", path, strerror(why));
    sl_at(err, path, 0, 0);
    sl_hint(err, why == ENOENT ? "check the name" : "check that you may read it");
    sl_csv_free(c);
    return NULL;
}

void sl_csv_free(struct sl_csv *c)
{
    if (!c)
        return;
    if (c->own_fd && c->fd >= 0)
        close(c->fd);
    for (size_t i = 0; i < c->columns; i++)
        free(c->header[i]);
    free(c->header);
    SL_VEC_DONE(&c->fields);
    sl_unzip_free(c->unzip);
    free(c->text);
    free(c->chunk);
    free(c->name);
    free(c);
}

size_t sl_csv_columns(const struct sl_csv *c)
{
    return c->columns;
}

const char *sl_csv_name(const struct sl_csv *c, size_t column)
{
    return c->header[column];
}

const char *const *sl_csv_header(const struct sl_csv *c)
{
    return (const char *const *)c->header;
}

int sl_csv_find(const struct sl_csv *c, const char *name)
{
    for (size_t i = 0; i < c->columns; i++)
        if (!strcmp(c->header[i], name))
            return (int)i;
    return -1;
}

bool sl_csv_need(const struct sl_csv *c, const char *name, size_t *column, struct sl_error *err)
{
    int i = sl_csv_find(c, name);
    if (i < 0) {
        const char *near = sl_nearest(name, sl_csv_header(c), c->columns);
        sl_fail(err, SL_EINPUT, "'%s' has no column '%s'", c->name, name);
        if (near)
            sl_hint(err, "did you mean '%s'?", near);
        else
            sl_hint(err, "its first column is '%s'; is it the right table?", c->header[0]);
        sl_at(err, c->name, 1, 0);
        return false;
    }
    *column = (size_t)i;
    return true;
}

uint64_t sl_csv_line(const struct sl_csv *c)
{
    return c->line;
}

struct sl_text sl_csv_text(const struct sl_csv *c, size_t column)
{
    const struct field *f = &c->fields.at[column];
    return f->there ? (struct sl_text){c->text + f->at, f->len} : (struct sl_text){NULL, 0};
}

static bool not_a_number(const struct sl_csv *c, size_t column, const char *what,
                         struct sl_error *err)
{
    struct sl_text t = sl_csv_text(c, column);
    sl_fail(err, SL_EINPUT, "column '%s' has '%.60s', which is not %s", c->header[column], t.p,
            what);
    return refuse(c, c->fields.at[column].at - c->row + 1,
                  "correct the value, or leave the cell empty when it is missing", err);
}

bool sl_csv_int(const struct sl_csv *c, size_t column, int64_t *out, struct sl_error *err)
{
    struct sl_text t = sl_csv_text(c, column);
    if (!t.p) {
        *out = INT64_MIN;
        return true;
    }
    char *end;
    errno = 0;
    long long v = strtoll(t.p, &end, 10);
    bool starts = (*t.p >= '0' && *t.p <= '9') || *t.p == '-';
    if (!starts || errno || end != t.p + t.len)
        return not_a_number(c, column, "a whole number of 64 bits", err);
    *out = v;
    return true;
}

bool sl_csv_real(const struct sl_csv *c, size_t column, double *out, struct sl_error *err)
{
    struct sl_text t = sl_csv_text(c, column);
    if (!t.p) {
        *out = NAN;
        return true;
    }
    char *end;
    double v = strtod(t.p, &end);
    bool word = !strcmp(t.p, "NaN") || !strcmp(t.p, "Infinity") || !strcmp(t.p, "-Infinity");
    bool digits = strspn(t.p, "0123456789+-.eE") == t.len;
    if ((!word && !digits) || !t.len || end != t.p + t.len)
        return not_a_number(c, column, "a number", err);
    *out = v;
    return true;
}
