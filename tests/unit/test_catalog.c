// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/rng.h"
#include "catalog/catalog.h"
#include "catalog/db.h"
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

enum { SEED = 20240611 };
static char folder[64], file[96];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/sl-catalog-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(file, sizeof file, "%s/catalog.db", folder);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    struct sl_error err;
    return sl_remove_tree(folder, &err) ? 0 : -1;
}

static struct sl_catalog *opened(bool write)
{
    struct sl_error err = {0};
    struct sl_catalog *c = sl_catalog_open(file, write, &err);
    if (!c)
        fail_msg("%s", err.msg);
    return c;
}

static void stored(struct sl_catalog *c, struct sl_record *r)
{
    struct sl_error err = {0};
    if (!sl_catalog_store(c, r, &err))
        fail_msg("%s", err.msg);
}

// Two services; a driver at the front door; every sum below is done by hand from these numbers.
static struct sl_edge idle_edges[] = {
    {.src = "web",
     .dst = "db",
     .proto = 6,
     .dport = 5432,
     .cls = "database",
     .app = "postgresql",
     .confidence = 0.9,
     .flows = 2,
     .packets_up = 10,
     .packets_down = 20,
     .bytes_up = 1000,
     .bytes_down = 3000,
     .bps_mean = 100,
     .bps_peak = 400,
     .flows_active = 1},
};
static struct sl_edge first_edges[] = {
    {.src = SL_PEER_DRIVER,
     .dst = "web",
     .proto = 6,
     .dport = 80,
     .cls = "web",
     .app = "http",
     .confidence = 1,
     .flows = 30,
     .packets_up = 100,
     .packets_down = 200,
     .bytes_up = 10000,
     .bytes_down = 90000,
     .bps_mean = 5000,
     .bps_peak = 8000,
     .flows_active = 4},
    {.src = "web",
     .dst = "db",
     .proto = 6,
     .dport = 5432,
     .cls = "database",
     .app = "postgresql",
     .confidence = 0.9,
     .flows = 3,
     .packets_up = 40,
     .packets_down = 50,
     .bytes_up = 2000,
     .bytes_down = 4000,
     .bps_mean = 600,
     .bps_peak = 900,
     .flows_active = 2},
};
static struct sl_edge second_edges[] = {
    {.src = SL_PEER_DRIVER,
     .dst = "db",
     .proto = 6,
     .dport = 5432,
     .cls = "database",
     .app = "postgresql",
     .confidence = 1,
     .flows = 8,
     .packets_up = 60,
     .packets_down = 70,
     .bytes_up = 5000,
     .bytes_down = 6000,
     .bps_mean = 700,
     .bps_peak = 1500,
     .flows_active = 8},
};
static struct sl_phase shop_phases[] = {
    {.name = "idle",
     .protocol = "",
     .target = "",
     .duration_s = 60,
     .edges = idle_edges,
     .n_edges = 1},
    {.name = "driven",
     .protocol = "http",
     .target = "web",
     .port = 80,
     .duration_s = 30,
     .users = 4,
     .requests_per_s = 12.5,
     .errors = 0.25,
     .edges = first_edges,
     .n_edges = 2},
    {.name = "driven",
     .protocol = "postgresql",
     .target = "db",
     .port = 5432,
     .duration_s = 30,
     .users = 8,
     .requests_per_s = 99,
     .errors = 0,
     .edges = second_edges,
     .n_edges = 1},
};
static struct sl_record_service shop_services[] = {
    {.name = "web",
     .image = "shop:dev",
     .image_id = "sha256:1",
     .cls = "web",
     .app = "http",
     .role = "server",
     .cpu_idle = 0.125,
     .cpu_driven = 0.5,
     .mem_bytes = 1000,
     .built = true,
     .listen = {80, 443},
     .n_listen = 2},
    {.name = "db",
     .image = "postgres:15",
     .image_id = "sha256:2",
     .cls = "database",
     .app = "postgresql",
     .role = "server",
     .cpu_idle = NAN,
     .cpu_driven = 0.25,
     .mem_bytes = 2000},
};
static struct sl_record_note shop_notes[] = {
    {.kind = "repair",
     .step = "env-file",
     .place = "services.web.env_file",
     .before = ".env",
     .after = ".env.example"},
};
static const char *const shop_names[] = {"api.example.org"};

static struct sl_record shop(void)
{
    return (struct sl_record){.repo = "https://example.org/shop",
                              .commit = "abc",
                              .compose_path = "docker-compose.yml",
                              .name = "shop",
                              .dir = "/src/shop",
                              .digest = "d1",
                              .reason = SL_REASON_OK,
                              .sub_reason = "",
                              .message = "",
                              .grade = 'A',
                              .quick = true,
                              .started_ns = 1700000000000000000,
                              .duration_s = 130.5,
                              .seed = UINT64_MAX - 5,
                              .tool_version = "sluice 0.1.0",
                              .isolation = "shared-engine",
                              .services = shop_services,
                              .n_services = 2,
                              .phases = shop_phases,
                              .n_phases = 3,
                              .notes = shop_notes,
                              .n_notes = 1,
                              .external_names = shop_names,
                              .n_external_names = 1};
}

static void same_real(double a, double b)
{
    assert_true(isnan(a) ? isnan(b) : a == b);
}

static void same_services(const struct sl_record *a, const struct sl_record *b)
{
    assert_int_equal(a->n_services, b->n_services);
    for (size_t i = 0; i < a->n_services; i++) {
        const struct sl_record_service *x = &a->services[i], *y = &b->services[i];
        assert_string_equal(x->name, y->name);
        assert_string_equal(x->image, y->image);
        assert_string_equal(x->image_id, y->image_id);
        assert_string_equal(x->cls, y->cls);
        assert_string_equal(x->app, y->app);
        assert_string_equal(x->role, y->role);
        same_real(x->cpu_idle, y->cpu_idle);
        same_real(x->cpu_driven, y->cpu_driven);
        same_real(x->mem_bytes, y->mem_bytes);
        assert_int_equal(x->built, y->built);
        assert_int_equal(x->one_shot, y->one_shot);
        assert_int_equal(x->n_listen, y->n_listen);
        assert_memory_equal(x->listen, y->listen, sizeof x->listen);
    }
}

static void same_edge(const struct sl_edge *x, const struct sl_edge *y)
{
    assert_string_equal(x->src, y->src);
    assert_string_equal(x->dst, y->dst);
    assert_int_equal(x->proto, y->proto);
    assert_int_equal(x->dport, y->dport);
    assert_string_equal(x->cls, y->cls);
    assert_string_equal(x->app, y->app);
    same_real(x->confidence, y->confidence);
    assert_true(x->flows == y->flows);
    assert_true(x->packets_up == y->packets_up && x->packets_down == y->packets_down);
    assert_true(x->bytes_up == y->bytes_up && x->bytes_down == y->bytes_down);
    same_real(x->bps_mean, y->bps_mean);
    same_real(x->bps_peak, y->bps_peak);
    same_real(x->flows_active, y->flows_active);
}

static void same_phases(const struct sl_record *a, const struct sl_record *b)
{
    assert_int_equal(a->n_phases, b->n_phases);
    for (size_t i = 0; i < a->n_phases; i++) {
        const struct sl_phase *x = &a->phases[i], *y = &b->phases[i];
        assert_string_equal(x->name, y->name);
        assert_string_equal(x->protocol, y->protocol);
        assert_string_equal(x->target, y->target);
        assert_int_equal(x->port, y->port);
        assert_int_equal(x->users, y->users);
        same_real(x->duration_s, y->duration_s);
        same_real(x->requests_per_s, y->requests_per_s);
        same_real(x->errors, y->errors);
        assert_int_equal(x->n_edges, y->n_edges);
        for (size_t j = 0; j < x->n_edges; j++)
            same_edge(&x->edges[j], &y->edges[j]);
    }
}

static void same_record(const struct sl_record *a, const struct sl_record *b, bool with_notes)
{
    assert_int_equal(a->id, b->id);
    assert_string_equal(a->repo, b->repo);
    assert_string_equal(a->commit, b->commit);
    assert_string_equal(a->compose_path, b->compose_path);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->dir, b->dir);
    assert_string_equal(a->digest, b->digest);
    assert_int_equal(a->reason, b->reason);
    assert_string_equal(a->sub_reason, b->sub_reason);
    assert_string_equal(a->message, b->message);
    assert_int_equal(a->grade, b->grade);
    assert_int_equal(a->quick, b->quick);
    assert_true(a->started_ns == b->started_ns && a->seed == b->seed);
    same_real(a->duration_s, b->duration_s);
    assert_string_equal(a->tool_version, b->tool_version);
    assert_string_equal(a->isolation, b->isolation);
    same_services(a, b);
    same_phases(a, b);
    assert_int_equal(a->n_external_names, b->n_external_names);
    for (size_t i = 0; i < a->n_external_names; i++)
        assert_string_equal(a->external_names[i], b->external_names[i]);
    assert_int_equal(with_notes ? a->n_notes : 0, b->n_notes);
    for (size_t i = 0; i < b->n_notes; i++) {
        assert_string_equal(a->notes[i].kind, b->notes[i].kind);
        assert_string_equal(a->notes[i].step, b->notes[i].step);
        assert_string_equal(a->notes[i].place, b->notes[i].place);
        assert_string_equal(a->notes[i].before, b->notes[i].before);
        assert_string_equal(a->notes[i].after, b->notes[i].after);
    }
}

static struct sl_record *found(struct sl_catalog *c, const struct sl_record *r)
{
    struct sl_error err = {0};
    bool there = false;
    struct sl_record *out = NULL;
    assert_true(sl_catalog_find(c, r->repo, r->compose_path, r->digest, &there, &out, &err));
    assert_int_equal(there, out != NULL);
    return out;
}

static void every_reason_has_a_name_that_leads_back_to_it(void **state)
{
    (void)state;
    for (int i = 0; i < SL_REASONS; i++) {
        enum sl_reason r;
        assert_true(sl_reason_find(sl_reason_name((enum sl_reason)i), &r));
        assert_int_equal(r, i);
    }
    assert_string_equal(sl_reason_name(SL_REASON_IMAGE_UNAVAILABLE), "image_unavailable");
    enum sl_reason r;
    assert_false(sl_reason_find("tired", &r));
}

static void a_stored_observation_comes_back_as_it_was(void **state)
{
    (void)state;
    struct sl_catalog *c = opened(true);
    struct sl_record r = shop();
    stored(c, &r);
    assert_int_equal(r.id, 1);
    struct sl_record *back = found(c, &r);
    assert_non_null(back);
    same_record(&r, back, true);
    sl_record_free(back);
    sl_catalog_close(c);
}

static const char *draw_text(struct sl_rng *rng, struct sl_arena *arena)
{
    static const char *const texts[] = {
        "", "a", "it's \"quoted\"", "ünïcode → 中", "line\nbreak", "<script>", "%s?"};
    uint64_t i = sl_rng_below(rng, 10);
    return i < 7 ? texts[i] : sl_arena_format(arena, "t%llu", (unsigned long long)sl_rng_u64(rng));
}

static double draw_real(struct sl_rng *rng)
{
    return sl_rng_below(rng, 8) ? sl_rng_exponential(rng, 1e6) : NAN;
}

static void draw_services(struct sl_rng *rng, struct sl_record *r)
{
    struct sl_arena *a = &r->arena;
    r->n_services = sl_rng_below(rng, 6);
    r->services = sl_arena_alloc(a, r->n_services * sizeof *r->services + 1);
    for (size_t i = 0; i < r->n_services; i++) {
        struct sl_record_service *v = &r->services[i];
        *v = (struct sl_record_service){.name = draw_text(rng, a),
                                        .image = draw_text(rng, a),
                                        .image_id = draw_text(rng, a),
                                        .cls = draw_text(rng, a),
                                        .app = draw_text(rng, a),
                                        .role = draw_text(rng, a),
                                        .cpu_idle = draw_real(rng),
                                        .cpu_driven = draw_real(rng),
                                        .mem_bytes = draw_real(rng),
                                        .built = sl_rng_below(rng, 2),
                                        .one_shot = sl_rng_below(rng, 2)};
        v->n_listen = sl_rng_below(rng, 17);
        for (size_t j = 0; j < v->n_listen; j++)
            v->listen[j] = (uint16_t)sl_rng_u64(rng);
    }
}

static void draw_phases(struct sl_rng *rng, struct sl_record *r)
{
    struct sl_arena *a = &r->arena;
    r->n_phases = sl_rng_below(rng, 4);
    r->phases = sl_arena_alloc(a, r->n_phases * sizeof *r->phases + 1);
    for (size_t i = 0; i < r->n_phases; i++) {
        struct sl_phase *p = &r->phases[i];
        *p = (struct sl_phase){.name = i ? "driven" : "idle",
                               .protocol = draw_text(rng, a),
                               .target = draw_text(rng, a),
                               .port = (uint16_t)sl_rng_u64(rng),
                               .duration_s = draw_real(rng),
                               .users = (int)sl_rng_below(rng, 1000),
                               .requests_per_s = draw_real(rng),
                               .errors = draw_real(rng)};
        p->n_edges = sl_rng_below(rng, 40); // past one arena block
        p->edges = sl_arena_alloc(a, p->n_edges * sizeof *p->edges + 1);
        for (size_t j = 0; j < p->n_edges; j++)
            p->edges[j] = (struct sl_edge){.src = draw_text(rng, a),
                                           .dst = draw_text(rng, a),
                                           .proto = sl_rng_below(rng, 2) ? 6 : 17,
                                           .dport = (uint16_t)sl_rng_u64(rng),
                                           .cls = draw_text(rng, a),
                                           .app = draw_text(rng, a),
                                           .confidence = draw_real(rng),
                                           .flows = sl_rng_u64(rng) >> 20,
                                           .packets_up = sl_rng_u64(rng) >> 20,
                                           .packets_down = sl_rng_u64(rng) >> 20,
                                           .bytes_up = sl_rng_u64(rng) >> 20,
                                           .bytes_down = sl_rng_u64(rng) >> 20,
                                           .bps_mean = draw_real(rng),
                                           .bps_peak = draw_real(rng),
                                           .flows_active = draw_real(rng)};
    }
}

static void draw_rest(struct sl_rng *rng, struct sl_record *r)
{
    struct sl_arena *a = &r->arena;
    r->n_notes = sl_rng_below(rng, 4);
    r->notes = sl_arena_alloc(a, r->n_notes * sizeof *r->notes + 1);
    for (size_t i = 0; i < r->n_notes; i++)
        r->notes[i] =
            (struct sl_record_note){draw_text(rng, a), draw_text(rng, a), draw_text(rng, a),
                                    draw_text(rng, a), draw_text(rng, a)};
    r->n_external_names = sl_rng_below(rng, 4);
    const char **names = sl_arena_alloc(a, r->n_external_names * sizeof *names + 1);
    for (size_t i = 0; i < r->n_external_names; i++)
        names[i] = draw_text(rng, a);
    r->external_names = names;
}

static struct sl_record draw_record(struct sl_rng *rng, int i)
{
    struct sl_record r = {.reason = SL_REASON_OK};
    struct sl_arena *a = &r.arena;
    r.repo = sl_arena_format(a, "repo-%d", i);
    r.commit = draw_text(rng, a);
    r.compose_path = draw_text(rng, a);
    r.name = draw_text(rng, a);
    r.dir = draw_text(rng, a);
    r.digest = draw_text(rng, a);
    r.sub_reason = draw_text(rng, a);
    r.message = draw_text(rng, a);
    r.tool_version = draw_text(rng, a);
    r.isolation = draw_text(rng, a);
    r.grade = "ABC-"[sl_rng_below(rng, 4)];
    r.quick = sl_rng_below(rng, 2);
    r.started_ns = (int64_t)(sl_rng_u64(rng) >> 2);
    r.duration_s = draw_real(rng);
    r.seed = sl_rng_u64(rng);
    draw_services(rng, &r);
    draw_phases(rng, &r);
    draw_rest(rng, &r);
    return r;
}

static void storing_and_loading_is_the_identity(void **state)
{
    (void)state;
    enum { N = 60 };
    print_message("# seed %d\n", SEED);
    struct sl_rng rng = sl_rng_stream(SEED, "test.catalog", 0);
    struct sl_catalog *c = opened(true);
    struct sl_record r[N];
    for (int i = 0; i < N; i++) {
        r[i] = draw_record(&rng, i);
        stored(c, &r[i]);
    }
    struct sl_record **all;
    size_t n;
    struct sl_error err = {0};
    assert_true(sl_catalog_load_all(c, &all, &n, &err));
    assert_int_equal(n, N);
    for (int i = 0; i < N; i++) {
        same_record(&r[i], all[i], false);
        sl_record_free(all[i]);
        struct sl_record *one = found(c, &r[i]);
        same_record(&r[i], one, true);
        sl_record_free(one);
        sl_arena_done(&r[i].arena);
    }
    free(all);
    sl_catalog_close(c);
}

static void a_new_observation_replaces_the_summary_and_keeps_the_history(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_catalog *c = opened(true);
    struct sl_record a = shop(), b = shop();
    stored(c, &a);
    b.digest = "d2";
    b.n_phases = 1;
    stored(c, &b);
    assert_int_equal(a.id, b.id);
    assert_null(found(c, &a)); // its details are gone
    struct sl_record *back = found(c, &b);
    assert_int_equal(back->n_phases, 1);
    sl_record_free(back);
    json_t *show = sl_catalog_show(c, "shop", &err);
    assert_int_equal(json_array_size(json_object_get(show, "history")), 2);
    json_decref(show);
    int64_t services;
    assert_true(sl_db_int(c, "SELECT count(*) FROM service", &services, &err));
    assert_int_equal(services, 2);
    sl_catalog_close(c);
}

static void
a_failure_hides_a_project_from_the_planner_but_not_its_last_good_observation(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_catalog *c = opened(true);
    struct sl_record good = shop(), bad = shop();
    stored(c, &good);
    bad.reason = SL_REASON_BUILD_FAILED;
    bad.sub_reason = "pkg";
    bad.message = "no package 'libfoo'";
    bad.grade = '-';
    bad.n_services = bad.n_phases = 0;
    stored(c, &bad);
    struct sl_record **all;
    size_t n;
    assert_true(sl_catalog_load_all(c, &all, &n, &err));
    assert_int_equal(n, 0);
    free(all);
    struct sl_record *back = found(c, &good);
    assert_int_equal(back->n_phases, 3);
    sl_record_free(back);
    json_t *list = sl_catalog_list(c, NULL, &err);
    const json_t *p = json_array_get(list, 0);
    assert_string_equal(sl_json_str(p, "reason", ""), "build_failed");
    assert_string_equal(sl_json_str(p, "message", ""), "no package 'libfoo'");
    json_decref(list);
    sl_catalog_close(c);
}

static void a_folder_that_moved_to_another_commit_stays_one_project(void **state)
{
    (void)state;
    struct sl_catalog *c = opened(true);
    struct sl_record a = shop(), b = shop(), elsewhere = shop();
    stored(c, &a);
    b.commit = "def";
    stored(c, &b);
    assert_int_equal(a.id, b.id);
    elsewhere.commit = "123";
    elsewhere.dir = "/src/other";
    stored(c, &elsewhere);
    assert_int_not_equal(elsewhere.id, a.id);
    sl_catalog_close(c);
}

// Database: idle 100 (peak 400); driven phases 600/900 and 700/1500, the best is the second. Web:
// 5000/8000.
static void classes_are_summed_per_phase_and_the_best_driven_phase_counts(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_catalog *c = opened(true);
    struct sl_record r = shop();
    stored(c, &r);
    json_t *stats = sl_catalog_stats(c, &err);
    const json_t *classes = json_object_get(stats, "classes");
    assert_int_equal(json_array_size(classes), 2);
    const json_t *db = json_array_get(classes, 0), *web = json_array_get(classes, 1);
    assert_string_equal(sl_json_str(db, "class", ""), "database");
    assert_true(sl_json_num(db, "idle_bps", -1) == 100);
    assert_true(sl_json_num(db, "driven_bps", -1) == 700);
    assert_true(sl_json_num(db, "driven_peak_bps", -1) == 1500);
    assert_true(sl_json_num(db, "flows", -1) == 2 + 3 + 8);
    assert_true(sl_json_num(web, "idle_bps", -1) == 0);
    assert_true(sl_json_num(web, "driven_peak_bps", -1) == 8000);
    assert_true(sl_json_num(stats, "packets", -1) == 30 + 300 + 90 + 130);
    assert_true(sl_json_num(stats, "bytes", -1) == 4000 + 100000 + 6000 + 11000);
    assert_true(sl_json_num(stats, "projects", -1) == 1 && sl_json_num(stats, "usable", -1) == 1);
    assert_string_equal(sl_json_str(stats, "last_observation", ""), "2023-11-14T22:13:20.000Z");
    json_decref(stats);
    json_t *list = sl_catalog_list(c, "database", &err);
    assert_int_equal(json_array_size(list), 1);
    const json_t *p = json_array_get(list, 0);
    assert_string_equal(sl_json_str(p, "class_main", ""), "web"); // 100000 bytes against 21000
    const json_t *names = json_object_get(p, "classes");
    assert_string_equal(json_string_value(json_array_get(names, 0)), "web");
    assert_string_equal(json_string_value(json_array_get(names, 1)), "database");
    assert_true(sl_json_num(p, "cpu", -1) == 0.75 && sl_json_num(p, "mem_bytes", -1) == 3000);
    json_decref(list);
    list = sl_catalog_list(c, "mail", &err);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    sl_catalog_close(c);
}

static void projects_are_shown_by_name_repository_or_number(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_catalog *c = opened(true);
    struct sl_record a = shop(), b = shop();
    stored(c, &a);
    b.repo = "https://example.org/fork";
    stored(c, &b);
    assert_null(sl_catalog_show(c, "shop", &err));
    assert_int_equal(err.code, SL_EINPUT);
    assert_non_null(strstr(err.hint, "1 (https://example.org/shop docker-compose.yml), 2 ("));
    const char *const names[] = {"2", "https://example.org/fork"};
    for (int i = 0; i < 2; i++) {
        json_t *j = sl_catalog_show(c, names[i], &err);
        assert_non_null(j);
        assert_true(sl_json_num(j, "id", 0) == 2);
        assert_int_equal(json_array_size(json_object_get(j, "notes")), 1);
        json_decref(j);
    }
    assert_null(sl_catalog_show(c, "shpo", &err));
    assert_non_null(strstr(err.hint, "did you mean 'shop'"));
    sl_catalog_close(c);
}

static void forgetting_removes_everything_of_a_project_and_its_flows(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_catalog *c = opened(true);
    struct sl_record a = shop();
    stored(c, &a);
    struct sl_catalog_flow flows[2] = {{.flow = {.tuple = {.proto = 6, .sport = 40000, .dport = 80},
                                                 .first_ns = 5000,
                                                 .last_ns = 9000,
                                                 .packets = {3, 4},
                                                 .bytes = {300, 400},
                                                 .end = SL_END_FIN},
                                        .phase = "driven",
                                        .src = SL_PEER_DRIVER,
                                        .dst = "web",
                                        .cls = "web"},
                                       {.flow = {.tuple = {.proto = 17}},
                                        .phase = "idle",
                                        .src = "web",
                                        .dst = SL_PEER_EXTERNAL,
                                        .cls = "dns"}};
    assert_true(sl_catalog_store_flows(c, a.id, flows, 2, &err));
    assert_true(sl_catalog_store_flows(c, a.id, flows, 2, &err)); // replaces
    int64_t n;
    assert_true(sl_db_int(c,
                          "SELECT count(*) FROM flows.flow JOIN flows.word ON id = src"
                          " WHERE text = '(driver)' AND dur_us = 4 AND bytes_dn = 400",
                          &n, &err));
    assert_int_equal(n, 1);
    assert_true(sl_catalog_forget(c, "shop", &err));
    assert_true(
        sl_db_int(c,
                  "SELECT (SELECT count(*) FROM flows.flow) + (SELECT count(*) FROM edge)"
                  " + (SELECT count(*) FROM observation) + (SELECT count(*) FROM project_class)",
                  &n, &err));
    assert_int_equal(n, 0);
    assert_false(sl_catalog_forget(c, "shop", &err));
    assert_int_equal(err.code, SL_EINPUT);
    struct sl_record b = shop();
    stored(c, &b);
    assert_int_equal(b.id,
                     2); // a number is never given twice: old flows cannot be taken for new ones
    sl_catalog_close(c);
}

static void flows_of_another_catalogue_are_refused(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_catalog *c = opened(true);
    assert_true(sl_catalog_store_flows(c, 1, NULL, 0, &err));
    sl_catalog_close(c);
    assert_int_equal(unlink(file), 0);
    c = opened(true);
    assert_false(sl_catalog_store_flows(c, 1, NULL, 0, &err));
    assert_int_equal(err.code, SL_EINPUT);
    assert_non_null(strstr(err.msg, "belong to another catalogue"));
    struct sl_record r = shop();
    stored(c, &r); // the handle still works
    sl_catalog_close(c);
}

static void a_reader_sees_whole_observations_while_a_writer_writes(void **state)
{
    (void)state;
    struct sl_catalog *w = opened(true), *r = opened(false);
    struct sl_record a = shop();
    stored(w, &a);
    struct sl_error err = {0};
    assert_true(sl_db_begin(w, &err)); // in the middle of a write
    struct sl_record *back = found(r, &a);
    assert_non_null(back);
    same_record(&a, back, true);
    sl_record_free(back);
    assert_true(sl_db_end(w, true, &err));
    assert_false(sl_catalog_forget(r, "shop", &err)); // a reader cannot write
    assert_int_equal(err.code, SL_ERUN);
    sl_catalog_close(r);
    sl_catalog_close(w);
}

static void a_second_writer_waits_and_then_says_who_is_in_the_way(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_catalog *a = opened(true), *b = opened(true);
    struct sl_record r = shop();
    assert_true(sl_db_begin(a, &err));
    sl_catalog_set_patience(b, 20000000);
    int64_t start = sl_mono_ns();
    assert_false(sl_catalog_store(b, &r, &err));
    assert_true(sl_mono_ns() - start >= 18000000);
    assert_int_equal(err.code, SL_ERUN);
    assert_non_null(strstr(err.msg, "locked by another program"));
    assert_true(err.hint[0]);
    assert_true(sl_db_end(a, true, &err));
    stored(b, &r);
    sl_catalog_close(a);
    sl_catalog_close(b);
}

static void a_full_disk_stores_nothing_and_says_so(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_catalog *c = opened(true);
    struct sl_record a = shop(), b = shop();
    stored(c, &a);
    assert_true(sl_db_exec(c, "PRAGMA max_page_count = 1", &err)); // rounds up to the present size
    b.repo = "https://example.org/big";
    static struct sl_edge many[3000];
    for (size_t i = 0; i < 3000; i++)
        many[i] = first_edges[0];
    struct sl_phase phase = {.name = "idle", .edges = many, .n_edges = 3000};
    b.phases = &phase;
    b.n_phases = 1;
    assert_false(sl_catalog_store(c, &b, &err));
    assert_int_equal(err.code, SL_ERUN);
    assert_non_null(strstr(err.msg, "no space left"));
    assert_int_equal(b.id, 0);
    int64_t n;
    assert_true(sl_db_int(c, "SELECT count(*) FROM project", &n, &err));
    assert_int_equal(n, 1);
    sl_catalog_close(c);
}

static void refused(const char *needle, enum sl_code code)
{
    for (int write = 0; write < 2; write++) {
        struct sl_error err = {0};
        assert_null(sl_catalog_open(file, write, &err));
        assert_int_equal(err.code, code);
        if (!strstr(err.msg, needle))
            fail_msg("'%s' does not say '%s'", err.msg, needle);
        assert_true(err.hint[0]);
    }
}

static void files_that_are_no_catalogue_are_refused(void **state)
{
    (void)state;
    struct sl_error err = {0};
    assert_null(sl_catalog_open(file, false, &err));
    assert_int_equal(err.code, SL_EINPUT);
    assert_non_null(strstr(err.msg, "there is no catalogue"));
    char text[4096];
    memset(text, 'x', sizeof text);
    assert_true(sl_write_file(file, text, sizeof text, &err));
    refused("not an SQLite file", SL_EINPUT);
    unlink(file);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    refused("not a catalogue of Sluice", SL_EINPUT);
}

static void a_damaged_file_is_named_as_such(void **state)
{
    (void)state;
    struct sl_catalog *c = opened(true);
    struct sl_record r = shop();
    stored(c, &r);
    sl_catalog_close(c);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    FILE *f = fopen(file, "r+");
    assert_non_null(f);
    for (long at = 8192; at < st.st_size; at++) { // everything behind the first page
        fseek(f, at, SEEK_SET);
        fputc(0xa5, f);
    }
    fclose(f);
    struct sl_error err = {0};
    c = sl_catalog_open(file, false, &err);
    if (c) {
        struct sl_record **all;
        size_t n;
        assert_false(sl_catalog_load_all(c, &all, &n, &err));
        sl_catalog_close(c);
    }
    assert_int_equal(err.code, SL_EINPUT);
    assert_non_null(strstr(err.msg, "damaged"));
}

static void a_newer_schema_is_refused(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_catalog *c = opened(true);
    assert_true(sl_db_exec(c, "UPDATE meta SET value = '99' WHERE key = 'schema_version'", &err));
    sl_catalog_close(c);
    refused("newer Sluice (schema 99", SL_EINPUT);
}

static void an_older_schema_is_brought_up_to_date_step_by_step(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_catalog *c = opened(true);
    const char *const steps[] = {sl_catalog_schema.steps[0],
                                 "ALTER TABLE @.project ADD COLUMN licence TEXT;"
                                 "CREATE TABLE @.extra(x) STRICT",
                                 "SELECT 1"};
    // A step that fails (STRICT wants a type) leaves the file as it was.
    assert_false(sl_db_migrate(c, "main", &(struct sl_migrations){steps, 3}, &err));
    int64_t n;
    assert_true(sl_db_int(
        c, "SELECT count(*) FROM pragma_table_info('project') WHERE name = 'licence'", &n, &err));
    assert_int_equal(n, 0);
    const char *const good[] = {steps[0], "ALTER TABLE @.project ADD COLUMN licence TEXT",
                                "UPDATE @.project SET licence = 'x'"};
    assert_true(sl_db_migrate(c, "main", &(struct sl_migrations){good, 3}, &err));
    assert_true(sl_db_int(c, "SELECT value FROM meta WHERE key = 'schema_version'", &n, &err));
    assert_int_equal(n, 3);
    sl_catalog_close(c);
}

// Stores as fast as it can until it is killed; every 20th time it has a shop of its own.
static void write_until_killed(int ready)
{
    struct sl_error err = {0};
    struct sl_catalog *c = sl_catalog_open(file, true, &err);
    for (int i = 0; c; i++) {
        struct sl_record r = shop();
        char repo[32];
        snprintf(repo, sizeof repo, "repo-%d", i);
        r.repo = repo;
        if (!sl_catalog_store(c, &r, &err) || (i == 20 && write(ready, "x", 1) != 1))
            break;
    }
    _exit(1);
}

static void a_killed_writer_leaves_a_good_file(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            write_until_killed(ready[1]);
        char x;
        assert_int_equal(read(ready[0], &x, 1), 1);
        usleep((useconds_t)(1000 * round + 300)); // the moment is meant to be arbitrary
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(ready[0]);
        close(ready[1]);
        struct sl_error err = {0};
        struct sl_catalog *c = opened(true);
        int64_t n;
        assert_true(
            sl_db_int(c, "SELECT integrity_check = 'ok' FROM pragma_integrity_check", &n, &err));
        assert_int_equal(n, 1);
        struct sl_record **all;
        size_t count;
        assert_true(sl_catalog_load_all(c, &all, &count, &err));
        assert_true(count >= 21);
        struct sl_record want = shop();
        for (size_t i = 0; i < count; i++) { // whole or not there
            same_services(&want, all[i]);
            same_phases(&want, all[i]);
            sl_record_free(all[i]);
        }
        free(all);
        sl_catalog_close(c);
        assert_int_equal(unlink(file), 0);
    }
}

static void several_programs_may_make_the_same_catalogue(void **state)
{
    (void)state;
    enum { PROGRAMS = 8, ROUNDS = 6 };
    for (int round = 0; round < ROUNDS; round++) {
        pid_t child[PROGRAMS];
        for (int i = 0; i < PROGRAMS; i++) {
            child[i] = fork();
            if (child[i])
                continue;
            struct sl_error err = {0};
            struct sl_catalog *c = sl_catalog_open(file, true, &err);
            char repo[16];
            snprintf(repo, sizeof repo, "repo-%d", i);
            struct sl_record r = shop();
            r.repo = repo;
            bool ok = c && sl_catalog_store(c, &r, &err) &&
                      sl_catalog_store_flows(c, r.id, NULL, 0, &err);
            if (!ok)
                fprintf(stderr, "# %s\n", err.msg);
            sl_catalog_close(c);
            _exit(ok ? 0 : 1);
        }
        for (int i = 0; i < PROGRAMS; i++) {
            int status;
            waitpid(child[i], &status, 0);
            assert_int_equal(status, 0);
        }
        struct sl_catalog *c = opened(false);
        struct sl_error err = {0};
        int64_t n;
        assert_true(sl_db_int(c, "SELECT count(*) FROM project", &n, &err));
        assert_int_equal(n, PROGRAMS);
        sl_catalog_close(c);
        assert_true(sl_remove_tree(folder, &err) && sl_mkdirs(folder, &err));
    }
}

// Needs root to become somebody who may not write there.
static void a_shipped_file_in_a_folder_one_cannot_write_is_readable(void **state)
{
    (void)state;
    if (getuid() != 0)
        skip();
    struct sl_catalog *c = opened(true);
    struct sl_record r = shop();
    stored(c, &r);
    sl_catalog_close(c);
    assert_int_equal(chmod(folder, 0555), 0);
    assert_int_equal(chmod(file, 0444), 0);
    pid_t child = fork();
    if (child == 0) {
        struct sl_error err = {0};
        bool there = false;
        struct sl_record *back = NULL;
        if (setgid(65534) || setuid(65534) || !(c = sl_catalog_open(file, false, &err)) ||
            !sl_catalog_find(c, r.repo, r.compose_path, r.digest, &there, &back, &err) || !there) {
            fprintf(stderr, "# %s\n", err.msg);
            _exit(1);
        }
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    chmod(folder, 0755);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, drop_folder)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_a_name_that_leads_back_to_it),
        T(a_stored_observation_comes_back_as_it_was),
        T(storing_and_loading_is_the_identity),
        T(a_new_observation_replaces_the_summary_and_keeps_the_history),
        T(a_failure_hides_a_project_from_the_planner_but_not_its_last_good_observation),
        T(a_folder_that_moved_to_another_commit_stays_one_project),
        T(classes_are_summed_per_phase_and_the_best_driven_phase_counts),
        T(projects_are_shown_by_name_repository_or_number),
        T(forgetting_removes_everything_of_a_project_and_its_flows),
        T(flows_of_another_catalogue_are_refused),
        T(a_reader_sees_whole_observations_while_a_writer_writes),
        T(a_second_writer_waits_and_then_says_who_is_in_the_way),
        T(a_full_disk_stores_nothing_and_says_so),
        T(files_that_are_no_catalogue_are_refused),
        T(a_damaged_file_is_named_as_such),
        T(a_newer_schema_is_refused),
        T(an_older_schema_is_brought_up_to_date_step_by_step),
        T(a_killed_writer_leaves_a_good_file),
        T(several_programs_may_make_the_same_catalogue),
        T(a_shipped_file_in_a_folder_one_cannot_write_is_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
