// SPDX-License-Identifier: Apache-2.0
/*
 * Who is behind an address, and what a flow between two of them is: ground truth from the
 * orchestration, not a guess from port numbers.
 *
 * Threads  built by one thread, then read-only.
 */
#pragma once
#include "classes/classes.h"
#include "flow/flow.h"

struct sl_who {
    uint32_t ipv4;       // host byte order; the key
    int instance;        // index given by the owner
    int endpoint;        // index into the instance's endpoints
    const char *service; // service name; SL_WHO_DRIVER for a driver
    const char *image;
    struct sl_class_guess guess; // of the service, by image; cls 0 = nothing known
    bool is_driver;
};
struct sl_who_book; // opaque hash table
struct sl_who_book *sl_who_new(void);
void sl_who_add(struct sl_who_book *b, const struct sl_who *w); // strings are borrowed
const struct sl_who *sl_who_find(const struct sl_who_book *b, uint32_t ipv4); // NULL = a stranger
void sl_who_free(struct sl_who_book *b);

/*
 * The class of a flow served by `server` on port `dport`. The server's image decides; where it says
 * little (a language image, a built service) the payload does, then the port. A server that is
 * known for one application and is spoken to in HTTP on another port is taken at its payload
 * (management pages).
 */
void sl_who_classify(const struct sl_who *server, uint8_t proto, uint16_t dport,
                     const struct sl_flow *flow, struct sl_class_guess *out);
