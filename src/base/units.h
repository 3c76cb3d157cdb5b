// SPDX-License-Identifier: Apache-2.0
/*
 * Text to numbers and back. Parsers reject trailing junk, overflow and missing units:
 * "5x" is an error that quotes "5x". Errors are SL_EUSAGE; the caller changes that if need be.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

SL_MUST_USE bool sl_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out,
                              struct sl_error *err);
SL_MUST_USE bool sl_parse_double(const char *text, double min, double max, double *out,
                                 struct sl_error *err);
// "30s", "10m", "1h", "500ms" -> nanoseconds.
SL_MUST_USE bool sl_parse_duration_ns(const char *text, int64_t *out_ns, struct sl_error *err);
// "100Mbps", "100 Mbps", "20k", "5M" -> bits per second.
SL_MUST_USE bool sl_parse_rate_bps(const char *text, double *out_bps, struct sl_error *err);
// "2%" -> 0.02
SL_MUST_USE bool sl_parse_percent(const char *text, double *out, struct sl_error *err);
// "512m", "2G", "1024" (bytes), also "512MiB" -> bytes.
SL_MUST_USE bool sl_parse_bytes(const char *text, uint64_t *out, struct sl_error *err);

// "20.0 M", "512 k": bits per second for tables. buf at least 24 bytes; returns buf.
char *sl_format_rate(double bps, char *buf, size_t size);
char *sl_format_bytes(double bytes, char *buf, size_t size);
char *sl_format_duration(double seconds, char *buf, size_t size);
