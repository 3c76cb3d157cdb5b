// SPDX-License-Identifier: Apache-2.0
/*
 * A datagram holds one or more packets; those with long headers say how long they are. Each Initial
 * is opened: header protection first (its mask comes from a sample of the ciphertext), then the
 * payload, whose CRYPTO frames may lie in any order and overlap. Bytes are put at their offset and
 * a bitmap says which are there; the TLS parser gets the run from offset 0.
 */
#include "dissect/quic.h"
#include "base/crypto.h"
#include "base/reader.h"
#include <string.h>

enum { MAX_PACKET = 4096, MAX_CID = 20, MAX_PACKETS = 8, TAG = 16 };
enum { VERSION_1 = 0x00000001, VERSION_2 = 0x6b3343cf };

// ---- versions -----------------------------------------------------------------------------------

static bool is_draft(uint32_t v)
{
    return v >= 0xff00000b && v <= 0xff000022;
}

static bool is_digits(uint32_t v) // the last three characters of "Q050"
{
    for (unsigned shift = 0; shift < 24; shift += 8)
        if ((v >> shift & 0xff) < '0' || (v >> shift & 0xff) > '9')
            return false;
    return true;
}

static bool is_google(uint32_t v)
{
    return (v >> 24 == 'Q' || v >> 24 == 'T') && is_digits(v);
}

static bool is_reserved(uint32_t v) // RFC 9000 section 15: forces negotiation
{
    return (v & 0x0f0f0f0f) == 0x0a0a0a0a;
}

static bool is_mvfst(uint32_t v)
{
    return v == 0xfaceb000 || v == 0xfaceb001 || v == 0xfaceb002 || v == 0xfaceb003 ||
           v == 0xfaceb00e || v == 0xfaceb00f || v == 0xfaceb010 || v == 0xfaceb011 ||
           v == 0xfaceb012 || v == 0xfaceb013;
}

static bool is_version(uint32_t v)
{
    return v == VERSION_1 || v == VERSION_2 || is_draft(v) || is_google(v) || is_reserved(v) ||
           is_mvfst(v) || v >> 8 == 0x504351 /* picoquic's PCQ */ || v == 0x709a50c4 /* draft v2 */;
}

// Versions whose header has Google's form: type and lengths packed, or a public header.
static bool is_early_google(uint32_t v)
{
    return v >> 24 == 'Q' && (v & 0xffffff) < 0x303530; // before Q050
}

static const uint8_t *salt_of(uint32_t v)
{
    static const uint8_t v1[20] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
                                   0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
    static const uint8_t v2[20] = {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
                                   0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};
    static const uint8_t draft29[20] = {0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97,
                                        0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99};
    static const uint8_t draft23[20] = {0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7,
                                        0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02};
    static const uint8_t draft22[20] = {0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a,
                                        0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd, 0x7a, 0x02, 0x64, 0x4a};
    static const uint8_t t050[20] = {0x7f, 0xf5, 0x79, 0xe5, 0xac, 0xd0, 0x72, 0x91, 0x55, 0x80,
                                     0x30, 0x4c, 0x43, 0xa2, 0x36, 0x7c, 0x60, 0x48, 0x83, 0x10};
    static const uint8_t t051[20] = {0x7a, 0x4e, 0xde, 0xf4, 0xe7, 0xcc, 0xee, 0x5f, 0xa4, 0x50,
                                     0x6c, 0x19, 0x12, 0x4f, 0xc8, 0xcc, 0xda, 0x6e, 0x03, 0x3d};
    if (v == 0x54303530)
        return t050;
    if (v == 0x54303531)
        return t051;
    if (v == VERSION_1 || v == 0xff000021 || v == 0xff000022)
        return v1;
    if (v == VERSION_2)
        return v2;
    if (v == 0xfaceb001)
        return draft22;
    if (v == 0xfaceb002 || v == 0xfaceb00e || v == 0xfaceb011 || v == 0xfaceb013)
        return draft23;
    if (!is_draft(v) || v < 0xff000015)
        return NULL;
    return v >= 0xff00001d ? draft29 : v >= 0xff000017 ? draft23 : draft22;
}

static enum sl_quic_type type_of(uint32_t version, uint8_t first)
{
    unsigned t = first >> 4 & 3;
    if (version == VERSION_2) // RFC 9369 section 3.2: one further, round
        t = (t + 3) & 3;
    return (enum sl_quic_type)t; // Initial, 0-RTT, Handshake, Retry
}

// ---- keys ---------------------------------------------------------------------------------------

bool sl_quic_client_keys(uint32_t version, const uint8_t *dcid, size_t dcid_len,
                         struct sl_quic_keys *out)
{
    const uint8_t *salt = salt_of(version);
    bool second = version == VERSION_2;
    uint8_t initial[32], client[32];
    return salt && sl_hkdf_extract(salt, 20, dcid, dcid_len, initial) &&
           sl_hkdf_expand_label(initial, "client in", client, sizeof client) &&
           sl_hkdf_expand_label(client, second ? "quicv2 key" : "quic key", out->key,
                                sizeof out->key) &&
           sl_hkdf_expand_label(client, second ? "quicv2 iv" : "quic iv", out->iv,
                                sizeof out->iv) &&
           sl_hkdf_expand_label(client, second ? "quicv2 hp" : "quic hp", out->hp, sizeof out->hp);
}

// ---- packets ------------------------------------------------------------------------------------

static uint64_t read_varint(struct sl_reader *r) // RFC 9000 section 16
{
    uint8_t first = sl_read_u8(r);
    uint64_t v = first & 0x3f;
    for (unsigned more = (1u << (first >> 6)) - 1; more; more--)
        v = v << 8 | sl_read_u8(r);
    return v;
}

struct packet {
    const uint8_t *start;  // of its header
    const uint8_t *number; // protected packet number, then ciphertext
    size_t len;            // from number on
    const uint8_t *dcid;
    uint32_t version;
    uint8_t first, dcid_len, scid_len;
    enum sl_quic_type type;
};

// The header up to the identifiers, the same in all versions: RFC 8999 section 5.1.
static bool read_invariant(struct sl_reader *r, struct packet *p)
{
    p->start = r->p;
    p->first = sl_read_u8(r);
    p->version = sl_read_be32(r);
    p->dcid_len = sl_read_u8(r);
    p->dcid = sl_read_span(r, p->dcid_len);
    p->scid_len = sl_read_u8(r);
    sl_read_span(r, p->scid_len);
    return !r->short_read && p->first & 0x80;
}

// The rest of an Initial's header; r moves behind the packet.
static bool read_initial(struct sl_reader *r, struct packet *p)
{
    uint64_t token = read_varint(r);
    if (token > sl_read_left(r))
        return false;
    sl_read_span(r, (size_t)token);
    uint64_t n = read_varint(r);
    if (r->short_read || n > sl_read_left(r))
        return false;
    p->len = (size_t)n;
    p->number = sl_read_span(r, p->len);
    return true;
}

// Handshake and 0-RTT packets may stand in front of an Initial.
static bool skip_other(struct sl_reader *r, const struct packet *p)
{
    if (p->type != SL_QUIC_0RTT && p->type != SL_QUIC_HANDSHAKE)
        return false;
    uint64_t n = read_varint(r);
    if (r->short_read || n > sl_read_left(r))
        return false;
    sl_read_span(r, (size_t)n);
    return true;
}

/*
 * Removes header protection and encryption: RFC 9001 sections 5.4 and 5.3. Returns the bytes of
 * plaintext, 0 when it is not authentic.
 */
static size_t open_packet(const struct packet *p, const struct sl_quic_keys *keys, uint8_t *plain)
{
    uint8_t mask[16], nonce[12], first, number[4];
    if (p->len < 4 + 16 || p->len > MAX_PACKET || !sl_aes128_block(keys->hp, p->number + 4, mask))
        return 0;
    first = p->first ^ (mask[0] & 0x0f);
    size_t n = (first & 3) + 1u;
    memcpy(nonce, keys->iv, sizeof nonce);
    for (size_t i = 0; i < n; i++) {
        number[i] = p->number[i] ^ mask[1 + i];
        nonce[12 - n + i] ^= number[i]; // the first numbers are small: nothing was cut off
    }
    const struct sl_bytes header[] = {
        {&first, 1}, {p->start + 1, (size_t)(p->number - p->start) - 1}, {number, n}};
    if (p->len < n + TAG ||
        !sl_aes128_gcm_open(keys->key, nonce, header, 3, p->number + n, p->len - n, plain))
        return 0;
    return p->len - n - TAG;
}

// ---- frames -------------------------------------------------------------------------------------

static void keep_crypto(struct sl_quic_hello *h, uint64_t offset, struct sl_reader data)
{
    size_t n = sl_read_left(&data);
    if (offset >= SL_QUIC_MAX_HELLO)
        return;
    if (n > SL_QUIC_MAX_HELLO - offset)
        n = (size_t)(SL_QUIC_MAX_HELLO - offset);
    size_t at = (size_t)offset;
    for (size_t i = 0; i < n; i++, at++) {
        if (h->have[at / 8] & 1u << at % 8)
            continue; // the first to come stays
        h->bytes[at] = data.p[i];
        h->have[at / 8] = (uint8_t)(h->have[at / 8] | 1u << at % 8);
    }
}

static void skip_ack(struct sl_reader *r, bool ecn) // RFC 9000 section 19.3
{
    read_varint(r); // largest
    read_varint(r); // delay
    uint64_t ranges = read_varint(r);
    read_varint(r); // first range
    for (uint64_t i = 0; i < ranges && !r->short_read; i++) {
        read_varint(r);
        read_varint(r);
    }
    for (int i = 0; ecn && i < 3; i++)
        read_varint(r);
}

// Frames that an Initial may hold: RFC 9000 section 12.4. What is behind another one is let go.
// Google's T050 and T051 have another number for CRYPTO.
static void read_frames(uint32_t version, const uint8_t *plain, size_t len, struct sl_quic_hello *h)
{
    uint64_t crypto = is_google(version) ? 8 : 6;
    struct sl_reader r = sl_reader(plain, len);
    while (sl_read_left(&r)) {
        uint64_t type = read_varint(&r);
        if (type == 0 || type == 1) // PADDING, PING
            continue;
        if (type == 2 || type == 3) {
            skip_ack(&r, type == 3);
            continue;
        }
        if (type != crypto)
            return;
        uint64_t offset = read_varint(&r), n = read_varint(&r);
        if (r.short_read || n > sl_read_left(&r))
            return;
        keep_crypto(h, offset, sl_read_part(&r, (size_t)n));
    }
}

static size_t whole_run(const struct sl_quic_hello *h)
{
    size_t n = 0;
    while (n < SL_QUIC_MAX_HELLO && h->have[n / 8] & 1u << n % 8)
        n++;
    return n;
}

// Who forces negotiation by a reserved version has keys of the version of its day.
static size_t open_by_id(const struct packet *p, const uint8_t *dcid, size_t dcid_len,
                         uint8_t *plain)
{
    static const uint32_t of_the_day[] = {VERSION_1, 0xff00001d};
    struct sl_quic_keys keys;
    if (!is_reserved(p->version))
        return sl_quic_client_keys(p->version, dcid, dcid_len, &keys) ? open_packet(p, &keys, plain)
                                                                      : 0;
    size_t n = 0;
    for (size_t i = 0; !n && i < sizeof of_the_day / sizeof of_the_day[0]; i++)
        if (sl_quic_client_keys(of_the_day[i], dcid, dcid_len, &keys))
            n = open_packet(p, &keys, plain);
    return n;
}

// Keys come from the identifier of the first Initial; a server's choice replaces it later on the
// wire, and a Retry makes new keys, so the packet's own is tried as well.
static size_t open_with_either(const struct packet *p, struct sl_quic_hello *h, uint8_t *plain)
{
    size_t n = h->keyed ? open_by_id(p, h->dcid, h->dcid_len, plain) : 0;
    bool same = h->keyed && h->dcid_len == p->dcid_len && !memcmp(h->dcid, p->dcid, p->dcid_len);
    if (n || same)
        return n;
    n = open_by_id(p, p->dcid, p->dcid_len, plain);
    if (n) {
        h->keyed = true;
        h->dcid_len = p->dcid_len;
        memcpy(h->dcid, p->dcid, p->dcid_len);
    }
    return n;
}

static enum sl_quic_result open_initials(const uint8_t *datagram, size_t len,
                                         struct sl_quic_hello *h, struct sl_quic_facts *out)
{
    uint8_t plain[MAX_PACKET];
    struct sl_reader r = sl_reader(datagram, len);
    for (int i = 0; i < MAX_PACKETS && sl_read_left(&r); i++) {
        struct packet p;
        if (!read_invariant(&r, &p) || p.dcid_len > MAX_CID ||
            !(salt_of(p.version) || is_reserved(p.version)))
            break;
        p.type = type_of(p.version, p.first);
        if (p.type != SL_QUIC_INITIAL) {
            if (!skip_other(&r, &p))
                break;
            continue;
        }
        if (!read_initial(&r, &p))
            break;
        size_t n = open_with_either(&p, h, plain);
        if (!n)
            continue;
        out->opened = true;
        read_frames(p.version, plain, n, h);
    }
    if (!out->opened) // 0-RTT may overtake an Initial, or come between two
        return h->keyed || out->type == SL_QUIC_0RTT ? SL_QUIC_NEED_MORE : SL_QUIC_DONE;
    size_t run = whole_run(h);
    enum sl_tls_result tls =
        run ? sl_dissect_tls_handshake(h->bytes, run, &out->tls) : SL_TLS_NEED_MORE;
    out->has_tls = run && tls != SL_TLS_NOT;
    return tls == SL_TLS_NEED_MORE && run < SL_QUIC_MAX_HELLO ? SL_QUIC_NEED_MORE : SL_QUIC_DONE;
}

// ---- datagrams ----------------------------------------------------------------------------------

static enum sl_quic_result read_negotiation(struct sl_reader *r, struct sl_quic_facts *out)
{
    size_t left = sl_read_left(r);
    bool known = false;
    if (!left || left % 4)
        return SL_QUIC_NOT;
    while (sl_read_left(r)) {
        uint32_t v = sl_read_be32(r);
        known = known || is_version(v);
        if (!out->offered && !is_reserved(v))
            out->offered = v;
    }
    out->type = SL_QUIC_NEGOTIATION;
    return known ? SL_QUIC_DONE : SL_QUIC_NOT;
}

/*
 * Google's before Q044: flags (bit 0 a version, bits 2 and 3 an identifier of eight bytes), then
 * identifier, version and packet number, whose length is in bits 4 and 5.
 */
static enum sl_quic_result read_public_header(const uint8_t *d, size_t len,
                                              struct sl_quic_facts *out)
{
    struct sl_reader r = sl_reader(d, len);
    uint8_t flags = sl_read_u8(&r);
    sl_read_span(&r, 8);
    uint32_t version = sl_read_be32(&r);
    if (r.short_read || (flags & 0xc0) || !(flags & 0x01) || (flags & 0x02) || !(flags & 0x08) ||
        version >> 24 != 'Q' || !is_google(version))
        return SL_QUIC_NOT;
    out->version = version;
    out->type = SL_QUIC_OTHER;
    out->dcid_len = 8;
    return SL_QUIC_DONE;
}

// Q044 to Q049: both identifiers' lengths in one byte, zero or three less than they are.
static enum sl_quic_result read_packed_lengths(const uint8_t *d, size_t len, uint32_t version,
                                               struct sl_quic_facts *out)
{
    if (len < 6)
        return SL_QUIC_NOT;
    uint8_t to = d[5] >> 4, from = d[5] & 15;
    out->version = version;
    out->type = SL_QUIC_OTHER;
    out->dcid_len = to ? (uint8_t)(to + 3) : 0;
    out->scid_len = from ? (uint8_t)(from + 3) : 0;
    return len - 6 < (size_t)out->dcid_len + out->scid_len ? SL_QUIC_NOT : SL_QUIC_DONE;
}

static enum sl_quic_result read_datagram(const uint8_t *d, size_t len, struct sl_quic_hello *hello,
                                         struct sl_quic_facts *out)
{
    struct sl_reader r = sl_reader(d, len);
    struct packet p;
    if (!len || !(d[0] & 0x80))
        return read_public_header(d, len, out);
    if (len >= 5) {
        uint32_t version = (uint32_t)d[1] << 24 | (uint32_t)d[2] << 16 | (uint32_t)d[3] << 8 | d[4];
        if (is_google(version) && is_early_google(version))
            return read_packed_lengths(d, len, version, out);
    }
    if (!read_invariant(&r, &p))
        return SL_QUIC_NOT;
    out->version = p.version;
    out->dcid_len = p.dcid_len;
    out->scid_len = p.scid_len;
    if (p.version == 0)
        return read_negotiation(&r, out);
    // The fixed bit may be clear where both ends agreed (RFC 9287); a known version is sign enough.
    bool known = is_version(p.version) && (p.first & 0x40 || !is_reserved(p.version));
    if (!known || (!is_reserved(p.version) && (p.dcid_len > MAX_CID || p.scid_len > MAX_CID)))
        return SL_QUIC_NOT;
    out->type = type_of(p.version, p.first);
    struct sl_quic_hello own;
    if (!hello) {
        hello = &own;
        memset(&own, 0, sizeof own);
    }
    return open_initials(d, len, hello, out);
}

enum sl_quic_result sl_dissect_quic(const uint8_t *datagram, size_t len,
                                    struct sl_quic_hello *hello, struct sl_quic_facts *out)
{
    memset(out, 0, sizeof *out);
    enum sl_quic_result res = read_datagram(datagram, len, hello, out);
    if (res == SL_QUIC_NOT)
        memset(out, 0, sizeof *out);
    return res;
}
