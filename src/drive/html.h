// SPDX-License-Identifier: Apache-2.0
/*
 * Links and forms out of pages by strangers: HTML as browsers forgive it, and JSON.
 *
 * Pure and bounded: bytes in, calls out; no allocation. Text handed out lives during the call.
 * Errors   none: what cannot be understood is skipped.
 * Source   WHATWG HTML, 13.2.5 (tokenization), much simplified; RFC 3986, 5.2 (resolution).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SL_URL_MAX = 1024, SL_FORM_FIELDS = 32 };
enum sl_link_kind { SL_LINK_PAGE, SL_LINK_ASSET }; // to go to; fetched along with the page

struct sl_form_field {
    char type[16], name[64], value[192]; // type: of the input, or "select", "textarea"
    bool filled;                         // select: an option was taken
};
struct sl_form {
    bool post;
    char action[SL_URL_MAX]; // as written; "" = the page itself
    struct sl_form_field fields[SL_FORM_FIELDS];
    int n_fields;
};
struct sl_html_sink {
    void *ctx;
    void (*link)(void *ctx, enum sl_link_kind kind,
                 const char *url); // as written, entities decoded
    void (*form)(void *ctx, const struct sl_form *form);
};
void sl_html_scan(const char *text, size_t len, const struct sl_html_sink *sink);
// Every string that looks like a path or an address; {names} in OpenAPI paths become "1".
void sl_json_scan(const char *text, size_t len, const struct sl_html_sink *sink);

struct sl_origin {
    const char *scheme; // "http" or "https"
    const char *host;
    uint16_t port;
};
// Resolves a link found on the page `base` ("/a/b?c") to a path with query ("/a/d?e"). False when
// it leads to another host, port or scheme, is too long, or is no address at all.
bool sl_url_resolve(const struct sl_origin *at, const char *base, const char *link,
                    char out[SL_URL_MAX]);

// What a user would type into a field; draw varies it. out holds at least 192 bytes.
void sl_form_guess(const struct sl_form_field *f, uint64_t draw, char *out, size_t size);
// "a=b&c=d", percent-encoded. False when it does not fit.
bool sl_form_encode(const struct sl_form *form, uint64_t draw, char *out, size_t size);
