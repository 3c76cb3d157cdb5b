// SPDX-License-Identifier: Apache-2.0
// sluice link serve: an emulator as a process of its own.
#pragma once
#include "cli/cli.h"
#include "cli/link_options.h"

struct sl_link_serve_options {
    const char *link, *topology, *ports[16], *core, *record, *stats, *control, *command_line;
    bool make_hosts, realtime, no_offload;
    uint64_t memory_bytes, device_mtu; // 0 = 1 GiB, 1500
    int64_t duration_ns, interval_ns;  // 0 = until it is stopped, 1 s
    const struct sl_link_options *conditions;
};
int sl_link_serve(struct sl_cli *cli, const struct sl_link_serve_options *o);
