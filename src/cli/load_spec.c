// SPDX-License-Identifier: Apache-2.0
#include "cli/load_spec.h"
#include <stdio.h>
#include <unistd.h>

void sl_cli_show_diagnostics(const struct sl_cli *cli, const struct sl_spec *spec)
{
    if (cli->quiet && !spec->n_errors)
        return;
    struct sl_str text = {0};
    sl_spec_print(spec, cli->colour && isatty(STDERR_FILENO), &text);
    fputs(sl_str_text(&text), stderr);
    sl_str_done(&text);
}

struct sl_spec *sl_cli_load_spec(const struct sl_cli *cli, const char *path, int *status)
{
    struct sl_error err = {0};
    struct sl_spec *spec = sl_spec_load(path, &err);
    if (!spec) {
        *status = sl_cli_fail(cli, &err);
        return NULL;
    }
    if (sl_spec_ok(spec, &err)) {
        if (!cli->json)
            sl_cli_show_diagnostics(cli, spec);
        return spec;
    }
    if (cli->json)
        sl_cli_fail(cli, &err);
    else
        sl_cli_show_diagnostics(cli, spec);
    *status = (int)err.code;
    sl_spec_free(spec);
    return NULL;
}
