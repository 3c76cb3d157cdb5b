// SPDX-License-Identifier: Apache-2.0
/*
 * Files and folders at the rim.
 *
 * Errors   SL_EINPUT for what the user named and cannot be read, SL_ERUN for what we cannot write
 *          (a full disk is named as such).
 * Threads  stateless.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

// The text gets a terminating NUL that len does not count. Files above max_bytes are refused.
SL_MUST_USE bool sl_read_file(const char *path, size_t max_bytes, char **out, size_t *len,
                              struct sl_error *err);
/*
 * What takes a file's place when it is complete: written beside it under a name of its own
 * (PATH.XXXXXX.part), then renamed. A link is followed, the mode stays. What is there and is no
 * regular file (a pipe, a device) is written as it is. Both return 0 or errno.
 */
struct sl_replacement {
    int fd;
    char *path, *part; // part NULL: written in place
};
int sl_replace_begin(struct sl_replacement *r, const char *path);
// Closes and renames; on failure nothing is left. fd -1: it was closed already.
int sl_replace_end(struct sl_replacement *r);
void sl_replace_abort(struct sl_replacement *r);
// All at once, by a replacement.
SL_MUST_USE bool sl_write_file(const char *path, const void *data, size_t len,
                               struct sl_error *err);
SL_MUST_USE bool sl_mkdirs(const char *path, struct sl_error *err); // like mkdir -p, mode 0755
// Removes a tree without following links; a tree that is not there is fine.
SL_MUST_USE bool sl_remove_tree(const char *path, struct sl_error *err);
struct sl_copy_limits {
    uint64_t max_bytes, max_files; // 0 = 1 GiB, 200000
};
// Copies a tree of regular files, folders and links (links as links; sockets, devices and pipes are
// left out, ".git" too). Hard limits keep a hostile tree from filling the disk.
SL_MUST_USE bool sl_copy_tree(const char *from, const char *to, const struct sl_copy_limits *limits,
                              struct sl_error *err);
bool sl_exists(const char *path);
bool sl_is_dir(const char *path);
// "a/b" joined; absolute b wins. Caller frees.
char *sl_path_join(const char *a, const char *b);
// Resolves links; NULL when it is not there.
char *sl_real_path(const char *path);
// Does path, after links are resolved, lie inside root (also resolved)? A path that is not there
// yet is judged by its longest existing part. Used to keep binds inside a project's copy.
bool sl_path_inside(const char *root, const char *path);
uint64_t sl_disk_free_bytes(const char *path); // 0 when unknown
