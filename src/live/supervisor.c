// SPDX-License-Identifier: Apache-2.0
#include "live/supervisor.h"
#include "base/auto.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "instance/sweep.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { MAX_CLIENTS = 8, MAX_REQUEST = 4096, MAX_REPLY = 16 << 20 };

struct client {
    int fd; // -1 = free
    struct sl_str in;
};
struct sl_supervisor {
    int fd;
    char *path;
    sl_supervisor_fn *fn;
    void *ctx;
    struct client clients[MAX_CLIENTS];
};

static bool address_of(const char *run, struct sockaddr_un *addr, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *dir = sl_run_folder(run);
    SL_AUTO(sl_free_str) char *path = sl_format("%s/control.sock", dir);
    memset(addr, 0, sizeof *addr);
    addr->sun_family = AF_UNIX;
    if (!sl_copy(addr->sun_path, sizeof addr->sun_path, path)) {
        sl_fail(err, SL_EENV, "the name of the control socket is too long: '%s'", path);
        sl_hint(err, "set SLUICE_RUNDIR to a shorter folder");
        return false;
    }
    return true;
}

struct sl_supervisor *sl_supervisor_open(const char *run, sl_supervisor_fn *fn, void *ctx,
                                         struct sl_error *err)
{
    struct sockaddr_un addr;
    SL_AUTO(sl_free_str) char *dir = sl_run_folder(run);
    if (!address_of(run, &addr, err) || !sl_mkdirs(dir, err))
        return NULL;
    chmod(dir, 0700);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(addr.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) || listen(fd, MAX_CLIENTS)) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        sl_fail(err, SL_ERUN, "cannot listen on '%s': %s", addr.sun_path, strerror(why));
        return NULL;
    }
    struct sl_supervisor *s = sl_alloc(sizeof *s);
    s->fd = fd;
    s->path = sl_strdup(addr.sun_path);
    s->fn = fn;
    s->ctx = ctx;
    for (int k = 0; k < MAX_CLIENTS; k++)
        s->clients[k].fd = -1;
    return s;
}

size_t sl_supervisor_fds(const struct sl_supervisor *s, int *fds, size_t max)
{
    size_t n = 0;
    if (max)
        fds[n++] = s->fd;
    for (int k = 0; k < MAX_CLIENTS && n < max; k++)
        if (s->clients[k].fd >= 0)
            fds[n++] = s->clients[k].fd;
    return n;
}

static void drop(struct client *c)
{
    sl_close_fd(&c->fd);
    c->fd = -1;
    sl_str_done(&c->in);
}

static void answer(struct sl_supervisor *s, struct client *c, const char *line, size_t len)
{
    struct sl_error e = {0};
    json_t *request = sl_json_parse(line, len, "request", &e);
    json_t *reply = NULL;
    if (request)
        reply = s->fn(s->ctx, sl_json_str(request, "cmd", ""), request);
    if (!reply) {
        if (!e.code)
            sl_fail(&e, SL_EUSAGE, "unknown request; known are 'status' and 'down'");
        reply = sl_json_error(&e);
    }
    SL_AUTO(sl_free_str) char *text = json_dumps(reply, JSON_COMPACT);
    json_decref(reply);
    json_decref(request);
    // A reply is small beside the socket's buffer; who does not take it is dropped.
    if (!text ||
        send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)strlen(text) ||
        send(c->fd, "\n", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
        drop(c);
}

static void serve_client(struct sl_supervisor *s, struct client *c)
{
    char buf[1024];
    ssize_t n = recv(c->fd, buf, sizeof buf, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || c->in.len + (size_t)n > MAX_REQUEST) {
        drop(c);
        return;
    }
    sl_str_addn(&c->in, buf, (size_t)n);
    char *end;
    while (c->fd >= 0 && c->in.text && (end = memchr(c->in.text, '\n', c->in.len))) {
        size_t len = (size_t)(end - c->in.text);
        SL_AUTO(sl_free_str) char *line = sl_format("%.*s", (int)len, c->in.text);
        memmove(c->in.text, end + 1, c->in.len - len - 1);
        c->in.len -= len + 1;
        c->in.text[c->in.len] = '\0';
        answer(s, c, line, strlen(line));
    }
}

void sl_supervisor_serve(struct sl_supervisor *s)
{
    for (;;) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            break;
        int k = 0;
        while (k < MAX_CLIENTS && s->clients[k].fd >= 0)
            k++;
        if (k == MAX_CLIENTS)
            close(fd);
        else
            s->clients[k] = (struct client){.fd = fd, .in = {.max = MAX_REQUEST + 1}};
    }
    for (int k = 0; k < MAX_CLIENTS; k++)
        if (s->clients[k].fd >= 0)
            serve_client(s, &s->clients[k]);
}

void sl_supervisor_close(struct sl_supervisor *s)
{
    if (!s)
        return;
    for (int k = 0; k < MAX_CLIENTS; k++)
        if (s->clients[k].fd >= 0)
            drop(&s->clients[k]);
    close(s->fd);
    unlink(s->path);
    free(s->path);
    free(s);
}

json_t *sl_supervisor_ask(const char *run, const char *cmd, struct sl_error *err)
{
    struct sockaddr_un addr;
    if (!address_of(run, &addr, err))
        return NULL;
    SL_AUTO(sl_close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 5};
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr)) {
        int why = errno;
        sl_fail(err, SL_EENV, "no supervisor answers for run '%s': %s", run, strerror(why));
        sl_hint(err, "'sluice down %s' removes what it left", run);
        return NULL;
    }
    SL_AUTO(sl_free_str) char *line = sl_format("{\"cmd\":\"%s\"}\n", cmd);
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line)) {
        sl_fail(err, SL_ERUN, "the supervisor of run '%s' went away", run);
        return NULL;
    }
    struct sl_str in = {.max = MAX_REPLY};
    char buf[65536];
    ssize_t n;
    while ((n = recv(fd, buf, sizeof buf, 0)) > 0) {
        sl_str_addn(&in, buf, (size_t)n);
        if (buf[n - 1] == '\n')
            break;
    }
    json_t *j = NULL;
    if (n > 0 && !in.truncated)
        j = sl_json_parse(sl_str_text(&in), in.len, "reply", err);
    else
        sl_fail(err, SL_ERUN, "the supervisor of run '%s' did not answer", run);
    sl_str_done(&in);
    return j;
}
