// SPDX-License-Identifier: Apache-2.0
/*
 * What observing a project found, as plain data: what observe hands in, what the planner reads.
 * No database here. Strings of a record loaded from the catalogue live in its arena.
 *
 * Units    bits and bytes of layer 2; seconds; cores; bytes of memory.
 */
#pragma once
#include "base/json.h"
#include "base/mem.h"
#include <stdint.h>

enum sl_reason { // offline.md 8.3
    SL_REASON_OK,
    SL_REASON_NO_FILE,
    SL_REASON_YAML_ERROR,
    SL_REASON_SCHEMA_ERROR,
    SL_REASON_ENV_MISSING,
    SL_REASON_VAR_MISSING,
    SL_REASON_PATH_MISSING,
    SL_REASON_POLICY_DENIED,
    SL_REASON_IMAGE_UNAVAILABLE,
    SL_REASON_BUILD_FAILED,
    SL_REASON_CREATE_FAILED,
    SL_REASON_START_FAILED,
    SL_REASON_EXITED_EARLY,
    SL_REASON_UNHEALTHY,
    SL_REASON_SILENT,
    SL_REASON_INTERRUPTED,
    SL_REASONS
};
const char *sl_reason_name(enum sl_reason r);           // "ok", "no_file", ...
bool sl_reason_find(const char *name, enum sl_reason *out);

#define SL_PEER_DRIVER "(driver)"     // our driver as a client
#define SL_PEER_EXTERNAL "(external)" // outside the project

struct sl_edge { // (client service, server service, protocol, server port) in one phase
    const char *src, *dst; // service names or SL_PEER_*
    uint8_t proto;         // 6, 17
    uint16_t dport;
    const char *cls, *app; // class and application names
    double confidence;
    uint64_t flows, packets_up, packets_down, bytes_up, bytes_down; // up = client to server
    double bps_mean;       // over the phase, both directions
    double bps_peak;       // best 3 s mean: what the edge can be driven to
    double flows_active;   // five-tuples active within 1 s, mean over the phase
};
struct sl_phase {
    const char *name;      // "idle" or "driven"
    const char *protocol;  // driver; "" for idle
    const char *target;    // service that was driven; "" for idle
    uint16_t port;
    double duration_s;
    int users;             // driver's sessions at the peak
    double requests_per_s; // at the peak
    double errors;         // share of requests that failed
    struct sl_edge *edges;
    size_t n_edges;
};
struct sl_record_service {
    const char *name, *image, *image_id, *cls, *app, *role; // role "server", "client", "both", ""
    double cpu_idle, cpu_driven; // cores; driven = at the highest
    double mem_bytes;
    bool built, one_shot;
    uint16_t listen[16];   // TCP ports found listening
    size_t n_listen;
};
struct sl_record_note {
    const char *kind, *step, *place, *before, *after; // kind "repair", "policy", "warning"
};
struct sl_record {
    struct sl_arena arena;
    int64_t id;            // project's id in the catalogue; 0 before it is stored
    const char *repo, *commit, *compose_path, *name, *dir, *digest; // dir: where it was found
    enum sl_reason reason;
    const char *sub_reason, *message; // "" when ok
    char grade;            // 'A' traffic while idle, 'B' when driven, 'C' silent, '-' failed
    bool quick;            // observed with the quick profile
    int64_t started_ns;    // wall
    double duration_s;
    uint64_t seed;
    const char *tool_version, *isolation; // "sluice 0.1.0", "shared-engine"
    struct sl_record_service *services;
    size_t n_services;
    struct sl_phase *phases;
    size_t n_phases;
    struct sl_record_note *notes;
    size_t n_notes;
    const char *const *external_names; // names it asked for that are not its own
    size_t n_external_names;
};
// The record as the command line prints it ("sluice.record/1"): names as above, *_s, *_bps and *_bytes with their
// units, NAN as null. Text that is not UTF-8 is replaced by a remark.
json_t *sl_record_json(const struct sl_record *r);
