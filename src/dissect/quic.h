// SPDX-License-Identifier: Apache-2.0
/*
 * What a QUIC datagram tells: version, packet type, connection identifiers; and, of a client's
 * Initial, the TLS hello inside. Initials are encrypted with keys that anyone can derive who sees
 * the client's first destination identifier, so a server's Initial alone cannot be opened.
 *
 * Versions 1, 2, drafts 22 to 34 (and T050, T051, mvfst), version negotiation, reserved versions;
 * and Google's Qnnn, of which only the header is read. A short header has no version: NOT.
 * Hello    one often fills two datagrams. A caller that wants those holds a struct sl_quic_hello per
 *          flow (4.6 KiB, zeroed to begin) and hands in each client datagram until DONE; with NULL,
 *          each datagram is on its own: its names are found when it holds the hello's start.
 * Result   NEED_MORE = an Initial was opened and the hello is not whole yet (names that lie before
 *          the hole are in the facts), or 0-RTT came where an Initial may follow: the next datagram
 *          may bring more. Else DONE.
 * Cut      a datagram that was captured in part keeps its version; its Initial cannot be opened.
 * Memory   no allocation of ours (libcrypto's contexts are); 40 KiB of stack.
 * Threads  stateless.
 * Source   RFC 9000 section 17, 8999, 9001 section 5, 9369, 9368; drafts of the same.
 */
#pragma once
#include "dissect/tls.h"

enum sl_quic_result { SL_QUIC_NOT, SL_QUIC_NEED_MORE, SL_QUIC_DONE };
enum sl_quic_type {
    SL_QUIC_INITIAL,
    SL_QUIC_0RTT,
    SL_QUIC_HANDSHAKE,
    SL_QUIC_RETRY,
    SL_QUIC_NEGOTIATION, // version negotiation
    SL_QUIC_OTHER,       // Google's, before it had these types
};
enum { SL_QUIC_MAX_HELLO = 4096 };

struct sl_quic_hello { // a client's CRYPTO bytes so far; zeroed = none
    uint8_t bytes[SL_QUIC_MAX_HELLO];
    uint8_t have[SL_QUIC_MAX_HELLO / 8];
    uint8_t dcid[20], dcid_len; // the keys' source: that of the first Initial
    bool keyed;
};

struct sl_quic_facts {
    uint32_t version; // 0 with version negotiation
    enum sl_quic_type type;
    uint8_t dcid_len, scid_len;
    uint32_t offered; // version negotiation: the first version that is not a reserved one
    bool opened;      // an Initial was decrypted and authentic
    bool has_tls;     // tls holds something
    struct sl_tls_facts tls;
};

enum sl_quic_result sl_dissect_quic(const uint8_t *datagram, size_t len,
                                    struct sl_quic_hello *hello, struct sl_quic_facts *out);

// The keys of RFC 9001 section 5.2, of the client's side. False for versions without such keys.
struct sl_quic_keys {
    uint8_t key[16], iv[12], hp[16];
};
bool sl_quic_client_keys(uint32_t version, const uint8_t *dcid, size_t dcid_len,
                         struct sl_quic_keys *out);
