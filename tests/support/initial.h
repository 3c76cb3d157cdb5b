// SPDX-License-Identifier: Apache-2.0
/*
 * A QUIC client's Initial with frames of the test's choice, made by libcrypto and the header of RFC
 * 9001 appendix A.2 (version 1, packet number 2, a destination identifier of eight bytes).
 * Include after cmocka's needs; uses its asserts.
 */
#pragma once
#include "base/crypto.h"
#include "dissect/quic.h"
#include "hex.h"
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

enum {
    INITIAL_HEADER = 22,
    INITIAL_NUMBER_AT = 18,
    INITIAL_PLAIN = 1162,
    INITIAL_BYTES = 1200,
    INITIAL_TAG = 16,
};

static const uint8_t initial_dcid[8] = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08};

static inline void initial_seal(const struct sl_quic_keys *k, const uint8_t *number,
                                uint8_t *packet, const uint8_t *plain)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t nonce[12], mask[16], *sealed = packet + INITIAL_HEADER;
    int n = 0;
    memcpy(nonce, k->iv, sizeof nonce);
    for (int i = 0; i < 4; i++)
        nonce[8 + i] ^= number[i];
    assert_true(c && EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, k->key, nonce) &&
                EVP_EncryptUpdate(c, NULL, &n, packet, INITIAL_HEADER) &&
                EVP_EncryptUpdate(c, sealed, &n, plain, INITIAL_PLAIN) &&
                EVP_EncryptFinal_ex(c, sealed + INITIAL_PLAIN, &n) &&
                EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, INITIAL_TAG, sealed + INITIAL_PLAIN));
    EVP_CIPHER_CTX_free(c);
    assert_true(sl_aes128_block(k->hp, packet + INITIAL_NUMBER_AT + 4, mask));
    packet[0] = (uint8_t)(packet[0] ^ (mask[0] & 0x0f));
    for (int i = 0; i < 4; i++)
        packet[INITIAL_NUMBER_AT + i] ^= mask[1 + i];
}

// An Initial with the header of A.2 and these frames, padded; its packet number is 2.
static inline void make_initial(const uint8_t *frames, size_t len, uint8_t packet[INITIAL_BYTES])
{
    struct sl_quic_keys keys;
    uint8_t plain[INITIAL_PLAIN] = {0};
    memcpy(plain, frames, len);
    assert_int_equal(
        hex_bytes("c300000001088394c8f03e5157080000449e00000002", packet, INITIAL_BYTES),
        INITIAL_HEADER);
    assert_true(sl_quic_client_keys(1, initial_dcid, sizeof initial_dcid, &keys));
    initial_seal(&keys, (const uint8_t[]){0, 0, 0, 2}, packet, plain);
}

static inline size_t crypto_frame(uint8_t *to, size_t offset, const uint8_t *data, size_t len)
{
    const uint8_t head[5] = {6, (uint8_t)(0x40 | offset >> 8), (uint8_t)offset,
                             (uint8_t)(0x40 | len >> 8), (uint8_t)len};
    memcpy(to, head, sizeof head);
    memcpy(to + sizeof head, data, len);
    return sizeof head + len;
}
