// SPDX-License-Identifier: Apache-2.0
/*
 * One running copy of a project: from the repaired model to wired containers, and back to nothing.
 * Used by observe and by live, which differ in where the wires end.
 *
 * Order    images, copy of the tree, subnets, runnable file; holders; (the caller wires every
 *          endpoint with sl_instance_wire); services; health.
 * Labels   everything carries sluice.run and sluice.instance, so that `down` needs nothing else.
 * Errors   `reason` gets a reason code of the catalogue as text when a step fails ("build_failed",
 *          ...).
 * Threads  one owner.
 */
#pragma once
#include "compose/project.h"
#include "compose/render.h"
#include "engine/images.h"
#include "instance/subnets.h"
#include "instance/who.h"

struct sl_world { // what every instance of a run shares
    struct sl_engine *engine;
    struct sl_images *images;
    struct sl_compose_tool tool;
    struct sl_subnets *subnets;
    char run[64];      // id: [a-z0-9-]
    char *work;        // folder for copies: <state>/work/<run>
    char holder[128];  // holder image
    int engine_ns;     // namespace with the engine's bridges
    char *engine_root; // the engine's data folder, once asked for
};
// Opens engine, images, compose tool; makes the work folder and the holder image.
SL_MUST_USE bool sl_world_open(struct sl_world *w, const char *run, struct sl_error *err);
void sl_world_close(struct sl_world *w);    // the work folder goes with sl_sweep_run
#define SL_WORLD_DISK_FLOOR (1024ull << 20) // bytes that strangers' projects must leave free
// Is there room on the engine's disk and on ours? SL_ERUN otherwise: engines cannot bound a
// container's disk everywhere, so it is watched.
SL_MUST_USE bool sl_world_disk_ok(struct sl_world *w, struct sl_error *err);
// A fresh run id: "run-7k3f2a".
void sl_run_id(const char *prefix, char buf[64]);

struct sl_endpoint_net {
    char network[64]; // key in the project
    char bridge[16];  // the engine's bridge
    char ifname[16];  // inside
    uint32_t ipv4;
    int prefix_len;
    bool wired;
};
struct sl_endpoint { // a holder: a service replica, or a driver
    char service[128];
    bool is_driver;
    char id[65]; // holder's container
    int netns;   // descriptor
    struct sl_endpoint_net nets[8];
    size_t n_nets;
};
struct sl_instance_state { // of the services' containers
    int total, running, starting, unhealthy, exited_ok, exited_bad, restarting;
    char waiting[128]; // a service that is waited for; "" if none
    char dead[128];    // a service that exited non-zero, with its status
};
struct sl_instance {
    struct sl_world *world;
    const struct sl_project *project; // borrowed
    char name[128];
    char *dir;  // <work>/<name>
    char *file; // runnable Compose file
    struct sl_render_subnet *subnets;
    size_t n_subnets;
    const char **drivers; // names of driver holders, borrowed from the caller's list
    size_t n_drivers;
    SL_VEC(struct sl_endpoint) endpoints; // after start_holders
};
// Pull, kit or build: everything the project's services run from. Does nothing when it is there
// already. Builds work on a private copy of the project's folder. refs: image per service, in the
// order of project->services (NULL for disabled ones); caller frees each and the array.
SL_MUST_USE bool sl_instance_images(struct sl_world *w, const struct sl_project *p, char ***refs,
                                    const char **reason, const char **sub_reason,
                                    struct sl_error *err);
SL_MUST_USE struct sl_instance *sl_instance_new(struct sl_world *w, const struct sl_project *p,
                                                int number, char *const *image_refs,
                                                const struct sl_render_driver *drivers,
                                                size_t n_drivers, double cpus,
                                                struct sl_error *err);
SL_MUST_USE bool sl_instance_start_holders(struct sl_instance *i, const char **reason,
                                           struct sl_error *err);
// Moves the outer ends of one endpoint's interfaces into `ns` under `bridge_of(network)`.
SL_MUST_USE bool sl_instance_wire(struct sl_instance *i, struct sl_endpoint *ep, int ns,
                                  const char *(*bridge_of)(void *ctx, const char *network),
                                  void *ctx, const char *name_prefix, struct sl_error *err);
SL_MUST_USE bool sl_instance_start_services(struct sl_instance *i, const char **reason,
                                            struct sl_error *err);
SL_MUST_USE bool sl_instance_state(struct sl_instance *i, struct sl_instance_state *out,
                                   struct sl_error *err);
// Waits until all services run (and are healthy where they can tell); false with reason otherwise.
SL_MUST_USE bool sl_instance_settle(struct sl_instance *i, int64_t limit_ns, int step, int steps,
                                    const char **reason, struct sl_error *err);
struct sl_endpoint *sl_instance_endpoint(struct sl_instance *i,
                                         const char *service); // first replica, or driver by name
void sl_instance_book(const struct sl_instance *i, int index, char *const *image_refs,
                      struct sl_who_book *book);
// Writes each container's log to dir/<container>.log. Best effort.
void sl_instance_logs(struct sl_instance *i, const char *dir);
// Names the project asked for and that nobody owns (from the holders' resolver). Strings are the
// arena's.
void sl_instance_external_names(struct sl_instance *i, struct sl_arena *arena,
                                const char *const **names, size_t *n);
// Drops what this process holds; containers are removed by sl_sweep_run.
void sl_instance_free(struct sl_instance *i);
