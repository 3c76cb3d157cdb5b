// SPDX-License-Identifier: Apache-2.0
#include "dissect/text.h"

bool sl_dissect_text(char *dst, size_t size, const uint8_t *bytes, size_t len)
{
    bool whole = len < size;
    size_t n = whole ? len : size - 1;
    for (size_t i = 0; i < n; i++) {
        bool printable = bytes[i] >= 0x20 && bytes[i] <= 0x7e;
        dst[i] = printable ? (char)bytes[i] : '?';
        whole = whole && printable;
    }
    dst[n] = '\0';
    return whole;
}
