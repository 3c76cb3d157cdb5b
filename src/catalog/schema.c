// SPDX-License-Identifier: Apache-2.0
/*
 * The schema, as the steps that lead to it. A released step is never edited: a change is a new
 * step.
 *
 * project      what can be run, with the summary of its last observation.
 * observation  every execution, failures too. Services, phases, edges, notes and names hang on it;
 * they are kept for the last observation and the last usable one (kept = 1), history has the row
 * alone. project_class the planner's table: per class and kind of phase, computed when an
 * observation is stored.
 *
 * Text that repeats (reasons, classes, roles) is stored as text: the file explains itself in any
 * SQLite shell. project.dir is the one column that names the machine a project was found on; an
 * export empties it.
 */
#include "catalog/db.h"

// "@" stands for the name the file is attached under.
static const char catalog_1[] =
    "PRAGMA @.application_id = 1397506900;" // "SLCT"
    "CREATE TABLE @.meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;"
    "INSERT INTO @.meta VALUES('catalog_id', lower(hex(randomblob(16))));"
    "CREATE TABLE @.project(id INTEGER PRIMARY KEY AUTOINCREMENT, repo TEXT NOT NULL,"
    " commit_sha TEXT NOT NULL, compose_path TEXT NOT NULL, name TEXT NOT NULL, dir TEXT NOT NULL,"
    " digest TEXT NOT NULL, last_observation INTEGER NOT NULL DEFAULT 0, class_main TEXT NOT NULL "
    "DEFAULT '',"
    " bps_idle REAL, bps_driven REAL, bps_peak REAL, flows_idle REAL, flows_driven REAL,"
    " flows INTEGER NOT NULL DEFAULT 0, packets INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL "
    "DEFAULT 0,"
    " n_services INTEGER NOT NULL DEFAULT 0, cpu REAL, mem_bytes REAL,"
    " UNIQUE(repo, commit_sha, compose_path)) STRICT;"
    "CREATE INDEX @.project_name ON project(name);"
    "CREATE TABLE @.observation(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " project_id INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,"
    " commit_sha TEXT NOT NULL, digest TEXT NOT NULL, started_ns INTEGER NOT NULL, duration_s REAL,"
    " reason TEXT NOT NULL, sub_reason TEXT NOT NULL, message TEXT NOT NULL, grade TEXT NOT NULL,"
    " quick INTEGER NOT NULL, seed INTEGER NOT NULL, tool_version TEXT NOT NULL, isolation TEXT "
    "NOT NULL,"
    " kept INTEGER NOT NULL DEFAULT 1) STRICT;"
    "CREATE INDEX @.observation_project ON observation(project_id, digest);"
    "CREATE TABLE @.project_class(class TEXT NOT NULL, kind TEXT NOT NULL, bps_peak REAL NOT NULL,"
    " project_id INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE, bps_mean REAL NOT NULL,"
    " flows_active REAL NOT NULL, flows INTEGER NOT NULL, packets INTEGER NOT NULL, bytes INTEGER "
    "NOT NULL,"
    " PRIMARY KEY(class, kind, bps_peak, project_id)) WITHOUT ROWID, STRICT;"
    "CREATE INDEX @.project_class_project ON project_class(project_id);"
    "CREATE TABLE @.image(id INTEGER PRIMARY KEY, ref TEXT NOT NULL, digest TEXT NOT NULL,"
    " UNIQUE(ref, digest)) STRICT;"
    "CREATE TABLE @.service(observation_id INTEGER NOT NULL REFERENCES observation(id) ON DELETE "
    "CASCADE,"
    " seq INTEGER NOT NULL, name TEXT NOT NULL, image_id INTEGER NOT NULL REFERENCES image(id),"
    " class TEXT NOT NULL, app TEXT NOT NULL, role TEXT NOT NULL, cpu_idle REAL, cpu_driven REAL, "
    "mem_bytes REAL,"
    " built INTEGER NOT NULL, one_shot INTEGER NOT NULL, listen TEXT NOT NULL," // "80 443"
    " PRIMARY KEY(observation_id, seq)) WITHOUT ROWID, STRICT;"
    "CREATE INDEX @.service_image ON service(image_id);"
    "CREATE TABLE @.phase(observation_id INTEGER NOT NULL REFERENCES observation(id) ON DELETE "
    "CASCADE,"
    " seq INTEGER NOT NULL, name TEXT NOT NULL, protocol TEXT NOT NULL, target TEXT NOT NULL,"
    " port INTEGER NOT NULL, duration_s REAL, users INTEGER NOT NULL, requests_per_s REAL, errors "
    "REAL,"
    " PRIMARY KEY(observation_id, seq)) WITHOUT ROWID, STRICT;"
    "CREATE TABLE @.edge(observation_id INTEGER NOT NULL REFERENCES observation(id) ON DELETE "
    "CASCADE,"
    " phase INTEGER NOT NULL, seq INTEGER NOT NULL, src TEXT NOT NULL, dst TEXT NOT NULL,"
    " proto INTEGER NOT NULL, dport INTEGER NOT NULL, class TEXT NOT NULL, app TEXT NOT NULL, "
    "confidence REAL,"
    " flows INTEGER NOT NULL, packets_up INTEGER NOT NULL, packets_down INTEGER NOT NULL,"
    " bytes_up INTEGER NOT NULL, bytes_down INTEGER NOT NULL, bps_mean REAL, bps_peak REAL, "
    "flows_active REAL,"
    " PRIMARY KEY(observation_id, phase, seq)) WITHOUT ROWID, STRICT;"
    "CREATE TABLE @.note(observation_id INTEGER NOT NULL REFERENCES observation(id) ON DELETE "
    "CASCADE,"
    " seq INTEGER NOT NULL, kind TEXT NOT NULL, step TEXT NOT NULL, place TEXT NOT NULL, before "
    "TEXT NOT NULL,"
    " after TEXT NOT NULL, PRIMARY KEY(observation_id, seq)) WITHOUT ROWID, STRICT;"
    "CREATE TABLE @.external_name(observation_id INTEGER NOT NULL REFERENCES observation(id) ON "
    "DELETE CASCADE,"
    " seq INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY(observation_id, seq)) WITHOUT ROWID, "
    "STRICT;";

// Addresses are not stored: containers get others next time. Names are.
static const char flows_1[] =
    "PRAGMA @.application_id = 1397507660;" // "SLFL"
    "CREATE TABLE @.meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;"
    "INSERT INTO @.meta SELECT key, value FROM main.meta WHERE key = 'catalog_id';"
    "CREATE TABLE @.word(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE @.flow(project_id INTEGER NOT NULL, seq INTEGER NOT NULL, phase INTEGER NOT NULL,"
    " t0_us INTEGER NOT NULL, dur_us INTEGER NOT NULL, src INTEGER NOT NULL, dst INTEGER NOT NULL,"
    " proto INTEGER NOT NULL, sport INTEGER NOT NULL, dport INTEGER NOT NULL, class INTEGER NOT "
    "NULL,"
    " pkts_up INTEGER NOT NULL, pkts_dn INTEGER NOT NULL, bytes_up INTEGER NOT NULL, bytes_dn "
    "INTEGER NOT NULL,"
    " ended INTEGER NOT NULL, PRIMARY KEY(project_id, seq)) WITHOUT ROWID, STRICT;";

static const char *const catalog_steps[] = {catalog_1};
static const char *const flows_steps[] = {flows_1};
const struct sl_migrations sl_catalog_schema = {catalog_steps, 1};
const struct sl_migrations sl_flows_schema = {flows_steps, 1};
