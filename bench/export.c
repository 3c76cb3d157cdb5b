// SPDX-License-Identifier: Apache-2.0
/*
 * Rows per CPU-second of each table format, beside printf.
 *
 * usage: bench_export [ROWS]     220,000 when not given; 95 columns, as a flow table has
 *
 * Three quarters of the values are whole numbers or small decimals, a quarter statistics with all
 * their digits; one in ten is missing. Rows are made first (not counted) and go to a temporary
 * file. Each format and printf (%.17g, %lld) take turns; the best of five is reported. CPU time,
 * because the machine may be shared.
 */
#include "export/export.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { N = 95, DISTINCT = 4096, ROUNDS = 3 };

static struct sl_column columns[N];
static char names[N][8];
static union sl_value rows[DISTINCT][N]; // gone through again and again
static char texts[DISTINCT][16];

static void invent(void)
{
    static const char *const SERVICES[] = {"http", "dns", "tls", "ssh"};
    struct sl_rng rng = sl_rng_stream(1, "bench.export", 0);
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        enum sl_column_type type = i == 0             ? SL_COL_TIME
                                   : i == 1 || i == 2 ? SL_COL_TEXT
                                   : i == 3           ? SL_COL_BOOL
                                   : i % 2            ? SL_COL_INT
                                                      : SL_COL_REAL;
        columns[i] = (struct sl_column){.name = names[i], .type = type, .unit = "1"};
    }
    for (int r = 0; r < DISTINCT; r++) {
        snprintf(texts[r], sizeof texts[r], "10.0.%d.%d", r >> 8, r & 255);
        for (int i = 0; i < N; i++) {
            union sl_value *v = &rows[r][i];
            bool missing = sl_rng_below(&rng, 10) == 0;
            const char *text = i == 1 ? texts[r] : SERVICES[sl_rng_below(&rng, 4)];
            double stat = sl_rng_exponential(&rng, 1000);
            if (columns[i].type == SL_COL_TEXT)
                v->s = (struct sl_text){missing ? NULL : text, strlen(text)};
            else if (columns[i].type == SL_COL_REAL)
                v->f = missing ? NAN : i % 4 ? stat : floor(stat * 10) / 10;
            else if (columns[i].type == SL_COL_BOOL)
                v->i = (int64_t)sl_rng_below(&rng, 2);
            else if (columns[i].type == SL_COL_TIME)
                v->i =
                    INT64_C(1700000000000000000) + (int64_t)sl_rng_below(&rng, UINT64_C(1) << 42);
            else
                v->i = missing ? INT64_MIN : (int64_t)sl_rng_below(&rng, UINT64_C(1) << i % 30);
        }
    }
}

static double cpu_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool with_printf(const char *path, uint64_t n, struct sl_error *err)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return sl_fail(err, SL_ERUN, "cannot write '%s'", path);
    for (uint64_t r = 0; r < n; r++)
        for (int i = 0; i < N; i++) {
            const union sl_value *v = &rows[r % DISTINCT][i];
            if (columns[i].type == SL_COL_TEXT)
                fprintf(f, "%s", v->s.p ? v->s.p : "");
            else if (columns[i].type == SL_COL_REAL && !isnan(v->f))
                fprintf(f, "%.17g", v->f);
            else if (columns[i].type != SL_COL_REAL && v->i != INT64_MIN)
                fprintf(f, "%lld", (long long)v->i);
            putc(i + 1 < N ? ',' : '\n', f);
        }
    return fclose(f) == 0 || sl_fail(err, SL_ERUN, "cannot write '%s'", path);
}

static bool with_export(const struct sl_export_options *opt, uint64_t n, struct sl_error *err)
{
    struct sl_export *x = sl_export_open(opt, columns, N, err);
    bool ok = x;
    for (uint64_t r = 0; ok && r < n; r++)
        ok = sl_export_row(x, rows[r % DISTINCT], err);
    if (!ok) {
        sl_export_abort(x);
        return false;
    }
    return sl_export_close(x, err);
}

struct candidate {
    const char *name;
    struct sl_export_options opt;
    double best;
    int64_t bytes;
};

static bool round_of(struct candidate *c, const char *path, uint64_t n, struct sl_error *err)
{
    double start = cpu_s();
    c->opt.path = path;
    c->opt.no_schema_file = true;
    if (!(c->name[0] == '%' ? with_printf(path, n, err) : with_export(&c->opt, n, err)))
        return false;
    double s = cpu_s() - start;
    c->best = c->best <= 0 || s < c->best ? s : c->best;
    struct stat st;
    c->bytes = stat(path, &st) == 0 ? st.st_size : 0;
    unlink(path);
    return true;
}

int main(int argc, char **argv)
{
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 220000;
    struct candidate all[] = {
        {"%.17g, %lld", {0}},
        {"csv", {.format = SL_EXPORT_CSV}},
        {"csv, Java's reals", {.format = SL_EXPORT_CSV, .java_reals = true}},
        {"jsonl", {.format = SL_EXPORT_JSONL}},
        {"parquet", {.format = SL_EXPORT_PARQUET}},
        {"npy", {.format = SL_EXPORT_NPY}},
    };
    char *path = sl_format("/tmp/sluice-bench-export.%d", (int)getpid());
    struct sl_error err = {0};
    invent();
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            if (!round_of(&all[i], path, n, &err)) {
                fprintf(stderr, "error: %s\n", err.msg);
                return 1;
            }
    printf("%" PRIu64 " rows of %d columns\n", n, N);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        printf("%-18s %.3f CPU-seconds  %5.2f M rows per CPU-second  %4.1f MB  %.1f times printf\n",
               all[i].name, all[i].best, (double)n / all[i].best / 1e6, (double)all[i].bytes / 1e6,
               all[0].best / all[i].best);
    free(path);
    return 0;
}
