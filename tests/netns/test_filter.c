// SPDX-License-Identifier: Apache-2.0
#include "base/proc.h"
#include "lab.h"
#include "netns/filter.h"
#include "netns/netns.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static struct sl_error err;

// Two containers on a bridge of ours, each with an address in both subnets, so that only the filter
// decides: a has 10.9.0.1/27 and 10.9.1.1/27, b has 10.9.0.2/27 and 10.9.1.2/27; without the filter
// 10.9.0.1 reaches 10.9.1.2 as well (the routes are on the link).
struct site {
    int br, a, b;
};

static struct site site_up(void)
{
    struct site s = {lab_ns("t-br"), lab_ns("t-a"), lab_ns("t-b")};
    lab_need(sl_link_bridge(s.br, "br0", &err) && sl_link_veth(s.br, "p1", s.a, "eth0", &err) &&
                 sl_link_veth(s.br, "p2", s.b, "eth0", &err) &&
                 sl_link_enslave(s.br, "p1", "br0", &err) &&
                 sl_link_enslave(s.br, "p2", "br0", &err) &&
                 sl_link_address(s.a, "eth0", 0x0a090001, 27, &err) &&
                 sl_link_address(s.a, "eth0", 0x0a090101, 27, &err) &&
                 sl_link_address(s.b, "eth0", 0x0a090002, 27, &err) &&
                 sl_link_address(s.b, "eth0", 0x0a090102, 27, &err),
             &err);
    return s;
}

static void site_down(struct site *s)
{
    close(s->br), close(s->a), close(s->b);
    assert_true(sl_netns_delete("t-br", &err) && sl_netns_delete("t-a", &err) &&
                sl_netns_delete("t-b", &err));
}

static bool passes(const struct site *s, uint32_t from, uint32_t to)
{
    int out = lab_udp(s->a, from, 4000), in = lab_udp(s->b, to, 5000);
    bool ok = lab_udp_send(out, to, 5000, 100) == 0 && lab_udp_arrives(in, 300);
    close(out), close(in);
    return ok;
}

static uint64_t dropped(int ns)
{
    struct sl_filter_drops d;
    lab_need(sl_filter_dropped(ns, "r1", &d, &err), &err);
    return d.packets;
}

static const char *const subnets[] = {"10.9.0.0/27", "10.9.1.0/27", "10.9.1.0/27", "10.9.1.16/28"};

static void traffic_within_a_subnet_passes_and_between_subnets_is_dropped_and_counted(void **state)
{
    (void)state;
    struct site s = site_up();
    assert_true(passes(&s, 0x0a090001, 0x0a090102)); // no filter yet
    lab_need(sl_filter_bridge(s.br, "r1", subnets, 4, &err), &err);
    assert_int_equal(dropped(s.br), 0);
    assert_true(passes(&s, 0x0a090001, 0x0a090002));
    assert_true(passes(&s, 0x0a090101, 0x0a090102));
    assert_int_equal(dropped(s.br), 0);
    assert_false(passes(&s, 0x0a090001, 0x0a090102));
    assert_true(dropped(s.br) >= 1);
    lab_need(sl_filter_bridge(s.br, "r1", subnets, 1, &err), &err); // replaces: only 10.9.0.0/27
    assert_false(passes(&s, 0x0a090101, 0x0a090102));
    lab_need(sl_filter_bridge(s.br, "r1", NULL, 0, &err), &err); // nothing may pass
    assert_false(passes(&s, 0x0a090001, 0x0a090002));
    lab_need(sl_filter_remove(s.br, "r1", &err) && sl_filter_remove(s.br, "r1", &err), &err);
    assert_true(passes(&s, 0x0a090001, 0x0a090102));
    site_down(&s);
}

// "10.9.<subnet>.1 is at 02:00:00:00:00:66, tell 10.9.<target>.2", an ARP reply to everybody.
static void claim(int raw, uint8_t subnet, uint8_t target)
{
    const uint8_t f[60] = {255,  255, 255, 255, 255, 255,  2,  0,      0,      0, 0,
                           0x66, 8,   6,   0,   1,   8,    0,  6,      4,      0, 2,
                           2,    0,   0,   0,   0,   0x66, 10, 9,      subnet, 1, 255,
                           255,  255, 255, 255, 255, 10,   9,  target, 2};
    assert_int_equal(send(raw, f, sizeof f, 0), sizeof f);
}

static void arp_that_speaks_for_another_subnet_is_dropped(void **state)
{
    (void)state;
    struct site s = site_up();
    lab_need(sl_filter_bridge(s.br, "r1", subnets, 4, &err), &err);
    int raw = lab_raw(s.a, "eth0");
    struct sl_link_counters before, after;
    lab_need(sl_link_counters(s.b, "eth0", &before, &err), &err);
    for (int i = 0; i < 5; i++) {
        claim(raw, 1, 0); // sender 10.9.1.1, target 10.9.0.2
        claim(raw, 7, 7); // no subnet of ours
    }
    lab_need(sl_link_counters(s.b, "eth0", &after, &err), &err);
    assert_int_equal(after.rx_packets, before.rx_packets);
    assert_int_equal(dropped(s.br), 10);
    claim(raw, 1, 1);
    lab_need(sl_link_counters(s.b, "eth0", &after, &err), &err);
    assert_int_equal(after.rx_packets, before.rx_packets + 1);
    close(raw);
    site_down(&s);
}

static void ipv6_and_unknown_protocols_are_dropped(void **state)
{
    (void)state;
    struct site s = site_up();
    lab_need(sl_filter_bridge(s.br, "r1", subnets, 4, &err), &err);
    int raw = lab_raw(s.a, "eth0");
    uint8_t f[60] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 0x66, 0x86, 0xdd, 0x60};
    assert_int_equal(send(raw, f, sizeof f, 0), sizeof f);
    f[12] = 0x88, f[13] = 0xb5; // local experimental
    assert_int_equal(send(raw, f, sizeof f, 0), sizeof f);
    assert_int_equal(dropped(s.br), 2);
    close(raw);
    site_down(&s);
}

static void the_host_hears_nothing_from_the_named_bridges_and_all_from_others(void **state)
{
    (void)state;
    int host = lab_ns("t-host"), ct = lab_ns("t-ct"), other = lab_ns("t-other");
    lab_need(sl_link_bridge(host, "br-ours", &err) && sl_link_bridge(host, "br-ours2", &err) &&
                 sl_link_veth(host, "p1", ct, "eth0", &err) &&
                 sl_link_veth(host, "p2", other, "eth0", &err) &&
                 sl_link_enslave(host, "p1", "br-ours", &err) &&
                 sl_link_enslave(host, "p2", "br-ours2", &err) &&
                 sl_link_address(host, "br-ours", 0x0a090001, 24, &err) &&
                 sl_link_address(host, "br-ours2", 0x0a0a0001, 24, &err) &&
                 sl_link_address(ct, "eth0", 0x0a090002, 24, &err) &&
                 sl_link_address(other, "eth0", 0x0a0a0002, 24, &err),
             &err);
    int in = lab_udp(host, 0, 5000);
    int from_ct = lab_udp(ct, 0, 4000), from_other = lab_udp(other, 0, 4000);
    lab_udp_send(from_ct, 0x0a090001, 5000, 10);
    assert_true(lab_udp_arrives(in, 1000));
    const char *const ours[] = {"br-ours"};
    lab_need(sl_filter_host(host, "r1", ours, 1, &err), &err);
    lab_need(sl_filter_host(host, "r1", ours, 1, &err), &err);
    lab_udp_send(from_ct, 0x0a090001, 5000, 10);
    assert_false(lab_udp_arrives(in, 200));
    assert_int_equal(dropped(host), 1);
    lab_udp_send(from_other, 0x0a0a0001, 5000, 10);
    assert_true(lab_udp_arrives(in, 1000));
    assert_false(sl_filter_host(host, "r1", (const char *const[]){"br-*"}, 1, &err));
    assert_false(sl_filter_host(host, "r1", (const char *const[]){"x\" } drop; #"}, 1, &err));
    assert_false(sl_filter_host(host, "r; flush ruleset", ours, 1, &err));
    assert_int_equal(dropped(host), 1); // refused before anything was changed
    lab_need(sl_filter_remove(host, "r1", &err), &err);
    lab_udp_send(from_ct, 0x0a090001, 5000, 10);
    assert_true(lab_udp_arrives(in, 1000));
    close(in), close(from_ct), close(from_other), close(host), close(ct), close(other);
    assert_true(sl_netns_delete("t-host", &err) && sl_netns_delete("t-ct", &err) &&
                sl_netns_delete("t-other", &err));
}

static void forwarding_from_the_named_bridges_is_dropped(void **state)
{
    (void)state;
    struct site s = site_up(); // here br0 stands for the engine's bridge, and routes
    int far = lab_ns("t-far");
    lab_need(sl_link_address(s.br, "br0", 0x0a090003, 27, &err) &&
                 sl_link_veth(s.br, "up0", far, "eth0", &err) &&
                 sl_link_address(s.br, "up0", 0x0a090063, 27, &err) &&
                 sl_link_address(far, "eth0", 0x0a090062, 24, &err) &&
                 sl_link_address(s.a, "eth0", 0x0a090004, 24, &err) &&
                 sl_netns_forwarding(s.br, true, &err),
             &err);
    // a asks for 10.9.0.98 on its own link; proxy ARP of the bridge's namespace answers.
    int in = lab_udp(far, 0, 5000), out = lab_udp(s.a, 0x0a090004, 4000);
    const char *const argv[] = {
        "ip", "netns", "exec", "t-br", "sysctl", "-qw", "net.ipv4.conf.all.proxy_arp=1", NULL};
    if (!sl_proc_run(argv, NULL, &err)) {
        print_message("skipped: %s\n", err.msg);
    } else {
        lab_udp_send(out, 0x0a090062, 5000, 10);
        assert_true(lab_udp_arrives(in, 2000));
        const char *const ours[] = {"br0"};
        lab_need(sl_filter_host(s.br, "r1", ours, 1, &err), &err);
        lab_udp_send(out, 0x0a090062, 5000, 10);
        assert_false(lab_udp_arrives(in, 200));
        assert_true(dropped(s.br) >= 1);
    }
    close(in), close(out), close(far);
    assert_true(sl_netns_delete("t-far", &err));
    site_down(&s);
}

static void runs_with_tables_are_listed_once_and_nobody_elses(void **state)
{
    (void)state;
    int ns = lab_ns("t-list");
    const char *const ours[] = {"br0"};
    lab_need(sl_filter_bridge(ns, "b-2", subnets, 1, &err) &&
                 sl_filter_host(ns, "b-2", ours, 1, &err) &&
                 sl_filter_host(ns, "a-1", ours, 1, &err),
             &err);
    const char *const argv[] = {"ip", "netns", "exec", "t-list", "nft", "add table inet other",
                                NULL};
    bool foreign = sl_proc_run(argv, NULL, NULL);
    char **runs;
    size_t n;
    lab_need(sl_filter_list(ns, &runs, &n, &err), &err);
    assert_int_equal(n, 2);
    assert_true((!strcmp(runs[0], "b-2") && !strcmp(runs[1], "a-1")) ||
                (!strcmp(runs[0], "a-1") && !strcmp(runs[1], "b-2")));
    for (size_t i = 0; i < n; i++) {
        assert_true(sl_filter_remove(ns, runs[i], &err));
        free(runs[i]);
    }
    free(runs);
    lab_need(sl_filter_list(ns, &runs, &n, &err), &err);
    assert_int_equal(n, 0);
    free(runs);
    const char *const again[] = {"ip", "netns", "exec", "t-list", "nft", "list table inet other",
                                 NULL};
    assert_true(!foreign || sl_proc_run(again, NULL, NULL));
    close(ns);
    assert_true(sl_netns_delete("t-list", &err));
}

int main(void)
{
    if (!sl_proc_have("nft")) {
        printf("skipped: the program 'nft' is not installed\n");
        return 77;
    }
    lab_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traffic_within_a_subnet_passes_and_between_subnets_is_dropped_and_counted),
        cmocka_unit_test(arp_that_speaks_for_another_subnet_is_dropped),
        cmocka_unit_test(ipv6_and_unknown_protocols_are_dropped),
        cmocka_unit_test(the_host_hears_nothing_from_the_named_bridges_and_all_from_others),
        cmocka_unit_test(forwarding_from_the_named_bridges_is_dropped),
        cmocka_unit_test(runs_with_tables_are_listed_once_and_nobody_elses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
