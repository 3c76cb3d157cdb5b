// SPDX-License-Identifier: Apache-2.0
#include "export/read_csv.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static struct sl_csv *open_text(const char *text, struct sl_error *err)
{
    *err = (struct sl_error){0};
    return sl_csv_open_bytes("t.csv", text, strlen(text), err);
}

static void expect_row(struct sl_csv *c, size_t n, const char *const *values) // NULL: missing
{
    struct sl_error err = {0};
    bool more;
    assert_true(sl_csv_next(c, &more, &err) && more);
    for (size_t i = 0; i < n; i++) {
        struct sl_text t = sl_csv_text(c, i);
        if (!values[i]) {
            assert_null(t.p);
            continue;
        }
        assert_non_null(t.p);
        assert_string_equal(t.p, values[i]);
        assert_int_equal(t.len, strlen(values[i]));
    }
}

static void expect_end(struct sl_csv *c)
{
    struct sl_error err = {0};
    bool more;
    assert_true(sl_csv_next(c, &more, &err) && !more);
    sl_csv_free(c);
}

static void quotes_line_ends_and_missing_cells_are_understood(void **state)
{
    (void)state;
    struct sl_error err;
    // By hand after RFC 4180, section 2.
    struct sl_csv *c =
        open_text("\xef\xbb\xbf name , n\r\n\"a \"\"b\"\",\nc\",1\r\n\n\"\",\nx,2", &err);
    assert_non_null(c);
    assert_int_equal(sl_csv_columns(c), 2);
    assert_string_equal(sl_csv_name(c, 0), "name");
    assert_int_equal(sl_csv_find(c, "n"), 1);
    expect_row(c, 2, (const char *[]){"a \"b\",\nc", "1"});
    assert_int_equal(sl_csv_line(c), 2);
    expect_row(c, 2, (const char *[]){"", NULL});
    assert_int_equal(sl_csv_line(c), 5);
    expect_row(c, 2, (const char *[]){"x", "2"});
    expect_end(c);
}

static void the_only_column_may_be_missing(void **state)
{
    (void)state;
    struct sl_error err;
    struct sl_csv *c = open_text("a\n\n1\n", &err);
    expect_row(c, 1, (const char *[]){NULL});
    expect_row(c, 1, (const char *[]){"1"});
    expect_end(c);
}

static void numbers_are_whole_or_real_or_refused(void **state)
{
    (void)state;
    struct sl_error err;
    struct sl_csv *c = open_text("a,b,c,d\n-9223372036854775807,1e3,,12x\n"
                                 "9223372036854775808,Infinity,NaN,0x10\n",
                                 &err);
    bool more;
    int64_t i;
    double d;
    assert_true(sl_csv_next(c, &more, &err));
    assert_true(sl_csv_int(c, 0, &i, &err) && i == -INT64_MAX);
    assert_true(sl_csv_real(c, 1, &d, &err) && d == 1000);
    assert_true(sl_csv_int(c, 2, &i, &err) && i == INT64_MIN);
    assert_true(sl_csv_real(c, 2, &d, &err) && isnan(d));
    assert_false(sl_csv_int(c, 3, &i, &err));
    assert_int_equal(err.code, SL_EINPUT);
    assert_string_equal(err.file, "t.csv");
    assert_int_equal(err.line, 2);
    assert_int_equal(err.col, 27); // 20 + 1 + 3 + 1 + 0 + 1 bytes in front
    assert_non_null(strstr(err.msg, "'12x'"));
    assert_non_null(strstr(err.hint, "leave the cell empty"));
    assert_true(sl_csv_next(c, &more, &err));
    assert_false(sl_csv_int(c, 0, &i, &err)); // 2^63
    assert_true(sl_csv_real(c, 1, &d, &err) && isinf(d));
    assert_true(sl_csv_real(c, 2, &d, &err) && isnan(d));
    assert_false(sl_csv_real(c, 3, &d, &err));
    expect_end(c);
}

static void what_is_no_csv_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        int line;
    } CASES[] = {{"", "is empty", 1},
                 {"a,b\n1,2\n1,2,3\n", "a row has 3 values, the header 2", 3},
                 {"a\n\"x", "ends within a quoted value", 2},
                 {"a,b\n\n\"x\"y,1\n", "text follows the closing quote", 3}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sl_error err;
        struct sl_csv *c = open_text(CASES[i].text, &err);
        bool more = true;
        while (c && more && sl_csv_next(c, &more, &err))
            ;
        assert_int_equal(err.code, SL_EINPUT);
        assert_non_null(strstr(err.msg, CASES[i].message));
        assert_int_equal(err.line, CASES[i].line);
        assert_true(err.hint[0]);
        sl_csv_free(c);
    }
}

static void a_column_that_is_not_there_brings_the_nearest_name(void **state)
{
    (void)state;
    struct sl_error err;
    struct sl_csv *c = open_text("duration_us,bytes\n", &err);
    size_t column;
    assert_true(sl_csv_need(c, "bytes", &column, &err) && column == 1);
    assert_false(sl_csv_need(c, "duration_ms", &column, &err));
    assert_string_equal(err.hint, "did you mean 'duration_us'?");
    sl_csv_free(c);
}

static void a_row_longer_than_a_mebibyte_is_refused(void **state)
{
    (void)state;
    size_t len = SL_CSV_MAX_ROW + 10;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, 'x', len);
    memcpy(text, "a\n\"", 3);
    struct sl_error err = {0};
    struct sl_csv *c = sl_csv_open_bytes("t.csv", text, len, &err);
    bool more;
    assert_true(c && !sl_csv_next(c, &more, &err));
    assert_non_null(strstr(err.msg, "longer than 1 MiB"));
    sl_csv_free(c);
    free(text);
}

static void long_tables_pass_through_the_window(void **state)
{
    (void)state;
    enum { ROWS = 50000 };
    char *text = malloc(ROWS * 20 + 8), *p = text;
    assert_non_null(text);
    p += sprintf(p, "a,b\n");
    for (int i = 0; i < ROWS; i++)
        p += sprintf(p, "%d,\"x\"\"\n%d\"\n", i, i);
    struct sl_error err = {0};
    struct sl_csv *c = sl_csv_open_bytes("t.csv", text, (size_t)(p - text), &err);
    assert_non_null(c);
    bool more;
    for (int i = 0; i < ROWS; i++) {
        int64_t v;
        char expected[20];
        assert_true(sl_csv_next(c, &more, &err) && more);
        assert_true(sl_csv_int(c, 0, &v, &err) && v == i);
        snprintf(expected, sizeof expected, "x\"\n%d", i);
        assert_string_equal(sl_csv_text(c, 1).p, expected);
        assert_int_equal(sl_csv_line(c), 2 + 2 * i);
    }
    expect_end(c);
    free(text);
}

static void compressed_tables_are_known_by_their_first_bytes(void **state)
{
    (void)state;
    // printf 'a,b\n1,2\n' | gzip -n
    static const unsigned char GZIP[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03,
                                         0x4b, 0xd4, 0x49, 0xe2, 0x32, 0xd4, 0x31, 0xe2, 0x02, 0x00,
                                         0x7b, 0x07, 0x97, 0x0a, 0x08, 0x00, 0x00, 0x00};
    struct sl_error err = {0};
    struct sl_csv *c = sl_csv_open_bytes("t.csv.gz", GZIP, sizeof GZIP, &err);
    assert_non_null(c);
    expect_row(c, 2, (const char *[]){"1", "2"});
    expect_end(c);
    c = sl_csv_open_bytes("t.csv.gz", GZIP, sizeof GZIP - 4, &err);
    bool more = true;
    while (c && more && sl_csv_next(c, &more, &err))
        ;
    assert_int_equal(err.code, SL_EINPUT);
    sl_csv_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_line_ends_and_missing_cells_are_understood),
        cmocka_unit_test(the_only_column_may_be_missing),
        cmocka_unit_test(numbers_are_whole_or_real_or_refused),
        cmocka_unit_test(what_is_no_csv_is_refused_with_its_line),
        cmocka_unit_test(a_column_that_is_not_there_brings_the_nearest_name),
        cmocka_unit_test(a_row_longer_than_a_mebibyte_is_refused),
        cmocka_unit_test(long_tables_pass_through_the_window),
        cmocka_unit_test(compressed_tables_are_known_by_their_first_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
