// SPDX-License-Identifier: Apache-2.0
/*
 * Each driver against the real server, started here as a process of ours on a loopback port with a
 * folder of its own under /tmp, and stopped by its process id. A server that is not installed, or
 * cannot be started by this user, is skipped (77) with the reason.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "drive/drive.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534 };
static char folder[64];
static uint16_t port;
static pid_t server;

static void tidy(void)
{
    if (server > 0) {
        kill(server, SIGTERM);
        for (int i = 0; i < 100 && waitpid(server, NULL, WNOHANG) == 0; i++) {
            usleep(50000);
            if (i == 60)
                kill(server, SIGKILL);
        }
    }
    if (folder[0] && !sl_remove_tree(folder, NULL))
        fprintf(stderr, "left behind: %s\n", folder);
}

static void skip(const char *why)
{
    printf("skipped: %s\n", why);
    exit(77);
}

static void check(bool ok, const char *what)
{
    printf("%s: %s\n", ok ? "ok" : "FAILED", what);
    if (!ok)
        exit(1);
}

static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) ||
        getsockname(fd, (struct sockaddr *)&at, &len))
        abort();
    close(fd);
    return ntohs(at.sin_port);
}

// Runs in the child: databases refuse to run as root.
static void become_nobody(void)
{
    if (geteuid() == 0 && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
        _exit(126);
}

static pid_t launch(bool unprivileged, const char *const *argv)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char log[96];
    snprintf(log, sizeof log, "%s/log", folder);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (unprivileged)
        become_nobody();
    dup2(fd, 1);
    dup2(fd, 2);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static bool run(bool unprivileged, const char *const *argv)
{
    int status = 0;
    return waitpid(launch(unprivileged, argv), &status, 0) > 0 && status == 0;
}

static void put_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    check(sl_write_file(path, text, strlen(text), NULL), name);
    chmod(path, 0644);
}

static void serve_nginx(void)
{
    if (!sl_proc_have("nginx"))
        skip("nginx is not installed");
    char conf[1024], path[128], page[2048] = "<html><a href=/a.html>a</a><a href=/b.html>b</a>";
    put_file("index.html", page);
    memset(page + 60, 'x', 1500);
    put_file("a.html", page);
    put_file("b.html", page);
    snprintf(conf, sizeof conf,
             "daemon off; master_process off; pid %s/pid; error_log %s/log;"
             "events {} http { access_log off; keepalive_requests 1000000;"
             "client_body_temp_path %s/1; proxy_temp_path %s/2; fastcgi_temp_path %s/3;"
             "uwsgi_temp_path %s/4; scgi_temp_path %s/5; types { text/html html; }"
             "server { listen 127.0.0.1:%u; root %s; } }\n",
             folder, folder, folder, folder, folder, folder, folder, port, folder);
    put_file("nginx.conf", conf);
    snprintf(path, sizeof path, "%s/nginx.conf", folder);
    server = launch(false, (const char *[]){"nginx", "-c", path, NULL});
}

static void serve_redis(void)
{
    if (!sl_proc_have("redis-server"))
        skip("redis-server is not installed");
    char number[8];
    snprintf(number, sizeof number, "%u", port);
    server = launch(true, (const char *[]){"redis-server", "--port", number, "--bind", "127.0.0.1",
                                           "--save", "", "--dir", folder, "--requirepass", "secret",
                                           NULL});
}

static const char *postgres_folder(void)
{
    static char bin[256];
    glob_t g;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &g) || !g.gl_pathc)
        skip("postgresql is not installed");
    snprintf(bin, sizeof bin, "%.*s", (int)(strrchr(g.gl_pathv[0], '/') - g.gl_pathv[0]),
             g.gl_pathv[0]);
    globfree(&g);
    return bin;
}

static void serve_postgresql(void)
{
    const char *bin = postgres_folder();
    char program[300], data[96], pw[96], file[128], number[16];
    snprintf(program, sizeof program, "%s/initdb", bin);
    snprintf(data, sizeof data, "%s/data", folder);
    put_file("pw", "secret\n");
    snprintf(pw, sizeof pw, "%s/pw", folder);
    snprintf(file, sizeof file, "--pwfile=%s", pw);
    if (!run(true, (const char *[]){program, "-D", data, "-U", "postgres", file, "-A",
                                    "scram-sha-256", "--no-sync", NULL}))
        skip("initdb does not run here");
    snprintf(program, sizeof program, "%s/postgres", bin);
    snprintf(number, sizeof number, "%u", port);
    server = launch(true, (const char *[]){program, "-D", data, "-p", number, "-c",
                                           "listen_addresses=127.0.0.1", "-c",
                                           "unix_socket_directories=", "-c", "fsync=off", NULL});
}

static void serve_mysql(void)
{
    if (!sl_proc_have("mariadbd") || !sl_proc_have("mariadb-install-db"))
        skip("mariadb-server is not installed");
    char data[96], dir[128], number[24], socket[128], init[128];
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(dir, sizeof dir, "--datadir=%s", data);
    mkdir(data, 0755);
    if (geteuid() == 0 && chown(data, NOBODY, NOBODY))
        skip("no right to give a folder away");
    if (!run(true, (const char *[]){"mariadb-install-db", "--no-defaults", dir, "--skip-test-db",
                                    "--auth-root-authentication-method=normal", NULL}))
        skip("mariadb-install-db does not run here");
    put_file("init.sql", "ALTER USER root@localhost IDENTIFIED BY 'secret';\n"
                         "CREATE DATABASE shop;\n"
                         "CREATE TABLE shop.items (id int primary key, name varchar(50));\n"
                         "INSERT INTO shop.items VALUES (1,'pan'),(2,'sieve');\n");
    snprintf(number, sizeof number, "--port=%u", port);
    snprintf(socket, sizeof socket, "--socket=%s/sock", data);
    snprintf(init, sizeof init, "--init-file=%s/init.sql", folder);
    server = launch(true, (const char *[]){"mariadbd", "--no-defaults", dir, number, socket, init,
                                           "--bind-address=127.0.0.1",
                                           "--innodb-flush-log-at-trx-commit=0", NULL});
}

static bool watch(struct sl_drive *d, double seconds, bool until_ready)
{
    int64_t end = sl_mono_ns() + (int64_t)(seconds * 1e9);
    while (sl_mono_ns() < end && !(until_ready && sl_drive_ready(d))) {
        struct pollfd p = {.fd = sl_drive_fd(d), .events = POLLIN};
        struct sl_error err = {0};
        if (poll(&p, 1, 20) > 0 && !sl_drive_poll(d, &err)) {
            printf("%s\n", err.msg);
            return false;
        }
    }
    return true;
}

static double cpu_s(void) // of drivers that have ended
{
    struct rusage r;
    getrusage(RUSAGE_CHILDREN, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

// Flat out for two seconds; the figures are for people, not for a threshold.
static void measure(const struct sl_drive_spec *at_rate)
{
    struct sl_drive_spec s = *at_rate;
    struct sl_drive_stats before, after;
    s.users = 20;
    s.rate = 0;
    double cpu = cpu_s();
    struct sl_drive *d = sl_drive_start(&s, -1, NULL);
    check(d && watch(d, 20, true) && watch(d, 1.1, false), "flat out");
    sl_drive_read(d, &before);
    watch(d, 2, false);
    sl_drive_read(d, &after);
    sl_drive_stop(d);
    cpu = cpu_s() - cpu;
    printf("%s: %.0f requests/s, %.1f ms of processor time per 1000\n", s.protocol,
           (double)(after.requests - before.requests) /
               ((double)(after.at_ns - before.at_ns) * 1e-9),
           cpu * 1e6 / (double)after.requests);
    check(after.requests > 1000, "more than 1000 requests flat out");
}

static void test_driver(const char *protocol)
{
    struct sl_drive_spec s = {.protocol = protocol,
                              .host = "localhost",
                              .port = port,
                              .seed = 1,
                              .password = "secret",
                              .users = 10,
                              .rate = 50,
                              .keep_alive = true};
    struct sl_error err = {0};
    struct sl_drive_stats a, b;
    struct sl_drive *d = sl_drive_start(&s, -1, &err);
    check(d != NULL, err.msg);
    check(watch(d, 40, true) && sl_drive_ready(d), "ready");
    check(watch(d, 1.1, false), "running");
    sl_drive_read(d, &a);
    check(watch(d, 3, false), "running at 50 requests/s");
    sl_drive_read(d, &b);
    double r = (double)(b.requests - a.requests) / ((double)(b.at_ns - a.at_ns) * 1e-9);
    printf("rate %.1f/s, errors %llu (%s), %.1f kB/s in\n", r,
           (unsigned long long)(b.errors - a.errors), b.last_error,
           (double)(b.bytes_in - a.bytes_in) / ((double)(b.at_ns - a.at_ns) * 1e-9) / 1e3);
    check(fabs(r / 50 - 1) < 0.05, "50 requests/s within 5 %");
    check(b.errors == a.errors, "no errors once it runs");
    check(sl_drive_set(d, 20, 200, NULL) && watch(d, 1.2, false), "new rate");
    sl_drive_read(d, &a);
    watch(d, 2, false);
    sl_drive_read(d, &b);
    r = (double)(b.requests - a.requests) / ((double)(b.at_ns - a.at_ns) * 1e-9);
    check(fabs(r / 200 - 1) < 0.05, "200 requests/s within 5 %, live");
    sl_drive_stop(d);
    const char *name = NULL;
    check(sl_drive_probe(-1, INADDR_LOOPBACK, port, &name, &err), "probe runs");
    check(!strcmp(name, protocol), "probe names the protocol");
    measure(&s);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *protocol;
        void (*serve)(void);
    } all[] = {{"nginx", "http", serve_nginx},
               {"redis", "redis", serve_redis},
               {"postgresql", "postgresql", serve_postgresql},
               {"mysql", "mysql", serve_mysql}};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (argc < 2 || strcmp(argv[1], all[i].name))
            continue;
        snprintf(folder, sizeof folder, "/tmp/sluice-drive-XXXXXX");
        if (!mkdtemp(folder))
            return 1;
        atexit(tidy);
        chmod(folder, 0777); // the server may run as nobody
        port = free_port();
        all[i].serve();
        test_driver(all[i].protocol);
        return 0;
    }
    fputs("usage: drive_servers nginx|redis|postgresql|mysql\n", stderr);
    return 2;
}
