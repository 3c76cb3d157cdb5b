// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "base/rng.h"
#include "net/packet.h"
#include "net/pcapfile.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

// A frame under construction, in wire order.
struct frame {
    uint8_t b[512];
    size_t n;
};

static void u8(struct frame *f, unsigned v)
{
    f->b[f->n++] = (uint8_t)v;
}

static void u16(struct frame *f, unsigned v)
{
    u8(f, v >> 8), u8(f, v);
}

static void u32(struct frame *f, uint32_t v)
{
    u16(f, v >> 16), u16(f, v);
}

static void zeros(struct frame *f, size_t n)
{
    memset(f->b + f->n, 0, n);
    f->n += n;
}

static void ethernet(struct frame *f, unsigned type)
{
    zeros(f, 12);
    u16(f, type);
}

// 10.0.0.1 -> 10.0.0.2, `options` bytes of IP options, total length for `above` bytes behind them.
static void ipv4(struct frame *f, unsigned proto, unsigned options, unsigned above, unsigned frag)
{
    u8(f, 0x40 | (5 + options / 4)), u8(f, 0);
    u16(f, 20 + options + above);
    u16(f, 0x1234), u16(f, frag);
    u8(f, 64), u8(f, proto), u16(f, 0);
    u32(f, 0x0a000001), u32(f, 0x0a000002);
    zeros(f, options);
}

static void tcp(struct frame *f, unsigned options)
{
    u16(f, 40000), u16(f, 80);
    u32(f, 0x01020304), u32(f, 0x05060708);
    u8(f, (5 + options / 4) << 4), u8(f, 0x18), u16(f, 0x2000);
    u32(f, 0);
    zeros(f, options);
}

static void text(struct frame *f, const char *s)
{
    memcpy(f->b + f->n, s, strlen(s));
    f->n += strlen(s);
}

static enum sl_packet_kind decode(const struct frame *f, struct sl_packet *p)
{
    return sl_packet_decode(NULL, f->b, f->n, (uint32_t)f->n, 77, p);
}

static void a_tcp_segment_gives_ports_flags_numbers_and_payload(void **state)
{
    (void)state;
    struct frame f = {0};
    struct sl_packet p;
    ethernet(&f, 0x0800), ipv4(&f, 6, 0, 20 + 5, 0), tcp(&f, 0), text(&f, "hello");
    assert_int_equal(decode(&f, &p), SL_PACKET_OK);
    assert_int_equal(p.ts_ns, 77);
    assert_int_equal(p.wire_bytes, 59); // 14 + 20 + 20 + 5
    assert_int_equal(p.ip_bytes, 45);
    assert_int_equal(p.payload_bytes, 5);
    assert_int_equal(p.payload_captured, 5);
    assert_memory_equal(p.payload, "hello", 5);
    assert_int_equal(p.tuple.sport, 40000);
    assert_int_equal(p.tuple.dport, 80);
    assert_int_equal(p.tuple.proto, 6);
    assert_int_equal(sl_addr_v4(&p.tuple.src), 0x0a000001);
    assert_int_equal(sl_addr_v4(&p.tuple.dst), 0x0a000002);
    assert_int_equal(p.tcp_flags, 0x18);
    assert_int_equal(p.tcp_seq, 0x01020304);
    assert_int_equal(p.tcp_ack, 0x05060708);
    assert_int_equal(p.tcp_window, 0x2000);
    assert_int_equal(p.ethertype, 0x0800);
}

static void padding_of_short_frames_is_not_payload(void **state)
{
    (void)state;
    struct frame f = {0};
    struct sl_packet p;
    ethernet(&f, 0x0800), ipv4(&f, 6, 0, 20, 0), tcp(&f, 0), zeros(&f, 6);
    assert_int_equal(f.n, 60);
    assert_int_equal(decode(&f, &p), SL_PACKET_OK);
    assert_int_equal(p.payload_bytes, 0);
    assert_null(p.payload);
}

static void options_of_ip_and_tcp_are_stepped_over(void **state)
{
    (void)state;
    struct frame f = {0};
    struct sl_packet p;
    ethernet(&f, 0x0800), ipv4(&f, 6, 40, 20 + 12 + 2, 0), tcp(&f, 12), text(&f, "ok");
    assert_int_equal(decode(&f, &p), SL_PACKET_OK);
    assert_int_equal(p.payload_bytes, 2);
    assert_memory_equal(p.payload, "ok", 2);
}

static void vlan_tags_are_stepped_over(void **state)
{
    (void)state;
    struct frame f = {0};
    struct sl_packet p;
    ethernet(&f, 0x88a8), u16(&f, 7), u16(&f, 0x8100), u16(&f, 8), u16(&f, 0x0800);
    ipv4(&f, 17, 0, 8 + 3, 0);
    u16(&f, 53), u16(&f, 5353), u16(&f, 11), u16(&f, 0), text(&f, "dns");
    assert_int_equal(decode(&f, &p), SL_PACKET_OK);
    assert_int_equal(p.ethertype, 0x0800);
    assert_int_equal(p.tuple.dport, 5353);
    assert_int_equal(p.tcp_flags, 0);
    assert_memory_equal(p.payload, "dns", 3);
}

static void a_short_capture_keeps_the_true_lengths(void **state)
{
    (void)state;
    struct frame f = {0};
    struct sl_packet p;
    ethernet(&f, 0x0800), ipv4(&f, 6, 0, 20 + 1000, 0), tcp(&f, 0), text(&f, "0123456789");
    assert_int_equal(sl_packet_decode(NULL, f.b, f.n, 14 + 1040, 0, &p), SL_PACKET_OK);
    assert_int_equal(p.wire_bytes, 1054);
    assert_int_equal(p.payload_bytes, 1000);
    assert_int_equal(p.payload_captured, 10);
    // TCP options cut off: still known, without payload.
    f.n = 14;
    ipv4(&f, 6, 0, 40 + 7, 0), tcp(&f, 20);
    assert_int_equal(sl_packet_decode(NULL, f.b, 14 + 20 + 20, 14 + 67, 0, &p), SL_PACKET_OK);
    assert_int_equal(p.payload_bytes, 7);
    assert_null(p.payload);
    // The TCP header itself cut off.
    assert_int_equal(sl_packet_decode(NULL, f.b, 14 + 20 + 19, 14 + 67, 0, &p), SL_PACKET_CUT_SHORT);
    assert_int_equal(p.tuple.proto, 6);
}

static void later_fragments_have_addresses_but_no_ports(void **state)
{
    (void)state;
    struct frame f = {0};
    struct sl_packet p;
    ethernet(&f, 0x0800), ipv4(&f, 17, 0, 24, 185), zeros(&f, 24);
    assert_int_equal(decode(&f, &p), SL_PACKET_FRAGMENT);
    assert_int_equal(p.tuple.proto, 17);
    assert_int_equal(p.tuple.sport, 0);
    assert_int_equal(sl_addr_v4(&p.tuple.dst), 0x0a000002);
    // The first fragment (more to come, offset 0) has them.
    f.n = 0;
    ethernet(&f, 0x0800), ipv4(&f, 17, 0, 24, 0x2000);
    u16(&f, 1000), u16(&f, 2000), u16(&f, 1400), zeros(&f, 18);
    assert_int_equal(decode(&f, &p), SL_PACKET_OK);
    assert_int_equal(p.tuple.dport, 2000);
    assert_int_equal(p.payload_bytes, 16);
}

static void ipv6_head(struct frame *f, unsigned next, unsigned payload)
{
    u32(f, 0x60000000), u16(f, payload), u8(f, next), u8(f, 64);
    for (unsigned i = 0; i < 2; i++)
        u32(f, 0x20010db8), zeros(f, 8), u32(f, i + 1);
}

static void ipv6_extension_headers_are_walked(void **state)
{
    (void)state;
    struct frame f = {0};
    struct sl_packet p;
    char buf[46];
    // hop-by-hop 8, destination options 16, AH 24, fragment (first) 8, then UDP with 4 bytes
    ethernet(&f, 0x86dd), ipv6_head(&f, 0, 8 + 16 + 24 + 8 + 8 + 4);
    u8(&f, 60), u8(&f, 0), zeros(&f, 6);
    u8(&f, 51), u8(&f, 1), zeros(&f, 14);
    u8(&f, 44), u8(&f, 4), zeros(&f, 22); // AH counts 4-byte words less two: (4 + 2) * 4 = 24
    u8(&f, 17), u8(&f, 0), u16(&f, 1), zeros(&f, 4);
    u16(&f, 1111), u16(&f, 2222), u16(&f, 12), u16(&f, 0), text(&f, "six!");
    assert_int_equal(decode(&f, &p), SL_PACKET_OK);
    assert_int_equal(p.tuple.proto, 17);
    assert_int_equal(p.tuple.sport, 1111);
    assert_int_equal(p.payload_bytes, 4);
    assert_memory_equal(p.payload, "six!", 4);
    assert_string_equal(sl_addr_text(&p.tuple.dst, buf), "2001:db8::2");
    assert_int_equal(sl_addr_v4(&p.tuple.dst), 0);
    // A later fragment.
    f.n = 0;
    ethernet(&f, 0x86dd), ipv6_head(&f, 44, 16);
    u8(&f, 6), u8(&f, 0), u16(&f, 0x0008), zeros(&f, 12);
    assert_int_equal(decode(&f, &p), SL_PACKET_FRAGMENT);
    assert_int_equal(p.tuple.proto, 6);
}

static void broken_headers_are_told_from_short_ones(void **state)
{
    (void)state;
    struct frame f = {0};
    struct sl_packet p;
    ethernet(&f, 0x0806), zeros(&f, 28);
    assert_int_equal(decode(&f, &p), SL_PACKET_NOT_IP);
    assert_int_equal(p.ethertype, 0x0806);
    f.n = 0;
    ethernet(&f, 0x0800), ipv4(&f, 6, 0, 20, 0), tcp(&f, 0);
    assert_int_equal(sl_packet_decode(NULL, f.b, 13, 54, 0, &p), SL_PACKET_CUT_SHORT);
    assert_int_equal(sl_packet_decode(NULL, f.b, 33, 54, 0, &p), SL_PACKET_CUT_SHORT);
    assert_int_equal(sl_packet_decode(NULL, f.b, 53, 53, 0, &p), SL_PACKET_BAD_HEADER); // 19 for TCP
    assert_true(p.length_cut); // 40 claimed
    f.b[14] = 0x44; // header of 16 bytes
    assert_int_equal(decode(&f, &p), SL_PACKET_BAD_HEADER);
    f.b[14] = 0x65; // version 6 in a version 4 frame
    assert_int_equal(decode(&f, &p), SL_PACKET_BAD_HEADER);
    f.b[14] = 0x45;
    f.b[14 + 20 + 12] = 0x40; // TCP header of 16 bytes
    assert_int_equal(decode(&f, &p), SL_PACKET_BAD_HEADER);
    f.b[14 + 20 + 12] = 0x60; // TCP header of 24 bytes where 20 are left
    assert_int_equal(decode(&f, &p), SL_PACKET_BAD_HEADER);
}

static void no_cut_and_no_flipped_byte_makes_the_decoder_read_outside(void **state)
{
    (void)state;
    struct frame f = {0};
    struct sl_packet p;
    ethernet(&f, 0x86dd), ipv6_head(&f, 60, 16 + 20 + 8);
    u8(&f, 6), u8(&f, 1), zeros(&f, 14), tcp(&f, 0), text(&f, "payload!");
    struct sl_rng rng = sl_rng_stream(1, "decoder", 0);
    for (int i = 0; i < 200000; i++) {
        size_t n = sl_rng_below(&rng, f.n + 1);
        uint8_t *exact = malloc(n ? n : 1); // so that a sanitizer sees the first byte outside
        memcpy(exact, f.b, n);
        for (uint64_t k = sl_rng_below(&rng, 4); n && k > 0; k--) {
            size_t where = sl_rng_below(&rng, n);
            exact[where] = (uint8_t)sl_rng_u64(&rng);
        }
        uint32_t wire = (uint32_t)(n + sl_rng_below(&rng, 3) * 20);
        sl_packet_decode(NULL, exact, n, wire, 0, &p);
        assert_true(p.payload_captured <= p.payload_bytes && p.payload_bytes <= wire);
        assert_true(!p.payload ||
                    (p.payload >= exact && p.payload + p.payload_captured <= exact + n));
        free(exact);
    }
}

static void addresses_are_read_strictly_and_written_plainly(void **state)
{
    (void)state;
    uint32_t v = 5;
    int len = 5;
    char buf[46];
    assert_true(sl_ipv4_parse("10.1.2.3", &v));
    assert_int_equal(v, 0x0a010203);
    assert_string_equal(sl_ipv4_text(v, buf), "10.1.2.3");
    struct sl_addr a = sl_addr_from_v4(v), b = sl_addr_from_v4(v + 1);
    assert_string_equal(sl_addr_text(&a, buf), "10.1.2.3");
    assert_true(sl_addr_equal(&a, &a) && !sl_addr_equal(&a, &b));
    static const char *const bad[] = {"10.1.2", "10.1.2.256",  "10.1.2.3 ",
                                      "",       "10.1.2.3/24", "a.b.c.d"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(sl_ipv4_parse(bad[i], &v));
    assert_true(sl_ipv4_parse_prefix("10.201.3.0/27", &v, &len));
    assert_int_equal(v, 0x0ac90300);
    assert_int_equal(len, 27);
    assert_true(sl_ipv4_parse_prefix("0.0.0.0/0", &v, &len) && len == 0);
    static const char *const worse[] = {
        "10.1.2.3",    "10.1.2.3/", "10.1.2.3/33", "10.1.2.3/024", "10.1.2.3/2x",
        "10.1.2.3/-1", "/24",       "10.1.2.3/ 8", "10.1.2.3/999", "10.1.2.3.4/24"};
    for (size_t i = 0; i < sizeof worse / sizeof *worse; i++)
        assert_false(sl_ipv4_parse_prefix(worse[i], &v, &len));
}

// --- captures ------------------------------------------------------------------------------------

static uint8_t *read_all(const char *path, size_t *n)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    uint8_t *b = malloc((size_t)st.st_size + 1);
    *n = (size_t)read(fd, b, (size_t)st.st_size);
    close(fd);
    return b;
}

static uint32_t word(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

// Walks the records; returns their number, or -1 when the file does not end with one.
static int records(const uint8_t *b, size_t n)
{
    size_t at = 24;
    int count = 0;
    while (at + 16 <= n && at + 16 + word(b + at + 8) <= n)
        at += 16 + word(b + at + 8), count++;
    return at == n ? count : -1;
}

static void what_is_written_to_a_capture_is_what_is_in_it(void **state)
{
    (void)state;
    char path[] = "/tmp/sl-pcap-XXXXXX";
    close(mkstemp(path));
    struct sl_error err = {0};
    struct sl_pcap_writer *w = sl_pcap_create(path, 100, &err);
    assert_non_null(w);
    uint8_t frame[2000];
    struct sl_rng rng = sl_rng_stream(2, "pcap", 0);
    enum { N = 5000 };
    static uint32_t wire[N];
    for (uint32_t i = 0; i < N; i++) {
        wire[i] = 14 + (uint32_t)sl_rng_below(&rng, 1500);
        memset(frame, (int)(i & 255), sizeof frame);
        int64_t ts = INT64_C(1700000000123456789) + i;
        assert_true(sl_pcap_write(w, ts, frame, wire[i], wire[i], &err));
    }
    assert_true(sl_pcap_close(w, &err));
    size_t n;
    uint8_t *b = read_all(path, &n);
    assert_int_equal(word(b), 0xa1b23c4d);
    assert_int_equal(word(b + 16), 100);
    assert_int_equal(word(b + 20), 1);
    assert_int_equal(records(b, n), N);
    const uint8_t *r = b + 24;
    for (uint32_t i = 0; i < N; i++) {
        uint32_t kept = wire[i] < 100 ? wire[i] : 100;
        assert_int_equal(word(r), 1700000000);
        assert_int_equal(word(r + 4), 123456789 + i);
        assert_int_equal(word(r + 8), kept);
        assert_int_equal(word(r + 12), wire[i]);
        assert_int_equal(r[16], i & 255);
        assert_int_equal(r[16 + kept - 1], i & 255);
        r += 16 + kept;
    }
    free(b);
    unlink(path);
}

static void a_full_disk_is_named(void **state)
{
    (void)state;
    struct sl_error err = {0};
    assert_null(sl_pcap_create("/dev/full", 0, &err));
    assert_non_null(strstr(err.msg, "No space left"));
    assert_non_null(strstr(err.msg, "/dev/full"));
    assert_non_null(strstr(err.hint, "disk space"));
}

static void a_write_that_fails_leaves_whole_records(void **state)
{
    (void)state;
    char path[] = "/tmp/sl-pcap-XXXXXX";
    close(mkstemp(path));
    struct sl_error err = {0};
    struct rlimit old, small = {700000, RLIM_INFINITY}; // between two flushes of 256 KiB
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct sl_pcap_writer *w = sl_pcap_create(path, 0, &err);
    assert_non_null(w);
    uint8_t frame[1000] = {0};
    bool ok = true;
    for (int i = 0; i < 2000 && ok; i++)
        ok = sl_pcap_write(w, i, frame, sizeof frame, sizeof frame, &err);
    assert_false(ok);
    assert_true(sl_pcap_close(w, &err));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    size_t n;
    uint8_t *b = read_all(path, &n);
    assert_true(n < 700000 && records(b, n) > 0);
    free(b);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tcp_segment_gives_ports_flags_numbers_and_payload),
        cmocka_unit_test(padding_of_short_frames_is_not_payload),
        cmocka_unit_test(options_of_ip_and_tcp_are_stepped_over),
        cmocka_unit_test(vlan_tags_are_stepped_over),
        cmocka_unit_test(a_short_capture_keeps_the_true_lengths),
        cmocka_unit_test(later_fragments_have_addresses_but_no_ports),
        cmocka_unit_test(ipv6_extension_headers_are_walked),
        cmocka_unit_test(broken_headers_are_told_from_short_ones),
        cmocka_unit_test(no_cut_and_no_flipped_byte_makes_the_decoder_read_outside),
        cmocka_unit_test(addresses_are_read_strictly_and_written_plainly),
        cmocka_unit_test(what_is_written_to_a_capture_is_what_is_in_it),
        cmocka_unit_test(a_full_disk_is_named),
        cmocka_unit_test(a_write_that_fails_leaves_whole_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
