// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a spec. Beyond not crashing: places lie in the text, diagnostics are in order and
 * UTF-8, a text without errors has statements, and formatting it is idempotent and keeps what it
 * means.
 */
#include "base/json.h"
#include "lang/spec.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_diagnostics(const struct sl_spec *s)
{
    must(s->n_errors > 0 || s->n_statements + s->n_links > 0);
    for (size_t i = 0; i < s->n_diagnostics; i++) {
        const struct sl_diagnostic *d = &s->diagnostics[i];
        must(d->line >= 1 && d->col >= 1 && d->width >= 1 && d->message[0]);
        must((size_t)d->line <= s->source_len + 1 && (size_t)d->col <= s->source_len + 1);
        must(i == 0 || d[-1].line < d->line || (d[-1].line == d->line && d[-1].col <= d->col));
        json_t *message = json_string(d->message), *hint = json_string(d->hint);
        must(message && hint); // UTF-8
        json_decref(message);
        json_decref(hint);
    }
}

static void check_format(const struct sl_spec *s)
{
    struct sl_str once = {0}, twice = {0};
    sl_spec_format(s, &once);
    struct sl_spec *again = sl_spec_parse("fuzz", sl_str_text(&once), once.len);
    if (s->n_errors == 0 && once.len <= 1 << 20) {
        must(again->n_errors == 0 && again->n_statements == s->n_statements);
        for (size_t i = 0; i < s->n_statements; i++) {
            const struct sl_statement *a = &s->statements[i], *b = &again->statements[i];
            must(a->match == b->match && a->cls == b->cls && a->port == b->port);
            must(a->from == b->from && a->to == b->to && a->rate_bps == b->rate_bps);
            must(a->count == b->count && a->flows_total == b->flows_total);
            must(a->flows_min == b->flows_min && a->flows_max == b->flows_max);
        }
        must(again->n_links == s->n_links);
        for (size_t i = 0; i < s->n_links; i++) {
            const struct sl_spec_link *a = &s->links[i], *b = &again->links[i];
            must(a->from == b->from && a->to == b->to);
            for (int d = 0; d < 2; d++) {
                json_t *x = sl_conditions_json(&a->conditions[d]),
                       *y = sl_conditions_json(&b->conditions[d]);
                must(json_equal(x, y));
                json_decref(x);
                json_decref(y);
            }
        }
        sl_spec_format(again, &twice);
        must(once.len == twice.len && !memcmp(sl_str_text(&once), sl_str_text(&twice), once.len));
    }
    sl_spec_free(again);
    sl_str_done(&once);
    sl_str_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_spec *s = sl_spec_parse("fuzz", (const char *)data, size);
    check_diagnostics(s);
    struct sl_str printed = {0};
    sl_spec_print(s, size & 1, &printed);
    must((printed.len > 0) == (s->n_diagnostics > 0));
    sl_str_done(&printed);
    json_t *j = sl_spec_json(s);
    char *text = json_dumps(j, 0);
    must(text != NULL);
    free(text);
    json_decref(j);
    check_format(s);
    sl_spec_free(s);
    return 0;
}
