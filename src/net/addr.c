// SPDX-License-Identifier: Apache-2.0
// Addresses as numbers and as text.
#include "net/packet.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

uint32_t sl_addr_v4(const struct sl_addr *a)
{
    if (a->family != 4)
        return 0;
    uint32_t net;
    memcpy(&net, a->b, 4);
    return ntohl(net);
}

struct sl_addr sl_addr_from_v4(uint32_t v)
{
    struct sl_addr a = {.family = 4};
    uint32_t net = htonl(v);
    memcpy(a.b, &net, 4);
    return a;
}

bool sl_addr_equal(const struct sl_addr *a, const struct sl_addr *b)
{
    return a->family == b->family && memcmp(a->b, b->b, sizeof a->b) == 0;
}

char *sl_addr_text(const struct sl_addr *a, char buf[46])
{
    if (a->family != 6)
        return sl_ipv4_text((uint32_t)a->b[0] << 24 | (uint32_t)a->b[1] << 16 |
                                (uint32_t)a->b[2] << 8 | a->b[3],
                            buf);
    if (!inet_ntop(AF_INET6, a->b, buf, 46))
        buf[0] = '\0';
    return buf;
}

char *sl_ipv4_text(uint32_t v, char buf[16])
{
    char *p = buf;
    for (int shift = 24; shift >= 0; shift -= 8) {
        unsigned byte = v >> shift & 255;
        if (byte >= 100)
            *p++ = (char)('0' + byte / 100);
        if (byte >= 10)
            *p++ = (char)('0' + byte / 10 % 10);
        *p++ = (char)('0' + byte % 10);
        *p++ = '.';
    }
    p[-1] = '\0';
    return buf;
}

bool sl_ipv4_parse(const char *text, uint32_t *host_order)
{
    struct in_addr a; // inet_pton takes four decimal numbers and nothing else
    if (!text || inet_pton(AF_INET, text, &a) != 1)
        return false;
    *host_order = ntohl(a.s_addr);
    return true;
}

bool sl_ipv4_parse_prefix(const char *text, uint32_t *host_order, int *len)
{
    char addr[16];
    const char *slash = text ? strchr(text, '/') : NULL;
    if (!slash || (size_t)(slash - text) >= sizeof addr)
        return false;
    memcpy(addr, text, (size_t)(slash - text));
    addr[slash - text] = '\0';
    const char *d = slash + 1;
    int bits = 0, digits = 0;
    for (; *d >= '0' && *d <= '9' && digits < 3; d++, digits++)
        bits = bits * 10 + (*d - '0');
    uint32_t v;
    if (!digits || *d || bits > 32 || (digits > 1 && slash[1] == '0') || !sl_ipv4_parse(addr, &v))
        return false;
    *host_order = v;
    *len = bits;
    return true;
}
