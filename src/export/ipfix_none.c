// SPDX-License-Identifier: Apache-2.0
// IPFIX in a build without libfixbuf: a clear refusal.
#include "export/ipfix.h"

bool sl_ipfix_available(void)
{
    return false;
}

struct sl_ipfix *sl_ipfix_open(const char *path, uint32_t domain, const char *provenance,
                               struct sl_error *err)
{
    (void)domain;
    (void)provenance;
    sl_fail(err, SL_EENV, "cannot write '%s': this build has no IPFIX", path);
    sl_hint(err, "install libfixbuf-dev and build again with -Dipfix=enabled, or take another "
                 "format");
    return NULL;
}

bool sl_ipfix_add(struct sl_ipfix *x, const struct sl_ipfix_flow *f, struct sl_error *err)
{
    (void)x, (void)f;
    return sl_fail(err, SL_EENV, "this build has no IPFIX");
}

bool sl_ipfix_close(struct sl_ipfix *x, struct sl_error *err)
{
    (void)x;
    return sl_fail(err, SL_EENV, "this build has no IPFIX");
}

void sl_ipfix_abort(struct sl_ipfix *x)
{
    (void)x;
}
