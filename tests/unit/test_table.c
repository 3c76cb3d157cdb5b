// SPDX-License-Identifier: Apache-2.0
#include "base/table.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    struct sl_table t = {0};
    sl_table_column(&t, "project", SL_LEFT);
    sl_table_column(&t, "rate", SL_RIGHT);
    sl_table_cell(&t, "shop");
    sl_table_cell(&t, "20.0 M");
    sl_table_cell(&t, "a-longer-name");
    sl_table_cellf(&t, "%d", 7);
    struct sl_str out = {0};
    sl_table_write(&t, &out);
    assert_string_equal(sl_str_text(&out), "project          rate\n"
                                           "shop           20.0 M\n"
                                           "a-longer-name       7\n");
    assert_int_equal(sl_table_rows(&t), 2);
    sl_table_done(&t);
    sl_str_done(&out);
}

// U+2192 is one column, U+4E2D two, U+0301 (combining acute) none: widths 1, 2, 1.
static void widths_are_terminal_columns(void **state)
{
    (void)state;
    assert_int_equal(sl_text_width("→"), 1);
    assert_int_equal(sl_text_width("中"), 2);
    assert_int_equal(sl_text_width("e\xcc\x81"), 1);
    struct sl_table t = {.no_header = true};
    sl_table_column(&t, "", SL_LEFT);
    sl_table_column(&t, "", SL_LEFT);
    sl_table_cell(&t, "中");
    sl_table_cell(&t, "x");
    sl_table_cell(&t, "abc");
    sl_table_cell(&t, "y");
    struct sl_str out = {0};
    sl_table_write(&t, &out);
    assert_string_equal(sl_str_text(&out), "中   x\nabc  y\n");
    sl_table_done(&t);
    sl_str_done(&out);
}

static void a_cell_cannot_send_escapes_to_the_terminal(void **state)
{
    (void)state;
    struct sl_table t = {.no_header = true};
    sl_table_column(&t, "", SL_LEFT);
    sl_table_cell(&t, "a\x1b[2Jb\n\xff\xc0\x80"); // ESC, line feed, broken and overlong bytes
    struct sl_str out = {0};
    sl_table_write(&t, &out);
    assert_string_equal(sl_str_text(&out),
                        "a\xef\xbf\xbd[2Jb\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n");
    sl_table_done(&t);
    sl_str_done(&out);
}

static void long_cells_are_cut_and_colour_is_outside_the_width(void **state)
{
    (void)state;
    struct sl_table t = {.colour = true, .no_header = true};
    sl_table_column(&t, "", SL_LEFT);
    sl_table_limit(&t, 4);
    sl_table_column(&t, "", SL_RIGHT);
    sl_table_cell(&t, "abcdefgh");
    sl_table_cell(&t, "ok");
    sl_table_paint(&t, SL_PAINT_GOOD);
    struct sl_str out = {0};
    sl_table_write(&t, &out);
    assert_string_equal(sl_str_text(&out), "abc…  \x1b[32mok\x1b[0m\n");
    sl_table_done(&t);
    sl_str_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(widths_are_terminal_columns),
        cmocka_unit_test(a_cell_cannot_send_escapes_to_the_terminal),
        cmocka_unit_test(long_cells_are_cut_and_colour_is_outside_the_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
