// SPDX-License-Identifier: Apache-2.0
/*
 * Service names by port: what IANA registered a port for, which is often not what listens there.
 *
 * Table    data/services.tsv, embedded at build time, with its date; or a file of the user's, in
 *          IANA's own CSV form ("Service Name,Port Number,Transport Protocol,..."), in the form of
 *          /etc/services, or in that of our table (name, port or range, protocols). Of several
 *          names for a port and protocol the first stands. Names are ids: small integers, stable
 *          for one registry; files store names.
 * Cost     a look-up is an index into an array (65536 ports x tcp, udp, sctp, dccp: 512 KiB).
 * Errors   SL_EINPUT with file and line.
 * Threads  made by one thread, then read-only.
 * Source   RFC 6335.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

struct sl_services; // opaque registry
enum { SL_SERVICE_NONE = 0, SL_SERVICE_NAME_MAX = 63 };
enum sl_service_basis { // which port gave the name
    SL_SERVICE_BASIS_NONE,
    SL_SERVICE_BASIS_DST,   // of the responder
    SL_SERVICE_BASIS_SRC,   // of the initiator, the responder's being unregistered
    SL_SERVICE_BASIS_LOWER, // both are registered and nobody knows who began
};
struct sl_service {
    uint16_t id; // SL_SERVICE_NONE = unregistered
    uint16_t port;
    uint8_t basis;
};

struct sl_services *sl_services_builtin(void);
SL_MUST_USE struct sl_services *sl_services_load(const char *path, struct sl_error *err);
// text is changed and followed by a NUL; name is for errors.
SL_MUST_USE struct sl_services *sl_services_parse(const char *name, char *text, size_t len,
                                                  struct sl_error *err);
void sl_services_free(struct sl_services *s);
const char *sl_services_date(const struct sl_services *s);   // "2024-08-28"; "" = the file has none
const char *sl_services_source(const struct sl_services *s); // where it is from
size_t sl_services_count(const struct sl_services *s);       // ids are 1..count

uint16_t sl_service_id(const struct sl_services *s, uint8_t ip_proto, uint16_t port);
const char *sl_service_name(const struct sl_services *s, uint16_t id); // "" for SL_SERVICE_NONE
// The server's port is the destination port of the initiator, if it is registered, else the source
// port, if that is. initiator_known: false for flows whose beginning was not seen.
struct sl_service sl_service_of_flow(const struct sl_services *s, uint8_t ip_proto, uint16_t sport,
                                     uint16_t dport, bool initiator_known);
const char *sl_service_basis_name(enum sl_service_basis b); // "none", "dst", "src", "lower"
