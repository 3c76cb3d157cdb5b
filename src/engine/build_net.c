// SPDX-License-Identifier: Apache-2.0
/*
 * The network of strangers' builds: a bridge of its own, filtered in the namespace where the
 * engine's bridges are.
 *
 * A build may ask the configured resolvers and reach ports 80 and 443 of public addresses: package
 * mirrors need no more. Everything else is refused at once, so that a build fails instead of
 * hanging. It reaches no private, loopback, link-local (metadata) or shared address, nothing of the
 * host, and no other build. The rules match this bridge only, and a "drop" of theirs is final while
 * an "accept" leaves the packet to the engine's own rules: nobody else's traffic changes.
 *
 * It exists while somebody builds. Two lock files order several builders: "setup" is held for a
 * moment to enter or leave, "users" is held shared by everyone inside; who can get it alone on
 * leaving is last.
 */
#include "base/auto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/proc.h"
#include "engine/images_int.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#define BRIDGE "sl-build0"
#define NFT_NS INT64_C(20000000000)
enum { RESOLVERS_MAX = 8 };

// The resolvers that the engine hands to its containers: those of the host that are not on its
// loopback.
static void add_resolvers(const char *path, struct sl_str *list, size_t *n)
{
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    if (!sl_read_file(path, 65536, &text, &len, NULL))
        return;
    char *save = NULL, address[64];
    for (char *l = strtok_r(text, "\n", &save); l && *n < RESOLVERS_MAX;
         l = strtok_r(NULL, "\n", &save)) {
        struct in_addr a;
        if (sscanf(l, " nameserver %63s", address) != 1 || inet_pton(AF_INET, address, &a) != 1 ||
            (ntohl(a.s_addr) >> 24) == 127)
            continue;
        sl_str_addf(list, "%s%s", *n ? ", " : "", address);
        ++*n;
    }
}

static void ruleset(struct sl_str *s)
{
    struct sl_str dns = {0};
    size_t n = 0;
    add_resolvers("/etc/resolv.conf", &dns, &n);
    add_resolvers("/run/systemd/resolve/resolv.conf", &dns, &n);
    if (!n)
        sl_str_add(&dns, "8.8.8.8, 8.8.4.4"); // what the engine falls back to
    sl_str_addf(
        s,
        "table inet " SL_BUILD_NETWORK "\n"
        "delete table inet " SL_BUILD_NETWORK "\n"
        "table inet " SL_BUILD_NETWORK " {\n"
        "  set resolvers { type ipv4_addr; flags interval; auto-merge; elements = { %s } }\n"
        "  set closed { type ipv4_addr; flags interval; elements = {\n"
        "    0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12,\n"
        "    192.168.0.0/16, 198.18.0.0/15, 224.0.0.0/4, 240.0.0.0/4 } }\n"
        "  chain out {\n"
        "    ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 accept\n"
        "    meta nfproto ipv6 counter reject with icmpx admin-prohibited\n"
        "    ip daddr @closed counter reject with icmpx admin-prohibited\n"
        "    tcp dport { 80, 443 } accept\n"
        "    counter reject with icmpx admin-prohibited\n"
        "  }\n"
        "  chain forward {\n"
        "    type filter hook forward priority -10; policy accept;\n"
        "    iifname \"" BRIDGE "\" jump out\n"
        "    oifname \"" BRIDGE "\" ct state established,related accept\n"
        "    oifname \"" BRIDGE "\" counter drop\n"
        "  }\n"
        "  chain input {\n"
        "    type filter hook input priority -10; policy accept;\n"
        "    iifname \"" BRIDGE
        "\" ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 accept\n"
        "    iifname \"" BRIDGE "\" counter drop\n"
        "  }\n"
        "}\n",
        sl_str_text(&dns));
    sl_str_done(&dns);
}

static bool filter_on(struct sl_error *err)
{
    struct sl_str rules = {0};
    ruleset(&rules);
    const char *argv[] = {"nft", "-f", "-", NULL};
    struct sl_proc_options opt = {
        .input = sl_str_text(&rules), .input_len = rules.len, .deadline_ns = NFT_NS};
    bool ok = sl_proc_run(argv, &opt, err);
    sl_str_done(&rules);
    if (!ok && err && err->code != SL_EINTR) {
        err->code = SL_EENV;
        sl_within(err,
                  "building without the filter that strangers' builds are kept under is refused");
        sl_hint(err, "run as root with nftables installed (apt install nftables)");
    }
    return ok;
}

static bool network_on(struct sl_engine *e, struct sl_error *err)
{
    SL_AUTO(sl_json_decref)
    json_t *body = json_pack(
        "{s:s, s:s, s:b, s:b, s:{s:s, s:s}, s:{s:s}}", "Name", SL_BUILD_NETWORK, "Driver", "bridge",
        "CheckDuplicate", 1, "EnableIPv6", 0, "Options", "com.docker.network.bridge.name", BRIDGE,
        "com.docker.network.bridge.enable_icc", "false", "Labels", "sluice.build", "1");
    int status;
    json_t *reply = NULL;
    if (!sl_engine_request(e, "POST", "/networks/create", body, &status, &reply, err))
        return false;
    bool ok = status / 100 == 2 || status == 409; // 409: it is there already
    if (!ok)
        sl_fail(err, SL_ERUN, "the Docker Engine will not make the network for builds: %s",
                sl_json_str(reply, "message", "no reason given"));
    json_decref(reply);
    if (ok && !if_nametoindex(BRIDGE)) {
        ok = sl_fail(err, SL_EENV,
                     "the engine's bridges are not in this network namespace, so that "
                     "strangers' builds cannot be filtered");
        sl_hint(
            err,
            "run Sluice where the engine runs, not through a virtual machine or another namespace");
    }
    return ok;
}

static bool remove_network(struct sl_engine *e, struct sl_error *err)
{
    for (int attempt = 0; attempt < 50;
         attempt++) { // a stopped build's container takes a moment to go
        if (sl_engine_network_remove(e, SL_BUILD_NETWORK, err))
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    }
    return false;
}

static void off(struct sl_engine *e)
{
    struct sl_error err = {0};
    if (!remove_network(e, &err)) {
        sl_debug("the network for builds stays: %s", err.msg); // then its filter stays as well
        return;
    }
    const char *argv[] = {"nft", "delete", "table", "inet", SL_BUILD_NETWORK, NULL};
    struct sl_proc_options opt = {.deadline_ns = NFT_NS, .ignore_interrupt = true};
    if (!sl_proc_run(argv, &opt, &err))
        sl_debug("the filter for builds stays: %s", err.msg);
}

static int lock_file(const char *name, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *dir = sl_path_run();
    SL_AUTO(sl_free_str) char *path = sl_path_join(dir, name);
    if (!sl_mkdirs(dir, err))
        return -1;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        int why = errno;
        sl_fail(err, SL_ERUN, "cannot open '%s': %s", path, strerror(why));
    }
    return fd;
}

// Waits for the short lock of who enters or leaves.
static bool hold(int fd, struct sl_error *err)
{
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return sl_fail(err, SL_ERUN, "cannot lock the builds' network: %s", strerror(errno));
        if (!sl_sleep_ns(20000000))
            return sl_fail(err, SL_EINTR, "interrupted while waiting for another build to start");
    }
    return true;
}

// What a build that was killed left behind; a build that runs keeps its own.
void sl_images_sweep_builds(struct sl_engine *e)
{
    struct sl_error ignored = {0};
    SL_AUTO(sl_close_fd) int setup = lock_file("build-setup.lock", &ignored);
    SL_AUTO(sl_close_fd) int users = setup < 0 ? -1 : lock_file("build-users.lock", &ignored);
    if (users >= 0 && !flock(setup, LOCK_EX | LOCK_NB) && !flock(users, LOCK_EX | LOCK_NB))
        off(e);
}

bool sl_build_net_enter(struct sl_engine *e, struct sl_build_net *net, struct sl_error *err)
{
    struct sl_build_net n = {.setup = lock_file("build-setup.lock", err), .users = -1};
    if (n.setup >= 0)
        n.users = lock_file("build-users.lock", err);
    bool ok = n.users >= 0 && hold(n.setup, err);
    // The filter first: the bridge never forwards a packet without it.
    ok = ok && filter_on(err) && network_on(e, err);
    if (ok && flock(n.users, LOCK_SH))
        ok = sl_fail(err, SL_ERUN, "cannot lock the builds' network: %s", strerror(errno));
    if (!ok) {
        sl_close_fd(&n.setup);
        sl_close_fd(&n.users);
        return false;
    }
    flock(n.setup, LOCK_UN);
    *net = n;
    return true;
}

void sl_build_net_leave(struct sl_engine *e, struct sl_build_net *net)
{
    while (flock(net->setup, LOCK_EX) && errno == EINTR) // held for moments only
        ;
    flock(net->users, LOCK_UN);
    if (flock(net->users, LOCK_EX | LOCK_NB) == 0)
        off(e);
    sl_close_fd(&net->users);
    sl_close_fd(&net->setup);
    net->users = net->setup = -1;
}
