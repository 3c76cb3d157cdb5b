// SPDX-License-Identifier: Apache-2.0
/*
 * Frames through the decoder, the map of fragments and the flow table. The input starts with the
 * link type (two bytes) and how to decode (bit 0 outer, bit 1 tunnels as CICFlowMeter); then comes
 * a row of records: two bytes of captured length, two that lengthen the wire, two of time since the
 * record before, then the frame. Besides what the sanitizers see, it checks that captured payload
 * and TCP options lie inside the frame, that lengths and layers agree, and that the flows hold
 * exactly the packets that were added.
 */
#include "flow/flow.h"
#include "net/fragments.h"
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

static bool inside(const uint8_t *p, size_t n, const uint8_t *frame, size_t captured)
{
    return p ? n && p >= frame && n <= captured && (size_t)(p - frame) <= captured - n : n == 0;
}

static void check(const struct sl_packet *p, enum sl_packet_kind kind, const uint8_t *frame,
                  size_t captured, uint32_t wire)
{
    if (kind >= SL_PACKET_KINDS || p->wire_bytes != wire ||
        p->payload_captured > p->payload_bytes ||
        !inside(p->payload, p->payload_captured, frame, captured) ||
        !inside(p->tcp_options, p->tcp_options_captured, frame, captured) ||
        p->tcp_options_captured > 40)
        abort();
    if (kind != SL_PACKET_OK && kind != SL_PACKET_FRAGMENT)
        return;
    // A super-packet may have more extension headers than their 16-bit sum can say.
    if (!p->layers || p->ip_bytes > wire || (p->vlan_inner && !p->vlan) ||
        (p->ip_bytes <= UINT16_MAX &&
         (uint32_t)p->ip_header_bytes + p->l4_header_bytes + p->payload_bytes != p->ip_bytes) ||
        (kind == SL_PACKET_FRAGMENT) != (p->fragmented && p->fragment_offset))
        abort();
    struct sl_tcp_options o;
    sl_tcp_options(p, &o);
    if (o.n_sack > 4 || o.window_scale > 14 || o.window_scale < -1)
        abort();
}

struct target {
    struct sl_decode_options how;
    struct sl_flow_table *table;
    struct sl_fragments *fragments;
    struct totals added;
};

static void one_frame(struct target *t, const uint8_t *data, size_t captured, uint32_t wire,
                      int64_t now)
{
    struct sl_packet p;
    uint8_t *frame = malloc(captured ? captured : 1); // exact, so that one byte beyond is seen
    memcpy(frame, data, captured);
    enum sl_packet_kind kind = sl_packet_decode(&t->how, frame, captured, wire, now, &p);
    check(&p, kind, frame, captured, wire);
    if (kind == SL_PACKET_BAD_LINK && sl_linktype_known(t->how.linktype))
        abort();
    if (kind == SL_PACKET_OK || kind == SL_PACKET_FRAGMENT) {
        if (p.fragmented && !sl_fragments_resolve(t->fragments, &p) && !p.fragment_offset)
            abort();
        sl_flow_table_add(t->table, &p, NULL);
        t->added.packets++;
        t->added.bytes += wire;
    }
    free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct totals seen = {0};
    struct sl_flow_options opt = {.max_flows = 8, .on_end = count, .ctx = &seen};
    struct sl_fragments_options few = {.max = 4};
    struct target t = {.how = {.linktype = (uint16_t)take16(data),
                               .outer = data[2] & 1,
                               .cic_tunnels = data[2] & 2},
                       .table = sl_flow_table_new(&opt),
                       .fragments = sl_fragments_new(&few)};
    int64_t now = 0;
    data += 3, size -= 3;
    while (size >= 6) {
        size_t captured = take16(data) & 0x7ff;
        uint32_t beyond = take16(data + 2);
        now += (int64_t)take16(data + 4) * 10000000; // up to 655 s
        data += 6, size -= 6;
        if (captured > size)
            captured = size;
        one_frame(&t, data, captured, (uint32_t)captured + beyond, now);
        data += captured, size -= captured;
        if (beyond & 1)
            sl_flow_table_expire(t.table, now);
    }
    sl_flow_table_drain(t.table);
    sl_flow_table_free(t.table);
    sl_fragments_free(t.fragments);
    if (t.added.packets != seen.packets || t.added.bytes != seen.bytes)
        abort();
    return 0;
}
