// SPDX-License-Identifier: Apache-2.0
/*
 * Image references: "postgres:14", "docker.io/library/postgres", "ghcr.io/a/b@sha256:...".
 *
 * Source   the grammar of distribution/reference, as far as it decides what is pulled from where.
 * Errors   SL_EINPUT quoting the text.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

struct sl_ref {
    char registry[256]; // "docker.io" unless the text names another
    char repo[256];     // without registry and without "library/": "postgres", "bitnami/redis"
    char tag[130];      // "latest" by default; "" with a digest
    char digest[140];   // "sha256:..." or ""
    bool official;      // an image of the official library, also through its well-known mirrors
};
SL_MUST_USE bool sl_ref_parse(const char *text, struct sl_ref *out, struct sl_error *err);
// A registry at a private, loopback or link-local address, or without a domain: never asked, since
// the engine would do so from the machine's own network.
bool sl_ref_private_registry(const char *registry);
