// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "capture/capture.h"
#include "lab.h"
#include "measure/live.h"
#include "net/packet.h"
#include "netns/netns.h"
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static struct sl_error err;

struct seen {
    size_t udp, out, tagged;
    uint32_t wire, captured;
    int64_t first_ns, last_ns;
    uint8_t frame[64];
};

static void look(void *ctx, const struct sl_frame *f)
{
    struct seen *s = ctx;
    struct sl_packet p;
    s->tagged += f->captured >= 14 && f->data[12] == 0x81 && f->data[13] == 0;
    if (sl_packet_decode(NULL, f->data, f->captured, f->wire_bytes, f->ts_ns, &p) != SL_PACKET_OK ||
        p.tuple.dport != 5000)
        return;
    memcpy(s->frame, f->data, f->captured < 64 ? f->captured : 64);
    s->udp++;
    s->out += f->outgoing;
    s->wire = f->wire_bytes;
    s->captured = f->captured;
    if (!s->first_ns)
        s->first_ns = f->ts_ns;
    s->last_ns = f->ts_ns;
}

// Reads until `udp` packets were seen or a second is over.
static void collect(struct sl_capture *c, struct seen *s, size_t udp)
{
    int64_t end = sl_mono_ns() + 1000000000;
    while (s->udp < udp && sl_mono_ns() < end) {
        struct pollfd p = {.fd = sl_capture_fd(c), .events = POLLIN};
        poll(&p, 1, 100);
        sl_capture_read(c, look, s);
    }
}

static void both_ends_see_every_packet_with_direction_length_and_time(void **state)
{
    (void)state;
    struct lab_pair p = lab_pair("t-a", "t-b");
    struct sl_capture *a = sl_capture_open(p.a, "a0", NULL, &err), *b;
    lab_need(a, &err);
    lab_need((b = sl_capture_open(p.b, "b0", &(struct sl_capture_options){.snaplen = 60}, &err)),
             &err);
    int out = lab_udp(p.a, 0x0a090001, 4000), in = lab_udp(p.b, 0x0a090002, 5000);
    int64_t start = sl_wall_ns();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(lab_udp_send(out, 0x0a090002, 5000, 1000), 0);
        assert_true(lab_udp_arrives(in, 1000));
    }
    int64_t end = sl_wall_ns();
    struct seen sa = {0}, sb = {0};
    collect(a, &sa, 100);
    collect(b, &sb, 100);
    assert_int_equal(sa.udp, 100);
    assert_int_equal(sb.udp, 100);
    assert_int_equal(sa.out, 100);
    assert_int_equal(sb.out, 0);
    assert_int_equal(sa.wire, 1042); // 14 + 20 + 8 + 1000
    assert_int_equal(sb.wire, 1042);
    assert_int_equal(sa.captured, 192);
    assert_int_equal(sb.captured, 60);
    assert_true(sa.first_ns >= start && sa.last_ns <= end && sa.first_ns < sa.last_ns);
    struct sl_capture_stats st;
    sl_capture_stats(b, &st);
    sl_capture_stats(b, &st); // counts since open, not since the last question
    assert_true(st.packets >= 100);
    assert_int_equal(st.drops, 0);
    sl_capture_close(a), sl_capture_close(b);
    close(out), close(in), close(p.a), close(p.b);
    assert_true(sl_netns_delete("t-a", &err) && sl_netns_delete("t-b", &err));
}

static void a_promiscuous_bridge_shows_each_frame_once(void **state)
{
    (void)state;
    int br = lab_ns("t-br"), a = lab_ns("t-a"), b = lab_ns("t-b");
    lab_need(sl_link_bridge(br, "br0", &err) && sl_link_veth(br, "p1", a, "eth0", &err) &&
                 sl_link_veth(br, "p2", b, "eth0", &err) &&
                 sl_link_enslave(br, "p1", "br0", &err) && sl_link_enslave(br, "p2", "br0", &err) &&
                 sl_link_address(a, "eth0", 0x0a090001, 24, &err) &&
                 sl_link_address(b, "eth0", 0x0a090002, 24, &err),
             &err);
    struct sl_capture_options opt = {.promisc = true, .incoming_only = true};
    struct sl_capture *c = sl_capture_open(br, "br0", &opt, &err);
    lab_need(c, &err);
    int out = lab_udp(a, 0x0a090001, 4000), in = lab_udp(b, 0x0a090002, 5000);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(lab_udp_send(out, 0x0a090002, 5000, 100), 0);
        assert_true(lab_udp_arrives(in, 1000));
    }
    struct seen s = {0};
    collect(c, &s, 50);
    poll(NULL, 0, 60);
    sl_capture_read(c, look, &s);
    assert_int_equal(s.udp, 50);
    sl_capture_close(c);
    close(out), close(in), close(a), close(b), close(br);
    assert_true(sl_netns_delete("t-a", &err) && sl_netns_delete("t-b", &err) &&
                sl_netns_delete("t-br", &err));
}

static void a_vlan_tag_is_where_the_wire_had_it(void **state)
{
    (void)state;
    struct lab_pair p = lab_pair("t-a", "t-b");
    struct sl_capture *c =
        sl_capture_open(p.b, "b0", &(struct sl_capture_options){.promisc = true}, &err);
    lab_need(c, &err);
    // To everybody, from 02:..:01, VLAN 5, IPv4 10.9.0.1 -> 10.9.0.2, UDP 4000 -> 5000, 2 bytes.
    static const uint8_t frame[60] = {255,  255, 255,  255,  255,  255,  2,    0,  0, 0,  0,   1,
                                      0x81, 0,   0,    5,    8,    0,    0x45, 0,  0, 30, 0,   0,
                                      0,    0,   64,   17,   0,    0,    10,   9,  0, 1,  10,  9,
                                      0,    2,   0x0f, 0xa0, 0x13, 0x88, 0,    10, 0, 0,  'h', 'i'};
    int raw = lab_raw(p.a, "a0");
    assert_int_equal(send(raw, frame, sizeof frame, 0), sizeof frame);
    struct seen s = {0};
    collect(c, &s, 1);
    assert_int_equal(s.udp, 1);
    assert_int_equal(s.tagged, 1);
    assert_int_equal(s.wire, 60);
    assert_int_equal(s.captured, 60);
    assert_memory_equal(s.frame, frame, 60);
    sl_capture_close(c);
    close(raw), close(p.a), close(p.b);
    assert_true(sl_netns_delete("t-a", &err) && sl_netns_delete("t-b", &err));
}

static void when_the_interface_goes_away_the_reader_does_not_spin(void **state)
{
    (void)state;
    struct lab_pair p = lab_pair("t-a", "t-b");
    struct sl_capture *c = sl_capture_open(p.b, "b0", NULL, &err);
    lab_need(c, &err);
    assert_true(sl_link_delete(p.a, "a0", &err)); // b0 goes with it
    struct seen s = {0};
    int turns = 0;
    for (int64_t end = sl_mono_ns() + 500000000; sl_mono_ns() < end; turns++) {
        struct pollfd pf = {.fd = sl_capture_fd(c), .events = POLLIN};
        poll(&pf, 1, 100);
        sl_capture_read(c, look, &s);
    }
    assert_true(turns < 12); // 5 waits of 100 ms, and a few for what arrived before
    struct sl_capture_stats st;
    sl_capture_stats(c, &st);
    sl_capture_close(c);
    close(p.a), close(p.b);
    assert_true(sl_netns_delete("t-a", &err) && sl_netns_delete("t-b", &err));
}

static void an_interface_that_is_not_there_is_named(void **state)
{
    (void)state;
    int ns = lab_ns("t-empty");
    assert_null(sl_capture_open(ns, "eth9", NULL, &err));
    assert_non_null(strstr(err.msg, "eth9"));
    close(ns);
    assert_true(sl_netns_delete("t-empty", &err));
}

static bool open_live(void *ctx, struct sl_error *e)
{
    struct sl_live **l = ctx;
    *l = sl_live_open(
        &(struct sl_live_options){.interface = "b0", .ring_bytes = 4 << 17, .snaplen = 1500}, e);
    return *l != NULL;
}

// While a batch is worked on the next one is waited for; that must not let the kernel write over
// the first.
static void a_batch_holds_while_the_next_one_is_waited_for(void **state)
{
    (void)state;
    struct lab_pair p = lab_pair("t-a", "t-b");
    struct sl_live *live = NULL;
    lab_need(sl_netns_run(p.b, open_live, &live, &err), &err);
    struct sl_pass_source s = sl_live_source(live);
    int out = lab_udp(p.a, 0x0a090001, 4000);
    struct sl_trace_packet kept = {0}, got[64];
    uint8_t was[64];
    for (int64_t end = sl_mono_ns() + 2000000000; !kept.data && sl_mono_ns() < end;) {
        lab_udp_send(out, 0x0a090002, 5000, 100);
        size_t n;
        assert_true(s.read(s.ctx, got, 64, &n, &err));
        if (n)
            kept = got[n - 1];
    }
    assert_true(kept.captured >= 60);
    memcpy(was, kept.data, 60);
    size_t n; // nothing comes
    assert_true(s.read(s.ctx, got, 64, &n, &err));
    if (n == 0) {
        for (int i = 0; i < 2000; i++) // four times the ring, of other bytes
            lab_udp_send(out, 0x0a090002, (uint16_t)(6000 + i), 1000);
        assert_memory_equal(kept.data, was, 60);
    }
    sl_live_close(live);
    close(out), close(p.a), close(p.b);
    assert_true(sl_netns_delete("t-a", &err) && sl_netns_delete("t-b", &err));
}

int main(void)
{
    lab_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_see_every_packet_with_direction_length_and_time),
        cmocka_unit_test(a_promiscuous_bridge_shows_each_frame_once),
        cmocka_unit_test(a_vlan_tag_is_where_the_wire_had_it),
        cmocka_unit_test(when_the_interface_goes_away_the_reader_does_not_spin),
        cmocka_unit_test(a_batch_holds_while_the_next_one_is_waited_for),
        cmocka_unit_test(an_interface_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
