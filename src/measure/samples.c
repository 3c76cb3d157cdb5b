// SPDX-License-Identifier: Apache-2.0
/*
 * A trace goes through the flow engine on one thread. Packets come out of it partition by
 * partition; each is put at the place of its number in the trace, and places without a flow are
 * squeezed out at the end, so packets stand in order.
 */
#include "measure/samples.h"
#include "base/mem.h"
#include "classes/classes.h"
#include "measure/addresses.h"
#include "measure/pass.h"
#include "measure/samples_table.h"
#include <math.h>
#include <string.h>

enum { DEFAULT_PACKETS = 50000000 };

struct filler {
    struct sl_sample_set *set;
    const struct sl_labels *labels;
    struct sl_addresses *addresses;
    uint16_t classes[256]; // class id -> index in the set, plus one
    const struct sl_services *services;
};

static uint16_t class_index(struct filler *f, uint16_t cls)
{
    if (cls >= sizeof f->classes / sizeof *f->classes)
        return SL_SAMPLE_NONE16;
    if (!f->classes[cls])
        f->classes[cls] = (uint16_t)(sl_sample_class(f->set, sl_class_name(cls)) + 1);
    return (uint16_t)(f->classes[cls] - 1);
}

static uint32_t open_flow(struct filler *f, const struct sl_flow_state *s)
{
    struct sl_tuple u = sl_flow_tuple(s);
    struct sl_sample_flow *k = SL_PUSH(&f->set->flows);
    k->src = sl_addresses_id(f->addresses, &u.src);
    k->dst = sl_addresses_id(f->addresses, &u.dst);
    k->sport = u.sport;
    k->dport = u.dport;
    k->proto = u.proto;
    k->cls = class_index(f, s->label);
    k->label = SL_SAMPLE_NONE16;
    k->mean_gap_s = NAN;
    return (uint32_t)f->set->flows.len;
}

static uint32_t number_of(const struct sl_flow_state *s)
{
    return (uint32_t)(uintptr_t)s->user - 1;
}

static void on_packet(void *ctx, int thread, struct sl_flow_state *s, const struct sl_packet *p,
                      int dir)
{
    struct filler *f = ctx;
    (void)thread;
    if (!s->user)
        s->user = (void *)(uintptr_t)open_flow(f, s);
    struct sl_sample_set *set = f->set;
    while (set->packets.len <= p->number) {
        struct sl_sample_packet *hole = SL_PUSH(&set->packets);
        hole->flow = SL_SAMPLE_NONE32;
    }
    set->packets.at[p->number] = (struct sl_sample_packet){.ts_ns = p->ts_ns,
                                                           .flow = number_of(s),
                                                           .bytes = p->wire_bytes,
                                                           .tcp_flags = p->tcp_flags,
                                                           .ttl = p->ttl,
                                                           .direction = (uint8_t)dir};
}

static void on_flow(void *ctx, const struct sl_engine *e, struct sl_flow_state *s)
{
    struct filler *f = ctx;
    struct sl_sample_flow *k = &f->set->flows.at[number_of(s)];
    k->start_ns = sl_flow_first_ns(s);
    k->duration_ns = sl_flow_last_ns(s) - k->start_ns;
    for (int d = 0; d < 2; d++) {
        k->packets[d] = s->packets[d];
        k->bytes[d] = sl_flow_sum(e, s, SL_SUM_BYTES, d);
    }
    uint64_t n = k->packets[0] + k->packets[1];
    if (n > 1)
        k->mean_gap_s = (double)k->duration_ns / 1e9 / (double)(n - 1);
    struct sl_label_facts facts;
    struct sl_flow_labels labels;
    sl_labels_fill(f->labels, s, &facts, &labels);
    const char *label = labels.service.p ? labels.service.p : labels.iana.p; // both are terminated
    k->label = sl_sample_label(f->set, label);
}

static void squeeze(struct sl_sample_set *set)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->packets.len; i++)
        if (set->packets.at[i].flow != SL_SAMPLE_NONE32)
            set->packets.at[kept++] = set->packets.at[i];
    set->packets.len = kept;
}

static uint16_t class_of(void *ctx, const struct sl_tuple *tuple, int64_t ts_ns)
{
    const struct filler *f = ctx;
    return sl_labels_class(f->labels, tuple, ts_ns);
}

static bool from_trace(struct sl_trace *t, const struct sl_samples_options *opt,
                       struct sl_sample_set *set, struct sl_error *err)
{
    struct filler f = {.set = set, .labels = opt->labels, .addresses = sl_addresses_new()};
    struct sl_pass_options pass = {.engine = {.label = class_of, .on_packet = on_packet, .ctx = &f},
                                   .outer = opt->outer,
                                   .threads = 1,
                                   .max_packets =
                                       opt->max_packets ? opt->max_packets : DEFAULT_PACKETS,
                                   .on_flow = on_flow,
                                   .ctx = &f};
    struct sl_pass_source source = sl_pass_trace(t);
    struct sl_pass_counts counts;
    bool ok = sl_pass_run(&source, &pass, &counts, err);
    sl_addresses_free(f.addresses);
    if (!ok)
        return false;
    squeeze(set);
    struct sl_trace_info info;
    sl_trace_info(t, &info);
    set->kind = sl_strdup(info.format);
    set->input_bytes = info.file_bytes;
    set->skipped = counts.packets - set->packets.len;
    set->known = SL_KNOW_ALL;
    if (sl_trace_damage(t))
        set->note = sl_format("damaged: %s", sl_trace_damage(t));
    struct sl_trace_packet one;
    size_t n = 0;
    if (counts.packets == pass.max_packets && sl_trace_read(t, &one, 1, &n, NULL) && n)
        set->left_out = 1; // at least
    return true;
}

bool sl_samples_load(const char *path, const struct sl_samples_options *opt,
                     struct sl_sample_set *out, struct sl_error *err)
{
    struct sl_sample_set set = {0};
    bool ok;
    if (sl_samples_is_table(path)) {
        ok = sl_samples_read_table(path, opt, &set, err);
    } else {
        struct sl_trace *t = sl_trace_open(path, err);
        ok = t && from_trace(t, opt, &set, err);
        sl_trace_close(t);
    }
    if (!ok) {
        sl_sample_set_done(&set);
        return false;
    }
    set.name = sl_strdup(path);
    *out = set;
    return true;
}
