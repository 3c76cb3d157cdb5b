// SPDX-License-Identifier: Apache-2.0
/*
 * Records are taken apart first: a hello that lies in one record is read in place, one that is
 * spread over several is put together on the stack. Then the hello is read as far as there are
 * bytes. A hello that ends early because the input does is NEED_MORE; one that ends early although
 * all its bytes are there is malformed.
 */
#include "dissect/tls.h"
#include "base/hash.h"
#include "base/reader.h"
#include "dissect/text.h"
#include <stdio.h>
#include <string.h>

enum { CHANGE_CIPHER_SPEC = 20, ALERT, HANDSHAKE, APPLICATION_DATA }; // RFC 8446 section 5.1
enum { MAX_RECORD = 16384 + 2048 };                                   // RFC 5246 section 6.2.3
enum { EXT_SNI = 0, EXT_GROUPS = 10, EXT_POINT_FORMATS = 11, EXT_ALPN = 16, EXT_VERSIONS = 43 };
enum { MAX_JA3 = 8192, WARNING_BYTES = 7 };

static bool is_grease(uint16_t v) // RFC 8701: 0x0a0a, 0x1a1a, ...
{
    return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

// ---- fingerprints -------------------------------------------------------------------------------

struct ja3 {
    char text[MAX_JA3];
    size_t len;
    bool full, fresh; // fresh: no number in this field yet
};

static void ja3_put(struct ja3 *j, const char *text, size_t n)
{
    if (j->full || n >= sizeof j->text - j->len) {
        j->full = true;
        return;
    }
    memcpy(j->text + j->len, text, n);
    j->len += n;
}

static void ja3_field(struct ja3 *j)
{
    if (j->len)
        ja3_put(j, ",", 1);
    j->fresh = true;
}

static void ja3_number(struct ja3 *j, unsigned v)
{
    char digits[12];
    int n = snprintf(digits, sizeof digits, "%s%u", j->fresh ? "" : "-", v);
    ja3_put(j, digits, (size_t)n);
    j->fresh = false;
}

static void ja3_numbers(struct ja3 *j, struct sl_reader list)
{
    while (sl_read_left(&list) >= 2) {
        uint16_t v = sl_read_be16(&list);
        if (!is_grease(v))
            ja3_number(j, v);
    }
}

static void ja3_done(struct ja3 *j, struct sl_tls_facts *out)
{
    if (j->full)
        return;
    j->text[j->len] = '\0';
    if (j->len < sizeof out->ja3)
        memcpy(out->ja3, j->text, j->len + 1);
    if (!sl_md5_hex(j->text, j->len, out->ja3_md5))
        out->ja3_md5[0] = '\0';
}

// ---- extensions ---------------------------------------------------------------------------------

static bool host_name_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

static void read_sni(struct sl_reader r, struct sl_tls_facts *out)
{
    struct sl_reader list = sl_read_part(&r, sl_read_be16(&r));
    while (sl_read_left(&list) && !out->sni[0]) {
        uint8_t type = sl_read_u8(&list);
        size_t len = sl_read_be16(&list);
        const uint8_t *name = sl_read_span(&list, len);
        if (!name) {
            out->malformed = true;
            return;
        }
        if (type != 0)
            continue;
        out->sni_odd = !sl_dissect_text(out->sni, sizeof out->sni, name, len);
        for (size_t i = 0; i < len; i++)
            out->sni_odd = out->sni_odd || !host_name_letter(name[i]);
    }
    out->malformed = out->malformed || r.short_read || list.short_read;
}

static void read_alpn(struct sl_reader r, struct sl_tls_facts *out)
{
    struct sl_reader list = sl_read_part(&r, sl_read_be16(&r));
    size_t at = 0;
    bool room = true;
    out->alpn[0] = '\0';
    while (sl_read_left(&list)) {
        size_t len = sl_read_u8(&list);
        const uint8_t *name = sl_read_span(&list, len);
        if (!name)
            break;
        room = room && at + len + 2 <= sizeof out->alpn; // comma, name, end
        if (!room || !len)
            continue;
        if (at)
            out->alpn[at++] = ',';
        sl_dissect_text(out->alpn + at, len + 1, name, len);
        for (size_t end = at + len; at < end; at++)
            if (out->alpn[at] == ',')
                out->alpn[at] = '?';
    }
    out->malformed = out->malformed || r.short_read || list.short_read;
}

// Finished versions count by number, drafts of 1.3 (0x7fNN, and 0xfbNN) between 1.2 and 1.3.
static uint32_t version_rank(uint16_t v)
{
    if (v == 0x0304 || v == 0xfefc)
        return 0x20000;
    if (v >> 8 == 0x7f || v >> 8 == 0xfb)
        return 0x10000u + (v & 0xffu);
    if (v >= 0x0300 && v <= 0x0303)
        return v;
    return v == 0xfefd ? 0x0303 : v == 0xfeff ? 0x0302 : 0;
}

static void read_versions(struct sl_reader r, struct sl_tls_facts *out)
{
    if (out->kind == SL_TLS_SERVER_HELLO) {
        uint16_t v = sl_read_be16(&r);
        if (r.short_read)
            out->malformed = true;
        else
            out->version = v;
        return;
    }
    struct sl_reader list = sl_read_part(&r, sl_read_u8(&r));
    uint32_t best = 0;
    while (sl_read_left(&list) >= 2) {
        uint16_t v = sl_read_be16(&list);
        if (version_rank(v) > best) {
            best = version_rank(v);
            out->version = v;
        }
    }
    out->malformed = out->malformed || r.short_read || list.short_read;
}

struct extensions {
    struct sl_reader groups, point_formats; // lists, without their length
};

static void read_extension(uint16_t type, struct sl_reader body, struct extensions *x,
                           struct sl_tls_facts *out)
{
    switch (type) {
    case EXT_SNI:
        if (out->kind == SL_TLS_CLIENT_HELLO) // a server's is empty
            read_sni(body, out);
        break;
    case EXT_ALPN:
        read_alpn(body, out);
        break;
    case EXT_VERSIONS:
        read_versions(body, out);
        break;
    case EXT_GROUPS:
        x->groups = sl_read_part(&body, sl_read_be16(&body));
        break;
    case EXT_POINT_FORMATS:
        x->point_formats = sl_read_part(&body, sl_read_u8(&body));
        break;
    default:
        break;
    }
}

// Also adds the field of extensions to the fingerprint. False when they end early.
static bool read_extensions(struct sl_reader *r, struct extensions *x, struct ja3 *ja3,
                            struct sl_tls_facts *out)
{
    ja3_field(ja3);
    if (!sl_read_left(r))
        return true; // a hello may end here: RFC 5246 section 7.4.1.2
    struct sl_reader all = sl_read_part(r, sl_read_be16(r));
    bool cut = r->short_read;
    while (sl_read_left(&all)) {
        uint16_t type = sl_read_be16(&all);
        struct sl_reader body = sl_read_part(&all, sl_read_be16(&all));
        if (all.short_read)
            return false;
        if (!is_grease(type))
            ja3_number(ja3, type);
        read_extension(type, body, x, out);
    }
    return !cut;
}

// ---- hellos -------------------------------------------------------------------------------------

// What both hellos start with. False when it cannot be one, whatever follows.
static bool read_start(struct sl_reader *r, struct sl_tls_facts *out)
{
    static const uint8_t retry[8] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11};
    out->legacy_version = sl_read_be16(r);
    uint8_t major = (uint8_t)(out->legacy_version >> 8);
    if (!r->short_read && (out->datagram ? major != 0xfe && out->legacy_version != 0x0100
                                         : major != 3 && major != 0x7f))
        return false;
    out->version = out->legacy_version;
    const uint8_t *random = sl_read_span(r, 32);
    out->retry = random && out->kind == SL_TLS_SERVER_HELLO && !memcmp(random, retry, sizeof retry);
    // A draft of 1.3 had neither session identifier nor compression in its ServerHello.
    if (out->kind == SL_TLS_SERVER_HELLO && major == 0x7f)
        return true;
    size_t id = sl_read_u8(r);
    if (id > 32)
        return false;
    sl_read_span(r, id);
    if (out->datagram && out->kind == SL_TLS_CLIENT_HELLO)
        sl_read_span(r, sl_read_u8(r)); // cookie
    return true;
}

static bool read_client_hello(struct sl_reader *r, struct ja3 *ja3, struct sl_tls_facts *out)
{
    struct extensions x = {.groups = {0}};
    size_t n = sl_read_be16(r);
    struct sl_reader ciphers = sl_read_part(r, n);
    if (n % 2 || (!r->short_read && n == 0))
        return false;
    sl_read_span(r, sl_read_u8(r)); // compression methods
    if (r->short_read)
        return true;
    ja3_field(ja3);
    ja3_number(ja3, out->legacy_version);
    ja3_field(ja3);
    ja3_numbers(ja3, ciphers);
    if (!read_extensions(r, &x, ja3, out)) {
        r->short_read = true;
        return true;
    }
    ja3_field(ja3);
    ja3_numbers(ja3, x.groups);
    ja3_field(ja3);
    while (sl_read_left(&x.point_formats))
        ja3_number(ja3, sl_read_u8(&x.point_formats));
    return true;
}

static bool read_server_hello(struct sl_reader *r, struct ja3 *ja3, struct sl_tls_facts *out)
{
    struct extensions x = {.groups = {0}};
    out->cipher = sl_read_be16(r);
    if (out->legacy_version >> 8 != 0x7f)
        sl_read_u8(r); // compression method
    if (r->short_read)
        return true;
    ja3_field(ja3);
    ja3_number(ja3, out->legacy_version);
    ja3_field(ja3);
    ja3_number(ja3, out->cipher);
    if (!read_extensions(r, &x, ja3, out))
        r->short_read = true;
    return true;
}

/*
 * The body of a hello; `cut` when the input ends before the body does. With a defect in front of
 * the extensions it is no hello; behind, the hello is taken and marked.
 */
static enum sl_tls_result read_hello(struct sl_reader r, bool cut, struct sl_tls_facts *out)
{
    struct ja3 ja3;
    ja3.len = 0;
    ja3.full = false;
    if (!read_start(&r, out))
        return SL_TLS_NOT;
    bool client = out->kind == SL_TLS_CLIENT_HELLO;
    if (!(client ? read_client_hello(&r, &ja3, out) : read_server_hello(&r, &ja3, out)))
        return SL_TLS_NOT;
    if (cut)
        return SL_TLS_NEED_MORE;
    if (!ja3.len)
        return SL_TLS_NOT; // ended inside what every hello has
    out->malformed = out->malformed || r.short_read || sl_read_left(&r);
    if (!r.short_read)
        ja3_done(&ja3, out);
    return SL_TLS_DONE;
}

static bool is_hello(uint8_t type)
{
    return type == SL_TLS_CLIENT_HELLO || type == SL_TLS_SERVER_HELLO; // their numbers, too
}

enum sl_tls_result sl_dissect_tls_handshake(const uint8_t *messages, size_t len,
                                            struct sl_tls_facts *out)
{
    memset(out, 0, sizeof *out);
    struct sl_reader r = sl_reader(messages, len);
    uint8_t type = sl_read_u8(&r);
    uint32_t body_len = sl_read_be24(&r);
    if (len && !is_hello(type))
        return SL_TLS_NOT;
    out->kind = (enum sl_tls_kind)type;
    out->want_bytes = r.short_read ? 4 : 4 + body_len;
    if (r.short_read)
        return SL_TLS_NEED_MORE;
    struct sl_reader body = sl_read_part(&r, body_len);
    return read_hello(body, r.short_read, out);
}

// ---- records ------------------------------------------------------------------------------------

static bool record_like(const uint8_t *p, size_t len)
{
    if (len > 0 && (p[0] < CHANGE_CIPHER_SPEC || p[0] > APPLICATION_DATA))
        return false;
    if ((len > 1 && p[1] != 3) || (len > 2 && p[2] > 4))
        return false;
    if (len < 5)
        return true;
    size_t n = (size_t)p[3] << 8 | p[4];
    return n > 0 && n <= MAX_RECORD && !(p[0] == CHANGE_CIPHER_SPEC && n != 1);
}

// SSL 2.0 framing of a client that offers SSL 3.0 or newer: RFC 5246 appendix E.2.
static enum sl_tls_result read_v2_hello(const uint8_t *stream, size_t len, struct sl_tls_facts *out)
{
    struct sl_reader r = sl_reader(stream, len);
    uint16_t head = sl_read_be16(&r);
    uint8_t type = sl_read_u8(&r);
    uint16_t version = sl_read_be16(&r);
    uint16_t ciphers = sl_read_be16(&r), id = sl_read_be16(&r), challenge = sl_read_be16(&r);
    if (r.short_read || !(head & 0x8000) || type != 1 || version < 0x0300 || version > 0x0303)
        return SL_TLS_NOT;
    if (!ciphers || ciphers % 3 || (id && id != 16) || challenge < 16 || challenge > 32 ||
        (head & 0x7fff) != 9 + ciphers + id + challenge)
        return SL_TLS_NOT;
    out->kind = SL_TLS_CLIENT_HELLO;
    out->version = out->legacy_version = version;
    return SL_TLS_DONE;
}

/*
 * Puts the first handshake message together from its records. Returns the bytes of it that there
 * are; *consumed is where in the stream the next ones would start.
 */
static size_t gather(struct sl_reader *r, uint8_t *to, size_t most, bool *broken)
{
    size_t n = 0, total = 4;
    while (n < total && sl_read_left(r)) {
        if (!record_like(r->p, sl_read_left(r)) || *r->p != HANDSHAKE) {
            *broken = true;
            break;
        }
        sl_read_be24(r);
        struct sl_reader part = sl_read_part(r, sl_read_be16(r));
        size_t take = sl_read_left(&part);
        take = take < most - n ? take : most - n;
        if (take)
            memcpy(to + n, part.p, take);
        n += take;
        if (n >= 4)
            total = 4 + ((size_t)to[1] << 16 | (size_t)to[2] << 8 | to[3]);
        if (n == most)
            break;
    }
    return n < total ? n : total;
}

static enum sl_tls_result read_spread(const uint8_t *stream, size_t len, struct sl_tls_facts *out)
{
    uint8_t message[SL_TLS_MAX_MESSAGE];
    struct sl_reader r = sl_reader(stream, len);
    bool broken = false;
    size_t n = gather(&r, message, sizeof message, &broken);
    enum sl_tls_result res = sl_dissect_tls_handshake(message, n, out);
    if (res != SL_TLS_NEED_MORE)
        return res;
    if (broken || n == sizeof message) { // no more bytes will help
        out->malformed = true;
        return out->legacy_version ? SL_TLS_DONE : SL_TLS_NOT;
    }
    size_t missing = out->want_bytes - n;
    size_t in_record = stream[0] == HANDSHAKE ? ((size_t)stream[3] << 8 | stream[4]) + 5 : 0;
    out->want_bytes = (uint32_t)(in_record > len ? in_record : len + missing);
    return SL_TLS_NEED_MORE;
}

static enum sl_tls_result read_records(const uint8_t *stream, size_t len, struct sl_tls_facts *out)
{
    out->want_bytes = 5 + 4;
    if (len < 5)
        return SL_TLS_NEED_MORE;
    out->legacy_version = out->version = (uint16_t)(stream[1] << 8 | stream[2]);
    size_t record = (size_t)stream[3] << 8 | stream[4];
    if (stream[0] == ALERT && record == 2 && len < WARNING_BYTES) {
        out->want_bytes = WARNING_BYTES; // a warning and then a hello, perhaps
        return SL_TLS_NEED_MORE;
    }
    if (stream[0] != HANDSHAKE)
        return SL_TLS_DONE;
    if (len == 5)
        return SL_TLS_NEED_MORE;
    if (!is_hello(stream[5]))
        return SL_TLS_DONE;
    if (record >= 4 && len >= 9) {
        size_t body = (size_t)stream[6] << 16 | (size_t)stream[7] << 8 | stream[8];
        if (body + 4 <= record && body + 9 <= len)
            return sl_dissect_tls_handshake(stream + 5, body + 4, out);
    }
    return read_spread(stream, len, out);
}

// A server may warn before its hello, for one that it does not know the name: RFC 6066 section 3.
static bool is_warning(const uint8_t *p, size_t len)
{
    enum { WARNING = 1, CLOSE_NOTIFY = 0 };
    return len >= WARNING_BYTES && record_like(p, len) && p[0] == ALERT && p[3] == 0 && p[4] == 2 &&
           p[5] == WARNING && p[6] != CLOSE_NOTIFY;
}

enum sl_tls_result sl_dissect_tls(const uint8_t *stream, size_t len, struct sl_tls_facts *out)
{
    memset(out, 0, sizeof *out);
    if (!record_like(stream, len))
        return read_v2_hello(stream, len, out);
    size_t skip = 0;
    while (is_warning(stream + skip, len - skip) && skip < 4 * WARNING_BYTES)
        skip += WARNING_BYTES;
    if (skip && !record_like(stream + skip, len - skip))
        skip = 0;
    enum sl_tls_result res = read_records(stream + skip, len - skip, out);
    if (res == SL_TLS_NEED_MORE)
        out->want_bytes += (uint32_t)skip;
    if (!out->legacy_version && skip)
        out->legacy_version = out->version = (uint16_t)(stream[1] << 8 | stream[2]);
    return res;
}

enum sl_tls_result sl_dissect_dtls(const uint8_t *datagram, size_t len, struct sl_tls_facts *out)
{
    memset(out, 0, sizeof *out);
    struct sl_reader r = sl_reader(datagram, len);
    uint8_t type = sl_read_u8(&r);
    uint16_t version = sl_read_be16(&r);
    uint16_t epoch = sl_read_be16(&r);
    sl_read_span(&r, 6); // sequence number
    uint16_t n = sl_read_be16(&r);
    if (r.short_read || type < CHANGE_CIPHER_SPEC || type > APPLICATION_DATA || !n ||
        n > MAX_RECORD || (version != 0xfeff && version != 0xfefd && version != 0x0100))
        return SL_TLS_NOT;
    out->datagram = true;
    out->legacy_version = out->version = version;
    struct sl_reader body = sl_read_part(&r, n);
    if (type != HANDSHAKE || epoch || !sl_read_left(&body) || !is_hello(*body.p))
        return SL_TLS_DONE;
    out->kind = (enum sl_tls_kind)sl_read_u8(&body);
    uint32_t total = sl_read_be24(&body);
    sl_read_be16(&body); // message number
    uint32_t offset = sl_read_be24(&body), fragment = sl_read_be24(&body);
    if (body.short_read || offset || fragment > total) {
        out->kind = SL_TLS_OTHER;
        return SL_TLS_DONE;
    }
    struct sl_reader hello = sl_read_part(&body, fragment);
    enum sl_tls_result res = read_hello(hello, body.short_read || fragment < total, out);
    if (res == SL_TLS_NEED_MORE && !out->legacy_version)
        out->legacy_version = out->version = version;
    return res == SL_TLS_NOT ? SL_TLS_NOT : SL_TLS_DONE; // what is left comes in other datagrams
}
