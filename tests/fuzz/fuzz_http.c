// SPDX-License-Identifier: Apache-2.0
// Heads of HTTP messages, and the other protocols that start with a line.
#include "dissect/dissect.h"
#include "dissect/http.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size)
{
    if (!memchr(text, '\0', size))
        abort();
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_http_facts f;
    struct sl_l7 l;
    enum sl_http_result res = sl_dissect_http(data, size, &f);
    check_text(f.method, sizeof f.method);
    check_text(f.target, sizeof f.target);
    check_text(f.host, sizeof f.host);
    check_text(f.user_agent, sizeof f.user_agent);
    check_text(f.server, sizeof f.server);
    check_text(f.content_type, sizeof f.content_type);
    if (res == SL_HTTP_NEED_MORE && (f.want_bytes <= size || size >= SL_HTTP_MAX_HEAD))
        abort();
    if (res == SL_HTTP_DONE && !f.version)
        abort();
    if (f.status && (f.status < 100 || f.status > 999) && res != SL_HTTP_NOT)
        abort();
    static const uint16_t ports[] = {80, 21, 25, 110, 143, 6379, 1080};
    for (size_t i = 0; size && i < sizeof ports / sizeof ports[0]; i++) {
        if (sl_dissect_payload(6, 50000, ports[i], 0, data, size, &l) == SL_L7_NEED_MORE &&
            l.want_bytes <= size)
            abort();
        check_text(l.banner, sizeof l.banner);
    }
    if (size)
        sl_dissect_payload(17, 1900, 1900, 0, data, size, &l);
    return 0;
}
