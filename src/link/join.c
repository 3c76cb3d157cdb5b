// SPDX-License-Identifier: Apache-2.0
#include "link/join.h"
#include <linux/virtio_net.h>
#include <string.h>

enum { PROTO_TCP = 6, ACK = 0x10, PSH = 8, MAX_IP = 65535, MIN_PAYLOAD = 256 };

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}
static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

// One packet with payload and no other flag than ACK and PSH; IPv4 without options, or IPv6 without
// extension headers.
static bool joinable(struct sl_pbuf *b, struct sl_pbuf_headers *h)
{
    if (b->gso_size || b->corrupt)
        return false;
    *h = sl_pbuf_headers(b);
    const uint8_t *p = sl_pbuf_packet(b);
    if (!h->l4 || h->proto != PROTO_TCP || h->l4 != (h->version == 4 ? 20 : 40))
        return false;
    if (h->version == 4 ? get16(p + 2) != b->bytes : get16(p + 4) + 40u != b->bytes)
        return false;
    return (p[h->l4 + 13] & ~PSH) == ACK && b->bytes > h->payload;
}

static void hold(struct sl_join *j, struct sl_pbuf *b, const struct sl_pbuf_headers *h)
{
    const uint8_t *p = sl_pbuf_packet(b);
    j->b = b;
    j->h = *h;
    j->payload = b->bytes - h->payload;
    j->next_seq = get32(p + h->l4 + 4) + j->payload;
    j->next_id = (uint16_t)(get16(p + 4) + 1);
    j->closed = p[h->l4 + 13] & PSH;
}

static bool same_but(const uint8_t *a, const uint8_t *b, uint32_t from, uint32_t to)
{
    return !memcmp(a + from, b + from, to - from);
}

static bool follows(const struct sl_join *j, struct sl_pbuf *b, const struct sl_pbuf_headers *h)
{
    const uint8_t *p = sl_pbuf_packet(j->b), *q = sl_pbuf_packet(b);
    uint32_t l4 = h->l4, len = b->bytes - h->payload;
    if (j->closed || h->version != j->h.version || h->payload != j->h.payload || len > j->payload ||
        j->b->bytes + len > MAX_IP || j->b->link_bytes != b->link_bytes ||
        memcmp(j->b->data, b->data, b->link_bytes))
        return false;
    if (h->version == 4) {
        if (!same_but(p, q, 0, 2) || get16(q + 4) != j->next_id || !same_but(p, q, 6, 10) ||
            !same_but(p, q, 12, 20))
            return false;
    } else if (!same_but(p, q, 0, 4) || !same_but(p, q, 6, 40)) {
        return false;
    }
    // ports; acknowledgement and data offset; window; urgent pointer and options
    return same_but(p, q, l4, l4 + 4) && get32(q + l4 + 4) == j->next_seq &&
           same_but(p, q, l4 + 8, l4 + 13) && same_but(p, q, l4 + 14, l4 + 16) &&
           same_but(p, q, l4 + 18, h->payload);
}

// From a buffer of a packet's size to one of a super-packet's.
static bool grow(struct sl_join *j, struct sl_pbuf_pool *pool, uint32_t more)
{
    uint32_t need = j->b->link_bytes + j->b->bytes + more;
    if (need <= sl_pbuf_capacity(j->b))
        return true;
    struct sl_pbuf *big = sl_pbuf_new(pool, need < 16000 ? 16000 : SL_PBUF_MAX);
    if (!big)
        return false;
    uint8_t class = big->class;
    memcpy(big, j->b, sizeof *big + j->b->link_bytes + j->b->bytes);
    big->class = class;
    sl_pbuf_free(pool, j->b);
    j->b = big;
    return true;
}

bool sl_join_add(struct sl_join *j, struct sl_pbuf_pool *pool, struct sl_pbuf *b)
{
    struct sl_pbuf_headers h;
    if (!joinable(b, &h))
        return false;
    if (!j->b) {
        if (b->bytes - h.payload < MIN_PAYLOAD) // not worth waiting for others
            return false;
        hold(j, b, &h);
        return true;
    }
    uint32_t len = b->bytes - h.payload;
    if (!follows(j, b, &h) || !grow(j, pool, len))
        return false;
    uint8_t *p = sl_pbuf_packet(j->b), *q = sl_pbuf_packet(b);
    memcpy(p + j->b->bytes, q + h.payload, len);
    p[h.l4 + 13] |= q[h.l4 + 13] & PSH;
    j->b->bytes += len;
    j->b->segments++;
    j->next_seq += len;
    j->next_id++;
    j->closed = len < j->payload || (q[h.l4 + 13] & PSH);
    sl_pbuf_free(pool, b);
    return true;
}

struct sl_pbuf *sl_join_take(struct sl_join *j)
{
    struct sl_pbuf *b = j->b;
    if (b && b->segments > 1) {
        b->gso_size = (uint16_t)j->payload;
        b->gso_type = j->h.version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
        uint8_t *p = sl_pbuf_packet(b);
        if (j->h.version == 4) {
            put16(p + 2, b->bytes);
            put16(p + 10, 0);
            put16(p + 10, (uint16_t)~sl_checksum(p, 20, 0));
        } else {
            put16(p + 4, b->bytes - 40);
        }
        sl_pbuf_open_checksum(b, &j->h);
    }
    *j = (struct sl_join){0};
    return b;
}
