// SPDX-License-Identifier: Apache-2.0
#include "export/out.h"
#include "base/mem.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool sl_out_failed(const char *path, int why, struct sl_error *err)
{
    if (!strcmp(path, "-"))
        sl_fail(err, SL_ERUN, "cannot write to standard output: %s", strerror(why));
    else
        sl_fail(err, SL_ERUN, "cannot write '%s': %s", path, strerror(why));
    if (why == ENOSPC || why == EDQUOT)
        sl_hint(err, "that disk is full: free some space on it, or name a file elsewhere");
    else if (why == EFBIG)
        sl_hint(err, "the file grew past the limit of its file system or of 'ulimit -f'");
    else if (why == EPIPE)
        sl_hint(err, "the program that read it has ended");
    else if (why == ENOENT)
        sl_hint(err, "make the folder first");
    return false;
}

static int open_spool(void)
{
    const char *dir = getenv("TMPDIR");
    int fd = open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    char *name = sl_format("%s/sluice-spool.XXXXXX", dir && *dir ? dir : "/tmp");
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    int why = errno;
    free(name);
    errno = why;
    return fd;
}

static bool open_target(struct sl_out *o, struct sl_error *err)
{
    if (!strcmp(o->path, "-")) {
        o->fd = STDOUT_FILENO;
        return true;
    }
    int why = sl_replace_begin(&o->file, o->path);
    o->fd = o->file.fd;
    return !why || sl_out_failed(o->path, why, err);
}

bool sl_out_open(struct sl_out *o, const char *path, bool seekable, struct sl_error *err)
{
    *o = (struct sl_out){.fd = -1, .target = -1, .file.fd = -1, .open = true, .seekable = seekable};
    o->path = sl_strdup(path);
    bool ok = open_target(o, err);
    if (ok && seekable && !o->file.part) {
        o->target = o->fd;
        o->fd = open_spool();
        if (o->fd < 0)
            ok = sl_out_failed("a temporary file in $TMPDIR", errno, err);
    }
    if (ok)
        sl_out_grow(o, SL_OUT_BUFFER + SL_OUT_BUFFER / 4);
    else
        sl_out_abort(o);
    return ok;
}

void sl_out_memory(struct sl_out *o)
{
    *o = (struct sl_out){.fd = -1, .target = -1, .file.fd = -1, .open = true};
}

void sl_out_grow(struct sl_out *o, size_t bytes)
{
    size_t cap = o->cap ? o->cap : 4096;
    while (cap - o->len < bytes)
        cap *= 2;
    o->buf = sl_realloc(o->buf, cap);
    o->cap = cap;
}

void sl_out_add(struct sl_out *o, const void *bytes, size_t len)
{
    char *p = sl_out_need(o, len);
    if (len)
        memcpy(p, bytes, len);
    o->len += len;
}

static int write_all(int fd, const char *p, size_t len)
{
    while (len) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EAGAIN) { // standard output may have been made non-blocking by others
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

bool sl_out_append(struct sl_out *o, struct sl_out *from, struct sl_error *err)
{
    if (o->len + from->len <= SL_OUT_BUFFER) {
        sl_out_add(o, from->buf, from->len);
        from->len = 0;
        return true;
    }
    if (!sl_out_flush(o, err))
        return false;
    int why = write_all(o->fd, from->buf, from->len);
    if (why)
        return sl_out_failed(o->path, why, err);
    o->written += from->len;
    from->len = 0;
    return true;
}

bool sl_out_flush(struct sl_out *o, struct sl_error *err)
{
    if (o->fd < 0) // in memory
        return true;
    int why = write_all(o->fd, o->buf, o->len);
    if (why)
        return sl_out_failed(o->path, why, err);
    o->written += o->len;
    o->len = 0;
    return true;
}

bool sl_out_patch(struct sl_out *o, uint64_t at, const void *bytes, size_t len,
                  struct sl_error *err)
{
    assert(o->seekable && at + len <= o->written);
    const char *p = bytes;
    while (len) {
        ssize_t n = pwrite(o->fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sl_out_failed(o->path, errno, err);
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

static bool copy_spool(struct sl_out *o, struct sl_error *err)
{
    if (lseek(o->fd, 0, SEEK_SET) < 0)
        return sl_out_failed(o->path, errno, err);
    for (;;) {
        ssize_t n = read(o->fd, o->buf, o->cap);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sl_out_failed(o->path, errno, err);
        if (n == 0)
            return true;
        int why = write_all(o->target, o->buf, (size_t)n);
        if (why)
            return sl_out_failed(o->path, why, err);
    }
}

static void drop(struct sl_out *o)
{
    free(o->buf);
    free(o->path);
    *o = (struct sl_out){.fd = -1, .target = -1, .file.fd = -1};
}

bool sl_out_close(struct sl_out *o, struct sl_error *err)
{
    bool ok = sl_out_flush(o, err) && (o->target < 0 || copy_spool(o, err));
    if (ok && o->file.fd >= 0) { // some file systems tell of a full disk only here
        int why = sl_replace_end(&o->file);
        if (o->target < 0)
            o->fd = -1;
        ok = !why || sl_out_failed(o->path, why, err);
    }
    sl_out_abort(o); // what is complete has its name already
    return ok;
}

void sl_out_abort(struct sl_out *o)
{
    if (!o->open)
        return;
    if (o->target >= 0 && o->fd >= 0)
        close(o->fd); // the temporary file
    sl_replace_abort(&o->file);
    drop(o);
}
