// SPDX-License-Identifier: Apache-2.0
// Text that came from the network, made fit for formats that want UTF-8 (RFC 3629).
#pragma once
#include <stdbool.h>
#include <stddef.h>

// How many bytes from p to the next character; valid says whether they are one. What is not is as
// long as its longest valid beginning, at least one byte, and stands for one U+FFFD.
size_t sl_utf8_step(const char *p, size_t len, bool *valid);
bool sl_utf8_valid(const char *p, size_t len);
// Copies with U+FFFD for what is not UTF-8: at most 3 * len bytes. Returns the end.
char *sl_utf8_put(char *to, const char *p, size_t len);
// A string in JSON, quotes included; what is not UTF-8 is U+FFFD. Returns the end.
#define SL_JSON_TEXT_ROOM(len) (6 * (len) + 2)
char *sl_json_put_text(char *to, const char *p, size_t len);
