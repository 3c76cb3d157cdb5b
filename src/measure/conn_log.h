// SPDX-License-Identifier: Apache-2.0
/*
 * A flow as a line of Zeek's conn.log: Zeek's columns in Zeek's order.
 *
 * Rows     what flow/conn.h knows, which is kept for each live flow here, and what the flow knows.
 *          uid is a hash of the flow's ends, time and number: the same trace gives the same.
 *          service is what the payload says with profile full, by Zeek's name; else the port's
 *          registered name. local_orig and local_resp: the address is of a special-purpose block
 *          (RFC 6890), as Zeek takes for local when nothing is configured. Duration and bytes are
 *          missing when the duration is 0. tunnel_parents is always missing.
 * Memory   180 bytes for each live flow.
 * Threads  packets of one partition from one thread at a time; rows by one thread, while no packet
 *          is added.
 */
#pragma once
#include "export/export.h"
#include "flow/feature.h"

enum { SL_CONN_LOG_COLUMNS = 22 };
struct sl_conn_log;
struct sl_conn_log *sl_conn_log_new(void);
void sl_conn_log_free(struct sl_conn_log *l);
const struct sl_column *sl_conn_log_columns(void);
// Takes the flow's `user` for itself; *sl_conn_log_user is the caller's instead.
void sl_conn_log_add(struct sl_conn_log *l, struct sl_flow_state *f, const struct sl_packet *p,
                     int dir);
void **sl_conn_log_user(struct sl_conn_log *l, struct sl_flow_state *f);
// Values hold until the next row. The flow's state is given back.
void sl_conn_log_row(struct sl_conn_log *l, const struct sl_engine *engine, struct sl_flow_state *f,
                     const struct sl_flow_labels *labels, union sl_value *row);
