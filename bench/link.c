// SPDX-License-Identifier: Apache-2.0
/*
 * Emulated links: how much they carry, how exact they are, beside a plain veth pair and mahimahi.
 *
 * usage: bench_link [--rounds N] [--seconds S] [--only PART] [--json FILE]      (needs root)
 * PART: throughput, delay, rate, loss or models
 *
 * Method   Everything runs in namespaces of our own. A server at the far end, a client behind the
 *          link; each round runs every carrier in turn, a figure is the median of the rounds, a
 *          ratio the median of the ratios of the same round. TCP is cubic, counted by the receiver
 *          from 1 s on.
 * Delay    UDP probes of 100 bytes, 500 a second, stamped by the sender and by the receiving kernel
 *          (SO_TIMESTAMPNS): what they took less the delay that was set. Beside load, the load is
 *          another flow through the same link.
 * Rate     UDP that is more than the link carries: bytes on the wire (IP + 38) that arrived from the
 *          second second on, against the setting.
 * Loss     paced UDP: share that did not arrive, and the 99 % interval of a binomial around the
 *          setting.
 * Peers    mm-delay and mm-link (mahimahi), when they are installed; they refuse to run as root, so
 *          they are started as nobody. netem, where the kernel has it, is not used yet.
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
#include <math.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TCP_PORT = 5001, UDP_PORT = 5002, PROBE_PORT = 5003, PROBES = 200000 };
static char me[512];
static const char *sluice;
static char folder[] = "/tmp/sluice-bench.XXXXXX";

static void need(bool ok, const struct sl_error *err)
{
    if (ok)
        return;
    fprintf(stderr, "bench_link: %s\n", err->msg);
    exit(1);
}

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_link: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t real_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

// ---- helpers: the two ends ---------------------------------------------------------------------

static struct sockaddr_in address(const char *text, int port)
{
    if (!strcmp(text, "far"))
        text = getenv("SLUICE_SHELL_OUTSIDE") ? getenv("SLUICE_SHELL_OUTSIDE")
               : getenv("MAHIMAHI_BASE")      ? getenv("MAHIMAHI_BASE")
                                              : "10.9.0.1";
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, text, &a.sin_addr);
    return a;
}

static void say(const char *path, const char *format, ...) SL_PRINTF(2, 3);
static void say(const char *path, const char *format, ...)
{
    FILE *f = fopen(path, "we");
    va_list args;
    va_start(args, format);
    if (f) {
        vfprintf(f, format, args);
        fclose(f);
    }
    va_end(args);
}

static int tcp_sink(const char *path)
{
    static char buf[1 << 20];
    struct sockaddr_in a = address("0.0.0.0", TCP_PORT);
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    must(!bind(s, (struct sockaddr *)&a, sizeof a) && !listen(s, 4), "listen");
    int c = accept(s, NULL, NULL);
    int64_t begin = sl_mono_ns(), first = 0, last = 0, now;
    double bytes = 0;
    for (ssize_t n; (n = read(c, buf, sizeof buf)) > 0;) {
        now = sl_mono_ns();
        if (now - begin < 1000000000)
            continue;
        if (!first)
            first = now;
        else
            bytes += (double)n, last = now;
    }
    say(path, "{\"bps\": %.1f}", last > first ? bytes * 8e9 / (double)(last - first) : 0);
    return 0;
}

static int tcp_send(double seconds, double pace_bps, const char *cc)
{
    static char buf[256 << 10];
    struct sockaddr_in a = address("far", TCP_PORT);
    int s = -1;
    for (int i = 0; i < 200; i++) {
        s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, cc, (socklen_t)strlen(cc));
        if (!connect(s, (struct sockaddr *)&a, sizeof a))
            break;
        close(s);
        usleep(20000);
    }
    if (pace_bps > 0) {
        uint64_t rate = (uint64_t)(pace_bps / 8);
        setsockopt(s, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof rate);
    }
    int64_t end = sl_mono_ns() + (int64_t)(seconds * 1e9);
    while (sl_mono_ns() < end && write(s, buf, sizeof buf) > 0)
        ;
    // Until the other side has all of it: when the client ends, so does its link.
    struct timeval patience = {.tv_sec = 3};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    shutdown(s, SHUT_WR);
    while (read(s, buf, sizeof buf) > 0)
        ;
    close(s);
    return 0;
}

// Until nothing has come for a second and a half.
static int udp_sink(const char *path, int port, double delay_s)
{
    static double late[PROBES];
    static char bufs[64][2048];
    static struct mmsghdr m[64];
    static struct iovec v[64];
    static char control[64][64];
    struct sockaddr_in a = address("0.0.0.0", port);
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 64 << 20, one = 1;
    setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    setsockopt(s, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    must(!bind(s, (struct sockaddr *)&a, sizeof a), "bind");
    double n = 0, bytes = 0, from_second = 0;
    size_t probes = 0;
    int64_t first = 0, last = 0, second = 0;
    for (;;) {
        struct pollfd p = {.fd = s, .events = POLLIN};
        if (poll(&p, 1, n > 0 ? 1500 : 30000) <= 0)
            break;
        for (int i = 0; i < 64; i++) {
            v[i] = (struct iovec){bufs[i], sizeof bufs[i]};
            m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i],
                                           .msg_iovlen = 1,
                                           .msg_control = control[i],
                                           .msg_controllen = sizeof control[i]};
        }
        int k = recvmmsg(s, m, 64, MSG_DONTWAIT, NULL);
        for (int i = 0; i < k; i++) {
            int64_t sent, came = 0;
            memcpy(&sent, bufs[i], 8);
            for (struct cmsghdr *c = CMSG_FIRSTHDR(&m[i].msg_hdr); c;
                 c = CMSG_NXTHDR(&m[i].msg_hdr, c))
                if (c->cmsg_type == SO_TIMESTAMPNS) {
                    struct timespec t;
                    memcpy(&t, CMSG_DATA(c), sizeof t);
                    came = t.tv_sec * 1000000000ll + t.tv_nsec;
                }
            first = first ? first : came;
            n++;
            bytes += m[i].msg_len;
            if (came - first > 1000000000) {
                if (!second)
                    second = came;
                else
                    from_second += m[i].msg_len + 28 + 38, last = came;
            }
            if (probes < PROBES)
                late[probes++] = (double)(came - sent) / 1e9 - delay_s;
        }
    }
    qsort(late, probes, sizeof *late, by_size);
#define AT(q) (probes ? late[(size_t)((double)(probes - 1) * (q))] * 1e6 : NAN)
    say(path,
        "{\"packets\": %.0f, \"wire_bps\": %.3f, \"pps\": %.1f, \"p50_us\": %.1f, "
        "\"p99_us\": %.1f, \"p999_us\": %.1f, \"least_us\": %.1f}",
        n, last > second ? from_second * 8e9 / (double)(last - second) : 0,
        last > first ? n * 1e9 / (double)(last - first) : 0, AT(0.5), AT(0.99), AT(0.999), AT(0));
    return 0;
}

// So many bytes of payload, of so many flows; gap 0: as fast as it goes.
static int udp_send(int port, double seconds, int bytes, double gap_s, int flows)
{
    static char bufs[64][2048];
    struct mmsghdr m[64] = {0};
    struct iovec v[64];
    int s[128];
    struct sockaddr_in a = address("far", port);
    flows = flows > 128 ? 128 : flows;
    for (int i = 0; i < flows; i++) {
        s[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        must(!connect(s[i], (struct sockaddr *)&a, sizeof a), "connect");
    }
    int burst = gap_s > 0 ? 1 : 32;
    for (int i = 0; i < burst; i++) {
        v[i] = (struct iovec){bufs[i], (size_t)bytes};
        m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
    }
    int64_t begin = sl_mono_ns(), end = begin + (int64_t)(seconds * 1e9), next = begin;
    uint64_t sent = 0;
    for (int k = 0; sl_mono_ns() < end; k = (k + 1) % flows) {
        int64_t stamp = real_ns();
        for (int i = 0; i < burst; i++)
            memcpy(bufs[i], &stamp, 8);
        int n = sendmmsg(s[k], m, (unsigned)burst, 0);
        sent += n > 0 ? (uint64_t)n : 0;
        if (gap_s <= 0)
            continue;
        next += (int64_t)(gap_s * 1e9);
        struct timespec t = {.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000};
        if (next - sl_mono_ns() > 50000)
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    }
    printf("{\"sent\": %llu}\n", (unsigned long long)sent);
    return 0;
}

static int helper(int argc, char **argv)
{
    const char *what = argv[2];
    double x[6] = {0};
    for (int i = 3; i < argc && i < 9; i++)
        x[i - 3] = atof(argv[i]);
    if (!strcmp(what, "tcp-sink"))
        return tcp_sink(argv[3]);
    if (!strcmp(what, "udp-sink"))
        return udp_sink(argv[3], (int)x[1], x[2]);
    if (!strcmp(what, "tcp-send"))
        return tcp_send(x[0], x[1], argc > 5 ? argv[5] : "cubic");
    return udp_send((int)x[0], x[1], (int)x[2], x[3], (int)x[4]);
}

// ---- carriers ----------------------------------------------------------------------------------

enum kind { VETH, VETH_PLAIN, SLUICE, MAHIMAHI };
struct carrier {
    const char *name;
    enum kind kind;
    const char *words; // of the shell, or mm-delay's
};
static int ns_veth[2], ns_plain[2]; // far, near
static char counts_path[600];

static pid_t start(int ns, char *const *argv, int out)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    if (ns >= 0 && setns(ns, CLONE_NEWNET))
        _exit(1);
    if (out >= 0)
        dup2(out, 1);
    execvp(argv[0], argv);
    _exit(127);
}

static pid_t start_text(int ns, int out, const char *format, ...) SL_PRINTF(3, 4);
static pid_t start_text(int ns, int out, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *argv[64], *save;
    int n = 0;
    for (char *w = strtok_r(text, " ", &save); w && n < 63; w = strtok_r(NULL, " ", &save))
        argv[n++] = w;
    argv[n] = NULL;
    return start(ns, argv, out);
}

static void far_end(const struct carrier *c, pid_t *pid, const char *what, const char *path,
                    const char *more)
{
    int ns = c->kind == VETH ? ns_veth[0] : c->kind == VETH_PLAIN ? ns_plain[0] : -1;
    *pid = start_text(ns, -1, "%s --helper %s %s %s", me, what, path, more);
}

// The clients' words, one after another or beside each other, behind the carrier.
static double near_end(const struct carrier *c, const char *clients)
{
    char out_path[600], script[600];
    snprintf(out_path, sizeof out_path, "%s/out", folder);
    snprintf(script, sizeof script, "%s/script", folder);
    FILE *f = fopen(script, "we");
    must(f != NULL, "script");
    fputs(clients, f);
    fputs("\nwait\n", f);
    fclose(f);
    int out = open(out_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    pid_t pid;
    if (c->kind == SLUICE)
        pid = start_text(-1, out, "%s shell -o %s %s -- sh %s", sluice, counts_path, c->words,
                         script);
    else if (c->kind == MAHIMAHI)
        pid = start_text(-1, out,
                         "setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/tmp "
                         "USER=nobody %s sh %s",
                         c->words, script);
    else
        pid = start_text(c->kind == VETH ? ns_veth[1] : ns_plain[1], out, "sh %s", script);
    int status;
    waitpid(pid, &status, 0);
    char text[512] = "";
    ssize_t n = pread(out, text, sizeof text - 1, 0);
    close(out);
    const char *sent = n > 0 ? strstr(text, "\"sent\": ") : NULL;
    return sent ? atof(sent + 8) : 0;
}

static json_t *result(pid_t pid, const char *path)
{
    struct sl_error err = {0};
    for (int i = 0; i < 400 && waitpid(pid, NULL, WNOHANG) == 0; i++) {
        usleep(10000);
        if (i == 399) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
    }
    json_t *j = sl_exists(path) ? sl_json_load(path, &err) : NULL;
    unlink(path);
    return j ? j : json_object();
}

static double field(json_t *j, const char *name)
{
    return sl_json_num(j, name, NAN);
}

static int rounds = 5;
static double seconds = 4;
static json_t *all;

static void note(const char *what, const char *who, const char *unit, double value)
{
    json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:o}", "what", what, "who", who, "unit",
                                         unit, "value", sl_json_real(value)));
}

static void judge(const char *what, double got, const char *sign, double goal)
{
    bool met = sign[0] == '>' ? got >= goal : got <= goal;
    printf("%-7s %s: %.4g, goal %s %.4g\n",
           !isfinite(got) ? "-"
           : met          ? "met"
                          : "MISSED",
           what, got, sign, goal);
    note(what, "goal", sign, goal);
    note(what, "got", met ? "met" : "missed", got);
}

// ---- what is measured --------------------------------------------------------------------------

static double tcp_bps(const struct carrier *c)
{
    char path[600], words[2048];
    pid_t server;
    snprintf(path, sizeof path, "%s/tcp", folder);
    far_end(c, &server, "tcp-sink", path, "");
    snprintf(words, sizeof words, "%s --helper tcp-send %g 0 cubic", me, seconds + 1);
    near_end(c, words);
    json_t *j = result(server, path);
    double bps = field(j, "bps");
    json_decref(j);
    return bps;
}

static double udp_pps(const struct carrier *c, int bytes)
{
    char path[600], words[2048], more[64];
    pid_t server;
    snprintf(path, sizeof path, "%s/udp", folder);
    snprintf(more, sizeof more, "%d 0", UDP_PORT);
    far_end(c, &server, "udp-sink", path, more);
    usleep(200000);
    snprintf(words, sizeof words, "%s --helper udp-send %d %g %d 0 1", me, UDP_PORT, seconds,
             bytes);
    near_end(c, words);
    json_t *j = result(server, path);
    double pps = field(j, "packets") / seconds;
    json_decref(j);
    return pps;
}

static double emulator_cpu_ns(double *packets, double *bytes)
{
    struct sl_error err = {0};
    json_t *j = sl_json_load(counts_path, &err);
    json_t *up = json_object_get(j, "up"), *down = json_object_get(j, "down");
    double cpu = sl_json_num(j, "emulator_cpu_ns", NAN);
    *packets = sl_json_num(up, "in_packets", 0) + sl_json_num(down, "in_packets", 0);
    *bytes = sl_json_num(up, "in_bytes", 0) + sl_json_num(down, "in_bytes", 0);
    json_decref(j);
    return cpu;
}

static void throughput(bool mahimahi)
{
    static const struct carrier list[] = {
        {"veth", VETH, ""},
        {"veth, no offloads", VETH_PLAIN, ""},
        {"sluice, delay 10ms", SLUICE, "--delay 10ms"},
        {"sluice, per packet", SLUICE, "--delay 10ms --rate 50Gbps --queue 100MB"},
        {"mm-delay 10", MAHIMAHI, "mm-delay 10"},
    };
    enum { N = sizeof list / sizeof *list };
    double bps[N][MAX_ROUNDS], pps[N][MAX_ROUNDS], byte[MAX_ROUNDS], packet[MAX_ROUNDS];
    for (int k = 0; k < rounds; k++)
        for (int i = 0; i < N - !mahimahi; i++) {
            double packets, bytes;
            bps[i][k] = tcp_bps(&list[i]);
            if (i == 2)
                byte[k] = emulator_cpu_ns(&packets, &bytes) / bytes;
            pps[i][k] =
                udp_pps(&list[i], 18 + 4); // 64 bytes on the wire with Ethernet and checksum
            if (i == 2)
                packet[k] = emulator_cpu_ns(&packets, &bytes) / packets;
            fprintf(stderr, "round %d: %-20s %8.3f Gbit/s %8.3f M packets/s\n", k + 1, list[i].name,
                    bps[i][k] / 1e9, pps[i][k] / 1e6);
        }
    printf("\n%-22s %10s %16s\n", "carrier", "Gbit/s", "M 64-byte/s");
    for (int i = 0; i < N - !mahimahi; i++) {
        printf("%-22s %10.3f %16.3f\n", list[i].name, median(bps[i], rounds) / 1e9,
               median(pps[i], rounds) / 1e6);
        note("tcp", list[i].name, "bit/s", median(bps[i], rounds));
        note("udp 64", list[i].name, "packets/s", median(pps[i], rounds));
    }
    double r[MAX_ROUNDS];
#define RATIO(a, i, j)                                                                             \
    for (int k = 0; k < rounds; k++)                                                               \
        r[k] = a[i][k] / a[j][k];
    RATIO(bps, 2, 0)
    judge("large packets, unshaped, of plain veth", median(r, rounds), ">=", 0.55);
    RATIO(bps, 3, 1)
    judge("per packet, of veth without offloads", median(r, rounds), ">=", 0.30);
    RATIO(pps, 2, 0)
    judge("64-byte UDP, of veth", median(r, rounds), ">=", 0.8);
    if (mahimahi) {
        RATIO(bps, 2, 4)
        judge("large packets, of mm-delay", median(r, rounds), ">=", 10);
        RATIO(bps, 3, 4)
        judge("per packet, of mm-delay", median(r, rounds), ">=", 2);
    }
    judge("CPU per byte, ns", median(byte, rounds), "<=", 0.40);
    judge("CPU per packet, us", median(packet, rounds) / 1e3, "<=", 4);
}

static void one_delay(const char *name, const char *conditions, const char *load, bool own,
                      double p50_goal, double p99_goal)
{
    double p50[MAX_ROUNDS] = {0}, p99[MAX_ROUNDS] = {0}, p999[MAX_ROUNDS] = {0}, least = INFINITY;
    for (int k = 0; k < rounds; k++) {
        char path[600], sink[600], words[4096], more[64];
        struct carrier c = {name, SLUICE, conditions};
        pid_t server, other;
        snprintf(path, sizeof path, "%s/probe", folder);
        snprintf(sink, sizeof sink, "%s/tcp", folder);
        snprintf(more, sizeof more, "%d 0.01", PROBE_PORT);
        far_end(&c, &server, "udp-sink", path, more);
        far_end(&c, &other, "tcp-sink", sink, "");
        usleep(200000);
        snprintf(words, sizeof words, "%s%s%s\nsleep 1\n%s --helper udp-send %d %g 100 0.002 1\n",
                 load[0] ? me : "", load, load[0] ? " &" : "", me, PROBE_PORT, seconds);
        near_end(&c, words);
        json_t *j = result(server, path);
        kill(other, SIGKILL);
        json_decref(result(other, sink));
        p50[k] = field(j, "p50_us"), p99[k] = field(j, "p99_us"), p999[k] = field(j, "p999_us");
        least = fmin(least, field(j, "least_us"));
        json_decref(j);
        if (own) { // probes wait in the queue: the emulator's own count of its lateness
            struct sl_error err = {0};
            json_t *counts = sl_json_load(counts_path, &err);
            const json_t *up = json_object_get(counts, "up");
            p50[k] = sl_json_num(up, "late_p50_ns", NAN) / 1e3;
            p99[k] = sl_json_num(up, "late_p99_ns", NAN) / 1e3;
            p999[k] = sl_json_num(up, "late_p999_ns", NAN) / 1e3;
            json_decref(counts);
        }
    }
    printf("%-44s %8.0f %8.0f %8.0f\n", name, median(p50, rounds), median(p99, rounds),
           median(p999, rounds));
    note("delay error p50", name, "us", median(p50, rounds));
    note("delay error p99", name, "us", median(p99, rounds));
    note("delay error p99.9", name, "us", median(p999, rounds));
    if (!own && least < 0)
        printf("MISSED  a packet was early by %.1f us\n", -least);
    char text[160];
    if (p50_goal > 0) {
        snprintf(text, sizeof text, "delay error p50, us, %s", name);
        judge(text, median(p50, rounds), "<=", p50_goal);
    }
    snprintf(text, sizeof text, "delay error p99, us, %s", name);
    judge(text, median(p99, rounds), "<=", p99_goal);
}

static void rates(void)
{
    static const double settings[] = {1e6, 10e6, 100e6, 1e9};
    printf("\n%-14s %6s %14s %10s\n", "rate", "flows", "on the wire", "error %");
    for (size_t i = 0; i < 4; i++)
        for (int flows = 1; flows <= 100; flows += 99) {
            double got[MAX_ROUNDS];
            for (int k = 0; k < rounds; k++) {
                char path[600], words[2048], more[64], conditions[64];
                struct carrier c = {"rate", SLUICE, conditions};
                pid_t server;
                snprintf(conditions, sizeof conditions, "--rate %.0fbps --delay 1ms", settings[i]);
                snprintf(path, sizeof path, "%s/udp", folder);
                snprintf(more, sizeof more, "%d 0", UDP_PORT);
                far_end(&c, &server, "udp-sink", path, more);
                usleep(200000);
                double over = settings[i] * 1.3 / 8 / 1538;
                snprintf(words, sizeof words, "%s --helper udp-send %d %g 1472 %.9f %d", me,
                         UDP_PORT, settings[i] < 5e6 ? 12.0 : seconds, 1 / over, flows);
                near_end(&c, words);
                json_t *j = result(server, path);
                got[k] = field(j, "wire_bps");
                json_decref(j);
            }
            double g = median(got, rounds), error = (g / settings[i] - 1) * 100;
            printf("%11.0f M %6d %14.0f %10.3f\n", settings[i] / 1e6, flows, g, error);
            char text[80];
            snprintf(text, sizeof text, "rate error %%, %.0f Mbit/s, %d flows", settings[i] / 1e6,
                     flows);
            judge(text, fabs(error), "<=", 0.5);
        }
}

static void losses(void)
{
    static const double settings[] = {0.001, 0.01, 0.1, 0.5};
    printf("\n%-8s %10s %10s %12s %24s\n", "loss", "sent", "lost", "share", "99 % interval");
    for (size_t i = 0; i < 4; i++) {
        char path[600], words[2048], more[64], conditions[64];
        struct carrier c = {"loss", SLUICE, conditions};
        pid_t server;
        snprintf(conditions, sizeof conditions, "--up-loss %g%% --delay 1ms", settings[i] * 100);
        snprintf(path, sizeof path, "%s/udp", folder);
        snprintf(more, sizeof more, "%d 0", UDP_PORT);
        far_end(&c, &server, "udp-sink", path, more);
        usleep(200000);
        snprintf(words, sizeof words, "%s --helper udp-send %d 10 200 0.00002 1", me, UDP_PORT);
        double sent = near_end(&c, words);
        json_t *j = result(server, path);
        double lost = sent - field(j, "packets"), share = lost / sent;
        json_decref(j);
        double half = 2.5758 * sqrt(settings[i] * (1 - settings[i]) / sent);
        printf("%-8g %10.0f %10.0f %12.6f   %.6f to %.6f\n", settings[i], sent, lost, share,
               settings[i] - half, settings[i] + half);
        char text[80];
        snprintf(text, sizeof text, "loss %g, from the setting in half widths of the interval",
                 settings[i]);
        judge(text, fabs(share - settings[i]) / half, "<=", 1);
    }
}

// Cubic and BBR through 20 ms and 1 % loss; Mathis' law is for loss-based control only.
static void models(void)
{
    static const char *const cc[] = {"cubic", "bbr"};
    double rtt = 0.04, p = 0.01, mathis = 1448 * 8 / rtt * sqrt(1.5 / p);
    printf("\nTCP through 20 ms each way and 1 %% loss\n");
    for (int i = 0; i < 2; i++) {
        char path[600], words[2048];
        struct carrier c = {"loss", SLUICE, "--delay 20ms --up-loss 1% --rate 200Mbps"};
        pid_t server;
        snprintf(path, sizeof path, "%s/tcp", folder);
        far_end(&c, &server, "tcp-sink", path, "");
        snprintf(words, sizeof words, "%s --helper tcp-send %g 0 %s", me, 3 * seconds, cc[i]);
        near_end(&c, words);
        json_t *j = result(server, path);
        printf("%-8s %8.2f Mbit/s%s\n", cc[i], field(j, "bps") / 1e6,
               i ? " (not loss-based: Mathis does not apply)" : "");
        note("tcp, 20 ms and 1 % loss", cc[i], "bit/s", field(j, "bps"));
        json_decref(j);
    }
    printf("%-8s %8.2f Mbit/s = MSS / RTT * sqrt(3 / 2p)\n", "Mathis", mathis / 1e6);
}

static void make_veths(void)
{
    struct sl_error err = {0};
    const char *const names[] = {"bl-far", "bl-near", "bl-pfar", "bl-pnear"};
    int *const fds[] = {&ns_veth[0], &ns_veth[1], &ns_plain[0], &ns_plain[1]};
    for (int i = 0; i < 4; i++)
        need(sl_netns_create(names[i], &err) && sl_netns_open(names[i], fds[i], &err), &err);
    need(sl_link_veth(ns_plain[0], "v0", ns_plain[1], "v1", &err) &&
             sl_link_address(ns_plain[0], "v0", 0x0a090001, 24, &err) &&
             sl_link_address(ns_plain[1], "v1", 0x0a090002, 24, &err),
         &err);
    must(system("ip link add v0 netns bl-far type veth peer name v1 netns bl-near && "
                "ip -n bl-far address add 10.9.0.1/24 dev v0 && ip -n bl-far link set v0 up && "
                "ip -n bl-near address add 10.9.0.2/24 dev v1 && ip -n bl-near link set v1 up") ==
             0,
         "a veth pair");
    // mahimahi wants to forward, and to open the device as another user
    must(system("ip link set lo up; sysctl -qw net.ipv4.ip_forward=1; mknod /run/tun c 10 200 && "
                "chmod 666 /run/tun && mount --bind /run/tun /dev/net/tun") == 0,
         "a place for mahimahi");
}

int main(int argc, char **argv)
{
    if (argc > 2 && !strcmp(argv[1], "--helper"))
        return helper(argc, argv);
    const char *json_path = NULL, *only = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--rounds"))
            rounds = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--seconds"))
            seconds = atof(argv[i + 1]);
        else if (!strcmp(argv[i], "--only"))
            only = argv[i + 1];
        else if (!strcmp(argv[i], "--json"))
            json_path = argv[i + 1];
    }
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    static char path[4096];
    sluice = realpath(getenv("SLUICE") ? getenv("SLUICE") : "build/sluice", path);
    ssize_t n = readlink("/proc/self/exe", me, sizeof me - 1);
    if (!sluice || n < 1 || !mkdtemp(folder)) {
        fprintf(stderr,
                "bench_link: there is no build/sluice: start it in the project's folder, or "
                "set SLUICE\n");
        return 1;
    }
    chmod(folder, 0755);
    snprintf(counts_path, sizeof counts_path, "%s/counts", folder);
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("bench", "/run", "tmpfs", 0, "mode=0755")) {
        fprintf(stderr, "bench_link: namespaces: %s (it needs root)\n", strerror(errno));
        return 5;
    }
    make_veths();
    all = json_array();
    bool mahimahi = sl_proc_have("mm-delay");
    if (!mahimahi)
        printf("mahimahi is not installed\n");
#define WANTED(what) (!only || strstr(only, what))
    if (WANTED("throughput"))
        throughput(mahimahi);
    char paced[200], full[200];
    snprintf(paced, sizeof paced, " --helper tcp-send %g 1e9 cubic", seconds + 2);
    snprintf(full, sizeof full, " --helper tcp-send %g 0 cubic", seconds + 2);
    if (WANTED("delay")) {
        printf("\n%-44s %8s %8s %8s\n", "delay error, us", "p50", "p99", "p99.9");
        one_delay("10 ms, idle", "--delay 10ms --realtime", "", false, 60, 200);
        one_delay("10 ms, beside 1 Gbit/s of large packets", "--delay 10ms --realtime", paced,
                  false, 60, 200);
        one_delay("per packet at 1 Gbit/s, one pipe, own count",
                  "--delay 10ms --rate 1Gbps --realtime", full, true, 0, 1000);
    }
    if (WANTED("rate"))
        rates();
    if (WANTED("loss"))
        losses();
    if (WANTED("models"))
        models();
    struct sl_error err = {0};
    json_t *out = json_pack("{s:s, s:i, s:f, s:o}", "schema", "sluice.bench.link/1", "rounds",
                            rounds, "seconds", seconds, "figures", all);
    if (json_path && !sl_json_save(json_path, out, &err))
        need(false, &err);
    json_decref(out);
    return sl_remove_tree(folder, &err) ? 0 : 1;
}
