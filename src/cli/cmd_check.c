// SPDX-License-Identifier: Apache-2.0
#include "cli/load_spec.h"
#include <stdio.h>

static void summary(const struct sl_spec *spec)
{
    printf("%s: ok, %zu statement%s, ", spec->file, spec->n_statements,
           spec->n_statements == 1 ? "" : "s");
    if (spec->max_host > 1)
        printf("hosts h1 to h%d", spec->max_host);
    else
        printf("host h1");
    puts(spec->external ? " and external" : "");
}

int sl_cmd_check(struct sl_cli *cli, int argc, char **argv)
{
    int n;
    int status = sl_cli_parse(cli, NULL, 0, argc, argv, 1, 1, &n);
    if (status >= 0)
        return status;
    struct sl_error err = {0};
    struct sl_spec *spec = sl_spec_load(argv[0], &err);
    if (!spec)
        return sl_cli_fail(cli, &err);
    bool ok = sl_spec_ok(spec, &err);
    if (cli->json) {
        json_t *j = sl_spec_json(spec);
        json_object_set_new(j, "schema", json_string("sluice.check/1"));
        if (!ok) {
            json_t *e = sl_json_error(&err);
            json_object_update(j, e);
            json_decref(e);
        }
        sl_cli_json(j);
        json_decref(j);
    } else {
        sl_cli_show_diagnostics(cli, spec);
        if (ok && !cli->quiet)
            summary(spec);
    }
    sl_spec_free(spec);
    return ok ? SL_OK : SL_EINPUT;
}
