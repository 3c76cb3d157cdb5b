// SPDX-License-Identifier: Apache-2.0
#include "measure/dpi.h"
#include "base/mem.h"
#include "base/str.h"
#include <string.h>
#ifdef SLUICE_NDPI
#include <ndpi_api.h>

enum { MAX_STATES = 200000 };
struct sl_dpi {
    struct ndpi_detection_module_struct *ndpi;
    size_t states, max_states;
    uint64_t unseen;
};
struct sl_dpi_flow {
    struct ndpi_flow_struct *state; // NULL = enough was seen
    uint16_t master, app;
    uint8_t confidence, packets;
};

bool sl_dpi_available(void)
{
    return true;
}

const char *sl_dpi_version(void)
{
    return ndpi_revision();
}

size_t sl_dpi_state_bytes(void)
{
    return sizeof(struct ndpi_flow_struct);
}

struct sl_dpi *sl_dpi_new(size_t max_states, struct sl_error *err)
{
    struct ndpi_detection_module_struct *ndpi = ndpi_init_detection_module(ndpi_no_prefs);
    if (!ndpi) {
        sl_fail(err, SL_EENV, "nDPI %s does not start", ndpi_revision());
        sl_hint(err, "go on without it, or install the libndpi that this program was built with");
        return NULL;
    }
    NDPI_PROTOCOL_BITMASK all;
    NDPI_BITMASK_SET_ALL(all);
    ndpi_set_protocol_detection_bitmask2(ndpi, &all);
    ndpi_finalize_initialization(ndpi);
    struct sl_dpi *d = sl_alloc(sizeof *d);
    d->ndpi = ndpi;
    d->max_states = max_states ? max_states : MAX_STATES;
    return d;
}

void sl_dpi_free(struct sl_dpi *d)
{
    if (!d)
        return;
    ndpi_exit_detection_module(d->ndpi);
    free(d);
}

// What the first packets say is all that is kept.
static void conclude(struct sl_dpi *d, struct sl_dpi_flow *f)
{
    if (!f->state)
        return;
    u_int8_t guessed = 0;
    ndpi_protocol p = ndpi_detection_giveup(d->ndpi, f->state, 0, &guessed);
    ndpi_confidence_t sure = f->state->confidence;
    if (sure == NDPI_CONFIDENCE_DPI) {
        f->master = p.master_protocol;
        f->app = p.app_protocol;
        f->confidence = (uint8_t)sure;
    }
    ndpi_free_flow(f->state);
    f->state = NULL;
    d->states--;
}

static struct sl_dpi_flow *begin(struct sl_dpi *d)
{
    struct sl_dpi_flow *f = sl_alloc(sizeof *f);
    if (d->states < d->max_states)
        f->state = ndpi_flow_malloc(sizeof *f->state);
    if (f->state) {
        memset(f->state, 0, sizeof *f->state);
        d->states++;
    } else {
        d->unseen++;
    }
    return f;
}

// nDPI wants the packet from its IP header on. That stands in the same frame, the lengths of the
// headers before the payload.
void sl_dpi_inspect(struct sl_dpi *d, struct sl_dpi_flow **flow, const struct sl_packet *p)
{
    if (!*flow)
        *flow = begin(d);
    struct sl_dpi_flow *f = *flow;
    if (!f->state || !p->ip_header_bytes)
        return;
    size_t headers = (size_t)p->ip_header_bytes + p->l4_header_bytes,
           len = headers + p->payload_captured;
    uint64_t ms = p->ts_ns > 0 ? (uint64_t)p->ts_ns / 1000000 : 0;
    ndpi_protocol found = ndpi_detection_process_packet(
        d->ndpi, f->state, p->payload - headers, (unsigned short)(len < 65535 ? len : 65535), ms);
    f->packets++;
    bool known = found.app_protocol != NDPI_PROTOCOL_UNKNOWN;
    if (f->packets >= SL_DPI_PACKETS ||
        (known && !ndpi_extra_dissection_possible(d->ndpi, f->state)))
        conclude(d, f);
}

void sl_dpi_end(struct sl_dpi *d, struct sl_dpi_flow **flow, struct sl_dpi_label *out)
{
    *out = (struct sl_dpi_label){.confidence = ""};
    struct sl_dpi_flow *f = *flow;
    if (!f)
        return;
    conclude(d, f);
    if (f->app != NDPI_PROTOCOL_UNKNOWN || f->master != NDPI_PROTOCOL_UNKNOWN) {
        ndpi_protocol p = {.master_protocol = f->master, .app_protocol = f->app};
        ndpi_protocol2name(d->ndpi, p, out->name, sizeof out->name);
        out->confidence = ndpi_confidence_get_name((ndpi_confidence_t)f->confidence);
    }
    free(f);
    *flow = NULL;
}

uint64_t sl_dpi_unseen(const struct sl_dpi *d)
{
    return d->unseen;
}

#else

bool sl_dpi_available(void)
{
    return false;
}

const char *sl_dpi_version(void)
{
    return "";
}

size_t sl_dpi_state_bytes(void)
{
    return 0;
}

struct sl_dpi *sl_dpi_new(size_t max_states, struct sl_error *err)
{
    (void)max_states;
    sl_fail(err, SL_EENV, "this build is without nDPI");
    sl_hint(err, "install libndpi-dev and build again, or leave the DPI label out");
    return NULL;
}

void sl_dpi_free(struct sl_dpi *d)
{
    (void)d;
}

void sl_dpi_inspect(struct sl_dpi *d, struct sl_dpi_flow **flow, const struct sl_packet *p)
{
    (void)d;
    (void)flow;
    (void)p;
}

void sl_dpi_end(struct sl_dpi *d, struct sl_dpi_flow **flow, struct sl_dpi_label *out)
{
    (void)d;
    (void)flow;
    *out = (struct sl_dpi_label){.confidence = ""};
}

uint64_t sl_dpi_unseen(const struct sl_dpi *d)
{
    (void)d;
    return 0;
}
#endif
