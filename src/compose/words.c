// SPDX-License-Identifier: Apache-2.0
#include "compose/words.h"
#include "base/str.h"
#include <string.h>

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// One word starting at p; returns where it ends, NULL for an open quote.
static const char *take_word(const char *p, struct sl_str *out)
{
    char quote = 0;
    for (; *p && (quote || !blank(*p)); p++) {
        if (quote) {
            if (*p == quote) {
                quote = 0;
                continue;
            }
            if (quote == '"' && *p == '\\' && p[1] && strchr("\"\\$`\n", p[1]))
                p++;
        } else if (*p == '\'' || *p == '"') {
            quote = *p;
            continue;
        } else if (*p == '\\' && p[1]) {
            p++;
            if (*p == '\n')
                continue; // a continued line
        }
        sl_str_addn(out, p, 1);
    }
    return quote ? NULL : p;
}

bool sl_words_split(struct sl_arena *arena, const char *text, struct sl_words *out,
                    struct sl_error *err)
{
    SL_VEC(const char *) words = {0};
    struct sl_str word = {0};
    const char *p = text;
    for (;;) {
        while (blank(*p) || (p[0] == '\\' && p[1] == '\n'))
            p += *p == '\\' ? 2 : 1;
        if (!*p)
            break;
        sl_str_clear(&word);
        p = take_word(p, &word);
        if (!p)
            break;
        *SL_PUSH(&words) = sl_arena_strndup(arena, sl_str_text(&word), word.len);
    }
    if (p) {
        *out =
            (struct sl_words){sl_arena_alloc(arena, words.len * sizeof *words.at), words.len, true};
        if (words.len)
            memcpy(out->at, words.at, words.len * sizeof *words.at);
    } else {
        sl_fail(err, SL_EINPUT, "a quote is never closed in '%.80s'", text);
    }
    sl_str_done(&word);
    SL_VEC_DONE(&words);
    return p != NULL;
}
