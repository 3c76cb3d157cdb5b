// SPDX-License-Identifier: Apache-2.0
/*
 * How long choosing takes and how near it comes, on a synthetic catalogue (specs/live.md 2.1):
 * rates log-normal with median 0.3 Mbit/s and sigma 1.8, flows log-normal, 2 to 8 containers, 40 %
 * of the projects with a second class, 8 classes; a third drives itself, the rest is driven.
 * Statements: two per host pair, 5 to 200 Mbit/s, 40 % with a lower flow bound, 20 % with an exact
 * one.
 *
 *     bench_plan [PROJECTS [STATEMENTS [SEED [CPU]]]]        default 74,000 x 1, 10, 50
 */
#include "plan/plan.h"
#include "base/clock.h"
#include "base/rng.h"
#include "classes/classes.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 8 };
static const double MEDIAN_BPS = 0.3e6, SIGMA = 1.8;

static const char *class_name(uint64_t i)
{
    size_t n;
    const char *const *names = sl_class_names(&n);
    return names[i % (n < CLASSES ? n : CLASSES)];
}

static double lognormal_median(struct sl_rng *rng, double median, double sigma)
{
    return median * exp(sigma * sl_rng_normal(rng));
}

static struct sl_edge edge(struct sl_rng *rng, const char *src, const char *dst, uint64_t cls,
                           double seconds)
{
    double bps = lognormal_median(rng, MEDIAN_BPS, SIGMA), up = 0.05 + 0.4 * sl_rng_uniform(rng);
    double bytes = bps * seconds / 8;
    return (struct sl_edge){.src = src,
                            .dst = dst,
                            .proto = cls == 5 ? 17 : 6,
                            .dport = (uint16_t)(1000 + cls),
                            .cls = class_name(cls),
                            .app = "",
                            .confidence = 1,
                            .bytes_up = (uint64_t)(bytes * up),
                            .bytes_down = (uint64_t)(bytes * (1 - up)),
                            .bps_mean = bps,
                            .bps_peak = 1.5 * bps,
                            .flows_active = lognormal_median(rng, 4, 1)};
}

static struct sl_record *record(uint64_t seed, uint64_t index)
{
    static const char *const names[] = {"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"};
    struct sl_rng rng = sl_rng_stream(seed, "bench.record", index);
    struct sl_record *r = sl_alloc(sizeof *r);
    r->name = sl_arena_format(&r->arena, "p%" PRIu64, index);
    r->repo = r->digest = r->name;
    r->dir = r->commit = "";
    r->compose_path = "compose.yml";
    r->n_services = 2 + sl_rng_below(&rng, 7);
    r->services = sl_arena_alloc(&r->arena, r->n_services * sizeof *r->services);
    for (size_t i = 0; i < r->n_services; i++) {
        r->services[i].name = names[i];
        r->services[i].cpu_idle = 0.01 * sl_rng_uniform(&rng);
        r->services[i].cpu_driven = 0.2 * sl_rng_uniform(&rng);
        r->services[i].mem_bytes = lognormal_median(&rng, 64e6, 0.7);
    }
    bool driven = sl_rng_below(&rng, 3) > 0, second = sl_rng_uniform(&rng) < 0.4;
    struct sl_phase *ph = sl_arena_alloc(&r->arena, sizeof *ph);
    *ph = (struct sl_phase){.name = driven ? "driven" : "idle",
                            .protocol = driven ? "http" : "",
                            .target = driven ? "s0" : "",
                            .port = 80,
                            .duration_s = 30,
                            .users = driven ? 1 + (int)sl_rng_below(&rng, 64) : 0};
    ph->edges = sl_arena_alloc(&r->arena, 3 * sizeof *ph->edges);
    uint64_t cls = sl_rng_below(&rng, CLASSES);
    ph->edges[ph->n_edges++] =
        edge(&rng, driven ? SL_PEER_DRIVER : "s0", driven ? "s0" : "s1", cls, 30);
    if (second)
        ph->edges[ph->n_edges++] =
            edge(&rng, "s0", "s1", (cls + 1 + sl_rng_below(&rng, CLASSES - 1)) % CLASSES, 30);
    r->phases = ph;
    r->n_phases = 1;
    return r;
}

static struct sl_spec *spec(uint64_t seed, int statements)
{
    struct sl_rng rng = sl_rng_stream(seed, "bench.spec", (uint64_t)statements);
    struct sl_str text = {0};
    for (int i = 0; i < statements; i++) {
        int pair = i / 2 % 100;
        sl_str_addf(&text, "generate %s traffic from h%d to h%d with %dkbps",
                    class_name(sl_rng_below(&rng, CLASSES)), 2 * pair + 1, 2 * pair + 2,
                    5000 + (int)sl_rng_below(&rng, 195000));
        double bound = sl_rng_uniform(&rng);
        if (bound < 0.6)
            sl_str_addf(&text, " using %s %d flows", bound < 0.4 ? ">=" : "=",
                        5 + (int)sl_rng_below(&rng, 60));
        sl_str_add(&text, ";\n");
    }
    struct sl_spec *s = sl_spec_parse("bench.dtsl", sl_str_text(&text), text.len);
    sl_str_done(&text);
    return s;
}

static void measure(struct sl_record *const *records, size_t n, int statements, uint64_t seed,
                    double cpu)
{
    struct sl_spec *s = spec(seed, statements);
    struct sl_plan_options opt = {.seed = seed, .cpu = cpu};
    struct sl_error err = {0};
    int64_t start = sl_mono_ns();
    struct sl_plan *p = sl_plan_make(s, records, n, &opt, &err);
    double seconds = (double)(sl_mono_ns() - start) / 1e9;
    if (!p) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    double sum = 0, worst = 0;
    int flows_missed = 0;
    for (size_t i = 0; i < p->n_statements; i++) {
        sum += p->statements[i].deviation;
        worst = fmax(worst, p->statements[i].deviation);
        flows_missed += !p->statements[i].flows_ok;
    }
    printf("%7zu x %2d  %7.3f s  mean deviation %7.4f %%  worst %7.3f %%  flows missed %2d  "
           "containers %3d  cpu %6.1f  objective %8.3f  greedy %8.3f\n",
           n, statements, seconds, 100 * sum / statements, 100 * worst, flows_missed, p->containers,
           p->cpu, p->objective, p->greedy_objective);
    fflush(stdout);
    sl_plan_free(p);
    sl_spec_free(s);
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 74000;
    int statements = argc > 2 ? atoi(argv[2]) : 0;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    double cpu = argc > 4 ? atof(argv[4]) : 0;
    struct sl_record **records = sl_alloc((n + 1) * sizeof *records);
    for (size_t i = 0; i < n; i++)
        records[i] = record(seed, i);
    static const int sizes[] = {1, 10, 50};
    for (size_t i = 0; i < (statements ? 1 : 3); i++)
        measure(records, n, statements ? statements : sizes[i], seed, cpu);
    for (size_t i = 0; i < n; i++) {
        sl_arena_done(&records[i]->arena);
        free(records[i]);
    }
    free(records);
    return 0;
}
