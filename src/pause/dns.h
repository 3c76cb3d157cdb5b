// SPDX-License-Identifier: Apache-2.0
/*
 * The holder's name server: every name is unknown, and that is said at once.
 *
 * Containers on a network without a way out would wait 20 s for each outside name (the engine's own
 * name service forwards to a resolver that never answers). This one answers NXDOMAIN to every
 * question and remembers which names were asked: what a project wanted from outside.
 *
 * Errors   none: a query that cannot be understood gets FORMERR, one without even an id gets
 *          nothing.
 * Memory   no allocation, no libc beyond memcpy and memcmp; replies are never longer than queries.
 * Source   RFC 1035 section 4, RFC 2308 section 2.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SL_DNS_HEADER_BYTES = 12,
    SL_DNS_NAME_TEXT = 1024, // 255 bytes on the wire, each at most "\ddd" in text
    SL_DNS_MAX_REPLY = 512,
    SL_DNS_SEEN_MAX = 1000,
};

struct sl_dns_question {
    char name[SL_DNS_NAME_TEXT]; // lower case, no final dot, odd bytes as \ddd; "." for the root
    uint16_t type, class_;
    size_t end; // offset behind the question
};

// The first question of a query; false when there is none or it is cut short or uses compression.
bool sl_dns_parse(const uint8_t *msg, size_t len, struct sl_dns_question *q);
// Writes the answer to a query; returns its length, or 0 when nothing should be sent
// (shorter than a header, or itself a response). *known tells whether q was filled.
size_t sl_dns_answer(const uint8_t *msg, size_t len, uint8_t reply[SL_DNS_MAX_REPLY],
                     struct sl_dns_question *q, bool *known);
// "A", "AAAA", "PTR", ... or "TYPE65". buf at least 10 bytes; returns buf.
char *sl_dns_type_name(uint16_t type, char buf[10]);

// Names seen before, by hash: at most SL_DNS_SEEN_MAX of them, later ones count as seen.
struct sl_dns_seen {
    uint64_t hash[SL_DNS_SEEN_MAX];
    size_t len;
};
bool sl_dns_first_time(struct sl_dns_seen *seen, const struct sl_dns_question *q);
