// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "lab.h"
#include "netns/netns.h"
#include "netns/shape.h"
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static struct sl_error err;

// One TCP connection from a (port given) to b:port, sending as fast as it may until stopped.
struct stream {
    int out, in;
    atomic_bool stop;
    pthread_t sender, receiver;
};

static void *send_all(void *arg)
{
    static const char zeros[16384];
    struct stream *s = arg;
    while (!atomic_load(&s->stop))
        if (send(s->out, zeros, sizeof zeros, MSG_NOSIGNAL) <= 0)
            break;
    shutdown(s->out, SHUT_RDWR);
    return NULL;
}

static void *receive_all(void *arg)
{
    static _Thread_local char buf[65536];
    struct stream *s = arg;
    while (recv(s->in, buf, sizeof buf, 0) > 0)
        ;
    return NULL;
}

static struct stream *stream_up(const struct lab_pair *p, uint16_t port)
{
    struct stream *s = calloc(1, sizeof *s);
    int l = lab_listen(p->b, 0x0a090002, port);
    s->out = lab_connect(p->a, 0x0a090002, port);
    s->in = accept(l, NULL, NULL);
    close(l);
    assert_true(s->in >= 0);
    assert_int_equal(pthread_create(&s->receiver, NULL, receive_all, s), 0);
    assert_int_equal(pthread_create(&s->sender, NULL, send_all, s), 0);
    return s;
}

static void stream_down(struct stream *s)
{
    atomic_store(&s->stop, true);
    shutdown(s->out, SHUT_RDWR);
    pthread_join(s->sender, NULL);
    shutdown(s->in, SHUT_RDWR);
    pthread_join(s->receiver, NULL);
    close(s->out), close(s->in);
    free(s);
}

static uint64_t class_bytes(int ns, uint16_t id)
{
    struct sl_shape_counters c;
    lab_need(sl_shape_counters(ns, "a0", id, &c, &err), &err);
    return c.bytes;
}

struct rates {
    double class_bps, rest_bps, link_bps;
};

// Layer-2 rates over `seconds`, by the shaper's counters and by b0's own.
static struct rates measure(const struct lab_pair *p, uint16_t id, int seconds)
{
    struct sl_link_counters l0, l1;
    uint64_t c0 = class_bytes(p->a, id), r0 = class_bytes(p->a, 0);
    lab_need(sl_link_counters(p->b, "b0", &l0, &err), &err);
    int64_t start = sl_mono_ns();
    poll(NULL, 0, seconds * 1000);
    uint64_t c1 = class_bytes(p->a, id), r1 = class_bytes(p->a, 0);
    lab_need(sl_link_counters(p->b, "b0", &l1, &err), &err);
    double s = (double)(sl_mono_ns() - start) / 1e9;
    struct rates r = {(double)(c1 - c0) * 8 / s, (double)(r1 - r0) * 8 / s,
                      (double)(l1.rx_bytes - l0.rx_bytes) * 8 / s};
    print_message("class %.3f Mbit/s, rest %.1f, link %.3f\n", r.class_bps / 1e6, r.rest_bps / 1e6,
                  r.link_bps / 1e6);
    return r;
}

static void pair_down(struct lab_pair *p)
{
    close(p->a), close(p->b);
    assert_true(sl_netns_delete("t-a", &err) && sl_netns_delete("t-b", &err));
}

static bool near(double got, double wanted, double tolerance)
{
    return fabs(got - wanted) <= tolerance * wanted;
}

static void tcp_gets_the_rate_asked_for_and_follows_a_change(void **state)
{
    (void)state;
    struct lab_pair p = lab_pair("t-a", "t-b");
    struct sl_shape_match m = {.dst = 0x0a090002, .proto = 6, .dport = 5001};
    lab_need(sl_shape_init(p.a, "a0", &err) && sl_shape_class(p.a, "a0", 1, 20e6, &err) &&
                 sl_shape_match(p.a, "a0", 1, &m, &err),
             &err);
    struct stream *s = stream_up(&p, 5001);
    poll(NULL, 0, 500);
    struct rates r = measure(&p, 1, 3);
    assert_true(near(r.class_bps, 20e6, 0.03));
    assert_true(near(r.link_bps, 20e6, 0.03)); // what the interface counts is what was asked
    lab_need(sl_shape_class(p.a, "a0", 1, 5e6, &err), &err);
    poll(NULL, 0, 500);
    r = measure(&p, 1, 3);
    assert_true(near(r.class_bps, 5e6, 0.03));
    lab_need(sl_shape_class(p.a, "a0", 1, 200e6, &err), &err);
    poll(NULL, 0, 500);
    r = measure(&p, 1, 2);
    assert_true(near(r.class_bps, 200e6, 0.03));
    stream_down(s);
    pair_down(&p);
}

static void traffic_that_no_match_names_is_not_held_back(void **state)
{
    (void)state;
    struct lab_pair p = lab_pair("t-a", "t-b");
    struct sl_shape_match m = {.dport = 5001, .proto = 6};
    lab_need(sl_shape_init(p.a, "a0", &err) && sl_shape_class(p.a, "a0", 7, 20e6, &err) &&
                 sl_shape_match(p.a, "a0", 7, &m, &err),
             &err);
    struct stream *shaped = stream_up(&p, 5001), *free_one = stream_up(&p, 5002);
    poll(NULL, 0, 500);
    struct rates r = measure(&p, 7, 3);
    assert_true(near(r.class_bps, 20e6, 0.03));
    assert_true(r.rest_bps > 500e6);
    stream_down(shaped), stream_down(free_one);
    pair_down(&p);
}

static struct sl_shape_counters counters(int ns, uint16_t id)
{
    struct sl_shape_counters c;
    lab_need(sl_shape_counters(ns, "a0", id, &c, &err), &err);
    return c;
}

static void each_field_of_a_match_counts(void **state)
{
    (void)state;
    struct lab_pair p = lab_pair("t-a", "t-b");
    lab_need(sl_link_address(p.a, "a0", 0x0a090003, 24, &err) &&
                 sl_link_address(p.b, "b0", 0x0a090004, 24, &err),
             &err);
    static const struct sl_shape_match matches[] = {
        {.src = 0x0a090003, .dst = 0x0a090004, .proto = 17, .sport = 4000, .dport = 5000},
        {.dst = 0x0a090004},
        {.sport = 4001},
        {.proto = 17},
    };
    lab_need(sl_shape_init(p.a, "a0", &err), &err);
    for (uint16_t i = 0; i < 4; i++)
        lab_need(sl_shape_class(p.a, "a0", (uint16_t)(i + 1), 100e6, &err) &&
                     sl_shape_match(p.a, "a0", (uint16_t)(i + 1), &matches[i], &err),
                 &err);
    struct {
        uint32_t src, dst;
        uint16_t sport, dport, want;
    } sent[] = {
        {0x0a090003, 0x0a090004, 4000, 5000, 1}, {0x0a090003, 0x0a090004, 4000, 5001, 2},
        {0x0a090001, 0x0a090004, 4000, 5000, 2}, {0x0a090003, 0x0a090002, 4001, 5000, 3},
        {0x0a090003, 0x0a090002, 4000, 5000, 4},
    };
    for (size_t i = 0; i < 5; i++) {
        int in = lab_udp(p.b, sent[i].dst, sent[i].dport);
        int out = lab_udp(p.a, sent[i].src, sent[i].sport);
        struct sl_shape_counters before = counters(p.a, sent[i].want);
        assert_int_equal(lab_udp_send(out, sent[i].dst, sent[i].dport, 100), 0);
        assert_true(lab_udp_arrives(in, 1000));
        struct sl_shape_counters after = counters(p.a, sent[i].want);
        assert_int_equal(after.packets - before.packets, 1);
        assert_int_equal(after.bytes - before.bytes, 142); // 14 + 20 + 8 + 100
        close(in), close(out);
    }
    pair_down(&p);
}

static void a_change_of_rate_keeps_the_queue_and_a_full_queue_counts_drops(void **state)
{
    (void)state;
    struct lab_pair p = lab_pair("t-a", "t-b");
    struct sl_shape_match m = {.proto = 17};
    lab_need(sl_shape_init(p.a, "a0", &err) && sl_shape_class(p.a, "a0", 1, 64e3, &err) &&
                 sl_shape_match(p.a, "a0", 1, &m, &err),
             &err);
    int out = lab_udp(p.a, 0x0a090001, 4000), in = lab_udp(p.b, 0x0a090002, 5000);
    for (int i = 0; i < 40; i++) // 40 frames of 1042 B: 41,680 of the queue's 50 * 1514 = 75,700
        assert_int_equal(lab_udp_send(out, 0x0a090002, 5000, 1000), 0);
    struct sl_shape_counters c = counters(p.a, 1);
    assert_true(c.backlog_bytes >= 30 * 1042);
    assert_int_equal(c.drops, 0);
    lab_need(sl_shape_class(p.a, "a0", 1, 50e6, &err), &err);
    int arrived = 0;
    while (arrived < 40 && lab_udp_arrives(in, 1000))
        arrived++;
    assert_int_equal(arrived, 40);
    lab_need(sl_shape_class(p.a, "a0", 1, 64e3, &err), &err);
    for (int i = 0; i < 100; i++) // 104,200 B and 2 of them in the bucket: at least 20 are lost
        lab_udp_send(out, 0x0a090002, 5000, 1000);
    assert_true(counters(p.a, 1).drops >= 20);
    close(out), close(in);
    pair_down(&p);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    struct lab_pair p = lab_pair("t-a", "t-b");
    struct sl_shape_counters c;
    assert_true(sl_shape_init(p.a, "a0", &err) && sl_shape_init(p.a, "a0", &err)); // twice
    assert_false(sl_shape_class(p.a, "a0", 0, 1e6, &err));
    assert_false(sl_shape_class(p.a, "a0", 1000, 1e6, &err));
    assert_false(sl_shape_class(p.a, "a0", 1, NAN, &err));
    assert_false(sl_shape_class(p.a, "a0", 1, 0, &err));
    assert_false(sl_shape_class(p.a, "nothing", 1, 1e6, &err));
    assert_false(sl_shape_counters(p.a, "a0", 1, &c, &err)); // not made
    pair_down(&p);
}

int main(void)
{
    lab_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_gets_the_rate_asked_for_and_follows_a_change),
        cmocka_unit_test(traffic_that_no_match_names_is_not_held_back),
        cmocka_unit_test(each_field_of_a_match_counts),
        cmocka_unit_test(a_change_of_rate_keeps_the_queue_and_a_full_queue_counts_drops),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
