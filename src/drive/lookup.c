// SPDX-License-Identifier: Apache-2.0
#include "drive/lookup.h"
#include "base/mem.h"
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct sl_lookup {
    pthread_t thread;
    int event;
    char host[256], port[8];
    int status; // written by the thread, read after it has ended
    struct addrinfo *found;
};

static void *look(void *arg)
{
    struct sl_lookup *l = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    l->status = getaddrinfo(l->host, l->port, &hints, &l->found);
    uint64_t one = 1;
    ssize_t n = write(l->event, &one, sizeof one);
    (void)n;
    return NULL;
}

struct sl_lookup *sl_lookup_start(const char *host, uint16_t port)
{
    struct sl_lookup *l = sl_alloc(sizeof *l);
    snprintf(l->host, sizeof l->host, "%s", host);
    snprintf(l->port, sizeof l->port, "%u", port);
    l->event = eventfd(0, EFD_CLOEXEC);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    bool ok = l->event >= 0 && pthread_create(&l->thread, &attr, look, l) == 0;
    pthread_attr_destroy(&attr);
    if (ok)
        return l;
    if (l->event >= 0)
        close(l->event);
    free(l);
    return NULL;
}

int sl_lookup_fd(const struct sl_lookup *l)
{
    return l->event;
}

bool sl_lookup_end(struct sl_lookup *l, struct sockaddr_storage *addr, socklen_t *len,
                   const char **why)
{
    pthread_join(l->thread, NULL);
    const struct addrinfo *best = NULL;
    for (const struct addrinfo *a = l->status ? NULL : l->found; a; a = a->ai_next) {
        bool usable = a->ai_addrlen <= sizeof *addr;
        if (usable && (!best || (best->ai_family != AF_INET && a->ai_family == AF_INET)))
            best = a;
    }
    if (best) {
        memcpy(addr, best->ai_addr, best->ai_addrlen);
        *len = best->ai_addrlen;
    }
    *why = best ? NULL : l->status ? gai_strerror(l->status) : "no usable address";
    if (!l->status)
        freeaddrinfo(l->found);
    close(l->event);
    free(l);
    return best != NULL;
}
