// SPDX-License-Identifier: Apache-2.0
#include "base/fs.h"
#include "base/auto.h"
#include "base/mem.h"
#include "base/str.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

bool sl_read_file(const char *path, size_t max_bytes, char **out, size_t *len, struct sl_error *err)
{
    SL_AUTO(sl_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int why = errno;
        sl_fail(err, SL_EINPUT, "cannot read '%s': %s", path, strerror(why));
        sl_at(err, path, 0, 0);
        return false;
    }
    struct sl_str s = {.max = max_bytes};
    char buf[65536];
    ssize_t n;
    while ((n = read(fd, buf, sizeof buf)) > 0 && !s.truncated)
        sl_str_addn(&s, buf, (size_t)n);
    if (n < 0 || s.truncated) {
        int why = errno;
        bool large = s.truncated;
        sl_str_done(&s);
        if (large)
            sl_fail(err, SL_EINPUT, "'%s' is larger than %zu bytes, the most that is read", path,
                    max_bytes);
        else
            sl_fail(err, SL_EINPUT, "cannot read '%s': %s", path, strerror(why));
        sl_at(err, path, 0, 0);
        return false;
    }
    *len = s.len;
    *out = sl_str_take(&s);
    return true;
}

static bool write_failed(struct sl_error *err, const char *path, int why)
{
    sl_fail(err, SL_ERUN, "cannot write '%s': %s", path, strerror(why));
    if (why == ENOSPC || why == EDQUOT)
        sl_hint(err, "free some space on that disk, or name another folder with --out");
    return false;
}

int sl_replace_begin(struct sl_replacement *r, const char *path)
{
    struct stat st;
    bool there = stat(path, &st) == 0;
    *r = (struct sl_replacement){.fd = -1};
    if (there && !S_ISREG(st.st_mode)) {
        r->fd = open(path, O_WRONLY | O_CLOEXEC);
        return r->fd >= 0 ? 0 : errno;
    }
    mode_t mask = umask(0);
    umask(mask);
    char *real = there ? sl_real_path(path) : NULL;
    r->path = real ? real : sl_strdup(path);
    r->part = sl_format("%s.XXXXXX.part", r->path);
    r->fd = mkostemps(r->part, 5, O_CLOEXEC);
    int why = r->fd < 0 ? errno : 0;
    if (r->fd >= 0 && fchmod(r->fd, there ? st.st_mode & 0777 : 0666 & ~mask))
        why = errno;
    if (why) {
        if (r->fd < 0) {
            free(r->part);
            r->part = NULL;
        }
        sl_replace_abort(r);
    }
    return why;
}

int sl_replace_end(struct sl_replacement *r)
{
    int fd = r->fd, why = 0;
    r->fd = -1;
    if ((fd >= 0 && close(fd)) || (r->part && rename(r->part, r->path)))
        why = errno;
    if (!why) {
        free(r->part);
        r->part = NULL;
    }
    sl_replace_abort(r);
    return why;
}

void sl_replace_abort(struct sl_replacement *r)
{
    sl_close_fd(&r->fd);
    if (r->part)
        unlink(r->part);
    free(r->part);
    free(r->path);
    *r = (struct sl_replacement){.fd = -1};
}

bool sl_write_file(const char *path, const void *data, size_t len, struct sl_error *err)
{
    struct sl_replacement r;
    int why = sl_replace_begin(&r, path);
    const char *p = data;
    while (!why && len) {
        ssize_t n = write(r.fd, p, len);
        if (n < 0 && errno != EINTR)
            why = errno;
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    if (why)
        sl_replace_abort(&r);
    else
        why = sl_replace_end(&r);
    return !why || write_failed(err, path, why);
}

bool sl_mkdirs(const char *path, struct sl_error *err)
{
    char buf[PATH_MAX];
    if (!sl_copy(buf, sizeof buf, path) || !buf[0])
        return sl_fail(err, SL_ERUN, "cannot make folder '%s': the name is too long or empty",
                       path);
    for (char *p = buf + 1;; p++) {
        if (*p != '/' && *p)
            continue;
        char was = *p;
        *p = '\0';
        if (mkdir(buf, 0755) && errno != EEXIST) {
            int why = errno;
            return sl_fail(err, SL_ERUN, "cannot make folder '%s': %s", buf, strerror(why));
        }
        *p = was;
        if (!was)
            break;
    }
    if (!sl_is_dir(path))
        return sl_fail(err, SL_ERUN, "cannot make folder '%s': something else has that name", path);
    return true;
}

// Through descriptors, never through paths: whoever can still write into the tree cannot lead us
// out of it.
static int remove_below(int dir, const char *name, dev_t device, int depth)
{
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return 0;
    int why = errno;
    if ((why != EISDIR && why != EPERM) || depth > 4096)
        return why;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : errno == ENOTDIR ? why : errno;
    struct stat st;
    if (fstat(fd, &st) || st.st_dev != device) {
        close(fd);
        return EXDEV; // something is mounted there: not ours to empty
    }
    DIR *list = fdopendir(fd);
    if (!list) {
        why = errno;
        close(fd);
        return why;
    }
    why = 0;
    for (struct dirent *e; !why && (e = readdir(list));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            why = remove_below(fd, e->d_name, device, depth + 1);
    closedir(list);
    if (!why && unlinkat(dir, name, AT_REMOVEDIR) && errno != ENOENT)
        why = errno;
    return why;
}

bool sl_remove_tree(const char *path, struct sl_error *err)
{
    struct stat st;
    if (lstat(path, &st) && errno == ENOENT)
        return true;
    int why = remove_below(AT_FDCWD, path, st.st_dev, 0);
    if (why)
        return sl_fail(err, SL_ERUN, "cannot remove '%s': %s", path, strerror(why));
    return true;
}

struct copying {
    uint64_t bytes_left, files_left;
    struct sl_error *err;
};

static bool copy_file(struct copying *c, int from, int to, const char *name, const struct stat *st)
{
    SL_AUTO(sl_close_fd) int in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0) {
        int why = errno;
        return sl_fail(c->err, SL_EINPUT, "cannot read '%s': %s", name, strerror(why));
    }
    SL_AUTO(sl_close_fd)
    int out =
        openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, st->st_mode & 0777);
    if (out < 0)
        return write_failed(c->err, name, errno);
    fchmod(out, st->st_mode & 0777);
    char buf[65536];
    ssize_t n;
    while ((n = read(in, buf, sizeof buf)) > 0) {
        if ((uint64_t)n > c->bytes_left)
            return sl_fail(c->err, SL_EINPUT, "the source tree is larger than the copy limit");
        c->bytes_left -= (uint64_t)n;
        for (ssize_t done = 0; done < n;) {
            ssize_t m = write(out, buf + done, (size_t)(n - done));
            if (m < 0)
                return write_failed(c->err, name, errno);
            done += m;
        }
    }
    if (n < 0) {
        int why = errno;
        return sl_fail(c->err, SL_EINPUT, "cannot read '%s': %s", name, strerror(why));
    }
    return true;
}

static bool copy_link(struct copying *c, int from, int to, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(from, name, target, sizeof target - 1);
    if (n < 0)
        return sl_fail(c->err, SL_EINPUT, "cannot read link '%s'", name);
    target[n] = '\0';
    if (symlinkat(target, to, name))
        return write_failed(c->err, name, errno);
    return true;
}

static bool copy_dir(struct copying *c, int from, int to, int depth)
{
    if (depth > 64)
        return sl_fail(c->err, SL_EINPUT, "the source tree is deeper than 64 folders");
    int scan = dup(from);
    DIR *dir = scan < 0 ? NULL : fdopendir(scan);
    if (!dir) {
        if (scan >= 0)
            close(scan);
        return sl_fail(c->err, SL_EINPUT, "cannot list a folder of the source tree");
    }
    bool ok = true;
    struct dirent *e;
    while (ok && (e = readdir(dir))) {
        const char *name = e->d_name;
        if (!strcmp(name, ".") || !strcmp(name, "..") || (depth == 0 && !strcmp(name, ".git")))
            continue;
        struct stat st;
        if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW))
            continue; // gone meanwhile
        if (c->files_left-- == 0) {
            ok = sl_fail(c->err, SL_EINPUT, "the source tree has more files than the copy limit");
        } else if (S_ISREG(st.st_mode)) {
            ok = copy_file(c, from, to, name, &st);
        } else if (S_ISLNK(st.st_mode)) {
            ok = copy_link(c, from, to, name);
        } else if (S_ISDIR(st.st_mode)) {
            SL_AUTO(sl_close_fd)
            int sub = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
            if (sub < 0 || mkdirat(to, name, 0755)) {
                ok = write_failed(c->err, name, errno);
                break;
            }
            SL_AUTO(sl_close_fd)
            int dst = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
            ok = dst >= 0 && copy_dir(c, sub, dst, depth + 1);
            if (dst >= 0)
                fchmod(dst, st.st_mode & 0777);
        }
    }
    closedir(dir);
    return ok;
}

bool sl_copy_tree(const char *from, const char *to, const struct sl_copy_limits *limits,
                  struct sl_error *err)
{
    struct copying c = {.bytes_left = limits && limits->max_bytes ? limits->max_bytes : 1ull << 30,
                        .files_left = limits && limits->max_files ? limits->max_files : 200000,
                        .err = err};
    if (!sl_mkdirs(to, err))
        return false;
    SL_AUTO(sl_close_fd) int in = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (in < 0) {
        int why = errno;
        return sl_fail(err, SL_EINPUT, "cannot read folder '%s': %s", from, strerror(why));
    }
    SL_AUTO(sl_close_fd) int out = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (out < 0)
        return write_failed(err, to, errno);
    return copy_dir(&c, in, out, 0) || sl_within(err, "copying '%s'", from);
}

bool sl_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool sl_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *sl_path_join(const char *a, const char *b)
{
    if (b[0] == '/' || !a[0])
        return sl_strdup(b);
    return sl_format(sl_ends_with(a, "/") ? "%s%s" : "%s/%s", a, b);
}

char *sl_real_path(const char *path)
{
    return realpath(path, NULL);
}

bool sl_path_inside(const char *root, const char *path)
{
    SL_AUTO(sl_free_str) char *base = realpath(root, NULL);
    if (!base)
        return false;
    char buf[PATH_MAX];
    if (!sl_copy(buf, sizeof buf, path))
        return false;
    for (;;) {
        SL_AUTO(sl_free_str) char *real = realpath(buf, NULL);
        if (real) {
            size_t n = strlen(base);
            return !strcmp(base, "/") || (!strncmp(real, base, n) && (!real[n] || real[n] == '/'));
        }
        struct stat st;
        if (errno != ENOENT || lstat(buf, &st) == 0)
            return false; // a dangling link, a loop, no permission: not known to be inside
        // Not there yet: "..", which would be resolved by whoever makes it, is not trusted.
        char *slash = strrchr(buf, '/');
        const char *last = slash ? slash + 1 : buf;
        if (!strcmp(last, ".."))
            return false;
        if (!slash)
            return sl_path_inside(root, ".");
        if (slash == buf)
            return false;
        *slash = '\0';
    }
}

uint64_t sl_disk_free_bytes(const char *path)
{
    struct statvfs st;
    return statvfs(path, &st) ? 0 : (uint64_t)st.f_bavail * st.f_frsize;
}
