// SPDX-License-Identifier: Apache-2.0
#include "engine/reply.h"
#include "base/auto.h"
#include "base/mem.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LINE_MAX_BYTES = 1 << 20 };

json_t *sl_reply_json(const char *text, size_t len)
{
    json_error_t why;
    return json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
}

void sl_reply_message(const char *text, size_t len, char *to, size_t size)
{
    json_t *j = sl_reply_json(text, len);
    const char *m = sl_json_str(j, "message", NULL);
    if (!m && !j)
        m = len ? text : "it gave no reason";
    if (!m)
        m = "it gave no reason";
    size_t w = 0;
    for (; *m && *m != '\n' && w + 1 < size; m++)
        to[w++] = (unsigned char)*m < ' ' ? ' ' : *m;
    to[w] = '\0';
    json_decref(j);
}

int64_t sl_reply_time_ns(const char *text)
{
    struct tm tm = {0};
    int read = 0;
    if (!text || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                        &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &read) != 6)
        return 0;
    if (tm.tm_year < 1970 || tm.tm_year > 2200)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t ns = (int64_t)timegm(&tm) * 1000000000, unit = 100000000;
    const char *p = text + read;
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9' && unit; p++, unit /= 10)
            ns += (*p - '0') * unit;
    return ns < 0 ? 0 : ns;
}

static int64_t integer(const json_t *obj, const char *key, int64_t min, int64_t max)
{
    const json_t *v = json_object_get(obj, key);
    if (!json_is_number(v))
        return 0;
    double d = json_number_value(v);
    if (!(d > (double)min))
        return min > 0 ? 0 : min;
    if (d >= (double)max)
        return max;
    return json_is_integer(v) ? json_integer_value(v) : (int64_t)d;
}

static void copy_member(char *to, size_t size, const json_t *obj, const char *key)
{
    sl_copy(to, size, sl_json_str(obj, key, ""));
}

static void add_net(struct sl_container *c, const char *name, const json_t *net)
{
    if (c->n_nets == sizeof c->nets / sizeof c->nets[0])
        return;
    struct sl_container_net *n = &c->nets[c->n_nets++];
    struct in_addr a;
    *n = (struct sl_container_net){0};
    sl_copy(n->network, sizeof n->network, name);
    copy_member(n->network_id, sizeof n->network_id, net, "NetworkID");
    copy_member(n->mac, sizeof n->mac, net, "MacAddress");
    if (inet_pton(AF_INET, sl_json_str(net, "IPAddress", ""), &a) == 1) {
        n->ipv4 = ntohl(a.s_addr);
        n->prefix_len = (int)integer(net, "IPPrefixLen", 0, 32);
    }
}

static int net_order(const void *a, const void *b)
{
    const struct sl_container_net *x = a, *y = b;
    return strcmp(x->network, y->network);
}

bool sl_reply_container(const json_t *j, struct sl_container *out)
{
    const char *id = sl_json_str(j, "Id", "");
    if (!id[0])
        return false;
    *out = (struct sl_container){0};
    sl_copy(out->id, sizeof out->id, id);
    const char *name = sl_json_str(j, "Name", "");
    sl_copy(out->name, sizeof out->name, name + (name[0] == '/'));
    copy_member(out->image_id, sizeof out->image_id, j, "Image");
    const json_t *config = json_object_get(j, "Config"),
                 *labels = json_object_get(config, "Labels");
    copy_member(out->image, sizeof out->image, config, "Image");
    copy_member(out->instance, sizeof out->instance, labels, SL_LABEL_INSTANCE);
    copy_member(out->role, sizeof out->role, labels, SL_LABEL_ROLE);
    copy_member(out->service, sizeof out->service, labels, SL_LABEL_SERVICE);
    copy_member(out->run, sizeof out->run, labels, SL_LABEL_RUN);
    const json_t *state = json_object_get(j, "State");
    out->pid = (pid_t)integer(state, "Pid", 0, INT32_MAX);
    copy_member(out->state, sizeof out->state, state, "Status");
    copy_member(out->health, sizeof out->health, json_object_get(state, "Health"), "Status");
    if (!strcmp(out->health, "none"))
        out->health[0] = '\0';
    out->exit_code = (int)integer(state, "ExitCode", INT32_MIN, INT32_MAX);
    out->restarts = (int)integer(j, "RestartCount", 0, INT32_MAX);
    out->oom_killed = sl_json_bool(state, "OOMKilled", false);
    copy_member(out->error, sizeof out->error, state, "Error");
    out->started_ns = sl_reply_time_ns(sl_json_str(state, "StartedAt", NULL));
    out->finished_ns = sl_reply_time_ns(sl_json_str(state, "FinishedAt", NULL));
    json_t *nets = json_object_get(json_object_get(j, "NetworkSettings"), "Networks"), *net;
    const char *key;
    json_object_foreach(nets, key, net) add_net(out, key, net);
    qsort(out->nets, out->n_nets, sizeof out->nets[0], net_order);
    return true;
}

bool sl_reply_usage(const json_t *j, struct sl_container_usage *out)
{
    const json_t *cpu = json_object_get(json_object_get(j, "cpu_stats"), "cpu_usage");
    const json_t *mem = json_object_get(j, "memory_stats"), *s = json_object_get(mem, "stats");
    if (!json_is_number(json_object_get(cpu, "total_usage")))
        return false;
    // Group version 1 names sums over the whole tree "total_..."; version 2 has only those.
    bool v1 = json_object_get(s, "total_inactive_file") != NULL;
    double cache = sl_json_num(s, v1 ? "total_inactive_file" : "inactive_file", 0) +
                   sl_json_num(s, v1 ? "total_active_file" : "active_file", 0);
    double used = sl_json_num(mem, "usage", 0) - cache;
    out->cpu_s = sl_json_num(cpu, "total_usage", 0) / 1e9;
    out->mem_bytes = used > 0 && used < 1e18 ? (uint64_t)used : 0;
    return true;
}

json_t *sl_reply_subnets(const json_t *networks)
{
    json_t *out = json_array();
    size_t i, k;
    json_t *net, *c;
    json_array_foreach(networks, i, net)
    {
        json_t *config = json_object_get(json_object_get(net, "IPAM"), "Config");
        json_array_foreach(config, k, c)
        {
            const char *subnet = sl_json_str(c, "Subnet", "");
            if (subnet[0])
                json_array_append_new(out, json_string(subnet));
        }
    }
    return out;
}

// Appends, and drops the front half when both halves are full.
static void keep(struct sl_reply_log *l, const char *p, size_t n)
{
    if (!l->text)
        l->text = sl_alloc(2 * l->max + 1);
    if (n > l->max) {
        p += n - l->max;
        n = l->max;
    }
    if (l->len + n > 2 * l->max) {
        memmove(l->text, l->text + l->len - l->max, l->max);
        l->len = l->max;
    }
    memcpy(l->text + l->len, p, n);
    l->len += n;
}

static bool is_frame(const uint8_t h[8])
{
    return h[0] <= 2 && !h[1] && !h[2] && !h[3];
}

void sl_reply_log_add(struct sl_reply_log *l, const char *p, size_t n)
{
    while (n && !l->raw) {
        if (l->left) {
            size_t k = n < l->left ? n : l->left;
            keep(l, p, k);
            p += k, n -= k, l->left -= k;
            continue;
        }
        l->head[l->head_len++] = (uint8_t)*p++;
        n--;
        if (l->head_len == sizeof l->head) {
            const uint8_t *h = l->head;
            l->head_len = 0;
            if (!is_frame(h)) {
                l->raw = true;
                keep(l, (const char *)h, sizeof l->head);
            }
            l->left = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | h[7];
            l->started = true;
        }
    }
    if (n)
        keep(l, p, n);
}

char *sl_reply_log_take(struct sl_reply_log *l)
{
    if (l->head_len && !l->started) // shorter than a header: a terminal's first words
        keep(l, (const char *)l->head, l->head_len);
    char *text = l->text ? l->text : sl_strdup("");
    if (l->len > l->max) {
        memmove(text, text + l->len - l->max, l->max);
        l->len = l->max;
    }
    text[l->len] = '\0';
    for (size_t i = 0; i < l->len; i++)
        if (!text[i])
            text[i] = ' '; // text, for those who use it as such
    *l = (struct sl_reply_log){.max = l->max};
    return text;
}

static void one_line(struct sl_reply_lines *l)
{
    json_t *j = sl_reply_json(sl_str_text(&l->pending), l->pending.len);
    if (j)
        l->on_value(l->ctx, j);
    json_decref(j);
    sl_str_clear(&l->pending);
}

void sl_reply_lines_add(struct sl_reply_lines *l, const char *bytes, size_t n)
{
    l->pending.max = LINE_MAX_BYTES; // a longer line is cut and then no JSON: skipped
    while (n) {
        const char *nl = memchr(bytes, '\n', n);
        size_t k = nl ? (size_t)(nl - bytes) : n;
        sl_str_addn(&l->pending, bytes, k);
        if (!nl)
            return;
        one_line(l);
        bytes += k + 1;
        n -= k + 1;
    }
}

void sl_reply_lines_done(struct sl_reply_lines *l)
{
    if (l->pending.len)
        one_line(l);
    sl_str_done(&l->pending);
}
