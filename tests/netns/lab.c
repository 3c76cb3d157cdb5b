// SPDX-License-Identifier: Apache-2.0
#include "lab.h"
#include "base/fs.h"
#include "netns/netns.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void skip(const char *what)
{
    printf("skipped: %s: %s (needs root or unprivileged user namespaces)\n", what, strerror(errno));
    exit(77);
}

static bool put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

static void become_root_in_user_namespace(void)
{
    char uid[40], gid[40];
    snprintf(uid, sizeof uid, "0 %u 1", geteuid());
    snprintf(gid, sizeof gid, "0 %u 1", getegid());
    if (unshare(CLONE_NEWUSER))
        skip("a user namespace");
    if (!put("/proc/self/setgroups", "deny") || !put("/proc/self/uid_map", uid) ||
        !put("/proc/self/gid_map", gid))
        skip("becoming root of a user namespace");
}

void lab_enter(void)
{
    if (geteuid() != 0 || getenv("LAB_USER_NAMESPACE"))
        become_root_in_user_namespace();
    if (unshare(CLONE_NEWNS | CLONE_NEWNET))
        skip("namespaces of mounts and network");
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("lab", "/run", "tmpfs", 0, "mode=0755"))
        skip("a /run of our own");
}

void lab_need(bool ok, const struct sl_error *err)
{
    if (ok)
        return;
    fprintf(stderr, "error: %s\n%s%s\n", err->msg, err->hint[0] ? "hint: " : "", err->hint);
    exit(1);
}

int lab_ns(const char *name)
{
    struct sl_error err = {0};
    int fd = -1;
    lab_need(sl_netns_create(name, &err) && sl_netns_open(name, &fd, &err), &err);
    return fd;
}

struct lab_pair lab_pair(const char *name_a, const char *name_b)
{
    struct sl_error err = {0};
    struct lab_pair p = {.a = lab_ns(name_a), .b = lab_ns(name_b)};
    lab_need(sl_link_veth(p.a, "a0", p.b, "b0", &err) &&
                 sl_link_address(p.a, "a0", 0x0a090001, 24, &err) &&
                 sl_link_address(p.b, "b0", 0x0a090002, 24, &err),
             &err);
    return p;
}

struct order {
    int domain, type, fd;
    bool listening, connecting;
    struct sockaddr_storage addr;
    socklen_t len;
    const char *ifname;
    uint64_t ifindex;
};

static bool carry_out(void *ctx, struct sl_error *err)
{
    struct order *o = ctx;
    int one = 1;
    if (o->ifname)
        o->ifindex = if_nametoindex(o->ifname);
    if (!o->type)
        return true;
    o->fd = socket(o->domain, o->type | SOCK_CLOEXEC, 0);
    if (o->fd < 0)
        return sl_fail(err, SL_ERUN, "socket: %s", strerror(errno));
    if (o->domain == AF_PACKET)
        ((struct sockaddr_ll *)&o->addr)->sll_ifindex = (int)o->ifindex;
    setsockopt(o->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    const struct sockaddr *sa = (const struct sockaddr *)&o->addr;
    if (o->connecting ? connect(o->fd, sa, o->len) : bind(o->fd, sa, o->len))
        return sl_fail(err, SL_ERUN, "bind or connect: %s", strerror(errno));
    if (o->listening && listen(o->fd, 16))
        return sl_fail(err, SL_ERUN, "listen: %s", strerror(errno));
    return true;
}

static int order(int ns, struct order *o)
{
    struct sl_error err = {0};
    lab_need(sl_netns_run(ns, carry_out, o, &err), &err);
    return o->fd;
}

static struct order inet_order(int type, uint32_t addr, uint16_t port)
{
    struct order o = {.domain = AF_INET, .type = type, .len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)&o.addr;
    *in = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(addr)};
    return o;
}

int lab_udp(int ns, uint32_t addr, uint16_t port)
{
    struct order o = inet_order(SOCK_DGRAM, addr, port);
    return order(ns, &o);
}

int lab_udp_send(int fd, uint32_t addr, uint16_t port, size_t bytes)
{
    static const char zeros[65536];
    struct order o = inet_order(SOCK_DGRAM, addr, port);
    ssize_t n = sendto(fd, zeros, bytes, 0, (struct sockaddr *)&o.addr, o.len);
    return n < 0 ? errno : 0;
}

bool lab_udp_arrives(int fd, int wait_ms)
{
    char buf[65536];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, wait_ms) == 1 && recv(fd, buf, sizeof buf, MSG_DONTWAIT) >= 0;
}

int lab_listen(int ns, uint32_t addr, uint16_t port)
{
    struct order o = inet_order(SOCK_STREAM, addr, port);
    o.listening = true;
    return order(ns, &o);
}

int lab_connect(int ns, uint32_t addr, uint16_t port)
{
    struct order o = inet_order(SOCK_STREAM, addr, port);
    o.connecting = true;
    return order(ns, &o);
}

int lab_raw(int ns, const char *ifname)
{
    struct order o = {
        .domain = AF_PACKET, .type = SOCK_RAW, .ifname = ifname, .len = sizeof(struct sockaddr_ll)};
    *(struct sockaddr_ll *)&o.addr = (struct sockaddr_ll){.sll_family = AF_PACKET};
    return order(ns, &o);
}

uint64_t lab_ifindex(int ns, const char *ifname)
{
    struct order o = {.ifname = ifname};
    order(ns, &o);
    return o.ifindex;
}
