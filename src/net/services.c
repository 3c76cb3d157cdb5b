// SPDX-License-Identifier: Apache-2.0
/*
 * Two arrays: port and protocol -> id, id -> name. Names are found again while reading through a
 * hash table that is dropped afterwards, so each has one id however many ports it has.
 */
#include "net/services.h"
#include "base/csv.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/units.h"
#include <string.h>
#include <strings.h>

enum {
    MAX_FILE_BYTES = 16 << 20,
    MAX_NAMES = 65535,
    INDEX_SLOTS = 1 << 17, // twice the most names
    CSV_COLUMNS = 64,
    PROTOCOLS = 4,
};
static const struct {
    const char *name;
    uint8_t number;
} protocols[PROTOCOLS] = {{"tcp", 6}, {"udp", 17}, {"sctp", 132}, {"dccp", 33}};

struct builtin {
    char name[20]; // longer ones are refused at build time
    uint16_t low, high;
    uint8_t protocols; // bits
};
#include "services_table.h"

struct sl_services {
    uint16_t by_port[PROTOCOLS][65536];
    SL_VEC(const char *) names; // [0] is ""
    struct sl_arena arena;
    const char *date, *source;
    uint32_t *index; // while reading: hash of a name -> id, 0 = free
};

static struct sl_services *make(void)
{
    struct sl_services *s = sl_alloc(sizeof *s);
    *SL_PUSH(&s->names) = "";
    s->date = s->source = "";
    s->index = sl_alloc(INDEX_SLOTS * sizeof *s->index);
    return s;
}

// 0 when there are too many names.
static uint16_t id_of(struct sl_services *s, const char *name)
{
    size_t i = sl_fnv1a(name, strlen(name)) & (INDEX_SLOTS - 1);
    for (; s->index[i]; i = (i + 1) & (INDEX_SLOTS - 1))
        if (!strcmp(s->names.at[s->index[i]], name))
            return (uint16_t)s->index[i];
    if (s->names.len > MAX_NAMES)
        return 0;
    s->index[i] = (uint32_t)s->names.len;
    *SL_PUSH(&s->names) = sl_arena_strdup(&s->arena, name);
    return (uint16_t)s->index[i];
}

static bool add(struct sl_services *s, const char *name, unsigned low, unsigned high,
                unsigned protocol_bits)
{
    uint16_t id = id_of(s, name);
    for (unsigned p = 0; id && p < PROTOCOLS; p++)
        for (unsigned port = low; protocol_bits >> p & 1 && port <= high; port++)
            if (!s->by_port[p][port])
                s->by_port[p][port] = id;
    return id != 0;
}

static struct sl_services *ready(struct sl_services *s)
{
    free(s->index);
    s->index = NULL;
    return s;
}

struct sl_services *sl_services_builtin(void)
{
    struct sl_services *s = make();
    s->date = builtin_date;
    s->source = builtin_source;
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++)
        add(s, builtin[i].name, builtin[i].low, builtin[i].high, builtin[i].protocols);
    return ready(s);
}

// ---- a file of the user's -----------------------------------------------------------------------

struct reader {
    struct sl_services *s;
    const char *name; // of the file
    int line;
    size_t services;
};

static bool refuse(const struct reader *r, struct sl_error *err)
{
    sl_at(err, r->name, r->line, 0);
    return false;
}

// Names of the registry are letters, digits and hyphens (RFC 6335, section 5.1); older ones hold
// other signs. What cannot stand in a table is refused.
static bool good_name(const struct reader *r, const char *name, struct sl_error *err)
{
    size_t len = strlen(name);
    bool ok = len >= 1 && len <= SL_SERVICE_NAME_MAX;
    for (size_t i = 0; ok && i < len; i++)
        ok = name[i] > ' ' && name[i] <= '~' && !strchr("\",\\", name[i]);
    if (ok)
        return true;
    sl_fail(err, SL_EINPUT, "'%.80s' cannot be the name of a service", name);
    sl_hint(err, "names are 1 to %d printable ASCII characters without blanks, commas and quotes",
            SL_SERVICE_NAME_MAX);
    return refuse(r, err);
}

static bool good_port(const struct reader *r, const char *text, unsigned *low, unsigned *high,
                      struct sl_error *err)
{
    char first[16];
    uint64_t a = 0, b = 0;
    size_t n = strcspn(text, "-");
    bool ok = n < sizeof first;
    if (ok) {
        memcpy(first, text, n);
        first[n] = '\0';
        ok = sl_parse_u64(first, 0, 65535, &a, NULL);
    }
    b = a;
    if (ok && text[n] == '-')
        ok = sl_parse_u64(text + n + 1, a, 65535, &b, NULL);
    if (!ok) {
        sl_fail(err, SL_EINPUT, "'%.40s' is not a port", text);
        sl_hint(err, "a port is 0 to 65535, a range is written 6000-6063");
        return refuse(r, err);
    }
    *low = (unsigned)a;
    *high = (unsigned)b;
    return true;
}

// Bits of the protocols we know; the registries hold others (ddp), which are passed over.
static unsigned protocol_bits(const char *list)
{
    unsigned bits = 0;
    while (*list) {
        size_t n = strcspn(list, "/,");
        for (unsigned p = 0; p < PROTOCOLS; p++)
            if (strlen(protocols[p].name) == n && !strncasecmp(list, protocols[p].name, n))
                bits |= 1u << p;
        list += n + (list[n] != '\0');
    }
    return bits;
}

static bool take(struct reader *r, const char *name, const char *port, const char *list,
                 struct sl_error *err)
{
    unsigned low, high;
    if (!good_name(r, name, err) || !good_port(r, port, &low, &high, err))
        return false;
    unsigned bits = protocol_bits(list);
    if (!high || !bits)
        return true;
    r->services++;
    if (add(r->s, name, low ? low : 1, high, bits))
        return true;
    sl_fail(err, SL_EINPUT, "there are more than %d names of services", MAX_NAMES);
    sl_hint(err, "leave out those that never occur in your traces");
    return refuse(r, err);
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    for (size_t n = strlen(text); n && strchr(" \t\r\n", text[n - 1]);)
        text[--n] = '\0';
    return text;
}

static bool read_csv(struct reader *r, char *text, size_t len, struct sl_error *err)
{
    struct sl_csv csv = {.p = text, .end = text + len, .name = r->name};
    char *f[CSV_COLUMNS];
    size_t n = 0;
    if (!sl_csv_next(&csv, f, CSV_COLUMNS, &n, err))
        return !csv.failed;
    int name = sl_csv_column(f, n, "Service Name"), port = sl_csv_column(f, n, "Port Number"),
        protocol = sl_csv_column(f, n, "Transport Protocol");
    r->line = csv.record_line;
    if (name < 0 || port < 0 || protocol < 0) {
        sl_fail(err, SL_EINPUT, "a column '%s' is missing",
                name < 0   ? "Service Name"
                : port < 0 ? "Port Number"
                           : "Transport Protocol");
        sl_hint(err,
                "IANA's file begins 'Service Name,Port Number,Transport Protocol,Description'");
        return refuse(r, err);
    }
    size_t wanted = (size_t)(name > port ? name : port);
    wanted = (size_t)protocol > wanted ? (size_t)protocol : wanted;
    while (sl_csv_next(&csv, f, CSV_COLUMNS, &n, err)) {
        r->line = csv.record_line;
        if (n <= wanted) {
            sl_fail(err, SL_EINPUT, "the line has %zu fields; the protocol is field %zu", n,
                    (size_t)protocol + 1);
            sl_hint(err, "complete the line, or remove it");
            return refuse(r, err);
        }
        char *who = trim(f[name]), *where = trim(f[port]);
        if (*who && *where && !take(r, who, where, trim(f[protocol]), err)) // reserved, portless
            return false;
    }
    return !csv.failed;
}

// "# date: 2024-08-28" and "# source: ..." of our own table.
static void read_comment(struct reader *r, char *text)
{
    text = trim(text + strspn(text, "#"));
    if (sl_starts_with(text, "date:") && !r->s->date[0])
        r->s->date = sl_arena_strdup(&r->s->arena, trim(text + 5));
    else if (sl_starts_with(text, "source:") && !r->s->source[0])
        r->s->source = sl_arena_strdup(&r->s->arena, trim(text + 7));
}

// "http  80/tcp  www" of services(5), also "http 80/tcp/udp"; "http 80 tcp,udp" of our table.
static bool read_line(struct reader *r, char *line, struct sl_error *err)
{
    char *comment = strchr(line, '#'), *save = NULL;
    if (comment) {
        if (comment == line)
            read_comment(r, comment);
        *comment = '\0';
    }
    char *name = strtok_r(line, " \t\r", &save), *port = strtok_r(NULL, " \t\r", &save);
    char *list = port ? strchr(port, '/') : NULL;
    if (list)
        *list++ = '\0';
    else if (port)
        list = strtok_r(NULL, " \t\r", &save);
    if (!name || (port && !strcmp(name, "name") && !strcmp(port, "port")))
        return true;
    if (list)
        return take(r, name, port, list, err);
    sl_fail(err, SL_EINPUT, "'%.80s' comes without %s", name, port ? "a protocol" : "a port");
    sl_hint(err, "a line reads 'NAME PORT/PROTOCOL' or 'NAME<tab>PORT<tab>PROTOCOL,...'");
    return refuse(r, err);
}

static bool read_lines(struct reader *r, char *text, size_t len, struct sl_error *err)
{
    for (char *p = text, *end = text + len; p < end;) {
        char *next = memchr(p, '\n', (size_t)(end - p));
        next = next ? next : end;
        r->line++;
        if (memchr(p, '\0', (size_t)(next - p))) {
            sl_fail(err, SL_EINPUT, "a NUL byte");
            sl_hint(err, "this is not a text file");
            return refuse(r, err);
        }
        *next = '\0';
        if (!read_line(r, p, err))
            return false;
        p = next + 1;
    }
    return true;
}

// In the other forms a number, the port, stands before any comma: "http 80 tcp,udp".
static bool is_csv(const char *text, size_t len)
{
    text += len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
    text += strspn(text, "\r\n");
    size_t n = strcspn(text, ",\r\n");
    return text[0] != '#' && text[n] == ',' && strcspn(text, "0123456789") > n;
}

struct sl_services *sl_services_parse(const char *name, char *text, size_t len,
                                      struct sl_error *err)
{
    struct reader r = {.s = make(), .name = name};
    bool ok = is_csv(text, len) ? read_csv(&r, text, len, err) : read_lines(&r, text, len, err);
    if (ok && !r.services) {
        ok = sl_fail(err, SL_EINPUT, "'%s' names no service", name);
        sl_hint(err,
                "it wants IANA's service-names-port-numbers.csv, or a file like /etc/services");
        sl_at(err, name, 0, 0);
    }
    if (!ok) {
        sl_services_free(r.s);
        return NULL;
    }
    if (!r.s->source[0])
        r.s->source = sl_arena_strdup(&r.s->arena, name);
    return ready(r.s);
}

struct sl_services *sl_services_load(const char *path, struct sl_error *err)
{
    char *text;
    size_t len;
    if (!sl_read_file(path, MAX_FILE_BYTES, &text, &len, err))
        return NULL;
    struct sl_services *s = sl_services_parse(path, text, len, err);
    free(text);
    return s;
}

void sl_services_free(struct sl_services *s)
{
    if (!s)
        return;
    sl_arena_done(&s->arena);
    SL_VEC_DONE(&s->names);
    free(s->index);
    free(s);
}

// ---- look-ups -----------------------------------------------------------------------------------

const char *sl_services_date(const struct sl_services *s)
{
    return s->date;
}

const char *sl_services_source(const struct sl_services *s)
{
    return s->source;
}

size_t sl_services_count(const struct sl_services *s)
{
    return s->names.len - 1;
}

uint16_t sl_service_id(const struct sl_services *s, uint8_t ip_proto, uint16_t port)
{
    for (unsigned p = 0; p < PROTOCOLS; p++)
        if (protocols[p].number == ip_proto)
            return s->by_port[p][port];
    return SL_SERVICE_NONE;
}

const char *sl_service_name(const struct sl_services *s, uint16_t id)
{
    return s->names.at[id < s->names.len ? id : 0];
}

struct sl_service sl_service_of_flow(const struct sl_services *s, uint8_t ip_proto, uint16_t sport,
                                     uint16_t dport, bool initiator_known)
{
    uint16_t dst = sl_service_id(s, ip_proto, dport), src = sl_service_id(s, ip_proto, sport);
    if (dst && src && !initiator_known)
        return sport < dport ? (struct sl_service){src, sport, SL_SERVICE_BASIS_LOWER}
                             : (struct sl_service){dst, dport, SL_SERVICE_BASIS_LOWER};
    if (dst)
        return (struct sl_service){dst, dport, SL_SERVICE_BASIS_DST};
    if (src)
        return (struct sl_service){src, sport, SL_SERVICE_BASIS_SRC};
    return (struct sl_service){SL_SERVICE_NONE, dport, SL_SERVICE_BASIS_NONE};
}

const char *sl_service_basis_name(enum sl_service_basis b)
{
    static const char *const names[] = {"none", "dst", "src", "lower"};
    return (unsigned)b < sizeof names / sizeof *names ? names[b] : "none";
}
