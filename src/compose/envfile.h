// SPDX-License-Identifier: Apache-2.0
/*
 * Files of variables: .env and env_file.
 *
 * Grammar  KEY=value, KEY: value, an optional "export" in front, # comments; 'single quotes' are
 * literal, "double quotes" know \n \r \t \" \\ and may span lines; outside single quotes variables
 * are expanded from the lines above and then from `lookup`. A line that fits nothing is left out.
 * Limits   1 MiB and 2,000 variables; the text is kept as bytes.
 * Source   compose-go's dotenv as documented by the Compose specification.
 */
#pragma once
#include "compose/project.h"

struct sl_env_list {
    struct sl_pair *at; // value NULL: named without a value
    size_t len;
    size_t bad_lines;
};
// budget: bytes that expansions may still produce, shared by all calls; may be NULL.
SL_MUST_USE bool sl_env_parse(struct sl_arena *arena, const char *file, const char *text,
                              size_t len, const char *(*lookup)(void *ctx, const char *name),
                              void *ctx, size_t *budget, struct sl_env_list *out,
                              struct sl_error *err);
