// SPDX-License-Identifier: Apache-2.0
/*
 * What a user of a database does: reads of the tables found there, reads and bounded writes of a
 * table of our own, small transactions. Text in, SQL out; knows no connection.
 *
 * Bounds   our table has 500 rows of 0.5 to 4 kB; writes overwrite. Nothing else is ever written.
 * Threads  not synchronised.
 */
#pragma once
#include "drive/pace.h"

enum sl_sql_dialect { SL_SQL_POSTGRESQL, SL_SQL_MYSQL };
enum { SL_SQL_TABLES = 32, SL_SQL_ROWS = 500, SL_SQL_STATEMENTS = 4, SL_SQL_TEXT = 4608 };

struct sl_sql_table {
    char name[160], order[80]; // quoted; order "" = no column to sort by
    int failures;              // in a row
};
struct sl_sql {
    enum sl_sql_dialect dialect;
    struct sl_mix kinds, keys, sizes;
    struct sl_sql_table tables[SL_SQL_TABLES];
    int n_tables, turn;
    bool own; // our table is there and can be used
    char own_name[32];
};
struct sl_sql_op {
    char text[SL_SQL_STATEMENTS][SL_SQL_TEXT];
    int n;
    int table; // read from; -1 = none of the found ones
};
void sl_sql_init(struct sl_sql *s, enum sl_sql_dialect dialect, bool has_database,
                 struct sl_rng *rng);
// Statements that prepare our table, one after another; NULL at the end. Each may fail. The last
// one tells by its success whether the table can be used. Caller frees.
char *sl_sql_setup(const struct sl_sql *s, int i);
const char *sl_sql_discovery(const struct sl_sql *s); // gives rows (schema, table, column or NULL)
void sl_sql_found(struct sl_sql *s, const char *schema, const char *table, const char *column);
void sl_sql_next(struct sl_sql *s, struct sl_rng *rng, struct sl_sql_op *op);
void sl_sql_result(struct sl_sql *s, const struct sl_sql_op *op, bool ok); // drops failing tables
