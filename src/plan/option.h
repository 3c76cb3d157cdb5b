// SPDX-License-Identifier: Apache-2.0
/*
 * Records -> columns: every way a project can serve a statement, as the numbers the search needs.
 *
 * Placement  the edge's client at `from`, its server at `to`. A driver that is the client stands
 * alone at `from`. Otherwise every other service sits with the services that call it (the side with
 *            more bytes when they are apart), a service nobody calls with those it calls, and the
 *            driver with the service it drives. Calls of all phases count. Who is not talked
 *            to at all is at `to`.
 * Threads    stateless.
 */
#pragma once
#include "plan/plan.h"

enum { SL_OPTION_SERVICES = 256 }; // projects with more services are no options
enum sl_side { SL_SIDE_NONE = -1, SL_SIDE_FROM, SL_SIDE_TO };
#define SL_PLAN_MIN_DRIVEN 0.0005 // of a driven edge's peak: think times have no upper end, but sparse requests are no rate
#define SL_PLAN_MIN_SELF 0.5    // of a self-driven edge's mean: as far as it may be shaped down
#define SL_PLAN_DRIVER_CPU 0.25 // cores of the driver at the peak
#define SL_PLAN_ERRORS_MAX 0.5  // a phase with a larger share of failed requests is no option

struct sl_column {
    uint32_t record; // index; also says which project it is
    uint32_t phase, edge;
    bool driven, by_users, pinned;
    int containers, users; // users: sessions at the peak, >= 1
    double max_bps, up_share;
    double flows; // at max_bps; of by_users columns: not used
    double off_ratio;
    double cpu_idle, cpu_at_max, mem_bytes;
    double tie; // [0, 1), from the seed: decides between equals
};
struct sl_columns {
    struct sl_column *at;
    size_t len, cap;
};
// What a statement asks for; statements with the same key share their columns.
struct sl_key {
    enum sl_match match;
    const char *cls; // class name
    uint16_t port;
};
struct sl_key sl_key_of(const struct sl_statement *s);
bool sl_key_equal(struct sl_key a, struct sl_key b);
bool sl_key_matches(struct sl_key key, const struct sl_edge *e);

// side[i] of each service, side[n_services] of the driver (NONE when the phase has none).
bool sl_option_place(const struct sl_record *r, uint32_t phase, uint32_t edge, int8_t *side);
// Appends the columns of one record.
void sl_columns_add(struct sl_columns *out, const struct sl_record *r, uint32_t record,
                    struct sl_key key, uint64_t seed);
struct sl_option sl_option_make(struct sl_arena *arena, const struct sl_record *r,
                                const struct sl_column *c);
