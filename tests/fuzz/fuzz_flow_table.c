// SPDX-License-Identifier: Apache-2.0
/*
 * A flow table of a stranger. The first byte says whether columns are given. Besides what the
 * sanitizers see: what cannot be read says why, and what was read has no number that is none.
 */
#include "measure/samples.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct sl_sample_set *s)
{
    for (size_t i = 0; i < s->flows.len; i++) {
        const struct sl_sample_flow *f = &s->flows.at[i];
        if (f->duration_ns < 0 || isinf(f->mean_gap_s) || f->cls >= s->classes.len ||
            (f->label != SL_SAMPLE_NONE16 && f->label >= s->labels.len))
            abort();
        for (int d = 0; d < 2; d++)
            if (f->packets[d] > UINT64_C(1) << 53 || f->bytes[d] > UINT64_C(1) << 53)
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const given[] = {"start=a@ms", "duration=b@us", "mean_gap=c",
                                        "packets=d",  "src=e",         NULL};
    bool columns = size && data[0] == '!';
    char *text = malloc(size + 1);
    memcpy(text, data + columns, size - columns);
    text[size - columns] = '\0';
    struct sl_samples_options o = {.max_rows = 1000, .columns = columns ? given : NULL};
    struct sl_sample_set set = {0};
    struct sl_error err = {0};
    if (sl_samples_table("f", text, size - columns, &o, &set, &err)) {
        check(&set);
        sl_sample_set_done(&set);
    } else if ((err.code != SL_EINPUT && err.code != SL_EUSAGE) || !err.msg[0]) {
        abort();
    }
    free(text);
    return 0;
}
