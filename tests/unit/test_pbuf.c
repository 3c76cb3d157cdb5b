// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "base/rng.h"
#include "link/join.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { FIN = 1, PSH = 8, ACK = 16, CWR = 128, MSS = 1000 };
#define SEQ 4000000000u

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)(p[0] << 8 | p[1]);
}
static uint32_t get32(const uint8_t *p)
{
    return get16(p) << 16 | get16(p + 2);
}

// RFC 1071, section 1, one 16-bit word after the other.
static uint32_t plain_sum(const uint8_t *p, size_t n, uint32_t sum)
{
    for (size_t i = 0; i < n; i++)
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static uint32_t pseudo(const uint8_t *p, uint32_t l4_bytes, uint8_t proto)
{
    bool v6 = p[0] >> 4 == 6;
    return plain_sum(p + (v6 ? 8 : 12), v6 ? 32 : 8, l4_bytes + proto);
}

static void checksums_are_right(struct sl_pbuf *b, bool tcp)
{
    const uint8_t *p = sl_pbuf_packet(b);
    uint32_t ip = p[0] >> 4 == 4 ? 20 : 40;
    if (ip == 20)
        assert_int_equal(plain_sum(p, 20, 0), 0xffff);
    assert_false(b->needs_csum);
    assert_int_equal(plain_sum(p + ip, b->bytes - ip, pseudo(p, b->bytes - ip, tcp ? 6 : 17)),
                     0xffff);
}

// What a kernel hands over: a super-packet of `payload` bytes, its checksum open.
static struct sl_pbuf *super(struct sl_pbuf_pool *pool, bool v6, bool tcp, uint32_t payload,
                             uint8_t flags)
{
    uint32_t ip = v6 ? 40 : 20, l4 = tcp ? 32 : 8, n = ip + l4 + payload;
    struct sl_pbuf *b = sl_pbuf_new(pool, n);
    uint8_t *p = b->data, *v = b->data - SL_VNET_BYTES;
    assert_non_null(b);
    memset(v, 0, SL_VNET_BYTES + n);
    p[0] = v6 ? 0x60 : 0x45;
    if (v6) {
        p[1] = 0x20; // ECT(0)
        put16(p + 4, l4 + payload);
        p[6] = tcp ? 6 : 17;
        p[7] = 64;
        for (int i = 8; i < 40; i++)
            p[i] = (uint8_t)(i * 7);
    } else {
        p[1] = 2; // ECT(0)
        put16(p + 2, n);
        put16(p + 4, 0xfffe); // identification wraps
        p[8] = 64;
        p[9] = tcp ? 6 : 17;
        memcpy(p + 12, (uint8_t[]){10, 0, 0, 1, 192, 168, 3, 4}, 8);
        put16(p + 10, ~plain_sum(p, 20, 0));
    }
    put16(p + ip, 40000);
    put16(p + ip + 2, 443);
    if (tcp) {
        put16(p + ip + 4, SEQ >> 16);
        put16(p + ip + 6, SEQ & 0xffff);
        p[ip + 12] = 8 << 4;
        p[ip + 13] = flags;
        memcpy(p + ip + 20, (uint8_t[]){1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 7}, 12);
    } else {
        put16(p + ip + 4, l4 + payload);
    }
    for (uint32_t i = 0; i < payload; i++)
        p[ip + l4 + i] = (uint8_t)(i * 31 + i / 256);
    put16(p + ip + (tcp ? 16 : 6), pseudo(p, l4 + payload, tcp ? 6 : 17));
    v[0] = 1; // VIRTIO_NET_HDR_F_NEEDS_CSUM
    v[1] = tcp ? (v6 ? 4 : 1) : 5;
    v[4] = MSS & 0xff; // little-endian
    v[5] = MSS >> 8;
    v[6] = (uint8_t)ip;
    v[8] = tcp ? 16 : 6;
    assert_true(sl_pbuf_take(b, SL_VNET_BYTES + n, 0));
    return b;
}

static struct sl_pbuf_pool *a_pool(void)
{
    struct sl_error err = {0};
    struct sl_pbuf_pool *p = sl_pbuf_pool_new(16 << 20, &err);
    assert_non_null(p);
    return p;
}

// 3 * 1000 + 500 bytes: four packets. RFC 9293 and RFC 3168 section 6.1.2 for the flags.
static void a_super_packet_is_cut_as_a_wire_would_carry_it(void **state)
{
    (void)state;
    struct sl_pbuf_pool *pool = a_pool();
    for (int kind = 0; kind < 4; kind++) {
        bool v6 = kind & 1, tcp = kind < 2;
        struct sl_pbuf *b = super(pool, v6, tcp, 3500, FIN | PSH | ACK | CWR);
        struct sl_pbuf_headers h = sl_pbuf_headers(b);
        uint32_t ip = v6 ? 40 : 20, l4 = tcp ? 32 : 8;
        assert_int_equal(b->segments, 4);
        assert_int_equal(h.payload, ip + l4);
        for (uint32_t i = 0; i < 4; i++) {
            uint32_t len = i < 3 ? MSS : 500;
            assert_int_equal(sl_pbuf_segment_bytes(b, &h, i), ip + l4 + len);
            struct sl_pbuf *s = sl_pbuf_cut(pool, b, &h, i, 1);
            const uint8_t *p = sl_pbuf_packet(s), *q = sl_pbuf_packet(b);
            assert_int_equal(s->bytes, ip + l4 + len);
            assert_int_equal(s->gso_size, 0);
            assert_int_equal(get16(p + (v6 ? 4 : 2)), v6 ? l4 + len : ip + l4 + len);
            if (!v6)
                assert_int_equal(get16(p + 4), (0xfffe + i) & 0xffff);
            if (tcp) {
                assert_int_equal(get32(p + ip + 4), (uint32_t)(SEQ + i * MSS));
                assert_int_equal(p[ip + 13], ACK | (i == 0 ? CWR : 0) | (i == 3 ? FIN | PSH : 0));
                assert_memory_equal(p + ip + 20, q + ip + 20, 12);
            } else {
                assert_int_equal(get16(p + ip + 4), 8 + len);
            }
            assert_int_equal(p[1], q[1]); // ECN
            assert_memory_equal(p + ip + l4, q + ip + l4 + i * MSS, len);
            checksums_are_right(s, tcp);
            sl_pbuf_free(pool, s);
        }
        sl_pbuf_free(pool, b);
    }
    assert_int_equal(sl_pbuf_pool_used(pool), 0);
    sl_pbuf_pool_free(pool);
}

static void a_run_stays_a_super_packet_with_the_pseudo_headers_sum(void **state)
{
    (void)state;
    struct sl_pbuf_pool *pool = a_pool();
    struct sl_pbuf *b = super(pool, false, true, 3500, ACK);
    struct sl_pbuf_headers h = sl_pbuf_headers(b);
    struct sl_pbuf *run = sl_pbuf_cut(pool, b, &h, 1, 3);
    const uint8_t *p = sl_pbuf_packet(run);
    assert_int_equal(run->segments, 3);
    assert_int_equal(run->gso_size, MSS);
    assert_int_equal(run->bytes, 52 + 2500);
    assert_int_equal(get32(p + 24), (uint32_t)(SEQ + MSS));
    assert_int_equal(get16(p + 36), pseudo(p, 32 + 2500, 6));
    uint32_t n;
    const uint8_t *v = sl_pbuf_give(run, &n);
    assert_int_equal(n, 10 + 2552);
    assert_int_equal(v[0], 1);
    assert_int_equal(v[1], 1);
    assert_int_equal(v[2] | v[3] << 8, 52);
    assert_int_equal(v[4] | v[5] << 8, MSS);
    assert_int_equal(v[6] | v[7] << 8, 20);
    assert_int_equal(v[8] | v[9] << 8, 16);
    sl_pbuf_pool_free(pool);
}

static void an_open_checksum_is_completed(void **state)
{
    (void)state;
    struct sl_pbuf_pool *pool = a_pool();
    for (int kind = 0; kind < 4; kind++) {
        struct sl_pbuf *b = super(pool, kind & 1, kind < 2, 333, ACK);
        assert_int_equal(b->gso_size, 0); // one packet
        sl_pbuf_complete(b);
        checksums_are_right(b, kind < 2);
    }
    sl_pbuf_pool_free(pool);
}

static void a_mark_keeps_the_header_checksum(void **state)
{
    (void)state;
    struct sl_pbuf_pool *pool = a_pool();
    struct sl_rng rng = sl_rng_stream(3, "test.mark", 0);
    for (int i = 0; i < 2000; i++) {
        struct sl_pbuf *b = super(pool, false, true, 100, ACK);
        uint8_t *p = sl_pbuf_packet(b);
        p[1] = (uint8_t)sl_rng_u64(&rng);
        put16(p + 4, (uint32_t)sl_rng_below(&rng, 65536));
        put16(p + 10, 0);
        put16(p + 10, ~plain_sum(p, 20, 0));
        bool capable = p[1] & 3;
        assert_int_equal(sl_pbuf_mark(b), capable);
        if (capable)
            assert_int_equal(p[1] & 3, 3);
        assert_int_equal(plain_sum(p, 20, 0), 0xffff);
        sl_pbuf_free(pool, b);
    }
    sl_pbuf_pool_free(pool);
}

static void a_flip_changes_one_bit_behind_the_ip_header(void **state)
{
    (void)state;
    struct sl_pbuf_pool *pool = a_pool();
    for (uint64_t r = 0; r < 4000; r += 7) {
        struct sl_pbuf *b = super(pool, false, true, 100, ACK), *c;
        sl_pbuf_complete(b);
        c = sl_pbuf_copy(pool, b);
        sl_pbuf_flip(b, r);
        int bits = 0;
        for (uint32_t i = 0; i < b->bytes; i++) {
            int x = __builtin_popcount(b->data[i] ^ c->data[i]);
            assert_true(!x || i >= 20);
            bits += x;
        }
        assert_int_equal(bits, 1);
        sl_pbuf_free(pool, b);
        sl_pbuf_free(pool, c);
    }
    sl_pbuf_pool_free(pool);
}

static void headers_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct sl_pbuf_pool *pool = a_pool();
    struct sl_pbuf *b = super(pool, false, true, 3500, ACK);
    uint32_t n;
    uint8_t *v = (uint8_t *)(uintptr_t)sl_pbuf_give(b, &n), good[10];
    memcpy(good, v, 10);
    assert_false(sl_pbuf_take(b, 10, 0));
    v[6] = v[7] = 0xff; // the checksum would start behind the end
    assert_false(sl_pbuf_take(b, n, 0));
    memcpy(v, good, 10);
    v[4] = v[5] = 0; // segments of nothing
    assert_false(sl_pbuf_take(b, n, 0));
    memcpy(v, good, 10);
    v[1] = 5; // UDP segments, and it is TCP
    assert_false(sl_pbuf_take(b, n, 0));
    memcpy(v, good, 10);
    b->data[32] = 0x10; // a TCP header of 4 bytes
    assert_false(sl_pbuf_take(b, n, 0));
    sl_pbuf_pool_free(pool);
}

static void a_pool_gives_no_more_than_its_limit(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_pbuf_pool *pool = sl_pbuf_pool_new(4 << 20, &err);
    uint32_t n = 0;
    struct sl_pbuf *last = NULL, *b;
    while ((b = sl_pbuf_new(pool, 1500))) {
        b->next = last;
        last = b;
        n++;
    }
    assert_true(n <= (4 << 20) / 1500 && n > 1500); // 2,048 bytes each
    while (last) {
        b = last->next;
        sl_pbuf_free(pool, last);
        last = b;
    }
    assert_int_equal(sl_pbuf_pool_used(pool), 0);
    assert_non_null(sl_pbuf_new(pool, 1500));
    assert_null(sl_pbuf_new(pool, 70000));
    sl_pbuf_pool_free(pool);
}

// Cut and joined again, a super-packet is what it was.
static void joining_undoes_cutting(void **state)
{
    (void)state;
    struct sl_pbuf_pool *pool = a_pool();
    for (int v6 = 0; v6 < 2; v6++) {
        struct sl_pbuf *b = super(pool, v6, true, 44 * MSS + 77, PSH | ACK);
        struct sl_pbuf_headers h = sl_pbuf_headers(b);
        struct sl_join j = {0};
        for (uint32_t i = 0; i < b->segments; i++)
            assert_true(sl_join_add(&j, pool, sl_pbuf_cut(pool, b, &h, i, 1)));
        struct sl_pbuf *extra = super(pool, v6, true, 900, ACK);
        assert_false(sl_join_add(&j, pool, extra)); // it was pushed: closed
        struct sl_pbuf *again = sl_join_take(&j);
        assert_int_equal(again->segments, 45);
        assert_int_equal(again->bytes, b->bytes);
        assert_int_equal(again->gso_size, MSS);
        assert_memory_equal(again->data, b->data, b->bytes);
        assert_null(sl_join_take(&j));
    }
    sl_pbuf_pool_free(pool);
}

static void what_differs_is_not_joined(void **state)
{
    (void)state;
    struct sl_pbuf_pool *pool = a_pool();
    struct sl_pbuf *b = super(pool, false, true, 3000, ACK);
    struct sl_pbuf_headers h = sl_pbuf_headers(b);
    // TTL, ECN, acknowledgement, window, urgent pointer, an option, the port, the sequence number
    static const int bytes[] = {8, 1, 31, 35, 39, 51, 21, 27};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        struct sl_join j = {0};
        struct sl_pbuf *second = sl_pbuf_cut(pool, b, &h, 1, 1);
        assert_true(sl_join_add(&j, pool, sl_pbuf_cut(pool, b, &h, 0, 1)));
        second->data[bytes[i]] ^= 1;
        assert_false(sl_join_add(&j, pool, second));
    }
    struct sl_join j = {0};
    struct sl_pbuf *wrong = sl_pbuf_cut(pool, b, &h, 1, 1);
    assert_true(sl_join_add(&j, pool, sl_pbuf_cut(pool, b, &h, 0, 1)));
    assert_false(sl_join_add(&j, pool, sl_pbuf_cut(pool, b, &h, 2, 1))); // one is missing
    sl_pbuf_flip(wrong, 12345);
    assert_false(sl_join_add(&j, pool, wrong));
    sl_pbuf_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_super_packet_is_cut_as_a_wire_would_carry_it),
        cmocka_unit_test(a_run_stays_a_super_packet_with_the_pseudo_headers_sum),
        cmocka_unit_test(an_open_checksum_is_completed),
        cmocka_unit_test(a_mark_keeps_the_header_checksum),
        cmocka_unit_test(a_flip_changes_one_bit_behind_the_ip_header),
        cmocka_unit_test(headers_that_cannot_be_are_refused),
        cmocka_unit_test(a_pool_gives_no_more_than_its_limit),
        cmocka_unit_test(joining_undoes_cutting),
        cmocka_unit_test(what_differs_is_not_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
