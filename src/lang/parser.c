// SPDX-License-Identifier: Apache-2.0
/*
 * Recursive descent, one function per part of a statement. After an error the parser skips to the
 * next ';' or 'generate', so each statement gets at most a few diagnostics and all statements are
 * looked at. A misspelt keyword is reported and then taken for what was meant.
 */
#include "base/table.h"
#include "base/units.h"
#include "classes/classes.h"
#include "lang/lexer.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    MAX_BYTES = 1 << 20,
    MAX_STATEMENTS = 1000,
    MAX_FLOWS = 1000000000,
};
static const double MAX_RATE_BPS = 1e13;

struct parser {
    struct sl_spec *spec;
    struct sl_diags diags;
    struct sl_tokens tokens;
    size_t at;
    SL_VEC(struct sl_statement) statements;
    SL_VEC(struct sl_spec_link) links;
    struct sl_place host_place[SL_HOST_MAX + 1]; // first mention; line 0 = none
};

static const struct sl_token *peek(const struct parser *p)
{
    return &p->tokens.at[p->at];
}

static const struct sl_token *next(struct parser *p)
{
    const struct sl_token *t = &p->tokens.at[p->at];
    if (t->kind != SL_TOKEN_END)
        p->at++;
    return t;
}

// Just behind the last token that was taken.
static struct sl_place behind(const struct parser *p)
{
    if (p->at == 0)
        return peek(p)->place;
    const struct sl_place *last = &p->tokens.at[p->at - 1].place;
    return (struct sl_place){last->line, last->col + last->width, 1};
}

// A token's text, cut to what a message can hold at the start of a character.
static const char *text_of(struct parser *p, const struct sl_token *t)
{
    enum { SHOWN = 48 };
    if (t->len <= SHOWN)
        return sl_arena_strndup(&p->spec->arena, t->at, t->len);
    size_t n = SHOWN;
    while (n > 0 && ((unsigned char)t->at[n] & 0xC0) == 0x80)
        n--;
    return sl_arena_format(&p->spec->arena, "%.*s...", (int)n, t->at);
}

static const char *found(struct parser *p, const struct sl_token *t)
{
    return t->kind == SL_TOKEN_END ? "the end of the text"
                                   : sl_arena_format(&p->spec->arena, "'%s'", text_of(p, t));
}

#define ERROR_AT(p, place, hint, ...)                                                              \
    sl_diag_add(&(p)->diags, SL_DIAG_ERROR, place, hint, __VA_ARGS__)

// Is the word on its own line what was meant? Another case counts as near.
static const char *nearest(const char *word, const char *const *candidates, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcasecmp(word, candidates[i]))
            return candidates[i];
    return strlen(word) < 2 ? NULL : sl_nearest(word, candidates, n);
}

static const char *did_you_mean(struct parser *p, const char *what)
{
    return what ? sl_arena_format(&p->spec->arena, "did you mean '%s'?", what) : "";
}

static const char *const keywords[] = {
    "generate", "traffic", "from",  "to",   "with", "using", "flows",  "total", "up",
    "down",     "for",     "start", "seed", "link", "map",   "prefer", "avoid", "external"};

static bool is_keyword(const struct sl_token *t)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (sl_token_is(t, keywords[i]))
            return true;
    return false;
}

static bool misspelt(struct parser *p, const struct sl_token *t, const char *keyword)
{
    return t->kind == SL_TOKEN_WORD && !is_keyword(t) &&
           nearest(text_of(p, t), &keyword, 1) != NULL;
}

// Takes the keyword, also when it is misspelt (which is reported).
static bool expect(struct parser *p, const char *keyword)
{
    const struct sl_token *t = peek(p);
    if (sl_token_is(t, keyword)) {
        next(p);
        return true;
    }
    bool near = misspelt(p, t, keyword);
    ERROR_AT(p, t->place, near ? did_you_mean(p, keyword) : "", "expected '%s', found %s", keyword,
             found(p, t));
    if (near)
        next(p);
    return near;
}

// --- parts of a statement ------------------------------------------------------------------------

// Digits without a leading zero and without a fraction, 1..max.
static bool natural(struct parser *p, const struct sl_token *t, const char *what, uint64_t max,
                    uint64_t *out)
{
    if (t->fraction) {
        ERROR_AT(p, t->place, "write it in a smaller unit, like 1500kbps for 1.5Mbps",
                 "%s '%s' is not a whole number", what, text_of(p, t));
    } else if (t->value == 0) {
        ERROR_AT(p, t->place, "", "%s must be at least 1", what);
    } else if (t->at[0] == '0') {
        ERROR_AT(p, t->place,
                 t->value < UINT64_MAX
                     ? sl_arena_format(&p->spec->arena, "write %llu", (unsigned long long)t->value)
                     : "",
                 "numbers start with 1 to 9");
    } else if (t->value > max) {
        ERROR_AT(p, t->place, "", "%s '%s' is larger than %llu", what, text_of(p, t),
                 (unsigned long long)max);
    } else {
        *out = t->value;
        return true;
    }
    return false;
}

// Classes are written in small letters, as in the paper, whatever the table would recognise.
static int class_of(const char *word)
{
    for (const char *c = word; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            return -1;
    return sl_class_find(word);
}

static const char *class_hint(struct parser *p, const char *word)
{
    size_t n;
    const char *const *names = sl_class_names(&n);
    const char *near = nearest(word, names, n);
    if (near)
        return did_you_mean(p, near);
    struct sl_str list = {.max = 300};
    for (size_t i = 0; i < n; i++) {
        if (list.len + strlen(names[i]) > 250) {
            sl_str_add(&list, ", ...");
            break;
        }
        sl_str_addf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    const char *hint = sl_arena_format(
        &p->spec->arena, "a type is a port number, TCP, UDP or one of: %s", sl_str_text(&list));
    sl_str_done(&list);
    return hint;
}

static bool parse_type(struct parser *p, struct sl_statement *s)
{
    const struct sl_token *t = peek(p);
    uint64_t port;
    if (t->kind == SL_TOKEN_NUMBER) {
        next(p);
        s->match = SL_MATCH_PORT;
        s->type_text = text_of(p, t);
        if (natural(p, t, "port", 65535, &port))
            s->port = (uint16_t)port;
        return true;
    }
    if (t->kind != SL_TOKEN_WORD || is_keyword(t)) {
        ERROR_AT(p, t->place, "like 'generate web traffic', 'generate 5432 traffic'",
                 "expected a class, a port number, TCP or UDP, found %s", found(p, t));
        return false;
    }
    next(p);
    const char *word = text_of(p, t);
    s->type_text = word;
    bool tcp = !strcasecmp(word, "tcp");
    if (tcp || !strcasecmp(word, "udp")) {
        s->match = tcp ? SL_MATCH_TCP : SL_MATCH_UDP;
        if (strcmp(word, tcp ? "TCP" : "UDP") != 0)
            ERROR_AT(p, t->place, did_you_mean(p, tcp ? "TCP" : "UDP"), "unknown class '%s'", word);
        return true;
    }
    s->match = SL_MATCH_CLASS;
    s->cls = t->len < 64 ? class_of(word) : -1;
    if (s->cls <= SL_CLASS_UNKNOWN) {
        ERROR_AT(p, t->place, class_hint(p, word), "unknown class '%s'", word);
        s->cls = SL_CLASS_UNKNOWN;
    }
    return true;
}

// "h" and a number, 1..SL_HOST_MAX without leading zero; 0 otherwise.
static int host_index(const char *word)
{
    char rest;
    unsigned index;
    if (word[0] != 'h' || word[1] < '1' || word[1] > '9' || strlen(word) > 4 ||
        sscanf(word + 1, "%u%c", &index, &rest) != 1 || index > SL_HOST_MAX)
        return 0;
    return (int)index;
}

static void bad_host(struct parser *p, const struct sl_token *t, const char *word)
{
    size_t digits = strspn(word + 1, "0123456789");
    char buf[16];
    if ((word[0] == 'h' || word[0] == 'H') && digits && !word[1 + digits]) {
        if (word[1 + strspn(word + 1, "0")] == '\0')
            ERROR_AT(p, t->place, did_you_mean(p, "h1"), "hosts start at h1");
        else if (word[1] == '0')
            ERROR_AT(p, t->place, "", "host '%s': numbers start with 1 to 9", word);
        else if (word[0] == 'H' && digits < 4)
            ERROR_AT(p, t->place, sl_arena_format(&p->spec->arena, "did you mean 'h%s'?", word + 1),
                     "unknown host '%s'", word);
        else
            ERROR_AT(p, t->place, "", "host '%s': there are at most %d hosts, h1 to h%d", word,
                     SL_HOST_MAX, SL_HOST_MAX);
        return;
    }
    if (!strcmp(word, "h") && p->tokens.at[p->at].kind == SL_TOKEN_NUMBER) {
        const struct sl_token *n = next(p);
        ERROR_AT(p, t->place,
                 did_you_mean(p, sl_arena_format(&p->spec->arena, "h%s", text_of(p, n))),
                 "a host is written without a space");
        return;
    }
    // Candidates: external and the hosts mentioned so far, h1 at least.
    const char *names[SL_HOST_MAX + 2];
    size_t n = 0;
    names[n++] = "external";
    names[n++] = "h1";
    for (int h = 2; h <= SL_HOST_MAX; h++)
        if (p->host_place[h].line)
            names[n++] = sl_arena_strdup(&p->spec->arena, sl_host_name(h, buf));
    const char *near = nearest(word, names, n);
    digits = strspn(word, "hostHOST-_");
    if (digits && strspn(word + digits, "0123456789") == strlen(word + digits) &&
        strlen(word + digits) < 4 && word[digits] != '0' && word[digits])
        near = sl_arena_format(&p->spec->arena, "h%s", word + digits); // "host2"
    ERROR_AT(p, t->place, near ? did_you_mean(p, near) : "hosts are h1, h2, ... and external",
             "unknown host '%s'", word);
}

// Goes on after a host that cannot be understood: *out is then -1.
static bool parse_host(struct parser *p, bool destination, int *out)
{
    const struct sl_token *t = peek(p);
    *out = -1;
    if (sl_token_is(t, "external")) {
        next(p);
        if (destination)
            *out = SL_HOST_EXTERNAL;
        else
            ERROR_AT(p, t->place, "'external' can only stand after 'to'",
                     "traffic starts at a host, not at 'external'");
        return true;
    }
    if (t->kind != SL_TOKEN_WORD || is_keyword(t)) {
        ERROR_AT(p, t->place, "", "expected %s, found %s",
                 destination ? "a host like h2, or 'external'" : "a host like h1", found(p, t));
        if (t->kind != SL_TOKEN_NUMBER)
            return false;
        next(p);
        return true;
    }
    next(p);
    const char *word = text_of(p, t);
    int host = host_index(word);
    if (!host) {
        bad_host(p, t, word);
        return true;
    }
    if (!p->host_place[host].line)
        p->host_place[host] = t->place;
    *out = host;
    return true;
}

static const struct {
    const char *name;
    double factor;
} units[] = {{"bps", 1}, {"kbps", 1e3}, {"Mbps", 1e6}, {"Gbps", 1e9}};

// What people write for bits per second elsewhere, in the unit's own case.
static const char *unit_meant(const char *word)
{
    static const char *const others[][2] = {
        {"b/s", "bps"},   {"bit/s", "bps"},   {"bits", "bps"},  {"k", "kbps"},
        {"kb/s", "kbps"}, {"kbit/s", "kbps"}, {"kbit", "kbps"}, {"m", "Mbps"},
        {"mb/s", "Mbps"}, {"mbit/s", "Mbps"}, {"mbit", "Mbps"}, {"g", "Gbps"},
        {"gb/s", "Gbps"}, {"gbit/s", "Gbps"}, {"gbit", "Gbps"}};
    static const char *const names[] = {"Mbps", "kbps", "Gbps", "bps"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcasecmp(word, others[i][0]))
            return others[i][1];
    return nearest(word, names, 4);
}

static bool parse_unit(struct parser *p, double *factor)
{
    const struct sl_token *t = peek(p);
    if (t->kind != SL_TOKEN_WORD || is_keyword(t)) {
        ERROR_AT(p, behind(p), "write a unit: bps, kbps, Mbps or Gbps",
                 "expected a unit after the rate, found %s", found(p, t));
        *factor = 0;
        // The rest can still be read when only the unit is not there.
        return t->kind == SL_TOKEN_SEMICOLON || is_keyword(t);
    }
    next(p);
    const char *word = text_of(p, t);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (!strcmp(word, units[i].name)) {
            *factor = units[i].factor;
            return true;
        }
        // The paper's grammar has the letter and "bps" as two tokens.
        if (t->len == 1 && i > 0 && word[0] == units[i].name[0] && sl_token_is(peek(p), "bps")) {
            next(p);
            *factor = units[i].factor;
            return true;
        }
    }
    const char *meant = unit_meant(word);
    ERROR_AT(p, t->place, meant ? did_you_mean(p, meant) : "units are bps, kbps, Mbps and Gbps",
             "unknown unit '%s'", word);
    *factor = 0;
    return true;
}

static bool parse_rate(struct parser *p, struct sl_statement *s)
{
    const struct sl_token *t = peek(p);
    if (t->kind != SL_TOKEN_NUMBER) {
        ERROR_AT(p, t->place, "", "expected a rate like 100Mbps, found %s", found(p, t));
        return false;
    }
    next(p);
    uint64_t n = 0;
    double factor;
    bool good = natural(p, t, "the rate", UINT64_MAX, &n);
    if (!parse_unit(p, &factor))
        return false;
    s->rate_bps = (double)n * factor;
    if (good && s->rate_bps > MAX_RATE_BPS) {
        struct sl_place at = t->place;
        at.width = behind(p).line == at.line ? behind(p).col - at.col : at.width;
        ERROR_AT(p, at, "", "the rate is larger than %.0f Gbps", MAX_RATE_BPS / 1e9);
    }
    return true;
}

static bool parse_using(struct parser *p, struct sl_statement *s)
{
    const struct sl_token *cmp = peek(p);
    if (cmp->kind != SL_TOKEN_COMPARE) {
        ERROR_AT(p, cmp->place, "like 'using >= 5 flows'",
                 "expected a comparison (<=, >=, =, <, >), found %s", found(p, cmp));
        return false;
    }
    next(p);
    const struct sl_token *t = peek(p);
    if (t->kind != SL_TOKEN_NUMBER) {
        ERROR_AT(p, t->place, "like 'using >= 5 flows'", "expected a number of flows, found %s",
                 found(p, t));
        return false;
    }
    next(p);
    uint64_t value;
    if (natural(p, t, "the number of flows", MAX_FLOWS, &value)) {
        int64_t n = (int64_t)value;
        switch (cmp->compare) {
        case SL_LESS:
            s->flows_max = n - 1;
            break;
        case SL_LESS_EQUAL:
            s->flows_max = n;
            break;
        case SL_EQUAL:
            s->flows_min = s->flows_max = n;
            break;
        case SL_GREATER_EQUAL:
            s->flows_min = n;
            break;
        case SL_GREATER:
            s->flows_min = n + 1;
            break;
        }
        if (s->flows_max < 1) {
            struct sl_place at = cmp->place;
            at.width = t->place.line == at.line ? t->place.col + t->place.width - at.col : at.width;
            ERROR_AT(p, at, "'<' is strict: '<= 1' allows one flow",
                     "no traffic has fewer than 1 flow");
        }
    }
    if (sl_token_is(peek(p), "total")) {
        next(p);
        s->flows_total = true;
    }
    return expect(p, "flows");
}

// "the statement as written, white space folded"; comments are left out.
static const char *folded(struct parser *p, size_t first)
{
    struct sl_str text = {.max = MAX_BYTES};
    for (size_t i = first; i < p->at; i++) {
        const struct sl_token *t = &p->tokens.at[i];
        if (t->kind == SL_TOKEN_SEMICOLON)
            break;
        if (i > first && t->space_before)
            sl_str_add(&text, " ");
        sl_str_addn(&text, t->at, t->len);
    }
    const char *kept = sl_arena_strndup(&p->spec->arena, sl_str_text(&text), text.len);
    sl_str_done(&text);
    return kept;
}

// --- statements ----------------------------------------------------------------------------------

static void skip_statement(struct parser *p)
{
    for (;;) {
        const struct sl_token *t = peek(p);
        if (t->kind == SL_TOKEN_END || sl_token_is(t, "generate"))
            return;
        next(p);
        if (t->kind == SL_TOKEN_SEMICOLON)
            return;
    }
}

static bool not_there_yet(struct parser *p, const char *const *words, size_t n, const char *what)
{
    const struct sl_token *t = peek(p);
    for (size_t i = 0; i < n; i++) {
        if (sl_token_is(t, words[i])) {
            ERROR_AT(p, t->place, "", "'%s' %s are not there yet in this version", words[i], what);
            return true;
        }
    }
    return false;
}

// What may follow the rate, up to and with the ';'.
static bool parse_tail(struct parser *p, struct sl_statement *s)
{
    static const char *const later[] = {"for", "start", "seed"};
    static const char *const clauses[] = {"using", "down", "up"};
    bool have_using = false;
    for (;;) {
        const struct sl_token *t = peek(p);
        if (t->kind == SL_TOKEN_SEMICOLON) {
            next(p);
            return true;
        }
        if (t->kind == SL_TOKEN_END || sl_token_is(t, "generate")) {
            ERROR_AT(p, behind(p), "", "expected ';' at the end of the statement");
            return true;
        }
        if (not_there_yet(p, later, 3, "clauses"))
            return false;
        if (sl_token_is(t, "up") || sl_token_is(t, "down")) {
            if (have_using || s->count != SL_COUNT_BOTH)
                ERROR_AT(p, t->place, "like 'with 100Mbps down using >= 5 flows'",
                         "one 'up' or 'down' may follow the rate, before 'using'");
            s->count = t->at[0] == 'u' ? SL_COUNT_UP : SL_COUNT_DOWN;
            next(p);
            continue;
        }
        const char *near =
            t->kind == SL_TOKEN_WORD ? nearest(text_of(p, t), clauses, have_using ? 0 : 3) : NULL;
        if (sl_token_is(t, "using") || (near && !strcmp(near, "using"))) {
            if (have_using)
                ERROR_AT(p, t->place, "", "a statement has one 'using'");
            else if (!sl_token_is(t, "using"))
                ERROR_AT(p, t->place, did_you_mean(p, near), "expected 'using', found %s",
                         found(p, t));
            have_using = true;
            next(p);
            if (!parse_using(p, s))
                return false;
            continue;
        }
        ERROR_AT(p, t->place, did_you_mean(p, near),
                 have_using ? "expected ';', found %s"
                            : "expected ';', 'up', 'down' or 'using', found %s",
                 found(p, t));
        return false;
    }
}

static bool parse_generate(struct parser *p, struct sl_statement *s)
{
    if (!parse_type(p, s) || !expect(p, "traffic") || !expect(p, "from") ||
        !parse_host(p, false, &s->from) || !expect(p, "to"))
        return false;
    const struct sl_token *to = peek(p);
    if (!parse_host(p, true, &s->to))
        return false;
    if (s->from > 0 && s->from == s->to)
        ERROR_AT(p, to->place, "traffic crosses the network between two hosts",
                 "'from' and 'to' are the same host");
    return expect(p, "with") && parse_rate(p, s) && parse_tail(p, s);
}

// "h1-h2"
static bool parse_ends(struct parser *p, struct sl_spec_link *l)
{
    const struct sl_token *t = peek(p);
    char *name = sl_arena_strndup(&p->spec->arena, t->at, t->len), *dash = strchr(name, '-');
    int hosts[2] = {0};
    if (t->kind == SL_TOKEN_WORD && dash) {
        *dash = '\0';
        hosts[0] = host_index(name);
        hosts[1] = host_index(dash + 1);
    }
    if (!hosts[0] || !hosts[1] || hosts[0] == hosts[1]) {
        ERROR_AT(p, t->place, "like 'link h1-h2 delay 20ms'",
                 "expected two hosts like h1-h2, found %s", found(p, t));
        return false;
    }
    next(p);
    for (int i = 0; i < 2; i++)
        if (!p->host_place[hosts[i]].line)
            p->host_place[hosts[i]] = t->place;
    l->from = hosts[0];
    l->to = hosts[1];
    for (size_t i = 0; i < p->links.len; i++) {
        const struct sl_spec_link *o = &p->links.at[i];
        if ((o->from == l->from && o->to == l->to) || (o->from == l->to && o->to == l->from))
            ERROR_AT(p, t->place, "one statement holds all conditions of a link",
                     "this link was described in line %d", o->line);
    }
    return true;
}

// What another part says of a value may have been cut within a character.
static void error_of(struct parser *p, struct sl_place place, const struct sl_error *err)
{
    struct sl_str msg = {0}, hint = {0};
    sl_text_add_clean(&msg, err->msg);
    sl_text_add_clean(&hint, err->hint);
    ERROR_AT(p, place, sl_arena_strdup(&p->spec->arena, sl_str_text(&hint)), "%s",
             sl_str_text(&msg));
    sl_str_done(&msg);
    sl_str_done(&hint);
}

// One condition, of both directions or, with "up." or "down." in front, of one.
static bool parse_condition(struct parser *p, struct sl_spec_link *l)
{
    const struct sl_token *t = next(p), *v = NULL;
    const char *word = text_of(p, t);
    int only = !strncmp(word, "up.", 3) ? 0 : !strncmp(word, "down.", 5) ? 1 : -1;
    int what = sl_condition_named(word + (only < 0 ? 0 : only ? 5 : 3));
    if (what < 0) {
        const char *names[SL_CONDITIONS];
        for (int i = 0; i < SL_CONDITIONS; i++)
            names[i] = sl_condition_table[i].name;
        const char *near = nearest(word, names, SL_CONDITIONS);
        ERROR_AT(p, t->place, near ? did_you_mean(p, near) : "'sluice link --help' lists them",
                 "unknown condition '%s'", word);
        return false;
    }
    const char *value = NULL;
    if (sl_condition_table[what].arg) {
        v = peek(p);
        if (v->kind != SL_TOKEN_WORD) {
            ERROR_AT(p, behind(p), sl_condition_table[what].help,
                     "expected %s after '%s', found %s", sl_condition_table[what].arg, word,
                     found(p, v));
            return false;
        }
        next(p);
        value = sl_arena_strndup(&p->spec->arena, v->at, v->len);
    }
    for (int d = 0; d < 2; d++) {
        struct sl_error err = {0};
        if (only >= 0 && d != only)
            continue;
        if (!sl_conditions_set(&l->conditions[d], (enum sl_link_condition)what, value,
                               &p->spec->arena, &err)) {
            error_of(p, v ? v->place : t->place, &err);
            return true;
        }
    }
    return true;
}

static void parse_link(struct parser *p, const struct sl_token *start)
{
    struct sl_spec_link l = {.line = start->place.line, .col = start->place.col};
    size_t first = p->at, errors = p->diags.n_errors;
    next(p);
    bool ok = parse_ends(p, &l);
    while (ok && peek(p)->kind == SL_TOKEN_WORD && !sl_token_is(peek(p), "generate"))
        ok = parse_condition(p, &l);
    if (!ok) {
        skip_statement(p);
        return;
    }
    if (peek(p)->kind == SL_TOKEN_SEMICOLON)
        next(p);
    else
        ERROR_AT(p, behind(p), "", "expected ';' at the end of the statement");
    struct sl_error err = {0};
    for (int d = 0; d < 2 && p->diags.n_errors == errors; d++)
        if (!sl_conditions_check(&l.conditions[d], &err))
            error_of(p, start->place, &err);
    l.text = folded(p, first);
    if (p->diags.n_errors == errors)
        *SL_PUSH(&p->links) = l;
}

static void parse_statement(struct parser *p)
{
    static const char *const later[] = {"map", "prefer", "avoid"};
    const struct sl_token *t = peek(p);
    size_t first = p->at, errors = p->diags.n_errors;
    if (t->kind == SL_TOKEN_SEMICOLON) {
        next(p);
        ERROR_AT(p, t->place, "delete it", "there is no statement before this ';'");
        return;
    }
    if (not_there_yet(p, later, 3, "statements")) {
        next(p);
        skip_statement(p);
        return;
    }
    if (sl_token_is(t, "link")) {
        parse_link(p, t);
        return;
    }
    if (!expect(p, "generate")) {
        next(p);
        skip_statement(p);
        return;
    }
    struct sl_statement s = {.line = t->place.line,
                             .col = t->place.col,
                             .from = -1,
                             .to = -1,
                             .flows_max = INT64_MAX,
                             .type_text = ""};
    if (!parse_generate(p, &s)) {
        skip_statement(p);
        return;
    }
    s.text = folded(p, first);
    if (p->diags.n_errors == errors)
        *SL_PUSH(&p->statements) = s;
}

// --- the whole -----------------------------------------------------------------------------------

static void count_hosts(struct parser *p)
{
    struct sl_spec *spec = p->spec;
    for (size_t i = 0; i < spec->n_statements; i++) {
        const struct sl_statement *s = &spec->statements[i];
        spec->external |= s->to == SL_HOST_EXTERNAL;
        spec->max_host = s->from > spec->max_host ? s->from : spec->max_host;
        spec->max_host = s->to > spec->max_host ? s->to : spec->max_host;
    }
    for (size_t i = 0; i < spec->n_links; i++) {
        const struct sl_spec_link *l = &spec->links[i];
        spec->max_host = l->from > spec->max_host ? l->from : spec->max_host;
        spec->max_host = l->to > spec->max_host ? l->to : spec->max_host;
    }
    if (p->diags.n_errors)
        return;
    struct sl_str unused = {.max = 200};
    int gaps = 0;
    for (int h = 1, end; h <= spec->max_host; h = end + 1) {
        end = h;
        if (p->host_place[h].line)
            continue;
        while (!p->host_place[end + 1].line)
            end++;
        sl_str_addf(&unused, end > h ? "%sh%d to h%d" : "%sh%d", gaps ? ", " : "", h, end);
        gaps += end - h + 1;
    }
    if (gaps)
        sl_diag_add(&p->diags, SL_DIAG_WARNING, p->host_place[spec->max_host],
                    "hosts are numbered without gaps up to the highest one",
                    "no statement uses %s; %s created all the same", sl_str_text(&unused),
                    gaps > 1 ? "they are" : "it is");
    sl_str_done(&unused);
}

static void parse(struct parser *p)
{
    sl_lex(p->spec->source, p->spec->source_len, false, &p->diags, &p->tokens);
    size_t read = 0;
    while (peek(p)->kind != SL_TOKEN_END) {
        if (++read > MAX_STATEMENTS) {
            ERROR_AT(p, peek(p)->place, "split it into several runs",
                     "a spec has at most %d statements", MAX_STATEMENTS);
            break;
        }
        parse_statement(p);
    }
    if (read == 0 && p->diags.n_errors == 0)
        ERROR_AT(p, peek(p)->place,
                 "a spec is a list of statements like 'generate web traffic from h1 to h2 with "
                 "100Mbps;'",
                 "there is no statement");
}

struct sl_spec *sl_spec_parse(const char *file, const char *source, size_t len)
{
    struct sl_spec *spec = sl_alloc(sizeof *spec);
    spec->file = sl_arena_strdup(&spec->arena, file);
    bool too_large = len > MAX_BYTES;
    spec->source_len = too_large ? 0 : len;
    spec->source = sl_arena_strndup(&spec->arena, source, spec->source_len);
    struct parser *p = sl_alloc(sizeof *p);
    p->spec = spec;
    p->diags.arena = &spec->arena;
    if (too_large)
        ERROR_AT(p, ((struct sl_place){1, 1, 1}), "",
                 "a spec has at most %d bytes, this one has %zu", MAX_BYTES, len);
    else
        parse(p);
    spec->n_statements = p->statements.len;
    spec->statements = sl_arena_alloc(&spec->arena, p->statements.len * sizeof *spec->statements);
    if (p->statements.len)
        memcpy(spec->statements, p->statements.at, p->statements.len * sizeof *spec->statements);
    spec->n_links = p->links.len;
    spec->links = sl_arena_alloc(&spec->arena, p->links.len * sizeof *spec->links);
    if (p->links.len)
        memcpy(spec->links, p->links.at, p->links.len * sizeof *spec->links);
    SL_VEC_DONE(&p->links);
    count_hosts(p);
    sl_diag_sort(&p->diags);
    spec->n_errors = p->diags.n_errors;
    spec->n_diagnostics = p->diags.list.len;
    spec->diagnostics = sl_arena_alloc(&spec->arena, p->diags.list.len * sizeof *spec->diagnostics);
    if (p->diags.list.len)
        memcpy(spec->diagnostics, p->diags.list.at, p->diags.list.len * sizeof *spec->diagnostics);
    SL_VEC_DONE(&p->diags.list);
    SL_VEC_DONE(&p->statements);
    SL_VEC_DONE(&p->tokens);
    free(p);
    return spec;
}
