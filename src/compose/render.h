// SPDX-License-Identifier: Apache-2.0
/*
 * Writes the runnable Compose file of one instance: holders own the networks, services join them.
 *
 * Dialect  what both `docker compose` v2 and docker-compose 1.29 accept: no version, no name;
 *          depends_on as a map with `condition` only; mem_limit, pids_limit, cpus at service level;
 *          every scalar quoted where text is wanted; every $ doubled. Output is deterministic.
 * Shape    for each enabled service S on a network: a holder "sl-net-S" (image holder_image,
 * attached to S's networks with aliases S, its hostname and its old container_name; dns = resolver;
 *          extra_hosts, sysctls, hostname of S) and S itself with network_mode "service:sl-net-S".
 *          Drivers are holders "sl-drive-N" alone. Holders start with command ["sluice-pause"].
 *          Replicas get suffixed names S-2 ... with the alias S as well.
 * Policy   services: cap_drop ALL, cap_add of the stated set, security_opt no-new-privileges,
 *          mem_limit, memswap_limit, pids_limit, cpus, logging json-file with max-size; nothing of
 * the host. Holders: cap_drop ALL, cap_add NET_BIND_SERVICE, read_only, small limits. Errors
 * SL_ERUN when a subnet is missing for a network.
 */
#pragma once
#include "compose/project.h"

struct sl_render_subnet {
    const char *network; // key of the project's network
    const char *name;    // engine-wide name: "<instance>_<key>"
    const char *subnet;  // "10.201.3.0/27"
};
struct sl_render_image {
    const char *service;
    const char *image; // what to run: an image that is present (built ones under our own prefix)
};
struct sl_render_driver {
    const char *name;    // "sl-drive-1"
    const char *network; // key of the network it joins
};
struct sl_render_options {
    const char *instance; // "-p" name; prefix of volumes and networks
    const char *tree;     // absolute path of this instance's copy of the project's folder
    const char *holder_image;
    const char *resolver;         // dns of the holders
    const struct sl_pair *labels; // on every container, network and volume
    size_t n_labels;
    const struct sl_render_subnet *subnets;
    size_t n_subnets;
    const struct sl_render_image *images; // one per enabled service
    size_t n_images;
    const struct sl_render_driver *drivers;
    size_t n_drivers;
    uint64_t mem_bytes; // per service; 0 = 768 MiB
    int pids;           // per service; 0 = 256
    double cpus;        // per service; 0 = 2
};
SL_MUST_USE char *sl_compose_render(const struct sl_project *p, const struct sl_render_options *opt,
                                    struct sl_error *err); // YAML text, caller frees
// The build-only file of a project: services with `build` only, images renamed to
// "sluice/<project>-<digest12>/<service>:latest"; tree as above.
SL_MUST_USE char *sl_compose_render_build(const struct sl_project *p, const char *tree,
                                          struct sl_error *err);
char *sl_compose_built_image(const struct sl_project *p, const char *service); // caller frees
// Names of what render makes for a service, replica 1-based. Caller frees.
char *sl_compose_holder_name(const char *service, int replica);
char *sl_compose_service_name(const char *service, int replica);
char *sl_compose_inline_dockerfile(const struct sl_service *s); // path below the tree; caller frees
// What a fresh copy of the tree still lacks: Dockerfiles written inline, and folders for binds
// whose source is not there (the engine would refuse them). Call it before building.
SL_MUST_USE bool sl_compose_prepare_tree(const struct sl_project *p, const char *tree,
                                         struct sl_error *err);
