// SPDX-License-Identifier: Apache-2.0
// sluice shell CONDITIONS -- COMMAND: a command behind a link.
#include "base/log.h"
#include "cli/cli.h"
#include "cli/link_options.h"
#include "link/control.h"
#include "link/shell.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say_counts(const char *direction, const struct sl_pipe_counts *c)
{
    uint64_t lost = 0;
    for (int i = 0; i < SL_DROPS; i++)
        lost += c->dropped[i];
    fprintf(stderr, "%-5s %10llu packets in, %10llu out, %8llu dropped", direction,
            (unsigned long long)c->in_packets, (unsigned long long)c->out_packets,
            (unsigned long long)lost);
    for (int i = 0; i < SL_DROPS; i++)
        if (c->dropped[i])
            fprintf(stderr, "%s %s %llu", i ? "," : ":", sl_drop_names[i],
                    (unsigned long long)c->dropped[i]);
    int64_t p99 = sl_late_quantile(c->late, 0.99);
    if (p99 >= 0)
        fprintf(stderr, "; late p50 %.0f us, p99 %.0f us",
                (double)sl_late_quantile(c->late, 0.5) / 1e3, (double)p99 / 1e3);
    fputc('\n', stderr);
}

// The command's own words are behind "--", or start at the first operand.
static int split(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--"))
            return i;
    return argc;
}

static bool check(const struct sl_conditions *c, const char *direction, uint64_t memory_bytes,
                  struct sl_error *err)
{
    if (!sl_conditions_check(c, err))
        return false;
    double need = sl_conditions_memory_bytes(c);
    if ((c->given >> SL_COND_RATE & 1) && need > (double)memory_bytes) {
        sl_fail(err, SL_EUSAGE,
                "%s: delay times rate and the queue are %.0f MiB, more than the limit of %.0f MiB",
                direction, need / 0x1p20, (double)memory_bytes / 0x1p20);
        sl_hint(err, "raise --memory, or shorten the delay or the queue");
        return false;
    }
    return true;
}

int sl_cmd_shell(struct sl_cli *cli, int argc, char **argv)
{
    static struct sl_link_options o;
    struct sl_opt opts[SL_LINK_OPTIONS + 7];
    struct sl_shell_options shell = {.memory_bytes = 1ull << 30};
    const char *result = NULL;
    bool summary = false, no_offload = false;
    sl_link_options(&o, opts);
    const struct sl_opt own[] = {
        {"outside", 0, SL_OPT_TEXT, "COMMAND",
         "run by sh at the far end, as long as the command runs", &shell.outside},
        {"memory", 0, SL_OPT_BYTES, "BYTES", "for packets under way (default 1G)",
         &shell.memory_bytes},
        {"realtime", 0, SL_OPT_FLAG, NULL, "real-time priority for the emulator", &shell.realtime},
        {"no-offload", 0, SL_OPT_FLAG, NULL,
         "every packet by itself, also where nothing acts on it", &no_offload},
        {"no-nat", 0, SL_OPT_FLAG, NULL, "no address translation outside", &shell.no_nat},
        {"summary", 0, SL_OPT_FLAG, NULL, "at the end, what the link did (to stderr)", &summary},
        {"output", 'o', SL_OPT_TEXT, "FILE", "at the end, what the link did, as JSON", &result},
    };
    memcpy(opts + SL_LINK_OPTIONS, own, sizeof own);
    int at = split(argc, argv), n;
    int status = sl_cli_parse(cli, opts, sizeof opts / sizeof *opts, at, argv, 0, -1, &n);
    if (status >= 0)
        return status;
    char shell_name[] = "/bin/sh", *user_shell = getenv("SHELL");
    char *fallback[] = {user_shell && user_shell[0] ? user_shell : shell_name, NULL};
    if (n)
        return sl_cli_usage(cli, "write -- before the command: sluice shell ... -- %s", argv[0]);
    shell.command = at + 1 < argc ? argv + at + 1 : fallback;
    shell.seed = cli->seed;
    shell.whole_off = no_offload;
    struct sl_error err = {0};
    struct sl_arena arena = {0};
    struct sl_shell_result r;
    bool ok = sl_link_options_read(&o, &arena, &shell.up, &shell.down, &err) &&
              check(&shell.up, "up", shell.memory_bytes, &err) &&
              check(&shell.down, "down", shell.memory_bytes, &err);
    sl_conditions_draw(&shell.up, cli->seed, "up");
    sl_conditions_draw(&shell.down, cli->seed, "down");
    ok = ok && sl_shell_run(&shell, &r, &err);
    if (!ok) {
        sl_arena_done(&arena);
        return sl_cli_fail(cli, &err);
    }
    if (r.realtime[0])
        sl_warn("%s", r.realtime);
    if (summary) {
        say_counts("up", &r.up);
        say_counts("down", &r.down);
    }
    if (result || cli->json) {
        json_t *j =
            json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:I, s:I}", "schema", "sluice.shell/1",
                      "status", r.status, "up", sl_pipe_counts_json(&r.up), "down",
                      sl_pipe_counts_json(&r.down), "up_conditions", sl_conditions_json(&shell.up),
                      "down_conditions", sl_conditions_json(&shell.down), "emulator_cpu_ns",
                      (json_int_t)r.cpu_ns, "unexplained", (json_int_t)r.unexplained);
        if (result && !sl_json_save(result, j, &err))
            status = sl_cli_fail(cli, &err);
        if (cli->json)
            sl_cli_json(j);
        json_decref(j);
    }
    sl_arena_done(&arena);
    return status > 0 ? status : r.status;
}
