// SPDX-License-Identifier: Apache-2.0
/*
 * Removing what a run left behind, by label and by name: containers, networks, volumes, namespaces
 * (and with them interfaces, qdiscs and rules), filter tables, driver processes, work copies, run
 * files. Works on partial states and works twice. Only what carries our labels or names is touched.
 */
#pragma once
#include "base/error.h"
#include <sys/types.h>

struct sl_swept {
    int containers, networks, namespaces, tables, processes;
};
// With no engine, the rest is removed all the same and the error says what was not.
SL_MUST_USE bool sl_sweep_run(const char *run, struct sl_swept *out, struct sl_error *err);
// For a run that never reached an engine: only its folder is there.
SL_MUST_USE bool sl_sweep_unstarted(const char *run, struct sl_error *err);
// Ids of every run that has or left anything (labels, namespaces, tables, run folders). Caller
// frees.
SL_MUST_USE bool sl_sweep_list(char ***runs, size_t *n, struct sl_error *err);

/*
 * The watchdog: a process of its own that kills the run's containers when its owner dies without
 * saying goodbye, even by kill -9, within 5 seconds.
 */
struct sl_watchdog {
    pid_t pid;
    int fd; // our end: closing it without sl_watchdog_done is the alarm
};
SL_MUST_USE bool sl_watchdog_start(struct sl_watchdog *w, const char *run,
                                   struct sl_error *err); // call before threads
void sl_watchdog_done(struct sl_watchdog *w);             // all is clean: it goes away quietly
// Remembers a process of the run ("supervisor", "observe", "driver", "watchdog") in the run folder, so that a
// sweep can end it.
void sl_run_note_pid(const char *run, pid_t pid, const char *what);
bool sl_run_owner_alive(const char *run); // is its supervisor or observation alive?
bool sl_run_owner_stop(
    const char *run); // asks it to undo everything and end (SIGTERM); false = nobody there
char *sl_run_folder(const char *run); // <run folder>/<run>; caller frees
