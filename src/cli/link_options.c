// SPDX-License-Identifier: Apache-2.0
#include "cli/link_options.h"
#include <stdio.h>

static const char *const directions[2] = {"up", "down"};

void sl_link_options(struct sl_link_options *o, struct sl_opt *opts)
{
    for (int d = 0; d < 3; d++)
        for (int i = 0; i < SL_CONDITIONS; i++) {
            const struct sl_condition_word *w = &sl_condition_table[i];
            const char *name = w->name;
            if (d) {
                snprintf(o->names[d - 1][i], sizeof o->names[d - 1][i], "%s-%s", directions[d - 1],
                         w->name);
                name = o->names[d - 1][i];
            }
            opts[d * SL_CONDITIONS + i] = (struct sl_opt){
                .name = name,
                .type = w->arg ? SL_OPT_TEXT : SL_OPT_FLAG,
                .arg = w->arg,
                .help = d ? NULL : w->help,
                .dest = w->arg ? (void *)&o->text[d][i] : (void *)&o->flag[d][i],
            };
        }
}

static bool read_one(const struct sl_link_options *o, int from, int what, struct sl_arena *arena,
                     struct sl_conditions *c, struct sl_error *err)
{
    const char *name = from ? o->names[from - 1][what] : sl_condition_table[what].name;
    if (!o->text[from][what] && !o->flag[from][what])
        return true;
    return sl_conditions_set(c, (enum sl_link_condition)what, o->text[from][what], arena, err) ||
           sl_within(err, "option --%s", name);
}

bool sl_link_options_read(const struct sl_link_options *o, struct sl_arena *arena,
                          struct sl_conditions *up, struct sl_conditions *down,
                          struct sl_error *err)
{
    for (int from = 0; from < 3; from++)
        for (int i = 0; i < SL_CONDITIONS; i++) {
            if (from != 2 && !read_one(o, from, i, arena, up, err))
                return false;
            if (from != 1 && !read_one(o, from, i, arena, down, err))
                return false;
        }
    return true;
}
