// SPDX-License-Identifier: Apache-2.0
#include "../support/capture_bytes.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/rng.h"
#include "base/zip.h"
#include "net/pcapfile.h"
#include "net/trace.h"
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
// cmocka wants the headers above first.
#include <cmocka.h>

#define S INT64_C(1000000000)

struct seen { // a packet, copied out of its batch
    struct sl_trace_packet p;
    uint8_t first, last; // bytes of it
};
struct reading {
    struct seen at[64];
    size_t n;
    struct sl_trace_info info;
    char damage[700];
};

static void read_all(struct sl_trace *t, size_t batch, struct reading *r)
{
    struct sl_trace_packet out[64];
    struct sl_error err = {0};
    *r = (struct reading){0};
    for (size_t n = 1; n > 0;) {
        assert_true(sl_trace_read(t, out, batch, &n, &err));
        for (size_t i = 0; i < n; i++) {
            assert_true(r->n < 64);
            assert_true(out[i].captured <= out[i].wire_bytes);
            r->at[r->n++] =
                (struct seen){.p = out[i],
                              .first = out[i].captured ? out[i].data[0] : 0,
                              .last = out[i].captured ? out[i].data[out[i].captured - 1] : 0};
        }
    }
    sl_trace_info(t, &r->info);
    assert_int_equal(r->info.packets, r->n);
    snprintf(r->damage, sizeof r->damage, "%s", sl_trace_damage(t) ? sl_trace_damage(t) : "");
}

static struct sl_trace *open_capture(const struct capture *c)
{
    struct sl_error err = {0};
    struct sl_trace *t = sl_trace_open_bytes(capture_bytes(c), c->s.len, "bytes", &err);
    if (!t)
        fail_msg("%s", err.msg);
    return t;
}

// Reads a capture in one go. Texts of info are gone with the trace.
static void read_capture(const struct capture *c, struct reading *r)
{
    struct sl_trace *t = open_capture(c);
    read_all(t, 64, r);
    sl_trace_close(t);
}

static void pcap_of_each_magic_and_byte_order(void **state)
{
    (void)state;
    static const struct {
        uint32_t magic;
        int64_t unit_ns;
    } kinds[] = {{0xa1b2c3d4, 1000}, {0xa1b23c4d, 1}};
    for (int big = 0; big < 2; big++)
        for (size_t k = 0; k < 2; k++) {
            struct capture c = {.big = big};
            pcap_file(&c, kinds[k].magic, 65535, 1);
            pcap_record(&c, 1700000000, 123456, 60, 60, 0xaa);
            pcap_record(&c, 4294967295, 999999, 14, 1514, 0xbb); // seconds are unsigned: 2106
            pcap_record(&c, 0, 0, 0, 0, 0);
            struct reading r;
            read_capture(&c, &r);
            assert_string_equal(r.damage, "");
            assert_int_equal(r.n, 3);
            assert_true(r.at[0].p.ts_ns == 1700000000 * S + 123456 * kinds[k].unit_ns);
            assert_true(r.at[1].p.ts_ns == 4294967295 * S + 999999 * kinds[k].unit_ns);
            assert_int_equal(r.at[0].first, 0xaa);
            assert_int_equal(r.at[1].last, 0xbb);
            assert_int_equal(r.at[1].p.captured, 14);
            assert_int_equal(r.at[1].p.wire_bytes, 1514);
            assert_int_equal(r.at[1].p.linktype, 1);
            assert_string_equal(r.info.format, "pcap");
            assert_int_equal(r.info.n_interfaces, 1);
            sl_str_done(&c.s);
        }
}

static void upper_bits_of_the_link_type_are_the_frame_check_sequence(void **state)
{
    (void)state;
    struct capture c = {0};
    pcap_file(&c, 0xa1b2c3d4, 96, 0x24000001); // 2 units of 16 bits, known (bit 26), Ethernet
    pcap_record(&c, 1, 0, 64, 64, 1);
    struct sl_trace *t = open_capture(&c);
    const struct sl_trace_interface *i = sl_trace_interface(t, 0);
    assert_int_equal(i->linktype, 1);
    assert_int_equal(i->fcs_bytes, 4);
    assert_int_equal(i->snaplen, 96);
    assert_true(i->ticks_per_s == 1000000);
    assert_string_equal(i->name, "");
    assert_true(i->received == UINT64_MAX && i->dropped == UINT64_MAX);
    assert_null(sl_trace_interface(t, 1));
    struct reading r;
    read_all(t, 64, &r);
    assert_int_equal(i->packets, 1);
    sl_trace_close(t);
    sl_str_done(&c.s);
}

static void a_captured_length_above_the_wire_length_lengthens_the_wire(void **state)
{
    (void)state;
    struct capture c = {0};
    pcap_file(&c, 0xa1b2c3d4, 65535, 1);
    pcap_record(&c, 1, 0, 64, 60, 1);
    struct reading r;
    read_capture(&c, &r);
    assert_int_equal(r.at[0].p.captured, 64);
    assert_int_equal(r.at[0].p.wire_bytes, 64);
    sl_str_done(&c.s);
}

static void lengths_of_files_before_version_2_3_are_the_other_way_round(void **state)
{
    (void)state;
    for (int minor = 2; minor <= 3; minor++) { // 2.3 may have it either way
        struct capture c = {0};
        pcap_file(&c, 0xa1b2c3d4, 65535, 1);
        c.s.text[6] = (char)minor;
        put(&c, 7, 4);
        put(&c, 0, 4);
        put(&c, 1000, 4); // wire
        put(&c, 20, 4);   // captured
        put_fill(&c, 0xcc, 20);
        struct reading r;
        read_capture(&c, &r);
        assert_int_equal(r.n, 1);
        assert_int_equal(r.at[0].p.captured, 20);
        assert_int_equal(r.at[0].p.wire_bytes, 1000);
        assert_int_equal(r.at[0].last, 0xcc);
        sl_str_done(&c.s);
    }
}

static void the_modified_format_has_eight_more_bytes_per_record(void **state)
{
    (void)state;
    struct capture c = {.big = true};
    pcap_file(&c, 0xa1b2cd34, 65535, 1);
    for (int i = 0; i < 2; i++) {
        pcap_record(&c, 5, 1, 0, 10, 0);
        poke32(&c, c.s.len - 8, 10); // captured
        put_fill(&c, 0x11, 8);       // interface, protocol, kind, padding
        put_fill(&c, 0x99, 10);
    }
    struct reading r;
    read_capture(&c, &r);
    assert_int_equal(r.n, 2);
    assert_int_equal(r.at[1].first, 0x99);
    assert_true(r.at[1].p.ts_ns == 5 * S + 1000);
    sl_str_done(&c.s);
}

static void pcapng_keeps_what_its_options_say(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        struct capture c = {.big = big};
        size_t b = ng_section_begin(&c);
        ng_text(&c, 1, "first comment");
        ng_text(&c, 1, "second comment");
        ng_text(&c, 2, "a laptop");
        ng_text(&c, 3, "Linux 6");
        ng_text(&c, 4, "dumpcap");
        ng_option(&c, 0, "", 0);
        ng_end(&c, b);
        b = ng_interface_begin(&c, 101, 256);
        ng_text(&c, 2, "eth0");
        ng_text(&c, 3, "uplink");
        ng_text(&c, 1, "noisy");
        ng_option(&c, 11, "\0tcp port 80", 12);
        ng_text(&c, 12, "Linux 5");
        ng_text(&c, 15, "a card");
        ng_option(&c, 13, "\x20", 1); // 32 bits
        ng_option(&c, 9, "\x09", 1);
        ng_end(&c, b); // no end-of-options: it may be missing
        b = ng_packet_begin(&c, 0, 1700000000123456789, 5, 60, 0xab);
        ng_text(&c, 1, "look here");
        ng_text(&c, 1, "and here");
        ng_option(&c, 0, "", 0);
        ng_end(&c, b);
        b = ng_begin(&c, 5);
        put(&c, 0, 4);
        put(&c, 0, 8);
        ng_option64(&c, 4, 1000);
        ng_option64(&c, 5, 7);
        ng_end(&c, b);

        struct sl_trace *t = open_capture(&c);
        struct reading r;
        read_all(t, 64, &r);
        assert_string_equal(r.damage, "");
        assert_string_equal(r.info.format, "pcapng");
        assert_string_equal(r.info.comment, "first comment");
        assert_string_equal(r.info.hardware, "a laptop");
        assert_string_equal(r.info.os, "Linux 6");
        assert_string_equal(r.info.application, "dumpcap");
        assert_int_equal(r.info.packet_comments, 2);
        assert_int_equal(r.info.skipped_blocks, 1); // statistics
        const struct sl_trace_interface *i = sl_trace_interface(t, 0);
        assert_string_equal(i->name, "eth0");
        assert_string_equal(i->description, "uplink");
        assert_string_equal(i->comment, "noisy");
        assert_string_equal(i->filter, "tcp port 80");
        assert_string_equal(i->os, "Linux 5");
        assert_string_equal(i->hardware, "a card");
        assert_int_equal(i->fcs_bytes, 4);
        assert_int_equal(i->linktype, 101);
        assert_int_equal(i->snaplen, 256);
        assert_true(i->ticks_per_s == 1000000000);
        assert_true(i->received == 1000 && i->dropped == 7 && i->packets == 1);
        assert_int_equal(r.n, 1);
        assert_true(r.at[0].p.ts_ns == 1700000000123456789);
        assert_int_equal(r.at[0].p.captured, 5);
        assert_int_equal(r.at[0].p.wire_bytes, 60);
        assert_int_equal(r.at[0].last, 0xab);
        sl_trace_close(t);
        sl_str_done(&c.s);
    }
}

static void interfaces_of_all_sections_are_numbered_through(void **state)
{
    (void)state;
    struct capture c = {0};
    ng_section(&c);
    ng_interface(&c, 1, 0);
    ng_interface(&c, 113, 0);
    ng_packet(&c, 1, 2000000, 4, 4, 1);
    c.big = true; // a section of another machine
    ng_section(&c);
    ng_interface(&c, 276, 0);
    ng_packet(&c, 0, 3000000, 4, 4, 2);
    struct reading r;
    read_capture(&c, &r);
    assert_string_equal(r.damage, "");
    assert_int_equal(r.n, 2);
    assert_int_equal(r.info.n_interfaces, 3);
    assert_int_equal(r.at[0].p.interface, 1);
    assert_int_equal(r.at[0].p.linktype, 113);
    assert_int_equal(r.at[1].p.interface, 2);
    assert_int_equal(r.at[1].p.linktype, 276);
    assert_true(r.at[1].p.ts_ns == 3 * S);
    sl_str_done(&c.s);
}

static void simple_and_obsolete_packet_blocks(void **state)
{
    (void)state;
    struct capture c = {0};
    ng_section(&c);
    ng_interface(&c, 1, 6); // snapshot length 6
    size_t b = ng_begin(&c, 2);
    put(&c, 0, 2);    // interface
    put(&c, 9, 2);    // drops
    put(&c, 0, 4);    // time, high
    put(&c, 1500, 4); // time, low
    put(&c, 3, 4);
    put(&c, 90, 4);
    put_fill(&c, 0x22, 3);
    ng_end(&c, b);
    b = ng_begin(&c, 3);
    put(&c, 40, 4); // on the wire; 6 are there
    put_fill(&c, 0x33, 6);
    ng_end(&c, b);
    struct reading r;
    read_capture(&c, &r);
    assert_string_equal(r.damage, "");
    assert_int_equal(r.n, 2);
    assert_true(r.at[0].p.ts_ns == 1500000);
    assert_int_equal(r.at[0].p.captured, 3);
    assert_int_equal(r.at[0].p.wire_bytes, 90);
    assert_int_equal(r.at[1].p.captured, 6);
    assert_int_equal(r.at[1].p.wire_bytes, 40);
    assert_int_equal(r.at[1].last, 0x33);
    assert_true(r.at[1].p.ts_ns == 1500000); // it has none: that of the packet before
    assert_int_equal(r.info.packets_without_time, 1);
    sl_str_done(&c.s);
}

static void blocks_of_other_kinds_are_passed_over_and_counted(void **state)
{
    (void)state;
    struct capture c = {0};
    ng_section(&c);
    ng_interface(&c, 1, 0);
    static const uint32_t kinds[] = {4, 9, 10, 0xbad, 0x40000bad, 0x12345678};
    for (size_t i = 0; i < 6; i++) {
        size_t b = ng_begin(&c, kinds[i]);
        put_fill(&c, 0xee, i * 4);
        ng_end(&c, b);
        ng_packet(&c, 0, i, 1, 1, (uint8_t)i);
    }
    struct reading r;
    read_capture(&c, &r);
    assert_string_equal(r.damage, "");
    assert_int_equal(r.n, 6);
    assert_int_equal(r.info.skipped_blocks, 6);
    sl_str_done(&c.s);
}

// Each line by hand: ticks / units per second, plus offset.
static void time_stamps_of_any_resolution_are_exact(void **state)
{
    (void)state;
    static const struct {
        uint8_t resolution;
        int64_t offset_s;
        uint64_t ticks;
        int64_t ns;
    } cases[] = {
        {0, 0, 17, 17 * S},                                  // 10^0
        {3, 0, 1700000000123, 1700000000123000000},          // 10^-3
        {6, 5, 1000001, 6 * S + 1000},                       // microseconds and 5 s
        {6, -1, 999999, -1000},                              // before the offset was added
        {7, 0, 17000000001234567, 1700000000123456700},      // 10^-7, as Windows counts
        {9, 0, 1700000000123456789, 1700000000123456789},    //
        {12, 0, 1999, 1},                                    // 1999 ps: cut to 1 ns
        {12, 1700000000, 123456789012, 1700000000123456789}, // picoseconds
        {19, 0, 18446744073709551615u, 1844674407},          // 10^-19 s: 1.8446744073709551615 s
        {0x80, 0, 3, 3 * S},                                 // 2^0
        {0x81, 0, 3, 3 * S / 2},                             // 2^-1
        {0x8a, 0, 1025, S + 976562},                         // 1/1024 s = 976562.5 ns
        {0xa0, 0, (UINT64_C(1700000000) << 32) + 0x80000000u, 1700000000 * S + S / 2}, // NTP-like
        {0xbf, 0, UINT64_C(1) << 63, S},                                               // 2^-63
        {0xbf, 0, UINT64_MAX, 2 * S - 1},                                              //
        {0, 0, UINT64_MAX, SL_TRACE_MAX_NS},                   // beyond the limit: the limit
        {9, 0, UINT64_MAX, SL_TRACE_MAX_NS},                   //
        {9, INT64_MIN, 5, -SL_TRACE_MAX_NS},                   //
        {6, INT64_MAX, 5, SL_TRACE_MAX_NS},                    //
        {9, -9223372037, 9223372036854775807, -S + 854775807}, // (2^63-1 ns) - 9223372037 s
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct capture c = {0};
        ng_section(&c);
        size_t b = ng_interface_begin(&c, 1, 0);
        ng_option(&c, 9, &cases[i].resolution, 1);
        ng_option64(&c, 14, (uint64_t)cases[i].offset_s);
        ng_end(&c, b);
        ng_packet(&c, 0, cases[i].ticks, 1, 1, 1);
        struct reading r;
        read_capture(&c, &r);
        assert_int_equal(r.n, 1);
        bool limited = cases[i].ns == SL_TRACE_MAX_NS || cases[i].ns == -SL_TRACE_MAX_NS;
        assert_int_equal(r.info.packets_time_limited, limited);
        if (r.at[0].p.ts_ns != cases[i].ns)
            fail_msg("case %zu: %" PRId64 " instead of %" PRId64, i, r.at[0].p.ts_ns, cases[i].ns);
        sl_str_done(&c.s);
    }
}

// A capture that is larger than the buffers, its packets of all sizes and recognisable.
static void invent(struct capture *c, uint64_t seed, size_t packets, bool pcapng)
{
    struct sl_rng rng = sl_rng_stream(seed, "test.trace", pcapng);
    c->s.max = 64 << 20;
    if (pcapng) {
        ng_section(c);
        ng_interface(c, 1, 0);
    } else {
        pcap_file(c, 0xa1b2c3d4, 262144, 1);
    }
    for (size_t i = 0; i < packets; i++) {
        uint32_t len = (uint32_t)sl_rng_below(&rng, sl_rng_below(&rng, 50) ? 1600 : 100000);
        if (pcapng && sl_rng_below(&rng, 20) == 0) { // something to pass over, at times large
            size_t b = ng_begin(c, 0xbad);
            put_fill(c, 0xfe, sl_rng_below(&rng, sl_rng_below(&rng, 5) ? 100 : 700000));
            ng_end(c, b);
        }
        if (pcapng)
            ng_packet(c, 0, i, len, len, (uint8_t)i);
        else
            pcap_record(c, 0, (uint32_t)i, len, len, (uint8_t)i);
    }
}

struct batch {
    struct sl_trace_packet p[256];
    size_t n;
};

static void check_batch(const struct batch *b, uint64_t first)
{
    for (size_t i = 0; i < b->n; i++) {
        assert_true(b->p[i].ts_ns == (int64_t)(first + i) * 1000);
        for (uint32_t k = 0; k < b->p[i].captured; k++)
            if (b->p[i].data[k] != (uint8_t)(first + i))
                fail_msg("packet %zu of the batch at %" PRIu64 " is not what it was", i, first);
    }
}

// Reads batches of odd sizes; each is looked at again after the next one was read.
static uint64_t read_twice(struct sl_trace *t, uint64_t seed)
{
    struct sl_rng rng = sl_rng_stream(seed, "test.trace.batches", 0);
    static struct batch batches[2];
    struct sl_error err = {0};
    uint64_t first[2] = {0, 0}, packets = 0;
    batches[0].n = batches[1].n = 0;
    for (int k = 0;; k = !k) {
        size_t max = 1 + (size_t)sl_rng_below(&rng, 256);
        assert_true(sl_trace_read(t, batches[k].p, max, &batches[k].n, &err));
        first[k] = packets;
        packets += batches[k].n;
        check_batch(&batches[!k], first[!k]);
        check_batch(&batches[k], first[k]);
        if (batches[k].n == 0)
            return packets;
    }
}

static void write_file(const char *path, const void *p, size_t len)
{
    struct sl_error err = {0};
    if (!sl_write_file(path, p, len, &err))
        fail_msg("%s", err.msg);
}

static void gzip_file(const char *path, const struct capture *c, int level)
{
    char mode[8];
    snprintf(mode, sizeof mode, "wb%d", level);
    gzFile f = gzopen(path, mode);
    assert_non_null(f);
    assert_int_equal(gzwrite(f, c->s.text, (unsigned)c->s.len), (int)c->s.len);
    assert_int_equal(gzclose(f), Z_OK);
}

static void zstd_file(const char *path, const struct capture *c)
{
    struct sl_str z = {.max = 64 << 20};
    for (size_t at = 0; at < c->s.len;) { // several frames, cut anywhere
        size_t len = c->s.len - at < 300001 ? c->s.len - at : 300001, cap = sl_zstd_bound(len);
        char *frame = malloc(cap);
        size_t n = sl_zstd_compress(frame, cap, c->s.text + at, len, 1);
        assert_true(n > 0);
        sl_str_addn(&z, frame, n);
        free(frame);
        at += len;
    }
    write_file(path, z.text, z.len);
    sl_str_done(&z);
}

static void batches_hold_until_the_second_next_call_from_every_source(void **state)
{
    (void)state;
    uint64_t seed = 20261125;
    print_message("# seed %" PRIu64 "\n", seed);
    char dir[] = "/tmp/sluice-trace-XXXXXX";
    assert_non_null(mkdtemp(dir));
    static const char *const names[] = {"plain", "gzip", "zstd"};
    for (int ng = 0; ng < 2; ng++) {
        struct capture c = {0};
        invent(&c, seed, 3000, ng);
        assert_false(c.s.truncated);
        struct sl_trace *t = open_capture(&c);
        assert_int_equal(read_twice(t, seed), 3000);
        sl_trace_close(t);
        for (int k = 0; k < 3; k++) {
            char path[64];
            snprintf(path, sizeof path, "%s/x", dir);
            if (k == 0)
                write_file(path, c.s.text, c.s.len);
            else if (k == 1)
                gzip_file(path, &c, 1);
            else
                zstd_file(path, &c);
            struct sl_error err = {0};
            t = sl_trace_open(path, &err);
            if (!t)
                fail_msg("%s: %s", names[k], err.msg);
            assert_int_equal(read_twice(t, seed + (uint64_t)k), 3000);
            assert_null(sl_trace_damage(t));
            struct sl_trace_info info;
            sl_trace_info(t, &info);
            assert_string_equal(info.compression, k ? names[k] : "");
            assert_true(info.file_bytes > 0);
            sl_trace_close(t);
        }
        sl_str_done(&c.s);
    }
    struct sl_error err = {0};
    assert_true(sl_remove_tree(dir, &err));
}

static void what_was_written_is_read_back(void **state)
{
    (void)state;
    uint64_t seed = 7;
    print_message("# seed %" PRIu64 "\n", seed);
    char path[] = "/tmp/sluice-trace-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    enum { N = 5000 };
    static struct {
        int64_t ts_ns;
        uint32_t captured, wire;
        uint8_t fill;
    } made[N];
    struct sl_rng rng = sl_rng_stream(seed, "test.trace.write", 0);
    struct sl_error err = {0};
    struct sl_pcap_writer *w = sl_pcap_create(path, 2000, &err);
    assert_non_null(w);
    for (int i = 0; i < N; i++) {
        uint8_t frame[4000];
        made[i].ts_ns = (int64_t)sl_rng_below(&rng, 4294967296 * (uint64_t)S);
        made[i].wire = (uint32_t)sl_rng_below(&rng, sizeof frame);
        made[i].captured = made[i].wire < 2000 ? made[i].wire : 2000;
        made[i].fill = (uint8_t)sl_rng_u64(&rng);
        memset(frame, made[i].fill, sizeof frame);
        assert_true(sl_pcap_write(w, made[i].ts_ns, frame, made[i].wire, made[i].wire, &err));
    }
    assert_true(sl_pcap_close(w, &err));

    struct sl_trace *t = sl_trace_open(path, &err);
    assert_non_null(t);
    static struct batch b;
    size_t i = 0;
    do {
        assert_true(sl_trace_read(t, b.p, 256, &b.n, &err));
        for (size_t k = 0; k < b.n; k++, i++) {
            assert_true(b.p[k].ts_ns == made[i].ts_ns);
            assert_int_equal(b.p[k].captured, made[i].captured);
            assert_int_equal(b.p[k].wire_bytes, made[i].wire);
            for (uint32_t o = 0; o < b.p[k].captured; o++)
                assert_int_equal(b.p[k].data[o], made[i].fill);
        }
    } while (b.n > 0);
    assert_int_equal(i, N);
    assert_null(sl_trace_damage(t));
    sl_trace_close(t);
    unlink(path);
}

struct feeder { // writes to a pipe, piece by piece
    int fd;
    const struct capture *c;
    size_t piece;
};

static void *feed(void *ctx)
{
    struct feeder *f = ctx;
    for (size_t at = 0; at < f->c->s.len;) {
        size_t len = f->c->s.len - at < f->piece ? f->c->s.len - at : f->piece;
        ssize_t n = write(f->fd, f->c->s.text + at, len);
        if (n < 0)
            break;
        at += (size_t)n;
    }
    close(f->fd);
    return NULL;
}

static void a_pipe_is_read_whatever_the_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = {7, 4096, 65536};
    for (size_t k = 0; k < 3; k++)
        for (int ng = 0; ng < 2; ng++) {
            struct capture c = {0};
            invent(&c, k, k ? 2000 : 60, ng);
            int ends[2];
            assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
            struct feeder f = {.fd = ends[1], .c = &c, .piece = pieces[k]};
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, feed, &f), 0);
            char path[32];
            snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
            struct sl_error err = {0};
            struct sl_trace *t = sl_trace_open(path, &err);
            assert_non_null(t);
            close(ends[0]);
            assert_int_equal(read_twice(t, k), k ? 2000 : 60);
            struct sl_trace_info info;
            sl_trace_info(t, &info);
            assert_true(info.file_bytes == 0);
            assert_null(sl_trace_damage(t));
            sl_trace_close(t);
            pthread_join(thread, NULL);
            sl_str_done(&c.s);
        }
}

// The writer keeps its end open: a reader that waited for a full buffer would wait for ever.
static void packets_of_a_slow_pipe_arrive_as_they_are_written(void **state)
{
    (void)state;
    struct capture c = {0};
    pcap_file(&c, 0xa1b2c3d4, 65535, 1);
    pcap_record(&c, 1, 0, 100, 100, 1); // whole at byte 140
    pcap_record(&c, 2, 0, 100, 100, 2); // whole at byte 256
    pcap_record(&c, 3, 0, 100, 100, 3);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], c.s.text, 150), 150); // one packet, and a piece of the next
    char path[32];
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    struct sl_error err = {0};
    struct sl_trace *t = sl_trace_open(path, &err);
    assert_non_null(t);
    struct sl_trace_packet out[64];
    size_t n;
    assert_true(sl_trace_read(t, out, 64, &n, &err));
    assert_int_equal(n, 1);
    assert_int_equal(write(ends[1], c.s.text + 150, c.s.len - 150), (long)c.s.len - 150);
    assert_true(sl_trace_read(t, out, 64, &n, &err));
    assert_int_equal(n, 2);
    assert_int_equal(out[1].data[99], 3);
    close(ends[1]);
    assert_true(sl_trace_read(t, out, 64, &n, &err));
    assert_int_equal(n, 0);
    sl_trace_close(t);
    close(ends[0]);
    sl_str_done(&c.s);
}

// What `tcpdump -U -w - | gzip` gives: each packet is flushed as it comes.
static void packets_of_a_slow_compressed_pipe_arrive_as_they_are_flushed(void **state)
{
    (void)state;
    struct capture c = {0};
    pcap_file(&c, 0xa1b2c3d4, 65535, 1);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    char path[32];
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    struct sl_trace *t = NULL;
    struct sl_trace_packet out[64];
    struct sl_error err = {0};
    for (uint32_t i = 0; i < 20; i++) {
        uint8_t flushed[4096];
        pcap_record(&c, i, 0, 100, 100, (uint8_t)i);
        z.next_in = (uint8_t *)c.s.text;
        z.avail_in = (unsigned)c.s.len;
        z.next_out = flushed;
        z.avail_out = sizeof flushed;
        assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
        sl_str_clear(&c.s);
        size_t len = sizeof flushed - z.avail_out, n;
        assert_int_equal(write(ends[1], flushed, len), (long)len);
        t = t ? t : sl_trace_open(path, &err);
        assert_non_null(t);
        assert_true(sl_trace_read(t, out, 64, &n, &err));
        assert_int_equal(n, 1);
        assert_int_equal(out[0].data[99], i);
    }
    deflateEnd(&z);
    sl_trace_close(t);
    close(ends[0]);
    close(ends[1]);
    sl_str_done(&c.s);
}

static void one_interface_too_many_ends_the_trace(void **state)
{
    (void)state;
    struct capture c = {0};
    ng_section(&c);
    for (int i = 0; i < 65536; i++)
        ng_interface(&c, 1, 0);
    ng_packet(&c, 65535, 1, 4, 4, 1);
    ng_interface(&c, 1, 0); // at byte 28 + 65536 * 20 + 36
    ng_packet(&c, 0, 1, 4, 4, 1);
    struct reading r;
    read_capture(&c, &r);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.at[0].p.interface, 65535);
    assert_string_equal(r.damage, "block 65539 (interface description) at byte 1310784 is one too "
                                  "many: 65536 are the limit");
    sl_str_done(&c.s);
}

// And not ours to close. Somebody may have made it non-blocking: then we wait all the same.
static void a_dash_is_standard_input(void **state)
{
    (void)state;
    struct capture c = {0};
    pcap_file(&c, 0xa1b2c3d4, 65535, 1);
    pcap_record(&c, 1, 0, 10, 10, 1);
    int ends[2], saved = dup(STDIN_FILENO);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    struct feeder f = {.fd = ends[1], .c = &c, .piece = 1};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, feed, &f), 0);
    struct sl_error err = {0};
    struct sl_trace *t = sl_trace_open("-", &err);
    assert_non_null(t);
    struct reading r;
    read_all(t, 64, &r);
    assert_int_equal(r.n, 1);
    sl_trace_close(t);
    pthread_join(thread, NULL);
    assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), 0);
    if (saved >= 0) {
        dup2(saved, STDIN_FILENO);
        close(saved);
    }
    sl_str_done(&c.s);
}

// Real captures, if they are there: $SLUICE_SHARED, or shared/ beside the source tree.
static void capinfos_counts_the_same_packets_and_bytes(void **state)
{
    (void)state;
    const char *shared = getenv("SLUICE_SHARED"), *source = getenv("SLUICE_TEST_DIR");
    char *dir = shared ? sl_path_join(shared, "data")
                       : sl_path_join(source ? source : "tests", "../../shared/data");
    static const char *const names[] = {"caida-small.pcapng", "gnutella.pcap",
                                        "stitched-headers.pcap"};
    bool have = sl_proc_have("capinfos");
    if (!have)
        print_message("# capinfos_counts_the_same_packets_and_bytes: no capinfos here\n");
    int compared = 0;
    for (size_t i = 0; have && i < 3; i++) {
        char *path = sl_path_join(dir, names[i]);
        if (!sl_exists(path)) {
            print_message("# capinfos_counts_the_same_packets_and_bytes: no %s here\n", names[i]);
            free(path);
            continue;
        }
        struct sl_error err = {0};
        struct sl_str text = {0};
        const char *const argv[] = {"capinfos", "-M", "-T", "-r", "-c", "-d", path, NULL};
        if (!sl_proc_run(argv, &(struct sl_proc_options){.out = &text}, &err))
            fail_msg("%s", err.msg);
        uint64_t theirs[2] = {0}, ours[2] = {0};
        assert_int_equal(
            sscanf(strchr(text.text, '\t'), "%" SCNu64 "%" SCNu64, &theirs[0], &theirs[1]), 2);
        struct sl_trace *t = sl_trace_open(path, &err);
        assert_non_null(t);
        static struct batch b;
        do {
            assert_true(sl_trace_read(t, b.p, 256, &b.n, &err));
            for (size_t k = 0; k < b.n; k++)
                ours[1] += b.p[k].wire_bytes;
            ours[0] += b.n;
        } while (b.n > 0);
        sl_trace_close(t);
        assert_true(ours[0] == theirs[0] && ours[1] == theirs[1]);
        sl_str_done(&text);
        free(path);
        compared++;
    }
    free(dir);
    if (compared == 0)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pcap_of_each_magic_and_byte_order),
        cmocka_unit_test(upper_bits_of_the_link_type_are_the_frame_check_sequence),
        cmocka_unit_test(a_captured_length_above_the_wire_length_lengthens_the_wire),
        cmocka_unit_test(lengths_of_files_before_version_2_3_are_the_other_way_round),
        cmocka_unit_test(the_modified_format_has_eight_more_bytes_per_record),
        cmocka_unit_test(pcapng_keeps_what_its_options_say),
        cmocka_unit_test(interfaces_of_all_sections_are_numbered_through),
        cmocka_unit_test(simple_and_obsolete_packet_blocks),
        cmocka_unit_test(blocks_of_other_kinds_are_passed_over_and_counted),
        cmocka_unit_test(time_stamps_of_any_resolution_are_exact),
        cmocka_unit_test(batches_hold_until_the_second_next_call_from_every_source),
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(a_pipe_is_read_whatever_the_pieces),
        cmocka_unit_test(packets_of_a_slow_pipe_arrive_as_they_are_written),
        cmocka_unit_test(packets_of_a_slow_compressed_pipe_arrive_as_they_are_flushed),
        cmocka_unit_test(one_interface_too_many_ends_the_trace),
        cmocka_unit_test(a_dash_is_standard_input),
        cmocka_unit_test(capinfos_counts_the_same_packets_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
