// SPDX-License-Identifier: Apache-2.0
/*
 * QUIC datagrams, one or more of a flow. A fuzzer cannot guess an authentic Initial, so after each
 * datagram as it is the same bytes are sealed by the target as the frames of an Initial: then what
 * is behind the encryption is reached too.
 *
 * Input    datagrams, each behind its length in two bytes, most significant first.
 */
#include "base/crypto.h"
#include "dissect/dissect.h"
#include "dissect/quic.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER = 18, NUMBER = 1, TAG = 16, MOST = 1500 };

static bool seal(const struct sl_quic_keys *k, uint8_t *packet, const uint8_t *plain, size_t len)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t *sealed = packet + HEADER + NUMBER, mask[16];
    int n = 0;
    bool ok = c && EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, k->key, k->iv) &&
              EVP_EncryptUpdate(c, NULL, &n, packet, HEADER + NUMBER) &&
              EVP_EncryptUpdate(c, sealed, &n, plain, (int)len) &&
              EVP_EncryptFinal_ex(c, sealed + len, &n) &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, sealed + len) &&
              sl_aes128_block(k->hp, packet + HEADER + 4, mask);
    EVP_CIPHER_CTX_free(c);
    packet[0] = (uint8_t)(packet[0] ^ (mask[0] & 0x0f));
    packet[HEADER] ^= mask[1];
    return ok;
}

// A client's Initial with packet number 0 and these frames. Returns its length.
static size_t make_initial(const uint8_t *frames, size_t len, uint8_t packet[MOST + 64])
{
    static const uint8_t dcid[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t plain[MOST + 4] = {0};
    struct sl_quic_keys keys;
    len = len < MOST ? len : MOST;
    if (len)
        memcpy(plain, frames, len);
    if (len < 4)
        len = 4; // there must be a sample for header protection
    size_t rest = NUMBER + len + TAG;
    const uint8_t head[HEADER] = {
        0xc0,         0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, (uint8_t)(0x40 | rest >> 8),
        (uint8_t)rest};
    memcpy(packet, head, HEADER);
    packet[HEADER] = 0;
    if (!sl_quic_client_keys(1, dcid, sizeof dcid, &keys) || !seal(&keys, packet, plain, len))
        abort();
    return HEADER + rest;
}

static void check_facts(enum sl_quic_result res, const struct sl_quic_hello *hello,
                        const struct sl_quic_facts *f)
{
    if (res == SL_QUIC_NOT && (f->version || f->opened))
        abort();
    bool waits = (hello && hello->keyed) || f->type == SL_QUIC_0RTT;
    if (res == SL_QUIC_NEED_MORE && !f->opened && !waits)
        abort();
    for (const char *p = f->tls.sni; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            abort();
}

static void one(const uint8_t *bytes, size_t len, struct sl_quic_hello *as_is,
                struct sl_quic_hello *inside)
{
    struct sl_quic_facts f;
    struct sl_l7 l;
    uint8_t packet[MOST + 64];
    uint8_t *exact = malloc(len ? len : 1);
    if (!exact)
        return;
    if (len)
        memcpy(exact, bytes, len);
    check_facts(sl_dissect_quic(exact, len, as_is, &f), as_is, &f);
    check_facts(sl_dissect_quic(exact, len, NULL, &f), NULL, &f);
    sl_dissect_payload(17, 50000, 443, 0, exact, len, &l);
    size_t n = make_initial(exact, len, packet);
    enum sl_quic_result res = sl_dissect_quic(packet, n, inside, &f);
    check_facts(res, inside, &f);
    if (res == SL_QUIC_NOT || !f.opened)
        abort();
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_quic_hello as_is, inside;
    memset(&as_is, 0, sizeof as_is);
    memset(&inside, 0, sizeof inside);
    for (int i = 0; i < 4 && size >= 2; i++) {
        size_t n = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        n = n < size ? n : size;
        one(data, n, &as_is, &inside);
        data += n;
        size -= n;
    }
    return 0;
}
