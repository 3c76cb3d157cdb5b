// SPDX-License-Identifier: Apache-2.0
/*
 * What protocol do the first payload bytes speak? Names are those of the PAYLOAD column of
 * data/classes.tsv.
 *
 * Errors   none: NULL when no probe fits. Each probe wants enough bytes to be wrong rarely by
 *          chance.
 * Threads  stateless.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
const char *sl_payload_probe(const uint8_t *client, size_t client_len, const uint8_t *server,
                             size_t server_len);
