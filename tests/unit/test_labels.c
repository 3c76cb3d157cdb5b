// SPDX-License-Identifier: Apache-2.0
// What live writes, measure reads: the two must agree on the columns.
#include "live/labels.h"
#include "measure/truth.h"
#include "plan/option.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

enum { A = 0x0a010002, B = 0x0a010003, C = 0x0a020003, D = 0x0a010004, E = 0x0a010005 };

static void endpoint(struct sl_instance *i, const char *service, bool is_driver, uint32_t first,
                     uint32_t second)
{
    struct sl_endpoint *ep = SL_PUSH(&i->endpoints);
    strcpy(ep->service, service);
    ep->is_driver = is_driver;
    ep->nets[0].ipv4 = first;
    ep->nets[1].ipv4 = second;
    ep->n_nets = second ? 2 : 1;
}

// One instance of the second statement: a driver at h1; db on two networks, web twice, at h2.
struct stage {
    struct sl_service services[2];
    struct sl_project project;
    struct sl_record record;
    struct sl_option option;
    struct sl_instance instance;
    struct sl_run run;
    int hosts[4];
    char *refs[2];
};

static void make(struct stage *s)
{
    *s = (struct stage){0};
    s->services[0].name = (char *)"db";
    sl_class_by_image("postgres", &s->services[0].guess);
    s->services[1].name = (char *)"web";
    s->project.services = s->services;
    s->project.n_services = 2;
    s->record.name = (char *)"shop, \"old\"";
    s->option.record = &s->record;
    s->instance.project = &s->project;
    strcpy(s->instance.name, "shop-1");
    endpoint(&s->instance, "sl-drive-1", true, A, 0);
    endpoint(&s->instance, "db", false, B, C);
    endpoint(&s->instance, "web", false, D, 0);
    endpoint(&s->instance, "web", false, E, 0);
    s->refs[0] = (char *)"postgres:16";
    SL_PUSH(&s->run.projects)->refs = s->refs;
    s->run.wall_start_ns = 1000;
    struct sl_run_instance *in = SL_PUSH(&s->run.instances);
    in->statement = 1;
    in->option = &s->option;
    in->instance = &s->instance;
    memcpy(s->hosts, (const int[]){1, 2, 2, 2}, sizeof s->hosts);
    in->endpoint_host = s->hosts;
}

static void done(struct stage *s)
{
    SL_VEC_DONE(&s->instance.endpoints);
    SL_VEC_DONE(&s->run.projects);
    SL_VEC_DONE(&s->run.instances);
}

static void every_placed_address_has_a_row(void **state)
{
    (void)state;
    struct stage s;
    make(&s);
    struct sl_str out = {0};
    sl_run_labels(&s.run, 2000, &out);
    assert_string_equal(
        sl_str_text(&out),
        "address,port,from_ns,to_ns,project,service,image,class,role,statement,instance,replica,"
        "host\n"
        "10.1.0.2,,1000,2000,\"shop, \"\"old\"\"\",(driver),,,driver,2,shop-1,1,h1\n"
        "10.1.0.3,,1000,2000,\"shop, \"\"old\"\"\",db,postgres:16,database,server,2,shop-1,1,h2\n"
        "10.2.0.3,,1000,2000,\"shop, \"\"old\"\"\",db,postgres:16,database,server,2,shop-1,1,h2\n"
        "10.1.0.4,,1000,2000,\"shop, \"\"old\"\"\",web,,,,2,shop-1,1,h2\n"
        "10.1.0.5,,1000,2000,\"shop, \"\"old\"\"\",web,,,,2,shop-1,2,h2\n");
    sl_str_done(&out);
    done(&s);
}

static void what_a_run_writes_is_a_label_book(void **state)
{
    (void)state;
    for (int64_t to_ns = 0; to_ns <= 2000; to_ns += 2000) {
        struct stage s;
        make(&s);
        struct sl_str out = {0};
        struct sl_error err = {0};
        sl_run_labels(&s.run, to_ns, &out);
        struct sl_truth *t = sl_truth_parse("labels.csv", out.text, out.len, &err);
        assert_non_null(t);
        assert_int_equal(sl_truth_count(t), 5);
        assert_int_equal(sl_truth_nodes(t), 4);
        struct sl_addr driver = sl_addr_from_v4(A), db = sl_addr_from_v4(C);
        const struct sl_truth_row *r = sl_truth_find(t, &db, 5432, 1500);
        assert_string_equal(r->project, "shop, \"old\"");
        assert_string_equal(r->service, "db");
        assert_string_equal(r->app, "postgresql");
        assert_string_equal(r->cls, "database");
        assert_string_equal(r->role, "server");
        assert_string_equal(r->instance, "shop-1");
        assert_string_equal(r->host, "h2");
        assert_int_equal(r->statement, 2);
        assert_int_equal(r->replica, 1);
        assert_null(sl_truth_find(t, &db, 5432, 999));
        assert_int_equal(sl_truth_find(t, &db, 5432, 2000) == NULL, to_ns != 0);
        assert_string_equal(sl_truth_find(t, &driver, 40000, 1500)->role, "driver");
        sl_truth_free(t);
        sl_str_done(&out);
        done(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_placed_address_has_a_row),
        cmocka_unit_test(what_a_run_writes_is_a_label_book),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
