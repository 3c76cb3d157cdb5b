// SPDX-License-Identifier: Apache-2.0
#include "instance/who.h"
#include "base/mem.h"
#include <string.h>

struct sl_who_book {
    struct sl_who *slots; // open addressing; ipv4 0 = free
    size_t size, len;     // size is a power of two
};

struct sl_who_book *sl_who_new(void)
{
    struct sl_who_book *b = sl_alloc(sizeof *b);
    b->size = 64;
    b->slots = sl_alloc(b->size * sizeof *b->slots);
    return b;
}

static struct sl_who *slot_of(struct sl_who *slots, size_t size, uint32_t ipv4)
{
    size_t i = (ipv4 * 2654435761u) & (size - 1);
    while (slots[i].ipv4 && slots[i].ipv4 != ipv4)
        i = (i + 1) & (size - 1);
    return &slots[i];
}

void sl_who_add(struct sl_who_book *b, const struct sl_who *w)
{
    if (!w->ipv4)
        return;
    if (b->len * 2 >= b->size) {
        size_t size = b->size * 2;
        struct sl_who *slots = sl_alloc(size * sizeof *slots);
        for (size_t i = 0; i < b->size; i++)
            if (b->slots[i].ipv4)
                *slot_of(slots, size, b->slots[i].ipv4) = b->slots[i];
        free(b->slots);
        b->slots = slots;
        b->size = size;
    }
    struct sl_who *s = slot_of(b->slots, b->size, w->ipv4);
    b->len += !s->ipv4;
    *s = *w;
}

const struct sl_who *sl_who_find(const struct sl_who_book *b, uint32_t ipv4)
{
    if (!ipv4)
        return NULL;
    const struct sl_who *s = slot_of(b->slots, b->size, ipv4);
    return s->ipv4 ? s : NULL;
}

void sl_who_free(struct sl_who_book *b)
{
    if (!b)
        return;
    free(b->slots);
    free(b);
}

void sl_who_classify(const struct sl_who *server, uint8_t proto, uint16_t dport,
                     const struct sl_flow *flow, struct sl_class_guess *out)
{
    struct sl_class_guess image = {0}, payload = {0}, port = {0};
    if (server)
        image = server->guess;
    if (flow)
        sl_class_by_payload(flow->head[SL_FORWARD], flow->head_len[SL_FORWARD],
                            flow->head[SL_BACKWARD], flow->head_len[SL_BACKWARD], &payload);
    sl_class_by_port(proto, dport, &port);
    bool own_port = port.app && image.app && !strcmp(port.app, image.app);
    bool other_service = payload.cls > SL_CLASS_UNKNOWN && image.probe && payload.probe &&
                         strcmp(payload.probe, image.probe) != 0;
    if (image.cls > SL_CLASS_UNKNOWN && image.confidence >= 0.6 && (own_port || !other_service))
        *out = image;
    else if (payload.cls > SL_CLASS_UNKNOWN)
        *out = payload;
    else if (image.cls > SL_CLASS_UNKNOWN)
        *out = image;
    else
        *out = port;
}
