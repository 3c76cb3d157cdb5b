// SPDX-License-Identifier: Apache-2.0
// sluice link serve: an emulator as a process of its own.
#pragma once
#include "cli/cli.h"

int sl_link_serve(struct sl_cli *cli, int argc, char **argv);
// Where emulators listen when nothing else is said. Caller frees.
char *sl_link_default_socket(void);
