// SPDX-License-Identifier: Apache-2.0
#include "engine/images.h"
#include "base/auto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/proc.h"
#include "engine/images_int.h"
#include "engine/transport.h"
#include <stdio.h>
#include <string.h>

enum { TABLE_MAX = 4 << 20 };

struct sl_images *sl_images_load(struct sl_engine *e, struct sl_error *err)
{
    struct sl_images *k = sl_alloc(sizeof *k);
    k->engine = e;
    k->stand_ins = json_array();
    SL_AUTO(sl_free_str) char *path = sl_path_data("kit/images.tsv", NULL);
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    if (!path)
        return k; // no kit is installed: the registry has to do
    if (!sl_read_file(path, TABLE_MAX, &text, &len, err) || !sl_kit_parse(k, text, path, err)) {
        sl_images_free(k);
        return NULL;
    }
    k->kit_dir = sl_strdup(path);
    *strrchr(k->kit_dir, '/') = '\0';
    return k;
}

void sl_images_free(struct sl_images *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->kit.len; i++) {
        struct sl_kit_image *image = &k->kit.at[i];
        for (size_t t = 0; t < image->n_tags; t++)
            free(image->tags[t]);
        free(image->tags);
        free(image->name);
        free(image->parent);
        free(image->dir);
    }
    SL_VEC_DONE(&k->kit);
    json_decref(k->stand_ins);
    free(k->kit_dir);
    free(k);
}

bool sl_images_holder(struct sl_images *k, char ref[128], struct sl_error *err)
{
    return sl_holder_image(k->engine, ref, err);
}

const json_t *sl_images_stand_ins(const struct sl_images *k)
{
    return k->stand_ins;
}

static void record_stand_in(struct sl_images *k, const char *wanted,
                            const struct sl_kit_image *used, bool exact)
{
    json_array_append_new(k->stand_ins, json_pack("{s:s, s:s, s:b}", "wanted", wanted, "kit",
                                                  used->name, "tag_known", exact));
}

// A name in the kit that may have been meant, for the hint.
static void hint_near(struct sl_images *k, const struct sl_ref *r, struct sl_error *err)
{
    if (!k->kit.len) {
        sl_hint(
            err,
            "let the engine reach a registry, or install the kit (SLUICE_DATA names its folder)");
        return;
    }
    const char **names = sl_alloc(k->kit.len * sizeof *names);
    struct sl_str all = {.max = 250};
    for (size_t i = 0; i < k->kit.len; i++) {
        names[i] = k->kit.at[i].name;
        sl_str_addf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    const char *slash = strrchr(r->repo, '/'),
               *near = sl_nearest(slash ? slash + 1 : r->repo, names, k->kit.len);
    if (near)
        sl_hint(err, "the kit has '%s'; or let the engine reach %s", near, r->registry);
    else
        sl_hint(err, "the kit has %s; or let the engine reach %s", sl_str_text(&all), r->registry);
    sl_str_done(&all);
    free(names);
}

static bool from_kit(struct sl_images *k, const char *ref, const struct sl_ref *r,
                     const char *pull_why, struct sl_error *err)
{
    bool exact;
    struct sl_kit_image *image = sl_kit_for(k, r, &exact);
    if (!image || r->digest[0]) {
        sl_fail(err, SL_EENV, "image '%s' cannot be had: not from the registry (%s), and %s", ref,
                pull_why,
                image         ? "a pinned digest is not something the kit can stand in for"
                : !k->kit_dir ? "no kit is installed"
                              : "the kit has none of that name");
        hint_near(k, r, err);
        return false;
    }
    if (!exact)
        sl_warn("'%s' is not to be had (%.160s): the kit's %s, from Debian 12, stands in", ref,
                pull_why, image->name);
    if (!sl_kit_make(k, image, false, err) || (!exact && !sl_kit_tag(k, image, ref, err))) {
        if (err && err->code == SL_EINTR)
            return false;
        if (err)
            err->code = SL_EENV;
        return sl_within(
            err, "image '%s' cannot be had: not from the registry (%.160s), and the kit failed",
            ref, pull_why);
    }
    bool present; // under the very name that was asked for, which may spell out a mirror
    if (!sl_engine_image_present(k->engine, ref, &present, NULL, err) ||
        (!present && !sl_kit_tag(k, image, ref, err)))
        return false;
    record_stand_in(k, ref, image, exact);
    return true;
}

bool sl_images_ensure(struct sl_images *k, const char *ref, struct sl_error *err)
{
    struct sl_ref r;
    bool present;
    if (!sl_ref_parse(ref, &r, err) ||
        !sl_engine_image_present(k->engine, ref, &present, NULL, err))
        return false;
    if (present)
        return true;
    if (sl_interrupted())
        return sl_fail(err, SL_EINTR, "interrupted before image '%s' was there", ref);
    if (sl_starts_with(r.repo, "sluice/") || sl_starts_with(r.repo, "sluice-kit/"))
        return sl_fail(err, SL_EENV, "image '%s' is one of our own and has not been built", ref);
    char why[400] = "";
    switch (sl_pull(k->engine, ref, why, sizeof why, err)) {
    case SL_PULLED:
        return true;
    case SL_PULL_FAILED:
        return sl_within(err, "pulling '%s'", ref);
    case SL_PULL_UNREACHABLE:
    case SL_PULL_REFUSED:
        break;
    }
    sl_debug("%s: %s", ref, why);
    return from_kit(k, ref, &r, why, err);
}

static double size_of(struct sl_engine *e, const char *ref)
{
    SL_AUTO(sl_free_str) char *escaped = sl_url_escape(ref, "/:");
    SL_AUTO(sl_free_str) char *path = sl_format("/images/%s/json", escaped);
    int status;
    json_t *j = NULL;
    double bytes = 0;
    if (sl_engine_request(e, "GET", path, NULL, &status, &j, NULL) && status == 200)
        bytes = sl_json_num(j, "Size", 0);
    json_decref(j);
    return bytes;
}

json_t *sl_images_table(struct sl_images *k)
{
    json_t *out = json_array();
    for (size_t i = 0; i < k->kit.len; i++) {
        const struct sl_kit_image *image = &k->kit.at[i];
        SL_AUTO(sl_free_str) char *own = sl_kit_own_tag(image);
        bool present = false;
        if (!sl_engine_image_present(k->engine, own, &present, NULL, NULL))
            present = false;
        json_t *tags = json_array();
        for (size_t t = 0; t < image->n_tags; t++)
            json_array_append_new(tags, json_string(image->tags[t]));
        json_array_append_new(out, json_pack("{s:s, s:o, s:s, s:b, s:I}", "name", image->name,
                                             "tags", tags, "set", image->quick ? "quick" : "full",
                                             "present", present, "bytes",
                                             (json_int_t)(present ? size_of(k->engine, own) : 0)));
    }
    return out;
}

static bool no_kit(struct sl_error *err)
{
    sl_fail(err, SL_EENV, "no kit is installed, so there is nothing to build images from");
    sl_hint(err, "set SLUICE_DATA to the folder that holds kit/images.tsv");
    return false;
}

bool sl_images_build_kit(struct sl_images *k, const char *name, struct sl_error *err)
{
    struct sl_kit_image *image = sl_kit_named(k, name);
    if (image)
        return sl_kit_make(k, image, true, err);
    if (!k->kit.len)
        return no_kit(err);
    struct sl_ref r = {.registry = "a registry"};
    sl_copy(r.repo, sizeof r.repo, name);
    sl_fail(err, SL_EUSAGE, "the kit has no image '%s'", name);
    hint_near(k, &r, err);
    return false;
}

bool sl_images_build_set(struct sl_images *k, const char *set, struct sl_error *err)
{
    bool full = !strcmp(set, "full");
    if (!full && strcmp(set, "quick"))
        return sl_fail(err, SL_EUSAGE, "a set is 'quick' or 'full', not '%s'", set);
    if (!k->kit.len)
        return no_kit(err);
    for (size_t i = 0; i < k->kit.len; i++) {
        if (!full && !k->kit.at[i].quick)
            continue;
        if (sl_interrupted())
            return sl_fail(err, SL_EINTR, "interrupted while building images");
        if (!sl_kit_make(k, &k->kit.at[i], false, err))
            return false;
    }
    return true;
}

const char *sl_images_offer(struct sl_images *k, const char *ref)
{
    struct sl_ref r;
    bool present, exact;
    if (!sl_ref_parse(ref, &r, NULL))
        return "none";
    if (sl_engine_image_present(k->engine, ref, &present, NULL, NULL) && present)
        return "present";
    if (r.digest[0] || !sl_kit_for(k, &r, &exact))
        return "registry";
    return exact ? "kit" : "stand-in";
}
