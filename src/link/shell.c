// SPDX-License-Identifier: Apache-2.0
#include "link/shell.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "link/relay.h"
#include "netns/netns.h"
#include "netns/route.h"
#include "netns/rt.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FIRST_NET 0x64400000u // 100.64.0.0
enum { NETS = 64 * 256 };

struct shell {
    const struct sl_shell_options *opt;
    int outer, inner; // namespaces
    uint32_t net;     // 100.64.N.0
    bool private_outside;
    struct sl_device devices[2]; // inside, outside
    pid_t command, outside, guardian;
    int guard; // closed: the guardian takes back what was changed
};

static bool write_text(const char *path, const char *text, struct sl_error *err)
{
    SL_AUTO(sl_close_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return sl_fail(err, SL_EENV, "cannot write '%s': %s", path, strerror(errno));
    return true;
}

static bool has_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    uint32_t need = 1u << CAP_NET_ADMIN | 1u << CAP_SYS_ADMIN;
    return syscall(SYS_capget, &head, data) == 0 && (data[0].effective & need) == need;
}

// The capabilities of the user namespace go over to the command, so that it can ping and be a shell
// of its own; its user stays who he is.
static void keep_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    if (syscall(SYS_capget, &head, data))
        return;
    data[0].inheritable = data[0].permitted;
    data[1].inheritable = data[1].permitted;
    syscall(SYS_capset, &head, data);
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
}

static bool enter_user_namespace(struct sl_error *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    char map[64];
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
        int why = errno;
        sl_fail(err, SL_EENV, "cannot make a user namespace: %s", strerror(why));
        sl_hint(err, "run it as root, or allow user namespaces: sysctl -w "
                     "kernel.unprivileged_userns_clone=1 (or "
                     "kernel.apparmor_restrict_unprivileged_userns=0)");
        return false;
    }
    write_text("/proc/self/setgroups", "deny", NULL);
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    if (!write_text("/proc/self/uid_map", map, err))
        return false;
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    if (!write_text("/proc/self/gid_map", map, err))
        return false;
    keep_capabilities();
    return true;
}

static bool open_own(const char *path, int *fd, struct sl_error *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    return *fd >= 0 ? true : sl_fail(err, SL_EENV, "cannot open '%s': %s", path, strerror(errno));
}

static bool make_inner(void *ctx, struct sl_error *err)
{
    struct shell *s = ctx;
    if (unshare(CLONE_NEWNET))
        return sl_netns_fail(errno, err, "cannot make a network namespace");
    return open_own("/proc/thread-self/ns/net", &s->inner, err);
}

static bool choose_net(struct shell *s, struct sl_error *err)
{
    for (uint32_t k = 0; k < NETS; k++) {
        uint32_t net = FIRST_NET + (((uint32_t)getpid() + k * 61) % NETS << 8);
        bool used;
        if (!sl_route_in_use(s->outer, net, 24, &used, err))
            return false;
        if (!used) {
            s->net = net;
            return true;
        }
    }
    return sl_fail(err, SL_EENV, "no network of 100.64.0.0/10 is free");
}

static bool set_up_devices(struct shell *s, struct sl_error *err)
{
    uint32_t in = s->net + 2, out = s->net + 1;
    bool whole = !s->opt->whole_off;
    char name[16];
    snprintf(name, sizeof name, "sl%u", s->net >> 8 & 0x3fff);
    return sl_link_up(s->inner, "lo", err) &&
           sl_device_open(s->inner, "link", false, s->opt->mtu, whole, &s->devices[0], err) &&
           sl_link_address(s->inner, "link", in, 24, err) &&
           sl_route_add(s->inner, "link", 0, 0, 0, err) &&
           (!s->private_outside || sl_link_up(s->outer, "lo", err)) &&
           sl_device_open(s->outer, name, false, s->opt->mtu, whole, &s->devices[1], err) &&
           sl_link_address(s->outer, s->devices[1].name, out, 24, err);
}

// Windows that fill the link: bandwidth times round trip, twice. Only of namespaces we made.
static void raise_buffers(int ns)
{
    sl_netns_sysctl(ns, "ipv4/tcp_rmem", "4096 131072 67108864");
    sl_netns_sysctl(ns, "ipv4/tcp_wmem", "4096 65536 67108864");
    sl_netns_sysctl(ns, "ipv4/ping_group_range", "0 2147483647");
}

static bool nft(const char *text, struct sl_error *err)
{
    const char *const argv[] = {"nft", "-f", "-", NULL};
    struct sl_proc_options o = {.input = text,
                                .input_len = strlen(text),
                                .deadline_ns = 10000000000ll,
                                .ignore_interrupt = true};
    return sl_proc_run(argv, &o, err);
}

/*
 * Shells of one namespace share its ip_forward: the first notes what it was in a file of the
 * namespace's number, the last one takes it back. Whoever holds the file's lock is alone.
 */
static int lock_forwarding(const struct shell *s, char path[96])
{
    struct stat ns, at;
    if (fstat(s->outer, &ns))
        return -1;
    snprintf(path, 96, "/run/sluice-forward.%ju", (uintmax_t)ns.st_ino);
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 || flock(fd, LOCK_EX) || fstat(fd, &at)) {
            sl_close_fd(&fd);
            return -1;
        }
        if (at.st_nlink)
            return fd;
        close(fd); // another one removed it meanwhile
    }
}

static bool read_forwarding(void *ctx, struct sl_error *err)
{
    (void)err;
    char *value = ctx;
    SL_AUTO(sl_close_fd) int fd = open("/proc/sys/net/ipv4/ip_forward", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, value, 1) == 1;
}

static bool other_shells(void)
{
    struct sl_str out = {0};
    const char *const argv[] = {"nft", "list", "tables", "ip", NULL};
    struct sl_proc_options o = {
        .out = &out, .deadline_ns = 10000000000ll, .ignore_interrupt = true};
    bool found = sl_proc_run(argv, &o, NULL) && strstr(sl_str_text(&out), "sluice_sl");
    sl_str_done(&out);
    return found;
}

// Waits until its pipe is closed by whatever ends the shell, then takes back.
static void guard(struct shell *s, int pipe_end, const char *table)
{
    char c, text[64], path[96], value[2] = "";
    setsid(); // Ctrl-C is not for it
    while (read(pipe_end, &c, 1) < 0 && errno == EINTR)
        ;
    int lock = lock_forwarding(s, path);
    snprintf(text, sizeof text, "delete table ip %s\n", table);
    nft(text, NULL);
    if (lock >= 0 && !other_shells()) {
        if (pread(lock, value, 1, 0) == 1)
            sl_netns_sysctl(s->outer, "ipv4/ip_forward", value);
        unlink(path);
    }
    _exit(0);
}

static bool forward_and_translate(struct shell *s, const char *table, struct sl_error *err)
{
    char text[400], path[96], before[2] = "0";
    SL_AUTO(sl_close_fd) int lock = lock_forwarding(s, path);
    struct stat noted;
    if (lock < 0)
        return sl_fail(err, SL_EENV, "cannot lock '%s': %s", path, strerror(errno));
    if (!fstat(lock, &noted) && !noted.st_size &&
        (!sl_netns_run(s->outer, read_forwarding, before, err) || pwrite(lock, before, 1, 0) != 1))
        return sl_fail(err, SL_EENV, "cannot note in '%s' whether packets are forwarded", path);
    snprintf(text, sizeof text,
             "table ip %s {\n chain post { type nat hook postrouting priority 100;\n"
             "  ip saddr %u.%u.%u.2 oifname != \"%s\" masquerade\n }\n}\n",
             table, s->net >> 24, s->net >> 16 & 255, s->net >> 8 & 255, s->devices[1].name);
    if (!nft(text, err))
        return false;
    int e = sl_netns_sysctl(s->outer, "ipv4/ip_forward", "1");
    return e ? sl_netns_fail(e, err, "cannot forward packets") : true;
}

static bool translate(struct shell *s, struct sl_error *err)
{
    bool away = false;
    if (s->private_outside || s->opt->no_nat || !sl_route_default(s->outer, &away, err))
        return s->private_outside || s->opt->no_nat;
    if (!away)
        return true;
    if (!sl_proc_have("nft")) {
        sl_warn(
            "what is behind '%s' cannot be reached: the program nft is missing (package nftables)",
            s->devices[1].name);
        return true;
    }
    char table[32];
    int ends[2];
    snprintf(table, sizeof table, "sluice_%s", s->devices[1].name);
    if (pipe2(ends, O_CLOEXEC))
        return sl_fail(err, SL_ERUN, "cannot make a pipe: %s", strerror(errno));
    s->guardian = fork();
    if (s->guardian < 0)
        return sl_fail(err, SL_ERUN, "cannot start a process: %s", strerror(errno));
    if (!s->guardian) {
        close(ends[1]);
        guard(s, ends[0], table);
    }
    close(ends[0]);
    s->guard = ends[1];
    return forward_and_translate(s, table, err);
}

static pid_t start(struct shell *s, int ns, char *const *argv)
{
    char outside[32];
    pid_t parent = getpid(), pid = fork();
    if (pid)
        return pid;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    static const int back[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGXFSZ};
    for (size_t i = 0; i < sizeof back / sizeof *back; i++)
        signal(back[i], SIG_DFL);
    if (setns(ns, CLONE_NEWNET)) {
        fprintf(stderr, "sluice: error: cannot enter the namespace: %s\n", strerror(errno));
        _exit(SL_EENV);
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(SL_ERUN);
    snprintf(outside, sizeof outside, "%u.%u.%u.1", s->net >> 24, s->net >> 16 & 255,
             s->net >> 8 & 255);
    setenv("SLUICE_SHELL_OUTSIDE", outside, 1);
    execvp(argv[0], argv);
    int why = errno;
    fprintf(stderr, "sluice: error: cannot run '%s': %s\n", argv[0], strerror(why));
    _exit(why == ENOENT ? 127 : 126); // as shells do
}

static void end_child(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGTERM);
    for (int i = 0; i < 100 && waitpid(pid, NULL, WNOHANG) == 0; i++) {
        struct timespec t = {.tv_nsec = 10000000};
        nanosleep(&t, NULL);
        if (i == 99) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
    }
}

static bool prepare(struct sl_relay *r, const struct sl_shell_options *opt, struct sl_error *err)
{
    for (uint32_t pipe = 0; pipe < 2; pipe++) {
        const struct sl_conditions *c = pipe ? &opt->down : &opt->up;
        struct sl_prepared *p = sl_prepared_new(c, opt->seed, pipe, err);
        if (!p)
            return false;
        sl_emulator_apply(sl_relay_emulator(r), pipe, p, sl_mono_ns());
        sl_prepared_free(p);
    }
    return true;
}

static uint64_t sum_of(const struct sl_pipe_counts *c)
{
    uint64_t sum = c->out_packets + c->under_way;
    for (int i = 0; i < SL_DROPS; i++)
        sum += c->dropped[i];
    return sum;
}

// SIGINT and SIGQUIT are for the command, which is in the same foreground group; the others end it.
static bool run_until_exit(struct shell *s, struct sl_relay *r, struct sl_shell_result *out,
                           struct sl_error *err)
{
    SL_AUTO(sl_close_fd) int over = (int)syscall(SYS_pidfd_open, s->command, 0);
    if (over < 0)
        return sl_fail(err, SL_ERUN, "cannot watch the command: %s", strerror(errno));
    if (!sl_relay_run(r, over, err))
        return false;
    int status = 0;
    if (sl_interrupted())
        kill(s->command, SIGTERM);
    if (waitpid(s->command, &status, sl_interrupted() ? WNOHANG : 0) == s->command)
        out->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    s->command = 0;
    sl_emulator_counts(sl_relay_emulator(r), 0, 0, false, &out->up);
    sl_emulator_counts(sl_relay_emulator(r), 1, 0, false, &out->down);
    snprintf(out->realtime, sizeof out->realtime, "%s", sl_relay_realtime(r));
    struct timespec cpu;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    out->cpu_ns = cpu.tv_sec * 1000000000ll + cpu.tv_nsec;
    struct sl_relay_counts n;
    sl_relay_counts(r, &n);
    uint64_t came =
        out->up.in_packets + out->down.in_packets + out->up.duplicates + out->down.duplicates;
    out->unexplained = came - sum_of(&out->up) - sum_of(&out->down);
    out->unexplained +=
        n.read - n.no_route - n.malformed - n.memory - out->up.in_packets - out->down.in_packets;
    return true;
}

static bool run(struct shell *s, struct sl_relay **relay, struct sl_shell_result *out,
                struct sl_error *err)
{
    const struct sl_shell_options *opt = s->opt;
    s->private_outside = !has_capabilities();
    if (s->private_outside && !enter_user_namespace(err))
        return false;
    if (!open_own("/proc/self/ns/net", &s->outer, err) ||
        !sl_netns_run(s->outer, make_inner, s, err) || !choose_net(s, err) ||
        !set_up_devices(s, err) || !translate(s, err))
        return false;
    raise_buffers(s->inner);
    if (s->private_outside)
        raise_buffers(s->outer);
    struct sl_relay_options o = {.devices = s->devices,
                                 .n_devices = 2,
                                 .pipes = 2,
                                 .memory_bytes = opt->memory_bytes,
                                 .realtime = opt->realtime};
    *relay = sl_relay_new(&o, err);
    if (!*relay || !prepare(*relay, opt, err))
        return false;
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    if (opt->outside) {
        char sh[] = "sh", c[] = "-c";
        SL_AUTO(sl_free_str) char *text = sl_strdup(opt->outside);
        char *argv[] = {sh, c, text, NULL};
        s->outside = start(s, s->outer, argv);
    }
    s->command = start(s, s->inner, opt->command);
    if (s->command < 0)
        return sl_fail(err, SL_ERUN, "cannot start a process: %s", strerror(errno));
    return run_until_exit(s, *relay, out, err);
}

bool sl_shell_run(const struct sl_shell_options *opt, struct sl_shell_result *out,
                  struct sl_error *err)
{
    struct shell s = {
        .opt = opt, .outer = -1, .inner = -1, .guard = -1, .devices = {{.fd = -1}, {.fd = -1}}};
    struct sl_relay *relay = NULL;
    *out = (struct sl_shell_result){0};
    bool ok = run(&s, &relay, out, err);
    end_child(s.command);
    end_child(s.outside);
    sl_relay_free(relay);
    sl_device_close(&s.devices[0]);
    sl_device_close(&s.devices[1]);
    sl_close_fd(&s.guard);
    if (s.guardian > 0)
        waitpid(s.guardian, NULL, 0);
    sl_close_fd(&s.inner);
    sl_close_fd(&s.outer);
    return ok;
}
