// SPDX-License-Identifier: Apache-2.0
// What a service gets of the network: ports, networks and names.
#include "compose/load.h"
#include <string.h>
#include <strings.h>

static const char *place(struct sl_service_load *c, const char *key)
{
    return sl_load_place(c->l, "services.%s.%s", c->s->name, key);
}

// ---- ports --------------------------------------------------------------------------------------

static bool port_number(const char *t, size_t len, unsigned *out)
{
    unsigned v = 0;
    for (size_t i = 0; i < len; i++) {
        if (t[i] < '0' || t[i] > '9' || i > 5)
            return false;
        v = v * 10 + (unsigned)(t[i] - '0');
    }
    *out = v;
    return len && v >= 1 && v <= 65535;
}

// "80" or "80-90"
static bool port_range(const char *t, size_t len, unsigned *first, unsigned *last)
{
    const char *dash = memchr(t, '-', len);
    if (!dash) {
        bool ok = port_number(t, len, first);
        *last = *first;
        return ok;
    }
    size_t left = (size_t)(dash - t);
    return port_number(t, left, first) && port_number(dash + 1, len - left - 1, last) &&
           *first <= *last;
}

static bool add_ports(struct sl_service_load *c, unsigned first, unsigned last, uint8_t proto,
                      bool published, struct sl_pos pos)
{
    for (unsigned p = first; p <= last; p++) {
        struct sl_port *old = NULL;
        for (size_t i = 0; i < c->ports.len && !old; i++)
            old =
                c->ports.at[i].port == p && c->ports.at[i].proto == proto ? &c->ports.at[i] : NULL;
        if (old) {
            old->published |= published;
            continue;
        }
        if (c->ports.len == SL_LOAD_MAX_PORTS) {
            sl_load_note(c->l, SL_NOTE_WARNING, "ports", place(c, "ports"), NULL,
                         "only the first 256 are looked at", pos);
            return true;
        }
        *SL_PUSH(&c->ports) = (struct sl_port){(uint16_t)p, proto, published, pos};
    }
    return true;
}

static bool bad_port(struct sl_service_load *c, const struct sl_ynode *n)
{
    sl_load_fail(c->l, "schema_error", n->pos, "service '%s': '%.60s' is no port", c->s->name,
                 n->text);
    sl_hint(c->l->err, "ports are written like \"8080:80\" or \"53:53/udp\"");
    return false;
}

// [[IP:][HOST]:]CONTAINER[/PROTO]. Only the container's part is kept.
static bool short_port(struct sl_service_load *c, const struct sl_ynode *n, bool published,
                       const char *at)
{
    const char *t = n->text, *slash = strchr(t, '/');
    uint8_t proto = slash && !strcasecmp(slash + 1, "udp") ? 17 : 6;
    size_t len = slash ? (size_t)(slash - t) : strlen(t);
    while (len && t[len - 1] == ' ')
        len--;
    const char *colon = memrchr(t, ':', len);
    const char *inner = colon ? colon + 1 : t;
    unsigned first, last;
    if (slash && strcasecmp(slash + 1, "udp") && strcasecmp(slash + 1, "tcp")) {
        if (strcasecmp(slash + 1, "sctp"))
            return bad_port(c, n);
        return sl_load_drop(c->l, "sctp", at, t, NULL, n->pos);
    }
    if (n->raw && (!len || !strcmp(t, ":")) && sl_load_step(c->l, "port-variable")) {
        sl_load_note(c->l, SL_NOTE_REPAIR, "port-variable", at, n->raw, NULL, n->pos);
        return true;
    }
    if (!port_range(inner, len - (size_t)(inner - t), &first, &last))
        return bad_port(c, n);
    if (colon && colon == t) { // a host part that expanded to nothing
        if (!sl_load_step(c->l, "port-variable"))
            return bad_port(c, n);
        sl_load_note(c->l, SL_NOTE_REPAIR, "port-variable", at, n->raw ? n->raw : t, inner, n->pos);
    } else if (colon && !sl_load_drop(c->l, "host-port", at, t, inner, n->pos)) {
        return false;
    }
    return add_ports(c, first, last, proto, published, n->pos);
}

static bool long_port(struct sl_service_load *c, const struct sl_ynode *n, const char *at)
{
    const struct sl_ynode *target = sl_yaml_get(n, "target"), *proto = sl_yaml_get(n, "protocol");
    const struct sl_ynode *published = sl_yaml_get(n, "published");
    unsigned first, last;
    if (!target || target->kind != SL_Y_SCALAR ||
        !port_range(target->text, strlen(target->text), &first, &last))
        return sl_load_fail(c->l, "schema_error", n->pos, "service '%s': a port needs a target",
                            c->s->name);
    if (published && !sl_yaml_is_null(published) &&
        !sl_load_drop(c->l, "host-port", at, sl_load_show(c->l, published), target->text, n->pos))
        return false;
    bool udp = proto && proto->kind == SL_Y_SCALAR && !strcasecmp(proto->text, "udp");
    return add_ports(c, first, last, udp ? 17 : 6, true, n->pos);
}

bool sl_load_ports(struct sl_service_load *c, const struct sl_yitem *it)
{
    const struct sl_ynode *n = it->value;
    if (sl_yaml_is_null(n))
        return true;
    if (n->kind != SL_Y_SEQ)
        return sl_load_fail(c->l, "schema_error", n->pos, "service '%s': %s wants a list",
                            c->s->name, it->key);
    bool published = !strcmp(it->key, "ports");
    for (size_t i = 0; i < n->n; i++) {
        const struct sl_ynode *v = n->items[i].value;
        const char *at = sl_load_place(c->l, "services.%s.%s[%zu]", c->s->name, it->key, i);
        if (sl_yaml_is_null(v))
            continue;
        if (v->kind == SL_Y_SEQ)
            return sl_load_fail(c->l, "schema_error", v->pos,
                                "service '%s': a port is text or a mapping", c->s->name);
        if (!(v->kind == SL_Y_SCALAR ? short_port(c, v, published, at) : long_port(c, v, at)))
            return false;
    }
    return true;
}

bool sl_load_expose(struct sl_service_load *c, const struct sl_yitem *it)
{
    return sl_load_ports(c, it);
}

// ---- networks -----------------------------------------------------------------------------------

static bool take_aliases(struct sl_service_load *c, struct sl_attach *a, const struct sl_ynode *n)
{
    if (!n || n->kind != SL_Y_SEQ)
        return true;
    a->aliases.at = sl_arena_alloc(c->l->a, n->n * sizeof *a->aliases.at);
    for (size_t i = 0; i < n->n && i < SL_LOAD_MAX_LIST; i++) {
        const struct sl_ynode *v = n->items[i].value;
        if (v->kind == SL_Y_SCALAR && sl_valid_host(v->text))
            a->aliases.at[a->aliases.len++] = v->text;
        else if (!sl_load_drop(c->l, "alias", place(c, "networks"), sl_load_show(c->l, v), NULL,
                               v->pos))
            return false;
    }
    return true;
}

static bool attach_to(struct sl_service_load *c, const char *network, const struct sl_ynode *n,
                      struct sl_pos pos)
{
    struct sl_attach a = {.network = network};
    const struct sl_ynode *table = sl_yaml_get(c->l->root, "networks");
    bool declared = !strcmp(network, "default");
    for (size_t i = 0; table && table->kind == SL_Y_MAP && i < table->n; i++)
        declared |= !strcmp(table->items[i].key, network);
    if (!declared)
        return sl_load_fail(c->l, "schema_error", pos,
                            "service '%s': the network '%.60s' is not declared", c->s->name,
                            network);
    if (c->networks.len == SL_LOAD_MAX_LIST / 20)
        return sl_load_fail(c->l, "schema_error", pos, "service '%s' is in too many networks",
                            c->s->name);
    for (size_t i = 0; i < c->networks.len; i++)
        if (!strcmp(c->networks.at[i].network, network))
            return true;
    for (size_t i = 0; n && n->kind == SL_Y_MAP && i < n->n; i++) {
        const struct sl_yitem *it = &n->items[i];
        const char *t = it->value->kind == SL_Y_SCALAR ? it->value->text : "";
        if (!strcmp(it->key, "aliases")) {
            if (!take_aliases(c, &a, it->value))
                return false;
        } else if (!strcmp(it->key, "ipv4_address") && sl_valid_ipv4(t)) {
            a.ipv4_address = t;
        } else if (strcmp(it->key, "priority") && strncmp(it->key, "x-", 2) &&
                   !sl_load_drop(c->l, "network-key",
                                 sl_load_place(c->l, "services.%s.networks.%s.%s", c->s->name,
                                               network, it->key),
                                 sl_load_show(c->l, it->value), NULL, it->pos)) {
            return false;
        }
    }
    *SL_PUSH(&c->networks) = a;
    return true;
}

bool sl_load_attach(struct sl_service_load *c, const struct sl_yitem *it)
{
    const struct sl_ynode *n = it->value;
    if (sl_yaml_is_null(n))
        return true;
    if (n->kind == SL_Y_SCALAR)
        return sl_load_fail(c->l, "schema_error", n->pos,
                            "service '%s': networks wants a list or a mapping", c->s->name);
    for (size_t i = 0; i < n->n; i++) {
        const struct sl_ynode *v = n->items[i].value;
        if (n->kind == SL_Y_SEQ && v->kind != SL_Y_SCALAR)
            return sl_load_fail(c->l, "schema_error", v->pos, "service '%s': networks wants names",
                                c->s->name);
        if (!attach_to(c, n->kind == SL_Y_SEQ ? v->text : n->items[i].key, v, n->items[i].pos))
            return false;
    }
    return true;
}

// A service of another one's network by its container's name, when the name is in this file.
static const char *named_container(const struct sl_load *l, const char *name)
{
    const struct sl_ynode *all = sl_yaml_get(l->root, "services");
    for (size_t i = 0; all && all->kind == SL_Y_MAP && i < all->n; i++) {
        const struct sl_ynode *n = sl_yaml_get(all->items[i].value, "container_name");
        if (n && n->kind == SL_Y_SCALAR && !strcmp(n->text, name))
            return all->items[i].key;
    }
    return NULL;
}

bool sl_load_network_mode(struct sl_service_load *c, const struct sl_yitem *it)
{
    const char *t = it->value->kind == SL_Y_SCALAR ? it->value->text : "?";
    if (sl_yaml_is_null(it->value) || !strcmp(t, "bridge") || !strcmp(t, "default"))
        return true;
    if (!strcmp(t, "none") || (sl_starts_with(t, "service:") && sl_valid_name(t + 8))) {
        c->s->network_mode = t;
        return true;
    }
    const char *other = sl_starts_with(t, "container:") ? named_container(c->l, t + 10) : NULL;
    if (other) {
        c->s->network_mode = sl_load_place(c->l, "service:%s", other);
        return sl_load_drop(c->l, "container-network", place(c, it->key), t, c->s->network_mode,
                            it->pos);
    }
    c->dropped = true; // it would not find its peers, nor they it
    return sl_load_drop(c->l, !strcmp(t, "host") ? "host-network" : "network_mode",
                        place(c, it->key), t, "the service is left out", it->pos);
}

bool sl_load_extra_hosts(struct sl_service_load *c, const struct sl_yitem *it)
{
    struct sl_pair *pairs;
    size_t n;
    if (!sl_load_pairs(c->l, place(c, it->key), it->value, 0, &pairs, &n))
        return false;
    for (size_t i = 0; i < n && i < SL_LOAD_MAX_LIST; i++) {
        if (pairs[i].value && sl_valid_ipv4(pairs[i].value) && sl_valid_host(pairs[i].key))
            *SL_PUSH(&c->hosts) = pairs[i];
        else if (!sl_load_drop(c->l, "extra_hosts", place(c, it->key),
                               sl_load_place(c->l, "%.100s:%.100s", pairs[i].key,
                                             pairs[i].value ? pairs[i].value : ""),
                               NULL, pairs[i].pos))
            return false;
    }
    return true;
}

bool sl_load_sysctls(struct sl_service_load *c, const struct sl_yitem *it)
{
    struct sl_pair *pairs;
    size_t n;
    if (!sl_load_pairs(c->l, place(c, it->key), it->value, '=', &pairs, &n))
        return false;
    for (size_t i = 0; i < n && i < SL_LOAD_MAX_LIST; i++) {
        if (sl_valid_sysctl(pairs[i].key, pairs[i].value))
            *SL_PUSH(&c->sysctls) = pairs[i];
        else if (!sl_load_drop(c->l, "sysctls", place(c, it->key),
                               sl_load_place(c->l, "%.100s=%.100s", pairs[i].key,
                                             pairs[i].value ? pairs[i].value : ""),
                               NULL, pairs[i].pos))
            return false;
    }
    return true;
}

// ---- the project's networks ---------------------------------------------------------------------

static void take_subnet(struct sl_network *net, const struct sl_ynode *ipam)
{
    const struct sl_ynode *config = sl_yaml_get(ipam, "config");
    for (size_t i = 0; config && config->kind == SL_Y_SEQ && i < config->n && !net->subnet; i++) {
        const struct sl_ynode *s = sl_yaml_get(config->items[i].value, "subnet");
        if (s && s->kind == SL_Y_SCALAR && !strchr(s->text, ':')) // IPv6 is not asked for
            net->subnet = s->text;
    }
}

static bool network_keys(struct sl_load *l, struct sl_network *net, const struct sl_ynode *n)
{
    for (size_t i = 0; n->kind == SL_Y_MAP && i < n->n; i++) {
        const struct sl_yitem *it = &n->items[i];
        const char *at = sl_load_place(l, "networks.%s.%s", net->key, it->key);
        const char *step = "network-key";
        if (!strcmp(it->key, "internal")) {
            sl_truth(it->value, &net->internal);
            step = NULL;
        } else if (!strcmp(it->key, "external")) {
            net->external = it->value->kind == SL_Y_MAP ||
                            (sl_truth(it->value, &net->external) && net->external);
            step = net->external ? "external-name" : NULL;
        } else if (!strcmp(it->key, "name")) {
            step = "external-name";
        } else if (!strcmp(it->key, "ipam")) {
            take_subnet(net, it->value);
            step = NULL;
        } else if (!strcmp(it->key, "driver")) {
            bool bridge = it->value->kind == SL_Y_SCALAR &&
                          (!strcmp(it->value->text, "bridge") || sl_yaml_is_null(it->value));
            step = bridge ? NULL : "network-driver";
        }
        if (step && strncmp(it->key, "x-", 2) &&
            !sl_load_drop(l, step, at, sl_load_show(l, it->value), NULL, it->pos))
            return false;
    }
    return true;
}

bool sl_load_networks(struct sl_load *l)
{
    const struct sl_ynode *n = sl_yaml_get(l->root, "networks");
    if (n && n->kind != SL_Y_MAP && !sl_yaml_is_null(n))
        return sl_load_fail(l, "schema_error", n->pos, "networks wants a mapping");
    size_t count = n && n->kind == SL_Y_MAP ? n->n : 0;
    if (count > SL_LOAD_MAX_LIST)
        return sl_load_fail(l, "schema_error", n->pos, "more than %d networks", SL_LOAD_MAX_LIST);
    l->p->networks = sl_arena_alloc(l->a, (count + 1) * sizeof *l->p->networks);
    l->p->n_networks = 0;
    for (size_t i = 0; i < count; i++) {
        const struct sl_yitem *it = &n->items[i];
        if (!strncmp(it->key, "x-", 2))
            continue;
        if (!sl_valid_name(it->key))
            return sl_load_fail(l, "schema_error", it->pos,
                                "'%.80s' cannot be the name of a network", it->key);
        struct sl_network *net = &l->p->networks[l->p->n_networks++];
        *net = (struct sl_network){.key = it->key, .pos = it->pos};
        if (!network_keys(l, net, it->value))
            return false;
    }
    return true;
}
