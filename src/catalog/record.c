// SPDX-License-Identifier: Apache-2.0
#include "catalog/record.h"
#include "base/clock.h"
#include <string.h>

static const char *const reason_names[SL_REASONS] = {
    [SL_REASON_OK] = "ok",
    [SL_REASON_NO_FILE] = "no_file",
    [SL_REASON_YAML_ERROR] = "yaml_error",
    [SL_REASON_SCHEMA_ERROR] = "schema_error",
    [SL_REASON_ENV_MISSING] = "env_missing",
    [SL_REASON_VAR_MISSING] = "var_missing",
    [SL_REASON_PATH_MISSING] = "path_missing",
    [SL_REASON_POLICY_DENIED] = "policy_denied",
    [SL_REASON_IMAGE_UNAVAILABLE] = "image_unavailable",
    [SL_REASON_BUILD_FAILED] = "build_failed",
    [SL_REASON_CREATE_FAILED] = "create_failed",
    [SL_REASON_START_FAILED] = "start_failed",
    [SL_REASON_EXITED_EARLY] = "exited_early",
    [SL_REASON_UNHEALTHY] = "unhealthy",
    [SL_REASON_SILENT] = "silent",
    [SL_REASON_INTERRUPTED] = "interrupted",
};

const char *sl_reason_name(enum sl_reason r)
{
    return (unsigned)r < SL_REASONS ? reason_names[r] : "?";
}

bool sl_reason_find(const char *name, enum sl_reason *out)
{
    for (int i = 0; i < SL_REASONS; i++) {
        if (!strcmp(reason_names[i], name)) {
            *out = (enum sl_reason)i;
            return true;
        }
    }
    return false;
}

static json_t *text(const char *s)
{
    json_t *j = json_string(s ? s : "");
    return j ? j : json_string("(not UTF-8)");
}

// One line per member keeps the object's shape readable; jansson takes ownership.
static void put(json_t *o, const char *key, json_t *v)
{
    json_object_set_new(o, key, v);
}

static json_t *service_json(const struct sl_record_service *v)
{
    json_t *o = json_object(), *listen = json_array();
    put(o, "name", text(v->name));
    put(o, "image", text(v->image));
    put(o, "image_id", text(v->image_id));
    put(o, "class", text(v->cls));
    put(o, "app", text(v->app));
    put(o, "role", text(v->role));
    put(o, "cpu_idle", sl_json_real(v->cpu_idle));
    put(o, "cpu_driven", sl_json_real(v->cpu_driven));
    put(o, "mem_bytes", sl_json_real(v->mem_bytes));
    put(o, "built", json_boolean(v->built));
    put(o, "one_shot", json_boolean(v->one_shot));
    for (size_t i = 0; i < v->n_listen; i++)
        json_array_append_new(listen, json_integer(v->listen[i]));
    put(o, "listen", listen);
    return o;
}

static json_t *edge_json(const struct sl_edge *e)
{
    json_t *o = json_object();
    put(o, "src", text(e->src));
    put(o, "dst", text(e->dst));
    put(o, "proto", json_integer(e->proto));
    put(o, "dport", json_integer(e->dport));
    put(o, "class", text(e->cls));
    put(o, "app", text(e->app));
    put(o, "confidence", sl_json_real(e->confidence));
    put(o, "flows", json_integer((json_int_t)e->flows));
    put(o, "packets_up", json_integer((json_int_t)e->packets_up));
    put(o, "packets_down", json_integer((json_int_t)e->packets_down));
    put(o, "bytes_up", json_integer((json_int_t)e->bytes_up));
    put(o, "bytes_down", json_integer((json_int_t)e->bytes_down));
    put(o, "mean_bps", sl_json_real(e->bps_mean));
    put(o, "peak_bps", sl_json_real(e->bps_peak));
    put(o, "flows_active", sl_json_real(e->flows_active));
    return o;
}

static json_t *phase_json(const struct sl_phase *p)
{
    json_t *o = json_object(), *edges = json_array();
    put(o, "name", text(p->name));
    put(o, "protocol", text(p->protocol));
    put(o, "target", text(p->target));
    put(o, "port", json_integer(p->port));
    put(o, "duration_s", sl_json_real(p->duration_s));
    put(o, "users", json_integer(p->users));
    put(o, "requests_per_s", sl_json_real(p->requests_per_s));
    put(o, "errors", sl_json_real(p->errors));
    for (size_t i = 0; i < p->n_edges; i++)
        json_array_append_new(edges, edge_json(&p->edges[i]));
    put(o, "edges", edges);
    return o;
}

static json_t *note_json(const struct sl_record_note *n)
{
    json_t *o = json_object();
    put(o, "kind", text(n->kind));
    put(o, "step", text(n->step));
    put(o, "place", text(n->place));
    put(o, "before", text(n->before));
    put(o, "after", text(n->after));
    return o;
}

json_t *sl_record_json(const struct sl_record *r)
{
    json_t *o = json_object(), *services = json_array(), *phases = json_array(),
           *notes = json_array(), *names = json_array();
    const char grade[2] = {r->grade ? r->grade : '-', '\0'};
    char stamp[32];
    sl_wall_stamp(r->started_ns, stamp);
    put(o, "schema", text("sluice.record/1"));
    put(o, "id", json_integer(r->id));
    put(o, "name", text(r->name));
    put(o, "repo", text(r->repo));
    put(o, "commit", text(r->commit));
    put(o, "compose_path", text(r->compose_path));
    put(o, "dir", text(r->dir));
    put(o, "digest", text(r->digest));
    put(o, "reason", text(sl_reason_name(r->reason)));
    put(o, "sub_reason", text(r->sub_reason));
    put(o, "message", text(r->message));
    put(o, "grade", text(grade));
    put(o, "quick", json_boolean(r->quick));
    put(o, "started", text(stamp));
    put(o, "duration_s", sl_json_real(r->duration_s));
    put(o, "seed", json_integer((json_int_t)r->seed));
    put(o, "tool_version", text(r->tool_version));
    put(o, "isolation", text(r->isolation));
    for (size_t i = 0; i < r->n_services; i++)
        json_array_append_new(services, service_json(&r->services[i]));
    put(o, "services", services);
    for (size_t i = 0; i < r->n_phases; i++)
        json_array_append_new(phases, phase_json(&r->phases[i]));
    put(o, "phases", phases);
    for (size_t i = 0; i < r->n_notes; i++)
        json_array_append_new(notes, note_json(&r->notes[i]));
    put(o, "notes", notes);
    for (size_t i = 0; i < r->n_external_names; i++)
        json_array_append_new(names, text(r->external_names[i]));
    put(o, "external_names", names);
    return o;
}
