// SPDX-License-Identifier: Apache-2.0
#include "lang/diag.h"
#include "lang/utf8.h"
#include <stdio.h>
#include <string.h>

void sl_diag_add(struct sl_diags *d, enum sl_severity severity, struct sl_place at,
                 const char *hint, const char *fmt, ...)
{
    if (severity == SL_DIAG_ERROR)
        d->n_errors++;
    if (d->list.len >= SL_DIAG_MAX)
        return;
    char msg[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    *SL_PUSH(&d->list) = (struct sl_diagnostic){.severity = severity,
                                                .line = at.line,
                                                .col = at.col,
                                                .width = at.width > 0 ? at.width : 1,
                                                .message = sl_arena_strdup(d->arena, msg),
                                                .hint = hint};
}

static bool before(const struct sl_diagnostic *a, const struct sl_diagnostic *b)
{
    return a->line != b->line ? a->line < b->line : a->col < b->col;
}

// Insertion: at most SL_DIAG_MAX of them, nearly in order already.
void sl_diag_sort(struct sl_diags *d)
{
    for (size_t i = 1; i < d->list.len; i++) {
        struct sl_diagnostic one = d->list.at[i];
        size_t k = i;
        for (; k > 0 && before(&one, &d->list.at[k - 1]); k--)
            d->list.at[k] = d->list.at[k - 1];
        d->list.at[k] = one;
    }
}

// --- printing ------------------------------------------------------------------------------------

static bool ends_line(const char *p, const char *end)
{
    return p == end || *p == '\n' || *p == '\r';
}

// Start of the n-th line (1-based). Line ends are LF, CR LF and CR, as the lexer counts them.
static const char *line_start(const char *p, const char *end, int line)
{
    for (int at = 1; at < line && p < end; p++) {
        if (*p == '\n' || (*p == '\r' && !(p + 1 < end && p[1] == '\n')))
            at++;
    }
    return p;
}

// One character made fit for a terminal; returns its bytes in the source.
static size_t show(const char *p, const char *end, struct sl_str *line, struct sl_str *under,
                   char mark)
{
    uint32_t cp = 0;
    size_t n = sl_utf8_decode(p, end, &cp);
    int columns = 1;
    if (n && cp == '\t' && mark == ' ') {
        sl_str_add(line, "\t");
        sl_str_add(under, "\t");
        return n;
    }
    if (n && cp == '\t') {
        sl_str_add(line, " ");
    } else if (n && sl_utf8_printable(cp)) {
        sl_str_addn(line, p, n);
        columns = sl_utf8_columns(cp);
    } else {
        sl_str_add(line, "\xEF\xBF\xBD"); // U+FFFD
    }
    while (columns-- > 0)
        sl_str_addn(under, &mark, 1);
    return n ? n : 1;
}

// The source line and its caret line. Very long lines are shown around the place.
static void show_line(const struct sl_spec *s, const struct sl_diagnostic *d, struct sl_str *out,
                      const char *on, const char *off)
{
    enum { BEFORE = 100, AFTER = 60 };
    const char *end = s->source + s->source_len;
    const char *p = line_start(s->source, end, d->line);
    if (p == s->source && end - p >= 3 && !memcmp(p, "\xEF\xBB\xBF", 3))
        p += 3; // byte order mark
    struct sl_str line = {0}, under = {0};
    int col = 1, first = d->col > BEFORE + 20 ? d->col - BEFORE : 1;
    int last = d->col + d->width - 1;
    if (last > d->col + BEFORE)
        last = d->col + BEFORE;
    if (first > 1) {
        sl_str_add(&line, "...");
        sl_str_add(&under, "   ");
    }
    bool cut = false;
    while (!ends_line(p, end)) {
        bool skipped = col < first;
        if (col > last + AFTER) {
            cut = true;
            break;
        }
        if (skipped) {
            uint32_t cp;
            size_t n = sl_utf8_decode(p, end, &cp);
            p += n ? n : 1;
        } else if (col <= last) {
            p += show(p, end, &line, &under, col < d->col ? ' ' : '^');
        } else {
            struct sl_str rest = {0};
            p += show(p, end, &line, &rest, ' ');
            sl_str_done(&rest);
        }
        col++;
    }
    for (; col <= d->col; col++) // just behind the end of the line
        sl_str_add(&under, col == d->col ? "^" : " ");
    sl_str_addf(out, "%s%s\n%s%s%s\n", sl_str_text(&line), cut ? "..." : "", on,
                sl_str_text(&under), off);
    sl_str_done(&line);
    sl_str_done(&under);
}

void sl_spec_print(const struct sl_spec *s, bool colour, struct sl_str *out)
{
    size_t shown_errors = 0;
    for (size_t i = 0; i < s->n_diagnostics; i++) {
        const struct sl_diagnostic *d = &s->diagnostics[i];
        bool error = d->severity == SL_DIAG_ERROR;
        shown_errors += error;
        const char *on = !colour ? "" : error ? "\033[1;31m" : "\033[1;33m";
        const char *off = colour ? "\033[0m" : "";
        sl_str_addf(out, "%s:%d:%d: %s%s:%s %s\n", s->file, d->line, d->col, on,
                    error ? "error" : "warning", off, d->message);
        show_line(s, d, out, on, off);
        if (d->hint[0])
            sl_str_addf(out, "hint: %s\n", d->hint);
    }
    if (s->n_errors > shown_errors)
        sl_str_addf(out, "%s: %zu more errors are not shown\n", s->file,
                    s->n_errors - shown_errors);
}
