// SPDX-License-Identifier: Apache-2.0
#include "link/control.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { CLIENTS = 32, REQUEST_MAX = 65536, UNREAD_MAX = 8 << 20, BLOCK = 256 };
#define STEP_NS 20000000ll

struct client {
    int fd; // -1 = free
    struct sl_str in, out;
    size_t sent;
    int64_t watch_ns, next_ns; // interval; 0 = does not watch
    char pattern[128];
};
struct ramp {
    struct sl_conditions from, to;
    int64_t start_ns, over_ns, next_ns;
    bool on;
};
struct direction {
    struct sl_conditions now;
    struct ramp ramp;
};
struct sl_link_control {
    struct sl_link_control_options opt;
    struct direction (*state)[2]; // [n_links]
    struct sl_arena arena;        // texts of changes by hand
    int listener, wake;
    struct client clients[CLIENTS];
    FILE *record, *stats;
    int64_t start_ns, stats_next_ns;
    uint32_t event; // next
    pthread_t thread;
    _Atomic bool stop;
    bool lost; // a record
    struct sl_error why;
};

// ---- counts -------------------------------------------------------------------------------------

json_t *sl_pipe_counts_json(const struct sl_pipe_counts *n)
{
    json_t *j = json_object(), *dropped = json_object();
    const struct {
        const char *name;
        uint64_t value;
    } list[] = {{"in_packets", n->in_packets},
                {"in_bytes", n->in_bytes},
                {"out_packets", n->out_packets},
                {"out_bytes", n->out_bytes},
                {"duplicates", n->duplicates},
                {"corrupted", n->corrupted},
                {"reordered", n->reordered},
                {"marked", n->marked},
                {"under_way", n->under_way},
                {"queue_packets", n->queue_packets},
                {"queue_bytes", n->queue_bytes},
                {"queue_peak_packets", n->queue_peak_packets},
                {"queue_peak_bytes", n->queue_peak_bytes}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        json_object_set_new(j, list[i].name, json_integer((json_int_t)list[i].value));
    for (int i = 0; i < SL_DROPS; i++)
        json_object_set_new(dropped, sl_drop_names[i], json_integer((json_int_t)n->dropped[i]));
    json_object_set_new(j, "dropped", dropped);
    const struct {
        const char *name;
        double q;
    } late[] = {{"late_p50_ns", 0.5}, {"late_p99_ns", 0.99}, {"late_p999_ns", 0.999}};
    for (size_t i = 0; i < sizeof late / sizeof *late; i++) {
        int64_t v = sl_late_quantile(n->late, late[i].q);
        json_object_set_new(j, late[i].name, v < 0 ? json_null() : json_integer(v));
    }
    json_object_set_new(j, "late_max_ns", json_integer(n->late_max_ns));
    return j;
}

struct reading { // of up to BLOCK links
    const struct sl_link_entry *links[BLOCK];
    uint32_t n;
    struct sl_pipe_counts out[BLOCK][2];
    bool reset;
};

static void read_counts(void *ctx, struct sl_emulator *e, int64_t now_ns)
{
    struct reading *r = ctx;
    for (uint32_t i = 0; i < r->n; i++)
        for (int d = 0; d < 2; d++)
            sl_emulator_counts(e, r->links[i]->pipe[d], now_ns, r->reset, &r->out[i][d]);
}

typedef void link_fn(void *ctx, uint32_t link, const struct sl_pipe_counts counts[2]);

// Each link that the pattern names, with its counts. In blocks: the packets' thread is kept short.
static void each_link(struct sl_link_control *c, const char *pattern, bool reset, link_fn *fn,
                      void *ctx)
{
    struct reading *r = sl_alloc(sizeof *r);
    uint32_t numbers[BLOCK];
    r->reset = reset;
    for (uint32_t i = 0; i <= c->opt.n_links; i++) {
        if (i < c->opt.n_links && !fnmatch(pattern, c->opt.links[i].name, 0)) {
            numbers[r->n] = i;
            r->links[r->n++] = &c->opt.links[i];
        }
        if (r->n < BLOCK && i < c->opt.n_links)
            continue;
        if (r->n && !sl_relay_call(c->opt.relay, read_counts, r)) // it has ended: nobody else looks
            read_counts(r, sl_relay_emulator(c->opt.relay), 0);
        for (uint32_t k = 0; k < r->n; k++)
            fn(ctx, numbers[k], r->out[k]);
        r->n = 0;
    }
    free(r);
}

// ---- records ------------------------------------------------------------------------------------

static void put_line(FILE *f, const json_t *j, bool *lost)
{
    if (!f)
        return;
    char *text = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (fprintf(f, "%s\n", text) < 0 || fflush(f))
        *lost = true;
    free(text);
}

static double seconds_since(const struct sl_link_control *c, int64_t now_ns)
{
    return (double)(now_ns - c->start_ns) / 1e9;
}

static void record_conditions(struct sl_link_control *c, uint32_t link, int d, int64_t now_ns)
{
    if (!c->record)
        return;
    json_t *j = json_pack("{s:f, s:s, s:s, s:o}", "t_s", seconds_since(c, now_ns), "link",
                          c->opt.links[link].name, "direction", d ? "down" : "up", "conditions",
                          sl_conditions_json(&c->state[link][d].now));
    put_line(c->record, j, &c->lost);
    json_decref(j);
}

struct stats_line {
    struct sl_link_control *c;
    FILE *file;        // or
    struct client *to; // a client's output
    int64_t now_ns;
};

static void put_stats(void *ctx, uint32_t link, const struct sl_pipe_counts n[2])
{
    struct stats_line *s = ctx;
    json_t *j = json_pack("{s:f, s:s, s:o, s:o}", "t_s", seconds_since(s->c, s->now_ns), "link",
                          s->c->opt.links[link].name, "up", sl_pipe_counts_json(&n[0]), "down",
                          sl_pipe_counts_json(&n[1]));
    if (s->file) {
        put_line(s->file, j, &s->c->lost);
    } else {
        char *text = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
        sl_str_addf(&s->to->out, "%s\n", text);
        free(text);
    }
    json_decref(j);
}

static FILE *open_record(const struct sl_link_control *c, const char *path, const char *schema,
                         struct sl_error *err)
{
    FILE *f = fopen(path, "we");
    char stamp[32];
    if (!f) {
        sl_fail(err, SL_ERUN, "cannot write '%s': %s", path, strerror(errno));
        return NULL;
    }
    sl_wall_stamp(sl_wall_ns(), stamp);
    json_t *j =
        json_pack("{s:s, s:s, s:s, s:I}", "schema", schema, "started", stamp, "command",
                  c->opt.command_line ? c->opt.command_line : "", "seed", (json_int_t)c->opt.seed);
    bool lost = false;
    put_line(f, j, &lost);
    json_decref(j);
    return f;
}

// ---- changes ------------------------------------------------------------------------------------

struct applying {
    uint32_t pipe;
    struct sl_prepared *prepared;
};

static void apply_now(void *ctx, struct sl_emulator *e, int64_t now_ns)
{
    struct applying *a = ctx;
    sl_emulator_apply(e, a->pipe, a->prepared, now_ns);
}

static bool check(const struct sl_link_control *c, const struct sl_conditions *made,
                  struct sl_error *err)
{
    if (!sl_conditions_check(made, err))
        return false;
    double need = sl_conditions_memory_bytes(made);
    bool rated = made->given >> SL_COND_RATE & 1;
    return !rated || need <= (double)c->opt.memory_bytes
               ? true
               : sl_fail(
                     err, SL_EUSAGE,
                     "delay times rate and the queue are %.0f MiB, more than the limit of %.0f MiB",
                     need / 0x1p20, (double)c->opt.memory_bytes / 0x1p20);
}

// Files are read here, outside the packets' thread.
static bool apply(struct sl_link_control *c, uint32_t link, int d, const struct sl_conditions *to,
                  struct sl_error *err)
{
    uint32_t pipe = c->opt.links[link].pipe[d];
    struct sl_prepared *p = sl_prepared_new(to, c->opt.seed, pipe, err);
    if (!p)
        return false;
    struct applying a = {pipe, p};
    bool ran = sl_relay_call(c->opt.relay, apply_now, &a);
    sl_prepared_free(p);
    if (!ran)
        return sl_fail(err, SL_ERUN, "the emulator has ended");
    c->state[link][d].now = *to;
    return true;
}

// What the link would have; false when it contradicts itself.
static bool merged(struct sl_link_control *c, uint32_t link, int d,
                   const struct sl_conditions *changes, struct sl_conditions *out,
                   struct sl_error *err)
{
    char name[160];
    struct sl_conditions drawn = *changes;
    snprintf(name, sizeof name, "%s.%s", c->opt.links[link].name, d ? "down" : "up");
    sl_conditions_draw(&drawn, c->opt.seed, name);
    *out = c->state[link][d].ramp.on ? c->state[link][d].ramp.to : c->state[link][d].now;
    sl_conditions_merge(out, &drawn);
    return check(c, out, err) || sl_within(err, "link %s", name);
}

static bool change(struct sl_link_control *c, uint32_t link, int d, const struct sl_conditions *to,
                   int64_t over_ns, int64_t now_ns, struct sl_error *err)
{
    struct direction *s = &c->state[link][d];
    s->ramp.on = false;
    if (over_ns > 0) {
        s->ramp = (struct ramp){s->now, *to, now_ns, over_ns, now_ns, true};
        return true;
    }
    if (!apply(c, link, d, to, err))
        return false;
    record_conditions(c, link, d, now_ns);
    return true;
}

static bool wants(int direction, int d)
{
    return direction == SL_LINK_BOTH || direction == SL_LINK_UP + d;
}

// All or none: everything is checked before anything is changed.
static bool set(struct sl_link_control *c, const char *pattern, int direction,
                const struct sl_conditions *changes, int64_t over_ns, int64_t now_ns,
                uint32_t *n_links, struct sl_error *err)
{
    uint32_t n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < c->opt.n_links; i++) {
            if (fnmatch(pattern, c->opt.links[i].name, 0))
                continue;
            n += (uint32_t)pass;
            for (int d = 0; d < 2; d++) {
                struct sl_conditions to;
                if (!wants(direction, d))
                    continue;
                if (!merged(c, i, d, changes, &to, err) ||
                    (pass && !change(c, i, d, &to, over_ns, now_ns, err)))
                    return false;
            }
        }
    if (!n) {
        sl_fail(err, SL_EUSAGE, "there is no link '%s'", pattern);
        if (c->opt.n_links)
            sl_hint(err, "the first of %u is '%s'", c->opt.n_links, c->opt.links[0].name);
        return false;
    }
    *n_links = n;
    return true;
}

static bool reset(struct sl_link_control *c, const char *pattern, int64_t now_ns, uint32_t *n,
                  struct sl_error *err)
{
    for (uint32_t i = 0; i < c->opt.n_links; i++) {
        if (fnmatch(pattern, c->opt.links[i].name, 0))
            continue;
        ++*n;
        for (int d = 0; d < 2; d++)
            if (!change(c, i, d, &c->opt.links[i].began[d], 0, now_ns, err))
                return false;
    }
    return *n ? true : sl_fail(err, SL_EUSAGE, "there is no link '%s'", pattern);
}

static void step_ramps(struct sl_link_control *c, int64_t now_ns)
{
    for (uint32_t i = 0; i < c->opt.n_links; i++)
        for (int d = 0; d < 2; d++) {
            struct ramp *r = &c->state[i][d].ramp;
            if (!r->on || r->next_ns > now_ns)
                continue;
            double share = (double)(now_ns - r->start_ns) / (double)r->over_ns;
            struct sl_conditions at = r->to;
            if (share < 1)
                sl_conditions_between(&r->from, &r->to, share, &at);
            r->next_ns = now_ns + STEP_NS;
            r->on = share < 1;
            if (apply(c, i, d, &at, &c->why))
                record_conditions(c, i, d, now_ns);
            else
                r->on = false;
        }
}

static void run_events(struct sl_link_control *c, int64_t now_ns)
{
    while (c->event < c->opt.n_events && c->start_ns + c->opt.events[c->event].at_ns <= now_ns) {
        const struct sl_link_event *e = &c->opt.events[c->event++];
        struct sl_error err = {0};
        uint32_t n;
        if (!set(c, e->link, e->direction, &e->changes, e->over_ns, now_ns, &n, &err)) {
            sl_warn("at %gs: %s", (double)e->at_ns / 1e9, err.msg);
            c->why = err;
        }
    }
}

// ---- clients ------------------------------------------------------------------------------------

static void answer(struct client *k, json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
    sl_str_add(&k->out, text ? text : "{}");
    sl_str_add(&k->out, "\n");
    free(text);
    json_decref(j);
}

static int direction_of(const json_t *request, struct sl_error *err)
{
    static const char *const names[] = {"both", "up", "down"};
    const char *word = sl_json_str(request, "direction", "both");
    for (int i = 0; i < 3; i++)
        if (!strcmp(word, names[i]))
            return i;
    sl_fail(err, SL_EUSAGE, "direction is both, up or down, not '%.40s'", word);
    return -1;
}

struct showing {
    struct sl_link_control *c;
    json_t *links;
};

static void show_link(void *ctx, uint32_t link, const struct sl_pipe_counts n[2])
{
    struct showing *s = ctx;
    json_t *j = json_pack("{s:s}", "name", s->c->opt.links[link].name);
    for (int d = 0; d < 2; d++) {
        const struct direction *now = &s->c->state[link][d];
        struct sl_str text = {0};
        sl_conditions_text(&now->now, &text);
        json_object_set_new(j, d ? "down" : "up",
                            json_pack("{s:o, s:s, s:o, s:b}", "conditions",
                                      sl_conditions_json(&now->now), "text", sl_str_text(&text),
                                      "counts", sl_pipe_counts_json(&n[d]), "changing",
                                      now->ramp.on));
        sl_str_done(&text);
    }
    json_array_append_new(s->links, j);
}

static json_t *relay_json(struct sl_link_control *c)
{
    struct sl_relay_counts n;
    sl_relay_counts(c->opt.relay, &n);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "read_packets",
                     (json_int_t)n.read, "written_packets", (json_int_t)n.written, "no_route",
                     (json_int_t)n.no_route, "malformed", (json_int_t)n.malformed, "memory",
                     (json_int_t)n.memory, "device_full", (json_int_t)n.device_full, "device_error",
                     (json_int_t)n.device_error, "wakeups", (json_int_t)n.wakeups, "cpu_ns",
                     (json_int_t)n.cpu_ns, "realtime", sl_relay_realtime(c->opt.relay));
}

static json_t *show(struct sl_link_control *c, const char *pattern, struct sl_error *err)
{
    struct showing s = {c, json_array()};
    each_link(c, pattern, false, show_link, &s);
    if (!json_array_size(s.links)) {
        json_decref(s.links);
        sl_fail(err, SL_EUSAGE, "there is no link '%s'", pattern);
        return NULL;
    }
    return json_pack("{s:s, s:f, s:o, s:o}", "schema", "sluice.link/1", "t_s",
                     seconds_since(c, sl_mono_ns()), "links", s.links, "relay", relay_json(c));
}

static json_t *set_request(struct sl_link_control *c, const json_t *request, const char *pattern,
                           struct sl_error *err)
{
    struct sl_conditions changes = {0};
    int direction = direction_of(request, err);
    double over_s = sl_json_num(request, "over_s", 0);
    uint32_t n = 0;
    if (!(over_s >= 0 && over_s <= 86400)) {
        sl_fail(err, SL_EUSAGE, "over_s is 0 to 86400 seconds");
        return NULL;
    }
    if (direction < 0 ||
        !sl_conditions_from_json(json_object_get(request, "conditions"), &changes, &c->arena, err))
        return NULL;
    if (!changes.given) {
        sl_fail(err, SL_EUSAGE, "no condition was given");
        return NULL;
    }
    if (!set(c, pattern, direction, &changes, (int64_t)(over_s * 1e9), sl_mono_ns(), &n, err))
        return NULL;
    return json_pack("{s:b, s:i}", "ok", true, "links", (int)n);
}

static json_t *handle(struct sl_link_control *c, struct client *k, const json_t *request,
                      struct sl_error *err)
{
    const char *cmd = sl_json_str(request, "cmd", "");
    const char *pattern = sl_json_str(request, "link", "*");
    uint32_t n = 0;
    if (!strcmp(cmd, "set"))
        return set_request(c, request, pattern, err);
    if (!strcmp(cmd, "show"))
        return show(c, pattern, err);
    if (!strcmp(cmd, "reset"))
        return reset(c, pattern, sl_mono_ns(), &n, err)
                   ? json_pack("{s:b, s:i}", "ok", true, "links", (int)n)
                   : NULL;
    if (!strcmp(cmd, "watch")) {
        double every = sl_json_num(request, "interval_s", 1);
        if (!(every >= 0.05 && every <= 3600)) {
            sl_fail(err, SL_EUSAGE, "interval_s is 0.05 to 3600 seconds");
            return NULL;
        }
        if (!sl_copy(k->pattern, sizeof k->pattern, pattern)) {
            sl_fail(err, SL_EUSAGE, "a pattern has at most %zu characters", sizeof k->pattern - 1);
            return NULL;
        }
        k->watch_ns = (int64_t)(every * 1e9);
        k->next_ns = sl_mono_ns();
        return json_pack("{s:b}", "ok", true);
    }
    if (!strcmp(cmd, "stop")) {
        sl_relay_stop(c->opt.relay);
        return json_pack("{s:b}", "ok", true);
    }
    sl_fail(err, SL_EUSAGE, "there is no request '%.40s'", cmd);
    sl_hint(err, "set, show, reset, watch, stop");
    return NULL;
}

static void drop_client(struct client *k)
{
    close(k->fd);
    sl_str_done(&k->in);
    sl_str_done(&k->out);
    *k = (struct client){.fd = -1};
}

static bool send_waiting(struct client *k)
{
    while (k->sent < k->out.len) {
        ssize_t n =
            send(k->fd, k->out.text + k->sent, k->out.len - k->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN && k->out.len - k->sent < UNREAD_MAX;
        k->sent += (size_t)n;
    }
    sl_str_clear(&k->out);
    k->sent = 0;
    return true;
}

static void one_request(struct sl_link_control *c, struct client *k, const char *text, size_t len)
{
    struct sl_error err = {0};
    json_t *request = sl_json_parse(text, len, "request", &err);
    json_t *reply = request ? handle(c, k, request, &err) : NULL;
    answer(k, reply ? reply : sl_json_error(&err));
    json_decref(request);
}

// At most a few requests at a time, so that one client cannot keep the others waiting.
static bool serve(struct sl_link_control *c, struct client *k)
{
    char buf[16384];
    ssize_t n = recv(k->fd, buf, sizeof buf, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        return false;
    if (n > 0)
        sl_str_addn(&k->in, buf, (size_t)n);
    size_t done = 0;
    for (char *end;
         k->in.len > done && (end = memchr(k->in.text + done, '\n', k->in.len - done));) {
        size_t len = (size_t)(end - k->in.text) - done;
        if (len)
            one_request(c, k, k->in.text + done, len);
        done += len + 1;
        if (!send_waiting(k))
            return false;
    }
    if (done) {
        struct sl_str rest = {0};
        sl_str_addn(&rest, k->in.text + done, k->in.len - done);
        sl_str_done(&k->in);
        k->in = rest;
    }
    return k->in.len <= REQUEST_MAX;
}

static void accept_client(struct sl_link_control *c)
{
    int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    for (int i = 0; i < CLIENTS; i++)
        if (c->clients[i].fd < 0) {
            c->clients[i].fd = fd;
            return;
        }
    close(fd); // full
}

static void run_watches(struct sl_link_control *c, int64_t now_ns)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct client *k = &c->clients[i];
        if (k->fd < 0 || !k->watch_ns || k->next_ns > now_ns)
            continue;
        struct stats_line s = {.c = c, .to = k, .now_ns = now_ns};
        each_link(c, k->pattern, false, put_stats, &s);
        k->next_ns += k->watch_ns;
        if (k->next_ns <= now_ns)
            k->next_ns = now_ns + k->watch_ns;
        if (!send_waiting(k))
            drop_client(k);
    }
}

static void run_stats(struct sl_link_control *c, int64_t now_ns, bool last)
{
    if (!c->stats || (now_ns < c->stats_next_ns && !last))
        return;
    struct stats_line s = {.c = c, .file = c->stats, .now_ns = now_ns};
    each_link(c, "*", true, put_stats, &s);
    c->stats_next_ns += c->opt.stats_interval_ns;
}

static int64_t next_time(const struct sl_link_control *c)
{
    int64_t next = INT64_MAX;
#define EARLIER(t) next = (t) < next ? (t) : next
    if (c->event < c->opt.n_events)
        EARLIER(c->start_ns + c->opt.events[c->event].at_ns);
    if (c->stats)
        EARLIER(c->stats_next_ns);
    for (int i = 0; i < CLIENTS; i++)
        if (c->clients[i].fd >= 0 && c->clients[i].watch_ns)
            EARLIER(c->clients[i].next_ns);
    for (uint32_t i = 0; i < c->opt.n_links; i++)
        for (int d = 0; d < 2; d++)
            if (c->state[i][d].ramp.on)
                EARLIER(c->state[i][d].ramp.next_ns);
#undef EARLIER
    return next;
}

static void *control_thread(void *arg)
{
    struct sl_link_control *c = arg;
    while (!atomic_load(&c->stop)) {
        struct pollfd fds[CLIENTS + 2];
        int64_t now = sl_mono_ns();
        run_events(c, now);
        step_ramps(c, now);
        run_stats(c, now, false);
        run_watches(c, now);
        fds[0] = (struct pollfd){.fd = c->wake, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = c->listener, .events = POLLIN};
        for (int i = 0; i < CLIENTS; i++) {
            struct client *k = &c->clients[i];
            fds[i + 2] = (struct pollfd){
                .fd = k->fd, .events = (short)(POLLIN | (k->sent < k->out.len ? POLLOUT : 0))};
        }
        int64_t next = next_time(c), wait = next - sl_mono_ns();
        wait = wait < 0 ? 0 : wait;
        struct timespec t = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
        if (ppoll(fds, CLIENTS + 2, next == INT64_MAX ? NULL : &t, NULL) <= 0)
            continue;
        for (int i = 0; i < CLIENTS; i++) {
            struct client *k = &c->clients[i];
            if (k->fd < 0 || !fds[i + 2].revents)
                continue;
            bool ok = !(fds[i + 2].revents & POLLOUT) || send_waiting(k);
            if (ok && (fds[i + 2].revents & (POLLIN | POLLHUP | POLLERR)))
                ok = serve(c, k);
            if (!ok)
                drop_client(k);
        }
        if (fds[1].revents)
            accept_client(c);
    }
    return NULL;
}

// ---- the part -----------------------------------------------------------------------------------

static bool address_of(const char *path, struct sockaddr_un *at, struct sl_error *err)
{
    at->sun_family = AF_UNIX;
    return sl_copy(at->sun_path, sizeof at->sun_path, path)
               ? true
               : sl_fail(err, SL_EUSAGE, "the socket's path is longer than %zu characters: '%s'",
                         sizeof at->sun_path - 1, path);
}

static int connect_to(const char *path, struct sl_error *err)
{
    struct sockaddr_un at = {0};
    if (!address_of(path, &at, err))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    int why = errno;
    if (fd >= 0)
        close(fd);
    sl_fail(err, SL_EENV, "no emulator listens at '%s': %s", path, strerror(why));
    sl_hint(err, "start one with 'sluice link serve', or name its socket with --control");
    return -1;
}

static bool listen_at(struct sl_link_control *c, struct sl_error *err)
{
    struct sockaddr_un at = {0};
    const char *path = c->opt.socket;
    if (!path)
        return true;
    if (!address_of(path, &at, err))
        return false;
    int other = connect_to(path, NULL);
    if (other >= 0) {
        close(other);
        return sl_fail(err, SL_ERUN, "another emulator listens at '%s' already", path);
    }
    struct stat is;
    if (lstat(path, &is) == 0 && S_ISSOCK(is.st_mode))
        unlink(path); // left by one that was killed
    c->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0177);
    bool ok = c->listener >= 0 && bind(c->listener, (struct sockaddr *)&at, sizeof at) == 0 &&
              listen(c->listener, CLIENTS) == 0;
    int why = errno;
    umask(mask);
    return ok || sl_fail(err, SL_ERUN, "cannot listen at '%s': %s", path, strerror(why));
}

static bool open_all(struct sl_link_control *c, struct sl_error *err)
{
    const struct sl_link_control_options *o = &c->opt;
    if (!listen_at(c, err))
        return false;
    if (o->record && !(c->record = open_record(c, o->record, "sluice.link.conditions/1", err)))
        return false;
    if (o->stats && !(c->stats = open_record(c, o->stats, "sluice.link.stats/1", err)))
        return false;
    for (uint32_t i = 0; i < o->n_links; i++)
        for (int d = 0; d < 2; d++)
            record_conditions(c, i, d, c->start_ns);
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return c->wake >= 0 ||
           sl_fail(err, SL_ERUN, "cannot make an event descriptor: %s", strerror(errno));
}

static void close_all(struct sl_link_control *c)
{
    for (int i = 0; i < CLIENTS; i++)
        if (c->clients[i].fd >= 0)
            drop_client(&c->clients[i]);
    if (c->listener >= 0) {
        close(c->listener);
        unlink(c->opt.socket);
    }
    if (c->wake >= 0)
        close(c->wake);
    sl_close_file(&c->record);
    sl_close_file(&c->stats);
    sl_arena_done(&c->arena);
    free(c->state);
    free(c);
}

struct sl_link_control *sl_link_control_start(const struct sl_link_control_options *opt,
                                              struct sl_error *err)
{
    struct sl_link_control *c = sl_alloc(sizeof *c);
    c->opt = *opt;
    c->opt.stats_interval_ns = opt->stats_interval_ns ? opt->stats_interval_ns : 1000000000;
    c->state = sl_alloc((opt->n_links + 1) * sizeof *c->state);
    c->listener = c->wake = -1;
    c->start_ns = sl_mono_ns();
    c->stats_next_ns = c->start_ns + c->opt.stats_interval_ns;
    for (int i = 0; i < CLIENTS; i++)
        c->clients[i].fd = -1;
    for (uint32_t i = 0; i < opt->n_links; i++)
        for (int d = 0; d < 2; d++)
            c->state[i][d].now = opt->links[i].began[d];
    bool ok = open_all(c, err);
    sigset_t all, old; // signals are for the main thread
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int why = ok ? pthread_create(&c->thread, NULL, control_thread, c) : 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (ok && !why)
        return c;
    if (ok)
        sl_fail(err, SL_ERUN, "cannot start a thread: %s", strerror(why));
    close_all(c);
    return NULL;
}

bool sl_link_control_stop(struct sl_link_control *c, struct sl_error *err)
{
    if (!c)
        return true;
    atomic_store(&c->stop, true);
    eventfd_write(c->wake, 1);
    pthread_join(c->thread, NULL);
    run_stats(c, sl_mono_ns(), true);
    bool ok = !c->lost || sl_fail(err, SL_ERUN, "a record could not be written: is the disk full?");
    if (ok && c->why.code)
        *err = c->why;
    ok = ok && !c->why.code;
    close_all(c);
    return ok;
}

// ---- the other side -----------------------------------------------------------------------------

static bool send_request(int fd, const json_t *request, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *text = json_dumps(request, JSON_COMPACT);
    size_t len = strlen(text);
    text[len++] = '\n'; // in place of the end
    for (size_t at = 0; at < len;) {
        ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL);
        if (n < 0)
            return sl_fail(err, SL_ERUN, "cannot ask the emulator: %s", strerror(errno));
        at += (size_t)n;
    }
    return true;
}

// An error that the emulator told, as one of ours.
static bool is_error(const json_t *j, struct sl_error *err)
{
    const json_t *e = json_object_get(j, "error");
    if (!e)
        return false;
    sl_fail(err, SL_EUSAGE, "%s", sl_json_str(e, "message", "the emulator refused"));
    const char *hint = sl_json_str(e, "hint", "");
    if (*hint)
        sl_hint(err, "%s", hint);
    return true;
}

// The next line; NULL with `err` untouched at the end.
static json_t *next_line(int fd, struct sl_str *in, size_t *done, struct sl_error *err)
{
    for (;;) {
        char *end = in->len > *done ? memchr(in->text + *done, '\n', in->len - *done) : NULL;
        if (end) {
            size_t len = (size_t)(end - in->text) - *done;
            json_t *j = sl_json_parse(in->text + *done, len, "the emulator's answer", err);
            *done += len + 1;
            return j;
        }
        if (*done) {
            memmove(in->text, in->text + *done, in->len - *done);
            in->len -= *done;
            *done = 0;
        }
        char buf[65536];
        ssize_t n = recv(fd, buf, sizeof buf, 0);
        if (n <= 0)
            return NULL;
        sl_str_addn(in, buf, (size_t)n);
    }
}

json_t *sl_link_ask(const char *socket, const json_t *request, struct sl_error *err)
{
    SL_AUTO(sl_close_fd) int fd = connect_to(socket, err);
    struct sl_str in = {0};
    size_t done = 0;
    if (fd < 0 || !send_request(fd, request, err))
        return NULL;
    json_t *j = next_line(fd, &in, &done, err);
    sl_str_done(&in);
    if (!j && err && !err->code)
        sl_fail(err, SL_ERUN, "the emulator ended without an answer");
    if (j && is_error(j, err)) {
        json_decref(j);
        return NULL;
    }
    return j;
}

bool sl_link_watch(const char *socket, const json_t *request,
                   bool (*more)(void *ctx, const json_t *line), void *ctx, struct sl_error *err)
{
    SL_AUTO(sl_close_fd) int fd = connect_to(socket, err);
    struct sl_str in = {0};
    size_t done = 0;
    if (fd < 0 || !send_request(fd, request, err))
        return false;
    bool ok = true, go = true;
    for (json_t *j; go && ok && (j = next_line(fd, &in, &done, err)); json_decref(j)) {
        ok = !is_error(j, err);
        if (ok && !json_object_get(j, "ok"))
            go = more(ctx, j);
    }
    sl_str_done(&in);
    return ok;
}
