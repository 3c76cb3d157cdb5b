// SPDX-License-Identifier: Apache-2.0
/*
 * Writing captures: pcap with nanosecond time stamps, link type Ethernet. trace.h reads them.
 * Errors   SL_ERUN; a full disk is named. The file is valid after every flush.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>
struct sl_pcap_writer;
SL_MUST_USE struct sl_pcap_writer *sl_pcap_create(const char *path, uint32_t snaplen, struct sl_error *err);
SL_MUST_USE bool sl_pcap_write(struct sl_pcap_writer *w, int64_t ts_ns, const uint8_t *frame,
                               uint32_t captured, uint32_t wire_bytes, struct sl_error *err);
// What was written so far reaches the file. A failed write drops what was buffered; the file stays valid.
SL_MUST_USE bool sl_pcap_flush(struct sl_pcap_writer *w, struct sl_error *err);
// Frees w, also when the last write fails. NULL is fine.
SL_MUST_USE bool sl_pcap_close(struct sl_pcap_writer *w, struct sl_error *err);
