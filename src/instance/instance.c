// SPDX-License-Identifier: Apache-2.0
#include "instance/instance.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/proc.h"
#include "base/rng.h"
#include "netns/netns.h"
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const int64_t SECOND = 1000000000;

void sl_run_id(const char *prefix, char buf[64])
{
    static const char alphabet[] = "abcdefghjkmnpqrstuvwxyz23456789";
    struct sl_rng rng = sl_rng_stream((uint64_t)sl_wall_ns(), "run-id", (uint64_t)getpid());
    char tail[7] = "";
    for (int i = 0; i < 6; i++)
        tail[i] = alphabet[sl_rng_below(&rng, sizeof alphabet - 1)];
    snprintf(buf, 64, "%s-%s", prefix, tail);
}

bool sl_world_open(struct sl_world *w, const char *run, struct sl_error *err)
{
    memset(w, 0, sizeof *w);
    w->engine_ns = -1;
    snprintf(w->run, sizeof w->run, "%s", run);
    SL_AUTO(sl_free_str) char *state = sl_path_state();
    w->work = sl_format("%s/work/%s", state, run);
    w->engine = sl_engine_open(NULL, err);
    if (!w->engine)
        return false;
    w->images = sl_images_load(w->engine, err);
    return w->images && sl_compose_tool_find(&w->tool, err) &&
           sl_netns_open_self(&w->engine_ns, err) && sl_mkdirs(w->work, err) &&
           (w->subnets = sl_subnets_new(w->engine, run, err)) &&
           sl_images_holder(w->images, w->holder, err);
}

bool sl_world_disk_ok(struct sl_world *w, struct sl_error *err)
{
    if (!w->engine_root) {
        struct sl_error ignored;
        json_t *info = sl_engine_info(w->engine, &ignored);
        w->engine_root = sl_strdup(sl_json_str(info, "DockerRootDir", "/var/lib/docker"));
        json_decref(info);
    }
    const char *places[] = {w->engine_root, w->work};
    for (int k = 0; k < 2; k++) {
        uint64_t left = sl_disk_free_bytes(places[k]);
        if (left && left < SL_WORLD_DISK_FLOOR) {
            sl_fail(err, SL_ERUN,
                    "only %llu MiB are left on the disk of '%s'; what runs is stopped",
                    (unsigned long long)(left >> 20), places[k]);
            sl_hint(err, "free some space; Sluice keeps at least %llu MiB free",
                    (unsigned long long)(SL_WORLD_DISK_FLOOR >> 20));
            return false;
        }
    }
    return true;
}

void sl_world_close(struct sl_world *w)
{
    free(w->engine_root);
    free(w->work); // the folder goes with sl_sweep_run, once no container can write there
    sl_subnets_free(w->subnets);
    sl_images_free(w->images);
    sl_engine_close(w->engine);
    sl_close_fd(&w->engine_ns);
    memset(w, 0, sizeof *w);
    w->engine_ns = -1;
}

// ---- images -------------------------------------------------------------------------------------

static void show_line(void *ctx, const char *line)
{
    sl_progress(0, 0, "build", "%s: %s", (const char *)ctx, line);
}

static bool ensure_bases(struct sl_world *w, const char *dockerfile, const struct sl_build *b,
                         struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    if (!sl_read_file(dockerfile, 1 << 20, &text, &len, err))
        return false;
    json_t *args = json_object();
    for (size_t i = 0; i < b->n_args; i++)
        if (b->args[i].value)
            json_object_set_new(args, b->args[i].key, json_string(b->args[i].value));
    char **refs = NULL;
    size_t n = 0;
    bool ok = sl_images_from_lines(text, args, &refs, &n, err);
    for (size_t i = 0; i < n; i++) {
        ok = ok && sl_images_ensure(w->images, refs[i], err);
        free(refs[i]);
    }
    free(refs);
    json_decref(args);
    return ok;
}

static bool build_service(struct sl_world *w, const struct sl_service *s, const char *tree,
                          const char *tag, const char **reason, const char **sub,
                          struct sl_error *err)
{
    const struct sl_build *b = s->build;
    SL_AUTO(sl_free_str) char *context = sl_path_join(tree, b->context);
    SL_AUTO(sl_free_str)
    char *dockerfile = sl_path_join(context, b->dockerfile ? b->dockerfile : "Dockerfile");
    if (b->dockerfile_inline) {
        SL_AUTO(sl_free_str) char *below = sl_compose_inline_dockerfile(s);
        free(dockerfile);
        dockerfile = sl_path_join(tree, below);
    }
    *reason = "path_missing";
    if (!sl_path_inside(tree, dockerfile) || !sl_exists(dockerfile)) {
        sl_fail(err, SL_EINPUT, "service '%s' is built from '%s', which is not there", s->name,
                b->dockerfile ? b->dockerfile : "Dockerfile");
        sl_at(err, b->pos.file, b->pos.line, b->pos.col);
        return false;
    }
    // The builder wants it inside the context; ours is a private copy.
    if (!sl_path_inside(context, dockerfile)) {
        SL_AUTO(sl_free_str) char *text = NULL;
        size_t len;
        SL_AUTO(sl_free_str) char *inside = sl_path_join(context, ".sluice.Dockerfile");
        if (!sl_read_file(dockerfile, 1 << 20, &text, &len, err) ||
            !sl_write_file(inside, text, len, err))
            return false;
        free(dockerfile);
        dockerfile = sl_strdup(inside);
    }
    *reason = "image_unavailable";
    if (!ensure_bases(w, dockerfile, b, err))
        return false;
    SL_VEC(const char *) args = {0};
    struct sl_arena arena = {0};
    for (size_t i = 0; i < b->n_args; i++)
        if (b->args[i].value)
            *SL_PUSH(&args) = sl_arena_format(&arena, "%s=%s", b->args[i].key, b->args[i].value);
    *SL_PUSH(&args) = NULL;
    *reason = "build_failed";
    struct sl_image_build call = {.context = context,
                                  .dockerfile = dockerfile,
                                  .target = b->target,
                                  .tag = tag,
                                  .args = args.at,
                                  .on_line = show_line,
                                  .ctx = (void *)(uintptr_t)s->name};
    bool ok = sl_images_build(w->images, &call, sub, err);
    SL_VEC_DONE(&args);
    sl_arena_done(&arena);
    return ok || sl_within(err, "building service '%s'", s->name);
}

bool sl_instance_images(struct sl_world *w, const struct sl_project *p, char ***refs,
                        const char **reason, const char **sub_reason, struct sl_error *err)
{
    char **out = sl_alloc((p->n_services + 1) * sizeof *out);
    SL_AUTO(sl_free_str) char *tree = NULL;
    bool ok = true;
    *sub_reason = "";
    for (size_t i = 0; ok && i < p->n_services; i++) {
        const struct sl_service *s = &p->services[i];
        if (!s->enabled)
            continue;
        if (!s->build) {
            *reason = "image_unavailable";
            ok = sl_images_ensure(w->images, s->image, err) ||
                 sl_within(err, "service '%s'", s->name);
            out[i] = sl_strdup(s->image);
            continue;
        }
        out[i] = sl_compose_built_image(p, s->name);
        bool present = false;
        char id[80];
        *reason = "build_failed";
        ok = sl_engine_image_present(w->engine, out[i], &present, id, err);
        if (!ok || present)
            continue;
        if (!tree) { // one copy serves all builds of the project
            tree = sl_format("%s/build-%.12s", w->work, p->digest);
            *reason = "create_failed";
            ok = sl_remove_tree(tree, err) && sl_copy_tree(p->dir, tree, NULL, err) &&
                 sl_compose_prepare_tree(p, tree, err);
        }
        ok = ok && build_service(w, s, tree, out[i], reason, sub_reason, err);
    }
    struct sl_error ignored;
    if (tree && !sl_remove_tree(tree, &ignored))
        sl_warn("%s", ignored.msg);
    if (!ok) {
        for (size_t i = 0; i < p->n_services; i++)
            free(out[i]);
        free(out);
        return false;
    }
    *refs = out;
    return true;
}

// ---- making one ---------------------------------------------------------------------------------

// Compose accepts [a-z0-9_-] in project names, and both tools agree on that.
static void clean_name(const char *from, char *to, size_t size)
{
    size_t w = 0;
    for (const char *c = from; *c && w + 1 < size; c++) {
        char low = (char)tolower((unsigned char)*c);
        to[w++] = isalnum((unsigned char)low) ? low : '-';
    }
    to[w] = '\0';
}

static bool write_runnable(struct sl_instance *i, char *const *refs,
                           const struct sl_render_driver *drivers, size_t n_drivers, double cpus,
                           struct sl_error *err)
{
    const struct sl_project *p = i->project;
    SL_VEC(struct sl_render_image) images = {0};
    for (size_t k = 0; k < p->n_services; k++)
        if (p->services[k].enabled)
            *SL_PUSH(&images) = (struct sl_render_image){p->services[k].name, refs[k]};
    SL_AUTO(sl_free_str) char *tree = sl_format("%s/tree", i->dir);
    struct sl_pair labels[] = {{.key = SL_LABEL_RUN, .value = i->world->run},
                               {.key = SL_LABEL_INSTANCE, .value = i->name}};
    struct sl_render_options opt = {.instance = i->name,
                                    .tree = tree,
                                    .holder_image = i->world->holder,
                                    .resolver = "127.0.0.53",
                                    .labels = labels,
                                    .n_labels = 2,
                                    .subnets = i->subnets,
                                    .n_subnets = i->n_subnets,
                                    .images = images.at,
                                    .n_images = images.len,
                                    .drivers = drivers,
                                    .n_drivers = n_drivers,
                                    .cpus = cpus};
    SL_AUTO(sl_free_str) char *text = sl_compose_render(p, &opt, err);
    SL_VEC_DONE(&images);
    return text && sl_write_file(i->file, text, strlen(text), err);
}

struct sl_instance *sl_instance_new(struct sl_world *w, const struct sl_project *p, int number,
                                    char *const *image_refs, const struct sl_render_driver *drivers,
                                    size_t n_drivers, double cpus, struct sl_error *err)
{
    struct sl_instance *i = sl_alloc(sizeof *i);
    i->world = w;
    i->project = p;
    char clean[24];
    clean_name(p->name, clean, sizeof clean);
    snprintf(i->name, sizeof i->name, "%s-%s-%d", w->run, clean, number);
    i->dir = sl_format("%s/%s", w->work, i->name);
    i->file = sl_format("%s/compose.yml", i->dir);
    SL_AUTO(sl_free_str) char *tree = sl_format("%s/tree", i->dir);
    bool ok = sl_mkdirs(i->dir, err) && sl_copy_tree(p->dir, tree, NULL, err) &&
              sl_compose_prepare_tree(p, tree, err);
    i->drivers = sl_alloc((n_drivers + 1) * sizeof *i->drivers);
    for (size_t k = 0; k < n_drivers; k++)
        i->drivers[i->n_drivers++] = drivers[k].name;
    i->subnets = sl_alloc((p->n_networks + 1) * sizeof *i->subnets);
    for (size_t k = 0; ok && k < p->n_networks; k++) {
        char text[20];
        ok = sl_subnets_take(w->subnets, text, err);
        if (!ok)
            break;
        struct sl_render_subnet *s = &i->subnets[i->n_subnets++];
        s->network = p->networks[k].key;
        s->name = sl_format("%s_%s", i->name, p->networks[k].key);
        s->subnet = sl_strdup(text);
    }
    ok = ok && write_runnable(i, image_refs, drivers, n_drivers, cpus, err);
    if (!ok) {
        sl_instance_free(i);
        return NULL;
    }
    return i;
}

// ---- holders and wires --------------------------------------------------------------------------

static void compose_line(void *ctx, const char *line)
{
    (void)ctx;
    sl_debug("compose: %s", line);
}

static bool up(struct sl_instance *i, const char *const *services, size_t n, int64_t limit_ns,
               struct sl_error *err)
{
    struct sl_compose_call call = {
        .project = i->name, .file = i->file, .deadline_ns = limit_ns, .on_line = compose_line};
    return sl_compose_up(&i->world->tool, &call, services, n, err);
}

static const struct sl_render_subnet *subnet_named(const struct sl_instance *i, const char *name)
{
    for (size_t k = 0; k < i->n_subnets; k++)
        if (!strcmp(i->subnets[k].name, name))
            return &i->subnets[k];
    return NULL;
}

static bool add_endpoint(struct sl_instance *i, const struct sl_container *c, struct sl_error *err)
{
    struct sl_endpoint *ep = SL_PUSH(&i->endpoints);
    memset(ep, 0, sizeof *ep);
    ep->netns = -1;
    ep->is_driver = !strcmp(c->role, "driver");
    snprintf(ep->service, sizeof ep->service, "%s", c->service);
    snprintf(ep->id, sizeof ep->id, "%s", c->id);
    if (!c->pid)
        return sl_fail(err, SL_ERUN, "the holder of '%s' does not run: %s", c->service,
                       c->error[0] ? c->error : c->state);
    if (!sl_netns_open_pid(c->pid, &ep->netns, err))
        return false;
    // A network we do not know of would stay on the engine's bridge, unwired and unfiltered.
    const struct sl_service *sv = sl_project_service(i->project, c->service);
    size_t expected = ep->is_driver ? 1 : sv ? sv->n_networks : 0;
    if (c->n_nets != expected)
        return sl_fail(
            err, SL_ERUN,
            "the holder of '%s' has %zu networks, not the %zu of its service (at most 8); nothing "
            "is started",
            c->service, c->n_nets, expected);
    for (size_t k = 0; k < c->n_nets && ep->n_nets < 8; k++) {
        const struct sl_container_net *from = &c->nets[k];
        const struct sl_render_subnet *s = subnet_named(i, from->network);
        if (!s)
            return sl_fail(err, SL_ERUN,
                           "the holder of '%s' is on a network that is not ours: '%s'", c->service,
                           from->network);
        struct sl_endpoint_net *net = &ep->nets[ep->n_nets++];
        snprintf(net->network, sizeof net->network, "%s", s->network);
        snprintf(net->bridge, sizeof net->bridge, "br-%.12s", from->network_id);
        net->ipv4 = from->ipv4;
        net->prefix_len = from->prefix_len;
        if (!sl_link_by_address(ep->netns, net->ipv4, net->ifname, err))
            return false;
    }
    return true;
}

bool sl_instance_start_holders(struct sl_instance *i, const char **reason, struct sl_error *err)
{
    *reason = "create_failed";
    // Names of all holders and drivers, from the runnable file's own naming rule.
    struct sl_arena arena = {0};
    SL_VEC(const char *) names = {0};
    const struct sl_project *p = i->project;
    for (size_t k = 0; k < p->n_services; k++) {
        const struct sl_service *s = &p->services[k];
        for (int r = 1; s->enabled && s->n_networks && r <= (s->replicas > 0 ? s->replicas : 1);
             r++) {
            char *n = sl_compose_holder_name(s->name, r);
            *SL_PUSH(&names) = sl_arena_strdup(&arena, n);
            free(n);
        }
    }
    for (size_t k = 0; k < i->n_drivers; k++)
        *SL_PUSH(&names) = i->drivers[k];
    bool ok = up(i, names.at, names.len, 120 * SECOND, err) ||
              sl_within(err, "creating the networks of '%s'", p->name);
    SL_VEC_DONE(&names);
    sl_arena_done(&arena);
    struct sl_container_list list = {0};
    ok = ok && sl_engine_containers(i->world->engine, SL_LABEL_INSTANCE, i->name, &list, err);
    for (size_t k = 0; ok && k < list.len; k++)
        if (!strcmp(list.at[k].role, "holder") || !strcmp(list.at[k].role, "driver"))
            ok = add_endpoint(i, &list.at[k], err);
    sl_container_list_done(&list);
    return ok;
}

bool sl_instance_wire(struct sl_instance *i, struct sl_endpoint *ep, int ns,
                      const char *(*bridge_of)(void *ctx, const char *network), void *ctx,
                      const char *name_prefix, struct sl_error *err)
{
    for (size_t k = 0; k < ep->n_nets; k++) {
        struct sl_endpoint_net *net = &ep->nets[k];
        char name[16];
        snprintf(name, sizeof name, "%.10sn%zu", name_prefix, k);
        const char *to = bridge_of(ctx, net->network);
        if (!to)
            return sl_fail(err, SL_ERUN, "there is no bridge for network '%s'", net->network);
        struct sl_adopt a = {.container_ns = ep->netns,
                             .inner = net->ifname,
                             .engine_ns = i->world->engine_ns,
                             .engine_bridge = net->bridge,
                             .to_ns = ns,
                             .name = name,
                             .to_bridge = to};
        if (!sl_netns_adopt(&a, err))
            return sl_within(err, "wiring '%s' of '%s'", ep->service, i->project->name);
        net->wired = true;
    }
    return true;
}

bool sl_instance_start_services(struct sl_instance *i, const char **reason, struct sl_error *err)
{
    *reason = "start_failed";
    for (size_t k = 0; k < i->endpoints.len; k++) {
        for (size_t n = 0; n < i->endpoints.at[k].n_nets; n++) {
            if (!i->endpoints.at[k].nets[n].wired)
                return sl_fail(err, SL_ERUN, "'%s' of '%s' is not wired; nothing is started",
                               i->endpoints.at[k].service, i->project->name);
        }
    }
    return up(i, NULL, 0, 180 * SECOND, err) ||
           sl_within(err, "starting the services of '%s'", i->project->name);
}

// ---- health -------------------------------------------------------------------------------------

static void count_state(const struct sl_container *c, struct sl_instance_state *out)
{
    out->total++;
    bool running = !strcmp(c->state, "running");
    if (running && (!c->health[0] || !strcmp(c->health, "healthy") || !strcmp(c->health, "none"))) {
        out->running++;
    } else if (running && !strcmp(c->health, "unhealthy")) {
        out->unhealthy++;
        snprintf(out->waiting, sizeof out->waiting, "%.100s (unhealthy)", c->service);
    } else if (running || !strcmp(c->state, "created")) {
        out->starting++;
        snprintf(out->waiting, sizeof out->waiting, "%.100s (%s)", c->service,
                 running ? "health" : "start");
    } else if (!strcmp(c->state, "restarting")) {
        out->restarting++;
        snprintf(out->waiting, sizeof out->waiting, "%.100s (restarting, status %d)", c->service,
                 c->exit_code);
    } else if (c->exit_code == 0) {
        out->exited_ok++;
    } else {
        out->exited_bad++;
        snprintf(out->dead, sizeof out->dead, "%.80s exited with status %d%s", c->service,
                 c->exit_code, c->oom_killed ? " (out of memory)" : "");
    }
}

bool sl_instance_state(struct sl_instance *i, struct sl_instance_state *out, struct sl_error *err)
{
    struct sl_container_list list = {0};
    if (!sl_engine_containers(i->world->engine, SL_LABEL_INSTANCE, i->name, &list, err))
        return false;
    memset(out, 0, sizeof *out);
    for (size_t k = 0; k < list.len; k++)
        if (!strcmp(list.at[k].role, "service"))
            count_state(&list.at[k], out);
    sl_container_list_done(&list);
    return true;
}

bool sl_instance_settle(struct sl_instance *i, int64_t limit_ns, int step, int steps,
                        const char **reason, struct sl_error *err)
{
    int64_t start = sl_mono_ns(), quiet_since = 0;
    for (;;) {
        struct sl_instance_state s;
        *reason = "start_failed";
        if (!sl_instance_state(i, &s, err))
            return false;
        int64_t now = sl_mono_ns();
        bool done = s.total > 0 && s.running + s.exited_ok == s.total && s.running > 0;
        if (!done)
            quiet_since = 0;
        else if (!quiet_since)
            quiet_since = now;
        if (quiet_since && now - quiet_since >= SECOND)
            return true; // up, and still up a second later
        if (s.exited_bad) {
            *reason = "exited_early";
            return sl_fail(err, SL_ERUN, "'%s': %s", i->project->name, s.dead);
        }
        if (now - start > limit_ns) {
            *reason = s.unhealthy || s.starting ? "unhealthy" : "exited_early";
            return sl_fail(err, SL_ERUN, "'%s' was not ready after %.0f s; waiting for %s",
                           i->project->name, (double)limit_ns / 1e9,
                           s.waiting[0] ? s.waiting : "its first service");
        }
        sl_progress(step, steps, "start", "%s: %d/%d ready%s%s, %.0f s", i->project->name,
                    s.running, s.total, s.waiting[0] ? ", waiting for " : "", s.waiting,
                    (double)(now - start) / 1e9);
        if (!sl_sleep_ns(SECOND / 4)) {
            *reason = "interrupted";
            return sl_fail(err, SL_EINTR, "interrupted");
        }
    }
}

// ---- what it holds ------------------------------------------------------------------------------

struct sl_endpoint *sl_instance_endpoint(struct sl_instance *i, const char *service)
{
    for (size_t k = 0; k < i->endpoints.len; k++)
        if (!strcmp(i->endpoints.at[k].service, service))
            return &i->endpoints.at[k];
    return NULL;
}

void sl_instance_book(const struct sl_instance *i, int index, char *const *image_refs,
                      struct sl_who_book *book)
{
    for (size_t k = 0; k < i->endpoints.len; k++) {
        const struct sl_endpoint *ep = &i->endpoints.at[k];
        struct sl_who w = {.instance = index,
                           .endpoint = (int)k,
                           .service = ep->service,
                           .image = "",
                           .is_driver = ep->is_driver};
        const struct sl_service *s = sl_project_service(i->project, ep->service);
        if (s) {
            w.guess = s->guess;
            w.image = image_refs[s - i->project->services];
        }
        for (size_t n = 0; n < ep->n_nets; n++) {
            w.ipv4 = ep->nets[n].ipv4;
            sl_who_add(book, &w);
        }
    }
}

void sl_instance_logs(struct sl_instance *i, const char *dir)
{
    struct sl_error ignored = {0};
    struct sl_container_list list = {0};
    if (!sl_mkdirs(dir, &ignored)) {
        sl_warn("%s", ignored.msg);
        return;
    }
    if (!sl_engine_containers(i->world->engine, SL_LABEL_INSTANCE, i->name, &list, &ignored))
        return;
    for (size_t k = 0; k < list.len; k++) {
        if (strcmp(list.at[k].role, "service") != 0)
            continue;
        SL_AUTO(sl_free_str)
        char *text = sl_engine_logs(i->world->engine, list.at[k].id, 4 << 20, &ignored);
        SL_AUTO(sl_free_str) char *path = sl_format("%s/%s.log", dir, list.at[k].name);
        if (text && !sl_write_file(path, text, strlen(text), &ignored))
            sl_warn("%s", ignored.msg);
    }
    sl_container_list_done(&list);
}

static void add_name(struct sl_arena *arena, const char ***at, size_t *len, size_t *cap,
                     const char *name, size_t n)
{
    for (size_t k = 0; k < *len; k++)
        if (strlen((*at)[k]) == n && !memcmp((*at)[k], name, n))
            return;
    if (*len >= 200)
        return; // enough to see what it wanted
    if (*len == *cap)
        *at = sl_vec_grow(*at, cap, *len, sizeof **at);
    (*at)[(*len)++] = sl_arena_strndup(arena, name, n);
}

void sl_instance_external_names(struct sl_instance *i, struct sl_arena *arena,
                                const char *const **names, size_t *n)
{
    const char **at = NULL;
    size_t len = 0, cap = 0;
    for (size_t k = 0; k < i->endpoints.len; k++) {
        struct sl_error ignored;
        SL_AUTO(sl_free_str)
        char *log = sl_engine_logs(i->world->engine, i->endpoints.at[k].id, 1 << 20, &ignored);
        char *save = NULL;
        for (char *line = log ? strtok_r(log, "\n", &save) : NULL; line;
             line = strtok_r(NULL, "\n", &save)) {
            if (!sl_starts_with(line, "dns "))
                continue;
            const char *name = line + 4;
            add_name(arena, &at, &len, &cap, name, strcspn(name, " "));
        }
    }
    const char **out = sl_arena_alloc(arena, (len + 1) * sizeof *out);
    for (size_t k = 0; k < len; k++)
        out[k] = at[k];
    free(at);
    *names = out;
    *n = len;
}

void sl_instance_free(struct sl_instance *i)
{
    if (!i)
        return;
    for (size_t k = 0; k < i->endpoints.len; k++)
        sl_close_fd(&i->endpoints.at[k].netns);
    SL_VEC_DONE(&i->endpoints);
    for (size_t k = 0; k < i->n_subnets; k++) {
        free((char *)(uintptr_t)i->subnets[k].name);
        free((char *)(uintptr_t)i->subnets[k].subnet);
    }
    free(i->subnets);
    free(i->drivers);
    free(i->dir);
    free(i->file);
    free(i);
}
