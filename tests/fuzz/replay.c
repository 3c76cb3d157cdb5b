// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over every file of a folder: old crashes stay fixed in every build.
#include "base/fs.h"
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    struct dirent **names;
    int n = scandir(argv[1], &names, NULL, alphasort), files = 0;
    for (int i = 0; i < n; i++) {
        char *path = sl_path_join(argv[1], names[i]->d_name), *text;
        size_t len;
        struct sl_error err = {0};
        if (names[i]->d_name[0] != '.') {
            if (!sl_read_file(path, 64 << 20, &text, &len, &err)) {
                fprintf(stderr, "%s\n", err.msg);
                return 1;
            }
            // A copy of the exact size: reading past the end is then seen by ASan and valgrind.
            uint8_t *bytes = malloc(len ? len : 1);
            if (!bytes)
                return 1;
            for (size_t k = 0; k < len; k++)
                bytes[k] = (uint8_t)text[k];
            LLVMFuzzerTestOneInput(bytes, len);
            free(bytes);
            free(text);
            files++;
        }
        free(path);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    printf("%d inputs\n", files);
    return files > 0 ? 0 : 1; // an empty corpus tests nothing
}
