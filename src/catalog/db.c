// SPDX-License-Identifier: Apache-2.0
/*
 * WAL with synchronous=NORMAL: a killed writer leaves the last commit that reached the log, and
 * readers are never blocked. SQLite's own locks say nothing when they are released, so a second
 * writer asks again every few milliseconds until its patience ends or the user interrupts.
 */
#include "catalog/db.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/paths.h"
#include "base/proc.h"
#include "base/str.h"
#include "catalog/catalog.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { PATIENCE_S = 30 };

bool sl_db_fail(struct sl_catalog *c, int code, const char *doing, struct sl_error *err)
{
    const char *text = c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(code);
    c->failed_code = code & 0xff;
    switch (c->failed_code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        if (sl_interrupted())
            return sl_fail(err, SL_EINTR, "interrupted while waiting for the catalogue '%s'",
                           c->path);
        sl_fail(err, SL_ERUN, "%s: the catalogue '%s' is locked by another program", doing,
                c->path);
        sl_hint(err,
                "wait for the other 'sluice observe' to end, or name another file with --catalog");
        return false;
    case SQLITE_FULL:
        sl_fail(err, SL_ERUN, "%s: no space left for the catalogue '%s'", doing, c->path);
        sl_hint(err, "make room on its disk; nothing of this observation was stored");
        return false;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        sl_fail(err, SL_ERUN, "%s: the catalogue '%s' cannot be written", doing, c->path);
        sl_hint(err, "check its owner and its folder's, or name another file with --catalog");
        return false;
    case SQLITE_NOTADB:
        sl_fail(err, SL_EINPUT, "'%s' is not a catalogue: it is not an SQLite file", c->path);
        sl_hint(err, "name another file with --catalog");
        return false;
    case SQLITE_CORRUPT:
        sl_fail(err, SL_EINPUT, "the catalogue '%s' is damaged: %s", c->path, text);
        sl_hint(err, "move it away and observe again, or try 'sqlite3 %s .recover'", c->path);
        return false;
    case SQLITE_CANTOPEN:
        return sl_fail(err, c->write ? SL_ERUN : SL_EINPUT, "cannot open the catalogue '%s': %s",
                       c->path, text);
    case SQLITE_IOERR: // also a full disk, where the file shared with other programs cannot grow
        sl_fail(err, SL_ERUN, "%s: catalogue '%s': %s", doing, c->path, text);
        sl_hint(err, "its disk is full or failing: make room, or name another file with --catalog");
        return false;
    default:
        return sl_fail(err, SL_ERUN, "%s: catalogue '%s': %s", doing, c->path, text);
    }
}

bool sl_db_exec(struct sl_catalog *c, const char *sql, struct sl_error *err)
{
    c->waiting_since_ns = 0;
    int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK || sl_db_fail(c, rc, "cannot use the catalogue", err);
}

sqlite3_stmt *sl_db_use(struct sl_catalog *c, const char *sql, struct sl_error *err)
{
    for (int i = 0; i < c->n_cached; i++) {
        if (c->cache[i].sql == sql) {
            sqlite3_reset(c->cache[i].stmt);
            return c->cache[i].stmt;
        }
    }
    if (c->n_cached == SL_DB_STATEMENTS) {
        sl_fail(err, SL_ERUN, "the catalogue has more statements than SL_DB_STATEMENTS");
        return NULL;
    }
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL);
    if (rc != SQLITE_OK) {
        sl_db_fail(c, rc, "cannot ask the catalogue", err);
        return NULL;
    }
    c->cache[c->n_cached].sql = sql;
    c->cache[c->n_cached++].stmt = s;
    return s;
}

bool sl_db_step(struct sl_catalog *c, sqlite3_stmt *s, bool *row, struct sl_error *err)
{
    c->waiting_since_ns = 0;
    int rc = sqlite3_step(s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        sl_db_fail(c, rc, c->write ? "cannot store in the catalogue" : "cannot read the catalogue",
                   err);
        sqlite3_reset(s);
        return false;
    }
    *row = rc == SQLITE_ROW;
    if (!*row)
        sqlite3_reset(s);
    return true;
}

bool sl_db_run(struct sl_catalog *c, sqlite3_stmt *s, struct sl_error *err)
{
    bool row;
    bool ok = s && sl_db_step(c, s, &row, err);
    if (s)
        sqlite3_reset(s);
    return ok;
}

bool sl_db_int(struct sl_catalog *c, const char *sql, int64_t *out, struct sl_error *err)
{
    sqlite3_stmt *s = sl_db_use(c, sql, err);
    bool row = false;
    if (!s || !sl_db_step(c, s, &row, err))
        return false;
    *out = row ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    return true;
}

bool sl_db_begin(struct sl_catalog *c, struct sl_error *err)
{
    return sl_db_exec(c, "BEGIN IMMEDIATE", err);
}

bool sl_db_end(struct sl_catalog *c, bool ok, struct sl_error *err)
{
    ok = ok && sl_db_exec(c, "COMMIT", err);
    if (!ok && !sqlite3_get_autocommit(c->db))
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return ok;
}

void sl_db_put_text(struct sl_bind *b, const char *text)
{
    sqlite3_bind_text(b->s, ++b->i, text ? text : "", -1, SQLITE_STATIC);
}

void sl_db_put_int(struct sl_bind *b, int64_t v)
{
    sqlite3_bind_int64(b->s, ++b->i, v);
}

void sl_db_put_u64(struct sl_bind *b, uint64_t v)
{
    sqlite3_bind_int64(b->s, ++b->i, (int64_t)v);
}

void sl_db_put_real(struct sl_bind *b, double v)
{
    sqlite3_bind_double(b->s, ++b->i, v); // SQLite itself turns NAN into NULL
}

const char *sl_get_text(struct sl_row *r)
{
    const char *t = (const char *)sqlite3_column_text(r->s, r->i++);
    return t ? t : "";
}

int64_t sl_get_int(struct sl_row *r)
{
    return sqlite3_column_int64(r->s, r->i++);
}

uint64_t sl_get_u64(struct sl_row *r)
{
    return (uint64_t)sqlite3_column_int64(r->s, r->i++);
}

double sl_get_real(struct sl_row *r)
{
    int i = r->i++;
    return sqlite3_column_type(r->s, i) == SQLITE_NULL ? NAN : sqlite3_column_double(r->s, i);
}

json_t *sl_get_json_text(struct sl_row *r)
{
    json_t *j = json_string(sl_get_text(r));
    return j ? j : json_string("(not UTF-8)");
}

json_t *sl_get_json_int(struct sl_row *r)
{
    return json_integer(sl_get_int(r));
}

json_t *sl_get_json_real(struct sl_row *r)
{
    return sl_json_real(sl_get_real(r));
}

// "@" in a step becomes the name of the database.
static char *for_database(const char *step, const char *db)
{
    struct sl_str out = {0};
    for (const char *at; (at = strchr(step, '@')); step = at + 1) {
        sl_str_addn(&out, step, (size_t)(at - step));
        sl_str_add(&out, db);
    }
    sl_str_add(&out, step);
    return sl_str_take(&out);
}

static bool schema_version(struct sl_catalog *c, const char *db, int64_t *version,
                           struct sl_error *err)
{
    SL_AUTO(sl_free_str)
    char *sql = sl_format("SELECT value FROM %s.meta WHERE key = 'schema_version'", db);
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);
    *version = 0;
    if (rc == SQLITE_ERROR)
        return true; // no such table: an empty file
    if (rc != SQLITE_OK)
        return sl_db_fail(c, rc, "cannot read the catalogue", err);
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *version = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ||
           sl_db_fail(c, rc, "cannot read the catalogue", err);
}

static bool migrate_steps(struct sl_catalog *c, const char *db, const struct sl_migrations *m,
                          struct sl_error *err)
{
    int64_t version;
    if (!schema_version(c, db, &version, err)) // again, now that nobody else can change it
        return false;
    for (; version < m->n; version++) {
        SL_AUTO(sl_free_str) char *step = for_database(m->steps[version], db);
        SL_AUTO(sl_free_str)
        char *stamp = sl_format("INSERT INTO %s.meta VALUES('schema_version', '%" PRId64 "')"
                                " ON CONFLICT(key) DO UPDATE SET value = excluded.value",
                                db, version + 1);
        if (!sl_db_exec(c, step, err) || !sl_db_exec(c, stamp, err))
            return sl_within(err, "bringing the catalogue to schema %" PRId64, version + 1);
    }
    return true;
}

bool sl_db_migrate(struct sl_catalog *c, const char *db, const struct sl_migrations *m,
                   struct sl_error *err)
{
    int64_t version;
    if (!schema_version(c, db, &version, err))
        return false;
    if (version > m->n) {
        sl_fail(err, SL_EINPUT,
                "the catalogue '%s' was written by a newer Sluice (schema %" PRId64
                ", this one knows %d)",
                c->path, version, m->n);
        sl_hint(err, "use that Sluice, or name another file with --catalog");
        return false;
    }
    if (version == m->n)
        return true;
    if (!c->write) {
        sl_fail(err, SL_EINPUT, "the catalogue '%s' has the old schema %" PRId64, c->path, version);
        sl_hint(err, "a command that writes brings it up to date, such as 'sluice observe'");
        return false;
    }
    return sl_db_begin(c, err) && sl_db_end(c, migrate_steps(c, db, m, err), err);
}

static int wait_for_lock(void *ctx, int times)
{
    struct sl_catalog *c = ctx;
    int64_t now = sl_mono_ns();
    if (!c->waiting_since_ns)
        c->waiting_since_ns = now;
    if (now - c->waiting_since_ns >= c->patience_ns)
        return 0;
    int64_t nap = times < 10 ? 2000000 : 20000000;
    return sl_sleep_ns(nap < c->patience_ns ? nap : c->patience_ns);
}

// An empty file, or one of ours. (A file that is not SQLite at all fails in the first read.) One
// transaction: another program may be making the file at this moment.
static bool check_ours(struct sl_catalog *c, struct sl_error *err)
{
    int64_t id = 0, tables = 0;
    if (!sl_db_exec(c, "BEGIN", err) ||
        !sl_db_end(c,
                   sl_db_int(c, "PRAGMA main.application_id", &id, err) &&
                       sl_db_int(c, "SELECT count(*) FROM main.sqlite_schema", &tables, err),
                   err))
        return false;
    if (tables == 0 && !c->write) {
        sl_fail(err, SL_EINPUT, "the catalogue '%s' is empty", c->path);
        sl_hint(err, "observe something first: 'sluice observe PROJECT'");
        return false;
    }
    if (tables && id != 1397506900) {
        sl_fail(err, SL_EINPUT, "'%s' is an SQLite file, but not a catalogue of Sluice", c->path);
        sl_hint(err, "name another file with --catalog");
        return false;
    }
    return true;
}

// The switch to WAL wants the file for itself, and does not ask the busy handler when another
// program makes the same switch.
static bool use_wal(struct sl_catalog *c, const char *sql, struct sl_error *err)
{
    c->waiting_since_ns = 0;
    for (int times = 0;; times++) {
        int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
        if (rc == SQLITE_OK)
            return true;
        if ((rc & 0xff) != SQLITE_BUSY || !wait_for_lock(c, times))
            return sl_db_fail(c, rc, "cannot use the catalogue", err);
    }
}

static bool open_main(struct sl_catalog *c, int flags, const char *name, struct sl_error *err)
{
    int rc =
        sqlite3_open_v2(name, &c->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK)
        return sl_db_fail(c, rc, "cannot open", err);
    sqlite3_busy_handler(c->db, wait_for_lock, c);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (c->write && !sl_db_exec(c, "PRAGMA page_size = 8192", err))
        return false;
    if (!check_ours(c, err))
        return false;
    if (c->write && !use_wal(c, "PRAGMA main.journal_mode = WAL", err))
        return false;
    return sl_db_exec(c,
                      "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;"
                      "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY",
                      err);
}

// A WAL file in a folder we cannot write needs its -shm file made; without a log there is nothing
// in it to see, so the file may be read as it is.
static bool open_unwritable(struct sl_catalog *c, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *wal = sl_format("%s-wal", c->path);
    if (sl_exists(wal))
        return false;
    struct sl_str uri = {0};
    sl_str_add(&uri, "file:");
    for (const char *p = c->path; *p; p++) {
        if (strchr("?#%", *p))
            sl_str_addf(&uri, "%%%02X", (unsigned)(unsigned char)*p);
        else
            sl_str_addn(&uri, p, 1);
    }
    sl_str_add(&uri, "?immutable=1");
    for (int i = 0; i < c->n_cached; i++)
        sqlite3_finalize(c->cache[i].stmt);
    c->n_cached = 0;
    sqlite3_close_v2(c->db);
    c->db = NULL;
    bool ok = open_main(c, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, sl_str_text(&uri), err);
    sl_str_done(&uri);
    return ok;
}

static bool open_file(struct sl_catalog *c, struct sl_error *err)
{
    if (!c->write) {
        if (!sl_exists(c->path)) {
            sl_fail(err, SL_EINPUT, "there is no catalogue at '%s'", c->path);
            sl_hint(
                err,
                "observe something first: 'sluice observe PROJECT', or name a file with --catalog");
            return false;
        }
        if (open_main(c, SQLITE_OPEN_READONLY, c->path, err))
            return true;
        return (c->failed_code == SQLITE_CANTOPEN || c->failed_code == SQLITE_READONLY) &&
               open_unwritable(c, err);
    }
    SL_AUTO(sl_free_str) char *folder = sl_strdup(c->path);
    char *slash = strrchr(folder, '/');
    if (slash && slash != folder) {
        *slash = '\0';
        if (!sl_mkdirs(folder, err))
            return false;
    }
    return open_main(c, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, c->path, err);
}

// catalog.db -> flows.db; NAME.db -> NAME.flows.db: two catalogues in one folder do not share
// flows.
static char *flows_beside(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    int folder = (int)(base - path);
    if (!strcmp(base, "catalog.db"))
        return sl_format("%.*sflows.db", folder, path);
    int stem = (int)strlen(base) - (sl_ends_with(base, ".db") ? 3 : 0);
    return sl_format("%.*s%.*s.flows.db", folder, path, stem, base);
}

struct sl_catalog *sl_catalog_open(const char *path, bool write, struct sl_error *err)
{
    struct sl_catalog *c = sl_alloc(sizeof *c);
    c->write = write;
    c->patience_ns = PATIENCE_S * INT64_C(1000000000);
    if (path) {
        c->path = sl_strdup(path);
    } else {
        SL_AUTO(sl_free_str) char *state = sl_path_state();
        c->path = sl_path_join(state, "catalog.db");
    }
    c->flows_path = flows_beside(c->path);
    if (!open_file(c, err) || !sl_db_migrate(c, "main", &sl_catalog_schema, err)) {
        sl_catalog_close(c);
        return NULL;
    }
    return c;
}

void sl_catalog_close(struct sl_catalog *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->n_cached; i++)
        sqlite3_finalize(c->cache[i].stmt);
    sqlite3_close_v2(c->db);
    free(c->path);
    free(c->flows_path);
    free(c);
}

void sl_catalog_set_patience(struct sl_catalog *c, int64_t wait_ns)
{
    c->patience_ns = wait_ns;
}

bool sl_db_flows(struct sl_catalog *c, bool *there, struct sl_error *err)
{
    *there = c->flows_attached;
    if (c->flows_attached || (!c->write && !sl_exists(c->flows_path)))
        return true;
    sqlite3_stmt *s = sl_db_use(c, "ATTACH ?1 AS flows", err);
    if (!s)
        return false;
    sqlite3_bind_text(s, 1, c->flows_path, -1, SQLITE_STATIC);
    if (!sl_db_run(c, s, err))
        return sl_within(err, "opening '%s'", c->flows_path);
    c->flows_attached = true;
    bool ok = !c->write || use_wal(c,
                                   "PRAGMA flows.page_size = 8192; PRAGMA flows.journal_mode = WAL;"
                                   "PRAGMA flows.synchronous = NORMAL",
                                   err);
    int64_t same = 0;
    ok = ok && sl_db_migrate(c, "flows", &sl_flows_schema, err) &&
         sl_db_int(c,
                   "SELECT count(*) FROM flows.meta f JOIN main.meta m USING (key, value)"
                   " WHERE key = 'catalog_id'",
                   &same, err);
    if (ok && !same) {
        ok = sl_fail(err, SL_EINPUT, "the flows in '%s' belong to another catalogue than '%s'",
                     c->flows_path, c->path);
        sl_hint(err, "move '%s' away; a new one is made", c->flows_path);
    }
    if (!ok) {
        // Not attached again and again: the statements that name it go first.
        for (int i = 0; i < c->n_cached; i++)
            sqlite3_finalize(c->cache[i].stmt);
        c->n_cached = 0;
        sqlite3_exec(c->db, "DETACH flows", NULL, NULL, NULL);
        c->flows_attached = false;
        return sl_within(err, "opening '%s'", c->flows_path);
    }
    *there = true;
    return true;
}
