// SPDX-License-Identifier: Apache-2.0
// Addresses and forms: the half of html.h that knows no markup.
#include "base/str.h"
#include "drive/html.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool path_end(char c)
{
    return !c || c == '/' || c == '?' || c == '#';
}

// The port after a host name, and what follows it. 0 = no port.
static unsigned long port_at(const char **p)
{
    unsigned long port = 0;
    if (**p == ':' && (*p)[1] >= '0' && (*p)[1] <= '9') {
        char *end;
        port = strtoul(*p + 1, &end, 10);
        *p = end;
    }
    return port;
}

// "host:port" at p: does it name our server? *rest: what follows. An application that believes it
// is published as localhost:8080 means itself, whatever the port.
static bool same_host(const struct sl_origin *at, uint16_t default_port, const char *p,
                      const char **rest)
{
    static const char *const itself[] = {"localhost", "127.0.0.1", "0.0.0.0"};
    for (size_t i = 0; i < sizeof itself / sizeof itself[0]; i++) {
        size_t len = strlen(itself[i]);
        const char *q = p + len;
        if (strncasecmp(p, itself[i], len))
            continue;
        port_at(&q);
        *rest = q;
        return path_end(*q);
    }
    size_t n = strlen(at->host);
    bool brackets = strchr(at->host, ':') != NULL; // an IPv6 address
    if (brackets && *p++ != '[')
        return false;
    if (strncasecmp(p, at->host, n))
        return false;
    p += n;
    if (brackets && *p++ != ']')
        return false;
    unsigned long port = port_at(&p);
    *rest = p;
    return path_end(*p) && (port ? port : default_port) == at->port;
}

// Makes *link a path, if it leads to us.
static bool strip_origin(const struct sl_origin *at, const char **link)
{
    const char *p = *link;
    uint16_t port = !strcmp(at->scheme, "https") ? 443 : 80;
    if (sl_starts_with(p, "//"))
        return same_host(at, port, p + 2, link);
    size_t n = strlen(at->scheme);
    if (!strncasecmp(p, at->scheme, n) && !strncmp(p + n, "://", 3))
        return same_host(at, port, p + n + 3, link);
    const char *colon = strchr(p, ':');
    return !colon || (size_t)(colon - p) > strcspn(p, "/?#"); // no other scheme
}

// RFC 3986, 5.2.4, on text whose query is apart. Writes where it reads.
static void remove_dots(char *path)
{
    char *in = path, *out = path;
    while (*in) {
        if (!strncmp(in, "/./", 3) || !strcmp(in, "/.")) {
            in += 2;
            if (!*in)
                *out++ = '/';
        } else if (!strncmp(in, "/../", 4) || !strcmp(in, "/..")) {
            in += 3;
            while (out > path && *--out != '/')
                ;
            if (!*in)
                *out++ = '/';
        } else {
            do
                *out++ = *in++;
            while (*in && *in != '/');
        }
    }
    *out = '\0';
    if (path[0] != '/')
        memcpy(path, "/", 2);
}

// Percent-encodes what may not stand in a request line. False when it does not fit.
static bool clean(const char *in, char *out, size_t size)
{
    size_t n = 0;
    for (; *in && *in != '#'; in++) {
        unsigned char c = (unsigned char)*in;
        bool plain = c > 32 && c < 127 && !strchr("\"<>\\^`{|}", c);
        if (n + 4 > size)
            return false;
        if (plain)
            out[n++] = *in;
        else
            n += (size_t)snprintf(out + n, size - n, "%%%02X", c);
    }
    out[n] = '\0';
    return true;
}

bool sl_url_resolve(const struct sl_origin *at, const char *base, const char *link,
                    char out[SL_URL_MAX])
{
    char whole[3 * SL_URL_MAX], path[SL_URL_MAX];
    link += strspn(link, " \t\r\n");
    if (!*link || *link == '#' || strlen(link) >= SL_URL_MAX || strlen(base) >= SL_URL_MAX ||
        !strip_origin(at, &link))
        return false;
    size_t base_path = strcspn(base, "?#");
    if (*link == '/') {
        snprintf(whole, sizeof whole, "%s", link);
    } else if (!*link || *link == '#') {
        snprintf(whole, sizeof whole, "/");
    } else if (*link == '?') {
        snprintf(whole, sizeof whole, "%.*s%s", (int)base_path, base, link);
    } else {
        while (base_path && base[base_path - 1] != '/')
            base_path--;
        snprintf(whole, sizeof whole, "%.*s%s", (int)base_path, base, link);
    }
    size_t split = strcspn(whole, "?#");
    char query[SL_URL_MAX];
    if (!clean(whole + split, query, sizeof query))
        return false;
    whole[split] = '\0';
    if (!clean(whole, path, sizeof path))
        return false;
    remove_dots(path);
    int n = snprintf(out, SL_URL_MAX, "%s%s", path, query);
    return n > 0 && n < SL_URL_MAX;
}

void sl_form_guess(const struct sl_form_field *f, uint64_t draw, char *out, size_t size)
{
    static const char *const words[] = {"river", "gravel", "gold",   "water", "sieve", "gate",
                                        "creek", "stone",  "valley", "sand",  "mill",  "pan"};
    const char *word = words[draw % (sizeof words / sizeof words[0])];
    unsigned n = (unsigned)(draw >> 8) % 1000;
    const char *t = f->type, *name = f->name;
    if (!strcmp(t, "hidden") || !strcmp(t, "submit") || !strcmp(t, "button") ||
        !strcmp(t, "select") || (f->value[0] && strcmp(t, "text") && strcmp(t, "textarea")))
        snprintf(out, size, "%s", f->value);
    else if (!strcmp(t, "checkbox") || !strcmp(t, "radio"))
        snprintf(out, size, "on");
    else if (!strcmp(t, "email") || strcasestr(name, "mail"))
        snprintf(out, size, "%s%u@example.org", word, n);
    else if (!strcmp(t, "password") || strcasestr(name, "pass"))
        snprintf(out, size, "Sluice-gate-1848");
    else if (!strcmp(t, "number") || !strcmp(t, "range") || strcasestr(name, "amount") ||
             strcasestr(name, "quantity") || strcasestr(name, "age"))
        snprintf(out, size, "%u", 1 + n % 20);
    else if (!strcmp(t, "date") || strcasestr(name, "date"))
        snprintf(out, size, "2024-%02u-%02u", 1 + n % 12, 1 + n % 28);
    else if (!strcmp(t, "datetime-local"))
        snprintf(out, size, "2024-%02u-%02uT12:00", 1 + n % 12, 1 + n % 28);
    else if (!strcmp(t, "time"))
        snprintf(out, size, "%02u:30", n % 24);
    else if (!strcmp(t, "color"))
        snprintf(out, size, "#8a6d%02x", n % 256);
    else if (!strcmp(t, "tel") || strcasestr(name, "phone"))
        snprintf(out, size, "+1555010%04u", n);
    else if (!strcmp(t, "url"))
        snprintf(out, size, "http://example.org/%s", word);
    else if (!strcmp(t, "textarea") || strcasestr(name, "message") || strcasestr(name, "comment"))
        snprintf(out, size, "The %s by the %s carries %u grains of gold a day.", word,
                 words[(draw >> 20) % 12], n);
    else if (strcasestr(name, "user") || strcasestr(name, "login"))
        snprintf(out, size, "%s%u", word, n);
    else
        snprintf(out, size, "%s %u", word, n);
}

static bool append_encoded(const char *text, char *out, size_t size, size_t *n)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                     strchr("-._~", c) != NULL;
        if (*n + 4 > size)
            return false;
        if (plain || c == ' ')
            out[(*n)++] = c == ' ' ? '+' : *text;
        else
            *n += (size_t)snprintf(out + *n, size - *n, "%%%02X", c);
    }
    out[*n] = '\0';
    return true;
}

bool sl_form_encode(const struct sl_form *form, uint64_t draw, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (int i = 0; i < form->n_fields; i++) {
        const struct sl_form_field *f = &form->fields[i];
        char value[256];
        sl_form_guess(f, draw * 0x9e3779b97f4a7c15u + (uint64_t)i, value, sizeof value);
        if (n + 3 > size)
            return false;
        if (n)
            out[n++] = '&';
        if (!append_encoded(f->name, out, size, &n))
            return false;
        if (n + 2 > size)
            return false;
        out[n++] = '=';
        out[n] = '\0';
        if (!append_encoded(value, out, size, &n))
            return false;
    }
    return true;
}
