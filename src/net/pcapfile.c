// SPDX-License-Identifier: Apache-2.0
/*
 * Classic pcap, magic 0xa1b23c4d (nanoseconds), in the byte order of this machine; version 2.4.
 * Source: draft-ietf-opsawg-pcap.
 *
 * Whole records are collected in a buffer and written in one piece, so a file cut off by a crash
 * ends at a record's end. A write that failed is taken back (the file is cut to its last whole
 * record).
 */
#include "net/pcapfile.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { BUF_BYTES = 1 << 18, MAX_SNAPLEN = 1 << 16, LINKTYPE_ETHERNET = 1 };

struct file_header {
    uint32_t magic;
    uint16_t major, minor;
    int32_t zone;
    uint32_t accuracy, snaplen, linktype;
};
struct record_header {
    uint32_t sec, nsec, captured, wire;
};

struct sl_pcap_writer {
    int fd;
    char *path;
    uint32_t snaplen;
    off_t written; // bytes of whole records in the file
    size_t len;
    uint8_t buf[BUF_BYTES];
};

static bool write_fail(struct sl_pcap_writer *w, int why, struct sl_error *err)
{
    sl_fail(err, SL_ERUN, "cannot write the capture '%s': %s", w->path, strerror(why));
    if (why == ENOSPC || why == EDQUOT)
        sl_hint(err, "free some disk space, or capture less with a smaller snapshot length");
    return false;
}

bool sl_pcap_flush(struct sl_pcap_writer *w, struct sl_error *err)
{
    size_t done = 0;
    while (done < w->len) {
        ssize_t n = write(w->fd, w->buf + done, w->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int why = errno;
            if (ftruncate(w->fd, w->written) == 0)
                lseek(w->fd, w->written, SEEK_SET);
            w->len = 0;
            return write_fail(w, why, err);
        }
        done += (size_t)n;
    }
    w->written += (off_t)w->len;
    w->len = 0;
    return true;
}

static void put(struct sl_pcap_writer *w, const void *p, size_t n)
{
    memcpy(w->buf + w->len, p, n);
    w->len += n;
}

struct sl_pcap_writer *sl_pcap_create(const char *path, uint32_t snaplen, struct sl_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        sl_fail(err, SL_ERUN, "cannot create the capture '%s': %s", path, strerror(errno));
        return NULL;
    }
    struct sl_pcap_writer *w = sl_alloc(sizeof *w);
    w->fd = fd;
    w->path = sl_strdup(path);
    w->snaplen = snaplen && snaplen < MAX_SNAPLEN ? snaplen : MAX_SNAPLEN;
    struct file_header h = {
        .magic = 0xa1b23c4d,
        .major = 2,
        .minor = 4,
        .snaplen = w->snaplen,
        .linktype = LINKTYPE_ETHERNET,
    };
    put(w, &h, sizeof h);
    if (sl_pcap_flush(w, err)) // an empty capture is a valid one
        return w;
    close(fd);
    free(w->path);
    free(w);
    return NULL;
}

bool sl_pcap_write(struct sl_pcap_writer *w, int64_t ts_ns, const uint8_t *frame, uint32_t captured,
                   uint32_t wire_bytes, struct sl_error *err)
{
    if (captured > w->snaplen)
        captured = w->snaplen;
    struct record_header h = {
        .sec = (uint32_t)(ts_ns / 1000000000),
        .nsec = (uint32_t)(ts_ns % 1000000000),
        .captured = captured,
        .wire = wire_bytes < captured ? captured : wire_bytes,
    };
    if (w->len + sizeof h + captured > sizeof w->buf && !sl_pcap_flush(w, err))
        return false;
    put(w, &h, sizeof h);
    if (captured)
        put(w, frame, captured);
    return true;
}

bool sl_pcap_close(struct sl_pcap_writer *w, struct sl_error *err)
{
    if (!w)
        return true;
    bool ok = sl_pcap_flush(w, err);
    if (close(w->fd) && ok)
        ok = write_fail(w, errno, err);
    free(w->path);
    free(w);
    return ok;
}
