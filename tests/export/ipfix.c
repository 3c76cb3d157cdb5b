// SPDX-License-Identifier: Apache-2.0
// export-ipfix FILE: flows for an IPFIX reader that is not ours; ipfix.sh has the same values.
#include "export/ipfix.h"
#include <stdio.h>

enum { MORE = 2000 }; // so that there are several messages

int main(int argc, char **argv)
{
    struct sl_error err = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: export-ipfix FILE\n");
        return 2;
    }
    if (!sl_ipfix_available()) {
        printf("this build has no libfixbuf\n");
        return 77;
    }
    struct sl_ipfix_flow v4 = {.ip_version = 4,
                               .protocol = 6,
                               .end_reason = SL_IPFIX_END_OF_FLOW,
                               .source = {192, 0, 2, 1},
                               .destination = {198, 51, 100, 7},
                               .source_port = 40000,
                               .destination_port = 443,
                               .start_ns = INT64_C(1700000000123456789),
                               .end_ns = INT64_C(1700000001500000000),
                               .octets = {1234567890123, 4321},
                               .packets = {12, 34},
                               .tcp_flags = {0x1b, 0x12},
                               .id = UINT64_C(18446744073709551615)};
    struct sl_ipfix_flow v6 = {.ip_version = 6,
                               .protocol = 17,
                               .end_reason = SL_IPFIX_IDLE,
                               .source = {0x20, 0x01, 0x0d, 0xb8, [15] = 1},
                               .destination = {0x20, 0x01, 0x0d, 0xb8, [15] = 2},
                               .source_port = 5353,
                               .destination_port = 53,
                               .start_ns = INT64_C(1700000002000000000),
                               .end_ns = INT64_C(1700000002000000000),
                               .octets = {60, 0},
                               .packets = {1, 0},
                               .id = 7};
    struct sl_ipfix *x = sl_ipfix_open(argv[1], 5, NULL, &err);
    bool ok = x && sl_ipfix_add(x, &v4, &err) && sl_ipfix_add(x, &v6, &err);
    for (int i = 0; ok && i < MORE; i++) {
        v4.id = (uint64_t)i;
        ok = sl_ipfix_add(x, &v4, &err);
    }
    if (ok && sl_ipfix_close(x, &err))
        return 0;
    fprintf(stderr, "error: %s\n", err.msg);
    return 1;
}
