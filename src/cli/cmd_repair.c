// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/fs.h"
#include "base/str.h"
#include "cli/cli.h"
#include "compose/project.h"
#include "compose/render.h"
#include "discover/discover.h"
#include <stdio.h>
#include <string.h>

struct preview { // what a run would choose, made up to show the file
    struct sl_render_options opt;
    SL_VEC(struct sl_render_subnet) subnets;
    SL_VEC(struct sl_render_image) images;
    char *tree;
};

static void preview_init(struct preview *v, const struct sl_project *p)
{
    for (size_t i = 0; i < p->n_networks; i++) {
        const char *key = p->networks[i].key;
        char *name = sl_format("%s_%s", p->name, key),
             *subnet = sl_format("10.201.%zu.0/24", i % 256);
        *SL_PUSH(&v->subnets) = (struct sl_render_subnet){key, name, subnet};
    }
    for (size_t i = 0; i < p->n_services; i++) {
        const struct sl_service *s = &p->services[i];
        char *image = s->build ? sl_compose_built_image(p, s->name) : sl_strdup(s->image);
        *SL_PUSH(&v->images) = (struct sl_render_image){s->name, image};
    }
    v->tree = sl_real_path(p->dir);
    v->opt = (struct sl_render_options){
        .instance = p->name, .tree = v->tree ? v->tree : p->dir, .holder_image = "sluice/holder"};
    v->opt.subnets = v->subnets.at;
    v->opt.n_subnets = v->subnets.len;
    v->opt.images = v->images.at;
    v->opt.n_images = v->images.len;
}

static void preview_done(struct preview *v)
{
    for (size_t i = 0; i < v->subnets.len; i++) {
        free((char *)v->subnets.at[i].name);
        free((char *)v->subnets.at[i].subnet);
    }
    for (size_t i = 0; i < v->images.len; i++)
        free((char *)v->images.at[i].image);
    SL_VEC_DONE(&v->subnets);
    SL_VEC_DONE(&v->images);
    free(v->tree);
}

static const char *const kinds[] = {
    [SL_NOTE_REPAIR] = "repair", [SL_NOTE_POLICY] = "policy", [SL_NOTE_WARNING] = "warning"};

// Text a stranger wrote, safe on a terminal.
static void put_safe(FILE *out, const char *text)
{
    for (int n = 0; *text && n < 200; text++, n++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

static void print_note(FILE *out, const struct sl_note *n)
{
    fprintf(out, "%s:%d:%d: %s %s: %s", n->pos.file ? n->pos.file : "", n->pos.line, n->pos.col,
            kinds[n->kind], n->step, "");
    put_safe(out, n->place);
    fputs("\n", out);
    if (n->before) {
        fputs("  - ", out);
        put_safe(out, n->before);
        fputs("\n", out);
    }
    if (n->after) {
        fputs("  + ", out);
        put_safe(out, n->after);
        fputs("\n", out);
    }
}

static json_t *notes_json(const struct sl_project *p)
{
    json_t *all = json_array();
    for (size_t i = 0; i < p->n_notes; i++) {
        const struct sl_note *n = &p->notes[i];
        json_t *j =
            json_pack("{s:s, s:s, s:s*, s:s?, s:s?, s:s?, s:i, s:i}", "kind", kinds[n->kind],
                      "step", n->step, "place", n->place, "before", n->before, "after", n->after,
                      "file", n->pos.file, "line", n->pos.line, "col", n->pos.col);
        if (!j) // bytes that are no text
            j = json_pack("{s:s, s:s, s:i, s:i}", "kind", kinds[n->kind], "step", n->step, "line",
                          n->pos.line, "col", n->pos.col);
        json_array_append_new(all, j);
    }
    return all;
}

static int show(const struct sl_cli *cli, const struct sl_project *p, bool diff)
{
    struct sl_error err = {0};
    struct preview v = {0};
    preview_init(&v, p);
    SL_AUTO(sl_free_str) char *text = sl_compose_render(p, &v.opt, &err);
    preview_done(&v);
    if (!text)
        return sl_cli_fail(cli, &err);
    if (cli->json) {
        json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "schema", "sluice.repair/1",
                              "name", p->name, "dir", p->dir, "file", p->file, "digest", p->digest,
                              "notes", notes_json(p), "compose", text);
        sl_cli_json(j);
        json_decref(j);
        return SL_OK;
    }
    if (!diff)
        fputs(text, stdout);
    for (size_t i = 0; i < p->n_notes && (diff || !cli->quiet); i++)
        print_note(diff ? stdout : stderr, &p->notes[i]);
    return SL_OK;
}

int sl_cmd_repair(struct sl_cli *cli, int argc, char **argv)
{
    bool diff = false, strict = false;
    const char *skip[16] = {0}, *profiles[16] = {0};
    const struct sl_opt opts[] = {
        {"diff", 'd', SL_OPT_FLAG, NULL, "show only what was changed, before and after", &diff},
        {"skip", 0, SL_OPT_LIST, "STEP", "leave a repair step out (may be repeated)", skip},
        {"profile", 0, SL_OPT_LIST, "NAME", "switch a profile on (may be repeated)", profiles},
        {"strict", 0, SL_OPT_FLAG, NULL, "refuse what policy would drop", &strict},
    };
    int n;
    int status = sl_cli_parse(cli, opts, sizeof opts / sizeof *opts, argc, argv, 1, 1, &n);
    if (status >= 0)
        return status;
    struct sl_error err = {0};
    struct sl_compose_options opt = {
        .seed = cli->seed, .skip_steps = skip, .profiles = profiles, .strict_policy = strict};
    struct sl_found_list one = {0};
    const char *dir = argv[0], *file = NULL;
    if (!sl_is_dir(argv[0])) {
        if (!sl_discover((const char *const *)argv, 1, &one, &err))
            return sl_cli_fail(cli, &err);
        dir = one.at[0].dir;
        file = one.at[0].file;
    }
    const char *reason;
    struct sl_project *p = sl_project_load(dir, file, &opt, &reason, &err);
    status = p ? show(cli, p, diff) : sl_cli_fail(cli, &err);
    sl_project_free(p);
    sl_found_list_done(&one);
    return status;
}
