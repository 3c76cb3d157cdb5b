// SPDX-License-Identifier: Apache-2.0
/*
 * What an HTTP driver knows of a web site: pages and their assets, found by crawling, with a Zipf
 * choice over the pages that answered.
 *
 * Bounds   500 addresses, 20 with the same path and different queries (calendars, traps), 12
 *          assets a page.
 * Order    links are crawled before guesses; a guess that does not answer is dropped at once, a
 *          page after three failures in a row. The first page found is the most visited.
 * Threads  not synchronised. Pure: no network, no clock.
 * Source   M. Crovella and A. Bestavros, IEEE/ACM ToN 5(6), 1997 (Zipf's law on the web).
 */
#pragma once
#include "drive/html.h"
#include "drive/pace.h"

enum { SL_SITE_MAX = 500, SL_SITE_ASSETS = 12 };
enum sl_page_kind { SL_PAGE_LINK, SL_PAGE_GUESS, SL_PAGE_ASSET };
struct sl_page {
    char *path; // with query
    enum sl_page_kind kind;
    bool tried, good, dropped, parsed, has_form;
    int failures; // in a row
    double weight;
    int assets[SL_SITE_ASSETS];
    int n_assets;
};
struct sl_site {
    struct sl_origin origin;
    struct sl_page pages[SL_SITE_MAX];
    int n, n_good; // good: pages to choose from, assets not counted
    struct sl_mix mix;
    double weight_sum;
};
void sl_site_init(struct sl_site *s, const struct sl_origin *origin, struct sl_rng *rng);
void sl_site_done(struct sl_site *s);
// The page's index; -1 when the map is full or the link leads away. base: page it was found on.
int sl_site_add(struct sl_site *s, const char *base, const char *link, enum sl_page_kind kind);
void sl_site_add_asset(struct sl_site *s, int page, int asset);
int sl_site_untried(struct sl_site *s); // next one to crawl, which then counts as tried; -1 = none
int sl_site_choose(struct sl_site *s);  // by Zipf's law; "/" when nothing is good
// A page has answered with this status (0 = not at all). False when that counts as an error.
bool sl_site_answered(struct sl_site *s, int page, long status);
