// SPDX-License-Identifier: Apache-2.0
// Messages are made by hand after RFC 1035 section 4.
#include "../support/hex.h"
#include "dissect/dissect.h"
#include "dissect/dns.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

#define QUERY "1234 0100 0001 0000 0000 0000 03777777 076578616d706c65 036f7267 00 0001 0001"

static enum sl_dns_result dissect(const char *hex, bool tcp, struct sl_dns_facts *f)
{
    uint8_t b[2048];
    size_t n = hex_bytes(hex, b, sizeof b);
    uint8_t *exact = exact_copy(b, n);
    enum sl_dns_result res = sl_dissect_dns(exact, n, tcp, f);
    free(exact);
    return res;
}

static void a_query_is_read(void **state)
{
    (void)state;
    struct sl_dns_facts f;
    assert_int_equal(dissect(QUERY, false, &f), SL_DNS_DONE);
    assert_string_equal(f.name, "www.example.org");
    assert_int_equal(f.qtype, 1);
    assert_int_equal(f.qclass, 1);
    assert_int_equal(f.rcode, -1);
    assert_int_equal(f.id, 0x1234);
    assert_false(f.response || f.cut || f.name_cut);
}

static void an_answer_gives_its_first_address(void **state)
{
    (void)state;
    struct sl_dns_facts f;
    // An alias, whose owner and target are pointers, then an address.
    assert_int_equal(
        dissect("1234 8180 0001 0002 0000 0000 03777777 076578616d706c65 036f7267 00 0001 0001"
                "c00c 0005 0001 0000003c 0002 c010"
                "c010 0001 0001 0000003c 0004 c0000201",
                false, &f),
        SL_DNS_DONE);
    assert_true(f.response);
    assert_int_equal(f.rcode, 0);
    assert_int_equal(f.answers, 2);
    assert_int_equal(f.address_family, 4);
    assert_memory_equal(f.address, ((uint8_t[]){192, 0, 2, 1}), 4);
}

static void a_refusal_without_question_is_a_message(void **state)
{
    (void)state;
    struct sl_dns_facts f;
    assert_int_equal(dissect("1234 8105 0000 0000 0000 0000", false, &f), SL_DNS_DONE);
    assert_int_equal(f.rcode, 5);
    assert_string_equal(f.name, "");
}

static void names_are_escaped_as_rfc4343_says(void **state)
{
    (void)state;
    struct sl_dns_facts f;
    // a.b\c, then bytes 0, 255 and a blank: RFC 4343 section 2.1
    assert_int_equal(
        dissect("0001 0100 0001 0000 0000 0000 05612e625c63 0300ff20 00 0010 0001", false, &f),
        SL_DNS_DONE);
    assert_string_equal(f.name, "a\\.b\\\\c.\\000\\255\\032");
    assert_int_equal(dissect("0001 0100 0001 0000 0000 0000 00 0002 0001", false, &f), SL_DNS_DONE);
    assert_string_equal(f.name, ".");
}

static void a_long_name_is_cut_at_a_whole_character(void **state)
{
    (void)state;
    struct sl_dns_facts f;
    char hex[1024] = "0001 0100 0001 0000 0000 0000 3f";
    for (int i = 0; i < 63; i++)
        strcat(hex, "01");
    strcat(hex, " 3f");
    for (int i = 0; i < 63; i++)
        strcat(hex, "02");
    strcat(hex, "00 0001 0001");
    assert_int_equal(dissect(hex, false, &f), SL_DNS_DONE);
    assert_true(f.name_cut);
    assert_int_equal(strlen(f.name), 63 * 4 + 1); // "\001" 63 times and the dot
    assert_memory_equal(f.name + 62 * 4, "\\001", 4);
}

static void pointers_that_do_not_lead_back_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "0001 0100 0001 0000 0000 0000 c00c 0001 0001",          // to itself
        "0001 0100 0001 0000 0000 0000 c010 0001 0001 00000000", // forward
        "0001 0100 0001 0000 0000 0000 0161 c00c 0001 0001",     // to the start of its own labels
        "0001 0100 0001 0000 0000 0000 c000 0001 0001",          // into the header
        "0001 0100 0001 0000 0000 0000 4161 00 0001 0001",       // an extended label
        "0001 0100 0001 0000 0000 0000 8161 00 0001 0001",       // a reserved one
    };
    struct sl_dns_facts f;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(dissect(bad[i], false, &f), SL_DNS_NOT);
}

static void what_is_no_dns_is_left_alone(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "1234 0140 0001 0000 0000 0000 00 0001 0001", // reserved bit
        "1234 1900 0001 0000 0000 0000 00 0001 0001", // operation 3
        "1234 0103 0001 0000 0000 0000 00 0001 0001", // a query with a response code
        "1234 0100 0000 0000 0000 0000",              // a query for nothing
        "1234 8180 0000 0000 0000 0000",              // a response about nothing
        "1234 0100 0001 0000 0000 0000 00 0001 0007", // class 7
        "1234 0100 0001 0000 0000 0000 00 0000 0001", // type 0
        "1234 0100 0100 0000 0000 0000 00 0001 0001", // 256 questions
        "1234 8180 0001 0001 0000 0000 00 0001 0001 00 0001 0001 00000000 0003 000000", // A of 3
                                                                                        // bytes
        "474554202f20485454502f312e310d0a0d0a", // GET / HTTP/1.1
    };
    struct sl_dns_facts f;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(dissect(bad[i], false, &f), SL_DNS_NOT);
}

static void mdns_announces_by_its_first_record(void **state)
{
    (void)state;
    struct sl_dns_facts f;
    assert_int_equal(
        dissect(
            "0000 8400 0000 0001 0000 0000 01 78 056c6f63616c 00 0001 8001 00000078 0004 0a000007",
            false, &f),
        SL_DNS_DONE);
    assert_string_equal(f.name, "x.local");
    assert_int_equal(f.qclass, 1); // without the bit that flushes caches
    assert_int_equal(f.address[3], 7);
}

static void every_cut_is_not_a_message_over_udp_and_needs_more_over_tcp(void **state)
{
    (void)state;
    uint8_t b[256];
    size_t n = hex_bytes("0021" QUERY, b, sizeof b);
    assert_int_equal(n, 2 + 0x21);
    struct sl_dns_facts f;
    for (size_t len = 0; len <= n; len++) {
        uint8_t *exact = exact_copy(b, len);
        assert_int_equal(sl_dissect_dns(exact, len, true, &f),
                         len < n ? SL_DNS_NEED_MORE : SL_DNS_DONE);
        assert_true(len == n || f.want_bytes > len);
        free(exact);
        if (len < 2)
            continue;
        exact = exact_copy(b + 2, len - 2);
        assert_int_equal(sl_dissect_dns(exact, len - 2, false, &f),
                         len < n ? SL_DNS_NOT : SL_DNS_DONE);
        free(exact);
    }
}

static void a_capture_that_ends_in_the_answers_keeps_the_question(void **state)
{
    (void)state;
    struct sl_dns_facts f;
    assert_int_equal(
        dissect("1234 8180 0001 0001 0000 0000 0161 00 0001 0001 c00c 0001 0001 0000", false, &f),
        SL_DNS_DONE);
    assert_true(f.cut);
    assert_string_equal(f.name, "a");
    assert_int_equal(f.address_family, 0);
}

static void the_facade_looks_for_dns_on_its_ports_only(void **state)
{
    (void)state;
    uint8_t b[256];
    size_t n = hex_bytes(QUERY, b, sizeof b);
    struct sl_l7 f;
    assert_int_equal(sl_dissect_payload(17, 50000, 53, 0, b, n, &f), SL_L7_DONE);
    assert_string_equal(f.app, "dns");
    assert_string_equal(f.dns_name, "www.example.org");
    assert_int_equal(f.dns_rcode, -1);
    assert_int_equal(sl_dissect_payload(17, 50000, 5300, 0, b, n, &f), SL_L7_NOTHING);
    assert_null(f.app);
    assert_int_equal(f.dns_qtype, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_is_read),
        cmocka_unit_test(an_answer_gives_its_first_address),
        cmocka_unit_test(a_refusal_without_question_is_a_message),
        cmocka_unit_test(names_are_escaped_as_rfc4343_says),
        cmocka_unit_test(a_long_name_is_cut_at_a_whole_character),
        cmocka_unit_test(pointers_that_do_not_lead_back_are_refused),
        cmocka_unit_test(what_is_no_dns_is_left_alone),
        cmocka_unit_test(mdns_announces_by_its_first_record),
        cmocka_unit_test(every_cut_is_not_a_message_over_udp_and_needs_more_over_tcp),
        cmocka_unit_test(a_capture_that_ends_in_the_answers_keeps_the_question),
        cmocka_unit_test(the_facade_looks_for_dns_on_its_ports_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
