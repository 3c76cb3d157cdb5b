// SPDX-License-Identifier: Apache-2.0
/*
 * A large benchmark trace out of small captures.
 *
 * usage: bench_make_trace OUT.pcap COPIES SEED SPAN CAPTURE|@LIST...
 *
 * The captures are put into one trace COPIES times. Each copy of a capture starts at a random
 * moment of SPAN ("30m"), and each copy has its own addresses: the last three bytes of an IPv4
 * address, the last eight of an IPv6 address, are combined with a mask by exclusive or, which keeps
 * different addresses different. Multicast and broadcast addresses stay as they are. The checksums
 * of IPv4, TCP, UDP and ICMPv6 are adjusted, so right ones stay right and wrong ones wrong. @LIST
 * is a file with the path of a capture in each line.
 *
 * Left out  captures with another link type than Ethernet, of more than an hour, with a clock that
 * goes back by more than a second, or with a packet of more than 65,549 or less than 14 bytes. What
 * is left out is told. Order     by time; equal times by copy, capture and place in the capture.
 * Times are whole microseconds. Same in, same out: the bytes depend on the arguments alone.
 */
#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/units.h"
#include "net/pcapfile.h"
#include "net/trace.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 64, MAX_LIST_BYTES = 16 << 20, ETHERNET = 1, MIN_FRAME = 14, MAX_FRAME = 65549 };
static const int64_t HOUR_NS = INT64_C(3600000000000), SECOND_NS = 1000000000;
static const int64_t BEGIN_NS = INT64_C(1704067200000000000); // 2024-01-01 00:00:00 UTC

struct packet {
    int64_t after_ns; // since the first packet of its capture
    size_t at;        // in corpus.bytes
    uint32_t captured, wire, capture;
};
struct corpus {
    SL_VEC(struct packet) packets;
    SL_VEC(uint8_t) bytes;
    uint32_t captures;
};
struct event {
    int64_t ts_ns;
    uint32_t copy, packet;
};
struct mask {
    uint8_t v4[4], v6[16];
};

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

// Why a capture is of no use, or NULL. Adds its packets to the corpus.
static const char *add_packet(struct corpus *c, const struct sl_trace_packet *p, int64_t first_ns,
                              int64_t *latest_ns)
{
    if (p->linktype != ETHERNET)
        return "not Ethernet";
    if (p->captured < MIN_FRAME || p->wire_bytes > MAX_FRAME || p->captured > p->wire_bytes)
        return "a packet of an absurd length";
    if (p->ts_ns < *latest_ns - SECOND_NS || p->ts_ns < first_ns)
        return "the clock goes back";
    if (p->ts_ns - first_ns > HOUR_NS)
        return "more than an hour";
    if (p->ts_ns > *latest_ns)
        *latest_ns = p->ts_ns;
    *SL_PUSH(&c->packets) = (struct packet){.after_ns = (p->ts_ns - first_ns) / 1000 * 1000,
                                            .at = c->bytes.len,
                                            .captured = p->captured,
                                            .wire = p->wire_bytes,
                                            .capture = c->captures};
    while (c->bytes.cap - c->bytes.len < p->captured)
        c->bytes.at = sl_vec_grow(c->bytes.at, &c->bytes.cap, c->bytes.len, 1);
    memcpy(c->bytes.at + c->bytes.len, p->data, p->captured);
    c->bytes.len += p->captured;
    return NULL;
}

static const char *read_capture(struct corpus *c, struct sl_trace *t, struct sl_error *err)
{
    struct sl_trace_packet batch[BATCH];
    int64_t first_ns = 0, latest_ns = 0;
    for (bool first = true;; first = false) {
        size_t n;
        if (!sl_trace_read(t, batch, BATCH, &n, err))
            return err->msg;
        if (n == 0)
            return first ? "no packets" : NULL;
        if (first)
            first_ns = latest_ns = batch[0].ts_ns;
        for (size_t i = 0; i < n; i++) {
            const char *why = add_packet(c, &batch[i], first_ns, &latest_ns);
            if (why)
                return why;
        }
    }
}

static void add_capture(struct corpus *c, const char *path)
{
    struct sl_error err = {0};
    size_t packets = c->packets.len, bytes = c->bytes.len;
    struct sl_trace *t = sl_trace_open(path, &err);
    const char *why = t ? read_capture(c, t, &err) : err.msg;
    if (why) {
        fprintf(stderr, "left out: %s: %s\n", path, why);
        c->packets.len = packets;
        c->bytes.len = bytes;
    } else {
        c->captures++;
    }
    sl_trace_close(t);
}

static bool add_list(struct corpus *c, const char *path, struct sl_error *err)
{
    char *text;
    size_t len;
    if (!sl_read_file(path, MAX_LIST_BYTES, &text, &len, err))
        return false;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line)
            add_capture(c, line);
    free(text);
    return true;
}

// --- other addresses, with right checksums

// RFC 1624, equation 3, for one 16-bit word that changes.
static void adjust(uint8_t *sum, uint16_t before, uint16_t after)
{
    uint32_t s = (uint32_t)(uint16_t)~be16(sum) + (uint16_t)~before + after;
    s = (s & 0xffff) + (s >> 16);
    s = (s & 0xffff) + (s >> 16);
    s = ~s & 0xffff;
    sum[0] = (uint8_t)(s >> 8);
    sum[1] = (uint8_t)s;
}

static void change(uint8_t *addr, const uint8_t *mask, size_t len, uint8_t *const sums[2])
{
    for (size_t i = 0; i < len; i += 2) {
        uint16_t before = be16(addr + i);
        addr[i] ^= mask[i];
        addr[i + 1] ^= mask[i + 1];
        for (int k = 0; k < 2; k++)
            if (sums[k])
                adjust(sums[k], before, be16(addr + i));
    }
}

// Where the checksum over the pseudo header stands, or NULL: not captured, none, not the first
// fragment.
static uint8_t *transport_sum(uint8_t *l4, size_t left, uint8_t proto)
{
    size_t at = proto == 6 ? 16 : proto == 17 ? 6 : proto == 58 ? 2 : left;
    if (at + 2 > left || (proto == 17 && be16(l4 + at) == 0))
        return NULL;
    return l4 + at;
}

static void change_v4(uint8_t *ip, size_t left, const struct mask *m)
{
    size_t header = (size_t)(ip[0] & 15) * 4;
    if (left < 20 || header < 20 || left < header)
        return;
    bool first = (be16(ip + 6) & 0x1fff) == 0;
    uint8_t *sums[2] = {ip + 10, first ? transport_sum(ip + header, left - header, ip[9]) : NULL};
    for (uint8_t *addr = ip + 12; addr <= ip + 16; addr += 4)
        if (addr[0] < 224)
            change(addr, m->v4, 4, sums);
}

static void change_v6(uint8_t *ip, size_t left, const struct mask *m)
{
    if (left < 40)
        return;
    uint8_t *sums[2] = {NULL, transport_sum(ip + 40, left - 40, ip[6])};
    for (uint8_t *addr = ip + 8; addr <= ip + 24; addr += 16)
        if (addr[0] != 0xff)
            change(addr, m->v6, 16, sums);
}

static void change_frame(uint8_t *frame, size_t len, const struct mask *m)
{
    size_t at = 12;
    uint16_t type = be16(frame + at);
    while ((type == 0x8100 || type == 0x88a8 || type == 0x9100) && at + 6 <= len) {
        at += 4;
        type = be16(frame + at);
    }
    at += 2;
    if (type == 0x0800 && at < len)
        change_v4(frame + at, len - at, m);
    else if (type == 0x86dd && at < len)
        change_v6(frame + at, len - at, m);
}

static struct mask mask_of(uint64_t seed, uint32_t copy)
{
    struct mask m = {0};
    struct sl_rng rng = sl_rng_stream(seed, "bench.trace.addresses", copy);
    for (int i = 1; i < 4 && copy; i++) // the first copy keeps its addresses
        m.v4[i] = (uint8_t)sl_rng_u64(&rng);
    for (int i = 8; i < 16 && copy; i++)
        m.v6[i] = (uint8_t)sl_rng_u64(&rng);
    return m;
}

// --- the trace

static int by_time(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->ts_ns != y->ts_ns)
        return x->ts_ns < y->ts_ns ? -1 : 1;
    if (x->copy != y->copy)
        return x->copy < y->copy ? -1 : 1;
    return (x->packet > y->packet) - (x->packet < y->packet);
}

static void plan(const struct corpus *c, uint32_t copies, uint64_t seed, int64_t span_ns,
                 struct event *events)
{
    uint64_t span_us = (uint64_t)span_ns / 1000 + 1;
    struct event *e = events;
    for (uint32_t copy = 0; copy < copies; copy++) {
        struct sl_rng rng = sl_rng_stream(seed, "bench.trace.offsets", copy);
        int64_t offset_ns = 0;
        for (uint32_t i = 0; i < c->packets.len; i++) {
            if (i == 0 || c->packets.at[i].capture != c->packets.at[i - 1].capture)
                offset_ns = (int64_t)sl_rng_below(&rng, span_us) * 1000;
            *e++ = (struct event){BEGIN_NS + offset_ns + c->packets.at[i].after_ns, copy, i};
        }
    }
    qsort(events, c->packets.len * copies, sizeof *events, by_time);
}

static bool write_trace(const struct corpus *c, const struct event *events, size_t n,
                        const struct mask *masks, const char *path, struct sl_error *err)
{
    static uint8_t frame[MAX_FRAME];
    struct sl_pcap_writer *w = sl_pcap_create(path, 262144, err);
    if (!w)
        return false;
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const struct packet *p = &c->packets.at[events[i].packet];
        memcpy(frame, c->bytes.at + p->at, p->captured);
        change_frame(frame, p->captured, &masks[events[i].copy]);
        if (!sl_pcap_write(w, events[i].ts_ns, frame, p->captured, p->wire, err)) {
            struct sl_error later;
            (void)!sl_pcap_close(w, &later);
            return false;
        }
        bytes += p->wire;
    }
    if (!sl_pcap_close(w, err))
        return false;
    printf("%s: %zu packets of %" PRIu32 " captures, mean %.0f B, %.1f min\n", path, n, c->captures,
           (double)bytes / (double)n, (double)(events[n - 1].ts_ns - events[0].ts_ns) / 60e9);
    return true;
}

static bool make(struct corpus *c, char **argv, int argc, struct sl_error *err)
{
    uint64_t copies, seed;
    int64_t span_ns;
    if (!sl_parse_u64(argv[2], 1, 100000, &copies, err) ||
        !sl_parse_u64(argv[3], 0, UINT64_MAX, &seed, err) ||
        !sl_parse_duration_ns(argv[4], &span_ns, err))
        return false;
    for (int i = 5; i < argc; i++) {
        if (argv[i][0] != '@')
            add_capture(c, argv[i]);
        else if (!add_list(c, argv[i] + 1, err))
            return false;
    }
    if (c->packets.len == 0)
        return sl_fail(err, SL_EINPUT, "none of the captures is of use");
    size_t n = c->packets.len * copies;
    if (c->packets.len > UINT32_MAX || n > SIZE_MAX / 2 / sizeof(struct event))
        return sl_fail(err, SL_EUSAGE, "%zu packets %" PRIu64 " times are too many", c->packets.len,
                       copies);
    struct event *events = sl_alloc(n * sizeof *events);
    struct mask *masks = sl_alloc(copies * sizeof *masks);
    for (uint32_t i = 0; i < copies; i++)
        masks[i] = mask_of(seed, i);
    plan(c, (uint32_t)copies, seed, span_ns, events);
    bool ok = write_trace(c, events, n, masks, argv[1], err);
    free(masks);
    free(events);
    return ok;
}

int main(int argc, char **argv)
{
    struct corpus c = {0};
    struct sl_error err = {0};
    if (argc < 6) {
        fprintf(stderr, "usage: bench_make_trace OUT.pcap COPIES SEED SPAN CAPTURE|@LIST...\n");
        return argc == 1 ? 0 : SL_EUSAGE; // alone it is no benchmark: nothing to measure
    }
    bool ok = make(&c, argv, argc, &err);
    if (!ok)
        fprintf(stderr, "error: %s\n", err.msg);
    SL_VEC_DONE(&c.packets);
    SL_VEC_DONE(&c.bytes);
    return ok ? 0 : (int)err.code;
}
