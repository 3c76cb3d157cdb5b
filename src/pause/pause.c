// SPDX-License-Identifier: Apache-2.0
/*
 * sluice-pause: the only process of a holder container. It owns a network namespace by living in
 * it, reaps what is left to it, and answers every name query at once with "no such name"
 * (pause/dns.h), printing each asked name once as "dns NAME TYPE".
 *
 * Resolver  127.0.0.53:53, UDP and TCP, bound before anything else runs in the namespace. Both
 * sockets allow address reuse. Where a service is itself a name server that wants port 53 on every
 *           address, give --no-dns (or set SLUICE_PAUSE_DNS=off): TCP listeners cannot be shared.
 *           A port that is taken is no error: the holder goes on without.
 * Ends      on SIGTERM or SIGINT, with status 0.
 * Limits    static, no allocation, at most 8 TCP clients, each dropped after 5 s.
 */
#include "pause/dns.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 53, MAX_CLIENTS = 8, CLIENT_SECONDS = 5, MAX_QUERY = 1024 };

struct client { // one TCP connection; messages have a length of two bytes in front
    int fd;     // -1 = free
    time_t until;
    size_t len;
    uint8_t buf[2 + MAX_QUERY];
};

static struct client clients[MAX_CLIENTS];
static struct sl_dns_seen seen;

static time_t now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

static int listen_on(int type)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    at.sin_addr.s_addr = htonl(0x7f000035); // 127.0.0.53
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) ||
        (type == SOCK_STREAM && listen(fd, MAX_CLIENTS))) {
        close(fd);
        return -1;
    }
    return fd;
}

static void say(const char *text)
{
    size_t n = strlen(text);
    while (n) {
        ssize_t k = write(STDOUT_FILENO, text, n);
        if (k <= 0)
            return; // nobody listens: the log is a courtesy
        text += k;
        n -= (size_t)k;
    }
}

static size_t answer(const uint8_t *msg, size_t len, uint8_t reply[SL_DNS_MAX_REPLY])
{
    struct sl_dns_question q;
    bool known;
    size_t n = sl_dns_answer(msg, len, reply, &q, &known);
    if (known && sl_dns_first_time(&seen, &q)) {
        char line[SL_DNS_NAME_TEXT + 20], type[10];
        strcpy(line, "dns ");
        strcat(line, q.name);
        strcat(line, " ");
        strcat(line, sl_dns_type_name(q.type, type));
        strcat(line, "\n");
        say(line);
    }
    return n;
}

static void serve_udp(int fd)
{
    for (int i = 0; i < 64; i++) { // then look at the other sockets again
        uint8_t msg[MAX_QUERY], reply[SL_DNS_MAX_REPLY];
        struct sockaddr_in from;
        socklen_t from_len = sizeof from;
        ssize_t n = recvfrom(fd, msg, sizeof msg, 0, (struct sockaddr *)&from, &from_len);
        if (n < 0)
            return;
        size_t k = answer(msg, (size_t)n, reply);
        if (k)
            sendto(fd, reply, k, MSG_NOSIGNAL, (struct sockaddr *)&from, from_len);
    }
}

static void drop(struct client *c)
{
    close(c->fd);
    c->fd = -1;
    c->len = 0;
}

static void take_client(int fd)
{
    int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (got < 0)
        return;
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        if (clients[i].fd < 0) {
            clients[i] = (struct client){.fd = got, .until = now_s() + CLIENT_SECONDS};
            return;
        }
    }
    close(got);
}

static void serve_client(struct client *c)
{
    ssize_t n = recv(c->fd, c->buf + c->len, sizeof c->buf - c->len, 0);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            drop(c);
        return;
    }
    c->len += (size_t)n;
    for (;;) {
        size_t want = c->len < 2 ? 0 : (size_t)(c->buf[0] << 8 | c->buf[1]);
        if (want > MAX_QUERY) {
            drop(c);
            return;
        }
        if (c->len < 2 || c->len < 2 + want)
            return;
        uint8_t out[2 + SL_DNS_MAX_REPLY];
        size_t k = answer(c->buf + 2, want, out + 2);
        out[0] = (uint8_t)(k >> 8);
        out[1] = (uint8_t)k;
        if (!k || send(c->fd, out, k + 2, MSG_NOSIGNAL) != (ssize_t)(k + 2)) {
            drop(c);
            return;
        }
        c->len -= 2 + want;
        memmove(c->buf, c->buf + 2 + want, c->len);
    }
}

// Children end up here when their parents die first: we are process 1.
static bool signalled_to_end(int fd)
{
    struct signalfd_siginfo si;
    bool end = false;
    while (read(fd, &si, sizeof si) == (ssize_t)sizeof si)
        end |= si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    return end;
}

static void serve(int signals, int udp, int tcp)
{
    for (;;) {
        struct pollfd p[3 + MAX_CLIENTS] = {{.fd = signals, .events = POLLIN},
                                            {.fd = udp, .events = POLLIN},
                                            {.fd = tcp, .events = POLLIN}};
        bool any = false;
        for (size_t i = 0; i < MAX_CLIENTS; i++) {
            p[3 + i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
            any |= clients[i].fd >= 0;
        }
        poll(p, 3 + MAX_CLIENTS, any ? 1000 : -1);
        if (p[0].revents && signalled_to_end(signals))
            return;
        for (size_t i = 0; i < MAX_CLIENTS; i++) {
            if (clients[i].fd >= 0 && p[3 + i].revents)
                serve_client(&clients[i]);
            if (clients[i].fd >= 0 && now_s() > clients[i].until)
                drop(&clients[i]);
        }
        if (p[1].revents)
            serve_udp(udp);
        if (p[2].revents)
            take_client(tcp);
    }
}

int main(int argc, char **argv)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    const char *env = getenv("SLUICE_PAUSE_DNS");
    bool dns = !(env && !strcmp(env, "off"));
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--no-dns"))
            dns = false;
    for (size_t i = 0; i < MAX_CLIENTS; i++)
        clients[i].fd = -1;
    int udp = dns ? listen_on(SOCK_DGRAM) : -1, tcp = dns ? listen_on(SOCK_STREAM) : -1;
    if (dns && udp < 0)
        say("resolver: port 53 is taken; names are not answered here\n");
    if (signals < 0)
        return 1;
    serve(signals, udp, tcp);
    return 0;
}
