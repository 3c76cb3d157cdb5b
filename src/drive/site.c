// SPDX-License-Identifier: Apache-2.0
#include "drive/site.h"
#include "base/mem.h"
#include "base/str.h"
#include <math.h>
#include <string.h>
#include <strings.h>

enum { SAME_PATH_MAX = 20 };

void sl_site_init(struct sl_site *s, const struct sl_origin *origin, struct sl_rng *rng)
{
    // The usual places of descriptions, health pages and front doors.
    static const char *const guesses[] = {
        "/openapi.json", "/swagger.json", "/api",         "/api/",       "/health",  "/metrics",
        "/docs",         "/v1",           "/api/v1",      "/status",     "/graphql", "/login",
        "/admin/",       "/index.html",   "/sitemap.xml", "/robots.txt",
    };
    memset(s, 0, sizeof *s);
    s->origin = *origin;
    sl_mix_init(&s->mix, 0, rng);
    sl_site_add(s, "/", "/", SL_PAGE_LINK);
    for (size_t i = 0; i < sizeof guesses / sizeof guesses[0]; i++)
        sl_site_add(s, "/", guesses[i], SL_PAGE_GUESS);
}

void sl_site_done(struct sl_site *s)
{
    for (int i = 0; i < s->n; i++)
        free(s->pages[i].path);
    s->n = 0;
}

// Addresses that end a session or throw things away: a crawler that follows them sees little.
static bool unwise(const char *path)
{
    static const char *const words[] = {"logout", "log-out", "signout", "sign-out",
                                        "logoff", "delete",  "destroy", "shutdown"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasestr(path, words[i]))
            return true;
    return false;
}

int sl_site_add(struct sl_site *s, const char *base, const char *link, enum sl_page_kind kind)
{
    char path[SL_URL_MAX];
    if (!sl_url_resolve(&s->origin, base, link, path) || unwise(path))
        return -1;
    size_t stem = strcspn(path, "?");
    int alike = 0;
    for (int i = 0; i < s->n; i++) {
        const char *other = s->pages[i].path;
        if (!strcmp(other, path)) {
            if (s->pages[i].kind == SL_PAGE_GUESS && kind == SL_PAGE_LINK)
                s->pages[i].kind = kind; // a real link to it exists
            return i;
        }
        alike += strcspn(other, "?") == stem && !strncmp(other, path, stem);
    }
    if (s->n == SL_SITE_MAX || alike >= SAME_PATH_MAX)
        return -1;
    s->pages[s->n] = (struct sl_page){.path = sl_strdup(path), .kind = kind};
    return s->n++;
}

void sl_site_add_asset(struct sl_site *s, int page, int asset)
{
    struct sl_page *p = &s->pages[page];
    if (p->n_assets == SL_SITE_ASSETS || asset < 0 || asset == page)
        return;
    for (int i = 0; i < p->n_assets; i++)
        if (p->assets[i] == asset)
            return;
    p->assets[p->n_assets++] = asset;
}

int sl_site_untried(struct sl_site *s)
{
    for (int kind = SL_PAGE_LINK; kind <= SL_PAGE_GUESS; kind++) {
        for (int i = 0; i < s->n; i++) {
            struct sl_page *p = &s->pages[i];
            if ((int)p->kind != kind || p->tried || p->dropped)
                continue;
            p->tried = true;
            return i;
        }
    }
    return -1;
}

int sl_site_choose(struct sl_site *s)
{
    double want = sl_mix_next(&s->mix) * s->weight_sum;
    int last = 0;
    for (int i = 0; i < s->n; i++) {
        if (s->pages[i].weight <= 0)
            continue;
        last = i;
        want -= s->pages[i].weight;
        if (want < 0)
            break;
    }
    return last;
}

// Rank r gets weight 1 / r: links in the order of discovery, then what was only guessed.
static void weigh(struct sl_site *s)
{
    s->n_good = 0;
    s->weight_sum = 0;
    for (int kind = SL_PAGE_LINK; kind <= SL_PAGE_GUESS; kind++) {
        for (int i = 0; i < s->n; i++) {
            struct sl_page *p = &s->pages[i];
            if ((int)p->kind != kind)
                continue;
            bool in = p->good && !p->dropped;
            s->n_good += in;
            p->weight = in ? 1.0 / s->n_good : 0;
            s->weight_sum += p->weight;
        }
    }
}

bool sl_site_answered(struct sl_site *s, int page, long status)
{
    struct sl_page *p = &s->pages[page];
    bool fine = status >= 200 && status < 400, was_good = p->good, was_dropped = p->dropped;
    p->tried = true;
    p->good = p->good || fine;
    p->failures = fine ? 0 : p->failures + 1;
    bool never = status == 404 || status == 405 || status == 410 || status == 501;
    if (!fine && status && (p->failures >= 3 || !was_good || never))
        p->dropped = true;
    if (p->good != was_good || p->dropped != was_dropped)
        weigh(s);
    // Guessing wrong is our mistake, not the server's; so is knocking where a login is asked for.
    return fine || (status && status < 500 && (p->kind == SL_PAGE_GUESS || !was_good));
}
