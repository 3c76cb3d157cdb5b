// SPDX-License-Identifier: Apache-2.0
/*
 * The control loop: packets in as they come, once a second a tick of the controllers, every few
 * seconds a look at the containers.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/units.h"
#include "live/run.h"
#include "netns/shape.h"
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static const int64_t SECOND = 1000000000;

double sl_run_counted(const struct sl_statement *s, double up, double down)
{
    switch (s->count) {
    case SL_COUNT_UP:
        return up;
    case SL_COUNT_DOWN:
        return down;
    case SL_COUNT_BOTH:
        break;
    }
    return up + down;
}

static void make_controls(struct sl_run *r)
{
    r->controls = sl_alloc((r->spec->n_statements + 1) * sizeof *r->controls);
    for (size_t s = 0; s < r->spec->n_statements; s++) {
        struct sl_control *c = &r->controls[s];
        c->asked_bps = r->spec->statements[s].rate_bps;
        c->sources = sl_alloc((r->instances.len + 1) * sizeof *c->sources);
        for (size_t k = 0; k < r->instances.len; k++) {
            struct sl_run_instance *in = &r->instances.at[k];
            if (in->statement != (int)s)
                continue;
            const struct sl_phase *ph = &in->option->record->phases[in->option->phase];
            const struct sl_edge *e = &ph->edges[in->option->edge];
            double bits = ph->requests_per_s > 0 ? e->bps_peak / ph->requests_per_s : 20000;
            bits *= sl_run_counted(&r->spec->statements[s], in->option->up_share,
                                   1 - in->option->up_share);
            bits = fmax(bits, 100);
            c->sources[c->n_sources++] = (struct sl_source){.driven = in->option->driven,
                                                            .share = fmax(1, in->planned_bps),
                                                            .bits_per_request = bits,
                                                            .rate = in->planned_bps / bits,
                                                            .users = in->users,
                                                            .users_max = in->users_max,
                                                            .dead = in->trouble[0] != '\0'};
        }
    }
}

// Takes in what drivers say; a driver that died is remembered.
static void poll_drivers(struct sl_run *r)
{
    for (size_t k = 0; k < r->instances.len; k++) {
        struct sl_run_instance *in = &r->instances.at[k];
        struct sl_error lost = {0};
        if (!in->drive || in->trouble[0] || sl_drive_poll(in->drive, &lost))
            continue;
        snprintf(in->trouble, sizeof in->trouble, "its driver ended: %.120s", lost.msg);
        sl_run_event(r, "driver", "%s: %s", in->option->record->name, in->trouble);
    }
}

static double counted_bits(struct sl_run *r, size_t k)
{
    struct sl_run_instance *in = &r->instances.at[k];
    uint64_t now = r->metered[k].bytes;
    double bits = (double)(now - in->seen_bytes) * 8;
    in->seen_bytes = now;
    return bits;
}

static double done_requests(struct sl_run_instance *in)
{
    if (!in->drive || in->trouble[0])
        return 0;
    struct sl_drive_stats st;
    sl_drive_read(in->drive, &st);
    double n = (double)(st.requests - in->seen_requests);
    in->seen_requests = st.requests;
    return n;
}

/*
 * The upper bound: the heavier direction may carry what the statement may have less what the other
 * carries. Self-driven sources can only be held back, so theirs is the wanted rate itself; drivers
 * are steered, so theirs is a little above what was asked.
 */
static void shape_statement(struct sl_run *r, size_t s)
{
    const struct sl_statement *st = &r->spec->statements[s];
    const struct sl_control *c = &r->controls[s];
    bool self = false;
    for (size_t k = 0; k < c->n_sources; k++)
        self |= !c->sources[k].driven;
    if (!c->n_sources)
        return;
    double limit = self ? c->wanted_bps : SL_RUN_HEADROOM * c->asked_bps;
    const struct sl_meter_statement *m = sl_meter_statement(r->meter, s);
    double up = 0, down = 0;
    size_t n = m->seconds.len, from = n > 4 ? n - 4 : 0;
    for (size_t k = from; k + 1 < n; k++) {
        up += (double)m->seconds.at[k].up_bytes * 8;
        down += (double)m->seconds.at[k].down_bytes * 8;
    }
    double share_up = up + down > 0 ? up / (up + down) : 0.5;
    bool up_heavy = share_up >= 0.5;
    double minor = limit * (up_heavy ? 1 - share_up : share_up);
    double major = fmax(limit - minor, 16000);
    if (st->count == (up_heavy ? SL_COUNT_UP : SL_COUNT_DOWN))
        major = limit;
    struct sl_error e = {0};
    struct sl_host *major_host = sl_hosts_get(&r->hosts, up_heavy ? st->from : st->to);
    struct sl_host *minor_host = sl_hosts_get(&r->hosts, up_heavy ? st->to : st->from);
    if (!sl_shape_class(major_host->ns, "up", (uint16_t)(s + 1), major, &e) ||
        !sl_shape_class(minor_host->ns, "up", (uint16_t)(s + 1), fmax(2 * minor, 64000), &e))
        sl_debug("shaping statement %zu: %s", s + 1, e.msg);
}

static void tick(struct sl_run *r, double dt_s)
{
    struct sl_sample *samples = sl_alloc((r->instances.len + 1) * sizeof *samples);
    for (size_t s = 0; s < r->spec->n_statements; s++) {
        struct sl_control *c = &r->controls[s];
        size_t n = 0;
        for (size_t k = 0; k < r->instances.len; k++) {
            struct sl_run_instance *in = &r->instances.at[k];
            if (in->statement != (int)s)
                continue;
            c->sources[n].dead = in->trouble[0] != '\0';
            samples[n].bits = counted_bits(r, k);
            samples[n].requests = done_requests(in);
            n++;
        }
        sl_control_tick(c, dt_s, samples);
        n = 0;
        for (size_t k = 0; k < r->instances.len; k++) {
            struct sl_run_instance *in = &r->instances.at[k];
            if (in->statement != (int)s)
                continue;
            struct sl_source *src = &c->sources[n++];
            struct sl_error lost = {0};
            if (in->drive && !src->dead && !sl_drive_set(in->drive, src->users, src->rate, &lost)) {
                snprintf(in->trouble, sizeof in->trouble, "its driver ended: %.120s", lost.msg);
                sl_run_event(r, "driver", "%s: %s", in->option->record->name, in->trouble);
            }
        }
        shape_statement(r, s);
    }
    free(samples);
}

static void show(struct sl_run *r, double t_s)
{
    char line[400] = "";
    size_t w = 0;
    for (size_t s = 0; s < r->spec->n_statements; s++) {
        const struct sl_meter_statement *m = sl_meter_statement(r->meter, s);
        size_t n = m->seconds.len;
        char a[24], b[24];
        const struct sl_meter_second *last = n >= 2 ? &m->seconds.at[n - 2] : NULL;
        double bps = last ? sl_run_counted(&r->spec->statements[s], (double)last->up_bytes,
                                           (double)last->down_bytes) *
                                8
                          : 0;
        int k = snprintf(line + w, sizeof line - w, "%s%s %s/%s", s ? " · " : "",
                         r->spec->statements[s].type_text, sl_format_rate(bps, a, sizeof a),
                         sl_format_rate(r->spec->statements[s].rate_bps, b, sizeof b));
        if (k < 0 || w + (size_t)k >= sizeof line)
            break;
        w += (size_t)k;
    }
    sl_progress(5, SL_RUN_STEPS, "traffic", "%.0f/%.0f s  %s", t_s,
                (double)r->opt->duration_ns / 1e9, line);
}

static void look_at_containers(struct sl_run *r)
{
    for (size_t k = 0; k < r->instances.len; k++) {
        struct sl_run_instance *in = &r->instances.at[k];
        struct sl_instance_state s;
        struct sl_error e;
        if (in->trouble[0] || !sl_instance_state(in->instance, &s, &e))
            continue;
        // A restart is a service's own affair, unless it goes on.
        in->bad_looks = s.exited_bad || s.restarting || !s.total ? in->bad_looks + 1 : 0;
        if (!in->bad_looks || (s.restarting && !s.exited_bad && in->bad_looks < 3))
            continue;
        snprintf(in->trouble, sizeof in->trouble, "%.150s",
                 s.dead[0]      ? s.dead
                 : s.waiting[0] ? s.waiting
                                : "its containers are gone");
        sl_run_event(r, "service", "%s: %s", in->instance->name, in->trouble);
        sl_warn("%s: %s", in->instance->name, in->trouble);
    }
}

static void wait_for_news(struct sl_run *r, int timeout_ms)
{
    struct pollfd fds[512];
    int raw[512];
    size_t n = sl_meter_fds(r->meter, raw, 256);
    n += sl_supervisor_fds(r->supervisor, raw + n, 16);
    for (size_t k = 0; k < r->instances.len && n < 512; k++)
        if (r->instances.at[k].drive && !r->instances.at[k].trouble[0])
            raw[n++] = sl_drive_fd(r->instances.at[k].drive);
    for (size_t k = 0; k < n; k++)
        fds[k] = (struct pollfd){.fd = raw[k], .events = POLLIN};
    poll(fds, (nfds_t)n, timeout_ms);
}

bool sl_run_traffic(struct sl_run *r, struct sl_error *err)
{
    r->state = "traffic";
    r->traffic_mono_ns = sl_mono_ns();
    r->traffic_wall_ns = sl_wall_ns();
    sl_meter_start(r->meter, r->traffic_wall_ns);
    make_controls(r);
    sl_run_event(r, "traffic", "traffic begins");
    int64_t last_tick = r->traffic_mono_ns, last_look = r->traffic_mono_ns;
    int64_t end = r->traffic_mono_ns + r->opt->duration_ns;
    for (;;) {
        wait_for_news(r, 50);
        if (!sl_meter_read(r->meter, err))
            return false;
        poll_drivers(r);
        sl_supervisor_serve(r->supervisor);
        int64_t now = sl_mono_ns();
        if (sl_interrupted())
            return sl_fail(err, SL_EINTR, "interrupted");
        if (now >= end || r->stop_asked)
            return true;
        if (now - last_tick >= SECOND) {
            tick(r, (double)(now - last_tick) / 1e9);
            last_tick = now;
            show(r, (double)(now - r->traffic_mono_ns) / 1e9);
        }
        if (now - last_look >= 4 * SECOND) {
            if (!sl_world_disk_ok(&r->world, err))
                return false;
            look_at_containers(r);
            last_look = sl_mono_ns();
        }
    }
}
