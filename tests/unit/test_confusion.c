// SPDX-License-Identifier: Apache-2.0
#include "measure/confusion.h"
#include "net/services.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

// Row 1: ZooKeeper. Row 2: PostgreSQL. Row 3: a name server. Row 4: something built, class web.
static const char book[] = "address,service,image,class\n"
                           "10.0.0.1,zk1,zookeeper:3.9,database\n"
                           "10.0.0.2,db,postgres:16,database\n"
                           "10.0.0.3,names,coredns/coredns,dns\n"
                           "10.0.0.4,shop,,web\n"
                           "10.0.0.5,zk2,zookeeper:3.9,database\n";

struct fixture {
    struct sl_truth *t;
    struct sl_services *s;
    struct sl_confusion *c;
};

static struct fixture make(void)
{
    char *copy = strdup(book);
    struct sl_error err = {0};
    struct fixture f = {.t = sl_truth_parse("labels.csv", copy, strlen(copy), &err),
                        .s = sl_services_builtin(),
                        .c = sl_confusion_new()};
    free(copy);
    assert_non_null(f.t);
    return f;
}

static void done(struct fixture *f)
{
    sl_confusion_free(f->c);
    sl_truth_free(f->t);
    sl_services_free(f->s);
}

static const struct sl_truth_row *row(const struct fixture *f, unsigned last)
{
    struct sl_addr a = {.family = 4, .b = {10, 0, 0, (uint8_t)last}};
    return sl_truth_find(f->t, &a, 0, 0);
}

static void add(struct fixture *f, uint8_t proto, uint16_t port, unsigned last, uint64_t flows,
                uint64_t packets, uint64_t bytes)
{
    const char *name = sl_service_name(f->s, sl_service_id(f->s, proto, port));
    sl_confusion_add(f->c, proto, port, name, row(f, last),
                     &(struct sl_confusion_count){flows, packets, bytes});
}

static void a_port_name_is_judged_by_application_and_class(void **state)
{
    (void)state;
    struct fixture f = make();
    assert_int_equal(sl_confusion_judge("eforward", row(&f, 1)), SL_DISAGREE);
    assert_int_equal(sl_confusion_judge("zookeeper", row(&f, 1)), SL_AGREE); // the application
    assert_int_equal(sl_confusion_judge("postgresql", row(&f, 2)), SL_AGREE);
    assert_int_equal(sl_confusion_judge("mysql", row(&f, 2)), SL_AGREE);  // another database: class
    assert_int_equal(sl_confusion_judge("domain", row(&f, 3)), SL_AGREE); // a protocol of the class
    assert_int_equal(sl_confusion_judge("http", row(&f, 4)), SL_AGREE);
    assert_int_equal(sl_confusion_judge("SHOP", row(&f, 4)), SL_AGREE); // its image is unknown
    assert_int_equal(sl_confusion_judge("ssh", row(&f, 4)), SL_DISAGREE);
    assert_int_equal(sl_confusion_judge("mysql", row(&f, 4)), SL_DISAGREE); // a class, another one
    assert_int_equal(sl_confusion_judge("", row(&f, 4)), SL_UNNAMED);
    assert_int_equal(sl_confusion_judge(NULL, row(&f, 4)), SL_UNNAMED);
    assert_int_equal(sl_confusion_judge("http", NULL), SL_WITHOUT_TRUTH);
    done(&f);
}

// Sums by hand. 2181/tcp is eforward in IANA's registry; 9200/tcp is wap-wsp.
static void the_table_shows_disagreement_first_by_bytes(void **state)
{
    (void)state;
    struct fixture f = make();
    add(&f, 6, 2181, 1, 2, 20, 512);
    add(&f, 6, 2181, 5, 1, 10, 512); // the other ZooKeeper: the same pair
    add(&f, 6, 9200, 4, 1, 5, 2048);
    add(&f, 6, 5432, 2, 4, 40, 4096);
    add(&f, 17, 53, 3, 1, 2, 128);
    add(&f, 6, 65535, 4, 1, 3, 256);
    add(&f, 6, 80, 99, 10, 100, 2560); // a stranger
    struct sl_str out = {0};
    sl_confusion_text(f.c, 0, false, &out);
    assert_string_equal(
        sl_str_text(&out),
        "port name and truth  flows            bytes\n"
        "agree                    5  25.0 %  4.1 KiB  41.8 %\n"
        "disagree                 4  20.0 %  3.0 KiB  30.4 %\n"
        "no port name             1   5.0 %    256 B   2.5 %\n"
        "no truth                10  50.0 %  2.5 KiB  25.3 %\n"
        "\n"
        "     port  port name   truth       class     flows  packets    bytes  verdict\n"
        " 9200/tcp  wap-wsp     shop        web           1        5  2.0 KiB  disagree\n"
        " 2181/tcp  eforward    zookeeper   database      3       30  1.0 KiB  disagree\n"
        "65535/tcp  -           shop        web           1        3    256 B  no port name\n"
        " 5432/tcp  postgresql  postgresql  database      4       40  4.0 KiB  agree\n"
        "   53/udp  domain      coredns     dns           1        2    128 B  agree\n");
    sl_str_clear(&out);
    sl_confusion_text(f.c, 1, false, &out);
    assert_non_null(strstr(sl_str_text(&out), "and 4 more\n"));
    sl_str_done(&out);
    json_t *j = sl_confusion_json(f.c), *first = json_array_get(json_object_get(j, "pairs"), 1);
    assert_string_equal(sl_json_str(first, "label_iana", ""), "eforward");
    assert_string_equal(sl_json_str(first, "label_service", ""), "zookeeper");
    assert_int_equal(sl_json_num(first, "packets", 0), 30);
    const json_t *totals = json_object_get(j, "totals");
    assert_true(sl_json_num(json_object_get(totals, "agree"), "share_flows", 0) == 0.25);
    assert_int_equal(sl_json_num(json_object_get(totals, "without_truth"), "bytes", 0), 2560);
    json_decref(j);
    done(&f);
}

static void nothing_counted_is_no_division_by_nothing(void **state)
{
    (void)state;
    struct sl_confusion *c = sl_confusion_new();
    struct sl_str out = {0};
    sl_confusion_text(c, 0, false, &out);
    assert_non_null(strstr(sl_str_text(&out), "disagree                 0  0.0 %"));
    sl_str_done(&out);
    sl_confusion_free(c);
}

// 70,000 pairs of one service: 65,536 stand for themselves, the rest is one.
static void too_many_pairs_are_one_and_totals_stay_right(void **state)
{
    (void)state;
    struct fixture f = make();
    for (unsigned i = 0; i < 70000; i++)
        sl_confusion_add(f.c, i < 65536 ? 6 : 17, (uint16_t)i, "ssh", row(&f, 1),
                         &(struct sl_confusion_count){1, 1, 1});
    struct sl_confusion_count n;
    sl_confusion_total(f.c, SL_DISAGREE, &n);
    assert_int_equal(n.flows, 70000);
    json_t *j = sl_confusion_json(f.c), *first = json_array_get(json_object_get(j, "pairs"), 0);
    assert_int_equal(json_array_size(json_object_get(j, "pairs")), 65537);
    assert_string_equal(sl_json_str(first, "label_iana", ""), "(other)");
    assert_int_equal(sl_json_num(first, "flows", 0), 70000 - 65536);
    json_decref(j);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_name_is_judged_by_application_and_class),
        cmocka_unit_test(the_table_shows_disagreement_first_by_bytes),
        cmocka_unit_test(nothing_counted_is_no_division_by_nothing),
        cmocka_unit_test(too_many_pairs_are_one_and_totals_stay_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
