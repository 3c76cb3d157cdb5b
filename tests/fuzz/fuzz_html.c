// SPDX-License-Identifier: Apache-2.0
// Pages by strangers: links and forms, resolved and encoded as the HTTP driver would.
#include "drive/html.h"
#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sl_origin origin = {.scheme = "http", .host = "web", .port = 8080};

static void link(void *ctx, enum sl_link_kind kind, const char *url)
{
    (void)ctx;
    (void)kind;
    char out[SL_URL_MAX];
    assert(strlen(url) < SL_URL_MAX);
    if (!sl_url_resolve(&origin, "/a/b?c", url, out))
        return;
    assert(out[0] == '/'); // a path on our server, fit for a request line
    for (const char *p = out; *p; p++)
        assert((unsigned char)*p > 32 && (unsigned char)*p < 127);
}

static void form(void *ctx, const struct sl_form *f)
{
    char out[512];
    assert(f->n_fields <= SL_FORM_FIELDS);
    if (sl_form_encode(f, (uint64_t)(uintptr_t)ctx, out, sizeof out))
        assert(strlen(out) < sizeof out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_html_sink sink = {.ctx = (void *)(uintptr_t)size, .link = link, .form = form};
    sl_html_scan((const char *)data, size, &sink);
    sl_json_scan((const char *)data, size, &sink);
    return 0;
}
