// SPDX-License-Identifier: Apache-2.0
/*
 * What people ask: how much is there, what is there, what about this one, forget that one. Reads
 * the summaries made at ingest; flows are never scanned.
 */
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "catalog/db.h"
#include <inttypes.h>
#include <string.h>

static void put(json_t *o, const char *key, json_t *v)
{
    json_object_set_new(o, key, v);
}

static json_t *words_of(const char *text) // class names hold no spaces
{
    json_t *list = json_array();
    while (*text) {
        size_t n = strcspn(text, " ");
        json_array_append_new(list, json_stringn(text, n));
        text += n + strspn(text + n, " ");
    }
    return list;
}

static json_t *column(struct sl_row *r, char kind)
{
    switch (kind) {
    case 't':
        return sl_get_json_text(r);
    case 'w':
        return words_of(sl_get_text(r));
    case 'i':
        return sl_get_json_int(r);
    case 'b':
        return json_boolean(sl_get_int(r));
    default:
        return sl_get_json_real(r);
    }
}

// Rows of a statement as objects. keys[i] names column i and its kind: "name:t" text, ":w" words,
// ":i" whole number, ":b" truth, ":r" real.
static json_t *rows(struct sl_catalog *c, sqlite3_stmt *s, const char *const *keys,
                    struct sl_error *err)
{
    if (!s)
        return NULL;
    json_t *list = json_array();
    bool row, ok;
    while ((ok = sl_db_step(c, s, &row, err)) && row) {
        struct sl_row r = {s, 0};
        json_t *o = json_object();
        for (size_t i = 0; keys[i]; i++) {
            const char *colon = strrchr(keys[i], ':');
            json_object_setn_new(o, keys[i], (size_t)(colon - keys[i]), column(&r, colon[1]));
        }
        json_array_append_new(list, o);
    }
    if (ok)
        return list;
    json_decref(list);
    return NULL;
}

static bool put_rows(json_t *o, const char *key, struct sl_catalog *c, const char *sql,
                     const char *const *keys, struct sl_error *err)
{
    json_t *list = rows(c, sl_db_use(c, sql, err), keys, err);
    if (list)
        put(o, key, list);
    return list != NULL;
}

static bool put_totals(json_t *o, struct sl_catalog *c, struct sl_error *err)
{
    static const struct {
        const char *key, *sql;
    } totals[] = {
        {"projects", "SELECT count(*) FROM project"},
        {"usable", "SELECT count(*) FROM project p JOIN observation o ON o.id = p.last_observation"
                   " WHERE o.reason = 'ok'"},
        {"services", "SELECT sum(n_services) FROM project"},
        {"observations", "SELECT count(*) FROM observation"},
        {"flows", "SELECT sum(flows) FROM project"},
        {"packets", "SELECT sum(packets) FROM project"},
        {"bytes", "SELECT sum(bytes) FROM project"},
    };
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++) {
        int64_t v;
        if (!sl_db_int(c, totals[i].sql, &v, err))
            return false;
        put(o, totals[i].key, json_integer(v));
    }
    int64_t last;
    if (!sl_db_int(c, "SELECT max(started_ns) FROM observation", &last, err))
        return false;
    char stamp[32];
    sl_wall_stamp(last, stamp);
    put(o, "last_observation", last ? json_string(stamp) : json_null());
    return true;
}

static bool fill_stats(json_t *o, struct sl_catalog *c, struct sl_error *err)
{
    return put_totals(o, c, err) &&
           put_rows(o, "reasons", c,
                    "SELECT reason, sum(last), count(*) FROM (SELECT o.reason, o.id = "
                    "p.last_observation AS last"
                    " FROM observation o JOIN project p ON p.id = o.project_id)"
                    " GROUP BY reason ORDER BY sum(last) DESC, reason",
                    (const char *const[]){"reason:t", "projects:i", "observations:i", NULL}, err) &&
           put_rows(o, "grades", c,
                    "SELECT grade, count(*) FROM project p JOIN observation o ON o.id = "
                    "p.last_observation"
                    " GROUP BY grade ORDER BY grade = '-', grade",
                    (const char *const[]){"grade:t", "projects:i", NULL}, err) &&
           put_rows(o, "classes", c,
                    "SELECT class, count(DISTINCT project_id),"
                    " coalesce(sum(bps_mean) FILTER (WHERE kind = 'idle'), 0.0),"
                    " coalesce(sum(bps_mean) FILTER (WHERE kind = 'driven'), 0.0),"
                    " coalesce(sum(bps_peak) FILTER (WHERE kind = 'driven'), 0.0), sum(flows), "
                    "sum(bytes)"
                    " FROM project_class GROUP BY class ORDER BY 2 DESC, class",
                    (const char *const[]){"class:t", "projects:i", "idle_bps:r", "driven_bps:r",
                                          "driven_peak_bps:r", "flows:i", "bytes:i", NULL},
                    err);
}

// The snapshot of one moment: several statements inside a transaction.
json_t *sl_catalog_stats(struct sl_catalog *c, struct sl_error *err)
{
    if (!sl_db_exec(c, "BEGIN", err))
        return NULL;
    json_t *o = json_object();
    put(o, "catalog", json_string(c->path));
    if (!sl_db_end(c, fill_stats(o, c, err), err)) {
        json_decref(o);
        return NULL;
    }
    return o;
}

json_t *sl_catalog_list(struct sl_catalog *c, const char *cls, struct sl_error *err)
{
    sqlite3_stmt *s = sl_db_use(
        c,
        "SELECT p.id, p.name, p.repo, p.compose_path, p.class_main, coalesce((SELECT "
        "group_concat(class, ' ')"
        " FROM (SELECT class FROM project_class WHERE project_id = p.id GROUP BY class"
        "       ORDER BY sum(bytes) DESC, class)), ''), o.grade, o.quick, p.bps_idle, "
        "p.bps_driven, p.bps_peak,"
        " p.flows_idle, p.flows_driven, p.flows, p.bytes, p.n_services, p.cpu, p.mem_bytes,"
        " o.reason, o.sub_reason, o.message FROM project p JOIN observation o ON o.id = "
        "p.last_observation"
        " WHERE ?1 = '' OR EXISTS (SELECT 1 FROM project_class WHERE project_id = p.id AND class = "
        "?1)"
        " ORDER BY p.name, p.id",
        err);
    if (!s)
        return NULL;
    struct sl_bind b = {s, 0};
    sl_db_put_text(&b, cls);
    return rows(c, s,
                (const char *const[]){"id:i",
                                      "name:t",
                                      "repo:t",
                                      "compose_path:t",
                                      "class_main:t",
                                      "classes:w",
                                      "grade:t",
                                      "quick:b",
                                      "idle_bps:r",
                                      "driven_bps:r",
                                      "driven_peak_bps:r",
                                      "flows_idle:r",
                                      "flows_driven:r",
                                      "flows:i",
                                      "bytes:i",
                                      "services:i",
                                      "cpu:r",
                                      "mem_bytes:r",
                                      "reason:t",
                                      "sub_reason:t",
                                      "message:t",
                                      NULL},
                err);
}

// "no project 'shp' ... did you mean 'shop'?"
static bool say_unknown(struct sl_catalog *c, const char *name, struct sl_error *err)
{
    json_t *list =
        rows(c, sl_db_use(c, "SELECT DISTINCT name FROM project ORDER BY name LIMIT 5000", err),
             (const char *const[]){"name:t", NULL}, err);
    if (!list)
        return false;
    size_t n = json_array_size(list);
    const char **names = sl_alloc(n * sizeof *names);
    for (size_t i = 0; i < n; i++)
        names[i] = sl_json_str(json_array_get(list, i), "name", "");
    const char *near = sl_nearest(name, names, n);
    sl_fail(err, SL_EINPUT, "the catalogue has no project '%s'", name);
    if (near)
        sl_hint(err, "did you mean '%s'?", near);
    else
        sl_hint(err, "'sluice catalog list' shows what is there");
    free(names);
    json_decref(list);
    return false;
}

static bool project_named(struct sl_catalog *c, const char *name, int64_t *id, struct sl_error *err)
{
    sqlite3_stmt *s = sl_db_use(c,
                                "SELECT id, name, repo, compose_path FROM project"
                                " WHERE name = ?1 OR repo = ?1 OR id = ?2"
                                " ORDER BY name = ?1 OR repo = ?1 DESC, id LIMIT 6",
                                err);
    if (!s)
        return false;
    struct sl_bind b = {s, 0};
    sl_db_put_text(&b, name);
    uint64_t number = 0; // no project has it
    if (!sl_parse_u64(name, 1, INT64_MAX, &number, NULL))
        number = 0;
    sl_db_put_u64(&b, number);
    struct sl_str several = {.max = 300};
    size_t n = 0;
    bool row, ok;
    while ((ok = sl_db_step(c, s, &row, err)) && row) {
        struct sl_row r = {s, 0};
        int64_t this = sl_get_int(&r);
        const char *its_name = sl_get_text(&r), *repo = sl_get_text(&r), *path = sl_get_text(&r);
        if (n && strcmp(its_name, name) && strcmp(repo, name))
            break; // only its number fits, and a name was found: names win
        *id = this;
        if (n++ < 5)
            sl_str_addf(&several, "%s%" PRId64 " (%s %s)", n > 1 ? ", " : "", this, repo, path);
    }
    sqlite3_reset(s);
    if (ok && n == 0)
        ok = say_unknown(c, name, err);
    if (ok && n > 1) {
        ok = sl_fail(err, SL_EINPUT, "'%s' names several projects", name);
        sl_hint(err, "name one by its number: %s", sl_str_text(&several));
    }
    sl_str_done(&several);
    return ok;
}

static bool fill_history(json_t *o, struct sl_catalog *c, int64_t project, struct sl_error *err)
{
    sqlite3_stmt *s =
        sl_db_use(c,
                  "SELECT started_ns, reason, sub_reason, grade, duration_s, digest, commit_sha,"
                  " tool_version FROM observation WHERE project_id = ?1 ORDER BY id DESC",
                  err);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, project);
    json_t *list =
        rows(c, s,
             (const char *const[]){"started_ns:i", "reason:t", "sub_reason:t", "grade:t",
                                   "duration_s:r", "digest:t", "commit:t", "tool_version:t", NULL},
             err);
    if (!list)
        return false;
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
    {
        char stamp[32];
        sl_wall_stamp(json_integer_value(json_object_get(v, "started_ns")), stamp);
        json_object_del(v, "started_ns");
        put(v, "started", json_string(stamp));
    }
    put(o, "history", list);
    return true;
}

json_t *sl_catalog_show(struct sl_catalog *c, const char *name, struct sl_error *err)
{
    if (!sl_db_exec(c, "BEGIN", err))
        return NULL;
    int64_t id;
    json_t *o = NULL;
    bool ok = project_named(c, name, &id, err);
    struct sl_record *r = ok ? sl_catalog_last(c, id, err) : NULL;
    ok = r != NULL;
    if (ok) {
        o = sl_record_json(r);
        ok = fill_history(o, c, id, err);
    }
    sl_record_free(r);
    if (!sl_db_end(c, ok, err)) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static bool forget_rows(struct sl_catalog *c, const char *name, bool flows, struct sl_error *err)
{
    int64_t id;
    if (!project_named(c, name, &id, err))
        return false;
    static const char *const steps[] = {
        "DELETE FROM flows.flow WHERE project_id = ?1",
        "DELETE FROM project WHERE id = ?1",
    };
    for (size_t i = flows ? 0 : 1; i < 2; i++) {
        sqlite3_stmt *s = sl_db_use(c, steps[i], err);
        if (!s)
            return false;
        sqlite3_bind_int64(s, 1, id);
        if (!sl_db_run(c, s, err))
            return false;
    }
    return true;
}

bool sl_catalog_forget(struct sl_catalog *c, const char *name, struct sl_error *err)
{
    bool flows;
    if (!sl_db_flows(c, &flows, err) || !sl_db_begin(c, err))
        return false;
    return sl_db_end(c, forget_rows(c, name, flows, err), err);
}
