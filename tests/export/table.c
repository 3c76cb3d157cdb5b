// SPDX-License-Identifier: Apache-2.0
// export-table FOLDER: one seeded table in every format, for readers that are not ours.
#include "base/mem.h"
#include "base/rng.h"
#include "export/export.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct sl_column COLUMNS[] = {
    {"small", SL_COL_INT, "1", .zeek_name = "orig_pkts", .zeek_type = "count"},
    {"large", SL_COL_INT, "1"},
    {"full", SL_COL_INT, "1"}, // never missing
    {"none", SL_COL_INT, "1"}, // always missing
    {"real", SL_COL_REAL, "1"},
    {"cents", SL_COL_REAL, "1", .decimals = 2},
    {"few", SL_COL_TEXT, .zeek_name = "service", .zeek_type = "string"},
    {"many", SL_COL_TEXT, .width = 40, .zeek_name = "uid", .zeek_type = "string"},
    {"always", SL_COL_TEXT, .width = 4},
    {"start", SL_COL_TIME, .zeek_name = "ts", .zeek_type = "time"},
    {"up", SL_COL_BOOL, .zeek_name = "local_orig", .zeek_type = "bool"},
    {"sizes", SL_COL_LIST, "B", .width = 16},
};
enum { N = sizeof COLUMNS / sizeof *COLUMNS, ROWS = 50000, GROUP_ROWS = 20000 };

static void fill(union sl_value *row, struct sl_rng *rng, char *text, size_t size, int64_t *list)
{
    static const char *const FEW[] = {"http",        "dns",        "",
                                      "caf\xc3\xa9", "a,\"b\"\nc", "tab\tback\\"};
    struct sl_text none = {NULL, 0};
    uint64_t a = sl_rng_u64(rng), b = sl_rng_u64(rng), missing = sl_rng_u64(rng);
    double real;
    memcpy(&real, &b, 8);
    const char *few = FEW[a % 6];
    snprintf(text, size, "uid-%llx", (unsigned long long)b);
    for (int i = 0; i < 4; i++)
        list[i] = (int64_t)(a >> i * 8 & 0x7ff) - 100;
    row[0].i = missing & 1 ? INT64_MIN : (int64_t)(a % 1000);
    row[1].i = missing & 2 ? INT64_MIN : (int64_t)b;
    row[2].i = (int64_t)a;
    row[3].i = INT64_MIN;
    row[4].f = missing & 4 ? NAN : missing & 24 ? sl_rng_exponential(rng, 1000) : real;
    row[5].f = missing & 32 ? INFINITY : (double)(a % 1000000) / 100;
    row[6].s = missing & 64 ? none : (struct sl_text){few, strlen(few)};
    row[7].s = missing & 128 ? none : (struct sl_text){text, strlen(text)};
    row[8].s = (struct sl_text){"same", 4};
    row[9].i = missing & 256 ? INT64_MIN : INT64_C(1700000000000000000) + (int64_t)(b >> 8);
    row[10].i = missing & 512 ? INT64_MIN : (int64_t)(a >> 40 & 1);
    row[11].l = (struct sl_list){missing & 1024 ? NULL : list, missing >> 32 & 3};
}

static bool write_table(const char *folder, enum sl_export_format format, struct sl_error *err)
{
    char *path = sl_format("%s/table.%s", folder, sl_export_format_name(format));
    struct sl_export_options opt = {.format = format,
                                    .path = path,
                                    .table = format == SL_EXPORT_ZEEK ? "conn" : "sample",
                                    .provenance = "{\"seed\": 1}",
                                    .group_rows = GROUP_ROWS};
    struct sl_rng rng = sl_rng_stream(1, "tests.export", 0);
    struct sl_export *x = sl_export_open(&opt, COLUMNS, N, err);
    bool ok = x;
    for (int i = 0; ok && i < ROWS; i++) {
        union sl_value row[N];
        char text[40];
        int64_t list[4];
        fill(row, &rng, text, sizeof text, list);
        ok = sl_export_row(x, row, err);
    }
    if (ok)
        ok = sl_export_close(x, err);
    else
        sl_export_abort(x);
    free(path);
    return ok;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: export-table FOLDER\n");
        return 2;
    }
    static const enum sl_export_format FORMATS[] = {
        SL_EXPORT_CSV, SL_EXPORT_JSONL, SL_EXPORT_PARQUET, SL_EXPORT_NPY, SL_EXPORT_ZEEK};
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++) {
        struct sl_error err = {0};
        if (!write_table(argv[1], FORMATS[i], &err)) {
            fprintf(stderr, "error: %s\n", err.msg);
            return 1;
        }
    }
    return 0;
}
