// SPDX-License-Identifier: Apache-2.0
/*
 * What the first payload bytes of a flow tell, whatever the protocol: one call for the flow engine.
 *
 * Call     TCP: with the first contiguous bytes of one direction, from the stream's start; again
 *          with more of them from the same start while NEED_MORE, at least facts->want_bytes, at
 *          most SL_L7_MAX_BYTES (at that length NEED_MORE is not returned). UDP: with one datagram;
 *          after NEED_MORE, with the next of the direction.
 * Facts    about 2.6 KiB, cleared and filled by each call: have one on the stack and copy what is
 *          there (texts that are not "", numbers as said below). With NEED_MORE it holds what is
 *          sure already, so facts are kept whenever the result is not NOTHING. Each call is on its
 *          own; what an earlier call gave is given again or completed. To put a QUIC hello together
 *          from several datagrams, use sl_dissect_datagram with a struct of dissect/quic.h.
 * Ports    host order, of the sender and the receiver of these bytes or the flow's, in any order;
 *          only DNS, NTP, DHCP and banners that several protocols share look at them. What the
 *          bytes say wins. dir 0 is forward; nothing hangs on it today.
 * Text     all texts are printable ASCII: other bytes are '?', in DNS names \DDD.
 * Threads  stateless, no allocation of ours. Stack: up to 64 KiB.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_quic_hello;
enum sl_l7_result { SL_L7_NOTHING, SL_L7_NEED_MORE, SL_L7_DONE };
enum { SL_L7_MAX_BYTES = 18432 }; // the largest TLS hello that is read, with room for its records

struct sl_l7 {
    const char *app; // static text: "tls", "dtls", "dns", "http", "http2", "quic", "ssh", ...;
                     // NULL = not recognised (yet)
    char sni[256], alpn[64];                     // TLS, DTLS and QUIC; alpn joined by commas
    char ja3[1024], ja3_md5[33];                 // of a client's hello
    char ja3s[256], ja3s_md5[33];                // of a server's hello
    uint16_t tls_version;                        // highest offered, or chosen; 0 = none
    uint16_t tls_cipher;                         // chosen by a server; 0 = none
    char dns_name[256];                          // first question
    int32_t dns_qtype, dns_rcode;                // -1 = none (a query has no rcode)
    int32_t dns_answers;                         // -1 = none (not a response)
    uint8_t dns_address_family, dns_address[16]; // of the first A or AAAA answer: 4, 6; 0 = none
    char http_method[16], http_target[256], http_host[256], http_user_agent[128];
    char http_server[128], http_content_type[128];
    uint16_t http_status;  // 0 = none
    uint32_t quic_version; // 0 = none; of a negotiation, the first version offered
    char banner[128];      // first line of SSH, SMTP, FTP, POP3, IMAP, VNC
    uint32_t want_bytes;   // with NEED_MORE and TCP
};

enum sl_l7_result sl_dissect_payload(uint8_t proto, uint16_t sport, uint16_t dport, int dir,
                                     const uint8_t *bytes, size_t len, struct sl_l7 *facts);
// One UDP datagram; hello as sl_dissect_quic takes it, NULL = none.
enum sl_l7_result sl_dissect_datagram(uint16_t sport, uint16_t dport, const uint8_t *bytes,
                                      size_t len, struct sl_quic_hello *hello, struct sl_l7 *facts);
