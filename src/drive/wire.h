// SPDX-License-Identifier: Apache-2.0
/*
 * The lines between a parent and its driver, one JSON object each, both ways.
 *
 * Neither side trusts the other: the child talks to strangers and may have been taken over, so
 * numbers are brought into range, text is cut and made printable, and a line that is not one of
 * ours is an error, never a surprise. Pure: bytes in, struct out.
 * Errors   SL_EINPUT. Threads: stateless.
 */
#pragma once
#include "base/error.h"
#include "drive/drive.h"
#include <stddef.h>

enum { SL_DRIVE_MAX_LINE = 16384, SL_DRIVE_MAX_USERS = 256 };

struct sl_drive_order { // parent -> child
    enum { SL_ORDER_SPEC, SL_ORDER_SET, SL_ORDER_STOP } kind;
    struct sl_drive_spec spec; // SPEC: texts point into `text`
    int users;                 // SET
    double rate;
    char text[6][256];
};
SL_MUST_USE bool sl_drive_order_parse(const char *line, size_t len, struct sl_drive_order *out,
                                      struct sl_error *err);
char *sl_drive_order_spec(const struct sl_drive_spec *spec); // JSON and line end; caller frees
char *sl_drive_order_set(int users, double rate);

struct sl_drive_news { // child -> parent
    enum { SL_NEWS_READY, SL_NEWS_STATS, SL_NEWS_ERROR, SL_NEWS_END } kind;
    struct sl_drive_stats stats; // STATS (without at_ns and last_error)
    char message[200];           // ERROR, END
};
SL_MUST_USE bool sl_drive_news_parse(const char *line, size_t len, struct sl_drive_news *out,
                                     struct sl_error *err);
char *sl_drive_news_stats(const struct sl_drive_stats *stats);
char *sl_drive_news_text(const char *type, const char *message); // message NULL = none

// Copies text, cutting it and turning everything but printable ASCII into '?' or blanks.
void sl_drive_printable(char *dst, size_t size, const char *src);
