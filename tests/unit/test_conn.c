// SPDX-License-Identifier: Apache-2.0
/*
 * Connections as Zeek's conn.log tells them. What is expected comes from the definitions in Zeek's
 * documentation of base/protocols/conn (conn_state, history), worked out by hand.
 */
#include "flow/conn.h"
#include "flow/flow.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

enum { F = SL_TCP_FIN, S = SL_TCP_SYN, R = SL_TCP_RST, A = SL_TCP_ACK };

struct step {
    char who; // 'o' originator, 'r' responder; 0 = end
    uint8_t flags;
    uint32_t seq, ack, len;
};

static void play_on(struct sl_conn *c, const struct step *steps)
{
    for (int i = 0; steps[i].who; i++) {
        const struct step *s = &steps[i];
        struct sl_packet p = {.ts_ns = i,
                              .tuple.proto = SL_PROTO_TCP,
                              .tcp_flags = s->flags,
                              .tcp_seq = s->seq,
                              .tcp_ack = s->ack,
                              .tcp_window = 1000,
                              .payload_bytes = s->len};
        sl_conn_add(c, &p, s->who == 'o' ? SL_FORWARD : SL_BACKWARD);
    }
}

static void play(struct sl_conn *c, const struct step *steps)
{
    memset(c, 0, sizeof *c);
    play_on(c, steps);
}

// The originator's sequence numbers begin at 100, the responder's at 500.
#define OPEN                                                                                       \
    {'o', S, 100, 0, 0}, {'r', S | A, 500, 101, 0},                                                \
    {                                                                                              \
        'o', A, 101, 501, 0                                                                        \
    }

static void each_way_to_go_has_its_state(void **state)
{
    (void)state;
    static const struct {
        const char *conn_state, *history;
        struct step steps[12];
    } cases[] = {
        {"S0", "S", {{'o', S, 100, 0, 0}}},
        {"S0", "S", {{'o', S, 100, 0, 0}, {'o', S, 100, 0, 0}}},    // repeated: no second letter
        {"S0", "Sa", {{'o', S, 100, 0, 0}, {'r', A, 500, 101, 0}}}, // acknowledged, not answered
        {"REJ", "Sr", {{'o', S, 100, 0, 0}, {'r', R | A, 0, 101, 0}}},
        {"RSTOS0", "SR", {{'o', S, 100, 0, 0}, {'o', R, 101, 0, 0}}},
        {"RSTRH", "^hr", {{'r', S | A, 500, 101, 0}, {'r', R, 501, 0, 0}}},
        {"S1", "ShA", {OPEN}},
        {"S1", "ShADd", {OPEN, {'o', A, 101, 501, 10}, {'r', A, 501, 111, 20}}},
        {"S2", "ShAF", {OPEN, {'o', F | A, 101, 501, 0}}},
        {"S3", "ShAf", {OPEN, {'r', F | A, 501, 101, 0}}},
        {"SF", "ShAFf", {OPEN, {'o', F | A, 101, 501, 0}, {'r', F | A, 501, 102, 0}}},
        {"SF",
         "ShAFfr", // a RST after both have closed changes nothing
         {OPEN, {'o', F | A, 101, 501, 0}, {'r', F | A, 501, 102, 0}, {'r', R, 502, 0, 0}}},
        {"RSTO", "ShAR", {OPEN, {'o', R, 101, 0, 0}}},
        {"RSTR", "ShAr", {OPEN, {'r', R, 501, 0, 0}}},
        {"SH", "SF", {{'o', S, 100, 0, 0}, {'o', F | A, 101, 501, 0}}},
        {"SHR", "^hf", {{'r', S | A, 500, 101, 0}, {'r', F | A, 501, 101, 0}}},
        {"OTH", "Dd", {{'o', A, 101, 501, 10}, {'r', A, 501, 111, 10}}},
        {"OTH", "R", {{'o', R, 101, 0, 0}}},
        {"S1", "Ss", {{'o', S, 100, 0, 0}, {'r', S, 500, 0, 0}}}, // both ask at once
        {"RSTO", "ShAI", {OPEN, {'o', F | R, 101, 501, 0}}},
        {"OTH", "Q", {{'o', S | R, 100, 0, 0}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sl_conn c = {0};
        if (cases[i].history[0] == '^')
            sl_conn_turned(&c);
        play_on(&c, cases[i].steps);
        if (strcmp(sl_conn_state(&c, SL_PROTO_TCP), cases[i].conn_state) != 0 ||
            strcmp(c.history, cases[i].history) != 0)
            fail_msg("case %zu: %s %s, not %s %s", i, sl_conn_state(&c, SL_PROTO_TCP), c.history,
                     cases[i].conn_state, cases[i].history);
    }
}

static void bytes_are_told_by_sequence_numbers(void **state)
{
    (void)state;
    struct sl_conn c;
    play(&c, (const struct step[]){OPEN,
                                   {'o', A, 101, 501, 10},
                                   {'o', A, 101, 501, 10}, // again
                                   {'r', A, 501, 111, 1000},
                                   {'o', F | A, 111, 1501, 5},
                                   {'r', F | A, 1501, 117, 0},
                                   {0}});
    assert_int_equal(sl_conn_bytes(&c, SL_FORWARD), 15);
    assert_int_equal(sl_conn_bytes(&c, SL_BACKWARD), 1000);
    assert_string_equal(c.history, "ShADTdFf");
    assert_int_equal(c.missed_bytes, 0);
}

// 2^32 bytes and more: sequence numbers go round.
static void sequence_numbers_go_round(void **state)
{
    (void)state;
    struct sl_conn c;
    play(&c, (const struct step[]){{'o', S, 4294967290u, 0, 0},
                                   {'r', S | A, 500, 4294967291u, 0},
                                   {'o', A, 4294967291u, 501, 10},
                                   {'o', A, 5, 501, 10},
                                   {0}});
    assert_int_equal(sl_conn_bytes(&c, SL_FORWARD), 20);
    memset(&c, 0, sizeof c);
    uint64_t sent = 0;
    for (uint32_t seq = 1; sent < UINT64_C(5000000000); seq += 1000000000, sent += 1000000000) {
        struct sl_packet p = {.tuple.proto = SL_PROTO_TCP,
                              .tcp_flags = A,
                              .tcp_seq = seq,
                              .tcp_window = 1,
                              .payload_bytes = 1000000000};
        sl_conn_add(&c, &p, SL_FORWARD);
    }
    assert_int_equal(sl_conn_bytes(&c, SL_FORWARD), UINT64_C(5000000000));
}

static void what_is_acknowledged_and_was_not_seen_is_missed(void **state)
{
    (void)state;
    struct sl_conn c;
    play(&c, (const struct step[]){OPEN,
                                   {'o', A, 101, 501, 10},
                                   {'o', A, 211, 501, 10}, // 111..210 is missing
                                   {'r', A, 501, 221, 0},
                                   {0}});
    assert_int_equal(c.missed_bytes, 100);
    assert_string_equal(c.history, "ShADaG");
    assert_int_equal(sl_conn_bytes(&c, SL_FORWARD), 120);
    play(&c, (const struct step[]){OPEN,
                                   {'o', A, 111, 501, 10}, // overtook
                                   {'o', A, 101, 501, 10},
                                   {'r', A, 501, 121, 0},
                                   {0}});
    assert_int_equal(c.missed_bytes, 0);
    assert_string_equal(c.history, "ShADTa");
}

static void repetitions_are_written_at_the_1st_10th_and_100th_time(void **state)
{
    (void)state;
    struct sl_conn c;
    static struct step steps[4 + 100 + 1] = {OPEN, {'o', A, 101, 501, 10}};
    for (int i = 4; i < 104; i++)
        steps[i] = steps[3];
    play(&c, steps);
    assert_string_equal(c.history, "ShADTTT");
    steps[4 + 98] = (struct step){0};
    play(&c, steps);
    assert_string_equal(c.history, "ShADTT");
}

static void the_history_has_an_end(void **state)
{
    (void)state;
    struct sl_conn c;
    struct step steps[60];
    for (int i = 0; i < 59; i++)
        steps[i] = (struct step){'o', F | A, 101 + (uint32_t)i, 1, 0}; // each FIN another one
    steps[59] = (struct step){0};
    play(&c, steps);
    assert_int_equal(strlen(c.history), 31);
}

static void udp_is_answered_or_not(void **state)
{
    (void)state;
    struct sl_conn c = {0};
    struct sl_packet p = {.tuple.proto = SL_PROTO_UDP, .payload_bytes = 5};
    sl_conn_add(&c, &p, SL_FORWARD);
    sl_conn_add(&c, &p, SL_FORWARD);
    assert_string_equal(sl_conn_state(&c, SL_PROTO_UDP), "S0");
    sl_conn_add(&c, &p, SL_BACKWARD);
    assert_string_equal(sl_conn_state(&c, SL_PROTO_UDP), "SF");
    assert_string_equal(c.history, "Dd");
    assert_string_equal(sl_conn_state(&c, SL_PROTO_ICMP), "OTH");
}

// The last ACK of a connection, and what strays in later, are not in its duration.
static void a_connection_lasts_until_both_have_closed(void **state)
{
    (void)state;
    struct sl_conn c;
    play(&c, (const struct step[]){OPEN,
                                   {'o', F | A, 101, 501, 0},
                                   {'r', F | A, 501, 102, 0}, // the fifth, at 4 ns
                                   {'o', A, 102, 502, 0},
                                   {0}});
    assert_int_equal(c.last_ns, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_way_to_go_has_its_state),
        cmocka_unit_test(bytes_are_told_by_sequence_numbers),
        cmocka_unit_test(sequence_numbers_go_round),
        cmocka_unit_test(what_is_acknowledged_and_was_not_seen_is_missed),
        cmocka_unit_test(repetitions_are_written_at_the_1st_10th_and_100th_time),
        cmocka_unit_test(the_history_has_an_end),
        cmocka_unit_test(udp_is_answered_or_not),
        cmocka_unit_test(a_connection_lasts_until_both_have_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
