// SPDX-License-Identifier: Apache-2.0
#include "cli/load_topology.h"
#include "base/auto.h"
#include "base/fs.h"
#include <string.h>

enum { FILE_MAX = 64 << 20 };

static struct sl_topology *from_file(const char *path, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    if (!sl_read_file(path, FILE_MAX, &text, &len, err))
        return NULL;
    const char *p = text + strspn(text, " \t\r\n\xef\xbb\xbf"); // a BOM may stand in front
    return *p == '<' ? sl_topology_graphml(text, len, path, err)
                     : sl_topology_csv(text, len, path, err);
}

// "h1-h2": hosts of that name.
static struct sl_topology *one_link(const char *text, const struct sl_conditions c[2],
                                    struct sl_error *err)
{
    struct sl_topology *t = sl_topology_new();
    SL_AUTO(sl_free_str) char *a = sl_strdup(text);
    char *dash = strchr(a, '-');
    *dash = '\0';
    int x = sl_topology_host(t, a, "", 0, err);
    int y = x < 0 ? -1 : sl_topology_host(t, dash + 1, "", 0, err);
    if (y >= 0 && sl_topology_link(t, (uint32_t)x, (uint32_t)y, &c[0], &c[1], err))
        return t;
    sl_topology_free(t);
    return NULL;
}

struct sl_topology *sl_load_topology(const char *what, const struct sl_conditions access[2],
                                     const struct sl_conditions *core, uint64_t seed,
                                     struct sl_error *err)
{
    struct sl_topology *t;
    if (sl_topology_is_generator(what))
        t = sl_topology_generate(what, &access[0], core, seed, err);
    else if (strchr(what, '-') && !strpbrk(what, "/.") && !sl_exists(what))
        t = one_link(what, access, err);
    else
        t = from_file(what, err);
    if (t && sl_topology_finish(t, seed, err))
        return t;
    sl_topology_free(t);
    return NULL;
}
