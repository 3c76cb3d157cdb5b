// SPDX-License-Identifier: Apache-2.0
/*
 * Users of a database, whichever it is: connect, prepare our table (the first one), then operations
 * of one to four statements. A back end is a client library in its non-blocking form.
 *
 * Bounds   16 MiB of reply for one operation; more ends the connection. Rows are thrown away as
 *          they come.
 */
#pragma once
#include "drive/load.h"
#include "drive/sqlmix.h"

enum sl_sql_step {
    SL_SQL_WAIT, // an event will tell (watched)
    SL_SQL_DONE, // connected, or the statement succeeded
    SL_SQL_FAIL, // the statement failed; the connection is fine
    SL_SQL_LOST, // no connection, or not in a state to be used
};
struct sl_sql_user {
    struct sl_user base;
    void *conn, *result; // the library's
    int phase;           // the back end's own
    int fd;              // -1 = none
    struct sl_sql_op op;
    int at;      // statement under way
    int setup;   // statement of the set-up; -1 = no set-up (any more)
    char *text;  // of the set-up
    bool failed; // a statement of this operation did
    bool reading_tables;
    uint64_t bytes_in, bytes_out, op_bytes_in; // of this connection: counted; when the op began
    char why[200];
};
struct sl_sql_backend {
    enum sl_sql_step (*connect)(struct sl_load *l, struct sl_sql_user *u);
    enum sl_sql_step (*query)(struct sl_load *l, struct sl_sql_user *u, const char *text);
    enum sl_sql_step (*step)(struct sl_load *l, struct sl_sql_user *u, uint32_t epoll_events);
    bool (*idle)(struct sl_load *l, struct sl_sql_user *u); // readable without a query: still fine?
    void (*close)(struct sl_sql_user *u);
};
struct sl_sql_load {
    struct sl_sql mix;
    const struct sl_sql_backend *backend;
    bool prepared;
};
bool sl_sql_begin(struct sl_load *l, enum sl_sql_dialect dialect,
                  const struct sl_sql_backend *backend);
void sl_sql_row(struct sl_load *l, struct sl_sql_user *u, const char *const *values, int n);
void sl_sql_connect(struct sl_load *l, struct sl_user *u);
void sl_sql_request(struct sl_load *l, struct sl_user *u);
void sl_sql_event(struct sl_load *l, struct sl_user *u, uint32_t epoll_events);
void sl_sql_close(struct sl_load *l, struct sl_user *u);
void sl_sql_end(struct sl_load *l);
