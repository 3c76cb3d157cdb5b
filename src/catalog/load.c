// SPDX-License-Identifier: Apache-2.0
/*
 * Loading records. All tables are clustered by observation, so loading everything is one pass over
 * each table in the same order, merged in memory: no look-ups per project.
 */
#include "base/mem.h"
#include "catalog/catalog.h"
#include "catalog/db.h"
#include <string.h>

void sl_record_free(struct sl_record *r)
{
    if (!r)
        return;
    sl_arena_done(&r->arena);
    free(r);
}

// Strings of one record repeat (class, role, service names): the last ones are shared.
struct texts {
    struct sl_arena *arena;
    struct {
        const char *text;
        size_t len;
    } recent[16];
    size_t n;
};

static const char *text_of(struct texts *t, struct sl_row *row)
{
    const char *s = sl_get_text(row);
    if (!s[0])
        return "";
    size_t len = (size_t)sqlite3_column_bytes(row->s, row->i - 1);
    size_t have = t->n < 16 ? t->n : 16;
    for (size_t i = 0; i < have; i++)
        if (t->recent[i].len == len && !memcmp(t->recent[i].text, s, len))
            return t->recent[i].text;
    size_t slot = t->n++ % 16;
    t->recent[slot].len = len;
    return t->recent[slot].text = sl_arena_strndup(t->arena, s, len);
}

static enum sl_reason reason_of(struct sl_row *row)
{
    enum sl_reason r = SL_REASON_INTERRUPTED; // what a reason we do not know becomes
    sl_reason_find(sl_get_text(row), &r);
    return r;
}

#define HEAD_COLUMNS                                                                               \
    "o.id, p.id, p.repo, o.commit_sha, p.compose_path, p.name, p.dir, o.digest, o.reason, "        \
    "o.sub_reason,"                                                                                \
    " o.message, o.grade, o.quick, o.started_ns, o.duration_s, o.seed, o.tool_version, "           \
    "o.isolation"

static struct sl_record *read_head(sqlite3_stmt *s, struct texts *t, int64_t *observation)
{
    struct sl_record *r = sl_alloc(sizeof *r);
    *t = (struct texts){.arena = &r->arena};
    struct sl_row row = {s, 0};
    *observation = sl_get_int(&row);
    r->id = sl_get_int(&row);
    r->repo = text_of(t, &row);
    r->commit = text_of(t, &row);
    r->compose_path = text_of(t, &row);
    r->name = text_of(t, &row);
    r->dir = text_of(t, &row);
    r->digest = text_of(t, &row);
    r->reason = reason_of(&row);
    r->sub_reason = text_of(t, &row);
    r->message = text_of(t, &row);
    r->grade = sl_get_text(&row)[0];
    r->quick = sl_get_int(&row);
    r->started_ns = sl_get_int(&row);
    r->duration_s = sl_get_real(&row);
    r->seed = sl_get_u64(&row);
    r->tool_version = text_of(t, &row);
    r->isolation = text_of(t, &row);
    return r;
}

static void read_listen(struct sl_record_service *v, const char *text)
{
    size_t max = sizeof v->listen / sizeof v->listen[0];
    for (char *end; *text && v->n_listen < max; text = end) {
        unsigned long port = strtoul(text, &end, 10);
        if (end == text || port > 65535)
            return;
        v->listen[v->n_listen++] = (uint16_t)port;
    }
}

#define SERVICE_COLUMNS                                                                            \
    "v.observation_id, v.name, i.ref, i.digest, v.class, v.app, v.role, v.cpu_idle, v.cpu_driven," \
    " v.mem_bytes, v.built, v.one_shot, v.listen"

static void read_service(struct sl_row *row, struct texts *t, struct sl_record_service *v)
{
    v->name = text_of(t, row);
    v->image = text_of(t, row);
    v->image_id = text_of(t, row);
    v->cls = text_of(t, row);
    v->app = text_of(t, row);
    v->role = text_of(t, row);
    v->cpu_idle = sl_get_real(row);
    v->cpu_driven = sl_get_real(row);
    v->mem_bytes = sl_get_real(row);
    v->built = sl_get_int(row);
    v->one_shot = sl_get_int(row);
    read_listen(v, sl_get_text(row));
}

#define PHASE_COLUMNS                                                                              \
    "observation_id, name, protocol, target, port, duration_s, users, requests_per_s, errors"

static void read_phase(struct sl_row *row, struct texts *t, struct sl_phase *p)
{
    p->name = text_of(t, row);
    p->protocol = text_of(t, row);
    p->target = text_of(t, row);
    p->port = (uint16_t)sl_get_int(row);
    p->duration_s = sl_get_real(row);
    p->users = (int)sl_get_int(row);
    p->requests_per_s = sl_get_real(row);
    p->errors = sl_get_real(row);
}

#define EDGE_COLUMNS                                                                               \
    "observation_id, phase, src, dst, proto, dport, class, app, confidence, flows, packets_up,"    \
    " packets_down, bytes_up, bytes_down, bps_mean, bps_peak, flows_active"

static void read_edge(struct sl_row *row, struct texts *t, struct sl_edge *e)
{
    e->src = text_of(t, row);
    e->dst = text_of(t, row);
    e->proto = (uint8_t)sl_get_int(row);
    e->dport = (uint16_t)sl_get_int(row);
    e->cls = text_of(t, row);
    e->app = text_of(t, row);
    e->confidence = sl_get_real(row);
    e->flows = sl_get_u64(row);
    e->packets_up = sl_get_u64(row);
    e->packets_down = sl_get_u64(row);
    e->bytes_up = sl_get_u64(row);
    e->bytes_down = sl_get_u64(row);
    e->bps_mean = sl_get_real(row);
    e->bps_peak = sl_get_real(row);
    e->flows_active = sl_get_real(row);
}

/*
 * One table read in the order of observations. `seek` moves to the first row of an observation that
 * is asked for in rising order; `mine` tells whether the current row belongs to it.
 */
struct scan {
    struct sl_catalog *c;
    sqlite3_stmt *s;
    bool row;
    struct sl_error *err;
    bool failed;
};

static void scan_next(struct scan *k)
{
    if (!k->failed && !sl_db_step(k->c, k->s, &k->row, k->err))
        k->failed = true;
    if (k->failed)
        k->row = false;
}

// only = 0: the whole table.
static void scan_start(struct scan *k, struct sl_catalog *c, const char *all, const char *one,
                       int64_t only, struct sl_error *err)
{
    *k = (struct scan){.c = c, .err = err};
    k->s = sl_db_use(c, only ? one : all, err);
    k->failed = !k->s;
    if (k->s && only)
        sqlite3_bind_int64(k->s, 1, only);
    scan_next(k);
}

static bool scan_mine(struct scan *k, int64_t observation)
{
    while (k->row && sqlite3_column_int64(k->s, 0) < observation)
        scan_next(k);
    return k->row && sqlite3_column_int64(k->s, 0) == observation;
}

struct scans {
    struct scan services, phases, edges, names;
    // Rows of one record are gathered here, then copied into its arena in one piece.
    SL_VEC(struct sl_record_service) service;
    SL_VEC(struct sl_phase) phase;
    SL_VEC(struct sl_edge) edge;
    SL_VEC(const char *) name;
    SL_VEC(size_t) edge_phase;
};

static void start_scans(struct scans *k, struct sl_catalog *c, int64_t only, struct sl_error *err)
{
#define BOTH(columns, from, id, order)                                                             \
    "SELECT " columns " FROM " from " ORDER BY " order,                                            \
        "SELECT " columns " FROM " from " WHERE " id " = ?1 ORDER BY " order
    scan_start(&k->services, c,
               BOTH(SERVICE_COLUMNS, "service v CROSS JOIN image i ON i.id = v.image_id",
                    "v.observation_id", "v.observation_id, v.seq"),
               only, err);
    scan_start(&k->phases, c, BOTH(PHASE_COLUMNS, "phase", "observation_id", "observation_id, seq"),
               only, err);
    scan_start(&k->edges, c,
               BOTH(EDGE_COLUMNS, "edge", "observation_id", "observation_id, phase, seq"), only,
               err);
    scan_start(
        &k->names, c,
        BOTH("observation_id, name", "external_name", "observation_id", "observation_id, seq"),
        only, err);
#undef BOTH
}

static bool end_scans(struct scans *k)
{
    bool ok = !k->services.failed && !k->phases.failed && !k->edges.failed && !k->names.failed;
    struct scan *all[] = {&k->services, &k->phases, &k->edges, &k->names};
    for (size_t i = 0; i < 4; i++)
        if (all[i]->s)
            sqlite3_reset(all[i]->s);
    SL_VEC_DONE(&k->service);
    SL_VEC_DONE(&k->phase);
    SL_VEC_DONE(&k->edge);
    SL_VEC_DONE(&k->name);
    SL_VEC_DONE(&k->edge_phase);
    return ok;
}

static void *in_arena(struct sl_arena *arena, const void *at, size_t bytes)
{
    return bytes ? memcpy(sl_arena_alloc(arena, bytes), at, bytes) : NULL;
}

static void read_services(struct scans *k, int64_t observation, struct sl_record *r,
                          struct texts *t)
{
    k->service.len = 0;
    for (; scan_mine(&k->services, observation); scan_next(&k->services)) {
        struct sl_record_service *v = SL_PUSH(&k->service);
        *v = (struct sl_record_service){0};
        read_service(&(struct sl_row){k->services.s, 1}, t, v);
    }
    r->n_services = k->service.len;
    r->services = in_arena(&r->arena, k->service.at, k->service.len * sizeof *r->services);
}

static void read_phases(struct scans *k, int64_t observation, struct sl_record *r, struct texts *t)
{
    k->phase.len = k->edge.len = k->edge_phase.len = 0;
    for (; scan_mine(&k->phases, observation); scan_next(&k->phases)) {
        struct sl_phase *p = SL_PUSH(&k->phase);
        *p = (struct sl_phase){0};
        read_phase(&(struct sl_row){k->phases.s, 1}, t, p);
    }
    for (; scan_mine(&k->edges, observation); scan_next(&k->edges)) {
        struct sl_row row = {k->edges.s, 1};
        size_t phase = (size_t)sl_get_int(&row);
        if (phase >= k->phase.len)
            continue; // of no phase: cannot be ours
        struct sl_edge *e = SL_PUSH(&k->edge);
        *e = (struct sl_edge){0};
        read_edge(&row, t, e);
        k->phase.at[phase].n_edges++;
    }
    r->n_phases = k->phase.len;
    r->phases = in_arena(&r->arena, k->phase.at, k->phase.len * sizeof *r->phases);
    struct sl_edge *edges = in_arena(&r->arena, k->edge.at, k->edge.len * sizeof *edges);
    for (size_t i = 0; i < r->n_phases; i++) {
        r->phases[i].edges = r->phases[i].n_edges ? edges : NULL;
        if (edges)
            edges += r->phases[i].n_edges;
    }
}

static void read_names(struct scans *k, int64_t observation, struct sl_record *r, struct texts *t)
{
    k->name.len = 0;
    for (; scan_mine(&k->names, observation); scan_next(&k->names))
        *SL_PUSH(&k->name) = text_of(t, &(struct sl_row){k->names.s, 1});
    r->n_external_names = k->name.len;
    r->external_names = in_arena(&r->arena, k->name.at, k->name.len * sizeof *k->name.at);
}

static void read_details(struct scans *k, int64_t observation, struct sl_record *r, struct texts *t)
{
    read_services(k, observation, r, t);
    read_phases(k, observation, r, t);
    read_names(k, observation, r, t);
}

static bool read_notes(struct sl_catalog *c, int64_t observation, struct sl_record *r,
                       struct texts *t, struct sl_error *err)
{
    sqlite3_stmt *s = sl_db_use(c,
                                "SELECT kind, step, place, before, after FROM note"
                                " WHERE observation_id = ?1 ORDER BY seq",
                                err);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, observation);
    SL_VEC(struct sl_record_note) notes = {0};
    bool row, ok;
    while ((ok = sl_db_step(c, s, &row, err)) && row) {
        struct sl_row in = {s, 0};
        struct sl_record_note *n = SL_PUSH(&notes);
        n->kind = text_of(t, &in);
        n->step = text_of(t, &in);
        n->place = text_of(t, &in);
        n->before = text_of(t, &in);
        n->after = text_of(t, &in);
    }
    r->n_notes = notes.len;
    r->notes = in_arena(&r->arena, notes.at, notes.len * sizeof *notes.at);
    SL_VEC_DONE(&notes);
    return ok;
}

// s is bound and asks for HEAD_COLUMNS of one observation.
static bool load_one(struct sl_catalog *c, sqlite3_stmt *s, struct sl_record **out,
                     struct sl_error *err)
{
    bool row;
    if (!sl_db_step(c, s, &row, err))
        return false;
    if (!row)
        return true;
    struct texts t;
    int64_t observation;
    struct sl_record *r = read_head(s, &t, &observation);
    sqlite3_reset(s);
    struct scans k = {0};
    start_scans(&k, c, observation, err);
    read_details(&k, observation, r, &t);
    if (!end_scans(&k) || !read_notes(c, observation, r, &t, err)) {
        sl_record_free(r);
        return false;
    }
    *out = r;
    return true;
}

// Reading takes several statements: a transaction lets them see the same moment.
bool sl_catalog_find(struct sl_catalog *c, const char *repo, const char *compose_path,
                     const char *digest, bool *found, struct sl_record **out, struct sl_error *err)
{
    sqlite3_stmt *s = sl_db_use(c,
                                "SELECT " HEAD_COLUMNS " FROM project p JOIN observation o"
                                " ON o.project_id = p.id WHERE p.repo = ?1 AND p.compose_path = ?2"
                                " AND o.digest = ?3 AND o.reason = 'ok' AND o.kept = 1"
                                " ORDER BY o.id DESC LIMIT 1",
                                err);
    if (!s || !sl_db_exec(c, "BEGIN", err))
        return false;
    struct sl_bind b = {s, 0};
    sl_db_put_text(&b, repo);
    sl_db_put_text(&b, compose_path);
    sl_db_put_text(&b, digest);
    struct sl_record *r = NULL;
    bool ok = sl_db_end(c, load_one(c, s, &r, err), err);
    if (!ok) {
        sl_record_free(r);
        return false;
    }
    *found = r != NULL;
    *out = r;
    return true;
}

struct sl_record *sl_catalog_last(struct sl_catalog *c, int64_t project, struct sl_error *err)
{
    sqlite3_stmt *s = sl_db_use(c,
                                "SELECT " HEAD_COLUMNS " FROM project p JOIN observation o"
                                " ON o.id = p.last_observation WHERE p.id = ?1",
                                err);
    if (!s)
        return NULL;
    sqlite3_bind_int64(s, 1, project);
    struct sl_record *r = NULL;
    return load_one(c, s, &r, err) ? r : NULL;
}

struct record_list {
    struct sl_record **at;
    size_t len, cap;
};

static bool load_in_transaction(struct sl_catalog *c, struct record_list *list,
                                struct sl_error *err)
{
    sqlite3_stmt *s = sl_db_use(c,
                                "SELECT " HEAD_COLUMNS " FROM observation o CROSS JOIN project p"
                                " ON p.id = o.project_id AND p.last_observation = o.id"
                                " WHERE o.reason = 'ok' ORDER BY o.id",
                                err);
    if (!s)
        return false;
    struct scans k = {0};
    start_scans(&k, c, 0, err);
    bool row, ok;
    while ((ok = sl_db_step(c, s, &row, err)) && row) {
        struct texts t;
        int64_t observation;
        struct sl_record *r = read_head(s, &t, &observation);
        *SL_PUSH(list) = r;
        read_details(&k, observation, r, &t);
    }
    sqlite3_reset(s);
    return end_scans(&k) && ok;
}

bool sl_catalog_load_all(struct sl_catalog *c, struct sl_record ***out, size_t *n,
                         struct sl_error *err)
{
    struct record_list list = {0};
    if (!sl_db_exec(c, "BEGIN", err))
        return false;
    if (!sl_db_end(c, load_in_transaction(c, &list, err), err)) {
        for (size_t i = 0; i < list.len; i++)
            sl_record_free(list.at[i]);
        free(list.at);
        return false;
    }
    *out = list.at;
    *n = list.len;
    return true;
}
