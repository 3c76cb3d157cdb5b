// SPDX-License-Identifier: Apache-2.0
#include "drive/wire.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

void sl_drive_printable(char *dst, size_t size, const char *src)
{
    size_t n = 0;
    for (; *src && n + 1 < size; src++) {
        unsigned char c = (unsigned char)*src;
        dst[n++] = (c == '\n' || c == '\r' || c == '\t') ? ' ' : (c < 32 || c > 126) ? '?' : *src;
    }
    while (n && dst[n - 1] == ' ')
        n--;
    dst[n] = '\0';
}

static double in_range(const json_t *j, const char *key, double min, double max, double otherwise)
{
    double v = sl_json_num(j, key, otherwise);
    if (!isfinite(v))
        return otherwise;
    return v < min ? min : v > max ? max : v;
}

// Copies an optional text; what does not fit is refused, not cut: a cut password is a wrong one.
static bool text_of(const json_t *j, const char *key, char buf[256], const char **out,
                    struct sl_error *err)
{
    const char *s = sl_json_str(j, key, NULL);
    *out = s ? buf : NULL;
    if (s && !sl_copy(buf, 256, s))
        return sl_fail(err, SL_EINPUT, "'%s' of the driver's spec is longer than 255 bytes", key);
    return true;
}

static bool parse_spec(const json_t *j, struct sl_drive_order *o, struct sl_error *err)
{
    struct sl_drive_spec *s = &o->spec;
    if (!text_of(j, "protocol", o->text[0], &s->protocol, err) ||
        !text_of(j, "host", o->text[1], &s->host, err) ||
        !text_of(j, "user", o->text[2], &s->user, err) ||
        !text_of(j, "password", o->text[3], &s->password, err) ||
        !text_of(j, "database", o->text[4], &s->database, err))
        return false;
    if (!s->protocol || !s->host || !s->host[0])
        return sl_fail(err, SL_EINPUT, "the driver's spec lacks 'protocol' or 'host'");
    s->port = (uint16_t)in_range(j, "port", 0, 65535, 0);
    if (!s->port)
        return sl_fail(err, SL_EINPUT, "the driver's spec lacks 'port'");
    const char *seed = sl_json_str(j, "seed", "0"); // text: JSON numbers stop at 63 bits
    if (!sl_parse_u64(seed, 0, UINT64_MAX, &s->seed, err))
        return sl_within(err, "seed of the driver's spec");
    s->max_users = (int)in_range(j, "max_users", 0, SL_DRIVE_MAX_USERS, 0);
    if (!s->max_users)
        s->max_users = SL_DRIVE_MAX_USERS;
    s->users = (int)in_range(j, "users", 0, s->max_users, 1);
    s->rate = in_range(j, "rate", 0, 1e7, 0);
    s->keep_alive = sl_json_bool(j, "keep_alive", true);
    return true;
}

bool sl_drive_order_parse(const char *line, size_t len, struct sl_drive_order *out,
                          struct sl_error *err)
{
    json_t *j = sl_json_parse(line, len, "the driver's order", err);
    if (!j)
        return false;
    memset(out, 0, sizeof *out);
    bool ok = true;
    if (json_object_get(j, "protocol")) {
        out->kind = SL_ORDER_SPEC;
        ok = parse_spec(j, out, err);
    } else if (sl_json_bool(j, "stop", false)) {
        out->kind = SL_ORDER_STOP;
    } else if (json_object_get(j, "users") && json_object_get(j, "rate")) {
        out->kind = SL_ORDER_SET;
        out->users = (int)in_range(j, "users", 0, SL_DRIVE_MAX_USERS, 0);
        out->rate = in_range(j, "rate", 0, 1e7, 0);
    } else {
        ok = sl_fail(err, SL_EINPUT,
                     "the driver's order is neither a spec, users and rate, nor stop");
    }
    json_decref(j);
    return ok;
}

// Takes the object; gives its text with a line end.
static char *line_of(json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    char *line = sl_format("%s\n", text ? text : "{}");
    free(text);
    return line;
}

static void set_text(json_t *j, const char *key, const char *s)
{
    if (s)
        json_object_set_new(j, key, json_string(s));
}

char *sl_drive_order_spec(const struct sl_drive_spec *spec)
{
    json_t *j = json_object();
    set_text(j, "protocol", spec->protocol);
    set_text(j, "host", spec->host);
    set_text(j, "user", spec->user);
    set_text(j, "password", spec->password);
    set_text(j, "database", spec->database);
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)spec->seed);
    set_text(j, "seed", seed);
    json_object_set_new(j, "port", json_integer(spec->port));
    json_object_set_new(j, "users", json_integer(spec->users));
    json_object_set_new(j, "max_users", json_integer(spec->max_users));
    json_object_set_new(j, "rate", sl_json_real(spec->rate));
    json_object_set_new(j, "keep_alive", json_boolean(spec->keep_alive));
    return line_of(j);
}

char *sl_drive_order_set(int users, double rate)
{
    json_t *j = json_object();
    json_object_set_new(j, "users", json_integer(users));
    json_object_set_new(j, "rate", sl_json_real(rate));
    return line_of(j);
}

static uint64_t count_of(const json_t *j, const char *key)
{
    return (uint64_t)in_range(j, key, 0, 9e18, 0);
}

bool sl_drive_news_parse(const char *line, size_t len, struct sl_drive_news *out,
                         struct sl_error *err)
{
    json_t *j = sl_json_parse(line, len, "the driver's line", err);
    if (!j)
        return false;
    memset(out, 0, sizeof *out);
    const char *type = sl_json_str(j, "type", "");
    bool ok = true;
    if (!strcmp(type, "ready")) {
        out->kind = SL_NEWS_READY;
    } else if (!strcmp(type, "stats")) {
        out->kind = SL_NEWS_STATS;
        struct sl_drive_stats *s = &out->stats;
        s->requests = count_of(j, "requests");
        s->errors = count_of(j, "errors");
        s->bytes_in = count_of(j, "bytes_in");
        s->bytes_out = count_of(j, "bytes_out");
        s->requests_per_s = in_range(j, "requests_per_s", 0, 1e9, 0);
        s->latency_ms_mean = in_range(j, "latency_ms_mean", 0, 1e9, 0);
        s->latency_ms_p95 = in_range(j, "latency_ms_p95", 0, 1e9, 0);
        s->users = (int)in_range(j, "users", 0, SL_DRIVE_MAX_USERS, 0);
    } else if (!strcmp(type, "error") || !strcmp(type, "end")) {
        out->kind = type[1] == 'r' ? SL_NEWS_ERROR : SL_NEWS_END;
        sl_drive_printable(out->message, sizeof out->message, sl_json_str(j, "message", ""));
    } else {
        ok = sl_fail(err, SL_EINPUT, "the driver's line has an unknown type");
    }
    json_decref(j);
    return ok;
}

char *sl_drive_news_stats(const struct sl_drive_stats *s)
{
    json_t *j = json_object();
    json_object_set_new(j, "type", json_string("stats"));
    json_object_set_new(j, "requests", json_integer((json_int_t)s->requests));
    json_object_set_new(j, "errors", json_integer((json_int_t)s->errors));
    json_object_set_new(j, "bytes_in", json_integer((json_int_t)s->bytes_in));
    json_object_set_new(j, "bytes_out", json_integer((json_int_t)s->bytes_out));
    json_object_set_new(j, "requests_per_s", sl_json_real(s->requests_per_s));
    json_object_set_new(j, "latency_ms_mean", sl_json_real(s->latency_ms_mean));
    json_object_set_new(j, "latency_ms_p95", sl_json_real(s->latency_ms_p95));
    json_object_set_new(j, "users", json_integer(s->users));
    return line_of(j);
}

char *sl_drive_news_text(const char *type, const char *message)
{
    json_t *j = json_object();
    json_object_set_new(j, "type", json_string(type));
    char text[200];
    if (message) {
        sl_drive_printable(text, sizeof text, message);
        set_text(j, "message", text);
    }
    return line_of(j);
}
