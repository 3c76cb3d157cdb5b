// SPDX-License-Identifier: Apache-2.0
#include "measure/dpi.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

// An Ethernet frame from 10.0.0.1:40000 to 10.0.0.2:port, or back.
static size_t frame(uint8_t *out, uint8_t proto, uint16_t port, bool back, const void *payload,
                    size_t len)
{
    size_t l4 = proto == SL_PROTO_TCP ? 20 : 8, ip = 20 + l4 + len;
    uint16_t sport = back ? port : 40000, dport = back ? 40000 : port;
    memset(out, 0, 14 + 20 + l4);
    out[12] = 0x08;
    uint8_t *h = out + 14;
    h[0] = 0x45;
    h[2] = (uint8_t)(ip >> 8);
    h[3] = (uint8_t)ip;
    h[8] = 64;
    h[9] = proto;
    memcpy(h + 12, back ? "\x0a\0\0\x02\x0a\0\0\x01" : "\x0a\0\0\x01\x0a\0\0\x02", 8);
    uint8_t *t = h + 20;
    t[0] = (uint8_t)(sport >> 8);
    t[1] = (uint8_t)sport;
    t[2] = (uint8_t)(dport >> 8);
    t[3] = (uint8_t)dport;
    if (proto == SL_PROTO_TCP) {
        t[12] = 5 << 4;
        t[13] = SL_TCP_ACK | SL_TCP_PSH;
    } else {
        t[4] = (uint8_t)((8 + len) >> 8);
        t[5] = (uint8_t)(8 + len);
    }
    memcpy(t + l4, payload, len);
    return 14 + ip;
}

static void see(struct sl_dpi *d, struct sl_dpi_flow **flow, uint8_t proto, uint16_t port,
                bool back, const void *payload, size_t len)
{
    uint8_t *bytes = malloc(2048);
    size_t n = frame(bytes, proto, port, back, payload, len);
    bytes = realloc(bytes, n); // exact, so that one byte beyond is seen
    struct sl_packet p = {.ts_ns = 1,
                          .payload = bytes + n - len,
                          .payload_captured = (uint32_t)len,
                          .ip_header_bytes = 20,
                          .l4_header_bytes = proto == SL_PROTO_TCP ? 20 : 8};
    sl_dpi_add(d, flow, &p);
    free(bytes);
}

static struct sl_dpi *open_or_skip(size_t max_states)
{
    struct sl_error err = {0};
    struct sl_dpi *d = sl_dpi_new(max_states, &err);
    if (sl_dpi_available()) {
        assert_non_null(d);
        return d;
    }
    assert_null(d);
    assert_int_equal(err.code, SL_EENV);
    assert_true(err.hint[0]);
    skip();
    return NULL;
}

static const char QUERY[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                            "\x03www\x07"
                            "example\x03"
                            "com\x00\x00\x01\x00\x01";
static const char GET[] = "GET / HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: test\r\n\r\n";

// Names are nDPI's; ports that are registered for nothing, so that only the payload can tell.
static void payload_tells_the_protocol(void **state)
{
    (void)state;
    struct sl_dpi *d = open_or_skip(0);
    struct sl_dpi_flow *f = NULL;
    struct sl_dpi_label label;
    see(d, &f, SL_PROTO_UDP, 53, false, QUERY, sizeof QUERY - 1);
    sl_dpi_end(d, &f, &label);
    assert_null(f);
    assert_string_equal(label.name, "DNS");
    assert_string_equal(label.confidence, "DPI");
    see(d, &f, SL_PROTO_TCP, 65001, false, GET, sizeof GET - 1);
    sl_dpi_end(d, &f, &label);
    assert_string_equal(label.name, "HTTP");
    sl_dpi_free(d);
}

static void a_port_alone_is_no_answer(void **state)
{
    (void)state;
    struct sl_dpi *d = open_or_skip(0);
    struct sl_dpi_flow *f = NULL;
    struct sl_dpi_label label = {.name = "x"};
    uint8_t zeros[32] = {0};
    for (int i = 0; i < 2 * SL_DPI_PACKETS; i++) // twice as many as are looked at
        see(d, &f, SL_PROTO_TCP, 443, i % 2, zeros, sizeof zeros);
    sl_dpi_end(d, &f, &label);
    assert_string_equal(label.name, "");
    assert_string_equal(label.confidence, "");
    sl_dpi_end(d, &f, &label); // a flow that nobody looked at
    assert_string_equal(label.name, "");
    sl_dpi_free(d);
}

static void flows_without_room_stay_unlabelled_and_are_counted(void **state)
{
    (void)state;
    struct sl_dpi *d = open_or_skip(1);
    struct sl_dpi_flow *a = NULL, *b = NULL, *c = NULL;
    struct sl_dpi_label label;
    see(d, &a, SL_PROTO_TCP, 65001, false, "\1\2\3", 3);
    see(d, &b, SL_PROTO_UDP, 53, false, QUERY, sizeof QUERY - 1);
    assert_int_equal(sl_dpi_unseen(d), 1);
    sl_dpi_end(d, &b, &label);
    assert_string_equal(label.name, "");
    sl_dpi_end(d, &a, &label);
    see(d, &c, SL_PROTO_UDP, 53, false, QUERY, sizeof QUERY - 1); // there is room again
    sl_dpi_end(d, &c, &label);
    assert_string_equal(label.name, "DNS");
    sl_dpi_free(d);
}

static void a_build_says_what_it_has(void **state)
{
    (void)state;
    assert_int_equal(sl_dpi_available(), sl_dpi_version()[0] != '\0');
    assert_int_equal(sl_dpi_available(), sl_dpi_state_bytes() > 0);
    struct sl_packet p = {0};
    struct sl_dpi_flow *f = NULL;
    sl_dpi_add(NULL, &f, &p); // labels were not asked for
    assert_null(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payload_tells_the_protocol),
        cmocka_unit_test(a_port_alone_is_no_answer),
        cmocka_unit_test(flows_without_room_stay_unlabelled_and_are_counted),
        cmocka_unit_test(a_build_says_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
