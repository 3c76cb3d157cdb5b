// SPDX-License-Identifier: Apache-2.0
/*
 * A topology as CSV, as GraphML when it begins with '<', or a generator's words behind '!'. In one that is accepted
 * every host reaches every other within as many hops as there are nodes.
 */
#include "base/mem.h"
#include "base/str.h"
#include "link/topology.h"
#include <stdlib.h>
#include <string.h>

enum { MOST = 40 };

static void walk(const struct sl_topology *t, const struct sl_routes *r)
{
    uint32_t n = (uint32_t)t->nodes.len, step = n > MOST ? n / MOST : 1;
    for (uint32_t a = 0; a < n; a += step)
        for (uint32_t b = 0; b < n; b += step) {
            if (t->nodes.at[a].router || t->nodes.at[b].router || a == b)
                continue;
            if (sl_routes_host(r, t->nodes.at[b].address) != (int)b)
                abort();
            uint32_t at = a, hops = 0;
            for (int32_t pipe; at != b && (pipe = sl_routes_next(r, at, b)) >= 0; hops++) {
                at = sl_routes_end(r, (uint32_t)pipe);
                if (hops > n)
                    abort(); // in a circle
            }
            if (at != b)
                abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_error err = {0};
    struct sl_conditions access[2] = {{0}}, core = {0};
    struct sl_topology *t;
    char *text = sl_format("%.*s", (int)size, (const char *)data);
    if (*text == '!') {
        size_t digits = 0;
        for (const char *p = text; *p; p++)
            digits += *p >= '0' && *p <= '9';
        t = digits < 5 ? sl_topology_generate(text + 1, access, &core, 5, &err) : NULL;
        if (digits >= 5)
            sl_fail(&err, SL_EUSAGE, "large ones take too long here");
    } else if (*text == '<') {
        t = sl_topology_graphml(text, strlen(text), "f.xml", &err);
    } else {
        t = sl_topology_csv(text, strlen(text), "f.csv", &err);
    }
    free(text);
    if (!t && (err.code == SL_OK || !err.msg[0]))
        abort();
    if (t && sl_topology_finish(t, 7, &err)) {
        struct sl_routes *r = sl_routes_new(t, &err);
        if (r) {
            walk(t, r);
            free(t->nodes.len < 200 ? sl_topology_svg(t, &err) : NULL);
        } else if (!err.msg[0]) {
            abort();
        }
        sl_routes_free(r);
    }
    sl_topology_free(t);
    return 0;
}
