// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"
#include "cli/load_spec.h"
#include <stdio.h>

struct use {            // of one host
    int client, server; // statements it starts, statements it serves
    double asked_bps;   // of both
};

static struct use use_of(const struct sl_spec *spec, int host)
{
    struct use u = {0};
    for (size_t i = 0; i < spec->n_statements; i++) {
        const struct sl_statement *s = &spec->statements[i];
        u.client += s->from == host;
        u.server += s->to == host;
        if (s->from == host || s->to == host)
            u.asked_bps += s->rate_bps;
    }
    return u;
}

static json_t *host_json(const struct sl_spec *spec, int host)
{
    char name[16];
    struct use u = use_of(spec, host);
    return json_pack("{s:s, s:i, s:i, s:f}", "name", sl_host_name(host, name), "client", u.client,
                     "server", u.server, "asked_bps", u.asked_bps);
}

static void row(const struct sl_spec *spec, int host)
{
    char name[16], rate[32];
    struct use u = use_of(spec, host);
    printf("%-10s %9d %9d %10s\n", sl_host_name(host, name), u.client, u.server,
           sl_format_rate(u.asked_bps, rate, sizeof rate));
}

int sl_cmd_hosts(struct sl_cli *cli, int argc, char **argv)
{
    int n;
    int status = sl_cli_parse(cli, NULL, 0, argc, argv, 1, 1, &n);
    if (status >= 0)
        return status;
    struct sl_cli silent = *cli;
    silent.quiet = true; // warnings are 'check's
    struct sl_spec *spec = sl_cli_load_spec(&silent, argv[0], &status);
    if (!spec)
        return status;
    if (cli->json) {
        json_t *hosts = json_array();
        for (int h = 1; h <= spec->max_host; h++)
            json_array_append_new(hosts, host_json(spec, h));
        if (spec->external)
            json_array_append_new(hosts, host_json(spec, SL_HOST_EXTERNAL));
        json_t *j = json_pack("{s:s, s:o}", "schema", "sluice.hosts/1", "hosts", hosts);
        sl_cli_json(j);
        json_decref(j);
    } else {
        printf("%-10s %9s %9s %10s\n", "host", "as client", "as server", "asked");
        for (int h = 1; h <= spec->max_host; h++)
            row(spec, h);
        if (spec->external)
            row(spec, SL_HOST_EXTERNAL);
    }
    sl_spec_free(spec);
    return SL_OK;
}
