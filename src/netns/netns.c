// SPDX-License-Identifier: Apache-2.0
/*
 * A network namespace lives as long as something refers to it. Ours are held by a bind mount of the
 * nsfs file at /run/netns/NAME, the convention of ip-netns(8), so `ip netns exec NAME ...` works
 * and so does finding ours again after a crash.
 *
 * A thread, not a process, enters a namespace: setns(CLONE_NEWNET) is per thread, and a thread we
 * just made and end right afterwards cannot leave anybody else in the wrong place. Only the network
 * namespace changes, so /sys still shows the caller's devices in there: nothing here reads /sys.
 * /proc/sys/net is different, it follows the thread that opens it.
 */
#include "netns/netns.h"
#include "base/auto.h"
#include "base/mem.h"
#include "base/str.h"
#include "netns/rt.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define NETNS_DIR "/run/netns"

struct visit {
    int ns; // -1 = make a new one
    sl_netns_fn *fn;
    void *ctx;
    struct sl_error *err;
    bool ok;
};

static void *visit_thread(void *arg)
{
    struct visit *v = arg;
    if ((v->ns >= 0 ? setns(v->ns, CLONE_NEWNET) : unshare(CLONE_NEWNET)) != 0) {
        v->ok = sl_netns_fail(errno, v->err, "cannot %s a network namespace",
                              v->ns >= 0 ? "enter" : "make");
        return NULL;
    }
    v->ok = v->fn(v->ctx, v->err);
    return NULL;
}

static bool visit(int ns, sl_netns_fn *fn, void *ctx, struct sl_error *err)
{
    struct visit v = {.ns = ns, .fn = fn, .ctx = ctx, .err = err};
    sigset_t all, old; // signals belong to the thread with the signalfd
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_t thread;
    int e = pthread_create(&thread, NULL, visit_thread, &v);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (e)
        return sl_netns_fail(e, err, "cannot start a thread");
    pthread_join(thread, NULL);
    return v.ok;
}

bool sl_netns_run(int ns, sl_netns_fn *fn, void *ctx, struct sl_error *err)
{
    if (ns < 0)
        return sl_fail(err, SL_ERUN, "no network namespace was given");
    return visit(ns, fn, ctx, err);
}

struct sysctl {
    const char *path, *value;
    int why;
};

static bool write_sysctl(void *ctx, struct sl_error *err)
{
    (void)err;
    struct sysctl *s = ctx;
    char full[200];
    snprintf(full, sizeof full, "/proc/sys/net/%s", s->path);
    SL_AUTO(sl_close_fd) int fd = open(full, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        s->why = errno == ENOENT ? 0 : errno;
    else if (write(fd, s->value, strlen(s->value)) < 0)
        s->why = errno;
    return true;
}

int sl_netns_sysctl(int ns, const char *path, const char *value)
{
    struct sysctl s = {.path = path, .value = value};
    return sl_netns_run(ns, write_sysctl, &s, NULL) ? s.why : EPERM;
}

static bool path_of(const char *name, char path[280], struct sl_error *err)
{
    size_t n = name ? strlen(name) : 0;
    if (n < 1 || n > 200 || name[0] == '.' || strchr(name, '/'))
        return sl_fail(err, SL_ERUN, "'%.40s' cannot be the name of a network namespace",
                       name ? name : "");
    snprintf(path, 280, NETNS_DIR "/%s", name);
    return true;
}

// The folder is a shared mount of its own, so that mounts in it reach other mount namespaces, and
// above all so that unmounts do.
static bool prepare_dir(struct sl_error *err)
{
    if (mkdir(NETNS_DIR, 0755) && errno != EEXIST)
        return sl_netns_fail(errno, err, "cannot make the folder '%s'", NETNS_DIR);
    SL_AUTO(sl_close_fd) int lock = open(NETNS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock >= 0)
        flock(lock, LOCK_EX); // as ip does: two first users would mount it twice
    for (int attempt = 0; mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL); attempt++) {
        if (errno != EINVAL || attempt)
            return sl_netns_fail(errno, err, "cannot make '%s' a shared mount", NETNS_DIR);
        if (mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL))
            return sl_netns_fail(errno, err, "cannot mount '%s'", NETNS_DIR);
    }
    return true;
}

static bool holds_namespace(const char *path)
{
    struct statfs fs;
    return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

static bool set_inside(const char *path, const char *value, struct sl_error *err)
{
    struct sysctl s = {.path = path, .value = value};
    write_sysctl(&s, NULL);
    return s.why ? sl_netns_fail(s.why, err, "cannot set net/%s", path) : true;
}

// What a new namespace inherits is not what we want: the engine switches forwarding on in the first
// namespace, and IPv4 settings are copied from there; bridged frames would pass through iptables
// hooks when br_netfilter is loaded.
static bool quieten(struct sl_error *err)
{
    return set_inside("ipv6/conf/all/disable_ipv6", "1", err) &&
           set_inside("ipv6/conf/default/disable_ipv6", "1", err) &&
           set_inside("ipv4/ip_forward", "0", err) &&
           set_inside("bridge/bridge-nf-call-iptables", "0", err) &&
           set_inside("bridge/bridge-nf-call-ip6tables", "0", err) &&
           set_inside("bridge/bridge-nf-call-arptables", "0", err);
}

static bool furnish(void *ctx, struct sl_error *err)
{
    SL_AUTO(sl_close_fd) int self = -1;
    if (!quieten(err) || !sl_netns_open_self(&self, err) || !sl_link_up(self, "lo", err))
        return false;
    if (mount("/proc/thread-self/ns/net", ctx, "none", MS_BIND, NULL))
        return sl_netns_fail(errno, err, "cannot mount the namespace at '%s'", (char *)ctx);
    return true;
}

bool sl_netns_create(const char *name, struct sl_error *err)
{
    char path[280];
    if (!path_of(name, path, err) || !prepare_dir(err))
        return false;
    int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
    if (fd < 0 && errno == EEXIST) {
        if (holds_namespace(path)) {
            sl_fail(err, SL_ERUN, "the network namespace '%s' exists already", name);
            sl_hint(err, "'sluice down --all' removes what earlier runs left");
            return false;
        }
        fd = open(path, O_RDONLY | O_CLOEXEC); // a mount point somebody could not finish
    }
    if (fd < 0)
        return sl_netns_fail(errno, err, "cannot make '%s'", path);
    close(fd);
    if (visit(-1, furnish, path, err))
        return true;
    unlink(path);
    return sl_within(err, "making the network namespace '%s'", name);
}

bool sl_netns_delete(const char *name, struct sl_error *err)
{
    char path[280];
    if (!path_of(name, path, err))
        return false;
    if (umount2(path, MNT_DETACH) && errno != EINVAL && errno != ENOENT)
        return sl_netns_fail(errno, err, "cannot unmount the network namespace '%s'", name);
    if (unlink(path) && errno != ENOENT)
        return sl_netns_fail(errno, err, "cannot remove '%s'", path);
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool sl_netns_list(const char *prefix, char ***names, size_t *n, struct sl_error *err)
{
    SL_VEC(char *) found = {0};
    DIR *dir = opendir(NETNS_DIR);
    if (!dir && errno != ENOENT)
        return sl_netns_fail(errno, err, "cannot read '%s'", NETNS_DIR);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_name[0] != '.' && sl_starts_with(e->d_name, prefix ? prefix : ""))
            *SL_PUSH(&found) = sl_strdup(e->d_name);
    }
    if (dir)
        closedir(dir);
    if (found.len)
        qsort(found.at, found.len, sizeof *found.at, by_text);
    *names = found.at;
    *n = found.len;
    return true;
}

static bool open_ns(const char *path, int *out, struct sl_error *err, const char *what)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sl_netns_fail(errno, err, "cannot open %s", what);
    struct statfs fs;
    if (fstatfs(fd, &fs) || fs.f_type != NSFS_MAGIC) {
        close(fd);
        return sl_fail(err, SL_ERUN, "cannot open %s: '%s' is not a namespace", what, path);
    }
    *out = fd;
    return true;
}

bool sl_netns_open(const char *name, int *fd, struct sl_error *err)
{
    char path[280], what[280];
    if (!path_of(name, path, err))
        return false;
    snprintf(what, sizeof what, "the network namespace '%s'", name);
    return open_ns(path, fd, err, what);
}

bool sl_netns_open_pid(pid_t pid, int *fd, struct sl_error *err)
{
    char path[64], what[80];
    if (pid <= 0)
        return sl_fail(err, SL_ERUN, "no process %ld: its network namespace cannot be opened",
                       (long)pid);
    snprintf(path, sizeof path, "/proc/%ld/ns/net", (long)pid);
    snprintf(what, sizeof what, "the network namespace of process %ld", (long)pid);
    return open_ns(path, fd, err, what);
}

bool sl_netns_open_self(int *fd, struct sl_error *err)
{
    return open_ns("/proc/thread-self/ns/net", fd, err, "our own network namespace");
}

bool sl_netns_forwarding(int ns, bool on, struct sl_error *err)
{
    int e = sl_netns_sysctl(ns, "ipv4/ip_forward", on ? "1" : "0");
    return e ? sl_netns_fail(e, err, "cannot switch IPv4 forwarding %s", on ? "on" : "off") : true;
}
