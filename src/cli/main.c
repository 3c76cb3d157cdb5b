// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/zip.h"
#include "cli/cli.h"
#include "export/ipfix.h"
#include "measure/dpi.h"
#include "net/services.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int cmd_version(struct sl_cli *cli, int argc, char **argv);
static int cmd_help(struct sl_cli *cli, int argc, char **argv);

const struct sl_command sl_commands[] = {
    {"doctor", "", "What this machine can do, and how to mend what it cannot.", sl_cmd_doctor},
    {"discover", "PATH...", "Find projects: Compose files under folders.", sl_cmd_discover},
    {"repair", "PROJECT", "Show what would run, and why it differs.", sl_cmd_repair},
    {"images", "list|build|coverage", "Base images, from the registry or from Debian packages.",
     sl_cmd_images},
    {"observe", "PROJECT...", "Run projects in isolation, drive them, capture, store.",
     sl_cmd_observe},
    {"catalog", "stats|list|show|forget", "What the catalogue knows.", sl_cmd_catalog},
    {"check", "SPEC", "Check a spec and point at what is wrong.", sl_cmd_check},
    {"fmt", "SPEC", "Print a spec in its canonical form.", sl_cmd_fmt},
    {"hosts", "SPEC", "The hosts a spec would create.", sl_cmd_hosts},
    {"plan", "SPEC", "Choose projects for a spec.", sl_cmd_plan},
    {"run", "SPEC|PLAN", "Generate live traffic.", sl_cmd_run},
    {"status", "[NAME]", "Runs that are running: asked and achieved.", sl_cmd_status},
    {"down", "NAME|--all", "Stop a run and remove everything it made, by label.", sl_cmd_down},
    {"report", "RUN", "Make report.html of a run folder again.", sl_cmd_report},
    {"flows", "TRACE", "Packets into a table of flows, with every feature.", sl_cmd_flows},
    {"compare", "A B", "How far two traces or flow tables are apart.", sl_cmd_compare},
    {"graph", "TRACE", "Who talks to whom in a trace: picture, JSON, CSV, Mermaid.", sl_cmd_graph},
    {"link", "serve|set|show|reset|watch|stop",
     "Emulated links, and their conditions while they carry traffic.", sl_cmd_link},
    {"shell", "-- COMMAND", "Run a command behind an emulated link.", sl_cmd_shell},
    {"topo", "check|show|svg TOPOLOGY [FROM TO]",
     "Topologies before they are emulated: checked, shown, drawn.", sl_cmd_topo},
    // Named in the design, and not there yet: main() says so.
    {"events", "", "", NULL},
    {"logs", "", "", NULL},
    {"exec", "", "", NULL},
    {"capture", "", "", NULL},
    {"ps", "", "", NULL},
    {"collect", "", "", NULL},
    {"learn", "", "", NULL},
    {"swing", "", "", NULL},
    {"synth", "", "", NULL},
    {"serve", "", "", NULL},
    {"version", "", "Version and what this build has.", cmd_version},
    {"help", "[COMMAND]", "This list, or a command's help.", cmd_help},
    {NULL, NULL, NULL, NULL},
};

// What depends on how it was built: libraries that may be missing, the tables built in.
static json_t *parts_of_this_build(void)
{
    struct sl_services *services = sl_services_builtin();
    json_t *has = json_object();
    json_object_set_new(has, "ndpi",
                        sl_dpi_available() ? json_string(sl_dpi_version()) : json_false());
    json_object_set_new(has, "ipfix", json_boolean(sl_ipfix_available()));
    json_object_set_new(has, "gzip", json_string(sl_zip_version(SL_ZIP_GZIP)));
    json_object_set_new(has, "zstd", json_string(sl_zip_version(SL_ZIP_ZSTD)));
    json_object_set_new(has, "services", json_string(sl_services_date(services)));
    sl_services_free(services);
    return has;
}

static int cmd_version(struct sl_cli *cli, int argc, char **argv)
{
    int n;
    int status = sl_cli_parse(cli, NULL, 0, argc, argv, 0, 0, &n);
    if (status >= 0)
        return status;
    json_t *has = parts_of_this_build();
    if (cli->json) {
        json_t *j = json_pack("{s:s, s:s, s:O}", "schema", "sluice.version/1", "version",
                              SLUICE_VERSION, "has", has);
        sl_cli_json(j);
        json_decref(j);
    } else {
        printf("sluice %s\n", SLUICE_VERSION);
        const char *name;
        json_t *what;
        json_object_foreach(has, name, what) printf("  %-10s %s\n", name,
                                                    json_is_string(what) ? json_string_value(what)
                                                    : json_is_true(what) ? "yes"
                                                                         : "no");
    }
    json_decref(has);
    return SL_OK;
}

static void print_commands(FILE *out)
{
    fputs("usage: sluice COMMAND [options]\n\ncommands:\n", out);
    for (const struct sl_command *c = sl_commands; c->name; c++)
        if (c->run)
            fprintf(out, "  %-10s %-24s %s\n", c->name, c->args, c->summary);
    fputs("\n'sluice COMMAND --help' shows a command's options.\n", out);
}

static const struct sl_command *command_named(const char *name)
{
    for (const struct sl_command *c = sl_commands; c->name; c++)
        if (!strcmp(c->name, name))
            return c;
    return NULL;
}

static int cmd_help(struct sl_cli *cli, int argc, char **argv)
{
    int n;
    int status = sl_cli_parse(cli, NULL, 0, argc, argv, 0, 1, &n);
    if (status >= 0)
        return status;
    const struct sl_command *c = n ? command_named(argv[0]) : NULL;
    if (c && c->run && c->run != cmd_help) {
        char help[] = "--help";
        char *args[] = {argv[0], help, NULL};
        return c->run(cli, 2, args);
    }
    print_commands(stdout);
    return SL_OK;
}

static void on_signal(int sig)
{
    (void)sig;
    sl_interrupt();
}

// Results that did not get out are a failure, whatever the command thought of it.
static int flushed(int status)
{
    errno = 0;
    bool lost = fflush(stdout) || ferror(stdout);
    if (!lost || status != SL_OK)
        return status;
    fprintf(stderr, "sluice: error: cannot write to standard output%s%s\n", errno ? ": " : "",
            errno ? strerror(errno) : "");
    return SL_ERUN;
}

int main(int argc, char **argv)
{
    struct sigaction act = {.sa_handler = on_signal};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGHUP, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // past the limit of 'ulimit -f' a write fails instead
    struct sl_cli cli = {.seed = 1};
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--json"))
            cli.json = true; // known before anything can fail
    int first = 1;
    while (first < argc && argv[first][0] == '-' && strcmp(argv[first], "--help") &&
           strcmp(argv[first], "-h") && strcmp(argv[first], "--version")) {
        // Global flags before the command are parsed with it; two of them take a value.
        bool valued = !strcmp(argv[first], "--seed") || !strcmp(argv[first], "--progress");
        first += valued && first + 1 < argc ? 2 : 1;
    }
    if (first >= argc) {
        print_commands(stderr);
        return SL_EUSAGE;
    }
    if (!strcmp(argv[first], "--help") || !strcmp(argv[first], "-h")) {
        print_commands(stdout);
        return flushed(SL_OK);
    }
    char version[] = "version";
    if (!strcmp(argv[first], "--version"))
        argv[first] = version;
    const struct sl_command *c = command_named(argv[first]);
    struct sl_error err = {0};
    if (!c) {
        const char *names[64];
        size_t n = 0;
        for (const struct sl_command *k = sl_commands; k->name && n < 64; k++)
            if (k->run)
                names[n++] = k->name;
        const char *near = sl_nearest(argv[first], names, n);
        sl_fail(&err, SL_EUSAGE, "there is no command '%s'", argv[first]);
        if (near)
            sl_hint(&err, "did you mean '%s'?", near);
        else
            sl_hint(&err, "'sluice help' lists the commands");
        return sl_cli_fail(&cli, &err);
    }
    if (!c->run) {
        sl_fail(&err, SL_ERUN, "the command '%s' is not there yet in this version", c->name);
        return sl_cli_fail(&cli, &err);
    }
    // The command first, then flags that stood before it.
    char *name = argv[first];
    for (int i = first; i > 1; i--)
        argv[i] = argv[i - 1];
    argv[1] = name;
    return flushed(c->run(&cli, argc - 1, argv + 1));
}
