// SPDX-License-Identifier: Apache-2.0
/*
 * The catalogue ("Big Traffic database"): SQLite, one writer. catalog.db holds projects, services,
 * observations, edges, classes; flows.db beside it holds flows.
 *
 * Flows    in "flows.db" beside "catalog.db", in "NAME.flows.db" beside "NAME.db".
 * Identity a project is (repo, commit, compose_path); a folder (dir) that moved on to another commit stays the
 *          same project. NULL strings are stored as "".
 * Errors   SL_EINPUT for a file that is no catalogue or is newer than this program; SL_ERUN for a full disk or a locked file.
 * Threads  one handle per thread.
 */
#pragma once
#include "base/json.h"
#include "catalog/record.h"
#include "flow/flow.h"

struct sl_catalog;
SL_MUST_USE struct sl_catalog *sl_catalog_open(const char *path, bool write, struct sl_error *err); // created when writing; NULL path = state folder/catalog.db
void sl_catalog_close(struct sl_catalog *c);
// How long to wait while another program writes, before SL_ERUN. 30 s unless told.
void sl_catalog_set_patience(struct sl_catalog *c, int64_t wait_ns);
// Stores a whole observation in one transaction; replaces the project's earlier summary, keeps its observation history.
SL_MUST_USE bool sl_catalog_store(struct sl_catalog *c, struct sl_record *r, struct sl_error *err); // sets r->id
struct sl_catalog_flow {
    struct sl_flow flow;
    const char *phase, *src, *dst, *cls; // names as in the edges
};
SL_MUST_USE bool sl_catalog_store_flows(struct sl_catalog *c, int64_t project_id, const struct sl_catalog_flow *flows, size_t n, struct sl_error *err); // replaces
// Newest usable observation of a project with this digest, notes included, or NULL without error (*found false).
// Details are kept for a project's last observation and its last usable one; older ones are not found.
SL_MUST_USE bool sl_catalog_find(struct sl_catalog *c, const char *repo, const char *compose_path, const char *digest, bool *found, struct sl_record **out, struct sl_error *err);
// Every project whose last observation is usable (reason ok), for the planner: everything but the notes, in
// the order of observations. Records are freed with sl_record_free.
SL_MUST_USE bool sl_catalog_load_all(struct sl_catalog *c, struct sl_record ***out, size_t *n, struct sl_error *err);
void sl_record_free(struct sl_record *r);
SL_MUST_USE json_t *sl_catalog_stats(struct sl_catalog *c, struct sl_error *err);
SL_MUST_USE json_t *sl_catalog_list(struct sl_catalog *c, const char *cls, struct sl_error *err); // array, failures as well
SL_MUST_USE json_t *sl_catalog_show(struct sl_catalog *c, const char *name, struct sl_error *err); // name, repo or id
SL_MUST_USE bool sl_catalog_forget(struct sl_catalog *c, const char *name, struct sl_error *err);
