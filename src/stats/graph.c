// SPDX-License-Identifier: Apache-2.0
/*
 * The connectivity graph as SVG, laid out here, the same every time.
 *
 * Each host is a column, h1, h2, ... from left to right and external last, with its services
 * stacked inside. Within a column services are ordered by the mean place of their neighbours
 * (Sugiyama's barycentre sweeps), which keeps crossings few. An edge between neighbouring columns
 * is a curve through the gap; inside a column it is an arc at its right; one that skips columns
 * climbs through the gap to a lane of its own above all boxes, so that no edge runs behind a box. A
 * service is as tall as its edges need, so the ends of edges and their labels never touch.
 *
 * Source  K. Sugiyama, S. Tagawa, M. Toda, IEEE Trans. SMC 11(2), 1981.
 */
#include "base/mem.h"
#include "stats/html.h"
#include "stats/report.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    NODE_W = 176,
    NODE_MIN_H = 44,
    PITCH = 18, // between ends of edges on a side
    STACK = 14, // between services
    PAD = 14,
    PAD_ARCS = 86, // right of services with edges among themselves
    TITLE_H = 30,
    COLUMN_GAP = 150,
    LABEL_W = 58, // room for labels at both sides of a gap; climbs keep between
    CLIMB_W = 9,
    LANE_H = 16,
    MARGIN = 16,
    MAX_LABELS = 48, // more edges than that go without a label
    MAX_NODES = 2000,
    MAX_EDGES = 5000,
};

enum route { ROUTE_GAP, ROUTE_ARC, ROUTE_LANE };
struct edge {
    const json_t *j;
    size_t src, dst; // nodes
    enum route route;
    double src_y, dst_y;
    int lane, nth; // lane: 0 is next to the boxes; nth: arcs of a column are set apart by it
    int up, down;  // its climbs in the gaps beside source and server
    double bytes;
    int colour;
};
struct end { // an edge at a side of a node
    size_t edge;
    bool is_src;
    double toward; // where its other end is, top to bottom
};
struct node {
    const json_t *j;
    const char *id, *label, *host, *image, *cls, *role, *project;
    size_t column;
    double place; // 0..1 from the top, while ordering
    double y, h;
    SL_VEC(struct end) side[2]; // left, right
};
struct column {
    const char *host;
    SL_VEC(size_t) nodes;
    double x, y, h, pad_right;
    int arcs, climbs; // climbs: in the gap at its right
};
struct span { // of gaps that an edge in a lane passes
    size_t edge, from, to;
};
struct graph {
    SL_VEC(struct node) nodes;
    SL_VEC(struct edge) edges;
    SL_VEC(struct column) columns;
    int lanes, strays; // strays: edges of nodes that are not there
    double width, height, most_bytes;
};

// ---- reading ------------------------------------------------------------------------------------

// h2 before h10; then other names; external last.
static int host_rank(const char *name, unsigned long *number)
{
    *number = 0;
    if (name[0] == 'h' && name[1] >= '0' && name[1] <= '9') {
        char *end;
        *number = strtoul(name + 1, &end, 10);
        if (!*end)
            return 0;
    }
    return strcmp(name, "external") ? 1 : 2;
}

static int compare_hosts(const char *a, const char *b)
{
    unsigned long na, nb;
    int ra = host_rank(a, &na), rb = host_rank(b, &nb);
    if (ra != rb)
        return ra - rb;
    if (ra == 0 && na != nb)
        return na < nb ? -1 : 1;
    return strcmp(a, b);
}

static int compare_text3(const char *const a[3], const char *const b[3])
{
    for (int i = 0; i < 3; i++) {
        int d = strcmp(a[i], b[i]);
        if (d)
            return d;
    }
    return 0;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct node *x = a, *y = b;
    int d = compare_hosts(x->host, y->host);
    return d ? d
             : compare_text3((const char *const[]){x->project, x->label, x->id},
                             (const char *const[]){y->project, y->label, y->id});
}

static void read_nodes(struct graph *g, const json_t *nodes)
{
    size_t i;
    json_t *v;
    json_array_foreach(nodes, i, v)
    {
        struct node *n = SL_PUSH(&g->nodes);
        n->j = v;
        n->id = sl_json_str(v, "id", "");
        n->label = sl_json_str(v, "label", n->id);
        n->host = sl_json_str(v, "host", "");
        n->image = sl_json_str(v, "image", "");
        n->cls = sl_json_str(v, "class", "");
        n->role = sl_json_str(v, "role", "");
        n->project = sl_json_str(v, "project", "");
    }
    if (g->nodes.len)
        qsort(g->nodes.at, g->nodes.len, sizeof *g->nodes.at, compare_nodes);
    for (i = 0; i < g->nodes.len; i++) {
        struct node *n = &g->nodes.at[i];
        if (!g->columns.len || strcmp(g->columns.at[g->columns.len - 1].host, n->host))
            SL_PUSH(&g->columns)->host = n->host;
        n->column = g->columns.len - 1;
        *SL_PUSH(&g->columns.at[n->column].nodes) = i;
    }
    for (i = 0; i < g->columns.len; i++)
        for (size_t k = 0; k < g->columns.at[i].nodes.len; k++)
            g->nodes.at[g->columns.at[i].nodes.at[k]].place =
                ((double)k + 0.5) / (double)g->columns.at[i].nodes.len;
}

static bool node_named(const struct graph *g, const char *id, size_t *out)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        if (!strcmp(g->nodes.at[i].id, id)) {
            *out = i;
            return true;
        }
    }
    return false;
}

static void read_edges(struct graph *g, const json_t *edges)
{
    size_t i;
    json_t *v;
    json_array_foreach(edges, i, v)
    {
        size_t src, dst;
        if (!node_named(g, sl_json_str(v, "src", ""), &src) ||
            !node_named(g, sl_json_str(v, "dst", ""), &dst)) {
            g->strays++;
            continue;
        }
        size_t a = g->nodes.at[src].column, b = g->nodes.at[dst].column;
        struct edge *e = SL_PUSH(&g->edges);
        *e = (struct edge){.j = v,
                           .src = src,
                           .dst = dst,
                           .bytes = sl_json_num(v, "bytes_up", 0) + sl_json_num(v, "bytes_down", 0),
                           .colour = sl_html_colour(sl_json_str(v, "class", ""))};
        e->route = a == b ? ROUTE_ARC : a + 1 == b || b + 1 == a ? ROUTE_GAP : ROUTE_LANE;
        g->most_bytes = fmax(g->most_bytes, e->bytes);
    }
}

// ---- placing ------------------------------------------------------------------------------------

static void order_column(struct graph *g, struct column *c)
{
    double *wish = sl_alloc((c->nodes.len + 1) * sizeof *wish);
    for (size_t k = 0; k < c->nodes.len; k++) {
        size_t self = c->nodes.at[k];
        double sum = 0;
        int count = 0;
        for (size_t i = 0; i < g->edges.len; i++) {
            const struct edge *e = &g->edges.at[i];
            if (e->src != e->dst && (e->src == self || e->dst == self)) {
                sum += g->nodes.at[e->src == self ? e->dst : e->src].place;
                count++;
            }
        }
        wish[k] = count ? sum / count : g->nodes.at[self].place;
    }
    for (size_t k = 1; k < c->nodes.len; k++) { // insertion sort: stable, and columns are short
        size_t node = c->nodes.at[k];
        double w = wish[k];
        size_t at = k;
        for (; at > 0 && wish[at - 1] > w + 1e-9; at--) {
            c->nodes.at[at] = c->nodes.at[at - 1];
            wish[at] = wish[at - 1];
        }
        c->nodes.at[at] = node;
        wish[at] = w;
    }
    for (size_t k = 0; k < c->nodes.len; k++)
        g->nodes.at[c->nodes.at[k]].place = ((double)k + 0.5) / (double)c->nodes.len;
    free(wish);
}

static void add_end(struct graph *g, size_t edge, bool is_src)
{
    const struct edge *e = &g->edges.at[edge];
    size_t self = is_src ? e->src : e->dst, other = is_src ? e->dst : e->src;
    struct node *n = &g->nodes.at[self];
    bool right = e->route == ROUTE_ARC || g->nodes.at[other].column > n->column;
    *SL_PUSH(&n->side[right]) = (struct end){.edge = edge, .is_src = is_src};
}

static void place_columns(struct graph *g)
{
    double tallest = 0;
    for (size_t c = 0; c < g->columns.len; c++) {
        struct column *col = &g->columns.at[c];
        col->h = TITLE_H + PAD;
        for (size_t k = 0; k < col->nodes.len; k++) {
            struct node *n = &g->nodes.at[col->nodes.at[k]];
            size_t most = n->side[0].len > n->side[1].len ? n->side[0].len : n->side[1].len;
            n->h = fmax(NODE_MIN_H, (double)(most + 1) * PITCH);
            n->y = col->h; // inside the column for now
            col->h += n->h + (k + 1 < col->nodes.len ? STACK : PAD);
        }
        tallest = fmax(tallest, col->h);
        col->pad_right = col->arcs ? PAD_ARCS : PAD;
        const struct column *left = c ? col - 1 : NULL;
        col->x = left ? left->x + PAD + NODE_W + left->pad_right +
                            fmax(COLUMN_GAP, 2 * LABEL_W + CLIMB_W * (left->climbs + 1))
                      : MARGIN;
        g->width = col->x + PAD + NODE_W + col->pad_right + MARGIN;
    }
    double top = MARGIN + (g->lanes ? g->lanes * LANE_H + 10 : 0);
    for (size_t c = 0; c < g->columns.len; c++) {
        struct column *col = &g->columns.at[c];
        col->y = top + (tallest - col->h) / 2;
        for (size_t k = 0; k < col->nodes.len; k++)
            g->nodes.at[col->nodes.at[k]].y += col->y;
    }
    g->height = top + tallest + MARGIN;
}

static int compare_ends(const void *a, const void *b)
{
    const struct end *x = a, *y = b;
    if (x->toward != y->toward)
        return x->toward < y->toward ? -1 : 1;
    return x->edge != y->edge ? (x->edge < y->edge ? -1 : 1) : (int)x->is_src - (int)y->is_src;
}

// Ends on a side stand in the order of what they lead to, lanes (which go up) first.
static void place_ends(struct graph *g, struct node *n)
{
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < n->side[s].len; i++) {
            struct end *p = &n->side[s].at[i];
            const struct edge *e = &g->edges.at[p->edge];
            const struct node *other = &g->nodes.at[p->is_src ? e->dst : e->src];
            p->toward = e->route == ROUTE_LANE ? -1 - (double)e->lane : other->y + other->h / 2;
        }
        if (n->side[s].len)
            qsort(n->side[s].at, n->side[s].len, sizeof *n->side[s].at, compare_ends);
        for (size_t i = 0; i < n->side[s].len; i++) {
            const struct end *p = &n->side[s].at[i];
            double y = n->y + n->h * (double)(i + 1) / (double)(n->side[s].len + 1);
            struct edge *e = &g->edges.at[p->edge];
            if (p->is_src)
                e->src_y = y;
            else
                e->dst_y = y;
        }
    }
}

static int compare_spans(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    if (x->to - x->from != y->to - y->from)
        return x->to - x->from < y->to - y->from ? -1 : 1;
    return x->edge < y->edge ? -1 : 1;
}

// Short spans lie next to the boxes; spans that share no gap share a lane.
static void choose_lanes(struct graph *g, struct span *spans, size_t n)
{
    if (n)
        qsort(spans, n, sizeof *spans, compare_spans);
    size_t *taken_for =
        sl_alloc((n + 1) * sizeof *taken_for); // lane -> the last span that may not have it
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            if (spans[k].from <= spans[i].to && spans[i].from <= spans[k].to)
                taken_for[g->edges.at[spans[k].edge].lane] = i;
        int lane = 0;
        while (i && lane < g->lanes && taken_for[lane] == i)
            lane++;
        g->edges.at[spans[i].edge].lane = lane;
        if (lane >= g->lanes)
            g->lanes = lane + 1;
    }
    free(taken_for);
}

// The gap (named by the column at its left) that an edge uses beside a column, on the way to
// another.
static size_t gap_beside(size_t column, size_t other)
{
    return other > column ? column : column - 1;
}

static void number_routes(struct graph *g)
{
    struct span *spans = sl_alloc((g->edges.len + 1) * sizeof *spans);
    size_t n = 0;
    for (size_t i = 0; i < g->edges.len; i++) {
        struct edge *e = &g->edges.at[i];
        size_t a = g->nodes.at[e->src].column, b = g->nodes.at[e->dst].column;
        if (e->route == ROUTE_ARC)
            e->nth = g->columns.at[a].arcs++;
        if (e->route != ROUTE_LANE)
            continue;
        size_t from = gap_beside(a, b), to = gap_beside(b, a);
        e->up = g->columns.at[from].climbs++;
        e->down = g->columns.at[to].climbs++;
        spans[n++] =
            (struct span){.edge = i, .from = from < to ? from : to, .to = from < to ? to : from};
    }
    choose_lanes(g, spans, n);
    free(spans);
}

static void lay_out(struct graph *g)
{
    for (int sweep = 0; sweep < 6; sweep++)
        for (size_t c = 0; c < g->columns.len; c++)
            order_column(g, &g->columns.at[sweep % 2 ? g->columns.len - 1 - c : c]);
    number_routes(g);
    for (size_t i = 0; i < g->edges.len; i++) {
        add_end(g, i, true);
        add_end(g, i, false);
    }
    place_columns(g);
    for (size_t i = 0; i < g->nodes.len; i++)
        place_ends(g, &g->nodes.at[i]);
}

// ---- drawing ------------------------------------------------------------------------------------

static const char style[] =
    ".sgraph{--bg:#fff;--box:#f5f6f8;--edge:#c9ced6;--ink:#1c2128;--dim:#667080;"
    "font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
    "@media (prefers-color-scheme: "
    "dark){.sgraph{--bg:#1f252d;--box:#171c22;--edge:#3a434f;--ink:#e8ebef;"
    "--dim:#98a3b1}}"
    ".sgraph .host{fill:var(--box);stroke:var(--edge)}.sgraph .out{stroke-dasharray:6 4}"
    ".sgraph .hn{font-size:14px;font-weight:600;fill:var(--ink)}.sgraph "
    ".hc{font-size:11px;fill:var(--dim)}"
    ".sgraph .box{fill:var(--bg);stroke:var(--edge)}.sgraph .bar{fill:var(--k)}"
    ".sgraph .nl{font-size:13px;font-weight:600;fill:var(--ink)}.sgraph "
    ".ni{font-size:11px;fill:var(--dim)}"
    ".sgraph .e{fill:none;stroke:var(--k);stroke-opacity:.85;stroke-linecap:round}"
    ".sgraph .e.o{stroke-dasharray:5 4;stroke-opacity:.6;stroke-linecap:butt}"
    ".sgraph .a{fill:var(--k)}.sgraph .hit{fill:none;stroke:transparent;stroke-width:14}"
    ".sgraph "
    ".el{font-size:10.5px;fill:var(--ink);stroke:var(--box);stroke-width:3px;stroke-linejoin:round;"
    "paint-order:stroke}"
    ".sgraph g.edge:hover .e{stroke-opacity:1;filter:brightness(1.15)}"
    ".sgraph .sw{fill:var(--k)}.sgraph .lt{font-size:12px;fill:var(--ink)}\n";

static double stroke_width(const struct graph *g, const struct edge *e)
{
    return g->most_bytes > 0 ? 1.5 + 5.5 * sqrt(e->bytes / g->most_bytes) : 1.5;
}

static double right_of(const struct graph *g, const struct node *n)
{
    return g->columns.at[n->column].x + PAD + NODE_W;
}

// Where climb `nth` of a gap stands.
static double climb_x(const struct graph *g, size_t gap, int nth)
{
    const struct column *c = &g->columns.at[gap];
    return c->x + PAD + NODE_W + c->pad_right + LABEL_W + CLIMB_W * (nth + 1);
}

// Up through the gap beside the source, along the lane, down beside the server; way is +1
// rightwards.
static void lane_path(const struct graph *g, const struct edge *e, double x1, double x2, int way,
                      struct sl_str *d)
{
    size_t a = g->nodes.at[e->src].column, b = g->nodes.at[e->dst].column;
    double r = 8, lane = MARGIN + (g->lanes - 1 - e->lane) * LANE_H;
    double up = climb_x(g, gap_beside(a, b), e->up), down = climb_x(g, gap_beside(b, a), e->down);
    sl_str_addf(d, "M%.1f %.1fH%.1fQ%.1f %.1f %.1f %.1fV%.1fQ%.1f %.1f %.1f %.1f", x1, e->src_y,
                up - way * r, up, e->src_y, up, e->src_y - r, lane + r, up, lane, up + way * r,
                lane);
    sl_str_addf(d, "H%.1fQ%.1f %.1f %.1f %.1fV%.1fQ%.1f %.1f %.1f %.1fH%.1f", down - way * r, down,
                lane, down, lane + r, e->dst_y - r, down, e->dst_y, down + way * r, e->dst_y, x2);
}

// The line stops short of its arrow head, which is drawn as a triangle pointing `way`.
static void edge_path(const struct graph *g, const struct edge *e, int *way, double *tip_x,
                      struct sl_str *d)
{
    const struct node *src = &g->nodes.at[e->src], *dst = &g->nodes.at[e->dst];
    if (e->route == ROUTE_ARC) {
        double x = right_of(g, src), bulge = x + 30 + 6 * (e->nth % 6);
        *way = -1;
        *tip_x = x + 1;
        sl_str_addf(d, "M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", x, e->src_y, bulge, e->src_y,
                    bulge, e->dst_y, x + 8, e->dst_y);
        return;
    }
    *way = dst->column > src->column ? 1 : -1;
    double x1 = *way > 0 ? right_of(g, src) : g->columns.at[src->column].x + PAD;
    double x2 = *way > 0 ? g->columns.at[dst->column].x + PAD : right_of(g, dst);
    *tip_x = x2 - *way;
    x2 -= *way * 8;
    if (e->route == ROUTE_LANE) {
        lane_path(g, e, x1, x2, *way, d);
        return;
    }
    double bend = fabs(x2 - x1) * 0.5 * *way;
    sl_str_addf(d, "M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", x1, e->src_y, x1 + bend, e->src_y,
                x2 - bend, e->dst_y, x2, e->dst_y);
}

static const char *proto_name(double proto)
{
    return proto == 6 ? "tcp" : proto == 17 ? "udp" : "ip";
}

static void edge_title(const struct graph *g, const struct edge *e, struct sl_str *out)
{
    sl_str_add(out, "<title>");
    sl_html_text(out, g->nodes.at[e->src].label);
    sl_str_add(out, " → ");
    sl_html_text(out, g->nodes.at[e->dst].label);
    sl_str_addf(out, "  %s/%.0f\n", proto_name(sl_json_num(e->j, "proto", 0)),
                sl_json_num(e->j, "port", 0));
    sl_html_text(out, sl_json_str(e->j, "class", ""));
    sl_str_add(out, ", ");
    sl_html_text(out, sl_json_str(e->j, "app", ""));
    sl_str_add(out, "\n→ ");
    sl_html_bytes(out, sl_json_num(e->j, "bytes_up", 0));
    sl_str_add(out, "   ← ");
    sl_html_bytes(out, sl_json_num(e->j, "bytes_down", 0));
    sl_str_add(out, "\n");
    sl_html_number(out, sl_json_num(e->j, "flows", 0));
    sl_str_add(out, " flows\n");
    const json_t *s = json_object_get(e->j, "statement");
    if (json_is_integer(s))
        sl_str_addf(out, "statement %lld", (long long)json_integer_value(s) + 1);
    else
        sl_str_add(out, "of no statement");
    sl_str_add(out, "</title>");
}

static void draw_edge(const struct graph *g, const struct edge *e, struct sl_str *out)
{
    struct sl_str d = {0};
    int way;
    double tip, w = stroke_width(g, e), half = fmax(4, w * 0.9);
    edge_path(g, e, &way, &tip, &d);
    bool own = json_is_integer(json_object_get(e->j, "statement"));
    sl_str_addf(out, "<g class=\"edge k%d\">", e->colour);
    edge_title(g, e, out);
    sl_str_addf(out, "<path class=\"e%s\" stroke-width=\"%.1f\" d=\"%s\"/>", own ? "" : " o", w,
                sl_str_text(&d));
    sl_str_addf(out, "<path class=\"a\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fZ\"/>", tip, e->dst_y,
                tip - way * (half + 6), e->dst_y - half, tip - way * (half + 6), e->dst_y + half);
    sl_str_addf(out, "<path class=\"hit\" d=\"%s\"/></g>\n", sl_str_text(&d));
    sl_str_done(&d);
}

// At its source, just above the line: ends on a side stand PITCH apart, so labels do not meet.
static void label_edge(const struct graph *g, const struct edge *e, struct sl_str *out)
{
    const struct node *src = &g->nodes.at[e->src], *dst = &g->nodes.at[e->dst];
    bool right = e->route == ROUTE_ARC || dst->column > src->column;
    double x = right ? right_of(g, src) + 7 : g->columns.at[src->column].x + PAD - 7;
    sl_str_addf(out, "<text class=\"el\" x=\"%.1f\" y=\"%.1f\"%s>%s/%.0f</text>\n", x,
                e->src_y - stroke_width(g, e) / 2 - 2.5, right ? "" : " text-anchor=\"end\"",
                proto_name(sl_json_num(e->j, "proto", 0)), sl_json_num(e->j, "port", 0));
}

static void draw_host(const struct column *c, struct sl_str *out)
{
    double w = PAD + NODE_W + c->pad_right;
    sl_str_addf(
        out,
        "<rect class=\"host%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"10\"/>",
        strcmp(c->host, "external") ? "" : " out", c->x, c->y, w, c->h);
    sl_str_addf(out, "<text class=\"hn\" x=\"%.1f\" y=\"%.1f\">", c->x + PAD, c->y + 21);
    sl_html_short(out, c->host[0] ? c->host : "no host", 20);
    sl_str_addf(out,
                "</text><text class=\"hc\" text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">%zu "
                "service%s</text>\n",
                c->x + w - PAD, c->y + 21, c->nodes.len, c->nodes.len == 1 ? "" : "s");
}

static void draw_node(const struct graph *g, const struct node *n, struct sl_str *out)
{
    double x = g->columns.at[n->column].x + PAD, middle = n->y + n->h / 2;
    sl_str_addf(out, "<g class=\"node k%d\"><title>", sl_html_colour(n->cls));
    const char *const facts[] = {n->label, n->project, n->image, n->cls, n->role};
    const char *const names[] = {"", "project ", "image ", "class ", "role "};
    for (size_t i = 0; i < 5; i++) {
        if (!facts[i][0])
            continue;
        sl_str_addf(out, "%s%s", i ? "\n" : "", names[i]);
        sl_html_text(out, facts[i]);
    }
    sl_str_addf(
        out,
        "</title><rect class=\"box\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" rx=\"6\"/>"
        "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"4\" height=\"%.1f\" rx=\"2\"/>",
        x, n->y, NODE_W, n->h, x + 5, n->y + 7, n->h - 14);
    sl_str_addf(out, "<text class=\"nl\" x=\"%.1f\" y=\"%.1f\">", x + 16, middle - 3);
    sl_html_short(out, n->label, 21);
    sl_str_addf(out, "</text><text class=\"ni\" x=\"%.1f\" y=\"%.1f\">", x + 16, middle + 13);
    sl_html_short(out, n->project[0] ? n->project : n->image, 25);
    sl_str_add(out, "</text></g>\n");
}

// Classes that have edges, in order of first use, with their bytes. Returns the height it took.
static double legend(const struct graph *g, struct sl_str *out)
{
    double x = MARGIN, y = g->height + 8;
    for (size_t i = 0; i < g->edges.len; i++) {
        const char *cls = sl_json_str(g->edges.at[i].j, "class", "");
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= !strcmp(cls, sl_json_str(g->edges.at[k].j, "class", ""));
        if (seen)
            continue;
        double bytes = 0;
        for (size_t k = i; k < g->edges.len; k++)
            if (!strcmp(cls, sl_json_str(g->edges.at[k].j, "class", "")))
                bytes += g->edges.at[k].bytes;
        if (x + 210 > g->width && x > MARGIN) {
            x = MARGIN;
            y += 20;
        }
        sl_str_addf(
            out,
            "<rect class=\"sw k%d\" x=\"%.1f\" y=\"%.1f\" width=\"16\" height=\"8\" rx=\"2\"/>"
            "<text class=\"lt\" x=\"%.1f\" y=\"%.1f\">",
            g->edges.at[i].colour, x, y, x + 22, y + 8);
        sl_html_short(out, cls[0] ? cls : "no class", 16);
        sl_str_add(out, "  ");
        sl_html_bytes(out, bytes);
        sl_str_add(out, "</text>");
        x += 200;
    }
    sl_str_addf(
        out,
        "<text class=\"hc\" x=\"%d\" y=\"%.1f\">arrows: client → server; width: bytes both ways; "
        "dashed: of no statement",
        MARGIN, y + 30);
    if (g->strays)
        sl_str_addf(out, "; %d connections of unknown services left out", g->strays);
    sl_str_add(out, "</text>\n");
    return y + 42 - g->height;
}

static void graph_done(struct graph *g)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        SL_VEC_DONE(&g->nodes.at[i].side[0]);
        SL_VEC_DONE(&g->nodes.at[i].side[1]);
    }
    for (size_t i = 0; i < g->columns.len; i++)
        SL_VEC_DONE(&g->columns.at[i].nodes);
    SL_VEC_DONE(&g->nodes);
    SL_VEC_DONE(&g->edges);
    SL_VEC_DONE(&g->columns);
}

static void draw(const struct graph *g, struct sl_str *out)
{
    struct sl_str body = {0};
    for (size_t i = 0; i < g->columns.len; i++)
        draw_host(&g->columns.at[i], &body);
    for (size_t i = 0; i < g->nodes.len; i++)
        draw_node(g, &g->nodes.at[i], &body);
    for (size_t i = 0; i < g->edges.len; i++)
        draw_edge(g, &g->edges.at[i], &body);
    for (size_t i = 0; g->edges.len <= MAX_LABELS && i < g->edges.len; i++)
        label_edge(g, &g->edges.at[i], &body);
    double width = fmax(g->width, 480), height = g->height + legend(g, &body);
    sl_str_addf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"sgraph\" viewBox=\"0 0 %.0f %.0f\""
        " width=\"%.0f\" height=\"%.0f\" style=\"min-width:%.0fpx\" role=\"img\" "
        "aria-label=\"connectivity graph: %zu "
        "services on "
        "%zu hosts, %zu connections\"><style>%s",
        width, height, width, height, width * 0.72, g->nodes.len, g->columns.len, g->edges.len,
        style);
    sl_html_palette(out, ".sgraph");
    sl_str_add(out, "</style>\n");
    sl_str_add(out, sl_str_text(&body));
    sl_str_add(out, "</svg>\n");
    sl_str_done(&body);
}

char *sl_graph_svg(const json_t *graph, struct sl_error *err)
{
    const json_t *nodes = json_object_get(graph, "nodes"), *edges = json_object_get(graph, "edges");
    if (!json_is_array(nodes) || !json_is_array(edges)) {
        sl_fail(err, SL_EINPUT, "the graph has no '%s'", json_is_array(nodes) ? "edges" : "nodes");
        return NULL;
    }
    if (json_array_size(nodes) > MAX_NODES || json_array_size(edges) > MAX_EDGES) {
        sl_fail(err, SL_EINPUT,
                "the graph is too large for a picture: %zu services, %zu connections",
                json_array_size(nodes), json_array_size(edges));
        return NULL;
    }
    struct graph g = {.width = 480, .height = MARGIN};
    read_nodes(&g, nodes);
    read_edges(&g, edges);
    lay_out(&g);
    struct sl_str out = {0};
    draw(&g, &out);
    graph_done(&g);
    if (out.truncated) {
        sl_str_done(&out);
        sl_fail(err, SL_EINPUT, "the graph is too large for a picture");
        return NULL;
    }
    return sl_str_take(&out);
}
