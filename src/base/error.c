// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool sl_fail(struct sl_error *err, enum sl_code code, const char *fmt, ...)
{
    if (!err)
        return false;
    // The message is made first: its arguments may point into *err.
    char msg[sizeof err->msg];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    memset(err, 0, sizeof *err);
    err->code = code;
    memcpy(err->msg, msg, sizeof msg);
    return false;
}

void sl_hint(struct sl_error *err, const char *fmt, ...)
{
    if (!err)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
}

void sl_at(struct sl_error *err, const char *file, int line, int col)
{
    if (!err)
        return;
    snprintf(err->file, sizeof err->file, "%s", file ? file : "");
    err->line = line;
    err->col = col;
}

bool sl_within(struct sl_error *err, const char *fmt, ...)
{
    if (!err)
        return false;
    char context[sizeof err->msg];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(context, sizeof context, fmt, ap);
    va_end(ap);
    char whole[sizeof err->msg * 2 + 2];
    snprintf(whole, sizeof whole, "%s: %s", context, err->msg);
    whole[sizeof err->msg - 1] = '\0';
    memcpy(err->msg, whole, sizeof err->msg);
    return false;
}

const char *sl_code_name(enum sl_code code)
{
    switch (code) {
    case SL_OK:
        return "ok";
    case SL_ERUN:
        return "failure";
    case SL_EUSAGE:
        return "usage";
    case SL_EINPUT:
        return "bad-input";
    case SL_EPLAN:
        return "plan-outside-tolerance";
    case SL_EENV:
        return "environment-lacking";
    case SL_EMISS:
        return "target-missed";
    case SL_EINTR:
        return "interrupted";
    }
    return "failure";
}
