// SPDX-License-Identifier: Apache-2.0
/*
 * Compressed bytes: gzip and zstd, read as a stream in bounded memory; zstd blocks written in one
 * piece. This header owns zlib and libzstd: others include it, not theirs.
 *
 * Reading  pure: the caller brings compressed bytes and room for the result. Members of gzip and
 *          frames of zstd may follow each other, as `cat a.gz b.gz` makes them; what they hold is
 *          joined. Zero bytes after the last gzip member are padding. Check sums are checked.
 * Memory   a reader holds one window: 32 KiB for gzip; zstd frames that want more than 128 MiB are
 *          refused.
 * Errors   SL_EINPUT: damaged data, and what is wrong with it.
 * Threads  a reader belongs to one thread; the rest is stateless.
 * Sources  RFC 1952 (gzip), RFC 8878 (zstd).
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

enum sl_zip_kind { SL_ZIP_NONE, SL_ZIP_GZIP, SL_ZIP_ZSTD };

// By the first bytes; four are enough. SL_ZIP_NONE for everything else, also for fewer bytes.
enum sl_zip_kind sl_zip_detect(const uint8_t *bytes, size_t len);
const char *sl_zip_name(enum sl_zip_kind kind); // "", "gzip", "zstd"
// Of the library that is loaded: "1.2.13". "" for SL_ZIP_NONE.
const char *sl_zip_version(enum sl_zip_kind kind);

struct sl_unzip;
struct sl_unzip *sl_unzip_new(enum sl_zip_kind kind); // not SL_ZIP_NONE
/*
 * Takes some of in[in_len] and gives up to cap bytes to out. Call again with the rest of the input;
 * nothing taken and nothing given means that it wants more input. After an error, *taken and *given
 * still say how far it came: what was given is good.
 */
SL_MUST_USE bool sl_unzip_step(struct sl_unzip *z, const uint8_t *in, size_t in_len, size_t *taken,
                               uint8_t *out, size_t cap, size_t *given, struct sl_error *err);
// Asked at the end of the input: is everything complete? If not, the stream was cut.
bool sl_unzip_complete(const struct sl_unzip *z);
void sl_unzip_free(struct sl_unzip *z);

// One zstd frame. Room of sl_zstd_bound(len) is always enough. Returns the bytes written to dst;
// 0 = they do not fit into cap, or memory is gone. The same build gives the same bytes.
size_t sl_zstd_bound(size_t len);
SL_MUST_USE size_t sl_zstd_compress(void *dst, size_t cap, const void *src, size_t len, int level);
