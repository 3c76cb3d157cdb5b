// SPDX-License-Identifier: Apache-2.0
/*
 * How long the planner waits for its catalogue: 74,000 synthetic projects, stored and loaded again.
 * The shape follows the measured corpus: 3.55 services a project, two phases, 1.4 edges a phase.
 * Prints stores per second, file size, seconds to load (best of three), memory, and seconds of
 * stats.
 */
#include "catalog/catalog.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/rng.h"
#include "catalog/db.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PROJECTS = 74000 };

static const char *const classes[] = {"web", "database", "cache", "message-broker", "dns", "mail"};
static const char *const images[] = {"nginx:1.25", "postgres:15",    "redis:7",
                                     "rabbitmq:3", "node:18-alpine", "mysql:8"};

static void draw(struct sl_rng *rng, int i, struct sl_record *r)
{
    struct sl_arena *a = &r->arena;
    r->repo = sl_arena_format(a, "https://github.com/owner%d/project-%d", i / 3, i);
    r->commit = sl_arena_format(a, "%016" PRIx64 "%016" PRIx64, sl_rng_u64(rng), sl_rng_u64(rng));
    r->compose_path = "docker-compose.yml";
    r->name = sl_arena_format(a, "project-%d", i);
    r->dir = sl_arena_format(a, "/srv/repositories/%d/project-%d", i / 1000, i);
    r->digest = sl_arena_format(a, "%016" PRIx64, sl_rng_u64(rng));
    r->grade = 'B';
    r->started_ns = INT64_C(1700000000000000000) + i;
    r->tool_version = "sluice 0.1.0";
    r->isolation = "shared-engine";
    r->n_services = 2 + sl_rng_below(rng, 4);
    r->services = sl_arena_alloc(a, r->n_services * sizeof *r->services);
    for (size_t k = 0; k < r->n_services; k++) {
        uint64_t c = sl_rng_below(rng, 6);
        r->services[k] = (struct sl_record_service){.name = sl_arena_format(a, "service-%zu", k),
                                                    .image = images[c],
                                                    .image_id = "sha256:0123456789abcdef",
                                                    .cls = classes[c],
                                                    .app = classes[c],
                                                    .role = "server",
                                                    .cpu_idle = 0.01,
                                                    .cpu_driven = sl_rng_uniform(rng),
                                                    .mem_bytes = 1e8,
                                                    .listen = {80},
                                                    .n_listen = 1};
    }
    r->n_phases = 2;
    r->phases = sl_arena_alloc(a, 2 * sizeof *r->phases);
    for (size_t p = 0; p < 2; p++) {
        r->phases[p] = (struct sl_phase){.name = p ? "driven" : "idle",
                                         .protocol = p ? "http" : "",
                                         .target = p ? "service-0" : "",
                                         .duration_s = 60,
                                         .n_edges = 1 + sl_rng_below(rng, 2)};
        r->phases[p].edges = sl_arena_alloc(a, 2 * sizeof(struct sl_edge));
        for (size_t e = 0; e < r->phases[p].n_edges; e++)
            r->phases[p].edges[e] = (struct sl_edge){.src = e ? "service-0" : SL_PEER_DRIVER,
                                                     .dst = e ? "service-1" : "service-0",
                                                     .proto = 6,
                                                     .dport = 80,
                                                     .cls = classes[sl_rng_below(rng, 6)],
                                                     .app = "http",
                                                     .confidence = 1,
                                                     .flows = 100,
                                                     .packets_up = 1000,
                                                     .packets_down = 2000,
                                                     .bytes_up = 100000,
                                                     .bytes_down = 2000000,
                                                     .bps_mean = sl_rng_lognormal(rng, 1e6, 2),
                                                     .bps_peak = sl_rng_lognormal(rng, 3e6, 2),
                                                     .flows_active = 8};
    }
}

static void check(bool ok, const struct sl_error *err)
{
    if (ok)
        return;
    fprintf(stderr, "bench: %s\n", err->msg);
    exit(1);
}

static double seconds_since(int64_t start)
{
    return (double)(sl_mono_ns() - start) / 1e9;
}

static void fill(const char *file)
{
    struct sl_error err = {0};
    struct sl_catalog *c = sl_catalog_open(file, true, &err);
    check(c != NULL, &err);
    struct sl_rng rng = sl_rng_stream(1, "bench.catalog", 0);
    int64_t start = sl_mono_ns();
    for (int i = 0; i < PROJECTS; i++) {
        struct sl_record r = {.reason = SL_REASON_OK};
        draw(&rng, i, &r);
        check(sl_catalog_store(c, &r, &err), &err);
        sl_arena_done(&r.arena);
    }
    double s = seconds_since(start);
    sl_catalog_close(c);
    struct stat st;
    if (stat(file, &st))
        st.st_size = 0;
    printf(
        "store  %d projects in %.1f s, %.0f a second, each in its own transaction; file %.1f MiB\n",
        PROJECTS, s, PROJECTS / s, (double)st.st_size / 0x1p20);
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void load(const char *file)
{
    struct sl_error err = {0};
    double best = INFINITY, best_cpu = INFINITY;
    for (int round = 0; round < 3; round++) {
        int64_t start = sl_mono_ns();
        double cpu = cpu_seconds();
        struct sl_catalog *c = sl_catalog_open(file, false, &err);
        check(c != NULL, &err);
        struct sl_record **all;
        size_t n;
        check(sl_catalog_load_all(c, &all, &n, &err), &err);
        best = fmin(best, seconds_since(start));
        best_cpu = fmin(best_cpu, cpu_seconds() - cpu);
        sl_catalog_close(c);
        for (size_t i = 0; i < n; i++)
            sl_record_free(all[i]);
        free(all);
    }
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("load   all projects in %.3f s, CPU %.3f s (open included, best of 3); peak memory %.0f "
           "MiB\n",
           best, best_cpu, (double)use.ru_maxrss / 1024);
}

static void ask(const char *file)
{
    struct sl_error err = {0};
    struct sl_catalog *c = sl_catalog_open(file, false, &err);
    check(c != NULL, &err);
    int64_t start = sl_mono_ns();
    json_t *j = sl_catalog_stats(c, &err);
    check(j != NULL, &err);
    json_decref(j);
    printf("stats  %.3f s\n", seconds_since(start));
    start = sl_mono_ns();
    j = sl_catalog_list(c, "database", &err);
    check(j != NULL, &err);
    printf("list   %zu projects of one class in %.3f s\n", json_array_size(j),
           seconds_since(start));
    json_decref(j);
    start = sl_mono_ns();
    j = sl_catalog_show(c, "project-70000", &err);
    check(j != NULL, &err);
    json_decref(j);
    printf("show   %.3f ms\n", seconds_since(start) * 1e3);
    sl_catalog_close(c);
}

int main(void)
{
    char folder[] = "/tmp/sl-bench-XXXXXX", file[64];
    if (!mkdtemp(folder))
        return 1;
    snprintf(file, sizeof file, "%s/catalog.db", folder);
    fill(file);
    load(file);
    ask(file);
    struct sl_error err = {0};
    check(sl_remove_tree(folder, &err), &err);
    return 0;
}
