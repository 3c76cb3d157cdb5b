// SPDX-License-Identifier: Apache-2.0
// sluice compare A B: how far two traces or flow tables are apart.
#include "base/auto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/cli.h"
#include "measure/samples.h"
#include "stats/compare.h"
#include <stdio.h>
#include <string.h>

struct words {
    const char *html, *services, *truth, *wavelet, *tunnels;
    const char *columns[16], *columns_a[16], *columns_b[16];
    uint64_t packets, splits, classes, first_octave;
    double factor, min_effect, mean_jsd, mean_nw1, mean_ks, jsd, nw1, ks;
    bool strict;
};

static bool fill(const struct words *w, const struct sl_cli *cli, struct sl_compare_options *o,
                 struct sl_error *err)
{
    if (w->wavelet && strcmp(w->wavelet, "haar") && strcmp(w->wavelet, "db3")) {
        sl_fail(err, SL_EUSAGE, "there is no wavelet '%s' here", w->wavelet);
        sl_hint(err, "take db3 (blind to trends) or haar");
        return false;
    }
    if (w->tunnels && strcmp(w->tunnels, "inner") && strcmp(w->tunnels, "outer"))
        return sl_fail(err, SL_EUSAGE, "--tunnels is inner or outer, not '%s'", w->tunnels);
    if (w->splits > SL_COMPARE_MAX_SPLITS || w->first_octave > 30 || w->classes > 1000)
        return sl_fail(err, SL_EUSAGE,
                       "a number is too large: at most %d splits, 1,000 classes, octave 30",
                       SL_COMPARE_MAX_SPLITS);
    *o = (struct sl_compare_options){.seed = cli->seed,
                                     .splits = (int)w->splits,
                                     .factor = w->factor,
                                     .min_effect = w->min_effect,
                                     .haar = w->wavelet && !strcmp(w->wavelet, "haar"),
                                     .j1 = (int)w->first_octave,
                                     .max_classes = w->classes,
                                     .max_mean_jsd = w->mean_jsd,
                                     .max_mean_nw1 = w->mean_nw1,
                                     .max_mean_ks = w->mean_ks,
                                     .max_jsd = w->jsd,
                                     .max_nw1 = w->nw1,
                                     .max_ks = w->ks,
                                     .fail_if_different = w->strict};
    return true;
}

static bool load(const char *path, const struct words *w, const char *const *columns,
                 const struct sl_labels *labels, struct sl_sample_set *set, struct sl_error *err)
{
    struct sl_samples_options o = {.labels = labels,
                                   .outer = w->tunnels && !strcmp(w->tunnels, "outer"),
                                   .max_packets = w->packets,
                                   .columns = columns[0]      ? columns
                                              : w->columns[0] ? w->columns
                                                              : NULL};
    if (sl_samples_load(path, &o, set, err))
        return true;
    return !err->file[0] && !strstr(err->msg, path) ? sl_within(err, "%s", path) : false;
}

static struct sl_comparison *compare(char **argv, const struct words *w,
                                     const struct sl_compare_options *o, struct sl_error *err)
{
    struct sl_labels *labels = sl_labels_new(w->services, w->truth, err);
    struct sl_sample_set a = {0}, b = {0};
    struct sl_comparison *c = NULL;
    if (labels && load(argv[0], w, w->columns_a, labels, &a, err) &&
        load(argv[1], w, w->columns_b, labels, &b, err))
        c = sl_compare(&a, &b, o);
    sl_sample_set_done(&a);
    sl_sample_set_done(&b);
    sl_labels_free(labels);
    return c;
}

static bool write_page(const struct sl_comparison *c, const char *path, const char *line,
                       struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *made_by = sl_format("sluice %s: %s", SLUICE_VERSION, line);
    SL_AUTO(sl_free_str) char *page = sl_comparison_html(c, made_by, err);
    return page && sl_write_file(path, page, strlen(page), err);
}

static void show(const struct sl_cli *cli, const struct sl_comparison *c, const char *line)
{
    if (cli->json) {
        SL_AUTO(sl_json_decref) json_t *j = sl_comparison_json(c);
        json_object_set_new(j, "command", json_string(line));
        sl_cli_json(j);
        return;
    }
    struct sl_str text = {0};
    sl_comparison_text(c, cli->colour, &text);
    fputs(sl_str_text(&text), stdout);
    sl_str_done(&text);
}

int sl_cmd_compare(struct sl_cli *cli, int argc, char **argv)
{
    struct words w = {0};
    const struct sl_opt opts[] = {
        {"html", 0, SL_OPT_TEXT, "FILE", "write the report as one self-contained page", &w.html},
        {"fail-if-different", 0, SL_OPT_FLAG, NULL, "exit with 6 when the verdict is 'different'",
         &w.strict},
        {"max-mean-jsd", 0, SL_OPT_DOUBLE, "X",
         "exit with 6 when the mean JSD of all traffic is larger", &w.mean_jsd},
        {"max-mean-nw1", 0, SL_OPT_DOUBLE, "X", "the same for the mean normalised W1", &w.mean_nw1},
        {"max-mean-ks", 0, SL_OPT_DOUBLE, "X", "the same for the mean KS distance", &w.mean_ks},
        {"max-jsd", 0, SL_OPT_DOUBLE, "X", "exit with 6 when any field's JSD is larger", &w.jsd},
        {"max-nw1", 0, SL_OPT_DOUBLE, "X", "the same for normalised W1", &w.nw1},
        {"max-ks", 0, SL_OPT_DOUBLE, "X", "the same for KS", &w.ks},
        {"splits", 0, SL_OPT_U64, "N", "random halvings of A for the sampling floor (default 5)",
         &w.splits},
        {"factor", 0, SL_OPT_DOUBLE, "X",
         "a field differs beyond so many times its floor (default 3)", &w.factor},
        {"min-effect", 0, SL_OPT_DOUBLE, "X", "and only beyond this distance (default 0.01)",
         &w.min_effect},
        {"wavelet", 0, SL_OPT_TEXT, "NAME", "of the logscale diagrams: db3 (default) or haar",
         &w.wavelet},
        {"first-octave", 0, SL_OPT_U64, "J",
         "where the slope of the logscale diagram begins (default 3)", &w.first_octave},
        {"classes", 0, SL_OPT_U64, "N", "classes with sections of their own (default 12)",
         &w.classes},
        {"packets", 'c', SL_OPT_U64, "N",
         "read at most so many packets of a trace (default 50,000,000)", &w.packets},
        {"tunnels", 0, SL_OPT_TEXT, "WHICH", "inner (default) or outer addresses make the flow",
         &w.tunnels},
        {"services", 0, SL_OPT_TEXT, "FILE",
         "service names by port instead of the built-in registry", &w.services},
        {"truth", 0, SL_OPT_TEXT, "PATH",
         "labels from the orchestration: a run's folder, or its labels.csv", &w.truth},
        {"column", 0, SL_OPT_LIST, "ROLE=NAME",
         "which column of a flow table holds what, as start=first@ms", w.columns},
        {"column-a", 0, SL_OPT_LIST, "ROLE=NAME", "the same for A alone", w.columns_a},
        {"column-b", 0, SL_OPT_LIST, "ROLE=NAME", "the same for B alone", w.columns_b},
    };
    SL_AUTO(sl_free_str) char *line = sl_cli_line(argc, argv);
    int n;
    int status = sl_cli_parse(cli, opts, sizeof opts / sizeof opts[0], argc, argv, 2, 2, &n);
    if (status >= 0)
        return status;
    struct sl_error err = {0};
    struct sl_compare_options o;
    if (!fill(&w, cli, &o, &err))
        return sl_cli_fail(cli, &err);
    struct sl_comparison *c = compare(argv, &w, &o, &err);
    if (!c || (w.html && !write_page(c, w.html, line, &err))) {
        sl_comparison_free(c);
        return sl_cli_fail(cli, &err);
    }
    show(cli, c, line);
    if (w.html)
        sl_info("report: %s", w.html);
    if (!c->pass)
        sl_log(SL_LOG_ERROR, "a bound was missed: %s", c->failures);
    status = c->pass ? SL_OK : SL_EMISS;
    sl_comparison_free(c);
    return status;
}
