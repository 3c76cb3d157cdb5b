// SPDX-License-Identifier: Apache-2.0
#include "link/pbuf.h"
#include <linux/virtio_net.h>
#include <string.h>

enum { GSO_UDP_L4 = 5, GSO_ECN = 0x80 }; // older headers lack the first
enum { TCP_FIN = 1, TCP_PSH = 8, TCP_CWR = 0x80, PROTO_TCP = 6, PROTO_UDP = 17 };

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
static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

// Sums words as the machine has them: one's complement addition does not mind the byte order until
// the end (RFC 1071, section 2 (B)). `sum` is of big-endian words.
uint16_t sl_checksum(const uint8_t *p, size_t n, uint64_t sum)
{
    uint64_t a = 0, b = 0, w[4];
    while (n >= 32) {
        memcpy(w, p, 32);
        a += (w[0] & 0xffffffff) + (w[0] >> 32) + (w[1] & 0xffffffff) + (w[1] >> 32);
        b += (w[2] & 0xffffffff) + (w[2] >> 32) + (w[3] & 0xffffffff) + (w[3] >> 32);
        p += 32;
        n -= 32;
    }
    for (; n >= 2; p += 2, n -= 2) {
        uint16_t x;
        memcpy(&x, p, 2);
        a += x;
    }
    if (n) {
        uint8_t last[2] = {*p, 0};
        uint16_t x;
        memcpy(&x, last, 2);
        a += x;
    }
    a += b;
    while (a >> 16)
        a = (a & 0xffff) + (a >> 16);
    uint16_t native = (uint16_t)a;
    uint8_t bytes[2];
    memcpy(bytes, &native, 2);
    sum += get16(bytes);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

struct sl_pbuf_headers sl_pbuf_headers(struct sl_pbuf *f)
{
    struct sl_pbuf_headers h = {0}, none = {0};
    const uint8_t *p = sl_pbuf_packet(f);
    uint32_t n = f->bytes, at;
    if (f->link_bytes) { // Ethernet: what is not IP is not looked into
        uint16_t type = get16(f->data + 12);
        if (type != 0x0800 && type != 0x86dd)
            return none;
    }
    if (n < 20)
        return none;
    h.version = p[0] >> 4;
    if (h.version == 4) {
        at = (p[0] & 15u) * 4;
        if (at < 20 || at > n || (get16(p + 6) & 0x3fff)) // a fragment has no whole L4 header
            return at < 20 || at > n ? none : h;
        h.proto = p[9];
    } else if (h.version == 6) {
        at = 40;
        if (n < 40)
            return none;
        uint8_t next = p[6];
        // Hop-by-hop, routing, destination options: RFC 8200 section 4.
        for (int i = 0; i < 8 && (next == 0 || next == 43 || next == 60); i++) {
            if (at + 8 > n)
                return h;
            next = p[at];
            at += (p[at + 1] + 1u) * 8;
        }
        h.proto = next;
        if (at > n)
            return h;
    } else {
        return none;
    }
    uint32_t l4 = h.proto == PROTO_TCP ? 20 : h.proto == PROTO_UDP ? 8 : 0;
    if (!l4 || at + l4 > n)
        return h;
    if (h.proto == PROTO_TCP) {
        l4 = (p[at + 12] >> 4) * 4u;
        if (l4 < 20 || at + l4 > n)
            return h;
    }
    h.l4 = (uint16_t)at;
    h.payload = (uint16_t)(at + l4);
    return h;
}

bool sl_pbuf_take(struct sl_pbuf *f, uint32_t read_bytes, uint8_t link_bytes)
{
    if (read_bytes < SL_VNET_BYTES + link_bytes + 1u)
        return false;
    struct virtio_net_hdr v;
    memcpy(&v, f->data - SL_VNET_BYTES, SL_VNET_BYTES);
    f->link_bytes = link_bytes;
    f->bytes = read_bytes - SL_VNET_BYTES - link_bytes;
    f->needs_csum = v.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
    f->gso_type = v.gso_type;
    f->gso_size = 0;
    f->segments = 1;
    if (f->needs_csum) {
        if (v.csum_start < link_bytes || v.csum_start + v.csum_offset + 2u > link_bytes + f->bytes)
            return false;
        f->csum_start = (uint16_t)(v.csum_start - link_bytes);
        f->csum_offset = v.csum_offset;
    }
    uint8_t type = v.gso_type & (uint8_t)~GSO_ECN;
    if (type == VIRTIO_NET_HDR_GSO_NONE)
        return true;
    struct sl_pbuf_headers h = sl_pbuf_headers(f);
    bool tcp = type == VIRTIO_NET_HDR_GSO_TCPV4 || type == VIRTIO_NET_HDR_GSO_TCPV6;
    if (!h.l4 || !v.gso_size ||
        (tcp ? h.proto != PROTO_TCP : type != GSO_UDP_L4 || h.proto != PROTO_UDP))
        return false;
    uint32_t payload = f->bytes - h.payload;
    if (payload > v.gso_size) {
        f->gso_size = v.gso_size;
        f->segments = (uint16_t)((payload + v.gso_size - 1) / v.gso_size);
    } else {
        f->gso_type = VIRTIO_NET_HDR_GSO_NONE;
    }
    return true;
}

const uint8_t *sl_pbuf_give(struct sl_pbuf *f, uint32_t *write_bytes)
{
    struct virtio_net_hdr v = {0};
    if (f->needs_csum) {
        v.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        v.csum_start = (uint16_t)(f->csum_start + f->link_bytes);
        v.csum_offset = f->csum_offset;
    }
    if (f->gso_size) {
        struct sl_pbuf_headers h = sl_pbuf_headers(f);
        v.gso_type = f->gso_type;
        v.gso_size = f->gso_size;
        v.hdr_len = (uint16_t)(h.payload + f->link_bytes);
    }
    memcpy(f->data - SL_VNET_BYTES, &v, SL_VNET_BYTES);
    *write_bytes = SL_VNET_BYTES + f->link_bytes + f->bytes;
    return f->data - SL_VNET_BYTES;
}

uint32_t sl_pbuf_segment_bytes(const struct sl_pbuf *f, const struct sl_pbuf_headers *h,
                               uint32_t number)
{
    if (!f->gso_size)
        return f->bytes;
    uint32_t payload = f->bytes - h->payload, before = number * f->gso_size;
    uint32_t rest = payload - before;
    return h->payload + (rest < f->gso_size ? rest : f->gso_size);
}

// Of the pseudo header, RFC 9293 section 3.1 and RFC 8200 section 8.1; not folded.
static uint64_t pseudo_sum(const uint8_t *p, const struct sl_pbuf_headers *h, uint32_t l4_bytes)
{
    uint64_t sum = h->proto + (l4_bytes & 0xffff) + (l4_bytes >> 16);
    size_t from = h->version == 4 ? 12 : 8, len = h->version == 4 ? 8 : 32;
    return sum + sl_checksum(p + from, len, 0);
}

static void fill_checksum(struct sl_pbuf *f, const struct sl_pbuf_headers *h)
{
    uint8_t *p = sl_pbuf_packet(f);
    uint32_t l4_bytes = f->bytes - h->l4, at = h->proto == PROTO_TCP ? 16 : 6;
    uint8_t *field = p + h->l4 + at;
    uint64_t pseudo = pseudo_sum(p, h, l4_bytes);
    if (f->gso_size) { // the kernel goes on from here when it cuts it up
        put16(field, sl_checksum(NULL, 0, pseudo));
        f->needs_csum = 1;
        f->csum_start = h->l4;
        f->csum_offset = (uint16_t)at;
        return;
    }
    put16(field, 0);
    uint16_t sum = (uint16_t)~sl_checksum(p + h->l4, l4_bytes, pseudo);
    put16(field, h->proto == PROTO_UDP && !sum ? 0xffff : sum);
    f->needs_csum = 0;
}

void sl_pbuf_open_checksum(struct sl_pbuf *f, const struct sl_pbuf_headers *h)
{
    fill_checksum(f, h);
}

void sl_pbuf_complete(struct sl_pbuf *f)
{
    if (!f->needs_csum || f->gso_size)
        return;
    // The field holds the pseudo header's sum: everything from csum_start is summed over it.
    uint8_t *p = sl_pbuf_packet(f);
    uint16_t sum = (uint16_t)~sl_checksum(p + f->csum_start, f->bytes - f->csum_start, 0);
    put16(p + f->csum_start + f->csum_offset, sum ? sum : 0xffff);
    f->needs_csum = 0;
}

static void fill_ipv4_checksum(uint8_t *p)
{
    put16(p + 10, 0);
    put16(p + 10, (uint16_t)~sl_checksum(p, (p[0] & 15u) * 4, 0));
}

struct sl_pbuf *sl_pbuf_cut(struct sl_pbuf_pool *pool, struct sl_pbuf *f,
                            const struct sl_pbuf_headers *h, uint32_t first, uint32_t count)
{
    uint32_t payload = f->bytes - h->payload, start = first * f->gso_size;
    uint32_t len = count * f->gso_size;
    if (len > payload - start)
        len = payload - start;
    bool last = start + len == payload;
    struct sl_pbuf *out = sl_pbuf_new(pool, f->link_bytes + h->payload + len);
    if (!out)
        return NULL;
    out->link_bytes = f->link_bytes;
    out->to = f->to;
    out->arrived_ns = f->arrived_ns;
    out->bytes = h->payload + len;
    memcpy(out->data, f->data, f->link_bytes + h->payload);
    uint8_t *p = sl_pbuf_packet(out);
    memcpy(p + h->payload, sl_pbuf_packet(f) + h->payload + start, len);
    if (len > f->gso_size) {
        out->gso_size = f->gso_size;
        out->gso_type = f->gso_type;
        out->segments = (uint16_t)((len + f->gso_size - 1) / f->gso_size);
    }
    if (h->version == 4) {
        put16(p + 2, out->bytes);
        put16(p + 4, (get16(p + 4) + first) & 0xffff);
        fill_ipv4_checksum(p);
    } else {
        put16(p + 4, out->bytes - 40);
    }
    if (h->proto == PROTO_TCP) {
        uint8_t *tcp = p + h->l4;
        put32(tcp + 4, get32(tcp + 4) + start);
        if (!last)
            tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
        if (first)
            tcp[13] &= (uint8_t)~TCP_CWR;
    } else {
        put16(p + h->l4 + 4, out->bytes - h->l4);
    }
    fill_checksum(out, h);
    return out;
}

struct sl_pbuf *sl_pbuf_copy(struct sl_pbuf_pool *pool, struct sl_pbuf *f)
{
    struct sl_pbuf *out = sl_pbuf_new(pool, f->link_bytes + f->bytes);
    if (!out)
        return NULL;
    uint8_t class = out->class;
    memcpy(out, f, sizeof *f + f->link_bytes + f->bytes);
    out->class = class;
    out->timer.prev = NULL;
    out->next = NULL;
    return out;
}

bool sl_pbuf_mark(struct sl_pbuf *f)
{
    struct sl_pbuf_headers h = sl_pbuf_headers(f);
    uint8_t *p = sl_pbuf_packet(f);
    if (h.version == 4) {
        if (!(p[1] & 3))
            return false;
        // RFC 1624, equation 3: HC' = ~(~HC + ~m + m')
        uint32_t before = get16(p), after = before | 3;
        uint32_t sum = (uint16_t)~get16(p + 10) + (uint16_t)~before + after;
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        put16(p, after);
        put16(p + 10, (uint16_t)~sum);
        return true;
    }
    if (h.version != 6 || !(p[1] & 0x30))
        return false;
    p[1] |= 0x30; // the traffic class lies across the first two bytes
    return true;
}

void sl_pbuf_flip(struct sl_pbuf *f, uint64_t random)
{
    sl_pbuf_complete(f);
    struct sl_pbuf_headers h = sl_pbuf_headers(f);
    uint8_t *p = sl_pbuf_packet(f);
    uint32_t from = h.l4 ? h.l4 : h.version == 4 ? (p[0] & 15u) * 4 : h.version == 6 ? 40 : 0;
    if (from >= f->bytes)
        from = 0;
    uint64_t bit = random % ((uint64_t)(f->bytes - from) * 8);
    f->corrupt = 1;
    p[from + bit / 8] ^= (uint8_t)(1u << bit % 8);
}

uint32_t sl_pbuf_flow_hash(struct sl_pbuf *f, uint32_t seed)
{
    struct sl_pbuf_headers h = sl_pbuf_headers(f);
    const uint8_t *p = sl_pbuf_packet(f);
    uint64_t x = seed * 0x9e3779b97f4a7c15ull ^ h.proto;
    if (h.version == 4) {
        x = (x ^ get32(p + 12)) * 0xff51afd7ed558ccdull;
        x = (x ^ x >> 32 ^ get32(p + 16)) * 0xc4ceb9fe1a85ec53ull;
    } else if (h.version == 6) {
        for (int i = 8; i < 40; i += 4)
            x = (x ^ x >> 29 ^ get32(p + i)) * 0xff51afd7ed558ccdull;
    }
    if (h.l4)
        x = (x ^ x >> 31 ^ get32(p + h.l4)) * 0xc4ceb9fe1a85ec53ull;
    return (uint32_t)(x ^ x >> 33);
}
