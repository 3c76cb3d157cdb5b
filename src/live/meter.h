// SPDX-License-Identifier: Apache-2.0
/*
 * Who sends what: packets on the hosts' interfaces, attributed to statements by the instance and
 * edge that made them.
 *
 * Rule     a frame is counted once, at its statement's `from` host. A flow belongs to the
 *          statement of its instance when it is the planned edge, or when it matches the
 *          statement's type; what else an instance sends across is off-class and counted apart.
 * Units    layer-2 bytes, as the interface counter shows them; seconds since the start of traffic.
 * Threads  one owner.
 */
#pragma once
#include "base/mem.h"
#include "flow/flow.h"
#include "instance/who.h"
#include "lang/spec.h"
#include "live/hosts.h"
#include "net/pcapfile.h"

struct sl_meter_second {
    uint64_t up_bytes, down_bytes; // up = from the `from` host
    uint32_t flows;                // five-tuples active in this second
    uint64_t off_bytes;
};
struct sl_meter_statement {
    SL_VEC(struct sl_meter_second) seconds;
    uint64_t total_flows, up_packets, down_packets;
};
struct sl_meter_instance { // who an instance's packets belong to
    int statement;
    int from;              // host index
    const char *src, *dst; // the planned edge; src may be SL_PEER_DRIVER
    uint8_t proto;
    uint16_t dport;
    const char *name, *project;
    const int *endpoint_host; // host index of each endpoint
    uint64_t bytes;           // in-class, both directions, since the start
};
struct sl_meter_edge {      // for the graph
    int instance, src, dst; // endpoints
    uint8_t proto;
    uint16_t dport;
    struct sl_class_guess guess;
    bool in_class;
    uint64_t bytes_up, bytes_down, flows;
};
struct sl_meter;
struct sl_meter_options {
    const struct sl_spec *spec;
    const struct sl_who_book *book;
    struct sl_meter_instance *instances; // borrowed, bytes are counted there
    size_t n_instances;
    const char *flows_path; // CSV of flows; NULL = none
    const char *pcap_dir;   // one pcap per host; NULL = none
};
SL_MUST_USE struct sl_meter *sl_meter_new(struct sl_hosts *hosts,
                                          const struct sl_meter_options *opt, struct sl_error *err);
size_t sl_meter_fds(const struct sl_meter *m, int *fds, size_t max);
void sl_meter_start(struct sl_meter *m, int64_t wall_ns); // traffic begins: second 0
SL_MUST_USE bool
sl_meter_read(struct sl_meter *m,
              struct sl_error *err); // takes in what is there; false when a file cannot be written
const struct sl_meter_statement *sl_meter_statement(const struct sl_meter *m, size_t statement);
const struct sl_meter_edge *sl_meter_edges(const struct sl_meter *m, size_t *n);
void sl_meter_drops(const struct sl_meter *m, uint64_t *packets, uint64_t *drops);
SL_MUST_USE bool sl_meter_finish(struct sl_meter *m,
                                 struct sl_error *err); // drains flows, closes files
void sl_meter_free(struct sl_meter *m);
