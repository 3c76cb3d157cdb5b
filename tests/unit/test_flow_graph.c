// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "classes/classes.h"
#include "measure/graph.h"
#include "stats/report.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static struct sl_addr addr(const char *text)
{
    struct sl_addr a = {.family = strchr(text, ':') ? 6 : 4};
    assert_int_equal(inet_pton(a.family == 6 ? AF_INET6 : AF_INET, text, a.b), 1);
    return a;
}

static struct sl_graph_edge_in flow(const char *src, const char *dst, uint16_t port, uint64_t up,
                                    uint64_t down, int64_t first_ns, int64_t last_ns)
{
    return (struct sl_graph_edge_in){.src = addr(src),
                                     .dst = addr(dst),
                                     .proto = 6,
                                     .port = port,
                                     .flows = 1,
                                     .packets = {1, 1},
                                     .bytes = {up, down},
                                     .first_ns = first_ns,
                                     .last_ns = last_ns};
}

typedef bool writer(const struct sl_flow_graph *g, size_t most, FILE *out, struct sl_error *err);

static char *text_of(const struct sl_flow_graph *g, size_t most, writer *write)
{
    char *text = NULL;
    size_t len;
    struct sl_error err = {0};
    FILE *f = open_memstream(&text, &len);
    assert_true(write(g, most, f, &err));
    fclose(f);
    return text;
}

#define HEADER                                                                                     \
    "src,dst,class,app,proto,port,flows,packets_up,packets_down,bytes_up,bytes_down,first_ns,"     \
    "last_ns,statement\n"

// Somebody named a service "10.0.0.5"; and there is an address 10.0.0.5 that nobody knows.
static void an_address_is_told_from_a_service_of_that_name(void **state)
{
    (void)state;
    struct sl_flow_graph *g = sl_flow_graph_new(NULL);
    const struct sl_truth_row who = {.project = "",
                                     .service = "10.0.0.5",
                                     .image = "",
                                     .cls = "",
                                     .role = "",
                                     .instance = "",
                                     .host = "",
                                     .app = ""};
    struct sl_graph_edge_in e = flow("10.0.0.5", "10.0.0.7", 80, 1, 2, 3, 4);
    e.dst_who = &who;
    sl_flow_graph_add(g, &e);
    char *text = text_of(g, 0, sl_flow_graph_csv);
    assert_string_equal(text, HEADER "10.0.0.5~address,10.0.0.5,,,6,80,1,1,1,1,2,3,4,\n");
    free(text);
    sl_flow_graph_free(g);
}

static void flows_between_two_ends_are_one_edge(void **state)
{
    (void)state;
    struct sl_flow_graph *g = sl_flow_graph_new(NULL);
    const struct sl_graph_edge_in flows[] = {
        flow("10.0.0.10", "10.0.0.2", 80, 100, 1000, 50, 60),
        flow("2001:db8::1", "10.0.0.2", 80, 1, 2, 10, 20),
        flow("10.0.0.10", "10.0.0.2", 80, 10, 20, 5, 55), // began earlier, ended in between
        flow("10.0.0.9", "10.0.0.2", 443, 7, 8, 1, 2),
        flow("10.0.0.2", "10.0.0.10", 80, 3, 4, 1, 2), // the other way is another edge
    };
    for (size_t i = 0; i < sizeof flows / sizeof *flows; i++)
        sl_flow_graph_add(g, &flows[i]);
    struct sl_graph_edge_in segment = flow("10.0.0.9", "10.0.0.2", 443, 1, 1, 3, 4);
    segment.flows = 0; // of a flow that was counted
    sl_flow_graph_add(g, &segment);
    char *text = text_of(g, 0, sl_flow_graph_csv);
    assert_string_equal(text, HEADER "10.0.0.2,10.0.0.10,,,6,80,1,1,1,3,4,1,2,\n"
                                     "10.0.0.9,10.0.0.2,,,6,443,1,2,2,8,9,1,4,\n"
                                     "10.0.0.10,10.0.0.2,,,6,80,2,2,2,110,1020,5,60,\n"
                                     "2001:db8::1,10.0.0.2,,,6,80,1,1,1,1,2,10,20,\n");
    free(text);
    struct sl_flow_graph_size size;
    sl_flow_graph_size(g, &size);
    assert_int_equal(size.nodes, 4);
    assert_int_equal(size.edges, 4);
    sl_flow_graph_free(g);
}

static void the_order_of_adding_does_not_show(void **state)
{
    (void)state;
    char *first = NULL;
    for (int turn = 0; turn < 2; turn++) {
        struct sl_flow_graph *g = sl_flow_graph_new(NULL);
        for (int k = 0; k < 5000; k++) {
            int i = turn ? 4999 - k : k;
            char src[32], dst[32];
            snprintf(src, sizeof src, "10.%d.%d.1", i % 7, i % 251);
            snprintf(dst, sizeof dst, "10.9.%d.%d", i % 3, i % 97);
            struct sl_graph_edge_in in =
                flow(src, dst, (uint16_t)(i % 5), (uint64_t)i, 1, 1000 - i, 2000 + i);
            sl_flow_graph_add(g, &in);
        }
        char *text = text_of(g, 0, sl_flow_graph_csv);
        if (first)
            assert_string_equal(text, first);
        free(first);
        first = text;
        sl_flow_graph_free(g);
    }
    free(first);
}

static void what_goes_beyond_the_bounds_is_counted_in_other(void **state)
{
    (void)state;
    struct sl_flow_graph *g =
        sl_flow_graph_new(&(struct sl_flow_graph_options){.max_nodes = 3, .max_edges = 2});
    const struct sl_graph_edge_in flows[] = {
        flow("10.0.0.1", "10.0.0.2", 80, 1, 1, 5, 6),  flow("10.0.0.1", "10.0.0.3", 80, 2, 2, 5, 6),
        flow("10.0.0.1", "10.0.0.4", 80, 10, 0, 3, 4), // a fourth node
        flow("10.0.0.2", "10.0.0.3", 80, 0, 20, 8, 9), // a third edge
        flow("10.0.0.1", "10.0.0.3", 80, 2, 2, 5, 6),
    };
    for (size_t i = 0; i < sizeof flows / sizeof *flows; i++)
        sl_flow_graph_add(g, &flows[i]);
    char *text = text_of(g, 0, sl_flow_graph_csv);
    assert_string_equal(text, HEADER "10.0.0.1,10.0.0.2,,,6,80,1,1,1,1,1,5,6,\n"
                                     "10.0.0.1,10.0.0.3,,,6,80,2,2,2,4,4,5,6,\n"
                                     "(other),(other),,,0,0,2,2,2,10,20,3,9,\n");
    free(text);
    struct sl_flow_graph_size size;
    sl_flow_graph_size(g, &size);
    assert_int_equal(size.other_flows, 2);
    assert_int_equal(size.other_bytes, 30);
    text = text_of(g, 1, sl_flow_graph_csv); // the edge with most bytes; nodes without edges go
    assert_string_equal(text, HEADER "10.0.0.1,10.0.0.3,,,6,80,2,2,2,4,4,5,6,\n"
                                     "(other),(other),,,0,0,3,3,3,11,21,3,9,\n");
    free(text);
    text = text_of(g, 1, sl_flow_graph_nodes_csv);
    assert_string_equal(text, "id,label,project,host,image,class,role,address\n"
                              "10.0.0.1,10.0.0.1,,clients,,,client,10.0.0.1\n"
                              "10.0.0.3,10.0.0.3,,servers,,,server,10.0.0.3\n"
                              "(other),(other),,the rest,,,both,\n");
    free(text);
    sl_flow_graph_free(g);
}

static struct sl_truth *book(void)
{
    char text[] = "address,service,instance,project,image,class,role,statement,host,replica\n"
                  "10.0.0.1,(driver),shop-1,shop,,,driver,2,h1,1\n"
                  "10.0.0.2,\"d\"\"b\",shop-1,shop,postgres,database,server,2,h2,1\n"
                  "10.0.1.2,\"d\"\"b\",shop-1,shop,postgres,database,server,2,h2,1\n";
    struct sl_error err = {0};
    struct sl_truth *t = sl_truth_parse("labels.csv", text, strlen(text), &err);
    assert_non_null(t);
    return t;
}

static struct sl_flow_graph *known(const struct sl_truth *t)
{
    struct sl_flow_graph *g = sl_flow_graph_new(NULL);
    static const char *const servers[] = {"10.0.0.2", "10.0.1.2", "192.0.2.7"};
    for (int i = 0; i < 3; i++) {
        struct sl_graph_edge_in in = flow("10.0.0.1", servers[i], 5432, 1000, 2000, 1, 2);
        in.src_who = sl_truth_find(t, &in.src, 0, 1);
        in.dst_who = sl_truth_find(t, &in.dst, 0, 1);
        in.cls = i < 2 ? sl_class_find("database") : 0;
        in.app = "postgresql";
        in.statement = in.dst_who ? 2 : 0;
        sl_flow_graph_add(g, &in);
    }
    return g;
}

static void a_service_is_one_node_whatever_its_addresses(void **state)
{
    (void)state;
    struct sl_truth *t = book();
    struct sl_flow_graph *g = known(t);
    char *text = text_of(g, 0, sl_flow_graph_nodes_csv);
    assert_string_equal(text,
                        "id,label,project,host,image,class,role,address\n"
                        "shop-1/(driver),driver,shop,h1,,,client,10.0.0.1\n"
                        "\"shop-1/d\"\"b\",\"d\"\"b\",shop,h2,postgres,database,server,10.0.0.2\n"
                        "192.0.2.7,192.0.2.7,,servers,,,server,192.0.2.7\n");
    free(text);
    json_t *j = sl_flow_graph_json(g, 0), *e = json_array_get(json_object_get(j, "edges"), 0);
    assert_int_equal(json_array_size(json_object_get(j, "edges")), 2);
    assert_string_equal(sl_json_str(e, "dst", ""), "shop-1/d\"b");
    assert_string_equal(sl_json_str(e, "class", ""), "database");
    assert_int_equal(sl_json_num(e, "flows", 0), 2);
    assert_int_equal(sl_json_num(e, "statement", -1), 1); // from 0 in the picture's JSON
    assert_true(
        json_is_null(json_object_get(json_array_get(json_object_get(j, "edges"), 1), "statement")));
    struct sl_error err = {0};
    char *svg = sl_graph_svg(j, &err);
    assert_non_null(svg);
    assert_non_null(strstr(svg, "3 services on 3 hosts, 2 connections"));
    free(svg);
    json_decref(j);
    sl_flow_graph_free(g);
    sl_truth_free(t);
}

// As jansson lays the value out, which is written at once otherwise.
static void the_file_in_json_has_the_bytes_of_the_value_in_json(void **state)
{
    (void)state;
    struct sl_truth *t = book();
    for (int filled = 0; filled < 2; filled++) {
        struct sl_flow_graph *g = filled ? known(t) : sl_flow_graph_new(NULL);
        char path[] = "/tmp/sluice-graph-XXXXXX";
        close(mkstemp(path));
        struct sl_error err = {0};
        assert_true(sl_flow_graph_save_json(g, 0, path, &err));
        FILE *in = fopen(path, "r");
        char got[8192];
        got[fread(got, 1, sizeof got - 1, in)] = '\0';
        fclose(in);
        unlink(path);
        json_t *j = sl_flow_graph_json(g, 0);
        char *text = json_dumps(j, JSON_INDENT(2)), *want = sl_format("%s\n", text);
        assert_string_equal(got, want);
        free(text), free(want);
        json_decref(j);
        sl_flow_graph_free(g);
    }
    sl_truth_free(t);
}

static void mermaid_text_cannot_break_out_of_its_quotes(void **state)
{
    (void)state;
    struct sl_truth *t = book();
    struct sl_flow_graph *g = known(t);
    char *text = text_of(g, 0, sl_flow_graph_mermaid);
    assert_string_equal(text, "flowchart LR\n"
                              "  subgraph g0 [\"h1\"]\n"
                              "    n0[\"driver\"]\n"
                              "  end\n"
                              "  subgraph g1 [\"h2\"]\n"
                              "    n1[\"d#34;b\"]\n"
                              "  end\n"
                              "  subgraph g2 [\"servers\"]\n"
                              "    n2[\"192.0.2.7\"]\n"
                              "  end\n"
                              "  n0 -->|\"tcp/5432 postgresql, 5.9 KiB\"| n1\n"
                              "  n0 -->|\"tcp/5432 postgresql, 2.9 KiB\"| n2\n");
    free(text);
    sl_flow_graph_free(g);
    sl_truth_free(t);
}

static void an_empty_graph_and_a_full_disk(void **state)
{
    (void)state;
    struct sl_flow_graph *g = sl_flow_graph_new(NULL);
    struct sl_error err = {0};
    json_t *j = sl_flow_graph_json(g, 0);
    assert_int_equal(json_array_size(json_object_get(j, "nodes")), 0);
    json_decref(j);
    FILE *full = fopen("/dev/full", "w");
    if (full) {
        assert_false(sl_flow_graph_csv(g, 0, full, &err));
        assert_string_equal(err.msg, "cannot write the graph: No space left on device");
        fclose(full);
    }
    sl_flow_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_told_from_a_service_of_that_name),
        cmocka_unit_test(flows_between_two_ends_are_one_edge),
        cmocka_unit_test(the_order_of_adding_does_not_show),
        cmocka_unit_test(what_goes_beyond_the_bounds_is_counted_in_other),
        cmocka_unit_test(a_service_is_one_node_whatever_its_addresses),
        cmocka_unit_test(the_file_in_json_has_the_bytes_of_the_value_in_json),
        cmocka_unit_test(mermaid_text_cannot_break_out_of_its_quotes),
        cmocka_unit_test(an_empty_graph_and_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
