// SPDX-License-Identifier: Apache-2.0
#include "drive/sql.h"
#include "base/mem.h"
#include "drive/tcpbytes.h"
#include <string.h>
#include <sys/epoll.h>

static const uint64_t reply_max = 16 << 20;

static struct sl_sql_load *sql_of(struct sl_load *l)
{
    return l->ctx;
}

bool sl_sql_begin(struct sl_load *l, enum sl_sql_dialect dialect,
                  const struct sl_sql_backend *backend)
{
    struct sl_sql_load *s = sl_alloc(sizeof *s);
    struct sl_rng rng = sl_rng_stream(l->spec.seed, "drive.sql", 0);
    sl_sql_init(&s->mix, dialect, l->spec.database != NULL, &rng);
    s->backend = backend;
    l->ctx = s;
    return true;
}

void sl_sql_end(struct sl_load *l)
{
    free(l->ctx);
}

void sl_sql_row(struct sl_load *l, struct sl_sql_user *u, const char *const *values, int n)
{
    if (u->reading_tables && n == 3)
        sl_sql_found(&sql_of(l)->mix, values[0], values[1], values[2]);
}

// Books what has crossed since last time. False when the reply under way is beyond bounds.
static bool count_bytes(struct sl_load *l, struct sl_sql_user *u)
{
    uint64_t in, out;
    if (!sl_tcp_bytes(u->fd, &in, &out))
        return true;
    l->meter.bytes_in += in - u->bytes_in;
    l->meter.bytes_out += out > u->bytes_out ? out - u->bytes_out : 0;
    u->bytes_in = in;
    u->bytes_out = out > u->bytes_out ? out : u->bytes_out;
    return in - u->op_bytes_in <= reply_max;
}

static void advance(struct sl_load *l, struct sl_sql_user *u, enum sl_sql_step step);

static void query(struct sl_load *l, struct sl_sql_user *u, const char *text)
{
    advance(l, u, sql_of(l)->backend->query(l, u, text));
}

// The set-up's next statement: the table, then what other tables there are.
static void set_up(struct sl_load *l, struct sl_sql_user *u)
{
    struct sl_sql_load *s = sql_of(l);
    free(u->text);
    u->text = sl_sql_setup(&s->mix, u->setup);
    if (u->text) {
        query(l, u, u->text);
        return;
    }
    u->reading_tables = true;
    query(l, u, sl_sql_discovery(&s->mix));
}

// A statement of the set-up has ended. True while there is more of it.
static bool setting_up(struct sl_load *l, struct sl_sql_user *u, bool ok)
{
    struct sl_sql_load *s = sql_of(l);
    if (u->setup < 0)
        return false;
    if (u->reading_tables) {
        u->reading_tables = false;
        u->setup = -1;
        s->prepared = true;
        return false;
    }
    if (u->text && s->prepared) { // the first statement is for every connection, the rest is done
        u->setup = -1;
        return false;
    }
    if (u->text) {       // NULL: this was the connection itself
        s->mix.own = ok; // the last one's word counts
        u->setup++;
    }
    set_up(l, u);
    return true;
}

static void finish(struct sl_load *l, struct sl_sql_user *u)
{
    sl_sql_result(&sql_of(l)->mix, &u->op, !u->failed);
    if (u->failed)
        sl_load_error(l, "sql", "%s", u->why);
    sl_load_done(l, &u->base, !u->failed, false);
}

static void advance(struct sl_load *l, struct sl_sql_user *u, enum sl_sql_step step)
{
    if (step == SL_SQL_WAIT && count_bytes(l, u))
        return;
    if (step == SL_SQL_WAIT || step == SL_SQL_LOST || !count_bytes(l, u)) {
        sl_load_broken(l, &u->base, "connection",
                       step == SL_SQL_LOST && u->why[0] ? u->why : "a reply beyond all bounds");
        return;
    }
    if (setting_up(l, u, step == SL_SQL_DONE))
        return;
    if (u->base.state == SL_USER_CONNECTING) {
        sl_load_up(l, &u->base);
        return;
    }
    if (u->base.state != SL_USER_BUSY)
        return;
    if (step == SL_SQL_FAIL && !u->failed) {
        u->failed = true;
        if (u->op.n > 1 && u->at > 0) { // in a transaction
            u->at = u->op.n;
            query(l, u, "ROLLBACK");
            return;
        }
        u->at = u->op.n;
    }
    if (++u->at < u->op.n)
        query(l, u, u->op.text[u->at]);
    else
        finish(l, u);
}

void sl_sql_connect(struct sl_load *l, struct sl_user *base)
{
    struct sl_sql_user *u = (struct sl_sql_user *)base;
    u->fd = -1;
    u->bytes_in = u->bytes_out = u->op_bytes_in = 0;
    u->why[0] = '\0';
    u->reading_tables = false;
    u->setup = 0;
    advance(l, u, sql_of(l)->backend->connect(l, u));
}

void sl_sql_request(struct sl_load *l, struct sl_user *base)
{
    struct sl_sql_user *u = (struct sl_sql_user *)base;
    sl_sql_next(&sql_of(l)->mix, &base->rng, &u->op);
    u->at = 0;
    u->failed = false;
    u->why[0] = '\0';
    u->op_bytes_in = u->bytes_in;
    query(l, u, u->op.text[0]);
}

void sl_sql_event(struct sl_load *l, struct sl_user *base, uint32_t events)
{
    struct sl_sql_user *u = (struct sl_sql_user *)base;
    if (base->state == SL_USER_DOWN)
        return; // left over from a connection that is gone
    if (base->state == SL_USER_FREE) {
        if (!sql_of(l)->backend->idle(l, u) || !count_bytes(l, u))
            sl_load_broken(l, base, "connection", "the server closed an idle connection");
        return;
    }
    advance(l, u, sql_of(l)->backend->step(l, u, events));
}

void sl_sql_close(struct sl_load *l, struct sl_user *base)
{
    struct sl_sql_user *u = (struct sl_sql_user *)base;
    count_bytes(l, u);
    if (u->fd >= 0)
        shutdown(u->fd, SHUT_RDWR); // no farewell may block
    sql_of(l)->backend->close(u);
    u->conn = u->result = NULL;
    u->fd = -1;
    free(u->text);
    u->text = NULL;
}
