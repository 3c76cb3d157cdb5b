// SPDX-License-Identifier: Apache-2.0
#include "base/auto.h"
#include "base/fs.h"
#include "cli/load_spec.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

// Into the file a link leads to, keeping its mode.
static bool rewrite(const char *path, const struct sl_str *text, struct sl_error *err)
{
    SL_AUTO(sl_free_str) char *real = sl_real_path(path);
    struct stat st;
    bool known = stat(path, &st) == 0;
    const char *to = real ? real : path;
    if (!sl_write_file(to, sl_str_text(text), text->len, err))
        return false;
    if (known && chmod(to, st.st_mode & 07777))
        return sl_fail(err, SL_ERUN, "cannot restore the mode of '%s'", path);
    return true;
}

int sl_cmd_fmt(struct sl_cli *cli, int argc, char **argv)
{
    bool write = false;
    const struct sl_opt opts[] = {
        {"write", 'w', SL_OPT_FLAG, NULL, "change the file instead of printing", &write}};
    int n;
    int status = sl_cli_parse(cli, opts, 1, argc, argv, 1, 1, &n);
    if (status >= 0)
        return status;
    if (write && !strcmp(argv[0], "-"))
        return sl_cli_usage(cli, "--write needs a file, not standard input");
    struct sl_cli silent = *cli;
    silent.quiet = true; // warnings are 'check's
    struct sl_spec *spec = sl_cli_load_spec(&silent, argv[0], &status);
    if (!spec)
        return status;
    struct sl_error err = {0};
    struct sl_str text = {0};
    sl_spec_format(spec, &text);
    bool changed =
        text.len != spec->source_len || memcmp(sl_str_text(&text), spec->source, text.len);
    status = SL_OK;
    if (write && changed && !rewrite(argv[0], &text, &err)) {
        status = sl_cli_fail(cli, &err);
    } else if (cli->json) {
        json_t *j = json_pack("{s:s, s:s, s:b, s:s}", "schema", "sluice.fmt/1", "file", spec->file,
                              "changed", (int)changed, "text", sl_str_text(&text));
        sl_cli_json(j);
        json_decref(j);
    } else if (!write) {
        fwrite(sl_str_text(&text), 1, text.len, stdout);
    }
    sl_str_done(&text);
    sl_spec_free(spec);
    return status;
}
