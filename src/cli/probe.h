// SPDX-License-Identifier: Apache-2.0
/*
 * What this kernel can do, found by doing it: in a child process with a network namespace of its
 * own, which is gone with it. Nothing of the host is touched.
 */
#pragma once
#include <stdbool.h>

enum sl_probe_what {
    SL_PROBE_NETNS, // everything else needs it
    SL_PROBE_VETH,
    SL_PROBE_BRIDGE,
    SL_PROBE_IFB,
    SL_PROBE_HTB,
    SL_PROBE_NETEM,
    SL_PROBE_PACKET,     // AF_PACKET socket
    SL_PROBE_NFT_BRIDGE, // a filter chain of the bridge family, through nft
    SL_PROBE_COUNT,
};
struct sl_probe_result {
    bool done; // false: could not be tried
    int why;   // 0 = works, else an errno
};
void sl_probe_kernel(struct sl_probe_result out[SL_PROBE_COUNT]);
