// SPDX-License-Identifier: Apache-2.0
#include "base/csv.h"
#include "net/services.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static struct sl_services *parse(const char *text, struct sl_error *err)
{
    char *copy = strdup(text);
    struct sl_services *s = sl_services_parse("my.csv", copy, strlen(copy), err);
    free(copy);
    return s;
}

static const char *name_of(const struct sl_services *s, uint8_t proto, uint16_t port)
{
    return sl_service_name(s, sl_service_id(s, proto, port));
}

// Facts of IANA's registry: RFC 9293's neighbours. 2181 is the name that ZooKeeper's users meet.
static void the_embedded_table_knows_the_registered_names(void **state)
{
    (void)state;
    struct sl_services *s = sl_services_builtin();
    assert_string_equal(name_of(s, 6, 22), "ssh");
    assert_string_equal(name_of(s, 132, 22), "ssh");
    assert_string_equal(name_of(s, 6, 80), "http");
    assert_string_equal(name_of(s, 17, 53), "domain");
    assert_string_equal(name_of(s, 6, 2181), "eforward");
    assert_string_equal(name_of(s, 6, 5432), "postgresql");
    assert_string_equal(name_of(s, 6, 6063), "x11"); // 6000-6063
    assert_string_equal(name_of(s, 6, 6064), "ndl-ahp-svc");
    assert_string_equal(name_of(s, 17, 6379), ""); // redis is registered for TCP only
    assert_string_equal(name_of(s, 6, 65535), "");
    assert_int_equal(sl_service_id(s, 1, 80), SL_SERVICE_NONE); // ICMP has no ports
    assert_string_equal(sl_services_date(s), "2024-08-28");
    assert_non_null(strstr(sl_services_source(s), "libwireshark-data"));
    sl_services_free(s);
}

static void a_name_has_one_id_whatever_its_ports(void **state)
{
    (void)state;
    struct sl_services *s = sl_services_builtin();
    assert_int_equal(sl_service_id(s, 6, 8008), sl_service_id(s, 17, 8080)); // http-alt
    assert_true(sl_service_id(s, 6, 8008) >= 1 &&
                sl_service_id(s, 6, 8008) <= sl_services_count(s));
    assert_string_equal(sl_service_name(s, 0), "");
    assert_string_equal(sl_service_name(s, UINT16_MAX), "");
    sl_services_free(s);
}

static void the_registrys_own_csv_is_read(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_services *s =
        parse("\xef\xbb\xbfService Name,Port Number,Transport Protocol,Description\r\n"
              ",0,tcp,Reserved\r\n"
              "http,80,tcp,\"World, \"\"Wide\"\"\r\nWeb\"\r\n"
              "www,80,tcp,the second name\r\n"
              "dns-sd,,,portless\r\n"
              "x11,6000-6063,tcp,X\r\n",
              &err);
    assert_non_null(s);
    assert_string_equal(name_of(s, 6, 80), "http"); // the first name stands
    assert_string_equal(name_of(s, 17, 80), "");
    assert_string_equal(name_of(s, 6, 5999), "");
    assert_string_equal(name_of(s, 6, 6000), "x11");
    assert_string_equal(name_of(s, 6, 6063), "x11");
    assert_string_equal(name_of(s, 6, 6064), "");
    assert_string_equal(sl_services_date(s), "");
    assert_string_equal(sl_services_source(s), "my.csv");
    sl_services_free(s);
}

static void the_forms_of_services_and_of_our_table_are_read(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_services *s = parse("# Network services\n"
                                  "http\t\t80/tcp\t\twww\t# web\n"
                                  "rtmp\t1/ddp\n"
                                  "ssh 22/tcp/udp/sctp\n",
                                  &err);
    assert_non_null(s);
    assert_string_equal(name_of(s, 6, 80), "http");
    assert_string_equal(name_of(s, 6, 1), "");
    assert_string_equal(name_of(s, 132, 22), "ssh");
    sl_services_free(s);
    s = parse(
        "# date: 2025-02-03\n# source: by hand\nname\tport\tprotocol\nmine\t7000-7001\ttcp,dccp\n",
        &err);
    assert_non_null(s);
    assert_string_equal(name_of(s, 33, 7001), "mine");
    assert_string_equal(sl_services_date(s), "2025-02-03");
    assert_string_equal(sl_services_source(s), "by hand");
    sl_services_free(s);
    s = parse("mine 7000 tcp,udp\n", &err); // a comma does not make it a CSV file
    assert_non_null(s);
    sl_services_free(s);
}

static void a_wrong_line_is_named_with_its_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
        const char *msg;
    } cases[] = {
        {"ok 1/tcp\nhttp 80-79/tcp\n", 2, "'80-79' is not a port"},
        {"http 65536/tcp\n", 1, "'65536' is not a port"},
        {"\n\nhttp\n", 3, "'http' comes without a port"},
        {"http 80\n", 1, "'http' comes without a protocol"},
        {"a\"b 80/tcp\n", 1, "'a\"b' cannot be the name of a service"},
        {"Service Name,Port\nhttp,80\n", 1, "a column 'Port Number' is missing"},
        {"Service Name,Port Number,Transport Protocol\nhttp,80\n", 2,
         "the line has 2 fields; the protocol is field 3"},
        {"Service Name,Port Number,Transport Protocol\nhttp,80,\"tcp\n\n", 2,
         "a quoted field is never closed"},
        {"Service Name,Port Number,Transport Protocol\n\"ht\"tp,80,tcp\n", 2,
         "text follows a quoted field"},
        {"# nothing\n", 0, "'my.csv' names no service"},
        {"", 0, "'my.csv' names no service"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sl_error err = {0};
        assert_null(parse(cases[i].text, &err));
        assert_int_equal(err.code, SL_EINPUT);
        assert_string_equal(err.msg, cases[i].msg);
        assert_string_equal(err.file, "my.csv");
        assert_int_equal(err.line, cases[i].line);
        assert_true(err.hint[0]);
    }
    struct sl_error err = {0};
    assert_null(sl_services_load("/nowhere/services", &err));
    assert_int_equal(err.code, SL_EINPUT);
}

static void expect(const struct sl_services *s, uint16_t sport, uint16_t dport, bool known,
                   const char *name, const char *basis)
{
    struct sl_service v = sl_service_of_flow(s, 6, sport, dport, known);
    assert_string_equal(sl_service_name(s, v.id), name);
    assert_string_equal(sl_service_basis_name(v.basis), basis);
}

static void the_initiators_destination_comes_first(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_services *s = parse("ssh 22/tcp\nhttp 80/tcp\n", &err);
    expect(s, 50000, 80, true, "http", "dst");
    expect(s, 22, 80, true, "http", "dst");
    expect(s, 80, 50000, true, "http", "src");
    expect(s, 50000, 50001, true, "", "none");
    expect(s, 22, 80, false, "ssh", "lower");
    expect(s, 80, 22, false, "ssh", "lower");
    expect(s, 80, 50000, false, "http", "src"); // only one is registered: it is that one
    sl_services_free(s);
}

static void csv_fields_survive_writing_and_reading(void **state)
{
    (void)state;
    static const char *const words[] = {"plain",      "",   "a,b", "say \"hi\"",
                                        "two\nlines", "\r", "end"};
    enum { N = sizeof words / sizeof *words };
    struct sl_str text = {0};
    for (size_t i = 0; i < N; i++) {
        sl_str_add(&text, i ? "," : "");
        sl_csv_add(&text, words[i]);
    }
    sl_str_add(&text, "\n\nnext");
    struct sl_csv csv = {.p = text.text, .end = text.text + text.len, .name = "x"};
    struct sl_error err = {0};
    char *f[N];
    size_t n;
    assert_true(sl_csv_next(&csv, f, N, &n, &err));
    assert_int_equal(n, N);
    for (size_t i = 0; i < N; i++)
        assert_string_equal(f[i], words[i]);
    assert_int_equal(csv.record_line, 1);
    assert_true(sl_csv_next(&csv, f, N, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(f[0], "next");
    assert_int_equal(csv.record_line,
                     4); // the record above holds a line break, and a line is empty
    assert_false(sl_csv_next(&csv, f, N, &n, &err));
    assert_false(csv.failed);
    sl_str_done(&text);
}

static void a_csv_record_with_too_many_fields_or_a_nul_is_refused(void **state)
{
    (void)state;
    char many[] = "a,b\nc,d,e\n", nul[] = "a\nb\0c\n";
    struct sl_csv csv = {.p = many, .end = many + sizeof many - 1, .name = "x"};
    struct sl_error err = {0};
    char *f[2];
    size_t n;
    assert_true(sl_csv_next(&csv, f, 2, &n, &err));
    assert_false(sl_csv_next(&csv, f, 2, &n, &err));
    assert_true(csv.failed);
    assert_int_equal(err.line, 2);
    assert_int_equal(sl_csv_column((char *[]){(char *)"A", (char *)"b"}, 2, "B"), 1);
    csv = (struct sl_csv){.p = nul, .end = nul + sizeof nul - 1, .name = "x"};
    assert_false(sl_csv_next(&csv, f, 2, &n, &err));
    assert_true(csv.failed);
    assert_int_equal(err.line, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_embedded_table_knows_the_registered_names),
        cmocka_unit_test(a_name_has_one_id_whatever_its_ports),
        cmocka_unit_test(the_registrys_own_csv_is_read),
        cmocka_unit_test(the_forms_of_services_and_of_our_table_are_read),
        cmocka_unit_test(a_wrong_line_is_named_with_its_remedy),
        cmocka_unit_test(the_initiators_destination_comes_first),
        cmocka_unit_test(csv_fields_survive_writing_and_reading),
        cmocka_unit_test(a_csv_record_with_too_many_fields_or_a_nul_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
