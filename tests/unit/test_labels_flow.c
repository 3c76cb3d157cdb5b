// SPDX-License-Identifier: Apache-2.0
// The labels of a flow side by side, by hand from a label book of four rows. Port names are those
// of IANA's registry: 53 domain, 443 https, 2181 eforward, 5432 postgresql.
#include "classes/classes.h"
#include "measure/labels.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static const char book[] =
    "address,port,from_ns,to_ns,project,service,image,class,role,statement\n"
    "10.0.0.1,,,,shop,visitor,python:3.11,other,client,2\n"
    "10.0.0.2,,,,shop,db,postgres:15,database,server,\n"
    "10.0.0.3,,1000,2000,shop,zk,zookeeper:3.8,database,server,3\n"
    "10.0.0.3,,2000,,shop,front,nginx:1.22,web,server,4\n"; // the address was used again

struct stage {
    char path[40];
    struct sl_labels *plain, *with_truth;
};

static int set_up(void **state)
{
    static struct stage s;
    struct sl_error err = {0};
    snprintf(s.path, sizeof s.path, "/tmp/sluice-labels-XXXXXX");
    int fd = mkstemp(s.path);
    if (fd < 0 || write(fd, book, sizeof book - 1) != (ssize_t)(sizeof book - 1))
        return -1;
    close(fd);
    s.plain = sl_labels_new(NULL, NULL, &err);
    s.with_truth = sl_labels_new(NULL, s.path, &err);
    *state = &s;
    return s.plain && s.with_truth ? 0 : -1;
}

static int tear_down(void **state)
{
    struct stage *s = *state;
    unlink(s->path);
    sl_labels_free(s->plain);
    sl_labels_free(s->with_truth);
    return 0;
}

// From 10.0.0.src to 10.0.0.dst, TCP, begun at t_ns.
static struct sl_flow_state flow(unsigned src, unsigned sport, unsigned dst, unsigned dport,
                                 enum sl_dir_guess guess, int64_t t_ns)
{
    struct sl_tuple u = {.src = sl_addr_from_v4(0x0a000000 | src),
                         .dst = sl_addr_from_v4(0x0a000000 | dst),
                         .sport = (uint16_t)sport,
                         .dport = (uint16_t)dport,
                         .proto = SL_PROTO_TCP};
    struct sl_flow_state f = {0};
    bool low = sl_tuple_src_is_low(&u);
    f.node.key = sl_key_of(&u, low, 0);
    f.node.low_initiates = low;
    f.guess = (uint8_t)guess;
    f.packets[0] = 1;
    sl_flow_begin(&f, t_ns);
    return f;
}

static void is(struct sl_text got, const char *want)
{
    if (!want) {
        assert_null(got.p);
        return;
    }
    assert_non_null(got.p);
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.p, want, got.len);
}

static void without_truth_the_ports_speak_alone(void **state)
{
    const struct stage *s = *state;
    struct sl_flow_state f = flow(1, 50000, 2, 5432, SL_GUESS_SYN, 1500);
    struct sl_label_facts facts;
    struct sl_flow_labels l;
    sl_labels_fill(s->plain, &f, &facts, &l);
    is(l.iana, "postgresql");
    is(l.iana_basis, "dst");
    is(l.port_class, "database");
    is(l.service, NULL), is(l.client, NULL), is(l.class_name, NULL), is(l.statement, NULL);
    is(l.dpi, NULL);
    assert_null(sl_labels_truth(s->plain));
}

static void two_unregistered_ports_have_no_name(void **state)
{
    const struct stage *s = *state;
    struct sl_flow_state f = flow(1, 65001, 2, 65000, SL_GUESS_SYN, 1500);
    struct sl_label_facts facts;
    struct sl_flow_labels l;
    sl_labels_fill(s->plain, &f, &facts, &l);
    is(l.iana, NULL);
    is(l.iana_basis, "none");
    is(l.port_class, NULL);
    struct sl_tuple u = sl_flow_tuple(&f);
    assert_int_equal(sl_labels_class(s->plain, &u, 1500), SL_CLASS_UNKNOWN);
}

static void truth_stands_beside_the_port_name(void **state)
{
    const struct stage *s = *state;
    struct sl_flow_state f = flow(1, 50000, 3, 2181, SL_GUESS_SYN, 1500);
    struct sl_label_facts facts;
    struct sl_flow_labels l;
    sl_labels_fill(s->with_truth, &f, &facts, &l);
    is(l.iana, "eforward");
    is(l.service, "zk"), is(l.client, "visitor"), is(l.project, "shop");
    is(l.image, "zookeeper:3.8"), is(l.class_name, "database");
    is(l.statement, "3"); // the server's, though the client has one too
}

static void an_address_is_who_it_was_when_the_flow_began(void **state)
{
    const struct stage *s = *state;
    static const struct {
        int64_t t_ns;
        const char *service, *statement;
    } cases[] = {{999, NULL, "2"}, {1000, "zk", "3"}, {1999, "zk", "3"}, {2000, "front", "4"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sl_flow_state f = flow(1, 50000, 3, 443, SL_GUESS_SYN, cases[i].t_ns);
        struct sl_label_facts facts;
        struct sl_flow_labels l;
        sl_labels_fill(s->with_truth, &f, &facts, &l);
        is(l.service, cases[i].service);
        is(l.statement, cases[i].statement); // the client's when the server is unknown
        is(l.project, "shop");
        is(l.iana, "https"); // whatever the truth says
    }
}

static void the_class_is_the_truths_else_the_ports(void **state)
{
    const struct stage *s = *state;
    struct sl_flow_state f = flow(1, 50000, 2, 443, SL_GUESS_SYN, 1500);
    struct sl_tuple u = sl_flow_tuple(&f);
    // the database listens on a port of the web
    assert_string_equal(sl_class_name(sl_labels_class(s->with_truth, &u, 1500)), "database");
    assert_string_equal(sl_class_name(sl_labels_class(s->plain, &u, 1500)), "web");
    u.dst = sl_addr_from_v4(0x0a000009); // in no book
    assert_string_equal(sl_class_name(sl_labels_class(s->with_truth, &u, 1500)), "web");
}

static void a_flow_joined_midway_from_the_server_is_turned_by_its_roles(void **state)
{
    const struct stage *s = *state;
    struct sl_flow_state f = flow(2, 5432, 1, 50000, SL_GUESS_FIRST, 1500);
    struct sl_label_facts facts;
    struct sl_flow_labels l;
    sl_labels_fill(s->with_truth, &f, &facts, &l);
    assert_true(facts.truth.swapped);
    is(l.service, "db"), is(l.client, "visitor");
    // a handshake is believed
    f = flow(2, 5432, 1, 50000, SL_GUESS_SYN, 1500);
    sl_labels_fill(s->with_truth, &f, &facts, &l);
    assert_false(facts.truth.swapped);
    is(l.service, "visitor"), is(l.client, "db");
}

static void files_that_are_not_there_are_named(void **state)
{
    (void)state;
    struct sl_error err = {0};
    assert_null(sl_labels_new("/nowhere/services", NULL, &err));
    assert_non_null(strstr(err.msg, "/nowhere/services"));
    err = (struct sl_error){0};
    assert_null(sl_labels_new(NULL, "/nowhere/labels.csv", &err));
    assert_non_null(strstr(err.msg, "/nowhere/labels.csv"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_truth_the_ports_speak_alone),
        cmocka_unit_test(two_unregistered_ports_have_no_name),
        cmocka_unit_test(truth_stands_beside_the_port_name),
        cmocka_unit_test(an_address_is_who_it_was_when_the_flow_began),
        cmocka_unit_test(the_class_is_the_truths_else_the_ports),
        cmocka_unit_test(a_flow_joined_midway_from_the_server_is_turned_by_its_roles),
        cmocka_unit_test(files_that_are_not_there_are_named),
    };
    return cmocka_run_group_tests_name("labels of flows", tests, set_up, tear_down);
}
