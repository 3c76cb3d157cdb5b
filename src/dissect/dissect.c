// SPDX-License-Identifier: Apache-2.0
/*
 * Each protocol is asked in turn, the one with the strictest form first. Over TCP the first that
 * recognises the bytes wins; when none does but one could with more, the answer is NEED_MORE.
 */
#include "dissect/dissect.h"
#include "base/str.h"
#include "dissect/dns.h"
#include "dissect/http.h"
#include "dissect/quic.h"
#include "dissect/text.h"
#include "dissect/tls.h"
#include <string.h>

enum { PROTO_TCP = 6, PROTO_UDP = 17 };
enum { PORT_DNS = 53, PORT_MDNS = 5353, PORT_LLMNR = 5355, PORT_NTP = 123 };

struct ports {
    uint16_t s, d;
};

static bool on(struct ports p, uint16_t port)
{
    return p.s == port || p.d == port;
}

static bool dns_ports(struct ports p)
{
    return on(p, PORT_DNS) || on(p, PORT_MDNS) || on(p, PORT_LLMNR);
}

// ---- TLS, DNS, HTTP, QUIC -----------------------------------------------------------------------

static void keep_tls(const struct sl_tls_facts *t, struct sl_l7 *f)
{
    f->tls_version = t->version;
    f->tls_cipher = t->cipher;
    sl_copy(f->sni, sizeof f->sni, t->sni);
    sl_copy(f->alpn, sizeof f->alpn, t->alpn);
    if (t->kind == SL_TLS_CLIENT_HELLO) {
        sl_copy(f->ja3, sizeof f->ja3, t->ja3);
        sl_copy(f->ja3_md5, sizeof f->ja3_md5, t->ja3_md5);
    } else if (t->kind == SL_TLS_SERVER_HELLO) {
        if (strlen(t->ja3) < sizeof f->ja3s)
            sl_copy(f->ja3s, sizeof f->ja3s, t->ja3);
        sl_copy(f->ja3s_md5, sizeof f->ja3s_md5, t->ja3_md5);
    }
}

static enum sl_l7_result try_tls(const uint8_t *bytes, size_t len, bool datagram, struct sl_l7 *f)
{
    struct sl_tls_facts t;
    enum sl_tls_result res =
        datagram ? sl_dissect_dtls(bytes, len, &t) : sl_dissect_tls(bytes, len, &t);
    if (res == SL_TLS_NOT)
        return SL_L7_NOTHING;
    f->want_bytes = t.want_bytes;
    if (res == SL_TLS_NEED_MORE && !t.legacy_version)
        return SL_L7_NEED_MORE; // too short to be sure that it is TLS
    f->app = datagram ? "dtls" : "tls";
    keep_tls(&t, f);
    return res == SL_TLS_DONE ? SL_L7_DONE : SL_L7_NEED_MORE;
}

static enum sl_l7_result try_dns(const uint8_t *bytes, size_t len, bool tcp, struct sl_l7 *f)
{
    struct sl_dns_facts d;
    enum sl_dns_result res = sl_dissect_dns(bytes, len, tcp, &d);
    if (res == SL_DNS_NOT)
        return SL_L7_NOTHING;
    f->want_bytes = d.want_bytes;
    if (res == SL_DNS_NEED_MORE)
        return SL_L7_NEED_MORE;
    f->app = "dns";
    sl_copy(f->dns_name, sizeof f->dns_name, d.name);
    f->dns_qtype = d.questions || d.name[0] ? d.qtype : -1;
    f->dns_rcode = d.rcode;
    f->dns_answers = d.response ? d.answers : -1;
    f->dns_address_family = d.address_family;
    memcpy(f->dns_address, d.address, sizeof f->dns_address);
    return SL_L7_DONE;
}

static enum sl_l7_result try_http(const uint8_t *bytes, size_t len, struct sl_l7 *f)
{
    struct sl_http_facts h;
    enum sl_http_result res = sl_dissect_http(bytes, len, &h);
    if (res == SL_HTTP_NOT)
        return SL_L7_NOTHING;
    f->want_bytes = h.want_bytes;
    if (h.version)
        f->app = h.version == 20 ? "http2" : "http";
    sl_copy(f->http_method, sizeof f->http_method, h.method);
    sl_copy(f->http_target, sizeof f->http_target, h.target);
    sl_copy(f->http_host, sizeof f->http_host, h.host);
    sl_copy(f->http_user_agent, sizeof f->http_user_agent, h.user_agent);
    sl_copy(f->http_server, sizeof f->http_server, h.server);
    sl_copy(f->http_content_type, sizeof f->http_content_type, h.content_type);
    f->http_status = h.status;
    return res == SL_HTTP_DONE ? SL_L7_DONE : SL_L7_NEED_MORE;
}

static enum sl_l7_result try_quic(const uint8_t *bytes, size_t len, struct sl_quic_hello *hello,
                                  struct sl_l7 *f)
{
    struct sl_quic_facts q;
    enum sl_quic_result res = sl_dissect_quic(bytes, len, hello, &q);
    if (res == SL_QUIC_NOT)
        return SL_L7_NOTHING;
    f->app = "quic";
    f->quic_version = q.version ? q.version : q.offered;
    if (q.has_tls)
        keep_tls(&q.tls, f);
    return res == SL_QUIC_DONE ? SL_L7_DONE : SL_L7_NEED_MORE;
}

// ---- others, by how they start ------------------------------------------------------------------

struct start {
    const char *app;
    const char *bytes;
    uint8_t len;
    bool line;     // its first line is a banner worth keeping
    uint16_t port; // 0 = any
};
#define BYTES(s) s, sizeof(s) - 1
static const struct start tcp_starts[] = {
    {"ssh", BYTES("SSH-"), true, 0},
    {"ftp", BYTES("220"), true, 21},
    {"smtp", BYTES("220"), true, 25},
    {"smtp", BYTES("220"), true, 587},
    {"pop3", BYTES("+OK"), true, 110},
    {"imap", BYTES("* OK"), true, 143},
    {"vnc", BYTES("RFB 00"), true, 0},
    {"rtsp", BYTES("RTSP/1.0 "), false, 0},
    {"sip", BYTES("SIP/2.0 "), false, 0},
    {"bittorrent",
     BYTES("\x13"
           "BitTorrent protocol"),
     false, 0},
    {"amqp", BYTES("AMQP"), false, 0},
    {"redis", BYTES("*1\r\n$"), false, 6379},
    {"postgresql", BYTES("\0\0\0\x08\x04\xd2\x16\x2f"), false, 0}, // asks for TLS
    {"socks5", BYTES("\x05\x01\x00"), false, 1080},
};
static const struct start udp_starts[] = {
    {"sip", BYTES("SIP/2.0 "), false, 0},
    {"sip", BYTES("INVITE sip:"), false, 0},
    {"sip", BYTES("REGISTER sip:"), false, 0},
    {"sip", BYTES("OPTIONS sip:"), false, 0},
    {"bittorrent", BYTES("d1:ad2:id20:"), false, 0},
    {"bittorrent", BYTES("d1:rd2:id20:"), false, 0},
};

static void keep_banner(const uint8_t *bytes, size_t len, struct sl_l7 *f)
{
    const uint8_t *end = memchr(bytes, '\n', len);
    size_t n = end ? (size_t)(end - bytes) : len;
    if (n && bytes[n - 1] == '\r')
        n--;
    sl_dissect_text(f->banner, sizeof f->banner, bytes, n);
}

static enum sl_l7_result try_start(const struct start *s, struct ports p, const uint8_t *bytes,
                                   size_t len, struct sl_l7 *f)
{
    size_t n = len < s->len ? len : s->len;
    if ((s->port && !on(p, s->port)) || memcmp(bytes, s->bytes, n))
        return SL_L7_NOTHING;
    f->want_bytes = s->len;
    if (len < s->len)
        return SL_L7_NEED_MORE;
    f->app = s->app;
    if (!s->line)
        return SL_L7_DONE;
    keep_banner(bytes, len, f);
    f->want_bytes = (uint32_t)(len + 1);
    return memchr(bytes, '\n', len) || len >= sizeof f->banner ? SL_L7_DONE : SL_L7_NEED_MORE;
}

static bool at(const uint8_t *bytes, size_t len, size_t where, const char *what, size_t n)
{
    return len >= where + n && !memcmp(bytes + where, what, n);
}

static const char *udp_by_form(struct ports p, const uint8_t *b, size_t len)
{
    if (at(b, len, 4, BYTES("\x21\x12\xa4\x42")) && !(b[0] & 0xc0) && !(b[3] & 3))
        return "stun"; // RFC 8489 section 5
    if (at(b, len, 236, BYTES("\x63\x82\x53\x63")) && (on(p, 67) || on(p, 68)))
        return "dhcp"; // RFC 2131 section 3
    if (on(p, PORT_NTP) && len >= 48 && (b[0] >> 3 & 7) >= 1 && (b[0] >> 3 & 7) <= 4 && (b[0] & 7))
        return "ntp"; // RFC 5905 section 7.3
    return NULL;
}

// ---- the whole ----------------------------------------------------------------------------------

static void clear(struct sl_l7 *f)
{
    memset(f, 0, sizeof *f);
    f->dns_qtype = f->dns_rcode = f->dns_answers = -1;
}

// An attempt that recognised nothing leaves nothing behind, but what it would need.
static bool settled(enum sl_l7_result res, struct sl_l7 *f, uint32_t *want)
{
    if (res == SL_L7_DONE || f->app)
        return true;
    if (res == SL_L7_NEED_MORE && f->want_bytes > *want)
        *want = f->want_bytes;
    clear(f);
    return false;
}

static enum sl_l7_result dissect_tcp(struct ports p, const uint8_t *bytes, size_t len,
                                     struct sl_l7 *f)
{
    uint32_t want = 0;
    enum sl_l7_result res = try_tls(bytes, len, false, f);
    if (settled(res, f, &want))
        return res;
    res = try_http(bytes, len, f);
    if (settled(res, f, &want))
        return res;
    for (size_t i = 0; i < sizeof tcp_starts / sizeof tcp_starts[0]; i++) {
        res = try_start(&tcp_starts[i], p, bytes, len, f);
        if (settled(res, f, &want))
            return res;
    }
    if (dns_ports(p)) {
        res = try_dns(bytes, len, true, f);
        if (settled(res, f, &want))
            return res;
    }
    f->want_bytes = want;
    return want ? SL_L7_NEED_MORE : SL_L7_NOTHING;
}

static enum sl_l7_result dissect_udp(struct ports p, const uint8_t *bytes, size_t len,
                                     struct sl_quic_hello *hello, struct sl_l7 *f)
{
    uint32_t want = 0; // a datagram does not grow
    enum sl_l7_result res = dns_ports(p) ? try_dns(bytes, len, false, f) : SL_L7_NOTHING;
    if (settled(res, f, &want))
        return res;
    res = try_quic(bytes, len, hello, f);
    if (settled(res, f, &want))
        return res;
    res = try_tls(bytes, len, true, f);
    if (settled(res, f, &want))
        return SL_L7_DONE;
    res = try_http(bytes, len, f);
    if (settled(res, f, &want))
        return SL_L7_DONE;
    for (size_t i = 0; i < sizeof udp_starts / sizeof udp_starts[0]; i++) {
        res = try_start(&udp_starts[i], p, bytes, len, f);
        if (settled(res, f, &want))
            return SL_L7_DONE;
    }
    f->app = udp_by_form(p, bytes, len);
    return f->app ? SL_L7_DONE : SL_L7_NOTHING;
}

enum sl_l7_result sl_dissect_datagram(uint16_t sport, uint16_t dport, const uint8_t *bytes,
                                      size_t len, struct sl_quic_hello *hello, struct sl_l7 *facts)
{
    clear(facts);
    if (!len)
        return SL_L7_NOTHING;
    return dissect_udp((struct ports){sport, dport}, bytes, len, hello, facts);
}

enum sl_l7_result sl_dissect_payload(uint8_t proto, uint16_t sport, uint16_t dport, int dir,
                                     const uint8_t *bytes, size_t len, struct sl_l7 *facts)
{
    (void)dir;
    if (proto == PROTO_UDP)
        return sl_dissect_datagram(sport, dport, bytes, len, NULL, facts);
    clear(facts);
    if (proto != PROTO_TCP || !len)
        return SL_L7_NOTHING;
    enum sl_l7_result res = dissect_tcp((struct ports){sport, dport}, bytes, len, facts);
    if (res == SL_L7_NEED_MORE && len >= SL_L7_MAX_BYTES)
        return facts->app ? SL_L7_DONE : SL_L7_NOTHING;
    return res;
}
