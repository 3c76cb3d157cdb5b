// SPDX-License-Identifier: Apache-2.0
// Tables of other programs, whatever is in them: read to the end or refused, in bounded memory.
#include "export/read_csv.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_error err = {0};
    struct sl_csv *c = sl_csv_open_bytes("fuzz.csv", data, size, &err);
    if (!c) {
        if (err.code != SL_EINPUT || !err.hint[0])
            abort();
        return 0;
    }
    bool more = true;
    while (sl_csv_next(c, &more, &err) && more)
        for (size_t i = 0; i < sl_csv_columns(c); i++) {
            struct sl_text t = sl_csv_text(c, i);
            int64_t whole;
            double real;
            if (t.p && t.p[t.len])
                abort();
            if (sl_csv_int(c, i, &whole, &err) && t.p && !sl_csv_real(c, i, &real, &err))
                abort(); // what is a whole number is a number
        }
    if (sl_csv_find(c, sl_csv_name(c, 0)) != 0)
        abort();
    sl_csv_free(c);
    return 0;
}
