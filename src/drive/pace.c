// SPDX-License-Identifier: Apache-2.0
#include "drive/pace.h"
#include <math.h>

static const double keep_s = 0.5; // tokens older than this are lost

void sl_pace_init(struct sl_pace *p, double rate, struct sl_rng rng, int64_t now_ns)
{
    *p = (struct sl_pace){.rng = rng, .rate = rate, .at_ns = now_ns};
    p->due = sl_rng_uniform(&p->rng);
}

static void advance(struct sl_pace *p, int64_t now_ns)
{
    if (now_ns <= p->at_ns)
        return;
    p->phase += p->rate * (double)(now_ns - p->at_ns) * 1e-9;
    p->at_ns = now_ns;
    double most = fmax(2.0, p->rate * keep_s);
    if (p->phase - p->due > most) {
        double skip = floor(p->phase - p->due - most) + 1.0;
        p->due += skip;
        p->lost += (uint64_t)skip;
    }
}

void sl_pace_set(struct sl_pace *p, double rate, int64_t now_ns)
{
    advance(p, now_ns);
    p->rate = rate;
}

bool sl_pace_take(struct sl_pace *p, int64_t now_ns)
{
    advance(p, now_ns);
    if (p->rate > 0 && p->phase < p->due)
        return false;
    p->taken++;
    if (p->rate <= 0)
        return true;
    double turn = floor(p->due) + 1.0; // kept near zero: phases never lose digits
    p->phase -= turn;
    p->due = sl_rng_uniform(&p->rng);
    return true;
}

int64_t sl_pace_next_ns(const struct sl_pace *p)
{
    if (p->rate <= 0 || p->phase >= p->due)
        return p->at_ns;
    double wait_s = (p->due - p->phase) / p->rate;
    return p->at_ns + (int64_t)(fmin(wait_s, 3600.0) * 1e9) + 1;
}

double sl_pace_think_s(struct sl_rng *rng, double mean)
{
    double s = sl_rng_lognormal(rng, mean, 1.0);
    return s < 5.0 * mean ? s : 5.0 * mean;
}

void sl_mix_init(struct sl_mix *m, int dim, struct sl_rng *rng)
{
    // Fractional parts of the golden ratio and of the roots of 2, 3 and 7: with 1, independent over
    // the rationals, so that points of several dims fill the cube evenly.
    static const double steps[4] = {0.6180339887498949, 0.4142135623730951, 0.7320508075688772,
                                    0.6457513110645906};
    m->step = steps[dim & 3];
    m->at = sl_rng_uniform(rng);
}

double sl_mix_next(struct sl_mix *m)
{
    m->at += m->step;
    if (m->at >= 1.0)
        m->at -= 1.0;
    return m->at;
}

size_t sl_mix_choose(struct sl_mix *m, const double *weights, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += weights[i];
    double want = sl_mix_next(m) * sum;
    for (size_t i = 0; i < n; i++) {
        want -= weights[i];
        if (want < 0)
            return i;
    }
    return 0;
}
