#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small captures, one per rule of the flow engine, for the golden tests of `sluice flows`.

usage: flows-captures.py FOLDER [NAME...]     writes FOLDER/NAME.pcap; all of them without NAME
       flows-captures.py --list

Every capture is made packet by packet from the lines below, always the same bytes. What CICFlowMeter prints for
each of them is kept in flows-cic/; tests/flows/compare_cic.py holds `sluice flows` against it.
"""
import os
import struct
import sys

BASE = 1700000000_000000  # us: Tue 2023-11-14 22:13:20 UTC
C, S = '10.0.0.2', '192.168.7.9'  # client and server
MAC_C, MAC_S = bytes.fromhex('08002700aa01'), bytes.fromhex('08002700aa02')
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
cases = {}


def case(f):
    cases[f.__name__.replace('_', '-')] = f
    return f


def addr(text):
    return bytes(int(x) for x in text.split('.'))


def checksum(b):
    if len(b) & 1:
        b += b'\0'
    s = sum(struct.unpack('!%dH' % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def ip4(src, dst, proto, l4, ident=1, frag=0, options=b'', total=None):
    hlen = 20 + len(options)
    h = struct.pack('!BBHHHBBH4s4s', 0x40 | hlen // 4, 0, hlen + len(l4) if total is None else total, ident, frag, 64,
                    proto, 0, addr(src), addr(dst)) + options
    return h[:10] + struct.pack('!H', checksum(h)) + h[12:] + l4


def tcp_raw(sport, dport, flags, payload=0, seq=1000, ack=0, win=1000, options=b'', doff=None, urgent=0):
    d = 5 + len(options) // 4 if doff is None else doff
    return struct.pack('!HHIIBBHHH', sport, dport, seq & 0xffffffff, ack & 0xffffffff, d << 4, flags, win, 0,
                       urgent) + options + b'x' * payload


def udp_raw(sport, dport, payload, length=None):
    body = payload if isinstance(payload, bytes) else b'u' * payload
    return struct.pack('!HHHH', sport, dport, 8 + len(body) if length is None else length, 0) + body


def ether(payload, kind=0x0800, dst=MAC_S, src=MAC_C, vlans=(), pad=False):
    tags = b''.join(struct.pack('!HH', 0x8100, v) for v in vlans)
    f = dst + src + tags + struct.pack('!H', kind) + payload
    return f + b'\0' * (60 - len(f)) if pad and len(f) < 60 else f


class Capture:
    """Frames in the order they are added; times are microseconds after BASE."""

    def __init__(self):
        self.frames = []

    def frame(self, t, data, wire=None):
        self.frames.append((BASE + t, data, len(data) if wire is None else wire))

    def ip(self, t, src, dst, proto, l4, pad=False, vlans=(), **kw):
        macs = dict(dst=MAC_S, src=MAC_C) if src == C else dict(dst=MAC_C, src=MAC_S)
        self.frame(t, ether(ip4(src, dst, proto, l4, **kw), pad=pad, vlans=vlans, **macs))

    def tcp(self, t, way, flags, payload=0, port=40000, server=80, a=C, b=S, pad=False, vlans=(), **kw):
        """way '>' from a:port to b:server, '<' the other way."""
        if way == '>':
            self.ip(t, a, b, 6, tcp_raw(port, server, flags, payload, **kw), pad, vlans)
        else:
            self.ip(t, b, a, 6, tcp_raw(server, port, flags, payload, **kw), pad, vlans)

    def udp(self, t, way, payload, port=5000, server=5353, a=C, b=S, **kw):
        if way == '>':
            self.ip(t, a, b, 17, udp_raw(port, server, payload, **kw))
        else:
            self.ip(t, b, a, 17, udp_raw(server, port, payload, **kw))

    def icmp(self, t, way, kind, code, rest=b'\0' * 4, body=b''):
        src, dst = (C, S) if way == '>' else (S, C)
        self.ip(t, src, dst, 1, struct.pack('!BBH', kind, code, 0) + rest + body)

    def write(self, path):
        with open(path, 'wb') as f:
            f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
            for t, data, wire in self.frames:
                f.write(struct.pack('<IIII', t // 1000000, t % 1000000, len(data), wire) + data)


def opening(c, **kw):
    """The first seven packets of a small HTTP-like exchange: windows 1000, 1001, ... and 2000, 2001, ..."""
    c.tcp(0, '>', SYN, seq=100, win=1000, **kw)
    c.tcp(5000, '<', SYN | ACK, seq=500, ack=101, win=2000, **kw)
    c.tcp(6000, '>', ACK, seq=101, ack=501, win=1001, **kw)
    c.tcp(7000, '>', PSH | ACK, 100, seq=101, ack=501, win=1002, **kw)
    c.tcp(12000, '<', ACK, seq=501, ack=201, win=2001, **kw)
    c.tcp(15000, '<', PSH | ACK, 1000, seq=501, ack=201, win=2002, **kw)
    c.tcp(16000, '>', ACK, seq=201, ack=1501, win=1003, **kw)


# --- the five of the specification

@case
def client_closes_first(c):
    opening(c)
    c.tcp(17000, '>', FIN | ACK, seq=201, ack=1501, win=100)
    c.tcp(21000, '<', FIN | ACK, seq=1501, ack=202, win=100)
    c.tcp(22000, '>', ACK, seq=202, ack=1502, win=100)


@case
def server_closes_first(c):
    opening(c)
    c.tcp(17000, '<', FIN | ACK, seq=1501, ack=201, win=100)
    c.tcp(21000, '>', FIN | ACK, seq=201, ack=1502, win=100)
    c.tcp(22000, '<', ACK, seq=1502, ack=202, win=100)


@case
def server_resets(c):
    opening(c)
    c.tcp(17000, '<', RST, seq=1501, win=0)
    c.tcp(21000, '>', ACK, 10, seq=201, ack=1501, win=101)
    c.tcp(22000, '>', ACK, 10, seq=211, ack=1501, win=102)


@case
def one_sided(c):
    for t in 0, 2, 10, 129, 131:
        c.udp(t * 1000000, '>', 50)


@case
def two_at_once(c):
    c.udp(0, '>', 20)
    c.udp(0, '>', 20)


# --- bulk transfers, subflows, active and idle

@case
def bulk_forward(c):
    for i in range(7):
        c.tcp(i * 100000, '>', ACK, 500 + i, seq=1 + 600 * i, ack=1)


@case
def bulk_backward(c):
    c.tcp(0, '>', PSH | ACK, 33, seq=1, ack=1)
    for i in range(9):
        c.tcp(1000 + i * 777, '<', ACK, 1000 + 7 * i, seq=1 + 1100 * i, ack=34)


@case
def bulk_both_ways(c):
    for i in range(12):
        c.tcp(i * 5000, '<' if i % 3 == 2 else '>', ACK, 100 + 11 * i, seq=1 + 300 * i, ack=1)
    for i in range(12, 22):
        c.tcp(i * 5000, '>', ACK, 100 + i, seq=1 + 300 * i, ack=1)
        c.tcp(i * 5000 + 1000, '<', ACK, 0, seq=1, ack=1 + 300 * i)
    for i in range(22, 30):
        c.tcp(i * 5000, '<', ACK, 900 + i, seq=1 + 1000 * i, ack=1)


@case
def bulk_interrupted(c):
    n = 0
    for burst in 3, 4, 5, 2, 6:  # each burst is followed by an answer, which ends the candidate of the other side
        for _ in range(burst):
            c.udp(n * 10000, '>', 200 + n)
            n += 1
        c.udp(n * 10000, '<', 60)
        n += 1


@case
def bulk_gap_of_one_second(c):
    t = 0
    for gap in 0, 999999, 1000000, 1000001, 200000, 200000, 200000, 1000000, 1000000, 1000001:
        t += gap
        c.udp(t, '>', 300)


@case
def bulk_of_four_at_once(c):
    for _ in range(4):
        c.udp(0, '>', 125)
    c.udp(3, '<', 1)


@case
def subflows(c):
    t = 0
    for i, gap in enumerate((0, 1000000, 1000001, 500000, 3000000, 1, 2000000, 1000001)):
        t += gap
        c.tcp(t, '>' if i % 3 else '<', ACK, 10 + 7 * i, seq=1 + 100 * i, ack=1)


@case
def active_and_idle(c):
    t = 0
    for i, gap in enumerate((0, 1000, 5000000, 5000001, 2000, 6000000, 5500000, 300, 300, 20000000, 4999999)):
        t += gap
        c.udp(t, '>' if i % 2 else '<', 40 + i)


@case
def idle_before_the_end(c):
    opening(c)
    c.tcp(9000000, '>', FIN | ACK, seq=201, ack=1501, win=100)
    c.tcp(18000000, '<', FIN | ACK, seq=1501, ack=202, win=100)
    c.tcp(30000000, '>', ACK, seq=202, ack=1502, win=100)
    opening_at = 31000000
    c.tcp(opening_at, '>', SYN, port=40001, seq=9)
    c.tcp(opening_at + 10, '<', SYN | ACK, port=40001, seq=5, ack=10)
    c.tcp(opening_at + 7000000, '<', RST | ACK, port=40001, seq=6, ack=10)


# --- TCP: flags, windows, headers

@case
def flags(c):
    c.tcp(0, '>', SYN | ECE | CWR, seq=1)
    c.tcp(10, '<', SYN | ACK | ECE, seq=1, ack=2)
    c.tcp(20, '>', ACK | PSH | URG, 5, seq=2, ack=2, urgent=5)
    c.tcp(30, '<', ACK | PSH | URG | ECE, 6, seq=2, ack=7)
    c.tcp(40, '>', ACK | PSH | CWR, 7, seq=7, ack=8)
    c.tcp(50, '<', 0, 0, seq=8)
    c.tcp(60, '<', PSH | URG, 1, seq=8)
    c.tcp(70, '>', ACK | PSH | URG, 5, seq=2, ack=2, urgent=5)


@case
def first_packet_has_psh_and_urg(c):
    c.tcp(0, '>', ACK | PSH | URG, 5, seq=2, ack=2)
    c.tcp(10, '>', ACK | PSH | URG, 5, seq=7, ack=2)
    c.tcp(20, '<', ACK | PSH, 5, seq=2, ack=12)


@case
def windows(c):
    c.tcp(0, '>', SYN, seq=1, win=0)
    c.tcp(10, '<', SYN | ACK, seq=1, ack=2, win=0)
    c.tcp(20, '>', ACK, seq=2, ack=2, win=65535)
    c.tcp(30, '<', ACK, seq=2, ack=2, win=777)
    c.tcp(40, '<', ACK, seq=2, ack=2, win=0)
    c.udp(50, '>', 3, port=1, server=2)
    c.udp(60, '<', 3, port=1, server=2)


@case
def header_options(c):
    mss = bytes.fromhex('020405b4')
    c.tcp(0, '>', SYN, seq=1, options=mss + b'\1\3\3\7' + b'\4\2\1\1')
    c.tcp(10, '<', SYN | ACK, seq=1, ack=2, options=mss)
    c.tcp(20, '>', ACK, seq=2, ack=2)
    c.tcp(30, '<', ACK, 8, seq=2, ack=2, options=b'\1' * 40)
    c.tcp(40, '>', ACK, 9, seq=2, ack=10, options=b'\1\1\x08\x0a' + b'\0' * 8)
    c.tcp(50, '<', ACK, 9, seq=10, ack=11, options=b'\1' * 24)


@case
def wrong_header_lengths(c):
    c.tcp(0, '>', ACK, 30, doff=0)
    c.tcp(10, '>', ACK, 30, doff=0)
    c.tcp(20, '>', ACK, 30, port=40001, doff=15)
    c.tcp(30, '>', ACK, 0, port=40001, doff=15)
    c.tcp(40, '<', ACK, 30, port=40001, doff=5)
    c.tcp(50, '>', ACK, 30, port=40002, doff=3)
    c.tcp(60, '>', ACK, 30, port=40002, doff=5)
    c.tcp(70, '>', ACK, 30, port=40002, doff=5)


# --- TCP: how connections begin and end

@case
def synack_first(c):
    c.tcp(0, '<', SYN | ACK, seq=1, ack=2, win=2000)
    c.tcp(10, '>', ACK, seq=2, ack=2, win=1000)
    c.tcp(20, '>', ACK | PSH, 50, seq=2, ack=2, win=1001)
    c.tcp(30, '<', ACK | PSH, 60, seq=2, ack=52, win=2001)
    c.tcp(40, '>', SYN, seq=1, win=1002)


@case
def simultaneous_open(c):
    c.tcp(0, '>', SYN, seq=1)
    c.tcp(5, '<', SYN, seq=7)
    c.tcp(10, '>', SYN | ACK, seq=1, ack=8)
    c.tcp(15, '<', SYN | ACK, seq=7, ack=2)
    c.tcp(20, '>', ACK, 4, seq=2, ack=8)


@case
def fin_in_the_first_packet(c):
    c.tcp(0, '>', FIN | ACK, 10, seq=1, ack=1)
    c.tcp(10, '<', ACK, seq=1, ack=12)
    c.tcp(20, '<', FIN | ACK, seq=1, ack=12)
    c.tcp(30, '>', ACK, seq=12, ack=2)
    c.tcp(40, '>', FIN | ACK, port=40001, seq=1)
    c.tcp(50, '>', FIN | ACK, port=40001, seq=1)
    c.tcp(60, '>', ACK, port=40001, seq=2)


@case
def reset_in_the_first_packet(c):
    c.tcp(0, '>', RST, seq=1)
    c.tcp(10, '>', ACK, 3, seq=1)
    c.tcp(20, '<', ACK, 4, seq=1)
    c.tcp(30, '>', SYN, seq=9)
    c.tcp(40, '<', RST | ACK, seq=0, ack=10)


@case
def repeated_fins(c):
    opening(c)
    for i in range(3):
        c.tcp(17000 + i * 1000, '>', FIN | ACK, seq=201, ack=1501, win=100)
    c.tcp(21000, '<', ACK, 40, seq=1501, ack=202, win=2003)
    for i in range(3):
        c.tcp(22000 + i * 1000, '<', FIN | ACK, seq=1541, ack=202, win=2004)
    c.tcp(26000, '>', ACK, seq=202, ack=1542)


@case
def half_close(c):
    opening(c)
    c.tcp(17000, '>', FIN | ACK, seq=201, ack=1501, win=100)
    c.tcp(18000, '<', ACK, 1000, seq=1501, ack=202, win=2003)
    c.tcp(19000, '>', ACK, seq=202, ack=2501, win=101)
    c.tcp(20000, '<', ACK, 1000, seq=2501, ack=202, win=2004)
    c.tcp(21000, '>', ACK, seq=202, ack=3501, win=102)
    c.tcp(22000, '<', FIN | ACK, seq=3501, ack=202, win=2005)
    c.tcp(23000, '>', ACK, seq=202, ack=3502, win=103)


@case
def fin_with_reset(c):
    opening(c)
    c.tcp(17000, '>', FIN | RST | ACK, seq=201, ack=1501)
    c.tcp(18000, '<', RST, seq=1501)
    c.tcp(19000, '>', ACK, 5, seq=202)
    c.tcp(20000, '>', ACK, 5, seq=207)


@case
def refused_then_accepted(c):
    c.tcp(0, '>', SYN, seq=100)
    c.tcp(100, '<', RST | ACK, seq=0, ack=101, win=0)
    c.tcp(1000000, '>', SYN, seq=100)
    c.tcp(1000200, '<', SYN | ACK, seq=4000000000, ack=101)
    c.tcp(1000300, '>', ACK, seq=101, ack=4000000001)
    c.tcp(1000400, '>', PSH | ACK, 50, seq=101, ack=4000000001)
    c.tcp(1000500, '<', ACK, seq=4000000001, ack=151)
    c.tcp(1000600, '<', PSH | ACK, 60, seq=4000000001, ack=151)
    c.tcp(1000700, '>', ACK, seq=151, ack=4000000061)


@case
def reset_in_the_middle(c):
    opening(c)
    c.tcp(17000, '>', RST | ACK, seq=201, ack=1501, win=5)
    for i in range(3):
        c.tcp(18000 + 500 * i, '<', ACK, 100, seq=1501 + 100 * i, ack=201, win=2003)


@case
def port_reuse(c):
    for base in 0, 1000000:
        c.tcp(base, '>', SYN, seq=base + 1)
        c.tcp(base + 10, '<', SYN | ACK, seq=base + 1, ack=base + 2)
        c.tcp(base + 20, '>', ACK, 10, seq=base + 2, ack=base + 2)
        c.tcp(base + 30, '>', FIN | ACK, seq=base + 12, ack=base + 2)
        c.tcp(base + 40, '<', FIN | ACK, seq=base + 2, ack=base + 13)
        c.tcp(base + 50, '>', ACK, seq=base + 13, ack=base + 3)
    c.tcp(2000000, '>', SYN, seq=77)
    c.tcp(2000010, '<', RST | ACK, seq=0, ack=78)
    c.tcp(2000020, '<', SYN, seq=3)  # the server's port opens towards the client
    c.tcp(2000030, '>', SYN | ACK, seq=8, ack=4)
    c.tcp(2000040, '<', ACK, 12, seq=4, ack=9)
    c.tcp(2000050, '<', RST, seq=16)
    c.tcp(2000060, '>', SYN | ACK, seq=99, ack=1)  # and a SYN+ACK after the end


@case
def new_syn_while_open(c):
    opening(c)
    c.tcp(1000000, '>', SYN, seq=5000, win=1500)
    c.tcp(1000010, '<', SYN | ACK, seq=7000, ack=5001, win=2500)
    c.tcp(1000020, '>', ACK, 5, seq=5001, ack=7001, win=1501)


@case
def retransmissions(c):
    c.tcp(0, '>', SYN, seq=1)
    c.tcp(1000000, '>', SYN, seq=1)
    c.tcp(1000010, '<', SYN | ACK, seq=1, ack=2)
    c.tcp(1000020, '>', ACK, seq=2, ack=2)
    c.tcp(1000030, '>', ACK | PSH, 100, seq=2, ack=2)
    c.tcp(1300000, '>', ACK | PSH, 100, seq=2, ack=2)
    c.tcp(1300010, '<', ACK, seq=2, ack=102)
    c.tcp(1300020, '<', ACK, seq=2, ack=102)
    c.tcp(1300030, '<', ACK, seq=2, ack=102, win=999)
    c.tcp(1400000, '>', ACK | PSH, 100, seq=2, ack=2, win=1001)  # another window: not the same to the fork
    c.tcp(1500000, '<', ACK | PSH, 70, seq=2, ack=102)
    c.tcp(1600000, '<', ACK, 70, seq=2, ack=102)  # another flag only
    c.tcp(1700000, '<', ACK, 35, seq=2, ack=102)
    c.tcp(1800000, '>', ACK, seq=102, ack=72)
    c.tcp(1900000, '>', ACK, seq=102, ack=72)


@case
def retransmission_across_the_timeout(c):
    c.tcp(0, '>', SYN, seq=1)
    c.tcp(10, '<', SYN | ACK, seq=1, ack=2)
    c.tcp(20, '>', ACK, 30, seq=2, ack=2)
    c.tcp(60000000, '<', ACK, 30, seq=2, ack=32)
    c.tcp(125000000, '<', ACK, 30, seq=2, ack=32)
    c.tcp(125000010, '>', ACK, 30, seq=2, ack=2)
    c.tcp(125000020, '>', SYN, seq=1)


# --- the timeout of 120 s

@case
def exactly_the_timeout(c):
    for p, last in (40000, 120000000), (40001, 120000001):
        c.tcp(0, '>', ACK, 10, port=p, seq=1, ack=1)
        c.tcp(70000000, '<', ACK, 20, port=p, seq=1, ack=11)
        c.tcp(last, '>', ACK, 30, port=p, seq=11, ack=21)
        c.tcp(last + 10, '<', ACK, 40, port=p, seq=21, ack=41)
    c.frames.sort(key=lambda f: f[0])


@case
def timeout_then_the_server_speaks(c):
    opening(c)
    c.tcp(50000000, '<', ACK, 10, seq=1501, ack=201, win=2003)
    c.tcp(121000000, '<', ACK | PSH, 300, seq=1511, ack=201, win=2004, options=b'\1' * 12)
    c.tcp(121000100, '>', ACK, seq=201, ack=1811, win=1004)
    c.tcp(121000200, '>', ACK | PSH, 400, seq=201, ack=1811, win=1005)
    c.tcp(121000300, '<', ACK | PSH, 500, seq=1811, ack=601, win=2005)
    c.tcp(121000400, '>', FIN | ACK, seq=601, ack=2311, win=1006)
    c.tcp(121000500, '<', FIN | ACK, seq=2311, ack=602, win=2006)
    c.tcp(121000600, '>', ACK, seq=602, ack=2312, win=1007)


@case
def timeout_of_a_lone_packet(c):
    c.udp(0, '>', 11)
    c.udp(130000000, '<', 12)
    c.udp(260000001, '>', 13)
    c.udp(260000002, '<', 14)


@case
def three_pieces_of_a_connection(c):
    for i in range(27):
        c.tcp(i * 11000000, '>' if i % 2 else '<', ACK, i, seq=1 + 100 * i, ack=1)
    c.tcp(290000000, '<', RST, seq=1)
    c.tcp(450000000, '>', ACK, 1, seq=1)
    c.tcp(450000001, '>', SYN, seq=1)


@case
def udp_after_a_long_silence(c):
    c.udp(0, '>', 10)
    c.udp(10, '<', 20)
    c.udp(119000000, '<', 30)
    c.udp(121000000, '<', 40)  # soon after the last: the dialogue goes on
    c.udp(121000010, '>', 50)
    c.udp(300000000, '<', 60)  # after more than 120 s of silence: a new one, started by the other side
    c.udp(300000010, '>', 70)


# --- other protocols, other frames

@case
def icmp_echo(c):
    for i in range(4):
        c.icmp(i * 1000000, '>', 8, 0, struct.pack('!HH', 77, i), b'p' * 56)
        c.icmp(i * 1000000 + 3000, '<', 0, 0, struct.pack('!HH', 77, i), b'p' * 56)


@case
def icmp_kinds(c):
    c.icmp(0, '>', 8, 0, body=b'p' * 8)
    c.icmp(10, '<', 0, 0, body=b'p' * 8)
    c.icmp(20, '<', 3, 0, body=b'q' * 28)  # type differs, code the same
    c.icmp(30, '<', 11, 1, body=b'q' * 28)  # both differ
    c.icmp(40, '<', 11, 0, body=b'q' * 28)  # code differs
    c.icmp(50, '>', 8, 0)
    c.icmp(60, '<', 5, 1)
    c.icmp(70, '<', 40, 2)


@case
def icmp_errors_quote_packets(c):
    c.udp(0, '>', 30, port=6000, server=7000)
    quoted_udp = ip4(C, S, 17, udp_raw(6000, 7000, 30))
    c.icmp(10, '<', 3, 3, body=quoted_udp[:28])
    c.icmp(20, '<', 3, 3, body=quoted_udp)
    c.icmp(30, '<', 11, 0, body=quoted_udp[:28])
    quoted_tcp = ip4(C, S, 6, tcp_raw(6001, 7001, SYN, 0, win=4321))
    c.icmp(40, '<', 3, 1, body=quoted_tcp[:28])
    c.icmp(50, '<', 3, 1, body=quoted_tcp)
    c.icmp(60, '<', 12, 0, body=quoted_tcp + b'zz')
    c.icmp(70, '<', 3, 1, body=quoted_tcp)


@case
def other_protocols_collapse(c):
    c.icmp(0, '>', 8, 0, body=b'p' * 8)
    c.ip(10, C, S, 132, sctp_packet(1, 2))
    c.ip(20, S, C, 47, b'\0\0\x65\x58' + b'g' * 30)
    c.ip(30, C, S, 50, b'e' * 40)
    c.ip(40, S, C, 2, b'\x16\0\0\0\xe0\0\0\5')
    c.ip(50, C, S, 41, b'\x60' + b'\0' * 39)
    c.ip(60, C, S, 89, b'o' * 24)  # OSPF
    c.ip(70, S, C, 253, b'x' * 24)
    c.ip(80, S, C, 103, b'x' * 24)


def sctp_packet(sport, dport, payload=16):
    data = struct.pack('!BBHIHHI', 0, 3, 16 + payload, 1, 0, 0, 0) + b'd' * payload
    return struct.pack('!HHII', sport, dport, 0x1234, 0) + data


@case
def sctp(c):
    c.ip(0, C, S, 132, sctp_packet(3868, 3869))
    c.ip(100, S, C, 132, sctp_packet(3869, 3868, 32))
    c.ip(200, C, S, 132, struct.pack('!HHII', 3868, 3869, 1, 0) + struct.pack('!BBHIIHHI', 1, 0, 20, 5, 6, 1, 1, 7))
    c.ip(300, S, C, 132, sctp_packet(5000, 5001, 8))


@case
def arp(c):
    who = bytes.fromhex('0001080006040001') + MAC_C + addr(C) + b'\0' * 6 + addr(S)
    for t, dst, pad in ((0, b'\xff' * 6, False), (10, b'\xff' * 6, True), (20, MAC_S, False), (30, MAC_S, True),
                        (40, bytes.fromhex('525400123402'), True), (50, bytes.fromhex('450000010203'), True)):
        c.frame(t, ether(who, 0x0806, dst=dst, pad=pad))


@case
def ipv6_frames(c):
    body = struct.pack('!IHBB', 0x60000000, 20, 6, 64) + bytes(15) + b'\1' + bytes(15) + b'\2' + tcp_raw(1, 2, SYN)
    for t, dst in ((0, MAC_S), (10, MAC_S), (20, bytes.fromhex('333300000001')), (30, bytes.fromhex('52540012ab02'))):
        c.frame(t, ether(body, 0x86dd, dst=dst))
    c.tcp(40, '>', SYN)
    c.tcp(50, '<', RST)


@case
def padding(c):
    for port, pad, vlans in (40000, False, ()), (40001, True, ()), (40002, False, (7,)), (40003, True, (7,)), \
            (40004, True, (7, 8)):
        for i in range(4):
            c.tcp(port + i * 10, '>' if i % 2 else '<', ACK, i, port=port, pad=pad, vlans=vlans, seq=1, ack=1)


@case
def same_address_both_ends(c):
    for i in range(9):
        c.tcp(i * 10, '<' if i in (1, 4, 5, 8) else '>', ACK, 10 * i, a='127.0.0.1', b='127.0.0.1', seq=i, ack=i)
    c.udp(1000, '>', 5, a='127.0.0.1', b='127.0.0.1', port=9, server=9)
    c.udp(1010, '<', 6, a='127.0.0.1', b='127.0.0.1', port=9, server=9)


@case
def fragments(c):
    whole = udp_raw(5000, 6000, 3000)
    for t, src, dst in (0, C, S), (5000, C, S), (9000, S, C):
        for i, (at, more) in enumerate(((0, 1), (1480, 1), (2960, 0))):
            c.ip(t + i, src, dst, 17, whole[at:at + 1480], frag=(more << 13) | at // 8, ident=9 + t)


@case
def ip_in_ip(c):
    inner = ip4('1.2.3.4', '5.6.7.8', 6, tcp_raw(1111, 2222, PSH | ACK, 44))
    c.ip(0, C, S, 4, inner)
    c.ip(10, C, S, 4, ip4('1.2.3.4', '5.6.7.8', 17, udp_raw(1111, 2222, 44)))
    c.ip(20, C, S, 4, inner)
    c.ip(30, S, C, 4, ip4('5.6.7.8', '1.2.3.4', 17, udp_raw(2222, 1111, 4)))


@case
def l2tp(c):
    def wrap(ip_packet):
        return bytes.fromhex('000200010002') + b'\xff\x03\x00\x21' + ip_packet
    c.udp(0, '>', wrap(ip4('1.2.3.4', '5.6.7.8', 6, tcp_raw(1111, 2222, PSH | ACK, 44))), port=1701, server=1701)
    c.udp(10, '>', wrap(ip4('1.2.3.4', '5.6.7.8', 17, udp_raw(1111, 2222, 44))), port=1701, server=1701)
    c.udp(20, '<', wrap(ip4('5.6.7.8', '1.2.3.4', 6, tcp_raw(2222, 1111, ACK, 4))), port=1701, server=1701)
    c.udp(30, '<', b'\x80\x02' + b'c' * 10, port=1701, server=1701)


@case
def ip_options(c):
    for t, options in (0, b'\1\1\1\0'), (10, b'\x94\x04\0\0'), (20, b'\x07\x0b\x04' + b'\0' * 9), (30, b'\x44\x0c\x05' + b'\0' * 9):
        c.ip(t, C, S, 17, udp_raw(5, 6, 10), options=options)


@case
def total_length_zero(c):
    for t in 0, 10:
        c.ip(t, C, S, 6, tcp_raw(1, 2, ACK, 100), total=0)
    c.ip(20, C, S, 6, tcp_raw(1, 2, ACK, 100), total=5000)  # longer than the frame
    c.ip(30, C, S, 6, tcp_raw(1, 2, ACK, 100), total=60)
    c.ip(40, C, S, 6, tcp_raw(1, 2, ACK, 100), total=30)  # shorter than the headers
    c.ip(50, C, S, 6, tcp_raw(1, 2, ACK, 100))


@case
def udp_length_lies(c):
    c.udp(0, '>', 50, length=8)
    c.udp(10, '>', 50, length=1000)
    c.udp(20, '<', 50, length=20)


@case
def cut_short(c):
    whole = ether(ip4(C, S, 6, tcp_raw(1, 2, ACK, 1000)))
    for i, kept in enumerate((96, 60, 54, 53, 40, 34, 33, 20, 14)):
        c.frame(i * 10, whole[:kept], len(whole))
    datagram = ether(ip4(C, S, 17, udp_raw(3, 4, 1000)))
    for i, kept in enumerate((96, 42, 41, 34)):
        c.frame(200 + i * 10, datagram[:kept], len(datagram))


# --- order, clocks, numbers

@case
def lone_packets(c):
    c.udp(0, '>', 40, port=1)
    c.tcp(1, '>', SYN)
    c.icmp(2, '>', 8, 0)
    c.ip(3, C, S, 132, sctp_packet(8, 9))
    c.tcp(4, '<', SYN | ACK, port=41)


@case
def clock_goes_back(c):
    for i, t in enumerate((500000, 400000, 450000, 100, 6000000, 900000, 900000)):
        c.udp(t, '>' if i % 2 else '<', 20 + i)
    c.tcp(10, '>', ACK, 3)
    c.tcp(5, '<', ACK, 3)


@case
def times_of_day(c):
    for i, t in enumerate((0, 5000, 6399999999, 6400000000, 6400123000, 6400123456, 42399000000, 42400000000)):
        c.udp(t, '>', 10, port=100 + i)
        c.udp(t + 1, '<', 10, port=100 + i)


@case
def large_numbers(c):
    for i in range(40):
        c.tcp(i * 2900000 + i * i * 37, '<', ACK, 1400 + i % 7, seq=1 + 1500 * i, ack=1)
    for i in range(30):
        c.udp(i * i * 13, '>', 1400 - 3 * i)
    for i in range(300):
        c.udp(i // 40, '>' if i % 5 else '<', 1000 + i, port=7)


@case
def many_flows_interleaved(c):
    x = 12345
    for i in range(600):
        x = (x * 1103515245 + 12345) & 0x7fffffff
        port, way = 20000 + (x >> 8) % 17, '<' if (x >> 16) % 3 == 0 else '>'
        roll = (x >> 20) % 40
        flag = {0: FIN | ACK, 1: RST, 2: SYN, 3: SYN | ACK, 4: FIN}.get(roll, ACK | PSH if roll % 2 else ACK)
        c.tcp(i * 700001, way, flag, (x >> 5) % 1400 if roll > 15 else 0, port=port, seq=x % 50, ack=x % 11, win=x % 90)


def main(argv):
    if argv[1:] == ['--list']:
        print('\n'.join(cases))
        return 0
    if len(argv) < 2 or argv[1].startswith('-'):
        print(__doc__, file=sys.stderr)
        return 2
    os.makedirs(argv[1], exist_ok=True)
    for name in argv[2:] or cases:
        c = Capture()
        cases[name](c)
        c.write(os.path.join(argv[1], name + '.pcap'))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
