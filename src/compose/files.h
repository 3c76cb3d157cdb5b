// SPDX-License-Identifier: Apache-2.0
/*
 * Where the loader gets files from: a project's tree on disk, or bytes in memory (tests, fuzzing,
 * mirrors that are not checked out). Paths are relative to the tree, "." is the tree itself.
 *
 * Errors   none: what cannot be read is not there; what leaves the tree is SL_FILE_OUTSIDE.
 * Threads  one loader at a time per ctx.
 */
#pragma once
#include "base/error.h"
#include "base/hash.h"
#include <stddef.h>

enum sl_file_kind { SL_FILE_NONE, SL_FILE_REGULAR, SL_FILE_FOLDER, SL_FILE_OTHER, SL_FILE_OUTSIDE };
enum { SL_FILE_PATH_MAX = 4096 };

struct sl_files {
    void *ctx;
    // Follows links; where it is, links resolved and relative to the tree, goes to resolved.
    enum sl_file_kind (*look)(void *ctx, const char *path, char resolved[SL_FILE_PATH_MAX]);
    // Regular files inside the tree of at most max bytes. Caller frees *text, which is terminated.
    bool (*read)(void *ctx, const char *path, size_t max, char **text, size_t *len);
    // Adds names and contents below path to h in a stable order; may be NULL.
    void (*digest)(void *ctx, const char *path, struct sl_sha256 *h);
};

struct sl_disk_files {
    char *root;                      // real path
    unsigned long long bytes, count; // digested so far, for the bounds
};
SL_MUST_USE bool sl_disk_files_init(struct sl_disk_files *d, const char *dir, struct sl_files *out,
                                    struct sl_error *err);
void sl_disk_files_done(struct sl_disk_files *d);

struct sl_memory_file {
    const char *path, *text;
    size_t len;
};
struct sl_memory_files { // folders exist when a file is below them, or when `folders` says so
    const struct sl_memory_file *at;
    size_t n;
    bool folders; // every other path is a folder that is there
};
struct sl_files sl_memory_files_view(struct sl_memory_files *m);

// "base/path" with "." and ".." worked out; false when it climbs out of the tree or is too long.
bool sl_files_join(const char *base, const char *path, char out[SL_FILE_PATH_MAX]);
