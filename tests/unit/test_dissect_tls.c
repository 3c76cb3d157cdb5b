// SPDX-License-Identifier: Apache-2.0
#include "../support/hex.h"
#include "base/hash.h"
#include "dissect/dissect.h"
#include "dissect/tls.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// cmocka wants the headers above first.
#include <cmocka.h>

enum { MOST = 4096 };

// ---- building -----------------------------------------------------------------------------------

struct bytes {
    uint8_t b[MOST];
    size_t n;
};

static void add(struct bytes *to, const char *hex)
{
    to->n += hex_bytes(hex, to->b + to->n, MOST - to->n);
}

// RFC 8448 section 3: the client's hello, 196 bytes, and the server's, 90 bytes.
static struct bytes client_hello(void)
{
    struct bytes m = {.n = 0};
    add(&m,
        "01 0000c0 0303 cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7"
        "00 0006 1301 1303 1302 0100 0091"
        "0000 000b 0009 00 0006 736572766572"
        "ff01 0001 00"
        "000a 0014 0012 001d 0017 0018 0019 0100 0101 0102 0103 0104"
        "0023 0000"
        "0033 0026 0024 001d 0020 99381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c"
        "002b 0003 02 0304"
        "000d 0020 001e 0403 0503 0603 0203 0804 0805 0806 0401 0501 0601 0201 0402 0502 0602 0202"
        "002d 0002 01 01"
        "001c 0002 4001");
    assert_int_equal(m.n, 196);
    return m;
}

static struct bytes server_hello(void)
{
    struct bytes m = {.n = 0};
    add(&m, "02 000056 0303 a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e26928"
            "00 1301 00 002e"
            "0033 0024 001d 0020 c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f"
            "002b 0002 0304");
    assert_int_equal(m.n, 90);
    return m;
}

// Records of at most `most` bytes each.
static struct bytes in_records(const struct bytes *m, size_t most)
{
    struct bytes s = {.n = 0};
    for (size_t at = 0; at < m->n; at += most) {
        size_t n = m->n - at < most ? m->n - at : most;
        const uint8_t head[5] = {22, 3, 1, (uint8_t)(n >> 8), (uint8_t)n};
        memcpy(s.b + s.n, head, 5);
        memcpy(s.b + s.n + 5, m->b + at, n);
        s.n += 5 + n;
    }
    return s;
}

static enum sl_tls_result dissect(const struct bytes *s, size_t len, struct sl_tls_facts *f)
{
    uint8_t *exact = exact_copy(s->b, len);
    enum sl_tls_result res = sl_dissect_tls(exact, len, f);
    free(exact);
    return res;
}

// ---- tests --------------------------------------------------------------------------------------

static void the_client_of_rfc8448_is_read(void **state)
{
    (void)state;
    struct bytes m = client_hello(), s = in_records(&m, MOST);
    struct sl_tls_facts f;
    assert_int_equal(dissect(&s, s.n, &f), SL_TLS_DONE);
    assert_int_equal(f.kind, SL_TLS_CLIENT_HELLO);
    assert_string_equal(f.sni, "server");
    assert_int_equal(f.legacy_version, 0x0303);
    assert_int_equal(f.version, 0x0304);
    assert_string_equal(f.alpn, "");
    assert_false(f.malformed || f.sni_odd || f.datagram);
    // By hand from the bytes; the hash by md5sum.
    assert_string_equal(f.ja3, "771,4865-4867-4866,0-65281-10-35-51-43-13-45-28,"
                               "29-23-24-25-256-257-258-259-260,");
    assert_string_equal(f.ja3_md5, "da4dea34fe6d4ce5f0725df3f2682fa0");
}

static void the_server_of_rfc8448_chose_tls13(void **state)
{
    (void)state;
    struct bytes m = server_hello(), s = in_records(&m, MOST);
    struct sl_tls_facts f;
    assert_int_equal(dissect(&s, s.n, &f), SL_TLS_DONE);
    assert_int_equal(f.kind, SL_TLS_SERVER_HELLO);
    assert_int_equal(f.version, 0x0304);
    assert_int_equal(f.cipher, 0x1301);
    assert_false(f.retry);
    assert_string_equal(f.ja3, "771,4865,51-43");
}

static void every_cut_asks_for_more_and_that_much_helps(void **state)
{
    (void)state;
    struct bytes m = client_hello();
    static const size_t sizes[] = {MOST, 100, 7, 3, 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct bytes s = in_records(&m, sizes[i]);
        struct sl_tls_facts f;
        bool named = false;
        for (size_t len = 0; len < s.n; len++) {
            assert_int_equal(dissect(&s, len, &f), SL_TLS_NEED_MORE);
            assert_true(f.want_bytes > len && f.want_bytes <= s.n + 8);
            assert_string_equal(f.ja3_md5, "");
            assert_true(!f.sni[0] ? !named : !strcmp(f.sni, "server"));
            named = f.sni[0];
        }
        assert_true(named);
        assert_int_equal(dissect(&s, s.n, &f), SL_TLS_DONE);
        assert_string_equal(f.sni, "server");
        assert_string_equal(f.ja3_md5, "da4dea34fe6d4ce5f0725df3f2682fa0");
    }
}

static void what_follows_the_hello_changes_nothing(void **state)
{
    (void)state;
    struct bytes m = server_hello(), s;
    struct sl_tls_facts f;
    add(&m, "0b 000004 00000000"); // a certificate in the same record
    s = in_records(&m, MOST);
    add(&s, "14 0303 0001 01 17 0303 0003 aabbcc");
    assert_int_equal(dissect(&s, s.n, &f), SL_TLS_DONE);
    assert_string_equal(f.ja3, "771,4865,51-43");
    assert_false(f.malformed);
}

// The example of the definition of JA3: github.com/salesforce/ja3, README.
static void the_published_ja3_comes_out(void **state)
{
    (void)state;
    struct bytes m = {.n = 0}, s;
    struct sl_tls_facts f;
    add(&m, "01 000066 0301 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 00"
            "0018 002f 0035 0005 000a c009 c00a c013 c014 0032 0038 0013 0004 01 00 0025"
            "0000 000f 000d 00 000a 612e6578616d706c6521"
            "000a 0008 0006 0017 0018 0019  000b 0002 01 00");
    assert_int_equal(m.n, 4 + 0x66);
    s = in_records(&m, MOST);
    assert_int_equal(dissect(&s, s.n, &f), SL_TLS_DONE);
    assert_string_equal(f.ja3,
                        "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0");
    assert_string_equal(f.ja3_md5, "ada70206e40642a3e4461f35503241d5");
    assert_string_equal(f.sni, "a.example!");
    assert_true(f.sni_odd); // for the '!'
    assert_int_equal(f.version, 0x0301);
}

static void a_servers_fingerprint_has_its_choice_and_its_extensions(void **state)
{
    (void)state;
    struct bytes m = {.n = 0}, s;
    struct sl_tls_facts f;
    add(&m, "02 000048 0301 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 00"
            "002f 00 0020 ff01 0001 00 0000 0000 000b 0002 01 00 0023 0000 0005 0000"
            "0010 0005 0003 02 6832");
    assert_int_equal(m.n, 4 + 0x48);
    s = in_records(&m, MOST);
    assert_int_equal(dissect(&s, s.n, &f), SL_TLS_DONE);
    assert_string_equal(f.ja3, "769,47,65281-0-11-35-5-16");
    assert_string_equal(f.ja3_md5, "836ce314215654b5b1f85f97c73e506f"); // by md5sum
    assert_string_equal(f.alpn, "h2");
    assert_int_equal(f.cipher, 47);
}

static void grease_is_passed_over(void **state)
{
    (void)state;
    struct bytes m = {.n = 0}, s;
    struct sl_tls_facts f;
    add(&m, "01 00005d 0303 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 00"
            "0004 3a3a 1301 01 00 0030"
            "1a1a 0000  000a 0006 0004 2a2a 001d  002b 0007 06 fafa 0304 0303"
            "0010 000e 000c 02 6832 08 687474702f312c31  baba 0001 00");
    assert_int_equal(m.n, 4 + 0x5d);
    s = in_records(&m, MOST);
    assert_int_equal(dissect(&s, s.n, &f), SL_TLS_DONE);
    assert_int_equal(f.version, 0x0304);
    assert_string_equal(f.ja3, "771,4865,10-43-16,29,");
    assert_string_equal(f.alpn, "h2,http/1?1"); // a comma in a name is no separator
}

static void a_defect_in_the_extensions_marks_the_hello(void **state)
{
    (void)state;
    struct bytes m = client_hello(), s;
    struct sl_tls_facts f;
    m.b[4 + 2 + 32 + 1 + 8 + 2 + 2 + 3] = 0xff; // the first extension is longer than all of them
    s = in_records(&m, MOST);
    assert_int_equal(dissect(&s, s.n, &f), SL_TLS_DONE);
    assert_true(f.malformed);
    assert_string_equal(f.ja3_md5, "");
}

static void a_hello_longer_than_is_read_ends_there(void **state)
{
    (void)state;
    // A cookie extension of 20,000 bytes behind the name, in records of 1,000 bytes.
    static uint8_t message[21000], stream[22000];
    struct sl_tls_facts f;
    size_t n =
        hex_bytes("01 004e5e 0303 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
                  "00 0002 1301 01 00 4e33 0000 000b 0009 00 0006 736572766572 002c 4e20",
                  message, sizeof message);
    size_t total = n + 20000, at = 0, len = 0;
    assert_int_equal(total, 4 + 0x4e5e);
    for (size_t part; at < total; at += part) {
        part = total - at < 1000 ? total - at : 1000;
        const uint8_t head[5] = {22, 3, 1, (uint8_t)(part >> 8), (uint8_t)part};
        memcpy(stream + len, head, 5);
        memcpy(stream + len + 5, message + at, part);
        len += 5 + part;
    }
    assert_int_equal(sl_dissect_tls(stream, 16000, &f), SL_TLS_NEED_MORE);
    assert_int_equal(sl_dissect_tls(stream, len, &f), SL_TLS_DONE);
    assert_true(f.malformed);
    assert_string_equal(f.sni, "server");
    assert_string_equal(f.ja3_md5, "");
    struct sl_l7 l;
    assert_int_equal(sl_dissect_payload(6, 50000, 443, 0, stream, SL_L7_MAX_BYTES, &l), SL_L7_DONE);
}

static void what_is_no_tls_is_left_alone(void **state)
{
    (void)state;
    static const char *const others[] = {
        "474554202f20485454502f312e310d0a",     // GET / HTTP/1.1
        "5353482d322e30",                       // SSH-2.0
        "16 0203 0010",                         // major version 2
        "16 0301 0000",                         // an empty record
        "16 0301 ffff 01",                      // longer than a record may be
        "16 0301 0030 01 00002c 0203 00000000", // a hello of another major version
        "18 0301 0010",                         // no content type of a start
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct bytes s = {.n = 0};
        struct sl_tls_facts f;
        add(&s, others[i]);
        assert_int_equal(dissect(&s, s.n, &f), SL_TLS_NOT);
    }
}

static void a_warning_before_the_servers_hello_is_skipped(void **state)
{
    (void)state;
    struct bytes m = server_hello(), r = in_records(&m, MOST), s = {.n = 0};
    struct sl_tls_facts f;
    add(&s, "15 0303 0002 01 70"); // unrecognized_name
    memcpy(s.b + s.n, r.b, r.n);
    s.n += r.n;
    for (size_t len = 0; len < s.n; len++) {
        assert_int_equal(dissect(&s, len, &f), SL_TLS_NEED_MORE);
        assert_true(f.want_bytes > len);
    }
    assert_int_equal(dissect(&s, s.n, &f), SL_TLS_DONE);
    assert_int_equal(f.cipher, 0x1301);
}

static void what_is_skipped_before_a_hello_is_a_record(void **state)
{
    (void)state;
    struct bytes s = {.n = 0};
    struct sl_tls_facts f;
    add(&s, "15 0301 0002 01 2a"
            "15 035d 0002 01 2a" // no version of TLS
            "15 0301 0002 ff");
    for (size_t len = 10; len <= s.n; len++) { // not to be taken back when more has come
        assert_int_equal(dissect(&s, len, &f), SL_TLS_DONE);
        assert_int_equal(f.version, 0x0301);
    }
}

static void dtls_has_its_cookie_and_its_version(void **state)
{
    (void)state;
    struct bytes s = {.n = 0};
    struct sl_tls_facts f;
    // RFC 6347 sections 4.1 and 4.2.2: epoch 0, message 0, offset 0, whole.
    add(&s, "16 feff 0000 000000000000 0046 01 00003a 0000 000000 00003a"
            "fefd 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 00 04 61626364"
            "0002 c02b 01 00 000a 000a 0006 0004 001d 0017");
    assert_int_equal(s.n, 13 + 0x46);
    uint8_t *exact = exact_copy(s.b, s.n);
    assert_int_equal(sl_dissect_dtls(exact, s.n, &f), SL_TLS_DONE);
    assert_true(f.datagram && f.kind == SL_TLS_CLIENT_HELLO);
    assert_int_equal(f.version, 0xfefd);
    assert_string_equal(f.ja3, "65277,49195,10,29-23,");
    free(exact);
    for (size_t len = 0; len < s.n; len++) {
        exact = exact_copy(s.b, len);
        enum sl_tls_result res = sl_dissect_dtls(exact, len, &f);
        assert_int_equal(res, len < 13 ? SL_TLS_NOT : SL_TLS_DONE);
        assert_string_equal(f.ja3_md5, "");
        free(exact);
    }
}

static void the_facade_keeps_client_and_server_apart(void **state)
{
    (void)state;
    struct bytes c = client_hello(), s = server_hello();
    struct bytes cs = in_records(&c, MOST), ss = in_records(&s, MOST);
    struct sl_l7 f;
    assert_int_equal(sl_dissect_payload(6, 50000, 443, 0, cs.b, cs.n, &f), SL_L7_DONE);
    assert_string_equal(f.app, "tls");
    assert_string_equal(f.sni, "server");
    assert_string_equal(f.ja3_md5, "da4dea34fe6d4ce5f0725df3f2682fa0");
    assert_string_equal(f.ja3s_md5, "");
    assert_int_equal(f.tls_version, 0x0304);
    assert_int_equal(sl_dissect_payload(6, 50000, 443, 1, ss.b, ss.n, &f), SL_L7_DONE);
    assert_string_equal(f.ja3s, "771,4865,51-43");
    assert_string_equal(f.ja3, "");
    assert_int_equal(f.tls_cipher, 0x1301);
    assert_int_equal(f.dns_qtype, -1);
    assert_int_equal(sl_dissect_payload(6, 50000, 443, 0, cs.b, 50, &f), SL_L7_NEED_MORE);
    assert_int_equal(f.want_bytes, cs.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_of_rfc8448_is_read),
        cmocka_unit_test(the_server_of_rfc8448_chose_tls13),
        cmocka_unit_test(every_cut_asks_for_more_and_that_much_helps),
        cmocka_unit_test(what_follows_the_hello_changes_nothing),
        cmocka_unit_test(the_published_ja3_comes_out),
        cmocka_unit_test(a_servers_fingerprint_has_its_choice_and_its_extensions),
        cmocka_unit_test(grease_is_passed_over),
        cmocka_unit_test(a_defect_in_the_extensions_marks_the_hello),
        cmocka_unit_test(a_hello_longer_than_is_read_ends_there),
        cmocka_unit_test(what_is_no_tls_is_left_alone),
        cmocka_unit_test(a_warning_before_the_servers_hello_is_skipped),
        cmocka_unit_test(what_is_skipped_before_a_hello_is_a_record),
        cmocka_unit_test(dtls_has_its_cookie_and_its_version),
        cmocka_unit_test(the_facade_keeps_client_and_server_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
