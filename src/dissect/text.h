// SPDX-License-Identifier: Apache-2.0
/*
 * Strangers' bytes as text that can be printed anywhere: ASCII 0x20..0x7e is kept, every other byte
 * becomes '?'. Cut to what fits; always terminated.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// True when nothing was replaced or cut.
bool sl_dissect_text(char *dst, size_t size, const uint8_t *bytes, size_t len);
