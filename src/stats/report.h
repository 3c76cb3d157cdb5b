// SPDX-License-Identifier: Apache-2.0
/*
 * report.html of a run: one self-contained page (no script from elsewhere, no network): the asked/achieved
 * table, rate curves per statement, the connectivity graph, the steps and events. Light and dark.
 *
 * Input    the run's summary object ("summary.json" in the run folder):
 *          {"schema":"sluice.run/1","name","spec_text","started","duration_s","status","reason",
 *           "statements":[{"text","type","from","to","asked_bps","planned_bps","achieved_bps","deviation",
 *              "up_bps","down_bps","flows","flows_min","flows_max","flows_ok","ok","reason",
 *              "series_bps":[per second],"flows_series":[per second]}],
 *           "measured_from_s","measured_to_s",
 *           "hosts":[{"name","rx_bytes","tx_bytes","rx_packets","tx_packets"}],
 *           "graph":{"nodes":[{"id","label","project","host","image","class","role"}],
 *              "edges":[{"src","dst","class","app","proto","port","bytes_up","bytes_down","flows","statement"}]},
 *           "projects":[{"name","instances","containers"}],
 *           "events":[{"t_s","type","text"}],"metadata":{...any...}}
 *          flows_min/flows_max null = not bounded; statement is an index or null.
 * Errors   SL_EINPUT when a needed member is missing. All text is escaped: it may come from strangers.
 */
#pragma once
#include "base/json.h"
SL_MUST_USE char *sl_report_html(const json_t *summary, struct sl_error *err); // caller frees
SL_MUST_USE char *sl_graph_svg(const json_t *graph, struct sl_error *err);     // the graph alone
