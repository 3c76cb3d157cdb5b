// SPDX-License-Identifier: Apache-2.0
#include "observe/doors.h"
#include "base/auto.h"
#include "base/log.h"
#include "base/mem.h"
#include "netns/netns.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct listing {
    uint16_t *ports;
    size_t max, n;
};

static void add_port(struct listing *l, uint16_t port)
{
    for (size_t k = 0; k < l->n; k++)
        if (l->ports[k] == port)
            return;
    if (l->n < l->max)
        l->ports[l->n++] = port;
}

// One line of /proc/net/tcp: "0: 0100007F:0CEA 00000000:0000 0A ..."; state 0A listens.
static void take_line(struct listing *l, const char *line)
{
    char addr[33];
    unsigned port, state;
    if (sscanf(line, " %*d: %32[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", addr, &port, &state) != 3)
        return;
    bool v6 = strlen(addr) == 32;
    // Loopback: 127.x.x.x is written in host order, so its first byte stands last.
    bool loopback =
        v6 ? !strcmp(addr, "00000000000000000000000001000000") : !strcmp(addr + 6, "7F");
    if (state == 0x0A && port && port < 65536 && !loopback)
        add_port(l, (uint16_t)port);
}

static bool read_listeners(void *ctx, struct sl_error *err)
{
    static const char *const files[] = {"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"};
    (void)err;
    for (int f = 0; f < 2; f++) {
        SL_AUTO(sl_close_file) FILE *in = fopen(files[f], "re");
        char line[512];
        while (in && fgets(line, sizeof line, in))
            take_line(ctx, line);
    }
    return true;
}

bool sl_doors_listeners(int ns, uint16_t *ports, size_t max, size_t *n, struct sl_error *err)
{
    struct listing l = {ports, max, 0};
    if (!sl_netns_run(ns, read_listeners, &l, err))
        return false;
    *n = l.n;
    return true;
}

static bool can_drive(const char *protocol)
{
    for (const char *const *p = sl_drive_protocols; *p; p++)
        if (!strcmp(*p, protocol))
            return true;
    return false;
}

// The driver that shares a network with the service, and the service's address there.
static bool find_driver(struct sl_instance *i, const struct sl_endpoint *ep, struct sl_door *d)
{
    for (size_t k = 0; k < i->endpoints.len; k++) {
        const struct sl_endpoint *driver = &i->endpoints.at[k];
        if (!driver->is_driver || !driver->n_nets)
            continue;
        for (size_t n = 0; n < ep->n_nets; n++) {
            if (!strcmp(ep->nets[n].network, driver->nets[0].network)) {
                d->driver = (int)k;
                d->ipv4 = ep->nets[n].ipv4;
                return true;
            }
        }
    }
    return false;
}

static bool add_door(struct sl_instance *i, const struct sl_endpoint *ep,
                     const struct sl_service *s, uint16_t port, struct sl_door *d,
                     struct sl_error *err)
{
    *d = (struct sl_door){.service = s, .port = port, .protocol = "", .driver = -1};
    for (size_t k = 0; k < s->n_ports; k++)
        d->published |= s->ports[k].port == port && s->ports[k].published;
    struct sl_class_guess by_port = {0};
    sl_class_by_port(6, port, &by_port);
    if (!find_driver(i, ep, d))
        return true;
    if (s->guess.app && by_port.app && !strcmp(s->guess.app, by_port.app) && s->guess.probe &&
        s->guess.probe[0])
        d->protocol = s->guess.probe;
    else if (!sl_drive_probe(i->endpoints.at[d->driver].netns, d->ipv4, port, &d->protocol, err))
        return false;
    d->drivable = can_drive(d->protocol);
    return true;
}

// A published HTTP port first, other published ones, then data stores, then inner web servers.
static int rank(const struct sl_door *d)
{
    bool http = !strcmp(d->protocol, "http");
    if (!d->drivable)
        return 9;
    if (d->published)
        return http ? 0 : 1;
    return http ? 3 : 2;
}

static int by_rank(const void *a, const void *b)
{
    const struct sl_door *x = a, *y = b;
    int r = rank(x) - rank(y);
    if (!r)
        r = strcmp(x->service->name, y->service->name);
    return r ? r : (int)x->port - (int)y->port;
}

bool sl_doors_find(struct sl_instance *i, struct sl_door_list *out, struct sl_error *err)
{
    SL_VEC(struct sl_door) doors = {0};
    bool ok = true;
    for (size_t k = 0; ok && k < i->endpoints.len; k++) {
        struct sl_endpoint *ep = &i->endpoints.at[k];
        const struct sl_service *s = sl_project_service(i->project, ep->service);
        if (ep->is_driver || !s)
            continue;
        uint16_t ports[32];
        size_t n = 0;
        ok = sl_doors_listeners(ep->netns, ports, 32, &n, err);
        for (size_t p = 0; ok && p < n; p++) {
            struct sl_door *d = SL_PUSH(&doors);
            ok = add_door(i, ep, s, ports[p], d, err);
        }
    }
    if (!ok) {
        SL_VEC_DONE(&doors);
        return false;
    }
    if (doors.len)
        qsort(doors.at, doors.len, sizeof *doors.at, by_rank);
    out->at = doors.at;
    out->len = doors.len;
    return true;
}

void sl_door_list_done(struct sl_door_list *l)
{
    free(l->at);
    l->at = NULL;
    l->len = 0;
}

static const char *look_up(void *ctx, const char *key)
{
    return sl_service_env(ctx, key);
}

void sl_door_spec(const struct sl_door *d, struct sl_drive_spec *out)
{
    *out = (struct sl_drive_spec){.protocol = d->protocol,
                                  .host = d->service->name,
                                  .port = d->port,
                                  .users = 1,
                                  .keep_alive = true};
    sl_drive_credentials(d->protocol, look_up, (void *)(uintptr_t)d->service, out);
}
