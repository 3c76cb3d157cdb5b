// SPDX-License-Identifier: Apache-2.0
// Conditions as options, one for each word of sl_condition_table: --delay for both directions,
// --up-delay and --down-delay (not listed by --help) for one.
#pragma once
#include "cli/cli.h"
#include "link/conditions.h"

enum { SL_LINK_OPTIONS = 3 * SL_CONDITIONS };
struct sl_link_options {
    const char *text[3][SL_CONDITIONS]; // both, up, down; NULL = not given
    bool flag[3][SL_CONDITIONS];
    char names[2][SL_CONDITIONS][32];
};
// Fills `opts` (SL_LINK_OPTIONS of them) so that parsing fills o.
void sl_link_options(struct sl_link_options *o, struct sl_opt *opts);
// What was given. Not checked for contradictions: it may be a change.
SL_MUST_USE bool sl_link_options_read(const struct sl_link_options *o, struct sl_arena *arena,
                                      struct sl_conditions *up, struct sl_conditions *down,
                                      struct sl_error *err);
