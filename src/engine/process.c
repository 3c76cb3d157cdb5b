// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/fs.h"
#include "base/proc.h"
#include "engine/images_int.h"
#include "engine/transport.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LAST = 8 };

bool sl_docker_env(struct sl_engine *e, struct sl_docker_env *env, struct sl_error *err)
{
    *env = (struct sl_docker_env){0};
    if (!sl_proc_have("docker")) {
        sl_fail(err, SL_EENV,
                "the program 'docker', which images are built with, is not installed");
        sl_hint(err, "apt install docker.io (or Docker's docker-ce-cli)");
        return false;
    }
    const char *tmp = getenv("TMPDIR"), *path = getenv("PATH");
    char *folder = sl_format("%s/sluice-build.XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp");
    if (!mkdtemp(folder)) {
        int why = errno;
        sl_fail(err, SL_ERUN, "cannot make the temporary folder '%s': %s", folder, strerror(why));
        free(folder);
        return false;
    }
    env->folder = folder;
    int n = 0;
    env->at[n++] = sl_format(
        "PATH=%s", path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    env->at[n++] = sl_format("HOME=%s", folder);
    env->at[n++] = sl_format("TMPDIR=%s", folder);
    env->at[n++] = sl_format("DOCKER_CONFIG=%s", folder); // no credentials, no proxies
    env->at[n++] = sl_format("DOCKER_HOST=unix://%s", sl_engine_socket(e));
    env->at[n++] = sl_strdup("DOCKER_BUILDKIT=0");
    env->at[n++] = sl_strdup("LC_ALL=C.UTF-8");
    return true;
}

void sl_docker_env_done(struct sl_docker_env *env)
{
    for (size_t i = 0; i < sizeof env->at / sizeof env->at[0]; i++)
        free(env->at[i]);
    struct sl_error ignored;
    if (env->folder && !sl_remove_tree(env->folder, &ignored))
        ignored.code = SL_OK; // a temporary folder in use: the system clears it
    free(env->folder);
    *env = (struct sl_docker_env){0};
}

// What a line tells about why a build fails. Order matters: a package tool that cannot reach its
// server says both.
static const struct {
    const char *sign, *sub_reason;
} signs[] = {
    {"Temporary failure in name resolution", "download"},
    {"Temporary failure resolving", "download"},
    {"Could not resolve", "download"},
    {"Failed to fetch", "download"},
    {"Connection timed out", "download"},
    {"connection refused", "download"},
    {"Connection refused", "download"},
    {"Network is unreachable", "download"},
    {"Failed to establish a new connection", "download"},
    {"ENOTFOUND", "download"},
    {"ETIMEDOUT", "download"},
    {"ECONNREFUSED", "download"},
    {"EAI_AGAIN", "download"},
    {"curl: (", "download"},
    {"wget: ", "download"},
    {"no such host", "download"},
    {"i/o timeout", "download"},
    {"x509:", "download"},
    {"certificate verify failed", "download"},
    {"Unable to locate package", "pkg"},
    {"has no installation candidate", "pkg"},
    {"No matching distribution found", "pkg"},
    {"Could not find a version that satisfies", "pkg"},
    {"npm ERR! 404", "pkg"},
    {"npm error 404", "pkg"},
    {"npm ERR! code E404", "pkg"},
    {"npm ERR! notarget", "pkg"},
    {"unable to select packages", "pkg"},
    {"ModuleNotFoundError", "pkg"},
    {"Failed building wheel", "pkg"},
    {"dockerfile parse error", "syntax"},
    {"Dockerfile parse error", "syntax"},
    {"unknown instruction", "syntax"},
    {"unknown flag", "syntax"},
    {"failed to process", "syntax"},
    {"requires BuildKit", "syntax"},
    {"invalid reference format", "syntax"},
    {"COPY failed", "syntax"},
    {"ADD failed", "syntax"},
    {"failed to parse platform", "syntax"},
};

static bool is_noise(const char *line)
{
    static const char *const heads[] = {"DEPRECATED:",
                                        "            ",
                                        "Removing intermediate container",
                                        " ---> ",
                                        "Sending build context",
                                        "Step ",
                                        "Install the buildx",
                                        "BuildKit is",
                                        "The command '/bin/sh"};
    while (*line == '\n')
        line++;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        if (sl_starts_with(line, heads[i]))
            return true;
    return line[strspn(line, " \t")] == '\0';
}

// Without colours and other control sequences: what a stranger's tool prints may end up on a
// terminal.
static void clean(char *to, size_t size, const char *p)
{
    size_t w = 0;
    while (*p && w + 1 < size) {
        if (*p == 0x1b) { // ESC, "[" and parameters up to a letter
            p++;
            if (*p == '[')
                p += 1 + strspn(p + 1, "0123456789;?");
            p += *p != '\0';
        } else if ((unsigned char)*p < ' ' && *p != '\t') {
            p++;
        } else {
            to[w++] = *p++;
        }
    }
    to[w] = '\0';
}

void sl_build_log_line(void *ctx, const char *raw)
{
    struct sl_build_log *l = ctx;
    char line[1024];
    clean(line, sizeof line, raw);
    if (l->on_line)
        l->on_line(l->ctx, line);
    if (sl_starts_with(line, "Step ")) {
        const char *colon = strstr(line, " : ");
        sl_copy(l->step, sizeof l->step, colon ? colon + 3 : line);
        l->sub_reason = NULL; // what came before was survived
    }
    for (size_t i = 0; !l->sub_reason && i < sizeof signs / sizeof signs[0]; i++)
        if (strstr(line, signs[i].sign))
            l->sub_reason = signs[i].sub_reason;
    if (is_noise(line))
        return;
    char **slot = &l->last[l->n++ % LAST];
    free(*slot);
    *slot = sl_format("%.240s", line);
}

void sl_build_log_text(const struct sl_build_log *l, char *to, size_t size)
{
    size_t have = l->n < LAST ? l->n : LAST, used = 0;
    to[0] = '\0';
    if (l->step[0])
        used = (size_t)snprintf(to, size, "at '%.120s': ", l->step);
    for (size_t i = have > 4 ? have - 4 : 0; i < have && used < size; i++) {
        const char *line = l->last[(l->n - have + i) % LAST];
        used += (size_t)snprintf(to + used, size - used, "%s%s",
                                 i > (have > 4 ? have - 4 : 0) ? " | " : "",
                                 line + strspn(line, " \t"));
    }
    if (!have && used < size)
        snprintf(to + used, size - used, "it gave no reason");
}

void sl_build_log_done(struct sl_build_log *l)
{
    for (size_t i = 0; i < LAST; i++)
        free(l->last[i]);
    *l = (struct sl_build_log){0};
}
