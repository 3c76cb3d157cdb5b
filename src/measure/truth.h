// SPDX-License-Identifier: Apache-2.0
/*
 * Who was behind an address, and when: the label book of a run, and the join of a flow with it.
 *
 * File     labels.csv of a run folder. A header line names the columns: address (the only one that
 *          must be there), port (empty = any), from_ns, to_ns (nanoseconds since 1970; empty =
 *          open; to_ns itself is outside), project, service, image, class, role (server, client,
 *          both, driver or empty), statement (from 1; empty = none), instance, replica, host. Other
 *          columns are passed over.
 * Rule     addresses are reused, so a row holds for an interval. A row with the port stands before
 *          one for any port. Rows of one address and port must not overlap in time.
 * Errors   SL_EINPUT with file and line; an overlap names both lines.
 * Threads  loaded by one thread, then read-only.
 */
#pragma once
#include "base/error.h"
#include "net/packet.h"

struct sl_truth_row { // texts are never NULL, and live as long as the book
    struct sl_addr addr;
    uint16_t port;          // 0 = any
    int64_t from_ns, to_ns; // INT64_MIN, INT64_MAX = open
    const char *project, *service, *image, *cls, *role, *instance, *host;
    int cls_id;      // of the class table; 0 when it has no such class
    const char *app; // application by the image, as the class table has it; "" when unknown
    int statement;   // 0 = none
    int replica;     // 0 = not said
    uint32_t node;   // rows of one (project, instance, service, replica) share a number, from 0
    int line;        // in the file
};
struct sl_truth; // opaque book
// A run folder, or a file.
SL_MUST_USE struct sl_truth *sl_truth_load(const char *folder_or_file, struct sl_error *err);
// text is changed and followed by a NUL; name is for errors.
SL_MUST_USE struct sl_truth *sl_truth_parse(const char *name, char *text, size_t len,
                                            struct sl_error *err);
void sl_truth_free(struct sl_truth *t);
size_t sl_truth_count(const struct sl_truth *t); // rows
size_t sl_truth_nodes(const struct sl_truth *t);
const struct sl_truth_row *sl_truth_at(const struct sl_truth *t, size_t i); // by address and time
// NULL = nobody knows.
const struct sl_truth_row *sl_truth_find(const struct sl_truth *t, const struct sl_addr *addr,
                                         uint16_t port, int64_t t_ns);

struct sl_truth_flow {
    const struct sl_truth_row *server, *client; // NULL = nobody knows
    int statement;                              // the server's, else the client's; 0 = none
    bool swapped;                               // the tuple's source is the server
};
/*
 * The tuple's destination is the server, as its initiator is its source. When the beginning of the
 * flow was not seen, roles decide: a destination that only sends requests cannot be the server.
 */
void sl_truth_of_flow(const struct sl_truth *t, const struct sl_tuple *tuple, int64_t t_ns,
                      bool initiator_known, struct sl_truth_flow *out);
