// SPDX-License-Identifier: Apache-2.0
// The class table. Expected classes are those of the applications' own descriptions; payloads are
// typed from the protocols' documents named beside them.
#include "classes/classes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static void images_are_known_with_or_without_registry_tag_and_digest(void **state)
{
    (void)state;
    static const struct {
        const char *image, *app, *cls;
    } table[] = {
        {"postgres", "postgresql", "database"},
        {"postgres:16-alpine", "postgresql", "database"},
        {"docker.io/library/postgres:16", "postgresql", "database"},
        {"registry.example.com:5000/team/postgres@sha256:00", "postgresql", "database"},
        {"bitnami/postgresql:15", "postgresql", "database"},
        {"postgis/postgis", "postgresql", "database"},
        {"mysql:8", "mysql", "database"},
        {"mariadb", "mariadb", "database"},
        {"mongo:7", "mongodb", "database"},
        {"redis:7-alpine", "redis", "cache"},
        {"valkey/valkey:8", "valkey", "cache"},
        {"memcached", "memcached", "cache"},
        {"rabbitmq:3-management", "rabbitmq", "message-broker"},
        {"confluentinc/cp-kafka:7.5", "kafka", "message-broker"},
        {"apache/kafka", "kafka", "message-broker"},
        {"nats:2", "nats", "message-broker"},
        {"eclipse-mosquitto:2", "mosquitto", "message-broker"},
        {"confluentinc/cp-zookeeper", "zookeeper", "database"},
        {"nginx:alpine", "nginx", "web"},
        {"httpd", "apache", "web"},
        {"caddy:2", "caddy", "web"},
        {"traefik:v3", "traefik", "web"},
        {"haproxy", "haproxy", "web"},
        {"wordpress:php8.2", "wordpress", "web"},
        {"prom/prometheus", "prometheus", "monitoring"},
        {"grafana/grafana-oss", "grafana", "monitoring"},
        {"prom/node-exporter", "exporter", "monitoring"},
        {"adminer", "adminer", "admin-ui"},
        {"dpage/pgadmin4", "pgadmin", "admin-ui"},
        {"elasticsearch:8.1", "elasticsearch", "database"},
        {"minio/minio", "minio", "ml-data"},
        {"ruimarinho/bitcoin-core", "bitcoin", "crypto"},
        {"ipfs/kubo", "ipfs", "crypto"},
        {"hyperledger/besu", "ethereum", "crypto"},
        {"coredns/coredns", "coredns", "dns"},
        {"internetsystemsconsortium/bind9:9.18", "bind9", "dns"},
        {"axllent/mailpit", "mailpit", "mail"},
        {"boky/postfix", "postfix", "mail"},
        {"quay.io/keycloak/keycloak:24", "keycloak", "auth"},
        {"jupyter/base-notebook", "jupyter", "ml-data"},
        {"apache/airflow:2.8", "airflow", "ml-data"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct sl_class_guess g = {0};
        if (!sl_class_by_image(table[i].image, &g) || strcmp(g.app, table[i].app) ||
            strcmp(sl_class_name(g.cls), table[i].cls))
            fail_msg("%s: %s, %s", table[i].image, g.app ? g.app : "unknown", sl_class_name(g.cls));
        assert_int_equal(g.evidence, SL_EVIDENCE_IMAGE);
        assert_true(g.confidence > 0.9);
    }
}

static void language_images_say_web_but_weakly(void **state)
{
    (void)state;
    static const char *const images[] = {
        "node:20", "python:3.12-slim", "php:8-fpm", "golang", "eclipse-temurin:21", "ruby", NULL};
    for (const char *const *i = images; *i; i++) {
        struct sl_class_guess g;
        assert_true(sl_class_by_image(*i, &g));
        assert_string_equal(sl_class_name(g.cls), "web");
        assert_true(g.confidence < 0.5);
    }
}

static void what_nobody_knows_leaves_the_guess_alone(void **state)
{
    (void)state;
    struct sl_class_guess g = {.cls = 77};
    assert_false(sl_class_by_image("acme/own-thing:1", &g));
    assert_false(sl_class_by_image("", &g));
    assert_false(sl_class_by_image(NULL, &g));
    assert_false(sl_class_by_process("own-thing", &g));
    assert_false(sl_class_by_port(6, 49999, &g));
    assert_false(sl_class_by_payload(NULL, 0, NULL, 0, &g));
    assert_int_equal(g.cls, 77);
}

static void classes_have_names_and_aliases(void **state)
{
    (void)state;
    static const char *const names[] = {"web",        "database", "cache", "message-broker",
                                        "crypto",     "dns",      "mail",  "admin-ui",
                                        "monitoring", "ml-data",  "auth",  "other"};
    size_t n;
    const char *const *all = sl_class_names(&n);
    assert_int_equal(n, 12); // offline.md, section 6
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(all[i], names[i]);
        assert_string_equal(sl_class_name(sl_class_find(names[i])), names[i]);
    }
    assert_int_equal(sl_class_count(), 13);
    assert_string_equal(sl_class_name(SL_CLASS_UNKNOWN), "unknown");
    assert_string_equal(sl_class_name(-5), "unknown");
    assert_string_equal(sl_class_name(99), "unknown");
    assert_int_equal(sl_class_find("broker"), sl_class_find("message-broker"));
    assert_int_equal(sl_class_find("message broker"), sl_class_find("message-broker"));
    assert_int_equal(sl_class_find("db"), sl_class_find("database"));
    assert_int_equal(sl_class_find("WEB"), sl_class_find("web"));
    assert_int_equal(sl_class_find("unknown"), -1);
}

static void processes_and_ports_are_known(void **state)
{
    (void)state;
    struct sl_class_guess g;
    assert_true(sl_class_by_process("redis-server", &g) && !strcmp(g.app, "redis"));
    assert_true(sl_class_by_process("postgres", &g) && !strcmp(g.probe, "postgresql"));
    assert_true(sl_class_by_process("mysqld", &g) && !strcmp(g.probe, "mysql"));
    assert_int_equal(g.evidence, SL_EVIDENCE_PROCESS);
    assert_true(sl_class_by_port(6, 2181, &g) &&
                !strcmp(g.app, "zookeeper")); // not IANA's eforward
    assert_true(sl_class_by_port(17, 53, &g) && !strcmp(sl_class_name(g.cls), "dns"));
    assert_true(sl_class_by_port(6, 443, &g) && !strcmp(sl_class_name(g.cls), "web"));
    assert_false(sl_class_by_port(17, 5432, &g));
    assert_true(g.confidence < 0.5);
}

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

static void payloads_tell_the_protocol(void **state)
{
    (void)state;
    static const struct {
        const char *client;
        size_t client_len;
        const char *server;
        size_t server_len;
        const char *app;
    } table[] = {
#define P(c, s, app) {c, sizeof(c) - 1, s, sizeof(s) - 1, app}
        P("GET / HTTP/1.1\r\n", "", "http"), // RFC 9112
        P("", "HTTP/1.1 200 OK\r\n", "http"),
        P("PRI * HTTP/2.0\r\n", "", "http"),                            // RFC 9113, 3.4
        P("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "", "https"), // RFC 8446, ClientHello
        P("", "SSH-2.0-OpenSSH_9.2\r\n", "ssh"),                        // RFC 4253
        P("", "220 mx.example.com ESMTP Postfix\r\n", "postfix"),       // RFC 5321
        P("", "220 (vsFTPd 3.0.3)\r\n", "ftp"),                         // RFC 959
        P("*1\r\n$4\r\nPING\r\n", "+PONG\r\n", "redis"),                // RESP
        P("\x00\x00\x00\x08\x04\xd2\x16\x2f", "N", "postgresql"),       // SSLRequest 80877103
        P("\x00\x00\x00\x12\x00\x03\x00\x00user\x00postgr\x00", "",
          "postgresql"), // StartupMessage 3.0
        P("",
          "\x4a\x00\x00\x00\x0a"
          "8.0.36\0.............",
          "mysql"),                                // Protocol::HandshakeV10
        P("AMQP\x00\x00\x09\x01", "", "rabbitmq"), // AMQP 0-9-1, 4.2.2
        P("\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test", "", "mosquitto"), // MQTT 3.1.1, 3.1
        P("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01"
          "a\x03"
          "com\x00\x00\x01\x00\x01",
          "", "dns"), // RFC 1035
        P("get key\r\n", "END\r\n", "memcached"),
        P("\x2a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00", "",
          "mongodb"), // OP_MSG 2013
        P("\x00\x00\x00\x0e\x00\x12\x00\x03\x00\x00\x00\x01\x00\x04test", "",
          "kafka"), // ApiVersions v3, client "test"
        P("", "INFO {\"server_id\":", "nats"),
        P("ruok", "imok", "zookeeper"),
        P("\xf9\xbe\xb4\xd9version\x00\x00\x00\x00\x00\x66\x00\x00\x00", "", "bitcoin"),
#undef P
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct sl_class_guess g = {0};
        bool ok = sl_class_by_payload((const uint8_t *)table[i].client, table[i].client_len,
                                      (const uint8_t *)table[i].server, table[i].server_len, &g);
        if (!ok || strcmp(g.app, table[i].app))
            fail_msg("%s: %s", table[i].app, ok ? g.app : "unknown");
        assert_int_equal(g.evidence, SL_EVIDENCE_PAYLOAD);
    }
}

static void other_bytes_are_not_taken_for_a_protocol(void **state)
{
    (void)state;
    struct sl_class_guess g;
    assert_false(sl_class_by_payload(BYTES("hello world, this is a text"), NULL, 0, &g));
    assert_false(sl_class_by_payload(
        BYTES("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
        NULL, 0, &g));
    assert_false(sl_class_by_payload(
        BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        NULL, 0, &g));
    uint8_t one[64] = {0};
    for (unsigned b = 0; b < 256; b++) // no single repeated byte and no short prefix is enough
        for (size_t n = 0; n <= 3; n++) {
            memset(one, (int)b, sizeof one);
            assert_false(sl_class_by_payload(one, n, one, n, &g));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_known_with_or_without_registry_tag_and_digest),
        cmocka_unit_test(language_images_say_web_but_weakly),
        cmocka_unit_test(what_nobody_knows_leaves_the_guess_alone),
        cmocka_unit_test(classes_have_names_and_aliases),
        cmocka_unit_test(processes_and_ports_are_known),
        cmocka_unit_test(payloads_tell_the_protocol),
        cmocka_unit_test(other_bytes_are_not_taken_for_a_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
