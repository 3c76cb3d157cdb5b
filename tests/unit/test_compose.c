// SPDX-License-Identifier: Apache-2.0
// The loader: expected results are stated by hand, from the Compose specification where it says
// something.
#include "base/fs.h"
#include "base/str.h"
#include "compose/load.h"
#include "compose/words.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

// ---- helpers ------------------------------------------------------------------------------------

static const char *reason;
static struct sl_error err;

static struct sl_project *load_files(const struct sl_memory_file *files, size_t n,
                                     const struct sl_compose_options *opt)
{
    struct sl_memory_file all[16];
    struct sl_memory_files memory = {.at = all, .n = n};
    for (size_t i = 0; i < n; i++) {
        all[i] = files[i];
        all[i].len = strlen(files[i].text);
    }
    struct sl_files view = sl_memory_files_view(&memory);
    err = (struct sl_error){0};
    return sl_project_load_from(&view, "shop", NULL, opt, &reason, &err);
}
#define LOAD_FILES(opt, ...)                                                                       \
    load_files(                                                                                    \
        (const struct sl_memory_file[]){__VA_ARGS__},                                              \
        sizeof((const struct sl_memory_file[]){__VA_ARGS__}) / sizeof(struct sl_memory_file), opt)

static struct sl_project *load(const char *text)
{
    struct sl_memory_file f = {.path = "compose.yaml", .text = text};
    return load_files(&f, 1, NULL);
}

static struct sl_project *load_or_say(struct sl_project *p)
{
    if (!p)
        print_error("%s:%d:%d %s (%s)\n", err.file, err.line, err.col, err.msg, reason);
    assert_non_null(p);
    return p;
}

static const struct sl_note *note(const struct sl_project *p, const char *step)
{
    for (size_t i = 0; i < p->n_notes; i++)
        if (!strcmp(p->notes[i].step, step))
            return &p->notes[i];
    return NULL;
}

static void must_fail(const char *text, const char *why, const char *part, int line)
{
    struct sl_project *p = load(text);
    assert_null(p);
    assert_string_equal(reason, why);
    if (!strstr(err.msg, part))
        print_error("'%s' is not in '%s'\n", part, err.msg);
    assert_non_null(strstr(err.msg, part));
    assert_int_equal(err.line, line);
    assert_int_equal(err.code, SL_EINPUT);
}

// ---- interpolation, by hand from the specification's table --------------------------------------

static const char *table_lookup(void *ctx, const char *name)
{
    (void)ctx;
    return !strcmp(name, "SET")     ? "val"
           : !strcmp(name, "EMPTY") ? ""
           : !strcmp(name, "_U1")   ? "u"
                                    : NULL;
}

static void variables_expand_as_the_specification_says(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; // out NULL: an error
    } table[] = {
        {"$SET", "val"},
        {"${SET}", "val"},
        {"a${SET}b$SET.c", "avalbval.c"},
        {"$_U1", "u"},
        {"$SETX", ""},
        {"$UNSET", ""},
        {"${UNSET}", ""},
        {"${UNSET:-d}", "d"},
        {"${UNSET-d}", "d"},
        {"${EMPTY:-d}", "d"},
        {"${EMPTY-d}", ""},
        {"${SET:-d}", "val"},
        {"${SET-d}", "val"},
        {"${UNSET:-}", ""},
        {"${UNSET:?no}", NULL},
        {"${UNSET?no}", NULL},
        {"${EMPTY:?no}", NULL},
        {"${EMPTY?no}", ""},
        {"${SET:?no}", "val"},
        {"${SET:+a}", "a"},
        {"${SET+a}", "a"},
        {"${EMPTY:+a}", ""},
        {"${EMPTY+a}", "a"},
        {"${UNSET:+a}", ""},
        {"${UNSET+a}", ""},
        {"$$", "$"},
        {"$$SET", "$SET"},
        {"$${SET}", "${SET}"},
        {"$$$SET", "$val"},
        {"a$$b$$", "a$b$"},
        {"${UNSET:-${SET}}", "val"},
        {"${UNSET:-${NO:-${NEITHER-x}}}", "x"},
        {"${UNSET:-a$SET}b", "avalb"},
        {"${UNSET:-$$x}", "$x"},
        {"${SET:+${UNSET:-in}}", "in"},
        {"${UNSET:-http://h:1/p?q=1}", "http://h:1/p?q=1"},
        {"${UNSET:-{\"a\":1}}", "{\"a\":1}"},
        {"${UNSET:--}", "-"},
        {"${UNSET:-a:-b}", "a:-b"},
        {"${SET", NULL},
        {"${}", NULL},
        {"${1A}", NULL},
        {"${SET:x}", NULL},
        {"${SET!x}", NULL},
        {"$5", NULL},
        {"a$", NULL},
        {"$ x", NULL},
        {"${SET:}", NULL},
        {"", ""},
        {"plain", "plain"},
        {"${UNSET:-a b}", "a b"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct sl_arena arena = {0};
        struct sl_interp in = {.arena = &arena, .budget = 10000, .lookup = table_lookup};
        const char *out = NULL;
        bool ok = sl_interpolate(&in, table[i].in, &out, NULL);
        if (ok != (table[i].out != NULL) || (ok && strcmp(out, table[i].out)))
            fail_msg("%s -> %s, want %s", table[i].in, ok ? out : "error",
                     table[i].out ? table[i].out : "error");
        sl_arena_done(&arena);
    }
}

static void a_required_variable_says_its_message(void **state)
{
    (void)state;
    struct sl_arena arena = {0};
    struct sl_interp in = {.arena = &arena, .budget = 1000, .lookup = table_lookup};
    const char *out;
    struct sl_error e = {0};
    assert_false(sl_interpolate(&in, "${PASS:?set ${SET} first}", &out, &e));
    assert_string_equal(e.msg, "the variable PASS is required and not set: set val first");
    assert_true(in.unmet);
    sl_arena_done(&arena);
}

// ---- words --------------------------------------------------------------------------------------

static void commands_are_split_as_a_shell_would(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; // words parted by |
    } table[] = {{"a b  c", "a|b|c"},
                 {"sh -c \"echo 'x y'\"", "sh|-c|echo 'x y'"},
                 {"a\\ b c", "a b|c"},
                 {"'it''s' \"\"", "its|"},
                 {"\"a\\\"b\" '\\n'", "a\"b|\\n"},
                 {"", ""},
                 {"a \\\n  b", "a|b"},
                 {"--x=\"1 2\"'3'", "--x=1 23"},
                 {"\"\\d\"", "\\d"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct sl_arena arena = {0};
        struct sl_words w;
        struct sl_str s = {0};
        assert_true(sl_words_split(&arena, table[i].in, &w, NULL));
        for (size_t k = 0; k < w.len; k++)
            sl_str_addf(&s, "%s%s", k ? "|" : "", w.at[k]);
        assert_string_equal(sl_str_text(&s), table[i].out);
        sl_str_done(&s);
        sl_arena_done(&arena);
    }
    struct sl_arena arena = {0};
    struct sl_words w;
    assert_false(sl_words_split(&arena, "sh -c 'open", &w, NULL));
    sl_arena_done(&arena);
}

// ---- variable files -----------------------------------------------------------------------------

static void variable_files_follow_the_dotenv_grammar(void **state)
{
    (void)state;
    static const char text[] =
        "\xEF\xBB\xBF# c\r\nA=1\r\nexport B = two words # gone\nC=\"x\\ny $A \\$A\"\nD='raw "
        "$A'\nE=a#b\n"
        "F:yaml\nG\n=bad\nH=\"multi\nline\"\nI=it's\nJ=${A:-q}${NOPE:-d}\nK=\nA=9\n";
    static const struct {
        const char *key, *value;
    } want[] = {{"A", "1"},    {"B", "two words"}, {"C", "x\ny 1 $A"}, {"D", "raw $A"},
                {"E", "a#b"},  {"F", "yaml"},      {"G", NULL},        {"H", "multi\nline"},
                {"I", "it's"}, {"J", "1d"},        {"K", ""},          {"A", "9"}};
    struct sl_arena arena = {0};
    struct sl_env_list list;
    assert_true(sl_env_parse(&arena, ".env", text, sizeof text - 1, NULL, NULL, NULL, &list, NULL));
    assert_int_equal(list.len, 12);
    assert_int_equal(list.bad_lines, 1);
    for (size_t i = 0; i < list.len; i++) {
        assert_string_equal(list.at[i].key, want[i].key);
        if (want[i].value)
            assert_string_equal(list.at[i].value, want[i].value);
        else
            assert_null(list.at[i].value);
    }
    sl_arena_done(&arena);
}

// ---- YAML ---------------------------------------------------------------------------------------

static void scalars_stay_text(void **state)
{
    (void)state;
    struct sl_project *p = load_or_say(
        load("services:\n  a:\n    image: x\n    restart: no\n    environment:\n      O: 0644\n"
             "      S: 22:22\n      Y: yes\n      N: null\n      F: 1.10\n      H: 0x1F\n      E: "
             "''\n"));
    const struct sl_service *s = &p->services[0];
    assert_string_equal(s->restart, "no");
    assert_string_equal(sl_service_env(s, "O"), "0644");
    assert_string_equal(sl_service_env(s, "S"), "22:22");
    assert_string_equal(sl_service_env(s, "Y"), "yes");
    assert_string_equal(sl_service_env(s, "F"), "1.10");
    assert_string_equal(sl_service_env(s, "H"), "0x1F");
    assert_string_equal(sl_service_env(s, "E"), "");
    assert_null(sl_service_env(s, "N")); // null: named without a value
    sl_project_free(p);
}

static void merges_take_lists_and_repeats(void **state)
{
    (void)state;
    struct sl_project *p =
        load_or_say(load("x-a: &a {A: 1, B: 1}\nx-b: &b {B: 2, C: 2}\nx-c: &c {D: 3}\nservices:\n  "
                         "s:\n    image: x\n"
                         "    environment:\n      <<: [*a, *b]\n      <<: *c\n      C: own\n"));
    const struct sl_service *s = &p->services[0];
    assert_string_equal(sl_service_env(s, "A"), "1");
    assert_string_equal(sl_service_env(s, "B"), "1"); // of a list the earlier map wins
    assert_string_equal(sl_service_env(s, "C"), "own");
    assert_string_equal(sl_service_env(s, "D"), "3");
    assert_int_equal(s->n_env, 4);
    sl_project_free(p);
}

static void of_repeated_keys_the_last_counts_with_a_warning(void **state)
{
    (void)state;
    struct sl_project *p = load_or_say(load("services:\n  s:\n    image: one\n    image: two\n"));
    assert_string_equal(p->services[0].image, "two");
    assert_non_null(note(p, "duplicate-key"));
    assert_int_equal(note(p, "duplicate-key")->pos.line, 4);
    sl_project_free(p);
}

static void byte_order_marks_crlf_and_document_markers_are_fine(void **state)
{
    (void)state;
    struct sl_project *p = load_or_say(load(
        "\xEF\xBB\xBF---\r\nservices:\r\n  s:\r\n    image: x\r\n    command: a b\r\n...\r\n"));
    assert_int_equal(p->services[0].command.len, 2);
    assert_string_equal(p->services[0].command.at[1], "b");
    sl_project_free(p);
}

static void broken_yaml_is_pointed_at(void **state)
{
    (void)state;
    must_fail("services:\n  a:\n\timage: x\n", "yaml_error", "tab", 3);
    must_fail("services:\n  a: [x\n", "yaml_error", "", 3);
    must_fail("services:\n  a: *nope\n", "yaml_error", "no anchor 'nope'", 2);
    must_fail("a: &a [*a]\n", "yaml_error", "no anchor 'a'", 1); // it would hold itself
    must_fail("services:\n  a:\n    image: \"x\\0y\"\n", "yaml_error", "NUL", 3);
    must_fail("? [a, b]\n: c\n", "yaml_error", "a key must be text", 1);
    must_fail("", "schema_error", "empty", 1);
    must_fail("- a\n", "schema_error", "mapping", 1);
}

static void alias_bombs_and_deep_nesting_are_refused(void **state)
{
    (void)state;
    struct sl_str s = {0};
    sl_str_add(&s, "x0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 9; i++)
        sl_str_addf(&s, "x%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
                    i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    must_fail(sl_str_text(&s), "yaml_error", "100000 nodes",
              5); // lines 2 to 4 come to 11,111; 112,000 with line 5
    sl_str_clear(&s);
    for (int i = 0; i < 65; i++)
        sl_str_add(&s, "[");
    must_fail(sl_str_text(&s), "yaml_error", "64 deep", 1);
    sl_str_clear(&s);
    sl_str_add(&s, "x-a: &a ");
    for (int i = 0; i < 40; i++)
        sl_str_add(&s, "[");
    for (int i = 0; i < 40; i++)
        sl_str_add(&s, "]");
    sl_str_add(&s, "\nx-b: ");
    for (int i = 0; i < 40; i++)
        sl_str_add(&s, "[");
    sl_str_add(&s, "*a");
    must_fail(sl_str_text(&s), "yaml_error", "64 deep", 2); // 40 and 40 through the alias
    sl_str_done(&s);
    char *big = sl_alloc((1 << 20) + 2);
    memset(big, ' ', (1 << 20) + 1);
    must_fail(big, "no_file", "1 MiB", 0);
    free(big);
}

static void variables_that_multiply_are_bounded(void **state)
{
    (void)state;
    struct sl_str s = {0};
    sl_str_add(&s, "V0=0123456789\n");
    for (int i = 1; i < 20; i++)
        sl_str_addf(&s, "V%d=$V%d$V%d$V%d$V%d$V%d$V%d$V%d$V%d\n", i, i - 1, i - 1, i - 1, i - 1,
                    i - 1, i - 1, i - 1, i - 1);
    struct sl_project *p = LOAD_FILES(NULL, {"compose.yaml", "services: {a: {image: $V19}}\n", 0},
                                      {".env", sl_str_text(&s), 0});
    assert_null(p);
    assert_non_null(strstr(err.msg, "65536 bytes"));
    sl_str_done(&s);
}

// ---- the model ----------------------------------------------------------------------------------

static void a_usual_file_becomes_the_model(void **state)
{
    (void)state;
    struct sl_project *p = load_or_say(
        LOAD_FILES(NULL,
                   {"compose.yaml",
                    "name: My.Shop\nservices:\n  web:\n    build: {context: ./app, args: {A: 1}, "
                    "target: prod}\n    ports: ['8080:80', '9000-9002:9000-9002/udp',\n"
                    "      {target: 443, published: 8443}]\n    expose: [7000]\n    depends_on: "
                    "[db]\n    volumes: ['./app:/src:ro', 'logs:/logs', '/anon']\n"
                    "    networks: {front: {aliases: [www]}, back: {ipv4_address: 10.5.0.9}}\n    "
                    "entrypoint: /run.sh 'a b'\n    command: [serve, --port=80]\n"
                    "    healthcheck: {test: [CMD, true], interval: 1m30s, retries: 5}\n    "
                    "deploy: {replicas: 2}\n    extra_hosts: ['api:10.0.0.1']\n"
                    "  db:\n    image: postgres:16\n    env_file: db.env\n    environment: "
                    "[POSTGRES_DB=shop]\n    networks: [back]\n    tmpfs: /tmp\n    init: true\n"
                    "networks: {front: {}, back: {ipam: {config: [{subnet: "
                    "10.5.0.0/16}]}}}\nvolumes: {logs: {}}\n",
                    0},
                   {"app/Dockerfile", "FROM node:20 AS build\nFROM nginx:1 as prod\n", 0},
                   {"db.env", "POSTGRES_DB=no\nPOSTGRES_USER=u\n", 0}));
    assert_string_equal(p->name, "myshop");
    assert_int_equal(p->n_services, 2);
    const struct sl_service *w = sl_project_service(p, "web"), *d = sl_project_service(p, "db");
    assert_string_equal(w->build->context, "app");
    assert_string_equal(w->build->target, "prod");
    assert_string_equal(w->build->args[0].value, "1");
    assert_string_equal(w->guess.app, "nginx"); // of the stage that is built
    assert_int_equal(w->n_ports, 6);            // 80, 9000-9002/udp, 443, 7000
    assert_true(w->ports[0].port == 80 && w->ports[0].proto == 6 && w->ports[0].published);
    assert_true(w->ports[3].port == 9002 && w->ports[3].proto == 17);
    assert_true(w->ports[4].port == 443 && w->ports[5].port == 7000 && !w->ports[5].published);
    assert_int_equal(w->n_mounts, 3);
    assert_string_equal(w->mounts[0].source, "app");
    assert_true(w->mounts[0].read_only && w->mounts[0].kind == SL_MOUNT_BIND);
    assert_true(w->mounts[1].kind == SL_MOUNT_VOLUME && !strcmp(w->mounts[1].source, "logs"));
    assert_null(w->mounts[2].source);
    assert_int_equal(w->n_networks, 2);
    assert_string_equal(w->networks[1].ipv4_address, "10.5.0.9");
    assert_string_equal(w->entrypoint.at[1], "a b");
    assert_string_equal(w->command.at[1], "--port=80");
    assert_true(w->health->retries == 5 && !strcmp(w->health->interval, "1m30s"));
    assert_int_equal(w->replicas, 2);
    assert_string_equal(w->extra_hosts[0].value, "10.0.0.1");
    assert_string_equal(w->depends[0].service, "db");
    assert_string_equal(sl_service_env(d, "POSTGRES_DB"), "shop"); // environment wins over env_file
    assert_string_equal(sl_service_env(d, "POSTGRES_USER"), "u");
    assert_true(d->init && d->mounts[0].kind == SL_MOUNT_TMPFS);
    assert_string_equal(d->guess.app, "postgresql");
    assert_string_equal(p->networks[1].subnet, "10.5.0.0/16");
    sl_project_free(p);
}

static void wrong_files_get_a_reason_and_a_place(void **state)
{
    (void)state;
    must_fail("services:\n  a:\n    image: x\nb:\n  image: y\n", "schema_error", "'b' is no key",
              4);
    assert_non_null(strstr(err.hint, "indent"));
    must_fail("services:\n  a:\n    image: x\n    b:\n      image: y\n", "schema_error",
              "has no key 'b'", 4);
    must_fail("services:\n  a:\n", "schema_error", "says nothing", 2);
    must_fail("services:\n  a: {command: x}\n", "schema_error", "neither image nor build", 2);
    must_fail("services: {}\n", "schema_error", "no services", 1);
    must_fail("services:\n  a:\n    image: x\n    depends_on: [b]\n", "schema_error", "not there",
              4);
    must_fail("services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n",
              "schema_error", "itself", 2);
    must_fail("services:\n  a:\n    image: x\n    networks: [n]\n", "schema_error", "not declared",
              4);
    must_fail("services:\n  a:\n    image: x\n    ports: ['80:x']\n", "schema_error", "no port", 4);
    must_fail("services:\n  a:\n    image: x\n    ports: ['70000']\n", "schema_error", "no port",
              4);
    must_fail("services:\n  a:\n    build: ./none\n", "path_missing", "./none", 3);
    must_fail("services:\n  a:\n    build: .\n", "path_missing", "Dockerfile", 3);
    assert_null(LOAD_FILES(NULL, {"README", "x", 0}));
    assert_string_equal(reason, "no_file");
}

static void override_files_extends_and_include_are_merged(void **state)
{
    (void)state;
    struct sl_project *p = load_or_say(LOAD_FILES(
        NULL,
        {"compose.yaml",
         "include: [sub/more.yaml]\nservices:\n  a:\n    extends: {file: base.yaml, service: "
         "root}\n    environment: [X=a]\n    command: one two\n    ports: ['80']\n",
         0},
        {"compose.override.yaml",
         "services:\n  a:\n    environment: {Y: o}\n    command: [three]\n    ports: ['81']\n    "
         "labels: !reset {}\n",
         0},
        {"base.yaml",
         "services:\n  root:\n    image: redis\n    environment: {X: base, Z: base}\n    volumes: "
         "['./conf:/c']\n",
         0},
        {"sub/more.yaml", "services:\n  b:\n    image: memcached\n    volumes: ['./data:/d']\n",
         0}));
    const struct sl_service *a = sl_project_service(p, "a"), *b = sl_project_service(p, "b");
    assert_string_equal(a->image, "redis");
    assert_string_equal(sl_service_env(a, "X"), "a");
    assert_string_equal(sl_service_env(a, "Y"), "o");
    assert_string_equal(sl_service_env(a, "Z"), "base");
    assert_int_equal(a->command.len, 1); // commands are replaced, ports are added
    assert_int_equal(a->n_ports, 2);
    assert_string_equal(a->mounts[0].source, "conf");
    assert_string_equal(b->mounts[0].source, "sub/data"); // from the included file's folder
    sl_project_free(p);
    assert_null(
        LOAD_FILES(NULL, {"compose.yaml", "services:\n  a: {extends: b}\n  b: {extends: a}\n", 0}));
    assert_non_null(strstr(err.msg, "goes round"));
}

static void profiles_switch_services_off(void **state)
{
    (void)state;
    static const char text[] =
        "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: y, profiles: [debug]}\n";
    struct sl_project *p = load_or_say(load(text));
    assert_false(sl_project_service(p, "b")->enabled);
    assert_int_equal(sl_project_service(p, "a")->n_depends, 0);
    assert_non_null(note(p, "profile"));
    sl_project_free(p);
    const char *on[] = {"debug", NULL};
    struct sl_compose_options opt = {.profiles = on};
    p = load_or_say(LOAD_FILES(&opt, {"compose.yaml", text, 0}));
    assert_true(sl_project_service(p, "b")->enabled);
    assert_int_equal(sl_project_service(p, "a")->n_depends, 1);
    sl_project_free(p);
}

static void when_every_service_has_a_profile_the_first_one_is_on(void **state)
{
    (void)state;
    struct sl_project *p =
        load_or_say(load("services:\n  a: {image: x, profiles: [cpu]}\n  b: {image: y, profiles: "
                         "[gpu]}\n  c: {image: z, profiles: [gpu, cpu]}\n"));
    assert_true(sl_project_service(p, "a")->enabled && sl_project_service(p, "c")->enabled);
    assert_false(sl_project_service(p, "b")->enabled);
    assert_non_null(note(p, "profile"));
    sl_project_free(p);
}

// ---- repairs: each on, then off -----------------------------------------------------------------

static void repair_is_needed(const char *step, const char *why, const struct sl_memory_file *files,
                             size_t n)
{
    struct sl_project *p = load_or_say(load_files(files, n, NULL));
    const struct sl_note *x = note(p, step);
    assert_non_null(x);
    assert_int_equal(x->kind, SL_NOTE_REPAIR);
    assert_true(x->pos.line > 0);
    sl_project_free(p);
    const char *skip[] = {step, NULL};
    struct sl_compose_options opt = {.skip_steps = skip};
    p = load_files(files, n, &opt);
    if (p)
        print_error("step %s changes nothing when it is off\n", step);
    assert_null(p);
    assert_string_equal(reason, why);
}
#define REPAIR(step, why, ...)                                                                     \
    repair_is_needed(step, why, (const struct sl_memory_file[]){__VA_ARGS__},                      \
                     sizeof((const struct sl_memory_file[]){__VA_ARGS__}) /                        \
                         sizeof(struct sl_memory_file))

static void each_repair_mends_what_fails_without_it(void **state)
{
    (void)state;
    REPAIR("env-file", "env_missing",
           {"compose.yaml", "services:\n  a: {image: x, env_file: app.env}\n", 0});
    REPAIR("variable", "var_missing",
           {"compose.yaml", "services:\n  a: {image: x, command: '${P:?no}'}\n", 0});
    REPAIR("port-variable", "schema_error",
           {"compose.yaml", "services:\n  a: {image: x, ports: ['${P}:5432']}\n", 0});
    REPAIR("port-variable", "schema_error",
           {"compose.yaml", "services:\n  a: {image: x, ports: ['${P:-}:5432']}\n", 0});
    REPAIR("path", "path_missing", {"compose.yaml", "services:\n  a: {build: '.\\app\\web'}\n", 0},
           {"app/web/Dockerfile", "FROM x", 0});
    REPAIR("version", "schema_error",
           {"compose.yaml", "version: latest\nservices:\n  a: {image: x}\n", 0});
    REPAIR("v1", "schema_error",
           {"compose.yaml", "web: {image: x, links: [db]}\ndb: {image: y}\n", 0});
    REPAIR("scalar", "schema_error",
           {"compose.yaml", "services:\n  a: {image: x, restart: true}\n", 0});
    REPAIR("scalar", "schema_error",
           {"compose.yaml", "services:\n  a: {image: x, environment: {A: on}}\n", 0});
    REPAIR("schema", "schema_error",
           {"compose.yaml", "services:\n  a: {image: x, retsart: no}\n", 0});
    REPAIR("schema", "schema_error",
           {"compose.yaml", "services:\n  a: {image: x, healthcheck: {test: [curl, x]}}\n", 0});
    REPAIR("volume", "schema_error",
           {"compose.yaml", "services:\n  a: {image: x, volumes: ['d:/d']}\n", 0});
    REPAIR("dollar", "schema_error",
           {"compose.yaml", "services:\n  a: {image: x, command: 'awk $1'}\n", 0});
    REPAIR("health-condition", "schema_error",
           {"compose.yaml",
            "services:\n  a: {image: x, depends_on: {b: {condition: service_healthy}}}\n  b: "
            "{image: y}\n",
            0});
}

static void a_missing_env_file_is_taken_from_its_example(void **state)
{
    (void)state;
    struct sl_project *p = load_or_say(LOAD_FILES(
        NULL,
        {"compose.yaml", "services:\n  a: {image: 'x:${TAG}', env_file: [conf/app.env]}\n", 0},
        {"conf/app.env.example", "A=beside\n", 0}, {".env.example", "TAG=7\nA=root\n", 0}));
    assert_string_equal(sl_service_env(&p->services[0], "A"), "beside");
    assert_string_equal(p->services[0].image, "x:7"); // .env from its example as well
    sl_project_free(p);
    p = load_or_say(
        LOAD_FILES(NULL, {"compose.yaml", "services:\n  a: {image: x, env_file: app.env}\n", 0}));
    assert_string_equal(note(p, "env-file")->after, "an empty file");
    sl_project_free(p);
}

static void generated_values_agree_and_follow_the_seed(void **state)
{
    (void)state;
    static const char text[] =
        "services:\n  a: {image: x, environment: ['P=${DB_PASS}', 'N=${DB_PORT}', "
        "'M=${NUMERIC_BY_PLACE}']}\n"
        "  b: {image: y, environment: {Q: '${DB_PASS}'}, ports: ['${NUMERIC_BY_PLACE}:80']}\n";
    struct sl_project *p = load_or_say(load(text));
    char first[64];
    const char *v = sl_service_env(&p->services[0], "P");
    sl_copy(first, sizeof first, v);
    assert_true(strlen(v) >= 12);
    assert_string_equal(v, sl_service_env(&p->services[1], "Q"));
    for (int i = 0; i < 2; i++) { // by its name, and by where it stands
        int port = atoi(sl_service_env(&p->services[0], i ? "N" : "M"));
        assert_true(port >= 1024 && port <= 65535);
    }
    sl_project_free(p);
    p = load_or_say(load(text));
    assert_string_equal(first, sl_service_env(&p->services[0], "P"));
    sl_project_free(p);
    struct sl_compose_options opt = {.seed = 7};
    p = load_or_say(LOAD_FILES(&opt, {"compose.yaml", text, 0}));
    assert_string_not_equal(first, sl_service_env(&p->services[0], "P"));
    sl_project_free(p);
}

static void the_operators_environment_is_never_read(void **state)
{
    (void)state;
    setenv("SL_TEST_SECRET", "leaked", 1);
    struct sl_project *p = load_or_say(load("services:\n  a: {image: x, environment: "
                                            "['A=${SL_TEST_SECRET:-none}', SL_TEST_SECRET]}\n"));
    assert_string_equal(sl_service_env(&p->services[0], "A"), "none");
    assert_null(sl_service_env(&p->services[0], "SL_TEST_SECRET"));
    sl_project_free(p);
    struct sl_pair vars[] = {{.key = "SL_TEST_SECRET", .value = "given"}};
    struct sl_compose_options opt = {.vars = vars, .n_vars = 1};
    p = load_or_say(LOAD_FILES(
        &opt, {"compose.yaml", "services:\n  a: {image: x, environment: [SL_TEST_SECRET]}\n", 0},
        {".env", "SL_TEST_SECRET=file\n", 0}));
    assert_string_equal(sl_service_env(&p->services[0], "SL_TEST_SECRET"), "given");
    sl_project_free(p);
    unsetenv("SL_TEST_SECRET");
}

// ---- policy -------------------------------------------------------------------------------------

static void every_rule_drops_records_and_refuses_when_strict(void **state)
{
    (void)state;
    static const struct {
        const char *step, *keys;
    } table[] = {
        {"privileged", "privileged: true"},
        {"cap_add", "cap_add: [SYS_ADMIN]"},
        {"devices", "devices: ['/dev/mem:/dev/mem']"},
        {"pid", "pid: host"},
        {"ipc", "ipc: host"},
        {"uts", "uts: host"},
        {"userns_mode", "userns_mode: host"},
        {"security_opt", "security_opt: ['seccomp:unconfined']"},
        {"cgroup_parent", "cgroup_parent: /"},
        {"runtime", "runtime: evil"},
        {"ulimits", "ulimits: {nproc: 9}"},
        {"oom_kill_disable", "oom_kill_disable: true"},
        {"oom_score_adj", "oom_score_adj: -1000"},
        {"group_add", "group_add: [docker]"},
        {"storage_opt", "storage_opt: {size: 1T}"},
        {"credential_spec", "credential_spec: {file: x}"},
        {"blkio_config", "blkio_config: {weight: 9}"},
        {"volume_driver", "volume_driver: evil"},
        {"use_api_socket", "use_api_socket: true"},
        {"post_start", "post_start: [{command: x, privileged: true}]"},
        {"dns", "dns: 8.8.8.8"},
        {"mac_address", "mac_address: '02:00:00:00:00:01'"},
        {"external_links", "external_links: [other]"},
        {"sysctls", "sysctls: {kernel.msgmax: 1}"},
        {"sysctls", "sysctls: ['net.ipv4.ip_forward=1']"},
        {"sysctls", "sysctls: {net.core.somaxconn: '1; x'}"},
        {"extra_hosts", "extra_hosts: ['h:host-gateway']"},
        {"engine-socket", "volumes: ['/var/run/docker.sock:/s']"},
        {"engine-socket", "volumes: ['//var/run/docker.sock:/s']"},
        {"engine-socket",
         "volumes: [{type: bind, source: /run/containerd/containerd.sock, target: /s}]"},
        {"absolute-bind", "volumes: ['/:/host']"},
        {"absolute-bind", "volumes: ['~/.ssh:/s']"},
        {"absolute-bind", "volumes: [{type: bind, source: /etc, target: /e}]"},
        {"absolute-bind", "volumes: [{source: /etc, target: /e}]"},
        {"bind-outside", "volumes: ['../../etc:/e']"},
        {"bind-outside", "volumes: ['./a/../../b:/e']"},
        {"bind-outside", "volumes: ['..:/e']"},
        {"drive-path", "volumes: ['C:\\Users:/e']"},
        {"drive-path", "volumes: ['c:/Users:/e:ro']"},
        {"mount-type", "volumes: [{type: npipe, source: x, target: /e}]"},
        {"mount-target", "volumes: ['./a:relative']"},
        {"mount-target", "volumes: [{type: bind, source: ./a, target: '/a/../b'}]"},
        {"bind-source", "volumes: [{type: bind, source: './a:b', target: /e}]"},
        {"env-file-outside", "env_file: ../secret.env"},
        {"env-file-outside", "env_file: /etc/passwd"},
        {"secrets", "secrets: [nowhere]"},
        {"build", "build: {context: app, network: host}"},
        {"build", "build: {context: app, ssh: [default]}"},
        {"build", "build: {context: app, secrets: [s]}"},
        {"build", "build: {context: app, cache_from: [evil]}"},
        {"build", "build: {context: app, privileged: true}"},
        {"build", "build: {context: app, extra_hosts: ['a:1.2.3.4']}"},
        {"build", "build: {context: app, additional_contexts: {x: /etc}}"},
        {"remote-context", "build: https://github.com/evil/x.git"},
        {"remote-context", "build: git@github.com:evil/x"},
        {"remote-context", "build: {context: 'http://10.0.0.1/x.tar'}"},
        {"context-outside", "build: .."},
        {"context-outside", "build: /etc"},
        {"context-outside", "build: {context: app, dockerfile: ../../Dockerfile}"},
        {"healthcheck", "healthcheck: {test: x, start_interval: 1s}"},
        {"value", "user: '--privileged'"},
        {"value", "hostname: 'a b'"},
        {"value", "working_dir: 'rel'"},
        {"value", "shm_size: lots"},
        {"replicas", "scale: 1000"},
        {"annotations", "annotations: {a: b}"},
        {"gpus", "gpus: all"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *text = sl_format("services:\n  a:\n    image: x\n    %s\n", table[i].keys);
        struct sl_project *p =
            LOAD_FILES(NULL, {"compose.yaml", text, 0}, {"app/Dockerfile", "FROM x", 0});
        if (!p || !note(p, table[i].step))
            fail_msg("%s: %s", table[i].keys, p ? "no note" : err.msg);
        assert_int_equal(note(p, table[i].step)->kind, SL_NOTE_POLICY);
        assert_true(note(p, table[i].step)->pos.line >= 4);
        sl_project_free(p);
        struct sl_compose_options strict = {.strict_policy = true};
        p = LOAD_FILES(&strict, {"compose.yaml", text, 0}, {"app/Dockerfile", "FROM x", 0});
        if (p)
            fail_msg("strict policy lets through: %s", table[i].keys);
        assert_string_equal(reason, "policy_denied");
        free(text);
    }
}

static void rewritten_names_are_recorded_but_never_refused(void **state)
{
    (void)state;
    struct sl_compose_options strict = {.strict_policy = true};
    struct sl_project *p = load_or_say(LOAD_FILES(
        &strict,
        {"compose.yaml",
         "services:\n  a: {image: x, container_name: old, ports: ['127.0.0.1:80:8080'], labels: "
         "{sluice.run: forged}, volumes: ['v:/v']}\n"
         "networks: {default: {external: true, name: host}}\nvolumes: {v: {external: true}}\n",
         0}));
    assert_non_null(note(p, "container-name"));
    assert_non_null(note(p, "host-port"));
    assert_non_null(note(p, "labels"));
    assert_non_null(note(p, "external-name"));
    assert_int_equal(p->services[0].ports[0].port, 8080);
    assert_string_equal(p->services[0].networks[0].aliases.at[0], "old");
    assert_true(p->networks[0].external && p->volumes[0].external);
    sl_project_free(p);
}

static void host_network_drops_the_service_and_what_joins_it(void **state)
{
    (void)state;
    struct sl_project *p = load_or_say(load("services:\n  a: {image: x, network_mode: host}\n  b: "
                                            "{image: y, network_mode: 'service:a'}\n"
                                            "  c: {image: z, depends_on: [a]}\n"));
    assert_int_equal(p->n_services, 1);
    assert_string_equal(p->services[0].name, "c");
    assert_int_equal(p->services[0].n_depends, 0);
    assert_non_null(note(p, "host-network"));
    sl_project_free(p);
    must_fail("services:\n  a: {image: x, network_mode: host}\n", "policy_denied", "no service", 2);
}

static void names_that_could_be_options_or_ours_are_refused(void **state)
{
    (void)state;
    must_fail("services:\n  a:\n    image: --privileged\n", "schema_error", "no image name", 3);
    must_fail("services:\n  a:\n    image: 'x y'\n", "schema_error", "no image name", 3);
    must_fail("services:\n  a:\n    image: '../x'\n", "schema_error", "no image name", 3);
    must_fail("services:\n  --rm: {image: x}\n", "schema_error", "cannot be the name", 2);
    must_fail("services:\n  sl-net-a: {image: x}\n", "schema_error", "cannot be the name", 2);
    must_fail("services:\n  a/b: {image: x}\n", "schema_error", "cannot be the name", 2);
    must_fail("services:\n  a: {image: x}\nvolumes: {../v: {}}\n", "schema_error",
              "cannot be the name", 3);
    must_fail("services:\n  a: {image: x}\nnetworks: {-n: {}}\n", "schema_error",
              "cannot be the name", 3);
    static const char *const good[] = {
        "postgres",
        "postgres:16-alpine",
        "ghcr.io/a/b:1.2",
        "localhost:5000/a/b",
        "a__b/c-d.e:T_1",
        "x@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        NULL};
    static const char *const bad[] = {"",     "-x",    "X",    "a/",          "/a",  "a//b",
                                      "a:",   "a:b:c", "a/B",  "a@sha256:12", "a;b", "a$b",
                                      "a\nb", ":x",    "a/-b", NULL};
    for (const char *const *g = good; *g; g++)
        if (!sl_valid_image(*g))
            fail_msg("%s is an image", *g);
    for (const char *const *b = bad; *b; b++)
        if (sl_valid_image(*b))
            fail_msg("%s is no image", *b);
}

static void volumes_lose_their_driver_options(void **state)
{
    (void)state;
    struct sl_project *p = load_or_say(
        load("services:\n  a: {image: x, volumes: ['v:/v']}\nvolumes:\n  v:\n    driver: local\n"
             "    driver_opts: {type: none, o: bind, device: /}\n"));
    assert_non_null(note(p, "driver_opts"));
    assert_int_equal(note(p, "driver_opts")->pos.line, 6);
    sl_project_free(p);
}

// Whoever can write to ./app could put a link in the place of ./app/conf before it is mounted.
static void a_bind_that_holds_another_is_not_writable(void **state)
{
    (void)state;
    struct sl_project *p =
        load_or_say(load("services:\n  a: {image: x, volumes: ['./app:/app', './data:/d']}\n  b: "
                         "{image: y, volumes: ['./app/conf:/c']}\n"));
    const struct sl_service *a = sl_project_service(p, "a");
    assert_true(a->mounts[0].read_only);
    assert_false(a->mounts[1].read_only);
    assert_false(sl_project_service(p, "b")->mounts[0].read_only);
    assert_non_null(note(p, "nested-bind"));
    sl_project_free(p);
}

static void files_of_the_tree_serve_as_secrets(void **state)
{
    (void)state;
    struct sl_project *p = load_or_say(LOAD_FILES(
        NULL,
        {"compose.yaml",
         "services:\n  a: {image: x, secrets: [pw], configs: [{source: c, target: /etc/c}]}\n"
         "secrets: {pw: {file: ./pw.txt}}\nconfigs: {c: {file: c.conf}}\n",
         0},
        {"pw.txt", "s", 0}));
    assert_string_equal(p->services[0].mounts[0].target, "/run/secrets/pw");
    assert_true(p->services[0].mounts[0].read_only);
    assert_string_equal(p->services[0].mounts[1].target, "/etc/c");
    sl_project_free(p);
}

// ---- on disk: links, digest ---------------------------------------------------------------------

static char *make_tree(void)
{
    char *dir = sl_strdup("/tmp/sl-compose-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return dir;
}

static void put_file(const char *dir, const char *name, const char *text)
{
    char *path = sl_path_join(dir, name);
    assert_true(sl_write_file(path, text, strlen(text), NULL));
    free(path);
}

static void links_that_leave_the_tree_are_outside(void **state)
{
    (void)state;
    char *dir = make_tree();
    char *escape = sl_path_join(dir, "escape"), *within = sl_path_join(dir, "within"),
         *dangling = sl_path_join(dir, "dangling");
    char *real = sl_path_join(dir, "real");
    assert_int_equal(symlink("/etc", escape), 0);
    assert_int_equal(symlink("real", within), 0);
    assert_int_equal(symlink("/nonexistent/x", dangling), 0);
    assert_int_equal(mkdir(real, 0755), 0);
    put_file(dir, "compose.yaml",
             "services:\n  a:\n    image: x\n    env_file: escape/passwd\n    volumes: "
             "['./escape:/a', './escape/new:/b',\n"
             "      './within/new:/c', './dangling:/d', './missing/x:/e']\n");
    struct sl_project *p = load_or_say(sl_project_load(dir, NULL, NULL, &reason, &err));
    assert_int_equal(p->services[0].n_env, 0);
    assert_int_equal(p->services[0].n_mounts, 2);
    assert_string_equal(p->services[0].mounts[0].source, "real/new"); // the link is resolved
    assert_string_equal(p->services[0].mounts[1].source, "missing/x");
    int outside = 0;
    for (size_t i = 0; i < p->n_notes; i++)
        outside += !strcmp(p->notes[i].step, "bind-outside");
    assert_int_equal(outside, 3);
    assert_non_null(note(p, "env-file-outside"));
    sl_project_free(p);
    assert_true(sl_remove_tree(dir, NULL));
    free(dir), free(escape), free(within), free(dangling), free(real);
}

static void the_digest_covers_contexts_and_variable_files(void **state)
{
    (void)state;
    char *dir = make_tree(), *app = sl_path_join(dir, "app");
    char digest[4][65];
    assert_int_equal(mkdir(app, 0755), 0);
    put_file(dir, "compose.yaml", "services:\n  a: {build: app, env_file: a.env}\n");
    put_file(app, "Dockerfile", "FROM x\n");
    put_file(dir, "a.env", "A=1\n");
    put_file(dir, "README", "one\n");
    for (int i = 0; i < 4; i++) {
        if (i == 1)
            put_file(dir, "README", "two\n"); // nobody uses it
        if (i == 2)
            put_file(app, "main.py", "print(1)\n");
        if (i == 3)
            put_file(dir, "a.env", "A=2\n");
        struct sl_project *p = load_or_say(sl_project_load(dir, NULL, NULL, &reason, &err));
        memcpy(digest[i], p->digest, 65);
        sl_project_free(p);
    }
    assert_string_equal(digest[0], digest[1]);
    assert_string_not_equal(digest[1], digest[2]);
    assert_string_not_equal(digest[2], digest[3]);
    assert_true(sl_remove_tree(dir, NULL));
    free(app), free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_expand_as_the_specification_says),
        cmocka_unit_test(a_required_variable_says_its_message),
        cmocka_unit_test(commands_are_split_as_a_shell_would),
        cmocka_unit_test(variable_files_follow_the_dotenv_grammar),
        cmocka_unit_test(scalars_stay_text),
        cmocka_unit_test(merges_take_lists_and_repeats),
        cmocka_unit_test(of_repeated_keys_the_last_counts_with_a_warning),
        cmocka_unit_test(byte_order_marks_crlf_and_document_markers_are_fine),
        cmocka_unit_test(broken_yaml_is_pointed_at),
        cmocka_unit_test(alias_bombs_and_deep_nesting_are_refused),
        cmocka_unit_test(variables_that_multiply_are_bounded),
        cmocka_unit_test(a_usual_file_becomes_the_model),
        cmocka_unit_test(wrong_files_get_a_reason_and_a_place),
        cmocka_unit_test(override_files_extends_and_include_are_merged),
        cmocka_unit_test(profiles_switch_services_off),
        cmocka_unit_test(when_every_service_has_a_profile_the_first_one_is_on),
        cmocka_unit_test(each_repair_mends_what_fails_without_it),
        cmocka_unit_test(a_missing_env_file_is_taken_from_its_example),
        cmocka_unit_test(generated_values_agree_and_follow_the_seed),
        cmocka_unit_test(the_operators_environment_is_never_read),
        cmocka_unit_test(every_rule_drops_records_and_refuses_when_strict),
        cmocka_unit_test(rewritten_names_are_recorded_but_never_refused),
        cmocka_unit_test(host_network_drops_the_service_and_what_joins_it),
        cmocka_unit_test(names_that_could_be_options_or_ours_are_refused),
        cmocka_unit_test(volumes_lose_their_driver_options),
        cmocka_unit_test(a_bind_that_holds_another_is_not_writable),
        cmocka_unit_test(files_of_the_tree_serve_as_secrets),
        cmocka_unit_test(links_that_leave_the_tree_are_outside),
        cmocka_unit_test(the_digest_covers_contexts_and_variable_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
