// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "base/clock.h"
#include "base/json.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock; // guards all below
    enum sl_level level;
    enum sl_progress_mode mode;
    bool colour, open_line;
    char last_name[64];
    int64_t last_ns;
} g = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = SL_LOG_INFO, .mode = SL_PROGRESS_PLAIN};

void sl_log_setup(enum sl_level level, enum sl_progress_mode mode, bool colour)
{
    g.level = level;
    g.mode = mode == SL_PROGRESS_AUTO && !isatty(STDERR_FILENO) ? SL_PROGRESS_PLAIN : mode;
    if (level == SL_LOG_ERROR && g.mode != SL_PROGRESS_JSON)
        g.mode = SL_PROGRESS_NONE;
    g.colour = colour;
}

enum sl_level sl_log_level(void)
{
    return g.level;
}

bool sl_log_colour(void)
{
    return g.colour;
}

static void close_line(void)
{
    if (g.open_line)
        fputs("\r\033[K", stderr);
    g.open_line = false;
}

void sl_log(enum sl_level level, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    if (level > g.level)
        return;
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&g.lock);
    close_line();
    if (level == SL_LOG_INFO)
        fprintf(stderr, "%s\n", text);
    else
        fprintf(stderr, "%s: %s\n", names[level], text);
    pthread_mutex_unlock(&g.lock);
}

void sl_progress(int step, int steps, const char *name, const char *fmt, ...)
{
    if (g.mode == SL_PROGRESS_NONE)
        return;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&g.lock);
    int64_t now = sl_mono_ns();
    bool fresh = strcmp(g.last_name, name) != 0;
    char counter[24] = "";
    if (step)
        snprintf(counter, sizeof counter, "[%d/%d] ", step, steps);
    if (g.mode == SL_PROGRESS_JSON) {
        json_t *j = json_pack("{s:s, s:i, s:i, s:s, s:s}", "type", "progress", "step", step,
                              "steps", steps, "name", name, "text", text);
        char *s = j ? json_dumps(j, JSON_COMPACT) : NULL;
        if (s)
            fprintf(stderr, "%s\n", s);
        free(s);
        json_decref(j);
    } else if (g.mode == SL_PROGRESS_AUTO) {
        close_line();
        fprintf(stderr, "%s%-10s %.120s", counter, name, text);
        fflush(stderr);
        g.open_line = true;
    } else if (fresh || now - g.last_ns >= 10000000000) {
        fprintf(stderr, "%s%-10s %s\n", counter, name, text);
        g.last_ns = now;
    }
    if (fresh)
        snprintf(g.last_name, sizeof g.last_name, "%s", name);
    pthread_mutex_unlock(&g.lock);
}

void sl_progress_end(void)
{
    pthread_mutex_lock(&g.lock);
    if (g.open_line)
        fputc('\n', stderr);
    g.open_line = false;
    g.last_name[0] = '\0';
    pthread_mutex_unlock(&g.lock);
}
