// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "catalog/catalog.h"
#include "cli/budget.h"
#include "cli/cli.h"
#include "cli/load_spec.h"
#include "live/live.h"
#include "plan/plan.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

struct args {
    int64_t duration_ns, measured_ns;
    double tolerance, plan_tolerance, cpu;
    uint64_t mem;
    const char *name, *out, *capture, *catalog;
    const char *pin[16], *ban[16];
    const char *attach;
    bool dry_run, anyway, detach;
};

struct loaded {                 // a spec with its plan, and what the plan borrows
    const struct sl_spec *spec; // the one below, or the plan's own
    struct sl_spec *owned_spec;
    struct sl_record **records;
    size_t n_records;
    struct sl_plan *plan;
};

static void unload(struct loaded *l)
{
    sl_plan_free(l->plan);
    for (size_t k = 0; k < l->n_records; k++)
        sl_record_free(l->records[k]);
    free(l->records);
    sl_spec_free(l->owned_spec);
}

static bool load(struct sl_cli *cli, const struct args *a, struct loaded *l, struct sl_error *err)
{
    sl_progress(2, 6, "plan", "reading the catalogue");
    struct sl_catalog *c = sl_catalog_open(a->catalog, false, err);
    if (!c)
        return false;
    bool ok = sl_catalog_load_all(c, &l->records, &l->n_records, err);
    sl_catalog_close(c);
    struct sl_plan_options opt = {.seed = cli->seed,
                                  .cpu = a->cpu,
                                  .mem_bytes = (double)a->mem,
                                  .tolerance = a->plan_tolerance,
                                  .pin = a->pin,
                                  .ban = a->ban};
    sl_budget_fill(&opt.cpu, &opt.mem_bytes);
    l->plan = ok ? sl_plan_make(l->spec, l->records, l->n_records, &opt, err) : NULL;
    return l->plan != NULL;
}

static bool load_plan(const char *path, struct loaded *l, struct sl_error *err)
{
    json_t *j = sl_json_load(path, err);
    if (!j)
        return false;
    l->plan = sl_plan_from_json(j, err);
    json_decref(j);
    if (!l->plan) {
        sl_at(err, path, 0, 0);
        return sl_within(err, "plan '%s'", path);
    }
    l->spec = l->plan->spec;
    return true;
}

// 0 when everything was met.
static int show_result(struct sl_cli *cli, const json_t *summary, const char *folder)
{
    if (cli->json) {
        sl_cli_json(summary);
    } else {
        struct sl_str text = {0};
        sl_live_table(summary, cli->colour, &text);
        fputs(sl_str_text(&text), stdout);
        sl_str_done(&text);
        printf("measured over seconds %d to %d of traffic, layer-2 bytes at the 'from' host\n",
               (int)sl_json_num(summary, "measured_from_s", 0),
               (int)sl_json_num(summary, "measured_to_s", 0));
        printf("results: %s/report.html\n", folder);
        fflush(stdout);
    }
    if (sl_was_interrupted())
        return SL_EINTR;
    bool met = true;
    size_t k;
    json_t *s;
    json_array_foreach(json_object_get(summary, "statements"), k, s) met &=
        sl_json_bool(s, "ok", false);
    return met ? SL_OK : SL_EMISS;
}

static int generate(struct sl_cli *cli, const struct args *a, const struct loaded *l,
                    const char *command, int ready_fd)
{
    struct sl_live_options opt = {.name = a->name,
                                  .out = a->out,
                                  .command = command,
                                  .duration_ns = a->duration_ns,
                                  .measured_ns = a->measured_ns,
                                  .tolerance = a->tolerance,
                                  .pcap = !strcmp(a->capture, "pcap"),
                                  .flows = strcmp(a->capture, "none") != 0,
                                  .ready_fd = ready_fd};
    json_t *summary = NULL;
    SL_AUTO(sl_free_str) char *folder = NULL;
    struct sl_error err = {0};
    if (!sl_live_run(l->spec, l->plan, &opt, &summary, &folder, &err))
        return sl_cli_fail(cli, &err);
    int status = show_result(cli, summary, folder);
    json_decref(summary);
    return status;
}

// The run goes on in the background; we return once traffic flows, or with its failure.
static int detach(struct sl_cli *cli, const struct args *a, const struct loaded *l,
                  const char *command)
{
    int p[2];
    struct sl_error err = {0};
    if (pipe2(p, O_CLOEXEC)) {
        sl_fail(&err, SL_ERUN, "cannot go to the background");
        return sl_cli_fail(cli, &err);
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(p[0]);
        setsid();
        int status = generate(cli, a, l, command, p[1]);
        fflush(NULL);
        _exit(status);
    }
    close(p[1]);
    char c = 0;
    if (pid < 0) {
        close(p[0]);
        sl_fail(&err, SL_ERUN, "cannot go to the background: %s", strerror(errno));
        return sl_cli_fail(cli, &err);
    }
    ssize_t n;
    while ((n = read(p[0], &c, 1)) < 0 && errno == EINTR)
        kill(pid, SIGTERM); // Ctrl-C before traffic flows ends it whole
    close(p[0]);
    if (n == 1 && c == 'r' && cli->json) {
        json_t *j = json_pack("{s:s, s:s+, s:i}", "schema", "sluice.detached/1", "run", "run-",
                              a->name, "pid", (int)pid);
        sl_cli_json(j);
        json_decref(j);
        return SL_OK;
    }
    if (n == 1 && c == 'r') {
        printf("run-%s is running in the background; 'sluice status run-%s' shows it, "
               "'sluice down run-%s' ends it\n",
               a->name, a->name, a->name);
        return SL_OK;
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return SL_ERUN;
    return WIFEXITED(status) ? WEXITSTATUS(status) : SL_ERUN;
}

static bool check_args(struct args *a, struct sl_error *err)
{
    if (strcmp(a->capture, "pcap") && strcmp(a->capture, "flows") && strcmp(a->capture, "none"))
        return sl_fail(err, SL_EUSAGE, "--capture is pcap, flows or none, not '%s'", a->capture);
    if (a->attach)
        return sl_fail(err, SL_ERUN, "--attach is not there yet in this version");
    if (a->name && (!a->name[0] || strlen(a->name) > 20 ||
                    strspn(a->name, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(a->name)))
        return sl_fail(err, SL_EUSAGE, "--name '%s' must be 1 to 20 small letters and digits",
                       a->name);
    if (a->detach && !a->name)
        return sl_fail(err, SL_EUSAGE, "--detach needs --name, so that the run can be found again");
    if (a->duration_ns < 2000000000)
        return sl_fail(err, SL_EUSAGE, "--duration must be at least 2s");
    return true;
}

int sl_cmd_run(struct sl_cli *cli, int argc, char **argv)
{
    struct args a = {
        .duration_ns = 60000000000, .capture = "flows", .tolerance = 0.10, .plan_tolerance = 0.05};
    const struct sl_opt opts[] = {
        {"duration", 'd', SL_OPT_DURATION_NS, "TIME", "seconds of traffic (default 60s)",
         &a.duration_ns},
        {"name", 0, SL_OPT_TEXT, "NAME", "name of the run (becomes run-NAME)", &a.name},
        {"out", 'o', SL_OPT_TEXT, "DIR", "run folder (default runs/<time>-<spec>)", &a.out},
        {"capture", 0, SL_OPT_TEXT, "WHAT", "keep pcap (and flows), flows (default) or none",
         &a.capture},
        {"tolerance", 0, SL_OPT_PERCENT, "P", "achieved rate may deviate by P (default 10%)",
         &a.tolerance},
        {"measured", 0, SL_OPT_DURATION_NS, "TIME", "the last part that is judged (default 20s)",
         &a.measured_ns},
        {"catalog", 0, SL_OPT_TEXT, "FILE", "catalogue to plan from", &a.catalog},
        {"cpu", 0, SL_OPT_DOUBLE, "CORES", "budget for the plan", &a.cpu},
        {"mem", 0, SL_OPT_BYTES, "SIZE", "budget for the plan", &a.mem},
        {"pin", 0, SL_OPT_LIST, "PROJECT", "use it wherever it can serve; may be repeated", a.pin},
        {"ban", 0, SL_OPT_LIST, "PROJECT", "never use it; may be repeated", a.ban},
        {"attach", 0, SL_OPT_TEXT, "H=WHERE", "put a host elsewhere (not there yet)", &a.attach},
        {"dry-run", 0, SL_OPT_FLAG, NULL, "show the plan and stop", &a.dry_run},
        {"anyway", 0, SL_OPT_FLAG, NULL, "run a plan that is outside its tolerance", &a.anyway},
        {"detach", 0, SL_OPT_FLAG, NULL, "go on in the background once traffic flows", &a.detach},
    };
    struct sl_str command = {.max = 2000};
    for (int k = 0; k < argc; k++)
        sl_str_addf(&command, "%s%s", k ? " " : "sluice ", argv[k]);
    int n;
    int status = sl_cli_parse(cli, opts, sizeof opts / sizeof *opts, argc, argv, 1, 1, &n);
    if (status >= 0) {
        sl_str_done(&command);
        return status;
    }
    struct loaded l = {0};
    struct sl_error err = {0};
    if (!check_args(&a, &err)) {
        sl_str_done(&command);
        return sl_cli_fail(cli, &err);
    }
    sl_progress(1, 6, "check", "%s", argv[0]);
    bool planned = sl_ends_with(argv[0], ".json"); // `sluice plan -o`, or plan.json of a run folder
    if (!planned) {
        l.spec = l.owned_spec = sl_cli_load_spec(cli, argv[0], &status);
        if (!l.spec) {
            sl_str_done(&command);
            return status;
        }
    }
    bool loaded = planned ? load_plan(argv[0], &l, &err) : load(cli, &a, &l, &err);
    if (loaded && l.spec->n_links) {
        loaded = sl_fail(&err, SL_EENV, "conditions of links are not there yet in runs");
        sl_at(&err, l.spec->file, l.spec->links[0].line, l.spec->links[0].col);
        sl_hint(&err, "'sluice link serve --topology SPEC.dtsl' emulates them; take the link "
                      "statements out for 'sluice run'");
    }
    if (!loaded) {
        status = sl_cli_fail(cli, &err);
    } else if (!sl_plan_within(l.plan, a.plan_tolerance) && !a.anyway) {
        struct sl_str text = {0};
        sl_plan_table(l.plan, &text);
        if (!cli->json)
            fputs(sl_str_text(&text), stderr);
        sl_str_done(&text);
        sl_fail(&err, SL_EPLAN, "the plan is outside its tolerance; nothing was started");
        sl_hint(&err, "observe more projects, ask for less, or run it all the same with --anyway");
        status = sl_cli_fail(cli, &err);
    } else {
        struct sl_str text = {0};
        sl_plan_table(l.plan, &text);
        sl_progress_end();
        if (!cli->json)
            fputs(sl_str_text(&text), a.dry_run ? stdout : stderr);
        sl_str_done(&text);
        if (a.dry_run && cli->json) {
            json_t *j = sl_plan_json(l.plan);
            sl_cli_json(j);
            json_decref(j);
        }
        if (a.dry_run)
            status = SL_OK;
        else if (a.detach)
            status = detach(cli, &a, &l, sl_str_text(&command));
        else
            status = generate(cli, &a, &l, sl_str_text(&command), -1);
    }
    unload(&l);
    sl_str_done(&command);
    return status;
}
