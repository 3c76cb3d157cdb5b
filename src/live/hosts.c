// SPDX-License-Identifier: Apache-2.0
#include "live/hosts.h"
#include "base/auto.h"
#include "base/mem.h"
#include "netns/filter.h"
#include "netns/netns.h"
#include <stdio.h>
#include <string.h>

static bool make_host(struct sl_hosts *h, struct sl_host *host, int index, struct sl_error *err)
{
    host->index = index;
    host->ns = -1;
    if (index)
        snprintf(host->name, sizeof host->name, "h%d", index);
    else
        snprintf(host->name, sizeof host->name, "ext");
    snprintf(host->ns_name, sizeof host->ns_name, "sluice-%.60s-%.15s", h->run, host->name);
    return sl_netns_create(host->ns_name, err) && sl_netns_open(host->ns_name, &host->ns, err) &&
           sl_link_bridge(host->ns, "br0", err) &&
           sl_link_veth(host->ns, "up", h->ns, host->name, err) &&
           sl_link_enslave(host->ns, "up", "br0", err) &&
           sl_link_enslave(h->ns, host->name, "net0", err);
}

bool sl_hosts_make(struct sl_hosts *h, const char *run, int max_host, bool external,
                   struct sl_error *err)
{
    memset(h, 0, sizeof *h);
    h->ns = -1;
    snprintf(h->run, sizeof h->run, "%s", run);
    snprintf(h->ns_name, sizeof h->ns_name, "sluice-%.60s", run);
    h->at = sl_alloc((size_t)(max_host + 1) * sizeof *h->at);
    if (!sl_netns_create(h->ns_name, err) || !sl_netns_open(h->ns_name, &h->ns, err) ||
        !sl_link_bridge(h->ns, "net0", err))
        return false;
    for (int k = external ? 0 : 1; k <= max_host; k++)
        if (!make_host(h, &h->at[h->n++], k, err))
            return sl_within(err, "making host %s", h->at[h->n - 1].name);
    return true;
}

struct sl_host *sl_hosts_get(struct sl_hosts *h, int index)
{
    for (int k = 0; k < h->n; k++)
        if (h->at[k].index == index)
            return &h->at[k];
    return NULL;
}

bool sl_hosts_filter(struct sl_hosts *h, const char *const *subnets, size_t n, struct sl_error *err)
{
    for (int k = 0; k < h->n; k++)
        if (!sl_filter_bridge(h->at[k].ns, h->run, subnets, n, err))
            return false;
    return true;
}

void sl_hosts_done(struct sl_hosts *h)
{
    for (int k = 0; k < h->n; k++)
        sl_close_fd(&h->at[k].ns);
    sl_close_fd(&h->ns);
    free(h->at);
    h->at = NULL;
    h->n = 0;
}
