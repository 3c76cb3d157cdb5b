// SPDX-License-Identifier: Apache-2.0
/*
 * A Docker Engine that is none: a thread answering HTTP on a Unix socket from a table of replies.
 *
 * A route matches by the start of "METHOD PATH"; the first with replies left answers, others get
 * 404 in the engine's words. Every request line is kept, so that a test can say what was asked, and
 * in what order.
 */
#pragma once
#include "base/mem.h"
#include "base/str.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct fake_route {
    const char *request; // "GET /containers/json"
    int status;
    const char *body;
    size_t len; // 0 = strlen(body)
    int times;  // 0 = always
};
struct fake_engine {
    char folder[64], path[96];
    struct fake_route routes[32];
    struct sl_str asked;  // one "METHOD PATH\n" for each request; see fake_asked
    pthread_mutex_t lock; // of asked
    pthread_t thread;
    int fd;
};

static inline struct fake_route *fake_match(struct fake_engine *f, const char *request)
{
    for (struct fake_route *r = f->routes; r->request; r++) {
        if (!sl_starts_with(request, r->request) || r->times < 0)
            continue;
        if (r->times && --r->times == 0)
            r->times = -1;
        return r;
    }
    return NULL;
}

// Reads a request whole (head, and a body of its Content-Length), answers, closes.
static inline void fake_serve(struct fake_engine *f, int fd)
{
    struct sl_str in = {0};
    char buf[4096];
    ssize_t n;
    size_t want = 0;
    while ((n = recv(fd, buf, sizeof buf, 0)) > 0) {
        sl_str_addn(&in, buf, (size_t)n);
        const char *end = strstr(sl_str_text(&in), "\r\n\r\n");
        const char *length = strcasestr(sl_str_text(&in), "content-length:");
        if (!end)
            continue;
        want = (size_t)(end - in.text) + 4 +
               (length && length < end ? strtoul(length + 15, NULL, 10) : 0);
        if (in.len >= want)
            break;
    }
    char method[16] = "", path[2048] = "", request[2100];
    if (sscanf(sl_str_text(&in), "%15s %2047s", method, path) == 2) {
        snprintf(request, sizeof request, "%s %s", method, path);
        pthread_mutex_lock(&f->lock);
        sl_str_addf(&f->asked, "%s\n", request);
        pthread_mutex_unlock(&f->lock);
        struct fake_route missing = {.status = 404, .body = "{\"message\":\"No such thing\"}"};
        struct fake_route *r = fake_match(f, request);
        r = r ? r : &missing;
        size_t len = r->len ? r->len : strlen(r->body);
        dprintf(fd, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", r->status,
                len);
        if (len && send(fd, r->body, len, MSG_NOSIGNAL) < 0)
            perror("fake engine");
    }
    sl_str_done(&in);
    close(fd);
}

// What was asked until now; for a test whose requests have all been answered.
static inline struct sl_str *fake_asked(struct fake_engine *f)
{
    pthread_mutex_lock(&f->lock);
    pthread_mutex_unlock(&f->lock);
    return &f->asked;
}

static inline void *fake_thread(void *ctx)
{
    struct fake_engine *f = ctx;
    int fd;
    while ((fd = accept(f->fd, NULL, NULL)) >= 0)
        fake_serve(f, fd);
    return NULL;
}

static inline void fake_start(struct fake_engine *f)
{
    snprintf(f->folder, sizeof f->folder, "/tmp/sluice-fake.XXXXXX");
    if (!mkdtemp(f->folder))
        abort();
    snprintf(f->path, sizeof f->path, "%s/engine.sock", f->folder);
    pthread_mutex_init(&f->lock, NULL);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    sl_copy(at.sun_path, sizeof at.sun_path, f->path);
    f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f->fd < 0 || bind(f->fd, (struct sockaddr *)&at, sizeof at) || listen(f->fd, 16) ||
        pthread_create(&f->thread, NULL, fake_thread, f))
        abort();
}

static inline void fake_stop(struct fake_engine *f)
{
    shutdown(f->fd, SHUT_RDWR); // wakes accept
    pthread_join(f->thread, NULL);
    close(f->fd);
    unlink(f->path);
    rmdir(f->folder);
    sl_str_done(&f->asked);
}
