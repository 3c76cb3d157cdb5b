// SPDX-License-Identifier: Apache-2.0
#include "stats/html.h"
#include "base/hash.h"
#include "base/table.h"
#include "base/units.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

void sl_html_text(struct sl_str *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&')
            sl_str_add(out, "&amp;");
        else if (c == '<')
            sl_str_add(out, "&lt;");
        else if (c == '>')
            sl_str_add(out, "&gt;");
        else if (c == '"')
            sl_str_add(out, "&quot;");
        else if (c == '\'')
            sl_str_add(out, "&#39;");
        else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            sl_str_add(out, "\xef\xbf\xbd");
        else
            sl_str_addn(out, text, 1);
    }
}

// JSON text is valid UTF-8, so a code point is its first byte and what continues it.
void sl_html_short(struct sl_str *out, const char *text, int columns)
{
    if (sl_text_width(text) <= columns) {
        sl_html_text(out, text);
        return;
    }
    int width = 0;
    while (*text) {
        char one[8] = "";
        size_t n = 1;
        while (n < 4 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n++;
        memcpy(one, text, n);
        width += sl_text_width(one);
        if (width > columns - 1)
            break;
        sl_html_text(out, one);
        text += n;
    }
    sl_str_add(out, "…");
}

void sl_html_rate(struct sl_str *out, double bps)
{
    char buf[32];
    if (!isfinite(bps)) {
        sl_str_add(out, "–");
        return;
    }
    sl_format_rate(bps, buf, sizeof buf);
    sl_str_addf(out, "%s%sbit/s", buf, strchr(buf, ' ') ? "" : " ");
}

void sl_html_bytes(struct sl_str *out, double bytes)
{
    char buf[32];
    sl_str_add(out, isfinite(bytes) ? sl_format_bytes(bytes, buf, sizeof buf) : "–");
}

void sl_html_number(struct sl_str *out, double v)
{
    if (!isfinite(v) || fabs(v) > 1e15) {
        sl_str_add(out, "–");
        return;
    }
    char digits[32];
    snprintf(digits, sizeof digits, "%.0f", fabs(v));
    size_t n = strlen(digits);
    if (v < 0 && strcmp(digits, "0"))
        sl_str_add(out, "−");
    for (size_t i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            sl_str_addn(out, ",", 1);
        sl_str_addn(out, digits + i, 1);
    }
}

int sl_html_colour(const char *cls)
{
    static const char *const known[] = {"web",    "database", "cache",  "message-broker",
                                        "dns",    "mail",     "crypto", "file-transfer",
                                        "search", "streaming"};
    enum { KNOWN = sizeof known / sizeof known[0] };
    for (int i = 0; i < KNOWN; i++)
        if (!strcmp(cls, known[i]))
            return i;
    return KNOWN + (int)(sl_fnv1a(cls, strlen(cls)) % (SL_HTML_COLOURS - KNOWN));
}

void sl_html_palette(struct sl_str *out, const char *scope)
{
    // Chosen to differ in hue and in lightness, on white and on near-black.
    static const char *const light[SL_HTML_COLOURS] = {"#2f6fdb", "#d9722b", "#c43c4b", "#8452c9",
                                                       "#148f87", "#a98307", "#5d7a1f", "#b0448f",
                                                       "#3d8fb8", "#7a5c43", "#5f6b7a", "#8a7fa8"};
    static const char *const dark[SL_HTML_COLOURS] = {"#6ea1ff", "#f39a5b", "#f07a86", "#b590f2",
                                                      "#4fc9bf", "#dcb83f", "#a3c75a", "#e286c6",
                                                      "#79c3e8", "#c29f82", "#a5b0bf", "#b9afd6"};
    for (int mode = 0; mode < 2; mode++) {
        if (mode)
            sl_str_add(out, "@media (prefers-color-scheme: dark){");
        for (int i = 0; i < SL_HTML_COLOURS; i++)
            sl_str_addf(out, "%s .k%d{--k:%s}", scope, i, mode ? dark[i] : light[i]);
        if (mode)
            sl_str_add(out, "}");
        sl_str_add(out, "\n");
    }
}

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<style>\n"
    ":root{--page:#f2f4f7;--card:#fff;--ink:#1c2128;--dim:#5d6877;--line:#e1e5ea;--soft:#f5f6f8;"
    "--good:#1a7f4b;--goodbg:#e2f5ea;--bad:#b3261e;--badbg:#fce8e6;--warn:#8a5a00;--warnbg:#fdf1d8}"
    "\n"
    "@media (prefers-color-scheme: "
    "dark){:root{--page:#12161b;--card:#1b2027;--ink:#e6e9ed;--dim:#98a3b1;"
    "--line:#2c343e;--soft:#151a20;--good:#5fd394;--goodbg:#143626;--bad:#ff8b80;--badbg:#43191a;"
    "--warn:#f0bf5a;--warnbg:#3b2d0f}}\n"
    "*{box-sizing:border-box}\nbody{margin:0;background:var(--page);color:var(--ink);line-height:1."
    "5;"
    "font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\n"
    "main{max-width:1240px;margin:0 auto;padding:28px 20px 60px}\n"
    "h1{font-size:26px;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}\n"
    "h2{font-size:17px;margin:34px 0 10px;letter-spacing:-.005em}\n"
    "header{display:flex;gap:14px;align-items:center;flex-wrap:wrap}\n"
    ".sub{color:var(--dim);margin:4px 0 18px}\n"
    ".verdict{font-weight:700;font-size:13px;padding:4px "
    "12px;border-radius:99px;text-transform:uppercase;"
    "letter-spacing:.06em}\n"
    ".good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}\n"
    ".verdict.good,.pill.good{background:var(--goodbg)}.verdict.bad,.pill.bad{background:var(--"
    "badbg)}"
    ".verdict.warn,.pill.warn{background:var(--warnbg)}\n"
    ".facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px}\n"
    ".fact,.card{background:var(--card);border:1px solid var(--line);border-radius:12px}\n"
    ".fact{padding:12px 16px}.fact "
    "b{display:block;font-size:21px;font-variant-numeric:tabular-nums;"
    "letter-spacing:-.01em}.fact span{color:var(--dim);font-size:13px}\n"
    ".card{padding:6px 16px;overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\n"
    "th{font-size:12px;color:var(--dim);font-weight:600;text-align:left;white-space:nowrap}\n"
    "th,td{padding:8px 10px;border-bottom:1px solid var(--line);vertical-align:top}\n"
    "tr:last-child td{border-bottom:0}\nth:first-child,td:first-child{padding-left:0}\n"
    ".n{text-align:right;white-space:nowrap}\n"
    ".pill{font-size:12px;font-weight:600;padding:2px 9px;border-radius:99px;white-space:nowrap}\n"
    "code,pre,.mono{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\n"
    "pre{margin:10px 0;white-space:pre-wrap;overflow-wrap:anywhere}\n"
    ".why{color:var(--dim);font-size:13px}\n";

void sl_html_head(struct sl_str *out)
{
    sl_str_add(out, head);
}
