// SPDX-License-Identifier: Apache-2.0
/*
 * Every change is one nft transaction that makes the table if it is not there, deletes it and makes
 * it anew: there is no moment with half a filter, and doing it twice is doing it once.
 *
 * The bridge table knows one set of (subnet, subnet) pairs, so a packet costs two look-ups however
 * many subnets there are. Subnets inside another one are left out: the kernel refuses elements that
 * overlap, and they would allow nothing more.
 */
#include "netns/filter.h"
#include "base/auto.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "net/packet.h"
#include "netns/netns.h"
#include "netns/rt.h"
#include <ctype.h>
#include <string.h>

#define TABLE_PREFIX "sluice-"
enum { MAX_SUBNETS = 4096, MAX_RUN = 100 };

struct nft {
    const char *const *argv;
    const struct sl_str *input;
    struct sl_str *out;
};

static bool nft_inside(void *ctx, struct sl_error *err)
{
    struct nft *n = ctx;
    // The child inherits this thread's namespace. Short, and often clean-up: not interruptible.
    struct sl_proc_options opt = {
        .input = n->input ? sl_str_text(n->input) : NULL,
        .input_len = n->input ? n->input->len : 0,
        .out = n->out,
        .deadline_ns = 20000000000,
        .ignore_interrupt = true,
    };
    if (sl_proc_run(n->argv, &opt, err))
        return true;
    if (err && err->code == SL_EENV)
        sl_hint(err, "install the package 'nftables'");
    if (err && strstr(err->msg, "not permitted")) {
        err->code = SL_EENV;
        sl_hint(err, "run as root, or with the capability CAP_NET_ADMIN");
    }
    return false;
}

static bool nft_apply(int ns, const struct sl_str *rules, struct sl_error *err)
{
    static const char *const argv[] = {"nft", "-f", "-", NULL};
    struct nft n = {.argv = argv, .input = rules};
    return sl_netns_run(ns, nft_inside, &n, err) ? true : sl_within(err, "setting packet filters");
}

// nft -j ARGS..., parsed; the caller drops the reference.
static json_t *nft_query(int ns, const char *const *argv, struct sl_error *err)
{
    struct sl_str out = {0};
    struct nft n = {.argv = argv, .out = &out};
    json_t *j = NULL;
    if (sl_netns_run(ns, nft_inside, &n, err))
        j = sl_json_parse(sl_str_text(&out), out.len, "the answer of nft", err);
    sl_str_done(&out);
    if (!j)
        sl_within(err, "reading packet filters");
    return j;
}

static bool run_ok(const char *run, struct sl_error *err)
{
    size_t n = run ? strlen(run) : 0;
    bool ok = n >= 1 && n <= MAX_RUN;
    for (size_t i = 0; ok && i < n; i++)
        ok = isalnum((unsigned char)run[i]) || strchr("-_.", run[i]);
    return ok ? true : sl_fail(err, SL_ERUN, "'%.40s' cannot be the name of a run", run ? run : "");
}

// "table F sluice-R", "delete table F sluice-R", and the head of the new one.
static void begin_table(struct sl_str *s, const char *family, const char *run, bool anew)
{
    sl_str_addf(s, "table %s " TABLE_PREFIX "%s\ndelete table %s " TABLE_PREFIX "%s\n", family, run,
                family, run);
    if (anew)
        sl_str_addf(s, "table %s " TABLE_PREFIX "%s {\n", family, run);
}

struct subnet {
    uint32_t net;
    int len;
};

static bool inside(struct subnet a, struct subnet b) // a in b
{
    uint32_t mask = b.len ? ~0U << (32 - b.len) : 0;
    return a.len >= b.len && (a.net & mask) == b.net;
}

static bool parse_subnets(const char *const *text, size_t n, struct subnet *out,
                          struct sl_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!sl_ipv4_parse_prefix(text[i], &out[i].net, &out[i].len))
            return sl_fail(err, SL_ERUN, "'%.40s' is not a subnet like 10.1.2.0/24", text[i]);
        out[i].net &= out[i].len ? ~0U << (32 - out[i].len) : 0;
    }
    return true;
}

static void add_pairs(struct sl_str *s, const struct subnet *nets, size_t n)
{
    const char *sep = "elements = { ";
    for (size_t i = 0; i < n; i++) {
        bool covered = false;
        for (size_t k = 0; k < n && !covered; k++)
            covered = k != i && inside(nets[i], nets[k]) && (nets[k].len < nets[i].len || k < i);
        char buf[16];
        sl_ipv4_text(nets[i].net, buf);
        if (covered)
            continue;
        sl_str_addf(s, "%s%s/%d . %s/%d", sep, buf, nets[i].len, buf, nets[i].len);
        sep = ", ";
    }
    if (n)
        sl_str_add(s, " };");
}

bool sl_filter_bridge(int ns, const char *run, const char *const *subnets, size_t n,
                      struct sl_error *err)
{
    if (!run_ok(run, err))
        return false;
    if (n > MAX_SUBNETS)
        return sl_fail(err, SL_ERUN, "a filter takes at most %d subnets, not %zu", MAX_SUBNETS, n);
    struct subnet *nets = sl_alloc((n + 1) * sizeof *nets);
    struct sl_str s = {0};
    bool ok = parse_subnets(subnets, n, nets, err);
    if (ok) {
        begin_table(&s, "bridge", run, true);
        sl_str_add(&s, "counter dropped { }\n"
                       "set pairs { type ipv4_addr . ipv4_addr; flags interval; ");
        add_pairs(&s, nets, n);
        sl_str_add(&s, "}\n"
                       "chain forward { type filter hook forward priority 0; policy drop;\n"
                       "ip saddr . ip daddr @pairs accept\n"
                       "arp saddr ip . arp daddr ip @pairs accept\n"
                       "counter name \"dropped\" drop\n}\n}\n");
        ok = nft_apply(ns, &s, err);
    }
    sl_str_done(&s);
    free(nets);
    return ok;
}

static void add_drop_chain(struct sl_str *s, const char *hook, const char *const *bridges, size_t n)
{
    sl_str_addf(s, "chain %s { type filter hook %s priority -10; policy accept;\niifname {", hook,
                hook);
    for (size_t i = 0; i < n; i++)
        sl_str_addf(s, "%s \"%s\"", i ? "," : "", bridges[i]);
    sl_str_add(s, " } counter name \"dropped\" drop\n}\n");
}

bool sl_filter_host(int ns, const char *run, const char *const *bridges, size_t n,
                    struct sl_error *err)
{
    if (!run_ok(run, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        // A pattern would match interfaces that are not ours.
        if (!sl_link_name_ok(bridges[i], err))
            return false;
        if (strchr(bridges[i], '*'))
            return sl_fail(err, SL_ERUN, "'%s' is a pattern, not the name of a bridge", bridges[i]);
    }
    struct sl_str s = {0};
    begin_table(&s, "inet", run, n > 0);
    if (n) {
        sl_str_add(&s, "counter dropped { }\n");
        add_drop_chain(&s, "input", bridges, n);
        add_drop_chain(&s, "forward", bridges, n);
        sl_str_add(&s, "}\n");
    }
    bool ok = nft_apply(ns, &s, err);
    sl_str_done(&s);
    return ok;
}

static json_t *list_tables(int ns, struct sl_error *err)
{
    static const char *const argv[] = {"nft", "-j", "list", "tables", NULL};
    return nft_query(ns, argv, err);
}

// The run of a table of ours, or NULL. Only the two families we make.
static const char *run_of(const json_t *entry, const char **family)
{
    const json_t *table = json_object_get(entry, "table");
    const char *name = sl_json_str(table, "name", "");
    *family = sl_json_str(table, "family", "");
    if (!sl_starts_with(name, TABLE_PREFIX) ||
        (strcmp(*family, "bridge") != 0 && strcmp(*family, "inet") != 0))
        return NULL;
    const char *run = name + strlen(TABLE_PREFIX);
    return run_ok(run, NULL) ? run : NULL;
}

bool sl_filter_remove(int ns, const char *run, struct sl_error *err)
{
    SL_AUTO(sl_json_decref) json_t *tables = run_ok(run, err) ? list_tables(ns, err) : NULL;
    if (!tables)
        return false;
    struct sl_str s = {0};
    const char *family;
    json_t *entry;
    size_t i;
    json_array_foreach(json_object_get(tables, "nftables"), i, entry)
    {
        const char *found = run_of(entry, &family);
        if (found && strcmp(found, run) == 0)
            begin_table(&s, family, run, false);
    }
    bool ok = s.len ? nft_apply(ns, &s, err) : true;
    sl_str_done(&s);
    return ok;
}

bool sl_filter_list(int ns, char ***runs, size_t *n, struct sl_error *err)
{
    SL_AUTO(sl_json_decref) json_t *tables = list_tables(ns, err);
    if (!tables)
        return false;
    SL_VEC(char *) v = {0};
    const char *family;
    json_t *entry;
    size_t i;
    json_array_foreach(json_object_get(tables, "nftables"), i, entry)
    {
        const char *run = run_of(entry, &family);
        bool known = !run;
        for (size_t k = 0; k < v.len && !known; k++)
            known = strcmp(v.at[k], run) == 0;
        if (!known)
            *SL_PUSH(&v) = sl_strdup(run);
    }
    *runs = v.at;
    *n = v.len;
    return true;
}

bool sl_filter_dropped(int ns, const char *run, struct sl_filter_drops *out, struct sl_error *err)
{
    static const char *const argv[] = {"nft", "-j", "list", "counters", NULL};
    SL_AUTO(sl_json_decref) json_t *counters = run_ok(run, err) ? nft_query(ns, argv, err) : NULL;
    if (!counters)
        return false;
    struct sl_filter_drops sum = {0};
    json_t *entry;
    size_t i;
    json_array_foreach(json_object_get(counters, "nftables"), i, entry)
    {
        const json_t *c = json_object_get(entry, "counter");
        const char *table = sl_json_str(c, "table", "");
        if (!sl_starts_with(table, TABLE_PREFIX) || strcmp(table + strlen(TABLE_PREFIX), run) ||
            strcmp(sl_json_str(c, "name", ""), "dropped"))
            continue;
        sum.packets += (uint64_t)sl_json_num(c, "packets", 0);
        sum.bytes += (uint64_t)sl_json_num(c, "bytes", 0);
    }
    *out = sum;
    return true;
}
