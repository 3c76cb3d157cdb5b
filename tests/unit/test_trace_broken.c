// SPDX-License-Identifier: Apache-2.0
/*
 * Captures broken by hand, and the exact words for each: they are part of what users see. A case
 * says how many packets are still read. Byte numbers are sums of the sizes in the drafts: 24 bytes
 * of file header and 16 per record in pcap; 28 for a bare section header, 20 for a bare interface
 * description, and 32 plus the padded packet for an enhanced packet block in pcapng.
 */
#include "../support/capture_bytes.h"
#include "base/fs.h"
#include "net/trace.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
// cmocka wants the headers above first.
#include <cmocka.h>

#define CONVERT                                                                                    \
    "pcap and pcapng are read, plain or compressed by gzip or zstd; editcap -F pcapng converts "   \
    "other captures"
#define AGAIN "was the recording ended before its first write? record it again"

struct broken {
    const char *name;
    void (*make)(struct capture *c);
    size_t packets;      // that are still read
    const char *refused; // what opening says; NULL = it opens
    const char *hint;    // with it; NULL = none
    const char *damage;  // how it ends
};

static void cut_to(struct capture *c, size_t len)
{
    c->s.len = len;
    c->s.text[len] = '\0';
}
static void text(struct capture *c, const char *s, size_t len)
{
    put_bytes(c, s, len);
}
static void two_records(struct capture *c)
{
    pcap_file(c, 0xa1b2c3d4, 65535, 1);
    pcap_record(c, 1, 0, 60, 60, 1); // byte 24
    pcap_record(c, 2, 0, 60, 90, 2); // byte 100
}
static void start_ng(struct capture *c)
{
    ng_section(c);
    ng_interface(c, 1, 0);         // byte 28
    ng_packet(c, 0, 1, 60, 60, 1); // byte 48
}

static void empty(struct capture *c)
{
    (void)c;
}
static void one_byte(struct capture *c)
{
    put(c, 0xd4, 1);
}
static void a_table(struct capture *c)
{
    text(c, "time,src,dst,bytes,packets\n1,2,3\n", 33);
}
static void a_word(struct capture *c)
{
    text(c, "hi\n", 3);
}
static void noise(struct capture *c)
{
    text(c, "\x89\x50\x4e\x47\r\n\x1a\n noise", 14);
}
static void zeros(struct capture *c)
{
    put_fill(c, 0, 100);
}
static void xz(struct capture *c)
{
    text(c, "\xfd\x37zXZ\0\0\4", 8);
}
static void bzip2(struct capture *c)
{
    text(c, "BZh91AY&SY", 10);
}
static void lz4(struct capture *c)
{
    text(c, "\x04\x22\x4d\x18\x64\x40", 6);
}
static void zip(struct capture *c)
{
    text(c, "PK\3\4\x14\0", 6);
}
static void snoop(struct capture *c)
{
    text(c, "snoop\0\0\0\0\0\0\2", 12);
}
static void header_cut(struct capture *c)
{
    pcap_file(c, 0xa1b2c3d4, 65535, 1);
    cut_to(c, 20);
}
static void version_3(struct capture *c)
{
    pcap_file(c, 0xa1b2c3d4, 65535, 1);
    c->s.text[4] = 3;
}
static void record_header_cut(struct capture *c)
{
    two_records(c);
    cut_to(c, 110);
}
static void record_cut(struct capture *c)
{
    two_records(c);
    cut_to(c, 146);
}
static void first_record_without_a_byte(struct capture *c)
{
    two_records(c);
    cut_to(c, 40);
}
static void absurd_length(struct capture *c)
{
    two_records(c);
    poke32(c, 108, 0xffffffff);
}
static void length_one_too_large(struct capture *c)
{
    c->big = true;
    two_records(c);
    poke32(c, 108, 262145);
}
static void text_inside(struct capture *c)
{
    two_records(c);
    text(c, "-- this was appended by a script", 32); // "was " is the length: 0x20736177
}

static void section_cut(struct capture *c)
{
    ng_section(c);
    cut_to(c, 16);
}
static void section_magic(struct capture *c)
{
    start_ng(c);
    poke32(c, 8, 0xdeadbeef);
}
static void section_length(struct capture *c)
{
    start_ng(c);
    poke32(c, 4, 24);
}
static void section_version(struct capture *c)
{
    start_ng(c);
    c->s.text[12] = 2;
}
static void section_trailer(struct capture *c)
{
    start_ng(c);
    poke32(c, 24, 32);
}
static void section_option(struct capture *c)
{
    size_t b = ng_section_begin(c);
    put(c, 4, 2);
    put(c, 500, 2); // and nothing of it
    ng_end(c, b);
}
static void second_section_magic(struct capture *c)
{
    start_ng(c);
    ng_section(c);
    poke32(c, 148, 0x4d3c2b1b);
}
static void zero_length(struct capture *c)
{
    start_ng(c);
    put(c, 0xbad, 4); // byte 140
    put_fill(c, 0, 8);
}
static void odd_length(struct capture *c)
{
    start_ng(c);
    size_t b = ng_begin(c, 5);
    put_fill(c, 0, 12);
    ng_end(c, b);
    poke32(c, 144, 23);
}
static void trailer_differs(struct capture *c)
{
    start_ng(c);
    ng_packet(c, 0, 2, 8, 8, 2);
    poke32(c, c->s.len - 4, 36);
}
static void trailer_of_a_skipped_block_differs(struct capture *c)
{
    start_ng(c);
    size_t b = ng_begin(c, 10);
    put_fill(c, 7, 20);
    ng_end(c, b);
    poke32(c, c->s.len - 4, 36);
}
static void packet_block_cut(struct capture *c)
{
    start_ng(c);
    cut_to(c, 100);
}
static void block_head_cut(struct capture *c)
{
    start_ng(c);
    put(c, 6, 4);
    put(c, 64, 2);
}
static void skipped_block_cut(struct capture *c)
{
    start_ng(c);
    put(c, 0x0bad0bad, 4);
    put(c, 3000000000, 4);
    put_fill(c, 1, 92);
}
static void statistics_cut(struct capture *c)
{
    start_ng(c);
    put(c, 5, 4);
    put(c, 64, 4);
    put_fill(c, 1, 10);
}
static void block_too_long(struct capture *c)
{
    start_ng(c);
    put(c, 6, 4);
    put(c, 2000000000, 4);
    put_fill(c, 1, 92);
}
static void no_interface(struct capture *c)
{
    ng_section(c);
    ng_packet(c, 0, 1, 4, 4, 1);
}
static void no_interface_for_a_simple_packet(struct capture *c)
{
    ng_section(c);
    size_t b = ng_begin(c, 3);
    put(c, 4, 4);
    put_fill(c, 1, 4);
    ng_end(c, b);
}
static void interface_of_the_section_before(struct capture *c)
{
    start_ng(c);
    ng_section(c);
    ng_packet(c, 0, 1, 4, 4, 1);
}
static void interface_out_of_range(struct capture *c)
{
    start_ng(c);
    ng_packet(c, 7, 1, 4, 4, 1);
}
static void interface_too_short(struct capture *c)
{
    ng_section(c);
    size_t b = ng_begin(c, 1);
    put(c, 1, 2);
    put(c, 0, 2);
    ng_end(c, b);
}
static void interface_option_overruns(struct capture *c)
{
    ng_section(c);
    size_t b = ng_interface_begin(c, 1, 0);
    put(c, 2, 2);
    put(c, 400, 2);
    put_fill(c, 'x', 12);
    ng_end(c, b);
}
static void absurd_resolution(struct capture *c)
{
    ng_section(c);
    size_t b = ng_interface_begin(c, 1, 0);
    ng_option(c, 9, "\x14", 1);
    ng_end(c, b);
}
static void absurd_binary_resolution(struct capture *c)
{
    ng_section(c);
    size_t b = ng_interface_begin(c, 1, 0);
    ng_option(c, 9, "\xc0", 1);
    ng_end(c, b);
}
static void empty_resolution(struct capture *c)
{
    ng_section(c);
    size_t b = ng_interface_begin(c, 1, 0);
    ng_option(c, 9, "", 0);
    ng_end(c, b);
}
static void short_offset(struct capture *c)
{
    ng_section(c);
    size_t b = ng_interface_begin(c, 1, 0);
    ng_option(c, 14, "\1\2\3\4", 4);
    ng_end(c, b);
}
static void packet_longer_than_its_block(struct capture *c)
{
    start_ng(c);
    ng_packet(c, 0, 1, 8, 8, 1);
    poke32(c, 140 + 20, 9);
}
static void absurd_packet(struct capture *c)
{
    start_ng(c);
    ng_packet(c, 0, 1, 8, 8, 1);
    poke32(c, 140 + 20, 0x80000000);
}
static void packet_without_lengths(struct capture *c)
{
    start_ng(c);
    size_t b = ng_begin(c, 6);
    put_fill(c, 0, 8);
    ng_end(c, b);
}
static void packet_option_overruns(struct capture *c)
{
    start_ng(c);
    size_t b = ng_packet_begin(c, 0, 2, 4, 4, 1);
    put(c, 1, 2);
    put(c, 9, 2);
    put_fill(c, 'c', 8);
    ng_end(c, b);
}
static void simple_packet_longer_than_its_block(struct capture *c)
{
    start_ng(c);
    size_t b = ng_begin(c, 3);
    put(c, 60, 4);
    put_fill(c, 1, 20);
    ng_end(c, b);
}
static void statistics_too_short(struct capture *c)
{
    start_ng(c);
    size_t b = ng_begin(c, 5);
    put(c, 0, 4);
    ng_end(c, b);
}
static void short_counter(struct capture *c)
{
    start_ng(c);
    size_t b = ng_begin(c, 5);
    put_fill(c, 0, 12);
    ng_option(c, 4, "\1\2\3\4", 4);
    ng_end(c, b);
}

// The two records in a stored block (RFC 1951 3.2.4): 10 bytes of header, 5, 176 of data, 8 of
// trailer.
static void gzip(struct capture *c)
{
    two_records(c);
    uint8_t out[512];
    z_stream z = {.next_in = (uint8_t *)c->s.text,
                  .avail_in = (unsigned)c->s.len,
                  .next_out = out,
                  .avail_out = sizeof out};
    assert_int_equal(deflateInit2(&z, 0, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    sl_str_clear(&c->s);
    put_bytes(c, out, sizeof out - z.avail_out);
    deflateEnd(&z);
}
static void gzip_cut(struct capture *c)
{
    gzip(c);
    cut_to(c, c->s.len - 8); // all data, no check sum
}
static void gzip_checksum(struct capture *c)
{
    gzip(c);
    c->s.text[c->s.len - 8] ^= 1;
}
static void gzip_with_a_tail(struct capture *c)
{
    gzip(c);
    text(c, "tail", 4);
}
static void gzip_header_only(struct capture *c)
{
    gzip(c);
    cut_to(c, 10);
}
static void gzip_of_nothing(struct capture *c)
{
    // `gzip -n </dev/null`
    text(c, "\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", 20);
}
// One frame with one raw block (RFC 8878 3.1.1): 9 bytes of headers and the data.
static void zstd_of(struct capture *c)
{
    struct capture z = {0};
    put(&z, 0xfd2fb528, 4);
    put(&z, 0x20, 1); // a single segment; the content size takes one byte
    put(&z, c->s.len, 1);
    put(&z, c->s.len << 3 | 1, 3); // the last block, raw
    put_bytes(&z, c->s.text, c->s.len);
    sl_str_done(&c->s);
    c->s = z.s;
}
static void zstd_cut(struct capture *c)
{
    two_records(c);
    cut_to(c, 130);
    zstd_of(c);
    put(c, 0xfd2fb528, 4); // the next frame is begun
    put(c, 0x20, 1);
}
static void zstd_of_a_cut_capture(struct capture *c)
{
    two_records(c);
    cut_to(c, 146);
    zstd_of(c);
}
static void zstd_of_text(struct capture *c)
{
    a_word(c);
    zstd_of(c);
}
static void zstd_twice(struct capture *c)
{
    two_records(c);
    zstd_of(c);
    zstd_of(c);
}

static const struct broken CASES[] = {
    {"an empty file", empty, 0, "'x' is empty: not even a file header is there", AGAIN, NULL},
    {"one byte", one_byte, 0,
     "'x' is no capture: its first bytes, d4, begin neither pcap nor pcapng", CONVERT, NULL},
    {"a CSV table", a_table, 0, "'x' is no capture: it is text, \"time,src,dst,bytes,packe...\"",
     CONVERT, NULL},
    {"a word", a_word, 0, "'x' is no capture: it is text, \"hi\"", CONVERT, NULL},
    {"a picture", noise, 0,
     "'x' is no capture: its first bytes, 89 50 4e 47, begin neither pcap nor pcapng", CONVERT,
     NULL},
    {"zeros", zeros, 0,
     "'x' is no capture: its first bytes, 00 00 00 00, begin neither pcap nor pcapng", CONVERT,
     NULL},
    {"xz", xz, 0, "'x' is no capture: it is xz-compressed",
     "decompress it first with xz -d, or pipe it in with xz -dc", NULL},
    {"bzip2", bzip2, 0, "'x' is no capture: it is bzip2-compressed",
     "decompress it first with bzip2 -d, or pipe it in with bzip2 -dc", NULL},
    {"lz4", lz4, 0, "'x' is no capture: it is lz4-compressed",
     "decompress it first with lz4 -d, or pipe it in with lz4 -dc", NULL},
    {"zip", zip, 0, "'x' is no capture: it is a zip archive", "unpack it first with unzip", NULL},
    {"snoop", snoop, 0, "'x' is no capture: it is a snoop capture",
     "convert it with editcap -F pcapng", NULL},

    {"a file header cut short", header_cut, 0,
     "'x' ends inside the file header of pcap: 20 bytes of 24 are there", NULL, NULL},
    {"pcap 3.4", version_3, 0, "'x' is a pcap file of version 3.4 at byte 4; version 2 is read",
     NULL, NULL},
    {"a record header cut short", record_header_cut, 1, NULL, NULL,
     "packet 2 at byte 100 is cut short: 10 bytes of its header of 16 are there"},
    {"a record cut short", record_cut, 1, NULL, NULL,
     "packet 2 at byte 100 is cut short: 30 bytes of 60 are there"},
    {"a record of which only the header is there", first_record_without_a_byte, 0, NULL, NULL,
     "packet 1 at byte 24 is cut short: 0 bytes of 60 are there"},
    {"an absurd captured length", absurd_length, 1, NULL, NULL,
     "packet 2 at byte 100 cannot be: it says that 4294967295 bytes of it were captured, the limit "
     "is 262144"},
    {"a captured length one above the limit", length_one_too_large, 1, NULL, NULL,
     "packet 2 at byte 100 cannot be: it says that 262145 bytes of it were captured, the limit is "
     "262144"},
    {"text after the last record", text_inside, 2, NULL, NULL,
     "packet 3 at byte 176 cannot be: it says that 544432503 bytes of it were captured, the limit "
     "is 262144"},

    {"a first section header cut short", section_cut, 0,
     "'x' is no pcapng capture: block 1 (section header) at byte 0 is cut short: 16 bytes of 28 "
     "are there",
     NULL, NULL},
    {"a first section of no byte order", section_magic, 0,
     "'x' is no pcapng capture: block 1 (section header) at byte 0 has the byte-order magic "
     "0xdeadbeef, which is none",
     NULL, NULL},
    {"a first section that is too short", section_length, 0,
     "'x' is no pcapng capture: block 1 (section header) at byte 0 says that it is 24 bytes long: "
     "that cannot be",
     NULL, NULL},
    {"pcapng 2.0", section_version, 0,
     "'x' is no pcapng capture: block 1 (section header) at byte 0 is of version 2.0; version 1 is "
     "read",
     NULL, NULL},
    {"a first section with two lengths", section_trailer, 0,
     "'x' is no pcapng capture: block 1 (section header) at byte 0 has two lengths: 28 at its "
     "front, 32 at its end",
     NULL, NULL},
    {"an option of the section that overruns", section_option, 0,
     "'x' is no pcapng capture: block 1 (section header) at byte 0 has an option (code 4) that "
     "runs over its end: 500 bytes of 0",
     NULL, NULL},
    {"a second section of no byte order", second_section_magic, 1, NULL, NULL,
     "block 4 (section header) at byte 140 has the byte-order magic 0x4d3c2b1b, which is none"},
    {"a block of length zero", zero_length, 1, NULL, NULL,
     "block 4 (custom) at byte 140 says that it is 0 bytes long: that cannot be"},
    {"a block length that is no multiple of four", odd_length, 1, NULL, NULL,
     "block 4 (interface statistics) at byte 140 says that it is 23 bytes long: that cannot be"},
    {"two lengths", trailer_differs, 1, NULL, NULL,
     "block 4 (enhanced packet) at byte 140 has two lengths: 40 at its front, 36 at its end"},
    {"two lengths of a block that is passed over", trailer_of_a_skipped_block_differs, 1, NULL,
     NULL,
     "block 4 (decryption secrets) at byte 140 has two lengths: 32 at its front, 36 at its end"},
    {"a packet block cut short", packet_block_cut, 0, NULL, NULL,
     "packet 1 at byte 48 is cut short: 52 bytes of its block of 92 are there"},
    {"a block head cut short", block_head_cut, 1, NULL, NULL,
     "block 4 at byte 140 is cut short: 6 bytes of at least 12 are there"},
    {"a block to pass over cut short", skipped_block_cut, 1, NULL, NULL,
     "block 4 (type 0x0bad0bad) at byte 140 is cut short: 100 bytes of 3000000000 are there"},
    {"statistics cut short", statistics_cut, 1, NULL, NULL,
     "block 4 (interface statistics) at byte 140 is cut short: 18 bytes of 64 are there"},
    {"a packet block of 2 GB", block_too_long, 1, NULL, NULL,
     "block 4 (enhanced packet) at byte 140 says that it is 2000000000 bytes long, the limit is "
     "1048576"},
    {"no interface", no_interface, 0, NULL, NULL,
     "packet 1 at byte 28 is of interface 0, but the section has described 0"},
    {"no interface for a simple packet", no_interface_for_a_simple_packet, 0, NULL, NULL,
     "packet 1 at byte 28 is of interface 0, but the section has described 0"},
    {"an interface of the section before", interface_of_the_section_before, 1, NULL, NULL,
     "packet 2 at byte 168 is of interface 0, but the section has described 0"},
    {"an interface out of range", interface_out_of_range, 1, NULL, NULL,
     "packet 2 at byte 140 is of interface 7, but the section has described 1"},
    {"an interface description without its fields", interface_too_short, 0, NULL, NULL,
     "block 2 (interface description) at byte 28 has no room for a link type and a snapshot "
     "length"},
    {"an option of an interface that overruns", interface_option_overruns, 0, NULL, NULL,
     "block 2 (interface description) at byte 28 has an option (code 2) that runs over its end: "
     "400 bytes of 12"},
    {"an absurd decimal resolution", absurd_resolution, 0, NULL, NULL,
     "block 2 (interface description) at byte 28 counts time in units of 10^-20 s: that cannot "
     "be"},
    {"an absurd binary resolution", absurd_binary_resolution, 0, NULL, NULL,
     "block 2 (interface description) at byte 28 counts time in units of 2^-64 s: that cannot be"},
    {"an empty resolution", empty_resolution, 0, NULL, NULL,
     "block 2 (interface description) at byte 28 has an option (code 9) of 0 bytes that needs 1"},
    {"a time offset of four bytes", short_offset, 0, NULL, NULL,
     "block 2 (interface description) at byte 28 has an option (code 14) of 4 bytes that needs 8"},
    {"a packet longer than its block", packet_longer_than_its_block, 1, NULL, NULL,
     "packet 2 at byte 140 says that 9 bytes of it were captured; its block has room for 8"},
    {"an absurd packet", absurd_packet, 1, NULL, NULL,
     "packet 2 at byte 140 cannot be: it says that 2147483648 bytes of it were captured, the limit "
     "is 262144"},
    {"a packet block without lengths", packet_without_lengths, 1, NULL, NULL,
     "packet 2 at byte 140 has 8 bytes where its times and lengths take 20"},
    {"an option of a packet that overruns", packet_option_overruns, 1, NULL, NULL,
     "block 4 (enhanced packet) at byte 140 has an option (code 1) that runs over its end: 9 bytes "
     "of 8"},
    {"a simple packet longer than its block", simple_packet_longer_than_its_block, 1, NULL, NULL,
     "packet 2 at byte 140 says that 60 bytes of it were captured; its block has room for 20"},
    {"statistics without their fields", statistics_too_short, 1, NULL, NULL,
     "block 4 (interface statistics) at byte 140 has no room for an interface and a time"},
    {"a counter of four bytes", short_counter, 1, NULL, NULL,
     "block 4 (interface statistics) at byte 140 has an option (code 4) of 4 bytes that needs 8"},

    {"gzip data without its check sum", gzip_cut, 2, NULL, NULL,
     "the gzip data is cut short at byte 191 of the file, after packet 2"},
    {"a wrong check sum", gzip_checksum, 2, NULL, NULL,
     "the gzip data is damaged (incorrect data check) at byte 195 of the file, after packet 2"},
    {"gzip data with a tail", gzip_with_a_tail, 2, NULL, NULL,
     "the gzip data is damaged (incorrect header check) at byte 201 of the file, after packet 2"},
    {"the header of gzip data", gzip_header_only, 0,
     "'x' is no capture: the gzip data is cut short at byte 10 of the file", NULL, NULL},
    {"gzip data of nothing", gzip_of_nothing, 0,
     "'x' is empty after decompression: not even a file header is there", AGAIN, NULL},
    {"zstd data cut short", zstd_cut, 1, NULL, NULL,
     "packet 2 at byte 100 of the uncompressed data is cut short: 14 bytes of 60 are there; the "
     "zstd data is cut short at byte 144 of the file"},
    {"zstd data of a cut capture", zstd_of_a_cut_capture, 1, NULL, NULL,
     "packet 2 at byte 100 of the uncompressed data is cut short: 30 bytes of 60 are there"},
    {"zstd data of text", zstd_of_text, 0,
     "'x' is no capture after decompression: it is text, \"hi\"", CONVERT, NULL},
    {"zstd data of zstd data", zstd_twice, 0,
     "'x' is no capture after decompression: it is zstd-compressed twice",
     "decompress it once with zstd -d", NULL},
};

static void same(const char *name, const char *what, const char *got, const char *expected)
{
    if (strcmp(got ? got : "", expected ? expected : "") != 0)
        fail_msg("%s: the %s is\n  %s\ninstead of\n  %s", name, what, got ? got : "",
                 expected ? expected : "");
}

static void check(const struct broken *b, struct sl_trace *t, const struct sl_error *err)
{
    if (!t) {
        same(b->name, "error", err->msg, b->refused);
        same(b->name, "hint", err->hint, b->hint);
        assert_int_equal(err->code, SL_EINPUT);
        return;
    }
    if (b->refused)
        fail_msg("%s: it was opened", b->name);
    struct sl_trace_packet out[3];
    struct sl_error read_err = {0};
    size_t n, packets = 0;
    do {
        assert_true(sl_trace_read(t, out, 3, &n, &read_err));
        packets += n;
    } while (n > 0);
    if (packets != b->packets)
        fail_msg("%s: %zu packets instead of %zu", b->name, packets, b->packets);
    same(b->name, "damage", sl_trace_damage(t), b->damage);
    assert_true(sl_trace_read(t, out, 3, &n, &read_err)); // the end stays the end
    assert_int_equal(n, 0);
    sl_trace_close(t);
}

static void each_broken_capture_is_told_in_its_own_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct capture c = {0};
        CASES[i].make(&c);
        struct sl_error err = {0};
        check(&CASES[i], sl_trace_open_bytes(capture_bytes(&c), c.s.len, "x", &err), &err);
        sl_str_done(&c.s);
    }
}

// Through files, and so through the buffers, the words are the same.
static void files_break_in_the_same_words_as_memory(void **state)
{
    (void)state;
    char dir[] = "/tmp/sluice-broken-XXXXXX", before[4096];
    assert_non_null(mkdtemp(dir));
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(dir), 0); // so that the name is 'x'
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct capture c = {0};
        struct sl_error err = {0};
        CASES[i].make(&c);
        assert_true(sl_write_file("x", capture_bytes(&c), c.s.len, &err));
        check(&CASES[i], sl_trace_open("x", &err), &err);
        sl_str_done(&c.s);
    }
    assert_int_equal(chdir(before), 0);
    struct sl_error err = {0};
    assert_true(sl_remove_tree(dir, &err));
}

static void what_cannot_be_opened_says_why(void **state)
{
    (void)state;
    char dir[] = "/tmp/sluice-broken-XXXXXX", expected[128];
    assert_non_null(mkdtemp(dir));
    struct sl_error err = {0};
    assert_null(sl_trace_open(dir, &err));
    snprintf(expected, sizeof expected, "'%s' is a folder, not a capture", dir);
    assert_string_equal(err.msg, expected);
    assert_string_equal(err.hint, "name a capture file in it");

    assert_null(sl_trace_open("/nowhere/x.pcap", &err));
    assert_string_equal(err.msg, "cannot open '/nowhere/x.pcap': No such file or directory");
    assert_int_equal(err.code, SL_EINPUT);

    // Opens, but page 0 of a process is never there.
    assert_null(sl_trace_open("/proc/self/mem", &err));
    assert_string_equal(err.msg, "cannot read '/proc/self/mem' at byte 0: Input/output error");

    if (geteuid() != 0) { // root may read everything
        char path[64];
        snprintf(path, sizeof path, "%s/secret", dir);
        assert_true(sl_write_file(path, "x", 1, &err));
        assert_int_equal(chmod(path, 0), 0);
        assert_null(sl_trace_open(path, &err));
        snprintf(expected, sizeof expected, "cannot open '%s': Permission denied", path);
        assert_string_equal(err.msg, expected);
    }
    assert_true(sl_remove_tree(dir, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_broken_capture_is_told_in_its_own_words),
        cmocka_unit_test(files_break_in_the_same_words_as_memory),
        cmocka_unit_test(what_cannot_be_opened_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
