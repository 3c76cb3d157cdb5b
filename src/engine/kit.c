// SPDX-License-Identifier: Apache-2.0
/*
 * The kit: base images from Debian packages, for where no registry can be reached.
 *
 * Each is built under a name of its own, sluice-kit/NAME, and then given the names it stands in
 * for; a name that an image from a registry has already is left to it. The base is made by the
 * kit's own script (debootstrap), in a mount namespace and a temporary folder that go with it.
 */
#include "base/auto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "engine/images_int.h"
#include "engine/transport.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAKE_NS INT64_C(2400000000000) // 40 min: a slow mirror is no failure
#define KIT_LABEL "sluice.kit"
enum { COLUMNS = 5 };

static bool bad_line(struct sl_error *err, const char *path, int line, const char *what,
                     const char *quote)
{
    sl_fail(err, SL_EINPUT, "%s '%.100s'", what, quote);
    sl_at(err, path, line, 0);
    return false;
}

static void parse_tags(struct sl_kit_image *image, char *text)
{
    SL_VEC(char *) tags = {0};
    char *save = NULL;
    for (char *t = strtok_r(text, ", ", &save); t; t = strtok_r(NULL, ", ", &save))
        *SL_PUSH(&tags) = strpbrk(t, ":/") ? sl_strdup(t) : sl_format("%s:%s", image->name, t);
    image->tags = tags.at;
    image->n_tags = tags.len;
}

static bool parse_line(struct sl_images *k, char *line, const char *path, int number,
                       struct sl_error *err)
{
    char *col[COLUMNS] = {0};
    size_t n = 0;
    for (char *p = line; p && n < COLUMNS; n++)
        col[n] = strsep(&p, "\t");
    if (n < COLUMNS)
        return bad_line(err, path, number, "five tab-separated columns are needed in", line);
    for (const char *p = col[0]; *p; p++)
        if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '-' && *p != '_')
            return bad_line(err, path, number, "not a name for a kit image:", col[0]);
    if (!col[0][0] || sl_kit_named(k, col[0]))
        return bad_line(err, path, number, "missing or repeated name", col[0]);
    if (strcmp(col[1], "debootstrap") && !sl_kit_named(k, col[1]))
        return bad_line(err, path, number, "the parent must stand above; there is no", col[1]);
    if (strcmp(col[4], "quick") && strcmp(col[4], "full"))
        return bad_line(err, path, number, "the set is 'quick' or 'full', not", col[4]);
    struct sl_kit_image image = {.name = sl_strdup(col[0]),
                                 .parent = sl_strdup(col[1]),
                                 .dir = sl_strdup(col[2]),
                                 .quick = !strcmp(col[4], "quick")};
    parse_tags(&image, col[3]);
    *SL_PUSH(&k->kit) = image;
    struct sl_ref r;
    struct sl_error why = {0};
    for (size_t i = 0; i < image.n_tags; i++)
        if (!sl_ref_parse(image.tags[i], &r, &why))
            return bad_line(err, path, number, "not an image reference:", image.tags[i]);
    return image.n_tags > 0 || bad_line(err, path, number, "no tags for", col[0]);
}

bool sl_kit_parse(struct sl_images *k, const char *text, const char *path, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *copy = sl_strdup(text);
    int number = 0;
    for (char *p = copy, *line; (line = strsep(&p, "\n"));) {
        number++;
        line[strcspn(line, "\r")] = '\0';
        if (line[0] && line[0] != '#' && !parse_line(k, line, path, number, err))
            return false;
    }
    return true;
}

struct sl_kit_image *sl_kit_named(struct sl_images *k, const char *name)
{
    for (size_t i = 0; i < k->kit.len; i++)
        if (!strcmp(k->kit.at[i].name, name))
            return &k->kit.at[i];
    return NULL;
}

// The same image on the same registry; mirrors of the official library count as it.
static bool same_repo(const struct sl_ref *a, const struct sl_ref *b)
{
    return !strcmp(a->repo, b->repo) &&
           ((a->official && b->official) || !strcmp(a->registry, b->registry));
}

struct sl_kit_image *sl_kit_for(struct sl_images *k, const struct sl_ref *ref, bool *exact)
{
    struct sl_kit_image *near = NULL;
    *exact = false;
    for (size_t i = 0; i < k->kit.len; i++) {
        for (size_t t = 0; t < k->kit.at[i].n_tags; t++) {
            struct sl_ref r;
            if (!sl_ref_parse(k->kit.at[i].tags[t], &r, NULL) || !same_repo(&r, ref))
                continue;
            if (!ref->digest[0] && !strcmp(r.tag, ref->tag)) {
                *exact = true;
                return &k->kit.at[i];
            }
            if (!near)
                near = &k->kit.at[i];
        }
    }
    return near;
}

char *sl_kit_own_tag(const struct sl_kit_image *image)
{
    return sl_format("sluice-kit/%s:latest", image->name);
}

// Is what has this name now one of ours? Images of the kit carry a label; the base has our own
// name.
static bool ours(struct sl_engine *e, const char *ref, const char *id, const char *old_id)
{
    if (old_id[0] && !strcmp(id, old_id))
        return true;
    SL_AUTO(sl_free_str) char *escaped = sl_url_escape(ref, "/:");
    SL_AUTO(sl_free_str) char *path = sl_format("/images/%s/json", escaped);
    json_t *j = NULL;
    int status;
    bool is = sl_engine_request(e, "GET", path, NULL, &status, &j, NULL) && status == 200 &&
              json_object_get(json_object_get(json_object_get(j, "Config"), "Labels"), KIT_LABEL);
    json_decref(j);
    return is;
}

static bool tag(struct sl_engine *e, const char *from, const char *to, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *name = sl_strdup(to);
    char *slash = strrchr(name, '/'), *colon = strrchr(name, ':');
    const char *t = "latest";
    if (colon && (!slash || colon > slash)) {
        *colon = '\0';
        t = colon + 1;
    }
    SL_AUTO(sl_free_str)
    char *f = sl_url_escape(from, "/:"), *n = sl_url_escape(name, ""), *v = sl_url_escape(t, "");
    SL_AUTO(sl_free_str) char *path = sl_format("/images/%s/tag?repo=%s&tag=%s", f, n, v);
    int status;
    json_t *reply = NULL;
    bool ok = sl_engine_request(e, "POST", path, NULL, &status, &reply, err);
    if (ok && status / 100 != 2)
        ok = sl_fail(err, SL_ERUN, "the Docker Engine will not name '%s' as '%s': %s", from, to,
                     sl_json_str(reply, "message", "no reason given"));
    json_decref(reply);
    return ok;
}

static bool tag_if_free(struct sl_images *k, const char *own, const char *ref, const char *old_id,
                        struct sl_error *err)
{
    bool present;
    char id[80];
    if (!sl_engine_image_present(k->engine, ref, &present, id, err))
        return false;
    if (present && !ours(k->engine, ref, id, old_id)) {
        sl_debug("'%s' is left to the image that has this name already", ref);
        return true;
    }
    return tag(k->engine, own, ref, err);
}

bool sl_kit_tag(struct sl_images *k, const struct sl_kit_image *image, const char *ref,
                struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *own = sl_kit_own_tag(image);
    return tag_if_free(k, own, ref, "", err);
}

static void on_line(void *ctx, const char *line)
{
    (void)ctx;
    if (sl_starts_with(line, "Step "))
        sl_progress(0, 0, "images", "%.120s", line);
    sl_debug("%s", line);
}

static bool run(struct sl_images *k, const char *const *argv, const struct sl_kit_image *image,
                struct sl_error *err)
{
    struct sl_docker_env env;
    if (!sl_docker_env(k->engine, &env, err))
        return false;
    struct sl_build_log log = {.on_line = on_line};
    int code = 0;
    struct sl_proc_options opt = {.env = (const char *const *)env.at,
                                  .cwd = env.folder,
                                  .deadline_ns = MAKE_NS,
                                  .on_line = sl_build_log_line,
                                  .ctx = &log,
                                  .exit_code = &code};
    bool ok = sl_proc_run(argv, &opt, err);
    if (ok && code) {
        char why[500];
        sl_build_log_text(&log, why, sizeof why);
        ok = sl_fail(err, SL_ERUN, "%s", why);
    }
    sl_build_log_done(&log);
    sl_docker_env_done(&env);
    return ok || sl_within(err, "building the kit's image '%s'", image->name);
}

static bool make_base(struct sl_images *k, const struct sl_kit_image *image, const char *own,
                      const char *dir, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *script = sl_path_join(dir, "make.sh");
    if (!sl_proc_have("debootstrap")) {
        sl_fail(err, SL_EENV, "the base image needs debootstrap, which is not installed");
        sl_hint(err, "apt install debootstrap");
        return false;
    }
    if (geteuid() != 0) {
        sl_fail(err, SL_EENV, "the base image is made with debootstrap, which needs root");
        sl_hint(err, "run 'sudo sluice images build' once");
        return false;
    }
    // In a mount namespace of its own: what debootstrap mounts is gone with it, also after a kill.
    const char *argv[] = {"unshare", "--mount", "--propagation", "private", "sh", script,
                          own,       NULL};
    return run(k, argv, image, err);
}

static bool build(struct sl_images *k, const struct sl_kit_image *image, const char *own,
                  const char *dir, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *label = sl_format(KIT_LABEL "=%s", image->name);
    const char *argv[] = {"docker", "build", "--force-rm", "--label", label, "-t", own, dir, NULL};
    return run(k, argv, image, err);
}

bool sl_kit_make(struct sl_images *k, struct sl_kit_image *image, bool again, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *own = sl_kit_own_tag(image);
    SL_AUTO(sl_free_str) char *dir = sl_path_join(k->kit_dir, image->dir);
    bool present;
    char old_id[80] = "";
    if (!sl_engine_image_present(k->engine, own, &present, old_id, err))
        return false;
    bool base = !strcmp(image->parent, "debootstrap");
    if (!present || again) {
        struct sl_kit_image *parent = base ? NULL : sl_kit_named(k, image->parent);
        bool there = true;
        if (parent && !sl_engine_image_present(k->engine, parent->tags[0], &there, NULL, err))
            return false;
        if (!there && !sl_kit_make(k, parent, false, err))
            return false;
        sl_progress(0, 0, "images", "building %s from Debian packages", image->name);
        if (!(base ? make_base(k, image, own, dir, err) : build(k, image, own, dir, err)))
            return false;
    }
    for (size_t i = 0; i < image->n_tags; i++)
        if (!tag_if_free(k, own, image->tags[i], old_id, err))
            return false;
    return true;
}
