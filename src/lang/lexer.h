// SPDX-License-Identifier: Apache-2.0
/*
 * The text of a spec -> tokens. Characters that cannot stand in a spec are reported here and left
 * out, so that the parser goes on as if they were not there.
 */
#pragma once
#include "lang/diag.h"

enum sl_token_kind {
    SL_TOKEN_END,
    SL_TOKEN_WORD,   // keyword, class, host, unit, repository
    SL_TOKEN_NUMBER, // digits, perhaps with a fraction (which the parser refuses)
    SL_TOKEN_COMPARE,
    SL_TOKEN_SEMICOLON,
    SL_TOKEN_COMMENT,
};
enum sl_compare { SL_LESS, SL_LESS_EQUAL, SL_EQUAL, SL_GREATER_EQUAL, SL_GREATER };
struct sl_token {
    enum sl_token_kind kind;
    const char *at; // in the source, not terminated
    size_t len;
    struct sl_place place;
    bool space_before; // white space or a comment stands before it
    int newlines_before;
    uint64_t value; // SL_TOKEN_NUMBER; UINT64_MAX when it is too large to hold
    bool fraction;  // SL_TOKEN_NUMBER: "1.5"
    enum sl_compare compare;
};
struct sl_tokens {
    struct sl_token *at;
    size_t len, cap;
};
// Ends with SL_TOKEN_END, whose place is just behind the last token. Comments only when asked for.
void sl_lex(const char *source, size_t len, bool comments, struct sl_diags *diags,
            struct sl_tokens *out);
bool sl_token_is(const struct sl_token *t, const char *word);
