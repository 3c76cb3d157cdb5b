// SPDX-License-Identifier: Apache-2.0
/*
 * Starts a child that may talk to hostile servers and to nobody else.
 *
 * The child enters a network namespace, gets a mount namespace whose resolv.conf names the engine's
 * name service (and whose hosts, nsswitch.conf and /tmp hold nothing of this machine), leads its
 * own session, has only the descriptors it is given, limits, user and group 65534, no capability
 * and no way to get one, and is killed when the thread that started it ends.
 *
 * Without root and without a namespace to enter, it drops what can be dropped.
 * Errors   SL_EENV when rights are missing or a step fails, with the step's name.
 * Threads  safe in a threaded parent: after fork only system calls are made.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>
#include <sys/types.h>

struct sl_confine {
    int netns;               // < 0: stay in the caller's namespaces
    int stdin_fd, stdout_fd; // become 0 and 1 (and 2)
    const char *program;     // run this, with argv; its folder need not be reachable by the child
    const char *const *argv;
    int (*run)(void *ctx); // or, when program is NULL, this; only system calls are allowed in it
    void *ctx;
    uint64_t max_files, max_address_bytes; // RLIMIT_NOFILE, RLIMIT_AS
};
// Returns once the child is confined (and the program runs), or not at all.
SL_MUST_USE bool sl_confine_start(const struct sl_confine *c, pid_t *pid, struct sl_error *err);
