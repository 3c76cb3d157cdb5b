// SPDX-License-Identifier: Apache-2.0
// sluice report RUN: report.html and graph.svg of a run folder again, from its summary.json.
#include "base/auto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "stats/report.h"
#include <stdio.h>
#include <string.h>

static bool make(const char *folder, const char *page, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *summary = sl_path_join(folder, "summary.json");
    if (!sl_exists(summary)) {
        sl_fail(err, SL_EINPUT, "'%s' is no run folder: there is no summary.json in it", folder);
        sl_hint(err, "name a folder that 'sluice run' made, such as runs/2026-11-20T23-08-office");
        return false;
    }
    SL_AUTO(sl_json_decref) json_t *s = sl_json_load(summary, err);
    SL_AUTO(sl_free_str) char *html = s ? sl_report_html(s, err) : NULL;
    if (!html)
        return sl_within(err, "%s", summary);
    return sl_write_file(page, html, strlen(html), err);
}

int sl_cmd_report(struct sl_cli *cli, int argc, char **argv)
{
    const char *output = NULL;
    const struct sl_opt opts[] = {
        {"output", 'o', SL_OPT_TEXT, "FILE",
         "where the page goes (default: report.html in the run folder)", &output},
    };
    int n;
    int status = sl_cli_parse(cli, opts, sizeof opts / sizeof opts[0], argc, argv, 1, 1, &n);
    if (status >= 0)
        return status;
    SL_AUTO(sl_free_str)
    char *page = output ? sl_strdup(output) : sl_path_join(argv[0], "report.html");
    struct sl_error err = {0};
    if (!make(argv[0], page, &err))
        return sl_cli_fail(cli, &err);
    if (cli->json) {
        SL_AUTO(sl_json_decref)
        json_t *o = json_pack("{s:s, s:s}", "schema", "sluice.report/1", "report", page);
        sl_cli_json(o);
    } else {
        puts(page);
    }
    return SL_OK;
}
