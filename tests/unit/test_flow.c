// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "base/rng.h"
#include "flow/flow.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
#define S INT64_C(1000000000)

// The flows that ended, in the order they did.
struct log {
    SL_VEC(struct sl_flow) flows;
};

static void keep(void *ctx, struct sl_flow *flow)
{
    struct log *l = ctx;
    *SL_PUSH(&l->flows) = *flow;
}

static struct sl_flow_table *table(struct log *l, uint32_t max_flows)
{
    struct sl_flow_options opt = {.max_flows = max_flows, .on_end = keep, .ctx = l};
    return sl_flow_table_new(&opt);
}

static struct sl_packet packet(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport,
                               uint8_t proto, int64_t ts_ns)
{
    struct sl_packet p = {.ts_ns = ts_ns, .wire_bytes = 60};
    p.tuple = (struct sl_tuple){.src = sl_addr_from_v4(src),
                                .dst = sl_addr_from_v4(dst),
                                .sport = sport,
                                .dport = dport,
                                .proto = proto};
    return p;
}

// A segment of the connection C:40000 - S:80 from the client (c) or the server (s).
static struct sl_packet segment(char from, uint8_t flags, const char *payload, int64_t ts_ns)
{
    struct sl_packet p = from == 'c' ? packet(0x0a000001, 40000, 0x0a000002, 80, 6, ts_ns)
                                     : packet(0x0a000002, 80, 0x0a000001, 40000, 6, ts_ns);
    p.tcp_flags = flags;
    p.payload_bytes = p.payload_captured = (uint32_t)strlen(payload);
    p.payload = (const uint8_t *)payload;
    p.wire_bytes = 54 + p.payload_bytes; // 14 + 20 + 20
    return p;
}

static struct sl_flow *add(struct sl_flow_table *t, char from, uint8_t flags, const char *payload,
                           int64_t ts_ns)
{
    struct sl_packet p = segment(from, flags, payload, ts_ns);
    int dir = -1;
    struct sl_flow *f = sl_flow_table_add(t, &p, &dir);
    assert_true(dir == SL_FORWARD || dir == SL_BACKWARD);
    return f;
}

static void a_connection_is_counted_by_side(void **state)
{
    (void)state;
    struct log l = {0};
    struct sl_flow_table *t = table(&l, 0);
    // The ten packets of a small HTTP exchange, one per millisecond.
    static const struct {
        char from;
        uint8_t flags;
        const char *payload;
    } exchange[] = {
        {'c', SYN, ""},       {'s', SYN | ACK, ""},
        {'c', ACK, ""},       {'c', PSH | ACK, "GET / HTTP/1.1\r\n"},
        {'s', ACK, ""},       {'s', PSH | ACK, "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"},
        {'c', ACK, ""},       {'c', FIN | ACK, ""},
        {'s', FIN | ACK, ""}, {'c', ACK, ""},
    };
    for (int i = 0; i < 10; i++)
        add(t, exchange[i].from, exchange[i].flags, exchange[i].payload, S + i * 1000000);
    assert_int_equal(l.flows.len, 0); // over, but stragglers still belong to it
    sl_flow_table_drain(t);
    assert_int_equal(l.flows.len, 1);
    const struct sl_flow *f = &l.flows.at[0];
    // By hand: client sends packets 0 2 3 6 7 9, server 1 4 5 8; 54 bytes each and the payload,
    // 16 bytes of request and 30 of response.
    assert_int_equal(f->packets[SL_FORWARD], 6);
    assert_int_equal(f->packets[SL_BACKWARD], 4);
    assert_int_equal(f->bytes[SL_FORWARD], 6 * 54 + 16);
    assert_int_equal(f->bytes[SL_BACKWARD], 4 * 54 + 30);
    assert_int_equal(f->payload_bytes[SL_FORWARD], 16);
    assert_int_equal(f->payload_bytes[SL_BACKWARD], 30);
    assert_int_equal(f->tcp_flags[SL_FORWARD], SYN | ACK | PSH | FIN);
    assert_int_equal(f->tcp_flags[SL_BACKWARD], SYN | ACK | PSH | FIN);
    assert_int_equal(f->first_ns, S);
    assert_int_equal(f->last_ns, S + 9000000);
    assert_int_equal(f->head_len[SL_FORWARD], 16);
    assert_memory_equal(f->head[SL_FORWARD], "GET / HTTP/1.1\r\n", 16);
    assert_int_equal(f->head_len[SL_BACKWARD], 24);
    assert_memory_equal(f->head[SL_BACKWARD], "HTTP/1.1 200 OK\r\nServer: ", 24);
    assert_int_equal(f->end, SL_END_FIN);
    assert_true(f->syn_seen);
    assert_int_equal(f->tuple.dport, 80);
    SL_VEC_DONE(&l.flows);
    sl_flow_table_free(t);
}

static void a_first_syn_ack_is_turned_round(void **state)
{
    (void)state;
    struct log l = {0};
    struct sl_flow_table *t = table(&l, 0);
    struct sl_packet p = segment('s', SYN | ACK, "", S);
    int dir = -1;
    struct sl_flow *f = sl_flow_table_add(t, &p, &dir);
    assert_int_equal(dir, SL_BACKWARD);
    assert_int_equal(f->tuple.dport, 80);
    assert_int_equal(sl_addr_v4(&f->tuple.src), 0x0a000001);
    assert_false(f->syn_seen);
    assert_ptr_equal(add(t, 'c', SYN, "", S + 1), f); // the SYN came late
    assert_true(f->syn_seen);
    assert_int_equal(f->packets[SL_FORWARD], 1);
    assert_int_equal(f->packets[SL_BACKWARD], 1);
    sl_flow_table_free(t);
}

// The client's port is 40000, the server's 80: the side below 32768 answers, whoever was heard first.
static void without_a_syn_the_service_port_answers(void **state)
{
    (void)state;
    struct sl_flow_table *t = sl_flow_table_new(NULL);
    struct sl_flow *f = add(t, 's', ACK, "data", S);
    add(t, 'c', ACK, "", S + 1);
    assert_int_equal(f->tuple.dport, 80);
    assert_int_equal(f->packets[SL_FORWARD], 1);
    assert_int_equal(f->packets[SL_BACKWARD], 1);
    assert_false(f->syn_seen);
    sl_flow_table_free(t);
}

static void a_new_syn_after_the_end_is_a_new_flow(void **state)
{
    (void)state;
    struct log l = {0};
    struct sl_flow_table *t = table(&l, 0);
    add(t, 'c', SYN, "", S);
    add(t, 'c', SYN, "", S + 1); // said again: not over yet, the same flow
    add(t, 's', RST | ACK, "", S + 2);
    add(t, 'c', ACK, "", S + 3); // a straggler
    assert_int_equal(l.flows.len, 0);
    struct sl_flow *f = add(t, 'c', SYN, "", S + 4);
    assert_int_equal(l.flows.len, 1);
    assert_int_equal(l.flows.at[0].end, SL_END_RST);
    assert_int_equal(l.flows.at[0].packets[0] + l.flows.at[0].packets[1], 4);
    assert_int_equal(f->id, 1);
    assert_int_equal(f->packets[SL_FORWARD], 1);
    // FIN from both sides, then the other side calls back from the same port: initiator changes.
    add(t, 'c', FIN | ACK, "", S + 5);
    add(t, 's', FIN | ACK, "", S + 6);
    add(t, 's', SYN | ACK, "", S + 7); // late duplicate of the old one, no new call
    assert_int_equal(l.flows.len, 1);
    f = add(t, 's', SYN, "", S + 8);
    assert_int_equal(l.flows.len, 2);
    assert_int_equal(l.flows.at[1].end, SL_END_FIN);
    assert_int_equal(f->tuple.sport, 80);
    SL_VEC_DONE(&l.flows);
    sl_flow_table_free(t);
}

static void one_sided_fin_is_not_the_end(void **state)
{
    (void)state;
    struct log l = {0};
    struct sl_flow_table *t = table(&l, 0);
    add(t, 'c', SYN, "", S);
    add(t, 'c', FIN | ACK, "", S + 1);
    add(t, 'c', FIN | ACK, "", S + 2);
    struct sl_flow *f = add(t, 'c', SYN, "", S + 3);
    assert_int_equal(f->packets[SL_FORWARD], 4);
    assert_int_equal(l.flows.len, 0);
    sl_flow_table_free(t);
}

static void idle_flows_end_whether_or_not_anybody_asked(void **state)
{
    (void)state;
    // The same packets with expiry never asked for and asked for every second: the same flows.
    for (int ask = 0; ask < 2; ask++) {
        struct log l = {0};
        struct sl_flow_table *t = table(&l, 0);
        add(t, 'c', SYN, "", 0);
        for (int64_t s = 1; ask && s <= 120; s++)
            sl_flow_table_expire(t, s * S);
        assert_int_equal(l.flows.len, 0);
        add(t, 'c', ACK, "", 120 * S); // at the limit: the same flow
        for (int64_t s = 121; ask && s <= 241; s++)
            sl_flow_table_expire(t, s * S);
        add(t, 's', ACK, "", 241 * S); // past it: a new one
        assert_int_equal(l.flows.len, 1);
        assert_int_equal(l.flows.at[0].end, SL_END_IDLE);
        assert_int_equal(l.flows.at[0].packets[SL_FORWARD], 2);
        struct sl_packet u = packet(1, 1, 2, 2, 17, 300 * S);
        sl_flow_table_add(t, &u, NULL);
        sl_flow_table_expire(t, 360 * S);
        assert_int_equal(l.flows.len, 1); // TCP 119 s, UDP 60 s: both at or below
        sl_flow_table_expire(t, 360 * S + 1);
        assert_int_equal(l.flows.len, 2);
        assert_int_equal(l.flows.at[1].tuple.proto, 17);
        SL_VEC_DONE(&l.flows);
        sl_flow_table_free(t);
    }
}

static void closed_connections_leave_after_five_quiet_seconds(void **state)
{
    (void)state;
    struct log l = {0};
    struct sl_flow_table *t = table(&l, 0);
    add(t, 'c', SYN, "", S);
    add(t, 's', RST | ACK, "", 2 * S);
    sl_flow_table_expire(t, 7 * S);
    assert_int_equal(l.flows.len, 0);
    sl_flow_table_expire(t, 7 * S + 1);
    assert_int_equal(l.flows.len, 1);
    assert_int_equal(l.flows.at[0].end, SL_END_RST);
    SL_VEC_DONE(&l.flows);
    sl_flow_table_free(t);
}

static void beyond_the_maximum_the_longest_idle_goes(void **state)
{
    (void)state;
    struct log l = {0};
    struct sl_flow_table *t = table(&l, 3);
    for (uint16_t i = 0; i < 3; i++) {
        struct sl_packet p = packet(1, (uint16_t)(100 + i), 2, 53, 17, S + i);
        sl_flow_table_add(t, &p, NULL);
    }
    struct sl_packet again = packet(1, 100, 2, 53, 17, S + 10); // 100 was heard of again
    sl_flow_table_add(t, &again, NULL);
    struct sl_packet tcp = packet(1, 103, 2, 80, 6, S + 11);
    sl_flow_table_add(t, &tcp, NULL);
    assert_int_equal(l.flows.len, 1);
    assert_int_equal(l.flows.at[0].tuple.sport, 101);
    assert_int_equal(l.flows.at[0].end, SL_END_EVICTED);
    struct sl_flow_counts c;
    sl_flow_table_counts(t, &c);
    assert_int_equal(c.flows, 4);
    assert_int_equal(c.live, 3);
    assert_int_equal(c.evicted, 1);
    assert_int_equal(c.packets, 5);
    sl_flow_table_drain(t);
    // In order of first packet: 100 102 103, whatever happened since.
    assert_int_equal(l.flows.at[1].tuple.sport, 100);
    assert_int_equal(l.flows.at[2].tuple.sport, 102);
    assert_int_equal(l.flows.at[3].tuple.sport, 103);
    assert_int_equal(l.flows.at[3].end, SL_END_CLOSED);
    SL_VEC_DONE(&l.flows);
    sl_flow_table_free(t);
}

static void the_head_holds_the_beginning_only(void **state)
{
    (void)state;
    struct sl_flow_table *t = sl_flow_table_new(NULL);
    struct sl_flow *f = add(t, 'c', ACK, "abc", S);
    add(t, 'c', ACK, "def", S + 1);
    assert_int_equal(f->head_len[0], 6);
    assert_memory_equal(f->head[0], "abcdef", 6);
    // A segment of which nothing was captured: what follows is not the beginning any more.
    struct sl_packet p = segment('c', ACK, "xyz", S + 2);
    p.payload = NULL;
    p.payload_captured = 0;
    sl_flow_table_add(t, &p, NULL);
    add(t, 'c', ACK, "ghi", S + 3);
    assert_int_equal(f->head_len[0], 6);
    sl_flow_table_free(t);
}

static void equal_ends_are_all_forward_and_equal_addresses_are_told_apart_by_port(void **state)
{
    (void)state;
    struct sl_flow_table *t = sl_flow_table_new(NULL);
    int dir;
    struct sl_packet p = packet(7, 5, 7, 5, 6, S);
    p.tcp_flags = SYN | ACK;
    for (int i = 0; i < 2; i++) {
        sl_flow_table_add(t, &p, &dir);
        assert_int_equal(dir, SL_FORWARD);
    }
    struct sl_packet q = packet(7, 9, 7, 8, 17, S), r = packet(7, 8, 7, 9, 17, S);
    struct sl_flow *f = sl_flow_table_add(t, &q, &dir);
    assert_int_equal(dir, SL_FORWARD);
    assert_ptr_equal(sl_flow_table_add(t, &r, &dir), f);
    assert_int_equal(dir, SL_BACKWARD);
    sl_flow_table_free(t);
}

// --- properties ----------------------------------------------------------------------------------

struct sums {
    uint64_t packets, bytes, payload, flows;
    uint64_t fingerprint; // of the flows in the order they came
};

static void sum(void *ctx, struct sl_flow *f)
{
    struct sums *s = ctx;
    for (int d = 0; d < 2; d++) {
        s->packets += f->packets[d];
        s->bytes += f->bytes[d];
        s->payload += f->payload_bytes[d];
    }
    s->flows++;
    s->fingerprint =
        (s->fingerprint ^ f->id ^ f->packets[0] << 20 ^ (uint64_t)f->end << 50 ^ f->tuple.sport) *
        UINT64_C(0x9e3779b97f4a7c15);
    assert_true(f->end != SL_END_NONE && f->packets[0] + f->packets[1] > 0);
    assert_true(f->last_ns >= f->first_ns);
}

static struct sums random_run(uint64_t seed, uint32_t max_flows, struct sums *added)
{
    struct sums out = {0};
    struct sl_flow_options opt = {.max_flows = max_flows, .on_end = sum, .ctx = &out};
    struct sl_flow_table *t = sl_flow_table_new(&opt);
    struct sl_rng rng = sl_rng_stream(seed, "flows", 0);
    int64_t now = 0;
    *added = (struct sums){0};
    for (int i = 0; i < 60000; i++) {
        uint64_t gap = sl_rng_below(&rng, 2000) ? 2000000 : 100 * (uint64_t)S;
        now += (int64_t)sl_rng_below(&rng, gap);
        uint32_t client = 1 + (uint32_t)sl_rng_below(&rng, 6);
        uint16_t port = (uint16_t)sl_rng_below(&rng, 8);
        uint32_t server = 1 + (uint32_t)sl_rng_below(&rng, 6);
        uint8_t proto = sl_rng_below(&rng, 4) ? 6 : 17;
        struct sl_packet p = packet(client, port, server, 80, proto, now);
        if (sl_rng_below(&rng, 2)) {
            struct sl_tuple u = p.tuple;
            p.tuple.src = u.dst, p.tuple.dst = u.src;
            p.tuple.sport = u.dport, p.tuple.dport = u.sport;
        }
        bool control = sl_rng_below(&rng, 4) == 0; // else a plain ACK
        p.tcp_flags = p.tuple.proto != 6 ? 0 : control ? (uint8_t)sl_rng_below(&rng, 32) : ACK;
        p.payload_bytes = (uint32_t)sl_rng_below(&rng, 1400);
        p.wire_bytes = 54 + p.payload_bytes;
        sl_flow_table_add(t, &p, NULL);
        added->packets++, added->bytes += p.wire_bytes, added->payload += p.payload_bytes;
        if (sl_rng_below(&rng, 50) == 0)
            sl_flow_table_expire(t, now);
        struct sl_flow_counts c;
        sl_flow_table_counts(t, &c);
        assert_true(c.live <= max_flows && c.live == c.flows - out.flows);
    }
    sl_flow_table_drain(t);
    struct sl_flow_counts c;
    sl_flow_table_counts(t, &c);
    assert_int_equal(c.live, 0);
    assert_int_equal(c.flows, out.flows);
    assert_int_equal(c.packets, added->packets);
    sl_flow_table_free(t);
    return out;
}

static void no_packet_is_lost_or_counted_twice_and_two_runs_agree(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct sums added, again;
        uint32_t max = seed % 2 ? 50000 : 100;
        struct sums s = random_run(seed, max, &added);
        print_message("seed %ju, at most %u flows: %ju packets in %ju flows\n", (uintmax_t)seed,
                      max, (uintmax_t)s.packets, (uintmax_t)s.flows);
        assert_int_equal(s.packets, added.packets);
        assert_int_equal(s.bytes, added.bytes);
        assert_int_equal(s.payload, added.payload);
        again =
            random_run(seed, max, &added); // another hash seed, the same flows in the same order
        assert_int_equal(s.fingerprint, again.fingerprint);
    }
}

static void ends_have_names(void **state)
{
    (void)state;
    assert_string_equal(sl_flow_end_name(SL_END_FIN), "fin");
    assert_string_equal(sl_flow_end_name(SL_END_CLOSED), "closed");
    assert_string_equal(sl_flow_end_name((enum sl_flow_end)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_counted_by_side),
        cmocka_unit_test(a_first_syn_ack_is_turned_round),
        cmocka_unit_test(without_a_syn_the_service_port_answers),
        cmocka_unit_test(a_new_syn_after_the_end_is_a_new_flow),
        cmocka_unit_test(one_sided_fin_is_not_the_end),
        cmocka_unit_test(idle_flows_end_whether_or_not_anybody_asked),
        cmocka_unit_test(closed_connections_leave_after_five_quiet_seconds),
        cmocka_unit_test(beyond_the_maximum_the_longest_idle_goes),
        cmocka_unit_test(the_head_holds_the_beginning_only),
        cmocka_unit_test(equal_ends_are_all_forward_and_equal_addresses_are_told_apart_by_port),
        cmocka_unit_test(no_packet_is_lost_or_counted_twice_and_two_runs_agree),
        cmocka_unit_test(ends_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
