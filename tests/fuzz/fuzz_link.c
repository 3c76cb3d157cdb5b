// SPDX-License-Identifier: Apache-2.0
/*
 * A script of packets, conditions and time through three pipes in a row, as a device hands packets
 * over: a virtio-net header and whatever bytes. Records: an operation, an argument, then for
 * packets a length and bytes. What comes out goes through the joiner as in the relay. Always: nothing
 * early, in order where order is kept, in + duplicates = out + dropped + under way in each pipe, and
 * no memory left at the end.
 */
#include "base/mem.h"
#include "link/emulator.h"
#include "link/join.h"
#include <stdlib.h>
#include <string.h>

enum { PIPES = 3 };
static const char *const sets[] = {
    "",
    "delay 3ms",
    "rate 1Mbps",
    "rate 100Mbps queue 3p delay 1ms",
    "loss 30%",
    "loss 20% loss-burst 3 duplicate 20% corrupt 20%",
    "delay 2ms jitter 2ms",
    "delay 2ms jitter 2ms jitter-reorders",
    "reorder 50% delay 4ms",
    "rate 2Mbps aqm codel ecn",
    "rate 2Mbps aqm fq-codel queue 20p",
    "rate 2Mbps aqm red queue 30KB",
    "rate 5Mbps loss 30% loss-behind",
    "mtu 600",
    "carrier down",
    "rate 1Mbps whole",
    "rate 3Mbps burst 4KB overhead ip",
    "loss-every 2",
    "loss-model 30%,40%,90%,10%",
};
enum { SETS = sizeof sets / sizeof *sets };

struct run {
    struct sl_emulator *e;
    struct sl_pbuf_pool *pool;
    struct sl_join join;
    int64_t now;
    uint64_t in_segments, out_segments;
};

static int32_t next(void *ctx, uint32_t pipe, const struct sl_pbuf *b)
{
    (void)ctx;
    (void)b;
    return pipe + 1 < PIPES ? (int32_t)pipe + 1 : -1;
}

static void write_out(struct run *r, struct sl_pbuf *b)
{
    uint32_t bytes;
    const uint8_t *at = sl_pbuf_give(b, &bytes);
    uint8_t *copy = malloc(bytes); // every byte is read
    memcpy(copy, at, bytes);
    free(copy);
    r->out_segments += b->segments;
    sl_pbuf_free(r->pool, b);
}

static void flush(struct run *r)
{
    struct sl_pbuf *b = sl_join_take(&r->join);
    if (b)
        write_out(r, b);
}

static void out(void *ctx, uint32_t pipe, struct sl_pbuf *b)
{
    struct run *r = ctx;
    if (b->due_ns > r->now)
        abort();
    sl_emulator_sent(r->e, pipe, b->due_ns, r->now);
    if (sl_join_add(&r->join, r->pool, b))
        return;
    flush(r);
    if (!sl_join_add(&r->join, r->pool, b))
        write_out(r, b);
}

static void check(struct run *r)
{
    uint64_t under_way = 0;
    for (uint32_t i = 0; i < PIPES; i++) {
        struct sl_pipe_counts n;
        sl_emulator_counts(r->e, i, r->now, false, &n);
        uint64_t went = n.out_packets + n.under_way;
        for (int k = 0; k < SL_DROPS; k++)
            went += n.dropped[k];
        if (n.in_packets + n.duplicates != went)
            abort();
        under_way += n.under_way;
    }
    if (under_way != sl_emulator_under_way(r->e))
        abort();
}

static void apply(struct run *r, uint32_t pipe, const char *words)
{
    struct sl_conditions c = {0};
    struct sl_arena arena = {0};
    struct sl_error err = {0};
    if (!sl_conditions_parse(&c, words, &arena, &err) || !sl_conditions_check(&c, &err))
        abort();
    struct sl_prepared *p = sl_prepared_new(&c, 7, pipe, &err);
    if (!p)
        abort();
    sl_emulator_apply(r->e, pipe, p, r->now);
    sl_prepared_free(p);
    sl_arena_done(&arena);
}

static void packet(struct run *r, uint32_t pipe, bool tap, const uint8_t *data, uint32_t size)
{
    struct sl_pbuf *b = sl_pbuf_new(r->pool, size > SL_VNET_BYTES ? size - SL_VNET_BYTES : 0);
    if (!b)
        return;
    memcpy(b->data - SL_VNET_BYTES, data, size);
    if (!sl_pbuf_take(b, size, tap ? 14 : 0)) {
        sl_pbuf_free(r->pool, b);
        return;
    }
    r->in_segments += b->segments;
    sl_emulator_arrive(r->e, pipe, b, r->now);
}

static void go(struct run *r, int64_t ns)
{
    r->now += ns;
    sl_emulator_run(r->e, r->now);
    flush(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_error err = {0};
    struct run r = {.now = 1000000000};
    struct sl_emulator_options o = {
        .pipes = PIPES, .memory_bytes = 2 << 20, .next = next, .out = out, .ctx = &r};
    r.e = sl_emulator_new(&o, r.now, &err);
    if (!r.e)
        abort();
    r.pool = sl_emulator_pool(r.e);
    while (size >= 2) {
        unsigned op = data[0] & 7, pipe = (data[0] >> 3) % PIPES, arg = data[1];
        bool tap = data[0] & 0x80;
        data += 2, size -= 2;
        if (op == 0) {
            apply(&r, pipe, sets[arg % SETS]);
        } else if (op == 1) {
            go(&r, arg * 20000);
        } else if (op == 2) {
            go(&r, (int64_t)arg * 10000000);
        } else if (op == 3) {
            check(&r);
        } else if (size >= 2) {
            uint32_t len = (uint32_t)data[0] << 8 | data[1], times = op == 7 ? arg % 8 + 1 : 1;
            data += 2, size -= 2;
            len = len < size ? len : (uint32_t)size;
            for (uint32_t i = 0; i < times; i++)
                packet(&r, pipe, tap, data, len);
            data += len, size -= len;
            flush(&r);
        }
    }
    check(&r);
    for (uint32_t i = 0; i < PIPES; i++)
        apply(&r, i, "");
    go(&r, 4000000000000);
    check(&r);
    if (sl_emulator_under_way(r.e) || sl_pbuf_pool_used(r.pool))
        abort();
    sl_emulator_free(r.e);
    return 0;
}
