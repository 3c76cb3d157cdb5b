// SPDX-License-Identifier: Apache-2.0
// Files per CPU-second for parse, repair, policy and classification. Files are read before the
// clock starts: what is measured is the loader, not the disk.
//
//     bench-compose [-n ROUNDS] FILE...      (folders are not entered; "find ... -name" lists them)
#include "compose/load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct input {
    const char *text;
    size_t len;
};

// A tree in which whatever the file points to is there: folders, and Dockerfiles in them.
static enum sl_file_kind look(void *ctx, const char *path, char resolved[SL_FILE_PATH_MAX])
{
    (void)ctx;
    if (!sl_copy(resolved, SL_FILE_PATH_MAX, path))
        return SL_FILE_OUTSIDE;
    if (strstr(path, "override"))
        return SL_FILE_NONE;
    return strstr(path, "ockerfile") || !strcmp(path, "compose.yaml") ? SL_FILE_REGULAR
                                                                      : SL_FILE_FOLDER;
}

static bool read_file(void *ctx, const char *path, size_t max, char **text, size_t *len)
{
    static const char dockerfile[] =
        "FROM python:3.12-slim AS base\nRUN pip install flask\nFROM base\nCMD [\"python\"]\n";
    const struct input *in = ctx;
    bool compose = !strcmp(path, "compose.yaml");
    if (!compose && !strstr(path, "ockerfile"))
        return false;
    *len = compose ? in->len : sizeof dockerfile - 1;
    if (*len > max)
        return false;
    *text = sl_alloc(*len + 1);
    memcpy(*text, compose ? in->text : dockerfile, *len);
    return true;
}

static bool load_one(struct input *in)
{
    struct sl_files files = {.ctx = in, .look = look, .read = read_file};
    const char *reason;
    struct sl_error err;
    struct sl_project *p = sl_project_load_from(&files, "bench", NULL, NULL, &reason, &err);
    sl_project_free(p);
    return p != NULL;
}

int main(int argc, char **argv)
{
    int rounds = 50, first = 1;
    if (argc > 2 && !strcmp(argv[1], "-n")) {
        rounds = atoi(argv[2]);
        first = 3;
    }
    size_t n = 0, bytes = 0, good = 0;
    struct input *in = sl_alloc((size_t)argc * sizeof *in);
    for (int i = first; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        char *text = f ? sl_alloc((1 << 20) + 1) : NULL;
        if (!f)
            continue;
        size_t len = fread(text, 1, 1 << 20, f);
        fclose(f);
        in[n++] = (struct input){text, len};
        bytes += len;
    }
    if (!n) {
        fputs("usage: bench-compose [-n ROUNDS] FILE...\n", stderr);
        return 2;
    }
    double start = cpu_s();
    for (int r = 0; r < rounds; r++)
        for (size_t i = 0; i < n; i++)
            good += load_one(&in[i]);
    double spent = cpu_s() - start;
    printf("%zu files, %zu bytes, %d rounds, %.1f %% loaded: %.0f files per CPU-second, %.1f us "
           "each\n",
           n, bytes, rounds, 100.0 * (double)good / (double)n / rounds, (double)n * rounds / spent,
           1e6 * spent / (double)n / rounds);
    for (size_t i = 0; i < n; i++)
        free((char *)in[i].text);
    free(in);
    return 0;
}
