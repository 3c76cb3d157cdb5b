// SPDX-License-Identifier: Apache-2.0
/*
 * The holder image: one static file, so it is written here as a tar and imported, without a build.
 * Its tag carries the hash of the binary: a changed binary is another image, and an unchanged one
 * is found again.
 */
#include "base/auto.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/paths.h"
#include "engine/images_int.h"
#include "engine/reply.h"
#include "engine/transport.h"
#include <stdio.h>
#include <string.h>

enum { TAR_BLOCK = 512, BINARY_MAX = 16 << 20 };

// A ustar header of 512 bytes (POSIX.1-2017, pax, "ustar Interchange Format").
static void tar_entry(struct sl_str *tar, const char *name, char type, unsigned mode,
                      const char *data, size_t len)
{
    char h[TAR_BLOCK] = {0};
    snprintf(h, 100, "%s", name);
    snprintf(h + 100, 8, "%07o", mode);
    snprintf(h + 108, 8, "%07o", 0u);
    snprintf(h + 116, 8, "%07o", 0u);
    snprintf(h + 124, 12, "%011zo", len);
    snprintf(h + 136, 12, "%011o", 0u); // 1970: the same bytes whenever it is made
    memset(h + 148, ' ', 8);
    h[156] = type;
    memcpy(h + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof h; i++)
        sum += (unsigned char)h[i];
    snprintf(h + 148, 8, "%06o", sum);
    sl_str_addn(tar, h, sizeof h);
    sl_str_addn(tar, data, len);
    static const char zero[TAR_BLOCK];
    sl_str_addn(tar, zero, (TAR_BLOCK - len % TAR_BLOCK) % TAR_BLOCK);
}

static void holder_tar(struct sl_str *tar, const char *binary, size_t len)
{
    // /etc is there for the engine's resolv.conf and hosts; the image is run read-only.
    for (const char *const *d =
             (const char *const[]){"bin/", "dev/", "etc/", "proc/", "sys/", "tmp/", NULL};
         *d; d++)
        tar_entry(tar, *d, '5', 0755, NULL, 0);
    tar_entry(tar, "bin/sluice-pause", '0', 0755, binary, len);
    static const char end[2 * TAR_BLOCK];
    sl_str_addn(tar, end, sizeof end);
}

static bool import(struct sl_engine *e, const char *ref, const struct sl_str *tar,
                   struct sl_error *err)
{
    static const char *const changes[] = {"CMD [\"sluice-pause\"]", "ENV PATH=/bin",
                                          "LABEL sluice.image=holder"};
    const char *colon = strrchr(ref, ':');
    struct sl_str path = {0};
    sl_str_addf(&path, "/images/create?fromSrc=-&repo=%.*s&tag=%s", (int)(colon - ref), ref,
                colon + 1);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        SL_AUTO(sl_free_str) char *c = sl_url_escape(changes[i], "");
        sl_str_addf(&path, "&changes=%s", c);
    }
    struct sl_str text = {0};
    struct sl_engine_call c = {.method = "POST",
                               .path = sl_str_text(&path),
                               .upload = tar->text,
                               .upload_bytes = tar->len};
    int status;
    bool ok = sl_engine_transfer(e, &c, &status, &text, err);
    if (ok && (status != 200 || strstr(sl_str_text(&text), "\"error\"")))
        ok = sl_engine_refused(err, "import image", ref, status, &text);
    sl_str_done(&text);
    sl_str_done(&path);
    return ok;
}

bool sl_holder_image(struct sl_engine *e, char ref[128], struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *path = sl_path_libexec("sluice-pause", err);
    SL_AUTO(sl_free_str) char *binary = NULL;
    size_t len;
    if (!path || !sl_read_file(path, BINARY_MAX, &binary, &len, err))
        return sl_within(err, "making the holder image");
    char hex[65], tag[128];
    sl_sha256_hex(binary, len, hex);
    snprintf(tag, sizeof tag, "sluice/holder:%s-%.12s", SLUICE_VERSION, hex);
    bool present;
    if (!sl_engine_image_present(e, tag, &present, NULL, err))
        return false;
    if (!present) {
        struct sl_str tar = {0};
        holder_tar(&tar, binary, len);
        bool ok = import(e, tag, &tar, err);
        sl_str_done(&tar);
        if (!ok)
            return sl_within(err, "making the holder image");
    }
    sl_copy(ref, 128, tag);
    return true;
}
