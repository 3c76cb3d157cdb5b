// SPDX-License-Identifier: Apache-2.0
/*
 * Pulling through the engine. A registry that could not be reached once is not asked again by this
 * process: on a closed network each attempt costs the look-up's time-out.
 */
#include "base/auto.h"
#include "base/log.h"
#include "base/units.h"
#include "engine/images_int.h"
#include "engine/reply.h"
#include "engine/transport.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { LAYERS_MAX = 128, REGISTRIES_MAX = 16 };
#define FIRST_BYTE_NS INT64_C(25000000000)
#define ASK_NS INT64_C(15000000000)
#define STALL_NS INT64_C(180000000000)

static pthread_mutex_t unreachable_lock = PTHREAD_MUTEX_INITIALIZER;
static char unreachable[REGISTRIES_MAX][256]; // under unreachable_lock

static bool known_unreachable(const char *registry)
{
    bool known = false;
    pthread_mutex_lock(&unreachable_lock);
    for (size_t i = 0; i < REGISTRIES_MAX; i++)
        known |= !strcmp(unreachable[i], registry);
    pthread_mutex_unlock(&unreachable_lock);
    return known;
}

static void remember_unreachable(const char *registry)
{
    pthread_mutex_lock(&unreachable_lock);
    for (size_t i = 0; i < REGISTRIES_MAX; i++) {
        if (!unreachable[i][0]) {
            sl_copy(unreachable[i], sizeof unreachable[i], registry);
            break;
        }
    }
    pthread_mutex_unlock(&unreachable_lock);
}

struct progress {
    const char *ref;
    char id[LAYERS_MAX][16];
    double now[LAYERS_MAX], total[LAYERS_MAX];
    size_t n;
    char error[400];
};

static void on_value(void *ctx, const json_t *v)
{
    struct progress *p = ctx;
    const char *error = sl_json_str(v, "error", NULL), *id = sl_json_str(v, "id", "");
    if (error)
        sl_copy(p->error, sizeof p->error, error);
    const json_t *detail = json_object_get(v, "progressDetail");
    if (strcmp(sl_json_str(v, "status", ""), "Downloading") || !id[0])
        return;
    size_t i = 0;
    while (i < p->n && strcmp(p->id[i], id))
        i++;
    if (i == LAYERS_MAX)
        return;
    if (i == p->n)
        sl_copy(p->id[p->n++], sizeof p->id[0], id);
    p->now[i] = sl_json_num(detail, "current", 0);
    p->total[i] = sl_json_num(detail, "total", 0);
    double now = 0, total = 0;
    char a[32], b[32];
    for (size_t k = 0; k < p->n; k++)
        now += p->now[k], total += p->total[k];
    sl_progress(0, 0, "images", "pulling %s: %s of %s", p->ref, sl_format_bytes(now, a, sizeof a),
                sl_format_bytes(total, b, sizeof b));
}

static bool take(void *ctx, const char *bytes, size_t n)
{
    sl_reply_lines_add(ctx, bytes, n);
    return true;
}

// Words of the engine that mean "I did not get through", not "there is no such image".
static bool is_network_failure(const char *why)
{
    static const char *const signs[] = {"no such host",
                                        "dial tcp",
                                        "i/o timeout",
                                        "connection refused",
                                        "network is unreachable",
                                        "Client.Timeout",
                                        "TLS handshake",
                                        "deadline exceeded",
                                        "name resolution",
                                        "no route to host",
                                        "server misbehaving",
                                        "x509:",
                                        "EOF",
                                        "been silent for",
                                        "proxyconnect"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (strstr(why, signs[i]))
            return true;
    return false;
}

static char *pull_path(const char *text, const struct sl_ref *r)
{
    if (r->digest[0]) {
        SL_AUTO(sl_free_str) char *whole = sl_url_escape(text, "");
        return sl_format("/images/create?fromImage=%s", whole);
    }
    // The whole name without its tag: the engine would fetch every tag if none were given.
    SL_AUTO(sl_free_str) char *name = sl_strdup(text);
    char *slash = strrchr(name, '/'), *colon = strrchr(name, ':');
    if (colon && (!slash || colon > slash))
        *colon = '\0';
    SL_AUTO(sl_free_str) char *n = sl_url_escape(name, ""), *t = sl_url_escape(r->tag, "");
    return sl_format("/images/create?fromImage=%s&tag=%s", n, t);
}

enum sl_pull sl_pull(struct sl_engine *e, const char *ref, char *why, size_t size,
                     struct sl_error *err)
{
    struct sl_ref r;
    if (!sl_ref_parse(ref, &r, err))
        return SL_PULL_FAILED;
    if (sl_ref_private_registry(r.registry)) {
        snprintf(why, size, "'%s' is not a public registry, which is not asked", r.registry);
        return SL_PULL_REFUSED;
    }
    if (known_unreachable(r.registry)) {
        snprintf(why, size, "the registry %s could not be reached before", r.registry);
        return SL_PULL_UNREACHABLE;
    }
    struct progress p = {.ref = ref};
    struct sl_reply_lines lines = {.on_value = on_value, .ctx = &p};
    SL_AUTO(sl_free_str) char *path = pull_path(ref, &r);
    struct sl_str text = {0};
    struct sl_engine_call c = {.method = "POST",
                               .path = path,
                               .sink = take,
                               .ctx = &lines,
                               .deadline_ns = -1,
                               .first_byte_ns = FIRST_BYTE_NS,
                               .stall_ns = STALL_NS};
    struct sl_error failed = {0};
    int status = 0;
    sl_progress(0, 0, "images", "pulling %s", ref);
    bool sent = sl_engine_transfer(e, &c, &status, &text, &failed);
    sl_reply_lines_done(&lines);
    if (sent && status != 200)
        sl_reply_message(sl_str_text(&text), text.len, p.error, sizeof p.error);
    else if (!sent)
        sl_copy(p.error, sizeof p.error, failed.msg);
    sl_str_done(&text);
    if (sent && !p.error[0])
        return SL_PULLED;
    bool network = is_network_failure(p.error);
    if (!sent && (failed.code != SL_ERUN || !network)) {
        if (err)
            *err = failed;
        return SL_PULL_FAILED;
    }
    if (network)
        remember_unreachable(r.registry);
    sl_copy(why, size, p.error);
    return network ? SL_PULL_UNREACHABLE : SL_PULL_REFUSED;
}

bool sl_images_registry(struct sl_images *k, char *why, size_t size)
{
    struct sl_str text = {0};
    struct sl_engine_call c = {
        .method = "GET", .path = "/distribution/hello-world:latest/json", .deadline_ns = ASK_NS};
    struct sl_error err = {0};
    int status = 0;
    bool sent = sl_engine_transfer(k->engine, &c, &status, &text, &err);
    if (!sent)
        sl_copy(why, size, err.msg);
    else if (status != 200)
        sl_reply_message(sl_str_text(&text), text.len, why, size);
    sl_str_done(&text);
    return sent && (status == 200 || !is_network_failure(why));
}
