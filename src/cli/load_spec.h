// SPDX-License-Identifier: Apache-2.0
// Reading the SPEC operand, the same way in every command that has one.
#pragma once
#include "cli/cli.h"
#include "lang/spec.h"

// Reads a file or "-" and shows its diagnostics on stderr (as "error" on stdout with --json). On
// success *status is untouched; a spec that cannot be used gives NULL and the exit status.
SL_MUST_USE struct sl_spec *sl_cli_load_spec(const struct sl_cli *cli, const char *path,
                                             int *status);
// The diagnostics alone, on stderr; warnings are left out with --quiet.
void sl_cli_show_diagnostics(const struct sl_cli *cli, const struct sl_spec *spec);
