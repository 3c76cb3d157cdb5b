// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"
#include "classes/classes.h"
#include "lang/lexer.h"
#include "lang/spec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

enum { SEED = 20240612 };

static struct sl_spec *parsed(const char *text)
{
    return sl_spec_parse("t.dtsl", text, strlen(text));
}

// The spec must be without errors; the caller frees it.
static struct sl_spec *good(const char *text)
{
    struct sl_spec *s = parsed(text);
    struct sl_error err = {0};
    if (!sl_spec_ok(s, &err))
        fail_msg("%s: %d:%d: %s", text, err.line, err.col, err.msg);
    return s;
}

// Exactly these diagnostics, each "line:col+width message part", NULL at the end.
static void expect_diagnostics(const char *text, size_t len, const char *const *want)
{
    struct sl_spec *s = sl_spec_parse("t.dtsl", text, len);
    size_t n = 0;
    for (; want[n]; n++) {
        int line, col, width, at = 0;
        assert_int_equal(sscanf(want[n], "%d:%d+%d %n", &line, &col, &width, &at), 3);
        if (n >= s->n_diagnostics)
            fail_msg("%s\nlacks: %s", text, want[n]);
        const struct sl_diagnostic *d = &s->diagnostics[n];
        if (d->line != line || d->col != col || d->width != width ||
            (!strstr(d->message, want[n] + at) && !strstr(d->hint, want[n] + at)))
            fail_msg("%s\nwanted %s\ngot    %d:%d+%d %s (%s)", text, want[n], d->line, d->col,
                     d->width, d->message, d->hint);
    }
    if (s->n_diagnostics != n)
        fail_msg("%s\none too many: %s", text, s->diagnostics[n].message);
    sl_spec_free(s);
}
#define DIAGNOSES(text, ...)                                                                       \
    expect_diagnostics(text, strlen(text), (const char *const[]){__VA_ARGS__, NULL})

static void the_papers_example_means_what_the_paper_says(void **state)
{
    (void)state;
    // DYNAMO, HotNets 2022, section 3: 100 Mbit/s of web from h1 to h2, 50 Mbit/s of database from
    // h3 to external with at least 5 flows; three interfaces.
    struct sl_spec *s = good("generate web traffic from h1 to h2 with 100Mbps;\n"
                             "generate database traffic from h3 to external with 50Mbps "
                             "using ⩾ 5 flows;\n");
    assert_int_equal(s->n_statements, 2);
    assert_int_equal(s->n_diagnostics, 0);
    assert_int_equal(s->max_host, 3);
    assert_true(s->external);
    const struct sl_statement *a = &s->statements[0], *b = &s->statements[1];
    assert_int_equal(a->match, SL_MATCH_CLASS);
    assert_string_equal(sl_class_name(a->cls), "web");
    assert_int_equal(a->from, 1);
    assert_int_equal(a->to, 2);
    assert_true(a->rate_bps == 100e6 && a->count == SL_COUNT_BOTH);
    assert_true(a->flows_min == 0 && a->flows_max == INT64_MAX);
    assert_int_equal(b->from, 3);
    assert_int_equal(b->to, SL_HOST_EXTERNAL);
    assert_true(b->rate_bps == 50e6);
    assert_true(b->flows_min == 5 && b->flows_max == INT64_MAX && !b->flows_total);
    assert_int_equal(b->line, 2);
    assert_string_equal(
        b->text, "generate database traffic from h3 to external with 50Mbps using ⩾ 5 flows");
    sl_spec_free(s);
}

static void every_comparison_sign_gives_its_closed_interval(void **state)
{
    (void)state;
    static const struct {
        const char *sign;
        int64_t min, max;
    } cases[] = {{"<=", 0, 7},        {">=", 7, INT64_MAX}, {"≤", 0, 7},
                 {"≥", 7, INT64_MAX}, {"⩽", 0, 7},          {"⩾", 7, INT64_MAX},
                 {"<", 0, 6},         {">", 8, INT64_MAX},  {"=", 7, 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        snprintf(text, sizeof text, "generate 80 traffic from h1 to h2 with 1bps using %s7 flows;",
                 cases[i].sign);
        struct sl_spec *s = good(text);
        assert_true(s->statements[0].flows_min == cases[i].min);
        assert_true(s->statements[0].flows_max == cases[i].max);
        sl_spec_free(s);
    }
}

static void units_are_decimal_and_may_stand_apart_from_the_number(void **state)
{
    (void)state;
    static const struct {
        const char *rate;
        double bps;
    } cases[] = {{"7bps", 7},        {"7 bps", 7},
                 {"12kbps", 12e3},   {"100 Mbps", 100e6},
                 {"2Gbps", 2e9},     {"100\tMbps", 1e8},
                 {"3 M bps", 3e6},   {"3M bps", 3e6},
                 {"5\nMbps", 5e6},   {"6 # six\r\nkbps", 6e3},
                 {"10000Gbps", 1e13}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        snprintf(text, sizeof text, "generate UDP traffic from h1 to h2 with %s;", cases[i].rate);
        struct sl_spec *s = good(text);
        assert_true(s->statements[0].rate_bps == cases[i].bps);
        sl_spec_free(s);
    }
}

static void types_are_classes_ports_and_transport_protocols(void **state)
{
    (void)state;
    struct sl_spec *s =
        good("generate message-broker traffic from h1 to h2 with 1Mbps up;"
             "generate 65535 traffic from h1 to h2 with 1Mbps down;"
             "generate TCP traffic from h1 to h2 with 1Mbps;"
             "generate UDP traffic from h1 to h2 with 1Mbps using = 3 total flows;");
    assert_int_equal(s->statements[0].match, SL_MATCH_CLASS);
    assert_string_equal(sl_class_name(s->statements[0].cls), "message-broker");
    assert_int_equal(s->statements[0].count, SL_COUNT_UP);
    assert_int_equal(s->statements[1].match, SL_MATCH_PORT);
    assert_int_equal(s->statements[1].port, 65535);
    assert_string_equal(s->statements[1].type_text, "65535");
    assert_int_equal(s->statements[1].count, SL_COUNT_DOWN);
    assert_int_equal(s->statements[2].match, SL_MATCH_TCP);
    assert_int_equal(s->statements[3].match, SL_MATCH_UDP);
    assert_true(s->statements[3].flows_total);
    sl_spec_free(s);
}

#define G "generate web traffic from h1 to h2 with 1Mbps"

static void misspelt_words_are_pointed_at_and_guessed(void **state)
{
    (void)state;
    DIAGNOSES("genrate web traffic from h1 to h2 with 1Mbps;", "1:1+7 did you mean 'generate'?");
    DIAGNOSES("generate wbe traffic from h1 to h2 with 1Mbps;", "1:10+3 did you mean 'web'?");
    DIAGNOSES("generate databse traffic from h1 to h2 with 1Mbps;",
              "1:10+7 did you mean 'database'?");
    DIAGNOSES("generate Web traffic from h1 to h2 with 1Mbps;", "1:10+3 did you mean 'web'?");
    DIAGNOSES("generate tcp traffic from h1 to h2 with 1Mbps;", "1:10+3 did you mean 'TCP'?");
    DIAGNOSES("generate web trafic form h1 to h2 wiht 1Mbps;", "1:14+6 did you mean 'traffic'?",
              "1:21+4 did you mean 'from'?", "1:35+4 did you mean 'with'?");
    DIAGNOSES("generate web traffic from H1 to h2 with 1Mbps;", "1:27+2 did you mean 'h1'?");
    DIAGNOSES("generate web traffic from host1 to h2 with 1Mbps;", "1:27+5 did you mean 'h1'?");
    DIAGNOSES("generate web traffic from h1 to extrenal with 1Mbps;",
              "1:33+8 did you mean 'external'?");
    DIAGNOSES("generate web traffic from h1 to h2 with 1mbps;", "1:42+4 did you mean 'Mbps'?");
    DIAGNOSES("generate web traffic from h1 to h2 with 1Mbit/s;", "1:42+6 did you mean 'Mbps'?");
    DIAGNOSES("generate web traffic from h1 to h2 with 1 G;", "1:43+1 did you mean 'Gbps'?");
    DIAGNOSES(G " usign >= 5 flows;", "1:47+5 did you mean 'using'?");
    DIAGNOSES(G " using >= 5 flow;", "1:58+4 did you mean 'flows'?");
    DIAGNOSES(G " using => 5 flows;", "1:53+2 did you mean '>='?");
}

static void an_unknown_class_without_a_near_one_lists_the_classes(void **state)
{
    (void)state;
    struct sl_spec *s = parsed("generate qqqqqqqqqqqq traffic from h1 to h2 with 1Mbps;");
    assert_int_equal(s->n_errors, 1);
    assert_non_null(strstr(s->diagnostics[0].hint, "web"));
    assert_non_null(strstr(s->diagnostics[0].hint, "port number"));
    sl_spec_free(s);
}

static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    DIAGNOSES("generate 65536 traffic from h1 to h2 with 1Mbps;", "1:10+5 larger than 65535");
    DIAGNOSES("generate 0 traffic from h1 to h2 with 1Mbps;", "1:10+1 at least 1");
    DIAGNOSES("generate 080 traffic from h1 to h2 with 1Mbps;", "1:10+3 write 80");
    DIAGNOSES("generate web traffic from h0 to h2 with 1Mbps;", "1:27+2 hosts start at h1");
    DIAGNOSES("generate web traffic from h01 to h2 with 1Mbps;", "1:27+3 start with 1 to 9");
    DIAGNOSES("generate web traffic from h1 to h251 with 1Mbps;", "1:33+4 at most 250");
    DIAGNOSES("generate web traffic from h1 to h99999999999 with 1Mbps;", "1:33+12 at most 250");
    DIAGNOSES("generate web traffic from h1 to h2 with 0Mbps;", "1:41+1 at least 1");
    DIAGNOSES("generate web traffic from h1 to h2 with 1.5Mbps;", "1:41+3 not a whole number");
    DIAGNOSES("generate web traffic from h1 to h2 with 10001Gbps;", "1:41+9 larger than 10000");
    DIAGNOSES("generate web traffic from h1 to h2 with 99999999999999999999999bps;",
              "1:41+26 larger than 10000");
    DIAGNOSES(G " using < 1 flows;", "1:53+3 fewer than 1 flow");
    DIAGNOSES(G " using <= 0 flows;", "1:56+1 at least 1");
    DIAGNOSES(G " using <= 1000000001 flows;", "1:56+10 larger than 1000000000");
}

static void hosts_are_checked_against_each_other(void **state)
{
    (void)state;
    DIAGNOSES("generate web traffic from h2 to h2 with 1Mbps;", "1:33+2 the same host");
    DIAGNOSES("generate web traffic from external to h2 with 1Mbps;", "1:27+8 not at 'external'");
    DIAGNOSES("generate web traffic from h 1 to h2 with 1Mbps;", "1:27+1 did you mean 'h1'?");
    DIAGNOSES("generate web traffic from h1 to 2 with 1Mbps;", "1:33+1 expected a host like h2");
}

static void a_host_nobody_uses_is_a_warning_at_the_highest_one(void **state)
{
    (void)state;
    const char *text = "generate web traffic from h2 to h9 with 1Mbps;";
    DIAGNOSES(text, "1:33+2 no statement uses h1, h3 to h8; they are created");
    struct sl_spec *s = good(text);
    assert_int_equal(s->diagnostics[0].severity, SL_DIAG_WARNING);
    assert_int_equal(s->max_host, 9);
    sl_spec_free(s);
    DIAGNOSES("generate web traffic from h1 to h3 with 1Mbps;",
              "1:33+2 no statement uses h2; it is");
}

static void missing_parts_are_named_where_they_belong(void **state)
{
    (void)state;
    DIAGNOSES(G "\n" G ";", "1:46+1 expected ';'");
    DIAGNOSES(G, "1:46+1 expected ';'");
    DIAGNOSES("generate traffic from h1 to h2 with 1Mbps;", "1:10+7 expected a class");
    DIAGNOSES("generate web from h1 to h2 with 1Mbps;", "1:14+4 expected 'traffic', found 'from'");
    DIAGNOSES("generate web traffic from h1", "1:29+1 found the end of the text");
    DIAGNOSES("generate web traffic from h1 to h2 with Mbps;", "1:41+4 expected a rate");
    DIAGNOSES("generate web traffic from h1 to h2 with 5;", "1:42+1 expected a unit");
    DIAGNOSES(G " using 5 flows;", "1:53+1 expected a comparison");
    DIAGNOSES(G " using >= flows;", "1:56+5 expected a number of flows");
    DIAGNOSES(G " using >= 5 flows using <= 9 flows;", "1:64+5 has one 'using'");
    DIAGNOSES(G " up down;", "1:50+4 one 'up' or 'down'");
    DIAGNOSES(G ";;", "1:47+1 no statement before");
    DIAGNOSES("", "1:1+1 there is no statement");
    DIAGNOSES("# only a comment\n", "1:1+1 there is no statement");
}

static void links_have_conditions(void **state)
{
    (void)state;
    struct sl_spec *s =
        good(G "; link h1-h2 delay 20ms up.loss 1% rate 100Mbps # slow\n queue 100p,64KB;"
               "link h2-h3 loss 0-30%;");
    assert_int_equal(s->n_links, 2);
    assert_int_equal(s->max_host, 3);
    const struct sl_spec_link *l = &s->links[0];
    assert_true(l->from == 1 && l->to == 2);
    assert_true(l->conditions[0].delay_ns.lo == 20e6 && l->conditions[1].delay_ns.lo == 20e6);
    assert_true(l->conditions[0].loss.lo == 0.01 && l->conditions[1].loss.lo == 0);
    assert_int_equal(l->conditions[1].queue_packets, 100);
    assert_true(s->links[1].conditions[0].loss.lo == 0 && s->links[1].conditions[0].loss.hi == 0.3);
    assert_string_equal(s->links[1].text, "link h2-h3 loss 0-30%");
    struct sl_str out = {0};
    sl_spec_format(s, &out);
    assert_non_null(strstr(sl_str_text(&out),
                           "link h1-h2 delay 20ms up.loss 1% rate 100Mbps # slow\n"
                           "    queue 100p,64KB;\nlink h2-h3 loss 0-30%;\n"));
    sl_str_done(&out);
    sl_spec_free(s);
    struct sl_str many = {0}; // however long a statement is
    sl_str_add(&many, "link h1-h2");
    for (int i = 0; i < 400; i++)
        sl_str_add(&many, " loss 0-30%");
    sl_str_add(&many, ";");
    s = good(sl_str_text(&many));
    assert_int_equal(s->n_links, 1);
    sl_spec_free(s);
    sl_str_done(&many);
    DIAGNOSES("link h1-h2 dealy 20ms;", "1:12+5 did you mean 'delay'?");
    DIAGNOSES("link h1-h2 delay 20;", "1:18+2 '20' is not a value of delay");
    DIAGNOSES("link h1-h2 delay;", "1:17+1 expected TIME after 'delay'");
    DIAGNOSES("link h1-h1 delay 20ms;", "1:6+5 expected two hosts like h1-h2");
    DIAGNOSES("link web delay 20ms;", "1:6+3 expected two hosts like h1-h2");
    DIAGNOSES("link h1-h2 delay 20ms;\nlink h2-h1 loss 1%;", "2:6+5 was described in line 1");
    DIAGNOSES("link h1-h2 delay 20ms\n" G ";", "1:22+1 expected ';'");
    DIAGNOSES("link h1-h2 loss-burst 4;", "1:1+4 loss");
}

static void extensions_to_come_are_named_as_such(void **state)
{
    (void)state;
    DIAGNOSES("map project shop service db to h2;", "1:1+3 'map' statements are not there yet");
    DIAGNOSES("prefer repo owner/name;", "1:1+6 'prefer' statements are not there yet");
    DIAGNOSES("avoid repo owner/name;", "1:1+5 'avoid' statements are not there yet");
    DIAGNOSES(G " down for 60s start 10s seed 7;", "1:52+3 'for' clauses are not there yet");
    DIAGNOSES(G " start 10s;", "1:47+5 'start' clauses are not there yet");
    DIAGNOSES(G " seed 7;", "1:47+4 'seed' clauses are not there yet");
}

static void all_statements_are_looked_at_after_an_error(void **state)
{
    (void)state;
    struct sl_spec *s = parsed("generate wbe traffic from h1 to h2 with 1Mbps;\n" G ";\n"
                               "nonsense of all kinds;\n" G " up;\n"
                               "generate web traffic from h1 to h1 with 1Mbps;");
    assert_int_equal(s->n_errors, 3);
    assert_int_equal(s->n_statements, 2);
    assert_int_equal(s->diagnostics[1].line, 3);
    assert_int_equal(s->diagnostics[2].line, 5);
    sl_spec_free(s);
}

static void bytes_that_are_no_text_are_refused_without_losing_the_place(void **state)
{
    (void)state;
    static const char nul[] = "generate web\0\0 traffic from h1 to h2 with 1Mbps;";
    expect_diagnostics(nul, sizeof nul - 1, (const char *const[]){"1:13+2 NUL byte", NULL});
    DIAGNOSES("# \xff\xfe\ngenerate wbe traffic from h1 to h2 with 1Mbps;",
              "1:3+2 byte 0xff is not UTF-8", "2:10+3 'web'");
    DIAGNOSES("generate web\xC2\xA0traffic from h1 to h2 with 1Mbps;", "1:13+1 U+00A0");
    DIAGNOSES("generate we\u202Eb traffic from h1 to h2 with 1Mbps;", "1:10+2 'we'",
              "1:12+1 U+202E", "1:13+1 expected 'traffic'");
    DIAGNOSES(G "\x1b;", "1:46+1 invisible character U+001B");
    // Overlong '/', a surrogate, above U+10FFFF: malformed in RFC 3629.
    DIAGNOSES("#\xC0\xAF\n" G ";", "1:2+2 not UTF-8");
    DIAGNOSES("#\xED\xA0\x80\n" G ";", "1:2+3 not UTF-8");
    DIAGNOSES("#\xF4\x90\x80\x80\n" G ";", "1:2+4 not UTF-8");
}

static void line_ends_of_all_systems_and_a_byte_order_mark_are_understood(void **state)
{
    (void)state;
    DIAGNOSES("\xEF\xBB\xBF" G ";\r\n# c\r\n\tgenerate wbe traffic from h1 to h2 with 1Mbps;\r\n",
              "3:11+3 'web'");
    DIAGNOSES("# a\r# b\rgenerate wbe traffic from h1 to h2 with 1Mbps;", "3:10+3 'web'");
}

static void limits_are_stated(void **state)
{
    (void)state;
    struct sl_str text = {0};
    for (int i = 0; i < 1000; i++)
        sl_str_add(&text, G ";\n");
    struct sl_spec *s = good(sl_str_text(&text));
    assert_int_equal(s->n_statements, 1000);
    sl_spec_free(s);
    sl_str_add(&text, G ";\n");
    DIAGNOSES(sl_str_text(&text), "1001:1+8 at most 1000 statements");
    while (text.len <= 1 << 20)
        sl_str_add(&text, "# padding of the text up to its limit\n");
    expect_diagnostics(sl_str_text(&text), text.len,
                       (const char *const[]){"1:1+1 at most 1048576 bytes", NULL});
    sl_str_done(&text);
    // A flood of errors is counted, not stored.
    for (int i = 0; i < 500; i++)
        sl_str_add(&text, "x;");
    s = parsed(sl_str_text(&text));
    assert_int_equal(s->n_errors, 500);
    assert_int_equal(s->n_diagnostics, 100);
    sl_spec_free(s);
    sl_str_done(&text);
}

static void prints(const char *text, const char *want)
{
    struct sl_spec *s = parsed(text);
    struct sl_str out = {0};
    sl_spec_print(s, false, &out);
    assert_string_equal(sl_str_text(&out), want);
    sl_str_done(&out);
    sl_spec_free(s);
}

static void carets_stand_under_what_they_mean(void **state)
{
    (void)state;
    prints("\tgenerate wéb traffic from h1 to h2 with 1Mbps;",
           "t.dtsl:1:11: error: unknown class 'wéb'\n"
           "\tgenerate wéb traffic from h1 to h2 with 1Mbps;\n"
           "\t         ^^^\n"
           "hint: did you mean 'web'?\n");
    // Each of the two characters is two columns wide in a terminal (East Asian Width W).
    prints("generate web traffic from 网页 to h2 with 1Mbps;",
           "t.dtsl:1:27: error: unknown host '网页'\n"
           "generate web traffic from 网页 to h2 with 1Mbps;\n"
           "                          ^^^^\n"
           "hint: hosts are h1, h2, ... and external\n");
    prints(G, "t.dtsl:1:46: error: expected ';' at the end of the statement\n" G "\n"
              "                                             ^\n");
}

static void escape_sequences_of_a_spec_do_not_reach_the_terminal(void **state)
{
    (void)state;
    struct sl_spec *s = parsed("# \x1b]0;title\x07 \xC2\x9B"
                               "31m\n\x1b[2Jx;");
    struct sl_str out = {0};
    sl_spec_print(s, false, &out);
    assert_null(strchr(sl_str_text(&out), '\x1b'));
    assert_null(strstr(sl_str_text(&out), "\xC2\x9B"));
    sl_str_done(&out);
    sl_spec_free(s);
}

static void very_long_lines_are_shown_around_the_place(void **state)
{
    (void)state;
    struct sl_str text = {0}, out = {0};
    for (int i = 0; i < 500; i++)
        sl_str_add(&text, G "; ");
    sl_str_add(&text, "generate wbe traffic from h1 to h2 with 1Mbps; ");
    for (int i = 0; i < 490; i++)
        sl_str_add(&text, G "; ");
    struct sl_spec *s = parsed(sl_str_text(&text));
    assert_int_equal(s->n_diagnostics, 1);
    sl_spec_print(s, false, &out);
    assert_true(out.len < 1000);
    assert_non_null(strstr(sl_str_text(&out), "wbe traffic"));
    sl_spec_free(s);
    sl_str_done(&text);
    sl_str_done(&out);
}

static void formats(const char *text, const char *want)
{
    struct sl_spec *s = good(text);
    struct sl_str out = {0};
    sl_spec_format(s, &out);
    assert_string_equal(sl_str_text(&out), want);
    sl_str_done(&out);
    sl_spec_free(s);
}

static void the_canonical_form_keeps_comments(void **state)
{
    (void)state;
    formats(
        "  # head  \r\n\n\n\ngenerate   web traffic\nfrom h1 to h2 with 100 M bps;# tail\n#own\n"
        "generate 53 traffic from h2 to external with 1kbps up using ⩾5 total flows;",
        "# head\n\ngenerate web traffic from h1 to h2 with 100Mbps;  # tail\n#own\n"
        "generate 53 traffic from h2 to external with 1kbps up using >= 5 total flows;\n");
    formats(
        "generate web # why\n traffic from h1 to h2 with 100 # how\n Mbps # end\n;",
        "generate web # why\n    traffic from h1 to h2 with 100 # how\n    Mbps # end\n    ;\n");
}

static void a_text_with_errors_is_left_alone_by_the_formatter(void **state)
{
    (void)state;
    const char *text = "generate   wbe traffic from h1 to h2 with 1Mbps;";
    struct sl_spec *s = parsed(text);
    struct sl_str out = {0};
    sl_spec_format(s, &out);
    assert_string_equal(sl_str_text(&out), text);
    sl_str_done(&out);
    sl_spec_free(s);
}

// White space of any kind between two tokens, now and then with a comment.
static void add_gap(struct sl_rng *rng, struct sl_str *out)
{
    static const char *const gaps[] = {
        " ", "  ", "\t", "\n", "\r\n", "\n\n\n", " # a comment; h1\n", "\n#\n", " #x  \r\n", "\f "};
    uint64_t n = 1 + sl_rng_below(rng, 2);
    for (uint64_t i = 0; i < n; i++)
        sl_str_add(out, gaps[sl_rng_below(rng, sizeof gaps / sizeof *gaps)]);
}

static void random_spec(struct sl_rng *rng, struct sl_str *out)
{
    static const char *const types[] = {"web", "database", "message-broker", "TCP", "UDP", "5432"};
    static const char *const unit[] = {"bps", "kbps", "Mbps", "Gbps", "M bps"};
    static const char *const signs[] = {"<=", ">=", "≤", "≥", "⩽", "⩾", "<", ">", "="};
    uint64_t n = 1 + sl_rng_below(rng, 5);
    for (uint64_t i = 0; i < n; i++) {
        if (sl_rng_below(rng, 2))
            add_gap(rng, out);
        char host[16], rate[32], flows[32];
        snprintf(host, sizeof host, "h%d", 2 + (int)sl_rng_below(rng, 3));
        snprintf(rate, sizeof rate, "%d", 1 + (int)sl_rng_below(rng, 999));
        snprintf(flows, sizeof flows, "%d", 2 + (int)sl_rng_below(rng, 99));
        const char *words[20] = {"generate",
                                 types[sl_rng_below(rng, 6)],
                                 "traffic",
                                 "from",
                                 "h1",
                                 "to",
                                 sl_rng_below(rng, 4) ? host : "external",
                                 "with",
                                 rate,
                                 unit[sl_rng_below(rng, 5)]};
        size_t k = 10;
        if (sl_rng_below(rng, 3) == 0)
            words[k++] = sl_rng_below(rng, 2) ? "up" : "down";
        if (sl_rng_below(rng, 2)) {
            words[k++] = "using";
            words[k++] = signs[sl_rng_below(rng, 9)];
            words[k++] = flows;
            if (sl_rng_below(rng, 2))
                words[k++] = "total";
            words[k++] = "flows";
        }
        for (size_t w = 0; w < k; w++) {
            // After a number or a sign no white space is needed.
            if (w > 0 && !(w == 9 && sl_rng_below(rng, 2)))
                add_gap(rng, out);
            sl_str_add(out, words[w]);
        }
        if (sl_rng_below(rng, 2))
            add_gap(rng, out);
        sl_str_add(out, ";");
    }
    if (sl_rng_below(rng, 2))
        add_gap(rng, out);
}

static size_t count_char(const char *text, char c)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == c;
    return n;
}

static void formatting_changes_no_meaning_loses_no_comment_and_is_idempotent(void **state)
{
    (void)state;
    print_message("# seed %d\n", SEED);
    for (uint64_t round = 0; round < 3000; round++) {
        struct sl_rng rng = sl_rng_stream(SEED, "test.format", round);
        struct sl_str text = {0}, once = {0}, twice = {0};
        random_spec(&rng, &text);
        struct sl_spec *a = good(sl_str_text(&text));
        sl_spec_format(a, &once);
        struct sl_spec *b = good(sl_str_text(&once));
        sl_spec_format(b, &twice);
        assert_string_equal(sl_str_text(&once), sl_str_text(&twice));
        assert_int_equal(count_char(sl_str_text(&text), '#'), count_char(sl_str_text(&once), '#'));
        assert_null(strstr(sl_str_text(&once), " \n"));
        assert_int_equal(a->n_statements, b->n_statements);
        for (size_t i = 0; i < a->n_statements; i++) {
            const struct sl_statement *x = &a->statements[i], *y = &b->statements[i];
            assert_true(x->match == y->match && x->cls == y->cls && x->port == y->port);
            assert_true(x->from == y->from && x->to == y->to && x->rate_bps == y->rate_bps);
            assert_true(x->count == y->count && x->flows_total == y->flows_total);
            assert_true(x->flows_min == y->flows_min && x->flows_max == y->flows_max);
        }
        sl_spec_free(a);
        sl_spec_free(b);
        sl_str_done(&text);
        sl_str_done(&once);
        sl_str_done(&twice);
    }
}

// Whatever is cut out of, doubled in or thrown into a spec: places lie within the text.
static void damaged_specs_give_diagnostics_inside_the_text(void **state)
{
    (void)state;
    print_message("# seed %d\n", SEED);
    for (uint64_t round = 0; round < 3000; round++) {
        struct sl_rng rng = sl_rng_stream(SEED, "test.damage", round);
        struct sl_str text = {0}, out = {0};
        random_spec(&rng, &text);
        for (int i = 0; i < 3; i++)
            text.text[sl_rng_below(&rng, text.len)] = (char)sl_rng_below(&rng, 256);
        struct sl_spec *s = sl_spec_parse("t.dtsl", text.text, text.len);
        for (size_t i = 0; i < s->n_diagnostics; i++) {
            const struct sl_diagnostic *d = &s->diagnostics[i];
            assert_true(d->line >= 1 && d->col >= 1 && d->width >= 1 && d->message[0]);
            assert_true((size_t)d->col <= text.len + 1);
            if (i > 0)
                assert_true(d[-1].line < d->line || (d[-1].line == d->line && d[-1].col <= d->col));
        }
        sl_spec_print(s, true, &out);
        json_t *j = sl_spec_json(s);
        char *dump = json_dumps(j, 0);
        assert_non_null(dump);
        free(dump);
        json_decref(j);
        sl_str_done(&out);
        sl_str_done(&text);
        sl_spec_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_papers_example_means_what_the_paper_says),
        cmocka_unit_test(every_comparison_sign_gives_its_closed_interval),
        cmocka_unit_test(units_are_decimal_and_may_stand_apart_from_the_number),
        cmocka_unit_test(types_are_classes_ports_and_transport_protocols),
        cmocka_unit_test(misspelt_words_are_pointed_at_and_guessed),
        cmocka_unit_test(an_unknown_class_without_a_near_one_lists_the_classes),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(hosts_are_checked_against_each_other),
        cmocka_unit_test(a_host_nobody_uses_is_a_warning_at_the_highest_one),
        cmocka_unit_test(missing_parts_are_named_where_they_belong),
        cmocka_unit_test(links_have_conditions),
        cmocka_unit_test(extensions_to_come_are_named_as_such),
        cmocka_unit_test(all_statements_are_looked_at_after_an_error),
        cmocka_unit_test(bytes_that_are_no_text_are_refused_without_losing_the_place),
        cmocka_unit_test(line_ends_of_all_systems_and_a_byte_order_mark_are_understood),
        cmocka_unit_test(limits_are_stated),
        cmocka_unit_test(carets_stand_under_what_they_mean),
        cmocka_unit_test(escape_sequences_of_a_spec_do_not_reach_the_terminal),
        cmocka_unit_test(very_long_lines_are_shown_around_the_place),
        cmocka_unit_test(the_canonical_form_keeps_comments),
        cmocka_unit_test(a_text_with_errors_is_left_alone_by_the_formatter),
        cmocka_unit_test(formatting_changes_no_meaning_loses_no_comment_and_is_idempotent),
        cmocka_unit_test(damaged_specs_give_diagnostics_inside_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
