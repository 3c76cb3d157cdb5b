// SPDX-License-Identifier: Apache-2.0
/*
 * Removal by label: containers, then networks, then volumes, whatever state they are in.
 *
 * Containers go several at a time, since each waits for its processes to die. A network may still
 * have endpoints for a moment, or for ever when a stranger joined it: those are cut off, then it is
 * tried again. Nothing here stops at an interrupt: this is what an interrupt leads to.
 */
#include "base/auto.h"
#include "base/mem.h"
#include "engine/reply.h"
#include "engine/transport.h"
#include <string.h>
#include <time.h>

enum { TRIES = 8 };

static void wait_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL); // not cut short by an interrupt
}

struct paths {
    char **at;
    size_t len, cap;
};

static void paths_done(struct paths *p)
{
    for (size_t i = 0; i < p->len; i++)
        free(p->at[i]);
    SL_VEC_DONE(p);
}

// The list of one kind with the label, whatever happens around us. Caller decrefs.
static bool list(struct sl_engine *e, const char *kind, const char *label, const char *value,
                 json_t **out, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *filter = sl_label_filter(label, value);
    SL_AUTO(sl_free_str) char *path = sl_format("/%s&%s", kind, filter);
    struct sl_str text = {0};
    struct sl_engine_call c = {.method = "GET", .path = path, .clean_up = true};
    int status;
    bool ok = sl_engine_transfer(e, &c, &status, &text, err);
    if (ok && status != 200)
        ok = sl_engine_refused(err, "list what to remove", NULL, status, &text);
    *out = ok ? sl_reply_json(sl_str_text(&text), text.len) : NULL;
    sl_str_done(&text);
    if (ok && !*out)
        return sl_fail(err, SL_ERUN, "the Docker Engine's list of what to remove is not JSON");
    return ok;
}

static void collect(struct paths *p, const json_t *array, const char *key, const char *format_head,
                    const char *format_tail)
{
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item)
    {
        SL_AUTO(sl_free_str) char *id = sl_url_escape(sl_json_str(item, key, ""), "");
        if (id[0])
            *SL_PUSH(p) = sl_format("%s%s%s", format_head, id, format_tail);
    }
}

static bool containers(struct sl_engine *e, const char *label, const char *value, int *count,
                       struct sl_error *err)
{
    for (int attempt = 0; attempt < TRIES; attempt++) {
        SL_AUTO(sl_json_decref) json_t *found = NULL;
        if (!list(e, "containers/json?all=1", label, value, &found, err))
            return false;
        SL_AUTO(paths_done) struct paths p = {0};
        collect(&p, found, "Id", "/containers/", "?force=1&v=1");
        if (!p.len)
            return true;
        int *status = sl_alloc(p.len * sizeof *status);
        sl_engine_transfer_all(e, "DELETE", p.at, p.len, status);
        for (size_t i = 0; i < p.len; i++)
            *count += status[i] / 100 == 2;
        free(status);
        if (attempt)
            wait_a_little(); // someone else removes them too
    }
    SL_AUTO(sl_json_decref) json_t *left = NULL;
    if (!list(e, "containers/json?all=1", label, value, &left, err))
        return false;
    if (!json_array_size(left))
        return true;
    return sl_fail(err, SL_ERUN, "%zu containers with label '%s' cannot be removed (first: %s)",
                   json_array_size(left), label, sl_json_str(json_array_get(left, 0), "Id", "?"));
}

// Cuts off whoever is still on the network.
static void disconnect_all(struct sl_engine *e, const char *id)
{
    SL_AUTO(sl_free_str) char *path = sl_format("/networks/%s", id);
    struct sl_str text = {0};
    struct sl_engine_call c = {.method = "GET", .path = path, .clean_up = true};
    int status;
    if (sl_engine_transfer(e, &c, &status, &text, NULL) && status == 200) {
        SL_AUTO(sl_json_decref) json_t *j = sl_reply_json(sl_str_text(&text), text.len);
        SL_AUTO(sl_free_str) char *to = sl_format("%s/disconnect", path);
        const char *container;
        json_t *v;
        json_object_foreach(json_object_get(j, "Containers"), container, v)
        {
            SL_AUTO(sl_json_decref)
            json_t *body = json_pack("{s:s, s:b}", "Container", container, "Force", 1);
            struct sl_engine_call d = {
                .method = "POST", .path = to, .body = body, .clean_up = true};
            if (!sl_engine_transfer(e, &d, &status, NULL, NULL))
                break;
        }
    }
    sl_str_done(&text);
}

static bool remove_network(struct sl_engine *e, const char *id, bool *removed, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *path = sl_format("/networks/%s", id);
    for (int attempt = 0;; attempt++) {
        struct sl_str text = {0};
        struct sl_engine_call c = {.method = "DELETE", .path = path, .clean_up = true};
        int status;
        if (!sl_engine_transfer(e, &c, &status, &text, err)) {
            sl_str_done(&text);
            return false;
        }
        *removed = status / 100 == 2;
        bool gone = *removed || status == 404;
        bool last = attempt == TRIES - 1;
        if (!gone && last)
            sl_engine_refused(err, "remove network", id, status, &text);
        sl_str_done(&text);
        if (gone || last)
            return gone;
        disconnect_all(e, id);
        wait_a_little();
    }
}

static bool networks(struct sl_engine *e, const char *label, const char *value, int *count,
                     struct sl_error *err)
{
    SL_AUTO(sl_json_decref) json_t *found = NULL;
    if (!list(e, "networks?", label, value, &found, err))
        return false;
    bool ok = true;
    size_t i;
    json_t *item;
    json_array_foreach(found, i, item)
    {
        SL_AUTO(sl_free_str) char *id = sl_url_escape(sl_json_str(item, "Id", ""), "");
        bool removed = false;
        if (!id[0])
            continue;
        ok = remove_network(e, id, &removed, ok ? err : NULL) && ok; // the first failure is told
        *count += removed;
    }
    return ok;
}

bool sl_engine_volumes_remove(struct sl_engine *e, const char *label, const char *value,
                              struct sl_error *err)
{
    for (int attempt = 0; attempt < TRIES; attempt++) {
        SL_AUTO(sl_json_decref) json_t *found = NULL;
        if (!list(e, "volumes?", label, value, &found, err))
            return false;
        SL_AUTO(paths_done) struct paths p = {0};
        collect(&p, json_object_get(found, "Volumes"), "Name", "/volumes/", "?force=1");
        if (!p.len)
            return true;
        if (attempt)
            wait_a_little(); // a container that holds it is still going
        int *status = sl_alloc(p.len * sizeof *status);
        sl_engine_transfer_all(e, "DELETE", p.at, p.len, status);
        bool all = true;
        for (size_t i = 0; i < p.len; i++)
            all = all && (status[i] / 100 == 2 || status[i] == 404);
        free(status);
        if (all)
            return true;
    }
    sl_fail(err, SL_ERUN, "some volumes with label '%s' are in use and cannot be removed", label);
    sl_hint(err, "'docker ps -a --filter volume=NAME' shows by whom");
    return false;
}

bool sl_engine_sweep(struct sl_engine *e, const char *label, const char *value, int *n_containers,
                     int *n_networks, struct sl_error *err)
{
    int c = 0, n = 0;
    struct sl_error first = {0};
    bool ok = containers(e, label, value, &c, &first);
    ok = networks(e, label, value, &n, ok ? &first : NULL) && ok;
    ok = sl_engine_volumes_remove(e, label, value, ok ? &first : NULL) && ok;
    if (n_containers)
        *n_containers = c;
    if (n_networks)
        *n_networks = n;
    if (!ok && err)
        *err = first;
    return ok;
}
