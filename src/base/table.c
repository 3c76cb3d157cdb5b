// SPDX-License-Identifier: Apache-2.0
#include "base/table.h"
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// One code point; broken or overlong sequences consume one byte and give U+FFFD.
static uint32_t next_code_point(const char **p)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)*p;
    int more = s[0] < 0x80         ? 0
               : (s[0] >> 5) == 6  ? 1
               : (s[0] >> 4) == 14 ? 2
               : (s[0] >> 3) == 30 ? 3
                                   : -1;
    uint32_t c = more < 0 ? 0 : more == 0 ? s[0] : s[0] & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            more = -1;
            break;
        }
        c = c << 6 | (s[i] & 0x3fu);
    }
    if (more < 0 || c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        *p += 1;
        return 0xfffd;
    }
    *p += more + 1;
    return c;
}

// Control characters, and the marks that reorder a line (U+202A..E, U+2066..9).
static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

// The blocks that matter in names; own table because wcwidth follows the locale and ours is "C".
static int code_point_width(uint32_t c)
{
    static const struct {
        uint32_t from, to;
        int width;
    } ranges[] = {
        {0x300, 0x36f, 0},   {0x200b, 0x200f, 0},   {0x20d0, 0x20ff, 0},   {0xfe00, 0xfe0f, 0},
        {0xfe20, 0xfe2f, 0}, {0x1100, 0x115f, 2},   {0x2e80, 0x303e, 2},   {0x3041, 0xa4cf, 2},
        {0xac00, 0xd7a3, 2}, {0xf900, 0xfaff, 2},   {0xfe30, 0xfe6f, 2},   {0xff00, 0xff60, 2},
        {0xffe0, 0xffe6, 2}, {0x1f300, 0x1f64f, 2}, {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (c >= ranges[i].from && c <= ranges[i].to)
            return ranges[i].width;
    return 1;
}

int sl_text_width(const char *utf8)
{
    int width = 0;
    while (*utf8) {
        uint32_t c = next_code_point(&utf8);
        width += is_control(c) ? 1 : code_point_width(c);
    }
    return width;
}

void sl_text_add_clean(struct sl_str *out, const char *text)
{
    while (*text) {
        const char *start = text;
        uint32_t c = next_code_point(&text);
        if (c == 0xfffd || is_control(c))
            sl_str_add(out, "\xef\xbf\xbd");
        else
            sl_str_addn(out, start, (size_t)(text - start));
    }
}

const char *sl_paint_start(bool colour, enum sl_paint paint)
{
    static const char *const codes[] = {
        [SL_PAINT_NONE] = "",         [SL_PAINT_GOOD] = "\x1b[32m", [SL_PAINT_BAD] = "\x1b[31m",
        [SL_PAINT_WARN] = "\x1b[33m", [SL_PAINT_DIM] = "\x1b[2m",   [SL_PAINT_BOLD] = "\x1b[1m"};
    return colour ? codes[paint] : "";
}

const char *sl_paint_end(bool colour, enum sl_paint paint)
{
    return colour && paint != SL_PAINT_NONE ? "\x1b[0m" : "";
}

void sl_table_column(struct sl_table *t, const char *title, enum sl_align align)
{
    *SL_PUSH(&t->columns) = (struct sl_table_column){.title = sl_arena_strdup(&t->arena, title),
                                                     .title_width = sl_text_width(title),
                                                     .align = align};
}

void sl_table_limit(struct sl_table *t, int max_width)
{
    if (t->columns.len)
        t->columns.at[t->columns.len - 1].max_width = max_width;
}

// The longest start of clean text that leaves one column for the ellipsis.
static void cut(struct sl_str *text, int max_width)
{
    const char *p = sl_str_text(text);
    int width = 0;
    for (;;) {
        const char *start = p;
        width += code_point_width(next_code_point(&p));
        if (width > max_width - 1) {
            text->len = (size_t)(start - text->text);
            sl_str_add(text, "…");
            return;
        }
    }
}

void sl_table_cell(struct sl_table *t, const char *text)
{
    struct sl_str clean = {0};
    sl_text_add_clean(&clean, text ? text : "");
    int width = sl_text_width(sl_str_text(&clean));
    int max = t->columns.len ? t->columns.at[t->cells.len % t->columns.len].max_width : 0;
    if (max > 0 && width > max) {
        cut(&clean, max);
        width = sl_text_width(sl_str_text(&clean));
    }
    *SL_PUSH(&t->cells) = (struct sl_table_cell){
        .text = sl_arena_strndup(&t->arena, sl_str_text(&clean), clean.len), .width = width};
    sl_str_done(&clean);
}

void sl_table_cellf(struct sl_table *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = NULL;
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    sl_table_cell(t, n < 0 ? "" : text);
    if (n >= 0)
        free(text);
}

void sl_table_paint(struct sl_table *t, enum sl_paint paint)
{
    if (t->cells.len)
        t->cells.at[t->cells.len - 1].paint = paint;
}

size_t sl_table_rows(const struct sl_table *t)
{
    return t->columns.len ? (t->cells.len + t->columns.len - 1) / t->columns.len : 0;
}

static void add_spaces(struct sl_str *out, int n)
{
    for (; n > 0; n--)
        sl_str_addn(out, " ", 1);
}

// Nothing is padded after the last cell that has text: no line ends in spaces.
static void write_row(const struct sl_table *t, const struct sl_table_cell *row, size_t n,
                      const int *width, struct sl_str *out)
{
    while (n && !row[n - 1].width)
        n--;
    for (size_t i = 0; i < n; i++) {
        int pad = width[i] - row[i].width;
        add_spaces(out, (i ? 2 : 0) + (t->columns.at[i].align == SL_RIGHT ? pad : 0));
        sl_str_add(out, sl_paint_start(t->colour, row[i].paint));
        sl_str_add(out, row[i].text);
        sl_str_add(out, sl_paint_end(t->colour, row[i].paint));
        if (t->columns.at[i].align == SL_LEFT && i + 1 < n)
            add_spaces(out, pad);
    }
    sl_str_addn(out, "\n", 1);
}

void sl_table_write(const struct sl_table *t, struct sl_str *out)
{
    size_t n = t->columns.len;
    if (!n)
        return;
    int *width = sl_alloc(n * sizeof *width);
    struct sl_table_cell *titles = sl_alloc(n * sizeof *titles);
    for (size_t i = 0; i < n; i++) {
        titles[i] = (struct sl_table_cell){t->columns.at[i].title, t->columns.at[i].title_width,
                                           SL_PAINT_BOLD};
        width[i] = t->no_header ? 0 : titles[i].width;
    }
    for (size_t i = 0; i < t->cells.len; i++)
        if (t->cells.at[i].width > width[i % n])
            width[i % n] = t->cells.at[i].width;
    if (!t->no_header)
        write_row(t, titles, n, width, out);
    for (size_t i = 0; i < t->cells.len; i += n)
        write_row(t, &t->cells.at[i], t->cells.len - i < n ? t->cells.len - i : n, width, out);
    free(width);
    free(titles);
}

void sl_table_done(struct sl_table *t)
{
    SL_VEC_DONE(&t->columns);
    SL_VEC_DONE(&t->cells);
    sl_arena_done(&t->arena);
}
