// SPDX-License-Identifier: Apache-2.0
#include "live/live.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/proc.h"
#include "base/table.h"
#include "base/units.h"
#include "live/run.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static json_t *on_request(void *ctx, const char *cmd, const json_t *request)
{
    struct sl_run *r = ctx;
    (void)request;
    if (!strcmp(cmd, "status"))
        return sl_run_state(r);
    if (!strcmp(cmd, "down")) {
        r->stop_asked = true;
        sl_run_event(r, "down", "asked to stop");
        return json_pack("{s:b}", "ok", 1);
    }
    return NULL;
}

// "runs/2026-11-20T23-08-05-office"
static char *default_folder(const struct sl_run *r)
{
    char stamp[32];
    sl_wall_stamp(r->wall_start_ns, stamp);
    stamp[19] = '\0';
    stamp[13] = stamp[16] = '-';
    const char *slash = strrchr(r->spec->file, '/'), *name = slash ? slash + 1 : r->spec->file;
    const char *dot = strrchr(name, '.');
    size_t len = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    if (!strcmp(name, "-"))
        return sl_format("runs/%s", stamp);
    return sl_format("runs/%s-%.*s", stamp, (int)len, name);
}

static void tear_down(struct sl_run *r)
{
    r->state = "down";
    sl_progress(6, SL_RUN_STEPS, "collect", "removing containers, networks and hosts");
    for (size_t k = 0; k < r->instances.len; k++)
        sl_drive_stop(r->instances.at[k].drive);
    sl_run_pump_stop(r);
    sl_meter_free(r->meter);
    sl_who_free(r->book);
    for (size_t k = 0; k < r->instances.len; k++) {
        sl_instance_free(r->instances.at[k].instance);
        free(r->instances.at[k].endpoint_host);
    }
    sl_hosts_done(&r->hosts);
    for (size_t k = 0; k < r->projects.len; k++) {
        struct sl_run_project *p = &r->projects.at[k];
        for (size_t s = 0; p->refs && s < p->project->n_services; s++)
            free(p->refs[s]);
        free(p->refs);
        sl_project_free(p->project);
    }
    sl_supervisor_close(r->supervisor);
    struct sl_error e = {0};
    // Without an engine there is nothing to ask it for.
    bool clean = !r->claimed || (r->world.engine ? sl_sweep_run(r->id, NULL, &e)
                                                 : sl_sweep_unstarted(r->id, &e));
    if (!clean)
        sl_warn("%s; 'sluice down %s' tries again", e.msg, r->id);
    if (r->world_open)
        sl_world_close(&r->world);
    if (clean)
        sl_watchdog_done(&r->dog);
    else if (r->dog.pid)
        close(r->dog.fd); // the alarm: it stops what still runs
    for (size_t s = 0; r->controls && s < r->spec->n_statements; s++)
        free(r->controls[s].sources);
    free(r->controls);
    free(r->metered);
    for (size_t k = 0; k < r->events.len; k++)
        free(r->events.at[k].text);
    SL_VEC_DONE(&r->events);
    SL_VEC_DONE(&r->instances);
    SL_VEC_DONE(&r->projects);
    free(r->folder);
}

// The run folder is made by one run only: two of the same name must not take each other down.
static bool claim(struct sl_run *r, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *base = sl_path_run();
    SL_AUTO(sl_free_str) char *mine = sl_run_folder(r->id);
    if (!sl_mkdirs(base, err))
        return false;
    if (mkdir(mine, 0700)) {
        int why = errno;
        if (why != EEXIST)
            return sl_fail(err, SL_ERUN, "cannot make the run folder '%s': %s", mine,
                           strerror(why));
        sl_fail(err, SL_EUSAGE, "there is a run '%s' already", r->id);
        sl_hint(err, "'sluice down %s' ends it and removes what is left of it", r->id);
        return false;
    }
    r->claimed = true;
    return true;
}

static bool prepare(struct sl_run *r, struct sl_error *err)
{
    r->folder = r->opt->out ? sl_strdup(r->opt->out) : default_folder(r);
    SL_AUTO(sl_free_str) char *before = sl_format("%s/summary.json", r->folder);
    if (sl_exists(before)) {
        sl_fail(err, SL_EUSAGE, "the folder '%s' holds a run already", r->folder);
        sl_hint(err, "name another one with --out");
        return false;
    }
    if (!claim(r, err) || !sl_run_write_inputs(r, err) || !sl_watchdog_start(&r->dog, r->id, err))
        return false;
    sl_run_note_pid(r->id, getpid(), "supervisor");
    r->supervisor = sl_supervisor_open(r->id, on_request, r, err);
    if (!r->supervisor)
        return false;
    r->world_open = true; // also when it fails half-way: closing accepts that
    sl_progress(3, SL_RUN_STEPS, "images", "engine and holder image");
    return sl_world_open(&r->world, r->id, err);
}

// Who waits for the traffic goes on; from then on the terminal is no longer ours.
static void tell_ready(const struct sl_run *r)
{
    if (r->opt->ready_fd < 0)
        return;
    SL_AUTO(sl_free_str) char *log = sl_format("%s/supervisor.log", r->folder);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644),
        in = open("/dev/null", O_RDONLY);
    fflush(NULL);
    if (in >= 0 && out >= 0) {
        dup2(in, 0);
        dup2(out, 1);
        dup2(out, 2);
    }
    sl_close_fd(&in);
    sl_close_fd(&out);
    ssize_t n = write(r->opt->ready_fd, "r", 1);
    (void)n;
}

// From nothing to the end of traffic. *why is set when it was ended before its time.
static bool generate(struct sl_run *r, const char **why, struct sl_error *err)
{
    if (!prepare(r, err) || !sl_run_bring_up(r, err) || !sl_run_start_drivers(r, err))
        return false;
    sl_run_pump_stop(r);
    tell_ready(r);
    if (!sl_run_traffic(r, err)) {
        if (err->code != SL_EINTR)
            return false;
        *why = "interrupted";
    } else if (r->stop_asked) {
        *why = "stopped by 'sluice down'";
    }
    sl_run_event(r, "traffic", "traffic ends");
    return true;
}

bool sl_live_run(const struct sl_spec *spec, const struct sl_plan *plan,
                 const struct sl_live_options *opt, json_t **summary, char **folder,
                 struct sl_error *err)
{
    struct sl_run r = {.spec = spec, .plan = plan, .opt = opt, .state = "prepare"};
    r.hosts.ns = r.world.engine_ns = -1;
    r.wall_start_ns = sl_wall_ns();
    if (opt->name)
        snprintf(r.id, sizeof r.id, "run-%s", opt->name);
    else
        sl_run_id("run", r.id);
    const char *why = NULL;
    bool ok = generate(&r, &why, err);
    json_t *s = NULL;
    sl_interrupt_shield(true); // from here on everything is undone, however often Ctrl-C is pressed
    if (ok) {
        r.state = "collect";
        sl_progress(6, SL_RUN_STEPS, "collect", "flows, rates, logs, report");
        struct sl_error late = {0};
        if (!sl_meter_finish(r.meter, &late))
            sl_warn("%s", late.msg);
        s = sl_run_summary(&r, why);
        ok = sl_run_write_outputs(&r, s, err);
        if (ok)
            *folder = sl_real_path(r.folder);
    } else if (r.folder) { // what happened until then is worth keeping
        SL_AUTO(sl_free_str) char *logs = sl_format("%s/logs", r.folder);
        for (size_t k = 0; k < r.instances.len; k++)
            if (r.instances.at[k].instance && err->code != SL_EINTR)
                sl_instance_logs(r.instances.at[k].instance, logs);
        if (err->code == SL_ERUN && !err->hint[0])
            sl_hint(err, "logs of the containers are in %s/logs", r.folder);
    }
    tear_down(&r);
    sl_interrupt_shield(false);
    sl_progress_end();
    if (!ok) {
        json_decref(s);
        return false;
    }
    *summary = s;
    return true;
}

static void flow_cell(struct sl_table *t, const json_t *s)
{
    const json_t *min = json_object_get(s, "flows_min"), *max = json_object_get(s, "flows_max");
    double flows = sl_json_num(s, "flows", 0);
    if (json_is_integer(min) && json_is_integer(max))
        sl_table_cellf(t, "%.1f in %lld..%lld", flows, (long long)json_integer_value(min),
                       (long long)json_integer_value(max));
    else if (json_is_integer(min))
        sl_table_cellf(t, "%.1f >= %lld", flows, (long long)json_integer_value(min));
    else if (json_is_integer(max))
        sl_table_cellf(t, "%.1f <= %lld", flows, (long long)json_integer_value(max));
    else
        sl_table_cellf(t, "%.1f", flows);
    if (!sl_json_bool(s, "flows_ok", true))
        sl_table_paint(t, SL_PAINT_BAD);
}

void sl_live_table(const json_t *summary, bool colour, struct sl_str *out)
{
    static const struct {
        const char *title;
        enum sl_align align;
    } columns[] = {{"statement", SL_LEFT}, {"from", SL_LEFT},      {"to", SL_LEFT},
                   {"asked", SL_RIGHT},    {"achieved", SL_RIGHT}, {"dev", SL_RIGHT},
                   {"up", SL_RIGHT},       {"down", SL_RIGHT},     {"flows", SL_LEFT},
                   {"verdict", SL_LEFT}};
    struct sl_table t = {.colour = colour};
    for (size_t k = 0; k < sizeof columns / sizeof *columns; k++)
        sl_table_column(&t, columns[k].title, columns[k].align);
    size_t k;
    json_t *s;
    json_array_foreach(json_object_get(summary, "statements"), k, s)
    {
        char buf[24];
        double asked = sl_json_num(s, "asked_bps", 0), got = sl_json_num(s, "achieved_bps", 0);
        bool ok = sl_json_bool(s, "ok", false);
        sl_table_cell(&t, sl_json_str(s, "type", ""));
        sl_table_cell(&t, sl_json_str(s, "from", ""));
        sl_table_cell(&t, sl_json_str(s, "to", ""));
        sl_table_cell(&t, sl_format_rate(asked, buf, sizeof buf));
        sl_table_cell(&t, sl_format_rate(got, buf, sizeof buf));
        sl_table_cellf(&t, "%+.1f %%", asked > 0 ? (got - asked) / asked * 100 : 0);
        sl_table_cell(&t, sl_format_rate(sl_json_num(s, "up_bps", 0), buf, sizeof buf));
        sl_table_cell(&t, sl_format_rate(sl_json_num(s, "down_bps", 0), buf, sizeof buf));
        flow_cell(&t, s);
        sl_table_cellf(&t, "%s%s%s", ok ? "ok" : "MISSED", ok ? "" : ": ",
                       sl_json_str(s, "reason", ""));
        sl_table_paint(&t, ok ? SL_PAINT_GOOD : SL_PAINT_BAD);
    }
    sl_table_write(&t, out);
    sl_table_done(&t);
}
