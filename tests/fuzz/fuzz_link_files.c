// SPDX-License-Identifier: Apache-2.0
/*
 * Files that conditions name: the first byte says which. 0: a capacity trace, which is then served;
 * 1: a pattern of losses; 2: delays. Services are never before they were asked for, nor one before
 * the other.
 */
#include "base/mem.h"
#include "link/capacity.h"
#include "link/sampler.h"
#include <stdlib.h>
#include <string.h>

static void serve(struct sl_capacity *c)
{
    int64_t ready = 1000000000, last = 0;
    uint32_t bytes = 1;
    sl_capacity_start(c, ready);
    for (int i = 0; i < 64; i++) {
        int64_t at = sl_capacity_serve(c, ready, bytes);
        if (at < ready || at < last)
            abort();
        last = at;
        ready = i % 3 ? ready : at + i * 1000000;
        bytes = bytes * 7 % 65535 + 1;
    }
    if (!(sl_capacity_mean_bps(c) > 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct sl_error err = {0};
    struct sl_capacity c = {0};
    uint8_t *pattern = NULL;
    int64_t *delays = NULL;
    size_t n = 0, len = size - 1;
    char *text = malloc(len ? len : 1); // exact, so that one byte beyond is seen
    memcpy(text, data + 1, len);
    bool ok = data[0] % 3 == 0   ? sl_capacity_parse(&c, text, len, "f", &err)
              : data[0] % 3 == 1 ? sl_loss_pattern_parse(text, len, "f", &pattern, &n, &err)
                                 : sl_delays_parse(text, len, "f", &delays, &n, &err);
    if (ok && data[0] % 3 == 0)
        serve(&c);
    else if (ok && !n)
        abort();
    if (!ok && (err.code != SL_EINPUT || !err.msg[0]))
        abort();
    for (size_t i = 0; pattern && i < n; i++)
        if (pattern[i] > 1)
            abort();
    for (size_t i = 0; delays && i < n; i++)
        if (delays[i] < 0 || (i && delays[i] < delays[i - 1]))
            abort();
    sl_capacity_done(&c);
    free(pattern);
    free(delays);
    free(text);
    return 0;
}
