// SPDX-License-Identifier: Apache-2.0
/*
 * Which flow a later fragment belongs to: only the first one has the ports.
 *
 * Method   a bounded map (addresses, protocol, identification, VLANs) -> what the first fragment's
 *          transport header said. Nothing is put together again, and a later fragment that comes
 *          before its first is not waited for.
 * Memory   at most `max` packets under way, about 80 bytes each; beyond it the oldest is forgotten,
 *          and counted when it was not too old anyway.
 * Errors   none.
 * Threads  one thread. Deterministic: the packets alone decide.
 * Source   RFC 791 section 3.2 and RFC 8200 section 4.5 (what makes fragments one packet).
 */
#pragma once
#include "net/packet.h"

struct sl_fragments_options {
    int64_t max_age_ns; // 0 = 30 s
    uint32_t max;       // 0 = 65536
};
struct sl_fragments_counts {
    uint64_t first, resolved; // first fragments; later ones that found theirs
    uint64_t unresolved;      // later ones that did not
    uint64_t replaced;        // forgotten before their time
};
struct sl_fragments;
struct sl_fragments *sl_fragments_new(const struct sl_fragments_options *opt); // NULL = defaults
void sl_fragments_free(struct sl_fragments *f);
// For each packet with p->fragmented that was decoded as OK or FRAGMENT, in order of time. A first
// fragment is remembered: true. A later one gets the first one's ports, ICMP type and code, and
// (IPv6) protocol, and the answer is true; false when its first is not known. It keeps no TCP
// flags and no transport header: its payload_bytes are all of the fragment.
bool sl_fragments_resolve(struct sl_fragments *f, struct sl_packet *p);
void sl_fragments_counts(const struct sl_fragments *f, struct sl_fragments_counts *out);
