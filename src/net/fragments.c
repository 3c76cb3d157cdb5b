// SPDX-License-Identifier: Apache-2.0
/*
 * Entries stand in a ring in the order they came, so the slot that is next to be written holds the
 * oldest; a hash of chained indices finds them. A first fragment seen again gets a new entry and
 * the old one is let go. A walk along a chain is limited: who makes keys that collide loses ports,
 * not our time.
 */
#include "net/fragments.h"
#include "base/mem.h"
#include <string.h>

enum { MAX_DEFAULT = 65536, MAX_WALK = 64 };
#define AGE_DEFAULT_NS INT64_C(30000000000)
#define NONE UINT32_MAX

struct key {
    uint64_t w[6];
};
struct entry {
    struct key key;
    int64_t ts_ns;
    uint32_t next, prev, bucket; // chain; bucket NONE = not in use
    uint16_t sport, dport;
    uint8_t proto, icmp_type, icmp_code;
};
struct sl_fragments {
    int64_t max_age_ns;
    uint32_t max, at; // `at`: the slot that is written next
    uint32_t mask;
    uint32_t *buckets;
    struct entry *entries;
    struct sl_fragments_counts counts;
};

struct sl_fragments *sl_fragments_new(const struct sl_fragments_options *opt)
{
    struct sl_fragments *f = sl_alloc(sizeof *f);
    f->max_age_ns = opt && opt->max_age_ns ? opt->max_age_ns : AGE_DEFAULT_NS;
    f->max = opt && opt->max ? opt->max : MAX_DEFAULT;
    uint32_t n = 16;
    while (n < f->max && n < 1u << 30)
        n *= 2;
    f->mask = n - 1;
    f->buckets = sl_alloc(n * sizeof *f->buckets);
    f->entries = sl_alloc(f->max * sizeof *f->entries);
    memset(f->buckets, 0xff, n * sizeof *f->buckets);
    return f;
}

void sl_fragments_free(struct sl_fragments *f)
{
    if (!f)
        return;
    free(f->buckets);
    free(f->entries);
    free(f);
}

// The protocol is part of it in IPv4 only: in IPv6 the first fragment may hold more extension
// headers, and then its protocol is another than the fragment header names.
static struct key key_of(const struct sl_packet *p)
{
    struct key k = {0};
    memcpy(k.w, p->tuple.src.b, 16);
    memcpy(k.w + 2, p->tuple.dst.b, 16);
    k.w[4] = (uint64_t)p->ip_id << 32 | (uint64_t)p->vlan << 16 | p->vlan_inner;
    k.w[5] = p->tuple.src.family == 4 ? 0x400u | p->tuple.proto : 0x600u;
    return k;
}

static uint32_t bucket_of(const struct sl_fragments *f, const struct key *k)
{
    uint64_t h = 0;
    for (int i = 0; i < 6; i++) {
        h = (h ^ k->w[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
    }
    return (uint32_t)h & f->mask;
}

static uint32_t find(const struct sl_fragments *f, const struct key *k, uint32_t bucket)
{
    uint32_t i = f->buckets[bucket];
    for (int walk = 0; i != NONE && walk < MAX_WALK; walk++, i = f->entries[i].next)
        if (memcmp(&f->entries[i].key, k, sizeof *k) == 0)
            return i;
    return NONE;
}

static void let_go(struct sl_fragments *f, uint32_t i)
{
    struct entry *e = &f->entries[i];
    if (e->prev != NONE)
        f->entries[e->prev].next = e->next;
    else
        f->buckets[e->bucket] = e->next;
    if (e->next != NONE)
        f->entries[e->next].prev = e->prev;
    e->bucket = NONE;
}

static bool too_old(const struct sl_fragments *f, const struct entry *e, int64_t now_ns)
{
    return now_ns - e->ts_ns > f->max_age_ns;
}

static void remember(struct sl_fragments *f, const struct key *k, uint32_t bucket,
                     const struct sl_packet *p)
{
    uint32_t i = f->at, known = find(f, k, bucket);
    if (known != NONE)
        let_go(f, known);
    f->at = i + 1 < f->max ? i + 1 : 0;
    struct entry *e = &f->entries[i];
    if (f->counts.first >= f->max && e->bucket != NONE) { // the ring has come round
        f->counts.replaced += !too_old(f, e, p->ts_ns);
        let_go(f, i);
    }
    f->counts.first++;
    *e = (struct entry){.key = *k,
                        .ts_ns = p->ts_ns,
                        .next = f->buckets[bucket],
                        .prev = NONE,
                        .bucket = bucket,
                        .sport = p->tuple.sport,
                        .dport = p->tuple.dport,
                        .proto = p->tuple.proto,
                        .icmp_type = p->icmp_type,
                        .icmp_code = p->icmp_code};
    if (e->next != NONE)
        f->entries[e->next].prev = i;
    f->buckets[bucket] = i;
}

bool sl_fragments_resolve(struct sl_fragments *f, struct sl_packet *p)
{
    struct key k = key_of(p);
    uint32_t bucket = bucket_of(f, &k);
    if (p->fragment_offset == 0) {
        remember(f, &k, bucket, p);
        return true;
    }
    uint32_t i = find(f, &k, bucket);
    if (i == NONE || too_old(f, &f->entries[i], p->ts_ns)) {
        f->counts.unresolved++;
        return false;
    }
    const struct entry *e = &f->entries[i];
    p->tuple.sport = e->sport;
    p->tuple.dport = e->dport;
    p->tuple.proto = e->proto;
    p->icmp_type = e->icmp_type;
    p->icmp_code = e->icmp_code;
    f->counts.resolved++;
    return true;
}

void sl_fragments_counts(const struct sl_fragments *f, struct sl_fragments_counts *out)
{
    *out = f->counts;
}
