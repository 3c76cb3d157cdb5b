// SPDX-License-Identifier: Apache-2.0
/*
 * DTSL: the text of a spec -> statements, with diagnostics that point.
 *
 * Source   grammar of DYNAMO (HotNets 2022), figure 2, with the readings of DESIGN section 3.
 * Errors   SL_EINPUT; every diagnostic of a text is collected, not just the first.
 * Threads  stateless; a spec is read-only once made.
 */
#pragma once
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "link/conditions.h"
#include <stdint.h>

enum { SL_HOST_EXTERNAL = 0, SL_HOST_MAX = 250 }; // h1 = 1 ...
enum sl_match { SL_MATCH_CLASS, SL_MATCH_PORT, SL_MATCH_TCP, SL_MATCH_UDP };
enum sl_count { SL_COUNT_BOTH, SL_COUNT_UP, SL_COUNT_DOWN };
struct sl_statement {
    int line, col;
    enum sl_match match;
    int cls;            // SL_MATCH_CLASS
    uint16_t port;      // SL_MATCH_PORT: destination port
    int from, to;       // host index; to may be SL_HOST_EXTERNAL
    double rate_bps;
    enum sl_count count;
    int64_t flows_min, flows_max; // closed interval; 0 and INT64_MAX when not bounded
    bool flows_total;   // cumulative instead of active per second
    const char *type_text; // "web", "5432", "TCP"
    const char *text;      // the statement as written, white space folded
};
struct sl_spec_link { // link h1-h2 delay 20ms up.loss 1%;
    int line, col;
    int from, to; // hosts; up is from `from` to `to`
    struct sl_conditions conditions[2]; // up, down; as written, ranges not drawn
    const char *text;
};
enum sl_severity { SL_DIAG_ERROR, SL_DIAG_WARNING };
struct sl_diagnostic {
    enum sl_severity severity;
    int line, col, width; // 1-based column in characters; width of the underlined part, >= 1
    const char *message, *hint; // hint "" when there is none
};
struct sl_spec {
    struct sl_arena arena;
    const char *file, *source;
    size_t source_len;
    struct sl_statement *statements;
    size_t n_statements;
    struct sl_spec_link *links;
    size_t n_links;
    int max_host;       // h1..h<max_host> exist
    bool external;      // some statement goes there
    struct sl_diagnostic *diagnostics;
    size_t n_diagnostics, n_errors;
};
// Never NULL: a spec with errors has n_errors > 0 and the statements that could be understood.
struct sl_spec *sl_spec_parse(const char *file, const char *source, size_t len);
SL_MUST_USE struct sl_spec *sl_spec_load(const char *path, struct sl_error *err); // reads the file, "-" = stdin; NULL only when unreadable
void sl_spec_free(struct sl_spec *s);
// "file:line:col: error: ...", the line, the caret, "hint: ..." for each diagnostic.
void sl_spec_print(const struct sl_spec *s, bool colour, struct sl_str *out);
// First error as sl_error (SL_EINPUT with file, line, col).
bool sl_spec_ok(const struct sl_spec *s, struct sl_error *err);
void sl_spec_format(const struct sl_spec *s, struct sl_str *out); // canonical text, comments kept
json_t *sl_spec_json(const struct sl_spec *s);
const char *sl_host_name(int host, char buf[16]); // "h3", "external"
