// SPDX-License-Identifier: Apache-2.0
// DNS messages off the wire. The first byte says whether a length stands in front (TCP).
#include "dissect/dissect.h"
#include "dissect/dns.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_dns_facts f;
    struct sl_l7 l;
    if (!size)
        return 0;
    bool tcp = data[0] & 1;
    enum sl_dns_result res = sl_dissect_dns(data + 1, size - 1, tcp, &f);
    if (!memchr(f.name, '\0', sizeof f.name))
        abort();
    for (const char *p = f.name; *p; p++)
        if (*p <= ' ' || *p > '~')
            abort();
    if (res == SL_DNS_NEED_MORE && (!tcp || f.want_bytes <= size - 1))
        abort();
    if (res == SL_DNS_DONE && (f.questions + f.answers == 0) && !f.response)
        abort();
    if (size > 1)
        sl_dissect_payload(tcp ? 6 : 17, 50000, 53, 0, data + 1, size - 1, &l);
    return 0;
}
