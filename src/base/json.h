// SPDX-License-Identifier: Apache-2.0
/*
 * JSON through jansson, which this header owns: others include it, not <jansson.h>.
 * Loading is bounded in size; saving is atomic (written beside, then renamed).
 */
#pragma once
#include "base/error.h"
#include <jansson.h>

SL_MUST_USE json_t *sl_json_parse(const char *text, size_t len, const char *what,
                                  struct sl_error *err);
SL_MUST_USE json_t *sl_json_load(const char *path, struct sl_error *err);
SL_MUST_USE bool sl_json_save(const char *path, const json_t *j, struct sl_error *err);
// Lookups that never fail: absent or of another type gives the default.
const char *sl_json_str(const json_t *obj, const char *key, const char *otherwise);
double sl_json_num(const json_t *obj, const char *key, double otherwise);
bool sl_json_bool(const json_t *obj, const char *key, bool otherwise);
// A real, or null when it is not finite: JSON has no NaN.
json_t *sl_json_real(double v);
// The error object of the command line: {"error":{"code","message","file","line","col","hint"}}.
json_t *sl_json_error(const struct sl_error *err);
static inline void sl_json_decref(json_t **j)
{
    json_decref(*j);
}
