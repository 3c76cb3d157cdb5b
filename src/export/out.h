// SPDX-License-Identifier: Apache-2.0
/*
 * Where a table's bytes go: a file that appears under its name only when complete, a pipe, or
 * standard output. Buffered; a row is written whole or not at all.
 *
 *     if (!sl_out_begin(&o, err))       // between rows: a full buffer goes out
 *         return false;
 *     char *p = sl_out_need(&o, 100);   // within a row: room for 100 bytes, never fails
 *     ... o.len = (size_t)(p - o.buf);  // what was used of it
 *
 * Memory   sl_out_memory makes one that has no file, for bytes that sl_out_append moves later.
 * Names    a regular file has another name until sl_out_close (base/fs.h); what is there and is no
 *          regular file (a pipe, /dev/full) is written as it is. "-" is standard output.
 * Errors   SL_ERUN, naming the file; a full disk gets a hint.
 * Threads  one.
 */
#pragma once
#include "base/error.h"
#include "base/fs.h"
#include <stdint.h>

enum { SL_OUT_BUFFER = 256 << 10 }; // bytes after which the buffer goes out

struct sl_out { // zeroed is closed
    char *buf;
    size_t len, cap;
    uint64_t written;  // bytes that left the buffer
    char *path;
    struct sl_replacement file;
    int fd, target;    // target: where a spooled file is copied to at the end, else -1
    bool open, seekable;
};
// seekable: the caller will patch what it wrote, so a pipe's bytes are kept in a temporary file
// until the end.
SL_MUST_USE bool sl_out_open(struct sl_out *o, const char *path, bool seekable,
                             struct sl_error *err);
SL_MUST_USE bool sl_out_flush(struct sl_out *o, struct sl_error *err);
// Replaces bytes at a place that was written before; only with seekable.
SL_MUST_USE bool sl_out_patch(struct sl_out *o, uint64_t at, const void *bytes, size_t len,
                              struct sl_error *err);
SL_MUST_USE bool sl_out_close(struct sl_out *o, struct sl_error *err); // frees also on failure
void sl_out_memory(struct sl_out *o); // goes nowhere: bytes stay in the buffer
// What is in a buffer in memory goes behind o's bytes.
SL_MUST_USE bool sl_out_append(struct sl_out *o, struct sl_out *from, struct sl_error *err);
void sl_out_abort(struct sl_out *o); // removes what was written; a closed one is fine
// The message for what the system said about this file; always false.
bool sl_out_failed(const char *path, int why, struct sl_error *err);

static inline bool sl_out_begin(struct sl_out *o, struct sl_error *err)
{
    return o->len < SL_OUT_BUFFER || sl_out_flush(o, err);
}
void sl_out_grow(struct sl_out *o, size_t bytes);
static inline char *sl_out_need(struct sl_out *o, size_t bytes)
{
    if (o->cap - o->len < bytes)
        sl_out_grow(o, bytes);
    return o->buf + o->len;
}
void sl_out_add(struct sl_out *o, const void *bytes, size_t len);
