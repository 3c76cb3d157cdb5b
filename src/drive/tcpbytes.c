// SPDX-License-Identifier: Apache-2.0
#include "drive/tcpbytes.h"
#include <linux/tcp.h> // the C library's own tcp_info lacks the byte counters
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

bool sl_tcp_bytes(int fd, uint64_t *in, uint64_t *out)
{
    struct tcp_info t = {0};
    socklen_t len = sizeof t;
    if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &len))
        return false;
    *in = t.tcpi_bytes_received;
    *out = t.tcpi_bytes_sent - t.tcpi_bytes_retrans; // 0 before Linux 4.19
    return true;
}
