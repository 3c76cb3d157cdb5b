// SPDX-License-Identifier: Apache-2.0
#include "lang/lexer.h"
#include "lang/utf8.h"
#include <ctype.h>
#include <string.h>

struct lexer {
    const char *p, *end;
    int line, col;
    bool space; // seen since the last token
    int newlines;
    bool started; // inside a statement
    bool link;    // a link statement, behind its first word
    struct sl_diags *diags;
    struct sl_tokens *out;
};

static void advance(struct lexer *l, size_t bytes)
{
    l->p += bytes;
    l->col++;
}

static struct sl_token *push(struct lexer *l, enum sl_token_kind kind, const char *from, int col)
{
    struct sl_token *t = SL_PUSH(l->out);
    *t = (struct sl_token){.kind = kind,
                           .at = from,
                           .len = (size_t)(l->p - from),
                           .place = {l->line, col, l->col - col},
                           .space_before = l->space,
                           .newlines_before = l->newlines};
    l->space = false;
    l->newlines = 0;
    if (kind != SL_TOKEN_COMMENT)
        l->started = kind != SL_TOKEN_SEMICOLON;
    l->link &= kind != SL_TOKEN_SEMICOLON;
    return t;
}

// A line end: LF, CR LF, CR.
static bool line_end(struct lexer *l)
{
    if (*l->p != '\n' && *l->p != '\r')
        return false;
    l->p += *l->p == '\r' && l->p + 1 < l->end && l->p[1] == '\n' ? 2 : 1;
    l->line++;
    l->col = 1;
    l->newlines++;
    l->space = true;
    return true;
}

// Reports what no spec may hold, anywhere; true when the bytes at p were such and have been
// skipped.
static bool refused(struct lexer *l)
{
    uint32_t cp = 0;
    const char *from = l->p;
    struct sl_place at = {l->line, l->col, 1};
    if (!*from) {
        while (l->p < l->end && !*l->p)
            advance(l, 1);
        at.width = l->col - at.col;
        sl_diag_add(l->diags, SL_DIAG_ERROR, at, "is this a text file?", "NUL byte in the text");
        return true;
    }
    while (l->p < l->end && sl_utf8_decode(l->p, l->end, &cp) == 0)
        advance(l, 1);
    if (l->p > from) {
        at.width = l->col - at.col;
        sl_diag_add(l->diags, SL_DIAG_ERROR, at, "save the file as UTF-8",
                    "byte 0x%02x is not UTF-8", (unsigned char)*from);
        return true;
    }
    size_t n = sl_utf8_decode(l->p, l->end, &cp);
    if (cp == '\t' || cp == '\n' || cp == '\r' || cp == '\f' || sl_utf8_printable(cp))
        return false;
    advance(l, n);
    sl_diag_add(l->diags, SL_DIAG_ERROR, at, "delete it", "invisible character U+%04X", cp);
    return true;
}

static bool is_space(uint32_t cp)
{
    return cp == ' ' || cp == '\t' || cp == '\f';
}

static bool is_foreign_space(uint32_t cp)
{
    return cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) || cp == 0x202F ||
           cp == 0x205F || cp == 0x3000;
}

static bool comparison_char(uint32_t cp)
{
    return cp == '<' || cp == '>' || cp == '=' || cp == 0x2264 || cp == 0x2265 || cp == 0x2A7D ||
           cp == 0x2A7E;
}

static bool starts_word(uint32_t cp)
{
    if (cp < 0x80)
        return isalpha((int)cp) || cp == '_' || cp == '%'; // "loss 1%"
    return sl_utf8_printable(cp) && !is_foreign_space(cp) && !comparison_char(cp);
}

static bool continues_word(uint32_t cp)
{
    return starts_word(cp) || (cp < 0x80 && (isdigit((int)cp) || strchr("-./", (int)cp)));
}

static void comment(struct lexer *l, bool keep)
{
    const char *from = l->p;
    int col = l->col;
    while (l->p < l->end && *l->p != '\n' && *l->p != '\r') {
        uint32_t cp = 0;
        if (!refused(l))
            advance(l, sl_utf8_decode(l->p, l->end, &cp));
    }
    if (keep)
        push(l, SL_TOKEN_COMMENT, from, col);
    l->space = true;
}

static void number(struct lexer *l)
{
    const char *from = l->p;
    int col = l->col;
    uint64_t v = 0;
    for (; l->p < l->end && isdigit((unsigned char)*l->p); advance(l, 1)) {
        uint64_t digit = (uint64_t)(*l->p - '0');
        v = v > (UINT64_MAX - digit) / 10 ? UINT64_MAX : v * 10 + digit;
    }
    bool fraction = l->end - l->p >= 2 && *l->p == '.' && isdigit((unsigned char)l->p[1]);
    if (fraction) {
        advance(l, 1);
        while (l->p < l->end && isdigit((unsigned char)*l->p))
            advance(l, 1);
    }
    struct sl_token *t = push(l, SL_TOKEN_NUMBER, from, col);
    t->value = v;
    t->fraction = fraction;
}

static void word(struct lexer *l)
{
    const char *from = l->p;
    int col = l->col;
    uint32_t cp = 0;
    size_t n;
    while (l->p < l->end && *l->p && (n = sl_utf8_decode(l->p, l->end, &cp)) && continues_word(cp))
        advance(l, n);
    bool first = !l->started;
    l->link = sl_token_is(push(l, SL_TOKEN_WORD, from, col), "link") && first;
}

// In a link statement everything between white space is one word: "0-30%", "100p,64KB", "a/b.txt".
// Where its ';' is missing, the next statement ends it.
static void condition_word(struct lexer *l)
{
    const char *from = l->p;
    int col = l->col;
    uint32_t cp = 0;
    size_t n;
    while (l->p < l->end && *l->p && *l->p != ';' && *l->p != '#' &&
           (n = sl_utf8_decode(l->p, l->end, &cp)) && sl_utf8_printable(cp) && !is_space(cp) &&
           !is_foreign_space(cp))
        advance(l, n);
    l->link = !sl_token_is(push(l, SL_TOKEN_WORD, from, col), "generate");
}

static void comparison(struct lexer *l)
{
    static const struct {
        const char *text;
        enum sl_compare compare;
        const char *meant; // when it is no sign of the language
    } signs[] = {{"<=", SL_LESS_EQUAL, NULL},     {">=", SL_GREATER_EQUAL, NULL},
                 {"=<", SL_LESS_EQUAL, "<="},     {"=>", SL_GREATER_EQUAL, ">="},
                 {"==", SL_EQUAL, "="},           {"<", SL_LESS, NULL},
                 {">", SL_GREATER, NULL},         {"=", SL_EQUAL, NULL},
                 {"\u2264", SL_LESS_EQUAL, NULL}, {"\u2265", SL_GREATER_EQUAL, NULL},
                 {"\u2A7D", SL_LESS_EQUAL, NULL}, {"\u2A7E", SL_GREATER_EQUAL, NULL}};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t n = strlen(signs[i].text);
        if ((size_t)(l->end - l->p) < n || memcmp(l->p, signs[i].text, n) != 0)
            continue;
        const char *from = l->p;
        int col = l->col;
        l->p += n;
        l->col += (unsigned char)*from < 0x80 ? (int)n : 1;
        struct sl_token *t = push(l, SL_TOKEN_COMPARE, from, col);
        t->compare = signs[i].compare;
        if (signs[i].meant)
            sl_diag_add(l->diags, SL_DIAG_ERROR, t->place,
                        sl_arena_format(l->diags->arena, "did you mean '%s'?", signs[i].meant),
                        "'%s' is not a comparison", signs[i].text);
        return;
    }
}

static void unexpected(struct lexer *l, uint32_t cp, size_t n)
{
    struct sl_place at = {l->line, l->col, 1};
    if (is_foreign_space(cp)) {
        sl_diag_add(l->diags, SL_DIAG_ERROR, at, "replace it by a plain space",
                    "U+%04X is no white space here", cp);
        l->space = true;
    } else {
        const char *hint = "";
        if (cp == ',' || cp == ':')
            hint = "a statement ends with ';'";
        else if (cp == '/')
            hint = "comments start with '#'";
        sl_diag_add(l->diags, SL_DIAG_ERROR, at, hint, "unexpected '%.*s'", (int)n, l->p);
    }
    advance(l, n);
}

void sl_lex(const char *source, size_t len, bool comments, struct sl_diags *diags,
            struct sl_tokens *out)
{
    struct lexer l = {
        .p = source, .end = source + len, .line = 1, .col = 1, .diags = diags, .out = out};
    if (len >= 3 && !memcmp(source, "\xEF\xBB\xBF", 3))
        l.p += 3; // a byte order mark is no character of the text
    while (l.p < l.end) {
        uint32_t cp = 0;
        if (line_end(&l) || refused(&l))
            continue;
        size_t n = sl_utf8_decode(l.p, l.end, &cp);
        if (is_space(cp)) {
            l.space = true;
            advance(&l, n);
        } else if (cp == '#') {
            comment(&l, comments);
        } else if (cp == ';') {
            const char *from = l.p;
            int col = l.col;
            advance(&l, 1);
            push(&l, SL_TOKEN_SEMICOLON, from, col);
        } else if (l.link && sl_utf8_printable(cp) && !is_foreign_space(cp)) {
            condition_word(&l);
        } else if (cp < 0x80 && isdigit((int)cp)) {
            number(&l);
        } else if (comparison_char(cp)) {
            comparison(&l);
        } else if (starts_word(cp)) {
            word(&l);
        } else {
            unexpected(&l, cp, n);
        }
    }
    struct sl_token *end = push(&l, SL_TOKEN_END, l.p, l.col);
    end->place = (struct sl_place){1, 1, 1};
    if (out->len > 1) {
        const struct sl_place *last = &out->at[out->len - 2].place;
        end->place = (struct sl_place){last->line, last->col + last->width, 1};
    }
}

bool sl_token_is(const struct sl_token *t, const char *word)
{
    return t->kind == SL_TOKEN_WORD && strlen(word) == t->len && !memcmp(t->at, word, t->len);
}
