// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "cli/budget.h"
#include "cli/load_spec.h"
#include "plan/plan.h"
#include <stdio.h>

struct arguments {
    double tolerance, cpu;
    uint64_t mem;
    const char *out, *catalog;
    const char *pin[16], *ban[16];
};

static struct sl_plan *make(const struct sl_cli *cli, const struct arguments *a,
                            const struct sl_spec *spec, struct sl_record *const *records, size_t n,
                            struct sl_error *err)
{
    struct sl_plan_options opt = {.seed = cli->seed,
                                  .cpu = a->cpu,
                                  .mem_bytes = (double)a->mem,
                                  .tolerance = a->tolerance,
                                  .pin = a->pin,
                                  .ban = a->ban};
    sl_budget_fill(&opt.cpu, &opt.mem_bytes);
    int64_t start = sl_mono_ns();
    struct sl_plan *p = sl_plan_make(spec, records, n, &opt, err);
    if (p)
        p->seconds = (double)(sl_mono_ns() - start) / 1e9;
    return p;
}

static bool show(const struct sl_cli *cli, const struct arguments *a, const struct sl_plan *p,
                 struct sl_error *err)
{
    json_t *j = sl_plan_json(p);
    bool ok = !a->out || sl_json_save(a->out, j, err);
    if (ok && cli->json) {
        sl_cli_json(j);
    } else if (ok) {
        struct sl_str table = {0};
        sl_plan_table(p, &table);
        fputs(sl_str_text(&table), stdout);
        sl_str_done(&table);
    }
    json_decref(j);
    return ok;
}

int sl_cmd_plan(struct sl_cli *cli, int argc, char **argv)
{
    struct arguments a = {.tolerance = 0.02};
    const struct sl_opt opts[] = {
        {"out", 'o', SL_OPT_TEXT, "FILE", "write the plan, for 'sluice run FILE'", &a.out},
        {"tolerance", 0, SL_OPT_PERCENT, "P", "accepted deviation of each rate (default 2%)",
         &a.tolerance},
        {"cpu", 0, SL_OPT_DOUBLE, "N", "cores to use (default 90% of them)", &a.cpu},
        {"mem", 0, SL_OPT_BYTES, "SIZE", "memory to use (default 75% of what is free)", &a.mem},
        {"pin", 0, SL_OPT_LIST, "PROJECT", "use it wherever it can serve; may be repeated", a.pin},
        {"ban", 0, SL_OPT_LIST, "PROJECT", "never use it; may be repeated", a.ban},
        {"catalog", 0, SL_OPT_TEXT, "FILE", "the catalogue to choose from", &a.catalog},
    };
    int n;
    int status = sl_cli_parse(cli, opts, sizeof opts / sizeof *opts, argc, argv, 1, 1, &n);
    if (status >= 0)
        return status;
    struct sl_spec *spec = sl_cli_load_spec(cli, argv[0], &status);
    if (!spec)
        return status;
    struct sl_error err = {0};
    struct sl_record **records = NULL;
    size_t n_records = 0;
    struct sl_plan *plan = NULL;
    struct sl_catalog *catalog = sl_catalog_open(a.catalog, false, &err);
    bool ok = catalog && sl_catalog_load_all(catalog, &records, &n_records, &err) &&
              (plan = make(cli, &a, spec, records, n_records, &err)) && show(cli, &a, plan, &err);
    if (!ok) {
        status = sl_cli_fail(cli, &err);
    } else if (sl_plan_within(plan, a.tolerance)) {
        status = SL_OK;
    } else {
        status = SL_EPLAN;
        sl_warn("the plan is outside the tolerance of %g %%", 100 * a.tolerance);
    }
    sl_plan_free(plan);
    for (size_t i = 0; i < n_records; i++)
        sl_record_free(records[i]);
    free(records);
    sl_catalog_close(catalog);
    sl_spec_free(spec);
    return status;
}
