// SPDX-License-Identifier: Apache-2.0
/*
 * MySQL and MariaDB through libmariadb's non-blocking calls: each _start or _cont gives 0 when it
 * has ended, or the events it waits for. A server may not ask for our files (LOCAL INFILE is off
 * and its handler refuses) nor for authentication by a plug-in that talks to a terminal ("dialog").
 */
#include "base/str.h"
#include "drive/sql.h"
#include <mysql.h>
#include <string.h>
#include <sys/epoll.h>

enum { ROWS_MAX = 10000 };
enum phase { CONNECTING, ASKING, FETCHING, FREEING };

static int refuse_init(void **ctx, const char *file, void *data)
{
    (void)file;
    (void)data;
    *ctx = NULL;
    return 1;
}

static int refuse_read(void *ctx, char *buf, unsigned int len)
{
    (void)ctx;
    (void)buf;
    (void)len;
    return -1;
}

static void refuse_end(void *ctx)
{
    (void)ctx;
}

static int refuse_error(void *ctx, char *buf, unsigned int len)
{
    (void)ctx;
    if (len)
        buf[0] = '\0';
    return 1;
}

static enum sl_sql_step lost(struct sl_sql_user *u)
{
    sl_copy(u->why, sizeof u->why, mysql_error(u->conn));
    if (!u->why[0])
        sl_copy(u->why, sizeof u->why, "the server broke the protocol");
    return SL_SQL_LOST;
}

// Errors numbered from 2000 on are the client's: the connection is of no use any more.
static enum sl_sql_step failed(struct sl_sql_user *u)
{
    if (mysql_errno(u->conn) >= 2000)
        return lost(u);
    sl_copy(u->why, sizeof u->why, mysql_error(u->conn));
    return SL_SQL_FAIL;
}

static enum sl_sql_step wait_for(struct sl_load *l, struct sl_sql_user *u, int bits)
{
    u->fd = (int)mysql_get_socket(u->conn);
    if (u->fd < 0)
        return lost(u);
    sl_load_watch(l, &u->base, u->fd,
                  (bits & MYSQL_WAIT_READ ? EPOLLIN : 0u) |
                      (bits & MYSQL_WAIT_WRITE ? EPOLLOUT : 0u) |
                      (bits & MYSQL_WAIT_EXCEPT ? EPOLLPRI : 0u));
    return SL_SQL_WAIT;
}

static void set_bounds(MYSQL *m)
{
    unsigned timeout_s = 10, off = 0;
    size_t packet = 4 << 20;
    mysql_options(m, MYSQL_OPT_NONBLOCK, NULL);
    mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
    mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &timeout_s);
    mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
    mysql_options(m, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_options(m, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    mysql_options(m, MARIADB_OPT_RESTRICTED_AUTH,
                  "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519");
    mysql_set_local_infile_handler(m, refuse_init, refuse_read, refuse_end, refuse_error, NULL);
}

static enum sl_sql_step after_connect(struct sl_load *l, struct sl_sql_user *u, MYSQL *ret,
                                      int bits)
{
    if (bits)
        return wait_for(l, u, bits);
    if (!ret)
        return lost(u);
    u->fd = (int)mysql_get_socket(u->conn);
    sl_load_watch(l, &u->base, u->fd, EPOLLIN);
    return SL_SQL_DONE;
}

static enum sl_sql_step connect_user(struct sl_load *l, struct sl_sql_user *u)
{
    u->conn = mysql_init(NULL);
    if (!u->conn)
        return SL_SQL_LOST;
    set_bounds(u->conn);
    u->phase = CONNECTING;
    MYSQL *ret = NULL;
    const struct sl_drive_spec *s = &l->spec;
    int bits =
        mysql_real_connect_start(&ret, u->conn, l->addr_text, s->user ? s->user : "root",
                                 s->password ? s->password : "", s->database, s->port, NULL, 0);
    return after_connect(l, u, ret, bits);
}

static enum sl_sql_step end_result(struct sl_load *l, struct sl_sql_user *u, int bits)
{
    if (bits)
        return wait_for(l, u, bits);
    u->result = NULL;
    sl_load_watch(l, &u->base, u->fd, EPOLLIN);
    if (mysql_errno(u->conn))
        return failed(u);
    // A second result is nothing we asked for.
    return mysql_more_results(u->conn) ? lost(u) : SL_SQL_DONE;
}

static enum sl_sql_step fetch(struct sl_load *l, struct sl_sql_user *u, MYSQL_ROW row, int bits)
{
    int rows = 0;
    while (!bits && row) {
        if (rows++ == ROWS_MAX) { // a server that sends without end must not hold the loop
            sl_copy(u->why, sizeof u->why, "a reply of too many rows");
            return SL_SQL_LOST;
        }
        unsigned n = mysql_num_fields(u->result);
        if (n == 3)
            sl_sql_row(l, u, (const char *const *)row, 3);
        bits = mysql_fetch_row_start(&row, u->result);
    }
    if (bits)
        return wait_for(l, u, bits);
    u->phase = FREEING;
    return end_result(l, u, mysql_free_result_start(u->result));
}

static enum sl_sql_step answered(struct sl_load *l, struct sl_sql_user *u, int why, int bits)
{
    if (bits)
        return wait_for(l, u, bits);
    if (why)
        return failed(u);
    u->result = mysql_use_result(u->conn);
    if (!u->result)
        return mysql_errno(u->conn) ? failed(u) : end_result(l, u, 0);
    u->phase = FETCHING;
    MYSQL_ROW row = NULL;
    bits = mysql_fetch_row_start(&row, u->result);
    return fetch(l, u, row, bits);
}

static enum sl_sql_step query(struct sl_load *l, struct sl_sql_user *u, const char *text)
{
    int why = 0;
    u->phase = ASKING;
    int bits = mysql_real_query_start(&why, u->conn, text, strlen(text));
    return answered(l, u, why, bits);
}

static int bits_of(uint32_t events)
{
    return (events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? MYSQL_WAIT_READ : 0) |
           (events & EPOLLOUT ? MYSQL_WAIT_WRITE : 0) | (events & EPOLLPRI ? MYSQL_WAIT_EXCEPT : 0);
}

static enum sl_sql_step step(struct sl_load *l, struct sl_sql_user *u, uint32_t events)
{
    int bits = bits_of(events), why = 0;
    MYSQL *ret = NULL;
    MYSQL_ROW row = NULL;
    switch ((enum phase)u->phase) {
    case CONNECTING:
        bits = mysql_real_connect_cont(&ret, u->conn, bits);
        return after_connect(l, u, ret, bits);
    case ASKING:
        bits = mysql_real_query_cont(&why, u->conn, bits);
        return answered(l, u, why, bits);
    case FETCHING:
        bits = mysql_fetch_row_cont(&row, u->result, bits);
        return fetch(l, u, row, bits);
    case FREEING:
        return end_result(l, u, mysql_free_result_cont(u->result, bits));
    }
    return SL_SQL_LOST;
}

static bool idle(struct sl_load *l, struct sl_sql_user *u)
{
    (void)l;
    (void)u;
    return false; // a MySQL server speaks only when spoken to: this is its farewell
}

static void close_user(struct sl_sql_user *u)
{
    // An unread result is dropped with its connection; freeing it first would read on.
    if (u->conn)
        mysql_close(u->conn);
}

static bool begin(struct sl_load *l, struct sl_error *err)
{
    static const struct sl_sql_backend backend = {
        .connect = connect_user, .query = query, .step = step, .idle = idle, .close = close_user};
    if (mysql_library_init(0, NULL, NULL))
        return sl_fail(err, SL_EENV, "libmariadb does not start");
    return sl_sql_begin(l, SL_SQL_MYSQL, &backend);
}

const struct sl_load_ops sl_drive_mysql = {
    .protocol = "mysql",
    .user_bytes = sizeof(struct sl_sql_user),
    .begin = begin,
    .connect = sl_sql_connect,
    .request = sl_sql_request,
    .event = sl_sql_event,
    .close = sl_sql_close,
    .end = sl_sql_end,
};
