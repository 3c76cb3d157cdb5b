// SPDX-License-Identifier: Apache-2.0
// Plans as JSON, "sluice.plan/1": each part is whole, so that a run needs no catalogue.
#include "plan/plan.h"
#include <math.h>
#include <string.h>

enum { MAX_PARTS = 100000, MAX_SERVICES = 256 };

// --- writing -------------------------------------------------------------------------------------

static json_t *text(const char *s)
{
    json_t *j = json_string(s ? s : "");
    return j ? j : json_string(""); // not UTF-8
}

static json_t *names(const char *const *at, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, text(at[i]));
    return a;
}

static json_t *project_json(const struct sl_record *r)
{
    json_t *services = json_array();
    for (size_t i = 0; i < r->n_services; i++)
        json_array_append_new(services, text(r->services[i].name));
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)r->id, "name",
                     text(r->name), "repo", text(r->repo), "commit", text(r->commit), "dir",
                     text(r->dir), "compose_path", text(r->compose_path), "digest", text(r->digest),
                     "services", services);
}

static json_t *phase_json(const struct sl_phase *ph)
{
    return json_pack("{s:o, s:o, s:o, s:i, s:i, s:o}", "name", text(ph->name), "protocol",
                     text(ph->protocol), "target", text(ph->target), "port", (int)ph->port, "users",
                     ph->users, "requests_per_s", sl_json_real(ph->requests_per_s));
}

static json_t *edge_json(const struct sl_edge *e)
{
    return json_pack("{s:o, s:o, s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "src", text(e->src), "dst",
                     text(e->dst), "proto", e->proto == 17 ? "UDP" : "TCP", "dport", (int)e->dport,
                     "class", text(e->cls), "app", text(e->app), "bps_mean",
                     sl_json_real(e->bps_mean), "bps_peak", sl_json_real(e->bps_peak),
                     "flows_active", sl_json_real(e->flows_active));
}

static json_t *option_json(const struct sl_option *o)
{
    const struct sl_phase *ph = &o->record->phases[o->phase];
    return json_pack(
        "{s:o, s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o}",
        "project", project_json(o->record), "phase", phase_json(ph), "edge",
        edge_json(&ph->edges[o->edge]), "driven", (int)o->driven, "flows_by_users",
        (int)o->flows_by_users, "up_share", sl_json_real(o->up_share), "min_bps",
        sl_json_real(o->min_bps), "max_bps", sl_json_real(o->max_bps), "flows_at_max",
        sl_json_real(o->flows_at_max), "off_class_ratio", sl_json_real(o->off_class_ratio),
        "cpu_idle", sl_json_real(o->cpu_idle), "cpu_at_max", sl_json_real(o->cpu_at_max),
        "mem_bytes", sl_json_real(o->mem_bytes), "containers", o->containers, "at_from",
        names(o->at_from, o->n_at_from), "at_to", names(o->at_to, o->n_at_to));
}

static json_t *statement_json(const struct sl_plan *p, size_t i)
{
    const struct sl_statement *s = &p->spec->statements[i];
    const struct sl_plan_statement *st = &p->statements[i];
    char from[16], to[16];
    json_t *parts = json_array();
    for (size_t k = 0; k < st->n_parts; k++) {
        const struct sl_plan_part *part = &st->parts[k];
        json_t *j = option_json(&p->options[part->option]);
        json_object_set_new(j, "count", json_integer(part->count));
        json_object_set_new(j, "bps", sl_json_real(part->bps));
        json_object_set_new(j, "users", json_integer(part->users));
        json_array_append_new(parts, j);
    }
    return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "text",
                     text(s->text), "from", sl_host_name(s->from, from), "to",
                     sl_host_name(s->to, to), "asked_bps", sl_json_real(st->asked_bps),
                     "planned_bps", sl_json_real(st->planned_bps), "deviation",
                     sl_json_real(st->deviation), "flows", sl_json_real(st->flows), "flows_ok",
                     (int)st->flows_ok, "off_class_bps", sl_json_real(st->off_class_bps),
                     "shortfall", text(st->shortfall), "parts", parts);
}

json_t *sl_plan_json(const struct sl_plan *p)
{
    json_t *statements = json_array();
    for (size_t i = 0; i < p->n_statements; i++)
        json_array_append_new(statements, statement_json(p, i));
    json_t *source = json_stringn(p->spec->source, p->spec->source_len);
    return json_pack(
        "{s:s, s:{s:o, s:o}, s:I, s:{s:o, s:o}, s:{s:i, s:i, s:i, s:o, s:o}, s:o, s:o, s:o}",
        "schema", "sluice.plan/1", "spec", "file", text(p->spec->file), "source",
        source ? source : json_string(""), "seed", (json_int_t)p->seed, "budget", "cpu",
        sl_json_real(p->budget_cpu), "mem_bytes", sl_json_real(p->budget_mem), "total", "projects",
        p->projects, "instances", p->instances, "containers", p->containers, "cpu",
        sl_json_real(p->cpu), "mem_bytes", sl_json_real(p->mem_bytes), "objective",
        sl_json_real(p->objective), "greedy_objective", sl_json_real(p->greedy_objective),
        "statements", statements);
}

// --- reading -------------------------------------------------------------------------------------

struct reader {
    struct sl_plan *p;
    struct sl_error *err;
};

static const char *str(struct reader *r, const json_t *obj, const char *key)
{
    return sl_arena_strdup(&r->p->arena, sl_json_str(obj, key, ""));
}

// A number of the plan, within [0, most]; else the plan is refused.
static bool num(struct reader *r, const json_t *obj, const char *key, double most, double *out)
{
    double v = sl_json_num(obj, key, 0);
    if (!isfinite(v) || v < 0 || v > most)
        return sl_fail(r->err, SL_EINPUT, "the plan's '%s' is not between 0 and %g", key, most);
    *out = v;
    return true;
}

static bool whole(struct reader *r, const json_t *obj, const char *key, int most, int *out)
{
    double v = 0;
    if (!num(r, obj, key, most, &v))
        return false;
    *out = (int)v;
    return true;
}

static bool read_names(struct reader *r, const json_t *obj, const char *key, const char ***out,
                       size_t *n)
{
    const json_t *a = json_object_get(obj, key);
    *n = json_array_size(a);
    if (!json_is_array(a) || *n > MAX_SERVICES + 1)
        return sl_fail(r->err, SL_EINPUT, "the plan's '%s' is not a list of services", key);
    *out = sl_arena_alloc(&r->p->arena, (*n + 1) * sizeof **out);
    for (size_t i = 0; i < *n; i++) {
        const char *name = json_string_value(json_array_get(a, i));
        if (!name)
            return sl_fail(r->err, SL_EINPUT, "the plan's '%s' is not a list of services", key);
        (*out)[i] = sl_arena_strdup(&r->p->arena, name);
    }
    return true;
}

static bool read_edge(struct reader *r, const json_t *j, struct sl_edge *e)
{
    int port;
    e->src = str(r, j, "src");
    e->dst = str(r, j, "dst");
    e->cls = str(r, j, "class");
    e->app = str(r, j, "app");
    e->proto = !strcmp(sl_json_str(j, "proto", ""), "UDP") ? 17 : 6;
    if (!e->src[0] || !e->dst[0])
        return sl_fail(r->err, SL_EINPUT, "an edge of the plan lacks 'src' or 'dst'");
    if (!whole(r, j, "dport", 65535, &port) || !num(r, j, "bps_mean", 1e15, &e->bps_mean) ||
        !num(r, j, "bps_peak", 1e15, &e->bps_peak) ||
        !num(r, j, "flows_active", 1e12, &e->flows_active))
        return false;
    e->dport = (uint16_t)port;
    return true;
}

static bool read_record(struct reader *r, const json_t *j, struct sl_option *o)
{
    struct sl_record *rec = sl_arena_alloc(&r->p->arena, sizeof *rec);
    struct sl_phase *ph = sl_arena_alloc(&r->p->arena, sizeof *ph);
    const json_t *project = json_object_get(j, "project"), *phase = json_object_get(j, "phase");
    const char **services;
    int port;
    o->record = rec;
    rec->id = (int64_t)sl_json_num(project, "id", 0);
    rec->name = str(r, project, "name");
    rec->repo = str(r, project, "repo");
    rec->commit = str(r, project, "commit");
    rec->dir = str(r, project, "dir");
    rec->compose_path = str(r, project, "compose_path");
    rec->digest = str(r, project, "digest");
    rec->sub_reason = rec->message = rec->tool_version = rec->isolation = "";
    rec->grade = '-';
    if (!rec->name[0] || !rec->compose_path[0])
        return sl_fail(r->err, SL_EINPUT, "a project of the plan lacks 'name' or 'compose_path'");
    if (!read_names(r, project, "services", &services, &rec->n_services))
        return false;
    rec->services = sl_arena_alloc(&r->p->arena, (rec->n_services + 1) * sizeof *rec->services);
    for (size_t i = 0; i < rec->n_services; i++) {
        struct sl_record_service *s = &rec->services[i];
        s->name = services[i];
        s->image = s->image_id = s->cls = s->app = s->role = "";
    }
    rec->phases = ph;
    rec->n_phases = 1;
    ph->name = str(r, phase, "name");
    ph->protocol = str(r, phase, "protocol");
    ph->target = str(r, phase, "target");
    ph->edges = sl_arena_alloc(&r->p->arena, sizeof *ph->edges);
    ph->n_edges = 1;
    if (!whole(r, phase, "port", 65535, &port) || !whole(r, phase, "users", 1000000, &ph->users) ||
        !num(r, phase, "requests_per_s", 1e12, &ph->requests_per_s) ||
        !read_edge(r, json_object_get(j, "edge"), ph->edges))
        return false;
    ph->port = (uint16_t)port;
    return true;
}

static bool read_part(struct reader *r, const json_t *j, struct sl_plan_part *part)
{
    struct sl_option *o = &r->p->options[r->p->n_options];
    part->option = (int)r->p->n_options++;
    o->driven = sl_json_bool(j, "driven", false);
    o->flows_by_users = sl_json_bool(j, "flows_by_users", false);
    return read_record(r, j, o) && num(r, j, "up_share", 1, &o->up_share) &&
           num(r, j, "min_bps", 1e15, &o->min_bps) && num(r, j, "max_bps", 1e15, &o->max_bps) &&
           num(r, j, "flows_at_max", 1e12, &o->flows_at_max) &&
           num(r, j, "off_class_ratio", 1e15, &o->off_class_ratio) &&
           num(r, j, "cpu_idle", 1e6, &o->cpu_idle) &&
           num(r, j, "cpu_at_max", 1e6, &o->cpu_at_max) &&
           num(r, j, "mem_bytes", 1e18, &o->mem_bytes) &&
           whole(r, j, "containers", MAX_SERVICES, &o->containers) &&
           read_names(r, j, "at_from", &o->at_from, &o->n_at_from) &&
           read_names(r, j, "at_to", &o->at_to, &o->n_at_to) &&
           whole(r, j, "count", 1000, &part->count) && num(r, j, "bps", 1e15, &part->bps) &&
           whole(r, j, "users", 1000000, &part->users);
}

static bool read_statement(struct reader *r, const json_t *j, struct sl_plan_statement *st)
{
    const json_t *parts = json_object_get(j, "parts");
    st->n_parts = json_array_size(parts);
    st->parts = sl_arena_alloc(&r->p->arena, (st->n_parts + 1) * sizeof *st->parts);
    st->flows_ok = sl_json_bool(j, "flows_ok", false);
    st->shortfall = str(r, j, "shortfall");
    for (size_t i = 0; i < st->n_parts; i++)
        if (!read_part(r, json_array_get(parts, i), &st->parts[i]))
            return sl_within(r->err, "part %zu", i + 1);
    return num(r, j, "asked_bps", 1e15, &st->asked_bps) &&
           num(r, j, "planned_bps", 1e15, &st->planned_bps) &&
           num(r, j, "deviation", 1e15, &st->deviation) && num(r, j, "flows", 1e15, &st->flows) &&
           num(r, j, "off_class_bps", 1e18, &st->off_class_bps);
}

static bool read_plan(struct reader *r, const json_t *j)
{
    struct sl_plan *p = r->p;
    const json_t *spec = json_object_get(j, "spec"), *total = json_object_get(j, "total"),
                 *budget = json_object_get(j, "budget"),
                 *statements = json_object_get(j, "statements");
    if (strcmp(sl_json_str(j, "schema", ""), "sluice.plan/1") != 0)
        return sl_fail(r->err, SL_EINPUT, "this is no plan: 'schema' is not \"sluice.plan/1\"");
    const char *source = sl_json_str(spec, "source", "");
    p->owned_spec = sl_spec_parse(sl_json_str(spec, "file", "plan"), source, strlen(source));
    p->spec = p->owned_spec;
    if (!sl_spec_ok(p->spec, r->err))
        return sl_within(r->err, "the plan's spec");
    p->n_statements = json_array_size(statements);
    if (p->n_statements != p->spec->n_statements)
        return sl_fail(r->err, SL_EINPUT, "the plan has %zu statements, its spec has %zu",
                       p->n_statements, p->spec->n_statements);
    size_t parts = 0;
    for (size_t i = 0; i < p->n_statements; i++)
        parts += json_array_size(json_object_get(json_array_get(statements, i), "parts"));
    if (parts > MAX_PARTS)
        return sl_fail(r->err, SL_EINPUT, "the plan has more than %d parts", MAX_PARTS);
    p->statements = sl_arena_alloc(&p->arena, (p->n_statements + 1) * sizeof *p->statements);
    p->options = sl_arena_alloc(&p->arena, (parts + 1) * sizeof *p->options);
    for (size_t i = 0; i < p->n_statements; i++)
        if (!read_statement(r, json_array_get(statements, i), &p->statements[i]))
            return sl_within(r->err, "statement %zu of the plan", i + 1);
    p->seed = (uint64_t)json_integer_value(json_object_get(j, "seed"));
    return whole(r, total, "projects", MAX_PARTS, &p->projects) &&
           whole(r, total, "instances", 1 << 30, &p->instances) &&
           whole(r, total, "containers", 1 << 30, &p->containers) &&
           num(r, total, "cpu", 1e9, &p->cpu) && num(r, total, "mem_bytes", 1e18, &p->mem_bytes) &&
           num(r, budget, "cpu", 1e9, &p->budget_cpu) &&
           num(r, budget, "mem_bytes", 1e18, &p->budget_mem) &&
           num(r, j, "objective", 1e15, &p->objective) &&
           num(r, j, "greedy_objective", 1e15, &p->greedy_objective);
}

struct sl_plan *sl_plan_from_json(const json_t *j, struct sl_error *err)
{
    struct sl_plan *p = sl_alloc(sizeof *p);
    struct reader r = {p, err};
    if (read_plan(&r, j))
        return p;
    sl_plan_free(p);
    return NULL;
}
