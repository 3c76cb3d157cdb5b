// SPDX-License-Identifier: Apache-2.0
/*
 * The compose tool as a process: `docker compose` (v2), else docker-compose (1.29).
 *
 * The operator's environment stays out: COMPOSE_* and DOCKER_* variables, and the ".env" of a
 * stranger's folder (which may name another engine), would change what runs. The tool gets PATH,
 * HOME, the engine's socket and an empty environment file.
 */
#include "base/auto.h"
#include "base/mem.h"
#include "base/proc.h"
#include "engine/engine.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { LAST_LINES = 6, ENV_MAX = 8, ARGS_MAX = 16 };
#define PROBE_NS INT64_C(20000000000)

struct tool_env {
    char *at[ENV_MAX];
};

static void tool_env_done(struct tool_env *env)
{
    for (int i = 0; i < ENV_MAX; i++)
        free(env->at[i]);
}

static struct tool_env tool_env(void)
{
    const char *path = getenv("PATH"), *home = getenv("HOME"), *host = getenv("DOCKER_HOST");
    struct tool_env env = {0};
    int n = 0;
    env.at[n++] =
        sl_format("PATH=%s", path ? path : "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    env.at[n++] = sl_format("HOME=%s", home ? home : "/");
    env.at[n++] = sl_format("DOCKER_HOST=%s", host && host[0] ? host : "unix://" SL_ENGINE_SOCKET);
    env.at[n++] = sl_strdup("COMPOSE_PARALLEL_LIMIT=8");
    env.at[n++] = sl_strdup("COMPOSE_HTTP_TIMEOUT=300"); // a busy engine is slow, not gone
    env.at[n++] = sl_strdup("COMPOSE_IGNORE_ORPHANS=1");
    return env;
}

// The first version number in a tool's words: "docker-compose version 1.29.2, build ..." ->
// "1.29.2".
static bool version_in(const char *text, char *to, size_t size)
{
    const char *p = strpbrk(text, "0123456789");
    size_t n = p ? strspn(p, "0123456789.") : 0;
    if (!n || n >= size)
        return false;
    memcpy(to, p, n);
    to[n] = '\0';
    return true;
}

static bool try_tool(struct sl_compose_tool *t, const char *a, const char *b)
{
    SL_AUTO(tool_env_done) struct tool_env env = tool_env();
    const char *argv[] = {a, b ? b : "version", b ? "version" : "--short", b ? "--short" : NULL,
                          NULL};
    struct sl_str out = {.max = 4096};
    int code = -1;
    struct sl_proc_options opt = {.env = (const char *const *)env.at,
                                  .deadline_ns = PROBE_NS,
                                  .out = &out,
                                  .exit_code = &code};
    struct sl_compose_tool found = {.argv0 = {a, b, NULL}};
    bool ok = sl_proc_run(argv, &opt, NULL) && code == 0 &&
              version_in(sl_str_text(&out), found.version, sizeof found.version);
    sl_str_done(&out);
    if (!ok)
        return false;
    found.major = atoi(found.version) >= 2 ? 2 : 1;
    *t = found;
    return true;
}

bool sl_compose_tool_find(struct sl_compose_tool *t, struct sl_error *err)
{
    if ((sl_proc_have("docker") && try_tool(t, "docker", "compose")) ||
        (sl_proc_have("docker-compose") && try_tool(t, "docker-compose", NULL)))
        return true;
    if (sl_interrupted())
        return sl_fail(err, SL_EINTR, "interrupted while looking for the compose tool");
    sl_fail(err, SL_EENV, "neither 'docker compose' nor 'docker-compose' works here");
    sl_hint(err,
            "install one of them: apt install docker-compose, or Docker's docker-compose-plugin");
    return false;
}

struct watch {
    const struct sl_compose_call *call;
    char *last[LAST_LINES]; // a ring of the lines that may say why it failed
    size_t n;
};

// Lines about what goes well are no help in an error.
static bool is_progress(const char *line)
{
    static const char *const tails[] = {" Created",   " Started", " Starting", " Creating",
                                        " Running",   " Waiting", " Healthy",  " Recreate",
                                        " Recreated", " done",    " ... ",     " Pulling",
                                        " Building",  " Built",   " Exited"};
    while (*line == ' ')
        line++;
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++)
        if (sl_ends_with(line, tails[i]))
            return true;
    return sl_starts_with(line, "Creating ") || sl_starts_with(line, "Starting ") ||
           sl_ends_with(line, "is up-to-date") || !line[0];
}

static void on_line(void *ctx, const char *line)
{
    struct watch *w = ctx;
    if (w->call->on_line)
        w->call->on_line(w->call->ctx, line);
    if (is_progress(line))
        return;
    char **slot = &w->last[w->n++ % LAST_LINES];
    free(*slot);
    *slot = sl_format("%.400s", line);
}

// The last lines, from the last one on that calls itself an error.
static void say_why(const struct watch *w, char *to, size_t size)
{
    size_t have = w->n < LAST_LINES ? w->n : LAST_LINES, from = 0;
    for (size_t i = 0; i < have; i++) {
        const char *l = w->last[(w->n - have + i) % LAST_LINES];
        if (sl_starts_with(l, "ERROR") || sl_starts_with(l, "Error") || sl_starts_with(l, "error"))
            from = i;
    }
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = from; i < have && used < size; i++) {
        const char *l = w->last[(w->n - have + i) % LAST_LINES];
        l += strspn(l, " \t");
        used += (size_t)snprintf(to + used, size - used, "%s%s", i > from ? " | " : "", l);
    }
}

bool sl_compose_up(const struct sl_compose_tool *t, const struct sl_compose_call *c,
                   const char *const *services, size_t n, struct sl_error *err)
{
    SL_AUTO(tool_env_done) struct tool_env env = tool_env();
    const char **argv = sl_alloc((ARGS_MAX + n) * sizeof *argv);
    size_t k = 0;
    for (size_t i = 0; t->argv0[i]; i++)
        argv[k++] = t->argv0[i];
    // An empty file that needs no clean-up; 1.29 wants a regular one, so /dev/null will not do.
    SL_AUTO(sl_close_fd) int empty = memfd_create("empty.env", MFD_CLOEXEC);
    char env_file[64];
    snprintf(env_file, sizeof env_file, "/proc/%ld/fd/%d", (long)getpid(), empty);
    argv[k++] = "--ansi", argv[k++] = "never", argv[k++] = "--env-file", argv[k++] = env_file;
    argv[k++] = "-p", argv[k++] = c->project, argv[k++] = "-f", argv[k++] = c->file;
    argv[k++] = "up", argv[k++] = "-d", argv[k++] = "--no-build";
    for (size_t i = 0; i < n; i++)
        argv[k++] = services[i];
    struct watch w = {.call = c};
    int code = 0;
    struct sl_proc_options opt = {.env = (const char *const *)env.at,
                                  .deadline_ns = c->deadline_ns,
                                  .on_line = on_line,
                                  .ctx = &w,
                                  .exit_code = &code};
    bool ok = sl_proc_run(argv, &opt, err);
    if (ok && code) {
        char tool[64], why[600];
        say_why(&w, why, sizeof why);
        snprintf(tool, sizeof tool, "%s%s%s", t->argv0[0], t->argv0[1] ? " " : "",
                 t->argv0[1] ? t->argv0[1] : "");
        ok = sl_fail(err, SL_ERUN, "%s could not start '%s': %s", tool, c->project,
                     why[0] ? why : "it gave no reason");
    }
    for (size_t i = 0; i < LAST_LINES; i++)
        free(w.last[i]);
    free(argv);
    return ok;
}
