// SPDX-License-Identifier: Apache-2.0
// What the files of images share. Private to this part: others use images.h.
#pragma once
#include "base/mem.h"
#include "base/str.h"
#include "engine/images.h"
#include "engine/ref.h"

struct sl_kit_image {
    char *name, *parent, *dir; // parent is another's name, or "debootstrap"
    char **tags;               // every reference it stands in for; the first is the one others name
    size_t n_tags;
    bool quick;
};
struct sl_images {
    struct sl_engine *engine;
    char *kit_dir; // NULL: no kit is installed
    SL_VEC(struct sl_kit_image) kit;
    json_t *stand_ins;
};

// kit.c
SL_MUST_USE bool sl_kit_parse(struct sl_images *k, const char *text, const char *path,
                              struct sl_error *err);
struct sl_kit_image *sl_kit_named(struct sl_images *k, const char *name);
// The kit image for a reference; *exact tells whether its very tag is listed. NULL when none is.
struct sl_kit_image *sl_kit_for(struct sl_images *k, const struct sl_ref *ref, bool *exact);
// Builds it with its parents when it is not there (or always), under its own name; gives it its
// tags.
SL_MUST_USE bool sl_kit_make(struct sl_images *k, struct sl_kit_image *image, bool again,
                             struct sl_error *err);
// Gives `ref` to the kit's image unless something from elsewhere has that name already.
SL_MUST_USE bool sl_kit_tag(struct sl_images *k, const struct sl_kit_image *image, const char *ref,
                            struct sl_error *err);
char *
sl_kit_own_tag(const struct sl_kit_image *image); // "sluice-kit/postgres:latest"; caller frees

// pull.c
enum sl_pull { SL_PULLED, SL_PULL_UNREACHABLE, SL_PULL_REFUSED, SL_PULL_FAILED };
// FAILED is an error of ours or of the engine (err is set); for the others `why` has the reason.
SL_MUST_USE enum sl_pull sl_pull(struct sl_engine *e, const char *ref, char *why, size_t size,
                                 struct sl_error *err);

// process.c: the docker client as a process that sees nothing of the operator's.
struct sl_docker_env {
    char *at[8];  // "K=V", NULL-terminated
    char *folder; // its empty configuration and temporary files; removed with it
};
SL_MUST_USE bool sl_docker_env(struct sl_engine *e, struct sl_docker_env *env,
                               struct sl_error *err);
void sl_docker_env_done(struct sl_docker_env *env);
// The last lines of a build, and what kind of failure they tell of.
struct sl_build_log {
    void (*on_line)(void *ctx, const char *line);
    void *ctx;
    char *last[8];
    size_t n;
    char step[200];
    const char *sub_reason; // the first sign seen
};
void sl_build_log_line(void *log, const char *line);
void sl_build_log_text(const struct sl_build_log *log, char *to, size_t size);
void sl_build_log_done(struct sl_build_log *log);

// build_net.c: the network that strangers' builds run on, and its filter, while at least one needs
// it.
struct sl_build_net {
    int setup, users; // lock files
};
SL_MUST_USE bool sl_build_net_enter(struct sl_engine *e, struct sl_build_net *net,
                                    struct sl_error *err);
void sl_build_net_leave(struct sl_engine *e, struct sl_build_net *net);
#define SL_BUILD_NETWORK "sluice-build"

// holder.c
SL_MUST_USE bool sl_holder_image(struct sl_engine *e, char ref[128], struct sl_error *err);
