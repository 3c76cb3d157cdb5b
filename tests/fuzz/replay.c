// SPDX-License-Identifier: Apache-2.0
// Feeds every file of the given folders to a fuzz target: the corpus as an ordinary test.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(const char *path)
{
    enum { MAX_BYTES = 1 << 20 };
    FILE *f = fopen(path, "re");
    if (!f)
        return 1;
    char *all = malloc(MAX_BYTES);
    size_t n = all ? fread(all, 1, MAX_BYTES, f) : 0;
    fclose(f);
    // A copy of the exact size: reading past its end is seen by the sanitizers.
    uint8_t *copy = malloc(n ? n : 1);
    for (size_t i = 0; copy && i < n; i++)
        copy[i] = (uint8_t)all[i];
    free(all);
    if (copy)
        LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    return 0;
}

int main(int argc, char **argv)
{
    int fed = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        for (struct dirent *e; d && (e = readdir(d));) {
            char path[4096];
            if (e->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            failed += feed(path);
            fed++;
        }
        if (d)
            closedir(d);
    }
    printf("%d inputs\n", fed);
    return failed ? 1 : 0;
}
