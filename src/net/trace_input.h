// SPDX-License-Identifier: Apache-2.0
/*
 * The bytes of a trace, decompressed, as a window that moves forward: [p, end) is what is there and
 * not yet taken. Private to net.
 *
 * Buffers  a file or pipe is read into two buffers in turn. Bytes behind p hold until the second
 *          next sl_trace_input_batch, as the batches of trace.h promise: between two of those calls
 *          the input leaves the buffer that may hold the batch before at most once, and whoever has
 *          taken packets does not ask for more. Bytes in memory are used in place.
 * Errors   reading fails with SL_EINPUT, or SL_EINTR. Compressed data that is damaged or cut is the
 *          end of the input; `damage` then says so.
 */
#pragma once
#include "base/error.h"
#include "base/zip.h"
#include <stdint.h>

struct sl_trace_input {
    const uint8_t *p, *end;
    uint64_t end_offset; // of `end` in the uncompressed data
    bool eof;            // nothing comes after `end`
    char damage[256];    // of the compression; "" if none
    char *name;          // for messages
    enum sl_zip_kind compression;
    uint64_t file_bytes;

    int fd; // -1 = bytes in memory
    bool own_fd;
    struct sl_trace_buffer {
        uint8_t *at;
        size_t cap;
    } buf[2];
    int cur;    // the buffer that p and end are in
    bool fresh; // it was entered since the batch began: nobody holds bytes of it
    struct sl_unzip *unzip;
    struct sl_trace_buffer raw; // compressed bytes, and the first ones of all inputs
    const uint8_t *raw_p, *raw_end;
    uint64_t raw_offset; // of raw_end in the file
    bool raw_eof;
};
SL_MUST_USE bool sl_trace_input_open(struct sl_trace_input *in, const char *path,
                                     struct sl_error *err);
SL_MUST_USE bool sl_trace_input_bytes(struct sl_trace_input *in, const uint8_t *bytes, size_t len,
                                      const char *name, struct sl_error *err);
void sl_trace_input_done(struct sl_trace_input *in);
// A new batch begins: what was taken in the batch before the last one is given up.
void sl_trace_input_batch(struct sl_trace_input *in);
// Makes the window at least want bytes long, unless the input ends before.
SL_MUST_USE bool sl_trace_input_more(struct sl_trace_input *in, size_t want, struct sl_error *err);
static inline uint64_t sl_trace_input_offset(const struct sl_trace_input *in)
{
    return in->end_offset - (uint64_t)(in->end - in->p);
}
