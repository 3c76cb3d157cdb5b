// SPDX-License-Identifier: Apache-2.0
/*
 * What is it, if it is no capture? People name the wrong file, or one that is packed another way; a
 * magic number tells which, and what to do. Text is quoted, for everything else the first bytes are
 * shown.
 */
#include "net/trace_format.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *magic;
    size_t len;
    const char *what, *hint;
} OTHERS[] = {
    {"\xfd"
     "7zXZ\0",
     6, "it is xz-compressed", "decompress it first with xz -d, or pipe it in with xz -dc"},
    {"BZh", 3, "it is bzip2-compressed",
     "decompress it first with bzip2 -d, or pipe it in with bzip2 -dc"},
    {"\x04\x22\x4d\x18", 4, "it is lz4-compressed",
     "decompress it first with lz4 -d, or pipe it in with lz4 -dc"},
    {"LZIP", 4, "it is lzip-compressed", "decompress it first with lzip -d"},
    {"\x1f\x9d", 2, "it is compressed by compress", "decompress it first with gzip -d"},
    {"PK\3\4", 4, "it is a zip archive", "unpack it first with unzip"},
    {"7z\xbc\xaf\x27\x1c", 6, "it is a 7-Zip archive", "unpack it first with 7z x"},
    {"\x1f\x8b", 2, "it is gzip-compressed twice", "decompress it once with gzip -d"},
    {"\x28\xb5\x2f\xfd", 4, "it is zstd-compressed twice", "decompress it once with zstd -d"},
    {"snoop\0\0\0", 8, "it is a snoop capture", "convert it with editcap -F pcapng"},
    {"GMBU", 4, "it is a Network Monitor capture", "convert it with editcap -F pcapng"},
    {"RTSS", 4, "it is a Network Monitor capture", "convert it with editcap -F pcapng"},
    {"\x1c\x00\x01\xac", 4, "it is an IXIA capture", "convert it with editcap -F pcapng"},
    {"\x1c\x00\x01\xab", 4, "it is an IXIA capture", "convert it with editcap -F pcapng"},
    {"btsnoop\0", 8, "it is a Bluetooth snoop capture", "captures of IP networks are read"},
    {"SQLite format 3\0", 16, "it is an SQLite database", NULL},
    {"PAR1", 4, "it is a Parquet table", NULL},
    {"\x7f"
     "ELF",
     4, "it is a program", NULL},
};

static bool is_text(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!(p[i] >= 0x20 && p[i] < 0x7f) && !(p[i] >= '\t' && p[i] <= '\r') && p[i] < 0x80)
            return false;
    return p[0] < 0x80;
}

// The first line, as far as it is printable ASCII, at most 24 characters.
static void quote(const uint8_t *p, size_t len, char out[32])
{
    size_t n = 0;
    while (n < len && n < 24 && p[n] >= 0x20 && p[n] < 0x7f)
        n++;
    memcpy(out, p, n);
    bool more = n < len && p[n] != '\n' && p[n] != '\r';
    snprintf(out + n, 32 - n, "%s", more ? "..." : "");
}

bool sl_trace_not_a_capture(const char *name, const uint8_t *p, size_t len, bool was_compressed,
                            struct sl_error *err)
{
    const char *inside = was_compressed ? " after decompression" : "";
    if (len == 0) {
        sl_fail(err, SL_EINPUT, "'%s' is empty%s: not even a file header is there", name, inside);
        sl_hint(err, "was the recording ended before its first write? record it again");
        return false;
    }
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        if (len >= OTHERS[i].len && memcmp(p, OTHERS[i].magic, OTHERS[i].len) == 0) {
            sl_fail(err, SL_EINPUT, "'%s' is no capture%s: %s", name, inside, OTHERS[i].what);
            if (OTHERS[i].hint)
                sl_hint(err, "%s", OTHERS[i].hint);
            return false;
        }
    if (is_text(p, len < 64 ? len : 64)) {
        char start[32];
        quote(p, len, start);
        sl_fail(err, SL_EINPUT, "'%s' is no capture%s: it is text, \"%s\"", name, inside, start);
    } else {
        char hex[3 * 4 + 1] = "";
        for (size_t i = 0; i < len && i < 4; i++)
            snprintf(hex + 3 * i, 4, "%02x ", p[i]);
        hex[strlen(hex) - 1] = '\0';
        sl_fail(err, SL_EINPUT,
                "'%s' is no capture%s: its first bytes, %s, begin neither pcap nor pcapng", name,
                inside, hex);
    }
    sl_hint(err, "pcap and pcapng are read, plain or compressed by gzip or zstd; editcap -F pcapng "
                 "converts other captures");
    return false;
}
