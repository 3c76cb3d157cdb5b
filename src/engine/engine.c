// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"
#include "base/auto.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/reply.h"
#include "engine/transport.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MS_NS INT64_C(1000000)

static void done_text(struct sl_str *s)
{
    sl_str_done(s);
}

// A question answered in JSON. Status 404 gives NULL and true when `missing_ok`.
static bool ask(struct sl_engine *e, const char *path, const char *what, const char *name,
                bool missing_ok, json_t **reply, struct sl_error *err)
{
    SL_AUTO(done_text) struct sl_str text = {0};
    struct sl_engine_call c = {.method = "GET", .path = path};
    int status;
    *reply = NULL;
    if (!sl_engine_transfer(e, &c, &status, &text, err))
        return false;
    if (status == 404 && missing_ok)
        return true;
    if (status != 200)
        return sl_engine_refused(err, what, name, status, &text);
    *reply = sl_reply_json(sl_str_text(&text), text.len);
    if (!*reply)
        return sl_fail(err, SL_ERUN, "the Docker Engine's reply to GET %s is not JSON", path);
    return true;
}

// Something done to a thing; "not there" and "already so" are success.
static bool act(struct sl_engine *e, const char *method, const char *path, const char *what,
                const char *name, int64_t deadline_ns, struct sl_error *err)
{
    SL_AUTO(done_text) struct sl_str text = {0};
    struct sl_engine_call c = {
        .method = method, .path = path, .deadline_ns = deadline_ns, .clean_up = true};
    int status;
    if (!sl_engine_transfer(e, &c, &status, &text, err))
        return false;
    if (status / 100 == 2 || status == 304 || status == 404)
        return true;
    return sl_engine_refused(err, what, name, status, &text);
}

bool sl_engine_request(struct sl_engine *e, const char *method, const char *path,
                       const json_t *body, int *status, json_t **reply, struct sl_error *err)
{
    SL_AUTO(done_text) struct sl_str text = {0};
    struct sl_engine_call c = {.method = method, .path = path, .body = body};
    if (!sl_engine_transfer(e, &c, status, &text, err))
        return false;
    if (reply)
        *reply = text.len ? sl_reply_json(sl_str_text(&text), text.len) : NULL;
    return true;
}

json_t *sl_engine_version(struct sl_engine *e, struct sl_error *err)
{
    json_t *j;
    return ask(e, "/version", "tell its version", NULL, false, &j, err) ? j : NULL;
}

json_t *sl_engine_info(struct sl_engine *e, struct sl_error *err)
{
    json_t *j;
    return ask(e, "/info", "describe itself", NULL, false, &j, err) ? j : NULL;
}

// The kernel's route table of the container's namespace tells which interface is on which subnet.
static void find_ifnames(struct sl_container *c)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/net/route", (long)c->pid);
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    if (c->pid <= 0 || !sl_read_file(path, 65536, &text, &len, NULL))
        return;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char name[16];
        uint32_t to, gateway, mask;
        if (sscanf(line, "%15s %" SCNx32 " %" SCNx32 " %*x %*d %*d %*d %" SCNx32, name, &to,
                   &gateway, &mask) != 4 ||
            gateway || !mask)
            continue;
        for (size_t i = 0; i < c->n_nets; i++) {
            uint32_t a = __builtin_bswap32(c->nets[i].ipv4); // the table prints network order
            if (c->nets[i].ipv4 && (a & mask) == to)
                sl_copy(c->nets[i].ifname, sizeof c->nets[i].ifname, name);
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const struct sl_container *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static bool list_json(struct sl_engine *e, const char *kind, const char *label, const char *value,
                      json_t **out, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *filter = sl_label_filter(label, value);
    SL_AUTO(sl_free_str)
    char *path =
        sl_format("/%s?%s%s", kind, strcmp(kind, "containers/json") ? "" : "all=1&", filter);
    return ask(e, path, "list", kind, false, out, err);
}

bool sl_engine_containers(struct sl_engine *e, const char *label, const char *value,
                          struct sl_container_list *out, struct sl_error *err)
{
    SL_AUTO(sl_json_decref) json_t *list = NULL;
    if (!list_json(e, "containers/json", label, value, &list, err))
        return false;
    SL_VEC(struct sl_container) v = {0};
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *id = sl_json_str(item, "Id", "");
        SL_AUTO(sl_free_str) char *escaped = sl_url_escape(id, "");
        SL_AUTO(sl_free_str) char *path = sl_format("/containers/%s/json", escaped);
        SL_AUTO(sl_json_decref) json_t *one = NULL;
        struct sl_container c;
        if (!ask(e, path, "inspect container", id, true, &one, err)) {
            SL_VEC_DONE(&v);
            return false;
        }
        if (!sl_reply_container(one, &c))
            continue; // gone meanwhile
        find_ifnames(&c);
        *SL_PUSH(&v) = c;
    }
    if (v.len)
        qsort(v.at, v.len, sizeof *v.at, by_name);
    *out = (struct sl_container_list){.at = v.at, .len = v.len};
    return true;
}

void sl_container_list_done(struct sl_container_list *l)
{
    free(l->at);
    *l = (struct sl_container_list){0};
}

bool sl_engine_kill(struct sl_engine *e, const char *id, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *escaped = sl_url_escape(id, "");
    SL_AUTO(sl_free_str) char *path = sl_format("/containers/%s/kill", escaped);
    SL_AUTO(done_text) struct sl_str text = {0};
    struct sl_engine_call c = {.method = "POST", .path = path, .clean_up = true};
    int status;
    if (!sl_engine_transfer(e, &c, &status, &text, err))
        return false;
    if (status / 100 == 2 || status == 404 || status == 409) // 409: it does not run
        return true;
    return sl_engine_refused(err, "kill container", id, status, &text);
}

bool sl_engine_stop(struct sl_engine *e, const char *id, int seconds, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *escaped = sl_url_escape(id, "");
    SL_AUTO(sl_free_str) char *path = sl_format("/containers/%s/stop?t=%d", escaped, seconds);
    return act(e, "POST", path, "stop container", id, (seconds + 60) * 1000 * MS_NS, err);
}

bool sl_engine_remove(struct sl_engine *e, const char *id, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *escaped = sl_url_escape(id, "");
    SL_AUTO(sl_free_str) char *path = sl_format("/containers/%s?force=1&v=1", escaped);
    SL_AUTO(done_text) struct sl_str text = {0};
    struct sl_engine_call c = {.method = "DELETE", .path = path, .clean_up = true};
    int status;
    if (!sl_engine_transfer(e, &c, &status, &text, err))
        return false;
    if (status / 100 == 2 || status == 404 || status == 409) // 409: it is being removed already
        return true;
    return sl_engine_refused(err, "remove container", id, status, &text);
}

static bool take_log(void *ctx, const char *bytes, size_t n)
{
    sl_reply_log_add(ctx, bytes, n);
    return true;
}

char *sl_engine_logs(struct sl_engine *e, const char *id, size_t max_bytes, struct sl_error *err)
{
    struct sl_reply_log log = {.max = max_bytes ? max_bytes : 1};
    SL_AUTO(sl_free_str) char *escaped = sl_url_escape(id, "");
    SL_AUTO(sl_free_str)
    char *path =
        sl_format("/containers/%s/logs?stdout=1&stderr=1&tail=%zu", escaped, max_bytes / 8 + 10);
    SL_AUTO(done_text) struct sl_str text = {0};
    struct sl_engine_call c = {
        .method = "GET", .path = path, .sink = take_log, .ctx = &log, .clean_up = true};
    int status;
    if (!sl_engine_transfer(e, &c, &status, &text, err)) {
        free(log.text);
        return NULL;
    }
    if (status != 200) {
        free(log.text);
        sl_engine_refused(err, "show the log of container", id, status, &text);
        return NULL;
    }
    return sl_reply_log_take(&log);
}

bool sl_engine_usage(struct sl_engine *e, const char *id, struct sl_container_usage *out,
                     struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *escaped = sl_url_escape(id, "");
    SL_AUTO(sl_free_str)
    char *path = sl_format("/containers/%s/stats?stream=false&one-shot=true", escaped);
    SL_AUTO(sl_json_decref) json_t *j = NULL;
    if (!ask(e, path, "measure container", id, false, &j, err))
        return false;
    return sl_reply_usage(j, out) ||
           sl_fail(err, SL_ERUN, "the Docker Engine has no figures for container '%s'", id);
}

bool sl_engine_networks(struct sl_engine *e, const char *label, const char *value, json_t **array,
                        struct sl_error *err)
{
    return list_json(e, "networks", label, value, array, err);
}

bool sl_engine_network_remove(struct sl_engine *e, const char *id, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *escaped = sl_url_escape(id, "");
    SL_AUTO(sl_free_str) char *path = sl_format("/networks/%s", escaped);
    return act(e, "DELETE", path, "remove network", id, 0, err);
}

bool sl_engine_subnets(struct sl_engine *e, json_t **array, struct sl_error *err)
{
    SL_AUTO(sl_json_decref) json_t *networks = NULL;
    if (!ask(e, "/networks", "list", "networks", false, &networks, err))
        return false;
    *array = sl_reply_subnets(networks);
    return true;
}

bool sl_engine_image_present(struct sl_engine *e, const char *ref, bool *present, char id[80],
                             struct sl_error *err)
{
    if (strstr(ref, "..") || ref[0] == '/' || !ref[0])
        return sl_fail(err, SL_EINPUT, "'%s' is not an image reference", ref);
    SL_AUTO(sl_free_str) char *escaped = sl_url_escape(ref, "/:@");
    SL_AUTO(sl_free_str) char *path = sl_format("/images/%s/json", escaped);
    SL_AUTO(sl_json_decref) json_t *j = NULL;
    if (!ask(e, path, "look up image", ref, true, &j, err))
        return false;
    *present = j != NULL;
    if (id)
        sl_copy(id, 80, sl_json_str(j, "Id", ""));
    return true;
}
