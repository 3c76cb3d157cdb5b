// SPDX-License-Identifier: Apache-2.0
#include "engine/transport.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "engine/reply.h"
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { PARALLEL = 8 };
#define REPLY_MAX ((size_t)64 << 20)
#define DEFAULT_DEADLINE_NS INT64_C(60000000000)
#define CLEAN_UP_DEADLINE_NS INT64_C(120000000000)
#define INTERRUPTED_GRACE_NS INT64_C(5000000000)

struct sl_engine {
    char socket[sizeof((struct sockaddr_un *)NULL)->sun_path];
    CURL *curl;
    CURLM *multi;
};

static void curl_start(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

const char *sl_engine_socket(const struct sl_engine *e)
{
    return e->socket;
}

// Says why the socket cannot be reached, from the system's own answer.
static bool cannot_reach(const char *path, int why, struct sl_error *err)
{
    sl_fail(err, SL_EENV, "cannot reach the Docker Engine at '%s': %s", path, strerror(why));
    if (why == EACCES || why == EPERM)
        sl_hint(err, "run as root, or join the 'docker' group and log in again");
    else if (why == ENOENT)
        sl_hint(err,
                "install docker.io (or docker-ce) and start it: systemctl start docker; another "
                "socket is named with DOCKER_HOST=unix:///path");
    else if (why == ECONNREFUSED)
        sl_hint(err,
                "the socket is there but nobody listens: start it with 'systemctl start docker'");
    return false;
}

static bool probe(const char *path, struct sl_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (!sl_copy(at.sun_path, sizeof at.sun_path, path))
        return cannot_reach(path, ENAMETOOLONG, err);
    SL_AUTO(sl_close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at))
        return cannot_reach(path, errno, err);
    return true;
}

static bool socket_of(const char *given, char *to, size_t size, struct sl_error *err)
{
    const char *path = given, *env = getenv("DOCKER_HOST");
    if (!path && env && env[0]) {
        if (!sl_starts_with(env, "unix://")) {
            sl_fail(err, SL_EENV, "DOCKER_HOST is '%s', but Sluice needs an engine on this machine",
                    env);
            sl_hint(err, "unset DOCKER_HOST, or set it to unix:///path/of/the/socket");
            return false;
        }
        path = env + strlen("unix://");
    }
    if (!path)
        path = SL_ENGINE_SOCKET;
    return sl_copy(to, size, path) ||
           sl_fail(err, SL_EENV, "the engine's socket path '%s' is too long", path);
}

struct sl_engine *sl_engine_open(const char *socket_path, struct sl_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, curl_start);
    char path[sizeof((struct sl_engine *)NULL)->socket];
    if (!socket_of(socket_path, path, sizeof path, err) || !probe(path, err))
        return NULL;
    struct sl_engine *e = sl_alloc(sizeof *e);
    sl_copy(e->socket, sizeof e->socket, path);
    e->curl = curl_easy_init();
    e->multi = curl_multi_init();
    if (!e->curl || !e->multi) {
        sl_engine_close(e);
        sl_fail(err, SL_ERUN, "libcurl cannot be set up");
        return NULL;
    }
    return e;
}

void sl_engine_close(struct sl_engine *e)
{
    if (!e)
        return;
    curl_easy_cleanup(e->curl);
    curl_multi_cleanup(e->multi);
    free(e);
}

char *sl_url_escape(const char *text, const char *keep)
{
    struct sl_str s = {0};
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~", c) || strchr(keep, c);
        if (plain)
            sl_str_addn(&s, p, 1);
        else
            sl_str_addf(&s, "%%%02X", c);
    }
    return sl_str_take(&s);
}

char *sl_label_filter(const char *label, const char *value)
{
    SL_AUTO(sl_free_str) char *pair = value ? sl_format("%s=%s", label, value) : sl_strdup(label);
    json_t *j = json_pack("{s:[s]}", "label", pair);
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    SL_AUTO(sl_free_str) char *escaped = sl_url_escape(text ? text : "{}", "");
    free(text);
    return sl_format("filters=%s", escaped);
}

struct exchange {
    CURL *curl;
    const struct sl_engine_call *call;
    struct sl_str *text;
    size_t sent;
    int64_t start_ns, last_ns, interrupted_ns;
    curl_off_t bytes;
    bool enough, too_large, stalled, stopped;
};

static size_t on_bytes(char *p, size_t one, size_t n, void *ctx)
{
    struct exchange *x = ctx;
    (void)one;
    long status = 0;
    curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
    if (x->call->sink && status >= 200 && status < 300) {
        x->enough = !x->call->sink(x->call->ctx, p, n);
        return x->enough ? 0 : n;
    }
    sl_str_addn(x->text, p, n);
    x->too_large = x->text->truncated;
    return x->too_large ? 0 : n;
}

static size_t on_upload(char *to, size_t one, size_t n, void *ctx)
{
    struct exchange *x = ctx;
    size_t left = x->call->upload_bytes - x->sent;
    n = n * one < left ? n * one : left;
    memcpy(to, (const char *)x->call->upload + x->sent, n);
    x->sent += n;
    return n;
}

static int on_tick(void *ctx, curl_off_t dt, curl_off_t dn, curl_off_t ut, curl_off_t un)
{
    (void)dt;
    (void)ut;
    struct exchange *x = ctx;
    int64_t now = sl_mono_ns();
    if (dn + un != x->bytes) {
        x->bytes = dn + un;
        x->last_ns = now;
    }
    int64_t patience = !dn && x->call->first_byte_ns ? x->call->first_byte_ns : x->call->stall_ns;
    x->stalled = patience && now - x->last_ns > patience;
    if (!x->call->clean_up && sl_interrupted()) {
        if (!x->interrupted_ns)
            x->interrupted_ns = now;
        bool stream = x->call->sink || x->call->upload;
        x->stopped = stream || now - x->interrupted_ns > INTERRUPTED_GRACE_NS;
    }
    return x->stalled || x->stopped;
}

static void prepare(struct sl_engine *e, CURL *curl, struct exchange *x, const char *url,
                    struct curl_slist *headers, char *json)
{
    const struct sl_engine_call *c = x->call;
    int64_t limit = c->deadline_ns ? c->deadline_ns : DEFAULT_DEADLINE_NS;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, e->socket);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, c->method);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    if (limit > 0)
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(limit / 1000000));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_tick);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, x);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, x);
    if (c->upload) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_upload);
        curl_easy_setopt(curl, CURLOPT_READDATA, x);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->upload_bytes);
    } else if (json || !strcmp(c->method, "POST")) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json ? json : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)(json ? strlen(json) : 0));
    }
    x->curl = curl;
    x->start_ns = x->last_ns = sl_mono_ns();
}

static bool explain(struct sl_engine *e, const struct exchange *x, CURLcode rc,
                    struct sl_error *err)
{
    const struct sl_engine_call *c = x->call;
    if (x->stopped)
        return sl_fail(err, SL_EINTR, "interrupted while waiting for the Docker Engine (%s %s)",
                       c->method, c->path);
    if (x->stalled)
        return sl_fail(err, SL_ERUN, "the Docker Engine has been silent for %.0f s (%s %s)",
                       (double)(sl_mono_ns() - x->last_ns) / 1e9, c->method, c->path);
    if (x->too_large)
        return sl_fail(err, SL_ERUN, "the Docker Engine's reply to %s %s is larger than 64 MiB",
                       c->method, c->path);
    if (rc == CURLE_OPERATION_TIMEDOUT) {
        sl_fail(err, SL_ERUN, "the Docker Engine did not finish %s %s within %.0f s", c->method,
                c->path, (double)(sl_mono_ns() - x->start_ns) / 1e9);
        sl_hint(err, "look at 'systemctl status docker' and at the machine's load");
        return false;
    }
    if (rc == CURLE_COULDNT_CONNECT && !probe(e->socket, err))
        return false;
    return sl_fail(err, SL_EENV, "the Docker Engine at '%s' broke off %s %s: %s", e->socket,
                   c->method, c->path, curl_easy_strerror(rc));
}

bool sl_engine_transfer(struct sl_engine *e, const struct sl_engine_call *c, int *status,
                        struct sl_str *text, struct sl_error *err)
{
    struct sl_str own = {.max = REPLY_MAX};
    struct exchange x = {.call = c, .text = text ? text : &own};
    x.text->max = REPLY_MAX;
    SL_AUTO(sl_free_str) char *url = sl_format("http://engine%s", c->path);
    char *json = c->body ? json_dumps(c->body, JSON_COMPACT) : NULL;
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    headers = curl_slist_append(headers, c->upload ? "Content-Type: application/x-tar"
                                                   : "Content-Type: application/json");
    prepare(e, e->curl, &x, url, headers, json);
    CURLcode rc = curl_easy_perform(e->curl);
    long code = 0;
    curl_easy_getinfo(e->curl, CURLINFO_RESPONSE_CODE, &code);
    bool ok = rc == CURLE_OK || (rc == CURLE_WRITE_ERROR && x.enough) || explain(e, &x, rc, err);
    curl_slist_free_all(headers);
    free(json);
    sl_str_done(&own);
    if (ok)
        *status = (int)code;
    return ok;
}

// One more exchange of a batch, on a handle of its own.
static CURL *batch_add(struct sl_engine *e, const char *method, const char *path,
                       struct exchange *x, struct sl_engine_call *c, char **url)
{
    CURL *curl = curl_easy_init();
    if (!curl)
        return NULL;
    *c = (struct sl_engine_call){
        .method = method, .path = path, .deadline_ns = CLEAN_UP_DEADLINE_NS, .clean_up = true};
    x->call = c;
    x->text = sl_alloc(sizeof *x->text);
    x->text->max = 65536;
    *url = sl_format("http://engine%s", path);
    prepare(e, curl, x, *url, NULL, NULL);
    curl_multi_add_handle(e->multi, curl);
    return curl;
}

struct batch {
    struct exchange x;
    struct sl_engine_call call;
    char *url;
    size_t index;
};

static void batch_end(struct sl_engine *e, CURL *curl, struct batch *b, int *statuses)
{
    long code = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    statuses[b->index] = (int)code;
    curl_multi_remove_handle(e->multi, curl);
    curl_easy_cleanup(curl);
    sl_str_done(b->x.text);
    free(b->x.text);
    free(b->url);
    free(b);
}

void sl_engine_transfer_all(struct sl_engine *e, const char *method, char *const *paths, size_t n,
                            int *statuses)
{
    memset(statuses, 0, n * sizeof *statuses);
    size_t next = 0;
    int active = 0;
    do {
        while (next < n && active < PARALLEL) {
            struct batch *b = sl_alloc(sizeof *b);
            b->index = next++;
            if (batch_add(e, method, paths[b->index], &b->x, &b->call, &b->url))
                active++;
            else
                free(b);
        }
        int running = 0, left;
        curl_multi_perform(e->multi, &running);
        CURLMsg *m;
        while ((m = curl_multi_info_read(e->multi, &left))) {
            struct batch *b = NULL;
            if (m->msg != CURLMSG_DONE)
                continue;
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&b);
            batch_end(e, m->easy_handle, b, statuses);
            active--;
        }
        if (active)
            curl_multi_poll(e->multi, NULL, 0, 200, NULL);
    } while (active || next < n);
}

bool sl_engine_refused(struct sl_error *err, const char *what, const char *name, int status,
                       const struct sl_str *text)
{
    char why[400];
    sl_reply_message(sl_str_text(text), text->len, why, sizeof why);
    return sl_fail(err, SL_ERUN, "the Docker Engine will not %s%s%s%s: %s (status %d)", what,
                   name ? " '" : "", name ? name : "", name ? "'" : "", why, status);
}
