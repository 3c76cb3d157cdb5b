// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/cli.h"
#include "compose/project.h"
#include "discover/discover.h"
#include <stdio.h>
#include <string.h>

struct row {
    struct sl_project *p; // NULL when it does not load
    const char *reason;
    struct sl_error err;
};

// Names of the classes of a project's services, each once, in order of the class table.
static char *class_list(const struct sl_project *p)
{
    struct sl_str s = {0};
    for (int cls = 1; cls < (int)sl_class_count(); cls++)
        for (size_t i = 0; i < p->n_services; i++)
            if (p->services[i].guess.cls == cls) {
                sl_str_addf(&s, "%s%s", s.len ? "," : "", sl_class_name(cls));
                break;
            }
    return sl_str_take(&s);
}

static struct row load(const struct sl_found *f, uint64_t seed)
{
    struct row r = {0};
    struct sl_compose_options opt = {.seed = seed};
    r.p = sl_project_load(f->dir, f->file, &opt, &r.reason, &r.err);
    return r;
}

static json_t *to_json(const struct sl_found *f, const struct row *r)
{
    json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "repo", f->repo, "commit", f->commit, "dir",
                          f->dir, "file", f->file);
    json_object_set_new(j, "status", json_string(r->p ? "ok" : r->reason));
    if (!r->p) {
        json_t *e = sl_json_error(&r->err);
        json_object_update(j, e);
        json_decref(e);
        return j;
    }
    json_t *services = json_array();
    for (size_t i = 0; i < r->p->n_services; i++) {
        const struct sl_service *s = &r->p->services[i];
        json_array_append_new(services,
                              json_pack("{s:s, s:s?, s:b, s:s, s:s?, s:o}", "name", s->name,
                                        "image", s->image, "build", s->build != NULL, "class",
                                        sl_class_name(s->guess.cls), "app", s->guess.app,
                                        "confidence", sl_json_real(s->guess.confidence)));
    }
    json_object_set_new(j, "name", json_string(r->p->name));
    json_object_set_new(j, "digest", json_string(r->p->digest));
    json_object_set_new(j, "services", services);
    json_object_set_new(j, "notes", json_integer((json_int_t)r->p->n_notes));
    return j;
}

static void print_row(const struct sl_found *f, const struct row *r)
{
    SL_AUTO(sl_free_str) char *path = sl_format("%s/%s", f->dir, f->file);
    SL_AUTO(sl_free_str) char *classes = r->p ? class_list(r->p) : sl_strdup("-");
    printf("%-52s %8zu  %-28s %s\n", path, r->p ? r->p->n_services : 0,
           classes[0] ? classes : "unknown", r->p ? "ok" : r->reason);
}

int sl_cmd_discover(struct sl_cli *cli, int argc, char **argv)
{
    int n;
    int status = sl_cli_parse(cli, NULL, 0, argc, argv, 1, -1, &n);
    if (status >= 0)
        return status;
    struct sl_error err = {0};
    struct sl_found_list list;
    if (!sl_discover((const char *const *)argv, (size_t)n, &list, &err))
        return sl_cli_fail(cli, &err);
    json_t *all = json_array();
    size_t good = 0;
    if (!cli->json)
        printf("%-52s %8s  %-28s %s\n", "project", "services", "classes", "status");
    for (size_t i = 0; i < list.len; i++) {
        sl_progress((int)i + 1, (int)list.len, "discover", "%s", list.at[i].dir);
        struct row r = load(&list.at[i], cli->seed);
        good += r.p != NULL;
        if (cli->json)
            json_array_append_new(all, to_json(&list.at[i], &r));
        else
            print_row(&list.at[i], &r);
        sl_project_free(r.p);
    }
    sl_progress_end();
    json_t *j = json_pack("{s:s, s:i, s:i, s:O}", "schema", "sluice.discover/1", "found",
                          (int)list.len, "runnable", (int)good, "projects", all);
    if (cli->json)
        sl_cli_json(j);
    else
        sl_info("%zu of %zu projects are runnable", good, list.len);
    json_decref(j);
    json_decref(all);
    sl_found_list_done(&list);
    return SL_OK;
}
