// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "base/auto.h"
#include "base/fs.h"
#include <math.h>
#include <string.h>

enum { MAX_JSON_BYTES = 256 << 20 };

json_t *sl_json_parse(const char *text, size_t len, const char *what, struct sl_error *err)
{
    json_error_t why;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!j) {
        sl_fail(err, SL_EINPUT, "%s is not valid JSON: %s", what, why.text);
        sl_at(err, what, why.line > 0 ? why.line : 0, why.column > 0 ? why.column : 0);
    }
    return j;
}

json_t *sl_json_load(const char *path, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    if (!sl_read_file(path, MAX_JSON_BYTES, &text, &len, err))
        return NULL;
    return sl_json_parse(text, len, path, err);
}

bool sl_json_save(const char *path, const json_t *j, struct sl_error *err)
{
    char *text = json_dumps(j, JSON_INDENT(2));
    if (!text)
        return sl_fail(err, SL_ERUN, "cannot write '%s': the value has no JSON form", path);
    size_t n = strlen(text);
    text[n] = '\n'; // in the place of the terminator: the file ends with a line end
    bool ok = sl_write_file(path, text, n + 1, err);
    free(text);
    return ok;
}

const char *sl_json_str(const json_t *obj, const char *key, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(obj, key));
    return s ? s : otherwise;
}

double sl_json_num(const json_t *obj, const char *key, double otherwise)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_number(v) ? json_number_value(v) : otherwise;
}

bool sl_json_bool(const json_t *obj, const char *key, bool otherwise)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

json_t *sl_json_real(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

json_t *sl_json_error(const struct sl_error *err)
{
    json_t *e = json_object();
    json_object_set_new(e, "code", json_string(sl_code_name(err->code)));
    json_t *msg = json_string(err->msg);
    json_object_set_new(e, "message", msg ? msg : json_string("(message is not UTF-8)"));
    json_object_set_new(e, "file", err->file[0] ? json_string(err->file) : json_null());
    json_object_set_new(e, "line", err->line ? json_integer(err->line) : json_null());
    json_object_set_new(e, "col", err->col ? json_integer(err->col) : json_null());
    json_object_set_new(e, "hint", err->hint[0] ? json_string(err->hint) : json_null());
    return json_pack("{s:o}", "error", e);
}
