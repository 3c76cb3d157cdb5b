// SPDX-License-Identifier: Apache-2.0
/*
 * Columns are found by name: ours, those of well-known flow tables, or what the caller says. A
 * column has a unit, from its name or from the caller; a bare time stamp ("ts") tells its unit by
 * its size, as 1e9 seconds are the year 2001: below 1e11 it counts seconds, below 1e14
 * milliseconds, below 1e17 microseconds, else nanoseconds.
 */
#include "measure/samples_table.h"
#include "base/auto.h"
#include "base/csv.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/zip.h"
#include "classes/classes.h"
#include "measure/addresses.h"
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { MAX_COLUMNS = 1024, DEFAULT_ROWS = 20000000 };
#define MAX_TABLE_BYTES ((size_t)4 << 30)

enum role {
    R_SRC,
    R_DST,
    R_SPORT,
    R_DPORT,
    R_PROTO,
    R_START,
    R_DURATION,
    R_PACKETS,
    R_BACK_PACKETS,
    R_BYTES,
    R_BACK_BYTES,
    R_MEAN_GAP,
    R_LABEL,
    R_CLASS,
    ROLES
};
static const char *const role_names[ROLES] = {
    "src",     "dst",          "sport", "dport",      "proto",    "start", "duration",
    "packets", "back_packets", "bytes", "back_bytes", "mean_gap", "label", "class"};

enum unit { U_NONE, U_GUESS, U_S, U_MS, U_US, U_NS };
static const double unit_ns[] = {1, 1, 1e9, 1e6, 1e3, 1};

// The first that a table has is taken. Sluice; CICFlowMeter; Zeek; NetFlow exports (UGR'16, CIDDS);
// Argus (UNSW-NB15, CTU-13). CICFlowMeter's have other names in CIC-IDS2017 and CSE-CIC-IDS2018.
static const struct {
    enum role role;
    const char *name;
    enum unit unit;
} known[] = {
    {R_SRC, "src_ip", U_NONE},
    {R_SRC, "Src IP", U_NONE},
    {R_SRC, "id.orig_h", U_NONE},
    {R_SRC, "srcip", U_NONE},
    {R_SRC, "Src IP Addr", U_NONE},
    {R_SRC, "sa", U_NONE},
    {R_SRC, "SrcAddr", U_NONE},
    {R_SRC, "Source IP", U_NONE},
    {R_DST, "dst_ip", U_NONE},
    {R_DST, "Dst IP", U_NONE},
    {R_DST, "id.resp_h", U_NONE},
    {R_DST, "dstip", U_NONE},
    {R_DST, "Dst IP Addr", U_NONE},
    {R_DST, "da", U_NONE},
    {R_DST, "DstAddr", U_NONE},
    {R_DST, "Destination IP", U_NONE},
    {R_SPORT, "src_port", U_NONE},
    {R_SPORT, "Src Port", U_NONE},
    {R_SPORT, "id.orig_p", U_NONE},
    {R_SPORT, "srcport", U_NONE},
    {R_SPORT, "Src Pt", U_NONE},
    {R_SPORT, "sp", U_NONE},
    {R_SPORT, "sport", U_NONE},
    {R_SPORT, "Source Port", U_NONE},
    {R_DPORT, "dst_port", U_NONE},
    {R_DPORT, "Dst Port", U_NONE},
    {R_DPORT, "id.resp_p", U_NONE},
    {R_DPORT, "dstport", U_NONE},
    {R_DPORT, "Dst Pt", U_NONE},
    {R_DPORT, "dp", U_NONE},
    {R_DPORT, "dport", U_NONE},
    {R_DPORT, "dsport", U_NONE},
    {R_DPORT, "Destination Port", U_NONE},
    {R_PROTO, "protocol", U_NONE},
    {R_PROTO, "proto", U_NONE},
    {R_PROTO, "pr", U_NONE},
    {R_START, "start_ns", U_NS},
    {R_START, "ts", U_GUESS},
    {R_START, "stime", U_GUESS},
    {R_START, "StartTime", U_GUESS},
    {R_START, "Timestamp", U_GUESS},
    {R_START, "Date first seen", U_GUESS},
    {R_DURATION, "duration_us", U_US},
    {R_DURATION, "Flow Duration", U_US},
    {R_DURATION, "td", U_S},
    {R_DURATION, "duration", U_S},
    {R_DURATION, "dur", U_S},
    {R_PACKETS, "fwd_packets", U_NONE},
    {R_PACKETS, "Total Fwd Packet", U_NONE},
    {R_PACKETS, "Total Fwd Packets", U_NONE},
    {R_PACKETS, "Tot Fwd Pkts", U_NONE},
    {R_PACKETS, "orig_pkts", U_NONE},
    {R_PACKETS, "spkts", U_NONE},
    {R_PACKETS, "SrcPkts", U_NONE},
    {R_PACKETS, "pkt", U_NONE},
    {R_PACKETS, "packets", U_NONE},
    {R_PACKETS, "ipkt", U_NONE},
    {R_BACK_PACKETS, "bwd_packets", U_NONE},
    {R_BACK_PACKETS, "Total Bwd packets", U_NONE},
    {R_BACK_PACKETS, "Total Backward Packets", U_NONE},
    {R_BACK_PACKETS, "Tot Bwd Pkts", U_NONE},
    {R_BACK_PACKETS, "opkt", U_NONE},
    {R_BACK_PACKETS, "resp_pkts", U_NONE},
    {R_BACK_PACKETS, "dpkts", U_NONE},
    {R_BACK_PACKETS, "DstPkts", U_NONE},
    {R_BYTES, "fwd_bytes", U_NONE},
    {R_BYTES, "Total Length of Fwd Packet", U_NONE},
    {R_BYTES, "Total Length of Fwd Packets", U_NONE},
    {R_BYTES, "TotLen Fwd Pkts", U_NONE},
    {R_BYTES, "orig_bytes", U_NONE},
    {R_BYTES, "sbytes", U_NONE},
    {R_BYTES, "SrcBytes", U_NONE},
    {R_BYTES, "byt", U_NONE},
    {R_BYTES, "bytes", U_NONE},
    {R_BYTES, "ibyt", U_NONE},
    {R_BACK_BYTES, "bwd_bytes", U_NONE},
    {R_BACK_BYTES, "Total Length of Bwd Packet", U_NONE},
    {R_BACK_BYTES, "Total Length of Bwd Packets", U_NONE},
    {R_BACK_BYTES, "TotLen Bwd Pkts", U_NONE},
    {R_BACK_BYTES, "obyt", U_NONE},
    {R_BACK_BYTES, "resp_bytes", U_NONE},
    {R_BACK_BYTES, "dbytes", U_NONE},
    {R_BACK_BYTES, "DstBytes", U_NONE},
    {R_MEAN_GAP, "iat_mean_us", U_US},
    {R_MEAN_GAP, "Flow IAT Mean", U_US},
    {R_LABEL, "label_service", U_NONE},
    {R_LABEL, "attack_cat", U_NONE}, // before UNSW-NB15's label, which is 0 or 1
    {R_LABEL, "Label", U_NONE},
    {R_LABEL, "type", U_NONE},
    {R_LABEL, "label_iana", U_NONE},
    {R_CLASS, "label_class", U_NONE},
    {R_CLASS, "label_port_class", U_NONE},
    {R_CLASS, "class", U_NONE},
};

// Of both directions: where there is no column for the way back, they are what a flow has.
static const struct {
    enum role forward, back;
    const char *name;
} totals[] = {{R_PACKETS, R_BACK_PACKETS, "TotPkts"}, {R_BYTES, R_BACK_BYTES, "TotBytes"}};

struct reader {
    const struct sl_samples_options *opt;
    struct sl_csv csv;
    struct sl_sample_set *set;
    struct sl_addresses *addresses;
    int column[ROLES]; // -1 = not there
    enum unit unit[ROLES];
    char *names[MAX_COLUMNS];
    size_t n_columns;
};

bool sl_samples_is_table(const char *path)
{
    static const char *const ends[] = {".csv", ".tsv", ".log", ".binetflow"}, *const packed[] = {
                                                                                  "", ".gz",
                                                                                  ".zst"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        for (size_t k = 0; k < sizeof packed / sizeof *packed; k++) {
            char end[24];
            snprintf(end, sizeof end, "%s%s", ends[i], packed[k]);
            if (sl_ends_with(path, end))
                return true;
        }
    return false;
}

// ---- columns ------------------------------------------------------------------------------------

// "start=first_seen@ms"
static bool take_given(struct reader *r, const char *given, struct sl_error *err)
{
    static const char *const units[] = {"", "", "s", "ms", "us", "ns"};
    const char *eq = strchr(given, '=');
    size_t len = eq ? (size_t)(eq - given) : 0;
    int role = -1;
    for (int i = 0; i < ROLES && eq; i++)
        if (strlen(role_names[i]) == len && !strncmp(role_names[i], given, len))
            role = i;
    if (role < 0) {
        sl_fail(err, SL_EUSAGE,
                "'%s' is no column: it begins with none of the names that a flow has", given);
        sl_hint(err, "write for example start=first_seen@ms; names are src, dst, sport, dport, "
                     "proto, start, duration, "
                     "packets, back_packets, bytes, back_bytes, mean_gap, label, class");
        return false;
    }
    char name[256];
    const char *at = strrchr(eq + 1, '@');
    snprintf(name, sizeof name, "%.*s", at ? (int)(at - eq - 1) : 255, eq + 1);
    r->unit[role] = role == R_START                            ? U_GUESS
                    : role == R_DURATION || role == R_MEAN_GAP ? U_S
                                                               : U_NONE;
    if (at) {
        r->unit[role] = U_NONE;
        for (int u = U_S; u <= U_NS; u++)
            if (!strcmp(at + 1, units[u]))
                r->unit[role] = (enum unit)u;
        if (r->unit[role] == U_NONE)
            return sl_fail(err, SL_EUSAGE, "'%s' is no unit of time: it is s, ms, us or ns",
                           at + 1);
    }
    r->column[role] = sl_csv_column(r->names, r->n_columns, name);
    if (r->column[role] < 0)
        return sl_fail(err, SL_EUSAGE, "the table '%s' has no column '%s'", r->csv.name, name);
    return true;
}

static bool find_columns(struct reader *r, struct sl_error *err)
{
    for (int i = 0; i < ROLES; i++)
        r->column[i] = -1;
    for (const char *const *g = r->opt->columns; g && *g; g++)
        if (!take_given(r, *g, err))
            return false;
    bool given[ROLES];
    for (int i = 0; i < ROLES; i++)
        given[i] = r->column[i] >= 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (r->column[known[i].role] >= 0)
            continue;
        r->column[known[i].role] = sl_csv_column(r->names, r->n_columns, known[i].name);
        r->unit[known[i].role] = known[i].unit;
    }
    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
        int both = sl_csv_column(r->names, r->n_columns, totals[i].name);
        if (both >= 0 && !given[totals[i].forward] && r->column[totals[i].back] < 0)
            r->column[totals[i].forward] = both;
    }
    if (r->column[R_PACKETS] < 0 && r->column[R_BYTES] < 0 && r->column[R_SRC] < 0) {
        sl_fail(err, SL_EINPUT,
                "this is no flow table that is known here: it has neither addresses nor packets "
                "nor bytes");
        sl_at(err, r->csv.name, 1, 0);
        sl_hint(err,
                "say which columns hold what, for example --column src=client --column packets=n");
        return false;
    }
    return true;
}

static unsigned what_is_known(const struct reader *r)
{
    const struct {
        enum role a, b;
        unsigned bit;
    } rules[] = {
        {R_SRC, R_DST, SL_KNOW_ADDRESSES},
        {R_SPORT, R_DPORT, SL_KNOW_PORTS},
        {R_PROTO, R_PROTO, SL_KNOW_PROTOCOL},
        {R_START, R_DURATION, SL_KNOW_TIMES},
        {R_PACKETS, R_BYTES, SL_KNOW_FLOW_SIZES},
        {R_BACK_PACKETS, R_BACK_BYTES, SL_KNOW_DIRECTIONS},
        {R_MEAN_GAP, R_MEAN_GAP, SL_KNOW_MEAN_GAP},
        {R_LABEL, R_LABEL, SL_KNOW_LABELS},
    };
    unsigned bits = r->column[R_CLASS] >= 0 || r->column[R_DPORT] >= 0 ? SL_KNOW_CLASSES : 0;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (r->column[rules[i].a] >= 0 && r->column[rules[i].b] >= 0)
            bits |= rules[i].bit;
    return bits;
}

// ---- cells --------------------------------------------------------------------------------------

static bool bad_cell(const struct reader *r, enum role role, const char *text, const char *what,
                     struct sl_error *err)
{
    sl_fail(err, SL_EINPUT, "'%.60s' in column '%s' is not %s", text, r->names[r->column[role]],
            what);
    sl_at(err, r->csv.name, r->csv.record_line, r->column[role] + 1);
    sl_hint(err, "mend the row, or name another column with --column %s=NAME", role_names[role]);
    return false;
}

// NULL = no such column, or an empty cell ("" and "-").
static const char *cell(const struct reader *r, char *const *fields, size_t n, enum role role)
{
    int c = r->column[role];
    if (c < 0 || (size_t)c >= n || !fields[c][0] || !strcmp(fields[c], "-"))
        return NULL;
    return fields[c];
}

static bool number(const struct reader *r, char *const *fields, size_t n, enum role role,
                   double otherwise, double *out, struct sl_error *err)
{
    const char *text = cell(r, fields, n, role);
    *out = otherwise;
    if (!text)
        return true;
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (end > text && (role == R_BYTES || role == R_BACK_BYTES)) { // "1.5 M", as nfdump prints
        double scale = !strcmp(end, " M") ? 1e6 : !strcmp(end, " G") ? 1e9 : 0;
        if (scale > 0) {
            v = floor(v * scale + 0.5);
            end += 2;
        }
    }
    if (*end || end == text || !isfinite(v))
        return bad_cell(r, role, text, "a number", err);
    *out = v;
    return true;
}

static bool count(const struct reader *r, char *const *fields, size_t n, enum role role,
                  uint64_t max, uint64_t *out, struct sl_error *err)
{
    double v;
    if (!number(r, fields, n, role, 0, &v, err))
        return false;
    if (v < 0 || v > (double)max || floor(v) < v)
        return bad_cell(r, role, cell(r, fields, n, role), "a whole number in range", err);
    *out = (uint64_t)v;
    return true;
}

static bool address(const struct reader *r, char *const *fields, size_t n, enum role role,
                    uint32_t *id)
{
    const char *text = cell(r, fields, n, role);
    *id = SL_SAMPLE_NONE32;
    if (!text)
        return true;
    struct sl_addr a = {0};
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (!*end && v <= UINT32_MAX && !errno) {
        a = sl_addr_from_v4((uint32_t)v);
    } else if (inet_pton(AF_INET, text, a.b) == 1) {
        a.family = 4;
    } else if (inet_pton(AF_INET6, text, a.b) == 1) {
        a.family = 6;
    } else { // an anonymised name: any two that differ are two
        char hex[65];
        sl_sha256_hex(text, strlen(text), hex);
        memcpy(a.b, hex, 16);
    }
    *id = sl_addresses_id(r->addresses, &a);
    return true;
}

static bool protocol(const struct reader *r, char *const *fields, size_t n, uint8_t *out,
                     struct sl_error *err)
{
    static const struct {
        const char *name;
        uint8_t number;
    } names[] = {{"tcp", 6},        {"udp", 17},    {"icmp", 1},   {"icmp6", 58},
                 {"ipv6-icmp", 58}, {"icmpv6", 58}, {"sctp", 132}, {"gre", 47},
                 {"esp", 50},       {"ah", 51},     {"igmp", 2},   {"ospf", 89},
                 {"ipip", 4},       {"ipv6", 41},   {"pim", 103},  {"arp", 0}};
    const char *text = cell(r, fields, n, R_PROTO);
    *out = 0;
    if (!text)
        return true;
    size_t len = strlen(text);
    while (len && text[len - 1] == ' ') // CIDDS pads
        len--;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i].name) == len && !strncasecmp(text, names[i].name, len)) {
            *out = names[i].number;
            return true;
        }
    }
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9') {
        *out = 255; // some name of a protocol that is not told apart: reserved
        return true;
    }
    if (v > 255 || (*end && *end != '.' && *end != ' '))
        return bad_cell(r, R_PROTO, text, "a protocol number", err);
    *out = (uint8_t)v;
    return true;
}

// Digits, at most so many; false when there is none.
static bool digits(const char **p, int most, int *out)
{
    const char *from = *p;
    for (*out = 0; **p >= '0' && **p <= '9' && *p - from < most; (*p)++)
        *out = *out * 10 + (**p - '0');
    return *p > from;
}

static bool skip(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

// 14/11/2023 or 2023-11-14 or 2023/11/14: the day comes first unless the year does.
static bool read_date(const char **p, struct tm *tm)
{
    int a, b, c;
    if (!digits(p, 4, &a) || (**p != '/' && **p != '-'))
        return false;
    char between = *(*p)++;
    if (!digits(p, 2, &b) || !skip(p, between) || !digits(p, 4, &c))
        return false;
    bool year_first = a > 31;
    int year = year_first ? a : c, day = year_first ? c : a;
    if (year < 1970 || year > 2200 || b < 1 || b > 12 || day < 1 || day > 31)
        return false;
    tm->tm_year = year - 1900, tm->tm_mon = b - 1, tm->tm_mday = day;
    return true;
}

/*
 * A time as text: "14/11/2023 10:13:20 PM" (CICFlowMeter), "3/7/2017 8:55" (CIC-IDS2017),
 * "14/02/2018 08:31:01" (CSE-CIC-IDS2018), "2011/08/10 09:46:53.047277" (CTU-13), "2023-11-14
 * 22:13:20.5" and with T and Z (nfdump, ISO 8601). No zone is known: taken for UTC, which moves all
 * by the same.
 */
static bool read_time(const char *text, int64_t *ns)
{
    struct tm tm = {0};
    const char *p = text;
    if (!read_date(&p, &tm) || (!skip(&p, ' ') && !skip(&p, 'T')) || !digits(&p, 2, &tm.tm_hour) ||
        !skip(&p, ':') || !digits(&p, 2, &tm.tm_min) ||
        (skip(&p, ':') && !digits(&p, 2, &tm.tm_sec)))
        return false;
    int64_t fraction = 0, unit = 100000000;
    if (skip(&p, '.'))
        for (; *p >= '0' && *p <= '9'; p++, unit /= 10)
            fraction += (*p - '0') * unit;
    skip(&p, 'Z');
    if (*p == ' ' && (p[1] == 'A' || p[1] == 'P') && p[2] == 'M') {
        if (tm.tm_hour < 1 || tm.tm_hour > 12)
            return false;
        tm.tm_hour = tm.tm_hour % 12 + (p[1] == 'P' ? 12 : 0);
        p += 3;
    }
    if (*p || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    *ns = (int64_t)timegm(&tm) * 1000000000 + fraction;
    return true;
}

static bool is_text_time(const char *text)
{
    return strpbrk(text, "/:") != NULL;
}

static double guess_unit(double v)
{
    return v < 1e11 ? 1e9 : v < 1e14 ? 1e6 : v < 1e17 ? 1e3 : 1;
}

// ---- rows ---------------------------------------------------------------------------------------

static bool times(struct reader *r, char *const *fields, size_t n, struct sl_sample_flow *k,
                  struct sl_error *err)
{
    const char *text = cell(r, fields, n, R_START);
    k->start_ns = SL_SAMPLE_NO_TIME;
    if (text && is_text_time(text)) {
        if (!read_time(text, &k->start_ns))
            return bad_cell(r, R_START, text, "a time", err);
    } else if (text && r->unit[R_START] == U_NS) { // too long for a double
        char *end;
        errno = 0;
        long long v = strtoll(text, &end, 10);
        if (*end || errno)
            return bad_cell(r, R_START, text, "a whole number of nanoseconds", err);
        k->start_ns = v;
    } else if (text) {
        double v;
        if (!number(r, fields, n, R_START, 0, &v, err))
            return false;
        v *= r->unit[R_START] == U_GUESS ? guess_unit(v) : unit_ns[r->unit[R_START]];
        if (fabs(v) > 9e18)
            return bad_cell(r, R_START, text, "a time that can be", err);
        k->start_ns = (int64_t)v;
    }
    double d, gap;
    if (!number(r, fields, n, R_DURATION, 0, &d, err) ||
        !number(r, fields, n, R_MEAN_GAP, NAN, &gap, err))
        return false;
    d *= unit_ns[r->unit[R_DURATION]];
    if (d < 0 && !strcasecmp(r->names[r->column[R_DURATION]], "Flow Duration"))
        d = 0; // CICFlowMeter's, when the clock went back
    if (d < 0 || d > 9e18)
        return bad_cell(r, R_DURATION, cell(r, fields, n, R_DURATION), "a duration", err);
    k->duration_ns = (int64_t)d;
    k->mean_gap_s = gap * unit_ns[r->unit[R_MEAN_GAP]] / 1e9;
    return true;
}

static void classify(struct reader *r, char *const *fields, size_t n, struct sl_sample_flow *k)
{
    k->label = sl_sample_label(r->set, cell(r, fields, n, R_LABEL));
    const char *cls = cell(r, fields, n, R_CLASS);
    struct sl_class_guess g;
    if (!cls && r->column[R_CLASS] < 0 &&
        (sl_class_by_port(k->proto, k->dport, &g) || sl_class_by_port(k->proto, k->sport, &g)))
        cls = sl_class_name(g.cls);
    k->cls = sl_sample_class(r->set, cls ? cls : sl_class_name(SL_CLASS_UNKNOWN));
}

static bool row(struct reader *r, char *const *fields, size_t n, struct sl_error *err)
{
    struct sl_sample_flow k = {0};
    uint64_t sport, dport;
    if (!address(r, fields, n, R_SRC, &k.src) || !address(r, fields, n, R_DST, &k.dst) ||
        !count(r, fields, n, R_SPORT, 65535, &sport, err) ||
        !count(r, fields, n, R_DPORT, 65535, &dport, err) ||
        !protocol(r, fields, n, &k.proto, err) || !times(r, fields, n, &k, err) ||
        !count(r, fields, n, R_PACKETS, UINT64_C(1) << 53, &k.packets[0], err) ||
        !count(r, fields, n, R_BACK_PACKETS, UINT64_C(1) << 53, &k.packets[1], err) ||
        !count(r, fields, n, R_BYTES, UINT64_C(1) << 53, &k.bytes[0], err) ||
        !count(r, fields, n, R_BACK_BYTES, UINT64_C(1) << 53, &k.bytes[1], err))
        return false;
    k.sport = (uint16_t)sport;
    k.dport = (uint16_t)dport;
    uint64_t packets = k.packets[0] + k.packets[1];
    if (!isfinite(k.mean_gap_s) && packets > 1 && r->column[R_DURATION] >= 0)
        k.mean_gap_s = (double)k.duration_ns / 1e9 / (double)(packets - 1);
    classify(r, fields, n, &k);
    *SL_PUSH(&r->set->flows) = k;
    return true;
}

// CIC-IDS2017 has rows of commas alone, CSE-CIC-IDS2018 its header again and again.
static bool says_nothing(const struct reader *r, char *const *fields, size_t n)
{
    bool blank = true, header = true;
    for (size_t i = 0; i < n && (blank || header); i++) {
        blank = blank && !fields[i][0];
        header = header && !strcmp(fields[i], r->names[i]);
    }
    return blank || header;
}

// Some tables have blanks around names and cells: " Source IP", "  1.5 M".
static void trim(char **fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fields[i] += strspn(fields[i], " ");
        size_t len = strlen(fields[i]);
        while (len && fields[i][len - 1] == ' ')
            fields[i][--len] = '\0';
    }
}

static bool rows(struct reader *r, struct sl_error *err)
{
    char *fields[MAX_COLUMNS];
    size_t n;
    uint64_t max = r->opt->max_rows ? r->opt->max_rows : DEFAULT_ROWS;
    while (sl_csv_next(&r->csv, fields, MAX_COLUMNS, &n, err)) {
        if (r->set->flows.len >= max)
            return sl_fail(err, SL_EINPUT, "'%s' has more than %llu rows", r->csv.name,
                           (unsigned long long)max);
        if (fields[0][0] == '#')
            continue;
        if (n != r->n_columns) {
            sl_fail(err, SL_EINPUT, "this row has %zu fields, the header names %zu", n,
                    r->n_columns);
            sl_at(err, r->csv.name, r->csv.record_line, 0);
            return false;
        }
        trim(fields, n);
        if (says_nothing(r, fields, n))
            continue;
        if (!row(r, fields, n, err))
            return false;
    }
    return !r->csv.failed;
}

// A Zeek log names its columns in a line "#fields\t...": that becomes the header, lines that begin
// with '#' are passed over.
static void zeek_header(struct sl_csv *csv)
{
    static const char mark[] = "\n#fields\t";
    if (csv->end - csv->p < 10 || memcmp(csv->p, "#separator", 10) != 0)
        return;
    char *at = memmem(csv->p, (size_t)(csv->end - csv->p), mark, sizeof mark - 1);
    if (!at)
        return;
    csv->p = at + sizeof mark - 1;
    csv->separator = '\t';
}

bool sl_samples_table(const char *name, char *text, size_t len,
                      const struct sl_samples_options *opt, struct sl_sample_set *out,
                      struct sl_error *err)
{
    struct reader r = {.opt = opt, .csv = {.p = text, .end = text + len, .name = name}};
    zeek_header(&r.csv);
    const char *tab = memchr(text, '\t', len), *comma = memchr(text, ',', len);
    if (tab && (!comma || tab < comma))
        r.csv.separator = '\t';
    if (!sl_csv_next(&r.csv, r.names, MAX_COLUMNS, &r.n_columns, err)) {
        if (!r.csv.failed) {
            sl_fail(err, SL_EINPUT, "the table is empty: it has no header line");
            sl_at(err, name, 1, 0);
        }
        return false;
    }
    trim(r.names, r.n_columns);
    struct sl_sample_set set = {0};
    r.set = &set;
    r.addresses = sl_addresses_new();
    bool ok = find_columns(&r, err) && rows(&r, err);
    sl_addresses_free(r.addresses);
    if (!ok) {
        sl_sample_set_done(&set);
        return false;
    }
    set.kind = sl_strdup("flow table");
    set.known = what_is_known(&r);
    set.input_bytes = len;
    bool layer2 = r.column[R_BYTES] >= 0 && !strcasecmp(r.names[r.column[R_BYTES]], "fwd_bytes");
    if (!layer2 && r.column[R_BYTES] >= 0)
        set.bytes_are = sl_format("bytes of column '%s'", r.names[r.column[R_BYTES]]);
    *out = set;
    return true;
}

static bool unpack(const char *path, enum sl_zip_kind kind, const char *in, size_t in_len,
                   size_t max, char **out, size_t *len, struct sl_error *err)
{
    struct sl_unzip *z = sl_unzip_new(kind);
    size_t cap = in_len * 4 + 4096, at = 0, from = 0;
    char *text = sl_realloc(NULL, cap + 1);
    bool ok = true;
    for (;;) {
        size_t taken, given;
        ok = sl_unzip_step(z, (const uint8_t *)in + from, in_len - from, &taken,
                           (uint8_t *)text + at, cap - at, &given, err);
        from += taken;
        at += given;
        if (!ok || (!taken && !given && at < cap))
            break;
        if (at == cap) {
            if (cap >= max) {
                ok = sl_fail(err, SL_EINPUT, "it unpacks to more than %zu bytes", max);
                break;
            }
            cap = cap * 2 < max ? cap * 2 : max;
            text = sl_realloc(text, cap + 1);
        }
    }
    if (ok && !sl_unzip_complete(z))
        ok = sl_fail(err, SL_EINPUT, "the %s stream is cut short", sl_zip_name(kind));
    sl_unzip_free(z);
    if (!ok) {
        free(text);
        return sl_within(err, "reading '%s'", path);
    }
    text[at] = '\0';
    *out = text;
    *len = at;
    return true;
}

static bool read_text(const char *path, size_t max, char **out, size_t *len, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *text = NULL;
    if (!sl_read_file(path, max, &text, len, err))
        return false;
    enum sl_zip_kind kind = sl_zip_detect((const uint8_t *)text, *len);
    if (kind != SL_ZIP_NONE)
        return unpack(path, kind, text, *len, max, out, len, err);
    *out = text;
    text = NULL;
    return true;
}

bool sl_samples_read_table(const char *path, const struct sl_samples_options *opt,
                           struct sl_sample_set *out, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    return read_text(path, MAX_TABLE_BYTES, &text, &len, err) &&
           sl_samples_table(path, text, len, opt, out, err);
}
