// SPDX-License-Identifier: Apache-2.0
/*
 * What the head of an HTTP/1 message tells; and HTTP/2 when it starts by prior knowledge.
 *
 * Input    the first contiguous bytes of one direction, or one datagram (SSDP), cut anywhere.
 * Output   with NEED_MORE the facts hold the whole lines before the cut. DONE comes with the end of
 *          the head, or with a head longer than SL_HTTP_MAX_HEAD. Of a repeated field the first
 *          counts; folded lines are passed over. A response is the first one of its direction, be it
 *          interim (100). Requests of a known method are taken by it; others once the whole request
 *          line is there.
 * Text     ASCII 0x20..0x7e; other bytes become '?'; cut to what fits.
 * Memory   no allocation.
 * Threads  stateless.
 * Source   RFC 9112 sections 2 to 5, RFC 9113 section 3.4.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sl_http_result { SL_HTTP_NOT, SL_HTTP_NEED_MORE, SL_HTTP_DONE };
enum { SL_HTTP_MAX_HEAD = 16384 };

struct sl_http_facts {
    uint8_t version;  // 10, 11; 20 = the preface of HTTP/2; 0 = not seen yet
    uint16_t status;  // response; 0 = request
    char method[16];  // request
    char target[256]; // request, as sent
    char host[256];   // Host, as sent (with a port, if there is one)
    char user_agent[128];
    char server[128];
    char content_type[128];
    bool malformed;      // the head ends in what is no field
    uint32_t want_bytes; // with NEED_MORE
};

enum sl_http_result sl_dissect_http(const uint8_t *bytes, size_t len, struct sl_http_facts *out);
