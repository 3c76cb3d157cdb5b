// SPDX-License-Identifier: Apache-2.0
/*
 * Images: from the registry where it can be reached, else from the kit (Debian packages).
 *
 * The kit's table is kit/images.tsv. Building goes through the engine with limits; base is made with
 * debootstrap. Projects' own builds get tags under "sluice/", limits, no credential of the host.
 *
 * Errors   SL_EENV when an image can be had neither way (names the image, both reasons);
 *          SL_ERUN when a build fails (last lines of the log).
 */
#pragma once
#include "engine/engine.h"

struct sl_images; // the kit's table, loaded
SL_MUST_USE struct sl_images *sl_images_load(struct sl_engine *e, struct sl_error *err);
void sl_images_free(struct sl_images *k);
// Makes sure `ref` can be run: present, else pulled, else built from the kit (with its parents).
SL_MUST_USE bool sl_images_ensure(struct sl_images *k, const char *ref, struct sl_error *err);
// The holder image ("sluice/holder:<version>") from the static pause binary; made if missing.
SL_MUST_USE bool sl_images_holder(struct sl_images *k, char ref[128], struct sl_error *err);
// Base images named by FROM lines of a Dockerfile's text that are not stages: for ensure.
SL_MUST_USE bool sl_images_from_lines(const char *dockerfile_text, const json_t *args, char ***refs, size_t *n, struct sl_error *err);
// Builds one project service: context folder (inside a copy), Dockerfile path inside it, tag under "sluice/".
struct sl_image_build {
    const char *context, *dockerfile, *target, *tag;
    const char *const *args; // "K=V", NULL-terminated; may be NULL
    int64_t deadline_ns;     // 0 = 10 min
    void (*on_line)(void *ctx, const char *line);
    void *ctx;
};
// Strangers' builds reach ports 80 and 443 of public addresses and the resolvers only: needs root and nft.
// On failure *sub_reason is "pkg", "download", "syntax", "timeout", or "command" (a step's own failure).
SL_MUST_USE bool sl_images_build(struct sl_images *k, const struct sl_image_build *b, const char **sub_reason, struct sl_error *err);
// Removes the builds' network and filter if no build is running: what a killed one left.
void sl_images_sweep_builds(struct sl_engine *e);
json_t *sl_images_table(struct sl_images *k); // [{name,tags,set,present,bytes}] for `sluice images list`
SL_MUST_USE bool sl_images_build_set(struct sl_images *k, const char *set, struct sl_error *err); // "quick", "full"
SL_MUST_USE bool sl_images_build_kit(struct sl_images *k, const char *name, struct sl_error *err); // one, also when it is there
// What the kit stands in for among what was ensured since loading: [{wanted, kit, tag_known}]; tag_known is false when the kit does
// not list that very tag (a warning was given). Borrowed.
const json_t *sl_images_stand_ins(const struct sl_images *k);
// Where a reference would come from, without fetching anything: "present", "kit" (its very tag), "stand-in"
// (the kit's image of that name), "registry" (there only), "none" (not a reference).
const char *sl_images_offer(struct sl_images *k, const char *ref);
// Does the engine get through to Docker Hub? If not, why has the reason. Waits 15 s at most.
bool sl_images_registry(struct sl_images *k, char *why, size_t size);
