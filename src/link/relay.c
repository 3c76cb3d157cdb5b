// SPDX-License-Identifier: Apache-2.0
#include "link/relay.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "link/join.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 20000000ll
#define WAIT_MAX_NS 250000000ll // a signal just before it sleeps is seen by then
enum {
    PORTS_MAX = 256,
    READS = 32,
    SENDS = 64,
    SENDS_BETWEEN = 16,
    COPY_BELOW = 12000,
    JOINED = 48
};

struct batch { // what is held back for a device, to go out as one
    struct sl_join join;
    int port;
    uint32_t n;
    struct {
        uint32_t pipe;
        int64_t due_ns;
    } sent[JOINED];
    struct batch *next_open;
    bool listed;
};

struct sl_relay {
    struct sl_relay_options opt;
    struct sl_emulator *emulator;
    struct sl_pbuf_pool *pool;
    struct sl_pbuf *scratch; // the next packet is read into it
    struct batch *batches;   // for each device
    struct batch *open;      // those that may hold something
    int wake;
    _Atomic bool stop, asked;
    pthread_mutex_t lock; // the next four
    pthread_cond_t done;
    sl_relay_fn *fn;
    void *fn_ctx;
    bool over, is_busy; // is_busy: too busy for real-time priority
    int64_t looked_ns, looked_cpu_ns;
    struct sl_relay_counts n;
    char realtime[160];
};

static int32_t next_pipe(void *ctx, uint32_t pipe, const struct sl_pbuf *b)
{
    struct sl_relay *r = ctx;
    return r->opt.net && r->opt.net->next ? r->opt.net->next(r->opt.net->ctx, pipe, b) : -1;
}

static void write_one(struct sl_relay *r, int port, struct sl_pbuf *b)
{
    uint32_t bytes;
    const uint8_t *at = sl_pbuf_give(b, &bytes);
    ssize_t w = write(r->opt.devices[port].fd, at, bytes);
    if (w >= 0)
        r->n.written += b->segments;
    else if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
        r->n.device_full += b->segments;
    else
        r->n.device_error += b->segments; // also EIO: the device is down
    sl_pbuf_free(r->pool, b);
}

static void flush(struct sl_relay *r, struct batch *out)
{
    struct sl_pbuf *b = sl_join_take(&out->join);
    if (!b)
        return;
    write_one(r, out->port, b);
    int64_t now = sl_mono_ns();
    for (uint32_t i = 0; i < out->n; i++)
        sl_emulator_sent(r->emulator, out->sent[i].pipe, out->sent[i].due_ns, now);
    out->n = 0;
}

static void flush_all(struct sl_relay *r)
{
    for (; r->open; r->open = r->open->next_open) {
        flush(r, r->open);
        r->open->listed = false;
    }
}

// Order holds for each device: what is held goes before anything else.
static void send_out(void *ctx, uint32_t pipe, struct sl_pbuf *b)
{
    struct sl_relay *r = ctx;
    int port = r->opt.net ? r->opt.net->leave(r->opt.net->ctx, pipe, b) : (int)(pipe ^ 1);
    int64_t due = b->due_ns;
    if (port < 0) {
        r->n.no_route += b->segments;
        sl_emulator_sent(r->emulator, pipe, due, sl_mono_ns());
        sl_pbuf_free(r->pool, b);
        return;
    }
    struct batch *out = &r->batches[port];
    bool joins = r->opt.devices[port].offloads & SL_OFFLOAD_TSO4;
    if (!joins || out->n == JOINED || !sl_join_add(&out->join, r->pool, b)) {
        flush(r, out);
        if (!joins || !sl_join_add(&out->join, r->pool, b)) {
            write_one(r, port, b);
            sl_emulator_sent(r->emulator, pipe, due, sl_mono_ns());
            return;
        }
    }
    out->sent[out->n].pipe = pipe;
    out->sent[out->n++].due_ns = due;
    if (!out->listed) {
        out->listed = true;
        out->next_open = r->open;
        r->open = out;
    }
}

struct sl_relay *sl_relay_new(const struct sl_relay_options *opt, struct sl_error *err)
{
    if (opt->n_devices < 1 || opt->n_devices > PORTS_MAX || (!opt->net && opt->n_devices != 2)) {
        sl_fail(err, SL_ERUN, "a relay has 1 to %d devices, not %d", PORTS_MAX, opt->n_devices);
        return NULL;
    }
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake < 0) {
        sl_fail(err, SL_ERUN, "cannot make an event descriptor: %s", strerror(errno));
        return NULL;
    }
    struct sl_relay *r = sl_alloc(sizeof *r);
    r->opt = *opt;
    r->wake = wake;
    r->batches = sl_alloc((size_t)opt->n_devices * sizeof *r->batches);
    for (int i = 0; i < opt->n_devices; i++)
        r->batches[i].port = i;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->done, NULL);
    struct sl_emulator_options e = {.pipes = opt->pipes,
                                    .memory_bytes = opt->memory_bytes,
                                    .next = opt->net && opt->net->next ? next_pipe : NULL,
                                    .out = send_out,
                                    .ctx = r};
    r->emulator = sl_emulator_new(&e, sl_mono_ns(), err);
    if (!r->emulator) {
        sl_relay_free(r);
        return NULL;
    }
    r->pool = sl_emulator_pool(r->emulator);
    return r;
}

void sl_relay_free(struct sl_relay *r)
{
    if (!r)
        return;
    sl_emulator_free(r->emulator);
    pthread_cond_destroy(&r->done);
    pthread_mutex_destroy(&r->lock);
    close(r->wake);
    free(r->batches);
    free(r);
}

struct sl_emulator *sl_relay_emulator(struct sl_relay *r)
{
    return r->emulator;
}

const char *sl_relay_realtime(const struct sl_relay *r)
{
    return r->realtime;
}

static void send_due(struct sl_relay *r, int64_t now_ns, uint32_t most)
{
    sl_emulator_run_some(r->emulator, now_ns, most);
    flush_all(r);
}

// Small packets move to a buffer of their size, large ones keep the one they were read into.
static struct sl_pbuf *fitting(struct sl_relay *r, uint32_t bytes)
{
    struct sl_pbuf *b = r->scratch;
    uint32_t data = bytes > SL_VNET_BYTES ? bytes - SL_VNET_BYTES : 0;
    if (data > COPY_BELOW) {
        r->scratch = NULL;
        return b;
    }
    struct sl_pbuf *small = sl_pbuf_new(r->pool, data);
    if (small)
        memcpy(small->data - SL_VNET_BYTES, b->data - SL_VNET_BYTES, bytes);
    return small;
}

// One packet of a device. False: there is none now.
static bool read_one(struct sl_relay *r, int port, int64_t *now_ns)
{
    struct sl_device *d = &r->opt.devices[port];
    if (!r->scratch)
        r->scratch = sl_pbuf_new(r->pool, SL_PBUF_MAX);
    if (!r->scratch) { // the pool is used up: the packet is read so that it can be counted
        uint8_t sink[2048];
        if (read(d->fd, sink, sizeof sink) <= 0)
            return false;
        r->n.read++;
        r->n.memory++;
        return true;
    }
    ssize_t got =
        read(d->fd, r->scratch->data - SL_VNET_BYTES, sl_pbuf_capacity(r->scratch) + SL_VNET_BYTES);
    if (got <= 0)
        return false;
    struct sl_pbuf *b = fitting(r, (uint32_t)got);
    if (!b) {
        r->n.read++;
        r->n.memory++;
        return true;
    }
    bool ok = sl_pbuf_take(b, (uint32_t)got, d->tap ? 14 : 0);
    r->n.read += b->segments;
    int32_t pipe = port;
    if (ok && r->opt.net)
        pipe = r->opt.net->enter(r->opt.net->ctx, port, b);
    if (!ok || pipe < 0) {
        if (ok)
            r->n.no_route += b->segments;
        else
            r->n.malformed += b->segments;
        sl_pbuf_free(r->pool, b);
        return true;
    }
    *now_ns = sl_mono_ns();
    sl_emulator_arrive(r->emulator, (uint32_t)pipe, b, *now_ns);
    flush_all(r); // a perfect pipe lets it out at once
    return true;
}

static bool read_some(struct sl_relay *r, const struct pollfd *ready, int64_t *now_ns)
{
    bool any = false;
    for (int port = 0; port < r->opt.n_devices; port++) {
        if (!(ready[port].revents & POLLIN))
            continue;
        for (int k = 0; k < READS && read_one(r, port, now_ns); k++) {
            any = true;
            if (sl_emulator_next(r->emulator) <= *now_ns)
                send_due(r, *now_ns, SENDS_BETWEEN);
        }
    }
    return any;
}

static void answer_call(struct sl_relay *r, int64_t now_ns)
{
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->asked, false);
    if (r->fn) {
        struct timespec cpu;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
        r->n.cpu_ns = cpu.tv_sec * 1000000000ll + cpu.tv_nsec;
        r->fn(r->fn_ctx, r->emulator, now_ns);
        r->fn = NULL;
        pthread_cond_broadcast(&r->done);
    }
    pthread_mutex_unlock(&r->lock);
}

bool sl_relay_call(struct sl_relay *r, sl_relay_fn *fn, void *ctx)
{
    pthread_mutex_lock(&r->lock);
    while (r->fn && !r->over)
        pthread_cond_wait(&r->done, &r->lock); // another thread's turn
    bool can = !r->over;
    if (can) {
        r->fn = fn;
        r->fn_ctx = ctx;
        atomic_store(&r->asked, true);
        eventfd_write(r->wake, 1);
        while (r->fn == fn && r->fn_ctx == ctx && !r->over)
            pthread_cond_wait(&r->done, &r->lock);
        can = !r->fn || r->fn_ctx != ctx;
    }
    pthread_mutex_unlock(&r->lock);
    return can;
}

void sl_relay_stop(struct sl_relay *r)
{
    atomic_store(&r->stop, true);
    eventfd_write(r->wake, 1);
}

struct counting {
    struct sl_relay *r;
    struct sl_relay_counts out;
};

static void copy_counts(void *ctx, struct sl_emulator *e, int64_t now_ns)
{
    (void)e;
    (void)now_ns;
    struct counting *c = ctx;
    c->out = c->r->n;
}

void sl_relay_counts(struct sl_relay *r, struct sl_relay_counts *out)
{
    struct counting c = {.r = r};
    if (!sl_relay_call(r, copy_counts, &c))
        c.out = r->n; // nobody changes them any more
    *out = c.out;
}

// The lowest real-time priority is above everything that has none.
static void ask_for_realtime(struct sl_relay *r)
{
    struct sched_param p = {.sched_priority = 1};
    int why = pthread_setschedparam(pthread_self(), SCHED_FIFO, &p);
    if (why)
        snprintf(r->realtime, sizeof r->realtime,
                 "no real-time priority: %s (it needs CAP_SYS_NICE or a limit 'ulimit -r')",
                 strerror(why));
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) && !r->realtime[0])
        snprintf(r->realtime, sizeof r->realtime, "memory is not locked: %s", strerror(errno));
}

/*
 * The kernel takes 5 % of each second from real-time threads, in one piece of 50 ms. A loop that
 * never sleeps would meet it: it goes on with the best ordinary priority, until it has time again.
 */
static void mind_the_limit(struct sl_relay *r, int64_t now_ns)
{
    if (!r->opt.realtime || r->realtime[0] || now_ns - r->looked_ns < LOOK_NS)
        return;
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    int64_t cpu_ns = t.tv_sec * 1000000000ll + t.tv_nsec;
    double share = (double)(cpu_ns - r->looked_cpu_ns) / (double)(now_ns - r->looked_ns);
    r->looked_ns = now_ns;
    r->looked_cpu_ns = cpu_ns;
    if (r->is_busy ? share > 0.5 : share < 0.75)
        return;
    r->is_busy = !r->is_busy;
    struct sched_param p = {.sched_priority = r->is_busy ? 0 : 1};
    pthread_setschedparam(pthread_self(), r->is_busy ? SCHED_OTHER : SCHED_FIFO, &p);
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), r->is_busy ? -20 : 0);
}

static bool wait_for_event(struct sl_relay *r, struct pollfd *fds, int n, int64_t now_ns,
                           struct sl_error *err)
{
    int64_t wait = sl_emulator_next(r->emulator) - now_ns;
    wait = wait < 0 ? 0 : wait > WAIT_MAX_NS ? WAIT_MAX_NS : wait;
    struct timespec t = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    r->n.wakeups++;
    int k = ppoll(fds, (nfds_t)n, &t, NULL);
    if (k < 0 && errno != EINTR)
        return sl_fail(err, SL_ERUN, "cannot wait for packets: %s", strerror(errno));
    if (k <= 0)
        for (int i = 0; i < n; i++)
            fds[i].revents = 0;
    return true;
}

static bool device_gone(const struct sl_relay *r, const struct pollfd *fds, struct sl_error *err)
{
    for (int i = 0; i < r->opt.n_devices; i++)
        if (fds[i].revents & (POLLERR | POLLNVAL | POLLHUP))
            return !sl_fail(err, SL_ERUN, "the device '%s' is gone: somebody deleted it",
                            r->opt.devices[i].name);
    return false;
}

static bool loop(struct sl_relay *r, int until, struct sl_error *err)
{
    struct pollfd fds[PORTS_MAX + 2];
    int n = r->opt.n_devices, all = n + 1 + (until >= 0);
    for (int i = 0; i < n; i++)
        fds[i] = (struct pollfd){.fd = r->opt.devices[i].fd, .events = POLLIN, .revents = POLLIN};
    fds[n] = (struct pollfd){.fd = r->wake, .events = POLLIN};
    fds[n + 1] = (struct pollfd){.fd = until, .events = POLLIN};
    while (!atomic_load_explicit(&r->stop, memory_order_relaxed) && !sl_interrupted()) {
        int64_t now = sl_mono_ns();
        mind_the_limit(r, now);
        if (sl_emulator_next(r->emulator) <= now)
            send_due(r, now, SENDS);
        bool more = read_some(r, fds, &now);
        if (atomic_load_explicit(&r->asked, memory_order_relaxed))
            answer_call(r, sl_mono_ns());
        now = sl_mono_ns();
        // As long as there is work, descriptors are only looked at; else it sleeps.
        if (more && sl_emulator_next(r->emulator) <= now)
            continue;
        if (!wait_for_event(r, fds, all, now, err))
            return false;
        if (fds[n].revents) {
            eventfd_t v;
            eventfd_read(r->wake, &v);
        }
        if (until >= 0 && fds[n + 1].revents)
            return true;
        if (device_gone(r, fds, err))
            return false;
    }
    return true;
}

bool sl_relay_run(struct sl_relay *r, int until, struct sl_error *err)
{
    prctl(PR_SET_TIMERSLACK, 1);
    if (r->opt.realtime)
        ask_for_realtime(r);
    bool ok = loop(r, until, err);
    pthread_mutex_lock(&r->lock);
    r->over = true;
    pthread_cond_broadcast(&r->done);
    pthread_mutex_unlock(&r->lock);
    return ok;
}
