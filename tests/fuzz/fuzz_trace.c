// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes as a capture, plain or compressed. Read in batches of a size that the last byte chooses,
 * from memory and then from a file of memory (through the buffers): both must give the same packets
 * and the same end. Lengths, interfaces and counts must fit together, every captured byte must be
 * readable, and a batch must still be what it was when the next one has been read.
 */
#include "base/hash.h"
#include "net/trace.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BATCH = 37, MAX_PACKETS = 20000 };

struct batch {
    struct sl_trace_packet p[MAX_BATCH];
    size_t n;
    uint64_t hash;
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    return (a ^ b) * UINT64_C(0x9e3779b97f4a7c15) + (a >> 29);
}

static uint64_t hash_packet(uint64_t h, const struct sl_trace_packet *p)
{
    h = mix(h, (uint64_t)p->ts_ns);
    h = mix(h, (uint64_t)p->captured << 32 | p->wire_bytes);
    h = mix(h, (uint64_t)p->interface << 16 | p->linktype);
    return mix(h, sl_fnv1a(p->data, p->captured));
}

static uint64_t hash_batch(const struct batch *b)
{
    uint64_t h = 0;
    for (size_t i = 0; i < b->n; i++)
        h = hash_packet(h, &b->p[i]);
    return h;
}

static void check_packet(const struct sl_trace *t, const struct sl_trace_packet *p)
{
    must(p->ts_ns >= -SL_TRACE_MAX_NS && p->ts_ns <= SL_TRACE_MAX_NS);
    must(p->captured <= p->wire_bytes && p->captured <= SL_TRACE_MAX_PACKET);
    const struct sl_trace_interface *i = sl_trace_interface(t, p->interface);
    must(i && i->linktype == p->linktype);
}

static void check_counts(const struct sl_trace *t, uint64_t packets)
{
    struct sl_trace_info info;
    sl_trace_info(t, &info);
    must(info.packets == packets);
    for (size_t i = 0; i < info.n_interfaces; i++) {
        const struct sl_trace_interface *f = sl_trace_interface(t, (uint16_t)i);
        must(strlen(f->name) + strlen(f->comment) + strlen(f->filter) < 200000);
        must(f->ticks_per_s > 0 && packets >= f->packets);
        packets -= f->packets;
    }
    must(packets == 0);
}

// All of a trace as one number.
static uint64_t read_trace(struct sl_trace *t, size_t max)
{
    static struct batch b[2];
    struct sl_error err = {0};
    uint64_t h = 1, packets = 0;
    b[0].n = b[1].n = 0;
    for (int k = 0; packets < MAX_PACKETS; k = !k) {
        must(sl_trace_read(t, b[k].p, max, &b[k].n, &err) && b[k].n <= max);
        if (b[!k].n)
            must(hash_batch(&b[!k]) == b[!k].hash);
        for (size_t i = 0; i < b[k].n; i++, packets++) {
            check_packet(t, &b[k].p[i]);
            if (packets < MAX_PACKETS)
                h = hash_packet(h, &b[k].p[i]);
        }
        b[k].hash = hash_batch(&b[k]);
        if (b[k].n == 0) {
            const char *damage = sl_trace_damage(t);
            h = damage ? mix(h, sl_fnv1a(damage, strlen(damage))) : h;
            break;
        }
    }
    check_counts(t, packets);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_error err = {0};
    size_t max = size ? 1 + data[size - 1] % MAX_BATCH : 1;
    struct sl_trace *t = sl_trace_open_bytes(data, size, "input", &err);
    must(t || (err.msg[0] && (err.code == SL_EINPUT)));
    uint64_t h = t ? read_trace(t, max) : 0;

    int fd = memfd_create("input", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct sl_trace *u = sl_trace_open(path, &err);
    close(fd);
    must(!t == !u);
    if (u)
        must(read_trace(u, max) == h);
    sl_trace_close(t);
    sl_trace_close(u);
    return 0;
}
