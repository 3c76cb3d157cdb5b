// SPDX-License-Identifier: Apache-2.0
#include "base/zip.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

// Bytes of `printf 'flow\n' | gzip -n` (gzip 1.12).
static const uint8_t FLOW_GZ[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                  0x03, 0x4b, 0xcb, 0xc9, 0x2f, 0xe7, 0x02, 0x00, 0x79,
                                  0xb7, 0x80, 0x62, 0x05, 0x00, 0x00, 0x00};

// Decompresses in[len], offering `piece` bytes at a time both ways. Returns the bytes, or -1.
static long unzip(enum sl_zip_kind kind, const uint8_t *in, size_t len, size_t piece, uint8_t *out,
                  size_t cap, bool *complete, struct sl_error *err)
{
    struct sl_unzip *z = sl_unzip_new(kind);
    size_t at = 0, n = 0, taken = 1, given = 1;
    bool ok = true;
    while (ok && (at < len || given > 0) && n < cap) {
        size_t offer = len - at < piece ? len - at : piece,
               room = cap - n < piece ? cap - n : piece;
        ok = sl_unzip_step(z, in + at, offer, &taken, out + n, room, &given, err);
        assert_true(taken <= offer && given <= room);
        at += taken;
        n += given;
    }
    *complete = sl_unzip_complete(z);
    sl_unzip_free(z);
    return ok ? (long)n : -1;
}

static void kinds_are_told_by_their_first_bytes(void **state)
{
    (void)state;
    assert_int_equal(sl_zip_detect(FLOW_GZ, 4), SL_ZIP_GZIP);
    assert_int_equal(sl_zip_detect((const uint8_t[]){0x28, 0xb5, 0x2f, 0xfd}, 4), SL_ZIP_ZSTD);
    assert_int_equal(sl_zip_detect((const uint8_t[]){0x5f, 0x2a, 0x4d, 0x18}, 4), SL_ZIP_ZSTD);
    assert_int_equal(sl_zip_detect((const uint8_t[]){0xd4, 0xc3, 0xb2, 0xa1}, 4), SL_ZIP_NONE);
    assert_int_equal(sl_zip_detect(FLOW_GZ, 2), SL_ZIP_NONE);
    assert_int_equal(sl_zip_detect(NULL, 0), SL_ZIP_NONE);
}

static void members_that_follow_each_other_are_joined_and_padding_is_skipped(void **state)
{
    (void)state;
    uint8_t in[2 * sizeof FLOW_GZ + 512] = {0}, out[64];
    memcpy(in, FLOW_GZ, sizeof FLOW_GZ);
    memcpy(in + sizeof FLOW_GZ, FLOW_GZ, sizeof FLOW_GZ);
    for (size_t piece = 1; piece < 80; piece++) {
        bool complete;
        struct sl_error err = {0};
        assert_int_equal(unzip(SL_ZIP_GZIP, in, sizeof in, piece, out, sizeof out, &complete, &err),
                         10);
        assert_memory_equal(out, "flow\nflow\n", 10);
        assert_true(complete);
    }
}

static void damage_is_named(void **state)
{
    (void)state;
    uint8_t in[sizeof FLOW_GZ + 8], out[64];
    bool complete;
    struct sl_error err = {0};
    memcpy(in, FLOW_GZ, sizeof FLOW_GZ);
    in[17] ^= 1; // the first byte of the CRC-32
    assert_int_equal(unzip(SL_ZIP_GZIP, in, sizeof FLOW_GZ, 99, out, sizeof out, &complete, &err),
                     -1);
    assert_string_equal(err.msg, "the gzip data is damaged (incorrect data check)");
    assert_false(complete);

    memcpy(in, FLOW_GZ, sizeof FLOW_GZ);
    memcpy(in + sizeof FLOW_GZ, "trailing", 8);
    assert_int_equal(unzip(SL_ZIP_GZIP, in, sizeof in, 99, out, sizeof out, &complete, &err), -1);
    assert_string_equal(err.msg, "the gzip data is damaged (incorrect header check)");

    assert_int_equal(
        unzip(SL_ZIP_GZIP, FLOW_GZ, sizeof FLOW_GZ - 1, 99, out, sizeof out, &complete, &err),
        5); // the text is there; its end is not
    assert_false(complete);
}

static void zstd_blocks_are_read_back_whatever_the_piece(void **state)
{
    (void)state;
    enum { LEN = 100000 };
    uint8_t *src = malloc(LEN), *out = malloc(2 * LEN + 1);
    size_t cap = sl_zstd_bound(LEN);
    uint8_t *z = malloc(2 * cap);
    for (size_t i = 0; i < LEN; i++)
        src[i] = (uint8_t)(i * i >> 7);
    size_t n = sl_zstd_compress(z, cap, src, LEN, 3);
    assert_true(n > 0 && n < LEN);
    assert_int_equal(ZSTD_decompress(out, LEN, z, n), LEN); // the library's own one-shot reader
    assert_memory_equal(out, src, LEN);
    assert_int_equal(sl_zstd_compress(z + n, n - 1, src, LEN, 3), 0); // one byte too little room
    memcpy(z + n, z, n);
    for (size_t piece = 1; piece < LEN; piece = piece * 7 + 3) {
        bool complete;
        struct sl_error err = {0};
        assert_int_equal(unzip(SL_ZIP_ZSTD, z, 2 * n, piece, out, 2 * LEN + 1, &complete, &err),
                         2 * LEN);
        assert_true(complete);
        assert_memory_equal(out + LEN, src, LEN);
        unzip(SL_ZIP_ZSTD, z, 2 * n - 1, piece, out, 2 * LEN + 1, &complete, &err);
        assert_false(complete);
    }
    free(src);
    free(out);
    free(z);
}

static void a_zstd_window_above_128_mib_is_refused_with_a_way_out(void **state)
{
    (void)state;
    // RFC 8878 3.1.1.1: magic, frame header 0 (no content size, window byte follows), window byte
    // exponent 18 << 3: 2^(10 + 18) = 256 MiB; then an empty last raw block.
    const uint8_t in[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 18 << 3, 0x01, 0x00, 0x00};
    uint8_t out[16];
    bool complete;
    struct sl_error err = {0};
    assert_int_equal(unzip(SL_ZIP_ZSTD, in, sizeof in, 99, out, sizeof out, &complete, &err), -1);
    assert_string_equal(err.hint,
                        "it was made with --long: decompress it first with zstd -d --long=31");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_told_by_their_first_bytes),
        cmocka_unit_test(members_that_follow_each_other_are_joined_and_padding_is_skipped),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(zstd_blocks_are_read_back_whatever_the_piece),
        cmocka_unit_test(a_zstd_window_above_128_mib_is_refused_with_a_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
