// SPDX-License-Identifier: Apache-2.0
/*
 * What the readers of pcap and pcapng share. Private to net.
 *
 * A format has two functions. `take` goes through the window of the input and delivers the packets
 * that are there as a whole; when it stops for want of bytes it has set `want`, the length the
 * window needs from its start. `cut` is asked when the input has ended and the window is not empty
 * or a block is not yet skipped: it says what is there of what should be.
 */
#pragma once
#include "base/mem.h"
#include "net/trace.h"
#include "net/trace_input.h"

struct sl_trace_iface {
    struct sl_trace_interface pub;
    uint64_t ns_per_tick; // 0 = a division is needed
    int64_t offset_s, offset_ns;
};
struct sl_trace {
    struct sl_trace_input in;
    size_t (*take)(struct sl_trace *t, struct sl_trace_packet *out, size_t max);
    void (*cut)(struct sl_trace *t);
    size_t want;
    bool ended;
    char damage[640];
    const char *where; // after a byte number: "" or " of the uncompressed data"
    struct sl_trace_info info;
    struct sl_arena texts;
    size_t texts_left; // bytes that may still be kept
    SL_VEC(struct sl_trace_iface *) interfaces;

    bool swapped; // not the byte order of this machine (of this section)
    struct {      // pcap
        uint32_t ns_per_tick;
        size_t header_bytes; // of a record
        enum { LENGTHS_AS_THEY_ARE, LENGTHS_SWAPPED, LENGTHS_IN_DOUBT } lengths;
    } pcap;
    struct {                   // pcapng
        uint64_t block;        // number of the current one, from 1
        uint64_t block_offset; // of a block that is being skipped
        uint32_t skip_type;
        uint64_t skip_total, skip; // of its length; what is still to go, with its trailer
        size_t first_interface;    // of this section
        int64_t last_ts_ns;
    } ng;
};

// Opening, after at least four bytes of the window were looked at. They read the file header.
SL_MUST_USE bool sl_pcap_magic(const uint8_t *p);
SL_MUST_USE bool sl_pcap_begin(struct sl_trace *t, struct sl_error *err);
SL_MUST_USE bool sl_pcapng_magic(const uint8_t *p);
SL_MUST_USE bool sl_pcapng_begin(struct sl_trace *t, struct sl_error *err);
// Why these bytes, the first of a file, are no capture; always false.
bool sl_trace_not_a_capture(const char *name, const uint8_t *p, size_t len, bool was_compressed,
                            struct sl_error *err);

// Damage: the trace ends here. The first text stays.
void sl_trace_end(struct sl_trace *t, const char *fmt, ...) SL_PRINTF(2, 3);
struct sl_trace_iface *sl_trace_add_interface(struct sl_trace *t); // NULL = there are 65536 already
const char *sl_trace_keep_text(struct sl_trace *t, const uint8_t *text, size_t len);
static inline uint64_t sl_trace_offset(const struct sl_trace *t)
{
    return sl_trace_input_offset(&t->in);
}
