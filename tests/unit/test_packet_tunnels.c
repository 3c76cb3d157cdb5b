// SPDX-License-Identifier: Apache-2.0
// Tunnels, by frames written from their specifications. The outer packet is 10.0.0.1 -> 10.0.0.2
// (or 2001:db8::0:1), the inner one 10.0.1.1:1234 -> 10.0.1.2:443 with "hello".
#include "../support/frames.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants the headers above first.
#include <cmocka.h>

enum { UDP = 17, GRE = 47 };

// Ethernet, IPv4 or IPv6, perhaps UDP, then what the tunnel puts in.
static struct frame in_ip(uint8_t family, uint8_t proto, const struct frame *inside)
{
    struct frame f = {0};
    ethernet(&f, family == 4 ? 0x0800 : 0x86dd);
    if (family == 4)
        ipv4(&f, 0, proto, inside->n);
    else
        ipv6(&f, 0, proto, inside->n);
    put(&f, inside);
    return f;
}
static struct frame in_udp(uint16_t sport, uint16_t dport, const struct frame *inside)
{
    struct frame f = {0};
    udp(&f, sport, dport, inside->n), put(&f, inside);
    return in_ip(4, UDP, &f);
}

static void expect_inner(const struct sl_packet *p, uint8_t tunnels, uint8_t layers)
{
    char buf[46];
    bool six = p->tuple.src.family == 6;
    assert_string_equal(sl_addr_text(&p->tuple.src, buf), six ? "2001:db8::1:1" : "10.0.1.1");
    assert_string_equal(sl_addr_text(&p->tuple.dst, buf), six ? "2001:db8::1:2" : "10.0.1.2");
    assert_int_equal(p->tuple.proto, 6);
    assert_int_equal(p->tuple.sport, 1234);
    assert_int_equal(p->tuple.dport, 443);
    assert_int_equal(p->tcp_flags, 0x18);
    assert_int_equal(p->payload_bytes, 5);
    assert_int_equal(p->ip_bytes, six ? 65 : 45);
    assert_int_equal(p->ttl, 61);
    assert_int_equal(p->tunnels, tunnels);
    assert_int_equal(p->layers, layers);
}

static void expect_outer(const struct sl_packet *p, uint8_t proto)
{
    char buf[46];
    bool six = p->tuple.src.family == 6;
    assert_string_equal(sl_addr_text(&p->tuple.dst, buf), six ? "2001:db8::2" : "10.0.0.2");
    assert_int_equal(p->tuple.proto, proto);
    assert_int_equal(p->tcp_flags, 0);
    assert_int_equal(p->tunnels, 0);
    assert_int_equal(p->layers, 1);
    assert_int_equal(p->ttl, 60);
}

// Inner by default, outer when asked for; with ever shorter captures inner, then outer, then cut
// short, and never a byte beyond.
static void expect_tunnel(const struct frame *f, uint8_t tunnels, uint8_t layers, uint8_t proto)
{
    struct sl_decode_options inner = {.linktype = 1}, outer = {.linktype = 1, .outer = true};
    struct sl_packet p;
    assert_int_equal(sl_packet_decode(NULL, f->b, f->n, f->n, 5, &p), SL_PACKET_OK);
    expect_inner(&p, tunnels, layers);
    assert_int_equal(p.ts_ns, 5);
    assert_int_equal(p.wire_bytes, f->n);
    assert_memory_equal(p.payload, "hello", 5);
    assert_int_equal(sl_packet_decode(&outer, f->b, f->n, f->n, 0, &p), SL_PACKET_OK);
    expect_outer(&p, proto);
    bool six = p.tuple.src.family == 6;
    unsigned head = 14 + (six ? 40u : 20u) + (proto == UDP ? 8u : 0);
    unsigned outer_payload = p.payload_bytes;
    assert_int_equal(outer_payload, f->n - head);
    for (unsigned n = 0; n <= f->n; n++) {
        enum sl_packet_kind kind = decode_cut(f, n, f->n, &inner, &p);
        assert_int_equal(kind, n < head ? SL_PACKET_CUT_SHORT : SL_PACKET_OK);
        if (n >= f->n - 5) {
            expect_inner(&p, tunnels, layers);
        } else if (n >= head && layers == 2) {
            expect_outer(&p, proto);
            assert_int_equal(p.payload_bytes, outer_payload);
        }
        decode_cut(f, n, n, &inner, &p);
    }
}

static void ip_in_ip_is_followed_in_all_four_ways(void **state)
{
    (void)state;
    struct frame s4 = segment4(1), s6 = segment6(1), f;
    f = in_ip(4, 4, &s4), expect_tunnel(&f, SL_TUNNEL_IPIP, 2, 4);
    f = in_ip(4, 41, &s6), expect_tunnel(&f, SL_TUNNEL_IPIP, 2, 41);
    f = in_ip(6, 4, &s4), expect_tunnel(&f, SL_TUNNEL_IPIP, 2, 4);
    f = in_ip(6, 41, &s6), expect_tunnel(&f, SL_TUNNEL_IPIP, 2, 41);
    struct frame labels = {0};
    u32(&labels, 0x00064140), put(&labels, &s4);
    f = in_ip(4, 137, &labels), expect_tunnel(&f, SL_TUNNEL_MPLS, 2, 137);
}

static void gre_with_each_optional_field_is_followed(void **state)
{
    (void)state;
    static const uint16_t flags[] = {0, 0x8000, 0x2000, 0x1000, 0xa000, 0x3000, 0xb000};
    static const unsigned bytes[] = {0, 4, 4, 4, 8, 8, 12}; // RFC 2784, 2890
    for (int i = 0; i < 7; i++) {
        struct frame g = {0}, s4 = segment4(1), s6 = segment6(1), f;
        u16(&g, flags[i]), u16(&g, 0x0800), zeros(&g, bytes[i]), put(&g, &s4);
        f = in_ip(4, GRE, &g), expect_tunnel(&f, SL_TUNNEL_GRE, 2, GRE);
        g.n = 0, u16(&g, flags[i]), u16(&g, 0x86dd), zeros(&g, bytes[i]), put(&g, &s6);
        f = in_ip(6, GRE, &g), expect_tunnel(&f, SL_TUNNEL_GRE, 2, GRE);
    }
}

static void gre_carries_ethernet_mpls_and_mirrored_frames(void **state)
{
    (void)state;
    struct frame g = {0}, s4 = segment4(1), f;
    u32(&g, 0x00006558), ethernet(&g, 0x0800), put(&g, &s4); // transparent Ethernet bridging
    f = in_ip(4, GRE, &g), expect_tunnel(&f, SL_TUNNEL_GRE, 2, GRE);
    g.n = 0, u32(&g, 0x00008847), u32(&g, 0x00064140), put(&g, &s4);
    f = in_ip(4, GRE, &g), expect_tunnel(&f, SL_TUNNEL_GRE | SL_TUNNEL_MPLS, 2, GRE);
    g.n = 0, u32(&g, 0x000088be), ethernet(&g, 0x0800), put(&g, &s4); // ERSPAN I
    f = in_ip(4, GRE, &g), expect_tunnel(&f, SL_TUNNEL_GRE, 2, GRE);
    g.n = 0, u32(&g, 0x100088be), u32(&g, 9), u32(&g, 0x10000001), u32(&g, 0), ethernet(&g, 0x0800),
    put(&g, &s4); // II
    f = in_ip(4, GRE, &g), expect_tunnel(&f, SL_TUNNEL_GRE, 2, GRE);
    for (unsigned o = 0; o < 2; o++) { // III, without and with eight more bytes
        g.n = 0, u32(&g, 0x100022eb), u32(&g, 9), u32(&g, 0x20000001), zeros(&g, 7), u8(&g, o),
        zeros(&g, 8 * o);
        ethernet(&g, 0x0800), put(&g, &s4);
        f = in_ip(4, GRE, &g), expect_tunnel(&f, SL_TUNNEL_GRE, 2, GRE);
    }
}

static void pptp_carries_ppp_when_it_is_not_a_bare_acknowledgement(void **state)
{
    (void)state;
    struct frame g = {0}, s4 = segment4(1), f;
    struct sl_packet p;
    u32(&g, 0x3001880b), u16(&g, 49), u16(&g, 7), u32(&g, 1), u32(&g, 0xff030021), put(&g, &s4);
    f = in_ip(4, GRE, &g), expect_tunnel(&f, SL_TUNNEL_GRE | SL_TUNNEL_PPP, 2, GRE);
    g.n = 0;
    u32(&g, 0x3081880b), u16(&g, 47), u16(&g, 7), u32(&g, 1), u32(&g, 2), u16(&g, 0x21);
    put(&g, &s4);
    f = in_ip(4, GRE, &g), expect_tunnel(&f, SL_TUNNEL_GRE | SL_TUNNEL_PPP, 2, GRE);
    g.n = 0, u32(&g, 0x2081880b), u16(&g, 0), u16(&g, 7), u32(&g, 2);
    f = in_ip(4, GRE, &g);
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    expect_outer(&p, GRE);
}

static void vxlan_carries_ethernet_on_both_of_its_ports(void **state)
{
    (void)state;
    static const uint16_t ports[] = {4789, 8472};
    for (int i = 0; i < 2; i++) {
        struct frame v = {0}, s6 = segment6(1), f;
        struct sl_packet p;
        u32(&v, 0x08000000), u32(&v, 42 << 8), ethernet(&v, 0x86dd), put(&v, &s6);
        f = in_udp(50000, ports[i], &v), expect_tunnel(&f, SL_TUNNEL_VXLAN, 2, UDP);
        f.b[42] = 0; // no network identifier
        assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
        expect_outer(&p, UDP);
        v.n = 0, u32(&v, 0x08000000), u32(&v, 42 << 8), ethernet(&v, 0x0806), zeros(&v, 28);
        f = in_udp(50000, ports[i], &v); // ARP inside
        assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
        expect_outer(&p, UDP);
        assert_int_equal(p.tuple.dport, ports[i]);
        assert_int_equal(p.payload_bytes, 8 + 42);
    }
}

static void vlan_tags_of_the_outer_frame_come_first(void **state)
{
    (void)state;
    struct frame v = {0}, s4 = segment4(1), f = {0}, inner;
    struct sl_packet p;
    u32(&v, 0x08000000), u32(&v, 0), ethernet(&v, 0x8100), u16(&v, 30), u16(&v, 0x0800);
    put(&v, &s4);
    inner = in_udp(1, 4789, &v);
    ethernet(&f, 0x8100), u16(&f, 20), u16(&f, 0x0800);
    memcpy(f.b + f.n, inner.b + 14, inner.n - 14), f.n += inner.n - 14;
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    expect_inner(&p, SL_TUNNEL_VXLAN, 2);
    assert_int_equal(p.vlan, 20);
    assert_int_equal(p.vlan_inner, 30);
    assert_int_equal(p.ethertype, 0x0800);
    struct sl_decode_options outer = {.linktype = 1, .outer = true};
    sl_packet_decode(&outer, f.b, f.n, f.n, 0, &p);
    assert_int_equal(p.vlan, 20);
    assert_int_equal(p.vlan_inner, 0);
}

static void gtpu_carries_user_packets_behind_its_extensions(void **state)
{
    (void)state;
    struct frame g = {0}, s4 = segment4(1), s6 = segment6(1), f;
    struct sl_packet p;
    u16(&g, 0x30ff), u16(&g, 45), u32(&g, 0xabcd), put(&g, &s4);
    f = in_udp(2152, 2152, &g), expect_tunnel(&f, SL_TUNNEL_GTPU, 2, UDP);
    f.b[43] = 1; // echo request
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    expect_outer(&p, UDP);
    g.n = 0; // with a sequence number: all four optional bytes are there
    u16(&g, 0x32ff), u16(&g, 69), u32(&g, 1), u32(&g, 0x00070000), put(&g, &s6);
    f = in_udp(33000, 2152, &g), expect_tunnel(&f, SL_TUNNEL_GTPU, 2, UDP);
    g.n = 0; // a PDU session container of 4 bytes and another extension of 8
    u16(&g, 0x34ff), u16(&g, 61), u32(&g, 1), u32(&g, 0x00000085);
    u32(&g, 0x010009c0), u32(&g, 0x02000000), u32(&g, 0), put(&g, &s4);
    f = in_udp(2152, 2152, &g), expect_tunnel(&f, SL_TUNNEL_GTPU, 2, UDP);
    f.b[54] = 0; // an extension without length would never end
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    expect_outer(&p, UDP);
}

static void l2tp_data_messages_carry_ppp(void **state)
{
    (void)state;
    struct frame l = {0}, s4 = segment4(1), f;
    struct sl_packet p;
    uint8_t both = SL_TUNNEL_L2TP | SL_TUNNEL_PPP;
    u16(&l, 0x0002), u32(&l, 0x00010002), u32(&l, 0xff030021), put(&l, &s4);
    f = in_udp(1701, 1701, &l), expect_tunnel(&f, both, 2, UDP);
    l.n = 0; // length, sequence numbers and an offset of 3 bytes: 2 + 2 + 4 + 4 + 2 + 3, PPP 2
    u16(&l, 0x4a02), u16(&l, 17 + 2 + 45), u32(&l, 0x00010002), u32(&l, 5), u16(&l, 3);
    zeros(&l, 3), u16(&l, 0x0021), put(&l, &s4);
    f = in_udp(40000, 1701, &l), expect_tunnel(&f, both, 2, UDP);
    f.b[42] |= 0x80; // a control message
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    expect_outer(&p, UDP);
    f.b[42] &= 0x7f, f.b[45] = 10; // shorter than its own header
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    expect_outer(&p, UDP);
}

static void cicflowmeter_looks_into_l2tp_only(void **state)
{
    (void)state;
    struct sl_decode_options cic = {.linktype = 1, .cic_tunnels = true};
    struct frame in = {0}, s4 = segment4(1), f;
    struct sl_packet p;
    u16(&in, 0x0002), u32(&in, 0x00010002), u32(&in, 0xff030021), put(&in, &s4);
    f = in_udp(1701, 1701, &in);
    assert_int_equal(sl_packet_decode(&cic, f.b, f.n, f.n, 0, &p), SL_PACKET_OK);
    expect_inner(&p, SL_TUNNEL_L2TP | SL_TUNNEL_PPP, 2);
    f = in_ip(4, 4, &s4);
    assert_int_equal(sl_packet_decode(&cic, f.b, f.n, f.n, 0, &p), SL_PACKET_OK);
    expect_outer(&p, 4);
    in.n = 0, u16(&in, 0x30ff), u16(&in, 45), u32(&in, 0xabcd), put(&in, &s4);
    f = in_udp(2152, 2152, &in);
    assert_int_equal(sl_packet_decode(&cic, f.b, f.n, f.n, 0, &p), SL_PACKET_OK);
    expect_outer(&p, UDP);
}

static void tunnels_in_tunnels_are_followed_to_a_limit(void **state)
{
    (void)state;
    struct frame s4 = segment4(1), v = {0}, g = {0}, f;
    struct sl_packet p;
    u32(&v, 0x08000000), u32(&v, 0), ethernet(&v, 0x0800);
    ipv4(&v, 0, 4, s4.n), put(&v, &s4); // IP in IP in VXLAN in GRE: three tunnels, four headers
    f = in_udp(1, 4789, &v);
    u32(&g, 0x00006558), put(&g, &f);
    f = in_ip(4, GRE, &g);
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    // GRE, the bridged frame, VXLAN and IP in IP
    expect_inner(&p, SL_TUNNEL_GRE | SL_TUNNEL_VXLAN | SL_TUNNEL_IPIP, 4);
    for (unsigned deep = 0; deep <= 12; deep++) {
        struct frame n = {0};
        ethernet(&n, 0x0800);
        for (unsigned i = 0; i < deep; i++)
            ipv4(&n, 0, 4, 20 * (deep - i - 1) + s4.n);
        put(&n, &s4);
        assert_int_equal(decode_whole(&n, 1, &p), SL_PACKET_OK);
        assert_int_equal(p.layers, deep <= 8 ? deep + 1 : 9);
        assert_int_equal(p.tuple.proto, deep <= 8 ? 6 : 4);
    }
}

static void what_only_looks_like_a_tunnel_stays_an_outer_packet(void **state)
{
    (void)state;
    static const uint16_t ports[] = {1701, 2152, 4789, 8472};
    for (int i = 0; i < 4; i++) {
        for (unsigned n = 0; n < 24; n++) {
            struct frame junk = {0}, f;
            struct sl_packet p;
            for (unsigned k = 0; k < n; k++)
                u8(&junk, 0xc3 ^ (k * 37));
            f = in_udp(999, ports[i], &junk);
            assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
            expect_outer(&p, UDP);
            assert_int_equal(p.tuple.dport, ports[i]);
            assert_int_equal(p.payload_bytes, n);
        }
    }
}

static void a_fragmented_tunnel_is_an_outer_packet(void **state)
{
    (void)state;
    struct frame s4 = segment4(1), f = in_ip(4, 4, &s4);
    struct sl_packet p;
    f.b[20] = 0x20; // more fragments
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    expect_outer(&p, 4);
    assert_true(p.fragmented);
    // A fragment inside a whole outer packet is the inner one's.
    f.b[20] = 0x40, f.b[34 + 6] = 0x20, f.b[34 + 7] = 10;
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_FRAGMENT);
    assert_int_equal(sl_addr_v4(&p.tuple.src), 0x0a000101);
    assert_int_equal(p.fragment_offset, 80);
    assert_int_equal(p.tunnels, SL_TUNNEL_IPIP);
}

static void packets_quoted_by_icmp_errors_are_not_followed(void **state)
{
    (void)state;
    struct frame e = {0}, s4 = segment4(1), f;
    struct sl_packet p;
    u32(&e, 0x03030000), u32(&e, 0), put(&e, &s4);
    f = in_ip(4, 1, &e);
    assert_int_equal(decode_whole(&f, 1, &p), SL_PACKET_OK);
    expect_outer(&p, 1);
    assert_int_equal(p.tuple.sport, 0);
    assert_int_equal(p.payload_bytes, 45);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ip_in_ip_is_followed_in_all_four_ways),
        cmocka_unit_test(gre_with_each_optional_field_is_followed),
        cmocka_unit_test(gre_carries_ethernet_mpls_and_mirrored_frames),
        cmocka_unit_test(pptp_carries_ppp_when_it_is_not_a_bare_acknowledgement),
        cmocka_unit_test(vxlan_carries_ethernet_on_both_of_its_ports),
        cmocka_unit_test(vlan_tags_of_the_outer_frame_come_first),
        cmocka_unit_test(gtpu_carries_user_packets_behind_its_extensions),
        cmocka_unit_test(l2tp_data_messages_carry_ppp),
        cmocka_unit_test(cicflowmeter_looks_into_l2tp_only),
        cmocka_unit_test(tunnels_in_tunnels_are_followed_to_a_limit),
        cmocka_unit_test(what_only_looks_like_a_tunnel_stays_an_outer_packet),
        cmocka_unit_test(a_fragmented_tunnel_is_an_outer_packet),
        cmocka_unit_test(packets_quoted_by_icmp_errors_are_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
