// SPDX-License-Identifier: Apache-2.0
/*
 * A trace is an input (trace_input.h) and a format (trace_format.h): this file joins them. It asks
 * the format for packets, and the input for more bytes only when there was not one.
 */
#include "net/trace.h"
#include "net/trace_format.h"
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_TEXT_BYTES = 16 << 20, MAX_INTERFACES = 1 << 16 };

void sl_trace_end(struct sl_trace *t, const char *fmt, ...)
{
    t->ended = true;
    if (t->damage[0])
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(t->damage, sizeof t->damage, fmt, args);
    va_end(args);
}

struct sl_trace_iface *sl_trace_add_interface(struct sl_trace *t)
{
    if (t->interfaces.len == MAX_INTERFACES)
        return NULL;
    struct sl_trace_iface *i = sl_arena_alloc(&t->texts, sizeof *i);
    const char **texts[] = {&i->pub.name,   &i->pub.description, &i->pub.comment,
                            &i->pub.filter, &i->pub.hardware,    &i->pub.os};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
        *texts[k] = "";
    i->pub.received = i->pub.dropped = UINT64_MAX;
    *SL_PUSH(&t->interfaces) = i;
    return i;
}

const char *sl_trace_keep_text(struct sl_trace *t, const uint8_t *text, size_t len)
{
    len = strnlen((const char *)text, len); // some writers count a terminating zero
    if (len == 0 || len + 1 > t->texts_left)
        return "";
    t->texts_left -= len + 1;
    return sl_arena_strndup(&t->texts, (const char *)text, len);
}

static bool need(struct sl_trace *t, size_t bytes, struct sl_error *err)
{
    while ((size_t)(t->in.end - t->in.p) < bytes && !t->in.eof)
        if (!sl_trace_input_more(&t->in, bytes, err))
            return false;
    return true;
}

static bool begin(struct sl_trace *t, struct sl_error *err)
{
    t->texts_left = MAX_TEXT_BYTES;
    t->where = t->in.unzip ? " of the uncompressed data" : "";
    t->info = (struct sl_trace_info){.compression = sl_zip_name(t->in.compression),
                                     .application = "",
                                     .os = "",
                                     .hardware = "",
                                     .comment = "",
                                     .file_bytes = t->in.file_bytes};
    if (!need(t, 4, err))
        return false;
    size_t have = (size_t)(t->in.end - t->in.p);
    if (t->in.damage[0] && have < 4)
        return sl_fail(err, SL_EINPUT, "'%s' is no capture: %s", t->in.name, t->in.damage);
    if (have >= 4 && sl_pcap_magic(t->in.p))
        return need(t, 24, err) && sl_pcap_begin(t, err);
    if (have >= 4 && sl_pcapng_magic(t->in.p))
        return need(t, 12, err) && sl_pcapng_begin(t, err);
    if (!need(t, 64, err)) // to say what it is
        return false;
    return sl_trace_not_a_capture(t->in.name, t->in.p, (size_t)(t->in.end - t->in.p), t->in.unzip,
                                  err);
}

static struct sl_trace *opened(struct sl_trace *t, bool ok, struct sl_error *err)
{
    if (ok && begin(t, err))
        return t;
    sl_trace_close(t);
    return NULL;
}

struct sl_trace *sl_trace_open(const char *path, struct sl_error *err)
{
    struct sl_trace *t = sl_alloc(sizeof *t);
    return opened(t, sl_trace_input_open(&t->in, path, err), err);
}

struct sl_trace *sl_trace_open_bytes(const uint8_t *bytes, size_t len, const char *name,
                                     struct sl_error *err)
{
    struct sl_trace *t = sl_alloc(sizeof *t);
    return opened(t, sl_trace_input_bytes(&t->in, bytes, len, name, err), err);
}

// The input has ended, and so do we; in the middle of something it is damage.
static void end_of_input(struct sl_trace *t)
{
    t->ended = true;
    if (t->in.p < t->in.end || t->ng.skip > 0)
        t->cut(t);
    if (!t->in.damage[0])
        return;
    size_t len = strlen(t->damage);
    if (len)
        snprintf(t->damage + len, sizeof t->damage - len, "; %s", t->in.damage);
    else
        snprintf(t->damage, sizeof t->damage, "%s, after packet %" PRIu64, t->in.damage,
                 t->info.packets);
}

bool sl_trace_read(struct sl_trace *t, struct sl_trace_packet *out, size_t max, size_t *n,
                   struct sl_error *err)
{
    assert(max > 0);
    sl_trace_input_batch(&t->in);
    while (!t->ended) {
        size_t got = t->take(t, out, max);
        if (got > 0) {
            *n = got;
            return true;
        }
        if (t->ended)
            break;
        if (t->in.eof)
            end_of_input(t);
        else if (!sl_trace_input_more(&t->in, t->want, err))
            return false;
    }
    *n = 0;
    return true;
}

const struct sl_trace_interface *sl_trace_interface(const struct sl_trace *t, uint16_t index)
{
    return index < t->interfaces.len ? &t->interfaces.at[index]->pub : NULL;
}

void sl_trace_info(const struct sl_trace *t, struct sl_trace_info *out)
{
    *out = t->info;
    out->n_interfaces = t->interfaces.len;
}

const char *sl_trace_damage(const struct sl_trace *t)
{
    return t->damage[0] ? t->damage : NULL;
}

void sl_trace_close(struct sl_trace *t)
{
    if (!t)
        return;
    sl_trace_input_done(&t->in);
    sl_arena_done(&t->texts);
    SL_VEC_DONE(&t->interfaces);
    free(t);
}
