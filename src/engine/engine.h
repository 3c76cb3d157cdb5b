// SPDX-License-Identifier: Apache-2.0
/*
 * The Docker Engine API over its Unix socket (libcurl), as far as Sluice needs it.
 *
 * Errors   SL_EENV when the engine cannot be reached (with the remedy), SL_ERUN when it refuses.
 *          "Not there" on remove and kill is success: all clean-up works twice.
 * Threads  one handle per thread.
 */
#pragma once
#include "base/error.h"
#include "base/json.h"
#include <stdint.h>
#include <sys/types.h>

#define SL_ENGINE_SOCKET "/var/run/docker.sock"
#define SL_LABEL_RUN "sluice.run"           // id of the run or observation that owns it
#define SL_LABEL_INSTANCE "sluice.instance" // instance name
#define SL_LABEL_ROLE "sluice.role"         // "holder", "driver", "service"
#define SL_LABEL_SERVICE "sluice.service"   // service name in the project

struct sl_engine;
SL_MUST_USE struct sl_engine *sl_engine_open(const char *socket_path, struct sl_error *err); // NULL = default or $DOCKER_HOST unix://
void sl_engine_close(struct sl_engine *e);
// One request; any status. body may be NULL. The reply's JSON (NULL for none). Caller decrefs.
SL_MUST_USE bool sl_engine_request(struct sl_engine *e, const char *method, const char *path,
                                   const json_t *body, int *status, json_t **reply,
                                   struct sl_error *err);
SL_MUST_USE json_t *sl_engine_version(struct sl_engine *e, struct sl_error *err);
SL_MUST_USE json_t *sl_engine_info(struct sl_engine *e, struct sl_error *err);

struct sl_container_net {
    char network[128];   // engine-wide network name
    char network_id[65];
    char ifname[16];     // inside the container: found by MAC or address; "" if not known
    char mac[18];
    uint32_t ipv4;       // host byte order; 0 = none
    int prefix_len;
};
struct sl_container {
    char id[65], name[128], image[256], image_id[80];
    char instance[128], role[16], service[128], run[64];
    pid_t pid;           // 0 when not running
    char state[16];      // "created", "running", "restarting", "exited", "dead", "paused"
    char health[16];     // "", "starting", "healthy", "unhealthy"
    int exit_code;
    int restarts;
    bool oom_killed;
    char error[256];
    int64_t started_ns, finished_ns; // wall; 0 = not
    struct sl_container_net nets[8];
    size_t n_nets;
};
struct sl_container_list {
    struct sl_container *at;
    size_t len;
};
// Containers (all states) with label key=value (value NULL: any value), each one inspected. Sorted by name.
SL_MUST_USE bool sl_engine_containers(struct sl_engine *e, const char *label, const char *value,
                                      struct sl_container_list *out, struct sl_error *err);
void sl_container_list_done(struct sl_container_list *l);
SL_MUST_USE bool sl_engine_kill(struct sl_engine *e, const char *id, struct sl_error *err);
SL_MUST_USE bool sl_engine_stop(struct sl_engine *e, const char *id, int seconds, struct sl_error *err);
SL_MUST_USE bool sl_engine_remove(struct sl_engine *e, const char *id, struct sl_error *err); // force, with anonymous volumes
// Log text (stdout and stderr interleaved, demultiplexed), at most max_bytes of its end. Caller frees.
SL_MUST_USE char *sl_engine_logs(struct sl_engine *e, const char *id, size_t max_bytes, struct sl_error *err);
struct sl_container_usage {
    double cpu_s;          // CPU seconds since its start
    uint64_t mem_bytes;    // resident, without page cache
};
SL_MUST_USE bool sl_engine_usage(struct sl_engine *e, const char *id, struct sl_container_usage *out, struct sl_error *err); // one shot, no wait
SL_MUST_USE bool sl_engine_networks(struct sl_engine *e, const char *label, const char *value, json_t **array, struct sl_error *err);
SL_MUST_USE bool sl_engine_network_remove(struct sl_engine *e, const char *id, struct sl_error *err);
SL_MUST_USE bool sl_engine_volumes_remove(struct sl_engine *e, const char *label, const char *value, struct sl_error *err);
// Subnets of all networks of the engine, as text array; the allocator avoids them.
SL_MUST_USE bool sl_engine_subnets(struct sl_engine *e, json_t **array, struct sl_error *err);
SL_MUST_USE bool sl_engine_image_present(struct sl_engine *e, const char *ref, bool *present, char id[80], struct sl_error *err);
// Removes containers, networks and volumes with the label: what `down` calls. Works twice. Counts may be NULL.
SL_MUST_USE bool sl_engine_sweep(struct sl_engine *e, const char *label, const char *value, int *containers, int *networks, struct sl_error *err);

// The compose tool: `docker compose` (v2) or docker-compose (1.29), whichever is there.
struct sl_compose_tool {
    const char *argv0[3]; // NULL-terminated: {"docker","compose"} or {"docker-compose"}
    int major;            // 1 or 2
    char version[32];
};
SL_MUST_USE bool sl_compose_tool_find(struct sl_compose_tool *t, struct sl_error *err);
struct sl_compose_call {
    const char *project, *file; // -p, -f
    int64_t deadline_ns;
    void (*on_line)(void *ctx, const char *line);
    void *ctx;
};
SL_MUST_USE bool sl_compose_up(const struct sl_compose_tool *t, const struct sl_compose_call *c,
                               const char *const *services, size_t n, struct sl_error *err); // up -d --no-build [services]; n 0 = all
