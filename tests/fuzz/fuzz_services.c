// SPDX-License-Identifier: Apache-2.0
/*
 * A user's file of service names. Besides what the sanitizers see: what cannot be read says where
 * and what to do, and every look-up in what was read has a name.
 */
#include "net/services.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t known[] = {6, 17, 132, 33};
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    struct sl_error err = {0};
    struct sl_services *s = sl_services_parse("f", text, size, &err);
    free(text);
    if (!s) {
        if (err.code != SL_EINPUT || !err.msg[0] || !err.hint[0] || strcmp(err.file, "f") != 0)
            abort();
        return 0;
    }
    size_t named = 0;
    for (size_t p = 0; p < sizeof known; p++)
        for (unsigned port = 0; port < 65536; port++) {
            uint16_t id = sl_service_id(s, known[p], (uint16_t)port);
            if (id && (id > sl_services_count(s) || !sl_service_name(s, id)[0]))
                abort();
            named += id != 0;
        }
    if (!named)
        abort();
    sl_services_free(s);
    return 0;
}
