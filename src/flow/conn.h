// SPDX-License-Identifier: Apache-2.0
/*
 * A connection as Zeek's conn.log tells it: how it went (conn_state), what happened in which order
 * (history), how much each side sent by its sequence numbers.
 *
 * Use      zeroed = nothing seen; add each packet, in order, with its direction; then read.
 * State    TCP: each side moves through the states of Zeek's analysis, and conn_state is told from
 *          the two at the end. UDP: SF, or S0 when nobody answered. Else: OTH. History letters, in
 *          upper case those of the originator: s SYN, h SYN-ACK, a pure ACK, d payload, f FIN, r
 *          RST, t payload sent again (also when it was only overtaken), w zero window, g a gap that
 *          was acknowledged, i and q flags that do not go together, ^ the initiator was not who
 *          spoke first. t, w and g come again at the 10th, 100th, ... time. Checksums are not
 *          verified, so c never comes.
 * Units    bytes; sequence numbers are relative to the side's first, in 64 bits.
 * Memory   the struct; 31 letters of history, what comes later is let go.
 * Threads  not synchronised: one connection belongs to one thread.
 * Source   Zeek's documentation of base/protocols/conn, and its test baselines.
 */
#pragma once
#include "net/packet.h"

enum sl_conn_end { // what a side has come to
    SL_CONN_SILENT,
    SL_CONN_ASKED,       // SYN
    SL_CONN_ANSWERED,    // SYN-ACK by the originator
    SL_CONN_MIDWAY,      // packets without a handshake
    SL_CONN_ESTABLISHED, // SYN or SYN-ACK, and the other side's
    SL_CONN_CLOSED,      // FIN
    SL_CONN_RESET,       // RST
};
struct sl_conn_side {
    uint32_t first_seq;         // of the SYN, or one before the first byte seen
    int64_t sent, acked;        // ends of the highest segment and of the other's acknowledgement
    int64_t hole_end;           // of the newest gap that is not filled
    uint64_t hole_bytes;        // not seen so far
    uint32_t packets;           // all protocols
    uint32_t again, zero, gaps; // events counted for t, w, g
    uint32_t syn_at, fin_at, rst_at; // sequence numbers of the last ones
    uint8_t state, before;           // enum sl_conn_end
    uint8_t seen;                    // letters that were written
    bool has_seq, fin;
};
struct sl_conn {
    struct sl_conn_side side[2]; // [SL_FORWARD] originator
    uint64_t missed_bytes;
    int64_t last_ns; // of the last packet; of TCP up to the one that closed the second side
    char history[32];
    uint8_t history_len;
};

void sl_conn_add(struct sl_conn *c, const struct sl_packet *p, int dir);
// The initiator is not who spoke first: before the first packet is added.
void sl_conn_turned(struct sl_conn *c);
const char *sl_conn_state(const struct sl_conn *c, uint8_t proto); // "S0", "SF", ...
// Payload bytes of a TCP side by its sequence numbers, seen or not.
uint64_t sl_conn_bytes(const struct sl_conn *c, int dir);
