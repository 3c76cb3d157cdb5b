// SPDX-License-Identifier: Apache-2.0
/*
 * One HTTP exchange with the engine over its Unix socket. Private to this part: others use
 * engine.h.
 *
 * Paths    without an API version: the engine then answers in its newest one, and what we read has
 *          kept its names from 1.40 on.
 * Limits   every call has a time limit; replies that are kept are bounded to 64 MiB.
 * Interrupt a stream (progress lines, an upload) ends at once; a plain question may still finish,
 *          within 5 s; clean-up is never cut short, since it is what an interrupt is followed by.
 */
#pragma once
#include "base/str.h"
#include "engine/engine.h"

typedef bool sl_engine_sink(void *ctx, const char *bytes, size_t n); // false = enough, stop
struct sl_engine_call {
    const char *method, *path;
    const json_t *body; // sent as JSON; or
    const void *upload; // a tar
    size_t upload_bytes;
    sl_engine_sink *sink; // takes the bytes of a successful reply as they come
    void *ctx;
    int64_t deadline_ns;   // 0 = 60 s, -1 = none
    int64_t stall_ns;      // ends a call without a byte for so long; 0 = not watched
    int64_t first_byte_ns; // the same before the first byte of the reply
    bool clean_up;         // not interruptible
};
// Any status is success here. The reply's text goes to `text` unless a sink took it.
SL_MUST_USE bool sl_engine_transfer(struct sl_engine *e, const struct sl_engine_call *c,
                                    int *status, struct sl_str *text, struct sl_error *err);
// Sends the same method to all paths, several at a time, as clean-up. statuses[i] is 0 when the
// exchange itself failed.
void sl_engine_transfer_all(struct sl_engine *e, const char *method, char *const *paths, size_t n,
                            int *statuses);
const char *sl_engine_socket(const struct sl_engine *e);
// Percent-encodes everything but letters, digits and "-._~" and what `keep` names. Caller frees.
char *sl_url_escape(const char *text, const char *keep);
// "?filters=..." for one label; value may be NULL. Caller frees.
char *sl_label_filter(const char *label, const char *value);
// An error from a refusal: "the engine will not WHAT 'NAME': its message". Always false.
bool sl_engine_refused(struct sl_error *err, const char *what, const char *name, int status,
                       const struct sl_str *text);
