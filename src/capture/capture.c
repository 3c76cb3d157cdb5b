// SPDX-License-Identifier: Apache-2.0
/*
 * TPACKET_V3: the kernel fills blocks of a ring shared with us and hands a block over when it is
 * full or 20 ms old. Reading is walking the blocks that are ours; nothing is copied and nothing
 * waits.
 *
 * - The socket is made inside the namespace, without a protocol, and bound to one interface before
 * it gets one, so no frame of another interface ever enters the ring.
 * - The snapshot length is a one-instruction filter: what a filter returns is what the kernel
 * keeps.
 * - A VLAN tag that the kernel took out of the frame is put back in front of the type, into the
 * space reserved for it, so that frame and length are those of the wire.
 * - When the interface goes down or away the socket reports ENETDOWN to every poll until somebody
 *   collects the error; reading does, so nobody spins.
 *
 * Source: Documentation/networking/packet_mmap.rst of the kernel.
 */
#include "capture/capture.h"
#include "base/mem.h"
#include "netns/netns.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 1 << 17,
    RETIRE_MS = 20,
    TAG_BYTES = 4,
    MAX_RING_BYTES = 1 << 30,
    DEFAULT_SNAPLEN = 192,
    DEFAULT_RING_BYTES = 8 << 20,
    FROM_OFFSET = TPACKET_ALIGN((int)sizeof(struct tpacket3_hdr)), // the sockaddr_ll of a frame
};

struct sl_capture {
    int fd;
    uint8_t *ring;
    size_t ring_bytes;
    uint32_t blocks, next; // next = the block the kernel hands over next
    // batches: frames are handed out where they lie, so blocks go back to the kernel two calls
    // later
    uint32_t held;     // the first block that is not given back yet
    uint32_t done[2];  // `next` at the end of the last call, of the one before
    const uint8_t *at; // the next frame of a block that is half handed out
    uint32_t left;     // frames of it
    uint16_t arphrd;
    struct sl_capture_stats stats;
};

struct request {
    struct sl_capture *c;
    const char *ifname;
    struct sl_capture_options opt;
};

static bool fail(struct sl_error *err, const char *ifname, const char *what)
{
    int why = errno;
    bool rights = why == EPERM || why == EACCES;
    sl_fail(err, rights ? SL_EENV : SL_ERUN, "cannot capture on '%s': %s: %s", ifname, what,
            strerror(why));
    if (rights)
        sl_hint(err, "capturing needs CAP_NET_RAW and CAP_SYS_ADMIN: run as root");
    return false;
}

static bool option(int fd, int name, int value)
{
    return setsockopt(fd, SOL_PACKET, name, &value, sizeof value) == 0;
}

static bool set_snaplen(int fd, uint32_t snaplen)
{
    struct sock_filter keep = BPF_STMT(BPF_RET | BPF_K, snaplen);
    struct sock_fprog prog = {.len = 1, .filter = &keep};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog) == 0;
}

static bool map_ring(struct request *r, struct sl_error *err)
{
    struct sl_capture *c = r->c;
    c->blocks = (uint32_t)(r->opt.ring_bytes / BLOCK_BYTES);
    if (c->blocks < 2)
        c->blocks = 2;
    size_t bytes = (size_t)c->blocks * BLOCK_BYTES;
    struct tpacket_req3 req = {
        .tp_block_size = BLOCK_BYTES,
        .tp_block_nr = c->blocks,
        .tp_frame_size = 2048, // a unit of account only: V3 packs frames of any length
        .tp_frame_nr = c->blocks * (BLOCK_BYTES / 2048),
        .tp_retire_blk_tov = RETIRE_MS,
    };
    if (!option(c->fd, PACKET_VERSION, TPACKET_V3) || !option(c->fd, PACKET_RESERVE, TAG_BYTES) ||
        setsockopt(c->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof req))
        return fail(err, r->ifname, "making the ring");
    c->ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
    if (c->ring == MAP_FAILED) {
        c->ring = NULL;
        return fail(err, r->ifname, "mapping the ring");
    }
    c->ring_bytes = bytes;
    return true;
}

static bool join(struct request *r, struct sl_error *err)
{
    int fd = r->c->fd;
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    to.sll_ifindex = (int)if_nametoindex(r->ifname);
    if (!to.sll_ifindex)
        return fail(err, r->ifname, "no such interface in its namespace");
    struct packet_mreq promisc = {.mr_ifindex = to.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    if (r->opt.promisc &&
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof promisc))
        return fail(err, r->ifname, "promiscuous mode");
    if (r->opt.incoming_only && !option(fd, PACKET_IGNORE_OUTGOING, 1))
        return fail(err, r->ifname, "leaving out what goes out");
    if (bind(fd, (struct sockaddr *)&to, sizeof to))
        return fail(err, r->ifname, "binding");
    struct sockaddr_ll bound;
    socklen_t len = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0)
        r->c->arphrd = bound.sll_hatype;
    return true;
}

static bool open_inside(void *ctx, struct sl_error *err)
{
    struct request *r = ctx;
    r->c->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (r->c->fd < 0)
        return fail(err, r->ifname, "opening a packet socket");
    if (!set_snaplen(r->c->fd, r->opt.snaplen))
        return fail(err, r->ifname, "setting the snapshot length");
    return map_ring(r, err) && join(r, err);
}

struct sl_capture *sl_capture_open(int ns, const char *ifname, const struct sl_capture_options *opt,
                                   struct sl_error *err)
{
    struct request r = {.ifname = ifname};
    if (opt)
        r.opt = *opt;
    if (!r.opt.snaplen)
        r.opt.snaplen = DEFAULT_SNAPLEN;
    if (r.opt.snaplen > 65535)
        r.opt.snaplen = 65535;
    if (!r.opt.ring_bytes)
        r.opt.ring_bytes = DEFAULT_RING_BYTES;
    if (r.opt.ring_bytes > MAX_RING_BYTES) {
        sl_fail(err, SL_ERUN, "a capture ring has at most %d bytes, not %zu", MAX_RING_BYTES,
                r.opt.ring_bytes);
        return NULL;
    }
    r.c = sl_alloc(sizeof *r.c);
    r.c->fd = -1;
    if (ns < 0 ? open_inside(&r, err) : sl_netns_run(ns, open_inside, &r, err))
        return r.c;
    sl_capture_close(r.c);
    return NULL;
}

int sl_capture_fd(const struct sl_capture *c)
{
    return c->fd;
}

// Puts back the tag the kernel took out: the two addresses move four bytes to the front.
static void restore_tag(const struct tpacket3_hdr *h, struct sl_frame *f)
{
    if (!(h->tp_status & TP_STATUS_VLAN_VALID) || f->captured < 2 * ETH_ALEN)
        return;
    uint8_t *p = (uint8_t *)(uintptr_t)f->data - TAG_BYTES;
    uint16_t tpid =
        htons((h->tp_status & TP_STATUS_VLAN_TPID_VALID) ? h->hv1.tp_vlan_tpid : ETH_P_8021Q);
    uint16_t tci = htons((uint16_t)h->hv1.tp_vlan_tci);
    memmove(p, f->data, 2 * ETH_ALEN);
    memcpy(p + 2 * ETH_ALEN, &tpid, 2);
    memcpy(p + 2 * ETH_ALEN + 2, &tci, 2);
    f->data = p;
    f->captured += TAG_BYTES;
    f->wire_bytes += TAG_BYTES;
}

static struct sl_frame frame_at(const uint8_t *at, uint32_t *next)
{
    const struct tpacket3_hdr *h = (const struct tpacket3_hdr *)(const void *)at;
    const struct sockaddr_ll *from = (const struct sockaddr_ll *)(const void *)(at + FROM_OFFSET);
    struct sl_frame f = {
        .ts_ns = (int64_t)h->tp_sec * 1000000000 + h->tp_nsec,
        .data = at + h->tp_mac,
        .captured = h->tp_snaplen,
        .wire_bytes = h->tp_len,
        .outgoing = from->sll_pkttype == PACKET_OUTGOING,
    };
    restore_tag(h, &f);
    *next = h->tp_next_offset;
    return f;
}

static size_t walk(const struct tpacket_block_desc *block, sl_frame_fn *fn, void *ctx)
{
    const uint8_t *at = (const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
    uint32_t n = block->hdr.bh1.num_pkts, step;
    for (uint32_t i = 0; i < n; i++, at += step) {
        struct sl_frame f = frame_at(at, &step);
        fn(ctx, &f);
    }
    return n;
}

static struct tpacket_block_desc *block_of(const struct sl_capture *c, uint32_t i)
{
    return (struct tpacket_block_desc *)(void *)(c->ring + (size_t)i * BLOCK_BYTES);
}

static bool is_ours(struct tpacket_block_desc *block)
{
    _Atomic uint32_t *status = (_Atomic uint32_t *)(void *)&block->hdr.bh1.block_status;
    return atomic_load_explicit(status, memory_order_acquire) & TP_STATUS_USER;
}

static void give_back(struct tpacket_block_desc *block)
{
    _Atomic uint32_t *status = (_Atomic uint32_t *)(void *)&block->hdr.bh1.block_status;
    atomic_store_explicit(status, TP_STATUS_KERNEL, memory_order_release);
}

static bool interface_gone(struct sl_capture *c)
{
    int gone = 0; // collects ENETDOWN, see above
    socklen_t len = sizeof gone;
    return getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &gone, &len) == 0 && gone;
}

size_t sl_capture_batch(struct sl_capture *c, struct sl_frame *out, size_t max, bool *gone)
{
    for (; c->held != c->done[1]; c->held = (c->held + 1) % c->blocks)
        give_back(block_of(c, c->held));
    c->done[1] = c->done[0];
    size_t n = 0;
    while (n < max) {
        if (!c->left) {
            struct tpacket_block_desc *block = block_of(c, c->next);
            // The ring is never held whole: then `held` could not be told from `next`.
            if ((c->next + 1) % c->blocks == c->held || !is_ours(block))
                break;
            c->at = (const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
            c->left = block->hdr.bh1.num_pkts;
            if (!c->left)
                c->next = (c->next + 1) % c->blocks;
            continue;
        }
        uint32_t step;
        out[n++] = frame_at(c->at, &step);
        c->at += step;
        if (!--c->left)
            c->next = (c->next + 1) % c->blocks;
    }
    c->done[0] = c->next;
    *gone = !n && interface_gone(c);
    return n;
}

uint16_t sl_capture_linktype(const struct sl_capture *c)
{
    switch (c->arphrd) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK:
        return 1;     // LINKTYPE_ETHERNET
    case ARPHRD_NONE: // tun
    case ARPHRD_PPP:
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
        return 101; // LINKTYPE_RAW
    default:
        return UINT16_MAX;
    }
}

size_t sl_capture_read(struct sl_capture *c, sl_frame_fn *fn, void *ctx)
{
    size_t frames = 0;
    for (uint32_t i = 0; i < c->blocks; i++) { // once round at most: a flood must not keep us here
        struct tpacket_block_desc *block = block_of(c, c->next);
        if (!is_ours(block))
            break;
        frames += walk(block, fn, ctx);
        give_back(block);
        c->next = (c->next + 1) % c->blocks;
    }
    if (!frames)
        interface_gone(c);
    return frames;
}

void sl_capture_stats(struct sl_capture *c, struct sl_capture_stats *out)
{
    struct tpacket_stats_v3 s = {0}; // since the last question; its packets include the drops
    socklen_t len = sizeof s;
    if (getsockopt(c->fd, SOL_PACKET, PACKET_STATISTICS, &s, &len) == 0) {
        c->stats.packets += s.tp_packets - s.tp_drops;
        c->stats.drops += s.tp_drops;
    }
    *out = c->stats;
}

void sl_capture_close(struct sl_capture *c)
{
    if (!c)
        return;
    if (c->ring)
        munmap(c->ring, c->ring_bytes);
    if (c->fd >= 0)
        close(c->fd);
    free(c);
}
