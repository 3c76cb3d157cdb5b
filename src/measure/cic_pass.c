// SPDX-License-Identifier: Apache-2.0
#include "measure/cic_pass.h"
#include "base/mem.h"
#include "base/proc.h"
#include <string.h>

enum { BATCH = 1024 };

struct pass {
    const struct sl_cic_pass_options *opt;
    struct sl_pass_counts *counts;
    struct sl_cic *cic;
    bool pcap;
    struct sl_trace_packet raw[BATCH];
};

static void count(struct pass *p, const struct sl_trace_packet *r)
{
    struct sl_pass_counts *c = p->counts;
    if (!c->packets++)
        c->first_ns = c->last_ns = r->ts_ns;
    if (r->ts_ns < c->last_ns)
        c->backward_stamps++;
    else
        c->last_ns = r->ts_ns;
    if (r->ts_ns < c->first_ns)
        c->first_ns = r->ts_ns;
    c->bytes += r->wire_bytes;
    c->cut_by_snaplen += r->captured < r->wire_bytes;
}

static uint32_t within_snaplen(const struct pass *p, const struct sl_trace_packet *r)
{
    if (!p->opt->trace)
        return r->captured;
    uint32_t snaplen = sl_trace_interface(p->opt->trace, r->interface)->snaplen;
    return snaplen && snaplen < r->captured ? snaplen : r->captured;
}

// Why a packet was left out, by our own decoder; what it would take is no IP to CICFlowMeter.
static enum sl_packet_kind kind_of(const struct sl_trace_packet *r)
{
    struct sl_packet packet;
    struct sl_decode_options how = {.linktype = r->linktype};
    enum sl_packet_kind kind =
        sl_packet_decode(&how, r->data, r->captured, r->wire_bytes, r->ts_ns, &packet);
    return kind == SL_PACKET_OK || kind == SL_PACKET_FRAGMENT ? SL_PACKET_NOT_IP : kind;
}

static void add(struct pass *p, const struct sl_trace_packet *r)
{
    struct sl_cic_packet packet;
    uint64_t number = p->counts->packets;
    count(p, r);
    bool usable = sl_cic_packet(p->opt->cic.fork, r->data, within_snaplen(p, r), r->wire_bytes,
                                sl_cic_time_us(r->ts_ns, p->pcap), &packet);
    p->counts->kinds[usable ? SL_PACKET_OK : kind_of(r)]++;
    if (!usable)
        return;
    packet.number = number;
    sl_cic_add(p->cic, &packet);
}

// False: that was all.
static bool more(const struct sl_pass_source *source, size_t n, size_t max)
{
    if (!max || sl_interrupted())
        return false;
    return n || (source->more && source->more(source->ctx));
}

static bool read_all(struct pass *p, const struct sl_pass_source *source, struct sl_error *err)
{
    const struct sl_cic_pass_options *o = p->opt;
    size_t n, max;
    do {
        max = BATCH;
        n = 0;
        if (o->max_packets && o->max_packets - p->counts->packets < max)
            max = (size_t)(o->max_packets - p->counts->packets);
        if (max && !source->read(source->ctx, p->raw, max, &n, err))
            return false;
        for (size_t i = 0; i < n; i++)
            add(p, &p->raw[i]);
        if (o->after_batch && !o->after_batch(o->ctx, err))
            return false;
    } while (more(source, n, max));
    if (sl_interrupted() && !source->more) // a live pass is meant to be interrupted
        return sl_fail(err, SL_EINTR, "interrupted");
    return true;
}

bool sl_cic_pass_run(const struct sl_pass_source *source, const struct sl_cic_pass_options *opt,
                     struct sl_pass_counts *counts, struct sl_cic_counts *cic, struct sl_error *err)
{
    *counts = (struct sl_pass_counts){.threads = 1};
    struct pass *p = sl_alloc(sizeof *p);
    p->opt = opt;
    p->counts = counts;
    p->cic = sl_cic_new(&opt->cic);
    if (opt->trace) {
        struct sl_trace_info info;
        sl_trace_info(opt->trace, &info);
        p->pcap = !strcmp(info.format, "pcap");
    }
    bool ok = read_all(p, source, err);
    if (ok) {
        sl_cic_finish(p->cic);
        ok = !opt->after_batch || opt->after_batch(opt->ctx, err);
    }
    *cic = *sl_cic_counts(p->cic);
    counts->flows.flows = cic->flows;
    counts->flows.peak_live = cic->peak_live;
    counts->flows.evicted = cic->evicted;
    sl_cic_free(p->cic);
    free(p);
    return ok;
}
