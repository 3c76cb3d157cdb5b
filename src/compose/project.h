// SPDX-License-Identifier: Apache-2.0
/*
 * The project model: what a Compose file says, typed, interpolated, with the place of every node.
 *
 * Everything is allocated from the project's arena and lives as long as it. Lists are arrays with
 * a length. Only what policy lets through is in the model: what was dropped is in `notes`.
 *
 * Units    sizes in bytes, durations as Compose text ("30s").
 * Threads  a project belongs to one thread; a finished one is read-only.
 */
#pragma once
#include "base/error.h"
#include "base/mem.h"
#include "classes/classes.h"
#include <stdint.h>

struct sl_pos {
    const char *file; // as named by the user
    int line, col;    // 1-based
};
struct sl_pair {
    const char *key, *value; // value NULL: named without a value
    struct sl_pos pos;
};
struct sl_words {
    const char **at;
    size_t len;
    bool given; // an empty list differs from none
};
struct sl_build {
    const char *context;    // relative to the project's folder, "." = itself; inside it after links are resolved
    const char *dockerfile; // relative to context; NULL = Dockerfile
    const char *dockerfile_inline;
    const char *target;
    struct sl_pair *args;
    size_t n_args;
    struct sl_pos pos;
};
struct sl_port {
    uint16_t port; // inside the container
    uint8_t proto; // 6 or 17
    bool published; // was meant for users outside: a front door
    struct sl_pos pos;
};
enum sl_mount_kind { SL_MOUNT_BIND, SL_MOUNT_VOLUME, SL_MOUNT_TMPFS };
struct sl_mount {
    enum sl_mount_kind kind;
    const char *source; // bind: path relative to the project's folder; volume: its key, NULL = anonymous
    const char *target;
    bool read_only;
    struct sl_pos pos;
};
enum sl_condition { SL_DEPENDS_STARTED, SL_DEPENDS_HEALTHY, SL_DEPENDS_COMPLETED };
struct sl_depend {
    const char *service;
    enum sl_condition condition;
    struct sl_pos pos;
};
struct sl_attach {      // a service's place in a network
    const char *network; // key in the project's networks
    struct sl_words aliases;
    const char *ipv4_address; // as written, to be renumbered; NULL = any
};
struct sl_health {
    struct sl_words test; // with CMD, CMD-SHELL or NONE in front
    const char *interval, *timeout, *start_period;
    int retries; // 0 = not given
};
struct sl_service {
    const char *name;
    struct sl_pos pos;
    const char *image;       // as written after interpolation; NULL when only built
    struct sl_build *build;  // NULL when only an image
    struct sl_words command, entrypoint; // exec form; shell form is split as Compose does
    struct sl_pair *env;
    size_t n_env; // env_file contents first, then environment, later wins; no duplicates
    struct sl_port *ports;
    size_t n_ports; // ports and expose
    struct sl_mount *mounts;
    size_t n_mounts;
    struct sl_attach *networks;
    size_t n_networks; // at least "default", unless network_mode says otherwise
    struct sl_depend *depends;
    size_t n_depends;
    struct sl_health *health; // NULL = none given
    const char *network_mode; // NULL, "none" or "service:NAME"; others are refused
    const char *restart, *user, *working_dir, *hostname, *stop_signal, *shm_size, *stop_grace_period;
    struct sl_pair *extra_hosts;
    size_t n_extra_hosts;
    struct sl_pair *sysctls; // net.* of the allow-list only; they move to the holder
    size_t n_sysctls;
    bool tty, stdin_open, init, read_only, privileged_dropped;
    int replicas; // 1 unless deploy.replicas or scale says otherwise
    bool enabled; // false: behind a profile that is off
    struct sl_class_guess guess;
};
struct sl_network {
    const char *key;
    bool internal, external;
    const char *subnet; // as written; NULL = any
    struct sl_pos pos;
};
struct sl_volume {
    const char *key;
    bool external;
    struct sl_pos pos;
};
enum sl_note_kind { SL_NOTE_REPAIR, SL_NOTE_POLICY, SL_NOTE_WARNING };
struct sl_note { // what was changed, and why the runnable file differs
    enum sl_note_kind kind;
    const char *step;   // repair or policy step by name: "env-file", "container-name", "privileged", ...
    const char *place;  // "services.web.ports[0]"
    const char *before, *after; // may be NULL
    struct sl_pos pos;
};
struct sl_project {
    struct sl_arena arena;
    const char *name;   // from `name:`, else the folder
    const char *dir;    // project's folder as given by the user
    const char *file;   // Compose file, relative to dir
    char digest[65];    // SHA-256 over the file and the build contexts' contents: forks share it
    struct sl_service *services;
    size_t n_services;
    struct sl_network *networks;
    size_t n_networks;
    struct sl_volume *volumes;
    size_t n_volumes;
    struct sl_note *notes;
    size_t n_notes;
};

struct sl_compose_options {
    uint64_t seed;                // for generated values
    const struct sl_pair *vars;   // variables given by the user; the environment is never read
    size_t n_vars;
    const char *const *skip_steps; // repair steps switched off, NULL-terminated; NULL = none
    const char *const *profiles;  // profiles switched on, NULL-terminated; NULL = none
    bool strict_policy;           // refuse (SL_EINPUT, policy_denied) instead of dropping what can be dropped
};

// Loads, interpolates, repairs, applies policy, classifies. `file` may be NULL: the default name is
// looked for in dir. reason, if not NULL, gets a reason code of offline.md 8.3 on failure
// ("no_file", "yaml_error", "schema_error", "env_missing", "var_missing", "path_missing", "policy_denied").
SL_MUST_USE struct sl_project *sl_project_load(const char *dir, const char *file,
                                               const struct sl_compose_options *opt,
                                               const char **reason, struct sl_error *err);
void sl_project_free(struct sl_project *p);
const struct sl_service *sl_project_service(const struct sl_project *p, const char *name);
const char *sl_service_env(const struct sl_service *s, const char *key); // NULL = not there
