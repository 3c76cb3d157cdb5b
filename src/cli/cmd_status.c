// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/str.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/cli.h"
#include "instance/sweep.h"
#include "live/supervisor.h"
#include <stdio.h>
#include <string.h>

static void add_rows(struct sl_table *t, const json_t *state)
{
    size_t k;
    json_t *s;
    if (!json_array_size(json_object_get(state, "statements"))) { // preparing, or an observation
        sl_table_cell(t, sl_json_str(state, "run", ""));
        sl_table_cell(t, sl_json_str(state, "state", ""));
        for (int empty = 0; empty < 5; empty++)
            sl_table_cell(t, "");
    }
    json_array_foreach(json_object_get(state, "statements"), k, s)
    {
        char buf[24];
        sl_table_cell(t, k ? "" : sl_json_str(state, "run", ""));
        sl_table_cell(t, k ? "" : sl_json_str(state, "state", ""));
        if (k)
            sl_table_cell(t, "");
        else
            sl_table_cellf(t, "%.0f/%.0f s", sl_json_num(state, "t_s", 0),
                           sl_json_num(state, "duration_s", 0));
        sl_table_cell(t, sl_format_rate(sl_json_num(s, "asked_bps", 0), buf, sizeof buf));
        sl_table_cell(t, sl_format_rate(sl_json_num(s, "achieved_bps", 0), buf, sizeof buf));
        sl_table_cellf(t, "%.1f", sl_json_num(s, "flows", 0));
        sl_table_cell(t, sl_json_str(s, "text", ""));
    }
}

static void print_table(const struct sl_cli *cli, const json_t *runs, const json_t *dead)
{
    struct sl_table t = {.colour = cli->colour};
    sl_table_column(&t, "run", SL_LEFT);
    sl_table_column(&t, "state", SL_LEFT);
    sl_table_column(&t, "time", SL_RIGHT);
    sl_table_column(&t, "asked", SL_RIGHT);
    sl_table_column(&t, "achieved", SL_RIGHT);
    sl_table_column(&t, "flows", SL_RIGHT);
    sl_table_column(&t, "statement", SL_LEFT);
    size_t k;
    json_t *r;
    json_array_foreach(runs, k, r) add_rows(&t, r);
    struct sl_str text = {0};
    if (sl_table_rows(&t))
        sl_table_write(&t, &text);
    else
        sl_str_add(&text, "no run is running\n");
    json_array_foreach(dead, k, r)
        sl_str_addf(&text, "%s has no supervisor; 'sluice down %s' removes what is left of it\n",
                    json_string_value(r), json_string_value(r));
    fputs(sl_str_text(&text), stdout);
    sl_str_done(&text);
    sl_table_done(&t);
}

int sl_cmd_status(struct sl_cli *cli, int argc, char **argv)
{
    int n;
    int status = sl_cli_parse(cli, NULL, 0, argc, argv, 0, 1, &n);
    if (status >= 0)
        return status;
    struct sl_error err = {0};
    char **runs = NULL;
    size_t n_runs = 0;
    bool whole = sl_sweep_list(&runs, &n_runs, &err);
    json_t *alive = json_array(), *dead = json_array();
    bool found = false;
    for (size_t k = 0; k < n_runs; k++) {
        if (!n || !strcmp(argv[0], runs[k]) ||
            (sl_starts_with(runs[k], "run-") && !strcmp(argv[0], runs[k] + 4))) {
            struct sl_error e = {0};
            json_t *state = sl_supervisor_ask(runs[k], "status", &e);
            found = true;
            if (state)
                json_array_append_new(alive, state);
            else if (sl_run_owner_alive(runs[k]))
                json_array_append_new(alive, json_pack("{s:s, s:s, s:[]}", "run", runs[k], "state",
                                                       "busy", "statements"));
            else
                json_array_append_new(dead, json_string(runs[k]));
        }
        free(runs[k]);
    }
    free(runs);
    status = SL_OK;
    if (!whole &&
        !json_array_size(alive)) { // supervisors that answer are worth showing all the same
        status = sl_cli_fail(cli, &err);
    } else if (n && !found) {
        sl_fail(&err, SL_EUSAGE, "there is no run '%s'", argv[0]);
        sl_hint(&err, "'sluice status' lists them");
        status = sl_cli_fail(cli, &err);
    } else if (cli->json) {
        json_t *j = json_pack("{s:s, s:O, s:O}", "schema", "sluice.status/1", "runs", alive,
                              "unsupervised", dead);
        sl_cli_json(j);
        json_decref(j);
    } else {
        print_table(cli, alive, dead);
    }
    json_decref(alive);
    json_decref(dead);
    return status;
}
