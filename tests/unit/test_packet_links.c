// SPDX-License-Identifier: Apache-2.0
// Link layers, by frames written from their specifications; the numbers are in the builder
// (tests/support/frames.h) or counted by hand.
#include "../support/frames.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants the headers above first.
#include <cmocka.h>

// The segment of frames.h, decoded from behind a link header of `link` bytes.
static void expect_segment(const struct frame *f, uint16_t linktype, unsigned link, uint8_t family)
{
    struct sl_packet p;
    char buf[46];
    assert_int_equal(decode_whole(f, linktype, &p), SL_PACKET_OK);
    assert_int_equal(p.tuple.src.family, family);
    assert_string_equal(sl_addr_text(&p.tuple.src, buf),
                        family == 4 ? "10.0.1.1" : "2001:db8::1:1");
    assert_int_equal(p.tuple.sport, 1234);
    assert_int_equal(p.tuple.dport, 443);
    assert_int_equal(p.tuple.proto, 6);
    assert_int_equal(p.wire_bytes, f->n);
    assert_int_equal(p.ip_bytes, family == 4 ? 45 : 65);
    assert_int_equal(p.ip_header_bytes, family == 4 ? 20 : 40);
    assert_int_equal(p.l4_header_bytes, 20);
    assert_int_equal(p.payload_bytes, 5);
    assert_ptr_equal(p.payload, f->b + link + p.ip_header_bytes + 20);
    assert_int_equal(p.ttl, 61);
    assert_int_equal(p.tos, 0xb8);
    assert_int_equal(p.layers, 1);
}

// Every capture that ends inside a header that is needed is cut short; from there on all is known.
static void expect_cuts(const struct frame *f, uint16_t linktype, unsigned needed)
{
    struct sl_decode_options how = {.linktype = linktype};
    struct sl_packet p;
    for (unsigned n = 0; n <= f->n; n++) {
        enum sl_packet_kind kind = decode_cut(f, n, f->n, &how, &p);
        assert_int_equal(kind, n < needed ? SL_PACKET_CUT_SHORT : SL_PACKET_OK);
        if (n >= needed) {
            assert_int_equal(p.payload_bytes, 5);
            assert_int_equal(p.payload_captured, n - (f->n - 5) <= 5 ? n - (f->n - 5) : 0);
        }
        // The frame itself ends here: there is a packet when its headers fit, with what is there.
        kind = decode_cut(f, n, n, &how, &p);
        if (n >= needed) {
            assert_int_equal(kind, SL_PACKET_OK);
            assert_int_equal(p.payload_bytes, n - (f->n - 5));
            assert_int_equal(p.length_cut, n < f->n);
        } else {
            assert_true(kind == SL_PACKET_BAD_HEADER || kind == SL_PACKET_CUT_SHORT);
        }
    }
}

static void both_families(const struct frame *head4, const struct frame *head6, uint16_t linktype)
{
    struct frame f = *head4, inside = segment4(1);
    put(&f, &inside);
    expect_segment(&f, linktype, head4->n, 4);
    expect_cuts(&f, linktype, f.n - 5);
    f = *head6, inside = segment6(1);
    put(&f, &inside);
    expect_segment(&f, linktype, head6->n, 6);
    expect_cuts(&f, linktype, f.n - 5);
}

static void ethernet_and_raw_ip_carry_both_families(void **state)
{
    (void)state;
    struct frame four = {0}, six = {0}, none = {0};
    ethernet(&four, 0x0800), ethernet(&six, 0x86dd);
    both_families(&four, &six, 1);
    both_families(&none, &none, 101);
    both_families(&none, &none, 12);
    both_families(&none, &none, 14);
    struct frame s4 = segment4(1), s6 = segment6(1);
    struct sl_packet p;
    expect_segment(&s4, 228, 0, 4);
    expect_cuts(&s4, 228, 40);
    expect_segment(&s6, 229, 0, 6);
    expect_cuts(&s6, 229, 60);
    assert_int_equal(decode_whole(&s6, 228, &p), SL_PACKET_BAD_HEADER);
    assert_int_equal(decode_whole(&s4, 101, &p), SL_PACKET_OK);
    assert_int_equal(p.ethertype, 0x0800);
    s4.b[0] = 0x55; // version 5
    assert_int_equal(decode_whole(&s4, 101, &p), SL_PACKET_BAD_HEADER);
}

static void loopback_has_the_family_in_either_byte_order(void **state)
{
    (void)state;
    static const unsigned six[] = {24, 28, 30, 10}; // NetBSD, FreeBSD, macOS, Linux
    for (int i = 0; i < 4; i++) {
        struct frame little4 = {0}, little6 = {0}, big4 = {0}, big6 = {0};
        u32(&little4, 0x02000000), u32(&little6, six[i] << 24);
        u32(&big4, 2), u32(&big6, six[i]);
        both_families(&little4, &little6, 0);
        both_families(&big4, &big6, 0);
        both_families(&big4, &big6, 108);
    }
    struct frame f = {0}, inside = segment4(1);
    struct sl_packet p;
    u32(&f, 7), put(&f, &inside);
    assert_int_equal(decode_whole(&f, 0, &p), SL_PACKET_NOT_IP);
}

static void cooked_captures_have_their_type_last_and_first(void **state)
{
    (void)state;
    struct frame four = {0}, six = {0};
    u16(&four, 0), u16(&four, 1), u16(&four, 6), zeros(&four, 8), u16(&four, 0x0800);
    u16(&six, 4), u16(&six, 772), u16(&six, 6), zeros(&six, 8), u16(&six, 0x86dd);
    both_families(&four, &six, 113);
    struct frame four2 = {0}, six2 = {0};
    u16(&four2, 0x0800), u16(&four2, 0), u32(&four2, 3), u16(&four2, 1), u8(&four2, 0);
    u8(&four2, 6), zeros(&four2, 8);
    u16(&six2, 0x86dd), u16(&six2, 0), u32(&six2, 3), u16(&six2, 1), u8(&six2, 4);
    u8(&six2, 6), zeros(&six2, 8);
    assert_int_equal(four2.n, 20);
    both_families(&four2, &six2, 276);
    // A VLAN tag of the kernel, a netlink message (hardware type 824), and 802.2.
    struct sl_packet p;
    struct frame inside = segment4(1), f = {0};
    zeros(&f, 14), u16(&f, 0x8100), u16(&f, 0x6007), u16(&f, 0x0800), put(&f, &inside);
    expect_segment(&f, 113, 20, 4);
    assert_int_equal(decode_whole(&f, 113, &p), SL_PACKET_OK);
    assert_int_equal(p.vlan, 7);
    f.b[2] = 824 >> 8, f.b[3] = 824 & 255;
    assert_int_equal(decode_whole(&f, 113, &p), SL_PACKET_NOT_IP);
    f.n = 0, zeros(&f, 14), u16(&f, 4), u32(&f, 0xaaaa0300), u32(&f, 0x00000800), put(&f, &inside);
    expect_segment(&f, 113, 24, 4);
}

static void serial_lines_carry_ppp_or_cisco_hdlc(void **state)
{
    (void)state;
    struct frame four = {0}, six = {0};
    u32(&four, 0xff030021), u32(&six, 0xff030057);
    both_families(&four, &six, 9);
    both_families(&four, &six, 50);
    struct frame short4 = {0}, short6 = {0}; // both fields compressed
    u8(&short4, 0x21), u8(&short6, 0x57);
    both_families(&short4, &short6, 9);
    struct frame cisco4 = {0}, cisco6 = {0};
    u32(&cisco4, 0x0f000800), u32(&cisco6, 0x8f0086dd);
    both_families(&cisco4, &cisco6, 104);
    both_families(&cisco4, &cisco6, 50);
    both_families(&cisco4, &cisco6, 9);
    struct frame lcp = {0};
    struct sl_packet p;
    u32(&lcp, 0xff03c021), u32(&lcp, 0x01010004);
    assert_int_equal(decode_whole(&lcp, 9, &p), SL_PACKET_NOT_IP);
    struct frame pppoe4 = {0}, pppoe6 = {0};
    u16(&pppoe4, 0x1100), u16(&pppoe4, 9), u16(&pppoe4, 47), u16(&pppoe4, 0x21);
    u16(&pppoe6, 0x1100), u16(&pppoe6, 9), u16(&pppoe6, 67), u16(&pppoe6, 0x57);
    both_families(&pppoe4, &pppoe6, 51);
}

static void vlan_tags_of_any_depth_are_read(void **state)
{
    (void)state;
    struct frame f = {0}, inside = segment4(1);
    struct sl_packet p;
    ethernet(&f, 0x88a8), u16(&f, 0x6000 | 100), u16(&f, 0x9100), u16(&f, 200);
    u16(&f, 0x8100), u16(&f, 300), u16(&f, 0x8100), u16(&f, 400), u16(&f, 0x0800);
    put(&f, &inside);
    expect_segment(&f, 1, 30, 4);
    expect_cuts(&f, 1, f.n - 5);
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    assert_int_equal(p.vlan, 100); // without its priority
    assert_int_equal(p.vlan_inner, 200);
    assert_int_equal(p.ethertype, 0x0800);
    // A priority tag (identifier 0) is no VLAN.
    f.b[14] = 0x60, f.b[15] = 0;
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    assert_int_equal(p.vlan, 200);
    assert_int_equal(p.vlan_inner, 300);
}

static void ieee_802_3_frames_carry_ip_in_snap_only(void **state)
{
    (void)state;
    struct frame f = {0}, inside = segment4(1);
    struct sl_packet p;
    ethernet(&f, 8 + 45), u32(&f, 0xaaaa0300), u32(&f, 0x00000800), put(&f, &inside);
    expect_segment(&f, 1, 22, 4);
    expect_cuts(&f, 1, f.n - 5);
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    assert_int_equal(p.ethertype, 0x0800);
    f.b[19] = 0x0c; // the numbers of Cisco
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_NOT_IP);
    f.n = 0, ethernet(&f, 38), u32(&f, 0x42420300), zeros(&f, 42); // spanning tree
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_NOT_IP);
    assert_int_equal(p.ethertype, 0);
    f.n = 0, ethernet(&f, 0x0806), zeros(&f, 46);
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_NOT_IP);
    assert_int_equal(p.ethertype, 0x0806);
}

static void wireless_data_frames_in_the_clear_are_read(void **state)
{
    (void)state;
    struct frame inside = segment4(1), f = {0};
    struct sl_packet p;
    u16(&f, 0x0801), zeros(&f, 22), u32(&f, 0xaaaa0300), u32(&f, 0x00000800), put(&f, &inside);
    expect_segment(&f, 105, 32, 4);
    expect_cuts(&f, 105, f.n - 5);
    f.b[1] |= 0x40; // protected
    assert_int_equal(decode_whole(&f, 105, &p), SL_PACKET_NOT_IP);
    f.n = 0; // quality of service, four addresses: 24 + 6 + 2
    u16(&f, 0x8803), zeros(&f, 30), u32(&f, 0xaaaa0300), u32(&f, 0x00000800), put(&f, &inside);
    expect_segment(&f, 105, 40, 4);
    f.n = 0; // acknowledgement, 10 bytes; beacon
    u16(&f, 0xd400), zeros(&f, 8);
    assert_int_equal(decode_whole(&f, 105, &p), SL_PACKET_NOT_IP);
    f.b[0] = 0x80, zeros(&f, 40);
    assert_int_equal(decode_whole(&f, 105, &p), SL_PACKET_NOT_IP);
    // radiotap with two words of presence, time, flags (padded): 4 + 8 + 4 of padding + 8 + 1;
    // then 26 bytes of 802.11 in 28.
    f.n = 0, u32(&f, 0x00001900), u32(&f, 0x03000080), u32(&f, 0), zeros(&f, 4);
    zeros(&f, 8), u8(&f, 0x20);
    u16(&f, 0x8801), zeros(&f, 26), u32(&f, 0xaaaa0300), u32(&f, 0x00000800), put(&f, &inside);
    expect_segment(&f, 127, 25 + 28 + 8, 4);
    expect_cuts(&f, 127, f.n - 5);
}

static void pppoe_sessions_are_stepped_over_and_discovery_is_not_ip(void **state)
{
    (void)state;
    struct frame inside = segment4(1), f = {0};
    struct sl_packet p;
    ethernet(&f, 0x8864), u16(&f, 0x1100), u16(&f, 77), u16(&f, 47), u16(&f, 0x0021);
    put(&f, &inside), zeros(&f, 3);
    expect_segment(&f, 1, 22, 4);
    f.n -= 3;
    expect_cuts(&f, 1, f.n - 5);
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    assert_int_equal(p.tunnels, SL_TUNNEL_PPP);
    assert_int_equal(p.ethertype, 0x8864);
    f.b[15] = 9;
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_NOT_IP);
    f.b[15] = 0, f.b[14] = 0x21;
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_BAD_HEADER);
    f.b[14] = 0x11, f.b[19] = 46; // one byte less than the packet says
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    assert_true(p.length_cut);
    assert_int_equal(p.payload_bytes, 4);
}

static void mpls_labels_lead_to_ip_or_to_ethernet(void **state)
{
    (void)state;
    struct frame four = {0}, six = {0}, inside = segment4(1);
    struct sl_packet p;
    ethernet(&four, 0x8847), u32(&four, 0x00064040), u32(&four, 0x00065140);
    ethernet(&six, 0x8848), u32(&six, 0x00000140); // bottom of stack: bit 8
    both_families(&four, &six, 1);
    // An Ethernet pseudowire, with and without a control word.
    for (int with = 0; with < 2; with++) {
        struct frame f = {0};
        ethernet(&f, 0x8847), u32(&f, 0x00064140);
        if (with)
            u32(&f, 0x00000005);
        ethernet(&f, 0x8100), u16(&f, 12), u16(&f, 0x0800), put(&f, &inside);
        expect_segment(&f, 1, f.n - 45, 4);
        assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
        assert_int_equal(p.tunnels, SL_TUNNEL_MPLS);
        assert_int_equal(p.ethertype, 0x8847);
        assert_int_equal(p.vlan, 12);
        expect_cuts(&f, 1, f.n - 5);
    }
}

static void transports_give_ports_and_header_lengths(void **state)
{
    (void)state;
    struct {
        uint8_t proto, header;
        uint16_t sport, dport;
        uint32_t word[2];
    } const cases[] = {
        {17, 8, 0x1111, 0x2222, {0x11112222, 0x00120000}},
        {136, 8, 0x1111, 0x2222, {0x11112222, 0x00080000}},  // UDP-Lite
        {132, 12, 0x1111, 0x2222, {0x11112222, 0xdeadbeef}}, // SCTP
        {33, 12, 0x1111, 0x2222, {0x11112222, 0x03000000}},  // DCCP, short numbers
        {1, 8, 0xbeef, 0xbeef, {0x08000000, 0xbeef0001}},    // echo
        {1, 8, 0xbeef, 0xbeef, {0x00000000, 0xbeef0001}},    // its reply
        {1, 8, 0, 0, {0x03010000, 0x00000000}},              // host unreachable
        {58, 8, 0xbeef, 0xbeef, {0x80000000, 0xbeef0001}},   // ICMPv6 echo
        {58, 8, 0, 0, {0x87000000, 0x00000000}},             // neighbour solicitation
        {50, 0, 0, 0, {0x11112222, 1}},                      // ESP
        {89, 0, 0, 0, {0x02010020, 1}},                      // OSPF
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct frame f = {0};
        struct sl_packet p;
        ethernet(&f, 0x86dd), ipv6(&f, 1, cases[i].proto, 18);
        u32(&f, cases[i].word[0]), u32(&f, cases[i].word[1]), zeros(&f, 10);
        assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
        assert_int_equal(p.tuple.proto, cases[i].proto);
        assert_int_equal(p.tuple.sport, cases[i].sport);
        assert_int_equal(p.tuple.dport, cases[i].dport);
        assert_int_equal(p.l4_header_bytes, cases[i].header);
        assert_int_equal(p.payload_bytes, 18 - cases[i].header);
        if (cases[i].proto == 1 || cases[i].proto == 58)
            assert_int_equal(p.icmp_type, cases[i].word[0] >> 24);
        if (p.icmp_type == 3)
            assert_int_equal(p.icmp_code, 1);
        struct sl_decode_options how = {.linktype = 1};
        for (unsigned n = 54; n < f.n; n++) {
            bool all = n >= 54u + cases[i].header;
            assert_int_equal(decode_cut(&f, n, f.n, &how, &p),
                             all ? SL_PACKET_OK : SL_PACKET_CUT_SHORT);
        }
    }
}

static void lengths_of_zero_mean_the_frame(void **state)
{
    (void)state;
    struct frame f = {0}, inside = segment4(1);
    struct sl_packet p;
    ethernet(&f, 0x0800), put(&f, &inside), zeros(&f, 900);
    f.b[16] = f.b[17] = 0; // total length: cut into segments by the card, later
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    assert_int_equal(p.ip_bytes, 945);
    assert_int_equal(p.payload_bytes, 905);
    f.n = 0; // IPv6 with nothing in it (next header 59), padded to 60 bytes
    ethernet(&f, 0x86dd), ipv6(&f, 1, 59, 0), zeros(&f, 6);
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    assert_int_equal(p.ip_bytes, 40);
    assert_int_equal(p.payload_bytes, 0);
}

static void fragments_say_where_they_belong(void **state)
{
    (void)state;
    struct frame f = {0};
    struct sl_packet p;
    ethernet(&f, 0x0800), ipv4(&f, 1, 17, 24), zeros(&f, 24);
    f.b[20] = 0x20, f.b[21] = 185; // more to come; 185 * 8 = 1480
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_FRAGMENT);
    assert_true(p.fragmented);
    assert_int_equal(p.fragment_offset, 1480);
    assert_int_equal(p.ip_id, 0x1234);
    assert_int_equal(p.payload_bytes, 24);
    assert_int_equal(p.l4_header_bytes, 0);
    f.b[21] = 0;
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    assert_true(p.fragmented && p.fragment_offset == 0);
    f.b[20] = 0x40; // don't fragment
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    assert_false(p.fragmented);
    // IPv6: an atomic one, a first one, a later one
    for (unsigned i = 0; i < 3; i++) {
        f.n = 0, ethernet(&f, 0x86dd), ipv6(&f, 1, 44, 8 + 16);
        u8(&f, 17), u8(&f, 0), u16(&f, i == 0 ? 0 : i == 1 ? 1 : 1448), u32(&f, 0xcafe0001);
        udp(&f, 5, 6, 8), zeros(&f, 8);
        assert_int_equal(decode_whole(&f, 1, &p), i == 2 ? SL_PACKET_FRAGMENT : SL_PACKET_OK);
        assert_int_equal(p.fragmented, i != 0);
        assert_int_equal(p.fragment_offset, i == 2 ? 1448 : 0);
        assert_int_equal(p.ip_id, 0xcafe0001);
        assert_int_equal(p.ip_header_bytes, 48);
        assert_int_equal(p.payload_bytes, i == 2 ? 16 : 8);
        assert_int_equal(p.tuple.sport, i == 2 ? 0 : 5);
    }
}

static void the_authentication_header_is_stepped_over_in_ipv4_too(void **state)
{
    (void)state;
    struct frame f = {0};
    struct sl_packet p;
    ethernet(&f, 0x0800), ipv4(&f, 1, 51, 24 + 20);
    u8(&f, 6), u8(&f, 4), zeros(&f, 22), tcp(&f, 7, 8, 2); // (4 + 2) * 4 = 24
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    assert_int_equal(p.tuple.proto, 6);
    assert_int_equal(p.tuple.dport, 8);
    assert_int_equal(p.ip_header_bytes, 44);
    f.b[35] = 0; // 8 bytes: too short for its own fields
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_BAD_HEADER);
}

static void link_types_and_kinds_have_names(void **state)
{
    (void)state;
    struct frame f = segment4(1);
    struct sl_packet p;
    static const uint16_t known[] = {0,   1,   9,   12,  14,  50,  51,  101,
                                     104, 105, 108, 113, 127, 228, 229, 276};
    size_t n = 0;
    for (unsigned t = 0; t < 65536; t++) {
        bool is = n < sizeof known / sizeof *known && known[n] == t;
        n += is;
        assert_int_equal(sl_linktype_known((uint16_t)t), is);
        assert_int_equal(sl_linktype_name((uint16_t)t) != NULL, is);
        if (!is)
            assert_int_equal(decode_whole(&f, (uint16_t)t, &p), SL_PACKET_BAD_LINK);
    }
    assert_string_equal(sl_linktype_name(1), "Ethernet");
    assert_string_equal(sl_packet_kind_name(SL_PACKET_NOT_IP), "not-ip");
    assert_string_equal(sl_packet_kind_name(SL_PACKET_CUT_SHORT), "cut-short");
    assert_string_equal(sl_packet_kind_name(SL_PACKET_BAD_LINK), "bad-link");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ethernet_and_raw_ip_carry_both_families),
        cmocka_unit_test(loopback_has_the_family_in_either_byte_order),
        cmocka_unit_test(cooked_captures_have_their_type_last_and_first),
        cmocka_unit_test(serial_lines_carry_ppp_or_cisco_hdlc),
        cmocka_unit_test(vlan_tags_of_any_depth_are_read),
        cmocka_unit_test(ieee_802_3_frames_carry_ip_in_snap_only),
        cmocka_unit_test(wireless_data_frames_in_the_clear_are_read),
        cmocka_unit_test(pppoe_sessions_are_stepped_over_and_discovery_is_not_ip),
        cmocka_unit_test(mpls_labels_lead_to_ip_or_to_ethernet),
        cmocka_unit_test(transports_give_ports_and_header_lengths),
        cmocka_unit_test(lengths_of_zero_mean_the_frame),
        cmocka_unit_test(fragments_say_where_they_belong),
        cmocka_unit_test(the_authentication_header_is_stepped_over_in_ipv4_too),
        cmocka_unit_test(link_types_and_kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
