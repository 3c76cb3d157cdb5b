// SPDX-License-Identifier: Apache-2.0
/*
 * What readers of topologies have in common: nodes and links come in any order, with facts as text;
 * at the end a topology is made of them.
 *
 * Kinds    a node that nobody calls host or router is a host when it has one link.
 * Errors   SL_EINPUT with the line.
 */
#pragma once
#include "link/topology.h"

enum sl_node_fact { SL_NODE_KIND, SL_NODE_ADDRESS, SL_NODE_GROUP, SL_NODE_FACTS };
struct sl_read_node {
    const char *facts[SL_NODE_FACTS]; // NULL = not told
    double x, y;                      // NAN = not told
    int line;
    uint32_t links;
};
struct sl_read_link {
    uint32_t ends[2]; // into nodes
    int line;
    struct sl_conditions c[2];
};
struct sl_topology_reader {
    struct sl_topology *t;
    const char *file;
    SL_VEC(struct sl_read_node) nodes; // as in t
    SL_VEC(struct sl_read_link) links;
    struct sl_error *err;
};
void sl_reader_begin(struct sl_topology_reader *r, const char *file, struct sl_error *err);
// Adds the place to the error that is there; always false.
bool sl_reader_at(struct sl_topology_reader *r, int line);
int sl_reader_node(struct sl_topology_reader *r, const char *name, int line); // -1 = error
bool sl_reader_tell(struct sl_topology_reader *r, uint32_t node, enum sl_node_fact fact,
                    const char *value, int line);
// The new link's number; -1 = error.
int sl_reader_link(struct sl_topology_reader *r, uint32_t a, uint32_t b, int line);
bool sl_reader_condition(struct sl_topology_reader *r, uint32_t link,
                         int directions, // bits: up 1, down 2
                         enum sl_link_condition what, const char *value, int line);
// "delay", "up.delay", "down.delay": the condition, or -1.
int sl_reader_condition_named(const char *name, int *directions);
// Frees the reader. NULL when something was wrong, before or here.
struct sl_topology *sl_reader_end(struct sl_topology_reader *r, bool ok);
