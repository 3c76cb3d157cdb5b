// SPDX-License-Identifier: Apache-2.0
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/rng.h"
#include "base/str.h"
#include "base/units.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void numbers_with_junk_behind_them_are_refused_and_quoted(void **state)
{
    (void)state;
    struct sl_error err = {0};
    uint64_t v = 77;
    assert_false(sl_parse_u64("5x", 0, 10, &v, &err));
    assert_non_null(strstr(err.msg, "5x"));
    assert_int_equal(v, 77); // outputs are written on success only
    assert_false(sl_parse_u64("99999999999999999999", 0, UINT64_MAX, &v, &err));
    assert_false(sl_parse_u64("-1", 0, 10, &v, &err));
    assert_true(sl_parse_u64("10", 0, 10, &v, &err));
    assert_int_equal(v, 10);
}

static void rates_need_a_unit(void **state)
{
    (void)state;
    struct sl_error err = {0};
    double bps;
    assert_true(sl_parse_rate_bps("20 Mbps", &bps, &err));
    assert_true(bps == 20e6);
    assert_false(sl_parse_rate_bps("20", &bps, &err));
    int64_t ns;
    assert_true(sl_parse_duration_ns("30s", &ns, &err));
    assert_int_equal(ns, 30000000000);
    assert_false(sl_parse_duration_ns("nan s", &ns, &err));
}

static void rates_are_printed_with_three_digits_and_a_unit(void **state)
{
    (void)state;
    char buf[32];
    assert_string_equal(sl_format_rate(20e6, buf, sizeof buf), "20.0 M");
    assert_string_equal(sl_format_rate(999, buf, sizeof buf), "999");
    assert_string_equal(sl_format_rate(999999, buf, sizeof buf), "1.0 M");
}

static void context_is_put_in_front_of_an_error(void **state)
{
    (void)state;
    struct sl_error err = {0};
    sl_fail(&err, SL_EENV, "no engine");
    assert_false(sl_within(&err, "starting '%s'", "shop"));
    assert_string_equal(err.msg, "starting 'shop': no engine");
    assert_int_equal(err.code, SL_EENV);
}

// FIPS 180-2, appendix B.1.
static void sha256_of_abc_is_the_published_value(void **state)
{
    (void)state;
    char hex[65];
    sl_sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// Kolmogorov-Smirnov against 1 - exp(-x/3); the bound is the 0.1 % critical value 1.95/sqrt(n).
static void exponential_draws_follow_their_distribution(void **state)
{
    (void)state;
    enum { N = 20000, BINS = 400 };
    struct sl_rng rng = sl_rng_stream(7, "test.exponential", 0);
    unsigned count[BINS + 1] = {0};
    for (int i = 0; i < N; i++) {
        double x = sl_rng_exponential(&rng, 3.0);
        int b = (int)(x / 0.1);
        count[b < BINS ? b : BINS]++;
    }
    double worst = 0, cumulative = 0;
    for (int b = 0; b < BINS; b++) {
        cumulative += count[b];
        double expect = 1 - exp(-(b + 1) * 0.1 / 3.0);
        worst = fmax(worst, fabs(cumulative / N - expect));
    }
    assert_true(worst < 1.95 / sqrt(N));
}

static void a_stream_is_not_disturbed_by_its_neighbours(void **state)
{
    (void)state;
    struct sl_rng a = sl_rng_stream(1, "x", 0), b = sl_rng_stream(1, "x", 1),
                  c = sl_rng_stream(1, "x", 0);
    uint64_t first = sl_rng_u64(&a);
    sl_rng_u64(&b);
    assert_int_equal(sl_rng_u64(&c), first);
    struct sl_rng d = sl_rng_stream(1, "x", 1);
    assert_int_not_equal(sl_rng_u64(&d), first);
}

static void a_path_that_climbs_out_of_its_root_is_not_inside(void **state)
{
    (void)state;
    char root[] = "/tmp/sl-base-XXXXXX";
    assert_non_null(mkdtemp(root));
    char path[128];
    snprintf(path, sizeof path, "%s/a", root);
    assert_true(sl_path_inside(root, path)); // not there yet
    snprintf(path, sizeof path, "%s/../x", root);
    assert_false(sl_path_inside(root, path));
    snprintf(path, sizeof path, "%s/link", root);
    assert_int_equal(symlink("/etc", path), 0);
    assert_false(sl_path_inside(root, path));
    snprintf(path, sizeof path, "%s/link/passwd", root);
    assert_false(sl_path_inside(root, path));
    snprintf(path, sizeof path, "%s/dangling", root);
    assert_int_equal(symlink("/nowhere/at/all", path), 0);
    assert_false(sl_path_inside(root, path));
    snprintf(path, sizeof path, "%s/new/../../x", root);
    assert_false(sl_path_inside(root, path));
    struct sl_error err;
    assert_true(sl_remove_tree(root, &err));
    assert_true(sl_is_dir("/etc")); // the link was removed, not followed
}

// A file is replaced, its link followed and its mode kept; a pipe is written to and stays one.
static void writing_replaces_files_and_nothing_else(void **state)
{
    (void)state;
    char root[] = "/tmp/sl-base-XXXXXX", file[64], link[64], pipe[64], buf[16] = "";
    struct sl_error err = {0};
    struct stat st;
    assert_non_null(mkdtemp(root));
    snprintf(file, sizeof file, "%s/file", root);
    snprintf(link, sizeof link, "%s/link", root);
    snprintf(pipe, sizeof pipe, "%s/pipe", root);
    assert_true(sl_write_file(file, "one", 3, &err));
    assert_int_equal(chmod(file, 0600), 0);
    assert_int_equal(symlink("file", link), 0);
    assert_true(sl_write_file(link, "three", 5, &err));
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 5);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    int fd = open(pipe, O_RDWR);
    assert_true(sl_write_file(pipe, "two", 3, &err));
    assert_int_equal(read(fd, buf, sizeof buf), 3);
    assert_string_equal(buf, "two");
    close(fd);
    assert_int_equal(lstat(pipe, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    assert_false(sl_write_file("/nonexistent/x", "x", 1, &err));
    DIR *d = opendir(root); // nothing else is left
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    assert_int_equal(n, 5);
    assert_true(sl_remove_tree(root, &err));
}

static void a_program_that_hangs_is_stopped_at_its_deadline(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_proc_options opt = {.deadline_ns = 200000000};
    assert_false(sl_proc_run((const char *[]){"sleep", "30", NULL}, &opt, &err));
    assert_non_null(strstr(err.msg, "did not end"));
}

static void a_programs_complaint_is_part_of_the_error(void **state)
{
    (void)state;
    struct sl_error err = {0};
    struct sl_str out = {0};
    struct sl_proc_options opt = {.input = "hello", .input_len = 5, .out = &out};
    assert_true(sl_proc_run((const char *[]){"cat", NULL}, &opt, &err));
    assert_string_equal(sl_str_text(&out), "hello");
    sl_str_done(&out);
    assert_false(sl_proc_run((const char *[]){"sh", "-c", "echo broken pump >&2; exit 3", NULL},
                             NULL, &err));
    assert_non_null(strstr(err.msg, "broken pump"));
    assert_non_null(strstr(err.msg, "status 3"));
    assert_false(sl_proc_run((const char *[]){"no-such-program-here", NULL}, NULL, &err));
    assert_int_equal(err.code, SL_EENV);
}

static void the_nearest_word_is_offered_only_when_it_is_near(void **state)
{
    (void)state;
    const char *const words[] = {"postgresql", "redis", "web"};
    assert_string_equal(sl_nearest("postgress", words, 3), "postgresql");
    assert_null(sl_nearest("zzzzzz", words, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_with_junk_behind_them_are_refused_and_quoted),
        cmocka_unit_test(rates_need_a_unit),
        cmocka_unit_test(rates_are_printed_with_three_digits_and_a_unit),
        cmocka_unit_test(context_is_put_in_front_of_an_error),
        cmocka_unit_test(sha256_of_abc_is_the_published_value),
        cmocka_unit_test(exponential_draws_follow_their_distribution),
        cmocka_unit_test(a_stream_is_not_disturbed_by_its_neighbours),
        cmocka_unit_test(a_path_that_climbs_out_of_its_root_is_not_inside),
        cmocka_unit_test(writing_replaces_files_and_nothing_else),
        cmocka_unit_test(a_program_that_hangs_is_stopped_at_its_deadline),
        cmocka_unit_test(a_programs_complaint_is_part_of_the_error),
        cmocka_unit_test(the_nearest_word_is_offered_only_when_it_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
