// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/table.h"
#include "base/units.h"
#include "catalog/catalog.h"
#include "cli/cli.h"
#include "discover/discover.h"
#include "observe/observe.h"
#include <stdio.h>
#include <string.h>

struct tally {
    json_t *rows;
    int observed, reused, failed, bad_input;
};

static double best_rate(const struct sl_record *r, const char *phase)
{
    double best = 0;
    for (size_t p = 0; p < r->n_phases; p++) {
        double sum = 0;
        for (size_t e = 0; e < r->phases[p].n_edges; e++)
            sum += r->phases[p].edges[e].bps_mean;
        if (!strcmp(r->phases[p].name, phase) && sum > best)
            best = sum;
    }
    return best;
}

static void tell(struct tally *t, const struct sl_record *r, bool reused)
{
    char idle[24], driven[24];
    char grade[2] = {r->grade, '\0'};
    t->reused += reused;
    t->observed += !reused;
    t->failed += r->reason != SL_REASON_OK && r->reason != SL_REASON_SILENT;
    t->bad_input += r->reason >= SL_REASON_NO_FILE && r->reason <= SL_REASON_POLICY_DENIED;
    json_array_append_new(
        t->rows, json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:b}", "project", r->name, "reason",
                           sl_reason_name(r->reason), "grade", grade, "message", r->message,
                           "idle_bps", best_rate(r, "idle"), "driven_bps", best_rate(r, "driven"),
                           "duration_s", r->duration_s, "reused", reused));
    if (r->reason != SL_REASON_OK)
        sl_info("%s: %s%s%s%s%s", r->name, sl_reason_name(r->reason), r->sub_reason[0] ? "/" : "",
                r->sub_reason, r->message[0] ? ": " : "", r->message);
    else
        sl_info("%s: grade %s, idle %sbit/s, driven %sbit/s%s", r->name, grade,
                sl_format_rate(best_rate(r, "idle"), idle, sizeof idle),
                sl_format_rate(best_rate(r, "driven"), driven, sizeof driven),
                reused ? " (as observed before)" : "");
}

static bool observe_one(struct sl_cli *cli, const struct sl_found *f, struct sl_catalog *c,
                        const struct sl_observe_options *opt, bool again, struct tally *t,
                        struct sl_error *err)
{
    struct sl_record *r = NULL;
    char digest[65];
    bool found = false;
    struct sl_error ignored = {0};
    if (!again && sl_observe_digest(f, cli->seed, digest, &ignored)) {
        SL_AUTO(sl_free_str) char *path = sl_observe_compose_path(f);
        if (!sl_catalog_find(c, f->repo, path, digest, &found, &r, err))
            return false;
    }
    bool reused = found;
    if (!found && !sl_observe_project(f, opt, c, &r, err))
        return false;
    tell(t, r, reused);
    sl_record_free(r);
    return true;
}

static void summarise(struct sl_cli *cli, const struct tally *t)
{
    if (cli->json) {
        json_t *j =
            json_pack("{s:s, s:i, s:i, s:i, s:O}", "schema", "sluice.observe/1", "observed",
                      t->observed, "reused", t->reused, "failed", t->failed, "projects", t->rows);
        sl_cli_json(j);
        json_decref(j);
        return;
    }
    printf("%d observed, %d known from before, %d of them failed; 'sluice catalog list' shows what "
           "they send\n",
           t->observed, t->reused, t->failed);
}

int sl_cmd_observe(struct sl_cli *cli, int argc, char **argv)
{
    bool quick = false, again = false, egress = false;
    const char *catalog = NULL, *logs = NULL;
    struct sl_observe_options opt = {0};
    const struct sl_opt opts[] = {
        {"quick", 0, SL_OPT_FLAG, NULL, "5 s idle and 15 s driven, marked as such", &quick},
        {"again", 0, SL_OPT_FLAG, NULL, "observe also what the catalogue knows unchanged", &again},
        {"idle", 0, SL_OPT_DURATION_NS, "TIME", "length of the idle phase", &opt.idle_ns},
        {"driven", 0, SL_OPT_DURATION_NS, "TIME", "length of the driven phases together",
         &opt.driven_ns},
        {"settle", 0, SL_OPT_DURATION_NS, "TIME", "longest wait for health (default 60s)",
         &opt.settle_ns},
        {"egress", 0, SL_OPT_FLAG, NULL, "let projects reach the outside (not there yet)", &egress},
        {"logs", 0, SL_OPT_TEXT, "DIR", "keep the containers' logs", &logs},
        {"catalog", 0, SL_OPT_TEXT, "FILE", "catalogue to write", &catalog},
    };
    int n;
    int status = sl_cli_parse(cli, opts, sizeof opts / sizeof *opts, argc, argv, 1, -1, &n);
    if (status >= 0)
        return status;
    struct sl_error err = {0};
    if (egress) {
        sl_fail(&err, SL_ERUN, "--egress is not there yet in this version");
        return sl_cli_fail(cli, &err);
    }
    opt.quick = quick;
    opt.seed = cli->seed;
    opt.log_dir = logs;
    struct sl_found_list found = {0};
    if (!sl_discover((const char *const *)argv, (size_t)n, &found, &err))
        return sl_cli_fail(cli, &err);
    struct sl_catalog *c = NULL;
    bool ok = true;
    if (!found.len)
        ok = sl_fail(&err, SL_EINPUT, "no Compose file below '%s'", argv[0]);
    ok = ok && (c = sl_catalog_open(catalog, true, &err));
    struct tally t = {.rows = json_array()};
    opt.steps = (int)found.len;
    for (size_t k = 0; ok && k < found.len; k++) {
        opt.step = (int)k + 1;
        sl_progress(opt.step, opt.steps, "observe", "%s/%s", found.at[k].dir, found.at[k].file);
        ok = observe_one(cli, &found.at[k], c, &opt, again, &t, &err);
    }
    sl_progress_end();
    sl_catalog_close(c);
    sl_found_list_done(&found);
    if (ok)
        summarise(cli, &t);
    status = ok ? SL_OK : sl_cli_fail(cli, &err);
    if (ok && t.failed && t.failed == t.observed + t.reused)
        status = t.bad_input == t.failed ? SL_EINPUT : SL_ERUN; // nothing could be observed
    json_decref(t.rows);
    return status;
}
