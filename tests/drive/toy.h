// SPDX-License-Identifier: Apache-2.0
// Small web servers for tests of drivers, some of them hostile. Each is a process with a thread per
// connection, on a loopback port the kernel chooses.
#pragma once
#include <stdint.h>
#include <sys/types.h>

enum toy_kind {
    TOY_GOOD,     // three pages, a style sheet, a form
    TOY_JSON,     // no front page, an API
    TOY_GARBAGE,  // bytes without meaning
    TOY_ENDLESS,  // a body without end
    TOY_HEADERS,  // headers without end
    TOY_LORIS,    // a byte every half second
    TOY_SHUT,     // closes at once
    TOY_SILENT,   // says nothing
    TOY_TO_FILE,  // redirects to file:///etc/passwd
    TOY_TO_OTHER, // redirects to another server
    TOY_BOMB,     // 64 MiB of zeros in 64 kB of gzip
    // Not HTTP:
    TOY_NOISE,       // random bytes without end, unasked
    TOY_REDIS_HUGE,  // claims an array of 2 billion elements
    TOY_REDIS_DEEP,  // arrays in arrays without end
    TOY_REDIS_LONG,  // claims a text of 1 GiB, and sends on and on
    TOY_PG_HUGE,     // lets everyone in; every row has 1 GiB
    TOY_PG_COPY,     // answers a query with "send me your data"
    TOY_MYSQL_FILE,  // lets everyone in; answers a query with "send me /etc/passwd"
    TOY_MYSQL_PLUGIN // asks for authentication by a terminal dialogue
};
struct toy {
    pid_t pid;
    uint16_t port;
    struct toy_counts { // shared with the server
        _Atomic uint64_t connections, requests, posts, assets, stolen;
    } * counts;
};
struct toy toy_start(enum toy_kind kind, uint16_t other_port);
void toy_stop(struct toy *t);
