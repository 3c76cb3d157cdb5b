// SPDX-License-Identifier: Apache-2.0
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "export/export.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = sl_strdup("/tmp/sluice-export.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    struct sl_error err;
    bool ok = sl_remove_tree(folder, &err);
    free(folder);
    return ok ? 0 : -1;
}

#define TEXT(t)                                                                                    \
    {                                                                                              \
        .s = { t, sizeof(t) - 1 }                                                                  \
    }

static const struct sl_column COLUMNS[] = {
    {"id", SL_COL_INT, "1"},
    {"mean", SL_COL_REAL, "us", .formula = "sum / n", .source = "by hand"},
    {"rate", SL_COL_REAL, "B/s", .decimals = 2},
    {"name", SL_COL_TEXT},
    {"start", SL_COL_TIME},
    {"up", SL_COL_BOOL},
    {"sizes", SL_COL_LIST, "B"},
};
enum { N = sizeof COLUMNS / sizeof *COLUMNS };
static const int64_t SIZES[] = {1, -20, 300};
static const union sl_value ROWS[][N] = {
    {{.i = 7},
     {.f = 0.1},
     {.f = 2.345},
     TEXT("a,\"b\""),
     {.i = 1700000000123456789},
     {.i = 1},
     {.l = {SIZES, 3}}},
    {{.i = INT64_MIN},
     {.f = NAN},
     {.f = INFINITY},
     {.s = {NULL, 0}},
     {.i = INT64_MIN},
     {.i = INT64_MIN},
     {.l = {NULL, 0}}},
    {{.i = -1}, {.f = 3}, {.f = -0.001}, TEXT(""), {.i = 0}, {.i = 0}, {.l = {SIZES, 0}}},
    {{.i = INT64_MAX},
     {.f = -1.5},
     {.f = 1e6},
     TEXT("x\xff\ny"),
     {.i = -1},
     {.i = 1},
     {.l = {SIZES, 1}}},
};
enum { M = sizeof ROWS / sizeof *ROWS };

static char *path_of(const char *name)
{
    return sl_path_join(folder, name);
}

static char *read_text(const char *name, size_t *len)
{
    char *path = path_of(name), *text;
    size_t n;
    struct sl_error err;
    assert_true(sl_read_file(path, 1 << 20, &text, &n, &err));
    free(path);
    if (len)
        *len = n;
    return text;
}

static void write_table(const char *name, struct sl_export_options opt)
{
    struct sl_error err = {0};
    char *path = path_of(name);
    opt.path = path;
    if (!opt.table)
        opt.table = "flows";
    struct sl_export *x = sl_export_open(&opt, COLUMNS, N, &err);
    if (!x)
        fail_msg("%s", err.msg);
    for (int i = 0; i < M; i++)
        assert_true(sl_export_row(x, ROWS[i], &err));
    assert_int_equal(sl_export_rows(x), M);
    assert_true(sl_export_close(x, &err));
    free(path);
}

static void csv_quotes_what_needs_it_and_leaves_missing_cells_empty(void **state)
{
    (void)state;
    write_table("a.csv", (struct sl_export_options){.format = SL_EXPORT_CSV});
    char *text = read_text("a.csv", NULL);
    // By hand after RFC 4180, section 2, and the rules of export.h. 2.345 is a little above its
    // decimal in binary.
    assert_string_equal(text, "id,mean,rate,name,start,up,sizes\n"
                              "7,0.1,2.35,\"a,\"\"b\"\"\",1700000000123456789,1,1 -20 300\n"
                              ",,,,,,\n"
                              "-1,3,0.00,\"\",0,0,\"\"\n"
                              "9223372036854775807,-1.5,1000000.00,\"x\xef\xbf\xbd\ny\",-1,1,1\n");
    free(text);
}

static void a_table_has_its_name_only_when_complete(void **state)
{
    (void)state;
    struct sl_error err = {0};
    char *path = path_of("late.csv"), *part = path_of("late.csv.part"),
         *schema = path_of("late.csv.schema.json");
    struct sl_export_options opt = {.format = SL_EXPORT_CSV, .path = path, .table = "flows"};
    struct sl_export *x = sl_export_open(&opt, COLUMNS, N, &err);
    assert_non_null(x);
    assert_true(sl_export_row(x, ROWS[0], &err));
    assert_true(sl_export_flush(x, &err));
    assert_true(sl_exists(part) && !sl_exists(path) && !sl_exists(schema));
    sl_export_abort(x);
    assert_false(sl_exists(part) || sl_exists(path) || sl_exists(schema));
    x = sl_export_open(&opt, COLUMNS, N, &err);
    assert_true(x && sl_export_close(x, &err));
    assert_true(sl_exists(path) && sl_exists(schema) && !sl_exists(part));
    free(path), free(part), free(schema);
}

static void the_schema_file_says_what_each_column_is(void **state)
{
    (void)state;
    write_table("s.csv", (struct sl_export_options){.format = SL_EXPORT_CSV,
                                                    .provenance = "{\"seed\": 42}"});
    struct sl_error err;
    char *path = path_of("s.csv.schema.json");
    json_t *j = sl_json_load(path, &err);
    assert_non_null(j);
    assert_string_equal(sl_json_str(j, "schema", ""), "sluice.table/1");
    assert_string_equal(sl_json_str(j, "table", ""), "flows");
    assert_string_equal(sl_json_str(j, "missing", ""), "empty cell");
    assert_true(sl_json_num(json_object_get(j, "provenance"), "seed", 0) == 42);
    json_t *columns = json_object_get(j, "columns"), *mean = json_array_get(columns, 1);
    assert_int_equal(json_array_size(columns), N);
    assert_string_equal(sl_json_str(mean, "name", ""), "mean");
    assert_string_equal(sl_json_str(mean, "type", ""), "real");
    assert_string_equal(sl_json_str(mean, "unit", ""), "us");
    assert_string_equal(sl_json_str(mean, "formula", ""), "sum / n");
    assert_string_equal(sl_json_str(mean, "source", ""), "by hand");
    json_decref(j);
    free(path);
}

static void a_full_disk_is_named_with_the_file(void **state)
{
    (void)state;
    for (int f = 0; f < SL_EXPORT_FORMATS; f++) {
        struct sl_error err = {0};
        struct sl_export_options opt = {.format = (enum sl_export_format)f, .path = "/dev/full"};
        struct sl_export *x = sl_export_open(&opt, COLUMNS, N, &err);
        if (!x)
            continue;
        assert_true(sl_export_row(x, ROWS[0], &err));
        assert_false(sl_export_close(x, &err));
        assert_int_equal(err.code, SL_ERUN);
        assert_non_null(strstr(err.msg, "/dev/full"));
        assert_non_null(strstr(err.msg, strerror(ENOSPC)));
        assert_non_null(strstr(err.hint, "free some space"));
    }
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct sl_error err = {0};
    char *path = path_of("nowhere/a.csv");
    struct sl_export_options opt = {.path = path};
    assert_null(sl_export_open(&opt, COLUMNS, N, &err));
    assert_non_null(strstr(err.msg, path));
    assert_non_null(strstr(err.hint, "make the folder"));
    free(path);
}

static void a_table_streams_to_standard_output(void **state)
{
    (void)state;
    struct sl_error err = {0};
    int pipes[2], kept = dup(1);
    assert_int_equal(pipe(pipes), 0);
    fflush(stdout);
    dup2(pipes[1], 1);
    struct sl_export_options opt = {.path = "-", .no_header = true};
    struct sl_export *x = sl_export_open(&opt, COLUMNS, N, &err);
    bool ok = x && sl_export_row(x, ROWS[2], &err) && sl_export_flush(x, &err);
    char text[64] = "";
    ssize_t n = ok ? read(pipes[0], text, sizeof text - 1) : 0; // before it is closed
    ok = ok && sl_export_close(x, &err);
    dup2(kept, 1); // close has not closed it
    close(kept), close(pipes[0]), close(pipes[1]);
    assert_true(ok && n > 0);
    assert_string_equal(text, "-1,3,0.00,\"\",0,0,\"\"\n");
}

static void formats_are_known_by_name_and_by_file_name(void **state)
{
    (void)state;
    enum sl_export_format f;
    assert_true(sl_export_format_of("csv", &f) && f == SL_EXPORT_CSV);
    assert_true(sl_export_format_of("out/flows.csv", &f) && f == SL_EXPORT_CSV);
    assert_false(sl_export_format_of("flows.xlsx", &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_quotes_what_needs_it_and_leaves_missing_cells_empty),
        cmocka_unit_test(a_table_has_its_name_only_when_complete),
        cmocka_unit_test(the_schema_file_says_what_each_column_is),
        cmocka_unit_test(a_full_disk_is_named_with_the_file),
        cmocka_unit_test(a_folder_that_is_not_there_is_named),
        cmocka_unit_test(a_table_streams_to_standard_output),
        cmocka_unit_test(formats_are_known_by_name_and_by_file_name),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
