// SPDX-License-Identifier: Apache-2.0
#include "classes/classes.h"
#include "measure/truth.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

#define HEADER                                                                                     \
    "address,port,from_ns,to_ns,project,service,image,class,role,statement,instance,replica\n"

static struct sl_truth *parse(const char *text, struct sl_error *err)
{
    char *copy = strdup(text);
    struct sl_truth *t = sl_truth_parse("labels.csv", copy, strlen(copy), err);
    free(copy);
    return t;
}

static struct sl_addr addr(const char *text)
{
    struct sl_addr a = {.family = strchr(text, ':') ? 6 : 4};
    assert_int_equal(inet_pton(a.family == 6 ? AF_INET6 : AF_INET, text, a.b), 1);
    return a;
}

static const char *service_at(const struct sl_truth *t, const char *where, uint16_t port,
                              int64_t t_ns)
{
    struct sl_addr a = addr(where);
    const struct sl_truth_row *r = sl_truth_find(t, &a, port, t_ns);
    return r ? r->service : NULL;
}

static void an_address_has_an_owner_for_an_interval(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_truth *t =
        parse(HEADER "10.1.0.2,,200,300,blog,web,nginx:1.25,web,server,2,blog-1,1\n"
                     "10.1.0.2,,100,200,shop,db,postgres:16,database,server,1,shop-1,1\n"
                     "2001:db8::1,,,,v6,dns,,,,,,\n",
              &err);
    assert_non_null(t);
    assert_int_equal(sl_truth_count(t), 3);
    assert_null(service_at(t, "10.1.0.2", 0, 99));
    assert_string_equal(service_at(t, "10.1.0.2", 0, 100), "db");
    assert_string_equal(service_at(t, "10.1.0.2", 5432, 199), "db");
    assert_string_equal(service_at(t, "10.1.0.2", 0, 200), "web"); // to_ns is outside
    assert_null(service_at(t, "10.1.0.2", 0, 300));
    assert_null(service_at(t, "10.1.0.3", 0, 150));
    assert_string_equal(service_at(t, "2001:db8::1", 53, INT64_MIN), "dns"); // open at both ends
    struct sl_addr a = addr("10.1.0.2");
    const struct sl_truth_row *r = sl_truth_find(t, &a, 0, 150);
    assert_string_equal(r->project, "shop");
    assert_string_equal(r->app, "postgresql"); // of the image
    assert_int_equal(r->cls_id, sl_class_find("database"));
    assert_int_equal(r->statement, 1);
    assert_int_equal(r->line, 3);
    sl_truth_free(t);
}

static void a_row_with_the_port_stands_before_one_for_any(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_truth *t = parse("service,address,port,from_ns,to_ns\n"
                               "any,10.0.0.1,,,\n"
                               "http,10.0.0.1,80,100,200\n",
                               &err);
    assert_non_null(t);
    assert_string_equal(service_at(t, "10.0.0.1", 80, 150), "http");
    assert_string_equal(service_at(t, "10.0.0.1", 80, 99), "any");
    assert_string_equal(service_at(t, "10.0.0.1", 80, 200), "any");
    assert_string_equal(service_at(t, "10.0.0.1", 81, 150), "any");
    sl_truth_free(t);
}

static void addresses_of_a_replica_are_one_node(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_truth *t = parse(HEADER "10.0.1.1,,,,shop,db,,,,,shop-1,1\n"
                                      "10.0.2.1,,,,shop,db,,,,,shop-1,1\n"
                                      "10.0.1.2,,,,shop,db,,,,,shop-1,2\n",
                               &err);
    assert_non_null(t);
    assert_int_equal(sl_truth_nodes(t), 2);
    struct sl_addr a = addr("10.0.1.1"), b = addr("10.0.2.1"), c = addr("10.0.1.2");
    assert_int_equal(sl_truth_find(t, &a, 0, 0)->node, sl_truth_find(t, &b, 0, 0)->node);
    assert_int_not_equal(sl_truth_find(t, &a, 0, 0)->node, sl_truth_find(t, &c, 0, 0)->node);
    sl_truth_free(t);
}

static void a_flow_gets_its_server_its_peer_and_its_statement(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_truth *t = parse(HEADER "10.0.0.1,,,,shop,(driver),,,driver,3,shop-1,1\n"
                                      "10.0.0.2,,,,shop,db,postgres,database,server,,shop-1,1\n",
                               &err);
    assert_non_null(t);
    struct sl_tuple up = {addr("10.0.0.1"), addr("10.0.0.2"), 40000, 5432, 6};
    struct sl_tuple down = {addr("10.0.0.2"), addr("10.0.0.1"), 5432, 40000, 6};
    struct sl_tuple out = {addr("10.0.0.2"), addr("192.0.2.1"), 40000, 53, 17};
    struct sl_truth_flow f;
    sl_truth_of_flow(t, &up, 5, true, &f);
    assert_string_equal(f.server->service, "db");
    assert_string_equal(f.client->service, "(driver)");
    assert_int_equal(f.statement, 3); // the server's row has none
    assert_false(f.swapped);
    sl_truth_of_flow(t, &down, 5, false, &f); // the beginning was not seen: a driver serves nobody
    assert_string_equal(f.server->service, "db");
    assert_true(f.swapped);
    sl_truth_of_flow(t, &down, 5, true, &f); // it was seen: as it is
    assert_string_equal(f.server->service, "(driver)");
    sl_truth_of_flow(t, &out, 5, true, &f);
    assert_null(f.server);
    assert_string_equal(f.client->service, "db");
    assert_int_equal(f.statement, 0);
    sl_truth_free(t);
}

static void a_wrong_line_is_named_with_its_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
        const char *msg;
    } cases[] = {
        {"", 0, "'labels.csv' is empty"},
        {"addr\n10.0.0.1\n", 1, "the header has no column 'address'"},
        {"address\n10.0.0.1\n10.0.0.1/8\n", 3, "'10.0.0.1/8' is not an address"},
        {"address\n2001:db8::g\n", 2, "'2001:db8::g' is not an address"},
        {"address,port\n10.0.0.1,x\n", 2, "port 'x' is not a number up to 65535"},
        {"address,from_ns\n10.0.0.1,-5\n", 2,
         "from_ns '-5' is not a number up to 9223372036854775807"},
        {"address,from_ns,to_ns\n10.0.0.1,5,5\n", 2, "to_ns 5 is not after from_ns 5"},
        {"address,role\n10.0.0.1,boss\n", 2, "role 'boss' is unknown"},
        {"address,from_ns,to_ns\n10.0.0.1,10,20\n10.0.0.2,10,20\n10.0.0.1,5,11\n", 4,
         "lines 2 and 4 both say who 10.0.0.1 is at the same time"},
        {"address\n10.0.0.1\n10.0.0.1\n", 3,
         "lines 2 and 3 both say who 10.0.0.1 is at the same time"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sl_error err = {0};
        assert_null(parse(cases[i].text, &err));
        assert_int_equal(err.code, SL_EINPUT);
        assert_string_equal(err.msg, cases[i].msg);
        assert_int_equal(err.line, cases[i].line);
        assert_true(err.hint[0]);
    }
}

static void a_run_folder_is_named_by_its_folder(void **state)
{
    (void)state;
    char dir[] = "/tmp/sluice-truth-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    struct sl_error err = {0};
    assert_null(sl_truth_load(dir, &err));
    assert_int_equal(err.code, SL_EINPUT);
    assert_true(err.hint[0]);
    snprintf(path, sizeof path, "%s/labels.csv", dir);
    FILE *f = fopen(path, "w");
    fputs("address,service\n10.0.0.1,db\n", f);
    fclose(f);
    struct sl_truth *t = sl_truth_load(dir, &err), *same = sl_truth_load(path, &err);
    assert_non_null(t);
    assert_non_null(same);
    assert_string_equal(service_at(same, "10.0.0.1", 1, 1), "db");
    sl_truth_free(t);
    sl_truth_free(same);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_an_owner_for_an_interval),
        cmocka_unit_test(a_row_with_the_port_stands_before_one_for_any),
        cmocka_unit_test(addresses_of_a_replica_are_one_node),
        cmocka_unit_test(a_flow_gets_its_server_its_peer_and_its_statement),
        cmocka_unit_test(a_wrong_line_is_named_with_its_remedy),
        cmocka_unit_test(a_run_folder_is_named_by_its_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
