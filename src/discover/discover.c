// SPDX-License-Identifier: Apache-2.0
// A walk over folders. Compose files that say "../" need more than their own folder: their project
// is the repository's folder, and the file is named from there.
#include "discover/discover.h"
#include "base/auto.h"
#include "base/fs.h"
#include "base/str.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 40, MAX_FOUND = 3000000, MAX_FILE = 1 << 20 };

struct walk {
    SL_VEC(struct sl_found) found;
    const char *given; // what the user named
    char *repo;        // nearest folder above with .git, or the folder given
    char *commit;
};

// Compose file, override file, or neither?
static bool compose_name(const char *name, bool *override, bool *is_default)
{
    const char *rest = sl_starts_with(name, "docker-") ? name + 7 : name;
    const char *dot = strrchr(rest, '.');
    if (!sl_starts_with(rest, "compose") || !dot || (strcmp(dot, ".yml") && strcmp(dot, ".yaml")))
        return false;
    *override = strstr(rest, "override") != NULL;
    *is_default = dot == rest + 7;
    return true;
}

// The commit that .git/HEAD names; "" when it cannot be read.
static char *head_commit(const char *repo)
{
    SL_AUTO(sl_free_str) char *head = sl_format("%s/.git/HEAD", repo);
    SL_AUTO(sl_free_str) char *text = NULL;
    SL_AUTO(sl_free_str) char *ref = NULL;
    size_t len;
    if (!sl_read_file(head, 4096, &text, &len, NULL))
        return sl_strdup("");
    text[strcspn(text, "\r\n")] = '\0';
    if (sl_starts_with(text, "ref: refs/") && !strstr(text, "..")) {
        SL_AUTO(sl_free_str) char *path = sl_format("%s/.git/%s", repo, text + 5);
        if (sl_read_file(path, 4096, &ref, &len, NULL)) {
            ref[strcspn(ref, "\r\n")] = '\0';
            return strlen(ref) >= 40 && strspn(ref, "0123456789abcdef") == strlen(ref)
                       ? sl_strdup(ref)
                       : sl_strdup("");
        }
        SL_AUTO(sl_free_str) char *packed = sl_format("%s/.git/packed-refs", repo);
        if (!sl_read_file(packed, 16 << 20, &ref, &len, NULL))
            return sl_strdup("");
        SL_AUTO(sl_free_str) char *want = sl_format(" %s\n", text + 5);
        const char *at = strstr(ref, want);
        return at && at - ref >= 40 ? sl_format("%.40s", at - 40) : sl_strdup("");
    }
    return strlen(text) >= 40 && strspn(text, "0123456789abcdef") == strlen(text) ? sl_strdup(text)
                                                                                  : sl_strdup("");
}

static bool has_git(const char *dir)
{
    SL_AUTO(sl_free_str) char *git = sl_format("%s/.git", dir);
    return sl_exists(git);
}

// Nearest folder above dir (or dir) with .git; NULL when there is none.
static char *repository_above(const char *dir)
{
    char *real = sl_real_path(dir);
    while (real && !has_git(real)) {
        char *slash = strrchr(real, '/');
        if (!slash || slash == real) {
            free(real);
            return NULL;
        }
        *slash = '\0';
    }
    return real;
}

static bool climbs(const char *path)
{
    SL_AUTO(sl_free_str) char *text = NULL;
    size_t len;
    struct stat st;
    if (lstat(path, &st) || !S_ISREG(st.st_mode) ||
        !sl_read_file(path, MAX_FILE, &text, &len, NULL))
        return false;
    for (const char *p = text; (p = strstr(p, "..")); p += 2)
        if ((p == text || strchr(" \t\"'=:[", p[-1])) && (!p[2] || strchr("/ \t\r\n\"':]", p[2])))
            return true;
    return false;
}

static void add(struct walk *w, const char *dir, const char *name)
{
    struct sl_found *f = SL_PUSH(&w->found);
    f->repo = sl_strdup(w->repo);
    f->commit = sl_strdup(w->commit);
    f->dir = sl_strdup(dir);
    f->file = sl_strdup(name);
    SL_AUTO(sl_free_str) char *path = sl_format("%s/%s", dir, name);
    size_t n = strlen(w->repo);
    if (!strncmp(dir, w->repo, n) && dir[n] == '/' && climbs(path)) {
        free(f->file);
        f->file = sl_format("%s/%s", dir + n + 1, name);
        free(f->dir);
        f->dir = sl_strdup(w->repo);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool entered(const char *name)
{
    return name[0] != '.' && strcmp(name, "node_modules") && strcmp(name, "vendor");
}

static void take_folder(struct walk *w, const char *dir, int depth);

static void take_children(struct walk *w, const char *dir, char **names, size_t n, int depth)
{
    size_t primary = n; // of the default names one is the project's file
    static const char *const order[] = {"compose.yaml", "compose.yml", "docker-compose.yml",
                                        "docker-compose.yaml"};
    for (int o = 0; o < 4 && primary == n; o++)
        for (size_t i = 0; i < n && primary == n; i++)
            primary = strcmp(names[i], order[o]) ? n : i;
    for (size_t i = 0; i < n; i++) {
        bool override = false, is_default = false;
        SL_AUTO(sl_free_str) char *path = sl_format("%s/%s", dir, names[i]);
        struct stat st;
        if (lstat(path, &st))
            continue;
        if (S_ISDIR(st.st_mode) && entered(names[i]))
            take_folder(w, path, depth + 1);
        bool ours = S_ISREG(st.st_mode) && compose_name(names[i], &override, &is_default);
        bool shadowed =
            ours && is_default && primary < n && i != primary; // the tools would not look at it
        if (ours && !shadowed && (!override || primary == n) && w->found.len < MAX_FOUND)
            add(w, dir, names[i]);
    }
}

static void take_folder(struct walk *w, const char *dir, int depth)
{
    DIR *d = depth < MAX_DEPTH ? opendir(dir) : NULL;
    if (!d)
        return;
    char *outer_repo = NULL, *outer_commit = NULL;
    if (depth && has_git(dir)) { // a repository inside: its projects are its own
        outer_repo = w->repo;
        outer_commit = w->commit;
        w->repo = sl_strdup(dir);
        w->commit = head_commit(dir);
    }
    SL_VEC(char *) names = {0};
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            *SL_PUSH(&names) = sl_strdup(e->d_name);
    closedir(d);
    if (names.len)
        qsort(names.at, names.len, sizeof *names.at, by_name);
    take_children(w, dir, names.at, names.len, depth);
    for (size_t i = 0; i < names.len; i++)
        free(names.at[i]);
    SL_VEC_DONE(&names);
    if (outer_repo) {
        free(w->repo);
        free(w->commit);
        w->repo = outer_repo;
        w->commit = outer_commit;
    }
}

static bool take_path(struct walk *w, const char *path, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *dir = sl_strdup(path);
    for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--)
        dir[n - 1] = '\0';
    if (!sl_exists(dir)) {
        sl_fail(err, SL_EINPUT, "there is no '%s'", path);
        sl_hint(err, "name a folder, or a Compose file itself");
        return false;
    }
    bool folder = sl_is_dir(dir);
    char *slash = strrchr(dir, '/');
    SL_AUTO(sl_free_str) char *name = folder ? NULL : sl_strdup(slash ? slash + 1 : dir);
    if (!folder && slash)
        slash[slash == dir] = '\0';
    else if (!folder)
        strcpy(dir, "."); // a name without a folder is at least as long
    w->given = path;
    SL_AUTO(sl_free_str) char *above = repository_above(dir);
    w->repo = sl_strdup(above && !folder ? above : dir);
    w->commit = head_commit(above ? above : dir);
    if (folder)
        take_folder(w, dir, 0);
    else
        add(w, dir, name);
    free(w->repo);
    free(w->commit);
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct sl_found *x = a, *y = b;
    SL_AUTO(sl_free_str) char *p = sl_format("%s/%s", x->dir, x->file);
    SL_AUTO(sl_free_str) char *q = sl_format("%s/%s", y->dir, y->file);
    return strcmp(p, q);
}

static void free_found(struct sl_found *f)
{
    free(f->repo);
    free(f->dir);
    free(f->file);
    free(f->commit);
}

// One project has one identity, however it was named: paths without links, and as repository the nearest folder with
// .git or, without one, the project's own folder.
static void settle_identity(struct sl_found *f)
{
    char *dir = sl_real_path(f->dir), *above = repository_above(f->dir);
    if (dir) {
        free(f->dir);
        f->dir = dir;
    }
    free(f->repo);
    f->repo = above ? above : sl_strdup(f->dir);
}

bool sl_discover(const char *const *paths, size_t n, struct sl_found_list *out,
                 struct sl_error *err)
{
    struct walk w = {0};
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++)
        ok = take_path(&w, paths[i], err);
    struct sl_found_list list = {w.found.at, w.found.len};
    for (size_t i = 0; i < list.len; i++)
        settle_identity(&list.at[i]);
    if (!ok) {
        sl_found_list_done(&list);
        return false;
    }
    if (list.len)
        qsort(list.at, list.len, sizeof *list.at, by_place);
    size_t kept = 0;
    for (size_t i = 0; i < list.len; i++) { // the same file named twice is one project
        if (kept && !by_place(&list.at[kept - 1], &list.at[i]))
            free_found(&list.at[i]);
        else
            list.at[kept++] = list.at[i];
    }
    list.len = kept;
    *out = list;
    return true;
}

void sl_found_list_done(struct sl_found_list *l)
{
    for (size_t i = 0; i < l->len; i++)
        free_found(&l->at[i]);
    free(l->at);
    *l = (struct sl_found_list){0};
}
