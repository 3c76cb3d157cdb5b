// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "live/run.h"
#include "netns/filter.h"
#include "netns/netns.h"
#include "netns/shape.h"
#include "observe/doors.h"
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static const int64_t SECOND = 1000000000;

// ---- projects and instances ---------------------------------------------------------------------

static bool use_project(struct sl_run *r, const struct sl_record *record, int *index,
                        struct sl_error *err)
{
    for (size_t k = 0; k < r->projects.len; k++) {
        if (r->projects.at[k].record == record) {
            *index = (int)k;
            return true;
        }
    }
    *index = (int)r->projects.len;
    struct sl_run_project *p = SL_PUSH(&r->projects);
    *p = (struct sl_run_project){.record = record};
    struct sl_compose_options opt = {.seed = record->seed};
    const char *file = strrchr(record->compose_path, '/'), *reason = "";
    p->project =
        sl_project_load(record->dir, file ? file + 1 : record->compose_path, &opt, &reason, err);
    if (!p->project) {
        sl_hint(err,
                "it was there when it was observed; observe it again, or forget it with 'sluice "
                "catalog forget %s'",
                record->name);
        return sl_within(err, "project '%s'", record->name);
    }
    if (strcmp(p->project->digest, record->digest) != 0)
        sl_run_event(r, "warning",
                     "project '%s' has changed since it was observed; its rates may differ",
                     record->name);
    sl_progress(3, SL_RUN_STEPS, "images", "%s", record->name);
    const char *sub = "";
    return sl_instance_images(&r->world, p->project, &p->refs, &reason, &sub, err) ||
           sl_within(err, "project '%s'", record->name);
}

// The network on which a driver meets the service it drives.
static const char *network_of(const struct sl_project *p, const char *service)
{
    const struct sl_service *s = sl_project_service(p, service);
    return s && s->n_networks ? s->networks[0].network : NULL;
}

static bool has_services(const struct sl_project *p, const char *const *names, size_t n,
                         struct sl_error *err)
{
    for (size_t k = 0; k < n; k++) {
        if (strcmp(names[k], SL_PEER_DRIVER) != 0 && !sl_project_service(p, names[k])) {
            sl_fail(err, SL_EINPUT, "project '%s' no longer has the service '%s'", p->name,
                    names[k]);
            sl_hint(err, "observe it again: its Compose file has changed");
            return false;
        }
    }
    return true;
}

static bool add_instance(struct sl_run *r, int statement, const struct sl_plan_part *part,
                         struct sl_error *err)
{
    const struct sl_option *o = &r->plan->options[part->option];
    int project;
    if (!use_project(r, o->record, &project, err))
        return false;
    struct sl_run_project *p = &r->projects.at[project];
    if (!has_services(p->project, o->at_from, o->n_at_from, err) ||
        !has_services(p->project, o->at_to, o->n_at_to, err))
        return false;
    struct sl_run_instance *in = SL_PUSH(&r->instances);
    *in = (struct sl_run_instance){.statement = statement,
                                   .project = project,
                                   .option = o,
                                   .planned_bps = part->bps / part->count,
                                   .users = part->users > 0 ? part->users : 1};
    p->instances++;
    if (o->driven) {
        const char *network = network_of(p->project, o->record->phases[o->phase].target);
        if (!network)
            return sl_fail(err, SL_ERUN, "project '%s' no longer has the service '%s'",
                           o->record->name, o->record->phases[o->phase].target);
        in->driver = (struct sl_render_driver){"sl-drive-1", network};
    }
    in->instance = sl_instance_new(&r->world, p->project, (int)r->instances.len, p->refs,
                                   &in->driver, o->driven ? 1 : 0, 0, err);
    return in->instance != NULL;
}

static bool add_instances(struct sl_run *r, struct sl_error *err)
{
    for (size_t s = 0; s < r->spec->n_statements; s++) {
        const struct sl_plan_statement *ps = &r->plan->statements[s];
        int first = (int)r->instances.len;
        for (size_t k = 0; k < ps->n_parts; k++)
            for (int c = 0; c < ps->parts[k].count; c++)
                if (!add_instance(r, (int)s, &ps->parts[k], err))
                    return false;
        int n = (int)r->instances.len - first;
        int64_t most = r->spec->statements[s].flows_max;
        for (int k = first; k < first + n; k++) {
            struct sl_run_instance *in = &r->instances.at[k];
            in->users_max = 64;
            if (in->option->flows_by_users && most < 64 * (int64_t)n)
                in->users_max = (int)fmax(1, (double)(most / n));
            // A few sessions make a smoother rate than one.
            if (in->option->flows_by_users && most == INT64_MAX && in->users < 4)
                in->users = 4;
            if (in->users > in->users_max)
                in->users = in->users_max;
        }
    }
    return true;
}

// ---- many at once -------------------------------------------------------------------------------

/*
 * Starting an instance is mostly waiting for the compose tool, so a few are started at a time. Each
 * worker has an engine handle of its own.
 */
struct gang {
    struct sl_run *r;
    bool (*work)(struct sl_run_instance *in, struct sl_error *err);
    const char *what;
    atomic_size_t next, done;
    atomic_bool failed;
    pthread_mutex_t lock; // guards err
    struct sl_error err;
};

static void gang_fail(struct gang *g, const struct sl_error *e)
{
    pthread_mutex_lock(&g->lock);
    if (!atomic_exchange(&g->failed, true))
        g->err = *e;
    pthread_mutex_unlock(&g->lock);
}

static void *gang_worker(void *arg)
{
    struct gang *g = arg;
    struct sl_error e = {0};
    struct sl_world world = g->r->world;
    world.engine = sl_engine_open(NULL, &e);
    if (!world.engine) {
        gang_fail(g, &e);
        return NULL;
    }
    for (;;) {
        size_t k = atomic_fetch_add(&g->next, 1);
        if (k >= g->r->instances.len || atomic_load(&g->failed))
            break;
        struct sl_run_instance *in = &g->r->instances.at[k];
        in->instance->world = &world;
        if (!g->work(in, &e))
            gang_fail(g, &e);
        in->instance->world = &g->r->world;
        size_t n = atomic_fetch_add(&g->done, 1) + 1;
        sl_progress(4, SL_RUN_STEPS, "start", "%s %zu/%zu", g->what, n, g->r->instances.len);
    }
    sl_engine_close(world.engine);
    return NULL;
}

static bool for_all(struct sl_run *r, const char *what,
                    bool (*work)(struct sl_run_instance *in, struct sl_error *err),
                    struct sl_error *err)
{
    enum { WORKERS = 3 };
    struct gang g = {.r = r, .work = work, .what = what, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[WORKERS];
    int n = 0;
    while (n < WORKERS && n < (int)r->instances.len &&
           pthread_create(&threads[n], NULL, gang_worker, &g) == 0)
        n++;
    if (!n)
        gang_worker(&g);
    // Requests are answered meanwhile; the workers do not touch what is told about the run.
    while (n && atomic_load(&g.done) < r->instances.len && !atomic_load(&g.failed) &&
           !sl_interrupted() && !r->stop_asked) {
        sl_supervisor_serve(r->supervisor);
        usleep(50000);
    }
    if (r->stop_asked) // workers end after what they are at
        sl_interrupt();
    while (n)
        pthread_join(threads[--n], NULL);
    if (sl_interrupted() || r->stop_asked)
        return sl_fail(err, SL_EINTR, "interrupted");
    if (atomic_load(&g.failed)) {
        *err = g.err;
        return false;
    }
    return true;
}

static bool start_holders(struct sl_run_instance *in, struct sl_error *err)
{
    const char *reason;
    return sl_instance_start_holders(in->instance, &reason, err);
}

static bool start_services(struct sl_run_instance *in, struct sl_error *err)
{
    const char *reason;
    return sl_instance_start_services(in->instance, &reason, err);
}

// ---- wires --------------------------------------------------------------------------------------

static bool listed(const char *const *names, size_t n, const char *name)
{
    for (size_t k = 0; k < n; k++)
        if (!strcmp(names[k], name))
            return true;
    return false;
}

// Services named at `from` go there; everything else stays at `to`.
static void place(struct sl_run *r, struct sl_run_instance *in)
{
    const struct sl_statement *s = &r->spec->statements[in->statement];
    const struct sl_option *o = in->option;
    in->endpoint_host = sl_alloc((in->instance->endpoints.len + 1) * sizeof *in->endpoint_host);
    for (size_t k = 0; k < in->instance->endpoints.len; k++) {
        const struct sl_endpoint *ep = &in->instance->endpoints.at[k];
        const char *name = ep->is_driver ? SL_PEER_DRIVER : ep->service;
        in->endpoint_host[k] = listed(o->at_from, o->n_at_from, name) ? s->from : s->to;
    }
}

static const char *always_br0(void *ctx, const char *network)
{
    (void)ctx;
    (void)network;
    return "br0";
}

static bool wire(struct sl_run *r, size_t index, struct sl_error *err)
{
    struct sl_run_instance *in = &r->instances.at[index];
    place(r, in);
    for (size_t k = 0; k < in->instance->endpoints.len; k++) {
        struct sl_host *host = sl_hosts_get(&r->hosts, in->endpoint_host[k]);
        char prefix[16];
        snprintf(prefix, sizeof prefix, "i%us%u", (unsigned)index % 1000, (unsigned)k % 1000);
        if (!host)
            return sl_fail(err, SL_ERUN, "there is no host for '%s'",
                           in->instance->endpoints.at[k].service);
        if (!sl_instance_wire(in->instance, &in->instance->endpoints.at[k], host->ns, always_br0,
                              NULL, prefix, err))
            return false;
    }
    return true;
}

static bool filters(struct sl_run *r, struct sl_error *err)
{
    SL_VEC(const char *) subnets = {0};
    SL_VEC(const char *) bridges = {0};
    for (size_t k = 0; k < r->instances.len; k++) {
        const struct sl_instance *i = r->instances.at[k].instance;
        for (size_t n = 0; n < i->n_subnets; n++)
            *SL_PUSH(&subnets) = i->subnets[n].subnet;
        for (size_t e = 0; e < i->endpoints.len; e++)
            for (size_t n = 0; n < i->endpoints.at[e].n_nets; n++)
                *SL_PUSH(&bridges) = i->endpoints.at[e].nets[n].bridge;
    }
    bool ok = sl_hosts_filter(&r->hosts, subnets.at, subnets.len, err) &&
              sl_filter_host(r->world.engine_ns, r->id, bridges.at, bridges.len, err);
    SL_VEC_DONE(&subnets);
    SL_VEC_DONE(&bridges);
    return ok;
}

static bool shaping(struct sl_run *r, struct sl_error *err)
{
    for (int k = 0; k < r->hosts.n; k++)
        if (!sl_shape_init(r->hosts.at[k].ns, "up", err))
            return false;
    return true;
}

// One class per statement on the way out of each of its two hosts, matched by the pair of
// addresses.
static bool shape_edge(struct sl_run *r, const struct sl_run_instance *in, uint32_t a, int host_a,
                       uint32_t b, struct sl_error *err)
{
    struct sl_host *h = sl_hosts_get(&r->hosts, host_a);
    struct sl_shape_match m = {.src = a, .dst = b};
    return h && sl_shape_match(h->ns, "up", (uint16_t)(in->statement + 1), &m, err);
}

static bool shape_instance(struct sl_run *r, struct sl_run_instance *in, struct sl_error *err)
{
    const struct sl_edge *e =
        &in->option->record->phases[in->option->phase].edges[in->option->edge];
    const struct sl_statement *s = &r->spec->statements[in->statement];
    uint16_t id = (uint16_t)(in->statement + 1);
    for (int side = 0; side < 2; side++) {
        struct sl_host *h = sl_hosts_get(&r->hosts, side ? s->to : s->from);
        if (!sl_shape_class(h->ns, "up", id, s->rate_bps * SL_RUN_HEADROOM, err))
            return false;
    }
    for (size_t x = 0; x < in->instance->endpoints.len; x++) {
        const struct sl_endpoint *a = &in->instance->endpoints.at[x];
        bool is_src = a->is_driver ? !strcmp(e->src, SL_PEER_DRIVER) : !strcmp(e->src, a->service);
        for (size_t y = 0; is_src && y < in->instance->endpoints.len; y++) {
            const struct sl_endpoint *b = &in->instance->endpoints.at[y];
            if (b->is_driver || strcmp(b->service, e->dst) != 0)
                continue;
            for (size_t n = 0; n < a->n_nets; n++) {
                for (size_t m = 0; m < b->n_nets; m++) {
                    if (strcmp(a->nets[n].network, b->nets[m].network) != 0)
                        continue;
                    uint32_t from = a->nets[n].ipv4, to = b->nets[m].ipv4;
                    if (!shape_edge(r, in, from, in->endpoint_host[x], to, err) ||
                        !shape_edge(r, in, to, in->endpoint_host[y], from, err))
                        return false;
                }
            }
        }
    }
    return true;
}

// ---- metering -----------------------------------------------------------------------------------

static bool metering(struct sl_run *r, struct sl_error *err)
{
    r->book = sl_who_new();
    r->metered = sl_alloc((r->instances.len + 1) * sizeof *r->metered);
    for (size_t k = 0; k < r->instances.len; k++) {
        struct sl_run_instance *in = &r->instances.at[k];
        const struct sl_edge *e =
            &in->option->record->phases[in->option->phase].edges[in->option->edge];
        sl_instance_book(in->instance, (int)k, r->projects.at[in->project].refs, r->book);
        r->metered[k] = (struct sl_meter_instance){
            .statement = in->statement,
            .from = r->spec->statements[in->statement].from,
            .src = e->src,
            .dst = e->dst,
            .proto = e->proto,
            .dport = e->dport,
            .name = in->instance->name,
            .project = in->option->record->name,
            .endpoint_host = in->endpoint_host,
        };
    }
    SL_AUTO(sl_free_str) char *flows = sl_format("%s/flows.csv", r->folder);
    SL_AUTO(sl_free_str) char *pcap = sl_format("%s/pcap", r->folder);
    struct sl_meter_options opt = {.spec = r->spec,
                                   .book = r->book,
                                   .instances = r->metered,
                                   .n_instances = r->instances.len,
                                   .flows_path = r->opt->flows ? flows : NULL,
                                   .pcap_dir = r->opt->pcap ? pcap : NULL};
    r->meter = sl_meter_new(&r->hosts, &opt, err);
    return r->meter != NULL;
}

/*
 * A capture's ring lasts two to three seconds (a block is handed over after 20 ms, however little
 * is in it), and bringing up takes longer. Until the control loop begins, a thread owns the meter
 * and takes in what is there; a file that cannot be written is told by the loop's first reading.
 */
static void *pump(void *arg)
{
    struct sl_run *r = arg;
    while (!atomic_load(&r->pump_stop)) {
        struct sl_error ignored;
        struct pollfd fds[256];
        int raw[256];
        size_t n = sl_meter_fds(r->meter, raw, 256);
        for (size_t k = 0; k < n; k++)
            fds[k] = (struct pollfd){.fd = raw[k], .events = POLLIN};
        poll(fds, (nfds_t)n, 100);
        if (!sl_meter_read(r->meter, &ignored))
            break;
    }
    return NULL;
}

static bool pump_start(struct sl_run *r, struct sl_error *err)
{
    int why = pthread_create(&r->pump, NULL, pump, r);
    if (why)
        return sl_fail(err, SL_ERUN, "cannot start a thread: %s", strerror(why));
    r->pumping = true;
    return true;
}

void sl_run_pump_stop(struct sl_run *r)
{
    if (!r->pumping)
        return;
    atomic_store(&r->pump_stop, true);
    pthread_join(r->pump, NULL);
    r->pumping = false;
}

static bool settle(struct sl_run *r, struct sl_error *err)
{
    for (size_t k = 0; k < r->instances.len; k++) {
        const char *reason;
        sl_supervisor_serve(r->supervisor);
        if (r->stop_asked)
            return sl_fail(err, SL_EINTR, "interrupted");
        if (!sl_instance_settle(r->instances.at[k].instance, 90 * SECOND, 4, SL_RUN_STEPS, &reason,
                                err))
            return false;
    }
    return true;
}

bool sl_run_bring_up(struct sl_run *r, struct sl_error *err)
{
    r->state = "images";
    if (!add_instances(r, err))
        return false;
    r->state = "start";
    sl_progress(4, SL_RUN_STEPS, "start", "hosts");
    if (!sl_hosts_make(&r->hosts, r->id, r->spec->max_host, r->spec->external, err) ||
        !shaping(r, err) || !for_all(r, "networks", start_holders, err) || !filters(r, err))
        return false;
    for (size_t k = 0; k < r->instances.len; k++)
        if (!wire(r, k, err) || !shape_instance(r, &r->instances.at[k], err))
            return false;
    // Addresses are known from here on, also to a run that is cut off.
    return sl_run_write_labels(r, 0, err) && metering(r, err) && pump_start(r, err) &&
           for_all(r, "services", start_services, err) && settle(r, err);
}

// ---- drivers ------------------------------------------------------------------------------------

static bool start_driver(struct sl_run *r, struct sl_run_instance *in, size_t index,
                         struct sl_error *err)
{
    const struct sl_option *o = in->option;
    const struct sl_phase *ph = &o->record->phases[o->phase];
    const struct sl_edge *e = &ph->edges[o->edge];
    const struct sl_statement *s = &r->spec->statements[in->statement];
    struct sl_door door = {.service = sl_project_service(in->instance->project, ph->target),
                           .port = ph->port,
                           .protocol = ph->protocol};
    struct sl_endpoint *ep = sl_instance_endpoint(in->instance, in->driver.name);
    if (!door.service || !ep)
        return sl_fail(err, SL_ERUN, "project '%s' has nothing to drive", o->record->name);
    struct sl_drive_spec spec;
    sl_door_spec(&door, &spec);
    double per_request = ph->requests_per_s > 0 ? e->bps_peak / ph->requests_per_s : 20000;
    per_request *= sl_run_counted(s, o->up_share, 1 - o->up_share);
    spec.seed = r->plan->seed + index;
    spec.users = in->users;
    spec.max_users = in->users_max;
    spec.rate = in->planned_bps / fmax(per_request, 100);
    in->drive = sl_drive_start(&spec, ep->netns, err);
    if (!in->drive)
        return sl_within(err, "driver of '%s'", o->record->name);
    sl_run_note_pid(r->id, sl_drive_pid(in->drive), "driver");
    return true;
}

static bool wait_for_drivers(struct sl_run *r, struct sl_error *err)
{
    int64_t end = sl_mono_ns() + 30 * SECOND;
    for (;;) {
        size_t waiting = 0;
        const char *who = "";
        for (size_t k = 0; k < r->instances.len; k++) {
            struct sl_run_instance *in = &r->instances.at[k];
            struct sl_error lost = {0};
            if (!in->drive || in->trouble[0])
                continue;
            if (!sl_drive_poll(in->drive, &lost)) {
                snprintf(in->trouble, sizeof in->trouble, "its driver ended: %.120s", lost.msg);
                sl_run_event(r, "driver", "%s: %s", in->option->record->name, in->trouble);
                continue;
            }
            if (!sl_drive_ready(in->drive)) {
                waiting++;
                who = in->option->record->name;
            }
        }
        if (!waiting || sl_mono_ns() > end)
            return true; // a driver that never gets ready shows as a missed rate, with its error
        sl_progress(4, SL_RUN_STEPS, "start", "waiting for %zu drivers (%s)", waiting, who);
        sl_supervisor_serve(r->supervisor);
        if (!sl_sleep_ns(SECOND / 10) || r->stop_asked)
            return sl_fail(err, SL_EINTR, "interrupted");
    }
}

bool sl_run_start_drivers(struct sl_run *r, struct sl_error *err)
{
    for (size_t k = 0; k < r->instances.len; k++)
        if (r->instances.at[k].option->driven && !start_driver(r, &r->instances.at[k], k, err))
            return false;
    return wait_for_drivers(r, err);
}
