// SPDX-License-Identifier: Apache-2.0
#include "base/proc.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

static atomic_bool interrupted, shielded;

void sl_interrupt(void)
{
    atomic_store(&interrupted, true);
}

bool sl_interrupted(void)
{
    return atomic_load(&interrupted) && !atomic_load(&shielded);
}

void sl_interrupt_shield(bool on)
{
    atomic_store(&shielded, on);
}

bool sl_was_interrupted(void)
{
    return atomic_load(&interrupted);
}

bool sl_sleep_ns(int64_t ns)
{
    int64_t end = sl_mono_ns() + ns;
    while (!sl_interrupted()) {
        int64_t left = end - sl_mono_ns();
        if (left <= 0)
            return true;
        if (left > 100000000)
            left = 100000000;
        struct timespec ts = {left / 1000000000, left % 1000000000};
        nanosleep(&ts, NULL);
    }
    return false;
}

bool sl_proc_have(const char *program)
{
    if (strchr(program, '/'))
        return access(program, X_OK) == 0;
    const char *path = getenv("PATH");
    SL_AUTO(sl_free_str) char *copy = sl_strdup(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
    char *save = NULL;
    for (char *dir = strtok_r(copy, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
        SL_AUTO(sl_free_str) char *full = sl_path_join(dir, program);
        if (access(full, X_OK) == 0)
            return true;
    }
    return false;
}

struct stream {
    int fd;
    struct sl_str *keep;
    struct sl_str line;
};

static void take(struct stream *s, const char *buf, size_t n, const struct sl_proc_options *opt)
{
    if (s->keep)
        sl_str_addn(s->keep, buf, n);
    if (!opt->on_line)
        return;
    for (size_t i = 0; i < n; i++) {
        if (buf[i] == '\n' || buf[i] == '\r') {
            if (s->line.len)
                opt->on_line(opt->ctx, sl_str_text(&s->line));
            sl_str_clear(&s->line);
        } else {
            sl_str_addn(&s->line, &buf[i], 1);
        }
    }
}

// The last lines of what a program complained about, on one line.
static void last_lines(const struct sl_str *text, char *buf, size_t size)
{
    const char *t = sl_str_text(text);
    size_t n = text->len;
    while (n && (t[n - 1] == '\n' || t[n - 1] == ' '))
        n--;
    size_t from = n > 300 ? n - 300 : 0;
    size_t w = 0;
    for (size_t i = from; i < n && w + 1 < size; i++)
        buf[w++] = (t[i] == '\n' || t[i] == '\r') ? ' ' : t[i];
    buf[w] = '\0';
}

static void child(pid_t parent, const char *const *argv, const struct sl_proc_options *opt,
                  const int in[2], const int out[2], const int errp[2])
{
    setpgid(0, 0);
    // The caller waits in the thread that forked, so this fires only when the child is orphaned.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        _exit(127);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 || dup2(errp[1], 2) < 0)
        _exit(127);
    if (opt->cwd && chdir(opt->cwd)) {
        dprintf(2, "cannot enter '%s': %s\n", opt->cwd, strerror(errno));
        _exit(127);
    }
    if (opt->env)
        execvpe(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)opt->env);
    else
        execvp(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(2, "cannot run '%s': %s\n", argv[0], strerror(errno));
    _exit(127);
}

static void close_pair(int p[2])
{
    for (int i = 0; i < 2; i++) {
        if (p[i] >= 0)
            close(p[i]);
        p[i] = -1;
    }
}

bool sl_proc_run(const char *const *argv, const struct sl_proc_options *given, struct sl_error *err)
{
    static const struct sl_proc_options plain;
    const struct sl_proc_options *opt = given ? given : &plain;
    if (!sl_proc_have(argv[0])) {
        sl_fail(err, SL_EENV, "the program '%s' is not installed", argv[0]);
        return false;
    }
    int in[2] = {-1, -1}, out[2] = {-1, -1}, errp[2] = {-1, -1};
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(errp, O_CLOEXEC)) {
        int why = errno;
        close_pair(in), close_pair(out), close_pair(errp);
        return sl_fail(err, SL_ERUN, "cannot start '%s': %s", argv[0], strerror(why));
    }
    pid_t self = getpid(), pid = fork();
    if (pid == 0)
        child(self, argv, opt, in, out, errp);
    if (pid < 0) {
        int why = errno;
        close_pair(in), close_pair(out), close_pair(errp);
        return sl_fail(err, SL_ERUN, "cannot start '%s': %s", argv[0], strerror(why));
    }
    setpgid(pid, pid);
    close(in[0]), close(out[1]), close(errp[1]);
    in[0] = out[1] = errp[1] = -1;
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    struct sl_str own_err = {.max = 1 << 20};
    struct stream streams[2] = {{.fd = out[0], .keep = opt->out, .line = {.max = 65536}},
                                {.fd = errp[0], .keep = &own_err, .line = {.max = 65536}}};
    size_t sent = 0;
    int64_t end = opt->deadline_ns ? sl_mono_ns() + opt->deadline_ns : 0;
    bool killed = false, timed_out = false, stopped = false;
    int64_t kill_at = 0;
    while (streams[0].fd >= 0 || streams[1].fd >= 0) {
        if (in[1] >= 0 && sent >= opt->input_len) {
            close(in[1]);
            in[1] = -1;
        }
        struct pollfd fds[3] = {{.fd = streams[0].fd, .events = POLLIN},
                                {.fd = streams[1].fd, .events = POLLIN},
                                {.fd = in[1], .events = POLLOUT}};
        poll(fds, 3, 100);
        for (int i = 0; i < 2; i++) {
            if (!fds[i].revents)
                continue;
            char buf[65536];
            ssize_t n = read(streams[i].fd, buf, sizeof buf);
            if (n > 0)
                take(&streams[i], buf, (size_t)n, opt);
            else if (n == 0 || errno != EINTR)
                streams[i].fd = -1;
        }
        if (fds[2].revents) {
            ssize_t n = write(in[1], opt->input + sent, opt->input_len - sent);
            if (n > 0)
                sent += (size_t)n;
            else if (n < 0 && errno != EAGAIN && errno != EINTR)
                sent = opt->input_len; // it does not want more
        }
        int64_t now = sl_mono_ns();
        bool late = end && now > end, stop = !opt->ignore_interrupt && sl_interrupted();
        if (!killed && (late || stop)) {
            timed_out = late && !stop;
            stopped = stop;
            kill(-pid, SIGTERM);
            killed = true;
            kill_at = now + 3000000000;
        } else if (killed && now > kill_at) {
            kill(-pid, SIGKILL);
            break;
        }
    }
    close_pair(in), close_pair(out), close_pair(errp);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    char tail[320];
    last_lines(&own_err, tail, sizeof tail);
    if (opt->errout)
        sl_str_addn(opt->errout, sl_str_text(&own_err), own_err.len);
    sl_str_done(&own_err);
    sl_str_done(&streams[0].line);
    sl_str_done(&streams[1].line);
    if (stopped)
        return sl_fail(err, SL_EINTR, "interrupted while '%s' was running", argv[0]);
    if (timed_out)
        return sl_fail(err, SL_ERUN, "'%s %s' did not end within %.0f s and was stopped: %s",
                       argv[0], argv[1] ? argv[1] : "", (double)opt->deadline_ns / 1e9, tail);
    if (WIFSIGNALED(status))
        return sl_fail(err, SL_ERUN, "'%s' was killed by signal %d: %s", argv[0], WTERMSIG(status),
                       tail);
    if (opt->exit_code) {
        *opt->exit_code = WEXITSTATUS(status);
        return true;
    }
    if (WEXITSTATUS(status))
        return sl_fail(err, SL_ERUN, "'%s%s%s' failed with status %d: %s", argv[0],
                       argv[1] ? " " : "", argv[1] ? argv[1] : "", WEXITSTATUS(status), tail);
    return true;
}
