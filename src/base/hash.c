// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"
#include "base/mem.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/random.h>

uint64_t sl_fnv1a(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)(m >> 64) ^ (uint64_t)m;
}

// The step of wyhash: multiply and fold.
uint64_t sl_hash_words(const uint64_t *w, size_t n, uint64_t seed)
{
    uint64_t h = seed ^ n;
    for (size_t i = 0; i < n; i++)
        h = fold(w[i] ^ UINT64_C(0xa0761d6478bd642f), h ^ UINT64_C(0xe7037ed1a0b428db));
    return fold(h ^ UINT64_C(0x8ebc6af09c88c6e3), seed ^ UINT64_C(0x589965cc75374cc3));
}

uint64_t sl_hash_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = (uint64_t)(uintptr_t)&seed; // early in a boot; better than a constant
    return seed;
}

struct sl_sha256 {
    EVP_MD_CTX *ctx;
};

struct sl_sha256 *sl_sha256_new(void)
{
    struct sl_sha256 *h = sl_alloc(sizeof *h);
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || !EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL))
        abort();
    return h;
}

void sl_sha256_add(struct sl_sha256 *h, const void *data, size_t len)
{
    EVP_DigestUpdate(h->ctx, data, len);
}

void sl_sha256_end(struct sl_sha256 *h, char hex[65])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_DigestFinal_ex(h->ctx, md, &n);
    for (unsigned i = 0; i < 32; i++)
        snprintf(hex + i * 2, 3, "%02x", md[i]);
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void sl_sha256_hex(const void *data, size_t len, char hex[65])
{
    struct sl_sha256 *h = sl_sha256_new();
    sl_sha256_add(h, data, len);
    sl_sha256_end(h, hex);
}

bool sl_md5_hex(const void *data, size_t len, char hex[33])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    hex[0] = '\0';
    if (!EVP_Digest(data, len, md, &n, EVP_md5(), NULL) || n != 16) {
        ERR_clear_error();
        return false;
    }
    for (unsigned i = 0; i < 16; i++)
        snprintf(hex + i * 2, 3, "%02x", md[i]);
    return true;
}
