// SPDX-License-Identifier: Apache-2.0
/*
 * The steps of offline.md 8.2 in order: load, images, start (holders, wires, capture, services),
 * settle, idle phase, driven phase, collect, tear down. Everything one observation holds is in
 * `struct job`; each step is a function that fails with a reason code; clean-up is one function at
 * the end.
 */
#include "observe/observe.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "instance/sweep.h"
#include "netns/filter.h"
#include "netns/netns.h"
#include "observe/doors.h"
#include "observe/watch.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "0.1.0"
#endif

static const int64_t SECOND = 1000000000;
enum { MAX_DOORS_QUICK = 3, MAX_DOORS = 6, MAX_USERS_RAMP = 64 };

struct job {
    const struct sl_observe_options *opt;
    struct sl_record *r;
    struct sl_world world;
    struct sl_watchdog dog;
    struct sl_project *project;
    char **refs; // image per service
    struct sl_instance *instance;
    struct sl_who_book *book;
    struct sl_watch *watch;
    struct sl_render_driver *drivers;
    size_t n_drivers;
    struct sl_door_list doors;
    SL_VEC(struct sl_phase) phases;
    int ns;
    char ns_name[96];
    const char *reason, *sub;
};

static void say(const struct job *j, const char *what)
{
    sl_progress(j->opt->step, j->opt->steps, "observe", "%s: %s", j->r->name, what);
}

// ---- start --------------------------------------------------------------------------------------

// One bridge per network, named by its place in the project.
static const char *bridge_of(void *ctx, const char *network)
{
    static _Thread_local char name[16];
    const struct sl_project *p = ctx;
    for (size_t k = 0; k < p->n_networks; k++)
        if (!strcmp(p->networks[k].key, network))
            return snprintf(name, sizeof name, "net%u", (unsigned)k % 1000) > 0 ? name : NULL;
    return NULL;
}

static bool make_namespace(struct job *j, struct sl_error *err)
{
    snprintf(j->ns_name, sizeof j->ns_name, "sluice-%s", j->world.run);
    if (!sl_netns_create(j->ns_name, err) || !sl_netns_open(j->ns_name, &j->ns, err))
        return false;
    const char **subnets = sl_alloc((j->instance->n_subnets + 1) * sizeof *subnets);
    bool ok = true;
    for (size_t k = 0; ok && k < j->project->n_networks; k++) {
        subnets[k] = j->instance->subnets[k].subnet;
        ok = sl_link_bridge(j->ns, bridge_of(j->project, j->project->networks[k].key), err);
    }
    ok = ok && sl_filter_bridge(j->ns, j->world.run, subnets, j->project->n_networks, err);
    free(subnets);
    return ok;
}

// Strays cannot reach the host: input from the engine's bridges of this run is dropped.
static bool guard_host(struct job *j, struct sl_error *err)
{
    const char *bridges[64];
    size_t n = 0;
    for (size_t k = 0; k < j->instance->endpoints.len; k++)
        for (size_t m = 0; m < j->instance->endpoints.at[k].n_nets && n < 64; m++)
            bridges[n++] = j->instance->endpoints.at[k].nets[m].bridge;
    return sl_filter_host(j->world.engine_ns, j->world.run, bridges, n, err);
}

static bool wire_and_watch(struct job *j, struct sl_error *err)
{
    struct sl_instance *i = j->instance;
    for (size_t k = 0; k < i->endpoints.len; k++) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "s%u", (unsigned)k % 10000);
        if (!sl_instance_wire(i, &i->endpoints.at[k], j->ns, bridge_of, j->project, prefix, err))
            return false;
    }
    j->book = sl_who_new();
    sl_instance_book(i, 0, j->refs, j->book);
    j->watch = sl_watch_new(j->book);
    for (size_t k = 0; k < j->project->n_networks; k++)
        if (!sl_watch_add(j->watch, j->ns, bridge_of(j->project, j->project->networks[k].key), err))
            return false;
    return true;
}

static bool start(struct job *j, struct sl_error *err)
{
    say(j, "images");
    if (!sl_instance_images(&j->world, j->project, &j->refs, &j->reason, &j->sub, err))
        return false;
    j->drivers = sl_alloc((j->project->n_networks + 1) * sizeof *j->drivers);
    for (size_t k = 0; k < j->project->n_networks; k++) {
        j->drivers[k] = (struct sl_render_driver){sl_format("sl-drive-%zu", k + 1),
                                                  j->project->networks[k].key};
        j->n_drivers++;
    }
    j->reason = "create_failed";
    say(j, "start");
    j->instance =
        sl_instance_new(&j->world, j->project, 1, j->refs, j->drivers, j->n_drivers, 0, err);
    if (!j->instance || !make_namespace(j, err) ||
        !sl_instance_start_holders(j->instance, &j->reason, err) || !guard_host(j, err) ||
        !wire_and_watch(j, err))
        return false;
    sl_watch_phase(j->watch, "start");
    *SL_PUSH(&j->phases) = (struct sl_phase){.name = "start", .protocol = "", .target = ""};
    if (!sl_instance_start_services(j->instance, &j->reason, err))
        return false;
    return sl_instance_settle(j->instance, j->opt->settle_ns, j->opt->step, j->opt->steps,
                              &j->reason, err);
}

// ---- phases -------------------------------------------------------------------------------------

struct usage { // per service of the project
    double cpu_s, mem_bytes;
};

static void read_usage(struct job *j, struct usage *out)
{
    struct sl_error e;
    struct sl_container_list list = {0};
    memset(out, 0, j->project->n_services * sizeof *out);
    if (!sl_engine_containers(j->world.engine, SL_LABEL_INSTANCE, j->instance->name, &list, &e))
        return;
    for (size_t k = 0; k < list.len; k++) {
        const struct sl_service *s = sl_project_service(j->project, list.at[k].service);
        struct sl_container_usage u;
        if (!s || strcmp(list.at[k].role, "service") != 0 || !list.at[k].pid ||
            !sl_engine_usage(j->world.engine, list.at[k].id, &u, &e))
            continue;
        out[s - j->project->services].cpu_s += u.cpu_s;
        out[s - j->project->services].mem_bytes += (double)u.mem_bytes;
    }
    sl_container_list_done(&list);
}

static bool idle_phase(struct job *j, struct sl_error *err)
{
    j->reason = "start_failed";
    if (!sl_world_disk_ok(&j->world, err))
        return false;
    say(j, "idle phase");
    sl_watch_phase(j->watch, "idle");
    *SL_PUSH(&j->phases) = (struct sl_phase){.name = "idle", .protocol = "", .target = ""};
    size_t n = j->project->n_services;
    struct usage *before = sl_alloc((n + 1) * sizeof *before),
                 *after = sl_alloc((n + 1) * sizeof *after);
    int64_t begin = sl_mono_ns();
    read_usage(j, before);
    bool ok = sl_watch_pump(j->watch, begin + j->opt->idle_ns, -1);
    read_usage(j, after);
    double s = (double)(sl_mono_ns() - begin) / 1e9;
    for (size_t k = 0; k < n; k++) {
        j->r->services[k].cpu_idle = fmax(0, (after[k].cpu_s - before[k].cpu_s) / s);
        j->r->services[k].mem_bytes = after[k].mem_bytes;
    }
    free(before);
    free(after);
    if (!ok) {
        j->reason = "interrupted";
        return sl_fail(err, SL_EINTR, "interrupted");
    }
    return true;
}

// What one level of the ramp gave.
struct level {
    int users;
    double bps, requests_per_s;
};

// Lets the driver run at its present setting until `until`, taking in packets and its news.
static bool run_level(struct job *j, struct sl_drive *d, int64_t until, struct sl_error *err)
{
    while (sl_mono_ns() < until) {
        if (!sl_watch_pump(j->watch, until, sl_drive_fd(d))) {
            j->reason = "interrupted";
            return sl_fail(err, SL_EINTR, "interrupted");
        }
        struct sl_error lost = {0};
        if (!sl_drive_poll(d, &lost)) {
            sl_warn("%s: the driver ended: %s", j->r->name, lost.msg);
            return true; // what it did until then counts
        }
    }
    return true;
}

static bool measure(struct job *j, struct sl_drive *d, const struct sl_door *door, int users,
                    int64_t until, struct level *out, struct sl_error *err)
{
    struct sl_drive_stats b;
    uint64_t bytes = sl_watch_bytes(j->watch, SL_PEER_DRIVER, door->service->name, door->port);
    int64_t begin = sl_mono_ns();
    if (!run_level(j, d, until, err))
        return false;
    double s = (double)(sl_mono_ns() - begin) / 1e9;
    sl_drive_read(d, &b);
    uint64_t now = sl_watch_bytes(j->watch, SL_PEER_DRIVER, door->service->name, door->port);
    *out = (struct level){users, (double)(now - bytes) * 8 / s, b.requests_per_s};
    return true;
}

/*
 * Ramp until the rate no longer rises: 1, 2, 4, ... users, each level a tenth of the time; the best
 * level is held for the rest, and costs are taken there.
 */
static bool ramp(struct job *j, struct sl_drive *d, const struct sl_door *door, int64_t end,
                 struct level *best, struct sl_error *err)
{
    int64_t level_ns = j->opt->quick ? SECOND * 5 / 4 : 5 * SECOND;
    int users = 1, factor = j->opt->quick ? 4 : 2;
    *best = (struct level){.users = 1};
    while (sl_mono_ns() + level_ns < end) {
        struct sl_error lost = {0};
        if (!sl_drive_set(d, users, 0, &lost))
            return true;
        struct level l;
        if (!measure(j, d, door, users, sl_mono_ns() + level_ns, &l, err))
            return false;
        bool rises = l.bps > best->bps * 1.1;
        if (l.bps > best->bps)
            *best = l;
        if (!rises || users >= MAX_USERS_RAMP)
            break;
        users *= factor;
    }
    struct sl_error lost = {0};
    if (!sl_drive_set(d, best->users, 0, &lost))
        return true;
    struct level held;
    if (!measure(j, d, door, best->users, end, &held, err))
        return false;
    if (held.requests_per_s > 0)
        best->requests_per_s = held.requests_per_s;
    return true;
}

static bool wait_ready(struct job *j, struct sl_drive *d, struct sl_error *err)
{
    int64_t end = sl_mono_ns() + 15 * SECOND;
    while (!sl_drive_ready(d) && sl_mono_ns() < end) {
        if (!sl_watch_pump(j->watch, sl_mono_ns() + SECOND / 5, sl_drive_fd(d))) {
            j->reason = "interrupted";
            return sl_fail(err, SL_EINTR, "interrupted");
        }
        struct sl_error lost = {0};
        if (!sl_drive_poll(d, &lost)) {
            sl_warn("%s: the driver ended: %s", j->r->name, lost.msg);
            break;
        }
    }
    return true;
}

static bool driven_phase(struct job *j, const struct sl_door *door, int64_t duration_ns,
                         struct sl_error *err)
{
    char what[160];
    snprintf(what, sizeof what, "driving %s on %.60s:%u", door->protocol, door->service->name,
             door->port);
    say(j, what);
    if (!sl_world_disk_ok(&j->world, err))
        return false;
    struct sl_drive_spec spec;
    sl_door_spec(door, &spec);
    spec.seed = j->opt->seed;
    spec.max_users = MAX_USERS_RAMP;
    struct sl_drive *d = sl_drive_start(&spec, j->instance->endpoints.at[door->driver].netns, err);
    if (!d)
        return false;
    sl_run_note_pid(j->world.run, sl_drive_pid(d), "driver");
    size_t n = j->project->n_services;
    struct usage *before = sl_alloc((n + 1) * sizeof *before),
                 *after = sl_alloc((n + 1) * sizeof *after);
    struct level best = {0};
    sl_watch_phase(j->watch, "driven");
    struct sl_phase *ph = SL_PUSH(&j->phases);
    *ph = (struct sl_phase){.name = "driven",
                            .protocol = sl_arena_strdup(&j->r->arena, door->protocol),
                            .target = sl_arena_strdup(&j->r->arena, door->service->name),
                            .port = door->port};
    bool ok = wait_ready(j, d, err);
    int64_t begin = sl_mono_ns();
    read_usage(j, before);
    ok = ok && ramp(j, d, door, begin + duration_ns, &best, err);
    read_usage(j, after);
    double s = (double)(sl_mono_ns() - begin) / 1e9;
    struct sl_drive_stats stats;
    sl_drive_read(d, &stats);
    ph->users = best.users;
    ph->requests_per_s = best.requests_per_s;
    ph->errors = stats.requests + stats.errors
                     ? (double)stats.errors / (double)(stats.requests + stats.errors)
                     : 0;
    if (stats.requests == 0)
        sl_warn("%s: no request to %s:%u succeeded: %s", j->r->name, door->service->name,
                door->port, stats.last_error[0] ? stats.last_error : "no reply");
    for (size_t k = 0; k < n; k++) {
        struct sl_record_service *rs = &j->r->services[k];
        rs->cpu_driven = fmax(rs->cpu_driven, (after[k].cpu_s - before[k].cpu_s) / s);
        rs->mem_bytes = fmax(rs->mem_bytes, after[k].mem_bytes);
    }
    free(before);
    free(after);
    sl_drive_stop(d);
    // What is still on its way belongs to this phase, not to the next.
    if (!sl_watch_pump(j->watch, sl_mono_ns() + SECOND / 2, -1) && ok) {
        j->reason = "interrupted";
        ok = sl_fail(err, SL_EINTR, "interrupted");
    }
    return ok;
}

static bool drive_doors(struct job *j, struct sl_error *err)
{
    say(j, "looking for front doors");
    if (!sl_doors_find(j->instance, &j->doors, err))
        return false;
    size_t most = j->opt->quick ? MAX_DOORS_QUICK : MAX_DOORS, n = 0;
    for (size_t k = 0; k < j->doors.len; k++) {
        const struct sl_door *d = &j->doors.at[k];
        struct sl_record_service *s = &j->r->services[d->service - j->project->services];
        if (s->n_listen < 16)
            s->listen[s->n_listen++] = d->port;
        n += d->drivable && n < most;
    }
    if (!n)
        return true;
    int64_t share = j->opt->driven_ns / (int64_t)n;
    int64_t least = j->opt->quick ? 6 * SECOND : 20 * SECOND;
    if (share < least)
        share = least;
    for (size_t k = 0, done = 0; k < j->doors.len && done < n; k++) {
        if (!j->doors.at[k].drivable)
            continue;
        if (!driven_phase(j, &j->doors.at[k], share, err))
            return false;
        done++;
    }
    return true;
}

// ---- the record ---------------------------------------------------------------------------------

static const char *keep(struct job *j, const char *s)
{
    return sl_arena_strdup(&j->r->arena, s ? s : "");
}

static void describe(struct job *j)
{
    static const char *const roles[] = {"", "server", "client", "both"};
    static const char *const kinds[] = {"repair", "policy", "warning"};
    struct sl_record *r = j->r;
    const struct sl_project *p = j->project;
    r->name = keep(j, p->name);
    r->digest = keep(j, p->digest);
    r->n_services = p->n_services;
    r->services = sl_arena_alloc(&r->arena, (p->n_services + 1) * sizeof *r->services);
    for (size_t k = 0; k < p->n_services; k++) {
        const struct sl_service *s = &p->services[k];
        r->services[k] = (struct sl_record_service){
            .name = keep(j, s->name),
            .image = keep(j, s->image),
            .image_id = "",
            .cls = sl_class_name(s->guess.cls),
            .app = s->guess.app ? s->guess.app : "",
            .role = roles[s->guess.role],
            .built = s->build != NULL,
        };
    }
    r->n_notes = p->n_notes;
    r->notes = sl_arena_alloc(&r->arena, (p->n_notes + 1) * sizeof *r->notes);
    for (size_t k = 0; k < p->n_notes; k++)
        r->notes[k] = (struct sl_record_note){
            kinds[p->notes[k].kind], keep(j, p->notes[k].step), keep(j, p->notes[k].place),
            keep(j, p->notes[k].before), keep(j, p->notes[k].after)};
}

static void image_ids(struct job *j)
{
    for (size_t k = 0; j->refs && k < j->project->n_services; k++) {
        struct sl_error e;
        bool present = false;
        char id[80] = "";
        if (!j->refs[k])
            continue;
        j->r->services[k].image = keep(j, j->refs[k]);
        if (sl_engine_image_present(j->world.engine, j->refs[k], &present, id, &e) && present)
            j->r->services[k].image_id = keep(j, id);
    }
}

// Which roles were seen: a service that answered is a server, one that asked is a client.
static void see_roles(struct sl_record *r)
{
    for (size_t s = 0; s < r->n_services; s++) {
        bool server = false, client = false;
        for (size_t p = 0; p < r->n_phases; p++) {
            for (size_t e = 0; e < r->phases[p].n_edges; e++) {
                client |= !strcmp(r->phases[p].edges[e].src, r->services[s].name);
                server |= !strcmp(r->phases[p].edges[e].dst, r->services[s].name);
            }
        }
        if (server || client)
            r->services[s].role = server && client ? "both" : server ? "server" : "client";
    }
}

static char grade_of(const struct sl_record *r)
{
    bool idle = false, driven = false;
    for (size_t p = 0; p < r->n_phases; p++) {
        bool is_idle = !strcmp(r->phases[p].name, "idle"),
             is_driven = !strcmp(r->phases[p].name, "driven");
        for (size_t e = 0; e < r->phases[p].n_edges; e++) {
            const struct sl_edge *x = &r->phases[p].edges[e];
            bool real = x->bytes_up && x->bytes_down && strcmp(x->dst, SL_PEER_EXTERNAL) != 0;
            idle |= is_idle && real;
            driven |= is_driven && real;
        }
    }
    return idle ? 'A' : driven ? 'B' : 'C';
}

static void conclude(struct job *j, bool ok, const struct sl_error *failure)
{
    struct sl_record *r = j->r;
    r->phases = sl_arena_alloc(&r->arena, (j->phases.len + 1) * sizeof *r->phases);
    r->n_phases = j->phases.len;
    for (size_t k = 0; k < j->phases.len; k++)
        r->phases[k] = j->phases.at[k];
    if (j->watch)
        sl_watch_finish(j->watch, r);
    if (j->instance)
        sl_instance_external_names(j->instance, &r->arena, &r->external_names,
                                   &r->n_external_names);
    see_roles(r);
    image_ids(j);
    if (ok) {
        r->grade = grade_of(r);
        r->reason = r->grade == 'C' ? SL_REASON_SILENT : SL_REASON_OK;
        return;
    }
    r->grade = '-';
    r->message = failure->file[0] && failure->line
                     ? sl_arena_format(&r->arena, "%s:%d:%d: %s", failure->file, failure->line,
                                       failure->col ? failure->col : 1, failure->msg)
                     : sl_arena_strdup(&r->arena, failure->msg);
    r->sub_reason = sl_arena_strdup(&r->arena, j->sub ? j->sub : "");
    if (!j->reason || !sl_reason_find(j->reason, &r->reason))
        r->reason = SL_REASON_START_FAILED;
}

// ---- the whole ----------------------------------------------------------------------------------

static void tear_down(struct job *j)
{
    if (j->opt->log_dir && j->instance)
        sl_instance_logs(j->instance, j->opt->log_dir);
    sl_watch_free(j->watch);
    sl_who_free(j->book);
    sl_door_list_done(&j->doors);
    sl_instance_free(j->instance);
    for (size_t k = 0; j->refs && k < j->project->n_services; k++)
        free(j->refs[k]);
    free(j->refs);
    for (size_t k = 0; k < j->n_drivers; k++)
        free((char *)(uintptr_t)j->drivers[k].name);
    free(j->drivers);
    SL_VEC_DONE(&j->phases);
    sl_close_fd(&j->ns);
    struct sl_error e = {0};
    // Without an engine there is nothing to ask it for.
    bool clean = !j->world.run[0] || (j->world.engine ? sl_sweep_run(j->world.run, NULL, &e)
                                                      : sl_sweep_unstarted(j->world.run, &e));
    if (!clean)
        sl_warn("%s", e.msg);
    sl_world_close(&j->world);
    if (clean)
        sl_watchdog_done(&j->dog);
    else if (j->dog.pid)
        close(j->dog.fd); // the alarm: it stops what still runs
    sl_project_free(j->project);
}

static struct sl_project *load(const struct sl_found *f, uint64_t seed, const char **reason,
                               struct sl_error *err)
{
    struct sl_compose_options opt = {.seed = seed};
    return sl_project_load(f->dir, f->file, &opt, reason, err);
}

bool sl_observe_digest(const struct sl_found *found, uint64_t seed, char digest[65],
                       struct sl_error *err)
{
    const char *reason;
    struct sl_project *p = load(found, seed, &reason, err);
    if (!p)
        return false;
    memcpy(digest, p->digest, 65);
    sl_project_free(p);
    return true;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

char *sl_observe_compose_path(const struct sl_found *f)
{
    SL_AUTO(sl_free_str) char *dir = sl_real_path(f->dir);
    SL_AUTO(sl_free_str) char *root = sl_real_path(f->repo);
    const char *below = dir ? dir : f->dir;
    if (root && sl_starts_with(below, root)) {
        below += strlen(root);
        below += *below == '/';
    }
    return sl_format("%s%s%s", below, *below ? "/" : "", f->file);
}

static struct sl_record *new_record(const struct sl_found *f, const struct sl_observe_options *opt)
{
    struct sl_record *r = sl_alloc(sizeof *r);
    SL_AUTO(sl_free_str) char *dir = sl_real_path(f->dir);
    SL_AUTO(sl_free_str) char *path = sl_observe_compose_path(f);
    r->repo = sl_arena_strdup(&r->arena, f->repo);
    r->commit = sl_arena_strdup(&r->arena, f->commit);
    r->dir = sl_arena_strdup(&r->arena, dir ? dir : f->dir);
    r->compose_path = sl_arena_strdup(&r->arena, path);
    r->name = sl_arena_strdup(&r->arena, last_part(r->dir));
    r->digest = "";
    r->sub_reason = r->message = "";
    r->grade = '-';
    r->quick = opt->quick;
    r->started_ns = sl_wall_ns();
    r->seed = opt->seed;
    r->tool_version = "sluice " SLUICE_VERSION;
    r->isolation = "shared-engine";
    return r;
}

// An engine that went away is our trouble, also while it was asked for an image; an image that cannot
// be had is the project's.
static bool lacks_image(const struct job *j)
{
    struct sl_error ignored;
    if (!j->world.engine || !j->reason || strcmp(j->reason, "image_unavailable") != 0)
        return false;
    SL_AUTO(sl_json_decref) json_t *alive = sl_engine_version(j->world.engine, &ignored);
    return alive != NULL;
}

bool sl_observe_project(const struct sl_found *found, const struct sl_observe_options *given,
                        struct sl_catalog *catalog, struct sl_record **out, struct sl_error *err)
{
    struct sl_observe_options opt = *given;
    if (!opt.idle_ns)
        opt.idle_ns = (opt.quick ? 5 : 60) * SECOND;
    if (!opt.driven_ns)
        opt.driven_ns = (opt.quick ? 15 : 90) * SECOND;
    if (!opt.settle_ns)
        opt.settle_ns = 60 * SECOND;
    struct job j = {.opt = &opt, .r = new_record(found, &opt), .ns = -1};
    j.world.engine_ns = -1;
    struct sl_error failure = {0};
    char run[64];
    sl_run_id("obs", run);
    int64_t begin = sl_mono_ns();
    j.project = load(found, opt.seed, &j.reason, &failure);
    bool ok = j.project != NULL, ours = false;
    if (ok) {
        describe(&j);
        // What fails here is our trouble, not the project's.
        bool guarded = sl_watchdog_start(&j.dog, run, &failure);
        if (guarded)
            sl_run_note_pid(run, getpid(), "observe");
        ours = !(guarded && sl_world_open(&j.world, run, &failure));
        ok = !ours && sl_world_disk_ok(&j.world, &failure);
        ours |= !ours && !ok;
        ok = ok && start(&j, &failure) && idle_phase(&j, &failure) && drive_doors(&j, &failure);
    }
    ours |= failure.code == SL_EINTR || (failure.code == SL_EENV && !lacks_image(&j));
    sl_interrupt_shield(true); // what is collected and undone now is not cut short
    if (!ours)
        conclude(&j, ok, &failure);
    j.r->duration_s = (double)(sl_mono_ns() - begin) / 1e9;
    bool stored = true;
    if (!ours && catalog) {
        size_t n = 0;
        const struct sl_catalog_flow *flows = j.watch ? sl_watch_flows(j.watch, &n) : NULL;
        stored = sl_catalog_store(catalog, j.r, err) &&
                 sl_catalog_store_flows(catalog, j.r->id, flows, n, err);
    }
    tear_down(&j);
    sl_interrupt_shield(false);
    if (ours || !stored) {
        if (ours && err)
            *err = failure;
        sl_record_free(j.r);
        return false;
    }
    *out = j.r;
    return true;
}
