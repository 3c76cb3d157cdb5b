// SPDX-License-Identifier: Apache-2.0
/*
 * The closed loop inside sluice-drive: users, their pace, one epoll loop, orders from the parent
 * and a line of figures a second. A protocol plugs in as a table of functions.
 *
 * Model    users race: each draws a log-normal think time around users/rate when it has done
 *          something, and every token of the pace goes to the free user whose wish is the oldest
 *          (or the nearest, when none is due). So the sum keeps the rate exactly, while each
 *          user's own gaps look like a person's.
 * Users    DOWN (no connection; back-off) -> CONNECTING -> FREE <-> BUSY. Until the server has
 *          answered once only the first user knocks. Users above the current number are parked:
 *          their connections are kept for ten seconds in case the controller wants them back.
 * Bounds   every connect and every request has a deadline; a user that misses it is cut off.
 * Threads  one; names are looked up in a second one, because getaddrinfo() blocks.
 */
#pragma once
#include "drive/drive.h"
#include "drive/meter.h"
#include "drive/pace.h"
#include <sys/socket.h>

struct sl_load;
enum sl_user_state { SL_USER_DOWN, SL_USER_CONNECTING, SL_USER_FREE, SL_USER_BUSY };
struct sl_user { // the first member of each protocol's own user
    int index;
    enum sl_user_state state;
    struct sl_rng rng;
    int64_t want_ns;     // when it would like to act next
    int64_t began_ns;    // of the request or connect under way
    int64_t deadline_ns; // of the same
    int64_t retry_ns;    // DOWN: not before
    int64_t parked_ns;   // since when it is above the number of users; 0 = it is not
    int fails;           // in a row
};

struct sl_load_ops {
    const char *protocol;
    size_t user_bytes;
    SL_MUST_USE bool (*begin)(struct sl_load *l, struct sl_error *err); // once, before all else
    // Both end in sl_load_up(), sl_load_done() or sl_load_broken(), now or later.
    void (*connect)(struct sl_load *l, struct sl_user *u);
    void (*request)(struct sl_load *l, struct sl_user *u);
    void (*event)(struct sl_load *l, struct sl_user *u, uint32_t epoll_events); // sl_load_watch
    void (*fd_event)(struct sl_load *l, int fd, uint32_t epoll_events);         // sl_load_watch_fd
    void (*timer)(struct sl_load *l);                    // when timer_ns has come
    void (*close)(struct sl_load *l, struct sl_user *u); // drops connection and request, silently
    void (*end)(struct sl_load *l);
};

struct sl_load {
    const struct sl_load_ops *ops;
    void *ctx;                 // the protocol's own
    struct sl_drive_spec spec; // users and rate: the current ones
    struct sl_user **users;    // [spec.max_users]
    struct sl_pace pace;
    struct sl_meter meter;
    int64_t now_ns;   // of this turn of the loop
    int64_t timer_ns; // the protocol's timer; 0 = none
    int epoll;
    bool ready, stopping;
    struct sockaddr_storage addr; // of the server; addr_len 0 = not known yet
    socklen_t addr_len;
    char addr_text[64];
    char told[32][24]; // kinds of errors that were reported
    int n_told;
    int64_t begin_ns, stats_ns;
    struct sl_lookup *lookup;
    int64_t lookup_after_ns;
};

// The whole life of a driver. Reads orders from fd 0, writes news to fd 1.
int sl_load_run(struct sl_load *l, const struct sl_load_ops *ops, const struct sl_drive_spec *spec);

void sl_load_up(struct sl_load *l, struct sl_user *u); // connected
// A request has ended; asap: the user has something that follows at once (an asset, a form).
void sl_load_done(struct sl_load *l, struct sl_user *u, bool ok, bool asap);
// Connection lost or refused: counts an error when a request was under way, backs off.
void sl_load_broken(struct sl_load *l, struct sl_user *u, const char *kind, const char *why);
// Tells the parent, once for each kind.
void sl_load_error(struct sl_load *l, const char *kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// The server speaks the protocol: all users may come. Implied by the first success.
void sl_load_ready(struct sl_load *l);

void sl_load_watch(struct sl_load *l, struct sl_user *u, int fd, uint32_t epoll_events);
void sl_load_watch_fd(struct sl_load *l, int fd, uint32_t epoll_events); // 0 = no longer

extern const struct sl_load_ops sl_drive_http, sl_drive_postgresql, sl_drive_mysql, sl_drive_redis;
