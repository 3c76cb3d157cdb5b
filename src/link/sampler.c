// SPDX-License-Identifier: Apache-2.0
#include "link/sampler.h"
#include "base/auto.h"
#include "base/fs.h"
#include <math.h>
#include <string.h>

enum { FILE_MAX = 64 << 20 };
#define GIVEN(c, what) ((c)->given >> (what)&1u)

// How many fail before the first success, of probability `share`.
static uint64_t geometric(struct sl_rng *rng, double inverse_log)
{
    double g = log(1.0 - sl_rng_uniform(rng)) * inverse_log; // log of (0, 1]
    return g < 1e18 ? (uint64_t)g : (uint64_t)1e18;
}

void sl_share_init(struct sl_share *s, double share, struct sl_rng rng)
{
    *s = (struct sl_share){.rng = rng, .share = share, .on = share > 0};
    if (!s->on)
        return;
    s->inverse_log = share < 1 ? 1 / log1p(-share) : 0;
    s->gap = geometric(&s->rng, s->inverse_log);
}

bool sl_share_next(struct sl_share *s)
{
    if (!s->on)
        return false;
    if (s->gap) {
        s->gap--;
        return false;
    }
    s->gap = geometric(&s->rng, s->inverse_log);
    return true;
}

bool sl_loss_next(struct sl_loss *l)
{
    switch (l->kind) {
    case SL_LOSS_NONE:
        return false;
    case SL_LOSS_RANDOM:
        if (l->gap) {
            l->gap--;
            return false;
        }
        l->gap = geometric(&l->rng, l->inverse_log);
        return true;
    case SL_LOSS_MARKOV: {
        double change = sl_rng_uniform(&l->rng), lost = sl_rng_uniform(&l->rng);
        if (change < (l->bad ? l->to_good : l->to_bad))
            l->bad = !l->bad;
        return lost < (l->bad ? l->in_bad : l->in_good);
    }
    case SL_LOSS_EVERY:
        if (++l->n < l->every)
            return false;
        l->n = 0;
        return true;
    case SL_LOSS_PATTERN: {
        bool lost = l->pattern[l->n];
        l->n = l->n + 1 < l->pattern_len ? l->n + 1 : 0;
        return lost;
    }
    }
    return false;
}

int64_t sl_delay_next(struct sl_delay *d)
{
    double v = (double)d->fixed_ns;
    if (d->n_file)
        v += (double)d->file_ns[sl_rng_below(&d->rng, d->n_file)];
    else if (d->jitter_ns <= 0)
        return d->fixed_ns;
    else if (d->distribution == SL_DIST_UNIFORM)
        v += (2 * sl_rng_uniform(&d->rng) - 1) * d->jitter_ns;
    else if (d->distribution == SL_DIST_NORMAL)
        v += sl_rng_normal(&d->rng) * d->jitter_ns;
    else // Pareto, shape 3, scale 1: mean 3/2, variance 3/4
        v +=
            (pow(1 - sl_rng_uniform(&d->rng), -1.0 / 3) - 1.5) / 0.86602540378443865 * d->jitter_ns;
    return v > 0 ? v < 9e15 ? (int64_t)v : (int64_t)9e15 : 0;
}

bool sl_loss_pattern_parse(const char *text, size_t len, const char *name, uint8_t **pattern,
                           size_t *n, struct sl_error *err)
{
    uint8_t *out = sl_alloc(len + 1);
    size_t k = 0;
    int line = 1;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        line += c == '\n';
        if (c == '#') { // a comment, up to the end of its line
            while (i + 1 < len && text[i + 1] != '\n')
                i++;
        } else if (c == '0' || c == '1') {
            out[k++] = c == '1';
        } else if (!strchr(" \t\r\n,", c) || !c) {
            free(out);
            sl_fail(err, SL_EINPUT, "a loss pattern is made of 0 (passes) and 1 (is lost)");
            sl_at(err, name, line, 0);
            return false;
        }
    }
    if (!k) {
        free(out);
        sl_fail(err, SL_EINPUT, "there is no 0 or 1 in this loss pattern");
        sl_at(err, name, 0, 0);
        return false;
    }
    *pattern = out;
    *n = k;
    return true;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool delay_of_line(char *line, int64_t *out)
{
    char *end;
    if (!strchr("0123456789.", line[0]) || strpbrk(line, "xXpPnNiI"))
        return false; // a plain number: no sign, no hexadecimal, no NaN
    double ms = strtod(line, &end);
    end += strspn(end, " \t\r");
    if (*end || end == line || !(ms <= 3600e3))
        return false;
    *out = (int64_t)llround(ms * 1e6);
    return true;
}

bool sl_delays_parse(const char *text, size_t len, const char *name, int64_t **ns, size_t *n,
                     struct sl_error *err)
{
    SL_VEC(int64_t) list = {0};
    int line = 0;
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t width = end ? (size_t)(end - text) - at : len - at;
        char buf[64];
        size_t keep = width < sizeof buf - 1 ? width : sizeof buf - 1;
        memcpy(buf, text + at, keep);
        buf[keep] = '\0';
        line++;
        at += width + 1;
        buf[strcspn(buf, "#")] = '\0';
        char *word = buf + strspn(buf, " \t\r");
        if (!*word)
            continue;
        int64_t v;
        if (width >= sizeof buf || !delay_of_line(word, &v)) {
            SL_VEC_DONE(&list);
            sl_fail(err, SL_EINPUT,
                    "a file of delays has one delay in milliseconds on a line, 0 to 3600000");
            sl_at(err, name, line, 0);
            return false;
        }
        *SL_PUSH(&list) = v;
    }
    if (!list.len) {
        sl_fail(err, SL_EINPUT, "there is no delay in this file");
        sl_at(err, name, 0, 0);
        return false;
    }
    qsort(list.at, list.len, sizeof *list.at, by_value);
    *ns = list.at;
    *n = list.len;
    return true;
}

static bool read_pattern(struct sl_loss *l, const char *path, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    return sl_read_file(path, FILE_MAX, &text, &len, err) &&
           sl_loss_pattern_parse(text, len, path, &l->pattern, &l->pattern_len, err);
}

bool sl_loss_init(struct sl_loss *l, const struct sl_conditions *c, uint64_t seed, uint32_t pipe,
                  struct sl_error *err)
{
    *l = (struct sl_loss){.rng = sl_rng_stream(seed, "link.loss", pipe)};
    double share = c->loss.lo;
    if (GIVEN(c, SL_COND_LOSS) && GIVEN(c, SL_COND_LOSS_BURST) && share > 0 && share < 1) {
        l->kind = SL_LOSS_MARKOV;
        l->to_good = 1 / c->loss_burst;
        l->to_bad = l->to_good * share / (1 - share);
        l->in_bad = 1;
    } else if (GIVEN(c, SL_COND_LOSS) && share > 0) {
        l->kind = SL_LOSS_RANDOM;
        l->share = share;
        l->inverse_log = share < 1 ? 1 / log1p(-share) : 0;
        l->gap = geometric(&l->rng, l->inverse_log);
    } else if (GIVEN(c, SL_COND_LOSS_MODEL)) {
        l->kind = SL_LOSS_MARKOV;
        l->to_bad = c->gemodel[0];
        l->to_good = c->gemodel[1];
        l->in_bad = c->gemodel[2];
        l->in_good = c->gemodel[3];
    } else if (GIVEN(c, SL_COND_LOSS_EVERY)) {
        l->kind = SL_LOSS_EVERY;
        l->every = c->loss_every;
    } else if (GIVEN(c, SL_COND_LOSS_PATTERN)) {
        l->kind = SL_LOSS_PATTERN;
        return read_pattern(l, c->loss_pattern, err);
    }
    if (l->kind == SL_LOSS_MARKOV) // it starts as it is in the long run
        l->bad = sl_rng_uniform(&l->rng) < l->to_bad / (l->to_bad + l->to_good);
    return true;
}

bool sl_delay_init(struct sl_delay *d, const struct sl_conditions *c, uint64_t seed, uint32_t pipe,
                   struct sl_error *err)
{
    *d = (struct sl_delay){.rng = sl_rng_stream(seed, "link.delay", pipe),
                           .fixed_ns = (int64_t)llround(c->delay_ns.lo),
                           .jitter_ns = c->jitter_ns.lo,
                           .distribution = c->distribution};
    if (!GIVEN(c, SL_COND_DISTRIBUTION) || c->distribution != SL_DIST_FILE)
        return true;
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    return sl_read_file(c->distribution_file, FILE_MAX, &text, &len, err) &&
           sl_delays_parse(text, len, c->distribution_file, &d->file_ns, &d->n_file, err);
}

void sl_loss_done(struct sl_loss *l)
{
    free(l->pattern);
    l->pattern = NULL;
}

void sl_delay_done(struct sl_delay *d)
{
    free(d->file_ns);
    d->file_ns = NULL;
}
