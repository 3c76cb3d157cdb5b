// SPDX-License-Identifier: Apache-2.0
/*
 * Drivers: closed-loop protocol clients, each a child process "sluice-drive" inside the network
 * namespace of a driver holder, unprivileged, with a resolv.conf that names the engine's name service.
 *
 * Protocol of the pipes: JSON Lines. Parent -> child: first the spec, then any number of
 * {"users":N,"rate":R} (R requests per second over all users, 0 = as fast as replies come) and
 * {"stop":true}. Child -> parent: {"type":"ready"}, once a second {"type":"stats",...},
 * {"type":"error","message":...} (first of each kind), {"type":"end",...}.
 * The child ends by itself when its stdin closes, and with its parent (PDEATHSIG).
 *
 * Model    users are independent sessions: requests with log-normal think times around
 *          users/rate seconds, Zipf choice of pages (HTTP), a mix of reads and writes (databases).
 * Threads  one thread handles a driver, and the child dies with the thread that started it: start
 *          drivers from a thread that lives as long as they should.
 * Smooth   requests stray from the rate by one at most; users and kinds of requests are drawn evenly,
 *          so that bytes per second vary by some percent, not tens of percent.
 */
#pragma once
#include "base/error.h"
#include "base/json.h"
#include <stdint.h>
#include <sys/types.h>

struct sl_drive_spec {
    const char *protocol; // "http", "postgresql", "mysql", "redis"
    const char *host;     // service alias, resolved by the engine's name service, or an address
    uint16_t port;
    const char *user, *password, *database; // NULL = protocol's default
    uint64_t seed;
    int users;            // sessions at the same time, each with one connection
    double rate;          // requests per second in all; 0 = flat out
    int max_users;        // upper bound for later changes; 0 = 256
    bool keep_alive;      // HTTP: false opens a connection per request
};
struct sl_drive_stats { // running totals since the start, and of the last second
    uint64_t requests, errors, bytes_in, bytes_out; // application payload
    double requests_per_s, latency_ms_mean, latency_ms_p95;
    int users;
    int64_t at_ns; // monotonic of arrival; 0 = none yet
    char last_error[200];
};
struct sl_drive;
// netns < 0: the caller's namespace (tests). Returns once the child runs; readiness comes through poll.
SL_MUST_USE struct sl_drive *sl_drive_start(const struct sl_drive_spec *spec, int netns, struct sl_error *err);
int sl_drive_fd(const struct sl_drive *d); // readable when there is news
SL_MUST_USE bool sl_drive_poll(struct sl_drive *d, struct sl_error *err); // takes in news; false when the child died
bool sl_drive_ready(const struct sl_drive *d);
void sl_drive_read(const struct sl_drive *d, struct sl_drive_stats *out);
SL_MUST_USE bool sl_drive_set(struct sl_drive *d, int users, double rate, struct sl_error *err);
pid_t sl_drive_pid(const struct sl_drive *d);
void sl_drive_stop(struct sl_drive *d); // asks, waits 1 s, kills; frees

// What a driver must know to log in, taken from a service's environment ("POSTGRES_PASSWORD", ...).
// lookup(ctx, key) gives a value or NULL. Strings in out stay owned by the environment.
void sl_drive_credentials(const char *protocol, const char *(*lookup)(void *ctx, const char *key), void *ctx, struct sl_drive_spec *out);
// Finds out what listens: waits for a banner, then tries HTTP, PostgreSQL, MySQL, Redis greetings.
// Runs as a short-lived unprivileged child inside netns. protocol: static text or "" when nothing fits.
SL_MUST_USE bool sl_drive_probe(int netns, uint32_t ipv4, uint16_t port, const char **protocol, struct sl_error *err);
extern const char *const sl_drive_protocols[]; // NULL-terminated
