// SPDX-License-Identifier: Apache-2.0
/*
 * What a TLS or DTLS hello tells: host name, protocols, version, fingerprint.
 *
 * Input    the first contiguous bytes of one direction of a TCP stream, cut anywhere; one datagram
 *          for DTLS; bare handshake messages for QUIC. All of it hostile.
 * Output   with NEED_MORE the facts hold what stood before the cut (never a fingerprint), and
 *          `want_bytes` how long the input should be for the next try to make progress.
 * Version  that of the hello, raised by supported_versions: the highest a client offers, the one a
 *          server chose. GREASE (RFC 8701) is passed over. JA3 client:
 *          version,ciphers,extensions,groups,point formats; JA3S, server: version,cipher,extensions.
 *          Decimal, joined by '-', GREASE left out, the version being the one in the hello itself. A
 *          text that does not fit is "", its MD5 is still given; the MD5 is "" where libcrypto may
 *          not compute it (FIPS).
 * Text     ASCII 0x20..0x7e; other bytes, and commas in names of protocols, become '?'.
 * Memory   no allocation of ours (MD5 is libcrypto's); 25 KiB of stack.
 * Threads  stateless.
 * Source   RFC 8446, 5246, 9147, 6347, 6066 section 3, 7301; JA3 as published by Salesforce, 2017.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sl_tls_result { SL_TLS_NOT, SL_TLS_NEED_MORE, SL_TLS_DONE };
enum sl_tls_kind {
    SL_TLS_OTHER, // records of TLS, but no hello in front: an alert, the middle of a connection
    SL_TLS_CLIENT_HELLO,
    SL_TLS_SERVER_HELLO,
};
enum { SL_TLS_MAX_MESSAGE = 16384 }; // longer hellos are read up to here

struct sl_tls_facts {
    enum sl_tls_kind kind;
    bool datagram;           // DTLS
    bool malformed;          // a defect behind the cipher suites; what stood before it is there
    bool retry;              // a ServerHello that is a HelloRetryRequest
    bool sni_odd;            // a name that is not letters, digits, '-', '_', '.'; or was cut
    uint16_t legacy_version; // of the hello; of the record when there is no hello
    uint16_t version;
    uint16_t cipher;     // server: chosen; 0 = not seen
    uint32_t want_bytes; // with NEED_MORE
    char sni[256];
    char alpn[64]; // client: in its order, as many whole names as fit; server: the one chosen
    char ja3[1024], ja3_md5[33]; // JA3S when it is a server
};

enum sl_tls_result sl_dissect_tls(const uint8_t *stream, size_t len, struct sl_tls_facts *out);
enum sl_tls_result sl_dissect_dtls(const uint8_t *datagram, size_t len, struct sl_tls_facts *out);
// Handshake messages without records, as QUIC carries them.
enum sl_tls_result sl_dissect_tls_handshake(const uint8_t *messages, size_t len,
                                            struct sl_tls_facts *out);
