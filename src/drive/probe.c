// SPDX-License-Identifier: Apache-2.0
#include "drive/probe.h"
#include "base/auto.h"
#include "base/clock.h"
#include "drive/confine.h"
#include "drive/drive.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

// Indices travel from the child to the parent, so this is also the set of possible answers.
static const char *const names[] = {"",     "http",      "postgresql", "mysql", "redis", "amqp",
                                    "mqtt", "memcached", "ssh",        "smtp",  "ftp",   "tls",
                                    "nats", "mongodb",   "pop3",       "imap",  "vnc"};
enum { N_NAMES = sizeof names / sizeof names[0] };

static bool begins(const uint8_t *p, size_t len, const char *text)
{
    size_t n = strlen(text);
    return len >= n && !memcmp(p, text, n);
}

static bool holds(const uint8_t *p, size_t len, const char *text)
{
    return memmem(p, len, text, strlen(text)) != NULL;
}

// MySQL's greeting: length (3 bytes), sequence 0, protocol 10 or an error packet.
static bool mysql_greeting(const uint8_t *p, size_t len)
{
    if (len < 6 || p[3] != 0 || p[2] != 0)
        return false;
    size_t body = p[0] | (size_t)p[1] << 8;
    return body >= 3 && ((p[4] == 10 && p[5] >= '0' && p[5] <= '9') || p[4] == 0xff);
}

static const char *of_banner(const uint8_t *p, size_t len)
{
    static const struct {
        const char *start, *name;
    } known[] = {{"SSH-", "ssh"},    {"RFB ", "vnc"},      {"+OK", "pop3"},
                 {"* OK", "imap"},   {"INFO {", "nats"},   {"HTTP/", "http"},
                 {"+PONG", "redis"}, {"-NOAUTH", "redis"}, {"-DENIED", "redis"},
                 {"-ERR", "redis"},  {"-LOADING", "redis"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (begins(p, len, known[i].start))
            return known[i].name;
    if (mysql_greeting(p, len))
        return "mysql";
    if (begins(p, len, "220"))
        return holds(p, len, "SMTP") || holds(p, len, "smtp") ? "smtp" : "ftp";
    return "";
}

const char *sl_probe_answer(enum sl_question q, const uint8_t *p, size_t len)
{
    if (begins(p, len, "AMQP")) // whatever it was asked, it wants another protocol header
        return "amqp";
    if (len >= 3 && p[0] == 0x15 && p[1] == 3 && p[2] <= 4)
        return "tls"; // an alert record
    if (q == SL_ASK_POSTGRESQL && len >= 1 && (p[0] == 'S' || p[0] == 'N' || p[0] == 'E'))
        return len == 1 || p[0] == 'E' ? "postgresql" : "";
    if (q == SL_ASK_MEMCACHED && begins(p, len, "VERSION "))
        return "memcached";
    if (q == SL_ASK_MQTT && len >= 4 && p[0] == 0x20 && p[1] == 2)
        return "mqtt";
    if (q == SL_ASK_HTTP && holds(p, len, "MongoDB over HTTP"))
        return "mongodb";
    if (q == SL_ASK_HTTP && begins(p, len, "ERROR\r\n"))
        return "memcached";
    return of_banner(p, len);
}

const void *sl_probe_question(enum sl_question q, size_t *len)
{
    static const char http[] = "GET / HTTP/1.0\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
    static const char redis[] = "*1\r\n$4\r\nPING\r\n";
    static const char postgresql[] = "\0\0\0\x08\x04\xd2\x16\x2f"; // SSLRequest 80877103
    static const char memcached[] = "version\r\n";
    static const char mqtt[] = "\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0"; // CONNECT, clean session
    static const struct {
        const char *bytes;
        size_t len;
    } all[SL_QUESTIONS] = {
        [SL_ASK_NOTHING] = {"", 0},
        [SL_ASK_HTTP] = {http, sizeof http - 1},
        [SL_ASK_REDIS] = {redis, sizeof redis - 1},
        [SL_ASK_POSTGRESQL] = {postgresql, sizeof postgresql - 1},
        [SL_ASK_MEMCACHED] = {memcached, sizeof memcached - 1},
        [SL_ASK_MQTT] = {mqtt, sizeof mqtt - 1},
    };
    *len = all[q].len;
    return all[q].bytes;
}

// The child: system calls only, from here to ask_around().

struct asker {
    struct sockaddr_in to;
    int64_t end_ns;
};

static int wait_for(int fd, short events, int64_t until_ns)
{
    int64_t left_ms = (until_ns - sl_mono_ns()) / 1000000;
    struct pollfd p = {.fd = fd, .events = events};
    return left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
}

static int dial(const struct asker *a)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int why = 0;
    socklen_t len = sizeof why;
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&a->to, sizeof a->to) && errno == EINPROGRESS) {
        if (wait_for(fd, POLLOUT, a->end_ns) > 0 &&
            !getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) && !why)
            return fd;
    } else if (errno == 0) {
        return fd;
    }
    close(fd);
    return -1;
}

// Reads until something fits, the server closes, or it is late.
static const char *hear(int fd, enum sl_question q, int64_t until_ns)
{
    uint8_t buf[1024];
    size_t have = 0;
    while (have < sizeof buf && wait_for(fd, POLLIN, until_ns) > 0) {
        ssize_t n = recv(fd, buf + have, sizeof buf - have, 0);
        if (n <= 0)
            break;
        have += (size_t)n;
        const char *name = sl_probe_answer(q, buf, have);
        // "HTTP/" may yet turn out to be MongoDB's apology, and "220 " an SMTP server's.
        bool sure = strcmp(name, "http") && strcmp(name, "ftp");
        if (name[0] && (sure || have > 200))
            return name;
    }
    return have ? sl_probe_answer(q, buf, have) : "";
}

static const char *ask(const struct asker *a, enum sl_question q)
{
    static const int64_t ms = 1000000;
    SL_AUTO(sl_close_fd) int fd = dial(a);
    if (fd < 0)
        return "";
    int64_t now = sl_mono_ns();
    if (q == SL_ASK_NOTHING)
        return hear(fd, q, now + 300 * ms);
    size_t len;
    const void *text = sl_probe_question(q, &len);
    int64_t until = now + (q == SL_ASK_HTTP ? 1000 : 400) * ms; // pages may be slow to build
    if (send(fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        return "";
    return hear(fd, q, until < a->end_ns ? until : a->end_ns);
}

// Begins with what is usual on the port, which keeps complaints out of most servers' logs.
static enum sl_question usual(uint16_t port)
{
    return port == 5432    ? SL_ASK_POSTGRESQL
           : port == 6379  ? SL_ASK_REDIS
           : port == 11211 ? SL_ASK_MEMCACHED
           : port == 1883  ? SL_ASK_MQTT
                           : SL_ASK_NOTHING;
}

static int ask_around(void *ctx)
{
    const struct asker *a = ctx;
    enum sl_question start = usual(ntohs(a->to.sin_port));
    const char *name = start ? ask(a, start) : "";
    for (int q = 0; q < SL_QUESTIONS && !name[0] && sl_mono_ns() < a->end_ns; q++)
        if (!q || q != (int)start)
            name = ask(a, (enum sl_question)q);
    for (uint8_t i = 0; i < N_NAMES; i++) {
        if (!strcmp(names[i], name)) {
            ssize_t n = write(1, &i, 1);
            (void)n;
            break;
        }
    }
    return 0;
}

bool sl_drive_probe(int netns, uint32_t ipv4, uint16_t port, const char **protocol,
                    struct sl_error *err)
{
    struct asker a = {.end_ns = sl_mono_ns() + 3000000000,
                      .to = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr = {.s_addr = htonl(ipv4)}}};
    int said[2];
    SL_AUTO(sl_close_fd) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || pipe2(said, O_CLOEXEC))
        return sl_fail(err, SL_ERUN, "cannot make a pipe: %s", strerror(errno));
    SL_AUTO(sl_close_fd) int in = said[0];
    struct sl_confine c = {.netns = netns,
                           .stdin_fd = null,
                           .stdout_fd = said[1],
                           .run = ask_around,
                           .ctx = &a,
                           .max_files = 32,
                           .max_address_bytes = UINT64_MAX};
    pid_t pid = 0;
    bool ok = sl_confine_start(&c, &pid, err);
    close(said[1]);
    if (!ok)
        return sl_within(err, "probing port %u", port);
    uint8_t which = 0;
    if (wait_for(in, POLLIN, a.end_ns + 500000000) <= 0 || read(in, &which, 1) != 1 ||
        which >= N_NAMES)
        which = 0;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *protocol = names[which];
    return true;
}
