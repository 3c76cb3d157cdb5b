// SPDX-License-Identifier: Apache-2.0
/*
 * Demands meet only in the machine's budget, so each is solved on its own within what the others
 * leave:
 *
 * 1. Greedy, demand after demand: add the instance that lowers the cost most, until none does. A
 * scan looks at every column; a lower bound (containers, and the rate that can be missed at the
 * least) skips nearly all of them. Each scan also keeps its best few dozen columns: the pool.
 * 2. Local search on the pool: take away one or two instances, fill up again; start also from other
 *    first choices than the greedy one. Then once more with full scans in the place of the pool.
 * Last, kicks: exchange a few instances at random, search again, keep what is better.
 * 3. When the budget was in the way, prices for CPU and memory are raised until the sum fits (each
 *    demand then economises by its own worth), and what is left over is given out once more.
 *
 * The result is compared with greedy's and the better one is kept.
 */
#include "plan/choose.h"
#include "base/rng.h"
#include <math.h>
#include <string.h>

enum { POOL_PER_SCAN = 48, POOL_MAX = 1024, STARTS = 4, ROUNDS = 40, KICKS = 24 };
static const double PIN_BONUS = 1000, TIE_WEIGHT = 1e-7, LESS = 1e-9, HEADROOM = 0.85;

struct prices {
    double cpu, mem;
};
struct sums {                        // of some picks, in the demand's counting where it says so
    double self_max, driven_max;     // counted
    double self_off, driven_off;     // both directions, at full rate
    double self_flows, driven_flows; // without by_users
    double user_flows;               // Σ users at the peak of by_users instances
    double cpu_idle, cpu_slope, mem;
    int containers, instances, user_instances;
};
struct project {
    uint32_t record;
    bool pinned;
    double self_max, driven_max; // counted
};
struct projects { // rates by project, for diversity
    struct project at[SL_PICKS_MAX + 1];
    size_t n;
};
struct state {
    struct sums sums;
    struct projects projects;
};

double sl_count_share(enum sl_count count, double up_share)
{
    return count == SL_COUNT_UP ? up_share : count == SL_COUNT_DOWN ? 1 - up_share : 1;
}

int sl_users_needed(const struct sl_column *c, double drive)
{
    int users = (int)ceil(c->users * drive - 1e-9);
    return users > 1 ? users : 1;
}

static void add_sums(struct sums *s, const struct sl_demand *d, const struct sl_column *c, int n)
{
    double counted = n * c->max_bps * sl_count_share(d->count, c->up_share);
    if (c->driven) {
        s->driven_max += counted;
        s->driven_off += n * c->max_bps * c->off_ratio;
    } else {
        s->self_max += counted;
        s->self_off += n * c->max_bps * c->off_ratio;
    }
    if (c->by_users)
        s->user_instances += n;
    else if (c->driven)
        s->driven_flows += n * c->flows;
    else
        s->self_flows += n * c->flows;
    s->cpu_idle += n * c->cpu_idle;
    s->cpu_slope += n * (c->cpu_at_max - c->cpu_idle);
    s->mem += n * c->mem_bytes;
    s->containers += n * c->containers;
    s->instances += n;
}

static size_t find_project(const struct projects *p, uint32_t record)
{
    size_t i = 0;
    while (i < p->n && p->at[i].record != record)
        i++;
    return i;
}

static void add_project(struct projects *p, const struct sl_demand *d, const struct sl_column *c,
                        int n)
{
    size_t i = find_project(p, c->record);
    if (i == p->n) {
        memset(&p->at[p->n++], 0, sizeof p->at[0]);
        p->at[i].record = c->record;
        p->at[i].pinned = c->pinned;
    }
    double counted = n * c->max_bps * sl_count_share(d->count, c->up_share);
    if (c->driven)
        p->at[i].driven_max += counted;
    else
        p->at[i].self_max += counted;
}

static void sum_up(struct state *st, const struct sl_demand *d, const struct sl_pick *picks,
                   size_t n)
{
    st->sums = (struct sums){0};
    st->projects.n = 0;
    for (size_t i = 0; i < n; i++) {
        const struct sl_column *c = &d->columns->at[picks[i].column];
        add_sums(&st->sums, d, c, picks[i].count);
        add_project(&st->projects, d, c, picks[i].count);
    }
}

static int64_t users_at(const struct sl_demand *d, const struct sl_pick *picks, size_t n,
                        const struct sl_column *extra, double drive)
{
    int64_t users = extra && extra->by_users ? sl_users_needed(extra, drive) : 0;
    for (size_t i = 0; i < n; i++) {
        const struct sl_column *c = &d->columns->at[picks[i].column];
        if (c->by_users)
            users += (int64_t)picks[i].count * sl_users_needed(c, drive);
    }
    return users;
}

// The common share of driven peaks that makes the rate, then less when flows or CPU ask for less.
static void set_rates(struct sl_value *v, const struct sums *s, const struct sl_demand *d,
                      const struct sl_pick *picks, size_t n, const struct sl_column *extra,
                      double cpu_limit)
{
    v->shape = 1;
    v->drive = 0;
    double least = SL_PLAN_MIN_DRIVEN * s->driven_max;
    if (s->driven_max > 0) {
        v->drive = (d->bps - s->self_max) / s->driven_max;
        v->drive = v->drive < SL_PLAN_MIN_DRIVEN ? SL_PLAN_MIN_DRIVEN : v->drive > 1 ? 1 : v->drive;
    }
    if (s->self_max > 0 && s->self_max + least > d->bps) {
        v->shape = (d->bps - least) / s->self_max;
        v->shape = v->shape < SL_PLAN_MIN_SELF ? SL_PLAN_MIN_SELF : v->shape;
    }
    if (s->user_instances && d->flows_max < INT64_MAX) {
        double most = (double)d->flows_max + 1e-9;
        double low = SL_PLAN_MIN_DRIVEN, high = v->drive;
#define FLOWS(x) (s->self_flows + (x)*s->driven_flows + (double)users_at(d, picks, n, extra, x))
        if (FLOWS(high) > most && FLOWS(low) <= most) {
            for (int i = 0; i < 40; i++) {
                double mid = (low + high) / 2;
                if (FLOWS(mid) <= most)
                    low = mid;
                else
                    high = mid;
            }
            v->drive = low;
        }
#undef FLOWS
    }
    if (s->cpu_idle + v->drive * s->cpu_slope > cpu_limit) {
        v->limited = true;
        double drive = s->cpu_slope > 0 ? (cpu_limit - s->cpu_idle) / s->cpu_slope : 0;
        if (drive < SL_PLAN_MIN_DRIVEN || s->driven_max <= 0)
            v->feasible = false;
        else if (drive < v->drive)
            v->drive = drive;
    }
}

static double miss_flows(struct sl_value *v, const struct sums *s, const struct sl_demand *d,
                         const struct sl_pick *picks, size_t n, const struct sl_column *extra)
{
    double other = s->self_flows + v->drive * s->driven_flows;
    v->flows = other;
    if (s->user_instances) {
        v->users = users_at(d, picks, n, extra, v->drive);
        double lacking = ceil((double)d->flows_min - other - 1e-9);
        double most = (double)SL_USERS_MAX * s->user_instances;
        if (lacking > (double)v->users)
            v->users = (int64_t)(lacking < most ? lacking : most);
        v->flows += (double)v->users;
    }
    double lower = (double)d->flows_min - v->flows, upper = 0;
    if (d->flows_max < INT64_MAX)
        upper = v->flows - (double)d->flows_max;
    v->flows_ok = lower <= 1e-9 && upper <= 1e-9;
    if (v->flows_ok)
        return 0;
    return lower > upper ? lower / (double)d->flows_min : upper / (double)d->flows_max;
}

// The largest share of the rate one project carries, and how many pinned ones there are.
static double largest_share(const struct projects *p, const struct sl_value *v, int *pinned)
{
    double largest = 0, all = 0;
    *pinned = 0;
    for (size_t i = 0; i < p->n; i++) {
        double r = v->shape * p->at[i].self_max + v->drive * p->at[i].driven_max;
        largest = r > largest ? r : largest;
        all += r;
        *pinned += p->at[i].pinned;
    }
    return all > 0 ? largest / all : 1;
}

// picks are those in *st already, except *extra, which may be NULL.
static struct sl_value evaluate(const struct state *st, const struct sl_demand *d,
                                const struct sl_pick *picks, size_t n,
                                const struct sl_column *extra, const struct sl_limits *limits,
                                struct prices price)
{
    const struct sums *s = &st->sums;
    struct sl_value v = {.feasible = true, .containers = s->containers, .instances = s->instances};
    set_rates(&v, s, d, picks, n, extra, limits->cpu);
    v.cpu = s->cpu_idle + v.drive * s->cpu_slope;
    v.mem_bytes = s->mem;
    if (s->mem > limits->mem_bytes) {
        v.feasible = false;
        v.limited = true;
    }
    double driven = v.drive * s->driven_max, self = v.shape * s->self_max;
    v.bps = driven + self;
    v.off_bps = v.shape * s->self_off + v.drive * s->driven_off;
    int pinned;
    double B = d->bps, hot = v.drive > HEADROOM ? (v.drive - HEADROOM) * s->driven_max : 0;
    v.objective = 100 * fabs(v.bps - B) / B + 100 * miss_flows(&v, s, d, picks, n, extra) +
                  0.2 * s->containers + 3 * (s->self_max - self) / B + 20 * v.off_bps / B +
                  20 * hot / B + 0.5 * largest_share(&st->projects, &v, &pinned);
    v.cost = v.objective - PIN_BONUS * pinned + price.cpu * v.cpu + price.mem * v.mem_bytes;
    return v;
}

struct sl_value sl_choose_value(const struct sl_demand *d, const struct sl_pick *picks, size_t n,
                                const struct sl_limits *limits)
{
    struct state st;
    sum_up(&st, d, picks, n);
    return evaluate(&st, d, picks, n, NULL, limits, (struct prices){0});
}

// --- scanning columns ----------------------------------------------------------------------------

// The best columns of scans, each once.
struct pool {
    uint32_t at[POOL_MAX];
    size_t n;
};
struct search {
    const struct sl_demand *d;
    struct sl_limits limits;
    struct prices price;
    struct pool pool;
    bool limited; // the budget refused or reduced something that looked good
};
struct ranked {
    double key;
    uint32_t column;
};
struct best {
    struct ranked heap[POOL_PER_SCAN]; // largest key on top
    size_t n, keep;
    struct ranked first; // smallest key
};

static void offer(struct best *b, struct ranked r)
{
    if (r.key < b->first.key)
        b->first = r;
    size_t i;
    if (b->n < b->keep) {
        i = b->n++;
        for (; i > 0 && b->heap[(i - 1) / 2].key < r.key; i = (i - 1) / 2)
            b->heap[i] = b->heap[(i - 1) / 2];
    } else {
        if (r.key >= b->heap[0].key)
            return;
        i = 0;
        for (size_t c; (c = 2 * i + 1) < b->n; i = c) {
            if (c + 1 < b->n && b->heap[c + 1].key > b->heap[c].key)
                c++;
            if (b->heap[c].key <= r.key)
                break;
            b->heap[i] = b->heap[c];
        }
    }
    b->heap[i] = r;
}

static double worst_kept(const struct best *b)
{
    return b->n < b->keep ? INFINITY : b->heap[0].key;
}

// No set with this column added can cost less: rate that is missed for certain, and containers.
static double lower_bound(const struct sums *s, const struct sl_demand *d,
                          const struct sl_column *c)
{
    double counted = c->max_bps * sl_count_share(d->count, c->up_share);
    double self = s->self_max, driven = s->driven_max;
    if (c->driven)
        driven += counted;
    else
        self += counted;
    double most = self + driven, least = SL_PLAN_MIN_SELF * self + SL_PLAN_MIN_DRIVEN * driven;
    double missed = most < d->bps ? d->bps - most : least > d->bps ? least - d->bps : 0;
    return 100 * missed / d->bps + 0.2 * (s->containers + c->containers);
}

// The state is as before afterwards.
static void try_column(struct search *se, struct state *st, const struct sl_chosen *ch, uint32_t j,
                       int pinned, struct best *best)
{
    const struct sl_column *c = &se->d->columns->at[j];
    if (!c->pinned && lower_bound(&st->sums, se->d, c) - PIN_BONUS * pinned >= worst_kept(best))
        return;
    struct sums sums = st->sums;
    size_t k = find_project(&st->projects, c->record), n = st->projects.n;
    struct project was = st->projects.at[k];
    add_sums(&st->sums, se->d, c, 1);
    add_project(&st->projects, se->d, c, 1);
    struct sl_value v = evaluate(st, se->d, ch->picks, ch->n, c, &se->limits, se->price);
    se->limited |= v.limited;
    if (v.feasible)
        offer(best, (struct ranked){v.cost + TIE_WEIGHT * c->tie, j});
    st->sums = sums;
    st->projects.n = n;
    st->projects.at[k] = was;
}

static void keep_in_pool(struct pool *pool, const struct best *best)
{
    for (size_t i = 0; i < best->n && pool->n < POOL_MAX; i++) {
        size_t k = 0;
        while (k < pool->n && pool->at[k] != best->heap[i].column)
            k++;
        if (k == pool->n)
            pool->at[pool->n++] = best->heap[i].column;
    }
}

static void revalue(const struct search *se, struct sl_chosen *ch)
{
    struct state st;
    sum_up(&st, se->d, ch->picks, ch->n);
    ch->value = evaluate(&st, se->d, ch->picks, ch->n, NULL, &se->limits, se->price);
}

enum where { IN_POOL, IN_ALL };
static const uint32_t NOBODY = UINT32_MAX;

// The column to add next, or NOBODY when none lowers the cost. barred: two that may not come back.
static uint32_t best_addition(struct search *se, const struct sl_chosen *ch, enum where where,
                              const uint32_t barred[2], struct best *best)
{
    struct state st;
    sum_up(&st, se->d, ch->picks, ch->n);
    memset(&st.projects.at[st.projects.n], 0, sizeof st.projects.at[0]);
    int pinned = 0;
    for (size_t i = 0; i < st.projects.n; i++)
        pinned += st.projects.at[i].pinned;
    best->n = 0;
    best->keep = where == IN_ALL ? POOL_PER_SCAN : 1;
    best->first = (struct ranked){INFINITY, NOBODY};
    size_t n = where == IN_ALL ? se->d->columns->len : se->pool.n;
    for (size_t i = 0; i < n; i++) {
        uint32_t j = where == IN_ALL ? (uint32_t)i : se->pool.at[i];
        if (!barred || (j != barred[0] && j != barred[1]))
            try_column(se, &st, ch, j, pinned, best);
    }
    if (where == IN_ALL)
        keep_in_pool(&se->pool, best);
    return best->first.key < ch->value.cost - LESS ? best->first.column : NOBODY;
}

static void add_pick(const struct search *se, struct sl_chosen *ch, uint32_t column)
{
    size_t i = 0;
    while (i < ch->n && ch->picks[i].column != column)
        i++;
    if (i == ch->n)
        ch->picks[ch->n++] = (struct sl_pick){column, 0};
    ch->picks[i].count++;
    revalue(se, ch);
}

static void remove_pick(struct sl_chosen *ch, size_t i)
{
    if (--ch->picks[i].count == 0)
        ch->picks[i] = ch->picks[--ch->n];
}

// Adds while it helps.
static void grow(struct search *se, struct sl_chosen *ch, enum where where,
                 const uint32_t barred[2])
{
    struct best best;
    while (ch->value.instances < se->limits.instances) {
        uint32_t j = best_addition(se, ch, where, barred, &best);
        if (j == NOBODY)
            return;
        add_pick(se, ch, j);
        barred = NULL; // for the first addition only
    }
}

// --- local search --------------------------------------------------------------------------------

static size_t find_pick(const struct sl_chosen *ch, uint32_t column)
{
    size_t i = 0;
    while (i < ch->n && ch->picks[i].column != column)
        i++;
    return i;
}

// Takes away one instance of column a, and one of b unless it is NOBODY; fills up; keeps it if
// better.
static bool exchange(struct search *se, struct sl_chosen *ch, uint32_t a, uint32_t b,
                     enum where where)
{
    struct sl_chosen other = *ch;
    remove_pick(&other, find_pick(&other, a));
    if (b != NOBODY)
        remove_pick(&other, find_pick(&other, b));
    revalue(se, &other);
    grow(se, &other, where, (const uint32_t[2]){a, b});
    if (!other.value.feasible || other.value.cost >= ch->value.cost - LESS)
        return false;
    *ch = other;
    return true;
}

static bool exchange_any(struct search *se, struct sl_chosen *ch, enum where where)
{
    struct sl_chosen from = *ch;
    for (size_t i = 0; i < from.n; i++)
        if (exchange(se, ch, from.picks[i].column, NOBODY, where))
            return true;
    if (where == IN_ALL)
        return false;
    for (size_t i = 0; i < from.n; i++)
        for (size_t k = i; k < from.n; k++)
            if ((i != k || from.picks[i].count > 1) &&
                exchange(se, ch, from.picks[i].column, from.picks[k].column, where))
                return true;
    return false;
}

static void improve(struct search *se, struct sl_chosen *ch)
{
    for (int full = 0; full < 3; full++) {
        for (int i = 0; i < ROUNDS && exchange_any(se, ch, IN_POOL); i++)
            ;
        if (full == 2 || !exchange_any(se, ch, IN_ALL))
            return;
    }
}

// Other beginnings than greedy's: the pool's first columns are the best single ones.
static void improve_from_others(struct search *se, struct sl_chosen *ch)
{
    struct sl_chosen best = *ch;
    for (size_t k = 0; k < STARTS && k < se->pool.n; k++) {
        struct sl_chosen other = {.n = 0};
        add_pick(se, &other, se->pool.at[k]);
        if (!other.value.feasible)
            continue;
        grow(se, &other, IN_POOL, NULL);
        for (int i = 0; i < ROUNDS && exchange_any(se, &other, IN_POOL); i++)
            ;
        if (other.value.cost < best.value.cost - LESS)
            best = other;
    }
    *ch = best;
}

// Random exchanges, each followed by local search: a way out of a local optimum.
static void kick(struct search *se, struct sl_chosen *ch, uint64_t demand)
{
    struct sl_rng rng = sl_rng_stream(se->limits.seed, "plan.kick", demand);
    for (int k = 0; k < KICKS && se->pool.n > 0; k++) {
        struct sl_chosen other = *ch;
        for (uint64_t i = 1 + sl_rng_below(&rng, 3); i > 0 && other.n > 0; i--)
            remove_pick(&other, sl_rng_below(&rng, other.n));
        revalue(se, &other);
        for (uint64_t i = 1 + sl_rng_below(&rng, 2); i > 0; i--)
            if (other.value.instances < se->limits.instances)
                add_pick(se, &other, se->pool.at[sl_rng_below(&rng, se->pool.n)]);
        if (!other.value.feasible)
            continue;
        grow(se, &other, IN_POOL, NULL);
        for (int i = 0; i < ROUNDS && exchange_any(se, &other, IN_POOL); i++)
            ;
        if (other.value.cost < ch->value.cost - LESS)
            *ch = other;
    }
}

// --- all demands ---------------------------------------------------------------------------------

static double total_objective(const struct sl_chosen *ch, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ch[i].value.objective;
    return sum;
}

static double total_cost(const struct sl_chosen *ch, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ch[i].value.cost;
    return sum;
}

// What is left of the budget for demand k when the others stay as they are.
static struct sl_limits left_for(const struct sl_limits *all, const struct sl_chosen *ch, size_t n,
                                 size_t k)
{
    struct sl_limits l = *all;
    for (size_t i = 0; i < n; i++) {
        if (i == k)
            continue;
        l.cpu -= ch[i].value.cpu;
        l.mem_bytes -= ch[i].value.mem_bytes;
    }
    return l;
}

static bool fits(const struct sl_limits *all, const struct sl_chosen *ch, size_t n)
{
    struct sl_limits l = left_for(all, ch, n, n);
    return l.cpu >= 0 && l.mem_bytes >= 0;
}

static bool budget_hurts(const struct search *se, const struct sl_chosen *ch, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct sl_value *v = &ch[i].value;
        if (se[i].limited && (fabs(v->bps - se[i].d->bps) > 1e-3 * se[i].d->bps || !v->flows_ok))
            return true;
    }
    return false;
}

static void solve_at(struct search *se, size_t n, const struct sl_limits *limits, double level,
                     struct sl_chosen *out)
{
    for (size_t i = 0; i < n; i++) {
        se[i].limits = *limits;
        se[i].price =
            (struct prices){isfinite(limits->cpu) ? level / (limits->cpu + 1e-9) : 0,
                            isfinite(limits->mem_bytes) ? level / (limits->mem_bytes + 1) : 0};
        se[i].pool.n = 0;
        out[i] = (struct sl_chosen){.n = 0};
        revalue(&se[i], &out[i]);
        grow(&se[i], &out[i], IN_ALL, NULL);
        for (int r = 0; r < ROUNDS && exchange_any(&se[i], &out[i], IN_POOL); r++)
            ;
    }
}

static void without_prices(struct search *se, struct sl_chosen *ch, size_t n,
                           const struct sl_limits *limits)
{
    for (size_t i = 0; i < n; i++) {
        se[i].price = (struct prices){0};
        se[i].limits = left_for(limits, ch, n, i);
        revalue(&se[i], &ch[i]);
    }
}

static void use_what_is_left(struct search *se, struct sl_chosen *ch, size_t n,
                             const struct sl_limits *limits)
{
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            se[i].limits = left_for(limits, ch, n, i);
            revalue(&se[i], &ch[i]);
            grow(&se[i], &ch[i], IN_ALL, NULL);
            improve(&se[i], &ch[i]);
            kick(&se[i], &ch[i], i);
        }
    }
}

// Raises the price of the budget until everything fits, then lowers it as far as it still does.
static void economise(struct search *se, size_t n, const struct sl_limits *limits,
                      struct sl_chosen *ch)
{
    struct sl_chosen *try = sl_alloc(n * sizeof *try), *best = sl_alloc(n * sizeof *best);
    double low = 0, high = 0;
    for (double level = 4; level < 1e9; level *= 8) {
        solve_at(se, n, limits, level, best);
        high = level;
        if (fits(limits, best, n))
            break;
        low = level;
    }
    bool found = fits(limits, best, n);
    for (int i = 0; found && i < 5; i++) {
        double mid = low > 0 ? sqrt(low * high) : high / 4;
        solve_at(se, n, limits, mid, try);
        if (fits(limits, try, n)) {
            memcpy(best, try, n * sizeof *best);
            high = mid;
        } else {
            low = mid;
        }
    }
    without_prices(se, best, n, limits);
    if (found) {
        use_what_is_left(se, best, n, limits);
        if (total_cost(best, n) < total_cost(ch, n) - LESS)
            memcpy(ch, best, n * sizeof *best);
    }
    free(try);
    free(best);
}

void sl_choose(const struct sl_demand *demands, size_t n, const struct sl_limits *limits,
               struct sl_chosen *out, double *greedy_objective)
{
    struct search *se = sl_alloc(n * sizeof *se);
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct sl_chosen){.n = 0};
        se[i].d = &demands[i];
    }
    for (size_t i = 0; i < n; i++) {
        se[i].limits = left_for(limits, out, i, i);
        revalue(&se[i], &out[i]);
        grow(&se[i], &out[i], IN_ALL, NULL);
    }
    *greedy_objective = total_objective(out, n);
    for (size_t i = 0; i < n; i++) {
        se[i].limits = left_for(limits, out, n, i);
        improve_from_others(&se[i], &out[i]);
        improve(&se[i], &out[i]);
        kick(&se[i], &out[i], i);
    }
    if (budget_hurts(se, out, n))
        economise(se, n, limits, out);
    free(se);
}
