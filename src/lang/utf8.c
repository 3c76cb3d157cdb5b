// SPDX-License-Identifier: Apache-2.0
#include "lang/utf8.h"

size_t sl_utf8_decode(const char *p, const char *end, uint32_t *cp)
{
    const unsigned char *s = (const unsigned char *)p;
    size_t left = (size_t)(end - p);
    if (s[0] < 0x80) {
        *cp = s[0];
        return 1;
    }
    size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (s[0] < 0xC2 || s[0] > 0xF4 || left < n)
        return 0;
    uint32_t v = s[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        v = v << 6 | (s[i] & 0x3Fu);
    }
    if (v < least[n] || v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF))
        return 0;
    *cp = v;
    return n;
}

struct range {
    uint32_t first, last;
};

static int within(uint32_t cp, const struct range *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (cp >= r[i].first && cp <= r[i].last)
            return 1;
    return 0;
}

int sl_utf8_columns(uint32_t cp)
{
    // Coarse ranges of Unicode's combining marks and of East Asian Width W and F.
    static const struct range none[] = {{0x300, 0x36F},   {0x483, 0x489},   {0x200B, 0x200F},
                                        {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};
    static const struct range wide[] = {{0x1100, 0x115F},  {0x2E80, 0xA4CF},   {0xAC00, 0xD7A3},
                                        {0xF900, 0xFAFF},  {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
                                        {0xFFE0, 0xFFE6},  {0x1F300, 0x1F64F}, {0x1F900, 0x1F9FF},
                                        {0x20000, 0x3FFFD}};
    if (cp < 0x300)
        return 1;
    if (within(cp, none, sizeof none / sizeof *none))
        return 0;
    return within(cp, wide, sizeof wide / sizeof *wide) ? 2 : 1;
}

int sl_utf8_printable(uint32_t cp)
{
    static const struct range hidden[] = {{0, 0x1F},        {0x7F, 0x9F},     {0x200B, 0x200F},
                                          {0x2028, 0x202E}, {0x2060, 0x2069}, {0xFEFF, 0xFEFF}};
    return !within(cp, hidden, sizeof hidden / sizeof *hidden);
}
