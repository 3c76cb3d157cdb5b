// SPDX-License-Identifier: Apache-2.0
// Profile full: TCP facts by the rules of Wireshark's analysis (each case worked out by hand from
// them), round trips, packet sequences, and payload facts over segments.
#include "../support/initial.h"
#include "base/mem.h"
#include "flow/feature.h"
#include "flow/full.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

enum { FIN = SL_TCP_FIN, SYN = SL_TCP_SYN, RST = SL_TCP_RST, ACK = SL_TCP_ACK };
#define MS INT64_C(1000000)
#define START INT64_C(1000000000)

struct bench {
    struct sl_engine *engine;
    struct sl_features *features;
    struct sl_feature_scratch *scratch;
    const struct sl_column *columns;
    size_t n;
    union sl_value *row;
    uint64_t number;
    int64_t clock_ns;
};

static void set_up(struct bench *b)
{
    struct sl_error err = {0};
    struct sl_engine_options opt = {.full = true, .sequence_packets = 5};
    struct sl_feature_set set = {.profile = SL_PROFILE_FULL};
    *b = (struct bench){.engine = sl_engine_new(&opt, &err),
                        .features = sl_features_new(&set, &err)};
    assert_non_null(b->engine);
    assert_non_null(b->features);
    b->columns = sl_features_columns(b->features, &b->n);
    b->scratch = sl_feature_scratch_new();
    b->row = sl_alloc(b->n * sizeof *b->row);
}

static void tear_down(struct bench *b)
{
    sl_engine_release(b->engine);
    sl_engine_free(b->engine);
    sl_features_free(b->features);
    sl_feature_scratch_free(b->scratch);
    free(b->row);
}

// From the client (c) 10.0.0.1:40000 or the server (s) 10.0.0.2:443, at so many milliseconds.
static void say(struct bench *b, char who, double at_ms, uint8_t flags, uint32_t seq, uint32_t ack,
                const char *payload, uint32_t len, uint16_t window)
{
    struct sl_slot s = {.packet = {.ts_ns = START + (int64_t)(at_ms * 1e6),
                                   .number = b->number++,
                                   .payload_bytes = len}};
    struct sl_packet *p = &s.packet;
    bool c = who == 'c';
    p->tuple = (struct sl_tuple){.src = sl_addr_from_v4(c ? 0x0a000001 : 0x0a000002),
                                 .dst = sl_addr_from_v4(c ? 0x0a000002 : 0x0a000001),
                                 .sport = c ? 40000 : 443,
                                 .dport = c ? 443 : 40000,
                                 .proto = SL_PROTO_TCP};
    p->tcp_flags = flags, p->tcp_seq = seq, p->tcp_ack = ack, p->tcp_window = window;
    p->l4_header_bytes = 20, p->ip_header_bytes = 20, p->wire_bytes = 54 + len;
    if (payload) {
        p->payload = (const uint8_t *)payload;
        p->payload_captured = len;
    }
    if (p->ts_ns > b->clock_ns)
        b->clock_ns = p->ts_ns;
    s.clock_ns = b->clock_ns;
    struct sl_chunk chunk;
    sl_engine_prepare(b->engine, &s, 1, &chunk);
    sl_engine_update(b->engine, s.partition, &s, &chunk, 1, b->clock_ns, 0);
}

static void
open_it(struct bench *b) // SYN at 0 ms, SYN-ACK at 30, ACK at 40; client 1000, server 5000
{
    say(b, 'c', 0, SYN, 1000, 0, NULL, 0, 8000);
    say(b, 's', 30, SYN | ACK, 5000, 1001, NULL, 0, 8000);
    say(b, 'c', 40, ACK, 1001, 5001, NULL, 0, 8000);
}

static void finish(struct bench *b)
{
    size_t n;
    sl_engine_drain(b->engine, b->clock_ns);
    struct sl_flow_state *const *f = sl_engine_collect(b->engine, &n);
    assert_int_equal(n, 1);
    sl_features_row(b->features, b->engine, f[0], NULL, b->scratch, b->row);
}

static size_t column(const struct bench *b, const char *name)
{
    for (size_t i = 0; i < b->n; i++)
        if (!strcmp(b->columns[i].name, name))
            return i;
    fail_msg("no column %s", name);
    return 0;
}

#define whole(b, name) ((b)->row[column(b, name)].i)
#define real(b, name) ((b)->row[column(b, name)].f)

static void the_handshake_gives_three_times(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    open_it(&b);
    finish(&b);
    assert_true(real(&b, "handshake_rtt_us") == 30000.0);
    assert_true(real(&b, "handshake_client_us") == 10000.0);
    assert_true(real(&b, "initial_rtt_us") == 40000.0);
    tear_down(&b);
}

static void a_syn_sent_twice_is_timed_from_the_last(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    say(&b, 'c', 0, SYN, 1000, 0, NULL, 0, 8000);
    say(&b, 'c', 1000, SYN, 1000, 0, NULL, 0, 8000);
    say(&b, 's', 1030, SYN | ACK, 5000, 1001, NULL, 0, 8000);
    say(&b, 'c', 1040, ACK, 1001, 5001, NULL, 0, 8000);
    finish(&b);
    assert_true(real(&b, "handshake_rtt_us") == 30000.0);
    assert_true(real(&b, "initial_rtt_us") == 40000.0);
    assert_int_equal(whole(&b, "fwd_tcp_retransmissions"), 1);
    tear_down(&b);
}

// RFC 9293 section 3.5, figure 7: either side's SYN is answered by a SYN-ACK of the other. By hand:
// the server answers 25 ms after the client's SYN went by, the client 15 ms after the server's.
// Wireshark has one stream, an initial RTT of 45 ms (server's SYN to the first ACK) and takes each
// SYN-ACK for a retransmission of the SYN.
static void two_syns_that_cross_are_one_connection(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    say(&b, 'c', 0, SYN, 1000, 0, NULL, 0, 8000);
    say(&b, 's', 5, SYN, 5000, 0, NULL, 0, 8000);
    say(&b, 'c', 20, SYN | ACK, 1000, 5001, NULL, 0, 8000);
    say(&b, 's', 25, SYN | ACK, 5000, 1001, NULL, 0, 8000);
    say(&b, 'c', 50, ACK, 1001, 5001, NULL, 50, 8000);
    say(&b, 's', 70, ACK, 5001, 1051, NULL, 0, 8000);
    finish(&b); // one flow
    assert_int_equal(whole(&b, "src_port"), 40000);
    assert_true(real(&b, "handshake_rtt_us") == 25000.0);
    assert_true(real(&b, "handshake_client_us") == 15000.0);
    assert_true(real(&b, "initial_rtt_us") == 45000.0);
    assert_int_equal(whole(&b, "fwd_tcp_retransmissions"), 1);
    assert_int_equal(whole(&b, "bwd_tcp_retransmissions"), 1);
    tear_down(&b);
}

// RFC 9293 section 3.5.1: who asks anew in the middle of a connection has forgotten it.
static void a_syn_against_an_open_connection_begins_another(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    say(&b, 'c', 0, ACK, 1001, 5001, NULL, 50, 8000);
    say(&b, 's', 500, SYN, 9000, 0, NULL, 0, 8000);
    size_t n;
    sl_engine_drain(b.engine, b.clock_ns);
    sl_engine_collect(b.engine, &n);
    assert_int_equal(n, 2);
    tear_down(&b);
}

static void without_a_handshake_there_is_no_time(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    say(&b, 'c', 0, ACK, 1001, 5001, NULL, 10, 8000);
    finish(&b);
    assert_true(isnan(real(&b, "handshake_rtt_us")));
    assert_true(isnan(real(&b, "fwd_rtt_mean_us")));
    tear_down(&b);
}

static void data_is_timed_until_its_answer_unless_sent_again(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    open_it(&b);
    say(&b, 'c', 100, ACK, 1001, 5001, NULL, 100, 8000);
    say(&b, 's', 125, ACK, 5001, 1101, NULL, 0, 8000); // 25 ms
    say(&b, 'c', 200, ACK, 1101, 5001, NULL, 100, 8000);
    say(&b, 'c', 400, ACK, 1101, 5001, NULL, 100, 8000); // again: nobody knows which is answered
    say(&b, 's', 420, ACK, 5001, 1201, NULL, 0, 8000);
    say(&b, 'c', 500, ACK, 1201, 5001, NULL, 100, 8000);
    say(&b, 's', 535, ACK, 5001, 1301, NULL, 0, 8000); // 35 ms
    finish(&b);
    assert_int_equal(whole(&b, "fwd_rtt_samples"), 2);
    assert_true(real(&b, "fwd_rtt_mean_us") == 30000.0);
    assert_true(real(&b, "fwd_rtt_min_us") == 25000.0);
    assert_true(real(&b, "fwd_rtt_max_us") == 35000.0);
    assert_int_equal(whole(&b, "fwd_tcp_retransmissions"), 1);
    tear_down(&b);
}

static void what_was_acknowledged_already_is_sent_for_nothing(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    open_it(&b);
    say(&b, 'c', 100, ACK, 1001, 5001, NULL, 100, 8000);
    say(&b, 's', 125, ACK, 5001, 1101, NULL, 0, 8000);
    say(&b, 'c', 300, ACK, 1001, 5001, NULL, 100, 8000);
    finish(&b);
    assert_int_equal(whole(&b, "fwd_tcp_spurious_retransmissions"), 1);
    assert_int_equal(whole(&b, "fwd_tcp_retransmissions"), 1);
    tear_down(&b);
}

// Three segments, the first one lost before the capture: a hole, two duplicate ACKs, and the first
// again.
static void fill_a_hole(struct bench *b, double again_at_ms)
{
    open_it(b);
    say(b, 'c', 100, ACK, 1001, 5001, NULL, 100, 8000);
    say(b, 's', 130, ACK, 5001, 1101, NULL, 0, 8000);
    say(b, 'c', 200, ACK, 1201, 5001, NULL, 100, 8000); // 1101..1200 is missing
    say(b, 'c', 201, ACK, 1301, 5001, NULL, 100, 8000);
    say(b, 's', 230, ACK, 5001, 1101, NULL, 0, 8000); // twice the same as at 130 ms
    say(b, 's', 231, ACK, 5001, 1101, NULL, 0, 8000);
    say(b, 'c', again_at_ms, ACK, 1101, 5001, NULL, 100, 8000);
    finish(b);
}

static void an_answer_to_duplicate_acks_is_fast_only_when_it_is(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    fill_a_hole(&b, 240); // 9 ms after the second duplicate
    assert_int_equal(whole(&b, "fwd_tcp_gaps"), 1);
    assert_int_equal(whole(&b, "bwd_tcp_duplicate_acks"), 2);
    assert_int_equal(whole(&b, "fwd_tcp_fast_retransmissions"), 1);
    assert_int_equal(whole(&b, "fwd_tcp_out_of_order"), 0);
    tear_down(&b);
    set_up(&b);
    fill_a_hole(&b,
                300); // 69 ms after it, 99 ms after the newest segment: more than the RTT of 40 ms
    assert_int_equal(whole(&b, "fwd_tcp_fast_retransmissions"), 0);
    assert_int_equal(whole(&b, "fwd_tcp_retransmissions"), 1);
    tear_down(&b);
}

static void what_is_late_by_less_than_the_rtt_was_overtaken(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    open_it(&b);
    say(&b, 'c', 100, ACK, 1001, 5001, NULL, 100, 8000);
    say(&b, 'c', 101, ACK, 1201, 5001, NULL, 100, 8000);
    say(&b, 'c', 102, ACK, 1101, 5001, NULL, 100, 8000); // 1 ms late, RTT 40 ms
    finish(&b);
    assert_int_equal(whole(&b, "fwd_tcp_out_of_order"), 1);
    assert_int_equal(whole(&b, "fwd_tcp_retransmissions"), 0);
    tear_down(&b);
}

static void windows_and_probes_are_told_apart(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    open_it(&b);
    say(&b, 'c', 100, ACK, 1001, 5001, NULL, 100, 8000);
    say(&b, 's', 120, ACK, 5001, 1101, NULL, 0, 0);    // window shut
    say(&b, 'c', 500, ACK, 1101, 5001, NULL, 1, 8000); // probe
    say(&b, 's', 520, ACK, 5001, 1101, NULL, 0, 0);    // still shut: an answer, no new announcement
    say(&b, 's', 900, ACK, 5001, 1101, NULL, 0, 8000); // open
    say(&b, 'c', 1000, ACK, 1101, 5001, NULL, 50, 8000);
    say(&b, 's', 1020, ACK, 5001, 1151, NULL, 0, 8000);
    say(&b, 'c', 9000, ACK, 1150, 5001, NULL, 0, 8000); // keep-alive
    say(&b, 's', 9020, ACK, 5001, 1151, NULL, 0, 8000); // its answer is no duplicate ACK
    say(&b, 's', 9100, RST, 5001, 0, NULL, 0, 0);       // a reset announces no window
    finish(&b);
    assert_int_equal(whole(&b, "bwd_tcp_zero_windows"), 2);
    assert_int_equal(whole(&b, "fwd_tcp_zero_window_probes"), 1);
    assert_int_equal(whole(&b, "fwd_tcp_keep_alives"), 1);
    assert_int_equal(whole(&b, "bwd_tcp_duplicate_acks"), 0);
    assert_int_equal(whole(&b, "fwd_tcp_retransmissions"), 0);
    tear_down(&b);
}

static void the_first_packets_are_kept_in_order(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b); // keeps five
    open_it(&b);
    say(&b, 'c', 41.5, ACK, 1001, 5001, NULL, 300, 8000);
    say(&b, 's', 60, ACK, 5001, 1301, NULL, 1400, 8000);
    say(&b, 's', 61, ACK, 6401, 1301, NULL, 1400, 8000); // the sixth
    finish(&b);
    static const int64_t sizes[] = {0, 0, 0, 300, 1400}, dirs[] = {1, -1, 1, 1, -1},
                         gaps[] = {0, 30000, 10000, 1500, 18500};
    struct sl_list l = b.row[column(&b, "seq_sizes")].l;
    assert_int_equal(l.len, 5);
    assert_memory_equal(l.at, sizes, sizeof sizes);
    assert_memory_equal(b.row[column(&b, "seq_dirs")].l.at, dirs, sizeof dirs);
    assert_memory_equal(b.row[column(&b, "seq_gaps_us")].l.at, gaps, sizeof gaps);
    tear_down(&b);
}

#define assert_text(b, name, want)                                                                 \
    do {                                                                                           \
        struct sl_text text_ = (b)->row[column(b, name)].s;                                        \
        assert_non_null(text_.p);                                                                  \
        assert_int_equal(text_.len, strlen(want));                                                 \
        assert_memory_equal(text_.p, want, text_.len);                                             \
    } while (0)

static void a_request_in_two_segments_is_put_together(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    static const char request[] =
        "GET /index.html HTTP/1.1\r\nUser-Agent: test\r\nHost: shop.example\r\n\r\n";
    static const char reply[] = "HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\n";
    open_it(&b);
    say(&b, 'c', 50, ACK, 1001, 5001, request, 30, 8000);
    say(&b, 'c', 51, ACK, 1001, 5001, request, 30, 8000); // sent again: not taken twice
    say(&b, 'c', 52, ACK, 1031, 5001, request + 30, sizeof request - 31, 8000);
    say(&b, 's', 60, ACK, 5001, 1031, reply, sizeof reply - 1, 8000);
    finish(&b);
    assert_text(&b, "app", "http");
    assert_text(&b, "http_host", "shop.example");
    assert_text(&b, "http_method", "GET");
    assert_text(&b, "http_user_agent", "test");
    assert_int_equal(whole(&b, "http_status"), 404);
    assert_int_equal(whole(&b, "tls_version"), INT64_MIN); // missing
    tear_down(&b);
}

// The second half comes first: it waits for the other, be it after a SYN or not yet complete.
static void a_segment_that_overtook_another_waits_for_it(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    static const char request[] =
        "GET /index.html HTTP/1.1\r\nUser-Agent: test\r\nHost: shop.example\r\n\r\n";
    uint32_t all = sizeof request - 1;
    open_it(&b);
    say(&b, 'c', 50, ACK, 1031, 5001, request + 30, 20, 8000);
    say(&b, 'c', 51, ACK, 1051, 5001, request + 50, all - 50, 8000);
    say(&b, 'c', 52, ACK, 1001, 5001, request, 30, 8000);
    finish(&b);
    assert_text(&b, "http_method", "GET");
    assert_text(&b, "http_host", "shop.example");
    assert_text(&b, "http_user_agent", "test");
    tear_down(&b);
}

// Simulators' traces begin at 0.
static void a_handshake_at_time_zero_is_timed(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    say(&b, 'c', -1000, SYN, 1000, 0, NULL, 0, 8000); // START less 1 s
    say(&b, 's', -990, SYN | ACK, 5000, 1001, NULL, 0, 8000);
    say(&b, 'c', -980, ACK, 1001, 5001, NULL, 0, 8000);
    finish(&b);
    assert_true(real(&b, "handshake_rtt_us") == 10000.0);
    assert_true(real(&b, "handshake_client_us") == 10000.0);
    assert_true(real(&b, "initial_rtt_us") == 20000.0);
    tear_down(&b);
}

// Many flows that each want more: what is kept of them has a limit, and who is beyond is counted.
static void payload_that_is_kept_is_bounded(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    static const char part[] = "GET / HTTP/1.1\r\nHost: a.example\r\n";
    enum { FLOWS = 80000 };
    struct sl_chunk chunk;
    for (uint32_t i = 0; i < FLOWS; i++) {
        struct sl_slot s = {.clock_ns = START,
                            .packet = {.ts_ns = START,
                                       .number = i,
                                       .payload = (const uint8_t *)part,
                                       .payload_bytes = sizeof part - 1,
                                       .payload_captured = sizeof part - 1,
                                       .tuple = {.src = sl_addr_from_v4(0x0a000000 + i),
                                                 .dst = sl_addr_from_v4(0x0b000001),
                                                 .sport = 40000,
                                                 .dport = 80,
                                                 .proto = SL_PROTO_TCP},
                                       .tcp_flags = ACK,
                                       .tcp_seq = 1,
                                       .l4_header_bytes = 20,
                                       .ip_header_bytes = 20,
                                       .wire_bytes = 54 + sizeof part - 1}};
        sl_engine_prepare(b.engine, &s, 1, &chunk);
        sl_engine_update(b.engine, s.partition, &s, &chunk, 1, START, 0);
    }
    struct sl_engine_counts n;
    sl_engine_counts(b.engine, &n);
    assert_int_equal(n.flows, FLOWS);
    // A kept head is 2 KiB, so 2,048 fit in the 4 MiB of each of 16 partitions.
    assert_int_equal(n.let_go, FLOWS - SL_PARTITIONS * (SL_FULL_HEAD_BYTES / 2048));
    sl_engine_free(b.engine);
    sl_features_free(b.features);
    sl_feature_scratch_free(b.scratch);
    free(b.row);
}

// A client's datagram to 443.
static void send_datagram(struct bench *b, uint16_t sport, int dir, const uint8_t *bytes,
                          uint32_t len)
{
    struct sl_slot s = {.packet = {.ts_ns = START + (int64_t)b->number * MS,
                                   .number = b->number,
                                   .payload = bytes,
                                   .payload_bytes = len,
                                   .payload_captured = len,
                                   .l4_header_bytes = 8,
                                   .ip_header_bytes = 20,
                                   .wire_bytes = 42 + len}};
    bool c = dir == SL_FORWARD;
    s.packet.tuple = (struct sl_tuple){.src = sl_addr_from_v4(c ? 0x0a000001 : 0x0a000002),
                                       .dst = sl_addr_from_v4(c ? 0x0a000002 : 0x0a000001),
                                       .sport = c ? sport : 443,
                                       .dport = c ? 443 : sport,
                                       .proto = SL_PROTO_UDP};
    b->number++;
    b->clock_ns = s.clock_ns = s.packet.ts_ns;
    struct sl_chunk chunk;
    sl_engine_prepare(b->engine, &s, 1, &chunk);
    sl_engine_update(b->engine, s.partition, &s, &chunk, 1, b->clock_ns, 0);
}

// RFC 9001 appendix A.2: its hello, cut in two where the name is whole but the rest is not.
enum { HELLO = 241, CUT = 120 };
static const char hello_hex[] =
    "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302"
    "010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007"
    "000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa"
    "71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d000201"
    "01001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f"
    "088394c8f03e51570806048000ffff";

static void halves_of_a_hello(uint8_t first[INITIAL_BYTES], uint8_t second[INITIAL_BYTES])
{
    uint8_t hello[HELLO], frames[600];
    assert_int_equal(hex_bytes(hello_hex, hello, HELLO), HELLO);
    make_initial(frames, crypto_frame(frames, 0, hello, CUT), first);
    make_initial(frames, crypto_frame(frames, CUT, hello + CUT, HELLO - CUT), second);
}

static void a_quic_hello_over_two_datagrams_has_its_fingerprint(void **state)
{
    (void)state;
    struct bench b;
    uint8_t first[INITIAL_BYTES], second[INITIAL_BYTES];
    uint8_t early[40] = {0xd3, 0, 0, 0, 1}; // a 0-RTT packet: one overtakes
    static const uint8_t handshake[40] = {0xe3, 0, 0, 0, 1};
    halves_of_a_hello(first, second);
    set_up(&b);
    send_datagram(&b, 40000, SL_FORWARD, early, sizeof early);
    send_datagram(&b, 40000, SL_FORWARD, first, sizeof first);
    send_datagram(&b, 40000, SL_BACKWARD, handshake, sizeof handshake);
    send_datagram(&b, 40000, SL_FORWARD, early, sizeof early);
    send_datagram(&b, 40000, SL_FORWARD, second, sizeof second);
    finish(&b);
    assert_text(&b, "app", "quic");
    assert_int_equal(whole(&b, "quic_version"), 1);
    assert_text(&b, "tls_sni", "example.com");
    assert_text(&b, "tls_alpn", "alpn");
    assert_text(&b, "ja3", "771,4865-4866,0-65281-10-16-5-51-43-13-45-28-57,29-23-24,");
    tear_down(&b);
}

static void a_quic_hello_that_never_ends_is_let_go_with_the_table(void **state)
{
    (void)state;
    struct bench b;
    uint8_t first[INITIAL_BYTES], second[INITIAL_BYTES];
    halves_of_a_hello(first, second);
    set_up(&b);
    send_datagram(&b, 40000, SL_FORWARD, second, sizeof second);
    sl_engine_free(b.engine); // the leak checker looks
    sl_features_free(b.features);
    sl_feature_scratch_free(b.scratch);
    free(b.row);
}

// More flows begin a hello than are kept: those beyond have no fingerprint, and nothing is lost.
static void quic_hellos_that_are_kept_are_bounded(void **state)
{
    (void)state;
    struct bench b;
    uint8_t first[INITIAL_BYTES], second[INITIAL_BYTES];
    halves_of_a_hello(first, second);
    set_up(&b);
    uint32_t n = 2 * SL_FULL_HELLOS * SL_PARTITIONS, whole = 0;
    for (uint32_t i = 0; i < n; i++)
        send_datagram(&b, (uint16_t)(i + 1000), SL_FORWARD, first, sizeof first);
    for (uint32_t i = 0; i < n; i++)
        send_datagram(&b, (uint16_t)(i + 1000), SL_FORWARD, second, sizeof second);
    sl_engine_drain(b.engine, b.clock_ns);
    struct sl_flow_state *const *f;
    size_t flows, all = 0;
    while (f = sl_engine_collect(b.engine, &flows), flows) {
        for (size_t i = 0; i < flows; i++) {
            whole += f[i]->full->facts.ja3 != NULL;
            assert_string_equal(f[i]->full->facts.tls_sni, "example.com");
        }
        all += flows;
        sl_engine_release(b.engine);
    }
    assert_int_equal(all, n);
    assert_int_equal(whole, n / 2); // as the hash spreads them, each partition is full
    tear_down(&b);
}

// TCP Fast Open (RFC 7413): the SYN's payload begins one behind its sequence number.
static void a_request_that_begins_in_the_syn_is_put_together(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    static const char request[] = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    say(&b, 'c', 0, SYN, 1000, 0, request, 20, 8000);
    say(&b, 's', 30, SYN | ACK, 5000, 1021, NULL, 0, 8000);
    say(&b, 'c', 40, ACK, 1021, 5001, request + 20, sizeof request - 21, 8000);
    finish(&b);
    assert_text(&b, "http_host", "shop.example");
    assert_int_equal(whole(&b, "fwd_tcp_retransmissions"), 0);
    tear_down(&b);
}

// The server did not take the SYN's payload (RFC 7413 section 4.2.2): sent again, taken once; as
// tshark counts, one retransmission.
static void a_request_that_the_syn_brought_in_vain_is_taken_once(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    static const char request[] = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    say(&b, 'c', 0, SYN, 1000, 0, request, 20, 8000);
    say(&b, 's', 30, SYN | ACK, 5000, 1001, NULL, 0, 8000);
    say(&b, 'c', 40, ACK, 1001, 5001, request, 20, 8000);
    say(&b, 'c', 41, ACK, 1021, 5001, request + 20, sizeof request - 21, 8000);
    finish(&b);
    assert_text(&b, "http_host", "shop.example");
    assert_int_equal(whole(&b, "fwd_tcp_retransmissions"), 1);
    tear_down(&b);
}

static void what_never_ends_is_let_go_with_the_table(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b);
    open_it(&b);
    static const char part[] = "GET / HTTP/1.1\r\nHost: a.example\r\n"; // wants more
    say(&b, 'c', 50, ACK, 1001, 5001, part, sizeof part - 1, 8000);
    sl_engine_free(b.engine); // the leak checker looks
    sl_features_free(b.features);
    sl_feature_scratch_free(b.scratch);
    free(b.row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_handshake_gives_three_times),
        cmocka_unit_test(a_syn_sent_twice_is_timed_from_the_last),
        cmocka_unit_test(two_syns_that_cross_are_one_connection),
        cmocka_unit_test(a_syn_against_an_open_connection_begins_another),
        cmocka_unit_test(without_a_handshake_there_is_no_time),
        cmocka_unit_test(data_is_timed_until_its_answer_unless_sent_again),
        cmocka_unit_test(what_was_acknowledged_already_is_sent_for_nothing),
        cmocka_unit_test(an_answer_to_duplicate_acks_is_fast_only_when_it_is),
        cmocka_unit_test(what_is_late_by_less_than_the_rtt_was_overtaken),
        cmocka_unit_test(windows_and_probes_are_told_apart),
        cmocka_unit_test(the_first_packets_are_kept_in_order),
        cmocka_unit_test(a_request_in_two_segments_is_put_together),
        cmocka_unit_test(a_segment_that_overtook_another_waits_for_it),
        cmocka_unit_test(a_handshake_at_time_zero_is_timed),
        cmocka_unit_test(payload_that_is_kept_is_bounded),
        cmocka_unit_test(a_quic_hello_over_two_datagrams_has_its_fingerprint),
        cmocka_unit_test(a_quic_hello_that_never_ends_is_let_go_with_the_table),
        cmocka_unit_test(quic_hellos_that_are_kept_are_bounded),
        cmocka_unit_test(a_request_that_begins_in_the_syn_is_put_together),
        cmocka_unit_test(a_request_that_the_syn_brought_in_vain_is_taken_once),
        cmocka_unit_test(what_never_ends_is_let_go_with_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
