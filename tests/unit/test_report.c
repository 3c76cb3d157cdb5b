// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/mem.h"
#include "base/rng.h"
#include "stats/html.h"
#include "stats/report.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static const char summary_text[] =
    "{\"schema\":\"sluice.run/1\",\"name\":\"<script>alert('run')</script>\",\"spec_text\":\"# "
    "<b>\\n\","
    "\"started\":\"2026-11-20T23:08:05Z\",\"duration_s\":4,\"status\":\"missed\",\"reason\":\"a & "
    "b\","
    "\"tolerance\":0.1,\"measured_from_s\":1,\"measured_to_s\":4,"
    "\"statements\":[{\"text\":\"generate <i>\",\"type\":\"web\\\" "
    "onload=\\\"x\",\"from\":\"h1\",\"to\":\"h2\","
    "\"asked_bps\":20000000,\"planned_bps\":20000000,\"achieved_bps\":15000000,\"deviation\":0.25,"
    "\"up_bps\":1000000,\"down_bps\":14000000,\"flows\":3.5,\"flows_min\":2,\"flows_max\":null,"
    "\"flows_ok\":true,"
    "\"ok\":false,\"reason\":\"too "
    "slow\",\"series_bps\":[1e6,15e6,15e6,15e6],\"flows_series\":[1,2,3,4]}],"
    "\"hosts\":[{\"name\":\"h1\",\"rx_bytes\":2048,\"tx_bytes\":1048576,\"rx_packets\":1234567,"
    "\"tx_packets\":1}],"
    "\"graph\":{\"nodes\":["
    "{\"id\":\"a\",\"label\":\"<script>web\",\"project\":\"p\",\"host\":\"h1\",\"image\":\"i\","
    "\"class\":\"web\","
    "\"role\":\"client\"},"
    "{\"id\":\"b\",\"label\":\"db\",\"project\":\"p\",\"host\":\"h2\",\"image\":\"i\",\"class\":"
    "\"database\","
    "\"role\":\"server\"}],"
    "\"edges\":[{\"src\":\"a\",\"dst\":\"b\",\"class\":\"<script>\",\"app\":\"pg\",\"proto\":6,"
    "\"port\":5432,"
    "\"bytes_up\":1024,\"bytes_down\":1024,\"flows\":2,\"statement\":0},"
    "{\"src\":\"a\",\"dst\":\"nobody\",\"class\":\"web\",\"app\":\"\",\"proto\":6,\"port\":1,"
    "\"bytes_up\":1,"
    "\"bytes_down\":1,\"flows\":1,\"statement\":null}]},"
    "\"projects\":[{\"name\":\"<script>p\",\"instances\":1,\"containers\":2}],"
    "\"events\":[{\"t_s\":0.5,\"type\":\"<script>\",\"text\":\"</span><script>\"}],"
    "\"metadata\":{\"<script>k\":\"<script>v\",\"nested\":{\"x\":[1,2]}}}";

static json_t *summary(void)
{
    struct sl_error err = {0};
    json_t *s = sl_json_parse(summary_text, strlen(summary_text), "test", &err);
    if (!s)
        fail_msg("%s", err.msg);
    return s;
}

static char *page_of(const json_t *s)
{
    struct sl_error err = {0};
    char *html = sl_report_html(s, &err);
    if (!html)
        fail_msg("%s", err.msg);
    return html;
}

static size_t count(const char *text, const char *needle)
{
    size_t n = 0;
    for (; (text = strstr(text, needle)); text += strlen(needle))
        n++;
    return n;
}

static void strangers_text_is_escaped_wherever_it_stands(void **state)
{
    (void)state;
    SL_AUTO(sl_json_decref) json_t *s = summary();
    SL_AUTO(sl_free_str) char *html = page_of(s);
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "onload=\"x"));
    assert_null(strstr(html, "<i>"));
    assert_non_null(strstr(html, "&lt;script&gt;alert(&#39;run&#39;)&lt;/script&gt;"));
    assert_non_null(strstr(html, "a &amp; b"));
    assert_non_null(strstr(html, "&lt;script&gt;v"));
}

static void the_page_needs_nothing_from_elsewhere(void **state)
{
    (void)state;
    SL_AUTO(sl_json_decref) json_t *s = summary();
    SL_AUTO(sl_free_str) char *html = page_of(s);
    static const char *const outside[] = {"src=", "href=", "url(", "@import", "<link", "<iframe"};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        assert_null(strstr(html, outside[i]));
    assert_non_null(strstr(html, "default-src 'none'"));
    assert_int_equal(count(html, "http://"), count(html, "http://www.w3.org/2000/svg"));
}

// Deviation by hand: (15 - 20) / 20 = -25 %.
static void asked_and_achieved_are_told_with_marks(void **state)
{
    (void)state;
    SL_AUTO(sl_json_decref) json_t *s = summary();
    SL_AUTO(sl_free_str) char *html = page_of(s);
    assert_non_null(strstr(html, "<td class=\"n\">20.0 Mbit/s</td>"));
    assert_non_null(strstr(html, "−25.0 %"));
    assert_non_null(strstr(html, "3.5 ≥ 2 <span class=\"good\">✓</span>"));
    assert_non_null(strstr(html, "<span class=\"pill bad\">missed</span>"));
    assert_non_null(strstr(html, "0 of 1"));
    assert_non_null(strstr(html, "1,234,567"));
    assert_non_null(strstr(html, "nested.x"));
    assert_non_null(strstr(html, "1 connections of unknown services left out"));
}

static void the_same_summary_gives_the_same_page(void **state)
{
    (void)state;
    SL_AUTO(sl_json_decref) json_t *s = summary();
    SL_AUTO(sl_free_str) char *a = page_of(s);
    SL_AUTO(sl_free_str) char *b = page_of(s);
    assert_string_equal(a, b);
}

static void refused(json_t *s, const char *needle)
{
    struct sl_error err = {0};
    assert_null(sl_report_html(s, &err));
    assert_int_equal(err.code, SL_EINPUT);
    if (!strstr(err.msg, needle))
        fail_msg("'%s' does not say '%s'", err.msg, needle);
}

static void a_missing_member_is_named(void **state)
{
    (void)state;
    SL_AUTO(sl_json_decref) json_t *a = summary();
    json_object_del(a, "statements");
    refused(a, "'statements'");
    SL_AUTO(sl_json_decref) json_t *b = summary();
    json_object_del(json_array_get(json_object_get(b, "statements"), 0), "asked_bps");
    refused(b, "statement 1 of the summary has no 'asked_bps'");
    SL_AUTO(sl_json_decref) json_t *c = summary();
    json_object_set_new(c, "schema", json_string("sluice.run/2"));
    refused(c, "sluice.run/2");
    SL_AUTO(sl_json_decref) json_t *d = json_array();
    refused(d, "no summary of a run");
}

// Only what is required: no graph, no series, no metadata.
static void an_almost_empty_summary_still_makes_a_page(void **state)
{
    (void)state;
    SL_AUTO(sl_json_decref)
    json_t *s = json_pack("{s:s, s:s, s:[{s:f, s:f}]}", "schema", "sluice.run/1", "name", "x",
                          "statements", "asked_bps", 0.0, "achieved_bps", 0.0);
    SL_AUTO(sl_free_str) char *html = page_of(s);
    assert_non_null(strstr(html, "no graph was recorded"));
    assert_non_null(strstr(html, "no second was measured"));
    assert_null(strstr(html, "nan"));
    assert_null(strstr(html, "inf "));
}

struct box {
    double x, y, w, h;
};

static size_t boxes_of(const char *svg, const char *opening, struct box *out, size_t max)
{
    size_t n = 0;
    for (const char *p = svg; (p = strstr(p, opening)) && n < max; p++) {
        const char *x = strstr(p, " x=\"");
        assert_int_equal(sscanf(x, " x=\"%lf\" y=\"%lf\" width=\"%lf\" height=\"%lf\"", &out[n].x,
                                &out[n].y, &out[n].w, &out[n].h),
                         4);
        n++;
    }
    return n;
}

static bool overlap(const struct box *a, const struct box *b)
{
    return a->x < b->x + b->w && b->x < a->x + a->w && a->y < b->y + b->h && b->y < a->y + a->h;
}

static json_t *random_graph(struct sl_rng *rng, int nodes, int edges, int hosts)
{
    json_t *n = json_array(), *e = json_array();
    static const char *const classes[] = {"web", "database", "cache", "crypto", "odd-one"};
    for (int i = 0; i < nodes; i++) {
        char id[16], host[16];
        snprintf(id, sizeof id, "n%d", i);
        snprintf(host, sizeof host, "h%d", 1 + (int)sl_rng_below(rng, (uint64_t)hosts));
        json_array_append_new(n, json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "label", id,
                                           "host", sl_rng_below(rng, 6) ? host : "external",
                                           "class", classes[sl_rng_below(rng, 5)], "project", "p"));
    }
    for (int i = 0; i < edges; i++) {
        char src[16], dst[16];
        snprintf(src, sizeof src, "n%d", (int)sl_rng_below(rng, (uint64_t)nodes));
        snprintf(dst, sizeof dst, "n%d", (int)sl_rng_below(rng, (uint64_t)nodes));
        json_array_append_new(
            e, json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:n}", "src", src, "dst",
                         dst, "class", classes[sl_rng_below(rng, 5)], "app", "x", "proto", 6,
                         "port", 80, "bytes_up", (json_int_t)sl_rng_below(rng, 1 << 20),
                         "bytes_down", (json_int_t)0, "flows", (json_int_t)1, "statement"));
    }
    return json_pack("{s:o, s:o}", "nodes", n, "edges", e);
}

// Property: whatever the graph, services overlap no service, hosts no host, and services lie in a
// host.
static void boxes_never_overlap(void **state)
{
    (void)state;
    enum { SEED = 77, MAX = 128 };
    print_message("# seed %d\n", SEED);
    struct sl_rng rng = sl_rng_stream(SEED, "test.graph", 0);
    for (int round = 0; round < 40; round++) {
        int nodes = 1 + (int)sl_rng_below(&rng, 60);
        SL_AUTO(sl_json_decref)
        json_t *g = random_graph(&rng, nodes, (int)sl_rng_below(&rng, 120),
                                 1 + (int)sl_rng_below(&rng, 12));
        struct sl_error err = {0};
        SL_AUTO(sl_free_str) char *svg = sl_graph_svg(g, &err);
        assert_non_null(svg);
        struct box hosts[MAX], box[MAX];
        size_t n_hosts = boxes_of(svg, "<rect class=\"host", hosts, MAX);
        size_t n = boxes_of(svg, "<rect class=\"box\"", box, MAX);
        assert_int_equal(n, nodes);
        for (size_t i = 0; i < n_hosts; i++)
            for (size_t k = 0; k < i; k++)
                assert_false(overlap(&hosts[i], &hosts[k]));
        for (size_t i = 0; i < n; i++) {
            size_t inside = 0;
            for (size_t k = 0; k < i; k++)
                assert_false(overlap(&box[i], &box[k]));
            for (size_t k = 0; k < n_hosts; k++)
                inside += box[i].x >= hosts[k].x && box[i].y >= hosts[k].y &&
                          box[i].x + box[i].w <= hosts[k].x + hosts[k].w &&
                          box[i].y + box[i].h <= hosts[k].y + hosts[k].h;
            assert_int_equal(inside, 1);
        }
    }
}

static void hosts_stand_in_natural_order_and_external_last(void **state)
{
    (void)state;
    json_t *n = json_array();
    static const char *const hosts[] = {"external", "h10", "h2", "h1"};
    for (int i = 0; i < 4; i++)
        json_array_append_new(n, json_pack("{s:s, s:s}", "id", hosts[i], "host", hosts[i]));
    SL_AUTO(sl_json_decref) json_t *g = json_pack("{s:o, s:[]}", "nodes", n, "edges");
    struct sl_error err = {0};
    SL_AUTO(sl_free_str) char *svg = sl_graph_svg(g, &err);
    const char *at[4];
    static const char *const titles[] = {">h1<", ">h2<", ">h10<", ">external<"};
    for (int i = 0; i < 4; i++) {
        at[i] = strstr(svg, titles[i]);
        assert_non_null(at[i]);
        assert_true(i == 0 || at[i] > at[i - 1]);
    }
}

// 900 samples in at most 300 bins of 3: samples 0, 3, 6 -> mean 3 in the first bin.
static void a_long_run_is_averaged_into_bins_with_titles(void **state)
{
    (void)state;
    SL_AUTO(sl_json_decref) json_t *series = json_array();
    for (int i = 0; i < 900; i++)
        json_array_append_new(series, json_real(i * 3e6));
    struct sl_curve c = {.series_bps = series,
                         .asked_bps = 1e6,
                         .from_s = NAN,
                         .to_s = NAN,
                         .flows_min = NAN,
                         .flows_max = NAN,
                         .type = "web",
                         .title = "t"};
    struct sl_str out = {0};
    sl_curve_svg(&out, &c);
    assert_int_equal(count(sl_str_text(&out), "class=\"hover\""), 300);
    assert_non_null(strstr(sl_str_text(&out), "<title>0 to 3 s, mean: 3.0 Mbit/s</title>"));
    assert_null(strstr(sl_str_text(&out), "class=\"window\""));
    sl_str_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_text_is_escaped_wherever_it_stands),
        cmocka_unit_test(the_page_needs_nothing_from_elsewhere),
        cmocka_unit_test(asked_and_achieved_are_told_with_marks),
        cmocka_unit_test(the_same_summary_gives_the_same_page),
        cmocka_unit_test(a_missing_member_is_named),
        cmocka_unit_test(an_almost_empty_summary_still_makes_a_page),
        cmocka_unit_test(boxes_never_overlap),
        cmocka_unit_test(hosts_stand_in_natural_order_and_external_last),
        cmocka_unit_test(a_long_run_is_averaged_into_bins_with_titles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
