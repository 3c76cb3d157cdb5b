// SPDX-License-Identifier: Apache-2.0
#include "measure/confusion.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/units.h"
#include "classes/classes.h"
#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum { MAX_PAIRS = 65536 };
static const char OTHER[] = "(other)";

struct pair {
    uint8_t proto;
    uint16_t port;
    const char *name, *service, *cls; // of the port; of the truth
    enum sl_agreement verdict;
    struct sl_confusion_count count;
};
struct sl_confusion {
    SL_VEC(struct pair) pairs;
    uint32_t *index; // open addressing: number + 1; 0 = free
    size_t size;     // power of two
    struct sl_confusion_count total[SL_AGREEMENTS];
};

// ---- judging ------------------------------------------------------------------------------------

/*
 * Registered names of protocols, and the class whose services speak them. The class table knows
 * applications by images and classes by their own names; these are neither. A name is here only if
 * it means one class.
 */
static const struct {
    const char *name, *cls;
} protocol_class[] = {
    {"http-alt", "web"},
    {"domain", "dns"},
    {"domain-s", "dns"},
    {"mdns", "dns"},
    {"submission", "mail"},
    {"submissions", "mail"},
    {"imap", "mail"},
    {"imaps", "mail"},
    {"pop3", "mail"},
    {"pop3s", "mail"},
    {"ms-sql-s", "database"},
    {"mysqlx", "database"},
    {"amqp", "message-broker"},
    {"amqps", "message-broker"},
    {"mqtt", "message-broker"},
    {"secure-mqtt", "message-broker"},
    {"ldap", "auth"},
    {"ldaps", "auth"},
    {"kerberos", "auth"},
    {"syslog", "monitoring"},
    {"syslog-tls", "monitoring"},
    {"snmp", "monitoring"},
};

static int class_of_name(const char *name)
{
    int cls = sl_class_find(name);
    for (size_t i = 0; cls <= 0 && i < sizeof protocol_class / sizeof *protocol_class; i++)
        if (!strcasecmp(protocol_class[i].name, name))
            cls = sl_class_find(protocol_class[i].cls);
    struct sl_class_guess guess;
    if (cls <= 0 && sl_class_by_image(name, &guess)) // an application of that name
        cls = guess.cls;
    return cls > 0 ? cls : SL_CLASS_UNKNOWN;
}

// What listens: the application by its image, else what the project calls the service.
static const char *what(const struct sl_truth_row *server)
{
    return *server->app ? server->app : server->service;
}

enum sl_agreement sl_confusion_judge(const char *name, const struct sl_truth_row *server)
{
    if (!server)
        return SL_WITHOUT_TRUTH;
    if (!name || !*name)
        return SL_UNNAMED;
    if (!strcasecmp(name, what(server)))
        return SL_AGREE;
    int cls = class_of_name(name);
    return cls && cls == server->cls_id ? SL_AGREE : SL_DISAGREE;
}

// ---- counting -----------------------------------------------------------------------------------

struct sl_confusion *sl_confusion_new(void)
{
    struct sl_confusion *c = sl_alloc(sizeof *c);
    c->size = 256;
    c->index = sl_alloc(c->size * sizeof *c->index);
    return c;
}

void sl_confusion_free(struct sl_confusion *c)
{
    if (!c)
        return;
    SL_VEC_DONE(&c->pairs);
    free(c->index);
    free(c);
}

static uint64_t hash_pair(const struct pair *p)
{
    const uint64_t key[] = {(uint64_t)p->proto << 16 | p->port, sl_fnv1a(p->name, strlen(p->name)),
                            sl_fnv1a(p->service, strlen(p->service)),
                            sl_fnv1a(p->cls, strlen(p->cls))};
    return sl_fnv1a(key, sizeof key);
}

static bool same_pair(const struct pair *a, const struct pair *b)
{
    return a->proto == b->proto && a->port == b->port && !strcmp(a->name, b->name) &&
           !strcmp(a->service, b->service) && !strcmp(a->cls, b->cls);
}

static size_t slot_of(const struct sl_confusion *c, const struct pair *p)
{
    size_t i = hash_pair(p) & (c->size - 1);
    while (c->index[i] && !same_pair(&c->pairs.at[c->index[i] - 1], p))
        i = (i + 1) & (c->size - 1);
    return i;
}

static void grow(struct sl_confusion *c)
{
    free(c->index);
    c->size *= 2;
    c->index = sl_alloc(c->size * sizeof *c->index);
    for (size_t k = 0; k < c->pairs.len; k++)
        c->index[slot_of(c, &c->pairs.at[k])] = (uint32_t)k + 1;
}

static struct pair *pair_of(struct sl_confusion *c, struct pair want)
{
    size_t i = slot_of(c, &want);
    if (!c->index[i] && c->pairs.len >= MAX_PAIRS) {
        want = (struct pair){.name = OTHER, .service = OTHER, .cls = "", .verdict = want.verdict};
        i = slot_of(c, &want);
    }
    if (c->index[i])
        return &c->pairs.at[c->index[i] - 1];
    *SL_PUSH(&c->pairs) = want;
    c->index[i] = (uint32_t)c->pairs.len;
    if (c->pairs.len * 2 > c->size)
        grow(c);
    return &c->pairs.at[c->pairs.len - 1];
}

static void put(struct sl_confusion_count *to, const struct sl_confusion_count *from)
{
    to->flows += from->flows;
    to->packets += from->packets;
    to->bytes += from->bytes;
}

void sl_confusion_add(struct sl_confusion *c, uint8_t ip_proto, uint16_t port, const char *name,
                      const struct sl_truth_row *server, const struct sl_confusion_count *count)
{
    enum sl_agreement verdict = SL_WITHOUT_TRUTH;
    if (server) {
        struct pair *p =
            pair_of(c, (struct pair){.proto = ip_proto,
                                     .port = port,
                                     .name = name ? name : "",
                                     .service = *server->app ? server->app : server->service,
                                     .cls = server->cls,
                                     .verdict = SL_AGREEMENTS});
        if (p->verdict == SL_AGREEMENTS)
            p->verdict = sl_confusion_judge(name, server);
        verdict = p->verdict;
        put(&p->count, count);
    }
    put(&c->total[verdict], count);
}

void sl_confusion_total(const struct sl_confusion *c, enum sl_agreement a,
                        struct sl_confusion_count *out)
{
    *out = c->total[a];
}

// ---- telling ------------------------------------------------------------------------------------

static const char *const verdict_names[SL_AGREEMENTS] = {"agree", "disagree", "unnamed",
                                                         "without_truth"};

static int compare_pairs(const void *a, const void *b)
{
    static const int place[SL_AGREEMENTS] = {
        [SL_DISAGREE] = 0, [SL_UNNAMED] = 1, [SL_AGREE] = 2, [SL_WITHOUT_TRUTH] = 3};
    const struct pair *x = *(const struct pair *const *)a, *y = *(const struct pair *const *)b;
    if (x->verdict != y->verdict)
        return place[x->verdict] - place[y->verdict];
    if (x->count.bytes != y->count.bytes)
        return x->count.bytes > y->count.bytes ? -1 : 1;
    if (x->port != y->port || x->proto != y->proto)
        return x->port != y->port ? (int)x->port - (int)y->port : (int)x->proto - (int)y->proto;
    int d = strcmp(x->name, y->name);
    d = d ? d : strcmp(x->service, y->service);
    return d ? d : strcmp(x->cls, y->cls);
}

static const struct pair **sorted(const struct sl_confusion *c)
{
    const struct pair **all = sl_alloc((c->pairs.len + 1) * sizeof *all);
    for (size_t i = 0; i < c->pairs.len; i++)
        all[i] = &c->pairs.at[i];
    qsort(all, c->pairs.len, sizeof *all, compare_pairs);
    return all;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static struct sl_confusion_count whole(const struct sl_confusion *c)
{
    struct sl_confusion_count all = {0};
    for (int a = 0; a < SL_AGREEMENTS; a++)
        put(&all, &c->total[a]);
    return all;
}

static const char *proto_name(uint8_t proto)
{
    return proto == SL_PROTO_TCP      ? "tcp"
           : proto == SL_PROTO_UDP    ? "udp"
           : proto == SL_PROTO_SCTP   ? "sctp"
           : proto == SL_PROTO_ICMP   ? "icmp"
           : proto == SL_PROTO_ICMPV6 ? "icmpv6"
                                      : "ip";
}

static void totals_text(const struct sl_confusion *c, bool colour, struct sl_str *out)
{
    static const char *const titles[SL_AGREEMENTS] = {"agree", "disagree", "no port name",
                                                      "no truth"};
    struct sl_confusion_count all = whole(c);
    struct sl_table t = {.colour = colour};
    static const char *const columns[] = {"port name and truth", "flows", "", "bytes", ""};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        sl_table_column(&t, columns[i], i ? SL_RIGHT : SL_LEFT);
    for (int a = 0; a < SL_AGREEMENTS; a++) {
        char buf[24];
        const struct sl_confusion_count *n = &c->total[a];
        sl_table_cell(&t, titles[a]);
        sl_table_cellf(&t, "%" PRIu64, n->flows);
        sl_table_cellf(&t, "%.1f %%", 100 * share(n->flows, all.flows));
        sl_table_cell(&t, sl_format_bytes((double)n->bytes, buf, sizeof buf));
        sl_table_cellf(&t, "%.1f %%", 100 * share(n->bytes, all.bytes));
    }
    sl_table_write(&t, out);
    sl_table_done(&t);
}

static void pair_text(struct sl_table *t, const struct pair *p)
{
    static const enum sl_paint paints[SL_AGREEMENTS] = {
        [SL_AGREE] = SL_PAINT_GOOD, [SL_DISAGREE] = SL_PAINT_BAD, [SL_UNNAMED] = SL_PAINT_DIM};
    char buf[24];
    sl_table_cellf(t, "%u/%s", p->port, proto_name(p->proto));
    sl_table_cell(t, *p->name ? p->name : "-");
    sl_table_cell(t, p->service);
    sl_table_cell(t, *p->cls ? p->cls : "-");
    sl_table_cellf(t, "%" PRIu64, p->count.flows);
    sl_table_cellf(t, "%" PRIu64, p->count.packets);
    sl_table_cell(t, sl_format_bytes((double)p->count.bytes, buf, sizeof buf));
    sl_table_cell(t, p->verdict == SL_UNNAMED ? "no port name" : verdict_names[p->verdict]);
    sl_table_paint(t, paints[p->verdict]);
}

void sl_confusion_text(const struct sl_confusion *c, size_t most, bool colour, struct sl_str *out)
{
    totals_text(c, colour, out);
    if (!c->pairs.len)
        return;
    const struct pair **all = sorted(c);
    size_t n = most && most < c->pairs.len ? most : c->pairs.len;
    struct sl_table t = {.colour = colour};
    static const struct {
        const char *title;
        enum sl_align align;
    } columns[] = {{"port", SL_RIGHT},  {"port name", SL_LEFT}, {"truth", SL_LEFT},
                   {"class", SL_LEFT},  {"flows", SL_RIGHT},    {"packets", SL_RIGHT},
                   {"bytes", SL_RIGHT}, {"verdict", SL_LEFT}};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        sl_table_column(&t, columns[i].title, columns[i].align);
    for (size_t i = 0; i < n; i++)
        pair_text(&t, all[i]);
    sl_str_add(out, "\n");
    sl_table_write(&t, out);
    sl_table_done(&t);
    if (n < c->pairs.len)
        sl_str_addf(out, "and %zu more\n", c->pairs.len - n);
    free(all);
}

static json_t *text_json(const char *text)
{
    json_t *j = json_string(text);
    if (j)
        return j;
    struct sl_str s = {0}; // a service's name may be no UTF-8
    sl_text_add_clean(&s, text);
    j = json_string(sl_str_text(&s));
    sl_str_done(&s);
    return j;
}

static void count_json(json_t *j, const struct sl_confusion_count *n)
{
    json_object_set_new(j, "flows", json_integer((json_int_t)n->flows));
    json_object_set_new(j, "packets", json_integer((json_int_t)n->packets));
    json_object_set_new(j, "bytes", json_integer((json_int_t)n->bytes));
}

static json_t *pair_json(const struct pair *p)
{
    json_t *j = json_object();
    json_object_set_new(j, "port", json_integer(p->port));
    json_object_set_new(j, "protocol", json_string(proto_name(p->proto)));
    json_object_set_new(j, "label_iana", text_json(p->name));
    json_object_set_new(j, "label_service", text_json(p->service));
    json_object_set_new(j, "label_class", text_json(p->cls));
    json_object_set_new(j, "verdict", json_string(verdict_names[p->verdict]));
    count_json(j, &p->count);
    return j;
}

json_t *sl_confusion_json(const struct sl_confusion *c)
{
    struct sl_confusion_count all = whole(c);
    const struct pair **pairs = sorted(c);
    json_t *totals = json_object(), *list = json_array();
    for (int a = 0; a < SL_AGREEMENTS; a++) {
        json_t *j = json_object();
        count_json(j, &c->total[a]);
        json_object_set_new(j, "share_flows", sl_json_real(share(c->total[a].flows, all.flows)));
        json_object_set_new(j, "share_bytes", sl_json_real(share(c->total[a].bytes, all.bytes)));
        json_object_set_new(totals, verdict_names[a], j);
    }
    for (size_t i = 0; i < c->pairs.len; i++)
        json_array_append_new(list, pair_json(pairs[i]));
    free(pairs);
    return json_pack("{s:s, s:o, s:o}", "schema", "sluice.confusion/1", "totals", totals, "pairs",
                     list);
}
