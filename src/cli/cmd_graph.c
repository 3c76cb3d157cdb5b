// SPDX-License-Identifier: Apache-2.0
// sluice graph TRACE: who talks to whom in a trace.
#include "base/auto.h"
#include "base/log.h"
#include "cli/cli.h"
#include "measure/flows.h"
#include <stdio.h>
#include <string.h>

int sl_cmd_graph(struct sl_cli *cli, int argc, char **argv)
{
    const char *output = "graph.svg", *truth = NULL, *services = NULL, *tunnels = "inner";
    uint64_t threads = 0;
    const struct sl_opt opts[] = {
        {"output", 'o', SL_OPT_TEXT, "FILE",
         "where the graph goes, by its ending: .svg, .json, .csv, .mmd (default: graph.svg)",
         &output},
        {"truth", 0, SL_OPT_TEXT, "PATH", "services as nodes: a run's folder, or its labels.csv",
         &truth},
        {"services", 0, SL_OPT_TEXT, "FILE",
         "service names by port instead of the built-in registry", &services},
        {"tunnels", 0, SL_OPT_TEXT, "WHICH", "inner (default) or outer addresses are the nodes",
         &tunnels},
        {"threads", 'j', SL_OPT_U64, "N", "threads (default: one per processor)", &threads},
    };
    SL_AUTO(sl_free_str) char *line = sl_cli_line(argc, argv);
    int n;
    int status = sl_cli_parse(cli, opts, sizeof opts / sizeof opts[0], argc, argv, 1, 1, &n);
    if (status >= 0)
        return status;
    if (strcmp(tunnels, "inner") && strcmp(tunnels, "outer"))
        return sl_cli_usage(cli, "--tunnels is inner or outer, not '%s'", tunnels);
    if (threads > 64)
        return sl_cli_usage(cli, "--threads is at most 64");
    struct sl_flows_options o = {.input = argv[0],
                                 .graph = output,
                                 .truth = truth,
                                 .services = services,
                                 .outer = !strcmp(tunnels, "outer"),
                                 .threads = (unsigned)threads,
                                 .engine.seed = cli->seed,
                                 .seed = cli->seed,
                                 .command_line = line};
    struct sl_error err = {0};
    SL_AUTO(sl_json_decref) json_t *s = sl_flows_run(&o, &err);
    if (!s)
        return sl_cli_fail(cli, &err);
    if (cli->json)
        sl_cli_json(s);
    else
        puts(output);
    return SL_OK;
}
