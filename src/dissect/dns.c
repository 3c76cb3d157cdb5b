// SPDX-License-Identifier: Apache-2.0
#include "dissect/dns.h"
#include "base/reader.h"
#include <stdio.h>
#include <string.h>

enum { HEADER = 12, MIN_RECORD = 11, MIN_QUESTION = 5, MAX_NAME = 255, MAX_QUESTIONS = 32 };
enum { TYPE_A = 1, TYPE_AAAA = 28, TYPE_OPT = 41, OP_UPDATE = 5 };

// ---- names --------------------------------------------------------------------------------------

static void put_escaped(char *to, size_t size, size_t *at, uint8_t c, bool *full)
{
    char text[5];
    if (c == '.' || c == '\\')
        snprintf(text, sizeof text, "\\%c", c);
    else if (c > 0x20 && c < 0x7f)
        snprintf(text, sizeof text, "%c", c);
    else
        snprintf(text, sizeof text, "\\%03u", c);
    size_t n = strlen(text);
    *full = *full || *at + n >= size;
    if (*full)
        return;
    memcpy(to + *at, text, n + 1);
    *at += n;
}

static void put_label(char *to, size_t size, size_t *at, const uint8_t *label, size_t n, bool *full)
{
    if (*at && !*full) {
        *full = *at + 1 >= size;
        if (!*full) {
            to[(*at)++] = '.';
            to[*at] = '\0';
        }
    }
    for (size_t i = 0; i < n && !*full; i++)
        put_escaped(to, size, at, label[i], full);
}

/*
 * Reads a name at r. Each pointer must lead to a place before the labels that it follows, so there
 * are at most as many jumps as bytes before r, and MAX_NAME ends long ones sooner. `to` may be
 * NULL. False when it is wrong; when it is only cut short, r says so.
 */
static bool read_name(const uint8_t *msg, struct sl_reader *r, char *to, size_t size, bool *full)
{
    struct sl_reader at = *r;
    const uint8_t *run = r->p;
    bool jumped = false;
    size_t wire = 0, n = 0;
    for (;;) {
        uint8_t len = sl_read_u8(&at);
        if (at.short_read || len == 0)
            break;
        if (len >= 0xc0) {
            size_t target = (size_t)(len & 0x3f) << 8 | sl_read_u8(&at);
            if (at.short_read)
                break;
            if (target < HEADER || target >= (size_t)(run - msg))
                return false;
            if (!jumped)
                *r = at;
            jumped = true;
            at.p = run = msg + target;
            continue;
        }
        wire += len + 1u;
        if (len > 63 || wire >= MAX_NAME)
            return false;
        const uint8_t *label = sl_read_span(&at, len);
        if (!label)
            break;
        if (to)
            put_label(to, size, &n, label, len, full);
    }
    if (!jumped)
        *r = at;
    else if (at.short_read)
        return false; // it points backwards, so all of it should be there
    if (to && !at.short_read && !wire)
        snprintf(to, size, ".");
    return true;
}

// ---- records ------------------------------------------------------------------------------------

static bool class_like(uint16_t c)
{
    c &= 0x7fff; // mDNS: unicast wanted, cache flush
    return (c >= 1 && c <= 4) || c == 254 || c == 255;
}

static bool read_question(const uint8_t *msg, struct sl_reader *r, struct sl_dns_facts *first)
{
    bool full = false;
    if (!read_name(msg, r, first ? first->name : NULL, sizeof first->name, &full))
        return false;
    uint16_t type = sl_read_be16(r), class = sl_read_be16(r);
    if (r->short_read || !type || !class_like(class))
        return false;
    if (first) {
        first->qtype = type;
        first->qclass = class & 0x7fff;
        first->name_cut = full;
    }
    return true;
}

// False when it is wrong. A record that is cut short sets r->short_read.
static bool read_record(const uint8_t *msg, struct sl_reader *r, bool answer, bool first_name,
                        struct sl_dns_facts *out)
{
    bool full = false;
    if (!read_name(msg, r, first_name ? out->name : NULL, sizeof out->name, &full))
        return false;
    uint16_t type = sl_read_be16(r), class = sl_read_be16(r);
    if (!r->short_read && type != TYPE_OPT && !class_like(class))
        return false; // OPT keeps a size there: RFC 6891 section 6.1.2
    sl_read_be32(r);  // time to live
    struct sl_reader data = sl_read_part(r, sl_read_be16(r));
    if (r->short_read)
        return true;
    if (first_name) {
        out->qtype = type;
        out->qclass = class & 0x7fff;
        out->name_cut = full;
    }
    size_t want = type == TYPE_A ? 4 : 16, have = sl_read_left(&data);
    if (!answer || (type != TYPE_A && type != TYPE_AAAA) || (class & 0x7fff) != 1 || !have)
        return true; // without data: dynamic update
    if (have != want)
        return false;
    if (!out->address_family) {
        out->address_family = type == TYPE_A ? 4 : 6;
        memcpy(out->address, data.p, want);
    }
    return true;
}

// ---- messages -----------------------------------------------------------------------------------

static bool flags_like(uint16_t flags)
{
    unsigned opcode = flags >> 11 & 15, rcode = flags & 15;
    bool known = opcode == 0 || opcode == 2 || opcode == 4 || opcode == OP_UPDATE;
    return known && !(flags & 0x0040) && rcode <= 11 && (flags & 0x8000 || rcode == 0);
}

/*
 * What can be told from the header alone, whatever follows. A query has one question, unless it is
 * mDNS; nothing comes after an empty question section but an answer, an update or an error.
 */
static bool header_like(uint16_t flags, const uint16_t count[4])
{
    bool response = flags & 0x8000;
    if (!flags_like(flags) || count[0] > MAX_QUESTIONS)
        return false;
    if (response)
        return count[0] || count[1] || flags & 15 || (flags >> 11 & 15) == OP_UPDATE;
    return count[0] > 0 && (!(flags & 0x0400) || (flags >> 11 & 15)); // AA is for answers
}

static bool read_message(const uint8_t *msg, size_t len, struct sl_dns_facts *out)
{
    struct sl_reader r = sl_reader(msg, len);
    uint16_t count[4];
    out->id = sl_read_be16(&r);
    uint16_t flags = sl_read_be16(&r);
    for (int i = 0; i < 4; i++)
        count[i] = sl_read_be16(&r);
    if (r.short_read || !header_like(flags, count))
        return false;
    out->response = flags & 0x8000;
    out->authoritative = flags & 0x0400;
    out->truncated = flags & 0x0200;
    out->opcode = flags >> 11 & 15;
    out->rcode = out->response ? (int8_t)(flags & 15) : -1;
    out->questions = count[0];
    out->answers = count[1];
    for (unsigned i = 0; i < count[0]; i++)
        if (!read_question(msg, &r, i ? NULL : out))
            return false;
    unsigned records = (unsigned)count[1] + count[2] + count[3];
    for (unsigned i = 0; i < records && !out->cut; i++) {
        bool owner = i == 0 && count[0] == 0;
        if (!read_record(msg, &r, i < count[1], owner, out))
            return false;
        out->cut = r.short_read;
        if (owner && out->cut)
            return false; // nothing in it that could be checked
    }
    return true;
}

enum sl_dns_result sl_dissect_dns(const uint8_t *bytes, size_t len, bool tcp,
                                  struct sl_dns_facts *out)
{
    memset(out, 0, sizeof *out);
    out->rcode = -1;
    if (tcp) {
        size_t n = len >= 2 ? (size_t)bytes[0] << 8 | bytes[1] : HEADER;
        if (n < HEADER)
            return SL_DNS_NOT;
        if (len < n + 2) {
            out->want_bytes = (uint32_t)(n + 2);
            bool odd = len >= 6 && !flags_like((uint16_t)(bytes[4] << 8 | bytes[5]));
            return odd ? SL_DNS_NOT : SL_DNS_NEED_MORE;
        }
        bytes += 2;
        len = n;
    }
    if (read_message(bytes, len, out))
        return SL_DNS_DONE;
    memset(out, 0, sizeof *out);
    out->rcode = -1;
    return SL_DNS_NOT;
}
