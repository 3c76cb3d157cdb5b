// SPDX-License-Identifier: Apache-2.0
/*
 * The engine's part against a real engine: a project of two holders and one service on an internal
 * network, brought up by the compose tool, looked at, and swept away. Everything has the label
 * sluice.run=test-PID, and is removed however the test ends.
 */
#include "base/auto.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/engine.h"
#include "engine/images.h"
#include <stdio.h>
#include <string.h>

static struct sl_engine *engine;
static char run[64];
static char folder[64] = "/tmp/sluice-test.XXXXXX";

static void clean_up(void)
{
    struct sl_error err = {0};
    if (engine && !sl_engine_sweep(engine, SL_LABEL_RUN, run, NULL, NULL, &err))
        fprintf(stderr, "clean-up: %s\n", err.msg);
    sl_engine_close(engine);
    if (!sl_remove_tree(folder, &err))
        fprintf(stderr, "clean-up: %s\n", err.msg);
}

static void need(bool ok, const char *what, const struct sl_error *err)
{
    if (ok)
        return;
    fprintf(stderr, "FAILED %s: %s\n", what, err ? err->msg : "");
    exit(1);
}

static void skip(const char *why)
{
    fprintf(stderr, "skipped: %s\n", why);
    exit(77);
}

// Needs no image but the holder's, so that it runs without a registry and without the kit: the
// third container is a holder too, asked through its own namespace.
static void write_project(const char *path, const char *holder)
{
    struct sl_str s = {0};
    struct sl_error err = {0};
    sl_str_add(&s, "services:\n");
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "db" : "web";
        sl_str_addf(&s,
                    "  sl-net-%s:\n    image: %s\n    dns: 127.0.0.53\n    read_only: true\n    "
                    "cap_drop: [ALL]\n"
                    "    cap_add: [NET_BIND_SERVICE]\n    mem_limit: 16m\n    pids_limit: 16\n"
                    "    labels: {sluice.run: %s, sluice.role: holder, sluice.service: %s}\n"
                    "    networks: {default: {aliases: [%s]}}\n",
                    name, holder, run, name, name);
    }
    sl_str_addf(&s,
                "  web:\n    image: %s\n    network_mode: 'service:sl-net-web'\n    command: "
                "[sluice-pause, --no-dns]\n"
                "    labels: {sluice.run: %s, sluice.role: service, sluice.service: web}\n    "
                "volumes: ['data:/data']\n"
                "networks:\n  default: {internal: true, name: %s, labels: {sluice.run: %s}}\n"
                "volumes:\n  data: {labels: {sluice.run: %s}}\n",
                holder, run, run, run, run);
    need(sl_write_file(path, sl_str_text(&s), s.len, &err), "writing the project", &err);
    sl_str_done(&s);
}

// Looks a name up inside a container's network namespace, through what its resolv.conf names.
static double look_up_ms(pid_t pid, const char *name, bool *found)
{
    SL_AUTO(sl_free_str) char *target = sl_format("%ld", (long)pid);
    SL_AUTO(sl_free_str)
    char *script = sl_format(
        "mount --bind %s/resolv.conf /etc/resolv.conf && exec getent ahostsv4 %s", folder, name);
    const char *argv[] = {"nsenter", "-t", target, "-n", "unshare", "-m", "sh", "-c", script, NULL};
    int code = -1;
    struct sl_error err = {0};
    struct sl_proc_options opt = {.exit_code = &code, .deadline_ns = 30000000000};
    int64_t start = sl_mono_ns();
    need(sl_proc_run(argv, &opt, &err), "looking up a name", &err);
    *found = code == 0;
    return (double)(sl_mono_ns() - start) / 1e6;
}

static void check_names(const struct sl_container *holder)
{
    struct sl_error err = {0};
    SL_AUTO(sl_free_str) char *path = sl_path_join(folder, "resolv.conf");
    static const char conf[] = "nameserver 127.0.0.11\noptions ndots:0\n";
    need(sl_write_file(path, conf, sizeof conf - 1, &err), "writing resolv.conf", &err);
    if (geteuid() || !sl_proc_have("nsenter"))
        return;
    bool found;
    double ms = look_up_ms(holder->pid, "db", &found);
    printf("alias of another service: %.1f ms, with the start of its processes\n", ms);
    need(found, "the alias of another service is known", NULL);
    ms = look_up_ms(holder->pid, "www.example.com", &found);
    printf("unknown name: %.1f ms, with the start of its processes\n", ms);
    need(!found && ms < 1000, "an unknown name fails at once", NULL);
    SL_AUTO(sl_free_str) char *log = sl_engine_logs(engine, holder->id, 4096, &err);
    need(log && strstr(log, "dns www.example.com A\n"), "the asked name is in the holder's log",
         &err);
}

static void check_project(void)
{
    struct sl_error err = {0};
    struct sl_container_list l;
    need(sl_engine_containers(engine, SL_LABEL_RUN, run, &l, &err), "listing", &err);
    need(l.len == 3, "there are three containers", NULL);
    const struct sl_container *holder = NULL;
    for (size_t i = 0; i < l.len; i++) {
        need(!strcmp(l.at[i].state, "running") && l.at[i].pid > 0, "each runs", NULL);
        if (!strcmp(l.at[i].role, "holder") && !strcmp(l.at[i].service, "web"))
            holder = &l.at[i];
    }
    need(holder && holder->n_nets == 1 && holder->nets[0].ipv4 && holder->nets[0].prefix_len > 0,
         "the holder has an address", NULL);
    need(geteuid() || !strcmp(holder->nets[0].ifname, "eth0"), "its interface is found", NULL);
    struct sl_container_usage u;
    need(sl_engine_usage(engine, holder->id, &u, &err), "usage", &err);
    printf("a holder: %.0f kB of memory, %.3f CPU seconds\n", (double)u.mem_bytes / 1e3, u.cpu_s);
    need(u.mem_bytes < 4000000, "a holder is small", NULL);
    check_names(holder);
    sl_container_list_done(&l);
}

int main(void)
{
    struct sl_error err = {0};
    struct sl_compose_tool tool;
    snprintf(run, sizeof run, "test-%ld", (long)getpid());
    engine = sl_engine_open(NULL, &err);
    if (!engine)
        skip(err.msg);
    if (!sl_compose_tool_find(&tool, &err))
        skip(err.msg);
    need(mkdtemp(folder) != NULL, "a folder", NULL);
    atexit(clean_up);
    char holder[128];
    struct sl_images *k = sl_images_load(engine, &err);
    need(k && sl_images_holder(k, holder, &err), "the holder image", &err);
    sl_images_free(k);
    SL_AUTO(sl_free_str) char *file = sl_path_join(folder, "compose.yml");
    write_project(file, holder);
    struct sl_compose_call call = {.project = run, .file = file, .deadline_ns = 120000000000};
    const char *holders[] = {"sl-net-web", "sl-net-db"}, *service[] = {"web"},
               *nobody[] = {"nobody"};
    need(sl_compose_up(&tool, &call, holders, 2, &err), "starting the holders", &err);
    need(sl_compose_up(&tool, &call, service, 1, &err), "starting the service", &err);
    need(!sl_compose_up(&tool, &call, nobody, 1, &err) && strstr(err.msg, "nobody"),
         "an error names what is wrong", &err);
    check_project();
    int containers, networks;
    need(sl_engine_sweep(engine, SL_LABEL_RUN, run, &containers, &networks, &err), "sweeping",
         &err);
    need(containers == 3 && networks == 1, "all are swept", NULL);
    need(sl_engine_sweep(engine, SL_LABEL_RUN, run, &containers, &networks, &err), "sweeping twice",
         &err);
    need(containers == 0 && networks == 0, "nothing was left", NULL);
    return 0;
}
