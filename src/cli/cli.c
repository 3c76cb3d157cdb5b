// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *global_progress; // destination of --progress before it is checked

// Understood by every command.
#define GLOBAL_OPTIONS(c)                                                                          \
    {                                                                                              \
        {"json", 0, SL_OPT_FLAG, NULL, "print one JSON object (also on errors)", &(c)->json},      \
            {"quiet", 'q', SL_OPT_FLAG, NULL, "errors only", &(c)->quiet},                         \
            {"verbose", 'v', SL_OPT_FLAG, NULL, "say more", &(c)->verbose},                        \
            {"progress", 0, SL_OPT_TEXT, "MODE", "auto, plain, json or none", &global_progress},   \
            {"no-color", 0, SL_OPT_FLAG, NULL, "no colours", &no_colour},                          \
            {"seed", 0, SL_OPT_U64, "N", "seed of every random choice (default 1)", &(c)->seed},   \
            {"help", 'h', SL_OPT_FLAG, NULL, "show this help", &help},                             \
    }
enum { N_GLOBAL = 7 };

static bool take_value(const struct sl_opt *o, const char *value, struct sl_error *err)
{
    switch (o->type) {
    case SL_OPT_FLAG:
        *(bool *)o->dest = true;
        return true;
    case SL_OPT_TEXT:
        *(const char **)o->dest = value;
        return true;
    case SL_OPT_U64:
        return sl_parse_u64(value, 0, UINT64_MAX, o->dest, err);
    case SL_OPT_DURATION_NS:
        return sl_parse_duration_ns(value, o->dest, err);
    case SL_OPT_RATE_BPS:
        return sl_parse_rate_bps(value, o->dest, err);
    case SL_OPT_PERCENT:
        return sl_parse_percent(value, o->dest, err);
    case SL_OPT_BYTES:
        return sl_parse_bytes(value, o->dest, err);
    case SL_OPT_DOUBLE:
        return sl_parse_double(value, 0, 1e15, o->dest, err);
    case SL_OPT_LIST: {
        const char **list = o->dest;
        for (int i = 0; i < 15; i++) {
            if (!list[i]) {
                list[i] = value;
                return true;
            }
        }
        return sl_fail(err, SL_EUSAGE, "it may be given at most 15 times");
    }
    }
    return false;
}

static void print_options(const struct sl_opt *opts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char left[64];
        if (!opts[i].help) // one of many alike: the command's text tells of them
            continue;
        snprintf(left, sizeof left, "%s%c%s --%s%s%s", opts[i].letter ? "-" : " ",
                 opts[i].letter ? opts[i].letter : ' ', opts[i].letter ? "," : " ", opts[i].name,
                 opts[i].arg ? " " : "", opts[i].arg ? opts[i].arg : "");
        printf("  %-28s %s\n", left, opts[i].help);
    }
}

static const struct sl_command *find_command(const char *name)
{
    for (const struct sl_command *c = sl_commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static void print_help(const char *name, const struct sl_opt *opts, size_t n,
                       const struct sl_opt *global)
{
    const struct sl_command *c = find_command(name);
    printf("usage: sluice %s %s\n\n%s\n", name, c ? c->args : "", c ? c->summary : "");
    if (n) {
        puts("\noptions:");
        print_options(opts, n);
    }
    puts("\nglobal options:");
    print_options(global, N_GLOBAL);
}

static const struct sl_opt *find_option(const struct sl_opt *opts, size_t n, const char *name,
                                        size_t len, char letter)
{
    for (size_t i = 0; i < n; i++) {
        if (letter ? opts[i].letter == letter
                   : strlen(opts[i].name) == len && !memcmp(opts[i].name, name, len))
            return &opts[i];
    }
    return NULL;
}

static bool from_environment(const struct sl_opt *opts, size_t n, struct sl_error *err)
{
    for (size_t i = 0; i < n; i++) {
        char name[64] = "SLUICE_";
        size_t w = strlen(name);
        for (const char *p = opts[i].name; *p && w + 1 < sizeof name; p++)
            name[w++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
        name[w] = '\0';
        const char *value = getenv(name);
        if (!value || !value[0] || !strcmp(opts[i].name, "help"))
            continue;
        if (opts[i].type == SL_OPT_FLAG && (!strcmp(value, "0") || !strcmp(value, "false")))
            continue;
        if (!take_value(&opts[i], value, err))
            return sl_within(err, "environment variable %s", name);
    }
    return true;
}

static void say_unknown(struct sl_error *err, const char *arg, const struct sl_opt *opts, size_t n,
                        const struct sl_opt *global)
{
    const char *names[160];
    size_t k = 0;
    for (size_t i = 0; i < n && k < 144; i++)
        names[k++] = opts[i].name;
    for (size_t i = 0; i < N_GLOBAL; i++)
        names[k++] = global[i].name;
    sl_fail(err, SL_EUSAGE, "unknown option '%s'", arg);
    const char *near = sl_nearest(arg + strspn(arg, "-"), names, k);
    if (near)
        sl_hint(err, "did you mean --%s?", near);
}

int sl_cli_parse(struct sl_cli *cli, const struct sl_opt *opts, size_t n_opts, int argc,
                 char **argv, int min_operands, int max_operands, int *n_operands)
{
    bool help = false, no_colour = false;
    struct sl_opt global[N_GLOBAL] = GLOBAL_OPTIONS(cli);
    struct sl_error err = {0};
    cli->command = argv[0];
    cli->seed = cli->seed_given ? cli->seed : 1;
    bool ok = from_environment(global, N_GLOBAL, &err) && from_environment(opts, n_opts, &err);
    int operands = 0;
    bool only_operands = false;
    for (int i = 1; ok && i < argc; i++) {
        char *arg = argv[i];
        if (only_operands || arg[0] != '-' || !arg[1]) {
            argv[operands++] = arg;
            continue;
        }
        if (!strcmp(arg, "--")) {
            only_operands = true;
            continue;
        }
        bool is_long = arg[1] == '-';
        const char *name = arg + 2, *eq = is_long ? strchr(arg, '=') : NULL;
        size_t len = eq ? (size_t)(eq - name) : strlen(name);
        char letter = is_long ? 0 : arg[1];
        const struct sl_opt *o = NULL;
        o = find_option(opts, n_opts, name, len, letter);
        if (!o)
            o = find_option(global, N_GLOBAL, name, len, letter);
        bool joined = !is_long && arg[2]; // "-j2"
        if (joined && o && o->type == SL_OPT_FLAG)
            o = NULL;
        if (!o) {
            say_unknown(&err, arg, opts, n_opts, global);
            ok = false;
            break;
        }
        const char *value = eq ? eq + 1 : joined ? arg + 2 : NULL;
        if (o->type == SL_OPT_FLAG && value) {
            ok = sl_fail(&err, SL_EUSAGE, "option --%s takes no value", o->name);
        } else if (o->type != SL_OPT_FLAG && !value) {
            if (i + 1 >= argc)
                ok = sl_fail(&err, SL_EUSAGE, "option --%s needs a value (%s)", o->name, o->arg);
            else
                value = argv[++i];
        }
        if (ok && !take_value(o, value, &err))
            ok = sl_within(&err, "option --%s", o->name);
        if (ok && o == &global[5])
            cli->seed_given = true;
    }
    enum sl_progress_mode mode = SL_PROGRESS_AUTO;
    const char *dumb = getenv("TERM");
    if (dumb && !strcmp(dumb, "dumb"))
        mode = SL_PROGRESS_PLAIN;
    if (ok && global_progress) {
        if (!strcmp(global_progress, "auto"))
            mode = SL_PROGRESS_AUTO;
        else if (!strcmp(global_progress, "plain"))
            mode = SL_PROGRESS_PLAIN;
        else if (!strcmp(global_progress, "json"))
            mode = SL_PROGRESS_JSON;
        else if (!strcmp(global_progress, "none"))
            mode = SL_PROGRESS_NONE;
        else
            ok = sl_fail(&err, SL_EUSAGE, "--progress is auto, plain, json or none, not '%s'",
                         global_progress);
    }
    cli->colour = !no_colour && !getenv("NO_COLOR") && !(dumb && !strcmp(dumb, "dumb")) &&
                  isatty(STDOUT_FILENO);
    sl_log_setup(cli->quiet     ? SL_LOG_ERROR
                 : cli->verbose ? SL_LOG_DEBUG
                                : SL_LOG_INFO,
                 mode, cli->colour);
    if (help) {
        print_help(cli->command, opts, n_opts, global);
        return SL_OK;
    }
    if (ok && operands < min_operands)
        ok = sl_fail(&err, SL_EUSAGE, "sluice %s needs %s", cli->command,
                     find_command(cli->command) ? find_command(cli->command)->args : "an operand");
    if (ok && max_operands >= 0 && operands > max_operands)
        ok = sl_fail(&err, SL_EUSAGE, "sluice %s does not take '%s'", cli->command,
                     argv[max_operands]);
    if (!ok) {
        if (!err.hint[0])
            sl_hint(&err, "see 'sluice %s --help'", cli->command);
        return sl_cli_fail(cli, &err);
    }
    *n_operands = operands;
    return -1;
}

int sl_cli_fail(const struct sl_cli *cli, const struct sl_error *err)
{
    sl_progress_end();
    if (cli->json) {
        json_t *j = sl_json_error(err);
        sl_cli_json(j);
        json_decref(j);
        return (int)err->code;
    }
    if (err->file[0] && err->line)
        fprintf(stderr, "%s:%d:%d: error: %s\n", err->file, err->line, err->col ? err->col : 1,
                err->msg);
    else
        fprintf(stderr, "sluice: error: %s\n", err->msg);
    if (err->hint[0])
        fprintf(stderr, "hint: %s\n", err->hint);
    return (int)err->code;
}

int sl_cli_usage(const struct sl_cli *cli, const char *fmt, ...)
{
    struct sl_error err = {0};
    char msg[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    sl_fail(&err, SL_EUSAGE, "%s", msg);
    sl_hint(&err, "see 'sluice %s --help'", cli->command ? cli->command : "");
    return sl_cli_fail(cli, &err);
}

void sl_cli_json(const json_t *j)
{
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
    // Names of files may be no text at all; what is printed is JSON all the same.
    puts(text ? text
              : "{\"error\": {\"code\": \"failure\", \"message\": \"a name here is not UTF-8, and "
                "has no JSON "
                "form\", \"file\": null, \"line\": null, \"col\": null, \"hint\": null}}");
    free(text);
    fflush(stdout);
}

char *sl_cli_line(int argc, char **argv)
{
    struct sl_str s = {0};
    sl_str_add(&s, "sluice");
    for (int i = 0; i < argc; i++)
        sl_str_addf(&s, " %s", argv[i]);
    return sl_str_take(&s);
}
