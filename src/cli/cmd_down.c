// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "engine/images.h"
#include "instance/sweep.h"
#include "live/supervisor.h"
#include <stdio.h>
#include <string.h>

// A supervisor that lives takes its run down itself, so that the report is written.
static void ask_politely(const char *run)
{
    struct sl_error e = {0};
    json_t *reply = sl_supervisor_ask(run, "down", &e);
    // One that has no ears yet, or an observation, unwinds on SIGTERM as well.
    if (!reply && !sl_run_owner_stop(run))
        return;
    json_decref(reply);
    SL_AUTO(sl_free_str) char *folder = sl_run_folder(run);
    for (int tenths = 0; tenths < 600 && sl_exists(folder); tenths++) {
        sl_progress(0, 0, "down", "%s: its supervisor is taking it down", run);
        if (!sl_run_owner_alive(run) || !sl_sleep_ns(100000000))
            return;
    }
}

static bool take_down(struct sl_cli *cli, const char *run, json_t *report, struct sl_error *err)
{
    ask_politely(run);
    struct sl_swept s;
    if (!sl_sweep_run(run, &s, err))
        return false;
    json_array_append_new(report,
                          json_pack("{s:s, s:i, s:i, s:i, s:i, s:i}", "run", run, "containers",
                                    s.containers, "networks", s.networks, "namespaces",
                                    s.namespaces, "tables", s.tables, "processes", s.processes));
    if (!cli->json)
        printf(
            "%s is down: removed %d containers, %d networks, %d namespaces, %d filter tables, %d "
            "processes\n",
            run, s.containers, s.networks, s.namespaces, s.tables, s.processes);
    return true;
}

int sl_cmd_down(struct sl_cli *cli, int argc, char **argv)
{
    bool all = false;
    const struct sl_opt opts[] = {
        {"all", 0, SL_OPT_FLAG, NULL, "every run and observation on this machine", &all}};
    int n;
    int status = sl_cli_parse(cli, opts, 1, argc, argv, 0, -1, &n);
    if (status >= 0)
        return status;
    if (all == (n > 0))
        return sl_cli_usage(cli, "name the runs to take down, or say --all");
    struct sl_error err = {0};
    json_t *report = json_array();
    bool ok = true;
    if (all) {
        char **runs = NULL;
        size_t n_runs = 0;
        ok = sl_sweep_list(&runs, &n_runs, &err);
        struct sl_error ignored = {0};
        struct sl_engine *engine = sl_engine_open(NULL, &ignored);
        if (engine)
            sl_images_sweep_builds(engine);
        sl_engine_close(engine);
        for (size_t k = 0; k < n_runs; k++) {
            struct sl_error e = {0};
            if (!take_down(cli, runs[k], report, &e)) {
                ok = false;
                err = e;
            }
            free(runs[k]);
        }
        free(runs);
        if (ok && !n_runs && !cli->json)
            puts("nothing of Sluice is running or left behind");
    }
    for (int k = 0; k < n; k++) {
        // A run may be called by its name alone.
        SL_AUTO(sl_free_str) char *full = NULL;
        const char *run = argv[k];
        if (!strchr(run, '-') && asprintf(&full, "run-%s", run) > 0)
            run = full;
        struct sl_error e = {0};
        if (!take_down(cli, run, report, &e)) {
            ok = false;
            err = e;
        }
    }
    sl_progress_end();
    if (!ok) {
        json_decref(report);
        return sl_cli_fail(cli, &err);
    }
    if (cli->json) {
        json_t *j = json_pack("{s:s, s:O}", "schema", "sluice.down/1", "runs", report);
        sl_cli_json(j);
        json_decref(j);
    }
    json_decref(report);
    return SL_OK;
}
