// SPDX-License-Identifier: Apache-2.0
// The first bytes of a TLS stream, a DTLS datagram, bare handshake messages, and the facade.
#include "dissect/dissect.h"
#include "dissect/tls.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void check_text(const char *text, size_t size)
{
    check(memchr(text, '\0', size), "texts end");
    for (; *text; text++)
        check(*text >= 0x20 && *text <= 0x7e, "texts are printable");
}

static void check_facts(enum sl_tls_result res, const struct sl_tls_facts *f, size_t size)
{
    if (res == SL_TLS_NOT)
        return;
    check_text(f->sni, sizeof f->sni);
    check_text(f->alpn, sizeof f->alpn);
    check_text(f->ja3, sizeof f->ja3);
    check_text(f->ja3_md5, sizeof f->ja3_md5);
    check(strspn(f->ja3, "0123456789-,") == strlen(f->ja3), "a fingerprint is numbers");
    if (res == SL_TLS_NEED_MORE) {
        check(f->want_bytes > size, "more is wanted than there was");
        check(!f->ja3[0] && !f->ja3_md5[0], "no fingerprint of half a hello");
    }
}

// What is said of a start stays true with more bytes.
static void check_growth(const uint8_t *data, size_t size)
{
    struct sl_tls_facts whole, part;
    enum sl_tls_result all = sl_dissect_tls(data, size, &whole);
    size_t half = size / 2;
    uint8_t *exact = malloc(half ? half : 1);
    if (!exact)
        return;
    memcpy(exact, data, half);
    enum sl_tls_result res = sl_dissect_tls(exact, half, &part);
    check_facts(res, &part, half);
    if (res == SL_TLS_DONE)
        check(all == SL_TLS_DONE && !strcmp(whole.ja3, part.ja3) && !strcmp(whole.sni, part.sni),
              "done stays done");
    if (res == SL_TLS_NEED_MORE && part.sni[0] && all != SL_TLS_NOT)
        check(!strcmp(whole.sni, part.sni), "a name stays");
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_tls_facts f;
    struct sl_l7 l;
    if (!size)
        return 0;
    check_facts(sl_dissect_tls(data, size, &f), &f, size);
    check_facts(sl_dissect_dtls(data, size, &f), &f, size);
    check_facts(sl_dissect_tls_handshake(data, size, &f), &f, size);
    check_growth(data, size);
    if (sl_dissect_payload(6, 50000, 443, 0, data, size, &l) == SL_L7_NEED_MORE)
        check(l.want_bytes > size && size < SL_L7_MAX_BYTES, "more is wanted than there was");
    return 0;
}
