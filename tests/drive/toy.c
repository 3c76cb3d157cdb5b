// SPDX-License-Identifier: Apache-2.0
#include "toy.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    enum toy_kind kind;
    uint16_t other;
    struct toy_counts *counts;
} self;

struct conn {
    int fd;
};

static bool put(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool reply(int fd, int status, const char *type, const char *body)
{
    char head[256];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                     "Set-Cookie: s=1\r\n\r\n",
                     status, type, strlen(body));
    return put(fd, head, (size_t)n) && put(fd, body, strlen(body));
}

static bool redirect(int fd, const char *to)
{
    char head[256];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 302 X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", to);
    return put(fd, head, (size_t)n);
}

static bool good(int fd, const char *path)
{
    static const char page[] = "<html><link rel=stylesheet href=/style.css><a href=/one>1</a>"
                               "<a href=/two>2</a><form action=/send method=post>"
                               "<input type=hidden name=token value=t><input name=q></form>";
    if (!strcmp(path, "/style.css")) {
        atomic_fetch_add(&self.counts->assets, 1);
        return reply(fd, 200, "text/css", "body{}");
    }
    bool known = !strcmp(path, "/") || !strcmp(path, "/one") || !strcmp(path, "/two") ||
                 !strcmp(path, "/send");
    return reply(fd, known ? 200 : 404, "text/html", known ? page : "no");
}

static bool api(int fd, const char *path)
{
    if (!strcmp(path, "/openapi.json"))
        return reply(fd, 200, "application/json", "{\"paths\":{\"/items/{id}\":{}}}");
    bool known = !strcmp(path, "/items/1");
    return reply(fd, known ? 200 : 404, "application/json", known ? "{\"gold\":1}" : "{}");
}

static bool flood(int fd, const char *head, const char *unit)
{
    char block[4096];
    size_t n = 0, len = strlen(unit);
    for (; n + len < sizeof block; n += len)
        memcpy(block + n, unit, len);
    bool ok = put(fd, head, strlen(head));
    while (ok)
        ok = put(fd, block, n);
    return false;
}

static bool drip(int fd)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (size_t i = 0; i < sizeof text - 1 && put(fd, text + i, 1); i++)
        usleep(500000);
    return false;
}

// Stored blocks would not be small, so: one deflate block of fixed codes would need a compressor;
// gzip(1) is everywhere.
static bool bomb(int fd)
{
    static char z[256 << 10];
    FILE *f = popen("head -c 67108864 /dev/zero | gzip -9", "re");
    size_t n = f ? fread(z, 1, sizeof z, f) : 0;
    if (f)
        pclose(f);
    char head[160];
    int h = snprintf(head, sizeof head,
                     "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", n);
    return put(fd, head, (size_t)h) && put(fd, z, n);
}

static bool answer(int fd, const char *path)
{
    static const char garbage[] = "\x01\xff\0garbage\r\n\r\nmore";
    char to[64];
    switch (self.kind) {
    case TOY_GOOD:
        return good(fd, path);
    case TOY_JSON:
        return api(fd, path);
    case TOY_GARBAGE:
        put(fd, garbage, sizeof garbage);
        return false;
    case TOY_ENDLESS:
        return flood(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", "<a href=x>");
    case TOY_HEADERS:
        return flood(fd, "HTTP/1.1 200 OK\r\n", "X-More: and more\r\n");
    case TOY_LORIS:
        return drip(fd);
    case TOY_SHUT:
        return false;
    case TOY_SILENT:
        pause();
        return false;
    case TOY_TO_FILE:
        return redirect(fd, "file:///etc/passwd");
    case TOY_TO_OTHER:
        snprintf(to, sizeof to, "http://127.0.0.2:%u/stolen", self.other);
        return redirect(fd, to);
    case TOY_BOMB:
        return bomb(fd);
    default:
        return false;
    }
}

// One request off the connection, its body too. False at the end.
static bool take(int fd, char *path, size_t size)
{
    char buf[16384];
    size_t have = 0;
    char *end = NULL;
    while (!end) {
        ssize_t n = recv(fd, buf + have, sizeof buf - 1 - have, 0);
        if (n <= 0)
            return false;
        have += (size_t)n;
        buf[have] = '\0';
        end = strstr(buf, "\r\n\r\n");
    }
    const char *length = strcasestr(buf, "content-length:");
    size_t want = (size_t)(end + 4 - buf) + (length ? strtoul(length + 15, NULL, 10) : 0);
    while (have < want && have < sizeof buf) {
        ssize_t n = recv(fd, buf + have, sizeof buf - have, 0);
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    atomic_fetch_add(&self.counts->requests, 1);
    if (!strncmp(buf, "POST ", 5))
        atomic_fetch_add(&self.counts->posts, 1);
    char *start = strchr(buf, ' ');
    if (!start)
        return false;
    start++;
    snprintf(path, size, "%.*s", (int)strcspn(start, " ?"), start);
    return true;
}

static bool get(int fd)
{
    char buf[65536];
    return recv(fd, buf, sizeof buf, 0) > 0;
}

static void noise(int fd)
{
    uint32_t x = 0x9e3779b9u + (uint32_t)fd;
    for (;;) {
        uint32_t block[1024];
        for (size_t i = 0; i < sizeof block / sizeof *block; i++)
            block[i] = x = x * 1664525u + 1013904223u;
        if (!put(fd, block, sizeof block))
            return;
    }
}

static void postgresql(int fd)
{
    // AuthenticationOk, ReadyForQuery
    static const char welcome[] = "R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    static const char copy[] = "G\0\0\0\x07\0\0\0"; // CopyInResponse, no columns
    if (!get(fd) || !put(fd, welcome, sizeof welcome - 1) || !get(fd))
        return;
    if (self.kind == TOY_PG_HUGE)
        flood(fd, "D?\xff\xff\xff", "xxxxxxxxxxxxxxxx");
    else
        put(fd, copy, sizeof copy - 1);
    while (get(fd))
        ;
}

static void mysql(int fd)
{
    static const char greeting[] = "\x4a\0\0\0\x0a"
                                   "5.5.5-10.11.19-MariaDB\0"
                                   "\1\0\0\0"
                                   "abcdefgh\0"
                                   "\xfe\xf7\x21\2\0\xff\x81\x15\0\0\0\0\0\0\0\0\0\0"
                                   "abcdefghijkl\0mysql_native_password";
    static const char ok[] = "\7\0\0\2\0\0\0\2\0\0\0";
    static const char dialogue[] = "\x0f\0\0\2\xfe"
                                   "dialog\0\2Name:\0";
    static const char file[] = "\x0c\0\0\1\xfb/etc/passwd";
    char head[sizeof greeting];
    memcpy(head, greeting, sizeof greeting);
    head[0] = (char)(sizeof greeting - 4);
    if (!put(fd, head, sizeof greeting) || !get(fd))
        return;
    if (self.kind == TOY_MYSQL_PLUGIN) {
        put(fd, dialogue, sizeof dialogue);
        get(fd);
        return;
    }
    if (!put(fd, ok, sizeof ok - 1) || !get(fd) || !put(fd, file, sizeof file - 1))
        return;
    char buf[4096];
    ssize_t n = recv(fd, buf, sizeof buf, 0);
    if (n > 4) // more than the empty packet that ends a refused file
        atomic_fetch_add(&self.counts->stolen, 1);
}

// Answers at the level of TCP. False: this server speaks HTTP.
static bool raw(int fd)
{
    switch (self.kind) {
    case TOY_NOISE:
        noise(fd);
        return true;
    case TOY_REDIS_HUGE:
        if (get(fd))
            flood(fd, "*2147483647\r\n", ":1\r\n");
        return true;
    case TOY_REDIS_DEEP:
        if (get(fd))
            flood(fd, "", "*1\r\n");
        return true;
    case TOY_REDIS_LONG:
        if (get(fd))
            flood(fd, "$1073741824\r\n", "xxxxxxxxxxxxxxxx");
        return true;
    case TOY_PG_HUGE:
    case TOY_PG_COPY:
        postgresql(fd);
        return true;
    case TOY_MYSQL_FILE:
    case TOY_MYSQL_PLUGIN:
        mysql(fd);
        return true;
    default:
        return false;
    }
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char path[256];
    while (!raw(fd) && take(fd, path, sizeof path) && answer(fd, path))
        ;
    close(fd);
    return NULL;
}

static void run(int listener)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        int on = 1; // head and body are two sends: no waiting for an acknowledgement
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        atomic_fetch_add(&self.counts->connections, 1);
        pthread_t t;
        if (pthread_create(&t, NULL, serve, (void *)(intptr_t)fd))
            abort();
        pthread_detach(t);
    }
}

struct toy toy_start(enum toy_kind kind, uint16_t other_port)
{
    struct toy t = {0};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_ANY)}};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 512) ||
        getsockname(listener, (struct sockaddr *)&at, &len))
        abort();
    t.port = ntohs(at.sin_port);
    t.counts =
        mmap(NULL, sizeof *t.counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    self.kind = kind;
    self.other = other_port;
    self.counts = t.counts;
    t.pid = fork();
    if (t.pid == 0)
        run(listener);
    close(listener);
    return t;
}

void toy_stop(struct toy *t)
{
    kill(t->pid, SIGKILL);
    waitpid(t->pid, NULL, 0);
    munmap(t->counts, sizeof *t->counts);
}
