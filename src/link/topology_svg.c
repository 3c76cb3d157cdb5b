// SPDX-License-Identifier: Apache-2.0
/*
 * Routers (and hosts with several links) are laid out by springs, Fruchterman and Reingold's way,
 * from a circle, so that the same topology gives the same picture; hosts of one link stand in a fan
 * around their router. Nodes that have a place of their own keep it.
 */
#include "link/topology.h"
#include "net/packet.h"
#include <math.h>
#include <string.h>

enum {
    WIDTH = 1000,
    HEIGHT = 720,
    MARGIN = 50,
    MOST_NODES = 3000,
    MOST_SPRINGS = 400,
    STEPS = 200,
    NAMED = 120
};

struct picture {
    const struct sl_topology *t;
    uint32_t *degree, *inner; // inner: numbers of the nodes that are laid out by springs
    uint32_t *hub, *turn; // of hosts with one link: where it leads, and which of its hosts it is
    uint32_t n_inner;
    double *x, *y;
    double reach; // of a fan's first ring
    uint32_t ring;
};

static void find_inner(struct picture *p)
{
    const struct sl_topology *t = p->t;
    for (size_t i = 0; i < t->links.len; i++) {
        p->degree[t->links.at[i].a]++;
        p->degree[t->links.at[i].b]++;
    }
    for (uint32_t i = 0; i < t->nodes.len; i++)
        if (t->nodes.at[i].router || p->degree[i] != 1)
            p->inner[p->n_inner++] = i;
    for (uint32_t i = 0; !p->n_inner && i < t->nodes.len; i++) // hosts with only each other
        p->inner[p->n_inner++] = i;
}

static void circle(struct picture *p)
{
    for (uint32_t k = 0; k < p->n_inner; k++) {
        double a = M_PI - 2 * M_PI * k / p->n_inner;
        p->x[p->inner[k]] = p->n_inner > 1 ? cos(a) : 0;
        p->y[p->inner[k]] = p->n_inner > 1 ? sin(a) : 0;
    }
}

static bool placed(const struct picture *p)
{
    for (uint32_t k = 0; k < p->n_inner; k++)
        if (isnan(p->t->nodes.at[p->inner[k]].x) || isnan(p->t->nodes.at[p->inner[k]].y))
            return false;
    for (uint32_t k = 0; k < p->n_inner; k++) {
        p->x[p->inner[k]] = p->t->nodes.at[p->inner[k]].x;
        p->y[p->inner[k]] = -p->t->nodes.at[p->inner[k]].y; // north is up
    }
    return true;
}

static void pull(struct picture *p, double *fx, double *fy, double rest, bool *is_inner)
{
    for (size_t i = 0; i < p->t->links.len; i++) {
        uint32_t a = p->t->links.at[i].a, b = p->t->links.at[i].b;
        if (!is_inner[a] || !is_inner[b])
            continue;
        double dx = p->x[a] - p->x[b], dy = p->y[a] - p->y[b], d = hypot(dx, dy) + 1e-9;
        double f = d / rest;
        fx[a] -= dx * f, fy[a] -= dy * f;
        fx[b] += dx * f, fy[b] += dy * f;
    }
}

static void springs(struct picture *p)
{
    size_t n = p->t->nodes.len;
    double *fx = sl_alloc(n * sizeof *fx), *fy = sl_alloc(n * sizeof *fy);
    bool *is_inner = sl_alloc(n);
    double rest = 1.8 / sqrt(p->n_inner + 1.0);
    for (uint32_t k = 0; k < p->n_inner; k++)
        is_inner[p->inner[k]] = true;
    for (int step = 0; step < STEPS; step++) {
        double most = 0.1 * (1 - (double)step / STEPS);
        memset(fx, 0, n * sizeof *fx);
        memset(fy, 0, n * sizeof *fy);
        for (uint32_t k = 0; k < p->n_inner; k++)
            for (uint32_t m = k + 1; m < p->n_inner; m++) {
                uint32_t a = p->inner[k], b = p->inner[m];
                double dx = p->x[a] - p->x[b], dy = p->y[a] - p->y[b];
                double f = rest * rest / (dx * dx + dy * dy + 1e-9);
                fx[a] += dx * f, fy[a] += dy * f;
                fx[b] -= dx * f, fy[b] -= dy * f;
            }
        pull(p, fx, fy, rest, is_inner);
        for (uint32_t k = 0; k < p->n_inner; k++) {
            uint32_t a = p->inner[k];
            double f = hypot(fx[a], fy[a]) + 1e-9, s = f > most ? most / f : 1;
            p->x[a] += fx[a] * s;
            p->y[a] += fy[a] * s;
        }
    }
    free(fx);
    free(fy);
    free(is_inner);
}

static void fit(struct picture *p)
{
    double lo[2] = {INFINITY, INFINITY}, hi[2] = {-INFINITY, -INFINITY};
    for (uint32_t k = 0; k < p->n_inner; k++) {
        lo[0] = fmin(lo[0], p->x[p->inner[k]]), hi[0] = fmax(hi[0], p->x[p->inner[k]]);
        lo[1] = fmin(lo[1], p->y[p->inner[k]]), hi[1] = fmax(hi[1], p->y[p->inner[k]]);
    }
    double margin = MARGIN + p->reach, sx = (WIDTH - 2 * margin) / fmax(hi[0] - lo[0], 1e-6),
           sy = (HEIGHT - 2 * margin) / fmax(hi[1] - lo[1], 1e-6), s = fmin(sx, sy);
    for (uint32_t k = 0; k < p->n_inner; k++) {
        uint32_t a = p->inner[k];
        p->x[a] = WIDTH / 2.0 + (p->x[a] - (lo[0] + hi[0]) / 2) * s;
        p->y[a] = HEIGHT / 2.0 + (p->y[a] - (lo[1] + hi[1]) / 2) * s;
    }
}

// Hosts of one link: rings around their router.
static void fans(struct picture *p)
{
    const struct sl_topology *t = p->t;
    uint32_t *at = sl_alloc(t->nodes.len * sizeof *at);
    bool *is_inner = sl_alloc(t->nodes.len);
    for (uint32_t k = 0; k < p->n_inner; k++)
        is_inner[p->inner[k]] = true;
    for (size_t i = 0; i < t->links.len; i++) {
        uint32_t a = t->links.at[i].a, b = t->links.at[i].b;
        if (!is_inner[a] && is_inner[b]) {
            p->hub[a] = b;
            p->turn[a] = at[b]++;
        } else if (!is_inner[b] && is_inner[a]) {
            p->hub[b] = a;
            p->turn[b] = at[a]++;
        }
    }
    for (uint32_t i = 0; i < t->nodes.len; i++) {
        if (is_inner[i])
            continue;
        uint32_t h = p->hub[i], n = at[h], ring = p->turn[i] / p->ring, rest = n - ring * p->ring,
                 on_ring = rest < p->ring ? rest : p->ring;
        double out = atan2(p->y[h] - HEIGHT / 2.0, p->x[h] - WIDTH / 2.0 + 1e-9);
        double spread = p->n_inner == 1 ? 2 * M_PI : M_PI;
        double step = on_ring > 1 ? spread / (spread > 6 ? on_ring : on_ring - 1) : 0;
        double a =
            out + step * (p->turn[i] % p->ring) - (on_ring > 1 && spread < 6 ? spread / 2 : 0);
        double far = p->reach * (1 + 0.36 * ring);
        p->x[i] = p->x[h] + far * cos(a);
        p->y[i] = p->y[h] + far * sin(a);
    }
    free(at);
    free(is_inner);
}

static void add_text(struct sl_str *s, const char *text)
{
    for (; *text; text++) {
        if (strchr("<>&\"", *text))
            sl_str_addf(s, "&#%d;", *text);
        else
            sl_str_addn(s, text, 1);
    }
}

static void draw(const struct picture *p, struct sl_str *s)
{
    const struct sl_topology *t = p->t;
    bool names = t->nodes.len <= NAMED;
    char address[16];
    sl_str_addf(s,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                "font-family=\"system-ui, sans-serif\" font-size=\"11\">\n"
                "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
                WIDTH, HEIGHT, WIDTH, HEIGHT);
    for (size_t i = 0; i < t->links.len; i++) {
        const struct sl_topology_link *l = &t->links.at[i];
        bool core = t->nodes.at[l->a].router && t->nodes.at[l->b].router;
        sl_str_addf(s,
                    "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
                    "stroke-width=\"%s\"><title>",
                    p->x[l->a], p->y[l->a], p->x[l->b], p->y[l->b], core ? "#456" : "#9ab",
                    core ? "2" : "1");
        add_text(s, l->name);
        for (int d = 0; d < 2; d++) {
            struct sl_str words = {0};
            sl_conditions_text(&l->conditions[d], &words);
            sl_str_add(s, d ? "\ndown: " : "\nup: ");
            add_text(s, words.len ? sl_str_text(&words) : "nothing");
            sl_str_done(&words);
        }
        sl_str_add(s, "</title></line>\n");
    }
    for (uint32_t i = 0; i < t->nodes.len; i++) {
        const struct sl_node_entry *n = &t->nodes.at[i];
        if (n->router)
            sl_str_addf(s,
                        "<rect x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"14\" rx=\"3\" "
                        "fill=\"#345\"><title>",
                        p->x[i] - 7, p->y[i] - 7);
        else
            sl_str_addf(s, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" fill=\"#2a7\"><title>",
                        p->x[i], p->y[i], names ? 6 : 3);
        add_text(s, n->name);
        if (n->address)
            sl_str_addf(s, " %s", sl_ipv4_text(n->address, address));
        sl_str_add(s, n->router ? "</title></rect>\n" : "</title></circle>\n");
        if (!names)
            continue;
        sl_str_addf(s, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" fill=\"#223\">", p->x[i],
                    p->y[i] - 10);
        add_text(s, n->name);
        sl_str_add(s, "</text>\n");
    }
    sl_str_add(s, "</svg>\n");
}

char *sl_topology_svg(const struct sl_topology *t, struct sl_error *err)
{
    size_t n = t->nodes.len;
    if (n > MOST_NODES) {
        sl_fail(err, SL_EINPUT, "a picture of %zu nodes would show nothing: at most %d", n,
                MOST_NODES);
        return NULL;
    }
    struct picture p = {.t = t,
                        .degree = sl_alloc((n + 1) * sizeof *p.degree),
                        .inner = sl_alloc((n + 1) * sizeof *p.inner),
                        .hub = sl_alloc((n + 1) * sizeof *p.hub),
                        .turn = sl_alloc((n + 1) * sizeof *p.turn),
                        .x = sl_alloc((n + 1) * sizeof *p.x),
                        .y = sl_alloc((n + 1) * sizeof *p.y)};
    struct sl_str s = {0};
    find_inner(&p);
    p.reach = p.n_inner > 8 ? 44 : 130;
    p.ring = p.n_inner == 1 ? 24 : n > NAMED ? 16 : 9;
    if (!placed(&p)) {
        circle(&p);
        if (p.n_inner > 2 && p.n_inner <= MOST_SPRINGS)
            springs(&p);
    }
    fit(&p);
    fans(&p);
    draw(&p, &s);
    free(p.degree);
    free(p.inner);
    free(p.hub);
    free(p.turn);
    free(p.x);
    free(p.y);
    return sl_str_take(&s);
}
