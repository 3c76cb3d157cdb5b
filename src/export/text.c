// SPDX-License-Identifier: Apache-2.0
#include "export/text.h"
#include <stdint.h>
#include <string.h>

size_t sl_utf8_step(const char *p, size_t len, bool *valid)
{
    const unsigned char *s = (const unsigned char *)p;
    unsigned char c = s[0], low = 0x80, high = 0xbf;
    *valid = c < 0x80;
    if (*valid || c < 0xc2 || c > 0xf4)
        return 1;
    size_t more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : low;   // no overlong forms,
    high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : high; // no surrogates, nothing above U+10FFFF
    for (size_t i = 1; i <= more; i++, low = 0x80, high = 0xbf)
        if (i == len || s[i] < low || s[i] > high)
            return i;
    *valid = true;
    return more + 1;
}

static size_t ascii_run(const char *p, size_t len)
{
    size_t i = 0;
    uint64_t w;
    for (; i + 8 <= len; i += 8) {
        memcpy(&w, p + i, 8);
        if (w & UINT64_C(0x8080808080808080))
            break;
    }
    while (i < len && !(p[i] & 0x80))
        i++;
    return i;
}

bool sl_utf8_valid(const char *p, size_t len)
{
    for (size_t i = ascii_run(p, len); i < len;) {
        bool valid;
        i += sl_utf8_step(p + i, len - i, &valid);
        if (!valid)
            return false;
    }
    return true;
}

char *sl_utf8_put(char *to, const char *p, size_t len)
{
    while (len) {
        bool valid;
        size_t n = sl_utf8_step(p, len, &valid);
        if (valid) {
            memcpy(to, p, n);
            to += n;
        } else {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
        }
        p += n;
        len -= n;
    }
    return to;
}

static char *put_escaped(char *p, unsigned char c)
{
    static const char HEX[] = "0123456789abcdef";
    const char *at = strchr("\"\"\\\\\bb\ff\nn\rr\tt", c);
    *p++ = '\\';
    if (c && at) {
        *p++ = at[1];
        return p;
    }
    memcpy(p, "u00", 3);
    p[3] = HEX[c >> 4];
    p[4] = HEX[c & 15];
    return p + 5;
}

char *sl_json_put_text(char *p, const char *s, size_t len)
{
    *p++ = '"';
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x80) {
            bool valid;
            size_t n = sl_utf8_step(s + i, len - i, &valid);
            memcpy(p, valid ? s + i : "\xef\xbf\xbd", valid ? n : 3);
            p += valid ? n : 3;
            i += n;
            continue;
        }
        if (c < 0x20 || c == '"' || c == '\\')
            p = put_escaped(p, c);
        else
            *p++ = (char)c;
        i++;
    }
    *p++ = '"';
    return p;
}
