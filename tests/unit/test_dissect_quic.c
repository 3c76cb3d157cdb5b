// SPDX-License-Identifier: Apache-2.0
/*
 * Vectors: RFC 9001 appendix A.1 and A.2, RFC 9369 appendix A.1. The Initial of A.2 is made from
 * its plaintext with libcrypto alone and held against the RFC's bytes at both ends, then taken
 * apart.
 */
#include "../support/hex.h"
#include "../support/initial.h"
#include "base/crypto.h"
#include "dissect/dissect.h"
#include "dissect/quic.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

enum { HELLO = 241 };

// A.2: the CRYPTO frame's data.
static const char hello_hex[] =
    "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302"
    "010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007"
    "000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa"
    "71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d000201"
    "01001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f"
    "088394c8f03e51570806048000ffff";

static void rfc_initial(uint8_t packet[INITIAL_BYTES])
{
    uint8_t frames[4 + HELLO] = {6, 0, 0x40, 0xf1};
    assert_int_equal(hex_bytes(hello_hex, frames + 4, HELLO), HELLO);
    make_initial(frames, sizeof frames, packet);
}

static enum sl_quic_result dissect(const uint8_t *d, size_t n, struct sl_quic_hello *h,
                                   struct sl_quic_facts *f)
{
    uint8_t *exact = exact_copy(d, n);
    enum sl_quic_result res = sl_dissect_quic(exact, n, h, f);
    free(exact);
    return res;
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    uint8_t want[64];
    assert_int_equal(hex_bytes(hex, want, sizeof want), len);
    assert_memory_equal(bytes, want, len);
}

static void the_keys_are_those_of_the_rfcs(void **state)
{
    (void)state;
    struct sl_quic_keys k;
    assert_true(sl_quic_client_keys(1, initial_dcid, sizeof initial_dcid, &k));
    assert_hex(k.key, 16, "1f369613dd76d5467730efcbe3b1a22d");
    assert_hex(k.iv, 12, "fa044b2f42a3fd3b46fb255c");
    assert_hex(k.hp, 16, "9f50449e04a0e810283a1e9933adedd2");
    assert_true(sl_quic_client_keys(0x6b3343cf, initial_dcid, sizeof initial_dcid,
                                    &k)); // RFC 9369 appendix A.1
    assert_hex(k.key, 16, "8b1a0bc121284290a29e0971b5cd045d");
    assert_hex(k.iv, 12, "91f73e2351d8fa91660e909f");
    assert_hex(k.hp, 16, "45b95e15235d6f45a6b19cbcb0294ba9");
    assert_false(
        sl_quic_client_keys(0x51303433, initial_dcid, sizeof initial_dcid, &k)); // Q043 has none
}

static void the_initial_of_rfc9001_is_the_rfcs(void **state)
{
    (void)state;
    uint8_t p[INITIAL_BYTES];
    rfc_initial(p);
    assert_hex(p, 64,
               "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11"
               "d242b123dc9bd8bab936b47d92ec356c0bab7df5976d27cd449f63300099f399");
    assert_hex(p + INITIAL_BYTES - INITIAL_TAG, INITIAL_TAG, "e221af44860018ab0856972e194cd934");
}

static void the_initial_of_rfc9001_is_opened(void **state)
{
    (void)state;
    uint8_t p[INITIAL_BYTES];
    struct sl_quic_facts f;
    struct sl_l7 l;
    rfc_initial(p);
    assert_int_equal(dissect(p, INITIAL_BYTES, NULL, &f), SL_QUIC_DONE);
    assert_int_equal(f.version, 1);
    assert_int_equal(f.type, SL_QUIC_INITIAL);
    assert_int_equal(f.dcid_len, 8);
    assert_int_equal(f.scid_len, 0);
    assert_true(f.opened && f.has_tls);
    assert_string_equal(f.tls.sni, "example.com");
    assert_string_equal(f.tls.alpn, "alpn");
    assert_int_equal(f.tls.version, 0x0304);
    assert_string_equal(f.tls.ja3,
                        "771,4865-4866,0-65281-10-16-5-51-43-13-45-28-57,29-23-24,"); // by hand
    assert_int_equal(sl_dissect_payload(17, 50000, 443, 0, p, INITIAL_BYTES, &l), SL_L7_DONE);
    assert_string_equal(l.app, "quic");
    assert_string_equal(l.sni, "example.com");
    assert_int_equal(l.quic_version, 1);
}

static void a_cut_or_changed_initial_keeps_its_version_only(void **state)
{
    (void)state;
    uint8_t p[INITIAL_BYTES];
    struct sl_quic_facts f;
    rfc_initial(p);
    for (size_t len = 0; len < INITIAL_BYTES; len++) {
        // flags, version, both identifiers with their lengths: 15 bytes
        assert_int_equal(dissect(p, len, NULL, &f), len < 15 ? SL_QUIC_NOT : SL_QUIC_DONE);
        assert_false(f.opened || f.has_tls);
        assert_int_equal(f.version, len < 15 ? 0 : 1);
    }
    for (size_t i = 5; i < INITIAL_BYTES; i += 7) {
        p[i] ^= 1;
        dissect(p, INITIAL_BYTES, NULL, &f);
        assert_false(f.opened);
        p[i] ^= 1;
    }
}

static void a_hello_in_two_datagrams_is_put_together(void **state)
{
    (void)state;
    uint8_t hello[HELLO], frames[600], first[INITIAL_BYTES], second[INITIAL_BYTES];
    static struct sl_quic_hello h;
    struct sl_quic_facts f;
    hex_bytes(hello_hex, hello, HELLO);
    // The second half first; then the first, in two frames out of order that overlap, a PING
    // between.
    size_t n = crypto_frame(frames, 120, hello + 120, HELLO - 120);
    make_initial(frames, n, second);
    n = crypto_frame(frames, 50, hello + 50, 80);
    frames[n++] = 1;
    n += crypto_frame(frames + n, 0, hello, 60);
    make_initial(frames, n, first);

    memset(&h, 0, sizeof h);
    assert_int_equal(dissect(second, INITIAL_BYTES, &h, &f), SL_QUIC_NEED_MORE);
    assert_false(f.has_tls);
    assert_int_equal(dissect(first, INITIAL_BYTES, &h, &f), SL_QUIC_DONE);
    assert_string_equal(f.tls.sni, "example.com");
    assert_string_equal(f.tls.ja3, "771,4865-4866,0-65281-10-16-5-51-43-13-45-28-57,29-23-24,");

    // Each on its own: the first holds the name, but no whole hello.
    assert_int_equal(dissect(first, INITIAL_BYTES, NULL, &f), SL_QUIC_NEED_MORE);
    assert_string_equal(f.tls.sni, "example.com");
    assert_string_equal(f.tls.ja3, "");
}

static void hostile_frames_end_quietly(void **state)
{
    (void)state;
    static const char *const frames[] = {
        "06 ffffffffffffffff 01 61",    // an offset beyond everything
        "06 00 bfffffff 61",            // longer than the packet
        "02 00 00 ffffffffffffffff 00", // ranges without end
        "1c 00 00 00",                  // CONNECTION_CLOSE
        "ff",                           // cut inside a number
    };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        uint8_t b[32], p[INITIAL_BYTES];
        struct sl_quic_facts f;
        make_initial(b, hex_bytes(frames[i], b, sizeof b), p);
        assert_int_equal(dissect(p, INITIAL_BYTES, NULL, &f), SL_QUIC_NEED_MORE);
        assert_true(f.opened && !f.has_tls);
    }
}

static void versions_are_told_by_their_headers(void **state)
{
    (void)state;
    const struct {
        const char *hex;
        uint32_t version;
        enum sl_quic_type type;
        uint8_t dcid_len, scid_len;
    } cases[] = {
        {"c3 ff00001d 04 01020304 00 00 40", 0xff00001d, SL_QUIC_INITIAL, 4, 0},
        {"d3 6b3343cf 00 02 aabb 00", 0x6b3343cf, SL_QUIC_INITIAL, 0, 2}, // RFC 9369 section 3.2
        {"c3 6b3343cf 00 02 aabb 00", 0x6b3343cf, SL_QUIC_RETRY, 0, 2},
        {"f3 00000001 00 02 aabb 00", 1, SL_QUIC_RETRY, 0, 2},
        {"e3 00000001 00 00 00", 1, SL_QUIC_HANDSHAKE, 0, 0},
        {"09 0102030405060708 51303433 01", 0x51303433, SL_QUIC_OTHER, 8, 0},    // Q043
        {"c3 51303436 50 0102030405060708 01", 0x51303436, SL_QUIC_OTHER, 8, 0}, // Q046
        {"80 00000000 01 aa 00 1a2a3a4a 00000001", 0, SL_QUIC_NEGOTIATION, 1, 0},
        {"c0 dadadada 00 00 00", 0xdadadada, SL_QUIC_INITIAL, 0, 0}, // RFC 9000 section 15
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t b[64];
        struct sl_quic_facts f;
        size_t n = hex_bytes(cases[i].hex, b, sizeof b);
        assert_int_equal(dissect(b, n, NULL, &f), SL_QUIC_DONE);
        assert_int_equal(f.version, cases[i].version);
        assert_int_equal(f.type, cases[i].type);
        assert_int_equal(f.dcid_len, cases[i].dcid_len);
        assert_int_equal(f.scid_len, cases[i].scid_len);
        assert_int_equal(f.offered, f.type == SL_QUIC_NEGOTIATION ? 1 : 0);
    }
}

static void what_is_no_quic_is_left_alone(void **state)
{
    (void)state;
    static const char *const others[] = {
        "40 0102030405060708 00",        // a short header
        "c3 00000007 04 01020304 00 00", // no version that is known
        "c3 00000001 15 0102030405060708090a0b0c0d0e0f101112131415 00 00", // an identifier of 21
        "80 00000000 01 aa 00 00000001 00",          // negotiation with a torn version
        "80 00000000 01 aa 00 12345678",             // and with none that is known
        "1234 0100 0001 0000 0000 0000 00 0001 0001" // DNS
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        uint8_t b[64];
        struct sl_quic_facts f;
        size_t n = hex_bytes(others[i], b, sizeof b);
        assert_int_equal(dissect(b, n, NULL, &f), SL_QUIC_NOT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_keys_are_those_of_the_rfcs),
        cmocka_unit_test(the_initial_of_rfc9001_is_the_rfcs),
        cmocka_unit_test(the_initial_of_rfc9001_is_opened),
        cmocka_unit_test(a_cut_or_changed_initial_keeps_its_version_only),
        cmocka_unit_test(a_hello_in_two_datagrams_is_put_together),
        cmocka_unit_test(hostile_frames_end_quietly),
        cmocka_unit_test(versions_are_told_by_their_headers),
        cmocka_unit_test(what_is_no_quic_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
