// SPDX-License-Identifier: Apache-2.0
#include "../support/fake_engine.h"
#include "base/auto.h"
#include "base/proc.h"
#include "engine/dockerfile.h"
#include "engine/engine.h"
#include "engine/images_int.h"
#include "engine/ref.h"
#include "engine/reply.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static struct sl_engine *open_fake(struct fake_engine *f)
{
    struct sl_error err = {0};
    fake_start(f);
    struct sl_engine *e = sl_engine_open(f->path, &err);
    assert_non_null(e);
    return e;
}

static void close_fake(struct sl_engine *e, struct fake_engine *f)
{
    sl_engine_close(e);
    fake_stop(f);
}

static void a_socket_that_is_not_there_is_named_with_the_remedy(void **state)
{
    (void)state;
    struct sl_error err = {0};
    assert_null(sl_engine_open("/nonexistent/engine.sock", &err));
    assert_int_equal(err.code, SL_EENV);
    assert_non_null(strstr(err.msg, "/nonexistent/engine.sock"));
    assert_non_null(strstr(err.msg, "No such file"));
    assert_non_null(strstr(err.hint, "systemctl start docker"));
}

static void an_engine_elsewhere_is_refused(void **state)
{
    (void)state;
    struct sl_error err = {0};
    setenv("DOCKER_HOST", "tcp://192.0.2.1:2375", 1);
    assert_null(sl_engine_open(NULL, &err));
    unsetenv("DOCKER_HOST");
    assert_int_equal(err.code, SL_EENV);
    assert_non_null(strstr(err.msg, "tcp://192.0.2.1:2375"));
}

static const char web[] =
    "{\"Id\":\"bbb\",\"Name\":\"/"
    "shop-web-1\",\"RestartCount\":3,\"Image\":\"sha256:11\",\"State\":{\"Status\":"
    "\"running\",\"Pid\":0,\"ExitCode\":0,\"OOMKilled\":false,\"Error\":\"\",\"StartedAt\":"
    "\"1970-01-02T00:00:01.5Z\",\"FinishedAt\":\"0001-01-01T00:00:00Z\",\"Health\":{\"Status\":"
    "\"healthy\"}},"
    "\"Config\":{\"Image\":\"nginx:1\",\"Labels\":{\"sluice.run\":\"r1\",\"sluice.role\":"
    "\"holder\","
    "\"sluice.service\":\"web\",\"sluice.instance\":\"shop\"}},\"NetworkSettings\":{\"Networks\":{"
    "\"z\":{"
    "\"NetworkID\":\"n2\",\"IPAddress\":\"\",\"IPPrefixLen\":0},\"a\":{\"NetworkID\":\"n1\","
    "\"MacAddress\":"
    "\"02:42:0a:c9:03:02\",\"IPAddress\":\"10.201.3.2\",\"IPPrefixLen\":27}}}}";

static void containers_are_inspected_and_sorted_by_name(void **state)
{
    (void)state;
    struct fake_engine f = {
        .routes = {
            {"GET /containers/json?all=1&filters=", 200,
             "[{\"Id\":\"bbb\"},{\"Id\":\"gone\"},{\"Id\":\"aaa\"}]"},
            {"GET /containers/bbb/json", 200, web},
            {"GET /containers/aaa/json", 200,
             "{\"Id\":\"aaa\",\"Name\":\"/db\",\"State\":{\"Status\":\"exited\",\"ExitCode\":137,"
             "\"OOMKilled\":true}}"}}};
    struct sl_engine *e = open_fake(&f);
    struct sl_error err = {0};
    struct sl_container_list l;
    assert_true(sl_engine_containers(e, SL_LABEL_RUN, "r 1", &l, &err));
    assert_int_equal(l.len, 2); // "gone" was removed between the list and the look: left out
    assert_string_equal(l.at[0].name, "db");
    assert_int_equal(l.at[0].exit_code, 137);
    assert_true(l.at[0].oom_killed);
    const struct sl_container *c = &l.at[1];
    assert_string_equal(c->name, "shop-web-1");
    assert_string_equal(c->role, "holder");
    assert_string_equal(c->health, "healthy");
    assert_int_equal(c->restarts, 3);
    assert_int_equal(c->started_ns, 86401500000000); // a day, a second and a half
    assert_int_equal(c->finished_ns, 0);
    assert_int_equal(c->n_nets, 2);
    assert_string_equal(c->nets[0].network, "a");
    assert_int_equal(c->nets[0].ipv4, 0x0ac90302); // 10.201.3.2
    assert_int_equal(c->nets[0].prefix_len, 27);
    assert_int_equal(c->nets[1].ipv4, 0);
    // {"label":["sluice.run=r 1"]}
    assert_non_null(
        strstr(fake_asked(&f)->text, "%7B%22label%22%3A%5B%22sluice.run%3Dr%201%22%5D%7D"));
    sl_container_list_done(&l);
    close_fake(e, &f);
}

static void replies_of_the_wrong_shape_leave_defaults(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "{\"Id\":\"x\"}",
        "{\"Id\":\"x\",\"State\":[],\"Config\":7,\"NetworkSettings\":{\"Networks\":[1]}}",
        "{\"Id\":\"x\",\"State\":{\"Pid\":-5,\"ExitCode\":1e300,\"StartedAt\":3},\"Config\":{"
        "\"Labels\":null}}",
        "{\"Id\":\"x\",\"NetworkSettings\":{\"Networks\":{\"n\":null,\"m\":{\"IPAddress\":\"1.2."
        "3\"}}}}"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct sl_container c;
        json_t *j = sl_reply_json(odd[i], strlen(odd[i]));
        assert_true(sl_reply_container(j, &c));
        assert_int_equal(c.pid, 0);
        assert_int_equal(c.started_ns, 0);
        assert_string_equal(c.run, "");
        json_decref(j);
    }
    struct sl_container c;
    struct sl_container_usage u;
    assert_false(sl_reply_container(NULL, &c));
    assert_false(sl_reply_usage(NULL, &u));
}

static void a_refusal_carries_the_engines_words(void **state)
{
    (void)state;
    struct fake_engine f = {.routes = {{"POST /containers/c1/stop", 500,
                                        "{\"message\":\"cannot stop: permission denied\"}"},
                                       {"GET /networks", 200, "this is not JSON"}}};
    struct sl_engine *e = open_fake(&f);
    struct sl_error err = {0};
    assert_false(sl_engine_stop(e, "c1", 3, &err));
    assert_int_equal(err.code, SL_ERUN);
    assert_non_null(strstr(err.msg, "permission denied"));
    assert_non_null(strstr(err.msg, "c1"));
    json_t *nets;
    assert_false(sl_engine_subnets(e, &nets, &err));
    assert_non_null(strstr(err.msg, "not JSON"));
    close_fake(e, &f);
}

static void removing_what_is_not_there_is_success(void **state)
{
    (void)state;
    struct fake_engine f = {
        .routes = {{"POST /containers/idle/kill", 409, "{\"message\":\"not running\"}"}}};
    struct sl_engine *e = open_fake(&f);
    struct sl_error err = {0};
    assert_true(sl_engine_remove(e, "x", &err)); // 404
    assert_true(sl_engine_kill(e, "x", &err));
    assert_true(sl_engine_kill(e, "idle", &err));
    assert_true(sl_engine_stop(e, "x", 1, &err));
    assert_true(sl_engine_network_remove(e, "x", &err));
    close_fake(e, &f);
}

static void a_name_cannot_leave_its_place_in_a_path(void **state)
{
    (void)state;
    struct fake_engine f = {0};
    struct sl_engine *e = open_fake(&f);
    struct sl_error err = {0};
    bool present;
    assert_true(sl_engine_remove(e, "../networks/n?x=1", &err));
    assert_non_null(strstr(fake_asked(&f)->text, "/containers/..%2Fnetworks%2Fn%3Fx%3D1?force=1"));
    assert_false(sl_engine_image_present(e, "../containers/c", &present, NULL, &err));
    assert_int_equal(err.code, SL_EINPUT);
    close_fake(e, &f);
}

static void logs_lose_their_frames_and_keep_their_end(void **state)
{
    (void)state;
    // Two frames, stdout "hello\n" and stderr "bye\n"; lengths are big-endian in bytes 4 to 7.
    static const char framed[] = "\1\0\0\0\0\0\0\6hello\n\2\0\0\0\0\0\0\4bye\n";
    struct fake_engine f = {
        .routes = {{"GET /containers/c/logs", 200, framed, sizeof framed - 1},
                   {"GET /containers/t/logs", 200, "plain words of a terminal\n"}}};
    struct sl_engine *e = open_fake(&f);
    struct sl_error err = {0};
    SL_AUTO(sl_free_str) char *all = sl_engine_logs(e, "c", 100, &err);
    assert_string_equal(all, "hello\nbye\n");
    SL_AUTO(sl_free_str) char *end = sl_engine_logs(e, "c", 6, &err);
    assert_string_equal(end, "o\nbye\n");
    SL_AUTO(sl_free_str) char *terminal = sl_engine_logs(e, "t", 100, &err);
    assert_string_equal(terminal, "plain words of a terminal\n");
    close_fake(e, &f);
}

static void a_log_in_any_cuts_is_the_same_log(void **state)
{
    (void)state;
    static const char framed[] = "\1\0\0\0\0\0\0\6hello\n\2\0\0\0\0\0\0\4bye\n\1\0\0\0\0\0\0\0";
    for (size_t cut = 0; cut < sizeof framed; cut++) {
        struct sl_reply_log l = {.max = 7};
        sl_reply_log_add(&l, framed, cut);
        sl_reply_log_add(&l, framed + cut, sizeof framed - 1 - cut);
        SL_AUTO(sl_free_str) char *text = sl_reply_log_take(&l);
        assert_string_equal(text, "lo\nbye\n");
    }
}

static void usage_counts_memory_without_page_cache_in_both_group_versions(void **state)
{
    (void)state;
    static const char v1[] =
        "{\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":2500000000}},\"memory_stats\":{\"usage\":"
        "1000,\"stats\":{\"total_inactive_file\":300,\"total_active_file\":100,"
        "\"inactive_file\":7}}}";
    static const char v2[] =
        "{\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":0}},\"memory_stats\":{\"usage\":"
        "1000,\"stats\":{\"inactive_file\":900,\"active_file\":200}}}";
    struct sl_container_usage u;
    json_t *a = sl_reply_json(v1, strlen(v1)), *b = sl_reply_json(v2, strlen(v2));
    assert_true(sl_reply_usage(a, &u));
    assert_true(fabs(u.cpu_s - 2.5) < 1e-12);
    assert_int_equal(u.mem_bytes, 600); // 1000 - 300 - 100
    assert_true(sl_reply_usage(b, &u));
    assert_int_equal(u.mem_bytes, 0); // figures taken at two moments: never below nothing
    json_decref(a);
    json_decref(b);
}

static void a_sweep_takes_containers_then_networks_then_volumes(void **state)
{
    (void)state;
    struct fake_engine f = {
        .routes = {{"GET /containers/json", 200,
                    "[{\"Id\":\"c1\"},{\"Id\":\"c2\"},{\"Id\":\"c3\"}]", 0, 1},
                   {"GET /containers/json", 200, "[]"},
                   {"DELETE /containers/c3", 404, "{}"}, // somebody was faster
                   {"DELETE /containers/", 204, ""},
                   {"GET /networks?", 200, "[{\"Id\":\"n1\"}]", 0, 1},
                   {"GET /networks?", 200, "[]"},
                   {"DELETE /networks/n1", 403, "{\"message\":\"has active endpoints\"}", 0, 1},
                   {"DELETE /networks/n1", 204, ""},
                   {"GET /networks/n1", 200, "{\"Containers\":{\"stray\":{}}}"},
                   {"POST /networks/n1/disconnect", 200, ""},
                   {"GET /volumes?", 200, "{\"Volumes\":[{\"Name\":\"v 1\"}]}", 0, 1},
                   {"GET /volumes?", 200, "{\"Volumes\":null}"},
                   {"DELETE /volumes/v%201", 204, ""}}};
    struct sl_engine *e = open_fake(&f);
    struct sl_error err = {0};
    int containers, networks;
    sl_interrupt(); // clean-up is what follows an interrupt: it must not be stopped by it
    assert_true(sl_engine_sweep(e, SL_LABEL_RUN, "r", &containers, &networks, &err));
    assert_int_equal(containers, 2);
    assert_int_equal(networks, 1);
    const char *c = strstr(fake_asked(&f)->text, "DELETE /containers/c1?force=1&v=1"), *n, *v;
    assert_non_null(c);
    assert_non_null(n = strstr(c, "DELETE /networks/n1"));
    assert_non_null(strstr(n, "POST /networks/n1/disconnect"));
    assert_non_null(v = strstr(n, "DELETE /volumes/v%201?force=1"));
    assert_true(sl_engine_sweep(e, SL_LABEL_RUN, "r", &containers, &networks, &err)); // twice
    assert_int_equal(containers + networks, 0);
    close_fake(e, &f);
}

static void references_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *registry, *repo, *tag;
        bool official;
    } cases[] = {{"postgres", "docker.io", "postgres", "latest", true},
                 {"postgres:14.5-alpine", "docker.io", "postgres", "14.5-alpine", true},
                 {"docker.io/library/redis:7", "docker.io", "redis", "7", true},
                 {"public.ecr.aws/docker/library/redis:7", "public.ecr.aws", "redis", "7", true},
                 {"bitnami/redis", "docker.io", "bitnami/redis", "latest", false},
                 {"ghcr.io/a/b:c", "ghcr.io", "a/b", "c", false},
                 {"localhost:5000/x:1", "localhost:5000", "x", "1", false},
                 {"a/b@sha256:12", "docker.io", "a/b", "", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sl_ref r;
        assert_true(sl_ref_parse(cases[i].text, &r, NULL));
        assert_string_equal(r.registry, cases[i].registry);
        assert_string_equal(r.repo, cases[i].repo);
        assert_string_equal(r.tag, cases[i].tag);
        assert_int_equal(r.official, cases[i].official);
    }
    static const char *const wrong[] = {"",     "-x",   "a b", "a:",    "A/B",   "/x",
                                        "a//b", "../x", "a@b", "x:y:z", "a/../b"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct sl_ref r;
        assert_false(sl_ref_parse(wrong[i], &r, NULL));
    }
}

static void private_registries_are_not_asked(void **state)
{
    (void)state;
    static const char *const closed[] = {"localhost:5000", "10.1.2.3:5000",  "169.254.169.254",
                                         "127.1",          "192.168.0.1:80", "registry.internal",
                                         "intranet"};
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++)
        assert_true(sl_ref_private_registry(closed[i]));
    assert_false(sl_ref_private_registry("docker.io"));
    assert_false(sl_ref_private_registry("203.0.113.9:5000"));
}

static void from_lines_know_stages_arguments_and_continuations(void **state)
{
    (void)state;
    static const char text[] = "# syntax=docker/dockerfile:1\n"
                               "ARG VERSION=3.11\n"
                               "ARG KIND=\"slim\"\n"
                               "ARG NONE\n"
                               "FROM --platform=$BUILDPLATFORM python:${VERSION}-$KIND AS Build\n"
                               "ARG VERSION=9\n"
                               "RUN echo \\\n"
                               "# a comment between\n"
                               "   FROM not-an-image\n"
                               "from build as next\n"
                               "COPY --from=build /a /b\n"
                               "COPY --chown=1:1 --from=nginx:1 /a /b\n"
                               "COPY --from=0 /a /b\n"
                               "FROM scratch\n"
                               "FROM redis:${TAG:-7}\n"
                               "FROM python:3.11-slim\n";
    char **refs;
    size_t n;
    assert_true(sl_images_from_lines(text, NULL, &refs, &n, NULL));
    assert_int_equal(n, 3);
    assert_string_equal(refs[0], "python:3.11-slim");
    assert_string_equal(refs[1], "nginx:1");
    assert_string_equal(refs[2], "redis:7");
    for (size_t i = 0; i < n; i++)
        free(refs[i]);
    free(refs);
    json_t *args = json_pack("{s:s}", "VERSION", "3.12"); // a given argument wins over the default
    assert_true(sl_images_from_lines("ARG VERSION=3\nFROM a:$VERSION", args, &refs, &n, NULL));
    assert_string_equal(refs[0], "a:3.12");
    free(refs[0]);
    free(refs);
    json_decref(args);
    struct sl_error err = {0};
    assert_false(sl_images_from_lines("FROM $NOTHING\n", NULL, &refs, &n, &err));
    assert_int_equal(err.line, 1);
    assert_false(sl_images_from_lines("RUN x\n", NULL, &refs, &n, &err));
}

static void an_add_that_might_fetch_is_found(void **state)
{
    (void)state;
    static const char *const remote[] = {"FROM a\nADD http://169.254.169.254/x /y",
                                         "FROM a\nADD --chown=1 HTTPS://x/y /z",
                                         "FROM a\nADD [\"http://x\", \"/z\"]",
                                         "FROM a\nARG U=http\nADD $U://x /y",
                                         "FROM a\nADD $UNKNOWN /y",
                                         "FROM a\nADD ht${UNKNOWN} /y",
                                         "FROM a\nADD ${A:-${B:-http}}://x /y",
                                         "FROM a\nONBUILD ADD http://x /y",
                                         "FROM a\nADD \\\n  http://x /y",
                                         "FROM a\nADD h\"\"ttp://x /y",
                                         "FROM a\nADD h\\ttp://x /y"};
    for (size_t i = 0; i < sizeof remote / sizeof remote[0]; i++)
        assert_true(sl_dockerfile_remote_add(remote[i], NULL) > 0);
    static const char *const local[] = {
        "FROM a\nADD . /y", "FROM a\nARG JAR=target/x.jar\nADD ${JAR} /y",
        "FROM a\nADD x-$VERSION.tar /y", "FROM a\nRUN curl http://x", "FROM a\nCOPY http /y"};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        assert_int_equal(sl_dockerfile_remote_add(local[i], NULL), 0);
}

static const char table[] = "# name\tparent\tdir\ttags\tset\n"
                            "base\tdebootstrap\tbase\tdebian:12,debian:latest\tquick\n"
                            "postgres\tbase\tpostgres\tpostgres:14,15\tquick\n"
                            "redis\tbase\tredis\tredis:7,valkey/valkey:8\tfull\n";

static struct sl_images *loaded(void)
{
    struct sl_images *k = sl_alloc(sizeof *k);
    k->stand_ins = json_array();
    assert_true(sl_kit_parse(k, table, "images.tsv", NULL));
    return k;
}

static void the_kit_answers_for_the_tags_it_lists_and_nearly_for_others(void **state)
{
    (void)state;
    struct sl_images *k = loaded();
    static const struct {
        const char *ref, *name;
        bool exact;
    } cases[] = {{"postgres:15", "postgres", true},
                 {"postgres:14.5-alpine", "postgres", false},
                 {"public.ecr.aws/docker/library/postgres:14", "postgres", true},
                 {"valkey/valkey:8", "redis", true},
                 {"valkey:8", NULL, false},
                 {"ghcr.io/library/postgres:14", NULL, false},
                 {"bitnami/postgres:14", NULL, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sl_ref r;
        bool exact;
        assert_true(sl_ref_parse(cases[i].ref, &r, NULL));
        const struct sl_kit_image *image = sl_kit_for(k, &r, &exact);
        if (!cases[i].name) {
            assert_null(image);
            continue;
        }
        assert_string_equal(image->name, cases[i].name);
        assert_int_equal(exact, cases[i].exact);
    }
    sl_images_free(k);
}

static void errors_of_the_kits_table_name_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
        const char *says;
    } cases[] = {{"base\tdebootstrap\tbase\n", 1, "five"},
                 {"#\n\nx\tnobody\tx\tx:1\tquick\n", 3, "nobody"},
                 {"x\tdebootstrap\tx\tx:1\tsome\n", 1, "some"},
                 {"x\tdebootstrap\tx\tx:1:2\tquick\n", 1, "x:1:2"},
                 {"x\tdebootstrap\tx\tx:1\tquick\nx\tx\tx\tx:2\tquick\n", 2, "repeated"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sl_images *k = sl_alloc(sizeof *k);
        struct sl_error err = {0};
        assert_false(sl_kit_parse(k, cases[i].text, "kit/images.tsv", &err));
        assert_int_equal(err.line, cases[i].line);
        assert_string_equal(err.file, "kit/images.tsv");
        assert_non_null(strstr(err.msg, cases[i].says));
        sl_images_free(k);
    }
}

static void a_registry_out_of_reach_is_asked_once(void **state)
{
    (void)state;
    struct fake_engine f = {
        .routes = {{"POST /images/create?fromImage=r1.example%2Fgone&tag=1", 404,
                    "{\"message\":\"manifest unknown\"}"},
                   {"POST /images/create?fromImage=r1.example", 200,
                    "{\"status\":\"Downloading\",\"id\":\"l\",\"progressDetail\":{\"current\":1,"
                    "\"total\":2}}\r\n"
                    "{\"error\":\"dial tcp: lookup r1.example: no such host\"}\r\n"}}};
    struct sl_engine *e = open_fake(&f);
    struct sl_error err = {0};
    char why[200];
    assert_int_equal(sl_pull(e, "r1.example/gone:1", why, sizeof why, &err), SL_PULL_REFUSED);
    assert_int_equal(sl_pull(e, "r1.example/a:1", why, sizeof why, &err), SL_PULL_UNREACHABLE);
    assert_non_null(strstr(why, "no such host"));
    sl_str_clear(fake_asked(&f));
    assert_int_equal(sl_pull(e, "r1.example/b:1", why, sizeof why, &err), SL_PULL_UNREACHABLE);
    assert_string_equal(sl_str_text(fake_asked(&f)), ""); // not asked again
    close_fake(e, &f);
}

static void the_kit_never_takes_a_name_that_another_image_has(void **state)
{
    (void)state;
    struct fake_engine f = {
        .routes = {
            {"GET /images/sluice-kit/postgres:latest/json", 200, "{\"Id\":\"sha256:kit\"}"},
            {"GET /images/postgres:14/json", 200,
             "{\"Id\":\"sha256:hub\",\"Config\":{\"Labels\":null}}"},
            {"GET /images/postgres:15/json", 200,
             "{\"Id\":\"sha256:old\",\"Config\":{\"Labels\":{\"sluice.kit\":\"postgres\"}}}"},
            {"POST /images/sluice-kit/postgres:latest/tag", 201, ""}}};
    struct sl_engine *e = open_fake(&f);
    struct sl_images *k = loaded();
    struct sl_error err = {0};
    k->engine = e;
    k->kit_dir = sl_strdup("/nonexistent");
    assert_true(sl_kit_make(k, sl_kit_named(k, "postgres"), false, &err));
    assert_non_null(
        strstr(fake_asked(&f)->text, "/tag?repo=postgres&tag=15")); // our own older one: moved
    assert_null(strstr(fake_asked(&f)->text, "/tag?repo=postgres&tag=14"));
    sl_images_free(k);
    close_fake(e, &f);
}

static void a_strangers_build_cannot_name_a_base_image(void **state)
{
    (void)state;
    struct sl_images *k = loaded();
    static const char *const tags[] = {"debian:12", "sluice/holder:0.1", "sluice-kit/base:latest",
                                       "sluice/A B"};
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        struct sl_error err = {0};
        struct sl_image_build b = {.context = "/tmp", .tag = tags[i]};
        const char *sub;
        assert_false(sl_images_build(k, &b, &sub, &err));
        assert_int_equal(err.code, SL_EINPUT);
    }
    sl_images_free(k);
}

static void a_build_log_tells_why_it_failed(void **state)
{
    (void)state;
    struct sl_build_log log = {0};
    sl_build_log_line(&log, "Step 1/3 : RUN curl http://x");
    sl_build_log_line(&log, "curl: (6) Could not resolve host: x"); // survived: the next step began
    sl_build_log_line(&log, "Step 2/3 : RUN apt-get install nosuch");
    sl_build_log_line(&log, "\033[91mE: Unable to locate package nosuch\033[0m");
    char text[300];
    sl_build_log_text(&log, text, sizeof text);
    assert_string_equal(log.sub_reason, "pkg");
    assert_non_null(strstr(text, "RUN apt-get install nosuch"));
    assert_non_null(strstr(text, "E: Unable to locate package nosuch"));
    assert_null(strchr(text, 27)); // no escape sequence gets through
    assert_null(strstr(text, "[91m"));
    sl_build_log_done(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_that_is_not_there_is_named_with_the_remedy),
        cmocka_unit_test(an_engine_elsewhere_is_refused),
        cmocka_unit_test(containers_are_inspected_and_sorted_by_name),
        cmocka_unit_test(replies_of_the_wrong_shape_leave_defaults),
        cmocka_unit_test(a_refusal_carries_the_engines_words),
        cmocka_unit_test(removing_what_is_not_there_is_success),
        cmocka_unit_test(a_name_cannot_leave_its_place_in_a_path),
        cmocka_unit_test(logs_lose_their_frames_and_keep_their_end),
        cmocka_unit_test(a_log_in_any_cuts_is_the_same_log),
        cmocka_unit_test(usage_counts_memory_without_page_cache_in_both_group_versions),
        cmocka_unit_test(references_are_taken_apart),
        cmocka_unit_test(private_registries_are_not_asked),
        cmocka_unit_test(from_lines_know_stages_arguments_and_continuations),
        cmocka_unit_test(an_add_that_might_fetch_is_found),
        cmocka_unit_test(the_kit_answers_for_the_tags_it_lists_and_nearly_for_others),
        cmocka_unit_test(errors_of_the_kits_table_name_the_line),
        cmocka_unit_test(a_registry_out_of_reach_is_asked_once),
        cmocka_unit_test(the_kit_never_takes_a_name_that_another_image_has),
        cmocka_unit_test(a_strangers_build_cannot_name_a_base_image),
        cmocka_unit_test(a_build_log_tells_why_it_failed),
        // Last: an interrupt stays for the rest of a process.
        cmocka_unit_test(a_sweep_takes_containers_then_networks_then_volumes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
