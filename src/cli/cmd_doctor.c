// SPDX-License-Identifier: Apache-2.0
/*
 * sluice doctor: what this machine can do, and how to mend what it cannot.
 *
 * Each check is ok, warn or fail, with a remedy. A "fail" is something without which nothing can be
 * run; then the status is 5. What works without an engine is said in one sentence.
 */
#include "base/auto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/probe.h"
#include "engine/engine.h"
#include "engine/images.h"
#include "export/ipfix.h"
#include "measure/dpi.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

enum state { OK, WARN, FAIL };
static const char *const state_names[] = {"ok", "warn", "fail"};

struct doctor {
    json_t *checks;
    bool failed, no_engine;
};

static void add(struct doctor *d, const char *name, enum state s, const char *remedy,
                const char *fmt, ...) SL_PRINTF(5, 6);
static void add(struct doctor *d, const char *name, enum state s, const char *remedy,
                const char *fmt, ...)
{
    char detail[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    d->failed |= s == FAIL;
    json_array_append_new(d->checks,
                          json_pack("{s:s, s:s, s:s, s:s}", "name", name, "status", state_names[s],
                                    "detail", detail, "remedy", s == OK ? "" : remedy));
}

static void check_rights(struct doctor *d)
{
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    unsigned long long caps = 0;
    if (sl_read_file("/proc/self/status", 65536, &text, &len, NULL)) {
        const char *line = strstr(text, "CapEff:");
        if (line && sscanf(line, "CapEff: %llx", &caps) != 1)
            caps = 0;
    }
    enum { CAP_NET_ADMIN_BIT = 12, CAP_NET_RAW_BIT = 13, CAP_SYS_ADMIN_BIT = 21 };
    bool all = caps >> CAP_NET_ADMIN_BIT & caps >> CAP_NET_RAW_BIT & caps >> CAP_SYS_ADMIN_BIT & 1;
    add(d, "rights", all ? OK : FAIL, "run Sluice as root: sudo sluice ...",
        all ? "network and namespace administration"
            : "CAP_NET_ADMIN, CAP_NET_RAW or CAP_SYS_ADMIN is missing");
}

static void check_kernel(struct doctor *d)
{
    struct utsname u;
    int major = 0, minor = 0;
    if (uname(&u) == 0 && sscanf(u.release, "%d.%d", &major, &minor) == 2) {
        bool old = major < 5 || (major == 5 && minor < 4);
        add(d, "kernel", old ? WARN : OK, "5.4 or newer is tested", "%s %s", u.release, u.machine);
    }
    static const struct {
        enum sl_probe_what what;
        const char *name;
        bool needed;
        const char *without, *remedy;
    } probes[] = {
        {SL_PROBE_NETNS, "namespaces", true, "no network namespace can be made",
         "run as root on a kernel with CONFIG_NET_NS"},
        {SL_PROBE_VETH, "veth", true, "no virtual cable can be made",
         "modprobe veth (CONFIG_VETH)"},
        {SL_PROBE_BRIDGE, "bridge", true, "no bridge can be made",
         "modprobe bridge (CONFIG_BRIDGE)"},
        {SL_PROBE_PACKET, "packet sockets", true, "nothing can be captured",
         "modprobe af_packet (CONFIG_PACKET), and CAP_NET_RAW"},
        {SL_PROBE_HTB, "htb", true, "rates cannot be shaped",
         "modprobe sch_htb (CONFIG_NET_SCH_HTB)"},
        {SL_PROBE_NFT_BRIDGE, "nft bridge", true, "containers cannot be kept apart",
         "apt install nftables; the kernel needs CONFIG_NF_TABLES_BRIDGE"},
        {SL_PROBE_NETEM, "netem", false,
         "link conditions (delay, loss) are not there yet in this version; runs do not need it",
         "modprobe sch_netem (CONFIG_NET_SCH_NETEM), if the kernel has it"},
        {SL_PROBE_IFB, "ifb", false, "incoming traffic is shaped at the sender's end instead",
         "modprobe ifb (CONFIG_IFB), if the kernel has it"},
    };
    struct sl_probe_result r[SL_PROBE_COUNT];
    sl_probe_kernel(r);
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        const struct sl_probe_result *p = &r[probes[i].what];
        enum state bad = probes[i].needed ? FAIL : WARN;
        if (!p->done)
            add(d, probes[i].name, bad, "mend the checks above first", "could not be tried");
        else if (p->why)
            add(d, probes[i].name, bad, probes[i].remedy, "%s: %s", probes[i].without,
                p->why == ENOENT || p->why == EOPNOTSUPP ? "this kernel does not have it"
                                                         : strerror(p->why));
        else
            add(d, probes[i].name, OK, "", "works");
    }
}

static void check_programs(struct doctor *d)
{
    static const struct {
        const char *program, *why;
        enum state without;
    } programs[] = {{"docker", "images are built with it", WARN},
                    {"nft", "containers and builds are kept apart with it", FAIL},
                    {"debootstrap", "the kit's base image is made with it", WARN}};
    static const char *const packages[] = {"docker.io", "nftables", "debootstrap"};
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        bool have = sl_proc_have(programs[i].program);
        SL_AUTO(sl_free_str) char *remedy = sl_format("apt install %s", packages[i]);
        SL_AUTO(sl_free_str) char *name = sl_format("%s program", programs[i].program);
        add(d, name, have ? OK : programs[i].without, remedy,
            have ? "installed" : "not installed; %s", programs[i].why);
    }
}

static void check_compose(struct doctor *d)
{
    struct sl_compose_tool t;
    struct sl_error err = {0};
    if (sl_compose_tool_find(&t, &err))
        add(d, "compose tool", OK, "", "%s%s%s %s", t.argv0[0], t.argv0[1] ? " " : "",
            t.argv0[1] ? t.argv0[1] : "", t.version);
    else
        add(d, "compose tool", FAIL, err.hint, "%s", err.msg);
}

// CVE-2024-29018: names from internal networks leave the machine. Mended in 23.0.11, 25.0.5
// and 26.0.
static bool forwards_internal_names(const char *version)
{
    int major = 0, minor = 0, patch = 0;
    if (sscanf(version, "%d.%d.%d", &major, &minor, &patch) < 2)
        return false;
    if (major == 23)
        return minor == 0 && patch < 11;
    if (major == 25)
        return minor == 0 && patch < 5;
    return major < 26;
}

static struct sl_engine *check_engine(struct doctor *d)
{
    struct sl_error err = {0};
    struct sl_engine *e = sl_engine_open(NULL, &err);
    SL_AUTO(sl_json_decref) json_t *v = e ? sl_engine_version(e, &err) : NULL;
    if (!v) {
        add(d, "engine", FAIL, err.hint[0] ? err.hint : "start it: systemctl start docker", "%s",
            err.msg);
        sl_engine_close(e);
        d->no_engine = true;
        return NULL;
    }
    const char *version = sl_json_str(v, "Version", "?");
    if (forwards_internal_names(version))
        add(d, "engine", WARN,
            "Sluice gives containers a resolver of its own, so runs are safe; for other uses take "
            "26.0 or newer",
            "Docker Engine %s, API %s; it forwards names from internal networks (CVE-2024-29018)",
            version, sl_json_str(v, "ApiVersion", "?"));
    else
        add(d, "engine", OK, "", "Docker Engine %s, API %s", version,
            sl_json_str(v, "ApiVersion", "?"));
    return e;
}

static void check_room(struct doctor *d, const char *root)
{
    char have[32];
    uint64_t disk = sl_disk_free_bytes(root);
    sl_format_bytes((double)disk, have, sizeof have);
    enum state s = !disk || disk >= 20ull << 30 ? OK : disk >= 2ull << 30 ? WARN : FAIL;
    add(d, "disk", s, "free some space: the kit takes 4 GB, 20 GB are comfortable", "%s free at %s",
        have, root);
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    unsigned long long kib = 0;
    if (sl_read_file("/proc/meminfo", 65536, &text, &len, NULL)) {
        const char *line = strstr(text, "MemAvailable:");
        if (line && sscanf(line, "MemAvailable: %llu", &kib) == 1) {
            s = kib >= 4ull << 20 ? OK : kib >= 1ull << 20 ? WARN : FAIL;
            sl_format_bytes((double)kib * 1024, have, sizeof have);
            add(d, "memory", s, "4 GB are needed for small runs, about 100 MB for each container",
                "%s available", have);
        }
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        add(d, "open files", files.rlim_max >= 4096 ? OK : WARN, "raise it: ulimit -n 65536",
            "%llu, at most %llu", (unsigned long long)files.rlim_cur,
            (unsigned long long)files.rlim_max);
}

static void check_images(struct doctor *d, struct sl_engine *e)
{
    struct sl_error err = {0};
    struct sl_images *k = sl_images_load(e, &err);
    if (!k) {
        add(d, "kit", FAIL, "mend the table", "%s:%d: %s", err.file, err.line, err.msg);
        return;
    }
    char why[400] = "", ref[128];
    bool registry = sl_images_registry(k, why, sizeof why);
    SL_AUTO(sl_json_decref) json_t *table = sl_images_table(k);
    size_t there = 0, i;
    json_t *item;
    json_array_foreach(table, i, item) there += sl_json_bool(item, "present", false);
    bool kit = json_array_size(table) > 0;
    add(d, "registry",
        registry ? OK
        : kit    ? WARN
                 : FAIL,
        kit ? "images come from the kit instead (Debian packages)"
            : "let the engine reach docker.io, or install the kit",
        "%s", registry ? "docker.io answers" : why);
    add(d, "kit",
        !kit                ? WARN
        : registry || there ? OK
                            : WARN,
        kit ? "sluice images build --set quick" : "reinstall Sluice with its kit folder",
        "%zu of %zu images are built", there, json_array_size(table));
    if (sl_images_holder(k, ref, &err))
        add(d, "holder", OK, "", "%s", ref);
    else
        add(d, "holder", FAIL, err.hint[0] ? err.hint : "look at the engine's log", "%s", err.msg);
    sl_images_free(k);
}

static void check_leftovers(struct doctor *d, struct sl_engine *e)
{
    struct sl_container_list l;
    struct sl_error err = {0};
    if (!sl_engine_containers(e, SL_LABEL_RUN, NULL, &l, &err)) {
        add(d, "runs", WARN, "look at the engine's log", "%s", err.msg);
        return;
    }
    const char *run[64];
    size_t runs = 0;
    struct sl_str names = {.max = 200};
    for (size_t i = 0; i < l.len; i++) {
        size_t k = 0;
        while (k < runs && strcmp(run[k], l.at[i].run))
            k++;
        if (k < runs || runs == 64)
            continue;
        run[runs++] = l.at[i].run;
        sl_str_addf(&names, "%s%s", runs > 1 ? ", " : "", l.at[i].run);
    }
    if (l.len)
        add(d, "runs", WARN, "if none of them should be running: sluice down --all",
            "%zu containers of %s", l.len, sl_str_text(&names));
    else
        add(d, "runs", OK, "", "nothing is left of earlier runs");
    sl_str_done(&names);
    sl_container_list_done(&l);
}

// What 'sluice flows' can do without a library that this build may lack.
static void check_optional(struct doctor *d)
{
    if (sl_dpi_available())
        add(d, "nDPI", OK, "", "%s: flows --dpi labels by payload", sl_dpi_version());
    else
        add(d, "nDPI", WARN, "runs do not need it; apt install libndpi-dev and build again",
            "this build is without it: flows --dpi does not work");
    if (sl_ipfix_available())
        add(d, "IPFIX", OK, "", "flows can be written as IPFIX");
    else
        add(d, "IPFIX", WARN, "runs do not need it; apt install libfixbuf-dev and build again",
            "this build is without libfixbuf: flows are not written as IPFIX");
}

static void check_all(struct doctor *d)
{
    check_rights(d);
    check_kernel(d);
    check_programs(d);
    check_optional(d);
    struct sl_engine *e = check_engine(d);
    check_compose(d);
    SL_AUTO(sl_json_decref) json_t *info = e ? sl_engine_info(e, NULL) : NULL;
    const char *group = sl_json_str(info, "CgroupVersion", NULL);
    if (e)
        add(d, "control groups", group ? OK : WARN, "limits may not work", "version %s, driver %s",
            group ? group : "?", sl_json_str(info, "CgroupDriver", "?"));
    check_room(d, sl_json_str(info, "DockerRootDir", "/var/lib"));
    if (e) {
        check_images(d, e);
        check_leftovers(d, e);
    }
    sl_engine_close(e);
}

static const char *state_colour(const char *status)
{
    return !strcmp(status, "ok") ? "\033[32m" : !strcmp(status, "warn") ? "\033[33m" : "\033[31m";
}

static void print_table(const struct sl_cli *cli, const struct doctor *d)
{
    size_t i;
    json_t *c;
    json_array_foreach(d->checks, i, c)
    {
        const char *status = sl_json_str(c, "status", ""), *remedy = sl_json_str(c, "remedy", "");
        printf("%-20s %s%-4s%s  %s\n", sl_json_str(c, "name", ""),
               cli->colour ? state_colour(status) : "", status, cli->colour ? "\033[0m" : "",
               sl_json_str(c, "detail", ""));
        if (remedy[0])
            printf("%-20s       -> %s\n", "", remedy);
    }
    if (d->no_engine)
        puts("\nWithout an engine, check, fmt, plan (with a catalogue), repair and discover work.");
    puts(d->failed ? "\nNot ready for runs: mend what is marked 'fail'." : "\nReady for runs.");
}

int sl_cmd_doctor(struct sl_cli *cli, int argc, char **argv)
{
    int n;
    int status = sl_cli_parse(cli, NULL, 0, argc, argv, 0, 0, &n);
    if (status >= 0)
        return status;
    struct doctor d = {.checks = json_array()};
    check_all(&d);
    sl_progress_end();
    if (cli->json) {
        json_t *j = json_pack("{s:s, s:b, s:O}", "schema", "sluice.doctor/1", "ready", !d.failed,
                              "checks", d.checks);
        sl_cli_json(j);
        json_decref(j);
    } else {
        print_table(cli, &d);
    }
    json_decref(d.checks);
    if (sl_interrupted())
        return SL_EINTR;
    return d.failed ? SL_EENV : SL_OK;
}
