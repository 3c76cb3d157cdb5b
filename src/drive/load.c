// SPDX-License-Identifier: Apache-2.0
#include "drive/load.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "drive/lookup.h"
#include "drive/wire.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static const int64_t second_ns = 1000000000;
static const int64_t park_ns = 10 * second_ns;
static const int64_t settle_ns = 60 * second_ns; // a server may take this long to come up

// What an event belongs to: the upper half of epoll's data. The lower half is an index or
// descriptor.
enum { TAG_ORDERS = 1, TAG_LOOKUP, TAG_USER, TAG_FD };

static void tell(struct sl_load *l, char *line)
{
    size_t len = strlen(line), done = 0;
    while (done < len) {
        ssize_t n = write(1, line + done, len - done);
        if (n <= 0 && errno != EINTR) {
            l->stopping = true; // nobody listens
            break;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    free(line);
}

void sl_load_error(struct sl_load *l, const char *kind, const char *fmt, ...)
{
    const int most = (int)(sizeof l->told / sizeof l->told[0]);
    for (int i = 0; i < l->n_told; i++)
        if (!strncmp(l->told[i], kind, sizeof l->told[i] - 1))
            return;
    if (l->n_told == most)
        return;
    sl_copy(l->told[l->n_told++], sizeof l->told[0], kind);
    char text[256], whole[320];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    snprintf(whole, sizeof whole, "%s: %s", kind, text);
    tell(l, sl_drive_news_text("error", whole));
}

void sl_load_ready(struct sl_load *l)
{
    if (l->ready)
        return;
    l->ready = true;
    tell(l, sl_drive_news_text("ready", NULL));
}

static void epoll_set(struct sl_load *l, int fd, uint64_t data, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.u64 = data};
    if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &ev) && errno == ENOENT)
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev);
}

static uint64_t tagged(uint64_t tag, int low)
{
    return tag << 32 | (uint32_t)low;
}

void sl_load_watch(struct sl_load *l, struct sl_user *u, int fd, uint32_t events)
{
    epoll_set(l, fd, tagged(TAG_USER, u->index), events);
}

void sl_load_watch_fd(struct sl_load *l, int fd, uint32_t events)
{
    if (events)
        epoll_set(l, fd, tagged(TAG_FD, fd), events);
    else
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
}

// Users

static double mean_think_s(const struct sl_load *l)
{
    return l->spec.rate > 0 ? (double)l->spec.users / l->spec.rate : 0;
}

static void wish(struct sl_load *l, struct sl_user *u)
{
    u->want_ns = l->now_ns + (int64_t)(sl_pace_think_s(&u->rng, mean_think_s(l)) * 1e9);
}

void sl_load_up(struct sl_load *l, struct sl_user *u)
{
    u->state = SL_USER_FREE;
    u->fails = 0;
    wish(l, u);
    sl_load_ready(l);
}

void sl_load_done(struct sl_load *l, struct sl_user *u, bool ok, bool asap)
{
    int64_t now = sl_mono_ns();
    sl_meter_request(&l->meter, ok, now - u->began_ns);
    u->state = SL_USER_FREE;
    u->fails = 0;
    l->now_ns = now;
    if (asap)
        u->want_ns = now;
    else
        wish(l, u);
}

void sl_load_broken(struct sl_load *l, struct sl_user *u, const char *kind, const char *why)
{
    int64_t now = sl_mono_ns();
    if (u->state == SL_USER_BUSY)
        sl_meter_request(&l->meter, false, now - u->began_ns);
    else
        l->meter.errors++;
    l->ops->close(l, u);
    u->state = SL_USER_DOWN;
    // 0.1 s, 0.2 s, ... up to 1 s; spread, so that users do not come back as one.
    double wait_s = u->fails < 4 ? 0.1 * (double)(1 << u->fails) : 1.0;
    u->retry_ns = now + (int64_t)(wait_s * (1.0 + 0.2 * sl_rng_uniform(&u->rng)) * 1e9);
    if (u->fails < 30)
        u->fails++;
    sl_load_error(l, kind, "%s", why);
    if (u->fails > 2 && l->lookup_after_ns < now)
        l->addr_len = 0; // a restarted server may have another address
}

static struct sl_user *user_of(struct sl_load *l, int i)
{
    if (!l->users[i]) {
        struct sl_user *u = sl_alloc(l->ops->user_bytes);
        u->index = i;
        u->rng = sl_rng_stream(l->spec.seed, "drive.user", (uint64_t)i);
        l->users[i] = u;
    }
    return l->users[i];
}

static void start_user(struct sl_load *l, struct sl_user *u)
{
    u->state = SL_USER_CONNECTING;
    u->began_ns = l->now_ns;
    u->deadline_ns = l->now_ns + 10 * second_ns;
    l->ops->connect(l, u);
}

// Cuts off who is late, connects who is down, parks who is too many.
static void look_after(struct sl_load *l, struct sl_user *u)
{
    bool wanted = u->index < l->spec.users;
    bool under_way = u->state == SL_USER_BUSY || u->state == SL_USER_CONNECTING;
    if (under_way && l->now_ns > u->deadline_ns)
        sl_load_broken(l, u, "timeout", "the server did not answer in time");
    if (wanted) {
        u->parked_ns = 0;
        bool may = l->ready || u->index == 0; // one knocks until somebody opens
        if (u->state == SL_USER_DOWN && may && l->addr_len && l->now_ns >= u->retry_ns)
            start_user(l, u);
        return;
    }
    if (!u->parked_ns)
        u->parked_ns = l->now_ns;
    if (u->state == SL_USER_FREE && l->now_ns - u->parked_ns > park_ns) {
        l->ops->close(l, u);
        u->state = SL_USER_DOWN;
    }
}

static void look_after_all(struct sl_load *l)
{
    for (int i = 0; i < l->spec.max_users; i++)
        if (l->users[i] || i < l->spec.users)
            look_after(l, user_of(l, i));
}

static struct sl_user *next_user(struct sl_load *l)
{
    struct sl_user *best = NULL;
    for (int i = 0; i < l->spec.users; i++) {
        struct sl_user *u = l->users[i];
        if (u && u->state == SL_USER_FREE && (!best || u->want_ns < best->want_ns))
            best = u;
    }
    return best;
}

// Hands out all tokens that are due. True when a user is left to wait for the next one.
static bool hand_out(struct sl_load *l)
{
    for (int i = 0; i < 2 * SL_DRIVE_MAX_USERS; i++) { // then let the events have their turn
        struct sl_user *u = next_user(l);
        if (!u)
            return false;
        l->now_ns = sl_mono_ns();
        if (!sl_pace_take(&l->pace, l->now_ns))
            return true;
        u->state = SL_USER_BUSY;
        u->began_ns = l->now_ns;
        u->deadline_ns = l->now_ns + 15 * second_ns;
        l->ops->request(l, u);
    }
    return true;
}

// Orders

static void take_order(struct sl_load *l, const char *line, size_t len)
{
    struct sl_drive_order order;
    struct sl_error err;
    if (!sl_drive_order_parse(line, len, &order, &err)) {
        sl_load_error(l, "order", "%s", err.msg);
    } else if (order.kind == SL_ORDER_STOP) {
        l->stopping = true;
    } else if (order.kind == SL_ORDER_SET) {
        l->spec.users = order.users < l->spec.max_users ? order.users : l->spec.max_users;
        l->spec.rate = order.rate;
        sl_pace_set(&l->pace, order.rate, sl_mono_ns());
        for (int i = 0; i < l->spec.users; i++)
            if (l->users[i] && l->users[i]->state == SL_USER_FREE)
                wish(l, l->users[i]); // old wishes belong to the old rate
    }
}

static void read_orders(struct sl_load *l, struct sl_str *line)
{
    char buf[4096];
    ssize_t n = read(0, buf, sizeof buf);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        l->stopping = true;
    for (ssize_t i = 0; i < n; i++) {
        if (buf[i] != '\n') {
            sl_str_addn(line, &buf[i], 1);
            continue;
        }
        take_order(l, sl_str_text(line), line->len);
        sl_str_clear(line);
        line->truncated = false;
    }
}

// The server's address

static void start_lookup(struct sl_load *l)
{
    if (l->addr_len || l->lookup || l->now_ns < l->lookup_after_ns)
        return;
    l->lookup_after_ns = l->now_ns + second_ns;
    l->lookup = sl_lookup_start(l->spec.host, l->spec.port);
    if (l->lookup)
        epoll_set(l, sl_lookup_fd(l->lookup), tagged(TAG_LOOKUP, 0), EPOLLIN);
}

static void end_lookup(struct sl_load *l)
{
    const char *why;
    struct sl_lookup *lookup = l->lookup;
    l->lookup = NULL;
    if (!sl_lookup_end(lookup, &l->addr, &l->addr_len, &why)) {
        l->meter.errors++;
        sl_load_error(l, "name", "cannot find '%s': %s", l->spec.host, why);
        return;
    }
    const void *raw = l->addr.ss_family == AF_INET6
                          ? (const void *)&((const struct sockaddr_in6 *)&l->addr)->sin6_addr
                          : (const void *)&((const struct sockaddr_in *)&l->addr)->sin_addr;
    inet_ntop(l->addr.ss_family, raw, l->addr_text, sizeof l->addr_text);
}

// The loop

static void each_second(struct sl_load *l)
{
    if (l->now_ns < l->stats_ns)
        return;
    l->stats_ns += second_ns;
    if (l->stats_ns <= l->now_ns)
        l->stats_ns = l->now_ns + second_ns; // we were held up
    struct sl_drive_stats s = {0};
    sl_meter_interval(&l->meter, l->now_ns, &s);
    for (int i = 0; i < l->spec.users; i++)
        s.users += l->users[i] && l->users[i]->state >= SL_USER_FREE;
    struct pollfd out = {.fd = 1, .events = POLLOUT};
    if (poll(&out, 1, 0) == 1) // a parent that does not read must not stop the load
        tell(l, sl_drive_news_stats(&s));
    if (!l->ready && l->now_ns - l->begin_ns > settle_ns)
        sl_load_error(l, "late", "the server was not ready within 60 s; still trying");
}

static void wait_events(struct sl_load *l, struct epoll_event *evs, int most, int *n, bool waiting)
{
    // A tenth of a second is the grain of everything that is not a request.
    int64_t until = l->now_ns + second_ns / 10;
    if (l->stats_ns < until)
        until = l->stats_ns;
    if (l->timer_ns && l->timer_ns < until)
        until = l->timer_ns;
    if (waiting && sl_pace_next_ns(&l->pace) < until)
        until = sl_pace_next_ns(&l->pace);
    int64_t left = until - sl_mono_ns();
    struct timespec ts = {0};
    if (left > 0)
        ts.tv_nsec = left < second_ns ? left : second_ns - 1;
    *n = epoll_pwait2(l->epoll, evs, most, &ts, NULL);
    if (*n < 0 && errno == ENOSYS) // kernels before 5.11: a grain of 1 ms
        *n = epoll_wait(l->epoll, evs, most, left > 0 ? (int)(left / 1000000) + 1 : 0);
    l->now_ns = sl_mono_ns();
}

static void dispatch(struct sl_load *l, const struct epoll_event *ev, struct sl_str *line)
{
    int low = (int)(uint32_t)ev->data.u64;
    switch (ev->data.u64 >> 32) {
    case TAG_ORDERS:
        read_orders(l, line);
        break;
    case TAG_LOOKUP:
        if (l->lookup)
            end_lookup(l);
        break;
    case TAG_USER:
        l->ops->event(l, l->users[low], ev->events);
        break;
    case TAG_FD:
        l->ops->fd_event(l, low, ev->events);
        break;
    }
}

static void loop(struct sl_load *l)
{
    struct sl_str line = {.max = SL_DRIVE_MAX_LINE};
    struct epoll_event evs[64];
    int64_t grain_ns = 0;
    bool look = true;
    while (!l->stopping) {
        if (look || l->now_ns >= grain_ns) {
            grain_ns = l->now_ns + second_ns / 20;
            start_lookup(l);
            look_after_all(l);
        }
        if (l->timer_ns && l->now_ns >= l->timer_ns) {
            l->timer_ns = 0;
            l->ops->timer(l); // may end requests, so before the tokens are handed out
        }
        bool waiting = hand_out(l);
        each_second(l);
        int n;
        wait_events(l, evs, 64, &n, waiting);
        look = false;
        for (int i = 0; i < n; i++) {
            uint64_t tag = evs[i].data.u64 >> 32;
            look |= tag == TAG_ORDERS || tag == TAG_LOOKUP;
            dispatch(l, &evs[i], &line);
        }
    }
    sl_str_done(&line);
}

int sl_load_run(struct sl_load *l, const struct sl_load_ops *ops, const struct sl_drive_spec *spec)
{
    l->ops = ops;
    l->spec = *spec;
    l->begin_ns = l->now_ns = l->meter.since_ns = sl_mono_ns();
    l->stats_ns = l->begin_ns + second_ns;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->users = sl_alloc((size_t)spec->max_users * sizeof *l->users);
    sl_pace_init(&l->pace, spec->rate, sl_rng_stream(spec->seed, "drive.pace", 0), l->now_ns);
    fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
    epoll_set(l, 0, tagged(TAG_ORDERS, 0), EPOLLIN);
    struct sl_error err = {0};
    bool ok = l->epoll >= 0 && ops->begin(l, &err);
    if (ok)
        loop(l);
    for (int i = 0; i < spec->max_users; i++) {
        if (l->users[i])
            ops->close(l, l->users[i]);
        free(l->users[i]);
    }
    if (ok)
        ops->end(l);
    tell(l, sl_drive_news_text("end", ok ? NULL : err.msg));
    free(l->users);
    close(l->epoll);
    return ok ? 0 : 1;
}
