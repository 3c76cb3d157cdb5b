// SPDX-License-Identifier: Apache-2.0
#include "base/csv.h"
#include "link/topology_read.h"
#include <string.h>

enum { COLUMNS = 96 };
enum what { NAME, FACT, CONDITION };
struct column {
    enum what what;
    int end;                // of NAME and FACT: 0 = a, 1 = b
    enum sl_node_fact fact; // of FACT
    int directions;         // of CONDITION
    enum sl_link_condition condition;
};
struct table {
    struct sl_topology_reader r;
    struct column columns[COLUMNS];
    size_t n_columns;
};

static bool one_column(struct table *t, const char *name, struct column *c)
{
    static const char *const ends[] = {"a", "b"}, *const facts[SL_NODE_FACTS] = {
                                                      ".kind", ".address", ".group"};
    for (int e = 0; e < 2; e++) {
        if (name[0] != ends[e][0])
            continue;
        if (!name[1]) {
            *c = (struct column){.what = NAME, .end = e};
            return true;
        }
        for (int i = 0; i < SL_NODE_FACTS; i++)
            if (!strcmp(name + 1, facts[i])) {
                *c = (struct column){.what = FACT, .end = e, .fact = (enum sl_node_fact)i};
                return true;
            }
    }
    int directions, what = sl_reader_condition_named(name, &directions);
    if (what < 0) {
        sl_fail(t->r.err, SL_EINPUT, "there is no column '%.60s' in a topology", name);
        sl_hint(t->r.err, "a, b, a.kind, a.address, a.group, and the names of conditions such as "
                          "delay, rate, up.loss");
        return sl_reader_at(&t->r, 1);
    }
    *c = (struct column){
        .what = CONDITION, .directions = directions, .condition = (enum sl_link_condition)what};
    return true;
}

static bool read_header(struct table *t, char **fields, size_t n)
{
    bool ends[2] = {false, false};
    for (size_t i = 0; i < n; i++) {
        if (!one_column(t, fields[i], &t->columns[i]))
            return false;
        if (t->columns[i].what == NAME)
            ends[t->columns[i].end] = true;
    }
    t->n_columns = n;
    if (ends[0] && ends[1])
        return true;
    sl_fail(t->r.err, SL_EINPUT, "a topology needs the columns a and b: the ends of each link");
    return sl_reader_at(&t->r, 1);
}

static bool read_link(struct table *t, char **fields, size_t n, int line)
{
    int ends[2] = {0};
    if (n != t->n_columns) {
        sl_fail(t->r.err, SL_EINPUT, "%zu cells where the header has %zu", n, t->n_columns);
        return sl_reader_at(&t->r, line);
    }
    for (size_t i = 0; i < n; i++) {
        if (t->columns[i].what != NAME)
            continue;
        int node = sl_reader_node(&t->r, fields[i], line);
        if (node < 0)
            return false;
        ends[t->columns[i].end] = node;
    }
    int link = sl_reader_link(&t->r, (uint32_t)ends[0], (uint32_t)ends[1], line);
    bool ok = link >= 0;
    for (size_t i = 0; ok && i < n; i++) {
        const struct column *c = &t->columns[i];
        if (!fields[i][0])
            continue;
        if (c->what == FACT)
            ok = sl_reader_tell(&t->r, (uint32_t)ends[c->end], c->fact, fields[i], line);
        else if (c->what == CONDITION)
            ok = sl_reader_condition(&t->r, (uint32_t)link, c->directions, c->condition, fields[i],
                                     line);
    }
    return ok;
}

static bool read_all(struct table *t, struct sl_csv *csv)
{
    char *fields[COLUMNS];
    size_t n;
    if (!sl_csv_next(csv, fields, COLUMNS, &n, t->r.err)) {
        if (csv->failed)
            return false;
        sl_fail(t->r.err, SL_EINPUT, "this topology is empty");
        return sl_reader_at(&t->r, 0);
    }
    bool ok = read_header(t, fields, n);
    while (ok && sl_csv_next(csv, fields, COLUMNS, &n, t->r.err))
        ok = read_link(t, fields, n, csv->record_line);
    return ok && !csv->failed;
}

struct sl_topology *sl_topology_csv(char *text, size_t len, const char *name, struct sl_error *err)
{
    struct sl_csv csv = {.p = text, .end = text + len, .name = name};
    struct table *t = sl_alloc(sizeof *t);
    sl_reader_begin(&t->r, name, err);
    struct sl_topology *made = sl_reader_end(&t->r, read_all(t, &csv));
    free(t);
    return made;
}
