// SPDX-License-Identifier: Apache-2.0
/*
 * Where port names disagree with the truth: flows, packets and bytes for each pair of what IANA
 * registered a port for and what the label book says listens there.
 *
 * Rule     a pair agrees when the port's name is that of the application (of the service, when its
 *          image is unknown), or when the class that the name means (by the class table, or by the
 * short list of protocol names in confusion.c: domain is dns, imap is mail) is the class of the
 * service. It disagrees when both have a name and that is not so: 2181/tcp is eforward in the
 * registry, and ZooKeeper listens there. A flow without a port name is unnamed; one whose server is
 *          in no book is without truth, and in no pair.
 * Bounds   65,536 pairs; later ones are counted in one pair named "(other)".
 * Threads  one.
 */
#pragma once
#include "base/json.h"
#include "base/str.h"
#include "measure/truth.h"

enum sl_agreement { SL_AGREE, SL_DISAGREE, SL_UNNAMED, SL_WITHOUT_TRUTH, SL_AGREEMENTS };
struct sl_confusion_count {
    uint64_t flows, packets, bytes;
};
struct sl_confusion; // opaque
struct sl_confusion *sl_confusion_new(void);
void sl_confusion_free(struct sl_confusion *c);
// name: what the port is registered as, "" or NULL when it is not; lives as long as c.
// server: NULL = nobody knows. The book lives as long as c.
void sl_confusion_add(struct sl_confusion *c, uint8_t ip_proto, uint16_t port, const char *name,
                      const struct sl_truth_row *server, const struct sl_confusion_count *count);
void sl_confusion_total(const struct sl_confusion *c, enum sl_agreement a,
                        struct sl_confusion_count *out);
enum sl_agreement sl_confusion_judge(const char *name, const struct sl_truth_row *server);

// Shares first, then pairs: disagreeing ones by bytes, then unnamed ones, then those that agree.
// most: rows of the table; 0 = all.
void sl_confusion_text(const struct sl_confusion *c, size_t most, bool colour, struct sl_str *out);
// {"schema":"sluice.confusion/1","totals":{"agree":{"flows","packets","bytes","share_flows",
//  "share_bytes"},"disagree","unnamed","without_truth"},"pairs":[{"port","protocol","label_iana",
//  "label_service","label_class","verdict","flows","packets","bytes"}]}
json_t *sl_confusion_json(const struct sl_confusion *c);
