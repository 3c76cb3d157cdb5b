// SPDX-License-Identifier: Apache-2.0
// sluice-drive: one driver as a process of its own. Not for people: `sluice` starts it (drive.h).
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "drive/load.h"
#include "drive/wire.h"
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The first line, byte by byte: what follows it belongs to the loop.
static bool read_line(struct sl_str *line)
{
    char c;
    ssize_t n;
    while ((n = read(0, &c, 1)) == 1 || (n < 0 && errno == EINTR)) {
        if (n == 1 && c == '\n')
            return !line->truncated;
        if (n == 1)
            sl_str_addn(line, &c, 1);
    }
    return false;
}

static int refuse(const char *why)
{
    char *line = sl_drive_news_text("end", why);
    fputs(line, stdout);
    free(line);
    return 3;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1 || isatty(0)) {
        fputs("sluice-drive is started by sluice and takes its orders from there\n", stderr);
        return 2;
    }
    mallopt(M_ARENA_MAX, 1); // one busy thread; arenas would eat the address space
    static const struct sl_load_ops *const all[] = {&sl_drive_http, &sl_drive_postgresql,
                                                    &sl_drive_mysql, &sl_drive_redis};
    struct sl_str line = {.max = SL_DRIVE_MAX_LINE};
    static struct sl_drive_order order;
    struct sl_error err;
    if (!read_line(&line))
        return refuse("no spec was given");
    if (!sl_drive_order_parse(sl_str_text(&line), line.len, &order, &err))
        return refuse(err.msg);
    sl_str_done(&line);
    if (order.kind != SL_ORDER_SPEC)
        return refuse("the first line must be the spec");
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        static struct sl_load load;
        if (!strcmp(all[i]->protocol, order.spec.protocol))
            return sl_load_run(&load, all[i], &order.spec);
    }
    return refuse("there is no driver for this protocol");
}
