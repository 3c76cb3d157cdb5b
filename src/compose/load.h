// SPDX-License-Identifier: Apache-2.0
/*
 * The loader inside: its state, and what its parts offer each other. Others use project.h; tests
 * and fuzzers use sl_project_load_from, which reads from any struct sl_files.
 *
 * Order    read and parse, lift version 1, variables, include, override files, extends, typed keys
 *          (allow-list), cross-checks between services, classes, digest.
 * Errors   every failure sets a reason code and a place.
 */
#pragma once
#include "base/str.h"
#include "compose/envfile.h"
#include "compose/files.h"
#include "compose/interpolate.h"
#include "compose/project.h"
#include "compose/ytree.h"

enum {
    SL_LOAD_MAX_FILES = 32,     // Compose files of one project
    SL_LOAD_MAX_SERVICES = 300, // after include
    SL_LOAD_MAX_LIST = 2000,    // entries of one list of a service
    SL_LOAD_MAX_PORTS = 256,    // of one service
    SL_LOAD_MAX_REPLICAS = 16,
    SL_LOAD_MAX_NOTES = 5000,
    SL_LOAD_MERGE_BUDGET = 1000000, // items copied by merges of files and services
};

struct sl_loaded_file {
    const char *path;
    struct sl_ynode *root;
};
struct sl_load {
    struct sl_project *p;
    struct sl_arena *a; // the project's
    const struct sl_compose_options *opt;
    const struct sl_files *files;
    const char **reason;
    struct sl_error *err;
    SL_VEC(struct sl_note) notes;
    SL_VEC(struct sl_loaded_file) loaded;
    SL_VEC(struct sl_pair) vars;   // sorted by key: the user's first, then .env
    SL_VEC(const char *) numeric;  // variables that stand where a number is wanted
    SL_VEC(const char *) contents; // folders and files whose contents make the project what it is
    struct sl_sha256 *digest;
    struct sl_ynode *root; // merged
    struct sl_interp interp;
    size_t merge_budget;
    bool unmet_variables; // something has neither value nor default
};

// reason: one of project.h. Returns false.
bool sl_load_fail(struct sl_load *l, const char *reason, struct sl_pos pos, const char *fmt, ...)
    SL_PRINTF(4, 5);
bool sl_load_step(const struct sl_load *l, const char *step); // is it on?
void sl_load_note(struct sl_load *l, enum sl_note_kind kind, const char *step, const char *place,
                  const char *before, const char *after, struct sl_pos pos);
// What policy does not let through: recorded, or refused with strict_policy (false).
SL_MUST_USE bool sl_load_drop(struct sl_load *l, const char *step, const char *place,
                              const char *before, const char *after, struct sl_pos pos);
const char *sl_load_place(struct sl_load *l, const char *fmt, ...) SL_PRINTF(2, 3);
const char *sl_load_var(void *load, const char *name); // NULL: not set
const char *sl_load_show(struct sl_load *l,
                         const struct sl_ynode *n); // short text of a node for notes

// values.c: variables of one file's tree
SL_MUST_USE bool sl_load_variables(struct sl_load *l);
void sl_load_scan(struct sl_load *l, const struct sl_ynode *root);
SL_MUST_USE bool sl_load_interpolate(struct sl_load *l, struct sl_ynode *root);
const char *sl_load_generated(struct sl_load *l, const char *name);
// Reads `path`, else an example beside it or at the tree's root. false: none is there.
bool sl_load_env_text(struct sl_load *l, const char *path, char **text, size_t *len,
                      const char **used);

// tree.c: several files into one tree
SL_MUST_USE bool sl_load_tree(struct sl_load *l, const char *file);
struct sl_ynode *sl_load_merge(struct sl_load *l, const char *key, struct sl_ynode *a,
                               struct sl_ynode *b); // NULL: failed

// service.c, mounts.c, network.c: typed keys
struct sl_service_load { // what of a service is not in the model itself
    struct sl_service *s;
    struct sl_load *l;
    const struct sl_ynode *node, *profiles;
    const char *container_name, *domain;
    struct sl_words links, volumes_from;
    struct sl_pos links_pos;
    SL_VEC(struct sl_pair) env;
    SL_VEC(struct sl_port) ports;
    SL_VEC(struct sl_mount) mounts;
    SL_VEC(struct sl_attach) networks;
    SL_VEC(struct sl_depend) depends;
    SL_VEC(struct sl_pair) hosts, sysctls;
    bool networks_given, dropped;
    struct sl_pos port_drop;
};
SL_MUST_USE bool sl_load_service(struct sl_service_load *c, const struct sl_yitem *item);
void sl_load_first_profile(struct sl_load *l, struct sl_service_load *c, size_t n);
SL_MUST_USE bool sl_load_ports(struct sl_service_load *c, const struct sl_yitem *item);
SL_MUST_USE bool sl_load_expose(struct sl_service_load *c, const struct sl_yitem *item);
SL_MUST_USE bool sl_load_volumes(struct sl_service_load *c, const struct sl_yitem *item);
SL_MUST_USE bool sl_load_tmpfs(struct sl_service_load *c, const struct sl_yitem *item);
SL_MUST_USE bool sl_load_secrets(struct sl_service_load *c, const struct sl_yitem *item);
SL_MUST_USE bool sl_load_build(struct sl_service_load *c, const struct sl_yitem *item);
SL_MUST_USE bool sl_load_attach(struct sl_service_load *c, const struct sl_yitem *item);
SL_MUST_USE bool sl_load_network_mode(struct sl_service_load *c, const struct sl_yitem *item);
SL_MUST_USE bool sl_load_extra_hosts(struct sl_service_load *c, const struct sl_yitem *item);
SL_MUST_USE bool sl_load_sysctls(struct sl_service_load *c, const struct sl_yitem *item);
SL_MUST_USE bool sl_load_networks(struct sl_load *l);
SL_MUST_USE bool sl_load_volume_table(struct sl_load *l);
// A path of the file, below the tree, links resolved; NULL with `outside` set, or failed.
const char *sl_load_path(struct sl_load *l, const struct sl_ynode *n, const char *text,
                         enum sl_file_kind *kind);
const char *sl_load_slashes(struct sl_load *l, const char *place, const struct sl_ynode *n,
                            const char *text);
// Iterates a map, or a list of "key=value" texts, as pairs; value NULL when there is none.
SL_MUST_USE bool sl_load_pairs(struct sl_load *l, const char *place, const struct sl_ynode *n,
                               char separator, struct sl_pair **out, size_t *n_out);

// finish.c: what needs all services; contents.c: classes and digest
SL_MUST_USE bool sl_load_finish(struct sl_load *l, struct sl_service_load *c, size_t n);
void sl_load_classify(struct sl_load *l);
void sl_load_digest(struct sl_load *l);

// valid.c: allow-lists of values
bool sl_valid_image(const char *ref);
bool sl_valid_name(const char *name); // service, network and volume keys
bool sl_valid_host(const char *name); // host names and aliases
bool sl_valid_duration(const char *text);
bool sl_valid_bytes(const char *text);
bool sl_valid_ipv4(const char *text);
bool sl_valid_sysctl(const char *key, const char *value);
bool sl_truth(const struct sl_ynode *n, bool *out); // YAML 1.1 booleans; false when it is none

SL_MUST_USE struct sl_project *sl_project_load_from(const struct sl_files *files, const char *dir,
                                                    const char *file,
                                                    const struct sl_compose_options *opt,
                                                    const char **reason, struct sl_error *err);
