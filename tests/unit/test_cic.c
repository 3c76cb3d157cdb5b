// SPDX-License-Identifier: Apache-2.0
/*
 * CICFlowMeter's flows and features, original and corrected fork. The first five cases and their
 * numbers were measured with both tools (flows.md 5.1); the others are hand sums, or say what they
 * were measured with. tests/flows holds many more captures against the tools' own output.
 */
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "flow/cic.h"
#include "net/packet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

enum { FIN = SL_TCP_FIN, SYN = SL_TCP_SYN, RST = SL_TCP_RST, PSH = SL_TCP_PSH, ACK = SL_TCP_ACK };
enum { CLIENT = 0x0a000001, SERVER = 0x0a000002 };
#define S INT64_C(1000000)

// ---- a bench: frames in, rows of text out -------------------------------------------------------

struct bench {
    bool fork;
    struct sl_cic *cic;
    struct sl_column columns[SL_CIC_COLUMNS_MAX];
    size_t n_columns;
    SL_VEC(struct sl_cic_row *) rows;
    uint64_t number, refused;
    uint32_t seq;
};

static void keep(void *ctx, const struct sl_cic *c, const struct sl_cic_flow *f)
{
    struct bench *b = ctx;
    (void)c;
    struct sl_cic_row *row = sl_alloc(sizeof *row);
    sl_cic_row(b->fork, true, f, row);
    *SL_PUSH(&b->rows) = row;
}

static void set_up(struct bench *b, bool fork, const struct sl_cic_options *more)
{
    *b = (struct bench){.fork = fork};
    struct sl_cic_options opt = more ? *more : (struct sl_cic_options){0};
    opt.fork = fork;
    opt.seed = 1;
    opt.on_flow = keep;
    opt.ctx = b;
    b->cic = sl_cic_new(&opt);
    b->n_columns = sl_cic_columns(fork, true, b->columns);
}

static void tear_down(struct bench *b)
{
    for (size_t i = 0; i < b->rows.len; i++)
        free(b->rows.at[i]);
    SL_VEC_DONE(&b->rows);
    sl_cic_free(b->cic);
}

static void cell_is(const struct bench *b, size_t row, const char *column, const char *want)
{
    for (size_t i = 0; i < b->n_columns; i++) {
        if (strcmp(b->columns[i].name, column) != 0)
            continue;
        assert_true(row < b->rows.len);
        struct sl_text t = b->rows.at[row]->cells[i].s;
        char got[64] = "";
        memcpy(got, t.p, t.len < 63 ? t.len : 63);
        if (strcmp(got, want) != 0)
            fail_msg("row %zu, %s is %s instead of %s", row, column, got, want);
        return;
    }
    fail_msg("no column %s", column);
}

// ---- frames -------------------------------------------------------------------------------------

struct frame {
    uint8_t b[2048];
    size_t n;
};

static void u16(struct frame *f, unsigned v)
{
    f->b[f->n++] = (uint8_t)(v >> 8);
    f->b[f->n++] = (uint8_t)v;
}

static void u32(struct frame *f, uint32_t v)
{
    u16(f, v >> 16);
    u16(f, v & 0xffff);
}

static void ethernet(struct frame *f, unsigned type)
{
    u32(f, 0x02000000), u16(f, 1), u32(f, 0x02000000), u16(f, 2), u16(f, type);
}

static void ipv4(struct frame *f, uint32_t src, uint32_t dst, unsigned proto, unsigned above)
{
    u16(f, 0x4500), u16(f, 20 + above), u32(f, 0x00010000);
    u16(f, 64u << 8 | proto), u16(f, 0), u32(f, src), u32(f, dst);
}

static void put(struct bench *b, int64_t t_us, const struct frame *f)
{
    struct sl_cic_packet p;
    if (!sl_cic_packet(b->fork, f->b, f->n, (uint32_t)f->n, t_us, &p)) {
        b->refused++;
        return;
    }
    p.number = b->number++;
    sl_cic_add(b->cic, &p);
}

// from_server: CLIENT:40000 and SERVER:80 change places. Sequence numbers never repeat.
static void tcp(struct bench *b, int64_t t_us, bool from_server, unsigned flags, unsigned payload,
                unsigned window)
{
    struct frame f = {0};
    ethernet(&f, 0x0800);
    ipv4(&f, from_server ? SERVER : CLIENT, from_server ? CLIENT : SERVER, 6, 20 + payload);
    u16(&f, from_server ? 80 : 40000), u16(&f, from_server ? 40000 : 80);
    u32(&f, b->seq++), u32(&f, 0), u16(&f, 0x5000 | flags), u16(&f, window), u32(&f, 0);
    f.n += payload;
    put(b, t_us, &f);
}

static void udp(struct bench *b, int64_t t_us, unsigned sport, unsigned payload)
{
    struct frame f = {0};
    ethernet(&f, 0x0800);
    ipv4(&f, CLIENT, SERVER, 17, 8 + payload);
    u16(&f, sport), u16(&f, 53), u16(&f, 8 + payload), u16(&f, 0);
    f.n += payload;
    put(b, t_us, &f);
}

// The seven packets of a request and its answer, up to 17 ms.
static void request_and_answer(struct bench *b)
{
    tcp(b, 0, false, SYN, 0, 1000);
    tcp(b, 10000, true, SYN | ACK, 0, 2000);
    tcp(b, 11000, false, ACK, 0, 1001);
    tcp(b, 12000, false, PSH | ACK, 100, 1002);
    tcp(b, 14000, true, ACK, 0, 2001);
    tcp(b, 16000, true, PSH | ACK, 1000, 2002);
    tcp(b, 17000, false, ACK, 0, 1003);
}

static void client_closes_first(struct bench *b)
{
    request_and_answer(b);
    tcp(b, 18000, false, FIN | ACK, 0, 100);
    tcp(b, 21000, true, FIN | ACK, 0, 100);
    tcp(b, 22000, false, ACK, 0, 100);
    sl_cic_finish(b->cic);
}

// ---- the measured rows --------------------------------------------------------------------------

static void the_original_ends_a_connection_at_the_servers_fin(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, false, NULL);
    client_closes_first(&b);
    assert_int_equal(b.rows.len, 1); // the last ACK alone is not written
    assert_int_equal(sl_cic_counts(b.cic)->too_short, 1);
    const char *const want[][2] = {{"Flow ID", "10.0.0.1-10.0.0.2-40000-80-6"},
                                   {"Timestamp", "01/01/1970 12:00:00 AM"},
                                   {"Total Fwd Packet", "5"},
                                   {"Total Bwd packets", "4"},
                                   {"Flow Duration", "21000"},
                                   {"Packet Length Mean", "110.0"},
                                   {"Average Packet Size", "122.22222222222223"},
                                   {"Fwd PSH Flags", "0"},
                                   {"Bwd PSH Flags", "0"},
                                   {"PSH Flag Count", "2"},
                                   {"FWD Init Win Bytes", "1000"},
                                   {"Bwd Init Win Bytes", "100"},
                                   {"FIN Flag Count", "2"},
                                   {"Fwd Act Data Pkts", "1"},
                                   {"Fwd Header Length", "100"},
                                   {"Bwd Header Length", "80"},
                                   {"Down/Up Ratio", "0.0"},
                                   {"Label", "NeedManualLabel"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        cell_is(&b, 0, want[i][0], want[i][1]);
    tear_down(&b);
}

static void the_fork_keeps_the_last_ack_with_its_connection(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, true, NULL);
    client_closes_first(&b);
    assert_int_equal(b.rows.len, 1);
    const char *const want[][2] = {{"Timestamp", "1970-01-01 00:00:00"},
                                   {"Total Fwd Packet", "6"},
                                   {"Total Bwd packets", "4"},
                                   {"Flow Duration", "22000"},
                                   {"Packet Length Mean", "110.0"},
                                   {"Average Packet Size", "110.0"},
                                   {"Fwd PSH Flags", "1"},
                                   {"Bwd PSH Flags", "1"},
                                   {"PSH Flag Count", "2"},
                                   {"FWD Init Win Bytes", "1000"},
                                   {"Bwd Init Win Bytes", "2000"},
                                   {"FIN Flag Count", "2"},
                                   {"Fwd Act Data Pkts", "1"},
                                   {"Fwd Header Length", "120"},
                                   {"Bwd Header Length", "80"},
                                   {"Down/Up Ratio", "0.6666666666666666"},
                                   {"Bwd Seg Size Min", "0"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        cell_is(&b, 0, want[i][0], want[i][1]);
    tear_down(&b);
}

static void sizes_are(const struct bench *b, size_t row, const char *fwd, const char *bwd)
{
    cell_is(b, row, "Total Fwd Packet", fwd);
    cell_is(b, row, "Total Bwd packets", bwd);
}

static void a_server_that_closes_first_makes_two_rows_in_the_original_only(void **state)
{
    (void)state;
    for (int fork = 0; fork < 2; fork++) {
        struct bench b;
        set_up(&b, fork, NULL);
        request_and_answer(&b);
        tcp(&b, 18000, true, FIN | ACK, 0, 100);
        tcp(&b, 21000, false, FIN | ACK, 0, 100);
        tcp(&b, 22000, true, ACK, 0, 100);
        sl_cic_finish(b.cic);
        assert_int_equal(b.rows.len, fork ? 1 : 2);
        cell_is(&b, 0, "FIN Flag Count", fork ? "2" : "1");
        sizes_are(&b, 0, fork ? "5" : "4", fork ? "5" : "4");
        if (!fork)
            sizes_are(&b, 1, "1", "1");
        tear_down(&b);
    }
}

static void late_packets_after_a_reset_make_a_second_row_in_the_original_only(void **state)
{
    (void)state;
    for (int fork = 0; fork < 2; fork++) {
        struct bench b;
        set_up(&b, fork, NULL);
        request_and_answer(&b);
        tcp(&b, 18000, true, RST, 0, 0);
        tcp(&b, 19000, false, ACK, 0, 100);
        tcp(&b, 20000, false, ACK, 0, 100);
        sl_cic_finish(b.cic);
        assert_int_equal(b.rows.len, fork ? 1 : 2);
        sizes_are(&b, 0, fork ? "6" : "4", "4");
        if (!fork)
            sizes_are(&b, 1, "2", "0");
        tear_down(&b);
    }
}

static void flows_are_cut_at_120_seconds_of_age_and_gaps_make_periods(void **state)
{
    (void)state;
    for (int fork = 0; fork < 2; fork++) {
        struct bench b;
        set_up(&b, fork, NULL);
        for (int i = 0; i < 5; i++)
            udp(&b, (int64_t[]){0, 2, 10, 129, 131}[i] * S, 1000, 50);
        sl_cic_finish(b.cic);
        assert_int_equal(b.rows.len, 2);
        sizes_are(&b, 0, "3", "0");
        sizes_are(&b, 1, "2", "0");
        cell_is(&b, 0, "Active Mean", "2000000.0");
        cell_is(&b, 0, "Idle Mean", "8000000.0");
        cell_is(&b, 0, "Subflow Fwd Packets", fork ? "1.5" : "1");
        cell_is(&b, 1, "Active Mean", "0");
        tear_down(&b);
    }
}

static void a_flow_without_duration_has_infinite_rates_or_minus_one(void **state)
{
    (void)state;
    for (int fork = 0; fork < 2; fork++) {
        struct bench b;
        set_up(&b, fork, NULL);
        udp(&b, S, 1000, 20);
        udp(&b, S, 1000, 20);
        sl_cic_finish(b.cic);
        assert_int_equal(b.rows.len, 1);
        cell_is(&b, 0, "Packet Length Mean", "20.0");
        cell_is(&b, 0, "Average Packet Size", fork ? "20.0" : "30.0");
        cell_is(&b, 0, "Flow Bytes/s", fork ? "-1" : "Infinity");
        cell_is(&b, 0, "Fwd Act Data Pkts", fork ? "2" : "1");
        tear_down(&b);
    }
}

// ---- columns ------------------------------------------------------------------------------------

static void headers_are_the_tools_own(void **state)
{
    (void)state;
    // SHA-256 of the first line that each tool writes, without its line feed.
    static const char *const want[] = {
        "fbab4e0e3be06629a21c27c733c495dc26a48df098663e5548474f607c54100b",
        "d79840fb45c8eef21c6b60bfa625c40366830c82e3b0f10acd807250d429a62c"};
    for (int fork = 0; fork < 2; fork++) {
        struct sl_column columns[SL_CIC_COLUMNS_MAX];
        size_t n = sl_cic_columns(fork, true, columns);
        assert_int_equal(n, fork ? 94 : 84);
        struct sl_str line = {0};
        for (size_t i = 0; i < n; i++)
            sl_str_addf(&line, "%s%s", i ? "," : "", columns[i].name);
        char hex[65];
        sl_sha256_hex(line.text, line.len, hex);
        assert_string_equal(hex, want[fork]);
        sl_str_done(&line);
    }
}

static void typed_columns_hold_what_the_texts_say(void **state)
{
    (void)state;
    struct sl_column columns[SL_CIC_COLUMNS_MAX];
    sl_cic_columns(true, false, columns);
    assert_int_equal(columns[0].type, SL_COL_TEXT);  // Flow ID
    assert_int_equal(columns[2].type, SL_COL_INT);   // Src Port
    assert_int_equal(columns[6].type, SL_COL_TIME);  // Timestamp
    assert_int_equal(columns[7].type, SL_COL_INT);   // Flow Duration
    assert_int_equal(columns[12].type, SL_COL_REAL); // Fwd Packet Length Max: "0" or a real
    static struct sl_cic_flow f = {
        .node.low_initiates = true, .start_us = 5, .last_us = 1000005, .side[0].packets = 1};
    struct sl_cic_row *row = sl_alloc(sizeof *row);
    sl_cic_row(true, false, &f, row);
    assert_int_equal(row->cells[6].i, 5000); // ns
    assert_int_equal(row->cells[7].i, 1000000);
    assert_true(row->cells[21].f == 1); // Flow Packets/s: one in one second
    free(row);
}

static void statistics_are_those_of_one_pass(void **state)
{
    (void)state;
    struct sl_cic_stat s = {0};
    for (int i = 0; i < 3; i++)
        sl_cic_stat_add(&s, (double[]){1, 2, 6}[i]);
    assert_true(s.n == 3 && s.sum == 9 && s.min == 1 && s.max == 6 && s.mean == 3);
    assert_true(sl_cic_stat_variance(&s) == 7); // by hand: (4 + 1 + 9) / 2
    assert_true(sl_cic_stat_std(&(struct sl_cic_stat){.n = 1}) == 0);
}

// ---- packets ------------------------------------------------------------------------------------

static void an_arp_frame_is_a_flow_between_8_6_0_1_and_8_0_6_4(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, false, NULL);
    for (int i = 0; i < 2; i++) {
        struct frame f = {0};
        // To a MAC address that begins with 08: a header of 32 bytes, were it IPv4.
        u32(&f, 0x08002700), u16(&f, 1), u32(&f, 0x02000000), u16(&f, 2), u16(&f, 0x0806);
        u32(&f, 0x00010800), u32(&f, 0x06040002);
        f.n = 60;
        put(&b, i * S, &f);
    }
    sl_cic_finish(b.cic);
    cell_is(&b, 0, "Flow ID", "8.6.0.1-8.0.6.4-0-0-0"); // known from the CIC data sets
    tear_down(&b);
}

// Type 3 with a bare quote of 28 bytes, RFC 792: measured, as a UDP packet without payload.
static void a_quoted_udp_packet_makes_the_error_a_udp_packet_in_the_original(void **state)
{
    (void)state;
    struct frame f = {0};
    ethernet(&f, 0x0800), ipv4(&f, SERVER, CLIENT, 1, 36);
    u32(&f, 0x03030000), u32(&f, 0);
    ipv4(&f, CLIENT, SERVER, 17, 8);
    u16(&f, 1000), u16(&f, 53), u16(&f, 8), u16(&f, 0);
    struct sl_cic_packet p;
    assert_true(sl_cic_packet(false, f.b, f.n, (uint32_t)f.n, 0, &p));
    assert_true(p.src == SERVER && p.dst == CLIENT && p.protocol == 17);
    assert_true(p.sport == 1000 && p.dport == 53 && p.header_bytes == 8 && !p.payload_bytes);
    assert_true(sl_cic_packet(true, f.b, f.n, (uint32_t)f.n, 0, &p));
    assert_true(p.protocol == 1 && p.icmp_type == 3 && p.icmp_code == 3 && !p.sport);
}

static void padding_counts_as_payload_behind_a_vlan_tag_only(void **state)
{
    (void)state;
    for (int tags = 0; tags < 2; tags++) {
        struct frame f = {0};
        ethernet(&f, tags ? 0x8100 : 0x0800);
        if (tags)
            u16(&f, 7), u16(&f, 0x0800);
        ipv4(&f, CLIENT, SERVER, 17, 10);
        u16(&f, 1000), u16(&f, 53), u16(&f, 10), u16(&f, 0), u16(&f, 0x6869);
        f.n = 60;
        struct sl_cic_packet p;
        assert_true(sl_cic_packet(false, f.b, f.n, 60, 0, &p));
        assert_int_equal(p.payload_bytes, tags ? 60 - 46 : 2); // headers: 14 + 4 + 20 + 8
    }
}

static void seconds_of_pcap_files_are_signed(void **state)
{
    (void)state;
    int64_t ns = INT64_C(0x80000000) * 1000000000 + 7999;
    assert_true(sl_cic_time_us(ns, true) == -INT64_C(0x80000000) * 1000000 + 7);
    assert_true(sl_cic_time_us(ns, false) == INT64_C(0x80000000) * 1000000 + 7);
}

// ---- limits and order ---------------------------------------------------------------------------

static void flows_left_at_the_end_come_in_the_order_of_their_first_packets(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, true, NULL);
    for (unsigned i = 0; i < 50; i++)
        udp(&b, i, 1000 + i, 1);
    udp(&b, 60, 1000, 1); // is heard of last, but came first
    sl_cic_finish(b.cic);
    assert_int_equal(b.rows.len, 50);
    cell_is(&b, 0, "Src Port", "1000");
    cell_is(&b, 49, "Src Port", "1049");
    tear_down(&b);
}

static void a_full_table_hands_out_the_flow_that_was_quiet_longest(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, true, &(struct sl_cic_options){.max_flows = 2});
    udp(&b, 0, 1000, 1);
    udp(&b, 1, 1001, 1);
    udp(&b, 2, 1000, 1);
    udp(&b, 3, 1002, 1);
    assert_int_equal(b.rows.len, 1);
    cell_is(&b, 0, "Src Port", "1001");
    const struct sl_cic_counts *n = sl_cic_counts(b.cic);
    assert_true(n->evicted == 1 && n->peak_live == 2);
    sl_cic_finish(b.cic);
    assert_int_equal(n->flows, 3);
    tear_down(&b);
}

static void repeated_segments_are_counted_until_the_memory_for_them_is_used_up(void **state)
{
    (void)state;
    for (uint64_t max = 1; max <= 2; max++) {
        struct bench b;
        set_up(&b, true, &(struct sl_cic_options){.max_segments = max});
        for (unsigned i = 0; i < 4; i++) {
            b.seq = i % 2 ? 7 : 9; // each twice
            tcp(&b, i, false, ACK, 10, 100);
        }
        sl_cic_finish(b.cic);
        cell_is(&b, 0, "Fwd TCP Retrans. Count", max == 1 ? "1" : "2");
        assert_int_equal(sl_cic_counts(b.cic)->segments_not_kept, max == 1 ? 2 : 0);
        tear_down(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_original_ends_a_connection_at_the_servers_fin),
        cmocka_unit_test(the_fork_keeps_the_last_ack_with_its_connection),
        cmocka_unit_test(a_server_that_closes_first_makes_two_rows_in_the_original_only),
        cmocka_unit_test(late_packets_after_a_reset_make_a_second_row_in_the_original_only),
        cmocka_unit_test(flows_are_cut_at_120_seconds_of_age_and_gaps_make_periods),
        cmocka_unit_test(a_flow_without_duration_has_infinite_rates_or_minus_one),
        cmocka_unit_test(headers_are_the_tools_own),
        cmocka_unit_test(typed_columns_hold_what_the_texts_say),
        cmocka_unit_test(statistics_are_those_of_one_pass),
        cmocka_unit_test(an_arp_frame_is_a_flow_between_8_6_0_1_and_8_0_6_4),
        cmocka_unit_test(a_quoted_udp_packet_makes_the_error_a_udp_packet_in_the_original),
        cmocka_unit_test(padding_counts_as_payload_behind_a_vlan_tag_only),
        cmocka_unit_test(seconds_of_pcap_files_are_signed),
        cmocka_unit_test(flows_left_at_the_end_come_in_the_order_of_their_first_packets),
        cmocka_unit_test(a_full_table_hands_out_the_flow_that_was_quiet_longest),
        cmocka_unit_test(repeated_segments_are_counted_until_the_memory_for_them_is_used_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
