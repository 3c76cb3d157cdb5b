// SPDX-License-Identifier: Apache-2.0
#include "measure/labels.h"
#include "base/mem.h"
#include "classes/classes.h"
#include <stdio.h>
#include <string.h>

struct sl_labels {
    struct sl_services *services;
    struct sl_truth *truth;
};

struct sl_labels *sl_labels_new(const char *services, const char *truth, struct sl_error *err)
{
    struct sl_labels *l = sl_alloc(sizeof *l);
    l->services = services ? sl_services_load(services, err) : sl_services_builtin();
    bool ok = l->services != NULL;
    if (ok && truth) {
        l->truth = sl_truth_load(truth, err);
        ok = l->truth != NULL;
    }
    if (ok)
        return l;
    sl_labels_free(l);
    return NULL;
}

void sl_labels_free(struct sl_labels *l)
{
    if (!l)
        return;
    sl_services_free(l->services);
    sl_truth_free(l->truth);
    free(l);
}

const struct sl_services *sl_labels_services(const struct sl_labels *l)
{
    return l->services;
}

const struct sl_truth *sl_labels_truth(const struct sl_labels *l)
{
    return l->truth;
}

static int class_of_port(const struct sl_tuple *u)
{
    struct sl_class_guess g;
    if (sl_class_by_port(u->proto, u->dport, &g) || sl_class_by_port(u->proto, u->sport, &g))
        return g.cls;
    return SL_CLASS_UNKNOWN;
}

uint16_t sl_labels_class(const struct sl_labels *l, const struct sl_tuple *tuple, int64_t ts_ns)
{
    if (l->truth) {
        struct sl_truth_flow t;
        sl_truth_of_flow(l->truth, tuple, ts_ns, true, &t);
        if (t.server && t.server->cls_id > 0)
            return (uint16_t)t.server->cls_id;
    }
    return (uint16_t)class_of_port(tuple);
}

static struct sl_text text(const char *s)
{
    return s && s[0] ? (struct sl_text){s, strlen(s)} : (struct sl_text){0};
}

static void fill_truth(const struct sl_labels *l, const struct sl_tuple *u,
                       const struct sl_flow_state *f, bool known, struct sl_label_facts *facts,
                       struct sl_flow_labels *out)
{
    sl_truth_of_flow(l->truth, u, sl_flow_first_ns(f), known, &facts->truth);
    const struct sl_truth_row *server = facts->truth.server, *client = facts->truth.client;
    if (server) {
        out->service = text(server->service);
        out->project = text(server->project);
        out->image = text(server->image);
        out->class_name = text(server->cls);
    }
    if (client)
        out->client = text(client->service);
    if (client && !server)
        out->project = text(client->project);
    if (facts->truth.statement) {
        snprintf(facts->statement, sizeof facts->statement, "%d", facts->truth.statement);
        out->statement = text(facts->statement);
    }
}

void sl_labels_fill(const struct sl_labels *l, const struct sl_flow_state *f,
                    struct sl_label_facts *facts, struct sl_flow_labels *out)
{
    *facts = (struct sl_label_facts){0};
    *out = (struct sl_flow_labels){0};
    struct sl_tuple u = sl_flow_tuple(f);
    bool known = f->guess == SL_GUESS_SYN || f->guess == SL_GUESS_SYNACK;
    struct sl_service s = sl_service_of_flow(l->services, u.proto, u.sport, u.dport,
                                             known || f->guess == SL_GUESS_FIRST);
    facts->service = s.id;
    out->iana = text(sl_service_name(l->services, s.id));
    out->iana_basis = text(sl_service_basis_name((enum sl_service_basis)s.basis));
    facts->port_class = class_of_port(&u);
    if (facts->port_class != SL_CLASS_UNKNOWN)
        out->port_class = text(sl_class_name(facts->port_class));
    if (l->truth)
        fill_truth(l, &u, f, known, facts, out);
}
