// SPDX-License-Identifier: Apache-2.0
#include "../support/frames.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants the headers above first.
#include <cmocka.h>

// The options as they would stand in a packet; what is read comes from a copy of exactly that size.
static void options(const uint8_t *b, size_t n, struct sl_tcp_options *out)
{
    uint8_t *exact = malloc(n ? n : 1);
    if (n)
        memcpy(exact, b, n);
    struct sl_packet p = {.tcp_options = n ? exact : NULL, .tcp_options_captured = (uint8_t)n};
    sl_tcp_options(&p, out);
    free(exact);
}

// A SYN of Linux: MSS 1460, SACK permitted, time stamps, NOP, window scale 7.
static const uint8_t syn[] = {2,    4,    0x05, 0xb4, 4, 2, 8, 10, 0x11, 0x22,
                              0x33, 0x44, 0,    0,    0, 0, 1, 3,  3,    7};

static void a_syn_tells_what_its_sender_can(void **state)
{
    (void)state;
    struct sl_tcp_options o;
    options(syn, sizeof syn, &o);
    assert_int_equal(o.mss, 1460);
    assert_int_equal(o.window_scale, 7);
    assert_true(o.sack_permitted && o.timestamps);
    assert_int_equal(o.ts_value, 0x11223344);
    assert_int_equal(o.ts_echo, 0);
    assert_int_equal(o.n_sack, 0);
}

static void what_is_not_there_says_so(void **state)
{
    (void)state;
    struct sl_tcp_options o;
    options(NULL, 0, &o);
    assert_int_equal(o.mss, 0);
    assert_int_equal(o.window_scale, -1);
    assert_false(o.sack_permitted || o.timestamps || o.n_sack);
    static const uint8_t after_end[] = {1, 1, 0, 2, 4, 5, 0xb4};
    options(after_end, sizeof after_end, &o);
    assert_int_equal(o.mss, 0);
}

static void selective_acknowledgements_have_up_to_four_blocks(void **state)
{
    (void)state;
    struct sl_tcp_options o;
    uint8_t b[40] = {1, 1, 5, 34};
    for (uint8_t i = 0; i < 8; i++)
        b[7 + 4 * i] = (uint8_t)(i + 1);
    options(b, 36, &o);
    assert_int_equal(o.n_sack, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(o.sack[i].left, 2 * i + 1);
        assert_int_equal(o.sack[i].right, 2 * i + 2);
    }
    b[3] = 18;
    options(b, 20, &o);
    assert_int_equal(o.n_sack, 2);
    b[3] = 17; // not a number of blocks
    options(b, 20, &o);
    assert_int_equal(o.n_sack, 0);
}

static void a_window_scale_above_14_counts_as_14(void **state)
{
    (void)state;
    struct sl_tcp_options o;
    options((const uint8_t[]){3, 3, 200}, 3, &o); // RFC 7323 section 2.3
    assert_int_equal(o.window_scale, 14);
    options((const uint8_t[]){3, 3, 0}, 3, &o);
    assert_int_equal(o.window_scale, 0);
}

static void wrong_lengths_end_the_walk_or_are_stepped_over(void **state)
{
    (void)state;
    struct sl_tcp_options o;
    static const uint8_t zero[] = {3, 0, 9, 2, 4, 1, 1}, one[] = {3, 1, 2, 4, 1, 1},
                         beyond[] = {3, 9, 9, 2, 4, 1, 1}, bare[] = {1, 2},
                         other[] = {3, 4, 7, 7, 254, 2, 2, 4, 1, 1};
    options(zero, sizeof zero, &o);
    assert_true(o.mss == 0 && o.window_scale == -1);
    options(one, sizeof one, &o);
    assert_true(o.mss == 0 && o.window_scale == -1);
    options(beyond, sizeof beyond, &o);
    assert_true(o.mss == 0 && o.window_scale == -1);
    options(bare, sizeof bare, &o);
    assert_int_equal(o.mss, 0);
    options(other, sizeof other, &o); // a scale of four bytes and an unknown option, then MSS 257
    assert_true(o.mss == 257 && o.window_scale == -1);
}

static void a_short_capture_gives_the_options_that_are_there(void **state)
{
    (void)state;
    struct sl_tcp_options o;
    for (size_t n = 0; n <= sizeof syn; n++) {
        options(syn, n, &o);
        assert_int_equal(o.mss, n >= 4 ? 1460 : 0);
        assert_int_equal(o.sack_permitted, n >= 6);
        assert_int_equal(o.timestamps, n >= 16);
        assert_int_equal(o.window_scale, n >= 20 ? 7 : -1);
    }
    // The same through the decoder: 54 bytes are needed, each further one is an option byte.
    struct frame f = {0};
    struct sl_packet p;
    ethernet(&f, 0x0800), ipv4(&f, 1, 6, 40), tcp(&f, 1, 2, 2);
    f.b[46] = 0xa0;
    memcpy(f.b + f.n, syn, sizeof syn), f.n += sizeof syn;
    for (unsigned n = 54; n <= f.n; n++) {
        assert_int_equal(sl_packet_decode(NULL, f.b, n, f.n, 0, &p), SL_PACKET_OK);
        assert_int_equal(p.tcp_options_captured, n - 54);
        assert_int_equal(p.l4_header_bytes, 40);
        assert_int_equal(p.payload_bytes, 0);
        sl_tcp_options(&p, &o);
        assert_int_equal(o.window_scale, n == f.n ? 7 : -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_syn_tells_what_its_sender_can),
        cmocka_unit_test(what_is_not_there_says_so),
        cmocka_unit_test(selective_acknowledgements_have_up_to_four_blocks),
        cmocka_unit_test(a_window_scale_above_14_counts_as_14),
        cmocka_unit_test(wrong_lengths_end_the_walk_or_are_stepped_over),
        cmocka_unit_test(a_short_capture_gives_the_options_that_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
