// SPDX-License-Identifier: Apache-2.0
#include "dissect/http.h"
#include "base/reader.h"
#include "dissect/text.h"
#include <string.h>
#include <strings.h>

// RFC 9110 section 9, WebDAV (RFC 4918, 3253, 3648, 3744, 5323, 5842), PATCH (RFC 5789), UPnP, and
// what IANA's registry lists besides as long as it fits.
static const char *const methods[] = {
    "GET",        "HEAD",       "POST",        "PUT",        "DELETE",          "CONNECT",
    "OPTIONS",    "TRACE",      "PATCH",       "PROPFIND",   "PROPPATCH",       "MKCOL",
    "COPY",       "MOVE",       "LOCK",        "UNLOCK",     "REPORT",          "SEARCH",
    "MKCALENDAR", "ACL",        "BIND",        "UNBIND",     "REBIND",          "CHECKIN",
    "CHECKOUT",   "UNCHECKOUT", "LABEL",       "MERGE",      "UPDATE",          "LINK",
    "UNLINK",     "MKACTIVITY", "MKWORKSPACE", "ORDERPATCH", "QUERY",           "M-SEARCH",
    "NOTIFY",     "SUBSCRIBE",  "UNSUBSCRIBE", "PURGE",      "VERSION-CONTROL",
};
enum { N_METHODS = sizeof methods / sizeof methods[0], MAX_METHOD = 15 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"; // RFC 9113 section 3.4

static bool is_token(uint8_t c) // RFC 9110 section 5.6.2
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

// Is this, cut where it is, the start of `text`? Longer inputs must start with all of it.
static bool starts(const uint8_t *p, size_t len, const char *text)
{
    size_t n = strlen(text);
    return !memcmp(p, text, len < n ? len : n);
}

struct line {
    const uint8_t *p;
    size_t len; // without its end
    bool whole; // its end is there
};

static struct line next_line(struct sl_reader *r)
{
    size_t left = sl_read_left(r);
    const uint8_t *lf = left ? memchr(r->p, '\n', left) : NULL;
    struct line l = {.p = r->p, .len = left, .whole = lf};
    if (!lf) {
        r->p = r->end;
        return l;
    }
    l.len = (size_t)(lf - l.p);
    if (l.len && l.p[l.len - 1] == '\r')
        l.len--;
    r->p = lf + 1;
    return l;
}

// ---- start lines --------------------------------------------------------------------------------

static uint8_t read_version(const uint8_t *p, size_t len) // "HTTP/1.1"; 0 = no
{
    if (len != 8 || memcmp(p, "HTTP/1.", 7) || p[7] < '0' || p[7] > '9')
        return 0;
    return (uint8_t)(10 + p[7] - '0');
}

static enum sl_http_result read_status_line(struct line l, struct sl_http_facts *out)
{
    static const char shape[] = "HTTP/1.d ddd";
    for (size_t i = 0; i < l.len && i < sizeof shape - 1; i++) {
        bool digit = l.p[i] >= '0' && l.p[i] <= '9';
        if (shape[i] == 'd' ? !digit : l.p[i] != (uint8_t)shape[i])
            return SL_HTTP_NOT;
    }
    if (l.len < sizeof shape - 1)
        return l.whole ? SL_HTTP_NOT : SL_HTTP_NEED_MORE;
    bool end_cut = l.len == 13 && !l.whole && l.p[12] == '\r';
    if (l.len > 12 && l.p[12] != ' ' && !end_cut)
        return SL_HTTP_NOT;
    out->version = (uint8_t)(10 + l.p[7] - '0');
    out->status = (uint16_t)((l.p[9] - '0') * 100 + (l.p[10] - '0') * 10 + l.p[11] - '0');
    return out->status >= 100 ? SL_HTTP_DONE : SL_HTTP_NOT;
}

// Could the method of a line that is not whole yet be a known one?
static bool method_like(const uint8_t *p, size_t len)
{
    for (int i = 0; i < N_METHODS; i++) {
        size_t n = strlen(methods[i]);
        if (starts(p, len, methods[i]) && (len <= n || p[n] == ' '))
            return true;
    }
    return false;
}

static enum sl_http_result read_request_line(struct line l, struct sl_http_facts *out)
{
    if (!l.whole)
        return method_like(l.p, l.len) ? SL_HTTP_NEED_MORE : SL_HTTP_NOT;
    size_t method = 0, end = l.len;
    while (method < l.len && is_token(l.p[method]))
        method++;
    while (end > method && l.p[end - 1] == ' ') // some send one
        end--;
    if (!method || method > MAX_METHOD || method == l.len || l.p[method] != ' ' ||
        end < method + 1 + 1 + 9)
        return SL_HTTP_NOT;
    const uint8_t *version = l.p + end - 8;
    out->version = read_version(version, 8);
    if (!out->version || version[-1] != ' ')
        return SL_HTTP_NOT;
    const uint8_t *target = l.p + method + 1;
    size_t n = (size_t)(version - 1 - target);
    for (size_t i = 0; i < n; i++)
        if (target[i] < 0x20 || target[i] == 0x7f)
            return SL_HTTP_NOT;
    sl_dissect_text(out->method, sizeof out->method, l.p, method);
    sl_dissect_text(out->target, sizeof out->target, target, n);
    return SL_HTTP_DONE;
}

// ---- fields -------------------------------------------------------------------------------------

static void keep_field(const struct line *l, size_t name, struct sl_http_facts *out)
{
    const struct {
        const char *name;
        char *to;
        size_t size;
    } fields[] = {
        {"host", out->host, sizeof out->host},
        {"user-agent", out->user_agent, sizeof out->user_agent},
        {"server", out->server, sizeof out->server},
        {"content-type", out->content_type, sizeof out->content_type},
    };
    size_t from = name + 1, to = l->len;
    while (from < to && (l->p[from] == ' ' || l->p[from] == '\t'))
        from++;
    while (to > from && (l->p[to - 1] == ' ' || l->p[to - 1] == '\t'))
        to--;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (strlen(fields[i].name) == name && !fields[i].to[0] &&
            !strncasecmp((const char *)l->p, fields[i].name, name))
            sl_dissect_text(fields[i].to, fields[i].size, l->p + from, to - from);
}

static enum sl_http_result read_fields(struct sl_reader *r, struct sl_http_facts *out)
{
    for (;;) {
        struct line l = next_line(r);
        if (!l.whole)
            return SL_HTTP_NEED_MORE;
        if (!l.len)
            return SL_HTTP_DONE;
        if (l.p[0] == ' ' || l.p[0] == '\t') // a folded line
            continue;
        size_t name = 0;
        while (name < l.len && is_token(l.p[name]))
            name++;
        if (!name || name == l.len || l.p[name] != ':') {
            out->malformed = true;
            return SL_HTTP_DONE;
        }
        keep_field(&l, name, out);
    }
}

enum sl_http_result sl_dissect_http(const uint8_t *bytes, size_t len, struct sl_http_facts *out)
{
    memset(out, 0, sizeof *out);
    out->want_bytes = (uint32_t)(len < SL_HTTP_MAX_HEAD ? len + 1 : len);
    if (!len)
        return SL_HTTP_NEED_MORE;
    if (starts(bytes, len, preface)) {
        if (len >= sizeof preface - 1)
            out->version = 20;
        return out->version ? SL_HTTP_DONE : SL_HTTP_NEED_MORE;
    }
    struct sl_reader r = sl_reader(bytes, len < SL_HTTP_MAX_HEAD ? len : SL_HTTP_MAX_HEAD);
    struct line first = next_line(&r);
    bool response = starts(first.p, first.len, "HTTP/");
    enum sl_http_result res =
        response ? read_status_line(first, out) : read_request_line(first, out);
    if (res == SL_HTTP_DONE && first.whole)
        res = read_fields(&r, out);
    else if (res == SL_HTTP_DONE)
        res = SL_HTTP_NEED_MORE; // the status is known, its line is not over
    if (res == SL_HTTP_NEED_MORE && len >= SL_HTTP_MAX_HEAD)
        return out->version ? SL_HTTP_DONE : SL_HTTP_NOT;
    return res;
}
