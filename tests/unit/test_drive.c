// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "drive/drive.h"
#include "drive/html.h"
#include "drive/meter.h"
#include "drive/pace.h"
#include "drive/probe.h"
#include "drive/site.h"
#include "drive/sqlmix.h"
#include "drive/wire.h"
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static const int64_t ms = 1000000;

// Tokens taken while a fake clock runs from one time to another, a look every `grain`.
static int taken(struct sl_pace *p, int64_t from, int64_t to, int64_t grain)
{
    int n = 0;
    for (int64_t t = from; t < to; t += grain)
        while (sl_pace_take(p, t))
            n++;
    return n;
}

static void a_pace_never_strays_more_than_one_token_from_its_rate(void **state)
{
    (void)state;
    struct sl_pace p;
    sl_pace_init(&p, 50, sl_rng_stream(1, "test", 0), 0);
    int total = 0;
    for (int i = 1; i <= 100; i++) { // every 0.2 s: 50 * 0.2 = 10 tokens
        total += taken(&p, (i - 1) * 200 * ms, i * 200 * ms, ms);
        assert_in_range(total, 10 * i - 1, 10 * i + 1);
    }
    assert_int_equal(p.lost, 0);
}

static void a_new_rate_counts_from_the_moment_it_is_set(void **state)
{
    (void)state;
    struct sl_pace p;
    sl_pace_init(&p, 1, sl_rng_stream(1, "test", 0), 0);
    taken(&p, 0, 100 * ms, ms);
    sl_pace_set(&p, 1000, 100 * ms);
    int n = taken(&p, 100 * ms, 1100 * ms, ms / 2); // one second at 1000/s
    assert_in_range(n, 998, 1002);
}

static void tokens_nobody_takes_are_lost_after_half_a_second(void **state)
{
    (void)state;
    struct sl_pace p;
    sl_pace_init(&p, 100, sl_rng_stream(1, "test", 0), 0);
    int n = 0;
    while (sl_pace_take(&p, 10000 * ms)) // 1000 fell due; 100/s * 0.5 s = 50 are kept
        n++;
    assert_in_range(n, 49, 52);
    assert_in_range((int)p.lost, 947, 952);
}

static void rate_zero_always_has_a_token(void **state)
{
    (void)state;
    struct sl_pace p;
    sl_pace_init(&p, 0, sl_rng_stream(1, "test", 0), 5);
    for (int i = 0; i < 1000; i++)
        assert_true(sl_pace_take(&p, 5));
    assert_int_equal(sl_pace_next_ns(&p), 5);
}

static void the_next_token_is_announced_exactly(void **state)
{
    (void)state;
    struct sl_pace p;
    sl_pace_init(&p, 3, sl_rng_stream(9, "test", 0), 0);
    for (int i = 0; i < 50; i++) {
        int64_t at = sl_pace_next_ns(&p);
        assert_false(sl_pace_take(&p, at - 10));
        assert_true(sl_pace_take(&p, at));
    }
}

static void think_times_have_the_mean_asked_for(void **state)
{
    (void)state;
    struct sl_rng rng = sl_rng_stream(3, "test", 0);
    double sum = 0;
    for (int i = 0; i < 200000; i++) {
        double s = sl_pace_think_s(&rng, 2.0);
        assert_true(s >= 0 && s <= 10.0);
        sum += s;
    }
    // Truncation at 5 means: E[min(X, 5m)] / m = Phi(d - 1) + 5 (1 - Phi(d)) with
    // d = ln 5 + 1/2 = 2.109: 0.8663 + 5 * 0.01746 = 0.9536.
    assert_true(fabs(sum / 200000 / 2.0 - 0.9536) < 0.01);
}

static void a_mix_keeps_its_shares_over_short_stretches(void **state)
{
    (void)state;
    struct sl_rng rng = sl_rng_stream(4, "test", 0);
    struct sl_mix m;
    sl_mix_init(&m, 0, &rng);
    const double w[3] = {5, 3, 2};
    int n[3] = {0};
    for (int i = 0; i < 100; i++)
        n[sl_mix_choose(&m, w, 3)]++;
    assert_in_range(n[0], 47, 53);
    assert_in_range(n[1], 27, 33);
    assert_in_range(n[2], 17, 23);
}

static void the_choice_of_a_kind_does_not_fix_the_key(void **state)
{
    (void)state;
    struct sl_rng rng = sl_rng_stream(4, "test", 0);
    struct sl_mix kind, key;
    sl_mix_init(&kind, 0, &rng);
    sl_mix_init(&key, 1, &rng);
    int n[4] = {0};
    for (int i = 0; i < 400; i++)
        n[(sl_mix_next(&kind) < 0.5) * 2 + (sl_mix_next(&key) < 0.5)]++;
    for (int i = 0; i < 4; i++)
        assert_in_range(n[i], 90, 110); // independent: 400 / 4
}

// Links and forms

struct heard {
    char links[20][SL_URL_MAX];
    enum sl_link_kind kinds[20];
    int n, n_forms;
    struct sl_form form;
};

static void hear_link(void *ctx, enum sl_link_kind kind, const char *url)
{
    struct heard *h = ctx;
    assert_in_range(h->n, 0, 19);
    snprintf(h->links[h->n], SL_URL_MAX, "%s", url);
    h->kinds[h->n++] = kind;
}

static void hear_form(void *ctx, const struct sl_form *form)
{
    struct heard *h = ctx;
    h->form = *form;
    h->n_forms++;
}

static void hear(struct heard *h, const char *text, bool json)
{
    memset(h, 0, sizeof *h);
    struct sl_html_sink sink = {.ctx = h, .link = hear_link, .form = hear_form};
    (json ? sl_json_scan : sl_html_scan)(text, strlen(text), &sink);
}

static void links_are_found_however_they_are_written(void **state)
{
    (void)state;
    struct heard h;
    hear(&h,
         "<A HREF='/a?x=1&amp;y=2'>a</A><a class=b href=/b>b</a><a\nhref = \"/c\" >"
         "<!-- <a href=/hidden> --><script>var s = '<a href=/script>';</script>"
         "<link rel=stylesheet href=s.css><link rel=canonical href=/no><img src=i.png>"
         "<script src='/j.js'></script><iframe src=/f>",
         false);
    static const char *const want[] = {"/a?x=1&y=2", "/b", "/c", "s.css", "i.png", "/j.js", "/f"};
    assert_int_equal(h.n, 7);
    for (int i = 0; i < 7; i++) {
        assert_string_equal(h.links[i], want[i]);
        assert_int_equal(h.kinds[i], i >= 3 && i <= 5 ? SL_LINK_ASSET : SL_LINK_PAGE);
    }
}

static void a_form_keeps_its_tokens_and_gets_sensible_values(void **state)
{
    (void)state;
    struct heard h;
    hear(&h,
         "<form action='/signup' method=POST><input type=hidden name=csrf value='a b&lt;'>"
         "<input name=email type=email><input type=radio name=r value=1><input type=radio name=r "
         "value=2><select name=s><option value=''>-<option value=x>X<option value=y></select>"
         "<input type=file name=f><input type=submit name=go value=Go></form><input name=outside>",
         false);
    assert_int_equal(h.n_forms, 1);
    assert_true(h.form.post);
    assert_string_equal(h.form.action, "/signup");
    assert_int_equal(h.form.n_fields, 5);
    char text[1024];
    assert_true(sl_form_encode(&h.form, 7, text, sizeof text));
    assert_non_null(strstr(text, "csrf=a+b%3C&email="));
    assert_non_null(strstr(text, "%40example.org&r=1&s=x&go=Go"));
    assert_false(sl_form_encode(&h.form, 7, text, 20)); // does not fit: refused, not cut
}

static void json_texts_that_look_like_paths_are_links(void **state)
{
    (void)state;
    struct heard h;
    hear(&h, "{\"/users/{id}\":{\"href\":\"\\/next?p=2\",\"x\":\"no link\",\"u\":\"http://h/z\"}}",
         true);
    assert_int_equal(h.n, 3);
    assert_string_equal(h.links[0], "/users/1");
    assert_string_equal(h.links[1], "/next?p=2");
    assert_string_equal(h.links[2], "http://h/z");
}

static void links_resolve_as_in_rfc_3986_and_never_leave_the_server(void **state)
{
    (void)state;
    const struct sl_origin at = {.scheme = "http", .host = "web", .port = 8080};
    // Paths of RFC 3986, 5.4, with the base /b/c/d;p?q
    static const char *const good[][2] = {{"g", "/b/c/g"},
                                          {"./g", "/b/c/g"},
                                          {"g/", "/b/c/g/"},
                                          {"/g", "/g"},
                                          {"?y", "/b/c/d;p?y"},
                                          {"g?y", "/b/c/g?y"},
                                          {"g#s", "/b/c/g"},
                                          {";x", "/b/c/;x"},
                                          {".", "/b/c/"},
                                          {"..", "/b/"},
                                          {"../g", "/b/g"},
                                          {"../../../g", "/g"},
                                          {"/./g", "/g"},
                                          {"/../g", "/g"},
                                          {"g;x=1/../y", "/b/c/y"},
                                          {"//web:8080/x", "/x"},
                                          {"HTTP://WEB:8080", "/"},
                                          {"http://localhost:3000/l", "/l"},
                                          {"a b\"<", "/b/c/a%20b%22%3C"}};
    static const char *const bad[] = {"#top",
                                      "",
                                      "mailto:a@b",
                                      "javascript:alert(1)",
                                      "file:///etc/passwd",
                                      "gopher://web:8080/x",
                                      "http://other/",
                                      "http://web/",
                                      "https://web:8080/",
                                      "http://web:8080.evil.example/",
                                      "//web:8080@evil/",
                                      "http://web.evil:8080/"};
    char out[SL_URL_MAX];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(sl_url_resolve(&at, "/b/c/d;p?q", good[i][0], out));
        assert_string_equal(out, good[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(sl_url_resolve(&at, "/b/c/d;p?q", bad[i], out));
}

static void a_site_forgets_guesses_that_are_not_there(void **state)
{
    (void)state;
    static struct sl_site s;
    struct sl_rng rng = sl_rng_stream(1, "test", 0);
    const struct sl_origin at = {.scheme = "http", .host = "web", .port = 80};
    sl_site_init(&s, &at, &rng);
    assert_int_equal(sl_site_untried(&s), 0);
    assert_true(sl_site_answered(&s, 0, 200));
    int real = sl_site_add(&s, "/", "/real", SL_PAGE_LINK), guess;
    assert_int_equal(sl_site_untried(&s), real); // links before guesses
    assert_true(sl_site_answered(&s, real, 200));
    while ((guess = sl_site_untried(&s)) >= 0)
        assert_true(sl_site_answered(&s, guess, 404)); // no error of the server's
    assert_int_equal(s.n_good, 2);
    int n[2] = {0};
    for (int i = 0; i < 300; i++) {
        int p = sl_site_choose(&s);
        assert_true(p == 0 || p == real);
        n[p == real]++;
    }
    assert_in_range(n[0], 195, 205); // Zipf: 1 to 1/2, so 200 to 100
    assert_false(sl_site_answered(&s, real, 500));
    sl_site_done(&s);
}

static void a_trap_of_endless_queries_does_not_fill_the_map(void **state)
{
    (void)state;
    static struct sl_site s;
    struct sl_rng rng = sl_rng_stream(1, "test", 0);
    const struct sl_origin at = {.scheme = "http", .host = "web", .port = 80};
    sl_site_init(&s, &at, &rng);
    int before = s.n;
    char link[64];
    for (int i = 0; i < 2000; i++) {
        snprintf(link, sizeof link, "/calendar?day=%d", i);
        sl_site_add(&s, "/", link, SL_PAGE_LINK);
    }
    assert_int_equal(s.n - before, 20);
    for (int i = 0; i < 2000; i++) {
        snprintf(link, sizeof link, "/page/%d", i);
        sl_site_add(&s, "/", link, SL_PAGE_LINK);
    }
    assert_int_equal(s.n, SL_SITE_MAX);
    assert_int_equal(sl_site_add(&s, "/", "/logout", SL_PAGE_LINK), -1);
    sl_site_done(&s);
}

// Control lines

static void a_spec_survives_the_way_to_the_child(void **state)
{
    (void)state;
    const struct sl_drive_spec spec = {.protocol = "mysql",
                                       .host = "db",
                                       .port = 3306,
                                       .user = "u",
                                       .password = "p\"\\\n",
                                       .seed = UINT64_MAX,
                                       .users = 7,
                                       .rate = 12.5,
                                       .max_users = 9};
    char *line = sl_drive_order_spec(&spec);
    static struct sl_drive_order o;
    struct sl_error err = {0};
    assert_true(sl_drive_order_parse(line, strlen(line), &o, &err));
    free(line);
    assert_int_equal(o.kind, SL_ORDER_SPEC);
    assert_string_equal(o.spec.password, "p\"\\\n");
    assert_null(o.spec.database);
    assert_true(o.spec.seed == UINT64_MAX && o.spec.users == 7 && o.spec.max_users == 9);
    assert_true(o.spec.rate == 12.5 && !o.spec.keep_alive);
}

static void orders_are_brought_into_range_or_refused(void **state)
{
    (void)state;
    static struct sl_drive_order o;
    struct sl_error err = {0};
    const char *far = "{\"users\":1e9,\"rate\":-5}";
    assert_true(sl_drive_order_parse(far, strlen(far), &o, &err));
    assert_true(o.kind == SL_ORDER_SET && o.users == SL_DRIVE_MAX_USERS && o.rate == 0);
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{}",
                                      "{\"users\":3}",
                                      "{\"stop\":false}",
                                      "{\"protocol\":\"http\"}",
                                      "{\"protocol\":5,\"host\":\"h\"}",
                                      "{\"protocol\":\"http\",\"host\":\"h\",\"port\":0}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(sl_drive_order_parse(bad[i], strlen(bad[i]), &o, &err));
}

static void news_of_a_hostile_child_are_tamed(void **state)
{
    (void)state;
    struct sl_drive_news n;
    struct sl_error err = {0};
    const char *odd = "{\"type\":\"stats\",\"requests\":-3,\"errors\":1e300,\"users\":\"x\"}";
    assert_true(sl_drive_news_parse(odd, strlen(odd), &n, &err));
    assert_true(n.stats.requests == 0 && n.stats.users == 0);
    const char *esc = "{\"type\":\"error\",\"message\":\"\\u001b[2Jred\\n\"}";
    assert_true(sl_drive_news_parse(esc, strlen(esc), &n, &err));
    assert_string_equal(n.message, "?[2Jred");
    assert_false(sl_drive_news_parse("{\"type\":\"boo\"}", 14, &n, &err));
}

static void latencies_are_summarised_per_interval(void **state)
{
    (void)state;
    static struct sl_meter m;
    struct sl_drive_stats s = {0};
    for (int i = 1; i <= 100; i++)
        sl_meter_request(&m, i != 50, i * ms); // 1..100 ms: mean 50.5, 95th percentile 95
    sl_meter_interval(&m, 2000 * ms, &s);
    assert_true(s.requests == 100 && s.errors == 1 && s.requests_per_s == 50);
    assert_true(fabs(s.latency_ms_mean - 50.5) < 1e-9);
    assert_true(fabs(s.latency_ms_p95 / 95 - 1) < 0.1);
    sl_meter_interval(&m, 3000 * ms, &s);
    assert_true(s.requests == 100 && s.latency_ms_mean == 0 && s.latency_ms_p95 == 0);
}

// Credentials and probe

static const char *from_env(void *ctx, const char *key)
{
    for (const char *const *e = ctx; e[0]; e += 2)
        if (!strcmp(e[0], key))
            return e[1];
    return NULL;
}

static void credentials_follow_the_images_entrypoints(void **state)
{
    (void)state;
    struct sl_drive_spec s = {0};
    const char *pg[] = {"POSTGRES_PASSWORD", "x", "POSTGRES_USER", "shop", NULL};
    sl_drive_credentials("postgresql", from_env, pg, &s);
    assert_string_equal(s.user, "shop");
    assert_string_equal(s.password, "x");
    assert_string_equal(s.database, "shop"); // named after its user
    const char *my[] = {"MYSQL_ROOT_PASSWORD", "r",    "MYSQL_USER", "app", "MYSQL_PASSWORD", "a",
                        "MYSQL_DATABASE",      "shop", NULL};
    sl_drive_credentials("mysql", from_env, my, &s);
    assert_string_equal(s.user, "app");
    assert_string_equal(s.password, "a");
    const char *root[] = {"MARIADB_ROOT_PASSWORD", "r", "MYSQL_PASSWORD_FILE", "/run/x", NULL};
    sl_drive_credentials("mysql", from_env, root, &s);
    assert_string_equal(s.user, "root");
    assert_string_equal(s.password, "r");
    assert_null(s.database);
    const char *none[] = {NULL};
    sl_drive_credentials("redis", from_env, none, &s);
    assert_null(s.password);
}

static void greetings_tell_their_protocol(void **state)
{
    (void)state;
#define SAYS(q, bytes, name)                                                                       \
    assert_string_equal(sl_probe_answer(q, (const uint8_t *)(bytes), sizeof(bytes) - 1), name)
    SAYS(SL_ASK_NOTHING,
         "\x4a\0\0\0\x0a"
         "5.5.5-10.11",
         "mysql");
    SAYS(SL_ASK_NOTHING, "SSH-2.0-OpenSSH_9.2", "ssh");
    SAYS(SL_ASK_NOTHING, "220 mail ESMTP Postfix\r\n", "smtp");
    SAYS(SL_ASK_NOTHING, "220 (vsFTPd 3.0.3)\r\n", "ftp");
    SAYS(SL_ASK_HTTP, "HTTP/1.1 404 Not Found\r\n", "http");
    SAYS(SL_ASK_HTTP, "AMQP\0\0\x09\x01", "amqp");
    SAYS(SL_ASK_HTTP, "\x15\x03\x01\0\x02\x02\x46", "tls");
    SAYS(SL_ASK_REDIS, "+PONG\r\n", "redis");
    SAYS(SL_ASK_REDIS, "-NOAUTH Authentication required.\r\n", "redis");
    SAYS(SL_ASK_POSTGRESQL, "N", "postgresql");
    SAYS(SL_ASK_MEMCACHED, "VERSION 1.6.18\r\n", "memcached");
    SAYS(SL_ASK_MQTT, "\x20\x02\0\0", "mqtt");
    SAYS(SL_ASK_NOTHING, "N", "");
    SAYS(SL_ASK_NOTHING, "", "");
    SAYS(SL_ASK_POSTGRESQL, "Nonsense", "");
}

// SQL

static void sql_names_are_quoted_and_odd_ones_left_out(void **state)
{
    (void)state;
    static struct sl_sql s;
    struct sl_rng rng = sl_rng_stream(1, "test", 0);
    sl_sql_init(&s, SL_SQL_POSTGRESQL, true, &rng);
    sl_sql_found(&s, "public", "a\"b", "id");
    sl_sql_found(&s, "public", "bad\\name", "id");
    sl_sql_found(&s, "public", NULL, NULL);
    assert_int_equal(s.n_tables, 1);
    assert_string_equal(s.tables[0].name, "\"public\".\"a\"\"b\"");
    static struct sl_sql_op op;
    sl_sql_next(&s, &rng, &op);
    for (int i = 0; i < 200 && s.n_tables; i++) { // a table that fails twice is left alone
        sl_sql_next(&s, &rng, &op);
        sl_sql_result(&s, &op, false);
    }
    assert_int_equal(s.n_tables, 0);
}

static void sql_writes_go_to_our_own_table_only(void **state)
{
    (void)state;
    static struct sl_sql s;
    static struct sl_sql_op op;
    struct sl_rng rng = sl_rng_stream(1, "test", 0);
    sl_sql_init(&s, SL_SQL_MYSQL, false, &rng);
    sl_sql_found(&s, "shop", "items", "id");
    s.own = true;
    int writes = 0, transactions = 0;
    for (int i = 0; i < 1000; i++) {
        sl_sql_next(&s, &rng, &op);
        transactions += op.n == 4;
        for (int k = 0; k < op.n; k++) {
            assert_true(strlen(op.text[k]) < SL_SQL_TEXT - 1);
            bool writing = !strncmp(op.text[k], "INSERT", 6) || !strncmp(op.text[k], "UPDATE", 6);
            writes += writing;
            if (writing)
                assert_non_null(strstr(op.text[k], " sluice.sluice_load "));
        }
    }
    assert_in_range(writes, 240, 260); // weights 15 + 10 of 100
    assert_in_range(transactions, 95, 105);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pace_never_strays_more_than_one_token_from_its_rate),
        cmocka_unit_test(a_new_rate_counts_from_the_moment_it_is_set),
        cmocka_unit_test(tokens_nobody_takes_are_lost_after_half_a_second),
        cmocka_unit_test(rate_zero_always_has_a_token),
        cmocka_unit_test(the_next_token_is_announced_exactly),
        cmocka_unit_test(think_times_have_the_mean_asked_for),
        cmocka_unit_test(a_mix_keeps_its_shares_over_short_stretches),
        cmocka_unit_test(the_choice_of_a_kind_does_not_fix_the_key),
        cmocka_unit_test(links_are_found_however_they_are_written),
        cmocka_unit_test(a_form_keeps_its_tokens_and_gets_sensible_values),
        cmocka_unit_test(json_texts_that_look_like_paths_are_links),
        cmocka_unit_test(links_resolve_as_in_rfc_3986_and_never_leave_the_server),
        cmocka_unit_test(a_site_forgets_guesses_that_are_not_there),
        cmocka_unit_test(a_trap_of_endless_queries_does_not_fill_the_map),
        cmocka_unit_test(a_spec_survives_the_way_to_the_child),
        cmocka_unit_test(orders_are_brought_into_range_or_refused),
        cmocka_unit_test(news_of_a_hostile_child_are_tamed),
        cmocka_unit_test(latencies_are_summarised_per_interval),
        cmocka_unit_test(credentials_follow_the_images_entrypoints),
        cmocka_unit_test(greetings_tell_their_protocol),
        cmocka_unit_test(sql_names_are_quoted_and_odd_ones_left_out),
        cmocka_unit_test(sql_writes_go_to_our_own_table_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
