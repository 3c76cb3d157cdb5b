// SPDX-License-Identifier: Apache-2.0
// What the official images make of their environment, as their entrypoints do.
#include "drive/drive.h"
#include <string.h>

typedef const char *lookup_fn(void *ctx, const char *key);

static const char *first(lookup_fn *lookup, void *ctx, const char *const *keys)
{
    for (; *keys; keys++) {
        const char *v = lookup(ctx, *keys);
        if (v && v[0])
            return v;
    }
    return NULL;
}

static void postgresql(lookup_fn *lookup, void *ctx, struct sl_drive_spec *out)
{
    // Bitnami's image has names of its own for the same things.
    out->user = first(lookup, ctx, (const char *[]){"POSTGRES_USER", "POSTGRESQL_USERNAME", NULL});
    out->password =
        first(lookup, ctx, (const char *[]){"POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD", NULL});
    out->database =
        first(lookup, ctx, (const char *[]){"POSTGRES_DB", "POSTGRESQL_DATABASE", NULL});
    if (!out->user)
        out->user = "postgres";
    if (!out->database)
        out->database = out->user;
}

// A user with a password of his own is what the application uses; root is the second choice.
static void mysql(lookup_fn *lookup, void *ctx, struct sl_drive_spec *out)
{
    out->database =
        first(lookup, ctx, (const char *[]){"MYSQL_DATABASE", "MARIADB_DATABASE", NULL});
    out->user = first(lookup, ctx, (const char *[]){"MYSQL_USER", "MARIADB_USER", NULL});
    out->password =
        first(lookup, ctx, (const char *[]){"MYSQL_PASSWORD", "MARIADB_PASSWORD", NULL});
    if (out->user && out->password && strcmp(out->user, "root"))
        return;
    out->user = "root";
    out->password =
        first(lookup, ctx, (const char *[]){"MYSQL_ROOT_PASSWORD", "MARIADB_ROOT_PASSWORD", NULL});
}

void sl_drive_credentials(const char *protocol, lookup_fn *lookup, void *ctx,
                          struct sl_drive_spec *out)
{
    out->user = out->password = out->database = NULL;
    if (!strcmp(protocol, "postgresql"))
        postgresql(lookup, ctx, out);
    else if (!strcmp(protocol, "mysql"))
        mysql(lookup, ctx, out);
    else if (!strcmp(protocol, "redis"))
        out->password = first(lookup, ctx, (const char *[]){"REDIS_PASSWORD", "REDIS_PASS", NULL});
}
