// SPDX-License-Identifier: Apache-2.0
// Captures written byte by byte, in either byte order, from the drafts rather than with our writer.
#pragma once
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct capture {
    struct sl_str s;
    bool big; // byte order
};

static inline void put(struct capture *c, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        char b = (char)(v >> 8 * (c->big ? bytes - 1 - i : i));
        sl_str_addn(&c->s, &b, 1);
    }
}
static inline void put_bytes(struct capture *c, const void *p, size_t len)
{
    sl_str_addn(&c->s, p, len);
}
static inline void put_fill(struct capture *c, uint8_t byte, size_t len)
{
    for (size_t i = 0; i < len; i++)
        put(c, byte, 1);
}
static inline void put_zeros_to_4(struct capture *c, size_t len)
{
    put_fill(c, 0, -len & 3);
}
static inline void poke32(struct capture *c, size_t at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        c->s.text[at + (size_t)i] = (char)(v >> 8 * (c->big ? 3 - i : i));
}
static inline const uint8_t *capture_bytes(const struct capture *c)
{
    return (const uint8_t *)sl_str_text(&c->s);
}

// draft-ietf-opsawg-pcap, sections 4 and 5.
static inline void pcap_file(struct capture *c, uint32_t magic, uint32_t snaplen, uint32_t link)
{
    put(c, magic, 4);
    put(c, 2, 2);
    put(c, 4, 2);
    put(c, 0, 8);
    put(c, snaplen, 4);
    put(c, link, 4);
}
static inline void pcap_record(struct capture *c, uint32_t s, uint32_t fraction, uint32_t captured,
                               uint32_t wire, uint8_t fill)
{
    put(c, s, 4);
    put(c, fraction, 4);
    put(c, captured, 4);
    put(c, wire, 4);
    put_fill(c, fill, captured);
}

// draft-ietf-opsawg-pcapng. A block is begun, filled, and ended; its place is what `begin` gave.
static inline size_t ng_begin(struct capture *c, uint32_t type)
{
    size_t at = c->s.len;
    put(c, type, 4);
    put(c, 0, 4);
    return at;
}
static inline void ng_end(struct capture *c, size_t at)
{
    put_zeros_to_4(c, c->s.len);
    uint32_t len = (uint32_t)(c->s.len - at + 4);
    put(c, len, 4);
    poke32(c, at + 4, len);
}
static inline void ng_option(struct capture *c, uint16_t code, const void *value, uint16_t len)
{
    put(c, code, 2);
    put(c, len, 2);
    put_bytes(c, value, len);
    put_zeros_to_4(c, len);
}
static inline void ng_text(struct capture *c, uint16_t code, const char *text)
{
    ng_option(c, code, text, (uint16_t)strlen(text));
}
static inline void ng_option64(struct capture *c, uint16_t code, uint64_t v)
{
    put(c, code, 2);
    put(c, 8, 2);
    put(c, v, 8);
}
static inline size_t ng_section_begin(struct capture *c)
{
    size_t at = ng_begin(c, 0x0a0d0d0a);
    put(c, 0x1a2b3c4d, 4);
    put(c, 1, 2);
    put(c, 0, 2);
    put(c, UINT64_MAX, 8); // the length of the section is not known
    return at;
}
static inline void ng_section(struct capture *c)
{
    ng_end(c, ng_section_begin(c));
}
static inline size_t ng_interface_begin(struct capture *c, uint16_t link, uint32_t snaplen)
{
    size_t at = ng_begin(c, 1);
    put(c, link, 2);
    put(c, 0, 2);
    put(c, snaplen, 4);
    return at;
}
static inline void ng_interface(struct capture *c, uint16_t link, uint32_t snaplen)
{
    ng_end(c, ng_interface_begin(c, link, snaplen));
}
static inline size_t ng_packet_begin(struct capture *c, uint32_t id, uint64_t ticks,
                                     uint32_t captured, uint32_t wire, uint8_t fill)
{
    size_t at = ng_begin(c, 6);
    put(c, id, 4);
    put(c, ticks >> 32, 4);
    put(c, ticks & 0xffffffff, 4);
    put(c, captured, 4);
    put(c, wire, 4);
    put_fill(c, fill, captured);
    put_zeros_to_4(c, captured);
    return at;
}
static inline void ng_packet(struct capture *c, uint32_t id, uint64_t ticks, uint32_t captured,
                             uint32_t wire, uint8_t fill)
{
    ng_end(c, ng_packet_begin(c, id, ticks, captured, wire, fill));
}
