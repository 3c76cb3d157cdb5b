// SPDX-License-Identifier: Apache-2.0
/*
 * One pass over the bytes: text is skipped up to '<', then a tag with its attributes is read into
 * fixed buffers. Scripts and styles are skipped to their end tag. Nothing is nested, so nothing can
 * be nested too deep; a form simply collects the fields seen until its end.
 */
#include "drive/html.h"
#include "base/str.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct cursor {
    const char *p, *end;
};

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static void skip_blanks(struct cursor *c)
{
    while (c->p < c->end && blank(*c->p))
        c->p++;
}

// Moves behind the next `what` (lower case); to the end when there is none.
static void skip_past(struct cursor *c, const char *what)
{
    size_t n = strlen(what);
    for (; (size_t)(c->end - c->p) >= n; c->p++) {
        if (!strncasecmp(c->p, what, n)) {
            c->p += n;
            return;
        }
    }
    c->p = c->end;
}

static size_t entity(const char *p, size_t left, char *out)
{
    static const struct {
        const char *name;
        char c;
    } named[] = {{"&amp;", '&'},  {"&lt;", '<'},   {"&gt;", '>'},
                 {"&quot;", '"'}, {"&#39;", '\''}, {"&apos;", '\''}};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        size_t n = strlen(named[i].name);
        if (left >= n && !strncmp(p, named[i].name, n)) {
            *out = named[i].c;
            return n;
        }
    }
    unsigned v = 0;
    size_t i = 2;
    bool hex = left > 3 && p[1] == '#' && lower(p[2]) == 'x';
    if (left < 4 || p[1] != '#')
        return 0;
    for (i += hex; i < left && i < 9 && p[i] != ';'; i++) {
        char c = lower(p[i]);
        if (c >= '0' && c <= '9')
            v = v * (hex ? 16 : 10) + (unsigned)(c - '0');
        else if (hex && c >= 'a' && c <= 'f')
            v = v * 16 + (unsigned)(c - 'a' + 10);
        else
            return 0;
    }
    if (i >= left || p[i] != ';' || v < 32 || v > 126)
        return 0;
    *out = (char)v;
    return i + 1;
}

// Decodes entities into a fixed buffer. False when it does not fit: a cut address is a wrong one.
static bool decode(const char *p, size_t len, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < len; n++) {
        if (n + 1 >= size) {
            out[0] = '\0';
            return false;
        }
        size_t used = p[i] == '&' ? entity(p + i, len - i, &out[n]) : 0;
        if (!used)
            out[n] = p[i];
        if (!out[n])
            out[n] = '?';
        i += used ? used : 1;
    }
    out[n] = '\0';
    return true;
}

enum { MAX_ATTRS = 24 };
struct attr {
    char name[16];
    const char *value;
    size_t len;
};
struct tag {
    char name[16];
    bool closes;
    struct attr attrs[MAX_ATTRS];
    int n;
};

static void read_name(struct cursor *c, char *out, size_t size)
{
    size_t n = 0;
    for (; c->p < c->end && !blank(*c->p) && !strchr("/>=\"'<", *c->p); c->p++)
        if (n + 1 < size)
            out[n++] = lower(*c->p);
    out[n] = '\0';
}

static void read_value(struct cursor *c, struct attr *a)
{
    skip_blanks(c);
    if (c->p < c->end && (*c->p == '"' || *c->p == '\'')) {
        char quote = *c->p++;
        const char *close = memchr(c->p, quote, (size_t)(c->end - c->p));
        a->value = c->p;
        a->len = (size_t)((close ? close : c->end) - c->p);
        c->p = close ? close + 1 : c->end;
        return;
    }
    a->value = c->p;
    while (c->p < c->end && !blank(*c->p) && *c->p != '>')
        c->p++;
    a->len = (size_t)(c->p - a->value);
}

// Behind '<'. False when this is no tag; the cursor always moves on.
static bool read_tag(struct cursor *c, struct tag *t)
{
    t->n = 0;
    t->closes = c->p < c->end && *c->p == '/';
    c->p += t->closes;
    read_name(c, t->name, sizeof t->name);
    if (!t->name[0])
        return false;
    while (c->p < c->end && *c->p != '>') {
        struct attr a = {.value = "", .len = 0};
        const char *before = c->p;
        skip_blanks(c);
        read_name(c, a.name, sizeof a.name);
        skip_blanks(c);
        if (a.name[0] && c->p < c->end && *c->p == '=') {
            c->p++;
            read_value(c, &a);
        }
        if (a.name[0] && t->n < MAX_ATTRS)
            t->attrs[t->n++] = a;
        if (c->p == before || (!a.name[0] && c->p < c->end && *c->p != '>'))
            c->p++; // a stray sign
    }
    if (c->p < c->end)
        c->p++;
    return true;
}

static bool attr(const struct tag *t, const char *name, char *out, size_t size)
{
    out[0] = '\0';
    for (int i = 0; i < t->n; i++)
        if (!strcmp(t->attrs[i].name, name))
            return decode(t->attrs[i].value, t->attrs[i].len, out, size);
    return false;
}

static bool has_attr(const struct tag *t, const char *name)
{
    for (int i = 0; i < t->n; i++)
        if (!strcmp(t->attrs[i].name, name))
            return true;
    return false;
}

static void emit(const struct sl_html_sink *sink, enum sl_link_kind kind, const struct tag *t,
                 const char *name)
{
    char url[SL_URL_MAX];
    if (sink->link && attr(t, name, url, sizeof url) && url[0])
        sink->link(sink->ctx, kind, url);
}

static void link_tag(const struct sl_html_sink *sink, const struct tag *t)
{
    char rel[64];
    attr(t, "rel", rel, sizeof rel);
    if (strcasestr(rel, "stylesheet") || strcasestr(rel, "icon") || strcasestr(rel, "manifest") ||
        strcasestr(rel, "preload"))
        emit(sink, SL_LINK_ASSET, t, "href");
}

static void field_tag(struct sl_form *f, const struct tag *t)
{
    if (f->n_fields == SL_FORM_FIELDS || has_attr(t, "disabled"))
        return;
    struct sl_form_field *v = &f->fields[f->n_fields];
    memset(v, 0, sizeof *v);
    if (!attr(t, "name", v->name, sizeof v->name) || !v->name[0])
        return;
    attr(t, "value", v->value, sizeof v->value);
    if (strcmp(t->name, "input")) {
        sl_copy(v->type, sizeof v->type, t->name);
    } else if (!attr(t, "type", v->type, sizeof v->type) || !v->type[0]) {
        sl_copy(v->type, sizeof v->type, "text");
    }
    for (char *p = v->type; *p; p++)
        *p = lower(*p);
    if (!strcmp(v->type, "file") || !strcmp(v->type, "reset") || !strcmp(v->type, "image"))
        return;
    for (int i = 0; i < f->n_fields; i++) // one of a radio group, one submit button
        if (!strcmp(f->fields[i].type, v->type) &&
            (!strcmp(v->type, "submit") ||
             (!strcmp(v->type, "radio") && !strcmp(f->fields[i].name, v->name))))
            return;
    f->n_fields++;
}

static void option_tag(struct sl_form *f, const struct tag *t)
{
    struct sl_form_field *v = f->n_fields ? &f->fields[f->n_fields - 1] : NULL;
    char value[sizeof v->value];
    if (v && !strcmp(v->type, "select") && !v->filled && attr(t, "value", value, sizeof value) &&
        value[0]) {
        sl_copy(v->value, sizeof v->value, value);
        v->filled = true;
    }
}

static void form_tag(struct sl_form *f, const struct tag *t)
{
    char method[16];
    memset(f, 0, sizeof *f);
    attr(t, "action", f->action, sizeof f->action);
    attr(t, "method", method, sizeof method);
    f->post = !strcasecmp(method, "post");
}

struct scan {
    const struct sl_html_sink *sink;
    struct sl_form form;
    bool in_form;
};

static void end_form(struct scan *s)
{
    if (s->in_form && s->sink->form)
        s->sink->form(s->sink->ctx, &s->form);
    s->in_form = false;
}

static void take_tag(struct scan *s, const struct tag *t)
{
    const char *n = t->name;
    if (!strcmp(n, "form")) {
        end_form(s);
        if (!t->closes) {
            form_tag(&s->form, t);
            s->in_form = true;
        }
    } else if (t->closes) {
        return;
    } else if (!strcmp(n, "a") || !strcmp(n, "area")) {
        emit(s->sink, SL_LINK_PAGE, t, "href");
    } else if (!strcmp(n, "iframe") || !strcmp(n, "frame")) {
        emit(s->sink, SL_LINK_PAGE, t, "src");
    } else if (!strcmp(n, "link")) {
        link_tag(s->sink, t);
    } else if (!strcmp(n, "img") || !strcmp(n, "script") || !strcmp(n, "source") ||
               !strcmp(n, "audio") || !strcmp(n, "video") || !strcmp(n, "embed")) {
        emit(s->sink, SL_LINK_ASSET, t, "src");
    } else if (s->in_form && (!strcmp(n, "input") || !strcmp(n, "select") ||
                              !strcmp(n, "textarea") || !strcmp(n, "button"))) {
        field_tag(&s->form, t);
    } else if (s->in_form && !strcmp(n, "option")) {
        option_tag(&s->form, t);
    }
}

void sl_html_scan(const char *text, size_t len, const struct sl_html_sink *sink)
{
    struct cursor c = {.p = text, .end = text + len};
    struct scan s = {.sink = sink};
    struct tag t;
    while (c.p < c.end) {
        const char *open = memchr(c.p, '<', (size_t)(c.end - c.p));
        if (!open)
            break;
        c.p = open + 1;
        if (c.end - c.p >= 3 && !strncmp(c.p, "!--", 3)) {
            skip_past(&c, "-->");
        } else if (read_tag(&c, &t)) {
            take_tag(&s, &t);
            if (!t.closes && !strcmp(t.name, "script"))
                skip_past(&c, "</script");
            else if (!t.closes && !strcmp(t.name, "style"))
                skip_past(&c, "</style");
        }
    }
    end_form(&s);
}

// A JSON string's text, escapes undone as far as addresses need; "{id}" becomes "1".
static bool json_text(const char *p, size_t len, char out[SL_URL_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (n + 1 >= SL_URL_MAX)
            return false;
        if (p[i] == '\\' && (i + 1 >= len || (p[i + 1] != '/' && p[i + 1] != '"')))
            return false; // \n, \u....: no address
        i += p[i] == '\\';
        const char *close = p[i] == '{' ? memchr(p + i, '}', len - i) : NULL;
        if (close) {
            out[n++] = '1';
            i = (size_t)(close - p);
        } else if (blank(p[i]) || (unsigned char)p[i] < 32) {
            return false;
        } else {
            out[n++] = p[i];
        }
    }
    out[n] = '\0';
    return n > 1;
}

void sl_json_scan(const char *text, size_t len, const struct sl_html_sink *sink)
{
    const char *p = text, *end = text + len;
    while (p < end && (p = memchr(p, '"', (size_t)(end - p)))) {
        const char *q = ++p;
        while (q < end && *q != '"')
            q += *q == '\\' && q + 1 < end ? 2 : 1;
        if (q >= end)
            return;
        size_t n = (size_t)(q - p);
        char url[SL_URL_MAX];
        bool like = n && (*p == '/' || (n > 1 && *p == '\\' && p[1] == '/') ||
                          (n > 7 && !strncasecmp(p, "http", 4)));
        if (like && sink->link && json_text(p, n, url))
            sink->link(sink->ctx, SL_LINK_PAGE, url);
        p = q + 1;
    }
}
