// SPDX-License-Identifier: Apache-2.0
// A driver in a namespace of its own: it finds servers through 127.0.0.11 and nothing else.
#include "base/auto.h"
#include "base/clock.h"
#include "drive/drive.h"
#include "lab.h"
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint32_t server_addr = 0x0a090002; // 10.9.0.2

// The engine's name service, as far as needed: "web" is 10.9.0.2 (type A), all else is unknown.
static void *name_service(void *arg)
{
    int fd = *(int *)arg;
    for (;;) {
        unsigned char q[512], from[128];
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(fd, q, sizeof q - 16, 0, (struct sockaddr *)from, &len);
        if (n < 17)
            continue;
        bool web = n >= 21 && !memcmp(q + 12, "\3web\0", 5);
        bool a = web && q[18] == 1;
        q[2] = 0x81; // a response
        q[3] = web ? 0x80 : 0x83;
        q[6] = 0;
        q[7] = a; // answers
        memset(q + 8, 0, 4);
        size_t end = web ? 21 : (size_t)n;
        if (a) { // name: a pointer to the question's; A, IN, 60 s, 4 bytes
            memcpy(q + end, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\x09\0\2", 16);
            end += 16;
        }
        sendto(fd, q, end, 0, (struct sockaddr *)from, len);
    }
    return NULL;
}

static void *web_service(void *arg)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    int listener = *(int *)arg;
    for (;;) { // one user, one connection
        SL_AUTO(sl_close_fd) int fd = accept(listener, NULL, NULL);
        char buf[4096];
        while (fd >= 0 && recv(fd, buf, sizeof buf, 0) > 0)
            if (send(fd, reply, sizeof reply - 1, MSG_NOSIGNAL) < 0)
                break;
    }
    return NULL;
}

static bool wait_ready(struct sl_drive *d, double seconds)
{
    int64_t end = sl_mono_ns() + (int64_t)(seconds * 1e9);
    while (sl_mono_ns() < end && !sl_drive_ready(d)) {
        struct pollfd p = {.fd = sl_drive_fd(d), .events = POLLIN};
        struct sl_error err = {0};
        if (poll(&p, 1, 50) > 0)
            lab_need(sl_drive_poll(d, &err), &err);
    }
    return sl_drive_ready(d);
}

static struct sl_drive *start(int ns, const char *host)
{
    struct sl_error err = {0};
    struct sl_drive_spec s = {.protocol = "http",
                              .host = host,
                              .port = 80,
                              .seed = 1,
                              .users = 1,
                              .rate = 20,
                              .keep_alive = true};
    struct sl_drive *d = sl_drive_start(&s, ns, &err);
    lab_need(d != NULL, &err);
    return d;
}

static bool has_no_rights(pid_t pid)
{
    char path[64], text[8192];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    SL_AUTO(sl_close_file) FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    return strstr(text, "\nCapEff:\t0000000000000000\n") &&
           strstr(text, "\nCapBnd:\t0000000000000000\n") && strstr(text, "\nNoNewPrivs:\t1\n");
}

static void check(bool ok, const char *what)
{
    printf("%s: %s\n", ok ? "ok" : "FAILED", what);
    if (!ok)
        exit(1);
}

int main(void)
{
    lab_enter();
    struct lab_pair pair = lab_pair("drv", "web");
    int dns = lab_udp(pair.a, 0x7f00000b, 53);
    int web = lab_listen(pair.b, server_addr, 80);
    pthread_t threads[2];
    if (pthread_create(&threads[0], NULL, name_service, &dns) ||
        pthread_create(&threads[1], NULL, web_service, &web))
        return 1;

    struct sl_drive *d = start(pair.a, "web");
    check(wait_ready(d, 5), "a name of the engine's is found and driven");
    check(has_no_rights(sl_drive_pid(d)), "the child has no capability left");
    sl_drive_stop(d);

    char host[256] = "";
    gethostname(host, sizeof host - 1);
    struct sl_drive *other = start(pair.a, host[0] ? host : "nowhere");
    check(!wait_ready(other, 1.5), "a name of this machine's is not");
    sl_drive_stop(other);

    const char *name = "?";
    struct sl_error err = {0};
    lab_need(sl_drive_probe(pair.a, server_addr, 80, &name, &err), &err);
    check(!strcmp(name, "http"), "the probe works from inside the namespace");
    return 0;
}
