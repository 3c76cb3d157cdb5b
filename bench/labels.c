// SPDX-License-Identifier: Apache-2.0
/*
 * What labels, graph and rates cost: CPU nanoseconds for a packet (rates) or a flow (the rest), on
 * made-up traffic: 40 classes, 20,000 addresses, 1,000 of them in the label book.
 */
#include "base/rng.h"
#include "base/str.h"
#include "classes/classes.h"
#include "measure/confusion.h"
#include "measure/graph.h"
#include "measure/rates.h"
#include "net/services.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FLOWS = 1 << 18, PACKETS = 1 << 23, ADDRESSES = 20000, KNOWN = 1000, CLASSES = 40 };

struct flow {
    struct sl_tuple tuple;
    uint32_t cls;
};

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void tell(const char *what, double since, double n)
{
    printf("%-34s %8.1f ns\n", what, (cpu_s() - since) / n * 1e9);
}

static struct sl_truth *make_book(void)
{
    struct sl_str s = {0};
    struct sl_error err;
    sl_str_add(&s, "address,service,image,class\n");
    for (uint32_t i = 0; i < KNOWN; i++)
        sl_str_addf(&s, "10.0.%u.%u,s%u,postgres,database\n", i >> 8, i & 255, i);
    struct sl_truth *t = sl_truth_parse("made-up", s.text, s.len, &err);
    sl_str_done(&s);
    return t;
}

static struct flow *make_flows(void)
{
    struct sl_rng rng = sl_rng_stream(1, "bench.labels", 0);
    struct flow *f = calloc(FLOWS, sizeof *f);
    for (size_t i = 0; f && i < FLOWS; i++) {
        f[i].tuple = (struct sl_tuple){
            .src = sl_addr_from_v4(0x0a000000 + (uint32_t)sl_rng_below(&rng, ADDRESSES)),
            .dst = sl_addr_from_v4(0x0a000000 + (uint32_t)sl_rng_below(&rng, ADDRESSES) / 16),
            .sport = (uint16_t)(32768 + sl_rng_below(&rng, 28000)),
            .dport = (uint16_t)sl_rng_below(&rng, 10000),
            .proto = sl_rng_below(&rng, 4) ? 6 : 17};
        f[i].cls = (uint32_t)sl_rng_below(&rng, CLASSES);
    }
    return f;
}

static void bench_rates(const struct flow *f)
{
    struct sl_error err;
    struct sl_rates *r = sl_rates_new(&(struct sl_rates_options){.classes = CLASSES}, &err);
    double since = cpu_s();
    for (int64_t i = 0; r && i < PACKETS; i++) // 600 packets a second, classes at random
        sl_rates_add(r, i * 1666666, f[i & (FLOWS - 1)].cls, 0, i & 1, 293, 1);
    tell("rates, a packet", since, PACKETS);
    sl_rates_free(r);
}

static void bench_flows(const struct flow *f, const struct sl_services *s, const struct sl_truth *t)
{
    struct sl_flow_graph *g = sl_flow_graph_new(NULL);
    struct sl_confusion *c = sl_confusion_new();
    struct sl_truth_flow *who = calloc(FLOWS, sizeof *who);
    struct sl_service *name = calloc(FLOWS, sizeof *name);
    double since = cpu_s();
    for (size_t i = 0; i < FLOWS; i++)
        name[i] = sl_service_of_flow(s, f[i].tuple.proto, f[i].tuple.sport, f[i].tuple.dport, true);
    tell("port name, a flow", since, FLOWS);
    since = cpu_s();
    for (size_t i = 0; i < FLOWS; i++)
        sl_truth_of_flow(t, &f[i].tuple, 1, true, &who[i]);
    tell("truth, a flow", since, FLOWS);
    since = cpu_s();
    for (size_t i = 0; i < FLOWS; i++)
        sl_flow_graph_add(g, &(struct sl_graph_edge_in){.src = f[i].tuple.src,
                                                        .dst = f[i].tuple.dst,
                                                        .src_who = who[i].client,
                                                        .dst_who = who[i].server,
                                                        .proto = f[i].tuple.proto,
                                                        .port = name[i].port,
                                                        .flows = 1,
                                                        .packets = {7, 7},
                                                        .bytes = {2000, 2000}});
    tell("graph (few flows share an edge)", since, FLOWS);
    since = cpu_s();
    for (size_t i = 0; i < FLOWS; i++)
        sl_confusion_add(c, f[i].tuple.proto, name[i].port, sl_service_name(s, name[i].id),
                         who[i].server, &(struct sl_confusion_count){1, 14, 4000});
    tell("confusion, a flow", since, FLOWS);
    struct sl_flow_graph_size size;
    sl_flow_graph_size(g, &size);
    printf("%zu nodes, %zu edges\n", size.nodes, size.edges);
    sl_flow_graph_free(g);
    sl_confusion_free(c);
    free(who);
    free(name);
}

int main(void)
{
    struct flow *f = make_flows();
    struct sl_truth *t = make_book();
    double since = cpu_s();
    struct sl_services *s = sl_services_builtin();
    tell("making the registry, once", since, 1);
    if (f && t) {
        bench_rates(f);
        bench_flows(f, s, t);
    }
    sl_services_free(s);
    sl_truth_free(t);
    free(f);
    return 0;
}
