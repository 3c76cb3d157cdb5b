// SPDX-License-Identifier: Apache-2.0
/*
 * pcapng: blocks of a type, a length, a body and the length again. A section header block sets the
 * byte order and starts numbering interfaces anew; interface descriptions say what later packets
 * mean. Source: draft-ietf-opsawg-pcapng.
 *
 * Blocks that matter are looked into as a whole; the others (names, secrets, journals, custom ones)
 * are passed over however long they are, without holding them. The length of a section is not
 * believed: the blocks say where they end. Broken framing, and options that run over their block,
 * end the trace: nothing behind them can be trusted.
 */
#include "net/trace_format.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    BLOCK_INTERFACE = 1,
    BLOCK_OLD_PACKET = 2,
    BLOCK_SIMPLE = 3,
    BLOCK_NAMES = 4,
    BLOCK_STATISTICS = 5,
    BLOCK_ENHANCED = 6,
    BLOCK_SECTION = 0x0a0d0d0a, // the same in both byte orders
    BYTE_ORDER_MAGIC = 0x1a2b3c4d,

    LEAST_BLOCK = 12, // type, length, length
    MAX_BLOCK = 1 << 20,
    OPT_END = 0,
    OPT_COMMENT = 1,
};
__extension__ typedef __int128 wide; // a product of two 64-bit numbers

struct body { // what is between the lengths of a block, as far as not yet read
    const uint8_t *p, *end;
};
struct option {
    uint16_t code, len;
    const uint8_t *value;
};

static inline uint32_t get32(const struct sl_trace *t, const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return t->swapped ? __builtin_bswap32(v) : v;
}

static inline uint16_t get16(const struct sl_trace *t, const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return t->swapped ? __builtin_bswap16(v) : v;
}

static uint64_t get64(const struct sl_trace *t, const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return t->swapped ? __builtin_bswap64(v) : v;
}

static const char *type_name(uint32_t type, char buf[32])
{
    switch (type) {
    case BLOCK_SECTION:
        return "section header";
    case BLOCK_INTERFACE:
        return "interface description";
    case BLOCK_OLD_PACKET:
        return "packet, obsolete";
    case BLOCK_SIMPLE:
        return "simple packet";
    case BLOCK_NAMES:
        return "name resolution";
    case BLOCK_STATISTICS:
        return "interface statistics";
    case BLOCK_ENHANCED:
        return "enhanced packet";
    case 9:
        return "journal";
    case 10:
        return "decryption secrets";
    case 0xbad:
    case 0x40000bad:
        return "custom";
    default:
        snprintf(buf, 32, "type 0x%08" PRIx32, type);
        return buf;
    }
}

// Damage of the block at the start of the window: "block 3 (custom) at byte 96 ...".
static void SL_PRINTF(3, 4) block_damage(struct sl_trace *t, uint32_t type, const char *fmt, ...)
{
    char what[320], buf[32];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    sl_trace_end(t, "block %" PRIu64 " (%s) at byte %" PRIu64 "%s %s", t->ng.block,
                 type_name(type, buf), sl_trace_offset(t), t->where, what);
}

// The same for what holds a packet: people look for packet 17.
static void SL_PRINTF(2, 3) packet_damage(struct sl_trace *t, const char *fmt, ...)
{
    char what[320];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    sl_trace_end(t, "packet %" PRIu64 " at byte %" PRIu64 "%s %s", t->info.packets + 1,
                 sl_trace_offset(t), t->where, what);
}

// The next option of a body; false at their end, or at damage.
static bool next_option(struct sl_trace *t, uint32_t type, struct body *b, struct option *o)
{
    size_t left = (size_t)(b->end - b->p);
    if (left == 0)
        return false;
    if (left < 4) {
        block_damage(t, type, "has %zu stray bytes where an option is to be", left);
        return false;
    }
    o->code = get16(t, b->p);
    o->len = get16(t, b->p + 2);
    o->value = b->p + 4;
    if (o->code == OPT_END)
        return false;
    size_t padded = ((size_t)o->len + 3) & ~(size_t)3;
    if (padded > left - 4) {
        block_damage(t, type, "has an option (code %u) that runs over its end: %u bytes of %zu",
                     (unsigned)o->code, (unsigned)o->len, left - 4);
        return false;
    }
    b->p += 4 + padded;
    return true;
}

static bool length_is(struct sl_trace *t, uint32_t type, const struct option *o, unsigned least)
{
    if (o->len >= least)
        return true;
    block_damage(t, type, "has an option (code %u) of %u bytes that needs %u", (unsigned)o->code,
                 (unsigned)o->len, least);
    return false;
}

static void keep(struct sl_trace *t, const char **text, const struct option *o)
{
    if (!**text) // the first of several, such as comments
        *text = sl_trace_keep_text(t, o->value, o->len);
}

static void section_options(struct sl_trace *t, struct body b)
{
    struct option o;
    while (next_option(t, BLOCK_SECTION, &b, &o)) {
        if (t->ng.block != 1)
            continue;
        switch (o.code) {
        case OPT_COMMENT:
            keep(t, &t->info.comment, &o);
            break;
        case 2:
            keep(t, &t->info.hardware, &o);
            break;
        case 3:
            keep(t, &t->info.os, &o);
            break;
        case 4:
            keep(t, &t->info.application, &o);
            break;
        default:
            break;
        }
    }
}

// The whole block is in the window, and its byte order is known.
static void section(struct sl_trace *t, struct body b)
{
    uint16_t major = get16(t, b.p + 4), minor = get16(t, b.p + 6);
    if (major != 1) {
        block_damage(t, BLOCK_SECTION, "is of version %u.%u; version 1 is read", (unsigned)major,
                     (unsigned)minor);
        return;
    }
    t->ng.first_interface = t->interfaces.len;
    b.p += 16; // magic, version, section length
    section_options(t, b);
}

// if_tsresol: units of 10^-n s, or with the highest bit of 2^-n s.
static bool resolution(struct sl_trace *t, struct sl_trace_iface *i, uint8_t code)
{
    unsigned n = code & 0x7f, base = code & 0x80 ? 2 : 10;
    if (n > (base == 2 ? 63 : 19)) {
        block_damage(t, BLOCK_INTERFACE, "counts time in units of %u^-%u s: that cannot be", base,
                     n);
        return false;
    }
    i->pub.ticks_per_s = 1;
    while (n-- > 0)
        i->pub.ticks_per_s *= base;
    return true;
}

static bool interface_option(struct sl_trace *t, struct sl_trace_iface *i, const struct option *o)
{
    switch (o->code) {
    case OPT_COMMENT:
        keep(t, &i->pub.comment, o);
        return true;
    case 2:
        keep(t, &i->pub.name, o);
        return true;
    case 3:
        keep(t, &i->pub.description, o);
        return true;
    case 9:
        return length_is(t, BLOCK_INTERFACE, o, 1) && resolution(t, i, o->value[0]);
    case 11: // one byte says how it is written: 0 = as text of libpcap
        if (o->len > 1 && o->value[0] == 0 && !*i->pub.filter)
            i->pub.filter = sl_trace_keep_text(t, o->value + 1, (size_t)o->len - 1);
        return true;
    case 12:
        keep(t, &i->pub.os, o);
        return true;
    case 13: // the draft says bits, many writers mean bytes
        if (o->len >= 1)
            i->pub.fcs_bytes = o->value[0] < 8 ? o->value[0] : o->value[0] / 8;
        return true;
    case 14:
        if (!length_is(t, BLOCK_INTERFACE, o, 8))
            return false;
        i->offset_s = (int64_t)get64(t, o->value);
        return true;
    case 15:
        keep(t, &i->pub.hardware, o);
        return true;
    default:
        return true;
    }
}

static void interface(struct sl_trace *t, struct body b)
{
    if (b.end - b.p < 8) {
        block_damage(t, BLOCK_INTERFACE, "has no room for a link type and a snapshot length");
        return;
    }
    struct sl_trace_iface *i = sl_trace_add_interface(t);
    if (!i) {
        block_damage(t, BLOCK_INTERFACE, "is one too many: 65536 are the limit");
        return;
    }
    i->pub.linktype = get16(t, b.p);
    i->pub.snaplen = get32(t, b.p + 4);
    i->pub.ticks_per_s = 1000000;
    b.p += 8;
    struct option o;
    while (next_option(t, BLOCK_INTERFACE, &b, &o) && interface_option(t, i, &o))
        ;
    if (1000000000 % i->pub.ticks_per_s == 0 &&
        !__builtin_mul_overflow(i->offset_s, INT64_C(1000000000), &i->offset_ns))
        i->ns_per_tick = 1000000000 / i->pub.ticks_per_s;
}

// Exact for every unit: floor of the time in nanoseconds, within our limits.
static int64_t exact_ns(struct sl_trace *t, const struct sl_trace_iface *i, uint64_t ticks)
{
    uint64_t per_s = i->pub.ticks_per_s;
    wide ns = (wide)(ticks % per_s) * 1000000000 / per_s;
    ns += ((wide)(ticks / per_s) + i->offset_s) * 1000000000;
    if (ns >= -SL_TRACE_MAX_NS && ns <= SL_TRACE_MAX_NS)
        return (int64_t)ns;
    t->info.packets_time_limited++;
    return ns > 0 ? SL_TRACE_MAX_NS : -SL_TRACE_MAX_NS;
}

static inline int64_t to_ns(struct sl_trace *t, const struct sl_trace_iface *i, uint64_t ticks)
{
    int64_t ns;
    if (i->ns_per_tick && ticks <= INT64_MAX &&
        !__builtin_mul_overflow((int64_t)ticks, (int64_t)i->ns_per_tick, &ns) &&
        !__builtin_add_overflow(ns, i->offset_ns, &ns) && ns >= -SL_TRACE_MAX_NS &&
        ns <= SL_TRACE_MAX_NS)
        return ns;
    return exact_ns(t, i, ticks);
}

static void statistics(struct sl_trace *t, struct body b)
{
    if (b.end - b.p < 12) {
        block_damage(t, BLOCK_STATISTICS, "has no room for an interface and a time");
        return;
    }
    uint64_t index = t->ng.first_interface + (uint64_t)get32(t, b.p);
    struct sl_trace_iface *i = index < t->interfaces.len ? t->interfaces.at[index] : NULL;
    b.p += 12;
    struct option o;
    while (next_option(t, BLOCK_STATISTICS, &b, &o)) {
        if (o.code != 4 && o.code != 5) // isb_ifrecv, isb_ifdrop
            continue;
        if (!length_is(t, BLOCK_STATISTICS, &o, 8))
            return;
        if (i)
            *(o.code == 4 ? &i->pub.received : &i->pub.dropped) = get64(t, o.value);
    }
}

static bool packet_options(struct sl_trace *t, uint32_t type, struct body b)
{
    struct option o;
    while (next_option(t, type, &b, &o))
        if (o.code == OPT_COMMENT)
            t->info.packet_comments++;
    return !t->ended;
}

static struct sl_trace_iface *packet_interface(struct sl_trace *t, uint32_t id)
{
    size_t n = t->interfaces.len - t->ng.first_interface;
    if (id < n)
        return t->interfaces.at[t->ng.first_interface + id];
    packet_damage(t, "is of interface %" PRIu32 ", but the section has described %zu", id, n);
    return NULL;
}

static inline bool length_fits(struct sl_trace *t, uint32_t captured, size_t room)
{
    if (captured <= room && captured <= SL_TRACE_MAX_PACKET)
        return true;
    if (captured > SL_TRACE_MAX_PACKET)
        packet_damage(t,
                      "cannot be: it says that %" PRIu32 " bytes of it were captured, the limit "
                      "is %d",
                      captured, SL_TRACE_MAX_PACKET);
    else
        packet_damage(t,
                      "says that %" PRIu32 " bytes of it were captured; its block has room for %zu",
                      captured, room);
    return false;
}

// Enhanced and obsolete packet blocks differ only in how they name the interface.
static inline bool packet(struct sl_trace *t, uint32_t type, struct body b,
                          struct sl_trace_packet *out)
{
    if (b.end - b.p < 20) {
        packet_damage(t, "has %zu bytes where its times and lengths take 20",
                      (size_t)(b.end - b.p));
        return false;
    }
    uint32_t id = type == BLOCK_ENHANCED ? get32(t, b.p) : get16(t, b.p);
    uint32_t captured = get32(t, b.p + 12), wire = get32(t, b.p + 16);
    struct sl_trace_iface *i = packet_interface(t, id);
    if (!i || !length_fits(t, captured, (size_t)(b.end - b.p) - 20))
        return false;
    uint64_t ticks = (uint64_t)get32(t, b.p + 4) << 32 | get32(t, b.p + 8);
    *out = (struct sl_trace_packet){
        .ts_ns = to_ns(t, i, ticks),
        .data = b.p + 20,
        .captured = captured,
        .wire_bytes = wire < captured ? captured : wire,
        .interface = (uint16_t)(t->ng.first_interface + id),
        .linktype = i->pub.linktype,
    };
    b.p += 20 + (((size_t)captured + 3) & ~(size_t)3); // bodies are multiples of four, too
    if (b.p < b.end && !packet_options(t, type, b))
        return false;
    t->ng.last_ts_ns = out->ts_ns;
    i->pub.packets++;
    return true;
}

// No time, no interface (it is the first one), no captured length (the snapshot length limits it).
static bool simple_packet(struct sl_trace *t, struct body b, struct sl_trace_packet *out)
{
    if (b.end - b.p < 4) {
        packet_damage(t, "has no room for its length");
        return false;
    }
    struct sl_trace_iface *i = packet_interface(t, 0);
    if (!i)
        return false;
    uint32_t wire = get32(t, b.p), captured = wire;
    if (i->pub.snaplen && captured > i->pub.snaplen)
        captured = i->pub.snaplen;
    if (!length_fits(t, captured, (size_t)(b.end - b.p) - 4))
        return false;
    *out = (struct sl_trace_packet){
        .ts_ns = t->ng.last_ts_ns,
        .data = b.p + 4,
        .captured = captured,
        .wire_bytes = wire,
        .interface = (uint16_t)t->ng.first_interface,
        .linktype = i->pub.linktype,
    };
    t->info.packets_without_time++;
    i->pub.packets++;
    return true;
}

static bool lengths_agree(struct sl_trace *t, uint32_t type, uint32_t front, uint32_t back)
{
    if (front == back)
        return true;
    block_damage(t, type, "has two lengths: %" PRIu32 " at its front, %" PRIu32 " at its end",
                 front, back);
    return false;
}

// Goes on over a block that nobody looks into. False when the window does not reach its end.
static bool skip_on(struct sl_trace *t)
{
    size_t have = (size_t)(t->in.end - t->in.p);
    uint64_t body = t->ng.skip - 4; // the trailer stays for the end
    size_t step = body < have ? (size_t)body : have;
    t->in.p += step;
    t->ng.skip -= step;
    if (t->ng.skip > 4 || have - step < 4) {
        t->want = (size_t)(t->in.end - t->in.p) + 1;
        return false;
    }
    uint32_t back = get32(t, t->in.p);
    if (back != t->ng.skip_total) {
        char buf[32];
        sl_trace_end(t,
                     "block %" PRIu64 " (%s) at byte %" PRIu64 "%s has two lengths: %" PRIu64
                     " at its front, %" PRIu32 " at its end",
                     t->ng.block, type_name(t->ng.skip_type, buf), t->ng.block_offset, t->where,
                     t->ng.skip_total, back);
        return false;
    }
    t->in.p += 4;
    t->ng.skip = 0;
    t->ng.block++;
    t->info.skipped_blocks++;
    return true;
}

static bool looked_into(uint32_t type)
{
    return type == BLOCK_ENHANCED || type == BLOCK_INTERFACE || type == BLOCK_SIMPLE ||
           type == BLOCK_OLD_PACKET || type == BLOCK_STATISTICS || type == BLOCK_SECTION;
}

// A section header may change the byte order, which its own length is in.
static bool byte_order(struct sl_trace *t)
{
    uint32_t magic = get32(t, t->in.p + 8);
    if (magic == __builtin_bswap32(BYTE_ORDER_MAGIC))
        t->swapped = !t->swapped;
    else if (magic != BYTE_ORDER_MAGIC) {
        block_damage(t, BLOCK_SECTION, "has the byte-order magic 0x%08" PRIx32 ", which is none",
                     magic);
        return false;
    }
    return true;
}

// The block at the start of the window: 1 = it is there as a whole, 0 = the window is too short
// (want is set) or it is to be skipped, -1 = damage.
static inline int frame(struct sl_trace *t, uint32_t *type, uint32_t *len)
{
    const uint8_t *p = t->in.p;
    size_t have = (size_t)(t->in.end - p);
    t->want = LEAST_BLOCK;
    if (have < LEAST_BLOCK)
        return 0;
    *type = get32(t, p);
    if (*type == BLOCK_SECTION && !byte_order(t))
        return -1;
    *len = get32(t, p + 4);
    uint32_t least = *type == BLOCK_SECTION ? 28 : LEAST_BLOCK;
    if (*len < least || *len % 4 != 0) {
        block_damage(t, *type, "says that it is %" PRIu32 " bytes long: that cannot be", *len);
        return -1;
    }
    if (!looked_into(*type)) {
        t->ng.block_offset = sl_trace_offset(t);
        t->ng.skip_type = *type;
        t->ng.skip_total = t->ng.skip = *len;
        return 0;
    }
    if (*len > MAX_BLOCK) {
        block_damage(t, *type, "says that it is %" PRIu32 " bytes long, the limit is %d", *len,
                     MAX_BLOCK);
        return -1;
    }
    t->want = *len;
    if (have < *len)
        return 0;
    return lengths_agree(t, *type, *len, get32(t, p + *len - 4)) ? 1 : -1;
}

static bool deliver(struct sl_trace *t, uint32_t type, struct body b, struct sl_trace_packet *out)
{
    bool ok = type == BLOCK_SIMPLE ? simple_packet(t, b, out) : packet(t, type, b, out);
    if (ok)
        t->info.packets++;
    return ok;
}

static void describe(struct sl_trace *t, uint32_t type, struct body b)
{
    if (type == BLOCK_INTERFACE) {
        interface(t, b);
    } else if (type == BLOCK_SECTION) {
        section(t, b);
    } else {
        statistics(t, b);
        t->info.skipped_blocks++;
    }
}

static size_t take(struct sl_trace *t, struct sl_trace_packet *out, size_t max)
{
    size_t n = 0;
    while (n < max && !t->ended) {
        if (t->ng.skip > 0) {
            if (!skip_on(t))
                break;
            continue;
        }
        uint32_t type, len;
        int there = frame(t, &type, &len);
        if (there < 0 || (there == 0 && t->ng.skip == 0))
            break;
        if (there == 0)
            continue;
        struct body b = {t->in.p + 8, t->in.p + len - 4};
        if (type == BLOCK_ENHANCED || type == BLOCK_SIMPLE || type == BLOCK_OLD_PACKET)
            n += deliver(t, type, b, &out[n]);
        else
            describe(t, type, b);
        if (t->ended)
            break;
        t->in.p += len;
        t->ng.block++;
    }
    return n;
}

static void cut(struct sl_trace *t)
{
    size_t have = (size_t)(t->in.end - t->in.p);
    char buf[32];
    if (t->ng.skip > 0) {
        sl_trace_end(t,
                     "block %" PRIu64 " (%s) at byte %" PRIu64 "%s is cut short: %" PRIu64
                     " bytes of %" PRIu64 " are there",
                     t->ng.block, type_name(t->ng.skip_type, buf), t->ng.block_offset, t->where,
                     t->ng.skip_total - t->ng.skip + have, t->ng.skip_total);
        return;
    }
    uint32_t type = have >= 4 ? get32(t, t->in.p) : 0;
    if (have < LEAST_BLOCK)
        sl_trace_end(t,
                     "block %" PRIu64 " at byte %" PRIu64
                     "%s is cut short: %zu bytes of at least %d are there",
                     t->ng.block, sl_trace_offset(t), t->where, have, LEAST_BLOCK);
    else if (type == BLOCK_ENHANCED || type == BLOCK_SIMPLE || type == BLOCK_OLD_PACKET)
        packet_damage(t, "is cut short: %zu bytes of its block of %zu are there", have, t->want);
    else
        block_damage(t, type, "is cut short: %zu bytes of %zu are there", have, t->want);
}

bool sl_pcapng_magic(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v == BLOCK_SECTION;
}

// Reads the first section header, so that what is no pcapng is refused rather than damaged.
bool sl_pcapng_begin(struct sl_trace *t, struct sl_error *err)
{
    uint32_t type, len;
    t->info.format = "pcapng";
    t->ng.block = 1;
    t->take = take;
    t->cut = cut;
    int there = frame(t, &type, &len);
    while (there == 0 && !t->in.eof) {
        if (!sl_trace_input_more(&t->in, t->want, err))
            return false;
        there = frame(t, &type, &len);
    }
    if (there == 0)
        cut(t);
    if (there == 1)
        section(t, (struct body){t->in.p + 8, t->in.p + len - 4});
    if (t->ended) {
        bool also = t->in.damage[0] && there == 0;
        return sl_fail(err, SL_EINPUT, "'%s' is no pcapng capture: %s%s%s", t->in.name, t->damage,
                       also ? "; " : "", also ? t->in.damage : "");
    }
    t->in.p += len;
    t->ng.block = 2;
    return true;
}
