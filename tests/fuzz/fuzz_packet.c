// SPDX-License-Identifier: Apache-2.0
/*
 * Frames through the decoder and the flow table. The input is a row of records: two bytes of
 * captured length, two that lengthen the wire, two of time since the record before, then the frame.
 * Besides what the sanitizers see, it checks that captured payload lies inside the frame, and that
 * the flows hold exactly the packets that were added.
 */
#include "flow/flow.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct totals {
    uint64_t packets, bytes;
};

static void count(void *ctx, struct sl_flow *f)
{
    struct totals *t = ctx;
    t->packets += f->packets[0] + f->packets[1];
    t->bytes += f->bytes[0] + f->bytes[1];
    if (f->end == SL_END_NONE || f->head_len[0] > SL_FLOW_HEAD_BYTES ||
        f->head_len[1] > SL_FLOW_HEAD_BYTES)
        abort();
}

static uint32_t take16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static void one_frame(struct sl_flow_table *table, const uint8_t *data, size_t captured,
                      uint32_t wire, int64_t now, struct totals *added)
{
    struct sl_packet p;
    uint8_t *frame = malloc(captured ? captured : 1); // exact, so that one byte beyond is seen
    memcpy(frame, data, captured);
    enum sl_packet_kind kind = sl_packet_decode(NULL, frame, captured, wire, now, &p);
    if (kind >= SL_PACKET_KINDS || p.payload_captured > p.payload_bytes ||
        (p.payload && (p.payload < frame || p.payload + p.payload_captured > frame + captured)))
        abort();
    if (kind == SL_PACKET_OK || kind == SL_PACKET_FRAGMENT) {
        sl_flow_table_add(table, &p, NULL);
        added->packets++;
        added->bytes += wire;
    }
    free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct totals added = {0}, seen = {0};
    struct sl_flow_options opt = {.max_flows = 8, .on_end = count, .ctx = &seen};
    struct sl_flow_table *table = sl_flow_table_new(&opt);
    int64_t now = 0;
    while (size >= 6) {
        size_t captured = take16(data) & 0x7ff;
        uint32_t beyond = take16(data + 2);
        now += (int64_t)take16(data + 4) * 10000000; // up to 655 s
        data += 6, size -= 6;
        if (captured > size)
            captured = size;
        one_frame(table, data, captured, (uint32_t)captured + beyond, now, &added);
        data += captured, size -= captured;
        if (beyond & 1)
            sl_flow_table_expire(table, now);
    }
    sl_flow_table_drain(table);
    sl_flow_table_free(table);
    if (added.packets != seen.packets || added.bytes != seen.bytes)
        abort();
    return 0;
}
