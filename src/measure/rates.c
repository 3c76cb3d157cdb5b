// SPDX-License-Identifier: Apache-2.0
/*
 * A series has a directory of pages; a page holds 256 bins. Directories of all series begin at the
 * same page, a quarter of their length before the origin. Two caches make the usual case an index:
 * the bin of the packet before (no division), and in each series the cell used last.
 *
 * The limit keeps the pages that are nearest to the origin, whichever came first: a new one takes
 * the place of the farthest. So what is kept depends neither on the order of packets nor on how
 * many objects counted parts of them. Once the limit is reached, the farthest page only comes
 * nearer, so the search for it goes on where the last one ended.
 */
#include "measure/rates.h"
#include "base/mem.h"
#include "classes/classes.h"
#include <inttypes.h>
#include <string.h>

enum {
    PAGE_BINS = 256,
    DIRECTORY = 4096, // pages of a series
    BEFORE = 1024,    // of them before the origin
    MAX_PAGES = 16384,
    MAX_SERIES = 1 << 20,
    COLUMNS = 8,
};
#define MAX_TIME (INT64_MAX / 2) // in the year 2116; sums of times do not overflow below it
struct sl_rate_page {
    struct sl_rate_cell cells[PAGE_BINS];
};

struct sl_rates *sl_rates_new(const struct sl_rates_options *opt, struct sl_error *err)
{
    uint32_t interfaces = opt->interfaces ? opt->interfaces : 1;
    int64_t bin_ns = opt->bin_ns ? opt->bin_ns : 1000000000;
    if (bin_ns < 1000) {
        sl_fail(err, SL_EUSAGE, "a bin of %" PRId64 " ns is too short for a rate", bin_ns);
        sl_hint(err, "bins last 1us at least");
        return NULL;
    }
    if (!opt->classes || (uint64_t)opt->classes * interfaces > MAX_SERIES) {
        sl_fail(err, SL_EINPUT, "rates of %u classes on %u interfaces cannot be kept", opt->classes,
                interfaces);
        sl_hint(err, "leave the interfaces out: there is room for %d series", MAX_SERIES);
        return NULL;
    }
    struct sl_rates *r = sl_alloc(sizeof *r);
    r->opt = *opt;
    r->bin_ns = bin_ns;
    r->classes = opt->classes;
    r->interfaces = interfaces;
    r->series = sl_alloc((size_t)r->classes * r->interfaces * sizeof *r->series);
    r->hot_start_ns = INT64_MAX; // no packet yet
    r->opt.max_pages = opt->max_pages ? opt->max_pages : MAX_PAGES;
    r->farthest = UINT64_C(2) * DIRECTORY * r->classes * r->interfaces; // beyond all
    return r;
}

void sl_rates_free(struct sl_rates *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < (size_t)r->classes * r->interfaces; i++) {
        for (int p = 0; r->series[i].pages && p < DIRECTORY; p++)
            free(r->series[i].pages[p]);
        free(r->series[i].pages);
    }
    free(r->series);
    free(r);
}

// Rounds down also before 1970.
static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/*
 * How far a page is from the origin, as a number of its own: 0, 1 before, 1 after, 2 before, ...;
 * among those by series.
 */
static uint64_t page_rank(const struct sl_rates *r, int64_t page, size_t series)
{
    int64_t step = page < BEFORE ? 2 * (BEFORE - page) - 1 : 2 * (page - BEFORE);
    return (uint64_t)step * r->classes * r->interfaces + series;
}

static struct sl_rate_page **page_of_rank(const struct sl_rates *r, uint64_t rank,
                                          struct sl_rate_series **s)
{
    uint64_t all = (uint64_t)r->classes * r->interfaces;
    int64_t step = (int64_t)(rank / all),
            page = step & 1 ? BEFORE - (step + 1) / 2 : BEFORE + step / 2;
    *s = &r->series[rank % all];
    return (*s)->pages && page >= 0 && page < DIRECTORY ? &(*s)->pages[page] : NULL;
}

// What it holds is counted outside.
static void drop_page(struct sl_rates *r, struct sl_rate_series *s, struct sl_rate_page **page)
{
    for (int b = 0; b < PAGE_BINS; b++) {
        const struct sl_rate_cell *c = &(*page)->cells[b];
        r->outside.packets += c->packets[0] + c->packets[1];
        r->outside.bytes += c->bytes[0] + c->bytes[1];
        if (s->hot == c)
            s->hot = NULL;
    }
    free(*page);
    *page = NULL;
    r->pages--;
}

// False when the new page would be the farthest.
static bool make_room(struct sl_rates *r, uint64_t rank)
{
    if (r->pages < r->opt.max_pages)
        return true;
    struct sl_rate_series *s;
    struct sl_rate_page **page;
    for (; r->farthest > rank; r->farthest--) {
        page = page_of_rank(r, r->farthest, &s);
        if (page && *page) {
            drop_page(r, s, page);
            return true;
        }
    }
    return false;
}

static struct sl_rate_cell *cell_at(struct sl_rates *r, struct sl_rate_series *s, int64_t bin)
{
    int64_t page = floor_div(bin, PAGE_BINS) - r->first_page;
    if (page < 0 || page >= DIRECTORY)
        return NULL;
    if (!s->pages)
        s->pages = sl_alloc(DIRECTORY * sizeof(struct sl_rate_page *));
    if (!s->pages[page]) {
        if (!make_room(r, page_rank(r, page, (size_t)(s - r->series))))
            return NULL;
        s->pages[page] = sl_alloc(sizeof **s->pages);
        r->pages++;
    }
    return &s->pages[page]->cells[bin & (PAGE_BINS - 1)];
}

static void set_origin(struct sl_rates *r, int64_t t_ns)
{
    if (r->has_origin)
        return;
    bool given = r->opt.origin_given || r->opt.origin_ns;
    r->first_page = floor_div(sl_rates_bin(r, given ? r->opt.origin_ns : t_ns), PAGE_BINS) - BEFORE;
    r->has_origin = true;
}

int64_t sl_rates_add_slow(struct sl_rates *r, int64_t t_ns, uint32_t cls, uint32_t interface,
                          int dir, uint64_t bytes, uint64_t packets)
{
    struct sl_rate_cell *cell = NULL;
    int64_t bin = sl_rates_bin(r, t_ns);
    bool sane = t_ns > -MAX_TIME && t_ns < MAX_TIME;
    if (sane)
        set_origin(r, t_ns);
    if (sane && cls < r->classes && interface < r->interfaces) {
        struct sl_rate_series *s = &r->series[(size_t)interface * r->classes + cls];
        cell = s->hot && s->hot_bin == bin ? s->hot : cell_at(r, s, bin);
        if (cell) {
            s->hot = cell;
            s->hot_bin = bin;
        }
    }
    if (!cell) {
        r->outside.packets += packets;
        r->outside.bytes += bytes;
        return SL_RATE_OUTSIDE_BIN;
    }
    r->hot_bin = bin;
    r->hot_start_ns = bin * r->bin_ns;
    cell->packets[dir & 1] += packets;
    cell->bytes[dir & 1] += bytes;
    return bin;
}

void sl_rates_active(struct sl_rates *r, int64_t bin, uint32_t cls, uint32_t interface)
{
    if (bin == SL_RATE_OUTSIDE_BIN || cls >= r->classes || interface >= r->interfaces)
        return;
    struct sl_rate_series *s = &r->series[(size_t)interface * r->classes + cls];
    struct sl_rate_cell *cell = s->hot && s->hot_bin == bin ? s->hot : cell_at(r, s, bin);
    if (cell)
        cell->flows++;
}

// ---- reading out --------------------------------------------------------------------------------

static bool is_empty(const struct sl_rate_cell *c)
{
    return !c->packets[0] && !c->packets[1] && !c->bytes[0] && !c->bytes[1] && !c->flows;
}

// Pages of one stretch of time, those of the series that have one.
static bool each_of_page(const struct sl_rates *r, int page, const size_t *live, size_t n,
                         bool (*each)(void *ctx, const struct sl_rate_row *row), void *ctx)
{
    for (int b = 0; b < PAGE_BINS; b++) {
        for (size_t k = 0; k < n; k++) {
            const struct sl_rate_cell *c = &r->series[live[k]].pages[page]->cells[b];
            if (is_empty(c))
                continue;
            struct sl_rate_row row = {.start_ns =
                                          ((r->first_page + page) * PAGE_BINS + b) * r->bin_ns,
                                      .cls = (uint32_t)(live[k] % r->classes),
                                      .interface = (uint32_t)(live[k] / r->classes),
                                      .cell = *c};
            if (!each(ctx, &row))
                return false;
        }
    }
    return true;
}

bool sl_rates_each(const struct sl_rates *r, bool (*each)(void *ctx, const struct sl_rate_row *row),
                   void *ctx)
{
    SL_VEC(size_t) used = {0}; // series with pages, by class, then interface
    bool ok = true;
    for (uint32_t cls = 0; cls < r->classes; cls++)
        for (uint32_t i = 0; i < r->interfaces; i++)
            if (r->series[(size_t)i * r->classes + cls].pages)
                *SL_PUSH(&used) = (size_t)i * r->classes + cls;
    size_t *live = sl_alloc((used.len + 1) * sizeof *live);
    for (int page = 0; ok && page < DIRECTORY; page++) {
        size_t n = 0;
        for (size_t k = 0; k < used.len; k++)
            if (r->series[used.at[k]].pages[page])
                live[n++] = used.at[k];
        ok = !n || each_of_page(r, page, live, n, each, ctx);
    }
    free(live);
    SL_VEC_DONE(&used);
    return ok;
}

static bool merge_row(void *ctx, const struct sl_rate_row *row)
{
    struct sl_rates *r = ctx;
    int64_t bin = SL_RATE_OUTSIDE_BIN;
    for (int dir = 0; dir < 2; dir++)
        bin = sl_rates_add_slow(r, row->start_ns, row->cls, row->interface, dir,
                                row->cell.bytes[dir], row->cell.packets[dir]);
    if (bin != SL_RATE_OUTSIDE_BIN)
        r->series[(size_t)row->interface * r->classes + row->cls].hot->flows += row->cell.flows;
    return true;
}

void sl_rates_merge(struct sl_rates *r, const struct sl_rates *from)
{
    if (!r->has_origin && from->has_origin) { // the same stretch of time fits
        r->first_page = from->first_page;
        r->has_origin = true;
    }
    sl_rates_each(from, merge_row, r);
    r->outside.packets += from->outside.packets;
    r->outside.bytes += from->outside.bytes;
}

// ---- writing ------------------------------------------------------------------------------------

// The interface comes last: without it the table is a prefix of itself.
static const struct sl_column columns[COLUMNS] = {
    {.name = "start_ns", .type = SL_COL_TIME, .unit = "ns", .formula = "start of the bin"},
    {.name = "class", .type = SL_COL_TEXT, .unit = "", .formula = "class of the flow"},
    {.name = "packets_up", .type = SL_COL_INT, .unit = "1", .formula = "of the initiator"},
    {.name = "packets_down", .type = SL_COL_INT, .unit = "1", .formula = "of the responder"},
    {.name = "bytes_up", .type = SL_COL_INT, .unit = "B", .formula = "of the initiator"},
    {.name = "bytes_down", .type = SL_COL_INT, .unit = "B", .formula = "of the responder"},
    {.name = "flows",
     .type = SL_COL_INT,
     .unit = "1",
     .formula = "flows with a packet in the bin; a flow cut by the active time-out counts as its "
                "segments"},
    {.name = "interface", .type = SL_COL_INT, .unit = "1", .formula = "index in the capture"},
};

const struct sl_column *sl_rates_columns(const struct sl_rates *r, size_t *n)
{
    *n = r->interfaces > 1 ? COLUMNS : COLUMNS - 1;
    return columns;
}

static const char *name_of(const struct sl_rates *r, uint32_t cls)
{
    return r->opt.name ? r->opt.name(r->opt.ctx, cls) : sl_class_name((int)cls);
}

void sl_rates_values(const struct sl_rates *r, const struct sl_rate_row *row,
                     union sl_value *values)
{
    const char *name = name_of(r, row->cls);
    values[0].i = row->start_ns;
    values[1].s = (struct sl_text){name, strlen(name)};
    values[2].i = (int64_t)row->cell.packets[0];
    values[3].i = (int64_t)row->cell.packets[1];
    values[4].i = (int64_t)row->cell.bytes[0];
    values[5].i = (int64_t)row->cell.bytes[1];
    values[6].i = (int64_t)row->cell.flows;
    if (r->interfaces > 1)
        values[7].i = row->interface;
}
