// SPDX-License-Identifier: Apache-2.0
#include "drive/drive.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "base/str.h"
#include "drive/confine.h"
#include "drive/wire.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

const char *const sl_drive_protocols[] = {"http", "postgresql", "mysql", "redis", NULL};

struct sl_drive {
    pid_t pid;  // 0 = reaped
    int orders; // socket to the child's stdin: writing never raises SIGPIPE
    int news;   // pipe from its stdout and stderr
    int max_users;
    bool ready;
    struct sl_drive_stats stats;
    char last_words[200]; // a line that was no news: what a dying program prints
    struct sl_str line;
    char name[64]; // "http://web:80", for messages
};

static bool known_protocol(const char *p)
{
    for (const char *const *k = sl_drive_protocols; *k; k++)
        if (p && !strcmp(*k, p))
            return true;
    return false;
}

static bool send_line(struct sl_drive *d, char *line, struct sl_error *err)
{
    size_t len = strlen(line);
    ssize_t n = send(d->orders, line, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    int why = errno;
    free(line);
    if (n == (ssize_t)len)
        return true;
    return sl_fail(err, SL_ERUN, "the driver of %s does not take orders: %s", d->name,
                   n < 0 ? strerror(why) : "its pipe is full");
}

static bool launch(struct sl_drive *d, int netns, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *program = sl_path_libexec("sluice-drive", err);
    if (!program)
        return false;
    int orders[2], news[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, orders))
        return sl_fail(err, SL_ERUN, "cannot make a socket pair: %s", strerror(errno));
    d->orders = orders[0];
    SL_AUTO(sl_close_fd) int theirs = orders[1];
    if (pipe2(news, O_CLOEXEC))
        return sl_fail(err, SL_ERUN, "cannot make a pipe: %s", strerror(errno));
    d->news = news[0];
    SL_AUTO(sl_close_fd) int out = news[1];
    fcntl(d->news, F_SETFL, O_NONBLOCK); // our end alone: the ends are two open files
    const char *argv[] = {"sluice-drive", NULL};
    struct sl_confine c = {.netns = netns,
                           .stdin_fd = theirs,
                           .stdout_fd = out,
                           .program = program,
                           .argv = argv,
                           .max_files = (uint64_t)d->max_users * 4 + 128,
                           .max_address_bytes = 1ULL << 30};
    return sl_confine_start(&c, &d->pid, err);
}

struct sl_drive *sl_drive_start(const struct sl_drive_spec *spec, int netns, struct sl_error *err)
{
    if (!known_protocol(spec->protocol)) {
        sl_fail(err, SL_EINPUT, "there is no driver for '%s'",
                spec->protocol ? spec->protocol : "(none)");
        sl_hint(err, "drivers: http, postgresql, mysql, redis");
        return NULL;
    }
    if (!spec->host || !spec->host[0] || !spec->port || spec->users < 0) {
        sl_fail(err, SL_EINPUT, "a driver needs a host, a port and users");
        return NULL;
    }
    struct sl_drive *d = sl_alloc(sizeof *d);
    d->orders = d->news = -1;
    d->line.max = SL_DRIVE_MAX_LINE;
    d->max_users = spec->max_users > 0 && spec->max_users < SL_DRIVE_MAX_USERS ? spec->max_users
                                                                               : SL_DRIVE_MAX_USERS;
    char host[40];
    sl_drive_printable(host, sizeof host, spec->host);
    snprintf(d->name, sizeof d->name, "%s://%s:%u", spec->protocol, host, spec->port);
    if (launch(d, netns, err) && send_line(d, sl_drive_order_spec(spec), err))
        return d;
    sl_within(err, "driver of %s", d->name);
    sl_drive_stop(d);
    return NULL;
}

int sl_drive_fd(const struct sl_drive *d)
{
    return d->news;
}

bool sl_drive_ready(const struct sl_drive *d)
{
    return d->ready;
}

void sl_drive_read(const struct sl_drive *d, struct sl_drive_stats *out)
{
    *out = d->stats;
}

pid_t sl_drive_pid(const struct sl_drive *d)
{
    return d->pid;
}

static void take_line(struct sl_drive *d)
{
    struct sl_drive_news news;
    struct sl_error err;
    if (!sl_drive_news_parse(sl_str_text(&d->line), d->line.len, &news, &err)) {
        sl_drive_printable(d->last_words, sizeof d->last_words, sl_str_text(&d->line));
        sl_debug("driver of %s: %s", d->name, d->last_words);
        return;
    }
    switch (news.kind) {
    case SL_NEWS_READY:
        d->ready = true;
        break;
    case SL_NEWS_STATS:
        memcpy(news.stats.last_error, d->stats.last_error, sizeof news.stats.last_error);
        d->stats = news.stats;
        d->stats.at_ns = sl_mono_ns();
        break;
    case SL_NEWS_ERROR:
    case SL_NEWS_END:
        if (news.message[0])
            sl_copy(d->stats.last_error, sizeof d->stats.last_error, news.message);
        break;
    }
}

static void take_bytes(struct sl_drive *d, const char *buf, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (buf[i] != '\n') {
            sl_str_addn(&d->line, &buf[i], 1);
            continue;
        }
        if (d->line.len)
            take_line(d);
        sl_str_clear(&d->line);
        d->line.truncated = false;
    }
}

// False at the end of the pipe.
static bool drain(struct sl_drive *d)
{
    char buf[4096];
    for (int i = 0; i < 64; i++) { // a child that floods us waits for the next round
        ssize_t n = read(d->news, buf, sizeof buf);
        if (n > 0)
            take_bytes(d, buf, (size_t)n);
        else if (n == 0)
            return false;
        else if (errno != EINTR)
            return errno == EAGAIN;
    }
    return true;
}

static void reap(struct sl_drive *d, int *status)
{
    *status = 0;
    while (d->pid > 0 && waitpid(d->pid, status, 0) < 0 && errno == EINTR)
        ;
    d->pid = 0;
}

bool sl_drive_poll(struct sl_drive *d, struct sl_error *err)
{
    if (d->pid > 0 && drain(d))
        return true;
    int status = 0;
    if (d->pid > 0) {
        kill(d->pid, SIGKILL); // it closed its output: whatever it still does, it is of no use
        reap(d, &status);
    }
    const char *said = d->last_words[0] ? d->last_words : d->stats.last_error;
    sl_fail(err, SL_ERUN, "the driver of %s ended: %s", d->name,
            said[0] ? said : "no reason given");
    return false;
}

bool sl_drive_set(struct sl_drive *d, int users, double rate, struct sl_error *err)
{
    if (d->pid <= 0)
        return sl_fail(err, SL_ERUN, "the driver of %s has ended", d->name);
    if (users < 0 || !(rate >= 0))
        return sl_fail(err, SL_EINPUT, "a driver needs 0 or more users and requests per second");
    return send_line(d, sl_drive_order_set(users, rate), err);
}

static void wait_end(struct sl_drive *d, int64_t until_ns)
{
    for (;;) {
        int64_t left = until_ns - sl_mono_ns();
        struct pollfd p = {.fd = d->news, .events = POLLIN};
        if (left <= 0 || (poll(&p, 1, (int)(left / 1000000) + 1) > 0 && !drain(d)))
            return;
    }
}

void sl_drive_stop(struct sl_drive *d)
{
    if (!d)
        return;
    if (d->pid > 0) {
        send(d->orders, "{\"stop\":true}\n", 14, MSG_NOSIGNAL | MSG_DONTWAIT);
        shutdown(d->orders, SHUT_WR);
        wait_end(d, sl_mono_ns() + 1000000000);
        kill(d->pid, SIGKILL);
        int status;
        reap(d, &status);
    }
    sl_close_fd(&d->orders);
    sl_close_fd(&d->news);
    sl_str_done(&d->line);
    free(d);
}
