// SPDX-License-Identifier: Apache-2.0
/*
 * Labels by deep packet inspection, through nDPI where this build has it: "TLS.Google" and how sure
 * that is, from the first payload packets of a flow.
 *
 *     struct sl_dpi *dpi = sl_dpi_new(0, err);       // one for each worker
 *     sl_dpi_add(dpi, &flow->dpi, &packet);          // every packet; most cost a comparison
 *     sl_dpi_end(dpi, &flow->dpi, &label);           // the flow's end; frees what hung on it
 *
 * Method   at most SL_DPI_PACKETS packets with payload are looked at. Ports and addresses are not
 *          asked for a guess (other labels say those), and what nDPI remembers of other flows is not
 *          taken for an answer, so that a label does not depend on which flows a worker had.
 * Memory   SL_DPI_PACKETS packets long a flow has nDPI's state (sl_dpi_state_bytes, about 1 KB),
 *          then 16 bytes more; at most max_states states live at a time, later flows stay unlabelled
 *          and are counted.
 * Errors   SL_EENV when this build is without nDPI.
 * Threads  one for each object; making and freeing must not run in parallel.
 * Source   nDPI 4.2, LGPL-3.0-or-later, https://github.com/ntop/nDPI
 */
#pragma once
#include "base/error.h"
#include "net/packet.h"

enum { SL_DPI_PACKETS = 8 };
struct sl_dpi;      // opaque
struct sl_dpi_flow; // opaque: hangs on a flow; NULL at first
struct sl_dpi_label {
    char name[64];          // "" = unknown
    const char *confidence; // "DPI", "DPI (partial)"; "" = unknown; static storage
};
bool sl_dpi_available(void);
const char *sl_dpi_version(void); // "4.2.0"; "" without it
size_t sl_dpi_state_bytes(void);  // of a flow under inspection
// max_states: 0 = 200000.
SL_MUST_USE struct sl_dpi *sl_dpi_new(size_t max_states, struct sl_error *err);
void sl_dpi_free(struct sl_dpi *d); // flows must have ended
// A packet of a flow that nDPI has not seen enough of.
void sl_dpi_inspect(struct sl_dpi *d, struct sl_dpi_flow **flow, const struct sl_packet *p);
static inline void sl_dpi_add(struct sl_dpi *d, struct sl_dpi_flow **flow,
                              const struct sl_packet *p)
{
    if (d && p->payload && p->payload_captured && !p->fragment_offset)
        sl_dpi_inspect(d, flow, p);
}
// Also for flows that had no payload. *flow is NULL afterwards.
void sl_dpi_end(struct sl_dpi *d, struct sl_dpi_flow **flow, struct sl_dpi_label *out);
uint64_t sl_dpi_unseen(const struct sl_dpi *d); // flows that found no room
