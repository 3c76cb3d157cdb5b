// SPDX-License-Identifier: Apache-2.0
// sluice flows TRACE: packets into a table of flows.
#include "base/auto.h"
#include "base/log.h"
#include "base/str.h"
#include "base/units.h"
#include "cli/cli.h"
#include "measure/flows.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NOT_GIVEN UINT64_MAX

struct words { // options as they were written
    const char *semantics, *profile, *format, *names, *features, *output, *tunnels, *interface;
    const char *services, *truth, *graph, *rates;
    int64_t idle, active, closing, activity, subflow, bulk_gap, duration, rates_bin;
    uint64_t bulk, max_flows, threads, packets, sequence, ring, snaplen;
    bool list, dpi, confusion, merge_interfaces, merge_vlans, hash, no_table;
};

static bool pick(const char *what, const char *value, const char *const *names, size_t n, int *out,
                 struct sl_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(value, names[i])) {
            *out = (int)i;
            return true;
        }
    }
    struct sl_str all = {0};
    for (size_t i = 0; i < n; i++)
        sl_str_addf(&all, "%s%s", i ? ", " : "", names[i]);
    sl_fail(err, SL_EUSAGE, "--%s is '%s', which is none of: %s", what, value, sl_str_text(&all));
    const char *near = sl_nearest(value, names, n);
    if (near)
        sl_hint(err, "did you mean '%s'?", near);
    sl_str_done(&all);
    return false;
}

static bool choose(const struct words *w, struct sl_flows_options *o, bool json,
                   struct sl_error *err)
{
    static const char *const semantics[] = {"fixed", "cic", "cic-fixed"};
    static const char *const profiles[] = {"basic", "cic", "full"};
    static const char *const names[] = {"sluice", "cic"};
    static const char *const tunnels[] = {"inner", "outer"};
    int sem = 0, profile = SL_PROFILE_CIC, name, tunnel = 0;
    if ((w->semantics && !pick("semantics", w->semantics, semantics, 3, &sem, err)) ||
        (w->profile && !pick("profile", w->profile, profiles, 3, &profile, err)) ||
        (w->tunnels && !pick("tunnels", w->tunnels, tunnels, 2, &tunnel, err)))
        return false;
    name = sem != SL_SEMANTICS_FIXED;
    if (w->names && !pick("names", w->names, names, 2, &name, err))
        return false;
    o->semantics = (enum sl_semantics)sem;
    o->outer = tunnel;
    o->features = (struct sl_feature_set){.profile = (enum sl_profile)profile,
                                          .cic_names = name,
                                          .only = w->features,
                                          .labels = true};
    o->output = w->no_table ? NULL : w->output ? w->output : "-";
    bool to_stdout = !w->output || !strcmp(w->output, "-");
    o->format = json && to_stdout ? SL_EXPORT_JSONL : SL_EXPORT_CSV;
    if (w->format && !strcmp(w->format, "ipfix"))
        o->ipfix = true;
    else if (w->format && !sl_export_format_of(w->format, &o->format)) {
        sl_fail(err, SL_EUSAGE, "there is no table format '%s'", w->format);
        sl_hint(err, "take one of csv, jsonl, parquet, npy, zeek, ipfix");
        return false;
    } else if (!w->format && w->output && sl_ends_with(w->output, ".ipfix")) {
        o->ipfix = true;
    } else if (!w->format && w->output && strcmp(w->output, "-") &&
               !sl_export_format_of(w->output, &o->format)) {
        sl_fail(err, SL_EUSAGE, "the name '%s' does not tell the table's format", w->output);
        sl_hint(err,
                "add --format csv|jsonl|parquet|npy|zeek|ipfix, or end the name in one of these");
        return false;
    }
    return true;
}

// 0 would be taken for "not given".
static bool times_are_some(const struct words *w, struct sl_error *err)
{
    const struct {
        const char *option;
        int64_t ns;
    } times[] = {{"idle", w->idle},         {"active", w->active},      {"closing", w->closing},
                 {"activity", w->activity}, {"subflow", w->subflow},    {"bulk-gap", w->bulk_gap},
                 {"duration", w->duration}, {"rates-bin", w->rates_bin}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (times[i].ns == 0) {
            sl_fail(err, SL_EUSAGE, "--%s is no time at all", times[i].option);
            sl_hint(err, "the shortest is 1ns");
            return false;
        }
    return true;
}

// 0 would be taken for "not given"; threads are 0 on purpose, for one per processor.
static bool numbers_are_some(struct words *w, struct sl_error *err)
{
    const struct {
        const char *option;
        uint64_t *n;
    } numbers[] = {{"bulk-packets", &w->bulk}, {"max-flows", &w->max_flows},
                   {"packets", &w->packets},   {"sequence", &w->sequence},
                   {"ring", &w->ring},         {"snaplen", &w->snaplen}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (*numbers[i].n == 0) {
            sl_fail(err, SL_EUSAGE, "--%s cannot be 0", numbers[i].option);
            sl_hint(err, "leave it away for the default");
            return false;
        }
        if (*numbers[i].n == NOT_GIVEN)
            *numbers[i].n = 0;
    }
    return true;
}

/*
 * An option that could not have an effect is a misunderstanding, and said. Asked before defaults
 * are filled in. What fits CICFlowMeter's semantics is measure/flows.h's to say.
 */
static bool all_have_effect(const struct words *w, const struct sl_flows_options *o, bool json,
                            struct sl_error *err)
{
    bool trace = o->input != NULL, live = !trace, to_stdout = o->output && !strcmp(o->output, "-");
    bool full = o->features.profile == SL_PROFILE_FULL, beside = w->graph || w->rates;
    bool table = !w->no_table, rows = table && !o->ipfix;
    bool zeek = rows && o->format == SL_EXPORT_ZEEK, names = rows && (!zeek || !full);
    bool labels = rows && (!zeek || w->features);
    static const char *const only_live = "it is for --interface",
                             *const no_table = "there is --no-table",
                             *const of_ipfix = "the fields of IPFIX records are fixed",
                             *const of_zeek = "names in a Zeek log are Zeek's";
    const struct {
        bool wrong;
        const char *option, *why;
    } checks[] = {
        {o->semantics != SL_SEMANTICS_FIXED && w->threads > 1, "--threads",
         "CICFlowMeter's semantics are one thread's"},
        {trace && w->ring != NOT_GIVEN, "--ring", only_live},
        {trace && w->snaplen != NOT_GIVEN, "--snaplen", only_live},
        {trace && w->duration >= 0, "--duration", only_live},
        {live && w->hash, "--hash", "an interface is no file"},
        {trace && w->hash && !strcmp(o->input, "-"), "--hash", "a pipe is no file"},
        {w->sequence != NOT_GIVEN && !full, "--sequence", "it is for --profile full"},
        {w->rates_bin >= 0 && !w->rates, "--rates-bin", "it is for --rates"},
        {!table && w->output, "--output", no_table},
        {!table && w->format, "--format", no_table},
        {!table && w->features, "--features", no_table},
        {!table && w->names, "--names", no_table},
        {!table && w->sequence != NOT_GIVEN, "--sequence", no_table},
        {!table && w->dpi, "--dpi", "its labels are columns of the table, and there is --no-table"},
        {!labels && w->truth && !beside && !w->confusion, "--truth",
         "there is no table with labels, --graph, --rates or --confusion"},
        {!labels && !names && w->services && !beside && !w->confusion, "--services",
         "there is no table with labels, --graph, --rates or --confusion"},
        {o->ipfix && w->features, "--features", of_ipfix},
        {o->ipfix && w->names, "--names", of_ipfix},
        {o->ipfix && w->profile, "--profile", of_ipfix},
        {o->ipfix && w->dpi, "--dpi", of_ipfix},
        {zeek && w->names, "--names", of_zeek},
        {zeek && w->dpi && !w->features, "--dpi",
         "its labels come into a Zeek log when --features names them"},
        {json && to_stdout && (o->ipfix || o->format != SL_EXPORT_JSONL), "--json",
         "the table on standard output has another --format"},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (!checks[i].wrong)
            continue;
        sl_fail(err, SL_EUSAGE, "%s has no effect here: %s", checks[i].option, checks[i].why);
        sl_hint(err, "leave %s away, or see 'sluice flows --help' for what it goes with",
                checks[i].option);
        return false;
    }
    return true;
}

static int64_t given(int64_t ns)
{
    return ns > 0 ? ns : 0;
}

static bool fill(struct words *w, const struct sl_cli *cli, struct sl_flows_options *o,
                 struct sl_error *err)
{
    if (!choose(w, o, cli->json, err) || !times_are_some(w, err) ||
        !all_have_effect(w, o, cli->json, err) || !numbers_are_some(w, err))
        return false;
    if (w->max_flows > UINT32_MAX || w->sequence > 255 || w->bulk > 255 || w->threads > 64 ||
        w->snaplen > 262144)
        return sl_fail(
            err, SL_EUSAGE,
            "a number is too large: at most 64 threads, 255 packets in a sequence or a bulk, "
            "4,294,967,295 flows, a snapshot length of 262,144");
    o->engine = (struct sl_engine_options){.idle_ns = given(w->idle),
                                           .active_ns = given(w->active),
                                           .closing_ns = given(w->closing),
                                           .activity_ns = given(w->activity),
                                           .subflow_ns = given(w->subflow),
                                           .bulk_gap_ns = given(w->bulk_gap),
                                           .bulk_packets = (uint32_t)w->bulk,
                                           .max_flows = (uint32_t)w->max_flows,
                                           .sequence_packets = (uint32_t)w->sequence,
                                           .seed = cli->seed,
                                           .merge_interfaces = w->merge_interfaces,
                                           .merge_vlans = w->merge_vlans};
    o->threads = (unsigned)w->threads;
    o->max_packets = w->packets;
    o->services = w->services;
    o->truth = w->truth;
    o->dpi = w->dpi;
    o->confusion = w->confusion;
    o->graph = w->graph;
    o->rates = w->rates;
    o->rates_bin_ns = given(w->rates_bin);
    o->interface = w->interface;
    o->duration_ns = given(w->duration);
    o->ring_bytes = w->ring;
    o->snaplen = (uint32_t)w->snaplen;
    o->whole_hash = w->hash;
    o->seed = cli->seed;
    return true;
}

static int list_features(const struct sl_cli *cli)
{
    SL_AUTO(sl_json_decref) json_t *list = json_array();
    for (size_t i = 0; i < sl_features_count(); i++) {
        struct sl_feature_info f = sl_features_info(i);
        if (cli->json)
            json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name",
                                                  f.name, "cic_name", f.cic_name, "profile",
                                                  f.profile, "type", f.type, "unit", f.unit,
                                                  "formula", f.formula, "source", f.source));
        else
            printf("%-28s %-7s %-4s %-4s %-12s %s%s%s%s\n", f.name, f.profile, f.type,
                   f.unit[0] ? f.unit : "-", f.source, f.formula, f.cic_name[0] ? " [" : "",
                   f.cic_name, f.cic_name[0] ? "]" : "");
    }
    if (cli->json) {
        SL_AUTO(sl_json_decref)
        json_t *o = json_pack("{s:s, s:O}", "schema", "sluice.features/1", "features", list);
        sl_cli_json(o);
    }
    return SL_OK;
}

// ---- the summary for people ---------------------------------------------------------------------

static int64_t num(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static void warn_of_losses(const json_t *s)
{
    const json_t *p = json_object_get(s, "packets"), *kinds = json_object_get(p, "kinds");
    const json_t *damage = json_object_get(json_object_get(s, "trace"), "damage");
    if (json_is_string(damage))
        sl_warn("the trace is damaged and was read up to there: %s", json_string_value(damage));
    const json_t *live = json_object_get(s, "live");
    if (num(live, "dropped_by_kernel"))
        sl_warn("the kernel dropped %" PRId64
                " packets that the ring had no room for; raise --ring",
                num(live, "dropped_by_kernel"));
    if (json_is_true(json_object_get(live, "interface_gone")))
        sl_warn("the interface went down: the capture ended early");
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)kinds, key, v)
    {
        if (strcmp(key, "ok") && strcmp(key, "fragment") && strcmp(key, "not-ip") &&
            json_integer_value(v))
            sl_warn("%" PRId64 " packets are left out: %s", (int64_t)json_integer_value(v), key);
    }
    int64_t evicted = num(json_object_get(s, "flows"), "evicted");
    if (evicted)
        sl_warn("the flow table was full: %" PRId64 " flows were evicted early; raise --max-flows",
                evicted);
    if (num(s, "zones_beyond_packets"))
        sl_warn("more than 65,534 interfaces and VLANs: %" PRId64
                " packets of the others count as of one, without VLAN; "
                "see --merge-vlans and --merge-interfaces",
                num(s, "zones_beyond_packets"));
    if (num(json_object_get(s, "cic"), "segments_not_kept"))
        sl_warn("%" PRId64
                " TCP segments were too many to remember: a repetition of one of them is "
                "not counted as a retransmission",
                num(json_object_get(s, "cic"), "segments_not_kept"));
    int64_t outside = num(json_object_get(s, "rates"), "packets_outside");
    if (outside)
        sl_warn("%" PRId64 " packets are missing from the rates, too far from the "
                "trace's beginning; is a clock wrong? A longer --rates-bin reaches farther",
                outside);
    if (num(p, "fragments_without_first"))
        sl_warn("%" PRId64
                " later fragments came without their first: they count as flows with port 0",
                num(p, "fragments_without_first"));
}

static void tell(const json_t *s)
{
    const json_t *p = json_object_get(s, "packets"), *f = json_object_get(s, "flows");
    double cpu = json_real_value(json_object_get(s, "cpu_s"));
    char bytes[24];
    warn_of_losses(s);
    sl_info("%" PRId64 " packets, %s, %" PRId64
            " flows in %.2f CPU-seconds (%.2f M packets per CPU-second, %" PRId64 " threads)",
            num(p, "read"), sl_format_bytes((double)num(p, "wire_bytes"), bytes, sizeof bytes),
            num(f, "total"), cpu, cpu > 0 ? (double)num(p, "read") / cpu / 1e6 : 0,
            num(s, "threads"));
}

int sl_cmd_flows(struct sl_cli *cli, int argc, char **argv)
{
    struct words w = {.idle = -1, // not given
                      .active = -1,
                      .closing = -1,
                      .activity = -1,
                      .subflow = -1,
                      .bulk_gap = -1,
                      .duration = -1,
                      .rates_bin = -1,
                      .bulk = NOT_GIVEN,
                      .max_flows = NOT_GIVEN,
                      .packets = NOT_GIVEN,
                      .sequence = NOT_GIVEN,
                      .ring = NOT_GIVEN,
                      .snaplen = NOT_GIVEN};
    const struct sl_opt opts[] = {
        {"output", 'o', SL_OPT_TEXT, "FILE", "where the table goes (default: standard output)",
         &w.output},
        {"format", 'f', SL_OPT_TEXT, "FORMAT",
         "csv, jsonl, parquet, npy, zeek, ipfix (default: by the name, else csv)", &w.format},
        {"semantics", 0, SL_OPT_TEXT, "NAME",
         "fixed (default), cic, cic-fixed: whose flows and features", &w.semantics},
        {"profile", 'p', SL_OPT_TEXT, "NAME", "basic, cic (default), full: how many features",
         &w.profile},
        {"features", 0, SL_OPT_TEXT, "LIST", "only these columns, in this order", &w.features},
        {"names", 0, SL_OPT_TEXT, "NAME",
         "sluice or cic: headers (default: cic with the cic semantics)", &w.names},
        {"list-features", 0, SL_OPT_FLAG, NULL,
         "name, profile, type, unit, source, formula of every column; then end", &w.list},
        {"no-table", 0, SL_OPT_FLAG, NULL, "count only: no table", &w.no_table},
        {"interface", 'i', SL_OPT_TEXT, "NAME",
         "live: packets of this interface instead of a trace", &w.interface},
        {"duration", 'd', SL_OPT_DURATION_NS, "TIME", "live: how long (default: until Ctrl-C)",
         &w.duration},
        {"ring", 0, SL_OPT_BYTES, "BYTES", "live: size of the capture ring (default 64M)", &w.ring},
        {"snaplen", 0, SL_OPT_U64, "BYTES",
         "live: captured of each packet (default 256; profile full 1600)", &w.snaplen},
        {"packets", 'c', SL_OPT_U64, "N", "stop after so many packets", &w.packets},
        {"tunnels", 0, SL_OPT_TEXT, "WHICH",
         "inner (default) or outer: whose addresses make the flow", &w.tunnels},
        {"merge-interfaces", 0, SL_OPT_FLAG, NULL, "one flow across capture interfaces",
         &w.merge_interfaces},
        {"merge-vlans", 0, SL_OPT_FLAG, NULL, "one flow across VLANs", &w.merge_vlans},
        {"idle", 0, SL_OPT_DURATION_NS, "TIME", "idle time-out (default 120s)", &w.idle},
        {"active", 0, SL_OPT_DURATION_NS, "TIME", "active time-out (default 30m)", &w.active},
        {"closing", 0, SL_OPT_DURATION_NS, "TIME",
         "wait for stragglers after FIN or RST (default 5s)", &w.closing},
        {"activity", 0, SL_OPT_DURATION_NS, "TIME",
         "a longer gap ends an active period (default 5s)", &w.activity},
        {"subflow", 0, SL_OPT_DURATION_NS, "TIME", "a longer gap ends a subflow (default 1s)",
         &w.subflow},
        {"bulk-gap", 0, SL_OPT_DURATION_NS, "TIME", "a longer gap ends a bulk (default 1s)",
         &w.bulk_gap},
        {"bulk-packets", 0, SL_OPT_U64, "N", "packets that make a bulk (default 4)", &w.bulk},
        {"sequence", 0, SL_OPT_U64, "N", "packets kept in sequences, profile full (default 30)",
         &w.sequence},
        {"max-flows", 0, SL_OPT_U64, "N",
         "flows kept at once; beyond it the quietest is evicted (default 2097152)", &w.max_flows},
        {"threads", 'j', SL_OPT_U64, "N", "threads (default: one per processor)", &w.threads},
        {"services", 0, SL_OPT_TEXT, "FILE",
         "service names by port instead of the built-in registry", &w.services},
        {"truth", 0, SL_OPT_TEXT, "PATH",
         "labels from the orchestration: a run's folder, or its labels.csv", &w.truth},
        {"dpi", 0, SL_OPT_FLAG, NULL, "label by nDPI too", &w.dpi},
        {"confusion", 0, SL_OPT_FLAG, NULL,
         "where port names disagree with the truth (needs --truth)", &w.confusion},
        {"graph", 0, SL_OPT_TEXT, "FILE",
         "connectivity graph, by its ending: .json, .csv, .mmd, .svg", &w.graph},
        {"rates", 0, SL_OPT_TEXT, "FILE",
         "rates of each class over time, by its ending: .csv, .jsonl", &w.rates},
        {"rates-bin", 0, SL_OPT_DURATION_NS, "TIME", "bin of the rates (default 1s)", &w.rates_bin},
        {"hash", 0, SL_OPT_FLAG, NULL,
         "hash the whole input for the provenance, not its first and last MiB", &w.hash},
    };
    SL_AUTO(sl_free_str) char *line = sl_cli_line(argc, argv);
    int n;
    int status = sl_cli_parse(cli, opts, sizeof opts / sizeof opts[0], argc, argv, 0, 1, &n);
    if (status >= 0)
        return status;
    if (w.list && (n || w.interface))
        return sl_cli_usage(cli,
                            "--list-features reads nothing: leave the trace or --interface away");
    if (w.list)
        return list_features(cli);
    if ((n == 1) == (w.interface != NULL))
        return sl_cli_usage(cli, n ? "a trace or --interface, not both"
                                   : "name a trace, or '-', or --interface NAME");
    struct sl_error err = {0};
    struct sl_flows_options o = {.input = n ? argv[0] : NULL, .command_line = line};
    if (!fill(&w, cli, &o, &err))
        return sl_cli_fail(cli, &err);
    bool to_stdout = o.output && !strcmp(o.output, "-"); // the table has it for itself
    struct sl_str confusion = {0};
    o.confusion_text = w.confusion ? &confusion : NULL;
    o.colour = cli->colour && !to_stdout;
    SL_AUTO(sl_json_decref) json_t *s = sl_flows_run(&o, &err);
    if (s && cli->json && !to_stdout) {
        sl_cli_json(s);
    } else if (s) {
        tell(s);
        fputs(sl_str_text(&confusion), to_stdout ? stderr : stdout);
    }
    sl_str_done(&confusion);
    return s ? SL_OK : sl_cli_fail(cli, &err);
}
