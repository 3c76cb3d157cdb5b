// SPDX-License-Identifier: Apache-2.0
/*
 * Finds projects: Compose files under given folders.
 *
 * Rules    compose*.yml and .yaml, with or without "docker-", at any depth; the primary file of a folder is the
 *          one with the default name; other files are candidates of their own; *override* files
 *          belong to their primary. Hidden folders, node_modules and vendor are not entered; links are not followed.
 * Order    sorted by path, so results are stable.
 */
#pragma once
#include "base/mem.h"
struct sl_found {
    char *repo; // the nearest folder above with .git, else the project's folder; absolute, no links
    char *dir;  // project's folder; absolute, no links
    char *file; // Compose file, relative to dir
    char *commit; // from .git/HEAD if it can be read; "" otherwise
};
struct sl_found_list {
    struct sl_found *at;
    size_t len;
};
// path: a folder, or a Compose file itself.
SL_MUST_USE bool sl_discover(const char *const *paths, size_t n, struct sl_found_list *out, struct sl_error *err);
void sl_found_list_done(struct sl_found_list *l);
