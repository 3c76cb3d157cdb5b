// SPDX-License-Identifier: Apache-2.0
#include "../support/frames.h"
#include "net/fragments.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants the headers above first.
#include <cmocka.h>

#define SECOND INT64_C(1000000000)

// A UDP fragment, decoded. Offset in bytes; the first one has the ports 5353 -> port.
static struct sl_packet fragment4(uint16_t id, uint16_t offset, uint16_t port, int64_t ts_ns)
{
    struct frame f = {0};
    struct sl_packet p;
    ethernet(&f, 0x0800), ipv4(&f, 1, 17, 24);
    f.b[18] = (uint8_t)(id >> 8), f.b[19] = (uint8_t)id;
    f.b[20] = (uint8_t)(0x20 | offset >> 11), f.b[21] = (uint8_t)(offset >> 3);
    udp(&f, 5353, port, 16), zeros(&f, 16);
    enum sl_packet_kind kind = sl_packet_decode(NULL, f.b, f.n, f.n, ts_ns, &p);
    assert_int_equal(kind, offset ? SL_PACKET_FRAGMENT : SL_PACKET_OK);
    p.payload = NULL;
    return p;
}

static void later_fragments_get_the_ports_of_their_first(void **state)
{
    (void)state;
    struct sl_fragments *f = sl_fragments_new(NULL);
    struct sl_fragments_counts n;
    struct sl_packet first = fragment4(7, 0, 80, 0), other = fragment4(8, 0, 81, 0),
                     later = fragment4(7, 1480, 0, SECOND), last = fragment4(8, 2960, 0, SECOND);
    assert_true(sl_fragments_resolve(f, &first));
    assert_true(sl_fragments_resolve(f, &other));
    assert_int_equal(first.payload_bytes, 16);
    assert_true(sl_fragments_resolve(f, &later));
    assert_int_equal(later.tuple.sport, 5353);
    assert_int_equal(later.tuple.dport, 80);
    assert_int_equal(later.payload_bytes, 24); // all of it
    assert_true(sl_fragments_resolve(f, &last));
    assert_int_equal(last.tuple.dport, 81);
    sl_fragments_counts(f, &n);
    assert_true(n.first == 2 && n.resolved == 2 && n.unresolved == 0 && n.replaced == 0);
    sl_fragments_free(f);
}

static void a_later_fragment_without_a_first_stays_as_it_is(void **state)
{
    (void)state;
    struct sl_fragments *f = sl_fragments_new(NULL);
    struct sl_fragments_counts n;
    struct sl_packet first = fragment4(7, 0, 80, 0), p = fragment4(9, 1480, 0, 0);
    assert_true(sl_fragments_resolve(f, &first));
    assert_false(sl_fragments_resolve(f, &p)); // another identification
    assert_int_equal(p.tuple.dport, 0);
    p = fragment4(7, 1480, 0, 0), p.vlan = 5;
    assert_false(sl_fragments_resolve(f, &p)); // another network
    p = fragment4(7, 1480, 0, 0), p.tuple.proto = 6;
    assert_false(sl_fragments_resolve(f, &p)); // another protocol
    p = fragment4(7, 1480, 0, 0), p.tuple.src.b[3]++;
    assert_false(sl_fragments_resolve(f, &p)); // another sender
    sl_fragments_counts(f, &n);
    assert_int_equal(n.unresolved, 4);
    sl_fragments_free(f);
}

static void a_first_fragment_is_forgotten_after_its_time(void **state)
{
    (void)state;
    struct sl_fragments *f = sl_fragments_new(NULL);
    struct sl_packet first = fragment4(7, 0, 80, 0), p = fragment4(7, 1480, 0, 30 * SECOND);
    sl_fragments_resolve(f, &first);
    assert_true(sl_fragments_resolve(f, &p));
    p = fragment4(7, 1480, 0, 30 * SECOND + 1);
    assert_false(sl_fragments_resolve(f, &p));
    first = fragment4(7, 0, 90, 31 * SECOND); // the identification comes again
    p = fragment4(7, 1480, 0, 31 * SECOND);
    sl_fragments_resolve(f, &first);
    assert_true(sl_fragments_resolve(f, &p));
    assert_int_equal(p.tuple.dport, 90);
    sl_fragments_free(f);
}

static void the_oldest_makes_room_and_is_counted(void **state)
{
    (void)state;
    struct sl_fragments_options opt = {.max = 100};
    struct sl_fragments *f = sl_fragments_new(&opt);
    struct sl_fragments_counts n;
    for (uint16_t i = 0; i < 250; i++) {
        struct sl_packet p = fragment4(i, 0, 1000 + i, i);
        assert_true(sl_fragments_resolve(f, &p));
    }
    for (uint16_t i = 0; i < 250; i++) {
        struct sl_packet p = fragment4(i, 8, 0, 250);
        assert_int_equal(sl_fragments_resolve(f, &p), i >= 150);
        assert_int_equal(p.tuple.dport, i >= 150 ? 1000 + i : 0);
    }
    sl_fragments_counts(f, &n);
    assert_true(n.replaced == 150 && n.resolved == 100 && n.unresolved == 150);
    // Those that were too old anyway are not missed.
    struct sl_packet p = fragment4(999, 0, 1, 60 * SECOND);
    sl_fragments_resolve(f, &p);
    sl_fragments_counts(f, &n);
    assert_int_equal(n.replaced, 150);
    sl_fragments_free(f);
}

// Against a plain model: the last `max` first fragments, newest wins.
static void a_flood_of_few_identifications_finds_the_newest(void **state)
{
    (void)state;
    struct sl_fragments_options opt = {.max = 8};
    struct sl_fragments *f = sl_fragments_new(&opt);
    uint16_t ring[8] = {0}, port[8] = {0};
    uint32_t x = 12345, filled = 0;
    for (uint16_t i = 0; i < 5000; i++) {
        x = x * 1103515245 + 12345;
        uint16_t id = (uint16_t)(x >> 16 & 15);
        if (x >> 28 & 1) {
            struct sl_packet p = fragment4(id, 0, i, i);
            sl_fragments_resolve(f, &p);
            ring[filled % 8] = id, port[filled % 8] = i, filled++;
            continue;
        }
        struct sl_packet p = fragment4(id, 800, 0, i);
        bool known = false;
        uint16_t want = 0;
        for (uint32_t k = filled > 8 ? filled - 8 : 0; k < filled; k++)
            if (ring[k % 8] == id)
                known = true, want = port[k % 8];
        assert_int_equal(sl_fragments_resolve(f, &p), known);
        assert_int_equal(p.tuple.dport, want);
    }
    sl_fragments_free(f);
}

static void in_ipv6_the_first_fragment_names_the_protocol(void **state)
{
    (void)state;
    struct sl_fragments *m = sl_fragments_new(NULL);
    struct frame f = {0};
    struct sl_packet p;
    // destination options of 8 bytes and UDP in the first; the later one's header names options
    // (60)
    ethernet(&f, 0x86dd), ipv6(&f, 1, 44, 8 + 8 + 8 + 8);
    u8(&f, 60), u8(&f, 0), u16(&f, 1), u32(&f, 0xabcd1234);
    u8(&f, 17), zeros(&f, 7), udp(&f, 11, 22, 900), zeros(&f, 8);
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    assert_true(sl_fragments_resolve(m, &p));
    f.n = 0, ethernet(&f, 0x86dd), ipv6(&f, 1, 44, 8 + 32);
    u8(&f, 60), u8(&f, 0), u16(&f, 24), u32(&f, 0xabcd1234), zeros(&f, 32);
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_FRAGMENT);
    assert_int_equal(p.tuple.proto, 60);
    assert_true(sl_fragments_resolve(m, &p));
    assert_int_equal(p.tuple.proto, 17);
    assert_int_equal(p.tuple.dport, 22);
    assert_int_equal(p.payload_bytes, 32);
    sl_fragments_free(m);
}

static void pings_keep_type_and_identifier(void **state)
{
    (void)state;
    struct sl_fragments *m = sl_fragments_new(NULL);
    struct frame f = {0};
    struct sl_packet p;
    ethernet(&f, 0x0800), ipv4(&f, 1, 1, 16), u32(&f, 0x08000000), u32(&f, 0x00770001);
    zeros(&f, 8);
    f.b[20] = 0x20;
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    sl_fragments_resolve(m, &p);
    f.b[20] = 0, f.b[21] = 2;
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_FRAGMENT);
    assert_true(sl_fragments_resolve(m, &p));
    assert_int_equal(p.icmp_type, 8);
    assert_true(p.tuple.sport == 0x77 && p.tuple.dport == 0x77);
    sl_fragments_free(m);
    sl_fragments_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_fragments_get_the_ports_of_their_first),
        cmocka_unit_test(a_later_fragment_without_a_first_stays_as_it_is),
        cmocka_unit_test(a_first_fragment_is_forgotten_after_its_time),
        cmocka_unit_test(the_oldest_makes_room_and_is_counted),
        cmocka_unit_test(a_flood_of_few_identifications_finds_the_newest),
        cmocka_unit_test(in_ipv6_the_first_fragment_names_the_protocol),
        cmocka_unit_test(pings_keep_type_and_identifier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
