// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool sl_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out, struct sl_error *err)
{
    if (!isdigit((unsigned char)text[0]))
        return sl_fail(err, SL_EUSAGE, "'%s' is not a whole number", text);
    char *end;
    errno = 0;
    uint64_t v = strtoull(text, &end, 10);
    if (*end)
        return sl_fail(err, SL_EUSAGE, "'%s' is not a whole number", text);
    if (errno == ERANGE || v < min || v > max)
        return sl_fail(err, SL_EUSAGE, "'%s' is not between %" PRIu64 " and %" PRIu64, text, min,
                       max);
    *out = v;
    return true;
}

// A plain decimal number at the start of text; hex, inf, nan and signs are refused.
static bool leading_number(const char *text, double *out, const char **rest)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    size_t n = strspn(text, "0123456789.");
    char buf[64];
    if (n >= sizeof buf)
        return false;
    memcpy(buf, text, n);
    buf[n] = '\0';
    char *end;
    double v = strtod(buf, &end);
    if (*end || !isfinite(v))
        return false;
    *out = v;
    *rest = text + n;
    return true;
}

bool sl_parse_double(const char *text, double min, double max, double *out, struct sl_error *err)
{
    double v;
    const char *rest;
    if (!leading_number(text, &v, &rest) || *rest)
        return sl_fail(err, SL_EUSAGE, "'%s' is not a number", text);
    if (v < min || v > max)
        return sl_fail(err, SL_EUSAGE, "'%s' is not between %g and %g", text, min, max);
    *out = v;
    return true;
}

struct unit {
    const char *name;
    double factor;
};

static bool with_unit(const char *text, const struct unit *units, double limit, double *out)
{
    double v;
    const char *rest;
    if (!leading_number(text, &v, &rest))
        return false;
    while (*rest == ' ')
        rest++;
    for (const struct unit *u = units; u->name; u++) {
        if (strcmp(rest, u->name) == 0 && v * u->factor <= limit) {
            *out = v * u->factor;
            return true;
        }
    }
    return false;
}

bool sl_parse_duration_ns(const char *text, int64_t *out_ns, struct sl_error *err)
{
    static const struct unit units[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6},   {"s", 1e9},
                                        {"m", 6e10}, {"min", 6e10}, {"h", 3.6e12}, {NULL, 0}};
    double v;
    if (!with_unit(text, units, 3.6e12 * 24 * 366, &v))
        return sl_fail(
            err, SL_EUSAGE,
            "'%s' is not a duration: write a number and a unit, like 500ms, 30s, 10m, 1h", text);
    *out_ns = (int64_t)v;
    return true;
}

bool sl_parse_rate_bps(const char *text, double *out_bps, struct sl_error *err)
{
    static const struct unit units[] = {{"bps", 1}, {"kbps", 1e3}, {"Mbps", 1e6}, {"Gbps", 1e9},
                                        {"k", 1e3}, {"M", 1e6},    {"G", 1e9},    {NULL, 0}};
    if (!with_unit(text, units, 1e13, out_bps))
        return sl_fail(err, SL_EUSAGE,
                       "'%s' is not a rate: write a number and a unit, like 512kbps, 20Mbps, 1Gbps",
                       text);
    return true;
}

bool sl_parse_percent(const char *text, double *out, struct sl_error *err)
{
    static const struct unit units[] = {{"%", 0.01}, {NULL, 0}};
    if (!with_unit(text, units, 1e6, out))
        return sl_fail(err, SL_EUSAGE, "'%s' is not a percentage: write it like 2%%", text);
    return true;
}

bool sl_parse_bytes(const char *text, uint64_t *out, struct sl_error *err)
{
    static const struct unit units[] = {
        {"", 1},        {"b", 1},       {"B", 1},        {"k", 0x1p10}, {"K", 0x1p10},
        {"kb", 0x1p10}, {"KB", 0x1p10}, {"KiB", 0x1p10}, {"m", 0x1p20}, {"M", 0x1p20},
        {"mb", 0x1p20}, {"MB", 0x1p20}, {"MiB", 0x1p20}, {"g", 0x1p30}, {"G", 0x1p30},
        {"gb", 0x1p30}, {"GB", 0x1p30}, {"GiB", 0x1p30}, {NULL, 0}};
    double v;
    if (!with_unit(text, units, 0x1p60, &v))
        return sl_fail(err, SL_EUSAGE, "'%s' is not a size: write it like 512m or 2G", text);
    *out = (uint64_t)v;
    return true;
}

static char *scaled(double v, double step, const char *const *names, char *buf, size_t size)
{
    int i = 0;
    while (fabs(v) >= step * 0.99995 && names[i + 1]) {
        v /= step;
        i++;
    }
    snprintf(buf, size, i ? "%.*f %s" : "%.*f %s", (i && fabs(v) < 1000) ? 1 : 0, v, names[i]);
    size_t n = strlen(buf);
    if (n && buf[n - 1] == ' ')
        buf[n - 1] = '\0';
    return buf;
}

char *sl_format_rate(double bps, char *buf, size_t size)
{
    static const char *const names[] = {"", "k", "M", "G", NULL};
    return scaled(bps, 1000, names, buf, size);
}

char *sl_format_bytes(double bytes, char *buf, size_t size)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", NULL};
    return scaled(bytes, 1024, names, buf, size);
}

char *sl_format_duration(double seconds, char *buf, size_t size)
{
    if (seconds < 1)
        snprintf(buf, size, "%.0f ms", seconds * 1e3);
    else if (seconds < 100)
        snprintf(buf, size, "%.1f s", seconds);
    else
        snprintf(buf, size, "%d:%02d min", (int)seconds / 60, (int)seconds % 60);
    return buf;
}
