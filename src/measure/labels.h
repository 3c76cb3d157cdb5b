// SPDX-License-Identifier: Apache-2.0
/*
 * The labels of a flow, side by side: the port's name in IANA's registry, the port's class, and the
 * orchestration's truth.
 *
 * Class    for rates and comparisons a flow has one class: the truth's where it is known, else the
 *          port's.
 * Threads  made by one thread, then read-only.
 */
#pragma once
#include "flow/feature.h"
#include "measure/truth.h"
#include "net/services.h"

struct sl_labels;
// Paths may be NULL: the built-in registry; no truth.
SL_MUST_USE struct sl_labels *sl_labels_new(const char *services, const char *truth,
                                            struct sl_error *err);
void sl_labels_free(struct sl_labels *l);
const struct sl_services *sl_labels_services(const struct sl_labels *l);
const struct sl_truth *sl_labels_truth(const struct sl_labels *l); // NULL = none
// Class id (classes/classes.h) of a flow. Its shape is that of the engine's label call-back, with
// the labels as ctx.
uint16_t sl_labels_class(const struct sl_labels *l, const struct sl_tuple *tuple, int64_t ts_ns);
struct sl_label_facts { // what the texts came from
    struct sl_truth_flow truth;
    uint16_t service; // of the registry; 0 = none
    int port_class;
    char statement[12];
};
// Texts in *out hold as long as the labels and *facts.
void sl_labels_fill(const struct sl_labels *l, const struct sl_flow_state *f,
                    struct sl_label_facts *facts, struct sl_flow_labels *out);
