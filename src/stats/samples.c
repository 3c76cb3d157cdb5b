// SPDX-License-Identifier: Apache-2.0
#include "stats/samples.h"
#include <string.h>

struct names { // the shape of both name tables
    char **at;
    size_t len, cap;
};

// Tables are short and names come in runs, so a scan from the newest is fast enough.
static uint16_t intern(struct names *n, const char *name)
{
    if (!name || !*name)
        return SL_SAMPLE_NONE16;
    for (size_t i = n->len; i-- > 0;)
        if (!strcmp(n->at[i], name))
            return (uint16_t)i;
    bool full = n->len >= SL_SAMPLE_MAX_NAMES - 1;
    if (n->len < SL_SAMPLE_MAX_NAMES)
        *SL_PUSH(n) = sl_strdup(full ? "(more)" : name);
    return (uint16_t)(n->len - 1);
}

uint16_t sl_sample_class(struct sl_sample_set *s, const char *name)
{
    struct names n = {s->classes.at, s->classes.len, s->classes.cap};
    uint16_t id = intern(&n, name);
    s->classes.at = n.at, s->classes.len = n.len, s->classes.cap = n.cap;
    return id;
}

uint16_t sl_sample_label(struct sl_sample_set *s, const char *name)
{
    struct names n = {s->labels.at, s->labels.len, s->labels.cap};
    uint16_t id = intern(&n, name);
    s->labels.at = n.at, s->labels.len = n.len, s->labels.cap = n.cap;
    return id;
}

void sl_sample_set_done(struct sl_sample_set *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->classes.len; i++)
        free(s->classes.at[i]);
    for (size_t i = 0; i < s->labels.len; i++)
        free(s->labels.at[i]);
    SL_VEC_DONE(&s->classes);
    SL_VEC_DONE(&s->labels);
    SL_VEC_DONE(&s->packets);
    SL_VEC_DONE(&s->flows);
    free(s->name);
    free(s->kind);
    free(s->bytes_are);
    free(s->note);
    memset(s, 0, sizeof *s);
}
