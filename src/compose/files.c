// SPDX-License-Identifier: Apache-2.0
#include "compose/files.h"
#include "base/auto.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

// Bounds of a digest: beyond them names and sizes still count, contents no more.
static const unsigned long long DIGEST_MAX_BYTES = 256ull << 20, DIGEST_MAX_FILES = 50000;
enum { DIGEST_MAX_DEPTH = 40 };

bool sl_files_join(const char *base, const char *path, char out[SL_FILE_PATH_MAX])
{
    char both[2 * SL_FILE_PATH_MAX + 2];
    if (strlen(base) >= SL_FILE_PATH_MAX || strlen(path) >= SL_FILE_PATH_MAX)
        return false;
    snprintf(both, sizeof both, "%s/%s", base, path);
    size_t len = 0;
    for (const char *p = both; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            if (!len)
                return false;
            while (len && out[len - 1] != '/')
                len--;
            len -= len > 0;
        } else if (n && !(n == 1 && p[0] == '.')) {
            if (len + n + 2 > SL_FILE_PATH_MAX)
                return false;
            if (len)
                out[len++] = '/';
            memcpy(out + len, p, n);
            len += n;
        }
        p += n;
        p += *p == '/';
    }
    if (!len)
        out[len++] = '.';
    out[len] = '\0';
    return true;
}

// Cuts root off the front of a real path; false when it lies elsewhere.
static bool below(const char *root, const char *real, char out[SL_FILE_PATH_MAX])
{
    size_t n = strcmp(root, "/") ? strlen(root) : 0;
    if (strncmp(root, real, n) || (real[n] && real[n] != '/'))
        return false;
    const char *rest = real + n + (real[n] == '/');
    return sl_copy(out, SL_FILE_PATH_MAX, rest[0] ? rest : ".");
}

// What is not there is judged by its longest part that is; a dangling link is outside.
static enum sl_file_kind look_missing(const char *root, char *full, char resolved[SL_FILE_PATH_MAX])
{
    for (char *cut = full + strlen(full);;) {
        struct stat st;
        char keep = *cut;
        *cut = '\0';
        bool dangling = lstat(full, &st) == 0;
        char *slash = strrchr(full, '/');
        *cut = keep;
        if (dangling || !slash || slash == full)
            return SL_FILE_OUTSIDE;
        *slash = '\0';
        SL_AUTO(sl_free_str) char *real = realpath(full, NULL);
        *slash = '/';
        char parent[SL_FILE_PATH_MAX];
        if (real && !below(root, real, parent))
            return SL_FILE_OUTSIDE;
        if (real)
            return sl_files_join(parent, slash + 1, resolved) ? SL_FILE_NONE : SL_FILE_OUTSIDE;
        cut = slash;
    }
}

static enum sl_file_kind disk_look(void *ctx, const char *path, char resolved[SL_FILE_PATH_MAX])
{
    struct sl_disk_files *d = ctx;
    char full[2 * SL_FILE_PATH_MAX];
    struct stat st;
    int n = snprintf(full, sizeof full, "%s/%s", d->root, path);
    if (n < 0 || n >= PATH_MAX)
        return SL_FILE_OUTSIDE;
    SL_AUTO(sl_free_str) char *real = realpath(full, NULL);
    if (!real)
        return errno == ENOENT || errno == ENOTDIR ? look_missing(d->root, full, resolved)
                                                   : SL_FILE_OUTSIDE;
    if (!below(d->root, real, resolved))
        return SL_FILE_OUTSIDE;
    if (stat(real, &st))
        return SL_FILE_NONE;
    return S_ISREG(st.st_mode)   ? SL_FILE_REGULAR
           : S_ISDIR(st.st_mode) ? SL_FILE_FOLDER
                                 : SL_FILE_OTHER;
}

static bool disk_read(void *ctx, const char *path, size_t max, char **text, size_t *len)
{
    struct sl_disk_files *d = ctx;
    char resolved[SL_FILE_PATH_MAX];
    if (disk_look(ctx, path, resolved) != SL_FILE_REGULAR) // a pipe would never end
        return false;
    SL_AUTO(sl_free_str) char *full = sl_path_join(d->root, resolved);
    return sl_read_file(full, max, text, len, NULL);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void digest_file(struct sl_disk_files *d, const char *full, const struct stat *st,
                        struct sl_sha256 *h)
{
    char size[32];
    snprintf(size, sizeof size, "%lld %o", (long long)st->st_size, (unsigned)st->st_mode & 0111);
    sl_sha256_add(h, size, strlen(size) + 1);
    if (d->bytes + (unsigned long long)st->st_size > DIGEST_MAX_BYTES)
        return;
    d->bytes += (unsigned long long)st->st_size;
    char *text;
    size_t len;
    if (sl_read_file(full, DIGEST_MAX_BYTES, &text, &len, NULL)) {
        sl_sha256_add(h, text, len);
        free(text);
    }
}

static void digest_tree(struct sl_disk_files *d, const char *full, const char *name, int depth,
                        struct sl_sha256 *h)
{
    struct stat st;
    if (d->count++ > DIGEST_MAX_FILES || depth > DIGEST_MAX_DEPTH || lstat(full, &st))
        return;
    sl_sha256_add(h, name, strlen(name) + 1);
    if (S_ISREG(st.st_mode))
        digest_file(d, full, &st, h);
    char link[PATH_MAX];
    ssize_t n = S_ISLNK(st.st_mode) ? readlink(full, link, sizeof link) : 0;
    if (n > 0)
        sl_sha256_add(h, link, (size_t)n);
    DIR *dir = S_ISDIR(st.st_mode) ? opendir(full) : NULL;
    if (!dir)
        return;
    SL_VEC(char *) names = {0};
    for (struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, ".git"))
            *SL_PUSH(&names) = sl_strdup(e->d_name);
    closedir(dir);
    if (names.len)
        qsort(names.at, names.len, sizeof *names.at, by_name);
    for (size_t i = 0; i < names.len; i++) {
        char *child = sl_format("%s/%s", full, names.at[i]);
        digest_tree(d, child, names.at[i], depth + 1, h);
        free(child);
        free(names.at[i]);
    }
    sl_sha256_add(h, "", 1); // folder ends
    SL_VEC_DONE(&names);
}

static void disk_digest(void *ctx, const char *path, struct sl_sha256 *h)
{
    struct sl_disk_files *d = ctx;
    char *full = sl_path_join(d->root, path);
    digest_tree(d, full, path, 0, h);
    free(full);
}

bool sl_disk_files_init(struct sl_disk_files *d, const char *dir, struct sl_files *out,
                        struct sl_error *err)
{
    *d = (struct sl_disk_files){.root = sl_real_path(dir)};
    if (!d->root || !sl_is_dir(d->root)) {
        sl_disk_files_done(d);
        sl_fail(err, SL_EINPUT, "there is no folder '%s'", dir);
        sl_hint(err, "name a folder with a Compose file in it, or the file itself");
        return false;
    }
    *out = (struct sl_files){.ctx = d, .look = disk_look, .read = disk_read, .digest = disk_digest};
    return true;
}

void sl_disk_files_done(struct sl_disk_files *d)
{
    free(d->root);
    d->root = NULL;
}

static enum sl_file_kind memory_look(void *ctx, const char *path, char resolved[SL_FILE_PATH_MAX])
{
    struct sl_memory_files *m = ctx;
    size_t n = strlen(path);
    if (!sl_copy(resolved, SL_FILE_PATH_MAX, path))
        return SL_FILE_OUTSIDE;
    if (!strcmp(path, "."))
        return SL_FILE_FOLDER;
    bool below_it = false;
    for (size_t i = 0; i < m->n; i++) {
        if (!strcmp(m->at[i].path, path))
            return SL_FILE_REGULAR;
        below_it |= !strncmp(m->at[i].path, path, n) && m->at[i].path[n] == '/';
    }
    return below_it || m->folders ? SL_FILE_FOLDER : SL_FILE_NONE;
}

static bool memory_read(void *ctx, const char *path, size_t max, char **text, size_t *len)
{
    struct sl_memory_files *m = ctx;
    for (size_t i = 0; i < m->n; i++) {
        if (strcmp(m->at[i].path, path) || m->at[i].len > max)
            continue;
        *len = m->at[i].len;
        *text = sl_alloc(*len + 1);
        if (*len)
            memcpy(*text, m->at[i].text, *len);
        return true;
    }
    return false;
}

struct sl_files sl_memory_files_view(struct sl_memory_files *m)
{
    return (struct sl_files){.ctx = m, .look = memory_look, .read = memory_read};
}
