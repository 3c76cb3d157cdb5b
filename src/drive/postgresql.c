// SPDX-License-Identifier: Apache-2.0
/*
 * PostgreSQL through libpq, never blocking. Every parameter that would make libpq read a file or
 * the environment is set: no TLS material, no password file, no service file.
 */
#include "base/str.h"
#include "drive/sql.h"
#include <libpq-fe.h>
#include <stdio.h>
#include <sys/epoll.h>

enum { CONNECTING, SENDING, READING };

static void be_silent(void *ctx, const char *message)
{
    (void)ctx;
    (void)message; // libpq would print a stranger's words to stderr
}

static enum sl_sql_step lost(struct sl_sql_user *u)
{
    sl_copy(u->why, sizeof u->why, PQerrorMessage(u->conn));
    return SL_SQL_LOST;
}

static enum sl_sql_step go_on_connecting(struct sl_load *l, struct sl_sql_user *u)
{
    PostgresPollingStatusType s = PQconnectPoll(u->conn);
    u->fd = PQsocket(u->conn);
    if (s == PGRES_POLLING_OK) {
        PQsetnonblocking(u->conn, 1);
        sl_load_watch(l, &u->base, u->fd, EPOLLIN);
        return SL_SQL_DONE;
    }
    if (s == PGRES_POLLING_FAILED || u->fd < 0)
        return lost(u);
    sl_load_watch(l, &u->base, u->fd, s == PGRES_POLLING_WRITING ? EPOLLOUT : EPOLLIN);
    return SL_SQL_WAIT;
}

static enum sl_sql_step connect_user(struct sl_load *l, struct sl_sql_user *u)
{
    char port[8];
    snprintf(port, sizeof port, "%u", l->spec.port);
    const char *keys[] = {"hostaddr",         "port",     "user",
                          "password",         "dbname",   "sslmode",
                          "gssencmode",       "passfile", "client_encoding",
                          "application_name", NULL};
    const char *user = l->spec.user ? l->spec.user : "postgres";
    const char *values[] = {l->addr_text,
                            port,
                            user,
                            l->spec.password ? l->spec.password : "",
                            l->spec.database ? l->spec.database : user,
                            "disable",
                            "disable",
                            "/nonexistent",
                            "UTF8",
                            "sluice",
                            NULL};
    u->phase = CONNECTING;
    u->conn = PQconnectStartParams(keys, values, 0); // 0: dbname is a name, not a connection string
    if (!u->conn || PQstatus(u->conn) == CONNECTION_BAD)
        return lost(u);
    PQsetNoticeProcessor(u->conn, be_silent, NULL);
    u->fd = PQsocket(u->conn);
    sl_load_watch(l, &u->base, u->fd, EPOLLOUT);
    return SL_SQL_WAIT;
}

static enum sl_sql_step flush(struct sl_load *l, struct sl_sql_user *u)
{
    int left = PQflush(u->conn);
    if (left < 0)
        return lost(u);
    if (left && u->phase != SENDING)
        sl_load_watch(l, &u->base, u->fd, EPOLLIN | EPOLLOUT);
    if (!left && u->phase == SENDING)
        sl_load_watch(l, &u->base, u->fd, EPOLLIN);
    u->phase = left ? SENDING : READING;
    return SL_SQL_WAIT;
}

static enum sl_sql_step query(struct sl_load *l, struct sl_sql_user *u, const char *text)
{
    u->result = NULL;
    u->phase = READING;
    if (!PQsendQuery(u->conn, text) || !PQsetSingleRowMode(u->conn))
        return lost(u);
    return flush(l, u);
}

static void take_rows(struct sl_load *l, struct sl_sql_user *u, const PGresult *r)
{
    int n = PQnfields(r);
    const char *values[3];
    if (!u->reading_tables || n != 3)
        return;
    for (int row = 0; row < PQntuples(r); row++) {
        for (int i = 0; i < n; i++)
            values[i] = PQgetisnull(r, row, i) ? NULL : PQgetvalue(r, row, i);
        sl_sql_row(l, u, values, n);
    }
}

static enum sl_sql_step take_results(struct sl_load *l, struct sl_sql_user *u)
{
    while (!PQisBusy(u->conn)) {
        PGresult *r = PQgetResult(u->conn);
        if (!r) // u->result: was there a failure among the results?
            return PQstatus(u->conn) == CONNECTION_BAD ? lost(u)
                   : u->result                         ? SL_SQL_FAIL
                                                       : SL_SQL_DONE;
        ExecStatusType s = PQresultStatus(r);
        bool fine = s == PGRES_SINGLE_TUPLE || s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK ||
                    s == PGRES_EMPTY_QUERY;
        if (fine) {
            take_rows(l, u, r);
        } else {
            sl_copy(u->why, sizeof u->why, PQresultErrorMessage(r));
            u->result = u; // a mark; the text is kept already
        }
        PQclear(r);
        if (!fine && s != PGRES_FATAL_ERROR) // COPY and the like: nothing we asked for
            return SL_SQL_LOST;
    }
    return SL_SQL_WAIT;
}

static bool take_in(struct sl_sql_user *u)
{
    if (!PQconsumeInput(u->conn))
        return false;
    for (PGnotify *n; (n = PQnotifies(u->conn));)
        PQfreemem(n);
    return true;
}

static enum sl_sql_step step(struct sl_load *l, struct sl_sql_user *u, uint32_t events)
{
    if (u->phase == CONNECTING)
        return go_on_connecting(l, u);
    if (u->phase == SENDING && events & EPOLLOUT && flush(l, u) == SL_SQL_LOST)
        return SL_SQL_LOST;
    if (!take_in(u))
        return lost(u);
    return take_results(l, u);
}

static bool idle(struct sl_load *l, struct sl_sql_user *u)
{
    (void)l;
    return take_in(u) && PQstatus(u->conn) == CONNECTION_OK;
}

static void close_user(struct sl_sql_user *u)
{
    if (u->conn)
        PQfinish(u->conn);
}

static bool begin(struct sl_load *l, struct sl_error *err)
{
    (void)err;
    static const struct sl_sql_backend backend = {
        .connect = connect_user, .query = query, .step = step, .idle = idle, .close = close_user};
    return sl_sql_begin(l, SL_SQL_POSTGRESQL, &backend);
}

const struct sl_load_ops sl_drive_postgresql = {
    .protocol = "postgresql",
    .user_bytes = sizeof(struct sl_sql_user),
    .begin = begin,
    .connect = sl_sql_connect,
    .request = sl_sql_request,
    .event = sl_sql_event,
    .close = sl_sql_close,
    .end = sl_sql_end,
};
