// SPDX-License-Identifier: Apache-2.0
// Payload a TCP socket has received and sent since it was connected, as the kernel counts it: the
// same for every client library, and without retransmissions. False when fd is no TCP socket.
#pragma once
#include <stdbool.h>
#include <stdint.h>
bool sl_tcp_bytes(int fd, uint64_t *in, uint64_t *out);
