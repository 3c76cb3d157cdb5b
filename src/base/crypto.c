// SPDX-License-Identifier: Apache-2.0
#include "base/crypto.h"
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { TAG = 16 };

static bool hmac(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len,
                 uint8_t out[32])
{
    unsigned n = 0;
    bool ok = key_len <= INT_MAX && HMAC(EVP_sha256(), key, (int)key_len, data, len, out, &n);
    if (!ok)
        ERR_clear_error();
    return ok && n == 32;
}

bool sl_hkdf_extract(const uint8_t *salt, size_t salt_len, const uint8_t *secret, size_t secret_len,
                     uint8_t out[32])
{
    return hmac(salt, salt_len, secret, secret_len, out);
}

// One block of HKDF-Expand is enough for 32 bytes: T(1) = HMAC(secret, label structure | 0x01).
bool sl_hkdf_expand_label(const uint8_t secret[32], const char *label, uint8_t *out, size_t len)
{
    static const char prefix[] = "tls13 ";
    uint8_t info[64], block[32];
    size_t n = strlen(label), at = 0;
    if (len > sizeof block || n + sizeof prefix + 5 > sizeof info)
        return false;
    info[at++] = 0;
    info[at++] = (uint8_t)len;
    info[at++] = (uint8_t)(sizeof prefix - 1 + n);
    memcpy(info + at, prefix, sizeof prefix - 1);
    at += sizeof prefix - 1;
    memcpy(info + at, label, n);
    at += n;
    info[at++] = 0; // empty context
    info[at++] = 1;
    if (!hmac(secret, 32, info, at, block))
        return false;
    memcpy(out, block, len);
    return true;
}

bool sl_aes128_block(const uint8_t key[16], const uint8_t in[16], uint8_t out[16])
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok = c && EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, key, NULL) &&
              EVP_CIPHER_CTX_set_padding(c, 0) && EVP_EncryptUpdate(c, out, &n, in, 16) && n == 16;
    EVP_CIPHER_CTX_free(c);
    if (!ok)
        ERR_clear_error();
    return ok;
}

bool sl_aes128_gcm_open(const uint8_t key[16], const uint8_t nonce[12],
                        const struct sl_bytes *additional, size_t n_additional,
                        const uint8_t *sealed, size_t sealed_len, uint8_t *out)
{
    if (sealed_len < TAG || sealed_len > INT_MAX)
        return false;
    uint8_t tag[TAG], none[16];
    memcpy(tag, sealed + sealed_len - TAG, TAG);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok = c && EVP_DecryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, nonce);
    for (size_t i = 0; ok && i < n_additional; i++)
        ok = !additional[i].len ||
             (additional[i].len <= INT_MAX &&
              EVP_DecryptUpdate(c, NULL, &n, additional[i].p, (int)additional[i].len));
    ok = ok && EVP_DecryptUpdate(c, out, &n, sealed, (int)(sealed_len - TAG)) &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag) &&
         EVP_DecryptFinal_ex(c, none, &n) > 0;
    EVP_CIPHER_CTX_free(c);
    if (!ok)
        ERR_clear_error();
    return ok;
}
