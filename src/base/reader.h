// SPDX-License-Identifier: Apache-2.0
/*
 * A cursor over bytes we did not write, whose error sticks: parsers are straight-line code with one
 * check at the end.
 *
 *     struct sl_reader r = sl_reader(bytes, len);
 *     uint16_t type = sl_read_be16(&r); // one statement each: an initializer list has no order
 *     struct sl_reader body = sl_read_part(&r, sl_read_be16(&r));
 *     if (r.short_read)
 *         return false;
 *
 * Errors   a read past the end gives 0 (or an empty part), moves to the end and sets short_read.
 * Lifetime nothing is copied: parts and spans point into the bytes.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_reader {
    const uint8_t *p, *end;
    bool short_read;
};

static inline struct sl_reader sl_reader(const uint8_t *bytes, size_t len)
{
    return (struct sl_reader){.p = bytes, .end = len ? bytes + len : bytes};
}

static inline size_t sl_read_left(const struct sl_reader *r)
{
    return (size_t)(r->end - r->p);
}

// The next n bytes; NULL when there are fewer.
static inline const uint8_t *sl_read_span(struct sl_reader *r, size_t n)
{
    if (sl_read_left(r) < n) {
        r->p = r->end;
        r->short_read = true;
        return NULL;
    }
    const uint8_t *at = r->p;
    if (n)
        r->p += n;
    return at;
}

static inline uint32_t sl_read_be(struct sl_reader *r, unsigned n) // n <= 4
{
    const uint8_t *b = sl_read_span(r, n);
    uint32_t v = 0;
    for (unsigned i = 0; b && i < n; i++)
        v = v << 8 | b[i];
    return v;
}

static inline uint8_t sl_read_u8(struct sl_reader *r)
{
    return (uint8_t)sl_read_be(r, 1);
}

static inline uint16_t sl_read_be16(struct sl_reader *r)
{
    return (uint16_t)sl_read_be(r, 2);
}

static inline uint32_t sl_read_be24(struct sl_reader *r)
{
    return sl_read_be(r, 3);
}

static inline uint32_t sl_read_be32(struct sl_reader *r)
{
    return sl_read_be(r, 4);
}

// The next n bytes as a reader of their own. When there are fewer it holds what there is, so that
// what stands before the cut can still be read, and r says short_read.
static inline struct sl_reader sl_read_part(struct sl_reader *r, size_t n)
{
    struct sl_reader part = {.p = r->p, .end = r->end};
    if (sl_read_left(r) < n) {
        r->short_read = true;
        r->p = r->end;
        return part;
    }
    if (n)
        r->p += n;
    part.end = r->p;
    return part;
}
