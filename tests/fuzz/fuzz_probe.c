// SPDX-License-Identifier: Apache-2.0
// A server's first bytes, after every question.
#include "drive/probe.h"
#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int q = 0; q < SL_QUESTIONS; q++)
        assert(sl_probe_answer((enum sl_question)q, data, size));
    return 0;
}
