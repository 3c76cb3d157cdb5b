// SPDX-License-Identifier: Apache-2.0
/*
 * What Parquet needs of Thrift's compact protocol, for writing.
 *
 * A struct's fields are written in rising order of their numbers, then sl_thrift_end.
 * Source   Thrift compact protocol specification, Apache Thrift.
 */
#pragma once
#include "base/str.h"
#include <stdint.h>

enum { SL_THRIFT_I32 = 5, SL_THRIFT_BINARY = 8, SL_THRIFT_STRUCT = 12, SL_THRIFT_DEPTH = 16 };
struct sl_thrift { // zeroed is ready
    struct sl_str out;
    int last[SL_THRIFT_DEPTH]; // the last field's number in each struct that is open
    int depth;
};
void sl_thrift_varint(struct sl_str *out, uint64_t v);
void sl_thrift_i16(struct sl_thrift *t, int field, int16_t v);
void sl_thrift_i32(struct sl_thrift *t, int field, int32_t v);
void sl_thrift_i64(struct sl_thrift *t, int field, int64_t v);
void sl_thrift_bool(struct sl_thrift *t, int field, bool v);
void sl_thrift_binary(struct sl_thrift *t, int field, const void *bytes, size_t len);
void sl_thrift_text(struct sl_thrift *t, int field, const char *text);
void sl_thrift_struct(struct sl_thrift *t, int field); // until sl_thrift_end
void sl_thrift_end(struct sl_thrift *t);
// n elements of that type follow: item functions, or sl_thrift_item_struct ... sl_thrift_end.
void sl_thrift_list(struct sl_thrift *t, int field, int type, size_t n);
void sl_thrift_item_i32(struct sl_thrift *t, int32_t v);
void sl_thrift_item_text(struct sl_thrift *t, const char *text);
void sl_thrift_item_struct(struct sl_thrift *t);
