// SPDX-License-Identifier: Apache-2.0
// Any bytes as a plan file. One that is accepted can be shown, written and read again as the same
// plan.
#include "base/json.h"
#include "plan/plan.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_error err = {0};
    json_t *j = sl_json_parse((const char *)data, size, "fuzz", &err);
    struct sl_plan *p = j ? sl_plan_from_json(j, &err) : NULL;
    if (!p && err.code != SL_EINPUT)
        abort();
    if (p) {
        struct sl_str table = {0};
        sl_plan_table(p, &table);
        sl_str_done(&table);
        json_t *once = sl_plan_json(p);
        struct sl_plan *again = sl_plan_from_json(once, &err);
        json_t *twice = again ? sl_plan_json(again) : NULL;
        if (!json_equal(once, twice))
            abort();
        json_decref(twice);
        json_decref(once);
        sl_plan_free(again);
    }
    sl_plan_free(p);
    json_decref(j);
    return 0;
}
