// SPDX-License-Identifier: Apache-2.0
// sluice compare A B: how far two traces or flow tables are apart.
#include "base/auto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/cli.h"
#include "measure/samples.h"
#include "stats/compare.h"
#include <float.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NOT_GIVEN UINT64_MAX

struct words { // reals are -1 when not given
    const char *html, *services, *truth, *wavelet, *tunnels;
    const char *columns[16], *columns_a[16], *columns_b[16];
    uint64_t packets, splits, classes, first_octave;
    double factor, min_effect, mean_jsd, mean_nw1, mean_ks, jsd, nw1, ks;
    bool strict;
};

/*
 * An option that could not have an effect is a misunderstanding, and said: what is for traces
 * beside two tables, what is for tables beside a trace.
 */
static bool all_have_effect(const struct words *w, char **paths, struct sl_error *err)
{
    bool a = sl_samples_is_table(paths[0]), b = sl_samples_is_table(paths[1]);
    static const char *const both = "both are tables", *const none = "neither is a table";
    const struct {
        bool wrong;
        const char *option, *why;
    } checks[] = {
        {a && b && w->packets != NOT_GIVEN, "--packets", both},
        {a && b && w->tunnels, "--tunnels", both},
        {a && b && w->truth, "--truth", both},
        {a && b && w->services, "--services", both},
        {!a && !b && w->columns[0], "--column", none},
        {!a && w->columns_a[0], "--column-a", "A is no table"},
        {!b && w->columns_b[0], "--column-b", "B is no table"},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (!checks[i].wrong)
            continue;
        sl_fail(err, SL_EUSAGE, "%s has no effect here: %s", checks[i].option, checks[i].why);
        sl_hint(err, "leave %s away", checks[i].option);
        return false;
    }
    return true;
}

static bool numbers_are_some(struct words *w, struct sl_error *err)
{
    const struct {
        const char *option;
        uint64_t *n;
    } numbers[] = {{"packets", &w->packets},
                   {"splits", &w->splits},
                   {"classes", &w->classes},
                   {"first-octave", &w->first_octave}};
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

// sl_compare takes 0 for "not given"; a bound of 0 is the least that is more.
static double bound(double x)
{
    return x < 0 ? 0 : x > 0 ? x : DBL_MIN;
}

static bool spares_inputs(const char *page, char **paths, struct sl_error *err)
{
    struct stat in, out;
    for (int i = 0; page && stat(page, &out) == 0 && i < 2; i++)
        if (stat(paths[i], &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino) {
            sl_fail(err, SL_EUSAGE, "'%s' is compared: the page would take its place", page);
            sl_hint(err, "give --html another name");
            return false;
        }
    return true;
}

static bool fill(struct words *w, const struct sl_cli *cli, char **paths,
                 struct sl_compare_options *o, struct sl_error *err)
{
    if (!all_have_effect(w, paths, err) || !numbers_are_some(w, err) ||
        !spares_inputs(w->html, paths, err))
        return false;
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
                                     .factor = bound(w->factor),
                                     .min_effect = bound(w->min_effect),
                                     .haar = w->wavelet && !strcmp(w->wavelet, "haar"),
                                     .j1 = (int)w->first_octave,
                                     .max_classes = w->classes,
                                     .max_mean_jsd = bound(w->mean_jsd),
                                     .max_mean_nw1 = bound(w->mean_nw1),
                                     .max_mean_ks = bound(w->mean_ks),
                                     .max_jsd = bound(w->jsd),
                                     .max_nw1 = bound(w->nw1),
                                     .max_ks = bound(w->ks),
                                     .fail_if_different = w->strict};
    return true;
}

static bool load(const char *path, const struct words *w, const char *const *columns,
                 const struct sl_labels *labels, struct sl_sample_set *set, struct sl_error *err)
{
    const char *all[2 * 16 + 1] = {0}; // of one role the last counts
    size_t n = 0;
    for (int i = 0; i < 16 && w->columns[i]; i++)
        all[n++] = w->columns[i];
    for (int i = 0; i < 16 && columns[i]; i++)
        all[n++] = columns[i];
    struct sl_samples_options o = {.labels = labels,
                                   .outer = w->tunnels && !strcmp(w->tunnels, "outer"),
                                   .max_packets = w->packets,
                                   .columns = n ? all : NULL};
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
    struct words w = {.packets = NOT_GIVEN,
                      .splits = NOT_GIVEN,
                      .classes = NOT_GIVEN,
                      .first_octave = NOT_GIVEN,
                      .factor = -1,
                      .min_effect = -1,
                      .mean_jsd = -1,
                      .mean_nw1 = -1,
                      .mean_ks = -1,
                      .jsd = -1,
                      .nw1 = -1,
                      .ks = -1};
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
    if (!fill(&w, cli, argv, &o, &err))
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
