// SPDX-License-Identifier: Apache-2.0
// Hashes: FNV-1a for tables and streams, a seeded one for tables, SHA-256 (libcrypto) for
// identities of contents, MD5 (libcrypto) only where a published fingerprint is defined by it.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t sl_fnv1a(const void *data, size_t len);
// For tables whose keys are strangers': with a seed of sl_hash_seed nobody can know which keys
// meet.
uint64_t sl_hash_words(const uint64_t *w, size_t n, uint64_t seed);
uint64_t sl_hash_seed(void); // another one each time
struct sl_sha256;            // opaque running hash
struct sl_sha256 *sl_sha256_new(void);
void sl_sha256_add(struct sl_sha256 *h, const void *data, size_t len);
void sl_sha256_end(struct sl_sha256 *h, char hex[65]); // frees h
void sl_sha256_hex(const void *data, size_t len, char hex[65]);
// False, and hex "", where libcrypto refuses MD5 (FIPS mode).
bool sl_md5_hex(const void *data, size_t len, char hex[33]);
