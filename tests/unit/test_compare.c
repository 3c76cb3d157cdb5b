// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/mem.h"
#include "base/rng.h"
#include "stats/compare.h"
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

#define S INT64_C(1000000000)

struct recipe {
    uint64_t seed;
    size_t flows;
    double size, packets, gap_s, web; // means; share of class web
};
static const struct recipe usual = {1, 1500, 400, 8, 0.02, 0.5};

static int by_time(const void *a, const void *b)
{
    const struct sl_sample_packet *p = a, *q = b;
    if (p->ts_ns != q->ts_ns)
        return p->ts_ns < q->ts_ns ? -1 : 1;
    return p->flow < q->flow ? -1 : p->flow > q->flow;
}

static void add_flow(struct sl_sample_set *s, const struct recipe *r, struct sl_rng *rng, double t)
{
    uint32_t id = (uint32_t)s->flows.len, n = 1 + (uint32_t)sl_rng_exponential(rng, r->packets);
    bool web = sl_rng_uniform(rng) < r->web;
    struct sl_sample_flow f = {.src = (uint32_t)sl_rng_below(rng, 30),
                               .dst = 30 + (uint32_t)sl_rng_below(rng, 10),
                               .sport = (uint16_t)(40000 + sl_rng_below(rng, 20)),
                               .dport = web ? 443 : 53,
                               .proto = web ? 6 : 17,
                               .cls = sl_sample_class(s, web ? "web" : "dns"),
                               .label = sl_sample_label(s, web ? "<https>" : "dns"),
                               .start_ns = (int64_t)(t * 1e9),
                               .mean_gap_s = NAN};
    for (uint32_t i = 0; i < n; i++) {
        struct sl_sample_packet *p = SL_PUSH(&s->packets);
        bool back = sl_rng_below(rng, 2);
        *p = (struct sl_sample_packet){.ts_ns = (int64_t)(t * 1e9),
                                       .flow = id,
                                       .bytes = 60 + (uint32_t)sl_rng_exponential(rng, r->size),
                                       .ttl = (uint8_t)(back ? 60 : 64),
                                       .tcp_flags = web ? 0x10 : 0,
                                       .direction = back};
        f.packets[back]++;
        f.bytes[back] += p->bytes;
        f.duration_ns = p->ts_ns - f.start_ns;
        t += sl_rng_exponential(rng, r->gap_s);
    }
    *SL_PUSH(&s->flows) = f;
}

static struct sl_sample_set made(const struct recipe *r)
{
    struct sl_sample_set s = {.name = sl_strdup("<script>alert('a')</script>"),
                              .kind = sl_strdup("pcap"),
                              .known = SL_KNOW_ALL};
    struct sl_rng rng = sl_rng_stream(r->seed, "test.compare", 0);
    double t = 0;
    for (size_t i = 0; i < r->flows; i++)
        add_flow(&s, r, &rng, t += sl_rng_exponential(&rng, 0.05));
    qsort(s.packets.at, s.packets.len, sizeof *s.packets.at, by_time);
    return s;
}

static const struct sl_field_result *field(const struct sl_comparison *c, size_t part,
                                           const char *key)
{
    const struct sl_selection *s = &c->selections[part];
    for (size_t i = 0; i < s->n_fields; i++)
        if (!strcmp(s->fields[i].field->key, key))
            return &s->fields[i];
    fail_msg("no field %s in part %s", key, s->title);
    return NULL;
}

static size_t part_of(const struct sl_comparison *c, const char *title)
{
    for (size_t i = 0; i < c->n_selections; i++)
        if (!strcmp(c->selections[i].title, title))
            return i;
    fail_msg("no part %s", title);
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    const uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
    return (p > q) - (p < q);
}

// The same sizes, but each run of 50 packets in rising order: nothing but the order tells.
static void sizes_in_another_order_differ_in_memory_alone(void **state)
{
    (void)state;
    struct sl_sample_set a = made(&usual), b = made(&usual);
    for (size_t i = 0; i + 50 <= b.packets.len; i += 50) {
        uint32_t sizes[50];
        for (size_t k = 0; k < 50; k++)
            sizes[k] = b.packets.at[i + k].bytes;
        qsort(sizes, 50, sizeof *sizes, by_bytes);
        for (size_t k = 0; k < 50; k++)
            b.packets.at[i + k].bytes = sizes[k];
    }
    struct sl_comparison *c = sl_compare(&a, &b, NULL);
    assert_false(field(c, 0, "packet_size")->differs);
    const struct sl_field_result *f = field(c, 0, "memory_sizes");
    assert_true(f->judged && f->differs);
    assert_int_equal(f->by, SL_BY_ACF);
    assert_true(f->value == f->memory->rms && f->memory->compared == 40);
    double square = 0; // once more, from the coefficients
    for (int i = 0; i < 40; i++)
        square += (f->memory->a[i] - f->memory->b[i]) * (f->memory->a[i] - f->memory->b[i]);
    assert_true(fabs(sqrt(square / 40) - f->value) < 1e-12);
    assert_false(field(c, 0, "memory_gaps")->differs); // the clock did not change
    assert_int_equal(c->verdict, SL_VERDICT_DIFFERENT);
    sl_comparison_free(c);
    sl_sample_set_done(&a);
    sl_sample_set_done(&b);
}

static void a_trace_against_itself_is_identical_everywhere(void **state)
{
    (void)state;
    struct sl_sample_set a = made(&usual);
    struct sl_comparison *c = sl_compare(&a, &a, NULL);
    assert_int_equal(c->verdict, SL_VERDICT_IDENTICAL);
    assert_true(c->pass && !strncmp(c->verdict_text, "identical: ", 11));
    assert_int_equal(c->n_selections, 9); // all and two classes, each whole and in two directions
    for (size_t i = 0; i < c->n_selections; i++)
        for (size_t k = 0; k < c->selections[i].n_fields; k++) {
            const struct sl_field_result *f = &c->selections[i].fields[k];
            assert_false(f->missing_a || f->missing_b);
            assert_true(f->n_a == f->n_b);
            assert_false(f->d.jsd > 0 || f->d.w1 > 0 || f->d.nw1 > 0 || f->d.ks > 0);
            assert_true(f->n_a == 0 || f->d.jsd == 0 ||
                        (f->memory && f->memory->rms == 0)); // no TCP flags in dns
            assert_true(!f->scaling || f->scaling->diff.rms == 0);
            assert_false(f->differs);
        }
    sl_comparison_free(c);
    sl_sample_set_done(&a);
}

static void two_samples_of_one_process_are_at_the_floor(void **state)
{
    (void)state;
    for (uint64_t seed = 2; seed < 5; seed++) {
        struct recipe other = usual;
        other.seed = seed;
        struct sl_sample_set a = made(&usual), b = made(&other);
        a.known &= ~(unsigned)SL_KNOW_CLASSES; // no parts by class: quicker
        struct sl_comparison *c = sl_compare(&a, &b, NULL);
        if (c->verdict != SL_VERDICT_SAME)
            fail_msg("seed %d: %s", (int)seed, c->verdict_text);
        for (size_t k = 0; k < c->selections[0].n_fields; k++) {
            const struct sl_field_result *f = &c->selections[0].fields[k];
            assert_true(!f->judged || f->ratio < 3 || f->negligible);
            assert_true(f->missing_a || f->splits == 5); // missing: the class mix
        }
        sl_comparison_free(c);
        sl_sample_set_done(&a);
        sl_sample_set_done(&b);
    }
}

static void what_was_changed_is_what_differs(void **state)
{
    (void)state;
    struct recipe other = usual;
    other.seed = 2;
    other.size = 700;
    other.web = 0.8;
    struct sl_sample_set a = made(&usual), b = made(&other);
    struct sl_comparison *c = sl_compare(&a, &b, NULL);
    assert_int_equal(c->verdict, SL_VERDICT_DIFFERENT);
    assert_true(!strncmp(c->verdict_text, "different: ", 11));
    const struct sl_field_result *size = field(c, 0, "packet_size");
    assert_true(size->differs && size->ratio > 3 && c->selections[0].worst);
    // W1 of two exponentials beyond one offset is the difference of their means: 300 B.
    assert_true(fabs(size->d.w1 - 300) < 25);
    assert_true(fabs(size->b.mean - size->a.mean - 300) < 25);
    assert_true(field(c, 0, "flow_bytes")->differs && field(c, 0, "flow_class")->differs);
    // Shares .5 and .8 of two classes: JSD 0.0731 bits by hand.
    assert_true(fabs(field(c, 0, "flow_class")->d.jsd - 0.0731) < 0.02);
    assert_false(field(c, 0, "packet_ttl")->differs);
    assert_false(field(c, 0, "packet_flow_gap")->differs);
    assert_false(field(c, 0, "flow_duration")->differs);
    assert_true(field(c, part_of(c, "web"), "packet_size")->differs);
    assert_true(field(c, part_of(c, "dns backward"), "packet_size")->differs);
    assert_false(field(c, part_of(c, "web"), "flow_packets")->differs);
    sl_comparison_free(c);
    sl_sample_set_done(&a);
    sl_sample_set_done(&b);
}

// A tenth as many flows of the same process: what belongs to a flow or packet is at the floor of so
// small a part, not at that of halves.
static void a_small_sample_is_held_against_a_part_of_its_size(void **state)
{
    (void)state;
    static const char *const keys[] = {"packet_size",
                                       "packet_flow_gap",
                                       "flow_bytes",
                                       "flow_duration",
                                       "packet_source_port",
                                       "flow_class",
                                       "flow_initiator_popularity"};
    struct recipe other = usual;
    for (other.seed = 2, other.flows = 150; other.seed < 4; other.seed++) {
        struct sl_sample_set a = made(&usual), b = made(&other);
        a.known &= ~(unsigned)SL_KNOW_CLASSES;
        struct sl_comparison *c = sl_compare(&a, &b, NULL);
        assert_int_equal(c->selections[0].floor_flows, 150);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            assert_false(field(c, 0, keys[i])->differs);
        // Halves of 750 scatter sqrt(4/1500), 150 against 1350 sqrt(1/150 + 1/1350): 1.67 times.
        struct sl_comparison *self = sl_compare(&a, &a, NULL);
        double times = field(c, 0, "flow_bytes")->floor.ks / field(self, 0, "flow_bytes")->floor.ks;
        assert_true(times > 1.1 && times < 2.5);
        sl_comparison_free(self);
        sl_comparison_free(c);
        sl_sample_set_done(&a);
        sl_sample_set_done(&b);
    }
}

// Every flow has a port of its own, so halves of A have nothing in common either: 3 x the floor
// would lie beyond 1, the largest JSD there is.
static void a_floor_near_one_does_not_hide_a_difference_elsewhere(void **state)
{
    (void)state;
    struct recipe other = usual;
    other.seed = 2;
    struct sl_sample_set a = made(&usual), b = made(&other);
    for (size_t i = 0; i < a.flows.len; i++) {
        a.flows.at[i].sport = (uint16_t)(i % 4 ? 10000 + i : 5);
        b.flows.at[i].sport = (uint16_t)(30000 + i);
    }
    struct sl_comparison *c = sl_compare(&a, &b, NULL);
    const struct sl_field_result *f = field(c, part_of(c, "forward"), "packet_source_port");
    assert_true(f->floor.jsd > 0.5 && f->d.jsd > 0.999999 && f->limit < 1 && f->differs);
    sl_comparison_free(c);
    sl_sample_set_done(&a);
    sl_sample_set_done(&b);
}

static void a_sudden_change_of_burstiness_shows_in_the_diagram(void **state)
{
    (void)state;
    struct recipe other = usual;
    other.seed = 3;
    struct sl_sample_set a = made(&usual), b = made(&other);
    for (size_t i = 0; i < b.packets.len; i++) // all within the first half of each second
        b.packets.at[i].ts_ns -= b.packets.at[i].ts_ns % S / 2;
    struct sl_comparison *c = sl_compare(&a, &b, NULL);
    const struct sl_field_result *f = field(c, 0, "scaling_packets_1ms");
    assert_true(f->differs && f->by == SL_BY_RMS && f->scaling->diff.octaves >= 10);
    assert_true(f->scaling->diff.max > 3 * f->scaling->floor_rms);
    assert_int_equal(f->scaling->a.bin_s * 1e6, 1000);
    sl_comparison_free(c);
    sl_sample_set_done(&a);
    sl_sample_set_done(&b);
}

static void a_flow_table_lacks_packets_and_says_so(void **state)
{
    (void)state;
    struct recipe other = usual;
    other.seed = 2;
    struct sl_sample_set a = made(&usual), b = made(&other);
    b.known &= ~(unsigned)(SL_KNOW_PACKETS | SL_KNOW_LABELS);
    SL_VEC_DONE(&b.packets);
    struct sl_comparison *c = sl_compare(&a, &b, NULL);
    const struct sl_field_result *f = field(c, 0, "packet_size");
    assert_true(f->missing_b && !f->missing_a && !f->judged && isnan(f->d.jsd));
    assert_string_equal(f->why_not, "unknown in B");
    assert_true(field(c, 0, "flow_label")->missing_b);
    assert_true(field(c, 0, "flow_bytes")->judged && field(c, 0, "flow_concurrent")->judged);
    assert_int_equal(c->verdict, SL_VERDICT_SAME);
    assert_true(c->selections[0].n_acf == 0 && c->selections[0].rate_b);
    double sum = 0; // spread over their lives, flows keep their bytes
    const struct sl_rate_curve *r = c->selections[0].rate_b;
    for (size_t i = 0; i + 1 < r->n; i++)
        sum += r->bps[i] * r->step_s / 8;
    assert_true(sum > 0.95 * (double)c->b.total.bytes && sum <= 1.0001 * (double)c->b.total.bytes);
    struct sl_str text = {0};
    sl_comparison_text(c, false, &text);
    assert_non_null(strstr(sl_str_text(&text), "unknown in B"));
    sl_str_done(&text);
    struct sl_error err = {0};
    SL_AUTO(sl_free_str) char *html = sl_comparison_html(c, NULL, &err);
    assert_non_null(strstr(html, "unknown in B"));
    sl_comparison_free(c);
    sl_sample_set_done(&a);
    sl_sample_set_done(&b);
}

static void bounds_of_the_caller_decide_whether_it_passes(void **state)
{
    (void)state;
    struct recipe other = usual;
    other.seed = 2;
    other.size = 700;
    struct sl_sample_set a = made(&usual), b = made(&other);
    struct sl_compare_options opt = {.max_mean_jsd = 0.9, .max_ks = 0.9};
    struct sl_comparison *c = sl_compare(&a, &b, &opt);
    assert_true(c->pass && !c->failures[0]);
    sl_comparison_free(c);
    opt = (struct sl_compare_options){.max_mean_jsd = 1e-6, .max_ks = 0.1};
    c = sl_compare(&a, &b, &opt);
    assert_false(c->pass);
    assert_non_null(strstr(c->failures, "mean JSD"));
    assert_non_null(strstr(c->failures, "KS of packet size"));
    sl_comparison_free(c);
    opt = (struct sl_compare_options){.fail_if_different = true};
    c = sl_compare(&a, &b, &opt);
    assert_false(c->pass);
    sl_comparison_free(c);
    sl_sample_set_done(&a);
    sl_sample_set_done(&b);
}

static char *everything(const struct sl_sample_set *a, const struct sl_sample_set *b, uint64_t seed)
{
    struct sl_compare_options opt = {.seed = seed};
    struct sl_error err = {0};
    struct sl_comparison *c = sl_compare(a, b, &opt);
    SL_AUTO(sl_json_decref) json_t *j = sl_comparison_json(c);
    SL_AUTO(sl_free_str) char *json = json_dumps(j, JSON_INDENT(1));
    SL_AUTO(sl_free_str) char *html = sl_comparison_html(c, NULL, &err);
    struct sl_str text = {0};
    sl_comparison_text(c, true, &text);
    char *all = sl_format("%s\n%s\n%s", json, html, sl_str_text(&text));
    sl_str_done(&text);
    sl_comparison_free(c);
    return all;
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    (void)state;
    struct recipe other = usual;
    other.seed = 2, other.flows = 300;
    struct sl_sample_set a = made(&usual), b = made(&other);
    SL_AUTO(sl_free_str) char *x = everything(&a, &b, 1);
    SL_AUTO(sl_free_str) char *y = everything(&a, &b, 1);
    SL_AUTO(sl_free_str) char *z = everything(&a, &b, 2);
    assert_string_equal(x, y);
    assert_string_not_equal(x, z);
    sl_sample_set_done(&a);
    sl_sample_set_done(&b);
}

// Two inputs that have hardly anything: every statistic is NAN somewhere.
static void json_has_null_where_there_is_no_number(void **state)
{
    (void)state;
    struct sl_sample_set a = {.known = SL_KNOW_ALL}, b = {.known = SL_KNOW_ALL};
    *SL_PUSH(&b.flows) = (struct sl_sample_flow){.start_ns = SL_SAMPLE_NO_TIME,
                                                 .duration_ns = -1,
                                                 .mean_gap_s = NAN,
                                                 .src = SL_SAMPLE_NONE32,
                                                 .dst = SL_SAMPLE_NONE32,
                                                 .cls = SL_SAMPLE_NONE16,
                                                 .label = SL_SAMPLE_NONE16};
    b.name = sl_strdup("not UTF-8: \xff\xfe");
    struct sl_comparison *c = sl_compare(&a, &b, NULL);
    assert_int_equal(c->verdict, SL_VERDICT_NOTHING);
    SL_AUTO(sl_json_decref) json_t *j = sl_comparison_json(c);
    SL_AUTO(sl_free_str) char *text = json_dumps(j, 0);
    assert_non_null(text);
    struct sl_error err = {0};
    SL_AUTO(sl_json_decref) json_t *again = sl_json_parse(text, strlen(text), "test", &err);
    assert_non_null(again);
    assert_string_equal(sl_json_str(again, "schema", ""), "sluice.compare/1");
    const json_t *part = json_array_get(json_object_get(again, "parts"), 0);
    const json_t *f = json_array_get(json_object_get(part, "fields"), 0);
    assert_true(json_is_null(json_object_get(json_object_get(f, "distance"), "jsd")));
    SL_AUTO(sl_free_str) char *html = sl_comparison_html(c, NULL, &err);
    assert_non_null(html);
    assert_null(strstr(html, "nan"));
    assert_null(strstr(html, "inf\""));
    sl_comparison_free(c);
    sl_sample_set_done(&a);
    sl_sample_set_done(&b);
}

static void an_empty_half_or_a_broken_clock_is_survived(void **state)
{
    (void)state;
    struct recipe few = usual;
    few.flows = 40;
    struct sl_sample_set a = made(&few), b = made(&few);
    b.packets.at[0].ts_ns = -6 * 365 * 86400 * S; // six years before the others
    b.known &= ~(unsigned)SL_KNOW_DIRECTIONS;
    for (size_t i = 0; i < b.flows.len; i++)
        b.flows.at[i].cls = SL_SAMPLE_NONE16;
    struct sl_comparison *c = sl_compare(&a, &b, NULL);
    assert_int_equal(c->n_selections, 3); // all and the classes of A; no directions
    const struct sl_field_result *f = field(c, 0, "scaling_packets_1ms");
    assert_true(f->scaling->a.bin_s > 1); // the series would not have fitted in bins of 1 ms
    struct sl_error err = {0};
    SL_AUTO(sl_free_str) char *html = sl_comparison_html(c, NULL, &err);
    assert_non_null(html);
    sl_comparison_free(c);
    sl_sample_set_done(&a);
    sl_sample_set_done(&b);
}

// ---- page ---------------------------------------------------------------------------------------

static bool is_void(const char *name)
{
    return !strcmp(name, "meta") || !strcmp(name, "br");
}

static void tags_are_balanced(const char *html)
{
    char stack[64][24];
    size_t depth = 0;
    for (const char *p = html; (p = strchr(p, '<'));) {
        char name[24] = "";
        size_t n = 0;
        bool closing = p[1] == '/';
        const char *q = p + (closing ? 2 : 1), *end = p;
        while (n < sizeof name - 1 && isalnum((unsigned char)q[n]))
            name[n] = q[n], n++;
        for (bool quoted = false; *end && (quoted || *end != '>'); end++)
            if (*end == '"')
                quoted = !quoted;
        assert_true(*end == '>');
        if (closing) {
            assert_true(depth > 0);
            if (strcmp(stack[--depth], name))
                fail_msg("</%s> closes <%s>: %.60s", name, stack[depth], p - 30);
        } else if (n && end[-1] != '/' && !is_void(name)) {
            assert_true(depth < 64);
            memcpy(stack[depth++], name, sizeof name);
        }
        p = end;
    }
    assert_int_equal(depth, 0);
}

static void the_page_is_well_formed_and_asks_for_nothing(void **state)
{
    (void)state;
    struct recipe other = usual;
    other.seed = 2, other.size = 900;
    struct sl_sample_set a = made(&usual), b = made(&other);
    b.note = sl_strdup("<img src=x onerror=y> & \"quoted\"");
    a.skipped = 12, a.left_out = 5;
    struct sl_compare_options opt = {.max_ks = 0.01};
    struct sl_error err = {0};
    struct sl_comparison *c = sl_compare(&a, &b, &opt);
    SL_AUTO(sl_free_str) char *html = sl_comparison_html(c, "<b>version</b>", &err);
    assert_non_null(html);
    tags_are_balanced(html);
    static const char *const banned[] = {"<script",    "http:",   "https:",  "<img",
                                         "<link",      "url(",    "@import", "<https",
                                         "<b>version", "onload=", "onclick="};
    for (size_t i = 0; i < sizeof banned / sizeof *banned; i++)
        if (strstr(html, banned[i]))
            fail_msg("the page has %s", banned[i]);
    assert_non_null(strstr(html, "&lt;script&gt;alert(&#39;a&#39;)"));
    assert_non_null(strstr(html, "prefers-color-scheme: dark"));
    assert_non_null(strstr(html, "default-src 'none'"));
    assert_non_null(strstr(html, "Bounds missed"));
    assert_null(strstr(html, "nan"));
    assert_null(strstr(html, "inf "));
    sl_comparison_free(c);
    sl_sample_set_done(&a);
    sl_sample_set_done(&b);
}

// ---- hand-made values ---------------------------------------------------------------------------

static uint32_t tiny_flow(struct sl_sample_set *s, uint32_t src, uint32_t dst, double start,
                          double duration)
{
    *SL_PUSH(&s->flows) = (struct sl_sample_flow){.start_ns = (int64_t)(start * 1e9),
                                                  .duration_ns = (int64_t)(duration * 1e9),
                                                  .packets = {2, 1},
                                                  .bytes = {100, 50},
                                                  .mean_gap_s = NAN,
                                                  .src = src,
                                                  .dst = dst,
                                                  .sport = 1000,
                                                  .dport = 80,
                                                  .cls = SL_SAMPLE_NONE16,
                                                  .label = SL_SAMPLE_NONE16,
                                                  .proto = 6};
    return (uint32_t)s->flows.len - 1;
}

static void tiny_packet(struct sl_sample_set *s, uint32_t flow, double t, int direction)
{
    *SL_PUSH(&s->packets) = (struct sl_sample_packet){.ts_ns = (int64_t)(t * 1e9),
                                                      .flow = flow,
                                                      .bytes = 100,
                                                      .ttl = 64,
                                                      .direction = (uint8_t)direction};
}

static void derived_fields_are_those_of_a_hand_drawn_trace(void **state)
{
    (void)state;
    struct sl_sample_set s = {.known = SL_KNOW_ALL};
    uint32_t f = tiny_flow(&s, 0, 1, 0, 4); // alive 0-4
    tiny_flow(&s, 1, 2, 1, 2);              // 1-3
    tiny_flow(&s, 2, 0, 2, 4);              // 2-6: closes a triangle
    tiny_flow(&s, 0, 3, 8, 2);              // 8-10, hangs at 0: two open paths
    tiny_packet(&s, f, 0, 0);
    tiny_packet(&s, f, 0.5, 0);
    tiny_packet(&s, f, 0.7, 1);
    tiny_packet(&s, f, 1.5, 0);
    struct sl_comparison *c = sl_compare(&s, &s, NULL);
    // Levels 0 to 3 last 2 (6-8), 1+2+2 (0-1, 4-6, 8-10), 1+1 (1-2, 3-4), 1 (2-3) of 10 seconds.
    const struct sl_field_result *r = field(c, 0, "flow_concurrent");
    assert_true(r->a.n == 10 && fabs(r->a.mean - (5 + 4 + 3) / 10.0) < 1e-9 && r->n_a == 4);
    r = field(c, 0, "packet_gap"); // .5 .2 .8
    assert_true(r->n_a == 3 && fabs(r->a.mean - 0.5) < 1e-9);
    r = field(c, 0, "packet_flow_gap"); // forward .5 and 1.0; backward alone
    assert_true(r->n_a == 2 && fabs(r->a.mean - 0.75) < 1e-9);
    r = field(c, 0, "flow_start_gap"); // 1 1 6
    assert_true(r->n_a == 3 && fabs(r->a.mean - 8.0 / 3) < 1e-9);
    r = field(c, 0, "flow_mean_gap"); // duration over packets - 1
    assert_true(r->n_a == 4 && r->a.q[8] == 2 && r->a.q[0] == 1);
    r = field(c, 0, "graph_out_degree"); // 0 has two, 1 and 2 one each
    assert_true(r->n_a == 3 && fabs(r->a.mean - 4.0 / 3) < 1e-9);
    r = field(c, 0, "graph_triads");
    assert_true(r->n_a == 3 && r->n_top == 2);
    assert_string_equal(r->top[0].name, "open");
    assert_true(fabs(r->top[0].a - 2.0 / 3) < 1e-9);
    r = field(c, 0, "packet_source_port"); // three forward from 1000, one back from 80
    assert_true(r->n_a == 4 && r->n_top == 2 && r->top[0].a == 0.75);
    assert_string_equal(r->top[0].name, "1000");
    r = field(c, 0,
              "rate_packets"); // 0.0-1.5: 15 whole windows, the last packet in the partial one
    assert_true(r->n_a == 15 && fabs(r->a.mean - 3.0 / 15) < 1e-9);
    sl_comparison_free(c);
    sl_sample_set_done(&s);
}

static void names_are_kept_once_and_their_number_is_bounded(void **state)
{
    (void)state;
    struct sl_sample_set s = {0};
    assert_int_equal(sl_sample_class(&s, "web"), 0);
    assert_int_equal(sl_sample_class(&s, "dns"), 1);
    assert_int_equal(sl_sample_class(&s, "web"), 0);
    assert_int_equal(sl_sample_class(&s, NULL), SL_SAMPLE_NONE16);
    assert_int_equal(sl_sample_label(&s, ""), SL_SAMPLE_NONE16);
    for (int i = 0; i < 5000; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        sl_sample_class(&s, name);
    }
    assert_int_equal(s.classes.len, SL_SAMPLE_MAX_NAMES);
    assert_string_equal(s.classes.at[SL_SAMPLE_MAX_NAMES - 1], "(more)");
    sl_sample_set_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_in_another_order_differ_in_memory_alone),
        cmocka_unit_test(a_trace_against_itself_is_identical_everywhere),
        cmocka_unit_test(two_samples_of_one_process_are_at_the_floor),
        cmocka_unit_test(what_was_changed_is_what_differs),
        cmocka_unit_test(a_small_sample_is_held_against_a_part_of_its_size),
        cmocka_unit_test(a_floor_near_one_does_not_hide_a_difference_elsewhere),
        cmocka_unit_test(a_sudden_change_of_burstiness_shows_in_the_diagram),
        cmocka_unit_test(a_flow_table_lacks_packets_and_says_so),
        cmocka_unit_test(bounds_of_the_caller_decide_whether_it_passes),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(json_has_null_where_there_is_no_number),
        cmocka_unit_test(an_empty_half_or_a_broken_clock_is_survived),
        cmocka_unit_test(the_page_is_well_formed_and_asks_for_nothing),
        cmocka_unit_test(derived_fields_are_those_of_a_hand_drawn_trace),
        cmocka_unit_test(names_are_kept_once_and_their_number_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
