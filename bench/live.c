// SPDX-License-Identifier: Apache-2.0
/*
 * Live capture: does 'sluice flows -i' keep up with the fastest sender of this machine?
 *
 * usage: bench_live [--rounds N] [--seconds S] [--flows N] [--json FILE]      (needs root)
 *
 * Method   Two namespaces of our own with a veth pair. A sender at one end sends 60-byte UDP frames
 *          of N flows past the queueing discipline, 64 a system call, as fast as one processor
 *          goes; each reader in turn captures at the other end. Sent is the interface's own count;
 *          lost is what the reader says of the kernel's ring, checked against sent less seen.
 * Readers  nobody (how fast the sender is by itself), 'sluice flows' with the profiles basic, cic
 * and full to NumPy arrays, and tcpdump, which keeps the bytes and makes no flows.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "median.h"
#include "netns/netns.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <math.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 64, FRAME = 60 };
struct reader {
    const char *name;
    const char *argv[20]; // %O: a file for its table; NULL = nobody
    bool tcpdump, failed;
    double sent_pps[MAX_ROUNDS], lost[MAX_ROUNDS], cpu_ns[MAX_ROUNDS];
};
#define FLOWS(profile)                                                                             \
    {                                                                                              \
        "%S", "flows", "-i", "b0", "-d", "%T", "-p", profile, "-o", "%O", "--json"                 \
    }
static struct reader readers[] = {
    {.name = "nobody"},
    {.name = "sluice basic", .argv = FLOWS("basic")},
    {.name = "sluice cic", .argv = FLOWS("cic")},
    {.name = "sluice full", .argv = FLOWS("full")},
    {.name = "tcpdump",
     .argv = {"tcpdump", "-n", "-i", "b0", "-B", "65536", "-s", "256", "-w", "/dev/null"},
     .tcpdump = true},
};
enum { N = sizeof readers / sizeof *readers };

static const char *sluice;
static char table[600], seconds_text[32];
static int ns_a, ns_b, n_flows = 1000;
static double seconds_sent = 2;

static void need(bool ok, const struct sl_error *err)
{
    if (ok)
        return;
    fprintf(stderr, "bench_live: %s\n", err->msg);
    exit(1);
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

// In the namespace of a0. Never returns.
static void send_all(void)
{
    static uint8_t frames[BURST][FRAME];
    struct mmsghdr m[BURST] = {0};
    struct iovec v[BURST];
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("a0"), .sll_protocol = 0};
    if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to))
        _exit(1);
    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
    for (int i = 0; i < BURST; i++) {
        uint8_t *p = frames[i];
        static const uint8_t head[42] = {
            2,    0, 0,    0,    0, 2,  2, 0, 0,  0,  0, 1, 8,  0,                    // Ethernet
            0x45, 0, 0,    46,   0, 0,  0, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2, // IPv4
            0,    0, 0x13, 0x88, 0, 26, 0, 0};                                        // UDP
        memcpy(p, head, sizeof head);
        v[i] = (struct iovec){p, FRAME};
        m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
    }
    int64_t end = sl_mono_ns() + (int64_t)(seconds_sent * 1e9);
    for (int k = 0; sl_mono_ns() < end;) {
        for (int i = 0; i < BURST; i++, k = k + 1 < n_flows ? k + 1 : 0) {
            put16(frames[i] + 28, (unsigned)k >> 14); // last bytes of the source address
            put16(frames[i] + 34, 1024 + ((unsigned)k & 0x3fff));
        }
        sendmmsg(fd, m, BURST, 0);
    }
    _exit(0);
}

static char *filled(const char *word)
{
    return sl_strdup(!strcmp(word, "%S")   ? sluice
                     : !strcmp(word, "%T") ? seconds_text
                     : !strcmp(word, "%O") ? table
                                           : word);
}

static pid_t in_namespace(int ns, const struct reader *r, int out)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    if (setns(ns, CLONE_NEWNET))
        _exit(1);
    if (!r)
        send_all();
    char *argv[24] = {0};
    for (int i = 0; r->argv[i]; i++)
        argv[i] = filled(r->argv[i]);
    dup2(out, 1);
    dup2(out, 2);
    execvp(argv[0], argv);
    _exit(127);
}

static uint64_t sent_by_a0(void)
{
    struct sl_error err = {0};
    struct sl_link_counters c;
    need(sl_link_counters(ns_a, "a0", &c, &err), &err);
    return c.tx_packets;
}

// What the reader lost, by its own word; NAN = it said nothing that could be read.
static double lost_by(const struct reader *r, const char *text, double *seen)
{
    if (r->tcpdump) {
        const char *dropped = strstr(text, " packets dropped by kernel"),
                   *captured = strstr(text, " packets captured");
        while (captured > text && captured[-1] >= '0' && captured[-1] <= '9')
            captured--;
        while (dropped > text && dropped[-1] >= '0' && dropped[-1] <= '9')
            dropped--;
        *seen = captured ? atof(captured) : NAN;
        return dropped ? atof(dropped) : NAN;
    }
    struct sl_error err = {0};
    const char *begin = strchr(text, '{');
    json_t *j = begin ? sl_json_parse(begin, strlen(begin), "sluice", &err) : NULL;
    const json_t *live = json_object_get(j, "live"), *packets = json_object_get(j, "packets");
    double lost = live ? sl_json_num(live, "dropped_by_kernel", NAN) : NAN;
    *seen = packets ? sl_json_num(packets, "read", NAN) : NAN;
    json_decref(j);
    return lost;
}

static void one_run(struct reader *r, int round)
{
    struct sl_error err = {0};
    char path[640];
    snprintf(path, sizeof path, "%s.said", table);
    int out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    pid_t reader = r->argv[0] ? in_namespace(ns_b, r, out) : -1;
    struct timespec t = {.tv_sec = 0, .tv_nsec = 600000000};
    nanosleep(&t, NULL); // it is listening
    uint64_t before = sent_by_a0();
    pid_t sender = in_namespace(ns_a, NULL, -1);
    waitpid(sender, NULL, 0);
    double sent = (double)(sent_by_a0() - before);
    r->sent_pps[round] = sent / seconds_sent;
    r->cpu_ns[round] = r->lost[round] = NAN;
    if (reader > 0) {
        int status;
        struct rusage use;
        nanosleep(&t, NULL);
        kill(reader, SIGINT);
        wait4(reader, &status, 0, &use);
        char *text = NULL;
        size_t len;
        need(sl_read_file(path, 1 << 20, &text, &len, &err), &err);
        double seen, lost = lost_by(r, text, &seen);
        double cpu = (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec +
                     1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
        r->cpu_ns[round] = cpu * 1e9 / sent;
        r->lost[round] = lost;
        r->failed = isnan(lost);
        if (r->failed)
            fprintf(stderr, "%s said: %s\n", r->name, text);
        else if (fabs(sent - seen - lost) > 0)
            fprintf(stderr, "%s: sent %.0f, seen %.0f, lost %.0f: %.0f are not accounted for\n",
                    r->name, sent, seen, lost, sent - seen - lost);
        free(text);
    }
    close(out);
    unlink(path);
    unlink(table);
}

int main(int argc, char **argv)
{
    int rounds = 5;
    const char *json_path = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--rounds"))
            rounds = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--seconds"))
            seconds_sent = atof(argv[i + 1]);
        else if (!strcmp(argv[i], "--flows"))
            n_flows = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--json"))
            json_path = argv[i + 1];
    }
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    n_flows = n_flows < 1 ? 1 : n_flows > 1000000 ? 1000000 : n_flows;
    sluice = getenv("SLUICE") ? getenv("SLUICE") : "build/sluice";
    char folder[] = "/tmp/sluice-bench.XXXXXX";
    if (!sl_exists(sluice) || !mkdtemp(folder)) {
        fprintf(stderr,
                "bench_live: there is no '%s': start it in the project's folder, or set "
                "SLUICE\n",
                sluice);
        return 1;
    }
    snprintf(table, sizeof table, "%s/t.npy", folder);
    snprintf(seconds_text, sizeof seconds_text, "%.0fs", seconds_sent + 60);
    struct sl_error err = {0};
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("bench", "/run", "tmpfs", 0, "mode=0755")) {
        fprintf(stderr, "bench_live: namespaces: %s (it needs root)\n", strerror(errno));
        return 5;
    }
    need(sl_netns_create("live-a", &err) && sl_netns_create("live-b", &err) &&
             sl_netns_open("live-a", &ns_a, &err) && sl_netns_open("live-b", &ns_b, &err) &&
             sl_link_veth(ns_a, "a0", ns_b, "b0", &err),
         &err);
    for (int k = 0; k < rounds; k++)
        for (int i = 0; i < N; i++)
            if (!readers[i].failed)
                one_run(&readers[i], k);
    json_t *list = json_array();
    printf("60-byte frames of %d flows, %.3g s, %d rounds\n", n_flows, seconds_sent, rounds);
    printf("%-14s %14s %14s %12s %12s %10s\n", "reader", "sent M/s", "lost packets", "worst round",
           "CPU ns/pkt", "x tcpdump");
    const struct reader *floor = &readers[N - 1];
    for (int i = 0; i < N; i++) {
        struct reader *r = &readers[i];
        double worst = 0, ratio[MAX_ROUNDS];
        for (int k = 0; k < rounds; k++) {
            worst = r->lost[k] > worst ? r->lost[k] : worst;
            ratio[k] = r->cpu_ns[k] / floor->cpu_ns[k];
        }
        if (r->failed) {
            printf("%-14s is not installed, or said nothing of its losses\n", r->name);
            continue;
        }
        printf("%-14s %14.3f %14.0f %12.0f %12.0f %10.2f\n", r->name,
               median(r->sent_pps, rounds) / 1e6, median(r->lost, rounds), worst,
               median(r->cpu_ns, rounds), floor->failed ? NAN : median(ratio, rounds));
        json_array_append_new(list, json_pack("{s:s, s:f, s:o, s:f, s:o}", "reader", r->name,
                                              "sent_pps", median(r->sent_pps, rounds), "lost",
                                              sl_json_real(median(r->lost, rounds)), "lost_worst",
                                              worst, "cpu_ns_per_packet",
                                              sl_json_real(median(r->cpu_ns, rounds))));
    }
    json_t *out = json_pack("{s:s, s:i, s:f, s:i, s:o}", "schema", "sluice.bench.live/1", "rounds",
                            rounds, "seconds", seconds_sent, "flows", n_flows, "readers", list);
    if (json_path && !sl_json_save(json_path, out, &err))
        need(false, &err);
    json_decref(out);
    return sl_remove_tree(folder, &err) ? 0 : 1;
}
