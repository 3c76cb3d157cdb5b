// SPDX-License-Identifier: Apache-2.0
/*
 * Both libraries are stream machines with the same shape (input cursor, output cursor, "a piece has
 * ended"), so a reader is one of them and two flags: is a member or frame open, and are we in the
 * zero padding that tapes and disk images leave behind gzip data.
 */
#define ZLIB_CONST // zlib does not write to its input
#include "base/zip.h"
#include "base/mem.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { ZSTD_WINDOW_LOG = 27 }; // 128 MiB: what the zstd program itself reads without being asked

struct sl_unzip {
    enum sl_zip_kind kind;
    bool open;    // inside a member or frame
    bool started; // at least one has begun
    bool padding; // zero bytes after gzip data
    bool broken;
    z_stream gz;
    ZSTD_DStream *zstd;
};

enum sl_zip_kind sl_zip_detect(const uint8_t *b, size_t len)
{
    if (len >= 3 && b[0] == 0x1f && b[1] == 0x8b && b[2] == 8) // RFC 1952: ID1, ID2, CM = deflate
        return SL_ZIP_GZIP;
    if (len < 4)
        return SL_ZIP_NONE;
    uint32_t magic = (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
    // RFC 8878: 3.1.1 frames, 3.1.2 skippable frames (which may come first).
    return magic == 0xfd2fb528 || (magic & 0xfffffff0) == 0x184d2a50 ? SL_ZIP_ZSTD : SL_ZIP_NONE;
}

const char *sl_zip_name(enum sl_zip_kind kind)
{
    return kind == SL_ZIP_GZIP ? "gzip" : kind == SL_ZIP_ZSTD ? "zstd" : "";
}

const char *sl_zip_version(enum sl_zip_kind kind)
{
    return kind == SL_ZIP_GZIP ? zlibVersion() : kind == SL_ZIP_ZSTD ? ZSTD_versionString() : "";
}

struct sl_unzip *sl_unzip_new(enum sl_zip_kind kind)
{
    struct sl_unzip *z = sl_alloc(sizeof *z);
    z->kind = kind;
    bool ok;
    if (kind == SL_ZIP_GZIP) {
        ok = inflateInit2(&z->gz, 15 + 16) == Z_OK; // 16: gzip framing
    } else {
        z->zstd = ZSTD_createDStream();
        ok = z->zstd &&
             !ZSTD_isError(ZSTD_DCtx_setParameter(z->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
    }
    if (!ok)
        abort(); // small and fixed: memory is gone
    return z;
}

void sl_unzip_free(struct sl_unzip *z)
{
    if (!z)
        return;
    if (z->kind == SL_ZIP_GZIP)
        inflateEnd(&z->gz);
    ZSTD_freeDStream(z->zstd);
    free(z);
}

bool sl_unzip_complete(const struct sl_unzip *z)
{
    return z->started && !z->open && !z->broken;
}

static bool gzip_fail(struct sl_unzip *z, int status, struct sl_error *err)
{
    z->broken = true;
    if (status == Z_MEM_ERROR)
        return sl_fail(err, SL_ERUN, "no memory to read gzip data");
    if (status == Z_NEED_DICT)
        return sl_fail(err, SL_EINPUT, "the gzip data wants a dictionary");
    return sl_fail(err, SL_EINPUT, "the gzip data is damaged (%s)",
                   z->gz.msg ? z->gz.msg : "no reason given");
}

static bool gzip_step(struct sl_unzip *z, const uint8_t *in, size_t in_len, size_t *taken,
                      uint8_t *out, size_t cap, size_t *given, struct sl_error *err)
{
    if (!z->open && z->started && in_len > 0) { // between members: the next one, or padding
        if (z->padding || in[0] == 0) {
            z->padding = true;
            while (*taken < in_len && in[*taken] == 0)
                ++*taken;
            if (*taken == in_len)
                return true;
            z->broken = true;
            return sl_fail(err, SL_EINPUT, "something that is no gzip data follows the gzip data");
        }
        inflateReset(&z->gz);
    }
    if (in_len == 0 && !z->open)
        return true;
    z->open = z->started = true;
    z->gz.next_in = in;
    z->gz.avail_in = in_len > UINT_MAX ? UINT_MAX : (unsigned)in_len;
    z->gz.next_out = out;
    z->gz.avail_out = cap > UINT_MAX ? UINT_MAX : (unsigned)cap;
    int status = inflate(&z->gz, Z_NO_FLUSH);
    *taken = (size_t)(z->gz.next_in - in);
    *given = (size_t)(z->gz.next_out - out);
    if (status == Z_STREAM_END)
        z->open = false;
    else if (status != Z_OK && status != Z_BUF_ERROR)
        return gzip_fail(z, status, err);
    return true;
}

static bool zstd_step(struct sl_unzip *z, const uint8_t *in, size_t in_len, size_t *taken,
                      uint8_t *out, size_t cap, size_t *given, struct sl_error *err)
{
    if (in_len == 0 && !z->open)
        return true;
    z->open = z->started = true;
    ZSTD_inBuffer from = {in, in_len, 0};
    ZSTD_outBuffer to = {out, cap, 0};
    size_t left = ZSTD_decompressStream(z->zstd, &to, &from);
    *taken = from.pos;
    *given = to.pos;
    if (ZSTD_isError(left)) {
        z->broken = true;
        sl_fail(err, SL_EINPUT, "the zstd data is damaged (%s)", ZSTD_getErrorName(left));
        if (strstr(ZSTD_getErrorName(left), "too much memory"))
            sl_hint(err, "it was made with --long: decompress it first with zstd -d --long=31");
        return false;
    }
    z->open = left != 0;
    return true;
}

bool sl_unzip_step(struct sl_unzip *z, const uint8_t *in, size_t in_len, size_t *taken,
                   uint8_t *out, size_t cap, size_t *given, struct sl_error *err)
{
    *taken = *given = 0;
    if (z->broken)
        return sl_fail(err, SL_EINPUT, "the %s data is damaged", sl_zip_name(z->kind));
    if (cap == 0)
        return true;
    return z->kind == SL_ZIP_GZIP ? gzip_step(z, in, in_len, taken, out, cap, given, err)
                                  : zstd_step(z, in, in_len, taken, out, cap, given, err);
}

size_t sl_zstd_bound(size_t len)
{
    return ZSTD_compressBound(len);
}

size_t sl_zstd_compress(void *dst, size_t cap, const void *src, size_t len, int level)
{
    size_t n = ZSTD_compress(dst, cap, src, len, level);
    return ZSTD_isError(n) ? 0 : n;
}
