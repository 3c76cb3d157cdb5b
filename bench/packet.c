// SPDX-License-Identifier: Apache-2.0
/*
 * Nanoseconds per packet of the decoder alone.
 *
 * usage: bench_packet [TRACE.pcap]   classic pcap of this byte order
 *
 * The trace is read into memory first (that is not counted) and gone through several times; the
 * best time is reported, in CPU time. Without a trace, one frame of Ethernet, IPv4 and TCP is
 * decoded over and over, which is the decoder with everything in the first-level cache.
 */
#include "net/packet.h"
#include "base/fs.h"
#include "base/mem.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15, MAX_TRACE_BYTES = 1 << 30, MADE = 1000000 };

struct record {
    const uint8_t *frame;
    uint32_t captured, wire;
};
struct trace {
    char *bytes;
    struct sl_decode_options how;
    SL_VEC(struct record) records;
};

static bool parse(struct trace *t, size_t len, struct sl_error *err)
{
    uint32_t magic, linktype, h[4];
    if (len < 24)
        return sl_fail(err, SL_EINPUT, "not a pcap file");
    memcpy(&magic, t->bytes, 4);
    memcpy(&linktype, t->bytes + 20, 4);
    if (magic != 0xa1b2c3d4 && magic != 0xa1b23c4d)
        return sl_fail(err, SL_EINPUT, "not a pcap file of this machine's byte order");
    t->how.linktype = (uint16_t)linktype;
    for (size_t at = 24; at + 16 <= len; at += 16 + h[2]) {
        memcpy(h, t->bytes + at, 16);
        if (h[2] > len - at - 16)
            break;
        *SL_PUSH(&t->records) = (struct record){(uint8_t *)t->bytes + at + 16, h[2], h[3]};
    }
    return true;
}

static void invent(struct trace *t)
{
    uint8_t *f = sl_alloc(54);
    t->bytes = (char *)f;
    t->how.linktype = 1;
    f[12] = 8, f[14] = 0x45, f[16] = 4, f[23] = 6; // total length 1024, TCP
    f[46] = 0x50, f[47] = 0x10;
    for (int i = 0; i < MADE; i++)
        *SL_PUSH(&t->records) = (struct record){f, 54, 1038};
}

static double cpu_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double round_s(const struct trace *t, size_t kinds[SL_PACKET_KINDS], uint64_t *sum)
{
    memset(kinds, 0, SL_PACKET_KINDS * sizeof *kinds);
    double start = cpu_s();
    for (size_t i = 0; i < t->records.len; i++) {
        const struct record *r = &t->records.at[i];
        struct sl_packet p;
        kinds[sl_packet_decode(&t->how, r->frame, r->captured, r->wire, (int64_t)i, &p)]++;
        *sum += p.payload_bytes + p.tuple.sport; // so that the fields are wanted
    }
    return cpu_s() - start;
}

int main(int argc, char **argv)
{
    struct trace t = {0};
    struct sl_error err = {0};
    size_t len = 0;
    if (argc < 2) {
        invent(&t);
    } else if (!sl_read_file(argv[1], MAX_TRACE_BYTES, &t.bytes, &len, &err) ||
               !parse(&t, len, &err)) {
        fprintf(stderr, "error: %s\n", err.msg);
        return 3;
    }
    double best = 0;
    uint64_t sum = 0;
    size_t kinds[SL_PACKET_KINDS];
    for (int i = 0; i < ROUNDS; i++) {
        double s = round_s(&t, kinds, &sum);
        best = best <= 0 || s < best ? s : best;
    }
    printf("%zu packets (", t.records.len);
    for (int k = 0; k < SL_PACKET_KINDS; k++)
        printf("%s%zu %s", k ? ", " : "", kinds[k], sl_packet_kind_name((enum sl_packet_kind)k));
    printf("); sum %" PRIu64 "\n%.2f ns of CPU per packet\n", sum,
           best * 1e9 / (double)(t.records.len ? t.records.len : 1));
    SL_VEC_DONE(&t.records);
    free(t.bytes);
    return 0;
}
