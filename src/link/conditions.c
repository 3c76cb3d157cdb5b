// SPDX-License-Identifier: Apache-2.0
#include "link/conditions.h"
#include "base/rng.h"
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const struct sl_condition_word sl_condition_table[SL_CONDITIONS] = {
    [SL_COND_RATE] = {"rate", "RATE", "capacity on the wire, like 100Mbps or 1-500Mbps"},
    [SL_COND_BURST] = {"burst", "BYTES", "what may leave at once after a pause (default: nothing)"},
    [SL_COND_OVERHEAD] = {"overhead", "WHAT",
                          "what the rate counts: wire (default), frame, ip, or bytes a packet"},
    [SL_COND_CAPACITY] = {"capacity", "FILE", "capacity over time, a trace as mahimahi's"},
    [SL_COND_DELAY] = {"delay", "TIME", "one-way delay, like 20ms, 150us or 0-3ms"},
    [SL_COND_JITTER] = {"jitter", "TIME", "how far the delay varies"},
    [SL_COND_DISTRIBUTION] =
        {"distribution", "NAME",
         "of the delay: uniform (default), normal, pareto, or a file of delays"},
    [SL_COND_JITTER_REORDERS] = {"jitter-reorders", NULL, "packets may overtake by their jitter"},
    [SL_COND_LOSS] = {"loss", "SHARE", "packets lost at random, like 1% or 0-30%"},
    [SL_COND_LOSS_BURST] = {"loss-burst", "N", "mean length of a burst of lost packets (Gilbert)"},
    [SL_COND_LOSS_MODEL] = {"loss-model", "P,R[,B[,G]]",
                            "Gilbert-Elliott: to bad, to good, loss in bad (100%), in good (0%)"},
    [SL_COND_LOSS_EVERY] = {"loss-every", "N", "every N-th packet is lost"},
    [SL_COND_LOSS_PATTERN] = {"loss-pattern", "FILE", "recorded losses: 0 passes, 1 is lost"},
    [SL_COND_LOSS_BEHIND] = {"loss-behind", NULL, "lost behind the queue: they use capacity"},
    [SL_COND_DUPLICATE] = {"duplicate", "SHARE", "packets that arrive twice"},
    [SL_COND_REORDER] = {"reorder", "SHARE", "packets that overtake: they have no delay"},
    [SL_COND_CORRUPT] = {"corrupt", "SHARE", "packets with one bit wrong"},
    [SL_COND_QUEUE] = {"queue", "LIMIT", "in packets (100p), bytes (64KB), or both (100p,64KB)"},
    [SL_COND_AQM] = {"aqm", "NAME", "of the queue: none (default), red, codel, fq-codel"},
    [SL_COND_ECN] = {"ecn", NULL, "the queue marks what can be marked and does not drop it"},
    [SL_COND_STATE] = {"carrier", "STATE", "up or down"},
    [SL_COND_MTU] = {"mtu", "BYTES", "largest IP packet; larger ones are dropped"},
    [SL_COND_WHOLE] = {"whole", NULL, "large packets pass whole although the rate is limited"},
};
#define GIVEN(c, what) ((c)->given >> (what)&1u)

int sl_condition_named(const char *name)
{
    for (int i = 0; i < SL_CONDITIONS; i++)
        if (!strcmp(sl_condition_table[i].name, name))
            return i;
    return -1;
}

struct unit {
    const char *name;
    double factor;
};
static const struct unit times[] = {{"ms", 1e6}, {"us", 1e3}, {"s", 1e9}, {"ns", 1}, {NULL, 0}};
static const struct unit rates[] = {{"Mbps", 1e6}, {"kbps", 1e3}, {"Gbps", 1e9}, {"bps", 1},
                                    {"M", 1e6},    {"k", 1e3},    {"G", 1e9},    {NULL, 0}};
static const struct unit shares[] = {{"%", 0.01}, {NULL, 0}};
static const struct unit sizes[] = {{"KB", 1e3},     {"MB", 1e6},     {"GB", 1e9}, {"KiB", 0x1p10},
                                    {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"B", 1},    {NULL, 0}};

// Digits with at most one point; no sign, exponent or hexadecimal.
static bool number(const char **p, double *out)
{
    size_t n = strspn(*p, "0123456789.");
    char digits[48], *end;
    if (!n || n >= sizeof digits || !isdigit((unsigned char)**p))
        return false;
    memcpy(digits, *p, n);
    digits[n] = '\0';
    *out = strtod(digits, &end);
    *p += n;
    return !*end;
}

// "-5%" at the command line: the sign is what is wrong, and what the user must be told.
static bool refuse(const char *value, const char *what, const char *like, struct sl_error *err)
{
    if (value[0] == '-' && isdigit((unsigned char)value[1]))
        return sl_fail(err, SL_EUSAGE, "%s cannot be negative: '%s'", what, value);
    return sl_fail(err, SL_EUSAGE, "'%s' is not a value of %s: write it like %s", value, what,
                   like);
}

static const struct unit *unit_at(const struct unit *units, const char *text, size_t len)
{
    while (len && *text == ' ')
        text++, len--;
    for (const struct unit *u = units; u->name; u++)
        if (strlen(u->name) == len && !strncmp(u->name, text, len))
            return u;
    return NULL;
}

// "20ms", "0-3ms", "500us-3ms". A first number without a unit has the second's.
static bool parse_range(const char *value, const struct unit *units, double max, const char *what,
                        const char *like, struct sl_range *out, struct sl_error *err)
{
    const char *p = value, *dash;
    struct sl_range r;
    if (!number(&p, &r.lo))
        return refuse(value, what, like, err);
    dash = strchr(p, '-');
    const struct unit *first = unit_at(units, p, dash ? (size_t)(dash - p) : strlen(p)),
                      *last = first;
    bool bare = dash == p;
    r.hi = r.lo;
    if (dash) {
        p = dash + 1;
        if (!number(&p, &r.hi))
            return refuse(value, what, like, err);
        last = unit_at(units, p, strlen(p));
        if (bare)
            first = last;
    }
    if (!first && r.lo == 0 && !dash)
        first = last = strcmp(value, "0") ? NULL : units; // 0 is 0 in every unit
    if (!first || !last)
        return refuse(value, what, like, err);
    r.lo *= first->factor;
    r.hi *= last->factor;
    if (r.lo > r.hi)
        return sl_fail(err, SL_EUSAGE, "'%s' is not a range: it ends below its start", value);
    if (r.hi > max)
        return sl_fail(err, SL_EUSAGE, "%s is at most %g%s, not '%s'", what, max / units->factor,
                       units->name, value);
    *out = r;
    return true;
}

static bool parse_share(const char *value, const char *what, struct sl_range *out,
                        struct sl_error *err)
{
    return parse_range(value, shares, 1, what, "1% or 0-30%", out, err);
}

static bool parse_size(const char *value, const char *what, double max, uint64_t *out,
                       struct sl_error *err)
{
    const char *p = value;
    double v;
    if (!number(&p, &v))
        return refuse(value, what, "1500, 64KB or 1MB", err);
    const struct unit *u = *p ? unit_at(sizes, p, strlen(p)) : NULL;
    if (*p && !u)
        return refuse(value, what, "1500, 64KB or 1MB", err);
    v *= u ? u->factor : 1;
    if (v > max)
        return sl_fail(err, SL_EUSAGE, "%s is at most %.0f bytes, not '%s'", what, max, value);
    *out = (uint64_t)v;
    return true;
}

static bool parse_whole(const char *value, const char *what, double min, double max, double *out,
                        struct sl_error *err)
{
    const char *p = value;
    double v;
    if (!number(&p, &v) || *p || v != floor(v))
        return refuse(value, what, "100", err);
    if (v < min || v > max)
        return sl_fail(err, SL_EUSAGE, "%s is %.0f to %.0f, not '%s'", what, min, max, value);
    *out = v;
    return true;
}

// "100p", "64KB", "100p,64KB"; a bare number counts packets.
static bool parse_queue(const char *value, struct sl_conditions *c, struct sl_error *err)
{
    uint64_t packets = 0, bytes = 0;
    char text[64];
    if (strlen(value) >= sizeof text)
        return refuse(value, "queue", "100p, 64KB or 100p,64KB", err);
    strcpy(text, value);
    char *next = text;
    for (char *part; (part = strsep(&next, ","));) {
        size_t n = strlen(part);
        bool counts = n && strspn(part, "0123456789") == (part[n - 1] == 'p' ? n - 1 : n);
        if (counts && part[n - 1] == 'p')
            part[n - 1] = '\0';
        double v;
        if (counts && !parse_whole(part, "queue", 1, 1e8, &v, err))
            return false;
        if (counts)
            packets = (uint64_t)v;
        else if (!parse_size(part, "queue", 64e9, &bytes, err))
            return false;
        else if (!bytes)
            return sl_fail(err, SL_EUSAGE, "a queue of 0 bytes lets nothing pass");
    }
    c->queue_packets = packets;
    c->queue_bytes = bytes;
    return true;
}

static bool parse_model(const char *value, struct sl_conditions *c, struct sl_error *err)
{
    double v[4] = {0, 0, 1, 0};
    char text[128];
    if (strlen(value) >= sizeof text)
        return refuse(value, "loss-model", "1%,25%", err);
    strcpy(text, value);
    int n = 0;
    char *next = text;
    for (char *part; (part = strsep(&next, ",")); n++) {
        struct sl_range r;
        if (n == 4)
            return refuse(value, "loss-model", "1%,25% or 1%,25%,90%,0.1%", err);
        if (!parse_range(part, shares, 1, "loss-model", "1%,25%", &r, err))
            return false;
        v[n] = r.lo;
    }
    if (n < 2)
        return refuse(value, "loss-model", "1%,25% or 1%,25%,90%,0.1%", err);
    if (v[0] + v[1] <= 0)
        return sl_fail(err, SL_EUSAGE, "loss-model '%s' never leaves a state", value);
    memcpy(c->gemodel, v, sizeof v);
    return true;
}

static bool one_of(const char *value, const char *what, const char *const *names, int n, int *out,
                   struct sl_error *err)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(value, names[i])) {
            *out = i;
            return true;
        }
    const char *near = sl_nearest(value, names, (size_t)n);
    sl_fail(err, SL_EUSAGE, "'%s' is not a value of %s", value, what);
    if (near)
        sl_hint(err, "did you mean '%s'?", near);
    return false;
}
static const char *const dist_names[] = {"uniform", "normal", "pareto"};
static const char *const aqm_names[] = {"none", "red", "codel", "fq-codel"};
static const char *const overhead_names[] = {"wire", "frame", "ip"};
static const char *const state_names[] = {"up", "down"};

static bool set_distribution(struct sl_conditions *c, const char *value, struct sl_arena *arena,
                             struct sl_error *err)
{
    int i = 0;
    if (strchr(value, '/') || strchr(value, '.')) {
        c->distribution = SL_DIST_FILE;
        c->distribution_file = sl_arena_strdup(arena, value);
        return true;
    }
    if (!one_of(value, "distribution", dist_names, 3, &i, err)) {
        sl_hint(err, "uniform, normal, pareto, or the path of a file (with a '/' or a '.')");
        return false;
    }
    c->distribution = (enum sl_distribution)i;
    return true;
}

static bool set_overhead(struct sl_conditions *c, const char *value, struct sl_error *err)
{
    int i;
    double v;
    static const int32_t as[] = {SL_OVERHEAD_WIRE, SL_OVERHEAD_FRAME, 0};
    if (isdigit((unsigned char)value[0])) {
        if (!parse_whole(value, "overhead", 0, 1000, &v, err))
            return false;
        c->overhead = (int32_t)v;
        return true;
    }
    if (!one_of(value, "overhead", overhead_names, 3, &i, err))
        return false;
    c->overhead = as[i];
    return true;
}

static bool set_value(struct sl_conditions *c, enum sl_link_condition what, const char *value,
                      struct sl_arena *arena, struct sl_error *err)
{
    double v;
    int i;
    switch (what) {
    case SL_COND_RATE:
        if (!parse_range(value, rates, 400e9, "rate", "100Mbps", &c->rate_bps, err))
            return false;
        return c->rate_bps.lo >= 1000
                   ? true
                   : sl_fail(err, SL_EUSAGE,
                             "a rate is at least 1kbps, not '%s': 'carrier down' stops a link",
                             value);
    case SL_COND_BURST:
        return parse_size(value, "burst", 1e9, &c->burst_bytes, err);
    case SL_COND_OVERHEAD:
        return set_overhead(c, value, err);
    case SL_COND_CAPACITY:
        c->capacity = sl_arena_strdup(arena, value);
        return true;
    case SL_COND_DELAY:
        return parse_range(value, times, 3600e9, "delay", "20ms", &c->delay_ns, err);
    case SL_COND_JITTER:
        return parse_range(value, times, 3600e9, "jitter", "2ms", &c->jitter_ns, err);
    case SL_COND_DISTRIBUTION:
        return set_distribution(c, value, arena, err);
    case SL_COND_LOSS:
        return parse_share(value, "loss", &c->loss, err);
    case SL_COND_LOSS_BURST: {
        const char *p = value;
        if (!number(&p, &v) || *p)
            return refuse(value, "loss-burst", "3 or 2.5", err);
        if (v < 1 || v > 1e6)
            return sl_fail(err, SL_EUSAGE, "loss-burst is 1 to 1000000 packets, not '%s'", value);
        c->loss_burst = v;
        return true;
    }
    case SL_COND_LOSS_MODEL:
        return parse_model(value, c, err);
    case SL_COND_LOSS_EVERY:
        if (!parse_whole(value, "loss-every", 1, 1e15, &v, err))
            return false;
        c->loss_every = (uint64_t)v;
        return true;
    case SL_COND_LOSS_PATTERN:
        c->loss_pattern = sl_arena_strdup(arena, value);
        return true;
    case SL_COND_DUPLICATE:
        return parse_share(value, "duplicate", &c->duplicate, err);
    case SL_COND_REORDER:
        return parse_share(value, "reorder", &c->reorder, err);
    case SL_COND_CORRUPT:
        return parse_share(value, "corrupt", &c->corrupt, err);
    case SL_COND_QUEUE:
        return parse_queue(value, c, err);
    case SL_COND_AQM:
        if (!one_of(value, "aqm", aqm_names, 4, &i, err))
            return false;
        c->aqm = (enum sl_aqm)i;
        return true;
    case SL_COND_STATE:
        if (!one_of(value, "carrier", state_names, 2, &i, err))
            return false;
        c->down = i;
        return true;
    case SL_COND_MTU:
        if (!parse_whole(value, "mtu", 68, 65535, &v, err))
            return false;
        c->mtu = (uint32_t)v;
        return true;
    default:
        return true; // those without a value
    }
}

enum {
    LOSSES = 1u << SL_COND_LOSS | 1u << SL_COND_LOSS_MODEL | 1u << SL_COND_LOSS_EVERY |
             1u << SL_COND_LOSS_PATTERN
};

bool sl_conditions_set(struct sl_conditions *c, enum sl_link_condition what, const char *value,
                       struct sl_arena *arena, struct sl_error *err)
{
    const struct sl_condition_word *w = &sl_condition_table[what];
    uint32_t bit = 1u << what;
    if (w->arg && (!value || !*value))
        return sl_fail(err, SL_EUSAGE, "%s needs a value: %s", w->name, w->help);
    if (!w->arg && value && !strcmp(value, "off")) {
        c->given &= ~bit; // a flag that is taken back
        return true;
    }
    if (!w->arg && value && *value && strcmp(value, "on"))
        return sl_fail(err, SL_EUSAGE, "%s is on or off, not '%s'", w->name, value);
    if (!set_value(c, what, value, arena, err))
        return false;
    if (bit & LOSSES)
        c->given &= ~(uint32_t)LOSSES;
    if (what == SL_COND_RATE)
        c->given &= ~(1u << SL_COND_CAPACITY);
    if (what == SL_COND_CAPACITY)
        c->given &= ~(1u << SL_COND_RATE);
    c->given |= bit;
    return true;
}

#define TAKE(member) c->member = from->member
static void take(struct sl_conditions *c, const struct sl_conditions *from,
                 enum sl_link_condition what)
{
    switch (what) {
    case SL_COND_RATE:
        TAKE(rate_bps);
        break;
    case SL_COND_BURST:
        TAKE(burst_bytes);
        break;
    case SL_COND_OVERHEAD:
        TAKE(overhead);
        break;
    case SL_COND_CAPACITY:
        TAKE(capacity);
        break;
    case SL_COND_DELAY:
        TAKE(delay_ns);
        break;
    case SL_COND_JITTER:
        TAKE(jitter_ns);
        break;
    case SL_COND_DISTRIBUTION:
        TAKE(distribution), TAKE(distribution_file);
        break;
    case SL_COND_LOSS:
        TAKE(loss);
        break;
    case SL_COND_LOSS_BURST:
        TAKE(loss_burst);
        break;
    case SL_COND_LOSS_MODEL:
        memcpy(c->gemodel, from->gemodel, sizeof c->gemodel);
        break;
    case SL_COND_LOSS_EVERY:
        TAKE(loss_every);
        break;
    case SL_COND_LOSS_PATTERN:
        TAKE(loss_pattern);
        break;
    case SL_COND_DUPLICATE:
        TAKE(duplicate);
        break;
    case SL_COND_REORDER:
        TAKE(reorder);
        break;
    case SL_COND_CORRUPT:
        TAKE(corrupt);
        break;
    case SL_COND_QUEUE:
        TAKE(queue_packets), TAKE(queue_bytes);
        break;
    case SL_COND_AQM:
        TAKE(aqm);
        break;
    case SL_COND_STATE:
        TAKE(down);
        break;
    case SL_COND_MTU:
        TAKE(mtu);
        break;
    default:
        break;
    }
}

void sl_conditions_merge(struct sl_conditions *c, const struct sl_conditions *changes)
{
    for (int i = 0; i < SL_CONDITIONS; i++)
        if (GIVEN(changes, i))
            take(c, changes, (enum sl_link_condition)i);
    if (changes->given & LOSSES)
        c->given &= ~(uint32_t)LOSSES;
    if (GIVEN(changes, SL_COND_RATE))
        c->given &= ~(1u << SL_COND_CAPACITY);
    if (GIVEN(changes, SL_COND_CAPACITY))
        c->given &= ~(1u << SL_COND_RATE);
    c->given |= changes->given;
}

static struct sl_range *const *ranges_of(struct sl_conditions *c, struct sl_range *list[7])
{
    struct sl_range *all[7] = {&c->rate_bps,  &c->delay_ns, &c->jitter_ns, &c->loss,
                               &c->duplicate, &c->reorder,  &c->corrupt};
    memcpy(list, all, sizeof all);
    return list;
}

void sl_conditions_draw(struct sl_conditions *c, uint64_t seed, const char *link)
{
    struct sl_range *list[7];
    struct sl_str name = {0};
    sl_str_addf(&name, "link.range.%s", link);
    ranges_of(c, list);
    for (int i = 0; i < 7; i++) { // one stream each: a range more disturbs no other
        struct sl_rng rng = sl_rng_stream(seed, sl_str_text(&name), (uint64_t)i);
        double v = list[i]->lo + (list[i]->hi - list[i]->lo) * sl_rng_uniform(&rng);
        list[i]->lo = list[i]->hi = v;
    }
    sl_str_done(&name);
}

bool sl_conditions_check(const struct sl_conditions *c, struct sl_error *err)
{
    if (GIVEN(c, SL_COND_LOSS_BURST)) {
        if (!GIVEN(c, SL_COND_LOSS))
            return sl_fail(err, SL_EUSAGE, "loss-burst needs a loss: how often, and how long");
        // Gilbert: r = 1/b, p = rL/(1-L) must be a probability.
        double l = c->loss.hi, p = l < 1 ? l / (1 - l) / c->loss_burst : INFINITY;
        if (p > 1) {
            sl_fail(err, SL_EUSAGE,
                    "a loss of %g%% cannot come in bursts of %g packets: the share of good ones is "
                    "too small",
                    l * 100, c->loss_burst);
            if (l < 1)
                sl_hint(err, "bursts of at least %g packets", ceil(l / (1 - l)));
            return false;
        }
    }
    if (GIVEN(c, SL_COND_JITTER) && c->distribution == SL_DIST_UNIFORM &&
        c->jitter_ns.hi > c->delay_ns.lo)
        return sl_fail(
            err, SL_EUSAGE,
            "a jitter of %gms around a delay of %gms would send packets before they came",
            c->jitter_ns.hi / 1e6, c->delay_ns.lo / 1e6);
    if (GIVEN(c, SL_COND_DISTRIBUTION) && c->distribution != SL_DIST_FILE &&
        !GIVEN(c, SL_COND_JITTER))
        return sl_fail(err, SL_EUSAGE, "distribution %s needs a jitter: how far the delay varies",
                       dist_names[c->distribution]);
    if (GIVEN(c, SL_COND_JITTER_REORDERS) && !GIVEN(c, SL_COND_JITTER) &&
        c->distribution != SL_DIST_FILE)
        return sl_fail(err, SL_EUSAGE, "jitter-reorders needs a jitter");
    if (GIVEN(c, SL_COND_REORDER) && c->reorder.hi > 0 && c->delay_ns.hi <= 0)
        return sl_fail(err, SL_EUSAGE,
                       "reorder needs a delay: without one nothing can be overtaken");
    bool limited = GIVEN(c, SL_COND_RATE) || GIVEN(c, SL_COND_CAPACITY);
    static const enum sl_link_condition needs[] = {SL_COND_BURST, SL_COND_QUEUE, SL_COND_OVERHEAD};
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (GIVEN(c, needs[i]) && !limited)
            return sl_fail(err, SL_EUSAGE,
                           "%s needs a rate or a capacity: without one nothing waits",
                           sl_condition_table[needs[i]].name);
    if (c->aqm != SL_AQM_NONE && !limited)
        return sl_fail(err, SL_EUSAGE, "aqm needs a rate or a capacity: without one nothing waits");
    if (GIVEN(c, SL_COND_ECN) && c->aqm == SL_AQM_NONE)
        return sl_fail(err, SL_EUSAGE, "ecn needs an aqm: red, codel or fq-codel");
    return true;
}

static double mix(double a, double b, double share)
{
    return a + (b - a) * share;
}

void sl_conditions_between(const struct sl_conditions *a, const struct sl_conditions *b,
                           double share, struct sl_conditions *out)
{
    *out = *b;
    struct sl_conditions from = *a;
    struct sl_range *x[7], *y[7];
    ranges_of(&from, x);
    ranges_of(out, y);
    for (int i = 0; i < 7; i++) {
        if (i == 0 && (!GIVEN(a, SL_COND_RATE) || !GIVEN(b, SL_COND_RATE)))
            continue; // from or to no limit there is no way between
        y[i]->lo = mix(x[i]->lo, y[i]->lo, share);
        y[i]->hi = mix(x[i]->hi, y[i]->hi, share);
    }
}

// The largest unit in which the value is at least 1.
static void put_value(struct sl_str *s, double v, const struct unit *const *order)
{
    const struct unit *u = order[0];
    for (int i = 0; order[i]; i++)
        if (v >= order[i]->factor || !order[i + 1]) {
            u = order[i];
            break;
        }
    if (v <= 0)
        u = order[0];
    sl_str_addf(s, "%.12g%s", v / u->factor, u->name);
}

static void put_range(struct sl_str *s, struct sl_range r, const struct unit *const *order)
{
    put_value(s, r.lo, order);
    if (r.hi > r.lo) {
        sl_str_add(s, "-");
        put_value(s, r.hi, order);
    }
}

static void put_word(const struct sl_conditions *c, enum sl_link_condition what, struct sl_str *s)
{
    static const struct unit *const time[] = {&times[0], &times[1], &times[3], NULL};
    static const struct unit *const rate[] = {&rates[2], &rates[0], &rates[1], &rates[3], NULL};
    static const struct unit *const share[] = {&shares[0], NULL};
    switch (what) {
    case SL_COND_RATE:
        put_range(s, c->rate_bps, rate);
        break;
    case SL_COND_BURST:
        sl_str_addf(s, "%" PRIu64, c->burst_bytes);
        break;
    case SL_COND_OVERHEAD:
        if (c->overhead > 0)
            sl_str_addf(s, "%d", c->overhead);
        else
            sl_str_add(s, c->overhead == SL_OVERHEAD_WIRE    ? "wire"
                          : c->overhead == SL_OVERHEAD_FRAME ? "frame"
                                                             : "ip");
        break;
    case SL_COND_CAPACITY:
        sl_str_add(s, c->capacity);
        break;
    case SL_COND_DELAY:
        put_range(s, c->delay_ns, time);
        break;
    case SL_COND_JITTER:
        put_range(s, c->jitter_ns, time);
        break;
    case SL_COND_DISTRIBUTION:
        sl_str_add(s, c->distribution == SL_DIST_FILE ? c->distribution_file
                                                      : dist_names[c->distribution]);
        break;
    case SL_COND_LOSS:
        put_range(s, c->loss, share);
        break;
    case SL_COND_LOSS_BURST:
        sl_str_addf(s, "%.12g", c->loss_burst);
        break;
    case SL_COND_LOSS_MODEL:
        for (int i = 0; i < 4; i++)
            sl_str_addf(s, "%s%.12g%%", i ? "," : "", c->gemodel[i] * 100);
        break;
    case SL_COND_LOSS_EVERY:
        sl_str_addf(s, "%" PRIu64, c->loss_every);
        break;
    case SL_COND_LOSS_PATTERN:
        sl_str_add(s, c->loss_pattern);
        break;
    case SL_COND_DUPLICATE:
        put_range(s, c->duplicate, share);
        break;
    case SL_COND_REORDER:
        put_range(s, c->reorder, share);
        break;
    case SL_COND_CORRUPT:
        put_range(s, c->corrupt, share);
        break;
    case SL_COND_QUEUE:
        if (c->queue_packets)
            sl_str_addf(s, "%" PRIu64 "p", c->queue_packets);
        if (c->queue_bytes)
            sl_str_addf(s, "%s%" PRIu64 "B", c->queue_packets ? "," : "", c->queue_bytes);
        break;
    case SL_COND_AQM:
        sl_str_add(s, aqm_names[c->aqm]);
        break;
    case SL_COND_STATE:
        sl_str_add(s, state_names[c->down]);
        break;
    case SL_COND_MTU:
        sl_str_addf(s, "%u", c->mtu);
        break;
    default:
        sl_str_add(s, "on");
        break;
    }
}

void sl_conditions_text(const struct sl_conditions *c, struct sl_str *out)
{
    size_t start = out->len;
    for (int i = 0; i < SL_CONDITIONS; i++) {
        if (!GIVEN(c, i))
            continue;
        sl_str_addf(out, "%s%s", out->len > start ? " " : "", sl_condition_table[i].name);
        if (sl_condition_table[i].arg) {
            sl_str_add(out, " ");
            put_word(c, (enum sl_link_condition)i, out);
        }
    }
}

json_t *sl_conditions_json(const struct sl_conditions *c)
{
    json_t *j = json_object();
    struct sl_str s = {0};
    for (int i = 0; i < SL_CONDITIONS; i++) {
        if (!GIVEN(c, i))
            continue;
        sl_str_clear(&s);
        put_word(c, (enum sl_link_condition)i, &s);
        json_object_set_new(j, sl_condition_table[i].name, json_string(sl_str_text(&s)));
    }
    sl_str_done(&s);
    return j;
}

static bool unknown(const char *name, struct sl_error *err)
{
    const char *names[SL_CONDITIONS];
    for (int i = 0; i < SL_CONDITIONS; i++)
        names[i] = sl_condition_table[i].name;
    const char *near = sl_nearest(name, names, SL_CONDITIONS);
    sl_fail(err, SL_EUSAGE, "there is no condition '%s'", name);
    if (near)
        sl_hint(err, "did you mean '%s'?", near);
    return false;
}

bool sl_conditions_from_json(const json_t *j, struct sl_conditions *c, struct sl_arena *arena,
                             struct sl_error *err)
{
    struct sl_conditions made = *c;
    const char *name;
    json_t *v;
    if (!json_is_object(j))
        return sl_fail(err, SL_EUSAGE, "conditions are an object of names and values");
    json_object_foreach((json_t *)j, name, v)
    {
        int what = sl_condition_named(name);
        if (what < 0)
            return unknown(name, err);
        if (!json_is_string(v))
            return sl_fail(err, SL_EUSAGE, "the value of '%s' is text, like \"20ms\"", name);
        if (!sl_conditions_set(&made, (enum sl_link_condition)what, json_string_value(v), arena,
                               err))
            return false;
    }
    *c = made;
    return true;
}

int32_t sl_conditions_overhead(const struct sl_conditions *c)
{
    if (GIVEN(c, SL_COND_OVERHEAD))
        return c->overhead;
    return GIVEN(c, SL_COND_CAPACITY) ? 0 : SL_OVERHEAD_WIRE;
}

uint64_t sl_conditions_queue_bytes(const struct sl_conditions *c)
{
    if (GIVEN(c, SL_COND_QUEUE))
        return c->queue_bytes;
    if (!GIVEN(c, SL_COND_RATE))
        return 0;
    double round_trip_s = 2 * c->delay_ns.hi / 1e9, least = 64.0 * 1538;
    double bytes = c->rate_bps.hi / 8 * (round_trip_s > 0.1 ? round_trip_s : 0.1);
    return (uint64_t)(bytes > least ? bytes : least);
}

double sl_conditions_memory_bytes(const struct sl_conditions *c)
{
    double rate = GIVEN(c, SL_COND_RATE) ? c->rate_bps.hi : 10e9;
    double queue = (double)sl_conditions_queue_bytes(c);
    if (GIVEN(c, SL_COND_QUEUE) && !c->queue_bytes)
        queue = (double)c->queue_packets * 1538;
    return rate / 8 * (c->delay_ns.hi + c->jitter_ns.hi) / 1e9 + queue;
}

bool sl_conditions_parse(struct sl_conditions *c, const char *words, struct sl_arena *arena,
                         struct sl_error *err)
{
    char *copy = sl_strdup(words), *next = copy;
    struct sl_conditions made = *c;
    bool ok = true;
    for (char *word; ok && (word = strsep(&next, " \t,"));) {
        if (!*word)
            continue;
        int what = sl_condition_named(word);
        if (what < 0) {
            ok = unknown(word, err);
            break;
        }
        const char *value = NULL;
        if (sl_condition_table[what].arg)
            while ((value = strsep(&next, " \t")) && !*value)
                ;
        ok = sl_conditions_set(&made, (enum sl_link_condition)what, value, arena, err);
    }
    free(copy);
    if (ok)
        *c = made;
    return ok;
}
