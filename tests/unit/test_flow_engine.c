// SPDX-License-Identifier: Apache-2.0
// The flow engine and its feature table, semantics `fixed`. Expected numbers are hand sums; the
// cases of flows.md 5.1 are those of its table, with what the corrected rules make of them.
#include "base/mem.h"
#include "base/rng.h"
#include "flow/feature.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

enum { FIN = SL_TCP_FIN, SYN = SL_TCP_SYN, RST = SL_TCP_RST, PSH = SL_TCP_PSH, ACK = SL_TCP_ACK };
#define MS INT64_C(1000000)
#define S INT64_C(1000000000)

// ---- a bench: packets in, rows out --------------------------------------------------------------

struct bench {
    struct sl_engine *engine;
    struct sl_features *features;
    struct sl_feature_scratch *scratch;
    const struct sl_column *columns;
    size_t n_columns;
    SL_VEC(union sl_value *) rows;
    SL_VEC(struct sl_slot) slots;
    int64_t clock_ns;
    uint64_t number;
};

static void set_up(struct bench *b, const struct sl_engine_options *opt)
{
    *b = (struct bench){.clock_ns = INT64_MIN};
    struct sl_error err = {0};
    b->engine = sl_engine_new(opt, &err);
    assert_non_null(b->engine);
    struct sl_feature_set set = {.profile = SL_PROFILE_CIC};
    b->features = sl_features_new(&set, &err);
    assert_non_null(b->features);
    b->columns = sl_features_columns(b->features, &b->n_columns);
    b->scratch = sl_feature_scratch_new();
}

static void keep_rows(struct bench *b)
{
    size_t n;
    struct sl_flow_state *const *flows;
    while (flows = sl_engine_collect(b->engine, &n), n) {
        for (size_t i = 0; i < n; i++) {
            union sl_value *row = sl_alloc(b->n_columns * sizeof *row);
            sl_features_row(b->features, b->engine, flows[i], NULL, b->scratch, row);
            *SL_PUSH(&b->rows) = row;
        }
        sl_engine_release(b->engine);
    }
}

// What was put in goes through the engine in one batch.
static void flush(struct bench *b)
{
    size_t n = b->slots.len, n_chunks = (n + SL_CHUNK - 1) / SL_CHUNK;
    struct sl_chunk *chunks = sl_alloc((n_chunks + 1) * sizeof *chunks);
    for (size_t c = 0; c < n_chunks; c++) {
        size_t begin = c * SL_CHUNK, len = n - begin < SL_CHUNK ? n - begin : SL_CHUNK;
        sl_engine_prepare(b->engine, b->slots.at + begin, len, &chunks[c]);
    }
    for (int p = 0; p < SL_PARTITIONS; p++)
        sl_engine_update(b->engine, p, b->slots.at, chunks, n_chunks, b->clock_ns, 0);
    free(chunks);
    b->slots.len = 0;
    keep_rows(b);
}

static void finish(struct bench *b)
{
    flush(b);
    sl_engine_drain(b->engine, b->clock_ns);
    keep_rows(b);
}

static void tear_down(struct bench *b)
{
    for (size_t i = 0; i < b->rows.len; i++)
        free(b->rows.at[i]);
    SL_VEC_DONE(&b->rows);
    SL_VEC_DONE(&b->slots);
    sl_features_free(b->features);
    sl_feature_scratch_free(b->scratch);
    sl_engine_free(b->engine);
}

static size_t column(const struct bench *b, const char *name)
{
    for (size_t i = 0; i < b->n_columns; i++)
        if (!strcmp(b->columns[i].name, name))
            return i;
    fail_msg("no column %s", name);
    return 0;
}

static int64_t whole(const struct bench *b, size_t row, const char *name)
{
    size_t c = column(b, name);
    assert_true(b->columns[c].type != SL_COL_REAL && b->columns[c].type != SL_COL_TEXT);
    return b->rows.at[row][c].i;
}

static double real(const struct bench *b, size_t row, const char *name)
{
    size_t c = column(b, name);
    assert_int_equal(b->columns[c].type, SL_COL_REAL);
    return b->rows.at[row][c].f;
}

#define assert_near(got, want) assert_true(fabs((got) - (want)) <= 1e-9 * (1 + fabs(want)))
#define assert_reason(b, row, want)                                                                \
    do {                                                                                           \
        struct sl_text text_ = (b)->rows.at[row][column(b, "end_reason")].s;                       \
        assert_int_equal(text_.len, strlen(want));                                                 \
        assert_memory_equal(text_.p, want, text_.len);                                             \
    } while (0)

// ---- packets ------------------------------------------------------------------------------------

static void put(struct bench *b, const struct sl_packet *p)
{
    struct sl_slot *s = SL_PUSH(&b->slots);
    s->packet = *p;
    s->packet.number = b->number++;
    if (p->ts_ns > b->clock_ns)
        b->clock_ns = p->ts_ns;
    s->clock_ns = b->clock_ns;
}

static struct sl_packet packet(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport,
                               uint8_t proto, int64_t ts_ns, uint32_t payload)
{
    struct sl_packet p = {.ts_ns = ts_ns, .payload_bytes = payload, .ip_header_bytes = 20};
    p.tuple = (struct sl_tuple){.src = sl_addr_from_v4(src),
                                .dst = sl_addr_from_v4(dst),
                                .sport = sport,
                                .dport = dport,
                                .proto = proto};
    p.l4_header_bytes = proto == SL_PROTO_TCP ? 20 : 8;
    p.wire_bytes = 14 + 20 + p.l4_header_bytes + payload;
    return p;
}

struct side {
    uint32_t seq, ack;
    uint16_t window;
};

// The connection 10.0.0.1:40000 - 10.0.0.2:80; c and s keep sequence numbers that add up.
struct talk {
    struct side c, s;
};

static void say(struct bench *b, struct talk *t, char who, uint8_t flags, uint32_t payload,
                int64_t ts_ns)
{
    struct side *me = who == 'c' ? &t->c : &t->s, *other = who == 'c' ? &t->s : &t->c;
    struct sl_packet p =
        who == 'c' ? packet(0x0a000001, 40000, 0x0a000002, 80, SL_PROTO_TCP, ts_ns, payload)
                   : packet(0x0a000002, 80, 0x0a000001, 40000, SL_PROTO_TCP, ts_ns, payload);
    p.tcp_flags = flags;
    p.tcp_seq = me->seq;
    p.tcp_ack = me->ack;
    p.tcp_window = me->window++;
    me->seq += payload + ((flags & SYN) != 0) + ((flags & FIN) != 0);
    other->ack = me->seq;
    put(b, &p);
}

static const struct talk fresh = {{.seq = 1000, .window = 1000}, {.seq = 5000, .window = 2000}};

// S, SA, A, PA 100, A, PA 1000, A at one millisecond each.
static struct talk opening(struct bench *b, int64_t at)
{
    struct talk t = fresh;
    say(b, &t, 'c', SYN, 0, at);
    say(b, &t, 's', SYN | ACK, 0, at + 1 * MS);
    say(b, &t, 'c', ACK, 0, at + 2 * MS);
    say(b, &t, 'c', PSH | ACK, 100, at + 3 * MS);
    say(b, &t, 's', ACK, 0, at + 4 * MS);
    say(b, &t, 's', PSH | ACK, 1000, at + 5 * MS);
    say(b, &t, 'c', ACK, 0, at + 6 * MS);
    return t;
}

// ---- the golden cases ---------------------------------------------------------------------------

static void client_closes_first(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, NULL);
    struct talk t = opening(&b, S);
    say(&b, &t, 'c', FIN | ACK, 0, S + 7 * MS);
    say(&b, &t, 's', FIN | ACK, 0, S + 8 * MS);
    say(&b, &t, 'c', ACK, 0, S + 9 * MS);
    finish(&b);
    assert_int_equal(b.rows.len, 1);
    assert_reason(&b, 0, "fin");
    assert_int_equal(whole(&b, 0, "fwd_packets"), 6); // c says packets 1 3 4 7 8 10
    assert_int_equal(whole(&b, 0, "bwd_packets"), 4);
    assert_int_equal(whole(&b, 0, "duration_us"), 9000);
    assert_near(real(&b, 0, "payload_mean"), 110.0); // 1100 / 10
    assert_near(real(&b, 0, "payload_avg"), 110.0);
    // (10 * (100^2 + 1000^2) - 1100^2) / (10 * 9) = 8890000 / 90
    assert_near(real(&b, 0, "payload_var"), 8890000.0 / 90);
    assert_near(real(&b, 0, "payload_std"), sqrt(8890000.0 / 90));
    assert_near(real(&b, 0, "fwd_payload_mean"), 100.0 / 6);
    assert_near(real(&b, 0, "bwd_payload_std"), sqrt((4 * 1e6 - 1e6) / 12)); // 0 0 1000 0
    assert_int_equal(whole(&b, 0, "fwd_psh"), 1);
    assert_int_equal(whole(&b, 0, "bwd_psh"), 1);
    assert_int_equal(whole(&b, 0, "psh_flags"), 2);
    assert_int_equal(whole(&b, 0, "fin_flags"), 2);
    assert_int_equal(whole(&b, 0, "syn_flags"), 2);
    assert_int_equal(whole(&b, 0, "ack_flags"), 9);
    assert_int_equal(whole(&b, 0, "fwd_init_window"), 1000);
    assert_int_equal(whole(&b, 0, "bwd_init_window"), 2000);
    assert_int_equal(whole(&b, 0, "fwd_data_packets"), 1);
    assert_int_equal(whole(&b, 0, "bwd_data_packets"), 1);
    assert_int_equal(whole(&b, 0, "fwd_l4_header_bytes"), 120);
    assert_int_equal(whole(&b, 0, "bwd_l4_header_bytes"), 80);
    assert_int_equal(whole(&b, 0, "fwd_header_bytes"), 240);
    assert_near(real(&b, 0, "down_up_ratio"), 4.0 / 6);
    assert_near(real(&b, 0, "iat_mean_us"), 1000.0);
    assert_near(real(&b, 0, "iat_std_us"), 0.0);
    // forward at 0 2 3 6 7 9 ms: gaps 2 1 3 1 2, backward at 1 4 5 8: 3 1 3
    assert_near(real(&b, 0, "fwd_iat_total_us"), 9000.0);
    assert_near(real(&b, 0, "fwd_iat_mean_us"), 1800.0);
    assert_near(real(&b, 0, "fwd_iat_std_us"),
                sqrt((5 * 19.0 - 81) / 20) * 1000); // sum of squares 19
    assert_near(real(&b, 0, "bwd_iat_max_us"), 3000.0);
    assert_near(real(&b, 0, "bwd_iat_min_us"), 1000.0);
    assert_near(real(&b, 0, "payload_bytes_per_s"), 1100 / 0.009);
    assert_near(real(&b, 0, "active_mean_us"), 9000.0); // the only period, closed at the end
    assert_near(real(&b, 0, "idle_mean_us"), 0.0);
    tear_down(&b);
}

static void server_closes_first_is_one_row(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, NULL);
    struct talk t = opening(&b, S);
    say(&b, &t, 's', FIN | ACK, 0, S + 7 * MS);
    say(&b, &t, 'c', FIN | ACK, 0, S + 8 * MS);
    say(&b, &t, 's', ACK, 0, S + 9 * MS);
    finish(&b);
    assert_int_equal(b.rows.len, 1);
    assert_int_equal(whole(&b, 0, "fwd_packets"), 5);
    assert_int_equal(whole(&b, 0, "bwd_packets"), 5);
    assert_int_equal(whole(&b, 0, "fin_flags"), 2);
    assert_reason(&b, 0, "fin");
    tear_down(&b);
}

static void stragglers_after_a_reset_belong_to_the_flow(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, NULL);
    struct talk t = opening(&b, S);
    say(&b, &t, 's', RST, 0, S + 7 * MS);
    say(&b, &t, 'c', ACK, 0, S + 8 * MS);
    say(&b, &t, 'c', ACK, 0, S + 9 * MS);
    finish(&b);
    assert_int_equal(b.rows.len, 1);
    assert_int_equal(whole(&b, 0, "fwd_packets"), 6);
    assert_int_equal(whole(&b, 0, "bwd_packets"), 4);
    assert_int_equal(whole(&b, 0, "bwd_rst"), 1);
    assert_reason(&b, 0, "rst");
    tear_down(&b);
}

static void periods_gaps_and_subflows_are_counted_to_the_end(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, NULL);
    static const int at[] = {0, 2, 10, 129, 131};
    for (int i = 0; i < 5; i++) {
        struct sl_packet p =
            packet(0x0a000001, 1000, 0x0a000002, 2000, SL_PROTO_UDP, (1 + at[i]) * S, 50);
        put(&b, &p);
    }
    finish(&b);
    assert_int_equal(b.rows.len, 1); // 119 s of silence are less than 120
    // Active: [0, 2] and [129, 131]; [10, 10] has no length. Idle: 8 s and 119 s.
    assert_near(real(&b, 0, "active_mean_us"), 2e6);
    assert_near(real(&b, 0, "active_std_us"), 0.0);
    assert_near(real(&b, 0, "idle_min_us"), 8e6);
    assert_near(real(&b, 0, "idle_max_us"), 119e6);
    assert_near(real(&b, 0, "idle_mean_us"), 63.5e6);
    assert_near(real(&b, 0, "idle_std_us"), sqrt(2 * (64.0 + 14161) - 127.0 * 127) / sqrt(2) * 1e6);
    assert_int_equal(whole(&b, 0, "subflows"), 5); // gaps 2 8 119 2, all longer than 1 s
    assert_near(real(&b, 0, "subflow_fwd_packets"), 1.0);
    assert_near(real(&b, 0, "subflow_fwd_bytes"), 50.0);
    assert_near(real(&b, 0, "bwd_iat_total_us"), 0.0);
    tear_down(&b);
}

static void no_duration_is_no_infinity(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, NULL);
    for (int i = 0; i < 2; i++) {
        struct sl_packet p = packet(0x0a000001, 1000, 0x0a000002, 2000, SL_PROTO_UDP, S, 20);
        put(&b, &p);
    }
    finish(&b);
    assert_near(real(&b, 0, "payload_mean"), 20.0);
    assert_near(real(&b, 0, "payload_bytes_per_s"), 0.0);
    assert_int_equal(whole(&b, 0, "zero_duration"), 1);
    assert_int_equal(whole(&b, 0, "fwd_data_packets"), 2);
    tear_down(&b);
}

// ---- bulk, retransmissions ----------------------------------------------------------------------

static void a_bulk_is_four_packets_in_a_row(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, NULL);
    struct talk t = opening(&b, S); // 100 forward at 3 ms, 1000 backward at 5 ms
    for (int i = 0; i < 5;
         i++) // five of 200 backward at 10 .. 14 ms: with the 1000 at 5 ms a run of six
        say(&b, &t, 's', ACK, 200, S + (10 + i) * MS);
    say(&b, &t, 'c', ACK, 10, S + 20 * MS); // interrupts
    for (int i = 0; i < 3; i++)             // three are none
        say(&b, &t, 's', ACK, 200, S + (30 + i) * MS);
    finish(&b);
    // One bulk: 1000 + 5 * 200 bytes, 6 packets, from 5 to 14 ms.
    assert_near(real(&b, 0, "bwd_bulk_bytes_avg"), 2000.0);
    assert_near(real(&b, 0, "bwd_bulk_packets_avg"), 6.0);
    assert_near(real(&b, 0, "bwd_bulk_rate"), 2000.0 / 0.009);
    assert_near(real(&b, 0, "fwd_bulk_bytes_avg"), 0.0);
    tear_down(&b);
}

static void what_lies_below_the_highest_sequence_number_was_sent_before(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, NULL);
    struct talk t = opening(&b, S);
    t.c.seq -= 100;
    say(&b, &t, 'c', ACK, 100, S + 10 * MS); // wholly below: again
    t.c.seq -= 50;
    say(&b, &t, 'c', ACK, 100, S + 11 * MS); // half of it is new: an overlap
    t.s.seq -= 1000;
    say(&b, &t, 's', ACK, 400, S + 12 * MS); // again
    say(&b, &t, 's', ACK, 600, S + 13 * MS); // again
    finish(&b);
    assert_int_equal(whole(&b, 0, "fwd_retransmissions"), 1);
    assert_int_equal(whole(&b, 0, "bwd_retransmissions"), 2);
    assert_int_equal(whole(&b, 0, "retransmissions"), 3);
    assert_int_equal(whole(&b, 0, "fwd_overlaps"), 1);
    tear_down(&b);
}

// ---- beginnings and ends ------------------------------------------------------------------------

static void an_answer_that_comes_first_is_turned_round(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, NULL);
    struct talk t = fresh;
    say(&b, &t, 's', SYN | ACK, 0, S);
    say(&b, &t, 'c', ACK, 0, S + MS);
    finish(&b);
    assert_int_equal(whole(&b, 0, "dst_port"), 80);
    assert_int_equal(whole(&b, 0, "fwd_packets"), 1);
    assert_int_equal(whole(&b, 0, "bwd_packets"), 1);
    assert_int_equal(whole(&b, 0, "start_ns"), S);
    assert_memory_equal(b.rows.at[0][column(&b, "dir_guess")].s.p, "synack", 6);
    tear_down(&b);
}

static void a_syn_with_another_number_is_another_connection_at_once(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, NULL);
    opening(&b, S);
    struct talk again = fresh;
    say(&b, &again, 'c', SYN, 0, S + 100 * MS); // the same number: sent again
    again.c.seq = 777777;
    say(&b, &again, 'c', SYN, 0, S + 200 * MS);
    finish(&b);
    assert_int_equal(b.rows.len, 2);
    assert_reason(&b, 0, "port_reuse");
    assert_int_equal(whole(&b, 0, "fwd_packets"), 5);
    assert_int_equal(whole(&b, 1, "fwd_packets"), 1);
    assert_reason(&b, 1, "eof");
    assert_int_equal(whole(&b, 1, "flow_id"), 8); // its first packet is the ninth
    tear_down(&b);
}

static void a_long_connection_is_cut_and_joined_by_its_number(void **state)
{
    (void)state;
    struct bench b;
    struct sl_engine_options opt = {.active_ns = 100 * S};
    set_up(&b, &opt);
    struct talk t = opening(&b, S);
    for (int i = 1; i <= 25; i++) // every ten seconds, from the server
        say(&b, &t, 's', ACK, 10, S + i * 10 * S);
    finish(&b);
    assert_int_equal(b.rows.len, 3);
    // Cut when a packet comes more than 100 s after the segment's first: at 110 s, then at 220 s.
    assert_reason(&b, 0, "active");
    assert_int_equal(whole(&b, 0, "bwd_packets"), 3 + 10);
    assert_int_equal(whole(&b, 1, "bwd_packets"), 11);
    assert_int_equal(whole(&b, 2, "bwd_packets"), 4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(whole(&b, (size_t)i, "conn_id"), 0);
        assert_int_equal(whole(&b, (size_t)i, "segment"), i);
        assert_int_equal(whole(&b, (size_t)i, "dst_port"),
                         80); // the server's packets do not turn it round
    }
    assert_int_equal(whole(&b, 2, "fwd_packets"), 0);
    assert_int_equal(whole(&b, 2, "connection_duration_us"), 250000000);
    tear_down(&b);
}

static void rows_come_in_the_order_of_their_ends(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, NULL);
    struct sl_packet p = packet(1, 1, 2, 2, SL_PROTO_UDP, S, 1);
    put(&b, &p); // idle: ends at 121 s
    opening(&b, 10 * S);
    struct sl_packet q =
        packet(1, 3, 2, 4, SL_PROTO_UDP, 2 * S, 1); // late in the file, early in time
    put(&b, &q);
    flush(&b);
    struct sl_packet far = packet(1, 5, 2, 6, SL_PROTO_UDP, 500 * S, 1);
    put(&b, &far);
    finish(&b);
    assert_int_equal(b.rows.len, 4);
    assert_int_equal(whole(&b, 0, "src_port"), 1);
    // q was heard of when the clock stood at 10.006 s: the clock does not run backwards.
    assert_int_equal(whole(&b, 1, "dst_port"), 80);
    assert_int_equal(whole(&b, 2, "src_port"), 3);
    assert_reason(&b, 2, "idle");
    assert_int_equal(whole(&b, 3, "src_port"), 5);
    tear_down(&b);
}

static void a_full_table_lets_go_of_the_quietest_and_says_so(void **state)
{
    (void)state;
    struct bench b;
    struct sl_engine_options opt = {.max_flows = SL_PARTITIONS * 2}; // two in each partition
    set_up(&b, &opt);
    for (uint32_t i = 0; i < 1000; i++) {
        struct sl_packet p = packet(i, 1, 2, 2, SL_PROTO_UDP, S + i, 1);
        put(&b, &p);
    }
    finish(&b);
    struct sl_engine_counts c;
    sl_engine_counts(b.engine, &c);
    assert_int_equal(b.rows.len, 1000);
    assert_int_equal(c.flows, 1000);
    assert_true(c.peak_live <= SL_PARTITIONS * 2);
    assert_int_equal(c.evicted, 1000 - c.peak_live);
    tear_down(&b);
}

static void a_clock_that_runs_backwards_is_counted_and_does_no_harm(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, NULL);
    static const int64_t at[] = {5, 3, 7};
    for (int i = 0; i < 3; i++) {
        struct sl_packet p = packet(1, 1, 2, 2, SL_PROTO_UDP, at[i] * S, 10);
        put(&b, &p);
    }
    finish(&b);
    assert_int_equal(whole(&b, 0, "backward_stamps"), 1);
    assert_int_equal(whole(&b, 0, "duration_us"), 2000000); // 7 - 5
    assert_near(real(&b, 0, "iat_min_us"), 0.0);
    assert_near(real(&b, 0, "iat_max_us"), 2e6);
    assert_near(real(&b, 0, "iat_mean_us"), 1e6);
    tear_down(&b);
}

static void
an_answer_with_an_earlier_stamp_does_not_make_the_mean_gap_larger_than_the_largest(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, NULL);
    struct sl_packet p = packet(1, 1, 2, 2, SL_PROTO_UDP, 10 * S, 10);
    put(&b, &p);
    p = packet(2, 2, 1, 1, SL_PROTO_UDP, 5 * S, 10);
    put(&b, &p);
    p = packet(1, 1, 2, 2, SL_PROTO_UDP, 11 * S, 10);
    put(&b, &p);
    finish(&b);
    assert_int_equal(whole(&b, 0, "duration_us"), 6000000); // 11 - 5
    assert_near(real(&b, 0, "iat_max_us"), 1e6);            // gaps: 0 for the step back, then 1 s
    assert_near(real(&b, 0, "iat_mean_us"), 0.5e6);
    assert_near(real(&b, 0, "iat_std_us"), sqrt(0.5) * 1e6); // (0.5^2 + 0.5^2) / 1
    tear_down(&b);
}

// Two flows of each partition live, of 200,000 that come at one moment: what is kept must not grow
// with them. Each is ended by a newcomer, so their order is that of the newcomers' packets.
static void a_clock_that_stands_still_costs_no_memory(void **state)
{
    (void)state;
    enum { N = 200000, BATCH = 2048, LIVE = 2 * SL_PARTITIONS };
    struct bench b;
    struct sl_engine_options opt = {.max_flows = LIVE};
    set_up(&b, &opt);
    struct sl_engine_counts early, late;
    for (uint32_t i = 0; i < N; i++) {
        struct sl_packet p = packet(i, 1, 0xffffffff, 2, SL_PROTO_UDP, S, 1);
        put(&b, &p);
        if (b.slots.len == BATCH)
            flush(&b);
        if (i + 1 == 2 * BATCH)
            sl_engine_counts(b.engine, &early);
    }
    flush(&b);
    sl_engine_counts(b.engine, &late);
    assert_int_equal(late.flows, N);
    assert_int_equal(late.evicted, N - LIVE);
    assert_int_equal(b.rows.len, N - LIVE); // nothing waits for the clock
    assert_true(late.memory_bytes < 2 * early.memory_bytes);
    finish(&b);
    assert_int_equal(b.rows.len, N);
    tear_down(&b);
}

// flows.md section 8. Ten packets of each flow: a bulk of four each way, then a pause of six
// seconds, so that a flow has every piece that flows commonly have. 65,536 flows in 65,536 buckets.
static void a_flow_with_bulks_both_ways_and_a_pause_takes_512_bytes(void **state)
{
    (void)state;
    enum { FLOWS = 65536, BATCH = 4096 };
    static const struct {
        int64_t at_ms;
        bool back;
    } steps[] = {{0, 0},    {400, 0},  {800, 0},  {1200, 0},  {1600, 1},
                 {2000, 1}, {2400, 1}, {2800, 1}, {10000, 0}, {10400, 1}};
    struct bench b;
    set_up(&b, NULL);
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++)
        for (uint32_t i = 0; i < FLOWS; i++) {
            int64_t t = S + steps[k].at_ms * MS + (int64_t)i;
            struct sl_packet p = steps[k].back
                                     ? packet(0xffffff, 443, i, 40000, SL_PROTO_TCP, t, 100)
                                     : packet(i, 40000, 0xffffff, 443, SL_PROTO_TCP, t, 100);
            p.tcp_seq = 1000 + 100 * (uint32_t)k;
            put(&b, &p);
            if (b.slots.len == BATCH)
                flush(&b);
        }
    flush(&b);
    struct sl_engine_counts c;
    sl_engine_counts(b.engine, &c);
    assert_int_equal(c.live, FLOWS);
    finish(&b);
    sl_engine_counts(b.engine, &c);
    assert_true(c.memory_bytes <= UINT64_C(512) * FLOWS); // also when all are sorted at the end
    assert_near(real(&b, 9, "bwd_bulk_packets_avg"), 4.0);
    assert_near(real(&b, 9, "idle_max_us"), 7.2e6); // 10000 - 2800 ms
    tear_down(&b);
}

static void what_outgrows_its_field_is_carried(void **state)
{
    (void)state;
    enum { N = 140000 }; // more than two times 65,536
    struct bench b;
    set_up(&b, NULL);
    for (uint32_t i = 0; i < N; i++) {
        struct sl_packet p = packet(1, 1, 2, 2, SL_PROTO_TCP, S + (int64_t)i * MS, 0);
        p.tcp_flags = ACK | SL_TCP_ECE | SL_TCP_URG;
        p.wire_bytes = 70000;
        p.payload_bytes = i % 2 ? 69000 : 68000; // as an offloading card hands them over
        p.tcp_seq = 5;
        put(&b, &p);
        if (b.slots.len == 4096)
            flush(&b);
    }
    finish(&b);
    assert_int_equal(b.rows.len, 1);
    assert_int_equal(whole(&b, 0, "segment"), 0);
    assert_int_equal(whole(&b, 0, "conn_id"), 0);
    assert_int_equal(whole(&b, 0, "ece_flags"), N);
    assert_int_equal(whole(&b, 0, "fwd_urg"), N);
    assert_int_equal(whole(&b, 0, "fwd_retransmissions"),
                     N - 2); // all but the first of each length
    assert_int_equal(whole(&b, 0, "fwd_bytes"), INT64_C(70000) * N);
    assert_int_equal(whole(&b, 0, "fwd_payload_bytes"), INT64_C(68500) * N);
    assert_int_equal(whole(&b, 0, "fwd_payload_max"), 69000);
    assert_int_equal(whole(&b, 0, "fwd_payload_min"), 68000);
    tear_down(&b);
}

static void payloads_of_all_sizes_have_their_minimum_and_maximum(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {65534, 65535, 65536, 70000, 1};
    for (size_t first = 0; first < 5; first++)
        for (size_t second = 0; second < 5; second++) {
            struct bench b;
            set_up(&b, NULL);
            uint32_t x = sizes[first], y = sizes[second];
            struct sl_packet p = packet(1, 1, 2, 2, SL_PROTO_UDP, S, x);
            put(&b, &p);
            p = packet(1, 1, 2, 2, SL_PROTO_UDP, S, y);
            put(&b, &p);
            finish(&b);
            assert_int_equal(whole(&b, 0, "fwd_payload_min"), x < y ? x : y);
            assert_int_equal(whole(&b, 0, "fwd_payload_max"), x > y ? x : y);
            tear_down(&b);
        }
}

// SL_TIME_BACK_NS is 2^48 - 1 - 259,200e9 ns: 22,274.976710655 s, some six hours.
static void a_stamp_of_the_day_before_counts_as_six_hours_before(void **state)
{
    (void)state;
    struct bench b;
    struct sl_engine_options opt = {.active_ns = SL_ENGINE_MAX_TIMEOUT_NS};
    set_up(&b, &opt);
    int64_t now = 400000 * S;
    struct sl_packet p = packet(1, 1, 2, 2, SL_PROTO_UDP, now, 10);
    put(&b, &p);
    p = packet(2, 2, 1, 1, SL_PROTO_UDP, now - 86400 * S, 10);
    put(&b, &p);
    p = packet(1, 1, 2, 2, SL_PROTO_UDP, now + S, 10);
    put(&b, &p);
    finish(&b);
    assert_int_equal(b.rows.len, 1);
    assert_int_equal(whole(&b, 0, "backward_stamps"), 1);
    assert_int_equal(whole(&b, 0, "start_ns"), now - INT64_C(22274976710655));
    assert_int_equal(whole(&b, 0, "end_ns"), now + S);
    tear_down(&b);
}

static void a_pool_holds_more_than_was_expected_and_its_pieces_stay_where_they_are(void **state)
{
    (void)state;
    enum { N = 5000 };
    struct sl_pool pool;
    sl_pool_init(&pool, sizeof(uint64_t), 10);
    uint64_t *first = NULL;
    for (uint32_t i = 0; i < N; i++) {
        uint64_t *piece = sl_pool_at(&pool, sl_pool_take(&pool));
        first = first ? first : piece;
        *piece = i;
    }
    assert_ptr_equal(first, sl_pool_at(&pool, 0));
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(*(uint64_t *)sl_pool_at(&pool, i), i);
    sl_pool_done(&pool);
}

static void equal_addresses_are_told_apart_by_port(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, NULL);
    struct sl_packet p = packet(1, 1000, 1, 2000, SL_PROTO_UDP, S, 1),
                     q = packet(1, 2000, 1, 1000, SL_PROTO_UDP, 2 * S, 1);
    put(&b, &p);
    put(&b, &q);
    struct sl_packet r = packet(9, 7, 9, 7, SL_PROTO_UDP, S, 1);
    put(&b, &r);
    put(&b, &r);
    finish(&b);
    assert_int_equal(b.rows.len, 2);
    for (size_t i = 0; i < 2; i++) {
        bool same = whole(&b, i, "src_port") == 7;
        assert_int_equal(whole(&b, i, "fwd_packets"), same ? 2 : 1);
        assert_int_equal(whole(&b, i, "bwd_packets"), same ? 0 : 1);
    }
    tear_down(&b);
}

static void vlans_and_interfaces_are_kept_apart_unless_merged(void **state)
{
    (void)state;
    for (int merged = 0; merged < 2; merged++) {
        struct bench b;
        struct sl_engine_options opt = {.merge_vlans = merged, .merge_interfaces = merged};
        set_up(&b, &opt);
        for (uint16_t i = 0; i < 6; i++) {
            struct sl_packet p = packet(1, 1, 2, 2, SL_PROTO_UDP, S + i, 1);
            p.vlan = i % 3;
            p.interface = i / 3;
            put(&b, &p);
        }
        finish(&b);
        assert_int_equal(b.rows.len, merged ? 1 : 6);
        if (!merged)
            assert_int_equal(whole(&b, 5, "vlan"), 2);
        tear_down(&b);
    }
}

// 256 interfaces with 273 VLANs each are 69,888 pairs; all send the same packet, twice.
static void more_vlans_than_can_be_told_apart_are_counted(void **state)
{
    (void)state;
    enum { INTERFACES = 256, VLANS = 273, APART = 65534, BEYOND = INTERFACES * VLANS - APART };
    struct bench b;
    set_up(&b, NULL);
    for (int turn = 0; turn < 2; turn++)
        for (uint16_t i = 0; i < INTERFACES; i++)
            for (uint16_t v = 1; v <= VLANS; v++) {
                struct sl_packet p = packet(1, 1, 2, 2, SL_PROTO_UDP, S, 1);
                p.interface = i;
                p.vlan = v;
                put(&b, &p);
                if (b.slots.len == 4096)
                    flush(&b);
            }
    finish(&b);
    struct sl_engine_counts c;
    sl_engine_counts(b.engine, &c);
    assert_int_equal(c.zone_beyond, 2 * BEYOND);
    assert_int_equal(b.rows.len, APART + 1);
    assert_int_equal(whole(&b, 0, "vlan"), 1);
    assert_int_equal(whole(&b, 0, "fwd_packets"), 2);
    assert_int_equal(whole(&b, APART, "fwd_packets"), 2 * BEYOND);
    assert_int_equal(whole(&b, APART, "vlan"), 0);
    tear_down(&b);
}

// ---- properties ---------------------------------------------------------------------------------

static void random_packets(struct bench *b, uint64_t seed, size_t n, size_t batch,
                           bool clock_stands)
{
    struct sl_rng rng = sl_rng_stream(seed, "test.engine", 0);
    int64_t now = S;
    for (size_t i = 0; i < n; i++) {
        uint64_t pause = sl_rng_below(&rng, 1000);
        now += clock_stands ? 0 : (int64_t)(pause * pause * pause * 60); // to 60 s, mostly little
        uint64_t back = sl_rng_below(&rng, 20) == 0 ? sl_rng_below(&rng, 2000) : 0;
        uint64_t who = sl_rng_below(&rng, 40);
        bool turn = sl_rng_below(&rng, 2);
        uint32_t len = (uint32_t)sl_rng_below(&rng, 3) ? 0 : (uint32_t)sl_rng_below(&rng, 1460);
        uint8_t proto = who % 3 ? SL_PROTO_TCP : SL_PROTO_UDP;
        struct sl_packet p =
            turn ? packet(2, 80, 1, (uint16_t)(50000 + who), proto, now - (int64_t)back * MS, len)
                 : packet(1, (uint16_t)(50000 + who), 2, 80, proto, now - (int64_t)back * MS, len);
        if (proto == SL_PROTO_TCP) {
            static const uint8_t flags[] = {ACK, ACK,       ACK,       PSH | ACK,
                                            SYN, SYN | ACK, FIN | ACK, RST};
            p.tcp_flags = flags[sl_rng_below(&rng, 8)];
            p.tcp_seq = (uint32_t)sl_rng_below(&rng, 5000);
            p.tcp_ack = (uint32_t)sl_rng_below(&rng, 5000);
        }
        put(b, &p);
        if (b->slots.len == batch)
            flush(b);
    }
    finish(b);
}

static void the_rows_do_not_depend_on_batches_and_nothing_is_lost(void **state)
{
    (void)state;
    static const size_t batches[] = {1, 37, 256, 1000, 5000};
    const uint64_t seed = 20261125;
    print_message("# seed %llu\n", (unsigned long long)seed);
    for (int turn = 0; turn < 4; turn++) {
        struct bench first;
        bool limited = turn & 1, stands = turn & 2;
        struct sl_engine_options opt = {.max_flows = limited ? SL_PARTITIONS : 0,
                                        .active_ns = 300 * S};
        set_up(&first, &opt);
        random_packets(&first, seed, 5000, batches[0], stands);
        int64_t packets = 0;
        for (size_t i = 0; i < first.rows.len; i++)
            packets += whole(&first, i, "fwd_packets") + whole(&first, i, "bwd_packets");
        assert_int_equal(packets, 5000);
        for (size_t k = 1; k < sizeof batches / sizeof *batches; k++) {
            struct bench b;
            set_up(&b, &opt);
            random_packets(&b, seed, 5000, batches[k], stands);
            assert_int_equal(b.rows.len, first.rows.len);
            for (size_t i = 0; i < b.rows.len; i++)
                for (size_t c = 0; c < b.n_columns; c++)
                    if (b.columns[c].type == SL_COL_REAL)
                        assert_true(b.rows.at[i][c].f == first.rows.at[i][c].f);
                    else if (b.columns[c].type != SL_COL_TEXT)
                        assert_int_equal(b.rows.at[i][c].i, first.rows.at[i][c].i);
            tear_down(&b);
        }
        tear_down(&first);
    }
}

static void time_outs_that_would_overflow_are_refused(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_engine_options opt = {.idle_ns = SL_ENGINE_MAX_TIMEOUT_NS + 1};
    assert_null(sl_engine_new(&opt, &err));
    assert_string_equal(err.msg, "the idle time-out is longer than three days (259,200 s)");
    opt = (struct sl_engine_options){.bulk_packets = 1};
    assert_null(sl_engine_new(&opt, &err));
    assert_int_equal(err.code, SL_EUSAGE);
}

static void every_column_is_described_once(void **state)
{
    (void)state;
    size_t cic = 0;
    for (size_t i = 0; i < sl_features_count(); i++) {
        struct sl_feature_info a = sl_features_info(i);
        assert_true(a.name[0] && a.formula[0]);
        cic += a.cic_name[0] != '\0';
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(a.name, sl_features_info(k).name);
            assert_false(a.cic_name[0] && !strcmp(a.cic_name, sl_features_info(k).cic_name));
        }
    }
    assert_int_equal(cic, 93); // the fork's 94 columns without "Label" (flows.md section 4)
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_closes_first),
        cmocka_unit_test(server_closes_first_is_one_row),
        cmocka_unit_test(stragglers_after_a_reset_belong_to_the_flow),
        cmocka_unit_test(periods_gaps_and_subflows_are_counted_to_the_end),
        cmocka_unit_test(no_duration_is_no_infinity),
        cmocka_unit_test(a_bulk_is_four_packets_in_a_row),
        cmocka_unit_test(what_lies_below_the_highest_sequence_number_was_sent_before),
        cmocka_unit_test(an_answer_that_comes_first_is_turned_round),
        cmocka_unit_test(a_syn_with_another_number_is_another_connection_at_once),
        cmocka_unit_test(a_long_connection_is_cut_and_joined_by_its_number),
        cmocka_unit_test(rows_come_in_the_order_of_their_ends),
        cmocka_unit_test(a_full_table_lets_go_of_the_quietest_and_says_so),
        cmocka_unit_test(a_clock_that_runs_backwards_is_counted_and_does_no_harm),
        cmocka_unit_test(
            an_answer_with_an_earlier_stamp_does_not_make_the_mean_gap_larger_than_the_largest),
        cmocka_unit_test(a_clock_that_stands_still_costs_no_memory),
        cmocka_unit_test(a_flow_with_bulks_both_ways_and_a_pause_takes_512_bytes),
        cmocka_unit_test(what_outgrows_its_field_is_carried),
        cmocka_unit_test(payloads_of_all_sizes_have_their_minimum_and_maximum),
        cmocka_unit_test(a_stamp_of_the_day_before_counts_as_six_hours_before),
        cmocka_unit_test(a_pool_holds_more_than_was_expected_and_its_pieces_stay_where_they_are),
        cmocka_unit_test(equal_addresses_are_told_apart_by_port),
        cmocka_unit_test(vlans_and_interfaces_are_kept_apart_unless_merged),
        cmocka_unit_test(more_vlans_than_can_be_told_apart_are_counted),
        cmocka_unit_test(the_rows_do_not_depend_on_batches_and_nothing_is_lost),
        cmocka_unit_test(time_outs_that_would_overflow_are_refused),
        cmocka_unit_test(every_column_is_described_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
