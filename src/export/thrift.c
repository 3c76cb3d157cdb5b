// SPDX-License-Identifier: Apache-2.0
#include "export/thrift.h"
#include <assert.h>
#include <string.h>

enum { TRUE = 1, FALSE = 2, I16 = 4, I64 = 6, LIST = 9 };

static void add_byte(struct sl_str *out, unsigned v)
{
    sl_str_addn(out, (char[]){(char)v}, 1);
}

void sl_thrift_varint(struct sl_str *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        add_byte(out, 0x80 | (unsigned)(v & 0x7f));
    add_byte(out, (unsigned)v);
}

static void add_zigzag(struct sl_str *out, int64_t v)
{
    sl_thrift_varint(out, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

static void begin_field(struct sl_thrift *t, int field, int type)
{
    int delta = field - t->last[t->depth];
    assert(delta > 0 && delta < 16);
    add_byte(&t->out, (unsigned)(delta << 4 | type));
    t->last[t->depth] = field;
}

void sl_thrift_i16(struct sl_thrift *t, int field, int16_t v)
{
    begin_field(t, field, I16);
    add_zigzag(&t->out, v);
}

void sl_thrift_i32(struct sl_thrift *t, int field, int32_t v)
{
    begin_field(t, field, SL_THRIFT_I32);
    add_zigzag(&t->out, v);
}

void sl_thrift_i64(struct sl_thrift *t, int field, int64_t v)
{
    begin_field(t, field, I64);
    add_zigzag(&t->out, v);
}

void sl_thrift_bool(struct sl_thrift *t, int field, bool v)
{
    begin_field(t, field, v ? TRUE : FALSE);
}

void sl_thrift_binary(struct sl_thrift *t, int field, const void *bytes, size_t len)
{
    begin_field(t, field, SL_THRIFT_BINARY);
    sl_thrift_varint(&t->out, len);
    sl_str_addn(&t->out, bytes, len);
}

void sl_thrift_text(struct sl_thrift *t, int field, const char *text)
{
    sl_thrift_binary(t, field, text, strlen(text));
}

void sl_thrift_item_struct(struct sl_thrift *t)
{
    assert(t->depth + 1 < SL_THRIFT_DEPTH);
    t->last[++t->depth] = 0;
}

void sl_thrift_struct(struct sl_thrift *t, int field)
{
    begin_field(t, field, SL_THRIFT_STRUCT);
    sl_thrift_item_struct(t);
}

void sl_thrift_end(struct sl_thrift *t)
{
    add_byte(&t->out, 0);
    t->depth -= t->depth > 0; // the outermost has no field of its own
}

void sl_thrift_list(struct sl_thrift *t, int field, int type, size_t n)
{
    begin_field(t, field, LIST);
    if (n < 15) {
        add_byte(&t->out, (unsigned)(n << 4) | (unsigned)type);
        return;
    }
    add_byte(&t->out, 0xf0u | (unsigned)type);
    sl_thrift_varint(&t->out, n);
}

void sl_thrift_item_i32(struct sl_thrift *t, int32_t v)
{
    add_zigzag(&t->out, v);
}

void sl_thrift_item_text(struct sl_thrift *t, const char *text)
{
    sl_thrift_varint(&t->out, strlen(text));
    sl_str_add(&t->out, text);
}
