// SPDX-License-Identifier: Apache-2.0
/*
 * Conditions of a link as words, and as the JSON of the control socket. What is accepted is printed,
 * and read again as the same; ramps between two of them and what is drawn from ranges can be had
 * from everything that passes the check.
 */
#include "base/mem.h"
#include "base/str.h"
#include "link/conditions.h"
#include <stdlib.h>
#include <string.h>

static char *text_of(const struct sl_conditions *c)
{
    struct sl_str s = {0};
    sl_conditions_text(c, &s);
    return sl_str_take(&s);
}

static void use(const struct sl_conditions *c, struct sl_arena *arena)
{
    struct sl_error err = {0};
    struct sl_conditions again = {0}, from_json = {0}, drawn = *c, half;
    char *text = text_of(c), *second;
    if (!sl_conditions_parse(&again, text ? text : "", arena, &err))
        abort();
    second = text_of(&again);
    if (strcmp(text ? text : "", second ? second : "") != 0)
        abort();
    json_t *j = sl_conditions_json(c);
    if (!j || !sl_conditions_from_json(j, &from_json, arena, &err))
        abort();
    json_decref(j);
    if (sl_conditions_check(c, &err)) {
        sl_conditions_draw(&drawn, 3, "a-b");
        if (!sl_conditions_check(&drawn, &err))
            abort();
        struct sl_conditions perfect = {0};
        sl_conditions_between(&perfect, &drawn, 0.5, &half);
        if (!(sl_conditions_memory_bytes(&drawn) >= 0))
            abort();
    }
    free(text);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_error err = {0};
    struct sl_arena arena = {0};
    struct sl_conditions c = {0};
    bool ok;
    if (size && data[0] == '{') {
        json_t *j = sl_json_parse((const char *)data, size, "fuzz", &err);
        ok = j && sl_conditions_from_json(j, &c, &arena, &err);
        json_decref(j);
    } else {
        char *words = sl_format("%.*s", (int)size, (const char *)data);
        ok = sl_conditions_parse(&c, words, &arena, &err);
        free(words);
    }
    if (ok)
        use(&c, &arena);
    else if (err.code == SL_OK || !err.msg[0])
        abort();
    sl_arena_done(&arena);
    return 0;
}
