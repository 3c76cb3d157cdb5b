// SPDX-License-Identifier: Apache-2.0
// sluice images list|build|coverage: base images, from the registry or from Debian packages.
#include "base/auto.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/table.h"
#include "base/units.h"
#include "cli/cli.h"
#include "engine/images.h"
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { FILE_MAX = 1 << 20, FILES_MAX = 200000 };

static void print_table(struct sl_table *t)
{
    struct sl_str text = {0};
    sl_table_write(t, &text);
    fputs(sl_str_text(&text), stdout);
    sl_str_done(&text);
    sl_table_done(t);
}

static int list(const struct sl_cli *cli, struct sl_images *k)
{
    SL_AUTO(sl_json_decref) json_t *table = sl_images_table(k);
    if (cli->json) {
        json_t *j = json_pack("{s:s, s:O}", "schema", "sluice.images/1", "images", table);
        sl_cli_json(j);
        json_decref(j);
        return SL_OK;
    }
    struct sl_table t = {.colour = cli->colour};
    sl_table_column(&t, "image", SL_LEFT);
    sl_table_column(&t, "set", SL_LEFT);
    sl_table_column(&t, "present", SL_LEFT);
    sl_table_column(&t, "size", SL_RIGHT);
    sl_table_column(&t, "stands in for", SL_LEFT);
    size_t i;
    json_t *item;
    json_array_foreach(table, i, item)
    {
        const json_t *tags = json_object_get(item, "tags");
        size_t n = json_array_size(tags);
        bool present = sl_json_bool(item, "present", false);
        char size[32] = "-";
        if (present)
            sl_format_bytes(sl_json_num(item, "bytes", 0), size, sizeof size);
        sl_table_cell(&t, sl_json_str(item, "name", ""));
        sl_table_cell(&t, sl_json_str(item, "set", ""));
        sl_table_cell(&t, present ? "yes" : "no");
        sl_table_paint(&t, present ? SL_PAINT_GOOD : SL_PAINT_NONE);
        sl_table_cell(&t, size);
        const char *first = json_string_value(json_array_get(tags, 0));
        if (n > 1)
            sl_table_cellf(&t, "%s and %zu more", first, n - 1);
        else
            sl_table_cell(&t, first);
    }
    print_table(&t);
    if (!json_array_size(table))
        puts("no kit is installed: images come from the registry");
    return SL_OK;
}

static int build(const struct sl_cli *cli, struct sl_images *k, const char *set, char **names,
                 int n)
{
    struct sl_error err = {0};
    char holder[128];
    bool ok = sl_images_holder(k, holder, &err);
    for (int i = 0; ok && i < n; i++)
        ok = sl_images_build_kit(k, names[i], &err);
    if (ok && (set || !n))
        ok = sl_images_build_set(k, set ? set : "quick", &err);
    sl_progress_end();
    if (!ok)
        return sl_cli_fail(cli, &err);
    return list(cli, k);
}

// Coverage: every image that Compose files and Dockerfiles below the folders name, and where it
// would come from. Read as text, line by line: a figure to go by, not the loader's verdict.
static json_t *wanted; // {reference: times}; nftw has no place for it
static int files_seen;

static void want(const char *ref)
{
    json_int_t n = json_integer_value(json_object_get(wanted, ref));
    json_object_set_new(wanted, ref, json_integer(n + 1));
}

static void image_lines(char *text)
{
    char *save = NULL;
    for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        l += strspn(l, " \t");
        if (!sl_starts_with(l, "image:"))
            continue;
        l += 6;
        l += strspn(l, " \t\"'");
        l[strcspn(l, " \t\"'\r#")] = '\0';
        if (l[0] && !strchr(l, '$'))
            want(l);
    }
}

static void from_lines(const char *text)
{
    char **refs;
    size_t n;
    if (!sl_images_from_lines(text, NULL, &refs, &n, NULL))
        return;
    for (size_t i = 0; i < n; i++) {
        want(refs[i]);
        free(refs[i]);
    }
    free(refs);
}

static int look(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    const char *name = path + ftw->base;
    if (++files_seen > FILES_MAX)
        return 1;
    if (type != FTW_F)
        return 0;
    bool yaml = sl_ends_with(name, ".yml") || sl_ends_with(name, ".yaml");
    bool compose = yaml && (strcasestr(name, "compose") != NULL),
         docker = !strncasecmp(name, "dockerfile", 10);
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    if ((!compose && !docker) || !sl_read_file(path, FILE_MAX, &text, &len, NULL))
        return 0;
    if (compose)
        image_lines(text);
    else
        from_lines(text);
    return 0;
}

static int coverage(const struct sl_cli *cli, struct sl_images *k, char **folders, int n)
{
    SL_AUTO(sl_json_decref) json_t *all = json_object();
    SL_AUTO(sl_json_decref) json_t *rows = json_array();
    wanted = all;
    files_seen = 0;
    for (int i = 0; i < n; i++) {
        struct sl_error err = {0};
        if (!sl_is_dir(folders[i])) {
            sl_fail(&err, SL_EINPUT, "'%s' is not a folder", folders[i]);
            return sl_cli_fail(cli, &err);
        }
        if (nftw(folders[i], look, 32, FTW_PHYS) > 0)
            sl_warn("only the first %d files were looked at", FILES_MAX);
    }
    json_int_t total = 0, had = 0;
    const char *ref;
    json_t *times;
    json_object_foreach(all, ref, times)
    {
        const char *from = sl_images_offer(k, ref);
        json_int_t c = json_integer_value(times);
        total += c;
        had += strcmp(from, "registry") && strcmp(from, "none") ? c : 0;
        json_array_append_new(rows,
                              json_pack("{s:s, s:I, s:s}", "image", ref, "times", c, "from", from));
    }
    if (cli->json) {
        json_t *j = json_pack("{s:s, s:I, s:I, s:O}", "schema", "sluice.coverage/1", "references",
                              total, "without_registry", had, "images", rows);
        sl_cli_json(j);
        json_decref(j);
        return SL_OK;
    }
    size_t i;
    json_t *r;
    struct sl_table t = {.colour = cli->colour};
    sl_table_column(&t, "image", SL_LEFT);
    sl_table_limit(&t, 60);
    sl_table_column(&t, "times", SL_RIGHT);
    sl_table_column(&t, "from", SL_LEFT);
    json_array_foreach(rows, i, r)
    {
        sl_table_cell(&t, sl_json_str(r, "image", ""));
        sl_table_cellf(&t, "%.0f", sl_json_num(r, "times", 0));
        sl_table_cell(&t, sl_json_str(r, "from", ""));
    }
    print_table(&t);
    printf("\n%d of %d references without a registry (%.1f %%)\n", (int)had, (int)total,
           total ? 100.0 * (double)had / (double)total : 0.0);
    return SL_OK;
}

int sl_cmd_images(struct sl_cli *cli, int argc, char **argv)
{
    const char *set = NULL;
    struct sl_opt opts[] = {
        {"set", 0, SL_OPT_TEXT, "SET", "build: quick (what the examples need) or full", &set}};
    int n;
    int status = sl_cli_parse(cli, opts, 1, argc, argv, 1, -1, &n);
    if (status >= 0)
        return status;
    const char *verb = argv[0];
    bool is_list = !strcmp(verb, "list"), is_build = !strcmp(verb, "build"),
         is_cover = !strcmp(verb, "coverage");
    if (!is_list && !is_build && !is_cover)
        return sl_cli_usage(cli, "'%s' is not list, build or coverage", verb);
    if (is_list && n > 1)
        return sl_cli_usage(cli, "sluice images list takes nothing more");
    if (is_cover && n < 2)
        return sl_cli_usage(cli, "sluice images coverage needs folders of projects");
    struct sl_error err = {0};
    struct sl_engine *e = sl_engine_open(NULL, &err);
    struct sl_images *k = e ? sl_images_load(e, &err) : NULL;
    if (!k)
        status = sl_cli_fail(cli, &err);
    else if (is_list)
        status = list(cli, k);
    else if (is_build)
        status = build(cli, k, set, argv + 1, n - 1);
    else
        status = coverage(cli, k, argv + 1, n - 1);
    sl_images_free(k);
    sl_engine_close(e);
    return status;
}
