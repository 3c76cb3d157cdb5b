// SPDX-License-Identifier: Apache-2.0
/*
 * What a server's first bytes say about its protocol. Pure: bytes in, a static name out; "" when
 * nothing fits. Every byte is a stranger's.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum sl_question {
    SL_ASK_NOTHING,
    SL_ASK_HTTP,
    SL_ASK_REDIS,
    SL_ASK_POSTGRESQL,
    SL_ASK_MEMCACHED,
    SL_ASK_MQTT
};
enum { SL_QUESTIONS = SL_ASK_MQTT + 1 };
// What a server said after this question (SL_ASK_NOTHING: of its own accord).
const char *sl_probe_answer(enum sl_question q, const uint8_t *p, size_t len);
// The bytes of a question.
const void *sl_probe_question(enum sl_question q, size_t *len);
