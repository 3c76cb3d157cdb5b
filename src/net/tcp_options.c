// SPDX-License-Identifier: Apache-2.0
/*
 * TCP options. An option whose length cannot be ends the walk, since what follows has no start; one
 * of a known kind with another length than its own is stepped over.
 *
 * Sources: RFC 9293 section 3.1 (maximum segment size), 7323 (window scale, time stamps), 2018
 * (selective acknowledgements).
 */
#include "net/decode.h"

enum {
    OPT_END = 0,
    OPT_NOP = 1,
    OPT_MSS = 2,
    OPT_WINDOW_SCALE = 3,
    OPT_SACK_PERMITTED = 4,
    OPT_SACK = 5,
    OPT_TIMESTAMPS = 8,
    MAX_SCALE = 14,
};

static void take_sack(const uint8_t *p, size_t bytes, struct sl_tcp_options *out)
{
    if ((bytes - 2) % 8 != 0)
        return;
    size_t n = (bytes - 2) / 8;
    out->n_sack = 0;
    for (size_t i = 0; i < n && i < 4; i++) {
        out->sack[i].left = sl_be32(p + 2 + 8 * i);
        out->sack[i].right = sl_be32(p + 6 + 8 * i);
        out->n_sack++;
    }
}

static void take(const uint8_t *p, size_t bytes, struct sl_tcp_options *out)
{
    if (p[0] == OPT_MSS && bytes == 4) {
        out->mss = sl_be16(p + 2);
    } else if (p[0] == OPT_WINDOW_SCALE && bytes == 3) {
        out->window_scale = p[2] < MAX_SCALE ? p[2] : MAX_SCALE;
    } else if (p[0] == OPT_SACK_PERMITTED && bytes == 2) {
        out->sack_permitted = true;
    } else if (p[0] == OPT_SACK) {
        take_sack(p, bytes, out);
    } else if (p[0] == OPT_TIMESTAMPS && bytes == 10) {
        out->timestamps = true;
        out->ts_value = sl_be32(p + 2);
        out->ts_echo = sl_be32(p + 6);
    }
}

void sl_tcp_options(const struct sl_packet *p, struct sl_tcp_options *out)
{
    *out = (struct sl_tcp_options){.window_scale = -1};
    const uint8_t *at = p->tcp_options;
    size_t left = at ? p->tcp_options_captured : 0;
    while (left && *at != OPT_END) {
        size_t bytes = 1;
        if (*at != OPT_NOP) {
            if (left < 2 || at[1] < 2 || at[1] > left)
                return;
            bytes = at[1];
            take(at, bytes, out);
        }
        at += bytes;
        left -= bytes;
    }
}
