// SPDX-License-Identifier: Apache-2.0
/*
 * The catalogue's own view of SQLite: the handle, statements prepared once, cursors to bind and to
 * read columns in order, and one place that turns SQLite's codes into errors. Inside src/catalog
 * only.
 *
 * Errors   locked, full, read-only: SL_ERUN with a remedy. Damaged, no database, not a catalogue:
 *          SL_EINPUT.
 * Threads  a handle belongs to one thread.
 */
#pragma once
#include "base/error.h"
#include "base/json.h"
#include "catalog/record.h"
#include <sqlite3.h>
#include <stdint.h>

enum { SL_DB_STATEMENTS = 64 };
struct sl_catalog {
    sqlite3 *db;
    char *path, *flows_path;
    bool write, flows_attached;
    int failed_code; // SQLite's primary code of the last failure
    int64_t patience_ns, waiting_since_ns; // how long to wait for another writer
    struct {
        const char *sql; // a literal: compared by address
        sqlite3_stmt *stmt;
    } cache[SL_DB_STATEMENTS];
    int n_cached;
};

// The last failure of the handle as an error. Always returns false.
bool sl_db_fail(struct sl_catalog *c, int code, const char *doing, struct sl_error *err);
SL_MUST_USE bool sl_db_exec(struct sl_catalog *c, const char *sql, struct sl_error *err);
// The statement of a literal, reset and ready to bind; NULL on failure.
SL_MUST_USE sqlite3_stmt *sl_db_use(struct sl_catalog *c, const char *sql, struct sl_error *err);
// Steps once; *row tells whether there is a row. After the last row the statement is reset.
SL_MUST_USE bool sl_db_step(struct sl_catalog *c, sqlite3_stmt *s, bool *row, struct sl_error *err);
SL_MUST_USE bool sl_db_run(struct sl_catalog *c, sqlite3_stmt *s,
                           struct sl_error *err); // no rows wanted
SL_MUST_USE bool sl_db_int(struct sl_catalog *c, const char *sql, int64_t *out,
                           struct sl_error *err);
SL_MUST_USE bool sl_db_begin(struct sl_catalog *c, struct sl_error *err); // takes the write lock
// Commits when ok, else rolls back; returns whether it is committed.
SL_MUST_USE bool sl_db_end(struct sl_catalog *c, bool ok, struct sl_error *err);
// Attaches the flows file; *there false when it does not exist and the handle only reads.
SL_MUST_USE bool sl_db_flows(struct sl_catalog *c, bool *there, struct sl_error *err);

// The last observation of a project, whatever its reason, with its notes. The caller holds a
// transaction.
SL_MUST_USE struct sl_record *sl_catalog_last(struct sl_catalog *c, int64_t project,
                                              struct sl_error *err);

struct sl_bind { // binds parameters 1, 2, ... in order
    sqlite3_stmt *s;
    int i;
};
void sl_db_put_text(struct sl_bind *b, const char *text); // NULL becomes ""; borrowed until the step
void sl_db_put_int(struct sl_bind *b, int64_t v);
void sl_db_put_u64(struct sl_bind *b, uint64_t v); // two's complement
void sl_db_put_real(struct sl_bind *b, double v);  // NAN becomes NULL

struct sl_row { // reads columns 0, 1, ... in order
    sqlite3_stmt *s;
    int i;
};
const char *sl_get_text(struct sl_row *r); // until the next step; never NULL
int64_t sl_get_int(struct sl_row *r);
uint64_t sl_get_u64(struct sl_row *r);
double sl_get_real(struct sl_row *r); // NULL gives NAN
json_t *sl_get_json_text(struct sl_row *r);
json_t *sl_get_json_int(struct sl_row *r);
json_t *sl_get_json_real(struct sl_row *r);

/*
 * Migrations: step i takes a file from schema i to i + 1. Step 0 makes the schema of an empty file.
 * db is "main" or "flows".
 */
struct sl_migrations {
    const char *const *steps;
    int n;
};
extern const struct sl_migrations sl_catalog_schema, sl_flows_schema;
SL_MUST_USE bool sl_db_migrate(struct sl_catalog *c, const char *db, const struct sl_migrations *m,
                               struct sl_error *err);
