// SPDX-License-Identifier: Apache-2.0
// What one run holds; shared by the files of this folder only.
#pragma once
#include "base/mem.h"
#include "drive/drive.h"
#include "instance/instance.h"
#include "instance/sweep.h"
#include "live/control.h"
#include "live/hosts.h"
#include "live/live.h"
#include "live/meter.h"
#include "live/supervisor.h"
#include <pthread.h>
#include <stdatomic.h>

struct sl_run_project { // one per record that the plan uses
    const struct sl_record *record;
    struct sl_project *project;
    char **refs; // image per service
    int instances;
};
struct sl_run_instance {
    int statement, project; // indices
    const struct sl_option *option;
    struct sl_instance *instance;
    struct sl_render_driver driver; // its driver's holder; name NULL when self-driven
    int *endpoint_host;
    double planned_bps;
    int users, users_max;
    struct sl_drive *drive;
    uint64_t seen_bytes, seen_requests; // at the last tick
    int bad_looks;                      // in a row at which a service was down
    char trouble[160];                  // "" or why it cannot do its part
};
struct sl_run_event {
    double t_s; // since the start of traffic; negative before
    const char *type;
    char *text;
};
struct sl_run {
    const struct sl_spec *spec;
    const struct sl_plan *plan;
    const struct sl_live_options *opt;
    char id[64];
    char *folder;
    struct sl_world world;
    bool world_open;
    bool claimed; // the run folder is ours: only then is anything swept
    struct sl_watchdog dog;
    struct sl_hosts hosts;
    SL_VEC(struct sl_run_project) projects;
    SL_VEC(struct sl_run_instance) instances;
    struct sl_who_book *book;
    struct sl_meter_instance *metered;
    struct sl_meter *meter;
    pthread_t pump; // owns the meter while pumping
    bool pumping;
    atomic_bool pump_stop;
    struct sl_control *controls; // per statement
    struct sl_supervisor *supervisor;
    SL_VEC(struct sl_run_event) events;
    int64_t wall_start_ns, traffic_mono_ns, traffic_wall_ns; // traffic 0 = not yet
    bool stop_asked;
    const char *state; // "images", "start", "traffic", "collect"
};
enum { SL_RUN_STEPS = 6 };
#define SL_RUN_HEADROOM 1.08 // upper bound of a driven statement's rate, times what was asked
void sl_run_event(struct sl_run *r, const char *type, const char *fmt, ...) SL_PRINTF(3, 4);
// bringup.c: everything up to running services and ready drivers. From the first wire on a thread
// reads the meter, until it is stopped.
SL_MUST_USE bool sl_run_bring_up(struct sl_run *r, struct sl_error *err);
SL_MUST_USE bool sl_run_start_drivers(struct sl_run *r, struct sl_error *err);
void sl_run_pump_stop(struct sl_run *r); // does nothing when none runs
// traffic.c: the control loop until the end.
SL_MUST_USE bool sl_run_traffic(struct sl_run *r, struct sl_error *err);
// summary.c: judging and the run folder.
json_t *sl_run_summary(struct sl_run *r, const char *interrupted_reason);
json_t *sl_run_state(struct sl_run *r); // for `status`
SL_MUST_USE bool sl_run_write_inputs(struct sl_run *r, struct sl_error *err);
// Who is behind which address; to_ns 0 = still running.
SL_MUST_USE bool sl_run_write_labels(struct sl_run *r, int64_t to_ns, struct sl_error *err);
SL_MUST_USE bool sl_run_write_outputs(struct sl_run *r, const json_t *summary,
                                      struct sl_error *err);
// Both directions, up, or down: what the statement's rate counts.
double sl_run_counted(const struct sl_statement *s, double up, double down);
