// SPDX-License-Identifier: Apache-2.0
// Probes in the order of how sure they are; each looks at one side, and some ask the other to
// agree.
#include "classes/payload.h"
#include <stdbool.h>
#include <string.h>

struct side {
    const uint8_t *p;
    size_t len;
};

static bool starts(struct side s, const char *text)
{
    size_t n = strlen(text);
    return s.len >= n && !memcmp(s.p, text, n);
}

static bool starts_any(struct side s, const char *const *texts)
{
    for (; *texts; texts++)
        if (starts(s, *texts))
            return true;
    return false;
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static bool http(struct side c, struct side s) // RFC 9112
{
    static const char *const methods[] = {"GET ",         "POST ",    "HEAD ",  "PUT ",
                                          "DELETE ",      "OPTIONS ", "PATCH ", "CONNECT ",
                                          "PRI * HTTP/2", NULL};
    return starts(s, "HTTP/1.") || starts_any(c, methods);
}

static bool tls_record(struct side s, uint8_t handshake) // RFC 8446, 5.1 and 4
{
    return s.len >= 6 && s.p[0] == 22 && s.p[1] == 3 && s.p[2] <= 4 && s.p[5] == handshake;
}

static bool tls(struct side c, struct side s)
{
    return tls_record(c, 1) || tls_record(s, 2);
}

static bool ssh(struct side c, struct side s) // RFC 4253, 4.2
{
    return starts(c, "SSH-2.0-") || starts(s, "SSH-2.0-") || starts(s, "SSH-1.99-");
}

static bool mentions(struct side s, const char *text)
{
    return s.len && memmem(s.p, s.len < 200 ? s.len : 200, text, strlen(text)) != NULL;
}

static bool smtp(struct side c, struct side s) // RFC 5321: greeting 220, then EHLO or HELO
{
    if (starts(c, "EHLO ") || starts(c, "HELO "))
        return true;
    return starts(s, "220") && s.len > 3 && (s.p[3] == ' ' || s.p[3] == '-') &&
           (mentions(s, "SMTP") || mentions(s, "smtp"));
}

static bool ftp(struct side c, struct side s) // RFC 959: greeting 220, then USER
{
    return starts(s, "220") &&
           (mentions(s, "FTP") || mentions(s, "ftp") || starts(c, "USER ") || starts(c, "AUTH "));
}

static bool imap(struct side c, struct side s) // RFC 3501 and 1939
{
    (void)c;
    return starts(s, "* OK ") || starts(s, "+OK ");
}

// Startup message: length, protocol 3.0, or the request codes of SSL and cancel. PostgreSQL
// manual, 55.7.
static bool postgresql(struct side c, struct side s)
{
    if (c.len < 8) // the server's first message: authentication
        return s.len >= 9 && s.p[0] == 'R' && be32(s.p + 1) >= 8 && be32(s.p + 1) < 256 &&
               be32(s.p + 5) <= 12;
    uint32_t code = be32(c.p + 4), len = be32(c.p);
    if (code == 80877103 || code == 80877102)
        return len == 8 || len == 16;
    return code == 196608 && len >= 9 && len < 10000;
}

static bool mysql(struct side c,
                  struct side s) // greeting packet 0 with protocol 10 and a printed version
{
    (void)c;
    if (s.len < 6 || s.p[3] != 0 || s.p[4] != 10 || s.p[5] < '1' || s.p[5] > '9')
        return false;
    uint32_t len = le32(s.p) & 0xffffff;
    return len >= 20 && len < 512;
}

static bool resp_array(struct side c) // *N CRLF $M CRLF
{
    size_t i = 1;
    if (c.len < 4 || c.p[0] != '*')
        return false;
    while (i < c.len && c.p[i] >= '0' && c.p[i] <= '9')
        i++;
    return i > 1 && i + 2 < c.len && c.p[i] == '\r' && c.p[i + 1] == '\n' && c.p[i + 2] == '$';
}

static bool redis(struct side c, struct side s)
{
    return resp_array(c) || starts(c, "PING\r\n") || starts(s, "+PONG\r\n") ||
           starts(s, "-NOAUTH ") || starts(s, "-WRONGPASS ") || starts(s, "-DENIED Redis");
}

static bool memcached(struct side c, struct side s)
{
    static const char *const words[] = {"get ",        "gets ",     "set ", "add ", "incr ",
                                        "version\r\n", "stats\r\n", "mg ",  "ms ",  NULL};
    static const char *const replies[] = {"STORED\r\n", "VALUE ",     "END\r\n", "VERSION ",
                                          "STAT ",      "NOT_STORED", NULL};
    if (c.len >= 24 && (c.p[0] == 0x80) && c.p[5] == 0 && c.p[1] <= 0x26 &&
        (!s.len || s.p[0] == 0x81))
        return be32(c.p + 8) < 1u << 20; // binary protocol: body length
    return starts_any(c, words) && (!s.len || starts_any(s, replies));
}

static bool amqp(struct side c, struct side s)
{
    (void)s;
    return starts(c, "AMQP") && c.len >= 8;
}

static bool mqtt(struct side c,
                 struct side s) // CONNECT: remaining length, then the protocol's name
{
    (void)s;
    size_t i = 1;
    if (c.len < 8 || c.p[0] != 0x10)
        return false;
    while (i < 5 && i < c.len && c.p[i] & 0x80)
        i++;
    i++;
    return (c.len >= i + 6 && !memcmp(c.p + i, "\0\4MQTT", 6)) ||
           (c.len >= i + 8 && !memcmp(c.p + i, "\0\6MQIsdp", 8));
}

static bool dns_header(const uint8_t *p, size_t len, bool reply) // RFC 1035, 4.1.1
{
    if (len < 17)
        return false;
    unsigned questions = (unsigned)p[4] << 8 | p[5], opcode = (p[2] >> 3) & 15;
    bool sane = questions == 1 && (opcode == 0 || opcode == 4 || opcode == 5) && !(p[3] & 0x40) &&
                p[12] <= 63;
    if (!reply)
        return sane && !(p[2] & 0x80) && p[6] == 0 && p[7] == 0 && p[8] == 0 && p[9] == 0 &&
               p[10] == 0;
    return sane && (p[2] & 0x80) && p[6] < 2 && (p[3] & 15) < 11;
}

static bool dns(struct side c, struct side s)
{
    if (dns_header(c.p, c.len, false) || dns_header(s.p, s.len, true))
        return true;
    size_t framed =
        c.len > 2 ? (size_t)c.p[0] << 8 | c.p[1] : 0; // over TCP a length stands in front
    return framed && framed + 2 == c.len && dns_header(c.p + 2, c.len - 2, false);
}

static bool mongodb(struct side c,
                    struct side s) // wire protocol: length, ids, opcode OP_MSG or OP_QUERY
{
    (void)s;
    if (c.len < 16)
        return false;
    uint32_t len = le32(c.p), reply_to = le32(c.p + 8), op = le32(c.p + 12);
    return (op == 2013 || op == 2004 || op == 2012) && reply_to == 0 && len >= 16 && len < 48000000;
}

static bool kafka(struct side c,
                  struct side s) // request header: size, key, version, correlation, client id
{
    (void)s;
    if (c.len < 14)
        return false;
    uint32_t size = be32(c.p);
    unsigned key = (unsigned)c.p[4] << 8 | c.p[5], version = (unsigned)c.p[6] << 8 | c.p[7];
    unsigned id_len = (unsigned)c.p[12] << 8 | c.p[13];
    bool size_fits = size + 4 == c.len || (size > c.len && size < 100u << 20);
    if (!size_fits || key > 80 || version > 20 || (id_len != 0xffff && id_len > 200) || c.p[8] != 0)
        return false;
    for (size_t i = 14; id_len != 0xffff && i < c.len && i < 14u + id_len; i++)
        if (c.p[i] < 0x20 || c.p[i] > 0x7e)
            return false;
    return true;
}

static bool nats(struct side c, struct side s)
{
    return starts(s, "INFO {") || starts(c, "CONNECT {");
}

static bool zookeeper(struct side c, struct side s)
{
    (void)s;
    if (c.len == 4 &&
        (!memcmp(c.p, "ruok", 4) || !memcmp(c.p, "stat", 4) || !memcmp(c.p, "srvr", 4)))
        return true;
    // ConnectRequest: length, protocol 0, last zxid, timeout, session, password of 16 bytes
    return c.len >= 44 && be32(c.p) + 4 == c.len && be32(c.p) <= 45 && be32(c.p + 4) == 0 &&
           be32(c.p + 28) == 16;
}

static bool ldap(struct side c,
                 struct side s) // BindRequest: SEQUENCE, messageID, [APPLICATION 0], version 3
{
    (void)s;
    return c.len >= 10 && c.p[0] == 0x30 && c.p[1] < 0x80 && c.p[2] == 2 && c.p[3] == 1 &&
           c.p[5] == 0x60;
}

static bool bitcoin(struct side c, struct side s) // network magic, then "version"
{
    (void)s;
    return c.len >= 16 && !memcmp(c.p + 4, "version\0", 8);
}

const char *sl_payload_probe(const uint8_t *client, size_t client_len, const uint8_t *server,
                             size_t server_len)
{
    static const struct {
        const char *name;
        bool (*fits)(struct side c, struct side s);
    } probes[] = {{"http", http},
                  {"tls", tls},
                  {"ssh", ssh},
                  {"smtp", smtp},
                  {"ftp", ftp},
                  {"imap", imap},
                  {"mysql", mysql},
                  {"amqp", amqp},
                  {"mqtt", mqtt},
                  {"nats", nats},
                  {"redis", redis},
                  {"bitcoin", bitcoin},
                  {"postgresql", postgresql},
                  {"mongodb", mongodb},
                  {"ldap", ldap},
                  {"memcached", memcached},
                  {"zookeeper", zookeeper},
                  {"dns", dns},
                  {"kafka", kafka}};
    struct side c = {client, client ? client_len : 0}, s = {server, server ? server_len : 0};
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
        if (probes[i].fits(c, s))
            return probes[i].name;
    return NULL;
}
