// SPDX-License-Identifier: Apache-2.0
/*
 * One pass over packets. Numbers are counted by hand from the packets below; where rows are
 * compared with each other, the one-thread pass over a file is what the others must equal.
 */
#include "base/auto.h"
#include "base/proc.h"
#include "base/rng.h"
#include "base/str.h"
#include "measure/cic_pass.h"
#include "measure/pass.h"
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

#define SECOND INT64_C(1000000000)

// ---- captures: raw IPv4 (link type 101) in a pcap file with nanoseconds, little-endian

static void le32(struct sl_str *s, uint32_t v)
{
    char b[4] = {(char)v, (char)(v >> 8), (char)(v >> 16), (char)(v >> 24)};
    sl_str_addn(s, b, 4);
}

static void be16(struct sl_str *s, uint32_t v)
{
    char b[2] = {(char)(v >> 8), (char)v};
    sl_str_addn(s, b, 2);
}

static void begin_capture(struct sl_str *s)
{
    le32(s, 0xa1b23c4d), le32(s, 4 << 16 | 2), le32(s, 0), le32(s, 0), le32(s, 65535), le32(s, 101);
}

struct datagram {
    int64_t ns;
    unsigned src, dst; // last byte of 10.0.0.x
    unsigned sport, dport;
    unsigned payload;           // bytes; of a later fragment: of all it carries
    unsigned id, offset, more;  // fragment
    unsigned proto, flags, seq; // TCP when proto is 6
};

static void add(struct sl_str *s, struct datagram d)
{
    unsigned l4 = d.offset ? 0 : d.proto == 6 ? 20 : 8, total = 20 + l4 + d.payload;
    le32(s, (uint32_t)(d.ns / SECOND)), le32(s, (uint32_t)(d.ns % SECOND));
    le32(s, total), le32(s, total);
    be16(s, 0x4500), be16(s, total), be16(s, d.id), be16(s, d.more << 13 | d.offset / 8);
    be16(s, 64 << 8 | (d.proto ? d.proto : 17)), be16(s, 0);
    be16(s, 0x0a00), be16(s, d.src), be16(s, 0x0a00), be16(s, d.dst);
    if (!d.offset) {
        be16(s, d.sport), be16(s, d.dport);
        if (d.proto == 6) {
            be16(s, d.seq >> 16), be16(s, d.seq), be16(s, 0), be16(s, 0);
            be16(s, 0x5000 | d.flags), be16(s, 512), be16(s, 0), be16(s, 0);
        } else {
            be16(s, 8 + d.payload), be16(s, 0);
        }
    }
    for (unsigned i = 0; i < d.payload; i++)
        sl_str_addn(s, "x", 1);
}

// Forty seconds of 300 pairs of ends, 20,000 packets: long enough for several batches of any size.
static void add_many(struct sl_str *s)
{
    struct sl_rng rng = sl_rng_stream(3, "test.pass", 0);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned k = (unsigned)sl_rng_below(&rng, 300), back = (unsigned)sl_rng_below(&rng, 2);
        unsigned client = 2 + k % 7, server = 100 + k % 5, port = 40000 + k, service = 50 + k % 3;
        bool tcp = k % 3 == 0;
        static const unsigned flags[] = {0x10, 0x18, 0x10, 0x11, 0x02, 0x14};
        add(s, (struct datagram){.ns = 1000 * SECOND + i * INT64_C(2000000),
                                 .src = back ? server : client,
                                 .dst = back ? client : server,
                                 .sport = back ? service : port,
                                 .dport = back ? port : service,
                                 .payload = (unsigned)sl_rng_below(&rng, 60),
                                 .proto = tcp ? 6 : 17,
                                 .seq = i * 100,
                                 .flags = flags[sl_rng_below(&rng, 6)]});
    }
}

// ---- rows as text

struct rows {
    struct sl_str text;
    size_t n;
    unsigned begun;
    int64_t first_ns;
};

static void on_flow(void *ctx, const struct sl_engine *e, struct sl_flow_state *f)
{
    struct rows *r = ctx;
    struct sl_tuple u = sl_flow_tuple(f);
    r->n++;
    sl_str_addf(&r->text, "%" PRIu64 " %u:%u>%u:%u/%u %u,%u %" PRIu64 ",%" PRIu64 " %s\n", f->id,
                u.src.b[3], u.sport, u.dst.b[3], u.dport, u.proto, f->packets[0], f->packets[1],
                sl_flow_sum(e, f, SL_SUM_BYTES, 0), sl_flow_sum(e, f, SL_SUM_BYTES, 1),
                sl_end_reason_name(f->end));
}

static bool begin(void *ctx, unsigned threads, int64_t first_ns, struct sl_error *err)
{
    struct rows *r = ctx;
    (void)threads, (void)err;
    r->begun++;
    r->first_ns = first_ns;
    return true;
}

static bool run_trace(struct sl_trace *t, struct sl_pass_options o, struct rows *r,
                      struct sl_pass_counts *c, struct sl_error *err)
{
    struct sl_pass_source source = sl_pass_trace(t);
    *r = (struct rows){0};
    o.on_flow = on_flow;
    o.begin = begin;
    o.ctx = r;
    o.threads = o.threads ? o.threads : 1;
    return sl_pass_run(&source, &o, c, err);
}

static void run(const struct sl_str *s, struct sl_pass_options o, struct rows *r,
                struct sl_pass_counts *c)
{
    struct sl_error err = {0};
    struct sl_trace *t = sl_trace_open_bytes((const uint8_t *)sl_str_text(s), s->len, "test", &err);
    assert_non_null(t);
    if (!run_trace(t, o, r, c, &err))
        fail_msg("%s", err.msg);
    sl_trace_close(t);
}

// ---- tests

static void rows_do_not_depend_on_threads(void **state)
{
    (void)state;
    struct sl_str s = {0};
    begin_capture(&s), add_many(&s);
    struct rows one, other;
    struct sl_pass_counts c, d;
    struct sl_pass_options o = {.engine = {.idle_ns = 3 * SECOND, .closing_ns = SECOND}};
    run(&s, o, &one, &c);
    assert_int_equal(c.packets, 20000);
    assert_int_equal(c.kinds[SL_PACKET_OK], 20000);
    assert_true(one.n > 300 && one.n == c.flows.flows);
    static const unsigned threads[] = {2, 3, 8};
    for (int alone = 0; alone < 2; alone++) {
        for (size_t i = 0; i < 3; i++) {
            o.threads = threads[i];
            o.hand_out_alone = alone;
            run(&s, o, &other, &d);
            assert_string_equal(sl_str_text(&one.text), sl_str_text(&other.text));
            assert_int_equal(d.threads, threads[i]);
            assert_int_equal(other.begun, 1);
            assert_int_equal(d.bytes, c.bytes);
            sl_str_done(&other.text);
        }
    }
    sl_str_done(&one.text), sl_str_done(&s);
}

static void a_full_table_evicts_the_same_flows_with_any_threads(void **state)
{
    (void)state;
    struct sl_str s = {0};
    begin_capture(&s), add_many(&s);
    struct rows one, other;
    struct sl_pass_counts c, d;
    struct sl_pass_options o = {.engine = {.max_flows = 64}};
    run(&s, o, &one, &c);
    assert_true(c.flows.evicted > 0 && c.flows.peak_live <= 64);
    o.threads = 3;
    run(&s, o, &other, &d);
    assert_string_equal(sl_str_text(&one.text), sl_str_text(&other.text));
    assert_int_equal(c.flows.evicted, d.flows.evicted);
    sl_str_done(&one.text), sl_str_done(&other.text), sl_str_done(&s);
}

static void a_pipe_gives_the_rows_of_the_file(void **state)
{
    (void)state;
    struct sl_str s = {0};
    begin_capture(&s), add_many(&s);
    struct rows file, piped;
    struct sl_pass_counts c, d;
    struct sl_pass_options o = {.engine = {.idle_ns = 3 * SECOND}, .threads = 2};
    run(&s, o, &file, &c);
    char folder[] = "/tmp/sluice-pass-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        size_t at = 0;
        while (fd >= 0 && at < s.len) { // in pieces that end inside of packets
            size_t n = s.len - at < 4099 ? s.len - at : 4099;
            ssize_t w = write(fd, sl_str_text(&s) + at, n);
            if (w <= 0)
                break;
            at += (size_t)w;
        }
        _exit(at < s.len);
    }
    struct sl_error err = {0};
    struct sl_trace *t = sl_trace_open(path, &err);
    assert_non_null(t);
    assert_true(run_trace(t, o, &piped, &d, &err));
    sl_trace_close(t);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    unlink(path), rmdir(folder);
    assert_string_equal(sl_str_text(&file.text), sl_str_text(&piped.text));
    sl_str_done(&file.text), sl_str_done(&piped.text), sl_str_done(&s);
}

static void a_later_fragment_joins_the_flow_of_its_first(void **state)
{
    (void)state;
    struct sl_str s = {0};
    begin_capture(&s);
    struct datagram d = {.ns = SECOND,
                         .src = 1,
                         .dst = 2,
                         .sport = 7,
                         .dport = 53,
                         .id = 9,
                         .more = 1,
                         .payload = 24};
    add(&s, d);
    d.more = 0, d.offset = 32, d.payload = 10, d.ns += 5;
    add(&s, d);
    d.id = 10, d.ns += 5; // whose first was never seen
    add(&s, d);
    struct rows r;
    struct sl_pass_counts c;
    run(&s, (struct sl_pass_options){0}, &r, &c);
    // 20 + 8 + 24 and 20 + 10 bytes of raw IP; flows end together, so by their first packet
    assert_string_equal(sl_str_text(&r.text), "0 1:7>2:53/17 2,0 82,0 eof\n"
                                              "2 1:0>2:0/17 1,0 30,0 eof\n");
    assert_int_equal(c.fragments, 1);
    assert_int_equal(c.fragments_unknown, 1);
    sl_str_done(&r.text), sl_str_done(&s);
}

// Ten packets of one flow, one each second from 1 s on.
static void ten_seconds(struct sl_str *s)
{
    begin_capture(s);
    for (int i = 1; i <= 10; i++)
        add(s, (struct datagram){
                   .ns = i * SECOND, .src = 1, .dst = 2, .sport = 7, .dport = 53, .payload = 2});
}

static void damage_ends_the_pass_with_what_was_read(void **state)
{
    (void)state;
    struct sl_str s = {0};
    ten_seconds(&s);
    struct sl_error err = {0};
    // 24 bytes of header; a packet takes 16 + 30: the seventh lacks its last byte
    struct sl_trace *t =
        sl_trace_open_bytes((const uint8_t *)sl_str_text(&s), 24 + 7 * 46 - 1, "test", &err);
    struct rows r;
    struct sl_pass_counts c;
    assert_true(run_trace(t, (struct sl_pass_options){.threads = 2}, &r, &c, &err));
    assert_string_equal(sl_str_text(&r.text), "0 1:7>2:53/17 6,0 180,0 eof\n");
    assert_non_null(sl_trace_damage(t));
    assert_non_null(strstr(sl_trace_damage(t), "packet 7"));
    sl_trace_close(t);
    sl_str_done(&r.text), sl_str_done(&s);
}

static void from_is_inside_and_to_is_outside(void **state)
{
    (void)state;
    struct sl_str s = {0};
    ten_seconds(&s);
    struct rows r;
    struct sl_pass_counts c;
    run(&s, (struct sl_pass_options){.from_ns = 3 * SECOND, .to_ns = 7 * SECOND}, &r, &c);
    // 3, 4, 5, 6 s; the packet at 3 s is number 2 of the trace
    assert_string_equal(sl_str_text(&r.text), "2 1:7>2:53/17 4,0 120,0 eof\n");
    assert_int_equal(c.packets, 4);
    assert_int_equal(c.outside, 6);
    assert_true(c.first_ns == 3 * SECOND && c.last_ns == 6 * SECOND);
    assert_true(r.first_ns == 3 * SECOND);
    sl_str_done(&r.text), sl_str_done(&s);
}

static void no_packet_in_time_is_no_flow_and_no_beginning(void **state)
{
    (void)state;
    struct sl_str s = {0};
    ten_seconds(&s);
    struct rows r;
    struct sl_pass_counts c;
    run(&s, (struct sl_pass_options){.from_ns = 100 * SECOND}, &r, &c);
    assert_int_equal(r.n, 0);
    assert_int_equal(r.begun, 0);
    assert_int_equal(c.outside, 10);
    sl_str_done(&s);
}

static void max_packets_is_exact(void **state)
{
    (void)state;
    struct sl_str s = {0};
    begin_capture(&s), add_many(&s);
    static const uint64_t max[] = {1, 1024, 4097, 20000, 30000};
    for (size_t i = 0; i < sizeof max / sizeof *max; i++) {
        for (unsigned threads = 1; threads <= 2; threads++) {
            struct rows r;
            struct sl_pass_counts c;
            run(&s, (struct sl_pass_options){.max_packets = max[i], .threads = threads}, &r, &c);
            assert_int_equal(c.packets, max[i] < 20000 ? max[i] : 20000);
            sl_str_done(&r.text);
        }
    }
    sl_str_done(&s);
}

static void a_silent_flow_ends_and_its_next_packet_begins_another(void **state)
{
    (void)state;
    struct sl_str s = {0};
    begin_capture(&s);
    struct datagram d = {.ns = SECOND, .src = 1, .dst = 2, .sport = 7, .dport = 53};
    add(&s, d);
    d.ns += 2 * SECOND + 1; // longer than idle
    add(&s, d);
    d.ns += 2 * SECOND; // as long as idle: still the same
    add(&s, d);
    struct rows r;
    struct sl_pass_counts c;
    run(&s, (struct sl_pass_options){.engine = {.idle_ns = 2 * SECOND}}, &r, &c);
    assert_string_equal(sl_str_text(&r.text), "0 1:7>2:53/17 1,0 28,0 idle\n"
                                              "1 1:7>2:53/17 2,0 56,0 eof\n");
    sl_str_done(&r.text), sl_str_done(&s);
}

static void an_earlier_stamp_is_counted(void **state)
{
    (void)state;
    struct sl_str s = {0};
    begin_capture(&s);
    static const int seconds[] = {5, 4, 6};
    for (int i = 0; i < 3; i++)
        add(&s, (struct datagram){.ns = seconds[i] * SECOND, .src = 1, .dst = 2});
    struct rows r;
    struct sl_pass_counts c;
    run(&s, (struct sl_pass_options){0}, &r, &c);
    assert_int_equal(c.backward_stamps, 1);
    assert_true(c.first_ns == 4 * SECOND && c.last_ns == 6 * SECOND);
    sl_str_done(&r.text), sl_str_done(&s);
}

static bool broken(void *ctx, struct sl_trace_packet *out, size_t max, size_t *n,
                   struct sl_error *err)
{
    (void)ctx, (void)out, (void)max, (void)n;
    return sl_fail(err, SL_EINPUT, "the disk is gone");
}

static void what_the_source_says_is_handed_on(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct sl_pass_source source = {.read = broken};
        struct sl_pass_options o = {.threads = threads};
        struct sl_pass_counts c;
        struct sl_error err = {0};
        assert_false(sl_pass_run(&source, &o, &c, &err));
        assert_string_equal(err.msg, "the disk is gone");
    }
}

static bool stop(void *ctx, struct sl_error *err)
{
    (void)ctx;
    return sl_fail(err, SL_ERUN, "enough");
}

static void a_caller_that_cannot_write_stops_the_pass(void **state)
{
    (void)state;
    struct sl_str s = {0};
    begin_capture(&s), add_many(&s);
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct sl_error err = {0};
        struct sl_trace *t =
            sl_trace_open_bytes((const uint8_t *)sl_str_text(&s), s.len, "test", &err);
        struct rows r;
        struct sl_pass_counts c;
        struct sl_pass_options o = {.threads = threads, .after_batch = stop};
        assert_false(run_trace(t, o, &r, &c, &err));
        assert_string_equal(err.msg, "enough");
        assert_true(c.packets < 20000);
        sl_trace_close(t);
        sl_str_done(&r.text);
    }
    sl_str_done(&s);
}

// From here on the interruption stays.
static void an_interruption_ends_the_pass(void **state)
{
    (void)state;
    struct sl_str s = {0};
    begin_capture(&s), add_many(&s);
    sl_interrupt();
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct sl_error err = {0};
        struct sl_trace *t =
            sl_trace_open_bytes((const uint8_t *)sl_str_text(&s), s.len, "test", &err);
        struct rows r;
        struct sl_pass_counts c;
        assert_false(run_trace(t, (struct sl_pass_options){.threads = threads}, &r, &c, &err));
        assert_int_equal(err.code, SL_EINTR);
        sl_trace_close(t);
        sl_str_done(&r.text);
    }
    sl_str_done(&s);
}

static void an_interruption_ends_the_pass_of_the_cic_semantics_too(void **state)
{
    (void)state;
    assert_true(sl_interrupted()); // by the test before
    struct sl_str s = {0};
    begin_capture(&s), add_many(&s);
    struct sl_error err = {0};
    struct sl_trace *t = sl_trace_open_bytes((const uint8_t *)sl_str_text(&s), s.len, "test", &err);
    struct sl_pass_source source = sl_pass_trace(t);
    struct sl_pass_counts c;
    struct sl_cic_counts cic;
    assert_false(
        sl_cic_pass_run(&source, &(struct sl_cic_pass_options){.trace = t}, &c, &cic, &err));
    assert_int_equal(err.code, SL_EINTR);
    sl_trace_close(t);
    sl_str_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_do_not_depend_on_threads),
        cmocka_unit_test(a_full_table_evicts_the_same_flows_with_any_threads),
        cmocka_unit_test(a_pipe_gives_the_rows_of_the_file),
        cmocka_unit_test(a_later_fragment_joins_the_flow_of_its_first),
        cmocka_unit_test(damage_ends_the_pass_with_what_was_read),
        cmocka_unit_test(from_is_inside_and_to_is_outside),
        cmocka_unit_test(no_packet_in_time_is_no_flow_and_no_beginning),
        cmocka_unit_test(max_packets_is_exact),
        cmocka_unit_test(a_silent_flow_ends_and_its_next_packet_begins_another),
        cmocka_unit_test(an_earlier_stamp_is_counted),
        cmocka_unit_test(what_the_source_says_is_handed_on),
        cmocka_unit_test(a_caller_that_cannot_write_stops_the_pass),
        cmocka_unit_test(an_interruption_ends_the_pass),
        cmocka_unit_test(an_interruption_ends_the_pass_of_the_cic_semantics_too),
    };
    return cmocka_run_group_tests_name("pass", tests, NULL, NULL);
}
