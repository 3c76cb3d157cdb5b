// SPDX-License-Identifier: Apache-2.0
/*
 * A command behind a link: it runs in a network namespace of its own, whose only way out is a TUN
 * device, an emulated link, and a TUN device in the caller's namespace.
 *
 * Rights   with CAP_NET_ADMIN and CAP_SYS_ADMIN the far end is the caller's namespace, and what has
 *          a default route there is reached through address translation (nftables). Without, both
 *          ends are in a user namespace of the caller's: the far end is private, and only what
 *          `outside` runs there can be reached.
 * Addresses 100.64.N.1 outside, 100.64.N.2 inside (RFC 6598), the first N that is free.
 * Inside   SLUICE_SHELL_OUTSIDE holds the far end's address. Shells may be nested.
 * Undone   the devices go with the process; translation and forwarding are taken back by a guardian
 *          process, also after kill -9. The command gets SIGTERM when its emulator dies.
 */
#pragma once
#include "link/conditions.h"
#include "link/emulator.h"

struct sl_shell_options {
    struct sl_conditions up, down; // drawn; up: from the command to the outside
    uint64_t seed, memory_bytes;
    uint32_t mtu; // of the devices; 0 = 1500
    bool realtime, whole_off, no_nat;
    const char *outside;  // a command of the far end, by the shell; NULL = none
    char *const *command; // NULL-terminated
};
struct sl_shell_result {
    int status; // the command's, 128 + signal if it was killed
    struct sl_pipe_counts up, down;
    char realtime[160];
    int64_t cpu_ns;       // of the emulator
    uint64_t unexplained; // packets that were read and are in no counter: always 0
};
SL_MUST_USE bool sl_shell_run(const struct sl_shell_options *opt, struct sl_shell_result *out,
                              struct sl_error *err);
