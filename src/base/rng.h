// SPDX-License-Identifier: Apache-2.0
/*
 * Named random streams: (seed, name, index) -> its own generator, so that adding a consumer
 * disturbs nobody else's draws.
 *
 * Method   xoshiro256**, seeded by splitmix64 over FNV-1a of the name.
 * Threads  a stream belongs to one thread.
 * Source   D. Blackman and S. Vigna, ACM TOMS 47(4), 2021.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct sl_rng {
    uint64_t s[4];
};
struct sl_rng sl_rng_stream(uint64_t seed, const char *name, uint64_t index);
uint64_t sl_rng_u64(struct sl_rng *rng);
uint64_t sl_rng_below(struct sl_rng *rng, uint64_t n);      // 0..n-1 without bias; n >= 1
double sl_rng_uniform(struct sl_rng *rng);                  // [0, 1)
double sl_rng_exponential(struct sl_rng *rng, double mean); // mean >= 0
double sl_rng_normal(struct sl_rng *rng);                   // mean 0, variance 1
// mean = exp(mu + sigma^2/2): parametrised by the mean, which is what rates need.
double sl_rng_lognormal(struct sl_rng *rng, double mean, double sigma);
