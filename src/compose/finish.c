// SPDX-License-Identifier: Apache-2.0
// What can be said only when all services are known: who depends on whom, who is called what, and
// which binds must not be written through.
#include "compose/load.h"
#include <stdio.h>
#include <string.h>

static struct sl_service_load *find(struct sl_service_load *c, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(c[i].s->name, name))
            return &c[i];
    return NULL;
}

// ---- names --------------------------------------------------------------------------------------

static bool name_taken(struct sl_service_load *c, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(c[i].s->name, name))
            return true;
    return false;
}

static void add_alias(struct sl_load *l, struct sl_attach *a, const char *alias)
{
    for (size_t i = 0; i < a->aliases.len; i++)
        if (!strcmp(a->aliases.at[i], alias))
            return;
    const char **more = sl_arena_alloc(l->a, (a->aliases.len + 1) * sizeof *more);
    if (a->aliases.len)
        memcpy(more, a->aliases.at, a->aliases.len * sizeof *more);
    more[a->aliases.len] = alias;
    a->aliases = (struct sl_words){more, a->aliases.len + 1, true};
}

static void alias_everywhere(struct sl_load *l, struct sl_service_load *c, const char *alias)
{
    for (size_t i = 0; i < c->networks.len && c->networks.at[i].aliases.len < 64; i++)
        add_alias(l, &c->networks.at[i], alias);
}

static bool settle_names(struct sl_load *l, struct sl_service_load *all, size_t n,
                         struct sl_service_load *c)
{
    const char *name = c->container_name;
    if (name) {
        const struct sl_ynode *at = sl_yaml_get(c->node, "container_name");
        bool alias = !name_taken(all, n, name);
        if (alias)
            alias_everywhere(l, c, name);
        if (!sl_load_drop(
                l, "container-name", sl_load_place(l, "services.%s.container_name", c->s->name),
                name, alias ? sl_load_place(l, "alias %s", name) : NULL, at ? at->pos : c->s->pos))
            return false;
    }
    if (c->s->hostname && !name_taken(all, n, c->s->hostname))
        alias_everywhere(l, c, c->s->hostname);
    if (c->domain && c->s->hostname) {
        const char *full = sl_load_place(l, "%s.%s", c->s->hostname, c->domain);
        if (sl_valid_host(full) && strlen(full) < 64)
            c->s->hostname = full;
    }
    for (size_t i = 0; i < c->links.len; i++) {
        const char *colon = strchr(c->links.at[i], ':');
        if (!colon || !sl_valid_host(colon + 1) || name_taken(all, n, colon + 1))
            continue;
        struct sl_service_load *to =
            find(all, n, sl_load_place(l, "%.*s", (int)(colon - c->links.at[i]), c->links.at[i]));
        if (to)
            alias_everywhere(l, to, colon + 1);
    }
    return true;
}

// "web-2" is what the second replica of "web" is called: a service of that name keeps it.
static bool settle_replicas(struct sl_load *l, struct sl_service_load *all, size_t n,
                            struct sl_service_load *c)
{
    char name[80];
    for (int k = 2; k <= c->s->replicas; k++) {
        snprintf(name, sizeof name, "%s-%d", c->s->name, k);
        if (!name_taken(all, n, name))
            continue;
        c->s->replicas = 1;
        return sl_load_drop(l, "replicas", sl_load_place(l, "services.%s", c->s->name), name,
                            "one replica", c->s->pos);
    }
    if (c->s->replicas == 0)
        c->s->enabled = false;
    return true;
}

// ---- dependencies -------------------------------------------------------------------------------

static bool healthy_possible(const struct sl_service *s)
{
    return s->health && s->health->test.len && strcmp(s->health->test.at[0], "NONE");
}

static bool settle_one(struct sl_load *l, struct sl_service_load *all, size_t n,
                       struct sl_service_load *c, struct sl_depend *d, bool *keep)
{
    const char *at = sl_load_place(l, "services.%s.depends_on.%s", c->s->name, d->service);
    struct sl_service_load *to = find(all, n, d->service);
    *keep = false;
    if (!to) {
        sl_load_fail(l, "schema_error", d->pos,
                     "service '%s' depends on '%.60s', which is not there", c->s->name, d->service);
        return false;
    }
    if (to == c)
        return sl_load_fail(l, "schema_error", d->pos, "service '%s' depends on itself",
                            c->s->name);
    if (to->dropped || !to->s->enabled) {
        if (c->s->enabled && !c->dropped)
            sl_load_note(l, SL_NOTE_REPAIR, to->dropped ? "dropped-service" : "profile", at,
                         d->service, NULL, d->pos);
        return true;
    }
    if (d->condition == SL_DEPENDS_HEALTHY && !healthy_possible(to->s)) {
        if (!sl_load_step(l, "health-condition"))
            return sl_load_fail(
                l, "schema_error", d->pos,
                "service '%s' waits for the health of '%s', which has no health check", c->s->name,
                d->service);
        sl_load_note(l, SL_NOTE_REPAIR, "health-condition", at, "service_healthy",
                     "service_started", d->pos);
        d->condition = SL_DEPENDS_STARTED;
    }
    *keep = true;
    return true;
}

static bool settle_depends(struct sl_load *l, struct sl_service_load *all, size_t n,
                           struct sl_service_load *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->depends.len; i++) {
        bool keep;
        if (!settle_one(l, all, n, c, &c->depends.at[i], &keep))
            return false;
        if (keep)
            c->depends.at[kept++] = c->depends.at[i];
    }
    c->depends.len = kept;
    return true;
}

static const char *mode_target(const struct sl_service *s)
{
    return s->network_mode && sl_starts_with(s->network_mode, "service:") ? s->network_mode + 8
                                                                          : NULL;
}

// 0 = not seen, 1 = on the way, 2 = done
static bool acyclic(struct sl_load *l, struct sl_service_load *all, size_t n, size_t i,
                    unsigned char *seen)
{
    struct sl_service_load *c = &all[i];
    if (seen[i] == 2)
        return true;
    if (seen[i] == 1)
        return sl_load_fail(l, "schema_error", c->s->pos,
                            "service '%s' depends on itself through others", c->s->name);
    seen[i] = 1;
    for (size_t k = 0; k < c->depends.len; k++)
        if (!acyclic(l, all, n, (size_t)(find(all, n, c->depends.at[k].service) - all), seen))
            return false;
    struct sl_service_load *net = mode_target(c->s) ? find(all, n, mode_target(c->s)) : NULL;
    if (net && !acyclic(l, all, n, (size_t)(net - all), seen))
        return false;
    seen[i] = 2;
    return true;
}

static bool settle_mode(struct sl_load *l, struct sl_service_load *all, size_t n,
                        struct sl_service_load *c)
{
    const char *target = mode_target(c->s);
    struct sl_service_load *to = target ? find(all, n, target) : NULL;
    if (!target)
        return true;
    if (!to)
        return sl_load_fail(l, "schema_error", c->s->pos,
                            "service '%s' wants the network of '%.60s', which is not there",
                            c->s->name, target);
    if (to->dropped || !to->s->enabled) {
        c->dropped = true;
        return sl_load_drop(l, "dropped-service",
                            sl_load_place(l, "services.%s.network_mode", c->s->name),
                            c->s->network_mode, "the service is left out", c->s->pos);
    }
    return true;
}

static bool settle_volumes_from(struct sl_load *l, struct sl_service_load *all, size_t n,
                                struct sl_service_load *c)
{
    for (size_t i = 0; i < c->volumes_from.len; i++) {
        const char *w = c->volumes_from.at[i];
        size_t len = strcspn(w, ":");
        struct sl_service_load *from = find(all, n, sl_load_place(l, "%.*s", (int)len, w));
        for (size_t k = 0; from && k < from->mounts.len && c->mounts.len < 500; k++) {
            bool there = false;
            for (size_t m = 0; m < c->mounts.len; m++)
                there |= !strcmp(c->mounts.at[m].target, from->mounts.at[k].target);
            if (!there && from->mounts.at[k].source)
                *SL_PUSH(&c->mounts) = from->mounts.at[k];
        }
    }
    return true;
}

// ---- binds within binds -------------------------------------------------------------------------

static bool inside(const char *outer, const char *inner)
{
    size_t n = strlen(outer);
    if (!strcmp(outer, "."))
        return strcmp(inner, ".") != 0;
    return !strncmp(outer, inner, n) && inner[n] == '/';
}

// The engine follows links when it mounts a source. Whoever may write to ./app could put a link in
// the place of ./app/conf before the container that binds it starts (or starts again), and reach
// the host through it. So a bind that holds another one's source is not writable.
static bool settle_binds(struct sl_load *l, struct sl_service_load *all, size_t n)
{
    struct source {
        const char *path;
    };
    SL_VEC(struct source) sources = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < all[i].mounts.len; k++) {
            bool there = all[i].mounts.at[k].kind != SL_MOUNT_BIND;
            for (size_t s = 0; s < sources.len && !there; s++)
                there = !strcmp(sources.at[s].path, all[i].mounts.at[k].source);
            if (!there && sources.len < 1000)
                SL_PUSH(&sources)->path = all[i].mounts.at[k].source;
            else if (!there)
                all[i].mounts.at[k].read_only = true;
        }
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++)
        for (size_t k = 0; k < all[i].mounts.len && ok; k++) {
            struct sl_mount *m = &all[i].mounts.at[k];
            bool holds = false;
            for (size_t s = 0;
                 s < sources.len && !holds && m->kind == SL_MOUNT_BIND && !m->read_only; s++)
                holds = inside(m->source, sources.at[s].path);
            if (!holds)
                continue;
            m->read_only = true;
            ok = sl_load_drop(l, "nested-bind",
                              sl_load_place(l, "services.%s.volumes", all[i].s->name), m->source,
                              "read-only, for another bind lies below it", m->pos);
        }
    SL_VEC_DONE(&sources);
    return ok;
}

// ---- into the model -----------------------------------------------------------------------------

#define KEEP(l, vec, dest, count)                                                                  \
    do {                                                                                           \
        (count) = (vec)->len;                                                                      \
        (dest) = sl_arena_alloc((l)->a, (vec)->len * sizeof *(dest));                              \
        if ((vec)->len)                                                                            \
            memcpy((dest), (vec)->at, (vec)->len * sizeof *(dest));                                \
    } while (0)

static void keep_service(struct sl_load *l, struct sl_service_load *c)
{
    struct sl_service *s = c->s;
    KEEP(l, &c->env, s->env, s->n_env);
    KEEP(l, &c->ports, s->ports, s->n_ports);
    KEEP(l, &c->mounts, s->mounts, s->n_mounts);
    KEEP(l, &c->networks, s->networks, s->n_networks);
    KEEP(l, &c->depends, s->depends, s->n_depends);
    KEEP(l, &c->hosts, s->extra_hosts, s->n_extra_hosts);
    KEEP(l, &c->sysctls, s->sysctls, s->n_sysctls);
}

static void declare_missing(struct sl_load *l)
{
    struct sl_project *p = l->p;
    size_t most = p->n_volumes;
    for (size_t i = 0; i < p->n_services; i++)
        most += p->services[i].n_mounts;
    struct sl_volume *all = sl_arena_alloc(l->a, (most + 1) * sizeof *all);
    if (p->n_volumes)
        memcpy(all, p->volumes, p->n_volumes * sizeof *all);
    p->volumes = all;
    for (size_t i = 0; i < p->n_services; i++)
        for (size_t k = 0; k < p->services[i].n_mounts; k++) {
            const struct sl_mount *m = &p->services[i].mounts[k];
            bool there = m->kind != SL_MOUNT_VOLUME || !m->source;
            for (size_t v = 0; v < p->n_volumes && !there; v++)
                there = !strcmp(all[v].key, m->source);
            if (!there)
                all[p->n_volumes++] = (struct sl_volume){.key = m->source, .pos = m->pos};
        }
    bool used = false, declared = false;
    for (size_t i = 0; i < p->n_services; i++)
        for (size_t k = 0; k < p->services[i].n_networks; k++)
            used |= !strcmp(p->services[i].networks[k].network, "default");
    for (size_t i = 0; i < p->n_networks; i++)
        declared |= !strcmp(p->networks[i].key, "default");
    if (used && !declared) // room was left for it
        p->networks[p->n_networks++] =
            (struct sl_network){.key = "default", .pos = {p->file, 1, 1}};
}

static bool settle_services(struct sl_load *l, struct sl_service_load *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sl_service_load *x = &c[i];
        if (!x->dropped && !x->s->image && !x->s->build)
            return sl_load_fail(l, "schema_error", x->s->pos,
                                "service '%s' has neither image nor build", x->s->name);
        if (x->s->network_mode)
            x->networks.len = 0;
        else if (!x->networks.len)
            SL_PUSH(&x->networks)->network = "default";
        if (!settle_replicas(l, c, n, x))
            return false;
    }
    for (size_t round = 0; round < 4; round++) // what joins a dropped service is dropped as well
        for (size_t i = 0; i < n; i++)
            if (!c[i].dropped && !settle_mode(l, c, n, &c[i]))
                return false;
    for (size_t i = 0; i < n; i++)
        if (!settle_names(l, c, n, &c[i]) || !settle_depends(l, c, n, &c[i]) ||
            !settle_volumes_from(l, c, n, &c[i]))
            return false;
    unsigned char seen[SL_LOAD_MAX_SERVICES] = {0};
    for (size_t i = 0; i < n; i++)
        if (!acyclic(l, c, n, i, seen))
            return false;
    return settle_binds(l, c, n);
}

static const char *last_drop(const struct sl_load *l)
{
    for (size_t i = l->notes.len; i-- > 0;)
        if (l->notes.at[i].kind == SL_NOTE_POLICY)
            return l->notes.at[i].step;
    return "";
}

bool sl_load_finish(struct sl_load *l, struct sl_service_load *c, size_t n)
{
    if (!settle_services(l, c, n))
        return false;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        keep_service(l, &c[i]);
        if (!c[i].dropped)
            l->p->services[kept++] = *c[i].s;
    }
    l->p->n_services = kept;
    if (!kept) {
        sl_load_fail(l, "policy_denied", n ? c[0].s->pos : (struct sl_pos){l->p->file, 1, 1},
                     "policy leaves no service of this project%s%s", l->notes.len ? ": " : "",
                     last_drop(l));
        sl_hint(l->err, "'sluice repair' lists what was dropped and where");
        return false;
    }
    declare_missing(l);
    return true;
}
