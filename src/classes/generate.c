// SPDX-License-Identifier: Apache-2.0
// Build-time program: data/classes.tsv -> C tables. Refuses a table that does not hold together, so
// that at run time nothing can fail.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_APPS = 500, MAX_CLASSES = 60, COLUMNS = 9, MAX_PORTS = 1024 };
static char *apps[MAX_APPS][COLUMNS];
static int n_apps;
static char *classes[MAX_CLASSES], *aliases[MAX_CLASSES];
static int n_classes, line_no;

static void refuse(const char *what, const char *text)
{
    fprintf(stderr, "classes.tsv:%d: %s '%s'\n", line_no, what, text);
    exit(1);
}

static char *copy(const char *s)
{
    char *p = strdup(s);
    if (!p)
        abort();
    return p;
}

static int class_id(const char *name)
{
    for (int i = 0; i < n_classes; i++)
        if (!strcmp(classes[i], name))
            return i + 1;
    refuse("no class", name);
    return 0;
}

static void read_line(char *line)
{
    char *field[COLUMNS];
    int n = 0;
    for (char *p = line, *q; p; p = q) {
        q = strchr(p, '\t');
        if (q)
            *q++ = '\0';
        if (n == COLUMNS)
            refuse("too many columns at", p);
        field[n++] = strcmp(p, "-") ? p : p + 1;
    }
    if (!strcmp(field[0], "class") && n == 3 && n_classes < MAX_CLASSES) {
        classes[n_classes] = copy(field[1]);
        aliases[n_classes++] = copy(field[2]);
        return;
    }
    if (n != COLUMNS || n_apps == MAX_APPS)
        refuse("wants 9 columns:", field[0]);
    if (strcmp(field[2], "server") && strcmp(field[2], "client") && strcmp(field[2], "both"))
        refuse("no role", field[2]);
    class_id(field[1]);
    for (int i = 0; i < COLUMNS; i++)
        apps[n_apps][i] = copy(field[i]);
    n_apps++;
}

// Calls out for each comma-parted word of a column of each application.
static void each_word(int column, void (*out)(int app, char *word))
{
    for (int i = 0; i < n_apps; i++) {
        char *list = copy(apps[i][column]);
        for (char *w = strtok(list, ","); w; w = strtok(NULL, ","))
            out(i, w);
        free(list);
    }
}

static void put_pair(int app, char *word)
{
    printf("    {\"%s\", %d},\n", word, app);
}

static void put_exact(int app, char *word)
{
    if (!strpbrk(word, "*/"))
        put_pair(app, word);
}

static void put_pattern(int app, char *word)
{
    if (strpbrk(word, "*/"))
        put_pair(app, word);
}

static struct port {
    long port;
    int proto, app;
} port_words[MAX_PORTS];
static int n_ports;

static void add_port(int app, char *word)
{
    char *proto = NULL;
    long port = strtol(word, &proto, 10);
    if (port < 1 || port > 65535 || (strcmp(proto, "/tcp") && strcmp(proto, "/udp")))
        refuse("no port", word);
    if (n_ports == MAX_PORTS)
        refuse("too many ports", word);
    port_words[n_ports++] = (struct port){port, strcmp(proto, "/udp") ? 6 : 17, app};
}

// In the order in which they are searched; of two applications with one port the first has it.
static int by_port(const void *a, const void *b)
{
    const struct port *x = a, *y = b;
    if (x->port != y->port)
        return x->port < y->port ? -1 : 1;
    return x->proto != y->proto ? x->proto - y->proto : x->app - y->app;
}

static void put_ports(void)
{
    qsort(port_words, (size_t)n_ports, sizeof *port_words, by_port);
    for (int i = 0; i < n_ports; i++) {
        const struct port *p = &port_words[i];
        if (!i || p[-1].port != p->port || p[-1].proto != p->proto)
            printf("    {%ld, %d, %d},\n", p->port, p->proto, p->app);
    }
}

static void put_aliases(void)
{
    for (int i = 0; i < n_classes; i++) {
        char *list = copy(aliases[i]);
        for (char *w = strtok(list, ","); w; w = strtok(NULL, ","))
            put_pair(i + 1, w);
        free(list);
    }
}

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
    static char line[8192];
    if (!f)
        refuse("cannot read", argc == 2 ? argv[1] : "");
    for (line_no = 1; fgets(line, sizeof line, f); line_no++) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] && line[0] != '#')
            read_line(line);
    }
    fclose(f);
    puts("// Made from data/classes.tsv at build time.");
    puts("static const char *const class_names[] = {\"unknown\",");
    for (int i = 0; i < n_classes; i++)
        printf("    \"%s\",\n", classes[i]);
    puts("};\nstatic const struct word class_aliases[] = {");
    put_aliases();
    puts("};\nstatic const struct app apps[] = {");
    for (int i = 0; i < n_apps; i++)
        printf("    {\"%s\", %d, SL_ROLE_%s, \"%s\", %s, \"%s\"},\n", apps[i][0],
               class_id(apps[i][1]),
               !strcmp(apps[i][2], "server")   ? "SERVER"
               : !strcmp(apps[i][2], "client") ? "CLIENT"
                                               : "BOTH",
               apps[i][3], strcmp(apps[i][8], "weak") ? "false" : "true", apps[i][7]);
    puts("};\nstatic const struct word images[] = {");
    each_word(4, put_exact);
    puts("};\nstatic const struct word image_patterns[] = {");
    each_word(4, put_pattern);
    puts("};\nstatic const struct word processes[] = {");
    each_word(5, put_pair);
    puts("};\nstatic const struct port_word ports[] = {");
    each_word(6, add_port);
    put_ports();
    puts("};");
    return 0;
}
