// SPDX-License-Identifier: Apache-2.0
#include "measure/live.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "capture/capture.h"
#include <errno.h>
#include <poll.h>
#include <string.h>

#define DEFAULT_RING (UINT64_C(64) << 20)
#define LAG_NS INT64_C(200000000)
#define WAIT_NS INT64_C(100000000)
enum { FRAMES = 4096, DEFAULT_SNAPLEN = 256 };

struct sl_live {
    struct sl_capture *capture;
    int64_t end_mono_ns; // 0 = none
    uint16_t linktype;
    bool loopback, gone, over; // over: the ring was found empty after the end
    int64_t looked_ns;         // the wall clock before the ring was last looked into
    struct sl_frame frames[FRAMES];
};

struct sl_live *sl_live_open(const struct sl_live_options *opt, struct sl_error *err)
{
    struct sl_capture_options c = {.snaplen = opt->snaplen ? opt->snaplen : DEFAULT_SNAPLEN,
                                   .ring_bytes = opt->ring_bytes ? opt->ring_bytes : DEFAULT_RING,
                                   .promisc = true};
    struct sl_live *l = sl_alloc(sizeof *l);
    l->loopback = !strcmp(opt->interface, "lo");
    l->capture = sl_capture_open(-1, opt->interface, &c, err);
    if (l->capture) {
        l->linktype = sl_capture_linktype(l->capture);
        if (l->linktype == UINT16_MAX)
            sl_fail(err, SL_EENV, "packets of the interface '%s' are neither Ethernet nor IP",
                    opt->interface);
    }
    if (!l->capture || l->linktype == UINT16_MAX) {
        sl_live_close(l);
        return NULL;
    }
    if (opt->duration_ns)
        l->end_mono_ns = sl_mono_ns() + opt->duration_ns;
    return l;
}

void sl_live_close(struct sl_live *l)
{
    if (!l)
        return;
    sl_capture_close(l->capture);
    free(l);
}

static bool ended(const struct sl_live *l)
{
    return l->gone || sl_interrupted() || (l->end_mono_ns && sl_mono_ns() >= l->end_mono_ns);
}

static size_t take(struct sl_live *l, struct sl_trace_packet *out, size_t max)
{
    bool gone, before = ended(l); // what came before this moment is taken first
    l->looked_ns = sl_wall_ns();
    size_t got = sl_capture_batch(l->capture, l->frames, max < FRAMES ? max : FRAMES, &gone), n = 0;
    l->gone |= gone;
    for (size_t i = 0; i < got; i++) {
        const struct sl_frame *f = &l->frames[i];
        if (l->loopback && f->outgoing)
            continue;
        out[n++] = (struct sl_trace_packet){.ts_ns = f->ts_ns,
                                            .data = f->data,
                                            .captured = f->captured,
                                            .wire_bytes = f->wire_bytes,
                                            .linktype = l->linktype};
    }
    l->over = !got && before;
    return n;
}

// One look into the ring for each call: a second one would give back the packets of the call
// before, which the pass still works on.
static bool read_live(void *ctx, struct sl_trace_packet *out, size_t max, size_t *n,
                      struct sl_error *err)
{
    struct sl_live *l = ctx;
    *n = take(l, out, max);
    if (*n || l->over)
        return true;
    int64_t wait = WAIT_NS;
    if (l->end_mono_ns && l->end_mono_ns - sl_mono_ns() < wait)
        wait = l->end_mono_ns - sl_mono_ns();
    struct pollfd p = {.fd = sl_capture_fd(l->capture), .events = POLLIN};
    if (poll(&p, 1, wait > 0 ? (int)(wait / 1000000) + 1 : 0) < 0 && errno != EINTR)
        return sl_fail(err, SL_ERUN, "cannot wait for packets: %s", strerror(errno));
    return true;
}

static int64_t now_live(void *ctx)
{
    const struct sl_live *l = ctx;
    return l->looked_ns - LAG_NS;
}

static bool more_live(void *ctx)
{
    const struct sl_live *l = ctx;
    return !l->over;
}

struct sl_pass_source sl_live_source(struct sl_live *l)
{
    return (struct sl_pass_source){
        .read = read_live, .now_ns = now_live, .more = more_live, .ctx = l};
}

void sl_live_stats(struct sl_live *l, uint64_t *packets, uint64_t *drops, bool *gone)
{
    struct sl_capture_stats s;
    sl_capture_stats(l->capture, &s);
    *packets = s.packets;
    *drops = s.drops;
    *gone = l->gone;
}
