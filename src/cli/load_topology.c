// SPDX-License-Identifier: Apache-2.0
#include "cli/load_topology.h"
#include "base/auto.h"
#include "base/fs.h"
#include "lang/spec.h"
#include <string.h>

enum { FILE_MAX = 64 << 20 };

// Its texts live as long as the topology.
static void keep_texts(struct sl_topology *t, struct sl_conditions c[2])
{
    for (int d = 0; d < 2; d++) {
        const char **texts[] = {&c[d].capacity, &c[d].distribution_file, &c[d].loss_pattern};
        for (int i = 0; i < 3; i++)
            *texts[i] = *texts[i] ? sl_arena_strdup(&t->arena, *texts[i]) : NULL;
    }
}

// The hosts h1.. of a spec, and the links it describes.
static struct sl_topology *from_spec(const char *path, struct sl_error *err)
{
    struct sl_spec *spec = sl_spec_load(path, err);
    struct sl_topology *t = spec && sl_spec_ok(spec, err) ? sl_topology_new() : NULL;
    bool ok = t != NULL;
    char name[16];
    for (int h = 1; ok && h <= spec->max_host; h++)
        ok = sl_topology_host(t, sl_host_name(h, name), "", 0, err) >= 0;
    if (ok && !spec->n_links) {
        ok = sl_fail(err, SL_EINPUT, "the spec '%s' describes no link", path);
        sl_hint(err, "like: link h1-h2 delay 20ms rate 100Mbps;");
    }
    for (size_t i = 0; ok && i < spec->n_links; i++) {
        struct sl_spec_link *l = &spec->links[i];
        keep_texts(t, l->conditions);
        ok = sl_topology_link(t, (uint32_t)l->from - 1, (uint32_t)l->to - 1, &l->conditions[0],
                              &l->conditions[1], err);
    }
    sl_spec_free(spec);
    if (ok)
        return t;
    sl_topology_free(t);
    return NULL;
}

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
        t = sl_ends_with(what, ".dtsl") ? from_spec(what, err) : from_file(what, err);
    if (t && sl_topology_finish(t, seed, err))
        return t;
    sl_topology_free(t);
    return NULL;
}
