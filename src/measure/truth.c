// SPDX-License-Identifier: Apache-2.0
/*
 * Rows are sorted by (address, port, time); a hash table gives the stretch of an address, in which
 * a binary search finds the last row that began before the time asked for. Most addresses of a
 * foreign trace are in no book, so the miss is the cheap case.
 */
#include "measure/truth.h"
#include "base/auto.h"
#include "base/csv.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/units.h"
#include "classes/classes.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { MAX_FILE_BYTES = 256 << 20, MAX_ROWS = 1 << 20, CSV_COLUMNS = 64 };

enum column {
    ADDRESS,
    PORT,
    FROM,
    TO,
    PROJECT,
    SERVICE,
    IMAGE,
    CLASS,
    ROLE,
    STATEMENT,
    INSTANCE,
    REPLICA,
    HOST,
    COLUMNS
};
static const char *const column_names[COLUMNS] = {
    "address", "port", "from_ns",   "to_ns",    "project", "service", "image",
    "class",   "role", "statement", "instance", "replica", "host"};

struct stretch { // rows of one address
    size_t first, n;
};
struct sl_truth {
    SL_VEC(struct sl_truth_row) rows;
    struct stretch *index; // open addressing; n 0 = free
    size_t index_size;     // power of two
    size_t nodes;
    struct sl_arena arena;
};
struct reader {
    struct sl_truth *t;
    const char *name;
    int column[COLUMNS]; // index of the field; -1 = not there
    int line;
};

// ---- one line -----------------------------------------------------------------------------------

static bool refuse(const struct reader *r, struct sl_error *err, const char *remedy)
{
    sl_hint(err, "%s", remedy);
    sl_at(err, r->name, r->line, 0);
    return false;
}

static const char *field(const struct reader *r, char *const *f, size_t n, enum column c)
{
    return r->column[c] >= 0 && (size_t)r->column[c] < n ? f[r->column[c]] : "";
}

static const char *text(const struct reader *r, char *const *f, size_t n, enum column c)
{
    const char *v = field(r, f, n, c);
    return *v ? sl_arena_strdup(&r->t->arena, v) : "";
}

static bool address(const char *v, struct sl_addr *out)
{
    *out = (struct sl_addr){0};
    out->family = strchr(v, ':') ? 6 : 4;
    return inet_pton(out->family == 6 ? AF_INET6 : AF_INET, v, out->b) == 1;
}

static bool number(const struct reader *r, const char *v, enum column c, uint64_t max,
                   uint64_t otherwise, uint64_t *out, struct sl_error *err)
{
    *out = otherwise;
    if (!*v || sl_parse_u64(v, 0, max, out, NULL))
        return true;
    sl_fail(err, SL_EINPUT, "%s '%.40s' is not a number up to %" PRIu64, column_names[c], v, max);
    return refuse(r, err, "leave it empty when it is not known");
}

static bool times(const struct reader *r, char *const *f, size_t n, struct sl_truth_row *row,
                  struct sl_error *err)
{
    uint64_t from, to;
    const char *a = field(r, f, n, FROM), *b = field(r, f, n, TO);
    if (!number(r, a, FROM, INT64_MAX, 0, &from, err) ||
        !number(r, b, TO, INT64_MAX, INT64_MAX, &to, err))
        return false;
    row->from_ns = *a ? (int64_t)from : INT64_MIN;
    row->to_ns = (int64_t)to;
    if (row->from_ns < row->to_ns)
        return true;
    sl_fail(err, SL_EINPUT, "to_ns %s is not after from_ns %s", b, a);
    return refuse(r, err, "a row holds from from_ns until just before to_ns");
}

static bool role(const struct reader *r, const char *v, struct sl_error *err)
{
    static const char *const known[] = {"", "server", "client", "both", "driver"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(v, known[i]))
            return true;
    sl_fail(err, SL_EINPUT, "role '%.40s' is unknown", v);
    return refuse(r, err, "roles are server, client, both and driver");
}

static bool read_row(struct reader *r, char *const *f, size_t n, struct sl_error *err)
{
    struct sl_truth_row row = {.line = r->line};
    const char *addr = field(r, f, n, ADDRESS);
    uint64_t port, statement, replica;
    if (!address(addr, &row.addr)) {
        sl_fail(err, SL_EINPUT, "'%.60s' is not an address", addr);
        return refuse(r, err, "addresses are written 10.1.2.3 or 2001:db8::1, without a prefix");
    }
    if (!number(r, field(r, f, n, PORT), PORT, 65535, 0, &port, err) ||
        !times(r, f, n, &row, err) || !role(r, field(r, f, n, ROLE), err) ||
        !number(r, field(r, f, n, STATEMENT), STATEMENT, INT32_MAX, 0, &statement, err) ||
        !number(r, field(r, f, n, REPLICA), REPLICA, INT32_MAX, 0, &replica, err))
        return false;
    if (r->t->rows.len == MAX_ROWS) {
        sl_fail(err, SL_EINPUT, "there are more than %d rows", MAX_ROWS);
        return refuse(r, err, "cut the trace and its labels into parts");
    }
    row.port = (uint16_t)port;
    row.statement = (int)statement;
    row.replica = (int)replica;
    row.project = text(r, f, n, PROJECT);
    row.service = text(r, f, n, SERVICE);
    row.image = text(r, f, n, IMAGE);
    row.cls = text(r, f, n, CLASS);
    row.role = text(r, f, n, ROLE);
    row.instance = text(r, f, n, INSTANCE);
    row.host = text(r, f, n, HOST);
    struct sl_class_guess guess = {0};
    row.app = sl_class_by_image(row.image, &guess) && guess.app ? guess.app : "";
    if (!*row.cls && guess.cls > SL_CLASS_UNKNOWN)
        row.cls = sl_class_name(guess.cls);
    int cls = *row.cls ? sl_class_find(row.cls) : SL_CLASS_UNKNOWN;
    row.cls_id = cls > 0 ? cls : SL_CLASS_UNKNOWN;
    *SL_PUSH(&r->t->rows) = row;
    return true;
}

static bool read_header(struct reader *r, char *const *f, size_t n, struct sl_error *err)
{
    for (int c = 0; c < COLUMNS; c++)
        r->column[c] = sl_csv_column(f, n, column_names[c]);
    if (r->column[ADDRESS] >= 0)
        return true;
    sl_fail(err, SL_EINPUT, "the header has no column 'address'");
    return refuse(r, err,
                  "the first line reads address,port,from_ns,to_ns,project,service,image,class,"
                  "role,statement,instance,replica");
}

static bool read_rows(struct reader *r, char *data, size_t len, struct sl_error *err)
{
    struct sl_csv csv = {.p = data, .end = data + len, .name = r->name};
    char *f[CSV_COLUMNS];
    size_t n = 0;
    for (bool header = true; sl_csv_next(&csv, f, CSV_COLUMNS, &n, err); header = false) {
        r->line = csv.record_line;
        if (header ? !read_header(r, f, n, err) : !read_row(r, f, n, err))
            return false;
    }
    if (!csv.failed && !r->line) {
        sl_fail(err, SL_EINPUT, "'%s' is empty", r->name);
        return refuse(r, err, "a label book has at least its header line");
    }
    return !csv.failed;
}

// ---- the book -----------------------------------------------------------------------------------

static int compare_addr(const struct sl_addr *a, const struct sl_addr *b)
{
    return a->family != b->family ? (int)a->family - (int)b->family
                                  : memcmp(a->b, b->b, sizeof a->b);
}

static int compare_rows(const void *a, const void *b)
{
    const struct sl_truth_row *x = a, *y = b;
    int d = compare_addr(&x->addr, &y->addr);
    if (d || x->port != y->port)
        return d ? d : (int)x->port - (int)y->port;
    if (x->from_ns != y->from_ns)
        return x->from_ns < y->from_ns ? -1 : 1;
    return x->line - y->line;
}

static bool disjoint(const struct reader *r, struct sl_error *err)
{
    for (size_t i = 1; i < r->t->rows.len; i++) {
        const struct sl_truth_row *a = &r->t->rows.at[i - 1], *b = a + 1;
        if (compare_addr(&a->addr, &b->addr) || a->port != b->port || a->to_ns <= b->from_ns)
            continue;
        char buf[46];
        int first = a->line < b->line ? a->line : b->line;
        int second = a->line < b->line ? b->line : a->line;
        sl_fail(err, SL_EINPUT, "lines %d and %d both say who %s is at the same time", first,
                second, sl_addr_text(&a->addr, buf));
        sl_hint(err,
                "end one with to_ns where the other begins, or tell them apart by their ports");
        sl_at(err, r->name, second, 0);
        return false;
    }
    return true;
}

static size_t slot_of(const struct sl_truth *t, const struct sl_addr *addr)
{
    size_t i = sl_fnv1a(addr->b, addr->family == 6 ? 16 : 4) & (t->index_size - 1);
    while (t->index[i].n && compare_addr(&t->rows.at[t->index[i].first].addr, addr))
        i = (i + 1) & (t->index_size - 1);
    return i;
}

static void make_index(struct sl_truth *t)
{
    for (t->index_size = 16; t->index_size < 2 * t->rows.len;)
        t->index_size *= 2;
    t->index = sl_alloc(t->index_size * sizeof *t->index);
    for (size_t i = 0; i < t->rows.len; i++) {
        struct stretch *s = &t->index[slot_of(t, &t->rows.at[i].addr)];
        if (!s->n)
            s->first = i;
        s->n++;
    }
}

static int compare_who(const void *a, const void *b)
{
    const struct sl_truth_row *x = *(struct sl_truth_row *const *)a,
                              *y = *(struct sl_truth_row *const *)b;
    int d = strcmp(x->project, y->project);
    d = d ? d : strcmp(x->instance, y->instance);
    d = d ? d : strcmp(x->service, y->service);
    return d ? d : (x->replica > y->replica) - (x->replica < y->replica);
}

// One number for all addresses and intervals of a service's replica.
static void number_nodes(struct sl_truth *t)
{
    struct sl_truth_row **by_who = sl_alloc((t->rows.len + 1) * sizeof *by_who);
    for (size_t i = 0; i < t->rows.len; i++)
        by_who[i] = &t->rows.at[i];
    qsort(by_who, t->rows.len, sizeof *by_who, compare_who);
    for (size_t i = 0; i < t->rows.len; i++) {
        t->nodes += !i || compare_who(&by_who[i - 1], &by_who[i]);
        by_who[i]->node = (uint32_t)(t->nodes - 1);
    }
    free(by_who);
}

struct sl_truth *sl_truth_parse(const char *name, char *data, size_t len, struct sl_error *err)
{
    struct reader r = {.t = sl_alloc(sizeof *r.t), .name = name};
    bool ok = read_rows(&r, data, len, err);
    if (ok && r.t->rows.len)
        qsort(r.t->rows.at, r.t->rows.len, sizeof *r.t->rows.at, compare_rows);
    if (!ok || !disjoint(&r, err)) {
        sl_truth_free(r.t);
        return NULL;
    }
    make_index(r.t);
    number_nodes(r.t);
    return r.t;
}

struct sl_truth *sl_truth_load(const char *folder_or_file, struct sl_error *err)
{
    SL_AUTO(sl_free_str)
    char *path = sl_is_dir(folder_or_file) ? sl_path_join(folder_or_file, "labels.csv")
                                           : sl_strdup(folder_or_file);
    SL_AUTO(sl_free_str) char *data = NULL;
    size_t len;
    if (!sl_read_file(path, MAX_FILE_BYTES, &data, &len, err)) {
        if (err && !err->hint[0])
            sl_hint(err, "name the folder of a run, or its labels.csv");
        return NULL;
    }
    return sl_truth_parse(path, data, len, err);
}

void sl_truth_free(struct sl_truth *t)
{
    if (!t)
        return;
    SL_VEC_DONE(&t->rows);
    free(t->index);
    sl_arena_done(&t->arena);
    free(t);
}

size_t sl_truth_count(const struct sl_truth *t)
{
    return t->rows.len;
}

size_t sl_truth_nodes(const struct sl_truth *t)
{
    return t->nodes;
}

const struct sl_truth_row *sl_truth_at(const struct sl_truth *t, size_t i)
{
    return i < t->rows.len ? &t->rows.at[i] : NULL;
}

// ---- look-ups -----------------------------------------------------------------------------------

static const struct sl_truth_row *search(const struct sl_truth *t, const struct stretch *s,
                                         uint16_t port, int64_t t_ns)
{
    size_t low = s->first, high = s->first + s->n; // rows before low begin at or before (port, t)
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct sl_truth_row *row = &t->rows.at[mid];
        if (row->port < port || (row->port == port && row->from_ns <= t_ns))
            low = mid + 1;
        else
            high = mid;
    }
    if (low == s->first)
        return NULL;
    const struct sl_truth_row *row = &t->rows.at[low - 1];
    return row->port == port && t_ns < row->to_ns ? row : NULL;
}

const struct sl_truth_row *sl_truth_find(const struct sl_truth *t, const struct sl_addr *addr,
                                         uint16_t port, int64_t t_ns)
{
    const struct stretch *s = &t->index[slot_of(t, addr)];
    if (!s->n)
        return NULL;
    const struct sl_truth_row *row = port ? search(t, s, port, t_ns) : NULL;
    return row ? row : search(t, s, 0, t_ns);
}

static bool only_asks(const struct sl_truth_row *row)
{
    return row && (!strcmp(row->role, "client") || !strcmp(row->role, "driver"));
}

void sl_truth_of_flow(const struct sl_truth *t, const struct sl_tuple *tuple, int64_t t_ns,
                      bool initiator_known, struct sl_truth_flow *out)
{
    bool ports =
        tuple->proto != SL_PROTO_ICMP && tuple->proto != SL_PROTO_ICMPV6; // an echo's number
    const struct sl_truth_row *dst = sl_truth_find(t, &tuple->dst, ports ? tuple->dport : 0, t_ns),
                              *src = sl_truth_find(t, &tuple->src, ports ? tuple->sport : 0, t_ns);
    bool swap = !initiator_known && src && only_asks(dst) && !only_asks(src);
    *out = (struct sl_truth_flow){
        .server = swap ? src : dst, .client = swap ? dst : src, .swapped = swap};
    if (out->server)
        out->statement = out->server->statement;
    if (!out->statement && out->client)
        out->statement = out->client->statement;
}
