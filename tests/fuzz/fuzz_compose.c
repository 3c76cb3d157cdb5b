// SPDX-License-Identifier: Apache-2.0
// A Compose file and the files beside it, loaded, repaired and rendered. Beyond not crashing: what
// is rendered must be YAML that holds only keys of the allow-list, with every bind below the tree.
//
// Input: the Compose file's text; a line "%%FILE name" starts another file.
#include "compose/load.h"
#include "compose/render.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FILES = 8 };
static const char tree[] = "/tree";

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static size_t split(char *text, size_t len, struct sl_memory_file *files)
{
    static const char mark[] = "\n%%FILE ";
    size_t n = 1;
    files[0] = (struct sl_memory_file){"compose.yaml", text, len};
    for (char *p = text;
         n < MAX_FILES && (p = memmem(p, len - (size_t)(p - text), mark, sizeof mark - 1));) {
        char *name = p + sizeof mark - 1;
        files[n - 1].len = (size_t)(p - files[n - 1].text);
        *p = '\0';
        char *eol = memchr(name, '\n', len - (size_t)(name - text));
        if (!eol)
            break;
        *eol = '\0';
        files[n] = (struct sl_memory_file){name, eol + 1, len - (size_t)(eol + 1 - text)};
        n++;
        p = eol + 1;
    }
    return n;
}

static bool listed(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(name, *names))
            return true;
    return false;
}

static void check_service(const struct sl_ynode *s)
{
    static const char *const keys[] = {"image",      "entrypoint",   "command",
                                       "cap_drop",   "cap_add",      "security_opt",
                                       "read_only",  "mem_limit",    "memswap_limit",
                                       "pids_limit", "cpus",         "stop_grace_period",
                                       "logging",    "labels",       "hostname",
                                       "dns",        "extra_hosts",  "sysctls",
                                       "networks",   "network_mode", "restart",
                                       "user",       "working_dir",  "stop_signal",
                                       "shm_size",   "tty",          "stdin_open",
                                       "init",       "environment",  "volumes",
                                       "depends_on", "healthcheck",  NULL};
    for (size_t i = 0; i < s->n; i++)
        check(listed(s->items[i].key, keys), "a service holds allowed keys only");
    const struct sl_ynode *mode = sl_yaml_get(s, "network_mode");
    check(!mode || !strcmp(mode->text, "none") || sl_starts_with(mode->text, "service:sl-net-"),
          "a network of a holder");
    const struct sl_ynode *labels = sl_yaml_get(s, "labels");
    for (size_t i = 0; labels && i < labels->n; i++)
        check(sl_starts_with(labels->items[i].key, "sluice."), "no label of a project's own");
    const struct sl_ynode *volumes = sl_yaml_get(s, "volumes");
    for (size_t i = 0; volumes && i < volumes->n; i++) {
        const struct sl_ynode *v = volumes->items[i].value, *source = sl_yaml_get(v, "source");
        if (strcmp(sl_yaml_get(v, "type")->text, "bind"))
            continue;
        check(!strcmp(source->text, tree) ||
                  (sl_starts_with(source->text, tree) && source->text[sizeof tree - 1] == '/'),
              "a bind below the tree");
        check(!strstr(source->text, "/../") && !sl_ends_with(source->text, "/.."),
              "a bind that does not climb");
    }
}

static void check_rendered(const char *text)
{
    struct sl_arena arena = {0};
    const struct sl_ysource src = {"rendered", "."};
    struct sl_ydoc doc;
    struct sl_error err = {0};
    bool ok = strlen(text) > SL_YAML_MAX_BYTES ||
              sl_yaml_parse(&arena, &src, text, strlen(text), &doc, &err);
    if (!ok && !strstr(err.msg, "nodes"))
        check(false, err.msg);
    if (ok && strlen(text) <= SL_YAML_MAX_BYTES) {
        check(doc.n == 1 && doc.n_warnings == 0, "one document without repeated keys");
        const struct sl_ynode *services = sl_yaml_get(doc.roots[0], "services");
        for (size_t i = 0; i < services->n; i++)
            check_service(services->items[i].value);
        const struct sl_ynode *volumes = sl_yaml_get(doc.roots[0], "volumes");
        for (size_t i = 0; volumes && i < volumes->n; i++)
            check(!sl_yaml_get(volumes->items[i].value, "driver_opts") &&
                      !sl_yaml_get(volumes->items[i].value, "external"),
                  "plain volumes");
        const struct sl_ynode *networks = sl_yaml_get(doc.roots[0], "networks");
        for (size_t i = 0; networks && i < networks->n; i++)
            check(!strcmp(sl_yaml_get(networks->items[i].value, "internal")->text, "true"),
                  "networks without a way out");
    }
    sl_arena_done(&arena);
}

static void render(const struct sl_project *p)
{
    SL_VEC(struct sl_render_subnet) subnets = {0};
    SL_VEC(struct sl_render_image) images = {0};
    struct sl_error err = {0};
    for (size_t i = 0; i < p->n_networks; i++)
        *SL_PUSH(&subnets) = (struct sl_render_subnet){p->networks[i].key, "n", "10.9.8.0/27"};
    for (size_t i = 0; i < p->n_services; i++)
        *SL_PUSH(&images) = (struct sl_render_image){p->services[i].name, "i"};
    struct sl_render_options opt = {
        .instance = "f", .tree = tree, .holder_image = "h", .resolver = "10.0.0.1"};
    opt.subnets = subnets.at;
    opt.n_subnets = subnets.len;
    opt.images = images.at;
    opt.n_images = images.len;
    char *text = sl_compose_render(p, &opt, &err);
    if (text)
        check_rendered(text);
    free(text);
    text = sl_compose_render_build(p, tree, &err);
    free(text);
    SL_VEC_DONE(&subnets);
    SL_VEC_DONE(&images);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_memory_file files[MAX_FILES];
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    struct sl_memory_files memory = {
        .at = files, .n = split(text, size, files), .folders = size & 1};
    struct sl_files view = sl_memory_files_view(&memory);
    const char *reason = NULL;
    struct sl_error err = {0};
    struct sl_compose_options opt = {.seed = 1};
    struct sl_project *p = sl_project_load_from(&view, "f", NULL, &opt, &reason, &err);
    check((p != NULL) == (reason == NULL), "a reason for every failure and no other");
    if (p)
        render(p);
    sl_project_free(p);
    free(text);
    return 0;
}
