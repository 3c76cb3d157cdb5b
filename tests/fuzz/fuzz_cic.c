// SPDX-License-Identifier: Apache-2.0
/*
 * Frames through CICFlowMeter's way of seeing them, in both versions. The input is a row of
 * records: two bytes of captured length, two that lengthen the wire, two of time since the record
 * before (the top bit: backwards), then the frame. Besides what the sanitizers see, it checks that
 * the rows hold exactly the packets that were added, and that every cell is plain text.
 */
#include "base/mem.h"
#include "flow/cic.h"
#include <stdlib.h>
#include <string.h>

struct run {
    bool fork;
    size_t n_columns;
    int64_t packets;
    struct sl_cic_row row;
};

static void look(void *ctx, const struct sl_cic *c, const struct sl_cic_flow *f)
{
    struct run *r = ctx;
    (void)c;
    r->packets += f->side[0].packets + f->side[1].packets;
    sl_cic_row(r->fork, false, f, &r->row);
    sl_cic_row(r->fork, true, f, &r->row);
    for (size_t i = 0; i < r->n_columns; i++) {
        struct sl_text t = r->row.cells[i].s;
        if (!t.len || memchr(t.p, ',', t.len) || memchr(t.p, '\n', t.len) || memchr(t.p, 0, t.len))
            abort();
    }
}

static unsigned take16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static bool one_frame(struct sl_cic *c, bool fork, const uint8_t *data, size_t captured,
                      uint32_t wire, int64_t now_ns, uint64_t number)
{
    struct sl_cic_packet p;
    uint8_t *frame = malloc(captured ? captured : 1); // exact, so that one byte beyond is seen
    memcpy(frame, data, captured);
    bool usable = sl_cic_packet(fork, frame, captured, wire, sl_cic_time_us(now_ns, true), &p);
    free(frame);
    if (!usable)
        return false;
    if (p.payload_bytes > captured || p.header_bytes > 60)
        abort();
    p.number = number;
    sl_cic_add(c, &p);
    return true;
}

static void run(bool fork, const uint8_t *data, size_t size)
{
    struct sl_column columns[SL_CIC_COLUMNS_MAX];
    struct run *r = sl_alloc(sizeof *r);
    r->fork = fork;
    r->n_columns = sl_cic_columns(fork, true, columns);
    struct sl_cic_options opt = {
        .fork = fork, .max_flows = 8, .max_segments = 16, .seed = 1, .on_flow = look, .ctx = r};
    struct sl_cic *c = sl_cic_new(&opt);
    int64_t now_ns = 0, added = 0;
    for (uint64_t number = 0; size >= 6; number++) {
        size_t captured = take16(data) & 0x7ff;
        uint32_t beyond = take16(data + 2);
        int64_t step_ns = (int64_t)(take16(data + 4) & 0x7fff) * 10000000; // up to 327 s
        now_ns += data[4] & 0x80 ? -step_ns : step_ns;
        data += 6, size -= 6;
        captured = captured < size ? captured : size;
        added += one_frame(c, fork, data, captured, (uint32_t)captured + beyond, now_ns, number);
        data += captured, size -= captured;
    }
    sl_cic_finish(c);
    const struct sl_cic_counts *n = sl_cic_counts(c);
    if (r->packets + (int64_t)(n->too_short + n->dropped) != added || n->peak_live > 8)
        abort();
    sl_cic_free(c);
    free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run(false, data, size);
    run(true, data, size);
    return 0;
}
