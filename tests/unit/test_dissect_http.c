// SPDX-License-Identifier: Apache-2.0
#include "../support/hex.h"
#include "dissect/dissect.h"
#include "dissect/http.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static enum sl_http_result dissect(const char *text, size_t len, struct sl_http_facts *f)
{
    uint8_t *exact = exact_copy((const uint8_t *)text, len);
    enum sl_http_result res = sl_dissect_http(exact, len, f);
    free(exact);
    return res;
}

static enum sl_http_result whole(const char *text, struct sl_http_facts *f)
{
    return dissect(text, strlen(text), f);
}

static void a_request_is_read(void **state)
{
    (void)state;
    struct sl_http_facts f;
    // RFC 9112 section 3.2.1, with a second Host that must not win.
    assert_int_equal(
        whole("GET /where?q=now HTTP/1.1\r\nHost: www.example.org\r\nuser-agent:\tcurl/8.0 \r\n"
              "HOST: other\r\n\r\nbody",
              &f),
        SL_HTTP_DONE);
    assert_string_equal(f.method, "GET");
    assert_string_equal(f.target, "/where?q=now");
    assert_string_equal(f.host, "www.example.org");
    assert_string_equal(f.user_agent, "curl/8.0");
    assert_int_equal(f.version, 11);
    assert_int_equal(f.status, 0);
}

static void a_response_is_read(void **state)
{
    (void)state;
    struct sl_http_facts f;
    assert_int_equal(
        whole("HTTP/1.0 404 Not Found\nServer: nginx\nContent-Type: text/html; charset=utf-8\n\n<",
              &f),
        SL_HTTP_DONE);
    assert_int_equal(f.status, 404);
    assert_int_equal(f.version, 10);
    assert_string_equal(f.server, "nginx");
    assert_string_equal(f.content_type, "text/html; charset=utf-8");
    assert_string_equal(f.method, "");
}

static void every_cut_needs_more_and_keeps_whole_lines(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "GET /a HTTP/1.1\r\nHost: h.example\r\nUser-Agent: x\r\n\r\n",
        "VERSION-CONTROL / HTTP/1.1\r\nHost: h.example\r\n\r\n",
        "HTTP/1.1 200 OK\r\nServer: s\r\n\r\n",
        "HTTP/1.1 204\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    };
    struct sl_http_facts f;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t n = strlen(texts[i]);
        for (size_t len = 0; len < n; len++) {
            assert_int_equal(dissect(texts[i], len, &f), SL_HTTP_NEED_MORE);
            assert_true(f.want_bytes > len);
            assert_true(!f.host[0] || !strcmp(f.host, "h.example"));
        }
        assert_int_equal(dissect(texts[i], n, &f), SL_HTTP_DONE);
    }
    assert_int_equal(f.version, 20); // the last is the preface of HTTP/2, RFC 9113 section 3.4
}

static void unknown_methods_count_with_a_whole_line(void **state)
{
    (void)state;
    struct sl_http_facts f;
    assert_int_equal(whole("FROB / HTTP/1.1\r\n\r\n", &f), SL_HTTP_DONE);
    assert_string_equal(f.method, "FROB");
    assert_int_equal(whole("FROB / HTTP/1", &f), SL_HTTP_NOT);
}

static void what_is_no_http_is_left_alone(void **state)
{
    (void)state;
    static const char *const others[] = {
        "OPTIONS rtsp://h/ RTSP/1.0\r\n\r\n",
        "INVITE sip:a@b SIP/2.0\r\n",
        "SSH-2.0-x\r\n",
        "GET /\r\n",
        "GET  HTTP/1.1\r\n",
        "HTTP/2.0 200\r\n",
        "HTTP/1.1 2x0 OK\r\n",
        "HTTP/1.1 099 x\r\n",
        "GET /\x01 HTTP/1.1\r\n",
        " GET / HTTP/1.1\r\n",
        "\r\n",
    };
    struct sl_http_facts f;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(whole(others[i], &f), SL_HTTP_NOT);
}

static void strangers_bytes_become_question_marks(void **state)
{
    (void)state;
    struct sl_http_facts f;
    assert_int_equal(whole("GET /\xc3\xa4 HTTP/1.1\r\nHost: a\x1b[31m\r\n\r\n", &f), SL_HTTP_DONE);
    assert_string_equal(f.target, "/??");
    assert_string_equal(f.host, "a?[31m");
}

static void long_values_are_cut_and_long_heads_end(void **state)
{
    (void)state;
    static char text[SL_HTTP_MAX_HEAD + 1];
    struct sl_http_facts f;
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "GET /", 5);
    memcpy(text + 1000, " HTTP/1.1\r\nUser-Agent: ", 23);
    assert_int_equal(whole(text, &f), SL_HTTP_DONE); // no end in sight, but as much as is looked at
    assert_int_equal(strlen(f.target), 255);
    assert_string_equal(f.user_agent, ""); // its line was not whole
    memcpy(text + 2000, "\r\n\r\n", 4);
    assert_int_equal(whole(text, &f), SL_HTTP_DONE);
    assert_int_equal(strlen(f.user_agent), 127);
}

static void a_line_that_is_no_field_ends_the_head(void **state)
{
    (void)state;
    struct sl_http_facts f;
    assert_int_equal(whole("GET / HTTP/1.1\r\nX: 1\r\n folded\r\nno field\r\nHost: h\r\n\r\n", &f),
                     SL_HTTP_DONE);
    assert_true(f.malformed);
    assert_string_equal(f.host, "");
    assert_int_equal(whole("GET / HTTP/1.1\r\n: x\r\nHost: h\r\n\r\n", &f), SL_HTTP_DONE);
    assert_true(f.malformed);
}

static void the_facade_knows_banners(void **state)
{
    (void)state;
    struct sl_l7 f;
    const struct {
        const char *text, *app;
        uint16_t port;
    } cases[] = {
        {"SSH-2.0-OpenSSH_9.2\r\n", "ssh", 2222},
        {"220 mx.example.org ESMTP\r\n", "smtp", 25},
        {"220 ready\r\n", "ftp", 21},
        {"+OK ready\r\n", "pop3", 110},
        {"GET / HTTP/1.1\r\n\r\n", "http", 22},
        {"RFB 003.008\n", "vnc", 5900},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2", 80},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = strlen(cases[i].text);
        for (size_t len = 1; len < n; len++) {
            uint8_t *exact = exact_copy((const uint8_t *)cases[i].text, len);
            assert_int_equal(sl_dissect_payload(6, 50000, cases[i].port, 1, exact, len, &f),
                             SL_L7_NEED_MORE);
            assert_true(f.want_bytes > len);
            free(exact);
        }
        assert_int_equal(
            sl_dissect_payload(6, 50000, cases[i].port, 1, (const uint8_t *)cases[i].text, n, &f),
            SL_L7_DONE);
        assert_string_equal(f.app, cases[i].app);
    }
    assert_int_equal(sl_dissect_payload(6, 1, 2, 0, (const uint8_t *)"220 x\r\n", 7, &f),
                     SL_L7_NOTHING);
    assert_int_equal(sl_dissect_payload(17, 1900, 1900, 0,
                                        (const uint8_t *)"M-SEARCH * HTTP/1.1\r\nHOST: x\r\n", 30,
                                        &f),
                     SL_L7_DONE);
    assert_string_equal(f.http_host, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read),
        cmocka_unit_test(a_response_is_read),
        cmocka_unit_test(every_cut_needs_more_and_keeps_whole_lines),
        cmocka_unit_test(unknown_methods_count_with_a_whole_line),
        cmocka_unit_test(what_is_no_http_is_left_alone),
        cmocka_unit_test(strangers_bytes_become_question_marks),
        cmocka_unit_test(long_values_are_cut_and_long_heads_end),
        cmocka_unit_test(a_line_that_is_no_field_ends_the_head),
        cmocka_unit_test(the_facade_knows_banners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
