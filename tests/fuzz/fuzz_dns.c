// SPDX-License-Identifier: Apache-2.0
// The holder's name server against whatever a container sends it.
#include "pause/dns.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t reply[SL_DNS_MAX_REPLY];
    struct sl_dns_question q;
    bool known;
    uint8_t *exact = malloc(size ? size : 1); // so that a byte too far is seen
    if (!exact)
        return 0;
    if (size)
        memcpy(exact, data, size);
    size_t n = sl_dns_answer(exact, size, reply, &q, &known);
    if (n > size || n > sizeof reply ||
        (n && (!(reply[2] & 0x80) || reply[7] || reply[9] || reply[11])))
        abort();
    if (known)
        for (const char *p = q.name; *p; p++)
            if (*p <= ' ' || *p > '~')
                abort();
    free(exact);
    return 0;
}
