// SPDX-License-Identifier: Apache-2.0
/*
 * The connectivity graph of a trace, put together from finished flows: who asked whom for what.
 *
 * Nodes    addresses; where the label book knows them, services (one for all addresses of a
 *          replica).
 * Edges    (source, destination, protocol, server port, class): flows, packets and bytes both ways,
 *          first and last packet. The caller says port 0 to put all ports of a class together.
 * Bounds   max_nodes and max_edges; flows beyond them are counted in one edge from "(other)" to
 *          itself, so totals stay right. Which flows those are depends on the order of adding: add
 *          in the order of the flow table's output.
 * Order    of everything written: services by id, then addresses by number; edges by source,
 *          destination, protocol, port, class. The same flows give the same bytes.
 * Errors   SL_ERUN when a file cannot be written. Text may come from strangers and is escaped.
 * Threads  one.
 */
#pragma once
#include "base/json.h"
#include "measure/truth.h"
#include <stdio.h>

struct sl_graph_edge_in {
    struct sl_addr src, dst;                      // initiator, responder
    const struct sl_truth_row *src_who, *dst_who; // NULL = the address is the node
    uint8_t proto;
    uint16_t port;   // of the server; 0 = of no particular port
    int cls;         // id of the class table
    const char *app; // what it is called on that port; lives as long as the graph; NULL = ""
    uint64_t flows;  // 1; 0 for a later segment of a flow that was added before
    uint64_t packets[2], bytes[2]; // [0] initiator to responder
    int64_t first_ns, last_ns;
    int statement; // 0 = none
};
struct sl_flow_graph_options {
    size_t max_nodes, max_edges; // 0 = 65536, 262144
};
struct sl_flow_graph;                                                             // opaque
struct sl_flow_graph *sl_flow_graph_new(const struct sl_flow_graph_options *opt); // NULL = defaults
void sl_flow_graph_free(struct sl_flow_graph *g);
void sl_flow_graph_add(struct sl_flow_graph *g, const struct sl_graph_edge_in *in);

struct sl_flow_graph_size {
    size_t nodes, edges;               // without "(other)"
    uint64_t other_flows, other_bytes; // beyond the bounds
};
void sl_flow_graph_size(const struct sl_flow_graph *g, struct sl_flow_graph_size *out);

// most: only that many edges, those with most bytes; the rest goes into "(other)". 0 = all.
// {"nodes":[{"id","label","project","host","image","class","role","address"}],
//  "edges":[{"src","dst","class","app","proto","port","flows","packets_up","packets_down","bytes_up",
//            "bytes_down","first_ns","last_ns","statement"}]}: what sl_graph_svg draws. statement
//            is
// from 0 there, or null. Nodes of unknown hosts stand in columns "clients", "relays" and "servers",
// "(other)" in one called "the rest".
json_t *sl_flow_graph_json(const struct sl_flow_graph *g, size_t most);
SL_MUST_USE bool sl_flow_graph_save_json(const struct sl_flow_graph *g, size_t most,
                                         const char *path, struct sl_error *err);
// The same columns, with a header line; statement from 1 as in flow tables.
SL_MUST_USE bool sl_flow_graph_csv(const struct sl_flow_graph *g, size_t most, FILE *out,
                                   struct sl_error *err);
SL_MUST_USE bool sl_flow_graph_nodes_csv(const struct sl_flow_graph *g, size_t most, FILE *out,
                                         struct sl_error *err);
// A flowchart for Mermaid, hosts as subgraphs. Its renderers take some hundreds of edges.
SL_MUST_USE bool sl_flow_graph_mermaid(const struct sl_flow_graph *g, size_t most, FILE *out,
                                       struct sl_error *err);
