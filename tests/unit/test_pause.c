// SPDX-License-Identifier: Apache-2.0
#include "pause/dns.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

// RFC 1035 section 4.1: id 0x1234, recursion desired, one question: WWW.Example.com, type A, class
// IN; behind it an additional record (EDNS), which the answer leaves out.
static const uint8_t query[] = {0x12, 0x34, 0x01, 0x00, 0,   1,   0,   0,   0,   0,   0,
                                1,    3,    'W',  'W',  'W', 7,   'E', 'x', 'a', 'm', 'p',
                                'l',  'e',  3,    'c',  'o', 'm', 0,   0,   1,   0,   1,
                                0,    0,    41,   4,    0,   0,   0,   0,   0,   0,   0};
enum { QUESTION_END = 12 + 17 + 4 };

static void every_name_is_answered_with_no_such_name(void **state)
{
    (void)state;
    uint8_t reply[SL_DNS_MAX_REPLY];
    struct sl_dns_question q;
    bool known;
    assert_int_equal(sl_dns_answer(query, sizeof query, reply, &q, &known), QUESTION_END);
    assert_true(known);
    assert_string_equal(q.name, "www.example.com");
    assert_int_equal(q.type, 1);
    assert_int_equal(reply[0], 0x12);
    assert_int_equal(reply[1], 0x34);
    assert_int_equal(reply[2], 0x81); // response, recursion desired
    assert_int_equal(reply[3], 0x83); // recursion available, NXDOMAIN
    static const uint8_t counts[] = {0, 1, 0, 0, 0, 0, 0, 0};
    assert_memory_equal(reply + 4, counts, 8);
    assert_memory_equal(reply + 12, query + 12, QUESTION_END - 12);
}

static void a_query_cut_anywhere_gets_an_error_or_nothing(void **state)
{
    (void)state;
    for (size_t n = 0; n < QUESTION_END; n++) {
        uint8_t reply[SL_DNS_MAX_REPLY];
        struct sl_dns_question q;
        bool known;
        size_t k = sl_dns_answer(query, n, reply, &q, &known);
        assert_false(known);
        assert_int_equal(k, n < 12 ? 0 : 12);
        if (k)
            assert_int_equal(reply[3] & 15, 1); // FORMERR
    }
}

static void answers_are_not_answered(void **state)
{
    (void)state;
    uint8_t msg[sizeof query], reply[SL_DNS_MAX_REPLY];
    struct sl_dns_question q;
    bool known;
    memcpy(msg, query, sizeof msg);
    msg[2] |= 0x80;
    assert_int_equal(sl_dns_answer(msg, sizeof msg, reply, &q, &known), 0);
}

static void compressed_and_overlong_questions_are_refused(void **state)
{
    (void)state;
    struct sl_dns_question q;
    uint8_t pointer[] = {0, 1, 1, 0,    0,  1, 0, 0, 0,
                         0, 0, 0, 0xc0, 12, 0, 1, 0, 1}; // points at itself
    assert_false(sl_dns_parse(pointer, sizeof pointer, &q));
    uint8_t deep[12 + 5 * 64 + 5] = {0, 1, 1, 0, 0, 1}; // five labels of 63: 320 bytes, above 255
    for (int i = 0; i < 5; i++)
        deep[12 + i * 64] = 63;
    assert_false(sl_dns_parse(deep, sizeof deep, &q));
}

static void odd_bytes_are_escaped(void **state)
{
    (void)state;
    static const uint8_t msg[] = {0, 1, 1,   0,    0,   1,    0, 0, 0,  0, 0,
                                  0, 4, 'a', '\n', '.', 0xff, 0, 0, 28, 0, 1};
    struct sl_dns_question q;
    assert_true(sl_dns_parse(msg, sizeof msg, &q));
    assert_string_equal(q.name, "a\\010\\046\\255");
    char name[10];
    assert_string_equal(sl_dns_type_name(q.type, name), "AAAA");
    assert_string_equal(sl_dns_type_name(12, name), "PTR");
    assert_string_equal(sl_dns_type_name(65534, name), "TYPE65534");
}

static void each_name_is_told_once_and_a_thousand_at_most(void **state)
{
    (void)state;
    static struct sl_dns_seen seen;
    struct sl_dns_question q = {.name = "a.example", .type = 1};
    assert_true(sl_dns_first_time(&seen, &q));
    assert_false(sl_dns_first_time(&seen, &q));
    q.type = 28;
    assert_true(sl_dns_first_time(&seen, &q));
    int told = 2;
    for (int i = 0; i < 5000; i++) {
        snprintf(q.name, sizeof q.name, "n%d.example", i);
        told += sl_dns_first_time(&seen, &q);
    }
    assert_int_equal(told, SL_DNS_SEEN_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_answered_with_no_such_name),
        cmocka_unit_test(a_query_cut_anywhere_gets_an_error_or_nothing),
        cmocka_unit_test(answers_are_not_answered),
        cmocka_unit_test(compressed_and_overlong_questions_are_refused),
        cmocka_unit_test(odd_bytes_are_escaped),
        cmocka_unit_test(each_name_is_told_once_and_a_thousand_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
