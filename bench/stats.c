// SPDX-License-Identifier: Apache-2.0
/*
 * CPU-seconds of sorting, of the distances, and of a whole comparison.
 *
 * usage: bench_stats [PACKETS [PAGE.html]]     2,000,000 packets a side unless told otherwise
 *
 * The two inputs are made: web, database and name-service traffic of 60 hosts in an hour; B differs
 * in flow sizes, burstiness, TTL and class mix. With PAGE the report of the comparison is written
 * there. CPU time, because the machine may be shared.
 */
#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "stats/compare.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double cpu_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

struct kind {
    const char *cls;
    uint8_t proto, ttl;
    uint16_t port;
    double share, packets, sigma, gap_s, down; // down: share of packets that go backward
    uint32_t up_bytes, down_bytes;
};

static const struct kind kinds_a[] = {{"web", 6, 64, 443, .5, 24, 1.4, .03, .6, 90, 1460},
                                      {"database", 6, 64, 5432, .2, 60, 1, .008, .5, 140, 480},
                                      {"dns", 17, 64, 53, .25, 2, .1, .02, .5, 78, 150},
                                      {"cache", 6, 64, 6379, .05, 200, .7, .002, .5, 110, 90}};
static const struct kind kinds_b[] = {{"web", 6, 64, 443, .58, 20, 1.1, .03, .55, 90, 1460},
                                      {"database", 6, 63, 5432, .2, 60, 1, .011, .5, 140, 480},
                                      {"dns", 17, 64, 53, .18, 2, .1, .02, .5, 78, 150},
                                      {"cache", 6, 64, 6379, .04, 200, .7, .002, .5, 110, 90}};

static int by_time(const void *a, const void *b)
{
    const struct sl_sample_packet *p = a, *q = b;
    if (p->ts_ns != q->ts_ns)
        return p->ts_ns < q->ts_ns ? -1 : 1;
    return p->flow < q->flow ? -1 : p->flow > q->flow;
}

static void add_flow(struct sl_sample_set *s, struct sl_rng *rng, const struct kind *k,
                     double start)
{
    uint32_t id = (uint32_t)s->flows.len;
    uint32_t n = (uint32_t)fmax(2, sl_rng_lognormal(rng, k->packets, k->sigma));
    uint32_t who = (uint32_t)(40 * pow(sl_rng_uniform(rng), 2));
    struct sl_sample_flow f = {.src = who,
                               .dst = 40 + (uint32_t)(20 * pow(sl_rng_uniform(rng), 3)),
                               .sport = (uint16_t)(32768 + sl_rng_below(rng, 28000)),
                               .dport = k->port,
                               .proto = k->proto,
                               .cls = sl_sample_class(s, k->cls),
                               .label = sl_sample_label(s, k->port == 443 ? "https" : k->cls)};
    double t = start;
    for (uint32_t i = 0; i < n; i++) {
        bool down = i % 2 ? sl_rng_uniform(rng) < 2 * k->down - .2 : sl_rng_uniform(rng) < .2;
        uint32_t bytes = down ? k->down_bytes : k->up_bytes;
        if (sl_rng_uniform(rng) < .35)
            bytes = 60 + (uint32_t)sl_rng_below(rng, bytes);
        struct sl_sample_packet *p = SL_PUSH(&s->packets);
        *p = (struct sl_sample_packet){.ts_ns = (int64_t)(t * 1e9) + INT64_C(1700000000000000000),
                                       .flow = id,
                                       .bytes = bytes,
                                       .ttl = (uint8_t)(down ? k->ttl - 1 - (who % 3) : k->ttl),
                                       .direction = down,
                                       .tcp_flags = (uint8_t)(k->proto != 6               ? 0
                                                              : i == 0                    ? 2
                                                              : i == 1                    ? 0x12
                                                              : i + 1 == n                ? 0x11
                                                              : sl_rng_uniform(rng) < 0.4 ? 0x18
                                                                                          : 0x10)};
        f.packets[down]++;
        f.bytes[down] += bytes;
        if (!i)
            f.start_ns = p->ts_ns;
        f.duration_ns = p->ts_ns - f.start_ns;
        t += sl_rng_lognormal(rng, k->gap_s, 1.2);
    }
    f.mean_gap_s = n > 1 ? (double)f.duration_ns * 1e-9 / (n - 1) : NAN;
    *SL_PUSH(&s->flows) = f;
}

static void invent(struct sl_sample_set *s, const char *name, const struct kind *kinds,
                   size_t packets, double burst, uint64_t seed)
{
    struct sl_rng rng = sl_rng_stream(seed, "bench.stats", 0);
    *s = (struct sl_sample_set){
        .name = sl_strdup(name), .kind = sl_strdup("pcapng"), .known = SL_KNOW_ALL};
    double t = 0, rate = (double)packets / 40 / 3600, level = 1, until = 0;
    while (s->packets.len < packets) {
        if (t >= until) { // bursts: the rate of new flows changes now and then
            level = sl_rng_lognormal(&rng, 1, burst);
            until = t + sl_rng_exponential(&rng, 5);
        }
        t += fmin(sl_rng_exponential(&rng, 1 / (rate * level)), until - t + 1e-3);
        double u = sl_rng_uniform(&rng);
        size_t k = 0;
        for (; k < 3 && u >= kinds[k].share; k++)
            u -= kinds[k].share;
        add_flow(s, &rng, &kinds[k], t);
    }
    qsort(s->packets.at, s->packets.len, sizeof *s->packets.at, by_time);
}

static void bench_distance(size_t n)
{
    double *x = sl_alloc(n * sizeof *x), *y = sl_alloc(n * sizeof *y);
    struct sl_rng rng = sl_rng_stream(1, "bench.sort", 0);
    for (int whole = 0; whole < 2; whole++) {
        for (size_t i = 0; i < n; i++) {
            x[i] = sl_rng_exponential(&rng, 1);
            y[i] = sl_rng_exponential(&rng, 1.1);
            if (whole)
                x[i] = floor(fmin(x[i] * 400, 1500)), y[i] = floor(fmin(y[i] * 400, 1500));
        }
        double t0 = cpu_s();
        sl_sort_samples(x, NULL, n);
        sl_sort_samples(y, NULL, n);
        double t1 = cpu_s();
        struct sl_dist p = {x, NULL, n}, q = {y, NULL, n};
        struct sl_bins bins;
        struct sl_distance d;
        sl_bins_auto(&bins, &p, true);
        sl_distance_samples(&p, &q, &bins, sl_w1_scale(&p), &d);
        printf("%s: 2 x %.0f k sorted in %.3f CPU-s, JSD + W1 + KS in %.3f CPU-s (KS %.4f)\n",
               whole ? "integers" : "doubles", (double)n / 1e3, t1 - t0, cpu_s() - t1, d.ks);
    }
    free(x);
    free(y);
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000000;
    struct sl_sample_set a, b;
    struct sl_error err = {0};
    bench_distance(n);
    invent(&a, "office-2026-11-20.pcapng", kinds_a, n, .5, 1);
    invent(&b, "model/swing-7.pcapng", kinds_b, n, .25, 2);
    double t0 = cpu_s();
    struct sl_comparison *c = sl_compare(&a, &b, NULL);
    printf("compare: %zu + %zu packets, %zu + %zu flows, %zu parts: %.2f CPU-s\n", a.packets.len,
           b.packets.len, a.flows.len, b.flows.len, c->n_selections, cpu_s() - t0);
    struct sl_str text = {0};
    sl_comparison_text(c, false, &text);
    if (n <= 5000000)
        fputs(sl_str_text(&text), stdout);
    sl_str_done(&text);
    int status = 0;
    if (argc > 2) {
        char *html = sl_comparison_html(c, NULL, &err);
        if (!html || !sl_write_file(argv[2], html, strlen(html), &err)) {
            fprintf(stderr, "error: %s\n", err.msg);
            status = 1;
        }
        free(html);
    }
    sl_comparison_free(c);
    sl_sample_set_done(&a);
    sl_sample_set_done(&b);
    return status;
}
