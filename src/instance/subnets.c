// SPDX-License-Identifier: Apache-2.0
#include "instance/subnets.h"
#include "base/hash.h"
#include "base/mem.h"
#include "net/packet.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_BITS = 6 }; // 64 addresses: gateway, services, drivers

struct span {
    uint32_t first, last;
};
struct sl_subnets {
    struct sl_engine *engine; // borrowed
    uint32_t base, blocks, next, given;
    SL_VEC(struct span) used;
};

static void add_span(struct sl_subnets *s, uint32_t addr, int len)
{
    uint32_t mask = len ? ~0u << (32 - len) : 0;
    struct span *u = SL_PUSH(&s->used);
    u->first = addr & mask;
    u->last = addr | ~mask;
}

// Addresses of this machine and what is on their links.
static void add_own_addresses(struct sl_subnets *s)
{
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list))
        return;
    for (struct ifaddrs *a = list; a; a = a->ifa_next) {
        if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET || !a->ifa_netmask)
            continue;
        struct sockaddr_in addr, mask;
        memcpy(&addr, a->ifa_addr, sizeof addr);
        memcpy(&mask, a->ifa_netmask, sizeof mask);
        add_span(s, ntohl(addr.sin_addr.s_addr), __builtin_popcount(mask.sin_addr.s_addr));
    }
    freeifaddrs(list);
}

struct sl_subnets *sl_subnets_new(struct sl_engine *e, const char *run, struct sl_error *err)
{
    const char *range = getenv("SLUICE_SUBNETS");
    if (!range || !range[0])
        range = "10.201.0.0/16";
    uint32_t base;
    int len;
    if (!sl_ipv4_parse_prefix(range, &base, &len) || len < 8 || len > 22) {
        sl_fail(err, SL_EUSAGE, "SLUICE_SUBNETS is '%s', not a prefix from /8 to /22", range);
        sl_hint(err, "for example SLUICE_SUBNETS=10.201.0.0/16");
        return NULL;
    }
    struct sl_subnets *s = sl_alloc(sizeof *s);
    s->engine = e;
    s->base = base & (~0u << (32 - len));
    s->blocks = 1u << (32 - len - BLOCK_BITS);
    s->next = (uint32_t)(sl_fnv1a(run, strlen(run)) % s->blocks);
    return s;
}

// What the engine and this machine use now.
static bool look_around(struct sl_subnets *s, struct sl_error *err)
{
    json_t *taken = NULL;
    if (!sl_engine_subnets(s->engine, &taken, err))
        return false;
    s->used.len = 0;
    size_t i;
    json_t *text;
    json_array_foreach(taken, i, text)
    {
        uint32_t addr;
        int n;
        const char *t = json_string_value(text);
        if (t && sl_ipv4_parse_prefix(t, &addr, &n))
            add_span(s, addr, n);
    }
    json_decref(taken);
    add_own_addresses(s);
    return true;
}

bool sl_subnets_take(struct sl_subnets *s, char text[20], struct sl_error *err)
{
    if (!look_around(s, err))
        return false;
    while (s->given < s->blocks) {
        uint32_t first = s->base + (s->next << BLOCK_BITS), last = first + (1u << BLOCK_BITS) - 1;
        s->next = (s->next + 1) % s->blocks;
        s->given++;
        bool overlaps = false;
        for (size_t i = 0; i < s->used.len; i++)
            overlaps |= s->used.at[i].first <= last && first <= s->used.at[i].last;
        if (overlaps)
            continue;
        char addr[16];
        snprintf(text, 20, "%s/%d", sl_ipv4_text(first, addr), 32 - BLOCK_BITS);
        return true;
    }
    sl_fail(err, SL_EENV, "no subnet is left in the range for the engine's networks");
    sl_hint(err,
            "end other runs with 'sluice down --all', or set SLUICE_SUBNETS to a larger range");
    return false;
}

void sl_subnets_free(struct sl_subnets *s)
{
    if (!s)
        return;
    SL_VEC_DONE(&s->used);
    free(s);
}
