// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"
#include "base/hash.h"
#include <math.h>
#include <string.h>

static uint64_t splitmix64(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct sl_rng sl_rng_stream(uint64_t seed, const char *name, uint64_t index)
{
    uint64_t x = seed;
    uint64_t mixed = splitmix64(&x) ^ sl_fnv1a(name, strlen(name));
    x = mixed;
    mixed = splitmix64(&x) ^ index;
    x = mixed;
    struct sl_rng rng;
    for (int i = 0; i < 4; i++)
        rng.s[i] = splitmix64(&x);
    return rng;
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t sl_rng_u64(struct sl_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t sl_rng_below(struct sl_rng *rng, uint64_t n)
{
    uint64_t threshold = -n % n; // values below it would favour small results
    for (;;) {
        uint64_t v = sl_rng_u64(rng);
        if (v >= threshold)
            return v % n;
    }
}

double sl_rng_uniform(struct sl_rng *rng)
{
    return (double)(sl_rng_u64(rng) >> 11) * 0x1p-53;
}

double sl_rng_exponential(struct sl_rng *rng, double mean)
{
    return -log1p(-sl_rng_uniform(rng)) * mean;
}

double sl_rng_normal(struct sl_rng *rng)
{
    double u = 1.0 - sl_rng_uniform(rng); // (0, 1]: the logarithm stays finite
    double v = sl_rng_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

double sl_rng_lognormal(struct sl_rng *rng, double mean, double sigma)
{
    return mean * exp(sigma * sl_rng_normal(rng) - sigma * sigma / 2.0);
}
