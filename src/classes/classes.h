// SPDX-License-Identifier: Apache-2.0
/*
 * The class table: image pattern, process, payload probe, port -> application, class, role.
 *
 * The table is data (data/classes.tsv, embedded at build time). Evidence, strongest first: image,
 * process that listens, payload, port. Class ids are small integers, stable for one table; files
 * and databases store names.
 *
 * Errors   none at run time: a text nobody knows gives false and leaves the guess alone.
 * Threads  the table is constant; safe from any thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SL_CLASS_UNKNOWN = 0 }; // sl_class_name(0) is "unknown"; other ids come from the table
enum sl_evidence {
    SL_EVIDENCE_NONE,
    SL_EVIDENCE_PORT,
    SL_EVIDENCE_PAYLOAD,
    SL_EVIDENCE_PROCESS,
    SL_EVIDENCE_IMAGE
};
enum sl_role { SL_ROLE_UNKNOWN, SL_ROLE_SERVER, SL_ROLE_CLIENT, SL_ROLE_BOTH };

struct sl_class_guess {
    int cls;              // class id
    const char *app;      // "postgresql", "nginx", ...; static storage
    const char *probe;    // driver protocol that speaks to it: "http", "postgresql", "mysql", "redis", "" = none
    enum sl_role role;
    enum sl_evidence evidence;
    double confidence;    // 0..1
};

size_t sl_class_count(void);
const char *sl_class_name(int cls); // never NULL
int sl_class_find(const char *name); // -1 when no class has that name (aliases are known, e.g. "broker")
const char *const *sl_class_names(size_t *n); // every selectable class, for "did you mean"

// image: a reference as written, with or without registry, tag or digest.
bool sl_class_by_image(const char *image, struct sl_class_guess *out);
bool sl_class_by_process(const char *comm, struct sl_class_guess *out); // "postgres", "redis-server"
bool sl_class_by_port(uint8_t ip_proto, uint16_t port, struct sl_class_guess *out);
// First payload bytes of the client and of the server (either may be empty).
bool sl_class_by_payload(const uint8_t *client, size_t client_len, const uint8_t *server,
                         size_t server_len, struct sl_class_guess *out);
