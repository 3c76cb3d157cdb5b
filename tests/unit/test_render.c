// SPDX-License-Identifier: Apache-2.0
// The runnable file. The whole text of one small project is stated by hand; the rest are pieces
// that must be there.
#include "base/fs.h"
#include "base/str.h"
#include "compose/load.h"
#include "compose/render.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static struct sl_project *load(const char *text)
{
    struct sl_memory_file files[] = {{"compose.yaml", text, strlen(text)},
                                     {"app/Dockerfile", "FROM x", 6}};
    struct sl_memory_files memory = {.at = files, .n = 2};
    struct sl_files view = sl_memory_files_view(&memory);
    struct sl_error err = {0};
    struct sl_project *p = sl_project_load_from(&view, "shop", NULL, NULL, NULL, &err);
    if (!p)
        print_error("%s\n", err.msg);
    assert_non_null(p);
    return p;
}

static char *render(const struct sl_project *p, const char *subnet,
                    const struct sl_render_driver *drivers, size_t n_drivers)
{
    struct sl_render_subnet subnets[8];
    struct sl_render_image images[16];
    static const struct sl_pair labels[] = {{.key = "sluice.run", .value = "r1"}};
    struct sl_error err = {0};
    for (size_t i = 0; i < p->n_networks; i++)
        subnets[i] = (struct sl_render_subnet){p->networks[i].key, "inst_net", subnet};
    for (size_t i = 0; i < p->n_services; i++)
        images[i] = (struct sl_render_image){p->services[i].name, "img:1"};
    struct sl_render_options opt = {
        .instance = "inst", .tree = "/tree", .holder_image = "hold:1", .resolver = "10.0.0.2"};
    opt.labels = labels;
    opt.n_labels = 1;
    opt.subnets = subnets;
    opt.n_subnets = p->n_networks;
    opt.images = images;
    opt.n_images = p->n_services;
    opt.drivers = drivers;
    opt.n_drivers = n_drivers;
    char *text = sl_compose_render(p, &opt, &err);
    if (!text)
        print_error("%s\n", err.msg);
    assert_non_null(text);
    return text;
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("not there: %s\nin:\n%s", part, text);
}

static void has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("there: %s\nin:\n%s", part, text);
}

static void a_small_project_is_written_exactly_so(void **state)
{
    (void)state;
    struct sl_project *p = load("services:\n  db:\n    image: redis\n    hostname: h\n    command: "
                                "['redis-server', '--pass', 'a$$b']\n    ports: ['6379:6379']\n"
                                "    volumes: ['v:/data']\nvolumes: {v: {}}\n");
    char *text = render(p, "10.9.0.0/27", NULL, 0);
    assert_string_equal(
        text,
        "services:\n"
        "  \"sl-net-db\":\n"
        "    image: \"hold:1\"\n"
        "    entrypoint:\n      - \"sluice-pause\"\n"
        "    command: []\n"
        "    cap_drop:\n      - \"ALL\"\n"
        "    cap_add:\n      - \"NET_BIND_SERVICE\"\n"
        "    security_opt:\n      - \"no-new-privileges:true\"\n"
        "    read_only: true\n"
        "    mem_limit: \"16m\"\n    memswap_limit: \"16m\"\n    pids_limit: 16\n    cpus: 0.1\n"
        "    stop_grace_period: \"1s\"\n"
        "    logging:\n      driver: \"json-file\"\n      options:\n        max-size: \"1m\"\n     "
        "   max-file: \"1\"\n"
        "    labels:\n      \"sluice.run\": \"r1\"\n      \"sluice.role\": \"holder\"\n      "
        "\"sluice.service\": \"db\"\n"
        "    hostname: \"h\"\n"
        "    dns:\n      - \"10.0.0.2\"\n"
        "    sysctls:\n      \"net.ipv6.conf.all.disable_ipv6\": \"1\"\n"
        "    networks:\n      \"default\":\n        aliases:\n          - \"db\"\n          - "
        "\"h\"\n"
        "  \"db\":\n"
        "    image: \"img:1\"\n"
        "    network_mode: \"service:sl-net-db\"\n"
        "    command:\n      - \"redis-server\"\n      - \"--pass\"\n      - \"a$$b\"\n"
        "    volumes:\n      - type: \"volume\"\n        source: \"v\"\n        target: \"/data\"\n"
        "    depends_on:\n      \"sl-net-db\":\n        condition: \"service_started\"\n"
        "    cap_drop:\n      - \"ALL\"\n"
        "    cap_add:\n      - \"CHOWN\"\n      - \"SETUID\"\n      - \"SETGID\"\n      - "
        "\"DAC_OVERRIDE\"\n      - \"FOWNER\"\n"
        "      - \"NET_BIND_SERVICE\"\n      - \"KILL\"\n      - \"FSETID\"\n      - \"SETPCAP\"\n"
        "    security_opt:\n      - \"no-new-privileges:true\"\n"
        "    mem_limit: \"805306368\"\n    memswap_limit: \"805306368\"\n" // 768 MiB
        "    pids_limit: 256\n    cpus: 2.00\n"
        "    logging:\n      driver: \"json-file\"\n      options:\n        max-size: \"8m\"\n     "
        "   max-file: \"2\"\n"
        "    labels:\n      \"sluice.run\": \"r1\"\n      \"sluice.role\": \"service\"\n      "
        "\"sluice.service\": \"db\"\n"
        "networks:\n  \"default\":\n    name: \"inst_net\"\n    driver: \"bridge\"\n    internal: "
        "true\n"
        "    ipam:\n      config:\n        - subnet: \"10.9.0.0/27\"\n"
        "    labels:\n      \"sluice.run\": \"r1\"\n"
        "volumes:\n  \"v\":\n    name: \"inst_v\"\n    labels:\n      \"sluice.run\": \"r1\"\n");
    free(text);
    sl_project_free(p);
}

static void text_cannot_leave_its_quotes(void **state)
{
    (void)state;
    struct sl_project *p =
        load("services:\n  a:\n    image: x\n    environment:\n      \"K\\\"\\n  evil: 1\": v\n    "
             "  Q: \"a\\\"b\\\\c\\n    privileged: true\\t\\x01\\u2028\\u00e9\"\n"
             "    command: ['${NOT_HERE:-$${x}}']\n");
    char *text = render(p, "10.9.0.0/27", NULL, 0);
    has(text,
        "\"Q\": \"a\\\"b\\\\c\\n    privileged: true\\x09\\x01\\uFFFD\\uFFFD\\uFFFD\u00e9\"\n");
    has(text, "- \"$${x}\"\n");
    has_not(text, "evil");
    has_not(text, "\n    privileged");
    free(text);
    sl_project_free(p);
}

static void replicas_have_holders_of_their_own_and_share_the_name(void **state)
{
    (void)state;
    struct sl_project *p =
        load("services:\n  a: {image: x, scale: 2, healthcheck: {test: 'true'}}\n  b: {image: y, "
             "depends_on: {a: {condition: service_healthy}}}\n");
    char *text = render(p, "10.9.0.0/27", NULL, 0);
    has(text, "  \"sl-net-a-2\":\n");
    has(text, "        aliases:\n          - \"a\"\n          - \"a-2\"\n");
    has(text, "    network_mode: \"service:sl-net-a-2\"\n");
    has(text, "      \"a\":\n        condition: \"service_healthy\"\n      \"a-2\":\n        "
              "condition: \"service_healthy\"\n");
    free(text);
    sl_project_free(p);
}

static void static_addresses_keep_their_host_part_where_it_fits(void **state)
{
    (void)state;
    struct sl_project *p =
        load("services:\n  a: {image: x, networks: {n: {ipv4_address: 172.20.0.7}}}\n  b: {image: "
             "x, networks: {n: {ipv4_address: 172.20.1.7}}}\n"
             "  c: {image: x, networks: {n: {ipv4_address: 172.20.0.1}}}\n  d: {image: x, "
             "networks: {n: {ipv4_address: 172.20.0.63}}}\nnetworks: {n: {}}\n");
    char *text = render(p, "10.9.0.32/27", NULL, 0);           // hosts .2 to .30
    has(text, "\"a\"\n        ipv4_address: \"10.9.0.39\"\n"); // 32 + 7
    has(text, "\"b\"\n        ipv4_address: \"10.9.0.34\"\n"); // 7 is taken: the lowest free one
    has(text, "\"c\"\n        ipv4_address: \"10.9.0.35\"\n"); // .1 is the gateway
    has(text,
        "\"d\"\n        ipv4_address: \"10.9.0.36\"\n"); // 63 is 31 here, the broadcast address
    free(text);
    sl_project_free(p);
}

static void joined_and_lonely_networks_stay_what_they_are(void **state)
{
    (void)state;
    struct sl_project *p =
        load("services:\n  a: {image: x}\n  b: {image: x, network_mode: 'service:a'}\n  c: {image: "
             "x, network_mode: none, init: true, restart: always}\n");
    char *text = render(p, "10.9.0.0/27", NULL, 0);
    has_not(text, "sl-net-b");
    has_not(text, "sl-net-c");
    has(text, "  \"b\":\n    image: \"img:1\"\n    network_mode: \"service:sl-net-a\"\n");
    has(text, "  \"c\":\n    image: \"img:1\"\n    network_mode: \"none\"\n    restart: "
              "\"always\"\n    init: true\n");
    free(text);
    sl_project_free(p);
}

static void drivers_are_holders_alone(void **state)
{
    (void)state;
    struct sl_project *p = load("services:\n  a: {image: x}\n");
    struct sl_render_driver d = {"sl-drive-1", "default"};
    char *text = render(p, "10.9.0.0/27", &d, 1);
    has(text, "  \"sl-drive-1\":\n    image: \"hold:1\"\n");
    has(text, "\"sluice.role\": \"driver\"\n      \"sluice.service\": \"sl-drive-1\"\n");
    free(text);
    sl_project_free(p);
}

static void a_network_without_a_subnet_is_an_error(void **state)
{
    (void)state;
    struct sl_project *p = load("services:\n  a: {image: x}\n");
    struct sl_render_image image = {"a", "i"};
    struct sl_render_options opt = {
        .instance = "i", .tree = "/t", .holder_image = "h", .images = &image, .n_images = 1};
    struct sl_error err = {0};
    assert_null(sl_compose_render(p, &opt, &err));
    assert_int_equal(err.code, SL_ERUN);
    assert_non_null(strstr(err.msg, "default"));
    sl_project_free(p);
}

static void nothing_of_a_hostile_file_reaches_the_runnable_one(void **state)
{
    (void)state;
    struct sl_project *p =
        load("services:\n  a:\n    image: x\n    privileged: true\n    cap_add: [ALL]\n    pid: "
             "host\n    security_opt: [apparmor:unconfined]\n"
             "    devices: [/dev/sda]\n    volumes: ['/:/host', '../..:/up', "
             "'/var/run/docker.sock:/s', 'root:/r']\n    labels: {sluice.run: forged, evil: 1}\n"
             "    logging: {driver: syslog}\n    ports: ['80:80']\n    container_name: c\n    "
             "build: {context: app, network: host}\n"
             "volumes: {root: {driver_opts: {o: bind, device: /}}}\nnetworks: {default: {external: "
             "true, name: host, driver: host}}\n");
    char *text = render(p, "10.9.0.0/27", NULL, 0);
    static const char *const gone[] = {"privileged: true\n    cap",
                                       "pid:",
                                       "apparmor",
                                       "/dev/",
                                       "/host",
                                       "..",
                                       "docker.sock",
                                       "driver_opts",
                                       "forged",
                                       "evil",
                                       "syslog",
                                       "ports",
                                       "container_name",
                                       "build",
                                       "external",
                                       "\"host\"",
                                       NULL};
    for (const char *const *g = gone; *g; g++)
        has_not(text, *g);
    free(text);
    sl_project_free(p);
}

static void built_images_get_names_of_our_own(void **state)
{
    (void)state;
    struct sl_project *p =
        load("name: Shop_1\nservices:\n  Web: {build: {context: app, args: {A: '$$x'}, target: t}, "
             "image: postgres}\n  web: {build: {context: ., dockerfile: app/Dockerfile}}\n"
             "  c: {build: {context: app, dockerfile_inline: 'FROM y'}}\n  d: {image: x}\n");
    struct sl_error err = {0};
    char *text = sl_compose_render_build(p, "/tree", &err);
    assert_non_null(text);
    char *want = sl_format(
        "  \"Web\":\n    image: \"sluice/shop-1-%.12s/web-0:latest\"\n    build:\n      context: "
        "\"/tree/app\"\n      target: \"t\"\n      args:\n        \"A\": \"$$x\"\n",
        p->digest);
    has(text, want);
    has(text, "/web-1:latest\"\n    build:\n      context: \"/tree\"\n      dockerfile: "
              "\"app/Dockerfile\"\n"); // another service than "Web"
    has(text, "      context: \"/tree/app\"\n      dockerfile: \".sluice.c.Dockerfile\"\n");
    has_not(text, "postgres");
    has_not(text, "\"d\"");
    free(want), free(text);
    sl_project_free(p);
}

static void a_fresh_tree_gets_what_it_lacks(void **state)
{
    (void)state;
    struct sl_project *p = load("services:\n  a: {build: {context: app, dockerfile_inline: 'FROM "
                                "y'}, volumes: ['./data/x:/d']}\n");
    char dir[] = "/tmp/sl-render-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *app = sl_path_join(dir, "app"), *file = sl_path_join(dir, "app/.sluice.a.Dockerfile"),
         *data = sl_path_join(dir, "data/x");
    assert_true(sl_mkdirs(app, NULL));
    struct sl_error err = {0};
    assert_true(sl_compose_prepare_tree(p, dir, &err));
    assert_true(sl_exists(file) && sl_is_dir(data));
    assert_true(sl_remove_tree(data, NULL));
    char *parent = sl_path_join(dir, "data");
    assert_true(sl_remove_tree(parent, NULL));
    assert_int_equal(symlink("/tmp", parent), 0); // a tree that changed under us
    assert_false(sl_compose_prepare_tree(p, dir, &err));
    assert_true(sl_remove_tree(dir, NULL));
    free(app), free(file), free(data), free(parent);
    sl_project_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_project_is_written_exactly_so),
        cmocka_unit_test(text_cannot_leave_its_quotes),
        cmocka_unit_test(replicas_have_holders_of_their_own_and_share_the_name),
        cmocka_unit_test(static_addresses_keep_their_host_part_where_it_fits),
        cmocka_unit_test(joined_and_lonely_networks_stay_what_they_are),
        cmocka_unit_test(drivers_are_holders_alone),
        cmocka_unit_test(a_network_without_a_subnet_is_an_error),
        cmocka_unit_test(nothing_of_a_hostile_file_reaches_the_runnable_one),
        cmocka_unit_test(built_images_get_names_of_our_own),
        cmocka_unit_test(a_fresh_tree_gets_what_it_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
