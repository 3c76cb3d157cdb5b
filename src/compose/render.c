// SPDX-License-Identifier: Apache-2.0
// The runnable file, written by hand: every text is a double-quoted scalar, so nothing a project
// says can become a key, a type or a variable. See engine.md for why the file looks like this.
#include "compose/render.h"
#include "base/auto.h"
#include "base/fs.h"
#include "base/str.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

// Without these common entrypoints (chown, gosu, su-exec, low ports) fail.
static const char *const service_caps[] = {
    "CHOWN",  "SETUID",  "SETGID", "DAC_OVERRIDE", "FOWNER", "NET_BIND_SERVICE", "KILL",
    "FSETID", "SETPCAP", NULL};
static const char *const holder_caps[] = {"NET_BIND_SERVICE", NULL};

struct out {
    struct sl_str s;
    const struct sl_project *p;
    const struct sl_render_options *opt;
    struct sl_error *err;
};

// ---- YAML text ----------------------------------------------------------------------------------

// Bytes of one UTF-8 character at p that YAML may hold as they are; 0 = write an escape.
static size_t printable(const unsigned char *p)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7f;
    size_t n = p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
    uint32_t v = n ? p[0] & (0xffu >> (n + 1)) : 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (p[i] & 0x3f);
    }
    bool plain = n && v >= 0xa0 && v != 0x2028 && v != 0x2029 && v != 0xfeff &&
                 (v < 0xd800 || v > 0xdfff) && (v & 0xfffe) != 0xfffe && v <= 0x10ffff &&
                 (n < 3 || v >= 0x800) && (n < 4 || v >= 0x10000);
    return plain ? n : 0;
}

static void put_text(struct sl_str *s, const char *text, bool dollars)
{
    sl_str_add(s, "\"");
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t n = p[0] >= 0xf5 ? 0 : printable(p);
        if (*p == '"' || *p == '\\') {
            sl_str_addf(s, "\\%c", *p);
        } else if (*p == '$' && dollars) {
            sl_str_add(s, "$$");
        } else if (n) {
            sl_str_addn(s, (const char *)p, n);
        } else if (*p == '\n') {
            sl_str_add(s, "\\n");
        } else if (*p < 0x80) {
            sl_str_addf(s, "\\x%02x", *p);
        } else {
            sl_str_add(s, "\\uFFFD"); // no UTF-8, or nothing YAML lets stand
        }
        p += n ? n : 1;
    }
    sl_str_add(s, "\"");
}

static void key_text(struct out *o, int indent, const char *key, const char *text)
{
    sl_str_addf(&o->s, "%*s%s: ", indent, "", key);
    put_text(&o->s, text, true);
    sl_str_add(&o->s, "\n");
}

static void text_text(struct out *o, int indent, const char *key, const char *text)
{
    sl_str_addf(&o->s, "%*s", indent, "");
    put_text(&o->s, key, false); // Compose expands values, not keys
    sl_str_add(&o->s, ": ");
    put_text(&o->s, text, true);
    sl_str_add(&o->s, "\n");
}

static void item(struct out *o, int indent, const char *text)
{
    sl_str_addf(&o->s, "%*s- ", indent, "");
    put_text(&o->s, text, true);
    sl_str_add(&o->s, "\n");
}

static void words(struct out *o, int indent, const char *key, const struct sl_words *w)
{
    if (!w->given)
        return;
    sl_str_addf(&o->s, "%*s%s:%s\n", indent, "", key, w->len ? "" : " []");
    for (size_t i = 0; i < w->len; i++)
        item(o, indent + 2, w->at[i]);
}

static void list(struct out *o, int indent, const char *key, const char *const *texts)
{
    sl_str_addf(&o->s, "%*s%s:\n", indent, "", key);
    for (; *texts; texts++)
        item(o, indent + 2, *texts);
}

static void labels(struct out *o, int indent, const char *role, const char *service)
{
    if (!o->opt->n_labels && !role)
        return;
    sl_str_addf(&o->s, "%*slabels:\n", indent, "");
    for (size_t i = 0; i < o->opt->n_labels; i++)
        text_text(o, indent + 2, o->opt->labels[i].key,
                  o->opt->labels[i].value ? o->opt->labels[i].value : "");
    if (role) {
        text_text(o, indent + 2, "sluice.role", role);
        text_text(o, indent + 2, "sluice.service", service);
    }
}

// ---- addresses ----------------------------------------------------------------------------------

static const struct sl_render_subnet *subnet_of(const struct out *o, const char *network)
{
    for (size_t i = 0; i < o->opt->n_subnets; i++)
        if (!strcmp(o->opt->subnets[i].network, network))
            return &o->opt->subnets[i];
    return NULL;
}

static bool parse_subnet(const char *text, uint32_t *base, unsigned *bits)
{
    char address[32];
    const char *slash = strchr(text, '/');
    struct in_addr a;
    if (!slash || (size_t)(slash - text) >= sizeof address ||
        strspn(slash + 1, "0123456789") != strlen(slash + 1) || strlen(slash + 1) > 2 || !slash[1])
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    *bits = (unsigned)atoi(slash + 1);
    if (inet_pton(AF_INET, address, &a) != 1 || *bits < 8 || *bits > 30)
        return false;
    *base = ntohl(a.s_addr) & (0xffffffffu << (32 - *bits));
    return true;
}

// All static addresses of a network in file order: the same host part where it fits and is free,
// else the lowest free one. .0, .1 (the engine's gateway) and the last are not used.
static uint32_t renumber(const struct out *o, const char *network, const struct sl_attach *mine,
                         uint32_t base, unsigned bits)
{
    uint32_t size = 1u << (32 - bits);
    uint32_t used[256];
    size_t n = 0;
    for (size_t i = 0; i < o->p->n_services; i++) {
        const struct sl_service *s = &o->p->services[i];
        for (size_t k = 0; s->enabled && k < s->n_networks; k++) {
            const struct sl_attach *a = &s->networks[k];
            struct in_addr was;
            if (!a->ipv4_address || strcmp(a->network, network) ||
                inet_pton(AF_INET, a->ipv4_address, &was) != 1)
                continue;
            uint32_t host = ntohl(was.s_addr) & (size - 1);
            bool taken = host < 2 || host >= size - 1;
            for (size_t u = 0; u < n && !taken; u++)
                taken = used[u] == host;
            for (uint32_t h = 2; taken && h < size - 1 && h < 1024; h++) {
                bool free_one = true;
                for (size_t u = 0; u < n && free_one; u++)
                    free_one = used[u] != h;
                if (free_one) {
                    host = h;
                    taken = false;
                }
            }
            if (taken)
                return 0; // full: the engine chooses
            if (a == mine)
                return base | host;
            if (n < sizeof used / sizeof *used)
                used[n++] = host;
        }
    }
    return 0;
}

// ---- holders ------------------------------------------------------------------------------------

static bool joins_network(const struct sl_service *s)
{
    return s->enabled && !s->network_mode && s->n_networks;
}

static void attach(struct out *o, const struct sl_service *s, const struct sl_attach *a,
                   int replica)
{
    sl_str_addf(&o->s, "      \"%s\":\n        aliases:\n", a->network);
    item(o, 10, s->name);
    if (replica > 1) {
        SL_AUTO(sl_free_str) char *own = sl_compose_service_name(s->name, replica);
        item(o, 10, own);
    }
    for (size_t i = 0; i < a->aliases.len; i++)
        if (strcmp(a->aliases.at[i], s->name))
            item(o, 10, a->aliases.at[i]);
    uint32_t base, address = 0;
    unsigned bits;
    const struct sl_render_subnet *net = subnet_of(o, a->network);
    if (a->ipv4_address && replica == 1 && net && parse_subnet(net->subnet, &base, &bits))
        address = renumber(o, a->network, a, base, bits);
    if (address)
        sl_str_addf(&o->s, "        ipv4_address: \"%u.%u.%u.%u\"\n", address >> 24,
                    (address >> 16) & 255, (address >> 8) & 255, address & 255);
}

static void holder_body(struct out *o, const char *role, const char *service)
{
    key_text(o, 4, "image", o->opt->holder_image);
    sl_str_add(&o->s, "    entrypoint:\n      - \"sluice-pause\"\n    command: []\n");
    sl_str_add(&o->s, "    cap_drop:\n      - \"ALL\"\n");
    list(o, 4, "cap_add", holder_caps);
    sl_str_add(
        &o->s,
        "    security_opt:\n      - \"no-new-privileges:true\"\n    read_only: true\n"
        "    mem_limit: \"16m\"\n    memswap_limit: \"16m\"\n    pids_limit: 16\n    cpus: 0.1\n"
        "    stop_grace_period: \"1s\"\n"
        "    logging:\n      driver: \"json-file\"\n      options:\n        max-size: \"1m\"\n     "
        "   max-file: \"1\"\n");
    labels(o, 4, role, service);
}

static void holder_sysctls(struct out *o, const struct sl_service *s)
{
    sl_str_add(&o->s, "    sysctls:\n      \"net.ipv6.conf.all.disable_ipv6\": \"1\"\n");
    for (size_t i = 0; s && i < s->n_sysctls; i++)
        text_text(o, 6, s->sysctls[i].key, s->sysctls[i].value);
}

static void holder(struct out *o, const struct sl_service *s, int replica)
{
    SL_AUTO(sl_free_str) char *name = sl_compose_holder_name(s->name, replica);
    sl_str_addf(&o->s, "  \"%s\":\n", name);
    holder_body(o, "holder", s->name);
    if (s->hostname && strlen(s->hostname) < 64)
        key_text(o, 4, "hostname", s->hostname);
    if (o->opt->resolver) {
        sl_str_add(&o->s, "    dns:\n");
        item(o, 6, o->opt->resolver);
    }
    if (s->n_extra_hosts)
        sl_str_add(&o->s, "    extra_hosts:\n");
    for (size_t i = 0; i < s->n_extra_hosts; i++) {
        SL_AUTO(sl_free_str)
        char *entry = sl_format("%s:%s", s->extra_hosts[i].key, s->extra_hosts[i].value);
        item(o, 6, entry);
    }
    holder_sysctls(o, s);
    sl_str_add(&o->s, "    networks:\n");
    for (size_t i = 0; i < s->n_networks; i++)
        attach(o, s, &s->networks[i], replica);
}

static void driver(struct out *o, const struct sl_render_driver *d)
{
    sl_str_addf(&o->s, "  \"%s\":\n", d->name);
    holder_body(o, "driver", d->name);
    if (o->opt->resolver) {
        sl_str_add(&o->s, "    dns:\n");
        item(o, 6, o->opt->resolver);
    }
    holder_sysctls(o, NULL);
    sl_str_addf(&o->s, "    networks:\n      \"%s\": {}\n", d->network);
}

// ---- services -----------------------------------------------------------------------------------

static const struct sl_service *network_owner(const struct out *o, const struct sl_service *s)
{
    for (int hops = 0;
         s && hops < 16 && s->network_mode && sl_starts_with(s->network_mode, "service:"); hops++)
        s = sl_project_service(o->p, s->network_mode + 8);
    return s;
}

static void environment(struct out *o, const struct sl_service *s)
{
    bool any = false;
    for (size_t i = 0; i < s->n_env; i++) {
        if (!s->env[i].value)
            continue;
        if (!any)
            sl_str_add(&o->s, "    environment:\n");
        any = true;
        text_text(o, 6, s->env[i].key, s->env[i].value);
    }
}

// Long form throughout, with sources below the instance's tree.
static void mounts(struct out *o, const struct sl_service *s)
{
    if (s->n_mounts)
        sl_str_add(&o->s, "    volumes:\n");
    for (size_t i = 0; i < s->n_mounts; i++) {
        const struct sl_mount *m = &s->mounts[i];
        static const char *const types[] = {
            [SL_MOUNT_BIND] = "bind", [SL_MOUNT_VOLUME] = "volume", [SL_MOUNT_TMPFS] = "tmpfs"};
        sl_str_addf(&o->s, "      - type: \"%s\"\n", types[m->kind]);
        if (m->kind == SL_MOUNT_BIND) {
            SL_AUTO(sl_free_str)
            char *source = strcmp(m->source, ".") ? sl_path_join(o->opt->tree, m->source)
                                                  : sl_strdup(o->opt->tree);
            key_text(o, 8, "source", source);
        } else if (m->kind == SL_MOUNT_VOLUME && m->source) {
            key_text(o, 8, "source", m->source);
        }
        key_text(o, 8, "target", m->target);
        if (m->read_only && m->kind != SL_MOUNT_TMPFS)
            sl_str_add(&o->s, "        read_only: true\n");
    }
}

static void one_dependency(struct out *o, const char *name, enum sl_condition c)
{
    static const char *const conditions[] = {[SL_DEPENDS_STARTED] = "service_started",
                                             [SL_DEPENDS_HEALTHY] = "service_healthy",
                                             [SL_DEPENDS_COMPLETED] =
                                                 "service_completed_successfully"};
    sl_str_addf(&o->s, "      \"%s\":\n        condition: \"%s\"\n", name, conditions[c]);
}

static void depends(struct out *o, const struct sl_service *s, const char *holder_name)
{
    if (!holder_name && !s->n_depends)
        return;
    sl_str_add(&o->s, "    depends_on:\n");
    if (holder_name)
        one_dependency(o, holder_name, SL_DEPENDS_STARTED);
    for (size_t i = 0; i < s->n_depends; i++) {
        const struct sl_service *to = sl_project_service(o->p, s->depends[i].service);
        for (int r = 1; to && r <= to->replicas; r++) {
            SL_AUTO(sl_free_str) char *name = sl_compose_service_name(to->name, r);
            one_dependency(o, name, s->depends[i].condition);
        }
    }
}

static void health(struct out *o, const struct sl_health *h)
{
    if (!h)
        return;
    bool none = h->test.len && !strcmp(h->test.at[0], "NONE");
    sl_str_add(&o->s, "    healthcheck:\n");
    if (none) {
        sl_str_add(&o->s, "      test:\n        - \"NONE\"\n");
        return;
    }
    size_t before = o->s.len;
    words(o, 6, "test", &h->test);
    if (h->interval)
        key_text(o, 6, "interval", h->interval);
    if (h->timeout)
        key_text(o, 6, "timeout", h->timeout);
    if (h->start_period)
        key_text(o, 6, "start_period", h->start_period);
    if (h->retries)
        sl_str_addf(&o->s, "      retries: %d\n", h->retries);
    if (o->s.len == before)
        sl_str_add(&o->s, "      retries: 3\n"); // a mapping may not be empty
}

static void limits(struct out *o)
{
    const struct sl_render_options *opt = o->opt;
    unsigned long long mem = opt->mem_bytes ? opt->mem_bytes : 768ull << 20;
    sl_str_add(&o->s, "    cap_drop:\n      - \"ALL\"\n");
    list(o, 4, "cap_add", service_caps);
    sl_str_add(&o->s, "    security_opt:\n      - \"no-new-privileges:true\"\n");
    sl_str_addf(&o->s, "    mem_limit: \"%llu\"\n    memswap_limit: \"%llu\"\n", mem, mem);
    sl_str_addf(&o->s, "    pids_limit: %d\n    cpus: %.2f\n", opt->pids ? opt->pids : 256,
                opt->cpus > 0 ? opt->cpus : 2.0);
    sl_str_add(&o->s, "    logging:\n      driver: \"json-file\"\n      options:\n        "
                      "max-size: \"8m\"\n        max-file: \"2\"\n");
}

static void plain_keys(struct out *o, const struct sl_service *s)
{
    const struct {
        const char *key, *value;
    } texts[] = {{"restart", s->restart},         {"user", s->user},
                 {"working_dir", s->working_dir}, {"stop_signal", s->stop_signal},
                 {"shm_size", s->shm_size},       {"stop_grace_period", s->stop_grace_period}};
    const struct {
        const char *key;
        bool value;
    } flags[] = {{"tty", s->tty},
                 {"stdin_open", s->stdin_open},
                 {"init", s->init},
                 {"read_only", s->read_only}};
    words(o, 4, "entrypoint", &s->entrypoint);
    words(o, 4, "command", &s->command);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].value)
            key_text(o, 4, texts[i].key, texts[i].value);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (flags[i].value)
            sl_str_addf(&o->s, "    %s: true\n", flags[i].key);
}

static bool service(struct out *o, const struct sl_service *s, int replica)
{
    SL_AUTO(sl_free_str) char *name = sl_compose_service_name(s->name, replica);
    SL_AUTO(sl_free_str) char *holder_name = NULL;
    const char *image = NULL;
    for (size_t i = 0; i < o->opt->n_images; i++)
        if (!strcmp(o->opt->images[i].service, s->name))
            image = o->opt->images[i].image;
    if (!image)
        return sl_fail(o->err, SL_ERUN, "no image was chosen for service '%s'", s->name);
    sl_str_addf(&o->s, "  \"%s\":\n", name);
    key_text(o, 4, "image", image);
    const struct sl_service *owner = network_owner(o, s);
    if (owner && joins_network(owner)) {
        holder_name = sl_compose_holder_name(owner->name, owner == s ? replica : 1);
        sl_str_addf(&o->s, "    network_mode: \"service:%s\"\n", holder_name);
    } else {
        sl_str_add(&o->s, "    network_mode: \"none\"\n");
    }
    plain_keys(o, s);
    environment(o, s);
    mounts(o, s);
    depends(o, s, holder_name);
    health(o, s->health);
    limits(o);
    labels(o, 4, "service", s->name);
    return true;
}

// ---- networks and volumes -----------------------------------------------------------------------

static bool network_used(const struct out *o, const char *key)
{
    for (size_t i = 0; i < o->p->n_services; i++)
        for (size_t k = 0; joins_network(&o->p->services[i]) && k < o->p->services[i].n_networks;
             k++)
            if (!strcmp(o->p->services[i].networks[k].network, key))
                return true;
    for (size_t i = 0; i < o->opt->n_drivers; i++)
        if (!strcmp(o->opt->drivers[i].network, key))
            return true;
    return false;
}

static bool networks(struct out *o)
{
    bool any = false;
    for (size_t i = 0; i < o->p->n_networks; i++) {
        const char *key = o->p->networks[i].key;
        const struct sl_render_subnet *net = subnet_of(o, key);
        uint32_t base;
        unsigned bits;
        if (!network_used(o, key))
            continue;
        if (!net || !net->subnet || !parse_subnet(net->subnet, &base, &bits))
            return sl_fail(o->err, SL_ERUN, "the network '%s' has no subnet", key);
        sl_str_addf(&o->s, "%s  \"%s\":\n", any ? "" : "networks:\n", key);
        any = true;
        key_text(o, 4, "name", net->name);
        sl_str_add(&o->s, "    driver: \"bridge\"\n    internal: true\n    ipam:\n      config:\n");
        sl_str_addf(&o->s, "        - subnet: \"%s\"\n", net->subnet);
        labels(o, 4, NULL, NULL);
    }
    return true;
}

static bool volume_used(const struct sl_project *p, const char *key)
{
    for (size_t i = 0; i < p->n_services; i++)
        for (size_t k = 0; p->services[i].enabled && k < p->services[i].n_mounts; k++)
            if (p->services[i].mounts[k].kind == SL_MOUNT_VOLUME &&
                p->services[i].mounts[k].source && !strcmp(p->services[i].mounts[k].source, key))
                return true;
    return false;
}

static void volumes(struct out *o)
{
    bool any = false;
    for (size_t i = 0; i < o->p->n_volumes; i++) {
        const char *key = o->p->volumes[i].key;
        if (!volume_used(o->p, key))
            continue;
        sl_str_addf(&o->s, "%s  \"%s\":\n", any ? "" : "volumes:\n", key);
        any = true;
        SL_AUTO(sl_free_str) char *name = sl_format("%s_%s", o->opt->instance, key);
        key_text(o, 4, "name", name);
        labels(o, 4, NULL, NULL);
    }
}

static char *finish(struct out *o, bool ok)
{
    if (ok && o->s.truncated)
        ok =
            sl_fail(o->err, SL_ERUN, "the runnable file of '%s' is larger than 16 MiB", o->p->name);
    if (ok)
        return sl_str_take(&o->s);
    sl_str_done(&o->s);
    return NULL;
}

char *sl_compose_render(const struct sl_project *p, const struct sl_render_options *opt,
                        struct sl_error *err)
{
    struct out o = {.s = {.max = 16 << 20}, .p = p, .opt = opt, .err = err};
    sl_str_add(&o.s, "services:\n");
    for (size_t i = 0; i < p->n_services; i++)
        for (int r = 1; joins_network(&p->services[i]) && r <= p->services[i].replicas; r++)
            holder(&o, &p->services[i], r);
    for (size_t i = 0; i < opt->n_drivers; i++)
        driver(&o, &opt->drivers[i]);
    bool ok = true;
    size_t written = 0;
    for (size_t i = 0; i < p->n_services; i++)
        for (int r = 1; ok && p->services[i].enabled && r <= p->services[i].replicas;
             r++, written++)
            ok = service(&o, &p->services[i], r);
    if (ok && !written)
        ok = sl_fail(err, SL_EINPUT, "every service of '%s' is behind a profile that is off",
                     p->name);
    ok = ok && networks(&o);
    if (ok)
        volumes(&o);
    return finish(&o, ok);
}

// ---- names and builds ---------------------------------------------------------------------------

char *sl_compose_service_name(const char *name, int replica)
{
    return replica > 1 ? sl_format("%s-%d", name, replica) : sl_strdup(name);
}

char *sl_compose_holder_name(const char *name, int replica)
{
    return replica > 1 ? sl_format("sl-net-%s-%d", name, replica) : sl_format("sl-net-%s", name);
}

// Image names are stricter than service names: lower case, separators only between letters and
// digits.
static void put_component(struct sl_str *s, const char *name)
{
    bool pending = false;
    size_t start = s->len;
    for (; *name; name++) {
        char c = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (alnum) {
            if (pending && s->len > start)
                sl_str_add(s, "-");
            sl_str_addn(s, &c, 1);
        }
        pending = !alnum;
    }
    if (s->len == start)
        sl_str_add(s, "x");
}

char *sl_compose_built_image(const struct sl_project *p, const char *name)
{
    struct sl_str s = {0};
    sl_str_add(&s, "sluice/");
    put_component(&s, p->name);
    sl_str_addf(&s, "-%.12s/", p->digest);
    put_component(&s, name);
    for (size_t i = 0; i < p->n_services; i++) { // "Web" and "web" must not share an image
        struct sl_str a = {0}, b = {0};
        put_component(&a, p->services[i].name);
        put_component(&b, name);
        if (strcmp(p->services[i].name, name) && !strcmp(sl_str_text(&a), sl_str_text(&b))) {
            size_t mine = 0;
            for (size_t k = 0; k < p->n_services; k++)
                mine = strcmp(p->services[k].name, name) ? mine : k;
            sl_str_addf(&s, "-%zu", mine);
            i = p->n_services;
        }
        sl_str_done(&a);
        sl_str_done(&b);
    }
    sl_str_add(&s, ":latest");
    return sl_str_take(&s);
}

char *sl_compose_inline_dockerfile(const struct sl_service *s)
{
    const char *context = s->build->context;
    return strcmp(context, ".") ? sl_format("%s/.sluice.%s.Dockerfile", context, s->name)
                                : sl_format(".sluice.%s.Dockerfile", s->name);
}

static void build(struct out *o, const char *tree, const struct sl_service *s)
{
    const struct sl_build *b = s->build;
    SL_AUTO(sl_free_str)
    char *context = strcmp(b->context, ".") ? sl_path_join(tree, b->context) : sl_strdup(tree);
    SL_AUTO(sl_free_str) char *image = sl_compose_built_image(o->p, s->name);
    SL_AUTO(sl_free_str)
    char *inline_name = b->dockerfile_inline ? sl_format(".sluice.%s.Dockerfile", s->name) : NULL;
    sl_str_addf(&o->s, "  \"%s\":\n", s->name);
    key_text(o, 4, "image", image);
    sl_str_add(&o->s, "    build:\n");
    key_text(o, 6, "context", context);
    if (inline_name || b->dockerfile)
        key_text(o, 6, "dockerfile", inline_name ? inline_name : b->dockerfile);
    if (b->target)
        key_text(o, 6, "target", b->target);
    bool any = false;
    for (size_t i = 0; i < b->n_args; i++) {
        if (!b->args[i].value)
            continue;
        if (!any)
            sl_str_add(&o->s, "      args:\n");
        any = true;
        text_text(o, 8, b->args[i].key, b->args[i].value);
    }
}

char *sl_compose_render_build(const struct sl_project *p, const char *tree, struct sl_error *err)
{
    struct out o = {.s = {.max = 16 << 20}, .p = p, .err = err};
    sl_str_add(&o.s, "services:\n");
    size_t n = 0;
    for (size_t i = 0; i < p->n_services; i++) {
        if (!p->services[i].enabled || !p->services[i].build)
            continue;
        build(&o, tree, &p->services[i]);
        n++;
    }
    return finish(&o,
                  n ? true : sl_fail(err, SL_EINPUT, "the project '%s' builds nothing", p->name));
}

static bool write_inline(const struct sl_service *s, const char *tree, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *name = sl_compose_inline_dockerfile(s);
    SL_AUTO(sl_free_str) char *path = sl_path_join(tree, name);
    if (!sl_path_inside(tree, path))
        return sl_fail(err, SL_ERUN, "'%s' leaves the instance's tree", path);
    return sl_write_file(path, s->build->dockerfile_inline, strlen(s->build->dockerfile_inline),
                         err);
}

static bool make_source(const struct sl_mount *m, const char *tree, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *path = sl_path_join(tree, m->source);
    if (!sl_path_inside(tree, path)) // first: what is there may be there through a link
        return sl_fail(err, SL_ERUN, "'%s' leaves the instance's tree", path);
    if (sl_exists(path))
        return true;
    return sl_mkdirs(path, err);
}

bool sl_compose_prepare_tree(const struct sl_project *p, const char *tree, struct sl_error *err)
{
    for (size_t i = 0; i < p->n_services; i++) {
        const struct sl_service *s = &p->services[i];
        if (!s->enabled)
            continue;
        if (s->build && s->build->dockerfile_inline && !write_inline(s, tree, err))
            return false;
        for (size_t k = 0; k < s->n_mounts; k++)
            if (s->mounts[k].kind == SL_MOUNT_BIND && !make_source(&s->mounts[k], tree, err))
                return false;
    }
    return true;
}
