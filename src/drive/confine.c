// SPDX-License-Identifier: Apache-2.0
/*
 * Order matters: namespaces and mounts need rights, so they come first; capabilities leave the
 * bounding set while we may still say so; the user changes; and only then the death signal is set,
 * because a change of user clears it. Whoever's parent died in between sees another getppid().
 *
 * The parent may have threads, so the child must not allocate, print or lock before exec: it makes
 * raw system calls (the C library's setresuid() signals all threads it believes there are) and
 * reports a failed step as two integers through a pipe that exec closes.
 */
#include "drive/confine.h"
#include "base/auto.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

// Sanitizers map terabytes: with one, the address space has no limit.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SHADOWED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHADOWED 1
#endif

enum { NOBODY = 65534, STATUS_FD = 3, PROGRAM_FD = 4, FIRST_OTHER_FD = 5 };

enum step {
    STEP_FDS,
    STEP_NETNS,
    STEP_MOUNTNS,
    STEP_TMPFS,
    STEP_FILES,
    STEP_RESOLV,
    STEP_HOSTS,
    STEP_LIMITS,
    STEP_GROUPS,
    STEP_USER,
    STEP_CAPS,
    STEP_NOPRIVS,
    STEP_DEATH,
    STEP_EXEC,
};
static const char *const step_names[] = {
    [STEP_FDS] = "arranging descriptors",
    [STEP_NETNS] = "entering the network namespace",
    [STEP_MOUNTNS] = "making a mount namespace",
    [STEP_TMPFS] = "mounting an empty /tmp",
    [STEP_FILES] = "writing resolver files",
    [STEP_RESOLV] = "covering /etc/resolv.conf",
    [STEP_HOSTS] = "covering /etc/hosts",
    [STEP_LIMITS] = "setting limits",
    [STEP_GROUPS] = "dropping groups",
    [STEP_USER] = "becoming user 65534",
    [STEP_CAPS] = "dropping capabilities",
    [STEP_NOPRIVS] = "forbidding new privileges",
    [STEP_DEATH] = "tying the child to its parent",
    [STEP_EXEC] = "running the program",
};

struct failure {
    int step, why;
};

static bool bad(enum step step)
{
    struct failure f = {.step = (int)step, .why = errno};
    ssize_t n = write(STATUS_FD, &f, sizeof f);
    (void)n;
    return false;
}

// Moves the four descriptors that stay to their places and closes all others.
static bool keep_only(const struct sl_confine *c, int status_fd, int program_fd)
{
    int in = fcntl(c->stdin_fd, F_DUPFD, 10), out = fcntl(c->stdout_fd, F_DUPFD, 10);
    int status = fcntl(status_fd, F_DUPFD, 10);
    int program = program_fd >= 0 ? fcntl(program_fd, F_DUPFD, 10) : -1;
    int netns = c->netns >= 0 ? fcntl(c->netns, F_DUPFD, 10) : -1;
    if (status < 0 || dup3(status, STATUS_FD, O_CLOEXEC) < 0)
        return false; // nobody to tell: the parent sees the pipe close without a child
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        return bad(STEP_FDS);
    if (program >= 0 && dup3(program, PROGRAM_FD, O_CLOEXEC) < 0)
        return bad(STEP_FDS);
    if (netns >= 0 && setns(netns, CLONE_NEWNET))
        return bad(STEP_NETNS);
    if (program < 0)
        close(PROGRAM_FD);
    if (syscall(SYS_close_range, FIRST_OTHER_FD, ~0U, 0)) {
        for (int fd = FIRST_OTHER_FD; fd < 65536; fd++) // kernels before 5.9
            close(fd);
    }
    return true;
}

static bool write_small(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (fd < 0)
        return false;
    size_t len = strlen(text);
    bool ok = write(fd, text, len) == (ssize_t)len;
    close(fd);
    return ok;
}

// mount(2) follows a symlink at /etc/resolv.conf, so the real file is what gets covered.
static bool cover_files(void)
{
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return bad(STEP_MOUNTNS);
    if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=0755"))
        return bad(STEP_TMPFS);
    umask(0);
    if (!write_small("/tmp/resolv.conf",
                     "nameserver 127.0.0.11\noptions ndots:0 timeout:1 attempts:2\n") ||
        !write_small("/tmp/hosts", "127.0.0.1 localhost\n::1 localhost\n") ||
        !write_small("/tmp/nsswitch.conf", "hosts: files dns\n"))
        return bad(STEP_FILES);
    if (mount("/tmp/resolv.conf", "/etc/resolv.conf", NULL, MS_BIND, NULL))
        return bad(STEP_RESOLV);
    if (mount("/tmp/hosts", "/etc/hosts", NULL, MS_BIND, NULL))
        return bad(STEP_HOSTS);
    // The machine's own name caches would answer past the files above. Absent is as good.
    mount("/tmp/nsswitch.conf", "/etc/nsswitch.conf", NULL, MS_BIND, NULL);
    mount("tmpfs", "/run/nscd", "tmpfs", MS_RDONLY, "size=4k");
    return true;
}

static bool limit(int what, uint64_t most)
{
    struct rlimit now, want = {.rlim_cur = most, .rlim_max = most};
    if (getrlimit((__rlimit_resource_t)what, &now))
        return false;
    if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most)
        want.rlim_cur = want.rlim_max = now.rlim_max; // lower already; raising needs rights
    return setrlimit((__rlimit_resource_t)what, &want) == 0;
}

static bool limit_all(const struct sl_confine *c)
{
    bool ok = limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, c->max_files);
    // Counted over all processes of the user, so over all drivers of this machine.
    ok = ok && limit(RLIMIT_NPROC, 8192);
#ifndef SHADOWED
    ok = ok && limit(RLIMIT_AS, c->max_address_bytes);
#endif
    return ok || bad(STEP_LIMITS);
}

static bool drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};
    if (syscall(SYS_capset, &head, none))
        return bad(STEP_CAPS);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return bad(STEP_NOPRIVS);
    return true;
}

static bool drop_rights(void)
{
    if (syscall(SYS_geteuid) != 0)
        return drop_capabilities();
    for (unsigned long cap = 0; cap < 64; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); // fails past the kernel's last one
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    prctl(PR_SET_SECUREBITS,
          SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
              SECBIT_KEEP_CAPS_LOCKED,
          0, 0, 0);
    // Where 65534 is not mapped (EINVAL: a user namespace with one user) we stay who we are, which
    // outside is an ordinary user; the capabilities go all the same.
    if (syscall(SYS_setgroups, 0, NULL) && errno != EPERM)
        return bad(STEP_GROUPS);
    if (syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) && errno != EINVAL)
        return bad(STEP_GROUPS);
    if (syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) && errno != EINVAL)
        return bad(STEP_USER);
    return drop_capabilities();
}

static void reset_signals(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN};
    for (int s = 1; s < NSIG; s++)
        sigaction(s, &plain, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int child(const struct sl_confine *c, int status_fd, int program_fd, pid_t parent)
{
    static const char *const env[] = {"PATH=/usr/bin:/bin",          "LC_ALL=C",
                                      "HOME=/nonexistent",           "PGSYSCONFDIR=/nonexistent",
                                      "ASAN_OPTIONS=detect_leaks=0", NULL};
    setsid();
    reset_signals();
    if (!keep_only(c, status_fd, program_fd))
        return 126;
    if ((c->netns >= 0 && !cover_files()) || !limit_all(c) || !drop_rights())
        return 126;
    if (chdir("/") || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)) {
        bad(STEP_DEATH);
        return 126;
    }
    if (getppid() != parent)
        return 126; // it died before the signal was set
    if (!c->program) {
        close(STATUS_FD);
        return c->run(c->ctx);
    }
    syscall(SYS_execveat, PROGRAM_FD, "", c->argv, env, AT_EMPTY_PATH);
    bad(STEP_EXEC);
    return 126;
}

static bool refused(const struct failure *f, const char *program, struct sl_error *err)
{
    sl_fail(err, SL_EENV, "cannot start '%s': %s: %s", program ? program : "probe",
            step_names[f->step], strerror(f->why));
    if (f->why == EPERM && f->step <= STEP_TMPFS)
        sl_hint(err, "run as root, or with the capability CAP_SYS_ADMIN");
    else if (f->step == STEP_RESOLV || f->step == STEP_HOSTS)
        sl_hint(err, "the file must exist, be it empty, so that it can be covered");
    else if (f->step == STEP_EXEC && f->why == EACCES)
        sl_hint(err, "make '%s' readable and executable for everyone", program);
    return false;
}

bool sl_confine_start(const struct sl_confine *c, pid_t *out, struct sl_error *err)
{
    SL_AUTO(sl_close_fd) int program = -1;
    SL_AUTO(sl_close_fd) int said = -1;
    if (c->program && (program = open(c->program, O_RDONLY | O_CLOEXEC)) < 0)
        return sl_fail(err, SL_EENV, "cannot open '%s': %s", c->program, strerror(errno));
    int status[2];
    if (pipe2(status, O_CLOEXEC))
        return sl_fail(err, SL_ERUN, "cannot make a pipe: %s", strerror(errno));
    said = status[0];
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(c, status[1], program, parent));
    int why = errno;
    close(status[1]);
    if (pid < 0)
        return sl_fail(err, SL_ERUN, "cannot start a process: %s", strerror(why));
    struct failure f;
    ssize_t n;
    while ((n = read(said, &f, sizeof f)) < 0 && errno == EINTR)
        ;
    if (n == sizeof f && f.step >= 0 && f.step <= STEP_EXEC) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        return refused(&f, c->program, err);
    }
    *out = pid;
    return true;
}
