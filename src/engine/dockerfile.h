// SPDX-License-Identifier: Apache-2.0
/*
 * What a Dockerfile needs from outside: the images it starts from, and what it would make the
 * engine itself download. Pure, on the text of a stranger's file.
 *
 * Source   docs.docker.com/reference/dockerfile: parser directives, FROM, ARG, environment
 * replacement. See also sl_images_from_lines in images.h.
 */
#pragma once
#include "base/error.h"
#include "base/json.h"

// Replaces $X, ${X}, ${X:-y}, ${X-y}, ${X:+y} from an object of texts. False in *all_known when a
// variable without a default is not there (it becomes ""). Caller frees.
char *sl_dockerfile_expand(const char *text, const json_t *vars, bool *all_known);
// An ADD whose source is an address, or might become one: the engine would fetch it from the
// machine's own network, past the filter that builds are under. Returns its line, 0 for none.
int sl_dockerfile_remote_add(const char *text, const json_t *args);
