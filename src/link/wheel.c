// SPDX-License-Identifier: Apache-2.0
#include "link/wheel.h"
#include "base/mem.h"
#include <string.h>

enum { SLOT_BITS = 11, SLOTS = 65536, WORDS = SLOTS / 64, FAR_SLOTS = 1 << 18, FAR_BITS = 16 };

struct sl_wheel {
    int64_t slot;                 // no timer of the near wheel lies before it
    uint64_t used[WORDS];         // bit per slot
    uint64_t summary[WORDS / 64]; // bit per word
    struct sl_timer slots[SLOTS]; // rings with a head
    struct sl_timer *far;         // rings, FAR_SLOTS
    uint64_t far_used[FAR_SLOTS / 64];
    uint64_t n_far;
};

static void ring(struct sl_timer *head)
{
    if (!head->next)
        head->next = head->prev = head;
}

static int64_t slot_of(int64_t at_ns)
{
    return at_ns >> SLOT_BITS;
}

struct sl_wheel *sl_wheel_new(int64_t now_ns)
{
    struct sl_wheel *w = sl_alloc(sizeof *w);
    w->far = sl_alloc(FAR_SLOTS * sizeof *w->far);
    w->slot = slot_of(now_ns);
    return w;
}

void sl_wheel_free(struct sl_wheel *w)
{
    if (!w)
        return;
    free(w->far);
    free(w);
}

// By time; behind equal ones.
static void insert(struct sl_timer *head, struct sl_timer *t)
{
    ring(head);
    struct sl_timer *before = head->prev;
    while (before != head && before->at_ns > t->at_ns)
        before = before->prev;
    t->prev = before;
    t->next = before->next;
    before->next->prev = t;
    before->next = t;
}

static void add_near(struct sl_wheel *w, struct sl_timer *t, int64_t slot)
{
    uint32_t i = (uint32_t)slot & (SLOTS - 1);
    insert(&w->slots[i], t);
    w->used[i / 64] |= 1ull << i % 64;
    w->summary[i / 4096] |= 1ull << i / 64 % 64;
}

// The far wheel's slot that is being emptied is slot >> FAR_BITS: what is in it is near.
void sl_wheel_add(struct sl_wheel *w, struct sl_timer *t, int64_t at_ns)
{
    t->at_ns = at_ns;
    int64_t slot = slot_of(at_ns);
    if (slot < w->slot)
        slot = w->slot; // due already
    int64_t ahead = (slot >> FAR_BITS) - (w->slot >> FAR_BITS);
    if (ahead <= 0) {
        add_near(w, t, slot);
        return;
    }
    if (ahead >= FAR_SLOTS)
        ahead = FAR_SLOTS - 1;
    uint32_t i = (uint32_t)((w->slot >> FAR_BITS) + ahead) & (FAR_SLOTS - 1);
    struct sl_timer *head = &w->far[i]; // no order in here: it is made when the slot is near
    ring(head);
    t->prev = head->prev;
    t->next = head;
    head->prev->next = t;
    head->prev = t;
    w->far_used[i / 64] |= 1ull << i % 64;
    w->n_far++;
}

static bool in_far(const struct sl_wheel *w, const struct sl_timer *head)
{
    return head >= w->far && head < w->far + FAR_SLOTS;
}

static void clear_bit(struct sl_wheel *w, const struct sl_timer *head)
{
    if (in_far(w, head)) {
        size_t i = (size_t)(head - w->far);
        w->far_used[i / 64] &= ~(1ull << i % 64);
        return;
    }
    size_t i = (size_t)(head - w->slots);
    w->used[i / 64] &= ~(1ull << i % 64);
    if (!w->used[i / 64])
        w->summary[i / 4096] &= ~(1ull << i / 64 % 64);
}

static bool is_head(const struct sl_wheel *w, const struct sl_timer *t)
{
    return in_far(w, t) || (t >= w->slots && t < w->slots + SLOTS);
}

static void unlink_timer(struct sl_wheel *w, struct sl_timer *t)
{
    struct sl_timer *prev = t->prev, *next = t->next;
    prev->next = next;
    next->prev = prev;
    t->next = t->prev = NULL;
    if (prev == next && is_head(w, prev))
        clear_bit(w, prev);
}

void sl_wheel_remove(struct sl_wheel *w, struct sl_timer *t)
{
    if (!t->prev)
        return;
    // Far or near? By the time it was put in: a far one is in a far slot that is not emptied yet.
    bool far = (slot_of(t->at_ns) >> FAR_BITS) > w->slot >> FAR_BITS;
    if (far)
        w->n_far--;
    unlink_timer(w, t);
}

// The first used slot at or behind `from`, within this turn of the near wheel; -1 = none.
static int64_t next_near(const struct sl_wheel *w)
{
    uint32_t i = (uint32_t)w->slot & (SLOTS - 1);
    int64_t turn = w->slot - i;
    uint64_t bits = w->used[i / 64] & ~0ull << i % 64;
    if (bits)
        return turn + (i & ~63u) + __builtin_ctzll(bits);
    for (uint32_t word = i / 64 + 1; word < WORDS;) {
        uint64_t some = w->summary[word / 64] & ~0ull << word % 64;
        if (!some) {
            word = (word / 64 + 1) * 64;
            continue;
        }
        word = (word & ~63u) + (uint32_t)__builtin_ctzll(some);
        return turn + word * 64 + __builtin_ctzll(w->used[word]);
    }
    return -1;
}

static int64_t next_far(const struct sl_wheel *w)
{
    int64_t now = w->slot >> FAR_BITS;
    if (!w->n_far)
        return -1;
    for (int64_t k = 1; k < FAR_SLOTS;) {
        uint32_t i = (uint32_t)(now + k) & (FAR_SLOTS - 1);
        uint64_t bits = w->far_used[i / 64] >> i % 64;
        if (bits)
            return now + k + __builtin_ctzll(bits);
        k += 64 - i % 64;
    }
    return -1;
}

int64_t sl_wheel_next(struct sl_wheel *w)
{
    int64_t slot = next_near(w);
    if (slot >= 0)
        return w->slots[slot & (SLOTS - 1)].next->at_ns;
    int64_t far = next_far(w);
    return far < 0 ? INT64_MAX : far << (FAR_BITS + SLOT_BITS);
}

// A far slot becomes the near wheel. Timers whose time is further still go back.
static void bring_near(struct sl_wheel *w, int64_t far)
{
    w->slot = far << FAR_BITS;
    struct sl_timer *head = &w->far[far & (FAR_SLOTS - 1)], *t;
    while (head->next && (t = head->next) != head) {
        unlink_timer(w, t);
        w->n_far--;
        sl_wheel_add(w, t, t->at_ns);
    }
}

struct sl_timer *sl_wheel_pop(struct sl_wheel *w, int64_t now_ns)
{
    int64_t now = slot_of(now_ns);
    for (;;) {
        int64_t slot = next_near(w);
        if (slot >= 0) {
            if (slot > now)
                return NULL;
            w->slot = slot;
            struct sl_timer *t = w->slots[slot & (SLOTS - 1)].next;
            if (t->at_ns > now_ns)
                return NULL;
            unlink_timer(w, t);
            return t;
        }
        int64_t far = next_far(w);
        if (far < 0 || far > now >> FAR_BITS) {
            if (now > w->slot)
                w->slot = now; // all is empty up to here
            return NULL;
        }
        bring_near(w, far);
    }
}
