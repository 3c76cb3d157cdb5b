// SPDX-License-Identifier: Apache-2.0
/*
 * Hosts, routers and links with their conditions: what is emulated, before it is.
 *
 * Nodes    hosts have one IPv4 address each, their own or the next of 10.64.0.0/10; routers have
 *          none. A group is a name that hosts share, so that one device can stand for all of them.
 * Links    have two directions: 0 from a to b ("up"), 1 from b to a ("down"). Pipe 2 * link +
 *          direction is that direction's.
 * Limits   65,536 nodes, 131,072 links.
 * Errors   SL_EINPUT: names twice, unknown ends, links to oneself, hosts that cannot be reached.
 * Threads  none while it is built; read-only then.
 */
#pragma once
#include "link/conditions.h"

enum { SL_TOPOLOGY_NODES = 65536, SL_TOPOLOGY_LINKS = 131072 };
struct sl_node_entry {
    const char *name, *group; // group "" = none
    bool router;
    uint32_t address; // host order; 0 = none
    double x, y;      // where it is drawn; NAN = anywhere
};
struct sl_topology_link {
    const char *name; // "a-b"
    uint32_t a, b;
    struct sl_conditions conditions[2];
};
struct sl_topology {
    struct sl_arena arena;
    SL_VEC(struct sl_node_entry) nodes;
    SL_VEC(struct sl_topology_link) links;
    uint32_t next_address;
    uint32_t *index; // of names: number + 1
    size_t index_size;
};
struct sl_topology *sl_topology_new(void);
void sl_topology_free(struct sl_topology *t);
// The node's number, or -1 with an error. address 0 = the next one.
int sl_topology_host(struct sl_topology *t, const char *name, const char *group, uint32_t address,
                     struct sl_error *err);
int sl_topology_router(struct sl_topology *t, const char *name, struct sl_error *err);
int sl_topology_find(const struct sl_topology *t, const char *name); // -1 = none
// up: from a to b. Texts of the conditions live as long as the topology.
SL_MUST_USE bool sl_topology_link(struct sl_topology *t, uint32_t a, uint32_t b,
                                  const struct sl_conditions *up, const struct sl_conditions *down,
                                  struct sl_error *err);
// Ranges become values; contradictions are errors.
SL_MUST_USE bool sl_topology_finish(struct sl_topology *t, uint64_t seed, struct sl_error *err);
double sl_topology_memory_bytes(const struct sl_topology *t); // of all pipes, see conditions.h

// dumbbell:LxR  hosts l1.. (group left) - router a - router b - hosts r1.. (group right)
// star:N        hosts h1.. around router c
// tree:FxD      routers with F children each, D levels; the last level are hosts
// as:RxH        R routers joined by preferential attachment, H hosts on them at random
// access: of the links to hosts, core: of those between routers; up is away from the hosts of the
// left or lower side.
SL_MUST_USE struct sl_topology *sl_topology_generate(const char *text,
                                                     const struct sl_conditions *access,
                                                     const struct sl_conditions *core,
                                                     uint64_t seed, struct sl_error *err);
bool sl_topology_is_generator(const char *text); // "dumbbell:..."
/*
 * CSV: a header line, then a link on each line. Columns: a, b (names); a.kind, b.kind (host or
 * router; by default a node with one link is a host); a.address, b.address; a.group, b.group; the
 * names of conditions for both directions, and with "up." or "down." in front for one. Empty cells
 * say nothing.
 */
SL_MUST_USE struct sl_topology *sl_topology_csv(char *text, size_t len, const char *name,
                                                struct sl_error *err);
/*
 * GraphML: nodes and edges with data whose attr.name is kind, address, group, x, y, and the names of
 * conditions, also with "up." and "down." for one direction. Other data is passed over, but of the
 * Topology Zoo's Longitude, Latitude and LinkSpeedRaw. Of directed graphs, two edges make a link.
 */
SL_MUST_USE struct sl_topology *sl_topology_graphml(const char *text, size_t len, const char *name,
                                                    struct sl_error *err);
// A picture; links that are near each other in the graph are near each other in it.
SL_MUST_USE char *sl_topology_svg(const struct sl_topology *t, struct sl_error *err);

/*
 * Ways: for every router the next pipe towards each router that has hosts; a host's own links are
 * short cuts. Shortest by delay, then by links, then by number. Hosts without a way to the others are
 * an error.
 */
struct sl_routes;
SL_MUST_USE struct sl_routes *sl_routes_new(const struct sl_topology *t, struct sl_error *err);
void sl_routes_free(struct sl_routes *r);
int sl_routes_host(const struct sl_routes *r, uint32_t address); // node; -1 = nobody's
// The pipe to take at `node` for a packet to host `to`; -1 = it is there, or there is no way.
int32_t sl_routes_next(const struct sl_routes *r, uint32_t node, uint32_t to);
uint32_t sl_routes_end(const struct sl_routes *r, uint32_t pipe); // the node behind a pipe
