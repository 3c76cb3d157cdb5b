// SPDX-License-Identifier: Apache-2.0
/*
 * Bidirectional flows as IPFIX messages in a file (RFC 7011, RFC 5655, RFC 5103), where this build
 * has libfixbuf.
 *
 * Records  one template for IPv4, one for IPv6: addresses, ports, protocolIdentifier,
 *          flowStart/EndMilliseconds, octetTotalCount, packetTotalCount and tcpControlBits of both
 *          directions, flowEndReason, flowId.
 * Time     a message's export time is the latest end of its flows: the same flows give the same
 *          bytes.
 * Octets   of IP: headers and what they carry, as octetTotalCount is defined (IANA IPFIX, 85).
 * Output   as in export.h: a path or "-"; a file has its name when it is complete, and a schema file
 *          beside it that says what each element is and where the flows come from.
 * Errors   SL_EENV in a build without libfixbuf; SL_ERUN, naming the file.
 * Threads  one.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

enum sl_ipfix_end { // flowEndReason, RFC 5102 section 5.11.3
    SL_IPFIX_IDLE = 1,
    SL_IPFIX_ACTIVE = 2,
    SL_IPFIX_END_OF_FLOW = 3,
    SL_IPFIX_FORCED = 4,
    SL_IPFIX_NO_RESOURCES = 5,
};
struct sl_ipfix_flow {
    uint8_t ip_version; // 4: the first four bytes of an address; 6
    uint8_t protocol, end_reason;
    uint8_t source[16], destination[16]; // of the initiator, of the other; network order
    uint16_t source_port, destination_port;
    int64_t start_ns, end_ns;       // since 1970 UTC
    uint64_t octets[2], packets[2]; // forward, backward
    uint16_t tcp_flags[2];          // OR of all
    uint64_t id;
};
struct sl_ipfix;
bool sl_ipfix_available(void);
// domain: the observation domain's number. provenance: JSON for the schema file; NULL = none.
SL_MUST_USE struct sl_ipfix *sl_ipfix_open(const char *path, uint32_t domain,
                                           const char *provenance, struct sl_error *err);
SL_MUST_USE bool sl_ipfix_add(struct sl_ipfix *x, const struct sl_ipfix_flow *f,
                              struct sl_error *err);
SL_MUST_USE bool sl_ipfix_close(struct sl_ipfix *x, struct sl_error *err); // frees also on failure
void sl_ipfix_abort(struct sl_ipfix *x); // throws the half-written file away
