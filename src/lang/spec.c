// SPDX-License-Identifier: Apache-2.0
#include "lang/spec.h"
#include "base/auto.h"
#include "base/fs.h"
#include "classes/classes.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MAX_BYTES = 1 << 20 };

static bool read_stdin(struct sl_str *text, struct sl_error *err)
{
    char buf[65536];
    ssize_t n;
    text->max = MAX_BYTES;
    while ((n = read(STDIN_FILENO, buf, sizeof buf)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int why = errno;
            return sl_fail(err, SL_EINPUT, "cannot read standard input: %s", strerror(why));
        }
        sl_str_addn(text, buf, (size_t)n);
        if (text->truncated)
            return sl_fail(err, SL_EINPUT,
                           "standard input is larger than %d bytes, the most a spec has",
                           MAX_BYTES);
    }
    return true;
}

struct sl_spec *sl_spec_load(const char *path, struct sl_error *err)
{
    struct sl_spec *spec = NULL;
    if (!strcmp(path, "-")) {
        struct sl_str text = {0};
        if (read_stdin(&text, err))
            spec = sl_spec_parse("<stdin>", sl_str_text(&text), text.len);
        sl_str_done(&text);
        return spec;
    }
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    if (!sl_read_file(path, MAX_BYTES, &text, &len, err)) {
        if (err)
            err->code = SL_EINPUT;
        return NULL;
    }
    return sl_spec_parse(path, text, len);
}

void sl_spec_free(struct sl_spec *s)
{
    if (!s)
        return;
    sl_arena_done(&s->arena);
    free(s);
}

bool sl_spec_ok(const struct sl_spec *s, struct sl_error *err)
{
    if (!s->n_errors)
        return true;
    for (size_t i = 0; i < s->n_diagnostics; i++) {
        const struct sl_diagnostic *d = &s->diagnostics[i];
        if (d->severity != SL_DIAG_ERROR)
            continue;
        sl_fail(err, SL_EINPUT, "%s", d->message);
        sl_at(err, s->file, d->line, d->col);
        if (d->hint[0])
            sl_hint(err, "%s", d->hint);
        return false;
    }
    return sl_fail(err, SL_EINPUT, "the spec '%s' has errors", s->file);
}

const char *sl_host_name(int host, char buf[16])
{
    snprintf(buf, 16, host == SL_HOST_EXTERNAL ? "external" : "h%d", host);
    return buf;
}

// --- JSON ----------------------------------------------------------------------------------------

// File names and sources may hold any bytes; JSON holds UTF-8 only.
static json_t *text_json(const char *text, size_t len)
{
    json_t *j = json_stringn(text, len);
    return j ? j : json_null();
}

static json_t *statement_json(const struct sl_statement *s)
{
    static const char *const matches[] = {"class", "port", "TCP", "UDP"};
    static const char *const counts[] = {"both", "up", "down"};
    char from[16], to[16];
    json_t *j =
        json_pack("{s:i, s:i, s:s, s:s, s:s, s:s, s:s, s:f, s:s, s:I, s:b}", "line", s->line, "col",
                  s->col, "text", s->text, "match", matches[s->match], "type", s->type_text, "from",
                  sl_host_name(s->from, from), "to", sl_host_name(s->to, to), "rate_bps",
                  s->rate_bps, "count", counts[s->count], "flows_min", (json_int_t)s->flows_min,
                  "flows_total", s->flows_total);
    json_object_set_new(j, "flows_max",
                        s->flows_max == INT64_MAX ? json_null() : json_integer(s->flows_max));
    json_object_set_new(
        j, "class", s->match == SL_MATCH_CLASS ? json_string(sl_class_name(s->cls)) : json_null());
    json_object_set_new(j, "port", s->match == SL_MATCH_PORT ? json_integer(s->port) : json_null());
    return j;
}

static json_t *link_json(const struct sl_spec_link *l)
{
    char from[16], to[16];
    return json_pack("{s:i, s:i, s:s, s:s, s:s, s:o, s:o}", "line", l->line, "col", l->col, "text",
                     l->text, "from", sl_host_name(l->from, from), "to", sl_host_name(l->to, to),
                     "up", sl_conditions_json(&l->conditions[0]), "down",
                     sl_conditions_json(&l->conditions[1]));
}

static json_t *diagnostic_json(const struct sl_diagnostic *d)
{
    json_t *j = json_pack("{s:s, s:i, s:i, s:i, s:s}", "severity",
                          d->severity == SL_DIAG_ERROR ? "error" : "warning", "line", d->line,
                          "col", d->col, "width", d->width, "message", d->message);
    json_object_set_new(j, "hint", d->hint[0] ? json_string(d->hint) : json_null());
    return j;
}

json_t *sl_spec_json(const struct sl_spec *s)
{
    json_t *j = json_object(), *hosts = json_array(), *statements = json_array(),
           *diagnostics = json_array(), *links = json_array();
    char name[16];
    for (int h = 1; h <= s->max_host; h++)
        json_array_append_new(hosts, json_string(sl_host_name(h, name)));
    if (s->external)
        json_array_append_new(hosts, json_string("external"));
    for (size_t i = 0; i < s->n_statements; i++)
        json_array_append_new(statements, statement_json(&s->statements[i]));
    for (size_t i = 0; i < s->n_links; i++)
        json_array_append_new(links, link_json(&s->links[i]));
    for (size_t i = 0; i < s->n_diagnostics; i++)
        json_array_append_new(diagnostics, diagnostic_json(&s->diagnostics[i]));
    json_object_set_new(j, "schema", json_string("sluice.spec/1"));
    json_object_set_new(j, "file", text_json(s->file, strlen(s->file)));
    json_object_set_new(j, "ok", json_boolean(s->n_errors == 0));
    json_object_set_new(j, "hosts", hosts);
    json_object_set_new(j, "statements", statements);
    if (s->n_links)
        json_object_set_new(j, "links", links);
    else
        json_decref(links);
    json_object_set_new(j, "diagnostics", diagnostics);
    json_object_set_new(j, "source", text_json(s->source, s->source_len));
    return j;
}
