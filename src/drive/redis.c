// SPDX-License-Identifier: Apache-2.0
/*
 * Redis through hiredis, never blocking: its buffers and its reader, our events.
 *
 * Our keys begin with "sluice:" and are bounded: 1000 texts, 100 hashes of 10 fields, 32 lists of
 * at most 50 items, 10 counters; about 3 MB. Keys found there are only read. Hostile servers: a
 * reply may have 100000 elements at most (hiredis would allocate what the server claims) and 16
 * MiB.
 */
#include "base/mem.h"
#include "base/str.h"
#include "drive/load.h"
#include "drive/tcpbytes.h"
#include <hiredis/hiredis.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

enum {
    TEXTS = 1000,
    HASHES = 100,
    LISTS = 32,
    SIZES = 256,
    VALUE_MIN = 100,
    VALUE_MAX = 8192,
    FOUND_MAX = 200,
    SCANS_MAX = 10,
    ELEMENTS_MAX = 100000,
};
static const uint64_t reply_max = 16 << 20;

struct found {
    char key[128];
    enum found_type { F_OTHER, F_STRING, F_HASH, F_LIST, F_SET, F_ZSET } type;
};
struct cache {
    struct sl_mix kinds, keys, sizes, found_keys;
    int size_of[SIZES]; // log-normal draws, used in turn: their mean shows after few requests
    struct found found[FOUND_MAX];
    int n_found, n_typed, scans;
    bool surveyed;
    char noise[VALUE_MAX];
    redisReplyObjectFunctions bounded;
    void *(*create_array)(const redisReadTask *, int);
};
struct cache_user {
    struct sl_user base;
    redisContext *conn;
    int awaited; // replies
    bool failed, sending;
    enum { C_CONNECT, C_HELLO, C_SCAN, C_TYPES, C_FILL, C_READY } phase;
    uint64_t bytes_in, bytes_out, op_bytes_in;
    char why[160];
};

static struct cache *cache_of(struct sl_load *l)
{
    return l->ctx;
}

static struct cache *the_cache; // hiredis hands no context to its object functions

static void *create_array(const redisReadTask *task, int n)
{
    return n < 0 || n > ELEMENTS_MAX ? NULL : the_cache->create_array(task, n);
}

static bool begin(struct sl_load *l, struct sl_error *err)
{
    (void)err;
    struct cache *c = sl_alloc(sizeof *c);
    struct sl_rng rng = sl_rng_stream(l->spec.seed, "drive.redis", 0);
    sl_mix_init(&c->kinds, 0, &rng);
    sl_mix_init(&c->keys, 1, &rng);
    sl_mix_init(&c->sizes, 2, &rng);
    sl_mix_init(&c->found_keys, 3, &rng);
    for (int i = 0; i < SIZES; i++) {
        double s = sl_rng_lognormal(&rng, 1200, 1.0);
        c->size_of[i] = (int)fmin(fmax(s, VALUE_MIN), VALUE_MAX);
    }
    for (int i = 0; i < VALUE_MAX; i++)
        c->noise[i] = (char)(33 + sl_rng_below(&rng, 94));
    l->ctx = the_cache = c;
    return true;
}

static void end(struct sl_load *l)
{
    free(l->ctx);
}

static bool count_bytes(struct sl_load *l, struct cache_user *u)
{
    uint64_t in, out;
    if (!u->conn || !sl_tcp_bytes(u->conn->fd, &in, &out))
        return true;
    l->meter.bytes_in += in - u->bytes_in;
    l->meter.bytes_out += out > u->bytes_out ? out - u->bytes_out : 0;
    u->bytes_in = in;
    u->bytes_out = out > u->bytes_out ? out : u->bytes_out;
    return in - u->op_bytes_in <= reply_max;
}

static void close_user(struct sl_load *l, struct sl_user *base)
{
    struct cache_user *u = (struct cache_user *)base;
    count_bytes(l, u);
    if (u->conn)
        redisFree(u->conn);
    u->conn = NULL;
}

static void broken(struct sl_load *l, struct cache_user *u, const char *why)
{
    char text[160];
    snprintf(text, sizeof text, "%s", why);
    sl_load_broken(l, &u->base, "connection", text);
}

static void flush(struct sl_load *l, struct cache_user *u)
{
    int done = 0;
    if (redisBufferWrite(u->conn, &done) != REDIS_OK) {
        broken(l, u, u->conn->errstr);
        return;
    }
    bool sending = !done;
    if (sending != u->sending)
        sl_load_watch(l, &u->base, u->conn->fd, sending ? EPOLLIN | EPOLLOUT : EPOLLIN);
    u->sending = sending;
}

// One request

static const char *value(struct cache *c, size_t *len)
{
    *len = (size_t)c->size_of[(int)(sl_mix_next(&c->sizes) * SIZES)];
    return c->noise + (VALUE_MAX - *len) / 2;
}

static int pick(struct sl_mix *m, int n)
{
    return (int)(sl_mix_next(m) * n);
}

static void ask(struct cache_user *u, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (redisvAppendCommand(u->conn, fmt, ap) == REDIS_OK)
        u->awaited++;
    va_end(ap);
}

static void read_found(struct cache *c, struct cache_user *u)
{
    const struct found *f = &c->found[pick(&c->found_keys, c->n_found)];
    switch (f->type) {
    case F_HASH:
        ask(u, "HSCAN %s 0 COUNT 20", f->key);
        break;
    case F_LIST:
        ask(u, "LRANGE %s 0 19", f->key);
        break;
    case F_SET:
        ask(u, "SRANDMEMBER %s 10", f->key);
        break;
    case F_ZSET:
        ask(u, "ZRANGE %s 0 19", f->key);
        break;
    case F_STRING:
        ask(u, "GETRANGE %s 0 16383", f->key);
        break;
    case F_OTHER:
        ask(u, "EXISTS %s", f->key);
        break;
    }
}

static void list_op(struct cache *c, struct cache_user *u, bool write)
{
    size_t len;
    int k = pick(&c->keys, LISTS);
    if (write) {
        const char *v = value(c, &len);
        ask(u, "LPUSH sluice:list:%d %b", k, v, len);
        ask(u, "LTRIM sluice:list:%d 0 49", k);
    } else {
        ask(u, "LRANGE sluice:list:%d 0 4", k);
    }
}

static void request(struct sl_load *l, struct sl_user *base)
{
    enum { GET, SET, HGET, HSET, LRANGE, LPUSH, INCR, FOUND, KINDS };
    struct cache_user *u = (struct cache_user *)base;
    struct cache *c = cache_of(l);
    double w[KINDS] = {[GET] = 35,   [SET] = 20,  [HGET] = 12, [HSET] = 5,
                       [LRANGE] = 6, [LPUSH] = 4, [INCR] = 8,  [FOUND] = c->n_found ? 15 : 0};
    size_t len;
    u->awaited = 0;
    u->failed = false;
    u->op_bytes_in = u->bytes_in;
    size_t kind = sl_mix_choose(&c->kinds, w, KINDS);
    int k = pick(&c->keys, TEXTS);
    switch (kind) {
    case GET:
        ask(u, "GET sluice:text:%d", k);
        break;
    case SET: {
        const char *v = value(c, &len);
        ask(u, "SET sluice:text:%d %b", k, v, len);
        break;
    }
    case HGET:
        ask(u, "HGET sluice:hash:%d field%d", k % HASHES, k / HASHES);
        break;
    case HSET: {
        const char *v = value(c, &len);
        ask(u, "HSET sluice:hash:%d field%d %b", k % HASHES, k / HASHES, v, len);
        break;
    }
    case LRANGE:
    case LPUSH:
        list_op(c, u, kind == LPUSH);
        break;
    case INCR:
        ask(u, "INCR sluice:count:%d", k % 10);
        break;
    default:
        read_found(c, u);
        break;
    }
    flush(l, u);
}

// Getting to know the server

static enum found_type type_of(const char *name)
{
    static const char *const names[] = {"", "string", "hash", "list", "set", "zset"};
    for (int i = F_STRING; i <= F_ZSET; i++)
        if (!strcmp(name, names[i]))
            return (enum found_type)i;
    return F_OTHER;
}

static void keep_keys(struct cache *c, const redisReply *keys)
{
    for (size_t i = 0; i < keys->elements && c->n_found < FOUND_MAX; i++) {
        const redisReply *k = keys->element[i];
        struct found *f = &c->found[c->n_found];
        bool text = k && k->type == REDIS_REPLY_STRING && strlen(k->str) == (size_t)k->len;
        if (text && k->len && strncmp(k->str, "sluice:", 7) &&
            sl_copy(f->key, sizeof f->key, k->str))
            c->n_found++;
    }
}

static void ask_types(struct cache_user *u, const struct cache *c)
{
    u->phase = C_TYPES;
    for (int i = 0; i < c->n_found; i++)
        ask(u, "TYPE %s", c->found[i].key);
}

// Gives the keys values, so that reads have something to read from the first second on.
static void fill(struct cache *c, struct cache_user *u)
{
    u->phase = C_FILL;
    size_t len;
    for (int k = 0; k < TEXTS; k++) {
        const char *v = value(c, &len);
        ask(u, "SET sluice:text:%d %b", k, v, len);
        v = value(c, &len);
        ask(u, "HSET sluice:hash:%d field%d %b", k % HASHES, k / HASHES, v, len);
    }
    for (int k = 0; k < LISTS * 5; k++) {
        const char *v = value(c, &len);
        ask(u, "LPUSH sluice:list:%d %b", k % LISTS, v, len);
    }
    for (int k = 0; k < LISTS; k++)
        ask(u, "LTRIM sluice:list:%d 0 49", k);
}

static void settled(struct sl_load *l, struct cache_user *u)
{
    cache_of(l)->surveyed = true;
    u->phase = C_READY;
    sl_load_up(l, &u->base);
}

// A reply to SCAN: the next cursor and some keys.
static void take_scan(struct cache *c, struct cache_user *u, const redisReply *r)
{
    bool sane = r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[0] &&
                r->element[0]->type == REDIS_REPLY_STRING && r->element[1] &&
                r->element[1]->type == REDIS_REPLY_ARRAY;
    if (sane)
        keep_keys(c, r->element[1]);
    const char *cursor = sane ? r->element[0]->str : "0";
    if (strlen(cursor) < 24 && strcmp(cursor, "0") && ++c->scans < SCANS_MAX &&
        c->n_found < FOUND_MAX)
        ask(u, "SCAN %s COUNT 100", cursor);
    else if (c->n_found)
        ask_types(u, c);
    else
        fill(c, u);
}

static void take_reply(struct sl_load *l, struct cache_user *u, const redisReply *r)
{
    struct cache *c = cache_of(l);
    bool error = r->type == REDIS_REPLY_ERROR;
    if (error) {
        u->failed = true;
        snprintf(u->why, sizeof u->why, "%s", r->str ? r->str : "?");
    }
    switch (u->phase) {
    case C_CONNECT:
    case C_HELLO:
        if (u->awaited || u->failed)
            break;
        if (c->surveyed) {
            settled(l, u);
        } else {
            u->phase = C_SCAN;
            ask(u, "SCAN 0 COUNT 100");
        }
        break;
    case C_SCAN:
        take_scan(c, u, r);
        break;
    case C_TYPES:
        if (c->n_typed < c->n_found)
            c->found[c->n_typed++].type =
                r->type == REDIS_REPLY_STATUS && r->str ? type_of(r->str) : F_OTHER;
        if (!u->awaited)
            fill(c, u);
        break;
    case C_FILL: // a read-only replica refuses; its own keys will do
        if (!u->awaited)
            settled(l, u);
        break;
    case C_READY:
        break;
    }
}

// False when the connection is gone.
static bool take_replies(struct sl_load *l, struct cache_user *u)
{
    for (;;) {
        void *reply = NULL;
        if (redisGetReplyFromReader(u->conn, &reply) != REDIS_OK) {
            broken(l, u, u->conn->errstr);
            return false;
        }
        if (!reply)
            return true;
        if (!u->awaited) {
            freeReplyObject(reply);
            broken(l, u, "the server spoke without being asked");
            return false;
        }
        u->awaited--;
        take_reply(l, u, reply);
        freeReplyObject(reply);
    }
}

static void connected(struct sl_load *l, struct cache_user *u)
{
    int why = 0;
    socklen_t len = sizeof why;
    if (getsockopt(u->conn->fd, SOL_SOCKET, SO_ERROR, &why, &len) || why) {
        broken(l, u, strerror(why));
        return;
    }
    u->phase = C_HELLO;
    u->sending = true; // the watch is for output
    const struct sl_drive_spec *s = &l->spec;
    if (s->password && s->user)
        ask(u, "AUTH %s %s", s->user, s->password);
    else if (s->password)
        ask(u, "AUTH %s", s->password);
    ask(u, "PING");
    flush(l, u);
}

static void event(struct sl_load *l, struct sl_user *base, uint32_t events)
{
    struct cache_user *u = (struct cache_user *)base;
    if (base->state == SL_USER_DOWN || !u->conn)
        return; // left over from a connection that is gone
    if (u->phase == C_CONNECT) {
        connected(l, u);
        return;
    }
    if (events & EPOLLOUT) {
        flush(l, u);
        if (!u->conn)
            return;
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    if (redisBufferRead(u->conn) != REDIS_OK) {
        broken(l, u, u->conn->errstr);
        return;
    }
    if (!count_bytes(l, u)) {
        broken(l, u, "a reply beyond all bounds");
        return;
    }
    if (!take_replies(l, u))
        return;
    if (base->state == SL_USER_BUSY && !u->awaited) {
        if (u->failed)
            sl_load_error(l, "redis", "%s", u->why);
        sl_load_done(l, base, !u->failed, false);
    } else if (base->state == SL_USER_CONNECTING && u->failed && u->phase == C_HELLO) {
        broken(l, u, u->why);
    } else if (base->state == SL_USER_CONNECTING) {
        u->failed = false;
        flush(l, u); // the survey's next question
    }
}

static void connect_user(struct sl_load *l, struct sl_user *base)
{
    struct cache_user *u = (struct cache_user *)base;
    struct cache *c = cache_of(l);
    u->awaited = 0;
    u->failed = false;
    u->phase = C_CONNECT;
    u->bytes_in = u->bytes_out = u->op_bytes_in = 0;
    if (!c->surveyed)
        c->n_found = c->n_typed = c->scans = 0;
    u->conn = redisConnectNonBlock(l->addr_text, l->spec.port);
    if (!u->conn || u->conn->err) {
        broken(l, u, u->conn ? u->conn->errstr : "no memory");
        return;
    }
    c->bounded = *u->conn->reader->fn;
    c->create_array = c->bounded.createArray;
    c->bounded.createArray = create_array;
    u->conn->reader->fn = &c->bounded;
    sl_load_watch(l, base, u->conn->fd, EPOLLOUT);
}

const struct sl_load_ops sl_drive_redis = {
    .protocol = "redis",
    .user_bytes = sizeof(struct cache_user),
    .begin = begin,
    .connect = connect_user,
    .request = request,
    .event = event,
    .close = close_user,
    .end = end,
};
