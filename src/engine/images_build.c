// SPDX-License-Identifier: Apache-2.0
/*
 * Building a stranger's image. What it is kept from: the host's credentials, proxies and
 * environment (an empty client configuration), private addresses (build_net.c), other images' names
 * (tags under "sluice/" only), files outside its context, and more than its share of memory,
 * processors and time.
 */
#include "base/auto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/dockerfile.h"
#include "engine/images_int.h"
#include <stdio.h>
#include <string.h>

#define DEADLINE_NS INT64_C(600000000000)
#define MEMORY "2g"
enum { DOCKERFILE_MAX = 1 << 20, ARGS_MAX = 64, ARGV_MAX = 32 };

static bool check_call(const struct sl_image_build *b, struct sl_error *err)
{
    struct sl_ref r;
    if (!sl_starts_with(b->tag, "sluice/") || sl_starts_with(b->tag, "sluice/holder") ||
        !sl_ref_parse(b->tag, &r, NULL))
        return sl_fail(err, SL_EINPUT,
                       "'%s' is no tag for a project's image: it must be under 'sluice/'", b->tag);
    if (b->context[0] != '/' || !sl_is_dir(b->context))
        return sl_fail(err, SL_EINPUT, "the build context '%s' is not a folder", b->context);
    return true;
}

// The Dockerfile's path; it must lie inside the context, links resolved.
static char *dockerfile_path(const struct sl_image_build *b, struct sl_error *err)
{
    char *path =
        sl_path_join(b->context, b->dockerfile && b->dockerfile[0] ? b->dockerfile : "Dockerfile");
    if (!sl_path_inside(b->context, path))
        sl_fail(err, SL_EINPUT, "the Dockerfile '%s' lies outside its build context", path);
    else if (!sl_exists(path) || sl_is_dir(path))
        sl_fail(err, SL_EINPUT, "there is no Dockerfile '%s'", path);
    else
        return path;
    free(path);
    return NULL;
}

static json_t *args_object(const char *const *args)
{
    json_t *j = json_object();
    for (; args && *args; args++) {
        const char *eq = strchr(*args, '=');
        SL_AUTO(sl_free_str) char *key = sl_strdup(*args);
        if (eq)
            key[eq - *args] = '\0';
        if (eq)
            json_object_set_new(j, key, json_string(eq + 1));
    }
    return j;
}

// Reads the Dockerfile and brings the images it starts from.
static bool prepare(struct sl_images *k, const struct sl_image_build *b, const char *path,
                    const char **sub_reason, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len, n = 0;
    char **refs = NULL;
    SL_AUTO(sl_json_decref) json_t *args = args_object(b->args);
    *sub_reason = "syntax";
    if (!sl_read_file(path, DOCKERFILE_MAX, &text, &len, err))
        return false;
    int line = sl_dockerfile_remote_add(text, args);
    if (line) {
        sl_fail(
            err, SL_EINPUT,
            "line %d of the Dockerfile adds from an address, which the engine itself would fetch",
            line);
        sl_hint(err, "a RUN with curl does the same under the builds' filter");
        *sub_reason = "download";
        return false;
    }
    if (!sl_images_from_lines(text, args, &refs, &n, err))
        return false;
    *sub_reason = "download";
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        ok = ok && sl_images_ensure(k, refs[i], err);
        free(refs[i]);
    }
    free(refs);
    return ok;
}

static bool run_build(struct sl_images *k, const struct sl_image_build *b, const char *path,
                      const char **sub_reason, struct sl_error *err)
{
    const char *argv[ARGV_MAX + 2 * ARGS_MAX] = {
        "docker",   "build",       "--force-rm",    "--network", SL_BUILD_NETWORK,
        "--memory", MEMORY,        "--memory-swap", MEMORY,      "--cpu-period",
        "100000",   "--cpu-quota", "200000",        "--tag",     b->tag,
        "--file",   path};
    size_t n = 0;
    while (argv[n])
        n++;
    if (b->target && b->target[0])
        argv[n++] = "--target", argv[n++] = b->target;
    for (size_t i = 0; b->args && b->args[i] && i < ARGS_MAX; i++)
        argv[n++] = "--build-arg", argv[n++] = b->args[i];
    argv[n++] = "--", argv[n++] = b->context;
    struct sl_docker_env env;
    if (!sl_docker_env(k->engine, &env, err))
        return false;
    struct sl_build_log log = {.on_line = b->on_line, .ctx = b->ctx};
    int code = -1;
    struct sl_proc_options opt = {.env = (const char *const *)env.at,
                                  .cwd = env.folder,
                                  .deadline_ns = b->deadline_ns ? b->deadline_ns : DEADLINE_NS,
                                  .on_line = sl_build_log_line,
                                  .ctx = &log,
                                  .exit_code = &code};
    struct sl_error why = {0};
    bool ok = sl_proc_run(argv, &opt, &why);
    char text[500];
    sl_build_log_text(&log, text, sizeof text);
    if (!ok && why.code == SL_ERUN) {
        *sub_reason = "timeout";
        sl_fail(err, SL_ERUN, "it did not end within %.0f s, %s", (double)opt.deadline_ns / 1e9,
                text);
    } else if (!ok && err) {
        *err = why;
    } else if (code) {
        *sub_reason = log.sub_reason ? log.sub_reason : "command";
        ok = sl_fail(err, SL_ERUN, "%s", text);
    }
    sl_build_log_done(&log);
    sl_docker_env_done(&env);
    return ok;
}

bool sl_images_build(struct sl_images *k, const struct sl_image_build *b, const char **sub_reason,
                     struct sl_error *err)
{
    const char *sub = "syntax";
    struct sl_build_net net;
    SL_AUTO(sl_free_str) char *path = check_call(b, err) ? dockerfile_path(b, err) : NULL;
    bool ok = path && prepare(k, b, path, &sub, err) && sl_build_net_enter(k->engine, &net, err);
    if (ok) {
        ok = run_build(k, b, path, &sub, err);
        sl_build_net_leave(k->engine, &net);
    }
    if (!ok && sub_reason)
        *sub_reason = sub;
    return ok || sl_within(err, "building '%s'", b->tag);
}
