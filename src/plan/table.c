// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"
#include "lang/utf8.h"
#include "plan/plan.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void pad(struct sl_str *out, const char *text, int columns)
{
    sl_str_addf(out, "%s%*s", text, columns - sl_utf8_text_columns(text), "");
}

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
    int type_width = 9, hosts_width = 13;
    char hosts[64], asked[32], planned[32], bound[64], flows[32];
    for (size_t i = 0; i < p->n_statements; i++) {
        const struct sl_statement *s = &p->spec->statements[i];
        int w = sl_utf8_text_columns(s->type_text);
        type_width = w > type_width ? w : type_width;
        hosts_text(s, hosts, sizeof hosts);
        w = sl_utf8_text_columns(hosts);
        hosts_width = w > hosts_width ? w : hosts_width;
    }
    pad(out, "statement", type_width + 1 + hosts_width);
    sl_str_addf(out, " %10s %10s %7s  %7s %-12s %9s %11s\n", "asked", "planned", "dev", "flows", "",
                "projects", "containers");
    for (size_t i = 0; i < p->n_statements; i++) {
        const struct sl_statement *s = &p->spec->statements[i];
        const struct sl_plan_statement *st = &p->statements[i];
        hosts_text(s, hosts, sizeof hosts);
        bound_text(s, st->flows_ok, bound, sizeof bound);
        pad(out, s->type_text, type_width);
        sl_str_add(out, " ");
        pad(out, hosts, hosts_width);
        snprintf(flows, sizeof flows, "%.0f", st->flows);
        sl_str_addf(
            out, " %10s %10s %5.1f %%  %7s ", sl_format_rate(st->asked_bps, asked, sizeof asked),
            sl_format_rate(st->planned_bps, planned, sizeof planned), 100 * st->deviation, flows);
        pad(out, bound, 12);
        sl_str_addf(out, " %9d %11d\n", projects_of(p, st), containers_of(p, st));
        if (st->shortfall[0])
            sl_str_addf(out, "  shortfall: %s\n", st->shortfall);
    }
    total_line(p, out);
}
