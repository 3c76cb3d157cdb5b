// SPDX-License-Identifier: Apache-2.0
// Allow-lists of values. What a check does not know does not pass.
#include "compose/load.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool all_in(const char *text, const char *chars)
{
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr(chars, *text))
            return false;
    return true;
}

bool sl_valid_name(const char *name)
{
    return (isalnum((unsigned char)name[0]) || name[0] == '_') && strlen(name) <= 63 &&
           all_in(name, "._-");
}

bool sl_valid_host(const char *name)
{
    return isalnum((unsigned char)name[0]) && strlen(name) <= 253 && all_in(name, "._-");
}

// [host[:port]/]path[:tag][@sha256:hex], as the distribution reference grammar has it.
bool sl_valid_image(const char *ref)
{
    size_t n = strlen(ref);
    if (!isalnum((unsigned char)ref[0]) || n > 255 || !all_in(ref, "._-/:@"))
        return false;
    const char *at = strchr(ref, '@');
    size_t named = at ? (size_t)(at - ref) : n;
    if (at && (strncmp(at + 1, "sha256:", 7) || strlen(at + 8) != 64 ||
               strspn(at + 8, "0123456789abcdef") != 64))
        return false;
    const char *slash = memchr(ref, '/', named), *last = memrchr(ref, '/', named);
    const char *path = ref;
    bool host =
        slash && (memchr(ref, '.', (size_t)(slash - ref)) ||
                  memchr(ref, ':', (size_t)(slash - ref)) || !strncmp(ref, "localhost/", 10));
    if (host) {
        const char *port = memchr(ref, ':', (size_t)(slash - ref));
        if (port && strspn(port + 1, "0123456789") != (size_t)(slash - port - 1))
            return false;
        path = slash + 1;
    }
    const char *from = last ? last : ref;
    const char *tag = memchr(from, ':', named - (size_t)(from - ref));
    const char *end = tag ? tag : ref + named;
    bool was_alnum = false;
    for (const char *p = path; p < end;
         p++) { // lower case; separators stand between letters or digits
        bool alnum = islower((unsigned char)*p) || isdigit((unsigned char)*p);
        if (!alnum && (*p == ':' || isupper((unsigned char)*p)))
            return false;
        if (!alnum && !was_alnum && (p == path || *p == '/' || p[-1] == '/'))
            return false;
        was_alnum = alnum;
    }
    if (!was_alnum)
        return false;
    size_t tag_len = tag ? (size_t)(ref + named - tag - 1) : 0;
    return !tag ||
           (tag_len > 0 && tag_len <= 128 && (isalnum((unsigned char)tag[1]) || tag[1] == '_') &&
            !memchr(tag + 1, '/', tag_len) && !memchr(tag + 1, ':', tag_len));
}

// Go's durations without sign: "1m30s", "500ms"; at most a day's worth of digits.
bool sl_valid_duration(const char *text)
{
    static const char *const units[] = {"ns", "us", "ms", "s", "m", "h", NULL};
    if (!strcmp(text, "0"))
        return true;
    if (!text[0] || strlen(text) > 24)
        return false;
    while (*text) {
        size_t digits = strspn(text, "0123456789");
        if (!digits || digits > 9)
            return false;
        text += digits;
        if (*text == '.') {
            size_t fraction = strspn(text + 1, "0123456789");
            text += 1 + fraction;
        }
        size_t n = 0;
        for (const char *const *u = units; *u && !n; u++)
            n = strncmp(text, *u, strlen(*u)) ? 0 : strlen(*u);
        if (!n)
            return false;
        text += n;
    }
    return true;
}

bool sl_valid_bytes(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits;
    if (!digits || digits > 12)
        return false;
    if (*unit && strchr("bBkKmMgG", *unit))
        unit++;
    if (*unit && strchr("bB", *unit) && unit[-1] != 'b' && unit[-1] != 'B')
        unit++;
    return !*unit;
}

bool sl_valid_ipv4(const char *text)
{
    struct in_addr a;
    return inet_pton(AF_INET, text, &a) == 1;
}

bool sl_valid_sysctl(const char *key, const char *value)
{
    static const char *const keys[] = {"net.core.somaxconn",
                                       "net.ipv4.ip_local_port_range",
                                       "net.ipv4.ip_unprivileged_port_start",
                                       "net.ipv4.tcp_fin_timeout",
                                       "net.ipv4.tcp_keepalive_time",
                                       "net.ipv4.tcp_keepalive_intvl",
                                       "net.ipv4.tcp_keepalive_probes",
                                       "net.ipv4.tcp_max_syn_backlog",
                                       "net.ipv4.tcp_syncookies",
                                       "net.ipv4.tcp_tw_reuse",
                                       "net.ipv4.tcp_rmem",
                                       "net.ipv4.tcp_wmem",
                                       NULL};
    if (!value || !value[0] || strlen(value) > 40 ||
        strspn(value, "0123456789 \t") != strlen(value))
        return false;
    for (const char *const *k = keys; *k; k++)
        if (!strcmp(*k, key))
            return true;
    return false;
}

bool sl_truth(const struct sl_ynode *n, bool *out)
{
    static const char *const yes[] = {"true", "yes", "on", "y", "1", NULL};
    static const char *const no[] = {"false", "no", "off", "n", "0", NULL};
    if (!n || n->kind != SL_Y_SCALAR)
        return false;
    for (int i = 0; yes[i]; i++) {
        if (!strcasecmp(n->text, yes[i])) {
            *out = true;
            return true;
        }
        if (!strcasecmp(n->text, no[i])) {
            *out = false;
            return true;
        }
    }
    return false;
}
