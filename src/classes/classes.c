// SPDX-License-Identifier: Apache-2.0
// Look-ups in the generated tables. Exact image names are found through a table of first letters,
// so that classifying a service costs a few comparisons.
#include "classes/classes.h"
#include "classes/payload.h"
#include <fnmatch.h>
#include <string.h>
#include <strings.h>

struct word {
    const char *text;
    int app; // index into apps; for class aliases: the class
};
struct port_word {
    uint16_t port;
    uint8_t proto;
    int app;
};
struct app {
    const char *name;
    int cls;
    enum sl_role role;
    const char *probe;
    bool weak;
    const char *payload;
};
#include "classes_table.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

size_t sl_class_count(void)
{
    return COUNT(class_names);
}

const char *sl_class_name(int cls)
{
    return cls > 0 && (size_t)cls < COUNT(class_names) ? class_names[cls] : class_names[0];
}

int sl_class_find(const char *name)
{
    for (size_t i = 1; i < COUNT(class_names); i++)
        if (!strcasecmp(name, class_names[i]))
            return (int)i;
    for (size_t i = 0; i < COUNT(class_aliases); i++)
        if (!strcasecmp(name, class_aliases[i].text))
            return class_aliases[i].app;
    return -1;
}

const char *const *sl_class_names(size_t *n)
{
    *n = COUNT(class_names) - 1;
    return class_names + 1;
}

static void guess(struct sl_class_guess *out, int app, enum sl_evidence evidence)
{
    static const double confidence[] = {[SL_EVIDENCE_PORT] = 0.4,
                                        [SL_EVIDENCE_PAYLOAD] = 0.8,
                                        [SL_EVIDENCE_PROCESS] = 0.9,
                                        [SL_EVIDENCE_IMAGE] = 0.95};
    const struct app *a = &apps[app];
    *out =
        (struct sl_class_guess){a->cls, a->name, a->probe, a->role, evidence, confidence[evidence]};
    if (a->weak)
        out->confidence = 0.3;
}

// "ghcr.io:443/owner/app:1@sha256:..." -> "owner/app"; false when it is empty or too long.
static bool repository(const char *image, char out[256])
{
    const char *slash = strchr(image, '/');
    size_t host = slash ? (size_t)(slash - image) : 0;
    if (slash &&
        (memchr(image, '.', host) || memchr(image, ':', host) || !strncmp(image, "localhost/", 10)))
        image = slash + 1;
    size_t n = strcspn(image, ":@");
    if (!n || n >= 256)
        return false;
    for (size_t i = 0; i < n; i++)
        out[i] = image[i] >= 'A' && image[i] <= 'Z' ? (char)(image[i] + 32) : image[i];
    out[n] = '\0';
    return true;
}

static int match_pattern(const char *path, const char *last)
{
    for (size_t i = 0; i < COUNT(image_patterns); i++) {
        const char *p = image_patterns[i].text;
        const char *subject = strchr(p, '/') ? path : last;
        if (p[0] != '*' && p[0] != subject[0])
            continue;
        if (!strpbrk(p, "*") ? !strcmp(p, subject) : !fnmatch(p, subject, 0))
            return image_patterns[i].app;
    }
    return -1;
}

bool sl_class_by_image(const char *image, struct sl_class_guess *out)
{
    char path[256];
    if (!image || !repository(image, path))
        return false;
    const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
    int app = -1;
    for (size_t i = 0; slash && i < COUNT(image_patterns) && app < 0; i++) // a full path says more
        if (!strchr(image_patterns[i].text, '*') && !strcmp(image_patterns[i].text, path))
            app = image_patterns[i].app;
    for (size_t i = 0; i < COUNT(images) && app < 0; i++)
        if (images[i].text[0] == last[0] && !strcmp(images[i].text, last))
            app = images[i].app;
    if (app < 0)
        app = match_pattern(path, last);
    if (app < 0)
        return false;
    guess(out, app, SL_EVIDENCE_IMAGE);
    return true;
}

bool sl_class_by_process(const char *comm, struct sl_class_guess *out)
{
    for (size_t i = 0; comm && i < COUNT(processes); i++) {
        if (strcmp(processes[i].text, comm))
            continue;
        guess(out, processes[i].app, SL_EVIDENCE_PROCESS);
        return true;
    }
    return false;
}

bool sl_class_by_port(uint8_t ip_proto, uint16_t port, struct sl_class_guess *out)
{
    size_t low = 0, high = COUNT(ports); // sorted by port, then protocol
    while (low < high) {
        size_t mid = (low + high) / 2;
        int d = ports[mid].port != port ? ports[mid].port - port : ports[mid].proto - ip_proto;
        if (!d) {
            guess(out, ports[mid].app, SL_EVIDENCE_PORT);
            return true;
        }
        if (d < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

bool sl_class_by_payload(const uint8_t *client, size_t client_len, const uint8_t *server,
                         size_t server_len, struct sl_class_guess *out)
{
    const char *probe = sl_payload_probe(client, client_len, server, server_len);
    for (size_t i = 0; probe && i < COUNT(apps); i++) {
        if (strcmp(apps[i].payload, probe))
            continue;
        guess(out, (int)i, SL_EVIDENCE_PAYLOAD);
        return true;
    }
    return false;
}
