// SPDX-License-Identifier: Apache-2.0
#include "base/table.h"
#include "base/units.h"
#include "plan/plan.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void hosts_text(const struct sl_statement *s, char *buf, size_t size)
{
    static const char *const counts[] = {"", " up", " down"};
    char from[16], to[16];
    snprintf(buf, size, "%s → %s%s", sl_host_name(s->from, from), sl_host_name(s->to, to),
             counts[s->count]);
}

static void bound_text(const struct sl_statement *s, bool ok, char *buf, size_t size)
{
    const char *sign = s->flows_min == s->flows_max ? "=" : s->flows_min > 0 ? ">=" : "<=";
    buf[0] = '\0';
    if (s->flows_min > 0 || s->flows_max < INT64_MAX)
        snprintf(buf, size, "%s %" PRId64 "%s %s", sign,
                 s->flows_min > 0 ? s->flows_min : s->flows_max, s->flows_total ? " total" : "",
                 ok ? "✓" : "✗");
}

static int projects_of(const struct sl_plan *p, const struct sl_plan_statement *st)
{
    int n = 0;
    for (size_t i = 0; i < st->n_parts; i++) {
        size_t k = 0;
        while (p->options[st->parts[k].option].record != p->options[st->parts[i].option].record)
            k++;
        n += k == i;
    }
    return n;
}

static int containers_of(const struct sl_plan *p, const struct sl_plan_statement *st)
{
    int n = 0;
    for (size_t i = 0; i < st->n_parts; i++)
        n += st->parts[i].count * p->options[st->parts[i].option].containers;
    return n;
}

static void total_line(const struct sl_plan *p, struct sl_str *out)
{
    char have[32], budget[32];
    sl_str_addf(out, "total  %d project%s, %d container%s, %.1f CPU", p->projects,
                p->projects == 1 ? "" : "s", p->containers, p->containers == 1 ? "" : "s", p->cpu);
    if (p->budget_cpu > 0)
        sl_str_addf(out, " of %.1f", p->budget_cpu);
    sl_str_addf(out, ", %s", sl_format_bytes(p->mem_bytes, have, sizeof have));
    if (p->budget_mem > 0)
        sl_str_addf(out, " of %s", sl_format_bytes(p->budget_mem, budget, sizeof budget));
    sl_str_addf(out, " · seed %" PRIu64, p->seed);
    if (p->seconds > 0)
        sl_str_addf(out, " · %s", sl_format_duration(p->seconds, have, sizeof have));
    sl_str_add(out, "\n");
}

void sl_plan_table(const struct sl_plan *p, struct sl_str *out)
{
    struct sl_table t = {0};
    char hosts[64], asked[32], planned[32], bound[64];
    static const struct {
        const char *title;
        enum sl_align align;
    } columns[] = {{"statement", SL_LEFT}, {"", SL_LEFT},          {"asked", SL_RIGHT},
                   {"planned", SL_RIGHT},  {"dev", SL_RIGHT},      {"flows", SL_RIGHT},
                   {"", SL_LEFT},          {"projects", SL_RIGHT}, {"containers", SL_RIGHT}};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        sl_table_column(&t, columns[i].title, columns[i].align);
    for (size_t i = 0; i < p->n_statements; i++) {
        const struct sl_statement *s = &p->spec->statements[i];
        const struct sl_plan_statement *st = &p->statements[i];
        hosts_text(s, hosts, sizeof hosts);
        bound_text(s, st->flows_ok, bound, sizeof bound);
        sl_table_cell(&t, s->type_text);
        sl_table_cell(&t, hosts);
        sl_table_cell(&t, sl_format_rate(st->asked_bps, asked, sizeof asked));
        sl_table_cell(&t, sl_format_rate(st->planned_bps, planned, sizeof planned));
        sl_table_cellf(&t, "%.1f %%", 100 * st->deviation);
        sl_table_cellf(&t, "%.0f", st->flows);
        sl_table_cell(&t, bound);
        sl_table_cellf(&t, "%d", projects_of(p, st));
        sl_table_cellf(&t, "%d", containers_of(p, st));
    }
    sl_table_write(&t, out);
    sl_table_done(&t);
    total_line(p, out);
    for (size_t i = 0; i < p->n_statements; i++) {
        const struct sl_statement *s = &p->spec->statements[i];
        hosts_text(s, hosts, sizeof hosts);
        if (p->statements[i].shortfall[0])
            sl_str_addf(out, "shortfall: %s %s: %s\n", s->type_text, hosts,
                        p->statements[i].shortfall);
    }
}
