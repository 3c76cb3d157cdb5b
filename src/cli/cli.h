// SPDX-License-Identifier: Apache-2.0
/*
 * The command line's frame: one table of commands, one option table per command that drives
 * parsing,
 * --help and the man page check. Commands return an exit status; errors go through sl_cli_fail
 * once.
 *
 * Order    flag > environment SLUICE_NAME (dashes become underscores) > default.
 */
#pragma once
#include "base/error.h"
#include "base/json.h"
#include <stdint.h>

struct sl_cli { // global flags
    bool json, quiet, verbose, colour;
    const char *progress;
    uint64_t seed;
    bool seed_given;
    const char *command; // name of the command that runs
};
enum sl_opt_type {
    SL_OPT_FLAG,
    SL_OPT_TEXT,
    SL_OPT_U64,
    SL_OPT_DURATION_NS,
    SL_OPT_RATE_BPS,
    SL_OPT_PERCENT,
    SL_OPT_BYTES,
    SL_OPT_DOUBLE,
    SL_OPT_LIST
};
struct sl_opt {
    const char *name; // "duration"
    char letter;      // 'd' or 0
    enum sl_opt_type type;
    const char *arg; // "TIME"; NULL for flags
    const char *help; // NULL: not listed
    void *dest; // bool, const char *, uint64_t, int64_t, double, double, uint64_t, double, const
                // char *[16] (NULL-terminated)
};
struct sl_command {
    const char *name, *args, *summary;
    int (*run)(struct sl_cli *cli, int argc, char **argv); // argv[0] = the command's name
};
extern const struct sl_command sl_commands[]; // ends with a NULL name
// Parses argv against opts (global flags are understood everywhere); operands are moved to
// argv[0..] and counted in *n_operands. Returns -1 to go on, or the exit status (help shown, usage
// error).
int sl_cli_parse(struct sl_cli *cli, const struct sl_opt *opts, size_t n_opts, int argc,
                 char **argv, int min_operands, int max_operands, int *n_operands); // max -1 = any
int sl_cli_fail(
    const struct sl_cli *cli,
    const struct sl_error *err);   // prints it once (JSON on stdout with --json); returns err->code
void sl_cli_json(const json_t *j); // one versioned object on stdout
int sl_cli_usage(const struct sl_cli *cli, const char *fmt, ...) SL_PRINTF(2, 3);
char *sl_cli_line(int argc, char **argv); // "sluice flows ...", for the provenance; caller frees
// Commands, one file each.
int sl_cmd_check(struct sl_cli *, int, char **);
int sl_cmd_fmt(struct sl_cli *, int, char **);
int sl_cmd_hosts(struct sl_cli *, int, char **);
int sl_cmd_plan(struct sl_cli *, int, char **);
int sl_cmd_discover(struct sl_cli *, int, char **);
int sl_cmd_repair(struct sl_cli *, int, char **);
int sl_cmd_images(struct sl_cli *, int, char **);
int sl_cmd_doctor(struct sl_cli *, int, char **);
int sl_cmd_catalog(struct sl_cli *, int, char **);
int sl_cmd_observe(struct sl_cli *, int, char **);
int sl_cmd_run(struct sl_cli *, int, char **);
int sl_cmd_status(struct sl_cli *, int, char **);
int sl_cmd_down(struct sl_cli *, int, char **);
int sl_cmd_report(struct sl_cli *, int, char **);
int sl_cmd_flows(struct sl_cli *, int, char **);
int sl_cmd_compare(struct sl_cli *, int, char **);
int sl_cmd_graph(struct sl_cli *, int, char **);
int sl_cmd_link(struct sl_cli *, int, char **);
int sl_cmd_shell(struct sl_cli *, int, char **);
int sl_cmd_topo(struct sl_cli *, int, char **);
