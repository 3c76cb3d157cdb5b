// SPDX-License-Identifier: Apache-2.0
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "export/export.h"
#include "export/ipfix.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>
#include <glob.h>

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

// Files beside it that are not complete yet.
static bool has_part(const char *path)
{
    glob_t g;
    char *pattern = sl_format("%s.*.part", path);
    bool found = glob(pattern, 0, NULL, &g) == 0;
    if (found)
        globfree(&g);
    free(pattern);
    return found;
}

static void a_table_has_its_name_only_when_complete(void **state)
{
    (void)state;
    struct sl_error err = {0};
    char *path = path_of("late.csv"), *schema = path_of("late.csv.schema.json");
    struct sl_export_options opt = {.format = SL_EXPORT_CSV, .path = path, .table = "flows"};
    struct sl_export *x = sl_export_open(&opt, COLUMNS, N, &err);
    assert_non_null(x);
    assert_true(sl_export_row(x, ROWS[0], &err));
    assert_true(sl_export_flush(x, &err));
    assert_true(has_part(path) && !sl_exists(path) && !sl_exists(schema));
    sl_export_abort(x);
    assert_false(has_part(path) || sl_exists(path) || sl_exists(schema));
    x = sl_export_open(&opt, COLUMNS, N, &err);
    assert_true(x && sl_export_close(x, &err));
    assert_true(sl_exists(path) && sl_exists(schema) && !has_part(path));
    free(path), free(schema);
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

static void json_lines_have_null_for_what_is_missing(void **state)
{
    (void)state;
    write_table("a.jsonl", (struct sl_export_options){.format = SL_EXPORT_JSONL});
    char *text = read_text("a.jsonl", NULL);
    // By hand after RFC 8259.
    assert_string_equal(
        text, "{\"id\":7,\"mean\":0.1,\"rate\":2.35,\"name\":\"a,\\\"b\\\"\","
              "\"start\":1700000000123456789,\"up\":true,\"sizes\":[1,-20,300]}\n"
              "{\"id\":null,\"mean\":null,\"rate\":null,\"name\":null,\"start\":null,\"up\":null,"
              "\"sizes\":null}\n"
              "{\"id\":-1,\"mean\":3,\"rate\":0.00,\"name\":\"\",\"start\":0,\"up\":false,"
              "\"sizes\":[]}\n"
              "{\"id\":9223372036854775807,\"mean\":-1.5,\"rate\":1000000.00,"
              "\"name\":\"x\xef\xbf\xbd\\ny\",\"start\":-1,\"up\":true,\"sizes\":[1]}\n");
    free(text);
}

static void json_strings_escape_control_characters(void **state)
{
    (void)state;
    static const struct sl_column one[] = {{"a\"b", SL_COL_TEXT}};
    union sl_value row = TEXT("\x00\x01\t\b\f\r\n\x1f\x7f\\/\xc3\xa9\xc3");
    struct sl_error err = {0};
    char *path = path_of("b.jsonl");
    struct sl_export_options opt = {.format = SL_EXPORT_JSONL, .path = path};
    struct sl_export *x = sl_export_open(&opt, one, 1, &err);
    assert_true(x && sl_export_row(x, &row, &err) && sl_export_close(x, &err));
    char *text = read_text("b.jsonl", NULL);
    assert_string_equal(text, "{\"a\\\"b\":\"\\u0000\\u0001\\t\\b\\f\\r\\n\\u001f\x7f\\\\/"
                              "\xc3\xa9\xef\xbf\xbd\"}\n");
    free(text), free(path);
}

static void a_zeek_log_has_seconds_and_escapes(void **state)
{
    (void)state;
    static const struct sl_column conn[] = {
        {"start", SL_COL_TIME, .zeek_name = "ts", .zeek_type = "time"},
        {"hidden", SL_COL_INT},
        {"duration", SL_COL_INT, "us", .zeek_name = "duration", .zeek_type = "interval"},
        {"idle", SL_COL_REAL, "ms", .zeek_name = "idle", .zeek_type = "interval"},
        {"service", SL_COL_TEXT, .zeek_name = "service", .zeek_type = "string"},
        {"local", SL_COL_BOOL, .zeek_name = "local_orig", .zeek_type = "bool"},
    };
    const union sl_value rows[][6] = {
        {{.i = 1700000000123456789}, {.i = 1}, {.i = 1500001}, {.f = 2.5}, TEXT("a\tb"), {.i = 1}},
        {{.i = 1700000061000000000}, {.i = 1}, {.i = INT64_MIN}, {.f = NAN}, TEXT("-"), {.i = 0}},
        {{.i = INT64_MIN}, {.i = 1}, {.i = 0}, {.f = 0}, TEXT(""), {.i = INT64_MIN}},
    };
    struct sl_error err = {0};
    char *path = path_of("conn.log");
    struct sl_export_options opt = {.format = SL_EXPORT_ZEEK, .path = path, .table = "conn"};
    struct sl_export *x = sl_export_open(&opt, conn, 6, &err);
    assert_non_null(x);
    for (int i = 0; i < 3; i++)
        assert_true(sl_export_row(x, rows[i], &err));
    assert_true(sl_export_close(x, &err));
    char *text = read_text("conn.log", NULL);
    // The lines of a log as Zeek's manual shows them; `date -u -d @1700000000` says 22:13:20.
    assert_string_equal(text, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n"
                              "#unset_field\t-\n#path\tconn\n#open\t2023-11-14-22-13-20\n"
                              "#fields\tts\tduration\tidle\tservice\tlocal_orig\n"
                              "#types\ttime\tinterval\tinterval\tstring\tbool\n"
                              "1700000000.123456\t1.500001\t0.002500\ta\\x09b\tT\n"
                              "1700000061.000000\t-\t-\t\\x2d\tF\n"
                              "-\t0.000000\t0.000000\t(empty)\t-\n"
                              "#close\t2023-11-14-22-14-21\n");
    free(text), free(path);
}

static void a_numpy_array_says_its_fields_and_rows(void **state)
{
    (void)state;
    write_table("a.npy", (struct sl_export_options){.format = SL_EXPORT_NPY});
    size_t len;
    char *text = read_text("a.npy", &len);
    // NEP 1: magic, version, length of the header, little-endian, which ends a multiple of 64.
    assert_memory_equal(text, "\x93NUMPY\x01\x00", 8);
    size_t header = 10 + (unsigned char)text[8] + 256u * (unsigned char)text[9];
    assert_int_equal(header % 64, 0);
    assert_int_equal(text[header - 1], '\n');
    text[header - 1] = '\0';
    assert_non_null(strstr(text + 10, "{'descr': [('id', '<i8'), ('mean', '<f8'), "
                                      "('rate', '<f8'), ('name', '|S64'), ('start', '<M8[ns]'), "
                                      "('up', '|u1'), ('sizes', '|S64'), ], "
                                      "'fortran_order': False, 'shape': (4,), }"));
    size_t row = 8 + 8 + 8 + 64 + 8 + 1 + 64;
    assert_int_equal(len, header + 4 * row);
    const char *first = text + header;
    assert_memory_equal(first, "\x07\0\0\0\0\0\0\0", 8);
    assert_string_equal(first + 24, "a,\"b\"");
    assert_string_equal(first + 97, "1 -20 300");
    assert_int_equal((unsigned char)first[row + 96], 255); // missing
    free(text);
}

static void a_numpy_array_to_a_pipe_has_the_same_bytes(void **state)
{
    (void)state; // its header is written last: the bytes wait in a temporary file
    write_table("p.npy", (struct sl_export_options){.format = SL_EXPORT_NPY});
    size_t len;
    char *expected = read_text("p.npy", &len);
    struct sl_error err = {0};
    int pipes[2], kept = dup(1);
    assert_int_equal(pipe(pipes), 0);
    fflush(stdout);
    dup2(pipes[1], 1);
    struct sl_export_options opt = {.format = SL_EXPORT_NPY, .path = "-"};
    struct sl_export *x = sl_export_open(&opt, COLUMNS, N, &err);
    bool ok = x;
    for (int i = 0; ok && i < M; i++)
        ok = sl_export_row(x, ROWS[i], &err);
    ok = ok && sl_export_close(x, &err);
    dup2(kept, 1);
    close(kept), close(pipes[1]);
    char got[4096];
    ssize_t n = ok ? read(pipes[0], got, sizeof got) : -1;
    close(pipes[0]);
    assert_int_equal(n, len);
    assert_memory_equal(got, expected, len);
    free(expected);
}

static void a_parquet_file_begins_and_ends_as_one(void **state)
{
    (void)state; // what is in it, tests/export checks with another's reader
    write_table("a.parquet", (struct sl_export_options){.format = SL_EXPORT_PARQUET});
    size_t len;
    char *text = read_text("a.parquet", &len);
    assert_memory_equal(text, "PAR1", 4);
    assert_memory_equal(text + len - 4, "PAR1", 4);
    free(text);
}

// Each page is a frame of zstd, and each row group has a page of words and one that points at them.
// Lists of 300 times "1000000000000000000" and a space take 6,003 bytes with their length: eleven
// of them reach 64 KiB, so 110 rows are ten groups.
static void long_lists_fill_row_groups(void **state)
{
    (void)state;
    char *path = sl_format("%s/lists.parquet", folder);
    static const struct sl_column list = {.name = "l", .type = SL_COL_LIST};
    struct sl_export_options opt = {
        .format = SL_EXPORT_PARQUET, .path = path, .group_bytes = 64 << 10};
    struct sl_error err = {0};
    struct sl_export *x = sl_export_open(&opt, &list, 1, &err);
    assert_non_null(x);
    int64_t numbers[300];
    for (int i = 0; i < 300; i++)
        numbers[i] = INT64_C(1000000000000000000);
    union sl_value row = {.l = {numbers, 300}};
    for (int i = 0; i < 110; i++) {
        numbers[0]++;
        assert_true(sl_export_row(x, &row, &err));
    }
    assert_true(sl_export_close(x, &err));
    size_t len, pages = 0;
    char *bytes;
    assert_true(sl_read_file(path, 1 << 20, &bytes, &len, &err));
    for (size_t i = 0; i + 4 <= len; i++)
        pages += !memcmp(bytes + i, "\x28\xb5\x2f\xfd", 4);
    assert_int_equal(pages, 20);
    free(bytes), free(path);
}

static void java_reals_have_words_for_what_is_not_finite(void **state)
{
    (void)state;
    write_table("j.csv", (struct sl_export_options){.java_reals = true, .no_header = true});
    char *text = read_text("j.csv", NULL);
    // Java's Double.toString for the same doubles; fixed decimals do not count then.
    assert_string_equal(text, "7,0.1,2.345,\"a,\"\"b\"\"\",1700000000123456789,1,1 -20 300\n"
                              ",NaN,Infinity,,,,\n"
                              "-1,3.0,-0.001,\"\",0,0,\"\"\n"
                              "9223372036854775807,-1.5,1000000.0,\"x\xef\xbf\xbd\ny\",-1,1,1\n");
    free(text);
}

static void ipfix_is_refused_with_a_remedy_where_it_is_not_built(void **state)
{
    (void)state;
    struct sl_error err = {0};
    char *path = path_of("a.ipfix");
    struct sl_export_options opt = {.format = SL_EXPORT_IPFIX, .path = path};
    assert_null(sl_export_open(&opt, COLUMNS, N, &err)); // never a table
    if (sl_ipfix_available()) {
        assert_int_equal(err.code, SL_EUSAGE);
    } else {
        assert_int_equal(err.code, SL_EENV);
        assert_non_null(strstr(err.hint, "libfixbuf-dev"));
    }
    assert_false(sl_exists(path));
    free(path);
}

static void a_file_that_may_not_grow_leaves_nothing(void **state)
{
    (void)state;
    char *path = path_of("big.csv");
    struct rlimit was, low = {.rlim_cur = 1 << 20};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    low.rlim_max = was.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &low);
    struct sl_error err = {0};
    struct sl_export_options opt = {.format = SL_EXPORT_CSV, .path = path};
    struct sl_export *x = sl_export_open(&opt, COLUMNS, N, &err);
    assert_non_null(x);
    for (int i = 0; i < 100000 && !err.code; i++)
        if (!sl_export_row(x, ROWS[0], &err))
            break;
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(err.code, SL_ERUN);
    assert_non_null(strstr(err.msg, "big.csv"));
    err = (struct sl_error){0};
    assert_false(sl_export_close(x, &err)); // not even then does it look whole
    assert_false(sl_exists(path) || has_part(path));
    free(path);
}

static void formats_are_known_by_name_and_by_file_name(void **state)
{
    (void)state;
    enum sl_export_format f;
    assert_true(sl_export_format_of("csv", &f) && f == SL_EXPORT_CSV);
    assert_true(sl_export_format_of("out/flows.csv", &f) && f == SL_EXPORT_CSV);
    for (int i = 0; i < SL_EXPORT_FORMATS; i++) {
        const char *name = sl_export_format_name((enum sl_export_format)i);
        assert_true(sl_export_format_of(name, &f) && (int)f == i);
    }
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
        cmocka_unit_test(json_lines_have_null_for_what_is_missing),
        cmocka_unit_test(json_strings_escape_control_characters),
        cmocka_unit_test(a_zeek_log_has_seconds_and_escapes),
        cmocka_unit_test(a_numpy_array_says_its_fields_and_rows),
        cmocka_unit_test(a_numpy_array_to_a_pipe_has_the_same_bytes),
        cmocka_unit_test(a_parquet_file_begins_and_ends_as_one),
        cmocka_unit_test(long_lists_fill_row_groups),
        cmocka_unit_test(java_reals_have_words_for_what_is_not_finite),
        cmocka_unit_test(ipfix_is_refused_with_a_remedy_where_it_is_not_built),
        cmocka_unit_test(a_file_that_may_not_grow_leaves_nothing),
        cmocka_unit_test(formats_are_known_by_name_and_by_file_name),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
