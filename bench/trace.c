// SPDX-License-Identifier: Apache-2.0
/*
 * Packets per CPU-second of reading alone: nothing is decoded.
 *
 * usage: bench_trace [TRACE]     any capture that is read, compressed too
 *
 * Without a trace, 3,000,000 packets of 74 captured bytes are made in a file in /tmp. The trace is
 * read several times from the page cache; the best time is reported, as CPU time because the
 * machine may be shared. "touched" also looks at each packet's headers, as every user does. Where
 * capinfos is installed, `capinfos -c` reads the same file in turn with us, and its best CPU time
 * is reported.
 */
#include "net/trace.h"
#include "base/proc.h"
#include "net/pcapfile.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 5, BATCH = 256, MADE_PACKETS = 3000000, MADE_BYTES = 74 };

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double children_cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static bool make(const char *path, struct sl_error *err)
{
    uint8_t frame[MADE_BYTES] = {0};
    struct sl_pcap_writer *w = sl_pcap_create(path, MADE_BYTES, err);
    for (int i = 0; w && i < MADE_PACKETS; i++) {
        memcpy(frame, &i, sizeof i);
        if (!sl_pcap_write(w, INT64_C(1700000000000000000) + i * INT64_C(1000), frame, sizeof frame,
                           600, err)) {
            bool closed = sl_pcap_close(w, NULL);
            (void)closed; // the first error counts
            return false;
        }
    }
    return w && sl_pcap_close(w, err);
}

static uint64_t sum; // so that looking is not optimised away

static void touch(const struct sl_trace_packet *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i + 8 < n)
            __builtin_prefetch(p[i + 8].data + 14);
        if (p[i].captured >= 54)
            sum += (uint64_t)p[i].data[12] + p[i].data[23] + p[i].data[47];
    }
}

// CPU seconds for the whole trace.
static bool read_trace(const char *path, bool touched, double *seconds, uint64_t *packets,
                       struct sl_error *err)
{
    static struct sl_trace_packet batch[BATCH];
    double begin = cpu_s();
    struct sl_trace *t = sl_trace_open(path, err);
    if (!t)
        return false;
    size_t n = 0;
    bool ok;
    for (*packets = 0; (ok = sl_trace_read(t, batch, BATCH, &n, err)) && n > 0; *packets += n)
        if (touched)
            touch(batch, n);
    sl_trace_close(t);
    *seconds = cpu_s() - begin;
    return ok;
}

static bool capinfos(const char *path, double *seconds, struct sl_error *err)
{
    const char *const argv[] = {"capinfos", "-c", path, NULL};
    double begin = children_cpu_s();
    if (!sl_proc_run(argv, &(struct sl_proc_options){0}, err))
        return false;
    *seconds = children_cpu_s() - begin;
    return true;
}

static void report(const char *what, double seconds, uint64_t packets)
{
    printf("%-12s %8.4f us per packet  %7.1f M packets per CPU-second\n", what,
           seconds / (double)packets * 1e6, (double)packets / seconds * 1e-6);
}

static bool run(const char *path, struct sl_error *err)
{
    double best[3] = {1e9, 1e9, 1e9}, seconds;
    uint64_t packets = 0;
    bool peer = sl_proc_have("capinfos");
    for (int round = 0; round < ROUNDS; round++) {
        for (int touched = 0; touched < 2; touched++) {
            if (!read_trace(path, touched, &seconds, &packets, err))
                return false;
            best[touched] = seconds < best[touched] ? seconds : best[touched];
        }
        if (peer && !capinfos(path, &seconds, err))
            return false;
        if (peer)
            best[2] = seconds < best[2] ? seconds : best[2];
    }
    if (packets == 0)
        return sl_fail(err, SL_EINPUT, "'%s' has no packets", path);
    printf("%" PRIu64 " packets, best of %d\n", packets, ROUNDS);
    report("read", best[0], packets);
    report("touched", best[1], packets);
    if (peer)
        report("capinfos -c", best[2], packets);
    else
        printf("capinfos is not here: no comparison\n");
    return true;
}

int main(int argc, char **argv)
{
    struct sl_error err = {0};
    char made[] = "/tmp/sluice-bench-trace-XXXXXX";
    bool ok = true, given = argc > 1;
    if (!given) {
        int fd = mkstemp(made);
        ok = fd >= 0;
        if (ok)
            close(fd);
        ok = ok && make(made, &err);
    }
    ok = ok && run(given ? argv[1] : made, &err);
    if (!given)
        unlink(made);
    if (!ok)
        fprintf(stderr, "bench_trace: %s\n", err.msg);
    return ok ? 0 : 1;
}
