// SPDX-License-Identifier: Apache-2.0
#include "engine/ref.h"
#include "base/str.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { REF_MAX = 400 };

static bool allowed(const char *text)
{
    if (!text[0] || strlen(text) > REF_MAX || text[0] == '/' || text[0] == '-' || text[0] == '.')
        return false;
    for (const char *p = text; *p; p++) {
        bool plain =
            (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        if (!plain && !strchr("._-/:@", *p))
            return false;
        if (*p == '/' && (p[1] == '/' || p[1] == '.' || !p[1]))
            return false;
    }
    return true;
}

static bool not_a_ref(const char *text, struct sl_error *err)
{
    return sl_fail(err, SL_EINPUT, "'%.200s' is not an image reference", text);
}

// Takes "HOST/" off the front when the first part is a host: it has a dot or a port, or is
// localhost.
static const char *take_registry(const char *text, struct sl_ref *r)
{
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : 0;
    bool host =
        n && n < sizeof r->registry &&
        (memchr(text, '.', n) || memchr(text, ':', n) || (n == 9 && !memcmp(text, "localhost", 9)));
    if (!host) {
        snprintf(r->registry, sizeof r->registry, "docker.io");
        return text;
    }
    memcpy(r->registry, text, n);
    r->registry[n] = '\0';
    if (!strcmp(r->registry, "index.docker.io") || !strcmp(r->registry, "registry-1.docker.io") ||
        !strcmp(r->registry, "registry.hub.docker.com"))
        snprintf(r->registry, sizeof r->registry, "docker.io");
    return slash + 1;
}

static void find_official(struct sl_ref *r)
{
    static const struct {
        const char *registry, *prefix;
    } homes[] = {{"docker.io", "library/"},
                 {"public.ecr.aws", "docker/library/"},
                 {"mirror.gcr.io", "library/"}};
    for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++) {
        size_t n = strlen(homes[i].prefix);
        if (!strcmp(r->registry, homes[i].registry) && !strncmp(r->repo, homes[i].prefix, n)) {
            memmove(r->repo, r->repo + n, strlen(r->repo + n) + 1);
            r->official = true;
            return;
        }
    }
    r->official = !strcmp(r->registry, "docker.io") && !strchr(r->repo, '/');
}

bool sl_ref_parse(const char *text, struct sl_ref *out, struct sl_error *err)
{
    struct sl_ref r = {0};
    if (!allowed(text))
        return not_a_ref(text, err);
    const char *rest = take_registry(text, &r);
    const char *at = strchr(rest, '@');
    size_t name_len = at ? (size_t)(at - rest) : strlen(rest);
    if (at && (!sl_starts_with(at, "@sha") || !sl_copy(r.digest, sizeof r.digest, at + 1)))
        return not_a_ref(text, err);
    const char *colon = memchr(rest, ':', name_len);
    size_t repo_len = colon ? (size_t)(colon - rest) : name_len;
    size_t tag_len = colon ? name_len - repo_len - 1 : 0;
    if (!repo_len || repo_len >= sizeof r.repo || tag_len >= sizeof r.tag || (colon && !tag_len))
        return not_a_ref(text, err);
    memcpy(r.repo, rest, repo_len);
    if (colon)
        memcpy(r.tag, colon + 1, tag_len);
    else if (!at)
        memcpy(r.tag, "latest", 7);
    if (strpbrk(r.tag, ":/@") || strpbrk(r.repo, ":@ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        return not_a_ref(text, err);
    find_official(&r);
    *out = r;
    return true;
}

bool sl_ref_private_registry(const char *registry)
{
    char host[256];
    sl_copy(host, sizeof host, registry);
    char *port = strrchr(host, ':');
    if (port)
        *port = '\0';
    if (!strchr(host, '.'))
        return true;
    static const struct {
        uint32_t net, mask;
    } closed[] = {{0x00000000, 0xff000000}, {0x0a000000, 0xff000000}, {0x64400000, 0xffc00000},
                  {0x7f000000, 0xff000000}, {0xa9fe0000, 0xffff0000}, {0xac100000, 0xfff00000},
                  {0xc0a80000, 0xffff0000}, {0xe0000000, 0xe0000000}};
    struct in_addr a;
    if (!inet_aton(host, &a)) // also takes "127.1" and 0x7f.1, as resolvers do
        return sl_ends_with(host, ".local") || sl_ends_with(host, ".internal") ||
               sl_ends_with(host, ".localhost");
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++)
        if ((ntohl(a.s_addr) & closed[i].mask) == closed[i].net)
            return true;
    return false;
}
