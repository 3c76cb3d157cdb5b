// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/mem.h"
#include "lab.h"
#include "netns/netns.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static struct sl_error err;

static void free_names(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

struct file {
    const char *path;
    char text[64];
};

static bool read_inside(void *ctx, struct sl_error *e)
{
    (void)e;
    struct file *f = ctx;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, f->text, sizeof f->text - 1) : 0;
    if (fd >= 0)
        close(fd);
    f->text[n > 0 ? n : 0] = '\0';
    return true;
}

static void a_namespace_is_made_listed_and_deleted_twice(void **state)
{
    (void)state;
    lab_need(sl_netns_create("t-one", &err) && sl_netns_create("t-two", &err), &err);
    assert_false(sl_netns_create("t-one", &err));
    assert_non_null(strstr(err.msg, "exists already"));
    char **names;
    size_t n;
    assert_true(sl_netns_list("t-", &names, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "t-one");
    assert_string_equal(names[1], "t-two");
    free_names(names, n);
    for (int i = 0; i < 2; i++) {
        assert_true(sl_netns_delete("t-one", &err));
        assert_true(sl_netns_delete("t-two", &err));
    }
    assert_true(sl_netns_list("t-", &names, &n, &err));
    assert_int_equal(n, 0);
    free(names);
    int fd;
    assert_false(sl_netns_open("t-one", &fd, &err));
    assert_false(sl_netns_create("../x", &err));
}

static void a_new_namespace_has_lo_up_and_neither_ipv6_nor_forwarding(void **state)
{
    (void)state;
    int ns = lab_ns("t-new");
    int in = lab_udp(ns, 0x7f000001, 9000);
    assert_int_equal(lab_udp_send(in, 0x7f000001, 9000, 10), 0); // lo is up: 127.0.0.1 answers
    assert_true(lab_udp_arrives(in, 1000));
    struct file six = {.path = "/proc/sys/net/ipv6/conf/default/disable_ipv6"};
    struct file fwd = {.path = "/proc/sys/net/ipv4/ip_forward"};
    assert_true(sl_netns_run(ns, read_inside, &six, &err) &&
                sl_netns_run(ns, read_inside, &fwd, &err));
    assert_true(six.text[0] == '\0' || six.text[0] == '1');
    assert_int_equal(fwd.text[0], '0');
    assert_true(sl_netns_forwarding(ns, true, &err) && sl_netns_run(ns, read_inside, &fwd, &err));
    assert_int_equal(fwd.text[0], '1');
    close(in), close(ns);
    assert_true(sl_netns_delete("t-new", &err));
}

static void the_caller_stays_where_it_is(void **state)
{
    (void)state;
    int ns = lab_ns("t-else");
    assert_true(sl_link_bridge(ns, "only-there", &err));
    assert_int_equal(if_nametoindex("only-there"), 0);
    assert_true(lab_ifindex(ns, "only-there") > 0);
    close(ns);
    assert_true(sl_netns_delete("t-else", &err));
}

static void names_that_are_too_long_or_taken_are_refused(void **state)
{
    (void)state;
    int ns = lab_ns("t-names");
    assert_true(sl_link_bridge(ns, "fifteen-letters", &err));
    assert_false(sl_link_bridge(ns, "sixteen-letters-", &err));
    assert_false(sl_link_bridge(ns, "with%dpattern", &err));
    assert_false(sl_link_bridge(ns, "fifteen-letters", &err));
    assert_non_null(strstr(err.msg, "fifteen-letters"));
    assert_true(sl_link_delete(ns, "fifteen-letters", &err));
    assert_true(sl_link_delete(ns, "fifteen-letters", &err)); // not there: fine
    close(ns);
    assert_true(sl_netns_delete("t-names", &err));
}

static uint32_t offload(int ns, const char *ifname, uint32_t cmd)
{
    int fd = lab_udp(ns, 0, 0);
    struct ethtool_value v = {.cmd = cmd};
    struct ifreq req = {.ifr_data = (void *)&v};
    strcpy(req.ifr_name, ifname);
    assert_int_equal(ioctl(fd, SIOCETHTOOL, &req), 0);
    close(fd);
    return v.data;
}

static void no_offloads(int ns, const char *ifname)
{
    static const uint32_t cmds[] = {ETHTOOL_GTSO, ETHTOOL_GGSO, ETHTOOL_GGRO, ETHTOOL_GTXCSUM,
                                    ETHTOOL_GRXCSUM};
    for (size_t i = 0; i < sizeof cmds / sizeof *cmds; i++)
        assert_int_equal(offload(ns, ifname, cmds[i]), 0);
}

static void a_veth_pair_carries_counts_and_has_no_offloads(void **state)
{
    (void)state;
    struct lab_pair p = lab_pair("t-a", "t-b");
    no_offloads(p.a, "a0");
    no_offloads(p.b, "b0");
    int out = lab_udp(p.a, 0x0a090001, 5000), in = lab_udp(p.b, 0x0a090002, 5000);
    assert_int_equal(lab_udp_send(out, 0x0a090002, 5000, 10), 0);
    assert_true(lab_udp_arrives(in, 1000));
    struct sl_link_counters before, after;
    assert_true(sl_link_counters(p.b, "b0", &before, &err));
    for (int i = 0; i < 7; i++)
        assert_int_equal(lab_udp_send(out, 0x0a090002, 5000, 1000), 0);
    for (int i = 0; i < 7; i++)
        assert_true(lab_udp_arrives(in, 1000));
    assert_true(sl_link_counters(p.b, "b0", &after, &err));
    assert_int_equal(after.rx_packets - before.rx_packets, 7);
    assert_int_equal(after.rx_bytes - before.rx_bytes, 7 * 1042); // 14 Ethernet + 20 IP + 8 UDP
    char ifname[16], **names;
    size_t n;
    assert_true(sl_link_by_address(p.b, 0x0a090002, ifname, &err));
    assert_string_equal(ifname, "b0");
    assert_false(sl_link_by_address(p.b, 0x0a0900ff, ifname, &err));
    assert_true(sl_link_list(p.b, &names, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(names[0], "b0");
    free_names(names, n);
    close(out), close(in), close(p.a), close(p.b);
    assert_true(sl_netns_delete("t-a", &err) && sl_netns_delete("t-b", &err));
}

static void mac(int ns, const char *ifname, uint8_t out[6])
{
    int fd = lab_udp(ns, 0, 0);
    struct ifreq req = {0};
    strcpy(req.ifr_name, ifname);
    assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &req), 0);
    memcpy(out, req.ifr_hwaddr.sa_data, 6);
    close(fd);
}

static void a_bridge_keeps_its_local_mac_and_forwards_at_once(void **state)
{
    (void)state;
    int br = lab_ns("t-br"), a = lab_ns("t-a"), b = lab_ns("t-b");
    uint8_t first[6], later[6];
    lab_need(sl_link_bridge(br, "br0", &err), &err);
    mac(br, "br0", first);
    assert_int_equal(first[0] & 3, 2); // locally administered, not a group
    lab_need(sl_link_veth(br, "p1", a, "eth0", &err) && sl_link_veth(br, "p2", b, "eth0", &err) &&
                 sl_link_enslave(br, "p1", "br0", &err) && sl_link_enslave(br, "p2", "br0", &err) &&
                 sl_link_enslave(br, "p2", "br0", &err) && // twice is fine
                 sl_link_address(a, "eth0", 0x0a090001, 24, &err) &&
                 sl_link_address(b, "eth0", 0x0a090002, 24, &err),
             &err);
    mac(br, "br0", later);
    assert_memory_equal(first, later, 6);
    int out = lab_udp(a, 0x0a090001, 5000), in = lab_udp(b, 0x0a090002, 5000);
    int64_t start = sl_mono_ns();
    assert_int_equal(lab_udp_send(out, 0x0a090002, 5000, 10), 0);
    assert_true(lab_udp_arrives(in, 2000));
    assert_true(sl_mono_ns() - start < 900000000); // not after a second's ARP retry
    close(out), close(in), close(a), close(b), close(br);
    assert_true(sl_netns_delete("t-a", &err) && sl_netns_delete("t-b", &err) &&
                sl_netns_delete("t-br", &err));
}

/*
 * An engine in miniature: two containers on its bridge br-net, and a namespace of ours with br0.
 * ct1 is 10.9.0.1, ct2 is 10.9.0.2.
 */
struct engine {
    int engine, ct1, ct2, ours;
};

static struct engine engine_up(void)
{
    struct engine e = {lab_ns("t-eng"), lab_ns("t-ct1"), lab_ns("t-ct2"), lab_ns("t-ours")};
    lab_need(sl_link_bridge(e.engine, "br-net", &err) &&
                 sl_link_bridge(e.engine, "br-other", &err) &&
                 sl_link_bridge(e.ours, "br0", &err) &&
                 sl_link_veth(e.engine, "veth1", e.ct1, "eth0", &err) &&
                 sl_link_veth(e.engine, "veth2", e.ct2, "eth0", &err) &&
                 sl_link_enslave(e.engine, "veth1", "br-net", &err) &&
                 sl_link_enslave(e.engine, "veth2", "br-net", &err) &&
                 sl_link_address(e.ct1, "eth0", 0x0a090001, 24, &err) &&
                 sl_link_address(e.ct2, "eth0", 0x0a090002, 24, &err),
             &err);
    return e;
}

static void engine_down(struct engine *e)
{
    close(e->engine), close(e->ct1), close(e->ct2), close(e->ours);
    static const char *const names[] = {"t-eng", "t-ct1", "t-ct2", "t-ours"};
    for (int i = 0; i < 4; i++)
        assert_true(sl_netns_delete(names[i], &err));
}

static struct sl_adopt order_for(const struct engine *e, int container, const char *name)
{
    return (struct sl_adopt){.container_ns = container,
                             .inner = "eth0",
                             .engine_ns = e->engine,
                             .engine_bridge = "br-net",
                             .to_ns = e->ours,
                             .name = name,
                             .to_bridge = "br0"};
}

static void adopted_containers_talk_over_our_bridge_and_not_the_engines(void **state)
{
    (void)state;
    struct engine e = engine_up();
    int out = lab_udp(e.ct1, 0x0a090001, 5000), in = lab_udp(e.ct2, 0x0a090002, 5000);
    assert_int_equal(lab_udp_send(out, 0x0a090002, 5000, 10), 0);
    assert_true(lab_udp_arrives(in, 1000)); // over the engine's bridge
    struct sl_adopt a = order_for(&e, e.ct1, "svc1");
    lab_need(sl_netns_adopt(&a, &err), &err);
    assert_int_equal(lab_ifindex(e.engine, "veth1"), 0);
    assert_true(lab_ifindex(e.ours, "svc1") > 0);
    lab_udp_send(out, 0x0a090002, 5000, 10);
    assert_false(lab_udp_arrives(in, 100)); // one here, one there: cut
    a = order_for(&e, e.ct2, "svc2");
    lab_need(sl_netns_adopt(&a, &err), &err);
    no_offloads(e.ours, "svc1");
    no_offloads(e.ct1, "eth0");
    struct sl_link_counters c;
    for (int i = 0; i < 5; i++)
        lab_udp_send(out, 0x0a090002, 5000, 10);
    assert_true(lab_udp_arrives(in, 2000));
    assert_true(sl_link_counters(e.ours, "svc1", &c, &err));
    assert_true(c.rx_packets >= 5);
    assert_false(sl_netns_adopt(&a, &err)); // a second time: it is not there any more
    assert_non_null(strstr(err.msg, "moved already"));
    close(out), close(in);
    engine_down(&e);
}

static void refused(const struct sl_adopt *a, const char *because)
{
    assert_false(sl_netns_adopt(a, &err));
    if (!strstr(err.msg, because))
        fail_msg("'%s' does not say '%s'", err.msg, because);
}

static void what_is_not_the_containers_own_veth_is_refused(void **state)
{
    (void)state;
    struct engine e = engine_up();
    struct sl_adopt a = order_for(&e, e.ct1, "svc1");
    a.engine_bridge = "br-other";
    refused(&a, "port of 'br-net', not of the bridge 'br-other'");
    a = order_for(&e, e.ct1, "svc1");
    a.inner = "lo";
    refused(&a, "not a veth");
    a = order_for(&e, e.ct1, "svc1");
    a.inner = "eth7";
    refused(&a, "cannot find the interface 'eth7'");
    a = order_for(&e, e.ct1, "svc1");
    a.engine_ns = e.ct2; // the peer is elsewhere, and its number means eth0 or nothing there
    refused(&a, "not in the engine's namespace");
    lab_need(sl_link_bridge(e.ct1, "br9", &err), &err);
    a = order_for(&e, e.ct1, "svc1");
    a.inner = "br9";
    refused(&a, "not a veth but 'bridge'");
    lab_need(sl_link_veth(e.ct1, "in1", e.ct1, "in2", &err), &err);
    a.inner = "in1"; // both ends in the container: no namespace id
    refused(&a, "not in another namespace");
    lab_need(sl_link_veth(e.engine, "loose", e.ct1, "eth1", &err), &err);
    a.inner = "eth1";
    refused(&a, "a port of 'nothing'");
    a = order_for(&e, e.ct1, "br0");
    refused(&a, "already");
    a = order_for(&e, e.ct1, "svc1");
    a.to_bridge = "nothing";
    refused(&a, "nothing");
    assert_true(lab_ifindex(e.engine, "veth1") > 0); // nobody moved
    engine_down(&e);
}

static void the_numbers_of_another_namespace_do_not_mislead_the_move(void **state)
{
    (void)state;
    // In the engine's namespace the number that ct's eth0 names as its peer belongs to a veth on
    // the right bridge, but the true peer is in a third namespace.
    struct engine e = engine_up();
    int third = lab_ns("t-third");
    lab_need(sl_link_veth(third, "outer", e.ct1, "eth1", &err), &err);
    uint64_t number = lab_ifindex(e.engine, "veth1");
    while (lab_ifindex(third, "outer") < number)
        lab_need(sl_link_delete(third, "outer", &err) &&
                     sl_link_veth(third, "outer", e.ct1, "eth1", &err),
                 &err);
    assert_int_equal(lab_ifindex(third, "outer"), number);
    struct sl_adopt a = order_for(&e, e.ct1, "svc1");
    a.inner = "eth1";
    refused(&a, "not in the engine's namespace");
    close(third);
    assert_true(sl_netns_delete("t-third", &err));
    engine_down(&e);
}

int main(void)
{
    lab_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_namespace_is_made_listed_and_deleted_twice),
        cmocka_unit_test(a_new_namespace_has_lo_up_and_neither_ipv6_nor_forwarding),
        cmocka_unit_test(the_caller_stays_where_it_is),
        cmocka_unit_test(names_that_are_too_long_or_taken_are_refused),
        cmocka_unit_test(a_veth_pair_carries_counts_and_has_no_offloads),
        cmocka_unit_test(a_bridge_keeps_its_local_mac_and_forwards_at_once),
        cmocka_unit_test(adopted_containers_talk_over_our_bridge_and_not_the_engines),
        cmocka_unit_test(what_is_not_the_containers_own_veth_is_refused),
        cmocka_unit_test(the_numbers_of_another_namespace_do_not_mislead_the_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
