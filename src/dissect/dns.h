// SPDX-License-Identifier: Apache-2.0
/*
 * What a DNS message tells: the first question, the response code, the first addresses. mDNS and
 * LLMNR have the same format.
 *
 * Input    one datagram, or the start of a TCP direction (`tcp`: a length of two bytes in front).
 * Strict   ports lie, so a message must look like one: reserved bit clear, a known operation and
 *          response code, plausible counts, whole questions with known classes, names within RFC
 *          1035's limits. Compression pointers may only point backwards, so following them ends.
 * Cut      records behind the first question may be missing (captures are often cut): `cut` says so.
 *          A record that is there and wrong makes the whole NOT.
 * Name     presentation form of RFC 1035 section 5.1 and RFC 4343 section 2.1: no final dot, the
 *          root is ".", a dot or backslash within a label is escaped by a backslash, bytes other
 *          than 0x21..0x7e become \DDD. Case is kept. Without a question it is the owner of the
 *          first record (mDNS announces that way). Longer names than fit end at a whole character.
 * Memory   no allocation.
 * Threads  stateless.
 * Source   RFC 1035 section 4, 6762 section 18, 4795, 9619.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sl_dns_result { SL_DNS_NOT, SL_DNS_NEED_MORE, SL_DNS_DONE };

struct sl_dns_facts {
    char name[256];
    uint16_t qtype, qclass; // class without mDNS's top bit
    uint16_t id;
    uint8_t opcode;
    int8_t rcode; // -1 in a query
    bool response, authoritative, truncated;
    bool cut;      // records are missing at the end
    bool name_cut; // the name did not fit
    uint16_t questions, answers;
    uint8_t address_family; // of the first A or AAAA answer: 4 or 6; 0 = none
    uint8_t address[16];    // network order
    uint32_t want_bytes;    // with NEED_MORE
};

enum sl_dns_result sl_dissect_dns(const uint8_t *bytes, size_t len, bool tcp,
                                  struct sl_dns_facts *out);
