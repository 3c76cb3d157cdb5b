// SPDX-License-Identifier: Apache-2.0
/*
 * Storing an observation: the row, what hangs on it, and the summaries that the planner and the
 * lists read, in one transaction.
 *
 * A project is (repository, commit, Compose file). A folder that moved on to another commit is the
 * same project: its row follows, so that the planner is never offered a commit that is no longer on
 * the disk.
 */
#include "base/mem.h"
#include "base/str.h"
#include "catalog/catalog.h"
#include "catalog/db.h"
#include <math.h>
#include <string.h>

static bool find_project(struct sl_catalog *c, const struct sl_record *r, int64_t *id,
                         struct sl_error *err)
{
    sqlite3_stmt *s = sl_db_use(c,
                                "SELECT id FROM project WHERE repo = ?1 AND compose_path = ?3"
                                " AND (commit_sha = ?2 OR (dir = ?4 AND dir <> ''))"
                                " ORDER BY commit_sha = ?2 DESC, id LIMIT 1",
                                err);
    if (!s)
        return false;
    struct sl_bind b = {s, 0};
    sl_db_put_text(&b, r->repo);
    sl_db_put_text(&b, r->commit);
    sl_db_put_text(&b, r->compose_path);
    sl_db_put_text(&b, r->dir);
    bool row;
    if (!sl_db_step(c, s, &row, err))
        return false;
    *id = row ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    return true;
}

static bool put_project(struct sl_catalog *c, const struct sl_record *r, int64_t *id,
                        struct sl_error *err)
{
    if (!find_project(c, r, id, err))
        return false;
    sqlite3_stmt *s =
        *id ? sl_db_use(
                  c,
                  "UPDATE project SET repo = ?1, commit_sha = ?2, compose_path = ?3, name = ?4,"
                  " dir = ?5, digest = ?6 WHERE id = ?7",
                  err)
            : sl_db_use(c,
                        "INSERT INTO project(repo, commit_sha, compose_path, name, dir, digest)"
                        " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                        err);
    if (!s)
        return false;
    struct sl_bind b = {s, 0};
    sl_db_put_text(&b, r->repo);
    sl_db_put_text(&b, r->commit);
    sl_db_put_text(&b, r->compose_path);
    sl_db_put_text(&b, r->name);
    sl_db_put_text(&b, r->dir);
    sl_db_put_text(&b, r->digest);
    if (*id)
        sl_db_put_int(&b, *id);
    if (!sl_db_run(c, s, err))
        return false;
    if (!*id)
        *id = sqlite3_last_insert_rowid(c->db);
    return true;
}

static bool put_observation(struct sl_catalog *c, const struct sl_record *r, int64_t project,
                            int64_t *id, struct sl_error *err)
{
    sqlite3_stmt *s =
        sl_db_use(c,
                  "INSERT INTO observation(project_id, commit_sha, digest, started_ns,"
                  " duration_s, reason, sub_reason, message, grade, quick, seed,"
                  " tool_version, isolation) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
                  err);
    if (!s)
        return false;
    const char grade[2] = {r->grade ? r->grade : '-', '\0'};
    struct sl_bind b = {s, 0};
    sl_db_put_int(&b, project);
    sl_db_put_text(&b, r->commit);
    sl_db_put_text(&b, r->digest);
    sl_db_put_int(&b, r->started_ns);
    sl_db_put_real(&b, r->duration_s);
    sl_db_put_text(&b, sl_reason_name(r->reason));
    sl_db_put_text(&b, r->sub_reason);
    sl_db_put_text(&b, r->message);
    sl_db_put_text(&b, grade);
    sl_db_put_int(&b, r->quick);
    sl_db_put_u64(&b, r->seed);
    sl_db_put_text(&b, r->tool_version);
    sl_db_put_text(&b, r->isolation);
    if (!sl_db_run(c, s, err))
        return false;
    *id = sqlite3_last_insert_rowid(c->db);
    return true;
}

static bool image_id(struct sl_catalog *c, const struct sl_record_service *v, int64_t *id,
                     struct sl_error *err)
{
    sqlite3_stmt *s =
        sl_db_use(c,
                  "INSERT INTO image(ref, digest) VALUES(?1, ?2)"
                  " ON CONFLICT(ref, digest) DO UPDATE SET ref = excluded.ref RETURNING id",
                  err);
    if (!s)
        return false;
    struct sl_bind b = {s, 0};
    sl_db_put_text(&b, v->image);
    sl_db_put_text(&b, v->image_id);
    bool row = false;
    if (!sl_db_step(c, s, &row, err) || !row)
        return false;
    *id = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return true;
}

static bool put_service(struct sl_catalog *c, int64_t observation, size_t seq,
                        const struct sl_record_service *v, struct sl_error *err)
{
    int64_t image;
    if (!image_id(c, v, &image, err))
        return false;
    sqlite3_stmt *s = sl_db_use(c, "INSERT INTO service VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)", err);
    if (!s)
        return false;
    struct sl_str listen = {0};
    for (size_t i = 0; i < v->n_listen && i < sizeof v->listen / sizeof v->listen[0]; i++)
        sl_str_addf(&listen, "%s%u", i ? " " : "", v->listen[i]);
    struct sl_bind b = {s, 0};
    sl_db_put_int(&b, observation);
    sl_db_put_int(&b, (int64_t)seq);
    sl_db_put_text(&b, v->name);
    sl_db_put_int(&b, image);
    sl_db_put_text(&b, v->cls);
    sl_db_put_text(&b, v->app);
    sl_db_put_text(&b, v->role);
    sl_db_put_real(&b, v->cpu_idle);
    sl_db_put_real(&b, v->cpu_driven);
    sl_db_put_real(&b, v->mem_bytes);
    sl_db_put_int(&b, v->built);
    sl_db_put_int(&b, v->one_shot);
    sl_db_put_text(&b, sl_str_text(&listen));
    bool ok = sl_db_run(c, s, err);
    sl_str_done(&listen);
    return ok;
}

static bool put_edge(struct sl_catalog *c, int64_t observation, size_t phase, size_t seq,
                     const struct sl_edge *e, struct sl_error *err)
{
    sqlite3_stmt *s =
        sl_db_use(c, "INSERT INTO edge VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", err);
    if (!s)
        return false;
    struct sl_bind b = {s, 0};
    sl_db_put_int(&b, observation);
    sl_db_put_int(&b, (int64_t)phase);
    sl_db_put_int(&b, (int64_t)seq);
    sl_db_put_text(&b, e->src);
    sl_db_put_text(&b, e->dst);
    sl_db_put_int(&b, e->proto);
    sl_db_put_int(&b, e->dport);
    sl_db_put_text(&b, e->cls);
    sl_db_put_text(&b, e->app);
    sl_db_put_real(&b, e->confidence);
    sl_db_put_u64(&b, e->flows);
    sl_db_put_u64(&b, e->packets_up);
    sl_db_put_u64(&b, e->packets_down);
    sl_db_put_u64(&b, e->bytes_up);
    sl_db_put_u64(&b, e->bytes_down);
    sl_db_put_real(&b, e->bps_mean);
    sl_db_put_real(&b, e->bps_peak);
    sl_db_put_real(&b, e->flows_active);
    return sl_db_run(c, s, err);
}

static bool put_phase(struct sl_catalog *c, int64_t observation, size_t seq,
                      const struct sl_phase *p, struct sl_error *err)
{
    sqlite3_stmt *s = sl_db_use(c, "INSERT INTO phase VALUES(?,?,?,?,?,?,?,?,?,?)", err);
    if (!s)
        return false;
    struct sl_bind b = {s, 0};
    sl_db_put_int(&b, observation);
    sl_db_put_int(&b, (int64_t)seq);
    sl_db_put_text(&b, p->name);
    sl_db_put_text(&b, p->protocol);
    sl_db_put_text(&b, p->target);
    sl_db_put_int(&b, p->port);
    sl_db_put_real(&b, p->duration_s);
    sl_db_put_int(&b, p->users);
    sl_db_put_real(&b, p->requests_per_s);
    sl_db_put_real(&b, p->errors);
    if (!sl_db_run(c, s, err))
        return false;
    for (size_t i = 0; i < p->n_edges; i++)
        if (!put_edge(c, observation, seq, i, &p->edges[i], err))
            return false;
    return true;
}

static bool put_note(struct sl_catalog *c, int64_t observation, size_t seq,
                     const struct sl_record_note *n, struct sl_error *err)
{
    sqlite3_stmt *s = sl_db_use(c, "INSERT INTO note VALUES(?,?,?,?,?,?,?)", err);
    if (!s)
        return false;
    struct sl_bind b = {s, 0};
    sl_db_put_int(&b, observation);
    sl_db_put_int(&b, (int64_t)seq);
    sl_db_put_text(&b, n->kind);
    sl_db_put_text(&b, n->step);
    sl_db_put_text(&b, n->place);
    sl_db_put_text(&b, n->before);
    sl_db_put_text(&b, n->after);
    return sl_db_run(c, s, err);
}

static bool put_name(struct sl_catalog *c, int64_t observation, size_t seq, const char *name,
                     struct sl_error *err)
{
    sqlite3_stmt *s = sl_db_use(c, "INSERT INTO external_name VALUES(?,?,?)", err);
    if (!s)
        return false;
    struct sl_bind b = {s, 0};
    sl_db_put_int(&b, observation);
    sl_db_put_int(&b, (int64_t)seq);
    sl_db_put_text(&b, name);
    return sl_db_run(c, s, err);
}

static bool put_details(struct sl_catalog *c, const struct sl_record *r, int64_t observation,
                        struct sl_error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < r->n_services; i++)
        ok = put_service(c, observation, i, &r->services[i], err);
    for (size_t i = 0; ok && i < r->n_phases; i++)
        ok = put_phase(c, observation, i, &r->phases[i], err);
    for (size_t i = 0; ok && i < r->n_notes; i++)
        ok = put_note(c, observation, i, &r->notes[i], err);
    for (size_t i = 0; ok && i < r->n_external_names; i++)
        ok = put_name(c, observation, i, r->external_names[i], err);
    return ok;
}

/*
 * What a project does per class and kind of phase ("idle", "driven"). Within a phase the edges of a
 * class run at the same time: rates and active flows add up. Several driven phases run one after
 * another: the best counts. Packets, bytes and flows are counts, and add up over phases.
 */
struct class_sum {
    const char *cls;
    bool idle;
    double bps_mean, bps_peak, flows_active; // of the best phase
    uint64_t flows, packets, bytes;          // of all phases
    double phase_mean, phase_peak, phase_active;
};
struct class_sums {
    struct class_sum *at;
    size_t len, cap;
};

static double known(double v)
{
    return isfinite(v) ? v : 0;
}

static struct class_sum *sum_of(struct class_sums *sums, const char *cls, bool idle)
{
    for (size_t i = 0; i < sums->len; i++)
        if (sums->at[i].idle == idle && !strcmp(sums->at[i].cls, cls))
            return &sums->at[i];
    struct class_sum *s = SL_PUSH(sums);
    s->cls = cls;
    s->idle = idle;
    return s;
}

static void add_phase(struct class_sums *sums, const struct sl_phase *p)
{
    bool idle = p->name && !strcmp(p->name, "idle");
    for (size_t i = 0; i < sums->len; i++)
        sums->at[i].phase_mean = sums->at[i].phase_peak = sums->at[i].phase_active = 0;
    for (size_t i = 0; i < p->n_edges; i++) {
        const struct sl_edge *e = &p->edges[i];
        struct class_sum *s = sum_of(sums, e->cls ? e->cls : "", idle);
        s->phase_mean += known(e->bps_mean);
        s->phase_peak += known(e->bps_peak);
        s->phase_active += known(e->flows_active);
        s->flows += e->flows;
        s->packets += e->packets_up + e->packets_down;
        s->bytes += e->bytes_up + e->bytes_down;
    }
    for (size_t i = 0; i < sums->len; i++) {
        struct class_sum *s = &sums->at[i];
        if (s->phase_peak > s->bps_peak ||
            (s->phase_peak == s->bps_peak && s->phase_mean > s->bps_mean)) {
            s->bps_mean = s->phase_mean;
            s->bps_peak = s->phase_peak;
            s->flows_active = s->phase_active;
        }
    }
}

static bool put_class(struct sl_catalog *c, int64_t project, const struct class_sum *v,
                      struct sl_error *err)
{
    sqlite3_stmt *s =
        sl_db_use(c,
                  "INSERT INTO project_class(class, kind, bps_peak, project_id, bps_mean,"
                  " flows_active, flows, packets, bytes) VALUES(?,?,?,?,?,?,?,?,?)",
                  err);
    if (!s)
        return false;
    struct sl_bind b = {s, 0};
    sl_db_put_text(&b, v->cls);
    sl_db_put_text(&b, v->idle ? "idle" : "driven");
    sl_db_put_real(&b, v->bps_peak);
    sl_db_put_int(&b, project);
    sl_db_put_real(&b, v->bps_mean);
    sl_db_put_real(&b, v->flows_active);
    sl_db_put_u64(&b, v->flows);
    sl_db_put_u64(&b, v->packets);
    sl_db_put_u64(&b, v->bytes);
    return sl_db_run(c, s, err);
}

static bool run_with_id(struct sl_catalog *c, const char *sql, int64_t id, struct sl_error *err)
{
    sqlite3_stmt *s = sl_db_use(c, sql, err);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, id);
    return sl_db_run(c, s, err);
}

static bool put_classes(struct sl_catalog *c, const struct sl_record *r, int64_t project,
                        struct sl_error *err)
{
    if (!run_with_id(c, "DELETE FROM project_class WHERE project_id = ?1", project, err))
        return false;
    struct class_sums sums = {0};
    for (size_t i = 0; i < r->n_phases; i++)
        add_phase(&sums, &r->phases[i]);
    bool ok = true;
    for (size_t i = 0; ok && i < sums.len; i++)
        ok = put_class(c, project, &sums.at[i], err);
    SL_VEC_DONE(&sums);
    return ok;
}

// The project's summary, out of project_class and the services just stored.
static bool put_summary(struct sl_catalog *c, int64_t project, int64_t observation,
                        struct sl_error *err)
{
    sqlite3_stmt *s = sl_db_use(
        c,
        "UPDATE project SET last_observation = ?2,"
        " (bps_idle, flows_idle) = (SELECT sum(bps_mean), sum(flows_active) FROM project_class"
        "   WHERE project_id = ?1 AND kind = 'idle'),"
        " (bps_driven, bps_peak, flows_driven) = (SELECT sum(bps_mean), sum(bps_peak), "
        "sum(flows_active)"
        "   FROM project_class WHERE project_id = ?1 AND kind = 'driven'),"
        " (flows, packets, bytes) = (SELECT coalesce(sum(flows), 0), coalesce(sum(packets), 0),"
        "   coalesce(sum(bytes), 0) FROM project_class WHERE project_id = ?1),"
        " class_main = coalesce((SELECT class FROM project_class WHERE project_id = ?1"
        "   GROUP BY class ORDER BY sum(bytes) DESC, class LIMIT 1), ''),"
        " (n_services, cpu, mem_bytes) = (SELECT count(*), sum(cpu_driven), sum(mem_bytes) FROM "
        "service"
        "   WHERE observation_id = ?2)"
        " WHERE id = ?1",
        err);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, project);
    sqlite3_bind_int64(s, 2, observation);
    return sl_db_run(c, s, err);
}

// Details stay for the newest usable observation and for the newest of all; history keeps its row.
static bool drop_old_details(struct sl_catalog *c, int64_t project, struct sl_error *err)
{
#define OLD                                                                                        \
    "(SELECT id FROM observation WHERE project_id = ?1 AND kept = 1"                               \
    " AND id <> (SELECT max(id) FROM observation WHERE project_id = ?1)"                           \
    " AND id <> coalesce((SELECT max(id) FROM observation WHERE project_id = ?1 AND reason = "     \
    "'ok'), 0))"
    return run_with_id(c, "DELETE FROM service WHERE observation_id IN " OLD, project, err) &&
           run_with_id(c, "DELETE FROM phase WHERE observation_id IN " OLD, project, err) &&
           run_with_id(c, "DELETE FROM edge WHERE observation_id IN " OLD, project, err) &&
           run_with_id(c, "DELETE FROM note WHERE observation_id IN " OLD, project, err) &&
           run_with_id(c, "DELETE FROM external_name WHERE observation_id IN " OLD, project, err) &&
           run_with_id(c, "UPDATE observation SET kept = 0 WHERE id IN " OLD, project, err);
#undef OLD
}

static bool store_all(struct sl_catalog *c, const struct sl_record *r, int64_t *project,
                      struct sl_error *err)
{
    int64_t observation;
    return put_project(c, r, project, err) && put_observation(c, r, *project, &observation, err) &&
           put_details(c, r, observation, err) && put_classes(c, r, *project, err) &&
           put_summary(c, *project, observation, err) && drop_old_details(c, *project, err);
}

bool sl_catalog_store(struct sl_catalog *c, struct sl_record *r, struct sl_error *err)
{
    int64_t project = 0;
    if (!sl_db_begin(c, err) || !sl_db_end(c, store_all(c, r, &project, err), err))
        return sl_within(err, "storing '%s'", r->name ? r->name : "");
    r->id = project;
    return true;
}

// A word's number in flows.db; flows repeat a handful of words, so the last ones are remembered.
struct words {
    struct {
        const char *text;
        int64_t id;
    } at[64];
    size_t n;
};

static bool word_id(struct sl_catalog *c, struct words *w, const char *text, int64_t *id,
                    struct sl_error *err)
{
    text = text ? text : "";
    for (size_t i = 0; i < w->n; i++) {
        if (!strcmp(w->at[i].text, text)) {
            *id = w->at[i].id;
            return true;
        }
    }
    sqlite3_stmt *s =
        sl_db_use(c,
                  "INSERT INTO flows.word(text) VALUES(?1)"
                  " ON CONFLICT(text) DO UPDATE SET text = excluded.text RETURNING id",
                  err);
    if (!s)
        return false;
    struct sl_bind b = {s, 0};
    sl_db_put_text(&b, text);
    bool row = false;
    if (!sl_db_step(c, s, &row, err) || !row)
        return false;
    *id = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    size_t slot = w->n < 64 ? w->n++ : (size_t)*id % 64;
    w->at[slot].text = text;
    w->at[slot].id = *id;
    return true;
}

static bool put_flow(struct sl_catalog *c, struct words *w, int64_t project, size_t seq,
                     const struct sl_catalog_flow *v, struct sl_error *err)
{
    int64_t phase, src, dst, cls;
    if (!word_id(c, w, v->phase, &phase, err) || !word_id(c, w, v->src, &src, err) ||
        !word_id(c, w, v->dst, &dst, err) || !word_id(c, w, v->cls, &cls, err))
        return false;
    sqlite3_stmt *s =
        sl_db_use(c, "INSERT INTO flows.flow VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", err);
    if (!s)
        return false;
    const struct sl_flow *f = &v->flow;
    struct sl_bind b = {s, 0};
    sl_db_put_int(&b, project);
    sl_db_put_int(&b, (int64_t)seq);
    sl_db_put_int(&b, phase);
    sl_db_put_int(&b, f->first_ns / 1000);
    sl_db_put_int(&b, (f->last_ns - f->first_ns) / 1000);
    sl_db_put_int(&b, src);
    sl_db_put_int(&b, dst);
    sl_db_put_int(&b, f->tuple.proto);
    sl_db_put_int(&b, f->tuple.sport);
    sl_db_put_int(&b, f->tuple.dport);
    sl_db_put_int(&b, cls);
    sl_db_put_u64(&b, f->packets[SL_FORWARD]);
    sl_db_put_u64(&b, f->packets[SL_BACKWARD]);
    sl_db_put_u64(&b, f->bytes[SL_FORWARD]);
    sl_db_put_u64(&b, f->bytes[SL_BACKWARD]);
    sl_db_put_int(&b, f->end);
    return sl_db_run(c, s, err);
}

bool sl_catalog_store_flows(struct sl_catalog *c, int64_t project_id,
                            const struct sl_catalog_flow *flows, size_t n, struct sl_error *err)
{
    bool there;
    if (!sl_db_flows(c, &there, err) || !sl_db_begin(c, err))
        return false;
    struct words words = {.n = 0};
    bool ok = run_with_id(c, "DELETE FROM flows.flow WHERE project_id = ?1", project_id, err);
    for (size_t i = 0; ok && i < n; i++)
        ok = put_flow(c, &words, project_id, i, &flows[i], err);
    return sl_db_end(c, ok, err) || sl_within(err, "storing %zu flows", n);
}
