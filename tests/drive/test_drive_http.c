// SPDX-License-Identifier: Apache-2.0
// The HTTP driver as a child process against small servers, honest and hostile.
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "drive/drive.h"
#include "toy.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static struct sl_drive *start_as(const char *protocol, uint16_t port, int users, double rate)
{
    struct sl_drive_spec s = {.protocol = protocol,
                              .host = "127.0.0.1",
                              .port = port,
                              .seed = 1,
                              .users = users,
                              .rate = rate,
                              .keep_alive = true};
    struct sl_error err = {0};
    struct sl_drive *d = sl_drive_start(&s, -1, &err);
    if (!d)
        fail_msg("%s", err.msg);
    return d;
}

static struct sl_drive *start(uint16_t port, int users, double rate)
{
    return start_as("http", port, users, rate);
}

// Takes in news for so long. False when the driver ended.
static bool watch(struct sl_drive *d, double seconds)
{
    int64_t end = sl_mono_ns() + (int64_t)(seconds * 1e9);
    for (;;) {
        int64_t left = end - sl_mono_ns();
        if (left <= 0)
            return true;
        struct pollfd p = {.fd = sl_drive_fd(d), .events = POLLIN};
        if (poll(&p, 1, (int)(left / 1000000) + 1) > 0 && !sl_drive_poll(d, NULL))
            return false;
    }
}

static void wait_ready(struct sl_drive *d)
{
    for (int i = 0; i < 100 && !sl_drive_ready(d); i++)
        assert_true(watch(d, 0.05));
    assert_true(sl_drive_ready(d));
}

static double rate_over(const struct toy *t, struct sl_drive *d, double seconds)
{
    uint64_t before = atomic_load(&t->counts->requests);
    int64_t from = sl_mono_ns();
    assert_true(watch(d, seconds));
    return (double)(atomic_load(&t->counts->requests) - before) /
           ((double)(sl_mono_ns() - from) * 1e-9);
}

static void the_rate_is_met_and_changes_live_on_the_same_connections(void **state)
{
    (void)state;
    struct toy t = toy_start(TOY_GOOD, 0);
    struct sl_drive *d = start(t.port, 10, 50);
    wait_ready(d);
    watch(d, 0.5); // the other nine connect
    double r = rate_over(&t, d, 5);
    assert_true(fabs(r / 50 - 1) < 0.05);
    struct sl_error err = {0};
    assert_true(sl_drive_set(d, 10, 200, &err));
    watch(d, 0.1);
    r = rate_over(&t, d, 2);
    assert_true(fabs(r / 200 - 1) < 0.05);
    struct sl_drive_stats s;
    sl_drive_read(d, &s);
    assert_int_equal(s.errors, 0);
    assert_true(s.at_ns > 0 && s.bytes_in > 0 && s.bytes_out > 0);
    assert_int_equal(s.users, 10);
    assert_int_equal(atomic_load(&t.counts->connections), 10); // one each, kept
    uint64_t posts = atomic_load(&t.counts->posts), all = atomic_load(&t.counts->requests);
    assert_true(posts > 0 && posts * 10 <= all + 10); // at most a tenth
    assert_true(atomic_load(&t.counts->assets) > 0);
    sl_drive_stop(d);
    toy_stop(&t);
}

static void more_and_fewer_users_come_and_go(void **state)
{
    (void)state;
    struct toy t = toy_start(TOY_GOOD, 0);
    struct sl_drive *d = start(t.port, 1, 100);
    wait_ready(d);
    assert_true(sl_drive_set(d, 20, 400, NULL));
    assert_true(watch(d, 1.2));
    assert_int_equal(atomic_load(&t.counts->connections), 20);
    assert_true(sl_drive_set(d, 5, 100, NULL));
    assert_true(sl_drive_set(d, 0, 100, NULL)); // nobody: silence
    watch(d, 0.1);
    assert_true(rate_over(&t, d, 0.5) == 0);
    assert_true(sl_drive_set(d, 20, 400, NULL));
    watch(d, 0.1);
    assert_true(fabs(rate_over(&t, d, 1) / 400 - 1) < 0.05);
    assert_int_equal(atomic_load(&t.counts->connections), 20); // parked ones came back
    sl_drive_stop(d);
    toy_stop(&t);
}

static void an_api_without_pages_is_found_through_its_description(void **state)
{
    (void)state;
    struct toy t = toy_start(TOY_JSON, 0);
    struct sl_drive *d = start(t.port, 2, 100);
    assert_true(watch(d, 2.2));
    struct sl_drive_stats s;
    sl_drive_read(d, &s);
    assert_int_equal(s.errors, 0); // 404s of guesses are ours, and they end
    assert_true(s.requests > 90);
    sl_drive_stop(d);
    toy_stop(&t);
}

// What a hostile server does: errors, no crash, and the child still takes orders.
static void endure(enum toy_kind kind, double seconds, bool errors)
{
    struct toy other = toy_start(TOY_GOOD, 0);
    struct toy t = toy_start(kind, other.port);
    struct sl_drive *d = start(t.port, 4, 20);
    assert_true(watch(d, seconds));
    assert_true(sl_drive_set(d, 2, 10, NULL));
    assert_true(watch(d, 1.1));
    struct sl_drive_stats s;
    sl_drive_read(d, &s);
    assert_true(s.at_ns > 0);
    assert_int_equal(s.errors > 0, errors);
    assert_int_equal(s.last_error[0] != '\0', errors);
    assert_true(atomic_load(&t.counts->requests) > 0);
    assert_int_equal(atomic_load(&other.counts->connections), 0);
    int64_t from = sl_mono_ns();
    sl_drive_stop(d);
    assert_true(sl_mono_ns() - from < 1500000000);
    toy_stop(&t);
    toy_stop(&other);
}

static void garbage_is_an_error(void **state)
{
    (void)state;
    endure(TOY_GARBAGE, 1.5, true);
}
static void an_endless_body_is_cut_off(void **state)
{
    (void)state;
    endure(TOY_ENDLESS, 1.5, true);
}
static void endless_headers_are_cut_off(void **state)
{
    (void)state;
    endure(TOY_HEADERS, 1.5, true);
}
static void a_server_that_closes_at_once_is_an_error(void **state)
{
    (void)state;
    endure(TOY_SHUT, 1.5, true);
}
static void a_decompression_bomb_is_cut_off(void **state)
{
    (void)state;
    endure(TOY_BOMB, 2.5, true);
}
static void redirects_to_files_are_not_followed(void **state)
{
    (void)state;
    endure(TOY_TO_FILE, 1.5, false);
}
static void redirects_to_other_servers_are_not_followed(void **state)
{
    (void)state;
    endure(TOY_TO_OTHER, 1.5, false);
}
static void a_slow_server_is_given_up(void **state)
{
    (void)state;
    endure(TOY_LORIS, 15.5, true); // 14 s is the bound
}

// The same for servers that are no web servers: here nobody ever gets so far as to be ready.
static void endure_raw(const char *protocol, enum toy_kind kind)
{
    struct toy t = toy_start(kind, 0);
    struct sl_drive *d = start_as(protocol, t.port, 4, 20);
    assert_true(watch(d, 1.3));
    assert_true(sl_drive_set(d, 2, 10, NULL));
    assert_true(watch(d, 1));
    struct sl_drive_stats s;
    sl_drive_read(d, &s);
    assert_true(s.at_ns > 0 && s.errors > 0 && s.last_error[0]);
    print_message("%s: %s\n", protocol, s.last_error);
    assert_true(atomic_load(&t.counts->connections) > 1);
    assert_int_equal(atomic_load(&t.counts->stolen), 0);
    int64_t from = sl_mono_ns();
    sl_drive_stop(d);
    assert_true(sl_mono_ns() - from < 1500000000);
    toy_stop(&t);
}

static void noise_instead_of_a_protocol_is_an_error(void **state)
{
    (void)state;
    for (const char *const *p = sl_drive_protocols; *p; p++)
        endure_raw(*p, TOY_NOISE);
}
static void redis_replies_beyond_bounds_are_cut_off(void **state)
{
    (void)state;
    endure_raw("redis", TOY_REDIS_HUGE);
    endure_raw("redis", TOY_REDIS_DEEP);
    endure_raw("redis", TOY_REDIS_LONG);
}
static void postgresql_replies_nobody_asked_for_are_errors(void **state)
{
    (void)state;
    endure_raw("postgresql", TOY_PG_HUGE);
    endure_raw("postgresql", TOY_PG_COPY);
}
static void mysql_servers_get_neither_files_nor_dialogues(void **state)
{
    (void)state;
    endure_raw("mysql", TOY_MYSQL_FILE);
    endure_raw("mysql", TOY_MYSQL_PLUGIN);
}

static bool status_has(pid_t pid, const char *line)
{
    char path[64], text[8192];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    return strstr(text, line) != NULL;
}

static void the_child_has_no_rights(void **state)
{
    (void)state;
    struct toy t = toy_start(TOY_GOOD, 0);
    int leak = open("/dev/null", O_RDONLY); // without O_CLOEXEC, on purpose
    struct sl_drive *d = start(t.port, 1, 10);
    wait_ready(d);
    pid_t pid = sl_drive_pid(d);
    assert_true(status_has(pid, "\nNoNewPrivs:\t1\n"));
    assert_true(status_has(pid, "\nCapEff:\t0000000000000000\n"));
    assert_true(status_has(pid, "\nCapPrm:\t0000000000000000\n"));
    if (geteuid() == 0) {
        assert_true(status_has(pid, "\nCapBnd:\t0000000000000000\n"));
        assert_true(status_has(pid, "\nUid:\t65534\t65534\t65534\t65534\n"));
        assert_true(status_has(pid, "\nGid:\t65534\t65534\t65534\t65534\n"));
        assert_true(status_has(pid, "\nGroups:\t \n") || status_has(pid, "\nGroups:\t\n"));
    }
    assert_int_equal(getsid(pid), pid);
    char path[64], target[128] = "";
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, leak);
    ssize_t n = readlink(path, target, sizeof target - 1);
    assert_true(n < 0 || strcmp(target, "/dev/null"));
    close(leak);
    sl_drive_stop(d);
    toy_stop(&t);
}

static void a_driver_that_dies_is_reported(void **state)
{
    (void)state;
    struct toy t = toy_start(TOY_GOOD, 0);
    struct sl_drive *d = start(t.port, 1, 10);
    wait_ready(d);
    kill(sl_drive_pid(d), SIGKILL);
    assert_false(watch(d, 2));
    struct sl_error err = {0};
    assert_false(sl_drive_poll(d, &err));
    assert_non_null(strstr(err.msg, "ended"));
    assert_false(sl_drive_set(d, 1, 1, &err));
    sl_drive_stop(d);
    toy_stop(&t);
}

static void a_driver_ends_with_its_parent(void **state)
{
    (void)state;
    struct toy t = toy_start(TOY_GOOD, 0);
    int told[2];
    assert_int_equal(pipe(told), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct sl_drive *d = start(t.port, 1, 10);
        pid_t pid = sl_drive_pid(d);
        ssize_t n = write(told[1], &pid, sizeof pid);
        (void)n;
        kill(getpid(), SIGKILL);
    }
    pid_t pid = 0;
    assert_int_equal(read(told[0], &pid, sizeof pid), sizeof pid);
    waitpid(parent, NULL, 0);
    int i = 0;
    while (i < 100 && !status_has(pid, "State:\tZ") && !kill(pid, 0)) {
        usleep(20000);
        i++;
    }
    assert_true(i < 100);
    close(told[0]);
    close(told[1]);
    toy_stop(&t);
}

static void a_driver_without_a_server_waits_for_it(void **state)
{
    (void)state;
    struct sl_drive *d = start(1, 3, 10); // nothing listens on port 1
    assert_true(watch(d, 1.3));
    assert_false(sl_drive_ready(d));
    struct sl_drive_stats s;
    sl_drive_read(d, &s);
    assert_in_range(s.errors, 1, 5); // one user knocks, with growing pauses
    sl_drive_stop(d);
}

static void unknown_protocols_and_empty_hosts_are_refused(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_drive_spec s = {.protocol = "gopher", .host = "h", .port = 70};
    assert_null(sl_drive_start(&s, -1, &err));
    assert_non_null(strstr(err.msg, "gopher"));
    s = (struct sl_drive_spec){.protocol = "http", .host = "", .port = 80};
    assert_null(sl_drive_start(&s, -1, &err));
}

static void a_probe_tells_http_from_silence(void **state)
{
    (void)state;
    struct sl_error err = {0};
    const char *name = NULL;
    struct toy t = toy_start(TOY_GOOD, 0), mute = toy_start(TOY_SILENT, 0);
    assert_true(sl_drive_probe(-1, 0x7f000001, t.port, &name, &err));
    assert_string_equal(name, "http");
    int64_t from = sl_mono_ns();
    assert_true(sl_drive_probe(-1, 0x7f000001, mute.port, &name, &err));
    assert_string_equal(name, "");
    assert_true(sl_mono_ns() - from < 4000000000);
    assert_true(sl_drive_probe(-1, 0x7f000001, 1, &name, &err)); // nobody there
    assert_string_equal(name, "");
    toy_stop(&t);
    toy_stop(&mute);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest quick[] = {
        cmocka_unit_test(the_rate_is_met_and_changes_live_on_the_same_connections),
        cmocka_unit_test(more_and_fewer_users_come_and_go),
        cmocka_unit_test(an_api_without_pages_is_found_through_its_description),
        cmocka_unit_test(the_child_has_no_rights),
        cmocka_unit_test(a_driver_that_dies_is_reported),
        cmocka_unit_test(a_driver_ends_with_its_parent),
        cmocka_unit_test(a_driver_without_a_server_waits_for_it),
        cmocka_unit_test(unknown_protocols_and_empty_hosts_are_refused),
        cmocka_unit_test(a_probe_tells_http_from_silence),
    };
    const struct CMUnitTest hostile[] = {
        cmocka_unit_test(garbage_is_an_error),
        cmocka_unit_test(an_endless_body_is_cut_off),
        cmocka_unit_test(endless_headers_are_cut_off),
        cmocka_unit_test(a_server_that_closes_at_once_is_an_error),
        cmocka_unit_test(a_decompression_bomb_is_cut_off),
        cmocka_unit_test(redirects_to_files_are_not_followed),
        cmocka_unit_test(redirects_to_other_servers_are_not_followed),
    };
    const struct CMUnitTest slow[] = {
        cmocka_unit_test(a_slow_server_is_given_up),
    };
    const struct CMUnitTest raw[] = {
        cmocka_unit_test(noise_instead_of_a_protocol_is_an_error),
        cmocka_unit_test(redis_replies_beyond_bounds_are_cut_off),
        cmocka_unit_test(postgresql_replies_nobody_asked_for_are_errors),
        cmocka_unit_test(mysql_servers_get_neither_files_nor_dialogues),
    };
    const char *group = argc > 1 ? argv[1] : ""; // apart, so that they can run side by side
    if (!strcmp(group, "hostile"))
        return cmocka_run_group_tests(hostile, NULL, NULL);
    if (!strcmp(group, "slow"))
        return cmocka_run_group_tests(slow, NULL, NULL);
    if (!strcmp(group, "raw"))
        return cmocka_run_group_tests(raw, NULL, NULL);
    return cmocka_run_group_tests(quick, NULL, NULL);
}
