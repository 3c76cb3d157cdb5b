// SPDX-License-Identifier: Apache-2.0
// golden-catalog FILE: a small catalogue with known numbers, for the cases of `sluice plan`.
#include "catalog/catalog.h"
#include <stdio.h>
#include <string.h>

struct source {
    const char *name, *cls, *protocol; // protocol "" = drives itself
    uint16_t port;
    double mbps, flows, cpu, mem_mib;
    int users, services;
};

// The first four make the plan of the paper's example (DYNAMO, HotNets 2022, section 3).
static const struct source sources[] = {
    {"blog", "web", "", 80, 50, 12, 0.4, 300, 0, 3},
    {"forum", "database", "", 5432, 30, 3, 0.3, 400, 0, 2},
    {"ledger", "database", "", 3306, 20, 4, 0.2, 350, 0, 3},
    {"notes", "database", "", 5432, 1, 1, 0.1, 150, 0, 2},
    {"shop", "web", "http", 8080, 400, 0, 1.5, 900, 20, 4},
};

static void fill(struct sl_record *r, struct sl_edge *e, struct sl_phase *p,
                 struct sl_record_service *services, const struct source *s)
{
    static const char *const names[] = {"app", "db", "queue", "mailer"};
    for (int i = 0; i < s->services; i++)
        services[i] = (struct sl_record_service){.name = names[i],
                                                 .image = "",
                                                 .image_id = "",
                                                 .cls = "",
                                                 .app = "",
                                                 .role = "",
                                                 .cpu_idle = s->cpu / s->services,
                                                 .cpu_driven = 2 * s->cpu / s->services,
                                                 .mem_bytes = s->mem_mib * 0x1p20 / s->services};
    bool driven = s->protocol[0];
    *e = (struct sl_edge){.src = driven ? SL_PEER_DRIVER : "app",
                          .dst = driven ? "app" : "db",
                          .proto = 6,
                          .dport = s->port,
                          .cls = s->cls,
                          .app = "",
                          .confidence = 1,
                          .flows = 100,
                          .bytes_up = 100000,
                          .bytes_down = 900000,
                          .bps_mean = s->mbps * 1e6,
                          .bps_peak = s->mbps * 1e6,
                          .flows_active = s->flows};
    *p = (struct sl_phase){.name = driven ? "driven" : "idle",
                           .protocol = s->protocol,
                           .target = driven ? "app" : "",
                           .port = driven ? s->port : 0,
                           .duration_s = 30,
                           .users = s->users,
                           .edges = e,
                           .n_edges = 1};
    *r = (struct sl_record){.repo = "https://example.org/golden.git",
                            .commit = "0123456789abcdef0123456789abcdef01234567",
                            .compose_path = s->name,
                            .name = s->name,
                            .dir = "/src",
                            .digest = s->name,
                            .sub_reason = "",
                            .message = "",
                            .grade = driven ? 'B' : 'A',
                            .tool_version = "golden",
                            .isolation = "",
                            .services = services,
                            .n_services = (size_t)s->services,
                            .phases = p,
                            .n_phases = 1};
}

int main(int argc, char **argv)
{
    struct sl_error err = {0};
    if (argc != 2)
        return 2;
    struct sl_catalog *c = sl_catalog_open(argv[1], true, &err);
    for (size_t i = 0; c && i < sizeof sources / sizeof *sources; i++) {
        struct sl_record_service services[4];
        struct sl_edge edge;
        struct sl_phase phase;
        struct sl_record record;
        fill(&record, &edge, &phase, services, &sources[i]);
        if (!sl_catalog_store(c, &record, &err))
            break;
    }
    sl_catalog_close(c);
    if (err.code)
        fprintf(stderr, "golden-catalog: %s\n", err.msg);
    return err.code ? 1 : 0;
}
