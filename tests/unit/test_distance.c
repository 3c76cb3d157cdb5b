// SPDX-License-Identifier: Apache-2.0
// Expected numbers: scipy 1.10.1 and numpy 1.24.2 where it says so, else by hand.
#include "base/mem.h"
#include "base/rng.h"
#include "stats/acf.h"
#include "stats/distance.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static void close_to(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fmax(fabs(want), 1e-300)))
        fail_msg("%.17g is not %.17g", got, want);
}

static void divergence_is_what_scipy_gives_in_either_base(void **state)
{
    (void)state;
    const double p[] = {10, 20, 30, 40}, q[] = {25, 25, 25, 25};
    close_to(sl_jsd(p, q, 4), 0.02786561345727674, 1e-12); // scipy's jensenshannon, squared
    close_to(sl_jsd2(p, q, 4), 0.04020158234614192, 1e-12);
    close_to(sqrt(sl_jsd(p, q, 4)), 0.16692996572597965, 1e-12);
    close_to(sqrt(sl_jsd2(p, q, 4)), 0.2005033225314282, 1e-12);
    close_to(sl_total_variation(p, q, 4), 0.2, 1e-12); // by hand: (.15 + .05 + .05 + .15) / 2
}

static void divergence_is_one_without_common_support_and_zero_when_equal(void **state)
{
    (void)state;
    const double p[] = {1, 2, 0, 0}, q[] = {0, 0, 5, 1}, twice[] = {2, 4, 0, 0};
    close_to(sl_jsd2(p, q, 4), 1, 1e-15);
    close_to(sl_jsd(p, q, 4), log(2), 1e-15);
    assert_true(sl_jsd2(p, twice, 4) == 0);
    assert_true(isnan(sl_jsd2(p, (double[4]){0}, 4)));
}

static struct sl_dist dist(const double *x, const double *w, size_t n)
{
    return (struct sl_dist){x, w, n};
}

static void earth_movers_distance_is_what_scipy_gives(void **state)
{
    (void)state;
    const double a[] = {1, 2, 3, 4, 5}, b[] = {2, 2, 4, 8};
    struct sl_dist p = dist(a, NULL, 5), q = dist(b, NULL, 4);
    close_to(sl_w1(&p, &q), 1.2, 1e-12);
    close_to(sl_w1(&q, &p), 1.2, 1e-12);
    const double c[] = {0, 1, 3}, cw[] = {3, 1, 2}, d[] = {5, 6, 8}, dw[] = {1, 1, 4};
    struct sl_dist r = dist(c, cw, 3), s = dist(d, dw, 3);
    close_to(sl_w1(&r, &s), 6.0, 1e-12);
}

static void moving_a_sample_costs_the_length_of_the_way(void **state)
{
    (void)state;
    double a[100], b[100];
    struct sl_rng rng = sl_rng_stream(7, "test.distance", 0);
    for (int i = 0; i < 100; i++)
        a[i] = sl_rng_normal(&rng);
    sl_sort_samples(a, NULL, 100);
    for (int i = 0; i < 100; i++)
        b[i] = a[i] - 2.5;
    struct sl_dist p = dist(a, NULL, 100), q = dist(b, NULL, 100);
    close_to(sl_w1(&p, &q), 2.5, 1e-12);
}

static void kolmogorov_smirnov_is_what_scipy_gives(void **state)
{
    (void)state;
    const double a[] = {1, 2, 3, 4, 5}, b[] = {2, 2, 4, 8};
    struct sl_dist p = dist(a, NULL, 5), q = dist(b, NULL, 4);
    close_to(sl_ks(&p, &q), 0.25, 1e-12);
    close_to(sl_ks_p(0.25, 5, 4), 0.9920634920634921, 1e-12); // 125 of the 126 interleavings
    close_to(sl_ks_p_exact(1, 3, 3), 2.0 / 20, 1e-12);        // by hand: AAABBB and BBBAAA
    close_to(sl_ks_p_exact(1, 1, 1), 1, 1e-12);
    // Smirnov's table: 1.3581 is the 5 % point of the limit law, 1.6276 the 1 % point.
    close_to(sl_ks_p_asymptotic(1.3581 / sqrt(50), 100, 100), 0.05, 1e-3);
    close_to(sl_ks_p_asymptotic(1.6276 / sqrt(50), 100, 100), 0.01, 1e-3);
    assert_true(sl_ks_p_asymptotic(0, 100, 100) == 1);
}

static void exact_and_limit_p_agree_for_large_samples(void **state)
{
    (void)state;
    for (double d = 0.06; d < 0.12; d += 0.02)
        close_to(sl_ks_p_exact(d, 500, 499), sl_ks_p_asymptotic(d, 500, 499), 0.12);
}

static void quantiles_are_numpys(void **state)
{
    (void)state;
    const double x[] = {1, 2, 4, 8}; // numpy.quantile(x, [0, .25, .5, .9, 1])
    struct sl_dist d = dist(x, NULL, 4);
    close_to(sl_dist_quantile(&d, 0), 1, 1e-12);
    close_to(sl_dist_quantile(&d, .25), 1.75, 1e-12);
    close_to(sl_dist_quantile(&d, .5), 3, 1e-12);
    close_to(sl_dist_quantile(&d, .9), 6.8, 1e-12);
    close_to(sl_dist_quantile(&d, 1), 8, 1e-12);
    const double w[] = {1, 0, 2, 1};
    d.w = w;
    close_to(sl_dist_quantile(&d, .25), 1, 1e-12); // F(1) = 1/4
    close_to(sl_dist_quantile(&d, .26), 4, 1e-12);
}

static void bins_are_the_finer_of_freedman_diaconis_and_sturges(void **state)
{
    (void)state;
    double x[1000];
    for (int i = 0; i < 1000; i++)
        x[i] = i;
    struct sl_dist d = dist(x, NULL, 1000);
    struct sl_bins b;
    // By hand: range 999; h = 2 (749.25 - 249.75) / 10 = 99.9 gives 10; Sturges 999/(log2 1000 + 1)
    // = 91.1 is finer and gives 11.
    sl_bins_auto(&b, &d, false);
    assert_int_equal(b.n, 11);
    for (int i = 0; i < 1000; i++) // squeezed in the middle: Freedman-Diaconis is finer
        x[i] = pow((i - 499.5) / 499.5, 3);
    // Quartiles +-0.125124: h = 2 * 0.250249 / 10 = 0.05005, 2 / h = 39.96.
    sl_bins_auto(&b, &d, false);
    assert_int_equal(b.n, 40);
}

static void no_mass_is_lost_outside_the_reference(void **state)
{
    (void)state;
    const double r[] = {1, 2, 3, 4}, s[] = {-5, 0, 2, 4, 4.5, 100};
    struct sl_dist p = dist(r, NULL, 4), q = dist(s, NULL, 6);
    struct sl_bins b;
    sl_bins_auto(&b, &p, false);
    double cells[SL_BINS_MAX + 2];
    sl_bins_count(&b, &q, cells);
    assert_true(cells[0] == 2 && cells[b.n + 1] == 2 && cells[b.n] == 1); // 4 is in the last bin
    double sum = 0;
    for (size_t i = 0; i < b.n + 2; i++)
        sum += cells[i];
    assert_true(sum == 6);
}

static void logarithmic_bins_keep_zeros_apart(void **state)
{
    (void)state;
    const double r[] = {0, 0, 1, 10, 100, 1000};
    struct sl_dist p = dist(r, NULL, 6);
    struct sl_bins b;
    sl_bins_auto(&b, &p, true);
    assert_true(b.log && b.lo == 1 && b.hi == 1000);
    assert_int_equal(sl_bins_cell(&b, 0), 0);
    assert_int_equal(sl_bins_cell(&b, 1), 1);
    assert_int_equal(sl_bins_cell(&b, 1000), b.n);
    assert_int_equal(sl_bins_cell(&b, 1001), b.n + 1);
    close_to(log(sl_bins_edge(&b, 1) / sl_bins_edge(&b, 0)),
             log(sl_bins_edge(&b, b.n) / sl_bins_edge(&b, b.n - 1)), 1e-9);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void sorting_agrees_with_the_library_and_takes_tags_along(void **state)
{
    (void)state;
    enum { N = 5000 };
    struct sl_rng rng = sl_rng_stream(3, "test.sort", 0);
    for (int kind = 0; kind < 4; kind++)
        for (size_t n = 0; n < N; n = n * 3 + 1) {
            double *x = sl_alloc((n + 1) * sizeof *x), *want = sl_alloc((n + 1) * sizeof *x),
                   *old = sl_alloc((n + 1) * sizeof *x);
            uint32_t *tag = sl_alloc((n + 1) * sizeof *tag);
            for (size_t i = 0; i < n; i++) {
                double v = sl_rng_normal(&rng);
                x[i] = kind == 0   ? v
                       : kind == 1 ? floor(v * 1000)
                       : kind == 2 ? v * 1e300
                                   : (double)sl_rng_below(&rng, 5);
                want[i] = old[i] = x[i];
                tag[i] = (uint32_t)i;
            }
            sl_sort_samples(x, tag, n);
            if (n)
                qsort(want, n, sizeof *want, by_value);
            for (size_t i = 0; i < n; i++) {
                assert_true(x[i] == want[i] && old[tag[i]] == x[i]);
                assert_true(!i || x[i] > x[i - 1] || tag[i] > tag[i - 1]); // stable
            }
            free(x), free(want), free(old), free(tag);
        }
}

static void splitting_one_sample_is_comparing_two(void **state)
{
    (void)state;
    enum { N = 400 };
    double x[N], a[N], b[N];
    uint32_t tag[N];
    uint8_t side[N] = {0};
    struct sl_rng rng = sl_rng_stream(5, "test.split", 0);
    for (uint32_t i = 0; i < N; i++) {
        x[i] = floor(sl_rng_exponential(&rng, 20));
        tag[i] = i;
        if (sl_rng_below(&rng, 3) == 0)
            side[i] = 1 << 3;
    }
    sl_sort_samples(x, tag, N);
    size_t na = 0, nb = 0;
    for (size_t i = 0; i < N; i++)
        if (side[tag[i]])
            a[na++] = x[i];
        else
            b[nb++] = x[i];
    struct sl_dist p = dist(a, NULL, na), q = dist(b, NULL, nb), all = dist(x, NULL, N);
    struct sl_bins bins;
    sl_bins_auto(&bins, &all, false);
    struct sl_distance want, all_splits[4], got;
    sl_distance_samples(&p, &q, &bins, sl_w1_scale(&all), &want);
    sl_distance_splits(x, tag, N, side, 4, &bins, sl_w1_scale(&all), all_splits);
    got = all_splits[3];
    assert_true(want.w1 > 0 && isnan(all_splits[0].ks)); // nobody is in the first part of split 0
    close_to(got.jsd, want.jsd, 1e-12);
    close_to(got.w1, want.w1, 1e-12);
    close_to(got.nw1, want.nw1, 1e-12);
    close_to(got.ks, want.ks, 1e-12);
}

static void distances_of_ordered_tables_are_those_of_their_samples(void **state)
{
    (void)state;
    const double p[] = {1, 3, 0, 2}, q[] = {0, 2, 2, 0};
    const double a[] = {0, 1, 1, 1, 3, 3}, b[] = {1, 1, 2, 2};
    struct sl_dist x = dist(a, NULL, 6), y = dist(b, NULL, 4);
    struct sl_distance d;
    sl_distance_tables(p, q, 4, true, &d);
    close_to(d.w1, sl_w1(&x, &y), 1e-12);
    close_to(d.ks, sl_ks(&x, &y), 1e-12);
    sl_distance_tables(p, q, 4, false, &d);
    assert_true(isnan(d.w1) && isnan(d.ks) && d.jsd > 0);
}

static void nothing_to_compare_is_not_zero(void **state)
{
    (void)state;
    const double a[] = {1};
    struct sl_dist p = dist(a, NULL, 1), none = dist(NULL, NULL, 0);
    struct sl_bins b;
    sl_bins_auto(&b, &none, true);
    struct sl_distance d;
    sl_distance_samples(&p, &none, &b, NAN, &d);
    assert_true(isnan(d.jsd) && isnan(d.w1) && isnan(d.nw1) && isnan(d.ks));
    sl_distance_samples(&p, &p, &b, NAN, &d); // one value, without spread: equal all the same
    assert_true(d.jsd == 0 && d.w1 == 0 && d.nw1 == 0 && d.ks == 0);
}

static void a_plotted_distribution_skips_no_large_step(void **state)
{
    (void)state;
    enum { N = 20000, MAX = 100 };
    double *x = sl_alloc(N * sizeof *x);
    struct sl_rng rng = sl_rng_stream(9, "test.ecdf", 0);
    for (int i = 0; i < N; i++)
        x[i] = i % 3 ? sl_rng_exponential(&rng, 1) : 40; // a third at one value
    sl_sort_samples(x, NULL, N);
    struct sl_dist d = dist(x, NULL, N);
    struct sl_ecdf_point at[MAX];
    size_t n = sl_ecdf(&d, at, MAX);
    assert_in_range(n, 10, MAX);
    assert_true(at[0].x == x[0] && at[n - 1].f == 1 && at[n - 1].x == x[N - 1]);
    for (size_t i = 1; i < n; i++) {
        assert_true(at[i].x >= at[i - 1].x && at[i].f >= at[i - 1].f);
        assert_true(at[i].f - at[i - 1].f < 0.03 || at[i].x <= at[i - 1].x); // the step at 40
    }
    free(x);
}

static void summaries_are_hand_sums(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3, 6}; // mean 3, population variance (4 + 1 + 0 + 9) / 4
    struct sl_dist d = dist(x, NULL, 4);
    struct sl_summary s;
    sl_summarise(&d, &s);
    assert_true(s.n == 4 && s.mean == 3 && s.q[0] == 1 && s.q[4] == 2.5 && s.q[8] == 6);
    close_to(s.sd, sqrt(3.5), 1e-12);
    d.n = 0;
    sl_summarise(&d, &s);
    assert_true(s.n == 0 && isnan(s.mean) && isnan(s.q[4]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divergence_is_what_scipy_gives_in_either_base),
        cmocka_unit_test(divergence_is_one_without_common_support_and_zero_when_equal),
        cmocka_unit_test(earth_movers_distance_is_what_scipy_gives),
        cmocka_unit_test(moving_a_sample_costs_the_length_of_the_way),
        cmocka_unit_test(kolmogorov_smirnov_is_what_scipy_gives),
        cmocka_unit_test(exact_and_limit_p_agree_for_large_samples),
        cmocka_unit_test(quantiles_are_numpys),
        cmocka_unit_test(bins_are_the_finer_of_freedman_diaconis_and_sturges),
        cmocka_unit_test(no_mass_is_lost_outside_the_reference),
        cmocka_unit_test(logarithmic_bins_keep_zeros_apart),
        cmocka_unit_test(sorting_agrees_with_the_library_and_takes_tags_along),
        cmocka_unit_test(splitting_one_sample_is_comparing_two),
        cmocka_unit_test(distances_of_ordered_tables_are_those_of_their_samples),
        cmocka_unit_test(nothing_to_compare_is_not_zero),
        cmocka_unit_test(a_plotted_distribution_skips_no_large_step),
        cmocka_unit_test(summaries_are_hand_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
