// SPDX-License-Identifier: Apache-2.0
/*
 * Rate series: packets and bytes of each class in each bin of time, both directions, counted packet
 * by packet in the same pass as the flows.
 *
 *     struct sl_rates *r = sl_rates_new(&(struct sl_rates_options){.classes = sl_class_count()},
 * err); int64_t bin = sl_rates_add(r, packet.ts_ns, cls, 0, dir, packet.wire_bytes, 1); if (bin !=
 * flow->last_bin) // a flow counts once in each bin it is active in sl_rates_active(r, bin, cls,
 * 0), flow->last_bin = bin;
 *
 * Units    nanoseconds since 1970; bins start at whole multiples of bin_ns; bytes are what the
 *          caller counts (wire bytes for rates of links, IP bytes for rates of flows).
 * Method   an array index for a packet of the bin before; pages of 256 bins otherwise, so that
 *          classes and hours without packets take no room. Integer sums: merging the parts of
 *          several threads gives the same bytes in any order.
 * Bounds   1,048,576 bins for a class: 262,144 before the origin and the rest after it, so time may
 * go backwards; and max_pages pages of 10 KiB, those nearest to the origin. What does not fit (a
 * clock that jumps by years, too many classes) is counted in `outside`, never lost silently.
 * Threads  one object for each; merge at the end. The limit holds for each and for what they are
 * merged into: with the same origin the result is the same for any number of them, and n of them
 * take n times the memory at most.
 * Errors   SL_EUSAGE for a bin below 1 us, SL_EINPUT for too many classes x interfaces.
 */
#pragma once
#include "export/export.h"

struct sl_rate_cell { // [0] initiator to responder ("up"), [1] back
    uint64_t packets[2], bytes[2];
    uint64_t flows; // active in this bin
};
struct sl_rates_options {
    int64_t bin_ns;      // 0 = one second
    uint32_t classes;    // ids are 0..classes-1
    uint32_t interfaces; // 0 or 1 = no column of interfaces
    uint32_t max_pages;  // 0 = 16384 (160 MiB)
    int64_t origin_ns;   // a time of the trace, the same for all threads
    bool origin_given;   // else, where origin_ns is 0, each object takes its own first packet's
    const char *(*name)(void *ctx, uint32_t cls); // NULL = names of the class table
    void *ctx;
};
struct sl_rates_outside {
    uint64_t packets, bytes;
};
struct sl_rate_page;
struct sl_rate_series { // one class on one interface
    int64_t hot_bin;    // bin of `hot`
    struct sl_rate_cell *hot;
    struct sl_rate_page **pages;
};
struct sl_rates { // open for the sake of the inline function; use the functions
    int64_t bin_ns, hot_start_ns, hot_bin; // the bin of the packet before
    uint32_t classes, interfaces;
    struct sl_rate_series *series; // [interfaces, classes]
    struct sl_rates_outside outside;
    struct sl_rates_options opt;
    int64_t first_page; // of the directories; known once has_origin
    bool has_origin;
    uint32_t pages;
    uint64_t farthest; // once the pages are as many as may be: none is farther
};
#define SL_RATE_OUTSIDE_BIN INT64_MIN

SL_MUST_USE struct sl_rates *sl_rates_new(const struct sl_rates_options *opt, struct sl_error *err);
void sl_rates_free(struct sl_rates *r);
// The bin's number, t / bin_ns rounded down also before 1970.
static inline int64_t sl_rates_bin(const struct sl_rates *r, int64_t t_ns)
{
    return t_ns / r->bin_ns - (t_ns % r->bin_ns < 0);
}
// The general way; sl_rates_add is for packets.
int64_t sl_rates_add_slow(struct sl_rates *r, int64_t t_ns, uint32_t cls, uint32_t interface,
                          int dir, uint64_t bytes, uint64_t packets);
// Counts; gives the bin's number, or SL_RATE_OUTSIDE_BIN.
static inline int64_t sl_rates_add(struct sl_rates *r, int64_t t_ns, uint32_t cls,
                                   uint32_t interface, int dir, uint64_t bytes, uint64_t packets)
{
    if (cls < r->classes && interface < r->interfaces && t_ns >= r->hot_start_ns &&
        t_ns - r->hot_start_ns < r->bin_ns) {
        struct sl_rate_series *s = &r->series[(size_t)interface * r->classes + cls];
        if (s->hot && s->hot_bin == r->hot_bin) {
            s->hot->packets[dir & 1] += packets;
            s->hot->bytes[dir & 1] += bytes;
            return r->hot_bin;
        }
    }
    return sl_rates_add_slow(r, t_ns, cls, interface, dir, bytes, packets);
}
// One more flow is active in that bin.
void sl_rates_active(struct sl_rates *r, int64_t bin, uint32_t cls, uint32_t interface);
// Adds what `from` counted; both must have the same bins and classes.
void sl_rates_merge(struct sl_rates *r, const struct sl_rates *from);

struct sl_rate_row {
    int64_t start_ns; // of the bin
    uint32_t cls, interface;
    struct sl_rate_cell cell;
};
// Bins with packets, by time, class id and interface. `each` returns false to stop; so does this.
bool sl_rates_each(const struct sl_rates *r, bool (*each)(void *ctx, const struct sl_rate_row *row),
                   void *ctx);
// For writing with export/export.h: the columns, and one row's values.
const struct sl_column *sl_rates_columns(const struct sl_rates *r, size_t *n);
void sl_rates_values(const struct sl_rates *r, const struct sl_rate_row *row,
                     union sl_value *values);
