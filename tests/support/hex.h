// SPDX-License-Identifier: Apache-2.0
// Bytes in tests: written as hexadecimal text, and handed over in a copy of the exact size, so that
// ASan and valgrind see a read past the end.
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Anything that is no digit separates. Returns the number of bytes.
static inline size_t hex_bytes(const char *text, uint8_t *to, size_t most)
{
    size_t n = 0;
    int high = -1;
    for (; *text; text++) {
        int d = hex_digit(*text);
        if (d < 0)
            continue;
        if (high < 0) {
            high = d;
            continue;
        }
        if (n == most)
            abort();
        to[n++] = (uint8_t)(high << 4 | d);
        high = -1;
    }
    if (high >= 0)
        abort();
    return n;
}

static inline uint8_t *exact_copy(const uint8_t *bytes, size_t len) // caller frees
{
    uint8_t *p = malloc(len ? len : 1);
    if (!p)
        abort();
    if (len)
        memcpy(p, bytes, len);
    return p;
}
