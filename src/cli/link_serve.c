// SPDX-License-Identifier: Apache-2.0
#include "cli/link_serve.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "cli/link_options.h"
#include "cli/load_topology.h"
#include "link/control.h"
#include "net/packet.h"
#include "netns/netns.h"
#include "netns/route.h"
#include "netns/rt.h"
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MADE_MAX = 200, PORTS_MAX = 250 };
#define ALL_HOSTS 0x0a400000u // 10.64.0.0/10
#define ALL_HOSTS_LEN 10

struct serving {
    struct sl_topology *t;
    struct sl_routes *routes;
    struct sl_device devices[PORTS_MAX];
    int n_devices;
    int ns[PORTS_MAX];
    int16_t *port_of; // [nodes] -1 = none
    char *made[MADE_MAX];
    int n_made;
    pid_t guardian;
    int guard;
    struct sl_relay *relay;
    bool whole_off;
    uint32_t mtu;
};

// ---- where packets go ---------------------------------------------------------------------------

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int32_t enter(void *ctx, int port, struct sl_pbuf *b)
{
    struct serving *s = ctx;
    const uint8_t *p = sl_pbuf_packet(b);
    if (b->bytes < 20 || p[0] >> 4 != 4)
        return -1;
    int from = sl_routes_host(s->routes, be32(p + 12)),
        to = sl_routes_host(s->routes, be32(p + 16));
    if (from < 0 || to < 0 || s->port_of[from] != port)
        return -1;
    b->to = (uint32_t)to;
    return sl_routes_next(s->routes, (uint32_t)from, (uint32_t)to);
}

static int32_t next(void *ctx, uint32_t pipe, const struct sl_pbuf *b)
{
    struct serving *s = ctx;
    return sl_routes_next(s->routes, sl_routes_end(s->routes, pipe), b->to);
}

static int leave(void *ctx, uint32_t pipe, const struct sl_pbuf *b)
{
    (void)pipe;
    struct serving *s = ctx;
    return s->port_of[b->to];
}

// ---- namespaces and devices ---------------------------------------------------------------------

// The made namespaces go when this process is gone, however it went.
static bool start_guardian(struct serving *s, struct sl_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return sl_fail(err, SL_ERUN, "cannot make a pipe: %s", strerror(errno));
    s->guardian = fork();
    if (s->guardian < 0)
        return sl_fail(err, SL_ERUN, "cannot start a process: %s", strerror(errno));
    if (s->guardian) {
        close(ends[0]);
        s->guard = ends[1];
        return true;
    }
    setsid(); // Ctrl-C is not for it
    close(ends[1]);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    char c, name[80];
    size_t n = 0;
    SL_VEC(char *) names = {0};
    for (ssize_t k; (k = read(ends[0], &c, 1)) != 0;) { // names, each ended by a line break
        if (k < 0 && errno != EINTR)
            break;
        if (k < 0)
            continue;
        if (c != '\n' && n < sizeof name - 1) {
            name[n++] = c;
            continue;
        }
        name[n] = '\0';
        n = 0;
        *SL_PUSH(&names) = sl_strdup(name);
    }
    for (size_t i = 0; i < names.len; i++)
        if (!sl_netns_delete(names.at[i], NULL))
            _exit(SL_ERUN);
    _exit(0);
}

static bool make_host(struct serving *s, const char *name, struct sl_error *err)
{
    if (s->n_made == MADE_MAX)
        return sl_fail(err, SL_EUSAGE, "--make-hosts makes at most %d namespaces", MADE_MAX);
    if (!sl_netns_create(name, err))
        return false;
    s->made[s->n_made++] = sl_strdup(name);
    dprintf(s->guard, "%s\n", name);
    int ns;
    bool ok = sl_netns_open(name, &ns, err);
    if (!ok)
        return false;
    sl_netns_sysctl(ns, "ipv4/tcp_rmem", "4096 131072 67108864");
    sl_netns_sysctl(ns, "ipv4/tcp_wmem", "4096 65536 67108864");
    sl_netns_sysctl(ns, "ipv4/ping_group_range", "0 2147483647");
    close(ns);
    return true;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

// Runs of addresses as the fewest prefixes.
static bool own_addresses(int ns, uint32_t *list, size_t n, struct sl_error *err)
{
    qsort(list, n, sizeof *list, by_value);
    for (size_t i = 0; i < n;) {
        uint32_t len = 32;
        size_t k = 1;
        while (len > 8) {
            size_t twice = k * 2;
            if ((list[i] & (uint32_t)(twice - 1)) || i + twice > n ||
                list[i + twice - 1] != list[i] + twice - 1)
                break;
            k = twice;
            len--;
        }
        if (!sl_route_add_local(ns, list[i], (int)len, err))
            return false;
        i += k;
    }
    return true;
}

// A device in `ns_name` for the hosts that `which` names: a host, @group, or * for all without one.
static bool add_port(struct serving *s, const char *ns_name, const char *which, bool made,
                     struct sl_error *err)
{
    SL_VEC(uint32_t) own = {0};
    int port = s->n_devices;
    if (port == PORTS_MAX)
        return sl_fail(err, SL_EUSAGE, "there are more than %d ports", PORTS_MAX);
    for (size_t i = 0; i < s->t->nodes.len; i++) {
        const struct sl_node_entry *n = &s->t->nodes.at[i];
        bool mine = !n->router && s->port_of[i] < 0 &&
                    (which[0] == '@' ? !strcmp(n->group, which + 1) : !fnmatch(which, n->name, 0));
        if (!mine)
            continue;
        s->port_of[i] = (int16_t)port;
        *SL_PUSH(&own) = n->address;
    }
    if (!own.len)
        return sl_fail(err, SL_EUSAGE, "--port %s=%s names no host that has no port yet", ns_name,
                       which);
    char name[16];
    snprintf(name, sizeof name, made ? "link" : "slink%d", port);
    bool ok = sl_netns_open(ns_name, &s->ns[port], err);
    if (ok) {
        s->n_devices++;
        s->devices[port].fd = -1;
        ok = sl_device_open(s->ns[port], name, false, s->mtu, !s->whole_off, &s->devices[port],
                            err) &&
             sl_link_address(s->ns[port], name, own.at[0], 32, err) &&
             (made ? sl_route_add(s->ns[port], name, 0, 0, own.at[0], err)
                   : sl_route_add(s->ns[port], name, ALL_HOSTS, ALL_HOSTS_LEN, own.at[0], err)) &&
             (own.len == 1 || own_addresses(s->ns[port], own.at, own.len, err));
    }
    SL_VEC_DONE(&own);
    return ok;
}

static bool make_ports(struct serving *s, const char *const *ports, bool make, struct sl_error *err)
{
    for (int i = 0; ports[i]; i++) {
        char ns[80];
        const char *eq = strchr(ports[i], '=');
        if (!eq || !sl_copy(ns, sizeof ns, ports[i]))
            return sl_fail(err, SL_EUSAGE, "--port is NAMESPACE=HOST or NAMESPACE=@GROUP, not '%s'",
                           ports[i]);
        ns[eq - ports[i]] = '\0';
        if (!add_port(s, ns, eq + 1, false, err))
            return false;
    }
    if (!make)
        return s->n_devices > 0 ||
               sl_fail(err, SL_EUSAGE,
                       "no host has a port: give --make-hosts, or --port NAMESPACE=HOST");
    if (!start_guardian(s, err))
        return false;
    for (size_t i = 0; i < s->t->nodes.len; i++) {
        const struct sl_node_entry *n = &s->t->nodes.at[i];
        if (n->router || s->port_of[i] >= 0)
            continue;
        if (!make_host(s, n->name, err) || !add_port(s, n->name, n->name, true, err))
            return false;
    }
    return true;
}

static void tear_down(struct serving *s)
{
    sl_relay_free(s->relay);
    for (int i = 0; i < s->n_devices; i++) {
        sl_device_close(&s->devices[i]);
        close(s->ns[i]);
    }
    for (int i = 0; i < s->n_made; i++) {
        sl_netns_delete(s->made[i], NULL)
            ? (void)0
            : sl_warn("the namespace '%s' could not be removed", s->made[i]);
        free(s->made[i]);
    }
    if (s->guard >= 0)
        close(s->guard);
    if (s->guardian > 0)
        waitpid(s->guardian, NULL, 0);
    sl_routes_free(s->routes);
    sl_topology_free(s->t);
    free(s->port_of);
}

// ---- the command --------------------------------------------------------------------------------

static bool apply_all(struct serving *s, uint64_t seed, struct sl_error *err)
{
    for (uint32_t pipe = 0; pipe < 2 * s->t->links.len; pipe++) {
        const struct sl_topology_link *l = &s->t->links.at[pipe / 2];
        struct sl_prepared *p = sl_prepared_new(&l->conditions[pipe % 2], seed, pipe, err);
        if (!p)
            return sl_within(err, "link %s", l->name);
        sl_emulator_apply(sl_relay_emulator(s->relay), pipe, p, sl_mono_ns());
        sl_prepared_free(p);
    }
    return true;
}

struct timing {
    struct sl_relay *relay;
    int64_t run_for_ns;
};

static void *stop_later(void *arg)
{
    struct timing *t = arg;
    if (sl_sleep_ns(t->run_for_ns))
        sl_relay_stop(t->relay);
    return NULL;
}

static void say_ready(const struct sl_cli *cli, const struct serving *s, const char *socket)
{
    size_t hosts = 0;
    char address[16];
    for (size_t i = 0; i < s->t->nodes.len; i++)
        hosts += !s->t->nodes.at[i].router;
    if (cli->json) {
        json_t *j = json_pack("{s:s, s:s, s:I, s:I, s:i}", "schema", "sluice.link.serve/1",
                              "control", socket, "links", (json_int_t)s->t->links.len, "hosts",
                              (json_int_t)hosts, "ports", s->n_devices);
        sl_cli_json(j);
        json_decref(j);
    } else {
        printf("ready: %zu links, %zu hosts, %d ports; control: %s\n", s->t->links.len, hosts,
               s->n_devices, socket);
        for (size_t i = 0; i < s->t->nodes.len && hosts <= 20; i++) {
            const struct sl_node_entry *n = &s->t->nodes.at[i];
            if (!n->router)
                printf("  %-16s %s\n", n->name, sl_ipv4_text(n->address, address));
        }
    }
    fflush(stdout);
}

static bool run(const struct sl_cli *cli, struct serving *s, struct sl_link_control_options *o,
                int64_t run_for_ns, struct sl_error *err)
{
    SL_VEC(struct sl_link_entry) links = {0};
    for (uint32_t i = 0; i < s->t->links.len; i++) {
        const struct sl_topology_link *l = &s->t->links.at[i];
        *SL_PUSH(&links) = (struct sl_link_entry){.name = l->name,
                                                  .began = {l->conditions[0], l->conditions[1]},
                                                  .pipe = {2 * i, 2 * i + 1}};
    }
    o->relay = s->relay;
    o->links = links.at;
    o->n_links = (uint32_t)links.len;
    struct sl_link_control *c = sl_link_control_start(o, err);
    bool ok = c;
    if (c) {
        struct timing t = {s->relay, run_for_ns};
        pthread_t timer;
        say_ready(cli, s, o->socket);
        if (run_for_ns && !pthread_create(&timer, NULL, stop_later, &t))
            pthread_detach(timer);
        ok = sl_relay_run(s->relay, -1, err);
        struct sl_error late = {0};
        if (!sl_link_control_stop(c, &late) && ok) {
            *err = late;
            ok = false;
        }
    }
    SL_VEC_DONE(&links);
    return ok;
}

static bool prepare(struct serving *s, const struct sl_link_serve_options *o, uint64_t seed,
                    struct sl_arena *arena, struct sl_error *err)
{
    struct sl_conditions access[2] = {{0}}, core = {0};
    if (!sl_link_options_read(o->conditions, arena, &access[0], &access[1], err) ||
        (o->core && !sl_conditions_parse(&core, o->core, arena, err)))
        return false;
    s->t = sl_load_topology(o->link ? o->link : o->topology, access, &core, seed, err);
    if (!s->t)
        return false;
    double full = sl_topology_memory_bytes(s->t);
    if (full > (double)o->memory_bytes)
        sl_warn("all links full would hold %.0f MiB, and there are %.0f MiB for packets: beyond "
                "them packets are dropped",
                full / 0x1p20, (double)o->memory_bytes / 0x1p20);
    s->port_of = sl_alloc(s->t->nodes.len * sizeof *s->port_of);
    memset(s->port_of, 0xff, s->t->nodes.len * sizeof *s->port_of);
    s->routes = sl_routes_new(s->t, err);
    return s->routes && make_ports(s, o->ports, o->make_hosts, err);
}

static bool make_relay(struct serving *s, const struct sl_link_serve_options *o,
                       const struct sl_relay_net *net, uint64_t seed, struct sl_error *err)
{
    struct sl_relay_options r = {.devices = s->devices,
                                 .n_devices = s->n_devices,
                                 .pipes = 2 * (uint32_t)s->t->links.len,
                                 .memory_bytes = o->memory_bytes,
                                 .net = net,
                                 .realtime = o->realtime};
    s->relay = sl_relay_new(&r, err);
    return s->relay && apply_all(s, seed, err);
}

static bool make_folder(const char *socket, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *folder = sl_strdup(socket);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return true;
    *slash = '\0';
    return sl_mkdirs(folder, err);
}

int sl_link_serve(struct sl_cli *cli, const struct sl_link_serve_options *o)
{
    struct serving s = {.guard = -1, .whole_off = o->no_offload, .mtu = (uint32_t)o->device_mtu};
    const struct sl_relay_net net = {.enter = enter, .next = next, .leave = leave, .ctx = &s};
    struct sl_arena arena = {0};
    struct sl_error err = {0};
    struct sl_link_control_options c = {.seed = cli->seed,
                                        .memory_bytes = o->memory_bytes,
                                        .socket = o->control,
                                        .record = o->record,
                                        .stats = o->stats,
                                        .stats_interval_ns = o->interval_ns,
                                        .command_line = o->command_line};
    bool ok = prepare(&s, o, cli->seed, &arena, &err) && make_relay(&s, o, &net, cli->seed, &err) &&
              make_folder(o->control, &err) && run(cli, &s, &c, o->duration_ns, &err);
    if (ok && sl_relay_realtime(s.relay)[0])
        sl_warn("%s", sl_relay_realtime(s.relay));
    sl_interrupt_shield(true);
    tear_down(&s);
    sl_arena_done(&arena);
    return ok ? SL_OK : sl_cli_fail(cli, &err);
}
