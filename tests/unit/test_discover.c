// SPDX-License-Identifier: Apache-2.0
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "discover/discover.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static char *root;

static int make(void **state)
{
    (void)state;
    root = sl_strdup("/tmp/sl-discover-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int clean(void **state)
{
    (void)state;
    bool ok = sl_remove_tree(root, NULL);
    free(root);
    return ok ? 0 : -1;
}

static void put(const char *name, const char *text)
{
    char *path = sl_path_join(root, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_true(sl_mkdirs(path, NULL));
    *slash = '/';
    assert_true(sl_write_file(path, text, strlen(text), NULL));
    free(path);
}

// "dir:file" of everything found, relative to the root, parted by blanks.
static char *found(const char *path)
{
    struct sl_found_list list;
    struct sl_error err = {0};
    struct sl_str s = {0};
    assert_true(sl_discover(&path, 1, &list, &err));
    for (size_t i = 0; i < list.len; i++) {
        const char *dir = list.at[i].dir + strlen(root);
        sl_str_addf(&s, "%s%s:%s", i ? " " : "", dir + (*dir == '/'), list.at[i].file);
    }
    sl_found_list_done(&list);
    return sl_str_take(&s);
}

static void compose_files_are_found_at_any_depth_in_order(void **state)
{
    (void)state;
    put("docker-compose.yml", "");
    put("docker-compose.prod.yaml", "");
    put("docker-compose.override.yml", "");
    put("b/compose.yaml", "");
    put("b/docker-compose.yml", ""); // the tools would take compose.yaml
    put("a/deep/er/compose-dev.yml", "");
    put("only/compose.override.yml", ""); // no primary beside it
    put("not/my-compose.yml", "");
    put("not/compose.txt", "");
    put("node_modules/x/compose.yml", "");
    put("vendor/compose.yml", "");
    put(".hidden/compose.yml", "");
    char *link = sl_path_join(root, "link"), *target = sl_path_join(root, "b");
    assert_int_equal(symlink(target, link), 0);
    char *got = found(root);
    assert_string_equal(got, "a/deep/er:compose-dev.yml b:compose.yaml :docker-compose.prod.yaml "
                             ":docker-compose.yml only:compose.override.yml");
    free(got), free(link), free(target);
}

static void a_file_that_climbs_gets_the_repository_as_its_folder(void **state)
{
    (void)state;
    put("repo/.git/HEAD", "ref: refs/heads/main\n");
    put("repo/.git/refs/heads/main", "0123456789abcdef0123456789abcdef01234567\n");
    put("repo/docker/compose.yml", "services:\n  a:\n    build: ..\n");
    put("repo/plain/compose.yml", "services:\n  a:\n    image: x\n    command: echo a..b\n");
    char *repo = sl_path_join(root, "repo");
    char *got = found(repo);
    assert_string_equal(got, "repo:docker/compose.yml repo/plain:compose.yml");
    free(got);
    struct sl_found_list list;
    const char *one = repo;
    assert_true(sl_discover(&one, 1, &list, NULL));
    assert_string_equal(list.at[0].commit, "0123456789abcdef0123456789abcdef01234567");
    assert_string_equal(list.at[0].repo, repo);
    sl_found_list_done(&list);
    free(repo);
}

static void a_repository_inside_another_folder_is_its_own(void **state)
{
    (void)state;
    put("many/one/.git/HEAD", "fedcba9876543210fedcba9876543210fedcba98\n");
    put("many/one/compose.yml", "");
    put("many/two/compose.yml", "");
    char *many = sl_path_join(root, "many"), *own = sl_path_join(root, "many/one");
    char *two = sl_path_join(root, "many/two"); // no repository: its own folder, however it was found
    struct sl_found_list list;
    const char *path = many;
    assert_true(sl_discover(&path, 1, &list, NULL));
    assert_int_equal(list.len, 2);
    assert_string_equal(list.at[0].repo, own);
    assert_string_equal(list.at[0].commit, "fedcba9876543210fedcba9876543210fedcba98");
    assert_string_equal(list.at[1].repo, two);
    assert_string_equal(list.at[1].commit, "");
    sl_found_list_done(&list);
    free(many), free(own), free(two);
}

static void a_file_can_be_named_itself_and_counts_once(void **state)
{
    (void)state;
    put("solo/any-name.yml", "");
    char *file = sl_path_join(root, "solo/any-name.yml"), *dir = sl_path_join(root, "solo");
    const char *paths[] = {file, file, dir};
    struct sl_found_list list;
    assert_true(sl_discover(paths, 3, &list, NULL));
    assert_int_equal(list.len, 1);
    assert_string_equal(list.at[0].file, "any-name.yml");
    assert_string_equal(list.at[0].dir, dir);
    sl_found_list_done(&list);
    free(file), free(dir);
}

static void what_is_not_there_is_named(void **state)
{
    (void)state;
    struct sl_found_list list = {0};
    struct sl_error err = {0};
    const char *path = "/nonexistent/x";
    assert_false(sl_discover(&path, 1, &list, &err));
    assert_int_equal(err.code, SL_EINPUT);
    assert_non_null(strstr(err.msg, "/nonexistent/x"));
    assert_null(list.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(compose_files_are_found_at_any_depth_in_order, make, clean),
        cmocka_unit_test_setup_teardown(a_file_that_climbs_gets_the_repository_as_its_folder, make,
                                        clean),
        cmocka_unit_test_setup_teardown(a_repository_inside_another_folder_is_its_own, make, clean),
        cmocka_unit_test_setup_teardown(a_file_can_be_named_itself_and_counts_once, make, clean),
        cmocka_unit_test(what_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
