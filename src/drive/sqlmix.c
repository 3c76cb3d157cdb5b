// SPDX-License-Identifier: Apache-2.0
#include "drive/sqlmix.h"
#include "base/mem.h"
#include "base/str.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

void sl_sql_init(struct sl_sql *s, enum sl_sql_dialect dialect, bool has_database,
                 struct sl_rng *rng)
{
    *s = (struct sl_sql){.dialect = dialect};
    sl_mix_init(&s->kinds, 0, rng);
    sl_mix_init(&s->keys, 1, rng);
    sl_mix_init(&s->sizes, 2, rng);
    // MySQL has no table outside a database, and none may have been named.
    bool homeless = dialect == SL_SQL_MYSQL && !has_database;
    sl_copy(s->own_name, sizeof s->own_name, homeless ? "sluice.sluice_load" : "sluice_load");
}

static char *fill_statement(const struct sl_sql *s)
{
    bool pg = s->dialect == SL_SQL_POSTGRESQL;
    struct sl_str t = {.max = 1 << 20};
    sl_str_addf(&t, "INSERT %sINTO %s VALUES ", pg ? "" : "IGNORE ", s->own_name);
    for (int i = 0; i < SL_SQL_ROWS; i++) // md5 has 32 signs: 16 to 127 of them are 0.5 to 4 kB
        sl_str_addf(&t, "%s(%d,now(),repeat(md5('%d'),%d))", i ? "," : "", i, i, 16 + i * 37 % 112);
    sl_str_add(&t, pg ? " ON CONFLICT DO NOTHING" : "");
    return sl_str_take(&t);
}

char *sl_sql_setup(const struct sl_sql *s, int i)
{
    bool pg = s->dialect == SL_SQL_POSTGRESQL;
    switch (i) {
    case 0: // no query of ours may hold a server up
        return sl_strdup(pg ? "SET statement_timeout = '5s'"
                            : "SET SESSION max_statement_time = 5");
    case 1:
        if (strchr(s->own_name, '.'))
            return sl_strdup("CREATE DATABASE IF NOT EXISTS sluice");
        return sl_strdup("SELECT 1");
    case 2:
        return sl_format("CREATE TABLE IF NOT EXISTS %s (id integer PRIMARY KEY, changed %s NOT "
                         "NULL, payload text NOT NULL)",
                         s->own_name, pg ? "timestamptz" : "datetime");
    case 3:
        return fill_statement(s);
    case 4:
        return sl_format("UPDATE %s SET changed = now() WHERE id = 0", s->own_name);
    }
    return NULL;
}

const char *sl_sql_discovery(const struct sl_sql *s)
{
    if (s->dialect == SL_SQL_POSTGRESQL)
        return "SELECT table_schema, table_name, (SELECT column_name FROM "
               "information_schema.columns c WHERE c.table_schema = t.table_schema AND "
               "c.table_name = t.table_name AND data_type IN ('smallint', 'integer', 'bigint', "
               "'numeric', 'text', 'character varying', 'uuid', 'date', "
               "'timestamp with time zone', 'timestamp without time zone') ORDER BY "
               "ordinal_position LIMIT 1) FROM information_schema.tables t WHERE table_type = "
               "'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema') AND "
               "table_name <> 'sluice_load' ORDER BY 1, 2 LIMIT 32";
    return "SELECT table_schema, table_name, (SELECT column_name FROM information_schema.columns c "
           "WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name AND data_type IN "
           "('tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'char', 'varchar', "
           "'date', 'datetime', 'timestamp') ORDER BY ordinal_position LIMIT 1) FROM "
           "information_schema.tables t WHERE table_type = 'BASE TABLE' AND table_schema NOT IN "
           "('mysql', 'information_schema', 'performance_schema', 'sys') AND table_name <> "
           "'sluice_load' ORDER BY 1, 2 LIMIT 32";
}

// Appends a quoted name. False for names no sane schema has: they come from a stranger.
static bool quote(const struct sl_sql *s, const char *name, char *out, size_t size)
{
    char q = s->dialect == SL_SQL_POSTGRESQL ? '"' : '`';
    size_t n = strlen(out);
    if (!name || !name[0] || strlen(name) > 64)
        return false;
    if (n + 1 < size)
        out[n++] = q;
    for (; *name; name++) {
        if ((unsigned char)*name < 32 || *name == '\\' || n + 3 >= size)
            return false;
        if (*name == q)
            out[n++] = q;
        out[n++] = *name;
    }
    out[n++] = q;
    out[n] = '\0';
    return true;
}

void sl_sql_found(struct sl_sql *s, const char *schema, const char *table, const char *column)
{
    struct sl_sql_table t = {0};
    if (s->n_tables == SL_SQL_TABLES || !quote(s, schema, t.name, sizeof t.name - 2))
        return;
    memcpy(t.name + strlen(t.name), ".", 2);
    if (!quote(s, table, t.name, sizeof t.name))
        return;
    if (!quote(s, column, t.order, sizeof t.order))
        t.order[0] = '\0';
    s->tables[s->n_tables++] = t;
}

// Text that no compression on the way makes disappear: 6 bits of randomness a byte.
static void payload(struct sl_sql *s, struct sl_rng *rng, char *out)
{
    static const char signs[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .";
    size_t n = (size_t)(512.0 * exp2(3.0 * sl_mix_next(&s->sizes))); // 0.5 to 4 kB
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        if (i % 10 == 0)
            bits = sl_rng_u64(rng);
        out[i] = signs[bits & 63];
        bits >>= 6;
    }
    out[n] = '\0';
}

static int key(struct sl_sql *s)
{
    return (int)(sl_mix_next(&s->keys) * SL_SQL_ROWS);
}

static void add(struct sl_sql_op *op, const char *fmt, ...) SL_PRINTF(2, 3);
static void add(struct sl_sql_op *op, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(op->text[op->n++], SL_SQL_TEXT, fmt, ap);
    va_end(ap);
}

static void read_found(struct sl_sql *s, struct sl_rng *rng, struct sl_sql_op *op)
{
    op->table = s->turn++ % s->n_tables;
    const struct sl_sql_table *t = &s->tables[op->table];
    int limit = 5 + (int)sl_rng_below(rng, 16), offset = (int)sl_rng_below(rng, 40);
    if (t->order[0])
        add(op, "SELECT * FROM %s WHERE %s IS NOT NULL ORDER BY %s LIMIT %d OFFSET %d", t->name,
            t->order, t->order, limit, offset);
    else
        add(op, "SELECT * FROM %s LIMIT %d OFFSET %d", t->name, limit, offset);
}

static void write_own(struct sl_sql *s, struct sl_rng *rng, struct sl_sql_op *op)
{
    char text[4200];
    payload(s, rng, text);
    add(op, "INSERT INTO %s VALUES (%d, now(), '%s') %s", s->own_name, key(s), text,
        s->dialect == SL_SQL_POSTGRESQL
            ? "ON CONFLICT (id) DO UPDATE SET changed = EXCLUDED.changed, "
              "payload = EXCLUDED.payload"
            : "ON DUPLICATE KEY UPDATE changed = VALUES(changed), payload = VALUES(payload)");
}

static void transact(struct sl_sql *s, struct sl_rng *rng, struct sl_sql_op *op)
{
    int k = key(s); // one row only: two users cannot lock each other out
    char text[4200];
    payload(s, rng, text);
    add(op, "BEGIN");
    add(op, "SELECT payload FROM %s WHERE id = %d FOR UPDATE", s->own_name, k);
    add(op, "UPDATE %s SET changed = now(), payload = '%s' WHERE id = %d", s->own_name, text, k);
    add(op, "COMMIT");
}

void sl_sql_next(struct sl_sql *s, struct sl_rng *rng, struct sl_sql_op *op)
{
    enum { FOUND, POINT, RANGE, WRITE, TRANSACTION, PLAIN, KINDS };
    double w[KINDS] = {
        [FOUND] = s->n_tables ? 35 : 0, [POINT] = s->own ? 25 : 0,       [RANGE] = s->own ? 15 : 0,
        [WRITE] = s->own ? 15 : 0,      [TRANSACTION] = s->own ? 10 : 0, [PLAIN] = s->own ? 0 : 20};
    op->n = 0;
    op->table = -1;
    switch (sl_mix_choose(&s->kinds, w, KINDS)) {
    case FOUND:
        read_found(s, rng, op);
        break;
    case POINT:
        add(op, "SELECT id, changed, payload FROM %s WHERE id = %d", s->own_name, key(s));
        break;
    case RANGE: {
        int from = key(s);
        add(op, "SELECT id, payload FROM %s WHERE id BETWEEN %d AND %d ORDER BY id", s->own_name,
            from, from + 4);
        break;
    }
    case WRITE:
        write_own(s, rng, op);
        break;
    case TRANSACTION:
        transact(s, rng, op);
        break;
    default: // no table is ours to use: let the server make text
        add(op, "SELECT repeat('gravel ', %d)", 70 + (int)(500 * sl_mix_next(&s->sizes)));
        break;
    }
}

void sl_sql_result(struct sl_sql *s, const struct sl_sql_op *op, bool ok)
{
    if (op->table < 0 || op->table >= s->n_tables)
        return;
    struct sl_sql_table *t = &s->tables[op->table];
    t->failures = ok ? 0 : t->failures + 1;
    if (t->failures >= 2) // it may be locked, broken or not ours to read
        *t = s->tables[--s->n_tables];
}
