// SPDX-License-Identifier: Apache-2.0
/*
 * The few primitives that reading a QUIC Initial needs, through libcrypto.
 *
 * Errors   false where libcrypto refuses, and for an AEAD whose tag does not fit: outputs are then
 *          not to be used. No sl_error: callers go on without.
 * Memory   none of ours; libcrypto allocates its contexts.
 * Threads  stateless.
 * Source   RFC 5869 (HKDF), RFC 8446 section 7.1 (labels), FIPS 197, NIST SP 800-38D.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

// HKDF-Extract with SHA-256.
SL_MUST_USE bool sl_hkdf_extract(const uint8_t *salt, size_t salt_len, const uint8_t *secret,
                                 size_t secret_len, uint8_t out[32]);
// HKDF-Expand-Label with SHA-256 and an empty context; len <= 32, label without "tls13 ".
SL_MUST_USE bool sl_hkdf_expand_label(const uint8_t secret[32], const char *label, uint8_t *out,
                                      size_t len);
SL_MUST_USE bool sl_aes128_block(const uint8_t key[16], const uint8_t in[16], uint8_t out[16]);
struct sl_bytes {
    const uint8_t *p;
    size_t len;
};
// sealed = ciphertext and its tag of 16 bytes; out gets sealed_len - 16 bytes. The additional data
// comes in parts.
SL_MUST_USE bool sl_aes128_gcm_open(const uint8_t key[16], const uint8_t nonce[12],
                                    const struct sl_bytes *additional, size_t n_additional,
                                    const uint8_t *sealed, size_t sealed_len, uint8_t *out);
