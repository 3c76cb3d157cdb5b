// SPDX-License-Identifier: Apache-2.0
#include "live/labels.h"
#include "base/csv.h"
#include "catalog/record.h"
#include <inttypes.h>
#include <string.h>

static const char HEADER[] = "address,port,from_ns,to_ns,project,service,image,class,role,"
                             "statement,instance,replica,host\n";

// Endpoints of a service are its replicas, numbered from 1 in their order.
static int replica_of(const struct sl_instance *i, size_t endpoint)
{
    int n = 1;
    for (size_t k = 0; k < endpoint; k++)
        n += !strcmp(i->endpoints.at[k].service, i->endpoints.at[endpoint].service);
    return n;
}

static void add_texts(struct sl_str *out, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sl_csv_add(out, texts[i]);
        sl_str_add(out, ",");
    }
}

static void add_endpoint(const struct sl_run *r, const struct sl_run_instance *in, size_t endpoint,
                         int64_t to_ns, struct sl_str *out)
{
    static const char *const roles[] = {"", "server", "client", "both"};
    const struct sl_endpoint *ep = &in->instance->endpoints.at[endpoint];
    const struct sl_project *project = in->instance->project;
    const struct sl_service *s = ep->is_driver ? NULL : sl_project_service(project, ep->service);
    char *const *refs = r->projects.at[in->project].refs;
    const char *image = s && refs ? refs[s - project->services] : NULL;
    const char *const texts[] = {in->option->record->name,
                                 ep->is_driver ? SL_PEER_DRIVER : ep->service, image,
                                 s && s->guess.cls > 0 ? sl_class_name(s->guess.cls) : "",
                                 ep->is_driver ? "driver"
                                 : s           ? roles[s->guess.role]
                                               : ""};
    char host[16], addr[16];
    for (size_t n = 0; n < ep->n_nets; n++) {
        if (!ep->nets[n].ipv4)
            continue;
        sl_str_addf(out, "%s,,%" PRId64 ",", sl_ipv4_text(ep->nets[n].ipv4, addr),
                    r->wall_start_ns);
        if (to_ns)
            sl_str_addf(out, "%" PRId64, to_ns);
        sl_str_add(out, ",");
        add_texts(out, texts, sizeof texts / sizeof *texts);
        sl_str_addf(out, "%d,", in->statement + 1);
        sl_csv_add(out, in->instance->name);
        sl_str_addf(out, ",%d,%s\n", replica_of(in->instance, endpoint),
                    in->endpoint_host ? sl_host_name(in->endpoint_host[endpoint], host) : "");
    }
}

void sl_run_labels(const struct sl_run *r, int64_t to_ns, struct sl_str *out)
{
    sl_str_add(out, HEADER);
    for (size_t k = 0; k < r->instances.len; k++) {
        const struct sl_run_instance *in = &r->instances.at[k];
        for (size_t e = 0; in->instance && e < in->instance->endpoints.len; e++)
            add_endpoint(r, in, e, to_ns, out);
    }
}
