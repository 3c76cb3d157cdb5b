// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"
#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool room(struct sl_str *s, size_t more)
{
    size_t max = s->max ? s->max : (size_t)64 << 20;
    if (s->truncated || more > max || s->len > max - more) {
        s->truncated = true;
        return false;
    }
    if (s->len + more + 1 > s->cap) {
        size_t cap = s->cap ? s->cap : 64;
        while (cap < s->len + more + 1)
            cap *= 2;
        s->text = sl_realloc(s->text, cap);
        s->cap = cap;
    }
    return true;
}

void sl_str_addn(struct sl_str *s, const char *bytes, size_t len)
{
    if (!room(s, len))
        return;
    memcpy(s->text + s->len, bytes, len);
    s->len += len;
    s->text[s->len] = '\0';
}

void sl_str_add(struct sl_str *s, const char *text)
{
    sl_str_addn(s, text, strlen(text));
}

void sl_str_addf(struct sl_str *s, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0 && room(s, (size_t)n)) {
        vsnprintf(s->text + s->len, (size_t)n + 1, fmt, again);
        s->len += (size_t)n;
    }
    va_end(again);
}

void sl_str_clear(struct sl_str *s)
{
    s->len = 0;
    s->truncated = false;
    if (s->text)
        s->text[0] = '\0';
}

char *sl_str_take(struct sl_str *s)
{
    char *t = s->text ? s->text : sl_strdup("");
    *s = (struct sl_str){.max = s->max};
    return t;
}

const char *sl_str_text(const struct sl_str *s)
{
    return s->text ? s->text : "";
}

void sl_str_done(struct sl_str *s)
{
    free(s->text);
    *s = (struct sl_str){.max = s->max};
}

bool sl_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool sl_ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool sl_copy(char *dst, size_t size, const char *src)
{
    size_t n = strlen(src);
    bool fits = n < size;
    if (!fits)
        n = size - 1;
    memcpy(dst, src, n);
    dst[n] = '\0';
    return fits;
}

// Levenshtein's distance with one row.
int sl_edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n > 63 || m > 63)
        return 64;
    int row[64];
    for (size_t j = 0; j <= m; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *sl_nearest(const char *word, const char *const *candidates, size_t n)
{
    const char *best = NULL;
    int limit = (int)strlen(word) / 3 + 1;
    int best_distance = limit + 1;
    for (size_t i = 0; i < n; i++) {
        int d = sl_edit_distance(word, candidates[i]);
        if (d < best_distance) {
            best_distance = d;
            best = candidates[i];
        }
    }
    return best;
}
