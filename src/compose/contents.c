// SPDX-License-Identifier: Apache-2.0
// What is in the files a project points to: the base image of a built service, and the digest.
#include "compose/load.h"
#include <string.h>
#include <strings.h>

struct stage {
    const char *name, *image;
};

static const char *word(struct sl_load *l, const char **p)
{
    *p += strspn(*p, " \t");
    size_t n = strcspn(*p, " \t\r\n");
    const char *w = sl_arena_strndup(l->a, *p, n);
    *p += n;
    return w;
}

// ${NAME}, ${NAME:-d} and $NAME in FROM lines, from the ARG lines above and the build's args.
struct args {
    const struct sl_build *build;
    SL_VEC(struct sl_pair) at;
};

static const char *arg_lookup(void *ctx, const char *name)
{
    const struct args *a = ctx;
    for (size_t i = 0; i < a->build->n_args; i++)
        if (!strcmp(a->build->args[i].key, name))
            return a->build->args[i].value;
    for (size_t i = a->at.len; i-- > 0;)
        if (!strcmp(a->at.at[i].key, name))
            return a->at.at[i].value;
    return NULL;
}

static bool any_dollar(void *ctx)
{
    (void)ctx;
    return true;
}

static const char *from_image(struct sl_load *l, struct args *args, const char *p)
{
    const char *w = word(l, &p), *out = NULL;
    while (sl_starts_with(w, "--"))
        w = word(l, &p);
    struct sl_interp in = {.arena = l->a,
                           .budget = 4096,
                           .ctx = args,
                           .lookup = arg_lookup,
                           .stray_dollar = any_dollar};
    return sl_interpolate(&in, w, &out, NULL) ? out : w;
}

static void read_arg(struct sl_load *l, struct args *args, const char *p)
{
    const char *w = word(l, &p), *eq = strchr(w, '=');
    if (!eq || args->at.len > 200)
        return;
    const char *v = eq + 1;
    size_t n = strlen(v);
    if (n >= 2 && (v[0] == '"' || v[0] == '\'') && v[n - 1] == v[0])
        v = sl_arena_strndup(l->a, v + 1, n - 2);
    *SL_PUSH(&args->at) =
        (struct sl_pair){.key = sl_arena_strndup(l->a, w, (size_t)(eq - w)), .value = v};
}

// The image that the last stage (or the target) stands on, followed through stages.
static const char *base_image(struct sl_load *l, const struct sl_build *b, const char *text)
{
    SL_VEC(struct stage) stages = {0};
    struct args args = {.build = b};
    for (const char *p = text; *p;) {
        const char *line = p + strspn(p, " \t");
        if (!strncasecmp(line, "FROM", 4) && (line[4] == ' ' || line[4] == '\t') &&
            stages.len < 100) {
            const char *rest = line + 4, *eol = line + strcspn(line, "\n");
            const char *image = from_image(l, &args, rest);
            struct stage s = {NULL, image};
            for (size_t i = 0; i < stages.len; i++)
                if (stages.at[i].name && !strcasecmp(stages.at[i].name, image))
                    s.image = stages.at[i].image;
            for (const char *q = rest; q < eol;) {
                const char *w = word(l, &q);
                if (!strcasecmp(w, "AS"))
                    s.name = word(l, &q);
                if (!w[0])
                    break;
            }
            *SL_PUSH(&stages) = s;
        } else if (!strncasecmp(line, "ARG", 3) && (line[3] == ' ' || line[3] == '\t')) {
            read_arg(l, &args, line + 3);
        }
        p += strcspn(p, "\n");
        p += *p == '\n';
    }
    const char *image = stages.len ? stages.at[stages.len - 1].image : NULL;
    for (size_t i = 0; b->target && i < stages.len; i++)
        if (stages.at[i].name && !strcasecmp(stages.at[i].name, b->target))
            image = stages.at[i].image;
    SL_VEC_DONE(&stages);
    SL_VEC_DONE(&args.at);
    return image;
}

static void classify_built(struct sl_load *l, struct sl_service *s)
{
    char path[SL_FILE_PATH_MAX];
    char *text = NULL;
    size_t len;
    const char *image = NULL;
    if (s->build->dockerfile_inline) {
        image = base_image(l, s->build, s->build->dockerfile_inline);
    } else if (sl_files_join(s->build->context,
                             s->build->dockerfile ? s->build->dockerfile : "Dockerfile", path) &&
               l->files->read(l->files->ctx, path, 256 << 10, &text, &len)) {
        image = base_image(l, s->build, text);
        free(text);
    }
    if (image && sl_class_by_image(image, &s->guess))
        s->guess.confidence *= 0.9; // the base says less than an image of its own
}

void sl_load_classify(struct sl_load *l)
{
    for (size_t i = 0; i < l->p->n_services; i++) {
        struct sl_service *s = &l->p->services[i];
        bool known = s->image && !s->build && sl_class_by_image(s->image, &s->guess);
        if (!known && s->build)
            classify_built(l, s);
        for (size_t k = 0; s->guess.cls == SL_CLASS_UNKNOWN && k < s->n_ports; k++)
            sl_class_by_port(s->ports[k].proto, s->ports[k].port, &s->guess);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// The Compose files and variable files were added as they were read.
void sl_load_digest(struct sl_load *l)
{
    if (l->contents.len)
        qsort(l->contents.at, l->contents.len, sizeof *l->contents.at, by_text);
    for (size_t i = 0; l->files->digest && i < l->contents.len; i++) {
        const char *path = l->contents.at[i];
        bool covered = false; // below a folder that is added whole
        for (size_t k = 0; k < l->contents.len && !covered; k++) {
            size_t n = strlen(l->contents.at[k]);
            covered = k != i && (!strcmp(l->contents.at[k], ".") ||
                                 (!strncmp(l->contents.at[k], path, n) && path[n] == '/'));
        }
        if (!covered)
            l->files->digest(l->files->ctx, path, l->digest);
    }
    sl_sha256_end(l->digest, l->p->digest);
    l->digest = NULL;
}
