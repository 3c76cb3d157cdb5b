// SPDX-License-Identifier: Apache-2.0
#include "base/paths.h"
#include "base/auto.h"
#include "base/fs.h"
#include "base/mem.h"
#include <limits.h>
#include <string.h>

#ifndef SLUICE_INSTALLED_LIBEXEC
#define SLUICE_INSTALLED_LIBEXEC "/usr/local/libexec/sluice"
#define SLUICE_INSTALLED_DATA "/usr/local/share/sluice"
#define SLUICE_SOURCE_ROOT "."
#endif

// The folder of the running binary; empty when the system does not tell.
static void own_folder(char *buf, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", buf, size - 1);
    buf[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(buf, '/');
    if (slash)
        *slash = '\0';
}

static char *first_of(const char *const *folders, const char *name)
{
    for (; *folders; folders++) {
        if (!(*folders)[0])
            continue;
        char *p = sl_path_join(*folders, name);
        if (sl_exists(p))
            return p;
        free(p);
    }
    return NULL;
}

char *sl_path_libexec(const char *program, struct sl_error *err)
{
    char own[PATH_MAX];
    own_folder(own, sizeof own);
    const char *env = getenv("SLUICE_LIBEXEC");
    SL_AUTO(sl_free_str) char *up = sl_format("%s/..", own); // tests live one folder below
    char *p = env ? first_of((const char *[]){env, NULL}, program)
                  : first_of((const char *[]){own, up, SLUICE_INSTALLED_LIBEXEC, NULL}, program);
    if (!p) {
        sl_fail(err, SL_EENV, "the helper program '%s' is not there", program);
        sl_hint(err, "install Sluice whole (ninja install), or set SLUICE_LIBEXEC to its folder");
    }
    return p;
}

char *sl_path_data(const char *relative, struct sl_error *err)
{
    const char *env = getenv("SLUICE_DATA");
    char *p =
        env ? first_of((const char *[]){env, NULL}, relative)
            : first_of((const char *[]){SLUICE_SOURCE_ROOT, SLUICE_INSTALLED_DATA, NULL}, relative);
    if (!p) {
        sl_fail(err, SL_EENV, "the data file '%s' is not there", relative);
        sl_hint(err, "install Sluice whole (ninja install), or set SLUICE_DATA to its folder");
    }
    return p;
}

char *sl_path_state(void)
{
    const char *env = getenv("SLUICE_STATE"), *home = getenv("HOME");
    if (env)
        return sl_strdup(env);
    if (geteuid() == 0 || !home)
        return sl_strdup("/var/lib/sluice");
    return sl_format("%s/.local/state/sluice", home);
}

char *sl_path_run(void)
{
    const char *env = getenv("SLUICE_RUNDIR"), *xdg = getenv("XDG_RUNTIME_DIR");
    if (env)
        return sl_strdup(env);
    if (geteuid() == 0 || !xdg)
        return sl_strdup("/run/sluice");
    return sl_format("%s/sluice", xdg);
}
