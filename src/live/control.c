// SPDX-License-Identifier: Apache-2.0
#include "live/control.h"
#include <math.h>

static const double LEAK = 0.85; // of the error, per tick
static const double GAIN = 0.3;  // of the error, added to the wanted rate
static const double KEEP = 0.88; // of what was learned about bits per request, per tick

static double clamp(double v, double low, double high)
{
    return v < low ? low : v > high ? high : v;
}

static void learn(struct sl_source *s, double dt_s, const struct sl_sample *m)
{
    s->measured_bps = m->bits / dt_s;
    s->sum_bits = KEEP * s->sum_bits + m->bits;
    s->sum_requests = KEEP * s->sum_requests + m->requests;
    if (s->sum_requests >= 1 && s->sum_bits > 0)
        s->bits_per_request = s->sum_bits / s->sum_requests;
    if (!s->driven || s->rate <= 0)
        return;
    double told = s->rate * dt_s;
    s->backlog = clamp(s->backlog + told - m->requests, 0, 6 * told + 6);
    if (s->measured_bps >= 0.95 * s->wanted_bps)
        s->backlog = 0; // it gives its part, in fewer and larger replies
    if (s->backlog > 2 * told + 2 && s->users < s->users_max) {
        int more = s->users / 2 + 1;
        s->users = s->users + more > s->users_max ? s->users_max : s->users + more;
        s->backlog = 0;
    }
    s->saturated = s->backlog > 3 * told + 3;
}

void sl_control_tick(struct sl_control *c, double dt_s, const struct sl_sample *samples)
{
    double total = 0, fixed = 0, shares = 0;
    for (size_t k = 0; k < c->n_sources; k++) {
        struct sl_source *s = &c->sources[k];
        learn(s, dt_s, &samples[k]);
        total += s->measured_bps;
        if (s->dead)
            continue;
        if (!s->driven || s->saturated)
            fixed += s->measured_bps;
        else
            shares += s->share;
    }
    c->error_bits = clamp(LEAK * c->error_bits + (c->asked_bps - total) * dt_s, -1.5 * c->asked_bps,
                          1.5 * c->asked_bps);
    c->wanted_bps =
        clamp(c->asked_bps + GAIN * c->error_bits, 0.5 * c->asked_bps, 1.5 * c->asked_bps);
    double rest = fmax(0, c->wanted_bps - fixed);
    for (size_t k = 0; k < c->n_sources; k++) {
        struct sl_source *s = &c->sources[k];
        if (!s->driven || s->dead)
            continue;
        // A saturated driver is told clearly more than it does, so that it is seen when it catches
        // up.
        double part = s->saturated ? s->measured_bps * 1.3 : rest * s->share / shares;
        s->wanted_bps = part;
        s->rate = fmax(0.05, part / s->bits_per_request);
    }
}
