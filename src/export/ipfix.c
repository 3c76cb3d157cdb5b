// SPDX-License-Identifier: Apache-2.0
/*
 * libfixbuf encodes messages into our buffer; where they go is ours (out.h), so a file is complete
 * or not there, and a full disk is named, as with tables.
 */
#include "export/ipfix.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "export/out.h"
#include <fixbuf/public.h>
#include <string.h>
#include <unistd.h>

enum { TEMPLATE_4 = 256, TEMPLATE_6 = 257, MESSAGE_MAX = 65535, INTERNAL = 1 };

struct record { // as the specifications below; no gaps
    uint64_t start_ms, end_ms, octets, packets, reverse_octets, reverse_packets, id;
    uint16_t source_port, destination_port, tcp_flags, reverse_tcp_flags;
    uint8_t protocol, end_reason, padding[6];
    uint8_t source[16], destination[16]; // IPv4: four bytes each, one after the other
};

// libfixbuf wants names it may change.
static fbInfoElementSpec_t common[] = {{(char *)"flowStartMilliseconds", 8, 0},
                                       {(char *)"flowEndMilliseconds", 8, 0},
                                       {(char *)"octetTotalCount", 8, 0},
                                       {(char *)"packetTotalCount", 8, 0},
                                       {(char *)"reverseOctetTotalCount", 8, 0},
                                       {(char *)"reversePacketTotalCount", 8, 0},
                                       {(char *)"flowId", 8, 0},
                                       {(char *)"sourceTransportPort", 2, 0},
                                       {(char *)"destinationTransportPort", 2, 0},
                                       {(char *)"tcpControlBits", 2, 0},
                                       {(char *)"reverseTcpControlBits", 2, 0},
                                       {(char *)"protocolIdentifier", 1, 0},
                                       {(char *)"flowEndReason", 1, 0},
                                       {(char *)"paddingOctets", 6, INTERNAL},
                                       FB_IESPEC_NULL};
static fbInfoElementSpec_t ipv4[] = {
    {(char *)"sourceIPv4Address", 4, 0}, {(char *)"destinationIPv4Address", 4, 0}, FB_IESPEC_NULL};
static fbInfoElementSpec_t ipv6[] = {{(char *)"sourceIPv6Address", 16, 0},
                                     {(char *)"destinationIPv6Address", 16, 0},
                                     FB_IESPEC_NULL};

struct sl_ipfix {
    struct sl_out out;
    char *provenance; // NULL = no schema file
    fbInfoModel_t *model;
    fBuf_t *buf; // owns session and exporter
    fbExporter_t *exporter;
    uint16_t template; // that is set
    uint32_t export_s;
    bool pending, failed;
    uint8_t message[MESSAGE_MAX];
};

bool sl_ipfix_available(void)
{
    return true;
}

static bool refused(struct sl_ipfix *x, GError **why, struct sl_error *err)
{
    sl_fail(err, SL_ERUN, "cannot write '%s': libfixbuf says: %s", x->out.path,
            *why ? (*why)->message : "nothing");
    g_clear_error(why);
    return false;
}

static bool add_template(struct sl_ipfix *x, fbSession_t *session, uint16_t id,
                         fbInfoElementSpec_t *addresses, bool internal, GError **why)
{
    fbTemplate_t *t = fbTemplateAlloc(x->model);
    uint32_t flags = internal ? INTERNAL : 0;
    if (fbTemplateAppendSpecArray(t, common, flags, why) &&
        fbTemplateAppendSpecArray(t, addresses, flags, why) &&
        fbSessionAddTemplate(session, internal, id, t, why))
        return true;
    fbTemplateFreeUnused(t);
    return false;
}

// The message that is begun goes out.
static bool emit(struct sl_ipfix *x, struct sl_error *err)
{
    GError *why = NULL;
    if (!fBufEmit(x->buf, &why))
        return refused(x, &why, err);
    // Its header has the time of this machine when the message was begun (RFC 7011, section 3.1).
    for (int i = 0; i < 4; i++)
        x->message[4 + i] = (uint8_t)(x->export_s >> (24 - 8 * i));
    sl_out_add(&x->out, x->message, fbExporterGetMsgLen(x->exporter));
    x->pending = false;
    return sl_out_begin(&x->out, err);
}

static bool start(struct sl_ipfix *x, uint32_t domain, struct sl_error *err)
{
    GError *why = NULL;
    x->model = fbInfoModelAlloc();
    fbSession_t *session = fbSessionAlloc(x->model);
    fbSessionSetDomain(session, domain);
    if (!add_template(x, session, TEMPLATE_4, ipv4, true, &why) ||
        !add_template(x, session, TEMPLATE_4, ipv4, false, &why) ||
        !add_template(x, session, TEMPLATE_6, ipv6, true, &why) ||
        !add_template(x, session, TEMPLATE_6, ipv6, false, &why)) {
        fbSessionFree(session);
        return refused(x, &why, err);
    }
    x->exporter = fbExporterAllocBuffer(x->message, sizeof x->message);
    x->buf = fBufAllocForExport(session, x->exporter);
    x->pending = true; // the templates
    if (!fbSessionExportTemplates(session, &why))
        return refused(x, &why, err);
    fBufSetAutomaticMode(x->buf, FALSE); // from here on full messages are for us to take
    return true;
}

struct sl_ipfix *sl_ipfix_open(const char *path, uint32_t domain, const char *provenance,
                               struct sl_error *err)
{
    struct sl_ipfix *x = sl_alloc(sizeof *x);
    x->provenance = provenance ? sl_strdup(provenance) : NULL;
    if (sl_out_open(&x->out, path, false, err) && start(x, domain, err))
        return x;
    sl_ipfix_abort(x);
    return NULL;
}

static struct record record_of(const struct sl_ipfix_flow *f)
{
    struct record r = {.start_ms = (uint64_t)(f->start_ns / 1000000),
                       .end_ms = (uint64_t)(f->end_ns / 1000000),
                       .octets = f->octets[0],
                       .packets = f->packets[0],
                       .reverse_octets = f->octets[1],
                       .reverse_packets = f->packets[1],
                       .id = f->id,
                       .source_port = f->source_port,
                       .destination_port = f->destination_port,
                       .tcp_flags = f->tcp_flags[0],
                       .reverse_tcp_flags = f->tcp_flags[1],
                       .protocol = f->protocol,
                       .end_reason = f->end_reason};
    if (f->ip_version == 6) {
        memcpy(r.source, f->source, 16);
        memcpy(r.destination, f->destination, 16);
        return r;
    }
    // To libfixbuf an IPv4 address is a number of this machine.
    uint32_t ends[2] = {0};
    for (int i = 0; i < 4; i++) {
        ends[0] = ends[0] << 8 | f->source[i];
        ends[1] = ends[1] << 8 | f->destination[i];
    }
    memcpy(r.source, ends, 8);
    return r;
}

static bool append(struct sl_ipfix *x, struct record *r, size_t size, struct sl_error *err)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        GError *why = NULL;
        if (fBufAppend(x->buf, (uint8_t *)r, size, &why)) {
            x->pending = true;
            return true;
        }
        if (attempt || !g_error_matches(why, FB_ERROR_DOMAIN, FB_ERROR_EOM))
            return refused(x, &why, err);
        g_clear_error(&why);
        if (!emit(x, err)) // the message is full: this record begins the next
            return false;
    }
    return false;
}

bool sl_ipfix_add(struct sl_ipfix *x, const struct sl_ipfix_flow *f, struct sl_error *err)
{
    uint16_t template = f->ip_version == 6 ? TEMPLATE_6 : TEMPLATE_4;
    GError *why = NULL;
    if (template != x->template) {
        if (!fBufSetInternalTemplate(x->buf, template, &why) ||
            !fBufSetExportTemplate(x->buf, template, &why)) {
            x->failed = true;
            return refused(x, &why, err);
        }
        x->template = template;
    }
    struct record r = record_of(f);
    size_t size = offsetof(struct record, source) + (f->ip_version == 6 ? 32 : 8);
    uint32_t end_s = (uint32_t)(f->end_ns / 1000000000);
    x->export_s = x->export_s ? x->export_s : end_s; // of the message with the templates
    bool ok = append(x, &r, size, err);
    x->export_s = end_s > x->export_s ? end_s : x->export_s;
    x->failed |= !ok;
    return ok;
}

static void ipfix_free(struct sl_ipfix *x)
{
    if (x->buf)
        fBufFree(x->buf);
    if (x->model)
        fbInfoModelFree(x->model);
    sl_out_abort(&x->out);
    free(x->provenance);
    free(x);
}

// One line for each element; both templates have all but the other's addresses.
static const struct {
    const char *name, *unit, *formula;
    int number;   // of the IANA registry
    bool reverse; // RFC 5103: enterprise 29305
} elements[] = {
    {"flowStartMilliseconds", "ms", "first packet, since 1970", 152, false},
    {"flowEndMilliseconds", "ms", "last packet, since 1970", 153, false},
    {"octetTotalCount", "B", "IP headers and what they carry, of the initiator", 85, false},
    {"packetTotalCount", "1", "packets of the initiator", 86, false},
    {"octetTotalCount", "B", "IP headers and what they carry, of the other side", 85, true},
    {"packetTotalCount", "1", "packets of the other side", 86, true},
    {"flowId", "1", "number of the flow's first packet in the trace, from 0", 148, false},
    {"sourceTransportPort", "1", "port of the initiator", 7, false},
    {"destinationTransportPort", "1", "port of the other side", 11, false},
    {"tcpControlBits", "", "TCP flags of the initiator, or-ed", 6, false},
    {"tcpControlBits", "", "TCP flags of the other side, or-ed", 6, true},
    {"protocolIdentifier", "", "IP protocol number", 4, false},
    {"flowEndReason", "", "1 idle, 2 active time-out, 3 end seen, 4 end of the trace, 5 evicted",
     136, false},
    {"sourceIPv4Address", "", "address of the initiator, template 256", 8, false},
    {"destinationIPv4Address", "", "address of the other side, template 256", 12, false},
    {"sourceIPv6Address", "", "address of the initiator, template 257", 27, false},
    {"destinationIPv6Address", "", "address of the other side, template 257", 28, false},
};

static bool write_schema(const struct sl_ipfix *x, const char *path, struct sl_error *err)
{
    struct sl_error ignored;
    json_t *columns = json_array(),
           *from = sl_json_parse(x->provenance, strlen(x->provenance), "provenance", &ignored);
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        json_array_append_new(columns,
                              json_pack("{s:s, s:i, s:b, s:s, s:s, s:s}", "name", elements[i].name,
                                        "element", elements[i].number, "reverse",
                                        elements[i].reverse, "unit", elements[i].unit, "formula",
                                        elements[i].formula, "source", "IANA IPFIX, RFC 5103"));
    json_t *j =
        json_pack("{s:s, s:s, s:s, s:o, s:o}", "schema", "sluice.table/1", "table", "flows",
                  "format", "ipfix", "provenance", from ? from : json_object(), "columns", columns);
    bool ok = sl_json_save(path, j, err);
    json_decref(j);
    return ok;
}

bool sl_ipfix_close(struct sl_ipfix *x, struct sl_error *err)
{
    bool ok = x->failed ? sl_fail(err, SL_ERUN, "'%s' is not complete: a write to it failed before",
                                  x->out.path)
                        : !x->pending || emit(x, err);
    char *schema =
        ok && x->provenance && x->out.file.part ? sl_format("%s.schema.json", x->out.path) : NULL;
    ok = ok && (!schema || write_schema(x, schema, err));
    if (ok && !sl_out_close(&x->out, err)) {
        ok = false;
        if (schema)
            unlink(schema);
    }
    free(schema);
    ipfix_free(x);
    return ok;
}

void sl_ipfix_abort(struct sl_ipfix *x)
{
    if (x)
        ipfix_free(x);
}
