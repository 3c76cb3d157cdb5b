// SPDX-License-Identifier: Apache-2.0
/*
 * Reading recorded packets: pcap and pcapng, any byte order, time stamps in any resolution, several
 * interfaces and sections, plain or compressed (gzip, zstd), from a file, a pipe or standard input
 * ("-").
 *
 * Units    nanoseconds since 1970-01-01 UTC; bytes. Seconds of pcap are unsigned: they end in 2106.
 *          Finer time stamps are cut to whole nanoseconds. Times more than 146 years from 1970
 *          become that limit and are counted, so that the difference of two always fits an int64_t.
 * Batches  packets come in batches, so that the caller can decode and prefetch many at once. The
 *          bytes of a batch hold until the second next call: one batch can be worked on while the
 *          next is being read. A call returns what is there: it waits for more input only when it
 *          has no packet at all, so that a slow pipe gives its packets as they arrive.
 * Lengths  captured is what is there, wire_bytes what was on the wire, also in captures that keep
 *          only the start of each packet. A frame check sequence that was recorded is part of both.
 * Errors   what cannot be read, and what is no capture by its file header (pcap) or first section
 *          header (pcapng), fails with SL_EINPUT and says why. Damage after that ends the trace
 *          instead: what was read stays good and sl_trace_damage tells where and what. A packet
 *          that is not there as a whole is not delivered. Packets and blocks count from 1 in texts.
 * Limits   256 KiB per packet, 1 MiB per block that is looked into, 65536 interfaces; more is
 *          damage. Memory is bounded: two buffers of 256 KiB (1 MiB for such blocks), interfaces,
 *          16 MiB of names and comments, and the window of the compression (see base/zip.h).
 * Threads  one thread at a time.
 * Sources  draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, draft-ietf-opsawg-pcaplinktype.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

enum { SL_TRACE_MAX_PACKET = 256 << 10 };
#define SL_TRACE_MAX_NS ((INT64_C(1) << 62) - 1) // and -SL_TRACE_MAX_NS

struct sl_trace_packet {
    int64_t ts_ns; // a simple packet block of pcapng has none: it gets that of the packet before it
    const uint8_t *data;
    uint32_t captured, wire_bytes; // wire_bytes >= captured
    uint16_t interface;            // index for sl_trace_interface
    uint16_t linktype;             // LINKTYPE_ number
};
struct sl_trace_interface {
    uint16_t linktype;
    uint8_t fcs_bytes;                                 // at the end of each packet, as declared
    uint32_t snaplen;                                  // 0 = not limited
    uint64_t ticks_per_s;                              // 1000000, 1000000000, ...
    const char *name, *description, *comment, *filter; // options of pcapng; "" if none
    const char *hardware, *os;
    uint64_t packets;           // read so far
    uint64_t received, dropped; // from statistics blocks; UINT64_MAX = unknown
};
struct sl_trace_info {
    const char *format;                                // "pcap", "pcapng"
    const char *compression;                           // "", "gzip", "zstd"
    const char *application, *os, *hardware, *comment; // of the first section; "" if none
    size_t n_interfaces;
    uint64_t packets, skipped_blocks; // read so far; blocks of a kind that is not packets
    uint64_t packet_comments;
    uint64_t packets_without_time; // simple packet blocks
    uint64_t packets_time_limited; // beyond SL_TRACE_MAX_NS
    uint64_t file_bytes;           // of the file as stored; 0 for a pipe
};
struct sl_trace;
SL_MUST_USE struct sl_trace *sl_trace_open(const char *path, struct sl_error *err);
// For tests and fuzzing: a capture in memory, borrowed until close.
SL_MUST_USE struct sl_trace *sl_trace_open_bytes(const uint8_t *bytes, size_t len, const char *name,
                                                 struct sl_error *err);
// Up to max (at least 1) packets; *n = 0 is the end. False only when reading itself fails: an I/O
// error, or SL_EINTR.
SL_MUST_USE bool sl_trace_read(struct sl_trace *t, struct sl_trace_packet *out, size_t max,
                               size_t *n, struct sl_error *err);
// Holds until close. NULL when there is no such interface (yet: pcapng describes them on the way).
const struct sl_trace_interface *sl_trace_interface(const struct sl_trace *t, uint16_t index);
void sl_trace_info(const struct sl_trace *t, struct sl_trace_info *out); // strings hold until close
// How the trace ended: NULL = cleanly (or not yet). "packet 17 at byte 1840 is cut short: 60 bytes
// of 1514 are there"
const char *sl_trace_damage(const struct sl_trace *t);
void sl_trace_close(struct sl_trace *t); // NULL is fine
