// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"
#include "plan/choose.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_INSTANCES = 8 };
static const double DEFAULT_TOLERANCE = 0.02;

// --- names given with --pin and --ban ------------------------------------------------------------

static bool named(const struct sl_record *r, const char *name)
{
    return (r->name && !strcmp(r->name, name)) || (r->repo && !strcmp(r->repo, name));
}

static bool in_list(const struct sl_record *r, const char *const *list)
{
    for (; list && *list; list++)
        if (named(r, *list))
            return true;
    return false;
}

static bool check_list(const char *const *list, const char *option,
                       struct sl_record *const *records, size_t n, struct sl_error *err)
{
    for (; list && *list; list++) {
        const char *near = NULL;
        int distance = 4;
        bool known = false;
        for (size_t i = 0; i < n && !known; i++) {
            known = named(records[i], *list);
            int d = records[i]->name ? sl_edit_distance(*list, records[i]->name) : 64;
            if (d < distance) {
                distance = d;
                near = records[i]->name;
            }
        }
        if (known)
            continue;
        sl_fail(err, SL_EUSAGE, "--%s: no project '%s' in the catalogue", option, *list);
        if (near)
            sl_hint(err, "did you mean '%s'?", near);
        else
            sl_hint(err, "'sluice catalog list' shows the projects");
        return false;
    }
    return true;
}

// --- columns -------------------------------------------------------------------------------------

struct shared { // columns of all statements with one key
    struct sl_key key;
    struct sl_columns columns;
};
struct catalog {
    SL_VEC(struct shared) shared;
    size_t *of; // [statements] -> shared
};

static void collect(struct catalog *c, const struct sl_spec *spec, struct sl_record *const *records,
                    size_t n, const struct sl_plan_options *opt)
{
    c->of = sl_alloc(spec->n_statements * sizeof *c->of);
    for (size_t i = 0; i < spec->n_statements; i++) {
        struct sl_key key = sl_key_of(&spec->statements[i]);
        size_t k = 0;
        while (k < c->shared.len && !sl_key_equal(c->shared.at[k].key, key))
            k++;
        if (k == c->shared.len)
            SL_PUSH(&c->shared)->key = key;
        c->of[i] = k;
    }
    for (uint32_t r = 0; r < n; r++) {
        if (records[r]->reason != SL_REASON_OK || in_list(records[r], opt->ban))
            continue;
        bool pinned = in_list(records[r], opt->pin);
        for (size_t k = 0; k < c->shared.len; k++) {
            struct sl_columns *to = &c->shared.at[k].columns;
            size_t before = to->len;
            sl_columns_add(to, records[r], r, c->shared.at[k].key, opt->seed);
            for (; before < to->len; before++)
                to->at[before].pinned = pinned;
        }
    }
}

static void collect_done(struct catalog *c)
{
    for (size_t i = 0; i < c->shared.len; i++)
        SL_VEC_DONE(&c->shared.at[i].columns);
    SL_VEC_DONE(&c->shared);
    free(c->of);
}

// --- what is said about a statement that is not met ----------------------------------------------

// "it has cache, web": classes (or ports) of the usable records, in order of their names.
static const char *what_there_is(struct sl_arena *arena, struct sl_record *const *records, size_t n,
                                 bool ports)
{
    enum { SHOWN = 24 };
    char seen[SHOWN][32];
    size_t found = 0;
    for (size_t r = 0; r < n; r++) {
        for (size_t p = 0; records[r]->reason == SL_REASON_OK && p < records[r]->n_phases; p++) {
            for (size_t e = 0; e < records[r]->phases[p].n_edges; e++) {
                const struct sl_edge *edge = &records[r]->phases[p].edges[e];
                char name[32];
                if (ports)
                    snprintf(name, sizeof name, "%u", edge->dport);
                else
                    snprintf(name, sizeof name, "%s", edge->cls ? edge->cls : "unknown");
                size_t k = 0;
                while (k < found && strcmp(seen[k], name) != 0)
                    k++;
                if (k < found || found == SHOWN)
                    continue;
                for (k = found++; k > 0 && (ports ? atoi(seen[k - 1]) > atoi(name)
                                                  : strcmp(seen[k - 1], name) > 0);
                     k--)
                    memcpy(seen[k], seen[k - 1], sizeof seen[k]);
                memcpy(seen[k], name, sizeof name);
            }
        }
    }
    if (!found)
        return "";
    struct sl_str text = {.max = 1024};
    sl_str_add(&text, ports ? "; it has ports " : "; it has ");
    for (size_t k = 0; k < found; k++)
        sl_str_addf(&text, "%s%s", k ? ", " : "", seen[k]);
    const char *kept = sl_arena_strdup(arena, sl_str_text(&text));
    sl_str_done(&text);
    return kept;
}

static const char *no_column(struct sl_arena *arena, const struct sl_statement *s,
                             struct sl_record *const *records, size_t n)
{
    if (n == 0)
        return "the catalogue is empty: observe some projects first";
    bool port = s->match == SL_MATCH_PORT;
    return sl_arena_format(arena, "the catalogue has no %s%s traffic%s", port ? "port " : "",
                           port               ? s->type_text
                           : sl_key_of(s).cls ? sl_key_of(s).cls
                                              : s->type_text,
                           what_there_is(arena, records, n, port));
}

static const char *why_rate(struct sl_arena *arena, const struct sl_plan *p,
                            const struct sl_demand *d, const struct sl_value *v,
                            const struct sl_limits *limits, bool budget)
{
    char have[32], want[32], least[32], most[32];
    sl_format_rate(v->bps, have, sizeof have);
    sl_format_rate(d->bps, want, sizeof want);
    bool below = v->bps < d->bps;
    if (below && budget)
        return sl_arena_format(
            arena, "budget: %s of %s fit into %.1f CPU and %.1f GiB together with the rest", have,
            want, p->budget_cpu, p->budget_mem / 0x1p30);
    if (below && v->instances >= limits->instances)
        return sl_arena_format(arena, "%d instances, the most allowed, make %s of %s", v->instances,
                               have, want);
    if (below && v->instances > 0 && v->flows + 1 > (double)d->flows_max)
        return sl_arena_format(arena, "%s is what at most %" PRId64 " flows carry", have,
                               d->flows_max);
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < d->columns->len; i++) {
        const struct sl_column *c = &d->columns->at[i];
        double bps = c->max_bps * sl_count_share(d->count, c->up_share);
        low = fmin(low, bps * (c->driven ? SL_PLAN_MIN_DRIVEN : SL_PLAN_MIN_SELF));
        high = fmax(high, bps);
    }
    return sl_arena_format(
        arena, "single sources make %s to %s; no sensible choice comes nearer to %s than %s",
        sl_format_rate(low, least, sizeof least), sl_format_rate(high, most, sizeof most), want,
        have);
}

static const char *why_short(struct sl_arena *arena, const struct sl_plan *p,
                             const struct sl_demand *d, const struct sl_value *v,
                             const struct sl_limits *limits, double tolerance, bool budget)
{
    if (fabs(v->bps - d->bps) > tolerance * d->bps)
        return why_rate(arena, p, d, v, limits, budget);
    if (v->flows_ok)
        return "";
    if (v->flows < (double)d->flows_min)
        return sl_arena_format(arena, "%.1f flows of at least %" PRId64 "%s", v->flows,
                               d->flows_min, budget ? " within the budget" : "");
    return sl_arena_format(arena, "%.1f flows, more than %" PRId64, v->flows, d->flows_max);
}

// --- from choice to plan -------------------------------------------------------------------------

static int add_option(struct sl_plan *p, struct sl_option o)
{
    for (size_t i = 0; i < p->n_options; i++) {
        const struct sl_option *old = &p->options[i];
        if (old->record == o.record && old->phase == o.phase && old->edge == o.edge &&
            old->off_class_ratio == o.off_class_ratio)
            return (int)i;
    }
    p->options[p->n_options] = o;
    return (int)p->n_options++;
}

// Instances of one pick; two parts when their users cannot be equal.
static void add_parts(struct sl_plan_statement *st, int option, const struct sl_pick *pick,
                      double bps, int users, int64_t extra)
{
    int more = (int)(extra % pick->count), less = pick->count - more;
    int all = (int)(extra / pick->count);
    for (int i = 0; i < 2; i++) {
        int count = i ? more : less;
        if (count)
            st->parts[st->n_parts++] = (struct sl_plan_part){.option = option,
                                                             .count = count,
                                                             .bps = bps * count,
                                                             .users = users ? users + all + i : 0};
    }
}

static void fill_statement(struct sl_plan *p, struct sl_plan_statement *st,
                           const struct sl_demand *d, const struct sl_chosen *ch,
                           struct sl_record *const *records)
{
    const struct sl_value *v = &ch->value;
    st->parts = sl_arena_alloc(&p->arena, (2 * ch->n + 1) * sizeof *st->parts);
    // Users beyond what the rate needs are there for the lower flow bound: spread evenly.
    int64_t need = 0, instances = 0;
    for (size_t i = 0; i < ch->n; i++) {
        const struct sl_column *c = &d->columns->at[ch->picks[i].column];
        if (c->by_users) {
            need += (int64_t)ch->picks[i].count * sl_users_needed(c, v->drive);
            instances += ch->picks[i].count;
        }
    }
    int64_t extra = v->users - need;
    for (size_t i = 0; i < ch->n; i++) {
        const struct sl_pick *pick = &ch->picks[i];
        const struct sl_column *c = &d->columns->at[pick->column];
        int64_t mine = 0;
        if (c->by_users) {
            mine = extra * pick->count / instances;
            extra -= mine;
            instances -= pick->count;
        }
        double bps =
            (c->driven ? v->drive : v->shape) * c->max_bps * sl_count_share(d->count, c->up_share);
        add_parts(st, add_option(p, sl_option_make(&p->arena, records[c->record], c)), pick, bps,
                  c->driven ? sl_users_needed(c, v->drive) : 0, mine);
    }
    st->planned_bps = v->bps;
    st->deviation = fabs(v->bps - st->asked_bps) / st->asked_bps;
    st->flows = v->flows;
    st->flows_ok = v->flows_ok;
    st->off_class_bps = v->off_bps;
    p->instances += v->instances;
    p->containers += v->containers;
    p->cpu += v->cpu;
    p->mem_bytes += v->mem_bytes;
    p->objective += v->objective;
}

static int count_projects(const struct sl_plan *p)
{
    int n = 0;
    for (size_t i = 0; i < p->n_options; i++) {
        size_t k = 0;
        while (p->options[k].record != p->options[i].record)
            k++;
        n += k == i;
    }
    return n;
}

// Would the statement, alone and without a budget, come nearer to what it asks?
static bool budget_is_why(const struct sl_demand *d, const struct sl_value *v,
                          const struct sl_limits *limits, double tolerance)
{
    double missed = fabs(v->bps - d->bps);
    if ((missed <= tolerance * d->bps && v->flows_ok) ||
        (!isfinite(limits->cpu) && !isfinite(limits->mem_bytes)))
        return false;
    struct sl_limits none = {INFINITY, INFINITY, limits->instances, limits->seed};
    struct sl_chosen alone;
    double greedy;
    sl_choose(d, 1, &none, &alone, &greedy);
    return fabs(alone.value.bps - d->bps) < missed - 1e-3 * d->bps ||
           (alone.value.flows_ok && !v->flows_ok);
}

struct sl_plan *sl_plan_make(const struct sl_spec *spec, struct sl_record *const *records,
                             size_t n_records, const struct sl_plan_options *opt,
                             struct sl_error *err)
{
    if (!sl_spec_ok(spec, err) || !check_list(opt->pin, "pin", records, n_records, err) ||
        !check_list(opt->ban, "ban", records, n_records, err))
        return NULL;
    size_t n = spec->n_statements;
    struct catalog cat = {0};
    collect(&cat, spec, records, n_records, opt);
    struct sl_demand *demands = sl_alloc(n * sizeof *demands);
    struct sl_chosen *chosen = sl_alloc(n * sizeof *chosen);
    for (size_t i = 0; i < n; i++) {
        const struct sl_statement *s = &spec->statements[i];
        demands[i] = (struct sl_demand){.bps = s->rate_bps,
                                        .count = s->count,
                                        .flows_min = s->flows_min,
                                        .flows_max = s->flows_max,
                                        .columns = &cat.shared.at[cat.of[i]].columns};
    }
    int most = opt->max_instances ? opt->max_instances : DEFAULT_INSTANCES;
    struct sl_limits limits = {.cpu = opt->cpu > 0 ? opt->cpu : INFINITY,
                               .mem_bytes = opt->mem_bytes > 0 ? opt->mem_bytes : INFINITY,
                               .instances = most < SL_PICKS_MAX ? most : SL_PICKS_MAX,
                               .seed = opt->seed};
    double tolerance = opt->tolerance > 0 ? opt->tolerance : DEFAULT_TOLERANCE;
    struct sl_plan *p = sl_alloc(sizeof *p);
    sl_choose(demands, n, &limits, chosen, &p->greedy_objective);
    size_t picks = 0;
    for (size_t i = 0; i < n; i++)
        picks += chosen[i].n;
    p->spec = spec;
    p->seed = opt->seed;
    p->budget_cpu = opt->cpu;
    p->budget_mem = opt->mem_bytes;
    p->options = sl_arena_alloc(&p->arena, (picks + 1) * sizeof *p->options);
    p->statements = sl_arena_alloc(&p->arena, (n + 1) * sizeof *p->statements);
    p->n_statements = n;
    for (size_t i = 0; i < n; i++) {
        const struct sl_statement *s = &spec->statements[i];
        struct sl_plan_statement *st = &p->statements[i];
        st->asked_bps = s->rate_bps;
        fill_statement(p, st, &demands[i], &chosen[i], records);
        st->shortfall =
            demands[i].columns->len
                ? why_short(&p->arena, p, &demands[i], &chosen[i].value, &limits, tolerance,
                            budget_is_why(&demands[i], &chosen[i].value, &limits, tolerance))
                : no_column(&p->arena, s, records, n_records);
    }
    p->projects = count_projects(p);
    free(demands);
    free(chosen);
    collect_done(&cat);
    return p;
}

void sl_plan_free(struct sl_plan *p)
{
    if (!p)
        return;
    if (p->owned_spec)
        sl_spec_free(p->owned_spec);
    sl_arena_done(&p->arena);
    free(p);
}

bool sl_plan_within(const struct sl_plan *p, double tolerance)
{
    for (size_t i = 0; i < p->n_statements; i++)
        if (p->statements[i].deviation > tolerance + 1e-9 || !p->statements[i].flows_ok)
            return false;
    return true;
}
