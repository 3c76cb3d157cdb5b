// SPDX-License-Identifier: Apache-2.0
#include "instance/sweep.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/engine.h"
#include "netns/filter.h"
#include "netns/netns.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

char *sl_run_folder(const char *run)
{
    SL_AUTO(sl_free_str) char *base = sl_path_run();
    return sl_format("%s/%s", base, run);
}

// ---- processes of a run -------------------------------------------------------------------------

// Start time in clock ticks since boot: with the pid, the identity of a process. 0 = not there.
static unsigned long long start_time(pid_t pid)
{
    char path[48], buf[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    SL_AUTO(sl_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
    if (n <= 0)
        return 0;
    buf[n] = '\0';
    char *p = strrchr(buf, ')'); // the name may hold anything
    unsigned long long t = 0;
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (p)
        t = strtoull(p + 1, NULL, 10);
    return t;
}

void sl_run_note_pid(const char *run, pid_t pid, const char *what)
{
    struct sl_error ignored;
    SL_AUTO(sl_free_str) char *dir = sl_run_folder(run);
    SL_AUTO(sl_free_str) char *path = sl_format("%s/pids", dir);
    if (!sl_mkdirs(dir, &ignored))
        return;
    SL_AUTO(sl_close_file) FILE *f = fopen(path, "ae");
    if (f)
        fprintf(f, "%d %llu %s\n", (int)pid, start_time(pid), what);
}

// By descriptor, so that a pid that was taken again meanwhile is not hit.
static bool signal_process(pid_t pid, unsigned long long born, int sig)
{
    SL_AUTO(sl_close_fd) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    return fd >= 0 && start_time(pid) == born && !syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
}

// The process that owns a run: its supervisor, or an observation. 0 = none is alive.
static pid_t owner_of(const char *run, unsigned long long *born)
{
    SL_AUTO(sl_free_str) char *dir = sl_run_folder(run);
    SL_AUTO(sl_free_str) char *path = sl_format("%s/pids", dir);
    SL_AUTO(sl_close_file) FILE *f = sl_exists(path) ? fopen(path, "re") : NULL;
    int pid;
    char what[32];
    while (f && fscanf(f, "%d %llu %31s", &pid, born, what) == 3)
        if ((!strcmp(what, "supervisor") || !strcmp(what, "observe")) && *born &&
            start_time(pid) == *born)
            return pid;
    return 0;
}

static int end_noted_processes(const char *run)
{
    struct sl_error ignored;
    SL_AUTO(sl_free_str) char *dir = sl_run_folder(run);
    SL_AUTO(sl_free_str) char *path = sl_format("%s/pids", dir);
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    int ended = 0;
    unsigned long long owner_born;
    bool mine = owner_of(run, &owner_born) == getpid();
    if (!sl_exists(path) || !sl_read_file(path, 1 << 20, &text, &len, &ignored))
        return 0;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        int pid;
        unsigned long long born;
        char what[32] = "";
        if (sscanf(line, "%d %llu %31s", &pid, &born, what) < 2 || pid <= 1 || pid == getpid() ||
            !born)
            continue;
        if (mine && !strcmp(what, "watchdog"))
            continue; // its owner sends it home once everything is gone
        ended += signal_process(pid, born, SIGKILL);
    }
    return ended;
}

bool sl_run_owner_alive(const char *run)
{
    unsigned long long born;
    return owner_of(run, &born) != 0;
}

bool sl_run_owner_stop(const char *run)
{
    unsigned long long born = 0;
    pid_t pid = owner_of(run, &born);
    return pid && pid != getpid() && signal_process(pid, born, SIGTERM);
}

// ---- the sweep ----------------------------------------------------------------------------------

static bool sweep_namespaces(const char *run, int *count, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *prefix = sl_format("sluice-%s", run);
    char **names = NULL;
    size_t n = 0;
    bool ok = sl_netns_list(prefix, &names, &n, err);
    for (size_t k = 0; k < n; k++) {
        size_t len = strlen(prefix);
        bool ours = names[k][len] == '\0' || names[k][len] == '-'; // not "run-1" for "run-12"
        if (ours && sl_netns_delete(names[k], err))
            (*count)++;
        else if (ours)
            ok = false;
        free(names[k]);
    }
    free(names);
    return ok;
}

static bool sweep_filters(const char *run, int *count, struct sl_error *err)
{
    SL_AUTO(sl_close_fd) int ns = -1;
    if (!sl_netns_open_self(&ns, err))
        return false;
    char **runs = NULL;
    size_t n = 0;
    if (!sl_filter_list(ns, &runs, &n, err))
        return false;
    bool ok = true;
    for (size_t k = 0; k < n; k++) {
        if (!strcmp(runs[k], run)) {
            ok = sl_filter_remove(ns, run, err);
            *count += ok;
        }
        free(runs[k]);
    }
    free(runs);
    return ok;
}

bool sl_sweep_run(const char *run, struct sl_swept *out, struct sl_error *err)
{
    struct sl_swept none;
    struct sl_swept *c = out ? out : &none;
    memset(c, 0, sizeof *c);
    // An empty or foreign id would match more than one run.
    if (!run[0] || strspn(run, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(run))
        return sl_fail(err, SL_EUSAGE, "'%s' is not the name of a run", run);
    // Each part is tried whatever became of the others; the first error is reported.
    struct sl_error first = {0}, e = {0};
    c->processes = end_noted_processes(run);
    struct sl_engine *engine = sl_engine_open(NULL, &e);
    if (!engine || !sl_engine_sweep(engine, SL_LABEL_RUN, run, &c->containers, &c->networks, &e))
        first = e;
    memset(&e, 0, sizeof e);
    if (!sweep_namespaces(run, &c->namespaces, &e) && !first.code)
        first = e;
    // Once more: a compose tool that was just ended may have had requests under way.
    int late = 0, late_networks = 0;
    memset(&e, 0, sizeof e);
    if (engine && !first.code &&
        !sl_engine_sweep(engine, SL_LABEL_RUN, run, &late, &late_networks, &e))
        first = e;
    c->containers += late;
    c->networks += late_networks;
    sl_engine_close(engine);
    memset(&e, 0, sizeof e);
    if (!sweep_filters(run, &c->tables, &e) && !first.code)
        first = e;
    SL_AUTO(sl_free_str) char *state = sl_path_state();
    SL_AUTO(sl_free_str) char *work = sl_format("%s/work/%s", state, run);
    SL_AUTO(sl_free_str) char *dir = sl_run_folder(run);
    memset(&e, 0, sizeof e);
    // Not while a container may still write there, and not before what a dying compose tool started
    // is gone.
    if (!first.code && !sl_remove_tree(work, &e))
        first = e;
    // The run folder goes last: while it is there, the run is listed and can be swept again.
    if (!first.code && !sl_remove_tree(dir, &e))
        first = e;
    if (!first.code)
        return true;
    if (err)
        *err = first;
    return sl_within(err, "removing what is left of '%s'", run);
}

bool sl_sweep_unstarted(const char *run, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *dir = sl_run_folder(run);
    return sl_remove_tree(dir, err) || sl_within(err, "removing what is left of '%s'", run);
}

struct names {
    char **at;
    size_t len, cap;
};

static void add_run(struct names *s, const char *name, size_t len)
{
    // "run-7k3f2a": letters, one dash, letters and digits. Locks and the builds' filter are no
    // runs.
    size_t head = strspn(name, "abcdefghijklmnopqrstuvwxyz");
    if (!head || head >= len || name[head] != '-' ||
        head + 1 + strspn(name + head + 1, "abcdefghijklmnopqrstuvwxyz0123456789") < len)
        return;
    for (size_t k = 0; k < s->len; k++)
        if (strlen(s->at[k]) == len && !memcmp(s->at[k], name, len))
            return;
    if (!len || len > 60)
        return;
    if (s->len == s->cap)
        s->at = sl_vec_grow(s->at, &s->cap, s->len, sizeof *s->at);
    s->at[s->len++] = sl_format("%.*s", (int)len, name);
}

static void add_folders(struct names *s, const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.')
            add_run(s, e->d_name, strlen(e->d_name));
    if (d)
        closedir(d);
}

// A namespace is named sluice-<prefix>-<id> or sluice-<prefix>-<id>-<host>: run ids have one dash.
static void add_from_namespace(struct names *s, const char *name)
{
    const char *id = name + strlen("sluice-");
    const char *dash = strchr(id, '-');
    const char *end = dash ? strchr(dash + 1, '-') : NULL;
    add_run(s, id, end ? (size_t)(end - id) : strlen(id));
}

static void add_from_labels(struct names *s, struct sl_engine *e, struct sl_error *err)
{
    struct sl_container_list list = {0};
    if (sl_engine_containers(e, SL_LABEL_RUN, NULL, &list, err))
        for (size_t k = 0; k < list.len; k++)
            add_run(s, list.at[k].run, strlen(list.at[k].run));
    sl_container_list_done(&list);
    json_t *nets = NULL;
    if (sl_engine_networks(e, SL_LABEL_RUN, NULL, &nets, err)) {
        size_t i;
        json_t *net;
        json_array_foreach(nets, i, net)
        {
            const char *run = sl_json_str(json_object_get(net, "Labels"), SL_LABEL_RUN, "");
            add_run(s, run, strlen(run));
        }
    }
    json_decref(nets);
}

bool sl_sweep_list(char ***runs, size_t *n, struct sl_error *err)
{
    struct names s = {0};
    struct sl_error first = {0};
    struct sl_engine *engine = sl_engine_open(NULL, &first);
    if (engine)
        add_from_labels(&s, engine, &first);
    sl_engine_close(engine);
    char **names = NULL;
    size_t n_names = 0;
    struct sl_error e = {0};
    if (sl_netns_list("sluice-", &names, &n_names, &e)) {
        for (size_t k = 0; k < n_names; k++) {
            add_from_namespace(&s, names[k]);
            free(names[k]);
        }
        free(names);
    }
    SL_AUTO(sl_close_fd) int ns = -1;
    if (sl_netns_open_self(&ns, &e) && sl_filter_list(ns, &names, &n_names, &e)) {
        for (size_t k = 0; k < n_names; k++) {
            add_run(&s, names[k], strlen(names[k]));
            free(names[k]);
        }
        free(names);
    }
    SL_AUTO(sl_free_str) char *state = sl_path_state();
    SL_AUTO(sl_free_str) char *work = sl_format("%s/work", state);
    SL_AUTO(sl_free_str) char *dir = sl_path_run();
    add_folders(&s, work);
    add_folders(&s, dir);
    *runs = s.at;
    *n = s.len;
    if (first.code && err)
        *err = first;
    return !first.code;
}

// ---- the watchdog -------------------------------------------------------------------------------

// Kills every running container of the run. Tries again while the engine is busy creating more.
static void kill_containers(const char *run)
{
    int64_t end = sl_mono_ns() + 30000000000;
    int quiet = 0;
    while (sl_mono_ns() < end && quiet < 15) { // an engine may still be finishing what it was told
        struct sl_error e = {0};
        struct sl_engine *engine = sl_engine_open(NULL, &e);
        struct sl_container_list list = {0};
        bool any = !engine;
        if (engine && sl_engine_containers(engine, SL_LABEL_RUN, run, &list, &e)) {
            for (size_t k = 0; k < list.len; k++) {
                if (!list.at[k].pid)
                    continue;
                any = true;
                if (!sl_engine_kill(engine, list.at[k].id, &e))
                    sl_warn("%s", e.msg);
            }
        }
        sl_container_list_done(&list);
        sl_engine_close(engine);
        quiet = any ? 0 : quiet + 1;
        usleep(200000);
    }
}

static void watch(int fd, const char *run)
{
    setsid();
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "sluice-watchdog");
    char bye = 0;
    ssize_t n;
    do
        n = read(fd, &bye, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1 && bye == 'q')
        _exit(0);
    // The wires first: with the hosts' namespaces gone nothing crosses, however many containers
    // there are.
    sl_interrupt_shield(true);
    end_noted_processes(run);
    int namespaces = 0;
    struct sl_error e = {0};
    if (!sweep_namespaces(run, &namespaces, &e))
        sl_warn("%s", e.msg);
    kill_containers(run);
    _exit(0);
}

bool sl_watchdog_start(struct sl_watchdog *w, const char *run, struct sl_error *err)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC))
        return sl_fail(err, SL_ERUN, "cannot start the watchdog: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0) {
        int why = errno;
        close(p[0]);
        close(p[1]);
        return sl_fail(err, SL_ERUN, "cannot start the watchdog: %s", strerror(why));
    }
    if (pid == 0) {
        close(p[1]);
        // Nothing of the owner's terminal or pipes is held open.
        int null = open("/dev/null", O_RDWR);
        if (null >= 0) {
            dup2(null, 0);
            dup2(null, 1);
            dup2(null, 2);
        }
        watch(p[0], run);
    }
    close(p[0]);
    w->pid = pid;
    w->fd = p[1];
    sl_run_note_pid(run, pid, "watchdog");
    return true;
}

void sl_watchdog_done(struct sl_watchdog *w)
{
    if (!w->pid)
        return;
    ssize_t n = write(w->fd, "q", 1);
    (void)n;
    close(w->fd);
    waitpid(w->pid, NULL, 0);
    w->pid = 0;
}
