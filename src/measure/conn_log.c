// SPDX-License-Identifier: Apache-2.0
#include "measure/conn_log.h"
#include "base/hash.h"
#include "base/mem.h"
#include "flow/conn.h"
#include "flow/full.h"
#include <arpa/inet.h>
#include <string.h>

struct entry {
    struct sl_conn conn;
    void *user; // the caller's
};
struct sl_conn_log {
    struct sl_pool pools[SL_PARTITIONS];
    char uid[24], src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN]; // of the row
    char history[32];
};

enum {
    TS,
    UID,
    ORIG_H,
    ORIG_P,
    RESP_H,
    RESP_P,
    PROTO,
    SERVICE,
    DURATION,
    ORIG_BYTES,
    RESP_BYTES,
    CONN_STATE,
    LOCAL_ORIG,
    LOCAL_RESP,
    MISSED_BYTES,
    HISTORY,
    ORIG_PKTS,
    ORIG_IP_BYTES,
    RESP_PKTS,
    RESP_IP_BYTES,
    TUNNEL_PARENTS,
    IP_PROTO,
};

#define COLUMN(at, zeek, kind, unit_, zeek_kind)                                                   \
    [at] = {.name = zeek,                                                                          \
            .type = kind,                                                                          \
            .unit = unit_,                                                                         \
            .source = "Zeek",                                                                      \
            .zeek_name = zeek,                                                                     \
            .zeek_type = zeek_kind}
static const struct sl_column columns[SL_CONN_LOG_COLUMNS] = {
    COLUMN(TS, "ts", SL_COL_TIME, "ns", "time"),
    COLUMN(UID, "uid", SL_COL_TEXT, "", "string"),
    COLUMN(ORIG_H, "id.orig_h", SL_COL_TEXT, "", "addr"),
    COLUMN(ORIG_P, "id.orig_p", SL_COL_INT, "", "port"),
    COLUMN(RESP_H, "id.resp_h", SL_COL_TEXT, "", "addr"),
    COLUMN(RESP_P, "id.resp_p", SL_COL_INT, "", "port"),
    COLUMN(PROTO, "proto", SL_COL_TEXT, "", "enum"),
    COLUMN(SERVICE, "service", SL_COL_TEXT, "", "string"),
    COLUMN(DURATION, "duration", SL_COL_INT, "ns", "interval"),
    COLUMN(ORIG_BYTES, "orig_bytes", SL_COL_INT, "B", "count"),
    COLUMN(RESP_BYTES, "resp_bytes", SL_COL_INT, "B", "count"),
    COLUMN(CONN_STATE, "conn_state", SL_COL_TEXT, "", "string"),
    COLUMN(LOCAL_ORIG, "local_orig", SL_COL_BOOL, "", "bool"),
    COLUMN(LOCAL_RESP, "local_resp", SL_COL_BOOL, "", "bool"),
    COLUMN(MISSED_BYTES, "missed_bytes", SL_COL_INT, "B", "count"),
    COLUMN(HISTORY, "history", SL_COL_TEXT, "", "string"),
    COLUMN(ORIG_PKTS, "orig_pkts", SL_COL_INT, "1", "count"),
    COLUMN(ORIG_IP_BYTES, "orig_ip_bytes", SL_COL_INT, "B", "count"),
    COLUMN(RESP_PKTS, "resp_pkts", SL_COL_INT, "1", "count"),
    COLUMN(RESP_IP_BYTES, "resp_ip_bytes", SL_COL_INT, "B", "count"),
    COLUMN(TUNNEL_PARENTS, "tunnel_parents", SL_COL_TEXT, "", "set[string]"),
    COLUMN(IP_PROTO, "ip_proto", SL_COL_INT, "", "count"),
};

const struct sl_column *sl_conn_log_columns(void)
{
    return columns;
}

struct sl_conn_log *sl_conn_log_new(void)
{
    struct sl_conn_log *l = sl_alloc(sizeof *l);
    for (int i = 0; i < SL_PARTITIONS; i++)
        sl_pool_init(&l->pools[i], sizeof(struct entry), 0);
    return l;
}

void sl_conn_log_free(struct sl_conn_log *l)
{
    for (int i = 0; l && i < SL_PARTITIONS; i++)
        sl_pool_done(&l->pools[i]);
    free(l);
}

// ---- packets ------------------------------------------------------------------------------------

// A flow's `user` is its entry's number, from 1.
static struct entry *entry_of(struct sl_conn_log *l, struct sl_flow_state *f)
{
    struct sl_pool *pool = &l->pools[f->node.user[0]];
    if (!f->user)
        f->user = (void *)(uintptr_t)(sl_pool_take(pool) + 1);
    return sl_pool_at(pool, (uint32_t)(uintptr_t)f->user - 1);
}

void **sl_conn_log_user(struct sl_conn_log *l, struct sl_flow_state *f)
{
    return &entry_of(l, f)->user;
}

void sl_conn_log_add(struct sl_conn_log *l, struct sl_flow_state *f, const struct sl_packet *p,
                     int dir)
{
    struct sl_conn *c = &entry_of(l, f)->conn;
    bool first = !c->side[0].packets && !c->side[1].packets;
    if (first && (f->guess == SL_GUESS_SYNACK || f->guess == SL_GUESS_PORT) && dir == SL_BACKWARD)
        sl_conn_turned(c);
    sl_conn_add(c, p, dir);
}

// ---- cells --------------------------------------------------------------------------------------

static struct sl_text text(const char *s)
{
    return (struct sl_text){s, s ? strlen(s) : 0};
}

// "C" and seventeen digits to base 62.
static void put_uid(const struct sl_flow_state *f, const struct sl_tuple *u, char out[24])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    struct {
        uint8_t src[16], dst[16];
        int64_t first_ns;
        uint64_t id;
        uint16_t sport, dport, proto, salt;
    } of = {.first_ns = sl_flow_first_ns(f),
            .id = f->id,
            .sport = u->sport,
            .dport = u->dport,
            .proto = u->proto};
    memcpy(of.src, u->src.b, 16);
    memcpy(of.dst, u->dst.b, 16);
    *out++ = 'C';
    for (; of.salt < 2; of.salt++) { // 101 bits in all
        uint64_t h = sl_fnv1a(&of, sizeof of);
        h ^= h >> 32; // FNV's low bits are its best
        for (int i = 0; i < (of.salt ? 8 : 9); i++, h /= 62)
            *out++ = digits[h % 62];
    }
    *out = '\0';
}

static struct sl_text put_address(const struct sl_addr *a, char out[INET6_ADDRSTRLEN])
{
    if (!inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, out, INET6_ADDRSTRLEN))
        return (struct sl_text){NULL, 0};
    return text(out);
}

// Zeek has the type as the originator's port, and as the responder's the type of the answer; or the
// code where there is none.
static void put_icmp(const struct sl_flow_state *f, uint8_t proto, union sl_value *row)
{
    static const uint8_t answers[][3] = {
        {1, 8, 0},      {1, 0, 8},      {1, 13, 14},    {1, 14, 13},    {1, 15, 16},
        {1, 16, 15},    {1, 17, 18},    {1, 18, 17},    {1, 10, 9},     {1, 9, 10},
        {58, 128, 129}, {58, 129, 128}, {58, 133, 134}, {58, 134, 133}, {58, 135, 136},
        {58, 136, 135}, {58, 130, 131}, {58, 131, 130}, {58, 139, 140}, {58, 140, 139},
        {58, 144, 145}, {58, 145, 144}};
    row[ORIG_P].i = f->icmp_type;
    row[RESP_P].i = f->icmp_code;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (answers[i][0] == proto && answers[i][1] == f->icmp_type)
            row[RESP_P].i = answers[i][2];
}

static const char *proto_name(uint8_t proto)
{
    return proto == SL_PROTO_TCP                                ? "tcp"
           : proto == SL_PROTO_UDP                              ? "udp"
           : proto == SL_PROTO_ICMP || proto == SL_PROTO_ICMPV6 ? "icmp"
                                                                : "unknown_transport";
}

// By the payload, where Zeek has another name for it; or by the port.
static struct sl_text service(const struct sl_flow_state *f, const struct sl_flow_labels *labels)
{
    if (!f->full)
        return labels->iana;
    const char *app = f->full->facts.app;
    if (!app)
        return (struct sl_text){NULL, 0};
    if (!strcmp(app, "tls"))
        return text("ssl");
    if (!strcmp(app, "quic"))
        return text("quic,ssl");
    return text(app);
}

// RFC 6890 and the registries that it began: first bits of blocks that are no public address.
static bool is_local(const struct sl_addr *a)
{
    static const struct {
        uint8_t family, bits, b[6];
    } blocks[] = {
        {4, 8, {0}},
        {4, 8, {10}},
        {4, 10, {100, 64}},
        {4, 8, {127}},
        {4, 16, {169, 254}},
        {4, 12, {172, 16}},
        {4, 24, {192, 0, 0}},
        {4, 24, {192, 0, 2}},
        {4, 16, {192, 168}},
        {4, 15, {198, 18}},
        {4, 24, {198, 51, 100}},
        {4, 24, {203, 0, 113}},
        {4, 4, {240}},
        {4, 24, {224, 0, 0}}, // RFC 5771: local network control
        {4, 8, {239}},        // RFC 2365: administratively scoped
        {6, 7, {0xfc}},
        {6, 10, {0xfe, 0x80}},
        {6, 10, {0xfe, 0xc0}},
        {6, 32, {0x20, 0x01, 0x0d, 0xb8}},
        {6, 48, {0x20, 0x01, 0x00, 0x02}},
    };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        uint8_t whole = blocks[i].bits / 8, rest = blocks[i].bits % 8;
        uint8_t mask = (uint8_t)(0xff00 >> rest);
        if (blocks[i].family == a->family && !memcmp(a->b, blocks[i].b, whole) &&
            !((a->b[whole] ^ blocks[i].b[whole]) & (rest ? mask : 0)))
            return true;
    }
    static const uint8_t zeros[15];
    return a->family == 6 && !memcmp(a->b, zeros, 15) && a->b[15] <= 1; // :: and ::1
}

static int64_t sent_bytes(const struct sl_flow_totals *t, const struct sl_conn *c, uint8_t proto,
                          int dir)
{
    return (int64_t)(proto == SL_PROTO_TCP ? sl_conn_bytes(c, dir) : t->payload_bytes[dir]);
}

static void put_ends(struct sl_conn_log *l, const struct sl_flow_state *f, const struct sl_tuple *u,
                     union sl_value *row)
{
    put_uid(f, u, l->uid);
    row[UID].s = text(l->uid);
    row[ORIG_H].s = put_address(&u->src, l->src);
    row[RESP_H].s = put_address(&u->dst, l->dst);
    row[ORIG_P].i = u->sport;
    row[RESP_P].i = u->dport;
    if (u->proto == SL_PROTO_ICMP || u->proto == SL_PROTO_ICMPV6)
        put_icmp(f, u->proto, row);
    row[PROTO].s = text(proto_name(u->proto));
    row[IP_PROTO].i = u->proto;
    row[LOCAL_ORIG].i = is_local(&u->src);
    row[LOCAL_RESP].i = is_local(&u->dst);
}

void sl_conn_log_row(struct sl_conn_log *l, const struct sl_engine *engine, struct sl_flow_state *f,
                     const struct sl_flow_labels *labels, union sl_value *row)
{
    struct entry *e = entry_of(l, f);
    const struct sl_conn *c = &e->conn;
    struct sl_tuple u = sl_flow_tuple(f);
    struct sl_flow_totals t = sl_flow_totals(engine, f);
    put_ends(l, f, &u, row);
    int64_t first = sl_flow_first_ns(f), duration = c->last_ns - first;
    bool lasts = duration > 0;
    row[TS].i = first;
    row[SERVICE].s = service(f, labels);
    row[DURATION].i = lasts ? duration : INT64_MIN;
    row[ORIG_BYTES].i = lasts ? sent_bytes(&t, c, u.proto, SL_FORWARD) : INT64_MIN;
    row[RESP_BYTES].i = lasts ? sent_bytes(&t, c, u.proto, SL_BACKWARD) : INT64_MIN;
    row[CONN_STATE].s = text(sl_conn_state(c, u.proto));
    row[MISSED_BYTES].i = (int64_t)c->missed_bytes;
    memcpy(l->history, c->history, sizeof l->history);
    row[HISTORY].s = c->history_len ? text(l->history) : (struct sl_text){NULL, 0};
    static const int pkts[2] = {ORIG_PKTS, RESP_PKTS}, bytes[2] = {ORIG_IP_BYTES, RESP_IP_BYTES};
    for (int d = 0; d < 2; d++) {
        row[pkts[d]].i = f->packets[d];
        row[bytes[d]].i =
            (int64_t)(t.ip_header_bytes[d] + t.l4_header_bytes[d] + t.payload_bytes[d]);
    }
    row[TUNNEL_PARENTS].s = (struct sl_text){NULL, 0};
    sl_pool_give(&l->pools[f->node.user[0]], (uint32_t)(uintptr_t)f->user - 1);
    f->user = NULL;
}
