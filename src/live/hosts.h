// SPDX-License-Identifier: Apache-2.0
/*
 * Hosts of a run: h1..hn and external as virtual interfaces in the run's namespace, each backed by
 * a gateway namespace that holds the containers placed there.
 *
 *     container eth0 -- port in br0 [gateway sluice-<run>-h1] up == h1 [sluice-<run>] net0 bridge
 *
 * Bridged mode: frames keep the containers' own addresses. The built-in network joins the hosts
 * with one bridge, net0. Removing the namespaces removes everything that is in them.
 */
#pragma once
#include "base/error.h"

struct sl_host {
    int index;     // 1.. = h1.., 0 = external
    char name[16]; // interface in the run's namespace: "h1", "ext"
    char ns_name[96];
    int ns; // gateway namespace
};
struct sl_hosts {
    char run[64], ns_name[96];
    int ns; // the run's namespace, with h1..hn and net0
    struct sl_host *at;
    int n;
};
SL_MUST_USE bool sl_hosts_make(struct sl_hosts *h, const char *run, int max_host, bool external,
                               struct sl_error *err);
struct sl_host *sl_hosts_get(struct sl_hosts *h, int index); // NULL = no such host
// Lets only frames within these subnets pass the gateways: projects cannot reach each other.
SL_MUST_USE bool sl_hosts_filter(struct sl_hosts *h, const char *const *subnets, size_t n,
                                 struct sl_error *err);
void sl_hosts_done(struct sl_hosts *h); // closes descriptors; namespaces go with sl_sweep_run
