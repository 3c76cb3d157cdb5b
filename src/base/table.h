// SPDX-License-Identifier: Apache-2.0
/*
 * Tables for people: columns as wide as their widest cell, two spaces between, no ruling.
 *
 *     struct sl_table t = {.colour = cli->colour};
 *     sl_table_column(&t, "project", SL_LEFT);
 *     sl_table_column(&t, "rate", SL_RIGHT);
 *     sl_table_cell(&t, "shop");          // cells fill rows from left to right
 *     sl_table_cellf(&t, "%.1f M", 20.0); // the row is full: the next cell starts a new one
 *     sl_table_paint(&t, SL_PAINT_GOOD);  // the cell just added
 *     sl_table_write(&t, &text);
 *     sl_table_done(&t);
 *
 * Widths   terminal columns of UTF-8: combining marks count 0, East Asian wide characters 2.
 * Safety   cells may come from strangers: control characters and broken UTF-8 are shown as U+FFFD,
 *          so no cell can send an escape sequence to a terminal.
 * Threads  not synchronised.
 */
#pragma once
#include "base/mem.h"
#include "base/str.h"

enum sl_align { SL_LEFT, SL_RIGHT };
enum sl_paint {
    SL_PAINT_NONE,
    SL_PAINT_GOOD,
    SL_PAINT_BAD,
    SL_PAINT_WARN,
    SL_PAINT_DIM,
    SL_PAINT_BOLD
};

struct sl_table_cell {
    const char *text; // in the arena; clean
    int width;
    enum sl_paint paint;
};
struct sl_table_column {
    const char *title;
    int title_width, max_width; // max_width 0 = as wide as it takes
    enum sl_align align;
};
struct sl_table { // zeroed is an empty table without colour
    bool colour;
    bool no_header;
    struct sl_arena arena;
    SL_VEC(struct sl_table_column) columns;
    SL_VEC(struct sl_table_cell) cells;
};
void sl_table_column(struct sl_table *t, const char *title, enum sl_align align);
void sl_table_limit(struct sl_table *t,
                    int max_width); // the column just added; longer cells end in "…"
void sl_table_cell(struct sl_table *t, const char *text); // NULL is shown as ""
void sl_table_cellf(struct sl_table *t, const char *fmt, ...) SL_PRINTF(2, 3);
void sl_table_paint(struct sl_table *t, enum sl_paint paint);
size_t sl_table_rows(const struct sl_table *t);
void sl_table_write(const struct sl_table *t, struct sl_str *out); // header line, then the rows
void sl_table_done(struct sl_table *t);

int sl_text_width(const char *utf8); // terminal columns
// Adds text with control characters and broken UTF-8 replaced, as cells are.
void sl_text_add_clean(struct sl_str *out, const char *text);
// For tables and lines alike: the escape that starts a colour, "" without colour.
const char *sl_paint_start(bool colour, enum sl_paint paint);
const char *sl_paint_end(bool colour, enum sl_paint paint);
