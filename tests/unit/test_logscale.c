// SPDX-License-Identifier: Apache-2.0
// Expected numbers: PyWavelets 1.1.1 and scipy 1.10.1 where it says so, else by hand or theory.
#include "base/mem.h"
#include "base/rng.h"
#include "stats/acf.h"
#include "stats/logscale.h"
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
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("%.17g is not %.17g", got, want);
}

static const double pi_digits[16] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3};

static void periodised_energies_are_those_of_pywavelets(void **state)
{
    (void)state;
    static const struct {
        enum sl_wavelet w;
        double mu[4];
    } want[] = {{SL_HAAR, {6.125, 4.875, 13.625, 20.25}},
                {SL_DB2, {6.304647228311384, 8.034595337736528, 16.3175381424491}},
                {SL_DB3, {5.108790319450282, 3.0784744430922637, 23.98551144942385}}};
    for (size_t t = 0; t < 3; t++) {
        struct sl_filter f;
        sl_wavelet_filter(want[t].w, &f);
        double x[16], d[8], a[8], sum = 0;
        memcpy(x, pi_digits, sizeof x);
        size_t n = 16;
        for (int j = 0; j < 4 && want[t].mu[j] > 0; j++) {
            sl_wavelet_periodic(&f, x, n, d, a);
            n /= 2;
            double e = 0;
            for (size_t k = 0; k < n; k++)
                e += d[k] * d[k];
            close_to(e / (double)n, want[t].mu[j], 1e-9);
            sum += e;
            memcpy(x, a, n * sizeof *x);
        }
        for (size_t k = 0; k < n; k++)
            sum += x[k] * x[k];
        close_to(sum, 516, 1e-12); // Parseval: the sum of squares of the input
    }
}

static void energy_is_kept_for_any_series(void **state)
{
    (void)state;
    struct sl_rng rng = sl_rng_stream(1, "test.parseval", 0);
    for (enum sl_wavelet w = SL_HAAR; w < SL_WAVELETS; w++)
        for (size_t n = 8; n <= 256; n += 2) {
            struct sl_filter f;
            sl_wavelet_filter(w, &f);
            double x[256], d[128], a[128], in = 0, out = 0;
            for (size_t i = 0; i < n; i++)
                x[i] = sl_rng_normal(&rng), in += x[i] * x[i];
            sl_wavelet_periodic(&f, x, n, d, a);
            for (size_t k = 0; k < n / 2; k++)
                out += d[k] * d[k] + a[k] * a[k];
            close_to(out, in, 1e-12);
        }
}

static void three_vanishing_moments_do_not_see_a_parabola(void **state)
{
    (void)state;
    double x[64], y[64];
    for (int i = 0; i < 64; i++)
        x[i] = 5 + 3 * i - 0.25 * i * i, y[i] = 7;
    struct sl_filter f;
    sl_wavelet_filter(SL_DB3, &f);
    double energy = 0;
    assert_int_equal(sl_wavelet_inner(&f, x, 64, &energy), 30); // floor((64 - 6)/2) + 1
    assert_true(energy < 1e-18);
    sl_wavelet_filter(SL_HAAR, &f);
    assert_int_equal(sl_wavelet_inner(&f, y, 63, &energy), 31);
    assert_true(energy < 1e-18); // Haar: only a constant
}

static void bias_and_variance_of_an_octave_are_scipys(void **state)
{
    (void)state;
    static const struct {
        double n, g, var;
    } want[] = {{4, -0.3900511363879038, 1.342345761531696},
                {8, -0.18780526898043437, 0.5907402961685593},
                {64, -0.022659505376695144, 0.06606965842804868},
                {1024, -0.0014093404960959788, 0.004069146271872796}};
    for (size_t i = 0; i < 4; i++) { // differences of near equals: absolute
        assert_true(fabs(sl_logscale_g(want[i].n) - want[i].g) < 1e-13);
        assert_true(fabs(sl_logscale_var(want[i].n) - want[i].var) < 1e-13);
    }
    close_to(sl_digamma(1), -0.57721566490153286, 1e-13); // minus Euler's constant
    close_to(sl_trigamma(1), 1.6449340668482264, 1e-13);  // pi^2/6
    close_to(sl_trigamma(0.5), 4.934802200544679, 1e-13); // pi^2/2
}

static void fit(double *x, size_t n, enum sl_wavelet w, size_t j1, size_t j2, struct sl_slope *out)
{
    struct sl_logscale d;
    sl_logscale_of(x, n, 1e-3, w, &d);
    sl_logscale_slope(&d, j1, j2, out);
}

static void white_noise_is_flat_and_a_random_walk_has_slope_two(void **state)
{
    (void)state;
    enum { N = 65536 };
    double *x = sl_alloc(N * sizeof *x), *walk = sl_alloc(N * sizeof *walk);
    struct sl_slope s;
    for (enum sl_wavelet w = SL_HAAR; w < SL_WAVELETS; w++) {
        struct sl_rng rng = sl_rng_stream(0, "test.white", (uint64_t)w);
        double sum = 0;
        for (int i = 0; i < N; i++)
            walk[i] = sum += x[i] = sl_rng_normal(&rng);
        fit(x, N, w, 1, 10, &s);
        assert_true(fabs(s.alpha) < 3 * s.sd);
        // The error depends on the counts alone: 0.005786 with Haar, 0.005805 with db3.
        assert_true(w == SL_DB2 || fabs(s.sd - (w == SL_HAAR ? 0.005786 : 0.005805)) < 1e-6);
        fit(walk, N, w, 3, 10, &s);
        assert_true(fabs(s.alpha - 2) < 0.07 && fabs(s.h_cumulative - 0.5) < 0.04);
        assert_true(w == SL_DB2 || fabs(s.sd - (w == SL_HAAR ? 0.012099 : 0.012180)) < 1e-6);
    }
    free(x);
    free(walk);
}

static void the_bar_of_the_slope_covers_the_truth_about_as_often_as_it_says(void **state)
{
    (void)state;
    enum { RUNS = 200, N = 4096 };
    double *x = sl_alloc(N * sizeof *x);
    int inside = 0;
    for (uint64_t run = 0; run < RUNS; run++) {
        struct sl_rng rng = sl_rng_stream(20, "test.coverage", run);
        for (int i = 0; i < N; i++)
            x[i] = sl_rng_normal(&rng);
        struct sl_slope s;
        fit(x, N, SL_DB3, 1, 7, &s);
        inside += fabs(s.alpha / s.sd) < 1.96;
    }
    // 91.5 % with numpy's generator; four standard errors of 200 runs are 8 %.
    assert_in_range(inside, (int)(0.835 * RUNS), (int)(0.99 * RUNS));
    free(x);
}

// Fractional Gaussian noise by circulant embedding (Davies and Harte, Biometrika 74, 1987). n is a
// power of two; the transform is a plain radix-2 one.
static void fft(double *re, double *im, size_t n)
{
    for (size_t i = 1, k = 0; i < n; i++) {
        size_t bit = n >> 1;
        for (; k & bit; bit >>= 1)
            k ^= bit;
        k ^= bit;
        if (i < k) {
            double t = re[i];
            re[i] = re[k], re[k] = t;
            t = im[i];
            im[i] = im[k], im[k] = t;
        }
    }
    for (size_t len = 2; len <= n; len <<= 1)
        for (size_t i = 0; i < n; i += len)
            for (size_t k = 0; k < len / 2; k++) {
                double angle = -2 * M_PI * (double)k / (double)len, c = cos(angle), s = sin(angle);
                size_t p = i + k, q = p + len / 2;
                double r = re[q] * c - im[q] * s, m = re[q] * s + im[q] * c;
                re[q] = re[p] - r, im[q] = im[p] - m;
                re[p] += r, im[p] += m;
            }
}

static double fgn_covariance(double k, double h)
{
    return 0.5 * (pow(fabs(k + 1), 2 * h) - 2 * pow(fabs(k), 2 * h) + pow(fabs(k - 1), 2 * h));
}

static void fgn(double *out, size_t n, double h, struct sl_rng *rng)
{
    size_t m = 2 * n;
    double *re = sl_alloc(m * sizeof *re), *im = sl_alloc(m * sizeof *im);
    for (size_t k = 0; k < m; k++)
        re[k] = fgn_covariance((double)(k <= n ? k : m - k), h);
    fft(re, im, m);
    for (size_t k = 0; k < m; k++) { // independent complex normals with the eigenvalues as variance
        double root = sqrt(fmax(re[k], 0) / (double)m);
        re[k] = root * sl_rng_normal(rng);
        im[k] = root * sl_rng_normal(rng);
    }
    fft(re, im, m);
    memcpy(out, re, n * sizeof *out);
    free(re);
    free(im);
}

static void long_memory_noise_with_h_point_eight_has_slope_point_six(void **state)
{
    (void)state;
    enum { N = 32768, RUNS = 8 };
    double *x = sl_alloc(N * sizeof *x), sum = 0, var = 0;
    for (uint64_t run = 0; run < RUNS; run++) {
        struct sl_rng rng = sl_rng_stream(8, "test.fgn", run);
        fgn(x, N, 0.8, &rng);
        struct sl_slope s;
        fit(x, N, SL_DB3, 3, 10, &s); // the first octaves are not yet in the power law
        assert_true(fabs(s.alpha - 0.6) < 4 * s.sd);
        close_to(s.h_stationary, (1 + s.alpha) / 2, 1e-12);
        sum += s.alpha, var += s.sd * s.sd;
    }
    assert_true(fabs(sum / RUNS - 0.6) < 3 * sqrt(var) / RUNS);
    free(x);
}

static void a_diagram_compared_with_itself_differs_nowhere(void **state)
{
    (void)state;
    enum { N = 8192 };
    double *x = sl_alloc(N * sizeof *x), *y = sl_alloc(N * sizeof *y);
    struct sl_rng rng = sl_rng_stream(2, "test.compare", 0);
    for (int i = 0; i < N; i++)
        x[i] = sl_rng_normal(&rng), y[i] = 4 * x[i];
    struct sl_logscale a, b;
    sl_logscale_of(x, N, 1e-3, SL_DB3, &a);
    sl_logscale_of(y, N, 1e-3, SL_DB3, &b);
    assert_int_equal(a.at[0].n, 4094); // (8192 - 6)/2 + 1
    size_t usable = sl_logscale_usable(&a);
    assert_true(a.at[usable - 1].n >= 8 && a.at[usable].n < 8);
    struct sl_logscale_diff d;
    sl_logscale_compare(&a, &a, &d);
    assert_true(d.max == 0 && d.rms == 0 && d.overlapping == usable && d.share_jsd == 0);
    sl_logscale_compare(&a, &b, &d); // four times the amplitude: log2 16 everywhere
    close_to(d.max, 4, 1e-9);
    close_to(d.rms, 4, 1e-9);
    assert_true(d.share_jsd < 1e-12 && d.overlapping < usable);
    free(x);
    free(y);
}

static void a_silent_series_has_no_diagram(void **state)
{
    (void)state;
    double x[64] = {0};
    struct sl_logscale a;
    sl_logscale_of(x, 64, 1e-3, SL_DB3, &a);
    assert_true(a.octaves > 0 && isnan(a.at[0].y));
    struct sl_slope s;
    sl_logscale_slope(&a, 1, a.octaves, &s);
    assert_true(isnan(s.alpha));
    struct sl_logscale_diff d;
    sl_logscale_compare(&a, &a, &d);
    assert_true(d.octaves == 0 && isnan(d.rms));
    sl_logscale_of(x, 0, 1e-3, SL_DB3, &a);
    assert_int_equal(a.octaves, 0);
}

static void autocorrelation_is_a_hand_sum_and_a_power_of_the_coefficient(void **state)
{
    (void)state;
    double r[10];
    sl_acf((const double[]){1, 2, 3, 4}, 4, r, 4);
    // Deviations -1.5 -.5 .5 1.5: squares 5; lag 1: .75 - .25 + .75; lag 2: -.75 - .75.
    close_to(r[0], 1.25 / 5, 1e-12);
    close_to(r[1], -1.5 / 5, 1e-12);
    close_to(r[2], -2.25 / 5, 1e-12);
    assert_true(isnan(r[3]));
    enum { N = 40000 };
    double *x = sl_alloc(N * sizeof *x), v = 0;
    struct sl_rng rng = sl_rng_stream(4, "test.ar1", 0);
    for (int i = 0; i < N; i++)
        x[i] = v = 0.7 * v + sl_rng_normal(&rng);
    sl_acf(x, N, r, 10);
    for (int k = 0; k < 10; k++) // AR(1): 0.7^k; Bartlett's error is below 0.0125 here
        assert_true(fabs(r[k] - pow(0.7, k + 1)) < 0.045);
    sl_acf((const double[]){5, 5, 5}, 3, r, 1);
    assert_true(isnan(r[0]));
    free(x);
}

static void dispersion_is_one_for_poisson_counts_and_zero_for_a_clock(void **state)
{
    (void)state;
    enum { N = 50000 };
    double *x = sl_alloc(N * sizeof *x);
    struct sl_rng rng = sl_rng_stream(6, "test.dispersion", 0);
    for (double t = sl_rng_exponential(&rng, 0.5); t < N; t += sl_rng_exponential(&rng, 0.5))
        x[(int)t]++;
    for (size_t m = 1; m <= 100; m *= 10)
        assert_true(fabs(sl_dispersion(x, N, m) - 1) < 4 * sqrt(2.0 / (N / (double)m)));
    for (int i = 0; i < N; i++)
        x[i] = 3;
    assert_true(sl_dispersion(x, N, 10) == 0);
    assert_true(isnan(sl_dispersion(x, 1, 1)));
    // {1, 3}: mean 2, variance (1 + 1)/(2 - 1)
    assert_true(sl_dispersion((const double[]){1, 3}, 2, 1) == 1);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(periodised_energies_are_those_of_pywavelets),
        cmocka_unit_test(energy_is_kept_for_any_series),
        cmocka_unit_test(three_vanishing_moments_do_not_see_a_parabola),
        cmocka_unit_test(bias_and_variance_of_an_octave_are_scipys),
        cmocka_unit_test(white_noise_is_flat_and_a_random_walk_has_slope_two),
        cmocka_unit_test(the_bar_of_the_slope_covers_the_truth_about_as_often_as_it_says),
        cmocka_unit_test(long_memory_noise_with_h_point_eight_has_slope_point_six),
        cmocka_unit_test(a_diagram_compared_with_itself_differs_nowhere),
        cmocka_unit_test(a_silent_series_has_no_diagram),
        cmocka_unit_test(autocorrelation_is_a_hand_sum_and_a_power_of_the_coefficient),
        cmocka_unit_test(dispersion_is_one_for_poisson_counts_and_zero_for_a_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
