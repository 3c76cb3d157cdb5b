// SPDX-License-Identifier: Apache-2.0
// Build-time program: data/services.tsv -> a C table. Refuses a table that does not hold together,
// so that at run time nothing can fail.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int line_no;

static void refuse(const char *what, const char *text)
{
    fprintf(stderr, "services.tsv:%d: %s '%s'\n", line_no, what, text);
    exit(1);
}

static unsigned bits_of(char *list)
{
    static const char *const names[] = {"tcp", "udp", "sctp", "dccp"};
    unsigned bits = 0;
    for (char *w = strtok(list, ","); w; w = strtok(NULL, ",")) {
        unsigned p = 0;
        while (p < 4 && strcmp(names[p], w))
            p++;
        if (p == 4)
            refuse("no protocol", w);
        bits |= 1u << p;
    }
    return bits;
}

static void put_service(char *line)
{
    char *port = strchr(line, '\t'), *list = port ? strchr(port + 1, '\t') : NULL, *end;
    if (!list)
        refuse("wants 3 columns:", line);
    *port++ = *list++ = '\0';
    long low = strtol(port, &end, 10), high = *end == '-' ? strtol(end + 1, &end, 10) : low;
    if (*end || low < 1 || high < low || high > 65535)
        refuse("no port", port);
    unsigned bits = bits_of(list);
    if (!line[0] || strlen(line) > 19 || strpbrk(line, "\"\\") || !bits)
        refuse("no service", line);
    printf("    {\"%s\", %ld, %ld, %u},\n", line, low, high, bits);
}

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
    static char line[1024], date[1024], source[1024];
    if (!f)
        refuse("cannot read", argc == 2 ? argv[1] : "");
    puts("// Made from data/services.tsv at build time.");
    puts("static const struct builtin builtin[] = {");
    for (line_no = 1; fgets(line, sizeof line, f); line_no++) {
        line[strcspn(line, "\r\n")] = '\0';
        if (!strncmp(line, "# date: ", 8))
            strcpy(date, line + 8);
        else if (!strncmp(line, "# source: ", 10))
            strcpy(source, line + 10);
        else if (line[0] && line[0] != '#')
            put_service(line);
    }
    fclose(f);
    if (!date[0] || !source[0] || strpbrk(source, "\"\\") || strpbrk(date, "\"\\"))
        refuse("no date or source:", argv[1]);
    printf("};\nstatic const char builtin_date[] = \"%s\";\n", date);
    printf("static const char builtin_source[] = \"%s\";\n", source);
    return 0;
}
