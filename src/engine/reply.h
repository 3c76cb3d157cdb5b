// SPDX-License-Identifier: Apache-2.0
/*
 * The engine's replies -> our structs. Pure: bytes and JSON in, structs out. Replies carry what
 * strangers chose (names, labels, logs), so nothing is taken for granted: a member that is missing
 * or of another type leaves its default.
 */
#pragma once
#include "base/str.h"
#include "engine/engine.h"

// JSON of a reply; strings may hold NUL. NULL when it is none.
json_t *sl_reply_json(const char *text, size_t len);
// The engine's own words, {"message":...} or the first line, without control characters.
void sl_reply_message(const char *text, size_t len, char *to, size_t size);
// GET /containers/ID/json. False when there is no id.
bool sl_reply_container(const json_t *inspect, struct sl_container *out);
bool sl_reply_usage(const json_t *stats, struct sl_container_usage *out);
// GET /networks: an array of "10.1.2.0/24" texts. Caller decrefs.
json_t *sl_reply_subnets(const json_t *networks);
// "2026-11-21T01:28:46.483148066Z" -> wall ns; 0 for the engine's "never" and for junk.
int64_t sl_reply_time_ns(const char *text);

// A log stream with stdout and stderr interleaved in frames of (stream, 0, 0, 0, length); a
// container with a terminal sends plain bytes. Keeps the end of it.
struct sl_reply_log {
    size_t max; // bytes kept at most
    char *text; // 2 * max + 1 bytes, made at the first bytes
    size_t len;
    uint8_t head[8];
    size_t head_len, left; // of the frame's header; of its payload
    bool raw;              // not framed
    bool started;
};
void sl_reply_log_add(struct sl_reply_log *l, const char *bytes, size_t n);
char *sl_reply_log_take(struct sl_reply_log *l); // "" when empty; caller frees

// Progress of pulls, imports and builds: JSON values, one after another. on_value is called for
// each.
struct sl_reply_lines {
    struct sl_str pending;
    void (*on_value)(void *ctx, const json_t *value);
    void *ctx;
};
void sl_reply_lines_add(struct sl_reply_lines *l, const char *bytes, size_t n);
void sl_reply_lines_done(struct sl_reply_lines *l);
