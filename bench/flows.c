// SPDX-License-Identifier: Apache-2.0
/*
 * Whole commands over one capture: 'sluice flows' beside the flow meters that Debian packages.
 *
 * usage: bench_flows [--rounds N] [--json FILE] [TRACE.pcap]
 *
 * Method   Every round runs every command once, in turn; CPU time (user and system) and the largest
 *          resident set are the kernel's (wait4). A figure is the median of the rounds; a ratio is
 *          the median of the ratios of the same round, since rounds differ more than commands do.
 *          Packets are counted in the file. Peers that are not installed are named; a command that
 *          takes more than two minutes is ended, and told.
 * Memory   Bytes per live flow: two made captures of one packet for each of 100,000 and 2,000,000
 *          connections, all alive at the end; the difference of the engine's own count, and of the
 *          resident sets, by the difference of the flows.
 * Cores    How much faster two threads are is shown beside what two processes at once do, which
 *          share nothing but the machine.
 * Peers    softflowd sends NetFlow 9 to a socket here that reads it; nfpcapd and argus write their
 *          files; tshark lists conversations of the first 200,000 packets only; capinfos and tcpdump
 *          read the file and make no flows: the floor. Without a trace one is made: 100,000
 *          connections of 20 packets.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/rng.h"
#include "base/str.h"
#include "median.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_S = 120, TSHARK_PACKETS = 200000, FEW = 100000, MANY = 2000000 };

struct command {
    const char *name, *program, *version; // version: how to ask for it; NULL = its own --version
    const char *argv[20];                 // %F trace, %D scratch folder, %P port, %C copy
    double packets;                       // 0 = all of the trace
    int copies;                           // at the same time; 0 = one
    bool there, failed;
    char said[64];
    double cpu_s[MAX_ROUNDS], wall_s[MAX_ROUNDS], rss_kib[MAX_ROUNDS];
};

static const char *sluice, *scratch, *trace;
static int sink_port, copy;

#define CIC(j, out)                                                                                \
    {                                                                                              \
        "%S", "flows", "%F", "-q", "-j", j, "-o", "%D/" out, "--graph", "%D/graph%C.csv"           \
    }
static struct command commands[] = {
    {"softflowd",
     "softflowd",
     "-h",
     {"softflowd", "-r", "%F", "-n", "127.0.0.1:%P", "-v", "9", "-m", "2000000", "-d"},
     0},
    {"sluice cic npy", NULL, NULL, CIC("1", "t.npy"), 0},
    {"sluice cic csv", NULL, NULL, CIC("1", "t.csv"), 0},
    {"sluice cic parquet", NULL, NULL, CIC("1", "t.parquet"), 0},
    {"sluice cic npy twice", NULL, NULL, CIC("1", "t%C.npy"), 0, .copies = 2},
    {"sluice cic npy -j 2", NULL, NULL, CIC("2", "t2.npy"), 0},
    {"sluice cic csv -j 2", NULL, NULL, CIC("2", "t2.csv"), 0},
    {"sluice basic csv",
     NULL,
     NULL,
     {"%S", "flows", "%F", "-q", "-j", "1", "-p", "basic", "-o", "%D/b.csv"},
     0},
    {"sluice full npy",
     NULL,
     NULL,
     {"%S", "flows", "%F", "-q", "-j", "1", "-p", "full", "-o", "%D/full.npy"},
     0},
    {"sluice full csv",
     NULL,
     NULL,
     {"%S", "flows", "%F", "-q", "-j", "1", "-p", "full", "-o", "%D/full.csv"},
     0},
    {"nfpcapd", "nfpcapd", "-V", {"nfpcapd", "-r", "%F", "-w", "%D/nf"}, 0},
    {"argus", "argus", "-h", {"argus", "-r", "%F", "-w", "%D/argus.out"}, 0},
    {"tshark conversations",
     "tshark",
     "--version",
     {"tshark", "-n", "-r", "%F", "-c", "200000", "-q", "-z", "conv,tcp", "-z", "conv,udp"},
     TSHARK_PACKETS},
    {"capinfos", "capinfos", "--version", {"capinfos", "-c", "%F"}, 0},
    {"tcpdump", "tcpdump", "--version", {"tcpdump", "-n", "-r", "%F", "-w", "/dev/null"}, 0},
};
enum { N = sizeof commands / sizeof *commands };

static void die(const struct sl_error *err)
{
    fprintf(stderr, "bench_flows: %s\n", err->msg);
    exit(1);
}

static char *filled(const char *word)
{
    struct sl_str s = {0};
    for (const char *p = word; *p; p++) {
        if (*p != '%') {
            sl_str_addn(&s, p, 1);
            continue;
        }
        p++;
        if (*p == 'P' || *p == 'C')
            sl_str_addf(&s, "%d", *p == 'P' ? sink_port : copy);
        else
            sl_str_add(&s, *p == 'F' ? trace : *p == 'D' ? scratch : sluice);
        if (*p == 'D')
            sl_str_add(&s, "/out");
    }
    return sl_str_take(&s);
}

static void *read_exports(void *arg)
{
    int fd = *(int *)arg;
    char buf[65536];
    while (recv(fd, buf, sizeof buf, 0) >= 0)
        ;
    return NULL;
}

static void open_sink(void)
{
    static int fd;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int room = 8 << 20;
    pthread_t thread;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) ||
        getsockname(fd, (struct sockaddr *)&at, &len)) {
        perror("bench_flows: sink");
        exit(1);
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    sink_port = ntohs(at.sin_port);
    pthread_create(&thread, NULL, read_exports, &fd);
    pthread_detach(thread);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static pid_t begin(const char *const *words)
{
    char *argv[24] = {0};
    for (int i = 0; words[i] && i < 23; i++)
        argv[i] = filled(words[i]);
    pid_t pid = fork();
    if (!pid) {
        int null = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; fd++)
            dup2(null, fd);
        execvp(argv[0], argv);
        _exit(127);
    }
    for (int i = 0; argv[i]; i++)
        free(argv[i]);
    return pid;
}

// False when it failed or had to be ended.
static bool await(pid_t pid, int64_t start, double *cpu_s, double *rss_kib)
{
    int status = 0;
    struct rusage use = {0};
    pid_t got = 0;
    while (pid > 0 && (got = wait4(pid, &status, WNOHANG, &use)) == 0) {
        if (sl_mono_ns() - start > TIMEOUT_S * 1000000000ll) {
            kill(pid, SIGKILL);
            wait4(pid, &status, 0, &use);
            break;
        }
        struct timespec t = {.tv_nsec = 2000000};
        nanosleep(&t, NULL);
    }
    *cpu_s += seconds(use.ru_utime) + seconds(use.ru_stime);
    *rss_kib += (double)use.ru_maxrss;
    return got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// What the command before left would be freed at the cost of the next one.
static void sweep(void)
{
    struct sl_error err = {0};
    char out[512], nf[520];
    snprintf(out, sizeof out, "%s/out", scratch);
    snprintf(nf, sizeof nf, "%s/nf", out);
    if (!sl_remove_tree(out, &err) || !sl_mkdirs(nf, &err))
        die(&err);
}

static bool run(const char *const *words, int copies, double *cpu_s, double *wall_s,
                double *rss_kib)
{
    pid_t pids[4] = {0};
    *cpu_s = *rss_kib = 0;
    sweep();
    int64_t start = sl_mono_ns();
    bool ok = true;
    for (copy = 0; copy < copies; copy++)
        pids[copy] = begin(words);
    copy = 0;
    for (int i = 0; i < copies; i++)
        ok = await(pids[i], start, cpu_s, rss_kib) && ok;
    *wall_s = (double)(sl_mono_ns() - start) / 1e9;
    return ok;
}

// Of packets per CPU-second against another command, round by round.
static double ratio(const struct command *c, const struct command *base, int rounds, double all)
{
    double r[MAX_ROUNDS];
    for (int i = 0; i < rounds; i++)
        r[i] = (c->packets > 0 ? c->packets : all) * (c->copies ? c->copies : 1) / c->cpu_s[i] /
               ((base->packets > 0 ? base->packets : all) / base->cpu_s[i]);
    return median(r, rounds);
}

static void ask_version(struct command *c)
{
    struct sl_str out = {0}, err = {0};
    const char *argv[] = {c->program, c->version, NULL};
    int exit_code;
    struct sl_proc_options o = {
        .out = &out, .errout = &err, .exit_code = &exit_code, .deadline_ns = 10000000000ll};
    if (sl_proc_run(argv, &o, NULL)) {
        const char *text = out.len ? out.text : sl_str_text(&err);
        for (const char *p = text; *p; p++) // the first thing that looks like a version
            if (*p >= '0' && *p <= '9' && strspn(p, "0123456789.") >= 3) {
                size_t n = strcspn(p, " \n,)");
                snprintf(c->said, sizeof c->said, "%.*s", (int)(n - (p[n - 1] == '.')), p);
                break;
            }
    }
    sl_str_done(&out);
    sl_str_done(&err);
}

// A capture of TCP packets: `each` for every connection, one after another, all within a minute.
static void make_trace(const char *path, uint32_t connections, uint32_t each)
{
    FILE *f = fopen(path, "wb");
    uint32_t head[6] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, 101};
    if (!f) {
        perror(path);
        exit(1);
    }
    fwrite(head, sizeof head, 1, f);
    uint64_t n = (uint64_t)connections * each;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t c = (uint32_t)(i % connections), k = (uint32_t)(i / connections);
        uint64_t us = i * 60000000 / n;
        uint8_t p[56] = {0x45, 0, 0, 40};
        uint32_t rec[4] = {1700000000u + (uint32_t)(us / 1000000), (uint32_t)(us % 1000000), 40,
                           40};
        uint32_t client = htonl(0x0a000000u + c), server = htonl(0xc0a80000u + c % 251);
        bool back = k % 2;
        p[8] = 64;
        p[9] = 6;
        memcpy(p + (back ? 16 : 12), &client, 4);
        memcpy(p + (back ? 12 : 16), &server, 4);
        uint16_t cport = htons((uint16_t)(1024 + c % 60000)), sport = htons(443),
                 seq = htons((uint16_t)k);
        memcpy(p + (back ? 22 : 20), &cport, 2);
        memcpy(p + (back ? 20 : 22), &sport, 2);
        memcpy(p + 26, &seq, 2);
        p[32] = 0x50;
        p[33] = k ? 0x10 : 0x02;
        fwrite(rec, sizeof rec, 1, f);
        fwrite(p, 40, 1, f);
    }
    fclose(f);
}

static uint64_t count_packets(const char *path)
{
    struct sl_str out = {0};
    const char *argv[] = {sluice, "flows", path, "--no-table", "--json", "-j", "1", NULL};
    struct sl_proc_options o = {.out = &out, .deadline_ns = TIMEOUT_S * 1000000000ll};
    struct sl_error err = {0};
    if (!sl_proc_run(argv, &o, &err))
        die(&err);
    json_t *j = sl_json_parse(sl_str_text(&out), out.len, "sluice flows --json", &err);
    if (!j)
        die(&err);
    const json_t *packets = json_object_get(j, "packets");
    double n =
        json_is_object(packets) ? sl_json_num(packets, "read", 0) : sl_json_num(j, "packets", 0);
    json_decref(j);
    sl_str_done(&out);
    return (uint64_t)n;
}

struct held {
    double rss_bytes, engine_bytes;
};

static struct held memory_of(uint32_t connections)
{
    struct held h = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/live.pcap", scratch);
    make_trace(path, connections, 1);
    const char *words[] = {sluice, "flows", path, "--no-table", "-q", "-j", "1", NULL};
    double cpu, wall, rss;
    if (run(words, 1, &cpu, &wall, &rss))
        h.rss_bytes = rss * 1024;
    struct sl_str out = {0};
    const char *argv[] = {sluice, "flows", path, "--no-table", "--json", "-j", "1", NULL};
    struct sl_proc_options o = {.out = &out, .deadline_ns = TIMEOUT_S * 1000000000ll};
    if (sl_proc_run(argv, &o, NULL)) {
        json_t *j = sl_json_parse(sl_str_text(&out), out.len, "json", NULL);
        h.engine_bytes = sl_json_num(j, "table_bytes", NAN);
        json_decref(j);
    }
    sl_str_done(&out);
    unlink(path);
    return h;
}

static struct command *named(const char *name)
{
    for (int i = 0; i < N; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static void goal(json_t *list, const char *what, double got, double want, bool at_most)
{
    bool met = at_most ? got <= want : got >= want;
    printf("%-7s %s: %.3g, goal %s %.3g\n", met ? "met" : "MISSED", what, got,
           at_most ? "<=" : ">=", want);
    json_array_append_new(list, json_pack("{s:s, s:f, s:f, s:b}", "what", what, "got", got, "goal",
                                          want, "met", met));
}

static void judge(json_t *out, int rounds, double packets)
{
    json_t *list = json_array();
    struct command *npy = named("sluice cic npy"), *csv = named("sluice cic csv");
    double two[MAX_ROUNDS], ceiling[MAX_ROUNDS];
    goal(list, "M packets per CPU-second, cic with graph, npy",
         packets / median(npy->cpu_s, rounds) / 1e6, 4, false);
    goal(list, "M packets per CPU-second, cic with graph, csv",
         packets / median(csv->cpu_s, rounds) / 1e6, 3, false);
    for (int k = 0; k < 2; k++) {
        struct command *one = k ? csv : npy,
                       *both = named(k ? "sluice cic csv -j 2" : "sluice cic npy -j 2");
        for (int i = 0; i < rounds; i++)
            two[i] = one->wall_s[i] / both->wall_s[i];
        for (int i = 0; !k && i < rounds; i++)
            ceiling[i] = 2 * one->wall_s[i] / named("sluice cic npy twice")->wall_s[i];
        goal(list, k ? "times as fast on two cores, csv" : "times as fast on two cores, npy",
             median(two, rounds), 1.7, false);
    }
    printf("        two processes at once, each alone with its work, do %.3g times the work of "
           "one: what "
           "this machine's two cores can do\n",
           median(ceiling, rounds));
    json_object_set_new(out, "two_processes", json_real(median(ceiling, rounds)));
    struct held few = memory_of(FEW), many = memory_of(MANY);
    goal(list, "bytes per live flow, by the resident set",
         (many.rss_bytes - few.rss_bytes) / (MANY - FEW), 512, true);
    if (isfinite(many.engine_bytes))
        goal(list, "bytes per live flow, by the engine's count", many.engine_bytes / MANY, 512,
             true);
    json_object_set_new(out, "goals", list);
}

static json_t *report(int rounds, double packets)
{
    json_t *list = json_array();
    const struct command *base = named("softflowd");
    printf("%-22s %-10s %12s %9s %9s %10s %12s\n", "command", "version", "M pkt/CPU-s", "CPU s",
           "wall s", "RSS MiB", "x softflowd");
    for (int i = 0; i < N; i++) {
        struct command *c = &commands[i];
        if (!c->there || c->failed) {
            printf("%-22s %s\n", c->name,
                   c->failed ? "failed, or took more than two minutes" : "is not installed");
            continue;
        }
        double cpu = median(c->cpu_s, rounds), n = c->packets > 0 ? c->packets : packets;
        n *= c->copies ? c->copies : 1;
        double x = base->there && !base->failed ? ratio(c, base, rounds, packets) : NAN;
        printf("%-22s %-10s %12.2f %9.2f %9.2f %10.0f %12.2f\n", c->name, c->said, n / cpu / 1e6,
               cpu, median(c->wall_s, rounds), median(c->rss_kib, rounds) / 1024, x);
        json_array_append_new(list, json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:o}", "command",
                                              c->name, "version", c->said, "packets", n, "cpu_s",
                                              cpu, "wall_s", median(c->wall_s, rounds), "rss_kib",
                                              median(c->rss_kib, rounds), "times_softflowd",
                                              sl_json_real(x)));
    }
    return json_pack("{s:s, s:f, s:i, s:o}", "schema", "sluice.bench.flows/1", "packets", packets,
                     "rounds", rounds, "commands", list);
}

int main(int argc, char **argv)
{
    int rounds = 5;
    const char *json_path = NULL;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--rounds") && i + 1 < argc)
            rounds = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--json") && i + 1 < argc)
            json_path = argv[++i];
        else
            trace = argv[i];
    }
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    char folder[] = "/tmp/sluice-bench.XXXXXX", made[64];
    sluice = getenv("SLUICE") ? getenv("SLUICE") : "build/sluice";
    scratch = mkdtemp(folder);
    if (!scratch || !sl_exists(sluice)) {
        fprintf(stderr,
                "bench_flows: there is no '%s': start it in the project's folder, or set SLUICE\n",
                sluice);
        return 1;
    }
    snprintf(made, sizeof made, "%s/made.pcap", scratch);
    struct sl_error err = {0};
    if (!trace) {
        make_trace(made, 100000, 20);
        trace = made;
    }
    open_sink();
    double packets = (double)count_packets(trace);
    printf("%.0f packets, %d rounds\n", packets, rounds);
    for (int i = 0; i < N; i++) {
        struct command *c = &commands[i];
        c->there = !c->program || sl_proc_have(c->program);
        if (c->there && c->program)
            ask_version(c);
        if (c->packets > packets)
            c->packets = packets;
    }
    for (int k = 0; k < rounds; k++)
        for (int i = 0; i < N; i++) {
            struct command *c = &commands[i];
            if (!c->there || c->failed)
                continue;
            fprintf(stderr, "\rround %d of %d: %-24s", k + 1, rounds, c->name);
            c->failed = !run(c->argv, c->copies ? c->copies : 1, &c->cpu_s[k], &c->wall_s[k],
                             &c->rss_kib[k]);
        }
    fprintf(stderr, "\r%50s\r", "");
    json_t *out = report(rounds, packets);
    judge(out, rounds, packets);
    if (json_path && !sl_json_save(json_path, out, &err))
        die(&err);
    json_decref(out);
    return sl_remove_tree(scratch, &err) ? 0 : 1;
}
