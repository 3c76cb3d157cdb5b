// SPDX-License-Identifier: Apache-2.0
/*
 * A label book. Besides what the sanitizers see: what cannot be read says where and what to do, and
 * each row of a book is found again at the times it says it holds.
 */
#include "measure/truth.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    struct sl_error err = {0};
    struct sl_truth *t = sl_truth_parse("f", text, size, &err);
    free(text);
    if (!t) {
        if (err.code != SL_EINPUT || !err.msg[0] || !err.hint[0] || strcmp(err.file, "f") != 0)
            abort();
        return 0;
    }
    for (size_t i = 0; i < sl_truth_count(t); i++) {
        const struct sl_truth_row *r = sl_truth_at(t, i);
        if (sl_truth_find(t, &r->addr, r->port, r->from_ns) != r ||
            sl_truth_find(t, &r->addr, r->port, r->to_ns - 1) != r || r->node >= sl_truth_nodes(t))
            abort();
        struct sl_tuple tuple = {.src = r->addr, .dst = r->addr, .sport = r->port, .proto = 6};
        struct sl_truth_flow flow;
        sl_truth_of_flow(t, &tuple, r->from_ns, false, &flow);
    }
    sl_truth_free(t);
    return 0;
}
