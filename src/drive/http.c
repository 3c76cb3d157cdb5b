// SPDX-License-Identifier: Apache-2.0
/*
 * Users of a web site on libcurl's multi interface, one easy handle and one connection each.
 *
 * libcurl shares idle connections between the handles of a multi; users must not, or 20 users would
 * show as 3 flows. CONNECT_TO gives each user a made-up name to connect to ("u17"), RESOLVE maps it
 * to the server's address, and connections to different names are never shared. The Host header
 * stays the server's.
 *
 * Hostile servers: only http and https (and file://, gopher:// and the like are not followed:
 * redirects are read by us, and taken only when they stay on the server); bodies are counted, kept
 * up to 256 KiB for link extraction, and cut off at 32 MiB; headers at 256 KiB; no proxy, no
 * .netrc, nothing of the environment.
 */
#include "base/mem.h"
#include "base/str.h"
#include "drive/load.h"
#include "drive/site.h"
#include <curl/curl.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

enum {
    PARSE_MAX = 256 << 10,
    BODY_MAX = 32 << 20,
    HEADERS_MAX = 256 << 10,
    FORM_MAX = 8 << 10,
    COOKIES_MAX = 64,
    HOPS_MAX = 5,
};

struct web_user {
    struct sl_user base;
    CURL *easy;
    struct curl_slist *connect_to, *resolve;
    bool in_multi, parse, submit; // submit: this page's form is to be sent next
    int page;                     // under way; -1 = a redirect or form target
    char path[SL_URL_MAX];        // under way
    char post[FORM_MAX];          // its body; "" = GET
    bool is_post;
    struct sl_str body;
    size_t got_body, got_headers;
    int cookies, hops, pages_left; // pages_left: of this session
    int queue[SL_SITE_ASSETS + 1]; // pages to fetch at once
    int n_queue;
    bool again; // path and post are set: a redirect or a form
    uint8_t cached[(SL_SITE_MAX + 7) / 8];
    char why[CURL_ERROR_SIZE];
};

struct web {
    CURLM *multi;
    struct sl_site site;
    uint64_t gets, posts, picks;
    char url_head[320]; // "http://host:port"
    bool tried_tls;
};

static struct web *web_of(struct sl_load *l)
{
    return l->ctx;
}

// libcurl's wishes become epoll's

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
    (void)easy;
    (void)unused;
    uint32_t events = what == CURL_POLL_IN      ? EPOLLIN
                      : what == CURL_POLL_OUT   ? EPOLLOUT
                      : what == CURL_POLL_INOUT ? EPOLLIN | EPOLLOUT
                                                : 0;
    sl_load_watch_fd(ctx, fd, events);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi;
    struct sl_load *l = ctx;
    l->timer_ns = timeout_ms < 0 ? 0 : l->now_ns + (int64_t)timeout_ms * 1000000 + 1;
    return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    (void)size; // 1 by libcurl's contract
    struct web_user *u = ctx;
    u->got_body += n;
    if (u->got_body > BODY_MAX)
        return 0; // ends the transfer with an error
    if (u->parse)
        sl_str_addn(&u->body, data, n);
    return n;
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
    (void)size;
    struct web_user *u = ctx;
    u->got_headers += n;
    if (n > 11 && !strncasecmp(data, "set-cookie:", 11))
        u->cookies++;
    return u->got_headers > HEADERS_MAX ? 0 : n;
}

static void speak(struct sl_load *l, const char *scheme)
{
    struct web *w = web_of(l);
    bool v6 = strchr(l->spec.host, ':') != NULL;
    bool usual = l->spec.port == (strcmp(scheme, "https") ? 80 : 443);
    w->site.origin.scheme = scheme;
    int n = snprintf(w->url_head, sizeof w->url_head, "%s://%s%s%s", scheme, v6 ? "[" : "",
                     l->spec.host, v6 ? "]" : "");
    if (!usual && n > 0 && (size_t)n < sizeof w->url_head)
        snprintf(w->url_head + n, sizeof w->url_head - (size_t)n, ":%u", l->spec.port);
}

static bool begin(struct sl_load *l, struct sl_error *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return sl_fail(err, SL_EENV, "libcurl does not start");
    struct web *w = sl_alloc(sizeof *w);
    l->ctx = w;
    bool tls = l->spec.port == 443 || l->spec.port == 8443;
    struct sl_rng rng = sl_rng_stream(l->spec.seed, "drive.site", 0);
    struct sl_origin origin = {.scheme = "http", .host = l->spec.host, .port = l->spec.port};
    sl_site_init(&w->site, &origin, &rng);
    speak(l, tls ? "https" : "http");
    w->tried_tls = tls;
    w->multi = curl_multi_init();
    curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, l);
    curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, l);
    curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)l->spec.max_users + 8);
    curl_multi_setopt(w->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return true;
}

static void set_bounds(CURL *e)
{
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, 14000L);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 65536L);
    // Its certificate is its own; nothing secret is sent.
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
}

static void make_easy(struct sl_load *l, struct web_user *u)
{
    CURL *e = u->easy = curl_easy_init();
    u->body.max = PARSE_MAX;
    set_bounds(e);
    curl_easy_setopt(e, CURLOPT_PRIVATE, u);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, u);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, u);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, u->why);
    curl_easy_setopt(e, CURLOPT_COOKIEFILE, ""); // a jar in memory
    curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    curl_easy_setopt(e, CURLOPT_USERAGENT, "Mozilla/5.0 (X11; Linux x86_64) sluice/0.1");
    curl_easy_setopt(e, CURLOPT_FORBID_REUSE, l->spec.keep_alive ? 0L : 1L);
    // Found unused for a minute, a connection is opened anew: users think for long.
    curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, 60L);
}

// Each user's private name for the server; renewed when the address has changed.
static void point_at_server(struct sl_load *l, struct web_user *u)
{
    char name[48], map[160];
    bool v6 = l->addr.ss_family == AF_INET6;
    snprintf(name, sizeof name, "::u%d.invalid:%u", u->base.index, l->spec.port);
    snprintf(map, sizeof map, "u%d.invalid:%u:%s%s%s", u->base.index, l->spec.port, v6 ? "[" : "",
             l->addr_text, v6 ? "]" : "");
    curl_slist_free_all(u->connect_to);
    curl_slist_free_all(u->resolve);
    u->connect_to = curl_slist_append(NULL, name);
    u->resolve = curl_slist_append(NULL, map);
    curl_easy_setopt(u->easy, CURLOPT_CONNECT_TO, u->connect_to);
    curl_easy_setopt(u->easy, CURLOPT_RESOLVE, u->resolve);
}

static void new_session(struct web_user *u)
{
    memset(u->cached, 0, sizeof u->cached);
    u->n_queue = 0;
    u->cookies = 0;
    u->again = u->submit = false;
    u->pages_left = 1 + (int)sl_rng_exponential(&u->base.rng, 8.0);
    curl_easy_setopt(u->easy, CURLOPT_COOKIELIST, "ALL");
}

static void start(struct sl_load *l, struct web_user *u)
{
    struct web *w = web_of(l);
    char url[SL_URL_MAX + 320];
    snprintf(url, sizeof url, "%s%s", w->url_head, u->path);
    curl_easy_setopt(u->easy, CURLOPT_URL, url);
    if (u->is_post) {
        curl_easy_setopt(u->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(u->easy, CURLOPT_POSTFIELDS, u->post);
        curl_easy_setopt(u->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(u->post));
    } else {
        curl_easy_setopt(u->easy, CURLOPT_HTTPGET, 1L);
    }
    u->got_body = u->got_headers = 0;
    sl_str_clear(&u->body);
    u->body.truncated = false;
    const struct sl_page *p = u->page >= 0 ? &w->site.pages[u->page] : NULL;
    u->parse = u->submit || (p && p->kind != SL_PAGE_ASSET && !p->parsed);
    if (curl_multi_add_handle(w->multi, u->easy)) {
        sl_load_broken(l, &u->base, "http", "libcurl refused the request");
        return;
    }
    u->in_multi = true;
}

static void go_to(struct web *w, struct web_user *u, int page)
{
    u->page = page;
    u->is_post = false;
    u->hops = 0;
    sl_copy(u->path, sizeof u->path, w->site.pages[page].path);
}

// A page is opened: a new one every second time while there are any, else by Zipf's law; at times
// with the wish to fill in its form.
static void next_page(struct sl_load *l, struct web_user *u)
{
    struct web *w = web_of(l);
    if (u->pages_left-- <= 0 || u->cookies > COOKIES_MAX)
        new_session(u);
    int page = -1;
    if (w->site.n_good < 4 || w->picks++ % 2)
        page = sl_site_untried(&w->site);
    if (page < 0)
        page = sl_site_choose(&w->site);
    go_to(w, u, page);
    u->submit = w->site.pages[page].has_form && (w->posts + 1) * 10 < w->gets;
    for (int i = 0; i < w->site.pages[page].n_assets; i++) {
        int a = w->site.pages[page].assets[i];
        if (!(u->cached[a / 8] & 1 << a % 8) && !w->site.pages[a].dropped)
            u->queue[u->n_queue++] = a;
    }
}

static void request(struct sl_load *l, struct sl_user *base)
{
    struct web_user *u = (struct web_user *)base;
    if (u->again) {
        u->again = false; // path and post are there
    } else if (u->n_queue) {
        int a = u->queue[--u->n_queue];
        go_to(web_of(l), u, a);
        u->cached[a / 8] |= (uint8_t)(1 << a % 8);
    } else {
        next_page(l, u);
    }
    start(l, u);
}

// What a reply teaches

struct lesson {
    struct web *w;
    struct web_user *u;
    int page;
    const char *base; // its path
    struct sl_form form;
    bool has_form;
    int links;
};

enum { LINKS_MAX = 300 }; // of one page

static void learn_link(void *ctx, enum sl_link_kind kind, const char *url)
{
    struct lesson *t = ctx;
    if (t->page < 0 || t->links++ >= LINKS_MAX)
        return;
    bool asset = kind == SL_LINK_ASSET;
    int i = sl_site_add(&t->w->site, t->base, url, asset ? SL_PAGE_ASSET : SL_PAGE_LINK);
    if (asset && i >= 0)
        sl_site_add_asset(&t->w->site, t->page, i);
}

static void learn_form(void *ctx, const struct sl_form *form)
{
    struct lesson *t = ctx;
    char to[SL_URL_MAX];
    const char *action = form->action[0] ? form->action : t->base;
    if (t->has_form || !form->n_fields || !sl_url_resolve(&t->w->site.origin, t->base, action, to))
        return;
    t->has_form = true;
    t->form = *form;
    sl_copy(t->form.action, sizeof t->form.action, to);
}

// The form as this user got it, with its hidden tokens, filled in and sent next.
static void fill_in(struct web_user *u, const struct sl_form *form)
{
    char text[FORM_MAX];
    if (!sl_form_encode(form, sl_rng_u64(&u->base.rng), text, sizeof text))
        return;
    u->page = -1;
    u->is_post = form->post;
    if (form->post) {
        sl_copy(u->path, sizeof u->path, form->action);
        sl_copy(u->post, sizeof u->post, text);
        u->again = true;
    } else {
        int n = snprintf(u->path, sizeof u->path, "%.*s?%s", (int)strcspn(form->action, "?"),
                         form->action, text);
        u->again = n > 0 && n < (int)sizeof u->path;
    }
}

static void learn(struct web *w, struct web_user *u, const char *type)
{
    static struct lesson t; // large; one thread
    char base[SL_URL_MAX];
    sl_copy(base, sizeof base, u->path);
    t = (struct lesson){.w = w, .u = u, .page = u->page, .base = base};
    struct sl_html_sink sink = {.ctx = &t, .link = learn_link, .form = learn_form};
    const char *text = sl_str_text(&u->body);
    bool json = type && strcasestr(type, "json");
    bool html = type ? strcasestr(type, "html") || strcasestr(type, "xml") : true;
    if (json)
        sl_json_scan(text, u->body.len, &sink);
    else if (html)
        sl_html_scan(text, u->body.len, &sink);
    if (u->page >= 0) {
        w->site.pages[u->page].parsed = true;
        w->site.pages[u->page].has_form = t.has_form;
    }
    bool fill = u->submit && t.has_form;
    u->submit = false;
    if (fill)
        fill_in(u, &t.form);
}

// A redirect is taken when it stays on the server; the rest of its news is not needed.
static bool redirected(struct web *w, struct web_user *u, long status)
{
    char *to = NULL, path[SL_URL_MAX];
    curl_easy_getinfo(u->easy, CURLINFO_REDIRECT_URL, &to);
    if (status < 300 || status >= 400 || !to || u->hops >= HOPS_MAX ||
        !sl_url_resolve(&w->site.origin, u->path, to, path))
        return false;
    u->hops++;
    u->is_post = u->is_post && (status == 307 || status == 308);
    u->page = u->is_post ? -1 : sl_site_add(&w->site, u->path, to, SL_PAGE_LINK);
    sl_copy(u->path, sizeof u->path, path);
    u->again = true;
    return true;
}

// A server that speaks TLS on an unusual port answers plain HTTP with status 400: then TLS is
// tried, once. True when the first request starts over.
static bool other_scheme(struct sl_load *l, CURLcode code, long status)
{
    struct web *w = web_of(l);
    bool plain = !strcmp(w->site.origin.scheme, "http");
    if (l->ready ||
        (plain ? w->tried_tls || code || status != 400 : code != CURLE_SSL_CONNECT_ERROR))
        return false;
    w->tried_tls = true;
    speak(l, plain ? "https" : "http");
    return true;
}

static void finish(struct sl_load *l, struct web_user *u, CURLcode code)
{
    struct web *w = web_of(l);
    long status = 0, out = 0;
    curl_off_t in = 0;
    char *type = NULL;
    curl_easy_getinfo(u->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(u->easy, CURLINFO_REQUEST_SIZE, &out);
    curl_easy_getinfo(u->easy, CURLINFO_SIZE_DOWNLOAD_T, &in);
    curl_easy_getinfo(u->easy, CURLINFO_CONTENT_TYPE, &type);
    l->meter.bytes_in += (uint64_t)in + u->got_headers;
    l->meter.bytes_out += (uint64_t)out;
    if (other_scheme(l, code, status)) {
        sl_load_broken(l, &u->base, "scheme", "trying the other of http and https");
        return;
    }
    if (code) {
        if (u->page >= 0)
            sl_site_answered(&w->site, u->page,
                             status && code != CURLE_OPERATION_TIMEDOUT ? 599 : 0);
        u->again = u->submit = false;
        sl_load_broken(l, &u->base, "http", u->why[0] ? u->why : curl_easy_strerror(code));
        return;
    }
    sl_load_ready(l);
    if (u->is_post)
        w->posts++;
    else
        w->gets++;
    bool ok = status < 500;
    if (u->page >= 0)
        ok = sl_site_answered(&w->site, u->page, status);
    if (!redirected(w, u, status) && u->parse && status < 400)
        learn(w, u, type);
    else if (!u->again)
        u->submit = false;
    if (!ok)
        sl_load_error(l, "http status", "'%.100s' answered %ld", u->path, status);
    sl_load_done(l, &u->base, ok, u->again || u->n_queue > 0);
}

static void harvest(struct sl_load *l)
{
    struct web *w = web_of(l);
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(w->multi, &left))) {
        struct web_user *u = NULL;
        CURLcode code = msg->data.result;
        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&u);
        curl_multi_remove_handle(w->multi, u->easy);
        u->in_multi = false;
        finish(l, u, code);
    }
}

static void fd_event(struct sl_load *l, int fd, uint32_t events)
{
    int running, bits = (events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                        (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                        (events & EPOLLERR ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(web_of(l)->multi, fd, bits, &running);
    harvest(l);
}

static void timer(struct sl_load *l)
{
    int running;
    curl_multi_socket_action(web_of(l)->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    harvest(l);
}

// The connection itself is made with the first request; before the server has shown itself, this
// user asks for the front page at once.
static void connect_user(struct sl_load *l, struct sl_user *base)
{
    struct web_user *u = (struct web_user *)base;
    if (!u->easy) {
        make_easy(l, u);
        new_session(u);
    }
    point_at_server(l, u);
    if (l->ready) {
        sl_load_up(l, base);
        return;
    }
    go_to(web_of(l), u, 0);
    base->state = SL_USER_BUSY;
    base->deadline_ns = l->now_ns + 15000000000;
    start(l, u);
}

static void close_user(struct sl_load *l, struct sl_user *base)
{
    struct web_user *u = (struct web_user *)base;
    if (!u->easy)
        return;
    if (u->in_multi)
        curl_multi_remove_handle(web_of(l)->multi, u->easy);
    u->in_multi = false;
    // libcurl would keep the idle connection for other handles, of which there are none.
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (!curl_easy_getinfo(u->easy, CURLINFO_ACTIVESOCKET, &fd) && fd != CURL_SOCKET_BAD)
        shutdown(fd, SHUT_RDWR);
    curl_easy_cleanup(u->easy);
    curl_slist_free_all(u->connect_to);
    curl_slist_free_all(u->resolve);
    u->easy = NULL;
    u->connect_to = u->resolve = NULL;
    sl_str_done(&u->body);
}

static void event(struct sl_load *l, struct sl_user *u, uint32_t events)
{
    (void)l;
    (void)u;
    (void)events; // libcurl owns the descriptors
}

static void end(struct sl_load *l)
{
    struct web *w = web_of(l);
    curl_multi_cleanup(w->multi);
    sl_site_done(&w->site);
    free(w);
    curl_global_cleanup();
}

const struct sl_load_ops sl_drive_http = {
    .protocol = "http",
    .user_bytes = sizeof(struct web_user),
    .begin = begin,
    .connect = connect_user,
    .request = request,
    .event = event,
    .fd_event = fd_event,
    .timer = timer,
    .close = close_user,
    .end = end,
};
