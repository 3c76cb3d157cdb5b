// SPDX-License-Identifier: Apache-2.0
// The lines between parent and driver, read as either side would.
#include "drive/wire.h"
#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sl_drive_order order;
    static struct sl_drive_news news;
    struct sl_error err;
    if (sl_drive_order_parse((const char *)data, size, &order, &err)) {
        assert(order.users >= 0 && order.users <= SL_DRIVE_MAX_USERS && order.rate >= 0);
        if (order.kind == SL_ORDER_SPEC)
            assert(order.spec.port && order.spec.host[0] && order.spec.max_users > 0 &&
                   order.spec.users <= order.spec.max_users);
    }
    if (sl_drive_news_parse((const char *)data, size, &news, &err))
        for (const char *p = news.message; *p; p++)
            assert(*p >= 32 && *p < 127);
    return 0;
}
