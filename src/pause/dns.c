// SPDX-License-Identifier: Apache-2.0
#include "pause/dns.h"
#include <string.h>

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static bool plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// One byte of a label as text. Returns how much was written, 0 when there is no room.
static size_t put_byte(char *to, size_t room, uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        c = (uint8_t)(c - 'A' + 'a');
    if (plain(c)) {
        if (room < 1)
            return 0;
        to[0] = (char)c;
        return 1;
    }
    if (room < 4)
        return 0;
    to[0] = '\\';
    to[1] = (char)('0' + c / 100);
    to[2] = (char)('0' + c / 10 % 10);
    to[3] = (char)('0' + c % 10);
    return 4;
}

bool sl_dns_parse(const uint8_t *msg, size_t len, struct sl_dns_question *q)
{
    if (len < SL_DNS_HEADER_BYTES || be16(msg + 4) == 0)
        return false;
    size_t at = SL_DNS_HEADER_BYTES, w = 0;
    for (;;) {
        if (at >= len)
            return false;
        uint8_t n = msg[at++];
        if (n == 0)
            break;
        // A pointer in the first question can only point at itself or the header: hostile.
        if (n > 63 || n > len - at || at + n - SL_DNS_HEADER_BYTES > 254)
            return false;
        if (w)
            q->name[w++] = '.';
        for (uint8_t i = 0; i < n; i++) {
            size_t k = put_byte(q->name + w, sizeof q->name - 2 - w, msg[at + i]);
            if (!k)
                return false;
            w += k;
        }
        at += n;
    }
    if (len - at < 4)
        return false;
    if (!w)
        q->name[w++] = '.';
    q->name[w] = '\0';
    q->type = be16(msg + at);
    q->class_ = be16(msg + at + 2);
    q->end = at + 4;
    return true;
}

enum { FLAG_QR = 0x80, OPCODE = 0x78, FLAG_RD = 0x01, FLAG_RA = 0x80 };
enum { FORMERR = 1, NXDOMAIN = 3, NOTIMP = 4 };

size_t sl_dns_answer(const uint8_t *msg, size_t len, uint8_t reply[SL_DNS_MAX_REPLY],
                     struct sl_dns_question *q, bool *known)
{
    *known = false;
    if (len < SL_DNS_HEADER_BYTES || (msg[2] & FLAG_QR))
        return 0; // no answers to answers: two servers would talk for ever
    bool query = (msg[2] & OPCODE) == 0;
    *known = query && sl_dns_parse(msg, len, q) && q->end <= SL_DNS_MAX_REPLY;
    size_t n = *known ? q->end : SL_DNS_HEADER_BYTES;
    memcpy(reply, msg, n);
    reply[2] = (uint8_t)(FLAG_QR | (msg[2] & (OPCODE | FLAG_RD)));
    reply[3] = (uint8_t)(FLAG_RA | (*known ? NXDOMAIN : query ? FORMERR : NOTIMP));
    memset(reply + 4, 0, 8);
    reply[5] = *known ? 1 : 0; // the question comes back; no answer, authority or additional part
    return n;
}

static size_t put_decimal(char *to, uint16_t v)
{
    char digits[5];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + v % 10);
        v = (uint16_t)(v / 10);
    } while (v);
    for (size_t i = 0; i < n; i++)
        to[i] = digits[n - 1 - i];
    return n;
}

char *sl_dns_type_name(uint16_t type, char buf[10])
{
    static const struct {
        uint16_t type;
        char name[8];
    } names[] = {{1, "A"},     {2, "NS"},     {5, "CNAME"}, {6, "SOA"},  {12, "PTR"},
                 {15, "MX"},   {16, "TXT"},   {28, "AAAA"}, {33, "SRV"}, {35, "NAPTR"},
                 {64, "SVCB"}, {65, "HTTPS"}, {255, "ANY"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].type == type) {
            memcpy(buf, names[i].name, sizeof names[i].name);
            return buf;
        }
    }
    memcpy(buf, "TYPE", 4);
    buf[4 + put_decimal(buf + 4, type)] = '\0';
    return buf;
}

bool sl_dns_first_time(struct sl_dns_seen *seen, const struct sl_dns_question *q)
{
    uint64_t h = 0xcbf29ce484222325u; // FNV-1a
    for (const char *p = q->name; *p; p++)
        h = (h ^ (uint8_t)*p) * 0x100000001b3u;
    h = (h ^ q->type) * 0x100000001b3u;
    for (size_t i = 0; i < seen->len; i++)
        if (seen->hash[i] == h)
            return false;
    if (seen->len == SL_DNS_SEEN_MAX)
        return false;
    seen->hash[seen->len++] = h;
    return true;
}
