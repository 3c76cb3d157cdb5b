// SPDX-License-Identifier: Apache-2.0
/*
 * Classic pcap: a file header of 24 bytes, then records of 16 bytes and a packet each.
 * Source: draft-ietf-opsawg-pcap.
 *
 * The loop over records is the fastest path of a trace, so it is made once for each byte order.
 * Three old customs are known besides: files before version 2.3 have the two lengths of a record
 * the other way round, those of 2.3 may have; and A. Kuznetzov's variant (magic a1b2cd34, of
 * patched libpcaps around 2000) has eight more bytes per record, which say nothing that we keep.
 */
#include "net/trace_format.h"
#include <assert.h>
#include <inttypes.h>
#include <string.h>

enum {
    FILE_HEADER = 24,
    RECORD_HEADER = 16,
    RECORD_HEADER_MODIFIED = 24,
};
#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du
#define MAGIC_MODIFIED 0xa1b2cd34u

static inline uint32_t get32(const uint8_t *p, bool swapped)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return swapped ? __builtin_bswap32(v) : v;
}

static inline uint16_t get16(const uint8_t *p, bool swapped)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return swapped ? __builtin_bswap16(v) : v;
}

static bool known(uint32_t magic)
{
    return magic == MAGIC_US || magic == MAGIC_NS || magic == MAGIC_MODIFIED;
}

bool sl_pcap_magic(const uint8_t *p)
{
    return known(get32(p, false)) || known(get32(p, true));
}

static void absurd(struct sl_trace *t, uint64_t number, uint32_t captured)
{
    sl_trace_end(t,
                 "packet %" PRIu64 " at byte %" PRIu64 "%s cannot be: it says that %" PRIu32
                 " bytes of it were captured, the limit is %d",
                 number, sl_trace_offset(t), t->where, captured, SL_TRACE_MAX_PACKET);
}

static inline __attribute__((always_inline)) size_t records(struct sl_trace *t,
                                                            struct sl_trace_packet *out, size_t max,
                                                            bool swapped, size_t header,
                                                            int lengths)
{
    const uint8_t *p = t->in.p, *end = t->in.end;
    uint16_t linktype = t->interfaces.at[0]->pub.linktype;
    uint32_t ns_per_tick = t->pcap.ns_per_tick;
    size_t n = 0;
    t->want = header;
    while (n < max && (size_t)(end - p) >= header) {
        uint32_t captured = get32(p + 8, swapped), wire = get32(p + 12, swapped);
        if (lengths != LENGTHS_AS_THEY_ARE && (lengths == LENGTHS_SWAPPED || captured > wire)) {
            uint32_t other = captured;
            captured = wire;
            wire = other;
        }
        if (captured > SL_TRACE_MAX_PACKET) {
            t->in.p = p;
            absurd(t, t->info.packets + n + 1, captured);
            break;
        }
        if ((size_t)(end - p) - header < captured) {
            t->want = header + captured;
            break;
        }
        out[n++] = (struct sl_trace_packet){
            .ts_ns = (int64_t)get32(p, swapped) * 1000000000 +
                     (int64_t)get32(p + 4, swapped) * ns_per_tick,
            .data = p + header,
            .captured = captured,
            .wire_bytes = wire < captured ? captured : wire,
            .linktype = linktype,
        };
        p += header + captured;
    }
    t->in.p = p;
    t->info.packets += n;
    t->interfaces.at[0]->pub.packets += n;
    return n;
}

static size_t take_native(struct sl_trace *t, struct sl_trace_packet *out, size_t max)
{
    return records(t, out, max, false, RECORD_HEADER, LENGTHS_AS_THEY_ARE);
}

static size_t take_swapped(struct sl_trace *t, struct sl_trace_packet *out, size_t max)
{
    return records(t, out, max, true, RECORD_HEADER, LENGTHS_AS_THEY_ARE);
}

static size_t take_old(struct sl_trace *t, struct sl_trace_packet *out, size_t max)
{
    return records(t, out, max, t->swapped, t->pcap.header_bytes, (int)t->pcap.lengths);
}

static void cut(struct sl_trace *t)
{
    size_t have = (size_t)(t->in.end - t->in.p), header = t->pcap.header_bytes;
    if (have < header)
        sl_trace_end(t,
                     "packet %" PRIu64 " at byte %" PRIu64
                     "%s is cut short: %zu bytes of its header of %zu are there",
                     t->info.packets + 1, sl_trace_offset(t), t->where, have, header);
    else
        sl_trace_end(
            t, "packet %" PRIu64 " at byte %" PRIu64 "%s is cut short: %zu bytes of %zu are there",
            t->info.packets + 1, sl_trace_offset(t), t->where, have - header, t->want - header);
}

static bool begin_version(struct sl_trace *t, struct sl_error *err)
{
    uint16_t major = get16(t->in.p + 4, t->swapped), minor = get16(t->in.p + 6, t->swapped);
    if (major != 2)
        return sl_fail(err, SL_EINPUT,
                       "'%s' is a pcap file of version %u.%u at byte 4; version 2 is read",
                       t->in.name, (unsigned)major, (unsigned)minor);
    if (minor < 3)
        t->pcap.lengths = LENGTHS_SWAPPED;
    else if (minor == 3)
        t->pcap.lengths = LENGTHS_IN_DOUBT;
    return true;
}

bool sl_pcap_begin(struct sl_trace *t, struct sl_error *err)
{
    const uint8_t *p = t->in.p;
    size_t have = (size_t)(t->in.end - p);
    if (have < FILE_HEADER)
        return sl_fail(err, SL_EINPUT,
                       "'%s' ends inside the file header of pcap: %zu bytes of %d are there%s%s",
                       t->in.name, have, FILE_HEADER, t->in.damage[0] ? "; " : "", t->in.damage);
    t->swapped = !known(get32(p, false));
    uint32_t magic = get32(p, t->swapped);
    if (!begin_version(t, err))
        return false;
    t->info.format = "pcap";
    t->pcap.ns_per_tick = magic == MAGIC_NS ? 1 : 1000;
    t->pcap.header_bytes = magic == MAGIC_MODIFIED ? RECORD_HEADER_MODIFIED : RECORD_HEADER;
    bool old = magic == MAGIC_MODIFIED || t->pcap.lengths != LENGTHS_AS_THEY_ARE;
    t->take = old ? take_old : t->swapped ? take_swapped : take_native;
    t->cut = cut;

    // Section 4 of the draft: link type in the lower 16 bits; in the upper four the length of the
    // frame check sequence in units of 16 bits, valid if bit 26 is set.
    uint32_t link = get32(p + 20, t->swapped);
    struct sl_trace_iface *i = sl_trace_add_interface(t);
    assert(i); // the first one fits
    i->pub.linktype = (uint16_t)link;
    i->pub.fcs_bytes = link & (1u << 26) ? (uint8_t)(2 * (link >> 28)) : 0;
    i->pub.snaplen = get32(p + 16, t->swapped);
    i->pub.ticks_per_s = magic == MAGIC_NS ? 1000000000 : 1000000;
    t->in.p += FILE_HEADER;
    return true;
}
