// SPDX-License-Identifier: Apache-2.0
// What the engine sends, cut and shaped as it likes; and a stranger's Dockerfile and image names,
// which are judged by the same part. The first byte chooses.
#include "engine/dockerfile.h"
#include "engine/images_int.h"
#include "engine/reply.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(void *ctx, const json_t *v)
{
    *(size_t *)ctx += json_is_object(v);
}

static void replies(const char *text, size_t len)
{
    char message[64];
    struct sl_container c;
    struct sl_container_usage u;
    json_t *j = sl_reply_json(text, len);
    sl_reply_message(text, len, message, sizeof message);
    if (sl_reply_container(j, &c) &&
        (!memchr(c.name, 0, sizeof c.name) || c.n_nets > 8 || c.pid < 0))
        abort();
    if (sl_reply_usage(j, &u) && u.mem_bytes > 1000000000000000000u)
        abort();
    json_decref(sl_reply_subnets(j));
    json_decref(j);
}

static void streams(const char *text, size_t len)
{
    struct sl_reply_log log = {.max = 100};
    size_t values = 0;
    struct sl_reply_lines lines = {.on_value = look, .ctx = &values};
    for (size_t at = 0; at < len;) { // pieces of growing size
        size_t n = 1 + at % 7 < len - at ? 1 + at % 7 : len - at;
        sl_reply_log_add(&log, text + at, n);
        sl_reply_lines_add(&lines, text + at, n);
        at += n;
    }
    sl_reply_lines_done(&lines);
    char *kept = sl_reply_log_take(&log);
    if (strlen(kept) > 100)
        abort();
    free(kept);
}

static void dockerfile(const char *text)
{
    char **refs;
    size_t n;
    struct sl_ref r;
    if (sl_images_from_lines(text, NULL, &refs, &n, NULL)) {
        for (size_t i = 0; i < n; i++) {
            if (sl_ref_parse(refs[i], &r, NULL) && (strstr(r.repo, "..//") || strchr(r.repo, ' ')))
                abort();
            free(refs[i]);
        }
        free(refs);
    }
    if (sl_dockerfile_remote_add(text, NULL) < 0)
        abort();
}

static void table(const char *text)
{
    struct sl_images *k = calloc(1, sizeof *k);
    if (k && sl_kit_parse(k, text, "table", NULL) && k->kit.len && !k->kit.at[0].n_tags)
        abort();
    sl_images_free(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536)
        return 0;
    char *text = calloc(1, size);
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        replies(text, size - 1);
        break;
    case 1:
        streams(text, size - 1);
        break;
    case 2:
        dockerfile(text);
        break;
    default:
        table(text);
    }
    free(text);
    return 0;
}
