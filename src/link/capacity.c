// SPDX-License-Identifier: Apache-2.0
#include "link/capacity.h"
#include "base/auto.h"
#include "base/fs.h"
#include "base/mem.h"
#include <string.h>

enum { FILE_MAX = 256 << 20 };

static bool wrong(const char *name, int line, struct sl_error *err, const char *what)
{
    sl_fail(err, SL_EINPUT, "%s", what);
    sl_at(err, name, line, 0);
    sl_hint(err, "each line is a time in milliseconds at which one packet may leave");
    return false;
}

bool sl_capacity_parse(struct sl_capacity *c, const char *text, size_t len, const char *name,
                       struct sl_error *err)
{
    SL_VEC(uint32_t) list = {0};
    const char *why = NULL;
    int line = 0;
    for (size_t at = 0; at < len && !why;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t stop = end ? (size_t)(end - text) : len, i = at;
        uint64_t v = 0;
        line++;
        while (i < stop && text[i] >= '0' && text[i] <= '9' && v < 1u << 31)
            v = v * 10 + (uint64_t)(text[i++] - '0');
        bool digits = i > at;
        if (i < stop && text[i] == '\r')
            i++;
        if (at == stop || (stop == at + 1 && text[at] == '\r'))
            why = "an empty line in a capacity trace";
        else if (v >= 1u << 31)
            why = "this time is beyond 24 days";
        else if (!digits || i < stop)
            why = "this is not a whole number of milliseconds";
        else if (list.len && v < list.at[list.len - 1])
            why = "times of a capacity trace do not go down";
        else
            *SL_PUSH(&list) = (uint32_t)v;
        at = stop + 1;
    }
    if (!why && !list.len) {
        line = 0;
        why = "this capacity trace is empty";
    } else if (!why && !list.at[list.len - 1]) {
        why = "the last time of a capacity trace is above 0";
    }
    if (why) {
        SL_VEC_DONE(&list);
        return wrong(name, line, err, why);
    }
    *c = (struct sl_capacity){.ms = list.at, .n = list.len};
    return true;
}

bool sl_capacity_load(struct sl_capacity *c, const char *path, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    return sl_read_file(path, FILE_MAX, &text, &len, err) &&
           sl_capacity_parse(c, text, len, path, err);
}

void sl_capacity_done(struct sl_capacity *c)
{
    free(c->ms);
    *c = (struct sl_capacity){0};
}

void sl_capacity_start(struct sl_capacity *c, int64_t now_ns)
{
    c->base_ns = now_ns;
    c->at = 0;
    c->left = 0;
    c->now_ns = INT64_MIN;
}

static int64_t time_of_next(const struct sl_capacity *c)
{
    return c->base_ns + c->ms[c->at] * 1000000ll;
}

// The first opportunity at `from` or later; whole turns are stepped over at once.
static void skip_to(struct sl_capacity *c, int64_t from)
{
    int64_t turn = c->ms[c->n - 1] * 1000000ll;
    if (from > c->base_ns + turn) { // an opportunity at a turn's end belongs to it
        c->base_ns += (from - c->base_ns - 1) / turn * turn;
        c->at = 0;
    }
    size_t lo = c->at, hi = c->n; // times do not go down
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->base_ns + c->ms[mid] * 1000000ll < from)
            lo = mid + 1;
        else
            hi = mid;
    }
    c->at = lo;
    if (c->at == c->n) {
        c->base_ns += turn;
        c->at = 0;
        if (time_of_next(c) < from)
            skip_to(c, from);
    }
}

int64_t sl_capacity_serve(struct sl_capacity *c, int64_t ready_ns, uint32_t bytes)
{
    if (ready_ns > c->now_ns)
        c->left = 0;
    while (bytes > c->left) {
        bytes -= c->left;
        int64_t from = ready_ns > c->now_ns ? ready_ns : c->now_ns;
        if (time_of_next(c) < from)
            skip_to(c, from);
        c->now_ns = time_of_next(c);
        c->left = SL_OPPORTUNITY_BYTES;
        if (++c->at == c->n) {
            c->base_ns += c->ms[c->n - 1] * 1000000ll;
            c->at = 0;
        }
    }
    c->left -= bytes;
    return c->now_ns;
}

double sl_capacity_mean_bps(const struct sl_capacity *c)
{
    return (double)c->n * SL_OPPORTUNITY_BYTES * 8e3 / c->ms[c->n - 1];
}
